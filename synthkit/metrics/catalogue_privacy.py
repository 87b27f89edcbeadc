"""The privacy metrics, in the order in which a report shows them."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.copies import Copies
from synthkit.metrics.membership import Membership, MIAClassifier, MIADensity, MIADistance, MIALocal
from synthkit.metrics.privacy import DCR, NNDR

__all__ = ["PRIVACY_METRICS"]

PRIVACY_METRICS: tuple[type[Metric], ...] = (
    Copies,
    DCR,
    NNDR,
    Membership,
    MIADistance,
    MIADensity,
    MIALocal,
    MIAClassifier,
)
