"""``evaluate``: references, forms, seeds, limits, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

import synthkit
from synthkit import Schema, evaluate
from synthkit.errors import LoadError, ParamError, SchemaError, SynthkitWarning
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.registry import METRICS
from synthkit.report import Report, Step
from synthkit.report import cases as cases_module
from synthkit.report.cases import Cases
from synthkit.report.text import number, sentence
from synthkit.testing.metrics import draw, untouched

REAL, HOLDOUT, GOOD = draw(500, 0), draw(500, 1), draw(400, 2)
LIGHT = ("shape", "pair", "dcr", "copies")


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(REAL, GOOD, holdout=HOLDOUT, target="late", metrics=[*LIGHT, "tstr"], seed=3)


class Rows(Metric):
    """A metric of one's own: how many rows each table has."""

    name = "rows"
    label = "rows"
    group = "fidelity"
    goal = "higher"
    best = 1e9
    bounds = (0.0, 1e9)
    definition = "Rows."
    reading = "There are {value} rows"

    def measure(self, case: Case) -> Measurement:
        holdout = 0 if case.holdout is None else len(case.holdout)
        return Measurement(float(len(case.synthetic)), parts={"real": len(case.real), "holdout": holdout})


class PrivateRows(Rows):
    name = "private_rows"
    group = "privacy"


