"""The engine of chained forests."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from synthkit.imputation.base import Engine, Marginal
from synthkit.imputation.cells import Cells, Floats
from synthkit.imputation.chains import Chain, Found, states
from synthkit.imputation.forests import Shape
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers.filling import Point

__all__ = ["ChainedTrees"]

_BLOCK = 4096  # rows that are filled at once
_DRAWS = 10  # of each sweep whose median is taken
_KEPT = 2


class ChainedTrees(Engine):
    """Chained equations over forests, whose leaves keep donors.

    Several chains, each with its own bootstrap of the rows, fill by draws; the centre of a gap is the mean of what the
    forests of all chains say of it, so that it is no guess on top of other guesses. A draw is one chain's.

    Args:
        chains: that a centre is taken of; the first is grown by ``fit``, another when it is first asked for.
        sweeps: over the columns, after the first fill. trees, leaf: of each forest, rows in its leaves at least.
    """

    name: ClassVar[str] = "chained_trees"

    def __init__(self, chains: int = 8, sweeps: int = 2, trees: int = 10, leaf: int = 5) -> None:
        self.chains, self.sweeps, self.shape = chains, sweeps, Shape(trees, leaf)
        self._only: int | None = None

    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        self.cells, self._seed = Cells(table, schema), seed
        self._x = self.cells.floats(table)
        self._rest = Marginal()
        self._rest.fit(table, schema, seed=seed)
        self._grown: dict[int, Chain] = {}
        if self._x.shape[1]:
            self._chain(0)

    def _chain(self, k: int) -> Chain:
        if k not in self._grown:
            self._grown[k] = Chain(self._x, self.cells.columns, self.shape, self.sweeps, entropy(self._seed, k))
        return self._grown[k]

    def variant(self, k: int) -> Self:
        """This engine with draws of chain k: another bootstrap of the rows than those of other k."""
        other = copy.copy(self)
        other._only = k
        return other

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        chain = self._chain(seed % self.chains if self._only is None else self._only) if self.cells.columns else None
        x = self.cells.floats(table)
        state = states(x, seed, by_row=True)
        if chain is not None:
            blocks = [chain.fill(x[at], state[at], self.sweeps)[0] for at in _blocks(len(x))]
            table = self.cells.put(table, list(np.concatenate(blocks).T))
        return self._rest.draw(table, seed=seed)

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        x = self.cells.floats(table)
        state = states(x, seed, by_row=False)
        if self.cells.columns:
            blocks = [self._centres(x[at], state[at], point) for at in _blocks(len(x))]
            table = self.cells.put(table, list(np.concatenate(blocks).T))
        return self._rest.point(table, point, seed=seed)

    def _centres(self, x: Floats, state: np.ndarray[tuple[int], np.dtype[np.uint64]], point: Point) -> Floats:
        draws = _DRAWS if point == "median" else 0
        found: dict[int, Found] = {}
        for k in range(self.chains):
            own = state ^ np.uint64(entropy(self._seed, k, 1))
            for j, part in self._chain(k).fill(x, own, self.sweeps, _KEPT, draws)[1].items():
                whole = found.setdefault(j, Found())
                whole.laws += part.laws
                whole.draws += part.draws
        out = x.copy()
        for j, part in found.items():
            gap, law = np.isnan(x[:, j]), np.mean(part.laws, axis=0)
            if self.cells.columns[j].levels is not None:
                out[gap, j] = law.argmax(1)
            else:
                out[gap, j] = np.median(part.draws, axis=0) if draws else law[:, 0]
        return out


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(a, a + _BLOCK) for a in range(0, max(rows, 1), _BLOCK))
