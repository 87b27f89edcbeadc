"""The conditional GAN: its parts against closed forms, and what it draws against known laws."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from synthkit import TabularSynthesizer
from synthkit.layout import Encoded, Field, Layout
from synthkit.models import ConditionalGAN, pool
from synthkit.models.adversarial import ConditionalGANModel
from synthkit.models.blocks import Rows
from synthkit.models.objectives import critic_loss, generator_loss, penalty
from synthkit.models.straight import straight_through
from synthkit.runtime import seeded
from synthkit.stages import Stages
from synthkit.testing.tables import tiny_encoded, tiny_layout

QUICK = {"width": 48, "depth": 1, "noise": 8, "features": 8}


def coin(rows: int = 1000, share: float = 0.3) -> tuple[Layout, Encoded]:
    """One column of three codes: 1 in ``share`` of the rows, 2 in a tenth, else 0."""
    layout = Layout((Field(0, "code", 3),))
    data = layout.empty(rows)
    data.cat[: int(share * rows)] = 1
    data.cat[int(share * rows) : int((share + 0.1) * rows)] = 2
    data.cat_known[:] = True
    return layout, data


def built(layout: Layout, data: Encoded, **options: object) -> ConditionalGANModel:
    with seeded(0):
        return ConditionalGAN(**{**QUICK, **options}).build(layout, data).eval()  # type: ignore[arg-type]


def shares(data: Encoded, size: int = 3) -> Tensor:
    return torch.bincount(data.cat[:, 0].long(), minlength=size) / len(data)


# ---------------------------------------------------------------- straight-through draws
def test_draws_follow_the_softmax_and_gradients_its_slope() -> None:
    model = built(*coin())
    law = torch.tensor([0.5, 0.3, 0.2])
    logits = law.log().expand(1, 40_000, 3).clone().requires_grad_(True)
    with seeded(1):
        tokens, vectors = straight_through(model.vectors, [logits], 1.0)
    assert torch.equal(vectors.detach()[:, 0], model.vectors.table[tokens[:, 0]]), "forward, a code is a code"
    seen = torch.bincount(tokens[:, 0], minlength=3) / 40_000
    assert (seen - law).abs().max() < 4 * math.sqrt(0.25 / 40_000)
    vectors[:, 0, 1].sum().backward()  # the entry of code 1
    pull = model.vectors.table[:, 1]
    mean = logits.grad[0].mean(0)  # type: ignore[index]
    assert mean.sum().abs() < 1e-5, "a softmax does not change when all logits move together"
    assert mean[1] > 0 > max(mean[0], mean[2]) and pull[1] == pull.max()


def test_vectors_are_centred_and_those_of_rare_codes_bounded() -> None:
    layout, data = coin(share=0.001)
    vectors = built(layout, data).vectors
    law = vectors.cells.law
    assert (law @ vectors.table).abs().max() < 1e-5
    assert vectors.table.abs().max() <= 3 + 1e-5


def test_what_hangs_on_a_null_is_not_shown_to_the_critic() -> None:
    layout = Layout((Field(0, "null", 2), Field(0, "code", 3, (0, (0,))), Field(0, "weekday", 2, (0, (0,)))))
    data = layout.empty(100)
    data.cat_known[:] = True
    data.cat[:50, 0] = 1
    num, cat = layout.applies(data)
    model = built(layout, data.hide(~num, ~cat))
    assert model.vectors.applies(torch.tensor([[3, 0], [1, 0]])).tolist() == [[True, False], [True, True]]


# ---------------------------------------------------------------- the game
@pytest.mark.parametrize(
    ("loss", "critic", "generator"),
    [
        ("relativistic", math.log(2), math.log(2)),
        ("nonsaturating", 2 * math.log(2), math.log(2)),
        ("wgan-gp", 0.0, 0.0),
    ],
)
def test_losses_where_the_critic_cannot_tell(loss: str, critic: float, generator: float) -> None:
    level, better = torch.zeros(1), torch.ones(1)
    assert float(critic_loss(loss, level, level)) == pytest.approx(critic, abs=1e-4)
    assert float(generator_loss(loss, level, level)) == pytest.approx(generator, abs=1e-4)
    assert critic_loss(loss, better, level) < critic_loss(loss, level, level) < critic_loss(loss, level, better)
    assert generator_loss(loss, level, better) < generator_loss(loss, level, level)


def test_penalties_of_a_linear_critic() -> None:
    slope = torch.tensor([3.0, 4.0])

    def score(x: Tensor) -> Tensor:
        return x @ slope

    real, fake = torch.randn(6, 2), torch.randn(6, 2)
    assert torch.allclose(penalty("relativistic", score, real, fake), torch.full((6,), 2 * 25.0))
    assert torch.allclose(penalty("wgan-gp", score, real, fake), torch.full((6,), 16.0))


@pytest.mark.parametrize("loss", ["relativistic", "nonsaturating", "wgan-gp"])
def test_every_game_learns_a_dependence(loss: str) -> None:
    """Two columns of four codes that agree in 90 % of the rows; drawn apart they would in 25 %."""
    rng = np.random.default_rng(0)
    layout = Layout((Field(0, "code", 4), Field(1, "code", 4)))
    data = layout.empty(2000)
    first = rng.integers(4, size=2000)
    second = np.where(rng.random(2000) < 0.9, first, rng.integers(4, size=2000))
    data.cat[:] = torch.from_numpy(np.stack([first, second], 1))
    data.cat_known[:] = True
    options = {"loss": loss, "warm": 0.0, "referee": 0.0, "steps": 500, "penalty": 0.1 if loss != "wgan-gp" else 10.0}
    options |= {"critic_steps": 2, "steps": 800} if loss == "wgan-gp" else {}
    model = built(layout, data, lr=2e-3, critic_lr=4e-3, **options)
    Stages(model.spec.recipe(2000)).fit(model, data)
    with seeded(1):
        drawn = model.complete(layout.empty(2000))
    assert (drawn.cat[:, 0] == drawn.cat[:, 1]).float().mean() > 0.6


def test_stages_of_no_steps_are_left_out() -> None:
    names = [stage.name for stage in ConditionalGAN(warm=0.0, candidates=1).stages()]
    assert names == ["adversarial"]
    assert [s.name for s in ConditionalGAN().stages()] == ["warm", "adversarial", "referee"]
    assert sum(s.share for s in ConditionalGAN().stages()) == pytest.approx(1)


# ---------------------------------------------------------------- picking, settling
def test_wide_small_tables_get_larger_nets() -> None:
    def widths(fields: int, rows: int) -> int:
        layout = Layout(tuple(Field(i, "code", 3) for i in range(fields)))
        return ConditionalGAN().adapted(layout, rows).width

    assert [widths(n, 1000) for n in (3, 32, 40, 48, 200)] == [64, 64, 96, 128, 128]
    assert widths(3, 5000) == widths(200, 5000) == 256


def test_the_critic_picks_by_ratios_of_densities() -> None:
    """A critic that scores code 1 by log 3 triples its odds."""
    layout, data = coin()
    model = built(layout, data, candidates=64)
    for p in model.critic.parameters():
        p.data.zero_()
    model.refereed.fill_(True)
    with seeded(1):
        free = shares(model.complete(layout.empty(4000)))
    assert (free - shares(data)).abs().max() < 4 * math.sqrt(0.25 / 4000), "a critic without an opinion changes nothing"
    column = model.vectors.table[:, 1]
    slope = math.log(3) / float(column[1] - column[0])
    model.score = lambda vectors, given: vectors[:, 0, 1] * slope  # type: ignore[method-assign]
    with seeded(1):
        got = shares(model.complete(layout.empty(4000)))
    factor = ((column - column[0]) * slope).exp()
    expected = factor * shares(data) / (factor * shares(data)).sum()
    assert (got - expected).abs().max() < 0.03


def test_finish_makes_the_marginals_exact() -> None:
    layout, data = coin()
    model = built(layout, data, candidates=1)
    model.heads.bias[0].data[0, 0, 1] += 1.0
    with seeded(1):
        off = shares(model.complete(layout.empty(20_000)))
        model.finish(data)
        got = shares(model.complete(layout.empty(20_000)))
    assert off[1] > 0.45
    assert (got - shares(data)).abs().max() < 0.02


def test_latents_from_the_pool_follow_the_condition() -> None:
    """Of z uniform on (-1, 1), "1" has probability (1 + z) / 2: given "1" the mean of z is 1/3, given "0" -1/3."""
    layout, _ = coin()
    partial = layout.empty(3000)
    partial.cat[:1000] = 1
    partial.cat_known[:2000] = True
    rows = built(*coin()).cells.read(partial)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        z = torch.rand(count, 1) * 2 - 1
        return z, z[:, 0]

    def weigh(z: Tensor, one: Rows) -> Tensor:
        return ((1 + z) / 2 if int(one.tokens[0, 0]) else (1 - z) / 2).log()

    with seeded(0):
        found, at = pool.share(draw, weigh, rows, each=4)
        rare, left = pool.share(draw, lambda z, one: torch.where(z > 0.9, 0.0, -40.0), rows, least=0.1)
    assert found.shape == (2000, 4, 1) and sorted(at.tolist()) == list(range(2000)), "who asks nothing needs no pool"
    for wanted, asked in ((1 / 3, at < 1000), (-1 / 3, at >= 1000)):
        assert found[asked].mean() == pytest.approx(wanted, abs=0.03)
        assert found[asked].std(1).mean() > 0.3, "the latents of a row differ"
    assert rare.shape == (0, 1, 1) and not len(left), "a probability of a twentieth is less than a tenth"


def test_candidates_are_shared_by_rows_of_a_kind_and_none_is_used_twice() -> None:
    """An eighth without replacement, weights 1 and 2: of these 1 - exp(-t) and 1 - exp(-2 t), together 1/4."""
    kind = torch.arange(8000) % 2
    heavy = torch.rand(8000, 8, generator=torch.Generator().manual_seed(5)) < 0.5
    score = torch.where(heavy, math.log(2), 0.0)
    score[:2, 0] = 50.0  # one of each kind that must be taken
    with seeded(0):
        picked = pool.pick(score, kind)
    assert torch.equal(kind[picked // 8], kind) and len(picked.unique()) == 8000
    assert torch.isin(torch.tensor([0, 8]), picked).all()
    t = -math.log((-1 + math.sqrt(1 + 4 * 1.75)) / 2)  # x + x ** 2 = 7 / 4, x = exp(-t)
    assert heavy.flatten()[picked].float().mean() == pytest.approx((1 - math.exp(-2 * t)) * 4, abs=0.02)


def test_rows_of_a_common_value_are_like_free_rows_that_have_it() -> None:
    layout = Layout((Field(0, "code", 3), Field(1, "code", 3)))
    data = layout.empty(600)
    with seeded(2):
        data.cat[:] = torch.randint(3, (600, 2))
        data.cat_known[:] = True
        model = built(layout, data, candidates=1)
        model.heads.free[0].data.normal_(0, 8)  # both columns hang on the noise
        free = model.complete(layout.empty(40_000)).cat
        asked = layout.empty(20_000)
        asked.cat[:, 0], asked.cat_known[:, 0] = 1, True
        got = model.complete(asked).cat
    like = free[free[:, 0] == 1][:, 1:]
    alike = (torch.bincount(like[:, 0].long(), minlength=3) / len(like) - _second(got)).abs().max()
    assert got[:, 0].eq(1).all() and alike < 0.03
    assert (_second(free) - _second(got)).abs().max() > 0.1, "the columns depend on one another"


def _second(cat: Tensor) -> Tensor:
    return torch.bincount(cat[:, 1].long(), minlength=3) / len(cat)


# ---------------------------------------------------------------- whole tables
@pytest.fixture(scope="module")
def rare() -> tuple[pd.DataFrame, TabularSynthesizer]:
    """A class of 1 %, in which x and the colour are distributed otherwise."""
    table = draw_rare(np.random.default_rng(0), 8000)
    spec = ConditionalGAN(**QUICK, steps=2500, warm=0.6)  # type: ignore[arg-type]
    return table, TabularSynthesizer(spec, random_state=0).fit(table)


def draw_rare(rng: np.random.Generator, rows: int, share: float = 0.01) -> pd.DataFrame:
    ill = rng.random(rows) < share
    x = rng.normal(np.where(ill, 2.0, 0.0), 1.0)
    colour = np.where(rng.random(rows) < np.where(ill, 0.8, 0.3), "red", "blue")
    return pd.DataFrame({"x": x.round(3), "colour": colour, "ill": np.where(ill, "yes", "no")})


def test_a_class_of_one_per_cent_as_often_as_wished(rare: tuple[pd.DataFrame, TabularSynthesizer]) -> None:
    table, synthesizer = rare
    drawn = synthesizer.sample(10_000, where={"ill": "yes"}, seed=1)
    assert (drawn["ill"] == "yes").all()
    real = table.loc[table["ill"] == "yes"]
    halves = [ks_2samp(part, rest).statistic for part, rest in _halves(real["x"].to_numpy())]
    fresh = draw_rare(np.random.default_rng(1), 10_000, share=1.0)
    assert ks_2samp(drawn["x"], fresh["x"]).statistic <= np.mean(halves) + 0.02
    assert (drawn["colour"] == "red").mean() > 0.55, "nearer to the class's 0.8 than to the others' 0.3"


def _halves(values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    rng, half = np.random.default_rng(0), len(values) // 2
    return [(mixed[:half], mixed[half:]) for mixed in (rng.permutation(values) for _ in range(20))]


def test_classes_are_drawn_as_often_as_they_are(rare: tuple[pd.DataFrame, TabularSynthesizer]) -> None:
    """Not by the logarithm of their frequency, by which a class of 1 % would come up far more often."""
    table, synthesizer = rare
    drawn = synthesizer.sample(20_000, seed=2)
    assert abs((drawn["ill"] == "yes").mean() - (table["ill"] == "yes").mean()) < 0.004
    assert drawn["x"].mean() == pytest.approx(table["x"].mean(), abs=0.05)


def test_conditions_and_candidates_survive_a_file(
    rare: tuple[pd.DataFrame, TabularSynthesizer], tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, synthesizer = rare
    path = tmp_path_factory.mktemp("gan") / "a.synthkit"
    synthesizer.save(path)
    again = TabularSynthesizer.load(path)
    assert bool(again.model_.refereed)  # type: ignore[union-attr]
    where = {"ill": "yes", "colour": "red"}
    pd.testing.assert_frame_equal(again.sample(50, where=where, seed=3), synthesizer.sample(50, where=where, seed=3))


def test_each_loss_is_shown_by_its_name(rare: tuple[pd.DataFrame, TabularSynthesizer]) -> None:
    history = rare[1].history_
    assert {line.stage for line in history} == {"warm", "adversarial", "referee"}
    names = {line.stage: set(line.losses) for line in history if line.losses}
    assert names == {"warm": {"reconstruct"}, "adversarial": {"critic", "generator"}, "referee": {"referee"}}


def test_eval_losses_do_not_depend_on_random_numbers() -> None:
    data = tiny_encoded(60)
    model = built(tiny_layout(), data)
    nothing = model.layout.empty(60)
    for phase in ("all", "referee"):
        a, b = (_loss(model, nothing, data, phase, seed) for seed in (1, 2))
        assert torch.equal(a, b)


def _loss(model: ConditionalGANModel, partial: Encoded, target: Encoded, phase: str, seed: int) -> Tensor:
    with seeded(seed), torch.no_grad():
        out: Tensor = model(partial, target, phase)
    return out
