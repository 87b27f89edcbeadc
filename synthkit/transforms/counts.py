"""Mergeable counts of values: exact up to a cap of distinct values, a deterministic sketch of numbers beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CAP", "NumberCounts", "ObjectCounts", "Support"]

CAP = 50_000
Floats = NDArray[np.float64]
_OWNERS = 10_000  # entities that are told apart behind one thing: nobody asks for more


class Support:
    """How many rows, or distinct entities where these are named, have something.

    >>> support = Support()
    >>> support.add(3, np.array([7, 7, 8]))
    >>> len(support), support.rows
    (2, 3)
    """

    def __init__(self) -> None:
        self.rows, self._owners = 0, set[int]()

    def add(self, rows: int, entity: NDArray[Any] | None) -> None:
        """So many more rows; ``entity``: their ``(rows,)`` entity numbers."""
        self.rows += rows
        if entity is not None and len(self._owners) < _OWNERS:
            self._owners |= set(np.unique(entity).tolist())

    def merge(self, other: Support) -> None:
        """Add what another piece counted."""
        self.rows += other.rows
        self._owners |= other._owners

    def __len__(self) -> int:
        return len(self._owners) or self.rows


class NumberCounts:
    """Rows, weights and distinct entities of each number.

    Up to ``CAP`` distinct values everything is exact, whatever the pieces and their order; integers stay integers, as
    floats hold only 53 bits. Beyond, light neighbours are merged into their mean, so that a rank is off by less than
    0.001 of the rows. Rows of weight 0 do not count.

    Example:
        >>> counts = NumberCounts()
        >>> counts.update(np.array([2.0, 1.0, 2.0]))
        >>> counts.values.tolist(), counts.rows.tolist()
        ([1.0, 2.0], [1.0, 2.0])
    """

    def __init__(self) -> None:
        self.values, self.rows, self.mass = np.empty(0), np.empty(0), np.empty(0)
        # values, entities, and the rows of each such pair
        self._pairs: tuple[NDArray[Any], NDArray[np.int64], Floats] | None = None
        self._crowded = False  # beyond the cap: merged values stand for many rows

    def update(self, values: Any, *, entity: Any = None, weight: Any = None) -> None:
        """Count one more piece: ``(rows,)`` values, and each row's entity number and weight."""
        values = np.asarray(values)
        values = values.astype(np.int64) if values.dtype.kind in "iub" else values.astype(np.float64) + 0.0  # no -0.0
        if weight is not None:
            keep = np.asarray(weight) > 0
            values, weight = values[keep], np.asarray(weight)[keep]
            entity = None if entity is None else np.asarray(entity)[keep]
        distinct, inverse = np.unique(values, return_inverse=True)
        rows = np.bincount(inverse, minlength=len(distinct)).astype(float)
        mass = rows if weight is None else np.bincount(inverse, weights=weight, minlength=len(distinct))
        pairs = None if entity is None else (values, np.asarray(entity, np.int64), np.ones(len(values)))
        self._add(distinct, rows, mass, pairs)

    def merge(self, other: NumberCounts) -> None:
        """Add what another piece counted."""
        self._crowded |= other._crowded
        self._add(other.values, other.rows, other.mass, other._pairs)

    def _add(self, values: NDArray[Any], rows: Floats, mass: Floats, pairs: Any) -> None:
        both = [v for v in (self.values, values) if len(v)] or [values]  # no values must not turn integers into floats
        everything, inverse = np.unique(np.concatenate(both), return_inverse=True)
        size = len(everything)
        self.rows = np.bincount(inverse, weights=np.concatenate([self.rows, rows]), minlength=size)
        self.mass = np.bincount(inverse, weights=np.concatenate([self.mass, mass]), minlength=size)
        self.values = everything
        if pairs is not None:
            old = self._pairs or tuple(part[:0] for part in pairs)
            self._pairs = _summed(*(np.concatenate(part) for part in zip(old, pairs, strict=True)))
        if size > 2 * CAP:
            self._compress()

    @property
    def crowded(self) -> bool:
        """Are values means of neighbours, because there were too many?"""
        return self._crowded

    def _compress(self) -> None:
        limit = self.rows.sum() / CAP * 2
        heavy = self.rows >= limit
        bucket = np.floor((np.cumsum(self.rows) - self.rows / 2) / limit)
        key = np.cumsum(np.concatenate([[0], ((bucket[1:] != bucket[:-1]) | heavy[1:] | heavy[:-1]).astype(int)]))
        rows, mass = np.bincount(key, weights=self.rows), np.bincount(key, weights=self.mass)
        at = None if self._pairs is None else key[np.searchsorted(self.values, self._pairs[0])]
        if self.values.dtype.kind == "i":
            # Distances from the least value are exact in 64 unsigned bits, whatever the signs.
            start = self.values[:1].view(np.uint64)
            mean = np.bincount(key, weights=self.rows * (self.values.view(np.uint64) - start)) / rows
            self.values = (np.round(mean).astype(np.uint64) + start).view(np.int64)
        else:
            self.values = np.bincount(key, weights=self.rows * self.values) / rows
        self.rows, self.mass, self._crowded = rows, mass, True
        if self._pairs is not None and at is not None:
            self._pairs = _summed(self.values[at], *self._pairs[1:])

    @property
    def weighted(self) -> Floats:
        """The weight of each value in units of rows: where every row weighs the same, its rows."""
        return self.mass * (self.rows.sum() / self.mass.sum())

    @property
    def support(self) -> Floats:
        """Distinct entities behind each value (rows where no entity was named)."""
        if self._pairs is None:
            return self.rows
        at = np.searchsorted(self.values, self._pairs[0])
        return np.bincount(at, minlength=len(self.values)).astype(float)

    @property
    def lead(self) -> Floats | None:
        """The share of the rows of each value that the entity with most of them has; None without entities."""
        if self._pairs is None:
            return None
        at, most = np.searchsorted(self.values, self._pairs[0]), np.zeros(len(self.values))
        np.maximum.at(most, at, self._pairs[2])
        return most / np.maximum(np.bincount(at, weights=self._pairs[2], minlength=len(self.values)), 1.0)

    def rounded(self, round_: Any) -> tuple[NumberCounts, float]:
        """The counts of the values that ``round_`` makes of these, and how many rows it changed."""
        out, values = NumberCounts(), round_(self.values)
        moved = float(self.rows[values != self.values].sum())
        pairs = None if self._pairs is None else (round_(self._pairs[0]), *self._pairs[1:])
        out._crowded = self._crowded
        out._add(values, self.rows, self.mass, pairs)
        return out, moved

    @property
    def voice(self) -> Floats:
        """Like ``support``, with each entity's voice shared out over its distinct values.

        The sum over any set of values is at most the number of distinct entities behind the set.
        """
        if self._pairs is None:
            return self.rows
        at = np.searchsorted(self.values, self._pairs[0])
        owner = np.unique(self._pairs[1], return_inverse=True)[1]
        return np.bincount(at, weights=1 / np.bincount(owner)[owner], minlength=len(self.values)).astype(float)


