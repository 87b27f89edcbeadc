"""A report as text: the compact table, Markdown, the small table of a notebook, and a sentence per score."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from synthkit.metrics.base import Group, Score

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = [
    "GROUPS",
    "OVER_TIME",
    "capital",
    "copies",
    "escaped",
    "head",
    "is_panel",
    "is_series",
    "markdown",
    "number",
    "panels",
    "part_name",
    "plain",
    "sentence",
    "small_html",
]

GROUPS: dict[Group, str] = {"fidelity": "Fidelity", "utility": "Utility", "privacy": "Privacy"}
OVER_TIME = "Records over time"
_HEADS = ("value", "95 % interval", "matched", "fresh", "copy", "independent")


def number(value: float) -> str:
    """Three decimals; a dash for what does not exist.

    >>> number(0.5), number(float("nan")), number(1234.5), number(0.00004)
    ('0.500', '-', '1,234', '4.0e-05')
    """
    if not math.isfinite(value):
        return "-"
    if 1e-9 < abs(value) < 5e-4:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def sentence(score: Score) -> str:
    """One plain sentence, made from the numbers.

    >>> score = Score("d", "detection (AUC)", "fidelity", "lower", 0.5, (0, 1), 0.53, fresh=0.5, independent=0.97)
    >>> sentence(score)
    'Detection (AUC): 0.530; fresh rows get 0.500, independent columns 0.970 (best: 0.500).'
    """
    if math.isnan(score.value):
        note = score.note.rstrip(".")
        return f"{capital(score.label)} could not be found{': ' + note if note else ''}."
    reading = score.reading or f"{capital(score.label)}: {{value}}"
    # no str.format: a reading may hold other braces
    begin = reading.replace("{value}", number(score.value)).replace("{best}", number(score.best)).rstrip(".")
    what = score.of
    found = [(f"fresh {what}", score.fresh), (f"copied {what}", score.copy), ("independent columns", score.independent)]
    apart = abs(score.matched - score.value) >= 0.005  # the figure depends on the number of rows
    if apart:
        found.insert(0, (f"on as many {what} as the references, synthetic {what}", score.matched))
    known = [(name, value) for name, value in found if not math.isnan(value)]
    rest = ", ".join(f"{name} {'get ' if k == 0 else ''}{number(value)}" for k, (name, value) in enumerate(known))
    return f"{begin}{'; ' + rest if rest else ''} (best: {number(score.best)})."


def capital(words: str) -> str:
    """With a large first letter."""
    return words[:1].upper() + words[1:]


def part_name(part: Any) -> str:
    """The name of a part: a column, a pair of columns, an attack."""
    return " with ".join(str(p) for p in part) if isinstance(part, tuple) else str(part)


def _interval(score: Score) -> str:
    return "" if score.interval is None else f"{number(score.interval[0])} to {number(score.interval[1])}"


def _cells(score: Score) -> list[str]:
    references = (score.matched, score.fresh, score.copy, score.independent)
    return [number(score.value), _interval(score), *(number(v) for v in references)]


def panels(report: Report) -> Iterator[tuple[str, list[Score]]]:
    """Title and scores of each panel that has some; the fidelity of entities has one of its own."""
    over_time = [score for score in report.scores.values() if score.of == "entities" and score.group == "fidelity"]
    if over_time:
        yield OVER_TIME, over_time
    for group, title in GROUPS.items():
        scores = [s for s in report.scores.values() if s.group == group and s not in over_time]
        if scores:
            yield ("Single records, one of each entity" if group == "fidelity" and is_panel(report) else title), scores


def is_panel(report: Report) -> bool:
    """Is the report of records over time?"""
    return "entities" in report.provenance


def is_series(report: Report) -> bool:
    """Is the report of long series?"""
    return "steps" in report.provenance


def copies(report: Report) -> bool:
    """Are the synthetic paths of a report of series made of real values?"""
    return str(report.provenance.get("copies_real_values", "")).startswith("yes")


def head(report: Report) -> str:
    """Rows, level and seed in a line."""
    if is_series(report):
        steps = ", ".join(f"{n:,} {name}" for name, n in report.provenance["steps"].items())
        return f"steps: {steps}; {len(report.kinds)} series; level {report.provenance.get('level')}"
    entities = report.provenance.get("entities", {})
    if entities:
        records = report.provenance["rows"]
        whose = ", ".join(f"{n:,} {name} ({records[name]:,} records)" for name, n in entities.items())
        return f"entities: {whose}; {len(report.kinds)} columns; level {report.provenance.get('level')}"
    given = report.provenance.get("rows", {})
    rows = ", ".join(f"{count:,} {name}" for name, count in given.items())
    return f"{rows} rows; {len(report.kinds)} columns; level {report.provenance.get('level')}"


def plain(report: Report) -> str:
    """The compact table of ``print(report)``."""
    rows = {score.name: [_goal(score), *_cells(score)] for score in report.scores.values()}
    heads = ["best", *_HEADS]
    sizes = [max(map(len, column)) for column in zip(heads, *rows.values(), strict=True)]
    wide = max((len(score.label) for score in report.scores.values()), default=5)
    lines = [head(report)]
    for title, scores in panels(report):
        body = [(title, heads), *((score.label, rows[score.name]) for score in scores)]
        lines.append("")
        for label, cells in body:
            lines.append(f"{label:<{wide}}" + "".join(f"  {c:>{size}}" for c, size in zip(cells, sizes, strict=True)))
    for line in _legend(report):
        lines += ["", *textwrap.wrap(line, 100)]
    for line in _remarks(report):
        lines += textwrap.wrap(line, 100, subsequent_indent="  ")
    return "\n".join(lines)


def _goal(score: Score) -> str:
    return f"{'low' if score.goal == 'lower' else 'high'} {_short(score.best)}"


def _short(best: float) -> str:
    return f"{best:g}"


def _legend(report: Report) -> Iterator[str]:
    rows = report.provenance.get("reference_rows")
    if is_series(report):
        yield (
            "matched, fresh, copy, independent: as many steps each, before the same judge. matched: blocks of the "
            "synthetic paths; fresh: real blocks that nobody trained on; copy: a block bootstrap of the training "
            "series; independent: its moves shuffled column by column. Compare matched with fresh."
        )
        yield from _of_all(report)
        return
    if is_panel(report):
        entities = report.provenance["reference_entities"]
        yield (
            f"matched, fresh, copy, independent: {entities:,} entities (one half of the holdout of what the other half "
            f"judges), or {rows:,} single records, before the same judge. matched: synthetic ones; fresh: real ones "
            "that nobody trained on; copy: training ones drawn again; independent: columns shuffled. Compare matched "
            "with fresh."
        )
        yield from _of_all(report)
        return
    yield (
        f"matched, fresh, copy, independent: {rows:,} rows each, before the same judge. matched: synthetic rows; "
        "fresh: real rows that nobody trained on; copy: training rows drawn again; independent: columns shuffled. "
        "Compare matched with fresh."
    )
    yield from _of_all(report)


def _of_all(report: Report) -> Iterator[str]:
    """Notes, what was left out, and whether remarks follow."""
    yield from report.notes
    if report.left_out:
        yield "Left out: " + "; ".join(f"{name} ({why})" for name, why in report.left_out.items()) + "."
    if any(score.note for score in report.scores.values()):
        yield "Remarks:"


def _remarks(report: Report) -> Iterator[str]:
    """The metrics' own notes; scores of the same note share a line."""
    labels: dict[str, list[str]] = {}
    for score in report.scores.values():
        if score.note:
            labels.setdefault(score.note, []).append(score.label)
    yield from (f"- {'; '.join(names)}: {note}" for note, names in labels.items())


