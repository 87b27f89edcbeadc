"""What the figures of a report come to, in plain sentences: the summaries of the panels, and how a score stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthkit.metrics.base import Group, Score
from synthkit.report import text
from synthkit.report.gates import _Z, _excess

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["Standing", "leading", "standing", "summary"]

# The scores that lead a panel's summary, in this order, as many as there are.
_LEAD: dict[Group, tuple[str, ...]] = {
    "fidelity": ("detection", "detection_boosting", "shape", "pair"),
    "utility": ("tstr", "global_utility", "what_if", "feature_importance"),
    "privacy": ("membership", "mia_distance", "copies", "dcr"),
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
        return Standing("unsure", "no fresh rows")
    excess = _excess(score, value, interval, _Z)
    if interval is None and score.fresh_interval is None:
        return Standing("pass", "as fresh rows") if excess.value <= 0 else Standing("unsure", "no interval")
    if excess.low > 0:
        return Standing("fail", "worse than fresh")
    if not score.details.get("power", {}).get("enough", True):
        return Standing("unsure", "too few rows")
    return Standing("pass", "as fresh rows")


def leading(report: Report, group: Group) -> list[Score]:
    """The scores that a reader should know first."""
    chosen = [report.scores[name] for name in _LEAD[group] if name in report.scores]
    if any(score.name == "detection" for score in chosen):
        chosen = [score for score in chosen if score.name != "detection_boosting"]
    if any(score.name == "membership" for score in chosen):
        chosen = [score for score in chosen if score.name != "mia_distance"]
    others = [score for score in report.scores.values() if score.group == group and score not in chosen]
    return (chosen + others)[:_SHOWN]


def summary(report: Report, group: Group) -> list[str]:
    """A panel in plain sentences; empty where it has no score."""
    scores = [score for score in report.scores.values() if score.group == group]
    if not scores:
        return []
    return [_count(group, scores), *(text.sentence(score) for score in leading(report, group))]


def _count(group: Group, scores: Sequence[Score]) -> str:
    """How many scores stand how, and which is the farthest off."""
    stands = {score.name: standing(score).status for score in scores}
    good, bad, unsure = (sum(s == status for s in stands.values()) for status in ("pass", "fail", "unsure"))
    figures = "score" if len(scores) == 1 else "scores"
    if good + bad == 0:
        return f"Of {len(scores)} {figures} none can be held against fresh real rows."
    who = "attacks and distances" if group == "privacy" else "figures"
    parts = [f"{good} of {len(scores)} {who} are not shown to be worse than fresh real rows"]
    if bad:
        parts.append(f"{bad} {'is' if bad == 1 else 'are'}")
    if unsure:
        parts.append(f"{unsure} cannot be told")
    line = ", ".join(parts) + "."
    worst = [score for score in scores if stands[score.name] == "fail"]
    if worst:
        far = max(worst, key=_reach)
        line += f" Farthest off: {far.label[:1].lower() + far.label[1:] if far.label[1:2].islower() else far.label}."
    return line


def _reach(score: Score) -> float:
    """How far from fresh towards independent columns, or towards copies."""
    excess = _excess(score, score.matched, score.matched_interval, _Z).value
    culprit = score.copy if score.group == "privacy" else score.independent
    span = abs(culprit - score.fresh)
    return excess / span if span > 1e-9 else excess
