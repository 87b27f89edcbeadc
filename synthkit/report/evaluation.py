"""``evaluate``: every metric on the synthetic table, and on what else could stand in its place."""

from __future__ import annotations

import math
import time as clock
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from tqdm.auto import tqdm

from synthkit.errors import ParamError, SynthkitError, SynthkitWarning
from synthkit.metrics.base import LEVELS, Case, Level, Measurement, Metric, Score
from synthkit.metrics.tables import Kinds
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.report.cases import Cases
from synthkit.report.inputs import build_cases, choose
from synthkit.report.report import Report, versions
from synthkit.schema import Schema

__all__ = ["Run", "Step", "check_how", "evaluate", "evaluate_all", "score_all"]
STOPPED = ("no time was left (max_seconds)", "stopped by the progress callback", "interrupted")
"""Why scores are left out that were asked for, and could have been measured."""

Progress = Callable[["Step"], bool | None]


@dataclass(frozen=True)
class Step:
    """How far an evaluation is.

    Attributes:
        metric: the metric that has just been computed.
        done, planned: metrics computed, and to be computed in all.
        seconds: since the start.
    """

    metric: str
    done: int
    planned: int
    seconds: float


def evaluate(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    holdout: pd.DataFrame | None = None,
    target: Hashable | None = None,
    schema: Schema | None = None,
    metrics: Iterable[str | Metric | type[Metric]] | None = None,
    level: Level = "default",
    secrets: Sequence[Hashable] = (),
    domain: Literal["medical", "credit"] | None = None,
    entity: Hashable | None = None,
    time: Hashable | None = None,
    context: Sequence[Hashable] | None = None,
    event: Hashable | None = None,
    kinds: Kinds | None = None,
    kind: Literal["auto", "rows", "panel", "series"] = "auto",
    seed: int = 0,
    max_seconds: float | None = None,
    progress: bool | Progress | None = None,
) -> Report:
    """Score a synthetic table for fidelity, utility and privacy, beside what fresh real rows would score.

    Every score carries, besides the value and its 95 % interval, the same figure with something else in the synthetic
    table's place: fresh real rows, a copy of the training rows, independent columns (:mod:`synthkit.report.cases`).
    Without a holdout, nothing can be said of fresh rows, of utility, and of most of privacy; the report says so.

    Tables of more than 50,000, 100,000 or 200,000 rows (level quick, default, full) are subsampled by the seed. Of wide
    tables, what would take too long is computed on columns drawn by the seed; the notes of the scores say so.
    Interrupted by Ctrl-C, or out of time, it returns what has been computed so far.

    Args:
        real: the rows that the generator learnt from.
        synthetic: the rows to be judged, with the same columns; any number of rows, any order.
        holdout: real rows of the same kind that the generator did not see. A fifth of the data is a good choice.
        target: the column that you would predict, for utility.
        schema: column types and rules; by default ``Schema.infer(real)``. Identifiers and free text are not judged.
        metrics: names in ``METRICS``, or metrics of your own (objects or classes); by default all of the level.
        level: ``"quick"``, ``"default"`` or ``"full"``: how much time to spend. Metrics named by you are computed
            at every level.
        secrets: columns that an attacker would like to learn; they are attacked one by one.
        domain: adds the figures of a field: ``"medical"`` or ``"credit"``.
        entity: the column that names whose record a row is (a patient, a customer): the tables are records over time,
            and are judged by entities (:mod:`synthkit.report.panel`). The holdout must be other entities.
        time, event: columns of a time-to-event pair; ``time`` also orders rows for an out-of-time split. With
            ``entity``, ``time`` is when a record was made; without it, an entity's records have no order.
        context: with ``entity``: the columns that are constant within entities; by default those that are so in
            ``real``.
        kinds: ``{column: "numeric" | "categorical" | "datetime"}``: the columns to judge and what they are, where
            the schema is not to decide.
        kind: ``"series"``: the tables are one long series, or few that share a calendar (``entity`` tells them apart,
            ``time`` orders them), and are judged by :mod:`synthkit.report.series`; ``metrics`` are then names in
            ``SERIES_METRICS``, and the holdout should be alternating blocks (:func:`synthkit.metrics.split_blocks`).
            ``"panel"`` needs an entity, ``"rows"`` has none; ``"auto"``: one of these two, by the entity.
        seed: of all that is random. The same arguments and seed give the same scores.
        max_seconds: metrics that have not begun by then are left out, with a note; one is always computed.
        progress: True for a bar on stderr, or a callable given a :class:`Step`; returning True stops.

    Raises:
        SchemaError: a table is empty, lacks a column or holds what its kind cannot be; the target has one class; an
            entity is in ``real`` and in ``holdout``; entity or time are null; a declared context column varies within
            an entity.
        ParamError: an argument is out of its set, names no column, or an unknown metric.

    >>> from synthkit.testing import tiny_table
    >>> report = evaluate(tiny_table(300), tiny_table(300, 1), holdout=tiny_table(300, 2), metrics=["shape", "copies"])
    >>> sorted(report.scores), bool(report.scores["copies"].copy > 0.9)
    (['copies', 'shape'], True)
    """
    known = {"target": target, "schema": schema, "level": level, "secrets": secrets, "kinds": kinds, "seed": seed}
    how: dict[str, Any] = {"metrics": metrics, "max_seconds": max_seconds, "progress": progress, "domain": domain}
    roles: dict[str, Any] = {"entity": entity, "time": time, "context": context, "event": event, "kind": kind}
    return evaluate_all(real, {"synthetic": synthetic}, holdout=holdout, **roles, **known, **how)["synthetic"]


