"""Repairs that :func:`synthkit.cleaning.inspect` can propose. To add one, write a ``Repair`` and a line in ``REPAIRS``.

Each says of a table where it applies, and changes a copy. What it prints names the sentinel or the format, no value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.imputation.masks import emptied
from synthkit.synthesizers.centre import is_quantity, quantities

__all__ = ["Duplicates", "Repair", "Sentinel", "Unit", "log_of"]

_CODES = (-1, -7, -8, -9, -77, -88, -99, -777, -888, -999, -9999, -99999)
_HIGH = (9, 77, 88, 99, 777, 888, 999, 7777, 8888, 9999, 99999, 999999)
_MOMENTS = ("1900-01-01", "1970-01-01", "2099-12-31", "2100-01-01", "2199-12-31", "2200-01-01")
_MOST = 0.6  # a value that more of the cells have means "none" rather than "unknown"
_DISTINCT = 20  # numbers of fewer values are counts or codes, of which ten times as many is nothing odd
_FACTORS = {2.54: "inch and cm", 0.4536: "pound and kg", 10.0: "", 100.0: "", 1000.0: ""}


def log_of(before: pd.Series, after: pd.Series, kind: str, column: Hashable) -> pd.DataFrame:
    """The cells in which two columns of the same rows differ."""
    old, new = before.astype(object).where(before.notna(), None), after.astype(object).where(after.notna(), None)
    changed = old.to_numpy() != new.to_numpy()
    count = int(changed.sum())
    return pd.DataFrame(
        {
            "row": before.index[changed],
            "column": pd.Series([column] * count, dtype=object),
            "kind": pd.Series([kind] * count, dtype=object),
            "before": old[changed].to_numpy(),
            "after": new[changed].to_numpy(),
        }
    )


@dataclass(frozen=True)
class Repair(ABC):
    """One repair of one column (None: of whole rows).

    Attributes:
        count: cells or rows that it changes; change: into what, in words; confidence: from 0 to 1, by rules of thumb.
    """

    column: Hashable | None
    count: int
    change: str
    confidence: float
    kind: ClassVar[str]

    @property
    def label(self) -> str:
        """The kind, as it is listed."""
        return self.kind

    @classmethod
    @abstractmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        """All repairs of this kind that the table may need."""

    @abstractmethod
    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """A repaired copy, and a log of its changes: ``row``, ``column``, ``kind``, ``before``, ``after``."""


def numbers_of(table: pd.DataFrame) -> Iterator[tuple[Hashable, NDArray[np.float64]]]:
    """Columns of numbers with what is there, sorted."""
    for name in table.columns:
        if is_quantity(table[name]) and pd.api.types.is_numeric_dtype(table[name].dtype):
            x = quantities(table[name])
            x = np.sort(x[np.isfinite(x)])
            if len(x) >= 10:
                yield name, x


@dataclass(frozen=True)
class Sentinel(Repair):
    """A number or date that stands for "unknown": isolated at an end of what is observed, and repeated."""

    value: float | pd.Timestamp
    kind: ClassVar[str] = "sentinel"

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        for name, x in numbers_of(table):
            for value, confidence in _sentinels(x):
                count = int((x == value).sum())
                yield cls(name, count, f"{value:g} becomes empty", confidence, value)
        for name in table.columns:
            if isinstance(table[name].dtype, np.dtype) and table[name].dtype.kind == "M":
                yield from cls._moments(name, table[name].dropna())

    @classmethod
    def _moments(cls, name: Hashable, there: pd.Series) -> Iterator[Self]:
        for text in _MOMENTS:
            value = pd.Timestamp(text)
            hit = there == value
            rest = there[~hit]
            if hit.sum() < 2 or len(rest) < 10 or hit.mean() > _MOST:
                continue
            gap = max(rest.min() - value, value - rest.max())
            if gap > rest.max() - rest.min():
                yield cls(name, int(hit.sum()), f"{text} becomes empty", 0.9, value)

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        mask = pd.DataFrame(False, index=table.index, columns=table.columns)
        mask[self.column] = (table[self.column] == self.value).fillna(False).to_numpy(dtype=bool)
        out = emptied(table, mask)
        return out, log_of(table[self.column], out[self.column], self.kind, self.column)


def _sentinels(x: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
    """Values that stand for "unknown", with a confidence; ``x`` sorted."""
    for _ in range(4):  # 997, 998 and 999 are told one after the other
        found = next((pair for end in (0, -1) for pair in [_sentinel(x, end)] if pair is not None), None)
        if found is None:
            return
        yield found
        x = x[x != found[0]]


def _sentinel(x: NDArray[np.float64], end: int) -> tuple[float, float] | None:
    value = float(x[end]) if len(x) else 0.0
    rest = x[x != value]
    count = len(x) - len(rest)
    if count < 2 or len(rest) < 10 or count > _MOST * len(x):
        return None
    reach, gap = float(rest[-1] - rest[0]), float(abs(rest[end] - value))
    if end == 0 and value == 0:
        return (0.0, c) if (c := _impossible_zero(rest)) else None
    if end == 0 and value in _CODES and rest[0] >= 0:
        return value, 0.7 if value == -1 else 0.9
    if value in (_CODES if end == 0 else _HIGH) and gap > reach > 0:
        return value, 0.95 if gap > 3 * reach else 0.8 if value != 9 else 0.6
    return None


def _impossible_zero(rest: NDArray[np.float64]) -> float | None:
    """A zero far below all else: the low end of the rest is thin, and not much lower than its middle."""
    steps = np.diff(np.unique(rest))
    low, middle = float(np.quantile(rest, 0.01)), float(np.median(rest))
    if len(steps) < 10 or rest[0] < 5 * float(np.median(steps)):
        return None
    near = float((rest < 2 * rest[0]).mean())  # as far again from the lowest as that is from zero
    if low / middle < 0.1 or (near > 0.1 and low / middle < 0.25):
        return None
    return 0.9 if rest[0] > 0.25 * middle else 0.6


@dataclass(frozen=True)
class Unit(Repair):
    """Numbers in another unit: a cluster that lies a known factor away from all others."""

    factor: float
    low: float
    high: float
    kind: ClassVar[str] = "unit"

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        for name, x in numbers_of(table):
            x = x[x > 0]
            if len(np.unique(x)) < _DISTINCT:
                continue
            logs = np.log(x)
            for side in (1.0, -1.0):
                found = _cluster(logs, side)
                if found is not None:
                    factor, words, low, high, count, confidence = found
                    what = f"divided by {factor:g}" if factor >= 1 else f"multiplied by {1 / factor:g}"
                    yield cls(name, count, what + words, confidence, factor, low, high)

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        column = table[self.column]
        x = quantities(column)
        hit = (x >= self.low) & (x <= self.high)
        new = x.copy()
        new[hit] = np.round(x[hit] / self.factor, _decimals(x[~hit & np.isfinite(x)]))
        fixed = pd.Series(new, index=table.index, name=self.column)
        out = table.copy()
        out[self.column] = fixed.astype(column.dtype) if not np.isnan(new).any() or column.hasnans else fixed
        return out, log_of(column, out[self.column], self.kind, self.column)


def _decimals(x: NDArray[np.float64]) -> int:
    return next((d for d in range(6) if np.allclose(x, np.round(x, d), rtol=0, atol=1e-9)), 6)


def _cluster(logs: NDArray[np.float64], side: float) -> tuple[float, str, float, float, int, float] | None:
    """The cluster on one side that a factor explains: it, its ends, its size, and a confidence."""
    middle = float(np.median(logs))
    spread = float(np.median(np.abs(logs - middle))) * 1.4826
    away = side * (logs - middle)
    # the first wide gap outside the bulk
    order = np.sort(away[away > 0])
    start = int(np.searchsorted(order, 2.5 * spread))
    gaps = np.diff(order[max(start - 1, 0) :])
    if not len(gaps) or spread == 0:
        return None
    k = int(gaps.argmax())
    far = logs[away > order[max(start - 1, 0) + k] + 1e-12]
    if not 3 <= len(np.unique(far)) <= len(far) <= 0.2 * len(logs):
        return None
    shifts = {factor: side * abs(float(np.log(factor))) for factor in _FACTORS}
    factor = min(shifts, key=lambda f: abs(float(np.median(far)) - shifts[f] - middle))
    moved = far - shifts[factor] - middle
    off, inside = abs(float(np.median(moved))), float((np.abs(moved) < 3 * spread).mean())
    if off > spread or inside < 0.9 or gaps[k] < max(1.5 * spread, 0.3 * abs(np.log(factor))):
        return None
    low, high = np.exp([far.min() - 1e-9, far.max() + 1e-9]).tolist()
    words = f" ({_FACTORS[factor]})" if _FACTORS[factor] else ""
    up = max(factor, 1 / factor) ** side
    return up, words, low, high, len(far), round(0.95 * inside * (1 - off / spread / 2), 2)


@dataclass(frozen=True)
class Duplicates(Repair):
    """Rows that repeat an earlier one in every cell."""

    kind: ClassVar[str] = "duplicate"

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        again = table.duplicated().to_numpy()
        if not again.any():
            return
        n, alike = len(table), 1.0
        for name in table.columns:
            alike *= float((table[name].value_counts(dropna=False, normalize=True) ** 2).sum())
        chance = min(alike * n * (n - 1) / 2 / again.sum(), 1.0)  # if columns were independent: a lower bound
        yield cls(None, int(again.sum()), "rows that repeat an earlier one go", round(0.9 * float(1 - chance) ** 4, 2))

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        again = table.duplicated().to_numpy()
        count = int(again.sum())
        log = pd.DataFrame({"row": table.index[again], "column": [None] * count, "kind": [self.kind] * count})
        return table[~again].copy(), log.assign(before=None, after=None)
