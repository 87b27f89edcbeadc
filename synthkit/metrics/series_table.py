"""Long series, made comparable: a matrix of columns over time, what of it is stationary, and windows of it.

A column that wanders (a unit root cannot be ruled out at 1 %) is judged by its changes: log returns where it is
positive, differences otherwise; another one by its levels. Which it is, is decided on the real series alone, and holds
for all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError

__all__ = ["Series", "Way", "check_series", "series_tables", "split_blocks"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Way = Literal["return", "difference", "level"]
_UNIT_ROOT = -3.43  # of Dickey and Fuller's t at 1 %, with a constant (MacKinnon, 2010)
_TIED = -4.5  # a spread of two columns that is so clearly stationary ties them
_HOLE = 10  # usual steps of time without a row, after which another segment starts
_DAY = 86_400.0
_DRAW = "draw"


@dataclass(frozen=True, eq=False)
class Series:
    """One series, or some draws of it, made by :func:`series_tables`. T rows in all, D columns, S segments.

    Attributes:
        names: of the columns: a name, or (entity, name) of a long table.
        values: ``(T, D)`` as given; NaN filled by the line between neighbours.
        ways: ``(D,)`` how a column is judged; leader: ``(D,)`` the first column that it does not wander away from (a
            bar's open), itself where there is none.
        starts: ``(S,)`` rows at which segments start: draws, and stretches after a hole in time.
        path: ``(S,)`` the draw of each segment.
        clock: ``(T,)`` seconds of a time of dates, or None.
    """

    names: tuple[Any, ...]
    values: Floats
    ways: tuple[Way, ...]
    leader: Ints
    starts: Ints
    path: Ints
    clock: Floats | None = None
    _making: object = field(default_factory=object, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def lengths(self) -> Ints:
        """``(S,)`` rows of each segment."""
        return np.diff(np.append(self.starts, len(self)))

    @cached_property
    def segment(self) -> Ints:
        """``(T,)`` the number of each row's segment."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)

    @cached_property
    def logs(self) -> Floats:
        """``(T, D)``: logs of columns judged by returns (not positive: of the least positive), others as is."""
        out = self.values.copy()
        for j, way in enumerate(self.ways):
            if way == "return":
                x = out[:, j]
                least = x[x > 0].min(initial=1.0) if (x > 0).any() else 1.0
                out[:, j] = np.log(np.where(x > 0, x, least))
        return out

    @cached_property
    def moves(self) -> tuple[Floats, Ints]:
        """What is stationary: changes or levels, ``(T - S, D)``, without each segment's first row; and its segments."""
        inner = np.flatnonzero(np.diff(self.segment, prepend=-1) == 0)
        change = self.logs[inner] - self.logs[inner - 1]
        level = np.array([way == "level" for way in self.ways])
        return np.where(level, self.logs[inner], change), self.segment[inner]

    @property
    def returns(self) -> list[int]:
        """The columns judged by log returns."""
        return [j for j, way in enumerate(self.ways) if way == "return"]

    def only(self, segments: Sequence[int] | Ints) -> Series:
        """These segments."""
        chosen = np.asarray(segments, np.int64)
        rows = np.concatenate([np.arange(self.starts[s], self.starts[s] + self.lengths[s]) for s in chosen])
        ends = np.cumsum(self.lengths[chosen])
        clock = None if self.clock is None else self.clock[rows]
        inner = (self.names, self.values[rows], self.ways, self.leader)
        return Series(*inner, ends - self.lengths[chosen], self.path[chosen], clock, self._making)

    def pieces(self, sizes: Ints, rng: np.random.Generator) -> Series:
        """As many segments as ``sizes``, of at most so many rows, cut out at random, apart where they can be."""
        usable = np.flatnonzero(self.lengths >= min(int(sizes.min()), int(self.lengths.max())))
        room = np.maximum(self.lengths[usable].astype(np.float64), 1)
        taken: list[tuple[int, int]] = []
        for size in np.sort(sizes)[::-1]:
            best, least = (0, 0), np.inf
            for _ in range(20):
                s = usable[rng.choice(len(usable), p=room / room.sum())]
                m = min(int(size), int(self.lengths[s]))
                a = int(self.starts[s] + rng.integers(self.lengths[s] - m + 1))
                shared = sum(max(0, min(a + m, b + k) - max(a, b)) for b, k in taken)
                if shared < least:
                    best, least = (a, m), shared
                if not shared:
                    break
            taken.append(best)
        taken.sort()
        rows = np.concatenate([np.arange(a, a + m) for a, m in taken])
        ends = np.cumsum([m for _, m in taken])
        path = self.path[self.segment[[a for a, _ in taken]]]
        clock = None if self.clock is None else self.clock[rows]
        starts = ends - np.array([m for _, m in taken])
        return Series(self.names, self.values[rows], self.ways, self.leader, starts, path, clock, self._making)

    def windows(self, size: int, stride: int = 1) -> tuple[Floats, Ints]:
        """``(N, size, D)`` windows within segments, and ``(N,)`` the segment of each.

        Columns judged by changes stand against the leader's value at the window's first step: where a window begins
        says nothing, how a bar's columns stand to each other is kept. With a ``stride`` a window begins anywhere in its
        stride (the same places each time): on a lattice, hours of the day would meet some windows and not others.
        """
        own = [
            (np.arange(a, a + m - size + 1, stride), a + m - size)
            for a, m in zip(self.starts, self.lengths, strict=True)
            if m >= size
        ]
        if not own:
            return np.empty((0, size, len(self.names))), np.empty(0, np.int64)
        jitter = np.random.default_rng(stride)
        first = np.concatenate([np.minimum(at + jitter.integers(0, stride, len(at)), last) for at, last in own])
        cut = self.logs[first[:, None] + np.arange(size)]
        level = np.array([way == "level" for way in self.ways])
        anchor = np.where(level, 0.0, cut[:, :1, self.leader])
        return cut - anchor, self.segment[first]


def check_series(caller: str, *tables: Series) -> None:
    """Check that series were made together.

    Raises:
        ParamError: they were not.
    """
    if any(t._making is not tables[0]._making for t in tables):
        raise ParamError(
            f"{caller}: the series were not made together; make them by one call of series_tables(real, ...)."
        )


def split_blocks(rows: int, *, blocks: int = 6, share: float = 0.25, purge: int = 24) -> tuple[Ints, Ints]:
    """Rows of a series, dealt in alternating blocks: of each stretch the last share is held out.

    A later part of a series often differs from the earlier one in itself; alternating blocks share its course.

    Args:
        rows: of the series; blocks: stretches of equal length; share: held out of each; purge: rows left out between a
            training block and a held-out one on either side (the window that judges, at least).

    Returns:
        Rows to learn from, and rows held out, ascending.

    Raises:
        ParamError: blocks would be empty.

    >>> train, held = split_blocks(100, blocks=2, share=0.2, purge=5)
    >>> held.tolist() == [*range(40, 50), *range(90, 100)], len(train)
    (True, 65)
    """
    edges = np.linspace(0, rows, blocks + 1).astype(np.int64)
    train, held = [], []
    for k, (a, b) in enumerate(pairwise(edges)):
        cut = int(b - round((b - a) * share))
        begin = int(a) + (purge if k else 0)
        if cut - purge <= begin or cut >= b:
            raise ParamError(f"split_blocks: {rows} rows are too few for {blocks} blocks with a purge of {purge} rows.")
        train.append(np.arange(begin, cut - purge))
        held.append(np.arange(cut, b))
    return np.concatenate(train), np.concatenate(held)


def series_tables(
    *tables: pd.DataFrame,
    time: Hashable | None = None,
    entity: Hashable | None = None,
    columns: Sequence[Hashable] | None = None,
) -> tuple[Series, ...]:
    """Lay tables of one or few long series out alike; the first is the real one, and decides how columns are judged.

    Args:
        tables: a row per step (and entity). A first index level ``draw`` tells independent draws apart.
        time: column or index level of dates or numbers; by default a DatetimeIndex, or the order of rows. A step of
        more than
            ten usual ones starts another segment.
        entity: the column that tells few series of one calendar apart, which become columns of one series.
        columns: of numbers that are judged; by default all of the first table that vary.

    Raises:
        SchemaError: a table is empty, lacks a column, or has two rows at one time; no column of numbers varies.
        ParamError: no table.

    >>> walk = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 500)))
    >>> (one,) = series_tables(pd.DataFrame({"price": walk, "noise": np.diff(walk, prepend=1) / walk}))
    >>> one.ways
    ('return', 'level')
    """
    if not tables:
        raise ParamError("series_tables: pass one table at least.")
    laid = [_laid(t, time, entity, columns) for t in tables]
    names = [n for n in laid[0].columns if np.ptp(_filled(laid[0][n].to_numpy(np.float64))) > 0]
    if not names:
        raise SchemaError("series_tables: no column of numbers varies; a series of numbers is needed.")
    for other in laid[1:]:
        lost = [n for n in names if n not in other.columns]
        if lost:
            raise SchemaError(f"series_tables: column {lost[0]!r} of the first table is not in every table.")
    values = [np.stack([_filled(t[n].to_numpy(np.float64)) for n in names], 1) for t in laid]
    ways = tuple(_way(values[0][:, j], laid[0].starts) for j in range(len(names)))
    making = object()
    first = Series(tuple(names), values[0], ways, np.arange(len(names)), laid[0].starts, laid[0].path, None, making)
    leader = _leaders(first, entity is not None)
    return tuple(
        Series(tuple(names), v, ways, leader, t.starts, t.path, t.clock, making)
        for v, t in zip(values, laid, strict=True)
    )


# -------------------------------------------------------------------- layout
@dataclass(frozen=True)
class _Laid:
    columns: dict[Any, NDArray[Any]]
    starts: Ints
    path: Ints
    clock: Floats | None

    def __getitem__(self, name: Any) -> pd.Series[Any]:
        return pd.Series(self.columns[name])


def _laid(
    table: pd.DataFrame, time: Hashable | None, entity: Hashable | None, columns: Sequence[Hashable] | None
) -> _Laid:
    if not isinstance(table, pd.DataFrame) or not len(table):
        raise SchemaError("series_tables: a table must be a pandas DataFrame with rows.")
    draw = np.zeros(len(table), np.int64)
    if isinstance(table.index, pd.MultiIndex) and _DRAW in table.index.names:
        draw = pd.factorize(table.index.get_level_values(_DRAW), sort=True)[0].astype(np.int64)
        table = table.droplevel(_DRAW)
    if time is None and isinstance(table.index, pd.DatetimeIndex):
        moments: Any = pd.Series(table.index)
    elif time is not None and time in table.index.names and time not in table.columns:
        moments = pd.Series(table.index.get_level_values(time))
    elif time is not None:
        moments = _column(table, time, "time")
    else:
        moments = None
    who = None if entity is None else _whose(table, entity)
    flat = table.reset_index(drop=True)
    if columns is None:
        columns = [c for c in flat if c not in (time, entity) and _numeric(flat[c])]
    for name in columns:
        _column(flat, name, "columns")
    place, starts, path, clock = _places(moments, who, draw)
    if who is None:
        order = np.argsort(place, kind="stable")
        return _Laid({c: flat[c].to_numpy(np.float64, na_value=np.nan)[order] for c in columns}, starts, path, clock)
    out = {}
    for name in dict.fromkeys(who):
        own = who == name
        for c in columns:
            x = np.full(int(place.max()) + 1, np.nan)
            x[place[own]] = flat[c].to_numpy(np.float64, na_value=np.nan)[own]
            out[(name, c)] = x
    return _Laid(out, starts, path, clock)


def _column(table: pd.DataFrame, name: Hashable, argument: str) -> pd.Series[Any]:
    if name not in table.columns:
        raise SchemaError(
            f"series_tables: argument {argument!r}: there is no column {name!r}; name one of every table."
        )
    return table[name].reset_index(drop=True)


def _whose(table: pd.DataFrame, entity: Hashable) -> NDArray[Any]:
    if entity in table.index.names and entity not in table.columns:
        return table.index.get_level_values(entity).to_numpy(object)
    return _column(table, entity, "entity").to_numpy(object)


def _numeric(column: pd.Series[Any]) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype) and bool(column.notna().any())


