"""Gates: is the table good enough for a purpose? Tolerances are relative to what fresh real rows score.

A gate looks at the *excess*: how much worse the synthetic rows score than as many fresh rows before the same judge
(``matched`` against ``fresh``); a value beyond the metric's best counts as the best. The excess has an interval, made
from those of the two figures (Zou and Donner, 2008), wide enough for all gates of a profile together (Bonferroni), so
that fresh rows pass a profile as a whole.

- **fail**: the whole interval lies above the *tolerance*: the rows are worse than tolerated, and it is not chance.
- **pass**: the excess is not shown to be above the tolerance, and the noise (the distance to the interval's upper
  end) is below the *limit*: a gate that could not see an excess of that size does not pass anything. A *strict*
  profile asks for more: the whole interval lies below the limit, so that the data certify it.
- **cannot tell**: neither. Too few rows, no holdout, or the score was not computed.

A profile passes if all its gates pass; it fails if one fails; else it cannot tell, which is no pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd
from scipy.stats import norm

from synthkit.errors import GateError, ParamError
from synthkit.metrics.base import Score
from synthkit.metrics.registry import METRICS
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.profiles import PROFILES, Gate, Profile

__all__ = [
    "JOINT_ALPHA",
    "PROFILES",
    "Excess",
    "Gate",
    "GateResult",
    "Profile",
    "Verdict",
    "excess_over_fresh",
    "judge",
]

Status = Literal["pass", "fail", "cannot tell"]
JOINT_ALPHA = 0.02
"""A profile's gates together fail fresh rows in so many cases at most; below .05, as intervals are approximate."""
_Z = float(norm.ppf(0.975))  # of the scores' intervals


@dataclass(frozen=True)
class GateResult:
    """What a gate found.

    Attributes:
        score, label: of the score.
        status: ``"pass"``, ``"fail"`` or ``"cannot tell"``.
        reason: why, in words.
        excess: how much worse than fresh; NaN where unknown.
        interval: of the excess, at the profile's joint level.
        tolerance, limit: of the gate.
    """

    score: str
    label: str
    status: Status
    reason: str
    excess: float
    interval: tuple[float, float]
    tolerance: float
    limit: float


@dataclass(frozen=True)
class Verdict:
    """What a profile found; true if it passed.

    Attributes:
        profile, purpose: which one.
        results: one per gate.
    """

    profile: str
    purpose: str
    results: tuple[GateResult, ...]

    @property
    def status(self) -> Status:
        """``"fail"`` if a gate fails, else ``"cannot tell"`` if one cannot, else ``"pass"``."""
        found = {result.status for result in self.results}
        for status in ("fail", "cannot tell"):
            if status in found:
                return status  # type: ignore[return-value]
        return "pass" if found else "cannot tell"

    @property
    def passed(self) -> bool:
        """Do all gates pass?"""
        return self.status == "pass"

    def to_frame(self) -> pd.DataFrame:
        """One row per gate."""
        rows = [
            {
                "score": r.score,
                "status": r.status,
                "excess": r.excess,
                "low": r.interval[0],
                "high": r.interval[1],
                "tolerance": r.tolerance,
                "limit": r.limit,
                "reason": r.reason,
            }
            for r in self.results
        ]
        return pd.DataFrame(rows, columns=[*_COLUMNS]).set_index("score")

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        lines = [f"{self.profile} ({self.purpose}): {self.status.upper()}"]
        width = max((len(r.label) for r in self.results), default=0)
        lines += [f"  {r.status:<12}{r.label:<{width}}  {r.reason}" for r in self.results]
        return "\n".join(lines)


_COLUMNS = ("score", "status", "excess", "low", "high", "tolerance", "limit", "reason")


def judge(
    scores: Mapping[str, Score], left_out: Mapping[str, str], profile: str, overrides: Mapping[str, Any]
) -> Verdict:
    """Hold the scores against a profile; ``overrides`` as in :meth:`synthkit.report.report.Report.check`.

    Raises:
        ParamError: an unknown profile or score, or an override that is no gate.
    """
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ParamError(f"check: argument 'profile' must be one of {', '.join(PROFILES)}, got {profile!r}.")
    chosen = PROFILES[profile]
    of_panel = any(score.of == "entities" for score in scores.values())
    gates: Mapping[str, Gate] = chosen.panel if of_panel else chosen.gates
    if any(score.of == "blocks" for score in scores.values()):
        gates = {}  # tolerances of series are not known yet
        if not overrides:
            raise ParamError("check: profiles have no gates of series yet; pass tolerances, as in acf=0.02.")
    gates = _overridden(gates, overrides, scores)
    gates = {name: gate for name, gate in gates.items() if not (gate.optional and _absent(scores.get(name)))}
    checks = sum(1 + (gate.whole is not None) for gate in gates.values())
    z = float(norm.ppf(1 - JOINT_ALPHA / max(checks, 1)))
    results = []
    for name, gate in gates.items():
        if name in scores:
            results.append(_result(scores[name], gate, z, chosen.strict))
        else:
            why = left_out.get(name, "it was not among the metrics")
            results.append(_undecided(name, _label(name), f"not computed: {why}", gate))
    return Verdict(profile, chosen.purpose, tuple(results))


