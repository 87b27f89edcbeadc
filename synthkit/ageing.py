"""Columns that grow with the clock: a patient's age at a visit, the months since an account was opened.

Such a column is its value at an entity's first row plus a rate times the time since, cut to the column's grid. It is
not learnt row by row: what an entity has at its first row is a column of the table of entities; the rest follows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit import io
from synthkit.inference import canonical, from_canonical
from synthkit.schema import ColumnType, Numeric, Schema

__all__ = ["Ageing", "find_ageing"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHARE = 0.99  # of the entities that a rule has to hold in
_ENTITIES = 20  # with several rows that have to speak for a rule
_GROWS = 1.5  # units of the grid that the median entity grows by, for any rate to pass
_STEPS = 30  # steps up that have to be seen of a column that grows less; they come as often as years pass
_OFF = 0.15  # how far their number may be from that of the years
_YEARS = (365.25, 365.0, 365.2425)
_UNITS = (*_YEARS, 30.4375, 30.0, 7.0, 1.0, 12.0, 24.0)  # rates are one by these, if one of them will do
_EXACT = 2.0**52


@dataclass(frozen=True)
class Ageing:
    """``value = floor(value at the first row + phase + rate x time since)``, in units of the column's grid.

    Attributes:
        name: the column; rate: units per tick of the clock; digits: after the point, of the grid.
    """

    name: Hashable
    rate: float
    digits: int

    def units(self, column: pd.Series, kind: ColumnType) -> Floats:
        """``(R,)`` cells in units of the grid; NaN is null."""
        values, null = canonical(column, kind)
        return np.where(null, np.nan, np.rint(np.where(null, 0, values).astype(np.float64) * 10.0**self.digits))

    def bounds(self, units: Floats, elapsed: Floats, owner: Ints, entities: int) -> tuple[Floats, Floats]:
        """``(E,)`` the least value (in it) and the greatest (out of it) that an entity may have begun at, unrounded.

        Args:
            units: ``(R,)`` NaN where it is not known; elapsed: ``(R,)`` ticks since the first row; owner: ``(R,)``.

        Returns:
            NaN for entities of whom nothing is known; where rows contradict each other, what the first of them says.
        """
        known = ~np.isnan(units)
        at = units - self.rate * elapsed
        low, high = np.full(entities, -np.inf), np.full(entities, np.inf)
        np.maximum.at(low, owner[known], at[known])
        np.minimum.at(high, owner[known], at[known] + 1)
        first = pd.Series(at[known]).groupby(owner[known]).first()
        begins = np.full(entities, np.nan)
        begins[first.index.to_numpy(np.int64)] = first.to_numpy()
        broken = ~(low < high)
        return np.where(broken | np.isinf(low), begins, low), np.where(broken | np.isinf(high), begins + 1, high)

    def column(self, begins: Floats, elapsed: Floats, kind: ColumnType) -> pd.Series:
        """``(R,)`` the cells of rows that lie ``elapsed`` ticks after unrounded beginnings ``(R,)``; NaN is null."""
        # a hair, so that rates times whole numbers of ticks do not fall below the whole number that they are
        units = np.floor(begins + self.rate * elapsed + 1e-7)
        null = np.isnan(units)
        values: Any = np.where(null, 0.0, units) / 10.0**self.digits
        if isinstance(kind, Numeric):
            if kind.low is not None or kind.high is not None:
                values = np.clip(values, kind.low, kind.high)
            values = values.astype(np.int64) if kind.integer else values.round(self.digits)
        return from_canonical(values, null, kind, name=self.name)

    def to_json(self) -> list[Any]:
        """A JSON value."""
        return [io.to_json(self.name), self.rate, self.digits]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(io.from_json(value[0]), float(value[1]), int(value[2]))


def find_ageing(
    table: pd.DataFrame,
    owner: Ints,
    clock: NDArray[Any],
    schema: Schema,
    moving: Sequence[Hashable],
    day: float | None,
) -> Mapping[Hashable, Ageing]:
    """The columns that grow with the clock, and only with it, in 99 % of the entities.

    Args:
        table: R rows by entity and time; owner: ``(R,)`` whose they are; clock: ``(R,)`` their times in ticks.
        moving: the columns to look at. Those with empty cells are none: what they lack has to be learnt.
        day: ticks of a day, None where that is not known.
    """
    clock = clock.astype(np.float64)
    starts = np.flatnonzero(np.diff(owner, prepend=-1) != 0)
    lengths = np.diff(np.append(starts, len(owner)))
    elapsed = clock - clock[np.repeat(starts, lengths)]
    found = {}
    for name in moving:
        kind = schema.columns[name]
        if not isinstance(kind, Numeric) or bool(table[name].isna().any()):
            continue
        if kind.decimals is None and not kind.integer:
            continue
        plain = Ageing(name, 0.0, 0 if kind.integer else kind.decimals or 0)
        units = plain.units(table[name], kind)
        if np.abs(units).max() < _EXACT and (rate := _rate(units, elapsed, owner, starts, lengths, day)) is not None:
            found[name] = Ageing(name, rate, plain.digits)
    return found


def _rate(units: Floats, elapsed: Floats, owner: Ints, starts: Ints, lengths: Ints, day: float | None) -> float | None:
    """Units per tick that all rows but a few go by, or None."""
    ends = starts + lengths - 1
    many = elapsed[ends] > 0
    if int(many.sum()) < _ENTITIES:
        return None
    grown, span = (units[ends] - units[starts])[many], elapsed[ends][many]
    later = np.flatnonzero(elapsed > 0)
    own = (units - units[np.repeat(starts, lengths)])[later]
    # each row allows the rates from (own - 1) / elapsed to (own + 1) / elapsed: where do most of them meet?
    low, high = (own - 1) / elapsed[later], (own + 1) / elapsed[later]
    inside = _depth(low, high)
    if inside is None:
        return None
    least, most = inside
    named = [1 / (unit * (day or 1.0)) for unit in _UNITS] + ([] if day is None else [1.0])
    fits = [sign * rate for rate in named for sign in (1, -1) if least < sign * rate < most]
    rate = fits[0] if fits else (least + most) / 2
    if not _holds(units, elapsed, owner, len(starts), many, rate):
        return None
    if float(np.median(abs(rate) * span)) >= _GROWS:
        return rate
    yearly = bool(fits) and any(np.isclose(abs(rate), 1 / (unit * (day or 1.0))) for unit in _YEARS)
    steps, due = float(np.abs(grown).sum()), float(abs(rate) * span.sum())
    return rate if yearly and steps >= _STEPS and abs(steps - due) <= _OFF * due else None


def _depth(low: Floats, high: Floats) -> tuple[float, float] | None:
    """The interval in which most of the open intervals meet, if 99 % of them do."""
    at = np.concatenate([low, high])
    side = np.repeat([1, -1], len(low))
    order = np.lexsort((side, at))  # ends come before beginnings: the intervals are open
    depth = np.cumsum(side[order])
    best = int(depth.argmax())
    if depth[best] < _SHARE * len(low) or best + 1 >= len(at):
        return None
    return float(at[order][best]), float(at[order][best + 1])


def _holds(units: Floats, elapsed: Floats, owner: Ints, entities: int, many: NDArray[np.bool_], rate: float) -> bool:
    at = units - rate * elapsed
    low, high = np.full(entities, -np.inf), np.full(entities, np.inf)
    np.maximum.at(low, owner, at)
    np.minimum.at(high, owner, at + 1)
    return float((low < high + 1e-7)[many].mean()) >= _SHARE
