"""Running totals are recognised, and rows put into the order in which they add up (see :mod:`synthkit.running`).

Records of one time often lost their order; then the totals tell it, since each is what the next one starts from.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.inference import canonical
from synthkit.running import Parts, Running
from synthkit.schema import Boolean, Categorical, ColumnType, Numeric, Schema

__all__ = ["chained", "find_running"]

_SHARE = 0.99  # of the rows that a rule has to hold in
_ROWS = 20  # rows with an amount that have to speak for a rule
_VALUES = 5  # amounts that differ: a counter is no running total
_SCREEN = 4000  # rows that tell quickly which columns may be meant
_TIED = 2e9  # pairs of rows of one time that an order is looked for in, at most
_EXACT = 2.0**52
_COARSE = 100  # units that a change has as a rule, for one unit to pass as the rounding of what was recorded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# -------------------------------------------------------------------- recognition
def find_running(
    table: pd.DataFrame, owner: Ints, clock: NDArray[Any], schema: Schema, moving: Sequence[Hashable]
) -> Running | None:
    """The running total among the columns that move, if there is one: the rule that most rows obey.

    Args:
        table: R rows by entity and time; owner: ``(R,)`` whose they are; clock: ``(R,)`` their times.
    """
    group = _groups(owner, clock)
    if not len(table) or float((np.bincount(group).astype(np.float64) ** 2).sum()) > _TIED:
        return None
    full = [name for name in moving if not bool(table[name].isna().any())]
    numbers = [name for name in full if _countable(schema.columns[name])]
    flags = [name for name in full if isinstance(schema.columns[name], (Categorical, Boolean))]
    values = {name: canonical(table[name], schema.columns[name])[0].astype(np.float64) for name in numbers}
    best, most = None, 0.0
    few = slice(0, int(np.searchsorted(owner, owner[min(_SCREEN, len(owner)) - 1], "right")))
    for total in numbers:
        for amount in numbers:
            digits = max(schema.columns[name].decimals or 0 for name in (total, amount))  # type: ignore[attr-defined]
            units = [np.rint(values[name] * 10.0**digits) for name in (total, amount)]
            if total == amount or max(np.abs(x).max() for x in units) >= _EXACT:
                continue
            moves = np.abs(units[1][units[1] != 0])
            if len(np.unique(moves)) < _VALUES:
                continue
            slack = int(np.median(moves) >= _COARSE)
            plain = Running(total, amount, None, 1, {}, digits, bool((units[1] >= 0).all()), slack)
            if not _likely(units, owner, group, slack, few):
                continue
            for rule in _signed(plain, units, owner, group, {f: table[f] for f in flags}, schema):
                share = _holds(rule.parts(table, schema.columns), owner, group, slack)
                if share >= _SHARE and share > most:
                    best, most = rule, share
    return best


def _countable(kind: ColumnType) -> bool:
    """Whether a column has a grid, and room for totals that were never seen."""
    if not isinstance(kind, Numeric) or (kind.decimals is None and not kind.integer):
        return False
    dtype = str((kind.dtype or {}).get("name", "")).lower()
    narrow = dtype.startswith("uint") or dtype.endswith(("8", "16", "float32", "halffloat"))
    return kind.low is None and kind.high is None and not narrow


def _matches(
    total: Floats, change: Floats, owner: Ints, group: Ints, slack: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``(R,)``: rows whose total before them is one of the same time or of the time before; rows that can tell."""
    values, at = np.unique(total, return_inverse=True)
    keys = np.unique(group * len(values) + at)
    first = np.append(True, np.diff(owner) != 0)
    begins = np.zeros(int(group[-1]) + 1, bool)
    begins[group[first]] = True

    low = np.searchsorted(values, total - change - slack, "left")
    high = np.searchsorted(values, total - change + slack, "right")

    def there(where: Ints) -> NDArray[np.bool_]:
        first, last = (np.searchsorted(keys, where * len(values) + x) for x in (low, high))
        return np.asarray(first < last)

    starts = begins[group]
    return there(group) | (there(group - 1) & ~starts), (change != 0) & ~starts


def _likely(units: list[Floats], owner: Ints, group: Ints, slack: int, few: slice) -> bool:
    """Whether some sign would do for almost all of the first rows."""
    total, amount, who, when = units[0][few], units[1][few], owner[few], group[few]
    plus, tells = _matches(total, amount, who, when, slack)
    minus = _matches(total, -amount, who, when, slack)[0]
    return int(tells.sum()) > 0 and float((plus | minus)[tells].mean()) >= _SHARE - 0.04