def markdown(report: Report) -> str:
    """A table per panel, then a sentence per score, notes, and what was left out."""
    lines = ["# Evaluation of a synthetic table", "", head(report) + "."]
    for title, scores in panels(report):
        lines += ["", f"## {title}", "", f"| score | best | {' | '.join(_HEADS)} |", "|---|" + "---:|" * 7]
        for score in scores:
            cells = " | ".join((_goal(score), *_cells(score)))
            lines.append(f"| {escaped(score.label)} | {cells} |")
        lines += ["", *(f"- {escaped(sentence(score))}" for score in scores)]
    legend = [*(f"- {escaped(note)}" for note in _legend(report)), *(f"  {escaped(note)}" for note in _remarks(report))]
    lines += ["", "## Notes", "", *legend]
    return "\n".join(lines) + "\n"


def escaped(words: str) -> str:
    """For a cell of a Markdown table."""
    return words.replace("\\", "\\\\").replace("|", "\\|").replace("<", "\\<").replace("\n", " ")


def small_html(report: Report) -> str:
    """All scores and remarks as plain HTML: no script, no style beyond alignment, so that any theme fits."""
    heads = "".join(f"<th>{text}</th>" for text in ("best", *_HEADS))
    rows = [f"<p>{html.escape(head(report))}</p><table>"]
    for title, scores in panels(report):
        rows.append(f"<tr><th style='text-align:left'>{title}</th>{heads}</tr>")
        for score in scores:
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (_goal(score), *_cells(score)))
            title_text = html.escape(sentence(score), quote=True)
            label = html.escape(score.label)
            rows.append(f"<tr title='{title_text}'><td style='text-align:left'>{label}</td>{cells}</tr>")
    notes = "<br>".join(html.escape(line) for line in (*_legend(report), *_remarks(report)))
    return "".join(rows) + f"</table><p>{notes}</p>"
