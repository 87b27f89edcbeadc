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
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from synthkit.errors import ParamError, SynthkitError
from synthkit.metrics.base import LEVELS, Level, Measurement, Metric, Score
from synthkit.metrics.temporal_panel import Panel
from synthkit.metrics.temporal_report import PANEL_METRICS, PanelRun
from synthkit.report.evaluation import Progress, Run, check_how
from synthkit.report.inputs import choose
from synthkit.report.panel_cases import PanelInput, build_panels, independent
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.report import Report

__all__ = ["ROW_METRICS", "evaluate_panel"]

ROW_METRICS = ("detection", "shape", "pair", "rules", "null_rates", "coverage")
"""Metrics of single rows that a report of records over time has by default."""
_DEALS: dict[Level, int] = {"quick": 10, "default": 20, "full": 40}
_TAUGHT: dict[str, dict[Level, int]] = {
    "label": {"quick": 6, "default": 20, "full": 40},
    "next_step": {"quick": 0, "default": 6, "full": 12},  # eight models twice a deal
}


def evaluate_panel(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    holdout: pd.DataFrame | None,
    entity: Hashable,
    time: Hashable | None,
    context: Sequence[Hashable] | None,
    event: Hashable | None,
    domain: str | None,
    metrics: Iterable[str | Metric | type[Metric]] | None,
    max_seconds: float | None,
    progress: bool | Progress | None,
    **known: Any,
) -> Report:
    """The report of a panel. For arguments and errors see :func:`synthkit.evaluate`."""
    check_how(max_seconds, progress, domain)
    for name, value in (("event", event), ("domain", domain)):
        if value is not None:
            raise ParamError(
                f"evaluate: argument {name!r} is of tables with one row each; leave it out, or leave out 'entity' and "
                "pass one row per entity."
            )
    made = build_panels(real, synthetic, holdout, entity=entity, time=time, context=context, **known)
    tasks, left_out = _choose(metrics, made)
    run = _PanelRun(made.cases, left_out, max_seconds, progress, made=made)
    run.all(tasks)
    run.check()
    if metrics is None:
        run.forget_empty()
    report = run.report("synthetic", list(tasks), None)
    return replace(
        report,
        notes=tuple(_notes(made, report)),
        provenance=_provenance(made, dict(report.provenance)),
        panels=made.tables,
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
        return {"synthetic": _score(metric.name, self.made.run, self.cases.any.level)}

    def forget_empty(self) -> None:
        """Leave out figures of entities that cannot be (a calendar without dates), unless nothing is left."""
        for name, scores in list(self.found.items()):
            score = scores["synthetic"]
            if score.of == "entities" and math.isnan(score.value) and len(self.found) > 1:
                self.left_out[name] = score.note or "it could not be found"
                del self.found[name]


def _score(name: str, run: PanelRun, level: Level) -> Score:
    metric, words = PANEL_METRICS[name], PANEL_WORDS[name]
    try:
        value, matched, fresh = run.all(metric)
        chance = run.taught(name, _TAUGHT[name][level]) if name in _TAUGHT else []
        chance = chance or run.chance([name], _DEALS[level]).get(name, [])
    except SynthkitError as error:  # the panel is too odd for this figure; the others go on
        value, matched, fresh, chance = Measurement.nothing(str(error)), *[Measurement.nothing("")] * 2, []
    spread = float(np.std(chance, ddof=1) * student.ppf(0.975, len(chance) - 1)) if len(chance) > 1 else math.nan
    references = {"copy": math.nan, "independent": math.nan}
    kind = "copy" if words.group == "privacy" else "independent"
    if not math.isnan(value.value) and (words.dependent or kind == "copy"):
        references[kind] = _reference(kind, name, run)
    sides = [_interval(side, spread, words.bounds) for side in (value, matched, fresh)]
    floors = {"floor": dict(fresh.parts), "fresh": fresh.details}
    return Score(
        name=name,
        label=words.label,
        group=words.group,
        goal=metric.goal,
        best=metric.best,
        bounds=words.bounds,
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
        definition=words.definition,
        reading=words.reading,
        of="entities",
    )


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
        source = run.real.head(len(run.synthetic), run.seed)
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
def _provenance(made: PanelInput, found: dict[str, Any]) -> dict[str, Any]:
    panel = made.run.real
    fewest = min(len(made.run.synthetic), len(made.run.holdout or made.run.real))
    about = {
        "entities": {name: entities for name, (entities, _) in made.given.items()},
        "rows": {name: rows for name, (_, rows) in made.given.items()},
        "reference_entities": fewest,
        "entity": panel.entity,
        "context": list(panel.context),
    }
    return about | {k: v for k, v in found.items() if k not in about} | {"time": panel.time}


def _notes(made: PanelInput, report: Report) -> Iterator[str]:
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
    for name, (entities, rows) in made.given.items():
        if made.used[name][1] < rows:
            yield (
                f"Of {entities:,} {name} entities with {rows:,} records, {made.used[name][0]:,} with "
                f"{made.used[name][1]:,} were drawn for this report (level {made.cases.any.level!r})."
            )
    yield from report.notes
