"""Logistic regression: Newton's method for some hundred features, L-BFGS for the thousands of a wide table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Logit", "fit_logistic", "ridge_weights"]

_STEPS = 30
_SMALL = 1e-9
_MANY = 500  # features, beyond which their products cost more than many steps without them


@dataclass(frozen=True)
class Logit:
    """A fitted model.

    Attributes:
        weights: ``(1 + features,)``, the intercept first.
        probability: ``(rows,)`` of class 1, of the rows fitted on.
        rank: how many parameters the features determine, the intercept counted.
    """

    weights: NDArray[np.float64]
    probability: NDArray[np.float64]
    rank: int


def fit_logistic(x: NDArray[np.float64], y: NDArray[np.int64], *, ridge: float = 0.0) -> Logit:
    """Maximum likelihood, with ``ridge`` / 2 times the squared weights (without the intercept) taken from it.

    Without a ridge, features that others determine share their weight (pseudo-inverse), and steps are damped, so that
    separable rows end at probabilities near 0 and 1 instead of an overflow.
    """
    x = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 0.0
    values = np.linalg.eigvalsh(x.T @ x)
    rank = int((values > _SMALL * max(values[-1], 1.0)).sum())
    weights = np.zeros(x.shape[1])
    p, loss = np.full(len(x), 0.5), np.inf
    for _ in range(_STEPS):
        gradient = x.T @ (y - p) - penalty * weights
        curve = (x * (p * (1 - p)).clip(1e-6)[:, None]).T @ x
        curve[np.diag_indices_from(curve)] += penalty + _SMALL * np.trace(curve) / len(curve)
        step = np.linalg.solve(curve, gradient)
        for _ in range(8):  # halve the step until it helps
            score = np.clip(x @ (weights + step), -30, 30)
            new = float(np.logaddexp(0, score).sum() - score @ y + (penalty * (weights + step) ** 2).sum() / 2)
            if new <= loss:
                break
            step = step / 2
        weights, gained = weights + step, loss - new
        p, loss = 1 / (1 + np.exp(-score)), new
        if gained < 1e-6 * len(x) ** 0.5 + 1e-7 * abs(loss):
            break
    return Logit(weights, p, rank)


def ridge_weights(x: NDArray[np.float64], y: NDArray[np.int64], *, ridge: float) -> NDArray[np.float64]:
    """Weights of the features of :func:`fit_logistic`, of any number of them.

    More than 500 take L-BFGS (Liu & Nocedal 1989) in single precision, stopped at 50 steps: the ridge keeps the weights
    where they are known well before, and what is asked of them is an order of the rows.
    """
    if x.shape[1] <= _MANY:
        return fit_logistic(x, y, ridge=ridge).weights[1:]
    small, sign = x.astype(np.float32), (2 * y - 1).astype(np.float32)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = small @ weights[1:].astype(np.float32) + np.float32(weights[0])
        wrong = -sign / (1 + np.exp(np.clip(sign * score, -30, 30)))
        slope = np.concatenate([[wrong.sum()], wrong @ small + ridge * weights[1:]])
        value = np.logaddexp(0, -sign * score).sum(dtype=np.float64) + ridge * (weights[1:] ** 2).sum() / 2
        return float(value), slope.astype(np.float64)

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 50})
    return np.asarray(found.x[1:], np.float64)
