"""Gaps of long series: known laws are found again, intervals cover, only empty cells change, bad input is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from synthkit import SequenceSynthesizer, SeriesImputer
from synthkit.errors import NotFittedError, ParamError, SchemaError
from synthkit.series.banded import root, variances
from synthkit.series.gaps import depth, distance, hidden, last, lines
from synthkit.series.scores import ScoreLaw
from synthkit.series.state_space import LinearLaw

Floats = NDArray[np.float64]
START = np.array([0])


def ar1(phi: float, rows: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    x = np.zeros(rows)
    for t in range(1, rows):
        x[t] = phi * x[t - 1] + rng.normal()
    return x


def bars(rows: int = 900, seed: int = 2) -> pd.DataFrame:
    """Prices of a random walk with 20 moves a day, and a volume of whole numbers."""
    rng = np.random.default_rng(seed)
    path = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, (rows, 21)), axis=None).reshape(rows, 21))
    data = {"open": path[:, 0], "high": path.max(1), "low": path.min(1), "close": path[:, -1]}
    table = pd.DataFrame(data, index=pd.bdate_range("2015-01-05", periods=rows, name="day")).round(2)
    table["volume"] = pd.array((1e3 * np.exp(rng.normal(size=rows))).astype(int) * 10, dtype="Int64")
    return table


@cache
def with_gaps() -> pd.DataFrame:
    real = bars()
    given = real.mask(np.random.default_rng(3).random(real.shape) < 0.1)
    given.iloc[300:312, 3] = np.nan
    return given.astype(real.dtypes.to_dict())


@cache
def of_bars() -> SequenceSynthesizer:
    return SequenceSynthesizer(random_state=0).fit(with_gaps())


def correlated(rows: int = 2500, seed: int = 5) -> pd.DataFrame:
    """Two autoregressions that move together."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, 2))
    for t in range(1, rows):
        x[t] = 0.8 * x[t - 1] + rng.multivariate_normal(np.zeros(2), [[1.0, 0.8], [0.8, 1.0]])
    return pd.DataFrame(x, columns=["a", "b"])


# -------------------------------------------------------------------- the linear law
def test_a_gap_of_an_autoregression_has_its_exact_law() -> None:
    phi, wide = 0.8, 5
    x = ar1(phi, 20000, 0)
    known = [999, 999 + wide + 1]
    table = x[:, None].copy()
    table[1000 : 1000 + wide] = np.nan
    law = LinearLaw.fit(table, START, np.array([True]), np.array([0]), 0, 0)
    gap = law.gap(table, START)
    place = np.arange(wide + 2)
    covariance = phi ** np.abs(place[:, None] - place) / (1 - phi**2)
    inner, outer = place[1:-1], [0, wide + 1]
    weight = covariance[np.ix_(inner, outer)] @ np.linalg.inv(covariance[np.ix_(outer, outer)])
    left = covariance[np.ix_(inner, inner)] - weight @ covariance[np.ix_(outer, inner)]
    assert np.abs(gap.mean - weight @ x[known]).max() < 0.06
    assert np.abs(gap.spread**2 / np.diag(left) - 1).max() < 0.06
    drawn = gap.draw(20000, np.random.default_rng(1)) * gap.spread
    assert np.abs(np.cov(drawn.T) - left).max() < 0.08


