"""``evaluate`` of long series: paths judged by how they move.

The figures are those of :func:`synthkit.metrics.score_series`. In the synthetic paths' place stand:

- ``fresh``: real held-out blocks (of what they judge themselves, some of their pieces before the others);
- ``matched``: blocks cut from the synthetic paths, as long as the fresh ones, before the same judge;
- ``copy``: a stationary bootstrap of the training series (Politis and Romano, 1994), which copies real values, and
  which any model should be shown beside;
- ``independent``: training moves, every column shuffled by itself.

The 95 % interval of an error that has none of its own is ``t s``, with ``s`` the standard deviation of the figure over
draws of that bootstrap, each as long as the fresh blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from synthkit.blockwise import COPIES, block_length, block_rows
from synthkit.errors import ParamError, SynthkitError
from synthkit.metrics.base import LEVELS, Level, Measurement, Score
from synthkit.metrics.series import SERIES_METRICS, SeriesRun
from synthkit.metrics.series_table import Series, series_tables
from synthkit.params import Interval, OneOf, check
from synthkit.report.evaluation import Progress, Run, check_how
from synthkit.report.report import Report, versions
from synthkit.report.series_words import SERIES_WORDS

__all__ = ["SeriesTables", "bootstrap", "copying", "evaluate_series", "shuffled"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_DEALS: dict[Level, int] = {"quick": 8, "default": 16, "full": 32}
_COPIED, _NEARER = 0.05, 0.8  # share of windows that touch training, or distance ratio, from which paths are copies
_FEW = {"series_copies": 4}  # draws of the bootstrap where one is rough, and the figure is dear
_SOME = 16  # columns from which the length of blocks is found
_DRAW = "draw"


@dataclass(frozen=True, eq=False)
class SeriesTables:
    """The series behind a report, for its pictures.

    Attributes:
        real, synthetic, holdout: made together.
        labels: of the columns, for people.
    """

    real: Series
    synthetic: Series
    holdout: Series | None
    labels: tuple[str, ...]


def evaluate_series(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    *,
    holdout: pd.DataFrame | None,
    entity: Hashable | None,
    time: Hashable | None,
    metrics: Iterable[Any] | None,
    level: Level,
    seed: int,
    max_seconds: float | None,
    progress: bool | Progress | None,
    foreign: Mapping[str, Any],
) -> dict[str, Report]:
    """A report per table of synthetic paths; references are computed once. For arguments and errors see
    :func:`synthkit.evaluate`; ``foreign``: those that other tables alone take."""
    for name, value in foreign.items():
        if value is not None:
            raise ParamError(
                f"evaluate: argument {name!r} is not of kind 'series'; leave it out, or name another kind."
            )
    check_how(max_seconds, progress, None)
    check("evaluate", "level", level, OneOf(*LEVELS))
    check("evaluate", "seed", seed, Interval(int, 0, 2**32 - 1))
    names, left_out = _choose(metrics, holdout is not None)
    runs = _runs(real, synthetic, holdout, seed, time=time, entity=entity)
    # cases are of rows, and a series has none
    run = _SeriesRun(cast(Any, None), left_out, max_seconds, progress, runs=runs, level=level)
    run.all({name: _Task(name) for name in names})
    run.check()
    if metrics is None:
        run.forget_empty()
    keys = {"time": time, "entity": entity}
    return {table: _report(run, table, names, keys, copying(paths)) for table, paths in synthetic.items()}


def copying(table: Any) -> str | None:
    """The name of the model that drew a table, where it is one whose draws are made of real values; lost in files."""
    found = table.attrs.get(COPIES) if isinstance(table, pd.DataFrame) else None
    return found if isinstance(found, str) else None


def _runs(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    holdout: pd.DataFrame | None,
    seed: int,
    **keys: Any,
) -> dict[str, SeriesRun]:
    """The comparison of each table, all of one making."""
    given = [real, *(_with_draws(t, real) for t in synthetic.values()), *([] if holdout is None else [holdout])]
    made = series_tables(*given, **keys)
    held = None if holdout is None else made[-1]
    return {name: SeriesRun(made[0], own, held, seed=seed) for name, own in zip(synthetic, made[1:], strict=False)}


def _with_draws(synthetic: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Draws told apart by a column, as a file has them, become those of an index."""
    if isinstance(synthetic, pd.DataFrame) and _DRAW in synthetic.columns and _DRAW not in real.columns:
        return synthetic.set_index(_DRAW, append=True)
    return synthetic