def _signed(
    plain: Running,
    units: list[Floats],
    owner: Ints,
    group: Ints,
    flags: Mapping[Hashable, pd.Series],
    schema: Schema,
) -> list[Running]:
    """The rules that order-free counts allow: one sign for all, or else one for each value of a column."""
    total, amount = units
    plus, tells = _matches(total, amount, owner, group, plain.slack)
    minus = _matches(total, -amount, owner, group, plain.slack)[0]
    if tells.sum() < _ROWS:
        return []
    found = [replace(plain, sign=s) for s, m in ((1, plus), (-1, minus)) if float(m[tells].mean()) >= _SHARE]
    if found:
        return found
    for name, column in flags.items():
        codes, levels = pd.factorize(canonical(column, schema.columns[name])[0])
        up, down = (np.bincount(codes[m & tells], minlength=len(levels)) for m in (plus, minus))
        if np.maximum(up, down).sum() >= _SHARE * tells.sum() and 1 < len(levels) <= len(codes) / _ROWS:
            signs = {level: 1 if u >= d else -1 for level, u, d in zip(levels, up, down, strict=True)}
            sign = 1 if up.sum() >= down.sum() else -1
            found.append(replace(plain, by=name, signs=signs, sign=sign))
    return found


def _holds(parts: Parts, owner: Ints, group: Ints, slack: int) -> float:
    """The share of rows that add up, in the best order; 0 where too few tell, or where those with an amount do not."""
    order = _walk(parts.total, parts.change, owner, group, slack)
    total, change = parts.total[order], parts.change[order]
    later = np.flatnonzero(owner[1:] == owner[:-1]) + 1
    right = np.abs(total[later] - total[later - 1] - change[later]) <= slack
    tells = change[later] != 0
    if tells.sum() < _ROWS or float(right[tells].mean()) < _SHARE:
        return 0.0
    return float(right.mean())


# -------------------------------------------------------------------- order
def chained(parts: Parts, owner: Ints, clock: NDArray[Any], slack: int) -> Ints:
    """``(R,)`` the order of rows, which come by entity and time, in which totals add up where rows share a time.

    A time with a row of which something is not known keeps its order.
    """
    return _walk(parts.total, parts.change, owner, _groups(owner, clock), slack)


def _walk(total: Floats, change: Floats, owner: Ints, group: Ints, slack: int) -> Ints:
    """Next is the first row left whose total before it is the total so far; where none is, the first row left."""
    out = np.arange(len(total))
    if not len(out):
        return out
    sizes = np.bincount(group)
    before = total - change
    whole = np.bincount(group, np.isnan(before)) == 0
    now = _heads(total, before, owner, group, whole, slack)
    rows = np.flatnonzero((sizes > 1)[group] & whole[group])
    place = np.cumsum(sizes) - sizes
    while len(rows):
        who = group[rows]
        starts = np.flatnonzero(np.append(True, who[1:] != who[:-1]))
        key = np.where(np.abs(before[rows] - now[who]) <= slack, 0, len(rows)) + np.arange(len(rows))
        pick = np.minimum.reduceat(key, starts) % len(rows)
        chosen, mine = rows[pick], who[pick]
        out[place[mine]], now[mine] = chosen, total[chosen]
        place[mine] += 1
        rows = np.delete(rows, pick)
    return out


def _heads(total: Floats, before: Floats, owner: Ints, group: Ints, whole: NDArray[np.bool_], slack: int) -> Floats:
    """``(G,)`` the total that each time of an entity starts from, NaN where it is not known.

    It is the one that no other row of that time ends at; where there is none (they come back to where they were), what
    the time before ended at.
    """
    at = np.flatnonzero(whole[group])
    values, who = np.concatenate([before[at], total[at]]), np.tile(group[at], 2)
    side = np.repeat([1.0, -1.0], len(at))
    order = np.lexsort((values, who))
    values, who, side = values[order], who[order], side[order]
    same = np.cumsum(np.append(True, (np.diff(who) != 0) | (np.diff(values) > slack))[: len(who)]) - 1
    net, ends = np.bincount(same, side), []
    for sign in (1.0, -1.0):
        open_ = (side == sign) & (net[same] == sign)
        value = np.full(len(whole), np.nan)
        value[who[open_]] = values[open_]
        first = np.append(True, np.diff(same) != 0)[: len(who)]
        value[np.bincount(who[first], net[same[first]] * sign > 0, minlength=len(whole)) != 1] = np.nan
        ends.append(pd.Series(value))
    entity = owner[np.append(True, group[1:] != group[:-1])]
    start, end = ends
    came = end.groupby(entity).ffill().groupby(entity).shift()
    goes = start.groupby(entity).bfill()
    return np.array(start.fillna(came).fillna(goes), np.float64)


def _groups(owner: Ints, clock: NDArray[Any]) -> Ints:
    """``(R,)`` numbers of the times of entities."""
    new = np.append(True, (np.diff(owner) != 0) | (clock[1:] != clock[:-1]))[: len(owner)]
    return np.asarray(np.cumsum(new) - 1, np.int64)
