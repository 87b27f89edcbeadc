"""Cells that are wrong are the oddest, where only the other cells of the row tell; and p-values are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from sklearn.metrics import average_precision_score, roc_auc_score

from synthkit import Schema, TabularSynthesizer, errors, find_errors
from synthkit.cleaning.surprise import Scale, odds_of_categories, odds_of_numbers
from synthkit.models import Autoregressive

ROWS = 800
QUICK = TabularSynthesizer(Autoregressive(width=32), max_steps=150)


def law(rows: int = ROWS) -> pd.DataFrame:
    """y = 10 x + noise, g tells the sign of x, day goes with x; z is by itself."""
    rng = np.random.default_rng(1)
    x = rng.normal(50, 10, rows).round(1)
    table = pd.DataFrame({"x": x, "y": (10 * x + rng.normal(0, 10, rows)).round(), "z": rng.normal(size=rows)})
    table["g"] = np.where(x > 50, "high", "low")
    table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta((20 * x + rng.normal(0, 20, rows)).round(), "D")
    table.index = pd.Index(rng.permutation(rows) + 5000, name="patient")
    return table


@pytest.fixture(scope="module")
def planted():
    """Values that are usual in their column and impossible in their row; a tenfold one; gaps."""
    table = law()
    wrong = pd.DataFrame(False, index=table.index, columns=table.columns)
    low, high = (table.index[(table["x"] < 40)], table.index[(table["x"] > 60)])
    for name, rows, values in (
        ("y", low[:5], [650.0] * 5),
        ("y", high[:5], [350.0] * 5),
        ("g", low[5:10], ["high"] * 5),
        ("day", high[5:10], [pd.Timestamp("2021-06-01")] * 5),
        ("x", high[10:13], table.loc[high[10:13], "x"] * 10),
    ):
        table.loc[rows, name] = values
        wrong.loc[rows, name] = True
    table.loc[high[20:40], "z"] = np.nan
    return table, wrong, find_errors(table, QUICK, seed=0)


def test_wrong_cells_are_the_oddest(planted):
    table, wrong, found = planted
    there = found.odds.notna().to_numpy()
    assert there.sum() == table.notna().to_numpy().sum() and found.odds.index.equals(table.index)
    score = average_precision_score(wrong.to_numpy()[there], found.odds.to_numpy()[there])
    assert score > 0.6, "other cells of a wrong row are odd beside it, too"
    at = found.rows()
    assert roc_auc_score(wrong.any(axis=1), at) > 0.99
    assert (found.odds["z"].dropna() < 4.6).all()


def test_the_frame_lists_them_with_suggestions(planted):
    table, wrong, found = planted
    frame = found.to_frame()
    assert frame["odds"].is_monotonic_decreasing and (frame["odds"] > 0).all() and len(found.to_frame(7)) == 7
    clean = law()
    for name, near in (("y", 60), ("x", 12), ("day", np.timedelta64(150, "D"))):
        lines = frame[(frame["column"] == name) & frame["row"].isin(wrong.index[wrong[name]])]
        assert len(lines) >= 3
        for line in lines.itertuples():
            assert line.value == table.loc[line.row, name]
        off = [abs(line.suggestion - clean.loc[line.row, name]) for line in lines.itertuples()]
        assert np.median(np.array(off)) < near
    flipped = frame[(frame["column"] == "g") & frame["row"].isin(wrong.index[wrong["g"]])]
    assert len(flipped) == 5 and (flipped["suggestion"] == "low").all()
    assert "suggestion" not in str(found).splitlines()[0] and "650" not in str(found)


def test_p_values_are_ranks_and_uniform(planted):
    found = planted[2]
    for name in ("x", "y", "z"):
        p = found.p_values[name].dropna()
        assert kstest(p, "uniform").statistic < 0.02 and p.min() > 0
    assert found.p_values["y"].idxmin() == found.odds["y"].idxmax()


def test_a_fitted_synthesizer_judges_other_rows():
    table = law(600)
    fitted = TabularSynthesizer(Autoregressive(width=32), max_steps=100, random_state=0).fit(table.iloc[:500])
    later = table.iloc[500:].copy()
    later.iloc[3, 1] = 10 * later.iloc[3, 1]
    before = later.copy(deep=True)
    found = find_errors(later, fitted)
    assert found.odds["y"].argmax() == 3
    pd.testing.assert_frame_equal(later, before)
    with pytest.raises(errors.ParamError, match="autoregressive"):
        find_errors(later, TabularSynthesizer("independent", random_state=0).fit(table))


def test_same_seed_same_odds_and_other_columns_are_left_out():
    table = law(300).assign(key=[f"k{i}" for i in range(300)], same=1, flag=lambda t: t["x"] > 50)
    fast = TabularSynthesizer(Autoregressive(width=16), max_steps=30)
    a, b = (find_errors(table, fast, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(a.odds, b.odds)
    assert a.odds[["key", "same"]].isna().to_numpy().all() and a.odds[["flag", "g"]].notna().to_numpy().all()


def test_a_law_counts_as_far_as_it_knows():
    """Two levels, one wrong cell. A law that knows the cells finds it; one that is as sure of levels picked at random
    is not believed, though by itself it holds half of the cells for wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    values = pd.Series(np.where(truth == 1, "b", "a"))
    values[7] = "b" if truth[7] == 0 else "a"
    levels = pd.Index(["a", "b"])
    for told, sure in ((truth, True), (rng.integers(0, 2, 300), False)):
        law = np.where(told[:, None] == np.arange(2), 0.99, 0.01)
        odds = odds_of_categories(law, levels, values, 300)
        assert (odds.argmax() == 7 and odds[7] > 2.5 and np.sort(odds)[-2] < 0) if sure else odds.max() < 0.7
    numbers = rng.normal(size=300)
    scale, places = Scale.of(numbers), np.sort(rng.normal(size=(20, 50)), axis=None).reshape(20, 50)
    here = np.searchsorted(places[:, 0], numbers).clip(1, 20) - 1
    wrong = np.where(np.arange(20) == rng.permutation(here)[:, None], 0.95, 0.05 / 19)
    right = np.where(np.arange(20) == here[:, None], 0.95, 0.05 / 19)
    inner = np.abs(numbers) < 1.5
    assert odds_of_numbers(wrong, places, numbers, scale, 300)[inner].max() < 1.0
    assert odds_of_numbers(right, places, numbers, scale, 300)[inner].max() < 0.0


def test_a_level_that_was_seen_once_is_an_error_only_among_many():
    """A third level in one of 100 rows may be rare; in one of 20,000 it is more probably a slip."""
    odds = {}
    for rows in (100, 20_000):
        values = pd.Series(["a", "b"] * (rows // 2))
        values[3] = "c"
        law = np.full((rows, 2), 0.5)
        odds[rows] = odds_of_categories(law, pd.Index(["a", "b"]), values, rows // 2)
        assert odds[rows].argmax() == 3
    assert odds[100][3] < 2.0 < 4.6 < odds[20_000][3]


def test_bad_requests_are_refused():
    with pytest.raises(errors.SchemaError, match="fewer than 40"):
        find_errors(law(39))
    with pytest.raises(errors.SchemaError, match="no column"):
        find_errors(pd.DataFrame({"key": [f"k{i}" for i in range(50)]}))
    with pytest.raises(errors.SchemaError, match="'z' is missing"):
        find_errors(law(50).drop(columns="z"), schema=Schema.infer(law(50)))
    with pytest.raises(errors.ParamError, match="seed"):
        find_errors(law(50), seed=-1)
