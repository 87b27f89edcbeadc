"""Filling gaps: one imputer, the engines behind it, sets of completed tables, and scores before use."""

from synthkit.imputation.engines import ENGINES, Engine
from synthkit.imputation.imputer import Imputer
from synthkit.imputation.iscore import energy_i_score
from synthkit.imputation.masks import hide
from synthkit.imputation.score import ImputationReport, score_imputation
from synthkit.imputation.series import SeriesImputer
from synthkit.imputation.sets import ImputationSet

__all__ = [
    "ENGINES",
    "Engine",
    "ImputationReport",
    "ImputationSet",
    "Imputer",
    "SeriesImputer",
    "energy_i_score",
    "hide",
    "score_imputation",
]
