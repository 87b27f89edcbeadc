"""Metrics: judge any two tables. Plain functions of DataFrames; nothing here knows of a model.

Each takes ``kinds``, a mapping of column names to ``"numeric"``, ``"categorical"`` or ``"datetime"`` that also
says which columns count (:func:`kinds_of` makes one), and a ``seed`` where it subsamples; the global
random state stays as it is.
"""

from synthkit.metrics.fidelity import detection_auc, pair_error, shape_error
from synthkit.metrics.privacy import copy_rate, dcr_share, mia_auc
from synthkit.metrics.tables import Breakdown, Kind, Kinds, kinds_of
from synthkit.metrics.utility import tstr

__all__ = [
    "Breakdown",
    "Kind",
    "Kinds",
    "copy_rate",
    "dcr_share",
    "detection_auc",
    "kinds_of",
    "mia_auc",
    "pair_error",
    "shape_error",
    "tstr",
]
