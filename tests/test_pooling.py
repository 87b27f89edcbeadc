"""Rubin's rules and their relatives, against figures worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthkit import pool
from synthkit.errors import ParamError

Q = [4.0, 5.0, 6.0, 5.5, 4.5]
U = [1.0, 1.2, 0.8, 1.1, 0.9]
# By hand: mean 5, W = 1, B = 2.5 / 4 = 0.625, (1 + 1/5) B = 0.75.
RESULTS = [{"b": pair} for pair in zip(Q, U, strict=True)]


def near(value: float, wanted: float) -> bool:
    return math.isclose(float(value), wanted, rel_tol=1e-8)


def test_rubins_rules_by_hand():
    row = pool(RESULTS)["b"]
    assert (
        near(row.estimate, 5)
        and near(row["within"], 1)
        and near(row["between"], 0.625)
        and near(row.std_error**2, 1.75)
    )
    assert near(row.riv, 0.75) and near(row.df, 4 / (0.75 / 1.75) ** 2) and near(row.mc_error, math.sqrt(0.125))
    df = 4 * (7 / 3) ** 2  # 21.777...
    assert near(row.fmi, (0.75 + 2 / (df + 3)) / 1.75)
    half = stats.t.ppf(0.975, df) * math.sqrt(1.75)
    assert near(row.low, 5 - half) and near(row.high, 5 + half)
    assert near(row.p_value, 2 * stats.t.sf(5 / math.sqrt(1.75), df))


def test_barnard_and_rubins_degrees_of_freedom_by_hand():
    """With 20 complete-data degrees of freedom: observed 21/23 * 20 * (1 - 3/7) = 240/23; 1 / (1/df_old + 23/240)."""
    row = pool(RESULTS, df=20)["b"]
    old = 4 * (7 / 3) ** 2
    assert near(row.df, 1 / (1 / old + 23 / 240))
    assert row.df < 20 and row.high > pool(RESULTS)["b"].high


def test_partly_and_fully_synthetic_tables_by_hand():
    partly = pool(RESULTS, "partly")["b"]
    assert near(partly.std_error**2, 1 + 0.125) and near(partly.df, 4 * (1 + 1 / 0.125) ** 2)
    wide = [{"b": (3 * q, u)} for q, u in zip(Q, U, strict=True)]  # B = 5.625
    full = pool(wide, "synthetic")["b"]
    assert near(full.std_error**2, 1.2 * 5.625 - 1) and near(full.df, 4 * (1 - 1 / (1.2 * 5.625)) ** 2)
    negative = pool(RESULTS, "synthetic")["b"]  # 0.75 - 1 < 0
    assert near(negative.std_error**2, 1) and near(negative.df, 4) and math.isnan(negative.fmi)


def test_results_of_every_kind_agree():
    pairs = pool(list(zip(Q, U, strict=True)))["estimate"]
    models = [
        SimpleNamespace(params=pd.Series({"b": q}), cov_params=lambda u=u: np.array([[u]]), df_resid=20.0)
        for q, u in zip(Q, U, strict=True)
    ]
    errors = [SimpleNamespace(params=pd.Series({"b": q}), bse=np.sqrt([u])) for q, u in zip(Q, U, strict=True)]
    assert np.allclose(pool(RESULTS)["b"], pairs) and np.allclose(pool(errors)["b"], pairs)
    assert np.allclose(pool(models)["b"], pool(RESULTS, df=20)["b"])


def test_no_spread_is_no_missing_information():
    pooled = pool([{"b": (1.0, 0.5), "a": (2.0, 0.1)}, {"a": (2.0, 0.1), "b": (1.0, 0.5)}])
    assert (pooled.table["fmi"] == 0).all() and np.isinf(pooled.table["df"]).all() and pooled.enough == 2
    assert list(pooled.table.index) == ["b", "a"] and pooled["a"].estimate == 2
    assert "imputed" in str(pooled) and "<table" in pooled._repr_html_()


def test_pooled_intervals_cover_the_mean():
    """A normal mean, 40 % of the values missing at random, proper draws: the interval holds it in 95 % of the runs."""
    rng, hits, runs, n, m = np.random.default_rng(0), 0, 600, 60, 10
    for _ in range(runs):
        seen = rng.normal(2.0, 1.0, size=int(n * 0.6))
        results = []
        for _ in range(m):
            spread = seen.std(ddof=1) * math.sqrt((len(seen) - 1) / rng.chisquare(len(seen) - 1))
            centre = seen.mean() + spread / math.sqrt(len(seen)) * rng.normal()
            full = np.concatenate([seen, rng.normal(centre, spread, size=n - len(seen))])
            results.append((full.mean(), full.var(ddof=1) / n))
        row = pool(results, df=n - 1)["estimate"]
        hits += row.low <= 2.0 <= row.high
    assert abs(hits / runs - 0.95) < 3.5 * math.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize(
    ("results", "options", "message"),
    [
        ([(1.0, 1.0)], {}, "at least 2"),
        ([{"a": (1, 1)}, {"b": (1, 1)}], {}, "result 1 names other"),
        ([(1.0, -1.0), (1.0, 1.0)], {}, "not a usable number"),
        ([(1.0, 1.0), "x"], {}, "result 1 must be"),
        ([{"a": 1.0}, {"a": 1.0}], {}, "no .estimate, variance. pair"),
        ([(1.0, 1.0)] * 2, {"data": "other"}, "data"),
        ([(1.0, 1.0)] * 2, {"level": 1.5}, "level"),
        ([(1.0, 1.0)] * 2, {"df": -1.0}, "df"),
    ],
)
def test_bad_results_are_refused(results, options, message):
    with pytest.raises(ParamError, match=message):
        pool(results, **options)
