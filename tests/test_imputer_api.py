"""The imputer as scikit-learn knows it, arrays and containers, and input that needs care."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from synthkit import Imputer, Schema, errors
from synthkit.imputation import Engine
from synthkit.imputation.ruled import Rules
from synthkit.models import Autoregressive
from synthkit.rules import Ordered
from synthkit.schema import Categorical

QUICK = Autoregressive(epochs=1.0, width=16)
METHODS = ["median", "neighbours", "chained_trees", QUICK]
methods = pytest.mark.parametrize("method", METHODS, ids=str)
NEW = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 6)  # the tags of before are not written
JUDGED = [Imputer("median", random_state=0), Imputer("chained_trees", random_state=0)] if NEW else []


# None is expected to fail. By its tags the imputer is spared two: that nulls are refused (allow_nan: they are the
# point; infinite numbers are refused, see below) and that numpy refuses cells that are no scalars (string: texts may
# stand in an array; such cells are refused by a SchemaError of our own). Arrays that are not numpy's are not supported,
# and that check skips itself.
@parametrize_with_checks(JUDGED)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def holes(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Numbers, whole numbers and categories with gaps; a is told by b."""
    rng = np.random.default_rng(seed)
    b = rng.integers(0, 9, rows)
    table = pd.DataFrame({"a": b + rng.normal(size=rows), "b": pd.array(b, dtype="Int64")})
    table["c"] = rng.choice(["x", "y", "z"], rows)
    for k, name in enumerate(table.columns):
        table.loc[10 * k : 10 * k + 15, name] = None if name == "c" else pd.NA
    return table.astype({"a": float})


# ---------------------------------------------------------------- arrays and containers
def test_arrays_come_back_as_arrays():
    numbers = holes()[["a", "b"]].to_numpy(dtype=np.float32, na_value=np.nan)
    before = numbers.copy()
    imputer = Imputer("neighbours", add_indicator=True, random_state=0)
    filled = imputer.fit_transform(numbers)
    np.testing.assert_array_equal(numbers, before)
    assert isinstance(filled, np.ndarray) and filled.dtype == np.float32 and filled.shape == (120, 4)
    assert not np.isnan(filled).any() and (filled[:, 2:] == np.isnan(numbers)).all()
    assert list(imputer.get_feature_names_out()) == ["x0", "x1", "missing_x0", "missing_x1"]
    assert list(imputer.get_feature_names_out(["p", "q"])) == ["p", "q", "missing_p", "missing_q"]
    assert not hasattr(imputer, "feature_names_in_") and imputer.n_features_in_ == 2
    with pytest.raises(errors.SchemaError, match="should have length equal"):
        imputer.get_feature_names_out(["p"])
    with pytest.raises(errors.SchemaError, match="X has 1 features, but Imputer is expecting 2 features as input"):
        imputer.transform(numbers[:, :1])
    whole = np.array([[1, 5], [-9, 6], [1, -9]] * 10)
    again = Imputer("median", missing_values=-9, random_state=0).fit_transform(whole)
    assert again.dtype == whole.dtype and (again >= 1).all()
    assert Imputer("median", random_state=0).fit_transform(np.full((9, 1), np.nan)).shape == (9, 1)


def test_arrays_and_lists_may_mix_kinds():
    table = holes()
    rows = table.astype(object).where(table.notna(), None)
    for X in (rows.to_numpy(), rows.to_numpy().tolist()):
        filled = Imputer("chained_trees", random_state=0).fit_transform(X)
        assert filled.dtype == object and not pd.isna(filled).any() and set(filled[:, 2]) == {"x", "y", "z"}
        assert all(isinstance(cell, float) for cell in filled[:, 0])
    named = Imputer("median", random_state=0).fit(table)
    with pytest.warns(errors.SynthkitWarning, match="valid feature names"):
        assert not pd.isna(named.transform(rows.to_numpy())).any()
    with pytest.raises(errors.SchemaError, match="not equal to feature_names_in_"):
        named.get_feature_names_out(["c", "b", "a"])


