"""Which levels and ranges of the real columns occur at all: coverage.

It hangs on extremes and on levels that occur once or twice, of which the jackknife alone knows little: leaving out a
group of rows moves nothing unless it holds the extreme. So the interval's variance is the larger of two: the
jackknife's, and one by a model of the tails. Beyond the twenty largest values lies a generalised Pareto tail (Pickands
1975, fitted by probability-weighted moments: Hosking & Wallis 1987), from which other extremes are drawn; levels occur
or not by Poisson's law, of which the numbers of levels seen once and twice tell (Good & Toulmin 1956).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.jackknife import Estimate, Floats, Ints, compare, deal
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = ["Coverage", "coverage", "reach"]

_TAIL = 20  # largest values that tell how the tail goes on
_DRAWS = 300
_SHAPES = (-0.5, 1.0)  # of the tails, in the sign of Hosking & Wallis: from heavy to uniform


# -------------------------------------------------------------------- public function
def coverage(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean share of what the real columns hold that the synthetic ones reach: 1 is best, 0 worst.

    Of a category: the share of its levels that occur. Of a number or date: the share of the range between its
    extremes. A shorter table reaches less, however good it is: compare only tables of the same length.

    Args:
        real, synthetic: the two tables, of any lengths.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.

    Returns:
        The mean over columns that hold a value in the real table, with the share per column.

    Raises:
        SchemaError: the tables do not fit the kinds; see :func:`synthkit.metrics.tables.code_tables`.

    >>> real = pd.DataFrame({"x": [0.0, 10.0], "y": ["a", "b"]})
    >>> coverage(real, pd.DataFrame({"x": [-5.0, 4.0], "y": ["b", "c"]})).parts
    {'x': 0.4, 'y': 0.5}
    """
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = reach(a, b, (None, None))
    return Breakdown.mean({name: found[name].value for name in kinds if name in found})


# -------------------------------------------------------------------- by column
def reach(a: Coded, b: Coded, groups: Sequence[Ints | None]) -> dict[Hashable, Estimate]:
    """Coverage of the columns that have a value in the first table."""
    found = {}
    for j, name in enumerate(a.num):
        if not np.isnan(a.numbers[:, j]).all():
            ends = [_extremes(t.numbers[:, j], g) for t, g in zip((a, b), groups, strict=True)]
            (high, low), (most, least) = ends
            left, right = _spanned(low, high, least[0], most[0]), _spanned(low[0], high[0], least, most)
            found[name] = Estimate(float(left[0]), left[1:], right[1:])
    for j, name in enumerate(a.cat):
        if (a.codes[:, j] >= 0).any():
            (found[name],) = compare(a.codes[:, j] + 1, b.codes[:, j] + 1, a.sizes[j] + 1, groups, _occurring)
    return found


def _extremes(x: Floats, groups: Ints | None) -> tuple[Floats, Floats]:
    """Largest and smallest value, ``(1 + groups,)``: of all rows, and with one group left out; infinite of none."""
    return _largest(x, groups), -_largest(-x, groups)


def _largest(x: Floats, groups: Ints | None) -> Floats:
    x = np.where(np.isnan(x), -np.inf, x)
    if groups is None:
        return x.max(keepdims=True)
    each = np.full(int(groups.max()) + 2, -np.inf)  # one more, so that there always is a second
    np.maximum.at(each, groups, x)
    second, first = np.sort(each)[-2:]
    without = np.full(len(each) - 1, first)
    without[each.argmax()] = second
    return np.concatenate([[first], without])


def _spanned(low: Floats, high: Floats, least: Floats, most: Floats) -> Floats:
    """Share of the range from ``low`` to ``high`` that ``least`` to ``most`` covers; of a single value: is it there?"""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wide = high - low
        share = np.maximum(np.minimum(high, most) - np.maximum(low, least), 0) / wide
    return np.where(wide > 0, np.nan_to_num(share), (least <= low) & (low <= most)).astype(np.float64)


def _occurring(p: Floats, q: Floats) -> Floats:
    """Share of the first table's levels that the second has; cell 0 is null."""
    there = p[..., 1:] > 0
    return (there & (q[..., 1:] > 0)).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


