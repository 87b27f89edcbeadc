"""Numbers <-> normal scores, by a smooth and protected law of the numbers.

A level that stays in its range is modelled as a normal score: whatever a model does with scores, the number that comes
back is in the learnt support or in a fitted tail. Knots are means of some rows at about equal steps of the score (few,
so that the map is smooth); a value that very many rows have is a *spike*, a flat stretch of the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from synthkit.series.far import extremes_of
from synthkit.transforms.tails import gpd_cdf, gpd_quantile, tail_law

__all__ = ["ScoreLaw"]

Floats = NDArray[np.float64]
_KNOTS = 33
_DISCRETE = 60  # a column of no more values than this is all spikes
_SPIKE = 0.01
_HEAVY = 0.05  # of all rows: a spike in any case, and no usual value
_STANDS_OUT = 8.0  # a spike has so many times the rows of a usual value
_LIMIT = 5.0


@dataclass(frozen=True, eq=False)
class ScoreLaw:
    """A monotone map.

    Attributes:
        score, value: ``(K,)`` knots, non-decreasing both; equal values at two scores are a spike.
        tail: ``(2, 2)`` shape and scale of a generalised Pareto law below the first and above the last knot.
        limit: ``(2,)`` the lowest and the highest value that comes back.
    """

    score: Floats
    value: Floats
    tail: Floats
    limit: Floats

    @classmethod
    def fit(
        cls, x: Floats, *, min_count: int = 5, bounds: tuple[float, float] = (-np.inf, np.inf), reach: float = 1.3
    ) -> ScoreLaw:
        """Learn ``(T,)`` finite numbers.

        Args:
            min_count: rows behind a knot or a spike; as many outermost ones tell no value. 1: the extremes are told.
            bounds: what no value may pass; reach: how far beyond the outermost knots tails go, in
                distances from the knot to the extreme number (of the fitted tail).
        """
        values, counts = np.unique(x, return_counts=True)
        discrete = len(values) <= _DISCRETE
        heavy = counts >= _HEAVY * len(x)
        usual = np.median(np.repeat(counts[~heavy], counts[~heavy])) if not heavy.all() else 0.0
        often = counts >= np.maximum(_SPIKE * len(x), _STANDS_OUT * usual)
        spike = np.full(len(values), True) if discrete else heavy | often
        spike &= counts >= min_count
        if discrete and spike.any():
            return cls._stairs(values, counts, values[spike])
        score, value = _knots(values, counts, spike, len(x), min_count)
        if len(value) < 2:  # all rows are scattered between knots
            enough = counts >= min_count
            return cls._stairs(values, counts, values[enough] if enough.any() else _means(x, min_count))
        tail = np.zeros((2, 2))
        limit = np.array([value[0], value[-1]])
        ends, ordered = extremes_of(x, min_count), np.sort(x)
        for side, sign in ((0, -1.0), (1, 1.0)):
            knot = value[0] if side == 0 else value[-1]
            beyond = sign * (values - knot) > 0
            if beyond.any() and counts[beyond].sum() >= min_count:
                v, c = (values, counts) if side else (-values[::-1], counts[::-1])
                few = max(min(min_count, len(x) // 12), 1)
                last = None if min_count <= 1 else sign * float(ordered[-few] if side else ordered[few - 1])
                tail[side] = tail_law(v, c.astype(float), sign * knot, min_count, last)
                limit[side] = knot + reach * sign * max(sign * (ends[side] - knot), 0.0)
        limit = np.clip(limit, *bounds)
        return cls(score, value, tail, limit)

    @classmethod
    def _stairs(cls, values: Floats, counts: NDArray[np.int64], kept: Floats) -> ScoreLaw:
        """A law of spikes ``kept`` alone; rare values join the nearest one."""
        joined = kept[np.abs(values[:, None] - kept).argmin(1)]
        counts = np.array([counts[joined == v].sum() for v in kept])
        edge = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
        score = np.stack([_ndtri(edge[:-1]), _ndtri(edge[1:])], 1).ravel()
        return cls(score, np.repeat(kept, 2), np.zeros((2, 2)), np.array([kept[0], kept[-1]]))

    def scores(self, x: Floats, rng: np.random.Generator) -> Floats:
        """``x.shape`` scores; of a spike's stretch any place with equal chance."""
        low = np.searchsorted(self.value, x, side="left")
        high = np.searchsorted(self.value, x, side="right")
        last = len(self.value) - 1
        flat = high - low >= 2
        a, b = self.score[np.minimum(low, last)], self.score[np.clip(high - 1, 0, last)]
        between = np.interp(x, self.value, self.score)
        mixed = ndtri(np.clip(ndtr(a) + rng.random(np.shape(x)) * (ndtr(b) - ndtr(a)), 1e-7, 1 - 1e-7))
        out = np.where(flat, mixed, between)
        for side, at in ((0, x < self.value[0]), (1, x > self.value[-1])):
            if at.any() and self.tail[side, 1] > 0:
                sign, knot, edge = (
                    (1.0, self.value[-1], self.score[-1]) if side else (-1.0, self.value[0], self.score[0])
                )
                p = gpd_cdf(np.abs(x[at] - knot), *self.tail[side])
                out[at] = sign * -ndtri(np.clip(ndtr(-sign * edge) * (1 - p), 1e-7, 0.5))
        return np.clip(out, -_LIMIT, _LIMIT)

    def values(self, s: Floats) -> Floats:
        """``s.shape`` values."""
        out = np.interp(s, self.score, self.value)
        for side, at in ((0, s < self.score[0]), (1, s > self.score[-1])):
            if at.any() and self.tail[side, 1] > 0:
                sign, knot, edge = (
                    (1.0, self.value[-1], self.score[-1]) if side else (-1.0, self.value[0], self.score[0])
                )
                p = 1 - ndtr(-sign * s[at]) / ndtr(-sign * edge)
                out[at] = knot + sign * gpd_quantile(np.clip(p, 0, 1 - 1e-9), *self.tail[side])
        return np.clip(out, *self.limit)

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Arrays."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]]) -> ScoreLaw:
        return cls(**{f.name: np.asarray(arrays[f.name]) for f in fields(cls)})


