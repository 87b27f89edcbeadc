"""Running totals: a column that is its last value plus, or minus, the amount of the row (balances, stocks).

Such a column is not learnt: it follows from where it opens and from the amounts, exactly. Records of one time often
lost their order; then the totals tell it, since each is what the next one starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.encoder import TableEncoder
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Encoded, Layout
from synthkit.schema import Boolean, Categorical, ColumnType, Numeric, Schema

__all__ = ["Ledger", "Parts", "Running", "chained", "find_running"]

_SHARE = 0.99  # of the rows that a rule has to hold in
_ROWS = 20  # rows with an amount that have to speak for a rule
_VALUES = 5  # amounts that differ: a counter is no running total
_SCREEN = 4000  # rows that tell quickly which columns may be meant
_TIED = 2e9  # pairs of rows of one time that an order is looked for in, at most
_EXACT = 2.0**52
_COARSE = 100  # units that a change has as a rule, for one unit to pass as the rounding of what was recorded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """What a rule speaks of, ``(R,)`` each, NaN where it is not known: totals and amounts in units of the grid, signs
    (1 or -1).
    """

    total: Floats
    amount: Floats
    sign: Floats

    @property
    def change(self) -> Floats:
        """``(R,)`` what each row adds to the total."""
        return self.sign * self.amount


@dataclass(frozen=True)
class Running:
    """``total = total of the row before + sign x amount``.

    Attributes:
        total, amount: names of columns; by: the column whose value says the sign, or None: ``sign`` is that of all.
        signs: value of ``by`` -> 1 or -1; digits: after the point, of the grid that it holds on; positive: whether no
            amount is below zero; slack: units that records may be off by, having been rounded.
    """

    total: Hashable
    amount: Hashable
    by: Hashable | None
    sign: int
    signs: Mapping[Any, int]
    digits: int
    positive: bool
    slack: int

    def units(self, numbers: Any) -> Floats:
        """``(R,)`` numbers in units of the grid."""
        out: Floats = np.rint(np.asarray(numbers, np.float64) * 10.0**self.digits)
        return out

    def numbers(self, units: Floats) -> Floats:
        """The inverse of :meth:`units`."""
        return units / 10.0**self.digits

    def parts(self, table: pd.DataFrame, kinds: Mapping[Hashable, ColumnType]) -> Parts:
        """Totals (where the table has them), amounts and signs of its rows."""

        def read(name: Hashable) -> Floats:
            if name not in table:
                return np.full(len(table), np.nan)
            values, null = canonical(table[name], kinds[name])
            return np.where(null, np.nan, self.units(np.where(null, 0, values)))

        sign = np.full(len(table), float(self.sign))
        if self.by is not None:
            values, null = canonical(table[self.by], kinds[self.by])
            codes, levels = pd.factorize(values)
            known = np.array([self.signs.get(level, np.nan) for level in levels] + [np.nan], np.float64)
            sign = np.where(null, np.nan, known[codes])
        return Parts(read(self.total), read(self.amount), sign)

    def kept(self, encoder: TableEncoder) -> Self:
        """The rule with the signs of those values alone that ``encoder`` keeps."""
        levels = getattr(encoder.transformers_.get(self.by), "categories", self.signs)
        return replace(self, signs={level: self.signs.get(level, self.sign) for level in levels})

    def column(self, name: Hashable, units: Floats, kind: ColumnType) -> pd.Series:
        """Units as the table has them; NaN is null."""
        null = np.isnan(units)
        values: Any = np.where(null, 0.0, self.numbers(units))
        if isinstance(kind, Numeric):
            values = values.round(kind.decimals or 0)
            values = values.astype(np.int64) if kind.integer else values
        return from_canonical(values, null, kind, name=name)

    # ---------------------------------------------------------------- drawn rows
    def settle(
        self, table: pd.DataFrame, opening: Floats, lengths: Ints, kinds: Mapping[Hashable, ColumnType]
    ) -> pd.DataFrame:
        """Whole rows with the totals that follow from their amounts.

        Args:
            table: R rows, those of an entity together; opening: ``(E,)`` totals before the first of them, in units;
                lengths: ``(E,)``.
        """
        change = np.nan_to_num(self.parts(table, kinds).change)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        totals = self.column(self.total, opening[owner] + _sums(change, owner), kinds[self.total])
        table = table.copy()
        table[self.total] = totals.set_axis(table.index)
        return table

    # ---------------------------------------------------------------- given rows
    def complete(self, parts: Parts, owner: Ints) -> Parts:
        """Totals and amounts that follow from what is known. Rows in their order; owner: ``(R,)`` whose they are."""
        change = parts.change
        broken = np.isnan(change) | (np.diff(owner, prepend=-1) != 0)
        total = _chain(parts.total, change, np.cumsum(broken))
        moved = total - _shift(total, owner)
        amount = np.where(np.isnan(parts.sign), np.abs(moved) if self.positive else np.nan, parts.sign * moved)
        fits = np.isnan(parts.amount) & ((amount >= 0) | (not self.positive))
        return Parts(total, np.where(fits, amount, parts.amount), parts.sign)

    def fill(
        self,
        table: pd.DataFrame,
        given: Parts,
        owner: Ints,
        opening: Floats | None,
        kinds: Mapping[Hashable, ColumnType],
    ) -> pd.DataFrame:
        """Filled rows with totals that follow, and with amounts that fit between known totals.

        Args:
            table: R rows in their order, without gaps; given: what was known of them; opening: ``(E,)`` totals before
                first rows, in units, for entities none of whose totals is known; None: as ``table`` has them.
        """
        drawn = self.parts(table, kinds)
        sign = np.where(np.isnan(given.sign), drawn.sign, given.sign)
        amount = np.where(np.isnan(given.amount), drawn.amount, given.amount)
        change = np.nan_to_num(sign * amount)
        first = np.diff(owner, prepend=-1) != 0
        start = drawn.total if opening is None else opening[owner] + change
        none = pd.Series(given.total).groupby(owner).transform("count").to_numpy() == 0
        known = np.where(first & none, start, given.total)
        total = np.where(np.isnan(given.total), _chain(known, change, owner), given.total)
        needed = sign * (total - _shift(total, owner))
        fits = np.isnan(given.amount) & ~np.isnan(needed) & ((needed >= 0) | (not self.positive))
        table = table.copy()
        for name, units in ((self.total, total), (self.amount, np.where(fits, needed, amount))):
            table[name] = self.column(name, units, kinds[name]).set_axis(table.index)
        return table

    # ---------------------------------------------------------------- state
    def to_json(self) -> dict[str, Any]:
        """A JSON value."""
        names = {key: io.to_json(getattr(self, key)) for key in ("total", "amount", "by")}
        signs = [io.to_json(list(self.signs)), list(self.signs.values())]
        return {
            **names,
            "sign": self.sign,
            "signs": signs,
            "digits": self.digits,
            "positive": self.positive,
            "slack": self.slack,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        total, amount, by = (io.from_json(value[key]) for key in ("total", "amount", "by"))
        signs = dict(zip(io.from_json(value["signs"][0]), (int(s) for s in value["signs"][1]), strict=True))
        sign, digits, slack = (int(value[key]) for key in ("sign", "digits", "slack"))
        return cls(total, amount, by, sign, signs, digits, bool(value["positive"]), slack)


class Ledger:
    """The totals of E entities while their rows are drawn: enters each row's into its codes.

    Args:
        rows: the codec of the moving columns; step: the layout that ends in theirs; opening: ``(E,)`` in units;
        decode: some columns of completed rows; kinds: types of the table's columns.
    """

    def __init__(
        self,
        rule: Running,
        rows: TableEncoder,
        step: Layout,
        opening: Floats,
        decode: Callable[[Encoded, Sequence[Hashable]], pd.DataFrame],
        kinds: Mapping[Hashable, ColumnType],
    ) -> None:
        self.rule, self.rows, self.now = rule, rows, opening.copy()
        self.decode, self.kinds = decode, kinds
        self.names = [rule.amount, *([] if rule.by is None else [rule.by])]
        own = rows.layout_
        self.skip = {True: step.n_cat - own.n_cat, False: step.n_num - own.n_num}

    def enter(self, step: Encoded, whose: torch.Tensor) -> None:
        """Let the totals of the next rows of entities ``whose`` be known, in place."""
        rows, kinds = self.rows, self.kinds
        cats, nums = self.skip[True], self.skip[False]
        moving = Encoded(step.num[:, nums:], step.cat[:, cats:], step.num_known[:, nums:], step.cat_known[:, cats:])
        drawn = self.rule.parts(self.decode(moving, self.names), kinds)
        at = whose.cpu().numpy()
        self.now[at] += np.nan_to_num(drawn.change)
        now = self.now[at]
        kind: Any = kinds[self.rule.total]
        values: Any = self.rule.numbers(now)
        for field, (value, known) in rows.coded(self.rule.total, now.astype(np.int64) if kind.integer else values):
            coded = bool(rows.layout_.fields[field].size)
            slot = rows.layout_.slot[field] + self.skip[coded]
            target, mask = (step.cat, step.cat_known) if coded else (step.num, step.num_known)
            target[:, slot] = torch.from_numpy(np.where(known, value, 0)).to(target)
            mask[:, slot] = torch.from_numpy(known).to(mask)


# -------------------------------------------------------------------- recognition
def find_running(
    table: pd.DataFrame, owner: Ints, clock: NDArray[Any], schema: Schema, moving: Sequence[Hashable]
) -> Running | None:
    """The running total among the columns that move, if there is one: the rule that most rows obey.

    Args:
        table: R rows by entity and time; owner: ``(R,)`` whose they are; clock: ``(R,)`` their times.
    """
    group = _groups(owner, clock)
    if not len(table) or float((np.bincount(group).astype(np.float64) ** 2).sum()) > _TIED:
        return None
    full = [name for name in moving if not bool(table[name].isna().any())]
    numbers = [name for name in full if _countable(schema.columns[name])]
    flags = [name for name in full if isinstance(schema.columns[name], (Categorical, Boolean))]
    values = {name: canonical(table[name], schema.columns[name])[0].astype(np.float64) for name in numbers}
    best, most = None, 0.0
    few = slice(0, int(np.searchsorted(owner, owner[min(_SCREEN, len(owner)) - 1], "right")))
    for total in numbers:
        for amount in numbers:
            digits = max(schema.columns[name].decimals or 0 for name in (total, amount))  # type: ignore[attr-defined]
            units = [np.rint(values[name] * 10.0**digits) for name in (total, amount)]
            if total == amount or max(np.abs(x).max() for x in units) >= _EXACT:
                continue
            moves = np.abs(units[1][units[1] != 0])
            if len(np.unique(moves)) < _VALUES:
                continue
            slack = int(np.median(moves) >= _COARSE)
            plain = Running(total, amount, None, 1, {}, digits, bool((units[1] >= 0).all()), slack)
            if not _likely(units, owner, group, slack, few):
                continue
            for rule in _signed(plain, units, owner, group, {f: table[f] for f in flags}, schema):
                share = _holds(rule.parts(table, schema.columns), owner, group, slack)
                if share >= _SHARE and share > most:
                    best, most = rule, share
    return best


def _countable(kind: ColumnType) -> bool:
    """Whether a column has a grid, and room for totals that were never seen."""
    if not isinstance(kind, Numeric) or (kind.decimals is None and not kind.integer):
        return False
    dtype = str((kind.dtype or {}).get("name", "")).lower()
    narrow = dtype.startswith("uint") or dtype.endswith(("8", "16", "float32", "halffloat"))
    return kind.low is None and kind.high is None and not narrow


def _matches(
    total: Floats, change: Floats, owner: Ints, group: Ints, slack: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``(R,)``: rows whose total before them is one of the same time or of the time before; rows that can tell."""
    values, at = np.unique(total, return_inverse=True)
    keys = np.unique(group * len(values) + at)
    first = np.append(True, np.diff(owner) != 0)
    begins = np.zeros(int(group[-1]) + 1, bool)
    begins[group[first]] = True

    low = np.searchsorted(values, total - change - slack, "left")
    high = np.searchsorted(values, total - change + slack, "right")

    def there(where: Ints) -> NDArray[np.bool_]:
        first, last = (np.searchsorted(keys, where * len(values) + x) for x in (low, high))
        return np.asarray(first < last)

    starts = begins[group]
    return there(group) | (there(group - 1) & ~starts), (change != 0) & ~starts


