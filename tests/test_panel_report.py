"""Records over time in ``evaluate``, in the page and on the command line: a known law, and planted defects."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, evaluate
from synthkit.cli import main, read_table, write_table
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import METRICS, PANEL_METRICS, panels, score_panel
from synthkit.report import PROFILES, Report
from synthkit.report.html import render
from synthkit.report.panel import ROW_METRICS
from synthkit.report.panel_cases import PanelTables, independent
from synthkit.report.panel_moves import moves_picture
from synthkit.report.panel_pictures import gaps_picture, lengths_picture, moving_most, paths_picture
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.pictures import Bins
from synthkit.testing.metrics import untouched
from synthkit.testing.panels import STAY, draw_panel

KEYS = {"entity": "who", "time": "when"}
LIGHT = [n for n in PANEL_METRICS if n not in ("next_step", "label")] + ["shape", "pair", "coverage", "null_rates"]


@cache
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training, fresh, and holdout patients."""
    return draw_panel(250, 0), draw_panel(250, 1), draw_panel(250, 2)


@cache
def whole() -> Report:
    real, fresh, holdout = tables()
    return evaluate(real, fresh, holdout=holdout, target="died", level="quick", **KEYS)


def light(synthetic: pd.DataFrame, **options) -> Report:
    real, _, holdout = tables()
    options = {"holdout": holdout, "metrics": LIGHT, "level": "quick", **KEYS} | options
    return evaluate(real, synthetic, **options)


def shuffled(table: pd.DataFrame, columns: list[str], *, within: bool) -> pd.DataFrame:
    rng, out = np.random.default_rng(9), table.copy()
    keys = [rng.random(len(table))] + ([pd.factorize(table["who"])[0]] if within else [])
    out[columns] = table[columns].to_numpy()[np.lexsort(keys)]
    return out.astype(table.dtypes)


# -------------------------------------------------------------------- figures
def test_the_figures_are_those_of_score_panel():
    real, fresh, holdout = tables()
    with untouched(real, fresh, holdout):
        report = whole()
    names = [name for name in PANEL_METRICS if name not in ("next_step", "entity_inference")]
    options = {"target": "died", "metrics": names, "deals": 0, "quick": True, **KEYS}
    found = score_panel(real, fresh, holdout=holdout, **options).table.set_index("metric")
    for name, line in found.iterrows():
        score = report.scores[str(name)]
        figures = [score.value, score.matched, score.fresh]
        assert figures == pytest.approx(line[["value", "matched", "floor"]].tolist(), nan_ok=True), name
        assert score.of == "entities"
    assert {n for n, s in report.scores.items() if s.of == "rows"} <= set(ROW_METRICS)
    assert set(PANEL_WORDS) == set(PANEL_METRICS) and not set(PANEL_METRICS) & set(METRICS)


def test_references_say_what_bad_looks_like():
    scores = whole().scores
    for name in ("entity_detection", "transitions", "autocorrelation", "variance", "context_dependence", "next_step"):
        assert scores[name].independent > scores[name].matched + 0.1, name
    assert scores["entity_copies"].copy == 1 and scores["memorisation"].copy < 0.1
    assert scores["entity_membership"].copy > 0.8 > 0.6 > scores["entity_membership"].matched
    assert math.isnan(scores["lengths"].independent) and math.isnan(scores["values"].copy)


def test_single_rows_are_one_of_each_entity():
    report = whole()
    assert {name: len(table) for name, table in report.tables.items() if name in ("real", "synthetic", "holdout")} == (
        {"real": 250, "synthetic": 250, "holdout": 250}
    )
    assert not {"who", "when"} & set(report.kinds)


def test_independent_entities_keep_lengths_times_and_marginals():
    (panel,) = panels(tables()[0], **KEYS)
    other = independent(panel, 0)
    assert (other.lengths == panel.lengths).all() and (other.clock == panel.clock).all()
    assert np.array_equal(np.sort(other.coded.numbers, axis=0), np.sort(panel.coded.numbers, axis=0), equal_nan=True)
    own, was = other.coded.column("arm"), panel.coded.column("arm")
    assert (own[1:] == own[:-1])[other.owner[1:] == other.owner[:-1]].all() and (own != was).any()
    assert not np.array_equal(other.coded.column("x"), panel.coded.column("x"))


