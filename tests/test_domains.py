"""Domain metrics against laws with known answers: survival, reference ranges, stability, scorecards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case
from synthkit.metrics.credit import (
    InformationValueGap,
    PopulationStability,
    information_value_gap,
    population_stability,
)
from synthkit.metrics.hazards import CIndexTstr, HazardRatioOverlap, c_index_tstr, hazard_ratio_overlap
from synthkit.metrics.lending import DecileCalibration, GiniTstr, OutOfTime, decile_calibration, gini_tstr
from synthkit.metrics.medical import KaplanMeierGap, survival_gap
from synthkit.metrics.reference import ReferenceRanges, reference_range_error
from synthkit.metrics.scorecard import Bins, Scorecard
from synthkit.metrics.survival import concordance, cox, curve_gap, kaplan_meier
from synthkit.metrics.tables import code_tables
from tests.utility_laws import draw, mixed, shuffled

REAL, HOLDOUT, FRESH = (draw(500, seed) for seed in range(3))


def exponential(rows: int, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of a constant hazard, censored at random."""
    rng = np.random.default_rng(seed)
    late, censored = rng.exponential(1 / rate, rows), rng.exponential(1.5, rows)
    return np.minimum(late, censored), late <= censored


# -------------------------------------------------------------------- Kaplan-Meier
def test_the_curve_by_hand():
    # 6 rows: event at 1; censored at 2; two events at 3; censored at 3; event at 5
    curve = kaplan_meier([3, 1, 2, 3, 3, 5, np.nan], [True, True, False, True, False, True, True])
    assert curve.times.tolist() == [1, 3, 5] and curve.at_risk.tolist() == [6, 4, 1]
    assert curve.survival == pytest.approx([5 / 6, 5 / 6 / 2, 0])
    assert curve.at([0, 1, 2.9, 3, 9]) == pytest.approx([1, 5 / 6, 5 / 6, 5 / 12, 0])
    twice = kaplan_meier([3, 1, 2, 3, 3, 5], [True, True, False, True, False, True], [2] * 6)
    assert twice.survival == pytest.approx(curve.survival) and twice.at_risk.tolist() == [12, 8, 2]
    assert (curve.low <= curve.survival).all() and (curve.survival <= curve.high).all()


def test_the_curve_of_a_constant_hazard():
    hits = 0
    for seed in range(800):
        curve = kaplan_meier(*exponential(200, 1.0, seed))
        place = np.searchsorted(curve.times, 0.7, side="right") - 1
        hits += curve.low[place] <= np.exp(-0.7) <= curve.high[place]
    assert 0.92 <= hits / 800 <= 0.98  # 95 %, with a standard error of .8 points
    curve = kaplan_meier(*exponential(20_000, 1.0, 0))
    grid = np.linspace(0.1, 1.5, 8)
    assert curve.at(grid) == pytest.approx(np.exp(-grid), abs=0.015)


def test_the_gap_of_two_constant_hazards():
    a, b = (kaplan_meier(*exponential(20_000, rate, 0)) for rate in (1.0, 2.0))
    # integral of exp(-t) - exp(-2 t) from 0 to 1, over 1
    want = (1 - np.exp(-1)) - (1 - np.exp(-2)) / 2
    assert curve_gap(a, b, until=1.0) == pytest.approx(want, abs=0.01)
    assert curve_gap(a, a, until=1.0) == 0 and curve_gap(a, b, until=0.0) == 0


def test_a_group_s_curve_counts():
    swapped = FRESH.assign(g=FRESH["g"].map({"a": "b", "b": "c", "c": "a"}))
    was, now = survival_gap(HOLDOUT, FRESH, "weeks", "died"), survival_gap(HOLDOUT, swapped, "weeks", "died")
    assert now.parts["all rows"] == was.parts["all rows"] < 0.05
    assert now.parts["g"] > was.parts["g"] + 0.1 and now.value > was.value
    lost = survival_gap(HOLDOUT, FRESH.assign(g="a"), "weeks", "died")
    assert 0.4 < lost.parts["g"] <= 1, "groups that are gone count as wholly apart"


@pytest.mark.parametrize(
    "words", [(True, False), (1, 0), ("1", "0"), ("Dead", "alive"), ("yes", "no"), ("relapse", "none"), (2.0, 0.0)]
)
def test_how_an_event_is_read(words):
    tables = [t.assign(died=np.where(t["died"], words[0], words[1])) for t in (REAL, FRESH)]
    want = survival_gap(REAL, FRESH, "weeks", "died").parts["all rows"]
    assert survival_gap(*tables, "weeks", "died").parts["all rows"] == pytest.approx(want)


