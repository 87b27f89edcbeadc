"""The imputer: a transformer that changes nothing but gaps, whose centres and draws follow a known law."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from synthkit import Imputer, TabularSynthesizer, errors
from synthkit.imputation import ENGINES, Engine
from synthkit.imputation.base import Marginal
from synthkit.imputation.blend import Blend
from synthkit.models import Autoregressive

METHODS = ["autoregressive", *(name for name in ENGINES if name not in ("autoregressive", "blend"))]
methods = pytest.mark.parametrize("method", METHODS)
QUICK = Autoregressive(epochs=2.0, width=32)


def mixed(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Every kind of column, with gaps."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "whole": pd.array(rng.integers(0, 50, rows), dtype="Int64"),
            "number": np.round(rng.normal(size=rows), 2),
            "flag": pd.array(rng.random(rows) < 0.3, dtype="boolean"),
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], rows)),
            "word": pd.array(rng.choice(["x", "y"], rows), dtype="string"),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "full": rng.integers(0, 4, rows),
        },
        index=pd.Index(rng.permutation(rows) + 1000, name="patient"),
    )
    for name in table.columns[:-1]:
        table.loc[rng.random(rows) < 0.2, name] = pd.NA if name != "day" else pd.NaT
    return table


def linear(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """y = x + noise of .5, g = [x > 0] but for 10 %; 30 % of y and g are hidden. The complete table, and that."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame({"x": x, "y": x + 0.5 * rng.normal(size=rows)})
    table["g"] = np.where((x > 0) ^ (rng.random(rows) < 0.1), "high", "low")
    holes = table.copy()
    holes.loc[rng.random(rows) < 0.3, "y"] = np.nan
    holes.loc[rng.random(rows) < 0.3, "g"] = None
    return table, holes


@pytest.fixture(scope="module")
def law() -> tuple[Imputer, pd.DataFrame, pd.DataFrame]:
    complete, holes = linear(3000)
    return Imputer("autoregressive", random_state=0).fit(holes), complete, holes


# ---------------------------------------------------------------- nothing but gaps changes
@methods
@pytest.mark.parametrize("mode", ["point", "draw"])
def test_only_gaps_change(method, mode):
    table = mixed()
    before = table.copy(deep=True)
    imputer = Imputer(QUICK if method == "autoregressive" else method, mode=mode, random_state=0)
    filled = imputer.fit_transform(table)
    pd.testing.assert_frame_equal(table, before)
    assert not filled.isna().to_numpy().any()
    assert list(filled.columns) == list(table.columns) and filled.index.equals(table.index)
    assert (filled.dtypes == table.dtypes).all()
    for name in table.columns:
        given = table[name].notna()
        pd.testing.assert_series_equal(filled[name][given], table[name][given])
    assert filled["number"].round(2).equals(filled["number"]) and filled["day"].dt.normalize().equals(filled["day"])
    one = imputer.transform(table.iloc[:1])
    assert not one.isna().to_numpy().any() and one.shape == (1, table.shape[1])
    if mode == "point":
        pd.testing.assert_frame_equal(one.drop(columns="day"), filled.iloc[:1].drop(columns="day"))


@methods
def test_what_was_complete_in_training_may_be_missing_later(method):
    table = mixed()
    imputer = Imputer(QUICK if method == "autoregressive" else method, random_state=0).fit(table)
    later = table.astype({"full": "Int64"})
    later.loc[later.index[:5], "full"] = pd.NA
    filled = imputer.transform(later)
    assert filled["full"].notna().all() and str(filled["full"].dtype) == "Int64"


def test_same_seed_same_cells(law):
    _, _, holes = law
    some = holes.head(120)
    a, b, c = (Imputer(QUICK, mode="draw", random_state=s).fit_transform(some) for s in (1, 1, 2))
    assert a.equals(b) and not a.equals(c)


