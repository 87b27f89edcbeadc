"""Rules on which values go together. What they learn is kept only where enough rows stand behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.dtypes import to_numpy
from synthkit.errors import SchemaError
from synthkit.rules.base import Bools, Pinned, Rule, objects, pins, put

__all__ = ["Combination", "Determines"]


@dataclass(frozen=True)
class Determines(Rule):
    """Each value of ``key`` goes with one value of ``value``; with ``both`` also the other way round.

    Attributes:
        pairs: ``((key, value, rows), ...)``; None: learnt at fit. A pair of too few rows is not kept, and a key
            that no kept pair names is not judged. Without pairs, rows are judged within the
            table at hand: by the most frequent value of their key.

    >>> table = pd.DataFrame({"code": ["A", "B", "A", "A"], "label": ["apple", "bean", "apple", "bean"]})
    >>> rule = Determines("code", "label")
    >>> rule.holds(table).tolist(), rule.repair(table)["label"].tolist()
    ([True, True, True, False], ['apple', 'bean', 'apple', 'apple'])
    """

    key: Hashable
    value: Hashable
    both: bool = False
    pairs: tuple[tuple[Any, Any, int], ...] | None = dataclasses.field(default=None, repr=False)
    takes: ClassVar[tuple[str, ...]] = ("Numeric", "Categorical", "Boolean", "Constant")

    def __post_init__(self) -> None:
        if self.pairs is not None:
            object.__setattr__(self, "pairs", tuple(tuple(p) for p in self.pairs))
        super().__post_init__()

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return (self.key, self.value)

    @property
    def output(self) -> Hashable | None:
        return self.value

    def learn(
        self, table: pd.DataFrame, kinds: Mapping[Hashable, Any], min_count: int, owner: NDArray[Any] | None = None
    ) -> Rule:
        if self.pairs is not None:  # declared, so public
            return self
        frame = _counts(table, self.columns, owner)
        frame = frame.drop_duplicates("c0")  # the most frequent value of each key
        frame = frame.drop_duplicates("c1") if self.both else frame
        kept = frame[frame["rows"] >= min_count]
        return dataclasses.replace(
            self, pairs=tuple(zip(kept["c0"].tolist(), kept["c1"].tolist(), kept["rows"].tolist(), strict=True))
        )

    def _known(self, table: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Keys, values and counts of the pairs, as objects, most frequent first."""
        pairs = self.pairs if self.pairs is not None else self.learn(table, {}, 1).pairs  # type: ignore[attr-defined]
        columns = [objects([p[i] for p in pairs]) for i in range(2)]
        return columns[0], columns[1], np.array([p[2] for p in pairs], dtype=float)

    def holds(self, table: pd.DataFrame) -> Bools:
        keys, values, _ = self._known(table)
        at, null_key = _lookup(table[self.key], keys)
        wanted, wanted_code = _codes(values)
        found, null_value = _lookup(table[self.value], wanted)
        good = (at < 0) | (wanted_code[at] == found) if len(keys) else np.ones(len(table), dtype=bool)
        return np.asarray(good | null_key | null_value)

    def repair(self, table: pd.DataFrame, pinned: Pinned = (), rng: np.random.Generator | None = None) -> pd.DataFrame:
        """Writes the value of the key; where that is pinned, a key of the value, as frequent as in training.

        A key that is not pinned and that no pair names becomes the nearest known one (numbers), or one of the value.
        """
        keys, values, counts = self._known(table)
        if not len(keys):
            return table
        at, no_key = _lookup(table[self.key], keys)
        wanted, code = _codes(values)
        found, no_value = _lookup(table[self.value], wanted)
        there = ~no_key & ~no_value
        fixed_key, fixed_value = (pins(pinned, name, len(table)) for name in self.columns)
        wrong = there & ((at < 0) | (code[at] != found))
        if not wrong.any():
            return table
        new = at.copy()
        by_value = wrong & ~fixed_key & (found >= 0) & (fixed_value | (at < 0))
        new[by_value] = _pick(found[by_value], code, counts, rng)
        lost = wrong & ~fixed_key & ~fixed_value & (new < 0)
        new[lost] = _nearest(table[self.key].iloc[np.flatnonzero(lost)], keys)
        rekey = np.flatnonzero(wrong & (new != at))
        write = np.flatnonzero(wrong & ~fixed_value & (new >= 0))
        if not len(rekey) and not len(write):
            return table
        out = table.copy(deep=False)
        put(out, self.key, rekey, keys[new[rekey]])
        put(out, self.value, write, values[new[write]])
        return out


