"""Whole rows as points: do synthetic rows lie where real ones do, and do they reach all of them?

Rows are points of one documented encoding, without a learnt embedding: a number or date is its share of smaller real
cells (0 to 1), a category 0/1 features of its 30 most frequent levels, weighed so that two levels are 1 apart; so is a
value from a null, about. Distances are Euclidean. Tables are cut to equally many rows: all figures here depend on it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.encoding import Encoded, encode
from synthkit.metrics.jackknife import Estimate, Floats, Ints, deal
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = [
    "AlphaPrecision",
    "BetaRecall",
    "Density",
    "NeighbourCoverage",
    "OfPoints",
    "alpha_precision",
    "beta_recall",
    "density",
    "neighbour_coverage",
    "points_from",
    "points_of",
]

_K = 5  # neighbours that define a real row's ball
_NEAR = 1e-4  # squared distances are in single precision
_BLOCK = 1000
_ROWS = 10_000
_LEAST = _K + 2


# -------------------------------------------------------------------- public functions
def alpha_precision(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = _ROWS
) -> float:
    """Are synthetic rows as typical as real ones? 1 is best, 0 worst.

    Integrated alpha-precision (Alaa et al., 2022): ``P(a)`` is the share of synthetic rows in the ball around the
    real rows' centre that holds a share ``a`` of the real rows; the score is 1 less twice the area between ``P`` and
    the diagonal. Rows too far out *and* rows too near the centre lower it. The encoding is that of this module
    (the paper embeds rows by a network; common code uses 0/1 levels and numbers scaled to their extremes).

    Args:
        real, synthetic: the two tables; the longer one is subsampled.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        seed: of the subsample.
        rows: at most so many rows of each table are used.

    Raises:
        SchemaError: fewer than 7 rows in a table; or the tables do not fit the kinds.

    >>> table = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0) ** 2})
    >>> alpha_precision(table, table)
    1.0
    """
    return _typical(points_from("alpha_precision", real, synthetic, kinds, seed, rows), None).value


def beta_recall(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = _ROWS
) -> float:
    """Do synthetic rows reach all real ones? 1 is best, 0 worst.

    Integrated beta-recall (Alaa et al., 2022): ``R(b)`` is the share of real rows whose nearest synthetic row lies
    within the distance of their 5th nearest real row, and among the share ``b`` of synthetic rows that are nearest to
    those rows' centre; the score is 1 less twice the area between ``R`` and the diagonal. (Common code takes the
    nearest real row instead of the 5th, where even a perfect table has about 0.5.) Copies score best.

    Args, Raises: see :func:`alpha_precision`.

    >>> table = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0) ** 2})
    >>> beta_recall(table, table.head(10).sample(50, replace=True, random_state=0)) < 0.5
    True
    """
    return _reached(_near(points_from("beta_recall", real, synthetic, kinds, seed, rows)), None).value


def density(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = _ROWS
) -> float:
    """How many real neighbourhoods a synthetic row lies in, by its expectation: 1 is best, 0 worst, no upper end.

    Density (Naeem et al., 2020), 5 neighbours. Above 1, synthetic rows crowd where real ones are dense.

    Args, Raises: see :func:`alpha_precision`.

    >>> table = pd.DataFrame({"x": np.arange(50.0)})
    >>> density(table, table + 1000) < 0.3
    True
    """
    return float(_near(points_from("density", real, synthetic, kinds, seed, rows)).held.mean() / _K)


def neighbour_coverage(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = _ROWS
) -> float:
    """Share of real rows with a synthetic one as near as their 5th nearest real row: 1 is best, 0 worst.

    Coverage (Naeem et al., 2020). A perfect table of as many rows has about 0.97.

    Args, Raises: see :func:`alpha_precision`.

    >>> table = pd.DataFrame({"x": np.arange(50.0)})
    >>> neighbour_coverage(table, table)
    1.0
    """
    return float(_near(points_from("neighbour_coverage", real, synthetic, kinds, seed, rows)).covered.mean())


def points_from(
    caller: str, real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds | None, seed: int, rows: int
) -> Encoded:
    """The points of two DataFrames; ``caller`` is named in errors."""
    a, b = code_tables(real, synthetic, kinds=kinds)
    if min(len(a), len(b)) < _LEAST:
        raise SchemaError(f"{caller}: neighbours need at least {_LEAST} rows in each table.")
    return points_of(a, b, rows, np.random.default_rng(seed))


def points_of(a: Coded, b: Coded, rows: int, rng: np.random.Generator) -> Encoded:
    """Equally many rows of both tables as points."""
    size = min(len(a), len(b), rows)
    a, b = (t if len(t) == size else t.take(np.sort(rng.permutation(len(t))[:size])) for t in (a, b))
    code = encode(a, b, ranks=True)
    flag = np.isin(code.real, (0.0, 1.0)).all(axis=0) & np.isin(code.synthetic, (0.0, 1.0)).all(axis=0)
    weight = np.where(flag & (np.bincount(code.owner)[code.owner] > 1), np.sqrt(0.5), 1.0)
    return Encoded(code.real * weight, code.synthetic * weight, code.owner)


# -------------------------------------------------------------------- cores
Groups = tuple[Ints, Ints] | None


def _typical(points: Encoded, groups: Groups) -> Estimate:
    """See :func:`alpha_precision`; the centre stays as it is when groups are left out."""
    centre = points.real.mean(axis=0)
    real, synthetic = (np.linalg.norm(x - centre, axis=1).round(9) for x in (points.real, points.synthetic))

    def score(r: Ints, s: Ints) -> float:
        return 1 - 2 * _from_diagonal(_spread(*_places(np.sort(real[r]), synthetic[s])))

    return _left_out(score, (len(real), len(synthetic)), groups)


def _places(ordered: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Shares of the ordered values that are smaller than each value, and not larger."""
    low, high = (np.searchsorted(ordered, values, side) / len(ordered) for side in ("left", "right"))
    return low, high


