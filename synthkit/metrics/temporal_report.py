"""Records over time: every figure of a panel, beside the floor of real entities that the generator did not see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics import temporal as shape
from synthkit.metrics import temporal_dynamics as dynamics
from synthkit.metrics.base import Measurement
from synthkit.metrics.tables import Kinds
from synthkit.metrics.temporal_detection import entity_copies, entity_detection, memorisation
from synthkit.metrics.temporal_membership import entity_inference, entity_membership
from synthkit.metrics.temporal_panel import Panel, panels
from synthkit.metrics.temporal_utility import label, next_step
from synthkit.params import Interval, check

__all__ = ["PANEL_METRICS", "PanelMetric", "PanelReport", "PanelRun", "score_panel"]

Judges = Literal["real", "holdout"]


@dataclass(frozen=True)
class PanelMetric:
    """A figure of two panels.

    Attributes:
        measure: called with (real, synthetic), or, where the holdout judges, (real, synthetic, holdout); with ``seed``
            where it is seeded, and ``target`` where it is targeted.
        best: its best value; goal: which direction is better.
        judge: whose entities judge.
        boosted: does it train trees, so that it takes ``quick``?
        secret: does it attack ``secrets``?
    """

    measure: Callable[..., Measurement]
    best: float = 0.0
    goal: Literal["lower", "higher"] = "lower"
    judge: Judges = "real"
    seeded: bool = False
    targeted: bool = False
    boosted: bool = False
    secret: bool = False


PANEL_METRICS: dict[str, PanelMetric] = {
    "entity_detection": PanelMetric(entity_detection, 0.5, seeded=True, boosted=True),
    "values": PanelMetric(shape.values),
    "lengths": PanelMetric(shape.lengths),
    "gaps": PanelMetric(shape.gaps),
    "spans": PanelMetric(shape.spans),
    "calendar": PanelMetric(shape.calendar),
    "transitions": PanelMetric(dynamics.transitions),
    "autocorrelation": PanelMetric(dynamics.autocorrelation),
    "cross_lag": PanelMetric(dynamics.cross_lag),
    "variance": PanelMetric(dynamics.variance),
    "context_shape": PanelMetric(shape.context_shape),
    "context_dependence": PanelMetric(shape.context_dependence),
    "context_kept": PanelMetric(shape.context_kept),
    "missing_runs": PanelMetric(shape.missing_runs),
    "next_step": PanelMetric(next_step, judge="holdout", seeded=True, boosted=True),
    "label": PanelMetric(label, judge="holdout", seeded=True, targeted=True, boosted=True),
    "entity_copies": PanelMetric(entity_copies),
    "memorisation": PanelMetric(memorisation, 1.0, "higher", judge="holdout", seeded=True),
    "entity_membership": PanelMetric(entity_membership, 0.5, judge="holdout", seeded=True, boosted=True),
    "entity_inference": PanelMetric(entity_inference, judge="holdout", seeded=True, boosted=True, secret=True),
}
"""The figures of :func:`score_panel`, in the order of its table."""


@dataclass(frozen=True)
class PanelReport:
    """What was found.

    Attributes:
        table: a line per metric. ``value``: of all synthetic entities (``low``, ``high``: its 95 % interval where there
            is one); ``matched``: on as many entities as ``floor``, which is the same figure of real holdout entities in
            the synthetic ones' place: hold these two against each other, as errors grow as entities become fewer.
            One holdout is one draw, so that a floor is uncertain: ``chance`` and ``chance_sd`` are mean and standard
            deviation of floors of real and holdout entities that are dealt anew, of errors without a model only.
            ``best``, ``goal``; ``note``, or why there is no value.
        details: a line per metric and part of it (a column as a rule), with ``value``, and the ``floor`` of the part.
        found: per metric the measurement behind ``value``.
        context: the columns that count as constant within entities.
        entities: of the real, the synthetic and the holdout panel.
    """

    table: pd.DataFrame
    details: pd.DataFrame
    found: Mapping[str, Measurement]
    context: tuple[Hashable, ...]
    entities: Mapping[str, int]

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.3f}".format, na_rep="")
        many = ", ".join(f"{n} {name}" for name, n in self.entities.items())
        return f"{shown}\n(entities: {many}; floor: real holdout entities, to be held against 'matched')"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format, na_rep=""))


def score_panel(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    entity: Hashable,
    time: Hashable | None,
    context: Sequence[Hashable] | None = None,
    holdout: pd.DataFrame | None = None,
    kinds: Kinds | None = None,
    target: Hashable | None = None,
    secrets: Sequence[Hashable] = (),
    metrics: Sequence[str] | None = None,
    deals: int = 10,
    quick: bool = False,
    seed: int = 0,
) -> PanelReport:
    """Judge synthetic records over time (experimental: names and figures may still change).

    Figures of fidelity compare with the real panel; their floor is the holdout before the real panel. Those of utility
    and memorisation use the holdout as judge, and have as their floor one half of its entities before the other, with
    as many training entities. Nothing depends on the order of rows (but of rows at the same time), nor on the names of
    entities.

    Args:
        real: the records that the generator learnt from, a row each.
        synthetic: the records to be judged, with the same columns.
        entity, time, context, kinds: see :func:`synthkit.metrics.temporal_panel.panels`. With ``time=None`` rows have
            no order, and figures of order are left out, with a note.
        holdout: real records of entities that the generator did not see; no entity may be in both.
        target: a column to be predicted per entity (the last known value, if it varies within entities).
        secrets: columns that an attacker would like to learn of an entity.
        metrics: names in ``PANEL_METRICS``; by default all.
        deals: how often real and holdout entities are dealt anew, for ``chance``; 0: not.
        quick: detection, next step and label by fewer and smaller trees, as in ``evaluate(level="quick")``.
        seed: of folds, subsamples, halves and deals.

    Raises:
        ParamError: an unknown metric; the target or a secret is no judged column; ``deals`` is negative.
        SchemaError: see :func:`synthkit.metrics.temporal_panel.panels`.

    >>> day = list(range(6)) * 40
    >>> visits = pd.DataFrame({"who": [i // 6 for i in range(240)], "day": day, "mmhg": [100.0 + d for d in day]})
    >>> report = score_panel(visits, visits, entity="who", time="day", metrics=["lengths", "gaps", "variance"])
    >>> report.table["value"].tolist()
    [0.0, 0.0, 0.0]
    """
    chosen = list(PANEL_METRICS) if metrics is None else list(dict.fromkeys(metrics))
    for name in chosen:
        if name not in PANEL_METRICS:
            raise ParamError(f"score_panel: there is no metric {name!r}; there are {', '.join(PANEL_METRICS)}.")
    check("score_panel", "deals", deals, Interval(int, 0, None))
    tables = [real, synthetic, *([] if holdout is None else [holdout])]
    made = panels(*tables, entity=entity, time=time, context=context, kinds=kinds)
    if target is not None and target not in made[0].kinds:
        raise ParamError(f"score_panel: argument 'target': {target!r} is no judged column; name one of them.")
    for name in secrets:
        if name not in made[0].kinds:
            raise ParamError(f"score_panel: argument 'secrets': {name!r} is no judged column; name one of them.")
    held = made[2] if holdout is not None else None
    run = PanelRun(made[0], made[1], held, target, seed, quick, secrets=tuple(secrets))
    chance = run.chance(chosen, deals)
    lines, parts, found = [], [], {}
    for name in chosen:
        value, matched, floor = run.all(PANEL_METRICS[name])
        found[name] = value
        lines.append(_line(name, PANEL_METRICS[name], (value, matched, floor), chance.get(name, [])))
        parts += [(name, part, x, floor.parts.get(part, float("nan"))) for part, x in value.parts.items()]
    sizes = dict(zip(("real", "synthetic", "holdout"), map(len, made), strict=False))
    details = pd.DataFrame(parts, columns=["metric", "part", "value", "floor"])
    return PanelReport(pd.DataFrame(lines), details, found, made[0].context, sizes)


@dataclass(frozen=True)
class PanelRun:
    """The panels of one comparison, made together, and what is drawn from them in place of the synthetic one.

    Attributes:
        target: of the label; seed: of folds, subsamples, halves and deals; quick: fewer and smaller trees.
        secrets: what an attacker would like to learn.
        fewest: entities that references have at most; by default the synthetic ones. Runs of one comparison have the
            same real and holdout panels and ``fewest``, so that they share references, which are computed once.
    """

    real: Panel
    synthetic: Panel
    holdout: Panel | None
    target: Hashable | None
    seed: int
    quick: bool = False
    fewest: int | None = None
    secrets: tuple[Hashable, ...] = ()

    def all(self, metric: PanelMetric) -> tuple[Measurement, Measurement, Measurement]:
        """The value; the same of as many entities as the floor has; the floor."""
        none = Measurement.nothing("")
        if why := self.lacking(metric):
            return Measurement.nothing(why), none, none
        call = self.call(metric)
        if self.holdout is None:
            return call(self.real, self.synthetic), none, none
        few, fresh = self.matched(metric)
        judges = self.judges(metric)
        floor = self.shared("fresh", metric, lambda: call(judges[0], fresh, *judges[1:]))
        if metric.judge == "real":
            value = call(self.real, self.synthetic)
            return value, value if few is self.synthetic else call(self.real, few), floor
        return call(self.real, self.synthetic, self.holdout), call(judges[0], few, *judges[1:]), floor

    def shared(self, what: str, metric: Hashable, make: Callable[[], Any]) -> Any:
        """What does not depend on the synthetic panel, computed once for all runs of a comparison."""
        key = (what, metric, self.holdout, self.size, self.target, self.secrets, self.seed, self.quick)
        return self.real.once(key, make)

    def call(self, metric: PanelMetric) -> Callable[..., Measurement]:
        """The metric, told seed and target as far as it takes them."""
        offered = {"seed": self.seed, "target": self.target, "quick": self.quick, "secrets": self.secrets}
        takes = {"seed": metric.seeded, "target": metric.targeted, "quick": metric.boosted, "secrets": metric.secret}
        return partial(metric.measure, **{name: value for name, value in offered.items() if takes[name]})

    def matched(self, metric: PanelMetric) -> tuple[Panel, Panel]:
        """Synthetic and fresh real entities, equally many; with a holdout only."""
        fresh = self._references(metric)[0]
        return self.synthetic.head(len(fresh), self.seed), fresh

    def judges(self, metric: PanelMetric) -> tuple[Panel, ...]:
        """Whom ``matched`` and references are held against: training entities; and half the holdout, if it judges."""
        return self._references(metric)[1:]

    def _references(self, metric: PanelMetric) -> tuple[Panel, ...]:
        """Fresh entities, then the judges: drawn once, so that what they teach is learnt once."""

        def make() -> tuple[Panel, ...]:
            if metric.judge == "real":
                return self._holdout.head(self.size, self.seed), self.real
            fresh, judge = self._holdout.halves(self.seed)
            fresh = fresh.head(self.size, self.seed)
            return fresh, self.real.head(len(fresh), self.seed), judge

        found: tuple[Panel, ...] = self.shared("references", metric.judge, make)
        return found

    @property
    def size(self) -> int:
        """Entities that references have at most."""
        return len(self.synthetic) if self.fewest is None else self.fewest

    @property
    def _holdout(self) -> Panel:
        if self.holdout is None:
            raise ParamError("score_panel: argument 'holdout': floors need one.")
        return self.holdout

    def chance(self, names: Sequence[str], deals: int) -> dict[str, list[float]]:
        """Floors of ``deals`` other deals of real and holdout entities, of errors that train no model."""
        cheap = [n for n in names if PANEL_METRICS[n].judge == "real" and not PANEL_METRICS[n].seeded]
        cheap = [n for n in cheap if n not in ("context_kept", "entity_copies")]  # they know their own noise
        out: dict[str, list[float]] = {name: [] for name in cheap}
        if self.holdout is None or not cheap:
            return out
        for deal in range(deals):
            one, other = self.real.dealt_anew(self.holdout, self.seed * deals + deal)
            for name in cheap:
                out[name].append(PANEL_METRICS[name].measure(one, other).value)
        return out

    def taught(self, name: str, deals: int) -> list[float]:
        """Floors of ``deals`` other deals of training and fresh entities before the same judge, of a model's skill."""
        metric = PANEL_METRICS[name]
        if self.holdout is None or self.lacking(metric) or metric.judge != "holdout":
            return []
        train, *judge = self.judges(metric)
        fresh = self.matched(metric)[1]
        dealt = (train.dealt_anew(fresh, self.seed * deals + deal) for deal in range(deals))
        return [self.call(metric)(one, other, *judge).value for one, other in dealt]

    def lacking(self, metric: PanelMetric) -> str:
        """What is not there for a metric, in words; empty where nothing."""
        words = [word for word in ("holdout", "target", "secrets") if self._lacks(metric, word)]
        return f"needs {' and '.join(words)}" if words else ""

    def _lacks(self, metric: PanelMetric, word: str) -> bool:
        if word == "holdout":
            return metric.judge == "holdout" and self.holdout is None
        if word == "secrets":
            return metric.secret and not self.secrets
        return metric.targeted and self.target is None


def _line(
    name: str, metric: PanelMetric, found: tuple[Measurement, Measurement, Measurement], chance: Sequence[float]
) -> dict[str, object]:
    value, matched, floor = found
    low, high = value.interval or (float("nan"), float("nan"))
    several = len(chance) > 1
    return {
        "metric": name,
        "value": value.value,
        "low": low,
        "high": high,
        "matched": matched.value,
        "floor": floor.value,
        "chance": float(np.mean(chance)) if several else float("nan"),
        "chance_sd": float(np.std(chance, ddof=1)) if several else float("nan"),
        "best": metric.best,
        "goal": metric.goal,
        "note": value.note,
    }
