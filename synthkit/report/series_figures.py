"""Long series, drawn as SVG: paths, autocorrelations, and the law of changes with its tails."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.series_dynamics import acf, changes
from synthkit.metrics.series_table import Series
from synthkit.report.series import SeriesTables
from synthkit.report.svg import Figure, compact, el, joined, percent, text, ticks

__all__ = ["lags_of_series", "law_figure", "paths_of_series"]

Floats = NDArray[np.float64]
Place = Callable[[float], float]
WIDTH = 340
_TOP, _BASE = 22.0, 136.0
_PLOTS = ((42.0, 166.0), (210.0, 336.0))
_POINTS = 150  # of a line: beyond, the least and the greatest of each stretch
_LINES, _FAN = 4, 20  # single synthetic paths; paths from which bands are drawn
_LAGS = 60
_BINS = 41
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _scale(low: float, high: float, start: float, end: float) -> Place:
    """The place of a value; beyond an end it is the end."""
    return lambda value: start + (min(max(value, low), high) - low) / (high - low) * (end - start)


def _frame(titles: Sequence[str]) -> str:
    body = ""
    for (left, right), title in zip(_PLOTS, titles, strict=True):
        body += text(title, left, _TOP - 9, "b")
        body += el("line", x1=left, x2=right, y1=_BASE, y2=_BASE, class_="axis")
    return body


def _levels(marks: Sequence[tuple[float, str]], plot: int) -> str:
    """Lines and labels of a value axis."""
    left, right = _PLOTS[plot]
    body = ""
    for y, label in marks:
        body += el("line", x1=left, x2=right, y1=y, y2=y, class_="axis")
        body += text(label, left - 4, y + 4, "mut end")
    return body


def _sides(tables: SeriesTables) -> list[tuple[str, Series, str]]:
    sides = [("real", tables.real, "curve"), ("synthetic", tables.synthetic, "step c0 d0")]
    return sides if tables.holdout is None else [*sides, ("held-out", tables.holdout, "step c1 d1")]


# -------------------------------------------------------------------- paths
def paths_of_series(tables: SeriesTables, j: int) -> Figure:
    """The real series on the left, some synthetic paths on the same axis; of many paths a fan."""
    real = tables.real.values[:, j]
    log = tables.real.ways[j] == "return" and real.min() > 0 and real.max() > 3 * real.min()
    paths = [tables.synthetic.only([s]).values[:, j] for s in np.argsort(-tables.synthetic.lengths, kind="stable")]
    low, high = _range(real, paths, log)
    place = _scale(math.log(low), math.log(high), _BASE, _TOP) if log else _scale(low, high, _BASE, _TOP)
    y: Place = (lambda v: place(math.log(max(v, 1e-300)))) if log else place
    body = _frame(("real", "synthetic"))
    marks = _log_ticks(low, high) if log else ticks(low, high, 4)
    body += _levels([(y(t), compact(t)) for t in marks], 0) + _levels([(y(t), "") for t in marks], 1)
    steps = (len(tables.real), max(map(len, paths)))
    for (left, right), many in zip(_PLOTS, steps, strict=True):
        for tick in ticks(0.0, float(many), 2):
            x = left + tick / max(many, 1) * (right - left)
            body += text(compact(tick), min(x, WIDTH - 4 - 3 * len(compact(tick))), _BASE + 15, "mut mid")
    body += text("steps", WIDTH - 2, _BASE + 30, "mut end")
    starts = [*tables.real.starts.tolist(), len(real)]
    for a, b in pairwise(starts):
        body += _line(real[a:b], a, steps[0], _PLOTS[0], y, "series")
        if a:
            x = _PLOTS[0][0] + a / steps[0] * (_PLOTS[0][1] - _PLOTS[0][0])
            body += el("line", x1=x, x2=x, y1=_TOP, y2=_BASE, class_="limit")
    body += _fan(paths, steps[1], y)
    for path in paths[:_LINES]:
        body += _line(path, 0, steps[1], _PLOTS[1], y, "path")
    return Figure(body, WIDTH, int(_BASE + 36), f"{tables.labels[j]}: the real series, and synthetic paths")


def _range(real: Floats, paths: Sequence[Floats], log: bool) -> tuple[float, float]:
    """The real range, and as much of the paths' as lies within one more of it on either side."""
    ends = np.quantile([p[-1] for p in paths], [_QUANTILES[0], _QUANTILES[-1]])
    drawn = np.concatenate([*(np.array([p.min(), p.max()]) for p in paths[:_LINES]), ends])
    if log:
        span = math.log(real.max() / real.min())
        low = max(real.min() * math.exp(-span), min(real.min(), max(drawn.min(), 1e-300)))
        return float(low), float(min(real.max() * math.exp(span), max(real.max(), drawn.max())))
    span = float(np.ptp(real))
    low, high = (
        max(real.min() - span, min(real.min(), drawn.min())),
        min(real.max() + span, max(real.max(), drawn.max())),
    )
    return float(low), float(high)


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; at most five."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= m * 10.0**p <= high]
    return found[:: max(1, math.ceil(len(found) / 5))]


