"""Conditions on every type of column: what they mean, and that a refusal repeats only what the caller typed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from synthkit import SynthkitWarning, TabularSynthesizer, between, isnull, notnull
from synthkit.errors import ConditionError

DAY = pd.Timestamp("2023-05-06")
N = 400


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    out = pd.DataFrame(
        {
            "b": rng.random(N) < 0.5,
            "B": pd.array(rng.random(N) < 0.5, dtype="boolean"),
            "o": pd.Categorical(rng.choice(list("LMNP"), N), ["K", "L", "M", "rare", "N", "P"], ordered=True),
            "u": pd.Categorical(rng.choice([10, 20, 30], N)),
            "s": rng.choice(["red", "blue"], N).astype(object),
            "d": DAY + pd.to_timedelta(rng.integers(0, 700, N), "D"),
            "z": DAY.tz_localize("America/New_York") + pd.to_timedelta(rng.integers(0, 10**4, N), "h"),
            "t": pd.to_timedelta(rng.integers(0, 3000, N), "min"),
            "i": rng.integers(0, 40, N) * 1000 + 7,
            ("pair", 1): rng.normal(size=N).round(3) * 1000,
            ("pair", 2): rng.choice(["x1", "x2"], N),
            "secret": [f"visible only {v}" for v in rng.integers(10**6, 10**7, N)],
            "key": [f"K{v:07d}" for v in rng.permutation(10**6)[:N]],
            "same": "always this",
        }
    )
    out.columns = pd.Index(list(out.columns), tupleize_cols=False)
    for name in ("B", "s", "d", ("pair", 1)):
        out.loc[out.index[::6], name] = None
    out.loc[3, "o"] = "rare"
    return out


@pytest.fixture(scope="module")
def synthesizer() -> TabularSynthesizer:
    # all gaps are in the same rows, which would be a rule
    with pytest.warns(SynthkitWarning, match="free text are replaced"):
        return TabularSynthesizer("independent", random_state=0, rules=False).fit(table())


GOOD = [
    ("b", True, lambda c: c),
    ("b", 0, lambda c: ~c),
    ("b", np.True_, lambda c: c),
    ("b", [True], lambda c: c),
    ("B", [True, False], lambda c: c.notna()),
    ("B", isnull(), lambda c: c.isna()),
    ("o", between("L", "M"), lambda c: c.isin(["L", "M"])),
    ("o", between("rare", None), lambda c: c.isin(["N", "P"])),
    ("o", between(None, "rare"), lambda c: c.isin(["L", "M"])),
    ("o", between("K", "L"), lambda c: c == "L"),
    ("o", ["P", "L"], lambda c: c.isin(["P", "L"])),
    ("u", 20, lambda c: c == 20),
    ("u", [10, 30], lambda c: c.isin([10, 30])),
    ("s", "blue", lambda c: c == "blue"),
    ("s", ("red", "blue"), lambda c: c.notna()),
    ("d", between("2023-06-01", "2023-06-05"), lambda c: c.between("2023-06-01", "2023-06-05")),
    ("d", between(None, DAY + pd.Timedelta("30D")), lambda c: c <= DAY + pd.Timedelta("30D")),
    ("d", notnull(), lambda c: c.notna()),
    ("z", between("2023-06-01 12:00", None), lambda c: c >= pd.Timestamp("2023-06-01 12:00", tz="America/New_York")),
    ("z", pd.Timestamp("2023-06-01 16:00", tz="UTC"), lambda c: c == pd.Timestamp("2023-06-01 16:00", tz="UTC")),
    ("t", between("10min", "2h"), lambda c: c.between(pd.Timedelta("10min"), pd.Timedelta("2h"))),
    ("t", "30min", lambda c: c == pd.Timedelta("30min")),
    ("i", between(5000, 9999.5), lambda c: c.between(5000, 9999)),
    ("i", [7, 1007], lambda c: c.isin([7, 1007])),
    (("pair", 1), between(0, 500), lambda c: c.between(0, 500)),
    (("pair", 1), between(-200, None), lambda c: c >= -200),
    (("pair", 2), ["x2"], lambda c: c == "x2"),
    ("key", "mine", lambda c: c == "mine"),
    ("secret", "my text", lambda c: c == "my text"),
    ("same", "always this", lambda c: c == "always this"),
]


@pytest.mark.parametrize(("name", "rule", "holds"), GOOD, ids=lambda v: None if callable(v) else str(v))
def test_it_holds_in_every_row_and_dtypes_stay(name, rule, holds, synthesizer):
    got = synthesizer.sample(60, where={name: rule}, seed=0)
    assert holds(got[name]).all()
    assert (got.dtypes == table().dtypes).all() and list(got.columns) == list(table().columns)


def test_all_at_once(synthesizer):
    """Two or more set-valued conditions hold, if not with the law's proportions."""
    last = {name: (rule, holds) for name, rule, holds in GOOD if name not in ("key", "secret")}
    got = synthesizer.sample(60, where={name: rule for name, (rule, _) in last.items()}, seed=0)
    for name, (_, holds) in last.items():
        assert holds(got[name]).all(), name


@pytest.mark.parametrize("name", ["b", "B", "o", "s", "d", "z", "t", "i", ("pair", 1), ("pair", 2)])
def test_rows_given_in_a_table_come_back(name, synthesizer):
    given = table()[[name]].iloc[5:30].reset_index(drop=True)
    as_objects = given.astype(object).where(given.notna(), None)
    for where in (given, as_objects):
        got = synthesizer.sample(where=where, seed=1)[name]
        there = given[name].notna()
        assert (got[there] == given[name][there]).all() and got.dtype == given[name].dtype


BAD = [
    ("b", "yes"), ("b", 5), ("b", [True, "no"]), ("b", between(0, 1)), ("b", isnull()), ("B", "x"),
    ("o", "Q"), ("o", ["L", "Q"]), ("o", between("Q", None)), ("o", between("K", "K")), ("o", "rare"),
    ("u", 11), ("u", between(10, 20)), ("s", pd.NA), ("s", None), ("s", float("nan")), ("s", [pd.NA]), ("s", "green"),
    ("d", pd.NaT), ("d", "1900-01-01"), ("d", "no day"), ("d", between("1900-01-01", "1900-02-01")),
    ("z", "1900-01-01"), ("t", "900D"), ("t", "long"), ("i", 7.5), ("i", "7"), ("i", True), ("i", 10**9),
    ("i", between(7.2, 7.8)), ("i", between("a", "b")), ("i", between(50_000, 60_000)), (("pair", 1), 1e9),
    (("pair", 1), float("inf")), (("pair", 2), "x3"), ("secret", between("a", "b")), ("secret", ["a", "b"]),
    ("key", ["a", "b"]), ("key", isnull()), ("same", "never this"), ("same", between(1, 2)), ("nobody", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule"), BAD, ids=str)
def test_a_refusal_names_the_column_and_no_value_of_the_table(name, rule, synthesizer):
    with pytest.raises(ConditionError) as error:
        synthesizer.sample(5, where={name: rule}, seed=0)
    message = str(error.value)
    assert repr(name) in message
    data = {str(v) for column in table().astype(object).items() for v in column[1] if len(str(v)) > 3}
    leaked = {v for v in data if v in message} - {"True", "None", "rare", "False"} - {str(rule)}
    assert not leaked


def test_nothing_is_warned_of_on_the_way(synthesizer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        synthesizer.sample(where=pd.DataFrame({"b": [True, None], "i": [7, None]}), seed=0)
