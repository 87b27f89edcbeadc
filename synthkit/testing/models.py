"""What every model must do, as functions over a recipe: tensors only, on tiny data of a known law."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from sklearn.base import clone
from torch import Tensor

from synthkit.layout import Allowed, Encoded, Field, Layout
from synthkit.models.base import Model, ModelSpec
from synthkit.runtime import seeded
from synthkit.stages import Stages
from synthkit.testing.tables import DiscreteLaw, tiny_encoded, tiny_law, tiny_layout

__all__ = ["MODEL_CHECKS", "ModelCase", "check_model"]

_ROWS = 4000  # of the known law to learn from
_NEAR = 0.07  # total variation: sampling error of the draws, and what learning from _ROWS may miss


class ModelCase:
    """A recipe on a device, with its fits: made once, used by many checks.

    Attributes:
        spec, device: what is checked.
    """

    def __init__(self, spec: ModelSpec, device: str = "cpu") -> None:
        self.spec, self.device = spec, torch.device(device)

    @cached_property
    def data(self) -> Encoded:
        """Rows of every kind of field."""
        return tiny_encoded(300).to(self.device)

    @cached_property
    def law(self) -> DiscreteLaw:
        """A law of which every conditional can be counted out."""
        return tiny_law()

    @cached_property
    def tiny(self) -> Model:
        """A model of :meth:`data`, after some steps."""
        return self.fit(tiny_layout(), self.data, steps=20)

    @cached_property
    def lawful(self) -> Model:
        """A model of many rows of :meth:`law`, fitted to its end."""
        return self.fit(self.law.layout, self.law.draw(_ROWS).to(self.device))

    def fit(self, layout: Layout, data: Encoded, steps: int | None = None) -> Model:
        """Build, and train as the recipe for so many rows says."""
        spec = self.spec.adapted(layout, len(data))
        with seeded(0, self.device):
            model = spec.build(layout, data).to(self.device)
        if model.tags.trains:
            Stages(spec.recipe(len(data)), max_steps=steps).fit(model, data)
        return model.eval()

    def complete(
        self, model: Model, partial: Encoded, allowed: dict[int, Allowed] | None = None, seed: int = 1
    ) -> Encoded:
        """One draw, from its own seed."""
        on_device = None if allowed is None else {i: rule.to(self.device) for i, rule in allowed.items()}
        with seeded(seed, self.device):
            return model.complete(partial.to(self.device), on_device)

    def frequency(self, partial: Encoded, allowed: dict[int, Allowed] | None = None) -> Tensor:
        """``(states,)`` shares of the law's states among the lawful model's completions."""
        return self.law.frequency(self.complete(self.lawful, partial, allowed).to("cpu"))


def _patterns(data: Encoded, seed: int = 0) -> Encoded:
    """The rows with random entries hidden, and what is given by them; row 0 knows nothing, row 1 everything."""
    generator = torch.Generator().manual_seed(seed)
    layout, share = tiny_layout(), torch.rand(len(data), 1, generator=generator)
    hidden = torch.rand(len(data), len(layout.fields), generator=generator) < share
    hidden[:1], hidden[1:2] = True, False
    for i, field in enumerate(layout.fields):
        if field.given is not None:  # a known value would betray a hidden null flag
            hidden[:, i] |= hidden[:, field.given[0]]
    hidden = hidden.to(data.cat.device)
    return data.hide(hidden[:, list(layout.num)], hidden[:, list(layout.cat)])


def _same(a: Encoded, b: Encoded) -> bool:
    pairs = ((a.num, b.num), (a.cat, b.cat), (a.num_known, b.num_known), (a.cat_known, b.cat_known))
    return all(torch.equal(x, y) for x, y in pairs)


def _sound(layout: Layout, partial: Encoded, done: Encoded) -> None:
    """Raise AssertionError unless ``done`` completes ``partial``."""
    num, cat = layout.applies(done)
    assert (done.num_known == num).all() and (done.cat_known == cat).all(), "known must be just what applies"
    for name in ("num", "cat"):
        known, given, got = getattr(partial, name + "_known"), getattr(partial, name), getattr(done, name)
        assert torch.equal(given[known], got[known]), "a given entry is changed"
    sizes = torch.tensor([layout.fields[i].size for i in layout.cat], device=done.cat.device)
    assert ((done.cat.long() >= 0) & (done.cat.long() < sizes)).all(), "a code leaves its range"
    assert ((done.num >= 0) & (done.num <= 1)).all(), "an offset leaves [0, 1]"


def _loss(model: Model, partial: Encoded, target: Encoded) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(partial, target)
    return out


# ---------------------------------------------------------------- the loss
def forward(case: ModelCase) -> None:
    """The loss is (rows,), finite, and has gradients where the model trains."""
    model, data = case.tiny, case.data
    nothing = model.layout.empty(len(data), case.device)
    for partial in (nothing, _patterns(data), data):
        loss = _loss(model, partial, data)
        assert loss.shape == (len(data),) and torch.isfinite(loss).all(), "the loss must be (rows,) and finite"
    assert _loss(model, data, data).abs().max() == 0, "nothing hidden is nothing to lose"
    if model.tags.trains:
        with seeded(0, case.device):
            model.train()(nothing, data).mean().backward()
        model.eval()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert gradients and all(torch.isfinite(g).all() for g in gradients), "gradients must be finite"
        assert any(bool((g != 0).any()) for g in gradients), "nothing would be learnt"
        model.zero_grad()


def no_rows(case: ModelCase) -> None:
    """The loss of no rows is empty."""
    none = case.data.take(slice(0, 0))
    assert _loss(case.tiny, none, none).shape == (0,)


def unknown_is_unread(case: ModelCase) -> None:
    """What the target does not know changes nothing, nor does what a partial row does not know."""
    model, data, other = case.tiny, case.data, tiny_encoded(300, seed=9).to(case.device)
    target = _patterns(data, 3)
    partial = _patterns(target, 4)
    num = torch.where(target.num_known, target.num, other.num)
    cat = torch.where(target.cat_known, target.cat, other.cat)
    loud = Encoded(num, cat, target.num_known, target.cat_known)
    one, other_loss = (_loss(model, partial, of) for of in (target, loud))
    assert torch.allclose(one, other_loss, atol=1e-5), "unknown entries count"
    loud = Encoded(num, cat, partial.num_known, partial.cat_known)
    quiet = case.complete(model, partial)
    got = case.complete(model, loud)
    assert torch.equal(quiet.cat * quiet.cat_known, got.cat * got.cat_known), "complete reads what is not known"


def batch_mates(case: ModelCase) -> None:
    """A row's loss is that of the row alone."""
    model, data = case.tiny, case.data.take(slice(0, 12))
    if model.tags.couples_rows:
        return
    partial = _patterns(data, 5)
    together = _loss(model, partial, data)
    alone = torch.cat([_loss(model, partial.take(slice(i, i + 1)), data.take(slice(i, i + 1))) for i in range(12)])
    assert torch.allclose(together, alone, atol=1e-4), "a row's loss depends on its batch-mates"


