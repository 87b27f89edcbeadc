"""Who computes in double precision gets the same tables: torch's default is the caller's, not the models'."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import SequenceSynthesizer, TabularSynthesizer
from synthkit.runtime import single_precision
from synthkit.series import SERIES_MODELS

NAMES = ("autoregressive", "gan", "vae")


@pytest.fixture
def double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64, "the caller's default is changed"
    torch.set_default_dtype(before)


def _table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=rows), "kind": rng.choice(list("abc"), rows)})
    table.loc[::9, "x"] = np.nan
    return table


def _drawn(model: str, table: pd.DataFrame, path) -> list[pd.DataFrame]:
    TabularSynthesizer(model, max_steps=1, random_state=0).fit(table).save(path)
    loaded = TabularSynthesizer.load(path)
    return [loaded.sample(6, where={"kind": "a"}, seed=1), loaded.impute(table.iloc[:10], seed=1)]


def test_tables_are_the_same(tmp_path, double):
    table = _table(60)
    drawn = _drawn("vae", table, tmp_path / "model.sk")
    with single_precision():
        usual = _drawn("vae", table, tmp_path / "usual.sk")
    for own, other in zip(drawn, usual, strict=True):
        pd.testing.assert_frame_equal(own, other, check_exact=True)


@pytest.mark.parametrize("model", ["autoregressive", "gan"])
def test_tables_are_fitted_drawn_and_filled(model, tmp_path, double):
    sample, filled = _drawn(model, _table(60), tmp_path / "model.sk")
    assert (sample["kind"] == "a").all() and np.isfinite(sample["x"].dropna()).all()
    assert filled.notna().all(axis=None)


@pytest.mark.parametrize("model", NAMES)
def test_panels_are_fitted_drawn_and_filled(model, tmp_path, double):
    table = _table(120)
    table["who"], table["day"] = np.arange(120) // 5, np.arange(120) % 5
    SequenceSynthesizer(model, entity="who", time="day", max_steps=1, random_state=0).fit(table).save(
        tmp_path / "model.sk"
    )
    loaded = SequenceSynthesizer.load(tmp_path / "model.sk")
    for drawn in (loaded.sample(3, seed=1), loaded.extend(table, 2, seed=1), loaded.impute(table, seed=1)):
        assert drawn["x"].notna().any() and np.isfinite(drawn["x"].dropna()).all()


@pytest.mark.parametrize("model", NAMES[1:])  # the third has no net
def test_series_are_fitted_and_drawn(model, double):
    x = np.random.default_rng(2).normal(size=(270, 1))
    net = SERIES_MODELS[model](steps=2, width=8, depth=1).fit(x, seed=0)
    assert np.isfinite(net.draw(1, 20, x[None, -5:], seed=1)).all()
