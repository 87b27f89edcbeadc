"""Masks hide what they say, and scores tell good filling from bad."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Imputer, errors
from synthkit.imputation import Engine, energy_i_score, hide, score_imputation
from synthkit.imputation.figures import energy_of_categories, energy_of_numbers


def linear(rows: int, seed: int = 0) -> pd.DataFrame:
    """y = x + noise of .5; g tells the sign of x but for 10 %; z is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame({"x": x, "y": x + 0.5 * rng.normal(size=rows), "z": rng.normal(size=rows)})
    return table.assign(g=np.where((x > 0) ^ (rng.random(rows) < 0.1), "high", "low"))


class Regression(Engine):
    """Fills y of the linear table by the true law, and leaves the rest to the median."""

    name = "law"

    def __init__(self, spread: float = 0.5) -> None:
        self.spread = spread

    def fit(self, table, schema, *, seed):
        self.rest = Imputer("median", random_state=0).fit(table)

    def point(self, table, point, *, seed):
        return self.rest.transform(table.assign(y=table["y"].fillna(table["x"])))

    def draw(self, table, *, seed):
        noise = self.spread * np.random.default_rng(seed).normal(size=len(table))
        rest = self.rest.engine_.draw(table, seed=seed)
        return rest.assign(y=table["y"].fillna(table["x"] + noise).fillna(rest["y"]))


# ---------------------------------------------------------------- masks
@pytest.mark.parametrize("mechanism", ["mcar", "mar", "mnar"])
def test_masks_have_their_rate(mechanism):
    table = linear(20_000).assign(w=1.5)
    table.loc[:99, "x"] = np.nan
    mask = hide(table, mechanism, 0.3, seed=3)
    assert mask.equals(hide(table, mechanism, 0.3, seed=3)) and not mask.equals(hide(table, mechanism, 0.3, seed=4))
    assert not (mask & table.isna()).to_numpy().any() and abs(mask.to_numpy().mean() - 0.3) < 0.02
    whole = ~mask.any()
    assert whole.sum() == (2 if mechanism == "mar" else 0), "30 % of five columns, rounded, decide and stay"


def test_at_random_means_by_what_stays():
    """Under MAR, hidden and seen rows of a column differ in the columns that stay; under MCAR they do not."""
    table = linear(20_000)[["x", "y", "z"]]
    for mechanism, differs in (("mcar", False), ("mar", True)):
        gaps = []
        for seed in range(6):
            mask = hide(table, mechanism, 0.3, seed=seed)
            stays = next((n for n in table if not mask[n].any()), "x")
            hidden = next(n for n in table if n != stays)
            gaps.append(abs(table[stays][mask[hidden]].mean() - table[stays][~mask[hidden]].mean()))
        assert bool(np.median(gaps) > 0.2) is differs


def test_observed_masks_are_the_tables_own():
    table = linear(5000)
    table.loc[:999, ["y", "z"]] = np.nan  # always together
    mask = hide(table, "observed", seed=0)
    assert (mask.loc[1000:, "y"] == mask.loc[1000:, "z"]).all() and not mask["x"].any()
    assert abs(mask["y"][1000:].mean() - 0.3) < 0.03
    last = pd.DataFrame({"a": [1.0, np.nan, np.nan]})
    assert not hide(last, "mcar", 0.99).to_numpy().any(), "something of a column stays"
    with pytest.raises(errors.ParamError, match="needs a table with gaps"):
        hide(linear(10), "observed")
    with pytest.raises(errors.ParamError, match="rate"):
        hide(linear(10), "mcar", 1.5)


# ---------------------------------------------------------------- scores
@pytest.fixture(scope="module")
def report():
    methods = {"law": Imputer(Regression()), "sure": Imputer(Regression(0.05))}
    return score_imputation(linear(1500), methods, masks="mcar", rate=0.2, repeats=3, draws=20, energy=0, seed=1)


def of(report, method: str, column: str) -> pd.Series:
    table = report.table
    return table[(table["method"] == method) & (table["column"] == column)].iloc[0]


def test_figures_are_those_of_the_law(report):
    """y's standard deviation is 1.118; four fifths of the rows know x, for the others the median fills x's place."""
    law, base = of(report, "law", "y"), of(report, "median", "y")
    assert abs(base["z_rmse"] - 1.0) < 0.06 and abs(base["skill"]) < 1e-9
    known, unknown = (0.5 / 1.118) ** 2, 1.0
    assert abs(law["z_rmse"] - np.sqrt(0.8 * known + 0.2 * unknown)) < 0.08
    assert law["skill"] > 0.3 and law["crps"] < base["crps"] - 0.1 and law["w1"] < 0.15
    assert abs(base["coverage"] - 0.9) < 0.06 and abs(law["coverage"] - 0.9) < 0.06


