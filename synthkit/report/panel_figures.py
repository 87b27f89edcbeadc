"""Records over time, drawn as SVG from what :mod:`synthkit.report.panel_pictures` counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from synthkit.report.panel_moves import Moves
from synthkit.report.panel_pictures import QUANTILES, Band, Lags, Paths
from synthkit.report.svg import Figure, compact, el, joined, percent, short, text, ticks

__all__ = ["lags_figure", "moves_figure", "paths_figure"]

Floats = NDArray[np.float64]
Place = Callable[[float], float]
WIDTH = 340
_TOP, _BASE = 22.0, 136.0
_PLOTS = ((38.0, 178.0), (196.0, 336.0))  # left and right end of two plots side by side


def _scale(low: float, high: float, start: float, end: float) -> Place:
    """The place of a value; beyond an end it is the end."""
    return lambda value: start + (min(max(value, low), high) - low) / (high - low) * (end - start)


def _frame(titles: Sequence[str], y: Place, low: float, high: float) -> str:
    """Titles and a shared value axis of the two plots."""
    body = ""
    for (left, right), title in zip(_PLOTS, titles, strict=True):
        body += text(title, left, _TOP - 9, "b")
        body += el("line", x1=left, x2=right, y1=_BASE, y2=_BASE, class_="axis")
        for tick in ticks(low, high, 4):
            body += el("line", x1=left, x2=right, y1=y(tick), y2=y(tick), class_="axis")
    return body + "".join(text(compact(tick), _PLOTS[0][0] - 5, y(tick) + 4, "mut end") for tick in ticks(low, high, 4))


# -------------------------------------------------------------------- paths
def paths_figure(name: Hashable, paths: Paths, unit: str) -> Figure:
    """Bands of real entities on the left; those of synthetic ones, and single paths, on the same axes."""
    y = _scale(paths.low, paths.high, _BASE, _TOP)
    body = _frame(("real", "synthetic"), y, paths.low, paths.high)
    for (left, right), band, real in zip(_PLOTS, (paths.real, paths.synthetic), (True, False), strict=True):
        x = _scale(0.0, paths.until, left, right)
        for low, high in ((0, 4), (1, 3)):
            for stretch in _runs(band.quantiles[:, [low, high]]):
                body += el("path", d=_ribbon(band, stretch, low, high, x, y), class_="band" if real else "sband")
        if not real:
            for at, values in paths.lines:
                body += el(
                    "path", d=joined(zip(map(x, at.tolist()), map(y, values.tolist()), strict=True)), class_="path"
                )
        for stretch in _runs(band.quantiles[:, [2]]):
            points = zip(map(x, band.at[stretch].tolist()), map(y, band.quantiles[stretch, 2].tolist()), strict=True)
            body += el("path", d=joined(points), class_="curve" if real else "step c0 d0")
        for tick in ticks(0.0, paths.until, 3):
            half = 3.2 * len(compact(tick))
            body += text(compact(tick), min(x(tick), WIDTH - half), _BASE + 15, "mut mid")
        body += _tips(band, x, "real" if real else "synthetic", unit)
    body += text(unit, WIDTH - 2, _BASE + 30, "mut end")
    return Figure(body, WIDTH, int(_BASE + 36), f"{name} over time: bands of real and of synthetic entities")


def _runs(values: Floats) -> list[list[int]]:
    """Neighbouring stretches that are all known."""
    known: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(axis=1))
    groups = groupby(range(len(known)), key=lambda k: bool(known[k]))
    return [list(run) for there, run in groups if there]


def _ribbon(band: Band, stretch: list[int], low: int, high: int, x: Place, y: Place) -> str:
    at = [x(float(band.at[k])) for k in stretch]
    if len(at) == 1:  # one stretch alone is as wide as a mark
        at = [at[0] - 3, at[0] + 3]
        stretch = stretch * 2
    upper = [(a, y(float(band.quantiles[k, high]))) for a, k in zip(at, stretch, strict=True)]
    lower = [(a, y(float(band.quantiles[k, low]))) for a, k in zip(at, stretch, strict=True)]
    return joined([*upper, *reversed(lower)]) + "Z"


def _tips(band: Band, x: Place, who: str, unit: str) -> str:
    edges = [*((band.at[1:] + band.at[:-1]) / 2)]
    body = ""
    for k, at in enumerate(band.at.tolist()):
        middle = band.quantiles[k, 2]
        if math.isnan(middle):
            continue
        left, right = x(float(edges[k - 1])) if k else x(at - 1e300), x(float(edges[k])) if k < len(edges) else x(1e300)
        outer = [
            f"{percent(q)}: {compact(float(v))}" for q, v in zip(QUANTILES, band.quantiles[k], strict=True) if v == v
        ]
        tip = f"{who}, {compact(at)} {unit}: quantiles {', '.join(outer)}"
        body += el(
            "rect", x=left, y=_TOP, width=max(right - left, 0.5), height=_BASE - _TOP, class_="hit", data_tip=tip
        )
    return body


# -------------------------------------------------------------------- transitions
def moves_figure(name: Hashable, moves: Moves) -> Figure:
    """Shares of the next state given the present one: real, synthetic, and the difference."""
    size, n = 30 if len(moves.states) <= 6 else 26, len(moves.states)
    longest = max(len(s) for s in moves.states)
    named = longest <= 5  # heads of columns are the names, else numbers
    left = (14 if named else 32) + 7.4 * min(18, longest)
    gap, top = 22.0, 40.0
    difference = moves.synthetic - moves.real
    most = max(float(np.nanmax(np.abs(difference), initial=0.0)), 0.05)
    heads = list(moves.states) if named else [str(i + 1) for i in range(n)]
    body = ""
    for i, state in enumerate(moves.states):
        y = top + i * size + size / 2 + 4
        body += text(short(state, 18), left - (8 if named else 26), y, "end")
        body += "" if named else text(i + 1, left - 8, y, "mut end")
    titles = ("real", "synthetic", "difference")
    for k, (title, shares) in enumerate(zip(titles, (moves.real, moves.synthetic, difference), strict=True)):
        start = left + k * (n * size + gap)
        body += text(title, start, 14, "b")
        for i in range(n):
            body += text(heads[i], start + (i + 0.5) * size, top - 7, "mut mid")
            for j in range(n):
                place = (start + j * size, top + i * size, float(size))
                body += _cell(
                    shares[i, j], place, most if k == 2 else 0.0, f"{title}: {moves.states[i]} to {moves.states[j]}"
                )
    width = int(left + 3 * (n * size + gap))
    title = f"{name}: from a record's state (row) to the next one's (column), real, synthetic and difference"
    return Figure(body, width, int(top + n * size + 8), title)


def _cell(share: float, place: tuple[float, float, float], most: float, tip: str) -> str:
    """A share, or, with ``most`` above 0, a difference of shares in points."""
    x, y, size = place
    box = {"x": x, "y": y, "width": size, "height": size}
    if math.isnan(share):
        return el("rect", **box, class_="cell none", data_tip=f"{tip}: not shown")
    points = f"{100 * share:+.0f}" if most else f"{100 * share:.0f}"
    class_ = "cell heat" if not most else "cell more" if share > 0 else "cell fewer"
    strong = round(0.04 + 0.5 * (abs(share) / most if most else share), 2)
    body = el("rect", **box, class_=class_, fill_opacity=strong)
    if abs(share) >= 0.005:
        body += text(points, x + size / 2, y + size / 2 + 4, "mid")
    words = f"{100 * share:+.1f} points" if most else percent(share)
    return body + el("rect", **box, class_="hit", data_tip=f"{tip}: {words}")


# -------------------------------------------------------------------- autocorrelation
def lags_figure(name: Hashable, lags: Lags) -> Figure:
    """Correlations with the entity's earlier records, by lag: of values, and of deviations from the entity's mean."""
    tables = [("real", lags.real, "curve"), ("synthetic", lags.synthetic, "step c0 d0")]
    if lags.holdout is not None:
        tables.append(("holdout", lags.holdout, "step c1 d1"))
    known = np.concatenate([v[~np.isnan(v)] for _, side, _ in tables for v in side.values()])
    low, high = min(0.0, float(known.min()) * 1.08), 1.0
    y = _scale(low, high, _BASE, _TOP)
    body = _frame(("values", "within an entity"), y, low, high)
    for (left, right), kind in zip(_PLOTS, ("pooled", "within"), strict=True):
        x = _scale(float(lags.lags[0]), float(lags.lags[-1]), left + 8, right - 8)
        for _, side, class_ in tables:
            values = side[kind]
            for run in _runs(values[:, None]):
                points = [(x(float(lags.lags[k])), y(float(values[k]))) for k in run]
                body += el("path", d=joined(points), class_=class_)
        wide = (right - left - 16) / max(len(lags.lags) - 1, 1)
        for k, lag in enumerate(lags.lags.tolist()):
            body += text(lag, x(lag), _BASE + 15, "mut mid")
            shown = ", ".join(f"{who} {side[kind][k]:.2f}" for who, side, _ in tables if not math.isnan(side[kind][k]))
            hit = {"x": x(lag) - wide / 2, "y": _TOP, "width": wide, "height": _BASE - _TOP}
            body += el("rect", **hit, class_="hit", data_tip=f"{lag} records later: {shown or 'not known'}")
    body += text("records later", WIDTH - 2, _BASE + 30, "mut end")
    return Figure(body, WIDTH, int(_BASE + 36), f"Autocorrelation of {name} by lag, real and synthetic")
