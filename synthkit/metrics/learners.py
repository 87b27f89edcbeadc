"""The models that utility trains, and what their answers are worth on rows that they have not seen.

One learner for all: gradient boosting with fixed settings, which takes nulls, categories and numbers as they are and
needs no tuning, so that two tables are compared and not two searches for hyperparameters.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from synthkit.metrics.cells import categorical_mask, features, without_empty
from synthkit.metrics.roc import placements
from synthkit.metrics.tables import Coded

__all__ = ["FULL_TREES", "QUICK_TREES", "Grade", "Learner", "Trees", "fit_learner", "grade", "learner_interval"]

ROUNDS = 200
_Z95 = 1.959963984540054


class Trees(NamedTuple):
    """How boosting grows: leaves of a tree, learning rate, and rounds (``None``: the caller's own number)."""

    leaves: int = 31
    rate: float = 0.1
    rounds: int | None = None


FULL_TREES = Trees()
QUICK_TREES = Trees(8, 0.15, 40)
"""Few small trees. Of summaries and next records they see as much as the full ones in a third of the time."""


@dataclass(frozen=True)
class Learner:
    """A model of one column given the others.

    Attributes:
        target: the column.
        classes: the codes that it can answer with; empty for a numeric target.
        model: the fitted estimator, ``None`` where there was only one answer to learn.
        constant: that answer: the class code, or the number.
        empty: ``(features,)``, columns without any value in training.
    """

    target: Hashable
    classes: NDArray[np.int64]
    model: Any
    constant: float
    empty: NDArray[np.bool_]

    def predict(self, rows: Coded, size: int) -> NDArray[np.float64]:
        """``(rows, size)`` class probabilities, 0 for a class that training lacked; a number: ``(rows, 1)``."""
        return self.predict_features(features(rows.without(self.target)), size)

    def predict_features(self, x: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """The same of ``(rows, columns)`` of :func:`synthkit.metrics.fidelity.features`, without the target."""
        x = np.where(self.empty, 0.0, x)
        if not len(self.classes):
            values = np.full(len(x), self.constant) if self.model is None else self.model.predict(x)
            return np.asarray(values, np.float64)[:, None]
        out = np.zeros((len(x), size))
        out[:, self.classes] = 1.0 if self.model is None else self.model.predict_proba(x)
        return out


def fit_learner(
    train: Coded,
    target: Hashable,
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
    trees: int | None = None,
    grow: Trees = FULL_TREES,
) -> Learner:
    """Gradient boosting of ``target`` from all other columns, on the rows that have one (there must be one at least).

    ``HistGradientBoosting*(max_iter=rounds, learning_rate=0.1, early_stopping=False)``. Of k > 2 classes every round
    grows k trees; ``trees`` limits their number. ``grow`` says how else they may grow.
    """
    y = train.column(target)
    keep = np.flatnonzero(~np.isnan(y))
    rows = train.take(keep).without(target)
    x, y = features(rows), y[keep]
    empty = np.isnan(x).all(axis=0)
    classes = np.unique(y).astype(np.int64) if target in train.cat else np.empty(0, np.int64)
    if (y == y[0]).all():
        return Learner(target, classes, None, float(y[0]), empty)
    kind = HistGradientBoostingClassifier if target in train.cat else HistGradientBoostingRegressor
    rounds = grow.rounds or rounds
    if trees is not None and len(classes) > 2:
        rounds = min(rounds, max(10, trees // len(classes)))
    model = kind(
        max_iter=rounds,
        max_leaf_nodes=grow.leaves,
        learning_rate=grow.rate,
        early_stopping=False,
        categorical_features=categorical_mask(rows),
        random_state=seed,
    )
    model.fit(without_empty(x)[0], y.astype(np.int64) if target in train.cat else y)
    return Learner(target, classes, model, float("nan"), empty)


@dataclass(frozen=True)
class Grade:
    """How good answers are.

    Attributes:
        value: ROC AUC (of several classes: the mean of each against the rest), or R squared.
        influence: ``(rows,)``: by how much each test row moves the value, times the number of rows.
        per_class: AUC per class code.
    """

    value: float
    influence: NDArray[np.float64]
    per_class: Mapping[int, float] = field(default_factory=dict)

    @property
    def variance(self) -> float:
        """Of the value, by the choice of test rows."""
        return float(np.mean(self.influence**2) / max(1, len(self.influence)))


def grade(y: NDArray[np.float64], answers: NDArray[np.float64], *, categorical: bool) -> Grade:
    """Judge ``answers`` of :meth:`Learner.predict` by the truth ``y`` without nulls.

    The variance is DeLong's (1988) for an AUC, written with influences so that classes may share rows; for R squared
    it is the delta method's.
    """
    if not categorical:
        return _r_squared(y, answers[:, 0])
    per_class, influence = {}, np.zeros(len(y))
    for c in np.unique(y).astype(np.int64):
        per_class[int(c)], moved = _auc(y == c, answers[:, c])
        influence += moved
    value = float(np.mean(list(per_class.values())))
    return Grade(value, influence / len(per_class), per_class)


def _auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    place = np.empty(len(score))
    place[positive], place[~positive] = placements(score[positive], score[~positive])
    value, share = float(place[positive].mean()), float(positive.mean())
    return value, (place - value) / np.where(positive, share, 1 - share)


def _r_squared(y: NDArray[np.float64], answer: NDArray[np.float64]) -> Grade:
    lost, spread = (y - answer) ** 2, (y - y.mean()) ** 2
    error, variance = lost.mean(), spread.mean()
    if variance == 0:  # as scikit-learn has it
        return Grade(float(error == 0), np.zeros(len(y)))
    influence = -(lost - error) / variance + error / variance**2 * (spread - variance)
    return Grade(float(1 - error / variance), influence)


def learner_interval(
    value: float, variance: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """95 % normal interval, within the bounds."""
    half = _Z95 * float(np.sqrt(variance))
    return max(bounds[0], value - half), min(bounds[1], value + half)