def evaluate_all(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    *,
    holdout: pd.DataFrame | None,
    metrics: Iterable[str | Metric | type[Metric]] | None = None,
    domain: str | None = None,
    max_seconds: float | None = None,
    progress: bool | Progress | None = None,
    entity: Hashable | None = None,
    context: Sequence[Hashable] | None = None,
    kind: Literal["auto", "rows", "panel", "series"] = "auto",
    **known: Any,
) -> dict[str, Report]:
    """A report per synthetic table; references are computed once. For arguments and errors see :func:`evaluate`."""
    check("evaluate", "kind", kind, OneOf("auto", "rows", "panel", "series"))
    if kind == "series":
        from synthkit.report.series import evaluate_series  # it needs this module's Run

        own: dict[str, Any] = {"level": known.pop("level", "default"), "seed": known.pop("seed", 0)}
        own |= {"time": known.pop("time", None), "max_seconds": max_seconds, "progress": progress}
        only_rows = {**known, "secrets": tuple(known.get("secrets", ())) or None, "domain": domain, "context": context}
        return evaluate_series(
            real, synthetic, holdout=holdout, entity=entity, metrics=metrics, **own, foreign=only_rows
        )
    if (kind == "panel" and entity is None) or (kind == "rows" and entity is not None):
        raise ParamError(f"evaluate: argument 'kind': {kind!r} {'needs' if kind == 'panel' else 'has no'} 'entity'.")
    if entity is not None:
        from synthkit.report.panel import evaluate_panels  # it needs this module's Run

        how: dict[str, Any] = {"metrics": metrics, "max_seconds": max_seconds, "progress": progress, "domain": domain}
        return evaluate_panels(real, synthetic, holdout=holdout, entity=entity, context=context, **known, **how)
    if context is not None:
        raise ParamError("evaluate: argument 'context' needs 'entity', the column that names whose record a row is.")
    check_how(max_seconds, progress, domain)
    cases = build_cases(real, synthetic, holdout, **known)
    chosen, left_out = choose(metrics, cases.any, domain)
    run = Run(cases, left_out, max_seconds, progress)
    run.all(chosen)
    run.check()
    return {name: run.report(name, list(chosen), domain) for name in synthetic}


def check_how(max_seconds: object, progress: object, domain: object) -> None:
    """Check the arguments that say how to go on.

    Raises:
        ParamError: one is out of its set.
    """
    check("evaluate", "max_seconds", max_seconds, Optional(Interval(float, 0, None, "neither")))
    check("evaluate", "domain", domain, OneOf(None, "medical", "credit"))
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ParamError("evaluate: argument 'progress' must be True, None or a callable.")


