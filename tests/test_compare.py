"""``compare``: several tables side by side, ranked, in every form."""

from __future__ import annotations

import json

import pytest

import synthkit
from synthkit import compare, evaluate
from synthkit.errors import ParamError
from synthkit.metrics.registry import METRICS
from synthkit.report import Comparison, Report
from synthkit.testing.metrics import draw, junk

REAL, HOLDOUT, GOOD = draw(500, 0), draw(500, 1), draw(400, 2)
LIGHT = ("shape", "pair", "dcr", "copies")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    tables = {"bad": junk(REAL, 1).head(400), "good": GOOD}
    return compare(tables, REAL, HOLDOUT, target="late", metrics=LIGHT, seed=3)


def test_compare_ranks_the_tables(comparison):
    assert list(comparison.summary().index) == ["good", "bad"]
    ranks = comparison.ranks()
    assert ranks.loc["shape"].to_dict() == {"bad": 2, "good": 1} and ranks.loc["copies"].to_dict() == {
        "bad": 1.5,
        "good": 1.5,
    }
    assert comparison.summary()["fidelity"].to_dict() == {"good": 1, "bad": 2}


def test_compare_scores_as_evaluate_does(comparison):
    report = evaluate(REAL, GOOD, holdout=HOLDOUT, target="late", metrics=LIGHT, seed=3)
    for name in LIGHT:
        for figure in ("value", "matched", "fresh", "copy", "independent"):
            got, expected = (getattr(r[name], figure) for r in (comparison["good"], report))
            assert got == pytest.approx(expected, abs=0.01), (name, figure)
        one, other = (comparison[table].scores[name] for table in ("good", "bad"))
        assert (one.fresh, one.copy, one.independent) == (other.fresh, other.copy, other.independent)


def test_forms_of_a_comparison(comparison, tmp_path):
    frame = comparison.to_frame()
    assert list(frame.columns[4:]) == ["bad", "good", "fresh", "copy", "independent"]
    assert comparison.to_frame("value").loc["shape", "good"] == comparison["good"]["shape"].value
    value = json.loads(comparison.to_json(tmp_path / "c.json"))
    assert value["summary"][0]["table"] == "good" and set(value["reports"]) == {"good", "bad"}
    assert Report.from_json(json.dumps(value["reports"]["good"])).to_json() == comparison["good"].to_json()
    for text in (str(comparison), comparison.to_markdown(), comparison._repr_html_()):
        assert "good" in text and METRICS["shape"].label in text
    assert repr(comparison) == "<Comparison of bad, good; print it>"


def test_compare_without_a_holdout_ranks_by_the_best_value():
    got = compare({"a": GOOD, "b": junk(REAL, 1)}, REAL, metrics=["shape"])
    assert list(got.summary().index) == ["a", "b"]


@pytest.mark.parametrize("tables", [{}, [GOOD], {"real": GOOD}, {3: GOOD}])
def test_compare_refuses_odd_names(tables):
    with pytest.raises(ParamError, match="compare: argument 'synthetic'"):
        compare(tables, REAL)


def test_compare_knows_its_tables(comparison):
    with pytest.raises(ParamError, match="bad, good"):
        comparison["nope"]
    with pytest.raises(ParamError, match="figure"):
        comparison.to_frame("fresh")  # type: ignore[arg-type]


def test_the_public_face():
    assert synthkit.compare is compare
