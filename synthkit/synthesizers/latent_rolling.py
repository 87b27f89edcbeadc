"""Sequences from latents: the rows of :mod:`synthkit.synthesizers.rolling` with a latent of each entity."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthkit import io
from synthkit.layout import Encoded
from synthkit.models.history import History, State
from synthkit.models.sequence_latent import SEQUENCE_MODELS, SequenceLatent
from synthkit.models.sequence_laws import Law
from synthkit.models.sequence_rows import Entities, LatentRows, SequenceEncoderNet, summaries
from synthkit.models.steps import Steps
from synthkit.progress import Progress
from synthkit.runtime import entropy, seeded, single_precision
from synthkit.sequences import Records, SequenceEncoder
from synthkit.stages import Stages
from synthkit.synthesizers.rolling import Rolling
from synthkit.synthesizers.row_data import RowData, laid_out, steps_of
from synthkit.synthesizers.tabular import TabularSynthesizer
from synthkit.synthesizers.training import Training, split

__all__ = ["LatentRolling", "LatentState", "fit_latent"]

_SHARE = 0.75  # of the time budget that the auto-encoder may take
_ACTIVE = 0.02  # nats that a latent in use tells of an entity


@dataclass
class LatentState(State):
    """Also ``(E, D)`` summaries of the rows so far."""

    summary: Tensor

    @classmethod
    def of(cls, state: State, summary: Tensor) -> Self:
        """A state with its summaries."""
        return cls(**{f.name: getattr(state, f.name) for f in fields(State)}, summary=summary)

    def take(self, index: Tensor | slice) -> LatentState:
        return LatentState.of(State.take(self, index), self.summary[index])


class LatentRolling(Rolling):
    """A fitted auto-encoder of sequences and the law of its latents.

    Attributes:
        told: ``(L,)`` nats that each latent tells of a training entity on average.
    """

    law: Law
    told: list[float]

    @property
    def active(self) -> int:
        """Latents in use."""
        return sum(nats > _ACTIVE for nats in self.told)

    def past(self, encoder: SequenceEncoder, records: Records) -> State:
        state = super().past(encoder, records)
        with single_precision():
            step = steps_of(encoder, self.steps, records)[0].to(self.device)
            x, w = self.history.moving(step)
            summary = summaries(x, w, torch.from_numpy(records.lengths).to(self.device))
        return LatentState.of(state, summary)

    def extra(self, context: Encoded, past: State | None) -> Tensor:
        """Latents ``(E, L)``: by the law given the context, or as the rows so far have it."""
        static = self.history.static(context)[0]
        if not isinstance(past, LatentState):
            return self.law.draw(static)
        assert isinstance(self.model, LatentRows) and self.model.encoder is not None
        mean, log_var = self.model.encoder(past.summary, static)
        z: Tensor = mean + torch.randn_like(mean) * (log_var / 2).exp()
        return z

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        value, arrays = super().to_state()
        arrays |= {f"law/{k}": v.detach().cpu().numpy() for k, v in self.law.state_dict().items()}
        assert isinstance(self.model, LatentRows) and self.model.encoder is not None
        told = self.model.encoder.told
        sizes = [told.get_buffer("weight").shape[1], told.get_buffer("weight").shape[0]]
        return {**value, "told": self.told, "sizes": sizes}, arrays

    @classmethod
    def from_state(
        cls,
        value: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        encoder: SequenceEncoder,
        entities: TabularSynthesizer,
        target: torch.device,
    ) -> Self:
        spec = SEQUENCE_MODELS[value["spec"]["name"]](**value["spec"]["params"])
        spec.check_params()
        assert isinstance(spec, SequenceLatent)
        links = tuple((int(field), float(rate)) for field, rate in value["links"])
        history, steps = laid_out(encoder, entities, links, spec.latents)

        def own(key: str) -> dict[str, Tensor]:
            return {k: torch.as_tensor(v) for k, v in io.below(arrays, key).items()}

        history.load_state_dict(own("history/"))
        with seeded(0, torch.device("cpu")):
            model = spec.restore(steps.layout)
            model.room(*value["sizes"])
            model.load_state_dict(own("model/"))
            law = spec.law(value["sizes"][1])
            law.load_state_dict(own("law/"))
        out = cls(spec, model.to(target).eval(), history.to(target), steps, links, encoder)
        out.law, out.told = law.to(target).eval(), [float(nats) for nats in value["told"]]
        return out


class _LatentTraining(Training):
    """Of a row model that knows whose the rows are."""

    attach: Callable[[LatentRows], None]

    def _build(self, data: Encoded, weight: Tensor | None) -> LatentRows:
        with seeded(entropy(self.seed, 0), self.device):
            model = LatentRows(self.spec, self.layout)  # type: ignore[arg-type]
            self.attach(model)
            model.take_frequencies(data, weight)
            return model.to(self.device)


def fit_latent(
    spec: SequenceLatent,
    encoder: SequenceEncoder,
    entities: TabularSynthesizer,
    records: Records,
    device: torch.device,
    seed: int,
    max_steps: int | None,
    max_seconds: float | None,
    progress: bool | Callable[[Progress], bool | None] | None,
) -> tuple[LatentRolling, Training]:
    """The auto-encoder of ``records`` and the law of its latents, and how the former's training went."""
    with single_precision():
        began = clock.monotonic()
        spec, table = _entities(spec, encoder, entities, records, entropy(seed, 1))
        numbers = torch.zeros(len(records.lengths), spec.latents)
        numbers[:, 0] = torch.arange(len(numbers))
        made = RowData.of(spec, encoder, entities, records, numbers)
        ready, table = made.spec, table.to(device)
        assert isinstance(ready, SequenceLatent)
        budget = None if max_seconds is None else _SHARE * max_seconds
        training = _LatentTraining(
            ready, made.steps.layout, device, entropy(seed, 0), max_steps, budget, progress=progress
        )
        training.attach = lambda model: _attach(model, table, made.history, made.steps)
        model = training.fit(made.data.to(device), None, made.owner)
        assert isinstance(model, LatentRows)
        with torch.no_grad():
            mean, log_var = model.posterior()
        model.detach()
        left = None if max_seconds is None else max(max_seconds - (clock.monotonic() - began), 1.0)
        law = _fit_law(ready, (mean, log_var, table.context), device, entropy(seed, 2), max_steps, left)
        out = LatentRolling(ready, model, made.history.to(device), made.steps, made.links, encoder)
        out.law = law
        out.told = [float(x) for x in 0.5 * (mean.square() + log_var.exp() - 1 - log_var).mean(0)]
        return out, training


