"""Which conclusions survive in synthetic tables: combining rules, a normal linear regression, the planted culprit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.replicate import combine, interval_overlap, replicate

SLOPE = 0.5


def draw(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, rows))
    return pd.DataFrame({"x": x, "z": z, "y": 1 + SLOPE * x + rng.normal(size=rows)})


def regression(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Least squares of y on x and z."""
    x = np.column_stack([np.ones(len(table)), table["x"], table["z"]])
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ table["y"].to_numpy()
    spread = ((table["y"] - x @ beta) ** 2).sum() / (len(table) - 3)
    return {name: (beta[i], spread * inverse[i, i]) for i, name in enumerate(("constant", "x", "z"))}


class Fitted:
    """The right model with its parameters estimated once: what the simple rule is made for."""

    def __init__(self, table: pd.DataFrame) -> None:
        x = np.column_stack([np.ones(len(table)), table["x"], table["z"]])
        y = table["y"].to_numpy()
        self.beta = np.linalg.lstsq(x, y, rcond=None)[0]
        self.spread = np.std(y - x @ self.beta, ddof=3)
        self.mean, self.cov = x[:, 1:].mean(axis=0), np.cov(x[:, 1:].T)

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = rng.multivariate_normal(self.mean, self.cov, n)
        y = self.beta[0] + x @ self.beta[1:] + self.spread * rng.normal(size=n)
        return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "y": y})


def independent(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: table[c].to_numpy()[rng.permutation(len(table))] for c in table})


REAL = draw(300, 0)


# -------------------------------------------------------------------- known answers
def test_combining_rules_by_hand():
    q, v = [1.0, 2.0, 3.0], [0.2, 0.3, 0.4]  # mean 2, mean variance .3, between 1
    assert combine(q, v, rows=200, real_rows=100) == (2.0, pytest.approx(0.3 * (2 + 1 / 3)))
    assert combine(q, v, rows=200, real_rows=100, rule="proper")[1] == pytest.approx(0.3 * (2 + 3 / 3))
    assert combine(q, v, rows=200, real_rows=100, rule="partial")[1] == pytest.approx(0.3 + 1 / 3)
    assert combine(q, v, rows=200, real_rows=100, rule="full")[1] == pytest.approx(4 / 3 - 0.3)
    assert combine([1.0, 1.0], [1.0, 1.0], rows=1, real_rows=1, rule="full")[1] == 0, "never negative"


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ((0, 1), (0, 1), 1.0),
        ((0, 1), (2, 3), 0.0),
        ((0, 2), (1, 3), 0.5),
        ((0, 4), (1, 2), (1 / 4 + 1) / 2),
        ((0, 0), (0, 0), 1.0),
        ((0, 0), (1, 1), 0.0),
        ((0, 0), (-1, 1), 0.5),
    ],
)
def test_overlap_by_hand(a, b, overlap):
    assert interval_overlap(a, b) == pytest.approx(overlap)
    assert interval_overlap(b, a) == pytest.approx(overlap)


def test_intervals_of_a_right_model_cover_the_truth_as_often_as_they_say():
    hits, trials = 0, 0
    for seed in range(120):
        real = draw(200, 1_000 + seed)
        result = replicate(regression, real, Fitted(real), m=4, seed=seed)
        for name, truth in (("constant", 1.0), ("x", SLOPE), ("z", 0.0)):
            hits += result[name].low <= truth <= result[name].high
            trials += 1
    # 95 %, with a standard error of 1.1 points
    assert 0.915 <= hits / trials <= 0.98


def test_a_right_model_keeps_the_conclusions():
    result = replicate(regression, REAL, Fitted(REAL), m=100)
    x, z = result["x"], result["z"]
    assert result.survival == 1 and result.coverage == 1 and result.m == 100 and result.rows == 300
    assert x.survives and x.same_sign and x.same_significance and x.covered and x.distance < 1
    assert z.survives, "what was not significant in the real table is not in the synthetic ones"
    for c in (x, z):  # the right model agrees with the real table as its own bootstraps do
        assert abs(c.mean_overlap - c.floor_mean_overlap) < 0.12
        assert abs(c.coverage_rate - c.floor_coverage_rate) <= 0.25
    assert x.floor_sign_rate == 1 and x.floor_significance_rate == 1


def test_independent_marginals_lose_the_conclusion():
    tables = [independent(REAL, seed) for seed in range(20)]
    x = replicate(regression, REAL, tables)["x"]
    assert not x.survives and not x.same_significance and not x.covered
    assert x.overlap < 0.1 and x.mean_overlap < 0.1 < x.floor_mean_overlap
    assert x.coverage_rate == 0 and x.significance_rate < 0.3 and x.distance > 5
    assert "does not survive" in str(x)


def test_a_turned_sign_is_named():
    x = replicate(regression, REAL, [REAL.assign(x=-REAL["x"])] * 3)["x"]
    assert not x.survives and not x.same_sign and "its sign turns" in str(x)


