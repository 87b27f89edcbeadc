"""Sections of the HTML report that are drawn: columns, pairs, rows, and what gives synthetic rows away."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics.base import Score, Table
from synthkit.report import text
from synthkit.report.figures import MAX_HEAT, bars_figure, bins_figure, cumulative_figure, heat_figure, heat_order
from synthkit.report.pictures import LEAST, Bins, column_picture
from synthkit.report.projection import hexagons, hexagons_figure
from synthkit.report.reading import brief
from synthkit.report.sections import legend, section, table
from synthkit.report.svg import Figure, esc, percent, short

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = [
    "MAX_COLUMNS",
    "Drawing",
    "columns_section",
    "detection_section",
    "pair_score",
    "pairs_section",
    "rows_figures",
    "rows_section",
    "telling",
]

MAX_COLUMNS = 60
"""Columns that are drawn; of more, those that differ most."""


@dataclass(frozen=True)
class Drawing:
    """Real rows and one synthetic table or several, with the columns in question.

    Attributes:
        real: rows of the holdout, or training rows without one; synthetic: by name.
        kinds: the columns and what they are; errors: how far each is off, where known.
        of: what the real rows are.
    """

    real: Table
    synthetic: Mapping[str, Table]
    kinds: Mapping[Hashable, str]
    errors: Mapping[Hashable, float]
    of: str

    @classmethod
    def of_reports(cls, reports: Mapping[str, Report]) -> Drawing | None:
        """The tables behind reports on the same real rows; ``None`` where they have none (read from JSON)."""
        first = next(iter(reports.values()))
        if any("synthetic" not in report.tables for report in reports.values()):
            return None
        of = "holdout" if "holdout" in first.tables else "real"
        errors: dict[Hashable, float] = {}
        for report in reports.values():
            found = report.scores["shape"].parts if "shape" in report.scores else {}
            errors |= {name: max(v, errors.get(name, v)) for name, v in found.items() if not math.isnan(v)}
        synthetic = {name: report.tables["synthetic"] for name, report in reports.items()}
        words = "holdout rows" if of == "holdout" else "training rows"
        return cls(first.tables[of], synthetic, first.kinds, errors, words)

    def worst(self) -> list[Hashable]:
        """The columns to draw, the farthest off first."""
        return sorted(self.kinds, key=lambda name: -self.errors.get(name, 0.0))[:MAX_COLUMNS]

    def figures(self, name: Hashable) -> tuple[Figure, ...] | str:
        """The figures of a column: bars, or a histogram and a cumulative curve; a text where nothing may be drawn.

        Raises:
            ParamError: no such column.
        """
        if name not in self.kinds:
            raise ParamError(f"plot: argument 'column': {name!r} is no column that is judged.")
        dated = self.kinds[name] == "datetime"
        picture = column_picture(name, self.real, list(self.synthetic.values()), dated=dated)
        labels = list(self.synthetic)
        if isinstance(picture, str):
            return picture
        if isinstance(picture, Bins):
            both = (bins_figure(name, picture, labels), cumulative_figure(name, picture, labels))
            return both if len(picture.real) else both[:1]
        return (bars_figure(name, picture, labels),)


# -------------------------------------------------------------------- columns
def columns_section(drawing: Drawing) -> str:
    """A card per column: real and synthetic rows over each other."""
    names = drawing.worst()
    order = {name: k for k, name in enumerate(drawing.kinds)}
    cards = "".join(_column_card(drawing, name, order[name]) for name in names)
    rest = len(drawing.kinds) - len(names)
    note = f'<p class="note">{rest} more columns differ less, and are not drawn.</p>' if rest > 0 else ""
    return section(
        "columns",
        "Columns",
        legend(drawing.of, list(drawing.synthetic)),
        _CONTROLS if len(names) > 1 else "",
        f'<div class="grid" id="column-grid">{cards}</div>{note}',
        lead=f"Real {drawing.of} and synthetic rows over each other. Bins and categories of fewer than {LEAST} real "
        "rows are merged, and ranges end where extremes begin, so that no single real row is shown.",
    )


_CONTROLS = (
    '<div class="controls js" role="group" aria-label="Columns"><label>Find <input type="search" id="find" '
    'placeholder="column" autocomplete="off"></label><label>Order <select id="order"><option value="error">farthest '
    'off first</option><option value="at">as in the table</option><option value="name">by name</option></select>'
    "</label>"
    '<label class="box"><input type="checkbox" id="cumulative"> cumulative</label></div>'
)


def _column_card(drawing: Drawing, name: Hashable, at: int) -> str:
    figures = drawing.figures(name)
    error = drawing.errors.get(name, math.nan)
    body = f'<p class="note">{esc(figures)}</p>' if isinstance(figures, str) else ""
    if not isinstance(figures, str):
        classes = ("first", "second") if len(figures) > 1 else ("",)
        body = "".join(f'<div class="{c}">{f.inline()}</div>' for c, f in zip(classes, figures, strict=True))
    off = "" if math.isnan(error) else f'<span class="mut">off by {text.number(error)}</span>'
    label = esc(name)
    return (
        f'<article class="card column" data-name="{label}" data-error="{0.0 if math.isnan(error) else error:.6f}" '
        f'data-at="{at}"><header><h3 title="{label}">{esc(short(name, 40))}</h3>{off}</header>{body}</article>'
    )


# -------------------------------------------------------------------- pairs
def pair_score(report: Report, name: str | None = None) -> Score | None:
    """The score whose parts are pairs: the named one, or the first that there is."""
    names = ("pair", "contingency", "correlation", "mutual_information") if name is None else (name,)
    found = (report.scores[n] for n in names if n in report.scores)
    return next((s for s in found if any(isinstance(k, tuple) and len(k) == 2 for k in s.parts)), None)


def pairs_section(report: Report) -> str:
    """The heat map of pairs, and the worst of them as a table."""
    score = pair_score(report)
    if score is None:
        return ""
    parts = {k: v for k, v in score.parts.items() if isinstance(k, tuple) and len(k) == 2}
    names = heat_order(parts, list(report.kinds))
    if len(names) < 2:
        return ""
    title = f"{score.label}: difference of each pair of columns"
    figure = heat_figure(parts, names, title)
    known = {k: v for k, v in parts.items() if not math.isnan(v)}
    worst = sorted(known, key=lambda k: -known[k])[:10]
    rows = [
        (f"{esc(short(a, 28))} <span class='mut'>with</span> {esc(short(b, 28))}", text.number(known[a, b]))
        for a, b in worst
    ]
    capped = len(report.kinds) > len(names) >= MAX_HEAT
    note = f'<p class="note">The {len(names)} columns that differ most, of {len(report.kinds)}.</p>' if capped else ""
    return section(
        "pairs",
        "Pairs of columns",
        f'<div class="split"><div class="scroll card" tabindex="0" role="region" aria-label="{esc(title)}">'
        f"{figure.inline(fluid=False)}{note}</div>",
        table("Pairs that differ most", ("Pair", "Difference"), rows, class_="prose"),
        "</div>",
        lead="Where the dependence of two columns differs between real and synthetic rows: the stronger the colour, "
        "the more.",
    )


# -------------------------------------------------------------------- rows
def rows_section(report: Report) -> str:
    """Density of real and synthetic rows in two directions, and the difference."""
    panels = rows_figures(report)
    if panels is None:
        return ""
    figures, explained = panels
    titles = ("Real rows", "Synthetic rows", "Difference")
    notes = (
        f"cells of fewer than {LEAST} rows are left empty",
        "on the same grid",
        "orange: too many synthetic rows; blue: too few",
    )
    cards = "".join(
        f'<figure class="card"><figcaption><b>{title}</b> <span class="mut">{note}</span></figcaption>'
        f"{figure.inline()}</figure>"
        for title, note, figure in zip(titles, notes, figures, strict=True)
    )
    return section(
        "rows",
        "Whole rows",
        f'<div class="grid rows">{cards}</div>',
        lead="Rows along the two main directions of the real ones (principal components, which hold "
        f"{percent(explained)} of their variance), as densities rather than points.",
    )


def rows_figures(report: Report) -> tuple[list[Figure], float] | None:
    """The three panels, and the share of variance; ``None`` where there are too few rows or columns."""
    real = report.tables.get("holdout") or report.tables.get("real")
    synthetic = report.tables.get("synthetic")
    if real is None or synthetic is None:
        return None
    found = hexagons(real, synthetic, int(report.provenance.get("seed", 0)))
    if found is None:
        return None
    least = LEAST / min(len(real), 5000)
    return [hexagons_figure(found, kind, least) for kind in ("real", "synthetic", "difference")], found.explained


# -------------------------------------------------------------------- detection
def telling(report: Report) -> tuple[Score, pd.DataFrame, pd.DataFrame] | None:
    """The detection score that says what gives synthetic rows away: its columns, and their values."""
    for score in report.scores.values():
        columns, values = score.details.get("columns"), score.details.get("values")
        if isinstance(columns, pd.DataFrame) and isinstance(values, pd.DataFrame) and len(columns):
            return score, columns, values
    return None


def detection_section(report: Report) -> str:
    """The most telling columns, and the values that are too many or too few."""
    found = telling(report)
    if found is None:
        return ""
    score, columns, values = found
    top = columns.head(8)
    alone, lost = (
        np.maximum(top[key].to_numpy(np.float64), least) for key, least in (("auc", 0.5), ("importance", 0.0))
    )
    most = max(float((alone - 0.5).max()), float(lost.max()), 0.05)
    rows = [
        (esc(short(name, 40)), f"{text.number(a)}{_meter((a - 0.5) / most)}", f"{text.number(b)}{_meter(b / most)}")
        for name, a, b in zip(top["column"], alone.tolist(), lost.tolist(), strict=True)
    ]
    cards = "".join(_value_card(name, values[values["column"] == name]) for name in top["column"])
    if not cards:
        cards = '<p class="note span">No single value of a column is more or less frequent than chance explains.</p>'
    together = _combinations(score.details.get("pairs"))
    return section(
        "detection",
        "What gives synthetic rows away",
        table("Most telling columns", ("Column", "AUC of the column alone", "AUC lost without it"), rows),
        f'<div class="grid">{cards}</div>',
        together,
        lead=f"{brief(score)} These columns help the classifier most; 0.5 is a coin toss.",
    )


def _combinations(pairs: pd.DataFrame | None) -> str:
    """Combinations of two values that are too many or too few."""
    if pairs is None or pairs.empty:
        return ""
    rows = []
    for r in pairs.itertuples(index=False):
        values = ((r.column, r.value), (r.other_column, r.other_value))
        name = " <span class='mut'>and</span> ".join(
            f"<span class='mut'>{esc(short(column, 24))}</span> {esc(short(value, 28))}" for column, value in values
        )
        real = f"<{LEAST} rows" if math.isnan(r.real) else percent(float(r.real))
        rows.append((name, esc(real), percent(float(r.synthetic))))
    heads = ("Combination", "Real", "Synthetic")
    caption = "Combinations of two values that are off by more than the values themselves"
    return table(caption, heads, rows)


def _meter(share: float) -> str:
    return f'<span class="meter" aria-hidden="true"><i style="width:{100 * min(max(share, 0.0), 1.0):.0f}%"></i></span>'


def _value_card(name: Any, values: pd.DataFrame) -> str:
    if values.empty:
        return ""
    rows = [
        (esc(short(r.value, 40)), percent(float(r.real)), percent(float(r.synthetic)), _times(float(r.ratio)))
        for r in values.head(5).itertuples(index=False)
    ]
    heads = ("Value", "Real", "Synthetic", "Ratio")
    return f'<article class="card">{table(str(name), heads, rows, boxed=False)}</article>'


def _times(ratio: float) -> str:
    return f"{ratio:.2g} ×" if ratio < 100 else f"{ratio:,.0f} ×"