def _entities(
    spec: SequenceLatent, encoder: SequenceEncoder, entities: TabularSynthesizer, records: Records, seed: int
) -> tuple[SequenceLatent, Entities]:
    """What the encoder reads of the entities, and the recipe with as many latents as they show."""
    history, steps = laid_out(encoder, entities, ())
    step, context = steps_of(encoder, steps, records)[0], entities.encoder_.encode(records.entities, "state")
    history.learn(context, step)
    lengths = torch.from_numpy(records.lengths)
    x, w = history.moving(step)
    whole, static = summaries(x, w, lengths), history.static(context)[0]
    halves = summaries(x, w, lengths, 0), summaries(x, w, lengths, 1)
    with seeded(seed, torch.device("cpu")):
        most = spec.fitting(len(lengths)).latents
        found = SequenceEncoderNet(whole.shape[1], static.shape[1], most, 1).start(whole, static, halves)
        spec = replace(spec, latents=max(found, 1))
        noise = torch.randn(len(lengths), spec.latents)
    return spec, Entities(whole, static, lengths.float(), noise, halves)


def _attach(model: LatentRows, table: Entities, history: History, steps: Steps) -> None:
    means = 1 + max((k for k, column in enumerate(history.about) if column >= 0), default=-1)
    cats = [steps.layout.slot[i] for i in steps.lag if steps.layout.fields[i].size]
    nums = [steps.layout.slot[i] for i in steps.lag if not steps.layout.fields[i].size]
    model.attach(table, means, cats, nums)


def _fit_law(
    spec: SequenceLatent,
    posteriors: tuple[Tensor, Tensor, Tensor],
    device: torch.device,
    seed: int,
    max_steps: int | None,
    max_seconds: float | None,
) -> Law:
    with seeded(entropy(seed, 0), device):
        law = spec.law(posteriors[2].shape[1])
    law = law.to(device)
    data = law.pack(*posteriors)
    rows, held = (index.to(device) for index in split(np.arange(len(data)), seed))
    with seeded(entropy(seed, 2), device):
        law.start(data)
    if len(held):
        plain = law.plain(data.take(held))
        recipe = law.recipe(len(rows))
        Stages(recipe, entropy(seed, 1), max_steps, max_seconds).fit(law, data.take(rows), data.take(held))
        law.judge(data.take(held), plain if math.isfinite(plain) else -math.inf)
    return law.eval()