def _spread(low: Floats, high: Floats) -> Floats:
    """A point for each interval; equal intervals share theirs evenly, so that ties are as good as no ties."""
    order = np.lexsort((high, low))
    low, high = low[order], high[order]
    new = np.flatnonzero(np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])])
    count = np.diff(np.r_[new, len(low)])
    nth = np.arange(len(low)) - np.repeat(new, count)
    return low + (high - low) * (nth + 0.5) / np.repeat(count, count)


def _from_diagonal(u: Floats) -> float:
    """Area between the distribution function of ``u``, in [0, 1], and the diagonal: their Wasserstein-1 distance."""
    n = len(u)
    ends = np.linspace(0, 1, n + 1)
    low, high, x = ends[:-1], ends[1:], np.sort(u)
    inside = np.clip(x, low, high)
    parts = (inside - low) * (x - (low + inside) / 2) + (high - inside) * ((inside + high) / 2 - x)
    # n points are 1 / (4 n) away from the diagonal at best
    return max(0.0, float(parts.sum()) - 1 / (4 * n))


def _left_out(figure: Callable[[Ints, Ints], float], sizes: tuple[int, int], groups: Groups) -> Estimate:
    """The figure of two sets of row numbers: all, and with one group of either side left out."""
    every = [np.arange(size) for size in sizes]
    value = figure(every[0], every[1])
    if groups is None:
        return Estimate.exact(value)
    first = [figure(np.flatnonzero(groups[0] != g), every[1]) for g in range(int(groups[0].max()) + 1)]
    second = [figure(every[0], np.flatnonzero(groups[1] != g)) for g in range(int(groups[1].max()) + 1)]
    return Estimate(value, np.array(first), np.array(second))


@dataclass(frozen=True)
class _Near:
    """Neighbours of rows.

    Attributes:
        covered: ``(rows,)`` has the real row a synthetic one within the distance of its 5th real neighbour?
        low, high: ``(rows,)`` shares of synthetic rows nearer to their centre than that nearest one, and as near.
        held: ``(rows,)`` in how many real rows' balls a synthetic row lies; holds: how many a real row's ball holds.
    """

    covered: NDArray[np.bool_]
    low: Floats
    high: Floats
    held: Floats
    holds: Floats


def _near(points: Encoded) -> _Near:
    """Exact neighbours, in blocks."""
    real, synthetic = (x.astype(np.float32) for x in (points.real, points.synthetic))
    out = points.synthetic - points.synthetic.mean(axis=0)
    far = np.linalg.norm(out, axis=1).round(9)
    places = np.stack(_places(np.sort(far), far))
    n = len(real)
    norm_r, norm_s = ((x * x).sum(axis=1) for x in (real, synthetic))
    covered, where = np.empty(n, bool), np.empty((2, n))
    held, holds = np.zeros(len(synthetic)), np.empty(n)
    for start in range(0, n, _BLOCK):
        block = slice(start, min(start + _BLOCK, n))
        rows = np.arange(block.start, block.stop)
        own = norm_r[block, None] + norm_r - 2 * (real[block] @ real.T)
        own[np.arange(len(rows)), rows] = np.inf
        radius = np.partition(own, _K - 1, axis=1)[:, _K - 1]
        other = norm_r[block, None] + norm_s - 2 * (real[block] @ synthetic.T)
        nearest = other.argmin(axis=1)
        within = other <= np.maximum(radius, 0)[:, None] + _NEAR
        covered[block] = within[np.arange(len(rows)), nearest]
        where[:, block] = places[:, nearest]
        holds[block] = within.sum(axis=1)
        held += within.sum(axis=0)
    return _Near(covered, where[0], where[1], held, holds)