# -------------------------------------------------------------------- verdicts
@pytest.mark.parametrize("seed", [1, 11])
def test_fresh_entities_pass(seed):
    report = whole() if seed == 1 else light(draw_panel(250, seed), seed=seed)
    for profile in ("imputation", "augmentation", "test-data"):
        verdict = report.check(profile)
        assert verdict.passed, str(verdict)
    assert report.check("release").status != "fail"
    gates = set(PROFILES["release"].panel) - {"entity_inference"}  # no secret was named
    assert {r.score for r in report.check("release").results} == gates


DEFECTS = {
    "order": (lambda t: shuffled(t, ["x", "state"], within=True), "imputation", {"transitions", "entity_detection"}),
    "order, handed out": (lambda t: shuffled(t, ["x", "state"], within=True), "release", {"entity_detection"}),
    "rows, handed out": (
        lambda t: shuffled(t, ["x", "y", "state"], within=False),
        "release",
        {"transitions", "autocorrelation", "variance", "entity_detection"},
    ),
    "rows": (
        lambda t: shuffled(t, ["x", "y", "state"], within=False),
        "augmentation",
        {"variance", "entity_detection"},
    ),
    "broken chain": (
        lambda t: t.assign(state=np.random.default_rng(3).choice(["on", "off"], len(t))),
        "augmentation",
        {"transitions"},
    ),
    "short": (lambda t: t[t.groupby("who").cumcount() < 4], "augmentation", {"lengths"}),
    "context that varies": (lambda t: shuffled(t, ["arm"], within=False), "test-data", {"context_kept"}),
    "copies": (lambda t: tables()[0], "release", {"entity_copies", "memorisation", "entity_membership"}),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_fails_its_gate(name):
    plant, profile, gates = DEFECTS[name]
    verdict = light(plant(tables()[1]), metrics=sorted(gates)).check(profile)
    assert verdict.status == "fail"
    assert gates <= {r.score for r in verdict.results if r.status == "fail"}, str(verdict)


def test_without_a_holdout_nothing_is_said_of_fresh_entities():
    real, fresh, _ = tables()
    report = evaluate(real, fresh, metrics=["lengths", "variance", "memorisation"], **KEYS)
    assert set(report.scores) == {"lengths", "variance"} and math.isnan(report.scores["variance"].fresh)
    assert report.left_out["memorisation"] == "needs holdout" and report.check("augmentation").status == "cannot tell"
    assert "There is no holdout" in str(report)


def test_children_without_time_have_no_figures_of_order():
    real, fresh, holdout = (t.drop(columns="when") for t in tables())
    report = evaluate(real, fresh, holdout=holdout, entity="who", metrics=[*PANEL_METRICS], level="quick")
    ordered = {name for name, words in PANEL_WORDS.items() if words.ordered}
    assert not ordered & set(report.scores) and {"variance", "entity_detection", "lengths"} <= set(report.scores)
    assert {report.left_out[name] for name in ordered} == {"needs a time"}
    page = render(report)
    assert "Records per entity" in page and "What follows what" not in page


# -------------------------------------------------------------------- forms
def test_every_form_has_the_section():
    report = whole()
    assert "Records over time" in str(report) and "## Records over time" in report.to_markdown()
    frame = report.to_frame()
    assert (frame.loc["transitions", "of"], frame.loc["shape", "of"]) == ("entities", "rows")
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json() and str(again) == str(report)
    assert again.check("augmentation").status == report.check("augmentation").status
    assert "Records over time" in report._repr_html_() and 'id="overtime"' not in render(again)


def test_the_same_seed_gives_the_same_report():
    first, second = (light(tables()[1], metrics=["memorisation", "gaps", "shape"], seed=4) for _ in range(2))
    drop = "seconds"
    assert first.to_frame().drop(columns=drop).equals(second.to_frame().drop(columns=drop))
    shown = [re.sub(r'<section id="provenance".*?</section>', "", render(r), flags=re.S) for r in (first, second)]
    assert shown[0] == shown[1]


def test_the_page_draws_each_picture():
    page = render(whole())
    for title in ("Records per entity", "Times between records", "Paths", "What follows what", "How long it lasts"):
        assert title in page
    assert page.count("over time: bands of real and of synthetic entities") >= 2  # x and y
    assert "state: from a record" in page and "Autocorrelation of x by lag" in page
    for name in set(PANEL_METRICS) - {"entity_inference"}:  # no secret was named
        assert f'id="score-{name}"' in page


def test_the_page_shows_no_entity_and_no_single_real_value():
    real, fresh, holdout = tables()
    odd = real["who"] == real["who"].iloc[0]  # one patient is like no other
    real = real.assign(x=np.where(odd, 98_765.4, real["x"]), state=np.where(odd, "sideways", real["state"]))
    last = real["when"].where(~odd, real["when"] + pd.to_timedelta(real.groupby("who").cumcount() * 3_217, "D"))
    report = evaluate(real.assign(when=last), fresh, holdout=holdout, metrics=LIGHT, level="quick", **KEYS)
    for page in (render(report), report.to_json(), report.to_markdown(), str(report), report._repr_html_()):
        assert not re.search(r"p\d-\d+", page) and "sideways" not in page
        assert not re.search(r"(?<![\d.])(98,?765|98\.8k|3,?217)", page)


FIGURES = [("lengths", {}), ("gaps", {}), ("paths", {}), ("paths", {"column": "y"}), ("moves", {}), ("lags", {})]


@pytest.mark.parametrize(("name", "options"), FIGURES)
def test_single_figures_are_drawn(name, options, tmp_path):
    figure = whole().plot(name, **options)
    written = figure.save(tmp_path / "figure.svg").read_text()
    root = ET.fromstring(written)
    assert len(root) > 3 and root.attrib["aria-label"] and "var(" not in written


def test_single_figures_that_are_not_there_are_refused():
    with pytest.raises(ParamError, match="no such figure of 'arm'; those are of"):
        whole().plot("moves", column="arm")
    with pytest.raises(ParamError, match="records over time"):
        Report.from_json(whole().to_json()).plot("lags")


# -------------------------------------------------------------------- pictures
def pictured(real: pd.DataFrame, synthetic: pd.DataFrame, labels=None) -> PanelTables:
    made = panels(real, synthetic, **KEYS)
    return PanelTables(made[0], made[1], None, labels or {"state": ("off", "on")})


def test_bins_hold_five_real_entities_or_none():
    real = tables()[0]
    busy = pd.DataFrame({"who": "busy", "when": real["when"].min() + pd.to_timedelta(np.arange(200) * 400, "D")})
    busy = busy.assign(**{n: real[n].iloc[0] for n in ("x", "y", "state", "arm", "died")})
    drawn = pictured(pd.concat([real, busy]), tables()[1])
    gaps, owner = drawn.real.gaps, drawn.real.owner[drawn.real.position > 0]
    for picture, values, who in (
        (gaps_picture(drawn), gaps, owner),
        (lengths_picture(drawn), drawn.real.lengths, np.arange(len(drawn.real))),
    ):
        assert isinstance(picture, Bins) and picture.edges[-1] < 390  # 199 gaps of 400 days are one entity's
        for low, high in zip(picture.edges[:-1], picture.edges[1:], strict=True):
            there = len(np.unique(who[(values >= low) & (values < high)]))
            assert there == 0 or there >= 5


def test_bands_are_those_of_the_law_and_need_entities():
    drawn = pictured(draw_panel(2000, 3, spread=0.0), draw_panel(2000, 4, spread=0.0))
    picture = paths_picture(drawn, "x", 0)
    assert picture is not None and "x" in moving_most(drawn.real, 2)
    middle = picture.real.quantiles[3]
    assert middle[2] == pytest.approx(0.5, abs=0.2)  # arm raises half of the levels by 1
    assert (np.diff(middle) > 0).all() and len(picture.lines) == 5
    few = paths_picture(pictured(draw_panel(25, 3), draw_panel(25, 4)), "x", 0)
    assert few is None or np.isnan(few.real.quantiles[:, [0, 4]]).all()  # a tenth of 25 is not five


def test_moves_are_those_of_the_law_and_hide_the_few():
    real, fresh, _ = tables()
    picture = moves_picture(pictured(real, fresh), "state")
    assert picture is not None and set(picture.states) == {"on", "off"}
    assert picture.real == pytest.approx(np.array([[STAY, 1 - STAY], [1 - STAY, STAY]]), abs=0.05)
    odd = real["who"].isin(real["who"].unique()[:3])
    rare = real.assign(state=np.where(odd & (real.groupby("who").cumcount() == 1), "rare", real["state"]))
    picture = moves_picture(pictured(rare, fresh, {"state": ("off", "on", "rare")}), "state")
    assert picture is not None and "rare" not in picture.states
    other = picture.states.index("other")
    assert np.isnan(picture.real[other]).all() and np.isnan(picture.real[:, other]).all()
    assert (np.isnan(picture.real).sum(axis=1) != 1).all()  # the rest of a row does not tell


# -------------------------------------------------------------------- bad input
def test_bad_input_is_refused():
    real, fresh, holdout = tables()

    def bad(error, words, **options):
        with pytest.raises(error, match=words):
            light(**({"synthetic": fresh, "metrics": ["lengths"]} | options))

    mixed = pd.concat([holdout, real[real["who"] == real["who"].iloc[0]]])
    bad(SchemaError, "1 entities of column 'who' are in 'real' and in 'holdout'", holdout=mixed)
    bad(SchemaError, "'synthetic'.*no column 'who'", synthetic=fresh.drop(columns="who"))
    bad(SchemaError, "'holdout'.*'when' has nulls", holdout=holdout.assign(when=pd.NaT))
    bad(SchemaError, "fewer than two entities", synthetic=fresh[fresh["who"] == "p1-0"])
    bad(SchemaError, "'synthetic'.*no rows", synthetic=fresh[:0])
    bad(SchemaError, "'synthetic' lacks column 'x'", synthetic=fresh.drop(columns="x"))
    bad(SchemaError, "is no time", synthetic=fresh, time="state")
    bad(SchemaError, "context column 'x' varies", context=["x"])
    bad(ParamError, "'context' must be a list", context="x")
    bad(ParamError, "name one column", time="who")
    bad(ParamError, "'event' is of tables", event="died")
    bad(ParamError, "'domain' is of tables", domain="medical")
    bad(ParamError, "'nope' is no metric.*lengths", metrics=["nope"])
    bad(ParamError, "'target'.*'nope'", target="nope")
    with pytest.raises(ParamError, match="'context' needs 'entity'"):
        evaluate(real, fresh, context=["arm"])


def test_an_index_of_entity_and_time_and_a_declared_context():
    real, fresh, holdout = (t.set_index(["who", "when"]) for t in tables())
    report = evaluate(real, fresh, holdout=holdout, metrics=["lengths", "gaps"], context=["arm"], **KEYS)
    assert report.provenance["context"] == ["arm"]
    assert report.scores["gaps"].value == whole().scores["gaps"].value


def test_large_panels_are_cut_by_entity(monkeypatch):
    from synthkit.report import panel_cases

    monkeypatch.setitem(panel_cases.MAX_ROWS, "quick", 1000)
    report = light(tables()[1], metrics=["lengths", "copies"])
    assert report.panels is not None and 60 < len(report.panels.real) < 100 and report.panels.real.rows <= 1000
    assert "were drawn for this report" in str(report) and report.provenance["entities"]["real"] == 250


# -------------------------------------------------------------------- command line
def test_the_command_line_equals_the_api(tmp_path, capsys):
    for name, table in zip(("real", "synthetic", "holdout"), tables(), strict=True):
        write_table(table, tmp_path / f"{name}.csv")
    words = [str(tmp_path / f"{name}.csv") for name in ("real", "synthetic")] + ["--quiet", "--seed", "3"]
    words += ["--holdout", str(tmp_path / "holdout.csv"), "--entity", "who", "--time", "when", "--context", "arm"]
    metrics = ["lengths", "transitions", "variance", "shape"]
    code = main(["evaluate", *words, *(f"--metric={m}" for m in metrics), "--json", str(tmp_path / "r.json")])
    assert code == 0 and "Records over time" in capsys.readouterr().out
    real = read_table(tmp_path / "real.csv")
    schema = Schema.infer(real)
    synthetic, holdout = (read_table(tmp_path / f"{name}.csv", schema) for name in ("synthetic", "holdout"))
    options = {"schema": schema, "metrics": metrics, "seed": 3, "context": ["arm"], **KEYS}
    report = evaluate(real, synthetic, holdout=holdout, **options)
    got = Report.from_json((tmp_path / "r.json").read_text())
    assert got.to_frame().drop(columns="seconds").equals(report.to_frame().drop(columns="seconds"))
    assert main(["evaluate", *words[:2], "--quiet", "--context", "arm"]) == 2
    assert "'entity'" in capsys.readouterr().err
