"""A fitted synthesizer of tables as a file, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.encoder import TableEncoder
from synthkit.models import Model, ModelSpec
from synthkit.runtime import resolve_device
from synthkit.schema import Schema
from synthkit.synthesizers.combinations import Combinations
from synthkit.synthesizers.restoring import loaded, restored

__all__ = ["Stored"]


class Stored:
    """The part of :class:`synthkit.TabularSynthesizer` that files have to do with; its attributes are told there."""

    encoder_: TableEncoder
    schema_: Schema
    model_: Model
    spec_: ModelSpec
    choice_: str
    n_steps_: int | tuple[int, ...]
    history_: list[Any]
    marginals_: Model | None
    combinations_: Combinations | None
    device: str | torch.device
    _fitted: Callable[[str], None]

    def __init__(self, model: str | ModelSpec = "auto", *, device: str | torch.device = "auto") -> None:
        self.model, self.device = model, device

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted synthesizer: a zip of JSON and safetensors, no pickle, and no row of the training table."""
        self._fitted("save")
        io.save(path, "synthesizer", *self.to_state())

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays, from which :meth:`from_state` rebuilds the fitted synthesizer."""
        self._fitted("to_state")
        json, arrays = self.encoder_.to_state()
        weights = {f"model/{k}": v.detach().cpu().numpy() for k, v in self.model_.state_dict().items()}
        value = {"encoder": json, "spec": self.spec_.to_json(), "choice": self.choice_, "n_steps": self.n_steps_}
        if self.combinations_ is not None:
            value["combinations"], own = self.combinations_.to_state()
            arrays = {**arrays, **{f"combinations/{k}": v for k, v in own.items()}}
        return value, {**arrays, **weights}

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | torch.device = "auto") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            LoadError: the file is truncated, altered, of another kind, or of a newer format.
        """
        target = resolve_device(device)
        value, arrays = io.load(path, "synthesizer")
        out = loaded(path, lambda: cls.from_state(value, arrays, target))
        out.device = device
        return out

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], target: torch.device) -> Self:
        """What :meth:`to_state` described, on the device ``target``.

        Raises:
            LoadError: its model is unknown here.
        """
        encoder = TableEncoder.from_state(value["encoder"], arrays)
        spec, model = restored(value["spec"], encoder.layout_, arrays)
        out = cls.ready(encoder, spec, model.to(target).eval(), value["choice"])
        if value.get("combinations") is not None:
            own = io.below(arrays, "combinations/")
            out.combinations_ = Combinations.from_state(value["combinations"], own, encoder)
        steps = value["n_steps"]
        out.device, out.n_steps_ = target, steps if isinstance(steps, int) else tuple(steps)
        return out

    @classmethod
    def ready(cls, encoder: TableEncoder, spec: ModelSpec, model: Model, choice: str) -> Self:
        """A fitted synthesizer of parts that come from elsewhere: a file, or a schema."""
        out = cls(model=spec)
        out.encoder_, out.schema_, out.model_, out.spec_ = encoder, encoder.schema_, model, spec
        out.n_steps_, out.choice_, out.history_, out.marginals_ = 0, choice, [], None
        out.combinations_ = None
        return out
