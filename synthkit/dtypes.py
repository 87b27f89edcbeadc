"""pandas dtypes as JSON, and back exactly: what lets a synthetic column have its original's dtype.

A *spec* is a JSON value (see :mod:`synthkit.io`) of one of these kinds: ``plain`` (numpy and masked dtypes, dates with
or without a zone), ``string``, ``object`` (with the null marker in use, and what the objects are), ``category`` (with
its categories, in order, and their own spec), ``interval`` (categories made by ``pandas.cut``) and ``arrow``.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError

__all__ = ["restore", "spec_of", "to_numpy"]

_MARKERS = {"none": None, "NA": pd.NA, "nan": np.nan}
_ARROW_NAMES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
}  # pyarrow prints, but does not parse, these


def spec_of(series: pd.Series) -> dict[str, Any]:
    """A JSON value from which :func:`restore` rebuilds the dtype.

    Raises:
        SchemaError: categories of a dtype that cannot be kept (periods).

    >>> spec_of(pd.Series([1, 2], dtype="Int16"))
    {'kind': 'plain', 'name': 'Int16'}
    >>> spec_of(pd.Series(["a", None], dtype=object))
    {'kind': 'object', 'missing': 'none'}
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        inner = spec_of(pd.Series(categories, name=series.name))
        return {"kind": "category", "categories": list(categories), "ordered": bool(dtype.ordered), "inner": inner}
    if isinstance(dtype, pd.IntervalDtype):
        return {"kind": "interval"}
    if isinstance(dtype, (pd.PeriodDtype, pd.SparseDtype)):
        raise SchemaError(
            f"column {series.name!r}: categories of dtype {dtype} are not supported; convert them to text."
        )
    if isinstance(dtype, pd.ArrowDtype):
        return {"kind": "arrow", "name": str(dtype.pyarrow_dtype)}
    if isinstance(dtype, pd.StringDtype):
        return {"kind": "string", "storage": dtype.storage, "missing": "NA" if dtype.na_value is pd.NA else "nan"}
    if pd.api.types.is_object_dtype(dtype):
        return _object_spec(series)
    return {"kind": "plain", "name": str(dtype)}


def _object_spec(series: pd.Series) -> dict[str, Any]:
    null = series.isna().to_numpy(bool)
    array = series.to_numpy(dtype=object)
    first = array[null][0] if null.any() else np.nan
    spec = {"kind": "object", "missing": "none" if first is None else "NA" if first is pd.NA else "nan"}
    found = set(map(type, array[~null]))
    if not found:
        return spec
    if found == {dt.date}:
        spec["item"] = "date"
    elif all(issubclass(t, (int, np.integer)) and t is not bool for t in found):
        spec["item"] = "int"
    elif all(issubclass(t, dt.date) for t in found):
        spec["item"] = "timestamp" if found == {pd.Timestamp} else "datetime"
        zone = getattr(array[~null][0], "tzinfo", None)
        if zone is not None:
            spec["zone"] = str(getattr(zone, "key", None) or zone)
    return spec


def restore(
    values: Any, null: NDArray[np.bool_], spec: dict[str, Any], index: Any = None, name: Any = None
) -> pd.Series:
    """A Series of the dtype that ``spec`` describes.

    Numbers beyond an integer dtype's range are clipped to it; a value that is no category becomes null.

    Args:
        values: ``(n,)`` numbers, booleans, datetime64 or timedelta64 (naive, UTC), or an object array.
        null: ``(n,)`` True where the cell is empty; what ``values`` holds there is ignored.

    Raises:
        SchemaError: the dtype cannot hold a null, and there is one; or pyarrow is needed and missing.
    """
    kind = spec["kind"]
    if kind == "category":
        return _category(values, null, spec, index, name)
    if kind == "interval":
        return pd.Series(pd.IntervalIndex(list(_object(values))), index=index, name=name)
    if kind == "object":
        out = _objects_as(values, null, spec)
        out[null] = _MARKERS[spec["missing"]]
        return pd.Series(out, index=index, name=name, dtype=object)
    if kind == "string":
        out = _object(values)
        out[null] = None
        return pd.Series(out, index=index, name=name, dtype=_string_dtype(spec))
    if kind == "arrow":
        return _arrow(values, null, spec["name"], index, name)
    return _plain(np.asarray(values), null, pd.api.types.pandas_dtype(spec["name"]), index, name)


def _string_dtype(spec: dict[str, Any]) -> pd.StringDtype:
    storage = spec["storage"]
    if storage.startswith("pyarrow"):
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            storage = "python"  # the same dtype, kept in another way
    if spec["missing"] == "NA":
        return pd.StringDtype(storage)
    return pd.StringDtype(storage, na_value=np.nan)  # pandas >= 2.3; older ones have no such dtype to read


