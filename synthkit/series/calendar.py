"""The time axis of a series: which moments have a row, holes in it, and what follows.

Moments are counted on a grid: so many nanoseconds, days or months apart (see :mod:`synthkit.ticks`), of which a week
may use some *slots* only (weekdays; trading hours). A slot that is left out now and then (a holiday) is kept as such
inside the span of the training rows, and unknown beyond it. A longer hole ends a segment.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.inference import canonical, from_canonical, infer_column
from synthkit.schema import ColumnType, Datetime, Duration, Numeric
from synthkit.ticks import DAY, Ticks

__all__ = ["Calendar"]

Ints = NDArray[np.int64]
_WEEK = 7 * DAY
_REGULAR = 0.5  # of all steps are the grid's own, or there is no grid
_SHORT = 5  # grid steps that may be missing in a row without the series being another one after them
_SLOTS = 0.9  # of the possible slots in a week: more than that is every slot


@dataclass(eq=False)
class Calendar:
    """Rows <-> times.

    Attributes:
        name: the column (or index level) of times, None: rows have an order and no time; kind: its type.
        ticks: what is counted; step: ticks from one place of the grid to the next; first: the tick of the first row.
        slots: ``(S,)`` places in the week that are in use, in steps; None: all.
        skipped: places inside the span of training that have no row (holidays), ascending.
        rows: training rows, once short holes are closed.
    """

    name: Hashable | None = None
    kind: ColumnType | None = None
    ticks: Ticks = field(default_factory=Ticks)
    step: int | float = 1
    first: int | float = 0
    slots: Ints | None = None
    skipped: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    rows: int = 0

    # ---------------------------------------------------------------- learning
    @classmethod
    def learn(cls, times: pd.Series | None, rows: int) -> tuple[Calendar, Ints]:
        """The calendar of a column of times, and ``(T,)`` the place of each row (ascending where times are).

        Raises:
            SchemaError: times are empty, doubled, no times, or on no grid.
        """
        if times is None:
            return cls(rows=rows), np.arange(rows)
        kind = infer_column(times, _declared(times))
        out = cls(times.name, kind)
        moments = out._moments(times)
        order = np.sort(moments)
        if (order[1:] == order[:-1]).any():
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {times.name!r} holds the same time twice; a series has one row "
                f"per time. Drop the doubles, or name the column that tells the series apart as 'entity'."
            )
        zone = getattr(times.dtype, "tz", None)
        out.ticks = Ticks.learn(order, None if zone is None else str(zone)) if isinstance(kind, Datetime) else Ticks()
        ticks = out.ticks.count(order)
        out._learn_grid(ticks)
        places = out.places(out.ticks.count(moments))
        out._learn_holidays(np.sort(places))
        return out, out._row_of(places)

    def _moments(self, times: pd.Series) -> NDArray[Any]:
        assert self.kind is not None
        values, null = canonical(times, self.kind)
        if null.any():
            raise SchemaError(f"SequenceSynthesizer.fit: time column {self.name!r} has empty cells; fill or drop them.")
        return values

    def _learn_grid(self, ticks: NDArray[Any]) -> None:
        gaps = np.diff(ticks)
        values, counts = np.unique(gaps, return_counts=True)
        if not len(gaps) or counts.max() < _REGULAR * len(gaps):
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {self.name!r} is on no regular grid (hours, days, weekdays, "
                f"months); resample the series, or name an 'entity' to have it learnt as records at any time."
            )
        self.step, self.first = values[counts.argmax()].item(), ticks[0].item()
        if isinstance(self.step, int):
            self.step = int(np.gcd.reduce(gaps)) if self._finer(gaps) else self.step
        off = (ticks - self.first) / self.step
        if np.abs(off - np.round(off)).max() > 1e-6:
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {self.name!r} leaves its grid in some rows; resample the series."
            )
        if isinstance(self.kind, Datetime) and self._steps_per_week():
            per = self._steps_per_week()
            found = np.unique(np.round(off).astype(np.int64) % per)
            if len(found) <= _SLOTS * per and off[-1] >= 3 * per:
                self.slots = found

    def _finer(self, gaps: NDArray[Any]) -> bool:
        """A finer grid than the most frequent step, of which that is a small multiple."""
        divisor = int(np.gcd.reduce(gaps))
        return 1 <= int(self.step) // divisor <= 12

    def _steps_per_week(self) -> int:
        """0: weeks mean nothing to this grid."""
        if self.ticks.kind == "months":
            return 0
        week = 7 if self.ticks.kind == "days" else _WEEK
        return int(week // self.step) if week % self.step == 0 and week // self.step >= 2 else 0

    def _learn_holidays(self, places: Ints) -> None:
        """Short runs of places without a row. On a full grid (``slots`` None) they are holes to be filled instead."""
        if self.slots is not None:
            gaps = np.diff(places)
            a_day = max(len(self.slots) // 5, 1)
            at = np.flatnonzero((gaps > 1) & (gaps <= max(_SHORT, 2 * a_day) + 1))
            runs = [np.arange(places[i] + 1, places[i + 1]) for i in at]
            self.skipped = np.concatenate([np.zeros(0, np.int64), *runs])
        self.rows = int(self._row_of(places[-1:])[0]) + 1

    # ---------------------------------------------------------------- places, ticks and rows
    def places(self, ticks: NDArray[Any]) -> Ints:
        """The place on the grid of each tick (that of the first training row is 0)."""
        steps = np.round((ticks - self.first) / self.step).astype(np.int64)
        if self.slots is None:
            return steps
        per = self._steps_per_week()
        week, slot = np.divmod(steps, per)
        return week * len(self.slots) + np.searchsorted(self.slots, slot)

    def _ticks(self, places: Ints) -> NDArray[Any]:
        if self.slots is None:
            return self.first + places * self.step
        week, slot = np.divmod(places, len(self.slots))
        return self.first + (week * self._steps_per_week() + self.slots[slot]) * self.step

    def _row_of(self, places: Ints) -> Ints:
        """Places that are no holidays, counted."""
        return np.asarray(places - np.searchsorted(self.skipped, places, side="left"), np.int64)

    def _place_of(self, rows: Ints) -> Ints:
        places = np.array(rows, np.int64)
        for _ in range(len(self.skipped) + 1):
            after = rows + np.searchsorted(self.skipped, places, side="right")
            if (after == places).all():
                break
            places = after
        return places

    def row(self, moment: Any) -> int:
        """The row at ``moment``, or the next there is.

        Raises:
            ParamError: there is no time column, or this is no time.
        """
        if self.kind is None:
            raise ParamError("SequenceSynthesizer.sample: argument 'start' needs a time column, and there is none.")
        try:
            series = pd.Series([moment], name=self.name)
            if isinstance(self.kind, Datetime):
                series = pd.Series(pd.DatetimeIndex([pd.Timestamp(moment)]), name=self.name)
            values, null = canonical(series, self.kind)
        except (SchemaError, TypeError, ValueError) as error:
            raise ParamError(
                f"SequenceSynthesizer.sample: argument 'start' must be a time as in column {self.name!r}."
            ) from error
        if null.any():
            raise ParamError("SequenceSynthesizer.sample: argument 'start' must be a time, and is empty.")
        return int(self._row_of(self.places(self.ticks.count(values)))[0])

    def rows_at(self, times: pd.Series, where: str) -> Ints:
        """``(T,)`` rows of given times.

        Raises:
            SchemaError: a time is empty, or is not on the grid.
        """
        ticks = self.ticks.count(self._moments(times))
        places = self.places(ticks)
        if not np.allclose(np.asarray(self._ticks(places), float), np.asarray(ticks, float), rtol=1e-12, atol=1e-6):
            raise SchemaError(
                f"SequenceSynthesizer.{where}: time column {self.name!r} has a time that is not on the grid of the "
                f"training table."
            )
        return self._row_of(places)

    def times(self, rows: Ints) -> pd.Series | None:
        """The times of ``rows`` as the training table had them; None where it had none."""
        if self.kind is None:
            return None
        values = self.ticks.moments(self._ticks(self._place_of(rows)))
        return from_canonical(np.asarray(values), np.zeros(len(rows), bool), self.kind, None, self.name)

    def __str__(self) -> str:
        """The grid in words, without a moment of it."""
        if self.kind is None:
            return "no time"
        months, days = self.ticks.kind == "months", self.ticks.kind == "days" or self.step == DAY
        if months or days or isinstance(self.kind, (Datetime, Duration)):
            unit = "month" if months else "day" if days else str(pd.Timedelta(self.step).to_pytimedelta())
            count = self.step if months or self.ticks.kind == "days" else 1
            words = f"every {unit}" if count == 1 else f"every {count:g} {unit}s"
        else:
            words = f"every {self.step:g}"
        if self.slots is not None:
            words += f", {len(self.slots)} of {self._steps_per_week()} places in a week"
        if len(self.skipped):
            words += f", {len(self.skipped)} left out"
        return words if self.ticks.zone is None else f"{words}, by clocks of {self.ticks.zone}"

    # ---------------------------------------------------------------- seasons
    def per_week(self) -> float:
        """Rows in a week; of a monthly grid, as if a week were 7 of 365.25 days."""
        if self.slots is not None:
            return float(len(self.slots))
        if self.ticks.kind == "months":
            return 12 * 7 / 365.25 / self.step
        return (7 if self.ticks.kind == "days" else _WEEK) / self.step

    def seasons(self) -> dict[str, int]:
        """Seasons that the grid can have: name -> how many places one has."""
        if not isinstance(self.kind, Datetime):
            return {}
        if self.ticks.kind == "months":
            return {"month": 12} if self.step == 1 else {}
        a_day = 1 if self.ticks.kind == "days" else DAY
        out: dict[str, int] = {}
        if self.step < a_day and a_day % self.step == 0 and a_day // self.step <= 288:
            out["hour"] = int(a_day // self.step)
        if self.step <= a_day:
            out["weekday"] = 7
        if self.step <= 7 * a_day:
            out["month"] = 12
        return out

    def season(self, name: str, rows: Ints) -> Ints:
        """``rows.shape`` where in the season ``name`` each row is."""
        flat = np.ravel(rows)
        wall = self.ticks.wall(self.ticks.moments(self._ticks(self._place_of(flat))))
        if name == "hour":
            out = (wall % DAY) // int(self.step)
        elif name == "weekday":
            out = (wall // DAY + 3) % 7
        else:
            out = wall.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) % 12
        return np.asarray(out, np.int64).reshape(np.shape(rows))

    # ---------------------------------------------------------------- state
    def to_state(self) -> dict[str, Any]:
        """A JSON value."""
        kind = None if self.kind is None else {"type": self.kind.sdtype, "nullable": False, "dtype": self.kind.dtype}
        if isinstance(self.kind, Numeric) and kind is not None:
            kind |= {"integer": self.kind.integer, "decimals": self.kind.decimals}
        return {
            "name": self.name,
            "kind": kind,
            "ticks": self.ticks.to_json(),
            "step": self.step,
            "first": self.first,
            "slots": None if self.slots is None else self.slots.tolist(),
            "skipped": self.skipped.tolist(),
            "rows": self.rows,
        }

    @classmethod
    def from_state(cls, value: dict[str, Any]) -> Calendar:
        kinds = {k.sdtype: k for k in (Datetime, Duration, Numeric)}
        kind = None
        if value["kind"] is not None:
            fields = dict(value["kind"])
            kind = kinds[fields.pop("type")](**fields)
        slots = None if value["slots"] is None else np.array(value["slots"], np.int64)
        ticks = Ticks(*value["ticks"])
        skipped = np.array(value["skipped"], np.int64)
        return cls(
            value["name"], kind, ticks, value["step"], value["first"], slots, skipped, int(value["rows"])
        )  # fmt: skip


def _declared(times: pd.Series) -> ColumnType | None:
    """Dates, durations and numbers are times; a key-like or constant column of numbers is one too."""
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        return Datetime()
    if pd.api.types.is_timedelta64_dtype(times.dtype):
        return Duration()
    if pd.api.types.is_bool_dtype(times.dtype) or not pd.api.types.is_numeric_dtype(times.dtype):
        kind = infer_column(times)
        if not isinstance(kind, (Datetime, Duration)):
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {times.name!r} holds no times; convert it with pd.to_datetime."
            )
        return kind
    return Numeric()
