"""Records over time: one long table of many entities, sorted and coded once, for the metrics of panels.

A *panel* has a row per record (a visit, a transaction), a column that names the entity (a patient, a customer), and
as a rule a time. *Context* columns are constant within every entity; all others *move*. Panels that are to be compared
are made together by :func:`panels`, so that their codes mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.tables import Coded, Kinds, code_tables, kinds_of
from synthkit.schema import Schema

__all__ = ["Panel", "check_pair", "flat", "panels"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_DAY = 86_400.0
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Panel:
    """Rows of many entities, those of an entity together and in the order of time.

    Entities stand in an order that depends on what their rows hold, and neither on their names nor on the order of
    rows, so that whatever is drawn by a seed does not either.

    Attributes:
        entity, time: names of the two columns; ``time`` is ``None`` where rows have no order.
        context: the columns that are constant within entities (see :func:`panels`).
        kinds: the judged columns (neither entity nor time) and what they are.
        coded: the judged columns, ``rows`` rows.
        lengths: ``(entities,)``, rows per entity, 1 at least.
        clock: ``(rows,)`` the time: days of dates and durations, units of numbers; ``None`` without a time.
        calendar: of dates, per row: ``hour``, ``weekday``, ``day``, ``month`` by the clock on the wall.
        wavering: per context column, the entities in which it varies (0 in a sound table).
        digest: ``(entities,)`` hashes of what the rows of an entity hold, in order, without the time.
    """

    entity: Hashable
    time: Hashable | None
    context: tuple[Hashable, ...]
    kinds: Kinds
    coded: Coded
    lengths: Ints
    clock: Floats | None
    calendar: Mapping[str, Ints]
    wavering: Mapping[Hashable, int]
    digest: NDArray[np.uint64]
    _coding: object = field(default_factory=object, repr=False)
    _memo: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """The number of entities."""
        return len(self.lengths)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.coded)

    @cached_property
    def starts(self) -> Ints:
        """``(entities,)``: where the rows of each entity begin."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def owner(self) -> Ints:
        """``(rows,)``: the number of each row's entity."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def position(self) -> Ints:
        """``(rows,)``: 0 in the first row of an entity, then 1, 2, ..."""
        return np.arange(self.rows) - np.repeat(self.starts, self.lengths)

    @cached_property
    def moving(self) -> Coded:
        """``rows`` rows of the columns that vary within entities."""
        return self.coded.only([c for c in self.kinds if c not in self.context])

    @cached_property
    def static(self) -> Coded:
        """``entities`` rows: the context, as the first row of each entity has it."""
        return self.coded.take(self.starts).only(self.context)

    @cached_property
    def gaps(self) -> Floats:
        """``(rows - entities,)``: times since the row before, without an entity's first; empty without a time."""
        if self.clock is None:
            return np.empty(0)
        before, after = self.pairs()
        return self.clock[after] - self.clock[before]

    def pairs(self, lag: int = 1) -> tuple[Ints, Ints]:
        """Rows of an entity that are ``lag`` apart: where the earlier ones are, and the later ones."""
        after = np.flatnonzero(self.position >= lag)
        return after - lag, after

    def total(self, values: NDArray[Any]) -> Floats:
        """Sums of ``(rows, ...)`` values within entities: ``(entities, ...)``."""
        return np.add.reduceat(values, self.starts, axis=0)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, computed once for the key (which names all that it hangs on besides the panel)."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def take(self, entities: Ints) -> Panel:
        """The entities at these numbers; one may be repeated, and then counts as so many."""
        lengths = self.lengths[entities]
        ends = np.cumsum(lengths)
        rows = np.arange(int(ends[-1])) + np.repeat(self.starts[entities] - ends + lengths, lengths)
        return Panel(
            self.entity,
            self.time,
            self.context,
            self.kinds,
            self.coded.take(rows),
            lengths,
            None if self.clock is None else self.clock[rows],
            {name: part[rows] for name, part in self.calendar.items()},
            self.wavering,
            self.digest[entities],
            self._coding,
        )

    def head(self, entities: int, seed: int) -> Panel:
        """At most so many entities, drawn without replacement; the panel itself where it has no more."""
        if len(self) <= entities:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:entities]))

    def halves(self, seed: int) -> tuple[Panel, Panel]:
        """The entities in two halves, dealt at random."""
        order = np.random.default_rng(seed).permutation(len(self))
        cut = len(order) // 2
        return self.take(np.sort(order[:cut])), self.take(np.sort(order[cut:]))

    def dealt_anew(self, other: Panel, seed: int) -> tuple[Panel, Panel]:
        """The entities of both panels, dealt at random into two of the same sizes."""
        both = Panel(
            self.entity,
            self.time,
            self.context,
            self.kinds,
            Coded.concat([self.coded, other.coded]),
            np.concatenate([self.lengths, other.lengths]),
            None if self.clock is None or other.clock is None else np.concatenate([self.clock, other.clock]),
            {part: np.concatenate([x, other.calendar[part]]) for part, x in self.calendar.items()},
            self.wavering,
            np.concatenate([self.digest, other.digest]),
            self._coding,
        )
        order = np.random.default_rng(seed).permutation(len(both))
        return both.take(np.sort(order[: len(self)])), both.take(np.sort(order[len(self) :]))


