"""Numbers that repeat or closely follow one another: links, scales, pointers, bands, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import Protection, TableEncoder, TabularSynthesizer, between
from synthkit.models import Autoregressive
from synthkit.models.bands import Bands
from synthkit.models.calibration import _counts, settle
from synthkit.models.nets import nodes_of
from synthkit.models.scales import Scales
from synthkit.runtime import seeded
from synthkit.transforms.links import EqualCounts
from synthkit.transforms.quantile import QuantileLaw

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")


def bills(n: int, seed: int) -> pd.DataFrame:
    """A bill, what is paid of it (all of it in half of the rows, else a round sum), and another customer's bill."""
    rng = np.random.default_rng(seed)
    bill = np.exp(rng.normal(8, 1, n)).round()
    paid = np.where(rng.random(n) < 0.5, bill, (rng.random(n) * bill / 100).round() * 100)
    return pd.DataFrame(
        {"bill": bill.astype(int), "paid": paid.astype(int), "other": rng.permutation(bill).astype(int)}
    )


@pytest.fixture(scope="module")
def fitted() -> TabularSynthesizer:
    return TabularSynthesizer("autoregressive", random_state=0, max_steps=400).fit(bills(4000, 0))


def laws() -> list[QuantileLaw]:
    rng = np.random.default_rng(0)
    out = []
    for values, step in (
        (rng.normal(size=3000), 0.0),
        (np.exp(rng.normal(8, 2, 3000)).round(), 1.0),
        ((-rng.exponential(5, 3000)).round(2), 0.01),
        (np.where(rng.random(3000) < 0.4, 0.0, rng.integers(0, 40, 3000)), 1.0),
    ):
        distinct, counts = np.unique(values, return_counts=True)
        out.append(QuantileLaw.fit(distinct, counts, step=step))
    return out


def test_scales_agree_with_the_laws():
    rng = np.random.default_rng(1)
    both, rows = laws(), 500
    scales = Scales(both)
    code = np.stack([rng.integers(0, law.n_cells, rows) for law in both])
    offset = rng.random((len(both), rows))
    got = scales.values(torch.from_numpy(code), torch.from_numpy(offset)).numpy()
    for k, law in enumerate(both):
        np.testing.assert_allclose(got[k], law.decode(code[k], offset[k]), rtol=1e-12, atol=1e-12)
        x = np.concatenate([got[k], rng.normal(0, 1e4, 50)])
        places = scales.places(torch.from_numpy(x)[None], slice(k, k + 1))
        expected = law.encode(x)
        assert (places[0][0].numpy() == expected[0]).all()
        np.testing.assert_allclose(places[1][0].numpy(), expected[1], atol=1e-9)


def test_links_are_real_copies_only():
    layout = TableEncoder().fit(bills(4000, 0)).layout_
    column = {i: field.column for i, field in enumerate(layout.fields)}
    assert {(column[t], column[s]) for t, s, _ in layout.links} == {(1, 0), (0, 1)}
    assert all(abs(rate - 0.5) < 0.05 for _, _, rate in layout.links)
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, 5000)
    near = pd.DataFrame(
        {"age": age, "years": age + rng.integers(-2, 3, 5000)}
    )  # equal in a fifth of the rows, by chance
    assert not TableEncoder().fit(near).layout_.links


def test_links_may_be_counted_in_pieces():
    values = bills(3000, 1).to_numpy(float)
    whole = EqualCounts(3).update(values, np.ones(3))
    parts = EqualCounts(3).update(values[:1000], np.ones(3)).merge(EqualCounts(3).update(values[1000:], np.ones(3)))
    assert [link[:2] for link in whole.links()] == [link[:2] for link in parts.links()]
    assert EqualCounts(3).links() == [] and EqualCounts(3).update(values[:0], np.ones(3)).links() == []


def test_copies_are_drawn_to_the_last_digit(fitted):
    real, got = bills(4000, 9), fitted.sample(4000, seed=1)
    share = (real["bill"] == real["paid"]).mean()
    assert abs((got["bill"] == got["paid"]).mean() - share) < 0.05
    assert (got["bill"] == got["other"]).mean() < 0.02


def test_copies_follow_a_condition_in_either_direction(fitted):
    for given, drawn in (("bill", "paid"), ("paid", "bill")):
        rows = fitted.sample(where=pd.DataFrame({given: [3217] * 1000}), seed=2)
        assert (rows[given] == 3217).all()
        assert 0.3 < (rows[drawn] == 3217).mean() < 1
    # A copy outside the allowed set is no copy.
    rows = fitted.sample(500, where={"bill": 3217, "paid": between(None, 3000)}, seed=3)
    assert (rows["paid"] <= 3000).all()
    gaps = fitted.sample(300, seed=4).assign(paid=np.nan)
    filled = fitted.impute(gaps, seed=5)
    assert 0.35 < (filled["paid"] == filled["bill"]).mean() < 0.65