def _choose(metrics: Iterable[Any] | None, held: bool) -> tuple[list[str], dict[str, str]]:
    asked = list(SERIES_METRICS) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    for one in asked:
        if not isinstance(one, str) or one not in SERIES_METRICS:
            raise ParamError(f"evaluate: argument 'metrics': of series there are {', '.join(SERIES_METRICS)}.")
    if not asked:
        raise ParamError("evaluate: argument 'metrics' is empty; name some, or leave it out for all.")
    needy = [name for name in dict.fromkeys(asked) if SERIES_METRICS[name].judge == "both" and not held]
    return [name for name in dict.fromkeys(asked) if name not in needy], dict.fromkeys(needy, "needs holdout")


# -------------------------------------------------------------------- references
def bootstrap(series: Series, lengths: Ints, rng: np.random.Generator, *, block: float | None = None) -> Series:
    """Paths of these lengths, of stretches of the training moves; whole rows at once.

    Levels are rebuilt from changes; a column that is tied to a leader (a bar's close to its open) keeps its distance.

    Args:
        lengths: ``(S,)`` steps of each path.
        block: mean steps of a stretch; by default the longest that a column's moves, or their sizes, ask for.
    """
    return _rebuilt(series, lengths, rng, [_blocks(series) if block is None else block])


def shuffled(series: Series, lengths: Ints, rng: np.random.Generator) -> Series:
    """The same of moves that are drawn one by one, for each column by itself: neither memory nor dependence."""
    return _rebuilt(series, lengths, rng, [1.0] * len(series.names))


def _blocks(series: Series) -> float:
    x, segment = series.moves
    starts = np.flatnonzero(np.diff(segment, prepend=-1))
    size = np.abs(x - np.median(x, axis=0))
    found = [block_length(y[:, j], starts=starts) for y in (x, size) for j in range(min(_SOME, x.shape[1]))]
    return max(found)


def _rebuilt(series: Series, lengths: Ints, rng: np.random.Generator, blocks: list[float]) -> Series:
    """One block length: rows at once; one per column: columns by themselves."""
    inner = np.flatnonzero(np.diff(series.segment, prepend=-1) == 0)
    counts = np.bincount(series.segment[inner])
    many, steps = len(lengths), int(lengths.max())
    drawn = [block_rows(counts[counts > 0], many, steps, block, rng=rng) for block in blocks]
    keep = np.arange(steps) < lengths[:, None]
    values = np.empty((int(lengths.sum()), len(series.names)))
    logs = np.empty((many, steps, len(series.names)))
    for j, way in enumerate(series.ways):
        rows, lead = inner[drawn[j % len(drawn)]], int(series.leader[j])
        if way == "level":
            logs[:, :, j] = series.logs[rows, j]
        elif lead != j and len(drawn) == 1:
            logs[:, :, j] = logs[:, :, lead] + series.logs[rows, j] - series.logs[rows, lead]
        else:
            change = series.logs[rows, j] - series.logs[rows - 1, j]
            logs[:, :, j] = series.logs[0, j] + np.cumsum(change, axis=1)
        values[:, j] = (np.exp(logs[:, :, j]) if way == "return" else logs[:, :, j])[keep]
    starts = np.cumsum(lengths) - lengths
    made = (starts, np.arange(many), None, series._making)
    return Series(series.names, values, series.ways, series.leader, *made)


# -------------------------------------------------------------------- the work
@dataclass(frozen=True)
class _Task:
    """A figure of series to compute."""

    name: str
    level: Level = "quick"


