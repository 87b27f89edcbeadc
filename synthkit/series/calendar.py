"""The time axis of a series: which moments have a row, holes in it, and what follows.

Moments are counted on a grid: so many nanoseconds, days or months apart (see :mod:`synthkit.ticks`), of which a week
may use some *slots* only (weekdays; trading hours). A slot that is left out now and then (a holiday) is kept as such
inside the span of the training rows, and unknown beyond it. A longer hole ends a segment.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
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
_PIECE = 20  # rows without such a hole that a series must have somewhere
_RARE = 0.1  # a slot that fewer weeks use is an exception (a session on a Saturday), and does not go on
_HORIZON = 5200  # weeks beyond training for which that is so
_SLOTS = 0.9  # of the possible slots in a week: more than that is every slot


@dataclass(eq=False)
class Calendar:
    """Rows <-> times.

    Attributes:
        name: the column (or index level) of times, None: rows have an order and no time; kind: its type.
        ticks: what is counted; step: ticks from one place of the grid to the next; first: the tick of the first row.
        slots: ``(S,)`` places in the week that are in use, in steps; None: all.
        skipped: places inside the span of training that have no row (holidays), ascending.
        rare: ``(R,)`` which of the slots are exceptions: beyond the span of training they have no row.
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
    rare: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

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
        zone = getattr(times.dtype, "tz", None)
        if (order[1:] == order[:-1]).any():
            back = isinstance(kind, Datetime) and zone is None and bool((order % DAY != order[0] % DAY).any())
            clocks = (
                " An hour that clocks show twice is told by .dt.tz_localize(zone, ambiguous='infer')." if back else ""
            )
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {times.name!r} holds the same time twice; a series has one row "
                f"per time. Drop the doubles, or name the column that tells the series apart as 'entity'.{clocks}"
            )
        if isinstance(kind, Datetime):
            out.ticks = Ticks.learn(order, None if zone is None else str(zone))
            if out.ticks.kind == "plain" and zone is not None and _by_wall(order, out.ticks):
                out.ticks = Ticks("wall", str(zone))
        ticks = out.ticks.count(order)
        out._learn_grid(ticks)
        places = out.places(out.ticks.count(moments))
        out._learn_holidays(np.sort(places))
        held = out._row_of(places)
        runs = np.diff(np.flatnonzero(np.diff(np.sort(held), prepend=-np.inf, append=np.inf) > _SHORT + 1))
        if len(held) >= _PIECE > runs.max():
            raise SchemaError(
                f"SequenceSynthesizer.fit: time column {times.name!r} has no {_PIECE} rows without a hole of more than "
                f"{_SHORT} steps among them; fill the holes, resample, or name an 'entity' to have records learnt."
            )
        return out, held

    def _moments(self, times: pd.Series, where: str = "fit") -> NDArray[Any]:
        assert self.kind is not None
        zoned = isinstance(times.dtype, pd.DatetimeTZDtype)
        if where != "fit" and pd.api.types.is_datetime64_any_dtype(times.dtype) and zoned != (self._zone is not None):
            remedy = "drop it with .dt.tz_localize(None)" if zoned else "give it one with .dt.tz_localize"
            raise SchemaError(
                f"SequenceSynthesizer.{where}: time column {self.name!r} has {'a' if zoned else 'no'} time zone, and "
                f"that of the training table {'none' if zoned else 'one'}; {remedy}."
            )
        values, null = canonical(times, self.kind)
        if null.any():
            raise SchemaError(
                f"SequenceSynthesizer.{where}: time column {self.name!r} has empty cells; fill or drop them."
            )
        return values

    @property
    def _zone(self) -> str | None:
        """The time zone of training times."""
        return self.ticks.zone if isinstance(self.kind, Datetime) else None

    def _learn_grid(self, ticks: NDArray[Any]) -> None:
        gaps = np.diff(ticks)
        if gaps.dtype.kind == "f" and len(gaps):  # 0.3 - 0.2 is not 0.1
            unit = float(np.median(gaps))
            unit = float(ticks[-1] - ticks[0]) / max(round(float(ticks[-1] - ticks[0]) / unit), 1)
            gaps = (
                np.where(np.abs(gaps / unit - np.round(gaps / unit)) < 1e-6, np.round(gaps / unit), gaps / unit) * unit
            )
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
            found, counts = np.unique(np.round(off).astype(np.int64) % per, return_counts=True)
            rare = counts < _RARE * off[-1] / per
            if (~rare).sum() <= _SLOTS * per and off[-1] >= 3 * per:
                self.slots, self.rare = found, np.flatnonzero(rare)

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
        self.rows = int(places[-1] - np.searchsorted(self.skipped, places[-1])) + 1

    @cached_property
    def _left_out(self) -> Ints:
        """Places without a row: holidays, and beyond training the exceptions of a week."""
        if self.slots is None or not len(self.rare):
            return self.skipped
        last = self.rows - 1 + len(self.skipped)
        weeks = last // len(self.slots) + np.arange(_HORIZON)
        later = (weeks[:, None] * len(self.slots) + self.rare).ravel()
        return np.append(self.skipped, later[later > last])

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
        return np.asarray(places - np.searchsorted(self._left_out, places, side="left"), np.int64)

    def _place_of(self, rows: Ints) -> Ints:
        places = np.array(rows, np.int64)
        for _ in range(len(self._left_out) + 1):
            after = rows + np.searchsorted(self._left_out, places, side="right")
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
                series = pd.Series(pd.DatetimeIndex([self._stamp(moment)]), name=self.name)
            values, null = canonical(series, self.kind)
        except ParamError:
            raise
        except (SchemaError, TypeError, ValueError) as error:
            raise ParamError(
                f"SequenceSynthesizer.sample: argument 'start' must be a time as in column {self.name!r}."
            ) from error
        if null.any():
            raise ParamError("SequenceSynthesizer.sample: argument 'start' must be a time, and is empty.")
        return int(self._row_of(self.places(self.ticks.count(values)))[0])

    def _stamp(self, moment: Any) -> pd.Timestamp:
        """A moment in the zone of training: without a zone it is taken by the clocks there."""
        stamp = pd.Timestamp(moment)
        if stamp.tz is None and self._zone is not None and not pd.isna(stamp):
            return stamp.tz_localize(self._zone, ambiguous=True, nonexistent="shift_forward")
        if stamp.tz is not None and self._zone is None:
            raise ParamError(
                f"SequenceSynthesizer.sample: argument 'start' has a time zone, and column {self.name!r} has none."
            )
        return stamp

    def rows_at(self, times: pd.Series, where: str) -> Ints:
        """``(T,)`` rows of given times.

        Raises:
            SchemaError: a time is empty, or is not on the grid.
        """
        ticks = self.ticks.count(self._moments(times, where))
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
        if isinstance(self.kind, Numeric) and self.kind.decimals is not None:
            values = np.round(values, self.kind.decimals)
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
            words += f", {len(self.slots) - len(self.rare)} of {self._steps_per_week()} places in a week"
        if len(self.skipped):
            words += f", {len(self.skipped)} left out"
        return words if self.ticks.zone is None else f"{words}, by clocks of {self.ticks.zone}"

    # ---------------------------------------------------------------- seasons
    def per_week(self) -> float:
        """Rows in a week; of a monthly grid, as if a week were 7 of 365.25 days."""
        if self.slots is not None:
            return float(len(self.slots) - len(self.rare))
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
        kind = (
            None
            if self.kind is None
            else {"type": type(self.kind).__name__, "nullable": False, "dtype": self.kind.dtype}
        )
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
            "rare": self.rare.tolist(),
        }

    @classmethod
    def from_state(cls, value: dict[str, Any]) -> Calendar:
        kinds = {k.__name__: k for k in (Datetime, Duration, Numeric)}
        kinds |= {"datetime": Datetime, "numerical": Numeric}  # of older files
        kind = None
        if value["kind"] is not None:
            fields = dict(value["kind"])
            kind = kinds[fields.pop("type")](**fields)
        slots = None if value["slots"] is None else np.array(value["slots"], np.int64)
        ticks = Ticks(*value["ticks"])
        skipped = np.array(value["skipped"], np.int64)
        grid = (ticks, value["step"], value["first"], slots, skipped, int(value["rows"]))
        return cls(value["name"], kind, *grid, np.array(value.get("rare", []), np.int64))


def _by_wall(order: NDArray[np.int64], ticks: Ticks) -> bool:
    """Do times within days keep to the clocks of their zone (trading hours), and not to those of Greenwich?

    They do where clocks show fewer hours in use, or leave some out of every day, and none comes twice.
    """
    wall = ticks.wall(order)
    gaps = np.diff(wall)
    if not len(gaps) or (gaps <= 0).any():
        return False
    seen, plain = len(np.unique(wall % DAY)), len(np.unique(order % DAY))
    return seen < plain or (seen == plain and seen * int(gaps.min()) < DAY)


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
