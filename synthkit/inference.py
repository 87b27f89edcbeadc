"""How a column's type is recognised, and how a column is checked against its type."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.dtypes import restore, spec_of, to_numpy
from synthkit.errors import SchemaError
from synthkit.schema import (
    COLUMN_TYPES,
    Boolean,
    Categorical,
    ColumnType,
    Constant,
    Datetime,
    Duration,
    Empty,
    Identifier,
    Numeric,
    Text,
)

__all__ = ["canonical", "from_canonical", "infer_column", "validate_column"]

_KEY_NAME = re.compile(r"(^|[_\W])(id|key|nr|no|number|uuid|guid|code)$|Id$|ID$", re.ASCII)
_MAX_LEVELS = 0.5  # more distinct strings than this share of the rows are text, not categories


def infer_column(series: pd.Series, override: ColumnType | str | None = None) -> ColumnType:
    """The type of a column; what an override leaves open is learnt.

    Raises:
        SchemaError: mixed types, unhashable cells, infinite numbers, or a dtype that cannot be modelled.
    """
    if isinstance(override, str):
        if override not in COLUMN_TYPES:
            raise SchemaError(
                f"Schema.infer: column {series.name!r} has an unknown type {override!r}; "
                f"the types are {', '.join(COLUMN_TYPES)}."
            )
        override = COLUMN_TYPES[override]()
    values, null = _values(series)
    nullable = bool(null.any())
    learnt = _recognise(series, values, null) if override is None else _complete(override, values[~null])
    if learnt.nullable is None:
        learnt = dataclasses.replace(learnt, nullable=nullable)
    return dataclasses.replace(learnt, dtype=spec_of(series)) if learnt.dtype is None else learnt


def _values(series: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    kind = getattr(series.dtype, "kind", "O")
    if kind == "c" or isinstance(series.dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.SparseDtype)):
        raise SchemaError(f"column {series.name!r}: dtype {series.dtype} is not supported; convert it to numbers, dates or text.")
    values, null = to_numpy(series)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SchemaError(f"column {series.name!r} holds infinite numbers; replace them by NaN or by a bound.")
    return values, null


def _recognise(series: pd.Series, values: NDArray[Any], null: NDArray[np.bool_]) -> ColumnType:
    filled = values[~null]
    if not len(filled):
        return Empty()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return Categorical(ordered=bool(series.dtype.ordered))
    kind = filled.dtype.kind
    if kind == "b":
        return Boolean() if filled.min() != filled.max() else Constant(value=bool(filled[0]))
    if kind == "O":
        return _recognise_objects(series, filled, len(values))
    if (filled == filled[0]).all():
        return Constant(value=_item(filled[0]))
    if kind == "M":
        return Datetime()
    if kind == "m":
        return Duration()
    if kind == "i" and not null.any() and _is_key(series.name, filled):
        return Identifier()
    return _complete(Numeric(), filled)


def _recognise_objects(series: pd.Series, filled: NDArray[Any], rows: int) -> ColumnType:
    try:
        codes, uniques = pd.factorize(filled)
    except TypeError as error:
        raise SchemaError(f"column {series.name!r} holds lists or other unhashable cells; turn them into text or columns.") from error
    kinds = {_family(v) for v in uniques}
    if len(kinds) > 1:
        found = ", ".join(sorted(kinds))
        raise SchemaError(f"column {series.name!r} mixes {found}; convert it to one type (for example with astype(str)).")
    if kinds == {"other objects"}:
        raise SchemaError(f"column {series.name!r} holds objects that are no numbers, text or dates; convert it with astype(str).")
    if len(uniques) == 1:
        return Constant(value=_item(uniques[0]))
    kind = kinds.pop()
    if kind == "booleans":
        return Boolean()
    if kind == "numbers":
        numbers = np.asarray(filled, dtype=float)
        if not np.isfinite(numbers).all():
            raise SchemaError(f"column {series.name!r} holds infinite numbers; replace them by NaN or by a bound.")
        return _complete(Numeric(), numbers)
    if kind == "dates":
        return Datetime()
    if len(uniques) == rows == len(filled) and rows >= 20 and _looks_like_codes(uniques):
        return Identifier()
    if len(uniques) <= max(20, _MAX_LEVELS * len(filled)):
        return Categorical()
    return Text()


def _family(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "booleans"
    if isinstance(value, (int, float, np.number)):
        return "numbers"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (dt.date, np.datetime64)):
        return "dates"
    return "other objects"


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)) else value


def _is_key(name: Any, values: NDArray[Any]) -> bool:
    """Distinct integers that fill a range without gaps, or that are named like a key."""
    if len(values) < 20 or len(np.unique(values)) < len(values):
        return False
    contiguous = int(values.max()) - int(values.min()) == len(values) - 1
    rising = bool((np.diff(values) > 0).all())
    named = isinstance(name, str) and bool(_KEY_NAME.search(name))
    return (contiguous and rising) or named


def _looks_like_codes(values: NDArray[Any]) -> bool:
    text = pd.Series(values, dtype=object).astype(str)
    length = text.str.len()
    return bool((length <= 40).all() and not text.str.contains(r"\s").any() and text.str.contains(r"\d").mean() > 0.9)


def _complete(kind: ColumnType, values: NDArray[Any]) -> ColumnType:
    """Fill in what a numeric type leaves open: integer, decimals."""
    if not isinstance(kind, Numeric) or not len(values):
        return kind
    numbers = np.asarray(values, dtype=float) if values.dtype.kind != "i" else values
    integer = kind.integer
    if integer is None:
        integer = numbers.dtype.kind == "i" or bool((numbers == np.round(numbers)).all())
    decimals = kind.decimals
    if decimals is None and not integer:
        decimals = _decimals(numbers)
    return dataclasses.replace(kind, integer=integer, decimals=0 if integer else decimals)


def _decimals(numbers: NDArray[Any]) -> int | None:
    """The fewest decimals (up to 9) that reproduce every number to float32 accuracy, or None."""
    if np.abs(numbers).max() > 1e12:
        return None
    for decimals in range(1, 10):
        rounded = np.round(numbers, decimals)
        exact = np.isclose(rounded, numbers, rtol=1e-12, atol=0) | (numbers.astype(np.float32) == rounded.astype(np.float32)) & (
            numbers == numbers.astype(np.float32)
        )
        if exact.all():
            return decimals
    return None


def validate_column(series: pd.Series, kind: ColumnType) -> None:
    """Raise SchemaError if the column cannot be of this type."""
    values, null = _values(series)
    filled = values[~null]
    if not len(filled) or isinstance(kind, (Identifier, Text, Empty)):
        return
    found = filled.dtype.kind
    if found == "O":
        try:
            families = {_family(v) for v in pd.unique(filled)}
        except TypeError as error:
            raise SchemaError(f"column {series.name!r} holds lists or other unhashable cells.") from error
        found = {"numbers": "f", "booleans": "b", "dates": "M", "text": "O"}.get(families.pop() if len(families) == 1 else "", "X")
    fits = {Numeric: "ifb", Boolean: "bif", Datetime: "M", Duration: "m"}.get(type(kind))
    if fits is not None and found not in fits:
        raise SchemaError(f"column {series.name!r} should be {type(kind).__name__}, but holds another kind of values; convert it.")
    if isinstance(kind, Numeric):
        numbers = np.asarray(filled, dtype=float)
        if (kind.low is not None and (numbers < kind.low).any()) or (kind.high is not None and (numbers > kind.high).any()):
            raise SchemaError(f"column {series.name!r} has values outside the declared bounds; widen 'low' or 'high'.")


def canonical(series: pd.Series, kind: ColumnType) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as the transformers take them, and where they are null.

    Numeric: int64 or float64; Boolean: bool; Datetime and Duration: int64 nanoseconds; others: objects (or numbers).

    Raises:
        SchemaError: the values are of another kind than ``kind``.
    """
    values, null = _values(series)
    try:
        if isinstance(kind, Numeric):
            if values.dtype.kind not in "if":
                values = np.where(null, 0, values).astype(float)
            return values, null
        if isinstance(kind, Boolean):
            return np.where(null, False, values).astype(bool), null
        if isinstance(kind, Datetime):
            if values.dtype.kind == "O":
                stamps = pd.to_datetime(pd.Series(np.where(null, None, values)), utc=True)
                return to_numpy(stamps)[0].astype("datetime64[ns]").astype(np.int64), null
            return values.astype("datetime64[ns]").astype(np.int64), null
        if isinstance(kind, Duration):
            return values.astype("timedelta64[ns]").astype(np.int64), null
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"column {series.name!r} should be {type(kind).__name__}, but holds another kind of values; convert it."
        ) from error
    return values, null


