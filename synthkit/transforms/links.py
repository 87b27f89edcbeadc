"""Which numeric columns repeat one another: a payment that equals last month's bill, a value carried forward.

Quantile cells are too coarse to say that two cells hold the very same number, and a detector sees it at once. So the
encoder counts, pair by pair, how often it happens, and the layout names the pairs; a model may then copy.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["EqualCounts"]

Floats = NDArray[np.float64]

_ROWS = 20_000  # of a piece are looked at, evenly spaced
_COMPARISONS = 400_000_000  # of cells, at most, for one piece
_HEAVY = 0.02  # a value of at least this share of a column is learnt by itself: two zeros are no copy


class EqualCounts:
    """Counts of equal cells, column by column, in pieces.

    Example:
        >>> x = np.arange(100.0)
        >>> counts = EqualCounts(2)
        >>> counts.update(np.column_stack([x, np.where(x % 2 == 0, x, x + 300.5)]), np.array([1.0, 0.5])).links()
        [(0, 1, 0.5), (1, 0, 0.5)]
    """

    def __init__(self, columns: int) -> None:
        self.same, self.near = np.zeros((columns, columns)), np.zeros((columns, columns))
        self.rows = 0

    def update(self, values: Floats, steps: Floats) -> Self:
        """Count one piece.

        Args:
            values: ``(rows, columns)``, NaN where a cell is empty.
            steps: ``(columns,)`` the grid of each column; 0: none.
        """
        rows, columns = values.shape
        if columns < 2 or not rows:
            return self
        limit = int(min(rows, _ROWS, max(500, _COMPARISONS // columns**2)))
        values = values[np.linspace(0, rows - 1, limit).astype(np.int64)]
        for j in range(columns):
            target = np.where(_heavy(values[:, j]), np.nan, values[:, j])
            gap = np.abs(values - target[:, None])
            gap[:, j] = np.nan
            step = steps[j]
            if step > 0:
                self.same[j] += (gap < step / 4).sum(0)
                self.near[j] += (np.abs(gap - step) < step / 4).sum(0)
            else:
                self.same[j] += (gap == 0).sum(0)
        self.rows += limit
        return self

    def merge(self, other: EqualCounts) -> Self:
        """Add what another piece counted."""
        self.same, self.near = self.same + other.same, self.near + other.near
        self.rows += other.rows
        return self

    def links(self, *, rate: float = 0.01, rows: int = 20, most: int = 8) -> list[tuple[int, int, float]]:
        """Pairs (target, source, share of rows in which they are equal), the most frequent sources of a target first.

        Args:
            rate, rows: a pair is equal in at least this share of the rows, and in so many of them.
            most: sources of one target at most.
        """
        if not self.rows:
            return []
        # Dependent integers are often equal too, but then they are as often one step apart.
        linked = (self.same >= max(rate * self.rows, rows)) & (self.same >= 1.5 * self.near)
        found = []
        for j in np.flatnonzero(linked.any(1)):
            sources = np.flatnonzero(linked[j])
            for i in sources[np.argsort(-self.same[j, sources], kind="stable")][:most]:
                found.append((int(j), int(i), float(self.same[j, i] / self.rows)))
        return found


def _heavy(column: Floats) -> NDArray[np.bool_]:
    """Cells whose value takes a good share of the column; they are never counted as copies."""
    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    return np.asarray((counts >= max(_HEAVY * len(column), 2))[inverse])
