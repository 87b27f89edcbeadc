"""Pictures of a training: they show what the log says, of models with one stage or more, and live in a notebook."""

from __future__ import annotations

import re
import sys
import types
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import TableEncoder, TabularSynthesizer, plots
from synthkit.errors import NotFittedError, ParamError
from synthkit.metrics.fidelity import shape_error
from synthkit.plots import live as live_module
from synthkit.plots.moments import moments_of
from synthkit.plots.segments import segments_of, smooth
from synthkit.progress import Progress
from synthkit.testing import tiny_table
from tests.staged import Staged

TABLE = tiny_table(700, seed=3)
TABLE["key"] = [f"k{i:05d}" for i in range(len(TABLE))]
TABLE.loc[:7, "b"] = True


@pytest.fixture(scope="module")
def staged() -> TabularSynthesizer:
    return TabularSynthesizer(Staged(stages=3, steps=120, every=20), random_state=0).fit(TABLE)


@pytest.fixture(scope="module")
def autoregressive() -> TabularSynthesizer:
    return TabularSynthesizer("autoregressive", max_steps=40, random_state=0).fit(TABLE)


def words(figure) -> list[str]:
    """The texts of a figure, which is well-formed; whatever has a place lies inside it."""
    root = ElementTree.fromstring(figure.standalone())
    for node in root.iter():
        for key, most in (("x", figure.width), ("cx", figure.width), ("y", figure.height), ("cy", figure.height)):
            assert 0 <= float(node.get(key, 0)) <= most
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]


def legacy() -> np.ndarray:
    """numpy's global random state, which nobody here may touch."""
    return np.random.get_state()[1].copy()  # noqa: NPY002


def off(figure) -> dict[str, float]:
    """The distance at each moment, as the legend gives it."""
    found = (re.fullmatch(r"(.+): off by (.+) %", line) for line in words(figure))
    return {m[1]: float(m[2]) / 100 for m in found if m}


# ---------------------------------------------------------------- the log in pieces
def test_stages_are_found(staged):
    segments = segments_of(staged.history_)
    assert [s.title for s in segments] == ["warm", "adversarial", "polish"]
    assert [s.start for s in segments] == [0, *np.cumsum(staged.n_steps_)[:-1]]
    assert [s.stop for s in segments] == np.cumsum(staged.n_steps_).tolist()
    assert sum(len(s.lines) for s in segments) == len(staged.history_)
    first = segments[0]
    assert [series.name for series in first.losses] == ["even", "odd"]
    lines = [line for line in first.lines if line.losses]
    assert first.losses[1].y.tolist() == [line.losses["odd"] for line in lines]
    assert first.losses[1].x.tolist() == [line.step for line in lines]
    assert first.judged.y.tolist() == [line.score for line in first.lines]


def test_a_second_training_goes_on_where_the_first_ended():
    def line(step: int, valid: float | None) -> Progress:
        return Progress(step, 40, 1.0, valid, valid, step / 10, losses={"all": 2.0})

    segments = segments_of([line(20, 3.0), line(40, 2.0), line(10, None), line(20, None)])
    assert [s.title for s in segments] == ["fit", "fit, once more on all rows"]
    assert [(s.start, s.stop) for s in segments] == [(0, 40), (40, 60)]
    assert segments[1].losses[0].x.tolist() == [50, 60] and segments[1].judged is None
    assert segments_of([]) == []


def test_smoothing_keeps_lines_and_calms_noise():
    line = np.arange(100.0)
    assert np.allclose(smooth(line), line), "ends must not bend"
    noise = np.random.default_rng(0).normal(size=400)
    assert smooth(noise).std() < 0.5 * noise.std() and smooth(noise).shape == noise.shape
    assert np.allclose(smooth(noise[:10]), noise[:10]), "few values are shown as they are"


def test_moments_have_the_first_and_the_kept_one(staged):
    segments = segments_of(staged.history_)
    moments = moments_of(segments)
    assert moments[0].step == 0 and 3 <= len(moments) <= 7
    assert [m.step for m in moments] == sorted(m.step for m in moments)
    (kept,) = [m for m in moments if m.kept]
    last = [line for line in staged.history_ if line.stage == "polish"]
    assert any(kept.rows is line.drawn for line in last if line.score == min(other.score for other in last))


