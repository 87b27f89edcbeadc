"""The slow course of levels: how the mean of a channel moved over years (traded volumes, a sensor that drifts).

A stationary model draws such a level about one mean, however far from it a whole stretch of training was. So where
means of long stretches are most of a level's variance, the line through them is a covariate of the model, beside those
of the calendar. Beyond the span of training it stays at its end; a history that is extended has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Course", "course_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SHARE = 0.6  # of the variance is between stretches
_FEWEST = 4  # stretches
_KNOTS, _LEAST = 12, 125  # of a course at most; rows behind each at least


@dataclass(frozen=True, eq=False)
class Course:
    """A line through means of long stretches.

    Attributes:
        middle: ``(K,)`` rows of the calendar; means: ``(K, D)``, 0 of channels that have no course; slow: ``(D,)``
        which have one; size: rows of a stretch.
    """

    middle: Floats
    means: Floats
    slow: NDArray[np.bool_]
    size: int

    @classmethod
    def none(cls, d: int) -> Course:
        """No course."""
        return cls(np.zeros(1), np.zeros((1, d)), np.zeros(d, bool), 1)

    @classmethod
    def learn(cls, channels: Floats, rows: Ints, allowed: NDArray[np.bool_]) -> Course:
        """The course of those ``allowed`` ``(D,)`` of ``(T, D)`` channels at ``(T,)`` rows that have one."""
        count = min(_KNOTS, len(rows) // _LEAST)
        if count < _FEWEST or not allowed.any():
            return cls.none(channels.shape[1])
        edge = np.linspace(0, len(rows), count + 1).astype(int)
        lengths = np.diff(edge)
        means = np.add.reduceat(channels, edge[:-1], axis=0) / lengths[:, None]
        weight = lengths[:, None] / len(rows)
        own = ((weight * (means - channels.mean(0)) ** 2).sum(0) > _SHARE * channels.var(0)) & allowed
        middle = np.add.reduceat(rows.astype(np.float64), edge[:-1]) / lengths
        return cls(middle, means * own, own, int(np.median(lengths)))

    def at(self, rows: Ints) -> Floats:
        """``(..., D)`` at rows of any shape; beyond the ends, what it is there."""
        flat = np.ravel(rows)
        out = np.zeros((len(flat), len(self.slow)))
        for j in np.flatnonzero(self.slow):
            out[:, j] = np.interp(flat, self.middle, self.means[:, j])
        return out.reshape(*np.shape(rows), -1)

    def of(self, channels: Floats, last: int) -> tuple[Floats, Floats]:
        """The course ``(T, D)`` of a history of one segment, and where it ends ``(D,)``; ``last``: its last row."""
        if not self.slow.any():
            return np.zeros_like(channels), np.zeros(channels.shape[1])
        course, end = course_of(channels, self.size, self.at(np.array(last)))
        return course * self.slow, end * self.slow


def course_of(channels: Floats, size: int, known: Floats) -> tuple[Floats, Floats]:
    """The course ``(T, D)`` of the last rows of a history, and where it ends ``(D,)``.

    Args:
        channels: ``(T, D)`` of one segment; size: rows of a stretch; known: ``(D,)`` what the course is held to be
            where nothing is seen; it counts as half a stretch.
    """
    count = max(len(channels) // size, 1)
    edge = np.linspace(0, len(channels), count + 1).astype(int)
    middle = (edge[1:] + edge[:-1]) / 2
    sums = np.add.reduceat(channels, edge[:-1], axis=0)
    rows = np.diff(edge)[:, None]
    short = np.where(rows < size, 0.5 * size, 0.0)
    means = (sums + short * known) / (rows + short)
    at = np.arange(len(channels)) + 0.5
    course = np.stack([np.interp(at, middle, means[:, j]) for j in range(channels.shape[1])], 1)
    return course, means[-1]
