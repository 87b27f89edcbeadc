"""Tables as cells and as features: what metrics of distributions, and classifiers, see of a table."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.tables import Coded

__all__ = ["Grid", "binned", "categorical_mask", "edges_of", "features", "grid", "without_empty"]

_BINS = 10
_TOP_LEVELS = 200


def features(table: Coded, top: int = _TOP_LEVELS) -> NDArray[np.float64]:
    """``(rows, n_num + n_cat)`` for boosting: null is NaN, levels beyond the ``top`` most frequent share one code."""
    codes = np.where(table.codes < 0, np.nan, np.minimum(table.codes, top))
    return np.concatenate([table.numbers, codes], axis=1)


def without_empty(fit: NDArray[np.float64], *others: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The tables with 0 in the columns that are all null in ``fit``: boosting has no bins for those."""
    empty = np.isnan(fit).all(axis=0)
    return [np.where(empty, 0.0, x) for x in (fit, *others)]


def categorical_mask(table: Coded) -> NDArray[np.bool_]:
    """Which columns of :func:`features` are categories."""
    return np.arange(len(table.num) + len(table.cat)) >= len(table.num)


def binned(a: Coded, b: Coded, bins: Literal["real", "own"]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numeric columns as codes in [0, 12): bins of equal width, see ``pair_error``."""
    out_a, out_b = np.empty(a.numbers.shape, np.int64), np.empty(b.numbers.shape, np.int64)
    for j in range(len(a.num)):
        x, y = a.numbers[:, j], b.numbers[:, j]
        edges = np.histogram_bin_edges(x[~np.isnan(x)], bins=_BINS)
        if bins == "real":
            for out, values in ((out_a, x), (out_b, y)):  # inner edges only: outside values join the end bins
                out[:, j] = np.where(np.isnan(values), _BINS + 1, np.digitize(values, edges[1:-1]))
        else:  # SDMetrics: the maximum, and null with it, has code 11
            out_a[:, j] = np.digitize(x, edges)
            out_b[:, j] = np.digitize(y, np.histogram_bin_edges(y[~np.isnan(y)], bins=_BINS))
    return out_a, out_b


@dataclass(frozen=True)
class Grid:
    """Two tables cut into the same cells, column by column.

    Attributes:
        real, synthetic: int64 ``(rows, columns)``; 0 is null.
        sizes: codes per column, null counted.
        names: the columns: numbers and dates first.
        edges: per column the upper ends of its bins but the last; ``None`` of a categorical one, whose codes are those
            of its table plus 1.
    """

    real: NDArray[np.int64]
    synthetic: NDArray[np.int64]
    sizes: tuple[int, ...]
    names: tuple[Hashable, ...]
    edges: tuple[NDArray[np.float64] | None, ...]


def grid(a: Coded, b: Coded, bins: int = _BINS, top: int = _TOP_LEVELS) -> Grid:
    """Cut numbers and dates at the first table's quantiles; levels beyond its ``top`` most frequent become one."""
    edges = [edges_of(a.numbers[:, j], bins) for j in range(len(a.num))]
    sides = []
    for table in (a, b):
        codes = np.empty((len(table), len(a.num) + len(a.cat)), np.int64)
        for j, ends in enumerate(edges):
            x = table.numbers[:, j]
            codes[:, j] = np.where(np.isnan(x), 0, np.searchsorted(ends, x) + 1)
        codes[:, len(a.num) :] = np.minimum(table.codes, top) + 1
        sides.append(codes)
    sizes = [len(e) + 2 for e in edges] + [min(size, top + 1) + 1 for size in a.sizes]
    return Grid(sides[0], sides[1], tuple(sizes), (*a.num, *a.cat), (*edges, *[None] * len(a.cat)))


def edges_of(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Upper ends, each inside its bin, of about ``bins`` bins of equal shares.

    A value as frequent as a bin has a bin of its own. A column of ``bins`` distinct values or fewer has a bin for each.
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return np.empty(0)
    levels, count = np.unique(known, return_counts=True)
    if len(levels) <= bins:
        # half-way, so that what lies between two levels goes to the nearer one
        return levels[:-1] + np.diff(levels) / 2
    ends = known[np.minimum(np.arange(1, bins) * len(known) // bins, len(known) - 1)]
    often = levels[count * bins >= len(known)]
    ends = np.unique(np.concatenate([ends, often, np.nextafter(often, -np.inf)]))
    return ends[ends < levels[-1]]
