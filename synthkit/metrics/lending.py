"""What a scorecard of synthetic rows is worth on real ones: Gini, calibration by decile, and out of time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.credit import two_classes
from synthkit.metrics.learners import Grade, grade, learner_interval
from synthkit.metrics.scorecard import Scorecard
from synthkit.metrics.tables import Coded, Kinds

__all__ = ["DecileCalibration", "GiniTstr", "OutOfTime", "decile_calibration", "gini_tstr"]

Array = NDArray[np.float64]
_DECILES = 10
_LATE = 0.7  # share of the real rows before the cut of an out-of-time split
_PARTS = 4
_GROUPS = 10
_TRAINED = 10_000  # of more rows, that they are a sample does not matter
_ROWS = 20


class ScorecardMetric(Metric):
    """A metric of scorecards: of synthetic and of real rows, on real rows that neither has seen.

    The class whose probability is asked ("bad") is the rarer one in the real rows.
    """

    group: ClassVar = "utility"
    needs: ClassVar = ("target", "holdout")
    domain: ClassVar = "credit"

    def missing(self, case: Case) -> str:
        """What the case lacks: also a target of two classes."""
        return super().missing(case) or two_classes(case)

    def measure(self, case: Case) -> Measurement:
        """Measure, where both classes are in the rows that judge."""
        lacking = self.missing(case)
        if lacking:
            return Measurement.nothing(lacking)
        rows, bad = self.tested(case)
        if bad.all() or not bad.any() or len(rows) < _ROWS:
            return Measurement.nothing("too few rows of one class to judge a scorecard by")
        if any(len(self.learnt(case, t)[1]) < _ROWS for t in (case.real, case.synthetic)):
            return Measurement.nothing(f"too few rows to learn from: a scorecard needs {_ROWS}")
        return self.compare(case)

    @abstractmethod
    def compare(self, case: Case) -> Measurement:
        """The figure, where scorecards can be built and judged."""

    def learnt(self, case: Case, table: Table) -> tuple[Coded, NDArray[np.bool_]]:
        """The rows to learn from: covariates, and which are bad."""
        return self._rows(case, table)

    def tested(self, case: Case) -> tuple[Coded, NDArray[np.bool_]]:
        """The rows to judge by."""
        return self._rows(case, case.judge)

    @staticmethod
    def _rows(case: Case, table: Table, keep: NDArray[np.bool_] | None = None) -> tuple[Coded, NDArray[np.bool_]]:
        y = table.coded.column(case.target)
        real = case.real.coded.column(case.target)
        classes, counts = np.unique(real[~np.isnan(real)], return_counts=True)
        bad = classes[1] if counts[1] <= counts[0] else classes[0]
        known = np.isin(y, classes) if keep is None else np.isin(y, classes) & keep
        index = np.flatnonzero(known)
        index = np.sort(case.rng.permutation(index)[: case.limit(10_000, 50_000, 200_000)])
        return table.coded.take(index).without(case.target), y[index] == bad

    def card(self, case: Case, table: Table) -> Scorecard:
        """The scorecard that a table teaches; built once."""
        key = ("scorecard", type(self).learnt, case.target, case.time)
        return case.once(key, lambda: Scorecard.fit(*self.learnt(case, table)), of=(table, case.real))

    def graded(self, case: Case, table: Table) -> Grade:
        """AUC on the rows that judge."""
        rows, bad = self.tested(case)
        risk = self.card(case, table)(rows)
        return grade(bad.astype(np.float64), np.stack([-risk, risk], 1), categorical=True)

    def gini(self, case: Case) -> Measurement:
        """Twice the AUC, minus 1; that of the scorecard of real rows is in the parts."""
        ours, ceiling = self.graded(case, case.synthetic), self.graded(case, case.real)
        value, real = 2 * ours.value - 1, 2 * ceiling.value - 1
        variance = ours.variance + self._training_variance(case)
        return Measurement(
            value,
            learner_interval(value, 4 * variance, self.bounds),
            {"trained on synthetic": value, "trained on real": real},
            details={"trained on real": real},
        )

    def _training_variance(self, case: Case) -> float:
        """Of the AUC, from scorecards of quarters of the rows; of many rows it does not matter."""
        x, y = self.learnt(case, case.synthetic)
        if not _PARTS * _ROWS <= len(y) <= _TRAINED:
            return 0.0
        rows, bad = self.tested(case)
        scores = []
        for part in np.array_split(case.rng.permutation(len(y)), _PARTS):
            risk = Scorecard.fit(x.take(np.sort(part)), y[np.sort(part)])(rows)
            scores.append(grade(bad.astype(np.float64), np.stack([-risk, risk], 1), categorical=True).value)
        return float(np.var(scores, ddof=1)) / _PARTS


class GiniTstr(ScorecardMetric):
    """How well does a scorecard of synthetic rows rank real ones?"""

    name = "gini_tstr"
    label = "Gini, train on synthetic"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    culprit = "independent"
    reading = "A scorecard learnt from synthetic rows has a Gini of {value} on holdout rows"
    definition = (
        "Gini (twice the ROC AUC, minus 1) on the holdout of a scorecard built from synthetic rows: weights of "
        "evidence of binned columns in a logistic regression (Siddiqi 2006); beside it the same built from real rows."
    )

    def compare(self, case: Case) -> Measurement:
        """The Gini."""
        return self.gini(case)


class DecileCalibration(ScorecardMetric):
    """Is the rate of bad rows in every decile of risk what the scorecard says?"""

    name = "decile_calibration"
    label = "Calibration by decile"
    goal = "lower"
    best = 0.0
    reading = "By deciles, default rates learnt from synthetic rows are off by {value} on holdout rows"
    definition = (
        "Mean absolute difference of predicted and observed share of the rarer class over the deciles of predicted "
        "risk, on the holdout, of a scorecard built from synthetic rows."
    )

    def compare(self, case: Case) -> Measurement:
        """The mean difference; the table of deciles is in the details."""
        rows, bad = self.tested(case)
        risk = self.card(case, case.synthetic)(rows)
        truth = self.card(case, case.real)(rows)
        table, real = (_deciles(r, bad) for r in (risk, truth))
        value, true = _off(table), _off(real)
        variance = _variance_of_judging(table, risk, bad) + self._variance_of_learning(case, rows, truth)
        return Measurement(
            value,
            learner_interval(value, variance, self.bounds),
            {"trained on synthetic": value, "trained on real": true},
            details={"deciles": table, "deciles trained on real": real, "trained on real": true},
        )

    def _variance_of_learning(self, case: Case, rows: Coded, truth: Array) -> float:
        """By the jackknife over groups of the rows that the scorecard is learnt from.

        Scorecards that differ deal the rows into other deciles. So that this alone moves nothing, they are held against
        probabilities (``truth``) in place of outcomes.
        """
        x, y = self.learnt(case, case.synthetic)
        if not 2 * _GROUPS <= len(y) <= _TRAINED:
            return 0.0
        group = case.rng.permutation(len(y)) % _GROUPS
        keep = [np.flatnonzero(group != g) for g in range(_GROUPS)]
        found = [_off(_deciles(Scorecard.fit(x.take(k), y[k])(rows), truth)) for k in keep]
        return (_GROUPS - 1) * float(np.var(found))


def _off(deciles: pd.DataFrame) -> float:
    return float(((deciles["predicted"] - deciles["observed"]).abs() * deciles["rows"]).sum() / deciles["rows"].sum())


def _variance_of_judging(deciles: pd.DataFrame, risk: Array, bad: NDArray[np.bool_]) -> float:
    """Of the mean difference; a decile's absolute one varies less where the difference is within its own noise."""
    group, many = _decile_of(risk), deciles["rows"].to_numpy()
    gap = (deciles["predicted"] - deciles["observed"]).to_numpy()
    noise = np.bincount(group, (risk - bad - gap[group]) ** 2) / many**2
    weight = np.where(gap**2 > noise, 1.0, 1 - 2 / np.pi)
    return float((weight * noise * (many / len(bad)) ** 2).sum())


