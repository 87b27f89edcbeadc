"""Which rows teach and which judge: repeated stratified folds, folds of whole entities, or forward in time."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from synthkit.errors import SchemaError
from synthkit.runtime import entropy

__all__ = ["Fold", "folds_of"]


class Fold(NamedTuple):
    """Places of rows."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def folds_of(
    y: NDArray[np.int64],
    cv: tuple[int, int],
    entity: NDArray[np.int64] | None,
    time: NDArray[np.float64] | None,
    seed: int,
) -> list[Fold]:
    """Folds times repeats. Forward in time there is one order only, and so no repeats.

    Args:
        y: class codes.
        cv: folds and repeats.
        entity: codes; all rows of an entity are on one side.
        time: numbers; a fold's test rows are all later than its training rows. With ``entity`` too, the entities of
            the test rows are left out of training.

    Raises:
        SchemaError: fewer rows of a class, entities or times than folds; a training fold that lacks a class.
    """
    if time is not None:
        found = _forward(time, cv[0], entity)
    else:
        count = int(np.bincount(y).min())
        if count < cv[0]:
            raise SchemaError(
                f"augment: the rarest class has {count} rows, fewer than the {cv[0]} folds of argument 'cv'; "
                "ask for fewer folds, or gather more rows."
            )
        found = [fold for k in range(cv[1]) for fold in _shuffled(y, cv[0], entity, entropy(seed, k) % 2**31)]
    for fold in found:
        if len(np.unique(y[fold.train])) < len(np.unique(y)):
            raise SchemaError(
                "augment: the training rows of a fold lack a class of the target; ask for fewer folds, or leave "
                "'entity' or 'time' out."
            )
    return found


def _shuffled(y: NDArray[np.int64], folds: int, entity: NDArray[np.int64] | None, seed: int) -> list[Fold]:
    if entity is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    else:
        if len(np.unique(entity)) < folds:
            raise SchemaError(
                f"augment: argument 'entity' names a column of fewer entities than the {folds} folds of argument 'cv'."
            )
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer entities than folds: checked afterwards
        return [Fold(train, test) for train, test in splitter.split(np.zeros(len(y)), y, entity)]


def _forward(time: NDArray[np.float64], folds: int, entity: NDArray[np.int64] | None) -> list[Fold]:
    """``folds + 1`` blocks of about as many rows; each but the first is judged by a model of all before it."""
    order = np.sort(time)
    cuts = np.unique(order[[len(order) * k // (folds + 1) for k in range(1, folds + 1)]])
    block = np.searchsorted(cuts, time, side="right")  # equal times stay together
    found = []
    for k in range(1, int(block.max()) + 1):
        train, test = np.flatnonzero(block < k), np.flatnonzero(block == k)
        if entity is not None:
            train = train[~np.isin(entity[train], entity[test])]
        if len(train) and len(test):
            found.append(Fold(train, test))
    if len(found) < folds:
        late = "" if entity is None else ", or too few entities that come before others do: then leave 'entity' out"
        raise SchemaError(
            f"augment: argument 'time' names a column with too few different times for the {folds} folds of argument "
            f"'cv'; ask for fewer{late}."
        )
    return found
