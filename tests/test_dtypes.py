"""dtypes come back exactly, with and without nulls, and their specs are JSON."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from synthkit import io
from synthkit.dtypes import restore, spec_of, to_numpy
from synthkit.errors import SchemaError
from synthkit.inference import canonical, from_canonical, infer_column

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
MASKED = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"]
STAMPS = pd.Series(
    pd.to_datetime(["2020-02-29 13:05:07", "1999-12-31 00:00:00", "2024-07-01 00:00:01", "2020-02-29 13:05:07"])
)
WORDS = pd.Series(["Ä b", "", "x", "x"], dtype=object)


def _columns() -> dict[str, pd.Series]:
    pa = pytest.importorskip("pyarrow")
    out: dict[str, pd.Series] = {}
    for name in INTEGERS:
        info = np.iinfo(name)
        top = min(info.max, 2**63 - 1)
        out[name] = pd.Series(np.array([info.min, top, 3, 3], dtype=name))
    for name in MASKED:
        info = np.iinfo(name.lower())
        top = min(info.max, 2**63 - 1)
        out[name] = pd.Series([info.min, top, 3, 3], dtype=name)
        out[name + " with null"] = pd.Series([info.min, top, None, 3], dtype=name)
    for name in ["float16", "float32", "float64", "Float32", "Float64"]:
        out[name] = pd.Series([0.5, -1.25, 3, 3], dtype=name)
        out[name + " with null"] = pd.Series([0.5, -1.25, None, 3], dtype=name)
    out["bool"] = pd.Series([True, False, True, True])
    out["boolean"] = pd.Series([True, False, True, True], dtype="boolean")
    out["boolean with null"] = pd.Series([True, False, None, True], dtype="boolean")
    out["object of bool"] = pd.Series([True, False, None, True], dtype=object)
    for storage in ("python", "pyarrow"):
        out[f"string[{storage}]"] = WORDS.astype(pd.StringDtype(storage))
        out[f"string[{storage}] with null"] = pd.Series(["a", None, "x", "x"], dtype=pd.StringDtype(storage))
    out["str"] = WORDS.astype("str")
    out["object, None"] = pd.Series(["a", None, "x", "x"], dtype=object)
    out["object, NaN"] = pd.Series(["a", np.nan, "x", "x"], dtype=object)
    out["object, NA"] = pd.Series(["a", pd.NA, "x", "x"], dtype=object)
    out["object of ints"] = pd.Series([1, 7, None, 7], dtype=object)
    out["object of floats"] = pd.Series([1.5, 7.25, None, 7.25], dtype=object)
    out["object of dates"] = pd.Series(
        [dt.date(2020, 2, 29), dt.date(1999, 1, 1), None, dt.date(1999, 1, 1)], dtype=object
    )
    moment = dt.datetime(2020, 2, 29, 13, 5)
    out["object of moments"] = pd.Series([moment, moment.replace(year=2000), None, moment], dtype=object)
    aware = moment.replace(tzinfo=dt.timezone.utc)  # noqa: UP017
    out["object of moments with zone"] = pd.Series([aware, aware.replace(year=2000), None, aware], dtype=object)
    for unit in ("s", "ms", "us", "ns"):
        for null in (False, True):
            stamps = STAMPS.mask(pd.Series([False, True, False, False])) if null else STAMPS
            tail = " with null" if null else ""
            out[f"datetime64[{unit}]{tail}"] = stamps.astype(f"datetime64[{unit}]")
            out[f"datetime64[{unit}, zone]{tail}"] = stamps.dt.tz_localize("Europe/Berlin").astype(
                f"datetime64[{unit}, Europe/Berlin]"
            )
            out[f"timedelta64[{unit}]{tail}"] = (stamps - STAMPS.iloc[0]).astype(f"timedelta64[{unit}]")
            out[f"timestamp[{unit}]{tail}"] = stamps.astype(pd.ArrowDtype(pa.timestamp(unit)))
            out[f"timestamp[{unit}, zone]{tail}"] = stamps.dt.tz_localize("Asia/Tokyo").astype(
                pd.ArrowDtype(pa.timestamp(unit, "Asia/Tokyo"))
            )
            out[f"duration[{unit}]{tail}"] = (stamps - STAMPS.iloc[0]).astype(pd.ArrowDtype(pa.duration(unit)))
    for dates in (pa.date32(), pa.date64()):
        out[str(dates)] = pd.Series([dt.date(2020, 2, 29), None, dt.date(1999, 1, 1)] * 2, dtype=pd.ArrowDtype(dates))
    for number in (pa.int8(), pa.int64(), pa.uint16(), pa.float32(), pa.float64()):
        out[f"arrow {number}"] = pd.Series([1, None, 3, 3], dtype=pd.ArrowDtype(number))
    out["arrow bool"] = pd.Series([True, None, False, True], dtype=pd.ArrowDtype(pa.bool_()))
    out["arrow string"] = pd.Series(["a", None, "x", "x"], dtype=pd.ArrowDtype(pa.string()))
    out["arrow large string"] = pd.Series(["a", None, "x", "x"], dtype=pd.ArrowDtype(pa.large_string()))
    out["arrow dictionary"] = pd.Series(
        ["a", None, "x", "x"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
    )
    for null in (None, "a"):
        tail = " with null" if null is None else ""
        out["category" + tail] = pd.Series(pd.Categorical(["b", null, "b", "a"], ["b", "never", "a"], ordered=True))
        out["category of strings" + tail] = pd.Series(["b", null, "b", "a"], dtype="string").astype("category")
    out["category of ints"] = pd.Series([3, 1, 3, 1]).astype("category")
    out["category of ints with null"] = pd.Series(pd.Categorical([3, None, 3, 1], [3, 1]))
    out["category of floats"] = pd.Series([0.5, None, 1.5, 0.5]).astype("category")
    out["category of bools"] = pd.Series([True, False, True, False]).astype("category")
    out["category of stamps"] = STAMPS.astype("category")
    out["category of stamps with zone and null"] = (
        STAMPS.dt.tz_localize("UTC").mask(pd.Series([True, False, False, False])).astype("category")
    )
    out["category of durations"] = (STAMPS - STAMPS.iloc[0]).astype("category")
    out["category of intervals"] = pd.cut(pd.Series([1.0, 2.0, None, 9.0]), [0, 1.5, 5, 10])
    out["category of tuples"] = pd.Series(pd.Categorical([("a", 1), ("b", 2), ("a", 1)], [("b", 2), ("a", 1)]))
    out["nothing but null, float"] = pd.Series([np.nan, np.nan])
    out["nothing but null, object"] = pd.Series([None, None], dtype=object)
    out["nothing but null, category"] = pd.Series(pd.Categorical([None, None], []))
    out["nothing but null, Int64"] = pd.Series([None, None], dtype="Int64")
    return out


COLUMNS = _columns()


@pytest.mark.parametrize("name", COLUMNS)
def test_round_trip(name: str) -> None:
    """canonical -> from_canonical gives the same Series: values, dtype, null marker, index and name."""
    series = COLUMNS[name].rename(("a", 1)).set_axis(range(5, 5 + len(COLUMNS[name])))
    before = series.copy(deep=True)
    kind = infer_column(series)
    values, null = canonical(series, kind)
    back = from_canonical(values, null, kind, index=series.index, name=series.name)
    pd.testing.assert_series_equal(back, series, check_exact=True)
    pd.testing.assert_series_equal(series, before)
    if series.dtype == object:
        assert [type(v) for v in back] == [type(v) for v in series]
    if isinstance(series.dtype, pd.CategoricalDtype):
        pd.testing.assert_index_equal(back.cat.categories, series.cat.categories, exact=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_spec_is_json(name: str) -> None:
    """A spec survives JSON and still restores: the text is what a saved file holds."""
    spec = spec_of(COLUMNS[name])
    again = io.from_json(json.loads(json.dumps(io.to_json(spec), allow_nan=False)))
    values, null = to_numpy(COLUMNS[name])
    if values.dtype.kind != "O":  # objects of dates are made by from_canonical
        assert restore(values, null, again).dtype == COLUMNS[name].dtype


@pytest.mark.parametrize("name", [*INTEGERS, "bool"])
def test_null_in_a_dtype_that_has_none(name: str) -> None:
    spec = spec_of(pd.Series([0, 1], dtype=name))
    with pytest.raises(SchemaError, match=r"'x'.*cannot hold a null"):
        restore(np.array([0, 1]), np.array([False, True]), spec, name="x")


@pytest.mark.parametrize("name", INTEGERS + MASKED)
def test_numbers_beyond_the_dtype_are_clipped(name: str) -> None:
    """A law's tail may pass the dtype's end: never an overflow."""
    info = np.iinfo(name.lower())
    out = restore(np.array([-1e30, 1e30, 2.4]), np.zeros(3, bool), spec_of(pd.Series([1], dtype=name)))
    assert out.dtype == pd.Series([1], dtype=name).dtype
    assert int(out[0]) == info.min
    assert int(out[1]) > 0.999 * info.max
    assert int(out[2]) == 2


def test_float16_beyond_its_end_stays_finite() -> None:
    out = restore(np.array([1e9, -1e9]), np.zeros(2, bool), spec_of(pd.Series([1], dtype="float16")))
    assert np.isfinite(out.to_numpy()).all()


def test_uint64_beyond_int64_keeps_53_bits() -> None:
    series = pd.Series([2**64 - 2**11, 2**63, 5], dtype="uint64")
    kind = infer_column(series)
    values, null = canonical(series, kind)
    assert values.dtype == np.float64
    assert from_canonical(values, null, kind).tolist() == series.tolist()


def test_nan_inside_masked_and_arrow_floats_is_null() -> None:
    """0 / 0 in a Float64 column is NaN, and not NA: still a null, not an infinite number."""
    masked = pd.Series([0.0, 1.0, 2.0], dtype="Float64") / pd.Series([0.0, 1.0, 1.0], dtype="Float64")
    assert to_numpy(masked)[1].tolist() == [True, False, False]


def test_dates_outside_nanoseconds_are_refused() -> None:
    series = pd.Series(np.array(["9999-12-31", "2020-01-01"], dtype="datetime64[s]"), name="until")
    with pytest.raises(SchemaError, match=r"'until'.*1678") as caught:
        canonical(series, infer_column(series))
    assert "9999" not in str(caught.value)


def test_categories_are_taken_by_code() -> None:
    """A value that is no category becomes null rather than a new category."""
    spec = spec_of(pd.Series(["a", "b"], dtype="category"))
    out = restore(np.array(["b", "zzz", "a"], dtype=object), np.array([False, False, True]), spec)
    assert out.isna().tolist() == [False, True, True]
    assert out.cat.categories.tolist() == ["a", "b"]