def test_copies_survive_a_file(fitted, tmp_path):
    fitted.save(tmp_path / "m")
    again = TabularSynthesizer.load(tmp_path / "m")
    assert again.encoder_.layout_.links == fitted.encoder_.layout_.links
    pd.testing.assert_frame_equal(again.sample(200, seed=1), fitted.sample(200, seed=1))


def test_a_copy_explains_a_row(fitted):
    rows = bills(200, 5)
    same, off = rows.assign(paid=rows["bill"]), rows.assign(paid=rows["bill"] + 1)
    assert fitted.log_prob(same).mean() > fitted.log_prob(off).mean() + 1


def test_copies_beside_gaps_and_without_a_grid():
    rng = np.random.default_rng(0)
    first = rng.normal(size=3000)
    table = pd.DataFrame({"a": first, "b": np.where(rng.random(3000) < 0.5, first, rng.normal(size=3000))})
    table.loc[::5, "a"] = None
    synthesizer = TabularSynthesizer("autoregressive", random_state=0, max_steps=300, protect=Protection()).fit(table)
    got = synthesizer.sample(3000, seed=0)
    there = got["a"].notna()
    close = (got["a"] - got["b"]).abs() < 1e-5
    assert abs(there.mean() - 0.8) < 0.05 and abs(close[there].mean() - 0.5) < 0.1


def test_bands_take_the_closest_numbers_and_their_sign():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    noise = rng.normal(size=(2, 2000))
    table = pd.DataFrame({"x": x, "noise": noise[0], "minus": -x + 0.1 * noise[1]})
    encoder = TableEncoder().fit(table)
    model = Autoregressive(bands=1).build(encoder.layout_, encoder.encode(table))
    assert model.bands.source[:, 0].tolist()[0] == 2 and model.bands.source[2, 0] == 0
    assert model.bands.sign[0, 0] == -1 and model.bands.sign[2, 0] == -1
    assert not Bands(nodes_of(TableEncoder().fit(table[["x"]]).layout_), 8, 2, 16)


def test_a_band_peaks_where_its_source_is():
    encoder = TableEncoder().fit(pd.DataFrame(np.random.default_rng(0).normal(size=(500, 2)), columns=["a", "b"]))
    bands = Bands(nodes_of(encoder.layout_), 4, 1, 64)
    with torch.no_grad():
        bands.head[:, :, :6] = 1.0  # the even kernels
    middle = (torch.arange(128) + 0.5) / 128
    for sign, peak in ((1.0, 0.3), (-1.0, 0.7)):
        bands.sign.fill_(sign)
        weights = bands.weights(torch.ones(2, 1, 4), torch.full((2, 1, 1), 0.3), torch.ones(2, 1, 1, dtype=torch.bool))
        height = (weights @ bands.basis(middle))[0, 0]
        assert abs(float(middle[height.argmax()]) - peak) < 0.02


def test_calibration_meets_the_frequencies():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": rng.choice(list("abcd"), 3000, p=[0.7, 0.2, 0.07, 0.03])})
    table["h"] = np.where(rng.random(3000) < 0.8, table["g"], rng.choice(list("abcd"), 3000))
    encoder = TableEncoder().fit(table)
    data = encoder.encode(table)
    model = Autoregressive().build(encoder.layout_, data).eval()
    with torch.no_grad():
        for bias in model.head_bias:
            bias[:, :, 0] -= 1.0  # as if training had left it off
    model.finish(data)
    with seeded(0):
        drawn = model.complete(encoder.layout_.empty(20_000))
    for column in (0, 1):
        real, got = (torch.bincount(t.cat[:, column].long(), minlength=4) / len(t) for t in (data, drawn))
        assert float((real - got).abs().max()) < 0.02


def test_drawn_rows_meet_the_frequencies_of_codes_gaps_and_places_in_a_cell():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=(3000))})
    table["y"] = (table["x"] + 0.3 * rng.normal(size=3000)).where(rng.random(3000) < 0.8)
    table["g"] = np.where(table["x"] > 1.5, "high", "low")
    encoder = TableEncoder().fit(table)
    data = encoder.encode(table)
    weight = torch.from_numpy(np.where(table["g"] == "high", 3.0, 1.0)).float()
    model = Autoregressive().build(encoder.layout_, data, weight).eval()
    with torch.no_grad():
        for bias in [*model.head_bias, model.fine_bias]:
            bias += 0.5 * torch.randn(bias.shape, generator=torch.Generator().manual_seed(1))
    before = _distances(model, data, weight)
    with seeded(0):
        settle(model, data, weight)
    after = _distances(model, data, weight)
    assert len(before) == len(after) == 3 + 2 and sum(before) > 0.5
    assert all(a < 0.05 for a in after)


def _distances(model, data, weight) -> list[float]:
    """Total variation between training and drawn rows: per node, then per offset."""
    with seeded(5):
        drawn = model.complete(model.layout.empty(40_000))
    pairs = zip(_counts(model, data, weight), _counts(model, drawn, None), strict=True)
    return [float((a / a.sum() - b / b.sum()).abs().sum() / 2) for a, b in pairs]
