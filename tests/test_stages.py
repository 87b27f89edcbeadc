"""Several stages: who moves when, what decides, repeats, recoveries; and the criterion that judges drawn rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from synthkit.criterion import Criterion
from synthkit.errors import SynthkitWarning
from synthkit.layout import Encoded
from synthkit.models import VAE, ConditionalGAN
from synthkit.models.base import Model, Phase, Recipe, Stage, draw_codes
from synthkit.models.independent import fill_offsets
from synthkit.progress import Progress
from synthkit.runtime import seeded
from synthkit.stages import Stages
from synthkit.testing import tiny_law
from synthkit.trainer import Trainer

LAW = tiny_law()
TRAIN, HELD = LAW.draw(3000, 1), LAW.draw(2000, 2)
RECIPE = Recipe(steps=60, batch_size=128, every=10, patience=50, warmup=5, lr=2e-2)


class TwoHalves(Model):
    """Marginals whose even columns learn in the first stage, and the odd ones in the second."""

    def __init__(self, judge: str = "loss", faults: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.layout, self.faults, self.calls, self.begun = LAW.layout, faults, 0, []
        sizes = [LAW.layout.fields[i].size for i in LAW.layout.cat]
        self.even = nn.ParameterList(nn.Parameter(torch.zeros(1, n)) for n in sizes[::2])
        self.odd = nn.ParameterList(nn.Parameter(torch.linspace(2, 0, n)[None]) for n in sizes[1::2])
        self.stages = (
            Stage("evens", 0.5, (Phase("even", ("even",)),)),
            Stage("odds", 0.5, (Phase("odd", ("odd",)), Phase("again", ("odd",), every=2)), judge, {"ema": 0.5}),
        )

    def begin(self, stage, data, weight=None):
        self.begun.append((stage.name, len(data), self.training))

    def logits(self, slot: int) -> torch.Tensor:
        return (self.odd if slot % 2 else self.even)[slot // 2][0]

    def forward(self, partial, target, phase="all"):
        self.calls += self.training
        out = torch.zeros(len(target))
        for slot in range(self.layout.n_cat):
            law = self.logits(slot).log_softmax(0)
            counts = target.cat_known[:, slot] & ~partial.cat_known[:, slot]
            out = out - torch.where(counts, law[target.cat[:, slot].long()], 0.0)
        self.logged = {"mean code": target.cat.float().mean()}
        return out * torch.nan if self.training and self.calls in self.faults else out

    def complete(self, partial, allowed=None):
        cat = [draw_codes(self.logits(s).expand(len(partial), -1)) for s in range(self.layout.n_cat)]
        codes, all_ = torch.stack(cat, 1).to(partial.cat.dtype), torch.ones_like(partial.cat_known)
        _, open_ = self.layout.applies(Encoded(partial.num, codes, partial.num_known, all_))
        drawn = Encoded(partial.num, codes * open_, partial.num_known, open_)
        fill_offsets(self.layout, drawn, {})
        return drawn


def same(a: Model, b: Model) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_each_stage_moves_its_own_parameters():
    model, seen = TwoHalves(), {}
    start = {name: p.detach().clone() for name, p in model.named_parameters()}

    def look(progress: Progress) -> None:
        seen[progress.step] = {name: p.detach().clone() for name, p in model.named_parameters()}

    stages = Stages(RECIPE, progress=look)
    stages.fit(model, TRAIN, HELD)
    assert model.begun == [("evens", 3000, False), ("odds", 3000, False)]
    moved = {step: {n for n in start if not torch.equal(now[n], start[n])} for step, now in seen.items()}
    evens, odds = ({n for n in start if n.startswith(half)} for half in ("even", "odd"))
    assert moved[30] == evens and moved[60] == evens | odds
    assert all(torch.equal(seen[40][n], seen[60][n]) for n in evens)
    assert all(p.requires_grad for p in model.parameters()) and not model.training


def test_the_log_runs_over_all_stages():
    history = Stages(RECIPE).fit(TwoHalves(), TRAIN, HELD)
    assert [p.step for p in history] == [10, 20, 30, 40, 50, 60] and {p.planned for p in history} == {60}
    assert [p.stage for p in history] == ["evens"] * 3 + ["odds"] * 3
    assert set(history[0].losses) == {"even", "mean code"} and set(history[-1].losses) == {"odd", "again", "mean code"}
    assert [p.seconds for p in history] == sorted(p.seconds for p in history)


def test_steps_by_stage_repeat_a_fit():
    first, again, other = TwoHalves(), TwoHalves(), TwoHalves()
    stages = Stages(RECIPE, max_steps=[20, 10])
    stages.fit(first, TRAIN, HELD)
    assert stages.steps == (20, 10)
    Stages(RECIPE, max_steps=stages.steps).fit(again, TRAIN, HELD)
    shared = Stages(RECIPE, max_steps=30)
    shared.fit(other, TRAIN, HELD)
    assert same(first, again) and not same(first, other) and shared.steps == (15, 15)


def test_the_clock_leaves_every_stage_its_turn():
    stages = Stages(RECIPE, max_seconds=1e-9)
    stages.fit(TwoHalves(), TRAIN, HELD)
    assert stages.steps == (1, 1) and stages.last.stopped_by == "max_seconds"


def test_a_callback_stops_all_stages():
    stages = Stages(RECIPE, progress=lambda p: p.step >= 20)
    with pytest.warns(SynthkitWarning, match="stopped before 'odds'"):
        stages.fit(TwoHalves(), TRAIN, HELD)
    assert stages.steps == 20 and stages.last.stopped_by == "the progress callback"


def test_what_is_left_out_is_still_usable():
    """A model whose last stage was never trained draws from what that stage takes from the data in closed form."""
    known = tiny_law()
    data = known.draw(2000)
    for spec, stage in (
        (VAE(latents=8, width=48, depth=1, prior_width=16), "elbo"),
        (ConditionalGAN(width=32), "warm"),
    ):
        with seeded(0, data.cat.device):
            model = spec.build(known.layout, data)
        recipe = replace(spec.recipe(len(data)), every=10)
        with pytest.warns(SynthkitWarning, match="stopped before"):
            Stages(recipe, progress=lambda p, s=stage: p.stage == s and p.step >= 150).fit(model, data)
        model.finish(data)
        assert not bool(getattr(model, "refereed", torch.zeros(()))), "an untrained critic must not pick"
        with seeded(1, data.cat.device):
            drawn = model.complete(known.layout.empty(4000))
        for k in range(data.cat.shape[1]):
            laws = [torch.bincount(t.cat[t.cat_known[:, k], k].long(), minlength=9) / len(t) for t in (drawn, data)]
            assert (laws[0] - laws[1]).abs().sum() / 2 < 0.1, (stage, k)


def test_drawn_rows_decide_where_the_loss_cannot():
    """A rate that throws the weights about: the best averaged weights by score are kept, and the start may be them."""
    model = TwoHalves("samples")
    history = Stages(replace(RECIPE, steps=120, lr=0.1)).fit(model, TRAIN, HELD)
    odds = [p for p in history if p.stage == "odds"]
    assert odds[0].step == 60 and all(p.score is not None and p.valid_loss is None for p in odds)
    assert all(p.drawn is not None and 0 < len(p.drawn) <= 1000 for p in odds)
    assert odds[-1].score < odds[0].score - 0.05, "the odd columns start far off"
    criterion = Criterion(LAW.layout, TRAIN, HELD, 7)
    wild = TwoHalves("samples")
    trainer = Trainer(replace(RECIPE, lr=30.0), stage=wild.stages[1], criterion=criterion)
    trainer.fit(wild, TRAIN, HELD)
    assert criterion(wild)[0] == min(p.score for p in trainer.history)


def test_a_loss_that_is_not_finite_goes_back_to_the_best_weights():
    model = TwoHalves(faults=(25,))  # in the first stage, after two validations
    stages = Stages(RECIPE)
    with pytest.warns(SynthkitWarning, match=r"evens loss was not finite at step 30.*goes on"):
        stages.fit(model, TRAIN, HELD)
    assert all(torch.isfinite(p).all() for p in model.parameters()) and stages.steps == (30, 30)
    always = TwoHalves(faults=tuple(range(15, 1000)))
    with pytest.warns(SynthkitWarning) as caught:
        trainer = Trainer(replace(RECIPE, steps=500), stage=always.stages[0])
        trainer.fit(always, TRAIN, HELD)
    told = ["training stops" in str(warning.message) for warning in caught]
    assert told == [False, False, False, True] and trainer.stopped_by == "divergence"
    assert all(torch.isfinite(p).all() for p in always.parameters())


# ---------------------------------------------------------------- the criterion
class Fixed:
    """Draws from what it is given."""

    def __init__(self, draw) -> None:
        self.layout, self.draw = LAW.layout, draw

    def parameters(self):
        return iter(())

    def complete(self, partial):
        return self.draw(len(partial))


def test_the_criterion_tells_good_draws_from_bad_ones():
    def shuffled(rows: int) -> Encoded:
        """True marginals without dependence."""
        data = LAW.draw(rows, 9)
        generator = torch.Generator().manual_seed(0)
        order = [torch.randperm(rows, generator=generator) for _ in LAW.layout.groups]
        at = torch.stack([order[LAW.layout.fields[i].column] for i in LAW.layout.cat], 1)
        return replace(data, cat=data.cat.gather(0, at), cat_known=data.cat_known.gather(0, at))

    criterion = Criterion(LAW.layout, TRAIN, HELD, 0)
    fresh, rows = criterion(Fixed(lambda n: LAW.draw(n, 5)))
    assert 0.5 <= fresh < 0.56 and len(rows) == 1000
    assert criterion(Fixed(shuffled))[0] > fresh + 0.1
    assert Criterion(LAW.layout, TRAIN, HELD, 0)(Fixed(lambda n: LAW.draw(n, 5)))[0] == fresh
    few = Criterion(LAW.layout, TRAIN.take(slice(0, 5)), HELD.take(slice(0, 3)), 0)
    assert few(Fixed(lambda n: LAW.draw(n, 5)))[0] >= 0.5
