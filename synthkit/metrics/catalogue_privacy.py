"""The privacy metrics, in the order in which a report shows them."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.copies import Copies, NearCopies
from synthkit.metrics.disclosure import AttributeInference, Linkability
from synthkit.metrics.membership import Membership, MembershipTPR, MIAClassifier, MIADensity, MIADistance, MIALocal
from synthkit.metrics.predicates import SinglingOut
from synthkit.metrics.privacy import DCR, NNDR

__all__ = ["PRIVACY_METRICS"]

PRIVACY_METRICS: tuple[type[Metric], ...] = (
    Copies,
    NearCopies,
    DCR,
    NNDR,
    Membership,
    MembershipTPR,
    MIADistance,
    MIADensity,
    MIALocal,
    MIAClassifier,
    SinglingOut,
    Linkability,
    AttributeInference,
)