def _category(values: Any, null: NDArray[np.bool_], spec: dict[str, Any], index: Any, name: Any) -> pd.Series:
    inner, listed = spec["inner"], _object(spec["categories"])
    categories = pd.Index([], dtype=object)
    if len(listed) or inner["kind"] != "object":
        categories = pd.Index(restore(listed, np.zeros(len(listed), bool), inner), tupleize_cols=False)
    codes = np.full(len(null), -1, dtype=np.intp)
    if len(categories) and not null.all():
        filled = np.asarray(values)[~null] if null.any() else values
        wanted = restore(filled, np.zeros(len(filled), bool), inner)
        codes[~null] = categories.get_indexer(pd.Index(wanted, tupleize_cols=False))
    dtype = pd.CategoricalDtype(categories, ordered=spec["ordered"])
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype), index=index, name=name)


def _object(values: Any) -> NDArray[np.object_]:
    """A fresh object array of Python values (datetime64 becomes Timestamp, timedelta64 Timedelta)."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        return np.array(pd.Series(values).astype(object), dtype=object)
    if isinstance(values, np.ndarray):
        return values.astype(object)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _objects_as(values: Any, null: NDArray[np.bool_], spec: dict[str, Any]) -> NDArray[np.object_]:
    item = spec.get("item")
    array = np.asarray(values) if isinstance(values, np.ndarray) else _object(values)
    if item == "int" and array.dtype.kind == "f":
        return np.array([int(v) for v in np.where(null, 0, np.round(array))], dtype=object)  # exact beyond int64 too
    if item in ("date", "datetime", "timestamp") and array.dtype.kind == "M":
        stamps = pd.DatetimeIndex(array)
        if "zone" in spec:
            stamps = stamps.tz_localize("UTC").tz_convert(spec["zone"])
        out = np.empty(len(array), dtype=object)
        out[:] = {"date": lambda: stamps.date, "datetime": stamps.to_pydatetime, "timestamp": lambda: list(stamps)}[
            item
        ]()
        return out
    return _object(array)


def _as_times(array: NDArray[Any], null: NDArray[np.bool_], letter: str) -> NDArray[Any]:
    """datetime64 (``letter`` "M") or timedelta64 ("m") of what may be objects or int64 nanoseconds."""
    if array.dtype.kind == letter:
        return array
    if array.dtype.kind == "O":
        convert = pd.to_datetime if letter == "M" else pd.to_timedelta
        times = convert(
            pd.Series(np.where(null, None, array), dtype=object), **({"utc": True} if letter == "M" else {})
        )
        return np.asarray(times.dt.tz_localize(None) if letter == "M" else times)
    return array.astype(np.int64).astype(f"{'datetime' if letter == 'M' else 'timedelta'}64[ns]")


def _plain(array: NDArray[Any], null: NDArray[np.bool_], dtype: Any, index: Any, name: Any) -> pd.Series:
    if isinstance(dtype, pd.DatetimeTZDtype):
        stamps = _as_times(array, null, "M").copy()
        stamps[null] = np.datetime64("NaT")
        zoned = pd.DatetimeIndex(stamps).as_unit(dtype.unit).tz_localize("UTC").tz_convert(dtype.tz)
        return pd.Series(zoned, index=index, name=name)
    if dtype.kind in "mM":
        times = _as_times(array, null, dtype.kind).astype(dtype)  # a copy
        times[null] = np.array("NaT", dtype=dtype)
        return pd.Series(times, index=index, name=name)
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iub" and null.any():
            raise SchemaError(f"column {name!r}: dtype {dtype} cannot hold a null; use a nullable dtype such as Int64.")
        out = _into(array, null, dtype)
        if dtype.kind == "f":
            out[null] = np.nan
        return pd.Series(out, index=index, name=name)
    base = np.dtype(getattr(dtype, "numpy_dtype", np.dtype(object)))  # masked extension dtypes: Int64, boolean, Float32
    maker = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}.get(base.kind, pd.arrays.IntegerArray)
    return pd.Series(maker(_into(array, null, base), null.copy()), index=index, name=name)


def _into(array: NDArray[Any], null: NDArray[np.bool_], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A fresh array of a numpy number type: rounded, clipped to its range, 0 under nulls."""
    if null.any():
        array = np.where(null, 0, array)
    if dtype.kind == "f":
        bound = float(np.finfo(dtype).max)
        return np.clip(array.astype(np.float64), -bound, bound).astype(dtype)
    if dtype.kind not in "iu":
        return array.astype(dtype)
    if array.dtype.kind not in "iuf":
        array = array.astype(np.int64) if dtype != np.uint64 else array.astype(np.uint64)
    bounds = np.iinfo(dtype)
    if array.dtype.kind == "f":
        # the float nearest to the end of int64 lies beyond it, so that the last float below is the bound
        high = float(bounds.max) if bounds.max < 2**53 else float(np.nextafter(float(bounds.max), 0))
        return np.clip(np.round(array), float(bounds.min), high).astype(dtype)
    here = np.iinfo(array.dtype)
    return np.clip(array, max(bounds.min, here.min), min(bounds.max, here.max)).astype(dtype)


