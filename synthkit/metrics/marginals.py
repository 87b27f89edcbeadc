"""Distances of the columns' distributions, each column by itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd

from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.cells import grid
from synthkit.metrics.jackknife import Estimate, Floats, Ints, compare, deal, share
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = [
    "JensenShannon",
    "NullRates",
    "ShapeError",
    "Wasserstein",
    "dealt",
    "jensen_shannon",
    "null_rates",
    "shape_error",
    "total_variation",
    "wasserstein",
]

_DECIMALS = 14  # SDMetrics rounds to this many before its KS test
_LARGE = 1e100  # numbers beyond have no decimals, and overflow when they are rounded
_BINS = 20
Groups = Sequence[Ints | None]
_NO_GROUPS: Groups = (None, None)
Core = Callable[[Coded, Coded, Groups], dict[Hashable, Estimate]]
_Figure = Callable[[Floats, Floats, Floats], Floats]


# -------------------------------------------------------------------- public functions
def shape_error(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean distance of the columns' distributions, 0 is best, 1 worst.

    SDMetrics' column shapes, subtracted from 1: the Kolmogorov-Smirnov distance for numbers and dates (nulls
    dropped), the total variation distance for categories. Here null is a category of its own, where SDMetrics drops it.

    Args:
        real, synthetic: the two tables, of any lengths.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.

    Returns:
        The mean over columns, with the distance per column.

    Raises:
        SchemaError: the tables do not fit the kinds; see :func:`synthkit.metrics.tables.code_tables`.

    >>> real = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "a", "b", "b"]})
    >>> shape_error(real, pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})).parts
    {'x': 0.5, 'y': 0.0}
    """
    return _breakdown(shapes, real, synthetic, kinds)


