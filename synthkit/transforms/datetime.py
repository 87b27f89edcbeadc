"""Dates and times with their calendar: week, weekday and time of day; or exact days, or months. And durations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synthkit import io
from synthkit.errors import LoadError
from synthkit.protect import Protection
from synthkit.schema import Datetime, Duration, Numeric
from synthkit.transforms.base import Array, ColumnTransformer, Part, Range
from synthkit.transforms.counts import NumberCounts
from synthkit.transforms.numeric import LawCodec, NumericTransformer, warn_of_few
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["DatetimeTransformer", "DurationTransformer"]

_DAY = 86_400_000_000_000
_CLOCK = (3_600_000_000_000, 60_000_000_000, 1_000_000_000, 1_000_000, 1_000, 1)  # hours to nanoseconds
_MONDAY = 3  # 1970-01-01 was a Thursday


def _months(days: Array) -> Array:
    """Months since 1970-01 of days since 1970-01-01."""
    return np.asarray(days, np.int64).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


class DatetimeTransformer(ColumnTransformer):
    """Nanoseconds since 1970 (UTC), in one of four modes chosen from the days seen.

    "day": few distinct days, or a short span: a law of days. "month": every date is the first of a month: a law of
    months. "week": a law of weeks and a weekday code, so that working days stay working days. Where times of day
    differ, a law of the time of day is added. "tod" is its grid in nanoseconds.
    """

    type = Datetime
    kind: Datetime

    def __init__(self, kind: Datetime) -> None:
        super().__init__(kind)
        self._days, self._times, self._grid = NumberCounts(), NumberCounts(), 0

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        if not len(values):
            return
        day = values // _DAY
        time = values - day * _DAY
        self._days.update(day, entity=entity, weight=weight)
        self._times.update(time, entity=entity, weight=weight)
        self._grid = int(np.gcd(self._grid, np.gcd.reduce(time)))

    def merge(self, other: DatetimeTransformer) -> None:
        self._days.merge(other._days)
        self._times.merge(other._times)
        self._grid = int(np.gcd(self._grid, other._grid))

    def finish(self, protection: Protection) -> None:
        k = protection.min_count
        if self._days.voice.sum() < k or not len(self._days.values):
            if len(self._days.values):
                warn_of_few("date", k)
            self.mode, self.constant_time = "day", 0
            low, high = self._bounds()
            first = (0 if high is None else high) if low is None else low
            last = first if high is None else high
            self._use(QuantileLaw.uniform(float(first // _DAY), float(last // _DAY), step=1.0), None)
        else:
            self._use(self._law_of_days(k, protection), self._law_of_times(k, protection))
        self._days, self._times = NumberCounts(), NumberCounts()

    def _law_of_days(self, k: int, protection: Protection) -> QuantileLaw:
        """Choose the mode, and fit the law of days, weeks or months."""
        days = self._days
        whole = days.values.astype(np.int64)
        few = len(whole) <= 256 and days.mass[days.support >= k].sum() >= 0.99 * days.mass.sum()
        firsts = _months(whole).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        if (firsts == whole).all() and len(whole) > 3:
            self.mode = "month"
        else:
            self.mode = "day" if few or whole[-1] - whole[0] < 56 else "week"
        units = days.rounded(self._unit)[0]
        bounds = [None if ns is None else float(self._unit(np.array([ns // _DAY]))[0]) for ns in self._bounds()]
        return QuantileLaw.fit(
            units.values.astype(np.float64),
            units.weighted,
            support=units.support,
            voice=units.voice,
            lead=units.lead,
            most=protection.lead,
            step=1.0,
            low=bounds[0],
            high=bounds[1],
            min_count=k,
            extremes=protection.extremes,
            told=self.changed if protection.on else None,
        )

    def _law_of_times(self, k: int, protection: Protection) -> QuantileLaw | None:
        """The law of the time of day; None if it is always the same."""
        times, self.constant_time = self._times, 0
        grid = _usual_grid(times, k, protection)
        if grid:
            times, self.changed["rounded"] = times.rounded(lambda x: (x + grid // 2) // grid * grid % _DAY)
            self._grid = int(np.gcd.reduce(times.values)) or grid
        if len(times.values) == 1:
            self.constant_time = int(times.values[0])
            return None
        grid = self._grid
        if times.voice[times.values != 0].sum() < k:  # too few beside midnight: their divisor is not to be stored
            grid = next(unit for unit in _CLOCK if grid % unit == 0)
        return QuantileLaw.fit(
            times.values,
            times.weighted,
            support=times.support,
            voice=times.voice,
            lead=times.lead,
            most=protection.lead,
            step=float(grid),
            low=0.0,
            high=float(_DAY - grid),
            min_count=k,
            extremes=protection.extremes,
        )

    def _unit(self, day: Array) -> Array:
        """The week or month of a day, or the day itself, as the mode says."""
        if self.mode == "week":
            return np.asarray((day + _MONDAY) // 7)
        return _months(day) if self.mode == "month" else day

    def _bounds(self) -> tuple[int | None, int | None]:
        """Declared bounds in nanoseconds (UTC)."""
        return _nanoseconds(self.kind.low), _nanoseconds(self.kind.high)

    def _use(self, law: QuantileLaw, time_law: QuantileLaw | None) -> None:
        self._codec = LawCodec(law)
        self._clock = None if time_law is None else LawCodec(time_law, "time_")

    @property
    def parts(self) -> tuple[Part, ...]:
        weekday = (Part("weekday", 7),) if self.mode == "week" else ()
        return self._codec.parts + weekday + (self._clock.parts if self._clock else ())

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        day = values // _DAY
        everywhere = np.ones(len(values), dtype=bool)
        out = self._codec.encode(self._unit(day))
        if self.mode == "week":
            out["weekday"] = ((day + _MONDAY) % 7, everywhere)
        if self._clock:
            out.update(self._clock.encode(values - day * _DAY))
        return out

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        unit = np.round(self._codec.decode(entries, rows)).astype(np.int64)
        if self.mode == "week":
            day = unit * 7 - _MONDAY + entries["weekday"].astype(np.int64)
        elif self.mode == "month":
            day = unit.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        else:
            day = unit
        time = np.round(self._clock.decode(entries, rows)).astype(np.int64) if self._clock else self.constant_time
        low, high = self._bounds()
        moment = np.asarray(day * _DAY + time, np.int64)
        return moment if low is None and high is None else np.clip(moment, low, high)

    def ranges(self, low: Any, high: Any) -> list[Range]:
        def unit(ns: Any) -> float:
            return float(self._unit(np.array([ns // _DAY]))[0])

        return self._codec.ranges(-np.inf if low is None else unit(low), np.inf if high is None else unit(high))

    def listed(self, values: Array) -> list[Range]:
        return self._codec.listed(self._unit(values // _DAY))

    def contains(self, values: Array) -> Array:
        unit, law = self._unit(values // _DAY), self._codec.law
        low, high = self._bounds()
        # The law stops short of the extremes that were seen, which are a few rows' own: leave room for them.
        room = max((law.hi[-1] - law.lo[0]) / 2, 1.0)
        ok = np.ones(len(values), bool) if low is None else values >= low
        ok &= unit >= np.round(law.lo[0]) - room if low is None else ok
        ok &= unit <= np.round(law.hi[-1]) + room if high is None else values <= high
        return np.asarray(ok)

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        json, arrays = self._codec.law.to_state()
        out = {"mode": self.mode, "constant_time": self.constant_time, "law": json, "clock": None}
        arrays = {f"law.{k}": v for k, v in arrays.items()}
        if self._clock:
            out["clock"], clock = self._clock.law.to_state()
            arrays.update({f"clock.{k}": v for k, v in clock.items()})
        return out, arrays

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.mode, self.constant_time = json["mode"], int(json["constant_time"])
        if self.mode not in ("day", "week", "month") or not 0 <= self.constant_time < _DAY:
            raise LoadError("DatetimeTransformer.load_state: the file's law of dates is none; it was altered.")

        clock = None if json["clock"] is None else QuantileLaw.from_state(json["clock"], io.below(arrays, "clock."))
        self._use(QuantileLaw.from_state(json["law"], io.below(arrays, "law.")), clock)


def _usual_grid(times: NumberCounts, k: int, protection: Protection) -> int:
    """The largest unit of the clock that the times of nearly all rows are on, where some are not; 0: there is none."""
    room = max(protection.digits * times.voice.sum(), float(k))
    if protection.digits <= 0 or times.crowded:
        return 0
    for unit in (_DAY, *_CLOCK[:-1]):
        off = times.values % unit != 0
        if not off.any():
            return 0
        if times.voice[off].sum() < room and not (times.support[off] >= k).any():
            return unit
    return 0


def _nanoseconds(bound: Any) -> int | None:
    if bound is None:
        return None
    stamp = pd.Timestamp(bound)
    return int((stamp if stamp.tz is None else stamp.tz_convert("UTC")).as_unit("ns").value)


class DurationTransformer(NumericTransformer):
    """A duration is a whole number of nanoseconds on the column's own grid."""

    type = Duration  # type: ignore[assignment]

    def __init__(self, kind: Duration) -> None:
        super().__init__(Numeric(integer=True, nullable=kind.nullable))