def test_more_noise_agrees_less():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=len(REAL))
    overlaps = [
        replicate(regression, REAL, [REAL.assign(x=REAL["x"] + scale * noise)])["x"].overlap for scale in (0, 0.4, 2)
    ]
    assert overlaps[0] == pytest.approx((1 + 1 / np.sqrt(2)) / 2), "one copy: twice the variance, by the rule"
    assert overlaps[0] > overlaps[1] > overlaps[2]


# -------------------------------------------------------------------- the object and its behaviour
def test_the_frame_and_the_text():
    result = replicate(regression, REAL, Fitted(REAL), m=4)
    frame = result.to_frame()
    assert list(frame.index) == ["constant", "x", "z"] and frame["survives"].dtype == bool
    assert frame.loc["x", "real"] == regression(REAL)["x"][0] and frame.loc["x", "tables"] == 4
    text = str(result)
    assert "3 of 3 conclusions survive in 4 synthetic tables of 300 rows." in text
    assert len(text.splitlines()) == 4
    with pytest.raises(KeyError):
        result["w"]


def test_same_seed_same_result_and_nothing_is_touched():
    before, state = REAL.copy(), np.random.get_state()[1].copy()  # noqa: NPY002

    def adds_a_column(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
        table["new"] = 1.0
        return regression(table)

    first, second = (replicate(adds_a_column, REAL, Fitted(REAL), m=3, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame())
    other = replicate(regression, REAL, Fitted(REAL), m=3, seed=6)
    assert other["x"].synthetic != first["x"].synthetic
    pd.testing.assert_frame_equal(REAL, before)
    assert (state == np.random.get_state()[1]).all()  # noqa: NPY002


def test_other_sizes_and_confidence():
    small = replicate(regression, REAL, Fitted(REAL), m=5, rows=150)
    assert small.rows == 150
    wide = replicate(regression, REAL, Fitted(REAL), m=5, confidence=0.99)["x"]
    narrow = replicate(regression, REAL, Fitted(REAL), m=5, confidence=0.5)["x"]
    assert wide.high - wide.low > narrow.high - narrow.low
    assert wide.real_high - wide.real == pytest.approx(2.5758 * np.sqrt(regression(REAL)["x"][1]), rel=1e-3)


def test_an_analysis_that_fails_on_some_tables():
    def fussy(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
        if table["x"].isna().all():
            raise ZeroDivisionError
        found = regression(table)
        if len(table) < 300:
            del found["z"]
        return found | {"never known": (float("nan"), 1.0)}

    result = replicate(fussy, REAL, [REAL, REAL.assign(x=np.nan), REAL.head(200)])
    assert result.failed == 1 and "failed on 1" in str(result)
    assert result["x"].tables == 2 and result["z"].tables == 1
    assert result["z"].sign_rate == 0.5, "a table without the estimate agrees in nothing"
    assert [c.name for c in result.conclusions] == ["constant", "x", "z"]
    only_small = replicate(fussy, REAL, [REAL.head(200)])
    assert not only_small["z"].survives and "lost" in str(only_small["z"]) and only_small["z"].overlap == 0
    with pytest.raises(SchemaError, match="failed on all"):
        replicate(fussy, REAL, [REAL.assign(x=np.nan)] * 2)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"m": 0}, ParamError, "'m'"),
        ({"rows": 1.5}, ParamError, "'rows'"),
        ({"confidence": 1.0}, ParamError, "'confidence'"),
        ({"rule": "mine"}, ParamError, "'rule'"),
        ({"synthetic": []}, ParamError, "'synthetic'"),
        ({"synthetic": "tables"}, ParamError, "'synthetic'"),
        ({"synthetic": [REAL.head(0)]}, SchemaError, "no rows"),
        ({"synthetic": [1]}, SchemaError, "DataFrame"),
        ({"real": REAL.head(0)}, SchemaError, "no rows"),
        ({"real": [1]}, SchemaError, "DataFrame"),
        ({"analysis": lambda table: 3}, ParamError, "'analysis'"),
        ({"analysis": lambda table: {"x": 3}}, ParamError, "'analysis'"),
        ({"analysis": lambda table: {}}, ParamError, "no estimate"),
        ({"analysis": lambda table: {"x": (1.0, -1.0)}}, ParamError, "negative"),
    ],
)
def test_bad_arguments(change, error, word):
    arguments = {"analysis": regression, "real": REAL, "synthetic": [REAL]} | change
    with pytest.raises(error, match=word):
        replicate(**arguments)
    with pytest.raises(ParamError, match="2 tables"):
        combine([1.0], [1.0], rows=1, real_rows=1, rule="full")


def test_a_synthesizer_of_ours_fits_in():
    from synthkit import TabularSynthesizer

    real = REAL.head(120)
    synthesizer = TabularSynthesizer("copula").fit(real)
    result = replicate(regression, real, synthesizer, m=2)
    assert result.m == 2 and result.rows == 120 and result["x"].tables == 2
