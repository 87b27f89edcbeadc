"""What is drawn of records over time, without any single real entity.

The rule of :mod:`synthkit.report.pictures`, with entities in place of rows, as one entity may have many rows:

- a bin of one to four real entities is merged with its neighbours;
- a real path is never drawn: bands are quantiles over entities, each quantile the mean of five neighbouring ones with
  five entities or more beyond it, of entities' means within a stretch of time;

Single paths are drawn of synthetic entities only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.temporal_dynamics import autocorrelation, icc
from synthkit.metrics.temporal_panel import Panel
from synthkit.report.panel_cases import PanelTables
from synthkit.report.pictures import _FEWEST as FEWEST
from synthkit.report.pictures import _TAIL as TAIL
from synthkit.report.pictures import LEAST, Bins, Pair, _count, _edges, _spike
from synthkit.report.svg import compact

__all__ = [
    "MAX_STATES",
    "QUANTILES",
    "Band",
    "Lags",
    "Paths",
    "gaps_picture",
    "lags_picture",
    "lengths_picture",
    "moving_most",
    "paths_picture",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_STRETCHES = 10  # of time
_LINES = 5
_POINTS = 24  # of a line
MAX_STATES = 8
_LAGS = 6


# -------------------------------------------------------------------- lengths and gaps
@dataclass(frozen=True)
class _Series:
    """Values and whose they are; of real entities or not."""

    values: Floats
    owner: Ints
    entities: int
    real: bool

    def count(self, inside: Bools) -> int:
        """Entities that have such a value."""
        return len(np.unique(self.owner[inside]))

    def share(self, inside: Bools) -> float:
        """Share of the values; NaN where one to four real entities have them."""
        if not len(inside) or (self.real and 0 < self.count(inside) < LEAST):
            return math.nan
        return float(inside.mean())


def lengths_picture(*tables: PanelTables) -> Bins | str:
    """Histograms of the number of records per entity: real, then synthetic and holdout, or several synthetic ones."""
    there = _there(*tables)
    return _bins([_Series(p.lengths.astype(np.float64), np.arange(len(p)), len(p), real) for p, real in there])


def gaps_picture(*tables: PanelTables) -> Bins | str:
    """Histograms of the times between records: real, then synthetic and holdout, or several synthetic ones."""
    return _bins([_Series(p.gaps, p.owner[p.position > 0], len(p), real) for p, real in _there(*tables)])


def _there(*tables: PanelTables) -> list[tuple[Panel, bool]]:
    first = tables[0]
    found = [(first.real, True), *((t.synthetic, False) for t in tables)]
    return found + ([] if first.holdout is None or len(tables) > 1 else [(first.holdout, True)])


def _bins(series: Sequence[_Series]) -> Bins | str:
    first = series[0]
    if any(len(np.unique(s.owner)) < FEWEST for s in series if s.real):
        return f"Fewer than {FEWEST} real entities have a value: not drawn."
    beside: list[Pair] = []
    spike = _spike(first.values)
    if spike is not None and first.count(first.values == spike) >= LEAST:
        beside.append(_pair(f"= {compact(spike)}", [s.share(s.values == spike) for s in series]))
        others = [_where(s, s.values != spike) for s in series]
        if any(len(np.unique(s.owner)) < FEWEST for s in others if s.real):
            beside.append(_pair("other values", [s.share(s.values != spike) for s in series]))
            nothing = np.zeros(0)
            return Bins(nothing, nothing, tuple(nothing for _ in series[1:]), tuple(beside), (), False, False)
        series = others
    edges, log = _edges(np.sort(_inner(series[0])), False)
    keep = _merged([s for s in series if s.real], edges)
    if keep is None:
        return "Too few real entities: not drawn."
    shares = [np.add.reduceat(_count(s.values, edges), keep[:-1]) / max(len(s.values), 1) for s in series]
    outside = (  # without the holdout: a line of two figures
        _pair("below", [s.share(s.values < edges[0]) for s in series[:2]]),
        _pair("above", [s.share(s.values >= edges[-1]) for s in series[:2]]),
    )
    return Bins(edges[keep], shares[0], tuple(shares[1:]), tuple(beside), outside, log, False)


def _pair(label: str, shares: Sequence[float]) -> Pair:
    return Pair(label, shares[0], tuple(shares[1:]))


def _where(series: _Series, kept: Bools) -> _Series:
    return _Series(series.values[kept], series.owner[kept], series.entities, series.real)


def _inner(series: _Series) -> Floats:
    """The values, cut to a range beyond either end of which five entities and more have one."""
    order = np.argsort(series.owner, kind="stable")
    starts = np.flatnonzero(np.diff(series.owner[order], prepend=-1))
    least = np.sort(np.minimum.reduceat(series.values[order], starts))
    most = np.sort(np.maximum.reduceat(series.values[order], starts))
    tail = min(len(least), max(LEAST, math.ceil(TAIL * len(least))))
    low, high = float(least[tail - 1]), float(most[-tail])
    return np.clip(series.values, min(low, high), max(low, high))


def _merged(real: Sequence[_Series], edges: Floats) -> Ints | None:
    """Positions of the edges to keep, so that in every bin each real table has no entity, or five and more."""
    bins = len(edges) - 1
    has = []
    for s in real:
        at = np.searchsorted(edges, s.values, side="right") - 1
        inside = (at >= 0) & (at < bins)
        table = np.zeros((s.entities, bins), np.bool_)
        table[s.owner[inside], at[inside]] = True
        has.append(table)

    def counts(a: int, b: int) -> list[int]:
        return [int(table[:, a:b].any(axis=1).sum()) for table in has]

    def told(a: int, b: int) -> bool:
        return all(n == 0 or n >= LEAST for n in counts(a, b))

    keep = [0]
    for k in range(1, bins + 1):
        if told(keep[-1], k):
            keep.append(k)
    while keep[-1] != bins and not told(keep[-1], bins):
        if len(keep) == 1:
            return None
        keep.pop()
    if keep[-1] != bins:
        keep.append(bins)
    return np.array(keep)


# -------------------------------------------------------------------- paths
@dataclass(frozen=True)
class Band:
    """Quantiles over entities: ``(stretches, 5)``, NaN where too few entities stand behind one."""

    at: Floats
    quantiles: Floats


@dataclass(frozen=True)
class Paths:
    """A number over time since an entity's first record.

    Attributes:
        until: the end of the time axis; low, high: of the values.
        real, synthetic: bands; lines: single synthetic paths, ``(time, value)`` each.
    """

    until: float
    low: float
    high: float
    real: Band
    synthetic: Band
    lines: tuple[tuple[Floats, Floats], ...]


def moving_most(panel: Panel, many: int) -> list[Hashable]:
    """The numeric columns of which the largest share of variance lies within entities; not those of a few levels."""
    within = {}
    for j, name in enumerate(panel.moving.num):
        x = panel.moving.numbers[:, j]
        known = ~np.isnan(x)
        if (
            panel.kinds[name] != "datetime"
            and len(np.unique(x[known])) > MAX_STATES
            and len(np.unique(panel.owner[known])) >= FEWEST
        ):
            found = icc(np.argsort(np.argsort(x[known])).astype(np.float64), panel.owner[known])[0]
            if not math.isnan(found):
                within[name] = 1 - found
    return sorted(within, key=lambda name: -within[name])[:many]


def paths_picture(tables: PanelTables, name: Hashable, seed: int) -> Paths | None:
    """What to draw of a number over time; ``None`` without a time, or where too few real entities are followed."""
    real, synthetic = tables.real, tables.synthetic
    if real.clock is None or synthetic.clock is None:
        return None
    j = real.moving.num.index(name)
    since = [_since(real, real.clock), _since(synthetic, synthetic.clock)]
    spans = np.sort(since[0][real.starts + real.lengths - 1])
    until = _neighbours(spans, 0.9)
    if math.isnan(until) or until <= 0:
        return None
    edges, at = _stretches(since[0], until)
    bands = [_band(p, p.moving.numbers[:, j], t, edges, at) for p, t in zip((real, synthetic), since, strict=True)]
    known = np.concatenate([b.quantiles[~np.isnan(b.quantiles)] for b in bands])
    if np.isnan(bands[0].quantiles).all():
        return None
    low, high = float(known.min()), float(known.max())
    margin = 0.12 * (high - low) or abs(low) * 0.1 or 1.0
    lines = _lines(synthetic, synthetic.moving.numbers[:, j], since[1], until, (edges, at), seed)
    room = 0.6 * (high - low)  # for single paths beyond the bands
    low = max(low - room, min([low, *(float(x.min()) for _, x in lines)]))
    high = min(high + room, max([high, *(float(x.max()) for _, x in lines)]))
    return Paths(float(at[-1]) if len(at) else until, low - margin, high + margin, bands[0], bands[1], lines)


def _since(panel: Panel, clock: Floats) -> Floats:
    """Time since an entity's first record."""
    return clock - clock[panel.starts][panel.owner]