def _likely(units: list[Floats], owner: Ints, group: Ints, slack: int, few: slice) -> bool:
    """Whether some sign would do for almost all of the first rows."""
    total, amount, who, when = units[0][few], units[1][few], owner[few], group[few]
    plus, tells = _matches(total, amount, who, when, slack)
    minus = _matches(total, -amount, who, when, slack)[0]
    return int(tells.sum()) > 0 and float((plus | minus)[tells].mean()) >= _SHARE - 0.04


def _signed(
    plain: Running,
    units: list[Floats],
    owner: Ints,
    group: Ints,
    flags: Mapping[Hashable, pd.Series],
    schema: Schema,
) -> list[Running]:
    """The rules that order-free counts allow: one sign for all, or else one for each value of a column."""
    total, amount = units
    plus, tells = _matches(total, amount, owner, group, plain.slack)
    minus = _matches(total, -amount, owner, group, plain.slack)[0]
    if tells.sum() < _ROWS:
        return []
    found = [replace(plain, sign=s) for s, m in ((1, plus), (-1, minus)) if float(m[tells].mean()) >= _SHARE]
    if found:
        return found
    for name, column in flags.items():
        codes, levels = pd.factorize(canonical(column, schema.columns[name])[0])
        up, down = (np.bincount(codes[m & tells], minlength=len(levels)) for m in (plus, minus))
        if np.maximum(up, down).sum() >= _SHARE * tells.sum() and 1 < len(levels) <= len(codes) / _ROWS:
            signs = {level: 1 if u >= d else -1 for level, u, d in zip(levels, up, down, strict=True)}
            sign = 1 if up.sum() >= down.sum() else -1
            found.append(replace(plain, by=name, signs=signs, sign=sign))
    return found


