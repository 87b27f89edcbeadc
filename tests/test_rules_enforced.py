"""Rules hold in every row that is drawn or filled, and given cells stay, with any model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import Protection, Schema, SynthkitWarning, TabularSynthesizer, between, isnull, notnull
from synthkit.cli import main
from synthkit.errors import ConditionError, ParamError, SchemaError
from synthkit.rules import Combination, Determines, NullImplies, Ordered, Predicate, Sum
from tests.test_rules import LABEL, PLANTED, planted

DAY = pd.Timestamp("2024-01-05")


@pytest.fixture(scope="module", params=["independent", "copula"])
def synthesizer(request) -> TabularSynthesizer:
    """The worst model for rules, which knows no dependence, and one that knows some."""
    return TabularSynthesizer(request.param, random_state=0).fit(planted())


def all_hold(t: pd.DataFrame) -> bool:
    """The planted rules, written out once more."""
    order = (t["a"] <= t["b"]) & (t["b"] <= t["c"]) & (t["start"] <= t["end"])
    total = (t["p"] + t["q"] - t["total"]).abs() < 0.001
    rest = (t["code"].map(LABEL) == t["label"]) & (t["u"].notna() | t["v"].isna())
    return bool((order & total & rest & (t["p"] >= 0) & (t["q"] >= 0)).all())


def test_a_fit_finds_the_rules_and_draws_by_them(synthesizer):
    assert {(type(r), r.columns) for r in synthesizer.schema_.rules} == {(type(r), r.columns) for r in PLANTED}
    state = torch.random.get_rng_state()
    got = synthesizer.sample(1500, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert len(got) == 1500 and all_hold(got) and (got.dtypes == planted().dtypes).all()
    pd.testing.assert_frame_equal(got, synthesizer.sample(1500, seed=1))
    assert not got.equals(synthesizer.sample(1500, seed=2)) and len(synthesizer.sample(0, seed=1)) == 0


PINNED = [
    {"c": 300},
    {"b": 60},
    {"b": 60, "c": 70},
    {"a": 900},
    {"end": DAY},
    {"total": 300.55},
    {"total": 50.0, "p": 49.25},
    {"label": "egg"},
    {"code": "D"},
]


@pytest.mark.parametrize("where", PINNED, ids=str)
def test_only_some_columns_pinned(where, synthesizer):
    got = synthesizer.sample(300, where=where, seed=0)
    assert all_hold(got) and all((got[name] == value).all() for name, value in where.items())


def test_pinned_row_by_row(synthesizer):
    given = pd.DataFrame(
        {
            "a": [None, 10, 400] * 60,
            "c": np.linspace(40, 1400, 180).round() + 400,
            "end": DAY + pd.to_timedelta(np.arange(180), "D"),
            "total": np.linspace(30, 400, 180).round(2),
            "label": ["apple", None, "bean"] * 60,
        }
    )
    before = given.copy(deep=True)
    got = synthesizer.sample(where=given, seed=3)
    pd.testing.assert_frame_equal(given, before)
    assert all_hold(got)
    for name in given:
        there = given[name].notna()
        assert (got[name][there].to_numpy() == given[name][there].to_numpy()).all(), name


def test_sets_emptiness_and_accept_combine_with_rules(synthesizer):
    where = {"total": between(200, 300), "label": ["egg", "cress"], "c": between(100, 700), "v": notnull()}
    got = synthesizer.sample(200, where=where, accept=lambda t: t["free"] > 0, seed=0)
    assert all_hold(got) and (got["free"] > 0).all() and got["v"].notna().all() and got["u"].notna().all()
    assert got["total"].between(200, 300).all() and got["label"].isin(["egg", "cress"]).all()
    assert got["c"].between(100, 700).all()
    got = synthesizer.sample(50, where={"u": isnull()}, seed=0)
    assert got[["u", "v"]].isna().all().all()


IMPOSSIBLE = [
    ({"a": 500, "b": 100}, "'a', 'b'"),
    ({"a": 500, "c": 100}, "'a', 'c'"),  # by way of b
    ({"start": DAY, "end": DAY - pd.Timedelta("1D")}, "'start', 'end'"),
    ({"p": 10.0, "q": 5.0, "total": 16.0}, "'p', 'q', 'total'"),
    ({"code": "A", "label": "egg"}, "'code', 'label'"),
    ({"u": isnull(), "v": 0.5}, "'u', 'v'"),
]


@pytest.mark.parametrize(("where", "names"), IMPOSSIBLE, ids=str)
def test_given_cells_that_break_a_rule_are_refused_by_name(where, names, synthesizer):
    with pytest.raises(ConditionError, match=names):
        synthesizer.sample(5, where=where, seed=0)


def test_conditions_that_leave_no_room_end_in_an_error(synthesizer):
    with pytest.raises(ConditionError, match=r"5 of 5 rows break a rule.*Ordered|nothing meets"):
        synthesizer.sample(5, where={"a": between(900, None), "c": between(None, 300)}, seed=0)


@pytest.mark.parametrize("mode", ["draw", "point"])
def test_filled_rows_keep_the_rules_and_the_given_cells(mode, synthesizer):
    table, rng = planted(120, seed=5), np.random.default_rng(0)
    holes = table.mask(rng.random(table.shape) < 0.2).set_axis(np.arange(1000, 1120))
    before = holes.copy(deep=True)
    filled = synthesizer.impute(holes, mode=mode, seed=0)
    pd.testing.assert_frame_equal(holes, before)
    assert filled.notna().all().all() and all_hold(filled)
    for name in holes:
        assert (filled[name] == holes[name])[holes[name].notna()].all()
    with pytest.raises(ConditionError, match="'a', 'b'"):
        synthesizer.impute(table.assign(b=-1.0), mode=mode, seed=0)


@pytest.mark.parametrize("mode", ["draw", "point"])
def test_given_cells_that_leave_no_way_are_kept_and_told_of(mode):
    """A pair of two rows is not kept; who gives one half of it cannot be given the other."""
    code = np.random.default_rng(0).integers(2, 9, 400)
    code[:2] = 1
    table = pd.DataFrame({"level": [f"L{v}" for v in code], "code": code})
    fitted = TabularSynthesizer("independent", random_state=0).fit(table)
    assert [type(rule) for rule in fitted.schema_.rules] == [Determines]
    holes = table.assign(level=table["level"].mask(np.arange(400) % 5 == 0))
    with pytest.warns(SynthkitWarning, match="impute: 1 of 400 rows break a rule.*Determines") as told:
        filled = fitted.impute(holes, mode=mode, seed=0)
    assert len(told) == 1
    assert (filled["code"] == code).all() and filled["level"][2:].tolist() == table["level"][2:].tolist()


@pytest.mark.parametrize("model", ["autoregressive", "trees"])
def test_the_other_models_too(model):
    fitted = TabularSynthesizer(model, random_state=0, max_steps=40).fit(planted(800))
    assert all_hold(fitted.sample(300, seed=0))
    got = fitted.sample(60, where={"end": DAY + pd.Timedelta("30D")}, seed=0)
    assert all_hold(got) and (got["end"] == DAY + pd.Timedelta("30D")).all()


def test_redrawn_rows_follow_the_law_given_the_rule():
    """Two independent dice of which one is not above the other: each pair alike."""
    rng = np.random.default_rng(0)
    dice = pd.DataFrame(rng.integers(1, 7, (6000, 2)), columns=["x", "y"]).astype(float)
    fitted = TabularSynthesizer("independent", rules=[Ordered("x", "y")], random_state=0)
    with pytest.warns(SynthkitWarning, match="rows break the rule"):
        fitted.fit(dice)
    share = fitted.sample(8000, seed=0).value_counts(normalize=True)
    assert len(share) == 21 and abs(share - 1 / 21).max() < 0.01
    pinned = fitted.sample(6000, where={"y": 3.0}, seed=0)["x"].value_counts(normalize=True)
    assert len(pinned) == 3 and abs(pinned - 1 / 3).max() < 0.03


def test_rare_rooms_are_reached_by_ranges():
    """A pinned end below nearly all starts, row by row: plain redraws would seldom hit it."""
    rng = np.random.default_rng(0)
    low = rng.gamma(20, 50, 3000).round()
    table = pd.DataFrame({"x": low, "y": low + rng.integers(0, 1000, 3000), "z": rng.integers(0, 5, 3000)})
    fitted = TabularSynthesizer("independent", random_state=0).fit(table)
    given = pd.DataFrame({"y": table["y"].nsmallest(60).to_numpy() + 5})
    got = fitted.sample(where=given, seed=0)
    assert (got["x"] <= got["y"]).all() and (got["y"] == given["y"]).all()
    assert got["x"].nunique() > 20 and fitted.sample(where=given, seed=0).equals(got)


def test_a_given_extreme_leaves_its_neighbour_the_same_value():
    """The law of y stops short of its largest value, which one row has; a given x may be that large."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 1000, 1000)
    table = pd.DataFrame({"x": low, "y": low + rng.integers(0, 300, 1000)}).astype("Int64")
    table.loc[0] = [1800, 1800]
    fitted = TabularSynthesizer("independent", random_state=0).fit(table)
    holes = table.head(20).assign(y=pd.array([None] * 20, dtype="Int64"))
    filled = fitted.impute(holes, seed=0)
    assert filled["y"].notna().all() and (filled["x"] <= filled["y"]).all() and filled["y"][0] == 1800


