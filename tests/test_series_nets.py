"""Nets of long series: the contract of series models, laws that the closed form has not, chaining without seams."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from synthkit import SequenceSynthesizer
from synthkit.errors import ParamError, SynthkitWarning, TrainingError
from synthkit.progress import Progress
from synthkit.series import SERIES_MODELS, Budget, FittedSeries, SeriesSpec, SeriesVAE, vae
from synthkit.series.chained import ChainedSeries
from synthkit.series.nets import Training

Floats = NDArray[np.float64]
NETS = ("gan", "vae")
QUICK = {"steps": 30, "width": 16, "depth": 2, "batch_size": 48}


def quick(name: str) -> SeriesSpec:
    return SERIES_MODELS[name](**QUICK) if name in NETS else SERIES_MODELS[name]()


def heavy(rows: int = 1200, seed: int = 0) -> Floats:
    """Two autoregressions of .6 whose errors, Student's of 4 degrees, correlate by .7; of spread 1."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((rows, 2)) @ np.linalg.cholesky([[1.0, 0.7], [0.7, 1.0]]).T
    e *= np.sqrt(4 / rng.chisquare(4, (rows, 1))) / np.sqrt(2)
    x = np.zeros((rows, 2))
    for t in range(1, rows):
        x[t] = 0.6 * x[t - 1] + 0.8 * e[t]
    return (x - x.mean(0)) / x.std(0)


def seasons(rows: int) -> Floats:
    """``(rows, 2)`` calendar of a day of 24 hours."""
    turn = 2 * np.pi * np.arange(rows) / 24
    return np.stack([np.sin(turn), np.cos(turn)], 1)


@cache
def fitted(name: str, calendar: bool = False) -> FittedSeries:
    x = heavy()
    days = seasons(len(x)) if calendar else None
    return quick(name).fit(x, days, np.array([0, 700]), seed=3)


@pytest.mark.parametrize("name", sorted(SERIES_MODELS))
def test_every_model_keeps_the_contract(name: str) -> None:
    x, days = heavy(), seasons(1200)
    before, state = x.copy(), (torch.random.get_rng_state(), np.random.get_state()[1].copy())  # noqa: NPY002
    one = fitted(name, calendar=True)
    assert (x == before).all() and isinstance(one, SERIES_MODELS[name].fitted_class())
    free = one.draw(3, 50, None, days[None, :50], seed=1)
    assert free.shape == (3, 50, 2) and np.isfinite(free).all()
    assert (free == one.draw(3, 50, None, days[None, :50], seed=1)).all()
    assert not (free == one.draw(3, 50, None, days[None, :50], seed=2)).all()
    for length in (1, 5, 40, 400):  # shorter and longer than the memory
        past = x[None, -length:]
        assert one.draw(2, 7, past, days[None, : length + 7], seed=1).shape == (2, 7, 2)
    many = one.draw(2, 7, np.stack([x[:30], x[30:60]]), days[None, :37].repeat(2, 0), seed=1)
    assert many.shape == (2, 7, 2)
    assert (torch.random.get_rng_state() == state[0]).all() and (np.random.get_state()[1] == state[1]).all()  # noqa: NPY002
    value, arrays = one.to_state()
    again = SERIES_MODELS[name].fitted_class().from_state(value, arrays)
    assert (again.draw(3, 50, None, days[None, :50], seed=1) == free).all()
    assert again.memory == one.memory
    if not one.copies:
        held = np.concatenate([np.ravel(a).astype(float) for a in arrays.values()])
        assert np.isin(x[5:-5].ravel(), held).mean() < 0.02, "no training row is in the file"


@pytest.mark.parametrize("name", NETS)
def test_the_same_seed_trains_the_same_net(name: str) -> None:
    x = heavy()
    own = quick(name).fit(x, None, np.array([0, 700]), seed=3)
    assert (own.draw(2, 40, seed=1) == fitted(name).draw(2, 40, seed=1)).all()


