"""Presets, thresholds, tails of known laws, digits, dominance, quasi-identifiers, and the report of changes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from synthkit import Protection, SequenceSynthesizer, TableEncoder, TabularSynthesizer, between
from synthkit.errors import ConditionError, ParamError, SchemaError, SynthkitWarning
from synthkit.protected import ProtectionReport
from synthkit.series.far import extremes_of, quantiles
from synthkit.transforms.counts import NumberCounts
from synthkit.transforms.quantile import QuantileLaw
from synthkit.transforms.tails import gpd_quantile, tail_law

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")


# -------------------------------------------------------------------- names
def test_presets_by_name():
    counts = {name: Protection.of(name).min_count for name in ("standard", "health", "strict")}
    assert counts == {"standard": 5, "health": 11, "strict": 20}
    assert [Protection.of(p).preset for p in ("health", None, Protection(), Protection(jitter=1))] == [
        "health",
        "none",
        "standard",
        "custom",
    ]
    assert not Protection.of(None).on and Protection.of(None).extremes == 0
    assert clone(Protection(min_count=7, quasi_identifiers=("a",))).get_params()["quasi_identifiers"] == ("a",)


@pytest.mark.parametrize("bad", ["none", 5, True, Protection(min_count=0), Protection(quasi_identifiers="zip")])
def test_what_is_no_protection(bad):
    with pytest.raises(ParamError, match="protect|min_count|quasi_identifiers"):
        TabularSynthesizer("independent", protect=bad).fit(pd.DataFrame({"x": [1, 2] * 20}))


# -------------------------------------------------------------------- thresholds
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=8),
    st.integers(2, 12),
    st.integers(1, 4),
    st.sampled_from(["text", "number", "date", "entity"]),
    st.integers(0, 5),
)
def test_nothing_rarer_than_the_threshold_is_stored(counts, least, jitter, kind, seed):
    codes = np.repeat(np.arange(len(counts)), counts)
    values = {
        "text": np.array([f"v{c}" for c in codes], object),
        "entity": np.array([f"v{c}" for c in codes], object),
        "number": 1000.0 * codes + 0.25,
        "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(3 * codes, "D"),
    }[kind]
    table = pd.DataFrame({"v": values, "who": [f"p{i}" for i in range(len(codes))]})
    if kind == "entity":  # each value is one entity's, however many rows it has
        table["who"] = [f"p{c}" for c in codes]
    protect = Protection(min_count=least, jitter=jitter)
    encoder = TableEncoder(
        protect=protect, entity="who", seed=seed, overrides={"v": "categorical" if kind != "date" else "datetime"}
    )
    encoder.fit(table)
    stored = {str(v) for v in getattr(encoder.transformers_["v"], "categories", [])}
    if kind == "date":
        law = encoder.transformers_["v"]._codec.law
        days = (law.lo[law.kind == 1]).astype("datetime64[D]")
        stored = {str(pd.Timestamp(d)) for d in days}
    named = {str(v): n for v, n in zip(pd.unique(table["v"]), counts, strict=True)}
    support = dict.fromkeys(named, 1) if kind == "entity" else named
    for value in stored & set(named):
        assert support[value] >= least
    if kind != "date":  # what clears every threshold is kept
        assert {v for v, n in support.items() if n >= least + jitter - 1} <= stored


def test_thresholds_are_drawn_per_column_and_repeat():
    table = pd.DataFrame({f"c{i}": ["a"] * 30 + ["b"] * 6 for i in range(24)})
    kept = [
        [len(t.categories) for t in TableEncoder(seed=seed).fit(table).transformers_.values()] for seed in (0, 0, 1)
    ]
    assert kept[0] == kept[1] != kept[2]
    assert set(kept[0]) == {1, 2}  # 6 rows are enough for thresholds of 5 and 6, not for 7


# -------------------------------------------------------------------- tails
LAWS = {
    "lognormal": lambda r, n: r.lognormal(0, 1.5, n),
    "pareto": lambda r, n: r.pareto(2.5, n) + 1,
    "exponential": lambda r, n: -r.exponential(1, n),
}


@pytest.mark.parametrize("preset", ["standard", "strict"])
@pytest.mark.parametrize("law", LAWS)
def test_tails_of_known_laws(law, preset):
    """Quantile .999 and expected shortfall beyond it lie inside the band of holdouts of 5,000 rows."""
    rng = np.random.default_rng(4)
    sign = -1 if law == "exponential" else 1
    train, holdouts = LAWS[law](rng, 5000), [sign * LAWS[law](rng, 5000) for _ in range(200)]
    encoder = TableEncoder(protect=preset).fit(pd.DataFrame({"x": train}))
    cells = encoder.transformers_["x"].law
    u = (np.arange(200_000) + 0.5) / 200_000
    code = np.clip(np.searchsorted(cells.edges, u, side="right") - 1, 0, cells.n_cells - 1)
    drawn = sign * cells.decode(code, (u - cells.edges[code]) / cells.mass[code])
    band = np.quantile([_tail(x) for x in holdouts], (0.025, 0.975), axis=0)
    assert (band[0] <= _tail(drawn)).all() and (_tail(drawn) <= band[1]).all()


def _tail(x):
    edge = np.quantile(x, 0.999)
    return np.array([edge, x[x >= edge].mean()])


@pytest.mark.parametrize("far", [1e4, 1e9])
def test_the_outermost_rows_tell_no_value(far):
    x = np.random.default_rng(0).lognormal(0, 1, 2000)
    states = []
    for top in (far, 2 * far):
        x[:4], x[4:7] = top, -top  # fewer than five rows at either end
        law = QuantileLaw.fit(*np.unique(x, return_counts=True), min_count=5, extremes=5)
        states.append(law.to_state()[1])
    assert all(np.array_equal(a, states[1][name]) for name, a in states[0].items())


def test_a_small_run_is_winsorised():
    x = np.r_[np.arange(11.0), 1e9]
    law = QuantileLaw.fit(x, np.ones(12), min_count=5, extremes=5)
    assert law.hi[-1] < 40 and np.isfinite(law.lo).all()


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.5])
def test_a_censored_tail_has_the_shape_of_its_law(shape):
    p = (np.arange(1000) + 0.5) / 1000
    x = gpd_quantile(p, shape, 2.0)
    found = tail_law(np.r_[0.0, x], np.ones(1001), 0.0, 5, last=float(x[-20]))
    assert abs(found[0] - shape) < 0.08
    x[-19:] *= 50  # what lies beyond is not looked at
    assert tail_law(np.r_[0.0, x], np.ones(1001), 0.0, 5, last=float(x[-20])) == found


def test_far_numbers_of_a_series():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1000)
    before = extremes_of(x, 5)
    assert -4.5 < before[0] < -2.3 and 2.3 < before[1] < 4.5
    assert extremes_of(x, 1) == (x.min(), x.max())
    x[np.argsort(x)[-4:]] += 1e6
    assert extremes_of(x, 5) == before
    levels = np.array([0.0, 0.5, 1.0])
    found = quantiles(x[:, None], levels, 5)[:, 0]
    assert found[2] < 10 and abs(found[1] - np.median(x)) < 0.05


# -------------------------------------------------------------------- digits
def test_digits_that_few_rows_need_are_cut():
    rng = np.random.default_rng(0)
    cents, thousands = rng.lognormal(3, 1, 500).round(2), rng.integers(10, 90, 500) * 1000
    cents[3], thousands[3] = 12.3456789012, 45678
    hours = rng.integers(0, 900, 500) * 24 + 8 + rng.integers(0, 9, 500)
    times = (pd.Timestamp("2020-01-01") + pd.to_timedelta(hours, "h")).as_unit("ns")
    table = pd.DataFrame({"cents": cents, "thousands": thousands, "time": times, "any": rng.normal(size=500)})
    table.loc[3, "time"] += pd.Timedelta("11min 13s 7ns")
    encoder = TableEncoder().fit(table)
    assert encoder.schema_.columns["cents"].decimals == 2 and encoder.schema_.columns["any"].decimals is None
    told = encoder.protection_.columns
    assert {told[n]["rounded"] for n in ("cents", "thousands", "time")} == {"fewer than 5"}
    drawn = TabularSynthesizer("independent", random_state=0).fit(table).sample(300, seed=0)
    assert (drawn["cents"].round(2) == drawn["cents"]).all() and (drawn["thousands"] % 1000 == 0).all()
    assert (drawn["time"] == drawn["time"].dt.floor("h")).all()
    kept = TableEncoder(protect=Protection(precision=None)).fit(table).schema_.columns["cents"].decimals
    assert kept is not None and kept > 2


@pytest.mark.parametrize("odd", [6, 60])
def test_digits_that_a_kept_value_or_many_rows_need_stay(odd):
    x = np.random.default_rng(0).integers(0, 50, 3000) / 2
    x[:odd] = 7.25 if odd < 10 else np.arange(odd) + 0.123
    encoder = TableEncoder(protect=Protection(jitter=1)).fit(pd.DataFrame({"x": x}))
    assert encoder.schema_.columns["x"].decimals == (2 if odd < 10 else 3)


# -------------------------------------------------------------------- dominance
def test_a_number_that_is_mostly_one_entitys_is_no_spike():
    rng = np.random.default_rng(0)
    rent, others = 4231.17, rng.lognormal(6, 1, 600).round(2)
    amount = np.r_[np.full(100, rent), np.full(6, rent), others]
    who = np.r_[np.zeros(100, int), np.arange(1, 607)]
    counts = NumberCounts()
    counts.update(amount, entity=who)
    at = np.searchsorted(counts.values, rent)
    assert counts.support[at] == 7 and counts.lead[at] == pytest.approx(100 / 106)
    table = pd.DataFrame({"amount": amount, "who": [f"w{i}" for i in who]})
    stored = {}
    for dominance in (0.8, None):
        encoder = TableEncoder(entity="who", protect=Protection(jitter=1, dominance=dominance)).fit(table)
        law = encoder.transformers_["amount"].law
        stored[dominance] = rent in law.lo[law.lo == law.hi]
        told = encoder.protection_.columns["amount"]["dominated"]
        assert told == ("fewer than 5" if dominance else 0)
    assert stored == {0.8: False, None: True}


# -------------------------------------------------------------------- combinations
def quasi(rows=1500):
    rng = np.random.default_rng(0)
    zips = rng.choice(list("ABCDEF"), rows, p=[0.4, 0.3, 0.15, 0.1, 0.03, 0.02])
    table = pd.DataFrame({"zip": zips, "sex": rng.choice(["F", "M"], rows), "age": rng.integers(2, 9, rows) * 10.0})
    table.loc[rng.random(rows) < 0.05, "age"] = None
    return table.assign(income=rng.lognormal(10, 1, rows).round())


NAMES = ["zip", "sex", "age"]


@pytest.mark.parametrize("model", ["independent", "copula"])
def test_rare_combinations_are_not_drawn(model, tmp_path):
    table = quasi()
    protect = Protection(quasi_identifiers=tuple(NAMES), combination_min=8, jitter=1)
    synthesizer = TabularSynthesizer(model, protect=protect, random_state=0).fit(table)
    seen = table.fillna({"age": -1}).groupby(NAMES).size()
    rare = set(seen[seen < 8].index)
    drawn = synthesizer.sample(1000, seed=1)
    found = set(drawn.fillna({"age": -1}).groupby(NAMES).size().index)
    assert rare and not found & rare and found <= set(seen.index)
    told = synthesizer.protection_.columns[tuple(NAMES)]
    assert told == {"combinations": len(rare), "suppressed": int(seen[seen < 8].sum())}
    some = synthesizer.sample(200, where={"zip": ["C", "E"], "age": between(20, 50)}, seed=2)
    assert set(some["zip"]) <= {"C", "E"} and some["age"].between(20, 50).all()
    assert not set(some.groupby(NAMES).size().index) & rare
    asked = next(c for c in rare if c[2] > 0)
    with pytest.raises(ConditionError, match="quasi-identifiers"):
        synthesizer.sample(3, where=dict(zip(NAMES, asked, strict=True)))
    synthesizer.save(tmp_path / "model")
    again = TabularSynthesizer.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.sample(1000, seed=1), drawn)
    assert str(again.protection_) == str(synthesizer.protection_)
    assert not synthesizer.impute(table, seed=0).isna().any().any()  # given cells stay, whatever they are


def test_where_most_combinations_are_rare_a_frequent_one_takes_their_place(tmp_path):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"age": rng.integers(18, 90, 400), "sex": rng.choice(["F", "M"], 400)})
    table["town"] = rng.choice(["a", "b", None], 400, p=[0.7, 0.2, 0.1])
    protect = Protection(quasi_identifiers=("age", "sex", "town"), combination_min=5, jitter=1)
    with pytest.warns(SynthkitWarning, match="most rows have a rare combination"):
        synthesizer = TabularSynthesizer("copula", protect=protect, random_state=0).fit(table)
    cells = synthesizer.combinations_
    assert 0 < len(cells.allowed) < 60
    drawn = synthesizer.sample(600, seed=1)
    assert cells.ok(synthesizer.encoder_.encode(drawn)).all()
    synthesizer.save(tmp_path / "model")
    pd.testing.assert_frame_equal(TabularSynthesizer.load(tmp_path / "model").sample(600, seed=1), drawn)


def test_quasi_identifiers_that_cannot_be():
    table = quasi(300)
    for names, message in ((("nope",), "no column"), (("income", "age"), "is in"), (("key",), "not learnt")):
        protect = Protection(quasi_identifiers=names, combination_min=250)
        with pytest.raises(SchemaError, match=message):
            TabularSynthesizer("independent", protect=protect, random_state=0).fit(
                table.assign(key=[f"K{i:03d}" for i in range(300)])
            )
    panel = table.assign(who=np.arange(300) // 3, visit=np.arange(300) % 3)
    with pytest.raises(ParamError, match="quasi-identifier 'zip'"):
        SequenceSynthesizer(entity="who", time="visit", protect=Protection(quasi_identifiers=("zip",))).fit(panel)


# -------------------------------------------------------------------- the report
def test_the_report_counts_and_shows_no_value():
    rng = np.random.default_rng(0)
    town = rng.choice(["Bergen", "Voss"], 400).astype(object)
    town[:12] = [f"hamlet {i}" for i in range(12)]
    table = pd.DataFrame({"town": town, "x": rng.lognormal(0, 1, 400), "flag": rng.random(400) < 0.5})
    report = TabularSynthesizer("independent", random_state=0).fit(table).protection_
    assert report.columns["town"] == {"categories": 12, "merged": 12}
    assert set(report.columns["x"]) == {"spikes", "extremes", "dominated"} and report.columns["x"]["extremes"] == 8
    frame = report.to_frame()
    assert list(frame["column"]) == ["town", "x"] and frame["categories"].tolist() == [12, 0]
    text = json.dumps(report.to_dict()) + str(report)
    assert "hamlet" not in text and "standard: 5 to 7 rows" in report.line
    again = ProtectionReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.to_dict() == report.to_dict()
    off = TabularSynthesizer("independent", protect=None, random_state=0).fit(table).protection_
    assert off.line.startswith("none") and off.to_frame().empty


def test_info_tells_of_protection(tmp_path, capsys):
    from synthkit.cli import main

    path = str(tmp_path / "model")
    TabularSynthesizer("independent", protect="health", random_state=0).fit(quasi(200)).save(path)
    assert main(["info", path]) == 0
    assert "protect health: 11 to 13 rows" in capsys.readouterr().out


def test_a_dtype_loses_rare_categories_unless_it_is_a_scale():
    cells = ["a"] * 40 + ["b"] * 20 + ["only one"]
    table = pd.DataFrame({"c": pd.Categorical(cells), "o": pd.Categorical(cells, ["only one", "a", "b"], ordered=True)})
    drawn = TabularSynthesizer("independent", random_state=0).fit(table).sample(50, seed=0)
    assert list(drawn["c"].cat.categories) == ["a", "b"]
    assert drawn["o"].dtype == table["o"].dtype and "only one" not in set(drawn["o"])
