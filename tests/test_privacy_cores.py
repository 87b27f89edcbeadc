"""What the privacy metrics are made of, against other computations and known laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, poisson
from sklearn.metrics import roc_auc_score

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.attacks import ATTACKS, Scores, Targets, membership_attacks, mia_likelihood, strongest
from synthkit.metrics.base import Case
from synthkit.metrics.catalogue_privacy import PRIVACY_METRICS
from synthkit.metrics.copies import copy_rate, near_copy_rate, row_hashes
from synthkit.metrics.disclosure import attribute_inference, linkability
from synthkit.metrics.neighbours import distances, isolated, nearest, place
from synthkit.metrics.predicates import _of_table, singling_out
from synthkit.metrics.privacy import dcr_share, nndr_share
from synthkit.metrics.rates import (
    Attempts,
    Risk,
    auc_with_variance,
    detectable_auc,
    detectable_rate,
    rate_interval,
    worst_of,
)
from synthkit.metrics.tables import Coded, code_tables
from tests.test_privacy import bootstrap, draw

METRICS = {m.name: m() for m in PRIVACY_METRICS}


# -------------------------------------------------------------------- neighbours
@pytest.mark.parametrize("rows", [1, 3, 70, 2500])  # fewer than k, one block, several blocks
def test_nearest_against_sorting_all_distances(rows):
    a, b = code_tables(draw(90, 0), draw(rows, 1))
    points, base = place(a, (a, b))
    everything = distances(points, base).numpy()
    order = np.argsort(everything, axis=1, kind="stable")[:, :4]
    windows = [slice(0, rows // 2), slice(rows // 3, rows)]
    whole, *parts = nearest(points, base, 4, windows)
    got = np.take_along_axis(everything, np.maximum(whole.index, 0), 1)
    expected = np.take_along_axis(everything, order, 1)
    k = min(4, rows)
    np.testing.assert_allclose(whole.distance[:, :k], expected[:, :k], atol=1e-5)
    np.testing.assert_allclose(got[:, :k], whole.distance[:, :k], atol=1e-5)
    assert np.isinf(whole.distance[:, k:]).all() and (whole.index[:, k:] == -1).all()
    for window, part in zip(windows, parts, strict=True):
        inside = everything[:, window]
        if inside.shape[1]:
            np.testing.assert_allclose(part.distance[:, 0], inside.min(1), atol=1e-5)
            assert ((part.index[:, 0] >= window.start) & (part.index[:, 0] < window.stop)).all()
        else:
            assert np.isinf(part.distance).all()


def test_one_scaling_for_all_tables():
    """A synthetic outlier must not shrink the distances of the real rows."""
    train, holdout = draw(200, 0), draw(200, 1)
    synthetic = bootstrap(train)
    odd = pd.concat([synthetic, synthetic.head(1).assign(x=1e6)], ignore_index=True)
    assert dcr_share(odd, train, holdout) == pytest.approx(dcr_share(synthetic, train, holdout), abs=0.02)


def test_isolated_rows():
    assert isolated(np.arange(100, dtype=np.float32)).nonzero()[0].tolist() == list(range(90, 100))
    assert not isolated(np.zeros(100, np.float32)).any(), "nobody stands out where all tie"
    assert isolated(np.array([0] * 95 + [1] * 5, np.float32)).sum() == 5
    assert not isolated(np.array([0] * 50 + [1] * 50, np.float32)).any()
    assert isolated(np.zeros(0, np.float32)).shape == (0,)


# -------------------------------------------------------------------- copies
def test_hashes_agree_exactly_where_rows_do():
    a, b = code_tables(draw(300, 0).round({"x": 0, "y": 0, "z": 0}), draw(300, 1).round({"x": 0, "y": 0, "z": 0}))
    for columns in (["day"], ["day", "c"], ["day", "x", "c"]):
        for name in columns:
            a, b = a.without(name), b.without(name)
        (p, _), (q, _) = row_hashes(a, b)
        keys = [_row_texts(x) for x in (a, b)]
        assert (np.isin(p, q) == np.isin(*keys)).all() and np.isin(p, q).any()
        assert len(np.unique(p)) == len(np.unique(keys[0]))


def _row_texts(table: Coded) -> list[str]:
    """Rows in words: the same exactly where all cells are."""
    cells = np.concatenate([table.numbers, table.codes.astype(float)], axis=1) + 0.0
    return [" ".join(map(repr, row)) for row in cells.tolist()]


def test_minus_zero_is_zero_and_columns_do_not_mix():
    table = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 0.0]})
    assert copy_rate(pd.DataFrame({"x": [-0.0], "y": [1.0]}), table) == 1
    assert copy_rate(pd.DataFrame({"x": [1.0], "y": [1.0]}), table) == 0
    assert copy_rate(pd.DataFrame({"y": [0.0], "x": [0.0]}), table) == 0


def test_near_copies_by_hand():
    train = pd.DataFrame({"x": np.arange(0, 101.0)})  # range 100: a distance is a hundredth of the difference
    holdout = pd.DataFrame({"x": np.arange(100) + np.linspace(0.2, 0.4, 100)})
    synthetic = pd.DataFrame({"x": [3.0, 3.1, 3.19, 3.5, 77.5]})
    assert near_copy_rate(synthetic, train, holdout) == 0.6
    assert near_copy_rate(holdout, train, holdout) == 0.01


def test_equal_in_all_columns_but_one():
    train = draw(60, 0).dropna().reset_index(drop=True)
    synthetic = train.assign(x=1000.0 + np.arange(len(train)))
    found = METRICS["near_copies"].measure(Case.of(train, synthetic, draw(60, 1).dropna(), level="quick"))
    assert found.parts["synthetic rows equal in all columns but one"] == 1
    assert found.parts["holdout rows equal in all columns but one"] == 0
    assert METRICS["copies"].measure(Case.of(train, synthetic, draw(60, 1), level="quick")).value == 0


def test_copies_show_what_chance_gives():
    train, holdout = pd.DataFrame({"x": [0.0, 1, 2, 3] * 10}), pd.DataFrame({"x": [0.0, 9] * 20})
    parts = METRICS["copies"].measure(Case.of(train, pd.DataFrame({"x": [1.0, 9, 9, 9] * 10}), holdout)).parts
    assert parts == {
        "synthetic rows that repeat a training row": 0.25,
        "training rows that reappear": 0.25,
        "holdout rows that repeat a training row": 0.5,
        "holdout rows that reappear": 0.5,
    }


def test_nndr_by_hand():
    train = pd.DataFrame({"x": [0.0, 10.0, 100.0]})
    holdout = pd.DataFrame({"x": [4.0, 6.0, 100.0]})
    # 1.0 is 1 and 9 from the training rows, 3 and 5 from the others: 1/9 < 3/5; 5.0 is as far from both: 5/5 = 1/1
    assert nndr_share(pd.DataFrame({"x": [1.0]}), train, holdout) == 1
    assert nndr_share(pd.DataFrame({"x": [5.0]}), train, holdout) == 0.5
    repeated = pd.DataFrame({"x": [0.0, 0.0, 50.0]})
    assert nndr_share(repeated, repeated, repeated) == 0.5, "a value that many have singles nobody out"
    with pytest.raises(SchemaError, match="2 rows"):
        nndr_share(train, train.head(1), holdout)


# -------------------------------------------------------------------- membership
def test_auc_and_delong():
    rng = np.random.default_rng(0)
    m, c = np.round(rng.normal(0.5, 1, 150), 1), np.round(rng.normal(0, 1, 220), 1)
    auc, variance = auc_with_variance(m, c)
    assert auc == pytest.approx(roc_auc_score(np.repeat([1, 0], [150, 220]), np.concatenate([m, c])), abs=1e-12)
    draws = [auc_with_variance(rng.normal(0.5, 1, 150), rng.normal(0, 1, 220))[0] for _ in range(400)]
    assert variance == pytest.approx(np.var(draws), rel=0.3)


def test_the_detectable_auc_is_detected_in_four_of_five_runs():
    rng = np.random.default_rng(0)
    m = 100
    shift = np.sqrt(2) * norm.ppf(detectable_auc(m, m))  # normal laws so far apart have that AUC
    error = np.sqrt((2 * m + 1) / (12 * m * m))
    hits = [
        auc_with_variance(rng.normal(shift, 1, m), rng.normal(0, 1, m))[0] > 0.5 + 1.645 * error for _ in range(600)
    ]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.05)


def test_tpr_of_a_known_law():
    """Members beyond the 99 % quantile of the controls: 30 % plus chance."""
    rng = np.random.default_rng(0)
    members = np.concatenate([rng.normal(9, 1, 1500), rng.normal(0, 1, 3500)])
    found = mia_likelihood(members, rng.normal(0, 1, 5000))
    assert found.tpr == pytest.approx(0.3 + 0.7 * 0.01, abs=0.01)
    assert found.tpr_interval[0] < 0.307 < found.tpr_interval[1]
    assert found.auc == pytest.approx(0.3 + 0.7 * 0.5, abs=0.02) and found.members == 5000
    assert np.isnan(mia_likelihood(members, np.zeros(99)).tpr), "1 % of 99 controls is none"


def test_likelihood_rejects_what_is_no_list_of_numbers():
    for bad in ([], [[1.0]], [np.nan]):
        with pytest.raises(ParamError, match="'controls'"):
            mia_likelihood([1.0], bad)


@pytest.mark.parametrize("rows", [45, 100, 1000])
def test_no_reference_row_is_a_control_of_its_fold(rows):
    """Nor a member, nor twice the same row; members and controls are equally many."""
    tables = [pd.DataFrame({"id": np.arange(rows) + start}) for start in (0, 10_000, 20_000)]
    s, t, h = code_tables(*tables)
    targets = Targets.of(s, t, h, seed=0, rows=400)
    assert len(targets.members) == len(targets.controls) == min(rows, 400)
    seen = [targets.controls.numbers[c, 0] for _, c in targets.folds]
    assert sorted(np.concatenate(seen)) == sorted(targets.controls.numbers[:, 0])
    for controls, reference in zip(seen, targets.references, strict=True):
        other = set(reference.numbers[:, 0])
        assert not other & set(controls) and len(other) == len(reference) == rows - len(controls)
        assert min(other) >= 20_000


def test_the_strongest_of_many_useless_attacks_is_useless():
    """The plain maximum would be above 0.5 nearly always."""
    rng = np.random.default_rng(0)
    (table,) = code_tables(pd.DataFrame({"x": rng.normal(size=200)}))
    targets = Targets.of(table, table, table, seed=0, rows=200)
    aucs = []
    for _ in range(100):
        scores = {str(i): Scores(rng.normal(size=200), rng.normal(size=200)) for i in range(8)}
        aucs.append(strongest(scores, targets, None)[0].auc)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.01)


def test_attacks_as_a_function():
    train, holdout = draw(300, 0), draw(300, 1)
    found = membership_attacks(bootstrap(train), train, holdout)
    assert list(found) == [*ATTACKS, "strongest"]
    for attack in found.values():
        assert attack.interval[0] > 0.65 and attack.tpr_interval[0] <= attack.tpr <= attack.tpr_interval[1]
    assert found["strongest"].auc > 0.75
    with pytest.raises(ParamError, match="'attacks'"):
        membership_attacks(train, train, holdout, attacks=("none",))
    with pytest.raises(SchemaError, match="20"):
        membership_attacks(train, train.head(5), holdout)


# -------------------------------------------------------------------- disclosure
def test_risk_interval_and_power():
    assert Risk(0.6, 0.2, 100, 100).value == pytest.approx(0.5)
    assert np.isnan(Risk(1.0, 1.0, 10, 10).value)
    low, high = Risk(0.6, 0.2, 10_000, 10_000).interval()
    assert low < 0.5 < high and high - low < 0.05
    assert Risk(0.3, 0.3, 50, 50, naive=0.3).weak and not Risk(0.6, 0.3, 50, 50, naive=0.3).weak
    rng = np.random.default_rng(0)
    excess = detectable_rate(0.2, 300, 300)
    a, b = rng.binomial(300, 0.2 + excess, 4000) / 300, rng.binomial(300, 0.2, 4000) / 300
    both = (a + b) / 2
    assert np.mean((a - b) / np.sqrt(both * (1 - both) * 2 / 300) > 1.645) == pytest.approx(0.8, abs=0.03)


def test_rate_interval_has_wilsons_width_at_least():
    assert rate_interval(0.5, 0.0, 100)[0] == pytest.approx(0.4038, abs=1e-3)
    wide = rate_interval(0.5, 0.01, 100)
    assert wide == (pytest.approx(0.304, abs=1e-3), pytest.approx(0.696, abs=1e-3))
    assert rate_interval(1.0, 0.0, 10)[1] == 1 and rate_interval(0.0, 0.0, 10)[0] == 0


def test_the_worst_of_many_harmless_risks_is_harmless():
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        attacks = {i: Attempts(*rng.binomial(1, 0.4, (2, 300)).astype(float), 0.4) for i in range(6)}
        values.append(worst_of(attacks)[0].value)
    assert np.mean(values) == pytest.approx(0.0, abs=0.015)


def test_linkability_by_hand():
    """Half a finds the first row, half b the first or the second, as they tie: one in two."""
    numbers = np.arange(40.0)
    s = pd.DataFrame({"a": numbers, "b": numbers // 2})
    risk = linkability(s, s, s + 1000, halves=(["a"], ["b"]), rows=40)
    assert risk.train == 0.5 and risk.naive == 1 / 40
    # beyond the last row all are linked to it, or to it and its twin
    assert risk.control == 0.5
    doubled = pd.concat([s, s, s], ignore_index=True)
    assert linkability(doubled, s, s, halves=(["a"], ["b"])).train == 0.5, "repeated rows count as one"
    with pytest.raises(ParamError, match="'halves'"):
        linkability(s, s, s, halves=(["a"], ["z"]))
    with pytest.raises(SchemaError, match="2 columns"):
        linkability(s[["a"]], s[["a"]], s[["a"]])


def test_attribute_inference_by_hand():
    rng = np.random.default_rng(0)
    train, holdout = (pd.DataFrame({"k": np.arange(100.0) + o, "v": rng.normal(size=100)}) for o in (0, 0.4))
    found = attribute_inference(train, train, holdout, ["v"])
    span = np.subtract(*np.quantile(train["v"], [0.95, 0.05]))
    right = (train["v"] - holdout["v"]).abs() <= 0.05 * span  # the nearest row is that of the same number
    assert found["v", "neighbour"].train == 1
    assert found["v", "neighbour"].control == pytest.approx(right.mean())
    assert found["v", "model"].train > 0.95


def test_guesses_of_numbers_know_no_sign():
    """A tolerance relative to a negative guess would count every guess as right."""
    rng = np.random.default_rng(0)
    train, holdout = (pd.DataFrame({"k": rng.normal(size=200), "v": rng.normal(-50, 1, 200)}) for _ in range(2))
    for risk in attribute_inference(train, train, holdout, ["v"]).values():
        assert risk.control < 0.25


def test_secrets_that_are_null_are_not_guessed():
    table = draw(200, 0)
    assert attribute_inference(table, table.assign(g=None), table, ["g"]) == {}
    assert attribute_inference(table.assign(g=None), table, table, ["g"]) == {}
    found = attribute_inference(table, table, draw(200, 1), ["g"])
    assert found["g", "neighbour"].n_train <= table["g"].notna().sum()
    with pytest.raises(ParamError, match="'nope'"):
        attribute_inference(table, table, table, ["nope"])


def test_the_rate_of_a_larger_table_from_a_smaller():
    """The estimate is unbiased: of a count with mean 0.3, that of twice the rows is 1 with the Poisson probability."""
    counts = np.arange(5)
    for times in (1.0, 1.5, 2.0):
        expected = poisson.pmf(1, 0.3 * times)
        assert (poisson.pmf(counts, 0.3) * _of_table(counts, times)).sum() == pytest.approx(expected, abs=1e-3)


def test_singling_out_by_hand():
    """Every training value is unique and known; the holdout's are others."""
    train, holdout = pd.DataFrame({"v": np.arange(50.0)}), pd.DataFrame({"v": np.arange(50.0) + 0.5})
    risk = singling_out(train, train, holdout)["univariate"]
    # 50 values, and two predicates beyond the ends: one holdout row lies above all
    assert risk.train == pytest.approx(50 / 52) and risk.control == pytest.approx(1 / 52)
    with pytest.raises(SchemaError, match="20 rows"):
        singling_out(train.head(3), train, holdout)


