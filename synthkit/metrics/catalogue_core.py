"""The plain functions of this package as metrics."""

from __future__ import annotations

import math

from scipy.stats import norm

from synthkit.errors import SynthkitError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.fidelity import detection_auc, pair_error, shape_error
from synthkit.metrics.privacy import copy_rate, dcr_share, mia_auc
from synthkit.metrics.utility import tstr

__all__ = ["CORE_METRICS"]

_Z = float(norm.ppf(0.975))


def _auc_interval(auc: float, positive: int, negative: int) -> tuple[float, float]:
    """Hanley and McNeil (1982)."""
    a = min(max(auc, 0.5), 1 - 0.5 / max(positive, 1))
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    spread = a * (1 - a) + (positive - 1) * (q1 - a * a) + (negative - 1) * (q2 - a * a)
    half = _Z * math.sqrt(spread / (positive * negative))
    return max(auc - half, 0.0), min(auc + half, 1.0)


def _share_interval(share: float, rows: int) -> tuple[float, float]:
    """Wilson (1927)."""
    middle = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


class ShapeError(Metric):
    """:func:`shape_error`."""

    name = "shape"
    label = "shape error"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    definition = "Mean distance of the columns' distributions: Kolmogorov-Smirnov, or total variation of categories."
    reading = "Columns differ from the real ones by {value} on average"

    def measure(self, case: Case) -> Measurement:
        found = shape_error(case.judge.frame, case.synthetic.frame, kinds=case.kinds)
        return Measurement(found.value, parts=found.parts)


class PairError(Metric):
    """:func:`pair_error`."""

    name = "pair"
    label = "pair error"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    culprit = "independent"
    definition = "Mean distance of all pairs of columns: half the difference of correlations, or total variation."
    reading = "Pairs of columns differ from the real ones by {value} on average"

    def measure(self, case: Case) -> Measurement:
        found = pair_error(case.judge.frame, case.synthetic.frame, kinds=case.kinds)
        if not found.parts:
            return Measurement.nothing("one column has no pair")
        return Measurement(found.value, parts=found.parts)


class DetectionBoosting(Metric):
    """:func:`detection_auc`."""

    name = "detection_boosting"
    label = "detection by boosting (AUC)"
    group = "fidelity"
    goal = "lower"
    best = 0.5
    culprit = "independent"
    definition = "ROC AUC of gradient boosting that tells synthetic from real rows (Lopez-Paz and Oquab, 2017)."
    reading = "A classifier tells synthetic rows from real ones with AUC {value}"

    def measure(self, case: Case) -> Measurement:
        size = min(len(case.judge), len(case.synthetic))
        if size < 5:
            return Measurement.nothing("too few rows: 5 folds need 5 in each table")
        auc = detection_auc(case.judge.frame, case.synthetic.frame, kinds=case.kinds, seed=case.seed)
        return Measurement(auc, _auc_interval(auc, size, size))


class Tstr(Metric):
    """:func:`tstr`."""

    name = "tstr"
    label = "train on synthetic, test on real"
    group = "utility"
    goal = "higher"
    best = 1.0
    bounds = (-math.inf, 1.0)
    needs = ("holdout", "target")
    culprit = "independent"
    definition = "Score on holdout rows of boosting trained on synthetic rows: ROC AUC, or R squared (Esteban, 2017)."
    reading = "A model trained on synthetic rows scores {value} on holdout rows"

    def measure(self, case: Case) -> Measurement:
        assert case.holdout is not None
        try:
            score = tstr(case.synthetic.frame, case.holdout.frame, case.target, kinds=case.kinds, seed=case.seed)
        except SynthkitError as error:
            return Measurement.nothing(str(error))
        return Measurement(score)


class DcrShare(Metric):
    """:func:`dcr_share`."""

    name = "dcr"
    label = "nearer to training than to holdout rows"
    group = "privacy"
    goal = "lower"
    best = 0.5
    needs = ("holdout",)
    culprit = "copy"
    definition = "Share of synthetic rows that lie nearer to training than to holdout rows (Platzer, 2021)."
    reading = "A share of {value} of the synthetic rows lies nearer to training than to holdout rows"

    def measure(self, case: Case) -> Measurement:
        assert case.holdout is not None
        tables = (case.synthetic.frame, case.real.frame, case.holdout.frame)
        share = dcr_share(*tables, kinds=case.kinds, seed=case.seed)
        return Measurement(share, _share_interval(share, min(len(case.synthetic), 5000)))


class MiaDistance(Metric):
    """:func:`mia_auc`."""

    name = "mia_distance"
    label = "membership attack by distance (AUC)"
    group = "privacy"
    goal = "lower"
    best = 0.5
    needs = ("holdout",)
    culprit = "copy"
    definition = "ROC AUC of an attack that takes rows close to a synthetic one for members (Chen et al., 2020)."
    reading = "An attacker who goes by distance tells training from holdout rows with AUC {value}"

    def measure(self, case: Case) -> Measurement:
        assert case.holdout is not None
        tables = (case.synthetic.frame, case.real.frame, case.holdout.frame)
        auc = mia_auc(*tables, kinds=case.kinds, seed=case.seed)
        size = min(len(case.real), len(case.holdout), 5000)
        return Measurement(auc, _auc_interval(auc, size, size))


class Copies(Metric):
    """:func:`copy_rate`."""

    name = "copies"
    label = "exact copies"
    group = "privacy"
    goal = "lower"
    best = 0.0
    culprit = "copy"
    definition = "Share of synthetic rows that equal a training row in every column."
    reading = "A share of {value} of the synthetic rows equals a training row"

    def measure(self, case: Case) -> Measurement:
        share = copy_rate(case.synthetic.frame, case.real.frame, kinds=case.kinds)
        return Measurement(share, _share_interval(share, len(case.synthetic)))


CORE_METRICS: tuple[type[Metric], ...] = (
    ShapeError,
    PairError,
    DetectionBoosting,
    Tstr,
    DcrShare,
    MiaDistance,
    Copies,
)
