"""Generalised Pareto tails, fitted by probability-weighted moments.

Hosking and Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 29
(1987), 339-349.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["gpd_cdf", "gpd_quantile", "tail_law"]

Floats = NDArray[np.float64]


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
    """Law of what lies above ``knot``, judged by the outermost tenth of the run (ascending distances outwards)."""
    total = counts.sum()
    rows = np.clip(total / 10, 4 * min_count, 1000)
    start = int(np.searchsorted(-np.cumsum(counts[::-1])[::-1], -rows, side="left"))
    start = min(max(start, 1), len(values) - 1)
    threshold = min(values[start - 1], knot)
    shape, scale = _fit_tail(values[start:] - threshold, counts[start:])
    return shape, max(scale + shape * (knot - threshold), 0.1 * scale, 0.0)
