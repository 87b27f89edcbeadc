"""What a notebook shows of a report or of a comparison: gates, leading figures, and the rest folded.

One block of HTML with a style sheet that touches nothing outside it; no script and nothing from outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synthkit.metrics.base import Score
from synthkit.report import text
from synthkit.report.drawn import Drawing
from synthkit.report.gates import PROFILES, Verdict
from synthkit.report.reading import leading, standing, summary
from synthkit.report.scales import badge_svg, scale_legend, scale_svg, scales_svg
from synthkit.report.sections import chip, legend
from synthkit.report.style import notebook_style
from synthkit.report.survival import Survival
from synthkit.report.svg import Figure, esc, short

if TYPE_CHECKING:
    from synthkit.report.comparison import Comparison
    from synthkit.report.report import Report

__all__ = ["comparison_html", "report_html"]

_CARDS = 3
_TABLES = 6


def report_html(report: Report) -> str:
    """The compact form of a report."""
    return _block(
        "Evaluation of a synthetic table",
        text.head(report),
        "" if text.is_series(report) else _row(_gate(report.check(profile)) for profile in PROFILES),
        _row(_panel(title, summary(report, group)) for group, title in text.GROUPS.items()),
        _scores(report),
        _figures({"synthetic": report}),
        _fold("All scores, and what to know of them", text.small_html(report)),
    )


def comparison_html(comparison: Comparison) -> str:
    """The compact form of a comparison: ranking, leading figures of all tables on one scale."""
    order = [str(name) for name in comparison.summary().index]
    best = {name: comparison.reports[name] for name in order[:_TABLES]}
    first = next(iter(comparison.reports.values()))
    figures = comparison.to_frame().drop(columns=["group", "goal"])
    notes = "<br>".join(esc(note) for note in first.notes)
    every = figures.to_html(float_format=text.number, na_rep="-", index=False, border=0)
    return _block(
        "Comparison of synthetic tables",
        text.head(first),
        _ranking(comparison, order),
        _side_by_side(comparison, order),
        _figures(best),
        _fold("All figures, and what to know of them", f"{every}<p>{notes}</p>"),
    )


def _block(title: str, subtitle: str, *parts: str) -> str:
    head = f'<p class="skn-title">{esc(title)}</p><p class="mut">{esc(subtitle)}</p>'
    return f'<div class="skn"><style>{notebook_style()}</style>{head}{"".join(parts)}</div>'


def _row(cards: object, class_: str = "") -> str:
    inside = "".join(cards)  # type: ignore[call-overload]
    return f'<div class="skn-row{class_}">{inside}</div>' if inside else ""


def _fold(title: str, content: str) -> str:
    return f'<details class="skn-fold"><summary>{title}</summary>{content}</details>'


# -------------------------------------------------------------------- one table
def _gate(verdict: Verdict) -> str:
    """A purpose and its verdict; what does not pass unfolds."""
    reasons = "".join(
        f"<p><b>{esc(text.capital(r.label))}</b> {esc(r.status)}: {esc(r.reason)}</p>"
        for r in verdict.results
        if r.status != "pass"
    )
    head = f"<summary>{esc(text.capital(verdict.profile))} {chip(verdict.status, verdict.status)}</summary>"
    body = f'<p class="mut">{esc(verdict.purpose)}</p>{reasons}'
    return f'<div class="skn-card"><details class="skn-gate">{head}{body}</details></div>'


def _panel(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f'<div class="skn-card"><b>{title}</b><p>{esc(lines[0])}</p></div>'


def _scores(report: Report) -> str:
    """The leading scores of each panel on their scales."""
    rows = ""
    for group, title in text.GROUPS.items():
        scores = leading(report, group)
        if scores:
            rows += f'<tr class="skn-panel"><th scope="rowgroup" colspan="5">{title}</th></tr>'
            rows += "".join(_score_row(score) for score in scores)
    heads = ("Score", "Like for like", "Fresh rows", "", "Scale")
    return _table(heads, rows) + scale_legend()


def _score_row(score: Score) -> str:
    stand = standing(score)
    return (
        f'<tr title="{esc(text.sentence(score))}"><th scope="row">{esc(text.capital(score.label))}</th>'
        f"<td><b>{text.number(score.shown)}</b></td><td>{text.number(score.fresh)}</td>"
        f'<td class="skn-wide">{chip(stand.status, stand.words)}</td><td class="skn-scale">{scale_svg(score)}</td></tr>'
    )


def _table(heads: Sequence[str], rows: str) -> str:
    classes = {"": ' class="skn-wide"', "Scale": ' class="skn-scale"'}
    head = "".join(f'<th scope="col"{classes.get(name, "")}>{name}</th>' for name in heads)
    return f'<div class="skn-over"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


# -------------------------------------------------------------------- figures
def _figures(reports: dict[str, Report]) -> str:
    """The columns that are farthest off, and survival where it was measured."""
    drawing = Drawing.of_reports(reports)
    if drawing is None:
        return ""
    survival, cards = Survival.of_reports(reports), []
    drawn = survival is not None and (None, "") in survival.groups()
    for name in drawing.worst()[: _CARDS - drawn]:
        found = drawing.figures(name)
        if not isinstance(found, str):
            error = drawing.errors.get(name, math.nan)
            cards.append(_card(short(name, 30), "" if math.isnan(error) else f"off by {text.number(error)}", found[0]))
    if survival is not None and drawn:
        cards.append(_card("Survival", "Kaplan-Meier", survival.figure((None, ""))))
    return (legend(drawing.of, list(reports)) + _row(cards, " wide")) if cards else ""


def _card(title: str, remark: str, figure: Figure) -> str:
    return f'<div class="skn-card"><b>{esc(title)}</b> <span class="mut">{esc(remark)}</span>{figure.inline()}</div>'


# -------------------------------------------------------------------- several tables
def _who(at: int, name: str) -> str:
    return f'<span class="who">{badge_svg(at)}{esc(short(name, 30))}</span>'


def _ranking(comparison: Comparison, order: Sequence[str]) -> str:
    summary_ = comparison.summary()
    # profiles have no gates of series
    profiles = [] if text.is_series(next(iter(comparison.reports.values()))) else list(PROFILES)
    rows = ""
    for at, name in enumerate(order):
        ranks = "".join(f"<td>{'-' if math.isnan(v) else f'{v:.2f}'}</td>" for v in summary_.loc[name])
        verdicts = (comparison.reports[name].check(profile) for profile in profiles)
        chips = "".join(f"<td>{chip(v.status, v.status)}</td>" for v in verdicts)
        rows += f'<tr><th scope="row">{_who(at, name)}</th>{ranks}{chips}</tr>'
    heads = "".join(f'<th scope="col">{text.capital(str(column))}</th>' for column in summary_.columns)
    heads += "".join(f'<th scope="col">{text.capital(profile)}</th>' for profile in profiles)
    head = f'<thead><tr><th scope="col">Table</th>{heads}</tr></thead>'
    return (
        f'<div class="skn-over"><table>{head}<tbody>{rows}</tbody></table></div>'
        '<p class="mut">Ranks are means over scores, by how much worse than fresh real rows they are; 1 is best.</p>'
    )


def _side_by_side(comparison: Comparison, order: Sequence[str]) -> str:
    """The leading scores, each with all tables on one scale."""
    rows, first = "", next(iter(comparison.reports.values()))
    for group, title in text.GROUPS.items():
        scores = leading(first, group)
        if scores:
            rows += f'<tr class="skn-panel"><th scope="rowgroup" colspan="{len(order) + 3}">{title}</th></tr>'
        for score in scores:
            several = [comparison.reports[name].scores[score.name] for name in order]
            cells = "".join(f"<td>{text.number(own.shown)}</td>" for own in several)
            rows += (
                f'<tr><th scope="row">{esc(text.capital(score.label))}</th>{cells}<td>{text.number(score.fresh)}</td>'
                f'<td class="skn-scale">{scales_svg(several, order)}</td></tr>'
            )
    heads = ("Score", *(_who(at, name) for at, name in enumerate(order)), "Fresh rows", "Scale")
    return _table(heads, rows) + scale_legend(several=True)