@dataclass(frozen=True, init=False)
class Combination(Rule):
    """Only combinations seen in training occur, in two or three discrete columns.

    Attributes:
        seen: the combinations; None: learnt at fit, those of enough rows.
    """

    names: tuple[Hashable, ...]
    seen: tuple[tuple[Any, ...], ...] | None = dataclasses.field(default=None, repr=False)
    takes: ClassVar[tuple[str, ...]] = ("Numeric", "Categorical", "Boolean", "Constant")

    def __init__(
        self, columns: Collection[Hashable], seen: Collection[Collection[Any]] | None = None, *, always: bool = True
    ) -> None:
        object.__setattr__(self, "always", always)
        object.__setattr__(self, "names", tuple(columns))
        object.__setattr__(self, "seen", None if seen is None else tuple(tuple(s) for s in seen))
        if not 2 <= len(self.names) <= 3:
            raise SchemaError(f"Combination: argument 'columns' must name two or three, got {len(self.names)}.")
        super().__post_init__()

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return self.names

    def learn(
        self, table: pd.DataFrame, kinds: Mapping[Hashable, Any], min_count: int, owner: NDArray[Any] | None = None
    ) -> Rule:
        if self.seen is not None:
            return self
        frame = _counts(table, self.names, owner)
        kept = frame[frame["rows"] >= min_count].drop(columns="rows")
        return Combination(self.names, [tuple(row) for row in kept.itertuples(index=False, name=None)])

    def holds(self, table: pd.DataFrame) -> Bools:
        if self.seen is None:  # every combination of the table itself is seen
            return np.ones(len(table), dtype=bool)
        spot = np.zeros(len(table), dtype=np.int64)
        known = np.zeros(len(self.seen), dtype=np.int64)
        good, empty = np.ones(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
        for i, name in enumerate(self.names):
            levels, code = _codes(objects([s[i] for s in self.seen]))
            at, null = _lookup(table[name], levels)
            spot, known = spot * (len(levels) + 1) + at, known * (len(levels) + 1) + code
            good, empty = good & (at >= 0), empty | null
        return np.asarray((good & np.isin(spot, known)) | empty)

    def knows(self, table: pd.DataFrame, name: Hashable) -> Bools:
        """``(rows,)`` bool: is the column's cell part of any combination that was kept?"""
        place = self.names.index(name)
        return np.asarray(_lookup(table[name], _codes(objects([s[place] for s in self.seen or ()]))[0])[0] >= 0)


# -------------------------------------------------------------------- cells
def _lookup(series: pd.Series, known: NDArray[Any]) -> tuple[NDArray[np.intp], Bools]:
    """Per cell its place in ``known`` (-1: not there, or null), and where it is null."""
    values, null = to_numpy(series)
    codes, uniques = pd.factorize(values)
    place = pd.Index(known, dtype=object, tupleize_cols=False).get_indexer(
        pd.Index(objects(list(uniques)), dtype=object, tupleize_cols=False)
    )
    at = np.append(place, -1)[codes]
    at[null] = -1
    return at, null


def _codes(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    code, levels = pd.factorize(values)
    return objects(list(levels)), code


def _counts(table: pd.DataFrame, names: Collection[Hashable], owner: NDArray[Any] | None) -> pd.DataFrame:
    """Combinations of filled cells in columns c0, c1, ... and how many rows (owners) have them, most frequent first."""
    data: dict[str, Any] = {}
    keep = np.ones(len(table), dtype=bool)
    levels = []
    for i, name in enumerate(names):
        values, null = to_numpy(table[name])
        data[f"c{i}"], found = pd.factorize(values)
        keep &= ~null
        levels.append(objects(list(found)))
    frame = pd.DataFrame(data)
    if owner is not None:
        frame = frame.assign(owner=pd.factorize(owner)[0])[keep].drop_duplicates().drop(columns="owner")
    else:
        frame = frame[keep]
    counted = frame.groupby(list(data), sort=False).size().rename("rows").reset_index()
    counted = counted.sort_values("rows", ascending=False, kind="stable", ignore_index=True)
    for i, found in enumerate(levels):
        counted[f"c{i}"] = pd.Series(objects([_plain(v) for v in found[counted[f"c{i}"]]]), dtype=object)
    return counted


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pick(
    found: NDArray[np.intp], code: NDArray[np.intp], counts: NDArray[np.float64], rng: np.random.Generator | None
) -> NDArray[np.intp]:
    """Per value (its code) a pair that has it, with probability by counts; without ``rng`` the most frequent."""
    order = np.argsort(code, kind="stable")  # by value; inside a value the most frequent first
    ends = np.cumsum(counts[order])
    first = np.searchsorted(code[order], found)
    if rng is None:
        return np.asarray(order[first])
    last = np.searchsorted(code[order], found, side="right")
    start = ends[first] - counts[order][first]
    draw = start + rng.random(len(found)) * (ends[last - 1] - start)
    return np.asarray(order[np.clip(np.searchsorted(ends, draw, side="right"), first, last - 1)])


def _nearest(series: pd.Series, keys: NDArray[Any]) -> NDArray[np.intp]:
    """Per cell the nearest known key where keys are numbers, else the most frequent one (the first)."""
    if not len(series) or not all(isinstance(k, (int, float)) and not isinstance(k, bool) for k in keys):
        return np.zeros(len(series), dtype=np.intp)
    known = keys.astype(float)
    order = np.argsort(known)
    now = to_numpy(series)[0].astype(float)
    right = np.searchsorted(known[order], now).clip(0, len(keys) - 1)
    left = (right - 1).clip(0)
    nearer = np.abs(known[order][left] - now) <= np.abs(known[order][right] - now)
    return np.asarray(order[np.where(nearer, left, right)])
