"""Long series in ``evaluate``, in the page and on the command line: known laws, and planted defects."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pandas as pd
import pytest

from synthkit import evaluate
from synthkit.cli import main
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import score_series, series_tables, split_blocks
from synthkit.metrics.series import SERIES_METRICS
from synthkit.report import PROFILES, Report
from synthkit.report.html import render
from synthkit.report.series import bootstrap, shuffled
from synthkit.report.series_section import series_figures
from synthkit.report.series_words import SERIES_WORDS
from synthkit.testing.metrics import untouched

QUICK = ["acf", "cross", "spectral", "tail_risk"]
SERIES = {"kind": "series", "time": "t", "level": "quick"}


def draw(steps: int, seed: int, phi: float = 0.7) -> pd.DataFrame:
    """A price of clustered returns, and a level that returns to its mean, tied to it by their noise."""
    rng = np.random.default_rng(seed)
    h, level = 1.0, 0.0
    out = np.empty((steps, 2))
    for t in range(steps):
        z, e = rng.standard_t(4) / np.sqrt(2), rng.normal()
        move = math.sqrt(h) * z
        h = 0.05 + 0.15 * move**2 + 0.8 * h
        level = phi * level + 0.6 * z + 0.8 * e
        out[t] = move, level
    price = 100 * np.exp(np.cumsum(0.01 * out[:, 0]))
    return pd.DataFrame({"t": np.arange(steps), "price": price, "level": out[:, 1]})


@cache
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training blocks, another draw, held-out blocks."""
    real = draw(2400, 0)
    train, held = split_blocks(len(real))
    return real.iloc[train], draw(1600, 1), real.iloc[held]


@cache
def whole() -> Report:
    real, fresh, holdout = tables()
    return evaluate(real, fresh, holdout=holdout, **SERIES)


def light(synthetic: pd.DataFrame, metrics: list[str], **options) -> Report:
    real, _, holdout = tables()
    return evaluate(real, synthetic, **{"holdout": holdout, "metrics": metrics, **SERIES} | options)


# -------------------------------------------------------------------- figures
def test_the_figures_are_those_of_score_series():
    real, fresh, holdout = tables()
    with untouched(real, fresh, holdout):
        report = whole()
    names = [name for name in SERIES_METRICS if name != "window_detection"]  # dear
    found = score_series(real, fresh, holdout=holdout, time="t", metrics=names).table.set_index("metric")
    assert set(report.scores) | set(report.left_out) == set(SERIES_METRICS) == set(SERIES_WORDS)
    assert "profiles" in report.left_out
    assert {score.of for score in report.scores.values()} == {"blocks"}
    for name in report.scores.keys() - {"window_detection"}:
        line, score = found.loc[name], report.scores[name]
        assert [score.value, score.fresh] == pytest.approx([line["value"], line["floor"]], nan_ok=True), name


def test_another_draw_of_the_law_is_as_fresh_and_references_are_where_they_belong():
    scores = whole().scores
    detection = scores["window_detection"]
    assert abs(detection.matched - 0.5) < 0.15 and detection.independent > 0.8
    for name in QUICK:
        low, high = scores[name].matched_interval
        assert low <= scores[name].matched <= high, name
    for name in ("acf", "cross"):
        assert scores[name].independent > 2 * scores[name].copy, name
    copies = scores["series_copies"]
    assert copies.matched > 0.9 and copies.copy < copies.matched - 0.1


def test_a_shuffled_series_is_worse_beyond_chance():
    other = draw(1600, 3)
    values = other[["price", "level"]].to_numpy().copy()
    rng = np.random.default_rng(0)
    moves = np.diff(np.log(values[:, 0]))
    other["level"] = rng.permutation(values[:, 1])
    other["price"] = np.exp(np.concatenate([[0.0], np.cumsum(rng.permutation(moves))]))
    report = light(other, ["acf", "spectral"])
    for name in ("acf", "spectral"):
        score = report.scores[name]
        assert score.matched_interval[0] > score.fresh, name
    assert report.check(next(iter(PROFILES)), acf=0.01).status == "fail"


def test_copies_are_said_to_be_copies_and_fresh_paths_are_not():
    real, _, _ = tables()
    copied = light(real, ["series_copies"])
    assert any("copy the real series" in note for note in copied.notes)
    assert not any("copy the real series" in note for note in whole().notes)


def test_profiles_have_no_gates_of_series():
    with pytest.raises(ParamError, match="no gates of series"):
        whole().check(next(iter(PROFILES)))


