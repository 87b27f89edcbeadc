"""Figures of columns, pairs and rows, drawn as SVG from what :mod:`synthkit.report.pictures` counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.report.pictures import LEAST, Bars, Bins, Pair
from synthkit.report.svg import Figure, compact, day, el, esc, joined, percent, short, steps, text, ticks

__all__ = ["bars_figure", "bins_figure", "cumulative_figure", "heat_figure", "heat_order", "share_rows"]

Floats = NDArray[np.float64]
WIDTH = 340
_LABEL = 104  # pixels for the names of categories
MAX_HEAT = 40


# -------------------------------------------------------------------- numbers
def bins_figure(name: Hashable, picture: Bins, labels: Sequence[str]) -> Figure:
    """Histograms over each other: real rows as an area, each synthetic table as a line."""
    if not len(picture.real):
        return _with_rows(name, picture.beside, labels)
    height, base, top = 150, 126, 8
    x, body = _axis(picture, base)
    widths = np.diff(np.log10(picture.edges) if picture.log else picture.edges)
    dense = [s / widths for s in (picture.real, *picture.synthetic)]
    most = max(float(d.max()) for d in dense) or 1.0
    tops = [base - d / most * (base - top) for d in dense]
    at = np.array([x(e) for e in picture.edges])
    body += el("path", d=steps(at, tops[0], base) + "Z", class_="area")
    for k, line in enumerate(tops[1:]):
        body += el("path", d=steps(at, line, base), class_=f"step c{k % 6} d{k % 6}")
    for k in range(len(at) - 1):
        shares = [f"real {percent(float(picture.real[k]))}"]
        shares += [f"{label} {percent(float(s[k]))}" for label, s in zip(labels, picture.synthetic, strict=True)]
        tip = f"{_edge(picture, k)} to {_edge(picture, k + 1)}: {', '.join(shares)}"
        body += _hit(at[k], top, at[k + 1] - at[k], base - top, tip)
    body, height = _beside(body, height, picture.beside, labels)
    return Figure(body, WIDTH, height, f"Distribution of {name}, real and {', '.join(labels)}")


def cumulative_figure(name: Hashable, picture: Bins, labels: Sequence[str]) -> Figure:
    """Cumulative distributions, at the edges of the bins."""
    if not len(picture.real):
        return _with_rows(name, picture.beside, labels)
    height, base, top = 150, 126, 8
    x, body = _axis(picture, base)
    below = next((p for p in picture.beside if p.label == "below the range"), None)
    at = [x(e) for e in picture.edges]
    for share in (0.5, 1.0):
        y = base - share * (base - top)
        body += el("line", x1=28, x2=WIDTH - 8, y1=y, y2=y, class_="axis")
        body += text(f"{share:.0%}", 24, y + 4, "mut end")
    for k, shares in enumerate((picture.real, *picture.synthetic)):
        start = 0.0 if below is None else (below.real, *below.synthetic)[k]
        line = (0.0 if math.isnan(start) else start) + np.concatenate([[0.0], np.cumsum(shares)])
        points = zip(at, (base - float(v) * (base - top) for v in line), strict=True)
        class_ = "curve" if k == 0 else f"step c{(k - 1) % 6} d{(k - 1) % 6}"
        body += el("path", d=joined(points), class_=class_)
    body, height = _beside(body, height, picture.beside, labels)
    return Figure(body, WIDTH, height, f"Cumulative distribution of {name}, real and {', '.join(labels)}")


def _axis(picture: Bins, base: float) -> tuple[Callable[[float], float], str]:
    """The place of a value, and the drawn axis."""
    ends = picture.edges[[0, -1]]
    low, high = (np.log10(ends) if picture.log else ends).tolist()
    left, right = 28.0, WIDTH - 8.0

    def x(value: float) -> float:
        v = math.log10(value) if picture.log else value
        return left + (v - low) / (high - low) * (right - left)

    body = el("line", x1=left, x2=right, y1=base, y2=base, class_="axis")
    last = -math.inf
    for tick in ticks(float(ends[0]), float(ends[1]), 4, log=picture.log, dated=picture.dated):
        label = _date(tick, high - low) if picture.dated else compact(tick)
        half = 3.2 * len(label)
        place = min(max(x(tick), half), WIDTH - half)
        if place - half > last + 6:
            body += el("line", x1=x(tick), x2=x(tick), y1=base, y2=base + 4, class_="axis")
            body += text(label, place, base + 16, "mut mid")
            last = place + half
    return x, body + (text("log scale", right, 10, "mut end") if picture.log else "")


def _date(seconds: float, span: float) -> str:
    whole = day(seconds)
    return whole[:4] if span > 4 * 365 * 86400 else whole[:7] if span > 200 * 86400 else whole


def _edge(picture: Bins, k: int) -> str:
    edge = float(picture.edges[k])
    return day(edge) if picture.dated else f"{edge:.3g}" if picture.log else compact(edge)


def _hit(x: float, y: float, width: float, height: float, tip: str) -> str:
    return el("rect", x=x, y=y, width=max(width, 0.5), height=height, class_="hit", data_tip=tip)


def _beside(body: str, height: int, beside: Sequence[Pair], labels: Sequence[str]) -> tuple[str, int]:
    """Shares that are not in the histogram, as bars under it."""
    if not beside:
        return body, height
    rows, more = share_rows(beside, labels, height + 4)
    return body + rows, height + 4 + more


def _with_rows(name: Hashable, pairs: Sequence[Pair], labels: Sequence[str]) -> Figure:
    body, height = share_rows(pairs, labels, 4)
    return Figure(body, WIDTH, height + 4, f"Shares of {name}, real and {', '.join(labels)}")


# -------------------------------------------------------------------- categories
def bars_figure(name: Hashable, picture: Bars, labels: Sequence[str]) -> Figure:
    """Shares of categories: real rows as solid bars, each synthetic table as outlined ones."""
    return _with_rows(name, (*picture.pairs, *picture.beside), labels)


def share_rows(pairs: Sequence[Pair], labels: Sequence[str], y: float) -> tuple[str, int]:
    """A bar of real rows and one per table for each share, from ``y`` down; and how high all are."""
    known = [s for p in pairs for s in (p.real, *p.synthetic) if not math.isnan(s)]
    most = max(known, default=0.0) or 1.0
    left, right = float(_LABEL), WIDTH - 50.0
    thin = 7 if len(labels) == 1 else 5
    pitch = (len(labels) + 1) * (thin + 1) + 8
    body = ""
    for row, pair in enumerate(pairs):
        top = y + row * pitch + 3
        body += text(short(pair.label, 17), left - 6, top + (pitch - 8) / 2 + 3.5, "end")
        for k, share in enumerate((pair.real, *pair.synthetic)):
            wide = 0.0 if math.isnan(share) else share / most * (right - left)
            class_ = "rbar" if k == 0 else f"sbar f{(k - 1) % 6} c{(k - 1) % 6}"
            body += el("rect", x=left, y=top + k * (thin + 1), width=max(wide, 0.6), height=thin - 0.5, class_=class_)
        words = [_share(pair.real), *(percent(s) for s in pair.synthetic)]
        if len(labels) == 1:
            body += text(words[0], WIDTH - 4, top + 6.5, "mut end") + text(words[1], WIDTH - 4, top + 17, "end")
        tip = f"{pair.label}: real {words[0]}, " + ", ".join(f"{a} {b}" for a, b in zip(labels, words[1:], strict=True))
        body += _hit(0, top - 3, WIDTH, pitch - 2, tip)
    return body, len(pairs) * pitch


def _share(real: float) -> str:
    return f"<{LEAST} rows" if math.isnan(real) else percent(real)


# -------------------------------------------------------------------- pairs
def heat_order(parts: Mapping[Any, float], names: Sequence[Hashable]) -> list[Hashable]:
    """The columns to draw: all, or those of the largest mean difference, in the table's order."""
    sums = {name: [v for pair, v in parts.items() if name in pair and not math.isnan(v)] for name in names}
    mean = {name: float(np.mean(values)) for name, values in sums.items() if values}
    worst = sorted(mean, key=lambda name: -mean[name])[:MAX_HEAT]
    return [name for name in names if name in worst]


