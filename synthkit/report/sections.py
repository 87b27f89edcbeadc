"""Sections of the HTML report: verdicts, summaries, scores, privacy, limits, provenance, definitions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from synthkit.metrics.base import Group, Score
from synthkit.report import text
from synthkit.report.gates import GateResult, Verdict
from synthkit.report.reading import standing, summary
from synthkit.report.scales import badge, scale_legend, scale_svg
from synthkit.report.svg import Figure, esc, short

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = [
    "chip",
    "definitions_section",
    "figure_card",
    "legend",
    "limits_section",
    "privacy_section",
    "provenance_section",
    "real_rows",
    "scores_section",
    "section",
    "summary_section",
    "table",
    "verdict_section",
    "whats",
]

_SIGNS = {"pass": "✓", "fail": "✕", "unsure": "?", "cannot tell": "?"}
_PARTS = 10


def section(name: str, title: str, *content: str, lead: str = "") -> str:
    """A section with a heading that the navigation points to."""
    intro = f'<p class="lead">{esc(lead)}</p>' if lead else ""
    head = f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{title}</h2>'
    return f"{head}{intro}{''.join(content)}</section>"


def chip(status: str, words: str) -> str:
    """A status with a sign and a word, never by colour alone."""
    kind = "unsure" if status == "cannot tell" else status
    return f'<span class="chip {kind}"><span aria-hidden="true">{_SIGNS[status]}</span> {esc(words)}</span>'


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    boxed: bool = True,
    class_: str = "",
    labels: Sequence[str] | None = None,
) -> str:
    """A table with a caption; cells are HTML, the first of a row names it.

    ``class_``: ``"prose"`` lets cells wrap; ``"stack"`` turns rows into cards on a phone, where ``labels`` (by default
    the heads) name the cells.
    """
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in heads)
    body = ""
    for first, *rest in rows:
        cells = "".join(
            f'<td role="cell" data-label="{name}">{cell}</td>'
            for name, cell in zip((labels or heads)[1:], rest, strict=True)
        )
        body += f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{cells}</tr>'
    classes, name = f"scroll{' card' if boxed else ''} {class_}".rstrip(), esc(caption)
    return (
        f'<div class="{classes}" tabindex="0" role="region" aria-label="{name}"><table role="table">'
        f'<caption><span>{name}</span></caption><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def real_rows(reports: Mapping[str, Report]) -> str:
    """Which real rows judge."""
    held = "holdout" in next(iter(reports.values())).provenance.get("rows", {})
    return "holdout rows" if held else "training rows"


def whats(report: Report) -> str:
    """What a report counts: rows, or, of records over time, entities, or, of long series, blocks."""
    if text.is_series(report):
        return "blocks"
    return "entities" if text.is_panel(report) else "rows"


def legend(real: str, names: Sequence[str], kind: Literal["area", "curve"] = "area") -> str:
    """How real rows and each synthetic table are drawn in figures that lay them over each other."""
    box = '<svg class="sk" width="26" height="14" aria-hidden="true">'
    sign = '<path class="area" d="M1 13V6H10V2H18V8H25V13Z"/>'
    if kind == "curve":
        sign = '<rect class="band" x="1" y="1" width="24" height="12"/><path class="curve" d="M1 7H25"/>'
    items = f"<li>{box}{sign}</svg>real ({esc(real)})</li>"
    for k, name in enumerate(names):
        shape = "M1 13V5H9V3H17V9H25V13" if kind == "area" else "M1 7H25"
        letter = f"<b>{badge(k)}</b> " if len(names) > 1 else ""
        items += f'<li>{box}<path class="step c{k % 6} d{k % 6}" d="{shape}"/></svg>{letter}{esc(name)}</li>'
    return f'<ul class="legend">{items}</ul>'


def figure_card(title: str, figure: Figure, remark: str = "") -> str:
    """A figure with its title, for a grid of such."""
    beside = f'<span class="mut">{esc(remark)}</span>' if remark else ""
    head = f'<header><h3 title="{esc(title)}">{esc(short(title, 40))}</h3>{beside}</header>'
    return f'<article class="card figure">{head}{figure.inline()}</article>'


# -------------------------------------------------------------------- verdicts
def verdict_section(verdicts: Sequence[Verdict], what: str = "rows") -> str:
    """A card per purpose: does the table pass, and why not? ``what``: what is counted."""
    cards = "".join(_card(verdict) for verdict in verdicts)
    return section(
        "verdict",
        "Good enough for…",
        f'<div class="cards two">{cards}</div>',
        lead=f"A gate asks how much worse the synthetic {what} score than as many fresh real {what}. It fails where "
        "they are worse than tolerated beyond chance, and cannot tell where the data are too few to see.",
    )


def _card(verdict: Verdict) -> str:
    order = ("fail", "cannot tell", "pass")
    results = sorted(verdict.results, key=lambda r: order.index(r.status))
    status = "unsure" if verdict.status == "cannot tell" else verdict.status
    return (
        f'<article class="card verdict {status}"><header><h3>{esc(verdict.profile)}</h3>'
        f'{chip(verdict.status, verdict.status)}</header><p class="mut">{esc(verdict.purpose)}</p>'
        f'<ul class="gates">{"".join(_gate(result) for result in results)}</ul></article>'
    )


def _gate(result: GateResult) -> str:
    status = "unsure" if result.status == "cannot tell" else result.status
    return (
        f'<li><span class="sign {status}" aria-hidden="true">{_SIGNS[status]}</span><details'
        f'{" open" if result.status != "pass" else ""}><summary><span class="sr">{result.status}: </span>'
        f"{esc(text.capital(result.label))}</summary><p>{esc(result.reason)}</p></details></li>"
    )


# -------------------------------------------------------------------- summaries and scores
def summary_section(report: Report) -> str:
    """The three panels in plain sentences."""
    cards = ""
    for group, title in text.GROUPS.items():
        lines = summary(report, group)
        if lines:
            first, *rest = (esc(line) for line in lines)
            body = f"<p><strong>{first}</strong></p>" + "".join(f"<p>{line}</p>" for line in rest)
        else:
            body = f"<p>Not measured. {esc(_why_empty(report, group))}</p>"
        cards += f'<article class="card"><h3>{title}</h3>{body}</article>'
    return section("summary", "In a few sentences", f'<div class="cards three">{cards}</div>')


def _why_empty(report: Report, group: Group) -> str:
    if group == "utility" and text.is_series(report):
        return "Utility needs a holdout to predict."
    if group == "utility" and report.provenance.get("target") is None:
        return "Utility needs a target to predict, and a holdout to predict it on."
    return "See what was left out, below."


def scores_section(report: Report) -> str:
    """Every score on its scale, with its sentence; its definition and breakdown unfold."""
    what = whats(report)
    parts = [scale_legend(of=what)]
    for title, scores in text.panels(report):
        rows = "".join(_score_rows(score) for score in scores)
        of = scores[0].of
        heads = ("Score", f"All {of}", "Like for like", f"Fresh {of}", "Scale")
        head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in heads)
        parts.append(
            f'<table class="scores" role="table"><caption>{title}</caption><thead role="rowgroup"><tr role="row">{head}'
            f"</tr></thead>{rows}</table>"
        )
    return section(
        "scores",
        "Scores",
        *parts,
        lead=f"Compare “like for like” with “fresh {what}”: both have the same number of {what} and the same judge. "
        f"Fresh {what} are real {what} that nobody trained on; a perfect generator would score the same.",
    )


def _score_rows(score: Score) -> str:
    stand = standing(score)
    goal = "lower is better" if score.goal == "lower" else "higher is better"
    cells = (
        (f"All {score.of}", f"<b>{text.number(score.value)}</b>{_interval(score.interval)}"),
        ("Like for like", f"<b>{text.number(score.matched)}</b>{_interval(score.matched_interval)}"),
        (f"Fresh {score.of}", f"{text.number(score.fresh)}{_interval(score.fresh_interval)}"),
    )
    data = "".join(f'<td role="cell" data-label="{name}">{cell}</td>' for name, cell in cells)
    name = esc(score.name)
    line = text.sentence(score) if score.reading or not score.definition else score.definition
    return (
        f'<tbody role="rowgroup" id="score-{name}" data-score="{name}"><tr role="row"><th scope="row" role="rowheader">'
        f'{esc(text.capital(score.label))} <span class="under">{chip(stand.status, stand.words)}'
        f"<small>{goal}</small></span>"
        f"</th>{data}"
        f'<td role="cell" class="scale">{scale_svg(score)}</td></tr><tr role="row" class="more"><td role="cell" '
        f'colspan="5"><details><summary>{esc(line)}</summary>{_more(score)}</details></td></tr></tbody>'
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" <small>{text.number(interval[0])}–{text.number(interval[1])}</small>"


def _more(score: Score) -> str:
    """What unfolds: definition, note, references, the worst parts."""
    other = score.definition if score.reading else text.sentence(score)
    lines = [f"<p>{esc(other)}</p>"] if other else []
    if score.note:
        lines.append(f"<p>{esc(text.capital(score.note))}.</p>")
    known = {k: v for k, v in score.parts.items() if not math.isnan(v)}
    if known:
        worst = sorted(known, key=lambda k: known[k], reverse=score.goal == "lower")
        rest = len(worst) - _PARTS
        title = f"The {_PARTS} worst parts of {len(known)}" if rest > 0 else "Parts"
        rows = [(esc(short(text.part_name(k), 60)), text.number(known[k])) for k in worst[:_PARTS]]
        lines.append(table(f"{title}: {score.label}", ("Part", "Value"), rows, boxed=False))
    return "".join(lines)


# -------------------------------------------------------------------- privacy
def privacy_section(report: Report) -> str:
    """Attacks beside their controls."""
    scores = [score for score in report.scores.values() if score.group == "privacy"]
    if not scores:
        return ""
    rows, what = [], whats(report)
    for score in scores:
        power = score.details.get("power", {})
        seen = text.number(power["detectable"]) if "detectable" in power else "-"
        stand = standing(score)
        rows.append(
            (
                esc(text.capital(score.label)),
                f"<b>{text.number(score.shown)}</b>{_interval(score.shown_interval)}",
                text.number(score.fresh) + _interval(score.fresh_interval),
                text.number(score.copy),
                seen,
                chip(
                    stand.status,
                    {"pass": f"no more than in fresh {what}", "fail": f"more than in fresh {what}"}.get(
                        stand.status, stand.words
                    ),
                ),
                f'<div class="wide">{scale_svg(score)}</div>',
            )
        )
    sides = (f"Synthetic {what}", f"Fresh {what} (control)", f"Copied {what}")
    heads = ("Attack", *sides, "Least it could see", "Found", "Scale")
    return section(
        "privacy",
        "Privacy: attacks beside their controls",
        table(
            f"What each attack finds in synthetic {what}, in fresh real {what}, and in copied training {what}",
            heads,
            rows,
            class_="stack",
        ),
        f'<p class="note">An attack that finds no more in synthetic {what} than in fresh ones has failed here. That '
        "does not show that every attack fails, and it is no guarantee about a person: only a proof such as "
        "differential privacy gives one. “Least it could see” is the smallest figure that these data would have shown "
        "with 80 % probability."
        "</p>",
        lead=f"Every attack tries to tell who was in the training {what}. What it finds in real {what} that nobody "
        "trained on is its control; what it finds in plain copies is what failure looks like.",
    )


# -------------------------------------------------------------------- the fine print
def limits_section(report: Report) -> str:
    """What the report can't know, and what was left out."""
    notes = "".join(f"<li>{esc(note)}</li>" for note in report.notes)
    remarks = [f"<li>{esc(s.label)}: {esc(s.note)}</li>" for s in report.scores.values() if "too few" in s.note]
    left = [(esc(name), esc(why)) for name, why in report.left_out.items()]
    return section(
        "limits",
        "What this report cannot know",
        f"<ul class='notes'>{notes}{''.join(remarks)}</ul>",
        table("Scores that were left out", ("Score", "Why"), left, class_="prose") if left else "",
    )


