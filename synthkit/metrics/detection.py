"""Can a classifier tell synthetic rows from real ones?"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import categorical_mask, features, without_empty
from synthkit.metrics.encoding import encode
from synthkit.metrics.jackknife import Floats, Ints
from synthkit.metrics.learners import FULL_TREES, Trees
from synthkit.metrics.logit import ridge_weights
from synthkit.metrics.roc import placements
from synthkit.metrics.tables import Coded, Kinds, code_tables
from synthkit.metrics.telling import telling

__all__ = [
    "Detection",
    "DetectionBoosting",
    "DetectionLogistic",
    "DetectionNetwork",
    "detection_auc",
    "detection_logistic",
    "detection_network",
]

_FOLDS = 5
_LEAST_SPREAD = 1e-6
_WIDE = 64  # columns: of more, boosting sees coarser ones, in fewer rounds
_STEPS = 150  # columns at which rounds begin to be fewer
_CELLS, _ROWS = 3_000_000, 2_500  # of each table, that a detector sees at most; but so many rows in any case
_FEATURES = 1500  # of a logistic regression, about
_TOO_FEW = "too few rows to cross-validate: 5 in each table are needed"


# -------------------------------------------------------------------- public functions
def detection_auc(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0) -> float:
    """How well gradient boosting tells synthetic rows from equally many real ones: 0.5 is best, 1 worst.

    The classifier two-sample test of Lopez-Paz & Oquab (2017): mean ROC AUC over 5 stratified folds of
    ``HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, early_stopping=False)``. The larger table is
    subsampled. Below 0.5, rows of one table are repeated in the other (copies on both sides of a fold).

    Tables of more than 64 columns have 31 bins a column, of more than 150 columns fewer rounds (200 * 150 / columns,
    at least 20), and of more than 3 million cells fewer rows, so that the time is bounded. (Measured on 2,000 rows of
    300 columns: AUC .79 with 31 bins and .81 with 255 where an eighth of the blocks of columns is independent.)

    Args:
        real: rows that the generator did not see, for an honest score.
        synthetic: rows of the generator.
        kinds: the columns to use and what they are; levels beyond the 200 most frequent of ``real`` become one.
        seed: of the subsample and the folds.

    Raises:
        SchemaError: fewer than 5 rows in one of the tables.

    >>> table = pd.DataFrame({"x": range(100)})
    >>> detection_auc(table, table + 1000)
    1.0
    """
    return boosting(*_coded("detection_auc", real, synthetic, kinds), seed).auc


def detection_network(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = 20_000
) -> float:
    """How well a small neural network tells synthetic rows from equally many real ones: 0.5 is best, 1 worst.

    Mean ROC AUC over 5 stratified folds of a multilayer perceptron (64 and 32 units, 30 passes) on standardised
    numbers, 0/1 features of levels, and of null. It is of another kind than boosting, and sees what trees are blind
    to: parity of several columns, sums that do not add up, rows off a low-dimensional surface. (Measured on 4,000
    rows: a sum of three numbers, off by a sixth of its spread, has AUC .50 by boosting and .85 by the network; a
    parity of four flags .48 and .71. A forest finds the parity, but not the sum.)

    Args:
        real: rows that the generator did not see, for an honest score.
        synthetic: rows of the generator.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        seed: of the subsample, the folds and the network.
        rows: at most so many of each table are used.

    Raises:
        SchemaError: fewer than 5 rows in one of the tables.

    >>> table = pd.DataFrame({"x": range(100)})
    >>> detection_network(table, table + 1000) > 0.99
    True
    """
    return network(*_coded("detection_network", real, synthetic, kinds), seed, size=rows).auc


def detection_logistic(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0, rows: int = 20_000
) -> float:
    """How well logistic regression tells synthetic rows from equally many real ones: 0.5 is best, 1 worst.

    Mean ROC AUC over 5 stratified folds, on standardised numbers, 10 quantile bins of each, 0/1 features of levels and
    of null (fewer bins and levels a column in tables of more than 150 columns: about 1,500 in all). SDMetrics'
    LogisticDetection is ``1 - mean(max(2 AUC - 1, 0))`` of a regression on numbers and codes of categories. It sees
    marginals only: independent columns pass it.

    Args, Raises: see :func:`detection_network`.

    >>> table = pd.DataFrame({"x": range(100)})
    >>> detection_logistic(table, table + 1000) > 0.99
    True
    """
    return logistic(*_coded("detection_logistic", real, synthetic, kinds), seed, size=rows).auc


def _coded(caller: str, real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds | None) -> tuple[Coded, Coded]:
    a, b = code_tables(real, synthetic, kinds=kinds)
    if min(len(a), len(b)) < _FOLDS:
        raise SchemaError(f"{caller}: 5 folds need at least 5 rows in each table.")
    return a, b


# -------------------------------------------------------------------- cores
@dataclass(frozen=True)
class Detected:
    """What a detector made of two tables.

    Attributes:
        auc: mean ROC AUC over the folds.
        interval: 95 % confidence interval: DeLong's variance, corrected for the training rows that folds share.
        label: ``(rows,)`` 1 for synthetic; score: the detector's, by the model that did not see the row.
        held: rows of the last fold.
        model, test: of the last fold, where they are kept: the model, and the features of the rows that it did not see.
    """

    auc: float
    interval: tuple[float, float]
    label: Ints
    score: Floats
    held: Ints
    model: Any = None
    test: Any = None


def boosting(
    a: Coded, b: Coded, seed: int, *, rounds: int = 200, size: int | None = None, grow: Trees = FULL_TREES
) -> Detected:
    """Gradient boosting on at most ``size`` rows of each table; see :func:`detection_auc`."""
    rounds = grow.rounds or rounds
    columns = len(a.num) + len(a.cat)
    size = min(len(a), len(b), size or len(a), max(_ROWS, _CELLS // max(columns, 1)))
    bins, top = (255, 200) if columns <= _WIDE else (31, 27)
    rounds = rounds if columns <= _WIDE else max(20, min(rounds, rounds * _STEPS // columns))
    rng = np.random.default_rng(seed)
    rows = [features(t.take(rng.permutation(len(t))[:size]), top) for t in (a, b)]
    x, mask = np.concatenate(rows), categorical_mask(a)
    last: list[Any] = []

    def fit(x_fit: Floats, y_fit: Ints, x_test: Floats) -> Floats:
        x_fit, x_test = without_empty(x_fit, x_test)
        model = HistGradientBoostingClassifier(
            max_iter=rounds,
            max_leaf_nodes=grow.leaves,
            learning_rate=grow.rate,
            early_stopping=False,
            categorical_features=mask,
            max_bins=bins,
            random_state=seed,
        ).fit(x_fit, y_fit)
        last[:] = [model, x_test]
        return model.predict_proba(x_test)[:, 1]

    found = _by_folds(x, np.repeat([0, 1], size), seed, fit)
    return replace(found, model=last[0], test=last[1])


def network(a: Coded, b: Coded, seed: int, *, size: int) -> Detected:
    """A small neural network on at most ``size`` rows of each table; see :func:`detection_network`."""
    a, b, y = _equal(a, b, seed, size)
    code = encode(a, b, scaled=True, top=20, least=max(5, len(y) // 200))
    x = np.concatenate([code.real, code.synthetic]).astype(np.float32)

    def fit(x_fit: Floats, y_fit: Ints, x_test: Floats) -> Floats:
        if not x.shape[1]:
            return np.zeros(len(x_test))  # nothing varies
        centre, spread = x_fit.mean(axis=0), x_fit.std(axis=0)
        spread[spread < _LEAST_SPREAD] = 1.0
        model = MLPClassifier(
            (64, 32),
            alpha=0.01,
            batch_size=min(len(x_fit), int(np.clip(len(x_fit) // 20, 16, 256))),
            learning_rate_init=0.005,
            max_iter=30,
            n_iter_no_change=30,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 30 passes are the plan, not a failure
            model.fit((x_fit - centre) / spread, y_fit)
        return model.predict_proba((x_test - centre) / spread)[:, 1]

    return _by_folds(x, y, seed, fit)


def logistic(a: Coded, b: Coded, seed: int, *, size: int) -> Detected:
    """Logistic regression on at most ``size`` rows of each table; see :func:`detection_logistic`."""
    a, b, y = _equal(a, b, seed, size)
    few = max(1, _FEATURES // max(1, len(a.num) + len(a.cat)))  # a column
    code = encode(a, b, scaled=True, bins=min(10, few), top=min(50, few), least=5)
    x = np.concatenate([code.real, code.synthetic])

    def fit(x_fit: Floats, y_fit: Ints, x_test: Floats) -> Floats:
        return x_test @ ridge_weights(x_fit, y_fit, ridge=1.0)

    return _by_folds(x, y, seed, fit)


def _equal(a: Coded, b: Coded, seed: int, size: int) -> tuple[Coded, Coded, Ints]:
    """Equally many rows of both tables, and their labels."""
    size = min(len(a), len(b), size, max(_ROWS, _CELLS // max(len(a.num) + len(a.cat), 1)))
    rng = np.random.default_rng(seed)
    a, b = (t.take(rng.permutation(len(t))[:size]) for t in (a, b))
    return a, b, np.repeat([0, 1], size)


def _by_folds(x: Floats, y: Ints, seed: int, fit: Callable[[Floats, Ints, Floats], Floats]) -> Detected:
    """Score each fold's rows by a model of the other folds."""
    score, aucs, variances = np.empty(len(y)), [], []
    for rest, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(x, y):
        score[test] = fit(x[rest], y[rest], x[test])
        aucs.append(roc_auc_score(y[test], score[test]))
        variances.append(auc_variance(y[test], score[test]))
    auc = float(np.mean(aucs))
    # the models of two folds share training rows, so folds vary together (Nadeau & Bengio, 2003)
    reach = 1.96 * float(np.sqrt(np.mean(variances) * (1 / _FOLDS + 1 / (_FOLDS - 1))))
    return Detected(auc, (max(0.0, auc - reach), min(1.0, auc + reach)), y, score, test)


