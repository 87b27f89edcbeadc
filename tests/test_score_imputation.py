"""Masks hide what they say, and scores tell good filling from bad."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Imputer, errors
from synthkit.imputation import Engine, hide, score_imputation


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
    return score_imputation(linear(1500), methods, masks="mcar", rate=0.2, repeats=3, draws=20, seed=1)


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
    assert report.verdict.loc["y", "law"] == "use" and "mcar" in str(report) and "<table" in report._repr_html_()
    few = score_imputation(linear(30), ["median"], masks="mcar", rate=0.1, repeats=1, draws=0)
    assert set(few.table["verdict"]) == {"too few cells"}


def test_the_default_method_beats_the_median_where_there_is_something_to_know():
    report = score_imputation(linear(1200), masks="mcar", rate=0.2, repeats=1, draws=10, seed=0)
    assert of(report, "auto", "y")["skill"] > 0.25 and of(report, "auto", "g")["skill"] > 0.4
    assert of(report, "auto", "z")["skill"] < 0.1 and of(report, "auto", "z")["verdict"] != "use"
    assert of(report, "auto", "g")["log_loss"] < of(report, "median", "g")["log_loss"]


def test_bad_requests_are_refused():
    with pytest.raises(errors.ParamError, match="methods"):
        score_imputation(linear(30), {})
    with pytest.raises(errors.ParamError, match="repeats"):
        score_imputation(linear(30), repeats=0)
    with pytest.raises(errors.SchemaError, match="no rows"):
        score_imputation(linear(0))
