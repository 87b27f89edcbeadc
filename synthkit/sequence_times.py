"""The time of a panel: what it is counted in, the calendar that rows go by, and the gaps between them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.encoder import TableEncoder
from synthkit.errors import SchemaError
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Encoded, Layout
from synthkit.protect import Protect, Protection
from synthkit.schema import ColumnType, Datetime, Identifier, Numeric, Schema
from synthkit.ticks import DAY, Ticks

__all__ = ["CALENDAR", "GAP", "START", "TimeCodec", "check_time", "time_type"]

START, GAP = "(start)", "(gap)"
CALENDAR = {"hour": 24, "weekday": 7, "day": 32, "month": 12}  # the last day of a month is one by itself
_BURSTS = 0.5  # share of rows at the time of the row before, from which lengths are counted in times
_SPAN = 0.35  # of how much an entity's span hangs on its rows, at most, for its pace to be learnt instead

Ints = NDArray[np.int64]


class TimeCodec:
    """The part of :class:`synthkit.sequences.SequenceEncoder` that knows of time; its attributes are told there."""

    schema_: Schema
    entity: Hashable | None
    time: Hashable | None
    protect: Protect
    seed: int
    gaps_: TableEncoder | None
    step_: int | float | None
    ticks_: Ticks
    bursts_: tuple[float, int] | None
    calendar_: dict[str, int]
    unit_: float
    grain_: int
    strict_: bool
    paced_: bool

    def _day(self) -> float | None:
        """Moments in a day, None where time is a number."""
        return None if isinstance(self.schema_.columns[self.time], Numeric) else float(DAY)

    def _elapsed(self, clock: NDArray[Any], first: NDArray[Any]) -> NDArray[np.float64]:
        """``(R,)`` moments since the first rows, whose ticks are ``first``."""
        moments = self.ticks_.moments(clock), self.ticks_.moments(first)
        return np.asarray(moments[0] - moments[1], np.float64)

    def _fit_time(self, flat: pd.DataFrame, owner: Ints, clock: NDArray[Any]) -> None:
        later = np.flatnonzero(owner[1:] == owner[:-1])
        if isinstance(self.schema_.columns[self.time], Datetime):
            self.ticks_ = Ticks.learn(clock, _zone(flat[self.time]))
            clock = self.ticks_.count(clock)
            parts = self._parts(clock)
            keep = [p for p in CALENDAR if len(np.unique(parts[p])) > 1]
            self.calendar_ = {p: CALENDAR[p] for p in keep}
        gaps = clock[later + 1] - clock[later]
        self.strict_ = bool(len(gaps)) and bool((gaps > 0).all())
        if not len(gaps):
            return
        if gaps.min() == gaps.max():
            self.step_ = gaps[0].item()
            return
        lengths = np.bincount(owner)
        if float((gaps == 0).mean()) >= _BURSTS:
            self.bursts_ = 1.0, 1
            self.bursts_ = self._shared(clock, owner)
        self.unit_ = self._unit(gaps, owner[later + 1])
        if not isinstance(self.schema_.columns[self.time], Numeric):
            self.grain_ = max(int(np.gcd.reduce(gaps)), 1)
        frame = pd.DataFrame({self.entity: flat[self.entity].to_numpy()[later], GAP: self._gap_series(gaps)})
        who = Identifier(dtype=self.schema_.columns[self.entity].dtype, nullable=False)
        schema = Schema({self.entity: who, GAP: self._gap_type()}, self.entity)
        self.gaps_ = TableEncoder(schema, protect=self.protect, seed=self.seed).fit(frame)
        # Either tells the other; which one a model of entities should learn is which hangs less on how many rows
        # there are: a visit a month has a pace of its own, a stay of two days has a span.
        counts = self._counts(clock, owner)[0]
        pace, several = self._pace(clock, lengths, counts), counts > 1
        on_pace, on_span = (_hangs(v[several], counts[several]) for v in (pace, pace * (counts - 1)))
        self.paced_ = on_pace <= _SPAN * on_span

    def _shared(self, clock: NDArray[Any], owner: Ints) -> tuple[float, int]:
        """How many rows a time has: on average, and at most; the most is that of as many entities as must be."""
        times, shared = self._counts(clock, owner)
        most = np.sort(np.maximum.reduceat(shared, np.cumsum(times) - times))
        return float(shared.mean()), int(most[-min(Protection.of(self.protect).min_count, len(most))])

    def _unit(self, gaps: NDArray[Any], owner: Ints) -> float:
        """The median gap; three digits of it where few entities have it."""
        if not (gaps > 0).any():
            return 1.0
        unit = float(np.median(gaps[gaps > 0]))
        if len(np.unique(owner[gaps == unit])) >= Protection.of(self.protect).min_count:
            return unit
        digits = 2 - int(np.floor(np.log10(unit)))
        short = float(np.round(unit, digits)) if digits > 0 else float(round(unit * 10.0**digits)) * 10.0**-digits
        return short if Protection.of(self.protect).on and short > 0 else unit

    def _counts(self, clock: NDArray[Any] | None, owner: Ints) -> tuple[Ints, Ints]:
        """``(E,)`` rows of entities, or, with bursts, times; and rows of each of those."""
        if clock is None or self.bursts_ is None:
            return np.bincount(owner), np.ones(len(owner), np.int64)
        new = (np.diff(owner, prepend=-1) != 0) | (np.diff(clock, prepend=clock[:1]) != 0)
        return np.bincount(owner, new).astype(np.int64), np.bincount(np.cumsum(new) - 1)

    def _gap_type(self) -> ColumnType:
        kind = self.schema_.columns[self.time]
        if isinstance(kind, Numeric):
            return Numeric(integer=kind.integer, decimals=kind.decimals, nullable=False)
        return Numeric(integer=True, nullable=False)

    def _gap_series(self, gaps: NDArray[Any]) -> Any:
        return gaps if isinstance(self.schema_.columns[self.time], Numeric) else gaps // self.grain_

    def _pace(self, clock: NDArray[Any], lengths: Ints, counts: Ints) -> NDArray[np.float64]:
        """``(E,)`` mean gaps, in units of the median one; unknown of single rows (or times)."""
        ends = np.cumsum(lengths) - 1
        span = (clock[ends] - clock[ends - lengths + 1]).astype(np.float64) / self.unit_
        out: NDArray[np.float64] = np.where(counts > 1, span / np.maximum(counts - 1, 1), np.nan)
        return out

    def encode_gaps(self, clock: NDArray[Any], starts: Ints) -> Encoded:
        """The fields of the gaps before rows at ``clock``; nothing is known of them at ``starts``."""
        assert self.gaps_ is not None
        gap = np.diff(clock, prepend=clock[:1])
        first = np.zeros(len(clock), bool)
        first[starts] = True
        gap[first] = self._some_gap()
        data = self.encode_waits(gap)
        mask = torch.from_numpy(first)[:, None]
        return data.hide(mask.expand_as(data.num_known), mask.expand_as(data.cat_known))

    def encode_waits(self, gap: NDArray[Any]) -> Encoded:
        """The fields of gaps in ticks."""
        assert self.gaps_ is not None
        return self.gaps_.encode(pd.DataFrame({GAP: self._gap_series(gap)}), partial=True)

    def _some_gap(self) -> int | float:
        return self.unit_ if isinstance(self.schema_.columns[self.time], Numeric) else int(self.unit_)

    def decode_gaps(self, data: Encoded) -> NDArray[Any]:
        """``(rows,)`` gaps in ticks."""
        assert self.gaps_ is not None
        gaps = canonical(self.gaps_.decode(data)[GAP], self._gap_type())[0]
        law = getattr(self.gaps_.transformers_[GAP], "law", None)
        if self.strict_ and law is not None and law.step:  # a law of small gaps may round to none at all
            gaps = np.maximum(gaps, np.asarray(law.step).astype(gaps.dtype))
        return gaps * self.grain_

    def parts(self, clock: NDArray[Any]) -> NDArray[np.int64]:
        """``(rows, parts)`` codes of the calendar that rows go by, in the order of ``calendar_``."""
        if not self.calendar_:
            return np.zeros((len(clock), 0), np.int64)
        found = self._parts(clock)
        return np.stack([found[p] for p in self.calendar_], 1)

    def _parts(self, clock: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
        """The calendar by the clock on the wall; codes count from 0."""
        wall = pd.Series(self.ticks_.wall(self.ticks_.moments(clock)).astype("datetime64[ns]")).dt
        day = (wall.day - 1).mask(wall.is_month_end, 31)
        parts = {"hour": wall.hour, "weekday": wall.day_of_week, "day": day, "month": wall.month - 1}
        return {name: np.asarray(part.to_numpy(), np.int64) for name, part in parts.items()}

    def days(self, clock: NDArray[Any]) -> NDArray[np.float64]:
        """``(rows,)`` days since 1970 by the clock on the wall."""
        return np.asarray(self.ticks_.wall(self.ticks_.moments(clock)) / DAY, np.float64)

    def gap_layout(self) -> Layout | None:
        """The fields of the gap, with its law, however few values it takes."""
        if self.gaps_ is None:
            return None
        layout, law = self.gaps_.layout_, getattr(self.gaps_.transformers_[GAP], "law", None)
        codes = [i for i, field in enumerate(layout.fields) if field.size and field.part != "null"]
        return layout if law is None or not codes else replace(layout, laws={codes[0]: law})

    def gap_days(self) -> float | None:
        """Days of one unit of the gap; None where gaps are not counted in time."""
        dated = isinstance(self.schema_.columns.get(self.time), Datetime)
        if self.gaps_ is None or not dated or self.ticks_.kind == "months":
            return None
        return self.grain_ * (1.0 if self.ticks_.counted else 1.0 / DAY)

    def canonical_times(self, times: pd.Series) -> NDArray[Any]:
        """Times in ticks, which :meth:`times` inverts."""
        return self.ticks_.count(canonical(times, self.schema_.columns[self.time])[0])

    def times(self, clock: NDArray[Any], name: Hashable = None) -> pd.Series:
        """Ticks as the table has them."""
        clock = self.ticks_.moments(clock)
        kind = self.schema_.columns[self.time]
        if isinstance(kind, Numeric) and kind.decimals is not None and not kind.integer:
            clock = np.round(clock, kind.decimals)
        return from_canonical(clock, np.zeros(len(clock), bool), kind, name=name)


def _hangs(values: NDArray[np.float64], rows: Ints) -> float:
    """Share of the variance of the ranks of ``values`` that lies between tenths of the entities by their rows."""
    rank = pd.Series(values).rank()
    tenth = (pd.Series(rows).rank(pct=True) * 10).round()
    total = float(rank.var(ddof=0))
    return float(rank.groupby(tenth).transform("mean").var(ddof=0)) / total if total > 0 else 0.0


def _zone(series: pd.Series) -> str | None:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return str(series.dt.tz)
    if series.dtype == object and len(series):
        zone = getattr(series.iloc[0], "tzinfo", None)
        return None if zone is None else str(getattr(zone, "key", None) or zone)
    return None


def check_time(series: pd.Series) -> None:
    """Refuse what is no time, and mixed zones."""
    name, types = series.name, pd.api.types
    if series.dtype == object:
        kind = pd.api.types.infer_dtype(series)
        if kind not in ("datetime", "datetime64", "date", "timedelta", "timedelta64", "integer", "floating"):
            raise SchemaError(
                f"SequenceSynthesizer: time column {name!r} is no time; convert it by pandas.to_datetime or to numbers."
            )
        if len({str(getattr(value, "tzinfo", None)) for value in series}) > 1:
            raise SchemaError(
                f"SequenceSynthesizer: time column {name!r} mixes time zones; convert it by "
                "pandas.to_datetime(..., utc=True)."
            )
        return
    dtype = series.dtype
    timed = types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)
    arrow = isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM"
    if not timed and not arrow and (not types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)):
        raise SchemaError(
            f"SequenceSynthesizer: time column {name!r} is no time; convert it by pandas.to_datetime, or to numbers."
        )


def time_type(series: pd.Series) -> ColumnType:
    """The type of a time that looked like a key or a constant."""
    dated = pd.api.types.is_datetime64_any_dtype(series.dtype)
    name = "datetime" if dated else "duration" if pd.api.types.is_timedelta64_dtype(series.dtype) else "numeric"
    return Schema.infer(series.to_frame(), overrides={series.name: name}, rules=False).columns[series.name]