def check_pair(caller: str, *tables: Panel) -> None:
    """Check that panels were made together.

    Raises:
        ParamError: they were not, so that their codes differ.
    """
    if any(t._coding is not tables[0]._coding for t in tables):
        raise ParamError(f"{caller}: the panels were not made together; make them by one call of panels(real, ...).")


def panels(
    *tables: pd.DataFrame,
    entity: Hashable,
    time: Hashable | None = None,
    context: Sequence[Hashable] | None = None,
    kinds: Kinds | None = None,
) -> tuple[Panel, ...]:
    """Sort and code tables of records so that they can be compared; the first is the one that is learnt from.

    Rows of an entity at the same time keep the table's order; without a time, order has no meaning.

    Args:
        tables: a row per record. ``entity`` and ``time`` may be levels of the index.
        entity: the column that names whose record it is.
        time: dates, durations or numbers; ``None``: the rows of an entity have no order.
        context: the columns that are constant within entities; by default those that are so in the first table, if one
            of its entities has two rows. In other tables a context column counts as its first row has it.
        kinds: the judged columns and what they are; by default what ``Schema.infer`` makes of the first table.

    Raises:
        ParamError: no table; or entity and time are one column.
        SchemaError: a column is missing; entity or time are null somewhere; there is one entity only; the time is no
            time, or its time zones are mixed; a declared context column varies within an entity of the first table.

    >>> visits = pd.DataFrame({"who": [1, 2, 1], "day": [7, 1, 3], "mmhg": [120.0, 90.0, 110.0], "sex": list("fmf")})
    >>> (panel,) = panels(visits, entity="who", time="day")
    >>> len(panel), panel.rows, panel.context, panel.gaps.tolist()
    (2, 3, ('sex',), [4.0])
    """
    if not tables:
        raise ParamError("panels: pass one table at least.")
    if time is not None and entity == time:
        raise ParamError("panels: arguments 'entity' and 'time' name one column; name two.")
    plain = [flat(table, entity, time) for table in tables]
    if kinds is None:
        kinds = kinds_of(Schema.infer(plain[0].drop(columns=[entity, *([] if time is None else [time])])))
    kinds = {name: kind for name, kind in kinds.items() if name not in (entity, time)}
    for name in context or ():
        if any(name not in table for table in plain):
            raise SchemaError(f"panels: argument 'context': there is no column {name!r}; name columns of every table.")
    clocks = [None if time is None else _clock(table[time]) for table in plain]
    if len({None if c is None else (c.dated, c.zone) for c in clocks}) > 1:
        raise SchemaError(
            f"panels: time column {time!r} differs between the tables in its type or time zone; convert it to one."
        )
    coded = code_tables(*plain, kinds=kinds)
    sorted_ = [_Sorted.of(c, table[entity], clock) for c, table, clock in zip(coded, plain, clocks, strict=True)]
    chosen = _context(sorted_[0], context, kinds)
    coding = object()
    return tuple(s.panel(entity, time, chosen, kinds, coding) for s in sorted_)


def flat(table: pd.DataFrame, entity: Hashable, time: Hashable | None) -> pd.DataFrame:
    """The table with entity and time as columns and a plain index.

    Raises:
        SchemaError: it is no DataFrame, or one of the columns is missing or null; or there is one entity only.
    """
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"panels: a table must be a pandas DataFrame, got a {type(table).__name__}.")
    wanted = [("entity", entity), *([] if time is None else [("time", time)])]
    if any(name not in table.columns and name in table.index.names for _, name in wanted):
        table = table.reset_index()
    for role, name in wanted:
        if name not in table.columns:
            raise SchemaError(f"panels: argument {role!r}: there is no column {name!r}; name a column of every table.")
        if table[name].isna().any():
            raise SchemaError(f"panels: {role} column {name!r} has nulls; drop or complete those rows.")
    if table[entity].nunique() < 2:
        raise SchemaError(
            f"panels: entity column {entity!r} names fewer than two entities; a panel needs two at least."
        )
    return table.reset_index(drop=True)


@dataclass(frozen=True)
class _Clock:
    """A time column in days or units; of dates also the zone and the calendar."""

    values: Floats
    dated: bool = False
    zone: str = ""
    calendar: Mapping[str, Ints] = field(default_factory=dict)


