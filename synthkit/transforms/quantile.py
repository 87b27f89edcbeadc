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

from synthkit.errors import LoadError
from synthkit.transforms.counted import ATOM, HIGH_TAIL, LOW_TAIL, SEGMENT, cells_of, pieces_of
from synthkit.transforms.tails import gpd_cdf, gpd_quantile

__all__ = ["QuantileLaw"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
        extremes: int = 0,
        lead: Floats | None = None,
        most: float = 1.0,
        told: dict[str, float] | None = None,
        cells: int = 128,
        spike: float = 0.004,
        max_codes: int = 256,
        max_knots: int = 2048,
    ) -> QuantileLaw:
        """Fit from sorted distinct values.

        Args:
            values: ``(m,)`` sorted, distinct, finite.
            counts: ``(m,)`` mass of each (rows, or their weights in units of rows).
            support: ``(m,)`` how many distinct rows or entities stand behind each (default: ``counts``).
            voice: ``(m,)`` the same, additive over values: what a mean of several may count (default: ``support``).
            step: grid of the values (1 for integers, 0.01 for cents; 0: none).
            low, high: bounds that no decoded value may pass.
            min_count: an atom or a mean needs this many rows.
            extremes: so many outermost rows at each end tell no value; the tails are fitted with them censored.
            lead: ``(m,)`` share of the entity that has most rows of each value, where entities are known: an atom's is
                at most ``most``.
            most: below 1, every entity (row) has one voice in a mean, whatever its rows or its weight, and in the scale
                of a tail no more than ten average ones.
            told: gets counts of what that changed (``synthkit.protected.COUNTS``).
            cells: about how many cells share what is not a spike.
            spike: an atom of at least this share of the mass is a cell of its own.
            max_codes: up to this many pieces, all of them atoms, each is a cell of its own.
            max_knots: at most about this many means are stored.
        """
        values = np.asarray(values, np.float64)
        counts = np.asarray(counts, np.float64)
        support = counts if support is None else np.asarray(support, np.float64)
        led = np.zeros(len(values), bool) if lead is None or most >= 1 else (lead > most) & (support >= min_count)
        if told is not None:
            told["spikes"] = float(counts[(counts >= 2) & (support < min_count)].sum())
            told["dominated"] = float(led.sum())
        if voice is not None:
            support = np.where((support >= min_count) & ~led, support, voice)
        support = np.where(led, np.minimum(support, min_count - 0.5), support)
        speak = None if most >= 1 or voice is None else np.maximum(voice, 1e-9)
        pieces = pieces_of(
            values, counts, support, step, low, high, min_count, max_knots, extremes=extremes, speak=speak, told=told
        )
        lo, hi, mass, kind, tail = pieces
        share = mass / mass.sum()
        u = np.concatenate([[0.0], np.cumsum(share)])
        u /= u[-1]
        cell = cells_of(share, kind, cells, spike, max_codes)
        return cls(lo, hi, u, kind, cell, tail, float(step))

    @classmethod
    def uniform(cls, low: float, high: float, *, step: float = 0.0, cells: int = 128) -> QuantileLaw:
        """A law that knows nothing but its bounds: uniform between them (for declared schemas without data)."""
        if step > 0 and (high - low) / step < cells:
            lo = hi = low + step * np.arange(round((high - low) / step) + 1)
            kind = np.full(len(lo), ATOM)
        else:
            edges = np.linspace(low, high, cells + 1)
            lo, hi, kind = edges[:-1], edges[1:], np.full(cells, SEGMENT)
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
        return (np.diff(first) == 1) & (self.kind[first[:-1]] == ATOM)

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
        for kind, side in ((LOW_TAIL, 0), (HIGH_TAIL, 1)):
            at = np.flatnonzero(self.kind[i] == kind)
            if len(at):
                value[at] = self._tail_value(fraction[at], side)
        return self._snap(value, i)

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
        if self.kind[i] == ATOM and x == self.lo[i]:
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
        for tail_kind, side in ((LOW_TAIL, 0), (HIGH_TAIL, 1)):
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
        atom = self.kind[i] == ATOM
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
        """The inverse of :meth:`to_state`.

        Raises:
            LoadError: the arrays are no law.
        """
        law = cls(**{name: np.asarray(array) for name, array in arrays.items()}, step=float(json["step"]))
        law._check()
        return law

    def _check(self) -> None:
        """What a file says may be anything; sizes follow from these arrays."""
        pieces = len(self.lo) if self.lo.ndim == 1 else 0
        sizes = {"lo": (pieces,), "hi": (pieces,), "u": (pieces + 1,), "kind": (pieces,), "cell": (pieces,)}
        ok = pieces > 0 and self.tail.shape == (2, 2) and 0 <= self.step < np.inf
        for name, size in sizes.items():
            array = getattr(self, name)
            ok = ok and array.shape == size and array.dtype.kind in ("iu" if name in ("kind", "cell") else "f")
            ok = ok and bool(np.isfinite(array).all())
        ok = ok and self.tail.dtype.kind == "f" and bool(np.isfinite(self.tail).all())
        ok = ok and self.cell[0] == 0 and bool(np.isin(np.diff(self.cell), (0, 1)).all())
        ok = ok and bool(np.isin(self.kind, (SEGMENT, ATOM, LOW_TAIL, HIGH_TAIL)).all())
        ok = ok and self.u[0] == 0 and self.u[-1] == 1 and bool((np.diff(self.u) >= 0).all())
        if not ok:
            raise LoadError("QuantileLaw.from_state: the file holds a law of numbers that is none; it was altered.")
