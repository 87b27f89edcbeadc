"""Records over time: what goes on from row to row, and what stays with an entity. Errors: 0 is identical."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.base import Measurement
from synthkit.metrics.cells import grid
from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal import NO_TIME, _by_column, associations, indicators, mean_of, normal_scores
from synthkit.metrics.temporal_panel import Panel, check_pair

__all__ = ["autocorrelation", "cross_lag", "icc", "transitions", "variance"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_BINS, _LEVELS = 5, 20  # states of a number, and of a category, in transitions
_LAGS = 3
_PAIRS = 30  # of rows, that a correlation takes at least
_STILL = "no column varies within entities"


# -------------------------------------------------------------------- from row to row
def transitions(real: Panel, synthetic: Panel) -> Measurement:
    """How unlike the next state is, given the present one.

    Per moving column the total variation distance of the laws of the next row's state, mean over the present states by
    their real frequency: ``sum_s p(s) sum_t |P(t|s) - Q(t|s)| / 2``; 1 for a state that synthetic rows never leave.
    States are the 20 most frequent levels, the rest, null, and fifths of numbers.
    """
    check_pair("transitions", real, synthetic)
    if real.clock is None:
        return Measurement.nothing(NO_TIME)
    cells = grid(real.moving, synthetic.moving, bins=_BINS, top=_LEVELS)
    if len(real) == real.rows:
        return Measurement.nothing("no entity has two rows")
    parts, tables = {}, {}
    for j, (name, size) in enumerate(zip(cells.names, cells.sizes, strict=True)):
        counts = [_moves(t, codes[:, j], size) for t, codes in ((real, cells.real), (synthetic, cells.synthetic))]
        left = [c.sum(axis=1) for c in counts]
        p, q = (c / np.maximum(n, 1)[:, None] for c, n in zip(counts, left, strict=True))
        apart = np.where(left[1] > 0, np.abs(p - q).sum(axis=1) / 2, 1.0)
        parts[name] = float(apart @ left[0] / left[0].sum())
        tables[name] = (p, q)
    return mean_of(parts, _STILL, tables=tables)


def _moves(panel: Panel, codes: Ints, size: int) -> Floats:
    """``(size, size)`` counts of (state, next state) within entities."""
    before, after = panel.pairs()
    return np.bincount(codes[before] * size + codes[after], minlength=size * size).reshape(size, size).astype(float)


def autocorrelation(real: Panel, synthetic: Panel, *, lags: int = _LAGS) -> Measurement:
    """How unlike numbers of an entity go with its earlier ones.

    Per moving numeric column and lag, two correlations over pairs of rows: of normal scores (by the real law), which
    holds what stays with an entity; and of their deviations from the entity's mean (*within*), which does not, but is
    low by about ``1 / length`` (Nickell, 1981). The mean absolute difference of both, over lags; details have the
    figures, ``within`` and ``pooled``. Lags with fewer than 30 pairs do not count.
    """
    check_pair("autocorrelation", real, synthetic)
    if real.clock is None:
        return Measurement.nothing(NO_TIME)
    parts: dict[Hashable, float] = {}
    lines = []
    for j, name in enumerate(real.moving.num):
        law = real.moving.numbers[:, j]
        scores = [normal_scores(law, t.moving.numbers[:, j]) for t in (real, synthetic)]
        found = [
            (_lagged(t, x, lags), _lagged(t, _within(t, x), lags))
            for t, x in zip((real, synthetic), scores, strict=True)
        ]
        apart = np.abs(np.array(found[0]) - np.array(found[1]))
        if not np.isnan(apart).all():
            parts[name] = float(np.nanmean(apart))
        for kind, a, b in zip(("pooled", "within"), *found, strict=True):
            lines += [(name, kind, k + 1, a[k], b[k]) for k in range(lags)]
    table = pd.DataFrame(lines, columns=["column", "of", "lag", "real", "synthetic"])
    return mean_of(parts, "no numeric column has 30 pairs of rows", table=table)


def _within(panel: Panel, x: Floats) -> Floats:
    """Deviations from the entity's mean."""
    known = ~np.isnan(x)
    mean = panel.total(np.where(known, x, 0.0)) / np.maximum(panel.total(known.astype(np.int64)), 1)
    return x - mean[panel.owner]


