"""Every metric of the registry: best on identical tables, worse under noise, bounded, and unimpressed by odd tables."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from synthkit import evaluate
from synthkit.metrics.base import LEVELS, Case, Measurement, Table
from synthkit.metrics.registry import METRICS
from synthkit.metrics.tables import kinds_of
from tests.laws import KNOWN, draw, junk, schema, untouched

ROWS = 400
TRAIN, HOLDOUT, FRESH = draw(ROWS, 0), draw(ROWS, 1), draw(ROWS, 2)
SCHEMA = schema()
every_metric = pytest.mark.parametrize("name", METRICS)


def case(synthetic: pd.DataFrame, real: pd.DataFrame = TRAIN, holdout: pd.DataFrame | None = HOLDOUT) -> Case:
    return Case.of(real, synthetic, holdout, kinds=kinds_of(SCHEMA), schema=SCHEMA, level="quick", **KNOWN)


def mixture(name: str, share: float) -> pd.DataFrame:
    """Fresh rows, of which a share is replaced by what is bad for the metric: training rows, or junk."""
    bad = TRAIN if METRICS[name].group == "privacy" else junk(TRAIN, 3)
    cut = round(share * ROWS)
    order = np.random.default_rng(4).permutation(ROWS)
    return pd.concat([bad.iloc[:cut], FRESH.iloc[cut:]]).iloc[order].reset_index(drop=True)


@cache
def measured(name: str, share: float) -> Measurement:
    return METRICS[name]().measure(case(mixture(name, share)))


def loss(name: str, value: float) -> float:
    """How far the value is on the bad side of the best."""
    metric = METRICS[name]
    return max(0.0, (value - metric.best) if metric.goal == "lower" else (metric.best - value))


# -------------------------------------------------------------------- what a metric says of itself
@every_metric
def test_its_attributes(name):
    metric = METRICS[name]
    assert metric.name == name and name.isidentifier() and name.islower()
    assert metric.group in ("fidelity", "utility", "privacy") and metric.goal in ("lower", "higher")
    assert metric.level in LEVELS and metric.label and metric.definition.endswith(".")
    low, high = metric.bounds
    assert low <= metric.best <= high
    assert metric.group != "privacy" or metric.culprit != "independent"
    assert "anonym" not in (metric.label + metric.definition + metric.reading).lower()
    assert not metric.reading or ("{value}" in metric.reading and not metric.reading.endswith("."))


# -------------------------------------------------------------------- what it measures
@every_metric
def test_noise_makes_it_worse(name):
    clean, some, much = (loss(name, measured(name, share).value) for share in (0.0, 0.5, 1.0))
    slack = 0.03
    assert clean <= some + slack and some <= much + slack
    assert much > clean, "the worst table there is scores no worse than fresh rows"


@every_metric
def test_identical_tables_score_best(name):
    metric = METRICS[name]
    if metric.group == "privacy":  # there, the training rows themselves are the worst
        assert measured(name, 0.0).value == pytest.approx(metric.best, abs=0.12)
        return
    same = HOLDOUT if metric.group == "fidelity" else TRAIN
    value = metric().measure(case(same)).value
    assert loss(name, value) <= loss(name, measured(name, 0.0).value) + 0.02


@every_metric
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_it_stays_within_bounds_and_interval(name, share):
    found, (low, high) = measured(name, share), METRICS[name].bounds
    assert isinstance(found.value, float) and low <= found.value <= high
    assert all(math.isnan(v) or low <= v <= high or math.isinf(low) for v in found.parts.values()) or found.details
    if found.interval is not None:
        assert low - 1e-9 <= found.interval[0] <= found.interval[1] <= high + 1e-9


@every_metric
def test_row_order_is_irrelevant(name):
    one, two, three = (np.random.default_rng(seed).permutation(ROWS) for seed in (5, 6, 7))
    mixed = mixture(name, 0.0)
    got = METRICS[name]().measure(case(mixed.iloc[one], TRAIN.iloc[two], HOLDOUT.iloc[three]))
    found = measured(name, 0.0)
    slack = 0.06 if found.interval is None else max(0.06, found.interval[1] - found.interval[0])
    assert got.value == pytest.approx(found.value, abs=slack)


@every_metric
def test_same_seed_same_measurement_and_nothing_is_touched(name):
    one = case(mixture(name, 0.5))
    frames = [table.frame for table in (one.real, one.synthetic, one.holdout) if table is not None]
    with untouched(*frames):
        again = METRICS[name]().measure(one)
    before = measured(name, 0.5)
    assert again.value == before.value and again.interval == before.interval
    assert dict(again.parts) == pytest.approx(dict(before.parts), nan_ok=True, abs=0)


# -------------------------------------------------------------------- the two planted culprits
@pytest.fixture(scope="module")
def report():
    real, synthetic, holdout = (draw(800, seed) for seed in (0, 2, 1))
    return evaluate(real, synthetic, holdout=holdout, schema=SCHEMA, metrics=list(METRICS), level="quick", **KNOWN)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.culprit])
def test_its_culprit_fails_it(name, report):
    score = report.scores[name]
    fresh, culprit = (loss(name, v) for v in (score.fresh, getattr(score, METRICS[name].culprit)))
    noise = 0.0 if score.fresh_interval is None else (score.fresh_interval[1] - score.fresh_interval[0]) / 2
    assert culprit > fresh + max(noise, 0.01), f"fresh {score.fresh}, culprit {culprit}"


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.group == "privacy"])
def test_a_memoriser_fails_every_privacy_metric(name):
    assert METRICS[name].culprit == "copy", "each privacy metric has to catch the memoriser"


# -------------------------------------------------------------------- odd tables
def _nulls(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(x=np.nan, g=None, low=pd.array([None] * len(table), "Int64"))


ODD = {
    "null columns": (_nulls, _nulls, _nulls),
    "null columns in the synthetic table only": (None, _nulls, None),
    "constant columns": (lambda t: t.assign(x=1.0, g="up"),) * 3,
    "constant columns in the synthetic table only": (None, lambda t: t.assign(x=1.0, late="no", died=True), None),
    "unseen categories": (None, lambda t: t.assign(g="sideways", late="maybe"), None),
    "every row alike": (None, lambda t: t.iloc[[0] * len(t)], None),
    "huge numbers": (None, lambda t: t.assign(x=t["x"] * 1e12), None),
    "five rows": (lambda t: t.head(5),) * 3,
    "five synthetic rows": (None, lambda t: t.head(5), None),
    "one row": (lambda t: t.head(1),) * 3,
    "one synthetic row": (None, lambda t: t.head(1), None),
    "one holdout row": (None, None, lambda t: t.head(1)),
    "one number": (lambda t: t[["x"]],) * 3,
    "one category": (lambda t: t[["late"]],) * 3,
    "no category": (lambda t: t[["x", "y", "low", "high"]],) * 3,
    "no number": (lambda t: t[["g", "late", "died"]],) * 3,
    "many levels": (lambda t: t.assign(g=[f"level {i}" for i in range(len(t))]),) * 3,
}


@every_metric
@pytest.mark.parametrize("kind", ODD)
def test_odd_tables_give_a_figure_or_a_reason(name, kind):
    short = (TRAIN.head(120), FRESH.head(120), HOLDOUT.head(120))
    tables = [t if change is None else change(t) for t, change in zip(short, ODD[kind], strict=True)]
    kinds = {n: k for n, k in kinds_of(SCHEMA).items() if n in tables[0]}
    known = {k: v for k, v in KNOWN.items() if v in kinds} | {"secrets": tuple({"g"} & set(kinds))}
    odd = Case.of(*tables, kinds=kinds, schema=SCHEMA.project(kinds), level="quick", **known)
    metric = METRICS[name]()
    if metric.missing(odd):
        assert metric.needs
        return
    found = metric.measure(odd)
    low, high = metric.bounds
    assert low <= found.value <= high or (math.isnan(found.value) and found.note)
    assert "sideways" not in found.note and "level " not in found.note


@every_metric
def test_without_a_holdout_it_works_or_says_that_it_needs_one(name):
    alone = dataclasses.replace(case(FRESH), holdout=None)
    metric = METRICS[name]()
    if metric.missing(alone):
        assert "holdout" in metric.missing(alone)
    else:
        assert isinstance(alone.judge, Table) and metric.measure(alone).value >= metric.bounds[0]
