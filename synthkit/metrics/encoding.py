"""Rows as vectors: what linear models, networks and distances see of two tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.cells import edges_of
from synthkit.metrics.tables import Coded

__all__ = ["Encoded", "encode"]

_CLIP = 5.0  # scaled deviations beyond are cut, so that one wild cell does not drown the others


@dataclass(frozen=True)
class Encoded:
    """Two tables as vectors of the same features.

    Attributes:
        real, synthetic: float64 ``(rows, features)``.
        owner: ``(features,)`` the column behind each feature, by its place among numbers, then categories.
    """

    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    owner: NDArray[np.int64]


def encode(
    a: Coded, b: Coded, *, scaled: bool = False, ranks: bool = False, bins: int = 0, top: int = 30, least: int = 1
) -> Encoded:
    """Encode two tables alike; all that is learnt, is learnt from the first.

    A category becomes one 0/1 feature per level: of the ``top`` most frequent ones that have ``least`` rows in both
    tables together; the others share one, null has its own. A number or date becomes, as asked for,

    - ``scaled``: its distance from the median in units of 1.25 mean absolute deviations (the standard deviation of a
      normal law), cut at 5, and
    - ``ranks``: its share of smaller real cells, ties halved, from 0 to 1, and
    - ``bins``: one 0/1 feature per bin at real quantiles,

    with one 0/1 feature for null, where the others are in the middle. Features that do not vary are left out.
    """
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64], int]] = []
    for j in range(len(a.num)):
        sides = [_number(a.numbers[:, j], t.numbers[:, j], scaled, ranks, bins) for t in (a, b)]
        blocks.append((sides[0], sides[1], j))
    for j, size in enumerate(a.sizes):
        codes = [t.codes[:, j] for t in (a, b)]
        count = np.bincount(np.concatenate(codes) + 1, minlength=size + 1)[1:]
        place = np.full(size + 1, min(size, top), np.int64)
        kept = np.flatnonzero(count[:top] >= least)
        place[kept], place[-1] = np.arange(len(kept)), top + 1  # the last is null, code -1
        place[:-1] = np.minimum(place[:-1], top)
        sides = [(place[c][:, None] == np.arange(top + 2)).astype(np.float64) for c in codes]
        blocks.append((sides[0], sides[1], len(a.num) + j))
    real, synthetic = (np.concatenate([block[i] for block in blocks], axis=1) for i in (0, 1))
    owner = np.concatenate([np.full(block[0].shape[1], block[2]) for block in blocks]).astype(np.int64)
    low = np.minimum(real.min(axis=0, initial=np.inf), synthetic.min(axis=0, initial=np.inf))
    high = np.maximum(real.max(axis=0, initial=-np.inf), synthetic.max(axis=0, initial=-np.inf))
    varies = high > low
    return Encoded(real[:, varies], synthetic[:, varies], owner[varies])


def _number(
    base: NDArray[np.float64], x: NDArray[np.float64], scaled: bool, ranks: bool, bins: int
) -> NDArray[np.float64]:
    known, null = np.sort(base[~np.isnan(base)]), np.isnan(x)
    if not len(known):
        known = np.zeros(1)
    out = [null.astype(np.float64)]
    if scaled:
        middle = float(np.median(known))
        spread = 1.2533 * float(np.abs(known - middle).mean())
        out.append(np.where(null, 0.0, np.clip((x - middle) / (spread or 1.0), -_CLIP, _CLIP)))
    if ranks:
        below = [np.searchsorted(known, x, side) / len(known) for side in ("left", "right")]
        out.append(np.where(null, 0.5, (below[0] + below[1]) / 2))
    if bins:
        ends = edges_of(base, bins)
        code = np.where(null, -1, np.searchsorted(ends, x))
        out += list((code == np.arange(len(ends) + 1)[:, None]).astype(np.float64))
    return np.stack(out, axis=1)
