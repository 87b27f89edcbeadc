"""The law of one number: a protected empirical quantile function, cut into cells.

A law is a list of *pieces*, ordered by value and by cumulative mass u in [0, 1]: an *atom* is one value that at least
``min_count`` rows have; a *segment* is a straight stretch between means of at least ``min_count`` rows; a *tail* is a
generalised Pareto law beyond the outermost mean. No piece stores the value of fewer than ``min_count`` rows. *Cells*
partition u: a big atom (a spike) is a cell of its own, the rest is shared out in cells of about equal mass. A value is
then a code (its cell) and an offset (where u lies inside the cell): offsets are uniform on [0, 1] by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.transforms.tails import gpd_cdf, gpd_quantile, tail_law

__all__ = ["QuantileLaw"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SEGMENT, _ATOM, _LOW_TAIL, _HIGH_TAIL = 0, 1, 2, 3
_TAIL_REACH = (
    0.98  # a tail is cut at this share of its mass: the longest draw is a 1-in-50 event of the tail, not of legend
)


@dataclass(frozen=True, eq=False)
class QuantileLaw:
    """Pieces and cells of one numeric law.

    Attributes:
        lo, hi: ``(pieces,)`` value range of each piece (equal for an atom).
        u: ``(pieces + 1,)`` cumulative mass, from 0 to 1.
        kind: ``(pieces,)`` segment, atom, low tail or high tail.
        cell: ``(pieces,)`` the cell of each piece, non-decreasing.
        tail: ``(2, 2)`` shape and scale of the low and of the high tail.
        step: the grid on which decoded values lie (0: none).
    """

    lo: Floats
    hi: Floats
    u: Floats
    kind: Ints
    cell: Ints
    tail: Floats
    step: float

    # ---------------------------------------------------------------- build
    @classmethod
    def fit(
        cls,
        values: Floats,
        counts: Floats,
        *,
        support: Floats | None = None,
        voice: Floats | None = None,
        step: float = 0.0,
        low: float | None = None,
        high: float | None = None,
        min_count: int = 5,
        cells: int = 128,
        spike: float = 0.004,
        max_codes: int = 256,
        max_knots: int = 2048,
    ) -> QuantileLaw:
        """Fit from sorted distinct values.

        Args:
            values: ``(m,)`` sorted, distinct, finite.
            counts: ``(m,)`` mass of each (rows, or their weights).
            support: ``(m,)`` how many distinct rows or entities stand behind each (default: ``counts``).
            voice: ``(m,)`` the same, additive over values: what a mean of several may count (default: ``support``).
            step: grid of the values (1 for integers, 0.01 for cents; 0: none).
            low, high: bounds that no decoded value may pass.
            min_count: an atom or a mean needs this many rows.
            cells: about how many cells share what is not a spike.
            spike: an atom of at least this share of the mass is a cell of its own.
            max_codes: up to this many pieces, all of them atoms, each is a cell of its own.
            max_knots: at most about this many means are stored.
        """
        values = np.asarray(values, np.float64)
        counts = np.asarray(counts, np.float64)
        support = counts if support is None else np.asarray(support, np.float64)
        if voice is not None:
            support = np.where(support >= min_count, support, voice)
        pieces = _pieces(values, counts, support, step, low, high, min_count, max_knots)
        lo, hi, mass, kind, tail = pieces
        share = mass / mass.sum()
        u = np.concatenate([[0.0], np.cumsum(share)])
        u /= u[-1]
        cell = _cells(share, kind, cells, spike, max_codes)
        return cls(lo, hi, u, kind, cell, tail, float(step))

    @classmethod
    def uniform(cls, low: float, high: float, *, step: float = 0.0, cells: int = 128) -> QuantileLaw:
        """A law that knows nothing but its bounds: uniform between them (for declared schemas without data)."""
        if step > 0 and (high - low) / step < cells:
            lo = hi = low + step * np.arange(round((high - low) / step) + 1)
            kind = np.full(len(lo), _ATOM)
        else:
            edges = np.linspace(low, high, cells + 1)
            lo, hi, kind = edges[:-1], edges[1:], np.full(cells, _SEGMENT)
        u = np.linspace(0.0, 1.0, len(lo) + 1)
        return cls(lo, hi, u, kind, np.arange(len(lo)), np.zeros((2, 2)), float(step))

    # ---------------------------------------------------------------- facts
    @property
    def n_cells(self) -> int:
        return int(self.cell[-1]) + 1

    @property
    def first(self) -> Ints:
        """``(cells + 1,)`` the first piece of each cell, and the number of pieces."""
        return np.searchsorted(self.cell, np.arange(self.n_cells + 1)).astype(np.int64)

    @property
    def edges(self) -> Floats:
        """``(cells + 1,)`` cumulative mass at the borders of the cells."""
        return self.u[self.first]

    @property
    def mass(self) -> Floats:
        """``(cells,)`` share of each cell."""
        return np.diff(self.edges)

    @property
    def is_atom(self) -> NDArray[np.bool_]:
        """``(cells,)`` True where the cell is one value, so that no offset applies."""
        first = self.first
        return (np.diff(first) == 1) & (self.kind[first[:-1]] == _ATOM)

    # ---------------------------------------------------------------- use
    def encode(self, x: Floats) -> tuple[Ints, Floats]:
        """Values to (code, offset). A value without a piece of its own goes to the nearest one.

        Args:
            x: ``(n,)`` finite.
        """
        x = np.asarray(x, np.float64)
        i = self._piece_of(x)
        u = self.u[i] + self._fraction(x, i) * (self.u[i + 1] - self.u[i])
        code = self.cell[i]
        edges = self.edges
        width = np.diff(edges)
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = np.where(width[code] > 0, (u - edges[code]) / width[code], 0.5)
        return code, np.clip(offset, 0.0, 1.0)

    def decode(self, code: Ints, offset: Floats) -> Floats:
        """(code, offset) to values on the grid, inside the bounds.

        Args:
            code: ``(n,)`` integers in [0, n_cells); offset: ``(n,)`` in [0, 1].
        """
        code = np.asarray(code, np.int64)
        first, edges = self.first, self.edges
        u = edges[code] + np.asarray(offset, np.float64) * (edges[code + 1] - edges[code])
        i = np.searchsorted(self.u, u, side="right") - 1
        i = np.clip(i, first[code], first[code + 1] - 1)
        width = self.u[i + 1] - self.u[i]
        with np.errstate(invalid="ignore", divide="ignore"):
            fraction = np.clip(np.where(width > 0, (u - self.u[i]) / width, 0.5), 0.0, 1.0)
        value = self.lo[i] + fraction * (self.hi[i] - self.lo[i])
        for kind, side in ((_LOW_TAIL, 0), (_HIGH_TAIL, 1)):
            at = np.flatnonzero(self.kind[i] == kind)
            if len(at):
                value[at] = self._tail_value(fraction[at], side)
        return self._snap(value, i)

    def cdf(self, x: Floats) -> Floats:
        """Cumulative mass u at each value (at an atom: the middle of its flat stretch).

        Args:
            x: ``(n,)``, infinite values allowed.
        """
        x = np.clip(np.asarray(x, np.float64), self.lo[0], self.hi[-1])
        i = self._piece_of(x)
        return np.asarray(self.u[i] + self._fraction(x, i) * (self.u[i + 1] - self.u[i]), np.float64)

    def inside(self, low: float, high: float) -> tuple[Floats, Floats, Floats]:
        """Which part of each cell lies in [low, high].

        Returns:
            weights ``(cells,)`` share of the cell's mass inside; and the interval of offsets, ``(cells,)`` each.
        """
        half = self.step / 2
        from_u = self._edge(low - half, "left")
        to_u = max(from_u, self._edge(high + half, "right"))
        edges = self.edges
        width = np.diff(edges)
        a = np.clip(from_u, edges[:-1], edges[1:])
        b = np.clip(to_u, edges[:-1], edges[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = np.where(width > 0, (b - a) / width, 0.0)
            start = np.where(width > 0, (a - edges[:-1]) / width, 0.0)
            stop = np.where(width > 0, (b - edges[:-1]) / width, 1.0)
        return weights, start, stop

    def _edge(self, x: float, side: str) -> float:
        """Cumulative mass below ``x`` (side left: without an atom at x; right: with it)."""
        if x > self.hi[-1]:
            return 1.0
        if x < self.lo[0]:
            return 0.0
        i = int(np.searchsorted(self.lo, x, side="right")) - 1
        if self.kind[i] == _ATOM and x == self.lo[i]:
            return float(self.u[i] if side == "left" else self.u[i + 1])
        if x > self.hi[i]:
            return float(self.u[i + 1])
        fraction = self._fraction(np.array([x]), np.array([i]))[0]
        return float(self.u[i] + fraction * (self.u[i + 1] - self.u[i]))

    def _piece_of(self, x: Floats) -> Ints:
        last = len(self.lo) - 1
        i = np.clip(np.searchsorted(self.lo, x, side="right") - 1, 0, last)
        after = np.minimum(i + 1, last)
        nearer = (x > self.hi[i]) & (self.lo[after] - x < x - self.hi[i])
        return np.where(nearer, after, i)

    def _fraction(self, x: Floats, i: Ints) -> Floats:
        lo, width = self.lo[i], self.hi[i] - self.lo[i]
        with np.errstate(invalid="ignore", divide="ignore"):
            fraction = np.where(width > 0, (x - lo) / width, 0.5)
        kind = self.kind[i]
        for tail_kind, side in ((_LOW_TAIL, 0), (_HIGH_TAIL, 1)):
            at = np.flatnonzero(kind == tail_kind)
            if len(at):
                fraction[at] = self._tail_fraction(x[at], side)
        return np.clip(fraction, 0.0, 1.0)

    def _tail_value(self, fraction: Floats, side: int) -> Floats:
        shape, scale = self.tail[side]
        p = (1 - fraction if side == 0 else fraction) * self._tail_cut(side)
        excess = gpd_quantile(p, shape, scale)
        return np.asarray(self.hi[0] - excess if side == 0 else self.lo[-1] + excess, np.float64)

    def _tail_fraction(self, x: Floats, side: int) -> Floats:
        shape, scale = self.tail[side]
        excess = self.hi[0] - x if side == 0 else x - self.lo[-1]
        p = gpd_cdf(np.maximum(excess, 0.0), shape, scale) / self._tail_cut(side)
        return np.asarray(1 - p if side == 0 else p, np.float64)

    def _tail_cut(self, side: int) -> float:
        shape, scale = self.tail[side]
        reach = self.hi[0] - self.lo[0] if side == 0 else self.hi[-1] - self.lo[-1]
        return float(max(gpd_cdf(np.array([reach]), shape, scale)[0], 1e-12))

    def _snap(self, value: Floats, i: Ints) -> Floats:
        atom = self.kind[i] == _ATOM
        if self.step > 0:
            inverse = round(1 / self.step)
            whole = self.step < 1 and abs(inverse * self.step - 1) < 1e-9
            # Dividing by the integer 100 gives the float nearest to 0.07; multiplying by 0.01 would not.
            snapped = np.round(value * inverse) / inverse if whole else np.round(value / self.step) * self.step
            value = np.where(atom, value, snapped)
        return np.asarray(value, np.float64)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays, from which :meth:`from_state` rebuilds the law."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "step"}
        return {"step": self.step}, arrays

    @classmethod
    def from_state(cls, json: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> QuantileLaw:
        return cls(**{name: np.asarray(array) for name, array in arrays.items()}, step=float(json["step"]))


def _pieces(
    values: Floats,
    counts: Floats,
    support: Floats,
    step: float,
    low: float | None,
    high: float | None,
    min_count: int,
    max_knots: int,
) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """lo, hi, mass, kind of every piece in order of value, and the tails' parameters."""
    atom = support >= min_count
    values, counts, support, atom = _absorb_short_runs(values, counts, support, atom, min_count)
    starts = np.flatnonzero(np.concatenate([[True], atom[1:] | atom[:-1]])) if len(values) else np.array([0])
    stops = np.append(starts[1:], len(values))
    chunk = max(float(min_count), support[~atom].sum() / max_knots) + min_count - 1
    rows: list[tuple[Floats, Floats, Floats, Ints]] = []
    tail = np.zeros((2, 2))
    for a, b in zip(starts, stops, strict=True):
        if atom[a]:
            value = values[a : a + 1]
            rows.append((value, value, counts[a : a + 1], np.array([_ATOM])))
            continue
        before = values[a - 1] if a else None
        after = values[b] if b < len(values) else None
        run = _run_pieces(values[a:b], counts[a:b], support[a:b], step, before, after, low, high, chunk, min_count)
        rows.append(run[:4])
        for side, outer in ((0, before is None), (1, after is None)):
            if outer:
                tail[side] = run[4][side]
    lo, hi, mass, kind = (np.concatenate([row[k] for row in rows]) for k in range(4))
    return lo, hi, mass, kind.astype(np.int64), tail


