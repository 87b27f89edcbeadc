"""A score on a small scale: the synthetic rows as a dot with its interval, fresh, copied and independent as marks.

The better end is always on the right, whatever the direction of the score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synthkit.metrics.base import Score
from synthkit.report import text as words
from synthkit.report.svg import Figure, el, esc, short, text

__all__ = ["Scale", "badge", "badge_svg", "mark", "scale_legend", "scale_svg", "scales_svg", "summary_figure"]

_PATHS = {
    "fresh": "M0 -7L6 0L0 7L-6 0Z",
    "copy": "M-5 -5H5V5H-5Z",
    "independent": "M-5 -5L5 5M5 -5L-5 5",
}
_CLASSES = {"fresh": "fresh", "copy": "ref", "independent": "ref"}
REFERENCES = (
    ("fresh", "fresh real rows"),
    ("copy", "copied training rows"),
    ("independent", "independent columns"),
)


@dataclass(frozen=True)
class Scale:
    """From a score's figure to a place between 0 (worst shown) and 1 (best).

    Attributes:
        worst, best: the figures at the two ends.
    """

    worst: float
    best: float

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Scale:
        """Wide enough for all figures of a score, of one table or of several."""
        found = [v for s in scores for v in (s.value, s.matched, s.fresh, s.copy, s.independent)]
        found += [v for s in scores for pair in (s.interval, s.matched_interval) if pair for v in pair]
        known = [v for v in found if math.isfinite(v)]
        best, sign = scores[0].best, 1.0 if scores[0].goal == "lower" else -1.0
        loss = max((sign * (v - best) for v in known), default=0.0)
        beyond = max(0.0, max((-sign * (v - best) for v in known), default=0.0))
        span = max(loss, 1e-9)
        return cls(best + sign * span * 1.04, best - sign * min(beyond, span * 0.25))

    def at(self, value: float) -> float:
        """The place of a figure; beyond an end it is the end."""
        return min(1.0, max(0.0, (value - self.worst) / (self.best - self.worst)))


def mark(kind: str, x: str, y: float) -> str:
    """The mark of a reference, or of the synthetic rows."""
    if kind == "synthetic":
        inside = el("circle", r=6, class_="dot")
    elif kind == "all":
        inside = el("circle", r=4, class_="ring")
    else:
        inside = el("path", d=_PATHS[kind], class_=_CLASSES[kind])
    return el("svg", inside, x=x, y=y, overflow="visible")


def _tip(score: Score) -> str:
    parts = [f"synthetic {words.number(score.value)}"]
    if not math.isnan(score.matched):
        parts.append(f"on as many rows as the references {words.number(score.matched)}")
    parts += [f"{label} {words.number(getattr(score, kind))}" for kind, label in REFERENCES]
    return "; ".join(part for part in parts if not part.endswith(" -"))


def marks(score: Score, scale: Scale, place: Callable[[float], str], y: float) -> str:
    """Track, interval and marks; ``place`` turns a place between 0 and 1 into a coordinate."""
    body = el("line", x1=place(0), x2=place(1), y1=y, y2=y, class_="track")
    matched = not math.isnan(score.matched)
    shown, interval = score.shown, score.shown_interval
    for kind in ("independent", "copy", "fresh"):
        value = getattr(score, kind)
        if not math.isnan(value):
            if kind == "fresh" and score.fresh_interval is not None:
                body += _span(score.fresh_interval, scale, place, y + 5, "fspan")
            body += mark(kind, place(scale.at(value)), y)
    if interval is not None:
        body += _span(interval, scale, place, y - 5 if not math.isnan(score.fresh) else y, "span")
    if matched and not math.isnan(score.value) and abs(scale.at(score.value) - scale.at(shown)) > 0.02:
        body += mark("all", place(scale.at(score.value)), y)
    return body + ("" if math.isnan(shown) else mark("synthetic", place(scale.at(shown)), y))


def _span(interval: tuple[float, float], scale: Scale, place: Callable[[float], str], y: float, class_: str) -> str:
    ends = [place(scale.at(v)) for v in interval]
    return el("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_=class_)


def badge(at: int) -> str:
    """The letter of a table in a comparison: A, B, C, ..."""
    return chr(ord("A") + at) if at < 26 else str(at + 1)


def badge_svg(at: int) -> str:
    """The same as a mark beside a name."""
    return f'<svg class="sk" width="20" height="20" aria-hidden="true">{_badge(at, "10", 10)}</svg>'


def _badge(at: int, x: str, y: float) -> str:
    letter = el("circle", r=8, class_=f"f{at % 6}") + el("text", badge(at), y=4, class_="letter mid b")
    return el("svg", letter, x=x, y=y, overflow="visible")


def scales_svg(scores: Sequence[Score], names: Sequence[str]) -> str:
    """One score of several tables on one scale; the last table's mark lies lowest."""
    scale, y = Scale.of(scores), 17
    body = el("line", x1=_percents(0), x2=_percents(1), y1=y, y2=y, class_="track")
    for kind in ("independent", "copy", "fresh"):
        value = getattr(scores[0], kind)
        if not math.isnan(value):
            body += mark(kind, _percents(scale.at(value)), y)
    tips = [f"{label} {words.number(getattr(scores[0], kind))}" for kind, label in REFERENCES]
    for at in reversed(range(len(scores))):
        value = scores[at].shown
        tips.insert(0, f"{names[at]} {words.number(value)}")
        if not math.isnan(value):
            body += _badge(at, _percents(scale.at(value)), y)
    tip = "; ".join(tip for tip in tips if not tip.endswith(" -"))
    label = esc(f"{scores[0].label}: {tip}. Better is to the right.")
    hit = el("rect", x=0, y=0, width="100%", height=34, class_="hit", data_tip=tip)
    return f'<svg class="sk" width="100%" height="34" role="img" aria-label="{label}">{body}{hit}</svg>'


