"""A table as one matrix for the learners and the oversampling controls, and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.tables import kinds_of
from synthkit.schema import Schema

__all__ = ["Cells", "features_of"]


def features_of(table: pd.DataFrame, without: Sequence[Hashable], schema: Schema | None = None) -> dict[Hashable, str]:
    """The columns that a learner can read, and their kinds: identifiers, free text and ``without`` are left out."""
    kinds = kinds_of(Schema.infer(table) if schema is None else schema)
    return {name: kind for name, kind in kinds.items() if name not in without and name in table.columns}


@dataclass(frozen=True)
class Cells:
    """How columns become numbers: values and dates as float64, categories as codes, null as NaN.

    Levels are numbered by the table that it is made from; what is learnt beyond names of levels (scales, frequencies)
    is left to those who see training rows only.

    Attributes:
        names: the columns, in the order of the matrix.
        categorical: ``(columns,)``.
        levels: per categorical column its values; empty for others.
    """

    names: tuple[Hashable, ...]
    categorical: NDArray[np.bool_]
    levels: tuple[pd.Index[Any], ...]

    @classmethod
    def of(cls, table: pd.DataFrame, kinds: dict[Hashable, str]) -> Cells:
        """For the columns of ``kinds``, with the levels that ``table`` has."""
        named = np.array([kind == "categorical" for kind in kinds.values()], dtype=bool)
        levels = [
            pd.Index(table[name].dropna().unique()) if is_named else pd.Index([])
            for name, is_named in zip(kinds, named, strict=True)
        ]
        return cls(tuple(kinds), named, tuple(levels))

    def matrix(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """``(rows, columns)``; an unknown level is NaN, as null is."""
        out = np.empty((len(table), len(self.names)))
        for j, name in enumerate(self.names):
            if self.categorical[j]:
                codes = self.levels[j].get_indexer(pd.Index(table[name])).astype(np.float64)
                out[:, j] = np.where(codes < 0, np.nan, codes)
            else:
                out[:, j] = numbers(table[name])
        return out

    def frame(self, matrix: NDArray[np.float64], like: pd.DataFrame) -> pd.DataFrame:
        """A table with the dtypes of ``like`` from a matrix; numbers of whole columns are rounded."""
        columns = {}
        for j, name in enumerate(self.names):
            values, null = matrix[:, j], np.isnan(matrix[:, j])
            if self.categorical[j]:
                cells = pd.Series(self.levels[j].take(np.where(null, 0, values).astype(int)))
                columns[name] = cells.mask(null).astype(like[name].dtype)
            else:
                columns[name] = _number(values, null, like[name])
        return pd.DataFrame(columns)


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Numbers, dates and durations as float64 (of time: nanoseconds); null is NaN."""
    null = column.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        unit = "datetime64[ns]" if pd.api.types.is_datetime64_any_dtype(column.dtype) else "timedelta64[ns]"
        plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
        values = plain.to_numpy().astype(unit).astype(np.int64).astype(np.float64)
        return np.where(null, np.nan, values)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _number(values: NDArray[np.float64], null: NDArray[np.bool_], like: pd.Series[Any]) -> pd.Series[Any]:
    dtype = like.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        times = pd.to_datetime(pd.Series(np.where(null, 0, values).round().astype(np.int64))).mask(null)
        zone = getattr(dtype, "tz", None)
        return times.dt.tz_localize("UTC").dt.tz_convert(zone).astype(dtype) if zone else times.astype(dtype)
    if pd.api.types.is_timedelta64_dtype(dtype):
        spans = pd.to_timedelta(pd.Series(np.where(null, 0, values).round().astype(np.int64))).mask(null)
        return spans.astype(dtype)
    if pd.api.types.is_integer_dtype(dtype):
        whole = pd.Series(np.where(null, 0, values).round().astype(np.int64))
        return whole.astype(dtype).mask(null) if null.any() else whole.astype(dtype)
    return pd.Series(values).astype(dtype)
