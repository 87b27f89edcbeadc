"""Filling gaps: one imputer, the engines behind it, and sets of completed tables."""

from synthkit.imputation.engines import ENGINES, Engine
from synthkit.imputation.imputer import Imputer
from synthkit.imputation.sets import ImputationSet

__all__ = ["ENGINES", "Engine", "ImputationSet", "Imputer"]
