"""Ridge regression as an input of trees, which alone approximate a line by many steps."""

from __future__ import annotations

import numpy as np

from synthkit.imputation.cells import Floats

__all__ = ["Line"]

_PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0)  # per row


class Line:
    """Ridge regression of goals on inputs, its penalty by the errors of left-out rows (Allen's PRESS, 1974).

    Of more than two goals, the two main axes of what is predicted.

    Args:
        x: ``(rows, inputs)``, NaN for gaps, which count as means; y: ``(rows, goals)``.

    Attributes:
        fitted: ``(rows, axes)`` what is predicted of each row by the others, so that trees trust it no more than it is
            worth for a new row.
        skill: share of the goals' variance that ``fitted`` explains.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        z = np.nan_to_num(x)
        self._mean, self._std = z.mean(0), np.maximum(z.std(0), 1e-9)
        z, y = (z - self._mean) / self._std, y - y.mean(0)
        total = max(float((y**2).sum()), 1e-12)
        values, vectors = np.linalg.eigh(z.T @ z)
        values, turned = np.maximum(values, 0), z @ vectors
        shared = turned.T @ y
        best = np.inf
        for penalty in _PENALTIES:
            shrunk = 1 / (values + penalty * len(z))
            leverage = turned**2 @ shrunk + 1 / len(z)
            error = (y - turned @ (shrunk[:, None] * shared)) / np.maximum(1 - leverage, 1e-3)[:, None]
            loss = float((error**2).sum())
            if loss < best:
                best, self.fitted = loss, y - error
                self._weights = vectors @ (shrunk[:, None] * shared)
        self.skill = 1 - best / total
        if y.shape[1] > 2:
            _, _, axes = np.linalg.svd(self.fitted, full_matrices=False)
            self.fitted, self._weights = self.fitted @ axes[:2].T, self._weights @ axes[:2].T

    def predict(self, x: Floats) -> Floats:
        """``(rows, axes)``, up to a constant."""
        out: Floats = ((np.nan_to_num(x) - self._mean) / self._std) @ self._weights
        return out
