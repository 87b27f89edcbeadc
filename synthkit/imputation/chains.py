"""Chains: gaps filled by draws, column after column and again, each given all others.

Chained equations (van Buuren & Groothuis-Oudshoorn, JSS 2011) over forests. Each chain has its own bootstrap of the
rows, so that its parameters are a draw too, as proper multiple imputation asks (Rubin, 1987). A chain starts from
forests that read gaps as gaps; so its first fill is already a draw given what the row knows, and few sweeps are enough.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.imputation.cells import Column, Floats
from synthkit.imputation.forests import Forest, Shape, uniform
from synthkit.runtime import entropy

__all__ = ["Chain", "Found", "states"]

_HIDDEN = 0.3  # of cells, hidden at random where a column's first forest would see no gaps
_BURN = 4  # trees of a forest of which no law is asked, only draws
_ROWS = 20_000  # of a chain's bootstrap, at most


def states(x: Floats, seed: int, *, by_row: bool) -> NDArray[np.uint64]:
    """A random state per row: of its place in the table (``by_row``), so that equal rows differ, or of what the row
    knows, so that it is filled alike in any table."""
    if by_row:
        key = pd.util.hash_array(np.arange(len(x)))
    else:
        key = np.zeros(len(x), dtype=np.uint64)
        for k in range(x.shape[1]):
            key = key * np.uint64(31) + pd.util.hash_array(np.where(np.isnan(x[:, k]), 0.5, x[:, k]))
    return key ^ np.uint64(entropy(seed))


class Found:
    """What the last sweeps of a chain say of the gaps of one column: their law (means or class shares) and draws."""

    def __init__(self) -> None:
        self.laws: list[Floats] = []
        self.draws: list[Floats] = []


class Chain:
    """One chain over the columns of ``x``, ``(rows, columns)`` floats with gaps.

    Attributes:
        x: its rows, completed.
    """

    def __init__(self, x: Floats, columns: list[Column], shape: Shape, sweeps: int, seed: int) -> None:
        self.columns, self.shape, self.seed = columns, shape, seed
        rng = np.random.default_rng(entropy(seed, 0))
        self.x = x[rng.integers(0, len(x), min(len(x), _ROWS))]
        for k in np.flatnonzero(np.isnan(self.x).all(0)):  # a bootstrap may miss the few rows that a column has
            self.x[0, k] = rng.choice(x[~np.isnan(x[:, k]), k])
        self._gaps = np.isnan(self.x)
        share = self._gaps.mean(0)
        self._order = [int(k) for k in np.argsort(share, kind="stable") if share[k]]
        self._starts: dict[int, Forest] = {}
        self._forests: dict[int, Forest] = {}
        self._train(sweeps)

    def _train(self, sweeps: int) -> None:
        state = states(self.x, entropy(self.seed, 1), by_row=True)
        for sweep in range(sweeps + 1):
            for j in self._order:
                gap = self._gaps[:, j]
                forest = self._grow(j, self.x[~gap], sweep, self.shape.trees if sweep == sweeps else _BURN)
                (self._forests if sweep else self._starts)[j] = forest
                step = 2 * (sweep * len(self.columns) + j) + 1
                some = state[gap]
                self.x[gap, j] = forest.draw(forest.find(self.x[gap]), uniform(some, step), uniform(some, step + 1))

    def _grow(self, j: int, x: Floats, sweep: int, trees: int) -> Forest:
        shape = Shape(trees, self.shape.leaf, self.shape.share, self.shape.rows)
        return Forest(x, j, self.columns, shape, entropy(self.seed, 2, sweep, j))

    def _start(self, j: int) -> Forest:
        """What column j's gaps are filled with first; grown when it is first asked for where training had no gaps."""
        if j not in self._starts:
            rng = np.random.default_rng(entropy(self.seed, 3, j))
            hidden = np.where(self._gaps | (rng.random(self.x.shape) < _HIDDEN), np.nan, self.x)
            hidden[:, j] = self.x[:, j]
            self._starts[j] = self._grow(j, hidden[~self._gaps[:, j]], 0, _BURN)
        return self._starts[j]

    def _refined(self, j: int) -> Forest:
        if j not in self._forests:
            self._forests[j] = self._grow(j, self.x[~self._gaps[:, j]], 1, self.shape.trees)
        return self._forests[j]

    def fill(
        self, x: Floats, state: NDArray[np.uint64], sweeps: int, kept: int = 0, draws: int = 0
    ) -> tuple[Floats, dict[int, Found]]:
        """Rows with their gaps drawn jointly; and what the last ``kept`` sweeps say of each column's gaps.

        Args:
            state: of :func:`states`; draws: how many are kept of each such sweep.
        """
        gaps, x = np.isnan(x), x.copy()
        order = [k for k in range(x.shape[1]) if k not in self._order and gaps[:, k].any()]
        order += [k for k in self._order if gaps[:, k].any()]
        found = {j: Found() for j in order}
        for sweep in range(sweeps + 1):
            for j in order:
                gap = gaps[:, j]
                forest = self._refined(j) if sweep else self._start(j)
                place = forest.find(x[gap])
                numbers = self._numbers(state[gap], sweep, j)
                x[gap, j] = forest.draw(place, next(numbers), next(numbers))
                if sweep > sweeps - kept:
                    found[j].laws.append(forest.law(place))
                    for _ in range(draws):
                        found[j].draws.append(forest.draw(place, next(numbers), next(numbers)))
        return x, found

    def _numbers(self, state: NDArray[np.uint64], sweep: int, j: int) -> Iterator[Floats]:
        step = (sweep * len(self.columns) + j + 1) * 1000
        while True:
            step += 1
            yield uniform(state, step)