# -------------------------------------------------------------------- Cox regression
def test_cox_is_efron_s_likelihood_at_its_top():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    time, event = np.ceil(4 * rng.exponential(np.exp(-x[:, 0]))), rng.random(120) < 0.7  # with many ties

    def minus_log_likelihood(beta: np.ndarray) -> float:
        value = 0.0
        for t in np.unique(time[event]):
            risk, tied = np.exp(x[time >= t] @ beta).sum(), (time == t) & event
            d, own = tied.sum(), np.exp(x[tied] @ beta).sum()
            value += (x[tied] @ beta).sum() - np.log(risk - np.arange(d) / d * own).sum()
        return -value

    found = cox(x, time, event, ridge=0.0)
    best = minimize(minus_log_likelihood, np.zeros(2))
    assert found.converged and found.events == event.sum()
    assert found.coefficients == pytest.approx(best.x, abs=1e-4)
    assert found.covariance == pytest.approx(best.hess_inv, rel=0.1, abs=1e-3)


def test_cox_recovers_known_hazard_ratios():
    beta, hits = np.array([0.7, -0.4]), np.zeros(2)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(150, 2))
        late, censored = rng.exponential(np.exp(-x @ beta)), rng.exponential(2, 150)
        intervals = cox(x, np.minimum(late, censored), late <= censored).intervals
        hits += (intervals[:, 0] <= beta) & (beta <= intervals[:, 1])
    assert ((hits / 150 >= 0.9) & (hits / 150 <= 0.99)).all()  # 95 %, with a standard error of 1.8 points


def test_cox_stays_finite_where_the_data_say_too_little():
    time, event = np.arange(1.0, 41), np.r_[np.ones(20, bool), np.zeros(20, bool)]
    separated = (time <= 20).astype(float)[:, None]
    found = cox(np.c_[separated, np.ones(40)], time, event)
    assert np.isfinite(found.coefficients).all() and found.coefficients[0] > 5
    assert found.coefficients[1] == 0 and found.intervals[1, 1] > 100, "a constant column says nothing"


@pytest.mark.parametrize(
    ("x", "time", "event", "word"),
    [
        (np.ones((3, 1)), [1, 2], [True, True], "as many rows"),
        (np.full((2, 1), np.nan), [1, 2], [True, True], "nulls"),
        (np.ones((2, 1)), [1, 2], [False, False], "no event"),
    ],
)
def test_cox_refuses_by_name(x, time, event, word):
    with pytest.raises(ParamError, match=word):
        cox(x, time, event)
    with pytest.raises(ParamError, match="same length"):
        kaplan_meier([1, 2], [True])
    with pytest.raises(ParamError, match="not null"):
        kaplan_meier([np.nan], [True])


def test_hazard_ratios_side_by_side():
    found = hazard_ratio_overlap(REAL, FRESH, "weeks", "died").set_index("covariate")
    assert set(found.index) == {"x", "noise", "g", "y"} and (found["overlap"] <= 1).all()
    assert found.loc["x", "real_low"] > 0 and found.loc["x", "synthetic_low"] > 0 and found.loc["x", "overlap"] > 0
    none = hazard_ratio_overlap(REAL, shuffled(REAL), "weeks", "died").set_index("covariate")
    assert none.loc["x", "overlap"] == -1, "far apart"


# -------------------------------------------------------------------- concordance
def test_concordance_by_pairs():
    rng = np.random.default_rng(0)
    risk, time, event = rng.integers(0, 5, 60), rng.integers(1, 8, 60), rng.random(60) < 0.6
    good = pairs = 0.0
    for i in range(60):
        for j in range(60):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                good += 1.0 if risk[i] > risk[j] else 0.5 * (risk[i] == risk[j])
    assert concordance(risk, time, event)[0] == pytest.approx(good / pairs)
    assert np.isnan(concordance([1.0, 2.0], [1.0, 2.0], [False, False])[0])


def test_concordance_without_censoring_is_an_auc_of_pairs():
    # two groups, events of one all before the other's: comparable pairs across groups are an AUC
    rng = np.random.default_rng(0)
    late = np.repeat([0, 1], 300)
    risk = rng.normal(size=600) - late
    found, variance = concordance(risk, late.astype(float) + 1, late == 0)
    assert found == pytest.approx(roc_auc_score(late == 0, risk))
    repeated = [
        concordance(r.normal(size=600) - late, late + 1.0, late == 0)[0]
        for r in (np.random.default_rng(s) for s in range(100))
    ]
    assert np.sqrt(variance) == pytest.approx(np.std(repeated), rel=0.25)


def test_c_index_tstr():
    fresh, none = c_index_tstr(FRESH, HOLDOUT, "weeks", "died"), c_index_tstr(shuffled(REAL), HOLDOUT, "weeks", "died")
    assert fresh > 0.7 and none < 0.65
    case = Case.of(REAL, FRESH, HOLDOUT, time="weeks", event="died", level="full")
    assert CIndexTstr().measure(case).parts["trained on synthetic"] == pytest.approx(fresh, abs=0.02)


