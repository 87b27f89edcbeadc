"""Records over time: the shape of a panel, compared. Errors: 0 is identical.

Lengths, gaps and calendar; values; context, and what follows from it; gaps in the data. What goes on from row to row
is in :mod:`synthkit.metrics.temporal_dynamics`. All figures take panels made together by
:func:`synthkit.metrics.temporal_panel.panels`, the real one first. Without intervals: the floor of real holdout
entities (:func:`synthkit.metrics.temporal_report.score_panel`) says how far a figure goes by chance.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synthkit.metrics.base import Measurement
from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal_panel import Panel, check_pair

__all__ = [
    "associations",
    "calendar",
    "context_dependence",
    "context_kept",
    "context_shape",
    "gaps",
    "indicators",
    "ks",
    "lengths",
    "mean_of",
    "missing_runs",
    "normal_scores",
    "scored",
    "spans",
    "values",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_TIME = "needs a time: without one the rows of an entity have no order"
_LEVELS = 10
_FEWEST_RUNS = 30  # of nulls in the real panel, so that the law of their lengths is known


# -------------------------------------------------------------------- tools
def ks(x: Floats, y: Floats) -> float:
    """Kolmogorov-Smirnov distance of two samples, nulls dropped; 1 where one of them only is empty, 0 where both are.

    >>> ks(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    if not len(x) or not len(y):
        return float(len(x) != len(y))
    at = np.concatenate([x, y])
    below = [np.searchsorted(z, at, side="right") / len(z) for z in (x, y)]
    return float(np.abs(below[0] - below[1]).max())


def total_variation(x: Ints, y: Ints) -> float:
    """Total variation distance of two samples of codes from -1."""
    size = int(max(x.max(initial=-1), y.max(initial=-1))) + 2
    shares = [np.bincount(z + 1, minlength=size) / max(1, len(z)) for z in (x, y)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def normal_scores(law: Floats, values: Floats) -> Floats:
    """``values`` as quantiles of a normal law, by their mid-rank among ``law`` (van der Waerden); null stays.

    Correlations and variances of scores do not hang on the few largest amounts, nor on the unit. Beyond ``law`` a value
    is as far as its end.
    """
    known = np.sort(law[~np.isnan(law)])
    rank = (np.searchsorted(known, values, side="left") + np.searchsorted(known, values, side="right")) / 2
    return np.where(np.isnan(values), np.nan, ndtri((rank + 0.5) / (len(known) + 1)))


def scored(law: Coded, rows: Coded) -> Coded:
    """The rows with every number as a normal score by the law, see :func:`normal_scores`."""
    numbers = [normal_scores(law.numbers[:, j], rows.numbers[:, j]) for j in range(len(rows.num))]
    return Coded(np.stack(numbers, axis=1), rows.codes, rows.sizes, rows.num, rows.cat)


def indicators(rows: Coded, law: Coded, levels: int = _LEVELS) -> tuple[Floats, list[Hashable]]:
    """Columns as numbers: normal scores, and 0/1 of the ``levels`` most frequent levels; NaN for null.

    Returns:
        ``(rows, features)``, and the column of each feature.
    """
    parts = [normal_scores(law.numbers[:, j], rows.numbers[:, j])[:, None] for j in range(len(rows.num))]
    names: list[Hashable] = list(rows.num)
    for j, name in enumerate(rows.cat):
        many = min(levels, rows.sizes[j])
        codes = rows.codes[:, j, None]
        parts.append(np.where(codes < 0, np.nan, codes == np.arange(many)))
        names += [name] * many
    return np.concatenate(parts, axis=1) if parts else np.empty((len(rows), 0)), names


def mean_of(parts: Mapping[Hashable, float], note: str, **details: object) -> Measurement:
    """The mean over the parts that are numbers; nothing, with the note, where there are none."""
    known = {name: float(value) for name, value in parts.items() if not np.isnan(value)}
    return Measurement(float(np.mean(list(known.values()))), parts=known, details=details) if known else _none(note)


def _none(note: str) -> Measurement:
    return Measurement.nothing(note)


# -------------------------------------------------------------------- lengths and times
def lengths(real: Panel, synthetic: Panel) -> Measurement:
    """Kolmogorov-Smirnov distance of the numbers of rows per entity."""
    check_pair("lengths", real, synthetic)
    return Measurement(ks(real.lengths.astype(np.float64), synthetic.lengths.astype(np.float64)))


def gaps(real: Panel, synthetic: Panel) -> Measurement:
    """How unlike the times between rows are.

    The mean of: the Kolmogorov-Smirnov distance of all gaps; that of entities' mean log gap (some come often, some
    rarely); the difference of the correlations of a gap with the next one of the entity, as normal scores by the real
    law (of logs, a few odd gaps among regular ones would decide it). The parts also have the difference of the shares
    of gaps of zero.
    """
    check_pair("gaps", real, synthetic)
    if real.clock is None:
        return _none(NO_TIME)
    if not len(real.gaps):
        return _none("no entity has two rows")
    # a unit that makes log1p bend where gaps are: the median gap that is not zero
    unit = float(np.median(real.gaps[real.gaps > 0])) if (real.gaps > 0).any() else 1.0
    logs = [np.log1p(t.gaps / unit) for t in (real, synthetic)]
    means, following = [], []
    scores = [normal_scores(real.gaps, t.gaps) for t in (real, synthetic)]
    for panel, log, score in zip((real, synthetic), logs, scores, strict=True):
        every = np.zeros(panel.rows)
        every[panel.position > 0] = log
        repeated = panel.lengths > 1
        means.append(panel.total(every)[repeated] / (panel.lengths[repeated] - 1))
        every[panel.position > 0] = score
        after = np.flatnonzero(panel.position > 1)
        following.append(_correlation(every[after - 1], every[after]))
    known = {
        "gap": ks(real.gaps, synthetic.gaps),
        "entity mean": ks(means[0], means[1]),
        "next gap": abs(following[0] - following[1]),
    }
    zero = [float((t.gaps == 0).mean()) if len(t.gaps) else 0.0 for t in (real, synthetic)]
    return Measurement(float(np.mean(list(known.values()))), parts={**known, "share of 0": abs(zero[0] - zero[1])})


def _correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation; 0 where one does not vary or there are fewer than 3 pairs."""
    if len(x) < 3 or not x.std() or not y.std():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def spans(real: Panel, synthetic: Panel) -> Measurement:
    """Kolmogorov-Smirnov distances of entities' first times and of the times from first to last; their mean."""
    check_pair("spans", real, synthetic)
    if real.clock is None or synthetic.clock is None:
        return _none(NO_TIME)
    firsts = [t.clock[t.starts] for t in (real, synthetic)]  # type: ignore[index]
    lasts = [t.clock[t.starts + t.lengths - 1] for t in (real, synthetic)]  # type: ignore[index]
    found = [last - first for first, last in zip(firsts, lasts, strict=True)]
    return mean_of({"start": ks(*firsts), "span": ks(*found)}, "")


def calendar(real: Panel, synthetic: Panel) -> Measurement:
    """Total variation distance of hours, weekdays, days of the month and months; the mean over those that vary."""
    check_pair("calendar", real, synthetic)
    if not real.calendar:
        return _none("needs a time of dates")
    parts = {
        part: total_variation(x, synthetic.calendar[part])
        for part, x in real.calendar.items()
        if min(x.min(), synthetic.calendar[part].min()) < max(x.max(), synthetic.calendar[part].max())
    }
    return mean_of(parts, "all dates are at one hour of one day")


# -------------------------------------------------------------------- values
def values(real: Panel, synthetic: Panel) -> Measurement:
    """Law of every moving column, rows of all entities together: Kolmogorov-Smirnov, or total variation distance.

    Nulls are a level of a categorical column, and dropped from numbers (see :func:`missing_runs`).
    """
    check_pair("values", real, synthetic)
    return mean_of(_laws(real.moving, synthetic.moving), "no column varies within entities")


def context_shape(real: Panel, synthetic: Panel) -> Measurement:
    """Law of every context column, each entity once: Kolmogorov-Smirnov, or total variation distance."""
    check_pair("context_shape", real, synthetic)
    return mean_of(_laws(real.static, synthetic.static), "there is no context")


def _laws(a: Coded, b: Coded) -> dict[Hashable, float]:
    found: dict[Hashable, float] = {n: ks(a.numbers[:, j], b.numbers[:, j]) for j, n in enumerate(a.num)}
    return found | {n: total_variation(a.codes[:, j], b.codes[:, j]) for j, n in enumerate(a.cat)}


def context_kept(real: Panel, synthetic: Panel) -> Measurement:
    """Share of synthetic entities in which a context column varies, beyond that of the real ones; mean over columns.

    With a 95 % interval over synthetic entities.
    """
    check_pair("context_kept", real, synthetic)
    shares = [{name: n / len(t) for name, n in t.wavering.items()} for t in (real, synthetic)]
    found = mean_of({n: max(0.0, shares[1][n] - share) for n, share in shares[0].items()}, "there is no context")
    error = 1.96 * np.sqrt(found.value * (1 - found.value) / len(synthetic))  # as if columns varied together
    return replace(found, interval=None if np.isnan(error) else (max(0.0, found.value - error), found.value + error))


def context_dependence(real: Panel, synthetic: Panel) -> Measurement:
    """How unlike the dependence of an entity's rows on its context is.

    Correlations over entities of each context feature with each feature of the rows: their number, the mean log gap,
    means of normal scores (by the real law), and shares of levels. The root mean square of the differences, by context
    column, and over all. Permuted context has none of the real correlations.
    """
    check_pair("context_dependence", real, synthetic)
    if not real.context:
        return _none("there is no context")
    found = [associations(indicators(t.static, real.static)[0], _entity_features(t, real)) for t in (real, synthetic)]
    squares = (found[0] - found[1]) ** 2
    return _by_column(squares, indicators(real.static, real.static)[1], "context or rows do not vary")


def _by_column(squares: Floats, names: list[Hashable], note: str) -> Measurement:
    """Root mean squares of ``(features, others)``, NaN left out: of each column's features, and of all."""
    if np.isnan(squares).all():
        return _none(note)
    parts = {}
    for name in dict.fromkeys(names):
        own = squares[[n == name for n in names]]
        if not np.isnan(own).all():
            parts[name] = float(np.sqrt(np.nanmean(own)))
    return Measurement(float(np.sqrt(np.nanmean(squares))), parts=parts)


def _entity_features(panel: Panel, real: Panel) -> Floats:
    """``(entities, features)``: number of rows, mean log gap, means of scores and indicators; NaN where unknown."""
    x, _ = indicators(panel.moving, real.moving)
    known = ~np.isnan(x)
    count = panel.total(known.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = panel.total(np.where(known, x, 0.0)) / count
        parts = [np.log(panel.lengths)[:, None], means]
        if panel.clock is not None:
            steps = np.zeros(panel.rows)
            steps[panel.position > 0] = np.log1p(panel.gaps)
            parts.append((panel.total(steps) / (panel.lengths - 1))[:, None])
    return np.concatenate(parts, axis=1)


def associations(a: Floats, b: Floats) -> Floats:
    """``(features of a, features of b)`` correlations over the rows in which both are known.

    0 where one of them does not vary there; NaN where fewer than 3 rows know both.
    """
    known_a, known_b = (~np.isnan(x) for x in (a, b))
    centred = [np.where(k, x - _mean(x, k), 0.0) for x, k in ((a, known_a), (b, known_b))]  # for digits, not for law
    x, y, ka, kb = centred[0], centred[1], known_a.astype(np.float64), known_b.astype(np.float64)
    n = ka.T @ kb
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = x.T @ kb / n, ka.T @ y / n
        var_x, var_y = (x**2).T @ kb / n - mean_x**2, ka.T @ y**2 / n - mean_y**2
        r = (x.T @ y / n - mean_x * mean_y) / np.sqrt(np.maximum(var_x, 0) * np.maximum(var_y, 0))
    r = np.where((var_x <= 1e-12) | (var_y <= 1e-12), 0.0, r)
    return np.where(n < 3, np.nan, np.clip(r, -1, 1))


def _mean(x: Floats, known: NDArray[np.bool_]) -> Floats:
    return np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


# -------------------------------------------------------------------- gaps in the data
def missing_runs(real: Panel, synthetic: Panel) -> Measurement:
    """How unlike nulls of moving columns are.

    Per column that has nulls in one of the panels the mean of: the difference of null rates; that of the shares of
    entities without any value; and, with a time, the Kolmogorov-Smirnov distance of the lengths of runs of nulls within
    entities (1 where the synthetic panel has none), if the real panel has 30 of them: of fewer their law is not known,
    and the one run that one panel has and another has not would count as all.
    """
    check_pair("missing_runs", real, synthetic)
    a, b = real.moving, synthetic.moving
    parts: dict[Hashable, float] = {}
    for name in (*a.num, *a.cat):
        null = [np.isnan(t.column(name)) for t in (a, b)]
        if not null[0].any() and not null[1].any():
            continue
        never = [float((t.total(n.astype(np.int64)) == t.lengths).mean()) for t, n in zip((real, synthetic), null)]  # noqa: B905
        errors = [abs(float(null[0].mean() - null[1].mean())), abs(never[0] - never[1])]
        runs = _runs(real, null[0])
        if real.clock is not None and len(runs) >= _FEWEST_RUNS:
            errors.append(ks(runs, _runs(synthetic, null[1])))
        parts[name] = float(np.mean(errors))
    return mean_of(parts, "no moving column has nulls")


def _runs(panel: Panel, null: NDArray[np.bool_]) -> Floats:
    """Lengths of the runs of nulls within entities."""
    begins = null & ((panel.position == 0) | ~np.concatenate([[False], null[:-1]]))
    number = np.cumsum(begins) - 1
    return np.bincount(number[null], minlength=int(begins.sum())).astype(np.float64)
