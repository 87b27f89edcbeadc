"""What scipy has not of banded Cholesky factors. Shapes: N rows, b diagonals beside the main one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["transposed", "variances"]

Floats = NDArray[np.float64]


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