def _decile_of(risk: Array) -> NDArray[np.int64]:
    edges = np.unique(np.quantile(risk, np.arange(1, _DECILES) / _DECILES))
    return pd.factorize(np.searchsorted(edges, risk, side="right"), sort=True)[0].astype(np.int64)


def _deciles(risk: Array, bad: NDArray[Any]) -> pd.DataFrame:
    """Per decile of risk, from the safest: mean predicted risk, observed share of bad rows, rows."""
    groups = pd.DataFrame({"predicted": risk, "observed": bad.astype(float)}).groupby(_decile_of(risk))
    return groups.mean().assign(rows=groups.size()).reset_index(drop=True)


class OutOfTime(ScorecardMetric):
    """Does a scorecard of early synthetic rows rank late real rows?"""

    name = "out_of_time"
    label = "Gini out of time"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    needs: ClassVar = ("target", "holdout", "time")
    culprit = "independent"
    reading = "A scorecard learnt from earlier synthetic rows has a Gini of {value} on later real rows"
    definition = (
        "Gini of a scorecard built from the synthetic rows before the real 70 % quantile of time, on the holdout rows "
        "after it; the time itself is no covariate. Beside it the same built from real rows."
    )

    def missing(self, case: Case) -> str:
        """What the case lacks: also a time that can be ordered."""
        lacking = super().missing(case)
        if lacking:
            return lacking
        ordered = case.kinds.get(case.time) in ("numeric", "datetime") if case.time is not None else False
        if not ordered or case.time == case.target:
            return "needs a time among the columns that are compared, as a number or a date"
        return "" if len(case.kinds) > 2 else "needs columns other than target and time"

    def compare(self, case: Case) -> Measurement:
        """The Gini."""
        return self.gini(case)

    def learnt(self, case: Case, table: Table) -> tuple[Coded, NDArray[np.bool_]]:
        """The early rows."""
        rows, bad = self._rows(case, table, _time(case, table) <= self._cut(case))
        return rows.without(case.time), bad

    def tested(self, case: Case) -> tuple[Coded, NDArray[np.bool_]]:
        """The late rows."""
        rows, bad = self._rows(case, case.judge, _time(case, case.judge) > self._cut(case))
        return rows.without(case.time), bad

    @staticmethod
    def _cut(case: Case) -> float:
        time = _time(case, case.real)
        known = time[~np.isnan(time)]
        return float(np.quantile(known, _LATE)) if len(known) else float("nan")