# ---------------------------------------------------------------- completing
def given_stays(case: ModelCase) -> None:
    """Any pattern of known entries is completed, and stays bit for bit; the partial rows and the model too."""
    model = case.tiny
    partial = _patterns(case.data)
    copy = partial.take(torch.arange(len(partial), device=case.device))
    state = {name: t.clone() for name, t in model.state_dict().items()}
    _sound(model.layout, partial, case.complete(model, partial))
    assert _same(partial, copy), "complete writes into its argument"
    assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items()), "complete changes the model"


def sizes(case: ModelCase) -> None:
    """No row, one row, nothing known, all known."""
    model, data = case.tiny, case.data
    for rows in (0, 1, 300):
        done = case.complete(model, model.layout.empty(rows))
        assert len(done) == rows
        _sound(model.layout, model.layout.empty(rows, case.device), done)
        assert _same(case.complete(model, data.take(slice(0, rows))), data.take(slice(0, rows))), "all known is done"


def pinned_null(case: ModelCase) -> None:
    """A null flag alone may be known: "has a value" gives one, "null" leaves what is under it unknown."""
    model = case.tiny
    layout = model.layout
    for slot in (layout.slot[f] for f in layout.cat if layout.fields[f].part == "null"):
        for flag in (0, 1):
            partial = layout.empty(60, case.device)
            partial.cat[:, slot], partial.cat_known[:, slot] = flag, True
            _sound(layout, partial, case.complete(model, partial))


def inapplicable_is_silent(case: ModelCase) -> None:
    """What stands under a null changes no draw."""
    model = case.tiny
    layout = model.layout
    partial = layout.empty(200, case.device)
    null, code, offset = (layout.slot[i] for i in (1, 2, 3))
    partial.cat[:, null], partial.cat_known[:, null] = 1, True
    quiet = case.complete(model, partial)
    partial.cat[:, code], partial.num[:, offset] = 2, 0.7
    loud = case.complete(model, partial)
    apply = [quiet.cat_known, loud.cat_known]
    assert torch.equal(*apply) and torch.equal(quiet.cat[apply[0]], loud.cat[apply[1]]), "what is under a null counts"
    assert torch.equal(quiet.num[quiet.num_known], loud.num[loud.num_known]), "what is under a null counts"


