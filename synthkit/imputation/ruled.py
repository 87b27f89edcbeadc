"""Rules of rows that filled cells keep: what a cell must be, and which of two is greater."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthkit.enforce import repaired
from synthkit.errors import SchemaError
from synthkit.rules import Determines, Ordered, Rule, Sum
from synthkit.rules.base import Bools, put, sortable
from synthkit.rules.checks import in_order
from synthkit.rules.infer import infer_rules
from synthkit.schema import Schema

__all__ = ["Rules"]


class Rules:
    """Of a schema, and those that a table shows: sums, what determines what, and orders of two columns.

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

    def keep(self, filled: pd.DataFrame, given: Mapping[Hashable, Bools]) -> pd.DataFrame:
        """Filled rows put right; cells that are ``given``, ``(rows,)`` by column, stay, whatever they say."""
        filled = repaired(self.told, filled, given, None)
        for rule in self.orders:
            broken = ~rule.holds(filled)
            if broken.any():
                filled = self._in_order(rule, filled, broken, ~given[rule.low], ~given[rule.high])
        return filled

    def _in_order(
        self, rule: Ordered, table: pd.DataFrame, broken: Bools, low_free: Bools, high_free: Bools
    ) -> pd.DataFrame:
        """A free cell moves to where the rule just holds; two free ones change places (equal ones part)."""
        out, least = table.copy(deep=False), self._least[rule.columns]
        low, high = table[rule.low], table[rule.high]
        both = np.flatnonzero(broken & low_free & high_free)
        put(out, rule.low, both, high.iloc[both])
        put(out, rule.high, both, np.maximum(low.iloc[both], high.iloc[both] + least))
        for name, other, at, step in (
            (rule.low, high, broken & low_free & ~high_free, -1),
            (rule.high, low, broken & high_free & ~low_free, 1),
        ):
            where = np.flatnonzero(at)
            put(out, name, where, other.iloc[where] + step * least)
        return out


def _least(rule: Ordered, table: pd.DataFrame) -> Any:
    """The least difference of both columns in training, 0 where they may be equal."""
    (a, no_a), (b, no_b) = sortable(table[rule.low]), sortable(table[rule.high])
    apart = (b - a)[~(no_a | no_b)]
    least = apart.min() if rule.strict and len(apart) else apart.dtype.type(0)
    return pd.Timedelta(least) if apart.dtype.kind == "m" else least  # which adds to dates of any kind
