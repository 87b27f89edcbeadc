"""Rows that break an order, drawn with a range in place of the order: the last resort before giving up.

A row's columns are put right one by one, from the low end of the order to the high one. What is in order already stays
as it was drawn; the column that is not gets the range that its neighbours leave, and is drawn anew with all the rest.
Rows with nearly the same range share one draw.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.conditions import Between, Compiled, narrow_to
from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Allowed, Encoded
from synthkit.rules import Ordered
from synthkit.rules.base import sortable
from synthkit.runtime import entropy
from synthkit.schema import Constant, Datetime, Numeric

__all__ = ["Ranges", "pinned"]

Places = NDArray[np.intp]
Complete = Callable[[Encoded, Mapping[int, Allowed], int], Encoded]
Touch = Callable[[pd.DataFrame], pd.DataFrame]
_GROUPS = 16  # draws per column and round at first; ranges that do not overlap are split further


class _Fault(NamedTuple):
    """Rows in which the k-th column is out of its range, and the range's ends."""

    k: int
    rows: Places
    low: NDArray[Any]
    high: NDArray[Any]


class Ranges:
    """The columns of the order rules, from low to high, and what each must lie between.

    Args:
        rules: closed under transitivity; encoder: of the table.
    """

    def __init__(self, rules: Sequence[Ordered], encoder: TableEncoder) -> None:
        self.rules, self.encoder = rules, encoder
        below = {name: {r.low for r in rules if r.high == name} for r in rules for name in r.columns}
        self.columns = sorted(below, key=lambda name: len(below[name]))  # those below a column are fewer than its own

    def draw(
        self,
        table: pd.DataFrame,
        wrong: Places,
        compiled: Compiled,
        seed: int,
        complete: Complete,
    ) -> tuple[Places, Encoded, Touch]:
        """Draw the rows ``wrong`` of ``table`` with one more column in order.

        Returns:
            The rows in the order in which they were drawn, the rows, and what is to be done to their decoded table.
        """
        faults = self._faults(table.iloc[wrong], compiled, wrong)
        rows: list[Places] = []
        drawn: list[Encoded] = []
        touches: list[Touch] = []
        for column, at, done, touch in self._groups(table, wrong, faults, compiled, seed, complete):
            rows.append(wrong[at])
            drawn.append(done)
            touches.append(self._keeping(table.iloc[wrong[at]], column, touch))
        sizes = np.cumsum([0, *(len(r) for r in rows)])

        def finish(fresh: pd.DataFrame) -> pd.DataFrame:
            parts = [t(fresh.iloc[a:b].copy()) for t, a, b in zip(touches, sizes[:-1], sizes[1:], strict=True)]
            return pd.concat(parts, ignore_index=True)

        return np.concatenate(rows), Encoded.concat(drawn), finish

    def clamp(self, table: pd.DataFrame, rows: Places, compiled: Compiled) -> pd.DataFrame:
        """``table`` (the ``rows`` of the whole) with cells at the ends of their ranges, where they were beyond them.

        For given cells at the rim of what was learnt: a law stops short of the extremes of training, which are a few
        rows' own, so that no other column has mass beyond a given extreme.
        """
        out = table.copy(deep=False)
        for name in self.columns:
            kind, (value, null) = self.encoder.schema_.columns[name], _ticks(out[name])
            step = 10.0 ** -(getattr(kind, "decimals", None) or 0) if isinstance(kind, Numeric) else 10**9
            low, high = (np.full(len(out), end) for end in _ends(value))
            for strict, below, v, no in self._neighbours(name, out, compiled, rows):
                if below:
                    low = np.where(no, low, np.maximum(low, v + strict * step))
                else:
                    high = np.where(no, high, np.minimum(high, v - strict * step))
            inside = np.minimum(np.maximum(value, low), high)
            held = compiled.held.get(name)
            moves = (inside != value) & ~null & (np.ones(len(out), dtype=bool) if held is None else ~held[rows])
            moves &= not isinstance(kind, Constant)
            if moves.any():
                cells = canonical(out[name], kind)[0]
                inside = np.where(moves, inside.astype(cells.dtype), cells)
                out[name] = from_canonical(inside, null, kind, index=out.index, name=name)
        return out

    def _faults(self, table: pd.DataFrame, compiled: Compiled, wrong: Places) -> list[_Fault]:
        """By column, the rows in which it is the first one out of its range."""
        faults, open_ = list[_Fault](), np.ones(len(table), dtype=bool)
        for k, name in enumerate(self.columns):
            value, null = _ticks(table[name])
            low, high = (np.full(len(table), end) for end in _ends(value))
            bad = np.zeros(len(table), dtype=bool)
            for strict, below, v, no in self._neighbours(name, table, compiled, wrong):
                if below:
                    low = np.where(no, low, np.maximum(low, v))
                else:
                    high = np.where(no, high, np.minimum(high, v))
                bad |= ~no & strict & (value == v)
            bad = (bad | (value < low) | (value > high)) & ~null & ~pinned(self.encoder, name, compiled, wrong) & open_
            open_ &= ~bad
            at = np.flatnonzero(bad)
            faults.append(_Fault(k, at, low[at], high[at]))
        return [*faults, _Fault(-1, np.flatnonzero(open_), np.empty(0), np.empty(0))]

    def _neighbours(
        self, name: Hashable, table: pd.DataFrame, compiled: Compiled, rows: Places
    ) -> Iterator[tuple[bool, bool, NDArray[Any], NDArray[np.bool_]]]:
        """What bounds a column: whether strictly, whether from below, the bounds, and where there is none.

        What is above gives way, unless it is pinned.
        """
        for rule in self.rules:
            if rule.high == name:
                yield rule.strict, True, *_ticks(table[rule.low])
            elif rule.low == name:
                value, null = _ticks(table[rule.high])
                yield rule.strict, False, value, null | ~pinned(self.encoder, rule.high, compiled, rows)

    def _groups(
        self,
        table: pd.DataFrame,
        wrong: Places,
        faults: list[_Fault],
        compiled: Compiled,
        seed: int,
        complete: Complete,
    ) -> Iterator[tuple[int, Places, Encoded, Touch]]:
        """Rows (places in ``wrong``) drawn at once: which column is put in order, the rows, and what to do after."""
        plain, calls = [faults[-1].rows], 0
        for fault in faults[:-1]:
            order = np.lexsort((fault.high, fault.low))
            waiting = [part for part in np.array_split(order, _GROUPS) if len(part)]
            while waiting:
                part, calls = waiting.pop(0), calls + 1
                at, ends = fault.rows[part], (fault.low[part].max(), fault.high[part].min())
                try:
                    partial, allowed, touch = self._conditions(table, wrong[at], fault.k, *ends, compiled)
                    yield fault.k, at, complete(partial, allowed, entropy(seed, calls)), touch
                except ConditionError:  # no range for all of them, or none that the model can meet
                    waiting += [half for half in np.array_split(part, 2) if len(half)] if len(part) > 1 else []
                    plain += [at] if len(part) == 1 else []
        rest = np.concatenate(plain)
        if len(rest):
            done = complete(compiled.partial.take(torch.from_numpy(wrong[rest])), compiled.allowed, entropy(seed, 0))
            yield 0, rest, done, lambda t: t

    def _conditions(
        self, table: pd.DataFrame, rows: Places, k: int, low: Any, high: Any, compiled: Compiled
    ) -> tuple[Encoded, dict[int, Allowed], Touch]:
        """The rows' partial with the columns below the k-th known, and a range for that one.

        Raises:
            ConditionError: nothing is in the range.
        """
        if low > high:
            raise ConditionError("Ranges: the rows' ranges do not overlap.")
        name = self.columns[k]
        partial = compiled.partial.take(torch.from_numpy(rows))
        if k:
            partial = partial.fill(self.encoder.encode(table.iloc[rows][self.columns[:k]], "state", partial=True))
        allowed = dict(compiled.allowed)
        range_ = Between(self._end(name, low), self._end(name, high))
        touch = narrow_to(self.encoder, name, range_, partial, allowed)
        return partial, allowed, (lambda t: t) if name in compiled.held else touch

    def _end(self, name: Hashable, end: Any) -> Any:
        """An end of a range as a condition takes it; None: it is open."""
        kind = self.encoder.schema_.columns[name]
        if end in _ends(np.asarray(end)):
            return None
        if isinstance(kind, Numeric):
            return float(end)
        return pd.Timestamp(int(end), tz="UTC") if isinstance(kind, Datetime) else pd.Timedelta(int(end))

    def _keeping(self, before: pd.DataFrame, k: int, touch: Touch) -> Touch:
        def keep(fresh: pd.DataFrame) -> pd.DataFrame:
            fresh = touch(fresh)
            for name in self.columns[:k]:
                fresh[name] = before[name].set_axis(fresh.index)
            return fresh

        return keep


def pinned(encoder: TableEncoder, name: Hashable, compiled: Compiled, rows: Places) -> NDArray[np.bool_]:
    """``(rows,)``: is the column's cell given, or always the same?"""
    if isinstance(encoder.schema_.columns[name], Constant):
        return np.ones(len(rows), dtype=bool)
    if name not in compiled.given.columns:
        return np.zeros(len(rows), dtype=bool)
    filled = compiled.given[name].notna().to_numpy()
    return np.asarray(filled[rows] if len(filled) > 1 else np.full(len(rows), filled[0]))


def _ticks(series: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers as float64, times as int64 nanoseconds; and where they are null."""
    values, null = sortable(series)
    if values.dtype.kind in "mM":
        return values.astype(f"{'datetime' if values.dtype.kind == 'M' else 'timedelta'}64[ns]").astype(np.int64), null
    return values.astype(np.float64), null


def _ends(values: NDArray[Any]) -> tuple[Any, Any]:
    """What stands for an open end below, and above."""
    if values.dtype.kind == "i":
        return np.iinfo(np.int64).min, np.iinfo(np.int64).max
    return -np.inf, np.inf
