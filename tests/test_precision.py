"""Who computes in double precision gets the same tables: torch's default is the caller's, not the models'."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import SequenceSynthesizer, TabularSynthesizer
from synthkit.runtime import single_precision


@pytest.fixture
def double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64, "the caller's default is changed"
    torch.set_default_dtype(before)


def _table(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    table = pd.DataFrame({"x": rng.normal(size=rows), "kind": rng.choice(list("abc"), rows)})
    table.loc[::9, "x"] = np.nan
    return table


def _tables(model: str, path) -> list[pd.DataFrame]:
    table = _table(np.random.default_rng(0), 200)
    TabularSynthesizer(model, max_steps=3, random_state=0).fit(table).save(path)
    loaded = TabularSynthesizer.load(path)
    return [loaded.sample(20, seed=1), loaded.sample(5, where={"kind": "a"}, seed=1), loaded.impute(table, seed=1)]


def _panels(model: str, path) -> list[pd.DataFrame]:
    table = _table(np.random.default_rng(1), 150)
    table["who"], table["day"] = np.arange(150) // 5, np.arange(150) % 5
    SequenceSynthesizer(model, entity="who", time="day", max_steps=3, random_state=0).fit(table).save(path)
    loaded = SequenceSynthesizer.load(path)
    return [loaded.sample(4, seed=1), loaded.extend(table, 2, seed=1), loaded.impute(table, seed=1)]


def _series(model: str, path) -> list[pd.DataFrame]:
    noise = np.random.default_rng(2).normal(size=300)
    x = [0.0]
    for e in noise:
        x.append(0.8 * x[-1] + e)
    series = pd.DataFrame({"x": x[1:]})
    SequenceSynthesizer(model, max_steps=3, random_state=0).fit(series).save(path)
    loaded = SequenceSynthesizer.load(path)
    return [loaded.sample(length=30, seed=1), loaded.extend(series, 5, seed=1)]


@pytest.mark.parametrize("model", ["autoregressive", "gan", "vae"])
def test_tables_are_the_same(model, tmp_path, double):
    drawn = _tables(model, tmp_path / "model.sk")
    with single_precision():
        usual = _tables(model, tmp_path / "usual.sk")
    for own, other in zip(drawn, usual, strict=True):
        pd.testing.assert_frame_equal(own, other, check_exact=True)


@pytest.mark.parametrize("model", ["autoregressive", "gan", "vae"])
@pytest.mark.parametrize("make", [_panels, _series])
def test_records_are_fitted_drawn_and_filled(make, model, tmp_path, double):
    for drawn in make(model, tmp_path / "model.sk"):
        assert len(drawn) and drawn["x"].notna().any() and np.isfinite(drawn["x"].dropna()).all()
