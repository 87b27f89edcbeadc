"""Generalised Pareto tails, fitted by probability-weighted moments, or by likelihood with the extremes censored.

Hosking and Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 29
(1987), 339-349; Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution",
Technometrics 35 (1993), 185-191 (the likelihood as a function of one number).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["gpd_cdf", "gpd_quantile", "reach_of", "tail_law"]

Floats = NDArray[np.float64]
_BEYOND = 0.02  # of a tail's mass that is cut off, where it stands on 20 rows: a 1-in-50 event, not of legend


def reach_of(min_count: int) -> float:
    """At which share of its mass a tail is cut. Tails of more rows reach as far in the table as those of 20."""
    return 1 - _BEYOND * min(1.0, 5 / min_count)


def gpd_quantile(p: Floats, shape: float, scale: float) -> Floats:
    """The excess at cumulative probability ``p``."""
    if abs(shape) < 1e-6:
        return np.asarray(-scale * np.log1p(-p), np.float64)
    return np.asarray(scale / shape * (np.power(1 - p, -shape) - 1), np.float64)


def gpd_cdf(x: Floats, shape: float, scale: float) -> Floats:
    """The cumulative probability of an excess ``x``."""
    if scale <= 0:
        return np.asarray((x > 0).astype(np.float64))
    if abs(shape) < 1e-6:
        return np.asarray(-np.expm1(-x / scale), np.float64)
    return np.asarray(1 - np.power(np.maximum(1 + shape * x / scale, 0.0), -1 / shape), np.float64)


def _fit_tail(excess: Floats, weight: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto law by probability-weighted moments; ``excess`` ascending, positive."""
    p = (np.cumsum(weight) - weight / 2) / weight.sum()
    a0 = float(np.average(excess, weights=weight))
    a1 = float(np.average(excess * (1 - p), weights=weight))
    gap = a0 - 2 * a1
    if a0 <= 0 or gap <= 1e-12 * a0:
        return 0.0, max(a0, 0.0)
    shape = float(np.clip(2 - a0 / gap, -0.5, 0.9))
    return shape, a0 * (1 - shape)


def _fit_censored(excess: Floats, weight: Floats, last: float) -> tuple[float, float]:
    """The same by maximum likelihood, where of excesses above ``last`` only that is known.

    With theta = shape / scale, the best shape is the sum of log(1 + theta x) (censored x at ``last``) per row that is
    not censored, so that one number is left to search for.
    """
    known = excess <= last
    rows = weight[known].sum()
    x = np.minimum(excess, last)
    mean = float(np.average(x, weights=weight))
    if rows <= 0 or mean <= 0:
        return 0.0, max(mean, 0.0)
    low, high = -0.999, 200.0 * last / mean  # of theta times last: shapes from below -1/2 to beyond 1
    best = 0.0
    for _ in range(3):
        grid = np.expm1(np.linspace(np.log1p(low), np.log1p(high), 65))
        theta = np.where(np.abs(grid) < 1e-6, 1e-6, grid) / last
        logs = np.log1p(theta[:, None] * x)
        shape = (logs @ weight) / rows
        gain = -rows * np.log(shape / theta) - logs[:, known] @ weight[known]
        at = int(np.argmax(np.where((shape > -0.5) & (shape < 0.9), gain, -np.inf)))
        best = float(theta[at])
        low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, 64)])
    shape_, total = float((np.log1p(best * x) @ weight) / rows), float(rows)
    if not -0.5 < shape_ < 0.9:
        return 0.0, float(x @ weight) / total
    return shape_, shape_ / best


def tail_law(
    values: Floats, counts: Floats, knot: float, min_count: int, last: float | None = None
) -> tuple[float, float]:
    """Shape and scale of what lies above ``knot``.

    The shape is that of the outermost tenth of the run; the scale follows from the mean excess over the knot, so that
    the law, cut at :func:`reach_of`, has the mean of the rows.

    Args:
        values, counts: of the run, ``(m,)`` each, ascending outwards.
        min_count: rows behind a stored number; a tail stands on four times as many.
        last: of values beyond it nothing is used but that they are; None: all are used as they are.
    """
    total, reach = counts.sum(), reach_of(min_count)
    rows = np.clip(total / 10, 4 * min_count, 1000)
    start = int(np.searchsorted(-np.cumsum(counts[::-1])[::-1], -rows, side="left"))
    start = min(max(start, 1), len(values) - 1, int(np.searchsorted(values, knot, side="right")))
    threshold = min(values[start - 1], knot) if start else knot
    if last is None or last <= threshold:
        shape, scale = _fit_tail(values[start:] - threshold, counts[start:])
    else:
        shape, scale = _fit_censored(values[start:] - threshold, counts[start:], last - threshold)
    beyond = values > knot
    if scale <= 0 or not beyond.any():
        return shape, max(scale, 0.0)
    excess = values[beyond] - knot
    if last is not None and last > threshold:
        hidden = values[beyond] > last
        further = (scale + shape * (last - threshold)) * _mean(shape, reach)  # a law's excess over any value
        excess = np.where(hidden, last - knot + further, excess)
    return shape, float(np.average(excess, weights=counts[beyond])) / _mean(shape, reach)


def _mean(shape: float, reach: float) -> float:
    """Mean of the law of scale 1 below its quantile ``reach``."""
    if abs(shape) < 1e-6:
        return 1 + (1 - reach) * math.log(1 - reach) / reach
    return float(((1 - (1 - reach) ** (1 - shape)) / (1 - shape) / reach - 1) / shape)
