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