def heat_figure(parts: Mapping[Any, float], names: Sequence[Hashable], title: str) -> Figure:
    """The difference of every pair of columns: the darker, the larger."""
    both = {frozenset(pair): value for pair, value in parts.items()}
    size = 26 if len(names) <= 20 else 18
    left = 20 + 6.3 * min(24, max(len(str(name)) for name in names)) + 20
    top, most = 22.0, max((v for v in both.values() if not math.isnan(v)), default=0.0) or 1.0
    body = ""
    for i, name in enumerate(names):
        y = top + i * size
        body += text(f"{short(name, 24)}  {i + 1}", left - 8, y + size / 2 + 4, "end")
        if i < len(names) - 1:
            body += text(i + 1, left + (i + 0.5) * size, top - 7, "mut mid")
        for j, other in enumerate(names[:i]):
            value = both.get(frozenset((name, other)), math.nan)
            class_ = "cell none" if math.isnan(value) else "cell heat"
            tip = f"{other} with {name}: {'not known' if math.isnan(value) else f'{value:.3f}'}"
            opacity = None if math.isnan(value) else round(0.06 + 0.94 * value / most, 2)
            place = {"x": left + j * size, "y": y, "width": size, "height": size}
            body += el("rect", **place, class_=class_, fill_opacity=opacity, data_tip=tip)
    width, bottom = int(left + len(names) * size + 8), top + len(names) * size
    legend = int(left)
    for k in range(6):
        body += el(
            "rect",
            x=legend + 30 + k * 22,
            y=bottom + 10,
            width=22,
            height=10,
            class_="heat",
            fill_opacity=0.06 + 0.94 * k / 5,
        )
    body += text("0", legend + 24, bottom + 19, "mut end") + text(f"{most:.3f}", legend + 168, bottom + 19, "mut")
    return Figure(body, max(width, legend + 220), int(bottom + 30), esc(title))