def test_the_law_of_gaps_is_that_of_all_cells_given_the_known_ones() -> None:
    rng = np.random.default_rng(0)
    rows, d, lags = 14, 3, (0, 1, 2, 3)
    weights = np.zeros((3, 4, d, d))
    weights[:, 0] = np.triu(rng.normal(size=(3, d, d)), 1)
    weights[1:, 1] = 0.4 * rng.normal(size=(2, d, d))
    weights[2, 2:] = 0.2 * rng.normal(size=(2, d, d))
    base = rng.uniform(0.5, 2, (3, d))
    group = np.zeros(d, int)
    law = LinearLaw(
        np.ones(d, bool), group, 0, lags, weights, rng.normal(size=(3, d)), base, np.zeros((6, d)), np.zeros((2, d))
    )
    starts = np.array([0, 8])
    x = rng.normal(size=(rows, d))
    null = rng.random((rows, d)) < 0.4
    system, constant, scale = np.eye(rows * d), np.zeros(rows * d), np.zeros(rows * d)
    for t in range(rows):
        row = t - (8 if t >= 8 else 0)
        tier = 0 if row < 1 else 1 if row < 3 else 2
        own = slice(t * d, t * d + d)
        constant[own], scale[own] = law.constant[tier], base[tier]
        for lag in lags[: row + 1]:
            system[own, (t - lag) * d : (t - lag + 1) * d] -= weights[tier, lag].T
    precision = system.T @ np.diag(1 / scale) @ system
    mean = np.linalg.solve(system, constant)
    gone = null.ravel()
    inverse = np.linalg.inv(precision[np.ix_(gone, gone)])
    wanted = mean[gone] - inverse @ precision[np.ix_(gone, ~gone)] @ (x.ravel() - mean)[~gone]
    gap = law.gap(np.where(null, np.nan, x), starts)
    assert np.allclose(gap.mean, wanted) and np.allclose(gap.spread**2, np.diag(inverse))


def test_a_matrix_that_rounding_made_indefinite_has_a_root() -> None:
    banded = np.array([[0.0, 1.0, 1.0], [1.0, 1.0 - 1e-7, 2.0]])  # upper form; the leading 2 x 2 is just indefinite
    found = root(banded)
    whole = np.diag(found[1]) + np.diag(found[0, 1:], 1)
    assert np.isfinite(found).all() and abs((whole.T @ whole)[0, 1] - 1) < 1e-6
    good = np.array([[0.0, 0.5, 0.5], [2.0, 2.0, 2.0]])
    factor = root(good)
    upper = np.diag(factor[1]) + np.diag(factor[0, 1:], 1)
    assert np.allclose(upper.T @ upper, np.diag([2.0] * 3) + np.diag([0.5] * 2, 1) + np.diag([0.5] * 2, -1))
    assert np.allclose(variances(factor), np.diag(np.linalg.inv(upper.T @ upper)))


# -------------------------------------------------------------------- hidden cells, plain ways
def test_cells_are_hidden_as_the_gaps_lie() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 3))
    for a in range(20, 1000, 200):
        values[a : a + 7] = np.nan
    found = hidden(values, START, 0)
    assert (found.all(1) == found.any(1)).all() and not (found & np.isnan(values)).any()
    usual = hidden(np.random.default_rng(0).normal(size=(1000, 3)), START, 0)
    assert 0.05 < usual.mean() < 0.13 and (usual.any(1) != usual.all(1)).any()


def test_lines_and_last_values_stay_in_their_segment() -> None:
    x = np.array([np.nan, 1, np.nan, 3, np.nan, np.nan, 10, np.nan])[:, None]
    starts = np.array([0, 5])
    assert lines(x, starts)[:, 0].tolist() == [1, 1, 2, 3, 3, 10, 10, 10]
    assert last(x, starts)[:, 0].tolist() == [1, 1, 1, 3, 3, 10, 10, 10]
    assert distance(np.isnan(x), starts)[:, 0].tolist() == [1, 0, 1, 0, 1, 1, 0, 1]
    assert depth(np.isnan(x), starts)[:, 0].tolist() == [2, 0, 0, 0, 2, 2, 0, 2]


# -------------------------------------------------------------------- fillings
def test_what_moves_together_is_read_and_intervals_cover() -> None:
    real = correlated()
    mask = np.random.default_rng(1).random(real.shape) < 0.15
    given = real.mask(mask)
    imputer = SeriesImputer(random_state=0).fit(given)
    error = np.abs(imputer.transform(given) - real).to_numpy()[mask].mean()
    line = np.abs(given.interpolate(limit_direction="both") - real).to_numpy()[mask].mean()
    assert error < 0.7 * line
    low, high = imputer.multiple(given, 60).interval(0.9)
    inside = ((real >= low) & (real <= high)).to_numpy()[mask].mean()
    assert 0.85 < inside < 0.95
    assert (imputer.report_["auto"] < 0.8 * imputer.report_["linear"]).all()