def auc_variance(label: Ints, score: Floats) -> float:
    """Variance of the ROC AUC; see :func:`placements`."""
    positive, negative = score[label == 1], score[label == 0]
    if min(len(positive), len(negative)) < 2:
        return 0.25
    return sum(float(x.var(ddof=1)) / len(x) for x in placements(positive, negative))


# -------------------------------------------------------------------- metrics
class _Detector(Metric):
    """A detector's ROC AUC."""

    group = "fidelity"
    goal = "lower"
    best = 0.5

    @staticmethod
    @abstractmethod
    def detect(case: Case, a: Coded, b: Coded) -> Detected:
        """Detect, within the level's limits."""

    @classmethod
    def found(cls, case: Case) -> Detected:
        """What the detector makes of the case, computed once."""

        def make() -> Detected:
            # coded anew, with levels ranked by the judge, so that the figure is that of the plain function
            return cls.detect(case, *case.once("detection_coded", lambda: _of_judge(case)))

        return case.once(cls.name, make)

    def measure(self, case: Case) -> Measurement:
        if min(len(case.judge), len(case.synthetic)) < _FOLDS:
            return Measurement.nothing(_TOO_FEW)
        found = self.found(case)
        return Measurement(found.auc, found.interval, note=_below(found))


def _of_judge(case: Case) -> tuple[Coded, Coded]:
    a, b = code_tables(case.judge.frame, case.synthetic.frame, kinds=case.kinds)
    return a, b


