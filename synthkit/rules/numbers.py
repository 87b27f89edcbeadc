"""Rules on numbers and times: an order, a sum."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.rules.base import Bools, Pinned, Rule, pins, put, sortable

__all__ = ["Ordered", "Sum"]

_CLOSE = 1e-9  # relative: sums of floats


@dataclass(frozen=True)
class Ordered(Rule):
    """``low <= high`` (``strict``: ``low < high``): two numbers, two dates or two durations.

    >>> Ordered("a", "b").holds(pd.DataFrame({"a": [1, 3, None], "b": [2, 2, 2]})).tolist()
    [True, False, True]
    """

    low: Hashable
    high: Hashable
    strict: bool = False
    takes: ClassVar[tuple[str, ...]] = ("Numeric", "Datetime", "Duration", "Constant")

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return (self.low, self.high)

    def holds(self, table: pd.DataFrame) -> Bools:
        (a, no_a), (b, no_b) = sortable(table[self.low]), sortable(table[self.high])
        if (a.dtype.kind in "mM" or b.dtype.kind in "mM") and a.dtype.kind != b.dtype.kind:
            if not (no_a | no_b).all():
                raise SchemaError(f"Ordered: columns {self.low!r} and {self.high!r} do not compare; convert one.")
            return np.ones(len(table), dtype=bool)
        return np.asarray((a < b if self.strict else a <= b) | no_a | no_b)


@dataclass(frozen=True)
class Sum(Rule):
    """Two or three parts add up to a total.

    Attributes:
        decimals: the grid on which the sum is exact; None: learnt, and until then a relative error of 1e-9 passes.

    >>> table = pd.DataFrame({"a": [1, 2], "b": [0.1, 0.2], "c": [1.1, 5.0]})
    >>> rule = Sum(("a", "b"), "c")
    >>> rule.holds(table).tolist(), rule.repair(table)["c"].tolist()
    ([True, False], [1.1, 2.2])
    """

    parts: tuple[Hashable, ...]
    total: Hashable
    decimals: int | None = None
    takes: ClassVar[tuple[str, ...]] = ("Numeric", "Constant")

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))  # a list is welcome
        if not 2 <= len(self.parts) <= 3:
            raise SchemaError(f"Sum: argument 'parts' must name two or three columns, got {len(self.parts)}.")
        super().__post_init__()

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return (*self.parts, self.total)

    @property
    def output(self) -> Hashable | None:
        return self.total

    def _read(self, table: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], Bools]:
        """``(parts, rows)`` numbers, ``(rows,)`` totals, and ``(rows,)`` whether all are there."""
        read = [sortable(table[name]) for name in self.columns]
        if any(v.dtype.kind in "mM" for v, _ in read):
            raise SchemaError(f"Sum: the columns {list(self.columns)!r} must hold numbers; convert them.")
        *parts, total = (v for v, _ in read)
        return np.stack(parts), total, ~np.any([null for _, null in read], axis=0)

    def _same(self, sums: NDArray[Any], totals: NDArray[Any], size: NDArray[Any]) -> Bools:
        if sums.dtype.kind == totals.dtype.kind == "i":
            return np.asarray(sums == totals)
        error = np.abs(sums - totals)
        slack = _CLOSE * np.maximum(size, np.abs(totals))
        if self.decimals is not None:  # less than half a step of the grid apart
            slack = np.maximum(np.minimum(slack, 0.25 * 10.0**-self.decimals), 1e-14 * np.maximum(size, np.abs(totals)))
        return np.asarray(error <= slack)

    def holds(self, table: pd.DataFrame) -> Bools:
        parts, total, there = self._read(table)
        return self._same(parts.sum(0), total, np.abs(parts).sum(0)) | ~there

    def learn(
        self, table: pd.DataFrame, kinds: Mapping[Hashable, Any], min_count: int, owner: NDArray[Any] | None = None
    ) -> Rule:
        found = [0 if getattr(kinds[n], "integer", None) else getattr(kinds[n], "decimals", None) for n in self.columns]
        known = [d for d in found if d is not None]
        return dataclasses.replace(self, decimals=max(known) if len(known) == len(found) else None)

    def repair(self, table: pd.DataFrame, pinned: Pinned = (), rng: np.random.Generator | None = None) -> pd.DataFrame:
        """Computes the total; where that is pinned, the largest part that is not, or all of them by proportion."""
        bad = ~self.holds(table)
        if not bad.any():
            return table
        at = np.flatnonzero(bad)
        parts, total, _ = self._read(table)
        parts, total = parts[:, at].astype(np.result_type(parts, total)), total[at]
        fixed = np.stack([pins(pinned, name, len(table))[at] for name in self.columns])
        free = ~fixed[:-1] & fixed[-1] & ~fixed[:-1].all(0)  # parts that may give way to a pinned total
        rest = total - np.where(free, 0, parts).sum(0)
        chosen = np.where(free, np.abs(parts), -1.0).argmax(0)
        lone = np.arange(len(parts))[:, None] == chosen
        value = total - np.where(lone, 0, parts).sum(0)
        moved = np.where(lone & free, value, parts)
        flips = free.any(0) & (value < 0) & (np.where(free, parts, 0) >= 0).all(0) & (rest >= 0)
        if flips.any():  # a part would turn negative, and none was: share out what is left
            moved = np.where(flips & free, self._shares(parts, free, rest, lone), moved)
        out = table.copy(deep=False)
        for k, name in enumerate(self.parts):
            put(out, name, at[free[k]], self._round(moved[k][free[k]]))
        open_total = ~fixed[-1]
        put(out, self.total, at[open_total], self._round(parts.sum(0)[open_total]))
        return out

    def _shares(self, parts: NDArray[Any], free: Bools, rest: NDArray[Any], lone: Bools) -> NDArray[Any]:
        mass = np.where(free, parts, 0).sum(0)
        scaled = np.where(free, parts * (rest / np.where(mass > 0, mass, 1)), 0)
        grid = 10.0**self.decimals if self.decimals is not None else None
        scaled = scaled if grid is None else np.floor(scaled * grid) / grid
        scaled = np.where(lone & free, 0, scaled)
        return np.asarray(np.where(lone & free, rest - scaled.sum(0), scaled))

    def _round(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self.decimals is None or values.dtype.kind == "i" else np.round(values, self.decimals)