def test_empty_constant_and_complete_columns():
    table = pd.DataFrame({"a": [1.0, np.nan, 3.0] * 20, "none": np.nan, "same": [5.0, np.nan, 5.0] * 20})
    for method in (QUICK, *METHODS[1:]):
        filled = Imputer(method, random_state=0).fit_transform(table)
        assert filled["none"].isna().all() and (filled["same"] == 5).all() and filled["a"].notna().all()
    imputer = Imputer("median", keep_empty_features=False, add_indicator=True, random_state=0).fit(table)
    out = imputer.transform(table)
    assert list(out.columns) == ["a", "same", "missing_a", "missing_same"] == list(imputer.get_feature_names_out())
    assert out["missing_a"].tolist() == [False, True, False] * 20
    full = table[["a"]].fillna(0.0)
    assert imputer.fit(full).transform(full).equals(full)


def test_a_value_may_stand_for_empty():
    table = pd.DataFrame({"a": [1, -9, 3, 2] * 10, "b": ["x", "-9", "y", "x"] * 10})
    filled = Imputer("median", missing_values=-9, random_state=0).fit_transform(table)
    assert (filled["a"] != -9).all() and (filled["b"] == table["b"]).all()


# ---------------------------------------------------------------- as good as the law allows
def test_centres_are_conditional_means(law):
    imputer, complete, holes = law
    filled = imputer.transform(holes)
    gap = holes["y"].isna()
    rmse = np.sqrt(((filled["y"] - complete["y"])[gap] ** 2).mean())
    assert rmse < 0.5 * 1.1, "the law's own noise is .5; the mean alone misses by 1.1"
    gap = holes["g"].isna()
    assert (filled["g"] == complete["g"])[gap].mean() > 0.9 - 0.04
    median = clone(imputer).set_params(point="median")
    median.engine_, median.__dict__ = imputer.engine_, {**imputer.__dict__, "point": "median"}
    other = median.transform(holes)["y"]
    assert not other.equals(filled["y"]) and np.abs(other - filled["y"]).mean() < 0.1


def test_draws_are_joint(law):
    """Two gaps of a row are drawn together: over all x, high g goes with high y."""
    imputer, complete, _ = law
    some = complete.head(1500).assign(y=np.nan, g=None)
    drawn = clone(imputer).set_params(mode="draw")
    drawn.__dict__ = {**imputer.__dict__, "mode": "draw"}
    filled = drawn.transform(some)
    assert abs(filled["y"].corr(complete["x"].head(1500)) - complete["y"].corr(complete["x"])) < 0.06
    gap = [t["y"][t["g"] == "high"].mean() - t["y"][t["g"] == "low"].mean() for t in (filled, complete)]
    assert abs(gap[0] - gap[1]) < 0.25 and abs(filled["y"].std() - complete["y"].std()) < 0.12