def _line(values: Floats, begin: int, many: int, plot: tuple[float, float], y: Place, class_: str) -> str:
    left, right = plot
    at = _thin(values, _POINTS)
    x = left + (begin + at) / max(many - 1, 1) * (right - left)
    return el("path", d=joined(zip(x.tolist(), map(y, values[at].tolist()), strict=True)), class_=class_)


def _thin(values: Floats, most: int) -> NDArray[np.int64]:
    """Steps that are drawn: all, or of each stretch the least and the greatest."""
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(np.int64)
    found = {0, len(values) - 1}
    for a, b in pairwise(edges.tolist()):
        found |= {a + int(values[a:b].argmin()), a + int(values[a:b].argmax())}
    return np.array(sorted(found), np.int64)


def _fan(paths: Sequence[Floats], many: int, y: Place) -> str:
    same = [p for p in paths if len(p) == many]
    if len(same) < _FAN or many < 2:
        return ""
    at = np.unique(np.linspace(0, many - 1, 60).astype(np.int64))
    q = np.quantile(np.stack(same)[:, at], _QUANTILES, axis=0)
    x = (_PLOTS[1][0] + at / (many - 1) * (_PLOTS[1][1] - _PLOTS[1][0])).tolist()
    body = ""
    for low, high in ((0, 4), (1, 3)):
        upper, lower = (list(zip(x, map(y, q[k].tolist()), strict=True)) for k in (high, low))
        body += el("path", d=joined([*upper, *reversed(lower)]) + "Z", class_="sband")
    return body + el("path", d=joined(zip(x, map(y, q[2].tolist()), strict=True)), class_="step c0 d0")


