"""The engine that finds out which of two engines fills each column better."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.imputation.base import Engine
from synthkit.imputation.cells import Floats
from synthkit.imputation.masks import hide
from synthkit.imputation.trees import ChainedTrees
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers.filling import Point

__all__ = ["Blend"]

_LEAST = 1000  # rows, below which a trial would be too noisy to tell, and the forests have been better
_ROWS = 4000  # that the trial is made on, at most
_RATE = 0.2  # of cells hidden in it, if the table's own patterns are too few
_FAR = 3.0  # standard deviations, beyond which an error counts as that: the tail would decide alone
_ENOUGH = 30  # hidden cells of a column, below which it is the forests'


class Blend(Engine):
    """Chained forests, and per column as much of another engine as pays on cells that are hidden for a trial.

    In a trial on up to 4,000 rows, cells are hidden in the patterns in which rows of the table miss cells, both engines
    are fitted on the rest, and the hidden cells are filled. Of numbers the centre is the mixture of both engines' that
    errs least; of categories that of the engine that is right more often; the forests', unless the gain is above two of
    its standard errors. Small tables are the forests', without a trial. Draws are the forests', as the draws of a row
    must come from one joint law.

    Args:
        other: makes the engine beside the forests.

    Attributes:
        shares: of the other engine in the centres of each column.
    """

    name: ClassVar[str] = "blend"

    def __init__(self, other: Callable[[], Engine]) -> None:
        self._make, self.trees = other, ChainedTrees()
        self.other: Engine | None = None
        self.shares: dict[Hashable, float] = {}

    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        self.trees.fit(table, schema, seed=entropy(seed, 0))
        wanted = len(table) >= _LEAST and table.isna().to_numpy().any()
        self.shares = self._trial(table, schema, entropy(seed, 1)) if wanted else {}
        self.other = None
        if any(self.shares.values()):
            self.other = self._make()
            self.other.fit(table, schema, seed=entropy(seed, 2))

    def _trial(self, table: pd.DataFrame, schema: Schema, seed: int) -> dict[Hashable, float]:
        if len(table) > _ROWS:
            at = np.random.default_rng(entropy(seed, 0)).permutation(len(table))[:_ROWS]
            table = table.iloc[np.sort(at)]
        gaps = _hidden(table, seed)
        holes = table.copy()
        for name, gap in gaps.items():  # only columns that have nulls already: their dtypes allow more
            holes[name] = table[name].mask(gap)
        rows = np.flatnonzero(np.any([*gaps.values()], axis=0))
        floats = [self.trees.cells.floats(table.iloc[rows])]
        for k, engine in enumerate([ChainedTrees(), self._make()]):
            engine.fit(holes, schema, seed=entropy(seed, 3, k))
            filled = engine.point(holes.iloc[rows], "mean", seed=entropy(seed, 4, k))
            floats.append(self.trees.cells.floats(filled))
        shares = {}
        for j, column in enumerate(self.trees.cells.columns):
            gap = gaps.get(column.name, np.zeros(len(table), dtype=bool))[rows]
            if gap.sum() >= _ENOUGH:
                real, own, other = (part[gap, j] for part in floats)
                shares[column.name] = _share(real, own, other, column.levels is not None)
        return shares

    # ---------------------------------------------------------------- fill
    def variant(self, k: int) -> Engine:
        return self.trees.variant(k)

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        return self.trees.draw(table, seed=seed)

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        out = self.trees.point(table, point, seed=seed)
        if self.other is None or not any(table[name].isna().any() for name, share in self.shares.items() if share):
            return out
        beside = self.other.point(table, point, seed=seed)
        for column in self.trees.cells.columns:
            share = self.shares.get(column.name, 0.0)
            gap = table[column.name].isna().to_numpy()
            if not share or not gap.any():
                continue
            own, other = (column.floats(part[column.name][gap]) for part in (out, beside))
            floats = (1 - share) * own + share * other
            cells = out[column.name].copy()
            cells[gap] = column.cells(floats).astype(cells.dtype).to_numpy()
            out[column.name] = cells
        return out


def _hidden(table: pd.DataFrame, seed: int) -> dict[Hashable, NDArray[np.bool_]]:
    """Cells that are hidden for the trial, by column."""
    mask = hide(table, "observed", 0.5, seed=entropy(seed, 1) % 2**31).to_numpy()
    there = table.notna().to_numpy()
    if mask.mean() < _RATE / 4:  # too few rows have gaps
        mask = mask | (hide(table, "mcar", _RATE, seed=entropy(seed, 2) % 2**31).to_numpy() & ~there.all(0))
    return {name: gap for name, gap in zip(table.columns, (mask & there).T, strict=True) if gap.any()}


def _share(real: Floats, own: Floats, other: Floats, categories: bool) -> float:
    """The share of ``other`` that errs least; 0 unless the gain is above two of its standard errors."""
    if categories:
        best, gain = 1.0, (own != real).astype(float) - (other != real).astype(float)
    else:
        reach = _FAR * max(float(real.std()), 1e-12)
        error, step = np.clip(own - real, -reach, reach), np.clip(other - own, -reach, reach)
        # |error + share * step|^2 is least where its slope is 0
        best = float(np.clip(-(error * step).sum() / max(float((step**2).sum()), 1e-12), 0.0, 1.0))
        gain = error**2 - (error + best * step) ** 2
    return best if gain.mean() > 2 * gain.std() / np.sqrt(len(real)) else 0.0