def _overridden(
    gates: Mapping[str, Gate], overrides: Mapping[str, Any], scores: Mapping[str, Score]
) -> dict[str, Gate]:
    out = dict(gates)
    for name, value in overrides.items():
        if name not in out and name not in scores and name not in METRICS and name not in PANEL_WORDS:
            raise ParamError(f"check: argument {name!r} is no score; there are {', '.join(scores)}.")
        if value is None:
            out.pop(name, None)
        elif isinstance(value, Gate):
            out[name] = value
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            old = out.get(name, Gate(0.0, 0.0))
            limit = max(old.limit, 3 * float(value))
            out[name] = Gate(float(value), limit, old.optional, old.whole)
        else:
            raise ParamError(f"check: argument {name!r} must be a tolerance >= 0, a Gate, or None to leave it out.")
    return out


def _absent(score: Score | None) -> bool:
    return score is None or (math.isnan(score.value) and math.isnan(score.matched))


def _label(name: str) -> str:
    known = METRICS.get(name) or PANEL_WORDS.get(name)
    return known.label if known else name


def _undecided(name: str, label: str, reason: str, gate: Gate) -> GateResult:
    nothing = (math.nan, math.nan)
    return GateResult(name, label, "cannot tell", reason, math.nan, nothing, gate.tolerance, gate.limit)


def _result(score: Score, gate: Gate, z: float, strict: bool) -> GateResult:
    """The comparison that looks worst decides a failure, the one that sees best decides whether a pass is possible."""
    found = []
    if not math.isnan(score.fresh):
        found.append(_excess(score, score.matched, score.matched_interval, _fresh(score), z))
        if gate.whole == "fresh":
            found.append(_excess(score, score.value, score.interval, _fresh(score), z))
    if gate.whole == "best":
        found.append(_excess(score, score.value, score.interval, _Side("the best", score.best, None), z))
    found = [excess for excess in found if not math.isnan(excess.value)]
    if not found:
        why = score.note or ("what fresh rows score is not known" if math.isnan(score.fresh) else "no figure was found")
        return _undecided(score.name, score.label, f"nothing to compare: {why}", gate)
    worst, sharp = max(found, key=lambda e: e.low), min(found, key=lambda e: e.high - e.low)
    status: Status = "cannot tell"
    shown = sharp
    if worst.low > gate.tolerance:
        status, shown, why = "fail", worst, f"above the tolerance {gate.tolerance:g}"
    elif (sharp.high if strict else sharp.high - sharp.value) <= gate.limit:
        status, why = "pass", f"below {gate.limit:g}" if strict else f"not above the tolerance {gate.tolerance:g}"
    elif strict:
        why = f"too few rows, or too close, to certify an excess below {gate.limit:g}"
    else:
        why = f"too few rows to see an excess of {gate.limit:g}"
    figures = f"{shown.of:.3f} against {shown.side.name} {shown.side.value:.3f}"
    reason = f"{figures}, excess {shown.value:.3f} in [{shown.low:.3f}, {shown.high:.3f}]: {why}"
    interval = (shown.low, shown.high)
    return GateResult(score.name, score.label, status, reason, shown.value, interval, gate.tolerance, gate.limit)


class _Side(NamedTuple):
    """What a figure is held against."""

    name: str
    value: float
    interval: tuple[float, float] | None


class Excess(NamedTuple):
    """How much worse a figure is, the interval of that, the figure, and what it was held against."""

    value: float
    low: float
    high: float
    of: float
    side: _Side


def excess_over_fresh(score: Score) -> Excess:
    """How much worse the matched rows score than fresh ones, with its 95 % interval; NaN where one is not known."""
    return _excess(score, score.matched, score.matched_interval, _fresh(score), _Z)


def _fresh(score: Score) -> _Side:
    return _Side("fresh", score.fresh, score.fresh_interval)


def _excess(score: Score, value: float, interval: tuple[float, float] | None, side: _Side, z: float) -> Excess:
    sign = 1.0 if score.goal == "lower" else -1.0
    if math.isnan(value) or math.isnan(side.value):
        return Excess(math.nan, math.nan, math.nan, value, side)
    loss, floor = score.loss(value), score.loss(side.value)
    down, up = _arms(value, interval, sign)
    side_down, side_up = _arms(side.value, side.interval, sign)
    excess, wide = loss - floor, z / _Z
    low, high = excess - wide * math.hypot(down, side_up), excess + wide * math.hypot(up, side_down)
    return Excess(excess, low, high, value, side)


def _arms(value: float, interval: tuple[float, float] | None, sign: float) -> tuple[float, float]:
    """From the value to the better and to the worse end of its interval."""
    if interval is None:
        return 0.0, 0.0
    low, high = max(0.0, value - interval[0]), max(0.0, interval[1] - value)
    return (low, high) if sign > 0 else (high, low)


def assert_verdict(verdict: Verdict) -> None:
    """Raise unless the verdict passed.

    Raises:
        GateError: with the reason of every gate that does not pass.
    """
    if not verdict.passed:
        why = "; ".join(f"{r.label}: {r.status}, {r.reason}" for r in verdict.results if r.status != "pass")
        raise GateError(f"Report.assert_ok: profile {verdict.profile!r}: {verdict.status} ({why or 'it has no gate'}).")
