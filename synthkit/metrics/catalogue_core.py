"""The plain functions of this package as metrics."""

from __future__ import annotations

import math

from synthkit.errors import SynthkitError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.utility import tstr

__all__ = ["CORE_METRICS"]


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


CORE_METRICS: tuple[type[Metric], ...] = (Tstr,)
