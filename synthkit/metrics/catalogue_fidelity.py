"""The fidelity metrics, in the order in which a report shows them."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.detection import Detection, DetectionBoosting, DetectionLogistic, DetectionNetwork
from synthkit.metrics.joint import Contingency, Correlation, MutualInformation, PairError
from synthkit.metrics.kway import KMarginal
from synthkit.metrics.marginals import Coverage, JensenShannon, NullRates, ShapeError, Wasserstein

__all__ = ["FIDELITY_METRICS"]

FIDELITY_METRICS: tuple[type[Metric], ...] = (
    Detection,
    DetectionBoosting,
    DetectionNetwork,
    DetectionLogistic,
    ShapeError,
    PairError,
    KMarginal,
    Correlation,
    Contingency,
    MutualInformation,
    NullRates,
    Wasserstein,
    JensenShannon,
    Coverage,
)