def test_verdicts(report):
    assert of(report, "law", "y")["verdict"] == "use"
    assert of(report, "sure", "y")["verdict"] == "do not use", "its draws are far too narrow"
    assert of(report, "sure", "y")["coverage"] < 0.5
    base = of(report, "median", "y")
    assert (base["verdict"], base["reason"]) == ("use with care", "no better than the median"), "its skill is 0"
    assert of(report, "sure", "y")["reason"] == "draws are too narrow" and of(report, "law", "y")["reason"] == ""
    assert report.verdict.loc["y", "law"] == "use" and "mcar" in str(report) and "<table" in report._repr_html_()
    few = score_imputation(linear(30), ["median"], masks="mcar", rate=0.1, repeats=1, draws=0)
    assert set(few.table["verdict"]) == {"too few cells"}


def test_the_default_method_beats_the_median_where_there_is_something_to_know():
    report = score_imputation(linear(1200), masks="mcar", rate=0.2, repeats=1, draws=10, energy=0, detect=0, seed=0)
    assert of(report, "auto", "y")["skill"] > 0.25 and of(report, "auto", "g")["skill"] > 0.4
    assert of(report, "auto", "z")["skill"] < 0.1 and of(report, "auto", "z")["verdict"] != "use"
    assert of(report, "auto", "g")["log_loss"] < of(report, "median", "g")["log_loss"]


def test_what_is_worse_than_the_median_is_not_to_be_used_and_noise_is_not_blamed():
    class Off(Regression):
        def point(self, table, point, *, seed):
            return super().point(table.assign(z=table["z"].fillna(1.0)), point, seed=seed)

    report = score_imputation(
        linear(1500), {"off": Imputer(Off())}, masks="mcar", rate=0.2, repeats=2, energy=0, detect=0
    )
    off = of(report, "off", "z")
    assert (off["verdict"], off["reason"]) == ("do not use", "worse than the median") and off["skill"] < -0.2
    assert of(report, "off", "g")["reason"] == "no better than the mode", "it fills what the mode fills"
    assert not (report.table.loc[report.table["method"] == "median", "verdict"] == "do not use").any()


def test_a_detector_tells_centres_from_truth_and_draws_less(report):
    """Draws of x and z are of their own law, and those of y follow x; at its median a cell is easily told."""
    found = report.detection
    assert list(found.columns) == ["point", "draw"] and list(found.index) == ["law", "sure", "median"]
    assert (found["point"] > 0.65).all() and (found["draw"] < found["point"] - 0.1).all()
    assert found.loc["law", "draw"] < found.loc["median", "draw"] and "detected_draw" in str(report)
    quick = score_imputation(linear(60), ["median"], masks="mcar", repeats=1, draws=0, detect=1)
    assert list(quick.detection.columns) == ["point"] and quick.i_scores.empty
    assert score_imputation(linear(60), ["median"], masks="mcar", repeats=1, detect=0, energy=0).detection.empty


def test_a_column_that_hardly_varies_has_a_skill_of_zero():
    """The median makes no error where all hidden cells are alike; to be as good is no skill."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"same": 3.0, "flag": "no", "x": rng.normal(size=300)})
    report = score_imputation(table, ["neighbours"], masks="mcar", repeats=2, energy=0, detect=0)
    for method, column in (("neighbours", "same"), ("median", "same"), ("neighbours", "flag")):
        line = of(report, method, column)
        assert line["skill"] == 0 and line["verdict"] == "use with care" and line["std"] == 0


def test_the_outcome_of_a_prediction_is_not_scored():
    imputer = Imputer("median", target="y", purpose="prediction")
    report = score_imputation(linear(200), {"mine": imputer}, masks="mcar", repeats=1, energy=2, detect=1)
    mine = report.table[report.table["method"] == "mine"]
    assert set(mine["column"]) == {"x", "z", "g"} and mine["skill"].notna().all()
    assert report.detection.loc["mine", "draw"] < 0.9, "an outcome that stays empty does not give rows away"


def test_coverage_does_not_blame_few_levels():
    """Of flags drawn by their own law the central 90 % hold everything; the share of the tie that counts is 90 %."""
    table = pd.DataFrame({"n": np.random.default_rng(0).integers(0, 2, 4000)})
    report = score_imputation(table, ["median"], masks="mcar", repeats=2, draws=19, energy=0, detect=0)
    assert abs(of(report, "median", "n")["coverage"] - 0.9) < 0.03


# ---------------------------------------------------------------- the energy-I-score
class Simple(Engine):
    """y of x + noise by its law, by the mean of that law, or by what y was in training."""

    name = "simple"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def fit(self, table, schema, *, seed):
        self.seen = table["y"].dropna().to_numpy()

    def point(self, table, point, *, seed):
        return table.assign(y=table["y"].fillna(table["x"]))

    def draw(self, table, *, seed):
        rng = np.random.default_rng(seed)
        draws = {
            "law": table["x"] + 0.5 * rng.normal(size=len(table)),
            "mean": table["x"],
            "marginal": pd.Series(rng.choice(self.seen, len(table)), index=table.index),
        }[self.kind]
        return table.assign(y=table["y"].fillna(draws))


def test_draws_of_the_law_have_the_best_energy_i_score():
    """y = x + noise of .5, missing more often where x is large. Scores known in closed form, in std of what is seen."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    table = pd.DataFrame({"x": x, "y": x + 0.5 * rng.normal(size=4000)})
    table.loc[rng.random(4000) < 1 / (1 + np.exp(-2 * x)), "y"] = np.nan
    scores = {}
    for kind in ("law", "mean", "marginal"):
        found = energy_i_score(table, Imputer(Simple(kind)), draws=20, seed=1)
        assert list(found["column"]) == ["y"] and abs(found["weight"][0] - 0.25) < 0.02
        scores[kind] = found["i_score"][0]
    spread = table["y"].std()
    assert abs(scores["law"] + 0.5 / np.sqrt(np.pi) / spread) < 0.02
    assert abs(scores["mean"] + 0.5 * np.sqrt(2 / np.pi) / spread) < 0.02
    assert scores["law"] > scores["mean"] + 0.08 and scores["law"] > scores["marginal"] + 0.15
    again = energy_i_score(table, Imputer(Simple("law")), draws=20, seed=1)
    assert again["i_score"][0] == scores["law"], "the same seed, the same score"


