"""Dates and times with their calendar: week, weekday and time of day; or exact days, or months. And durations."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkit.protect import Protection
from synthkit.schema import Datetime, Duration, Numeric
from synthkit.transforms.base import Array, ColumnTransformer, Part, Range
from synthkit.transforms.counts import NumberCounts
from synthkit.transforms.numeric import LawCodec, NumericTransformer
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["DatetimeTransformer", "DurationTransformer"]

_DAY = 86_400_000_000_000
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
        days = self._days
        k = protection.min_count
        if not len(days.values):
            days.update(np.array([0.0]))
            self._times.update(np.array([0.0]))
        kept = days.support >= k
        whole = days.values.astype(np.int64)
        few = len(whole) <= 256 and days.mass[kept].sum() >= 0.99 * days.mass.sum()
        if (_months(whole).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) == whole).all() and len(
            whole
        ) > 3:
            self.mode, unit = "month", _months(whole)
        elif few or whole[-1] - whole[0] < 56:
            self.mode, unit = "day", whole
        else:
            self.mode, unit = "week", (whole + _MONDAY) // 7
        counts = NumberCounts()
        counts.update(np.repeat(unit, 1), weight=days.mass)
        support = np.bincount(np.searchsorted(counts.values, unit), weights=days.support)
        law = QuantileLaw.fit(counts.values, counts.mass, support=support, step=1.0, min_count=k)
        time_law, self.constant_time = None, 0
        times = self._times
        if len(times.values) == 1:
            self.constant_time = int(times.values[0])
        else:
            step = float(max(self._grid, 1))
            time_law = QuantileLaw.fit(
                times.values, times.mass, support=times.support, step=step, low=0.0, high=_DAY - step, min_count=k
            )
        self._use(law, time_law)
        self._days, self._times = NumberCounts(), NumberCounts()

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
        if self.mode == "week":
            week = (day + _MONDAY) // 7
            out = {**self._codec.encode(week), "weekday": ((day + _MONDAY) % 7, everywhere)}
        else:
            out = self._codec.encode(_months(day) if self.mode == "month" else day)
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
        return np.asarray(day * _DAY + time, np.int64)

    def ranges(self, low: Any, high: Any) -> list[Range]:
        def unit(ns: Any) -> float:
            day = np.array([ns // _DAY])
            value = (day + _MONDAY) // 7 if self.mode == "week" else _months(day) if self.mode == "month" else day
            return float(value[0])

        return self._codec.ranges(-np.inf if low is None else unit(low), np.inf if high is None else unit(high))

    def listed(self, values: Array) -> list[Range]:
        day = values // _DAY
        unit = (day + _MONDAY) // 7 if self.mode == "week" else _months(day) if self.mode == "month" else day
        return self._codec.listed(unit)

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        json, arrays = self._codec.law.to_state()
        out = {"mode": self.mode, "constant_time": self.constant_time, "law": json, "clock": None}
        arrays = {f"law.{k}": v for k, v in arrays.items()}
        if self._clock:
            out["clock"], clock = self._clock.law.to_state()
            arrays.update({f"clock.{k}": v for k, v in clock.items()})
        return out, arrays

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.mode, self.constant_time = json["mode"], json["constant_time"]

        def pick(prefix: str) -> dict[str, Array]:
            return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

        clock = None if json["clock"] is None else QuantileLaw.from_state(json["clock"], pick("clock."))
        self._use(QuantileLaw.from_state(json["law"], pick("law.")), clock)


class DurationTransformer(NumericTransformer):
    """A duration is a whole number of nanoseconds on the column's own grid."""

    type = Duration  # type: ignore[assignment]

    def __init__(self, kind: Duration) -> None:
        super().__init__(Numeric(integer=True, nullable=kind.nullable))