def test_only_gaps_change_and_bars_hold() -> None:
    given = with_gaps()
    before = given.copy()
    synthesizer = of_bars()
    tables = [
        synthesizer.impute(given, mode="point"),
        *(synthesizer.impute(given, n=3, seed=1).loc[k] for k in range(3)),
    ]
    assert given.equals(before), "the caller's table stays as it was"
    for filled in tables:
        assert filled.notna().all(axis=None) and (filled.dtypes == given.dtypes).all()
        assert filled.index.equals(given.index) and list(filled.columns) == list(given.columns)
        assert filled.where(given.notna()).equals(given), "known cells stay to the last bit"
        assert (filled["high"] >= filled[["open", "close"]].max(axis=1)).all()
        assert (filled["low"] <= filled[["open", "close"]].min(axis=1)).all()
        assert (filled["volume"] % 10 == 0).all() and (filled["volume"] >= 0).all()
        assert np.allclose(filled["close"], filled["close"].round(2))
    error = [np.abs(t["close"] - bars()["close"])[given["close"].isna()].mean() for t in tables]
    plain = np.abs(given["close"].interpolate() - bars()["close"])[given["close"].isna()].mean()
    assert error[0] < 0.8 * plain and error[0] < error[1]


def test_the_same_seed_gives_the_same_and_files_come_back(tmp_path: Path) -> None:
    given, synthesizer = with_gaps(), of_bars()
    one = synthesizer.impute(given, n=2, seed=7)
    assert one.index.names == ["imputation", "day"]
    assert one.equals(synthesizer.impute(given, n=2, seed=7)) and not one.equals(synthesizer.impute(given, n=2, seed=8))
    synthesizer.save(tmp_path / "s.synthkit")
    again = SequenceSynthesizer.load(tmp_path / "s.synthkit")
    assert again.impute(given, n=2, seed=7).equals(one)
    whole = bars()
    assert synthesizer.impute(whole, seed=1).equals(whole)
    again.series_.filler = None  # as a file of an older version is read
    with pytest.raises(ParamError, match="fit"):
        again.impute(given)


def test_rows_at_the_end_are_drawn_as_what_follows() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": np.cumsum(rng.normal(size=1200)), "b": np.cumsum(rng.normal(size=1200))})
    table.loc[1180:] = np.nan
    synthesizer = SequenceSynthesizer(random_state=0).fit(table.loc[:1179])
    drawn = synthesizer.impute(table, n=300, seed=1)["a"].to_numpy().reshape(300, -1)[:, 1180:] - table["a"][1179]
    follows = synthesizer.extend(table.loc[:1179], 20, n=300, seed=2)["a"].to_numpy().reshape(300, 20)
    assert not np.isnan(drawn).any()
    for k in (0, 9, 19):
        assert abs(drawn[:, k].std() / follows[:, k].std() - 1) < 0.2
        assert abs(drawn[:, k].std() / np.sqrt(k + 1) - 1) < 0.25
    middle = synthesizer.impute(table, mode="point")["a"].loc[1180:] - table["a"][1179]
    assert middle.abs().max() < 2


def test_rows_that_are_not_there_are_not_made_and_rows_may_come_in_any_order() -> None:
    at = pd.date_range("2024-01-01", periods=800, freq="D")
    real = pd.DataFrame({"day": at, "x": ar1(0.9, 800, 1)})
    given = real.drop(index=[100, 101, 102, *range(400, 430)]).sample(frac=1, random_state=0)
    given.loc[[99, 103, 500], "x"] = np.nan
    filled = SeriesImputer(time="day", random_state=0).fit_transform(given)
    assert filled["day"].equals(given["day"]) and filled["x"].notna().all()
    rest = given["x"].notna()
    assert filled["x"][rest].equals(given["x"][rest])
    assert np.abs(filled["x"] - real["x"].loc[given.index]).max() < 5


