"""What inference recognises, what validation refuses, and the schema's own round trips."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.errors import SchemaError
from synthkit.inference import canonical, from_canonical, infer_column
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
    Schema,
    Text,
)

N = 40
RNG = np.random.default_rng(0)
DAYS = pd.date_range("2020-01-01", periods=N)


def _codes(prefix: str) -> list[str]:
    return [f"{prefix}{k:06d}" for k in RNG.permutation(N)]


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        ([True, False] * 20, "x", Boolean),
        ([1, 2] * 20, "x", Numeric),
        (RNG.normal(size=N), "id", Numeric),
        (DAYS, "x", Datetime),
        (DAYS.tz_localize("UTC"), "x", Datetime),
        (DAYS - DAYS[0], "x", Duration),
        (pd.Categorical(["a", "b"] * 20), "x", Categorical),
        (["a", "b"] * 20, "x", Categorical),
        ([f"sentence number {k}" for k in range(N)], "x", Text),
        (_codes("C"), "x", Identifier),
        ([7] * N, "x", Constant),
        (["seven"] * N, "x", Constant),
        ([None] * N, "x", Empty),
        ([np.nan] * N, "x", Empty),
        ([pd.NaT] * N, "x", Empty),
        (range(N), "row", Identifier),
        (range(1, N + 1), "x", Identifier),
        (RNG.permutation(N) * 17 + 1000, "patient_id", Identifier),
        (RNG.permutation(N) * 17 + 1000, "CustomerID", Identifier),
        (RNG.permutation(N) * 17 + 1000, "paid", Numeric),
        (range(1980, 1980 + N), "year", Numeric),
        (range(10), "id", Numeric),
    ],
)
def test_recognised(cells: Any, name: str, expected: type[ColumnType]) -> None:
    kind = infer_column(pd.Series(cells, name=name))
    assert type(kind) is expected
    assert kind.dtype is not None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([True, None, False], Boolean),
        ([1, 2.5, None], Numeric),
        ([1, 2, None], Numeric),
        ([dt.date(2020, 1, 1), dt.date(2021, 1, 1)], Datetime),
        ([dt.datetime(2020, 1, 1), pd.Timestamp("2021-01-01")], Datetime),
    ],
)
def test_recognised_objects(cells: list[Any], expected: type[ColumnType]) -> None:
    assert type(infer_column(pd.Series(cells, dtype=object))) is expected


@pytest.mark.parametrize(
    ("cells", "dtype", "integer", "decimals"),
    [
        ([1, 2, 3], "int8", True, 0),
        ([1.0, 2.0, np.nan], "float64", True, 0),
        ([0.1, 0.25, -1234567.5], "float64", False, 2),
        ([0.1, 0.25, -12.5], "float32", False, 2),
        ([0.1, 0.25, -12.5], "Float32", False, 2),
        ([0.1, 0.2, 0.7], "float16", False, 1),
        ([0.1 + 0.2, 0.7], "float64", False, 1),
        ([1e-6, 2.5], "float64", False, 6),
        (RNG.normal(size=2000), "float64", False, None),
        (RNG.normal(size=2000), "float32", False, None),
        ([*([0.5] * 2000), 0.123], "float64", False, 3),
        ([2**62 + 1, 5], "int64", True, 0),
    ],
)
def test_grid(cells: Any, dtype: str, integer: bool, decimals: int | None) -> None:
    kind = infer_column(pd.Series(cells, dtype=dtype))
    assert isinstance(kind, Numeric)
    assert (kind.integer, kind.decimals) == (integer, decimals)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, None], dtype="Int8"),
        pd.Series([1.0, np.nan]),
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", pd.NA], dtype="string"),
        pd.Series([pd.Timestamp("2020"), pd.NaT]),
        pd.Series(pd.Categorical(["a", None])),
    ],
)
def test_nullable_is_learnt(series: pd.Series) -> None:
    assert infer_column(series).nullable is True
    assert infer_column(series.dropna()).nullable is False


SECRET = "Q7351946"


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (pd.Series([1, SECRET], dtype=object), "mixes numbers and text"),
        (pd.Series([True, 2], dtype=object), "mixes booleans and numbers"),
        (pd.Series([True, 1, 1], dtype=object), "mixes booleans and numbers"),
        (pd.Series([1.0, True, 7.0], dtype=object), "mixes booleans and numbers"),
        (pd.Series([dt.date(2020, 1, 1), SECRET], dtype=object), "mixes dates and text"),
        (pd.Series([[SECRET], ["y"]]), "unhashable"),
        (pd.Series([{SECRET: 1}, {}]), "unhashable"),
        (pd.Series([1.0, np.inf]), "infinite"),
        (pd.Series([1.0, -np.inf], dtype="Float64"), "infinite"),
        (pd.Series([1, float("inf")], dtype=object), "infinite"),
        (pd.Series([b"ab", b"cd"]), "no numbers, text or dates"),
        (pd.Series([decimal.Decimal("1.5"), decimal.Decimal("2")]), "no numbers, text or dates"),
        (pd.Series([1j, 2j]), "not supported"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")), "to_timestamp"),
        (pd.Series(pd.interval_range(0, 2)), "not supported"),
        (pd.Series(pd.arrays.SparseArray([0.0, 1.0])), "to_dense"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")).astype("category"), "not supported"),
    ],
)
def test_refused_by_inference(series: pd.Series, message: str) -> None:
    """The message names the column and the remedy, and shows no cell."""
    with pytest.raises(SchemaError, match=message) as caught:
        Schema.infer(series.to_frame("some column"))
    assert "'some column'" in str(caught.value)
    assert SECRET not in str(caught.value)


TABLE = pd.DataFrame(
    {
        "age": [30, 41, 52, 30],
        "sex": ["F", "M", None, "F"],
        "seen": pd.to_datetime(["2020-01-01", None, "2021-05-05", "2020-01-01"]),
        ("a", 1): [0.5, 1.5, np.nan, 0.5],
        7: [True, False, True, True],
        "w": [1.0, 2.0, 1.0, 1.5],
    }
)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.head(0), "no rows"),
        (TABLE[[]], "no columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' occurs more than once"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "levels"),
        (pd.DataFrame([[1, 2]], columns=["a", None]), "no name"),
        ([1, 2], "must be a pandas DataFrame"),
    ],
)
def test_refused_tables(table: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Schema.infer(table)


def test_overrides() -> None:
    schema = Schema.infer(TABLE, overrides={7: "categorical", ("a", 1): Numeric(low=0, high=2)}, age="categorical")
    kinds = [type(k) for k in schema.columns.values()]
    assert kinds == [Categorical, Categorical, Datetime, Numeric, Categorical, Numeric]
    bounded = schema.columns[("a", 1)]
    assert isinstance(bounded, Numeric)
    assert (bounded.low, bounded.high, bounded.decimals, bounded.nullable) == (0, 2, 1, True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"aeg": "numeric"}, "no column 'aeg'; the columns are 'age'"),
        ({"age": "number"}, "unknown type 'number'; the types are numeric"),
        ({"age": Numeric}, "needs a ColumnType or its name"),
        ({"sex": "numeric"}, "'sex' should be Numeric"),
        ({"sex": "datetime"}, "'sex' should be Datetime"),
        ({"age": Numeric(low=35)}, "'age' has values outside the declared bounds"),
        ({"age": "empty"}, "'age' should be Empty"),
        ({"age": "boolean"}, "'age' should be Boolean"),
        ({"sex": Categorical(categories=("F",))}, "'sex' has values that are not among"),
        ({"seen": Datetime(low=pd.Timestamp("2020-02-01"))}, "'seen' has values outside"),
    ],
)
def test_impossible_overrides(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Schema.infer(TABLE, overrides=overrides)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Numeric(low=2, high=1), "'low' must not exceed 'high'"),
        (lambda: Numeric(decimals=-1), "'decimals'"),
        (lambda: Numeric(integer=True, decimals=2), "'decimals'"),
        (lambda: Categorical(categories=()), "one value or more"),
        (lambda: Categorical(categories=("a", "a")), "each once"),
        (lambda: Categorical(categories=("a", None)), "no null"),
        (lambda: Schema({"x": Numeric()}, entity="y"), "'entity' names column 'y'"),
        (lambda: Schema({"x": Numeric()}, weight="y"), "'weight' names column 'y'"),
        (lambda: Schema({"x": Numeric()}, entity="x", weight="x"), "both"),
        (lambda: Schema({"x": Numeric}), "needs a ColumnType"),
    ],
)
def test_contradictions(make: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        make()


def test_validate() -> None:
    schema = Schema.infer(TABLE)
    schema.validate(TABLE)
    schema.validate(TABLE.iloc[:, ::-1])  # the order does not matter
    schema.validate(TABLE[["age"]], partial=True)
    for table, message in (
        (TABLE.drop(columns="sex"), "'sex' is missing"),
        (TABLE.assign(extra=1), "no column 'extra'; the columns are 'age'"),
        (TABLE.assign(age=TABLE["sex"].fillna("F")), "'age' should be Numeric"),
        (TABLE.assign(seen=[1, 2, 3, 4]), "'seen' should be Datetime"),
        (TABLE.assign(w=[1.0, 2.0, 3.0, np.inf]), "'w' holds infinite"),
    ):
        with pytest.raises(SchemaError, match=message):
            schema.validate(table)


def test_inference_leaves_the_table_alone() -> None:
    before = TABLE.copy(deep=True)
    Schema.infer(TABLE).validate(TABLE)
    pd.testing.assert_frame_equal(TABLE, before)


def test_project_keeps_roles_of_kept_columns() -> None:
    schema = Schema.infer(TABLE, entity="age", weight="w")
    small = schema.project(["w", ("a", 1)])
    assert list(small.columns) == ["w", ("a", 1)]
    assert (small.entity, small.weight) == (None, "w")
    with pytest.raises(SchemaError, match="no column 'nope'"):
        schema.project(["nope"])


def test_json_round_trip() -> None:
    wide = TABLE.assign(
        c=pd.Categorical(["x", "y", "x", "x"], ["y", "x", "z"], ordered=True),
        k=pd.to_datetime("2020-01-01"),
        e=None,
    )
    schema = Schema.infer(wide, entity=7, weight="w", age=Categorical(categories=(30, 41, 52)))
    text = json.dumps(schema.to_dict(), allow_nan=False)
    again = Schema.from_dict(json.loads(text))
    assert again == schema
    assert list(again.columns) == list(schema.columns)
    again.validate(wide)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"columns": [{"name": "x", "type": "nonsense"}]},
        {"columns": [{"name": "x", "type": "numeric", "width": 3}]},
        {"columns": [{"type": "numeric"}]},
        {"columns": ["x"]},
    ],
)
def test_json_of_no_schema(value: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"Schema\.from_dict"):
        Schema.from_dict(value)


def test_the_callers_mapping_may_change() -> None:
    columns: dict[Any, ColumnType] = {"x": Numeric()}
    schema = Schema(columns)
    columns["y"] = Text()
    assert list(schema.columns) == ["x"]


def test_sdmetrics_metadata() -> None:
    table = TABLE.assign(key=["a", "b", "c", "d"])
    metadata = Schema.infer(table, entity="age", key="identifier", sex="text").to_sdmetrics()
    types = {name: column["sdtype"] for name, column in metadata["columns"].items()}
    assert types == {
        "age": "id", "sex": "unknown", "seen": "datetime", ("a", 1): "numerical", 7: "boolean", "w": "numerical",
        "key": "id",
    }  # fmt: skip
    assert metadata["primary_key"] == "key"


def test_every_type_is_registered_once() -> None:
    assert set(COLUMN_TYPES.values()) == set(ColumnType.__subclasses__())


def test_canonical_refuses_text_for_dates_and_numbers() -> None:
    for kind in (Numeric(), Boolean(), Datetime(), Duration()):
        with pytest.raises(SchemaError, match="'x' should be") as caught:
            canonical(pd.Series([SECRET, "2020-01-01"], name="x"), kind)
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


def test_declared_types_have_a_dtype() -> None:
    """Types without data decode too."""
    two, none = np.array([1, 0]), np.zeros(2, dtype=bool)
    assert from_canonical(two, none, Numeric(integer=True)).dtype == "int64"
    assert from_canonical(two, ~none, Numeric(integer=True, nullable=True)).dtype == "Int64"
    assert from_canonical(two, none, Numeric()).dtype == "float64"
    assert from_canonical(two, none, Boolean()).dtype == bool
    assert from_canonical(two, none, Datetime()).dtype == "datetime64[ns]"
    assert from_canonical(two, none, Duration()).dtype == "timedelta64[ns]"
    words = np.array(["a", "b"], dtype=object)
    assert from_canonical(words, none, Categorical(categories=("a", "b"))).dtype == pd.Series(["a"]).dtype
    assert from_canonical(two, none, Categorical(categories=(0, 1))).dtype == "int64"
    assert from_canonical(two, ~none, Categorical(categories=(0, 1), nullable=True)).isna().all()
