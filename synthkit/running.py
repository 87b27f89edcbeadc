"""Running totals: a column that is its last value plus, or minus, the amount of the row (balances, stocks).

Such a column is not learnt: it follows from where it opens and from the amounts, exactly. How it is recognised is in
:mod:`synthkit.running_order`.
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
from synthkit.schema import ColumnType, Numeric

__all__ = ["Ledger", "Parts", "Running"]

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


# -------------------------------------------------------------------- sums
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
