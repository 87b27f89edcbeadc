"""Every metric by name: what :func:`synthkit.evaluate` computes, and what the contract tests are run on."""

from __future__ import annotations

from synthkit.metrics.base import Metric
from synthkit.metrics.catalogue_core import CORE_METRICS

__all__ = ["METRICS"]

METRICS: dict[str, type[Metric]] = {metric.name: metric for metric in (*CORE_METRICS,)}
