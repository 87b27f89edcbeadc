"""The metrics of utility, what can still be learnt and concluded from the synthetic rows, and those of domains."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.credit import InformationValueGap, PopulationStability
from synthkit.metrics.hazards import CIndexTstr, HazardRatioOverlap
from synthkit.metrics.lending import DecileCalibration, GiniTstr, OutOfTime
from synthkit.metrics.medical import KaplanMeierGap
from synthkit.metrics.outcomes import CalibrationError, ImportanceAgreement
from synthkit.metrics.reference import ReferenceRanges
from synthkit.metrics.utility import Tstr, UtilityKept
from synthkit.metrics.whatif import WhatIfAgreement

__all__ = ["UTILITY_METRICS"]

UTILITY_METRICS: tuple[type[Metric], ...] = (
    Tstr,
    UtilityKept,
    CalibrationError,
    ImportanceAgreement,
    WhatIfAgreement,
    KaplanMeierGap,
    HazardRatioOverlap,
    CIndexTstr,
    ReferenceRanges,
    PopulationStability,
    InformationValueGap,
    GiniTstr,
    DecileCalibration,
    OutOfTime,
)
