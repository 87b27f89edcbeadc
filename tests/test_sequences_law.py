"""SequenceSynthesizer recovers a panel's law that is known in full: what moves, what stays, what follows from what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer
from synthkit.testing.panels import PHI, STAY, draw_panel

FAN = 40


@pytest.fixture(scope="module")
def law() -> pd.DataFrame:
    return draw_panel(400, 0)


@pytest.fixture(scope="module")
def fitted(law) -> SequenceSynthesizer:
    return SequenceSynthesizer(entity="who", time="when", random_state=0, max_steps=400).fit(law)


@pytest.fixture(scope="module")
def drawn(fitted) -> pd.DataFrame:
    return fitted.sample(1500, seed=1)


def before(table: pd.DataFrame, name: str) -> pd.Series:
    return table.groupby("who", sort=False)[name].shift()


def icc(table: pd.DataFrame, name: str = "x") -> float:
    """Share of the variance that lies between entities, ICC(1)."""
    by = table.groupby("who", sort=False)[name]
    size, total, n, a = by.size(), table[name].mean(), len(table), by.ngroups
    between = (size * (by.mean() - total) ** 2).sum() / (a - 1)
    within = ((table[name] - by.transform("mean")) ** 2).sum() / (n - a)
    k = (n - (size**2).sum() / n) / (a - 1)
    return float((between - within) / (between + (k - 1) * within))


def effect(table: pd.DataFrame, name: str, on: object, first: bool = False) -> float:
    """How much higher ``x`` is where a column of the context is ``on``."""
    table = table.drop_duplicates("who") if first else table
    return float(table.loc[table[name] == on, "x"].mean() - table.loc[table[name] != on, "x"].mean())


def test_what_moves(law, drawn):
    """An AR(1), what follows it a visit later, a Markov chain, nulls."""
    for table in (law, drawn):
        move = table["x"] - table.groupby("who")["x"].transform("mean")
        assert move.corr(move.groupby(table["who"]).shift()) == pytest.approx(PHI - 0.16, abs=0.1)  # minus 2 / rows
    assert drawn["y"].corr(before(drawn, "x")) == pytest.approx(law["y"].corr(before(law, "x")), abs=0.08)
    kept = (drawn["state"] == before(drawn, "state"))[before(drawn, "state").notna()]
    assert kept.mean() == pytest.approx(STAY, abs=0.04)
    assert drawn["y"].isna().mean() == pytest.approx(0.1, abs=0.03)


def test_what_stays(law, drawn):
    """The level of a patient, its dependence on the arm and on death, from the first visit on; the pace of visits."""
    assert icc(drawn) == pytest.approx(icc(law), abs=0.1)
    for first in (True, False):
        assert effect(drawn, "arm", "b", first) == pytest.approx(effect(law, "arm", "b", first), abs=0.5)
        assert effect(drawn, "died", True, first) == pytest.approx(effect(law, "died", True, first), abs=0.5)
    tables = (law, drawn)
    waits = [np.log1p(t.groupby("who")["when"].diff().dt.total_seconds().clip(lower=0)) for t in tables]
    paces = [w.groupby(t["who"]).mean() for w, t in zip(waits, tables, strict=True)]
    assert paces[1].std() == pytest.approx(paces[0].std(), rel=0.25)
    assert waits[1].mean() == pytest.approx(waits[0].mean(), abs=0.2)


def test_how_many_visits(law, drawn):
    real, got = law.groupby("who").size(), drawn.groupby("who").size()
    assert got.mean() == pytest.approx(real.mean(), abs=0.6)
    assert got.std() == pytest.approx(real.std(), abs=0.6)


def test_the_steps_between_visits_do_not_add_up_by_chance():
    """Of equal waits the mean of an entity varies little: no entity may draw a pace of its own."""
    rng = np.random.default_rng(0)
    n = rng.integers(3, 12, 300)
    who = np.repeat(np.arange(300), n)
    start = np.arange(len(who)) == np.repeat(np.cumsum(n) - n, n)
    day = np.where(start, rng.integers(0, 100, len(who)), 14 + rng.poisson(14, len(who)))
    day = pd.Series(day).groupby(who).cumsum().to_numpy()
    table = pd.DataFrame({"who": who, "day": day, "z": rng.normal(size=len(who))})
    drawn = SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=200).fit(table).sample(600, seed=1)

    def spread(t: pd.DataFrame) -> float:
        by = t.groupby("who")["day"]
        return float(((by.max() - by.min()) / (by.size() - 1) - 28).std())

    assert spread(drawn) == pytest.approx(spread(table), rel=0.35)
    steps = drawn.groupby("who")["day"].diff()
    assert steps.mean() == pytest.approx(28, abs=1) and steps.std() == pytest.approx(np.sqrt(14), abs=0.8)


def test_fans_cover_what_follows(fitted):
    """Fresh patients, the last three visits hidden: nine in ten lie between the draws' twentieths."""
    fresh = draw_panel(250, 7)
    left = fresh.groupby("who").cumcount(ascending=False)
    known, hidden = fresh[left >= 3], fresh[left < 3]
    hidden = hidden[hidden["who"].isin(known["who"])]
    fan = fitted.extend(known, 3, n=FAN, seed=2)["x"].to_numpy().reshape(FAN, -1)
    low, high = np.quantile(fan, [0.05, 0.95], axis=0, method="weibull")  # ranks: (FAN + 1) places for a new value
    truth = hidden["x"].to_numpy()
    for step in range(3):
        inside = (truth[step::3] >= low[step::3]) & (truth[step::3] <= high[step::3])
        assert 0.83 < inside.mean() < 0.96
    middle = np.median(fan, axis=0)
    level = known.groupby("who", sort=False)["x"].mean().to_numpy()
    assert np.corrcoef(middle[2::3], level)[0, 1] > 0.8  # the patient's own level goes on
    last = known.groupby("who", sort=False)["x"].last().to_numpy()
    assert np.corrcoef(middle[0::3] - level, last - level)[0, 1] > 0.5  # and so does where it was