@dataclass
class _SeriesRun(Run):
    """The measurements of series, one after the other."""

    runs: Mapping[str, SeriesRun] = field(default_factory=dict)
    level: Level = "default"

    def scores_of(self, metric: Any) -> dict[str, Score]:
        """The scores of one metric by the name of the table."""
        name = metric.name
        values = {table: run.of(name, run.synthetic) for table, run in self.runs.items()}
        shared = None
        if not all(math.isnan(value.value) for value in values.values()):
            fewest = min(self.runs.values(), key=lambda run: len(run.synthetic))
            deals = _DEALS[self.level] if SERIES_WORDS[name].quick else _FEW.get(name, 1)
            shared = _References.of(name, fewest, deals)
        return {table: _score(name, run, values[table], shared) for table, run in self.runs.items()}

    def forget_empty(self) -> None:
        """Leave out what these series cannot have (a profile without dates), unless nothing is left."""
        for name, scores in list(self.found.items()):
            if all(math.isnan(s.value) for s in scores.values()) and len(self.found) > 1:
                self.left_out[name] = next(iter(scores.values())).note or "it could not be found"
                del self.found[name]


@dataclass(frozen=True)
class _References:
    """What stands in the place of synthetic paths, the same for all tables.

    Attributes:
        judge: whom it stands before; floor: the figure of fresh blocks; copy, independent: of those.
        lengths: ``(S,)`` steps of the fresh blocks, None where there are none.
        spread: how far the copies' figure goes by chance (half of 95 %).
    """

    judge: SeriesRun
    floor: Measurement
    copy: Measurement
    independent: Measurement
    lengths: Ints | None
    spread: float

    @classmethod
    def of(cls, name: str, run: SeriesRun, deals: int) -> _References:
        """Those of one figure; without fresh blocks, as long as the paths of ``run``."""
        rng = np.random.default_rng([run.seed, 31])
        fresh = run.fresh(name)
        floor = Measurement.nothing("") if fresh is None else fresh.of(name, fresh.synthetic)
        judge = run if fresh is None or math.isnan(floor.value) else fresh
        lengths = np.asarray(judge.synthetic.lengths, np.int64)
        copies = [_of(judge, name, lambda: bootstrap(run.real, lengths, rng)).value for _ in range(deals)]
        found = [c for c in copies if not math.isnan(c)]
        copy = Measurement(float(np.mean(found))) if found else Measurement.nothing("")
        independent = _of(judge, name, lambda: shuffled(run.real, lengths, rng))
        spread = math.nan
        if SERIES_WORDS[name].quick and len(found) > 2:
            spread = float(np.std(found, ddof=1) * student.ppf(0.975, len(found) - 1))
        return cls(judge, floor, copy, independent, lengths if judge is fresh else None, spread)

    def matched(self, name: str, run: SeriesRun) -> Measurement:
        """The figure of blocks cut from a table's paths, as long as the fresh ones."""
        if self.lengths is None:
            return Measurement.nothing("")
        rng, lengths = np.random.default_rng([run.seed, 32]), self.lengths
        return _of(self.judge, name, lambda: run.synthetic.pieces(lengths, rng))


def _score(name: str, run: SeriesRun, value: Measurement, shared: _References | None) -> Score:
    metric, words = SERIES_METRICS[name], SERIES_WORDS[name]
    matched, floor, copy, independent, spread = *[Measurement.nothing("")] * 4, math.nan
    if shared is not None and not math.isnan(value.value):
        matched, floor, spread = shared.matched(name, run), shared.floor, shared.spread
        copy, independent = shared.copy, shared.independent
    return Score(
        name=name,
        **words.named(),
        goal=metric.goal,
        best=metric.best,
        value=value.value,
        interval=value.interval,
        matched=matched.value,
        matched_interval=_interval(matched, spread, words.bounds),
        fresh=floor.value,
        fresh_interval=_interval(floor, spread, words.bounds),
        copy=copy.value,
        independent=independent.value,
        parts={part: float(x) for part, x in value.parts.items()},
        note=value.note,
        details={**value.details, "floor": dict(floor.parts)},
        of="blocks",
    )


