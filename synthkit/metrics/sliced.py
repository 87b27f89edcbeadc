"""The distance of whole rows, seen from many directions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthkit.metrics.base import Case
from synthkit.metrics.encoding import Encoded
from synthkit.metrics.jackknife import Estimate, Ints
from synthkit.metrics.manifold import Groups, OfPoints, points_from
from synthkit.metrics.tables import Kinds

__all__ = ["SlicedWasserstein", "sliced_wasserstein"]

_MIXED = 5  # columns per direction


def sliced_wasserstein(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 20_000,
    directions: int = 100,
) -> float:
    """Wasserstein-1 distance of whole rows, seen from many directions; 0 is best, there is no worst.

    Sliced Wasserstein distance (Bonneel et al., 2015) in the encoding of :mod:`synthkit.metrics.manifold`, every column
    with the same variance. A direction mixes 5 columns, drawn from the seed (of all columns together, a dependence of
    two would hardly show); its distance is divided by the real rows' mean absolute deviation from the median, seen
    from there.

    Args, Raises: see :func:`synthkit.metrics.manifold.alpha_precision`; ``directions``: how many.

    >>> table = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0)})
    >>> sliced_wasserstein(table, table), sliced_wasserstein(table, table.assign(y=table["y"].to_numpy()[::-1])) > 0.3
    (0.0, True)
    """
    points = points_from("sliced_wasserstein", real, synthetic, kinds, seed, rows)
    return _sliced(points, np.random.default_rng(seed), directions, None).value


def _sliced(points: Encoded, rng: np.random.Generator, directions: int, groups: Groups) -> Estimate:
    """See :func:`sliced_wasserstein`."""
    columns, place = np.unique(points.owner, return_inverse=True)
    if not len(columns):
        return Estimate.exact(0.0, groups or ())
    variance = np.bincount(place, points.real.var(axis=0))
    scale = 1 / np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    mixed = np.argsort(rng.random((directions, len(columns))), axis=1)[:, :_MIXED]
    chosen = np.zeros((directions, len(columns)), bool)
    chosen[np.arange(directions)[:, None], mixed] = True
    weights = rng.normal(size=(directions, len(place))) * chosen[:, place] * scale[place]
    real, synthetic = points.real @ weights.T, points.synthetic @ weights.T
    order = [np.argsort(x, axis=0) for x in (real, synthetic)]
    sides = [np.take_along_axis(x, o, axis=0) for x, o in zip((real, synthetic), order, strict=True)]
    middle = np.abs(sides[0] - np.median(sides[0], axis=0)).mean(axis=0)
    unit = np.where(middle > 1e-12, middle, 1.0)
    value = float((np.abs(sides[0] - sides[1]).mean(axis=0) / unit).mean())
    if groups is None:
        return Estimate.exact(value)
    left: list[list[float]] = [[], []]
    for side in (0, 1):
        for g in range(int(groups[side].max()) + 1):
            kept = groups[side] != g
            some = np.stack([sides[side][kept[order[side][:, d]], d] for d in range(directions)], axis=1)
            # the other side at as many quantiles
            spots = ((np.arange(len(some)) + 0.5) / len(some) * len(sides[1 - side])).astype(np.int64)
            left[side].append(float((np.abs(some - sides[1 - side][spots]).mean(axis=0) / unit).mean()))
    return Estimate(value, np.array(left[0]), np.array(left[1]))


class SlicedWasserstein(OfPoints):
    """:func:`sliced_wasserstein` as a metric."""

    name = "sliced_wasserstein"
    label = "Distance of whole rows (sliced Wasserstein)"
    goal = "lower"
    best = 0.0
    bounds = (0.0, float("inf"))
    culprit = "independent"
    reading = "Whole rows are off by {value} (sliced Wasserstein)"
    definition = (
        "Mean Wasserstein-1 distance of rows seen from random directions of 5 columns each (Bonneel et al., 2015), in "
        "units of the real rows' mean absolute deviation from the median."
    )

    @staticmethod
    def find(case: Case, points: Encoded, groups: tuple[Ints, Ints]) -> Estimate:
        return _sliced(points, case.rng, case.limit(50, 100, 300), groups)