def test_set_output_chooses_the_container():
    table, numbers = holes(), holes()[["a", "b"]].to_numpy(dtype=float, na_value=np.nan)
    imputer = Imputer("median", add_indicator=True, random_state=0).set_output(transform="pandas")
    made = imputer.fit_transform(numbers)
    assert isinstance(made, pd.DataFrame) and list(made.columns) == list(imputer.get_feature_names_out())
    framed = imputer.fit_transform(table)
    assert list(framed.columns) == list(imputer.get_feature_names_out()) == [*"abc", *("missing_" + c for c in "abc")]
    assert framed.index.equals(table.index) and (framed.dtypes[["a", "b", "c"]] == table.dtypes).all()
    imputer.set_output(transform="default")
    assert isinstance(imputer.fit_transform(numbers), np.ndarray)
    assert isinstance(imputer.fit_transform(table), pd.DataFrame)


def test_pipelines_column_transformers_and_searches():
    table, y = holes(), np.arange(120) % 7
    parts = ColumnTransformer([("c", OneHotEncoder(), ["c"])], remainder=StandardScaler())
    model = make_pipeline(Imputer("median", add_indicator=True, random_state=0), parts, LinearRegression())
    assert np.isfinite(cross_val_score(model, table, y, cv=3)).all()
    search = GridSearchCV(model, {"imputer__method": ["median", "neighbours"]}, cv=2).fit(table, y)
    assert search.best_params_["imputer__method"] in ("median", "neighbours")
    inside = ColumnTransformer(
        [("fill", Imputer("median", random_state=0), ["a", "b"])], remainder="drop", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    out = inside.fit_transform(table)
    assert list(out.columns) == ["a", "b"] and out.notna().to_numpy().all() and str(out["b"].dtype) == "Int64"


def test_fit_changes_no_argument_and_forgets_what_it_knew():
    class Counts(Engine):
        name = "counts"

        def fit(self, table, schema, *, seed):
            self.rows = len(table)

        def point(self, table, point, *, seed):
            return table.fillna({"a": float(self.rows)})

        def draw(self, table, *, seed):
            return self.point(table, "mean", seed=seed)

    engine = Counts()
    imputer = Imputer(engine, random_state=0)
    some = holes()[["a"]]
    assert imputer.fit(some).transform(some.head(1))["a"][0] == 120.0 and "rows" not in engine.__dict__
    assert imputer.fit(some.head(30)).transform(some.head(1))["a"][0] == 30.0
    assert clone(imputer).get_params()["random_state"] == 0 and "engine_" not in clone(imputer).__dict__
    judged = Imputer("median", check="imputation", random_state=0).fit(holes())
    assert "report_" in judged.__dict__ and "report_" not in judged.fit(holes().dropna()).__dict__


def test_integers_with_a_code_for_missing_stay_integers():
    table = pd.DataFrame({"a": [1, -9, 3, 2] * 10, "b": ["x", "-9", "y", "x"] * 10, "c": [4, 5, 6, 7] * 10})
    filled = Imputer("chained_trees", missing_values=-9, random_state=0).fit_transform(table)
    assert (filled.dtypes == table.dtypes).all() and (filled["a"] > 0).all()


# ---------------------------------------------------------------- input that needs care
class Costly(Engine):
    """Says when it is trained."""

    name = "costly"

    def fit(self, table, schema, *, seed):
        raise RuntimeError("trained")

    def point(self, table, point, *, seed):
        raise RuntimeError("asked")

    def draw(self, table, *, seed):
        raise RuntimeError("asked")


def test_a_table_without_gaps_comes_back_and_nothing_is_trained():
    full = holes().dropna()
    imputer = Imputer(Costly(), random_state=0)
    pd.testing.assert_frame_equal(imputer.fit_transform(full), full)
    copies = imputer.multiple(full, 2)
    assert len(copies) == 2 and copies[1].equals(full) and copies.cells().empty and imputer.audit(full, 2).empty
    with pytest.raises(RuntimeError, match="trained"):
        imputer.transform(full.assign(a=np.nan))


@methods
def test_training_may_wait_for_the_first_gap(method):
    full, table = holes().dropna(), holes()
    later = Imputer(method, random_state=0).fit(full)
    given = full.copy()
    imputer = Imputer(method, random_state=0).fit(given)
    given["a"] = 0.0  # the caller's table may change meanwhile
    assert later.transform(table).equals(imputer.transform(table))
    assert not later.transform(table).isna().to_numpy().any()


@methods
def test_everything_may_be_missing(method):
    table = holes()
    empty = pd.DataFrame({"a": np.nan, "b": pd.array([pd.NA] * 50, dtype="Int64"), "c": [None] * 50})
    imputer = Imputer(method, random_state=0)
    for mode in ("point", "draw"):
        assert imputer.set_params(mode=mode).fit_transform(empty).equals(empty), "nothing is known of anything"
    dropped = clone(imputer).set_params(keep_empty_features=False).fit_transform(empty)
    assert dropped.shape == (50, 0) and dropped.index.equals(empty.index)
    filled = imputer.fit(table).transform(empty)
    assert not filled.isna().to_numpy().any() and (filled.dtypes[["a", "b"]] == empty.dtypes[["a", "b"]]).all()
    assert filled["a"].between(table["a"].min(), table["a"].max()).all()
    assert imputer.transform(table.head(0)).shape == (0, 3)


@methods
def test_other_kinds_at_transform_are_refused_and_unseen_categories_are_not(method):
    table = holes()
    imputer = Imputer(method, random_state=0).fit(table)
    with pytest.raises(errors.SchemaError, match="column 'a' held numbers"):
        imputer.transform(table.assign(a=["w", None] * 60))
    with pytest.raises(errors.SchemaError, match="'b' held numbers"):
        imputer.transform(table.assign(b=pd.Timestamp("2020-01-01")))
    with pytest.raises(errors.SchemaError, match="'a' holds infinite"):
        imputer.transform(table.assign(a=np.inf))
    filled = imputer.transform(table.assign(c="unseen", a=np.nan))
    assert (filled["c"] == "unseen").all() and filled["a"].notna().all()
    as_texts = imputer.transform(table.assign(a=table["a"].astype(object), c=table["c"].astype("string")))
    assert as_texts.notna().to_numpy().all() and str(as_texts["c"].dtype) == "string"


def test_bad_tables_are_refused():
    table = holes()
    imputer = Imputer("median", random_state=0)
    for bad, message in (
        (table.head(0), "no rows"),
        (table[[]], "minimum of 1 is required"),
        (table.set_axis(["a", "a", "c"], axis=1), "occurs more than once"),
        (table.assign(a=np.inf), "infinite"),
        (table["a"], "2 dimensions"),
        (np.zeros(4), "2 dimensions"),
        (np.zeros((4, 1)) + 1j, "Complex data not supported"),
    ):
        with pytest.raises(errors.SchemaError, match=message):
            imputer.fit(bad)
    with pytest.raises(errors.ParamError, match="'missing_a' already"):
        Imputer("median", add_indicator=True).fit(table.assign(missing_a=1))
    fitted = imputer.fit(table)
    with pytest.raises(errors.SchemaError, match="'b' is missing"):
        fitted.audit(table[["a", "c"]])
    with pytest.raises(errors.SchemaError, match="'z' was not there"):
        fitted.multiple(table.assign(z=1), 2)


@pytest.mark.parametrize("purpose", ["prediction", "inference"])
def test_a_purpose_decides_whether_the_outcome_is_read(purpose):
    """a is told by the outcome only: for prediction it must not be, for inference it must."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    table = pd.DataFrame({"a": 10 * y, "z": rng.normal(size=400), "y": y})
    hidden = table.assign(a=table["a"].mask(rng.random(400) < 0.3))
    imputer = Imputer("neighbours", target="y", purpose=purpose, random_state=0).fit(hidden)
    gap = hidden["a"].isna()
    found = imputer.transform(hidden)["a"][gap]
    tied = abs(np.corrcoef(found, table["a"][gap])[0, 1])
    assert tied > 0.9 if purpose == "inference" else tied < 0.3
    other = imputer.transform(hidden.assign(y=-y))["a"][gap]
    assert other.equals(found) is (purpose == "prediction")


# ---------------------------------------------------------------- orders
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("mode", ["point", "draw"])
def test_orders_of_two_columns_hold(strict, mode):
    """Of stays whose length tells nothing of the rest: filled days keep the order, given ones stay."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, 400), "D")
    table = pd.DataFrame({"in": day, "out": day + pd.to_timedelta(rng.integers(int(strict), 3, 400), "D")})
    table["low"] = rng.integers(0, 50, 400).astype(float)
    table["high"] = table["low"] + rng.integers(int(strict), 9, 400)
    holes = table.mask(rng.random(table.shape) < 0.3)
    schema = Schema.infer(holes)
    rules = (Ordered("in", "out", strict), Ordered("low", "high", strict))
    schema = dataclasses.replace(schema, rules=rules)
    loose = Imputer("neighbours", mode=mode, schema=dataclasses.replace(schema, rules=()), random_state=0)
    filled = Imputer("neighbours", mode=mode, schema=schema, random_state=0).fit_transform(holes)
    for rule in rules:
        assert rule.holds(filled).all() and not rule.holds(loose.fit_transform(holes)).all()
    assert (filled == holes).to_numpy()[holes.notna().to_numpy()].all()
    assert filled.dtypes.equals(holes.dtypes)


def test_chains_of_orders_hold_whatever_is_given():
    table = pd.DataFrame({"a": [1, 1, 2.0] * 10, "b": [2, 1, 3.0] * 10, "c": [4, 2, 3.0] * 10})
    rules = (Ordered("a", "b"), Ordered("b", "c"))
    kept = Rules(dataclasses.replace(Schema.infer(table), rules=rules), table, False)
    filled = pd.DataFrame({"a": [5.0, 3, 3], "b": [3.0, 2, 2], "c": [4.0, 1, 1]})
    given = {"a": np.array([True, False, False]), "b": np.zeros(3, bool), "c": np.array([False, False, True])}
    assert kept.keep(filled, given).to_numpy().tolist() == [[5, 5, 5], [1, 2, 3], [1, 1, 1]]


def test_orders_keep_to_the_columns_grids():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"low": pd.array(rng.integers(0, 9, 200), dtype="UInt8")})
    table["high"] = table["low"].astype(float) + rng.choice([0.5, 1.5], 200)
    holes = table.mask(rng.random(table.shape) < 0.4)
    for strict in (False, True):
        schema = dataclasses.replace(Schema.infer(holes), rules=(Ordered("low", "high", strict),))
        filled = Imputer("neighbours", schema=schema, random_state=0).fit_transform(holes)
        assert (filled["low"] < filled["high"]).all() and filled["low"].dtype == "UInt8"


