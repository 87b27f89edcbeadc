"""Closed forms under the net: ridge regressions of the next step, and log-linear scales of its error.

The scale is that of an exponential heteroscedastic model (after Nelson, Econometrica 59, 1991, and the components of
Corsi, J. Financial Econometrics 7, 2009), fitted by the likelihood of a Student t, whose Fisher information in the log
scale is constant: scoring steps with one factorised matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ridge", "correlations", "fit_scale", "folds_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FOLDS = 6
_PENALTIES = np.array([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])  # per row, of standardised features
_NU = 6.0
_STEPS = 25
_WORTH = 0.002  # nats per row that a varying scale must bring in rows it was not fitted on


def folds_of(rows: int) -> Ints:
    """``(rows,)`` contiguous blocks."""
    return np.arange(rows) * _FOLDS // max(rows, 1)


def correlations(x: Floats) -> Floats:
    """``(D, D)`` of the columns of ``(N, D)``; 0 where one does not move."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.corrcoef(x.T).reshape(x.shape[1], x.shape[1])
    return np.where(np.isfinite(found), found, 0.0)


class Ridge:
    """Ridge regressions of many targets on subsets of one set of features; the penalty by error in left-out blocks.

    Args:
        x: ``(N, M)`` features, the first of which is constant; y: ``(N, D)``.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        self.mean, self.scale = x.mean(0), x.std(0)
        self.mean[0], self.scale[0] = 0.0, 1.0
        self.dead = self.scale < 1e-9
        self.scale[self.dead] = 1.0
        z = (x - self.mean) / self.scale
        z[:, self.dead] = 0.0
        z[:, 0] = 1.0
        self.dead[0] = False
        fold = folds_of(len(x))
        self.grams = np.stack([z[fold == f].T @ z[fold == f] for f in range(_FOLDS)])
        self.cross = np.stack([z[fold == f].T @ y[fold == f] for f in range(_FOLDS)])
        self.squares = np.stack([(y[fold == f] ** 2).sum(0) for f in range(_FOLDS)])
        self.rows = np.bincount(fold, minlength=_FOLDS)

    def fit(self, j: int, columns: Ints, prior: Floats | None = None) -> tuple[Floats, float]:
        """``(M,)`` weights of target ``j``, and the share of variance explained in left-out blocks (0: a constant).

        Args:
            columns: features, the constant first; prior: what :meth:`shared` says of them.
        """
        live = ~self.dead[columns]
        columns, prior = columns[live], None if prior is None else prior[live]
        gram, cross = self.grams[:, columns[:, None], columns], self.cross[:, columns, j]
        w, gain = _solved(gram, cross, self.squares[:, j], self.rows, prior)
        out = np.zeros(len(self.mean))
        if gain <= 0:
            out[0] = cross[:, 0].sum() / self.rows.sum()
            return out, 0.0
        out[columns] = w / self.scale[columns]
        out[0] = w[0] - (out[columns[1:]] * self.mean[columns[1:]]).sum()
        return out, gain

    def shared(self, targets: Ints, columns: list[Ints]) -> Floats | None:
        """``(K,)`` weights of standardised features that all ``targets`` have in common; None where they have none.

        Args:
            columns: of each target ``(K,)`` features, which mean the same in the same places.
        """
        if len({len(c) for c in columns}) > 1:
            return None
        gram = np.sum([self.grams[:, c[:, None], c] for c in columns], axis=0)
        cross = np.sum([self.cross[:, c, j] for c, j in zip(columns, targets, strict=True)], axis=0)
        squares = self.squares[:, targets].sum(1)
        w, gain = _solved(gram, cross, squares, self.rows * len(targets), None)
        return w if gain > 0 else None


def _solved(gram: Floats, cross: Floats, squares: Floats, rows: Ints, prior: Floats | None) -> tuple[Floats, float]:
    """Weights by the best penalty, and the share of variance explained in left-out blocks.

    Args:
        gram: ``(F, K, K)``; cross: ``(F, K)``; squares, rows: ``(F,)``, of each block; prior: ``(K,)``.
    """
    penalties = _PENALTIES if prior is None else np.append(_PENALTIES, [10.0, 100.0])
    whole, wanted, total = gram.sum(0), cross.sum(0), int(rows.sum())
    free = np.ones(len(whole))
    free[0] = 0.0
    drawn_to = np.zeros(len(whole)) if prior is None else free * prior
    error, base = np.zeros(len(penalties)), 0.0

    def solve(inner: Floats, right: Floats, n: int, penalty: float) -> Floats:
        pull = penalty * n * free
        return np.asarray(np.linalg.solve(inner + np.diag(pull + 1e-9 * n), right + pull * drawn_to))

    for f in range(len(gram)):
        n = total - int(rows[f])
        inner, right = whole - gram[f], wanted - cross[f]
        constant = right[0] / max(n, 1)
        base += squares[f] - 2 * constant * cross[f, 0] + constant**2 * rows[f]
        for k, penalty in enumerate(penalties):
            w = solve(inner, right, n, penalty)
            error[k] += squares[f] - 2 * w @ cross[f] + w @ gram[f] @ w
    best = int(error.argmin())
    return solve(whole, wanted, total, penalties[best]), float(1 - error[best] / max(base, 1e-300))


def _scoring(x: Floats, e: Floats, penalty: float, prior: Floats | float = 0.0) -> Floats:
    """``(M,)`` weights of the log scale, drawn to ``prior``; the first feature is constant and costs nothing."""
    free = np.full(x.shape[1], penalty * len(x))
    free[0] = 0.0
    factor = np.linalg.inv(x.T @ x * (2 * _NU / (_NU + 3)) + np.diag(free + 1e-9 * len(x)))
    b = np.zeros(x.shape[1]) + prior
    b[0] = np.log(max(float(np.sqrt((e**2).mean())), 1e-9))
    for _ in range(_STEPS):
        q = (e * np.exp(-np.clip(x @ b, -20, 20))) ** 2
        slope = x.T @ ((_NU + 1) * q / (_NU + q) - 1) - free * (b - prior)
        move = factor @ slope
        b = b + move * min(1.0, 1.0 / max(float(np.abs(move).max()), 1e-9))
        if np.abs(move).max() < 1e-5:
            break
    return b


def _cost(x: Floats, e: Floats, b: Floats) -> float:
    """Negative log likelihood per row, up to a constant."""
    s = np.clip(x @ b, -20, 20)
    return float((s + (_NU + 1) / 2 * np.log1p((e * np.exp(-s)) ** 2 / _NU)).mean())


def fit_scale(
    x: Floats, e: Floats, prior: Floats | None = None, lead: Floats | None = None, *, nats: float = 0.0
) -> tuple[Floats, float]:
    """Weights of log scale, and the nats per row that its features bring in left-out blocks (0: a constant scale).

    Args:
        x: ``(N, M)`` features, the first of which is 1; e: ``(N,)`` errors; prior: ``(M,)`` weights that others like
            this one have, which it is drawn to; lead: without one, ``(M,)`` the direction in which it is drawn, as far
            as two numbers fitted by themselves say. nats: that they must bring in all rows together, at least.
    """
    mean, spread = x.mean(0), x.std(0)
    mean[0], spread[0] = 0.0, 1.0
    dead = spread < 1e-9
    spread[dead] = 1.0
    z = (x - mean) / spread
    z[:, dead] = 0.0
    z[:, 0] = 1.0
    fold = folds_of(len(x))
    if prior is None and lead is not None:
        prior = lead * _scoring(np.stack([np.ones(len(x)), x @ lead], 1), e, 0.0)[1]
    penalties = (0.002, 0.02, 0.2) if prior is None else (0.02, 0.2, 2.0, 200.0)
    drawn_to = np.zeros(x.shape[1]) if prior is None else np.where(dead, 0.0, prior * spread)
    drawn_to[0] = 0.0
    costs = np.zeros(len(penalties))
    base = 0.0
    one = np.ones((len(x), 1))
    for f in range(0, _FOLDS):
        inside, outside = fold != f, fold == f
        share = outside.mean()
        base += share * _cost(one[outside], e[outside], _scoring(one[inside], e[inside], 0.0))
        for k, penalty in enumerate(penalties):
            costs[k] += share * _cost(z[outside], e[outside], _scoring(z[inside], e[inside], penalty, drawn_to))
    best = int(costs.argmin())
    out = np.zeros(x.shape[1])
    if base - costs[best] < max(_WORTH, nats / len(x)):
        out[0] = _scoring(one, e, 0.0)[0]
        return out, 0.0
    b = _scoring(z, e, penalties[best], drawn_to)
    out = b / spread
    out[dead] = 0.0
    out[0] = b[0] - (out[1:] * mean[1:]).sum()
    return out, float(base - costs[best])
