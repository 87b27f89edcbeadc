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
from synthkit.numerals import decimals_of, numbers_of, refuse_infinite
from synthkit.pii.detect import SURE, column_finding
from synthkit.pii.headers import whose
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
    Personal,
    Text,
)

__all__ = ["canonical", "from_canonical", "infer_column", "validate_column"]

_KEY_NAME = re.compile(r"(?i:(^|[_\W])(id|key|nr|uuid|guid|index|rowid)$|^unnamed: 0$)|[a-z](Id|ID|Key|Nr)$", re.ASCII)
_MIN_KEYS = 20  # fewer distinct values tell a key from an ordinary number too badly
_MAX_LEVELS = 0.5  # more distinct strings than this share of the rows are text, not categories
_NO_KEYS = ("first_name", "last_name", "full_name", "address")  # too few to tell everybody apart
_SAMPLE = 1000  # values looked at for personal data
_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "D": 86400 * 10**9}


def infer_column(
    series: pd.Series, override: ColumnType | str | None = None, *, personal: bool = False, key: bool = False
) -> ColumnType:
    """The type of a column; what an override leaves open is learnt.

    Args:
        personal: look whether it holds personal data; key: it names entities, which names of persons do not.

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
    if override is not None and not isinstance(override, ColumnType):
        raise SchemaError(
            f"Schema.infer: column {series.name!r} needs a ColumnType or its name as an override, "
            f"not a {type(override).__name__}."
        )
    values, null = _values(series)
    if override is None:
        learnt = _recognise(series, values, null)
        found = _personal(series, learnt) if personal else None
        learnt = learnt if found is None or (key and found.kind in _NO_KEYS) else found
    else:
        validate_column(series, override)
        learnt = _complete(override, values[~null], series.dtype, series.name)
        learnt = _completed(series, learnt) if isinstance(learnt, Personal) else learnt
    nullable = bool(null.any()) if learnt.nullable is None else learnt.nullable
    dtype = learnt.dtype or spec_of(series)
    if isinstance(learnt, Personal):
        dtype = dtype.get("inner", dtype)  # a dtype that lists its categories would tell them
    return dataclasses.replace(learnt, nullable=nullable, dtype=dtype)


def _personal(series: pd.Series, learnt: ColumnType) -> Personal | None:
    """Personal, if the column surely holds data by which people are known; None: it does not."""
    if isinstance(learnt, (Empty, Boolean, Datetime, Duration)) or (isinstance(learnt, Numeric) and not learnt.integer):
        return None
    found = column_finding(series, sample=_SAMPLE)
    if found is None or found.confidence < SURE or found.role != "direct":
        return None
    return Personal(kind=found.kind, person=whose(series.name, found.kind))


def _completed(series: pd.Series, kind: Personal) -> Personal:
    """What was declared, with its kind and its person."""
    if kind.kind is None:
        found = column_finding(series)
        if found is None or found.kind == "date_of_birth":
            raise SchemaError(
                f"Schema.infer: column {series.name!r}: what kind of personal data it holds cannot be told; say it, "
                "for example Personal(kind='full_name')."
            )
        kind = dataclasses.replace(kind, kind=found.kind)
    person = whose(series.name, str(kind.kind)) if kind.person is None else kind.person
    return dataclasses.replace(kind, person=person)


def _values(series: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    dtype = series.dtype
    if getattr(dtype, "kind", "O") == "c" or isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.SparseDtype)):
        remedy = {pd.PeriodDtype: "with .dt.to_timestamp()", pd.SparseDtype: "with .sparse.to_dense()"}.get(
            type(dtype), "to numbers, dates or text"
        )
        raise SchemaError(f"column {series.name!r}: dtype {dtype} is not supported; convert it {remedy}.")
    values, null = to_numpy(series)
    refuse_infinite(values, series.name)
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
    return _complete(Numeric(), filled, series.dtype, series.name)


def _recognise_objects(series: pd.Series, filled: NDArray[Any], rows: int) -> ColumnType:
    uniques = _distinct(filled, series.name)
    kind = _one_family(filled, uniques, series.name)
    if len(uniques) == 1:
        return Constant(value=_item(uniques[0]))
    if kind == "booleans":
        return Boolean()
    if kind == "numbers":
        return _complete(Numeric(), filled, np.dtype(float), series.name)
    if kind == "dates":
        return Datetime()
    if kind == "durations":
        return Duration()
    if len(uniques) == rows == len(filled) and rows >= _MIN_KEYS and _looks_like_codes(uniques):
        return Identifier()
    if len(uniques) <= max(20, _MAX_LEVELS * len(filled)):
        return Categorical()
    return Text()


def _distinct(filled: NDArray[Any], name: Any) -> NDArray[Any]:
    try:
        return np.asarray(pd.unique(filled))
    except TypeError as error:
        raise SchemaError(
            f"column {name!r} holds lists or other unhashable cells; turn them into text or into columns of their own."
        ) from error


def _one_family(filled: NDArray[Any], uniques: NDArray[Any], name: Any) -> str:
    """ "text", "numbers", "booleans", "dates" or "durations"; a SchemaError if it is none of them, or several."""
    kinds = {_family(v) for v in uniques}
    if kinds <= {"booleans", "numbers"}:  # True and 1 are equal, so that the distinct values may hide one of them
        kinds = {_family(t(0)) for t in set(map(type, filled))}
    if len(kinds) > 1:
        found = " and ".join(sorted(kinds))
        raise SchemaError(f"column {name!r} mixes {found}; convert it to one type (for example with astype(str)).")
    if kinds == {"other objects"}:
        raise SchemaError(
            f"column {name!r} holds objects that are no numbers, text or dates; convert them with astype(str)."
        )
    return kinds.pop()


def _family(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "booleans"
    if isinstance(value, (int, float, np.number)):
        return "numbers"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dt.date):
        return "dates"
    if isinstance(value, (dt.timedelta, np.timedelta64)):
        return "durations"
    return "other objects"


def _item(value: Any) -> Any:
    return (
        value.item()
        if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64))
        else value
    )


def _is_key(name: Any, values: NDArray[Any]) -> bool:
    """Distinct integers that are named like a key, or number the rows from 0 or 1."""
    if len(values) < _MIN_KEYS or len(pd.unique(values)) < len(values):
        return False
    low = int(values.min())
    # years or ages may fill a range too, but they do not start at 0 or 1
    counted = low in (0, 1) and int(values.max()) - low == len(values) - 1
    return counted or (isinstance(name, str) and bool(_KEY_NAME.search(name)))


def _looks_like_codes(values: NDArray[Any]) -> bool:
    """Short words without blanks, nearly all with a digit."""
    text = pd.Series(values, dtype=object).astype(str)
    return bool(
        (text.str.len() <= 40).all() and not text.str.contains(r"\s").any() and text.str.contains(r"\d").mean() > 0.9
    )


def _complete(kind: ColumnType, values: NDArray[Any], dtype: Any, name: Any) -> ColumnType:
    """Fill in what a numeric type leaves open: integer, decimals."""
    if not isinstance(kind, Numeric) or not len(values):
        return kind
    numbers = numbers_of(values, np.zeros(len(values), dtype=bool), name)
    integer = kind.integer
    if integer is None:
        integer = not kind.decimals and (numbers.dtype.kind == "i" or bool((numbers == np.round(numbers)).all()))
    decimals = kind.decimals
    if decimals is None and not integer:
        decimals = decimals_of(numbers, dtype)
    return dataclasses.replace(kind, integer=integer, decimals=0 if integer else decimals)


_FITS: dict[type[ColumnType], str] = {Numeric: "ifb", Boolean: "bif", Datetime: "M", Duration: "m"}
_KIND_OF = {"numbers": "f", "booleans": "b", "dates": "M", "durations": "m", "text": "O"}


def validate_column(series: pd.Series, kind: ColumnType) -> None:
    """Raise SchemaError if the column cannot be of this type: other kinds of cells, values outside a declared set."""
    values, null = _values(series)
    filled = values[~null]
    if not len(filled):
        return
    if isinstance(kind, Empty):
        raise SchemaError(
            f"column {series.name!r} should be Empty, but has filled cells; drop it or declare another type."
        )
    found = filled.dtype.kind
    if found == "O" and not isinstance(series.dtype, pd.CategoricalDtype):
        found = _KIND_OF[_one_family(filled, _distinct(filled, series.name), series.name)]
    if found not in _FITS.get(type(kind), found):
        raise _misfit(series.name, kind)
    if isinstance(kind, Numeric) and (kind.low is not None or kind.high is not None):
        _within(numbers_of(filled, np.zeros(len(filled), dtype=bool), series.name), kind.low, kind.high, series.name)
    elif isinstance(kind, Datetime) and (kind.low is not None or kind.high is not None):
        low, high = (None if end is None else _stamp(end) for end in (kind.low, kind.high))
        _within(canonical(series, kind)[0][~null], low, high, series.name)
    elif isinstance(kind, Boolean) and found != "b" and not np.isin(filled.astype(float), (0.0, 1.0)).all():
        raise _misfit(series.name, kind)
    elif isinstance(kind, Categorical) and kind.categories is not None:
        known = pd.Index(list(kind.categories), tupleize_cols=False)
        if (known.get_indexer(pd.Index(pd.unique(filled), tupleize_cols=False)) < 0).any():
            raise SchemaError(
                f"column {series.name!r} has values that are not among its declared categories; "
                "add them to 'categories' or clean the column."
            )


def _stamp(end: Any) -> int:
    """A bound as int64 nanoseconds, UTC."""
    stamp = pd.Timestamp(end)
    return int((stamp if stamp.tz is None else stamp.tz_convert("UTC")).as_unit("ns").value)


def _within(values: NDArray[Any], low: Any, high: Any, name: Any) -> None:
    if (low is not None and (values < low).any()) or (high is not None and (values > high).any()):
        raise SchemaError(f"column {name!r} has values outside the declared bounds; widen 'low' or 'high'.")


def _misfit(name: Any, kind: ColumnType) -> SchemaError:
    return SchemaError(
        f"column {name!r} should be {type(kind).__name__}, but holds another kind of values; "
        "convert the column or declare another type."
    )


def _nanoseconds(times: NDArray[Any], name: Any) -> NDArray[np.int64]:
    unit, count = np.datetime_data(times.dtype)
    factor = _NANOSECONDS[unit] * count
    ticks = times.astype(np.int64)
    limit = np.iinfo(np.int64).max // factor
    if factor > 1 and ((ticks > limit) | (ticks < -limit)).any():
        raise SchemaError(
            f"column {name!r} has dates outside the years 1678 to 2261 (or as long durations); "
            "replace placeholders such as a far future date by NaT."
        )
    return ticks * factor


def canonical(series: pd.Series, kind: ColumnType) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as the transformers take them, and where they are null (there the value is a filler).

    Numeric: int64 (exact, however large) or float64 (also uint64 beyond int64); Boolean: bool; Datetime and
    Duration: int64 nanoseconds (UTC); others: objects, or what the dtype holds.

    Returns:
        ``(n,)`` values and ``(n,)`` bool.

    Raises:
        SchemaError: the values are of another kind than ``kind``, or dates do not fit into nanoseconds.
    """
    values, null = _values(series)
    try:
        if isinstance(kind, Numeric):
            return numbers_of(values, null, series.name), null
        if isinstance(kind, Boolean):
            return (values if values.dtype.kind == "b" else numbers_of(values, null, series.name).astype(bool)), null
        if isinstance(kind, (Datetime, Duration)):
            if values.dtype.kind == "O":
                values = _times(values, null, kind)
            if values.dtype.kind != ("M" if isinstance(kind, Datetime) else "m"):
                raise TypeError("not times")
            return _nanoseconds(values, series.name), null
    except (TypeError, ValueError) as error:
        if isinstance(error, SchemaError):
            raise
        raise _misfit(series.name, kind) from None  # the cause may quote a value
    return values, null


