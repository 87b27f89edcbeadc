"""Bootstraps of series: rows of the real one, drawn again in blocks. The baseline that any network must be held
against.

``stationary``, ``circular`` and ``moving`` blocks copy rows as they are (:mod:`synthkit.blockwise`). ``filtered``
takes the scale out first, by a GARCH(1, 1) per channel (Bollerslev, J. Econometrics 31, 1986) around a linear
prediction from the row before, draws rows of standardised residuals jointly, and puts mean and scale back (filtered
historical simulation; Barone-Adesi, Giannopoulos and Vosper, J. Futures Markets 19, 1999). All hold values of
training rows, and so does a file of them: nothing here protects anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.signal import lfilter

from synthkit.blockwise import block_length, block_rows
from synthkit.errors import TrainingError
from synthkit.params import Interval, OneOf, Optional, param
from synthkit.series.base import Budget, Channels, FittedSeries, Floats, SeriesSpec

__all__ = ["FittedBootstrap", "SeriesBootstrap", "garch"]

Ints = NDArray[np.int64]
_FEWEST = 30
_RIDGE = 1e-3
_STABLE = 0.995  # largest root of the linear prediction, and the most that alpha + beta may be
_BURN = 200
_WIDEST = 50.0  # a scale is at most so many times the usual one, so that no path runs away


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesBootstrap(SeriesSpec):
    """Recipe of the bootstraps. A drawn path is made of training rows (``copies`` is True).

    The mean block is by default the largest of the channels' own best lengths (values and absolute values).
    """

    name: ClassVar[str] = "bootstrap"
    kind: str = param(
        "stationary", OneOf("stationary", "circular", "moving", "filtered"), "which blocks; filtered: of residuals"
    )
    block: float | None = param(None, Optional(Interval(float, 1, None)), "(mean) rows of a block; None: automatic")

    def fit(
        self,
        channels: Floats,
        covariates: Floats | None = None,
        starts: Ints | None = None,
        *,
        about: Channels | None = None,
        seed: int = 0,
        budget: Budget = Budget(),  # noqa: B008
        device: torch.device | None = None,
    ) -> FittedBootstrap:
        """Keep the rows, and choose the length of blocks; see :meth:`SeriesSpec.fit`. Nothing is random.

        Raises:
            TrainingError: fewer than 30 rows.
        """
        x = np.array(channels, np.float64)
        if len(x) < _FEWEST:
            raise TrainingError(f"SeriesBootstrap.fit: {len(x)} rows are too few; give {_FEWEST} at least.")
        starts = np.zeros(1, np.int64) if starts is None else np.asarray(starts, np.int64)
        lengths = np.diff(np.append(starts, len(x)))
        if self.kind != "filtered":
            block = self.block or _best_block(x, self.kind, starts)
            return FittedBootstrap(self.kind, block, x, lengths)
        filter_ = _Filter.fit(x, starts)
        rest = filter_.residuals(x, starts)
        block = self.block or 1.0
        return FittedBootstrap("filtered", block, rest, lengths, filter_)

    @staticmethod
    def fitted_class() -> type[FittedBootstrap]:
        """See :meth:`SeriesSpec.fitted_class`."""
        return FittedBootstrap


def _best_block(x: Floats, kind: str, starts: Ints) -> float:
    """The largest of the best lengths for channels and for their absolute values."""
    blocks: Literal["stationary", "circular"] = "stationary" if kind == "stationary" else "circular"
    seen = np.concatenate([x, np.abs(x - np.median(x, axis=0))], axis=1)
    return float(max(block_length(column, blocks, starts) for column in seen.T))


@dataclass(eq=False)
class FittedBootstrap(FittedSeries):
    """Rows, or rows of standardised residuals, and how they are drawn.

    Attributes:
        kind: of :class:`SeriesBootstrap`; block: (mean) rows of a block; rows: ``(T, D)``; lengths: ``(S,)`` of
        segments. filter: of the filtered bootstrap.
    """

    copies: ClassVar[bool] = True
    kind: str
    block: float
    rows: Floats
    lengths: Ints
    filter: _Filter | None = None
    memory: int = 0

    def __post_init__(self) -> None:
        self.memory = 0 if self.filter is None else 250

    def draw(
        self, n: int, length: int, past: Floats | None = None, covariates: Floats | None = None, *, seed: int
    ) -> Floats:
        """See :meth:`FittedSeries.draw`. Plain blocks do not look at the past: a path goes on with any block."""
        rng = np.random.default_rng([seed, 31])
        burn = _BURN if self.filter is not None and past is None else 0
        kind = "stationary" if self.kind == "filtered" else self.kind
        at = block_rows(self.lengths, n, burn + length, self.block, kind=kind, rng=rng)  # type: ignore[arg-type]
        drawn = self.rows[at]
        if self.filter is None:
            return drawn
        return self.filter.paths(drawn, past)[:, burn:]

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """See :meth:`FittedSeries.to_state`; the arrays hold training rows."""
        arrays: dict[str, NDArray[Any]] = {"rows": self.rows, "lengths": self.lengths}
        if self.filter is not None:
            arrays |= {"matrix": self.filter.matrix, "garch": self.filter.garch, "mean": self.filter.mean}
        return {"kind": self.kind, "block": self.block}, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> FittedBootstrap:
        """The inverse of :meth:`to_state`."""
        filter_ = _Filter(arrays["mean"], arrays["matrix"], arrays["garch"]) if "garch" in arrays else None
        return cls(value["kind"], float(value["block"]), arrays["rows"], arrays["lengths"], filter_)


# -------------------------------------------------------------------- the filter
@dataclass(eq=False)
class _Filter:
    """``x_t = mean + matrix (x_{t-1} - mean) + sqrt(h_t) z_t``, ``h_t = omega + alpha e_{t-1}^2 + beta h_{t-1}`` per
    channel.

    Attributes:
        mean: ``(D,)``; matrix: ``(D, D)``; garch: ``(D, 3)`` omega, alpha, beta.
    """

    mean: Floats
    matrix: Floats
    garch: Floats

    @classmethod
    def fit(cls, x: Floats, starts: Ints) -> _Filter:
        mean = x.mean(axis=0)
        y = x - mean
        inner = np.setdiff1d(np.arange(len(x)), starts)
        gram = y[inner - 1].T @ y[inner - 1]
        gram += np.eye(len(gram)) * (_RIDGE * np.trace(gram) / len(gram) + 1e-12)
        matrix = np.linalg.solve(gram, y[inner - 1].T @ y[inner]).T
        root = float(np.abs(np.linalg.eigvals(matrix)).max())
        matrix *= min(1.0, _STABLE / max(root, 1e-12))
        rest = y.copy()
        rest[inner] -= y[inner - 1] @ matrix.T
        return cls(mean, matrix, np.stack([garch(rest[inner, j]) for j in range(x.shape[1])]))

    def residuals(self, x: Floats, starts: Ints) -> Floats:
        """``(T, D)`` standardised residuals, of mean 0 and variance 1 each."""
        z, _ = self._filtered(x - self.mean, starts)
        z -= z.mean(axis=0)
        return z / np.maximum(z.std(axis=0), 1e-12)

    def _filtered(self, y: Floats, starts: Ints) -> tuple[Floats, Floats]:
        """Residuals over their scale, and the variance of the step after the last."""
        omega, alpha, beta = self.garch.T
        usual = omega / np.maximum(1 - alpha - beta, 1e-6)
        first = np.zeros(len(y), bool)
        first[starts] = True
        out, h = np.empty_like(y), usual.copy()
        for t in range(len(y)):
            if first[t]:
                h = usual.copy()
                e = np.clip(y[t], -np.sqrt(usual), np.sqrt(usual))
            else:
                e = y[t] - self.matrix @ y[t - 1]
            out[t] = e / np.sqrt(h)
            h = omega + alpha * e**2 + beta * h
        return out, h

    def paths(self, z: Floats, past: Floats | None) -> Floats:
        """``(n, length, D)`` paths of drawn residuals, after the past or from the usual state."""
        n, length, d = z.shape
        omega, alpha, beta = self.garch.T
        usual = omega / np.maximum(1 - alpha - beta, 1e-6)
        last, h = np.zeros((n, d)), np.broadcast_to(usual, (n, d)).copy()
        if past is not None:
            many = [self._filtered(p - self.mean, np.zeros(1, np.int64))[1] for p in past]
            h = np.broadcast_to(np.stack(many), (n, d)).copy()
            last = np.broadcast_to(past[:, -1] - self.mean, (n, d)).copy()
        out = np.empty_like(z)
        for t in range(length):
            e = np.sqrt(np.minimum(h, _WIDEST**2 * usual)) * z[:, t]
            last = last @ self.matrix.T + e
            out[:, t] = last
            h = omega + alpha * e**2 + beta * h
        return out + self.mean


def garch(e: Floats) -> Floats:
    """Omega, alpha and beta of a GARCH(1, 1) by Gaussian quasi-likelihood (Bollerslev and Wooldridge, 1992).

    Args:
        e: ``(T,)`` residuals of mean about 0.

    Returns:
        ``(3,)``; alpha + beta is at most .995; no clustering: alpha and beta 0.
    """
    variance = float(np.mean(e**2))
    if variance <= 0 or len(e) < 4 * _FEWEST:
        return np.array([max(variance, 1e-12), 0.0, 0.0])
    squares = np.minimum(e**2 / variance, 400.0)

    def loss(theta: Floats) -> float:
        alpha, beta = _shares(theta)
        h = _variances(squares, alpha, beta)
        return float(np.mean(np.log(h) + squares / h))

    flat = float(1.0 + np.log(squares.mean()))
    found = [
        minimize(loss, start, method="Nelder-Mead", options={"maxiter": 200, "xatol": 1e-3, "fatol": 1e-6})
        for start in ((3.0, -2.5), (1.0, -1.0))
    ]
    best = min(found, key=lambda f: float(f.fun))
    if not np.isfinite(best.fun) or (flat - best.fun) * len(e) < 6.0:  # a likelihood ratio of two parameters, at 5 %
        return np.array([variance, 0.0, 0.0])
    alpha, beta = _shares(best.x)
    return np.array([variance * (1 - alpha - beta), alpha, beta])


def _shares(theta: Floats) -> tuple[float, float]:
    """Alpha and beta, of sum below .995, of any two numbers."""
    total = _STABLE / (1 + np.exp(-theta[0]))
    share = 1 / (1 + np.exp(-theta[1]))
    return float(total * share), float(total * (1 - share))


def _variances(squares: Floats, alpha: float, beta: float) -> Floats:
    """Variances in units of the usual one: a linear recursion, from the usual one."""
    drive = np.concatenate([[1.0], (1 - alpha - beta) + alpha * squares[:-1]])
    drive[0] = 1.0
    return np.maximum(lfilter([1.0], [1.0, -beta], drive), 1e-8)
