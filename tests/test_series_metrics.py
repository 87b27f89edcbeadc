"""Metrics of long series on known laws: identical series reach the floor, and what is broken is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import score_series, series_tables, split_blocks


def garch(steps: int, seed: int, assets: int = 3) -> pd.DataFrame:
    """Prices of assets with a common factor, Student residuals, clustering, leverage, and volumes that follow size."""
    rng = np.random.default_rng(seed)
    h = np.ones(assets)
    out = np.empty((steps, assets))
    for t in range(steps):
        z = rng.standard_t(4, size=assets) / np.sqrt(2)
        z = 0.7 * rng.standard_t(4) / np.sqrt(2) + 0.7 * z
        out[t] = np.sqrt(h) * z
        h = 0.04 + (0.05 + 0.12 * (z < 0)) * out[t] ** 2 + 0.84 * h
    prices = 100 * np.exp(np.cumsum(0.01 * out, axis=0))
    table = pd.DataFrame(prices, columns=[f"asset {j}" for j in range(assets)])
    return table.assign(t=np.arange(steps))


def gaussian(like: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Independent normal returns of the same spread."""
    rng = np.random.default_rng(seed)
    names = [c for c in like if c != "t"]
    move = np.diff(np.log(like[names]), axis=0)
    drawn = rng.normal(move.mean(0), move.std(0), move.shape)
    return pd.DataFrame(100 * np.exp(np.cumsum(drawn, axis=0)), columns=names).assign(t=np.arange(len(move)))


def autoregression(steps: int, seed: int, phi: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = np.zeros((steps, 2))
    for t in range(1, steps):
        x[t] = phi * x[t - 1] + rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]])
    return pd.DataFrame(x, columns=["a", "b"]).assign(t=np.arange(steps))