def _of(judge: SeriesRun, name: str, make: Callable[[], Series]) -> Measurement:
    """The figure of what is made; nothing where it cannot be."""
    try:
        return judge.of(name, make())
    except SynthkitError:
        return Measurement.nothing("")


def _interval(found: Measurement, spread: float, bounds: tuple[float, float]) -> tuple[float, float] | None:
    if math.isnan(found.value) or found.interval is not None or math.isnan(spread):
        return found.interval
    return max(bounds[0], found.value - spread), min(bounds[1], found.value + spread)


# -------------------------------------------------------------------- the report
def _report(run: _SeriesRun, table: str, order: list[str], keys: Mapping[str, Any], copier: str | None) -> Report:
    made = run.runs[table]
    labels = tuple(" ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in made.real.names)
    tables = SeriesTables(made.real, made.synthetic, made.holdout, labels)
    held = {} if made.holdout is None else {"holdout": made.holdout}
    every = {"real": made.real, "synthetic": made.synthetic, **held}
    scores = {name: run.found[name][table] for name in order if name in run.found}
    provenance = {
        "steps": {name: len(t) for name, t in every.items()},
        "blocks": {name: len(t.starts) for name, t in every.items()},
        "paths": len(np.unique(made.synthetic.path)),
        "copies_real_values": _copies(scores, copier),
        "judged_by": {w: made.real.ways.count(w) for w in ("return", "difference", "level") if w in made.real.ways},
        **keys,
        "window": made.window,
        "level": run.level,
        "seed": made.seed,
        "versions": versions(),
        "seconds": {n: round(s, 3) for n, s in run.seconds.items()},
        "seconds_in_all": round(run.elapsed(), 3),
    }
    return Report(
        scores=scores,
        notes=tuple(_notes(made, scores, copier)),
        left_out=dict(run.left_out),
        kinds=dict.fromkeys(labels, "numeric"),
        provenance=provenance,
        series=tables,
    )


def _copies(scores: Mapping[str, Score], copier: str | None) -> str:
    """Do the paths hold real values: by the model's nature, or by what their windows show?"""
    if copier is not None:
        return f"yes, by its nature ({copier})"
    found = scores.get("series_copies")
    if found is None or math.isnan(found.value):
        return "not known"
    near = found.value < _NEARER or found.parts.get("copied", 0.0) > _COPIED
    return "yes, its windows show it" if near else "no sign of it"


def _notes(run: SeriesRun, scores: Mapping[str, Score], copier: str | None) -> Iterator[str]:
    """What a reader has to know of the whole report."""
    if run.holdout is None:
        yield (
            "There is no holdout. So this report cannot know what real blocks would score, nor whether paths are "
            "copies. Hold out alternating blocks (synthkit.metrics.split_blocks) and pass them as 'holdout'."
        )
    found = scores.get("series_copies")
    if _copies(scores, copier).startswith("yes"):
        shown = ""
        if found is not None and not math.isnan(found.value):
            shown = (
                f" {100 * found.parts['copied']:.0f} % of their windows touch a training window, beyond those that "
                f"touch a held-out one; the ratio of distances is {found.value:.2f}."
            )
        nature = "A block bootstrap does" if copier is None else f"The model that drew them ({copier}) does"
        yield (
            f"These paths copy the real series.{shown} {nature} that by its nature. Good figures then say that real "
            "values were repeated, not that new ones were made, and nothing real is kept private."
        )
    if run.holdout is not None:
        yield (
            "Copied blocks are a stationary bootstrap of the training series. It repeats real values, and what it "
            "reaches shows no merit of a model; a model that reaches as much without copying does."
        )
        yield (
            "Where a figure has no interval of its own, its interval is how far the bootstrap goes by chance over as "
            "many steps. One holdout is one draw."
        )
    yield (
        "Columns that wander are judged by log returns or differences, others by levels; the real series decides. The "
        "pictures of paths show the real series as it is: share the page with those only who may see it."
    )
