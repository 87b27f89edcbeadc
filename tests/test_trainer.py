"""The training loop: exact resume, exact repeats, graceful ends, weights, and errors that say what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from synthkit.errors import LoadError, SynthkitWarning, TrainingError
from synthkit.layout import Field, Layout
from synthkit.models import Autoregressive
from synthkit.models.base import Model, Recipe
from synthkit.progress import Progress
from synthkit.runtime import seeded
from synthkit.testing import tiny_law
from synthkit.trainer import Trainer

LAW = tiny_law()
TRAIN, VALID = LAW.draw(800, 1), LAW.draw(200, 2)
RECIPE = Recipe(steps=60, batch_size=128, every=10, patience=50, warmup=5)


class Marginals(Model):
    """The smallest model that trains: one softmax per coded field, one unit in all."""

    def __init__(self, layout: Layout, dropout: float = 0.0) -> None:
        super().__init__()
        self.layout, self.drop = layout, nn.Dropout(dropout)
        self.logits = nn.ParameterList(nn.Parameter(torch.zeros(1, layout.fields[i].size)) for i in layout.cat)

    def forward(self, partial, target, phase="all"):
        out = torch.zeros(len(target))
        for slot in range(self.layout.n_cat):
            law = self.drop(self.logits[slot])[0].log_softmax(0)
            counts = target.cat_known[:, slot] & ~partial.cat_known[:, slot]
            out = out - torch.where(counts, law[target.cat[:, slot].long()], 0.0)
        return out

    def complete(self, partial, allowed=None):
        raise AssertionError("a trainer draws nothing")

    def law(self, slot: int) -> torch.Tensor:
        return self.logits[slot][0].detach().softmax(0)


def autoregressive() -> Model:
    with seeded(0):
        return Autoregressive(width=16, patience=50).build(LAW.layout, TRAIN)


KINDS = {"nets with units": autoregressive, "one unit": lambda: Marginals(LAW.layout, dropout=0.3)}
kinds = pytest.mark.parametrize("kind", KINDS)


def lines(history: list[Progress]) -> list[Progress]:
    return [replace(p, seconds=0.0) for p in history]


def same(a: Model, b: Model) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def inner(trainer: Trainer) -> list[torch.Tensor]:
    """Averaged weights and the optimiser's state, which a resumed fit must have to the last bit."""
    state = [trainer._optimizer.state[p] for p in trainer._params]
    return [*trainer._ema, *(torch.as_tensor(s[key]) for s in state for key in sorted(s))]


# ---------------------------------------------------------------- repeats and resumes
@kinds
def test_the_best_step_is_the_last_that_was_kept(kind):
    trainer = Trainer(replace(RECIPE, lr=0.05))
    trainer.fit(KINDS[kind](), TRAIN, VALID)
    stopped, kept = KINDS[kind](), KINDS[kind]()
    assert 0 < trainer.best_step <= trainer.step and trainer.best_step % RECIPE.every == 0
    Trainer(replace(RECIPE, lr=0.05)).fit(kept, TRAIN, VALID)
    Trainer(replace(RECIPE, lr=0.05), max_steps=trainer.best_step).fit(stopped, TRAIN, VALID)
    assert same(stopped, kept), "what comes after the best step changes nothing"


@kinds
@pytest.mark.parametrize("cut", [20, 25, 60], ids=["at a validation", "between two", "at the end"])
def test_a_resumed_fit_is_bit_equal(kind, cut, tmp_path):
    whole, halves = KINDS[kind](), KINDS[kind]()
    uninterrupted = Trainer(RECIPE, seed=3)
    uninterrupted.fit(whole, TRAIN, VALID)
    Trainer(RECIPE, seed=3, max_steps=cut, checkpoint=tmp_path / "c").fit(halves, TRAIN, VALID)
    halves = KINDS[kind]()
    resumed = Trainer(RECIPE, seed=3)
    resumed.fit(halves, TRAIN, VALID, resume=tmp_path / "c")
    assert same(whole, halves) and resumed.step == 60
    assert lines(resumed.history) == lines(uninterrupted.history)
    assert all(torch.equal(a, b) for a, b in zip(inner(uninterrupted), inner(resumed), strict=True))


@kinds
def test_max_steps_repeats_a_fit_that_a_callback_stopped(kind):
    first, again, other = KINDS[kind](), KINDS[kind](), KINDS[kind]()
    stopped = Trainer(RECIPE, progress=lambda p: p.step >= 30)
    stopped.fit(first, TRAIN, VALID)
    assert stopped.step == 30 and stopped.stopped_by == "the progress callback"
    Trainer(RECIPE, max_steps=30).fit(again, TRAIN, VALID)
    assert same(first, again)
    Trainer(RECIPE, seed=1, max_steps=30).fit(other, TRAIN, VALID)
    assert not same(first, other)


def test_the_clock_stops_a_fit():
    trainer = Trainer(RECIPE, max_seconds=1e-9)
    trainer.fit(autoregressive(), TRAIN, VALID)
    assert trainer.step == 1 and trainer.stopped_by == "max_seconds" and len(trainer.history) == 1


def test_random_state_and_mode_are_as_they_should_be():
    before, model = torch.random.get_rng_state(), autoregressive()
    Trainer(RECIPE, max_steps=3).fit(model, TRAIN)
    assert torch.equal(before, torch.random.get_rng_state()) and not model.training


