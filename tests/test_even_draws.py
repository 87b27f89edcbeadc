"""Even draws: every number is uniform by itself, and rows that are alike share their luck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from synthkit import TabularSynthesizer
from synthkit.models.autoregressive import Autoregressive
from synthkit.models.even import even_uniforms


def _drawn(x: torch.Tensor, times: int) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.stack([even_uniforms(x) for _ in range(times)])


def test_each_number_is_uniform_whatever_the_others_are() -> None:
    for rows in (1, 2, 5, 12):
        numbers = _drawn(torch.arange(float(rows))[:, None].repeat(1, 3), 4000)
        assert float(numbers.min()) >= 0 and float(numbers.max()) < 1
        at = torch.tensor([0.1, 0.25, 0.5, 0.8])
        below = (numbers[..., None] < at).double().mean(0)
        assert float((below - at).abs().max()) < 5 * 0.5 / 4000**0.5


def test_every_branch_of_like_rows_is_spread_over_the_unit_interval() -> None:
    kind = torch.arange(64) % 4
    x = torch.nn.functional.one_hot(kind, 4).float() @ torch.tensor([[8.0, 0], [8, 1], [-8, 0], [-8, 1]])
    for numbers in _drawn(x, 20):
        assert torch.equal((numbers * 64).long().sort().values, torch.arange(64))
        for k in range(4):  # sixteen rows of a kind: one in each sixteenth
            assert torch.equal((numbers[kind == k] * 16).long().sort().values, torch.arange(16))


def test_no_rows_and_places_in_the_table_say_nothing() -> None:
    assert even_uniforms(torch.zeros(0, 3)).shape == (0,)
    numbers = _drawn(torch.zeros(8, 2), 4000)
    neighbours = ((numbers[:, ::2] < 0.5) != (numbers[:, 1::2] < 0.5)).double().mean(0)
    assert float((neighbours - 4 / 7).abs().max()) < 0.05  # of any two rows, not of those side by side alone


def test_counts_of_a_table_vary_less_than_by_chance_around_the_same_mean() -> None:
    rng = np.random.default_rng(0)
    a = rng.choice(["p", "q", "r"], 600, p=[0.5, 0.3, 0.2])
    table = pd.DataFrame({"a": a, "b": np.where(rng.random(600) < np.where(a == "p", 0.8, 0.2), "u", "v")})
    model = TabularSynthesizer(Autoregressive(), max_steps=60, random_state=0).fit(table)

    def share(drawn: pd.DataFrame) -> float:
        return float(((drawn["a"] == "p") & (drawn["b"] == "u")).mean())

    long_run = share(model.sample(20_000, seed=1))
    shares = np.array([share(model.sample(200, seed=seed)) for seed in range(40)])
    by_chance = np.sqrt(long_run * (1 - long_run) / 200)
    assert shares.std() < by_chance / 3
    assert abs(shares.mean() - long_run) < by_chance / 3
    assert abs(long_run - 0.4) < 0.06
    model.model_.spec = replace(model.model_.spec, even=False)
    shares = np.array([share(model.sample(200, seed=seed)) for seed in range(40)])
    assert by_chance / 1.5 < shares.std() < by_chance * 1.5
    pd.testing.assert_frame_equal(model.sample(50, seed=3), model.sample(50, seed=3))


def test_rows_that_ask_different_things_do_not_hang_together() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.choice(["p", "q"], 300), "b": rng.choice(["u", "v", "w"], 300)})
    model = TabularSynthesizer(Autoregressive(), max_steps=20, random_state=0).fit(table)
    asked = pd.DataFrame({"a": ["p", "q"] * 20})
    other = asked.assign(a=["p", "q"] * 10 + ["q", "p"] * 10)
    first, second = (model.sample(where=rows, seed=2)["b"] for rows in (asked, other))
    assert first.iloc[:20].tolist() == second.iloc[:20].tolist()
