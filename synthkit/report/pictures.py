"""What is drawn of a column, without any single real row.

Everything here is counted from real rows in groups of five or more:

- a bin of one to four real rows is merged with its neighbours;
- the range ends where at least five real rows, and at least .5 % of them, lie on either side, and at round numbers;
- a category of fewer than five real rows goes to "other", unseen ones too;
- a count of one to four is never written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.base import Table
from synthkit.report.svg import compact, day, nice

__all__ = ["LEAST", "Bars", "Bins", "Pair", "column_picture", "share_of"]

LEAST = 5
"""Fewer real rows than this are never shown apart."""
_FEWEST = 20  # rows below which a column is not drawn
_TAIL = 0.005
_BINS = 36
_LEVELS = 8
_SPIKE = 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """A share of real rows and of each synthetic table. ``real`` is NaN where it stands for one to four rows."""

    label: str
    real: float
    synthetic: tuple[float, ...]


@dataclass(frozen=True)
class Bins:
    """A column of numbers or dates.

    Attributes:
        edges: of the bins, unequal in width where bins were merged.
        real: shares of the rows that are binned; synthetic: likewise, per table.
        beside: what is not binned: empty cells, and a value that very many rows have.
        outside: what is below and above the drawn range.
        log, dated: how the axis is to be read.
    """

    edges: Floats
    real: Floats
    synthetic: tuple[Floats, ...]
    beside: tuple[Pair, ...]
    outside: tuple[Pair, ...]
    log: bool
    dated: bool


@dataclass(frozen=True)
class Bars:
    """A column of categories: the most frequent ones, then "other"; ``beside``: empty cells."""

    pairs: tuple[Pair, ...]
    beside: tuple[Pair, ...]


def share_of(count: int, rows: int) -> float:
    """A share of real rows; NaN where it stands for one to four of them."""
    return math.nan if 0 < count < LEAST or not rows else count / rows


def column_picture(
    name: Hashable, real: Table, synthetic: Sequence[Table], *, dated: bool = False
) -> Bins | Bars | str:
    """What to draw of a column; a text where nothing may be drawn.

    Args:
        name: the column; real: real rows, best those of the holdout; synthetic: one table or more, coded with ``real``.
        dated: are the numbers seconds of a date?
    """
    if name in real.coded.cat:
        j = real.coded.cat.index(name)
        return _bars(name, real, [real.coded.codes[:, j], *(t.coded.codes[:, j] for t in synthetic)])
    j = real.coded.num.index(name)
    columns = [real.coded.numbers[:, j], *(t.coded.numbers[:, j] for t in synthetic)]
    return _bins([np.asarray(c) for c in columns], dated)


def _pair(label: str, inside: Callable[[Any], Any], columns: Sequence[NDArray[Any]]) -> Pair:
    counts = [int(inside(c).sum()) for c in columns]
    shares = [n / max(len(c), 1) for n, c in zip(counts, columns, strict=True)]
    return Pair(label, share_of(counts[0], len(columns[0])), tuple(shares[1:]))


def _empty(columns: Sequence[NDArray[Any]], null: Callable[[Any], Any]) -> list[Pair]:
    pair = _pair("empty", null, columns)
    return [pair] if any(null(c).any() for c in columns) else []


# -------------------------------------------------------------------- categories
def _bars(name: Hashable, real: Table, codes: Sequence[NDArray[np.int64]]) -> Bars | str:
    rows = codes[0][codes[0] >= 0]
    if len(rows) < _FEWEST:
        return f"Fewer than {_FEWEST} real rows have a value: not drawn."
    size = max(int(c.max(initial=0)) for c in codes) + 1
    counts = [np.bincount(c[c >= 0], minlength=size) for c in codes]
    shares = [n / max(n.sum(), 1) for n in counts]
    order = np.argsort(-counts[0], kind="stable")
    shown = [int(k) for k in order if counts[0][k] >= LEAST][:_LEVELS]
    levels = real.frame[name]
    pairs = []
    for k in shown:
        where = int(np.flatnonzero(codes[0] == k)[0])
        pairs.append(Pair(str(levels.iloc[where]), float(shares[0][k]), tuple(float(s[k]) for s in shares[1:])))
    rest = np.setdiff1d(np.arange(size), shown)
    if any(n[rest].sum() for n in counts):
        left = share_of(int(counts[0][rest].sum()), int(counts[0].sum()))
        pairs.append(Pair("other", left, tuple(float(s[rest].sum()) for s in shares[1:])))
    return Bars(tuple(pairs), tuple(_empty(codes, lambda c: c < 0)))


# -------------------------------------------------------------------- numbers
def _bins(columns: Sequence[Floats], dated: bool) -> Bins | str:
    known = [c[~np.isnan(c)] for c in columns]
    if len(known[0]) < _FEWEST:
        return f"Fewer than {_FEWEST} real rows have a value: not drawn."
    beside = _empty(columns, np.isnan)
    spike = _spike(known[0])
    if spike is not None:
        label = f"= {day(spike) if dated else compact(spike)}"
        beside.append(_pair(label, lambda c: c == spike, known))
        known = [c[c != spike] for c in known]
    if len(known[0]) < _FEWEST:
        if spike is not None:
            others = _pair("other values", lambda c: (c != spike) & ~np.isnan(c), columns)
            beside.append(others)
        nothing = np.zeros(0)
        return Bins(nothing, nothing, tuple(nothing for _ in known[1:]), tuple(beside), (), False, dated)
    edges, log = _edges(np.sort(known[0]), dated)
    counts = [_count(c, edges) for c in known]
    keep = _merged(counts[0])
    counts = [np.add.reduceat(n, keep[:-1]) for n in counts]
    shares = [n / max(len(c), 1) for n, c in zip(counts, known, strict=True)]
    outside = (_pair("below", lambda c: c < edges[0], known), _pair("above", lambda c: c >= edges[-1], known))
    return Bins(edges[keep], shares[0], tuple(shares[1:]), tuple(beside), outside, log, dated)


def _spike(real: Floats) -> float | None:
    """A value that very many rows have, where the others are many: drawn beside the rest, which it would flatten."""
    values, counts = np.unique(real, return_counts=True)
    top = int(np.argmax(counts))
    often = counts[top] / len(real) > _SPIKE
    return float(values[top]) if len(values) == 1 or (often and len(values) > 10) else None


def _edges(real: Floats, dated: bool) -> tuple[Floats, bool]:
    """Edges of the bins at round numbers; logarithmic for positive numbers of a long tail."""
    tail = max(LEAST, math.ceil(_TAIL * len(real)))
    low, high = float(real[tail - 1]), float(real[-tail])
    if high <= low:
        low, high = min(low, high), max(low, high)
        low, high = (low, high) if high > low else (low, low + (abs(low) * 1e-3 or 1.0))
    bins = min(_BINS, max(8, round(3 * len(real) ** (1 / 3))))
    whole = bool((real == np.round(real)).all()) and not dated
    if low > 0 and not dated and high / low > 100 and high / float(np.median(real)) > 10:
        step = nice((math.log10(high) - math.log10(low)) / bins)
        return 10.0 ** _grid(math.log10(low), math.log10(high), step), True
    step = nice((high - low) / bins)
    if whole:
        step = max(1.0, math.ceil(step))
    edges = _grid(low, high, step)
    return (edges - 0.5 if whole and step == 1 else edges), False


def _grid(low: float, high: float, step: float) -> Floats:
    if max(abs(low), abs(high)) / step > 1e12:  # floats know no round numbers there
        return np.linspace(low, np.nextafter(high, math.inf), 3)
    start, end = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9) + 1
    return np.arange(start, end + 1, dtype=np.float64) * step


def _count(values: Floats, edges: Floats) -> NDArray[np.int64]:
    at = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(at[(at >= 0) & (at < len(edges) - 1)], minlength=len(edges) - 1)


def _merged(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the edges to keep, so that every bin has no real row, or five and more."""
    keep, held = [0], 0
    for k, count in enumerate(counts.tolist()):
        if held == 0 and count == 0:
            if keep[-1] != k:
                keep.append(k)
            continue
        if held == 0 and keep[-1] != k:
            keep.append(k)
        held += count
        if held >= LEAST:
            keep.append(k + 1)
            held = 0
    if held:  # a rest of one to four rows goes to the last bin that has rows
        keep = [edge for edge in keep if counts[edge:].sum() >= LEAST]
    if keep[-1] != len(counts):
        keep.append(len(counts))
    return np.array(keep)
