"""The row model of sequences with its history: fitted from records, and rolled out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.conditions import Between, Null, compile_where, single
from synthkit.errors import ConditionError
from synthkit.layout import Allowed, Encoded
from synthkit.models.anyorder import AutoregressiveModel
from synthkit.models.autoregressive import Autoregressive
from synthkit.models.history import History, State
from synthkit.models.sequential import Clock, Rollout, replay
from synthkit.models.smoothing import fill_paths
from synthkit.models.steps import Steps
from synthkit.progress import Progress
from synthkit.running import Ledger
from synthkit.runtime import entropy, seeded, single_precision
from synthkit.schema import Constant
from synthkit.sequences import PACE, ROWS, SPAN, START, Records, SequenceEncoder
from synthkit.synthesizers.restoring import restored
from synthkit.synthesizers.row_data import RowData, days_before, laid_out, span_of, steps_of
from synthkit.synthesizers.tabular import TabularSynthesizer
from synthkit.synthesizers.training import Training

__all__ = ["Conditions", "Rolling", "fit_rows"]


@dataclass(frozen=True)
class Conditions:
    """What every row has to meet: sets by field of the whole layout, pinned cells of a step, and a last touch."""

    rules: dict[int, Allowed]
    pinned: Encoded | None
    touch: Callable[[pd.DataFrame], pd.DataFrame]


class Rolling:
    """A fitted row model. Shapes: E entities, R rows."""

    def __init__(
        self,
        spec: Autoregressive,
        model: AutoregressiveModel,
        history: History,
        steps: Steps,
        links: tuple[tuple[int, float], ...],
        encoder: SequenceEncoder,
    ) -> None:
        self.spec, self.model, self.history, self.steps = spec, model, history, steps
        self.links, self.encoder = links, encoder

    # ---------------------------------------------------------------- entities
    def spans(self, entities: pd.DataFrame, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """``(E,)`` time from first to last row, in units of the median gap."""
        if PACE not in entities and SPAN not in entities:
            return np.zeros(len(entities))
        if PACE in entities:
            pace = entities[PACE]
        else:  # stretched where more rows are asked for
            pace = entities[SPAN] / np.maximum(entities[ROWS].astype(float) - 1, 1)
        out: NDArray[np.float64] = pace.fillna(1.0).to_numpy(np.float64) * np.maximum(lengths - 1, 0)
        return out

    def began(self, encoder: SequenceEncoder, entities: pd.DataFrame) -> NDArray[Any] | None:
        """``(E,)`` canonical times of first rows."""
        return None if START not in entities else encoder.canonical_times(entities[START])

    def nearest_length(self, entities: TabularSynthesizer, length: int) -> int:
        """The nearest number of rows that the table of entities knows of."""
        kind = entities.schema_.columns[ROWS]
        if isinstance(kind, Constant):
            return int(kind.value)
        law = getattr(entities.encoder_.transformers_[ROWS], "law", None)
        return length if law is None else int(np.clip(length, round(law.lo[0]), round(law.hi[-1])))

    def conditions(self, encoder: SequenceEncoder, moving: Mapping[Hashable, Any]) -> Conditions:
        """Conditions on moving columns, for every row."""
        if not moving:
            return Conditions({}, None, lambda table: table)
        plain = {name: rule for name, rule in moving.items() if name not in encoder.groups_}
        grouped = {name: _grouped(encoder, name, moving) for name in moving if name in encoder.groups_}
        compiled = compile_where(encoder.rows_, {**plain, **{name: inside for name, (inside, _) in grouped.items()}}, 1)
        first = self.steps.rows.start
        rules = {field + first: rule for field, rule in compiled.allowed.items()}
        none = torch.zeros(1, len(encoder.calendar_), dtype=torch.long)
        gap = None if encoder.gaps_ is None else encoder.gaps_.layout_.empty(1)
        pinned = self.steps.build(gap, none, compiled.partial)
        dates = [self.steps.step.slot[f - self.steps.gap.start] for f in self.steps.dates]
        pinned.cat_known[:, dates] = False
        touch = compile_where(encoder.rows_, plain, 1).touch

        def last(table: pd.DataFrame) -> pd.DataFrame:
            table = touch(table, slice(0, len(table)))
            for name, (_, rule) in grouped.items():
                if isinstance(rule, Between):
                    table[name] = table[name].clip(rule.low, rule.high)
            return table

        return Conditions(rules, pinned, last)

    # ---------------------------------------------------------------- drawing
    def past(self, encoder: SequenceEncoder, records: Records) -> State:
        """What given entities hand on to their next row."""
        device = self.device
        with single_precision():
            step, gap = steps_of(encoder, self.steps, records)
            return replay(self.history, self.steps, step.to(device), _tensor(records.lengths, device), gap.to(device))

    def fill(self, encoder: SequenceEncoder, context: Encoded, records: Records, seed: int) -> Encoded:
        """The moving columns of records with their gaps drawn, R rows."""
        device = self.device
        step, gap = steps_of(encoder, self.steps, records)
        span = torch.from_numpy(span_of(encoder, records)).float()
        tensors = (_tensor(records.lengths, device), gap.to(device), span.to(device))
        counts = _tensor(records.counts, device)
        with seeded(seed, device), torch.no_grad():
            known = context.to(device)
            args = (self.model, self.history, self.steps, known, step.to(device))
            done = fill_paths(
                *args, *tensors, self.extra(known, self.past(encoder, records)), days_before(encoder, records), counts
            ).to("cpu")
        return self.steps.split(done, self._gap_layout(encoder), encoder.rows_.layout_)[1]

    def extra(self, context: Encoded, past: State | None) -> torch.Tensor | None:
        """``(E, X)`` numbers of entities that their rows read beside context and history; here none."""
        return None

    def draw(
        self,
        encoder: SequenceEncoder,
        context: Encoded,
        past: State | None,
        now: NDArray[Any] | None,
        lengths: NDArray[np.int64],
        span: NDArray[np.float64],
        rows: NDArray[np.int64],
        rules: Conditions,
        seed: int,
        opening: NDArray[np.float64] | None = None,
        ends: bool = False,
    ) -> tuple[Encoded, NDArray[Any] | None, NDArray[np.int64]]:
        """Rows, those of an entity together, their times, and how many an entity has.

        Args:
            context: E rows; past: where they stand, or None: at the beginning; now: ``(E,)`` times of their last rows
                (of their first ones at the beginning); rows: ``(E,)`` how many to draw; opening: ``(E,)`` where a
                running total stands, in units of its grid; ends: an entity ends before that, with its last time.
        """
        device = self.device
        order = np.argsort(-rows, kind="stable")
        at = torch.from_numpy(order.copy()).to(device)
        pinned = None if rules.pinned is None else rules.pinned.to(device)
        settle = None
        if encoder.running_ is not None and opening is not None:

            def decode(rows: Encoded, columns: Sequence[Hashable]) -> pd.DataFrame:
                return encoder.decode_rows(rows, 0, columns)

            parts = encoder.running_, encoder.rows_, self.steps.step, opening[order]
            settle = Ledger(*parts, decode, encoder.schema_.columns).enter
        rollout = Rollout(self.model, self.history, self.steps, rules.rules, pinned, settle)
        clock = Clock(
            None if now is None else now[order],
            encoder.unit_,
            None if encoder.gaps_ is None else lambda step: encoder.decode_gaps(self._gap(step, encoder)),
            encoder.parts,
            encoder.step_,
            encoder.days if self.steps.clock else None,
        )
        with seeded(seed, device), torch.no_grad():
            state = self.history.start(len(rows), self.steps) if past is None else past.take(at)
            known = context.to(device).take(at)
            all_, over, many = (_tensor(x[order], device) for x in (lengths, span, rows))
            extra = self.extra(known, None if past is None else state)
            steps, times, whose = rollout.draw(known, state, clock, all_, over, many, extra, ends)
        if not steps:
            return encoder.rows_.layout_.empty(0), None if now is None else now[:0], np.zeros(len(rows), np.int64)
        who = order[torch.cat(whose).cpu().numpy()]
        place = np.argsort(who, kind="stable")
        moving = self.steps.split(Encoded.concat(steps).to("cpu"), self._gap_layout(encoder), encoder.rows_.layout_)[1]
        found = np.bincount(who, minlength=len(rows))
        return moving.take(torch.from_numpy(place)), None if now is None else np.concatenate(times)[place], found

    def _gap_layout(self, encoder: SequenceEncoder) -> Any:
        return None if encoder.gaps_ is None else encoder.gaps_.layout_

    def _gap(self, step: Encoded, encoder: SequenceEncoder) -> Encoded:
        return self.steps.split(step, self._gap_layout(encoder), encoder.rows_.layout_)[0]

    @staticmethod
    def concat(
        parts: list[tuple[Encoded, NDArray[Any] | None, NDArray[np.int64]]],
    ) -> tuple[Encoded, NDArray[Any] | None, NDArray[np.int64]]:
        """Rows of all blocks of entities."""
        times = [t for _, t, _ in parts if t is not None]
        rows, lengths = Encoded.concat([rows for rows, *_ in parts]), np.concatenate([n for *_, n in parts])
        return rows, np.concatenate(times) if times else None, lengths

    @property
    def device(self) -> torch.device:
        return self.history.mean.device

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        arrays = {f"model/{k}": v.detach().cpu().numpy() for k, v in self.model.state_dict().items()}
        arrays |= {f"history/{k}": v.detach().cpu().numpy() for k, v in self.history.state_dict().items()}
        return {"spec": self.spec.to_json(), "links": [list(link) for link in self.links]}, arrays

    @classmethod
    def from_state(
        cls,
        value: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        encoder: SequenceEncoder,
        entities: TabularSynthesizer,
        target: torch.device,
    ) -> Self:
        links = tuple((int(field), float(rate)) for field, rate in value["links"])
        history, steps = laid_out(encoder, entities, links)
        spec, model = restored(value["spec"], steps.layout, arrays)
        history.load_state_dict({k: torch.as_tensor(v) for k, v in io.below(arrays, "history/").items()})
        return cls(spec, model.to(target).eval(), history.to(target), steps, links, encoder)  # type: ignore[arg-type]


def fit_rows(
    spec: Autoregressive,
    encoder: SequenceEncoder,
    entities: TabularSynthesizer,
    records: Records,
    device: torch.device,
    seed: int,
    max_steps: int | None,
    max_seconds: float | None,
    progress: bool | Callable[[Progress], bool | None] | None,
) -> tuple[Rolling, Training]:
    """The row model of ``records``, and how its training went."""
    with single_precision():
        made = RowData.of(spec, encoder, entities, records)
        layout = made.steps.layout
        training = Training(made.spec, layout, device, entropy(seed, 0), max_steps, max_seconds, progress=progress)
        model: Any = training.fit(made.data.to(device), None, made.owner)
    return Rolling(made.spec, model, made.history.to(device), made.steps, made.links, encoder), training


def _grouped(encoder: SequenceEncoder, name: Hashable, where: Mapping[Hashable, Any]) -> tuple[Any, Any]:
    """A condition on a number that is learnt by group as one on its place in its group's law; and as a range.

    Raises:
        ConditionError: the group is not given, so that the number has no meaning; or the rule is a list.
    """
    rule, by = where[name], encoder.groups_[name].by
    if isinstance(rule, Null):
        return rule, None
    group = single(by, where[by]) if by in where else None
    if group is None:
        raise ConditionError(
            f"SequenceSynthesizer.sample: argument 'where': {name!r} is learnt by the groups of {by!r}, so that a "
            f"condition on it has no meaning without one value of {by!r}; add that, or select rows afterwards."
        )
    if not isinstance(rule, Between):
        value = single(name, rule)
        if value is None:
            raise ConditionError(
                f"SequenceSynthesizer.sample: argument 'where': {name!r}, which is learnt by group, takes one value or "
                "a range, not a list."
            )
        rule = Between(value[0], value[0])
    low, high = encoder.groups_[name].interval(rule.low, rule.high, group[0])
    return (low if low == high else Between(low, high)), rule


def _tensor(values: NDArray[Any], device: torch.device) -> torch.Tensor:
    out = torch.from_numpy(np.ascontiguousarray(values))
    return (out if out.dtype == torch.int64 else out.float()).to(device)