def wasserstein(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean Wasserstein-1 distance of the numeric and date columns, scaled; 0 is best, there is no worst.

    The area between the two cumulative distribution functions, divided by the real column's mean absolute deviation
    from its median: 1 is as far as a column that holds the real median in every row. (That scale is itself a
    Wasserstein-1 distance, is not moved by a few extremes as the standard deviation is, and does not vanish, as the
    interquartile range does, where most cells are 0.) Unlike Kolmogorov and Smirnov's, this distance says how *far*
    values are off. Nulls are dropped; a column with values in one table only, or one that is constant in the
    real table and not the same in the other, counts as 1. Categories have no distances and are left out.

    Returns:
        The mean over columns (NaN where no column is numeric), with the distance per column.

    Raises:
        SchemaError: see :func:`shape_error`.

    >>> real = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    >>> wasserstein(real, real + 2).value
    2.0
    """
    return _breakdown(transports, real, synthetic, kinds)


def jensen_shannon(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean Jensen-Shannon distance of the columns: 0 is best, 1 worst.

    The square root of the divergence to base 2 (Lin, 1991; Endres & Schindelin, 2003), on the levels of a category,
    and on about 20 bins of a number at the real table's quantiles, where a value as frequent as a bin has one of its
    own. Null is a cell like any other. Cells that one table lacks weigh more here than in the total variation.

    Returns:
        The mean over columns, with the distance per column.

    Raises:
        SchemaError: see :func:`shape_error`.

    >>> real = pd.DataFrame({"y": ["a", "a", "b", "b"]})
    >>> jensen_shannon(real, real).value, jensen_shannon(real, pd.DataFrame({"y": ["c"]})).value
    (0.0, 1.0)
    """
    return _breakdown(divergences, real, synthetic, kinds)


def null_rates(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean absolute difference of the shares of empty cells, over the columns with nulls in either table; 0 is best.

    Returns:
        The mean (0 where no table has nulls), with the difference per column, of all columns.

    Raises:
        SchemaError: see :func:`shape_error`.

    >>> real = pd.DataFrame({"x": [1.0, None], "y": [1.0, 2.0]})
    >>> null_rates(real, real.fillna(0.0))
    Breakdown(value=0.5, parts={'x': 0.5, 'y': 0.0})
    """
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = gaps(a, b, _NO_GROUPS)
    parts = {name: found[name].value for name in kinds}
    return Breakdown(_mean_of_gaps(a, b, found).value, parts)


def _breakdown(core: Core, real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds | None) -> Breakdown:
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = core(a, b, _NO_GROUPS)
    return Breakdown.mean({name: found[name].value for name in kinds if name in found})


# -------------------------------------------------------------------- cores, by column
def shapes(a: Coded, b: Coded, groups: Groups) -> dict[Hashable, Estimate]:
    """Kolmogorov-Smirnov of numbers, total variation of categories."""
    found = {}
    for j, name in enumerate(a.num):
        found[name] = _of_values(_rounded(a.numbers[:, j]), _rounded(b.numbers[:, j]), groups, kolmogorov)
    for j, name in enumerate(a.cat):
        (found[name],) = compare(a.codes[:, j] + 1, b.codes[:, j] + 1, a.sizes[j] + 1, groups, total_variation)
    return found


def _rounded(x: Floats) -> Floats:
    return np.where(np.abs(x) < _LARGE, np.where(np.abs(x) < _LARGE, x, 0).round(_DECIMALS), x)


def transports(a: Coded, b: Coded, groups: Groups) -> dict[Hashable, Estimate]:
    """Scaled Wasserstein-1 of numbers and dates."""
    return {name: _of_values(a.numbers[:, j], b.numbers[:, j], groups, _transport) for j, name in enumerate(a.num)}


def divergences(a: Coded, b: Coded, groups: Groups) -> dict[Hashable, Estimate]:
    """Jensen-Shannon distance on shared bins."""
    cut = grid(a, b, _BINS, top=10**9)
    found = {}
    for j, name in enumerate(cut.names):
        (found[name],) = compare(cut.real[:, j], cut.synthetic[:, j], cut.sizes[j], groups, jensen)
    return found


def gaps(a: Coded, b: Coded, groups: Groups) -> dict[Hashable, Estimate]:
    """Difference of the shares of null."""
    empty = [np.concatenate([np.isnan(t.numbers), t.codes < 0], axis=1).astype(np.int64) for t in (a, b)]
    return {
        name: compare(empty[0][:, j], empty[1][:, j], 2, groups, total_variation)[0]
        for j, name in enumerate((*a.num, *a.cat))
    }


def _of_values(x: Floats, y: Floats, groups: Groups, figure: _Figure) -> Estimate:
    """A figure of the counts of the sorted distinct values; nulls are dropped."""
    keep_x, keep_y = ~np.isnan(x), ~np.isnan(y)
    like = [g for g in groups if g is not None]
    if not keep_x.any() or not keep_y.any():  # no values on both sides are alike, on one side not at all
        return Estimate.exact(float(keep_x.any() != keep_y.any()), like)
    levels, codes = np.unique(np.concatenate([x[keep_x], y[keep_y]]), return_inverse=True)
    codes = codes.astype(np.int64)
    kept: Groups = [None if g is None else g[k] for g, k in zip(groups, (keep_x, keep_y), strict=True)]
    count = int(keep_x.sum())
    (found,) = compare(codes[:count], codes[count:], len(levels), kept, lambda p, q: figure(p, q, levels))
    return _padded(found, groups)


def _padded(found: Estimate, groups: Groups) -> Estimate:
    """Groups of rows that hold no value of the column move nothing when they are left out."""
    sides = []
    for values, dealt in zip((found.first, found.second), groups, strict=True):
        wanted = 0 if dealt is None else int(dealt.max()) + 1
        sides.append(np.concatenate([values, np.full(wanted - len(values), found.value)]))
    return Estimate(found.value, sides[0], sides[1])


# -------------------------------------------------------------------- figures of counts
def total_variation(p: Floats, q: Floats) -> Floats:
    """Half the sum of absolute differences."""
    return np.abs(share(p) - share(q)).sum(axis=-1) / 2


def kolmogorov(p: Floats, q: Floats, levels: Floats) -> Floats:
    """Largest difference of the cumulative shares; the cells are in the order of their values."""
    total_p, total_q = (np.maximum(c.sum(axis=-1, keepdims=True), 1.0) for c in (p, q))
    return np.abs(np.cumsum(p, axis=-1) / total_p - np.cumsum(q, axis=-1) / total_q).max(axis=-1)


def _transport(p: Floats, q: Floats, levels: Floats) -> Floats:
    """Area between the cumulative shares, by the first table's mean absolute deviation from its median."""
    steps = np.diff(levels)
    below_p, below_q = (np.cumsum(share(c), axis=-1) for c in (p, q))
    area = (np.abs(below_p - below_q)[..., :-1] * steps).sum(axis=-1)
    # the deviation from the median is the area on the median's near side: min(F, 1 - F)
    scale = (np.minimum(below_p, 1 - below_p)[..., :-1].clip(0) * steps).sum(axis=-1)
    constant = scale <= 1e-12 * area
    return np.where(constant, (area > 0).astype(float), area / np.where(constant, 1.0, scale))


def jensen(p: Floats, q: Floats) -> Floats:
    """Square root of the Jensen-Shannon divergence to base 2."""
    p, q = np.broadcast_arrays(share(p), share(q))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(x > 0, x * np.log2(x / middle), 0.0) for x in (p, q)]
    return np.sqrt(np.clip((terms[0] + terms[1]).sum(axis=-1) / 2, 0.0, 1.0))


def _mean_of_gaps(a: Coded, b: Coded, found: dict[Hashable, Estimate]) -> Estimate:
    some = [e for name, e in found.items() if _has_null(a, name) or _has_null(b, name)]
    return Estimate.mean(some) if some else next(iter(found.values()))


def _has_null(table: Coded, name: Hashable) -> bool:
    return bool(np.isnan(table.column(name)).any())


# -------------------------------------------------------------------- metrics
class _OfColumns(Metric):
    """A mean over columns, with a jackknife interval."""

    group = "fidelity"
    goal = "lower"
    best = 0.0

    @staticmethod
    @abstractmethod
    def core(a: Coded, b: Coded, groups: Groups) -> dict[Hashable, Estimate]:
        """The estimate per column."""

    def measure(self, case: Case) -> Measurement:
        judge, synthetic, groups = dealt(case)
        found = self.core(judge.coded, synthetic.coded, groups)
        names = [name for name in case.kinds if name in found]
        if not names:
            return Measurement.nothing("no column is numeric or a date")
        mean = self.mean(judge.coded, synthetic.coded, {name: found[name] for name in names})
        parts = {name: found[name].value for name in names}
        return Measurement(mean.value, mean.interval(self.bounds), parts, self.remark(parts))

    def mean(self, a: Coded, b: Coded, found: dict[Hashable, Estimate]) -> Estimate:
        """What the parts come to."""
        return Estimate.mean(list(found.values()))

    def remark(self, parts: dict[Hashable, float]) -> str:
        """The note."""
        worst = max(parts, key=lambda name: parts[name])
        return f"farthest: {worst}" if parts[worst] > 0 else ""


class ShapeError(_OfColumns):
    """:func:`shape_error` as a metric."""

    name = "shape"
    label = "Column distributions (KS, TV)"
    reading = "The columns' distributions differ from the real ones by {value} on average"
    definition = (
        "Mean over columns of the Kolmogorov-Smirnov distance (numbers, dates) or the total variation distance "
        "(categories): SDMetrics' column shapes, subtracted from 1."
    )
    core = staticmethod(shapes)


class Wasserstein(_OfColumns):
    """:func:`wasserstein` as a metric."""

    name = "wasserstein"
    label = "How far numbers are off (Wasserstein-1)"
    bounds = (0.0, float("inf"))
    reading = "Numbers are off by {value} of their scale on average"
    definition = (
        "Mean over numeric and date columns of the Wasserstein-1 distance, divided by the real column's mean absolute "
        "deviation from its median: 1 is as far off as the real median in every row."
    )
    core = staticmethod(transports)


class JensenShannon(_OfColumns):
    """:func:`jensen_shannon` as a metric."""

    name = "jensen_shannon"
    label = "Column distributions (Jensen-Shannon)"
    reading = "The columns' distributions are {value} apart on average (Jensen-Shannon)"
    definition = (
        "Mean over columns of the Jensen-Shannon distance, the square root of the divergence to base 2 (Lin, 1991), on "
        "levels or on 20 bins at real quantiles."
    )
    core = staticmethod(divergences)


class NullRates(_OfColumns):
    """:func:`null_rates` as a metric."""

    name = "null_rates"
    label = "Shares of empty cells"
    reading = "Shares of empty cells are off by {value} on average"
    definition = "Mean absolute difference of the shares of empty cells, over the columns that have any in a table."
    core = staticmethod(gaps)

    def mean(self, a: Coded, b: Coded, found: dict[Hashable, Estimate]) -> Estimate:
        return _mean_of_gaps(a, b, found)

    def remark(self, parts: dict[Hashable, float]) -> str:
        worst = max(parts, key=lambda name: parts[name])
        return f"largest difference {parts[worst]:.3f}: {worst}" if parts[worst] > 0 else ""


def dealt(case: Case) -> tuple[Table, Table, tuple[Ints, Ints]]:
    """Judge and synthetic table, at most as many rows as the level allows, and their rows dealt into groups."""
    rng = case.rng
    limit = case.limit(10_000, 100_000, 400_000)
    judge, synthetic = case.judge.head(limit, rng), case.synthetic.head(limit, rng)
    return judge, synthetic, (deal(len(judge), rng), deal(len(synthetic), rng))