def repeatable(case: ModelCase) -> None:
    """Same seed, same draw; another seed, another; torch's global random state is as it was."""
    nothing = case.tiny.layout.empty(100)
    before = torch.random.get_rng_state()
    a, b, c = (case.complete(case.tiny, nothing, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state()), "the caller's random state is moved"
    assert _same(a, b), "the same seed gives another draw: there is randomness outside torch's generator"
    assert not _same(a, c), "another seed gives the same draw"
    again = case.fit(tiny_layout(), case.data, steps=20)
    assert _same(case.complete(again, nothing), a), "a second fit gives another model"


def restored(case: ModelCase) -> None:
    """A recipe survives JSON, and a model its state_dict: same loss, same draw."""
    value = case.spec.to_json()
    assert value["name"] == case.spec.name and clone(case.spec).get_params() == value["params"]
    spec = type(case.spec)(**value["params"])
    spec.check_params()
    model, data = case.tiny, case.data
    again = spec.adapted(tiny_layout(), len(case.data)).restore(tiny_layout())
    again.load_state_dict({name: t.cpu() for name, t in model.state_dict().items()})
    again = again.to(case.device).eval()
    nothing = model.layout.empty(len(data), case.device)
    assert torch.equal(_loss(model, nothing, data), _loss(again, nothing, data)), "a restored model has another loss"
    assert _same(case.complete(model, nothing), case.complete(again, nothing)), "a restored model draws otherwise"


def odd_layouts(case: ModelCase) -> None:
    """One code; a null flag alone; codes that were never seen."""
    for fields in ((Field(0, "code", 1),), (Field(0, "null", 2),), (Field(0, "code", 300), Field(1, "code", 2))):
        layout = Layout(tuple(fields))
        data = layout.empty(30, case.device)
        data.cat_known[:] = True
        model = case.fit(layout, data, steps=2)
        _sound(layout, layout.empty(9, case.device), case.complete(model, layout.empty(9)))
        assert torch.isfinite(_loss(model, layout.empty(30, case.device), data)).all()


def no_fields(case: ModelCase) -> None:
    """A table without a column to learn is no error."""
    nothing = Layout(()).empty(30, case.device)
    model = case.spec.build(Layout(()), nothing).to(case.device).eval()
    assert len(case.complete(model, nothing)) == 30 and (_loss(model, nothing, nothing) == 0).all()


# ---------------------------------------------------------------- the law
def overfits(case: ModelCase) -> None:
    """Eight rows are learnt by heart: the first column of a row gives the second."""
    layout = Layout((Field(0, "code", 8), Field(1, "code", 8)))
    data = layout.empty(8, case.device)
    data.cat[:, 0] = torch.arange(8)
    data.cat[:, 1] = torch.tensor([3, 1, 4, 0, 5, 2, 7, 6])
    data.cat_known[:] = True
    if not case.spec.build(layout, data).tags.trains:
        return
    model = case.fit(layout, data, steps=800)
    partial = data.take(torch.arange(400, device=case.device) % 8)
    second = torch.zeros_like(partial.cat_known)
    second[:, 1] = True
    done = case.complete(model, partial.hide(partial.num_known, second))
    right = (done.cat[:, 1] == partial.cat[:, 1]).double().mean()
    assert right > 0.9, f"only {float(right):.0%} of eight rows' second cells are known by heart"


def learns_law(case: ModelCase) -> None:
    """A model that trains draws a known law, and each of its conditionals, within sampling error."""
    if not case.lawful.tags.trains:
        return
    law, rows = case.law, 6000
    _near_to(case.frequency(law.layout.empty(rows)), law.probability, "the joint law is not recovered")
    _against(case, law.probability, seen=law.frequency(law.draw(_ROWS)))


def conditions_filter(case: ModelCase) -> None:
    """Conditioning is filtering: completions given an entry are the unconditional draws that have it."""
    if case.lawful.tags.conditional:
        # A learnt model draws the two sides by different nets, each of which may miss a little.
        near = 1.5 * _NEAR if case.lawful.tags.trains else _NEAR
        _against(case, case.frequency(case.law.layout.empty(40_000)), near)


def _near_to(got: Tensor, weights: Tensor, fault: str) -> None:
    assert (got - weights / weights.sum()).abs().sum() / 2 < _NEAR, fault


def _against(case: ModelCase, probability: Tensor, near: float = _NEAR, seen: Tensor | None = None) -> None:
    """Completions of every single known cell of the tiny law, against a brute-force sum over its states.

    ``seen``: the states' shares in the training rows. Of a rare cell they are off the law themselves; a model may draw
    what it saw, or see through the noise.
    """
    laws = [DiscreteLaw(case.law.layout, case.law.states, p) for p in (probability, seen) if p is not None]
    law = laws[0]
    for slots, values in (((0,), (0,)), ((0,), (2,)), ((3,), (1,)), ((1,), (1,)), ((1, 2), (0, 1)), ((0, 3), (2, 0))):
        partial = law.layout.empty(4000)
        for slot, value in zip(slots, values, strict=True):
            partial.cat[:, slot], partial.cat_known[:, slot] = value, True
        drawn, one = case.frequency(partial), partial.take(slice(0, 1))
        off = min((each.given(one)[0] - drawn).abs().sum() / 2 for each in laws)
        assert off < near, f"given codes {values} in {slots}, draws are {float(off):.3f} off the conditional law"


def allowed_weights(case: ModelCase) -> None:
    """A set-valued condition multiplies a field's law by its weights, and the other fields follow."""
    law = case.law
    weights = torch.tensor([0.0, 0.5, 1.0])
    free = case.frequency(law.layout.empty(40_000))
    factor = weights.double()[law.states.cat[:, 0].long()]
    got = case.frequency(law.layout.empty(6000), {0: Allowed.codes(weights)})
    assert got[factor == 0].sum() == 0, "a forbidden code is drawn"
    _near_to(got, free * factor, "the weights of a condition are not honoured")


def together(case: ModelCase) -> None:
    """Two set-valued conditions, and "not null", are met jointly: a law cut column after column would be biased."""
    if not case.lawful.tags.conditional:
        return
    law = case.law
    first, last = torch.tensor([0.1, 0.5, 1.0]), torch.tensor([0.1, 1.0])
    free = case.frequency(law.layout.empty(40_000))
    factor = first.double()[law.states.cat[:, 0].long()] * last.double()[law.states.cat[:, 3].long()]
    factor = factor * (law.states.cat[:, 1] == 0)
    partial = law.layout.empty(6000)
    partial.cat_known[:, 1] = True
    got = case.frequency(partial, {0: Allowed.codes(first), 3: Allowed.codes(last)})
    _near_to(got, free * factor, "two conditions are not met jointly")


def two_rules(case: ModelCase) -> None:
    """Two set-valued conditions and a known cell all hold in every row; offsets stay inside their interval."""
    model, layout = case.tiny, case.tiny.layout
    shares, low, high = ([0.0, 1.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.0], [1.0, 1.0, 0.3, 1.0])
    wide = Allowed(torch.tensor(shares), torch.tensor(low), torch.tensor(high))
    rules = {2: wide, 5: Allowed.codes(torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0]))}
    partial = layout.empty(300, case.device)
    partial.cat[:, layout.slot[0]], partial.cat_known[:, layout.slot[0]] = 2, True
    done = case.complete(model, partial, rules)
    _sound(layout, partial, done)
    null, code, offset, date = (layout.slot[i] for i in (1, 2, 3, 5))
    assert (done.cat[:, null] == 0).all(), "a condition on a value forbids null"
    first = done.cat[:, code] == 1
    assert (first | (done.cat[:, code] == 2)).all() and first.any(), "a code outside the set is drawn"
    assert ((done.cat[:, date] == 2) | (done.cat[:, date] == 3)).all(), "a code outside the second set is drawn"
    assert (done.num[first, offset] >= 0.5).all() and (done.num[~first, offset] <= 0.3 + 1e-6).all()


def honest_tags(case: ModelCase) -> None:
    """With ``has_log_prob``, exp(-loss) sums to 1 over all rows there can be."""
    model, law = case.lawful, case.law
    if model.tags.has_log_prob:
        total = (-_loss(model, law.layout.empty(18, case.device), law.states.to(case.device))).exp().sum()
        assert abs(float(total) - 1) < 1e-3, f"probabilities sum to {float(total):.4f}"


MODEL_CHECKS: tuple[Callable[[ModelCase], None], ...] = (
    forward,
    no_rows,
    unknown_is_unread,
    batch_mates,
    given_stays,
    sizes,
    pinned_null,
    inapplicable_is_silent,
    repeatable,
    restored,
    odd_layouts,
    no_fields,
    overfits,
    learns_law,
    conditions_filter,
    allowed_weights,
    together,
    two_rules,
    honest_tags,
)


def check_model(spec: ModelSpec, device: str = "cpu") -> None:
    """Run every model check on your recipe; a minute at most.

    Raises:
        AssertionError: names the check and says what is wrong.
    """
    case = ModelCase(spec, device)
    for check in MODEL_CHECKS:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{type(spec).__name__} fails {check.__name__!r}: {error}") from error
