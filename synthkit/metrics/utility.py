"""What a model learns from a table: train on synthetic, test on real, beside train on real, test on real."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.learners import ROUNDS, Grade, Learner, fit_learner, grade, learner_interval
from synthkit.metrics.tables import Coded, Kinds, code_tables, resolve_kinds

__all__ = [
    "Tstr",
    "Utility",
    "UtilityKept",
    "UtilityMetric",
    "checked_target",
    "refuse_null",
    "target_size",
    "trtr",
    "tstr",
    "utility",
    "with_target",
]

_TREES = 2_000  # of a model of many classes
_PARTS = 4
_CLASSES = 100


def tstr(
    train: pd.DataFrame, test: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None, seed: int = 0
) -> float:
    """Score on ``test`` of gradient boosting trained on ``train``: TSTR if that is synthetic, TRTR if it is real.

    After Esteban et al. (2017). A categorical target gives the ROC AUC (of several classes: the mean of each
    against the rest, over the classes that ``test`` has), a numeric one R squared. Rows without a target are dropped.

    Args:
        train, test: the tables; levels beyond the 200 most frequent of ``test`` become one.
        target: the column to predict from all the others.
        kinds: the columns to use and what they are; by default read from the dtypes of ``train``.
        seed: of the boosting.

    Raises:
        ParamError: the target is not among the columns.
        SchemaError: too few rows with a target are left, or ``test`` has one class only.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> tstr(table, table, "y")
    1.0
    """
    kinds = checked_target("tstr", (train, test), target, kinds)
    coded_test, coded_train = code_tables(test, train, kinds=kinds)
    return _score("tstr", coded_train, coded_test, target, seed).value


def trtr(
    real: pd.DataFrame, holdout: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None, seed: int = 0
) -> float:
    """The ceiling of :func:`tstr`: the same model trained on the real rows, tested on other real rows.

    Args, errors: as for :func:`tstr`.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> trtr(table, table, "y")
    1.0
    """
    return tstr(real, holdout, target, kinds=kinds, seed=seed)


@dataclass(frozen=True)
class Utility:
    """What is left of the target's predictability.

    Attributes:
        tstr, trtr: score on the holdout of the model trained on synthetic, and on real rows.
        kept: (tstr - chance) / (trtr - chance): 1 where nothing was lost. NaN where the real rows teach nothing either.
        tstr_interval, trtr_interval, kept_interval: 95 %; by the choice of holdout rows.
        per_class: (tstr, trtr) per class of the target; empty for a number.
    """

    tstr: float
    trtr: float
    kept: float
    tstr_interval: tuple[float, float]
    trtr_interval: tuple[float, float]
    kept_interval: tuple[float, float] | None
    per_class: Mapping[Hashable, tuple[float, float]]


def utility(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame,
    target: Hashable,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
) -> Utility:
    """:func:`tstr` beside :func:`trtr`, with intervals, and the share of the way from chance that is kept.

    Chance is .5 for an AUC and 0 for R squared. Intervals are DeLong's (1988) for an AUC, and for the share the delta
    method's, on the holdout rows that both models answer.

    Args:
        real, synthetic: rows to learn from.
        holdout: real rows to test on, which neither model has seen.
        target, kinds, seed: as for :func:`tstr`.

    Raises:
        ParamError, SchemaError: as for :func:`tstr`.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> utility(table, table, table, "y").kept
    1.0
    """
    kinds = checked_target("utility", (real, synthetic, holdout), target, kinds)
    test, fake, true = code_tables(holdout, synthetic, real, kinds=kinds)
    ours, ceiling = (_score("utility", rows, test, target, seed) for rows in (fake, true))
    kept = _kept(ours, ceiling, _chance(target, test))
    names = _class_names(holdout, test, target)
    return Utility(
        ours.value,
        ceiling.value,
        kept.value,
        learner_interval(ours.value, ours.variance, _bounds(target, test)),
        learner_interval(ceiling.value, ceiling.variance, _bounds(target, test)),
        kept.interval,
        {names[c]: (value, ceiling.per_class[c]) for c, value in ours.per_class.items()},
    )


def checked_target(function: str, tables: tuple[pd.DataFrame, ...], target: Hashable, kinds: Kinds | None) -> Kinds:
    """The kinds; an error that names ``function`` where the target is not among them, or alone."""
    kinds = resolve_kinds(tables, kinds)
    if target not in kinds:
        raise ParamError(f"{function}: argument 'target': the tables have no column {target!r} to predict.")
    if len(kinds) < 2:
        raise ParamError(f"{function}: argument 'target' is the only column; nothing is left to predict it from.")
    return kinds


def _score(function: str, train: Coded, test: Coded, target: Hashable, seed: int) -> Grade:
    refuse_null(function, train, test, target)
    learner = fit_learner(train, target, seed=seed)
    if target in train.cat and learner.model is None:
        # a table that lost all classes but one teaches nothing
        y = test.column(target)
        y = y[~np.isnan(y)]
        return Grade(0.5, np.zeros(len(y)), {int(c): 0.5 for c in np.unique(y)})
    rows = with_target(function, train, test, target)
    return grade(rows.column(target), learner.predict(rows, target_size(rows, target)), categorical=target in rows.cat)


def refuse_null(function: str, train: Coded, test: Coded, target: Hashable) -> None:
    """An error that names ``function`` where one of the tables has no target at all."""
    if np.isnan(train.column(target)).all() or np.isnan(test.column(target)).all():
        raise SchemaError(f"{function}: column {target!r} is null in all rows of a table; pass one with a target.")


def with_target(function: str, train: Coded, test: Coded, target: Hashable) -> Coded:
    """The test rows that have a target; an error where they, or the training rows, are of no use."""
    refuse_null(function, train, test, target)
    reason = _lacks_test(test, target)
    if reason:
        raise SchemaError(f"{function}: {reason}; pass more rows.")
    return test.take(np.flatnonzero(~np.isnan(test.column(target))))


def _lacks_test(test: Coded, target: Hashable) -> str:
    """Why the test rows cannot judge a model; empty where they can."""
    y = test.column(target)
    y = y[~np.isnan(y)]
    if target in test.cat:
        return "" if len(np.unique(y)) > 1 else "the test table has only one class, so that no AUC exists"
    if len(y) < 2:
        return "R squared needs at least 2 rows with a target in the test table"
    return ""


def target_size(test: Coded, target: Hashable) -> int:
    """Classes of the target over all tables; 1 for a number."""
    return test.sizes[test.cat.index(target)] if target in test.cat else 1


def _chance(target: Hashable, test: Coded) -> float:
    return 0.5 if target in test.cat else 0.0


def _bounds(target: Hashable, test: Coded) -> tuple[float, float]:
    return (0.0, 1.0) if target in test.cat else (-np.inf, 1.0)


def _class_names(frame: pd.DataFrame, coded: Coded, target: Hashable) -> dict[int, Hashable]:
    if target not in coded.cat:
        return {}
    codes = coded.codes[:, coded.cat.index(target)]
    first = np.unique(codes, return_index=True)
    return {int(c): frame[target].iloc[i] for c, i in zip(*first, strict=True) if c >= 0}


def _kept(ours: Grade, ceiling: Grade, chance: float, training: tuple[float, float] = (0.0, 0.0)) -> Measurement:
    """The share, where both are tested on the same rows; ``training``: variances by the choice of training rows."""
    room = ceiling.value - chance
    if room <= 1.96 * np.sqrt(ceiling.variance + training[1]):
        return Measurement.nothing("models of the real rows predict the target no better than chance")
    value = (ours.value - chance) / room
    influence = (ours.influence - value * ceiling.influence) / room
    variance = float(np.mean(influence**2)) / len(influence) + (training[0] + value**2 * training[1]) / room**2
    return Measurement(value, learner_interval(value, variance))


class UtilityMetric(Metric):
    """A metric that asks models of the target, one trained on synthetic and one on real rows."""

    group: ClassVar = "utility"
    needs: ClassVar = ("target", "holdout")

    def missing(self, case: Case) -> str:
        """What the case lacks: also a target that no column can be predicted by, or from."""
        lacking = super().missing(case)
        if lacking or case.target is None:
            return lacking
        if case.target not in case.kinds:
            return "needs a target among the columns that are compared"
        return "" if len(case.kinds) > 1 else "needs columns other than the target"

    @staticmethod
    def learner(case: Case, table: Table) -> Learner:
        """The model of the target that ``table`` teaches; fitted once for all metrics.

        Of at most 10,000 (50,000, 200,000) rows, with 100 (200, 200) rounds, by level.
        """

        def fit() -> Learner:
            rows = table.head(case.limit(10_000, 50_000, 200_000), case.rng).coded
            return fit_learner(rows, case.target, seed=case.seed, rounds=case.limit(100, ROUNDS, ROUNDS), trees=_TREES)

        return case.once(("learner", case.target), fit, of=(table,))

    @staticmethod
    def test(case: Case) -> Table:
        """The holdout rows that have a target; at most 20,000 (50,000, 100,000)."""
        holdout = case.judge

        def take() -> Table:
            known = np.flatnonzero(~np.isnan(holdout.coded.column(case.target)))
            return holdout.take(known).head(case.limit(20_000, 50_000, 100_000), case.rng)

        return case.once(("test", case.target), take, of=(holdout,))

    def answers(self, case: Case, table: Table) -> NDArray[np.float64]:
        """What the model of ``table`` says of :meth:`test`: ``(rows, classes)``."""
        test = self.test(case)
        learner, size = self.learner(case, table), target_size(test.coded, case.target)
        return case.once(("answers", case.target), lambda: learner.predict(test.coded, size), of=(table, test))

    def grade(self, case: Case, table: Table) -> Grade:
        """How good those answers are."""
        y = self.test(case).coded.column(case.target)
        return grade(y, self.answers(case, table), categorical=case.target in table.coded.cat)

    def parts(self, case: Case, table: Table) -> list[Learner]:
        """Models of the four quarters of a table's rows: what they differ by tells what the choice of rows does.

        None of more than 2,000 (50,000, 200,000) rows by level: then an interval is of the choice of test rows alone.
        """

        def fit() -> list[Learner]:
            known = np.flatnonzero(~np.isnan(table.coded.column(case.target)))
            if not _PARTS * 5 <= len(known) <= case.limit(2_000, 50_000, 200_000):
                return []
            quarters = np.array_split(case.rng.permutation(known), _PARTS)
            rounds = max(30, min(100, 6_000 // len(case.kinds)))  # fewer of a wide table
            kinds = {"seed": case.seed, "rounds": rounds, "trees": _TREES // 2}
            return [fit_learner(table.coded.take(np.sort(q)), case.target, **kinds) for q in quarters]

        return case.once(("parts", case.target), fit, of=(table,))

    def training_variance(
        self, case: Case, table: Table, judge: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    ) -> float:
        """Of ``judge(truth, answers)``, by the choice of training rows: that of quarters, over four."""
        learners = self.parts(case, table)
        if not learners:
            return 0.0
        test = self.test(case)

        def answer() -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
            rows = test.head(2_000, case.rng).coded
            return rows.column(case.target), [
                learner.predict(rows, target_size(rows, case.target)) for learner in learners
            ]

        y, answers = case.once(("answers of parts", case.target), answer, of=(table, test))
        return float(np.var([judge(y, a) for a in answers], ddof=1)) / _PARTS

    def variance(self, case: Case, table: Table) -> float:
        """Of the grade, by the choice of test rows and of training rows."""
        categorical = case.target in table.coded.cat

        def judge(y: NDArray[np.float64], answers: NDArray[np.float64]) -> float:
            return grade(y, answers, categorical=categorical).value

        return self.grade(case, table).variance + self.training_variance(case, table, judge)

    def measure(self, case: Case) -> Measurement:
        """Measure, unless no model can be trained or judged."""
        reason = self.missing(case) or self._unusable(case)
        return Measurement.nothing(reason) if reason else self.compare(case)

    def _unusable(self, case: Case) -> str:
        for table in (case.real, case.synthetic):
            y = table.coded.column(case.target)
            if np.isnan(y).all():
                return "the target is null in all rows of a table"
            if case.kinds[case.target] == "categorical" and len(np.unique(y)) > _CLASSES:
                return f"the target has more than {_CLASSES} classes"
        if len(np.unique(self.test(case).coded.column(case.target))) == 1:
            return "the target has only one value in the holdout"
        return _lacks_test(case.judge.coded, case.target)

    @abstractmethod
    def compare(self, case: Case) -> Measurement:
        """The figure, where both models can be trained and judged."""


class Tstr(UtilityMetric):
    """Train on synthetic, test on real."""

    name = "tstr"
    label = "Train on synthetic, test on real"
    goal = "higher"
    best = 1.0
    bounds = (-float("inf"), 1.0)
    culprit = "independent"
    reading = "A model trained on synthetic rows scores {value} on holdout rows"
    definition = (
        "Score on the holdout of gradient boosting trained on synthetic rows: ROC AUC of a categorical target (mean of "
        "each class against the rest), R squared of a numeric one (Esteban et al. 2017); beside it the same model "
        "trained on real rows (TRTR), the ceiling."
    )

    def compare(self, case: Case) -> Measurement:
        """TSTR; TRTR is in the parts and the details."""
        ours, ceiling = self.grade(case, case.synthetic), self.grade(case, case.real)
        test = self.test(case)
        bounds = _bounds(case.target, test.coded)
        names = _class_names(test.frame, test.coded, case.target)
        return Measurement(
            ours.value,
            learner_interval(ours.value, self.variance(case, case.synthetic), bounds),
            {"trained on synthetic": ours.value, "trained on real": ceiling.value},
            details={
                "trtr": ceiling.value,
                "trtr_interval": learner_interval(ceiling.value, self.variance(case, case.real), bounds),
                "per_class": {names[c]: (v, ceiling.per_class[c]) for c, v in ours.per_class.items()},
            },
        )


class UtilityKept(UtilityMetric):
    """The share of the way from chance to TRTR that TSTR goes."""

    name = "utility_kept"
    label = "Predictability kept"
    goal = "higher"
    best = 1.0
    bounds = (-float("inf"), float("inf"))
    culprit = "independent"
    reading = "A model trained on synthetic rows keeps {value} of what one trained on real rows can predict"
    definition = (
        "(TSTR - chance) / (TRTR - chance), where chance is an AUC of .5 or an R squared of 0: 1 where a model learns "
        "as much from synthetic rows as from real ones."
    )

    def compare(self, case: Case) -> Measurement:
        """The share, unless the real rows teach nothing either."""
        ours, ceiling = self.grade(case, case.synthetic), self.grade(case, case.real)
        training = [self.variance(case, t) - self.grade(case, t).variance for t in (case.synthetic, case.real)]
        return _kept(ours, ceiling, _chance(case.target, case.judge.coded), (training[0], training[1]))