def _holds(parts: Parts, owner: Ints, group: Ints, slack: int) -> float:
    """The share of rows that add up, in the best order; 0 where too few tell, or where those with an amount do not."""
    order = _walk(parts.total, parts.change, owner, group, slack)
    total, change = parts.total[order], parts.change[order]
    later = np.flatnonzero(owner[1:] == owner[:-1]) + 1
    right = np.abs(total[later] - total[later - 1] - change[later]) <= slack
    tells = change[later] != 0
    if tells.sum() < _ROWS or float(right[tells].mean()) < _SHARE:
        return 0.0
    return float(right.mean())


# -------------------------------------------------------------------- order
def chained(parts: Parts, owner: Ints, clock: NDArray[Any], slack: int) -> Ints:
    """``(R,)`` the order of rows, which come by entity and time, in which totals add up where rows share a time.

    A time with a row of which something is not known keeps its order.
    """
    return _walk(parts.total, parts.change, owner, _groups(owner, clock), slack)


def _walk(total: Floats, change: Floats, owner: Ints, group: Ints, slack: int) -> Ints:
    """Next is the first row left whose total before it is the total so far; where none is, the first row left."""
    out = np.arange(len(total))
    if not len(out):
        return out
    sizes = np.bincount(group)
    before = total - change
    whole = np.bincount(group, np.isnan(before)) == 0
    now = _heads(total, before, owner, group, whole, slack)
    rows = np.flatnonzero((sizes > 1)[group] & whole[group])
    place = np.cumsum(sizes) - sizes
    while len(rows):
        who = group[rows]
        starts = np.flatnonzero(np.append(True, who[1:] != who[:-1]))
        key = np.where(np.abs(before[rows] - now[who]) <= slack, 0, len(rows)) + np.arange(len(rows))
        pick = np.minimum.reduceat(key, starts) % len(rows)
        chosen, mine = rows[pick], who[pick]
        out[place[mine]], now[mine] = chosen, total[chosen]
        place[mine] += 1
        rows = np.delete(rows, pick)
    return out


