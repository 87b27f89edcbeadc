"""How good answers are, and how sure a difference of two mean scores over folds is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import average_precision_score

from synthkit.metrics.roc import placements

__all__ = ["METRICS", "Difference", "best_threshold", "corrected", "decide", "score_all", "without_shift"]

METRICS = {"average_precision": 1, "roc_auc": 1, "log_loss": -1, "brier": -1, "balanced_accuracy": 1}
"""The metrics; 1: greater is better, -1: less is."""
_TINY = 1e-6


def without_shift(
    answers: NDArray[np.float64], seen: NDArray[np.float64], true: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities at the natural prevalence, from those of a model that learnt at another one.

    Bayes' rule with the class shares ``seen`` in (weighted) training and the ``true`` ones; after Saerens, Latinne &
    Decaestecker (Neural Computation 14, 2002). Without it, balancing would be blamed for a shift that is known.
    """
    moved = answers * np.where(seen > 0, true / np.where(seen > 0, seen, 1.0), 0.0)
    total = moved.sum(axis=1, keepdims=True)
    return np.where(total > 0, moved / np.where(total > 0, total, 1.0), true)


def decide(answers: NDArray[np.float64], true: NDArray[np.float64], threshold: float | None) -> NDArray[np.int64]:
    """Classes by the rule that is best for balanced accuracy if answers are right: the greatest lift over prevalence.

    ``threshold``: of two classes, the share of lift from which the second is said, instead of one half.
    """
    lift = answers / np.where(true > 0, true, 1.0)
    if threshold is None or answers.shape[1] != 2:
        return np.asarray(lift.argmax(axis=1))
    return np.asarray(lift[:, 1] >= threshold * lift.sum(axis=1), dtype=np.int64)


def best_threshold(y: NDArray[np.int64], answers: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """The share of lift with the best balanced accuracy on rows that the model has not seen."""
    lift = answers / np.where(true > 0, true, 1.0)
    share = lift[:, 1] / np.maximum(lift.sum(axis=1), _TINY)
    cuts = np.unique(np.quantile(share, np.linspace(0.0, 1.0, 101)))
    said = share[:, None] >= cuts
    hit = said[y == 1].mean(axis=0) + (~said[y == 0]).mean(axis=0)
    good = cuts[hit >= hit.max() - 1e-12]
    return float(np.median(good))


def score_all(
    y: NDArray[np.int64], answers: NDArray[np.float64], true: NDArray[np.float64], threshold: float | None = None
) -> dict[str, float]:
    """All of :data:`METRICS`; NaN where the rows cannot tell (a class is missing).

    Of two classes, average precision and ROC AUC are those of the rarer one (the second code); of several, means over
    the classes, each against the rest. The Brier score of two classes is that of the rarer, of several the sum.
    """
    classes = answers.shape[1]
    judged = [1] if classes == 2 else range(classes)
    there = [c for c in judged if 0 < int((y == c).sum()) < len(y)]
    hit = np.eye(classes)[y]
    said = decide(answers, true, threshold)
    right = [float((said[y == c] == c).mean()) for c in np.unique(y)]
    precision = [average_precision_score(y == c, answers[:, c]) for c in there]
    above = [placements(answers[y == c, c], answers[y != c, c])[0].mean() for c in there]
    return {
        "average_precision": _mean(precision),
        "roc_auc": _mean(above),
        "log_loss": float(-np.log(np.clip(answers[np.arange(len(y)), y], _TINY, 1.0)).mean()),
        "brier": float(((hit - answers) ** 2).sum(axis=1).mean()) / (2.0 if classes == 2 else 1.0),
        "balanced_accuracy": _mean(right) if len(right) > 1 else float("nan"),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


class Difference(NamedTuple):
    """A mean difference over folds and its interval; NaN where fewer than two folds tell."""

    difference: float
    low: float
    high: float
    folds: int


def corrected(differences: NDArray[np.float64], share: float, level: float) -> Difference:
    """The mean of paired differences over folds, with the interval of Nadeau & Bengio (Machine Learning 52, 2003).

    Folds share training rows, so that their differences vary less than those of fresh tables: the variance is
    multiplied by 1 / folds + ``share`` instead of 1 / folds, and has a Student law of folds - 1 degrees.

    Args:
        differences: ``(folds,)``; NaN is left out.
        share: test rows over training rows.
        level: of the two-sided interval, as .95.
    """
    known = differences[~np.isnan(differences)]
    if len(known) < 2:
        return Difference(float(known[0]) if len(known) else float("nan"), float("nan"), float("nan"), len(known))
    mean, spread = float(known.mean()), float(known.var(ddof=1))
    half = float(student.ppf(0.5 + level / 2, len(known) - 1)) * float(np.sqrt((1 / len(known) + share) * spread))
    return Difference(mean, mean - half, mean + half, len(known))
