"""Cells hidden to see how well they are filled: in the pattern in which a series has its gaps, or in a usual one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["depth", "distance", "hidden", "last", "lines", "runs"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_SHARE = 0.1  # of the known cells are hidden
_BLOCK = 24  # rows of a usual block
_ENOUGH = 30  # empty cells that make a pattern
_MOVES = 200


def runs(shape: tuple[int, int], share: float, length: int, rng: np.random.Generator, whole: bool = False) -> Bools:
    """``shape`` cells, of which about ``share`` lie in runs of ``length`` rows; in all columns at once if ``whole``."""
    rows, columns = shape
    out = np.zeros((rows, 1 if whole else columns), bool)
    length = int(np.clip(length, 1, max(rows // 4, 1)))
    count = max(int(np.ceil(share * rows / length)), 1)
    for j in range(out.shape[1]):
        # one run in each of some stretches, so that runs never touch
        edge = np.linspace(0, rows, count + 1)
        room = np.diff(edge) - length
        begin = (edge[:-1] + np.maximum(room, 0) * rng.random(count)).astype(int)
        for a in begin:
            out[a : a + length, j] = True
    return np.broadcast_to(out, shape).copy()


def hidden(values: Floats, starts: Ints, seed: int) -> Bools:
    """``(T, D)`` which known cells of ``values`` are hidden for a trial.

    The series' own gaps, moved in time (so that their lengths, and what is empty together, stay) until about a tenth is
    hidden; half points and half runs of 24 rows where it has too few gaps to tell. Each segment and column keeps two
    cells at least.
    """
    rng = np.random.default_rng(seed)
    null = np.isnan(values)
    rows, columns = null.shape
    out = np.zeros_like(null)
    if null.sum() >= _ENOUGH:
        wanted = _SHARE * (~null).sum()
        for _ in range(_MOVES):
            if out.sum() >= wanted:
                break
            moved = np.roll(null, int(rng.integers(1, rows)), axis=0) & ~null & ~out
            many = moved.sum() / max(wanted - out.sum(), 1)
            if many > 1.5:  # a stretch of it is enough
                size = max(int(rows / many), 2)
                a = int(rng.integers(0, max(rows - size, 1)))
                moved[:a], moved[a + size :] = False, False
            out |= moved
    else:
        out = rng.random((rows, columns)) < _SHARE / 2
        out |= runs((rows, columns), _SHARE / 2, _BLOCK, rng)
        out &= ~null
    for a, b in zip(starts, np.append(starts[1:], rows), strict=True):
        left = (~null[a:b] & ~out[a:b]).sum(0)
        out[a:b, left < 2] = False
    return out


def lines(x: Floats, starts: Ints) -> Floats:
    """``(T, D)`` with NaN filled by lines inside each segment, flat at its ends; by the mean where it knows nothing."""
    out = x.copy()
    ends = np.append(starts[1:], len(x))
    for j in range(x.shape[1]):
        null = np.isnan(x[:, j])
        if not null.any():
            continue
        usual = float(np.nanmean(x[:, j])) if not null.all() else 0.0
        for a, b in zip(starts, ends, strict=True):
            gap = null[a:b]
            known = np.flatnonzero(~gap)
            if len(known):
                out[a:b, j] = np.where(gap, np.interp(np.arange(b - a), known, x[a:b, j][known]), x[a:b, j])
            else:
                out[a:b, j] = usual
    return out


def last(values: Floats, starts: Ints) -> Floats:
    """NaN filled with the last known cell of the segment, before the first with that one."""
    out = values.copy()
    for a, b in zip(starts, np.append(starts[1:], len(values)), strict=True):
        part = out[a:b]
        known = ~np.isnan(part)
        at = np.maximum.accumulate(np.where(known, np.arange(b - a)[:, None], -1), axis=0)
        at = np.where(at < 0, known.argmax(0), at)
        out[a:b] = np.take_along_axis(part, at, axis=0)
    left = np.isnan(out)
    return np.where(left, lines(values, starts), out) if left.any() else out


def distance(null: Bools, starts: Ints) -> Ints:
    """``(T, D)`` steps from each cell to the nearest known one of its column and segment; T where there is none."""
    rows = len(null)
    out = np.full(null.shape, rows)
    for a, b in zip(starts, np.append(starts[1:], rows), strict=True):
        part = null[a:b]
        step = np.arange(b - a)[:, None]
        before = np.maximum.accumulate(np.where(part, -rows, step), axis=0)
        after = np.minimum.accumulate(np.where(part, 2 * rows, step)[::-1], axis=0)[::-1]
        out[a:b] = np.minimum(np.minimum(step - before, after - step), rows)
    return out


def depth(null: Bools, starts: Ints) -> Ints:
    """``(T, D)`` 0 next to a known cell, 1 deeper in a gap, 2 where no known cell of the segment is before or after."""
    out = (distance(null, starts) > 1).astype(np.int64)
    for a, b in zip(starts, np.append(starts[1:], len(null)), strict=True):
        known = ~null[a:b]
        before, after = np.maximum.accumulate(known, axis=0), np.maximum.accumulate(known[::-1], axis=0)[::-1]
        out[a:b][~(before & after)] = 2
    return out
