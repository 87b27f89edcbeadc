"""``compare``: several tables side by side, ranked, in every form."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import synthkit
from synthkit import SequenceSynthesizer, compare, evaluate
from synthkit.errors import ParamError, SchemaError, SynthkitWarning
from synthkit.metrics import split_blocks
from synthkit.metrics.registry import METRICS
from synthkit.report import Comparison, Report
from synthkit.report.comparison_html import render_comparison
from synthkit.report.html import render
from synthkit.testing import draw_panel
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


# -------------------------------------------------------------------- records over time
KEYS = {"entity": "who", "time": "when"}
PANEL = ("lengths", "transitions", "variance", "entity_detection", "next_step", "memorisation", "shape")


@pytest.fixture(scope="module")
def panels() -> Comparison:
    real, fresh, holdout = (draw_panel(150, seed) for seed in range(3))
    moving = ["x", "state"]
    order = np.random.default_rng(0).permutation(len(fresh))
    rows = fresh.assign(**{name: fresh[name].to_numpy()[order] for name in moving})
    return compare({"rows": rows, "fresh": fresh}, real, holdout, metrics=PANEL, level="quick", seed=3, **KEYS)


def test_panels_are_ranked_before_shared_references(panels):
    assert list(panels.summary().index) == ["fresh", "rows"]
    assert (panels.ranks().loc[["transitions", "variance", "entity_detection"], "fresh"] == 1).all()
    for name in PANEL:
        one, other = (panels[table].scores[name] for table in ("fresh", "rows"))
        figures = [(s.fresh, s.fresh_interval, s.copy, s.independent) for s in (one, other)]
        assert repr(figures[0]) == repr(figures[1]), name  # repr: nan equals nan
    assert panels["rows"].check("augmentation").status == "fail"
    assert {r.status for r in panels["fresh"].check("augmentation").results if r.score in PANEL} == {"pass"}


def test_a_panel_scores_in_a_comparison_as_alone(panels):
    real, fresh, holdout = (draw_panel(150, seed) for seed in range(3))
    alone = evaluate(real, fresh, holdout=holdout, metrics=PANEL, level="quick", seed=3, **KEYS)
    for name, score in alone.scores.items():
        other = panels["fresh"].scores[name]
        if score.of == "entities":
            figures = [(s.value, s.matched, s.fresh, s.interval, s.copy, s.independent) for s in (score, other)]
            assert repr(figures[0]) == repr(figures[1]), name
    assert {k: v for k, v in alone.provenance.items() if "seconds" not in k} == {
        k: v for k, v in panels["fresh"].provenance.items() if "seconds" not in k
    }


def test_forms_of_a_comparison_of_panels(panels, tmp_path):
    page = panels.to_html(tmp_path / "c.html").read_text()
    for words in ("Over time", "Records per entity", "Paths of x", "Fresh entities", "fresh real entities"):
        assert words in page
    assert page.count("bands of real and of synthetic entities") >= 4  # x and y, of two tables
    marked = panels.to_markdown()
    assert "## Records over time" in marked and "## Single records, one of each entity" in marked
    value = json.loads(panels.to_json())
    assert Report.from_json(json.dumps(value["reports"]["rows"])).scores["lengths"].of == "entities"
    assert "records per entity" in str(panels) and "fresh" in panels._repr_html_()


def test_tables_of_other_lengths_share_the_fewest_entities():
    real, fresh, holdout = (draw_panel(n, seed) for seed, n in enumerate((120, 120, 120)))
    few = draw_panel(60, 5)
    got = compare({"all": fresh, "few": few}, real, holdout, metrics=["lengths", "gaps"], **KEYS)
    assert {r.provenance["reference_entities"] for r in got.reports.values()} == {60}
    assert got["all"].provenance["entities"]["synthetic"] == 120 and got["few"].scores["lengths"].value == (
        got["few"].scores["lengths"].matched
    )


def test_odd_panels_are_refused_by_name():
    real = draw_panel(30, 0)
    with pytest.raises(SchemaError, match="'synthetic b'.*no column 'who'"):
        compare({"a": real, "b": real.drop(columns="who")}, real, **KEYS)
    with pytest.raises(ParamError, match="'context' needs 'entity'"):
        compare({"a": real}, real, context=["arm"])


# -------------------------------------------------------------------- long series
SERIES = {"kind": "series", "time": "t", "level": "quick"}
LINES = ("acf", "cross", "tail_risk", "stylised_facts", "series_copies")


def prices(steps: int, seed: int) -> pd.DataFrame:
    """Two prices with a common factor, whose volatility clusters."""
    rng = np.random.default_rng(seed)
    h, moves = np.ones(3), np.empty((steps, 3))
    for t in range(steps):
        moves[t] = np.sqrt(h) * rng.standard_t(5, 3) / np.sqrt(5 / 3)
        h = 0.06 + 0.14 * moves[t] ** 2 + 0.8 * h
    out = 50 * np.exp(np.cumsum(0.01 * (moves[:, :1] + moves[:, 1:]), axis=0))
    return pd.DataFrame({"t": np.arange(steps), "a": out[:, 0], "b": out[:, 1]})


@pytest.fixture(scope="module")
def series() -> Comparison:
    whole, fresh = prices(2400, 0), prices(1600, 1)
    train, held = split_blocks(len(whole))
    real = whole.iloc[train]
    moves = np.diff(np.log(fresh[["a", "b"]].to_numpy()), axis=0)
    rng = np.random.default_rng(2)
    mixed = 50 * np.exp(np.cumsum(np.stack([rng.permutation(column) for column in moves.T], 1), axis=0))
    shuffled = fresh.iloc[1:].assign(a=mixed[:, 0], b=mixed[:, 1])
    copied = SequenceSynthesizer("bootstrap", time="t", random_state=0)
    with pytest.warns(SynthkitWarning, match="made of real values"):
        copied.fit(real)
    tables = {"shuffled": shuffled, "fresh": fresh, "copied": copied.sample(length=1600, seed=0)}
    return compare(tables, real, whole.iloc[held], metrics=LINES, seed=3, **SERIES)


def test_series_are_ranked_before_shared_references(series):
    assert series.ranks().loc[["acf", "cross"], "shuffled"].tolist() == [3, 3]
    assert series.summary().index[-1] == "shuffled"
    for name in LINES:
        figures = [
            repr((s.fresh, s.copy, s.independent)) for s in (series[t].scores[name] for t in ("shuffled", "fresh"))
        ]
        assert figures[0] == figures[1], name
    assert series.ranks().loc["series_copies", "copied"] == 3


def test_a_series_scores_in_a_comparison_as_alone(series):
    whole = prices(2400, 0)
    train, held = split_blocks(len(whole))
    alone = evaluate(whole.iloc[train], prices(1600, 1), holdout=whole.iloc[held], metrics=LINES, seed=3, **SERIES)
    for name, score in alone.scores.items():
        other = series["fresh"].scores[name]
        figures = [
            (s.value, s.matched, s.matched_interval, s.fresh, s.copy, s.independent, s.parts) for s in (score, other)
        ]
        assert repr(figures[0]) == repr(figures[1]), name


def test_copied_paths_are_flagged_in_every_form(series):
    assert series["copied"].provenance["copies_real_values"] == "yes, by its nature (bootstrap)"
    assert series["fresh"].provenance["copies_real_values"] == "no sign of it"
    assert str(series).endswith("made of real values: copied")
    (note,) = (n for n in series.notes if "copy the real series" in n)
    assert note.startswith("copied: ") and note in series.to_markdown()
    page = render_comparison(series)
    assert page.count("made of real values") == 1 and "copied: These paths copy the real series" in page
    assert "made of real values" in render(series["copied"]) and "made of real values" not in render(series["fresh"])


def test_forms_of_a_comparison_of_series(series, tmp_path):
    page = series.to_html(tmp_path / "c.html").read_text(encoding="utf-8")
    section = re.search(r'<section id="series".*?</section>', page, re.S).group(0)
    assert section.count("<h3 title") == 18 and "fresh: a" in section and "Stylised facts" in section
    for svg in re.findall(r"<svg.*?</svg>", section, re.S):
        ET.fromstring(svg)
    value = json.loads(series.to_json())
    assert Report.from_json(json.dumps(value["reports"]["copied"])).to_json() == series["copied"].to_json()
    assert "shuffled" in series._repr_html_()
    with pytest.raises(ParamError, match="no gates of series"):
        series.to_html(tmp_path / "d.html", profiles="release")


def test_series_without_a_holdout_are_ranked_by_the_best_value():
    real, tables = prices(900, 0), {"long": prices(900, 1), "short": prices(500, 2)}
    got = compare(tables, real, metrics=["acf", "cross"], **SERIES)
    one, other = (got[name].scores["acf"] for name in tables)
    assert one.copy == other.copy and np.isnan(one.fresh) and one.independent == other.independent
    with pytest.raises(SchemaError, match="'b'"):
        compare({"long": real.drop(columns="b")}, real, **SERIES)
    with pytest.raises(ParamError, match="'target'"):
        compare(tables, real, target="a", **SERIES)


def test_the_public_face():
    assert synthkit.compare is compare
