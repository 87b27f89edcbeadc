"""A table of one long series (or of some that share a calendar) <-> channels that are near stationary.

Per column, by test: a change of the (log) value where a unit root cannot be ruled out, a normal score of the value's
law where it can; bars by themselves (see :mod:`synthkit.series.bars`); what is constant, or always equals another
column, is no channel. A profile by hour, weekday or month is taken out where it explains blocks that it was not
learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit import io
from synthkit.errors import SchemaError
from synthkit.protect import Protect, Protection
from synthkit.protected import ProtectionReport
from synthkit.series.bars import find_bars
from synthkit.series.base import Channels
from synthkit.series.calendar import Calendar
from synthkit.series.columns import BarColumns, ChangeColumn, Part, ScoreColumn, part_from_state
from synthkit.series.frames import Frame, Wide
from synthkit.series.regimes import Regimes
from synthkit.series.texture import Texture
from synthkit.series.unit_root import profile_gain, wanders

__all__ = ["Coded", "SeriesEncoder"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FEWEST = 60  # rows, for anything to be learnt of how a series moves
_PIECE = 20  # rows: shorter segments teach nothing
_EXPLAINED = 0.01  # of the variance, for a profile to be kept
_CYCLES = {"hour": 8, "weekday": 16, "month": 4}  # so many seasons at least
_HARMONICS = {"hour": 4, "weekday": 3, "month": 2}


@dataclass(frozen=True, eq=False)
class Coded:
    """A series as models take it. Shapes: T rows, D channels, C calendar features, S segments, Q columns.

    Attributes:
        channels: ``(T, D)``; covariates: ``(T, C)`` or None; starts: ``(S,)``; rows: ``(T,)`` rows of the calendar.
        last: state of the columns after the last row (levels to go on from); values: ``(T, Q)`` of the columns.
    """

    channels: Floats
    covariates: Floats | None
    starts: Ints
    rows: Ints
    last: dict[int, Floats]
    values: Floats


class SeriesEncoder:
    """The codec of long series.

    Args:
        time: the column (or index level) of times; None: a DatetimeIndex if there is one, else the order of rows.
        entity: the column that tells some series of one calendar apart (long form), or None.
        protect: how many rows must stand behind a stored number.

    Attributes:
        protection_: what was changed for protection, in counts.
        frame_: how tables are laid out; calendar_: their times; parts_: codecs of columns; about_: for models;
        regimes_: where draws begin.
    """

    protection_: ProtectionReport
    frame_: Frame
    calendar_: Calendar
    parts_: list[Part]
    about_: Channels
    regimes_: Regimes

    def __init__(
        self,
        *,
        time: Hashable | None = None,
        entity: Hashable | None = None,
        protect: Protect = None,
    ) -> None:
        self.time, self.entity, self.protect = time, entity, protect

    # ---------------------------------------------------------------- fitting
    def fit(self, table: pd.DataFrame) -> Coded:
        """Learn the codec of ``table``, and code it.

        Raises:
            SchemaError: columns that are no numbers, too few rows, doubled times, times on no grid.
        """
        self.frame_, wide = Frame.learn(table, self.time, self.entity)
        self.calendar_, rows = Calendar.learn(wide.times, len(wide.values))
        values, nulls, rows, starts = self._laid_out(wide, rows, "fit")
        if len(rows) < _FEWEST:
            raise SchemaError(
                f"SequenceSynthesizer.fit: {len(rows)} rows are too few for a long series; {_FEWEST} are needed."
            )
        self.frame_.learn_nulls(nulls)
        protection = Protection.of(self.protect)
        least = protection.min_count
        self.protection_ = ProtectionReport.of(protection, self.frame_.cut_digits(wide.values, protection))
        self.parts_ = self._parts(values, starts, least, ~nulls.any(1))
        self._fit_seasons(values, rows, starts)
        self.texture_ = Texture()
        coded = self._coded(values, rows, starts)
        states = [np.stack([part.state(row) for row in values]) for part in self.parts_]
        self.regimes_ = Regimes.learn(coded.channels, rows, starts, states, least)
        return coded

    def _laid_out(self, wide: Wide, rows: Ints, where: str) -> tuple[Floats, NDArray[np.bool_], Ints, Ints]:
        """Values in the order of time with short holes closed, where they were empty, their rows, and segments."""
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], wide.values[order]
        gaps = np.diff(rows)
        short = (gaps > 1) & (gaps <= 6)
        keep = np.ones(len(rows), bool)
        if short.any():
            cut = np.flatnonzero(gaps > 6)
            pieces = np.split(np.arange(len(rows)), cut + 1)
            full = np.concatenate([np.arange(rows[p[0]], rows[p[-1]] + 1) for p in pieces])
            out = np.full((len(full), values.shape[1]), np.nan)
            at = np.searchsorted(full, rows)
            out[at] = values
            keep = np.zeros(len(full), bool)
            keep[at] = True
            rows, values = full, out
        starts = np.append(0, np.flatnonzero(np.diff(rows) > 1) + 1)
        ends = np.append(starts[1:], len(rows))
        long = ends - starts >= min(_PIECE, len(rows))
        long[-1] |= where != "fit"  # what goes on, goes on from the last row
        used = np.flatnonzero(np.repeat(long, ends - starts))
        rows, values, keep = rows[used], values[used], keep[used]
        starts = np.append(0, np.flatnonzero(np.diff(rows) > 1) + 1)
        nulls = np.isnan(values)
        return _filled(values, starts, self.frame_.called, where), nulls & keep[:, None], rows, starts

    def _parts(self, values: Floats, starts: Ints, least: int, full: NDArray[np.bool_]) -> list[Part]:
        """Codecs; bars are told by the ``full`` rows ``(T,)``, as lines through gaps know no order."""
        parts: list[Part] = []
        frame = self.frame_
        for group in range(frame.groups):
            own = [q for q in frame.active if frame.group[q] == group]
            named = {frame.names[q]: values[full if full.sum() >= _FEWEST else slice(None), q] for q in own}
            at = {frame.names[q]: q for q in own}
            taken: set[int] = set()
            for bars in find_bars(named):
                columns = tuple(at[name] for name in bars.columns)
                parts.append(BarColumns.fit(columns, values, starts, least))
                taken |= set(columns)
            for q in own:
                if q not in taken:
                    parts.append(self._part(q, values[:, q], starts, least))
        return parts

    def _part(self, q: int, x: Floats, starts: Ints, least: int) -> Part:
        logs = bool((x > 0).all())
        seen = np.log(x) if logs else x
        if wanders(seen, starts):
            return ChangeColumn.fit(q, x, starts, logs, least)
        return ScoreColumn.fit(q, x, least)

    def _raw(self, values: Floats, starts: Ints) -> Floats:
        rng = np.random.default_rng(0)
        return np.concatenate([part.encode(values, starts, rng) for part in self.parts_], axis=1)

    def _fit_seasons(self, values: Floats, rows: Ints, starts: Ints) -> None:
        raw, least = self._raw(values, starts), Protection.of(self.protect).min_count
        level = np.concatenate([part.level for part in self.parts_])
        self.profiles_: dict[str, Floats] = {}
        self.used_: list[str] = []
        left = raw.copy()
        for name, places in self.calendar_.seasons().items():
            place = self.calendar_.season(name, rows)
            cycle = self._cycle(name, places)
            if len(rows) < _CYCLES[name] * cycle or len(np.unique(place)) < 2:
                continue
            table = np.zeros((raw.shape[1], places))
            for j in range(raw.shape[1]):
                gain, profile = profile_gain(left[:, j], place, places, bool(level[j]), cycle)
                if gain > _EXPLAINED:  # a place that few rows have tells what they were
                    table[j] = np.where(np.bincount(place, minlength=places) >= least, profile, 0.0)
            if (table != 0).any():
                self.profiles_[name] = table
                left -= table[:, place].T
            self.used_.append(name)
        self.centre_, self.scale_ = left.mean(0), np.maximum(left.std(0), 1e-9)
        group = np.concatenate([np.full(part.width, self.frame_.group[part.columns[0]]) for part in self.parts_])
        keys = [(self.frame_.names[part.columns[0]], k) for part in self.parts_ for k in range(part.width)]
        roles = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        period = self.calendar_.seasons().get("hour", 0) if "hour" in self.used_ else 0
        names = tuple(f"{self.frame_.names[part.columns[0]]}/{kind}" for part in self.parts_ for kind in part.kinds)
        role = np.array([roles[k] for k in keys])
        moves = self._moves(level, group)
        self.about_ = Channels(names, level, group.astype(np.int64), role, period, least, *moves)

    def _moves(self, level: NDArray[np.bool_], group: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """``(D,)`` parts of bars' whole changes, and ``(D,)`` which levels stand beside a bar."""
        bar = np.concatenate([np.full(part.width, isinstance(part, BarColumns)) for part in self.parts_])
        bars = np.bincount(group[bar & ~level], minlength=self.frame_.groups) == 2  # gap and body: one bar
        return np.where(bar & ~level, self.scale_, 0.0), bars[group] & level & ~bar

    def _cycle(self, name: str, places: int) -> int:
        """Rows of one season."""
        if name == "hour":
            return places if self.calendar_.slots is None else max(len(self.calendar_.slots) // 5, 1)
        per_week = self.calendar_.per_week()
        return max(round(per_week), 1) if name == "weekday" else max(round(per_week * 365.25 / 7), 1)

    def covariates(self, rows: Ints) -> Floats | None:
        """``(..., C)`` harmonics of the seasons in use, for rows of any shape; None where there are none."""
        out = []
        sizes = self.calendar_.seasons()
        for name in self.used_:
            angle = 2 * np.pi * self.calendar_.season(name, rows) / sizes[name]
            for k in range(1, min(_HARMONICS[name], (sizes[name] - 1) // 2) + 1):
                out += [np.sin(k * angle), np.cos(k * angle)]
        return np.stack(out, -1) if out else None

    def _season_of(self, rows: Ints) -> Floats:
        """``(..., D)`` the sum of the profiles."""
        total = np.zeros((*np.shape(rows), len(self.centre_)))
        for name, table in self.profiles_.items():
            total += np.moveaxis(table[:, self.calendar_.season(name, rows)], 0, -1)
        return total

    # ---------------------------------------------------------------- coding
    def _coded(self, values: Floats, rows: Ints, starts: Ints) -> Coded:
        raw = self._raw(values, starts)
        channels = (raw - self._season_of(rows) - self.centre_) / self.scale_
        last = {i: part.state(values[-1]) for i, part in enumerate(self.parts_)}
        return Coded(channels, self.covariates(rows), starts, rows, last, values)

    def encode(self, table: pd.DataFrame, where: str = "extend") -> Coded:
        """Code another table of the same columns, whose times lie on the grid.

        Raises:
            SchemaError: it does not fit.
        """
        wide = self.frame_.wide(table, where)
        rows = self.rows_of(wide, where, self.calendar_.rows - len(wide.values))
        values, _, rows, starts = self._laid_out(wide, rows, where)
        return self._coded(values, rows, starts)

    def rows_of(self, wide: Wide, where: str, first: int = 0) -> Ints:
        """``(T,)`` rows of the calendar; from ``first`` on where there are no times.

        Raises:
            SchemaError: times are off the grid, or there twice.
        """
        if wide.times is None:
            return first + np.arange(len(wide.values))
        rows = self.calendar_.rows_at(wide.times, where)
        if len(np.unique(rows)) != len(rows):
            raise SchemaError(f"SequenceSynthesizer.{where}: time column {self.calendar_.name!r} holds a time twice.")
        return rows

    def decode(
        self, channels: Floats, rows: Ints, state: Mapping[int, Floats], seed: int, last: Floats | None = None
    ) -> pd.DataFrame:
        """Tables of drawn channels, one after the other.

        Args:
            channels: ``(n, length, D)``; rows: ``(n, length)`` of the calendar; state: of each part, ``(n or 1, k)``;
                last: ``(Q,)`` values of the row before them, or None.
        """
        values = self.values(channels, rows, state)
        self.texture_.apply(values, rows, seed, last)
        return self.frame_.table(values, [self.calendar_.times(r) for r in rows], seed)

    def values(self, channels: Floats, rows: Ints, state: Mapping[int, Floats]) -> Floats:
        """``(n, L, Q)`` values of drawn channels, see :meth:`decode`; NaN in columns that are no channels."""
        return self._values(channels * self.scale_ + self.centre_ + self._season_of(rows), state)

    def _values(self, raw: Floats, state: Mapping[int, Floats]) -> Floats:
        n, length = raw.shape[:2]
        values = np.full((n, length, len(self.frame_.keys)), np.nan)
        begin = 0
        for i, part in enumerate(self.parts_):
            part.decode(raw[..., begin : begin + part.width], state[i], values)
            begin += part.width
        return values

    def learn_atoms(self, values: Floats, rows: Ints) -> list[int]:
        """Learn which numbers the levels among training ``values`` ``(T, Q)`` show, and return these columns."""
        least = Protection.of(self.protect).min_count
        levels = [part.columns[0] for part in self.parts_ if isinstance(part, ScoreColumn)]
        self.texture_ = Texture()
        self.texture_.learn_knots(values, rows, [p.columns[0] for p in self.parts_ if not isinstance(p, BarColumns)])
        self.texture_.learn_atoms(values, levels, least, rows)
        return levels

    def learn_texture(self, real: Coded, drawn: Floats, rows: Ints) -> None:
        """Learn how training values ``(T, Q)`` repeat themselves, beside drawn channels ``(n, L, D)``."""
        levels = self.learn_atoms(real.values, real.rows)
        changes = [part.columns[0] for part in self.parts_ if isinstance(part, ChangeColumn)]
        _, states = self.regimes_.at(rows[:, 0])
        raw = drawn * self.scale_ + self.centre_ + self._season_of(rows)
        plain = self._values(raw, states)
        self.texture_.learn_stillness(real.values, plain, levels, changes, real.starts)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays, from which :meth:`from_state` rebuilds the codec."""
        value: dict[str, Any] = {
            "protection": self.protection_.to_dict(),
            "time": self.time,
            "entity": self.entity,
            "frame": self.frame_.to_state(),
            "calendar": self.calendar_.to_state(),
            "parts": [],
            "used": self.used_,
            "about": {"names": list(self.about_.names), "period": self.about_.period},
        }
        arrays: dict[str, NDArray[Any]] = {
            "centre": self.centre_,
            "scale": self.scale_,
            "about/level": self.about_.level,
            "about/group": self.about_.group,
            "about/role": self.about_.role,
        }
        if self.about_.move is not None and self.about_.told is not None:
            arrays |= {"about/move": self.about_.move, "about/told": self.about_.told}
        value["texture"], atoms = self.texture_.to_state()
        arrays |= {f"atoms/{k}": v for k, v in atoms.items()}
        for name, table in self.profiles_.items():
            arrays[f"profile/{name}"] = table
        for i, part in enumerate(self.parts_):
            own, more = part.to_state()
            value["parts"].append(own)
            arrays |= {f"part/{i}/{k}": v for k, v in more.items()}
        arrays |= {f"regime/{k}": v for k, v in self.regimes_.to_state().items()}
        return value, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SeriesEncoder:
        """The inverse of :meth:`to_state`."""
        out = cls(time=value["time"], entity=value["entity"])
        out.protection_ = ProtectionReport.from_dict(value.get("protection"))
        out.frame_ = Frame.from_state(value["frame"])
        out.calendar_ = Calendar.from_state(value["calendar"])
        out.parts_ = [part_from_state(own, io.below(arrays, f"part/{i}/")) for i, own in enumerate(value["parts"])]
        out.profiles_ = dict(io.below(arrays, "profile/"))
        out.used_ = list(value["used"])
        out.texture_ = Texture.from_state(value["texture"], io.below(arrays, "atoms/"))
        out.centre_, out.scale_ = arrays["centre"], arrays["scale"]
        about = value["about"]
        level, group, role = (arrays[f"about/{k}"] for k in ("level", "group", "role"))
        more = {k: arrays.get(f"about/{k}") for k in ("move", "told")}  # files of before have none
        out.about_ = Channels(tuple(about["names"]), level, group, role, int(about["period"]), **more)
        out.regimes_ = Regimes.from_state(io.below(arrays, "regime/"), len(out.parts_))
        return out


def _filled(values: Floats, starts: Ints, called: Callable[[int], str], where: str) -> Floats:
    """Empty cells by a straight line between their neighbours in the same segment.

    Raises:
        SchemaError: a column is mostly empty, or has no value in a segment.
    """
    out = values.copy()
    ends = np.append(starts[1:], len(values))
    for q in np.flatnonzero(np.isnan(values).any(0)):
        null = np.isnan(values[:, q])
        if null.mean() > 0.5:
            remedy = "Drop the column, or name an 'entity' to have it learnt as records."
            raise SchemaError(
                f"SequenceSynthesizer.{where}: {called(q)} is empty in most rows; a line between so few values "
                f"says nothing of how it moves. {remedy if where == 'fit' else 'Give rows in which it is known.'}"
            )
        known = np.flatnonzero(~null)
        out[null, q] = np.interp(np.flatnonzero(null), known, values[known, q])
        for a, b in zip(starts, ends, strict=True):  # no line across a border
            inside = known[(known >= a) & (known < b)]
            if len(inside):
                out[a:b, q] = np.where(null[a:b], np.interp(np.arange(a, b), inside, values[inside, q]), out[a:b, q])
    return out