def blocks(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, held = split_blocks(len(table))
    return table.iloc[train], table.iloc[held]


DYNAMICS = ["acf", "cross", "spectral", "tail_risk"]


def test_the_same_series_has_no_error():
    table = autoregression(800, 0)
    report = score_series(table, table, time="t", metrics=DYNAMICS)
    assert report.table["value"].tolist() == [0.0] * 4
    assert set(report.ways.values()) == {"level"}


def test_another_draw_of_the_law_is_at_the_floor_and_not_told():
    train, held = blocks(autoregression(3000, 0))
    report = score_series(train, autoregression(2000, 1), holdout=held, time="t")
    assert abs(report["window_detection"] - 0.5) < 0.12
    assert report["acf"] < 0.06 and report["cross"] < 0.06 and report["spectral"] < 0.03
    assert report["series_copies"] > 0.9
    assert abs(report["next_move"] - 1) < 0.06


def test_a_shuffled_series_fails_what_hangs_on_order_alone():
    train, held = blocks(autoregression(3000, 0))
    names = ["a", "b"]
    rng = np.random.default_rng(2)
    shuffled = autoregression(2000, 1)
    shuffled[names] = shuffled[names].to_numpy()[rng.permutation(2000)]
    report = score_series(train, shuffled, holdout=held, time="t")
    law = score_series(train, autoregression(2000, 1), holdout=held, time="t", metrics=["acf", "cross"])
    assert report["acf"] > 3 * law["acf"] and report["spectral"] > 0.1
    assert report["window_detection"] > 0.95
    assert report["cross"] < 0.06  # rows stay whole
    assert report["next_move"] > 1.1


def test_independent_columns_fail_the_correlations():
    table = autoregression(1500, 0)
    apart = autoregression(1500, 1).assign(b=autoregression(1500, 2)["b"])
    assert score_series(table, apart, time="t", metrics=["cross"])["cross"] > 0.5


def test_a_memoriser_is_caught_by_the_ratio():
    train, held = blocks(garch(3000, 0))
    copied = train.assign(t=np.arange(len(train)))
    report = score_series(train, copied, holdout=held, time="t", metrics=["series_copies"])
    assert report["series_copies"] < 0.6 and report.found["series_copies"].parts["copied"] > 0.7
    fresh = score_series(train, garch(2000, 1), holdout=held, time="t", metrics=["series_copies"])
    assert fresh["series_copies"] > 0.9


def test_normal_returns_fail_the_facts_of_a_clustered_law_and_the_law_passes():
    real = garch(2500, 0)
    facts = {
        name: score_series(real, other, time="t", metrics=["stylised_facts"]).found["stylised_facts"]
        for name, other in {"same": real, "normal": gaussian(real, 1), "law": garch(2500, 5)}.items()
    }
    assert facts["same"].value == 1.0
    failed = [fact for fact, held in facts["normal"].parts.items() if not held]
    assert len(failed) >= 4 and {"fat tails", "volatility clustering", "joint falls"} <= set(failed)
    assert facts["law"].value > facts["normal"].value + 0.3


def test_value_at_risk_is_relative():
    real = garch(1500, 0)
    names = [c for c in real if c != "t"]
    wide = real.copy()
    wide[names] = 100 * np.exp(2 * np.log(real[names] / 100))  # every log return doubled
    found = score_series(real, wide, time="t", metrics=["tail_risk"]).found["tail_risk"]
    assert found.value == pytest.approx(1.0)
    assert found.parts["VaR 1%"] == pytest.approx(1.0)


def test_a_broken_bar_is_a_broken_fact():
    close = garch(600, 0)["asset 0"]
    bars = pd.DataFrame({"open": close.shift(1).fillna(100.0), "close": close})
    bars["high"], bars["low"] = bars.max(axis=1) * 1.001, bars.min(axis=1) * 0.999
    broken = bars.copy()
    broken.loc[5, "high"] = broken.loc[5, "low"] * 0.9
    for table, held in ((bars, 1.0), (broken, 0.0)):
        parts = score_series(bars, table, metrics=["stylised_facts"]).found["stylised_facts"].parts
        assert parts["whole bars"] == held


def test_profiles_by_hour_are_compared_where_they_are_real():
    times = pd.date_range("2024-01-01", periods=24 * 60, freq="h")
    rng = np.random.default_rng(0)
    wave = 3 * np.sin(2 * np.pi * times.hour / 24)
    real = pd.DataFrame({"load": wave + rng.normal(size=len(times)), "noise": rng.normal(size=len(times))}, index=times)
    again = real.assign(load=wave + rng.normal(size=len(times)))
    late = real.assign(load=np.roll(real["load"], 12))
    found = [score_series(real, t, metrics=["profiles"]).found["profiles"] for t in (again, late)]
    assert found[0].value > 0.98 and found[1].parts["daily"] < -0.9
    assert "noise" not in found[0].parts


def test_draws_and_holes_are_segments_and_few_entities_are_columns():
    table = autoregression(100, 0)
    table.index = pd.MultiIndex.from_product([[0, 1], range(50)], names=["draw", None])
    table["t"] = np.tile(np.arange(50), 2)
    (made,) = series_tables(table, time="t")
    assert made.lengths.tolist() == [50, 50] and made.path.tolist() == [0, 1]
    holed = autoregression(100, 0).drop(index=range(40, 60))
    (made,) = series_tables(holed, time="t")
    assert made.lengths.tolist() == [40, 40]
    long = pd.concat([autoregression(60, s).assign(who=s) for s in (0, 1)])
    (made,) = series_tables(long, time="t", entity="who")
    assert made.names == ((0, "a"), (0, "b"), (1, "a"), (1, "b")) and len(made) == 60


def test_the_same_seed_gives_the_same_figures_and_tables_stay_as_they_were():
    train, held = blocks(autoregression(1500, 0))
    other = autoregression(800, 1)
    before = other.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (score_series(train, other, holdout=held, time="t", seed=3).table for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(other, before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_blocks_are_purged():
    train, held = split_blocks(1000, blocks=4, share=0.2, purge=24)
    assert np.abs(train[:, None] - held).min() == 25
    with pytest.raises(ParamError, match="too few"):
        split_blocks(100)


def test_bad_input_is_told():
    table = autoregression(100, 0)
    with pytest.raises(ParamError, match="there is no metric"):
        score_series(table, table, metrics=["beauty"])
    with pytest.raises(SchemaError, match="no column of numbers"):
        score_series(pd.DataFrame({"a": ["x", "y"]}), table)
    with pytest.raises(SchemaError, match="two rows are at one time"):
        score_series(table.assign(t=0), table, time="t")
    with pytest.raises(SchemaError, match="there is no column 'when'"):
        score_series(table, table, time="when")
    short = score_series(table.head(30), table.head(30), holdout=table.tail(30), time="t")
    assert short.found["window_detection"].note and np.isnan(short["window_detection"])
