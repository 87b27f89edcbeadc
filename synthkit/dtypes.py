"""pandas dtypes as JSON, and back exactly: what lets a synthetic column have its original's dtype."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError

__all__ = ["is_stringlike", "restore", "spec_of", "to_numpy"]


def spec_of(series: pd.Series) -> dict[str, Any]:
    """A JSON value from which :func:`restore` rebuilds the dtype.

    >>> spec_of(pd.Series([1, 2], dtype="Int16"))
    {'kind': 'plain', 'name': 'Int16'}
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        inner = spec_of(pd.Series(categories))
        return {"kind": "category", "categories": list(categories), "ordered": bool(dtype.ordered), "inner": inner}
    if isinstance(dtype, pd.ArrowDtype):
        return {"kind": "arrow", "name": str(dtype.pyarrow_dtype)}
    if isinstance(dtype, pd.StringDtype):
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        return {"kind": "string", "storage": dtype.storage, "missing": missing}
    if dtype == object:
        null = series[series.isna()]
        marker = "none" if len(null) and null.iloc[0] is None else "NA" if len(null) and null.iloc[0] is pd.NA else "nan"
        filled = series.dropna()
        dates = len(filled) > 0 and type(filled.iloc[0]) is dt.date
        return {"kind": "object", "missing": marker, **({"date": True} if dates else {})}
    return {"kind": "plain", "name": str(dtype)}


def restore(values: Any, null: NDArray[np.bool_], spec: dict[str, Any], index: Any = None, name: Any = None) -> pd.Series:
    """A Series of the dtype that ``spec`` describes.

    Args:
        values: ``(n,)`` numbers, booleans, datetime64 or timedelta64 (naive, UTC), or an object array.
        null: ``(n,)`` True where the cell is empty; what ``values`` holds there is ignored.

    Raises:
        SchemaError: the dtype cannot hold a null, and there is one.
    """
    kind = spec["kind"]
    if kind == "category":
        series = restore(values, null, spec["inner"], index, name) if len(spec["categories"]) else pd.Series(
            np.full(len(null), np.nan, dtype=object), index=index, name=name
        )
        inner = restore(_object(spec["categories"]), np.zeros(len(spec["categories"]), bool), spec["inner"])
        dtype = pd.CategoricalDtype(pd.Index(inner), ordered=spec["ordered"])
        return series.astype(dtype)
    if kind == "object":
        out = _object(values)
        out[null] = {"none": None, "NA": pd.NA, "nan": np.nan}[spec["missing"]]
        return pd.Series(out, index=index, name=name, dtype=object)
    if kind == "string":
        out = _object(values)
        out[null] = None
        dtype = pd.StringDtype(spec["storage"], na_value=np.nan if spec["missing"] == "nan" else pd.NA)
        return pd.Series(out, index=index, name=name, dtype=dtype)
    if kind == "arrow":
        return _arrow(values, null, spec["name"], index, name)
    return _plain(values, null, pd.api.types.pandas_dtype(spec["name"]), index, name)


def _object(values: Any) -> NDArray[np.object_]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        values = list(pd.Series(values).dt.to_pydatetime() if values.dtype.kind == "M" else pd.Series(values))
    elif isinstance(values, np.ndarray):
        return values.astype(object)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _plain(values: Any, null: NDArray[np.bool_], dtype: Any, index: Any, name: Any) -> pd.Series:
    array = np.asarray(values)
    if isinstance(dtype, pd.DatetimeTZDtype):
        stamps = pd.Series(array.astype("datetime64[ns]") if array.dtype.kind != "M" else array, index=index, name=name)
        stamps = stamps.mask(pd.Series(null, index=stamps.index))
        return stamps.dt.tz_localize("UTC").dt.tz_convert(dtype.tz).astype(dtype)
    if dtype.kind in "mM":
        array = array.astype(dtype).copy()
        array[null] = np.array("NaT", dtype=dtype)
        return pd.Series(array, index=index, name=name)
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iub" and null.any():
            raise SchemaError(f"column {name!r}: dtype {dtype} cannot hold a null; use a nullable dtype such as Int64.")
        if dtype.kind in "iu":
            bounds = np.iinfo(dtype)
            if array.dtype.kind == "f":
                array = np.round(array)
                high = float(bounds.max)
                array = np.where(array >= high, np.nextafter(high, 0) if high > 2**53 else high, np.maximum(array, float(bounds.min)))
            else:
                array = np.clip(array, max(bounds.min, np.iinfo(np.int64).min), min(bounds.max, np.iinfo(np.int64).max))
        array = array.astype(dtype)
        if dtype.kind == "f" and null.any():
            array[null] = np.nan
        return pd.Series(array, index=index, name=name)
    base = np.dtype(getattr(dtype, "numpy_dtype", np.dtype(object)))  # masked extension dtypes: Int64, boolean, Float32
    if base.kind in "iu":
        bounds = np.iinfo(base)
        filled = np.where(null, 0, array)
        filled = np.round(filled) if filled.dtype.kind == "f" else filled
        data = np.clip(filled, bounds.min, bounds.max).astype(base)
    else:
        data = np.where(null, 0, array).astype(base)
    maker = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}.get(base.kind, pd.arrays.IntegerArray)
    return pd.Series(maker(data, null.copy()), index=index, name=name)


