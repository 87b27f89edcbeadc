"""One column given the others: a forest whose leaves keep the rows that fell into them.

Leaf means are centres, and a row of a random tree's leaf is a draw: Doove, van Buuren & Dusseldorp, "Recursive
partitioning for missing data imputation in the presence of interaction effects", CSDA 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from synthkit.imputation.cells import Column, Floats
from synthkit.imputation.lines import Line

__all__ = ["Forest", "Place", "Shape", "uniform"]

_CLASSES = 64  # of a category; rarer levels are one class for the trees, and drawn as themselves
_SHRINK = 5.0  # rows that a level's place is worth beforehand
_MANY = 1000  # rows, above which threads pay
_STRAIGHT = 0.7  # share of a quantity's variance, above which trees learn what a line leaves, not the quantity


def uniform(state: NDArray[np.uint64], step: int) -> Floats:
    """Numbers in [0, 1), one per row, from the row's own state (Steele et al., "SplitMix", OOPSLA 2014): what the other
    rows are has no part in them."""
    z = state + np.uint64((step * 0x9E3779B97F4A7C15) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Floats = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return out


class Shape:
    """How large a forest is: ``trees``, ``leaf`` rows at least in a leaf, ``share`` of the inputs that a split tries,
    ``rows`` that a tree is grown on at most (all rows fall into its leaves)."""

    def __init__(self, trees: int = 10, leaf: int = 5, share: float = 0.5, rows: int = 4000) -> None:
        self.trees, self.leaf, self.share, self.rows = trees, leaf, share, rows


@dataclass(frozen=True)
class Place:
    """Where rows fall: their ``leaves``, ``(trees, rows)``, and what the line says, ``(rows,)``, if it counts."""

    leaves: NDArray[np.intp]
    line: Floats | None


class Forest:
    """Learns column ``j`` of ``x`` from the other columns; ``x`` may have gaps (NaN), but not in that column.

    A quantity that is nearly a line of the others is learnt as the line and what it leaves, for leaves cut a line into
    steps; a draw is then the observed value that is nearest to the line plus a donor's rest (as in predictive mean
    matching: Little, "Missing-data adjustments in large surveys", JBES 1988).

    Args:
        x: ``(rows, columns)`` floats of :class:`Cells`; columns: what they are.
    """

    def __init__(self, x: Floats, j: int, columns: list[Column], shape: Shape, seed: int) -> None:
        self.j, self.columns, y = j, columns, x[:, j]
        levels = columns[j].levels
        self.classes = 0 if levels is None else min(len(levels), _CLASSES)
        goal = np.minimum(y, _CLASSES - 1).astype(np.int64) if self.classes else (y - columns[j].mean) / columns[j].std
        goals = np.eye(self.classes)[goal] if self.classes > 2 else goal.astype(float)[:, None]
        self._places = self._ordered(x, goals)
        plain = self._plain(x)
        self._line = Line(plain, goals)
        inputs = np.concatenate([plain, self._line.fitted], axis=1).astype(np.float32)
        self._observed: Floats | None = None
        if not self.classes and self._line.skill > _STRAIGHT:
            self._observed = np.sort(y)
            y = y - self._straight(self._line.fitted)
            goal = (y - y.mean()) / columns[j].std
        kind = RandomForestClassifier if self.classes else RandomForestRegressor
        some = shape.rows < len(y)
        forest = kind(
            shape.trees,
            min_samples_leaf=min(shape.leaf, max(len(y) // 2, 1)),
            max_features=shape.share,
            bootstrap=some,
            max_samples=shape.rows if some else None,
            n_jobs=torch.get_num_threads() if len(y) > _MANY else None,
            random_state=seed % 2**32,
        ).fit(inputs, goal)
        self._trees = [tree.tree_ for tree in forest.estimators_]
        self._seen = np.asarray(forest.classes_, dtype=np.int64) if self.classes else None
        self._keep(self.leaves(inputs), y)

    def _keep(self, leaves: NDArray[np.intp], y: Floats) -> None:
        """Donors in the order of their leaves, and where each leaf begins."""
        self._order, self._y = np.argsort(leaves, axis=1, kind="stable").astype(np.int32), y
        nodes = max(tree.node_count for tree in self._trees)
        counts = np.stack([np.bincount(leaf, minlength=nodes) for leaf in leaves])
        self._count, self._first = counts, np.cumsum(counts, axis=1) - counts
        if not self.classes:
            sums = np.stack([np.bincount(leaf, weights=y, minlength=nodes) for leaf in leaves])
            self._means = sums / np.maximum(counts, 1)

    def _straight(self, line: Floats) -> Floats:
        """What a line says, up to a constant, in the column's units."""
        out: Floats = line[:, 0] * self.columns[self.j].std
        return out

    # ---------------------------------------------------------------- inputs
    def _ordered(self, x: Floats, goals: Floats) -> dict[int, Floats]:
        """``(levels, axes)`` per column of categories: the mean goal of each level, so that one cut can part them.

        For a goal of several classes, the two main axes of the levels' class shares (after Coppersmith et al.,
        "Partitioning nominal attributes in decision trees", 1999).
        """
        centre = goals.mean(0)
        places = {}
        for k, column in enumerate(self.columns):
            if k == self.j or column.levels is None:
                continue
            known = ~np.isnan(x[:, k])
            code = x[known, k].astype(np.int64)
            size = np.bincount(code, minlength=len(column.levels)).astype(float)
            total = np.stack([np.bincount(code, weights=g, minlength=len(size)) for g in (goals[known] - centre).T], 1)
            mean = total / (size + _SHRINK)[:, None]
            if self.classes > 2:
                _, _, axes = np.linalg.svd(mean * np.sqrt(size)[:, None], full_matrices=False)
                mean = mean @ axes[:2].T
            places[k] = mean
        return places

    def _plain(self, x: Floats) -> Floats:
        """``(rows, inputs)``: standardised numbers and levels' places."""
        parts = []
        for k, column in enumerate(self.columns):
            if k == self.j:
                continue
            if column.levels is None:
                parts.append(((x[:, k] - column.mean) / column.std)[:, None])
            else:
                gap = np.isnan(x[:, k])
                place = self._places[k][np.where(gap, 0, x[:, k]).astype(np.int64)]
                place[gap] = np.nan
                parts.append(place)
        if not parts:
            parts = [np.zeros((len(x), 1))]
        return np.concatenate(parts, axis=1)

    # ---------------------------------------------------------------- outputs
    def leaves(self, inputs: NDArray[np.float32]) -> NDArray[np.intp]:
        """``(trees, rows)``"""
        return np.stack([tree.apply(inputs) for tree in self._trees])

    def find(self, x: Floats) -> Place:
        """Where rows of floats fall."""
        plain = self._plain(x)
        line = self._line.predict(plain)
        leaves = self.leaves(np.concatenate([plain, line], axis=1).astype(np.float32))
        return Place(leaves, None if self._observed is None else self._straight(line))

    def draw(self, place: Place, which: Floats, where: Floats) -> Floats:
        """``(rows,)``: a donor each, from the tree and the place in its leaf that two numbers in [0, 1) say."""
        leaves = place.leaves
        tree = (which * len(leaves)).astype(np.intp)
        leaf = leaves[tree, np.arange(leaves.shape[1])]
        at = self._first[tree, leaf] + (where * self._count[tree, leaf]).astype(np.intp)
        out: Floats = self._y[self._order[tree, at]]
        if self._observed is None or place.line is None:
            return out
        wanted, seen = out + place.line, self._observed
        above = np.clip(np.searchsorted(seen, wanted), min(1, len(seen) - 1), len(seen) - 1)
        below = np.maximum(above - 1, 0)
        return np.where(wanted - seen[below] < seen[above] - wanted, seen[below], seen[above])

    def law(self, place: Place) -> Floats:
        """Means, ``(rows, 1)``, or shares of the classes, ``(rows, classes)``; each the mean over the trees."""
        leaves = place.leaves
        if self._seen is None:
            means: Floats = np.mean([self._means[t][leaf] for t, leaf in enumerate(leaves)], axis=0)[:, None]
            return means if place.line is None else means + place.line[:, None]
        out = np.zeros((leaves.shape[1], self.classes))
        for tree, leaf in zip(self._trees, leaves, strict=True):
            out[:, self._seen] += tree.value[leaf, 0, :]
        out /= out.sum(1, keepdims=True)
        return out