def _places(moments: Any, who: Any, draw: Ints) -> tuple[Ints, Ints, Ints, Floats | None]:
    """Per row of the table its row in the series; then starts, paths and clock of the series."""
    dated = False
    if moments is None:
        own = pd.Series(np.arange(len(draw))).groupby([draw] if who is None else [draw, who]).cumcount()
        ticks = own.to_numpy(np.float64)
    else:
        if moments.dtype == object:
            moments = pd.to_datetime(moments)
        dated = bool(pd.api.types.is_datetime64_any_dtype(moments.dtype))
        if moments.isna().any():
            raise SchemaError("series_tables: the time has empty cells; fill or drop those rows.")
        if dated:
            wall = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
            ticks = (wall - pd.Timestamp(0)).dt.total_seconds().to_numpy(np.float64)
        elif pd.api.types.is_timedelta64_dtype(moments.dtype):
            ticks = moments.dt.total_seconds().to_numpy(np.float64)
        else:
            ticks = moments.to_numpy(np.float64)
    keys, place = np.unique(np.stack([draw.astype(np.float64), ticks], 1), axis=0, return_inverse=True)
    place = place.reshape(-1).astype(np.int64)
    twice = (
        len(np.unique(place)) < len(place) if who is None else pd.DataFrame({"p": place, "w": who}).duplicated().any()
    )
    if twice:
        raise SchemaError("series_tables: two rows are at one time; drop the doubles, or name the column 'entity'.")
    step = np.diff(keys[:, 1])
    same = np.diff(keys[:, 0]) == 0
    usual = float(np.median(step[same])) if same.any() else 1.0
    new = np.concatenate([[True], ~same | (step > _HOLE * usual)])
    starts = np.flatnonzero(new)
    return place, starts, keys[starts, 0].astype(np.int64), keys[:, 1] if dated else None


