"""The engine of nearest neighbours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.imputation.base import Engine, Marginal
from synthkit.imputation.cells import Cells, Floats
from synthkit.imputation.chains import states
from synthkit.imputation.forests import uniform
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers.filling import Point

__all__ = ["Neighbours"]

_CELLS = 2**23  # distances that are held at once: 64 MB


class Neighbours(Engine):
    """The k nearest rows, by the mean distance over the columns that both rows know.

    After Gower, "A general coefficient of similarity" (1971), with squares: numbers in standard deviations,
    categories 0 or 1.

    A draw copies all gaps of a row from one of the k nearest rows that know them all; where fewer do, gap by gap.

    Args:
        k: neighbours; rows: of the training table that are kept at most, picked at random.
    """

    name: ClassVar[str] = "neighbours"

    def __init__(self, k: int = 10, rows: int = 20_000) -> None:
        self.k, self.rows = k, rows

    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        self._rest = Marginal()
        self._rest.fit(table, schema, seed=seed)
        self._cells = Cells(table, schema)
        if len(table) > self.rows:
            table = table.iloc[np.sort(np.random.default_rng(entropy(seed, 0)).permutation(len(table))[: self.rows])]
        self._x = self._cells.floats(table)
        self._known = ~np.isnan(self._x)
        self._place, self._weight = self._placed(self._x)

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        return self._rest.point(self._cells.put(table, list(self._filled(table, point, seed).T)), point, seed=seed)

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        return self._rest.draw(self._cells.put(table, list(self._filled(table, None, seed).T)), seed=seed)

    # ---------------------------------------------------------------- distances
    def _placed(self, x: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``(rows, places)`` each, whose squared distances add up, and which places count."""
        place, weight = [np.empty((len(x), 0))], [np.empty((len(x), 0))]
        for k, column in enumerate(self._cells.columns):
            known = ~np.isnan(x[:, k])
            code = np.where(known, x[:, k], 0.0)
            if column.levels is None:
                place.append(np.where(known, np.clip((code - column.mean) / column.std, -8, 8) / 2**0.5, 0.0)[:, None])
            else:
                place.append((np.eye(len(column.levels))[code.astype(np.int64)] * known[:, None]) / 2**0.5)
            weight.append(np.repeat(known[:, None].astype(float), place[-1].shape[1], axis=1))
        return np.concatenate(place, 1).astype(np.float32), np.concatenate(weight, 1).astype(np.float32)

    def _distances(self, x: Floats) -> NDArray[np.float32]:
        """``(rows, kept rows)``; infinite where nothing is known of both."""
        place, weight = self._placed(x)
        total = place**2 @ self._weight.T + weight @ (self._place**2).T - 2 * place @ self._place.T
        shared = (~np.isnan(x)).astype(np.float32) @ self._known.T.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(shared > 0, np.maximum(total, 0) / shared + 0.1 / shared, np.inf).astype(np.float32)

    # ---------------------------------------------------------------- cells
    def _filled(self, table: pd.DataFrame, point: Point | None, seed: int) -> Floats:
        x = self._cells.floats(table)
        state = states(x, seed, by_row=True)
        block = max(_CELLS // max(len(self._x), 1), 1)
        out = x.copy()
        if self._cells.columns:
            for a in range(0, len(x), block):
                self._fill(out[a : a + block], point, state[a : a + block])
        return out

    def _fill(self, x: Floats, point: Point | None, state: NDArray[np.uint64]) -> None:
        """Fill a block in place."""
        gaps, far = np.isnan(x), self._distances(x)
        if point is None:
            self._copy(x, gaps, far, state)
        for j in np.flatnonzero(np.isnan(x).any(0)):
            rows = np.flatnonzero(np.isnan(x[:, j]))
            donors = np.flatnonzero(self._known[:, j])
            near = self._nearest(far[np.ix_(rows, donors)])
            values = self._x[donors[near], j]
            if point is None:
                x[rows, j] = values[
                    np.arange(len(rows)), (uniform(state[rows], int(j) + 1) * near.shape[1]).astype(int)
                ]
            elif self._cells.columns[j].levels is None:
                x[rows, j] = values.mean(1) if point == "mean" else np.median(values, axis=1)
            else:
                votes = (values[:, :, None] == values[:, None, :]).sum(2)
                x[rows, j] = np.take_along_axis(values, votes.argmax(1)[:, None], 1)[:, 0]

    def _copy(self, x: Floats, gaps: NDArray[np.bool_], far: NDArray[np.float32], state: NDArray[np.uint64]) -> None:
        """All gaps of a row from one neighbour, where k rows know them all."""
        knows = gaps.astype(np.float32) @ self._known.T.astype(np.float32) == gaps.sum(1)[:, None]
        whole = np.flatnonzero((knows.sum(1) >= self.k) & gaps.any(1))
        if not len(whole):
            return
        near = self._nearest(np.where(knows[whole], far[whole], np.inf))
        donor = near[np.arange(len(whole)), (uniform(state[whole], 0) * near.shape[1]).astype(int)]
        x[whole] = np.where(gaps[whole], self._x[donor], x[whole])

    def _nearest(self, far: NDArray[np.float32]) -> NDArray[np.intp]:
        k = min(self.k, far.shape[1])
        return np.argpartition(far, k - 1, axis=1)[:, :k]
