"""Metrics of the domain "medical": time-to-event pairs and reference ranges.

The event column may be boolean, numeric (above 0: the event was seen) or of categories; of those 1, true, yes, event,
dead, died, death, deceased, in any case, say that it was seen. Of two other levels it is the later one in the alphabet.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.learners import learner_interval
from synthkit.metrics.replicate import overlaps
from synthkit.metrics.survival import Cox, concordance, cox, curve_gap, kaplan_meier
from synthkit.metrics.tables import Breakdown, Coded, Kinds

__all__ = [
    "CIndexTstr",
    "HazardRatioOverlap",
    "KaplanMeierGap",
    "c_index_tstr",
    "hazard_ratio_overlap",
    "survival_gap",
]

Array = NDArray[np.float64]
_SEEN = {"1", "1.0", "true", "yes", "event", "dead", "died", "death", "deceased"}
_GROUPS = 10  # levels of a column that is worth curves of its own
_GROUP_ROWS = 30
_SPLITS = 30
_LEVELS = 8
_COLUMNS = 60
_EVENTS = 10


@dataclass(frozen=True)
class Followed:
    """The rows whose time and event are known: ``(rows,)`` each."""

    time: Array
    event: NDArray[np.bool_]
    rows: Coded


class SurvivalMetric(Metric):
    """A metric of a time-to-event pair."""

    domain: ClassVar = "medical"
    needs: ClassVar = ("survival",)

    def missing(self, case: Case) -> str:
        """What the case lacks: also a time that is a number, or pairs among the columns that count."""
        lacking = super().missing(case)
        if lacking:
            return lacking
        if case.time not in case.kinds or case.event not in case.kinds:
            return "needs time and event among the columns that are compared"
        return "" if case.kinds[case.time] == "numeric" else "needs a time that is a number or a duration"

    def measure(self, case: Case) -> Measurement:
        """Measure, where enough events are there."""
        lacking = self.missing(case)
        if lacking:
            return Measurement.nothing(lacking)
        for table in (case.real, case.synthetic, case.judge):
            followed = self.followed(case, table)
            if followed is None:
                return Measurement.nothing("the event column has levels that do not say whether the event was seen")
            if followed.event.sum() < _EVENTS:
                return Measurement.nothing(f"too few events: a table has less than {_EVENTS}")
        return self.compare(case)

    @abstractmethod
    def compare(self, case: Case) -> Measurement:
        """The figure, where enough events are there."""

    @staticmethod
    def followed(case: Case, table: Table) -> Followed | None:
        """At most 5,000 (20,000, 100,000) rows; ``None`` where the event cannot be read."""

        def read() -> Followed | None:
            flags = _event_flags(case, table)
            if flags is None:
                return None
            time = table.coded.numbers[:, table.coded.num.index(case.time)]
            keep = np.flatnonzero(~np.isnan(time) & (time >= 0) & ~np.isnan(flags))
            keep = np.sort(case.rng.permutation(keep)[: case.limit(5_000, 20_000, 100_000)])
            rows = table.coded.take(keep).without(case.time).without(case.event)
            return Followed(time[keep], flags[keep] > 0, rows)

        return case.once(("followed", case.time, case.event), read, of=(table, case.real))


def _event_flags(case: Case, table: Table) -> Array | None:
    """1 where the event was seen, 0 where not, NaN where unknown: ``(rows,)``."""
    name, coded = case.event, table.coded
    if name in coded.num:
        values = coded.numbers[:, coded.num.index(name)]
        return np.where(np.isnan(values), np.nan, values > 0)
    codes = coded.codes[:, coded.cat.index(name)]
    texts = _texts(case.real, name)
    seen = {text for text in texts if text.lower() in _SEEN}
    if not seen:
        if len(texts) != 2:
            return None
        seen = {max(texts)}
    first = np.unique(codes, return_index=True)
    says = {int(c): str(table.frame[name].iloc[i]) in seen for c, i in zip(*first, strict=True) if c >= 0}
    flag = np.array([float(says.get(c, False)) for c in range(coded.sizes[coded.cat.index(name)])] + [np.nan])
    return flag[codes]


def _texts(table: Table, name: Hashable) -> set[str]:
    return {str(value) for value in table.frame[name].dropna().unique()}


def _bootstrap_sd(rows: tuple[int, ...], draw: Callable[..., float], rng: np.random.Generator, times: int) -> float:
    """Standard deviation of a figure of weighted rows, one array of weights per table."""
    return float(np.std([draw(*(rng.multinomial(n, np.full(n, 1 / n)) for n in rows)) for _ in range(times)], ddof=1))


# -------------------------------------------------------------------- curves
class KaplanMeierGap(SurvivalMetric):
    """How far survival curves are from those of real rows."""

    name = "kaplan_meier_gap"
    label = "Kaplan-Meier gap"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    culprit = "independent"
    reading = "Survival curves are {value} apart"
    definition = (
        "Mean absolute difference of the Kaplan-Meier (1958) curves of synthetic and real rows up to the real 95 % "
        "quantile of time: of all rows, and of the groups of every column of at most 10 levels (of the first 30 such); "
        "mean over those."
    )

    def compare(self, case: Case) -> Measurement:
        """The mean gap; the parts are "all rows" and per grouping column the mean over its groups."""
        judge, ours = self.followed(case, case.judge), self.followed(case, case.synthetic)
        assert judge is not None and ours is not None  # measure() has looked
        until = float(np.quantile(judge.time, 0.95))
        if until <= 0:
            return Measurement.nothing("nearly all times are 0")
        splits = list(_splits(judge, ours))

        def gaps(weights: Array, other: Array) -> dict[Any, float]:
            return {
                name: sum(share * _gap(judge, ours, a, b, weights, other, until) for share, a, b in groups)
                for name, groups in splits
            }

        parts = gaps(np.ones(len(judge.time)), np.ones(len(ours.time)))
        value = float(np.mean(list(parts.values())))
        spread = _bootstrap_sd(
            (len(judge.time), len(ours.time)),
            lambda a, b: float(np.mean(list(gaps(a, b).values()))),
            case.rng,
            case.limit(10, 20, 50),
        )
        curves = {"real": kaplan_meier(judge.time, judge.event), "synthetic": kaplan_meier(ours.time, ours.event)}
        return Measurement(value, learner_interval(value, spread**2, self.bounds), parts, details=curves)


Split = tuple[float, NDArray[np.int64], NDArray[np.int64]]


def _splits(judge: Followed, ours: Followed) -> Iterator[tuple[Any, list[Split]]]:
    """All rows, and per column its groups: share of the judge's rows in it, the judge's rows and ours."""
    yield "all rows", [(1.0, np.arange(len(judge.time)), np.arange(len(ours.time)))]
    found = 0
    for j, name in enumerate(judge.rows.cat):
        mine, theirs = judge.rows.codes[:, j], ours.rows.codes[:, j]
        levels = [c for c in np.unique(mine) if (mine == c).sum() >= _GROUP_ROWS]
        if len(levels) >= 2 and len(np.unique(mine)) <= _GROUPS and found < _SPLITS:
            found += 1
            groups = [(np.flatnonzero(mine == c), np.flatnonzero(theirs == c)) for c in levels]
            total = sum(len(a) for a, _ in groups)
            yield name, [(len(a) / total, a, b) for a, b in groups]


def _gap(
    judge: Followed,
    ours: Followed,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    weights: Array,
    other: Array,
    until: float,
) -> float:
    if not weights[a].any():
        return 0.0
    if not len(b) or not other[b].any():
        return 1.0  # a group that was lost
    curves = [kaplan_meier(rows.time[i], rows.event[i], w[i]) for rows, i, w in ((judge, a, weights), (ours, b, other))]
    return curve_gap(curves[0], curves[1], until)


# -------------------------------------------------------------------- Cox regression
@dataclass(frozen=True)
class _Design:
    """How rows become covariates: standardised numbers, and levels against the most frequent one."""

    num: list[int]
    centre: Array
    scale: Array
    levels: list[tuple[int, int]]
    names: list[Hashable]

    @classmethod
    def of(cls, rows: Coded) -> _Design:
        known = [~np.isnan(rows.numbers[:, j]) for j in range(len(rows.num))]
        num = [j for j, k in enumerate(known) if k.sum() > 1 and np.ptp(rows.numbers[k, j]) > 0][:_COLUMNS]
        values = [rows.numbers[known[j], j] for j in num]
        levels = []
        for j in range(len(rows.cat)):
            count = np.bincount(rows.codes[:, j] + 1)[1:]
            frequent = np.flatnonzero(count >= max(_EVENTS, 0.02 * len(rows)))
            order = frequent[np.argsort(-count[frequent], kind="stable")]
            levels += [(j, int(c)) for c in order[1 : _LEVELS + 1]]
        levels = levels[: max(0, _COLUMNS - len(num))]
        centre = np.array([v.mean() for v in values])
        scale = np.array([v.std() for v in values])
        return cls(num, centre, scale, levels, [rows.num[j] for j in num] + [rows.cat[j] for j, _ in levels])

    def __call__(self, rows: Coded) -> Array:
        """``(rows, covariates)``; a null number counts as the mean, a null category as the reference level."""
        numbers = np.nan_to_num((rows.numbers[:, self.num] - self.centre) / self.scale)
        flags = [(rows.codes[:, j] == c).astype(float)[:, None] for j, c in self.levels]
        return np.concatenate([numbers.clip(-10, 10), *flags], axis=1)


class CoxMetric(SurvivalMetric):
    """A metric that fits Cox regressions."""

    group: ClassVar = "utility"

    def design(self, case: Case) -> _Design:
        """Covariates, by the real rows."""
        real = self.followed(case, case.real)
        assert real is not None
        return case.once(("design", case.time, case.event), lambda: _Design.of(real.rows), of=(case.real,))

    def model(self, case: Case, table: Table) -> Cox:
        """The regression of a table; fitted once."""
        rows, design = self.followed(case, table), self.design(case)
        assert rows is not None
        return case.once(
            ("cox", case.time, case.event), lambda: cox(design(rows.rows), rows.time, rows.event), of=(table, case.real)
        )


class HazardRatioOverlap(CoxMetric):
    """Would a Cox regression say the same?"""

    name = "hazard_ratio_overlap"
    label = "Overlap of hazard ratios"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    culprit = "independent"
    reading = "The intervals of hazard ratios overlap with the real ones by {value}"
    definition = (
        "Mean overlap (Karr et al. 2006) of the 95 % intervals of the log hazard ratios of two Cox (1972) regressions, "
        "of synthetic and of real rows, on all other columns (numbers per standard deviation, levels against the most "
        "frequent); of intervals that are apart, minus their distance in widths, -1 at the lowest."
    )

    def compare(self, case: Case) -> Measurement:
        """The mean overlap; the parts are per column; coefficients are in the details."""
        names = self.design(case).names
        if not names:
            return Measurement.nothing("no column to regress the time on")
        real, ours = self.model(case, case.real), self.model(case, case.synthetic)
        each = overlaps(real.intervals, ours.intervals, lowest=-1.0)
        parts = pd.Series(each).groupby(pd.factorize(pd.Series(names, dtype=object))[0]).mean()
        variance = float(np.var(_redrawn(real, ours, case.rng), ddof=1))
        value = float(each.mean())
        table = pd.DataFrame(
            {
                "covariate": pd.Series(names, dtype=object),
                "real": real.coefficients,
                "real_low": real.intervals[:, 0],
                "real_high": real.intervals[:, 1],
                "synthetic": ours.coefficients,
                "synthetic_low": ours.intervals[:, 0],
                "synthetic_high": ours.intervals[:, 1],
                "overlap": each,
            }
        )
        unique = list(dict.fromkeys(names))
        return Measurement(
            value,
            learner_interval(value, variance, self.bounds),
            dict(zip(unique, parts.tolist(), strict=True)),
            details={"coefficients": table},
        )


def _redrawn(real: Cox, ours: Cox, rng: np.random.Generator) -> Array:
    """The mean overlap where both tables are drawn again: coefficients from their normal laws."""
    shifts = [
        rng.multivariate_normal(np.zeros(len(m.coefficients)), m.covariance, 200, method="eigh")[:, :, None]
        for m in (real, ours)
    ]
    return overlaps(real.intervals + shifts[0], ours.intervals + shifts[1], lowest=-1.0).mean(axis=1)


class CIndexTstr(CoxMetric):
    """Cox regression trained on synthetic, concordance on real rows."""

    name = "c_index_tstr"
    label = "C-index, train on synthetic"
    goal = "higher"
    best = 1.0
    needs: ClassVar = ("survival", "holdout")
    culprit = "independent"
    reading = "A Cox regression learnt from synthetic rows ranks holdout rows with a C-index of {value}"
    definition = (
        "Harrell's (1982) concordance, on the holdout, of a Cox regression fitted to synthetic rows: share of "
        "comparable pairs whose order of risk is right, .5 by chance; beside it the same fitted to real rows."
    )

    def compare(self, case: Case) -> Measurement:
        """The concordance; that of the regression of real rows is in the parts."""
        design, test = self.design(case), self.followed(case, case.judge)
        assert test is not None
        if not design.names:
            return Measurement.nothing("no column to regress the time on")
        x = design(test.rows)[: case.limit(2_000, 5_000, 10_000)]
        time, event = test.time[: len(x)], test.event[: len(x)]
        ours, real = self.model(case, case.synthetic), self.model(case, case.real)
        value, variance = concordance(x @ ours.coefficients, time, event)
        if np.isnan(value):
            return Measurement.nothing("the holdout has no comparable pair")
        few = slice(0, 500)
        draws = case.rng.multivariate_normal(ours.coefficients, ours.covariance, 20, method="eigh")
        scores = [concordance(x[few] @ beta, time[few], event[few])[0] for beta in draws]
        training = float(np.nan_to_num(np.var(scores, ddof=1)))
        ceiling = concordance(x @ real.coefficients, time, event)[0]
        return Measurement(
            value,
            learner_interval(value, variance + training, self.bounds),
            {"trained on synthetic": value, "trained on real": ceiling},
            details={"trained on real": ceiling},
        )


# -------------------------------------------------------------------- on DataFrames
def _found(function: str, metric: Metric, case: Case) -> Measurement:
    if case.time not in case.kinds or case.event not in case.kinds:
        raise ParamError(f"{function}: arguments 'time' and 'event' must be columns of the tables.")
    found = metric.measure(case)
    if found.note:
        raise SchemaError(f"{function}: {found.note}; pass tables with more rows or other columns.")
    return found


def survival_gap(
    real: pd.DataFrame, synthetic: pd.DataFrame, time: Hashable, event: Hashable, *, kinds: Kinds | None = None
) -> Breakdown:
    """Mean absolute difference of Kaplan-Meier curves, of all rows and of groups: 0 is best, 1 worst.

    Args:
        real, synthetic: the tables.
        time: numeric column, time of follow-up; event: column that says whether the event was seen (see the module).
        kinds: the columns to use and what they are; by default read from the dtypes of ``real``.

    Returns:
        The mean, with the gap of "all rows" and per grouping column (its groups of 30 rows and more).

    Raises:
        ParamError: the columns are not in the tables. SchemaError: less than 10 events in a table.

    >>> table = pd.DataFrame({"t": range(60), "dead": [True, False] * 30})
    >>> survival_gap(table, table, "t", "dead").value
    0.0
    """
    case = Case.of(real, synthetic, kinds=kinds, time=time, event=event, level="full")
    found = _found("survival_gap", KaplanMeierGap(), case)
    return Breakdown(found.value, found.parts)


def hazard_ratio_overlap(
    real: pd.DataFrame, synthetic: pd.DataFrame, time: Hashable, event: Hashable, *, kinds: Kinds | None = None
) -> pd.DataFrame:
    """Log hazard ratios of Cox regressions on both tables, side by side, with the overlap of their 95 % intervals.

    Args, errors: as for :func:`survival_gap`.

    Returns:
        One row per covariate: ``covariate`` (its column), ``real``, ``real_low``, ``real_high``, ``synthetic``,
        ``synthetic_low``, ``synthetic_high`` and ``overlap`` (1 is best; below 0, to -1, they are apart).

    >>> table = pd.DataFrame({"t": range(60), "dead": [True, False] * 30, "x": [1, 2, 3] * 20})
    >>> hazard_ratio_overlap(table, table, "t", "dead")["overlap"].tolist()
    [1.0]
    """
    case = Case.of(real, synthetic, kinds=kinds, time=time, event=event, level="full")
    return _found("hazard_ratio_overlap", HazardRatioOverlap(), case).details["coefficients"]


def c_index_tstr(
    train: pd.DataFrame, test: pd.DataFrame, time: Hashable, event: Hashable, *, kinds: Kinds | None = None
) -> float:
    """Concordance on ``test`` of a Cox regression fitted to ``train``: .5 by chance, 1 is best.

    Args, errors: as for :func:`survival_gap`.

    >>> table = pd.DataFrame({"t": range(60), "dead": [True, False] * 30, "x": range(60)})
    >>> c_index_tstr(table, table, "t", "dead")
    1.0
    """
    case = Case.of(train, train, test, kinds=kinds, time=time, event=event, level="full")
    return _found("c_index_tstr", CIndexTstr(), case).value
