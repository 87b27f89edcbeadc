"""The section of the HTML report that draws records over time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from synthkit.errors import ParamError
from synthkit.report import text as words
from synthkit.report.figures import bins_figure
from synthkit.report.panel_cases import PanelTables
from synthkit.report.panel_figures import lags_figure, moves_figure, paths_figure
from synthkit.report.panel_moves import moves_picture, of_states
from synthkit.report.panel_pictures import (
    gaps_picture,
    lags_picture,
    lengths_picture,
    moving_most,
    paths_picture,
)
from synthkit.report.pictures import LEAST, Bins
from synthkit.report.sections import figure_card, legend, section
from synthkit.report.svg import Figure, esc

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["compared_panels", "panel_figure", "panel_figures", "panel_section"]

_PATHS, _MOVES, _LAGS = 6, 4, 6
_COMPARED = 3  # columns whose paths a comparison shows
_HALF = 520  # pixels of a card that is half as wide as the page


def panel_section(report: Report) -> str:
    """Lengths, gaps, paths, transitions and autocorrelation; empty where the report is of no records over time."""
    tables = report.panels
    if tables is None:
        return ""
    drawn = panel_figures(report)
    held = ["synthetic", *([] if tables.holdout is None else ["holdout"])]
    parts = []
    if drawn["counts"]:
        parts += [_head("How many, and when"), _legend(held, curve=False), _grid(drawn["counts"])]
    if drawn["paths"]:
        note = (
            "Numbers that move most within entities. Bands hold the middle half and the middle 80 % of entities, the "
            "thick line is their median. Thin lines are single synthetic entities; a real one is never drawn, so real "
            "entities have bands only, where enough of them are followed."
        )
        parts += [_head("Paths"), f'<p class="note">{note}</p>', _grid(drawn["paths"])]
    if drawn["moves"]:
        note = (
            "From a record's state (row) to that of the entity's next record (column), in percent of the row; the "
            "difference in points, orange where synthetic entities make the move too often, blue where too seldom. "
            f"Grey: made by fewer than {LEAST} real entities, or kept back with such a one."
        )
        cards = "".join(_heat_card(title, figure) for title, figure, _ in drawn["moves"])
        parts += [_head("What follows what"), f'<p class="note">{note}</p>', f'<div class="cards two">{cards}</div>']
    if drawn["lags"]:
        note = (
            "Correlation of a number with the entity's earlier ones. Left, of values: it stays high where entities "
            "differ for good. Right, of deviations from the entity's own mean: what one record says of the next."
        )
        parts += [
            _head("How long it lasts"),
            f'<p class="note">{note}</p>',
            _legend(held, curve=True),
            _grid(drawn["lags"]),
        ]
    if not parts:
        return ""
    return section(
        "overtime",
        words.OVER_TIME,
        *parts,
        lead=f"Training entities beside synthetic ones. Everything real stands for {LEAST} entities or more.",
    )


def compared_panels(reports: Mapping[str, Report]) -> str:
    """Lengths and gaps of several synthetic tables over each other, and the paths of each; empty where there are none.

    The real and holdout entities of all reports are the same.
    """
    tables = {name: report.panels for name, report in reports.items() if report.panels is not None}
    if len(tables) < len(reports):
        return ""
    names, first = list(tables), next(iter(tables.values()))
    counts = _pictured(list(tables.values()), names)
    parts = [legend("training entities", names), _grid(counts)] if counts else []
    unit, seed = _since(first), int(next(iter(reports.values())).provenance.get("seed", 0))
    for column in moving_most(first.real, _COMPARED):
        pictures = {name: paths_picture(t, column, seed) for name, t in tables.items()}
        cards = [(name, paths_figure(column, p, unit), "") for name, p in pictures.items() if p is not None]
        if cards:
            parts += [_head(f"Paths of {esc(str(column))}"), _grid(cards)]
    if not parts:
        return ""
    lead = f"Training entities beside synthetic ones. Everything real stands for {LEAST} entities or more."
    return section("overtime", words.OVER_TIME, *parts, lead=lead)


def panel_figures(report: Report) -> dict[str, list[tuple[str, Figure, str]]]:
    """The figures by part (``counts``, ``paths``, ``moves``, ``lags``): title, figure, and a remark."""
    tables = report.panels
    if tables is None:
        return {"counts": [], "paths": [], "moves": [], "lags": []}
    return {
        "counts": _counts(tables),
        "paths": _paths(tables, int(report.provenance.get("seed", 0))),
        "moves": _moves(report, tables),
        "lags": _lags(report, tables),
    }


def panel_figure(report: Report, part: str, column: Hashable | None = None) -> Figure:
    """One of the figures: the first of a part, or that of a column.

    Raises:
        ParamError: there is none.
    """
    drawn = {title: figure for title, figure, _ in panel_figures(report)[part]}
    if not drawn:
        raise ParamError(
            "Report.plot: this figure needs a report of records over time, with its tables, and enough entities."
        )
    if column is None:
        return next(iter(drawn.values()))
    if str(column) not in drawn:
        raise ParamError(
            f"Report.plot: argument 'column': there is no such figure of {column!r}; those are of {', '.join(drawn)}."
        )
    return drawn[str(column)]


def _counts(tables: PanelTables) -> list[tuple[str, Figure, str]]:
    return _pictured([tables], ["synthetic", *([] if tables.holdout is None else ["holdout"])])


def _pictured(tables: Sequence[PanelTables], names: Sequence[str]) -> list[tuple[str, Figure, str]]:
    """Lengths and gaps of one synthetic table and the holdout, or of several synthetic tables."""
    real = tables[0].real
    pictures = [("Records per entity", lengths_picture(*tables))]
    if real.clock is not None and len(real.gaps) and all(len(t.synthetic.gaps) for t in tables):
        pictures.append((f"Times between records{_unit(tables[0])}", gaps_picture(*tables)))
    return [(title, _of_entities(bins_figure(title, p, names)), "") for title, p in pictures if isinstance(p, Bins)]


def _of_entities(figure: Figure) -> Figure:
    """A figure of the rows' rule in the words of entities."""
    return replace(figure, body=figure.body.replace(f"{LEAST} rows", f"{LEAST} entities"))


