"""Confidence intervals of figures that compare the counts of two tables: the delete-a-group jackknife.

Each table's rows are dealt into 20 groups at random. The figure is computed again with one group left out, for each
group of each table; the spread of these values estimates the figure's variance over repeated draws of both tables
(Kott, 2001; Efron & Tibshirani, 1993, chapter 11). Counts are additive, so this costs little more than the figure.
Where the true distance is nearly zero, distances are not smooth, and the interval is wider than it had to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

__all__ = ["Estimate", "Floats", "Ints", "Stat", "compare", "counts", "deal", "share"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Of counts (..., cells) of the first table and (..., cells) of the second: the figure (...).
Stat = Callable[[Floats, Floats], Floats]

GROUPS = 20
_CELLS = 100_000  # joint cells beyond this are coded anew, by those that occur


@dataclass(frozen=True)
class Estimate:
    """A figure, and its values with one group of rows left out.

    Attributes:
        value: the figure on all rows.
        first, second: ``(groups,)`` values without one group of the first (the second) table; empty: not computed.
    """

    value: float
    first: Floats
    second: Floats

    @classmethod
    def exact(cls, value: float, like: Sequence[Ints] = ()) -> Estimate:
        """A figure that does not vary; ``like``: the groups of the two tables."""
        sizes = [int(g.max()) + 1 for g in like] or [0, 0]
        return cls(value, np.full(sizes[0], value), np.full(sizes[1], value))

    @classmethod
    def mean(cls, estimates: Sequence[Estimate]) -> Estimate:
        """The estimate of the mean; all have the same groups."""
        first, second = (np.mean([getattr(e, side) for e in estimates], axis=0) for side in ("first", "second"))
        return cls(float(np.mean([e.value for e in estimates])), first, second)

    def map(self, function: Callable[[Floats], Floats]) -> Estimate:
        """The estimate of a function of the figure."""
        value = float(function(np.array([self.value]))[0])
        return Estimate(value, function(self.first), function(self.second))

    @property
    def variance(self) -> float:
        """Over repeated draws of both tables."""
        sides = (self.first, self.second)
        return sum((len(x) - 1) / len(x) * float(((x - x.mean()) ** 2).sum()) for x in sides if len(x))

    def interval(
        self, bounds: tuple[float, float], *, least: float = 0.0, share: float = 1.0
    ) -> tuple[float, float] | None:
        """95 % confidence interval, cut at the bounds; ``None`` where a table has fewer than 5 groups.

        ``least``: a variance that is known to be there; ``share``: of the variance found, that which is true.
        """
        if min(len(self.first), len(self.second)) < 5:
            return None
        freedom = len(self.first) + len(self.second) - 2
        reach = float(student.ppf(0.975, freedom) * np.sqrt(max(self.variance * share, least)))
        return max(bounds[0], self.value - reach), min(bounds[1], self.value + reach)


def deal(rows: int, rng: np.random.Generator) -> Ints:
    """``(rows,)`` group of each row, of equal sizes but for one row."""
    return rng.permutation(rows).astype(np.int64) % min(GROUPS, rows)


def counts(codes: Ints, size: int, groups: Ints | None, many: int | None = None) -> Floats:
    """``(1 + groups, size)``: how many rows have each code, in all rows, and with one group left out.

    ``many``: groups, where some may have no row here.
    """
    if groups is None:
        return np.bincount(codes, minlength=size)[None].astype(np.float64)
    n = int(groups.max()) + 1 if many is None else many
    each = np.bincount(groups * size + codes, minlength=n * size).reshape(n, size)
    total = each.sum(axis=0, keepdims=True)
    return np.concatenate([total, total - each]).astype(np.float64)


def compare(a: Ints, b: Ints, size: int, groups: Sequence[Ints | None], *stats: Stat) -> list[Estimate]:
    """Figures of the counts of two tables' codes in ``[0, size)``.

    Args:
        a, b: ``(rows,)`` codes of the first and the second table.
        size: how many codes there may be.
        groups: of the rows of each table, from :func:`deal`; ``None``: no jackknife.
        stats: the figures.
    """
    if size > _CELLS:
        joined, levels = pd.factorize(np.concatenate([a, b]), sort=True)
        a, b, size = joined[: len(a)].astype(np.int64), joined[len(a) :].astype(np.int64), len(levels)
    first, second = counts(a, size, groups[0]), counts(b, size, groups[1])
    out = []
    for stat in stats:
        left = stat(first, second[0])
        out.append(Estimate(float(left[0]), left[1:], stat(first[0], second[1:])))
    return out


def share(count: Floats) -> Floats:
    """Counts as shares of their sum; 0 where there is none."""
    return count / np.maximum(count.sum(axis=-1, keepdims=True), 1.0)
