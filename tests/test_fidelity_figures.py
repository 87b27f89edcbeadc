"""Fidelity figures against other computations, known answers, and the coverage of their intervals."""

from __future__ import annotations

from math import log

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import spearmanr, wasserstein_distance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from synthkit import Schema
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import detection_auc, pair_error, shape_error
from synthkit.metrics.base import Case
from synthkit.metrics.catalogue_fidelity import FIDELITY_METRICS
from synthkit.metrics.cells import grid
from synthkit.metrics.consistency import rules_broken
from synthkit.metrics.detection import auc_variance, detection_logistic, detection_network
from synthkit.metrics.global_utility import global_utility
from synthkit.metrics.joint import contingency_error, correlation_error, mutual_information_error
from synthkit.metrics.kway import k_marginal
from synthkit.metrics.logit import fit_logistic, ridge_weights
from synthkit.metrics.manifold import alpha_precision, beta_recall, density, neighbour_coverage, points_from
from synthkit.metrics.marginals import jensen_shannon, null_rates, wasserstein
from synthkit.metrics.propensity import pmse_ratio
from synthkit.metrics.rates import rate_interval
from synthkit.metrics.reach import coverage
from synthkit.metrics.sliced import sliced_wasserstein
from synthkit.metrics.telling import _pairs
from synthkit.rules import Ordered

METRICS = {metric.name: metric for metric in FIDELITY_METRICS}


