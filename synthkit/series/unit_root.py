"""Small tests of columns: does a level wander off, and has it a season? numpy alone.

The unit-root test is that of Dickey and Fuller (JASA 74, 1979, 427-431), augmented by lagged differences (Said and
Dickey, Biometrika 71, 1984, 599-607); critical values after MacKinnon (2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["adf", "profile_gain", "wanders"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_LEVEL = -3.43  # the 1 % point with a constant: a level is called one only where there is little doubt
_RATIO = 0.2
_SHORT = 500  # rows
_BLOCKS = 6


def adf(x: Floats, starts: Ints, lags: int | None = None) -> float:
    """The t value of the level in a regression of its change on a constant, the level, and lagged changes.

    Args:
        x: ``(T,)`` levels; starts: ``(S,)`` where segments start.
        lags: lagged changes; None: Schwert's rule, and fewer for short series.

    Returns:
        Strongly negative where the level returns to its mean; -inf for a constant; 0 for too short a series.
    """
    lags = _lags(x, starts) if lags is None else lags
    full = _regression(x, starts, lags)
    if full is None or len(full) < full.shape[1] + 9:
        return 0.0
    y, z = full[:, 0], full[:, 1:]
    if np.ptp(z[:, 1]) == 0:
        return -np.inf
    beta, left, gram = _least_squares(y, z)
    variance = left @ left / (len(y) - z.shape[1])
    error = np.sqrt(max(variance * gram[1, 1], 0.0))
    return float(beta[1] / error) if error > 0 else -np.inf


def _lags(x: Floats, starts: Ints) -> int:
    """Schwert's rule; of a short series, which so many lags leave no power, the best number up to that by Akaike's."""
    most = int(min(12 * (len(x) / 100) ** 0.25, 24))
    full = _regression(x, starts, most)
    if len(x) >= _SHORT or full is None or len(full) < 2 * most:
        return most
    y, z = full[:, 0], full[:, 1:]
    costs = []
    for k in range(most + 1):  # all on the same rows
        left = _least_squares(y, z[:, : 2 + k])[1]
        costs.append(len(y) * np.log(max(float(left @ left), 1e-300)) + 2 * k)
    return int(np.argmin(costs))


def _regression(x: Floats, starts: Ints, lags: int) -> Floats | None:
    """``(N, 3 + lags)``: the change, a constant, the level, and lagged changes; None: no segment is long enough."""
    rows = []
    ends = np.append(starts[1:], len(x))
    for a, b in zip(starts, ends, strict=True):
        d = np.diff(x[a:b])
        if len(d) > lags + 2:
            cols = [d[lags:], np.ones(len(d) - lags), x[a:b][lags:-1]]
            cols += [d[lags - k : len(d) - k] for k in range(1, lags + 1)]
            rows.append(np.stack(cols, 1))
    return np.concatenate(rows) if rows else None


def _least_squares(y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients of scaled columns, residuals, and the inverse of their Gram matrix."""
    scale = np.maximum(z.std(0), 1e-9 * np.abs(z).max(0) + 1e-150)  # steps of a straight line do not vary
    scale[0] = 1.0
    gram = np.linalg.pinv((z / scale).T @ (z / scale))
    beta = gram @ ((z / scale).T @ y)
    return beta, y - (z / scale) @ beta, gram


def wanders(x: Floats, starts: Ints) -> bool:
    """A unit root cannot be ruled out at 1 %, and long changes are not much smaller than a random walk's.

    The second is for a level that moves slowly under much noise (traded volumes over many years): lags enough for the
    noise leave the first no power.
    """
    return adf(x, starts) > _LEVEL and _variance_ratio(x, starts) > _RATIO


def _variance_ratio(x: Floats, starts: Ints) -> float:
    """Variance of changes over many steps against that of single ones (Lo and MacKinlay, 1988); 1 for a random walk."""
    ends = np.append(starts[1:], len(x))
    longest = int((ends - starts).max())
    k = int(np.clip(longest // 10, 2, 50))
    pieces = [x[a:b] for a, b in zip(starts, ends, strict=True) if b - a > 2 * k]
    if not pieces:
        return 1.0
    far = np.concatenate([p[k:] - p[:-k] for p in pieces])
    near = np.concatenate([np.diff(p) for p in pieces])
    return float((far**2).mean() / max(k * (near**2).mean(), 1e-300))


def profile_gain(y: Floats, place: Ints, places: int, level: bool, cycle: int) -> tuple[float, Floats]:
    """How much of ``y`` a profile by place explains in blocks that it was not learnt from.

    Args:
        y: ``(T,)``; place: ``(T,)`` in [0, places); level: slow movement is taken out first, by a mean over one cycle;
            cycle: rows of one season.

    Returns:
        The share of variance explained out of sample (below 0: none), and the ``(places,)`` profile, of mean 0.
    """
    if level and cycle >= 2:
        kernel = np.ones(cycle) / cycle
        ones = np.convolve(np.ones(len(y)), kernel, "same")
        y = y - np.convolve(y, kernel, "same") / ones
    block = np.arange(len(y)) * _BLOCKS // len(y)
    sums = np.zeros((_BLOCKS, places))
    counts = np.zeros((_BLOCKS, places))
    np.add.at(sums, (block, place), y)
    np.add.at(counts, (block, place), 1.0)
    others = (sums.sum(0) - sums) / np.maximum(counts.sum(0) - counts + 2, 1)
    others -= (others * counts).sum(1, keepdims=True) / np.maximum(counts.sum(1, keepdims=True), 1)
    left = y - others[block, place]
    means = np.array([y[block == b].mean() for b in range(_BLOCKS)])
    base = y - means[block]
    gain = 1 - float(
        (left - np.array([left[block == b].mean() for b in range(_BLOCKS)])[block]).var() / max(base.var(), 1e-300)
    )
    profile = sums.sum(0) / np.maximum(counts.sum(0) + 2, 1)
    profile -= float((profile * counts.sum(0)).sum() / max(counts.sum(), 1))
    return gain, profile