# ---------------------------------------------------------------- the figure
def test_the_figure_says_what_the_log_says(staged):
    figure = plots.training(staged)
    texts = words(figure)
    assert f"training of staged: {sum(staged.n_steps_):,} steps" in texts[0]
    for segment in segments_of(staged.history_):
        best = min(segment.lines, key=lambda line: line.score)
        assert f"losses: {segment.title}" in texts
        assert f"best {best.score:.3f} at step {best.step:,}" in texts
        for name in ("even", "odd"):
            assert any(text.startswith(f"{name} ") for text in texts)
    borders = re.findall(r'<line[^>]*class="border"', figure.body)
    assert len(borders) == 2 * 2 + 3, "between stages in both rows, and the line of perfect scores in each stage"


def test_one_stage_that_is_judged_by_loss(autoregressive):
    texts = words(plots.training(autoregressive))
    losses = [line.valid_loss for line in autoregressive.history_]
    assert "loss" in texts and "validation loss" in texts and not any("0.5: like real rows" in t for t in texts)
    assert any(text.startswith(f"best {min(losses):.3f} at step") for text in texts)
    assert list(off(plots.training(autoregressive, "n"))) == ["fitted model"]


@pytest.mark.parametrize("column", [c for c in TABLE if c != "key"])
def test_a_column_came_near_the_real_one(staged, column):
    moments = off(plots.training(staged, column, real=TABLE))
    labels, shares = list(moments), list(moments.values())
    assert labels[0] == "step 0" and labels[-1].endswith("kept")
    first, *_, kept = moments_of(segments_of(staged.history_))
    for moment, shown in ((first, shares[0]), (kept, shares[-1])):
        drawn = staged.encoder_.decode(moment.rows)
        kinds = {column: "datetime" if column == "d" else "numeric" if column in "xyn" else "categorical"}
        assert shown == pytest.approx(shape_error(TABLE, drawn, kinds=kinds).value, abs=6e-4)
    if column in ("x", "y", "n"):  # whose many codes the model starts far from
        assert shares[0] > 0.15 and shares[0] > 2 * shares[-1]


@pytest.mark.parametrize("column", ["y", "g", "n", "d"])
def test_the_counted_law_stands_for_real_rows(staged, column):
    counted, real = off(plots.training(staged, column)), off(plots.training(staged, column, real=TABLE))
    assert counted.keys() == real.keys()
    assert all(abs(counted[key] - real[key]) < 0.04 for key in real)


def test_a_category_of_few_real_rows_is_not_named(staged):
    table = TABLE.astype({"g": object})
    table.loc[:2, "g"] = "secret"
    figure = plots.training(staged, "g", real=table)
    assert "secret" not in figure.standalone() and "high" in words(figure)


def test_drawing_changes_nothing(staged, tmp_path):
    before, sampled, state = torch.random.get_rng_state(), staged.sample(20, seed=1), legacy()
    table = TABLE.copy()
    figure = plots.training(staged, "n", real=TABLE)
    assert figure.body == plots.training(staged, "n", real=TABLE).body
    assert torch.equal(before, torch.random.get_rng_state()) and (state == legacy()).all()
    assert staged.sample(20, seed=1).equals(sampled) and TABLE.equals(table)
    assert figure.save(tmp_path / "training.svg").read_text(encoding="utf-8") == figure._repr_svg_()


# ---------------------------------------------------------------- errors
def test_errors_name_the_remedy(staged, autoregressive, tmp_path):
    with pytest.raises(NotFittedError, match="call fit"):
        plots.training(TabularSynthesizer())
    with pytest.raises(ParamError, match="'synthesizer' must be"):
        plots.training(TABLE)
    autoregressive.save(tmp_path / "m")
    for without in (TabularSynthesizer.load(tmp_path / "m"), TabularSynthesizer("independent").fit(TABLE)):
        with pytest.raises(ParamError, match="no training log.*fit it, and plot"):
            plots.training(without)
    with pytest.raises(ParamError, match="'nothing' is no column"):
        plots.training(staged, "nothing")
    with pytest.raises(ParamError, match="'key' is generated"):
        plots.training(staged, "key")
    with pytest.raises(ParamError, match="'real' goes with 'column'"):
        plots.training(staged, real=TABLE)
    for real in (TABLE[["x"]], TABLE[:0], "table"):
        with pytest.raises(ParamError, match="'real' must be a DataFrame with rows and the column 'n'"):
            plots.training(staged, "n", real=real)


