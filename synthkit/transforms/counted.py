"""From counted values to the pieces and cells of a :class:`~synthkit.transforms.quantile.QuantileLaw`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthkit.transforms.tails import gpd_quantile, reach_of, tail_law

__all__ = ["ATOM", "HIGH_TAIL", "LOW_TAIL", "SEGMENT", "cells_of", "pieces_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LOUD = 10.0  # of a tail that stands on 20 rows or more, one entity or heavy row weighs as ten average ones at most
SEGMENT, ATOM, LOW_TAIL, HIGH_TAIL = 0, 1, 2, 3


def pieces_of(
    values: Floats,
    counts: Floats,
    support: Floats,
    step: float,
    low: float | None,
    high: float | None,
    min_count: int,
    max_knots: int,
    extremes: int = 0,
    speak: Floats | None = None,
    told: dict[str, float] | None = None,
) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """lo, hi, mass, kind of every piece in order of value, and the tails' parameters.

    Args:
        extremes: so many outermost rows (of support) tell no value; speak: ``(m,)`` what each value weighs in a mean
            (None: its counts); told: the rows that lie among the extremes are added to its "extremes".
    """
    atom = support >= min_count
    speak = counts if speak is None else speak
    values, counts, support, speak, atom = _absorb_short_runs(values, counts, support, speak, atom, min_count)
    starts = np.flatnonzero(np.concatenate([[True], atom[1:] | atom[:-1]])) if len(values) else np.array([0])
    stops = np.append(starts[1:], len(values))
    chunk = max(float(min_count), support[~atom].sum() / max_knots) + min_count - 1
    rows: list[tuple[Floats, Floats, Floats, Ints]] = []
    tail = np.zeros((2, 2))
    for a, b in zip(starts, stops, strict=True):
        if atom[a]:
            value = values[a : a + 1]
            rows.append((value, value, counts[a : a + 1], np.array([ATOM])))
            continue
        before = values[a - 1] if a else None
        after = values[b] if b < len(values) else None
        own = values[a:b], counts[a:b], support[a:b]
        ends, hidden = _kept_ends(own[0], own[2], extremes, before is None, after is None)
        if told is not None:
            told["extremes"] = told.get("extremes", 0.0) + float(own[1][hidden].sum())
        run = _run_pieces(*own, speak[a:b], step, before, after, low, high, chunk, min_count, ends)
        rows.append(run[:4])
        for side, outer in ((0, before is None), (1, after is None)):
            if outer:
                tail[side] = run[4][side]
    lo, hi, mass, kind = (np.concatenate([row[k] for row in rows]) for k in range(4))
    return lo, hi, mass, kind.astype(np.int64), tail


def _kept_ends(
    values: Floats, support: Floats, extremes: int, low: bool, high: bool
) -> tuple[tuple[float | None, float | None], NDArray[np.bool_]]:
    """The outermost values of a run that may be used, where it is the outermost run; and which ones lie beyond."""
    ends: list[float | None] = [None, None]
    hidden = np.zeros(len(values), bool)
    few = min(float(extremes), support.sum() / 4)  # of a run of few rows, a quarter at either end
    if few > 0:
        for side, outer in ((0, low), (1, high)):
            if outer:
                behind = np.cumsum(support[::-1] if side else support)
                at = min(int(np.searchsorted(behind, few - 1e-9)), len(values) - 1)
                end = float(values[len(values) - 1 - at if side else at])
                hidden |= values > end if side else values < end
                ends[side] = end
    return (ends[0], ends[1]), hidden


def _absorb_short_runs(
    values: Floats, counts: Floats, support: Floats, speak: Floats, atom: NDArray[np.bool_], min_count: int
) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    """Runs of rare values with too few rows together join the nearest atom."""
    if not atom.any() or atom.all():
        return values, counts, support, speak, atom
    run = np.cumsum(np.concatenate([[0], (atom[1:] != atom[:-1]).astype(np.int64)]))
    total = np.bincount(run, weights=support)
    lost = ~atom & (total[run] < min_count)
    if not lost.any():
        return values, counts, support, speak, atom
    at = np.flatnonzero(atom)
    after = np.searchsorted(values[at], values[lost])
    left, right = at[np.maximum(after - 1, 0)], at[np.minimum(after, len(at) - 1)]
    nearer_left = np.abs(values[lost] - values[left]) <= np.abs(values[right] - values[lost])
    counts, support = counts.copy(), support.copy()
    target = np.where(nearer_left, left, right)
    np.add.at(counts, target, counts[lost])
    np.add.at(support, target, support[lost])
    return values[~lost], counts[~lost], support[~lost], speak[~lost], atom[~lost]


def _run_pieces(
    values: Floats,
    counts: Floats,
    support: Floats,
    speak: Floats,
    step: float,
    before: float | None,
    after: float | None,
    low: float | None,
    high: float | None,
    chunk: float,
    min_count: int,
    ends: tuple[float | None, float | None],
) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Segments through the means of groups of a run of rare values, and a tail where no atom bounds it."""
    groups = max(1, int(support.sum() // chunk))
    capped = np.minimum(counts, speak * (_LOUD * counts.sum() / speak.sum()))
    behind = np.cumsum(support) - support / 2
    group = np.minimum((behind * groups / support.sum()).astype(np.int64), groups - 1)
    group = np.unique(group, return_inverse=True)[1]
    mass = np.bincount(group, weights=counts)
    tame = values if ends == (None, None) else np.clip(values, *ends)
    mean = np.bincount(group, weights=speak * tame) / np.bincount(group, weights=speak)
    spread = _spread(tame, capped)
    if len(mean) > 1:
        reach = (mean[1] - mean[0]) / 2, (mean[-1] - mean[-2]) / 2
    else:
        reach = (max(np.sqrt(3) * spread, step / 2),) * 2
    tailed = support.sum() >= 4 * min_count and len(values) > 3 and spread > 0
    tail = np.zeros((2, 2))
    edges = [0.0, 0.0]
    kinds = [SEGMENT, SEGMENT]
    inner = [0, len(mean)]  # the means that are kept: those beyond a tail's knot are part of it
    for side, (sign, wall, bound) in enumerate(((-1, before, low), (1, after, high))):
        if wall is None and tailed:
            k = _tail_groups(mass[::-1] if side else mass, 4 * min_count)
            inner[side] = len(mean) - k if side else k
            knot = mean[len(mean) - 1 - k if side else k]
            distance, weight = (values, capped) if side else (-values[::-1], capped[::-1])
            last = ends[side]
            tail[side] = tail_law(distance, weight, sign * knot, min_count, None if last is None else sign * last)
            end = float(gpd_quantile(np.array([reach_of(min_count)]), *tail[side])[0])
            room = np.inf if bound is None else max(sign * (bound - knot) + step / 2 * (step > 0), 0.0)
            edges[side] = knot + sign * min(end, room)
            kinds[side] = LOW_TAIL if side == 0 else HIGH_TAIL
        else:
            edges[side] = _edge(mean[-side], sign, reach[side], wall, bound, step)
    a, b = inner
    between = (mass[a : b - 1] + mass[a + 1 : b]) / 2
    share = np.concatenate([[mass[:a].sum() + mass[a] / 2], between, [mass[b - 1] / 2 + mass[b:].sum()]])
    lo, hi = np.concatenate([[edges[0]], mean[a:b]]), np.concatenate([mean[a:b], [edges[1]]])
    kind = np.full(len(lo), SEGMENT)
    kind[0], kind[-1] = kinds
    return lo, hi, share, kind, tail


def _spread(values: Floats, counts: Floats) -> float:
    """The standard deviation."""
    away = values - np.average(values, weights=counts)
    reach = max(float(np.abs(away).max()), 1e-300)  # squares of huge numbers would overflow
    return reach * float(np.sqrt(np.average((away / reach) ** 2, weights=counts)))


def _edge(knot: float, sign: int, reach: float, wall: float | None, bound: float | None, step: float) -> float:
    """Where a run without a tail ends."""
    end, nearer = knot + sign * reach, max if sign < 0 else min
    if wall is not None:  # an atom ends the run: stay strictly off it
        # The gap is relative: nextafter(0.0) would be a denormal number, which a thread may flush to zero.
        gap = 1e-9 * max(abs(wall), abs(knot - wall))
        return float(nearer(wall - sign * max(step / 2, gap), end))
    return float(end if bound is None else nearer(end, bound))


def _tail_groups(mass: Floats, rows: float) -> int:
    """How many of the outermost groups, in order from outside, a tail takes in: so many rows, a third at most."""
    return int(min(np.searchsorted(np.cumsum(mass), rows) + 1, (len(mass) - 1) // 3))


def cells_of(share: Floats, kind: Ints, cells: int, spike: float, max_codes: int) -> Ints:
    """The cell of each piece: a spike alone, the rest in stretches of about equal mass between spikes."""
    atom = kind == ATOM
    if atom.all() and len(share) <= max_codes:
        return np.arange(len(share), dtype=np.int64)
    spiky = atom & (share >= spike)
    rest = share[~spiky].sum()
    width = max(rest / cells, 1e-12)
    run = np.cumsum(np.concatenate([[0], (spiky[1:] | spiky[:-1]).astype(np.int64)]))
    start = np.zeros(run[-1] + 1)
    total = np.bincount(run, weights=share)
    below = np.cumsum(share) - share / 2
    np.minimum.at(start := np.full(run[-1] + 1, np.inf), run, np.cumsum(share) - share)
    parts = np.maximum(1, np.round(total / width))
    inner = np.minimum(
        ((below - start[run]) / np.maximum(total[run], 1e-300) * parts[run]).astype(np.int64), parts[run] - 1
    )
    key = run * (int(parts.max()) + 1) + np.where(spiky, 0, inner)
    return np.unique(key, return_inverse=True)[1].astype(np.int64)
