"""Records over time: one row per entity that sums up its records, for detection, memorisation, and labels."""

from __future__ import annotations

from collections.abc import Collection, Hashable

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal_panel import Panel

__all__ = ["summaries"]

Floats = NDArray[np.float64]
_LEVELS = 10


def summaries(panel: Panel, *, without: Collection[Hashable] = ()) -> Coded:
    """``entities`` rows: what the records of each entity come to, whatever their number.

    Of a number: mean, standard deviation, least, greatest, first, last, mean absolute step, mean product of neighbours'
    deviations, share of nulls. Of a category: shares of its 10 most frequent levels (by the first table of the panels)
    and of null, share of rows that keep the level before. Of the time: number of rows, first time, span, mean and
    deviation of log gaps. And the context. Columns are named ``(column, figure)``. NaN where a figure is not defined.

    Args:
        panel: of a call of :func:`synthkit.metrics.temporal_panel.panels`, so that levels agree.
        without: columns to leave out.
    """
    ordered = panel.clock is not None
    found: dict[Hashable, Floats] = {("rows", "number"): panel.lengths.astype(np.float64)}
    with np.errstate(invalid="ignore", divide="ignore"):
        if panel.clock is not None:
            found |= {(panel.time, figure): x for figure, x in _times(panel, panel.clock).items()}
        for j, name in enumerate(panel.moving.num):
            if name not in without:
                found |= {(name, f): x for f, x in _numbers(panel, panel.moving.numbers[:, j], ordered).items()}
        for j, name in enumerate(panel.moving.cat):
            if name not in without:
                levels = min(_LEVELS, panel.moving.sizes[j])
                figures = _levels(panel, panel.moving.codes[:, j], levels, ordered)
                found |= {(name, f): x for f, x in figures.items()}
    static = panel.static.only([c for c in panel.context if c not in without])
    numbers = np.concatenate([np.stack(list(found.values()), axis=1), static.numbers], axis=1)
    num: tuple[Hashable, ...] = (*found, *((c, "context") for c in static.num))
    return Coded(numbers, static.codes, static.sizes, num, tuple((c, "context") for c in static.cat))


def _times(panel: Panel, clock: Floats) -> dict[str, Floats]:
    first = clock[panel.starts]
    logs = np.zeros(panel.rows)
    logs[panel.position > 0] = np.log1p(panel.gaps)
    steps = panel.lengths - 1
    mean = panel.total(logs) / steps
    spread = np.sqrt(np.maximum(panel.total(logs**2) / steps - mean**2, 0))
    return {
        "first": first,
        "span": clock[panel.starts + panel.lengths - 1] - first,
        "mean log gap": mean,
        "deviation of log gaps": spread,
    }


def _numbers(panel: Panel, x: Floats, ordered: bool) -> dict[str, Floats]:
    known = ~np.isnan(x)
    n = panel.total(known.astype(np.float64))
    mean = panel.total(np.where(known, x, 0.0)) / n
    away = np.where(known, x - mean[panel.owner], 0.0)  # from the entity's mean, so that large numbers keep digits
    low = np.minimum.reduceat(np.where(known, x, np.inf), panel.starts)
    high = np.maximum.reduceat(np.where(known, x, -np.inf), panel.starts)
    out = {
        "mean": mean,
        "deviation": np.sqrt(panel.total(away**2) / n),
        "least": np.where(n > 0, low, np.nan),
        "greatest": np.where(n > 0, high, np.nan),
        "nulls": 1 - n / panel.lengths,
    }
    if ordered:
        before, after = panel.pairs()
        both = known[before] & known[after]
        count = _spread(panel, after, both.astype(np.float64))
        out |= {
            "first": x[panel.starts],
            "last": x[panel.starts + panel.lengths - 1],
            "step": _spread(panel, after, np.where(both, np.abs(away[after] - away[before]), 0.0)) / count,
            "neighbours": _spread(panel, after, np.where(both, away[after] * away[before], 0.0)) / count,
        }
    return out


def _levels(panel: Panel, codes: NDArray[np.int64], levels: int, ordered: bool) -> dict[str, Floats]:
    shares = panel.total((codes[:, None] == np.arange(-1, levels)).astype(np.float64)) / panel.lengths[:, None]
    out = {f"level {k - 1}" if k else "nulls": shares[:, k] for k in range(levels + 1)}
    if ordered:
        before, after = panel.pairs()
        out["kept"] = _spread(panel, after, (codes[before] == codes[after]).astype(np.float64)) / (panel.lengths - 1)
    return out


def _spread(panel: Panel, after: NDArray[np.int64], values: Floats) -> Floats:
    """Sums within entities of values that belong to the rows ``after``."""
    every = np.zeros(panel.rows)
    every[after] = values
    return panel.total(every)
