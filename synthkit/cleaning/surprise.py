"""How surprising a cell is: what a law says of the value that stands there, against what a slip would write there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Scale", "odds_of_categories", "odds_of_numbers"]

Floats = NDArray[np.float64]
_WINDOWS = ((0.15, 0.6), (0.4, 0.25), (1.0, 0.1), (2.5, 0.05))  # half a width on the scale, and a weight
_OWN = 0.05  # a value may be there for reasons that the model does not know: so many at least follow the column's law
_PRIOR, _STEPS = 20, 60  # cells that say so, beside those that tell how many do; steps of EM until that is found
_EQUAL = 0.5  # a slip writes a number of the column, or any one between its extremes, equally often
_RARE = 0.05  # a slip writes another row's category, or, this often, any of them
_NEAR = 1e-6
_TRIM, _KNEE = 0.02, 0.1  # masses of a tail: the outer one may be slips, and is to go on as the inner one begins
_LEVELS, _MOST = 12, 0.97  # so few values that so many rows have are levels: their distance tells nothing


@dataclass(frozen=True)
class Scale:
    """A column's numbers on a scale that is linear near the middle and logarithmic far out: asinh((x - mid) / spread).

    Attributes:
        step: the grid of the numbers (0: none); low, high: the ends of what was observed, on the scale.
        tails: where the tails begin on the scale, and over what distance they fall to 1/e.
        few: the numbers are levels, as codes are.
    """

    mid: float
    spread: float
    step: float
    low: float
    high: float
    tails: tuple[tuple[float, float], tuple[float, float]]
    few: bool

    @classmethod
    def of(cls, x: Floats) -> Scale:
        """The scale of observed numbers; of their median and of the narrowest central part that has a width."""
        x = x[np.isfinite(x)]
        mid = float(np.median(x))
        wide = [(0.25, 1.349), (0.05, 3.29), (0.01, 4.653), (0.0, 6.0)]
        ends = [(float(np.quantile(x, 1 - a) - np.quantile(x, a)) / sd) for a, sd in wide]
        spread = next((e for e in ends if e > 0), 1.0)
        distinct, counts = np.unique(x, return_counts=True)
        step = 1.0 if (distinct == np.round(distinct)).all() else 0.0
        t = np.arcsinh((x - mid) / spread)
        tails = tuple(
            (float(np.quantile(t, outer)), max(abs(float(np.quantile(t, outer) - np.quantile(t, inner))), 0.1) / fall)
            for outer, inner in ((_TRIM, _KNEE), (1 - _TRIM, 1 - _KNEE))
            for fall in [np.log(_KNEE / _TRIM)]
        )
        few = bool(np.sort(counts)[-_LEVELS:].sum() >= _MOST * len(x))
        return cls(mid, spread, step, float(t.min()), float(t.max()), (tails[0], tails[1]), few)

    def beyond(self, t: Floats) -> Floats:
        """The density that a tail would have there, if it fell as it begins; infinite between the tails."""
        (low, s), (high, r) = self.tails
        below, above = (low - t) / s, (t - high) / r
        fall = np.maximum(below, above)
        return np.where(fall > 0, _TRIM / np.where(below > above, s, r) * np.exp(-np.maximum(fall, 0)), np.inf)

    def at(self, x: Floats) -> Floats:
        """Numbers to the scale."""
        return np.arcsinh((x - self.mid) / self.spread)

    def window(self, x: Floats, half: float) -> tuple[Floats, Floats, Floats]:
        """The ends of a window around each number, at least one step of the grid wide; and its width on the scale."""
        t = self.at(x)
        low = np.minimum(self.mid + self.spread * np.sinh(t - half), x - self.step / 2)
        high = np.maximum(self.mid + self.spread * np.sinh(t + half), x + self.step / 2)
        return low, high, self.at(high) - self.at(low)


def odds_of_numbers(law: Floats, places: Floats, x: Floats, scale: Scale, rows: int) -> Floats:
    """Log-odds of a slip against the law, per cell, in nats, for equal chances of either beforehand.

    Args:
        law: ``(n, codes)`` conditional law of each cell; places: ``(codes, k)`` values inside each code, ascending.
        x: ``(n,)`` the values that stand there; rows: of the table that the law was learnt from, as one of which a slip
            counts: no law is surer than that.
    """
    if scale.few:
        own, grid = pd.Series(x), np.sort(places.ravel())
        known = np.searchsorted(grid, x + _NEAR) > np.searchsorted(grid, x - _NEAR)
        here = np.where(known, _inside(law, places, x - _NEAR, x + _NEAR), np.nan)
        return _of_levels(here, own, own.nunique(), rows)
    usual = law.mean(0, keepdims=True)
    here, elsewhere = np.zeros(len(x)), np.zeros(len(x))
    for half, weight in _WINDOWS:
        low, high, width = scale.window(x, half)
        here += weight * _inside(law, places, low, high) / width
        elsewhere += weight * _inside(usual, places, low, high) / width
    slip = _EQUAL * elsewhere + (1 - _EQUAL) / max(scale.high - scale.low, 1.0)
    decay = np.minimum(scale.beyond(scale.at(x)) / np.maximum(elsewhere, 1e-12), 1.0)
    return _odds(decay * _mixed(here, elsewhere), slip, rows)


def _mixed(here: Floats, own: Floats) -> Floats:
    """The model's law and the column's own, mixed as makes the cells likeliest (EM): a law counts as far as it has
    shown that it knows rows that it has not seen. Of few rows it often knows little, and is sure all the same."""
    share = 0.5
    for _ in range(_STEPS):
        part = share * here
        by_law = part / np.maximum(part + (1 - share) * own, 1e-300)
        share = (by_law.sum() + _PRIOR * (1 - _OWN)) / (len(here) + _PRIOR)
    share = min(float(share), 1 - _OWN)
    return np.asarray(share * here + (1 - share) * own)


def _odds(here: Floats, slip: Floats, rows: int) -> Floats:
    return np.asarray(np.log(slip) - np.log((rows * here + slip) / (rows + 1)))


def _inside(law: Floats, places: Floats, low: Floats, high: Floats) -> Floats:
    """``(n,)`` mass of each law (or of one for all) between two ends."""
    grid, k = places.ravel(), places.shape[1]
    total = np.concatenate([np.zeros((len(law), 1)), np.cumsum(law, 1)], 1)
    padded = np.append(law, np.zeros((len(law), 1)), 1)
    row = np.arange(len(low)) if len(law) > 1 else np.zeros(len(low), dtype=int)

    def below(at: NDArray[np.int64]) -> Floats:
        return np.asarray(total[row, at // k] + padded[row, at // k] * (at % k) / k)

    return np.maximum(below(np.searchsorted(grid, high, "right")) - below(np.searchsorted(grid, low, "left")), 0.0)


def odds_of_categories(law: Floats, levels: pd.Index, values: pd.Series, rows: int) -> Floats:
    """The same for categories; ``levels`` are the values of the codes. An unknown level has no chance of its own."""
    code = levels.get_indexer(pd.Index(values.astype(object)))
    here = np.where(code >= 0, law[np.arange(len(law)), np.maximum(code, 0)], np.nan)
    return _of_levels(here, values.astype(object), len(levels), rows)


def _of_levels(here: Floats, values: pd.Series, levels: int, rows: int) -> Floats:
    """The share of the other rows that have the level, each level half a row more (Krichevsky & Trofimov, 1981): one
    that was seen once need not be an error."""
    levels = max(levels, 2)
    count = values.map(values.value_counts()).to_numpy(dtype=float)
    others = np.asarray((count - 0.5) / (len(values) - 1 + levels / 2), dtype=np.float64)
    here = np.where(np.isnan(here), others, here)
    slip = (1 - _RARE) * others + _RARE / levels
    return _odds(_mixed(here, others), slip, rows)
