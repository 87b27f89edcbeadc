"""What a column can show between its knots and on its grid, what answers in one step, how sure a law of few rows is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer
from synthkit.series.base import Channels
from synthkit.series.closed import ClosedForm
from synthkit.series.knots import Knots, find_knots
from synthkit.series.state_space import LinearLaw
from synthkit.series.texture import Texture


def walk(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=rows).cumsum()


def ar(rows: int, seed: int) -> np.ndarray:
    e, x = np.random.default_rng(seed).normal(size=rows), np.zeros(rows)
    for t in range(1, rows):
        x[t] = 0.8 * x[t - 1] + e[t]
    return x


def test_knots_of_lines_and_of_standing_values_are_found():
    rows = np.arange(4, 1204)
    at = rows // 6 * 6
    coarse = np.round(walk(210), 1)
    place = at // 6
    lines = coarse[place] + (rows - at) / 6 * (coarse[place + 1] - coarse[place])
    assert find_knots(lines, rows) == Knots(6, 0, False, 1)
    assert find_knots(coarse[place], rows) == Knots(6, 0, True, 1)
    assert find_knots(walk(1200), rows) is None and find_knots(np.ones(1200), rows) is None
    rough = walk(1200)[None]
    for knots in (Knots(6, 0, False, 1), Knots(6, 0, True, 1)):
        made = knots.apply(rough, rows[None])
        kept = knots.at(rows)
        assert np.array_equal(made[0, kept], np.round(rough[0, kept], 1))
        assert find_knots(made[0], rows) == knots


def test_drawn_paths_have_the_knots_of_the_column(tmp_path):
    hours = ar(91, 1)
    x = np.interp(np.arange(540) / 6, np.arange(91), hours)
    times = pd.date_range("2024-01-01", periods=540, freq="10min")
    table = pd.DataFrame({"at": times, "hourly": x, "each": ar(540, 2)})
    SequenceSynthesizer(time="at", random_state=0).fit(table).save(tmp_path / "model.sk")
    drawn = SequenceSynthesizer.load(tmp_path / "model.sk").sample(length=200, seed=3)
    bend = drawn["hourly"].diff().diff().shift(-1).abs() > 1e-9
    assert bend.sum() > 20 and (drawn["at"][bend].dt.minute == 0).all()
    assert (drawn["each"].diff().diff().abs() > 1e-9).mean() > 0.9


def test_what_goes_on_between_two_knots_keeps_to_them():
    times = pd.date_range("2024-01-01", periods=600, freq="10min")
    held = np.repeat(ar(100, 1), 6).round(2)
    line = np.interp(np.arange(600) / 6, np.arange(101), ar(101, 2).round(2))
    table = pd.DataFrame({"at": times, "held": held, "line": line, "each": ar(600, 3)})
    history = table.head(452)  # two rows after a full hour
    synthesizer = SequenceSynthesizer(time="at", random_state=0).fit(table)
    empty = table.head(464).copy()
    empty.loc[452:, ["held", "line", "each"]] = np.nan
    filled = synthesizer.impute(empty, n=20, seed=1).groupby(level="imputation").tail(12)
    paths = [filled.groupby(level="imputation"), synthesizer.extend(history, 12, n=20, seed=1).groupby(level="draw")]
    for path in (path for each in paths for _, path in each):
        assert (path["held"].iloc[:4] == history["held"].iloc[-1]).all()
        whole = np.append(history["line"].iloc[-1], path["line"].iloc[:5])
        assert np.ptp(np.diff(whole)) < 1e-9, "one line to the next full hour"


def test_steps_on_a_grid_stay_small_where_many_rows_stand_still():
    rng = np.random.default_rng(0)
    x = 10 * np.round(6 + ar(4000, 5)) + 0.0
    held = np.where(rng.random(4000) < 0.3, np.nan, x)
    real = pd.Series(held).ffill().bfill().to_numpy()[:, None]
    drawn = (60 + 10 * ar(4000, 6))[None, :, None]
    texture = Texture()
    texture.learn_atoms(real, [0], 1)
    texture.learn_stillness(real, drawn, [0], [], np.zeros(1, np.int64))
    shown = drawn.copy()
    texture.apply(shown, np.arange(4000)[None], 0)
    step, own = np.diff(shown[0, :, 0]), np.diff(real[:, 0])
    assert set(np.unique(shown)) <= set(np.unique(real))
    assert (step == 0).mean() == pytest.approx((own == 0).mean(), abs=0.03)
    assert (np.abs(step) == 10).mean() > 0.1


def test_intervals_of_gaps_in_few_rows_are_wide_enough():
    start, level, group = np.zeros(1, np.int64), np.ones(1, bool), np.zeros(1, np.int64)
    off = []
    for seed in range(12):
        x = ar(250, seed)[50:]
        hide = np.random.default_rng(seed + 1000).random(200) < 0.1
        y = np.where(hide, np.nan, x)[:, None]
        gap = LinearLaw.fit(y, start, level, group, 0, seed).gap(y, start)
        off.append((x[gap.rows] - gap.mean) / gap.spread)
    assert 0.9 < np.concatenate(off).std() < 1.08


def test_a_volume_answers_to_the_whole_move_and_not_to_its_parts():
    """Gap and body turn back on each other where the volume is low: scales of the parts say nothing of it."""
    rng = np.random.default_rng(0)
    gap, noise = rng.normal(size=700), rng.normal(size=700)
    body = rng.choice([-0.9, 0.9], 700) * gap + 0.44 * rng.normal(size=700)
    size = np.abs(gap + body)
    x = np.stack([gap, body, 0.6 * (size - size.mean()) / size.std() + 0.8 * noise], 1)
    about = Channels(
        ("gap", "body", "volume"),
        np.array([False, False, True]),
        np.zeros(3, np.int64),
        np.arange(3),
        move=np.array([1.0, 1.0, 0.0]),
        told=np.array([False, False, True]),
    )
    law = ClosedForm.fit(x, None, np.zeros(1, np.int64), about)
    drawn = law.draw(4, 700, seed=1)
    found = np.corrcoef(drawn[..., 2].ravel(), np.abs(drawn[..., :2].sum(-1)).ravel())[0, 1]
    assert found == pytest.approx(0.6, abs=0.15)
    assert drawn[..., 2].std() == pytest.approx(1.0, abs=0.1)

    one, two = (law._state(5, None, None)[0] for _ in range(2))
    z = 0.5 * rng.normal(size=(5, 3))
    c, _ = law.take_step(one, *law._next(one, None), z)
    assert law.undo_step(two, *law._next(two, None), c) == pytest.approx(z, abs=1e-4)
