"""The section of the HTML report that draws long series."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from synthkit.report import text as words
from synthkit.report.sections import chip, figure_card, section, table
from synthkit.report.series import SeriesTables
from synthkit.report.series_figures import lags_of_series, law_figure, paths_of_series
from synthkit.report.svg import Figure, esc, short

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["compared_series", "series_figures", "series_section"]

_MOST = 6
_COMPARED = 3  # columns, where several tables are drawn
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
    flag = f"<p>{chip('fail', 'made of real values')}</p>" if words.copies(report) else ""
    parts = [
        flag,
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


def compared_series(reports: Mapping[str, Report]) -> str:
    """The same of several tables of paths, a card per table; empty where the reports are of no series."""
    first = next(iter(reports.values()))
    if first.series is None:
        return ""
    drawn = {name: series_figures(report) for name, report in reports.items()}
    chosen = [title for title, *_ in drawn[next(iter(drawn))]["paths"]][:_COMPARED]
    notes = {
        "paths": (
            "Paths",
            "Left the real series, right synthetic paths on the same value axis (of 20 or more: bands).",
        ),
        "lags": ("What a step says of later ones", "Autocorrelation by lag, of moves and of their sizes."),
        "law": ("Moves and their tails", "Share of moves in each bin, and how many changes are larger than that."),
    }
    parts = []
    for part, (title, note) in notes.items():
        cards = []
        for column in chosen:
            for name, figures in drawn.items():
                cards += [(f"{name}: {card[0]}", *card[1:]) for card in figures[part] if card[0] == column]
        parts += [_head(title), _note(note), "" if part == "paths" else _legend(first.series), _grid(cards)]
    return section("series", "Series", *parts, _facts_of_all(reports), lead="Columns that are farthest off first.")


def _facts_of_all(reports: Mapping[str, Report]) -> str:
    """Which stylised facts hold, table by table."""
    frames = {}
    for name, report in reports.items():
        frame = report.scores["stylised_facts"].details.get("table") if "stylised_facts" in report.scores else None
        if isinstance(frame, pd.DataFrame) and not frame.empty:
            frames[name] = frame.set_index("fact")
    if not frames:
        return ""
    rows = []
    for fact in dict.fromkeys(f for frame in frames.values() for f in frame.index):
        cells = []
        for frame in frames.values():
            held = bool(frame.loc[[fact], "inside"].all()) if fact in frame.index else None
            cells.append("-" if held is None else chip("pass", "inside") if held else chip("fail", "outside"))
        rows.append((esc(words.capital(str(fact))), *cells))
    heads = ("Fact", *(esc(short(name, 24)) for name in frames))
    return _head("Stylised facts") + table("Facts of returns, and whether drawn paths have them", heads, rows)


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
