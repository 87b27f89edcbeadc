"""The metrics of utility: what can still be learnt and concluded from the synthetic rows."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.outcomes import CalibrationError, ImportanceAgreement
from synthkit.metrics.utility import Tstr, UtilityKept
from synthkit.metrics.whatif import WhatIfAgreement

__all__ = ["UTILITY_METRICS"]

UTILITY_METRICS: tuple[type[Metric], ...] = (
    Tstr,
    UtilityKept,
    CalibrationError,
    ImportanceAgreement,
    WhatIfAgreement,
)