def _times(values: NDArray[Any], null: NDArray[np.bool_], kind: ColumnType) -> NDArray[Any]:
    """datetime64 (UTC) or timedelta64 of objects; texts are refused rather than guessed at."""
    filled = values[~null]
    if len(filled) and pd.api.types.infer_dtype(filled) in ("string", "mixed", "integer", "floating"):
        raise TypeError("not times")
    cells = pd.Series(np.where(null, None, values), dtype=object)
    if isinstance(kind, Duration):
        return to_numpy(pd.to_timedelta(cells))[0]
    return to_numpy(pd.to_datetime(cells, utc=True))[0]


def from_canonical(
    values: Any, null: NDArray[np.bool_], kind: ColumnType, index: Any = None, name: Any = None
) -> pd.Series:
    """The inverse of :func:`canonical`: a Series of the column's own dtype.

    Args:
        values: ``(n,)`` as :func:`canonical` returns them; what stands under a null does not matter.
    """
    array = values
    if isinstance(kind, (Datetime, Duration)):
        array = np.asarray(values, np.int64).astype(
            "datetime64[ns]" if isinstance(kind, Datetime) else "timedelta64[ns]"
        )
    return restore(array, null, kind.dtype or _default_spec(kind), index, name)


def _default_spec(kind: ColumnType) -> dict[str, Any]:
    """The dtype of a type that was declared without data."""
    if isinstance(kind, Numeric):
        return {"kind": "plain", "name": ("Int64" if kind.nullable else "int64") if kind.integer else "float64"}
    if isinstance(kind, Boolean):
        return {"kind": "plain", "name": "boolean" if kind.nullable else "bool"}
    if isinstance(kind, Datetime):
        return {"kind": "plain", "name": "datetime64[ns]"}
    if isinstance(kind, Duration):
        return {"kind": "plain", "name": "timedelta64[ns]"}
    if isinstance(kind, Categorical) and kind.categories:
        spec = spec_of(pd.Series(list(kind.categories)))
        no_nulls = spec.get("name") in ("int64", "bool")
        return {"kind": "object", "missing": "nan"} if no_nulls and kind.nullable else spec
    return spec_of(pd.Series(["a"]))  # text as this pandas keeps it