def test_a_column_without_a_known_cell_is_told_by_the_others() -> None:
    x = ar1(0.9, 1500, 2)
    noise = np.random.default_rng(0).normal(size=1500)
    real = pd.DataFrame({"x": x, "y": 3 * x + 0.3 * noise + 50})
    imputer = SeriesImputer(random_state=0).fit(real)
    given = real.iloc[200:300].assign(y=np.nan)
    assert np.abs(imputer.transform(given)["y"] - real["y"][200:300]).mean() < 0.5


def test_a_season_bridges_a_long_gap() -> None:
    at = pd.date_range("2020-01-01", periods=24 * 60, freq="h")
    real = pd.DataFrame({"at": at, "load": 10 + 3 * np.sin(2 * np.pi * at.hour / 24) + 0.2 * ar1(0.5, len(at), 4)})
    given = real.copy()
    for a in range(100, 1300, 120):
        given.loc[a : a + 15, "load"] = np.nan
    gap = given["load"].isna()
    filled = SeriesImputer(time="at", random_state=0).fit_transform(given)
    line = np.abs(given["load"].interpolate() - real["load"])[gap].mean()
    assert np.abs(filled["load"] - real["load"])[gap].mean() < 0.25 * line


def test_long_entities_whole_numbers_and_what_is_constant() -> None:
    parts = [
        correlated(500, s).mul(100).round().astype("Int64").assign(who=who, unit="kg")
        for s, who in ((1, "A"), (2, "B"))
    ]
    real = pd.concat(parts).rename_axis("t").reset_index()
    given = real.copy()
    mask = np.random.default_rng(0).random((1000, 2)) < 0.1
    given[["a", "b"]] = given[["a", "b"]].mask(mask)
    given.loc[5, "unit"] = None
    filled = SeriesImputer(time="t", entity="who", random_state=0).fit_transform(given)
    assert (filled.dtypes == given.dtypes).all() and filled.notna().all(axis=None)
    assert filled[["who", "t", "unit"]].equals(real[["who", "t", "unit"]])
    assert filled["a"][~mask[:, 0]].equals(real["a"][~mask[:, 0]])
    assert np.abs((filled["a"] - real["a"]).astype(float))[mask[:, 0]].mean() < 100


def test_many_short_entities_are_filled_from_their_own_rows() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for who in range(150):
        x = 5 * rng.normal() + ar1(0.7, 40, who)
        hours = np.sort(rng.choice(60, 40, replace=False))
        table = pd.DataFrame(
            {"who": f"p{who}", "hour": hours, "x": x, "y": (2 * x + 0.5 * rng.normal(size=40)).round(1)}
        )
        parts.append(table.assign(age=float(rng.integers(20, 80)), note=["a", None] * 20))
    real = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=1)
    mask = rng.random((len(real), 2)) < 0.15
    given = real.copy()
    given[["x", "y"]] = given[["x", "y"]].mask(mask)
    given.loc[real.index[:5], "age"] = np.nan
    imputer = SeriesImputer(entity="who", time="hour", random_state=0).fit(given)
    filled = imputer.transform(given)
    assert filled[["who", "hour", "note", "age"]].equals(real[["who", "hour", "note", "age"]])
    again = SeriesImputer(entity="who", time="hour", random_state=0).fit(given.sort_values(["hour", "x"]))
    assert again.transform(given).equals(filled)  # rows may come in any order
    assert filled[["x", "y"]].mask(mask).equals(given[["x", "y"]]) and np.allclose(filled["y"], filled["y"].round(1))
    ordered = given.sort_values(["who", "hour"])
    line = ordered.groupby("who")["x"].transform(lambda x: x.interpolate(limit_direction="both")).loc[given.index]
    assert np.abs(filled["x"] - real["x"])[mask[:, 0]].mean() < 0.6 * np.abs(line - real["x"])[mask[:, 0]].mean()
    low, high = imputer.multiple(given, 60).interval()
    inside = ((real[["x", "y"]] >= low[["x", "y"]]) & (real[["x", "y"]] <= high[["x", "y"]])).to_numpy()[mask].mean()
    assert 0.85 < inside < 0.95