def _telling(case: Case, found: Detected) -> dict[str, Any]:
    a, b = case.once("detection_coded", lambda: _of_judge(case))
    return telling(case, a, b, found.model, found.test, found.label[found.held])


def _below(found: Detected) -> str:
    if found.interval[1] < 0.5:
        return "below 0.5: rows of one table are repeated in the other"
    return ""


class DetectionBoosting(_Detector):
    """:func:`detection_auc` as a metric."""

    name = "detection_boosting"
    label = "Detection by gradient boosting (AUC)"
    culprit = "independent"
    reading = "Gradient boosting tells synthetic rows from real ones with AUC {value}"
    definition = (
        "ROC AUC of gradient boosting that tells synthetic rows from real ones, 5 folds: the classifier two-sample "
        "test of Lopez-Paz & Oquab (2017)."
    )

    @staticmethod
    def detect(case: Case, a: Coded, b: Coded) -> Detected:
        return boosting(a, b, case.seed, rounds=case.limit(60, 200, 200), size=case.limit(2500, 40_000, 200_000))


class DetectionNetwork(_Detector):
    """:func:`detection_network` as a metric."""

    name = "detection_network"
    label = "Detection by a neural network (AUC)"
    level = "default"
    reading = "A neural network tells synthetic rows from real ones with AUC {value}"
    definition = (
        "ROC AUC of a small neural network that tells synthetic rows from real ones, 5 folds; it sees sums, parities "
        "and surfaces that trees are blind to."
    )

    @staticmethod
    def detect(case: Case, a: Coded, b: Coded) -> Detected:
        return network(a, b, case.seed, size=case.limit(2000, 5000, 20_000))


class DetectionLogistic(_Detector):
    """:func:`detection_logistic` as a metric."""

    name = "detection_logistic"
    label = "Detection by logistic regression (AUC)"
    reading = "Logistic regression tells synthetic rows from real ones with AUC {value}"
    definition = (
        "ROC AUC of logistic regression on levels, standardised numbers and their quantile bins, 5 folds; it sees "
        "marginals, not dependence."
    )

    @staticmethod
    def detect(case: Case, a: Coded, b: Coded) -> Detected:
        return logistic(a, b, case.seed, size=case.limit(2500, 10_000, 40_000))


class Detection(Metric):
    """The worst of all detectors, and what gives the synthetic rows away."""

    name = "detection"
    label = "Detection, the worst of several (AUC)"
    group = "fidelity"
    goal = "lower"
    best = 0.5
    culprit = "independent"
    reading = "The best of several classifiers tells synthetic rows from real ones with AUC {value}"
    definition = (
        "The highest ROC AUC among gradient boosting, a neural network (not at level quick) and logistic regression, "
        "each telling synthetic rows from real ones."
    )

    def measure(self, case: Case) -> Measurement:
        if min(len(case.judge), len(case.synthetic)) < _FOLDS:
            return Measurement.nothing(_TOO_FEW)
        detectors: list[type[_Detector]] = [DetectionBoosting, DetectionLogistic]
        if case.level != "quick":
            detectors.append(DetectionNetwork)
        found = {d.name.removeprefix("detection_"): d.found(case) for d in detectors}
        worst = max(found, key=lambda name: found[name].auc)
        details = {"label": found[worst].label, "score": found[worst].score}
        if case.explained:
            details |= _telling(case, found["boosting"])
        return Measurement(
            found[worst].auc,
            found[worst].interval,
            {name: one.auc for name, one in found.items()},
            f"by {worst}" + (f"; {note}" if (note := _below(found[worst])) else ""),
            details,
        )
