"""GAN and VAE of sequences: their parts against closed forms, and what they draw against a known law."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from synthkit import SequenceSynthesizer
from synthkit.errors import ParamError, SynthkitWarning
from synthkit.models.sequence_latent import SEQUENCE_MODELS, SequenceGAN, SequenceLatent, SequenceVAE
from synthkit.models.sequence_laws import Law
from synthkit.models.sequence_rows import Linear, SequenceEncoderNet, summaries
from synthkit.runtime import seeded
from synthkit.stages import Stages
from synthkit.synthesizers.latent_rolling import LatentRolling

KINDS = ["gan", "vae"]
SHIFT, BETWEEN, WITHIN = 1.5, 1.0, 0.5


def panel(entities: int, seed: int) -> pd.DataFrame:
    """Patients whose ``x`` is a level of their own plus noise; arm "b" is higher; ``y`` follows the level too."""
    rng = np.random.default_rng(seed)
    n = rng.integers(4, 9, entities)
    who = np.repeat(np.arange(entities), n)
    arm = rng.integers(0, 2, entities)
    level = SHIFT * arm + BETWEEN * rng.normal(size=entities)
    x = level[who] + WITHIN * rng.normal(size=len(who))
    return pd.DataFrame(
        {
            "who": who,
            "visit": np.arange(len(who)) - np.repeat(np.cumsum(n) - n, n),
            "arm": np.where(arm == 1, "b", "a")[who],
            "x": x.round(3),
            "y": np.where(level[who] + rng.normal(size=len(who)) > 1, "high", "low"),
        }
    )


@cache
def fitted(kind: str) -> SequenceSynthesizer:
    spec = SEQUENCE_MODELS[kind](law_steps=200)  # type: ignore[call-arg]
    synthesizer = SequenceSynthesizer(spec, entity="who", time="visit", random_state=0, max_steps=400)
    return synthesizer.fit(panel(250, 0))


@cache
def drawn(kind: str) -> pd.DataFrame:
    return fitted(kind).sample(600, seed=1)


# ---------------------------------------------------------------- the parts
def test_summaries_are_means_spreads_and_lengths_and_halves_read_every_other_row() -> None:
    x = torch.tensor([[1.0], [3.0], [1.0], [3.0], [7.0]])
    whole = summaries(x, torch.ones_like(x), torch.tensor([4, 1]))
    doubt = 0.5
    assert torch.allclose(whole[:, 0], torch.tensor([8 / (4 + doubt), 7 / (1 + doubt)]))
    assert torch.allclose(whole[:, 3], torch.tensor([1.0, 7.0])), "first values"
    assert torch.allclose(whole[:, 4], torch.tensor([4.0, 1.0]).log()), "lengths"
    odd, even = (summaries(x, torch.ones_like(x), torch.tensor([4, 1]), half) for half in (0, 1))
    assert torch.allclose(odd[:1, 0], torch.tensor([2 / (2 + doubt)]))
    assert torch.allclose(even[:1, 0], torch.tensor([6 / (2 + doubt)]))
    assert torch.allclose(even[:1, 3], torch.tensor([3.0])), "the first value of the other half"


def test_the_encoder_starts_with_as_many_directions_as_halves_agree_in() -> None:
    with seeded(0):
        trait = torch.randn(400, 2)
        noise = [torch.randn(400, 6) for _ in range(2)]
        context = torch.randn(400, 1)
    loading = torch.zeros(2, 6)
    loading[0, :2], loading[1, 2:4] = 2.0, 1.5
    halves = trait @ loading + noise[0], trait @ loading + noise[1]
    encoder = SequenceEncoderNet(6, 1, 6, 4)
    found = encoder.start((halves[0] + halves[1]) / 2, context, halves)
    assert 2 <= found <= 3, "two traits (and one in twenty of the other four by chance)"
    mean, log_var = encoder.eval()((halves[0] + halves[1]) / 2, context)
    told = torch.corrcoef(torch.cat([mean[:, :2], trait], 1).T)[:2, 2:]
    assert (told.square().sum(0) > 0.7).all(), "both traits can be read from the first latents"
    total = mean[:, :2].var(0) + log_var[:, :2].exp().mean(0)
    assert torch.allclose(total, torch.ones(2), atol=0.1), "means and posteriors together have variance 1"


def test_ridge_recovers_a_line() -> None:
    with seeded(0):
        c = torch.randn(500, 3)
        y = c @ torch.tensor([[1.0], [-2.0], [0.0]]) + 3 + 0.1 * torch.randn(500, 1)
    line = Linear(3, 1)
    line.fit(c, y)
    with torch.no_grad():
        assert (line(c) - y).square().mean() < 0.02


def law_of(kind: str, rows: int = 600) -> tuple[Law, Tensor, Tensor]:
    """A law whose first latent has two modes, which the context moves; the second is a noisy copy."""
    with seeded(3):
        c = torch.randn(rows, 1)
        mode = torch.where(torch.rand(rows) < 0.5, -1.5, 1.5)
        z = torch.stack([mode + c[:, 0] + 0.2 * torch.randn(rows), torch.zeros(rows)], 1)
        z[:, 1] = z[:, 0] + 0.3 * torch.randn(rows)
        spec = SEQUENCE_MODELS[kind](latents=2, law_steps=900, law_width=32)  # type: ignore[call-arg]
        assert isinstance(spec, SequenceLatent)
        law = spec.law(1)
        law.start(law.pack(z, torch.full_like(z, -6.0), c))
    return law, z, c


@pytest.mark.parametrize("kind", KINDS)
def test_the_closed_form_has_the_moments_of_the_latents_given_the_context(kind: str) -> None:
    law, z, c = law_of(kind)
    with seeded(0):
        free = law.draw(c.repeat(10, 1))
    assert torch.allclose(free.mean(0), z.mean(0), atol=0.15)
    assert torch.allclose(free.T.cov(), z.T.cov(), atol=0.5)
    one, two = (torch.corrcoef(torch.cat([x, y], 1).T)[0, 2] for x, y in ((z, c), (free, c.repeat(10, 1))))
    assert abs(one - two) < 0.1, "as near to the context"
    assert torch.allclose(law.latents_of(law.scores_of(z)), z, atol=1e-3), "scores are inverted"


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_that_explains_held_out_entities_better_is_kept(kind: str) -> None:
    law, z, c = law_of(kind)
    data = law.pack(z, torch.full_like(z, -6.0), c)
    rows, held = data.take(slice(0, 500)), data.take(slice(500, None))
    plain = law.plain(held)
    Stages(law.recipe(500), seed=0).fit(law, rows, held)
    law.judge(held, plain)
    assert bool(law.learnt)
    with seeded(0):
        left = law.draw(c)[:, 0] - c[:, 0]
        law.learnt.fill_(False)
        closed = law.draw(c)[:, 0] - c[:, 0]
    valley = [float((x.abs() < 0.7).float().mean()) for x in (left, closed)]
    assert valley[0] < 0.75 * valley[1], "between the modes there are fewer"
    law.judge(held, -1e9)
    assert not bool(law.learnt), "what is worse than the closed form is not used"


# ---------------------------------------------------------------- what is drawn
@pytest.mark.parametrize("kind", KINDS)
def test_levels_of_entities_and_effects_of_context_come_back(kind: str) -> None:
    real, free = panel(2000, 9), drawn(kind)
    assert list(free.columns) == list(real.columns) and (free.dtypes == real.dtypes).all()

    def parts(table: pd.DataFrame) -> tuple[float, float, float, float]:
        groups = table.groupby("who")
        mean, arm = groups["x"].mean(), groups["arm"].first()
        within = float(groups["x"].var().mean())
        effect = float(mean[arm == "b"].mean() - mean[arm == "a"].mean())
        left = mean - np.where(arm == "b", effect, 0.0)
        high = (table["y"] == "high").groupby(table["who"]).mean()
        return float(left.var()), within, effect, float(np.corrcoef(mean, high)[0, 1])

    truth, found = parts(real), parts(free)
    assert found[0] == pytest.approx(truth[0], rel=0.35), "variance between entities"
    assert found[1] == pytest.approx(truth[1], rel=0.5), "variance within"
    assert found[2] == pytest.approx(truth[2], abs=0.4), "effect of the context"
    assert found[3] > truth[3] - 0.2, "columns of an entity share its level"


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_files_and_conditions(kind: str, tmp_path: Path) -> None:
    synthesizer = fitted(kind)
    one = synthesizer.sample(20, seed=5)
    pd.testing.assert_frame_equal(one, synthesizer.sample(20, seed=5))
    assert not one.equals(synthesizer.sample(20, seed=6))
    synthesizer.save(tmp_path / "model.synthkit")
    again = SequenceSynthesizer.load(tmp_path / "model.synthkit")
    pd.testing.assert_frame_equal(one, again.sample(20, seed=5))
    assert isinstance(again.rolling_, LatentRolling)
    assert again.rolling_.told == synthesizer.rolling_.told and again.rolling_.active > 0
    given = synthesizer.sample(context=pd.DataFrame({"arm": ["b"] * 150 + ["a"] * 150}), length=5, seed=2)
    mean = given.groupby(["arm", "who"])["x"].mean()
    assert mean["b"].mean() - mean["a"].mean() == pytest.approx(SHIFT, abs=0.5)
    assert (given.groupby("who").size() == 5).all()


@pytest.mark.parametrize("kind", KINDS)
def test_extending_keeps_the_level_of_an_entity(kind: str) -> None:
    history = pd.DataFrame(
        {
            "who": np.repeat([1, 2], 5),
            "visit": list(range(5)) * 2,
            "arm": "a",
            "x": np.repeat([-1.2, 2.2], 5) + np.tile([0.3, -0.3, 0.0, 0.2, -0.2], 2),
            "y": np.repeat(["low", "high"], 5),
        }
    )
    more = fitted(kind).extend(history, 3, n=40, seed=0)
    level = more.groupby("who")["x"].mean()
    assert level[2] - level[1] > 1.7
    assert (more.groupby(["draw", "who"])["visit"].min() == 5).all()


def test_the_closed_form_is_all_that_few_entities_get() -> None:
    spec = SequenceVAE()
    synthesizer = SequenceSynthesizer(spec, entity="who", time="visit", protect=None, random_state=0, max_steps=20)
    with pytest.warns(SynthkitWarning, match="too few"):
        synthesizer.fit(panel(6, 1))
    assert not bool(synthesizer.rolling_.law.learnt)
    assert synthesizer.sample(4, seed=0)["who"].nunique() == 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_hangs_on_its_own_seed_alone(kind: str) -> None:
    found = []
    for state in (1, 2):
        with seeded(state):
            before = torch.random.get_rng_state()
            made = SequenceSynthesizer(kind, entity="who", time="visit", random_state=0, max_steps=3).fit(panel(40, 0))
            found.append(made.sample(20, seed=1))
            assert torch.equal(before, torch.random.get_rng_state()), "the caller's random state is moved"
    assert found[0].equals(found[1])


def test_bad_arguments_are_named() -> None:
    table = panel(30, 0)
    with pytest.raises(ParamError, match="model"):
        SequenceSynthesizer("gans", entity="who", time="visit").fit(table)
    with pytest.raises(ParamError, match="pack"):
        SequenceSynthesizer(SequenceGAN(pack=0), entity="who", time="visit").fit(table)
