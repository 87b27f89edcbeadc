"""Columns that grow with the clock: ages at visits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, SequenceSynthesizer, between
from synthkit.errors import ConditionError
from synthkit.sequences import SequenceEncoder

YEAR = 365.25


def _visits(entities: int = 150, seed: int = 0, dated: bool = False) -> pd.DataFrame:
    """Age in whole years at visits that lie about a year apart; a pressure that follows the age; a flag that rises."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(2, 6, entities)
    who = np.repeat(np.arange(entities), rows)
    gaps = rng.integers(300, 440, len(who))
    starts = np.cumsum(rows) - rows
    gaps[starts] = 0
    day = np.cumsum(gaps) - np.repeat(np.cumsum(gaps)[starts], rows)
    born = rng.uniform(30, 70, entities)
    age = np.floor(born[who] + day / YEAR).astype(int)
    flag = (day > rng.integers(200, 4000, entities)[who]).astype(int)
    table = pd.DataFrame({"who": who, "day": day, "age": age, "mmhg": np.round(80 + age + rng.normal(0, 5, len(who)))})
    table["flag"] = flag
    if dated:
        table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(table["day"], unit="D")
    return table


def _breaks(table: pd.DataFrame) -> int:
    """Entities whose ages no birthday explains."""
    day = table["day"]
    days = (day - pd.Timestamp("2020-01-01")).dt.days if day.dtype.kind == "M" else day
    at = table["age"] - days / YEAR
    low, high = at.groupby(table["who"]).max(), (at + 1).groupby(table["who"]).min()
    return int((low >= high + 1e-6).sum())


@pytest.fixture(scope="module", params=[False, True], ids=["numbers", "dates"])
def fitted(request: pytest.FixtureRequest) -> tuple[SequenceSynthesizer, pd.DataFrame]:
    table = _visits(dated=request.param)
    return SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=60).fit(table), table


def test_an_age_follows_the_clock_exactly(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    assert set(model.encoder_.ageing_) == {"age"}
    drawn = model.sample(300, seed=1)
    assert _breaks(drawn) == 0
    assert drawn["age"].dtype == table["age"].dtype
    first = drawn.groupby("who")["age"].first()
    assert abs(first.mean() - table.groupby("who")["age"].first().mean()) < 2.5
    # what follows from the age still does
    assert np.corrcoef(drawn["age"], drawn["mmhg"])[0, 1] > 0.7


def test_continuations_go_on_from_the_birthday(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    history = table[table["who"] < 40]
    both = pd.concat([history, model.extend(history, 4, seed=0)])
    assert _breaks(both) == 0


def test_filled_ages_fit_their_neighbours(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    holes = table.astype({"age": "float64"})
    holes.loc[holes.index % 3 == 1, "age"] = np.nan
    whole = model.impute(holes, seed=0)
    assert not whole["age"].isna().any()
    assert _breaks(whole) == 0
    known = holes["age"].notna()
    assert (whole["age"] == holes["age"])[known].all()


def test_a_lower_bound_holds_in_every_row_and_others_are_refused(
    fitted: tuple[SequenceSynthesizer, pd.DataFrame],
) -> None:
    model, _ = fitted
    assert (model.sample(60, where={"age": between(60, None)}, seed=0)["age"] >= 60).all()
    for rule in (between(50, 60), between(None, 60), 55, [50, 51]):
        with pytest.raises(ConditionError, match="'age'"):
            model.sample(5, where={"age": rule})


def test_context_gives_the_age_at_the_first_row(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, _ = fitted
    drawn = model.sample(context=pd.DataFrame({"age": [40, 50, 60]}), seed=0)
    assert drawn.groupby("who", sort=False)["age"].first().tolist() == [40, 50, 60]


def test_rules_survive_files(fitted: tuple[SequenceSynthesizer, pd.DataFrame], tmp_path: object) -> None:
    model, _ = fitted
    model.save(f"{tmp_path}/m.synthkit")
    again = SequenceSynthesizer.load(f"{tmp_path}/m.synthkit")
    pd.testing.assert_frame_equal(again.sample(20, seed=3), model.sample(20, seed=3))


def test_what_does_not_follow_the_clock_is_no_age() -> None:
    table = _visits()
    rng = np.random.default_rng(1)
    off = table.copy()
    off["age"] += rng.integers(0, 4, len(off))  # too noisy
    found = SequenceEncoder(entity="who", time="day").fit(off).ageing_
    assert not found  # neither the noisy age nor the flag that rises once
    gaps = table.astype({"age": "float64"})
    gaps.loc[3, "age"] = np.nan  # what it lacks has to be learnt
    assert not SequenceEncoder(entity="who", time="day").fit(gaps).ageing_


@pytest.mark.parametrize(("rate", "digits"), [(1 / 7, 0), (-1 / 30, 1), (1.0, 0), (0.31, 2)])
def test_other_rates_and_grids_are_found(rate: float, digits: int) -> None:
    table = _visits()
    begins = np.random.default_rng(2).uniform(900, 2000, 150)[table["who"]]
    table["age"] = np.floor((begins + rate * table["day"]) * 10**digits + 1e-9) / 10**digits
    encoder = SequenceEncoder(Schema.infer(table, entity="who"), entity="who", time="day").fit(table)
    assert set(encoder.ageing_) == {"age"}
    assert encoder.ageing_["age"].rate == pytest.approx(rate * 10**digits, rel=2e-3)
