"""What long draws of a model are bent by, so that channels follow the laws of training.

A step is drawn from what came before it; the law of many steps is a by-product. Where scales vary less in draws than in
training, or the largest errors do not go with the largest scales, outer quantiles are off. A monotone map per channel
(quantile mapping, as for climate models: Panofsky and Brier, 1958) makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthkit.series.far import quantiles

__all__ = ["Margins"]

Floats = NDArray[np.float64]
_LEVELS = ndtr(np.linspace(-2.6, 2.6, 21))  # the outermost stand for 1 row of 200
_RISE = 1e-6  # knots rise by so much at least: a map of a spike has an inverse, too
_REACH = (0.5, 2.0)  # of the outer slopes


@dataclass(eq=False)
class Margins:
    """Monotone maps, lines between knots. Shapes: D channels, K knots.

    Attributes:
        found, wanted: ``(K, D)`` quantiles of draws and of training; slopes: ``(2, D)`` below the first knot and above
            the last, so that mean excesses agree.
    """

    found: Floats
    wanted: Floats
    slopes: Floats

    @classmethod
    def fit(cls, drawn: Floats, real: Floats, use: NDArray[np.bool_], least: int = 1) -> Margins:
        """Learn maps from ``(M, D)`` draws to ``(T, D)`` rows; the identity where ``use`` ``(D,)`` is not.

        Args:
            least: rows behind every knot; as many outermost ones tell nothing.
        """
        out = []
        edge = 0.0 if least <= 1 else min(1.5 * least / len(real), 0.1)
        levels = np.clip(_LEVELS, edge, 1 - edge)
        if least > 1:  # both sides alike: beyond, they are as far as there
            ends = [quantiles(x, np.array([edge, 1 - edge]), least) for x in (drawn, real)]
            far_ = [(e[0] - (e[1] - e[0]), e[1] + (e[1] - e[0])) for e in ends]
            drawn, real = np.clip(drawn, *far_[0]), np.clip(real, *far_[1])
        for x in (drawn, real):
            knots = quantiles(x, levels, least)
            out.append(knots + _RISE * np.arange(len(knots))[:, None])
        found, wanted = out
        wanted = np.where(use, wanted, found)
        excess = np.stack(
            [
                [np.maximum(k[0] - x, 0).mean(0), np.maximum(x - k[-1], 0).mean(0)]
                for x, k in ((drawn, found), (real, wanted))
            ]
        )
        slopes = np.clip(excess[1] / np.maximum(excess[0], 1e-9), *_REACH)
        return cls(found, wanted, np.where(use, slopes, 1.0))

    @classmethod
    def same(cls, d: int) -> Margins:
        """The identity."""
        knots = np.repeat(np.linspace(-1.0, 1.0, len(_LEVELS))[:, None], d, axis=1)
        return cls(knots, knots.copy(), np.ones((2, d)))

    def apply(self, x: Floats) -> Floats:
        """``(..., D)`` draws, mapped."""
        return _mapped(x, self.found, self.wanted, self.slopes)

    def undo(self, x: Floats) -> Floats:
        """``(..., D)`` what :meth:`apply` makes ``x`` of."""
        return _mapped(x, self.wanted, self.found, 1 / self.slopes)


def _mapped(x: Floats, a: Floats, b: Floats, slopes: Floats) -> Floats:
    out = np.empty_like(x)
    for j in range(x.shape[-1]):
        y = x[..., j]
        inner = np.interp(y, a[:, j], b[:, j])
        out[..., j] = inner + slopes[0, j] * np.minimum(y - a[0, j], 0) + slopes[1, j] * np.maximum(y - a[-1, j], 0)
    return out
