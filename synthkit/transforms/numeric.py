"""Numbers: a protected quantile law, as a code (cell) and an offset inside it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from synthkit.errors import LoadError, SynthkitWarning
from synthkit.protect import Protection
from synthkit.schema import ColumnType, Numeric
from synthkit.transforms.base import Array, ColumnTransformer, Part, Range
from synthkit.transforms.counts import NumberCounts
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["LawCodec", "NumericTransformer", "warn_of_few"]

_MOST_DECIMALS = 12
_LARGEST = 1e300  # larger numbers count as this: sums and differences must stay finite


class LawCodec:
    """A quantile law as parts "code" and "offset" (names may carry a prefix)."""

    def __init__(self, law: QuantileLaw, prefix: str = "") -> None:
        self.law, self.prefix = law, prefix
        # Every use needs these; a law computes them afresh each time.
        self._atom = law.is_atom

    @property
    def parts(self) -> tuple[Part, ...]:
        code = Part(self.prefix + "code", self.law.n_cells, ordered=True)
        wide = tuple(np.flatnonzero(~self._atom).tolist())
        return (code, Part(self.prefix + "offset", 0, (code.name, wide))) if wide else (code,)

    def encode(self, x: Array) -> dict[str, tuple[Array, Array]]:
        """``(rows,)`` numbers to each part's entries, and where they apply."""
        code, offset = self.law.encode(x)
        everywhere = np.ones(len(x), dtype=bool)
        out = {self.prefix + "code": (code, everywhere)}
        if not self._atom.all():
            out[self.prefix + "offset"] = (offset, ~self._atom[code])
        return out

    def decode(self, entries: dict[str, Array], rows: int) -> Array:
        """Entries back to ``(rows,)`` numbers; an offset that is not given is the middle of its cell."""
        offset = entries.get(self.prefix + "offset")
        return self.law.decode(entries[self.prefix + "code"], np.full(rows, 0.5) if offset is None else offset)

    def ranges(self, low: float, high: float) -> list[Range]:
        """What an interval allows of the code."""
        return [Range(self.prefix + "code", *self.law.inside(low, high))]

    def listed(self, x: Array) -> list[Range]:
        """Cells of the listed values; beside atoms a value weighs as much as a thin slice of its cell."""
        code, offset = self.law.encode(np.unique(x))
        weights = np.zeros(self.law.n_cells)
        low, high = np.ones_like(weights), np.zeros_like(weights)
        np.add.at(weights, code, np.where(self._atom[code], 1.0, 1e-2))
        np.minimum.at(low, code, offset)
        np.maximum.at(high, code, offset)
        return [Range(self.prefix + "code", np.minimum(weights, 1.0), np.minimum(low, high), high)]


