"""The benchmark of series: its splits, its baselines, its scores."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.series import copula_windows, crps, gaussian_moves, main
from benchmarks.series_data import load_fan, load_series
from benchmarks.series_imputation import hide
from benchmarks.series_imputation import main as gaps_main
from synthkit.metrics import score_series


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_t(4, size=(1500, 2)), axis=0))
    pd.DataFrame(close, columns=["AUD", "GBP"]).to_csv(tmp_path / "exchange_rate.csv.gz", index=False)
    return tmp_path


def test_dev_sees_no_row_of_the_final_holdout_and_blocks_are_purged(data):
    dev, final = load_series("exchange_rate", data), load_series("exchange_rate", data, dev=False)
    assert not set(final.holdout["t"]) & (set(dev.train["t"]) | set(dev.holdout["t"]))
    for split in (dev, final):
        gap = np.abs(split.train["t"].to_numpy()[:, None] - split.holdout["t"].to_numpy()).min()
        assert gap > 24
        assert max(split.holdout["t"].max(), split.train["t"].max()) < 1200  # the last fifth is for fans
    fan = load_fan("exchange_rate", data)
    assert fan.train["t"].max() + 1 == fan.holdout["t"].min() and fan.holdout["t"].max() < 1200


def test_crps_of_a_normal_law():
    rng = np.random.default_rng(0)
    found = crps(rng.normal(size=(2000, 50)), np.zeros(50)).mean()
    assert found == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), rel=0.03)  # 2 phi(0) - 1 / sqrt(pi)


def test_the_copula_keeps_margins_and_dependence_of_windows():
    rng = np.random.default_rng(0)
    walk = np.exp(rng.normal(size=(800, 6, 1)).cumsum(axis=1))
    drawn = copula_windows(walk, 800, 1, window=6)
    assert drawn.min() >= walk.min() and drawn.max() <= walk.max()
    real, made = (np.corrcoef(np.log(x[:, :, 0]), rowvar=False) for x in (walk, drawn))
    assert np.abs(real - made).max() < 0.12


def test_normal_moves_have_the_spread_and_not_the_tails(data):
    split = load_series("exchange_rate", data)
    table = gaussian_moves(split, 3, 600, 0)
    assert list(table.columns) == list(split.train.columns)
    found = score_series(split.train, table, time="t", metrics=["stylised_facts", "acf"])
    assert found.found["stylised_facts"].parts["fat tails"] == 0.0
    assert found["acf"] < 0.1


def test_the_command_line_writes_a_line_per_run(data, capsys):
    out = data / "lines.jsonl"
    told = ["--data", str(data), "--datasets", "exchange_rate", "--out", str(out), "--models"]
    main([*told, "stationary", "gaussian"])
    main([*told, "filtered", "--fans"])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["model"] for line in lines] == ["stationary", "gaussian", "filtered"]
    assert lines[0]["acf"] < 0.2 and lines[0]["window_detection"] < lines[1]["window_detection"]
    assert 0.6 < lines[2]["cover"] <= 1.0 and 0 < lines[2]["crps"] < 2
    assert "window_detection" in capsys.readouterr().out


def test_gaps_are_runs_of_one_column_or_of_all(data):
    table = pd.read_csv(data / "exchange_rate.csv.gz")
    for pattern, wanted in (("points", False), ("blocks", False), ("rows", True)):
        mask = hide(table, None, ["AUD", "GBP"], pattern, 0)
        assert 0.08 < mask.mean() < 0.12
        assert bool((mask.all(1) == mask.any(1)).all()) == wanted
        if pattern != "points":
            begin = np.flatnonzero(np.diff(mask[:, 0].astype(int), prepend=0) == 1)
            assert (np.add.reduceat(mask[:, 0], begin) % 24 == 0).all()


def test_gaps_are_scored_and_written(data, capsys):
    out = data / "gaps.jsonl"
    gaps_main(["--data", str(data), "--datasets", "exchange_rate", "--patterns", "points", "--out", str(out)])
    lines = {line["method"]: line for line in map(json.loads, out.read_text().splitlines())}
    assert lines["auto"]["mae"] < 1.1 * lines["linear"]["mae"] < 1.3 * lines["last"]["mae"]
    assert 0.75 < lines["auto"]["cover"] <= 1 and "exchange_rate" in capsys.readouterr().out
