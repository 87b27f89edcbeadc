"""Figures of the domains: survival curves and hazard ratios, stability, information and calibration."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from synthkit.errors import ParamError
from synthkit.report import Report, compare, evaluate
from synthkit.report.comparison_html import render_comparison
from synthkit.report.credit import _merged
from synthkit.report.html import render
from synthkit.report.survival import _told, gap
from tests.utility_laws import draw, shuffled

METRICS = ["kaplan_meier_gap", "hazard_ratio_overlap", "psi", "information_value_gap", "decile_calibration"]
REAL, HOLDOUT = draw(600, 0), draw(500, 1)
KNOWN = {"target": "y", "time": "weeks", "event": "died", "metrics": METRICS, "level": "quick"}


@pytest.fixture(scope="module")
def comparison():
    return compare({"fresh": draw(600, 2), "shuffled": shuffled(draw(600, 3))}, REAL, HOLDOUT, **KNOWN)


@pytest.fixture(scope="module")
def report(comparison) -> Report:
    return comparison["shuffled"]


DRAWN = [
    ("survival", {}),
    ("survival", {"column": "g"}),
    ("survival", {"column": "g", "level": "b"}),
    ("hazards", {}),
    ("stability", {}),
    ("information", {}),
    ("calibration", {}),
    ("calibration", {"trained": "real"}),
]


@pytest.mark.parametrize(("name", "options"), DRAWN)
def test_figures_are_drawn_and_saved(report, name, options, tmp_path):
    path = report.plot(name, **options).save(tmp_path / "figure.svg")
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    assert root.attrib["aria-label"] and len(root) > 10 and "nan" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("survival", {"column": "x"}, "no curves of 'x'.*'g'"),
        ("survival", {"column": "g", "level": "z"}, "no curves of 'g' at level 'z'"),
        ("survival", {"level": "b"}, "'level' needs a 'column'"),
        ("calibration", {"trained": "both"}, "'trained' must be"),
        ("hazards", {"column": "x"}, "no option 'column'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(report, name, options, match):
    with pytest.raises(ParamError, match=match):
        report.plot(name, **options)


def test_a_report_of_another_domain_says_what_it_lacks(report):
    bare = Report.from_json(report.to_json())
    other = evaluate(REAL, HOLDOUT, metrics=["shape"])
    for name in ("survival", "hazards", "information", "calibration"):
        for without in (bare, other):
            with pytest.raises(ParamError, match=f"'{name}' needs the score"):
                without.plot(name)
    assert bare.plot("stability").body == report.plot("stability").body
    for without in (bare, other):
        assert 'id="survival"' not in render(without)
    assert 'id="credit"' not in render(other)


def test_the_pages_hold_the_figures(comparison, report):
    for page, tables in ((render(report), ["synthetic"]), (render_comparison(comparison), ["fresh", "shuffled"])):
        for name in ("survival", "credit"):
            section = re.search(rf'<section id="{name}".*?</section>', page, re.S)
            assert section and f'href="#{name}"' in page
            for table in tables:
                assert table in section[0]
        for title in ("All rows", "g: b", "Hazard ratios", "Stability of columns", "Information value", "real rows"):
            assert f">{title}<" in page or f"of {title}<" in page


def test_curves_are_those_of_the_rows_and_groups_are_told_apart(comparison):
    curves = comparison["fresh"]["kaplan_meier_gap"].details["curves"]
    assert {key for key in curves if key[0] == "g"} >= {("g", "a"), ("g", "b"), ("g", "c")}
    whole = curves[None, ""]
    assert whole["real_at_risk"].iloc[0] == len(HOLDOUT) and whole["real"].iloc[0] == 1
    assert whole["real"].is_monotonic_decreasing and (whole["real_low"] <= whole["real"]).all()
    late = float(whole["time"].iloc[-1])
    assert whole["real_events"].iloc[-1] == (HOLDOUT["died"] & (HOLDOUT["weeks"] <= late)).sum()
    assert gap(curves["g", "b"]) < gap(comparison["shuffled"]["kaplan_meier_gap"].details["curves"]["g", "b"])


def test_the_real_curve_never_shows_fewer_than_five_events():
    rng = np.random.default_rng(0)
    for _ in range(200):
        events = np.cumsum(rng.poisson(rng.uniform(0, 3), 40))
        kept = _told(events)
        between = np.diff(events[kept])
        assert kept[0] == 0 and kept[-1] == 39
        assert ((between == 0) | (between >= 5)).all() or events[-1] - events[0] < 5


def test_durations_are_counted_in_days():
    real, holdout, synthetic = (
        table.assign(weeks=pd.to_timedelta(7 * table["weeks"], "D")) for table in (REAL, HOLDOUT, draw(400, 5))
    )
    found = evaluate(real, synthetic, holdout=holdout, **{**KNOWN, "metrics": ["kaplan_meier_gap"]})
    plain = evaluate(REAL, draw(400, 5), holdout=HOLDOUT, **{**KNOWN, "metrics": ["kaplan_meier_gap"]})
    ticks = [re.findall(r">(\d+)</text>", report.plot("survival").body)[:2] for report in (found, plain)]
    assert ticks[0] == ["0", "5"] and ticks[1] == ["0", "1"]
    assert "by weeks (days)" in render(found)


def test_a_group_that_is_lost_is_drawn_without_its_curve():
    found = evaluate(REAL, draw(400, 4).assign(g="a"), holdout=HOLDOUT, **{**KNOWN, "metrics": ["kaplan_meier_gap"]})
    page = found.plot("survival", column="g", level="b").body
    assert 'class="curve"' in page and 'class="step' not in page and "nan" not in page
    assert "off by 1.000" in render(found)


def test_bars_of_calibration_stand_for_twenty_rows_and_more():
    deciles = pd.DataFrame({"predicted": np.linspace(0, 0.9, 10), "observed": 0.5, "rows": [6] * 9 + [5]})
    found = _merged(deciles)
    assert list(found["name"]) == ["1-4", "5-10"] and found["observed"].eq(0.5).all()
    assert found["predicted"].iloc[0] == pytest.approx(np.mean([0, 0.1, 0.2, 0.3]))
    assert list(_merged(deciles.assign(rows=40))["name"]) == [str(k) for k in range(1, 11)]
    assert list(_merged(deciles.head(2))["name"]) == ["1-2"]
