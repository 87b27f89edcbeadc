"""Every metric by name: what :func:`synthkit.evaluate` computes, and what the contract tests are run on."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.catalogue_core import CORE_METRICS
from synthkit.metrics.catalogue_fidelity import FIDELITY_METRICS
from synthkit.metrics.catalogue_privacy import PRIVACY_METRICS

__all__ = ["METRICS"]

METRICS: dict[str, type[Metric]] = {
    metric.name: metric for metric in (*FIDELITY_METRICS, *CORE_METRICS, *PRIVACY_METRICS)
}