def _lagged(panel: Panel, x: Floats, lags: int) -> Floats:
    """``(lags,)`` correlations of ``x`` with itself, 1, 2, ... rows later; NaN of fewer than 30 pairs."""
    out = np.full(lags, np.nan)
    for k in range(lags):
        before, after = panel.pairs(k + 1)
        if (~np.isnan(x[before] + x[after])).sum() >= _PAIRS:
            out[k] = associations(x[before, None], x[after, None])[0, 0]
    return out


def cross_lag(real: Panel, synthetic: Panel) -> Measurement:
    """How unlike a column goes with another one of the row before.

    Correlations of normal scores and of 0/1 of the 5 most frequent levels, as deviations from the entity's mean, with
    those of the entity's next row. The root mean square of the differences over pairs of features of different columns,
    per (earlier) column and over all.
    """
    check_pair("cross_lag", real, synthetic)
    if real.clock is None:
        return Measurement.nothing(NO_TIME)
    found = []
    for panel in (real, synthetic):
        x, names = indicators(panel.moving, real.moving, 5)
        before, after = panel.pairs()
        if len(before) < _PAIRS or len(set(names)) < 2:
            return Measurement.nothing("needs two moving columns, and 30 pairs of rows")
        x = np.stack([_within(panel, x[:, j]) for j in range(x.shape[1])], axis=1)
        found.append(associations(x[before], x[after]))
    squares = (found[0] - found[1]) ** 2
    codes = np.array([list(dict.fromkeys(names)).index(n) for n in names])
    squares[codes[:, None] == codes] = np.nan
    return _by_column(squares, names, _STILL)


# -------------------------------------------------------------------- what stays with an entity
def icc(values: Floats, owner: Ints) -> tuple[float, float, float]:
    """Intraclass correlation of a one-way layout, ICC(1) of Shrout & Fleiss (1979).

    ``(MSB - MSW) / (MSB + (k - 1) MSW)`` with the mean squares between and within entities, and ``k = (N - sum n_i^2 /
    N) / (a - 1)`` for ``a`` entities of unequal lengths ``n_i`` (Donner, 1986). Nulls are dropped. Several columns (0/1
    of levels) are added up, square by square.

    Args:
        values: ``(rows,)`` or ``(rows, columns)``; owner: ``(rows,)`` numbers of entities.

    Returns:
        ICC, and the components of variance between and within entities; NaN where nothing is repeated or varies.

    >>> icc(np.array([1.0, 1.0, 5.0, 5.0]), np.array([0, 0, 1, 1]))[0]
    1.0
    """
    x = values if values.ndim == 2 else values[:, None]
    known = ~np.isnan(x).any(axis=1)
    x, who = x[known], np.unique(owner[known], return_inverse=True)[1]
    n = np.bincount(who)
    entities, rows = len(n), len(x)
    if entities < 2 or rows == entities:
        return float("nan"), float("nan"), float("nan")
    x = x - x.mean(axis=0)
    sums = np.stack([np.bincount(who, column) for column in x.T], axis=1)
    between = float((sums**2 / n[:, None]).sum())
    within = max(0.0, float((x**2).sum()) - between)
    msb, msw = between / (entities - 1), within / (rows - entities)
    k = (rows - float((n.astype(np.float64) ** 2).sum()) / rows) / (entities - 1)
    whole = msb + (k - 1) * msw
    return (msb - msw) / whole if whole > 1e-12 else float("nan"), (msb - msw) / k, msw


def variance(real: Panel, synthetic: Panel) -> Measurement:
    """Gap of the intraclass correlation: how much of a column's variance is between entities, against within.

    Per moving column the absolute difference of :func:`icc`, of normal scores (by the real law), or of the 0/1 of the
    10 most frequent levels together. Rows drawn without regard to their entity have an ICC of 0. Details have both ICC
    and the components of variance.
    """
    check_pair("variance", real, synthetic)
    parts: dict[Hashable, float] = {}
    lines = []
    for name in (*real.moving.num, *real.moving.cat):
        found = [icc(_columns(t.moving, real.moving, name), t.owner) for t in (real, synthetic)]
        lines.append((name, *found[0], *found[1]))
        if not np.isnan(found[0][0]):
            parts[name] = abs(found[0][0] - float(np.nan_to_num(found[1][0])))
    heads = [f"{side}_{figure}" for side in ("real", "synthetic") for figure in ("icc", "between", "within")]
    table = pd.DataFrame(lines, columns=["column", *heads])
    return mean_of(parts, "no entity has two rows in which a column varies", table=table)


def _columns(rows: Coded, law: Coded, name: Hashable) -> Floats:
    return indicators(rows.only([name]), law.only([name]))[0]
