"""How far the numbers of a series go, without telling how far any few of its rows went.

A limit that follows from the largest number tells that number to whoever reads the file. Here it follows from a tail
that is fitted with the outermost rows censored, and quantiles are means of some neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthkit.transforms.tails import gpd_quantile, tail_law

__all__ = ["extremes_of", "far", "quantiles"]

Floats = NDArray[np.float64]
_ROWS = 12  # a tail of 4 k rows, and 2 k beside it at least, on each side


def extremes_of(x: Floats, least: int) -> tuple[float, float]:
    """The lowest and the highest number that so many rows have as a rule; with ``least`` 1, those of ``(T,)`` rows."""
    if least <= 1 or len(x) < 2 * _ROWS:
        return (float(x.min()), float(x.max())) if least <= 1 else (float(np.mean(x)),) * 2
    k = max(min(least, len(x) // _ROWS), 1)
    ends = []
    for sign in (-1.0, 1.0):
        v = np.sort(sign * x)
        knot = float(v[len(v) - 5 * k : len(v) - 4 * k].mean())  # k rows, with 4 k beyond
        shape, scale = tail_law(v, np.ones(len(v)), knot, k, float(v[-k]))
        room = float(gpd_quantile(np.array([1 - 1 / (4 * k)]), shape, scale)[0]) if scale > 0 else 0.0
        ends.append(sign * (knot + room))
    return ends[0], ends[1]


def far(x: Floats, least: int) -> tuple[Floats, Floats]:
    """:func:`extremes_of` of each column of ``(T, D)``: ``(D,)`` each."""
    found = [extremes_of(column, least) for column in x.T]
    return np.array([low for low, _ in found]), np.array([high for _, high in found])


def quantiles(x: Floats, levels: Floats, least: int) -> Floats:
    """``(K, D)`` quantiles of ``(T, D)``, each a mean of ``least`` neighbours none of which is among the outermost."""
    n = len(x)
    k = max(min(least, n // _ROWS), 1)
    if k == 1:
        return np.quantile(x, levels, axis=0)
    total = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(np.sort(x, axis=0), axis=0)])
    first = np.clip(np.round(levels * (n - 1) - (k - 1) / 2).astype(int), k, n - 2 * k)
    return np.asarray((total[first + k] - total[first]) / k)
