"""SMOTE-NC, the control that everybody knows: new rows between a row and its neighbours of the same class.

After Chawla, Bowyer, Hall & Kegelmeyer (JAIR 16, 2002), section 6.1: distances add, for every category that differs,
the square of the median standard deviation of the numbers; a new number lies at random between those of a row and one
of its nearest neighbours, a new category is the commonest one among these neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

__all__ = ["smote_rows"]

_NEIGHBOURS = 5


def smote_rows(
    rows: NDArray[np.float64], categorical: NDArray[np.bool_], n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``(n, columns)`` new rows of the class whose rows are given.

    Args:
        rows: ``(m, columns)`` all of one class, m >= 1; NaN for null, which a new row takes from its base row.
        categorical: ``(columns,)`` which columns are codes.
        n: rows to draw.
    """
    if len(rows) == 1:
        return np.repeat(rows, n, axis=0)
    near = _neighbours(rows, categorical)
    base = rng.integers(len(rows), size=n)
    chosen = near[base, rng.integers(near.shape[1], size=n)]
    share = rng.random((n, 1))
    out = rows[base].copy()
    moved = out + share * (rows[chosen] - out)
    numeric = ~categorical
    out[:, numeric] = np.where(np.isnan(moved), out, moved)[:, numeric]
    for j in np.flatnonzero(categorical):
        out[:, j] = _commonest(rows[:, j][near])[base]
    return out


def _neighbours(rows: NDArray[np.float64], categorical: NDArray[np.bool_]) -> NDArray[np.int64]:
    numbers = rows[:, ~categorical]
    parts: list[NDArray[np.float64]] = []
    step = 1.0
    if numbers.shape[1]:
        known = np.isfinite(numbers)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, numbers, 0.0).sum(0) / count
        centred = np.where(known, numbers - mean, 0.0)  # a null stands at the mean
        spread = np.sqrt((centred**2).sum(0) / count)
        # standardised, as the units of unlike columns say nothing; the median deviation is then 1
        parts.append(centred / np.where(spread > 0, spread, 1.0))
    for j in np.flatnonzero(categorical):
        codes = np.where(np.isnan(rows[:, j]), -1, rows[:, j])
        level = np.unique(codes)
        parts.append((codes[:, None] == level) * (step / np.sqrt(2.0)))  # two that differ are ``step`` apart
    space = np.concatenate(parts, axis=1)
    k = min(_NEIGHBOURS, len(rows) - 1)
    near = np.asarray(NearestNeighbors(n_neighbors=k + 1).fit(space).kneighbors(space, return_distance=False))
    own = near == np.arange(len(rows))[:, None]
    own[~own.any(1), -1] = True  # among copies of itself a row may be missing: the farthest goes instead
    return np.asarray(near[~own].reshape(len(rows), k))


def _commonest(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per row of ``(rows, k)``, the code that is there most often; of several, the nearest neighbour's."""
    same = codes[:, :, None] == codes[:, None, :]
    same |= np.isnan(codes)[:, :, None] & np.isnan(codes)[:, None, :]
    return np.asarray(codes[np.arange(len(codes)), same.sum(2).argmax(1)])