# -------------------------------------------------------------------- by a model of the tails
def _tail_variances(a: Coded, b: Coded, rng: np.random.Generator) -> dict[Hashable, float]:
    """Variance of each column's coverage over draws of both tables."""
    found = {}
    for j, name in enumerate(a.num):
        x, y = (t.numbers[~np.isnan(t.numbers[:, j]), j] for t in (a, b))
        if len(x) and len(y):
            ends = [sign * _drawn_maxima(sign * values, rng) for values in (x, y) for sign in (-1, 1)]
            found[name] = float(_spanned(*ends).var())
    for j, name in enumerate(a.cat):
        p, q = (np.bincount(t.codes[:, j] + 1, minlength=a.sizes[j] + 1)[1:] for t in (a, b))
        there = p > 0
        if there.any():
            also = q[there] > 0
            moved = _once(p[there]) * (also - also.mean()) ** 2, _once(q[there])
            found[name] = float(sum(max(0.0, m.sum()) for m in moved)) / int(there.sum()) ** 2
    return found


def _drawn_maxima(x: Floats, rng: np.random.Generator) -> Floats:
    """Largest values of other draws of as many rows."""
    size = min(_TAIL, len(x) // 5)
    top = np.sort(np.partition(x, -size - 1)[-size - 1 :]) if size > 1 else x[:1]
    beyond = top[1:] - top[0]
    mean = float(beyond.mean()) if len(beyond) else 0.0
    if not 0 < mean < np.inf:
        return np.full(_DRAWS, x.max())
    weighted = float((beyond * (1 - (np.arange(1, size + 1) - 0.35) / size)).mean())
    shape = float(np.clip(mean / (mean - 2 * weighted) - 2, *_SHAPES))
    steps = -np.log1p(-(rng.random(_DRAWS) ** (1 / size)))  # largest of so many exponential values
    grown = steps if abs(shape) < 1e-6 else -np.expm1(-shape * steps) / shape
    return top[0] + mean * (1 + shape) * grown


def _once(counts: Ints) -> Floats:
    """Weights whose sum estimates the variance of the number of levels that occur.

    Of a level with Poisson mean m it is exp(-m) (1 - exp(-m)), the mean of the alternating sum of the indicators of
    counts 1, 2, 3, ...; a series that Euler's transform cuts off at half the second term.
    """
    return np.where(counts == 1, 1.0, np.where(counts == 2, -0.5, 0.0))


# -------------------------------------------------------------------- metric
class Coverage(Metric):
    """:func:`coverage` as a metric."""

    name = "coverage"
    label = "Reach: categories and ranges that occur"
    group = "fidelity"
    goal = "higher"
    best = 1.0
    reading = "A share of {value} of the real categories and ranges occurs"
    definition = (
        "Mean over columns of the share of real levels that occur (categories), or of the range between the real "
        "extremes that is reached (numbers, dates). Grows with the number of rows: compare 'matched' with 'fresh'."
    )

    def measure(self, case: Case) -> Measurement:
        """The mean; the parts are per column."""
        a, b, rng = case.judge.coded, case.synthetic.coded, case.rng
        found = reach(a, b, (deal(len(a), rng), deal(len(b), rng)))
        if not found:
            return Measurement.nothing("the real table has no value in any column")
        mean = Estimate.mean(list(found.values()))
        interval = mean.interval(self.bounds, least=_least(mean, found, _tail_variances(a, b, rng)))
        parts = {name: found[name].value for name in case.kinds if name in found}
        worst = min(parts, key=lambda name: parts[name])
        return Measurement(mean.value, interval, parts, f"least: {worst}" if parts[worst] < 1 else "")


def _least(mean: Estimate, found: dict[Hashable, Estimate], tails: dict[Hashable, float]) -> float:
    """Variance of the mean by the tails; the jackknife tells how much columns go together."""
    apart = sum(estimate.variance for estimate in found.values()) / len(found) ** 2
    together = max(1.0, mean.variance / apart) if apart > 0 else 1.0
    return together * sum(tails.values()) / len(found) ** 2
