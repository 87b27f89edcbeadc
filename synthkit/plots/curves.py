"""Curves of a training: losses, and what decides, stage by stage over the same steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from synthkit.plots.segments import Floats, Segment, Series, smooth
from synthkit.report.svg import compact, el, joined, short, text, ticks

__all__ = ["Cell", "cells_of", "judged_row", "losses_row"]

_AXIS = 52.0  # pixels for the numbers of a panel
_GAP = 14.0
_HIGH, _LOW = 150.0, 110.0  # of the panels of losses, and of what decides
_LINE = 14.0
_DECADES = 50.0  # losses whose sizes differ more are drawn on a log scale


@dataclass(frozen=True)
class Cell:
    """The place of a stage: ``left`` to ``right`` in pixels, steps from ``start`` to ``stop``."""

    segment: Segment
    left: float
    right: float

    def x(self, step: float) -> float:
        """The place of a step."""
        start, stop = self.segment.start, self.segment.stop
        return self.left + (step - start) / max(stop - start, 1) * (self.right - self.left)


def cells_of(segments: Sequence[Segment], width: float) -> list[Cell]:
    """Stages side by side, as wide as they are long, and short ones wide enough to be read."""
    room = width - _GAP - len(segments) * (_AXIS + _GAP)
    length = np.array([max(s.stop - s.start, 1) for s in segments], np.float64)
    share = np.maximum(length / length.sum(), 0.6 / len(segments))
    wide = share / share.sum() * room
    cells, left = [], 0.0
    for segment, size in zip(segments, wide.tolist(), strict=True):
        left += _AXIS + _GAP
        cells.append(Cell(segment, left, left + size))
        left += size
    return cells


# -------------------------------------------------------------------- rows of panels
def losses_row(cells: Sequence[Cell], top: float) -> tuple[str, float]:
    """Training losses from ``top`` down, and where they end."""
    body, base, deepest = "", top + 30 + _HIGH, 0.0
    for cell in cells:
        room = round((cell.right - cell.left) / 6.5)
        title = f"losses: {cell.segment.title}" if len(cells) > 1 or cell.segment.title != "fit" else "loss"
        body += text(short(title, room + 6), cell.left - 40, top + 14, "b")
        series = cell.segment.losses
        body += _Panel(cell, top + 30, base, [smooth(s.y) for s in series]).losses(series)
        for k, s in enumerate(series if len(series) > 1 else ()):
            y = base + 34 + k * _LINE
            line = el("line", x1=cell.left, x2=cell.left + 20, y1=y - 4, y2=y - 4, class_=f"step c{k % 6} d{k % 6}")
            body += line + text(f"{short(s.name, room - 8)} {compact(float(s.y[-1]))}", cell.left + 26, y, "mut")
        deepest = max(deepest, (len(series) if len(series) > 1 else 0) * _LINE)
    return body + _borders(cells, top + 24, base), base + 34 + deepest


def judged_row(cells: Sequence[Cell], top: float) -> tuple[str, float]:
    """What decides which weights are kept, from ``top`` down, and where it ends."""
    if all(cell.segment.judged is None for cell in cells):
        return "", top
    body, start = "", top + 38
    base = start + _LOW
    for cell in cells:
        series = cell.segment.judged
        if series is None:
            body += text("not judged", cell.left, (start + base) / 2, "mut")
            continue
        body += text(series.name, cell.left - 40, top + 14, "b")
        values = [series.y, np.array([0.5])] if series.name.startswith("score") else [series.y]
        body += _Panel(cell, start, base, values).judged(series)
    return body + _borders(cells, top + 24, base), base + 40


def _borders(cells: Sequence[Cell], top: float, base: float) -> str:
    """Lines between stages."""
    places = [(a.right + _GAP / 2) for a, _ in pairwise(cells)]
    return "".join(el("line", x1=x, x2=x, y1=top, y2=base + 4, class_="border") for x in places)


# -------------------------------------------------------------------- one panel
class _Panel:
    """One stage's panel, between two heights, for some values."""

    def __init__(self, cell: Cell, top: float, base: float, values: Sequence[Floats]) -> None:
        self.cell, self.top, self.base = cell, top, base
        known = np.concatenate([*values, np.empty(0)])
        self.log = bool(len(known) and known.min() > 0 and known.max() / known.min() > _DECADES)
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        low, high = (math.log10(low), math.log10(high)) if self.log else (low, high)
        room = (high - low) * 0.06 or max(abs(high) * 0.1, 1e-9)
        self.low, self.high = low - room, high + room

    def y(self, value: float) -> float:
        """The place of a value; beyond the range it is the border."""
        v = (math.log10(value) if value > 0 else -math.inf) if self.log else value
        share = (v - self.low) / (self.high - self.low)
        return self.base - min(max(share, 0.0), 1.0) * (self.base - self.top)

    def axes(self) -> str:
        cell, body = self.cell, ""
        ends = (10**self.low, 10**self.high) if self.log else (self.low, self.high)
        for tick in ticks(*ends, 4, log=self.log):
            y = self.y(tick)
            body += el("line", x1=cell.left, x2=cell.right, y1=y, y2=y, class_="axis")
            body += text(compact(tick), cell.left - 5, y + 4, "mut end")
        body += el("line", x1=cell.left, x2=cell.right, y1=self.base, y2=self.base, class_="axis")
        wanted = max(int((cell.right - cell.left) / 80), 1)
        for tick in ticks(cell.segment.start, cell.segment.stop, wanted):
            x = cell.x(tick)
            body += el("line", x1=x, x2=x, y1=self.base, y2=self.base + 4, class_="axis")
            body += text(compact(tick), x, self.base + 16, "mut mid")
        return body + (text("log scale", cell.right, self.top - 2, "mut end") if self.log else "")

    def path(self, x: Floats, y: Floats, class_: str) -> str:
        points = [(self.cell.x(a), self.y(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        if len(points) == 1:
            return el("circle", cx=points[0][0], cy=points[0][1], r=2.5, class_=class_)
        return el("path", d=joined(points), class_=class_)

    def losses(self, series: Sequence[Series]) -> str:
        body = self.axes()
        for k, s in enumerate(series):
            even = smooth(s.y)
            if not np.array_equal(even, s.y):
                body += self.path(s.x, s.y, f"raw c{k % 6}")
            body += self.path(s.x, even, f"step c{k % 6} d{k % 6}")
        return body

    def judged(self, series: Series) -> str:
        body, cell = self.axes(), self.cell
        if series.name.startswith("score"):
            y = self.y(0.5)
            body += el("line", x1=cell.left, x2=cell.right, y1=y, y2=y, class_="border")
            body += text("0.5: like real rows", cell.right, y - 4, "mut end")
        body += self.path(series.x, series.y, "judge")
        best = int(series.y.argmin())
        x, y = cell.x(float(series.x[best])), self.y(float(series.y[best]))
        words = f"best {series.y[best]:.3f} at step {series.x[best]:,.0f}"
        body += el("circle", el("title", words), cx=x, cy=y, r=5, class_="dot")
        return body + text(words, cell.right, self.top - 8, "end")
