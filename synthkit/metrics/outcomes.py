"""What the models that were trained on synthetic rows say: are their probabilities right, and do they look at the same
columns as models of real rows?
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from synthkit.metrics.base import Case, Measurement, Table
from synthkit.metrics.cells import features, grid
from synthkit.metrics.learners import Learner, fit_learner, learner_interval
from synthkit.metrics.tables import Coded, Kinds, code_tables
from synthkit.metrics.utility import UtilityMetric, checked_target, target_size, with_target

__all__ = ["CalibrationError", "ImportanceAgreement", "Importances", "calibration_error", "importance_agreement"]

Array = NDArray[np.float64]
_BINS = 10
_ASKED = 20_000  # rows of one call of a model


# -------------------------------------------------------------------- calibration
def calibration_error(
    train: pd.DataFrame, test: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None, seed: int = 0
) -> float:
    """How far the probabilities of a model trained on ``train`` are off on ``test``: 0 is best.

    The expected calibration error (Naeini et al. 2015), per class (Nixon et al. 2019): ten groups of rows of like size
    by predicted probability; the mean absolute difference of mean prediction and share of the class, over groups and
    classes. For a numeric target: the same of predictions and truth, in standard deviations of the truth.

    Args:
        train, test, target, kinds, seed: as for :func:`synthkit.metrics.tstr`.

    Raises:
        ParamError, SchemaError: as for :func:`synthkit.metrics.tstr`.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> round(calibration_error(table, table, "y"), 3)
    0.0
    """
    kinds = checked_target("calibration_error", (train, test), target, kinds)
    rows, fit = code_tables(test, train, kinds=kinds)
    rows = with_target("calibration_error", fit, rows, target)
    answers = fit_learner(fit, target, seed=seed).predict(rows, target_size(rows, target))
    return _calibration(rows.column(target), answers, categorical=target in rows.cat)[0]


def _calibration(y: Array, answers: Array, *, categorical: bool) -> tuple[float, Array]:
    """The error, and by how much each row moves it, times the number of rows."""
    if not categorical:
        sizes, parts = [float(np.std(y))], [_binned_error(y, answers[:, 0])]
    else:
        classes = np.unique(y).astype(np.int64)
        sizes, parts = [1.0] * len(classes), [_binned_error(y == c, answers[:, c]) for c in classes]
    influence = np.mean([moved / s for s, (_, moved) in zip(sizes, parts, strict=True)], axis=0)
    return float(np.mean([error / s for s, (error, _) in zip(sizes, parts, strict=True)])), influence


def _binned_error(truth: NDArray[np.generic], answer: Array) -> tuple[float, Array]:
    edges = np.unique(np.quantile(answer, np.arange(1, _BINS) / _BINS))
    group = np.searchsorted(edges, answer, side="right")
    gap = answer - truth.astype(np.float64)
    sums = np.bincount(group, gap, minlength=len(edges) + 1)
    error = float(np.abs(sums).sum() / len(gap))
    return error, np.sign(sums)[group] * gap - error


def _brier(y: Array, answers: Array, *, categorical: bool) -> Array:
    """Squared error per row; of probabilities: Brier's (1950), the sum over classes."""
    if not categorical:
        return (answers[:, 0] - y) ** 2
    hit = np.eye(answers.shape[1])[y.astype(np.int64)]
    return ((answers - hit) ** 2).sum(axis=1)


class CalibrationError(UtilityMetric):
    """Are the probabilities right that a model learns from synthetic rows?"""

    name = "calibration"
    label = "Calibration error"
    goal = "lower"
    best = 0.0
    bounds: ClassVar = (0.0, float("inf"))
    reading = "Probabilities learnt from synthetic rows are off by {value} on holdout rows"
    definition = (
        "Expected calibration error on the holdout of a model trained on synthetic rows: mean absolute difference of "
        "predicted and true share over ten groups of rows (Naeini et al. 2015), averaged over classes; of a numeric "
        "target in standard deviations."
    )

    def compare(self, case: Case) -> Measurement:
        """The error; that of the model of real rows, and both Brier scores, are in the details."""
        categorical = case.target in case.real.coded.cat
        y = self.test(case).coded.column(case.target)
        ours, ceiling = self.answers(case, case.synthetic), self.answers(case, case.real)
        value, influence = _calibration(y, ours, categorical=categorical)
        variance = float(np.mean(influence**2)) / len(y) + self.training_variance(
            case, case.synthetic, lambda truth, answers: _calibration(truth, answers, categorical=categorical)[0]
        )
        true = _calibration(y, ceiling, categorical=categorical)[0]
        return Measurement(
            value,
            learner_interval(value, variance, self.bounds),
            {"trained on synthetic": value, "trained on real": true},
            details={
                "trained on real": true,
                "brier": float(_brier(y, ours, categorical=categorical).mean()),
                "brier trained on real": float(_brier(y, ceiling, categorical=categorical).mean()),
                "curve": _curve(y, ours, categorical=categorical),
                "curve trained on real": _curve(y, ceiling, categorical=categorical),
            },
        )


