"""SequenceSynthesizer keeps time: every kind of time column, its grid, and the order of records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

EACH = 6  # rows of an entity
DAY = pd.Timestamp("2021-01-01")


def fitted(table: pd.DataFrame, **options) -> SequenceSynthesizer:
    given = {"entity": "who", "time": "t", "random_state": 0, "max_steps": 5, **options}
    return SequenceSynthesizer(**given).fit(table)


def panel(times: object, entities: int = 40) -> pd.DataFrame:
    """Six records of each of some entities at ``times``, (entities x 6) of them."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(entities) + 100, EACH)
    return pd.DataFrame({"who": who, "t": times, "x": rng.normal(size=len(who)).round(2)})


def walk(gaps: tuple[int, ...], first: int = 300, entities: int = 40) -> np.ndarray:
    """Whole numbers that begin anywhere below ``first`` and grow by any of ``gaps``."""
    rng = np.random.default_rng(1)
    steps = rng.choice(gaps, (entities, EACH))
    steps[:, 0] = rng.integers(0, first, entities)
    return steps.cumsum(1).ravel()


def months(gaps: tuple[int, ...]) -> pd.Series:
    return pd.Series(pd.date_range("2005-01-01", periods=400, freq="MS")[walk(gaps)])


TIMES: dict[str, tuple[Callable[[], object], Callable[[pd.Series], pd.Series]]] = {
    "visits": (lambda: np.tile(np.arange(EACH), 40), lambda t: t == t.astype(int)),
    "steps of two": (lambda: walk((2,)), lambda t: t == t.astype(int)),
    "integers": (lambda: walk((1, 2, 5)), lambda t: t == t.astype(int)),
    "Int64": (lambda: pd.array(walk((1, 2, 5)), dtype="Int64"), lambda t: t == t.astype(int)),
    "floats": (lambda: (walk((5, 7, 12)) / 10).round(1), lambda t: np.isclose(t * 10, (t * 10).round())),
    "a grid of floats": (lambda: (walk((1,)) * 0.1).round(1), lambda t: np.isclose(t * 10, (t * 10).round())),
    "days": (lambda: DAY + pd.to_timedelta(walk((1, 3, 8)), "D"), lambda t: t == t.dt.normalize()),
    "every day": (lambda: DAY + pd.to_timedelta(walk((1,)), "D"), lambda t: t == t.dt.normalize()),
    "seconds": (
        lambda: (DAY + pd.to_timedelta(walk((1, 2, 40), 10**7), "s")).astype("datetime64[s]"),
        lambda t: t == t.dt.floor("s"),
    ),
    "hours": (lambda: DAY + pd.to_timedelta(walk((1, 4, 24)), "h"), lambda t: t == t.dt.floor("h")),
    "with a zone": (
        lambda: DAY.tz_localize("Europe/Berlin") + pd.to_timedelta(walk((1, 4, 24)), "h"),
        lambda t: t == t.dt.floor("h"),
    ),
    "days with a zone": (
        lambda: (DAY + pd.to_timedelta(walk((1, 3)), "D")).tz_localize("Europe/Berlin"),
        lambda t: t == t.dt.normalize(),
    ),
    "dates": (
        lambda: [DAY.date() + dt.timedelta(int(k)) for k in walk((1, 3, 8))],
        lambda t: t.map(type) == dt.date,
    ),
    "durations": (lambda: pd.to_timedelta(walk((1, 3, 8)), "h"), lambda t: t == t.dt.floor("h")),
    "every month": (lambda: months((1,)), lambda t: t.dt.is_month_start & (t == t.dt.normalize())),
    "some months": (lambda: months((1, 2, 6)), lambda t: t.dt.is_month_start & (t == t.dt.normalize())),
    "ends of months": (
        lambda: months((1,)) + pd.offsets.MonthEnd(0),
        lambda t: t.dt.is_month_end & (t == t.dt.normalize()),
    ),
    "quarters": (lambda: months((3,)), lambda t: t.dt.is_month_start & (t == t.dt.normalize())),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_keep_their_kind_grid_and_order(kind):
    make, on_grid = TIMES[kind]
    table = panel(make())
    synthesizer = fitted(table)
    drawn = synthesizer.sample(60, seed=1)
    later = synthesizer.extend(table, 3, seed=1)
    for got in (drawn, later):
        assert (got.dtypes == table.dtypes).all() and list(got.columns) == list(table.columns)
        assert on_grid(got["t"]).all()
        steps = got.groupby("who", sort=False)["t"].apply(lambda t: list(zip(t, t.iloc[1:], strict=False)))
        assert all(a < b for pairs in steps for a, b in pairs)
    last, first = table.groupby("who")["t"].max(), later.groupby("who")["t"].min()
    assert (first > last).all()


@pytest.mark.parametrize("unit", ["number", "date"])
def test_small_gaps_do_not_become_none(unit):
    """Exponential gaps, cut to hundredths: the least one is a hundredth, and no record comes at the time of another."""
    steps = np.ceil(np.random.default_rng(0).exponential(5, (80, EACH)) * 100).cumsum(1).ravel()
    times = steps / 100 if unit == "number" else DAY + pd.to_timedelta(steps * 36, "s")
    drawn = fitted(panel(times, 80)).sample(1500, seed=1)
    gaps = drawn.groupby("who", sort=False)["t"].diff().dropna()
    assert (gaps > gaps.iloc[0] * 0).all()
    grid = gaps / (0.01 if unit == "number" else pd.Timedelta("36s"))
    assert np.allclose(grid, grid.round(), atol=1e-6)


def test_equal_times_are_drawn_where_there_are_some():
    drawn = fitted(panel(walk((0, 0, 1, 3)))).sample(100, seed=1)
    gaps = drawn.groupby("who", sort=False)["t"].diff().dropna()
    assert (gaps >= 0).all() and 0.3 < (gaps == 0).mean() < 0.7


def test_rows_may_start_at_times_that_training_never_saw():
    day = pd.date_range("2020-01-06", periods=6, freq="7D")
    table = pd.DataFrame(
        {
            "who": np.repeat(np.arange(30), 6),
            "when": np.tile(day, 30) + pd.to_timedelta(np.repeat(np.arange(30), 6), "D"),
        }
    ).assign(x=np.tile(np.arange(6.0), 30))
    synthesizer = SequenceSynthesizer(entity="who", time="when", random_state=0, max_steps=3).fit(table)
    start = pd.Timestamp("2031-05-05")
    drawn = synthesizer.sample(4, start=start, seed=0)
    assert (drawn.groupby("who")["when"].min() == start).all()
    given = synthesizer.sample(context=pd.DataFrame({"when": [start, pd.NaT]}), seed=0)
    firsts = given.groupby("who", sort=False)["when"].min().tolist()
    assert firsts[0] == start and firsts[1] < pd.Timestamp("2021-01-01")
    later = table[table.who < 3].assign(when=lambda t: t["when"] + pd.Timedelta(days=3650))
    more = synthesizer.extend(later, steps=2, seed=0)
    assert (more.groupby("who")["when"].min() > later.groupby("who")["when"].max()).all()
