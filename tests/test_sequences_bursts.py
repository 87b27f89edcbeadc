"""Several rows at one time: visits with a measurement per row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer

PLAN = np.array([0, 7, 14, 28, 56, 84])
CODES = ("DIABP", "SYSBP", "TEMP")


def _study(patients: int = 120, seed: int = 0) -> pd.DataFrame:
    """Visits by a plan, give or take a day; three measurements at each, in order; patients leave after some visit."""
    rng = np.random.default_rng(seed)
    visits = rng.integers(2, len(PLAN) + 1, patients)
    who = np.repeat(np.arange(patients), visits)
    k = np.concatenate([np.arange(n) for n in visits])
    day = PLAN[k] + np.where(k > 0, rng.integers(-1, 2, len(k)), 0)
    level = rng.normal(0, 6, patients)[who]
    table = pd.DataFrame({"who": np.repeat(who, 3), "day": np.repeat(day, 3), "test": list(CODES) * len(who)})
    values = np.stack([75 + level, 125 + 1.5 * level, np.full(len(who), 36.6)], 1) + rng.normal(
        0, [3, 4, 0.2], (len(who), 3)
    )
    table["value"] = values.ravel().round(1)
    return table


@pytest.fixture(scope="module")
def fitted() -> tuple[SequenceSynthesizer, pd.DataFrame]:
    table = _study()
    return SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=150).fit(table), table


@pytest.fixture(scope="module")
def drawn(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> pd.DataFrame:
    return fitted[0].sample(300, seed=1)


def test_visits_are_complete_to_the_last(drawn: pd.DataFrame) -> None:
    visits = drawn.groupby(["who", "day"], sort=False)["test"].agg("|".join)
    assert (visits == "|".join(CODES)).mean() > 0.95
    last = visits.groupby("who", sort=False).last()
    assert (last == "|".join(CODES)).mean() > 0.9


def test_patients_have_as_many_visits_as_the_real_ones(
    fitted: tuple[SequenceSynthesizer, pd.DataFrame], drawn: pd.DataFrame
) -> None:
    shares = [t.groupby("who")["day"].nunique().value_counts(normalize=True) for t in (fitted[1], drawn)]
    assert shares[0].sub(shares[1], fill_value=0).abs().sum() / 2 < 0.15


def test_the_plan_of_visits_is_kept(drawn: pd.DataFrame) -> None:
    visits = drawn.drop_duplicates(["who", "day"])
    place = visits.groupby("who").cumcount().to_numpy()
    known = place < len(PLAN)
    off = (visits["day"].to_numpy() - visits.groupby("who")["day"].transform("first").to_numpy())[known]
    off = off - PLAN[place[known]]
    assert np.median(np.abs(off)) <= 1
    assert (np.abs(off) <= 3).mean() > 0.75


def test_lengths_that_are_asked_for_are_exact(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    assert (model.sample(20, length=7, seed=0).groupby("who").size() == 7).all()
    history = table[table["who"] < 10]
    assert (model.extend(history, 4, seed=0).groupby("who").size() == 4).all()


def test_gaps_in_the_data_are_filled(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    holes = table[table["who"] < 30].copy()
    holes.loc[holes.index % 4 == 0, "value"] = np.nan
    whole = model.impute(holes, seed=0)
    off = (whole["value"] - table["value"].loc[whole.index]).abs()[holes["value"].isna()]
    assert off.median() < 8  # the groups' means lie 40 apart


def test_files_keep_them(fitted: tuple[SequenceSynthesizer, pd.DataFrame], tmp_path: object) -> None:
    model, _ = fitted
    model.save(f"{tmp_path}/m.synthkit")
    again = SequenceSynthesizer.load(f"{tmp_path}/m.synthkit")
    pd.testing.assert_frame_equal(again.sample(20, seed=3), model.sample(20, seed=3))
