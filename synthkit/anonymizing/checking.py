"""The gates that a drawn table has to pass, and what was found of the three criteria of Opinion 05/2014."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.drawing import Draw
from synthkit.anonymizing.keys import comes_back
from synthkit.auditing.figures import plain
from synthkit.metrics.base import Score
from synthkit.metrics.holders import LIMIT, TOLERANCE, HolderRisk, worst
from synthkit.metrics.rates import Risk
from synthkit.metrics.tables import kinds_of
from synthkit.report import Report, evaluate
from synthkit.report.evaluation import STOPPED
from synthkit.report.gates import Gate, GateResult, Verdict
from synthkit.report.panel import ROW_METRICS
from synthkit.report.profiles import PROFILES
from synthkit.schema import Schema

__all__ = ["CRITERIA", "EXTRA", "criteria", "judge", "of_secrets", "outcome", "score"]

CRITERIA: Mapping[str, tuple[str, ...]] = {
    "singling out": ("singling_out",),
    "linkability": ("linkability",),
    "inference": ("attribute_inference", "entity_inference"),
    "membership": ("membership", "membership_tpr", "entity_membership"),
    "copies": ("copies", "near_copies", "dcr", "nndr", "entity_copies", "memorisation"),
}
"""Criterion -> the scores that test it. The first three are those of the Article 29 Working Party (2014)."""
_OPTIONAL = ("singling_out", "linkability", "attribute_inference", "near_copies")  # tables may have nothing to attack
EXTRA = {
    "copies": Gate(0.01, 0.10, whole="fresh"),
    "membership": Gate(0.03, 0.15, whole="best"),
    "membership_tpr": Gate(0.01, 0.10, optional=True, whole="best"),  # members found at 1 % false alarms: 2 % at most
    # a risk is a share of the holdout rows that are missed: of a rare secret these are few
    "attribute_inference": Gate(0.05, 0.50, optional=True, whole="best"),
    "entity_inference": Gate(0.05, 0.50, optional=True, whole="best"),
}
_GAIN = 0.05  # of an attack's rate of success, beyond that on control rows
_WIDE = 3.0  # standard errors: for all gates of a profile together
_ONLY_ROWS = ("near_copies", "dcr", "nndr", "membership", "membership_tpr", "attribute_inference")
_ONLY_RECORDS = ("entity_copies", "memorisation", "entity_membership", "entity_inference")
_OF_RECORDS = ("copies", "singling_out", "linkability")  # of one record of each entity


def score(asked: Asked, draw: Draw, seed: int, max_seconds: float | None, progress: Any) -> Report:
    """The report of the drawn table beside the part that was held back; records by entity."""
    common: dict[str, Any] = {
        "holdout": draw.holdout,
        "target": asked.target,
        "secrets": _attacked(asked, draw),
        "schema": _schema(asked, draw),
        "level": asked.level,
        "seed": seed,
        "max_seconds": max_seconds,
        "progress": progress,
    }
    if asked.kind == "rows":
        drop = [] if asked.entity is None else [asked.entity]
        tables = (draw.train.drop(columns=drop), draw.table.drop(columns=drop))
        common["holdout"] = draw.holdout.drop(columns=drop)
        return evaluate(*tables, **common)
    wanted = (*_panel_metrics(), *_OF_RECORDS)
    return evaluate(draw.train, draw.table, entity=asked.entity, time=asked.time, metrics=wanted, **common)


def _panel_metrics() -> tuple[str, ...]:
    from synthkit.metrics.temporal_report import PANEL_METRICS

    return (*PANEL_METRICS, *ROW_METRICS)


def _schema(asked: Asked, draw: Draw) -> Schema:
    """Of the columns that are judged; keys of single rows are not."""
    schema = draw.schema if draw.schema.entity is None else replace(draw.schema, entity=None)
    keys = asked.entity if asked.kind == "rows" else None
    return schema if keys is None else schema.project([name for name in schema.columns if name != keys])


def _attacked(asked: Asked, draw: Draw) -> tuple[Hashable, ...]:
    """Secrets that there is an attack on: cells of the others are generated, none is learnt."""
    return tuple(name for name in asked.secrets if name in kinds_of(draw.schema))


def judge(asked: Asked, draw: Draw, report: Report) -> Verdict:
    """The gates of the profile, and those of privacy: a table for tests is handed to others, too.

    The latter are those of the profile "release". Outside that profile, they fail where a leak is shown, and need rows
    enough to see one of the limit's size, but not a certificate that there is none.
    """
    profile, release = PROFILES[asked.profile], PROFILES["release"]
    records = asked.kind == "records"
    known = {**release.gates, **(release.panel if records else {}), **EXTRA}
    names = {name for scores in CRITERIA.values() for name in scores} - set(profile.panel if records else profile.gates)
    if records:
        names -= set(_ONLY_ROWS)
    else:
        names -= set(_ONLY_RECORDS)
    extra = {
        name: replace(gate, optional=gate.optional or name in _OPTIONAL)
        for name, gate in known.items()
        if name in names
    }
    verdict = report.check(asked.profile, **{**extra, **dict(asked.gates or {})})
    results = verdict.results
    if not profile.strict:
        results = tuple(_told_apart(r, report.scores[r.score]) if r.score in report.scores else r for r in results)
    waived = {name for name, gate in (asked.gates or {}).items() if gate is None}
    return replace(verdict, results=(*results, *_of_holders(report, waived), *comes_back(asked, draw)))


def _of_holders(report: Report, waived: Collection[str]) -> Iterator[GateResult]:
    """Whoever has a rare value of a secret must not be found by it, however rare it is."""
    for name in CRITERIA["inference"]:
        if name in waived:
            continue
        found = report.scores[name].details.get("holders", {}) if name in report.scores else {}
        risks = [risk for own in found.values() for risk in own]
        if risks:
            status = worst(risks)
            shown = next(risk for risk in sorted(risks, key=lambda r: -r.low) if risk.status == status)
            why = {
                "fail": "above the tolerance",
                "pass": "nothing beyond chance in any level",
                "cannot tell": "too few holders; a greater min_count (protect='strict') draws no level of so few",
            }[status]
            limits = (shown.train - shown.control, (shown.low, shown.high), TOLERANCE, LIMIT)
            yield GateResult("holders", "Holders of each level of a secret", status, f"{shown}: {why}", *limits)


def _told_apart(result: GateResult, score: Score) -> GateResult:
    """A gate that has to be judged by more than the excess, as it is judged then."""
    if result.score in CRITERIA["membership"]:
        return _suspected(result, score)
    return _by_difference(result, score)


def _suspected(result: GateResult, score: Score) -> GateResult:
    """Where members seem to be found, too few persons to be sure of it are no reason to pass.

    The gate's interval is wide enough for all gates together. Of few persons it may reach down to chance where the
    attack's own 95 % interval does not. Fresh rows come here in one table of forty at most.
    """
    if result.status != "pass" or score.interval is None:
        return result
    if score.loss(score.value) <= result.tolerance or score.interval[0] <= score.best:
        return result
    shown = f"{score.value:.3f} in [{score.interval[0]:.3f}, {score.interval[1]:.3f}] (95 %)"
    return replace(result, status="cannot tell", reason=f"{shown}: members seem to be found, though {result.reason}")


def _by_difference(result: GateResult, score: Score) -> GateResult:
    """A risk is a share of what an attacker of the control rows misses: of an easy secret, hardly anything.

    Where so few misses cannot tell, the difference of the rates of success may: it is what an attacker gains.
    """
    risk = score.details.get("risk")
    if result.status != "cannot tell" or not isinstance(risk, Risk):
        return result
    rates = [((r * n + 0.5) / (n + 1), n) for r, n in ((risk.train, risk.n_train), (risk.control, risk.n_control))]
    half = _WIDE * math.sqrt(sum(r * (1 - r) / n for r, n in rates))
    gain = risk.train - risk.control
    if gain + half > _GAIN:
        return result
    told = f"{risk.train:.3f} against {risk.control:.3f} on rows held back, difference {gain:.3f} in "
    reason = f"success {told}[{gain - half:.3f}, {gain + half:.3f}]: below {_GAIN:g}, though {result.reason}"
    return replace(result, status="pass", reason=reason)


# -------------------------------------------------------------------- criteria
def criteria(report: Report, verdict: Verdict) -> list[dict[str, Any]]:
    """Per criterion and score what was found, or that it was not tested and why. Counts and rates, no values."""
    status = {result.score: result.status for result in verdict.results}
    out = []
    for criterion, names in CRITERIA.items():
        found = [_found(criterion, report.scores[name], status.get(name)) for name in names if _told(report, name)]
        if not found:
            why = next((report.left_out[name] for name in names if name in report.left_out), "not among the metrics")
            noted = [report.scores[name].note for name in names if name in report.scores]
            found = [{"criterion": criterion, "status": "not tested", "why": next(iter(noted), why) or why}]
        out += found
    return out


def of_secrets(asked: Asked, draw: Draw, report: Report) -> list[dict[str, Any]]:
    """Per secret: was it attacked, the greatest risk among the attackers, and how the holders of its levels fare."""
    risks: dict[tuple[Hashable, str], Any] = {}
    holders: dict[tuple[Hashable, str], list[HolderRisk]] = {}
    for name in CRITERIA["inference"]:
        if name in report.scores:
            risks |= report.scores[name].details.get("risks", {})
            holders |= report.scores[name].details.get("holders", {})
    out: list[dict[str, Any]] = []
    for secret in asked.secrets:
        own = {who: risk for (name, who), risk in risks.items() if name == secret and not math.isnan(risk.value)}
        if own:
            who = max(own, key=lambda key, own=own: own[key].value)  # type: ignore[misc]
            found = {"status": "tested", "attacker": who, "value": float(own[who].value)}
            levels = [risk for (name, _), held in holders.items() if name == secret for risk in held]
            told = {"holders": worst(levels), "worst_level": str(max(levels, key=lambda r: r.low))} if levels else {}
            interval = [float(end) for end in own[who].interval()]
            out.append({"column": str(secret), **found, "interval": interval, **told})
            continue
        why = "too few rows have it, or it has one value"
        if secret not in _attacked(asked, draw):
            why = "it is empty, or generated afresh: no cell is learnt"
        out.append({"column": str(secret), "status": "not tested", "why": why})
    return out


def _told(report: Report, name: str) -> bool:
    return name in report.scores and not math.isnan(report.scores[name].value)


def _found(criterion: str, score: Score, verdict: str | None) -> dict[str, Any]:
    risk, power = score.details.get("risk"), score.details.get("power", {})
    attack = score.details.get("attack")
    out: dict[str, Any] = {
        "criterion": criterion,
        "status": "tested",
        "score": score.name,
        "label": score.label,
        "what": score.definition,
        "value": float(score.value),
        "interval": None if score.interval is None else [float(end) for end in score.interval],
        "harmless": float(score.best),
        "fresh_rows": plain(score.fresh),
        "detectable_effect": plain(power.get("detectable", math.nan)),
        "outliers": plain(score.parts.get("most isolated rows", math.nan)),
        "gate": verdict or "none",
        "note": score.note,
    }
    if risk is not None:
        out |= {"training_rate": risk.train, "holdout_rate": risk.control, "naive_rate": plain(risk.naive)}
        out |= {"attempts": [risk.n_train, risk.n_control]}
    if attack is not None:
        out |= {"attempts": [attack.members, attack.controls]}
    return out


def outcome(asked: Asked, report: Report, verdict: Verdict) -> tuple[bool, str]:
    """May the table be handed over, and the reasons why not.

    A privacy test that was not made, as time was up or somebody stopped it, is no matter of rows: ``undecided`` does
    not let it stand.
    """
    bad = ("fail",) if asked.undecided == "note" else ("fail", "cannot tell")
    reasons = [f"{r.label}: {r.status}, {r.reason}" for r in verdict.results if r.status in bad]
    waived = {name for name, gate in (asked.gates or {}).items() if gate is None}
    tests = {name for names in CRITERIA.values() for name in names} - waived
    late = [name for name in report.left_out if name in tests and report.left_out[name] in STOPPED]
    if late:
        why = report.left_out[late[0]]
        reasons.append(f"{len(late)} tests of privacy were not made: {why}; allow for more time")
    return not reasons, "; ".join(reasons)
