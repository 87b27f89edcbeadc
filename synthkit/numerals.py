"""Numbers of a column's cells: read exactly, and on what grid of decimals they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError

__all__ = ["decimals_of", "numbers_of", "refuse_infinite"]

_MAX_DECIMALS = 12
_NUMERIC_OBJECTS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty")


def refuse_infinite(values: NDArray[Any], name: Any) -> None:
    """Raise SchemaError if numbers of the column ``name`` are infinite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SchemaError(f"column {name!r} holds infinite numbers; replace them by NaN or by a bound.")


def numbers_of(values: NDArray[Any], null: NDArray[np.bool_], name: Any) -> NDArray[Any]:
    """int64 where every number is a whole Python number that fits, else float64; 0 under nulls.

    Raises:
        TypeError, ValueError: not numbers. SchemaError: infinite ones.
    """
    if values.dtype.kind in "if":
        return values
    if values.dtype.kind not in "bO":
        raise TypeError("not numbers")
    found = "boolean" if values.dtype.kind == "b" else pd.api.types.infer_dtype(values[~null])
    if found not in _NUMERIC_OBJECTS:
        raise TypeError("not numbers")
    filled, whole = np.where(null, 0, values), found in ("boolean", "integer")
    try:
        if whole:
            return filled.astype(np.int64)
    except OverflowError:
        pass  # beyond int64: 53 bits must do
    numbers = filled.astype(np.float64)
    refuse_infinite(numbers, name)
    return numbers


def decimals_of(numbers: NDArray[Any], dtype: Any) -> int | None:
    """The fewest decimals (up to 12) that reproduce every number within the precision of the column's ``dtype``; None:
    there are none."""
    precision = _precision(dtype)
    largest = float(np.abs(numbers).max())
    digits = np.finfo(precision).precision
    for decimals in range(_MAX_DECIMALS + 1):
        if largest * 10.0**decimals >= 10.0**digits:
            return None  # so many digits reproduce anything
        # most columns fail on their first rows, which saves a pass over all
        if _exact(numbers[:1000], decimals, precision) and _exact(numbers, decimals, precision):
            return decimals
    return None


def _precision(dtype: Any) -> type[np.floating[Any]]:
    """The float type that the column's numbers came from."""
    text = str(dtype).lower()
    for part, kind in (
        ("float16", np.float16),
        ("halffloat", np.float16),
        ("float32", np.float32),
        ("float[", np.float32),
    ):
        if part in text:
            return kind
    return np.float64


def _exact(numbers: NDArray[Any], decimals: int, precision: type[np.floating[Any]]) -> bool:
    rounded = np.round(numbers, decimals)
    if precision is not np.float64:
        return bool((rounded.astype(precision) == numbers.astype(precision)).all())
    return bool((np.abs(rounded - numbers) <= 1e-12 * np.abs(numbers)).all())  # sums such as 0.1 + 0.2 count as 0.3