def test_limits_of_short_entities_do_not_tell_how_far_one_row_went() -> None:
    found = []
    for far in (50.0, 90.0):
        x = np.random.default_rng(0).normal(size=400)
        x[7], x[123] = far, -far
        table = pd.DataFrame({"who": np.arange(400) // 20, "x": x})
        limits = [
            SeriesImputer(entity="who", protect=protect, random_state=0).fit(table).filler_.filler.traits.limits.ravel()
            for protect in ("standard", None)
        ]
        found.append(limits)
    assert (found[0][0] == found[1][0]).all() and np.abs(found[0][0]).max() < 50
    assert np.allclose(found[0][1], [-60, 60]) and np.allclose(found[1][1], [-108, 108])


def test_a_law_of_one_heavy_value_keeps_it() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros(8000), np.repeat(np.arange(1, 8) * 10.0, 150), 60 * rng.random(70)])
    drawn = ScoreLaw.fit(x).values(rng.normal(size=4000))
    assert abs((drawn == 0).mean() - (x == 0).mean()) < 0.03


def test_a_straight_line_is_filled_by_itself() -> None:
    real = pd.DataFrame({"x": np.arange(400.0)})
    given = real.copy()
    given.loc[[5, *range(300, 320)], "x"] = np.nan
    assert np.abs(SeriesImputer(random_state=0).fit_transform(given) - real)["x"].max() < 1e-6


def test_a_copy_shows_what_its_twin_shows() -> None:
    x = ar1(0.8, 400, 3)
    real = pd.DataFrame({"x": x, "twin": x, "one": 7.0})
    given = real.copy()
    given.loc[10, "twin"], given.loc[20] = np.nan, np.nan
    filled = SeriesImputer(random_state=0).fit(real).transform(given)
    assert (
        filled.loc[10, "twin"] == x[10] and filled.loc[20, "twin"] == filled.loc[20, "x"] and filled.loc[20, "one"] == 7
    )


@pytest.mark.parametrize("method", ["kalman", "linear", "last", "seasonal"])
def test_one_way_alone(method: str) -> None:
    given = correlated(600)
    given.loc[50:52, "a"] = np.nan
    filled = SeriesImputer(method, random_state=0).fit_transform(given)["a"].loc[50:52]
    if method == "last":
        assert np.allclose(filled, given["a"][49])
    if method == "linear":
        assert np.allclose(filled, np.interp([50, 51, 52], [49, 53], given["a"][[49, 53]]))
    assert filled.notna().all()


def test_bad_input_is_refused() -> None:
    real = correlated(200).assign(t=range(200))
    imputer = SeriesImputer(time="t", random_state=0)
    with pytest.raises(NotFittedError, match="fit"):
        imputer.transform(real)
    imputer.fit(real)
    with pytest.raises(SchemaError, match="SeriesImputer.*'b'"):
        imputer.transform(real.drop(columns="b"))
    with pytest.raises(SchemaError, match="twice"):
        imputer.transform(real.assign(t=0))
    with pytest.raises(SchemaError, match="grid"):
        imputer.transform(real.assign(t=real["t"] + 0.5))
    with pytest.raises(SchemaError, match="SeriesImputer.fit"):
        imputer.fit(real.head(20))
    with pytest.raises(SchemaError, match="'odd' holds no numbers.*or fill it by Imputer"):
        imputer.fit(real.assign(odd=real["a"] > 0))
    stays = pd.DataFrame({"who": np.repeat(range(40), 5), "x": np.arange(200.0)})
    with pytest.raises(SchemaError, match="SeriesImputer.fit: two columns have one name"):
        SeriesImputer(entity="who").fit(pd.concat([stays, stays[["x"]]], axis=1))
    with pytest.raises(ParamError, match="method"):
        SeriesImputer("magic").fit(real)  # type: ignore[arg-type]
    with pytest.raises(ParamError, match="'n'"):
        of_bars().impute(with_gaps(), mode="point", n=2)
