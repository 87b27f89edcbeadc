"""What a learner is given, with the generator's rows or with what must be beaten: nothing, copies, weights, SMOTE."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthkit.augmenting.smote import smote_rows

__all__ = ["ARMS", "AUGMENTED", "CONTROLS", "NOTHING", "Arm", "arms_of", "weighted", "with_rows"]

NOTHING, COPIES, WEIGHTS, SMOTE, AUGMENTED = "nothing", "duplication", "class weights", "SMOTE-NC", "augmented"
ARMS = (NOTHING, COPIES, WEIGHTS, SMOTE, AUGMENTED)
CONTROLS = (NOTHING, COPIES, WEIGHTS)
"""What augmentation must beat. SMOTE-NC is shown beside: it makes rows, too, so beating it proves no gain."""


class Arm(NamedTuple):
    """Training rows.

    Attributes:
        x: cells ``(rows, columns)``.
        y: class codes ``(rows,)``.
        weight: of rows, or None.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    weight: NDArray[np.float64] | None = None

    def shares(self, classes: int) -> NDArray[np.float64]:
        """``(classes,)`` of the (weighted) rows."""
        count = np.bincount(self.y, weights=self.weight, minlength=classes).astype(np.float64)
        return np.asarray(count / count.sum())


def arms_of(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    categorical: NDArray[np.bool_],
    extra: NDArray[np.int64],
    drawn: tuple[NDArray[np.float64], NDArray[np.int64]],
    seed: int,
) -> dict[str, Arm]:
    """All arms, in the order of :data:`ARMS`; those that add rows add the same number of each class.

    Args:
        x, y: the real training rows.
        extra: ``(classes,)`` rows to add.
        drawn: the generator's rows.
    """
    rng = np.random.default_rng(seed)
    of_class = [np.flatnonzero(y == c) for c in range(len(extra))]
    copies = np.concatenate([_again(rows, int(n), rng) for rows, n in zip(of_class, extra, strict=True)])
    made = [smote_rows(x[rows], categorical, int(n), rng) for rows, n in zip(of_class, extra, strict=True)]
    return {
        NOTHING: Arm(x, y),
        COPIES: Arm(np.concatenate([x, x[copies]]), np.concatenate([y, y[copies]])),
        WEIGHTS: weighted(x, y, len(extra)),
        SMOTE: Arm(np.concatenate([x, *made]), np.concatenate([y, np.repeat(np.arange(len(extra)), extra)])),
        AUGMENTED: with_rows(x, y, drawn),
    }


def weighted(x: NDArray[np.float64], y: NDArray[np.int64], classes: int) -> Arm:
    """The real rows with weights that make all classes equal."""
    count = np.bincount(y, minlength=classes)
    return Arm(x, y, (len(y) / (classes * np.maximum(count, 1)))[y])


def with_rows(
    x: NDArray[np.float64], y: NDArray[np.int64], drawn: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> Arm:
    """The real rows and drawn ones."""
    return Arm(np.concatenate([x, drawn[0]]), np.concatenate([y, drawn[1]]))


def _again(rows: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``n`` of the rows, each as often as any other, or once more."""
    whole = np.tile(rows, n // len(rows))
    return np.concatenate([whole, rng.permutation(rows)[: n - len(whole)]])
