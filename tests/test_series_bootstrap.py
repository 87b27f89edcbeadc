"""Bootstraps of series: blocks of known length, GARCH's parameters, and draws that are made of training rows."""

from __future__ import annotations

import numpy as np
import pytest

from synthkit.blockwise import block_length, block_rows
from synthkit.errors import ParamError, TrainingError
from synthkit.series import SERIES_MODELS, SeriesBootstrap
from synthkit.series.bootstrap import FittedBootstrap, garch

KINDS = ("stationary", "circular", "moving", "filtered")


def clustered(steps: int, seed: int = 0) -> np.ndarray:
    """GARCH(1, 1) with omega .05, alpha .1, beta .85, and Student residuals."""
    rng = np.random.default_rng(seed)
    h, out = 1.0, np.empty(steps)
    for t, z in enumerate(rng.standard_t(8, steps) / np.sqrt(8 / 6)):
        out[t] = np.sqrt(h) * z
        h = 0.05 + 0.1 * out[t] ** 2 + 0.85 * h
    return out


def test_the_best_block_grows_with_memory():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=4000)
    slow = np.zeros(4000)
    for t in range(1, 4000):
        slow[t] = 0.8 * slow[t - 1] + noise[t]
    assert block_length(noise) < 6
    # Politis and White: (2 g^2 / d)^(1/3) T^(1/3), of an AR(1) of .8 in closed form
    phi = 0.8
    level = 1 / (1 - phi) ** 2
    spread = 2 * phi / ((1 - phi) ** 2 * (1 - phi**2))
    best = (2 * spread**2 / (2 * level**2) * 4000) ** (1 / 3)
    assert 0.6 * best < block_length(slow) < 1.6 * best
    assert block_length(np.ones(100)) == 1.0


@pytest.mark.parametrize("kind", ["stationary", "circular", "moving"])
def test_blocks_have_their_length_and_stay_in_segments(kind):
    lengths = np.array([300, 200])
    rows = block_rows(lengths, 40, 1000, 10.0, kind=kind, rng=np.random.default_rng(0))
    segment = rows >= 300
    follows = (rows[:, 1:] == rows[:, :-1] + 1) & (segment[:, 1:] == segment[:, :-1])
    assert abs(follows.mean() - 0.9) < 0.01
    assert rows.min() >= 0 and rows.max() < 500
    if kind != "moving":  # each row is as likely
        assert np.bincount((rows // 50).ravel()) == pytest.approx(4000, rel=0.15)


def test_garch_is_recovered_and_noise_has_none():
    omega, alpha, beta = garch(clustered(8000))
    assert alpha == pytest.approx(0.1, abs=0.04) and beta == pytest.approx(0.85, abs=0.06)
    assert omega / (1 - alpha - beta) == pytest.approx(1.0, rel=0.25)
    assert garch(np.random.default_rng(0).normal(size=2000))[1] < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_finite_repeatable_and_keep_the_law(kind):
    x = np.stack([clustered(3000), clustered(3000, 1)], 1) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    before = x.copy()
    fitted = SeriesBootstrap(kind=kind).fit(x)
    drawn = fitted.draw(4, 1500, seed=3)
    assert drawn.shape == (4, 1500, 2) and np.isfinite(drawn).all() and fitted.copies
    assert (drawn == fitted.draw(4, 1500, seed=3)).all() and (x == before).all()
    assert np.corrcoef(drawn.reshape(-1, 2), rowvar=False)[0, 1] == pytest.approx(
        np.corrcoef(x, rowvar=False)[0, 1], abs=0.06
    )
    size = np.abs(drawn[..., 0])
    assert np.corrcoef(size[:, 1:].ravel(), size[:, :-1].ravel())[0, 1] > 0.04  # clustering stays
    if kind != "filtered":
        assert np.isin(drawn[..., 0], x[:, 0]).all()
    value, arrays = fitted.to_state()
    again = FittedBootstrap.from_state(value, arrays)
    assert (again.draw(2, 50, past=x[None, -60:], seed=1) == fitted.draw(2, 50, past=x[None, -60:], seed=1)).all()


def test_a_filtered_path_goes_on_from_the_scale_and_the_level_of_the_past():
    fitted = SeriesBootstrap(kind="filtered").fit(clustered(4000)[:, None])
    calm, wild = np.full((1, 100, 1), 0.05), np.tile([[4.0], [-4.0]], (50, 1))[None]
    spread = [fitted.draw(400, 5, past=past, seed=0).std() for past in (calm, wild)]
    assert spread[1] > 2 * spread[0]


def test_too_few_rows_and_bad_settings_are_told():
    assert SERIES_MODELS["bootstrap"] is SeriesBootstrap
    with pytest.raises(TrainingError, match="too few"):
        SeriesBootstrap().fit(np.zeros((10, 1)))
    with pytest.raises(ParamError, match="kind"):
        SeriesBootstrap(kind="other").check_params()