def from_canonical(values: Any, null: NDArray[np.bool_], kind: ColumnType, index: Any = None, name: Any = None) -> pd.Series:
    """The inverse of :func:`canonical`: a Series of the column's own dtype."""
    spec = kind.dtype or _default_spec(kind, values)
    array = values
    if isinstance(kind, Datetime):
        array = np.asarray(values, np.int64).astype("datetime64[ns]")
        if spec["kind"] == "object":  # datetime.date or datetime.datetime objects
            array = pd.Series(array).dt.to_pydatetime() if not spec.get("date") else pd.Series(array).dt.date.to_numpy()
    elif isinstance(kind, Duration):
        array = np.asarray(values, np.int64).astype("timedelta64[ns]")
    return restore(array, null, spec, index, name)


def _default_spec(kind: ColumnType, values: Any) -> dict[str, Any]:
    if isinstance(kind, Numeric):
        return {"kind": "plain", "name": ("Int64" if kind.nullable else "int64") if kind.integer else "float64"}
    if isinstance(kind, Boolean):
        return {"kind": "plain", "name": "boolean" if kind.nullable else "bool"}
    if isinstance(kind, Datetime):
        return {"kind": "plain", "name": "datetime64[ns]"}
    if isinstance(kind, Duration):
        return {"kind": "plain", "name": "timedelta64[ns]"}
    return {"kind": "object", "missing": "nan"}
