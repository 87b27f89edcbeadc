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
import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.ageing import Ageing, find_ageing
from synthkit.encoder import TableEncoder
from synthkit.errors import SchemaError
from synthkit.grouped import GroupedNumber, find_groups
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Encoded, Layout
from synthkit.protect import Protection
from synthkit.recalled import find_recalled
from synthkit.running import Parts, Running, chained, find_running
from synthkit.schema import Categorical, ColumnType, Datetime, Duration, Identifier, Numeric, Schema, check_table
from synthkit.ticks import DAY, Ticks

__all__ = ["GAP", "OPENING", "PACE", "ROWS", "SPAN", "START", "Records", "SequenceEncoder"]

START, PACE, SPAN, ROWS, GAP = "(start)", "(pace)", "(span)", "(rows)", "(gap)"
OPENING = "(opening)"
_CALENDAR = {"hour": 24, "weekday": 7, "day": 32, "month": 12}  # the last day of a month is one by itself
_BURSTS = 0.5  # share of rows at the time of the row before, from which lengths are counted in times
_SPAN = 0.35  # of how much an entity's span hangs on its rows, at most, for its pace to be learnt instead

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


class SequenceEncoder:
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
        protect: Protection | None = None,
    ) -> None:
        self.schema, self.entity, self.time, self.context = schema, entity, time, context
        self.protect = protect

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
        self.context_ = self._context(flat, owner, lengths)
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
        self._fit_groups(flat, owner, self.protect or Protection(min_count=1), None if rule is None else rule.total)
        names = [self.entity, *self.moving_]
        self.rows_ = TableEncoder(self._row_schema(), protect=self.protect).fit(self._places(flat[names]))
        self.running_ = None if rule is None else rule.kept(self.rows_)
        self.gaps_, self.step_, self.unit_ = None, None, 1.0
        self.strict_, self.paced_, self.grain_, self.bursts_ = False, True, 1, None
        self.calendar_: dict[str, int] = {}
        if clock is not None:
            self._fit_time(flat, owner, clock)
        return self

    def _day(self) -> float | None:
        """Moments in a day, None where time is a number."""
        return None if isinstance(self.schema_.columns[self.time], Numeric) else float(DAY)

    def _aged(
        self, flat: pd.DataFrame, entities: pd.DataFrame, elapsed: NDArray[np.float64], owner: Ints
    ) -> Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """What grows with the clock: its values at first rows, put into ``entities``, and between what it began."""
        begins = {}
        for name, rule in self.ageing_.items():
            kind = self.schema_.columns[name]
            low, high = begins[name] = rule.bounds(rule.units(flat[name], kind), elapsed, owner, len(entities))
            middle = (low + high) / 2
            still = np.zeros(len(entities))
            entities[name] = rule.column(middle, still, kind)
        return begins

    def _elapsed(self, clock: NDArray[Any], first: NDArray[Any]) -> NDArray[np.float64]:
        """``(R,)`` moments since the first rows, whose ticks are ``first``."""
        moments = self.ticks_.moments(clock), self.ticks_.moments(first)
        return np.asarray(moments[0] - moments[1], np.float64)

    def grown(
        self,
        entities: pd.DataFrame,
        clock: NDArray[Any],
        lengths: Ints,
        seed: int,
        begins: Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None,
    ) -> dict[Hashable, pd.Series]:
        """The columns that grow with the clock, R rows; ``begins`` as in :class:`Records`, where rows are known."""
        owner = np.repeat(np.arange(len(lengths)), lengths)
        if not self.ageing_:
            return {}
        elapsed = self._elapsed(clock, self.canonical_times(entities[START])[owner])
        rng, out = np.random.default_rng(seed), {}
        for name, rule in self.ageing_.items():
            kind = self.schema_.columns[name]
            first = rule.units(entities[name], kind)
            low, high = (first, first + 1) if begins is None else begins[name]
            low, high = np.where(np.isnan(low), first, low), np.where(np.isnan(high), first + 1, high)
            out[name] = rule.column((low + rng.random(len(low)) * (high - low))[owner], elapsed, kind)
        return out

    def _fit_groups(self, flat: pd.DataFrame, owner: Ints, protection: Protection, total: Hashable | None) -> None:
        """Numbers that are learnt by group, and the moving columns in the order of drawing: groups come before what is
        learnt by them, and a running total, on which nothing that is drawn may lean, is the last."""
        found = find_groups(flat, self.schema_, [n for n in self.moving_ if n != total])
        for name, by in found.items():
            if by not in self.moving_ or not isinstance(self.schema_.columns[by], Categorical):
                raise SchemaError(
                    f"SequenceSynthesizer: column {name!r}: argument 'by' of its type names {by!r}, which is no "
                    "categorical column that varies within entities; name one, or leave 'by' out."
                )
        self.groups_ = {
            name: GroupedNumber(self.schema_.columns[name], by).fit(  # type: ignore[arg-type]
                flat[name], flat[by], flat[self.entity], protection
            )
            for name, by in found.items()
        }
        moving = [n for n in self.moving_ if n != total]
        recalled = {} if self.time is None else find_recalled(flat, owner, self.schema_, moving, found)
        # a number that is learnt by group knows at least what it last was in it
        self.recalled_ = {n: ((by,), 0.0) for n, by in found.items()} | recalled
        self.moving_ = _ordered(self.moving_, self.recalled_, total)

    def _row_schema(self) -> Schema:
        """Types of the moving columns, as the row model sees them."""
        columns = {n: self.schema_.columns[n] for n in (self.entity, *self.moving_)}
        for name in self.groups_:
            columns[name] = Numeric(low=0.0, high=1.0, nullable=self.schema_.columns[name].nullable)
        return Schema(columns, self.entity)

    def _places(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with their grouped numbers as places."""
        if not self.groups_:
            return rows
        rows = rows.copy()
        for name, grouped in self.groups_.items():
            rows[name] = grouped.places(rows[name], rows[grouped.by])
        return rows

    def decode_rows(self, data: Encoded, seed: int, columns: Sequence[Hashable] | None = None) -> pd.DataFrame:
        """The moving columns of completed rows, in the dtypes of the table.

        Args:
            columns: those that are wanted (the groups of numbers come along); None: all.
        """
        wanted = None if columns is None else {*columns, *(g.by for n, g in self.groups_.items() if n in columns)}
        rows = self.rows_.decode(data, seed=seed, columns=None if wanted is None else list(wanted))
        for name, grouped in self.groups_.items():
            if name not in rows:
                continue
            numbers = grouped.numbers(rows[name], rows[grouped.by])
            null = np.isnan(numbers)
            kind = self.schema_.columns[name]
            whole = np.round(np.where(null, 0.0, numbers)).astype(np.int64) if grouped.kind.integer else numbers
            rows[name] = from_canonical(whole, null, kind, name=name)
        return rows

    def _flat(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with entity and time as columns, checked."""
        where = "SequenceSynthesizer"
        if not isinstance(table, pd.DataFrame):
            raise SchemaError(f"{where}: argument 'table' must be a pandas DataFrame, got a {type(table).__name__}.")
        wanted = [("entity", self.entity), *([] if self.time is None else [("time", self.time)])]
        levels = [n for _, n in wanted if n not in table.columns and n in table.index.names]
        if levels:
            table = table.reset_index(level=levels)
        for role, name in wanted:
            if name not in table.columns:
                raise SchemaError(f"{where}: argument {role!r}: there is no column {name!r}; name a column.")
        check_table(table, where)
        for role, name in wanted:
            if bool(table[name].isna().any()):
                raise SchemaError(f"{where}: {role} column {name!r} has empty cells; drop or complete those rows.")
        taken = [n for n in (START, PACE, SPAN, ROWS, GAP, OPENING) if n in table.columns]
        if taken:
            raise SchemaError(f"{where}: the column name {taken[0]!r} is reserved; rename the column.")
        return table.reset_index(drop=True)

    def _infer(self, flat: pd.DataFrame) -> None:
        declared: Mapping[Hashable, ColumnType] = {} if self.schema is None else self.schema.columns
        if self.time is not None:
            _check_time(flat[self.time])
        overrides = dict(declared)
        inferred = Schema.infer(flat, entity=self.entity, overrides=overrides, rules=False)
        columns = dict(inferred.columns)
        if self.time is not None and not isinstance(columns[self.time], (Datetime, Duration, Numeric)):
            columns[self.time] = _time_type(flat[self.time])
        assert self.entity is not None
        kind = columns[self.entity]
        columns[self.entity] = Identifier(dtype=kind.dtype, nullable=False, pattern=getattr(kind, "pattern", None))
        self.schema_ = Schema(columns, self.entity)

    def _sort(self, flat: pd.DataFrame) -> tuple[Ints, Ints, NDArray[Any] | None]:
        """Rows by entity (in the order in which they appear) and time; lengths; the sorted clock."""
        owner = pd.factorize(flat[self.entity])[0].astype(np.int64)
        clock = None
        keys: tuple[Any, ...] = (owner,)
        if self.time is not None:
            clock = self.canonical_times(flat[self.time])
            keys = (clock, owner)
        order = np.lexsort(keys).astype(np.int64)  # stable: ties keep the table's order
        return order, np.bincount(owner).astype(np.int64), None if clock is None else clock[order]

    def _context(self, flat: pd.DataFrame, owner: Ints, lengths: Ints) -> tuple[Hashable, ...]:
        later = np.flatnonzero(owner[1:] == owner[:-1])
        roles = (self.entity, self.time)

        def varies(name: Hashable) -> bool:
            values, null = canonical(flat[name], self.schema_.columns[name])
            differ = values[later] != values[later + 1]
            both = null[later] & null[later + 1]
            return bool(((differ | (null[later] != null[later + 1])) & ~both).any())

        names = [n for n in self.schema_.columns if n not in roles]
        if self.context is None:
            return tuple(n for n in names if len(later) and not varies(n))
        for name in self.context:
            if name not in names:
                raise SchemaError(f"SequenceSynthesizer: argument 'context': {name!r} is no column beside the roles.")
            if varies(name):
                raise SchemaError(
                    f"SequenceSynthesizer: context column {name!r} varies within an entity; "
                    "leave it out of 'context', or make it constant."
                )
        return tuple(n for n in names if n in set(self.context))

    def _fit_time(self, flat: pd.DataFrame, owner: Ints, clock: NDArray[Any]) -> None:
        later = np.flatnonzero(owner[1:] == owner[:-1])
        if isinstance(self.schema_.columns[self.time], Datetime):
            self.ticks_ = Ticks.learn(clock, _zone(flat[self.time]))
            clock = self.ticks_.count(clock)
            parts = self._parts(clock)
            keep = [p for p in _CALENDAR if len(np.unique(parts[p])) > 1]
            self.calendar_ = {p: _CALENDAR[p] for p in keep}
        gaps = clock[later + 1] - clock[later]
        self.strict_ = bool(len(gaps)) and bool((gaps > 0).all())
        if not len(gaps):
            return
        if gaps.min() == gaps.max():
            self.step_ = gaps[0].item()
            return
        lengths = np.bincount(owner)
        if float((gaps == 0).mean()) >= _BURSTS:
            self.bursts_ = 1.0, 1
            shared = self._counts(clock, owner)[1]
            self.bursts_ = float(shared.mean()), int(shared.max())
        self.unit_ = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
        if not isinstance(self.schema_.columns[self.time], Numeric):
            self.grain_ = max(int(np.gcd.reduce(gaps)), 1)
        frame = pd.DataFrame({self.entity: flat[self.entity].to_numpy()[later], GAP: self._gap_series(gaps)})
        who = Identifier(dtype=self.schema_.columns[self.entity].dtype, nullable=False)
        schema = Schema({self.entity: who, GAP: self._gap_type()}, self.entity)
        self.gaps_ = TableEncoder(schema, protect=self.protect).fit(frame)
        # Either tells the other; which one a model of entities should learn is which hangs less on how many rows
        # there are: a visit a month has a pace of its own, a stay of two days has a span.
        counts = self._counts(clock, owner)[0]
        pace, several = self._pace(clock, lengths, counts), counts > 1
        on_pace, on_span = (_hangs(v[several], counts[several]) for v in (pace, pace * (counts - 1)))
        self.paced_ = on_pace <= _SPAN * on_span

    def _counts(self, clock: NDArray[Any] | None, owner: Ints) -> tuple[Ints, Ints]:
        """``(E,)`` rows of entities, or, with bursts, times; and rows of each of those."""
        if clock is None or self.bursts_ is None:
            return np.bincount(owner), np.ones(len(owner), np.int64)
        new = (np.diff(owner, prepend=-1) != 0) | (np.diff(clock, prepend=clock[:1]) != 0)
        return np.bincount(owner, new).astype(np.int64), np.bincount(np.cumsum(new) - 1)

    def _gap_type(self) -> ColumnType:
        kind = self.schema_.columns[self.time]
        if isinstance(kind, Numeric):
            return Numeric(integer=kind.integer, decimals=kind.decimals, nullable=False)
        return Numeric(integer=True, nullable=False)

    def _gap_series(self, gaps: NDArray[Any]) -> Any:
        return gaps if isinstance(self.schema_.columns[self.time], Numeric) else gaps // self.grain_

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

    def _pace(self, clock: NDArray[Any], lengths: Ints, counts: Ints) -> NDArray[np.float64]:
        """``(E,)`` mean gaps, in units of the median one; unknown of single rows (or times)."""
        ends = np.cumsum(lengths) - 1
        span = (clock[ends] - clock[ends - lengths + 1]).astype(np.float64) / self.unit_
        out: NDArray[np.float64] = np.where(counts > 1, span / np.maximum(counts - 1, 1), np.nan)
        return out

    def encode_gaps(self, clock: NDArray[Any], starts: Ints) -> Encoded:
        """The fields of the gaps before rows at ``clock``; nothing is known of them at ``starts``."""
        assert self.gaps_ is not None
        gap = np.diff(clock, prepend=clock[:1])
        first = np.zeros(len(clock), bool)
        first[starts] = True
        gap[first] = self._some_gap()
        data = self.encode_waits(gap)
        mask = torch.from_numpy(first)[:, None]
        return data.hide(mask.expand_as(data.num_known), mask.expand_as(data.cat_known))

    def encode_waits(self, gap: NDArray[Any]) -> Encoded:
        """The fields of gaps in ticks."""
        assert self.gaps_ is not None
        return self.gaps_.encode(pd.DataFrame({GAP: self._gap_series(gap)}), partial=True)

    def _some_gap(self) -> int | float:
        return self.unit_ if isinstance(self.schema_.columns[self.time], Numeric) else int(self.unit_)

    def decode_gaps(self, data: Encoded) -> NDArray[Any]:
        """``(rows,)`` gaps in ticks."""
        assert self.gaps_ is not None
        gaps = canonical(self.gaps_.decode(data)[GAP], self._gap_type())[0]
        law = getattr(self.gaps_.transformers_[GAP], "law", None)
        if self.strict_ and law is not None and law.step:  # a law of small gaps may round to none at all
            gaps = np.maximum(gaps, np.asarray(law.step).astype(gaps.dtype))
        return gaps * self.grain_

    def parts(self, clock: NDArray[Any]) -> NDArray[np.int64]:
        """``(rows, parts)`` codes of the calendar that rows go by, in the order of ``calendar_``."""
        if not self.calendar_:
            return np.zeros((len(clock), 0), np.int64)
        found = self._parts(clock)
        return np.stack([found[p] for p in self.calendar_], 1)

    def _parts(self, clock: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """The calendar by the clock on the wall; codes count from 0."""
        wall = pd.Series(self.ticks_.wall(self.ticks_.moments(clock)).astype("datetime64[ns]")).dt
        day = (wall.day - 1).mask(wall.is_month_end, 31)
        parts = {"hour": wall.hour, "weekday": wall.day_of_week, "day": day, "month": wall.month - 1}
        return {name: np.asarray(part.to_numpy(), np.int64) for name, part in parts.items()}

    def days(self, clock: NDArray[Any]) -> NDArray[np.float64]:
        """``(rows,)`` days since 1970 by the clock on the wall."""
        return np.asarray(self.ticks_.wall(self.ticks_.moments(clock)) / DAY, np.float64)

    def recalled_fields(self) -> tuple[tuple[tuple[int, ...], int, float], ...]:
        """``(fields that tell kinds, field, share that repeats)`` in the layout of rows, per column that recalls."""
        place, out = self.rows_._place, []
        for name in self.moving_:
            key, share = self.recalled_.get(name, ((), 0.0))
            if key and all("code" in place[n] for n in (name, *key)):
                out.append((tuple(place[n]["code"] for n in key), place[name]["code"], share))
        return tuple(out)

    def row_layout(self) -> Layout:
        """The fields of the columns that move; numbers that recall have their laws, however few values they take."""
        layout = self.rows_.layout_
        laws = dict(layout.laws)
        for name in self.recalled_:
            transformer, place = self.rows_.transformers_[name], self.rows_._place[name]
            law = getattr(transformer, "law", None)
            if law is not None and "code" in place and not getattr(transformer, "base", 0):
                laws[place["code"]] = law
        return replace(layout, laws=laws)

    def gap_layout(self) -> Layout | None:
        """The fields of the gap, with its law, however few values it takes."""
        if self.gaps_ is None:
            return None
        layout, law = self.gaps_.layout_, getattr(self.gaps_.transformers_[GAP], "law", None)
        codes = [i for i, field in enumerate(layout.fields) if field.size and field.part != "null"]
        return layout if law is None or not codes else replace(layout, laws={codes[0]: law})

    def gap_days(self) -> float | None:
        """Days of one unit of the gap; None where gaps are not counted in time."""
        dated = isinstance(self.schema_.columns.get(self.time), Datetime)
        if self.gaps_ is None or not dated or self.ticks_.kind == "months":
            return None
        return self.grain_ * (1.0 if self.ticks_.counted else 1.0 / DAY)

    def canonical_times(self, times: pd.Series) -> NDArray[Any]:
        """Times in ticks, which :meth:`times` inverts."""
        return self.ticks_.count(canonical(times, self.schema_.columns[self.time])[0])

    def times(self, clock: NDArray[Any], name: Hashable = None) -> pd.Series:
        """Ticks as the table has them."""
        clock = self.ticks_.moments(clock)
        kind = self.schema_.columns[self.time]
        if isinstance(kind, Numeric) and kind.decimals is not None and not kind.integer:
            clock = np.round(clock, kind.decimals)
        return from_canonical(clock, np.zeros(len(clock), bool), kind, name=name)

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
            own = {k.removeprefix(f"{name}/"): v for k, v in arrays.items() if k.startswith(f"{name}/")}
            return None if value[name] is None else TableEncoder.from_state(value[name], own)

        out.rows_, out.gaps_ = part("rows"), part("gaps")
        out.groups_ = {}
        for k, (name, json) in enumerate(value["groups"]):
            prefix = f"groups/{k}/"
            own = {key.removeprefix(prefix): v for key, v in arrays.items() if key.startswith(prefix)}
            out.groups_[io.from_json(name)] = GroupedNumber.from_state(json, own)
        out.step_, out.unit_, out.grain_ = value["step"], float(value["unit"]), int(value["grain"])
        out.strict_, out.paced_, out.ticks_ = bool(value["strict"]), bool(value["paced"]), Ticks(*value["ticks"])
        bursts = value.get("bursts")
        out.bursts_ = None if bursts is None else (float(bursts[0]), int(bursts[1]))
        out.calendar_ = {p: _CALENDAR[p] for p in value["calendar"]}
        running = value.get("running")
        out.running_ = None if running is None else Running.from_json(running)
        total = None if out.running_ is None else out.running_.total
        out.recalled_ = {io.from_json(n): (tuple(io.from_json(k)), float(s)) for n, k, s in value["recalled"]}
        out.moving_ = _ordered(out.moving_, out.recalled_, total)
        return out


def _hangs(values: NDArray[np.float64], rows: Ints) -> float:
    """Share of the variance of the ranks of ``values`` that lies between tenths of the entities by their rows."""
    rank = pd.Series(values).rank()
    tenth = (pd.Series(rows).rank(pct=True) * 10).round()
    total = float(rank.var(ddof=0))
    return float(rank.groupby(tenth).transform("mean").var(ddof=0)) / total if total > 0 else 0.0


def _ordered(
    moving: Sequence[Hashable], groups: Mapping[Hashable, Any], total: Hashable | None
) -> tuple[Hashable, ...]:
    last = [n for n in moving if n in groups and n != total] + [n for n in moving if n == total and total is not None]
    return (*(n for n in moving if n not in last), *last)


def _zone(series: pd.Series) -> str | None:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return str(series.dt.tz)
    if series.dtype == object and len(series):
        zone = getattr(series.iloc[0], "tzinfo", None)
        return None if zone is None else str(getattr(zone, "key", None) or zone)
    return None


def _check_time(series: pd.Series) -> None:
    """Refuse what is no time, and mixed zones."""
    name, types = series.name, pd.api.types
    if series.dtype == object:
        kind = pd.api.types.infer_dtype(series)
        if kind not in ("datetime", "datetime64", "date", "timedelta", "timedelta64", "integer", "floating"):
            raise SchemaError(
                f"SequenceSynthesizer: time column {name!r} is no time; convert it by pandas.to_datetime or to numbers."
            )
        if len({str(getattr(value, "tzinfo", None)) for value in series}) > 1:
            raise SchemaError(
                f"SequenceSynthesizer: time column {name!r} mixes time zones; convert it by "
                "pandas.to_datetime(..., utc=True)."
            )
        return
    dtype = series.dtype
    timed = types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)
    arrow = isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM"
    if not timed and not arrow and (not types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)):
        raise SchemaError(
            f"SequenceSynthesizer: time column {name!r} is no time; convert it by pandas.to_datetime, or to numbers."
        )


def _time_type(series: pd.Series) -> ColumnType:
    """The type of a time that looked like a key or a constant."""
    dated = pd.api.types.is_datetime64_any_dtype(series.dtype)
    name = "datetime" if dated else "duration" if pd.api.types.is_timedelta64_dtype(series.dtype) else "numeric"
    return Schema.infer(series.to_frame(), overrides={series.name: name}, rules=False).columns[series.name]
