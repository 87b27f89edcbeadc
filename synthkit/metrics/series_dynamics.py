"""Long series: how a step hangs on the ones before, on the other columns, and on the hour; and the tails. 0 is
identical.

Every figure takes series made together by :func:`synthkit.metrics.series_table.series_tables`, the real one first, and
looks at *moves*: log returns or differences of columns that wander, levels of those that do not.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from synthkit.metrics.base import Measurement
from synthkit.metrics.series_table import Series, check_series

__all__ = [
    "acf",
    "acf_error",
    "cross_error",
    "is_volume",
    "lags_of",
    "profile_error",
    "profiles",
    "spectral",
    "tail_risk",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_LAGS = 100
_KINDS = ("values", "absolute", "squares")
_SEGMENT = 256  # rows of a periodogram
_DAY = 86_400
_REAL_PROFILE = 0.8  # correlation of the profiles of two halves of the real series, from which one is called real,
_EXPLAINED = 0.02  # if it has this share of the variance


def is_volume(name: Hashable) -> bool:
    """Does a column's name say that it counts what was traded?"""
    last = name[-1] if isinstance(name, tuple) else name
    return "volume" in str(last).lower()


def mean_of_columns(names: tuple[Hashable, ...], errors: Floats) -> Measurement:
    """The mean over columns, and each column's own."""
    return Measurement(float(np.mean(errors)), parts=dict(zip(names, map(float, errors), strict=True)))