def _ndtri(u: Floats) -> Floats:
    return np.clip(ndtri(np.clip(u, 1e-9, 1 - 1e-9)), -_LIMIT, _LIMIT)


def _means(x: Floats, min_count: int) -> Floats:
    """``(K,)`` means of a few groups of neighbours, of at least ``min_count`` rows each."""
    groups = np.array_split(np.sort(x), max(min(len(x) // max(min_count, 1), _KNOTS), 1))
    return np.unique([g.mean() for g in groups])


def _knots(
    values: Floats, counts: NDArray[np.int64], spike: NDArray[np.bool_], rows: int, min_count: int
) -> tuple[Floats, Floats]:
    """Scores and values of the knots: means of at least ``min_count`` rows, and both ends of every spike."""
    top = np.cumsum(counts) / rows
    bottom = top - counts / rows
    edge = min(max(4 * min_count / rows, 0.004), 0.1)
    levels = ndtr(np.linspace(float(ndtri(edge)), float(ndtri(1 - edge)), _KNOTS))
    half = max((min_count + 1) / 2 / rows, 0.001) if min_count > 1 else max(0.5 / rows, 0.001)
    middle = (top + bottom) / 2
    score, value = [], []
    for level in levels:
        inside = (middle >= level - half) & (middle <= level + half) & ~spike
        covered = spike & (bottom < level) & (top > level)
        if counts[inside].sum() >= min_count and not covered.any():
            weight = counts[inside]
            score.append(float(np.average(ndtri(middle[inside]), weights=weight)))
            value.append(float(np.average(values[inside], weights=weight)))
    for k in np.flatnonzero(spike):
        score += [float(_ndtri(bottom[k : k + 1])[0]), float(_ndtri(top[k : k + 1])[0])]
        value += [float(values[k])] * 2
    order = np.lexsort((score, value))
    s, v = np.array(score)[order], np.array(value)[order]
    return np.maximum.accumulate(s), v
