"""Contracts of every fidelity metric: best on the real rows themselves, worse with noise, inside its bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthkit.metrics.base import Case, Metric
from synthkit.metrics.catalogue_fidelity import FIDELITY_METRICS

Table = pd.DataFrame
METRICS = {metric.name: metric for metric in FIDELITY_METRICS}


def draw(rows: int, seed: int) -> Table:
    """A known law: ``y`` and ``total`` follow ``x``, ``g`` follows both; some cells are empty."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = 0.9 * x + 0.4 * rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "total": np.round(x + 3, 1) + rng.integers(0, 9, rows),
            "g": np.where(x + y + rng.normal(0, 0.4, rows) > 0, "high", np.where(rng.random(rows) < 0.3, "mid", "low")),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(30 * y + 200), "D"),
        }
    )
    table.loc[rng.random(rows) < 0.1, "g"] = None
    table.loc[rng.random(rows) < 0.1, "y"] = None
    return table


def noisy(table: Table, amount: float) -> Table:
    """Shifted, blurred, with relabelled and emptied cells, by ``amount``."""
    rng = np.random.default_rng(5)
    n = len(table)
    out = table.assign(
        x=table["x"] + amount * (0.4 + rng.normal(size=n)),
        y=table["y"].mask(rng.random(n) < 0.3 * amount),
        total=table["total"] * (1 + 0.3 * amount * rng.random(n)),
        g=table["g"].mask(rng.random(n) < 0.4 * amount, "high"),
    )
    return out[out["x"] < 3 - amount].reset_index(drop=True)


TRAIN, HOLDOUT, FRESH = draw(500, 0), draw(400, 1), draw(400, 2)


def case(synthetic: Table, real: Table = TRAIN, holdout: Table | None = HOLDOUT, **known: object) -> Case:
    return Case.of(real, synthetic, holdout, **{"level": "default", **known})  # type: ignore[arg-type]


def distance(metric: Metric, value: float) -> float:
    """How far from the best, as far as that is worse."""
    return metric.best - value if metric.goal == "higher" else value - metric.best


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, object]]:
    """Each metric on fresh, noisy and noisier rows, and on independent columns."""
    base = case(FRESH)
    cases = {
        "fresh": base,
        "noisy": case(noisy(FRESH, 0.4)),
        "noisier": case(noisy(FRESH, 1.0)),
        "independent": base.put(base.real.shuffled(np.random.default_rng(0))),
        "same": case(HOLDOUT, HOLDOUT, None),
    }
    return {name: {key: metric().measure(c) for key, c in cases.items()} for name, metric in METRICS.items()}


# -------------------------------------------------------------------- what a metric declares
def test_catalogue():
    assert len(METRICS) == len(FIDELITY_METRICS), "a name is used twice"
    for name, metric in METRICS.items():
        assert name.isidentifier() and name == name.lower()
        assert metric.group == "fidelity" and metric.label and metric.definition.endswith(".")
        assert metric.bounds[0] <= metric.best <= metric.bounds[1]


# -------------------------------------------------------------------- contracts
EXACT = set(METRICS) - {"detection", "detection_boosting", "detection_network", "detection_logistic", "pmse_ratio"}


@pytest.mark.parametrize("name", METRICS)
def test_the_real_table_itself_is_best(name, measured):
    found = measured[name]["same"]
    if name in ("rules", "global_utility"):  # no rule holds here; and no holdout
        assert np.isnan(found.value) and found.note
    elif name == "density":  # every ball holds its 5 neighbours and its own centre
        assert found.value == pytest.approx(1.2, abs=0.01)
    elif name in EXACT:
        assert found.value == pytest.approx(METRICS[name].best, abs=1e-6)
    else:
        assert found.value <= METRICS[name].best


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"rules"}))
def test_more_noise_is_worse(name, measured):
    metric = METRICS[name]()
    fresh, noisy, noisier = (distance(metric, measured[name][key].value) for key in ("fresh", "noisy", "noisier"))
    assert fresh < noisier and noisy < noisier
    assert fresh < noisy or name in ("beta_recall", "correlation"), "400 rows are few to see a little noise by"
    low, high = metric.bounds
    for found in measured[name].values():
        if np.isnan(found.value):
            continue
        assert type(found.value) is float and low <= found.value <= high
        if found.interval is not None:
            assert low <= found.interval[0] <= found.value <= found.interval[1] <= high


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.culprit == "independent"])
def test_independent_columns_fail(name, measured):
    metric = METRICS[name]()
    fresh, culprit = (measured[name][key] for key in ("fresh", "independent"))
    assert distance(metric, culprit.value) > 1.5 * max(distance(metric, fresh.value), 0.01)
    (low, high), worse = fresh.interval, metric.goal == "lower"
    assert culprit.interval[0] > high if worse else culprit.interval[1] < low


def test_marginals_do_not_see_dependence(measured):
    for name in ("shape", "jensen_shannon", "null_rates", "wasserstein"):
        assert measured[name]["independent"].value < 1.5 * measured[name]["fresh"].value + 0.01
    assert measured["detection_logistic"]["independent"].value < 0.56


