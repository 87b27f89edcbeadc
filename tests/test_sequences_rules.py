"""Row rules of a schema in records over time: kept between context columns, else refused."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, SequenceSynthesizer
from synthkit.errors import SynthkitWarning
from synthkit.rules import Ordered, Sum


def patients(n: int = 150, seed: int = 0) -> pd.DataFrame:
    """Three or four visits a patient; onset, diagnosis and the years between them add up, in random order of size."""
    rng = np.random.default_rng(seed)
    onset, wait = rng.integers(20, 60, n), rng.integers(0, 15, n)
    rows = rng.integers(3, 5, n)
    who = np.repeat(np.arange(n), rows)
    day = np.concatenate([np.arange(k) for k in rows])
    low = rng.normal(70, 8, len(who)).round()
    return pd.DataFrame(
        {
            "who": who,
            "day": day,
            "onset": onset[who],
            "wait": wait[who],
            "diagnosis": (onset + wait)[who],
            "low": low,
            "high": low + rng.integers(20, 60, len(who)),
        }
    )


KEYS = {"entity": "who", "time": "day"}
STATIC = (Sum(("onset", "wait"), "diagnosis"), Ordered("onset", "diagnosis"))


@pytest.fixture(scope="module")
def fitted() -> SequenceSynthesizer:
    table = patients()
    schema = dataclasses.replace(Schema.infer(table, rules=False), rules=STATIC)
    return SequenceSynthesizer(schema=schema, random_state=0, max_steps=40, **KEYS).fit(table)


def keeps(table: pd.DataFrame) -> bool:
    return bool((table["onset"] + table["wait"] == table["diagnosis"]).all())


def test_rules_of_context_hold_in_drawn_filled_and_continued_rows(fitted):
    assert keeps(fitted.sample(300, seed=1))
    assert keeps(fitted.sample(50, where={"onset": 40}, seed=2))
    fresh = patients(30, 5)
    fresh["who"] += 1000
    assert keeps(fitted.extend(fresh, 2, seed=3))
    holes = fresh.assign(wait=fresh["wait"].astype(float), diagnosis=fresh["diagnosis"].astype(float))
    holes.loc[holes["who"] % 3 == 0, "diagnosis"] = np.nan
    holes.loc[holes["who"] % 3 == 1, ["wait", "diagnosis"]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = fitted.impute(holes, seed=4)
    assert not filled.isna().any(axis=None) and keeps(filled)


def test_they_are_not_kept_by_chance():
    schema = Schema.infer(patients(), rules=False)
    free = SequenceSynthesizer(schema=schema, random_state=0, max_steps=40, **KEYS).fit(patients())
    assert not keeps(free.sample(300, seed=1))


def test_rules_outlive_a_file(fitted, tmp_path):
    fitted.save(tmp_path / "model.synthkit")
    again = SequenceSynthesizer.load(tmp_path / "model.synthkit")
    assert again.sample(40, seed=6).equals(fitted.sample(40, seed=6)) and len(again.entities_.schema_.rules) == 2


@pytest.mark.parametrize(
    ("rule", "column"),
    [(Ordered("low", "high"), "low"), (Ordered("onset", "high"), "high"), (Ordered("day", "onset"), "day")],
)
def test_other_rules_are_warned_of(rule, column):
    table = patients(40)
    schema = dataclasses.replace(Schema.infer(table, rules=False), rules=(rule,))
    with pytest.warns(SynthkitWarning, match=f"Ordered.*'{column}' is no context column"):
        SequenceSynthesizer(schema=schema, max_steps=5, **KEYS).fit(table)
