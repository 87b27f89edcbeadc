"""The HTML report and its figures: what they hold, what they never show, and that they need nothing from outside."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from synthkit.errors import ParamError
from synthkit.metrics.base import Score
from synthkit.report import compare, evaluate
from synthkit.report.comparison_html import render_comparison
from synthkit.report.drawn import MAX_COLUMNS
from synthkit.report.figures import MAX_HEAT
from synthkit.report.gates import PROFILES
from synthkit.report.html import render
from synthkit.report.plots import FIGURES, plot
from synthkit.report.reading import standing, summary
from synthkit.report.report import Report
from synthkit.report.svg import esc
from synthkit.report.text import number
from synthkit.testing import tiny_table

LIGHT_METRICS = ["shape", "pair", "detection_logistic", "tstr", "copies", "dcr"]
VOID = {"meta", "input", "br", "link", "img", "hr"}
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The structure of a page; complains of elements that are not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report() -> Report:
    real, holdout, synthetic = (tiny_table(360, seed) for seed in (0, 1, 2))
    return evaluate(real, synthetic, holdout=holdout, target="g", metrics=[*LIGHT_METRICS, "detection"], level="quick")


@pytest.fixture(scope="module")
def source(report) -> str:
    return render(report)


@pytest.fixture(scope="module")
def comparison():
    real, holdout = tiny_table(400, 0), tiny_table(400, 1)
    good, bad = tiny_table(300, 2), tiny_table(300, 3)
    rng = np.random.default_rng(0)
    bad = pd.DataFrame({name: bad[name].take(rng.permutation(len(bad))).array for name in bad})
    bad["x"] = bad["x"] * 4 + 3
    return compare({"bad & <b>bold</b>": bad, "good": good}, real, holdout, metrics=["shape", "pair", "copies"])


# -------------------------------------------------------------------- structure
def test_the_page_is_balanced_and_holds_every_section_and_score(report, source):
    page = Page(source)
    sections = [a["id"] for a in page.of("section")]
    assert sections[:3] == ["verdict", "summary", "scores"]
    assert {"columns", "pairs", "rows", "detection", "privacy", "limits", "provenance", "definitions"} <= set(sections)
    assert [a["href"] for a in page.of("a")] == ["#main", *(f"#{name}" for name in sections)]
    assert len(page.of("h1")) == 1 and len(page.of("h2")) == len(sections)
    assert {a["data-score"] for a in page.of("tbody") if "data-score" in a} == set(report.scores)
    for score in report.scores.values():
        assert number(score.value) in page.text and score.definition in page.text and score.reading != ""
    for note in report.notes:
        assert note in page.text
    assert {a["data-name"] for a in page.of("article") if "data-name" in a} == set(report.kinds)
    for profile in PROFILES:
        assert report.check(profile).purpose in page.text


def test_ids_are_unique_and_every_reference_has_its_target(source):
    page = Page(source)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_tables_have_captions_and_figures_have_names(source):
    page = Page(source)
    assert len(page.of("table")) == len(page.of("caption"))
    for svg in page.of("svg"):
        nested = svg.get("overflow") == "visible"
        assert nested or svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    assert all("scope" in a for a in page.of("th"))
    assert page.of("html")[0]["lang"] == "en"


def test_nothing_comes_from_outside(report, source, comparison):
    for text in (source, render_comparison(comparison)):
        assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|\bsrc=", text)
        assert "default-src 'none'" in text


def test_only_the_own_script_may_run(source):
    import base64
    import hashlib

    scripts = re.findall(r"<script>(.*?)</script>", source, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source
    assert not any(name.startswith("on") for _, attributes in Page(source).tags for name in attributes)


def test_the_same_report_gives_the_same_page(report, source):
    assert render(report) == source


def test_profiles_can_be_chosen(report):
    page = Page(render(report, profiles=["release"]))
    assert PROFILES["release"].purpose in page.text and PROFILES["imputation"].purpose not in page.text
    assert "verdict" not in {a["id"] for a in Page(render(report, profiles=[])).of("section")}
    for wrong in ("nonsense", ["release", "nonsense"]):
        with pytest.raises(ParamError, match="nonsense"):
            render(report, profiles=wrong)
    with pytest.raises(ParamError, match="'profiles'"):
        render(report, profiles=3)


def test_profiles_are_passed_on_to_the_file(report, comparison, tmp_path):
    for found, told, other in (
        (report, PROFILES["release"].purpose, PROFILES["imputation"].purpose),
        (comparison, "Release", "Imputation"),
    ):
        one, same = (found.to_html(tmp_path / f"{k}.html", profiles=p) for k, p in enumerate(("release", ["release"])))
        assert one.read_text() == same.read_text()
        words = Page(one.read_text()).text
        assert told in words and other not in words
        assert other in Page(found.to_html(tmp_path / "all.html").read_text()).text


def test_the_file_is_written_and_small(report, source, tmp_path):
    path = report.to_html(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == source
    assert path.stat().st_size < 400_000


def test_the_word_anonymous_is_never_said(source, comparison):
    for text in (source, render_comparison(comparison)):
        assert "anonym" not in text.lower()


# -------------------------------------------------------------------- escaping
def test_names_and_categories_are_escaped():
    def table(seed):
        rows = tiny_table(300, seed)
        return pd.DataFrame(
            {EVIL: rows["x"], "</style>": rows["g"].astype(str) + EVIL, "a&b": rows["y"], "&lt;": rows["b"]}
        )

    found = evaluate(
        table(0), table(1), holdout=table(2), target="a&b", metrics=["shape", "pair", "detection"], level="quick"
    )
    text = render(found)
    page = Page(text)
    assert EVIL not in text and "onerror=alert" not in re.sub(r'"[^"]*"', "", re.sub(r">[^<]*<", "><", text))
    assert len(page.of("script")) == 1 and not page.of("img") and len(page.of("style")) == 1
    assert EVIL in {a["data-name"] for a in page.of("article") if "data-name" in a}
    for name in ("summary", "pairs", "parts"):
        assert "<script" not in plot(found, name).standalone()
    assert "<script" not in plot(found, "column", column="</style>").standalone()


def test_names_of_compared_tables_are_escaped(comparison):
    text = render_comparison(comparison)
    assert "<b>bold</b>" not in text and esc("bad & <b>bold</b>") in text
    Page(text)


def test_esc_keeps_no_control_signs():
    assert esc("a\x00b\nc\u202e") == "ab c"


# -------------------------------------------------------------------- sentences
def test_standing_follows_the_intervals():
    def score(value, interval, **known):
        return Score(
            "s", "s", "privacy", "lower", 0.5, (0, 1), value, matched=value, matched_interval=interval, fresh=0.5,
            fresh_interval=(0.48, 0.52), **known,
        )  # fmt: skip

    assert standing(score(0.51, (0.49, 0.53))).status == "pass"
    assert standing(score(0.70, (0.68, 0.72))).status == "fail"
    assert standing(score(0.51, (0.49, 0.53), details={"power": {"enough": False}})).status == "unsure"
    lone = Score("s", "s", "privacy", "lower", 0.5, (0, 1), 0.5)
    assert standing(lone).status == "unsure"


def test_summaries_count_what_is_worse(comparison):
    bad = comparison.reports["bad & <b>bold</b>"]
    worse = [name for name in ("shape", "pair") if standing(bad.scores[name]).status == "fail"]
    line = summary(bad, "fidelity")[0]
    assert "shape" in worse and line.startswith(f"{len(worse)} of 2 figures") and "Farthest off: " in line
    assert "None of the 2" in summary(comparison.reports["good"], "fidelity")[0]
    assert summary(comparison.reports["good"], "utility") == []


# -------------------------------------------------------------------- odd reports
def test_without_holdout_and_target_the_page_says_so():
    found = evaluate(tiny_table(200), tiny_table(200, 1), metrics=["shape", "pair", "copies"])
    page = Page(render(found))
    assert "There is no holdout" in page.text and "training rows" in page.text
    assert "cannot tell" in page.text and "Utility needs a target" in page.text


def test_a_report_read_from_json_has_a_page_without_drawings(report):
    page = Page(render(Report.from_json(report.to_json())))
    sections = {a["id"] for a in page.of("section")}
    assert {"verdict", "scores", "pairs"} <= sections and not {"columns", "rows"} & sections


@pytest.mark.parametrize("rows", [1, 2, 6, 30])
def test_tiny_tables_have_a_page(rows):
    tables = [tiny_table(max(rows, 2), seed).head(rows) for seed in range(3)]
    kinds = {"x": "numeric", "g": "categorical", "n": "numeric", "d": "datetime"}
    Page(render(evaluate(tables[0], tables[1], holdout=tables[2], kinds=kinds, metrics=["shape", "pair", "copies"])))


def test_odd_columns_have_a_page():
    rows = 120
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "constant": 7.0,
            "far": 1e15 + np.arange(rows) * 1.0,
            "tiny": rng.normal(size=rows) * 1e-200,
            "huge": rng.normal(size=rows) * 1e200,
            "gaps": np.where(np.arange(rows) % 2, np.nan, 1.0),
            "many": [f"level {i}" for i in range(rows)],
            "old": pd.Timestamp("1700-01-01") + pd.to_timedelta(rng.integers(0, 90_000, rows), "D"),
            "one": "a",
        }
    )
    kinds = dict.fromkeys(("constant", "far", "tiny", "huge", "gaps"), "numeric")
    kinds |= {"many": "categorical", "one": "categorical", "old": "datetime"}
    text = render(evaluate(frame, frame.sample(frac=1, random_state=0), holdout=frame, kinds=kinds, metrics=["shape"]))
    page = Page(text)
    assert {a["data-name"] for a in page.of("article") if "data-name" in a} == set(kinds)
    assert not re.search(r'="(nan|inf|-inf)"|[ML ,](nan|inf)\b', text)
    assert "level 3" not in text


def test_of_a_wide_table_the_worst_columns_are_drawn():
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(MAX_COLUMNS + 25)]
    real, holdout, synthetic = (pd.DataFrame(rng.normal(size=(150, len(names))), columns=names) for _ in range(3))
    synthetic["c77"] += 3
    found = evaluate(real, synthetic, holdout=holdout, metrics=["shape", "pair"])
    text = render(found)
    cards = [a["data-name"] for a in Page(text).of("article") if "data-name" in a]
    assert len(cards) == MAX_COLUMNS and cards[0] == "c77" and "25 more columns" in text
    assert f"The {MAX_HEAT} columns that differ most, of {len(names)}" in text
    assert len(text.encode()) < 1_500_000


def test_the_page_of_thirty_columns_is_small():
    table = load_breast_cancer(as_frame=True).frame
    found = evaluate(
        table[:250], table[250:400], holdout=table[400:], target="target", metrics=["shape", "pair", "copies"]
    )
    assert len(render(found).encode()) < 800_000


# -------------------------------------------------------------------- comparison
def test_the_comparison_is_ranked_and_holds_all_tables(comparison):
    page = Page(render_comparison(comparison))
    assert [a["id"] for a in page.of("section")][:3] == ["ranking", "scores", "columns"]
    assert page.text.index("good", page.text.index("Mean ranks, and")) < page.text.index("bad & <b>bold</b>")
    for own in comparison.reports.values():
        for score in own.scores.values():
            assert number(score.matched) in page.text
    assert len(page.of("table")) == len(page.of("caption"))


def test_the_comparison_is_written(comparison, tmp_path):
    path = comparison.to_html(tmp_path / "tables.html")
    assert path.read_text(encoding="utf-8") == render_comparison(comparison)


# -------------------------------------------------------------------- single figures
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("summary", {}),
        ("summary", {"group": "privacy"}),
        ("column", {"column": "x"}),
        ("column", {"column": "x", "cumulative": True}),
        ("column", {"column": "g"}),
        ("column", {"column": "d"}),
        ("column", {"column": "n"}),
        ("pairs", {}),
        ("rows", {"which": "real"}),
        ("rows", {}),
        ("parts", {"score": "shape"}),
        ("shape", {}),
        ("tstr", {}),
    ],
)
def test_figures_are_drawn_and_saved(report, name, options, tmp_path):
    import xml.etree.ElementTree as ET

    figure = report.plot(name, **options)
    path = figure.save(tmp_path / "figure.svg")
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.attrib["aria-label"]
    assert len(root) > 3 and "var(" not in path.read_text(encoding="utf-8")
    assert figure._repr_svg_() == path.read_text(encoding="utf-8")


def test_every_figure_is_tested_above():
    domains = {"survival", "hazards", "stability", "information", "calibration"}  # in test_report_domains.py
    over_time = {"lengths", "gaps", "paths", "moves", "lags"}  # in test_panel_report.py
    assert set(FIGURES) == {"summary", "column", "pairs", "rows", "parts"} | domains | over_time


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("nonsense", {}, "must be one of summary"),
        ("column", {"column": "nonsense"}, "'nonsense' is no column"),
        ("column", {"col": "x"}, "has no option 'col'; it takes column, cumulative"),
        ("rows", {"which": "all"}, "must be one of real"),
        ("pairs", {"score": "shape"}, "no score of pairs"),
        ("summary", {"group": "beauty"}, "no score of 'beauty'"),
        ("parts", {"score": "nonsense"}, "no score 'nonsense'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(report, name, options, match):
    with pytest.raises(ParamError, match=match):
        report.plot(name, **options)


def test_figures_of_tables_need_the_tables(report):
    bare = Report.from_json(report.to_json())
    for name, options in (("column", {"column": "x"}), ("rows", {})):
        with pytest.raises(ParamError, match="tables"):
            bare.plot(name, **options)
    assert bare.plot("pairs").body == report.plot("pairs").body


def test_a_figure_is_saved_as_svg_only(report, tmp_path):
    with pytest.raises(ParamError, match="must end with .svg"):
        report.plot().save(tmp_path / "figure.png")