def _unit(tables: PanelTables) -> str:
    return ", in days" if tables.real.calendar else ""


def _since(tables: PanelTables) -> str:
    return "days since the first record" if tables.real.calendar else "since the first record"


def _paths(tables: PanelTables, seed: int) -> list[tuple[str, Figure, str]]:
    unit = _since(tables)
    out = []
    for name in moving_most(tables.real, _PATHS):
        picture = paths_picture(tables, name, seed)
        if picture is not None:
            out.append((str(name), paths_figure(name, picture, unit), ""))
    return out


def _moves(report: Report, tables: PanelTables) -> list[tuple[str, Figure, str]]:
    found = [(name, moves_picture(tables, name)) for name in _worst(report, "transitions", of_states(tables.real))]
    return [(str(name), moves_figure(name, p), "") for name, p in found if p is not None][:_MOVES]


def _lags(report: Report, tables: PanelTables) -> list[tuple[str, Figure, str]]:
    found = lags_picture(tables)
    names = [name for name in _worst(report, "autocorrelation", tables.real.moving.num) if name in found]
    off = report.scores["autocorrelation"].parts if "autocorrelation" in report.scores else {}
    return [
        (str(name), lags_figure(name, found[name]), f"off by {words.number(off[name])}" if name in off else "")
        for name in names[:_LAGS]
    ]


def _worst(report: Report, score: str, names: Sequence[Hashable]) -> list[Hashable]:
    """The columns that are farthest off by a score first, else as in the table."""
    parts = report.scores[score].parts if score in report.scores else {}
    known = {name: parts[name] for name in names if name in parts and not math.isnan(parts[name])}
    return sorted(names, key=lambda name: -known.get(name, 0.0))


# -------------------------------------------------------------------- pieces
def _head(title: str) -> str:
    return f'<h3 class="part">{title}</h3>'


def _heat_card(title: str, figure: Figure) -> str:
    full = " full" if figure.width > _HALF else ""
    return (
        f'<div class="scroll card{full}" tabindex="0" role="region" aria-label="{esc(figure.title)}">'
        f"<h3>{esc(title)}</h3>{figure.inline(fluid=False)}</div>"
    )


def _grid(cards: Sequence[tuple[str, Figure, str]]) -> str:
    return f'<div class="grid">{"".join(figure_card(*card) for card in cards)}</div>'


def _legend(names: Sequence[str], *, curve: bool) -> str:
    box = '<svg class="sk" width="26" height="14" aria-hidden="true">'
    sign = '<path class="curve" d="M1 7H25"/>' if curve else '<path class="area" d="M1 13V6H10V2H18V8H25V13Z"/>'
    shape = "M1 7H25" if curve else "M1 13V5H9V3H17V9H25V13"
    items = f"<li>{box}{sign}</svg>real (training entities)</li>"
    for k, name in enumerate(names):
        label = "real (holdout entities)" if name == "holdout" else name
        items += f'<li>{box}<path class="step c{k} d{k}" d="{shape}"/></svg>{label}</li>'
    return f'<ul class="legend">{items}</ul>'