def _percents(at: float) -> str:
    return f"{3 + 94 * at:.2f}%"


def scale_svg(score: Score, scale: Scale | None = None) -> str:
    """The scale of a table's row, as wide as its place."""
    scale = scale or Scale.of([score])
    label = esc(f"{score.label}: {_tip(score)}. Better is to the right.")
    body = marks(score, scale, _percents, 14)
    hit = el("rect", x=0, y=0, width="100%", height=28, class_="hit", data_tip=_tip(score))
    return f'<svg class="sk" width="100%" height="28" role="img" aria-label="{label}">{body}{hit}</svg>'


def scale_legend(*, several: bool = False, of: str = "rows") -> str:
    """What the marks are, for a page of one table or of several; ``of``: what is counted."""
    one = (("synthetic", "synthetic, on as many rows as the references"), ("all", "synthetic, all rows"))
    kinds = REFERENCES if several else (*one, *REFERENCES)
    items = "".join(
        f'<li><svg class="sk" width="18" height="18" aria-hidden="true">{mark(kind, "9", 9)}</svg>'
        f"{label.replace('rows', of)}</li>"
        for kind, label in kinds
    )
    lines = "" if several else "lines: 95 % intervals; "
    return f'<ul class="legend">{items}<li class="mut">{lines}better is to the right</li></ul>'


def summary_figure(scores: Sequence[Score]) -> Figure:
    """All scores, one under the other."""
    left, width, pitch = 260, 760, 26

    def place(at: float) -> str:
        return f"{left + 12 + at * (width - left - 110):.1f}"

    body, y = "", 20
    for group, title in words.GROUPS.items():
        chosen = [score for score in scores if score.group == group]
        if chosen:
            body += text(title, 8, y + 4, "b")
            y += pitch
        for score in chosen:
            body += text(short(score.label, 42), left - 4, y + 4, "end")
            body += marks(score, Scale.of([score]), place, y) + text(words.number(score.shown), width - 8, y + 4, "end")
            y += pitch
    x = 8
    for kind, label in (("synthetic", "synthetic"), ("all", "all its rows"), *REFERENCES):
        body += mark(kind, str(x + 6), y) + text(label, x + 18, y + 4, "mut")
        x += 34 + 6 * len(label)
    return Figure(body, width, y + 18, "Scores beside their references; better is to the right")
