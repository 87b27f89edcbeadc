"""What the figures of a report come to, in plain sentences: the summaries of the panels, and how a score stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthkit.metrics.base import Group, Score
from synthkit.report import text
from synthkit.report.gates import excess_over_fresh

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["Standing", "brief", "leading", "standing", "summary"]

# The scores that lead a panel's summary, in this order, as many as there are.
_LEAD: dict[Group, tuple[str, ...]] = {
    "fidelity": (
        "window_detection",
        "stylised_facts",
        "acf",
        "entity_detection",
        "transitions",
        "variance",
        "detection",
        "detection_boosting",
        "shape",
        "pair",
    ),
    "utility": ("label", "next_step", "next_move", "tstr", "utility_kept", "what_if"),
    "privacy": (
        "series_copies",
        "entity_membership",
        "memorisation",
        "entity_copies",
        "membership",
        "mia_distance",
        "copies",
        "dcr",
    ),
}
_SHOWN = 3


@dataclass(frozen=True)
class Standing:
    """How a score stands beside fresh rows.

    Attributes:
        status: ``"pass"``: not shown to be worse; ``"fail"``: worse, beyond chance; ``"unsure"``: cannot tell.
        words: the same for people.
    """

    status: str
    words: str


def standing(score: Score) -> Standing:
    """Is a score worse than what fresh rows get, beyond what chance explains (95 %)?"""
    value, interval = score.matched, score.matched_interval
    if math.isnan(score.value):
        return Standing("unsure", "not found")
    if math.isnan(score.fresh) or math.isnan(value):
        return Standing("unsure", f"no fresh {score.of}")
    excess = excess_over_fresh(score)
    if interval is None and score.fresh_interval is None:
        return Standing("pass", f"as fresh {score.of}") if excess.value <= 0 else Standing("unsure", "no interval")
    if excess.low > 0:
        return Standing("fail", "worse than fresh")
    if not score.details.get("power", {}).get("enough", True):
        return Standing("unsure", "too few rows")
    return Standing("pass", f"as fresh {score.of}")


def leading(report: Report, group: Group) -> list[Score]:
    """The scores that a reader should know first."""
    scores = {score.name: score for score in report.scores.values() if score.group == group}
    for leader, member in (("detection", "detection_boosting"), ("membership", "mia_distance")):
        if leader in scores:
            scores.pop(member, None)  # the leader is the worst of several, among them this one
    names = dict.fromkeys([*(name for name in _LEAD[group] if name in scores), *scores])
    return [scores[name] for name in names][:_SHOWN]


def summary(report: Report, group: Group) -> list[str]:
    """A panel in plain sentences; empty where it has no score."""
    scores = [score for score in report.scores.values() if score.group == group]
    if not scores:
        return []
    return [_count(group, scores), *(brief(score) for score in leading(report, group))]


def brief(score: Score) -> str:
    """A short sentence: the figure beside that of fresh rows, and of what it must not be near."""
    value = score.shown
    if math.isnan(value):
        return text.sentence(score)
    reading = (score.reading or f"{score.label}: {{value}}").replace("{value}", text.number(value))
    culprit = (
        (f"copied {score.of}", score.copy) if score.group == "privacy" else ("independent columns", score.independent)
    )
    found = [(name, v) for name, v in ((f"fresh real {score.of}", score.fresh), culprit) if not math.isnan(v)]
    beside = ", ".join(f"{name}: {text.number(v)}" for name, v in found)
    return text.capital(reading.replace("{best}", text.number(score.best)).rstrip(".")) + (
        f" ({beside})." if beside else "."
    )


def _small(words: str) -> str:
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def _count(group: Group, scores: Sequence[Score]) -> str:
    """How many scores stand how, and which is the farthest off."""
    stands = {score.name: standing(score).status for score in scores}
    good, bad, unsure = (sum(s == status for s in stands.values()) for status in ("pass", "fail", "unsure"))
    what = "attacks and distances" if group == "privacy" else "figures"
    counted = next((score.of for score in scores if score.of != "rows"), "rows")
    fresh = f"fresh real {counted}"
    if good + bad == 0:
        many = "The one figure cannot" if len(scores) == 1 else f"None of the {len(scores)} {what} can"
        return f"{many} be held against {fresh}."
    if len(scores) == 1:
        return f"The one figure is {'' if bad else 'not shown to be '}worse than for {fresh}."
    if bad == 0:
        line = f"None of the {len(scores)} {what} is shown to be worse than for {fresh}"
    else:
        line = f"{bad} of {len(scores)} {what} {'is' if bad == 1 else 'are'} worse than for {fresh}, beyond chance"
    line += f"; {unsure} cannot be told." if unsure else "."
    worst = [score for score in scores if stands[score.name] == "fail"]
    if worst:
        far = max(worst, key=_reach)
        line += f" Farthest off: {_small(far.label)}."
    return line


def _reach(score: Score) -> float:
    """How far from fresh towards independent columns, or towards copies."""
    excess = excess_over_fresh(score).value
    culprit = score.copy if score.group == "privacy" else score.independent
    span = abs(culprit - score.fresh)
    return excess / span if span > 1e-9 else excess