def provenance_section(report: Report) -> str:
    """Rows, level, seed, versions and seconds."""
    known = {
        k: v
        for k, v in report.provenance.items()
        if v not in (None, [], "") and k not in ("seconds", "versions", "seed")
    }
    rows = [(esc(text.capital(k.replace("_", " "))), esc(_flat(v))) for k, v in known.items()]
    rows += [("Seed", esc(report.provenance[key])) for key in ("seed",) if key in report.provenance]
    versions = report.provenance.get("versions", {})
    rows += [(esc(name), esc(version)) for name, version in versions.items()]
    seconds = report.provenance.get("seconds", {})
    slow = sorted(seconds.items(), key=lambda item: -item[1])
    spent = [(esc(name), f"{value:.2f}") for name, value in slow]
    times = table("Seconds per score", ("Score", "Seconds"), spent)
    return section(
        "provenance",
        "Provenance",
        '<div class="split">',
        table("How this report was made", ("What", "Value"), rows, class_="prose"),
        times if spent else "",
        "</div>",
    )


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{v:,} {k}" if isinstance(v, int) else f"{k} {v}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(v) for v in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def definitions_section(report: Report) -> str:
    """What each score is, and what the references are."""
    terms = [
        (
            "Like for like",
            "Synthetic rows, as many as each reference has, before the same judge. Compare with fresh rows.",
        ),
        ("Fresh rows", "One half of the holdout in the synthetic table's place, judged by the other half."),
        ("Copied rows", "A bootstrap of the training rows: the memoriser."),
        ("Independent columns", "Training rows, each column shuffled by itself: right columns, no dependence."),
    ]
    if text.is_series(report):
        terms = [
            ("Like for like", "Blocks of the synthetic paths, as long as the real ones, before the same judge."),
            ("Fresh blocks", "Held-out real blocks in the synthetic paths' place."),
            (
                "Copied blocks",
                "A stationary bootstrap: stretches of training steps, one after the other. It copies real values; what "
                "it reaches is what any model should be shown beside.",
            ),
            ("Independent columns", "Training moves, each column shuffled by itself: right values, no memory."),
        ]
    if text.is_panel(report):
        terms += [
            (
                "Of records over time",
                "In figures of entities whole entities stand where rows do above: as many synthetic ones, holdout "
                "entities (one half of them where the other half judges), a bootstrap of training entities, and "
                "training entities whose columns are shuffled.",
            )
        ]
    terms += [(text.capital(score.label), score.definition) for score in report.scores.values() if score.definition]
    body = "".join(f"<dt>{esc(name)}</dt><dd>{esc(words)}</dd>" for name, words in terms)
    return section("definitions", "Definitions", f"<dl>{body}</dl>")