# ---------------------------------------------------------------- odd tables
def test_columns_without_a_value_may_come_in_any_dtype():
    day = pd.date_range("2020-01-01", periods=30)
    table = pd.DataFrame({"a": np.arange(30.0), "c": ["x", "y"] * 15, "d": day, "b": [True, False] * 15})
    imputer = Imputer("neighbours", random_state=0).fit(table)
    filled = imputer.transform(pd.DataFrame({"a": [1.0], "c": [np.nan], "d": [np.nan], "b": [np.nan]}))
    assert filled.notna().to_numpy().all() and filled["d"][0] in set(day) and filled["b"].dtype == "boolean"
    with pytest.raises(errors.SchemaError, match="time zone"):
        imputer.transform(table.assign(d=day.tz_localize("UTC")))


def test_large_integers_beside_a_missing_value_stay():
    table = pd.DataFrame({"id": [2**60 + 1 + 2 * i for i in range(59)] + [-9], "v": np.arange(60.0)})
    filled = Imputer("median", missing_values=-9, random_state=0).fit_transform(table)
    assert (filled["id"][:59] == table["id"][:59]).all() and filled["id"].dtype == "int64"


def test_copies_of_complete_and_of_weighted_tables():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=60), "w": rng.uniform(1, 2, 60)})
    imputer = Imputer("trees", random_state=0).fit(table)
    assert [copy.equals(table) for copy in imputer.multiple(table, 2)] == [True, True]
    holes = table.assign(x=table["x"].mask(rng.random(60) < 0.3))
    schema = dataclasses.replace(Schema.infer(holes), weight="w")
    copies = Imputer("trees", schema=schema, random_state=0).fit(holes).multiple(holes, 2)
    assert all(copy["x"].notna().all() and copy["w"].equals(table["w"]) for copy in copies)


def test_the_check_scores_what_is_used():
    """A schema that says that codes are categories holds for the score, too."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"code": rng.integers(0, 3, 150).astype(float), "x": rng.normal(size=150)})
    holes = table.mask(rng.random(table.shape) < 0.3)
    schema = Schema.infer(holes, code=Categorical())
    with pytest.warns(errors.SynthkitWarning, match="should not be filled"):
        report = Imputer("chained_trees", schema=schema, check="imputation", random_state=0).fit(holes).report_
    code = report.table[(report.table["column"] == "code") & (report.table["method"] == "imputer")].iloc[0]
    assert code["cells"] > 20 and code["z_rmse"] > 1.1  # a likely code, no mean
