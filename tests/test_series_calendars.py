"""Calendars of series: the days, hours and months that have a row are found, kept, and go on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer
from synthkit.errors import ParamError, SchemaError
from synthkit.series.calendar import Calendar

DAYS = pd.bdate_range("2015-01-01", periods=800)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def hours(days: pd.DatetimeIndex, *clocks: str) -> pd.DatetimeIndex:
    """Every one of the clocks on every day."""
    texts = [f"{day.date()} {clock}" for day in days for clock in clocks]
    return pd.DatetimeIndex(texts)


SESSION = [f"{h:02d}:30" for h in range(9, 16)]
TRADING = hours(pd.bdate_range("2023-09-01", "2024-05-31"), *SESSION)  # over both changes of clocks
LUNCH = hours(DAYS[:200], "09:00", "09:30", "10:00", "13:00", "13:30")
FRIDAYS = pd.date_range("2000-01-07", periods=300, freq="W-FRI").to_series().reset_index(drop=True)
MOVED = pd.DatetimeIndex(FRIDAYS.where(~FRIDAYS.index.isin([50, 200]), FRIDAYS - pd.Timedelta("1D")))

ON_A_GRID = {
    "days": (pd.date_range("2020-01-01", periods=300), pd.date_range("2020-10-27", periods=9)),
    "weekdays": (DAYS, pd.bdate_range(DAYS[-1], periods=10)[1:]),
    "weekdays and holidays": (DAYS.delete([100, 101, 400]), pd.bdate_range(DAYS[-1], periods=10)[1:]),
    "a session on a Saturday": (DAYS.append(pd.DatetimeIndex(["2016-03-05"])).sort_values(),
                                pd.bdate_range(DAYS[-1], periods=10)[1:]),
    "both days of weekends, once": (DAYS.append(pd.DatetimeIndex(["2016-03-05", "2017-05-07"])).sort_values(),
                                    pd.bdate_range(DAYS[-1], periods=10)[1:]),
    "weeks": (pd.DatetimeIndex(FRIDAYS), pd.date_range(FRIDAYS.iloc[-1], periods=10, freq="7D")[1:]),
    "weeks, some a day early": (MOVED, pd.date_range(MOVED[-1], periods=10, freq="7D")[1:]),
    "months": (pd.date_range("1990-01-01", periods=200, freq="MS"), pd.date_range("2006-09-01", periods=9, freq="MS")),
    "ends of months": (pd.date_range("1990-01-31", periods=200, freq="ME"),
                       pd.date_range("2006-09-30", periods=9, freq="ME")),
    "last weekdays of months": (pd.date_range("1990-01-31", periods=200, freq="BME"),
                                pd.date_range("2006-09-29", periods=9, freq="BME")),
    "quarters": (pd.date_range("1960-03-31", periods=120, freq="QE"),
                 pd.date_range("1990-03-31", periods=9, freq="QE")),
    "ten minutes": (pd.date_range("2020-01-01", periods=900, freq="10min"),
                    pd.date_range("2020-01-07 06:00", periods=9, freq="10min")),
    "trading hours": (TRADING, hours(pd.bdate_range("2024-06-03", periods=2), *SESSION)[:9]),
    "trading hours of a zone": (TRADING.tz_localize(NEW_YORK),
                                hours(pd.bdate_range("2024-06-03", periods=2), *SESSION)[:9].tz_localize(NEW_YORK)),
    "trading hours, before the clocks change": (TRADING[:200].tz_localize(NEW_YORK),
                                                TRADING[200:900].tz_localize(NEW_YORK)),
    "hours with a break": (LUNCH, hours(pd.bdate_range(DAYS[199], periods=2)[1:], "09:00", "09:30", "10:00", "13:00")),
    "half a day and a holiday": (LUNCH.delete([503, 504, *range(600, 605)]),
                                 hours(pd.bdate_range(DAYS[199], periods=2)[1:], "09:00", "09:30", "10:00", "13:00")),
    "all hours of a zone": (pd.date_range("2023-09-01", "2024-04-30", freq="h", tz=BERLIN),
                            pd.date_range("2024-04-30 01:00", periods=9, freq="h", tz=BERLIN)),
    "quarters of hours over a change": (pd.date_range("2022-10-01", "2022-11-30", freq="15min", tz=BERLIN),
                                        pd.date_range("2022-11-30 00:15", periods=9, freq="15min", tz=BERLIN)),
    "midnights of a zone": (pd.date_range("2022-01-01", periods=500, tz=BERLIN),
                            pd.date_range("2023-05-16", periods=9, tz=BERLIN)),
    "six hours by clocks": (hours(pd.date_range("2021-01-01", periods=400), "00:00", "06:00", "12:00", "18:00")
                            .tz_localize(BERLIN),
                            hours(pd.date_range("2022-02-05", periods=60), "00:00", "06:00", "12:00", "18:00")
                            .tz_localize(BERLIN)),
    "closes of a zone": (hours(DAYS, "16:00").tz_localize(NEW_YORK),
                         hours(pd.bdate_range(DAYS[-1], periods=10)[1:], "16:00").tz_localize(NEW_YORK)),
    "durations": (pd.to_timedelta(np.arange(300) * 15, "min"), pd.to_timedelta(np.arange(300, 309) * 15, "min")),
    "whole numbers": (pd.Index(np.arange(300) * 5), pd.Index(np.arange(300, 309) * 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_A_GRID)
def test_a_calendar_is_kept_and_goes_on(name):
    times, later = (pd.Series(t, name="t") for t in ON_A_GRID[name])
    calendar, rows = Calendar.learn(times, len(times))
    assert rows.tolist() == list(range(len(times)))
    for learnt in (calendar, Calendar.from_state(calendar.to_state())):
        kept = learnt.times(np.arange(len(times)))
        assert kept.dtype == times.dtype and (kept == times).all()
        went_on = learnt.times(len(times) + np.arange(len(later)))
        assert went_on.tolist() == later.tolist()
        assert learnt.rows_at(later, "extend").tolist() == (len(times) + np.arange(len(later))).tolist()
    assert str(calendar).startswith("every ")


def test_tenths_are_a_grid():
    times = pd.Series(np.arange(300) * 0.1, name="t")  # 0.30000000000000004
    calendar, rows = Calendar.learn(times, 300)
    assert rows.tolist() == list(range(300))
    assert calendar.times(np.array([3, 300, 10_000])).tolist() == [0.3, 30.0, 1000.0]


def test_rows_in_any_order_have_their_places():
    order = np.random.default_rng(0).permutation(len(DAYS))
    _, rows = Calendar.learn(pd.Series(DAYS[order], name="t"), len(DAYS))
    assert rows.tolist() == order.tolist()


def test_short_holes_of_a_full_grid_are_places_and_long_ones_too():
    times = pd.Series(pd.date_range("2020-01-01", periods=400, freq="h").delete([50, 51, *range(200, 260)]), name="t")
    calendar, rows = Calendar.learn(times, len(times))
    assert calendar.rows == 400 and np.diff(rows).max() == 61 and (np.diff(rows) == 3).sum() == 1


def test_a_start_without_a_zone_is_by_the_clocks_of_the_series():
    times = pd.Series(pd.date_range("2023-09-01", periods=900, freq="h", tz=BERLIN), name="t")
    calendar, _ = Calendar.learn(times, 900)
    by_clock = calendar.times(np.array([calendar.row("2023-10-01")]))[0]
    assert by_clock == pd.Timestamp("2023-10-01", tz=BERLIN)
    elsewhere = pd.Timestamp("2023-10-01", tz=NEW_YORK)
    assert calendar.times(np.array([calendar.row(elsewhere)]))[0] == elsewhere
    plain, _ = Calendar.learn(times.dt.tz_localize(None).drop_duplicates(), 900)
    with pytest.raises(ParamError, match="'start' has a time zone"):
        plain.row(elsewhere)


# -------------------------------------------------------------------- what is refused
REFUSED = {
    "twice": (pd.DatetimeIndex([*DAYS, DAYS[5]]), "same time twice"),
    "an hour that clocks show twice": (
        pd.date_range("2023-09-01", periods=2000, freq="h", tz=BERLIN).tz_localize(None),
        "tz_localize",
    ),
    "empty": (DAYS.insert(3, pd.NaT), "empty cells"),
    "seconds off": (DAYS + pd.to_timedelta(np.arange(len(DAYS)) % 3, "s"), "grid"),
    "days at random": (
        pd.date_range("2015-01-01", periods=3000)[np.sort(np.random.default_rng(0).permutation(3000)[:800])],
        "regular grid",
    ),
    "holes everywhere": (pd.date_range("2020-01-01", periods=900)[np.arange(900) // 15 % 2 == 0], "without a hole"),
    "words": (pd.Index(["soon", "later"] * 200), "no times"),
    "yes and no": (pd.Index([True, False] * 200), "no times"),
    "periods": (pd.period_range("2015-01", periods=200, freq="M"), "to_timestamp"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_times_that_are_no_calendar_are_refused(name):
    times, words = REFUSED[name]
    with pytest.raises(SchemaError, match=words):
        Calendar.learn(pd.Series(times, name="t"), len(times))


@pytest.mark.parametrize(
    ("learnt", "given"),
    [(None, "UTC"), (BERLIN, None)],
)
def test_a_history_needs_a_zone_where_training_has_one(learnt, given):
    times = pd.Series(pd.date_range("2020-01-01", periods=300, tz=learnt), name="t")
    calendar, _ = Calendar.learn(times, 300)
    with pytest.raises(SchemaError, match="time zone"):
        calendar.rows_at(pd.Series(pd.date_range("2020-05-01", periods=3, tz=given), name="t"), "extend")
    other = times.dt.tz_convert(NEW_YORK) if learnt else times
    assert calendar.rows_at(other, "extend").tolist() == list(range(300))


def test_times_off_the_grid_are_refused_in_a_history():
    calendar, _ = Calendar.learn(pd.Series(DAYS, name="t"), len(DAYS))
    for off in ("2016-03-05", "2016-03-04 01:00"):  # a Saturday; an hour late
        with pytest.raises(SchemaError, match="not on the grid"):
            calendar.rows_at(pd.Series(pd.DatetimeIndex([off]), name="t"), "extend")


def test_hours_of_a_zone_have_their_profile_by_wall_time():
    at = TRADING.tz_localize(NEW_YORK)
    load = 10 + 3 * (at.hour == 10) + 0.5 * np.random.default_rng(0).normal(size=len(at))
    table = pd.DataFrame({"at": at, "load": load})
    synthesizer = SequenceSynthesizer(time="at", random_state=0).fit(table)
    drawn = synthesizer.sample(seed=1)
    assert drawn["at"].equals(table["at"])
    means = drawn["load"].groupby(drawn["at"].dt.hour).mean()
    assert means[10] > 12 and means.drop(10).max() < 10.7
    ahead = synthesizer.extend(table, 7, seed=1)["at"]
    assert ahead.dt.strftime("%H:%M").tolist() == SESSION and str(ahead.dt.tz) == NEW_YORK
