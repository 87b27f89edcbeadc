"""The fidelity metrics, in the order in which a report shows them."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.consistency import Rules
from synthkit.metrics.detection import Detection, DetectionBoosting, DetectionLogistic, DetectionNetwork
from synthkit.metrics.global_utility import GlobalUtility
from synthkit.metrics.joint import Contingency, Correlation, MutualInformation, PairError
from synthkit.metrics.kway import KMarginal
from synthkit.metrics.manifold import AlphaPrecision, BetaRecall, Density, NeighbourCoverage
from synthkit.metrics.marginals import JensenShannon, NullRates, ShapeError, Wasserstein
from synthkit.metrics.propensity import PmseRatio
from synthkit.metrics.reach import Coverage
from synthkit.metrics.sliced import SlicedWasserstein

__all__ = ["FIDELITY_METRICS"]

FIDELITY_METRICS: tuple[type[Metric], ...] = (
    Detection,
    DetectionBoosting,
    DetectionNetwork,
    DetectionLogistic,
    ShapeError,
    PairError,
    Rules,
    GlobalUtility,
    KMarginal,
    AlphaPrecision,
    BetaRecall,
    NeighbourCoverage,
    Density,
    SlicedWasserstein,
    PmseRatio,
    Correlation,
    Contingency,
    MutualInformation,
    NullRates,
    Wasserstein,
    JensenShannon,
    Coverage,
)