def _reached(near: _Near, groups: Ints | None) -> Estimate:
    """See :func:`beta_recall`; groups of real rows, judged as they stand, are left out."""
    low, high = (np.where(near.covered, x, 1.0) for x in (near.low, near.high))  # not covered at any b < 1

    def score(rows: Ints) -> float:
        return 1 - 2 * _from_diagonal(_spread(low[rows], high[rows]))

    value = score(np.arange(len(low)))
    if groups is None:
        return Estimate.exact(value)
    left = np.array([score(np.flatnonzero(groups != g)) for g in range(int(groups.max()) + 1)])
    # the synthetic rows' share of the variance is about as large: the two tables have the same number of rows
    return Estimate(value, left, left)


# -------------------------------------------------------------------- metrics
class OfPoints(Metric):
    """A figure of whole rows as points."""

    group = "fidelity"
    goal = "higher"
    best = 1.0

    @staticmethod
    @abstractmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        """The estimate; the groups are those of the points' rows."""

    def measure(self, case: Case) -> Measurement:
        if min(len(case.judge), len(case.synthetic)) < _LEAST:
            return Measurement.nothing(f"too few rows for neighbours: {_LEAST} in each table are needed")
        points = _points_of_case(case)
        rng, rows = case.rng, len(points.real)
        found = self.find(case, points, (deal(rows, rng), deal(rows, rng)))
        return Measurement(found.value, found.interval(self.bounds), note=f"on {rows} rows of each table")


def _points_of_case(case: Case) -> Encoded:
    limit = case.limit(2000, 5000, 15_000)
    return case.once("points", lambda: points_of(case.judge.coded, case.synthetic.coded, limit, case.rng))


def _near_of(case: Case, points: Encoded) -> _Near:
    return case.once("near", lambda: _near(points))


class AlphaPrecision(OfPoints):
    """:func:`alpha_precision` as a metric."""

    name = "alpha_precision"
    label = "Rows as typical as real ones (alpha-precision)"
    reading = "Synthetic rows are as typical as real ones by {value}"
    definition = (
        "Integrated alpha-precision (Alaa et al., 2022): 1 less twice the area between the diagonal and the share of "
        "synthetic rows in the ball that holds a share alpha of the real ones."
    )

    @staticmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        return _typical(points, groups)


class BetaRecall(OfPoints):
    """:func:`beta_recall` as a metric."""

    name = "beta_recall"
    label = "Real rows that are reached (beta-recall)"
    culprit = "independent"
    reading = "Real rows are reached by synthetic ones by {value}"
    definition = (
        "Integrated beta-recall (Alaa et al., 2022), 5 neighbours: 1 less twice the area between the diagonal and the "
        "share of real rows near to a synthetic row among the share beta of the most central ones."
    )

    @staticmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        return _reached(_near_of(case, points), groups[0])


class NeighbourCoverage(OfPoints):
    """:func:`neighbour_coverage` as a metric."""

    name = "neighbour_coverage"
    label = "Real rows with a synthetic neighbour"
    culprit = "independent"
    level = "default"
    reading = "A share of {value} of the real rows has a synthetic row in its neighbourhood"
    definition = "Share of real rows with a synthetic row as near as their 5th nearest real row (Naeem et al., 2020)."

    @staticmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        return _of_rows(_near_of(case, points).covered.astype(float), None, groups)


class Density(OfPoints):
    """:func:`density` as a metric."""

    name = "density"
    label = "Real neighbourhoods that a synthetic row lies in"
    culprit = "independent"
    bounds = (0.0, float("inf"))
    level = "default"
    reading = "A synthetic row lies in {value} times as many real neighbourhoods as a real one should"
    definition = (
        "Mean number of real rows' balls (to their 5th neighbour) that a synthetic row lies in, divided by 5 (Naeem et "
        "al., 2020)."
    )

    @staticmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        near = _near_of(case, points)
        return _of_rows(near.holds / _K, near.held / _K, groups)


def _of_rows(real: Floats, synthetic: Floats | None, groups: tuple[Ints, Ints]) -> Estimate:
    """A mean over real rows, which is one over synthetic rows too."""
    means = []
    for values, dealt in zip((real, real if synthetic is None else synthetic), groups, strict=True):
        count = np.bincount(dealt)
        total = np.bincount(dealt, values)
        means.append((total.sum() - total) / (count.sum() - count))
    return Estimate(float(real.mean()), means[0], means[1])
