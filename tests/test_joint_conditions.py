"""Two or more set-valued conditions at once: the joint law, not one column's after the other's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import TabularSynthesizer, between
from synthkit.errors import ConditionError, SynthkitWarning
from synthkit.layout import Encoded
from synthkit.models.resampling import Joint, alike, draw_jointly, thinned

RHO = 0.8


def normals(rows: int, seed: int = 0) -> pd.DataFrame:
    """Two normals of correlation RHO, and their sum with noise."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    b = RHO * a + np.sqrt(1 - RHO**2) * rng.normal(size=rows)
    return pd.DataFrame({"a": a, "b": b, "c": a + b + rng.normal(size=rows)})


@pytest.fixture(scope="module", params=["autoregressive", "copula", "trees"])
def fitted(request) -> TabularSynthesizer:
    return TabularSynthesizer(request.param, random_state=0).fit(normals(6000))


def test_two_ranges_follow_the_joint_law(fitted):
    law = normals(2_000_000, seed=1)
    met = law[(law.a > 0) & (law.b > 2)]  # a has mean 1.90; cut column by column it would have .80
    got = fitted.sample(2000, where={"a": between(0, None), "b": between(2, None)}, seed=1)
    assert (got.a >= 0).all() and (got.b >= 2).all()
    near = 0.45 if fitted.spec_.name == "trees" else 0.15  # leaves are coarse, and lean towards the whole table
    assert abs(got.a.mean() - met.a.mean()) < near
    assert abs(got.c.mean() - met.c.mean()) < 2.5 * near
    joint = fitted.joint_
    assert joint is not None and joint.rows == 2000
    assert abs(joint.probability / (len(met) / len(law)) - 1) < 2.5 * near


def test_one_range_needs_no_candidates(fitted):
    fitted.sample(50, where={"a": between(0, None)}, seed=1)
    one_after_a_column_to_draw = fitted.spec_.name in ("trees", "autoregressive")
    fitted.sample(50, where={"b": between(0, None)}, seed=1)
    assert (fitted.joint_ is not None) == one_after_a_column_to_draw


def test_same_seed_same_rows(fitted):
    where = {"a": between(0, 1), "c": between(None, 0)}
    a, b = (fitted.sample(300, where=where, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    assert len(a.a.unique()) > 200, "rows share their values"


def _nothing(rows: int) -> Encoded:
    """Rows of one code, of which nothing is known."""
    none = torch.zeros(rows, 0)
    return Encoded(none, torch.zeros(rows, 1, dtype=torch.uint8), none.bool(), torch.zeros(rows, 1, dtype=torch.bool))


def _candidates(log_weight):
    """Draws any code; its weight goes by its number."""

    def draw(partial: Encoded) -> tuple[Encoded, torch.Tensor]:
        code = torch.randint(len(log_weight), (len(partial), 1))
        done = Encoded(partial.num, code.to(torch.uint8), partial.num_known, torch.ones_like(partial.cat_known))
        return done, torch.tensor(log_weight)[code.squeeze(1)]

    return draw


def test_rows_are_picked_by_weight():
    torch.manual_seed(0)
    weight = np.array([0.0, 1.0, 2.0, 5.0])
    with np.errstate(divide="ignore"):
        drawn, joint = draw_jointly(_candidates(np.log(weight)), _nothing(8000))
    share = np.bincount(drawn.cat[:, 0].numpy(), minlength=4) / 8000
    assert np.abs(share - weight / weight.sum()).max() < 0.02
    assert abs(joint.probability - weight.mean()) < 0.1
    assert joint.effective < joint.drawn


def test_no_candidate_is_picked_twice_where_there_are_enough():
    torch.manual_seed(0)

    def draw(partial: Encoded) -> tuple[Encoded, torch.Tensor]:
        number = torch.rand(len(partial), 1, dtype=torch.float64)
        there = torch.ones(len(partial), 1, dtype=torch.bool)
        cat, none = partial.cat[:, :0], partial.cat_known[:, :0]
        return Encoded(number, cat, there, none), (0.2 + number[:, 0]).log()  # heaviest to mean: 1.7

    num, cat = torch.zeros(3000, 1, dtype=torch.float64), torch.zeros(3000, 0, dtype=torch.uint8)
    nothing = Encoded(num, cat, num.bool(), cat.bool())
    drawn, joint = draw_jointly(draw, nothing)
    assert joint.drawn > 6000, "of several rounds"
    assert len(drawn.num.unique()) == 3000
    assert abs(float(drawn.num.mean()) - (0.1 + 1 / 3) / 0.7) < 0.02, "its density is (.2 + x) / .7"


def test_thinned_weights_stand_for_all():
    torch.manual_seed(0)
    weight = torch.cat([torch.rand(500, dtype=torch.float64), torch.tensor([400.0, 90.0, 0.0], dtype=torch.float64)])
    total = torch.zeros_like(weight)
    for _ in range(300):
        at, log_weight = thinned(weight.log(), 60)
        assert len(at.unique()) == 60 and weight[at].min() > 0
        assert {500, 501} <= set(at.tolist()), "the heaviest stay"
        total[at] += log_weight.exp() / 300
    assert abs(float(total.sum() / weight.sum()) - 1) < 0.02
    assert abs(float(total[:250].sum() / weight[:250].sum()) - 1) < 0.1
    assert abs(float(total[500] / 400) - 1) < 1e-6
    at, log_weight = thinned(weight.log(), 600)
    assert sorted(at.tolist()) == list(range(502)), "where there is room for all, all stay but those of no weight"


def test_nothing_meets_the_conditions():
    with pytest.raises(ConditionError, match="nothing meets the conditions together"):
        draw_jointly(_candidates([-np.inf, -np.inf]), _nothing(10))


def test_few_candidates_are_told():
    parts = [Joint(100, 1000, 30.0, 0.1), Joint(100, 3000, 50.0, 0.3)]
    with pytest.warns(SynthkitWarning, match="candidates worth 80"):
        total = Joint.sum(parts)
    assert total == Joint(200, 4000, 80.0, 0.25)
    assert Joint.sum([]) is None


def test_alike():
    torch.manual_seed(0)
    rows, _ = _candidates([0.0, 0.0])(_nothing(9))
    assert not alike(rows) and alike(rows.take(torch.zeros(5, dtype=torch.long)))