def _heads(total: Floats, before: Floats, owner: Ints, group: Ints, whole: NDArray[np.bool_], slack: int) -> Floats:
    """``(G,)`` the total that each time of an entity starts from, NaN where it is not known.

    It is the one that no other row of that time ends at; where there is none (they come back to where they were), what
    the time before ended at.
    """
    at = np.flatnonzero(whole[group])
    values, who = np.concatenate([before[at], total[at]]), np.tile(group[at], 2)
    side = np.repeat([1.0, -1.0], len(at))
    order = np.lexsort((values, who))
    values, who, side = values[order], who[order], side[order]
    same = np.cumsum(np.append(True, (np.diff(who) != 0) | (np.diff(values) > slack))[: len(who)]) - 1
    net, ends = np.bincount(same, side), []
    for sign in (1.0, -1.0):
        open_ = (side == sign) & (net[same] == sign)
        value = np.full(len(whole), np.nan)
        value[who[open_]] = values[open_]
        first = np.append(True, np.diff(same) != 0)[: len(who)]
        value[np.bincount(who[first], net[same[first]] * sign > 0, minlength=len(whole)) != 1] = np.nan
        ends.append(pd.Series(value))
    entity = owner[np.append(True, group[1:] != group[:-1])]
    start, end = ends
    came = end.groupby(entity).ffill().groupby(entity).shift()
    goes = start.groupby(entity).bfill()
    return np.array(start.fillna(came).fillna(goes), np.float64)


# -------------------------------------------------------------------- sums
def _groups(owner: Ints, clock: NDArray[Any]) -> Ints:
    """``(R,)`` numbers of the times of entities."""
    new = np.append(True, (np.diff(owner) != 0) | (clock[1:] != clock[:-1]))[: len(owner)]
    return np.asarray(np.cumsum(new) - 1, np.int64)


def _sums(change: Floats, owner: NDArray[Any]) -> Floats:
    """``(R,)`` running sums within owners; whole numbers, so that they are exact."""
    return np.asarray(pd.Series(change).groupby(owner).cumsum(), np.float64)


def _shift(total: Floats, owner: Ints) -> Floats:
    """``(R,)`` the total of the row before, NaN in first rows."""
    return np.asarray(pd.Series(total).groupby(owner).shift(), np.float64)


def _chain(total: Floats, change: Floats, run: NDArray[Any]) -> Floats:
    """``(R,)`` totals from the nearest known one before, or else after, in the same run of rows.

    What the first row of a run adds does not count within it, and may be unknown.
    """
    sums = _sums(np.nan_to_num(change), run)
    start = pd.Series(total - sums).groupby(run)
    return np.asarray(start.ffill().groupby(run).bfill(), np.float64) + sums