# -------------------------------------------------------------------- by hand
def test_rules_by_hand_are_exactly_those_in_force():
    table = planted()
    fit = lambda rules, **more: TabularSynthesizer("copula", random_state=0, rules=rules, **more).fit(table)  # noqa: E731
    assert fit(False).schema_.rules == () and not all_hold(fit(False).sample(200, seed=0))
    only = fit([Ordered("a", "c", strict=True)])
    assert only.schema_.rules == (Ordered("a", "c", strict=True),)
    got = only.sample(500, seed=0)
    assert (got["a"] < got["c"]).all() and not (got["b"] <= got["c"]).all()
    declared = Schema.infer(table, rules=False)
    assert fit(True, schema=declared).schema_.rules == ()
    declared = Schema(declared.columns, rules=(NullImplies("u", "v"),))
    assert fit(True, schema=declared).schema_.rules == declared.rules
    assert fit([], schema=declared).schema_.rules == ()
    for wrong in (3, "ordered", [Ordered("a", "b"), "x"]):
        with pytest.raises(ParamError, match="'rules'"):
            fit(wrong)
    with pytest.raises(SchemaError, match="no column 'zz'"):
        fit([Ordered("a", "zz")])
    with pytest.raises(SchemaError, match="rows break the rule"):
        fit([Ordered("c", "a", strict=True)])


