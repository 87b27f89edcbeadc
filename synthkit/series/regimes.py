"""The smooth course of a training series, from which draws begin: means over stretches of rows.

Shapes: K stretches, D channels, n draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Regimes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST = 48  # stretches
_EACH = 20  # rows of one at least


@dataclass(frozen=True, eq=False)
class Regimes:
    """Means of stretches.

    Attributes:
        rows, lengths: ``(K,)`` first rows of stretches on the calendar, and how many they have.
        channels: ``(K, D)`` means; states: ``(K, k)`` means of the state of each part.
    """

    rows: Ints
    lengths: Ints
    channels: Floats
    states: tuple[Floats, ...]

    @classmethod
    def learn(cls, channels: Floats, rows: Ints, starts: Ints, states: Sequence[Floats], least: int) -> Regimes:
        """Of ``(T, D)`` channels at ``(T,)`` rows, in segments that begin at ``starts``; states: ``(T, k)`` each."""
        pieces, first = [], []
        size = max(_EACH, len(channels) // _MOST, least)
        for a, b in zip(starts, np.append(starts[1:], len(channels)), strict=True):
            edge = np.linspace(a, b, max((b - a) // size, 1) + 1).astype(int)
            pieces += list(pairwise(edge))
            first += [int(rows[p]) for p in edge[:-1]]
        means = [np.stack([x[a:b].mean(0) for a, b in pieces]) for x in (channels, *states)]
        lengths = np.array([b - a for a, b in pieces], np.int64)
        return cls(np.array(first, np.int64), lengths, means[0], tuple(means[1:]))

    def begin(self, n: int, length: int, rng: np.random.Generator) -> Ints:
        """``(n,)`` rows at which draws begin: the first where they are as long as the training table, else any from
        which so many rows fit into it."""
        latest = int(self.rows[-1] + self.lengths[-1] - length)
        weight = np.clip(latest - self.rows, 0, self.lengths).astype(float)
        if weight.sum() <= 0 or len(self.rows) < 2:
            return np.full(n, int(self.rows[0]))
        piece = rng.choice(len(weight), n, p=weight / weight.sum())
        return self.rows[piece] + (rng.random(n) * weight[piece]).astype(np.int64)

    def at(self, rows: Ints) -> tuple[Floats, dict[int, Floats]]:
        """``(n, D)`` channels and, by part, ``(n, k)`` states as they were, smoothly, about ``rows`` ``(n,)``."""
        middle = self.rows + self.lengths / 2
        at = np.clip(np.searchsorted(middle, rows) - 1, 0, max(len(middle) - 2, 0))
        after = np.minimum(at + 1, len(middle) - 1)
        apart = middle[after] - middle[at]
        share = np.clip((rows - middle[at]) / np.maximum(apart, 1e-9), 0, 1)
        joined = apart <= 1.5 * (self.lengths[at] + self.lengths[after]) / 2
        share = np.where(joined, share, share >= 0.5)[:, None]  # no line across a hole

        def between(x: Floats) -> Floats:
            return np.asarray(x[at] * (1 - share) + x[after] * share)

        return between(self.channels), {i: between(s) for i, s in enumerate(self.states)}

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Arrays."""
        states = {f"state/{i}": s for i, s in enumerate(self.states)}
        return {"rows": self.rows, "lengths": self.lengths, "channels": self.channels, **states}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], parts: int) -> Regimes:
        """The inverse of :meth:`to_state`."""
        states = tuple(arrays[f"state/{i}"] for i in range(parts))
        return cls(arrays["rows"], arrays["lengths"], arrays["channels"], states)
