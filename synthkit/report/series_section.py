"""The section of the HTML report that draws long series."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from synthkit.report import text as words
from synthkit.report.sections import chip, figure_card, section, table
from synthkit.report.series import SeriesTables
from synthkit.report.series_figures import lags_of_series, law_figure, paths_of_series
from synthkit.report.svg import Figure, esc

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["series_figures", "series_section"]

_MOST = 6
_PARTS: dict[str, Callable[[SeriesTables, int], Figure]] = {
    "paths": paths_of_series,
    "lags": lags_of_series,
    "law": law_figure,
}


def series_section(report: Report) -> str:
    """Paths, autocorrelations, changes, stylised facts; empty where the report is of no series, or has none (JSON)."""
    tables = report.series
    if tables is None:
        return ""
    drawn = series_figures(report)
    rest = len(tables.labels) - len(drawn["paths"])
    more = f" {rest} more columns are not drawn." if rest > 0 else ""
    many = len(tables.synthetic.starts)
    fan = (
        " Of 20 paths or more, bands hold the middle half and the middle 90 %, the thick line is the median."
        if many >= 20
        else ""
    )
    parts = [
        _head("Paths"),
        _note(
            "Left the real series that the generator learnt from (dashed: a hole, or a held-out block), right some "
            f"synthetic paths on the same value axis.{fan}{more}"
        ),
        _grid(drawn["paths"]),
        _head("What a step says of later ones"),
        _note(
            "Autocorrelation by lag. Dashed lines hold 95 % of those of moves without memory. Sizes are absolute "
            "deviations from the median: where they stay correlated, calm and stormy times come in clusters."
        ),
        _legend(tables),
        _grid(drawn["lags"]),
        _head("Moves and their tails"),
        _note(
            "Left the share of moves in each bin, on a logarithmic axis. Right how many changes are larger than that "
            "(distance from the median), both axes logarithmic: a straight line is a heavy tail."
        ),
        _legend(tables),
        _grid(drawn["law"]),
        _facts(report),
    ]
    return section(
        "series",
        "Series",
        *parts,
        lead="The training series beside synthetic paths, columns that are farthest off by autocorrelation first. The "
        "real series is drawn as it is.",
    )


def series_figures(report: Report) -> dict[str, list[tuple[str, Figure, str]]]:
    """The figures by part (``paths``, ``lags``, ``law``): title, figure, and a remark; at most six columns."""
    tables = report.series
    if tables is None:
        return {part: [] for part in _PARTS}
    off = report.scores["acf"].parts if "acf" in report.scores else {}
    found = [off.get(name, math.nan) for name in tables.real.names]
    order = sorted(range(len(found)), key=lambda j: -found[j] if not math.isnan(found[j]) else 0.0)[:_MOST]
    out = {}
    for part, draw in _PARTS.items():
        remarks = [
            f"off by {words.number(found[j])}" if part == "lags" and not math.isnan(found[j]) else "" for j in order
        ]
        out[part] = [(tables.labels[j], draw(tables, j), remark) for j, remark in zip(order, remarks, strict=True)]
    return out


def _facts(report: Report) -> str:
    """The stylised facts and their bands."""
    score = report.scores.get("stylised_facts")
    frame = None if score is None else score.details.get("table")
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        return ""
    rows = [
        (
            esc(words.capital(str(line.fact))),
            words.number(float(line.real)),
            words.number(float(line.synthetic)),
            f"{words.number(float(line.low))} to {words.number(float(line.high))}",
            chip("pass", "inside") if line.inside else chip("fail", "outside"),
        )
        for line in frame.itertuples(index=False)
    ]
    heads = ("Fact", "Real", "Synthetic", "Band", "Found")
    note = (
        "A fact may have two figures; it holds where all lie inside. Bands say how far a path of the same law goes "
        "(block bootstrap, 95 % of a fact)."
    )
    return _head("Stylised facts") + _note(note) + table("Facts of returns, and where real paths lie", heads, rows)


def _head(title: str) -> str:
    return f'<h3 class="part">{title}</h3>'


def _note(line: str) -> str:
    return f'<p class="note">{esc(line)}</p>'


def _grid(cards: list[tuple[str, Figure, str]]) -> str:
    return f'<div class="grid">{"".join(figure_card(*card) for card in cards)}</div>'


def _legend(tables: SeriesTables) -> str:
    names = ["real (training)", "synthetic", *([] if tables.holdout is None else ["real (held out)"])]
    classes = ("curve", "step c0 d0", "step c1 d1")
    items = "".join(
        f'<li><svg class="sk" width="26" height="14" aria-hidden="true"><path class="{c}" d="M1 7H25"/></svg>{n}</li>'
        for n, c in zip(names, classes, strict=False)
    )
    return f'<ul class="legend">{items}</ul>'