# -------------------------------------------------------------------- references
def test_a_bootstrap_repeats_moves_and_keeps_bars_whole():
    price = draw(500, 4)["price"].to_numpy()
    rng = np.random.default_rng(1)
    close = price * np.exp(rng.normal(0, 0.004, 500))
    bars = pd.DataFrame({"open": price, "close": close})
    bars["high"] = bars.max(axis=1) * (1 + rng.exponential(0.002, 500))
    (one,) = series_tables(bars)
    assert one.leader.tolist() == [0, 0, 0]
    made = bootstrap(one, np.array([200, 70]), np.random.default_rng(2), block=20.0)
    assert made.lengths.tolist() == [200, 70] and (made.values > 0).all()
    assert (made.values[:, 2] >= made.values[:, :2].max(axis=1) * (1 - 1e-12)).all()
    moves = np.diff(one.logs[:, 0])
    assert np.abs(made.moves[0][:, [0]] - moves).min(axis=1).max() < 1e-9
    again = bootstrap(one, np.array([200, 70]), np.random.default_rng(2), block=20.0)
    assert np.array_equal(made.values, again.values)


def test_shuffled_moves_have_neither_memory_nor_dependence():
    (one,) = series_tables(draw(2000, 5)[["price", "level"]])
    assert one.ways == ("return", "level")
    x = shuffled(one, np.array([2000]), np.random.default_rng(3)).moves[0]
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.08 < 0.3 < np.corrcoef(one.moves[0].T)[0, 1]
    assert abs(np.corrcoef(x[1:, 1], x[:-1, 1])[0, 1]) < 0.08


# -------------------------------------------------------------------- forms
def test_json_comes_back_and_text_speaks_of_blocks():
    report = whole()
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json() and again.series is None
    assert re.match(r"steps: [\d,]+ real, 1,600 synthetic, [\d,]+ holdout; 2 series", str(report))
    assert "block bootstrap" in str(report) and "fresh blocks" in report.to_markdown()
    assert 'id="series"' not in render(again)


def test_the_page_draws_series_and_is_sound():
    page = render(whole())
    section = re.search(r'<section id="series".*?</section>', page, re.S).group(0)
    for svg in re.findall(r"<svg.*?</svg>", section, re.S):
        ET.fromstring(svg)
        assert "nan" not in re.sub(r'data-tip="[^"]*"', "", svg)
    assert 'id="verdict"' not in page and "Stylised facts" in section
    assert "Volatility clustering" in section
    assert "<table" in whole()._repr_html_()


def test_each_column_has_its_figures_and_many_paths_a_fan():
    drawn = series_figures(whole())
    assert {part: sorted(title for title, *_ in cards) for part, cards in drawn.items()} == {
        part: ["level", "price"] for part in ("paths", "lags", "law")
    }
    assert not any("sband" in figure.body for _, figure, _ in drawn["paths"])
    paths = pd.concat({k: draw(80, 10 + k) for k in range(20)}, names=["draw"])
    fans = series_figures(light(paths, ["acf"]))["paths"]
    assert all(figure.body.count("sband") == 2 for _, figure, _ in fans)


def test_a_title_is_escaped():
    real, fresh, holdout = (t.rename(columns={"level": "<b>&"}) for t in tables())
    page = render(evaluate(real, fresh, holdout=holdout, metrics=["acf"], **SERIES))
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page


# -------------------------------------------------------------------- arguments
def test_without_a_holdout_the_report_says_what_it_cannot_know():
    report = light(tables()[1], QUICK + ["next_move"], holdout=None)
    assert report.left_out == {"next_move": "needs holdout"} and any("no holdout" in n for n in report.notes)
    assert all(math.isnan(s.fresh) and s.independent > s.copy for s in (report["acf"], report["cross"]))


def test_few_entities_are_columns_of_one_series():
    tables_of = [pd.concat(dict.fromkeys("ab", t), names=["who"]).reset_index("who") for t in tables()]
    real, fresh, holdout = tables_of
    report = evaluate(real, fresh, holdout=holdout, entity="who", metrics=["acf"], **SERIES)
    assert list(report.kinds) == ["a price", "a level", "b price", "b level"]
    assert Report.from_json(report.to_json())["acf"].parts == report["acf"].parts


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "wide"}, "kind"),
        ({"target": "price"}, "target"),
        ({"domain": "credit"}, "domain"),
        ({"metrics": ["shape"]}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"kind": "panel"}, "needs 'entity'"),
        ({"kind": "rows", "entity": "t"}, "has no 'entity'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, words):
    with pytest.raises(ParamError, match=words):
        light(tables()[1], **{"metrics": ["acf"]} | options)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(SchemaError, match="price"):
        light(tables()[1].drop(columns="price"), ["acf"])


def test_the_command_line_writes_a_report_of_series(tmp_path, capsys):
    real, fresh, holdout = tables()
    named = {"real": real, "paths": fresh.assign(draw=np.arange(len(fresh)) // 800), "held": holdout}
    for name, table in named.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / f"{name}.csv") for name in ("real", "paths")]
    words = ["evaluate", *files, "--holdout", str(tmp_path / "held.csv"), "--kind", "series", "--time", "t"]
    words += ["--metric", "acf", "--quiet", "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]
    assert main(words) == 0, capsys.readouterr().err
    report = Report.from_json((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report.provenance["paths"] == 2 and list(report.scores) == ["acf"]
    assert 'id="series"' in (tmp_path / "r.html").read_text(encoding="utf-8")
