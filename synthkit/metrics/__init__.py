"""Metrics: judge any two tables. Plain functions of DataFrames; nothing here knows of a model.

Each takes ``kinds``, a mapping of column names to ``"numeric"``, ``"categorical"`` or ``"datetime"`` that also
says which columns count (:func:`kinds_of` makes one), and a ``seed`` where it subsamples; the global
random state stays as it is. ``METRICS`` holds the same figures as :class:`Metric` classes, which
:func:`synthkit.evaluate` computes beside their references.
"""

from synthkit.metrics.attacks import membership_attacks, mia_likelihood
from synthkit.metrics.base import Case, Measurement, Metric, Score, Table
from synthkit.metrics.copies import copy_rate, near_copy_rate
from synthkit.metrics.credit import information_value_gap, population_stability
from synthkit.metrics.disclosure import attribute_inference, linkability
from synthkit.metrics.fidelity import (
    alpha_precision,
    beta_recall,
    contingency_error,
    correlation_error,
    coverage,
    density,
    detection_auc,
    detection_logistic,
    detection_network,
    global_utility,
    jensen_shannon,
    k_marginal,
    mutual_information_error,
    neighbour_coverage,
    new_row_share,
    null_rates,
    pair_error,
    pmse_ratio,
    rules_broken,
    shape_error,
    sliced_wasserstein,
    wasserstein,
)
from synthkit.metrics.hazards import c_index_tstr, hazard_ratio_overlap
from synthkit.metrics.lending import decile_calibration, gini_tstr
from synthkit.metrics.medical import survival_gap
from synthkit.metrics.outcomes import calibration_error, importance_agreement
from synthkit.metrics.predicates import singling_out
from synthkit.metrics.privacy import dcr_share, mia_auc, nndr_share
from synthkit.metrics.reference import reference_range_error
from synthkit.metrics.registry import METRICS
from synthkit.metrics.replicate import combine, interval_overlap, replicate
from synthkit.metrics.series import SERIES_METRICS, SeriesReport, score_series
from synthkit.metrics.series_table import series_tables, split_blocks
from synthkit.metrics.survival import concordance, cox, curve_gap, kaplan_meier
from synthkit.metrics.tables import Breakdown, Kind, Kinds, kinds_of
from synthkit.metrics.temporal_panel import Panel, panels
from synthkit.metrics.temporal_report import PANEL_METRICS, PanelReport, score_panel
from synthkit.metrics.utility import trtr, tstr
from synthkit.metrics.whatif import normalised, what_if

__all__ = [
    "METRICS",
    "PANEL_METRICS",
    "SERIES_METRICS",
    "Breakdown",
    "Case",
    "Kind",
    "Kinds",
    "Measurement",
    "Metric",
    "Panel",
    "PanelReport",
    "Score",
    "SeriesReport",
    "Table",
    "alpha_precision",
    "attribute_inference",
    "beta_recall",
    "c_index_tstr",
    "calibration_error",
    "combine",
    "concordance",
    "contingency_error",
    "copy_rate",
    "correlation_error",
    "coverage",
    "cox",
    "curve_gap",
    "dcr_share",
    "decile_calibration",
    "density",
    "detection_auc",
    "detection_logistic",
    "detection_network",
    "gini_tstr",
    "global_utility",
    "hazard_ratio_overlap",
    "importance_agreement",
    "information_value_gap",
    "interval_overlap",
    "jensen_shannon",
    "k_marginal",
    "kaplan_meier",
    "kinds_of",
    "linkability",
    "membership_attacks",
    "mia_auc",
    "mia_likelihood",
    "mutual_information_error",
    "near_copy_rate",
    "neighbour_coverage",
    "new_row_share",
    "nndr_share",
    "normalised",
    "null_rates",
    "pair_error",
    "panels",
    "pmse_ratio",
    "population_stability",
    "reference_range_error",
    "replicate",
    "rules_broken",
    "score_panel",
    "score_series",
    "series_tables",
    "shape_error",
    "singling_out",
    "sliced_wasserstein",
    "split_blocks",
    "survival_gap",
    "trtr",
    "tstr",
    "wasserstein",
    "what_if",
]
