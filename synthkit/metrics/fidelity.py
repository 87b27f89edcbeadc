"""How alike two tables are: the plain functions, one per figure, gathered from where they are computed."""

from __future__ import annotations

from synthkit.metrics.cells import categorical_mask, features, without_empty
from synthkit.metrics.detection import detection_auc, detection_logistic, detection_network
from synthkit.metrics.joint import contingency_error, correlation_error, mutual_information_error, pair_error
from synthkit.metrics.kway import k_marginal
from synthkit.metrics.marginals import coverage, jensen_shannon, null_rates, shape_error, wasserstein

__all__ = [
    "categorical_mask",
    "contingency_error",
    "correlation_error",
    "coverage",
    "detection_auc",
    "detection_logistic",
    "detection_network",
    "features",
    "jensen_shannon",
    "k_marginal",
    "mutual_information_error",
    "null_rates",
    "pair_error",
    "shape_error",
    "wasserstein",
    "without_empty",
]