# -------------------------------------------------------------------- intervals
@pytest.mark.parametrize("kind", ["fresh", "leaking"])
def test_intervals_cover_the_expectation(kind):
    """95 % nominal, over tables drawn anew; 40 runs."""
    names = ["copies", "near_copies", "dcr", "nndr", "mia_distance", "mia_density", "mia_local", "linkability"]
    names += ["singling_out", "attribute_inference"]
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for seed in range(40):
        train, holdout, synthetic = (draw(200, 3 * seed + i) for i in range(3))
        if kind == "leaking":
            synthetic = pd.concat([bootstrap(train, seed).head(60), synthetic.head(140)], ignore_index=True)
        case = Case.of(train, synthetic, holdout, level="quick", seed=seed, secrets=("g", "c"))
        for name in names:
            m = METRICS[name].measure(case)
            found[name].append((m.value, *m.interval))
    for name, rows in found.items():
        values, low, high = np.array(rows).T
        covered = np.mean((low <= values.mean() + 1e-12) & (values.mean() - 1e-12 <= high))
        assert covered >= 0.85, name  # binomial(40, 0.95) is lower once in a hundred
        if kind == "fresh" and (METRICS[name].best == 0.5 or name == "linkability"):
            assert values.mean() == pytest.approx(METRICS[name].best, abs=0.015), name