# -------------------------------------------------------------------- the work
@dataclass
class Run:
    """The measurements, one metric after the other."""

    cases: Cases
    left_out: dict[str, str]
    max_seconds: float | None
    progress: bool | Progress | None
    found: dict[str, dict[str, Score]] = field(default_factory=dict)  # metric -> table -> score
    seconds: dict[str, float] = field(default_factory=dict)
    start: float = field(default_factory=clock.perf_counter)

    def all(self, chosen: Mapping[str, Any]) -> None:
        """Measure; the quickest levels first, so that a lack of time costs what is dear."""
        order = sorted(chosen.values(), key=lambda m: LEVELS.index(m.level))
        bar = tqdm(total=len(order), unit="metric", leave=False) if self.progress is True else None
        stopped = ""
        try:
            for done, metric in enumerate(order, 1):
                if done > 1 and self.max_seconds is not None and self.elapsed() > self.max_seconds:
                    stopped = STOPPED[0]
                    break
                begin = clock.perf_counter()
                self.found[metric.name] = self.scores_of(metric)
                self.seconds[metric.name] = clock.perf_counter() - begin
                if bar is not None:
                    bar.set_postfix_str(metric.name)
                    bar.update()
                step = Step(metric.name, done, len(order), self.elapsed())
                if callable(self.progress) and self.progress(step):
                    stopped = STOPPED[1]
                    break
        except KeyboardInterrupt:
            stopped = STOPPED[2]
            if not self.found:
                raise
        finally:
            if bar is not None:
                bar.close()
        late = [metric.name for metric in order if metric.name not in self.found]
        self.left_out.update(dict.fromkeys(late, stopped))
        if late:
            warnings.warn(f"evaluate: {stopped}; {len(late)} metrics are left out.", SynthkitWarning, stacklevel=4)

    def scores_of(self, metric: Any) -> dict[str, Score]:
        """The scores of one metric by the name of the synthetic table."""
        return score_all(metric, self.cases)

    def check(self) -> None:
        """Check that something was found.

        Raises:
            ParamError: nothing was, and why.
        """
        if not self.found:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
            raise ParamError(f"evaluate: argument 'metrics': none can be computed ({why}).")

    def elapsed(self) -> float:
        """Seconds since the start."""
        return clock.perf_counter() - self.start

    def report(self, name: str, order: Sequence[str], domain: str | None) -> Report:
        """The report of one synthetic table."""
        cases, case = self.cases, self.cases.synthetic[name]
        key = f"synthetic {name}"
        rows = {k.replace(key, "synthetic"): n for k, n in cases.given.items() if k in ("real", "holdout", key)}
        provenance = {
            "rows": rows,
            "reference_rows": cases.rows,
            "columns": len(case.kinds),
            "target": case.target,
            "secrets": list(case.secrets),
            "time": case.time,
            "event": case.event,
            "domain": domain,
            "level": case.level,
            "seed": case.seed,
            "versions": versions(),
            "seconds": {n: round(s, 3) for n, s in self.seconds.items()},
            "seconds_in_all": round(self.elapsed(), 3),
        }
        return Report(
            scores={metric: self.found[metric][name] for metric in order if metric in self.found},
            notes=tuple(_notes(cases, name)),
            left_out=dict(self.left_out),
            kinds=dict(case.kinds),
            provenance=provenance,
            tables=cases.tables(name),
            schema=case.schema,
        )


def score_all(metric: Metric, cases: Cases) -> dict[str, Score]:
    """The score of each synthetic table, by the table's name, with the references."""
    group = metric.group
    kinds = ("fresh", "copy", "independent")
    fresh, copy, independent = (_measured(metric, cases.reference(kind, group)) for kind in kinds)
    scores = {}
    for name, case in cases.synthetic.items():
        own = _measured(metric, case)
        matched = _measured(metric, cases.reference("matched", group, name))
        scores[name] = Score(
            name=metric.name,
            label=metric.label,
            group=group,
            goal=metric.goal,
            best=metric.best,
            bounds=metric.bounds,
            value=own.value,
            interval=own.interval,
            matched=matched.value,
            matched_interval=matched.interval,
            fresh=fresh.value,
            fresh_interval=fresh.interval,
            copy=copy.value,
            independent=independent.value,
            parts=own.parts,
            note=own.note,
            details=own.details,
            definition=metric.definition,
            reading=metric.reading,
        )
    return scores


def _measured(metric: Metric, case: Case | None) -> Measurement:
    if case is None:
        return Measurement.nothing("")
    try:
        found = metric.measure(case)
    except SynthkitError as error:  # the table is too odd for this metric; the others go on
        return Measurement.nothing(str(error))
    value = float(found.value)
    interval = None if found.interval is None else (float(found.interval[0]), float(found.interval[1]))
    if interval is not None and not all(map(math.isfinite, interval)):
        interval = None
    parts = {part: float(v) for part, v in found.parts.items()}
    return Measurement(value if math.isfinite(value) else math.nan, interval, parts, found.note, found.details)


def _notes(cases: Cases, name: str) -> Iterable[str]:
    """What a reader has to know of the whole report."""
    case = cases.synthetic[name]
    if case.holdout is None:
        yield (
            "There is no holdout. So this report cannot know what fresh real rows would score, whether the generator "
            "learnt or memorised, whether a model trained on synthetic rows works on new ones, or whether an attacker "
            "could tell who was in the training rows. Fidelity is judged by the training rows, which flatters. Pass "
            "real rows that the generator did not see as 'holdout'."
        )
    elif cases.fresh is None or cases.rows < 100:
        yield (
            f"Only {cases.rows} rows stand behind each reference figure: what fresh rows would score is known roughly. "
            "Intervals say how roughly."
        )
    for table, given, used in cases.shortened():
        if table in ("real", "holdout", f"synthetic {name}"):
            words = f"{given:,} {table.split(' ')[0]} rows"
            yield f"Of {words}, {used:,} were drawn for this report (level {case.level!r})."
    if case.target is None:
        yield "There is no target, so utility for a prediction of your choice is not measured."
    yield (
        "Privacy figures are the outcome of the attacks that were tried. They do not show that no other attack works, "
        "and no figure here is a guarantee about a person."
    )