def acf(x: Floats, lag: int = 1) -> float:
    """Of paths ``(n, length)``."""
    y = x - x.mean()
    return float((y[:, lag:] * y[:, :-lag]).mean() / (y**2).mean())


@cache
def trained(name: str) -> ChainedSeries:
    """Nets that are in draws for certain, whatever held-out blocks say of so short a training."""
    out = fitted(name)
    assert isinstance(out, ChainedSeries)
    value, arrays = out.to_state()
    forced = ChainedSeries.from_state({**value, "share": 1.0}, arrays)
    return forced


@pytest.mark.parametrize("name", NETS)
def test_a_law_with_heavy_tails_is_found_again(name: str) -> None:
    x, drawn = heavy(), trained(name).draw(6, 1200, seed=1)
    flat = drawn.reshape(-1, 2)
    assert np.abs(flat.mean(0)).max() < 0.15 and np.abs(flat.std(0) - 1).max() < 0.2
    assert abs(np.corrcoef(flat.T)[0, 1] - np.corrcoef(x.T)[0, 1]) < 0.08
    for j in range(2):
        assert abs(acf(drawn[..., j]) - acf(x[None, :, j])) < 0.08
        for q in (0.01, 0.99):
            assert abs(np.quantile(flat[:, j], q) / np.quantile(x[:, j], q) - 1) < 0.25
    assert np.mean(np.abs(flat) > 4) > 0, "tails are heavy"


@pytest.mark.parametrize("name", NETS)
def test_blocks_are_chained_without_seams(name: str) -> None:
    net = trained(name)
    drawn = net.draw(60, 960, seed=2)
    change = np.diff(drawn, axis=1)
    border = np.arange(1, 960) % net.sizes.block == 0
    sizes = [np.abs(change[:, rows]).mean() for rows in (border, ~border)]
    assert abs(sizes[0] / sizes[1] - 1) < 0.05, "steps over a border are as large as others"
    y = np.clip(drawn - drawn.mean((0, 1)), -2, 2)  # else a few steps of 4 degrees of freedom are half of a product
    product = (y[:, 1:] * y[:, :-1]).mean((0, 2))
    assert abs(product[border].mean() / product[~border].mean() - 1) < 0.06, "and go on as much"


@pytest.mark.parametrize("name", NETS)
def test_levels_come_back_over_thousands_of_steps(name: str) -> None:
    rng = np.random.default_rng(4)
    x = np.zeros((1600, 1))
    for t in range(1, 1600):
        x[t] = 0.97 * x[t - 1] + 0.24 * rng.normal()
    net = quick(name).fit((x - x.mean()) / x.std(), seed=0)
    assert isinstance(net, ChainedSeries)
    net.share = 1.0
    drawn = net.draw(4, 5000, past=np.full((1, 1, 1), 2.5), seed=1)
    late = drawn[:, -3000:]
    assert np.isfinite(drawn).all() and np.abs(late.mean(1)).max() < 0.8 and 0.5 < late.std() < 1.5


@pytest.mark.parametrize("name", NETS)
def test_extensions_know_where_they_start(name: str) -> None:
    net = trained(name)
    high, low = (net.draw(300, 3, np.full((1, 60, 2), level), seed=1)[:, 0].mean() for level in (2.0, -2.0))
    assert high - low > 1.5  # .6 of 4, less what shrinks


def test_the_vae_finds_a_scale_that_hangs_on_another_channel() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=2500)
    b = np.exp(-1.2 * np.abs(a)) * rng.normal(size=2500)  # calm where the other is wild: no t copula has that
    x = np.stack([a, b / b.std()], 1)
    net = SeriesVAE(**{**QUICK, "steps": 200, "batch_size": 128, "lr": 5e-3}).fit(x, seed=0)
    closed, drawn = (_wide(v) for v in (net.whitener.closed.draw(4, 1500, seed=1), net.draw(4, 1500, seed=1)))
    assert net.share > 0 and net.gain > 0.05
    assert drawn < closed + 0.5 * (_wide(x[None]) - closed)