# -------------------------------------------------------------------- reference ranges
def test_reference_ranges_by_hand():
    table = pd.DataFrame({"x": np.arange(1_000.0), "g": np.repeat(["a", "b"], 500)})
    found = reference_range_error(table, table.assign(x=table["x"] + 500))
    # all rows: none below, and all beyond 974 above; of group "b" all above; of group "a" all above its 487
    share = (np.arange(1_000) + 500 > np.quantile(np.arange(1_000), 0.975)).mean()
    everyone = 0.025 + share - 0.025
    group = 0.026 + (1 - 0.026)  # 13 of 500 lie beyond each end
    in_b = np.arange(500, 1_000)
    b = 0.026 + ((in_b + 500 > np.quantile(in_b, 0.975)).mean() - 0.026)
    assert found.value == pytest.approx((everyone + group + b) / 3, abs=1e-9)
    assert list(found.parts) == ["x"]


def test_a_table_without_tails_is_found_out():
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=2_000)})
    tame = table.clip(*np.quantile(table["x"], [0.025, 0.975]))
    assert reference_range_error(table, tame).value == pytest.approx(0.05, abs=1e-9)
    no_number = Case.of(*(pd.DataFrame({"g": ["a"] * 200}),) * 2)
    assert "no numeric column" in ReferenceRanges().measure(no_number).note


# -------------------------------------------------------------------- PSI, information value
def test_psi_by_hand():
    real = pd.DataFrame({"x": np.arange(1_000.0), "g": ["a"] * 700 + ["b"] * 200 + [None] * 100})
    moved = pd.DataFrame({"x": np.r_[np.arange(500.0), np.arange(500.0)], "g": ["a"] * 500 + ["b"] * 500})
    found = population_stability(real, moved)
    half = 0.5 / 1_000  # what an empty bin counts as
    g = (0.7 - 0.5) * np.log(0.7 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.1 - half) * np.log(0.1 / half)
    # five deciles have twice their share, five have nothing
    x = 5 * (0.1 - 0.2) * np.log(0.1 / 0.2) + 5 * (0.1 - half) * np.log(0.1 / half)
    assert found.parts["g"] == pytest.approx(g) and found.parts["x"] == pytest.approx(x, rel=0.02)
    assert found.value == pytest.approx(np.mean(list(found.parts.values())))


def test_information_value_by_hand():
    table = pd.DataFrame({"g": ["a"] * 60 + ["b"] * 40, "y": ["n"] * 50 + ["p"] * 10 + ["n"] * 10 + ["p"] * 30})
    case = Case.of(table, shuffled(table), target="y")
    found = InformationValueGap().measure(case).details["real"]["g"]
    good, bad = np.array([50, 10]) / 60, np.array([10, 30]) / 40
    assert found == pytest.approx(((good - bad) * np.log(good / bad)).sum())
    gap = information_value_gap(table, shuffled(table), "y").parts["g"]
    assert gap == pytest.approx(found, rel=0.2), "without dependence nothing is told"


# -------------------------------------------------------------------- scorecards
def test_gini_of_one_column_is_known():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(20_000) < 0.3, "bad", "good")
    table = pd.DataFrame({"x": rng.normal(size=20_000) + (y == "bad"), "y": y})
    # two normals one apart: AUC = Phi(1 / sqrt 2) = .760; deciles lose a little of it
    assert gini_tstr(table.head(10_000), table.tail(10_000), "y") == pytest.approx(2 * 0.760 - 1, abs=0.03)


def test_deciles():
    rng = np.random.default_rng(0)
    x = rng.normal(size=10_000)
    table = pd.DataFrame({"x": x, "y": np.where(rng.random(10_000) < 1 / (1 + np.exp(2 - x)), 1, 0)})
    found = decile_calibration(table.head(5_000), table.tail(5_000), "y", kinds={"x": "numeric", "y": "categorical"})
    assert found["rows"].sum() == 5_000 and found["observed"].iloc[-1] > 3 * found["observed"].iloc[0]
    assert (found["predicted"] - found["observed"]).abs().max() < 0.06


def test_out_of_time_trains_early_and_tests_late():
    rng = np.random.default_rng(0)

    def law(rows: int, turns: bool) -> pd.DataFrame:
        x, week = rng.normal(size=rows), rng.random(rows)
        sign = np.where(turns & (week > 0.7), -1, 1)
        return pd.DataFrame({"x": x, "week": week, "y": np.where(sign * x + rng.normal(size=rows) > 0.5, "p", "n")})

    steady, turning = (Case.of(law(800, t), law(800, t), law(800, t), target="y", time="week") for t in (False, True))
    assert OutOfTime().measure(steady).value > 0.5, "what holds early holds late"
    assert OutOfTime().measure(turning).value < -0.5, "what turns is not foreseen"
    assert GiniTstr().measure(steady).value == pytest.approx(OutOfTime().measure(steady).value, abs=0.15)