def _filled(x: Floats) -> Floats:
    """Empty cells by the line between neighbours."""
    bad = ~np.isfinite(x)
    if not bad.any() or bad.all():
        return np.zeros(len(x)) if bad.all() else x
    at = np.arange(len(x))
    return np.where(bad, np.interp(at, at[~bad], x[~bad]), x)


# -------------------------------------------------------------------- how a column is judged
def _way(x: Floats, starts: Ints) -> Way:
    positive = bool((x > 0).all())
    if unit_root(np.log(x) if positive else x, starts) < _UNIT_ROOT:
        return "level"
    return "return" if positive else "difference"


def _leaders(real: Series, long: bool) -> Ints:
    """Who is tied to whom: the log of a column over that of an earlier one is clearly stationary."""
    leader = np.arange(len(real.names))
    for j, way in enumerate(real.ways):
        if way == "level":
            continue
        for i in range(j):
            near = real.ways[i] == way and leader[i] == i and (not long or real.names[i][0] == real.names[j][0])
            if near and unit_root(real.logs[:, j] - real.logs[:, i], real.starts, lags=1) < _TIED:
                leader[j] = i
                break
    return leader


def unit_root(x: Floats, starts: Ints, lags: int | None = None) -> float:
    """Dickey and Fuller's t of the level in a regression of its changes (JASA 74, 1979), augmented by lagged changes.

    Strongly negative: the level returns to its mean. ``lags`` by Schwert's rule, at most 12; 0.0 for too short a
    series.
    """
    lags = int(min(12 * (len(x) / 100) ** 0.25, 12)) if lags is None else lags
    pieces = []
    for a, b in zip(starts, np.append(starts[1:], len(x)), strict=True):
        d = np.diff(x[a:b])
        if len(d) > lags + 2:
            past = [d[lags - k : len(d) - k] for k in range(1, lags + 1)]
            pieces.append(np.stack([d[lags:], x[a:b][lags:-1], np.ones(len(d) - lags), *past], 1))
    if not pieces or sum(map(len, pieces)) < lags + 20:
        return 0.0
    full = np.concatenate(pieces)
    y, z = full[:, 0], full[:, 1:] / np.maximum(np.abs(full[:, 1:]).max(0), 1e-300)
    if np.ptp(z[:, 0]) <= 1e-12:
        return -np.inf
    gram = np.linalg.pinv(z.T @ z)
    beta = gram @ (z.T @ y)
    rest = y - z @ beta
    error = np.sqrt(max(float(rest @ rest) / (len(y) - z.shape[1]) * gram[0, 0], 0.0))
    return float(beta[0] / error) if error > 0 else -np.inf
