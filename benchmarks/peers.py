"""Baselines of other kinds, written anew and short, that run in the same environment."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from synthkit.metrics.neighbours import nearest, place
from synthkit.metrics.tables import Kinds, code_tables

__all__ = ["SequentialCart", "Smote"]


class SequentialCart:
    """Sequential classification and regression trees (Reiter 2005; Nowok, Raab & Dibben 2016, the synthpop paper).

    The first column is a bootstrap; every later one is drawn from the training values (donors) in the leaf of a tree
    that predicts it from the columns before. High fidelity in seconds, but it hands out training values and, where
    leaves are small, training rows: a baseline for fidelity, not for privacy.

    Args:
        kinds: the columns to draw and what they are.
        min_leaf: training rows in a leaf at least.
        random_state: of the trees.
    """

    def __init__(self, kinds: Kinds, *, min_leaf: int = 5, random_state: int = 0) -> None:
        self.kinds, self.min_leaf, self.random_state = kinds, min_leaf, random_state

    def fit(self, table: pd.DataFrame) -> SequentialCart:
        """Grow one tree per column but the first."""
        self.table_ = table[list(self.kinds)].copy()
        (coded,) = code_tables(table, kinds=self.kinds)
        by_name: Mapping[object, NDArray[np.float64]] = {
            **{name: coded.numbers[:, j] for j, name in enumerate(coded.num)},
            **{name: coded.codes[:, j].astype(np.float64) for j, name in enumerate(coded.cat)},
        }
        self.features_ = np.column_stack([by_name[name] for name in self.kinds])
        self.trees_ = []
        for j, name in enumerate(self.kinds):
            if j == 0:
                continue
            grow = DecisionTreeClassifier if self.kinds[name] == "categorical" else DecisionTreeRegressor
            y = self.features_[:, j]
            known = y[~np.isnan(y)]
            y = np.where(np.isnan(y), known.mean() if len(known) else 0.0, y)  # donors bring the nulls back
            tree = grow(min_samples_leaf=min(self.min_leaf, len(y)), random_state=self.random_state)
            tree.fit(self.features_[:, :j], y)
            self.trees_.append((tree, *_donors(tree.apply(self.features_[:, :j]), tree.tree_.node_count)))
        return self

    def sample(self, n: int, *, seed: int = 0) -> pd.DataFrame:
        """``n`` rows, every cell of which is some training row's."""
        rng = np.random.default_rng(seed)
        drawn = np.empty((n, len(self.kinds)))
        donors = rng.integers(len(self.table_), size=n)
        columns = [self.table_.iloc[donors, 0].reset_index(drop=True)]
        drawn[:, 0] = self.features_[donors, 0]
        for j, (tree, order, start, count) in enumerate(self.trees_, start=1):
            leaf = tree.apply(drawn[:, :j])
            donors = order[start[leaf] + (rng.random(n) * count[leaf]).astype(np.int64)]
            columns.append(self.table_.iloc[donors, j].reset_index(drop=True))
            drawn[:, j] = self.features_[donors, j]
        return pd.concat(columns, axis=1)


def _donors(leaf: NDArray[np.int64], nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Training rows sorted by leaf, and where each leaf's rows start and how many they are."""
    count = np.bincount(leaf, minlength=nodes)
    return np.argsort(leaf, kind="stable"), np.cumsum(count) - count, count


class Smote:
    """Synthetic minority oversampling, used as a generator (Chawla et al. 2002; its mixed form SMOTE-NC).

    A row is drawn between a training row and one of its five nearest others of the same target: numbers on the line
    between the two, categories the most frequent among the neighbours. It learns nothing and hands out mixtures of two
    persons: a baseline that a privacy gate has to fail.

    Args:
        kinds: the columns to draw and what they are; target: within whose levels neighbours are sought.
        neighbours: how many.
    """

    def __init__(self, kinds: Kinds, target: Hashable, *, neighbours: int = 5) -> None:
        self.kinds, self.target, self.neighbours = kinds, target, neighbours

    def fit(self, table: pd.DataFrame) -> Smote:
        """Keep the table."""
        self.table_ = table[list(self.kinds)].reset_index(drop=True)
        return self

    def sample(self, n: int, *, seed: int = 0) -> pd.DataFrame:
        """``n`` rows between neighbours."""
        rng = np.random.default_rng(seed)
        own = rng.integers(len(self.table_), size=n)
        others = self._neighbours(own)
        mate = others[np.arange(n), rng.integers(others.shape[1], size=n)]
        far, columns = rng.random(n), {}
        for name, kind in self.kinds.items():
            column = self.table_[name]
            if kind == "categorical":
                codes, levels = pd.factorize(column, use_na_sentinel=False)
                votes = np.stack([(codes[others] == k).sum(1) for k in range(len(levels))], axis=1)
                columns[name] = column.iloc[np.unique(codes, return_index=True)[1][votes.argmax(1)]].to_numpy()
                continue
            here, there = (column.to_numpy(np.float64)[at] for at in (own, mate))
            drawn = here + far * (np.where(np.isnan(there), here, there) - here)
            columns[name] = drawn.round() if pd.api.types.is_integer_dtype(column.dtype) else drawn
        frame = pd.DataFrame(columns)
        whole = {c: t for c, t in self.table_.dtypes.items() if pd.api.types.is_integer_dtype(t)}
        return frame.astype({c: t for c, t in whole.items() if self.kinds[c] != "categorical"})

    def _neighbours(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """``(rows, neighbours)``: the nearest others with the same level of the target."""
        (coded,) = code_tables(self.table_, kinds=self.kinds)
        label = pd.factorize(self.table_[self.target], use_na_sentinel=False)[0]
        rows, inverse = np.unique(own, return_inverse=True)
        out = np.empty((len(rows), self.neighbours), np.int64)
        for level in np.unique(label[rows]):
            mine, here = np.flatnonzero(label == level), label[rows] == level
            base, points = place(coded, (coded.take(mine), coded.take(rows[here])))
            near = nearest(points, base, min(self.neighbours + 1, len(mine)))[0].index
            found = mine[near]
            self_first = np.argsort(found != rows[here][:, None], axis=1, kind="stable")  # the row itself in front
            found = np.take_along_axis(found, self_first, 1)[:, 1:] if found.shape[1] > 1 else found
            out[here] = np.resize(found.T, (self.neighbours, len(found))).T
        return out[inverse]
