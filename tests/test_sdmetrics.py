"""SDMetrics through our door: the same numbers, seeded, with nothing left behind."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import kinds_of
from synthkit.metrics.new_rows import new_row_share

pytestmark = pytest.mark.filterwarnings("ignore")  # of SDMetrics


def draw(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x.round(1),
            "n": rng.integers(0, 300, rows),
            "g": np.where(x > 0, "high", "low"),
            "h": rng.choice(list("abc"), rows),
            "late": x + rng.normal(size=rows) > 0,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 40, rows), "D"),
        }
    )
    table.loc[rng.random(rows) < 0.1, "x"] = None
    table.loc[rng.random(rows) < 0.1, "g"] = None
    return table


A, B, H = draw(150, 0), draw(120, 1), draw(130, 2)
KINDS = kinds_of(A)


@pytest.mark.sdmetrics
@pytest.mark.parametrize("tolerance", [0.01, 0.0, 0.3])
@pytest.mark.parametrize("columns", [["x", "g", "h"], ["n", "g"], ["x", "n"], ["g", "h", "late"], list(KINDS)])
def test_new_rows_are_those_of_sdmetrics(columns, tolerance):
    from sdmetrics.single_table import NewRowSynthesis

    from synthkit.metrics.sdmetrics import metadata_of, run_metric

    real, synthetic = A[columns], B[columns]
    kinds = {name: KINDS[name] for name in columns}
    expected = NewRowSynthesis.compute(
        real.copy(), synthetic.copy(), metadata=metadata_of(kinds), numerical_match_tolerance=tolerance
    )
    assert new_row_share(real, synthetic, kinds=kinds, tolerance=tolerance) == expected
    assert run_metric("NewRowSynthesis", real, synthetic, kinds, numerical_match_tolerance=tolerance) == expected
    copied = pd.concat([real.head(40), synthetic])
    assert new_row_share(real, copied, kinds=kinds, tolerance=tolerance) == pytest.approx(expected * 120 / 160)


def test_new_rows_against_brute_force(monkeypatch):
    monkeypatch.setattr("synthkit.metrics.new_rows._PAIRS", 7)  # many blocks
    columns = ["x", "n", "h"]
    a, b = (t[columns].fillna(-1e9) for t in (A, B))
    matched = [
        any(
            r.h == s.h and abs(r.x - s.x) <= abs(0.3 * s.x) and abs(r.n - s.n) <= abs(0.3 * s.n) for r in a.itertuples()
        )
        for s in b.itertuples()
    ]
    share = new_row_share(A[columns], B[columns], tolerance=0.3)
    assert 0 < share < 1 and share == pytest.approx(1 - np.mean(matched))


def test_bad_tolerance():
    with pytest.raises(ParamError, match="'tolerance'"):
        new_row_share(A, B, tolerance=-1)


@pytest.mark.sdmetrics
def test_reports_take_schemas_kinds_and_metadata():
    from synthkit.metrics.sdmetrics import diagnostic_report, metadata_of, quality_report

    a, b = A.dropna(), B.dropna()
    sources = [KINDS, metadata_of(KINDS), {"tables": {"t": metadata_of(KINDS)}}]
    found = [quality_report(a, b, source) for source in sources]
    assert found[0] == found[1] == found[2] and set(found[0].shapes) == set(KINDS)
    schema = Schema.infer(A.drop(columns="day"))
    assert set(quality_report(a, b, schema).shapes) == set(schema.columns)
    told = diagnostic_report(a, b.assign(n=b["n"] + 10_000), KINDS)
    assert told.columns["n"] == 0 and told.columns["g"] == 1 and told.structure == 1
    assert told.validity == pytest.approx(np.mean(list(told.columns.values())))


@pytest.mark.sdmetrics
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("KSComplement", {}),
        ("ContingencySimilarity", {}),
        ("LogisticDetection", {}),
        ("MissingValueSimilarity", {}),
        ("TableStructure", {}),
        ("CategoricalCAP", {"key_fields": ["h"], "sensitive_fields": ["g"]}),
        ("BinaryDecisionTreeClassifier", {"target": "late"}),
        ("DCRBaselineProtection", {"num_rows_subsample": 50}),
        ("DCROverfittingProtection", {"num_rows_subsample": 50}),
        ("DisclosureProtectionEstimate", {"known_column_names": ["h"], "sensitive_column_names": ["g"]}),
    ],
)
def test_metrics_by_name_are_seeded_and_leave_no_trace(name, options):
    from synthkit.metrics.sdmetrics import run_metric

    a, b, h = A.dropna(), B.dropna(), H.dropna()
    kept = [t.copy(deep=True) for t in (a, b, h)]
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = run_metric(name, a, b, KINDS, holdout=h, seed=3, **options)
    assert (numpy_state == np.random.get_state()[1]).all() and python_state == random.getstate()  # noqa: NPY002
    np.random.random(5)  # noqa: NPY002
    assert run_metric(name, a, b, KINDS, holdout=h, seed=3, **options) == first
    assert 0 <= first <= 1
    for table, before in zip((a, b, h), kept, strict=True):
        pd.testing.assert_frame_equal(table, before)


@pytest.mark.sdmetrics
def test_errors_of_metrics_by_name():
    from synthkit.metrics.sdmetrics import run_metric

    with pytest.raises(ParamError, match="'name'"):
        run_metric("Nope", A, B, KINDS)
    with pytest.raises(ParamError, match="'nope'"):
        run_metric("LogisticDetection", A, B, KINDS, nope=1)
    with pytest.raises(ParamError, match="'nope'"):
        run_metric("NewRowSynthesis", A, B, KINDS, nope=1)
    with pytest.raises(ParamError, match="'holdout'"):
        run_metric("DCROverfittingProtection", A, B, KINDS)
    with pytest.raises(SchemaError, match="'y'"):
        run_metric("KSComplement", A, B, {"y": "numeric"})
    with pytest.raises(SchemaError, match="names no column"):
        run_metric("KSComplement", A, B, {})
    with pytest.raises(SchemaError, match="LinearRegression cannot be computed"):
        run_metric("LinearRegression", A, B, KINDS, target="absent")
