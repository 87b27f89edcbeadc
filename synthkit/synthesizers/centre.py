"""The centre of several draws of the same cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["centre", "is_quantity", "quantities"]


def _is_moment(series: pd.Series) -> bool:
    return getattr(series.dtype, "kind", "") in "mM"


def is_quantity(series: pd.Series) -> bool:
    """Whether a column has a mean: numbers, dates and durations have one, booleans and categories have not."""
    numeric = pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)
    return bool(numeric or _is_moment(series))


def quantities(series: pd.Series) -> NDArray[np.float64]:
    """The numbers behind such a column, ``(rows,)``; of moments in their own unit. NaN where it is null."""
    if _is_moment(series):
        return np.where(series.isna(), np.nan, series.astype("int64").to_numpy().astype(float))
    return series.to_numpy(dtype=float, na_value=np.nan)


def centre(columns: list[pd.Series], decimals: int | None = None, point: str = "mean") -> pd.Series:
    """Mean or median (numbers, dates), or most frequent value (others) per row, over several draws, in their dtype.

    Args:
        decimals: the grid of a mean of numbers; None: any.
    """
    first = columns[0]
    middle = np.median if point == "median" else np.mean
    if not is_quantity(first):
        stacked = pd.concat([c.reset_index(drop=True) for c in columns], axis=1)
        codes, uniques = pd.factorize(stacked.to_numpy(dtype=object).ravel())
        grid = codes.reshape(stacked.shape)
        counts = np.stack([(grid == k).sum(1) for k in range(len(uniques))], axis=1) if len(uniques) <= 1000 else None
        best = counts.argmax(1) if counts is not None else grid[:, 0]
        return pd.Series(np.asarray(uniques, dtype=object)[best], index=first.index).astype(first.dtype)
    if _is_moment(first):
        numbers = np.stack([c.astype("int64").to_numpy() for c in columns])
        if not numbers.size:
            return first.copy()
        # The grid that all draws lie on (days, say): a mean of dates is a date.
        start = numbers.flat[0]
        step = max(int(np.gcd.reduce(np.abs(numbers - start), axis=None)), 1)
        steps = np.round(middle((numbers - start) / step, axis=0)).astype(np.int64)
        return pd.Series(start + steps * step, index=first.index).astype(first.dtype)
    numbers = middle(np.stack([c.to_numpy(dtype=float) for c in columns]), axis=0)
    digits = 0 if pd.api.types.is_integer_dtype(first.dtype) else decimals
    numbers = numbers if digits is None else np.round(numbers, digits)
    return pd.Series(numbers, index=first.index).astype(first.dtype)