def _curve(y: Array, answers: Array, *, categorical: bool) -> pd.DataFrame:
    """Mean prediction and truth per group of rows; of classes the one with code 1, the rarer of two."""
    column = min(1, answers.shape[1] - 1)
    answer, truth = answers[:, column], (y == column).astype(float) if categorical else y
    edges = np.unique(np.quantile(answer, np.arange(1, _BINS) / _BINS))
    frame = pd.DataFrame({"predicted": answer, "observed": truth})
    groups = frame.groupby(np.searchsorted(edges, answer, side="right"))
    return groups.mean().assign(rows=groups.size()).reset_index(drop=True)


# -------------------------------------------------------------------- importances
@dataclass(frozen=True)
class Importances:
    """What two models look at.

    Attributes:
        agreement: cosine of the two vectors of importances: 1 where they are alike, 0 where unrelated.
        rank_correlation: Spearman's, of the same vectors.
        real, synthetic: importance per column: by how much the squared error grows when the column is shuffled.
    """

    agreement: float
    rank_correlation: float
    real: Mapping[Hashable, float]
    synthetic: Mapping[Hashable, float]


def importance_agreement(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame,
    target: Hashable,
    *,
    kinds: Kinds | None = None,
    rows: int = 5_000,
    seed: int = 0,
) -> Importances:
    """Do models of the two tables look at the same columns? Permutation importances (Breiman 2001), on the holdout.

    Both models (those of :func:`synthkit.metrics.tstr`) answer the same rows, with the same column shuffled in the same
    way; the importance is the growth of the squared error (of probabilities: Brier's score).

    Args:
        real, synthetic: rows to learn from; holdout: rows to ask.
        target, kinds: as for :func:`synthkit.metrics.tstr`.
        rows: of the holdout at most.
        seed: of the boosting and of the shuffling.

    Raises:
        ParamError, SchemaError: as for :func:`synthkit.metrics.tstr`.

    >>> table = pd.DataFrame({"x": range(200), "z": 0, "y": ["a"] * 100 + ["b"] * 100})
    >>> round(importance_agreement(table, table, table, "y").agreement, 6)
    1.0
    """
    kinds = checked_target("importance_agreement", (real, synthetic, holdout), target, kinds)
    true, fake, test = code_tables(real, synthetic, holdout, kinds=kinds)
    test = with_target("importance_agreement", true, with_target("importance_agreement", fake, test, target), target)
    rng = np.random.default_rng(seed)
    test = test.take(np.sort(rng.permutation(len(test))[:rows]))
    order = rng.permutation(len(test))
    a, b = (_growth(fit_learner(t, target, seed=seed), test, order) for t in (true, fake))
    return _importances(a.mean(axis=0), b.mean(axis=0), test, target)


