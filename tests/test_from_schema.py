"""Rows from a schema alone: valid, by the rules, repeatable; and what a schema must say for that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, TabularSynthesizer, between, from_schema, isnull
from synthkit.errors import ConditionError, ParamError, SchemaError
from synthkit.pii.banking import iban_holds
from synthkit.rules import Combination, Determines, Ordered, Sum
from synthkit.schema import (
    Boolean,
    Categorical,
    Constant,
    Datetime,
    Duration,
    Empty,
    Identifier,
    Numeric,
    Personal,
    Text,
)

COLUMNS = {
    "key": Identifier(pattern=r"P-\d{5}"),
    "n": Numeric(integer=True, low=-5, high=5),
    "x": Numeric(low=0.0, high=2.0, decimals=2),
    "grade": Categorical(categories=("a", "b", "c")),
    "label": Categorical(categories=("low", "mid", "top")),
    "ok": Boolean(),
    "first": Datetime(low="2020-01-01", high="2020-12-31"),
    "last": Datetime(low="2020-01-01", high="2021-12-31"),
    "p": Numeric(integer=True, low=0, high=50),
    "q": Numeric(integer=True, low=0, high=50),
    "sum": Numeric(integer=True, low=0, high=100),
    "email": Personal(kind="email"),
    "first_name": Personal(kind="first_name"),
    "konto": Personal(kind="iban", locale="de"),
    "note": Text(),
    "unit": Constant(value="mg"),
    "void": Empty(),
}
RULES = [
    Ordered("first", "last"),
    Determines("grade", "label", pairs=(("a", "low", 1), ("b", "mid", 1), ("c", "top", 1))),
    Sum(("p", "q"), "sum"),
]
SCHEMA = Schema(COLUMNS, rules=RULES)


@pytest.fixture(scope="module")
def synthesizer() -> TabularSynthesizer:
    weights = {"grade": {"a": 8, "b": 2}, "ok": {True: 1, False: 3}}
    return from_schema(SCHEMA, null_rates={"n": 0.3, "email": 0.5, "void": 1.0}, weights=weights)


def test_rows_are_valid_and_keep_the_rules(synthesizer):
    table = synthesizer.sample(2000, seed=0)
    synthesizer.schema_.validate(table)
    assert list(table) == list(COLUMNS) and table["key"].str.fullmatch(r"P-\d{5}").all() and table["key"].is_unique
    assert (table["first"] <= table["last"]).all() and (table["p"] + table["q"] == table["sum"]).all()
    assert (table["label"] == table["grade"].map({"a": "low", "b": "mid", "c": "top"})).all()
    assert abs(table["n"].isna().mean() - 0.3) < 0.05 and abs(table["email"].isna().mean() - 0.5) < 0.05
    assert abs((table["grade"] == "a").mean() - 0.8) < 0.05 and not (table["grade"] == "c").any()
    assert abs(table["ok"].mean() - 0.25) < 0.05 and table["void"].isna().all() and (table["unit"] == "mg").all()
    assert iban_holds(table["konto"].tolist()).all() and table["konto"].str.startswith("DE").all()
    there = table.dropna(subset=["email"])
    assert all(m.startswith(f.lower()) for f, m in zip(there["first_name"], there["email"], strict=True))


def test_numbers_are_uniform_between_their_bounds():
    table = from_schema(Schema({"n": COLUMNS["n"], "x": COLUMNS["x"]})).sample(20_000, seed=0)
    share = table["n"].value_counts(normalize=True)
    assert len(share) == 11 and np.abs(share - 1 / 11).max() < 0.01
    assert abs(table["x"].mean() - 1) < 0.02 and abs(table["x"].std() - 2 / np.sqrt(12)) < 0.02
    assert (table["x"].round(2) == table["x"]).all()


def test_same_seed_same_rows_and_files_too(synthesizer, tmp_path):
    table = synthesizer.sample(100, seed=5)
    pd.testing.assert_frame_equal(from_again().sample(100, seed=5), from_again().sample(100, seed=5))
    assert not synthesizer.sample(100, seed=6).equals(table) and synthesizer.sample(0, seed=1).shape == (0, 17)
    synthesizer.save(tmp_path / "s.synthkit")
    pd.testing.assert_frame_equal(TabularSynthesizer.load(tmp_path / "s.synthkit").sample(100, seed=5), table)


def from_again() -> TabularSynthesizer:
    return from_schema(Schema.from_dict(SCHEMA.to_dict()), null_rates={"p": 0.1})


def test_conditions_hold(synthesizer):
    where = {"n": between(2, 4), "grade": "b", "email": isnull(), "last": between("2021-06-01", None)}
    table = synthesizer.sample(80, where=where, seed=0)
    assert table["n"].between(2, 4).all() and (table["label"] == "mid").all() and table["email"].isna().all()
    assert (table["last"] >= "2021-06-01").all()
    with pytest.raises(ConditionError):
        synthesizer.sample(5, where={"n": 99}, seed=0)


def test_a_column_that_may_have_gaps_has_some():
    table = from_schema(Schema({"n": Numeric(low=0, high=1, nullable=True)})).sample(3000, seed=0)
    assert 0.07 < table["n"].isna().mean() < 0.13


def test_dtypes_of_keys_and_numbers_are_the_declared_ones():
    real = pd.DataFrame({"id": np.arange(50) + 1000, "phone": np.arange(50) + 2_125_550_000})
    schema = Schema.infer(real, phone=Personal(kind="phone"))
    table = from_schema(schema).sample(30, seed=0)
    assert (table.dtypes == real.dtypes).all() and table["id"].is_unique


def test_an_entity_is_a_key_whatever_its_type():
    table = from_schema(Schema({"who": Categorical(), "n": COLUMNS["n"]}, entity="who")).sample(50, seed=0)
    assert table["who"].is_unique and table["who"].notna().all()


def test_what_only_data_could_tell_is_named_at_once():
    open_ = {"a": Numeric(), "b": Categorical(), "c": Duration(), "d": Datetime(low="2020-01-01"), "e": Personal()}
    with pytest.raises(SchemaError, match=r"5 column.*'a' \(Numeric needs 'low'.*'c' \(Duration.*'e' \(Personal needs"):
        from_schema(Schema({**open_, "ok": Boolean()}))
    with pytest.raises(SchemaError, match="needs 'pairs'"):
        from_schema(Schema(COLUMNS, rules=[Determines("grade", "label")]))
    with pytest.raises(SchemaError, match="needs 'seen'"):
        from_schema(Schema(COLUMNS, rules=[Combination(["grade", "label"])]))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"null_rates": {"nope": 0.1}}, "names 'nope'"),
        ({"null_rates": {"n": 1.5}}, "must be in"),
        ({"null_rates": {"void": 0.5}}, "is Empty"),
        ({"weights": {"n": {1: 1}}}, "no Categorical or Boolean"),
        ({"weights": {"grade": {"z": 1}}}, "must map its values"),
        ({"weights": {"grade": {"a": -1}}}, "must be >= 0"),
        ({"weights": {"grade": {"a": 0}}}, "not all 0"),
    ],
)
def test_arguments_are_checked(more, message):
    with pytest.raises(ParamError, match=message):
        from_schema(SCHEMA, **more)
    with pytest.raises(ParamError, match="'schema'"):
        from_schema({"a": 1})
