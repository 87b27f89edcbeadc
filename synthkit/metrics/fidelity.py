"""How alike two tables are: the plain functions, one per figure, gathered from where they are computed."""

from __future__ import annotations

from synthkit.metrics.consistency import rules_broken
from synthkit.metrics.detection import detection_auc, detection_logistic, detection_network
from synthkit.metrics.global_utility import global_utility
from synthkit.metrics.joint import contingency_error, correlation_error, mutual_information_error, pair_error
from synthkit.metrics.kway import k_marginal
from synthkit.metrics.manifold import alpha_precision, beta_recall, density, neighbour_coverage
from synthkit.metrics.marginals import jensen_shannon, null_rates, shape_error, wasserstein
from synthkit.metrics.new_rows import new_row_share
from synthkit.metrics.propensity import pmse_ratio
from synthkit.metrics.reach import coverage
from synthkit.metrics.sliced import sliced_wasserstein

__all__ = [
    "alpha_precision",
    "beta_recall",
    "contingency_error",
    "correlation_error",
    "coverage",
    "density",
    "detection_auc",
    "detection_logistic",
    "detection_network",
    "global_utility",
    "jensen_shannon",
    "k_marginal",
    "mutual_information_error",
    "neighbour_coverage",
    "new_row_share",
    "null_rates",
    "pair_error",
    "pmse_ratio",
    "rules_broken",
    "shape_error",
    "sliced_wasserstein",
    "wasserstein",
]