def _stretches(since: Floats, until: float) -> tuple[Floats, Floats]:
    """Edges and middles of stretches of time: each time of a coarse grid by itself, else ten of equal width."""
    levels = np.unique(since[since <= until * (1 + 1e-9)])
    if len(levels) <= _STRETCHES + 2:
        middles = (levels[1:] + levels[:-1]) / 2
        return np.concatenate([[-np.inf], middles, [until * (1 + 1e-9)]]), levels
    edges = np.linspace(0, until, _STRETCHES + 1)
    return edges, (edges[1:] + edges[:-1]) / 2


def _band(panel: Panel, x: Floats, since: Floats, edges: Floats, at: Floats) -> Band:
    """Quantiles, over entities, of an entity's mean within each stretch of time."""
    where = np.searchsorted(edges, since, side="right") - 1
    inside = (where >= 0) & (where < len(at)) & ~np.isnan(x)
    cell = panel.owner[inside] * len(at) + where[inside]
    size = len(panel) * len(at)
    count = np.bincount(cell, minlength=size).reshape(len(panel), len(at))
    with np.errstate(invalid="ignore"):
        mean = np.bincount(cell, x[inside], minlength=size).reshape(count.shape) / count
    out = np.full((len(at), len(QUANTILES)), np.nan)
    for k in range(len(at)):
        values = np.sort(mean[count[:, k] > 0, k])
        out[k] = [_neighbours(values, q) for q in QUANTILES]
    return Band(at, out)