# -------------------------------------------------------------------- cases
def frames_of(cases: Cases, kind: str, group: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    case = cases.reference(kind, group)
    return case.synthetic.frame, case.real.frame, case.holdout.frame


def rows_in(a: pd.DataFrame, b: pd.DataFrame) -> int:
    there = set(b.astype(str).itertuples(index=False, name=None))
    return sum(row in there for row in a.astype(str).itertuples(index=False, name=None))


def test_what_stands_in_the_synthetic_tables_place():
    kinds = {"x": "numeric", "months": "numeric", "low": "numeric"}
    cases = Cases.of(REAL, {"s": GOOD}, HOLDOUT, kinds=kinds, level="quick", seed=0)
    assert cases.rows == 250
    real, good, held = (t[list(kinds)] for t in (REAL, GOOD, HOLDOUT))
    for kind, source in (("matched", good), ("fresh", held), ("copy", real)):
        judged, training, judge = frames_of(cases, kind, "fidelity")
        assert len(judged) == len(training) == len(judge) == 250
        assert rows_in(judged, source) == 250 and rows_in(judge, held) == 250 and rows_in(training, real) == 250
        assert rows_in(judged, judge) == 0, "no row judges itself"
    copied, training, _ = frames_of(cases, "copy", "privacy")
    assert rows_in(copied, training) == 250 and len(copied.drop_duplicates()) < 200
    independent, training, _ = frames_of(cases, "independent", "fidelity")
    for name in kinds:
        assert sorted(independent[name]) == sorted(training[name])
    assert rows_in(independent, training) < 5
    for kind in ("matched", "fresh", "independent"):  # attacks seek all training rows
        assert len(frames_of(cases, kind, "privacy")[1]) == 500
    assert set(cases.tables("s")) == {"real", "synthetic", "holdout", "judge", *cases_module.REFERENCES}


def test_references_are_of_equal_size_and_values_of_all_rows(report):
    found = evaluate(REAL, GOOD, holdout=HOLDOUT, metrics=[Rows, PrivateRows()])
    for name in ("rows", "private_rows"):
        score = found[name]
        assert score.value == 400 and score.parts == {"real": 500, "holdout": 500}
        assert score.matched == score.fresh == score.copy == score.independent == 250
    small = evaluate(REAL, GOOD.head(30), holdout=HOLDOUT, metrics=[Rows])["rows"]
    assert small.value == small.matched == small.fresh == 30
    assert report["copies"].copy == 1 and report["copies"].fresh == 0
    assert report["pair"].independent > report["pair"].fresh


def test_large_tables_are_subsampled_by_the_seed(monkeypatch):
    monkeypatch.setitem(cases_module.MAX_ROWS, "quick", 120)
    monkeypatch.setitem(cases_module.REFERENCE_ROWS, "quick", 50)
    one, same, other = (
        evaluate(REAL, GOOD, holdout=HOLDOUT, metrics=[Rows, "shape"], level="quick", seed=seed) for seed in (1, 1, 2)
    )
    assert one["rows"].value == 120 and one["rows"].fresh == 50
    assert one["shape"].value == same["shape"].value != other["shape"].value
    assert sum("120 were drawn" in note for note in one.notes) == 3
    assert one.provenance["rows"] == {"real": 500, "holdout": 500, "synthetic": 400}
    with untouched(REAL, GOOD):
        evaluate(REAL, GOOD, metrics=["shape"], level="quick")


def test_a_million_rows_are_cut_before_any_work():
    rows = 1_000_000
    rng = np.random.default_rng(0)
    big = pd.DataFrame({"x": rng.normal(size=rows), "g": rng.choice(["a", "b"], rows)})
    found = evaluate(big, big.iloc[::-1], holdout=big.head(300_000), metrics=[Rows, "shape"], level="quick")
    assert found["rows"].value == 50_000 and found["rows"].fresh == 2_000 and found["shape"].value < 0.02


# -------------------------------------------------------------------- contracts
def test_same_seed_same_report_and_nothing_is_touched(report):
    with untouched(REAL, GOOD, HOLDOUT):
        again = evaluate(REAL, GOOD, holdout=HOLDOUT, target="late", metrics=[*LIGHT, "tstr"], seed=3)
    for name, score in report.scores.items():
        other = again.scores[name]
        for figure in ("value", "matched", "fresh", "copy", "independent", "interval", "fresh_interval"):
            assert getattr(score, figure) == getattr(other, figure), (name, figure)


def test_the_index_and_column_order_do_not_matter(report):
    odd = GOOD.set_index(np.full(len(GOOD), 7))[list(GOOD)[::-1]]
    again = evaluate(REAL.set_index(REAL.index * 2), odd, holdout=HOLDOUT, target="late", metrics=LIGHT, seed=3)
    for name in LIGHT:
        assert again[name].value == pytest.approx(report[name].value, abs=1e-12)


def test_levels_domains_and_needs_choose_the_metrics():
    quick = evaluate(REAL.head(60), GOOD.head(60), level="quick")
    assert all(METRICS[name].level == "quick" and METRICS[name].domain is None for name in quick.scores)
    assert {*quick.scores, *quick.left_out} == {n for n, m in METRICS.items() if m.domain is None}
    assert "holdout" in quick.left_out["dcr"]
    with pytest.raises(ParamError, match="none can be computed .*needs holdout"):
        evaluate(REAL, GOOD, metrics=["dcr"])


def test_without_a_holdout_it_says_what_it_cannot_know():
    alone = evaluate(REAL, GOOD, metrics=[Rows, "shape", "copies", "dcr"])
    assert "There is no holdout" in alone.notes[0] and "cannot know" in alone.notes[0]
    for name in ("rows", "shape", "copies"):
        assert math.isnan(alone[name].fresh) and not math.isnan(alone[name].copy)
    assert "fresh" not in sentence(alone["shape"])
    assert not any(
        "There is no holdout" in note for note in evaluate(REAL, GOOD, holdout=HOLDOUT, metrics=[Rows]).notes
    )


def test_kinds_decide_which_columns_count():
    found = evaluate(REAL, GOOD, kinds={"x": "numeric", "low": "categorical"}, metrics=["shape"])
    assert list(found["shape"].parts) == ["x", "low"] and dict(found.kinds) == {"x": "numeric", "low": "categorical"}
    keyed = [t.assign(key=[f"K{i:05d}" for i in range(len(t))]) for t in (REAL, GOOD)]
    assert "key" not in evaluate(*keyed, metrics=["shape"]).kinds
    own = Schema.infer(REAL[["x", "g"]])
    assert set(evaluate(REAL, GOOD, schema=own, metrics=["shape"]).kinds) == {"x", "g"}


class Failing(Rows):
    name = "failing"

    def measure(self, case: Case) -> Measurement:
        raise SchemaError("this table is too odd")


class Endless(Rows):
    name = "endless"

    def measure(self, case: Case) -> Measurement:
        return Measurement(math.inf, (0.0, math.inf))


def test_a_metric_that_finds_nothing_takes_none_of_the_others_along():
    found = evaluate(REAL, GOOD, metrics=[Failing, Endless, Rows])
    assert math.isnan(found["failing"].value) and found["failing"].note == "this table is too odd"
    assert math.isnan(found["endless"].value) and found["endless"].interval is None
    assert found["rows"].value == 400
    assert "too odd" in str(found) and "too odd" in sentence(found["failing"])


# -------------------------------------------------------------------- long work
def test_progress_time_and_interruption(capsys):
    steps: list[Step] = []
    evaluate(REAL, GOOD, metrics=["shape", Rows], progress=steps.append)
    assert [(s.metric, s.done, s.planned) for s in steps] == [("shape", 1, 2), ("rows", 2, 2)]
    evaluate(REAL, GOOD, metrics=[Rows], progress=True)
    assert "metric" in capsys.readouterr().err
    with pytest.warns(SynthkitWarning, match="progress callback"):
        stopped = evaluate(REAL, GOOD, metrics=[Rows, "shape"], progress=lambda step: True)
    assert list(stopped.scores) == ["rows"] and "callback" in stopped.left_out["shape"]

    class Slow(Rows):
        name = "slow"

        def measure(self, case: Case) -> Measurement:
            raise KeyboardInterrupt

    with pytest.warns(SynthkitWarning, match="interrupted"):
        rest = evaluate(REAL, GOOD, metrics=[Rows, Slow, "shape"])
    assert list(rest.scores) == ["rows"] and set(rest.left_out) == {"slow", "shape"}
    with pytest.raises(KeyboardInterrupt):
        evaluate(REAL, GOOD, metrics=[Slow])
    with pytest.warns(SynthkitWarning, match="no time"):
        short = evaluate(REAL, GOOD, metrics=[Rows, "shape"], max_seconds=1e-9)
    assert len(short.scores) == 1, "one metric is always computed"


# -------------------------------------------------------------------- forms
def test_json_there_and_back(report, tmp_path):
    text = report.to_json(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(text)
    assert "NaN" not in text and "Infinity" not in text
    again = Report.from_json(text)
    assert again.to_json() == text and not again.tables
    assert again["pair"].parts == pytest.approx(dict(report["pair"].parts))
    assert again["tstr"].bounds == report["tstr"].bounds and again.kinds == report.kinds
    assert str(again) == str(report) and again.to_markdown() == report.to_markdown()
    for name in ("up", "2024-"):
        assert f'"{name}' not in text, "no value of the data is in the file"


def test_json_of_odd_names_and_missing_figures():
    names = {"x": ("a", 1), "g": 3, "low": None}
    tables = [t[["x", "g", "low"]].rename(columns=names) for t in (REAL, GOOD)]
    for table in tables:
        table.columns = pd.Index([("a", 1), 3, "low | high"], tupleize_cols=False)
    found = evaluate(*tables, metrics=["shape", "pair", "copies"])
    again = Report.from_json(found.to_json())
    assert list(again["pair"].parts) == [(("a", 1), 3), (("a", 1), "low | high"), (3, "low | high")]
    assert math.isnan(again["shape"].fresh) and again.to_json() == found.to_json()
    assert "a" in found.to_markdown()


@pytest.mark.parametrize("source", ["", "{}", "[1]", "null", '{"synthkit_report": 99}', '{"synthkit_report": 1}'])
def test_other_json_is_refused(source):
    with pytest.raises(LoadError, match="Report.from_json"):
        Report.from_json(source)


def test_a_frame_holds_every_score(report):
    frame = report.to_frame()
    assert list(frame.index) == list(report.scores) and frame.index.name == "score"
    for name, score in report.scores.items():
        assert frame.loc[name, "value"] == score.value and frame.loc[name, "fresh"] == score.fresh
        low = frame.loc[name, "value_low"]
        assert math.isnan(low) if score.interval is None else low == score.interval[0]
    assert (frame["seconds"] >= 0).all() and frame["sentence"].str.endswith(".").all()


def test_text_forms_name_every_score(report):
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        for score in report.scores.values():
            assert score.label in text and number(score.value) in text
        for title in ("Fidelity", "Utility", "Privacy"):
            assert title in text
        assert "anonym" not in text.lower()
        assert all(note[:40] in " ".join(text.split()) for note in report.notes)
    assert max(map(len, str(report).splitlines())) <= 120
    assert repr(report) == "<Report of 5 scores; print it>"


def test_a_sentence_says_the_numbers(report):
    said = sentence(report["copies"])
    assert said.startswith((report["copies"].reading or "Copies of training rows: {value}").format(value="0.000"))
    assert "fresh rows get 0.000" in said and "copied rows 1.000" in said and said.count(".") > 3
    score = report["shape"]
    assert "on as many rows" not in sentence(dataclasses.replace(score, matched=score.value))
    apart = sentence(dataclasses.replace(score, matched=score.value + 0.1))
    assert f"on as many rows as the references, synthetic rows get {number(score.value + 0.1)}" in apart


def test_a_score_is_found_by_name(report):
    assert report["shape"] is report.scores["shape"]
    with pytest.raises(ParamError, match="'nope'.*shape"):
        report["nope"]


# -------------------------------------------------------------------- bad input
OTHER = pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"]})
BAD = {
    "no shared columns": ({"synthetic": OTHER}, SchemaError, "'synthetic' and 'real' share no column"),
    "a column is missing": ({"synthetic": GOOD.drop(columns="g")}, SchemaError, "'synthetic' lacks column 'g'"),
    "the holdout lacks one": ({"holdout": HOLDOUT.drop(columns="g")}, SchemaError, "'holdout' lacks column 'g'"),
    "empty real": ({"real": REAL.head(0)}, SchemaError, "'real'.*no rows"),
    "empty synthetic": ({"synthetic": GOOD.head(0)}, SchemaError, "'synthetic'.*no rows"),
    "empty holdout": ({"holdout": HOLDOUT.head(0)}, SchemaError, "'holdout'.*no rows"),
    "no table": ({"synthetic": [1]}, SchemaError, "'synthetic'.*DataFrame"),
    "text for numbers": ({"synthetic": GOOD.assign(x="secret")}, SchemaError, "the table 'synthetic'.*column 'x'"),
    "infinite": ({"holdout": HOLDOUT.assign(x=np.inf)}, SchemaError, "the table 'holdout'.*column 'x'"),
    "several targets": ({"target": ["late"]}, ParamError, "'target': \\['late'\\] is no column"),
    "a number as secret": ({"secrets": 3}, ParamError, "'secrets': 3 is no column"),
    "nothing to compute": ({"metrics": []}, ParamError, "'metrics' is empty"),
    "kinds of other columns": ({"kinds": {"nope": "numeric"}}, SchemaError, "'real' lacks column 'nope'"),
    "wrong target": ({"target": "nope"}, ParamError, "'target': 'nope'.*'late'"),
    "one class": (
        {"real": REAL.assign(late="yes"), "target": "late"},
        SchemaError,
        "'late' has only one class.*'real'",
    ),
    "one class held out": (
        {"holdout": HOLDOUT.assign(late="yes"), "target": "late"},
        SchemaError,
        "'late' has only one class.*'holdout'",
    ),
    "wrong secret": ({"secrets": ["nope"]}, ParamError, "'secrets': 'nope'"),
    "wrong time": ({"time": "nope"}, ParamError, "'time': 'nope'"),
    "unknown metric": ({"metrics": ["shap"]}, ParamError, "'shap' is no metric.*shape.*copies"),
    "no metric": ({"metrics": [3]}, ParamError, "a int is no metric"),
    "level": ({"level": "slow"}, ParamError, "'level'"),
    "domain": ({"domain": "law"}, ParamError, "'domain'"),
    "seed": ({"seed": -1}, ParamError, "'seed'"),
    "schema": ({"schema": {}}, ParamError, "'schema'"),
    "progress": ({"progress": 3}, ParamError, "'progress'"),
    "max_seconds": ({"max_seconds": 0}, ParamError, "'max_seconds'"),
    "kinds": ({"kinds": {"x": "number"}}, SchemaError, "'kinds'"),
    "only keys": (
        {n: pd.DataFrame({"k": [f"K{i:05d}" for i in range(300)]}) for n in ("real", "synthetic", "holdout")},
        SchemaError,
        "no column can be judged",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_with_a_remedy(kind):
    changes, error, words = BAD[kind]
    arguments = {"real": REAL, "synthetic": GOOD, "holdout": HOLDOUT, "metrics": ["shape"]} | changes
    with pytest.raises(error, match=words) as caught:
        evaluate(arguments.pop("real"), arguments.pop("synthetic"), **arguments)
    assert "secret" not in str(caught.value).replace("'secrets'", "")


def test_the_public_face():
    assert synthkit.evaluate is evaluate and synthkit.Report is Report