# ---------------------------------------------------------------- live
class FrontEnd:
    """What a notebook's kernel offers, as far as ``Live`` needs it: IPython is no dependency."""

    def __init__(self, monkeypatch, *, kernel: bool = True) -> None:
        self.displays: list[list[object]] = []
        module, inner = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        module.get_ipython = lambda: types.SimpleNamespace(kernel=object() if kernel else None)
        module.display, inner.display = inner, self.display
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setitem(sys.modules, "IPython.display", inner)

    def display(self, picture: object, *, display_id: bool) -> object:
        assert display_id is True
        shown = [picture]
        self.displays.append(shown)
        return types.SimpleNamespace(update=shown.append)


def fit(progress, *, drawn: bool = False) -> TabularSynthesizer:
    spec = Staged(stages=2, steps=40, every=10, drawn=drawn)
    return TabularSynthesizer(spec, random_state=0, progress=progress).fit(TABLE)


def test_live_draws_in_place(monkeypatch, capsys):
    front = FrontEnd(monkeypatch)
    live = plots.Live("n", TABLE, every=0)
    fitted = fit(live, drawn=True)
    (shown,) = front.displays
    assert len(shown) == len(fitted.history_) + 1, "one picture per line of the log, and the end"
    assert "step 0 of" in words(shown[0])[0] and f"step {sum(fitted.n_steps_)} of" in words(shown[-1])[0]
    assert list(off(shown[-1]).values())[-1] < off(shown[0])["step 0, kept"]
    assert not capsys.readouterr().err, "no bar beside the picture"
    again = fit(live)
    assert len(front.displays) == 2, "a second fit begins anew"
    assert len(front.displays[1]) == len(again.history_) + 1
    assert any("No rows have been drawn yet" in text for text in words(front.displays[1][-1]))
    rare = plots.Live(every=1e9)
    fit(rare)
    assert len(front.displays[2]) == 2, "the first line, and the end"


def test_live_changes_no_fit(monkeypatch):
    plain = fit(None)
    FrontEnd(monkeypatch)
    watched = fit(plots.Live("n", TABLE, every=0))
    for a, b in zip(plain.model_.parameters(), watched.model_.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("terminal", [False, True], ids=["script", "IPython in a terminal"])
def test_live_is_a_bar_elsewhere(monkeypatch, capsys, terminal):
    if terminal:
        front = FrontEnd(monkeypatch, kernel=False)
    live = plots.Live("n", TABLE)
    fit(live)
    assert "step" in capsys.readouterr().err and live._bar is None, "the bar is removed at the end"
    assert not terminal or not front.displays


def test_live_says_when_rows_are_of_another_table(monkeypatch):
    front = FrontEnd(monkeypatch)
    other = pd.DataFrame({"n": np.arange(50) % 4})
    fit(plots.Live("n", other, every=1e9), drawn=True)
    assert any("of another table" in text for text in words(front.displays[0][-1]))
    wide = TABLE.assign(g=[f"level {i % 90}" for i in range(len(TABLE))])
    encoder = TableEncoder().fit(wide)
    watched = plots.Live("g", wide, encoder=encoder)._watched
    with_fewer = TableEncoder().fit(TABLE)
    assert not plots.Live("g", TABLE, encoder=with_fewer)._watched.fits(encoder.encode(wide))
    assert watched.fits(encoder.encode(wide))


def test_live_checks_its_arguments():
    with pytest.raises(ParamError, match="go together"):
        plots.Live("n")
    with pytest.raises(ParamError, match="'nothing' is no column"):
        plots.Live("nothing", TABLE)
    with pytest.raises(ParamError, match="'every'"):
        plots.Live(every=-1.0)
    assert live_module._in_notebook() is False