def _clock(column: pd.Series[Any]) -> _Clock:
    types = pd.api.types
    name = column.name
    if column.dtype == object:
        column = _dates(column)
    if types.is_timedelta64_dtype(column.dtype):
        return _Clock(column.dt.total_seconds().to_numpy(np.float64) / _DAY)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or types.is_datetime64_any_dtype(column.dtype):
        wall = column.dt.tz_localize(None)
        since = (column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column) - (
            pd.Timestamp(0)
        )
        parts = {"hour": wall.dt.hour, "weekday": wall.dt.day_of_week, "day": wall.dt.day, "month": wall.dt.month}
        calendar = {part: values.to_numpy(np.int64) for part, values in parts.items()}
        return _Clock(since.dt.total_seconds().to_numpy(np.float64) / _DAY, True, str(column.dt.tz or ""), calendar)
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        values = column.to_numpy(np.float64)
        if np.isfinite(values).all():
            return _Clock(values)
        raise SchemaError(f"panels: time column {name!r} holds infinite numbers; drop those rows.")
    raise SchemaError(f"panels: time column {name!r} is no time; convert it by pandas.to_datetime, or to numbers.")


def _dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Python dates and timestamps as a column of dates; other objects as they are."""
    if pd.api.types.infer_dtype(column) not in ("datetime", "datetime64", "date"):
        return column
    zones = {str(getattr(value, "tzinfo", None)) for value in column}
    if len(zones) > 1:
        raise SchemaError(
            f"panels: time column {column.name!r} mixes time zones; convert it by pandas.to_datetime(..., utc=True)."
        )
    return pd.to_datetime(column)


@dataclass(frozen=True)
class _Sorted:
    """The rows in the order of a panel, before it is known what is context."""

    coded: Coded
    lengths: Ints
    clock: Floats | None
    calendar: Mapping[str, Ints]
    digest: NDArray[np.uint64]
    varies: Mapping[Hashable, int]

    @classmethod
    def of(cls, coded: Coded, names: pd.Series[Any], clock: _Clock | None) -> _Sorted:
        owner = pd.factorize(names)[0].astype(np.int64)
        hashes = _hashes([*coded.numbers.T, *coded.codes.T.astype(np.float64)], len(coded))
        inner = hashes if clock is None else clock.values
        order = np.lexsort((inner, owner))  # stable: ties keep the table's order
        lengths = np.bincount(owner)
        starts = np.cumsum(lengths) - lengths
        position = np.arange(len(order)) - np.repeat(starts, lengths)
        # entities by what they hold: first the rows, then the time
        weight = _mixed(position.astype(np.uint64) * np.uint64(2) + np.uint64(1))
        digest = np.add.reduceat(hashes[order] * (weight | np.uint64(1)), starts)
        ticks = (
            digest if clock is None else np.add.reduceat(_hashes([clock.values[order]], len(order)) * weight, starts)
        )
        rank = np.lexsort((ticks, digest))
        sizes = lengths[rank]
        ends = np.cumsum(sizes)
        order = order[np.arange(len(order)) + np.repeat(starts[rank] - ends + sizes, sizes)]
        coded = coded.take(order)
        return cls(
            coded,
            sizes,
            None if clock is None else clock.values[order],
            {} if clock is None else {part: values[order] for part, values in clock.calendar.items()},
            digest[rank],
            _varies(coded, np.repeat(np.arange(len(sizes)), sizes)),
        )

    def panel(
        self, entity: Hashable, time: Hashable | None, context: tuple[Hashable, ...], kinds: Kinds, coding: object
    ) -> Panel:
        wavering = {name: self.varies[name] for name in context}
        parts = (self.coded, self.lengths, self.clock, self.calendar)
        return Panel(entity, time, context, kinds, *parts, wavering, self.digest, coding)


def _varies(coded: Coded, owner: Ints) -> dict[Hashable, int]:
    """Per column the number of entities in which it has two values (null is one)."""
    same = owner[1:] == owner[:-1]
    found = {}
    for name in (*coded.num, *coded.cat):
        x = coded.column(name)
        changed = same & (x[1:] != x[:-1]) & ~(np.isnan(x[1:]) & np.isnan(x[:-1]))
        found[name] = len(np.unique(owner[1:][changed]))
    return found


def _context(first: _Sorted, declared: Sequence[Hashable] | None, kinds: Kinds) -> tuple[Hashable, ...]:
    if declared is None:
        repeated = bool((first.lengths > 1).any())
        return tuple(name for name in kinds if repeated and not first.varies[name])
    for name in declared:
        if first.varies.get(name, 0):
            raise SchemaError(
                f"panels: context column {name!r} varies within entities of the first table; "
                "leave it out of 'context', or make it constant."
            )
    return tuple(name for name in kinds if name in set(declared))


def _hashes(columns: Sequence[Floats], rows: int) -> NDArray[np.uint64]:
    """A hash of each row of float columns; null is a value."""
    out = np.full(rows, _ODD)
    for values in columns:
        plain = np.where(np.isnan(values), np.nan, values + 0.0)  # one null, one zero
        out = _mixed(out ^ plain.view(np.uint64))
    return out


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood, 2014): every bit depends on every bit."""
    x = (x + _ODD).astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
