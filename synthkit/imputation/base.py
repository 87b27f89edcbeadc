"""What fills a table, and the simplest way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import ClassVar

import numpy as np
import pandas as pd

from synthkit.encoder import TableEncoder
from synthkit.runtime import entropy
from synthkit.schema import Personal, Schema
from synthkit.synthesizers.centre import is_quantity
from synthkit.synthesizers.filling import Point

__all__ = ["Engine", "Marginal"]


class Engine(ABC):
    """A way to fill gaps. Tables have the columns of the schema, in any order of rows; nothing is changed in place."""

    name: ClassVar[str]

    @abstractmethod
    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        """Learn from a table with gaps."""

    @abstractmethod
    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        """The table with each gap at its centre given what its row knows."""

    @abstractmethod
    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        """The table with the gaps of each row drawn jointly, given what the row knows."""

    def variant(self, k: int) -> Engine:
        """What draws the k-th of several completed tables: with parameters of its own, where they can vary."""
        return self


class Marginal(Engine):
    """The column's own law, whatever the row says: median and mode, the baseline that any other must beat.

    The median is the lower one, so that it is a value of the column. Draws are observed values, picked at random. A
    gap in personal data gets no other person's: a value is made for it, in the column's format.
    """

    name: ClassVar[str] = "median"

    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        self.observed: dict[Hashable, pd.Series] = {
            name: table[name].dropna().reset_index(drop=True) for name in table.columns
        }
        named = [n for n in table.columns if isinstance(schema.columns.get(n), Personal) and len(self.observed[n])]
        self._made = TableEncoder(schema.project(named)).fit(table[named]) if named else None

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        def middle(name: Hashable, count: int) -> pd.Series:
            values = self.observed[name]
            if not is_quantity(values):
                return pd.Series([values.mode().iloc[0]] * count)
            return values.sort_values().iloc[[(len(values) - 1) // 2] * count]  # a value that was observed

        return self._filled(table, middle, seed)

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(entropy(seed, 1))

        def some(name: Hashable, count: int) -> pd.Series:
            return self.observed[name].iloc[rng.integers(0, len(self.observed[name]), count)]

        return self._filled(table, some, seed)

    def _filled(self, table: pd.DataFrame, cells: Callable[[Hashable, int], pd.Series], seed: int) -> pd.DataFrame:
        out, made = table.copy(), self._made
        fresh = None if made is None else made.decode(made.layout_.empty(len(table)), seed=entropy(seed, 2))
        for name in table.columns:
            gap = table[name].isna().to_numpy()
            if gap.any() and len(self.observed[name]):
                column = out[name].copy()
                own = fresh[name][gap] if fresh is not None and name in fresh else cells(name, int(gap.sum()))
                column[gap] = own.to_numpy()
                out[name] = column
        return out