def _time(case: Case, table: Table) -> Array:
    return table.coded.numbers[:, table.coded.num.index(case.time)]


# -------------------------------------------------------------------- on DataFrames
def gini_tstr(train: pd.DataFrame, test: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None) -> float:
    """Gini on ``test`` of a scorecard built from ``train``: 1 is best, 0 is chance.

    A scorecard cuts numbers at deciles, takes each bin's weight of evidence ln(good share / bad share), and puts those
    into a logistic regression (Siddiqi 2006). The Gini is twice the ROC AUC, minus 1.

    Args:
        train, test: the tables.
        target: a column of two classes; the rarer one in ``train`` is the bad one.
        kinds: the columns to use and what they are; by default read from the dtypes of ``train``.

    Raises:
        ParamError: the target is not among the columns. SchemaError: it has not two classes, or rows are too few.

    >>> table = pd.DataFrame({"x": range(100), "y": ["a"] * 60 + ["b"] * 40})
    >>> gini_tstr(table, table, "y")
    1.0
    """
    return _found("gini_tstr", GiniTstr(), train, test, target, kinds).value


def decile_calibration(
    train: pd.DataFrame, test: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None
) -> pd.DataFrame:
    """Per decile of predicted risk on ``test``: ``predicted`` and ``observed`` share of the rarer class, ``rows``.

    The scorecard, built from ``train``, arguments and errors are those of :func:`gini_tstr`.

    >>> table = pd.DataFrame({"x": range(100), "y": ["a"] * 60 + ["b"] * 40})
    >>> int(decile_calibration(table, table, "y")["rows"].sum())
    100
    """
    return _found("decile_calibration", DecileCalibration(), train, test, target, kinds).details["deciles"]


def _found(
    function: str, metric: Metric, train: pd.DataFrame, test: pd.DataFrame, target: Hashable, kinds: Kinds | None
) -> Measurement:
    case = Case.of(train, train, test, kinds=kinds, target=target, level="full")
    if target not in case.kinds:
        raise ParamError(f"{function}: argument 'target': the tables have no column {target!r} to predict.")
    found = metric.measure(case)
    if found.note:
        raise SchemaError(f"{function}: {found.note}; pass another target or more rows.")
    return found