def test_intervals_of_shares_among_many_training_rows_are_not_wider_than_they_must_be():
    """Several training subsets share one holdout, and many synthetic rows one real row."""
    found: dict[str, list[tuple[float, ...]]] = {"dcr": [], "nndr": []}
    for seed in range(40):
        train, holdout, synthetic = (draw(rows, 3 * seed + i) for i, rows in enumerate((500, 150, 500)))
        case = Case.of(train, synthetic, holdout, level="quick", seed=seed)
        for name, rows in found.items():
            m = METRICS[name].measure(case)
            rows.append((m.value, *m.interval))
    for name, rows in found.items():
        values, low, high = np.array(rows).T
        assert np.mean((low <= 0.5) & (high >= 0.5)) >= 0.85, name
        assert 3 < np.mean(high - low) / values.std() < 5.5, name  # 3.9 is right


def test_whether_a_secret_is_filled_is_a_secret():
    """Who has a diagnosis at all: the rows of those who have one are repeated, with any diagnosis."""
    rng = np.random.default_rng(0)

    def rows(n):
        table = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
        ill = rng.random(n) < 0.15
        return table.assign(diagnosis=np.where(ill, rng.choice(["p", "q"], n), None).astype(object))

    train, holdout, fresh = rows(1000), rows(300), rows(1000)
    ill = train[train["diagnosis"].notna()]
    leaky = pd.concat([fresh, ill.assign(diagnosis=rng.permutation(ill["diagnosis"]))], ignore_index=True)
    found = {name: attribute_inference(s, train, holdout, ["diagnosis"]) for name, s in (("f", fresh), ("l", leaky))}
    assert set(found["f"]) == {("diagnosis", who) for who in ("neighbour", "model")} | {
        ("diagnosis", f"{who}, empty or not") for who in ("neighbour", "model")
    }
    key = ("diagnosis", "neighbour, empty or not")
    assert found["f"][key].clear < 2.5 and found["l"][key].clear > 2.5
    assert found["l"]["diagnosis", "neighbour"].clear < 2.5
