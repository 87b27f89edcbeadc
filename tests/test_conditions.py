"""Conditions: what they take, what they refuse, and exact ends of ranges."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from synthkit import TabularSynthesizer, between, isnull, notnull
from synthkit.errors import ConditionError

BERLIN = "Europe/Berlin"


@pytest.fixture(scope="module")
def synthesizer() -> TabularSynthesizer:
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01")
    table = pd.DataFrame(
        {
            "n": rng.integers(0, 50, 300),
            "big": rng.integers(2**60, 2**60 + 2000, 300),
            "x": rng.normal(size=300).round(2),
            "c": rng.choice(["a", "b"], 300),
            "d": day + pd.to_timedelta(rng.integers(0, 300, 300), "D"),
            "z": day.tz_localize(BERLIN) + pd.to_timedelta(rng.integers(0, 9000, 300), "h"),
            "t": pd.to_timedelta(rng.integers(0, 500, 300), "min"),
        }
    )
    table.loc[::7, "x"] = None
    return TabularSynthesizer("independent", random_state=0).fit(table)


def test_between_and_its_words():
    assert repr([between(1, 2), isnull(), notnull()]) == "[Between(low=1, high=2), isnull(), notnull()]"
    assert between("a", "a") == between("a", "a")
    for low, high in ((2, 1), (1, "a"), (pd.Timestamp(0), pd.Timestamp(0, tz="UTC")), (np.array([1, 2]), 3)):
        with pytest.raises(ConditionError, match="'low'"):
            between(low, high)


GOOD = {
    "n": [between(10.2, 10.9 + 1), between(Decimal(10), Decimal(12)), between(None, 10**30), between(-(10**30), 12.0)],
    "x": [between(0, 1e300), between(np.float32(0.5), 3), [0.25, Decimal("0.5")], np.array([0.25])],
    "d": [dt.date(2024, 2, 1), np.datetime64("2024-02-01"), pd.Timestamp("2024-02-01", tz="UTC"), ["2024-02-01"]],
    "z": [dt.datetime(2024, 2, 1, 5), "2024-02-01 05:00+00:00", between("2024-02-01", None)],
    "t": [dt.timedelta(hours=1), np.timedelta64(60, "m"), between("30min", "1h")],
}


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in GOOD.items() for rule in rules])
def test_many_ways_to_say_it(name, rule, synthesizer):
    column = synthesizer.sample(30, where={name: rule}, seed=0)[name]
    assert column.notna().all() and column.dtype == synthesizer.sample(1, seed=0)[name].dtype
    if hasattr(rule, "low"):
        zone = {"tz": BERLIN} if name == "z" else {}
        make = {"d": pd.Timestamp, "z": lambda v: pd.Timestamp(v, **zone), "t": pd.Timedelta}.get(name, float)
        assert rule.low is None or (column >= make(rule.low)).all()
        assert rule.high is None or (column <= make(rule.high)).all()
    else:
        assert (column == column[0]).all() or isinstance(rule, list)


BAD = {
    "n": [[[1]], np.array([[1, 2]]), between(pd.Timestamp(0)), between(None, float("nan")), between("1", "2"), 1j],
    "x": [[{}], between(False, True), float("inf"), 10**400, between(None, 10**400)],
    "c": [[["a"]], between("a", "b"), object()],
    "d": [
        pd.NaT,
        "soon",
        "9999-01-01",
        between("9999-01-01"),
        between(pd.NaT),
        between("2024-02-01", "2024-01-31"),
        1j,
    ],
    "z": ["2024-03-31 02:30", "2024-10-27 02:30"],  # skipped by the clock, and struck twice
    "t": ["long", between("long"), between("2h", "30min"), 1j],
}


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in BAD.items() for rule in rules])
def test_what_cannot_be_is_refused_by_name(name, rule, synthesizer):
    with pytest.raises(ConditionError, match=f"'{name}'"):
        synthesizer.sample(3, where={name: rule}, seed=0)


def test_ends_of_ranges_are_exact_beyond_floats(synthesizer):
    low, high = 2**60 + 501, 2**60 + 503
    drawn = synthesizer.sample(200, where={"big": between(low, high)}, seed=0)["big"]
    assert drawn.min() >= low and drawn.max() <= high


def test_rows_with_other_zones_mean_the_same_moment(synthesizer):
    naive = pd.DataFrame({"z": [pd.Timestamp("2024-02-01 05:00")], "d": [pd.Timestamp("2024-02-01", tz="UTC")]})
    before = naive.copy(deep=True)
    got = synthesizer.sample(where=naive, seed=0)
    assert got["z"][0] == pd.Timestamp("2024-02-01 05:00", tz=BERLIN) and got["d"][0] == pd.Timestamp("2024-02-01")
    pd.testing.assert_frame_equal(naive, before)


def test_no_condition_in_three_ways(synthesizer):
    free = synthesizer.sample(4, seed=0)
    for where in (None, {}, pd.DataFrame(index=range(4))):
        pd.testing.assert_frame_equal(synthesizer.sample(4, where=where, seed=0), free)