def _wide(x: Floats) -> float:
    """Log of the second channel's size where the first is large, over that where it is small."""
    a, b = np.abs(x[..., 0]), np.abs(x[..., 1])
    return float(np.log(b[a > 0.8].mean() / b[a <= 0.8].mean()))


@pytest.mark.parametrize("name", NETS)
def test_tables_files_and_limits(name: str, tmp_path: Path) -> None:
    price = 50 * np.exp(np.cumsum(0.01 * heavy(600), axis=0))
    table = pd.DataFrame(price, columns=["a", "b"], index=pd.bdate_range("2020-01-01", periods=600, name="day"))
    steps: list[Progress] = []
    recipe = SERIES_MODELS[name](**QUICK)
    one = SequenceSynthesizer(recipe, random_state=0, max_steps=10, progress=steps.append).fit(table)
    made = one.sample(length=40, n=2, seed=1)
    assert [p.step for p in steps] == [10] and steps[0].planned == 10
    assert (made > 0).all(axis=None) and len(made) == 80
    one.save(tmp_path / "s.synthkit")
    again = SequenceSynthesizer.load(tmp_path / "s.synthkit")
    assert again.sample(length=40, n=2, seed=1).equals(made)
    assert again.extend(table, 5, n=3, seed=1).equals(one.extend(table, 5, n=3, seed=1))


@pytest.mark.parametrize("name", NETS)
def test_too_few_rows_and_bad_settings_are_told(name: str) -> None:
    x = heavy(120)
    with pytest.warns(SynthkitWarning, match="too few"):
        net = quick(name).fit(x, seed=0)
    assert isinstance(net, ChainedSeries) and net.share == 0
    assert np.isfinite(net.draw(2, 20, seed=0)).all()
    with pytest.raises(TrainingError):
        quick(name).fit(x[:30], seed=0)
    with pytest.raises(ParamError, match="block"):
        SERIES_MODELS[name](block=1).check_params()


def test_a_budget_ends_training_and_an_interrupt_keeps_what_was_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    x = heavy()
    assert Budget(9.0, 5).after(2.0) == Budget(7.0, 5)  # what is beneath a net takes of its time
    assert Budget(9.0).after(20.0) == Budget(1.0) and Budget(0.5).after(20.0) == Budget(0.5)
    assert Budget(steps=5).after(20.0) == Budget(steps=5)
    short = Training(torch.nn.Linear(1, 1), lambda k: None, lambda: 0.0, 10**6, seconds=0.0).run()
    assert short.stopped_by == "seconds" and len(short.losses) == 2

    with pytest.warns(SynthkitWarning, match="'max_seconds' leaves no time"):
        none = SeriesVAE(**QUICK).fit(x[:400], seed=0, budget=Budget(seconds=1e-3))
    closed = none.whitener.closed  # type: ignore[attr-defined]
    assert none.share == 0  # type: ignore[attr-defined]
    assert none.draw(40, 50, seed=0).std() == pytest.approx(closed.draw(40, 50, seed=0).std(), rel=0.1)

    told: list[int] = []
    stop = Budget(progress=lambda p: told.append(p.step) is None)
    SeriesVAE(**{**QUICK, "steps": 10**6}).fit(x, seed=0, budget=stop)
    assert told == [50]  # it was told once, and ended the training

    def price(step: int, beta: float) -> float:
        if step > 20:
            raise KeyboardInterrupt
        return beta

    monkeypatch.setattr(vae, "_price", price)
    with pytest.warns(SynthkitWarning, match="interrupted"):
        kept = SeriesVAE(**QUICK).fit(x, seed=0)
    assert np.isfinite(kept.draw(1, 20, seed=0)).all()
