"""Contracts and known laws of the utility metrics: what models learn from synthetic rows, and how they react."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import r2_score, roc_auc_score

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.catalogue_utility import UTILITY_METRICS
from synthkit.metrics.learners import grade, learner_interval
from synthkit.metrics.outcomes import calibration_error, importance_agreement
from synthkit.metrics.utility import trtr, tstr, utility
from synthkit.metrics.whatif import normalised, what_if
from tests.utility_laws import draw, mixed, shuffled

ROWS = 500
REAL, HOLDOUT, FRESH = (draw(ROWS, seed) for seed in range(3))
LEARNT = [m for m in UTILITY_METRICS if m.domain is None]
CULPRITS = [m for m in UTILITY_METRICS if m.culprit == "independent"]
LED_BY_MODELS = {"tstr", "c_index_tstr", "gini_tstr", "out_of_time"}  # of identical tables as good as real, not 1


def case_of(
    synthetic: pd.DataFrame, real: pd.DataFrame = REAL, holdout: pd.DataFrame | None = HOLDOUT, **known
) -> Case:
    return Case.of(
        real, synthetic, holdout, **({"target": "y", "time": "weeks", "event": "died", "level": "quick"} | known)
    )


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    """Metrics of one case share their models, so that cases are kept."""
    base = case_of(FRESH)
    tables = {"real": REAL, "mixed": mixed(FRESH, 0.3), "independent": shuffled(REAL)}
    # put, so that all share the model of the real rows
    itself = base.put(base.real, holdout=base.real)
    return {"fresh": base, "itself": itself} | {
        name: base.put(case_of(table).synthetic) for name, table in tables.items()
    }


@pytest.fixture(scope="module")
def found(cases) -> dict[tuple[str, str], Measurement]:
    return {(m.name, name): m().measure(case) for m in UTILITY_METRICS for name, case in cases.items()}


# -------------------------------------------------------------------- contracts
def test_names_and_attributes_are_whole():
    assert len({m.name for m in UTILITY_METRICS}) == len(UTILITY_METRICS)
    for m in UTILITY_METRICS:
        assert m.name.isidentifier() and m.name == m.name.lower() and m.label and m.definition.endswith(".")
        assert m.goal in ("lower", "higher") and m.bounds[0] <= m.best <= m.bounds[1]


@pytest.mark.parametrize("metric", UTILITY_METRICS, ids=lambda m: m.name)
def test_identical_tables_score_best(metric, found):
    got = found[metric.name, "itself"]  # one table thrice
    if metric.name in LED_BY_MODELS:
        assert got.value == got.parts["trained on real"] > 0.5
    elif metric.name in ("calibration", "decile_calibration"):
        assert got.value == pytest.approx(got.details["trained on real"]) and got.value < 0.2
    else:
        assert got.value == pytest.approx(metric.best, abs=1e-9)


@pytest.mark.parametrize("metric", UTILITY_METRICS, ids=lambda m: m.name)
def test_bounds_and_intervals(metric, found):
    for name in ("fresh", "real", "mixed", "independent"):
        got = found[metric.name, name]
        assert type(got.value) is float and metric.bounds[0] <= got.value <= metric.bounds[1] and not got.note
        low, high = got.interval
        assert metric.bounds[0] <= low <= got.value <= high <= metric.bounds[1]
        assert all(type(v) is float for v in got.parts.values())


@pytest.mark.parametrize("metric", CULPRITS, ids=lambda m: m.name)
def test_the_less_dependence_the_worse(metric, found):
    fresh, some, none = (found[metric.name, name] for name in ("fresh", "mixed", "independent"))
    sign = 1 if metric.goal == "higher" else -1
    slack = 0.02 if metric.name == "importance_agreement" else 0  # a cosine near 1 hardly moves
    assert sign * fresh.value + slack > sign * some.value > sign * none.value
    # independent marginals fail beyond doubt: neither interval holds the other figure
    ends = fresh.interval[0] - none.value, fresh.value - none.interval[1]
    assert min(ends) > 0 if sign > 0 else max(fresh.interval[1] - none.value, fresh.value - none.interval[0]) < 0


@pytest.mark.parametrize("name", ["psi", "reference_ranges"])
def test_the_more_noise_the_worse(name):
    metric = next(m for m in UTILITY_METRICS if m.name == name)()
    noise = np.random.default_rng(3).normal(size=ROWS)
    values = [metric.measure(case_of(FRESH.assign(x=FRESH["x"] + s * noise))).value for s in (0, 1, 4)]
    assert values[0] < values[1] < values[2]


def test_same_case_same_measurement_and_nothing_is_touched(found):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    kept = [t.copy(deep=True) for t in (REAL, FRESH, HOLDOUT)]
    case = case_of(FRESH)
    for m in reversed(UTILITY_METRICS):  # nor does it matter which metric comes first
        again, was = m().measure(case), found[m.name, "fresh"]
        assert (again.value, again.interval, dict(again.parts)) == (was.value, was.interval, dict(was.parts)), m.name
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002
    for before, table in zip(kept, (REAL, FRESH, HOLDOUT), strict=True):
        pd.testing.assert_frame_equal(before, table)


def test_row_order_does_not_matter(found):
    order = np.random.default_rng(5).permutation(ROWS)
    case = case_of(FRESH.iloc[order], REAL.iloc[order[::-1]], HOLDOUT.iloc[order])
    for m in UTILITY_METRICS:
        got, was = m().measure(case), found[m.name, "fresh"]
        # boosting adds up in another order, edits and shuffles fall elsewhere
        exact = m.domain is not None and m.name != "c_index_tstr"
        assert got.value == pytest.approx(was.value, abs=1e-6 if exact else 0.1), m.name


ODD = {
    "a constant column": lambda t: t.assign(noise=1.0, g="a"),
    "all null": lambda t: t.assign(noise=np.nan, g=None),
    "unseen levels": lambda t: t.assign(g="new"),
    "one class": lambda t: t.assign(y="good"),
    "a new class": lambda t: t.assign(y="new"),
    "no target": lambda t: t.assign(y=None),
    "no event": lambda t: t.assign(died=False),
    "no time": lambda t: t.assign(weeks=np.nan),
    "the same time": lambda t: t.assign(weeks=0.0),
    "3 rows": lambda t: t.head(3),
    "1 row": lambda t: t.head(1),
}


@pytest.mark.parametrize("which", ["synthetic", "all"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_tables_give_a_figure_or_a_reason(odd, which):
    real, fresh, holdout = (t.head(150) for t in (REAL, FRESH, HOLDOUT))
    change = ODD[odd]
    if which == "all":
        real, holdout = change(real), change(holdout)
    case = case_of(change(fresh), real, holdout)
    for m in UTILITY_METRICS:
        got = m().measure(case)
        if np.isnan(got.value):
            assert got.note and "good" not in got.note, m.name
        else:
            assert m.bounds[0] <= got.value <= m.bounds[1], m.name


def test_what_a_metric_lacks():
    bare = Case.of(REAL, FRESH)
    assert all(m().missing(bare) for m in UTILITY_METRICS if m.needs)
    assert not any(m().missing(case_of(FRESH)) for m in UTILITY_METRICS)
    for known in ({"target": "nope"}, {"kinds": {"y": "categorical"}}):
        case = case_of(FRESH, **known)
        for m in LEARNT:
            assert m().missing(case) == m().measure(case).note != ""


def test_many_columns_kinds_and_classes():
    table = load_iris(as_frame=True).frame.assign(target=lambda t: t["target"].map({0: "s", 1: "v", 2: "w"}))
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(150), "D")
    table = table.assign(
        day=day[np.random.default_rng(0).permutation(150)], flag=pd.array([True, None] * 75, "boolean")
    )
    case = Case.of(table, table, table, target="target", level="quick")
    got = {m.name: m().measure(case) for m in LEARNT}
    assert got["tstr"].value == 1.0 and got["what_if"].value == 1.0 and len(got["tstr"].details["per_class"]) == 3
    many = table.assign(target=[str(i % 120) for i in range(150)])
    assert {m().measure(Case.of(many, many, many, target="target")).note for m in LEARNT} == {
        "the target has more than 100 classes"
    }
    only = Case.of(*(table[["target", "flag"]],) * 3, target="flag", level="quick")
    assert all(m().measure(only).note or m().measure(only).value <= 1 for m in LEARNT)


# -------------------------------------------------------------------- TSTR and TRTR
def test_tstr_is_the_case_s_figure_and_the_function_s():
    case = case_of(FRESH, level="default")
    kinds = dict(case.kinds)
    got = next(m for m in LEARNT if m.name == "tstr")().measure(case)
    assert got.value == pytest.approx(tstr(FRESH, HOLDOUT, "y", kinds=kinds), abs=1e-12)
    assert got.details["trtr"] == pytest.approx(trtr(REAL, HOLDOUT, "y"), abs=1e-12)
    both = utility(REAL, FRESH, HOLDOUT, "y")
    assert both.tstr == pytest.approx(got.value) and both.trtr == pytest.approx(got.details["trtr"])
    assert both.kept == pytest.approx((both.tstr - 0.5) / (both.trtr - 0.5))
    assert set(both.per_class) == {"good", "bad"} and both.per_class["bad"][0] == pytest.approx(both.tstr)
    assert both.kept_interval[0] < both.kept < both.kept_interval[1]


def test_regression():
    table = load_diabetes(as_frame=True).frame
    half = table.sample(220, random_state=0)
    rest = table.drop(half.index)
    both = utility(half, shuffled(half), rest, "target")
    assert both.tstr < 0.1 < both.trtr == trtr(half, rest, "target") and both.kept < 0.5 and not both.per_class
    case = Case.of(half, half, rest, target="target", level="quick")
    got = {m.name: m().measure(case) for m in LEARNT}
    assert got["utility_kept"].value == 1.0 and got["importance_agreement"].value == pytest.approx(1.0)
    assert got["what_if"].value == 1.0 and 0 < got["calibration"].value < 1


def test_real_rows_that_teach_nothing():
    rng = np.random.default_rng(0)
    real, fake, test = (pd.DataFrame({"x": rng.normal(size=200), "y": rng.choice(["a", "b"], 200)}) for _ in range(3))
    got = next(m for m in LEARNT if m.name == "utility_kept")().measure(Case.of(real, fake, test, target="y"))
    assert np.isnan(got.value) and "no better than chance" in got.note
    assert np.isnan(utility(real, fake, test, "y").kept) and utility(real, fake, test, "y").kept_interval is None


def test_grades_are_scikit_learn_s():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300).astype(float)
    answers = rng.random((300, 3)).round(1)  # with ties
    want = [roc_auc_score(y == c, answers[:, c]) for c in range(3)]
    got = grade(y, answers, categorical=True)
    assert list(got.per_class.values()) == pytest.approx(want) and got.value == pytest.approx(np.mean(want))
    assert grade(y, answers[:, :1], categorical=False).value == pytest.approx(r2_score(y, answers[:, 0]))


def test_intervals_of_grades_cover_known_values():
    # scores of two normals one standard deviation apart: AUC = Phi(1 / sqrt 2); y = x + e with var e = var x: R2 = .5
    rng, hits = np.random.default_rng(0), np.zeros(2)
    truth = norm.cdf(1 / np.sqrt(2)), 0.5
    for _ in range(400):
        y = (np.arange(150) < 50).astype(float)
        score = rng.normal(size=150) + y
        x = rng.normal(size=150)
        grades = (
            grade(y, np.stack([-score, score], 1), categorical=True),
            grade(x + rng.normal(size=150), x[:, None], categorical=False),
        )
        for i, g in enumerate(grades):
            low, high = learner_interval(g.value, g.variance)
            hits[i] += low <= truth[i] <= high
    assert ((hits / 400 > 0.92) & (hits / 400 < 0.98)).all()


def test_intervals_over_draws_of_all_tables():
    metric = next(m for m in LEARNT if m.name == "tstr")()
    found = [
        metric.measure(Case.of(draw(150, 3 * s), draw(150, 3 * s + 1), draw(150, 3 * s + 2), target="y", level="quick"))
        for s in range(12)
    ]
    expected = np.mean([f.value for f in found])
    # 95 %; of 12 draws, 9 or fewer would come about in 2 of 1,000 cases
    assert sum(f.interval[0] <= expected <= f.interval[1] for f in found) > 9


# -------------------------------------------------------------------- calibration, importances
def test_calibration_by_hand():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(float)
    from synthkit.metrics.outcomes import _calibration

    right = _calibration(y, np.stack([1 - p, p], 1), categorical=True)[0]
    wrong = _calibration(y, np.stack([1 - p / 2, p / 2], 1), categorical=True)[0]
    assert right < 0.015 and wrong == pytest.approx(0.25, abs=0.01)  # mean of p / 2


def test_a_shifted_base_rate_is_miscalibrated():
    rare = pd.concat([REAL[REAL["y"] == "good"], REAL[REAL["y"] == "bad"].head(25)])
    assert calibration_error(rare, HOLDOUT, "y") > calibration_error(REAL, HOLDOUT, "y") + 0.05


def test_importances_know_the_column_that_leads():
    found = importance_agreement(REAL, FRESH, HOLDOUT, "y")
    assert max(found.real, key=found.real.get) == max(found.synthetic, key=found.synthetic.get) == "x"
    assert found.agreement > 0.8 and abs(found.real["noise"]) < found.real["x"] / 3
    # where another column leads, the models look elsewhere
    swapped = FRESH.rename(columns={"x": "noise", "noise": "x"})
    assert importance_agreement(REAL, swapped, HOLDOUT, "y").agreement < found.agreement - 0.2


def test_importances_of_a_wide_table_ask_for_the_promising_columns():
    rng = np.random.default_rng(0)

    def wide(table: pd.DataFrame) -> pd.DataFrame:
        noise = pd.DataFrame(rng.normal(size=(len(table), 250))).add_prefix("n")
        return pd.concat([noise, table[["x", "y"]].reset_index(drop=True)], axis=1)

    real, fresh, holdout = wide(REAL), wide(FRESH), wide(HOLDOUT)
    metric = next(m for m in LEARNT if m.name == "importance_agreement")()
    got = metric.measure(Case.of(real, fresh, holdout, target="y", level="quick"))
    assert got.value > 0.8
    for side in ("real", "synthetic"):
        importance = got.details[side]
        assert max(importance, key=importance.get) == "x" and len(importance) == 251
        assert sum(value != 0 for value in importance.values()) <= 200


# -------------------------------------------------------------------- what if
def test_what_if_by_hand():
    found = what_if(REAL, FRESH, HOLDOUT, "y", edits=[{"x": 3.0}, {"x": lambda x: x, "g": "a"}, {"noise": -1.0}])
    assert list(found.per_edit) == ["x: 3.0", "x: <lambda>, g: a", "noise: -1.0"]
    rows = found.answers[found.answers["edit"] == "x: 3.0"]
    assert len(rows) == ROWS and rows["real_after"].mean() > 0.6 > rows["real_before"].mean()
    change_a = found.answers["real_after"] - found.answers["real_before"]
    change_b = found.answers["synthetic_after"] - found.answers["synthetic_before"]
    # of two classes both change alike, so that one is enough
    want = 1 - ((change_a - change_b) ** 2).sum() / (change_a**2 + change_b**2).sum()
    assert found.agreement == pytest.approx(want) and found.agreement > 0.5
    gap = (found.answers["real_after"] - found.answers["synthetic_after"]).abs().mean()
    assert found.gap == pytest.approx(gap)
    assert found.per_edit["x: 3.0"] > found.per_edit["noise: -1.0"], "what leads nothing moves models at random"
    assert 0 < found.flip_kappa <= 1 and 0.5 < found.sign_agreement <= 1 and found.change_distance < 0.2


def test_what_if_orders_fresh_half_and_independent():
    fresh, half, none = (what_if(REAL, t, HOLDOUT, "y") for t in (FRESH, mixed(FRESH, 0.5), shuffled(FRESH)))
    assert fresh.agreement > half.agreement > none.agreement and abs(none.agreement) < 0.15
    assert 0 < normalised(half.agreement, fresh.agreement, none.agreement) < 1
    opposite = FRESH.assign(y=FRESH["y"].map({"good": "bad", "bad": "good"}))
    assert what_if(REAL, opposite, HOLDOUT, "y").agreement < -0.2


def test_default_edits_stay_within_the_data():
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 400)
    table = pd.DataFrame(
        {
            "sex": sex,
            "pregnant": np.where((sex == "f") & (rng.random(400) < 0.5), "yes", "no"),
            "x": rng.normal(size=400),
        }
    ).assign(y=lambda t: np.where(t["x"] + (t["pregnant"] == "yes") > 0, "a", "b"))
    answers = what_if(table, table, table, "y").answers
    men = table.index[table["sex"] == "m"]
    assert not answers[answers["edit"] == "pregnant"]["row"].isin(men).any(), "no man becomes pregnant"
    assert (answers["edit"] == "pregnant").any() and (answers["edit"] == "x").sum() > 300


def test_normalised():
    assert normalised(0.9, fresh=0.9, independent=0.1) == 1 and normalised(0.1, fresh=0.9, independent=0.1) == 0
    assert normalised(0.2, fresh=0.1, independent=0.3) == 0.5, "lower is better"
    assert np.isnan(normalised(0.5, fresh=0.5, independent=0.5)) and np.isnan(normalised(0.5, np.nan, 0.0))


# -------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "call",
    [
        lambda *t, **k: utility(*t, **k),
        lambda *t, **k: importance_agreement(*t, **k),
        lambda *t, **k: what_if(*t, **k),
        lambda a, b, c, **k: calibration_error(a, c, **k),
    ],
    ids=["utility", "importance_agreement", "what_if", "calibration_error"],
)
def test_bad_tables_and_targets_are_refused(call):
    with pytest.raises(ParamError, match="nope"):
        call(REAL, FRESH, HOLDOUT, target="nope")
    with pytest.raises(ParamError, match="only column"):
        call(REAL[["y"]], FRESH[["y"]], HOLDOUT[["y"]], target="y")
    with pytest.raises(SchemaError, match="'y' is null"):
        call(REAL, FRESH, HOLDOUT.assign(y=None), target="y")
    with pytest.raises(SchemaError, match="one class"):
        call(REAL, FRESH, HOLDOUT.assign(y="secret"), target="y")
    with pytest.raises(SchemaError, match="'g'"):
        call(REAL, FRESH, HOLDOUT.drop(columns="g"), target="y")


@pytest.mark.parametrize("edits", [[], {"x": 1}, [{}], [{"y": "bad"}], [{"nope": 1}], [3]])
def test_bad_edits_are_refused(edits):
    with pytest.raises(ParamError, match="'edits'"):
        what_if(REAL, FRESH, HOLDOUT, "y", edits=edits)


def test_metrics_are_metrics():
    assert all(issubclass(m, Metric) for m in UTILITY_METRICS)