def test_gaps_are_filled_from_both_sides(fitted):
    fresh = draw_panel(60, 8)
    hidden = np.random.default_rng(0).random(len(fresh)) < 0.15
    draws = fitted.impute(fresh.assign(x=fresh["x"].mask(hidden)), n=6, seed=3)["x"]
    error = (draws.groupby(level=1).mean() - fresh["x"])[hidden]
    carried = fresh["x"].mask(hidden).groupby(fresh["who"]).ffill().fillna(fresh["x"].mean())
    assert error.std() < (carried - fresh["x"])[hidden].std()
    assert abs(error.mean()) < 0.2


def test_entities_do_not_mix():
    """What is constant within an entity decides what moves: a wrong block, order or owner would show at once."""
    rng = np.random.default_rng(0)
    site = rng.choice(3, 120)
    who = np.repeat(np.arange(120), rng.integers(2, 7, 120))
    table = pd.DataFrame({"who": who, "site": np.array(["n", "s", "w"])[site[who]], "t": np.arange(len(who))})
    table["t"] -= table.groupby("who")["t"].transform("min")
    table["code"] = np.array(["a", "b", "c"])[(site[who] + table["t"]) % 3]
    table["dose"] = 100 * site[who] + rng.integers(0, 20, len(who))
    fitted = SequenceSynthesizer(entity="who", time="t", random_state=0, max_steps=250).fit(table)

    def wrong(got: pd.DataFrame) -> float:
        place = got["site"].map({"n": 0, "s": 1, "w": 2})
        code = (got["code"].map({"a": 0, "b": 1, "c": 2}) - got["t"] - place) % 3
        return float(((code != 0) | (got["dose"] // 100 != place)).mean())

    assert wrong(fitted.sample(500, seed=1)) < 0.25  # by chance 0.89
    shuffled = table.sample(frac=1, random_state=0)
    assert wrong(fitted.extend(shuffled, 2, seed=1)) < 0.25
    gaps = shuffled.assign(dose=shuffled["dose"].mask(rng.random(len(who)) < 0.3))
    assert wrong(fitted.impute(gaps, seed=1)) < 0.15
