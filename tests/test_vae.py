"""The variational auto-encoder: its latents, its priors, and draws that meet conditions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp

from synthkit import TabularSynthesizer
from synthkit.errors import ParamError
from synthkit.layout import Encoded
from synthkit.models.vae import VAE
from synthkit.runtime import seeded
from synthkit.stages import Stages
from synthkit.testing import tiny_law

SMALL = {"latents": 8, "width": 48, "depth": 1, "prior_width": 32, "cells": 32}


def law(rows: int, seed: int) -> pd.DataFrame:
    """Two rings of a number pair, and a rare class (1 in 50) that lies apart."""
    rng = np.random.default_rng(seed)
    rare = rng.random(rows) < 0.02
    angle = rng.uniform(0, 2 * np.pi, rows)
    x, y = np.cos(angle) + 0.1 * rng.normal(size=rows), np.sin(angle) + 0.1 * rng.normal(size=rows)
    x = np.where(rare, 3 + 0.5 * rng.normal(size=rows), x)
    flag = np.where(rng.random(rows) < 0.9, np.where(x > 0, "right", "left"), "none")
    return pd.DataFrame({"x": x.round(3), "y": y.round(3), "side": flag, "class": np.where(rare, "rare", "usual")})


@pytest.fixture(scope="module")
def fitted() -> TabularSynthesizer:
    return TabularSynthesizer(VAE(latents=8, width=96, prior_width=48, cells=32), random_state=0, max_steps=1200).fit(
        law(5000, 0)
    )


@cache
def tiny(prior: str, steps: int = 500):
    known = tiny_law()
    data = known.draw(4000)
    spec = VAE(prior=prior, **SMALL)
    with seeded(0, data.cat.device):
        model = spec.build(known.layout, data)
    Stages(spec.recipe(len(data)), max_steps=steps).fit(model, data)
    model.eval()
    return known, data, model


def test_draws_keep_the_ring(fitted):
    drawn, real = fitted.sample(6000, seed=1), law(6000, 1)
    usual = drawn[drawn["class"] == "usual"]
    radius = np.hypot(usual["x"], usual["y"])
    # independent columns would put a quarter of the points inside .6
    assert (radius < 0.6).mean() < 0.05
    assert ks_2samp(drawn["x"], real["x"]).statistic < 0.03
    assert abs((drawn["class"] == "rare").mean() - 0.02) < 0.008


def test_a_rare_class_is_drawn_as_it_is(fitted):
    drawn = fitted.sample(10_000, where={"class": "rare"}, seed=2)
    assert (drawn["class"] == "rare").all()
    fresh = law(30_000, 3)
    fresh = fresh[fresh["class"] == "rare"]
    # a hundred rows of it were seen, whose own distance from fresh ones is about .08; the usual ones' is 1
    for column in ("x", "y"):
        assert ks_2samp(drawn[column], fresh[column]).statistic < 0.2, column


def test_a_range_and_a_value_at_once(fitted):
    from synthkit import between

    drawn = fitted.sample(500, where={"x": between(0.2, 0.8), "class": "usual"}, seed=3)
    assert drawn["x"].between(0.2, 0.8).all() and (drawn["class"] == "usual").all()
    assert (np.abs(np.hypot(drawn["x"], drawn["y"]) - 1) < 0.4).mean() > 0.9


def test_latents_tell_a_row(fitted):
    table = law(500, 4)
    z = fitted.encode(table)
    assert z.shape == (500, 8) and z.dtype == np.float32
    again = fitted.decode(z, seed=0)
    assert list(again) == list(table)
    assert (again["class"] == table["class"]).mean() > 0.98
    assert np.corrcoef(again["x"], table["x"])[0, 1] > 0.9
    pd.testing.assert_frame_equal(again, fitted.decode(z, seed=0))


def test_points_between_two_rows_are_rows(fitted):
    z = fitted.encode(law(2, 5))
    path = np.linspace(z[0], z[1], 50)
    assert len(fitted.decode(path, seed=0)) == 50


@pytest.mark.parametrize("z", [np.zeros((3, 7)), np.zeros(8), np.full((1, 8), np.nan)])
def test_points_of_another_space(fitted, z):
    with pytest.raises(ParamError, match="argument 'z' must be finite, of shape"):
        fitted.decode(z)


def test_other_models_have_no_latents():
    other = TabularSynthesizer("independent", random_state=0).fit(law(50, 0))
    with pytest.raises(ParamError, match="has no latent space; fit with model='vae'"):
        other.encode(law(5, 0))
    with pytest.raises(ParamError, match="TabularSynthesizer.decode"):
        other.decode(np.zeros((1, 8)))


@pytest.mark.parametrize("prior", ["autoregressive", "mixture"])
def test_learnt_priors_recover_a_law_and_its_conditionals(prior):
    known, _, model = tiny(prior)
    with seeded(1, torch.device("cpu")):
        free = known.frequency(model.complete(known.layout.empty(8000)))
    assert (free - known.probability).abs().sum() / 2 < 0.1
    partial = known.layout.empty(4000)
    partial.cat[:, 3], partial.cat_known[:, 3] = 1, True
    with seeded(1, torch.device("cpu")):
        given = known.frequency(model.complete(partial))
    assert (given - known.given(partial.take(slice(0, 1)))[0]).abs().sum() / 2 < 0.12


def test_the_textbooks_prior_is_standard_normal():
    known, _, model = tiny("standard", steps=100)
    with seeded(1, torch.device("cpu")):
        z = model.prior.draw(model.grid.read(known.layout.empty(4000)))
    assert model.price == 1.0
    assert z.mean(0).abs().max() < 0.08 and (z.std(0) - 1).abs().max() < 0.08


def test_the_learnt_prior_is_nearer_to_the_posteriors():
    known, data, model = tiny("autoregressive")
    with seeded(3, torch.device("cpu")):
        standard, learnt, missed = model.information(data)
    assert learnt < standard.sum()
    # a bound of the log-likelihood cannot be better than the law's own entropy
    entropy = -(known.probability * known.probability.log()).sum()
    assert entropy - 0.1 < learnt + missed < entropy + 0.5


def test_free_bits_cost_nothing_and_give_no_gradient():
    data = tiny_law().draw(64)
    with seeded(0, torch.device("cpu")):
        model = VAE(free_bits=10.0, **SMALL).build(tiny_law().layout, data)
    model.eval()
    empty: Encoded = model.layout.empty(64)
    full, rec = model(empty, data, phase="elbo"), model(empty, data, phase="all")
    assert torch.isfinite(full).all() and torch.isfinite(rec).all()
    told = full - full.min()
    assert told.min() >= 0 and full.min() >= 10 * model.spec.latents * model.price - 1e-3


def test_nothing_of_a_row_is_kept(fitted):
    """What is stored of the latents are edges that stand for many rows each."""
    edges = fitted.model_.prior.edges
    assert (edges.diff(dim=1) >= 0).all()
    z = torch.from_numpy(fitted.encode(law(5000, 0)))[:, fitted.model_.prior.order]
    assert not torch.isin(edges[:, [0, -1]], z).any()