# -------------------------------------------------------------------- autocorrelation
def lags_of_series(tables: SeriesTables, j: int) -> Figure:
    """Autocorrelations of moves, and of their sizes, by lag; dashed: where those of independent moves lie."""
    sides = _sides(tables)
    lags = max(1, min(_LAGS, *(int(t.lengths.max()) // 4 for _, t, _ in sides)))
    found = []
    for who, table, class_ in sides:
        x, segment = table.moves
        x = x[:, [j]]
        found.append((who, [acf(z, segment, lags)[:, 0] for z in (x, np.abs(x - np.median(x)))], class_))
    noise = 1.96 / math.sqrt(max(1, len(tables.real)))
    moved = "values" if tables.real.ways[j] == "level" else "changes"
    body = _frame((f"of {moved}", f"of sizes of {moved}"))
    for k, (left, right) in enumerate(_PLOTS):
        every = np.concatenate([side[k] for _, side, _ in found])
        low = min(-1.5 * noise, float(every.min()) * 1.05)
        high = max(1.5 * noise, float(every.max()) * 1.05)
        y, x_of = _scale(low, high, _BASE, _TOP), _scale(1.0, max(float(lags), 2.0), left, right)
        body += _levels([(y(t), compact(t)) for t in ticks(low, high, 4)], k)
        for limit in (-noise, noise):
            body += el("line", x1=left, x2=right, y1=y(limit), y2=y(limit), class_="limit")
        for _, side, class_ in found:
            points = [(x_of(float(lag + 1)), y(float(v))) for lag, v in enumerate(side[k])]
            body += el("path", d=joined(points), class_=class_)
        for tick in sorted({1, lags // 2, lags} - {0}):
            body += text(tick, x_of(float(tick)), _BASE + 15, "mut mid" if tick < lags else "mut end")
        wide = (right - left) / max(lags, 1)
        for lag in range(lags):
            tip = ", ".join(f"{who} {side[k][lag]:.3f}" for who, side, _ in found)
            hit = {"x": x_of(lag + 1.0) - wide / 2, "y": _TOP, "width": wide, "height": _BASE - _TOP}
            body += el("rect", **hit, class_="hit", data_tip=f"lag {lag + 1}: {tip}")
    body += text("steps later", WIDTH - 2, _BASE + 30, "mut end")
    return Figure(body, WIDTH, int(_BASE + 36), f"{tables.labels[j]}: autocorrelation by lag, real and synthetic")


# -------------------------------------------------------------------- the law of changes
def law_figure(tables: SeriesTables, j: int) -> Figure:
    """Densities of moves on a log axis, and how often a change is larger than so many (both axes logarithmic)."""
    level = tables.real.ways[j] == "level"
    unit = {"return": "log returns", "difference": "differences", "level": "values"}[tables.real.ways[j]]
    body = _frame((unit, "changes larger than" if level else "larger than"))
    body += _densities(tables, j) + _tails(tables, j)
    return Figure(body, WIDTH, int(_BASE + 36), f"{tables.labels[j]}: {unit}, real and synthetic, and their tails")


def _densities(tables: SeriesTables, j: int) -> str:
    (left, right), sides = _PLOTS[0], [(who, t.moves[0][:, j], c) for who, t, c in _sides(tables)]
    real = sides[0][1]
    low, high = (float(v) for v in np.quantile(real, [0.0005, 0.9995]))
    if not low < high:
        return ""
    room = 0.15 * (high - low)
    edges = np.linspace(low - room, high + room, _BINS + 1)
    shares = [np.histogram(x, edges)[0] / len(x) for _, x, _ in sides]
    floor = 0.5 / max(len(x) for _, x, _ in sides)
    top = max(float(s.max()) for s in shares)
    y = _scale(math.log10(floor), math.log10(top) + 0.05, _BASE, _TOP)
    x_of = _scale(float(edges[0]), float(edges[-1]), left, right)
    powers = range(math.ceil(math.log10(floor)), math.floor(math.log10(top)) + 1)
    body = _levels([(y(p), f"{100 * 10.0**p:g} %") for p in powers], 0)
    for (_, _, class_), share in zip(sides, shares, strict=True):
        points = []
        for k, s in enumerate(share):
            h = y(math.log10(max(float(s), floor)))
            points += [(x_of(float(edges[k])), h), (x_of(float(edges[k + 1])), h)]
        body += el("path", d=joined(points), class_=class_)
    for k in range(_BINS):
        tip = ", ".join(f"{who} {percent(float(s[k]))}" for (who, _, _), s in zip(sides, shares, strict=True))
        box = {"x": x_of(float(edges[k])), "y": _TOP, "width": (right - left) / _BINS, "height": _BASE - _TOP}
        body += el("rect", **box, class_="hit", data_tip=f"{compact(edges[k])} to {compact(edges[k + 1])}: {tip}")
    for tick in ticks(float(edges[0]), float(edges[-1]), 4):
        body += text(compact(tick), x_of(tick), _BASE + 15, "mut mid")
    return body


def _tails(tables: SeriesTables, j: int) -> str:
    left, right = _PLOTS[1]
    sides = []
    for who, table, class_ in _sides(tables):
        x = changes(table)[:, j]
        sides.append((who, np.sort(np.abs(x - np.median(x))), class_))
    real = sides[0][1]
    low, high = float(np.quantile(real, 0.5)), 1.3 * max(float(s[-1]) for _, s, _ in sides)
    high = min(high, 10 * float(real[-1]))
    if not 0 < low < high:
        return ""
    at = np.geomspace(low, high, 60)
    floor = 1 / max(len(s) for _, s, _ in sides)
    y = _scale(math.log10(floor), 0.0, _BASE, _TOP)
    x_of = _scale(math.log10(low), math.log10(high), left, right)
    body = _levels([(y(p), f"{100 * 10.0**p:g} %") for p in range(math.ceil(math.log10(floor)), 1)], 1)
    tips: list[list[str]] = [[] for _ in at]
    for who, s, class_ in sides:
        share = 1 - np.searchsorted(s, at, side="left") / len(s)
        kept = share > 0
        points = [(x_of(math.log10(v)), y(math.log10(p))) for v, p in zip(at[kept], share[kept], strict=True)]
        body += el("path", d=joined(points), class_=class_)
        for k, p in enumerate(share.tolist()):
            tips[k].append(f"{who} {percent(p)}")
    for k in range(0, len(at) - 1, 2):
        x = x_of(math.log10(at[k]))
        box = {"x": x, "y": _TOP, "width": 2 * (right - left) / len(at), "height": _BASE - _TOP}
        body += el("rect", **box, class_="hit", data_tip=f"larger than {compact(at[k])}: {', '.join(tips[k])}")
    for tick in _log_ticks(low, high)[::2]:
        body += text(compact(tick), min(x_of(math.log10(tick)), right - 6), _BASE + 15, "mut mid")
    return body
