"""Columns that were measured less often than the table has rows: a line, or a standing value, between every so many.

Hourly weather in a table of ten minutes is such a column. A model of steps draws it rough, and whoever looks at three
rows tells it at once; what it draws at the knots is kept, and what lies between follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Knots", "find_knots"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_LONGEST = 288  # rows from knot to knot, at most
_LEAST = 40  # bends that say something: all at one place of the period, by chance one in 2 to this power
_ALL = 0.995  # of the bends lie at that place
_SAME = 1e-6  # of a column's range is no difference
_DIGITS, _ROUND = 6, 0.98  # decimals, and the share of knots that have no more


@dataclass(frozen=True)
class Knots:
    """Rows ``phase + k * period`` of the calendar are knots; ``held``: rows after one repeat it (else: lines).

    Attributes:
        decimals: of values at knots; None: any.
    """

    period: int
    phase: int
    held: bool
    decimals: int | None

    def at(self, rows: Ints) -> NDArray[np.bool_]:
        """Which of the calendar's rows, of any shape, are knots."""
        return np.asarray(rows % self.period == self.phase)

    def apply(self, x: Floats, rows: Ints, last: float | None = None) -> Floats:
        """``(n, L)`` values of such a column: drawn ones at knots, and what follows from them elsewhere.

        Before the first knot and after the last one, lines go to the first and the last drawn value; where a ``last``
        value before the rows is given, they begin there.
        """
        seen = x if self.decimals is None else np.round(x, self.decimals)
        if last is not None:
            seen = np.insert(seen, 0, last, axis=1)
            rows = np.concatenate([rows[:, :1] - 1, rows], axis=1)
        whole = self._between(seen, rows)
        return whole if last is None else whole[:, 1:]

    def _between(self, seen: Floats, rows: Ints) -> Floats:
        knot = np.broadcast_to(self.at(rows), seen.shape).copy()
        knot[:, 0] = True
        place = np.broadcast_to(np.arange(seen.shape[1]), seen.shape)
        last = np.maximum.accumulate(np.where(knot, place, 0), axis=1)
        before = np.take_along_axis(seen, last, axis=1)
        if self.held:
            return before
        knot[:, -1] = True
        reverse = np.where(knot, place, seen.shape[1] - 1)[:, ::-1]
        after = np.minimum.accumulate(reverse, axis=1)[:, ::-1]
        share = (place - last) / np.maximum(after - last, 1)
        return np.asarray(before + share * (np.take_along_axis(seen, after, axis=1) - before))


def find_knots(x: Floats, rows: Ints) -> Knots | None:
    """The knots of one column ``(T,)`` at ascending rows ``(T,)`` of the calendar; None: it has a law of its own."""
    least = _SAME * max(float(np.ptp(x)), 1e-300)
    step, near = np.diff(x), np.diff(rows) == 1
    moves = rows[1:][(np.abs(step) > least) & near]
    if held := _period(moves):
        return Knots(*held, True, _decimals(x[rows % held[0] == held[1]]))
    bends = rows[1:-1][(np.abs(np.diff(step)) > least) & near[1:] & near[:-1]]
    if lines := _period(bends):
        return Knots(*lines, False, _decimals(x[rows % lines[0] == lines[1]]))
    return None


def _period(at: Ints) -> tuple[int, int] | None:
    """The longest period at one place of which (nearly) all of these rows lie, and the place."""
    if len(at) < _LEAST:
        return None
    for period in range(_LONGEST, 1, -1):
        counts = np.bincount(at % period)
        if counts.max() >= _ALL * len(at):
            return period, int(counts.argmax())
    return None


def _decimals(x: Floats) -> int | None:
    close = 1e-9 * max(float(np.abs(x).max(initial=0.0)), 1e-300)
    return next((k for k in range(_DIGITS) if (np.abs(np.round(x, k) - x) <= close).mean() >= _ROUND), None)