class NumericTransformer(ColumnTransformer):
    """Integers, decimals and floats, on the column's grid and inside its bounds."""

    type = Numeric
    kind: Numeric

    def __init__(self, kind: Numeric) -> None:
        super().__init__(kind)
        self._counts = NumberCounts()
        self._divisor = 0  # greatest common divisor of all integers seen
        self.base = 0

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        values = self._whole(values) if self.kind.integer else values
        if values.dtype.kind in "iu":
            for start in range(0, len(values), 100_000):
                if self._divisor != 1:  # once 1, always 1
                    piece = values[start : start + 100_000].astype(np.int64)
                    self._divisor = int(np.gcd.reduce(np.append(piece, self._divisor)))
        elif len(values):
            self._divisor = 1
        self._counts.update(self._relative(values), entity=entity, weight=weight)

    def _whole(self, values: Array) -> Array:
        """Whole floats as integers, so that a column of both is counted on one grid."""
        exact = values.dtype.kind == "f" and bool((np.abs(values) < 2**53).all() and (values == np.round(values)).all())
        return values.astype(np.int64) if exact else values

    def merge(self, other: NumericTransformer) -> None:
        self._counts.merge(other._counts)
        self._divisor = int(np.gcd(self._divisor, other._divisor))

    def _relative(self, values: Array) -> Array:
        if values.dtype.kind == "f":
            return np.clip(values, -_LARGEST, _LARGEST) - self.base
        return values - self.base

    def finish(self, protection: Protection) -> None:
        counts, kind, k = self._counts, self.kind, protection.min_count
        few = counts.voice.sum() < k
        if few or not len(counts.values):
            if len(counts.values):
                warn_of_few("numeric", k)
            self._divisor = 1
            self._use(_blank(kind, self.step))
            self._counts = NumberCounts()
            return
        if counts.voice[counts.values != 0].sum() < k:
            self._divisor = 1  # the only number beside zeros divides all numbers: it is not to be stored
        counts = self._cut_digits(counts, protection)
        self.base = self._round_number(counts.values, counts.mass)
        values = self._relative(counts.values).astype(np.float64)
        low = kind.low if kind.low is not None else (0.0 if counts.values[0] >= 0 else None)
        high = kind.high if kind.high is not None else (0.0 if counts.values[-1] <= 0 else None)
        law = QuantileLaw.fit(
            values,
            counts.weighted,
            support=counts.support,
            voice=counts.voice,
            step=self.step,
            low=None if low is None else low - self.base,
            high=None if high is None else high - self.base,
            min_count=k,
            extremes=protection.extremes,
            lead=counts.lead,
            most=protection.lead,
            told=self.changed if protection.on else None,
        )
        self._use(law)
        self._counts = NumberCounts()

    def _cut_digits(self, counts: NumberCounts, protection: Protection) -> NumberCounts:
        """Counts without the digits that too few rows need: they would tell who these are, and every drawn number
        would have as many."""
        room = max(protection.digits * counts.voice.sum(), float(protection.min_count))
        if protection.digits <= 0 or counts.crowded:
            return counts
        cut = _decimals_cut if not self.kind.integer else _zeros_cut
        digits = cut(self, counts, protection.min_count, room)
        if digits is None:
            return counts
        return self._regrid(counts, digits)

    def _regrid(self, counts: NumberCounts, digits: int) -> NumberCounts:
        """Counts on a grid of so many decimals; below 0: of tens, hundreds."""
        if digits >= 0:
            self.kind = replace(self.kind, decimals=digits)
            counts, moved = counts.rounded(lambda x: np.round(x, digits) + 0.0)
        else:
            unit = 10**-digits
            counts, moved = counts.rounded(lambda x: (x + unit // 2) // unit * unit)
            self._divisor = int(np.gcd.reduce(counts.values))
        self.changed["rounded"] = moved
        return counts

    def shown(self, kind: ColumnType) -> ColumnType:
        """Fewer decimals, if some were cut."""
        return replace(kind, decimals=self.kind.decimals) if type(kind) is Numeric else kind

    def _round_number(self, values: Array, mass: Array) -> int:
        """Huge integers are kept relative to a round number near them: floats hold 53 bits."""
        if values.dtype.kind != "i" or max(-int(values[0]), int(values[-1])) <= 2**52:
            return 0
        # the value in the middle: what lies between the least and the greatest would tell of them
        middle = int(values[int(np.searchsorted(np.cumsum(mass), mass.sum() / 2))])
        if self._divisor > 2**52:
            self._divisor = 1  # hardly more than one value: no grid is worth keeping
        unit = self._divisor * max(2**40 // self._divisor, 16)
        base = middle // unit * unit
        # Nothing may leave 64 bits on the way.
        return base if max(int(values[-1]) - base, base - int(values[0])) < 2**63 else 0

    @property
    def step(self) -> float:
        """The grid of the values (1 for integers, 0.01 for cents), as far as it is known; 0: none."""
        if self.kind.integer:
            return float(max(self._divisor, 1))
        return float(10.0**-self.kind.decimals) if self.kind.decimals else 0.0

    def _use(self, law: QuantileLaw) -> None:
        self.law = law
        self._codec = LawCodec(law)

    @property
    def parts(self) -> tuple[Part, ...]:
        return self._codec.parts

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        return self._codec.encode(self._relative(values).astype(np.float64))

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        x = self._codec.decode(entries, rows)
        if not self.kind.integer:
            return x
        whole = np.round(x)
        if self.base:
            return whole.astype(np.int64) + self.base
        return whole.astype(np.int64) if np.abs(whole).max(initial=0.0) < 2**62 else whole

    def ranges(self, low: Any, high: Any) -> list[Range]:
        base = self.base or 0
        return self._codec.ranges(-np.inf if low is None else low - base, np.inf if high is None else high - base)

    def listed(self, values: Array) -> list[Range]:
        return self._codec.listed(self._relative(values).astype(np.float64))

    def contains(self, values: Array) -> Array:
        x = self._relative(values).astype(np.float64)
        low, high = self.law.lo[0], self.law.hi[-1]
        # The law stops short of the extremes that were seen, which are a few rows' own: leave room for them.
        room = (high - low) / 2
        positive, negative = low >= 0 and not self.base, high <= 0 and not self.base
        low, high = low - room, high + room
        low, high = max(low, 0.0) if positive else low, min(high, 0.0) if negative else high
        base = self.base or 0
        low = low if self.kind.low is None else self.kind.low - base
        high = high if self.kind.high is None else self.kind.high - base
        ok = (x >= low - self.law.step / 2) & (x <= high + self.law.step / 2)
        if self.kind.integer:
            ok &= x == np.round(x)
        return ok

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        json, arrays = self.law.to_state()
        return {**json, "base": self.base, "divisor": self._divisor}, arrays

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.base, self._divisor = int(json["base"]), int(json["divisor"])
        if abs(self.base) >= 2**63 or not 0 <= self._divisor < 2**63:
            raise LoadError("NumericTransformer.load_state: the file's grid of numbers is none; it was altered.")
        self._use(QuantileLaw.from_state(json, arrays))


def _cut(off: Array, counts: NumberCounts, min_count: int, room: float) -> bool:
    """May the digits go that the values ``off`` need: those of few rows, none of which is kept as it is?"""
    return bool(counts.voice[off].sum() < room and not (counts.support[off] >= min_count).any())


def _decimals_cut(t: NumericTransformer, counts: NumberCounts, min_count: int, room: float) -> int | None:
    """The decimals that do for nearly all rows, where they are fewer than the column's; None: leave them."""
    most = _MOST_DECIMALS if t.kind.decimals is None else t.kind.decimals
    x = counts.values
    for digits in range(most):
        off = np.abs(np.round(x, digits) - x) > 1e-12 * np.abs(x)
        if not off.any() or _cut(off, counts, min_count, room):
            # digits beyond a float's precision show nothing: they are not what most rows have
            return digits if off.any() and np.abs(x).max() * 10.0**digits < 1e15 else None
    return None


def _zeros_cut(t: NumericTransformer, counts: NumberCounts, min_count: int, room: float) -> int | None:
    """Minus the zeros that the numbers of nearly all rows end in; None: leave them."""
    x = counts.values
    if x.dtype.kind not in "iu" or not len(x) or (counts.voice[x != 0].sum() - room) < room:
        return None
    for zeros in range(9, 0, -1):
        off = x % 10**zeros != 0
        if off.any() and _cut(off, counts, min_count, room) and len(np.unique(x[~off])) > 3:
            return -zeros
    return None


def _blank(kind: Numeric, step: float) -> QuantileLaw:
    """The law of a column of which nothing may be told: between its declared bounds, else 0 to 1."""
    low = kind.low if kind.low is not None else 0.0 if kind.high is None else kind.high - 1.0
    return QuantileLaw.uniform(low, kind.high if kind.high is not None else low + 1.0, step=step)


def warn_of_few(noun: str, min_count: int) -> None:
    """Say that a column has too few rows to store anything of it."""
    warnings.warn(
        f"a {noun} column has fewer than {min_count} filled rows (or entities); nothing of its values is kept. "
        "Lower Protection(min_count) to keep them.",
        SynthkitWarning,
        stacklevel=3,
    )
