"""Contracts of the privacy metrics: the memoriser fails all of them, fresh rows and independent columns pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.catalogue_privacy import PRIVACY_METRICS
from synthkit.metrics.privacy import dcr_share, mia_auc, nndr_share
from synthkit.metrics.tables import kinds_of

Table = pd.DataFrame
BY_DISTANCE = (
    *("near_copies", "dcr", "nndr", "linkability"),
    *("membership", "membership_tpr", "mia_distance", "mia_density", "mia_local"),
)


def draw(rows: int, seed: int) -> Table:
    """A table of a known law: numbers that go together, a count, two categories, some cells empty."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": 0.8 * x + 0.6 * rng.normal(size=rows),
            "z": rng.normal(size=rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.poisson(100, rows), "D"),
            "g": np.where(x + rng.normal(size=rows) > 0, "high", "low"),
            "c": rng.choice(list("uvwz"), rows, p=[0.5, 0.3, 0.15, 0.05]),
        }
    )
    table.loc[rng.random(rows) < 0.1, "g"] = None
    table.loc[rng.random(rows) < 0.1, "z"] = None
    return table


def bootstrap(table: Table, seed: int = 0) -> Table:
    return table.sample(len(table), replace=True, random_state=seed).reset_index(drop=True)


def blurred(table: Table, seed: int = 0) -> Table:
    """A bootstrap with a little noise on the numbers: no exact copy is left."""
    rng = np.random.default_rng(seed)
    noise = {name: table[name] + 0.02 * rng.normal(size=len(table)) for name in ("x", "y", "z")}
    return bootstrap(table.assign(**noise), seed)


ROWS = 600
TRAIN, HOLDOUT = draw(ROWS, 10), draw(ROWS, 11)  # one split in twenty is odd by chance; this one is not


def case(synthetic: Table, train: Table = TRAIN, holdout: Table | None = HOLDOUT, **known: object) -> Case:
    return Case.of(train, synthetic, holdout, **{"level": "quick", "secrets": ("g", "y"), **known})


FRESH, COPY, BLURRED = case(draw(ROWS, 2)), case(bootstrap(TRAIN)), case(blurred(TRAIN))
INDEPENDENT = COPY.put(COPY.real.shuffled(np.random.default_rng(3)))
metrics = pytest.mark.parametrize("metric", [m() for m in PRIVACY_METRICS], ids=lambda m: m.name)


def lower(found: Measurement) -> float:
    assert found.interval is not None
    return found.interval[0]


# -------------------------------------------------------------------- the planted culprits
@metrics
def test_the_memoriser_fails_and_others_pass(metric: Metric):
    assert metric.culprit == "copy" and metric.group == "privacy" and metric.goal == "lower"
    copy, fresh, independent = (metric.measure(c) for c in (COPY, FRESH, INDEPENDENT))
    for passing in (fresh, independent):
        # for copies, too: the law is continuous, so that nothing is repeated by chance
        assert lower(passing) <= metric.best + (0.011 if metric.name == "near_copies" else 0)
        assert passing.value < copy.value - 0.15
    assert lower(copy) > max(metric.best + 0.1, fresh.interval[1], independent.interval[1])


@pytest.mark.parametrize("metric", [m() for m in PRIVACY_METRICS if m.name in BY_DISTANCE], ids=lambda m: m.name)
def test_a_memoriser_that_adds_noise_fails_what_looks_at_distances(metric: Metric):
    assert metric.measure(BLURRED).interval[0] > metric.measure(FRESH).interval[1]


def test_a_few_copies_among_fresh_rows_are_found():
    planted = pd.concat([TRAIN.head(30), draw(ROWS - 30, 4)], ignore_index=True)
    found = {m.name: m().measure(case(planted)) for m in PRIVACY_METRICS if m.name in ("copies", "membership_tpr")}
    assert found["copies"].value == 0.05 and found["copies"].interval[0] > 0.03
    assert found["membership_tpr"].value > 0.04 and found["membership_tpr"].interval[0] > 0.02


@metrics
def test_outliers_are_reported_apart(metric: Metric):
    if metric.name in ("dcr", "nndr", "membership") or metric.name.startswith("mia"):
        assert metric.measure(COPY).parts["most isolated rows"] > 0.7


def test_leaks_of_outliers_only_show_among_the_isolated_rows():
    far = TRAIN.assign(x=TRAIN["x"] * np.where(np.arange(ROWS) < 60, 20, 1))
    other = HOLDOUT.assign(x=HOLDOUT["x"] * np.where(np.arange(ROWS) < 60, 20, 1))
    leak = pd.concat([far.head(60), draw(ROWS - 60, 5)], ignore_index=True)
    parts = next(m for m in PRIVACY_METRICS if m.name == "mia_distance")().measure(case(leak, far, other)).parts
    assert parts["most isolated rows"] > 0.7 > 0.62 > parts["all rows"]


# -------------------------------------------------------------------- contracts
@metrics
def test_bounds_and_what_a_reader_needs(metric: Metric):
    for c in (FRESH, COPY, INDEPENDENT):
        found = metric.measure(c)
        low, high = metric.bounds
        assert low <= found.interval[0] <= found.value <= found.interval[1] <= high
        assert found.parts and all(isinstance(v, float) and not np.isnan(v) for v in found.parts.values())
        power = found.details["power"]
        assert 0 < power["detectable"] <= 1 and power["enough"] == ("too few rows to certify" not in found.note)


