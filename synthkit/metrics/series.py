"""Long series: every figure, beside the floor of real blocks that the generator did not see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from synthkit.errors import ParamError, SynthkitError
from synthkit.metrics.base import Measurement
from synthkit.metrics.series_detection import pieces_of, series_copies, window_detection
from synthkit.metrics.series_dynamics import acf_error, cross_error, profile_error, spectral, tail_risk
from synthkit.metrics.series_facts import stylised_facts
from synthkit.metrics.series_table import Series, series_tables
from synthkit.metrics.series_utility import next_move

__all__ = ["SERIES_METRICS", "SeriesMetric", "SeriesReport", "SeriesRun", "score_series"]

Judge = Literal["real", "holdout", "both"]  # who must be there: only "both" needs a holdout


@dataclass(frozen=True)
class SeriesMetric:
    """A figure of series.

    Attributes:
        measure: called with (real, synthetic), and the holdout (or None) unless ``"real"`` judges; with ``seed``
        where it is
            seeded, with ``window`` where it looks at windows.
        best, goal: its best value, and the direction that is better.
        judge: who judges: the training blocks, the holdout (else the training blocks), or both (needs a holdout).
    """

    measure: Callable[..., Measurement]
    best: float = 0.0
    goal: Literal["lower", "higher"] = "lower"
    judge: Judge = "real"
    seeded: bool = False
    windowed: bool = False


SERIES_METRICS: dict[str, SeriesMetric] = {
    "window_detection": SeriesMetric(window_detection, 0.5, judge="holdout", seeded=True, windowed=True),
    "acf": SeriesMetric(acf_error),
    "cross": SeriesMetric(cross_error),
    "spectral": SeriesMetric(spectral),
    "tail_risk": SeriesMetric(tail_risk),
    "stylised_facts": SeriesMetric(stylised_facts, 1.0, "higher", seeded=True),
    "profiles": SeriesMetric(profile_error, 1.0, "higher"),
    "next_move": SeriesMetric(next_move, 1.0, judge="both", seeded=True),
    "series_copies": SeriesMetric(series_copies, 1.0, "higher", judge="both", seeded=True, windowed=True),
}
"""The figures of :func:`score_series`, in the order of its table."""


@dataclass(frozen=True)
class SeriesReport:
    """What was found.

    Attributes:
        table: a line per metric: ``value`` (``low``, ``high``: 95 % interval where there is one); ``floor``: the same
            of real blocks in the synthetic paths' place, NaN without a holdout; ``best``, ``goal``; ``note``, or why
            there is no value.
        details: a line per metric and part.
        found: per metric the measurement behind ``value``.
        ways: how each column was judged: by returns, differences, or levels.
    """

    table: pd.DataFrame
    details: pd.DataFrame
    found: Mapping[str, Measurement]
    ways: Mapping[Hashable, str]

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.3f}".format, na_rep="")
        return f"{shown}\n(floor: real blocks in the synthetic paths' place)"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format, na_rep=""))

    def __getitem__(self, name: str) -> float:
        """The value of one metric."""
        return self.found[name].value


def score_series(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    holdout: pd.DataFrame | None = None,
    time: Hashable | None = None,
    entity: Hashable | None = None,
    columns: Sequence[Hashable] | None = None,
    metrics: Sequence[str] | None = None,
    window: int = 24,
    seed: int = 0,
) -> SeriesReport:
    """Judge synthetic paths of one long series, or of few that share a calendar (experimental: figures may still
    change).

    Columns that wander are judged by log returns (positive ones) or differences, others by levels: ``ways`` says which.
    Hold out alternating blocks (:func:`synthkit.metrics.split_blocks`): a later part of a series differs from the
    earlier one in itself. Blocks are recognised by holes in ``time``; name a column of row numbers if there is no time.

    Args:
        real: the rows that the generator learnt from, a row per step (and entity).
        synthetic: the paths to be judged; a first index level ``draw`` tells independent ones apart.
        holdout: real rows that the generator did not see.
        time, entity, columns: see :func:`synthkit.metrics.series_tables`.
        metrics: names in ``SERIES_METRICS``; by default all.
        window: steps of the windows of detection and of the search for copies.
        seed: of folds, blocks and bootstraps.

    Raises:
        ParamError: an unknown metric; a window below 4.
        SchemaError: see :func:`synthkit.metrics.series_tables`.

    >>> rng = np.random.default_rng(0)
    >>> noise = [pd.DataFrame({"x": rng.normal(size=600)}) for _ in range(2)]
    >>> bool(score_series(noise[0], noise[1], metrics=["acf"])["acf"] < 0.05)
    True
    """
    chosen = list(SERIES_METRICS) if metrics is None else list(dict.fromkeys(metrics))
    for name in chosen:
        if name not in SERIES_METRICS:
            raise ParamError(f"score_series: there is no metric {name!r}; there are {', '.join(SERIES_METRICS)}.")
    if not isinstance(window, int) or window < 4:
        raise ParamError("score_series: argument 'window' must be a whole number of steps, 4 or more.")
    tables = [real, synthetic, *([] if holdout is None else [holdout])]
    made = series_tables(*tables, time=time, entity=entity, columns=columns)
    run = SeriesRun(made[0], made[1], made[2] if holdout is not None else None, window, seed)
    lines, parts, found = [], [], {}
    for name in chosen:
        value, floor = run.all(name)
        found[name] = value
        low, high = value.interval or (float("nan"), float("nan"))
        metric = SERIES_METRICS[name]
        line = {"metric": name, "value": value.value, "low": low, "high": high, "floor": floor.value}
        lines.append(line | {"best": metric.best, "goal": metric.goal, "note": value.note})
        parts += [(name, part, x, floor.parts.get(part, float("nan"))) for part, x in value.parts.items()]
    details = pd.DataFrame(parts, columns=["metric", "part", "value", "floor"])
    return SeriesReport(pd.DataFrame(lines), details, found, dict(zip(made[0].names, made[0].ways, strict=True)))


@dataclass(frozen=True)
class SeriesRun:
    """The series of one comparison, made together."""

    real: Series
    synthetic: Series
    holdout: Series | None
    window: int = 24
    seed: int = 0

    def all(self, name: str) -> tuple[Measurement, Measurement]:
        """The value, and the floor."""
        metric = SERIES_METRICS[name]
        if metric.judge == "both" and self.holdout is None:
            return Measurement.nothing("needs holdout"), Measurement.nothing("")
        value = self.of(name, self.synthetic)
        if self.holdout is None:
            return value, Measurement.nothing("")
        return value, self.floor(name)

    def of(self, name: str, synthetic: Series) -> Measurement:
        """The figure of some paths in the synthetic ones' place."""
        metric = SERIES_METRICS[name]
        told = ({"seed": self.seed} if metric.seeded else {}) | ({"window": self.window} if metric.windowed else {})
        judges = (self.real, synthetic) if metric.judge == "real" else (self.real, synthetic, self.holdout)
        try:
            return partial(metric.measure, **told)(*judges)
        except SynthkitError as error:  # the series are too odd for this figure; the others go on
            return Measurement.nothing(str(error))

    def floor(self, name: str) -> Measurement:
        """The figure of real blocks: the holdout before training; where it judges itself, other pieces in its place."""
        fresh = self.fresh(name)
        return Measurement.nothing("") if fresh is None else fresh.of(name, fresh.synthetic)

    def fresh(self, name: str) -> SeriesRun | None:
        """The run behind the floor: real blocks stand in the synthetic paths' place; None where there are too few."""
        metric = SERIES_METRICS[name]
        if self.holdout is None:
            return None
        if metric.judge == "real":
            return SeriesRun(self.real, self.holdout, self.holdout, self.window, self.seed)
        pieces = pieces_of(self.real if metric.judge == "holdout" else self.holdout, self.window)
        places = np.arange(len(pieces.starts))
        if len(places) < 4:
            return None
        other, fresh = pieces.only(places[::2]), pieces.only(places[1::2])
        if metric.judge == "holdout":  # half of training is to be told from the holdout, as the other half teaches
            return SeriesRun(other, fresh, self.holdout, self.window, self.seed)
        return SeriesRun(self.real, fresh, other, self.window, self.seed)
