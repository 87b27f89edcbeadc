"""Rules of rows that filled cells keep: what a cell must be, and which of two is greater."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.enforce import repaired
from synthkit.errors import SchemaError
from synthkit.rules import Determines, Ordered, Rule, Sum
from synthkit.rules.base import Bools, put, sortable
from synthkit.rules.checks import in_order
from synthkit.rules.infer import infer_rules
from synthkit.schema import ColumnType, Numeric, Schema

__all__ = ["Rules"]

_PASSES = 10
_CLOSE = 1e-6  # of a step


class Rules:
    """Of a schema, and those that a table shows: sums, what determines what, and orders of two columns.

    Orders with a column that a sum or another column tells are left out: what is told stays.

    Args:
        schema: with rules; table: of training, with gaps.
        found: whether rules are looked for in its complete rows, too, as a gap in a sum hides it. A rule that any row
            breaks is none.
    """

    def __init__(self, schema: Schema, table: pd.DataFrame, found: bool) -> None:
        rules, complete = schema.rules, table.dropna()
        if found and len(complete) < len(table):
            more = infer_rules(complete, schema)
            rules = (*rules, *(rule for rule in more if rule not in rules and rule.holds(table).all()))
        try:
            ordered = in_order(rules)
        except SchemaError:  # sums in a circle
            ordered = in_order(schema.rules)
        told: list[Rule] = [rule for rule in ordered if isinstance(rule, (Determines, Sum))]
        taken = {name for rule in told for name in rule.columns}
        self.told = [rule.learn(table, schema.columns, 1) for rule in told]
        self.orders = [rule for rule in ordered if isinstance(rule, Ordered) and not taken & {*rule.columns}]
        self._least = {rule.columns: _least(rule, table) for rule in self.orders}
        self._grid = {name: _grid(table[name], schema.columns[name]) for rule in self.orders for name in rule.columns}

    def keep(self, filled: pd.DataFrame, given: Mapping[Hashable, Bools]) -> pd.DataFrame:
        """Filled rows put right; cells that are ``given``, ``(rows,)`` by column, stay, whatever they say."""
        filled = repaired(self.told, filled, given, None)
        for _ in range(_PASSES):  # an order may undo another, until all hold
            before = filled
            for rule in self.orders:
                free = [~given[name] for name in rule.columns]
                broken = ~rule.holds(filled) & (free[0] | free[1])
                if broken.any():
                    filled = self._in_order(rule, filled, broken, *free)
            if filled is before:
                break
        return filled

    def _in_order(
        self, rule: Ordered, table: pd.DataFrame, broken: Bools, low_free: Bools, high_free: Bools
    ) -> pd.DataFrame:
        """A free cell moves to where the rule just holds; two free ones change places (equal ones part)."""
        out, least = table.copy(deep=False), self._least[rule.columns]
        low, high = _signed(table[rule.low]), _signed(table[rule.high])
        both = np.flatnonzero(broken & low_free & high_free)
        self._put(out, rule.low, both, high.iloc[both], down=True)
        self._put(out, rule.high, both, np.maximum(low.iloc[both], high.iloc[both] + least), down=False)
        at = np.flatnonzero(broken & low_free & ~high_free)
        self._put(out, rule.low, at, high.iloc[at] - least, down=True)
        at = np.flatnonzero(broken & high_free & ~low_free)
        self._put(out, rule.high, at, low.iloc[at] + least, down=False)
        return out

    def _put(self, table: pd.DataFrame, name: Hashable, at: NDArray[np.intp], values: pd.Series, *, down: bool) -> None:
        """Values into some rows, on the column's grid: to its next point down, or up."""
        grid = self._grid[name]
        if grid == "D":
            values = values.dt.floor("D") if down else values.dt.ceil("D")
        elif isinstance(grid, float):
            steps = values.astype("Float64").to_numpy(dtype=float) * grid
            steps = np.where(np.abs(steps - np.round(steps)) < _CLOSE, np.round(steps), steps)
            rounded = (np.floor(steps) if down else np.ceil(steps)) / grid
            values = values.where(rounded == values, pd.Series(rounded, index=values.index)) if len(values) else values
        if getattr(table[name].dtype, "kind", "") == "u":
            values = values.clip(lower=0)
        put(table, name, at, values)


def _signed(series: pd.Series) -> pd.Series:
    """Unsigned integers as signed ones, so that one may be taken away."""
    return series.astype("Int64") if getattr(series.dtype, "kind", "") == "u" else series


def _grid(series: pd.Series, kind: ColumnType) -> float | str | None:
    """Points per unit of a column of numbers; "D": dates without a time; None: neither."""
    known = series.dropna()
    if isinstance(kind, Numeric):
        digits = 0 if kind.integer or pd.api.types.is_integer_dtype(series.dtype) else kind.decimals
        return None if digits is None else 10.0**digits
    if getattr(series.dtype, "kind", "") == "M" and len(known) and (known == known.dt.normalize()).all():
        return "D"
    return None


def _least(rule: Ordered, table: pd.DataFrame) -> Any:
    """The least difference of both columns in training, 0 where they may be equal."""
    (a, no_a), (b, no_b) = sortable(table[rule.low]), sortable(table[rule.high])
    apart = (b - a)[~(no_a | no_b)]
    least = apart.min() if rule.strict and len(apart) else apart.dtype.type(0)
    return pd.Timedelta(least) if apart.dtype.kind == "m" else least  # which adds to dates of any kind
