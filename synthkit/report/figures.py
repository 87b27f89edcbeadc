"""Figures of columns, pairs and rows, drawn as SVG from what :mod:`synthkit.report.pictures` counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.base import Score
from synthkit.report.pictures import LEAST, Bars, Bins, Pair
from synthkit.report.svg import Figure, compact, day, el, joined, percent, short, steps, text, ticks
from synthkit.report.text import number, part_name

__all__ = [
    "bars_figure",
    "bins_axis",
    "bins_figure",
    "cumulative_figure",
    "heat_figure",
    "heat_order",
    "parts_figure",
    "share_rows",
]

Floats = NDArray[np.float64]
WIDTH = 340
_LABEL = 122  # pixels for the names of categories
_LEFT = 36.0  # where a histogram begins
MAX_HEAT = 40


# -------------------------------------------------------------------- numbers
def bins_figure(name: Hashable, picture: Bins, labels: Sequence[str]) -> Figure:
    """Histograms over each other: real rows as an area, each synthetic table as a line."""
    if not len(picture.real):
        return _with_rows(name, picture.beside, labels)
    height, base, top = 150, 126, 8
    x, body = bins_axis(picture, base)
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
    body, height = _beside(body, height, picture, labels)
    return Figure(body, WIDTH, height, f"Distribution of {name}, real and {', '.join(labels)}")


def cumulative_figure(name: Hashable, picture: Bins, labels: Sequence[str]) -> Figure:
    """Cumulative distributions, at the edges of the bins."""
    if not len(picture.real):
        return _with_rows(name, picture.beside, labels)
    height, base, top = 150, 126, 8
    x, body = bins_axis(picture, base)
    at = [x(e) for e in picture.edges]
    for share in (0.5, 1.0):
        y = base - share * (base - top)
        body += el("line", x1=_LEFT, x2=WIDTH - 8, y1=y, y2=y, class_="axis")
        body += text(f"{share:.0%}", _LEFT - 4, y + 4, "mut end")
    for k, shares in enumerate((picture.real, *picture.synthetic)):
        start = (picture.outside[0].real, *picture.outside[0].synthetic)[k]
        line = (0.0 if math.isnan(start) else start) + np.concatenate([[0.0], np.cumsum(shares)])
        points = zip(at, (base - float(v) * (base - top) for v in line), strict=True)
        class_ = "curve" if k == 0 else f"step c{(k - 1) % 6} d{(k - 1) % 6}"
        body += el("path", d=joined(points), class_=class_)
    body, height = _beside(body, height, picture, labels)
    return Figure(body, WIDTH, height, f"Cumulative distribution of {name}, real and {', '.join(labels)}")


def bins_axis(picture: Bins, base: float, width: float = WIDTH) -> tuple[Callable[[float], float], str]:
    """The place of a value, and the drawn axis of a picture so wide."""
    ends = picture.edges[[0, -1]]
    low, high = (np.log10(ends) if picture.log else ends).tolist()
    left, right = _LEFT, width - 8.0

    def x(value: float) -> float:
        v = math.log10(value) if picture.log else value
        return left + (v - low) / (high - low) * (right - left)

    body = el("line", x1=left, x2=right, y1=base, y2=base, class_="axis")
    last = -math.inf
    for tick in ticks(float(ends[0]), float(ends[1]), round(width / 85), log=picture.log, dated=picture.dated):
        label = _date(tick, high - low) if picture.dated else compact(tick)
        half = 3.2 * len(label)
        place = min(max(x(tick), half), width - half)
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


def _beside(body: str, height: int, picture: Bins, labels: Sequence[str]) -> tuple[str, int]:
    """Under the histogram: shares that are not in it, as bars, and what is beyond its range, in words."""
    if picture.beside:
        rows, more = share_rows(picture.beside, labels, height + 4, most=1.0)
        body, height = body + rows, height + 4 + more
    sides = [f"{p.label}: {_outside(p)}" for p in picture.outside if any(s > 0 for s in p.synthetic)]
    for k, line in enumerate(sides):
        body += text(line if k else f"not drawn {line}", _LEFT, height + 10 + 14 * k, "mut")
    return body, height + (14 * len(sides) + 4 if sides else 0)


def _outside(pair: Pair) -> str:
    if len(pair.synthetic) == 1:
        return f"real {_share(pair.real)}, synthetic {percent(pair.synthetic[0])}"
    return f"real {_share(pair.real)}, others {percent(min(pair.synthetic))} to {percent(max(pair.synthetic))}"


def _with_rows(name: Hashable, pairs: Sequence[Pair], labels: Sequence[str]) -> Figure:
    body, height = share_rows(pairs, labels, 4)
    return Figure(body, WIDTH, height + 4, f"Shares of {name}, real and {', '.join(labels)}")


# -------------------------------------------------------------------- categories
def bars_figure(name: Hashable, picture: Bars, labels: Sequence[str]) -> Figure:
    """Shares of categories: real rows as solid bars, each synthetic table as outlined ones."""
    return _with_rows(name, (*picture.pairs, *picture.beside), labels)


def share_rows(pairs: Sequence[Pair], labels: Sequence[str], y: float, most: float | None = None) -> tuple[str, int]:
    """A bar of real rows and one per table for each share, from ``y`` down; and how high all are.

    ``most`` is the share of a full bar, by default the largest.
    """
    known = [s for p in pairs for s in (p.real, *p.synthetic) if not math.isnan(s)]
    most = most or max(known, default=0.0) or 1.0
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
    """The difference of every pair of columns: the stronger the colour, the larger."""
    both = {frozenset(pair): value for pair, value in parts.items()}
    left = 34 + 6.2 * min(24, max(len(str(name)) for name in names))
    size = int(min(30, max(13, (640 - left) / len(names))))
    top, most = 22.0, max((v for v in both.values() if not math.isnan(v)), default=0.0) or 1.0
    every = 1 if size >= 15 else 2
    body = ""
    for i, name in enumerate(names):
        y = top + i * size
        body += text(f"{short(name, 24)}  {i + 1}", left - 8, y + size / 2 + 4, "end")
        if i < len(names) - 1 and i % every == 0:
            body += text(i + 1, left + (i + 0.5) * size, top - 7, "mut mid")
        for j, other in enumerate(names[:i]):
            value = both.get(frozenset((name, other)), math.nan)
            class_ = "cell none" if math.isnan(value) else "cell heat"
            tip = f"{other} with {name}: {'not known' if math.isnan(value) else f'{value:.3f}'}"
            opacity = None if math.isnan(value) else _heat(value / most)
            place = {"x": left + j * size, "y": y, "width": size, "height": size}
            body += el("rect", **place, class_=class_, fill_opacity=opacity, data_tip=tip)
    width = max(int(left + len(names) * size + 8), int(left) + 240)
    body += _heat_legend(width - 190, top + 4, most)
    return Figure(body, width, int(top + len(names) * size + 8), title)


def _heat(share: float) -> float:
    return round(0.05 + 0.95 * share, 2)


def _heat_legend(x: float, y: float, most: float) -> str:
    boxes = (
        el("rect", x=x + 16 + k * 20, y=y, width=20, height=10, class_="heat", fill_opacity=_heat(k / 5))
        for k in range(6)
    )
    return text("0", x + 10, y + 9, "mut end") + "".join(boxes) + text(f"{most:.3f}", x + 142, y + 9, "mut")


# -------------------------------------------------------------------- parts
def parts_figure(score: Score) -> Figure:
    """The breakdown of a score as bars, the worst first; at most 30."""
    known = {part: value for part, value in score.parts.items() if not math.isnan(value)}
    worst = sorted(known, key=lambda part: known[part], reverse=score.goal == "lower")[:30]
    most = max((abs(known[part]) for part in worst), default=0.0) or 1.0
    left, width, pitch = 260.0, 640, 20
    body = text(score.label, 8, 18, "b")
    for row, part in enumerate(worst):
        y = 32 + row * pitch
        body += text(short(part_name(part), 42), left - 8, y + 10, "end")
        wide = abs(known[part]) / most * (width - left - 70)
        body += el("rect", x=left, y=y + 1, width=max(wide, 0.6), height=pitch - 8, class_="sbar f0 c0")
        body += text(number(known[part]), width - 8, y + 10, "end")
    return Figure(body, width, 40 + len(worst) * pitch, f"{score.label}: its parts, the worst first")
