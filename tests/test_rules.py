"""Row rules by themselves: what they check, how they repair, what a schema makes of them, and which a table shows."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit import Schema
from synthkit.errors import SchemaError
from synthkit.rules import Combination, Determines, NullImplies, Ordered, Predicate, Sum, rule_from_json, rule_to_json
from synthkit.rules.infer import infer_rules
from synthkit.schema import Categorical, Datetime, Empty, Identifier, Numeric, Text

LABEL = {"A": "apple", "B": "bean", "C": "cress", "D": "bean", "E": "egg"}


def planted(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every kind of rule that a table shows, and two columns that follow none."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 1000, rows)
    b = a + rng.integers(0, 500, rows)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), "D")
    p, q = rng.gamma(2, 50, rows).round(2), rng.gamma(2, 30, rows).round(2)
    code = rng.choice(list(LABEL), rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    gap = rng.random(rows) < 0.2
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "c": b + rng.integers(0, 300, rows),
            "start": start,
            "end": start + pd.to_timedelta(rng.exponential(9, rows).astype(int), "D"),
            "p": p,
            "q": q,
            "total": (p + q).round(2),
            "code": code,
            "label": pd.Series(code).map(LABEL),
            "u": np.where(gap, np.nan, rng.normal(size=rows)),
            "v": np.where(gap | (rng.random(rows) < 0.1), np.nan, rng.normal(size=rows)),
            "free": rng.normal(size=rows).round(1),
            "toss": rng.choice(["x", "y", "z"], rows),
        }
    )


PLANTED = {
    Ordered("a", "b"),
    Ordered("b", "c"),
    Ordered("start", "end"),
    Sum(("p", "q"), "total"),
    Determines("code", "label"),
    NullImplies("u", "v"),
}


# -------------------------------------------------------------------- discovery
@pytest.mark.parametrize("seed", range(5))
def test_planted_rules_are_found_and_no_others(seed):
    found = Schema.infer(planted(seed=seed)).rules
    assert set(found) == PLANTED and len(found) == len(PLANTED)  # a <= c follows, and is left out
    assert Schema.infer(planted(seed=seed), rules=False).rules == ()


@pytest.mark.parametrize("seed", range(20))
def test_independent_columns_propose_nothing(seed):
    rng, rows = np.random.default_rng(seed), int(np.random.default_rng(seed).integers(100, 3000))
    columns = {f"n{i}": rng.normal(i / 3, 1, rows).round(3) for i in range(6)}
    columns |= {f"i{i}": rng.integers(0, 3 + 20 * i, rows) for i in range(5)}
    columns |= {f"c{i}": rng.choice(list("abcdefgh")[: i + 2], rows) for i in range(5)}
    columns |= {f"d{i}": pd.Timestamp("2020") + pd.to_timedelta(rng.integers(0, 900, rows), "D") for i in range(3)}
    table = pd.DataFrame(columns)
    assert infer_rules(table.mask(rng.random(table.shape) < 0.1), Schema.infer(table, rules=False)) == ()
    assert infer_rules(table, Schema.infer(table, rules=False)) == ()


def test_one_row_against_it_and_too_few_rows_take_a_rule_away():
    table = planted()
    table.loc[7, "b"] = table.loc[7, "c"] + 1
    table.loc[8, "total"] += 0.01
    table.loc[9, "label"] = next(v for v in LABEL.values() if v != table.loc[9, "label"])
    gone = {Ordered("b", "c"), Sum(("p", "q"), "total"), Determines("code", "label")}
    instead = {Ordered("a", "c"), Ordered("p", "total"), Ordered("q", "total")}  # what the others made superfluous
    assert set(Schema.infer(table).rules) == PLANTED - gone | instead
    assert Schema.infer(planted(99)).rules == ()


def test_more_that_a_table_shows():
    rng = np.random.default_rng(0)
    n = 6000
    x, y, z = (rng.integers(0, 50, n) for _ in range(3))
    kind = rng.integers(0, 6, n)
    table = pd.DataFrame({"x": x, "y": y, "z": z, "sum": x + y + z})
    table["name"], table["nr"] = [pd.Series(kind).map(lambda k, w=w: f"{w}{k}") for w in ("name", "nr")]
    table["region"] = [f"r{k % 3}{j}" for k, j in zip(kind, rng.integers(0, 2, n), strict=True)]
    gap = rng.random(n) < 0.3
    table["g"], table["h"] = (np.where(gap, np.nan, rng.normal(size=n)) for _ in range(2))
    assert set(Schema.infer(table).rules) == {
        Sum(("x", "y", "z"), "sum"),
        Determines("name", "nr", both=True),
        Combination(("name", "region")),
        Combination(("nr", "region")),
        NullImplies("g", "h", both=True),
    }


def test_roles_keys_and_texts_take_no_part():
    table = planted()
    table["who"] = np.arange(len(table)) // 4
    table["key"] = np.arange(len(table))
    schema = Schema.infer(table, entity="who", weight="a", overrides={"code": "text"})
    assert {n for rule in schema.rules for n in rule.columns} == {
        "b", "c", "start", "end", "p", "q", "total", "u", "v",
    }  # fmt: skip


def test_a_large_table_takes_little_time():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(32_000, 10)).round(2)).add_prefix("n")
    for i in range(5):
        table[f"c{i}"] = rng.choice(list("abcdefgh"), len(table))
    schema = Schema.infer(table, rules=False)
    start = time.perf_counter()
    infer_rules(table, schema)
    assert time.perf_counter() - start < 2


# -------------------------------------------------------------------- holds and repair
cells = st.lists(st.tuples(*[st.integers(0, 10_000)] * 4), min_size=1, max_size=30)


@given(cells, st.sampled_from([0, 2]), st.sets(st.sampled_from(["a", "b", "c", "t"]), max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_repaired_sum_holds_and_leaves_pinned_cells(rows, decimals, pinned):
    table = pd.DataFrame(rows, columns=["a", "b", "c", "t"])
    table = table if decimals == 0 else table / 100
    before = table.copy(deep=True)
    rule = Sum(("a", "b", "c"), "t", decimals=decimals)
    after = rule.repair(table, pinned)
    pd.testing.assert_frame_equal(table, before)
    for name in pinned:
        assert after[name].equals(before[name])
    right = np.rint(after[["a", "b", "c"]].sum(axis=1) * 10**decimals) == np.rint(after["t"] * 10**decimals)
    assert (rule.holds(after) == right).all() and right.all()
    if "t" in pinned:  # no part turns negative unless the pinned parts alone exceed the total
        room = after["t"] >= after[[n for n in "abc" if n in pinned]].sum(axis=1) - 1e-9
        assert (after[["a", "b", "c"]][room] >= -1e-9).all().all()


@given(
    st.lists(st.tuples(st.sampled_from("ABCDE?"), st.sampled_from([*LABEL.values(), None])), min_size=1, max_size=30),
    st.sampled_from([(), ("key",), ("value",)]),
)
@settings(max_examples=150, deadline=None)
def test_a_repaired_code_holds_and_leaves_pinned_cells(rows, pinned):
    table = pd.DataFrame(rows, columns=["key", "value"]).astype(object)
    rule = Determines("key", "value", pairs=tuple((k, v, 10) for k, v in LABEL.items()))
    after = rule.repair(table, pinned, np.random.default_rng(0))
    for name in pinned:
        assert after[name].equals(table[name])
    judged = after["value"].notna() & after["key"].isin(list(LABEL))
    assert rule.holds(after).all() and (after["key"].map(LABEL) == after["value"])[judged].all()
    if "key" not in pinned:  # a key that training did not keep goes away
        assert judged[after["value"].notna()].all()


def test_a_pinned_value_picks_keys_as_often_as_training_had_them():
    rule = Determines("k", "v", pairs=(("B", "bean", 300), ("A", "apple", 200), ("D", "bean", 100)))
    table = pd.DataFrame({"k": ["A"] * 4000, "v": ["bean"] * 4000})
    keys = rule.repair(table, {"v"}, np.random.default_rng(0))["k"]
    assert set(keys) == {"B", "D"} and abs((keys == "B").mean() - 0.75) < 0.03
    assert (rule.repair(table, {"v"})["k"] == "B").all()


def test_a_number_that_is_no_known_key_becomes_the_nearest():
    rule = Determines("k", "v", pairs=((10, "x", 50), (20, "y", 9)))
    after = rule.repair(pd.DataFrame({"k": [11, 18, 20], "v": ["z", "z", "x"]}))
    assert after["k"].tolist() == [10, 20, 20] and after["v"].tolist() == ["x", "y", "y"]


def test_rare_pairs_are_not_kept():
    table = pd.DataFrame({"k": ["A"] * 9 + ["secret"] * 4, "v": ["x"] * 9 + ["hidden"] * 4})
    learnt = Determines("k", "v").learn(table, {}, 5)
    assert learnt.pairs == (("A", "x", 9),) and learnt.holds(table).all()
    people = np.array([0] * 9 + list(range(4)))  # nine rows of one person
    assert Determines("k", "v").learn(table, {}, 3, people).pairs == (("secret", "hidden", 4),)
    seen = Combination(("k", "v")).learn(table, {}, 5)
    assert seen.seen == (("A", "x"),) and seen.holds(table).sum() == 9
    assert "secret" not in repr((learnt, seen))


def test_combinations():
    table = pd.DataFrame({"x": ["a", "b", "c"] * 4, "y": ["p", "q", "q"] * 4})
    rule = Combination(["x", "y"]).learn(table, {}, 1)
    new = pd.DataFrame({"x": ["a", "a", "b", "?", None], "y": ["p", "q", "q", "p", "p"]})
    assert rule.holds(new).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("dtype", [object, "float64", "Int64", "string", "category"])
def test_emptying_keeps_the_dtype(dtype):
    table = pd.DataFrame({"a": [None, None, 1.0], "b": pd.Series([1, 2, None], dtype=object).astype(dtype)})
    after = NullImplies("a", "b").repair(table)
    assert after["b"].isna().tolist() == [True, True, True] and after["b"].dtype == table["b"].dtype
    assert table["b"].notna().sum() == 2 and NullImplies("a", "b").holds(after).all()
    assert NullImplies("a", "b").repair(table, {"b"})["b"].notna().sum() == 2


def test_orders_of_times_in_any_unit_and_zone():
    day = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-03", None]))
    table = pd.DataFrame({"a": day.dt.as_unit("s"), "b": pd.Series([pd.Timestamp("2024-01-02")] * 3).dt.as_unit("ns")})
    assert Ordered("a", "b").holds(table).tolist() == [True, False, True]
    table["b"] = table["a"].dt.date.astype(object)
    assert (
        Ordered("a", "b").holds(table).all() and Ordered("a", "b", strict=True).holds(table).tolist()[:2] == [False] * 2
    )
    with pytest.raises(SchemaError, match="'a'.*do not compare"):
        Ordered("a", "n").holds(table.assign(n=1.0))


# -------------------------------------------------------------------- schema
RULES = [
    Ordered("n", ("m", 1), strict=True),
    Sum(("n", "x"), ("m", 1), decimals=2),
    Determines("c", "e", both=True, pairs=(("a", 1, 7), ("b", pd.NA, 3))[:1]),
    Combination(("c", "e"), [("a", "b")]),
    NullImplies("n", "x", both=True),
]
COLUMNS = {
    "n": Numeric(), ("m", 1): Numeric(), "x": Numeric(), "c": Categorical(), "e": Categorical(), "d": Datetime(),
    "id": Identifier(), "txt": Text(), "none": Empty(), "w": Numeric(), "who": Categorical(),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rules_survive_json(rule):
    import json

    assert rule_from_json(json.loads(json.dumps(rule_to_json(rule)))) == rule
    schema = Schema(COLUMNS, rules=[rule])
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert schema.project(rule.columns).rules == (rule,) and schema.project(rule.columns[:1]).rules == ()


WRONG = [
    ([Ordered("n", "nope")], "no column 'nope'"),
    ([Ordered("n", "c")], "'c' is Categorical"),
    ([Ordered("n", "d")], "do not compare"),
    ([Ordered("n", "x"), Ordered("x", "n", strict=True)], "circle"),
    ([Ordered("n", "x"), Ordered("x", "w"), Ordered("w", "n")], "circle"),
    ([Sum(("n", "c"), "x")], "'c' is Categorical"),
    ([Sum(("n", "x"), "w"), Sum(("w", "x"), "n")], "itself"),
    ([Determines("c", "e", pairs=[("a", 1, 5)]), Determines("c", "e", pairs=[("a", 2, 5)])], "two values"),
    ([Determines("id", "e")], "'id' is Identifier"),
    ([NullImplies("n", "none")], "'none' is always empty"),
    ([NullImplies("n", "who")], "'who' is the entity"),
    (["n <= x"], "holds a str"),
]


@pytest.mark.parametrize(("rules", "says"), WRONG, ids=lambda v: v if isinstance(v, str) else None)
def test_wrong_rules_are_refused(rules, says):
    with pytest.raises(SchemaError, match=says):
        Schema(COLUMNS, entity="who", rules=rules)


def test_rules_that_contradict_themselves():
    for make in (lambda: Ordered("a", "a"), lambda: Sum(("a",), "t"), lambda: Combination(("a",))):
        with pytest.raises(SchemaError, match="Ordered|Sum|Combination"):
            make()
    with pytest.raises(SchemaError, match=r"accept="):
        Schema(COLUMNS, rules=[Predicate(lambda t: t["n"] > 0, "positive")]).to_dict()
    with pytest.raises(SchemaError, match="one boolean per row"):
        Predicate(lambda t: True).holds(planted(100))
    with pytest.raises(SchemaError, match="unknown"):
        rule_from_json({"rule": "ordered", "lower": "a"})
