"""Where a new value for a cell comes from, so that the edited row is still one that the data speaks of."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.tables import Coded

__all__ = ["Support"]

_GROUPS = 10  # deciles of a number
_LEVELS = 20  # frequent levels of a category; the others count as one
_ROWS = 5_000  # of the real table, to know which values go together
_TRIES = 5


class Support:
    """What goes together in the real rows, pair by pair: numbers by deciles, rare levels as one, null as a value."""

    def __init__(self, real: Coded, rng: np.random.Generator) -> None:
        self.names = (*real.num, *real.cat)
        self._edges = [_edges(real.numbers[:, j]) for j in range(len(real.num))]
        self._sizes = [len(e) + 2 for e in self._edges] + [_LEVELS + 2] * len(real.cat)
        self._real = real
        self._groups = self._grouped(real)
        self._sample = self._groups[rng.permutation(len(real))[:_ROWS]]

    def donors(self, rows: Coded, name: Hashable, rng: np.random.Generator) -> NDArray[np.int64]:
        """For each of ``rows`` a real row whose value of ``name`` it may take: ``(rows,)``, -1 where none was found.

        It may where that value differs from its own, is not null, and occurs in the real table together with each of
        the row's other values in more than .1 % of the rows.
        """
        position = self.names.index(name)
        asked, found = self._grouped(rows), np.full(len(rows), -1)
        values, own = self._real.column(name), rows.column(name)
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            return found
        others = [k for k in range(len(self.names)) if k != position]
        seen = [self._together(position, k) for k in others]
        for _ in range(_TRIES):
            open_rows = np.flatnonzero(found < 0)
            pick = known[rng.integers(0, len(known), len(open_rows))]
            allowed = values[pick] != own[open_rows]
            for table, k in zip(seen, others, strict=True):
                allowed &= table[self._groups[pick, position], asked[open_rows, k]]
            found[open_rows[allowed]] = pick[allowed]
        return found

    def _grouped(self, table: Coded) -> NDArray[np.int64]:
        """``(rows, columns)`` codes from 0."""
        columns = []
        for j, edges in enumerate(self._edges):
            values = table.numbers[:, j]
            columns.append(np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right")))
        columns += [np.minimum(table.codes[:, j], _LEVELS) + 1 for j in range(table.codes.shape[1])]
        return np.stack(columns, axis=1).astype(np.int64)

    def _together(self, i: int, k: int) -> NDArray[np.bool_]:
        a, b, shape = self._sample[:, i], self._sample[:, k], (self._sizes[i], self._sizes[k])
        counts = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape)
        return counts > len(a) // 1_000


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, np.arange(1, _GROUPS) / _GROUPS)) if len(known) else np.empty(0)
