"""The unit in which records count time: nanoseconds as a rule; days or months where those are the grid.

A month is not a number of nanoseconds, nor is a day where clocks are put forward. Records that are made every month (or
some months later, or on the last day of one) count months; records at one hour of days that are 23 to 25 hours long
count days. So a gap is a whole number of what the grid is made of, and a drawn time is on the grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["DAY", "Ticks"]

DAY = 86_400_000_000_000
_FEWEST = 3  # different months, for them to be a grid and no chance
_LAST = 28  # every month has this day


class Ticks:
    """Canonical moments (int64 nanoseconds, UTC) <-> ticks that gaps are counted in, and moments <-> wall time.

    Args:
        kind: "plain": ticks are the moments (or numbers) themselves; "wall": nanoseconds of wall time, which shift
            with the clocks; "days" or "months": those since 1970 by wall time, all at one ``clock`` (nanoseconds since
            midnight), and months on one ``day`` (0: the last; -1: the last weekday).
        zone: the time zone of wall time; None: UTC, or none.
    """

    def __init__(self, kind: str = "plain", zone: str | None = None, day: int = 1, clock: int = 0) -> None:
        self.kind, self.zone, self.day, self.clock = kind, zone, day, clock

    @classmethod
    def learn(cls, moments: NDArray[np.int64], zone: str | None) -> Ticks:
        """The grid of moments that are dates."""
        plain = cls("plain", zone)
        wall = plain.wall(moments)
        clocks = wall % DAY
        if len(wall) == 0 or (clocks != clocks[0]).any():
            return plain
        dates = pd.DatetimeIndex(np.unique(wall).astype("datetime64[ns]"))
        ends = bool(dates.is_month_end.all())
        one = bool((dates.day == dates.day[0]).all()) and dates.day[0] <= _LAST
        work = bool((_workday(dates.to_numpy("datetime64[M]")) == dates.to_numpy("datetime64[D]")).all())
        if (ends or one or work) and len(dates) >= _FEWEST:
            return cls("months", zone, int(dates.day[0]) if one else 0 if ends else -1, int(clocks[0]))
        shifted = bool(((moments - moments[0]) % DAY != 0).any())
        return cls("days", zone, clock=int(clocks[0])) if shifted else plain

    @property
    def counted(self) -> bool:
        """Ticks are a count, not nanoseconds."""
        return self.kind in ("days", "months")

    def wall(self, moments: NDArray[Any]) -> NDArray[np.int64]:
        """Nanoseconds of wall time."""
        if self.zone is None:
            return np.asarray(moments, np.int64)
        local = pd.DatetimeIndex(moments.astype("datetime64[ns]")).tz_localize("UTC").tz_convert(self.zone)
        return np.asarray(local.tz_localize(None).as_unit("ns").asi8)

    def _moments(self, wall: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of two moments of one wall time the first; a wall time that was skipped moves to the next there is."""
        if self.zone is None:
            return wall
        naive = pd.DatetimeIndex(wall.astype("datetime64[ns]"))
        both = np.ones(len(wall), bool)
        return np.asarray(naive.tz_localize(self.zone, ambiguous=both, nonexistent="shift_forward").as_unit("ns").asi8)

    def count(self, moments: NDArray[Any]) -> NDArray[Any]:
        """Ticks of moments; one that is off the grid counts as that of its month, or as the nearest day."""
        if self.kind == "plain":
            return moments
        wall = self.wall(moments)
        if self.kind == "wall":
            return wall
        if self.kind == "days":
            return (wall - self.clock + DAY // 2) // DAY
        return wall.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)

    def moments(self, ticks: NDArray[Any]) -> NDArray[Any]:
        """What :meth:`count` inverts on the grid."""
        if self.kind == "plain":
            return ticks
        ticks = np.asarray(ticks, np.int64)
        if self.kind == "wall":
            return self._moments(ticks)
        if self.kind == "days":
            return self._moments(ticks * DAY + self.clock)
        month = ticks.astype("datetime64[M]")
        last = _workday(month) if self.day < 0 else (month + 1).astype("datetime64[D]") - 1
        days = month.astype("datetime64[D]") + self.day - 1 if self.day > 0 else last
        return self._moments(days.astype("datetime64[ns]").astype(np.int64) + self.clock)

    def to_json(self) -> list[Any]:
        """The arguments."""
        return [self.kind, self.zone, self.day, self.clock]


def _workday(months: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """The last day of each month from Monday to Friday."""
    last = (months + 1).astype("datetime64[D]") - 1
    return np.asarray(last - np.maximum((last.astype(np.int64) + 3) % 7 - 4, 0))
