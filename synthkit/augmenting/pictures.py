"""The picture of an augmentation, and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthkit.augmenting.scores import METRICS
from synthkit.params import OneOf, check
from synthkit.report.style import page_style
from synthkit.report.svg import Figure, compact, el, esc, text, ticks

if TYPE_CHECKING:
    from synthkit.augmenting.result import Augmentation

__all__ = ["forest", "page"]

_LEFT, _WIDE, _ROW, _TOP = 220, 380, 24, 52


def forest(table: pd.DataFrame, metric: str, verdict: str) -> Figure:
    """Per learner and other arm a point with its interval, and the line of no difference."""
    check("Augmentation.plot", "metric", metric, OneOf(*METRICS))
    lines = table[table["metric"] == metric].to_dict("records")
    ends = np.array([[r["low"], r["high"], r["difference"], 0.0] for r in lines])
    ends = ends[np.isfinite(ends)]
    low, high = float(ends.min()), float(ends.max())
    room = 0.08 * (high - low) or 1.0
    low, high = low - room, high + room

    def x(value: float) -> float:
        return _LEFT + _WIDE * (value - low) / (high - low)

    title = f"{verdict}: {metric.replace('_', ' ')}, augmented minus other (right: better)"
    bottom = _TOP + _ROW * len(lines)
    body = text(title, 14, 20, "b")
    body += el("line", x1=x(0.0), x2=x(0.0), y1=_TOP - 12, y2=bottom, stroke="#8a93a6", stroke_dasharray="4 3")
    for k, row in enumerate(lines):
        y = _TOP + _ROW * k
        body += text(f"{row['learner']}, {row['against']}", 14, y + 4)
        if np.isfinite(row["low"]):
            clear = row["low"] > 0 or row["high"] < 0
            colour = ("#0b6e4f" if row["low"] > 0 else "#b3261e") if clear else "#56607a"
            body += el("line", x1=x(row["low"]), x2=x(row["high"]), y1=y, y2=y, stroke=colour, stroke_width=2)
            body += el("circle", cx=x(row["difference"]), cy=y, r=4.5 if clear else 3.5, fill=colour)
    for value in ticks(low, high):
        body += el("text", compact(value), x=x(value), y=bottom + 14, text_anchor="middle")
    return Figure(body, _LEFT + _WIDE + 24, bottom + 28, title)


def page(found: Augmentation) -> str:
    """A whole HTML page."""
    lines = "\n".join(esc(line) for line in str(found).split("\n"))
    parts = [
        f"<h1>Augmentation: {esc(found.verdict)}</h1><p>{esc(found.reason)}</p>",
        f"<p>Profile 'augmentation': {esc(found.gate_status)}</p>",
        f'<pre style="white-space:pre-wrap">{lines}</pre>',
        *(found.plot(metric).inline(fluid=False) for metric in dict.fromkeys([found.metric, *METRICS])),
        "<h2>Differences</h2>" + _table(found.table),
    ]
    if found.gate is not None:
        parts.append("<h2>Gates</h2>" + _table(found.gate.to_frame().reset_index()))
    body = "".join(f'<section class="card">{part}</section>' for part in parts)
    return (
        '<!doctype html><html lang="en" class="skr"><head><meta charset="utf-8"><title>Augmentation</title>'
        f'<style>{page_style()}</style></head><body class="skr"><main>{body}</main></body></html>'
    )


def _table(frame: pd.DataFrame) -> str:
    return str(frame.to_html(index=False, float_format="{:.4f}".format, na_rep="-", border=0))
