"""Generalised Pareto tails, fitted by probability-weighted moments.

Hosking and Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 29
(1987), 339-349.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["REACH", "gpd_cdf", "gpd_quantile", "tail_law"]

Floats = NDArray[np.float64]
REACH = 0.98
"""A tail is cut at this share of its mass: the longest draw is a 1-in-50 event of the tail, not of legend."""


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


def tail_law(values: Floats, counts: Floats, knot: float, min_count: int) -> tuple[float, float]:
    """Shape and scale of what lies above ``knot``.

    The shape is that of the outermost tenth of the run; the scale follows from the mean excess over the knot, so that
    the law, cut at :data:`REACH`, has the mean of the rows.

    Args:
        values, counts: of the run, ``(m,)`` each, ascending outwards.
        min_count: rows behind a stored number; a tail stands on four times as many.
    """
    total = counts.sum()
    rows = np.clip(total / 10, 4 * min_count, 1000)
    start = int(np.searchsorted(-np.cumsum(counts[::-1])[::-1], -rows, side="left"))
    start = min(max(start, 1), len(values) - 1, int(np.searchsorted(values, knot, side="right")))
    threshold = min(values[start - 1], knot) if start else knot
    shape, scale = _fit_tail(values[start:] - threshold, counts[start:])
    beyond = values > knot
    if scale <= 0 or not beyond.any():
        return shape, max(scale, 0.0)
    return shape, float(np.average(values[beyond] - knot, weights=counts[beyond])) / _mean(shape)


def _mean(shape: float) -> float:
    """Mean of the law of scale 1 below its quantile :data:`REACH`."""
    if abs(shape) < 1e-6:
        return 1 + (1 - REACH) * math.log(1 - REACH) / REACH
    return float(((1 - (1 - REACH) ** (1 - shape)) / (1 - shape) / REACH - 1) / shape)