def _neighbours(ordered: Floats, q: float) -> float:
    """A quantile as the mean of the five values around it; NaN unless five and more lie on either side."""
    n = len(ordered)
    if n < FEWEST or math.floor(min(q, 1 - q) * n + 1e-9) < LEAST:
        return math.nan
    begin = min(max(round(q * (n - 1)) - LEAST // 2, 0), n - LEAST)
    return float(ordered[begin : begin + LEAST].mean())


def _lines(
    panel: Panel, x: Floats, since: Floats, until: float, stretches: tuple[Floats, Floats], seed: int
) -> tuple[tuple[Floats, Floats], ...]:
    """Single paths: means of records at one time, or, of very many times, of those within a stretch."""
    known = ~np.isnan(x) & (since <= until)
    followed = np.flatnonzero(panel.total(known.astype(np.int64)) >= min(3, int(panel.lengths.max())))
    edges, middles = stretches
    out = []
    for entity in np.sort(np.random.default_rng(seed).permutation(followed)[:_LINES]):
        rows = panel.starts[entity] + np.arange(panel.lengths[entity])
        rows = rows[known[rows]]
        at, which = np.unique(since[rows], return_inverse=True)
        if len(at) > _POINTS:
            which = np.clip(np.searchsorted(edges, since[rows], side="right") - 1, 0, len(middles) - 1)
            at = middles
        count = np.bincount(which, minlength=len(at))
        mean = np.bincount(which, x[rows], minlength=len(at)) / np.maximum(count, 1)
        out.append((at[count > 0], mean[count > 0]))
    return tuple(out)


# -------------------------------------------------------------------- autocorrelation
@dataclass(frozen=True)
class Lags:
    """Correlations of a column with its earlier values: per kind (``"pooled"``, ``"within"``) and table, by lag."""

    lags: Ints
    real: dict[str, Floats]
    synthetic: dict[str, Floats]
    holdout: dict[str, Floats] | None


def _line(frame: pd.DataFrame, name: Hashable, kind: str, side: str) -> Floats:
    return frame.loc[(frame["column"] == name) & (frame["of"] == kind), side].to_numpy(np.float64)


def lags_picture(tables: PanelTables) -> dict[Hashable, Lags]:
    """By numeric column; those that have two lags at least, of twenty real entities or more."""
    real = tables.real
    many = [k for k in range(1, _LAGS + 1) if (real.lengths > k).sum() >= FEWEST]
    if real.clock is None or len(many) < 2:
        return {}
    found = [autocorrelation(real, p, lags=len(many)) for p in (tables.synthetic, tables.holdout) if p is not None]
    if "table" not in found[0].details:
        return {}
    out = {}
    lines = [m.details.get("table") for m in found]
    for name in real.moving.num:
        if lines[0] is None or real.kinds[name] == "datetime":
            continue
        kinds = ("pooled", "within")
        sides = [
            {kind: _line(frame, name, kind, side) for kind in kinds}
            for frame, side in ((lines[0], "real"), (lines[0], "synthetic"), (lines[-1], "synthetic"))
            if frame is not None
        ]
        if (~np.isnan(sides[0]["pooled"])).sum() >= 2:
            held = sides[2] if len(found) > 1 and len(sides) > 2 else None
            out[name] = Lags(np.array(many), sides[0], sides[1], held)
    return out