def _arrow(values: Any, null: NDArray[np.bool_], text: str, index: Any, name: Any) -> pd.Series:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise SchemaError(f"column {name!r} has an Arrow dtype; install synthkit[parquet] for pyarrow.") from error
    array = np.asarray(values)
    return pd.Series(pd.arrays.ArrowExtensionArray(_arrow_array(pa, array, null, text)), index=index, name=name)


def _arrow_array(pa: Any, array: NDArray[Any], null: NDArray[np.bool_], text: str) -> Any:
    if text.startswith("dictionary"):
        codes = pa.type_for_alias(text.split("indices=")[1].split(",")[0])
        coded = _arrow_array(pa, array, null, text.split("values=")[1].split(",")[0]).dictionary_encode()
        ordered = "ordered=1" in text
        return pa.DictionaryArray.from_arrays(coded.indices.cast(codes), coded.dictionary, ordered=ordered)
    if text.startswith("timestamp"):
        unit, zone = _unit(text), text.split("tz=")[1].rstrip("]") if "tz=" in text else None
        times = _as_times(array, null, "M").astype(f"datetime64[{unit}]").astype(np.int64)
        return pa.array(times, pa.int64(), mask=null).cast(pa.timestamp(unit, zone))
    if text.startswith("duration"):
        times = _as_times(array, null, "m").astype(f"timedelta64[{_unit(text)}]").astype(np.int64)
        return pa.array(times, pa.int64(), mask=null).cast(pa.duration(_unit(text)))
    if text.startswith("date"):
        days = _as_times(array, null, "M").astype("datetime64[D]").astype(np.int64).astype(np.int32)
        dates = pa.array(days, pa.int32(), mask=null).cast(pa.date32())
        return dates if text.startswith("date32") else dates.cast(pa.date64())
    kind = pa.type_for_alias(_ARROW_NAMES.get(text, text))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return pa.array(_into(array, null, np.dtype(kind.to_pandas_dtype())), kind, mask=null)
    return pa.array(_object(array), kind, mask=null)


def _unit(text: str) -> str:
    """ "us" of "timestamp[us, tz=UTC]"."""
    return text.split("[")[1].split("]")[0].split(",")[0]


def to_numpy(series: pd.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as bool, int64, float64, datetime64 (UTC), timedelta64 or objects, and where they are null.

    Under a null the value is a harmless filler (0, or None for objects). NaN is a null wherever it stands.

    >>> to_numpy(pd.Series([7, None], dtype="Int8"))
    (array([7, 0]), array([False,  True]))
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        if not len(dtype.categories):
            return np.full(len(series), None, dtype=object), np.ones(len(series), dtype=bool)
        listed = to_numpy(pd.Series(dtype.categories))[0]
        null = codes < 0
        array = listed[np.where(null, 0, codes)]
        array[null] = None if array.dtype.kind == "O" else np.zeros((), dtype=array.dtype)
        return array, null
    if isinstance(dtype, pd.ArrowDtype):
        series = _from_arrow(series)
        dtype = series.dtype
    null = series.isna().to_numpy(bool)
    if isinstance(dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if kind in "mM":
        array = series.to_numpy(copy=True)
        array[null] = np.zeros((), dtype=array.dtype)
        return array, null
    if kind in "iufb":
        return _numbers(series, null, kind)
    return series.to_numpy(dtype=object, na_value=None) if null.any() else series.to_numpy(dtype=object), null


def _numbers(series: pd.Series, null: NDArray[np.bool_], kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    target: Any = {"b": bool, "f": np.float64, "i": np.int64, "u": np.int64}[kind]
    if kind == "u" and len(series) and not null.all() and int(series.max()) > np.iinfo(np.int64).max:
        target = np.float64  # beyond int64 a uint64 keeps 53 bits
    if not null.any():
        array = series.to_numpy(dtype=target)
    elif isinstance(series.dtype, np.dtype):
        array = np.where(null, 0.0, series.to_numpy(dtype=target))
    else:
        array = series.to_numpy(dtype=target, na_value=False if kind == "b" else 0)
    if kind == "f":
        stray = np.isnan(array)  # masked and Arrow floats tell NaN (as of 0 / 0) from NA
        if stray.any():
            return np.where(stray, 0.0, array), null | stray
    return array, null


def _from_arrow(series: pd.Series) -> pd.Series:
    text = str(series.dtype.pyarrow_dtype)  # type: ignore[union-attr]
    if text.startswith("timestamp"):
        zone = text.split("tz=")[1].rstrip("]") if "tz=" in text else None
        return series.astype(f"datetime64[{_unit(text)}, {zone}]" if zone else f"datetime64[{_unit(text)}]")
    if text.startswith("date"):
        import pyarrow as pa

        return series.astype(pd.ArrowDtype(pa.timestamp("s"))).astype("datetime64[s]")
    if text.startswith("duration"):
        return series.astype(f"timedelta64[{_unit(text)}]")
    if text.startswith(("int", "uint")):
        return series.astype(text.capitalize() if text.startswith("int") else "UInt" + text[4:])
    if text in _ARROW_NAMES:
        return series.astype("Float64")
    if text == "bool":
        return series.astype("boolean")
    return series.astype(object)
