"""What follows what in records over time, counted for pictures without any single real entity.

A move from state to state that one to four real entities made is left out, and with it a second one of its row, so that
the rest of the row does not tell it; a state of one to four real entities goes to "other".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.temporal_panel import Panel
from synthkit.report.panel_cases import PanelTables
from synthkit.report.panel_pictures import MAX_STATES
from synthkit.report.pictures import LEAST
from synthkit.report.svg import compact

__all__ = ["Moves", "moves_picture", "of_states"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_STATES = 7


@dataclass(frozen=True)
class Moves:
    """Shares of the next record's state, given the present one: ``(states, states)``.

    ``real`` is NaN where one to four entities made a move or had the state; either is NaN in the row of a state that
    was never left.
    """

    states: tuple[str, ...]
    real: Floats
    synthetic: Floats


def of_states(panel: Panel) -> list[Hashable]:
    """The columns whose values are states: categories, and numbers of at most 8 values."""
    numbers = {name: panel.moving.column(name) for name in panel.moving.num if panel.kinds[name] != "datetime"}
    few = [name for name, x in numbers.items() if len(np.unique(x[~np.isnan(x)])) <= MAX_STATES]
    return [name for name in panel.kinds if name in panel.moving.cat or name in few]


def _states(tables: PanelTables, name: Hashable) -> tuple[list[Ints], Sequence[str]]:
    """Codes of a column's values in the real and the synthetic panel, -1 for null, and names of the real ones."""
    sides = [p.moving.column(name) for p in (tables.real, tables.synthetic)]
    if name in tables.real.moving.cat:
        return [np.nan_to_num(x, nan=-1).astype(np.int64) for x in sides], tables.labels.get(name, ())
    levels = np.unique(sides[0][~np.isnan(sides[0])])
    place = [np.minimum(np.searchsorted(levels, x), max(len(levels) - 1, 0)) for x in sides]
    codes = [
        np.where(np.isnan(x), -1, np.where(levels[at] == x, at, len(levels)))
        for x, at in zip(sides, place, strict=True)
    ]
    return codes, [compact(float(level)) for level in levels]


def moves_picture(tables: PanelTables, name: Hashable) -> Moves | None:
    """The states of a column and what follows them; ``None`` without a time or fewer than two states."""
    if tables.real.clock is None:
        return None
    codes, labels = _states(tables, name)
    owners = [len(np.unique(tables.real.owner[codes[0] == k])) for k in range(len(labels))]
    shown = [k for k, n in enumerate(owners) if n >= LEAST][:_STATES]
    states = [labels[k] for k in shown]
    # the rest, and null, are states of their own
    to = np.full(max(int(c.max(initial=0)) for c in codes) + 2, len(shown))
    to[shown] = np.arange(len(shown))
    to[-1] = len(shown) + 1
    moved = [to[c] for c in codes]
    used = [k for k in range(len(shown) + 2) if any((m == k).any() for m in moved)]
    if len(used) < 2 or len(tables.real) == tables.real.rows:
        return None
    names = [*states, "other", "empty"]
    size = len(used)
    at = np.zeros(len(names), np.int64)
    at[used] = np.arange(size)
    counts = [_counts(p, at[m], size) for p, m in zip((tables.real, tables.synthetic), moved, strict=True)]
    shares = [_shares(made) for made, _ in counts]
    hidden = _untold(counts[0][1], _leaving(tables.real, at[moved[0]], size))
    return Moves(tuple(names[k] for k in used), np.where(hidden, np.nan, shares[0]), shares[1])


def _counts(panel: Panel, codes: Ints, size: int) -> tuple[Ints, Ints]:
    """How often each move was made, and by how many entities."""
    before, after = panel.pairs()
    move = codes[before] * size + codes[after]
    who = np.unique(panel.owner[before] * size * size + move) % (size * size)
    counts = [np.bincount(m, minlength=size * size).reshape(size, size) for m in (move, who)]
    return counts[0], counts[1]


def _leaving(panel: Panel, codes: Ints, size: int) -> Ints:
    """How many entities made a move from each state."""
    before, _ = panel.pairs()
    return np.bincount(np.unique(panel.owner[before] * size + codes[before]) % size, minlength=size)


def _shares(counts: Ints) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


def _untold(entities: Ints, leaving: Ints) -> Bools:
    """Moves that are not to be shown: of one to four entities, and a second one of a row with only one such.

    Args:
        entities: ``(states, states)`` that made a move; leaving: ``(states,)`` that made one from a state.
    """
    few = (entities > 0) & (entities < LEAST)
    for row in np.flatnonzero(few.sum(axis=1) == 1):
        others = np.flatnonzero((entities[row] > 0) & ~few[row])
        if len(others):
            few[row, others[np.argmin(entities[row, others])]] = True
    few[leaving < LEAST] = True
    return few