def test_combinations_and_predicates(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.choice(list("abc"), 900), "n": rng.integers(0, 100, 900)})
    table["y"] = np.where(table["x"] == "a", "p", rng.choice(["p", "q"], 900))
    table.loc[0, ["x", "y"]] = ["a", "q"]  # one row's own, which is not kept
    fours = Predicate(lambda t: t["n"] % 4 == 0, "fours")
    fitted = TabularSynthesizer("independent", random_state=0, rules=[Combination(("x", "y"))]).fit(table)
    got = fitted.sample(1000, seed=0)
    assert not ((got["x"] == "a") & (got["y"] == "q")).any() and got["x"].nunique() == 3
    assert fitted.impute(table, seed=0).equals(table)  # what is given may be rare
    assert (fitted.impute(table.assign(y=None), seed=0)["y"][table["x"] == "a"] == "p").all()
    with pytest.warns(SynthkitWarning, match="'fours'"):
        fitted = TabularSynthesizer("independent", random_state=0, rules=[fours]).fit(table)
    assert (fitted.sample(500, where={"x": "a"}, seed=0)["n"] % 4 == 0).all()
    with pytest.raises(SchemaError, match=r"'fours'.*accept="):
        fitted.save(tmp_path / "m")


def test_rare_codes_are_neither_kept_nor_drawn(tmp_path):
    table = planted()
    table.loc[:2, ["code", "label"]] = ["code of three", "label of three"]
    fitted = TabularSynthesizer("independent", random_state=0).fit(table)
    rule = next(r for r in fitted.schema_.rules if isinstance(r, Determines))
    assert {k for k, _, _ in rule.pairs} == set(LABEL)
    fitted.save(tmp_path / "m")
    assert b"of three" not in (tmp_path / "m").read_bytes()
    assert all_hold(fitted.sample(500, seed=0))
    holes = table.head(3).assign(label=None)
    assert fitted.impute(holes, seed=0)["code"].tolist() == ["code of three"] * 3
    whole = TabularSynthesizer("independent", random_state=0, protect=Protection(min_count=3)).fit(table)
    assert "label of three" in {v for r in whole.schema_.rules for _, v, _ in getattr(r, "pairs", ())}


