"""A table as floats for learners that are no nets, and floats as cells again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.schema import Boolean, Categorical, Constant, Identifier, Numeric, Personal, Schema, Text
from synthkit.synthesizers.centre import is_quantity

__all__ = ["Cells", "Column", "Floats"]

Floats = NDArray[np.float64]
_UNIQUE = 0.5  # levels per row, above which a column of categories is a text that nothing can be learnt from


@dataclass(frozen=True)
class Column:
    """How a column's cells become floats.

    Attributes:
        levels: its categories, the most frequent first (a cell is its place among them); None: a quantity.
        mean, std: of the quantity's floats; low, high: their ends; step: their grid (0: none).
        origin: of moments, the integer that is 0.
        dtype: in training.
    """

    name: Hashable
    dtype: Any
    levels: pd.Index | None = None
    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    origin: int | None = None

    def floats(self, series: pd.Series) -> Floats:
        """``(rows,)``; NaN where the cell is null or was never seen."""
        out = np.full(len(series), np.nan)
        known = series.notna().to_numpy()
        some = series[known]
        if self.levels is not None:
            place = self.levels.get_indexer(pd.Index(some.astype(object)))
            out[known] = np.where(place < 0, np.nan, place)
        elif self.origin is not None:
            out[known] = some.astype(self.dtype).astype("int64").to_numpy() - self.origin
        else:
            out[known] = some.to_numpy(dtype=float)
        return out

    def cells(self, floats: Floats) -> pd.Series:
        """The values of floats without NaN: on the grid, in the dtype of training."""
        if self.levels is not None:
            return pd.Series(self.levels.to_numpy(dtype=object)[floats.astype(np.int64)], dtype=object)
        floats = np.clip(floats, self.low, self.high)
        if self.origin is not None:
            whole = self.origin + np.round(floats / self.step).astype(np.int64) * int(self.step)
            return pd.Series(whole).astype(self.dtype)
        if self.step:
            digits = max(round(-np.log10(self.step)), 0)
            floats = np.round(floats, digits)
        return pd.Series(floats).astype(self.dtype)


class Cells:
    """The columns that something can be learnt of.

    Attributes:
        columns: in the table's order; texts, keys and columns of hardly repeating categories are left out.
    """

    def __init__(self, table: pd.DataFrame, schema: Schema) -> None:
        self.columns: list[Column] = []
        for name in table.columns:
            column = _column(table[name], name, schema)
            if column is not None:
                self.columns.append(column)

    def floats(self, table: pd.DataFrame) -> Floats:
        """``(rows, columns)``; see :meth:`Column.floats`."""
        if not self.columns:
            return np.empty((len(table), 0))
        return np.stack([column.floats(table[column.name]) for column in self.columns], axis=1)

    def put(self, table: pd.DataFrame, filled: Sequence[Floats]) -> pd.DataFrame:
        """The table with null cells from ``filled``, one array of ``(rows,)`` per column, read where null only."""
        out = table.copy()
        for column, floats in zip(self.columns, filled, strict=True):
            gap = table[column.name].isna().to_numpy()
            if gap.any():
                cells = out[column.name].copy()
                cells[gap] = column.cells(floats[gap]).astype(cells.dtype).to_numpy()
                out[column.name] = cells
        return out


def _column(series: pd.Series, name: Hashable, schema: Schema) -> Column | None:
    kind, known = schema.columns[name], series.dropna()
    if isinstance(kind, (Text, Identifier, Personal)) or not len(known):
        return None
    if not is_quantity(series) or isinstance(kind, (Categorical, Boolean, Constant)):
        levels = pd.Index(known.astype(object).value_counts(sort=True).index, dtype=object)
        return None if len(levels) > max(_UNIQUE * len(known), 50) else Column(name, series.dtype, levels)
    origin, step = None, 0.0
    if getattr(series.dtype, "kind", "") in "mM":
        whole = known.astype("int64").to_numpy()
        origin = int(whole[0])
        floats = (whole - origin).astype(float)
        step = float(max(int(np.gcd.reduce(np.abs(whole - origin))), 1))
    else:
        floats = known.to_numpy(dtype=float)
        digits = 0 if pd.api.types.is_integer_dtype(series.dtype) else None
        if isinstance(kind, Numeric) and digits is None:
            digits = 0 if kind.integer else kind.decimals
        step = 0.0 if digits is None else 10.0**-digits
    ends = float(floats.min()), float(floats.max())
    return Column(
        name, series.dtype, None, float(floats.mean()), max(float(floats.std()), 1e-12), *ends, step=step, origin=origin
    )