class ObjectCounts:
    """The same for categories; the order is that of their text, so that pieces may come in any order."""

    def __init__(self) -> None:
        self._table = pd.DataFrame({"v": np.empty(0, object), "rows": np.empty(0), "mass": np.empty(0)})
        self._pairs: pd.DataFrame | None = None

    def update(self, values: Any, *, entity: Any = None, weight: Any = None) -> None:
        """Count one more piece: ``(rows,)`` values, and each row's entity number and weight."""
        codes, uniques = pd.factorize(values)
        table = pd.DataFrame({"v": _objects(uniques), "rows": np.bincount(codes, minlength=len(uniques)).astype(float)})
        table["mass"] = table["rows"] if weight is None else np.bincount(codes, weights=weight, minlength=len(uniques))
        pairs = None if entity is None else pd.DataFrame({"v": _objects(uniques)[codes], "e": np.asarray(entity)})
        self._add(table, pairs)

    def merge(self, other: ObjectCounts) -> None:
        """Add what another piece counted."""
        self._add(other._table, other._pairs)

    def _add(self, table: pd.DataFrame, pairs: pd.DataFrame | None) -> None:
        both = pd.concat([self._table, table], ignore_index=True) if len(self._table) else table
        codes, uniques = pd.factorize(both["v"].to_numpy())
        values = _objects(uniques)
        order = np.argsort(np.array([str(v) for v in values], dtype=str), kind="stable")
        rows = np.bincount(codes, weights=both["rows"], minlength=len(values))
        mass = np.bincount(codes, weights=both["mass"], minlength=len(values))
        self._table = pd.DataFrame({"v": values[order], "rows": rows[order], "mass": mass[order]})
        if pairs is not None:
            old = [] if self._pairs is None else [self._pairs]
            self._pairs = pd.concat([*old, pairs], ignore_index=True).drop_duplicates()

    @property
    def values(self) -> NDArray[np.object_]:
        return _objects(self._table["v"].to_numpy())

    @property
    def rows(self) -> Floats:
        return self._table["rows"].to_numpy(float)

    @property
    def mass(self) -> Floats:
        return self._table["mass"].to_numpy(float)

    @property
    def support(self) -> Floats:
        if self._pairs is None:
            return self._table["rows"].to_numpy(float)
        codes = pd.Index(self._table["v"]).get_indexer(self._pairs["v"])
        return np.bincount(codes, minlength=len(self._table)).astype(float)


def _summed(values: NDArray[Any], entities: NDArray[Any], rows: Floats) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """The same with each pair of a value and an entity once."""
    frame = pd.DataFrame({"v": values, "e": entities, "n": rows})
    frame = frame.groupby(["v", "e"], sort=False, as_index=False)["n"].sum()
    return frame["v"].to_numpy(), frame["e"].to_numpy(), frame["n"].to_numpy()


def _objects(values: Any) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out
