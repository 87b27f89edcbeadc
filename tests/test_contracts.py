"""Contracts of models, over the registry and on every device: every check on every model."""

from __future__ import annotations

import pytest
import torch

from synthkit.layout import Encoded
from synthkit.models import MODELS
from synthkit.models.independent import IndependentMarginals, IndependentModel
from synthkit.runtime import available_devices
from synthkit.testing import MODEL_CHECKS, ModelCase, check_model, check_synthesizer, tiny_encoded, tiny_law

CASES: dict[tuple[str, str], ModelCase] = {}
on_devices = pytest.mark.parametrize("device", available_devices())


def case_of(name: str, device: str) -> ModelCase:
    """One case per model and device: its fits are used by many checks."""
    return CASES.setdefault((name, device), ModelCase(MODELS[name](), device))


@on_devices
@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda c: c.__name__)
def test_contract(check, name, device):
    check(case_of(name, device))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_synthesizer_of_every_model(name):
    check_synthesizer(name)


def test_names_are_those_of_the_registry():
    assert {name: spec.name for name, spec in MODELS.items()} == {name: name for name in MODELS}


def test_a_contributor_hears_what_is_wrong():
    class Careless(IndependentModel):
        def complete(self, partial, allowed=None):
            done = super().complete(partial.hide(partial.num_known, partial.cat_known), allowed)
            return Encoded(done.num, done.cat, done.num_known, done.cat_known)

    class CarelessSpec(IndependentMarginals):
        def build(self, layout, data, weight=None):
            model = Careless(layout)
            model.count(data, weight)
            return model

    with pytest.raises(AssertionError, match="CarelessSpec fails 'given_stays'"):
        check_model(CarelessSpec())


def test_the_tiny_law_is_counted_right():
    law = tiny_law()
    drawn = law.draw(50_000, seed=1)
    assert (law.frequency(drawn) - law.probability).abs().max() < 0.01
    partial = law.layout.empty(1)
    partial.cat[0, 3], partial.cat_known[0, 3] = 1, True
    kept = drawn.take(drawn.cat[:, 3] == 1)
    assert (law.given(partial)[0] - law.frequency(kept)).abs().max() < 0.01
    data = tiny_encoded(100)
    assert (~data.cat_known).any() and torch.equal(data.cat_known[:, 2], data.cat[:, 1] == 0)