# ---------------------------------------------------------------- ends
@kinds
def test_ctrl_c_keeps_the_best_weights_and_warns(kind):
    def interrupt(progress: Progress) -> None:
        if progress.step == 30:
            raise KeyboardInterrupt

    model, calm = KINDS[kind](), KINDS[kind]()
    trainer = Trainer(RECIPE, progress=interrupt)
    with pytest.warns(SynthkitWarning, match="after 30 steps"):
        history = trainer.fit(model, TRAIN, VALID)
    Trainer(RECIPE, max_steps=30).fit(calm, TRAIN, VALID)
    assert same(model, calm) and trainer.stopped_by == "Ctrl-C"
    assert [p.step for p in history] == [10, 20, 30] and not model.training


def test_early_stopping_keeps_the_best_moment(tmp_path):
    """Nothing can be learnt of independent codes, so that a net only gets worse."""
    layout = Layout((Field(0, "code", 8), Field(1, "code", 8)))
    with seeded(0):
        noise = [layout.empty(rows) for rows in (40, 200)]
        for data in noise:
            data.cat[:], data.cat_known[:] = torch.randint(0, 8, data.cat.shape), True
        model = Autoregressive(width=64, dropout=0.0, epochs=1.0).build(layout, noise[0])
    recipe = Recipe(steps=2000, every=10, patience=3, lr=1e-2, ema=0.5)
    trainer = Trainer(recipe, checkpoint=tmp_path / "c")
    history = trainer.fit(model, *noise)
    assert trainer.stopped_by == "early stopping" and trainer.step < 500
    nothing = layout.empty(200)
    with torch.no_grad():
        final = float(model(nothing, noise[1]).mean())
    assert final < history[-1].valid_loss - 0.05, "the last weights, not the best, were kept"
    assert history[-1].best == min(p.valid_loss for p in history)
    # A resumed fit knows that it had come to its end.
    again = Autoregressive(width=64, dropout=0.0, epochs=1.0).build(layout, noise[0])
    resumed = Trainer(recipe)
    resumed.fit(again, *noise, resume=tmp_path / "c")
    assert same(model, again) and resumed.step == trainer.step and resumed.stopped_by == "early stopping"


def test_without_validation_the_averaged_weights_are_kept():
    model = Marginals(LAW.layout)
    trainer = Trainer(RECIPE)
    history = trainer.fit(model, TRAIN)
    assert all(p.valid_loss is None and p.best is None for p in history)
    assert all(torch.equal(p, e) for p, e in zip(model.parameters(), trainer._ema, strict=True))


def test_progress_is_told_in_order():
    seen: list[Progress] = []
    history = Trainer(RECIPE, progress=seen.append).fit(Marginals(LAW.layout), TRAIN, VALID)
    assert seen == history and [p.step for p in seen] == [10, 20, 30, 40, 50, 60]
    assert all(p.planned == 60 for p in seen) and [p.best for p in seen] == sorted((p.best for p in seen), reverse=True)
    assert seen[-1].valid_loss < seen[0].valid_loss


# ---------------------------------------------------------------- weights
def test_weights_multiply_the_loss():
    """Rows of c = 1 count three times: the learnt share is 3p / (3p + 1 - p), and validation is weighted too."""
    slot = 3
    share = float(LAW.probability[LAW.states.cat[:, slot] == 1].sum())
    weights = [torch.where(data.cat[:, slot] == 1, 3.0, 1.0) for data in (TRAIN, VALID)]
    recipe = replace(RECIPE, steps=400, every=50, lr=2e-2, weight_decay=0.0)
    got = []
    for train, valid in ((None, None), weights):
        model = Marginals(LAW.layout)
        history = Trainer(recipe).fit(model, TRAIN, VALID, weight=train, valid_weight=valid)
        got.append((float(model.law(slot)[1]), history[-1].best))
    assert abs(got[0][0] - share) < 0.05
    assert abs(got[1][0] - 3 * share / (1 + 2 * share)) < 0.05
    assert got[0][1] != got[1][1]


def test_the_size_of_weights_does_not_matter():
    models = [Marginals(LAW.layout), Marginals(LAW.layout)]
    for model, size in zip(models, (1.0, 1024.0), strict=True):
        Trainer(RECIPE).fit(model, TRAIN, VALID, weight=torch.full((len(TRAIN),), size))
    assert same(*models)


# ---------------------------------------------------------------- errors
@kinds
def test_a_loss_that_is_not_finite_is_an_error(kind):
    with pytest.raises(TrainingError, match=r"step 10.*'lr'"):
        Trainer(replace(RECIPE, lr=1e38)).fit(KINDS[kind](), TRAIN, VALID)


def test_another_models_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c"
    Trainer(RECIPE, max_steps=10, checkpoint=path).fit(autoregressive(), TRAIN, VALID)
    with pytest.raises(LoadError, match="another model"):
        Trainer(RECIPE).fit(Marginals(LAW.layout), TRAIN, VALID, resume=path)
    wider = Autoregressive(width=17).build(LAW.layout, TRAIN)
    with pytest.raises(LoadError, match="another model"):
        Trainer(RECIPE).fit(wider, TRAIN, VALID, resume=path)
    for other in (Trainer(RECIPE, seed=9), Trainer(replace(RECIPE, steps=61))):
        with pytest.raises(LoadError, match="another seed or recipe"):
            other.fit(autoregressive(), TRAIN, VALID, resume=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LoadError):
        Trainer(RECIPE).fit(autoregressive(), TRAIN, VALID, resume=path)