def _absorb_short_runs(
    values: Floats, counts: Floats, support: Floats, atom: NDArray[np.bool_], min_count: int
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Runs of rare values with too few rows together join the nearest atom."""
    if not atom.any() or atom.all():
        return values, counts, support, atom
    run = np.cumsum(np.concatenate([[0], (atom[1:] != atom[:-1]).astype(np.int64)]))
    total = np.bincount(run, weights=support)
    lost = ~atom & (total[run] < min_count)
    if not lost.any():
        return values, counts, support, atom
    at = np.flatnonzero(atom)
    after = np.searchsorted(values[at], values[lost])
    left, right = at[np.maximum(after - 1, 0)], at[np.minimum(after, len(at) - 1)]
    nearer_left = np.abs(values[lost] - values[left]) <= np.abs(values[right] - values[lost])
    counts, support = counts.copy(), support.copy()
    target = np.where(nearer_left, left, right)
    np.add.at(counts, target, counts[lost])
    np.add.at(support, target, support[lost])
    return values[~lost], counts[~lost], support[~lost], atom[~lost]


def _run_pieces(
    values: Floats,
    counts: Floats,
    support: Floats,
    step: float,
    before: float | None,
    after: float | None,
    low: float | None,
    high: float | None,
    chunk: float,
    min_count: int,
) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Segments through the means of groups of a run of rare values, and a tail where no atom bounds it."""
    groups = max(1, int(support.sum() // chunk))
    behind = np.cumsum(support) - support / 2
    group = np.minimum((behind * groups / support.sum()).astype(np.int64), groups - 1)
    group = np.unique(group, return_inverse=True)[1]
    mass = np.bincount(group, weights=counts)
    mean = np.bincount(group, weights=counts * values) / mass
    away = values - np.average(values, weights=counts)
    reach_of = max(float(np.abs(away).max()), 1e-300)  # squares of huge numbers would overflow
    spread = reach_of * float(np.sqrt(np.average((away / reach_of) ** 2, weights=counts)))
    if len(mean) > 1:
        reach = (mean[1] - mean[0]) / 2, (mean[-1] - mean[-2]) / 2
    else:
        reach = (max(np.sqrt(3) * spread, step / 2),) * 2
    tail = np.zeros((2, 2))
    edges = [0.0, 0.0]
    kinds = [_SEGMENT, _SEGMENT]
    for side, (sign, wall, bound) in enumerate(((-1, before, low), (1, after, high))):
        knot = mean[0 if side == 0 else -1]
        if wall is not None:  # an atom ends the run: stay strictly off it
            # The gap is relative: nextafter(0.0) would be a denormal number, which a thread may flush to zero.
            gap = 1e-9 * max(abs(wall), abs(knot - wall))
            limit = wall - sign * max(step / 2, gap)
            reached = knot + sign * reach[side]
            edges[side] = max(limit, reached) if side == 0 else min(limit, reached)
        elif support.sum() >= 4 * min_count and len(values) > 3 and spread > 0:
            distance, weight = (sign * values, counts) if side else (-values[::-1], counts[::-1])
            shape, scale = tail_law(distance, weight, sign * knot, min_count)
            tail[side] = shape, scale
            end = float(gpd_quantile(np.array([_TAIL_REACH]), shape, scale)[0])
            room = np.inf if bound is None else max(sign * (bound - knot) + step / 2 * (step > 0), 0.0)
            edges[side] = knot + sign * min(end, room)
            kinds[side] = _LOW_TAIL if side == 0 else _HIGH_TAIL
        else:
            reached = knot + sign * reach[side]
            if bound is not None:
                reached = max(reached, bound) if side == 0 else min(reached, bound)
            edges[side] = reached
    lo = np.concatenate([[edges[0]], mean])
    hi = np.concatenate([mean, [edges[1]]])
    share = np.concatenate([[mass[0] / 2], (mass[1:] + mass[:-1]) / 2, [mass[-1] / 2]])
    kind = np.full(len(lo), _SEGMENT)
    kind[0], kind[-1] = kinds
    return lo, hi, share, kind, tail


def _cells(share: Floats, kind: Ints, cells: int, spike: float, max_codes: int) -> Ints:
    """The cell of each piece: a spike alone, the rest in stretches of about equal mass between spikes."""
    atom = kind == _ATOM
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
