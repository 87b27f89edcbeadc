"""A scorecard, as banks build it: columns cut into bins, bins weighed by their evidence, and a logistic regression."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from synthkit.metrics.jackknife import counts
from synthkit.metrics.tables import Coded

__all__ = ["Bins", "Scorecard"]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
_CUTS = 10
_LEVELS = 20


@dataclass(frozen=True)
class Bins:
    """How columns are cut: numbers at deciles, categories into their frequent levels and the rest; null is a bin.

    Attributes:
        names: the columns; sizes: bins per column; starts: of each column among all bins.
        edges: per numeric column.
    """

    names: tuple[Hashable, ...]
    sizes: Codes
    starts: Codes
    edges: tuple[Array, ...]

    @classmethod
    def of(cls, rows: Coded) -> Bins:
        """Cut as these rows ask for."""
        edges = []
        for values in rows.numbers.T:
            known = values[~np.isnan(values)]
            edges.append(np.unique(np.quantile(known, np.arange(1, _CUTS) / _CUTS)) if len(known) else np.empty(0))
        sizes = np.array([len(e) + 2 for e in edges] + [min(size, _LEVELS) + 2 for size in rows.sizes], np.int64)
        return cls((*rows.num, *rows.cat), sizes, np.cumsum(sizes) - sizes, tuple(edges))

    def __call__(self, rows: Coded) -> Codes:
        """``(rows, columns)``: bin numbers among all bins, null first within a column."""
        out = np.empty((len(rows), len(self.names)), np.int64)
        for j, edges in enumerate(self.edges):
            values = rows.numbers[:, j]
            out[:, j] = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="left") + 1)
        for j in range(len(rows.cat)):
            k = len(self.edges) + j
            out[:, k] = np.minimum(rows.codes[:, j] + 1, self.sizes[k] - 1)
        return out + self.starts

    def counts(self, codes: Codes, groups: Codes | None = None, many: int | None = None) -> Array:
        """Rows per bin, over all bins: ``(1, bins)``; with groups of rows (``many`` of them) ``(1 + groups, bins)``.

        See :func:`synthkit.metrics.jackknife.counts`.
        """
        each = None if groups is None else np.repeat(groups, codes.shape[1])
        return counts(codes.ravel(), int(self.sizes.sum()), each, many)

    def divergence(self, first: Array, second: Array) -> Array:
        """``(..., columns)``: sum over bins of (p - q) ln(p / q), the shares p and q by the counts of two tables.

        A bin that is empty in one of them counts as half a row there; one that is empty in both does not count.
        """
        p, q = (self._shares(c) for c in (first, second))
        used = (first > 0) | (second > 0)
        return np.add.reduceat(np.where(used, (p - q) * np.log(p / q), 0.0), self.starts, axis=-1)

    def _shares(self, count: Array) -> Array:
        rows = np.add.reduceat(count, self.starts, axis=-1).max(axis=-1, keepdims=True)
        return np.where(count > 0, count, 0.5) / np.maximum(rows, 1)


@dataclass(frozen=True)
class Scorecard:
    """Weights of evidence, ln(g / b) per bin, and a logistic regression on them. ``None``: one class only was there."""

    bins: Bins
    evidence: Array
    model: Any
    rate: float

    @classmethod
    def fit(cls, rows: Coded, bad: NDArray[np.bool_]) -> Scorecard:
        """``bad``: the class whose probability is wanted."""
        bins = Bins.of(rows)
        codes, rate = bins(rows), float(bad.mean())
        if rate in (0.0, 1.0):
            return cls(bins, np.zeros(int(bins.sizes.sum())), None, rate)
        total, low = (bins.counts(x)[0] for x in (codes, codes[bad]))
        # a share of one row of average badness in every bin keeps the evidence of small bins small
        b = low + rate
        g = total - low + 1 - rate
        evidence = np.log(g / b) - np.log((1 - rate) / rate)
        model = LogisticRegression(max_iter=1_000).fit(evidence[codes], bad)
        return cls(bins, evidence, model, rate)

    def __call__(self, rows: Coded) -> Array:
        """Probability of the bad class: ``(rows,)``."""
        if self.model is None:
            return np.full(len(rows), self.rate)
        return self.model.predict_proba(self.evidence[self.bins(rows)])[:, 1]
