"""What scipy has not of banded Cholesky factors. Shapes: N rows, b diagonals beside the main one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky_banded

__all__ = ["root", "transposed", "variances"]

Floats = NDArray[np.float64]
_LIFTS = (1e-9, 1e-6, 1e-3)


def root(banded: Floats) -> Floats:
    """``(b + 1, N)`` the upper Cholesky factor of a positive definite matrix in upper banded form.

    Where channels almost determine one another, rounding may make it indefinite: its diagonal is lifted, by little at
    first.
    """
    for lift in _LIFTS:
        lifted = banded.copy()
        lifted[-1] *= 1 + lift
        try:
            return np.asarray(cholesky_banded(lifted, lower=False))
        except LinAlgError:
            continue
    lifted[-1] += np.abs(banded[:-1]).sum(0).max() * 2  # dominant
    return np.asarray(cholesky_banded(lifted, lower=False))


def transposed(factor: Floats) -> Floats:
    """The lower banded form of the transpose of an upper banded matrix."""
    band = len(factor) - 1
    out = np.zeros_like(factor)
    for k in range(band + 1):  # the k-th diagonal above the main one
        row = factor[band - k]
        out[k, : len(row) - k] = row[k:]
    return out


def variances(factor: Floats) -> Floats:
    """``(N,)`` the diagonal of the inverse of U'U (Takahashi's equations; Erisman and Tinney, 1975)."""
    band, n = len(factor) - 1, factor.shape[1]
    lower = transposed(factor)  # column i of the lower factor, from its diagonal down
    out = np.empty(n)
    block = np.zeros((band, band))
    for i in range(n - 1, -1, -1):
        diagonal, below = lower[0, i], lower[1:, i]
        cross = -(block @ below) / diagonal
        out[i] = 1 / diagonal**2 - below @ cross / diagonal
        if band:
            block[1:, 1:] = block[:-1, :-1].copy()
            block[0, 0] = out[i]
            block[0, 1:] = block[1:, 0] = cross[:-1]
    return out
