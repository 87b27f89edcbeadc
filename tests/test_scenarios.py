"""Tables that are asked for: shares are met, conditionals hold, known laws are recovered, causal words are not used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit import TabularSynthesizer, between, fairness, isnull, notnull
from synthkit.errors import ConditionError, ParamError, SchemaError
from synthkit.synthesizers.levelling import _coupled, _levelled, nearest_counts
from synthkit.synthesizers.scenarios import Counterfactual
from synthkit.synthesizers.tilting import chances_of, chosen_rows, raked


def chance(age, sex, edu):
    return 1 / (1 + np.exp(2.5 - 0.03 * (age - 40) - 1.2 * (sex == "M") - (edu == "hi")))


def people(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows)
    sex = rng.choice(["F", "M"], rows, p=[0.33, 0.67])
    edu = rng.choice(["lo", "mid", "hi"], rows, p=[0.5, 0.3, 0.2])
    rich = np.where(rng.random(rows) < chance(age, sex, edu), "yes", "no")
    hours = (40 + 5 * (sex == "M") + 5 * rng.normal(size=rows)).round()
    return pd.DataFrame({"id": np.arange(rows) + 1, "age": age, "sex": sex, "edu": edu, "hours": hours, "rich": rich})


@pytest.fixture(scope="module")
def fitted():
    return TabularSynthesizer("autoregressive", random_state=0, max_steps=200).fit(people())


def share(table: pd.DataFrame, by: str) -> pd.Series:
    return (table["rich"] == "yes").groupby(table[by]).mean()


# -------------------------------------------------------------------- shares
def test_rebalanced_shares_are_exact_and_conditionals_hold(fitted):
    out = fitted.sample(2000, rebalance={"sex": {"F": 0.5, "M": 0.5}}, seed=1)
    assert (out["sex"] == "F").sum() == 1000 and out["id"].is_unique
    assert abs(share(out, "sex") - share(people(), "sex")).max() < 0.06
    pd.testing.assert_frame_equal(out, fitted.sample(2000, rebalance={"sex": {"F": 0.5, "M": 0.5}}, seed=1))


def test_a_given_cell_is_followed_as_in_free_draws(fitted):
    free = fitted.sample(20_000, seed=4)
    for where in ({"rich": "yes"}, {"sex": "M", "edu": "hi"}, {"edu": "hi", "rich": "no"}):
        given = fitted.sample(6000, where=where, seed=5)
        same = free[np.logical_and.reduce([free[name] == value for name, value in where.items()])]
        for name in ("age", "hours"):
            noise = np.sqrt(same[name].var() / len(same) + given[name].var() / len(given))
            assert abs(given[name].mean() - same[name].mean()) < 4 * noise, (where, name)
        for name in {"sex", "edu", "rich"} - set(where):
            shares = [table[name].value_counts(normalize=True) for table in (given, same)]
            assert abs(shares[0] - shares[1]).max() < 0.03, (where, name)


def test_cells_that_differ_by_row_are_followed_as_in_free_draws(fitted):
    free = fitted.sample(20_000, seed=4)
    given = fitted.sample(where=free[["hours", "rich"]].head(6000), seed=5)
    assert (given["rich"] == free["rich"].head(6000)).all()
    for value in ("yes", "no"):
        same, own = (table[table["rich"] == value] for table in (free, given))
        assert abs((own["sex"] == "M").mean() - (same["sex"] == "M").mean()) < 0.08, value
        assert abs(own["age"].mean() - same["age"].mean()) < 3.5, value


def test_several_margins_and_ranges_and_where(fitted):
    wanted = {"sex": {"F": 0.7, "M": 0.3}, "age": {between(18, 39): 0.1, between(40, 89): 0.9}}
    out = fitted.sample(1000, rebalance=wanted, where={"edu": "hi"}, seed=2)
    assert len(out) == 1000 and (out["edu"] == "hi").all()
    assert abs((out["sex"] == "F").mean() - 0.7) <= 0.002 and abs((out["age"] < 40).mean() - 0.1) <= 0.002
    # nearest to the model's own: the two columns are independent in the table, and stay so
    assert abs((out["age"] < 40)[out["sex"] == "F"].mean() - 0.1) < 0.03


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 2**31))
def test_raking_meets_margins_and_keeps_odds_ratios(a, b, seed):
    rng = np.random.default_rng(seed)
    joint = rng.random((a, b)) + 0.05
    wanted = [rng.dirichlet(np.ones(k)) for k in (a, b)]
    out = raked(joint, wanted, "t", ["x", "y"])
    assert np.allclose(out.sum(axis=1), wanted[0], atol=1e-6) and np.allclose(out.sum(axis=0), wanted[1], atol=1e-6)
    ratio = [t[0, 0] * t[1, 1] / (t[0, 1] * t[1, 0]) for t in (joint, out)]
    assert np.isclose(ratio[0], ratio[1], rtol=1e-3)


def test_shift_meets_shares_and_means_and_keeps_what_they_do_not_tell(fitted):
    wanted = {"age": {between(18, 40): 0.2, between(41, 89): 0.8}}
    out = fitted.shift(1500, shares=wanted, means={"hours": 45}, seed=1)
    assert abs((out["age"] <= 40).mean() - 0.2) < 0.01 and abs(out["hours"].mean() - 45) < 0.2
    assert len(out) == 1500 and out["id"].is_unique
    old, real = (t[t["age"] > 60] for t in (out, people()))
    assert abs(share(old, "edu") - share(real, "edu")).max() < 0.12
    with pytest.raises(ConditionError, match="column 'hours' cannot be met"):
        fitted.shift(500, means={"hours": 400}, seed=1)


def test_raking_says_what_cannot_be_met():
    with pytest.raises(ConditionError, match="'x', 'y' cannot be met together"):
        raked(np.eye(2), [np.array([0.5, 0.5]), np.array([0.9, 0.1])], "t", ["x", "y"])


@pytest.fixture(scope="module")
def tied():
    """A rare class, and rules: a code that goes with it, and a sum."""
    rng = np.random.default_rng(0)
    job = rng.choice(["kept", "lost"], 1500, p=[0.96, 0.04])
    care, drugs = rng.integers(100, 900, 1500), rng.integers(0, 300, 1500)
    table = pd.DataFrame({"job": job, "code": np.where(job == "lost", 7, 3), "care": care, "drugs": drugs})
    table["bill"], table["day"] = care + drugs, pd.Timestamp("2024-01-01") + pd.to_timedelta(care % 300, "D")
    table["late"] = pd.array(rng.random(1500) < np.where(job == "lost", 0.6, 0.2), "boolean")
    table.loc[::9, "late"] = pd.NA
    return table, TabularSynthesizer("copula", random_state=0).fit(table)


@pytest.mark.parametrize("wanted", [0.3, 0.9])
def test_a_strong_shift_has_the_shares_or_is_refused(tied, wanted):
    model = tied[1]
    out = model.shift(100, shares={"job": {"kept": 1 - wanted, "lost": wanted}}, seed=1)
    assert abs((out["job"] == "lost").mean() - wanted) < 0.011
    assert (out["care"] + out["drugs"] == out["bill"]).all() and ((out["code"] == 7) == (out["job"] == "lost")).all()
    if wanted > 0.5:
        with pytest.raises(ConditionError, match="too rare"):
            model.shift(100, shares={"care": {between(None, 101): 1.0}}, seed=1)


def test_a_kind_that_the_first_draw_lacks_by_chance_is_looked_for():
    job = np.repeat(["kept", "lost"], [7992, 8])
    model = TabularSynthesizer("independent", protect=None, random_state=0).fit(pd.DataFrame({"job": job, "z": job}))
    for seed in range(6):  # one in 1,000, and first some 1,000 rows are drawn
        out = model.shift(20, shares={"job": {"kept": 0.9, "lost": 0.1}}, seed=seed)
        assert (out["job"] == "lost").sum() == 2


@pytest.mark.parametrize(
    ("column", "shares", "good"),
    [
        ("care", {between(None, 500): 0.5, between(501, None): 0.5}, True),
        ("care", {between(None, 500): 0.5, between(500, None): 0.5}, False),
        ("care", {between(None, 500): 0.5, 300: 0.5}, False),
        ("day", {between("2024-01-01", "2024-03-01"): 0.5, between("2024-03-02", None): 0.5}, True),
        ("day", {between("2024-01-01", "2024-03-02"): 0.5, between("2024-03-02", None): 0.5}, False),
        ("late", {isnull(): 0.5, True: 0.5}, True),
        ("late", {notnull(): 0.5, True: 0.5}, False),
    ],
)
def test_shares_speak_of_different_cells(tied, column, shares, good):
    if good:
        out = tied[1].sample(50, rebalance={column: shares}, seed=0)[column]
        first = {"care": lambda: out <= 500, "day": lambda: out < "2024-03-02", "late": lambda: out.isna()}[column]()
        assert first.sum() == 25
        return
    for call in (tied[1].sample, lambda n, rebalance, seed: tied[1].shift(n, shares=rebalance, seed=seed)):
        with pytest.raises(ParamError, match=f"two shares of column '{column}'"):
            call(50, rebalance={column: shares}, seed=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(50, 400), st.integers(0, 2**31))
def test_chosen_rows_are_different_and_follow_the_weights(rows, seed):
    rng = np.random.default_rng(seed)
    weights = rng.random(rows) + 0.2
    weights /= weights.sum()
    hits = np.zeros(rows)
    for _ in range(200):
        at = chosen_rows(chances_of(weights, rows // 5), rng.permutation(rows), rng)
        assert len(set(at)) == rows // 5
        hits[at] += 1
    expected = 200 * (rows // 5) * weights
    assert (np.abs(hits - expected) < 6 * np.sqrt(expected) + 3).all()


# -------------------------------------------------------------------- fairness
def test_fair_draws_level_the_target_and_nothing_else(fitted):
    plain, out = fitted.sample(3000, seed=3), fitted.fair(3000, "rich", "sex", seed=3)
    real = people(3000, 9)
    assert share(plain, "sex").diff().abs().max() > 0.1
    assert share(out, "sex").diff().abs().max() < 0.002, "to a row"
    pd.testing.assert_frame_equal(out.drop(columns="rich"), plain.drop(columns="rich"))
    assert (out["rich"] != plain["rich"]).mean() < 0.12
    assert abs(share(out, "edu") - share(plain, "edu")).max() < 0.04, "what else tells the target still does"
    found = fairness(real, out, target="rich", protected="sex", plain=plain)
    before = fairness(real, plain, target="rich", protected="sex")
    assert found.positive == "yes" and found.table_gap < 0.002 < before.table_gap
    assert found.model_gap < 0.5 * before.model_gap and -0.02 < found.auc_loss < 0.15
    assert list(found.per_group.index) == ["F", "M"] and "AUC" in str(found)


def test_fair_over_combinations_without_a_law_of_the_target(fitted):
    copula = TabularSynthesizer("copula", random_state=0).fit(people())
    out = copula.fair(1500, "rich", ["sex", "edu"], seed=1)
    levels = out.groupby(["sex", "edu"])["rich"].apply(lambda v: (v == "yes").mean())
    assert levels.max() - levels.min() < 0.02


@settings(max_examples=30, deadline=None)
@given(st.integers(30, 200), st.integers(2, 4), st.integers(0, 2**31))
def test_levelled_laws_have_the_shares_and_coupled_codes_their_counts(rows, classes, seed):
    rng = np.random.default_rng(seed)
    laws = rng.dirichlet(np.ones(classes), rows) * 0.9 + 0.1 / classes
    shares = rng.dirichlet(np.full(classes, 5.0))
    new = _levelled(laws, shares)
    assert np.allclose(new.mean(axis=0), shares, atol=1e-4) and np.allclose(new.sum(axis=1), 1)
    codes = np.array([rng.choice(classes, p=law) for law in laws])
    out = _coupled(codes, laws, new, nearest_counts(shares * rows), rng)
    assert np.abs(np.bincount(out, minlength=classes) - shares * rows).max() < 1


def test_gaps_are_of_filled_cells():
    table = people(1200).assign(rich=lambda t: np.where(np.arange(1200) // 2 % 2, "yes", "no"), sex=["F", "M"] * 600)
    table.loc[table["sex"].eq("F") & (np.arange(1200) < 600), "rich"] = None
    found = fairness(people(400, 1), table, target="rich", protected="sex", positive="yes")
    assert found.table_gap < 0.01, "half of the one group's cells are empty, and half of the filled ones are yes"


def test_a_tuple_may_be_the_name_of_a_protected_column():
    tables = [people(200, seed) for seed in (1, 2)]
    named = [table.set_axis([("a", "b") if c == "sex" else c for c in table], axis=1) for table in tables]
    found, same = (
        fairness(*both, target="rich", protected=name) for both, name in ((named, ("a", "b")), (tables, "sex"))
    )
    assert found.table_gap == same.table_gap > 0


def test_fairness_refuses_what_it_cannot_judge():
    table = people(200)
    for change, error, words in [
        ({"target": "hours"}, ParamError, "is a number"),
        ({"target": "nothing"}, ParamError, "no column 'nothing'"),
        ({"protected": "rich"}, ParamError, "besides the target"),
        ({"positive": "maybe"}, ParamError, "no class"),
        ({"protected": []}, ParamError, "names no column"),
    ]:
        with pytest.raises(error, match=words):
            fairness(table, table, **{"target": "rich", "protected": "sex", **change})
    for one, other in ((table, table.assign(rich=None)), (table.assign(rich=None), table)):
        with pytest.raises(SchemaError, match="column 'rich' is null"):
            fairness(one, other, target="rich", protected="sex")
    with pytest.raises(SchemaError, match="fewer than two groups"):
        fairness(table[table["sex"] == "F"], table, target="rich", protected="sex")


# -------------------------------------------------------------------- what if
def test_counterfactual_probabilities_are_those_of_the_law(fitted):
    rows = people(60, 5)
    found = fitted.counterfactual(rows, {"age": 80}, target="rich", n=200, seed=1)
    assert isinstance(found, Counterfactual)
    truth = chance(80, rows["sex"].to_numpy(), rows["edu"].to_numpy())
    told = found.outcome["yes"]
    assert np.abs(told["probability"].to_numpy() - truth).mean() < 0.1
    assert (told["low"] <= told["probability"]).all() and (told["probability"] <= told["high"]).all()
    assert np.corrcoef(told["probability"], truth)[0, 1] > 0.7
    drawn = found.draws
    assert len(drawn) == 12_000 and (drawn["age"] == 80).all() and drawn.index.names == ["row", "draw"]
    for name in ("sex", "edu", "hours"):
        assert (drawn.loc[rows.index[2], name] == rows[name].iloc[2]).all(), "held cells stay"


def test_counterfactual_with_free_columns_one_value_per_row_and_a_number(fitted):
    rows = people(3, 6).set_index(pd.Index(["a", "b", "c"]))
    found = fitted.counterfactual(rows, {"sex": ["M", "F", "M"]}, hold=["age"], n=300, target="hours", seed=1)
    assert found.outcome.index.tolist() == ["a", "b", "c"]
    mean = found.outcome["mean"]
    assert mean["a"] - mean["b"] > 2 and ((found.outcome["q5"] < mean) & (mean < found.outcome["q95"])).all()
    assert found.draws.loc["b", "edu"].nunique() == 3, "free columns are drawn"


def test_outcomes_tell_classes_that_no_draw_has_and_one_draw_has_no_interval(fitted):
    rows = people(2, 6)
    told = fitted.counterfactual(rows, {"age": 20}, n=1, target="rich", seed=0).outcome
    assert told.columns.unique(0).tolist() == ["no", "yes"]
    assert told.xs("probability", axis=1, level=1).sum(axis=1).tolist() == [1, 1]
    one = fitted.counterfactual(rows, {"age": 20}, ["sex", "sex"], n=1, target="hours", seed=0).outcome
    assert one["mean"].notna().all() and one[["low", "high"]].isna().all(axis=None)


def test_off_support_is_flagged():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    table = pd.DataFrame({"x": x, "y": x + 0.05 * rng.normal(size=1000)})
    rows = pd.DataFrame({"x": [0.0, 2.0], "y": [0.0, -2.0]})
    for model in ("autoregressive", "copula"):
        fitted = TabularSynthesizer(model, random_state=0, max_steps=150).fit(table.assign(z=0.5 + np.arange(1000) % 7))
        found = fitted.counterfactual(rows, {"x": [0.0, 2.0]}, hold=["y"], n=5, seed=0)
        assert found.off_support.tolist() == [False, True], model


def test_what_the_model_does_not_know_is_off_support(fitted):
    rows = people(3, 6).assign(age=[200, 50, 50], edu=["lo", "none", "mid"])
    found = fitted.counterfactual(rows, {"sex": "F"}, target="rich", n=5, seed=0)
    assert found.support.tolist()[:2] == [0, 0] and found.support.iloc[2] > 0.01
    assert (found.draws["age"].loc[rows.index[0]] == 200).all(), "held as it is"


def test_edits_under_rules_nulls_and_dates(tied):
    table, model = tied
    rows = table.head(3)
    found = model.counterfactual(rows, {"care": 500, "job": "lost"}, target="late", n=20, seed=0)
    assert (found.draws["care"] + found.draws["drugs"] == found.draws["bill"]).all(), "what follows is not held"
    assert (found.draws["code"] == 7).all() and found.draws["care"].eq(500).all()
    sums = found.outcome.xs("probability", axis=1, level=1).sum(axis=1)
    assert sums.to_numpy() == pytest.approx(1), "of filled cells"
    with pytest.raises(ConditionError, match="'set' and 'hold'.* break the rule"):
        model.counterfactual(rows, {"care": 500}, hold=["drugs", "bill"], target="late", n=2)
    day = model.counterfactual(rows, {"day": "2024-05-01"}, hold=["care"], n=2, seed=0).draws["day"]
    assert day.eq(pd.Timestamp("2024-05-01")).all() and day.dtype == table["day"].dtype
    gap = model.counterfactual(rows.assign(care=np.nan), {"late": True}, hold=["care"], n=2, seed=0).draws["care"]
    assert gap.notna().all() and gap.dtype == table["care"].dtype, "never empty, and so drawn"
    with pytest.raises(ParamError, match="must hold classes"):
        model.counterfactual(rows, {"care": 500}, hold=["drugs"], target="day")


def test_fair_keeps_rules_and_tells_where_rows_are_too_few(tied):
    with pytest.raises(ParamError, match="rule .* ties column 'job'"):
        tied[1].fair(500, "job", "late")
    with pytest.raises(ConditionError, match="too few"):  # 50 of 3,000 rows: whole rows are further apart than that
        tied[1].fair(400, "late", "job", tolerance=0.001, seed=0)


def test_no_causal_word_is_used():
    text = " ".join(str(m.__doc__) for m in (TabularSynthesizer.counterfactual, Counterfactual)).lower()
    assert "not causal" in text and "effect" not in text


# -------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s: s.sample(10, rebalance={"sex": {"F": 0.5}}), ParamError, "do not sum to 1"),
        (lambda s: s.sample(10, rebalance={"no": {"F": 1.0}}), ParamError, "no column 'no'"),
        (lambda s: s.sample(10, rebalance={"id": {1: 1.0}}), ParamError, "is generated"),
        (lambda s: s.sample(10, rebalance={}), ParamError, "must be a dict"),
        (lambda s: s.sample(10, rebalance={"sex": {"F": -1.0, "M": 2.0}}), ParamError, ">= 0"),
        (lambda s: s.sample(10, rebalance={"sex": {"F": 1.0}}, where={"sex": "M"}), ParamError, "keep one"),
        (lambda s: s.sample(10, rebalance={"sex": {"X": 1.0}}), ConditionError, "domain"),
        (lambda s: s.sample(10, rebalance={"sex": {isnull(): 1.0}}), ConditionError, "never null"),
        (lambda s: s.sample(9, rebalance={"sex": {"F": 1.0}}, accept=lambda t: t["age"] > 0), ParamError, "'accept'"),
        (lambda s: s.shift(10), ParamError, "both empty"),
        (lambda s: s.shift(10, shares={}), ParamError, "both empty"),
        (lambda s: s.shift(10, means=3), ParamError, "'means'"),
        (lambda s: s.shift(10, means={"hours": "many"}), ParamError, "one of numbers"),
        (lambda s: s.fair(10, ["rich"], "sex"), ParamError, "column of the table"),
        (lambda s: s.shift(10, means={"sex": 1.0}), ParamError, "one of numbers"),
        (lambda s: s.fair(900, "hours", "sex"), ParamError, "more than 20 values"),
        (lambda s: s.fair(10, "id", "sex"), ParamError, "has a few values"),
        (lambda s: s.fair(10, "rich", "rich"), ParamError, "other than the target"),
        (lambda s: s.fair(10, "rich", "edu"), ConditionError, "too few for"),
        (lambda s: s.counterfactual(people(2), {"age": 30}), ParamError, "nothing to draw"),
        (lambda s: s.counterfactual(people(2), {"age": 30}, ["age"]), ParamError, "in 'set' and in 'hold'"),
        (lambda s: s.counterfactual(people(2), {"age": 30}, target="age"), ParamError, "set or held"),
        (lambda s: s.counterfactual(people(2), {"age": [30]}, target="rich"), ParamError, "1 values for 2 rows"),
        (lambda s: s.counterfactual(people(2), {"sex": "X"}, target="rich"), ConditionError, "domain"),
        (lambda s: s.counterfactual(people(2), {"age": None}, target="rich"), ConditionError, "set to null"),
        (lambda s: s.counterfactual(people(2), {"no": 1}, target="rich"), ParamError, "no column 'no'"),
        (lambda s: s.counterfactual(people(2)[["age"]], {"sex": "F"}, target="rich"), ParamError, "lacks column"),
        (lambda s: s.counterfactual(people(0), {"sex": "F"}, target="rich"), ParamError, "one row or more"),
    ],
)
def test_bad_input(fitted, call, error, words):
    with pytest.raises(error, match=words):
        call(fitted)
