"""``evaluate`` of records over time: figures of entities, and of one record of each.

Figures of panels (``PANEL_METRICS``) compare whole entities. In the synthetic entities' place stand:

- ``fresh``: real holdout entities. Errors and detection are judged by the training entities, so that the whole holdout
  is in their place; what needs a judge of its own (next record, label, memorisation) has one half of the holdout
  before the other;
- ``matched``: as many synthetic entities;
- ``independent``: training entities with every column shuffled by itself (of figures that see dependence);
- ``copy``: a bootstrap of training entities (privacy).

The 95 % interval of an error that has none of its own is ``t s``, with ``s`` the standard deviation of the figure over
other deals of real and holdout entities; of skill lost, over other deals of those that teach, before the same judge.
Scores of single rows are of one record of each entity, drawn by the seed: rows of an entity depend on each other, so
that intervals would be too narrow and an entity on both sides of a split.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from synthkit.errors import ParamError, SynthkitError
from synthkit.metrics.base import LEVELS, Level, Measurement, Metric, Score
from synthkit.metrics.tables import Kinds
from synthkit.metrics.temporal_panel import Panel
from synthkit.metrics.temporal_report import PANEL_METRICS, PanelRun
from synthkit.report.evaluation import Progress, Run, check_how
from synthkit.report.inputs import choose
from synthkit.report.panel_cases import PanelInput, build_panels, independent
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.report import Report
from synthkit.schema import Schema

__all__ = ["ROW_METRICS", "evaluate_panels"]

ROW_METRICS = ("detection", "shape", "pair", "rules", "null_rates", "coverage")
"""Metrics of single rows that a report of records over time has by default."""
_DEALS: dict[Level, int] = {"quick": 10, "default": 20, "full": 40}
_TAUGHT: dict[str, dict[Level, int]] = {
    "label": {"quick": 6, "default": 20, "full": 40},
    "next_step": {"quick": 0, "default": 6, "full": 12},  # eight models twice a deal
}


def evaluate_panels(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    *,
    holdout: pd.DataFrame | None,
    entity: Hashable,
    time: Hashable | None = None,
    context: Sequence[Hashable] | None = None,
    event: Hashable | None = None,
    schema: Schema | None = None,
    target: Hashable | None = None,
    kinds: Kinds | None = None,
    secrets: Sequence[Hashable] = (),
    level: Level = "default",
    seed: int = 0,
    domain: str | None = None,
    metrics: Iterable[str | Metric | type[Metric]] | None = None,
    max_seconds: float | None = None,
    progress: bool | Progress | None = None,
) -> dict[str, Report]:
    """A report per synthetic panel; references are computed once. For the rest see :func:`synthkit.evaluate`."""
    check_how(max_seconds, progress, domain)
    for name, value in (("event", event), ("domain", domain)):
        if value is not None:
            raise ParamError(
                f"evaluate: argument {name!r} is of tables with one row each; leave it out, or leave out 'entity' and "
                "pass one row per entity."
            )
    known: dict[str, Any] = {"schema": schema, "target": target, "kinds": kinds, "secrets": secrets}
    keys: dict[str, Any] = {"entity": entity, "time": time, "context": context}
    made = build_panels(real, synthetic, holdout, level=level, seed=seed, **keys, **known)
    tasks, left_out = _choose(metrics, made)
    run = _PanelRun(made.cases, left_out, max_seconds, progress, made=made)
    run.all(tasks)
    run.check()
    if metrics is None:
        run.forget_empty()
    return {name: _report(made, name, run.report(name, list(tasks), None)) for name in synthetic}


def _report(made: PanelInput, name: str, report: Report) -> Report:
    """The report of single records with what is to be said of entities."""
    return replace(
        report,
        notes=tuple(_notes(made, name, report)),
        provenance=_provenance(made, name, dict(report.provenance)),
        panels=made.tables[name],
    )


@dataclass(frozen=True)
class _Task:
    """A figure of panels to compute."""

    name: str
    level: Level = "quick"


def _choose(
    metrics: Iterable[str | Metric | type[Metric]] | None, made: PanelInput
) -> tuple[dict[str, Any], dict[str, str]]:
    """What to compute, by name, and why the rest is left out."""
    if metrics is None:
        asked: list[Any] = [*PANEL_METRICS, *ROW_METRICS]
    else:
        asked = [metrics] if isinstance(metrics, (str, Metric, type)) else list(metrics)
    left_out: dict[str, str] = {}
    tasks: dict[str, Any] = {}
    rows = []
    for one in asked:
        if isinstance(one, str) and one in PANEL_METRICS:
            why = made.run.lacking(PANEL_METRICS[one])
            if PANEL_WORDS[one].ordered and made.run.real.clock is None:
                why = "needs a time"
            if why:
                left_out[one] = why
            else:
                tasks[one] = _Task(one)
        else:
            rows.append(one)
    if rows or not asked:
        try:
            chosen, lacking = choose(rows, made.cases.any, None)
        except ParamError as error:
            raise ParamError(f"{str(error).removesuffix('.')}, or, of entities, {', '.join(PANEL_METRICS)}.") from None
        by_level = {n: m for n, m in chosen.items() if metrics is not None or _within(m.level, made.cases.any.level)}
        tasks |= by_level
        left_out |= lacking | {n: f"of level {m.level!r}" for n, m in chosen.items() if n not in by_level}
    return tasks, left_out


def _within(level: Level, limit: Level) -> bool:
    return LEVELS.index(level) <= LEVELS.index(limit)


# -------------------------------------------------------------------- the work
@dataclass
class _PanelRun(Run):
    """The measurements of entities and of single records, one after the other."""

    made: PanelInput | None = None

    def scores_of(self, metric: Any) -> dict[str, Score]:
        """The score of one metric."""
        if self.made is None or not isinstance(metric, _Task):
            return super().scores_of(metric)
        return {name: _score(metric.name, run, self.cases.any.level) for name, run in self.made.runs.items()}

    def forget_empty(self) -> None:
        """Leave out figures of entities that cannot be (a calendar without dates), unless nothing is left."""
        for name, scores in list(self.found.items()):
            score = next(iter(scores.values()))
            nothing = all(math.isnan(s.value) for s in scores.values())
            if score.of == "entities" and nothing and len(self.found) > 1:
                self.left_out[name] = score.note or "it could not be found"
                del self.found[name]


def _score(name: str, run: PanelRun, level: Level) -> Score:
    metric, words = PANEL_METRICS[name], PANEL_WORDS[name]
    try:
        value, matched, fresh = run.all(metric)
        chance = run.shared("chance", name, lambda: _chance(name, run, level))
    except SynthkitError as error:  # the panel is too odd for this figure; the others go on
        value, matched, fresh, chance = Measurement.nothing(str(error)), *[Measurement.nothing("")] * 2, []
    spread = float(np.std(chance, ddof=1) * student.ppf(0.975, len(chance) - 1)) if len(chance) > 1 else math.nan
    references = {"copy": math.nan, "independent": math.nan}
    kind = "copy" if words.group == "privacy" else "independent"
    if not math.isnan(value.value) and (words.dependent or kind == "copy"):
        references[kind] = run.shared(kind, name, lambda: _reference(kind, name, run))
    sides = [_interval(side, spread, words.bounds) for side in (value, matched, fresh)]
    floors = {"floor": dict(fresh.parts), "fresh": fresh.details}
    return Score(
        name=name,
        **words.named(),
        goal=metric.goal,
        best=metric.best,
        value=_finite(value.value),
        interval=sides[0],
        matched=_finite(matched.value),
        matched_interval=sides[1],
        fresh=_finite(fresh.value),
        fresh_interval=sides[2],
        **references,
        parts={part: float(x) for part, x in value.parts.items()},
        note=value.note,
        details={**value.details, **floors},
        of="entities",
    )


def _chance(name: str, run: PanelRun, level: Level) -> list[float]:
    """The figure of other deals of real entities."""
    found = run.taught(name, _TAUGHT[name][level]) if name in _TAUGHT else []
    return found or run.chance([name], _DEALS[level]).get(name, [])


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else math.nan


def _interval(found: Measurement, spread: float, bounds: tuple[float, float]) -> tuple[float, float] | None:
    if math.isnan(found.value):
        return None
    if found.interval is not None:
        low, high = (float(end) for end in found.interval)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None
    if math.isnan(spread):
        return None
    return max(bounds[0], found.value - spread), min(bounds[1], found.value + spread)


def _reference(kind: str, name: str, run: PanelRun) -> float:
    """The figure of what must not be as good: independent columns, or copied entities."""
    metric = PANEL_METRICS[name]
    if run.holdout is None:
        judges: tuple[Panel, ...] = (run.real,)
        source = run.real.head(run.size, run.seed)
    else:
        judges = run.judges(metric)
        source = run.real.head(len(run.matched(metric)[1]), run.seed)
    if kind == "independent":
        other = independent(source, run.seed)
    else:
        other = source.take(np.sort(np.random.default_rng([run.seed, 2]).integers(len(source), size=len(source))))
    try:
        return _finite(run.call(metric)(judges[0], other, *judges[1:]).value)
    except SynthkitError:
        return math.nan


# -------------------------------------------------------------------- what a reader has to know
def _provenance(made: PanelInput, name: str, found: dict[str, Any]) -> dict[str, Any]:
    panel, there = made.run.real, made.of(name)
    fewest = min(made.run.size, len(made.run.holdout or made.run.real))
    about = {
        "entities": {role: made.given[key][0] for role, key in there.items()},
        "rows": {role: made.given[key][1] for role, key in there.items()},
        "reference_entities": fewest,
        "entity": panel.entity,
        "context": list(panel.context),
    }
    return about | {k: v for k, v in found.items() if k not in about} | {"time": panel.time}


def _notes(made: PanelInput, name: str, report: Report) -> Iterator[str]:
    names = made.run.real.context
    held = "context, constant within entities" + (f": {', '.join(map(str, names))}" if names else ": no column")
    yield (
        "These are records over time, judged by entity: whole entities are drawn, dealt and held out. Scores of single "
        "records take one record of each entity, drawn by the seed, as the records of an entity depend on each other; "
        "other metrics of single rows are computed so where you name them. "
        f"Columns that are {held}."
    )
    if made.run.holdout is not None:
        yield (
            "The interval of an error of entities is how far it goes by chance if real and holdout entities are dealt "
            "anew; that of skill lost likewise (of the next record not at level 'quick'). One holdout is one draw: the "
            "fewer entities it has, the rougher every comparison with fresh ones."
        )
    if made.run.quick:
        yield (
            "At level 'quick' detection of entities, the next record and the label are found by fewer and smaller "
            "trees (40 rounds of 8 leaves), and of the next record the first 5 columns only."
        )
    for role, key in made.of(name).items():
        (entities, rows), (kept, kept_rows) = made.given[key], made.used[key]
        if kept_rows < rows:
            yield (
                f"Of {entities:,} {role} entities with {rows:,} records, {kept:,} with {kept_rows:,} were drawn for "
                f"this report (level {made.cases.any.level!r})."
            )
    yield from report.notes