def _arrow(values: Any, null: NDArray[np.bool_], text: str, index: Any, name: Any) -> pd.Series:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise SchemaError(f"column {name!r} has an Arrow dtype; install synthkit[parquet] for pyarrow.") from error
    array = np.asarray(values)
    if text.startswith("timestamp"):
        unit = text.split("[")[1].split("]")[0].split(",")[0]
        zone = text.split("tz=")[1].rstrip("]") if "tz=" in text else None
        kind = pa.timestamp(unit, zone)
        data = pa.array(array.astype(f"datetime64[{unit}]").astype(np.int64), pa.int64(), mask=null).cast(kind)
    elif text.startswith("duration"):
        unit = text.split("[")[1].rstrip("]")
        data = pa.array(array.astype(f"timedelta64[{unit}]").astype(np.int64), pa.int64(), mask=null).cast(pa.duration(unit))
    elif text.startswith("date"):
        days = pa.array(array.astype("datetime64[D]").astype(np.int64).astype(np.int32), pa.int32(), mask=null)
        kind = pa.date32() if text.startswith("date32") else pa.date64()
        data = days.cast(pa.date32()).cast(kind)
    elif text.startswith("dictionary"):
        data = pa.array(_object(array), mask=null).dictionary_encode()
    else:
        kind = {"double": pa.float64(), "float": pa.float32(), "halffloat": pa.float16()}.get(text)
        kind = kind or pa.type_for_alias(text)
        if pa.types.is_integer(kind):
            array = np.where(null, 0, array)
            array = np.round(array).astype(np.int64) if array.dtype.kind == "f" else array
        data = pa.array(_object(array) if array.dtype.kind in "OU" else array, mask=null).cast(kind)
    return pd.Series(pd.arrays.ArrowExtensionArray(data), index=index, name=name)


def is_stringlike(series: pd.Series) -> bool:
    """True for object, string and Arrow string columns."""
    return series.dtype == object or isinstance(series.dtype, pd.StringDtype) or (
        isinstance(series.dtype, pd.ArrowDtype) and "string" in str(series.dtype.pyarrow_dtype)
    )


def to_numpy(series: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as bool, int64, float64, datetime64 (UTC), timedelta64 or objects, and where they are null.

    Under a null the value is a harmless filler (0, or None for objects).
    """
    null = series.isna().to_numpy(bool)
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        series = series.astype(dtype.categories.dtype) if not null.any() else series.astype(object)
        dtype = series.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        series = _from_arrow(series)
        dtype = series.dtype
        if isinstance(dtype, pd.DatetimeTZDtype):
            return to_numpy(series)
    kind = getattr(dtype, "kind", "O")
    if kind in "mM":
        array = series.to_numpy(copy=True)
        array[null] = np.array(0, dtype=array.dtype)
        return array, null
    if kind in "iufb":
        filler = False if kind == "b" else 0
        target = {"b": bool, "f": np.float64, "i": np.int64, "u": np.int64}[kind]
        if kind == "u" and len(series) and not null.all() and int(series.max()) > np.iinfo(np.int64).max:
            target = np.float64  # beyond int64 a uint64 keeps 53 bits
        return series.to_numpy(dtype=target, na_value=filler) if null.any() else series.to_numpy().astype(target), null
    array = series.to_numpy(dtype=object, na_value=None) if null.any() else series.to_numpy(dtype=object)
    return array, null


def _from_arrow(series: pd.Series) -> pd.Series:
    text = str(series.dtype.pyarrow_dtype)
    if text.startswith("timestamp"):
        unit = text.split("[")[1].split("]")[0].split(",")[0]
        zone = text.split("tz=")[1].rstrip("]") if "tz=" in text else None
        return series.astype(f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]")
    if text.startswith("date"):
        return pd.to_datetime(series.astype(object)).astype("datetime64[s]")
    if text.startswith("duration"):
        return series.astype(f"timedelta64[{text.split('[')[1].rstrip(']')}]")
    if text.startswith(("int", "uint")):
        return series.astype(text.capitalize() if text.startswith("int") else "UInt" + text[4:])
    if text in ("double", "float", "halffloat"):
        return series.astype("Float64")
    if text == "bool":
        return series.astype("boolean")
    return series.astype(object)
