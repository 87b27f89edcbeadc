"""Contracts of the metrics: identical tables score best, planted noise shows, the two planted culprits are caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from synthkit import Schema
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import copy_rate, dcr_share, detection_auc, kinds_of, mia_auc, pair_error, shape_error, tstr

Table = pd.DataFrame


def draw(rows: int, seed: int) -> Table:
    """A table of a known law: ``y`` follows ``x``, ``g`` and ``late`` follow both; some cells are empty."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = 0.9 * x + 0.4 * rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "g": np.where(x + rng.normal(0, 0.3, rows) > 0, "high", "low"),
            "late": y + rng.normal(0, 0.3, rows) > 0,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(30 * y + 200), "D"),
        }
    )
    table.loc[rng.random(rows) < 0.1, "g"] = None
    table.loc[rng.random(rows) < 0.1, "y"] = None
    return table


def shuffled_columns(table: Table, seed: int = 0) -> Table:
    """Independent marginals."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: table[c].to_numpy()[rng.permutation(len(table))] for c in table}).astype(table.dtypes)


def bootstrap(table: Table, seed: int = 0) -> Table:
    """A synthesizer that has learnt its rows by heart."""
    return table.sample(len(table), replace=True, random_state=seed).reset_index(drop=True)


TRAIN, HOLDOUT, FRESH = draw(600, 0), draw(600, 1), draw(600, 2)

# Each of synthetic, train and holdout, with the value that is best.
SCORES: dict[str, tuple[Callable[[Table, Table, Table], float], float, tuple[float, float]]] = {
    "shape": (lambda s, t, h: shape_error(t, s).value, 0.0, (0, 1)),
    "pair": (lambda s, t, h: pair_error(t, s).value, 0.0, (0, 1)),
    "pair own bins": (lambda s, t, h: pair_error(t, s, bins="own").value, 0.0, (0, 1)),
    "detection": (lambda s, t, h: detection_auc(h, s), 0.5, (0, 1)),
    "tstr": (lambda s, t, h: tstr(s, h, "late"), 1.0, (0, 1)),
    "dcr": (lambda s, t, h: dcr_share(s, t, h), 0.5, (0, 1)),
    "mia": (lambda s, t, h: mia_auc(s, t, h), 0.5, (0, 1)),
    "copies": (lambda s, t, h: copy_rate(s, t), 0.0, (0, 1)),
}
EXACT = ("shape", "pair", "pair own bins", "dcr", "mia", "copies")  # no classifier, no subsample here


@pytest.fixture(scope="module")
def fresh_scores() -> dict[str, float]:
    return {name: score(FRESH, TRAIN, HOLDOUT) for name, (score, _, _) in SCORES.items()}


# -------------------------------------------------------------------- contracts
def test_identical_tables_score_best():
    for bins in ("real", "own"):
        assert pair_error(TRAIN, TRAIN, bins=bins).value == 0
    assert shape_error(TRAIN, TRAIN).value == 0 and set(shape_error(TRAIN, TRAIN).parts.values()) == {0.0}
    assert detection_auc(TRAIN, TRAIN) <= 0.5
    assert tstr(TRAIN, TRAIN, "late") > 0.99
    assert copy_rate(TRAIN, TRAIN) == 1 and copy_rate(FRESH, TRAIN) == 0


def test_a_fresh_sample_scores_nearly_best(fresh_scores):
    assert fresh_scores["shape"] < 0.06 and fresh_scores["pair"] < 0.06
    assert abs(fresh_scores["detection"] - 0.5) < 0.05
    assert abs(fresh_scores["dcr"] - 0.5) < 0.05 and abs(fresh_scores["mia"] - 0.5) < 0.05
    assert fresh_scores["copies"] == 0 and fresh_scores["tstr"] > 0.9


@pytest.mark.parametrize("name", SCORES)
def test_bounds(name, fresh_scores):
    score, _, (low, high) = SCORES[name]
    odd = TRAIN.assign(x=TRAIN["x"] * 1e6, g="other")
    for value in (fresh_scores[name], score(odd, TRAIN, HOLDOUT)):
        assert type(value) is float and low <= value <= high


@pytest.mark.parametrize("name", SCORES)
def test_row_order_does_not_matter(name, fresh_scores):
    score = SCORES[name][0]
    order = np.random.default_rng(5).permutation(600)
    got = score(FRESH.iloc[order], TRAIN.iloc[order[::-1]], HOLDOUT.iloc[order])
    # boosting adds up in another order, and its folds fall elsewhere
    assert got == pytest.approx(fresh_scores[name], abs=1e-12 if name in EXACT else 0.05)


@pytest.mark.parametrize("name", SCORES)
def test_same_seed_same_score_and_global_state_kept(name, fresh_scores):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    copies = [t.copy(deep=True) for t in (FRESH, TRAIN, HOLDOUT)]
    assert SCORES[name][0](FRESH, TRAIN, HOLDOUT) == fresh_scores[name]
    assert (before == np.random.get_state()[1]).all()  # noqa: NPY002
    for kept, table in zip(copies, (FRESH, TRAIN, HOLDOUT), strict=True):
        pd.testing.assert_frame_equal(kept, table)


def test_more_noise_is_worse():
    def noisy(scale: float) -> Table:
        noise = np.random.default_rng(3).normal(0, 1, len(FRESH))
        return FRESH.assign(x=FRESH["x"] + scale * noise)

    tables = [noisy(scale) for scale in (0, 1, 4)]
    for score in (
        lambda t: shape_error(HOLDOUT, t).parts["x"],
        lambda t: pair_error(HOLDOUT, t).parts["x", "y"],
        lambda t: pair_error(HOLDOUT, t).parts["x", "g"],
        lambda t: detection_auc(HOLDOUT, t),
        lambda t: -tstr(t, HOLDOUT, "x"),
    ):
        clean, some, much = (score(t) for t in tables)
        assert clean < some < much
    # noise on the training rows themselves takes the leak away
    near = [TRAIN.assign(x=TRAIN["x"] + s * np.random.default_rng(3).normal(size=600)) for s in (0, 0.05, 5)]
    for leak in (lambda t: dcr_share(t, TRAIN, HOLDOUT), lambda t: mia_auc(t, TRAIN, HOLDOUT)):
        copied, close, far = (leak(t) for t in near)
        assert copied > close > far
    assert copy_rate(near[0], TRAIN) == 1 and copy_rate(near[1], TRAIN) == 0


def test_a_shift_moves_only_the_columns_it_hit():
    moved = FRESH.assign(x=FRESH["x"] + 10)
    was, now = shape_error(TRAIN, FRESH).parts, shape_error(TRAIN, moved).parts
    assert now["x"] == 1.0 and {k: v for k, v in now.items() if k != "x"} == {k: v for k, v in was.items() if k != "x"}


def test_the_memoriser_fails_every_privacy_metric(fresh_scores):
    copy = bootstrap(TRAIN)
    assert dcr_share(copy, TRAIN, HOLDOUT) > 0.95
    assert mia_auc(copy, TRAIN, HOLDOUT) > 0.75
    assert copy_rate(copy, TRAIN) == 1
    # while fidelity and utility cannot tell
    assert shape_error(TRAIN, copy).value < 0.06 and tstr(copy, HOLDOUT, "late") > fresh_scores["tstr"] - 0.03


def test_independent_marginals_fail_pairs_utility_and_detection(fresh_scores):
    culprit = shuffled_columns(TRAIN)
    assert shape_error(TRAIN, culprit).value == 0
    assert pair_error(TRAIN, culprit).value > 5 * fresh_scores["pair"]
    assert tstr(culprit, HOLDOUT, "late") < 0.7
    assert detection_auc(HOLDOUT, culprit) > 0.9
    assert dcr_share(culprit, TRAIN, HOLDOUT) < 0.6 and copy_rate(culprit, TRAIN) == 0


# -------------------------------------------------------------------- against other computations
def test_shape_parts_are_ks_and_total_variation():
    parts = shape_error(TRAIN, FRESH).parts
    assert list(parts) == list(TRAIN.columns)
    for name in ("x", "y"):
        expected = ks_2samp(TRAIN[name].dropna(), FRESH[name].dropna()).statistic
        assert parts[name] == pytest.approx(expected, abs=1e-12)
    assert parts["day"] == pytest.approx(
        ks_2samp(TRAIN["day"].astype("int64"), FRESH["day"].astype("int64")).statistic, abs=1e-12
    )
    p, q = (t["g"].fillna("null").value_counts(normalize=True) for t in (TRAIN, FRESH))
    assert parts["g"] == pytest.approx(p.sub(q, fill_value=0).abs().sum() / 2, abs=1e-12)
    assert shape_error(TRAIN, FRESH).value == pytest.approx(np.mean(list(parts.values())))


def test_pair_parts_by_hand():
    a = pd.DataFrame({"x": [0.0, 1, 2, 3], "y": [0.0, 1, 2, 3], "c": list("aabb"), "d": list("uvuv")})
    b = pd.DataFrame({"x": [0.0, 1, 2, 9], "y": [3.0, 2, 1, -5], "c": list("abab"), "d": list("uvuv")})
    parts = pair_error(a, b).parts
    assert list(parts) == [("x", "y"), ("x", "c"), ("x", "d"), ("y", "c"), ("y", "d"), ("c", "d")]
    assert parts["x", "y"] == pytest.approx((1 - np.corrcoef(b["x"], b["y"])[0, 1]) / 2)
    # cells (a u, a v, b u, b v): 1/4 each against (1/2, 0, 0, 1/2)
    assert parts["c", "d"] == 0.5
    # x falls into the bins 0, 3, 6, 9; 9.0 lies outside and joins the last: only 1 and 2 change their category
    assert parts["x", "c"] == 0.5 and parts["x", "d"] == 0
    own = pair_error(a, b, bins="own").parts
    assert own["x", "d"] > 0 and own["x", "y"] == parts["x", "y"]


def gower(a: Table, b: Table, scale: Table) -> np.ndarray:
    """``(len(a), len(b))`` distances, cell by cell."""
    out = np.zeros((len(a), len(b)))
    for name in scale:
        column = scale[name].dropna()
        span = column.max() - column.min() if kinds_of(scale)[name] != "categorical" else None
        span = span if span else None
        for i, u in enumerate(a[name]):
            for j, v in enumerate(b[name]):
                if pd.isna(u) or pd.isna(v):
                    out[i, j] += pd.isna(u) != pd.isna(v)
                elif kinds_of(scale)[name] == "categorical":
                    out[i, j] += u != v
                else:
                    out[i, j] += abs((u - v) / span) if span is not None else abs(u - v)
    return out


def small(seed: int, rows: int = 25, levels: int = 3) -> Table:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "x": rng.integers(0, 6, rows).astype(float),
            "y": rng.normal(size=rows),
            "c": rng.choice([f"v{i}" for i in range(levels)], rows),
            "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, rows), "D"),
        }
    )
    for name in ("x", "c", "d"):
        table.loc[rng.random(rows) < 0.2, name] = None
    return table


@pytest.mark.parametrize("levels", [3, 60])  # one-hot codes, and plain codes
def test_privacy_distances_against_brute_force(levels):
    s, t, h = (small(seed, levels=levels) for seed in (0, 1, 2))
    to_train, to_holdout = (gower(s, base, t).min(axis=1) for base in (t, h))
    tie = np.abs(to_train - to_holdout) < 1e-6
    assert dcr_share(s, t, h) == pytest.approx(np.where(tie, 0.5, to_train < to_holdout).mean())
    distance = np.concatenate([gower(t, s, t).min(axis=1), gower(h, s, t).min(axis=1)])
    expected = roc_auc_score(np.repeat([1, 0], 25), -np.round(distance, 5))
    assert mia_auc(s, t, h) == pytest.approx(expected, abs=1e-3)


def test_copies_against_brute_force():
    s, t = small(0)[["x", "c"]], small(1)[["x", "c"]]
    there = set(t.fillna({"x": -1, "c": "null"}).itertuples(index=False, name=None))
    rows = list(s.fillna({"x": -1, "c": "null"}).itertuples(index=False, name=None))
    expected = np.mean([row in there for row in rows])
    assert 0 < expected < 1 and copy_rate(s, t) == pytest.approx(expected)


def test_a_larger_training_table_does_not_win_by_its_size():
    assert abs(dcr_share(FRESH, pd.concat([TRAIN, draw(2400, 7)]), HOLDOUT) - 0.5) < 0.05


@pytest.mark.sdmetrics
@pytest.mark.filterwarnings("ignore")
def test_agreement_with_sdmetrics():
    from synthkit.metrics.sdmetrics import metadata_of, quality_report

    # nulls apart, which SDMetrics drops; booleans as text, as its contingency tables sort them
    real, synthetic = (t.dropna().assign(late=t["late"].astype(str)) for t in (TRAIN, draw(700, 8)))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    report = quality_report(real, synthetic, metadata_of(kinds_of(real)))
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002
    own = shape_error(real, synthetic)
    assert 1 - own.value == pytest.approx(report.shape, abs=1e-9)
    for name, score in report.shapes.items():
        assert 1 - own.parts[name] == pytest.approx(score, abs=1e-9)
    pairs = pair_error(real, synthetic, bins="own")
    assert 1 - pairs.value == pytest.approx(report.trend, abs=1e-9)
    for pair, score in report.trends.items():
        assert 1 - pairs.parts[pair] == pytest.approx(score, abs=1e-9)


@pytest.mark.sdmetrics
def test_quality_report_names_a_missing_column():
    from synthkit.metrics.sdmetrics import metadata_of, quality_report

    with pytest.raises(SchemaError, match="'y'"):
        quality_report(TRAIN, TRAIN.drop(columns="y"), metadata_of({"y": "numeric"}))


# -------------------------------------------------------------------- odd tables
def test_nulls_count():
    table = pd.DataFrame({"x": [1.0, 2, 3, 4] * 50, "c": ["a", "b"] * 100})
    gone = table.assign(x=np.nan, c=None)
    assert shape_error(table, gone).parts == {"x": 1.0, "c": 1.0}
    assert shape_error(gone, gone).value == 0 and pair_error(gone, gone).value == 0
    half = table.assign(c=["a", None] * 100)
    assert shape_error(table, half).parts["c"] == 0.5
    assert copy_rate(gone, gone) == 1 and copy_rate(gone, table) == 0
    assert dcr_share(gone, gone, table) == 1 and mia_auc(gone, gone, table) == 1
    assert detection_auc(gone, gone) == 0.5 and detection_auc(table, gone) == 1
    assert tstr(gone.assign(c=table["c"]), table, "c") == 0.5


def test_a_value_that_only_the_test_rows_have():
    lone = TRAIN.assign(z=np.nan)
    lone.loc[0, "z"] = 1.0
    assert 0 <= detection_auc(lone, lone.assign(z=np.nan)) <= 1
    assert tstr(TRAIN.assign(z=np.nan), lone, "late") > 0.9


def test_constant_columns():
    constant = pd.DataFrame({"x": [1.0] * 20, "c": ["a"] * 20, "d": [pd.Timestamp(0)] * 20})
    for score in (shape_error, pair_error):
        assert score(constant, constant).value == 0
    assert detection_auc(constant, constant) == 0.5
    assert dcr_share(constant, constant, constant) == 0.5 and mia_auc(constant, constant, constant) == 0.5
    assert copy_rate(constant, constant) == 1
    collapsed = TRAIN.assign(x=0.0)
    assert pair_error(TRAIN, collapsed).parts["x", "y"] > 0.4, "a collapsed column gains nothing"
    assert tstr(TRAIN.assign(late=True), HOLDOUT, "late") == 0.5


def test_tables_of_one_row():
    one, other = TRAIN.dropna().head(1), FRESH.dropna().head(1)
    assert shape_error(one, one).value == 0 and pair_error(one, one).value == 0
    assert 0 < shape_error(one, other).value <= 1 and 0 <= pair_error(one, other).value <= 1
    assert dcr_share(one, one, other) == 1 and mia_auc(one, one, other) == 1
    assert copy_rate(one, one) == 1 and copy_rate(one, other) == 0
    with pytest.raises(SchemaError, match="5 rows"):
        detection_auc(one, TRAIN)
    assert tstr(one, HOLDOUT, "late") == 0.5
    with pytest.raises(SchemaError, match="one class"):
        tstr(TRAIN, one, "late")
    with pytest.raises(SchemaError, match="2 rows"):
        tstr(TRAIN, one, "x")


def test_one_column_has_no_pair():
    assert np.isnan(pair_error(TRAIN[["x"]], FRESH[["x"]]).value)


def test_levels_that_only_one_table_has():
    a = pd.DataFrame({"c": ["a"] * 30 + ["b"] * 30, "y": [0, 1] * 30})
    b = pd.DataFrame({"c": ["a"] * 30 + ["z"] * 30, "y": [0, 1] * 30})
    assert shape_error(a, b).parts["c"] == 0.5
    # three classes in training, two in the test: the absent one costs nothing, an unlearnt one scores 0.5
    assert tstr(pd.concat([a, b]), a, "c") == pytest.approx(tstr(a, a, "c"), abs=0.1)
    assert tstr(b.assign(y=b["c"] == "a"), a.assign(y=a["c"] == "a"), "c") == 0.75


def test_the_same_values_in_other_dtypes():
    plain = pd.DataFrame({"n": [1, 2, 3, 4] * 5, "c": ["a", "b"] * 10, "b": [True, False] * 10})
    other = plain.astype({"n": "Int64", "c": "category", "b": "boolean"})
    assert shape_error(plain, other).value == 0 and pair_error(other, plain).value == 0
    assert copy_rate(other, plain) == 1


def test_kinds():
    words = ["numeric", "numeric", "categorical", "categorical", "datetime"]
    assert kinds_of(TRAIN) == dict(zip(TRAIN.columns, words, strict=True))
    table = TRAIN.assign(key=[f"K{i:04d}" for i in range(600)], k=1, t=pd.Timedelta("1h"))
    kinds = kinds_of(Schema.infer(table))
    assert "key" not in kinds and kinds["k"] == "categorical" and kinds["x"] == "numeric"
    assert kinds_of(pd.DataFrame({"t": [pd.Timedelta("1h")]})) == {"t": "numeric"}
    only = shape_error(table, table.drop(columns="key"), kinds={"x": "numeric", "g": "categorical"})
    assert list(only.parts) == ["x", "g"]


# -------------------------------------------------------------------- errors
CALLS: dict[str, Callable[[Table, Table], object]] = {
    "shape_error": shape_error,
    "pair_error": pair_error,
    "detection_auc": detection_auc,
    "tstr": lambda a, b: tstr(a, b, "late"),
    "dcr_share": lambda a, b: dcr_share(a, b, TRAIN),
    "mia_auc": lambda a, b: mia_auc(a, TRAIN, b),
    "copy_rate": copy_rate,
}
BAD = {
    "lacks a column": (TRAIN, TRAIN.drop(columns="y"), "'y'"),
    "no rows": (TRAIN, TRAIN.head(0), "no rows"),
    "no rows first": (TRAIN.head(0), TRAIN, "no rows"),
    "no columns": (TRAIN[[]], TRAIN[[]], "no column"),
    "no table": (TRAIN, [1, 2], "DataFrame"),
    "text for a number": (TRAIN, TRAIN.assign(x="secret"), "'x'"),
    "text for a date": (TRAIN, TRAIN.assign(day="secret"), "'day'"),
    "infinite": (TRAIN, TRAIN.assign(x=np.inf), "'x'"),
    "lists": (TRAIN.assign(g=[["secret"]] * 600), TRAIN, "'g'"),
    "twice": (TRAIN.set_axis(["x", "x", "g", "late", "day"], axis=1), TRAIN, "duplicate"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", CALLS)
def test_bad_tables_are_refused_by_name(name, case):
    first, second, word = BAD[case]
    with pytest.raises(SchemaError, match=word) as error:
        CALLS[name](first, second)
    assert "secret" not in str(error.value)


def test_bad_arguments():
    with pytest.raises(SchemaError, match="'kinds'"):
        shape_error(TRAIN, TRAIN, kinds={"x": "number"})  # type: ignore[dict-item]
    with pytest.raises(ParamError, match="bins"):
        pair_error(TRAIN, TRAIN, bins="mine")  # type: ignore[arg-type]
    with pytest.raises(ParamError, match="nope"):
        tstr(TRAIN, TRAIN, "nope")
    with pytest.raises(ParamError, match="only column"):
        tstr(TRAIN[["x"]], TRAIN[["x"]], "x")
    with pytest.raises(SchemaError, match="'late'"):
        tstr(TRAIN.assign(late=None), TRAIN, "late")
