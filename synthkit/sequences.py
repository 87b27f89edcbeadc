"""Records over time <-> tensors: who, when and what, taken apart and put together again.

A panel is one long table: a row per record, a column that names the entity, as a rule a time. It falls into a table of
entities (their context, when their records start, how long they go on, how many they are), which any model of tables
can learn, and into rows: the gap since the row before, and the columns that move.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit import io
from synthkit.ageing import Ageing, find_ageing
from synthkit.encoder import TableEncoder
from synthkit.errors import SchemaError
from synthkit.grouped import GroupedNumber
from synthkit.layout import Encoded
from synthkit.protect import Protect, Protection
from synthkit.protected import ProtectionReport
from synthkit.running import Parts, Running
from synthkit.running_order import chained, find_running
from synthkit.schema import (
    Categorical,
    ColumnType,
    Constant,
    Datetime,
    Duration,
    Identifier,
    Numeric,
    Schema,
    Text,
    key_type,
)
from synthkit.sequence_columns import ordered
from synthkit.sequence_roles import OPENING, PACE, ROWS, SPAN, RoleCodec
from synthkit.sequence_times import CALENDAR, GAP, START, check_time, time_type
from synthkit.ticks import Ticks
from synthkit.transforms.personal import tell_of_generated
from synthkit.transforms.pieces import without_keys

__all__ = ["GAP", "OPENING", "PACE", "ROWS", "SPAN", "START", "Records", "SequenceEncoder"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Records:
    """A panel: the rows of an entity together and in the order of time. Shapes: E entities, R rows.

    Attributes:
        entities: a row per entity: its key, its context, what grows with the clock as it was in the first row,
            and :data:`START`, :data:`PACE` or :data:`SPAN` (if gaps
            differ), :data:`ROWS`, :data:`OPENING` (if there is a running total: what it starts from).
        rows: the fields of the columns that move, R rows; gaps: those of the gap before each row, unknown in first
            rows; None where there is none to learn.
        lengths: ``(E,)`` rows of each entity; counts: ``(E,)`` the same, or, where most rows share their time with
            others, times; clock: ``(R,)`` times in ticks, or None.
        order: ``(R,)`` where each row stood in the table.
        running: what is known of a running total and its amounts, or None.
        begins: ``(E,)`` each, per column that grows with the clock, the unrounded values between which it began.
    """

    entities: pd.DataFrame
    rows: Encoded
    gaps: Encoded | None
    lengths: Ints
    counts: Ints
    clock: NDArray[Any] | None
    order: Ints
    running: Parts | None = None
    begins: Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)

    @property
    def starts(self) -> Ints:
        """``(E,)`` where the rows of each entity begin."""
        return np.cumsum(self.lengths) - self.lengths


class SequenceEncoder(RoleCodec):
    """The codec of panels. Rarer values than ``protect`` allows are counted by entities, not by rows.

    Args:
        schema: types of all columns; None: inferred.
        entity: the column (or index level) that names the entity; time: that of the time; None: rows have no order.
        context: the columns that are constant within entities; None: those that are so in the table.

    Attributes:
        schema_: the types of all columns, in table order; context_, moving_: names.
        rows_: the codec of the moving columns; gaps_: that of the gap between rows, or None.
        ticks_: what gaps are counted in. step_: the gap where it is always the same, or None. calendar_: parts of dates
            that rows go by, name -> codes. running_: the rule of a running total, which is no column to draw, or None.
        bursts_: where most rows share their time with others: how many rows a time has, on average and at most; or
            None. :data:`ROWS` then counts times.
        recalled_: columns that know what they last were in a row of their own kind: those that tell kinds, and the
            share of values that repeat (0 where that is no matter).
        ageing_: rules of the columns that grow with the clock, which follow from the entities.
        protection_: what was changed for protection, in counts.
    """

    schema_: Schema
    context_: tuple[Hashable, ...]
    moving_: tuple[Hashable, ...]
    rows_: TableEncoder
    gaps_: TableEncoder | None
    step_: int | float | None
    ticks_: Ticks
    running_: Running | None
    recalled_: dict[Hashable, tuple[tuple[Hashable, ...], float]]
    ageing_: dict[Hashable, Ageing]
    bursts_: tuple[float, int] | None

    def __init__(
        self,
        schema: Schema | None = None,
        *,
        entity: Hashable | None = None,
        time: Hashable | None = None,
        context: Sequence[Hashable] | None = None,
        protect: Protect = None,
        seed: int = 0,
    ) -> None:
        self.schema, self.entity, self.time, self.context = schema, entity, time, context
        self.protect, self.seed = protect, seed

    # ---------------------------------------------------------------- fitting
    def fit(self, table: pd.DataFrame) -> Self:
        """Learn the codec of ``table``.

        Raises:
            SchemaError: a column is missing; entity or time have empty cells; the time is no time; a declared context
                column varies within an entity; there is one entity only.
        """
        if self.entity is None and self.schema is not None:
            self.entity = self.schema.entity
        flat = self._flat(table)
        self.levels_ = [name for name in table.index.names if name is not None and name in (self.entity, self.time)]
        self._infer(flat)
        self.ticks_ = Ticks()
        order, lengths, clock = self._sort(flat)
        if len(lengths) < 2:
            raise SchemaError(
                f"SequenceSynthesizer.fit: entity column {self.entity!r} names one entity; two at least are needed."
            )
        flat = flat.iloc[order].reset_index(drop=True)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        self.context_ = self._context(flat, owner)
        roles = (self.entity, self.time)
        self.moving_ = tuple(n for n in self.schema_.columns if n not in roles and n not in self.context_)
        self.ageing_ = {}
        if clock is not None:
            self.ageing_ = dict(find_ageing(flat, owner, clock, self.schema_, self.moving_, self._day()))
            self.moving_ = tuple(n for n in self.moving_ if n not in self.ageing_)
        rule = None if clock is None else find_running(flat, owner, clock, self.schema_, self.moving_)
        if rule is not None and clock is not None:
            parts = rule.parts(flat, self.schema_.columns)
            flat = flat.iloc[chained(parts, owner, clock, rule.slack)].reset_index(drop=True)
        self._fit_groups(flat, owner, Protection.of(self.protect), None if rule is None else rule.total)
        names = [self.entity, *self.moving_]
        self.rows_ = TableEncoder(self._row_schema(), protect=self.protect, seed=self.seed).fit(
            self._places(flat[names])
        )
        self.running_ = None if rule is None else rule.kept(self.rows_)
        self.gaps_, self.step_, self.unit_ = None, None, 1.0
        self.strict_, self.paced_, self.grain_, self.bursts_ = False, True, 1, None
        self.calendar_: dict[str, int] = {}
        if clock is not None:
            self._fit_time(flat, owner, clock)
        self.protection_ = self._told()
        self.forget(self.rows_.schema_)
        return self

    def forget(self, learnt: Schema) -> None:
        """Let types say no more than those of a codec of some columns, which keeps no rare category or value."""
        own = {
            name: learnt.columns[name]
            for name, kind in self.schema_.columns.items()
            if isinstance(kind, (Categorical, Constant, Text, Identifier)) and name in learnt.columns
        }
        self.schema_ = replace(self.schema_, columns={**self.schema_.columns, **own})

    def _infer(self, flat: pd.DataFrame) -> None:
        declared: Mapping[Hashable, ColumnType] = {} if self.schema is None else self.schema.columns
        if self.time is not None:
            check_time(flat[self.time])
        overrides = dict(declared)
        inferred = Schema.infer(flat, entity=self.entity, overrides=overrides, rules=False)
        columns = dict(inferred.columns)
        if self.time is not None and not isinstance(columns[self.time], (Datetime, Duration, Numeric)):
            columns[self.time] = time_type(flat[self.time])
        assert self.entity is not None
        columns[self.entity] = without_keys(key_type(columns[self.entity]))
        self.schema_ = Schema(columns, self.entity)
        tell_of_generated(self.schema_, declared, "SequenceSynthesizer.fit")

    # ---------------------------------------------------------------- use
    def encode(self, table: pd.DataFrame, missing: str = "state") -> Records:
        """A panel, sorted and coded.

        Args:
            missing: what an empty cell of a moving column means, as in ``TableEncoder.encode``.

        Raises:
            SchemaError: it does not fit the table that was learnt.
        """
        flat = self._flat(table)
        self.schema_.validate(flat)
        order, lengths, clock = self._sort(flat)
        flat = flat.iloc[order].reset_index(drop=True)
        starts, running = np.cumsum(lengths) - lengths, None
        if self.running_ is not None and clock is not None:
            flat, order, running = self._run(flat, order, lengths, clock, missing)
        rows = self.rows_.encode(self._places(flat[[self.entity, *self.moving_]]), missing)
        counts = self._counts(clock, np.repeat(np.arange(len(lengths)), lengths))[0]
        entities = flat.iloc[starts][[self.entity, *self.context_]].reset_index(drop=True)
        gaps = None
        if clock is not None:
            entities[START] = flat[self.time].iloc[starts].reset_index(drop=True)
            if self.gaps_ is not None:
                pace = self._pace(clock, lengths, counts)
                entities[PACE if self.paced_ else SPAN] = pace if self.paced_ else pace * (counts - 1)
                gaps = self.encode_gaps(clock, starts)
        entities[ROWS] = counts
        begins: Any = {}
        if self.ageing_ and clock is not None:
            owner = np.repeat(np.arange(len(lengths)), lengths)
            begins = self._aged(flat, entities, self._elapsed(clock, clock[starts[owner]]), owner)
        if self.running_ is not None and running is not None:
            entities[OPENING] = self.running_.numbers((running.total - running.change)[starts])
        return Records(entities, rows, gaps, lengths, counts, clock, order, running, begins)

    def _run(
        self, flat: pd.DataFrame, order: Ints, lengths: Ints, clock: NDArray[Any], missing: str
    ) -> tuple[pd.DataFrame, Ints, Parts]:
        """Sorted rows in the order in which the running total adds up; with "fill", gaps that follow are closed."""
        rule, kinds = self.running_, self.schema_.columns
        assert rule is not None
        owner = np.repeat(np.arange(len(lengths)), lengths)
        parts = rule.parts(flat, kinds)
        again = chained(parts, owner, clock, rule.slack)
        flat, order = flat.iloc[again].reset_index(drop=True), order[again]
        parts = Parts(parts.total[again], parts.amount[again], parts.sign[again])
        if missing == "fill":
            parts = rule.complete(parts, owner)
            for name, units in ((rule.total, parts.total), (rule.amount, parts.amount)):
                there = np.flatnonzero(flat[name].isna().to_numpy() & ~np.isnan(units))
                if len(there):
                    known = rule.column(name, units[there], kinds[name])
                    flat[name] = flat[name].fillna(known.set_axis(there))
        return flat, order, parts

    def table(
        self,
        entities: pd.DataFrame,
        rows: Encoded,
        clock: NDArray[Any] | None,
        lengths: Ints,
        seed: int,
        begins: Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None,
    ) -> pd.DataFrame:
        """The panel of what was drawn, with the columns, dtypes and index of the table that was learnt.

        Args:
            entities: E rows, key and context; rows: R rows, those of an entity together; lengths: ``(E,)``.
            begins: of entities some of whose rows are known, as in :class:`Records`.
        """
        grown = {} if clock is None else self.grown(entities, clock, lengths, seed, begins)
        at = np.repeat(np.arange(len(lengths)), lengths)
        moving = self.decode_rows(rows, seed)
        columns = {}
        for name in self.schema_.columns:
            if name == self.time and clock is not None:
                columns[name] = self.times(clock)
            elif name in self.moving_:
                columns[name] = moving[name]
            elif name in grown:
                columns[name] = grown[name]
            else:
                columns[name] = entities[name].iloc[at].reset_index(drop=True)
        table = pd.concat(list(columns.values()), axis=1)
        table.columns = pd.Index(list(columns), tupleize_cols=False)
        return table.set_index(self.levels_) if self.levels_ else table

    def _told(self) -> ProtectionReport:
        """What was changed in the columns that move, and in the gaps between rows."""
        report = self.rows_.protection_
        if self.groups_:
            own = ProtectionReport.of(Protection.of(self.protect), {n: g.changed for n, g in self.groups_.items()})
            report = own.joined(report)
        return report.joined(None if self.gaps_ is None else self.gaps_.protection_)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays; no cell of the training table is in them."""
        arrays: dict[str, NDArray[Any]] = {}
        parts: dict[str, Any] = {}
        for part, encoder in (("rows", self.rows_), ("gaps", self.gaps_)):
            if encoder is None:
                parts[part] = None
                continue
            parts[part], own = encoder.to_state()
            arrays.update({f"{part}/{key}": value for key, value in own.items()})
        groups = []
        for k, (name, grouped) in enumerate(self.groups_.items()):
            json, own = grouped.to_state()
            groups.append([io.to_json(name), json])
            arrays.update({f"groups/{k}/{key}": value for key, value in own.items()})
        parts["groups"] = groups
        roles = {"entity": self.entity, "time": self.time, "context": list(self.context_), "levels": self.levels_}
        scalars: dict[str, Any] = {
            "step": self.step_,
            "unit": self.unit_,
            "strict": self.strict_,
            "paced": self.paced_,
            "grain": self.grain_,
            "bursts": self.bursts_,
            "ticks": self.ticks_.to_json(),
        }
        scalars["recalled"] = [[io.to_json(n), io.to_json(list(k)), s] for n, (k, s) in self.recalled_.items()]
        scalars["ageing"] = [rule.to_json() for rule in self.ageing_.values()]
        scalars["protection"] = self.protection_.to_dict()
        scalars["running"] = None if self.running_ is None else self.running_.to_json()
        value = {**parts, **roles, **scalars, "calendar": list(self.calendar_), "schema": self.schema_.to_dict()}
        return value, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SequenceEncoder:
        out = cls(entity=value["entity"], time=value["time"], context=value["context"])
        out.schema_ = Schema.from_dict(value["schema"])
        out.context_, out.levels_ = tuple(value["context"]), list(value["levels"])
        rules = [Ageing.from_json(rule) for rule in value.get("ageing", ())]
        out.ageing_ = {rule.name: rule for rule in rules}
        apart = {out.entity, out.time, *out.context_, *out.ageing_}
        out.moving_ = tuple(n for n in out.schema_.columns if n not in apart)

        def part(name: str) -> Any:
            own = io.below(arrays, f"{name}/")
            return None if value[name] is None else TableEncoder.from_state(value[name], own)

        out.rows_, out.gaps_ = part("rows"), part("gaps")
        groups = [
            (name, GroupedNumber.from_state(json, io.below(arrays, f"groups/{k}/")))
            for k, (name, json) in enumerate(value["groups"])
        ]
        out.groups_ = {io.from_json(name): grouped for name, grouped in groups}
        told = value.get("protection")  # older files have none
        out.protection_ = out._told() if told is None else ProtectionReport.from_dict(told)
        out.step_, out.unit_, out.grain_ = value["step"], float(value["unit"]), int(value["grain"])
        out.strict_, out.paced_, out.ticks_ = bool(value["strict"]), bool(value["paced"]), Ticks(*value["ticks"])
        bursts = value.get("bursts")
        out.bursts_ = None if bursts is None else (float(bursts[0]), int(bursts[1]))
        out.calendar_ = {p: CALENDAR[p] for p in value["calendar"]}
        running = value.get("running")
        out.running_ = None if running is None else Running.from_json(running)
        total = None if out.running_ is None else out.running_.total
        out.recalled_ = {io.from_json(n): (tuple(io.from_json(k)), float(s)) for n, k, s in value["recalled"]}
        out.moving_ = ordered(out.moving_, out.recalled_, total)
        return out
