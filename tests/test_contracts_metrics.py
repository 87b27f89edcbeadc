"""Contracts of metrics, over the registry: every check on every metric."""

from __future__ import annotations

import pytest

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.registry import METRICS
from synthkit.testing import METRIC_CHECKS, MetricCase, check_metric

CASES = {name: MetricCase(metric) for name, metric in METRICS.items()}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("check", METRIC_CHECKS, ids=lambda c: c.__name__)
def test_contract(check, name):
    check(CASES[name])


def test_names_are_those_of_the_registry():
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}


def test_a_contributor_hears_what_is_wrong():
    class Lucky(Metric):
        name = "lucky"
        label = "always best"
        group = "fidelity"
        goal = "lower"
        best = 0.0
        definition = "Nothing."

        def measure(self, case: Case) -> Measurement:
            return Measurement(0.0)

    class Crashing(Lucky):
        culprit = None

        def measure(self, case: Case) -> Measurement:
            share = float((case.synthetic.frame["x"].abs() > 2).mean() + 1e-9 * len(case.synthetic))
            return Measurement(min(1.0, share))

    with pytest.raises(AssertionError, match="Lucky fails 'noise_is_worse'"):
        check_metric(Lucky)
    with pytest.raises(AssertionError, match="Crashing fails 'stands_odd_tables': one category: KeyError"):
        check_metric(Crashing)
