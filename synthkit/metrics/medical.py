"""Metrics of the domain "medical": time-to-event pairs, their survival curves.

The event column may be boolean, numeric (above 0: the event was seen) or of categories; of those 1, true, yes, event,
dead, died, death, deceased, in any case, say that it was seen. Of two other levels it is the later one in the alphabet.
"""

from __future__ import annotations

import math
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
from synthkit.metrics.survival import curve_gap, kaplan_meier
from synthkit.metrics.tables import Breakdown, Coded, Kinds

__all__ = ["EVENTS", "Followed", "KaplanMeierGap", "SurvivalMetric", "found_in", "level_text", "survival_gap"]

Array = NDArray[np.float64]
_SEEN = {"1", "1.0", "true", "yes", "event", "dead", "died", "death", "deceased"}
_GROUPS = 10  # levels of a column that is worth curves of its own
_GROUP_ROWS = 30
_SPLITS = 30
_TIMES = 120  # at which curves are drawn
EVENTS = 10
"""Of which a table needs as many for any figure of survival."""


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
            if followed.event.sum() < EVENTS:
                return Measurement.nothing(f"too few events: a table has less than {EVENTS}")
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
        """The mean gap; the parts are "all rows" and per grouping column the mean over its groups.

        The curves are in the details, by column and level; those of all rows are of ``(None, "")``.
        """
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
        details = {"curves": _curves(case, judge, ours, splits, until)} if case.explained else {}
        return Measurement(value, learner_interval(value, spread**2, self.bounds), parts, details=details)


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


def _curves(
    case: Case, judge: Followed, ours: Followed, splits: list[tuple[Any, list[Split]]], until: float
) -> dict[tuple[Hashable, str], pd.DataFrame]:
    """What figures draw of each group: both curves at evenly spaced times up to a round one."""
    step = 10.0 ** (math.floor(math.log10(until)) - 1)
    times = np.linspace(0.0, math.floor(until / step + 1e-9) * step, _TIMES + 1)
    found: dict[tuple[Hashable, str], pd.DataFrame] = {}
    for place, (name, groups) in enumerate(splits):
        for _, a, b in groups:
            key = (name, level_text(case.judge, name, judge.rows.column(name)[a[0]])) if place else (None, "")
            sides = (
                (read, rows.time[i], rows.event[i]) for read, rows, i in (("real", judge, a), ("synthetic", ours, b))
            )
            found[key] = pd.concat([pd.DataFrame({"time": times}), *(_on_grid(*side, times) for side in sides)], axis=1)
    return found


def level_text(table: Table, name: Hashable, code: float) -> str:
    """The text of a level, "empty" of null."""
    if math.isnan(code):
        return "empty"
    return str(table.frame[name].iloc[int(np.flatnonzero(table.coded.column(name) == code)[0])])


def _on_grid(side: str, time: Array, event: NDArray[np.bool_], times: Array) -> pd.DataFrame:
    """Survival with its interval, events seen so far, and rows still followed, at some times."""
    columns: dict[str, Any] = {side: np.nan, f"{side}_low": np.nan, f"{side}_high": np.nan}
    if len(time):
        curve = kaplan_meier(time, event)
        place = np.searchsorted(curve.times, times, side="right")
        lines = (curve.survival, curve.low, curve.high)
        columns = {key: np.r_[1.0, line][place] for key, line in zip(columns, lines, strict=True)}
    columns[f"{side}_events"] = np.searchsorted(np.sort(time[event]), times, side="right")
    columns[f"{side}_at_risk"] = len(time) - np.searchsorted(np.sort(time), times, side="left")
    return pd.DataFrame(columns, index=range(len(times)))


# -------------------------------------------------------------------- on DataFrames
def found_in(function: str, metric: Metric, case: Case) -> Measurement:
    """What a metric of this domain measures, or an error in place of a note."""
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
    found = found_in("survival_gap", KaplanMeierGap(), case)
    return Breakdown(found.value, found.parts)