@pytest.fixture(scope="module")
def reordered() -> Case:
    rng = np.random.default_rng(3)
    return case(*(t.iloc[rng.permutation(len(t))] for t in (FRESH, TRAIN, HOLDOUT)))


@pytest.mark.parametrize("name", METRICS)
def test_row_order_does_not_matter(name, measured, reordered):
    found, was = METRICS[name]().measure(reordered), measured[name]["fresh"]
    if np.isnan(was.value):
        assert np.isnan(found.value)
    else:  # folds, permuted labels and subsamples fall elsewhere
        loose = {"pmse_ratio": 0.1, "global_utility": 0.03}.get(name, 0.05 if "detection" in name else 1e-6)
        assert found.value == pytest.approx(was.value, abs=loose)


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"detection"}))  # which is made of others
def test_same_case_same_measurement_and_global_state_kept(name, measured):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    kept = [t.copy(deep=True) for t in (FRESH, TRAIN, HOLDOUT)]
    found = METRICS[name]().measure(case(FRESH))
    was = measured[name]["fresh"]
    np.testing.assert_equal(
        (found.value, found.interval, dict(found.parts)), (was.value, was.interval, dict(was.parts))
    )
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002
    for table, before in zip((FRESH, TRAIN, HOLDOUT), kept, strict=True):
        pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.level == "quick"])
def test_the_quick_level_measures_the_same_thing(name, measured):
    value = METRICS[name]().measure(case(FRESH, level="quick")).value
    np.testing.assert_allclose(value, measured[name]["fresh"].value, atol=0.06)


# -------------------------------------------------------------------- odd tables
ODD: dict[str, tuple[Table, Table, Table]] = {
    "constant": (Table({"x": [1.0] * 40, "c": ["a"] * 40, "d": [pd.Timestamp(0)] * 40}),) * 3,
    "all null": (Table({"x": [np.nan] * 40, "c": pd.Series([None] * 40, dtype=object)}),) * 3,
    "nulls in one": (TRAIN, FRESH.assign(y=np.nan, g=None), HOLDOUT),
    "unseen levels": (TRAIN, FRESH.assign(g="new"), HOLDOUT),
    "other sizes": (TRAIN, FRESH.head(50), HOLDOUT),
    "level beyond": (TRAIN.head(30), FRESH.assign(g=FRESH["x"].astype(str)), HOLDOUT),
    "one column": (TRAIN[["x"]], FRESH[["x"]], HOLDOUT[["x"]]),
    "no number": (TRAIN[["g"]].assign(h=TRAIN["g"]), FRESH[["g"]].assign(h="low"), HOLDOUT[["g"]].assign(h="mid")),
    "no category": tuple(t[["x", "total"]] for t in (TRAIN, FRESH, HOLDOUT)),
    "many levels": tuple(t.assign(g=[f"{i}{t['x'][i]:.3f}" for i in range(len(t))]) for t in (TRAIN, FRESH, HOLDOUT)),
    **{f"{n} rows": (TRAIN.head(n), FRESH.head(n), HOLDOUT.head(n)) for n in (1, 2, 3, 5, 8, 25)},
    "one row": (TRAIN, FRESH.head(1), HOLDOUT),
    "huge": (TRAIN, FRESH.assign(x=FRESH["x"] * 1e300), HOLDOUT),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", sorted(set(METRICS) - {"detection_boosting"}))  # detection runs it too
def test_odd_tables(name, odd):
    real, synthetic, holdout = (t.head(120) for t in ODD[odd])
    kinds = {"x": "numeric", "c": "categorical"} if odd == "all null" else None
    for judge in (holdout, None):
        if judge is None and name == "detection":
            continue
        found = METRICS[name]().measure(Case.of(real, synthetic, judge, kinds=kinds, level="quick"))
        low, high = METRICS[name].bounds
        if np.isnan(found.value):
            assert found.note and found.interval is None
        else:
            assert low <= found.value <= high
        if found.interval is not None:
            assert low <= found.interval[0] <= found.interval[1] <= high


def test_notes_and_details_name_no_rare_value():
    rare = TRAIN["g"].astype(object).mask(TRAIN.index < 3, "unique-name")
    real = TRAIN.assign(g=rare)
    synthetic = noisy(FRESH, 1.0).assign(g=lambda t: t["g"].mask(t.index < 60, "unique-name"))
    one = case(synthetic, real, real, level="quick")
    for metric in METRICS.values():
        found = metric().measure(one)
        values = found.details.get("values")
        tables = (table.to_string() for table in (values, found.details.get("pairs")) if table is not None)
        text = found.note + str(dict(found.parts)) + "".join(tables)
        assert "unique-name" not in text


# -------------------------------------------------------------------- what a case shares
def test_cases_made_from_one_share_what_depends_on_real_rows_only():
    base = case(FRESH)
    made: list[int] = []
    for one in (base, base.put(base.real), base.put(base.real, holdout=base.real), replace(base, seed=9)):
        for _ in range(2):
            one.once("key", lambda: made.append(0), of=(one.real, one.holdout))
            one.once("key", lambda: made.append(1))
    assert made.count(0) == 3 and made.count(1) == 4