def test_two_sums_share_a_part():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 200, (1500, 3)), columns=["x", "y", "z"])
    table["xy"], table["xyz"] = table["x"] + table["y"], table[["x", "y", "z"]].sum(axis=1)
    rules = [Sum(("xy", "z"), "xyz"), Sum(("x", "y"), "xy")]
    fitted = TabularSynthesizer("independent", random_state=0, rules=rules).fit(table)
    for where in (None, {"xyz": 250}, {"xy": 90, "y": 40}):
        got = fitted.sample(300, where=where, seed=0)
        assert (got["x"] + got["y"] == got["xy"]).all() and (got["xy"] + got["z"] == got["xyz"]).all()
        assert (got >= 0).all().all() and all((got[k] == v).all() for k, v in (where or {}).items())


def test_keys_stay_unique_where_rows_are_redrawn():
    table = planted().assign(key=[f"K{i:05d}" for i in range(2000)])
    fitted = TabularSynthesizer("independent", random_state=0).fit(table)
    got = fitted.sample(1000, seed=0)
    assert got["key"].is_unique and all_hold(got)


# -------------------------------------------------------------------- files
def test_rules_survive_save_and_load(synthesizer, tmp_path, capsys):
    synthesizer.save(tmp_path / "m")
    again = TabularSynthesizer.load(tmp_path / "m")
    assert again.schema_.rules == synthesizer.schema_.rules
    pd.testing.assert_frame_equal(again.sample(200, seed=1), synthesizer.sample(200, seed=1))
    assert main(["info", str(tmp_path / "m")]) == 0
    out = capsys.readouterr().out
    assert "rules   6" in out and "Ordered(low='start', high='end', strict=False)" in out
    assert "apple" not in out


def test_rows_with_more_occasions_to_break_a_rule_stay_as_frequent():
    """The table keeps the rule and the model does not know it: where it is broken only the number is drawn anew."""
    rng = np.random.default_rng(0)
    y = rng.integers(1, 7, 6000)
    x = np.where(rng.random(6000) < 0.5, np.nan, rng.integers(1, y + 1))
    dice = pd.DataFrame({"y": y.astype(float), "x": x})
    fitted = TabularSynthesizer("independent", rules=[Ordered("x", "y")], random_state=0).fit(dice)
    drawn = fitted.sample(8000, seed=0)
    assert not (drawn["x"] > drawn["y"]).any()
    assert abs(drawn["x"].isna().mean() - 0.5) < 0.02, "whole rows drawn anew would leave two thirds empty"
    assert (drawn["y"].value_counts(normalize=True) - 1 / 6).abs().max() < 0.02