def test_bins_know_unseen_levels_and_nulls():
    fit, odd = code_tables(
        pd.DataFrame({"x": [1.0, 2.0, 3.0] * 10, "g": list("abc") * 10}),
        pd.DataFrame({"x": [np.nan, -9.0, 99.0], "g": ["new", None, "a"]}),
    )
    bins = Bins.of(fit)
    codes = bins(odd)
    assert (codes >= bins.starts).all() and (codes < bins.starts + bins.sizes).all()
    card = Scorecard.fit(fit, np.arange(30) % 3 == 0)
    assert np.isfinite(card(odd)).all() and card(fit)[0] > 0.9
    assert Scorecard.fit(fit, np.zeros(30, bool))(odd).tolist() == [0, 0, 0]


# -------------------------------------------------------------------- intervals, errors
JUDGED = [
    *(KaplanMeierGap, HazardRatioOverlap, ReferenceRanges, GiniTstr),
    *(PopulationStability, InformationValueGap, DecileCalibration),
]


@pytest.mark.parametrize("metric", JUDGED)
def test_intervals_over_draws_of_all_tables(metric):
    found = [
        metric().measure(
            Case.of(
                *(draw(300, 3 * s + i) for i in range(3)),
                **{"target": "y", "time": "weeks", "event": "died", "level": "quick", "seed": s},
            )
        )
        for s in range(24)
    ]
    expected = np.mean([f.value for f in found])
    # 95 %; of 24 draws, 19 or fewer would come about in .5 % of the cases
    assert sum(f.interval[0] <= expected <= f.interval[1] for f in found) > 19
    width = np.mean([f.interval[1] - f.interval[0] for f in found])
    assert width < 10 * np.std([f.value for f in found]), "an interval that covers everything says nothing"


@pytest.mark.parametrize("metric", [ReferenceRanges, PopulationStability, DecileCalibration])
def test_intervals_of_a_wrong_law_cover(metric):
    """A scorecard that learnt nothing, columns that have moved: what varies then is not what varies among equals."""
    found = []
    for s in range(24):
        train, holdout, other = (draw(300, 3 * s + i) for i in range(3))
        other = shuffled(other, s).assign(x=lambda t: 1.2 * t["x"] + 0.3)
        found.append(metric().measure(Case.of(train, other, holdout, target="y", level="quick", seed=s)))
    expected = np.mean([f.value for f in found])
    assert sum(f.interval[0] <= expected <= f.interval[1] for f in found) > 19


CALLS = {
    "survival_gap": lambda a, b, **k: survival_gap(a, b, **({"time": "weeks", "event": "died"} | k)),
    "hazard_ratio_overlap": lambda a, b, **k: hazard_ratio_overlap(a, b, **({"time": "weeks", "event": "died"} | k)),
    "c_index_tstr": lambda a, b, **k: c_index_tstr(a, b, **({"time": "weeks", "event": "died"} | k)),
}


@pytest.mark.parametrize("name", CALLS)
def test_bad_pairs_are_refused(name):
    call = CALLS[name]
    with pytest.raises(ParamError, match=f"{name}.*'time' and 'event'"):
        call(REAL, FRESH, time="nope")
    with pytest.raises(SchemaError, match="too few events"):
        call(REAL, FRESH.assign(died=False))
    with pytest.raises(SchemaError, match="number or a duration"):
        call(REAL, FRESH, time="g")
    with pytest.raises(SchemaError, match="do not say"):
        call(REAL.assign(died=REAL["g"]), FRESH.assign(died=FRESH["g"]))


@pytest.mark.parametrize("call", [information_value_gap, gini_tstr, decile_calibration])
def test_bad_targets_are_refused(call):
    with pytest.raises(ParamError, match="nope"):
        call(REAL, FRESH, "nope")
    with pytest.raises(SchemaError, match="two classes"):
        call(REAL, FRESH, "g")


def test_less_dependence_is_worse_in_each_step():
    for metric in (KaplanMeierGap(), HazardRatioOverlap(), GiniTstr()):
        values = [
            metric.measure(Case.of(REAL, mixed(FRESH, s), HOLDOUT, target="y", time="weeks", event="died")).value
            for s in (0, 0.3, 0.6, 1)
        ]
        steps = np.diff(values) * (1 if metric.goal == "higher" else -1)
        assert (steps < 0.01).all() and steps.sum() < 0, metric.name