def _growth(learner: Learner, rows: Coded, order: NDArray[np.int64], columns: NDArray[np.int64] | None = None) -> Array:
    """``(rows, columns)``: growth of each row's squared error when a column comes from the rows in ``order``.

    Only ``columns`` are asked for, if given; the others get 0.
    """
    size, categorical = target_size(rows, learner.target), learner.target in rows.cat
    y, x = rows.column(learner.target), features(rows.without(learner.target))
    base = _brier(y, learner.predict_features(x, size), categorical=categorical)
    out = np.zeros(x.shape)
    step = max(1, _ASKED // len(x))
    every = np.arange(x.shape[1]) if columns is None else columns
    for start in range(0, len(every), step):  # some columns at once: a call takes longer than a few rows
        columns = every[start : start + step]
        asked = np.tile(x, (len(columns), 1, 1))
        asked[np.arange(len(columns)), :, columns] = x[order][:, columns].T
        answers = learner.predict_features(asked.reshape(-1, x.shape[1]), size)
        errors = _brier(np.tile(y, len(columns)), answers, categorical=categorical)
        out[:, columns] = errors.reshape(len(columns), -1).T - base[:, None]
    return out


def _associated(rows: Coded, target: Hashable) -> Array:
    """``(columns,)`` Pearson's chi-squared of each column's cells with the target's, over its degrees of freedom."""
    cut = grid(rows, rows)
    codes, at = cut.real, cut.names.index(target)
    y = np.eye(cut.sizes[at])[codes[:, at]]
    y = y[:, y.any(axis=0)]
    out = []
    for j in range(codes.shape[1]):
        if j == at:
            continue
        _, x = np.unique(codes[:, j], return_inverse=True)
        count = np.zeros((x.max() + 1, y.shape[1]))
        np.add.at(count, x, y)
        expected = count.sum(axis=1, keepdims=True) * count.sum(axis=0) / len(x)
        free = max((count.shape[0] - 1) * (count.shape[1] - 1), 1)
        out.append(float(((count - expected) ** 2 / expected).sum() / free))
    return np.array(out)


def _others(rows: Coded, target: Hashable) -> list[Hashable]:
    return [name for name in (*rows.num, *rows.cat) if name != target]


def _cosine(a: Array, b: Array) -> float:
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else 0.0


def _importances(a: Array, b: Array, rows: Coded, target: Hashable) -> Importances:
    names = _others(rows, target)
    varies = len(names) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    rank = float(spearmanr(a, b).statistic) if varies else float("nan")
    return Importances(
        _cosine(a, b), rank, dict(zip(names, a.tolist(), strict=True)), dict(zip(names, b.tolist(), strict=True))
    )


class ImportanceAgreement(UtilityMetric):
    """Do the models look at the same columns?"""

    name = "importance_agreement"
    label = "Agreement of importances"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    culprit = "independent"
    reading = "Models learnt from synthetic and from real rows agree by {value} on which columns matter"
    definition = (
        "Cosine of the permutation importances (Breiman 2001) of the models trained on synthetic and on real rows, "
        "measured on the same holdout rows as growth of the squared error. Of wide tables, the 100 columns (default: "
        "300, full: 1,000) of either table that are most associated with the target are asked for."
    )

    def compare(self, case: Case) -> Measurement:
        """The cosine; importances are in the details."""
        test = self._asked(case)
        columns = self._columns(case)
        a, b = (self._growth(case, table, columns) for table in (case.real, case.synthetic))
        mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
        if not mean_a.any():
            return Measurement.nothing("models of the real rows look at no column")
        found = _importances(mean_a, mean_b, test, case.target)
        lengths = np.linalg.norm(mean_a), np.linalg.norm(mean_b) or 1.0
        parts = 1 - np.abs(mean_a / lengths[0] - mean_b / lengths[1])
        interval = None
        if mean_b.any():
            variance = _cosine_variance(a, b) + self._model_variance(case, mean_a, mean_b, columns)
            interval = learner_interval(found.agreement, variance, self.bounds)
        details = {
            "real": found.real,
            "synthetic": found.synthetic,
            "rank_correlation": found.rank_correlation,
        }
        return Measurement(
            found.agreement, interval, dict(zip(found.real, parts.tolist(), strict=True)), details=details
        )

    def _asked(self, case: Case) -> Coded:
        """Fewer rows of wide tables: every column asks them all once."""
        rows = case.limit(10_000, 60_000, 600_000) // len(case.kinds)
        test = self.test(case)
        return case.once(("asked", rows), lambda: test.head(max(200, min(rows, 10_000)), case.rng), of=(test,)).coded

    def _columns(self, case: Case) -> NDArray[np.int64] | None:
        """Those that are asked for, of a wide table; None: all."""
        most = case.limit(100, 300, 1000)
        if len(case.kinds) - 1 <= most:
            return None

        def promising(table: Table) -> NDArray[np.int64]:
            key = ("associated", case.target)
            found = case.once(key, lambda: _associated(table.coded, case.target), of=(table,))
            return np.argsort(-found, kind="stable")[:most]

        return np.union1d(promising(case.real), promising(case.synthetic))

    def _growth(self, case: Case, table: Table, columns: NDArray[np.int64] | None) -> Array:
        test = self._asked(case)
        order = np.random.default_rng(case.seed + 1).permutation(len(test))
        key = ("growth", case.target, None if columns is None else columns.tobytes())
        grow = partial(_growth, self.learner(case, table), test, order, columns)
        return case.once(key, grow, of=(table, self.test(case)))

    def _model_variance(self, case: Case, real: Array, synthetic: Array, columns: NDArray[np.int64] | None) -> float:
        """By the choice of training rows, from models of quarters of them, on at most 300 rows."""
        test = self._asked(case)
        rows = test.take(np.arange(min(max(50, min(300, 6_000 // len(case.kinds))), len(test))))
        order = np.random.default_rng(case.seed + 2).permutation(len(rows))
        total = 0.0
        for table, other in ((case.real, synthetic), (case.synthetic, real)):

            def grow(table: Table = table) -> list[Array]:
                return [_growth(learner, rows, order, columns).mean(axis=0) for learner in self.parts(case, table)]

            key = ("growth of parts", case.target, None if columns is None else columns.tobytes())
            growths = case.once(key, grow, of=(table, self.test(case)))
            if growths:
                total += float(np.var([_cosine(g, other) for g in growths], ddof=1)) / len(growths)
        return total


def _cosine_variance(a: Array, b: Array) -> float:
    """Of the cosine of the column means, by the choice of rows."""
    x, y = a.mean(axis=0), b.mean(axis=0)
    n_x, n_y, cosine = np.linalg.norm(x), np.linalg.norm(y), _cosine(x, y)
    influence = (a - x) @ (y / (n_x * n_y) - cosine * x / n_x**2) + (b - y) @ (x / (n_x * n_y) - cosine * y / n_y**2)
    return float(np.mean(influence**2)) / len(a)
