"""What is drawn of columns and rows: no single real row, and what is right; scales and colours."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from synthkit.metrics.base import Score
from synthkit.report import evaluate
from synthkit.report.drawn import Drawing
from synthkit.report.html import render
from synthkit.report.pictures import LEAST, Bars, Bins, column_picture
from synthkit.report.projection import hexagons
from synthkit.report.scales import Scale
from synthkit.report.style import DARK, LIGHT, page_style
from synthkit.report.svg import ticks
from synthkit.testing import tiny_table


# -------------------------------------------------------------------- what is never shown
def drawing(real: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame | None = None, **known) -> Drawing:
    found = Drawing.of_reports({"s": evaluate(real, synthetic, holdout=holdout, metrics=["shape"], **known)})
    assert found is not None
    return found


def picture(values, synthetic=None) -> Bins | Bars | str:
    real = pd.DataFrame({"v": values})
    kind = "numeric" if pd.api.types.is_numeric_dtype(real["v"]) else "categorical"
    drawn = drawing(real, real if synthetic is None else pd.DataFrame({"v": synthetic}), kinds={"v": kind})
    return column_picture("v", drawn.real, list(drawn.synthetic.values()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("law", ["normal", "pareto", "lumps", "counts"])
def test_every_bin_stands_for_five_real_rows_or_none(law, seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(25, 600))
    values = {
        "normal": rng.normal(size=rows),
        "pareto": rng.pareto(0.7, rows) + 0.01,
        "lumps": np.where(rng.random(rows) < 0.5, 0.0, rng.normal(50, 1, rows)),
        "counts": rng.poisson(2, rows).astype(float),
    }[law]
    found = picture(values)
    assert isinstance(found, Bins)
    spikes = [pair for pair in found.beside if pair.label.startswith("=")]
    binned = rows if not spikes else round(rows * (1 - spikes[0].real))
    counts = found.real * binned
    assert np.allclose(counts, counts.round(), atol=1e-6)
    assert not ((counts.round() > 0) & (counts.round() < LEAST)).any()
    assert (np.diff(found.edges) > 0).all()
    assert len(found.edges) == len(found.real) + 1 == len(found.synthetic[0]) + 1
    rest = values[values != 0] if spikes and law == "lumps" else values
    low = (rest < found.edges[0]).sum()
    assert np.isclose(found.outside[0].real * binned, low) or (0 < low < LEAST and np.isnan(found.outside[0].real))


def test_a_single_extreme_value_is_not_shown():
    values = np.concatenate([np.random.default_rng(0).normal(size=400), [987_654.25]])
    found = picture(values)
    assert isinstance(found, Bins)
    assert found.edges[-1] < 10 and np.isnan(found.outside[1].real)
    text = render(evaluate(pd.DataFrame({"v": values}), pd.DataFrame({"v": values}), metrics=["shape"]))
    assert "987" not in text.replace("--", "")[text.index('<section id="columns"') :]
    assert "&lt;5 rows" in text


def test_rare_categories_are_other():
    values = ["common"] * 60 + ["usual"] * 30 + ["secret-disease"] * 4 + ["five"] * 5
    found = picture(values, ["common"] * 50 + ["made-up"] * 7 + ["secret-disease"])
    assert isinstance(found, Bars)
    assert [pair.label for pair in found.pairs] == ["common", "usual", "five", "other"]
    assert np.isnan(found.pairs[-1].real) and found.pairs[-1].synthetic[0] == pytest.approx(8 / 58)
    frame = pd.DataFrame({"v": values, "w": np.arange(99.0)})
    text = render(evaluate(frame, frame, holdout=frame, metrics=["shape", "pair", "detection"], level="quick"))
    assert "secret-disease" not in text and "usual" in text


def test_few_empty_cells_are_not_counted():
    found = picture([1.5, 2.5, 3.5] * 20 + [np.nan] * 2)
    assert isinstance(found, Bins)
    empty = next(pair for pair in found.beside if pair.label == "empty")
    assert np.isnan(empty.real) and empty.synthetic[0] == pytest.approx(2 / 62)


def test_columns_of_few_rows_are_not_drawn():
    assert isinstance(picture([1.0, 2.0, 3.0] * 5), str)
    assert isinstance(picture(["a", "b"] * 9), str)
    assert isinstance(picture([1.0] * 3 + [np.nan] * 60), str)


def test_cells_of_the_projection_hold_five_real_rows_or_none():
    drawn = drawing(tiny_table(900), tiny_table(900, 1), tiny_table(700, 2))
    found = hexagons(drawn.real, drawn.synthetic["s"])
    assert found is not None
    counts = found.real * len(drawn.real)
    assert np.allclose(counts, counts.round(), atol=1e-6) and counts.sum() > 300
    assert not ((counts.round() > 0) & (counts.round() < LEAST)).any() and (found.real[found.few] == 0).all()


# -------------------------------------------------------------------- what is drawn is right
def test_a_value_that_most_rows_have_stands_beside_the_others():
    rng = np.random.default_rng(1)
    values = np.where(rng.random(500) < 0.6, 0.0, rng.uniform(100, 200, 500))
    found = picture(values, np.zeros(50))
    assert isinstance(found, Bins)
    spike = next(pair for pair in found.beside if pair.label == "= 0")
    assert spike.real == pytest.approx((values == 0).mean()) and spike.synthetic == (1.0,)
    assert found.edges[0] >= 90 and found.edges[-1] <= 210


def test_whole_numbers_have_a_bin_each():
    found = picture(np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 60))
    assert isinstance(found, Bins)
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert found.real == pytest.approx([0.2] * 5) and found.synthetic[0] == pytest.approx([0.2] * 5)


def test_long_tails_are_drawn_on_a_log_scale():
    values = np.exp(np.random.default_rng(0).normal(0, 2, 2000))
    found = picture(values)
    assert isinstance(found, Bins) and found.log and found.edges[0] > 0
    assert not picture(values - 1).log


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-5, 1234), (1e-9, 2e-9), (1e12, 1e12 + 10)], ids=["unit", "wide", "small", "far"]
)
def test_ticks_lie_inside_and_are_even(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 8 and low <= found[0] and found[-1] <= high * (1 + 1e-9)
    assert np.allclose(np.diff(found), found[1] - found[0])


@pytest.mark.parametrize("days", [3, 40, 300, 2000, 40_000, 2_000_000])
def test_ticks_of_dates(days):
    found = ticks(0.0, days * 86400.0, 4, dated=True)
    assert 1 <= len(found) <= 12 and sorted(set(found)) == found


@pytest.mark.parametrize("goal", ["lower", "higher"])
def test_better_is_always_to_the_right(goal):
    best, bad = (0.5, 0.9) if goal == "lower" else (1.0, 0.2)
    good = best + (bad - best) * 0.1
    score = Score("s", "s", "fidelity", goal, best, (0, 1), good, matched=good, fresh=best, independent=bad)
    scale = Scale.of([score])
    assert 0 <= scale.at(bad) < scale.at(good) < scale.at(best) <= 1
    assert scale.at(bad + (bad - best) * 9) == 0 and scale.at(best - (bad - best) * 9) == 1


# -------------------------------------------------------------------- colours
def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_are_legible(palette):
    for back in ("page", "card"):
        for ink in ("ink", "muted", "link", "pass", "fail", "unsure"):
            assert contrast(palette[ink], palette[back]) >= 4.5, (ink, back)
    for mark in ("real", "synthetic", "heat", *(f"t{k}" for k in range(6))):
        assert contrast(palette[mark], palette["card"]) >= 3, mark
    for table in (f"t{k}" for k in range(6)):
        assert contrast(palette["card"], palette[table]) >= 4.5, table  # the letter on a badge


def test_both_colour_schemes_and_paper_are_there():
    style = page_style()
    assert LIGHT.keys() == DARK.keys()
    assert "prefers-color-scheme:dark" in style and "[data-theme=dark]" in style and "@media print" in style
    used = set(re.findall(r"var\(--(\w+)\)", style))
    assert used <= set(LIGHT), used - set(LIGHT)
