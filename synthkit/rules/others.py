"""Rules on emptiness, and rules in the caller's own words."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from synthkit.errors import SchemaError
from synthkit.rules.base import Bools, Pinned, Rule, pins

__all__ = ["NullImplies", "Predicate"]


@dataclass(frozen=True)
class NullImplies(Rule):
    """Where ``if_null`` is empty, ``then_null`` is too; with ``both``, they are empty together or not at all.

    >>> table = pd.DataFrame({"a": [1, None, 1], "b": [1, 2, None]})
    >>> NullImplies("a", "b").holds(table).tolist(), NullImplies("a", "b", both=True).holds(table).tolist()
    ([True, False, True], [True, False, False])
    """

    if_null: Hashable
    then_null: Hashable
    both: bool = False

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return (self.if_null, self.then_null)

    @property
    def output(self) -> Hashable | None:
        return self.then_null

    def holds(self, table: pd.DataFrame) -> Bools:
        a, b = (table[name].isna().to_numpy(bool) for name in self.columns)
        return np.asarray(a == b if self.both else ~a | b)

    def repair(self, table: pd.DataFrame, pinned: Pinned = (), rng: np.random.Generator | None = None) -> pd.DataFrame:
        """Empties ``then_null``."""
        a, b = (table[name].isna().to_numpy(bool) for name in self.columns)
        rows = a & ~b & ~pins(pinned, self.then_null, len(table))
        if not rows.any():
            return table
        out, column = table.copy(deep=False), table[self.then_null]
        blank: Any = column[b].iloc[0] if b.any() else np.nan  # the marker that the column has already
        if column.dtype == object:
            cells = column.to_numpy(dtype=object, copy=True)
            cells[rows] = blank
            out[self.then_null] = pd.Series(cells, index=column.index, dtype=object)
        else:
            out[self.then_null] = column.mask(pd.Series(rows, index=column.index))
        return out


@dataclass(frozen=True)
class Predicate(Rule):
    """Any function of a table that returns one boolean per row. It is met by redrawing only, and cannot be saved."""

    function: Callable[[pd.DataFrame], Any]
    name: str = "predicate"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return ()

    def holds(self, table: pd.DataFrame) -> Bools:
        """Raises SchemaError where the function does not return one boolean per row."""
        good = np.asarray(self.function(table.copy()), dtype=bool)
        if good.shape != (len(table),):
            raise SchemaError(f"Predicate {self.name!r}: argument 'function' must return one boolean per row.")
        return good
