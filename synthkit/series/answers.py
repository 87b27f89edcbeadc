"""How levels answer to the size of a move in the same step: the volume beside a bar.

Scales of gap and body hang on the volume, but the whole move tells it better than its parts do (they turn back or
go on, and are large together). So what is new in a volume leans on what is new in the size of the whole move (Karpoff,
J. Financial and Quantitative Analysis 22, 1987), by the correlation of the two in training. Scales stay as they were.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from synthkit.series.base import Channels
from synthkit.series.linear import correlations

__all__ = ["Answers"]

Floats = NDArray[np.float64]
_FAR, _MOST = 3.0, 0.6  # scores at most; and a weight


@dataclass(frozen=True, eq=False)
class Answers:
    """Which levels answer, and to what. Shapes: D channels, V levels that answer.

    Attributes:
        told: ``(V,)`` these levels; whole: ``(D, V)`` weights of channels in the whole change beside each.
        weight: ``(V,)`` correlations of residuals with scores of sizes; usual: ``(V,)`` means of these scores.
    """

    told: NDArray[np.int64]
    whole: Floats
    weight: Floats
    usual: Floats

    @classmethod
    def of(cls, about: Channels) -> Answers:
        """Of channels, before anything is learnt; none where no level stands beside a bar."""
        d = len(about.level)
        told = np.flatnonzero(np.zeros(d, bool) if about.told is None else about.told)
        move = np.zeros(d) if about.move is None else about.move
        whole = (about.group[:, None] == about.group[None, told]) * move[:, None]
        return cls(told, whole, *np.zeros((2, len(told))))

    def fit(self, e: Floats, z: Floats, role: NDArray[np.int64]) -> Answers:
        """From errors ``(N, D)`` and residuals ``z``, the same over their scales; levels of one role answer alike."""
        if not len(self.told):
            return self
        scores = self.scores(e, e / np.where(z == 0, 1.0, z))
        each = zip(z[:, self.told].T, scores.T, strict=True)
        own = np.array([correlations(np.stack(pair).T)[0, 1] for pair in each])
        alike = role[self.told][:, None] == role[self.told][None]
        weight = np.clip(alike @ own / alike.sum(1), 0.0, _MOST)
        return replace(self, weight=weight, usual=scores.mean(0))

    def lean(self, z: Floats, e: Floats, scale: Floats) -> Floats:
        """``(n, V)`` residuals ``z`` of the levels, leaning on errors ``(n, D)`` of changes, of the same spread."""
        return np.sqrt(1 - self.weight**2) * z + self.weight * (self.scores(e, scale) - self.usual)

    def unlean(self, z: Floats, e: Floats, scale: Floats) -> Floats:
        """The inverse of :meth:`lean`."""
        return np.asarray((z - self.weight * (self.scores(e, scale) - self.usual)) / np.sqrt(1 - self.weight**2))

    def scores(self, e: Floats, scale: Floats) -> Floats:
        """``(..., V)`` about normal scores of how large the whole errors ``(..., D)`` are beside their scales."""
        size = np.abs(e @ self.whole) / np.maximum(np.sqrt(scale**2 @ self.whole**2), 1e-9)
        return np.clip(ndtri(np.maximum(2 * ndtr(size) - 1, 1e-4)), -_FAR, _FAR)