def draw(rows: int, seed: int, off: float = 0.0) -> pd.DataFrame:
    """A known law, and one that is ``off`` it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": (0.8 - 0.3 * off) * x + 0.6 * rng.normal(size=rows) + 0.2 * off,
            "z": np.round(np.exp(rng.normal(size=rows)), 1),
            "g": np.where(x + rng.normal(0, 0.5, rows) > 0.3 * off, "a", np.where(rng.random(rows) < 0.5, "b", "c")),
        }
    )
    table.loc[rng.random(rows) < 0.1 + 0.05 * off, "y"] = None
    return table


A, B = draw(400, 0), draw(300, 1, 0.7)


# -------------------------------------------------------------------- against other computations
def test_case_and_function_agree():
    case = Case.of(draw(200, 5), B, A)
    alike = {
        "shape": shape_error(A, B).value,
        "pair": pair_error(A, B).value,
        "detection_boosting": detection_auc(A, B),
        "detection_logistic": detection_logistic(A, B),
        "wasserstein": wasserstein(A, B).value,
        "jensen_shannon": jensen_shannon(A, B).value,
        "null_rates": null_rates(A, B).value,
        "coverage": coverage(A, B).value,
        "correlation": correlation_error(A, B).value,
        "contingency": contingency_error(A, B).value,
        "mutual_information": mutual_information_error(A, B).value,
        "k_marginal": k_marginal(A, B).value,
        "pmse_ratio": pmse_ratio(A, B),
        "alpha_precision": alpha_precision(A, B),
        "beta_recall": beta_recall(A, B),
        "density": density(A, B),
        "neighbour_coverage": neighbour_coverage(A, B),
        "sliced_wasserstein": sliced_wasserstein(A, B),
        "global_utility": global_utility(draw(200, 5), B, A).value,
    }
    for name, value in alike.items():
        loose = 0.0 if name in ("shape", "pair", "detection_boosting") else 1e-9
        # codes are ranked by other rows, and the sums run in another order
        assert METRICS[name]().measure(case).value == pytest.approx(value, abs=loose or 1e-15, rel=loose), name


def test_distances_of_columns_against_scipy():
    for name in ("x", "z"):
        deviation = np.abs(A[name] - A[name].median()).mean()
        expected = wasserstein_distance(A[name], B[name]) / deviation
        assert wasserstein(A, B).parts[name] == pytest.approx(expected)
    p, q = (t["g"].value_counts(normalize=True).sort_index() for t in (A, B))
    assert jensen_shannon(A, B).parts["g"] == pytest.approx(jensenshannon(p, q, base=2))
    assert null_rates(A, B).value == pytest.approx(abs(A["y"].isna().mean() - B["y"].isna().mean()))
    both = [t.dropna() for t in (A, B)]
    pearson, spearman = (
        abs(f(both[0]) - f(both[1])) / 2
        for f in (lambda t: np.corrcoef(t["x"], t["y"])[0, 1], lambda t: spearmanr(t["x"], t["y"]).statistic)
    )
    assert correlation_error(A, B).parts["x", "y"] == pytest.approx(max(pearson, spearman), abs=0.01)


def test_mutual_information_against_scikit_learn():
    a, b = (pd.DataFrame({"g": t["g"], "h": np.where(t["x"] > 0, "u", "v")}) for t in (A, B))

    def shared(t: pd.DataFrame) -> float:
        return normalized_mutual_info_score(t["g"], t["h"]) - 2 / (2 * len(t)) / (
            sum(-(p * np.log(p)).sum() for p in (t[c].value_counts(normalize=True) for c in t)) / 2
        )

    assert mutual_information_error(a, b).value == pytest.approx(abs(shared(a) - shared(b)), abs=1e-9)


def test_neighbours_against_brute_force():
    points = points_from("test", A, B, None, 0, 1000)
    real, synthetic = points.real, points.synthetic
    assert len(real) == len(synthetic) == 300
    own = np.sort(cdist(real, real), axis=1)[:, 5]
    within = cdist(real, synthetic) <= own[:, None]
    assert density(A, B) == pytest.approx(within.sum() / (5 * 300), abs=0.01)
    assert neighbour_coverage(A, B) == pytest.approx(within.any(axis=1).mean(), abs=0.005)
    centre = real.mean(axis=0)
    inside, typical = (np.linalg.norm(x - centre, axis=1) for x in (real, synthetic))
    alphas = np.linspace(0, 1, 1001)
    reached = [(typical <= np.quantile(inside, a)).mean() for a in alphas]
    assert alpha_precision(A, B) == pytest.approx(1 - 2 * np.abs(reached - alphas).mean(), abs=0.01)


def test_logistic_regression_against_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = (x @ [1, -1, 0.5, 0] + rng.logistic(size=300) > 0).astype(np.int64)
    own = fit_logistic(x, y, ridge=1.0)
    other = LogisticRegression(C=1.0, tol=1e-8).fit(x, y)
    np.testing.assert_allclose(own.weights[1:], other.coef_[0], atol=1e-3)
    twice = fit_logistic(np.concatenate([x, x], axis=1), y)
    assert twice.rank == 5
    np.testing.assert_allclose(twice.probability, fit_logistic(x, y).probability, atol=1e-4)
    apart = fit_logistic(np.arange(20.0)[:, None], (np.arange(20) > 9).astype(np.int64))
    assert ((apart.probability > 0.5) == (np.arange(20) > 9)).all() and np.isfinite(apart.weights).all()


def test_variance_of_an_auc():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 150)
    drawn = [rng.normal(size=300) + 0.7 * label for _ in range(300)]
    spread = np.var([roc_auc_score(label, score) for score in drawn])
    assert np.mean([auc_variance(label, score) for score in drawn]) == pytest.approx(spread, rel=0.2)


# -------------------------------------------------------------------- known answers
def test_a_network_sees_what_boosting_does_not():
    def sums(broken: bool, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(rng.normal(size=(1200, 4)), columns=list("abcd"))
        total = table[["a", "b", "c"]].sum(axis=1)
        return table.assign(d=0.8 * total + 0.6 * np.sqrt(3) * table["d"]) if broken else table.assign(d=total)

    real, synthetic = sums(False, 0), sums(True, 1)
    assert detection_network(real, synthetic) > detection_auc(real, synthetic) + 0.1
    found = METRICS["detection"]().measure(Case.of(real, synthetic, real))
    assert found.note == "by network" and found.value == max(found.parts.values())


def test_what_gives_rows_away_is_named():
    real, synthetic = draw(1500, 0), draw(1500, 1)
    away = synthetic.assign(z=synthetic["z"].mask(synthetic.index < 300, 7.7))
    details = METRICS["detection"]().measure(Case.of(real, away, real)).details
    assert details["columns"]["column"].iloc[0] == "z"
    first = details["values"].iloc[0]
    assert first["column"] == "z" and first["ratio"] > 2 and first["synthetic"] - first["real"] > 0.15
    assert set(details["values"]["column"]) == {"z"}, "the other columns are right, and chance is not named"
    assert len(details["label"]) == len(details["score"]) == 3000


def test_combinations_that_give_rows_away_are_named():
    rng = np.random.default_rng(0)

    def rows(n: int, together: float) -> pd.DataFrame:
        g = rng.choice(["a", "b"], n)
        same = rng.random(n) < together
        return pd.DataFrame({"g": g, "h": np.where(same, g, rng.choice(["a", "b"], n)), "x": rng.normal(size=n)})

    def combined(synthetic: pd.DataFrame, holdout: pd.DataFrame) -> pd.DataFrame:
        case = Case.of(real, synthetic, holdout, level="quick")
        return METRICS["detection"]().measure(case).details["pairs"]

    real, fresh, away = rows(2000, 1.0), rows(2000, 1.0), rows(2000, 0.5)
    assert combined(fresh, real).empty, "chance is not named"
    found = combined(away, fresh)
    assert (found[["column", "other_column"]].isin(["g", "h"])).all(axis=None)
    assert found[["value", "other_value"]].isin(["a", "b"]).all(axis=None)
    apart = found[found["value"] != found["other_value"]]
    assert len(apart) == 2 and (apart["real"] == 0).all() and apart["synthetic"].between(0.1, 0.15).all()
    rare = fresh.assign(h=fresh["h"].mask(fresh.index.isin(fresh.index[fresh["g"] == "a"][:3]), "b"))
    found = combined(away, rare)
    apart = found[found["value"] != found["other_value"]]
    assert len(apart) == 2 and sorted(apart["real"].isna()) == [False, True], "one to four real rows are not counted"


def test_combinations_of_many_levels_are_not_named_by_chance():
    rng = np.random.default_rng(0)
    real, away = (pd.DataFrame({n: rng.integers(0, 100, 40_000).astype(str) for n in "abcdef"}) for _ in range(2))
    case = Case.of(real, away, real)
    a, b = case.judge.coded, case.synthetic.coded
    assert _pairs(case, a, grid(a, b, bins=20), list(range(6))).empty


def test_rules_are_counted():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 90, 300)
    real = pd.DataFrame({"low": low, "high": low + rng.integers(0, 40, 300), "g": rng.choice(["a", "b"], 300)})
    broken = real.assign(high=real["high"].mask(real.index < 30, -1))
    found = rules_broken(real, broken)
    assert found["broken"].tolist() == [30] and found.attrs["any"] == 30 and "Ordered" in found["rule"][0]
    # a rule that the real table breaks does not count; nor does one on a column that is not there
    told = [Ordered("low", "high"), Ordered("high", "low"), Ordered("low", "absent")]
    assert rules_broken(real, broken, rules=told)["share"].tolist() == [0.1]
    metric = METRICS["rules"]()
    for schema in (None, Schema.infer(real), Schema.infer(real, rules=False)):
        measured = metric.measure(Case.of(real, broken, schema=schema))
        assert measured.value == 0.1 and list(measured.parts.values()) == [0.1]
        assert measured.note == "1 of 1 rules are broken, by 30 of 300 rows"
    low_end, high_end = rate_interval(0.0, 0.0, 100)
    assert low_end == pytest.approx(0) and high_end == pytest.approx(3.84 / 103.84, abs=1e-3)


def test_pmse_ratio_is_one_for_fresh_rows_and_noncentral_for_others():
    ratios = [pmse_ratio(draw(400, s), draw(600, 1000 + s)) for s in range(40)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)
    assert pmse_ratio(A, B) > 3 and pmse_ratio(A, B, model="tree") > 1.2
    assert pmse_ratio(A, draw(400, 9), model="tree") == pytest.approx(1, abs=0.15)


def test_many_features_weigh_as_by_newton():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250, 520))
    y = (x[:, 0] + rng.normal(size=250) > 0).astype(np.int64)
    newton, quasi = fit_logistic(x, y, ridge=1.0).weights[1:], ridge_weights(x, y, ridge=1.0)
    assert np.corrcoef(newton, quasi)[0, 1] > 0.999 and quasi == pytest.approx(newton, abs=0.01)


def test_wide_tables_are_told_apart_and_say_what_they_were_judged_by():
    rng = np.random.default_rng(0)
    a, b, c = (pd.DataFrame(rng.normal(size=(150, 70))).assign(g=rng.choice(list("ab"), 150)) for _ in range(3))
    moved = b.copy()
    moved[[0, 1, 2, 3, 4, 5]] *= 4
    fresh, off = (Case.of(a, t, c, level="quick") for t in (b, moved))
    for name in ("detection_boosting", "detection_logistic"):
        one, other = (METRICS[name]().measure(case) for case in (fresh, off))
        assert one.interval[0] < 0.5 < one.interval[1] and other.interval[0] > 0.55, name  # type: ignore[index]
    for name in ("pair", "correlation"):
        assert "71" in METRICS[name]().measure(fresh).note, f"{name}: columns were drawn, and nothing is said"


def test_coverage_of_what_cannot_be_missed_has_no_width():
    ends = pd.DataFrame({"x": [0.0] * 50 + [1.0] * 50, "g": ["a", "b"] * 50})
    assert METRICS["coverage"]().measure(Case.of(ends, ends, ends)).interval == (1.0, 1.0)
    rare = ends.assign(g=["a"] * 99 + ["b"], x=np.arange(100.0) ** 3)
    low, high = METRICS["coverage"]().measure(Case.of(rare, rare, rare)).interval  # type: ignore[misc]
    assert low < 0.9 and high == 1.0


def test_k_marginal():
    assert k_marginal(A, A, k=2).value == 1
    assert k_marginal(A, B, k=1).value > k_marginal(A, B, k=3).value
    few = k_marginal(A, B, sets=2)
    assert len(few.parts) <= 4 and few.value == k_marginal(A, B, sets=2).value
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 60)))
    assert 0 < k_marginal(wide, wide[::-1] + 1, sets=5).value < 1


# -------------------------------------------------------------------- intervals
SMOOTH = [
    *("shape", "wasserstein", "jensen_shannon", "null_rates", "pair", "correlation", "contingency", "k_marginal"),
    *("mutual_information", "alpha_precision", "beta_recall", "neighbour_coverage", "density", "sliced_wasserstein"),
    *("pmse_ratio", "detection_logistic", "coverage"),
]


@pytest.mark.parametrize("off", [0.0, 1.0])
def test_intervals_cover(off):
    """The mean over many draws lies in 95 % of the intervals; in 25 draws, 19 or fewer hits would be bad luck."""
    draws = 25
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SMOOTH}
    for seed in range(draws):
        case = Case.of(draw(350, 3 * seed), draw(350, 3 * seed + 1, off), draw(300, 3 * seed + 2), level="quick")
        for name in SMOOTH:
            measured = METRICS[name]().measure(case)
            found[name].append((measured.value, *measured.interval))  # type: ignore[misc]
    for name, rows in found.items():
        value, low, high = np.array(rows).T
        assert ((low <= value.mean()) & (value.mean() <= high)).sum() >= 20, name
        assert (high - low).mean() < 12 * value.std(), f"{name}: an interval that covers everything says nothing"


# -------------------------------------------------------------------- errors
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(shape_error, wasserstein, jensen_shannon, null_rates, coverage, pair_error, correlation_error, k_marginal),
        *(contingency_error, mutual_information_error, alpha_precision, beta_recall, density, neighbour_coverage),
        *(sliced_wasserstein, pmse_ratio, detection_auc, detection_network, detection_logistic, rules_broken),
    )
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_tables_are_refused_by_name(name):
    for bad, word in ((A.drop(columns="y"), "'y'"), (A.head(0), "no rows"), ([1], "DataFrame")):
        with pytest.raises(SchemaError, match=word):
            FUNCTIONS[name](A, bad)
    if name in ("alpha_precision", "pmse_ratio", "detection_network", "sliced_wasserstein"):
        with pytest.raises(SchemaError, match=f"{name}.*at least"):
            FUNCTIONS[name](A, A.head(3))


def test_bad_arguments():
    with pytest.raises(ParamError, match="'k'"):
        k_marginal(A, B, k=0)
    with pytest.raises(ParamError, match="'model'"):
        pmse_ratio(A, B, model="forest")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="global_utility"):
        global_utility(A, B, A.head(3))


def test_a_column_far_off_costs_its_distance():
    assert wasserstein(A, A.assign(x=A["x"] + 100)).parts["x"] > 100
    assert log(wasserstein(A, A.assign(x=A["x"] + 1000)).parts["x"]) == pytest.approx(
        log(10) + log(wasserstein(A, A.assign(x=A["x"] + 100)).parts["x"]), abs=1e-6
    )