@metrics
def test_same_case_same_measurement_and_nothing_else_changes(metric: Metric):
    before, frames = np.random.get_state()[1].copy(), [t.copy(deep=True) for t in (TRAIN, HOLDOUT)]  # noqa: NPY002
    found, again = (metric.measure(case(bootstrap(TRAIN), seed=7)) for _ in range(2))
    assert (found.value, found.interval, found.parts) == (again.value, again.interval, again.parts)
    assert (before == np.random.get_state()[1]).all()  # noqa: NPY002
    for kept, table in zip(frames, (TRAIN, HOLDOUT), strict=True):
        pd.testing.assert_frame_equal(kept, table)


@metrics
def test_row_order_does_not_matter_beyond_noise(metric: Metric):
    order = np.random.default_rng(5).permutation(ROWS)
    found = metric.measure(case(bootstrap(TRAIN).iloc[order], TRAIN.iloc[order[::-1]], HOLDOUT.iloc[order]))
    assert found.value == pytest.approx(metric.measure(COPY).value, abs=0.1)


@metrics
def test_without_a_holdout_no_guess(metric: Metric):
    lone = case(bootstrap(TRAIN), holdout=None)
    if metric.name == "copies":
        found = metric.measure(lone)
        assert found.value == 1 and "holdout" in found.note and not metric.missing(lone)
    else:
        assert "holdout" in metric.missing(lone)


@metrics
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 9, 15, 25])
def test_tiny_tables_give_no_verdict(metric: Metric, rows: int):
    for synthetic in (TRAIN.head(rows), TRAIN):
        found = metric.measure(case(synthetic, TRAIN.head(rows), HOLDOUT.head(rows)))
        if np.isnan(found.value):
            assert "too few rows" in found.note or "nothing left" in found.note or "no combination" in found.note
        else:  # a leak that was found needs no certificate
            assert not found.details["power"]["enough"] or found.interval[0] > metric.best


@metrics
def test_large_tables_are_certified(metric: Metric):
    if metric.name == "singling_out":
        return  # the holdout's rate is extrapolated, which takes more predicates than this level tries
    found = metric.measure(case(draw(1500, 2), draw(1500, 0), draw(1500, 1), secrets=("g",), level="default"))
    assert found.details["power"]["enough"] and "too few rows" not in found.note


ODD = {
    "nulls only": lambda t: t.assign(x=np.nan, g=None),
    "constant": lambda t: t.assign(x=1.0, y=2.0, g="a", c="b"),
    "all constant": lambda t: pd.DataFrame({"x": [1.0] * len(t), "g": ["a"] * len(t)}),
    "one number": lambda t: t[["y"]],
    "one category": lambda t: t[["g"]],
    "no numbers": lambda t: t[["g", "c"]],
    "no categories": lambda t: t[["x", "y"]],
    "many levels": lambda t: t.assign(g=[f"v{i}" for i in range(len(t))]),
    "huge": lambda t: t.assign(y=t["y"] * 1e300),
}


@metrics
@pytest.mark.parametrize("name", ODD)
def test_odd_tables(metric: Metric, name: str):
    change = ODD[name]
    train, holdout, synthetic = (change(t.head(80)) for t in (TRAIN, HOLDOUT, bootstrap(TRAIN)))
    for rows in (synthetic, synthetic.assign(**{c: synthetic[c].iloc[::-1].to_numpy() for c in synthetic.columns[:1]})):
        found = metric.measure(case(rows, train, holdout, kinds=kinds_of(train)))
        low, high = metric.bounds
        assert found.note if np.isnan(found.value) else low <= found.value <= high


@metrics
def test_categories_that_only_the_synthetic_table_has(metric: Metric):
    found = metric.measure(case(draw(ROWS, 2).assign(g="new", c="newer")))
    assert found.interval[0] <= metric.best + 0.01


@metrics
def test_coarse_tables_are_no_leak(metric: Metric):
    """Every row is repeated by chance, so that ties decide; they must not count for either side."""

    def coarse(seed: int) -> Table:
        return pd.DataFrame(np.random.default_rng(seed).integers(0, 2, (400, 3)), columns=list("abc")).astype(str)

    coarse_case = Case.of(coarse(0), coarse(1), coarse(2), level="quick", secrets=("a",))
    found = metric.measure(coarse_case)
    if metric.name in ("copies", "near_copies"):
        assert found.value == 1 and "too coarse" in found.note
    elif not np.isnan(found.value):
        assert found.interval[0] <= metric.best and found.value <= metric.best + 0.1


def test_metrics_compute_what_the_functions_do():
    found = {m.name: m().measure(FRESH).value for m in PRIVACY_METRICS if m.name in ("dcr", "nndr", "mia_distance")}
    tables = (draw(ROWS, 2), TRAIN, HOLDOUT)
    expected = {
        "dcr": dcr_share(*tables),
        "nndr": nndr_share(*tables),
        "mia_distance": mia_auc(*tables),
    }
    assert found == pytest.approx(expected, abs=1e-12)


def test_notes_and_names_hold_no_claim():
    for m in PRIVACY_METRICS:
        for c in (FRESH, COPY):
            text = f"{m.label} {m.definition} {m().measure(c).note}".lower()
            assert "anonym" not in text.replace("anonymeter", "")