def test_multiple_imputation_pools(law):
    imputer, complete, holes = law
    some = holes.head(600)
    copies = imputer.multiple(some, m=8)
    assert len(copies) == 8 and len(list(copies)) == 8 and not copies[0].equals(copies[1])
    for table in copies:
        assert not table.isna().to_numpy().any() and (table.dtypes == some.dtypes).all()
    gap = some["y"].isna()
    low, high = copies.interval(0.9)
    assert (low["y"][~gap] == some["y"][~gap]).all() and (low["y"][gap] <= high["y"][gap]).all()
    cells = copies.cells()
    assert len(cells) == int(some.isna().to_numpy().sum()) and set(cells["column"]) == {"y", "g"}
    assert cells["share"].between(0, 1).all() and cells.loc[cells["column"] == "g", "std"].isna().all()
    assert np.allclose(copies.mean()["y"][gap], np.mean([t["y"][gap] for t in copies], axis=0))
    long = copies.to_long()
    assert long.shape == (9 * 600, 5) and long.loc[long[".imp"] == 0, "y"].isna().sum() == gap.sum()

    def mean_of_y(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
        return {"y": (table["y"].mean(), table["y"].var() / len(table))}

    pooled = copies.analyse(mean_of_y)["y"]
    assert pooled.low < complete["y"].head(600).mean() < pooled.high and 0 < pooled.fmi < 0.5
    shifted = copies.sensitivity({"y": [0.0, 1.0]}, mean_of_y)
    rise = shifted["estimate"].diff().iloc[1]
    assert abs(rise - gap.mean()) < 1e-9, "a shift of 1 in a share of the cells moves the mean by that share"
    assert json.loads(copies.to_json())["filled"] == {"y": int(gap.sum()), "g": int(some["g"].isna().sum())}
    assert set(copies.audit()["engine"]) == {"autoregressive"}


@pytest.fixture(scope="module")
def forests() -> tuple[Imputer, pd.DataFrame, pd.DataFrame]:
    complete, holes = linear(1500, seed=1)
    return Imputer("chained_trees", random_state=0).fit(holes), complete, holes


def test_forests_fill_by_the_law(forests):
    """Centres near the law's own noise of .5; draws keep spread and dependence, also of two gaps of one row."""
    imputer, complete, holes = forests
    filled = clone_of(imputer, mode="point").transform(holes)
    gap, no_g = holes["y"].isna(), holes["g"].isna()
    assert np.sqrt(((filled["y"] - complete["y"])[gap] ** 2).mean()) < 0.5 * 1.12
    assert (filled["g"] == complete["g"])[no_g].mean() > 0.9 - 0.05
    drawn = clone_of(imputer, mode="draw").transform(complete.assign(y=np.nan, g=None))
    assert abs(drawn["y"].corr(complete["x"]) - complete["y"].corr(complete["x"])) < 0.05
    assert abs(drawn["y"].std() - complete["y"].std()) < 0.1
    gaps = [t["y"][t["g"] == "high"].mean() - t["y"][t["g"] == "low"].mean() for t in (drawn, complete)]
    assert abs(gaps[0] - gaps[1]) < 0.25


def test_copies_of_forests_vary_in_their_parameters(forests):
    """The mean of many draws of one copy is not that of another: as far apart as bootstraps of the rows make it."""
    imputer, _, _ = forests
    at = pd.DataFrame({"x": np.zeros(2000), "y": np.nan, "g": None})
    imputer = clone_of(imputer, mode="draw")
    means = [table["y"].mean() for table in imputer.multiple(at, 6)]
    same = [imputer._fill(at, "draw", seed, imputer.engine_.variant(0))["y"].mean() for seed in range(6)]
    assert np.std(means) > 2 * np.std(same) and abs(np.mean(means)) < 0.15


def test_copies_of_a_generator_vary_in_their_parameters():
    """Of few rows, refits on weighted rows draw laws that differ more than the draws of one."""
    _, holes = linear(120)
    imputer = Imputer("trees", mode="draw", random_state=0).fit(holes)
    at = pd.DataFrame({"x": np.zeros(2000), "y": np.nan, "g": None})
    means = [table["y"].mean() for table in imputer.multiple(at, 5)]
    same = [imputer._fill(at, "draw", seed, imputer.engine_.variant(0))["y"].mean() for seed in range(5)]
    assert np.std(means) > 2 * np.std(same) and abs(np.mean(means)) < 0.3
    again = imputer.multiple(at.head(9), 6)
    assert again[0].columns.tolist() == ["x", "y", "g"]
    assert len(imputer.engine_._refits) == 5


def clone_of(imputer: Imputer, **changes) -> Imputer:
    """The same fitted imputer with other arguments."""
    other = clone(imputer).set_params(**changes)
    other.__dict__ = {**imputer.__dict__, **changes}
    return other


def test_unseen_categories_count_as_unknown_and_stay():
    complete, holes = linear(200)
    for method in ("chained_trees", "neighbours"):
        imputer = Imputer(method, random_state=0).fit(complete)
        filled = imputer.transform(holes.head(5).assign(g="new", y=np.nan))
        assert (filled["g"] == "new").all() and filled["y"].notna().all()


def test_a_blend_takes_of_the_other_engine_what_pays():
    """Beside an engine that knows the law of y, the forests give way; beside the median they do not."""
    _, holes = linear(1200)

    class Law(Marginal):
        def point(self, table, point, *, seed):
            return super().point(table.assign(y=table["y"].fillna(table["x"])), point, seed=seed)

    noisy = holes.assign(**{f"z{i}": np.random.default_rng(i).normal(size=len(holes)) for i in range(8)})
    shares = {}
    for other in (Law, Marginal):
        imputer = Imputer(Blend(other), random_state=0).fit(noisy)
        shares[other] = imputer.engine_.shares
        assert imputer.transform(noisy.head(50)).notna().to_numpy().all()
    assert shares[Law]["y"] > 0 and shares[Marginal]["y"] == 0 and shares[Marginal]["g"] == 0


# ---------------------------------------------------------------- scikit-learn's habits
def test_it_works_in_a_pipeline_under_cross_validation():
    _, holes = linear(200)
    parts = ColumnTransformer([("g", OneHotEncoder(), ["g"])], remainder="passthrough")
    model = make_pipeline(Imputer("median", random_state=0), parts, LinearRegression())
    scores = cross_val_score(model, holes, np.arange(200) % 7, cv=3)
    assert np.isfinite(scores).all()
    assert clone(Imputer("median", point="median")).get_params()["point"] == "median"


def test_any_synthesizer_fills():
    complete, holes = linear(300)
    fitted = TabularSynthesizer("trees", random_state=0).fit(complete)
    filled = Imputer(fitted, random_state=0).fit_transform(holes)
    assert not filled.isna().to_numpy().any()
    assert Imputer("copula", random_state=0).fit_transform(holes).notna().to_numpy().all()


def test_a_prediction_leaves_its_target_alone():
    _, holes = linear(200)
    with pytest.warns(errors.SynthkitWarning, match="purpose"):
        Imputer("median", target="y").fit(holes)
    filled = Imputer("median", target="y", purpose="prediction", random_state=0).fit_transform(holes)
    assert filled["y"].isna().equals(holes["y"].isna()) and filled["g"].notna().all()
    assert Imputer("median", target="y", purpose="inference").fit_transform(holes)["y"].notna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nothing"}, "method"),
        ({"method": 3}, "method"),
        ({"mode": "best"}, "mode"),
        ({"point": "mode"}, "point"),
        ({"purpose": "fun"}, "purpose"),
        ({"target": "z", "purpose": "inference"}, "target"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(errors.ParamError, match=message):
        Imputer(**{"method": "median", **options}).fit(linear(30)[1])


def test_other_columns_are_refused():
    _, holes = linear(60)
    imputer = Imputer("median", random_state=0)
    with pytest.raises(errors.NotFittedError, match="fit first"):
        imputer.transform(holes)
    imputer.fit(holes)
    with pytest.raises(errors.SchemaError, match="'g' is missing"):
        imputer.transform(holes.drop(columns="g"))
    with pytest.raises(errors.SchemaError, match="'new' was not there"):
        imputer.transform(holes.assign(new=1))
    with pytest.raises(errors.ParamError, match="m"):
        imputer.multiple(holes, m=0)
    assert imputer.transform(holes[["g", "y", "x"]]).columns.tolist() == ["x", "y", "g"]


# ---------------------------------------------------------------- judged before use, and on record
class Wrong(Engine):
    """Fills numbers a hundred too high."""

    name = "wrong"

    def fit(self, table, schema, *, seed):
        self.rest = Imputer("median", random_state=0).fit(table)

    def point(self, table, point, *, seed):
        return self.draw(table, seed=seed)

    def draw(self, table, *, seed):
        return table.fillna({"x": 100.0, "y": 100.0}).fillna({"g": "low"})


def test_an_imputer_scores_itself_and_warns_or_refuses():
    _, holes = linear(900)
    wrong = Imputer(Wrong(), check="imputation", random_state=0)
    with pytest.warns(errors.SynthkitWarning, match="should not be filled.*'y'"):
        wrong.fit(holes)
    assert wrong.report_.verdict.loc["y", "imputer"] == "do not use"
    assert set(wrong.report_.verdict.index) == {"y", "g"}, "what has no gap is not scored as gaps lie"
    with pytest.raises(errors.GateError, match="missing at random"):
        clone(wrong).set_params(check_action="raise").fit(holes)
    good = Imputer("copula", check="imputation", check_action="raise", random_state=0).fit(holes)
    assert set(good.report_.verdict["imputer"]) <= {"use", "use with care"} and "missing at random" in str(good.report_)
    full = Imputer("median", check="imputation").fit(holes[["x"]])
    assert "report_" not in full.__dict__, "without gaps there is nothing to score"


def test_purposes_and_outcomes():
    _, holes = linear(200)
    for_prediction = Imputer("median", target="y", purpose="prediction", check="imputation", random_state=0)
    for_prediction.fit(holes)
    assert set(for_prediction.report_.verdict.index) == {"g"}, "the outcome is neither read nor filled"
    assert for_prediction.report_.verdict.loc["g", "imputer"] == "use with care", "the mode is no better than the mode"
    assert set(for_prediction.multiple(holes, 2).gaps) == {"g"}
    with pytest.raises(errors.ParamError, match="all empty"):
        Imputer("median", target="y", purpose="inference").fit(holes.assign(y=np.nan))


def test_an_audit_has_a_line_per_filled_cell():
    table = mixed(80)
    imputer = Imputer("median", random_state=4).fit(table)
    audit = imputer.audit(table, m=5)
    assert len(audit) == table.isna().to_numpy().sum() and not audit["value"].isna().any()
    filled = imputer.transform(table)
    for line in audit.groupby("column").head(2).itertuples():
        assert filled.loc[line.row, line.column] == line.value
    assert set(audit["engine"]) == {"median"} and set(audit["seed"]) == {4} and set(audit["mode"]) == {"point"}
    assert audit.loc[audit["column"] == "number", "std"].gt(0).any() and json.loads(audit.to_json(default_handler=str))
    record = json.loads(imputer.multiple(table, 5).to_json())
    assert 0.5 < record["uncertainty"]["number"] < 1.5, "draws of a column's own law spread as it does"
    assert set(record["uncertainty"]) == set(record["filled"]) and record["seed"] == 4


@pytest.mark.parametrize("mode", ["point", "draw"])
@pytest.mark.parametrize("method", ["median", "chained_trees"])
def test_what_other_cells_determine_is_filled_so(method, mode):
    rng = np.random.default_rng(0)
    code, net = rng.integers(0, 6, 300), rng.integers(10, 500, 300)
    tax = rng.integers(0, 50, 300)
    table = pd.DataFrame({"code": code, "label": [f"L{c}" for c in code], "net": net, "tax": tax, "gross": net + tax})
    holes = table.assign(label=table["label"].mask(code < 1), gross=table["gross"].mask(rng.random(300) < 0.3))
    holes.loc[:40, "label"] = None
    filled = Imputer(method, mode=mode, random_state=0).fit_transform(holes)
    known = code > 0
    assert (filled["label"] == table["label"])[known].all()
    assert (filled["gross"] == table["gross"]).all()


@pytest.mark.parametrize("method", ["auto", "median"])
def test_a_gap_in_personal_data_gets_nobodys(method):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(18, 80, 80), "email": [f"p{i}@x{i % 9}.de" for i in range(80)]})
    table.loc[::7, "email"] = None
    gap = table["email"].isna()
    filled = Imputer(method, random_state=0).fit_transform(table)
    assert filled["email"].notna().all() and not set(filled["email"][gap]) & set(table["email"])
    assert filled["email"][gap].str.contains("@example").all()
    pd.testing.assert_series_equal(filled["email"][~gap], table["email"][~gap])
