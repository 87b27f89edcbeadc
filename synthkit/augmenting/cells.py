"""A table as one matrix, for the learners and the oversampling controls."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.tables import Kinds, as_numbers, kinds_of
from synthkit.schema import Schema

__all__ = ["Cells", "class_codes", "tally"]


@dataclass(frozen=True)
class Cells:
    """How columns become numbers: values and dates as float64, categories as codes, null as NaN.

    Levels are numbered by the table that it is made from; what is learnt beyond names of levels (scales, frequencies)
    is left to those who see training rows only.

    Attributes:
        kinds: the columns, in the order of the matrix, and what they are.
        levels: per categorical column its values.
    """

    kinds: Kinds
    levels: Mapping[Hashable, pd.Index[Any]]

    @classmethod
    def of(cls, table: pd.DataFrame, without: Collection[Hashable] = (), kinds: Kinds | None = None) -> Cells:
        """The columns of ``kinds``, by default those that a learner can read: no identifiers and no free text.

        Args:
            without: columns that are left out.
        """
        known = kinds_of(Schema.infer(table)) if kinds is None else kinds
        kinds = {name: kind for name, kind in known.items() if name not in without}
        named = [name for name, kind in kinds.items() if kind == "categorical"]
        return cls(kinds, {name: pd.Index(table[name].dropna().unique()) for name in named})

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """``(columns,)``."""
        return np.array([name in self.levels for name in self.kinds], dtype=bool)

    def matrix(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """``(rows, columns)``; an unknown level is NaN, as null is."""
        out = np.empty((len(table), len(self.kinds)))
        for j, (name, kind) in enumerate(self.kinds.items()):
            if name in self.levels:
                codes = self.levels[name].get_indexer(pd.Index(table[name])).astype(np.float64)
                out[:, j] = np.where(codes < 0, np.nan, codes)
            else:
                out[:, j] = as_numbers(table[name], kind)
        return out


def tally(column: pd.Series[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The values of a column without nulls, in the order in which they come, and how many cells each has."""
    codes, values = pd.factorize(column.astype(object).to_numpy())
    return list(values), np.bincount(codes, minlength=len(values)).astype(np.int64)


def class_codes(classes: list[Any], column: pd.Series[Any]) -> NDArray[np.int64]:
    """``(rows,)`` places among ``classes``; -1 for another value."""
    cells = pd.Index(column.astype(object).to_numpy(), dtype=object)
    return np.asarray(pd.Index(classes, dtype=object).get_indexer(cells), dtype=np.int64)
