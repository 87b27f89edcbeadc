"""Long series: known laws are found again, calendars are kept, files come back, bad input is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from synthkit import SequenceSynthesizer, io
from synthkit.errors import LoadError, ParamError, SchemaError
from synthkit.series.linear import correlations
from synthkit.series.margins import Margins
from synthkit.series.memory import KEEP, Memory, State, lagged, moving
from synthkit.series.scores import ScoreLaw
from synthkit.series.unit_root import wanders
from synthkit.synthesizers.series import looks_like_series

ROWS = 3000


def acf(x: NDArray[np.float64], lag: int) -> float:
    return float(np.corrcoef(x[lag:], x[:-lag])[0, 1])


def ar1(phi: float = 0.8, rows: int = ROWS, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    x = np.zeros(rows)
    for t in range(1, rows):
        x[t] = phi * x[t - 1] + rng.normal()
    return x


def garch(rows: int = 6000, seed: int = 1) -> NDArray[np.float64]:
    """Returns of spread .01 whose variance clusters (GARCH(1,1), alpha .12, beta .85)."""
    rng = np.random.default_rng(seed)
    v, out = 1.0, np.zeros(rows)
    for t in range(rows):
        out[t] = np.sqrt(v) * rng.normal()
        v = 0.03 + 0.12 * out[t] ** 2 + 0.85 * v
    return 0.01 * out


def bars(rows: int = 1500, seed: int = 2) -> pd.DataFrame:
    """Prices of a random walk with 20 moves a day."""
    path = 100 * np.exp(
        np.cumsum(np.random.default_rng(seed).normal(0, 0.004, (rows, 21)), axis=None).reshape(rows, 21)
    )
    data = {"open": path[:, 0], "high": path.max(1), "low": path.min(1), "close": path[:, -1]}
    return pd.DataFrame(data, index=pd.bdate_range("2015-01-05", periods=rows, name="day")).round(2)


@cache
def of_bars() -> SequenceSynthesizer:
    return SequenceSynthesizer(random_state=0).fit(bars())


def test_an_autoregression_keeps_its_law_and_does_not_wander() -> None:
    real = ar1()
    drawn = (
        SequenceSynthesizer(random_state=0).fit(pd.DataFrame({"x": real})).sample(length=6000, seed=1)["x"].to_numpy()
    )
    assert abs(drawn.std() / real.std() - 1) < 0.12 and abs(drawn.mean() - real.mean()) < 0.3
    assert abs(acf(drawn, 1) - 0.8) < 0.04 and abs(acf(drawn, 5) - 0.8**5) < 0.1
    assert np.abs(drawn).max() < 1.5 * np.abs(real).max()


def test_a_random_walk_is_told_from_a_level() -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=2000))
    assert wanders(walk, np.array([0])) and not wanders(ar1(0.9), np.array([0]))


def test_few_rows_tell_a_level_from_a_walk_too() -> None:
    told = {phi: [wanders(ar1(phi, 100, seed), np.array([0])) for seed in range(60)] for phi in (0.3, 0.6, 1.0)}
    assert np.mean(told[0.3]) < 0.05 and np.mean(told[0.6]) < 0.15 and np.mean(told[1.0]) > 0.95


def test_volatility_clusters_and_prices_stay_positive() -> None:
    real = garch()
    table = pd.DataFrame({"price": 50 * np.exp(np.cumsum(real))})
    drawn = SequenceSynthesizer(random_state=0).fit(table).sample(n=3, seed=1)
    assert list(drawn.index.names) == ["draw", None] and (drawn["price"] > 0).all()
    returns = [np.diff(np.log(x["price"].to_numpy())) for _, x in drawn.groupby(level="draw")]
    for lag in (1, 5, 10):
        assert abs(acf(np.abs(real), lag) - np.mean([acf(np.abs(r), lag) for r in returns])) < 0.08
        assert abs(np.mean([acf(r, lag) for r in returns])) < 0.04
    whole = np.concatenate(returns)
    for q in (0.01, 0.99):
        assert abs(np.quantile(whole, q) / np.quantile(real, q) - 1) < 0.15


def test_a_daily_season_comes_back_at_its_hours() -> None:
    at = pd.date_range("2020-01-01", periods=24 * 120, freq="h")
    real = 10 + 3 * np.sin(2 * np.pi * at.hour / 24) + ar1(0.7, len(at), 4)
    table = pd.DataFrame({"at": at, "load": real})
    drawn = SequenceSynthesizer(time="at", random_state=0).fit(table).sample(seed=1)
    assert drawn["at"].equals(table["at"])
    profiles = [t["load"].groupby(t["at"].dt.hour).mean() for t in (table, drawn)]
    assert np.corrcoef(*profiles)[0, 1] > 0.97


def test_correlated_walks_stay_correlated() -> None:
    rng = np.random.default_rng(5)
    wanted = np.array([[1.0, 0.7, 0.2], [0.7, 1.0, -0.3], [0.2, -0.3, 1.0]])
    moves = rng.multivariate_normal(np.zeros(3), wanted, ROWS) * 0.01
    table = pd.DataFrame(100 * np.exp(np.cumsum(moves, axis=0)), columns=list("abc"))
    drawn = SequenceSynthesizer(random_state=0).fit(table).sample(seed=1)
    assert np.abs(np.corrcoef(np.diff(np.log(drawn.to_numpy()), axis=0).T) - wanted).max() < 0.08


def test_bars_hold_and_business_days_are_kept() -> None:
    real, drawn = bars(), of_bars().sample(n=2, seed=1)
    assert (drawn["high"] >= drawn[["open", "close"]].max(axis=1)).all()
    assert (drawn["low"] <= drawn[["open", "close"]].min(axis=1)).all()
    first = drawn.loc[0]
    assert first.index.equals(real.index) and (first.dtypes == real.dtypes).all()
    wide = [np.log(t["high"] / t["low"]).mean() for t in (real, drawn)]
    assert abs(wide[1] / wide[0] - 1) < 0.1


def test_extend_goes_on_after_the_last_day() -> None:
    real = bars()
    fan = of_bars().extend(real, steps=5, n=400, seed=3)
    days = fan.loc[0].index
    assert list(days) == list(pd.bdate_range(real.index[-1], periods=6)[1:])
    ends = np.log(fan["close"].groupby(level="draw").last() / real["close"].iloc[-1])
    wanted = 0.004 * np.sqrt(21 * 5)
    assert abs(ends.std() / wanted - 1) < 0.2


def test_the_same_seed_gives_the_same_and_files_come_back(tmp_path: Path) -> None:
    real = bars()
    before = real.copy()
    one = of_bars().sample(length=30, n=2, seed=7)
    assert one.equals(of_bars().sample(length=30, n=2, seed=7))
    assert not one.equals(of_bars().sample(length=30, n=2, seed=8))
    of_bars().save(tmp_path / "s.synthkit")
    again = SequenceSynthesizer.load(tmp_path / "s.synthkit")
    assert again.sample(length=30, n=2, seed=7).equals(one)
    assert again.extend(real, 3, seed=1).equals(of_bars().extend(real, 3, seed=1))
    assert real.equals(before), "the caller's table stays as it was"
    again.save(tmp_path / "t.synthkit")
    first, second = (io.load(tmp_path / f"{name}.synthkit", "series") for name in "st")
    assert first[0] == second[0] and first[1].keys() == second[1].keys(), "a file that was read is written whole"
    (tmp_path / "s.synthkit").write_bytes((tmp_path / "s.synthkit").read_bytes()[:-50])
    with pytest.raises(LoadError):
        SequenceSynthesizer.load(tmp_path / "s.synthkit")


def test_few_long_entities_are_one_series() -> None:
    one, two = bars(400, 1), bars(400, 2)
    table = pd.concat([one.assign(who="A"), two.assign(who="B")]).reset_index()
    assert looks_like_series(table, "who", "day")
    assert not looks_like_series(table[table["day"] < "2015-06-01"], "who", "day"), "too short: a panel"
    drawn = SequenceSynthesizer(entity="who", time="day", random_state=0).fit(table).sample(seed=1)
    assert drawn[["day", "who"]].equals(table[["day", "who"]]) and list(drawn.columns) == list(table.columns)


def test_gaps_constants_copies_and_whole_numbers() -> None:
    x = ar1(rows=600)
    table = pd.DataFrame({"day": pd.date_range("2020-01-31", periods=600, freq="ME"), "x": x, "copy": x, "unit": "kg"})
    table["count"] = np.round(5 * np.abs(ar1(0.5, 600, 6))).astype(int) * 10
    table.loc[::9, "x"] = np.nan
    table["copy"] = table["x"]
    drawn = SequenceSynthesizer(time="day", random_state=0).fit(table).sample(length=700, seed=1)
    assert drawn["day"].dt.is_month_end.all() and len(drawn) == 700 and drawn["day"].is_unique
    assert 0.05 < drawn["x"].isna().mean() < 0.2 and drawn["copy"].equals(drawn["x"].rename("copy"))
    assert (drawn["unit"] == "kg").all() and (drawn["count"] % 10 == 0).all() and (drawn["count"] >= 0).all()


def test_a_hole_in_the_calendar_is_no_step() -> None:
    x = 100 + np.cumsum(
        np.r_[np.random.default_rng(0).normal(size=500), 1000, np.random.default_rng(1).normal(size=499)]
    )
    table = pd.DataFrame({"t": np.r_[np.arange(500), np.arange(5000, 5500)], "x": x})
    drawn = SequenceSynthesizer(time="t", random_state=0).fit(table).sample(length=3000, seed=1)
    assert (np.diff(drawn["t"]) == 1).all() and np.abs(np.diff(np.log(drawn["x"]))).max() < 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(name=["a", "b"] * 50), "'name'.*numbers"),
        (lambda t: t.head(20), "too few"),
        (lambda t: t.assign(day=t["day"].iloc[0]), "twice|same time"),
        (lambda t: t.assign(day=t["day"] ** 2), "grid"),
        (lambda t: t.assign(x=t["x"].where(t["day"] < 10)), "'x'.*empty"),
        (lambda t: t[["day"]].assign(x=1.0), "no column of numbers|vary"),
    ],
)
def test_bad_tables_are_refused(change: object, message: str) -> None:
    table = pd.DataFrame({"day": np.arange(100), "x": ar1(rows=100)})
    with pytest.raises(SchemaError, match=message):
        SequenceSynthesizer(time="day", random_state=0).fit(change(table))  # type: ignore[operator]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ParamError, match="n_entities"):
        of_bars().sample(3)
    with pytest.raises(ParamError, match="length"):
        of_bars().sample(length=0)
    with pytest.raises(ParamError, match="kind"):
        SequenceSynthesizer(kind="other").fit(bars())  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="close"):
        of_bars().extend(bars().drop(columns="close"), 3)


def test_memory_step_by_step_is_that_of_all_rows_at_once() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    starts = np.array([0])
    memory = Memory((1, 3), None)
    state = State(np.zeros((1, 3, 2)), np.zeros((1, len(KEEP), 2)), np.zeros((1, len(KEEP), 2)), np.zeros((1, 2, 2)))
    for row in x[:-1]:
        state.push(row[None], row[None], np.full(2, np.inf))
    lags = np.stack([lagged(x, starts, k) for k in memory.lags], 1)[-1]
    assert np.allclose(state.lags[0, [0, 2]], lags)
    assert np.allclose(state.means[0], moving(x, starts, np.zeros(2))[-1])
    assert np.allclose(state.squares[0], moving(x**2, starts, np.zeros(2))[-1])


def test_scores_come_back_in_the_support() -> None:
    rng = np.random.default_rng(0)
    x = rng.gamma(2.0, size=2000)
    law = ScoreLaw.fit(x, bounds=(0.0, np.inf))
    scores = law.scores(x, rng)
    assert abs(scores.mean()) < 0.03 and abs(scores.std() - 1) < 0.03
    assert np.quantile(np.abs(law.values(scores) - x), 0.98) < 0.02
    far = law.values(np.array([-9.0, 9.0]))
    assert far[0] >= 0 and x.max() * 0.5 < far[1] < 2 * x.max()


def test_correlations_of_what_does_not_move_are_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[:, 1] = 2.0
    found = correlations(x)
    assert (found[1] == 0).all() and (found[:, 1] == 0).all()
    assert abs(found[0, 2] - np.corrcoef(x[:, 0], x[:, 2])[0, 1]) < 1e-12


def test_margins_bend_draws_to_the_law_and_back() -> None:
    rng = np.random.default_rng(0)
    drawn, real = rng.normal(size=(20000, 2)), 1.5 * rng.normal(size=(20000, 2)) + 0.2
    margins = Margins.fit(drawn, real, np.array([True, False]))
    made = margins.apply(drawn)
    for q in (0.001, 0.01, 0.3, 0.99, 0.999):
        assert abs(np.quantile(made[:, 0], q) - np.quantile(real[:, 0], q)) < 0.25
    assert np.allclose(made[:, 1], drawn[:, 1])
    assert np.allclose(margins.undo(made), drawn)
