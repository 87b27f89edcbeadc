"""The centre of several draws of the same cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["centre"]


def centre(columns: list[pd.Series], decimals: int | None = None, point: str = "mean") -> pd.Series:
    """Mean or median (numbers, dates), or most frequent value (others) per row, over several draws, in their dtype.

    Args:
        decimals: the grid of a mean of numbers; None: any.
    """
    first = columns[0]
    middle = np.median if point == "median" else np.mean
    if pd.api.types.is_bool_dtype(first.dtype) or not (
        pd.api.types.is_numeric_dtype(first.dtype) or first.dtype.kind in "mM"  # type: ignore[union-attr]
    ):
        stacked = pd.concat([c.reset_index(drop=True) for c in columns], axis=1)
        codes, uniques = pd.factorize(stacked.to_numpy(dtype=object).ravel())
        grid = codes.reshape(stacked.shape)
        counts = np.stack([(grid == k).sum(1) for k in range(len(uniques))], axis=1) if len(uniques) <= 1000 else None
        best = counts.argmax(1) if counts is not None else grid[:, 0]
        return pd.Series(np.asarray(uniques, dtype=object)[best], index=first.index).astype(first.dtype)
    if getattr(first.dtype, "kind", "") in "mM":
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
