"""What a notebook shows: complete, escaped, and without a trace outside its own block."""

from __future__ import annotations

import re

import pytest

from synthkit.report import Report, compare, evaluate
from synthkit.report.gates import PROFILES
from synthkit.report.style import notebook_style
from synthkit.report.text import number
from synthkit.testing import tiny_table
from tests.test_report_html import EVIL, Page

METRICS = ["shape", "pair", "copies", "dcr"]
REAL, HOLDOUT = tiny_table(300, 0), tiny_table(300, 1)


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(REAL, tiny_table(300, 2), holdout=HOLDOUT, metrics=METRICS)


@pytest.fixture(scope="module")
def comparison():
    return compare({"one": tiny_table(300, 2), EVIL: tiny_table(300, 3)}, REAL, HOLDOUT, metrics=METRICS)


def selectors(css: str) -> list[str]:
    """Of all rules, those within media and container queries too."""
    plain = re.sub(r"@(media|container)[^{]*\{", "", css)
    return [one.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", plain) for one in rule.split(",")]


def test_the_style_touches_nothing_outside_its_block(report, comparison):
    found = selectors(notebook_style())
    assert len(found) > 80
    for one in found:
        assert re.search(r"(^| )\.skn\b", one), one
        assert ":has" not in one and "~" not in one and "+" not in one
    for source in (report._repr_html_(), comparison._repr_html_()):
        page = Page(source)
        assert source.startswith('<div class="skn">') and len(page.of("style")) == 1
        assert not re.search(r"<script|<link|<iframe|https?:|//[a-z]|url\(|@import", source)
        assert not {"id", "src", "href", "name"} & {key for _, attributes in page.tags for key in attributes}


def test_it_holds_gates_scores_and_figures(report):
    page = Page(report._repr_html_())
    for profile in PROFILES:
        assert f"{profile.capitalize()} " in page.text and report.check(profile).purpose in page.text
    for score in report.scores.values():
        assert score.label in page.text and number(score.value) in page.text
    figures = [a["aria-label"] for a in page.of("svg") if "aria-label" in a]
    assert sum("Distribution of" in label or "Shares of" in label for label in figures) == 3
    assert report["shape"].label in " ".join(figures)
    assert len(report._repr_html_()) < 100_000


def test_without_tables_it_has_no_figures_of_columns(report):
    page = Page(Report.from_json(report.to_json())._repr_html_())
    assert report["shape"].label in page.text
    assert not any("Distribution" in (a.get("aria-label") or "") for a in page.of("svg"))


def test_a_comparison_ranks_its_tables(comparison):
    source = comparison._repr_html_()
    page = Page(source)
    assert EVIL not in source and "one" in page.text and "<script" not in source and "<img" not in source
    for own in comparison.reports.values():
        for score in own.scores.values():
            assert number(score.matched) in page.text
    assert all(profile.capitalize() in page.text for profile in PROFILES)


def test_names_are_escaped():
    tables = [tiny_table(200, seed).rename(columns={"x": EVIL, "g": "</style>"}) for seed in range(3)]
    source = evaluate(tables[0], tables[1], holdout=tables[2], metrics=["shape"])._repr_html_()
    page = Page(source)
    assert EVIL not in source and not page.of("script") and not page.of("img") and len(page.of("style")) == 1
