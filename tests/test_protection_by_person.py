"""What one person alone has stays out of the codec and of drawn rows, however many rows it is in, or what it weighs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Protection, TabularSynthesizer
from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError, SchemaError
from synthkit.rules import Determines
from synthkit.schema import Datetime, Identifier, Numeric, Schema
from synthkit.transforms.counts import CAP, NumberCounts

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")


def test_a_boolean_of_few_is_a_rare_category():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=400), "ill": np.arange(400) < 2})
    synthesizer = TabularSynthesizer("independent", random_state=0).fit(table)
    assert not synthesizer.sample(20_000, seed=0)["ill"].any()
    assert synthesizer.protection_.columns["ill"] == {"categories": "fewer than 5", "merged": "fewer than 5"}
    with pytest.raises(ConditionError, match="ill"):
        synthesizer.sample(3, where={"ill": True})
    open_ = TabularSynthesizer("independent", protect=None, random_state=0).fit(table)
    assert open_.sample(20_000, seed=0)["ill"].any()


def test_a_boolean_counts_persons():
    who = np.repeat(np.arange(100), 5)
    table = pd.DataFrame({"who": who, "ill": who < 3})  # fifteen rows of three persons
    encoder = TableEncoder(entity="who").fit(table)
    assert encoder.transformers_["ill"].known.tolist() == [True, False]
    again = TableEncoder.from_state(*encoder.to_state())
    assert not again.decode(encoder.encode(table))["ill"].any()


def test_the_one_value_of_a_few_filled_booleans_is_not_kept():
    table = pd.DataFrame({"x": np.arange(200.0), "ill": pd.array([True] * 2 + [None] * 198, dtype="boolean")})
    encoder = TableEncoder().fit(table)
    assert not encoder.decode(encoder.encode(table))["ill"].fillna(False).any()


def stored(encoder: TableEncoder, name: str) -> np.ndarray:
    """Every number that the codec of a column keeps."""
    return np.concatenate([np.ravel(a).astype(float) for a in encoder.transformers_[name].to_state()[1].values()])


def test_a_heavy_row_is_no_mean():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(0, 1, 500), "w": 1.0})
    at = np.argsort(table["x"].to_numpy())[[100, 250, 470]]  # in the middle, and in a tail
    table.loc[at, "w"] = 1e7
    kept = stored(TableEncoder(weight="w").fit(table), "x")
    assert np.abs(kept[:, None] - table["x"].to_numpy()[at]).min() > 1e-4


def test_weights_have_no_unit():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"x": rng.lognormal(3, 1, 800), "w": rng.uniform(0.5, 1.5, 800)})
    large = table.assign(w=table["w"] * 4096)
    one, other = (stored(TableEncoder(weight="w").fit(t), "x") for t in (table, large))
    assert np.allclose(one, other)


def test_crowded_numbers_still_count_persons():
    counts, rows = NumberCounts(), 2 * CAP + 5000
    values = np.concatenate([np.arange(rows) + 0.25, np.full(500, 77.125)])
    owner = np.concatenate([np.arange(rows), np.full(500, 3)])
    counts.update(values, entity=owner)
    assert counts.crowded
    assert counts.support[counts.values == 77.125].tolist() == [1.0]
    assert counts.voice.sum() == pytest.approx(rows)
    counts.update(np.full(4, 77.125), entity=np.array([9, 9, 10, 11]))
    assert counts.support[counts.values == 77.125].tolist() == [4.0]


def test_dates_that_are_mostly_one_persons():
    """A date that one person has three hundred times is not where a mean of five persons' weeks lies."""
    rng = np.random.default_rng(0)
    who, away = np.concatenate([np.arange(400), np.full(300, 400)]), []
    for day in range(2_000, 18_000, 1_600):
        days = np.concatenate([rng.integers(0, 20_000, 400), np.full(300, day)])
        table = pd.DataFrame({"who": who, "d": pd.Timestamp("1970-01-01") + pd.to_timedelta(days, "D")})
        encoder = TableEncoder(Schema({"who": Identifier(), "d": Datetime()}, entity="who")).fit(table)
        knots = encoder.transformers_["d"].to_state()[1]["law.lo"]
        away.append(np.abs(knots - (day + 3) // 7).min())
    assert encoder.transformers_["d"].mode == "week"
    assert np.mean(away) > 2


def test_a_beginning_of_one_persons_keys_is_not_theirs_alone():
    keys = [f"CLM-SMITH-{i:03d}" for i in range(40)] + [None] * 200
    table = pd.DataFrame({"who": [0] * 40 + list(range(1, 201)), "x": np.arange(240.0), "claim": keys})
    schema = Schema({"who": Identifier(), "x": Numeric(), "claim": Identifier()}, entity="who")
    made = TabularSynthesizer("independent", schema=schema, random_state=0).fit(table).sample(500, seed=0)
    assert not made["claim"].dropna().str.contains("SMITH").any()


def test_a_pattern_has_an_end():
    with pytest.raises(SchemaError, match="1000"):
        TabularSynthesizer("independent", schema=Schema({"k": Identifier(pattern="[A-Z]{999999999}")})).fit(
            pd.DataFrame({"k": ["A", "B"]})
        )


def test_rules_make_no_rare_combination():
    """A repaired cell is a quasi-identifier's: the combination is judged after the repair."""
    rng = np.random.default_rng(0)
    city = rng.choice(["Ulm", "Bonn", "Kiel"], 900)
    table = pd.DataFrame({"city": city, "region": pd.Series(city).map({"Ulm": "S", "Bonn": "W", "Kiel": "N"})})
    table["sex"] = np.where(city == "Kiel", "f", rng.choice(["f", "m"], 900))  # nobody in the north is "m"
    protect = Protection(quasi_identifiers=("region", "sex"))
    made = TabularSynthesizer("independent", protect=protect, rules=[Determines("city", "region")], random_state=0)
    drawn = made.fit(table).sample(2000, seed=0)
    assert Determines("city", "region").holds(drawn).all()
    assert set(zip(drawn["region"], drawn["sex"], strict=True)) <= set(zip(table["region"], table["sex"], strict=True))


def test_given_rare_combinations_stay_and_cost_no_rounds():
    city = np.repeat(["Ulm", "Bonn"], 200)
    table = pd.DataFrame({"city": city, "region": np.repeat(["S", "W"], 200), "x": np.arange(400.0)})
    table["sex"] = np.where(table["region"] == "W", "f", np.tile(["f", "m"], 200))
    protect = Protection(quasi_identifiers=("region", "sex"))
    made = TabularSynthesizer("independent", protect=protect, rules=[Determines("city", "region")], random_state=0)
    gaps = pd.DataFrame({"city": ["Bonn"] * 9, "region": ["W"] * 9, "x": [np.nan] * 9, "sex": ["m"] * 9})
    filled = made.fit(table).impute(gaps, seed=0)
    assert filled["sex"].eq("m").all() and filled["region"].eq("W").all() and filled["x"].notna().all()