def test_energy_i_scores_of_mixed_columns_and_of_hard_cases():
    table = linear(600)
    rng = np.random.default_rng(1)
    table["g"] = table["g"].mask(rng.random(600) < 0.3)
    table["y"] = table["y"].mask(table["g"].isna() | (rng.random(600) < 0.1))  # where y is, g and x and z are
    table.loc[:4, "z"] = np.nan  # too few
    forests, base = (
        energy_i_score(table, Imputer(m), draws=8).set_index("column") for m in ("chained_trees", "median")
    )
    assert set(forests.index) == {"y", "g"}
    assert (forests["i_score"] > base["i_score"] + 0.03).all()
    one = energy_i_score(table, Imputer("median"), columns=1, draws=4)
    assert list(one["column"]) == ["y"], "the column of the greatest weight"
    apart = pd.DataFrame({"a": [1.0, 2.0, np.nan, np.nan] * 20, "b": [np.nan, np.nan, 1.0, 2.0] * 20})
    assert energy_i_score(apart, Imputer("median"), draws=4)["i_score"].isna().all(), "no row has both"
    alone = energy_i_score(apart[["a"]], Imputer("median"), draws=50)
    assert abs(alone["i_score"][0] + 0.25 / apart["a"].std()) < 0.05, "E|d - t| - E|d - d'| / 2 of a coin: 1/2 - 1/4"
    prediction = Imputer("median", target="y", purpose="prediction")
    assert list(energy_i_score(table, prediction, draws=4)["column"]) == ["g"]
    assert energy_i_score(linear(100), Imputer("median")).empty, "nothing is incomplete"


def test_reports_have_energy_i_scores():
    table = linear(400)
    table.loc[np.random.default_rng(0).random(400) < 0.3, "y"] = np.nan
    report = score_imputation(table, ["neighbours"], repeats=1, draws=8, detect=0)
    better, base = of(report, "neighbours", "y")["i_score"], of(report, "median", "y")["i_score"]
    assert better > base + 0.1 and report.table["i_score"].notna().sum() == 2
    assert abs(report.i_scores["median"] - base * 0.3 * 0.7) < 0.02 and "i_score" in str(report)
    masked = score_imputation(linear(200), ["median"], masks="mar", repeats=1, draws=4, energy=2, detect=0)
    assert masked.table["i_score"].notna().sum() == 2, "a table without gaps is scored by those of the mask"


def test_energies_are_those_of_their_definition():
    rng = np.random.default_rng(0)
    draws, truth = rng.integers(0, 3, (5, 7)), rng.integers(0, 4, 7)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    far = (
        np.mean([np.abs(d - truth) for d in draws], 0) - np.mean([np.abs(draws[i] - draws[j]) for i, j in pairs], 0) / 2
    )
    assert abs(energy_of_numbers(draws.astype(float), truth.astype(float)) - far.mean()) < 1e-12
    unlike = np.mean([d != truth for d in draws], 0) - np.mean([draws[i] != draws[j] for i, j in pairs], 0) / 2
    words = [pd.Series([f"w{v}" for v in d]) for d in draws]
    found = energy_of_categories(words, pd.Series([f"w{v}" for v in truth]))
    assert abs(found - np.sqrt(2) * unlike.mean()) < 1e-12
    assert energy_of_numbers(np.ones((1, 3)), np.zeros(3)) == 1.0
    assert abs(energy_of_categories(words[:1], words[0])) < 1e-12


def test_bad_requests_are_refused():
    with pytest.raises(errors.ParamError, match="energy"):
        score_imputation(linear(30), energy=-1)
    with pytest.raises(errors.ParamError, match="methods"):
        score_imputation(linear(30), {})
    with pytest.raises(errors.ParamError, match="repeats"):
        score_imputation(linear(30), repeats=0)
    with pytest.raises(errors.SchemaError, match="no rows"):
        score_imputation(linear(0))
