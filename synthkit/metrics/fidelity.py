"""How alike two tables are: the plain functions, one per figure, gathered from where they are computed."""

from __future__ import annotations

from synthkit.metrics.cells import categorical_mask, features, without_empty
from synthkit.metrics.detection import detection_auc
from synthkit.metrics.joint import pair_error
from synthkit.metrics.marginals import coverage, jensen_shannon, null_rates, shape_error, wasserstein

__all__ = [
    "categorical_mask",
    "coverage",
    "detection_auc",
    "features",
    "jensen_shannon",
    "null_rates",
    "pair_error",
    "shape_error",
    "wasserstein",
    "without_empty",
]