# -------------------------------------------------------------------- autocorrelation
def lags_of(*tables: Series) -> int:
    """The longest lag that is looked at: 100, or a quarter of the shortest table's longest segment."""
    return int(max(1, min(_LAGS, *(int(t.lengths.max()) // 4 for t in tables))))


def acf(x: Floats, segment: Ints, lags: int) -> Floats:
    """``(lags, D)`` autocorrelations of ``(N, D)``, lags 1, 2, ...: products of deviations from the mean of all,
    within segments.

    0 where a column does not vary.
    """
    y = x - x.mean(axis=0)
    variance = np.maximum((y**2).mean(axis=0), 1e-300)
    out = np.zeros((lags, x.shape[1]))
    whole = len(np.unique(segment)) == 1
    for k in range(1, lags + 1):
        if k >= len(y):
            break
        product = y[k:] * y[:-k]
        if not whole:
            product = product[segment[k:] == segment[:-k]]
        out[k - 1] = product.mean(axis=0) / variance if len(product) else 0.0
    return np.clip(out, -1.0, 1.0)


def _seen(x: Floats, kind: str) -> Floats:
    if kind == "values":
        return x
    y = x - np.median(x, axis=0)
    return np.abs(y) if kind == "absolute" else y**2


def acf_error(real: Series, synthetic: Series) -> Measurement:
    """Mean absolute difference of autocorrelations of moves, of their absolute deviations from the median, and of
    squares.

    Lags k from 1 to 100 (at most a quarter of the longest segment), each with weight 1 / k, so that short memory is
    seen. Parts: per kind, then per column (the mean of kinds).
    """
    check_series("acf_error", real, synthetic)
    lags = lags_of(real, synthetic)
    found = [{kind: acf(_seen(t.moves[0], kind), t.moves[1], lags) for kind in _KINDS} for t in (real, synthetic)]
    weight = 1 / np.arange(1, lags + 1)
    weight /= weight.sum()
    gaps = {kind: weight @ np.abs(found[0][kind] - found[1][kind]) for kind in _KINDS}
    columns = np.mean(list(gaps.values()), axis=0)
    parts: dict[Hashable, float] = {kind: float(gap.mean()) for kind, gap in gaps.items()}
    parts |= dict(zip(real.names, map(float, columns), strict=True))
    return Measurement(float(columns.mean()), parts=parts, details={"real": found[0], "synthetic": found[1]})


# -------------------------------------------------------------------- across columns
def cross_error(real: Series, synthetic: Series) -> Measurement:
    """Mean absolute difference of correlations of the moves of all pairs of columns at one step.

    Parts: ``lag 1``, the same of each column with each at the step before; ``largest`` of one pair.
    """
    check_series("cross_error", real, synthetic)
    if len(real.names) < 2:
        return Measurement.nothing("needs two columns")
    now, before = zip(*(_correlations(*t.moves) for t in (real, synthetic)), strict=True)
    upper = np.triu_indices(len(real.names), 1)
    gap = np.abs(now[0] - now[1])[upper]
    parts = {"lag 1": float(np.abs(before[0] - before[1]).mean()), "largest": float(gap.max())}
    return Measurement(float(gap.mean()), parts=parts, details={"real": now[0], "synthetic": now[1]})


def _correlations(x: Floats, segment: Ints) -> tuple[Floats, Floats]:
    y = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300)
    pair = segment[1:] == segment[:-1]
    return y.T @ y / len(y), y[1:][pair].T @ y[:-1][pair] / max(1, int(pair.sum()))


# -------------------------------------------------------------------- spectrum
def spectral(real: Series, synthetic: Series) -> Measurement:
    """Mean distance of the cumulative spectra of moves (Welch, 256 steps, each of sum 1), over frequencies and columns.

    In [0, 1]: how far, as a share of all frequencies, variance has to be moved.
    """
    check_series("spectral", real, synthetic)
    size = int(min(_SEGMENT, *(int(np.bincount(t.moves[1]).max()) for t in (real, synthetic))))
    if size < 8:
        return Measurement.nothing("the segments are too short")
    found = [_cumulative(*t.moves, size) for t in (real, synthetic)]
    return mean_of_columns(real.names, np.abs(found[0] - found[1]).mean(axis=0))


def _cumulative(x: Floats, segment: Ints, size: int) -> Floats:
    total, weight = np.zeros((size // 2, x.shape[1])), 0
    for s in np.unique(segment):
        piece = x[segment == s]
        if len(piece) >= size:
            power = welch(piece, nperseg=size, axis=0)[1][1:]
            total, weight = total + power[: size // 2] * len(piece), weight + len(piece)
    total = total / max(weight, 1)
    return np.cumsum(total / np.maximum(total.sum(axis=0), 1e-300), axis=0)


# -------------------------------------------------------------------- tails
def tail_risk(real: Series, synthetic: Series) -> Measurement:
    """Mean relative error of value at risk and expected shortfall of moves at 1 % and 99 %.

    Of returns and differences (levels: of their changes); volumes are left out. The error is a share of the real
    figure. Parts: ``VaR 1%``, ``VaR 99%``, ``ES 1%``, ``ES 99%``, then columns.
    """
    check_series("tail_risk", real, synthetic)
    kept = [j for j, name in enumerate(real.names) if not is_volume(name)]
    if not kept:
        return Measurement.nothing("needs a column that is no volume")
    found = [_risks(changes(t)[:, kept]) for t in (real, synthetic)]
    gap = np.abs(found[1] - found[0]) / np.maximum(np.abs(found[0]), 1e-12)
    gap = np.where(
        np.abs(found[0]) < 1e-12, np.minimum(np.abs(found[1] - found[0]) > 1e-12, 1.0), np.minimum(gap, 10.0)
    )
    names = ("VaR 1%", "VaR 99%", "ES 1%", "ES 99%")
    parts: dict[Hashable, float] = dict(zip(names, map(float, gap.mean(axis=1)), strict=True))
    parts |= {real.names[j]: float(g) for j, g in zip(kept, gap.mean(axis=0), strict=True)}
    return Measurement(float(gap.mean()), parts=parts)


def changes(series: Series) -> Floats:
    """``(T - S, D)`` changes from step to step within segments: log returns or differences."""
    inner = np.flatnonzero(np.diff(series.segment, prepend=-1) == 0)
    return series.logs[inner] - series.logs[inner - 1]


def _risks(x: Floats) -> Floats:
    low, high = np.quantile(x, [0.01, 0.99], axis=0)
    with np.errstate(invalid="ignore"):
        below = np.nanmean(np.where(x <= low, x, np.nan), axis=0)
        above = np.nanmean(np.where(x >= high, x, np.nan), axis=0)
    return np.stack([low, high, below, above])


# -------------------------------------------------------------------- profiles
def profiles(series: Series) -> dict[str, tuple[Floats, Floats, Floats, float]]:
    """Per kind ``daily``, ``weekly``: the mean of moves by hour or by weekday, of the whole and of two halves.

    Then the share of each column's variance that it explains, and what that should be at least. A level stands
    against its mean over one day (of an hour), or one week (of a weekday). Places of no row are NaN.
    """
    if series.clock is None or len(series) < 3:
        return {}
    inner = np.flatnonzero(np.diff(series.segment, prepend=-1) == 0)
    moments, (x, segment) = series.clock[inner], series.moves
    level = np.array([way == "level" for way in series.ways])
    out: dict[str, Any] = {}
    day = np.floor(moments / _DAY)
    usual = float(np.median(np.diff(series.clock)))
    for kind, place, many, span in (
        ("daily", (moments % _DAY // 3600).astype(np.int64), 24, day),
        ("weekly", ((day + 3) % 7).astype(np.int64), 7, np.floor((day + 3) / 7)),
    ):
        if len(np.unique(place)) < 3 or (kind == "weekly" and usual > 1.5 * _DAY):
            continue
        _, whole = np.unique(np.stack([segment.astype(np.float64), span], 1), axis=0, return_inverse=True)
        whole = whole.reshape(-1)
        counts = np.bincount(whole)
        means = np.stack([np.bincount(whole, column) / counts for column in x.T], 1)
        y = np.where(level, x - means[whole], x)
        full = counts[whole] >= 0.9 * np.median(counts)  # an unfinished day has another mean
        half = np.arange(len(y)) >= len(y) // 2
        parts = [_by_place(y[keep], place[keep], many) for keep in (full, full & ~half, full & half)]
        shown = np.nan_to_num(parts[0])[place[full]].var(axis=0) / np.maximum(y[full].var(axis=0), 1e-300)
        least = max(_EXPLAINED, 4 * len(np.unique(place)) / max(1, int(full.sum())))
        out[kind] = (parts[0], np.stack(parts[1:]), shown, least)
    return out


def _by_place(y: Floats, place: Ints, many: int) -> Floats:
    counts = np.bincount(place, minlength=many).astype(np.float64)
    sums = np.stack([np.bincount(place, column, minlength=many) for column in y.T], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts[:, None] > 0, sums / counts[:, None], np.nan)


def profile_error(real: Series, synthetic: Series) -> Measurement:
    """Correlation of real and synthetic mean moves by hour of day, and by weekday; 1 is best.

    Of columns with a profile that is real: those of the two halves of the real series correlate by .8 or more, and
    it explains 2 % of the variance (and four times what chance would). The mean over columns and kinds; parts:
    ``daily``, ``weekly``, then columns.
    """
    check_series("profile_error", real, synthetic)
    sides = [profiles(t) for t in (real, synthetic)]
    kinds = [kind for kind in sides[0] if kind in sides[1]]
    by_kind: dict[str, list[float]] = {kind: [] for kind in kinds}
    by_column: dict[Hashable, list[float]] = {}
    for kind in kinds:
        whole, halves, explained, least = sides[0][kind]
        for j, name in enumerate(real.names):
            if _alike(halves[0, :, j], halves[1, :, j]) < _REAL_PROFILE or explained[j] < least:
                continue
            found = _alike(whole[:, j], sides[1][kind][0][:, j])
            by_kind[kind].append(found)
            by_column.setdefault(name, []).append(found)
    every = [x for found in by_kind.values() for x in found]
    if not every:
        return Measurement.nothing("no column has a daily or weekly profile")
    parts: dict[Hashable, float] = {kind: float(np.mean(x)) for kind, x in by_kind.items() if x}
    parts |= {name: float(np.mean(x)) for name, x in by_column.items()}
    return Measurement(float(np.mean(every)), parts=parts)


def _alike(a: Floats, b: Floats) -> float:
    both = ~np.isnan(a) & ~np.isnan(b)
    if both.sum() < 3 or not np.ptp(a[both]) or not np.ptp(b[both]):
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])
