"""The models whose answers are compared: boosting, which balancing seldom helps, and a weak one, which it may."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

__all__ = ["LEARNERS", "fit_predict"]

_LEVELS_OF_TREES, _LEVELS_OF_LINES = 200, 30
_FAR = 6.0  # standard deviations beyond which a number is cut, so that one wild cell does not steer a line

_ROUNDS, _RATE, _BINS = 60, 0.08, 128

Reader = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def fit_predict(
    learner: str,
    train: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None],
    test: NDArray[np.float64],
    categorical: NDArray[np.bool_],
    classes: int,
    seed: int,
) -> NDArray[np.float64]:
    """``(test rows, classes)`` probabilities; 0 for a class that training lacks.

    All that is learnt of columns (levels, scales, medians) is learnt from the training rows.

    Args:
        learner: a name in :data:`LEARNERS`.
        train: cells ``(rows, columns)`` of :class:`synthkit.augmenting.cells.Cells`, class codes, and weights or None.
        test: cells of the rows to judge.
        categorical: ``(columns,)`` which columns are codes.
    """
    x, y, weight = train
    out = np.zeros((len(test), classes))
    present = np.unique(y)
    if len(present) == 1:
        out[:, present[0]] = 1.0
        return out
    reader, model = LEARNERS[learner](x, categorical, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(reader(x), y, sample_weight=weight)
    out[:, present] = model.predict_proba(reader(test))
    return out


def _boosting(x: NDArray[np.float64], categorical: NDArray[np.bool_], seed: int) -> tuple[Reader, Any]:
    """Boosting that is slow and shallow enough to need no tuning on small tables.

    Numbers are cut into bins here: with weights, scikit-learn's own binning takes longer than the trees.
    """
    ends = [_order(x[:, j], _LEVELS_OF_TREES) if c else _edges(x[:, j]) for j, c in enumerate(categorical)]
    empty = np.isnan(x).all(axis=0)

    def read(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.empty_like(rows)
        for j, (own, named) in enumerate(zip(ends, categorical, strict=True)):
            cells = rows[:, j]
            out[:, j] = _place(cells, own) if named else np.where(np.isnan(cells), np.nan, np.searchsorted(own, cells))
        out[:, empty] = 0.0
        return out

    return read, HistGradientBoostingClassifier(
        max_iter=_ROUNDS,
        learning_rate=_RATE,
        max_leaf_nodes=16,
        l2_regularization=1.0,
        early_stopping=False,
        categorical_features=categorical,
        random_state=seed % 2**31,
    )


def _logistic(x: NDArray[np.float64], categorical: NDArray[np.bool_], seed: int) -> tuple[Reader, Any]:
    """Logistic regression of standardised numbers (null: the median, and a flag) and one 0/1 feature per level."""
    numbers = np.flatnonzero(~categorical)
    part = x[:, numbers]
    known = ~np.isnan(part)
    part = np.where(known, part, 0.0)
    count = np.maximum(known.sum(0), 1)
    mean = part.sum(0) / count
    spread = np.sqrt((known * (part - mean) ** 2).sum(0) / count)
    spread = np.where(spread > 0, spread, 1.0)
    gappy = ~known.all(axis=0)
    order = {int(j): _order(x[:, j], _LEVELS_OF_LINES) for j in np.flatnonzero(categorical)}

    def read(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        null = np.isnan(rows[:, numbers])
        scaled = np.clip((rows[:, numbers] - mean) / spread, -_FAR, _FAR)
        parts = [np.where(null, 0.0, scaled), null[:, gappy].astype(np.float64)]
        parts += [_place(rows[:, j], levels)[:, None] == np.arange(len(levels)) for j, levels in order.items()]
        return np.concatenate(parts, axis=1).astype(np.float64)

    return read, LogisticRegression(max_iter=300)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of bins of about equal shares."""
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if len(known) else known


def _order(codes: NDArray[np.float64], top: int) -> NDArray[np.float64]:
    """The commonest levels, sorted."""
    levels, count = np.unique(codes[~np.isnan(codes)], return_counts=True)
    return np.sort(levels[np.argsort(-count, kind="stable")[:top]])


def _place(codes: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place among ``levels``; NaN for null and for others."""
    if not len(levels):
        return np.full(len(codes), np.nan)
    at = np.minimum(np.searchsorted(levels, codes), len(levels) - 1)
    return np.where(levels[at] == codes, at.astype(np.float64), np.nan)


LEARNERS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.bool_], int], tuple[Reader, Any]]] = {
    "boosting": _boosting,
    "logistic": _logistic,
}
"""What ``augment(learners=...)`` may name."""
