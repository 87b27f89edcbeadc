"""The HTML page of a comparison: several synthetic tables, ranked and side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from synthkit.report import text
from synthkit.report.credit import credit_section
from synthkit.report.drawn import Drawing, columns_section
from synthkit.report.html import named_profiles, page
from synthkit.report.panel_section import compared_panels
from synthkit.report.scales import badge_svg, scale_legend, scales_svg
from synthkit.report.sections import (
    chip,
    definitions_section,
    limits_section,
    provenance_section,
    section,
    table,
    whats,
)
from synthkit.report.series_section import compared_series
from synthkit.report.survival import survival_section
from synthkit.report.svg import esc, short

if TYPE_CHECKING:
    from synthkit.report.comparison import Comparison

__all__ = ["render_comparison"]

_NAMES = {
    "ranking": "Ranking",
    "scores": "Scores",
    "overtime": "Over time",
    "series": "Series",
    "columns": "Columns",
    "survival": "Survival",
    "credit": "Credit",
    "limits": "Limits",
    "provenance": "Provenance",
    "definitions": "Definitions",
}
MAX_OVERLAID = 6
"""Tables that are drawn over each other; of more, the best ranked."""


def render_comparison(comparison: Comparison, *, profiles: str | Sequence[str] | None = None) -> str:
    """The whole page; for ``profiles`` see :func:`synthkit.report.html.render`."""
    first = next(iter(comparison.reports.values()))
    order = [str(name) for name in comparison.summary().index]
    best = {name: comparison.reports[name] for name in order[:MAX_OVERLAID]}
    if profiles is None and text.is_series(first):
        profiles = ()  # they have no gates of series
    drawing = Drawing.of_reports(best)
    parts = {
        "ranking": _ranking(comparison, order, named_profiles(profiles)),
        "scores": _scores(comparison, order),
        "overtime": compared_panels(best),
        "series": compared_series(best),
        "columns": "" if drawing is None else columns_section(drawing),
        "survival": survival_section(best),
        "credit": credit_section(best),
        "limits": limits_section(replace(first, notes=comparison.notes)),
        "provenance": provenance_section(first),
        "definitions": definitions_section(first),
    }
    return page("Comparison of synthetic tables", text.head(first), parts, _NAMES)


def _ranking(comparison: Comparison, order: Sequence[str], profiles: Sequence[str]) -> str:
    """Mean ranks, and what each table is good enough for; the best table first."""
    summary, of = comparison.summary(), whats(next(iter(comparison.reports.values())))
    rows = []
    for at, name in enumerate(order):
        ranks = [f"{v:.2f}" if not math.isnan(v) else "-" for v in summary.loc[name]]
        verdicts = (comparison.reports[name].check(profile) for profile in profiles)
        flag = f" {chip('fail', 'made of real values')}" if text.copies(comparison.reports[name]) else ""
        rows.append((_who(at, name) + flag, *ranks, *(chip(v.status, v.status) for v in verdicts)))
    heads = ("Table", *(f"Rank: {column}" for column in summary.columns), *(text.capital(p) for p in profiles))
    return section(
        "ranking",
        "Ranking",
        table("Mean ranks, and what each table is good enough for", heads, rows, class_="stack narrow"),
        lead=f"Each score ranks the tables by how much worse than fresh real {of} they are; 1 is best, ties share.",
    )


def _who(at: int, name: str) -> str:
    return f'<span class="who">{badge_svg(at)}{esc(short(name, 40))}</span>'


def _scores(comparison: Comparison, order: Sequence[str]) -> str:
    """A table per panel: each score of all tables on one scale."""
    ranks, of = comparison.ranks(), whats(next(iter(comparison.reports.values())))
    parts = [scale_legend(several=True, of=of)]
    for title, scores in text.panels(next(iter(comparison.reports.values()))):
        rows = []
        for score in scores:
            several = [comparison.reports[name].scores[score.name] for name in order]
            best = ranks.loc[score.name].min() if score.name in ranks.index else math.nan
            figures = []
            for name, own in zip(order, several, strict=True):
                words = text.number(own.shown)
                leads = score.name in ranks.index and ranks.loc[score.name, name] == best
                figures.append(f"<b>{words}</b>" if leads else words)
            goal = f"<small>{score.goal} is better</small>"
            scale = f'<div class="wide">{scales_svg(several, order)}</div>'
            rows.append((f"{esc(text.capital(score.label))}<br>{goal}", *figures, text.number(score.fresh), scale))
        heads = ("Score", *(_who(at, name) for at, name in enumerate(order)), f"Fresh {of}", "Scale")
        labels = ("Score", *(esc(short(name, 24)) for name in order), f"Fresh {of}", "Scale")
        parts.append(table(title, heads, rows, class_="stack", labels=labels))
    return section(
        "scores",
        "Scores",
        *parts,
        lead=f"Tables and references on the same number of {of}, before the same judge. The nearest to fresh is bold.",
    )
