"""Numbers: a protected quantile law, as a code (cell) and an offset inside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkit.protect import Protection
from synthkit.schema import Numeric
from synthkit.transforms.base import Array, ColumnTransformer, Part, Range
from synthkit.transforms.counts import NumberCounts
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["LawCodec", "NumericTransformer"]


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
        self._base: int | None = None

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        if values.dtype.kind == "i" and len(values):
            if self._base is None:
                # Floats hold 53 bits: huge integers are kept relative to a round number near them.
                middle = int(np.median(values))
                self._base = (middle >> 40) << 40 if abs(middle) > 2**52 else 0
            self._divisor = int(np.gcd.reduce(np.append(np.abs(values[:100_000]), self._divisor)))
            if len(values) > 100_000:
                self._divisor = int(np.gcd.reduce(np.append(np.abs(values), self._divisor)))
        self._counts.update(self._relative(values), entity=entity, weight=weight)

    def merge(self, other: NumericTransformer) -> None:
        self._counts.merge(other._counts)
        self._divisor = int(np.gcd(self._divisor, other._divisor))
        self._base = other._base if self._base is None else self._base

    def _relative(self, values: Array) -> Array:
        return (values - self._base if self._base else values).astype(np.float64)

    def finish(self, protection: Protection) -> None:
        counts, kind = self._counts, self.kind
        if not len(counts.values):
            self._use(
                QuantileLaw.uniform(kind.low or 0.0, kind.high if kind.high is not None else 1.0, step=self._step())
            )
            return
        low = kind.low if kind.low is not None else (0.0 if counts.values[0] >= 0 and not self._base else None)
        high = kind.high if kind.high is not None else (0.0 if counts.values[-1] <= 0 and not self._base else None)
        self._use(
            QuantileLaw.fit(
                counts.values,
                counts.mass,
                support=counts.support,
                step=self._step(),
                low=low,
                high=high,
                min_count=protection.min_count,
            )
        )
        self._counts = NumberCounts()

    def _step(self) -> float:
        if self.kind.integer:
            return float(self._divisor) if self._divisor > 1 and not self._base else 1.0
        return float(10.0**-self.kind.decimals) if self.kind.decimals else 0.0

    def _use(self, law: QuantileLaw) -> None:
        self.law = law
        self._codec = LawCodec(law)

    @property
    def parts(self) -> tuple[Part, ...]:
        return self._codec.parts

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        return self._codec.encode(self._relative(values))

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        x = self._codec.decode(entries, rows)
        if not self.kind.integer:
            return x
        whole = np.round(x)
        if self._base:
            return whole.astype(np.int64) + self._base
        return whole.astype(np.int64) if np.abs(whole).max(initial=0.0) < 2**62 else whole

    def ranges(self, low: Any, high: Any) -> list[Range]:
        base = self._base or 0
        return self._codec.ranges(-np.inf if low is None else low - base, np.inf if high is None else high - base)

    def listed(self, values: Array) -> list[Range]:
        return self._codec.listed(self._relative(values))

    def contains(self, values: Array) -> Array:
        x = self._relative(values)
        ok = (x >= self.law.lo[0] - self.law.step / 2) & (x <= self.law.hi[-1] + self.law.step / 2)
        if self.kind.integer:
            ok &= x == np.round(x)
        return ok

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        json, arrays = self.law.to_state()
        return {**json, "base": self._base, "divisor": self._divisor}, arrays

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._base, self._divisor = json["base"], json["divisor"]
        self._use(QuantileLaw.from_state(json, arrays))
