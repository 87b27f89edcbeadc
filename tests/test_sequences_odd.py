"""SequenceSynthesizer on odd tables: sound results, or errors that name the column and never print a value."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, SequenceSynthesizer
from synthkit.errors import ParamError, SchemaError
from synthkit.schema import Categorical, Numeric

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

SECRET = 314159  # a value that no message may show


def draw(entities: int = 30, each: int = 5, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(entities) + SECRET, each)
    return pd.DataFrame(
        {
            "who": who,
            "t": np.tile(np.arange(each), entities),
            "sex": np.repeat(rng.choice(["f", "m"], entities), each),
            "x": rng.normal(size=len(who)).round(2),
            "s": rng.choice(["on", "off"], len(who)),
        }
    )


def fit(table: pd.DataFrame, **options) -> SequenceSynthesizer:
    return SequenceSynthesizer(**{"entity": "who", "time": "t", "random_state": 0, "max_steps": 4, **options}).fit(
        table
    )


def check_use(table: pd.DataFrame, **options) -> pd.DataFrame:
    """What every table must allow; the table that was drawn."""
    synthesizer = fit(table, **options)
    got = synthesizer.sample(20, seed=1)
    assert list(got.columns) == list(table.columns) and (got.dtypes == table.dtypes).all()
    assert got["who"].nunique() == 20
    later = synthesizer.extend(table, 2, seed=1)
    assert (later.dtypes == table.dtypes).all() and len(later) == 2 * table["who"].nunique()
    filled = synthesizer.impute(table, seed=1)
    for name in table:
        assert filled[name].notna().all() or table[name].isna().all()
    return got


# -------------------------------------------------------------------- sound results
def test_one_row_per_entity():
    """Nothing is known of the time between rows."""
    synthesizer = fit(draw(40, 1))
    assert synthesizer.sample(20, seed=1)["who"].is_unique
    for use in (lambda: synthesizer.sample(5, length=2), lambda: synthesizer.extend(draw(40, 1), 1)):
        with pytest.raises(ParamError, match="second row"):
            use()
    assert len(fit(draw(40, 1).drop(columns="t"), time=None).sample(5, length=2, seed=1)) == 10


def test_two_entities_and_no_minimum_count():
    got = check_use(draw(2, 6), protect=None)
    assert set(got["s"]) <= {"on", "off"}


def test_no_moving_columns():
    got = check_use(draw()[["who", "t", "sex"]])
    assert (got.groupby("who")["t"].diff().dropna() == 1).all()


def test_no_context():
    check_use(draw()[["who", "t", "x", "s"]])


def test_key_and_time_alone():
    check_use(draw()[["who", "t"]])


def test_nulls_and_constants():
    table = draw()
    table["blank"], table["one"], table["gap"] = None, "always", table["x"].where(table["t"] > 0)
    table.loc[table["who"] == SECRET, ["x", "s"]] = None  # an entity of which nothing is known
    got = check_use(table)
    assert got["blank"].isna().all() and (got["one"] == "always").all()


def test_declared_context_leaves_the_rest_moving():
    table = draw().assign(born=lambda t: t["who"] % 7 + 1950)
    synthesizer = fit(table, context=["sex"])
    assert synthesizer.context_ == ("sex",) and set(synthesizer.moving_) == {"born", "x", "s"}


def test_a_schema_is_used():
    kinds = {"s": Categorical(categories=("on", "off", "broken")), "x": Numeric(decimals=2, low=-9.0, high=9.0)}
    schema = Schema.infer(draw(), entity="who", overrides=kinds)
    synthesizer = fit(draw(), entity=None, schema=schema)
    got = synthesizer.sample(10, where={"s": "broken"}, seed=1)
    assert (got["s"] == "broken").all() and got["x"].between(-9, 9).all()


def test_rows_without_a_time():
    """Children of a parent row: no order, any number of them."""
    table = draw(60, 4).drop(columns="t")
    table = table[np.random.default_rng(0).random(len(table)) < 0.8].reset_index(drop=True)
    synthesizer = fit(table, time=None)
    got = synthesizer.sample(50, seed=1)
    assert list(got.columns) == list(table.columns) and (got.dtypes == table.dtypes).all()
    assert got.groupby("who").size().between(1, 4).all()
    assert (synthesizer.sample(9, length=3, seed=1).groupby("who").size() == 3).all()
    assert len(synthesizer.extend(table, 2, seed=1)) == 2 * table["who"].nunique()
    with pytest.raises(ParamError, match="start"):
        synthesizer.sample(5, start=3)


def test_equal_times_keep_the_order_of_the_table():
    table = draw().assign(t=lambda t: t["t"] // 2)
    synthesizer = fit(table)
    steps = synthesizer.sample(40, seed=1).groupby("who")["t"].diff().dropna()
    assert (steps >= 0).all() and (steps == 0).any()
    a, b = (synthesizer.extend(t, 2, seed=1) for t in (table, table.sort_values("t", kind="stable")))
    pd.testing.assert_frame_equal(a, b)


def test_more_entities_than_a_block():
    synthesizer = fit(draw(each=3))
    got = synthesizer.sample(4097, seed=1)
    assert got["who"].nunique() == 4097 and got["who"].dtype == "int64"
    assert len(got.drop_duplicates(["who", "sex"])) == 4097
    assert (got["who"] != got["who"].shift()).sum() == 4097


# -------------------------------------------------------------------- errors
def moved(name: str) -> pd.DataFrame:
    table = draw()
    table[name] = table[name].astype(object)
    table.loc[3, name] = None
    return table


def zones() -> pd.DataFrame:
    table = draw()
    hour = dt.timezone(dt.timedelta(hours=1))
    zone = [dt.UTC if k % 2 else hour for k in range(len(table))]
    return table.assign(t=[dt.datetime(2020, 1, 1 + k, tzinfo=z) for k, z in zip(table["t"], zone, strict=True)])


ERRORS: dict[str, tuple[type[Exception], str, pd.DataFrame, dict]] = {
    "entity missing": (SchemaError, "'patient'", draw(), {"entity": "patient"}),
    "time missing": (SchemaError, "'visit'", draw(), {"time": "visit"}),
    "no entity": (SchemaError, "'entity'", draw(), {"entity": None}),
    "entity is time": (ParamError, "'time'", draw(), {"time": "who"}),
    "one entity": (SchemaError, "'who'", draw(1), {}),
    "no rows": (SchemaError, "no rows", draw()[:0], {}),
    "entity with nulls": (SchemaError, "'who'", moved("who"), {}),
    "time with nulls": (SchemaError, "'t'", moved("t"), {}),
    "time is text": (SchemaError, "'s'", draw(), {"time": "s"}),
    "time is boolean": (SchemaError, "'x'", draw().assign(x=True), {"time": "x"}),
    "mixed zones": (SchemaError, "'t'", zones(), {}),
    "context varies": (SchemaError, "'x'", draw(), {"context": ["sex", "x"]}),
    "context missing": (SchemaError, "'born'", draw(), {"context": ["born"]}),
    "context is the key": (SchemaError, "'who'", draw(), {"context": ["who"]}),
    "context is one text": (ParamError, "'context'", draw(), {"context": "sex"}),
    "a reserved name": (SchemaError, "(gap)", draw().rename(columns={"x": "(gap)"}), {}),
    "two columns of a name": (SchemaError, "'sex'", draw().rename(columns={"x": "sex"}), {}),
    "no table": (SchemaError, "'table'", draw().to_numpy(), {}),
    "another model": (ParamError, "'model'", draw(), {"model": "trees"}),
    "no time left": (ParamError, "'max_seconds'", draw(), {"max_seconds": 0}),
    "no steps": (ParamError, "'max_steps'", draw(), {"max_steps": 0}),
    "no seed": (ParamError, "'random_state'", draw(), {"random_state": -1}),
    "infinite": (SchemaError, "'x'", draw().assign(x=np.inf), {}),
    "infinite time": (SchemaError, "'t'", draw().assign(t=np.inf), {}),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_learnt_is_said(case):
    error, words, table, options = ERRORS[case]
    with pytest.raises(error) as caught:
        fit(table, **options)
    text = str(caught.value)
    assert words in text and ("SequenceSynthesizer" in text or "infinite" in text)
    assert not any(secret in text for secret in (str(SECRET)[:4], "off", "2020"))


def test_a_history_that_does_not_fit_is_refused():
    table = draw()
    synthesizer = fit(table)
    for bad in (
        table.drop(columns="x"),
        table.drop(columns="who"),
        table.drop(columns="t"),
        table.assign(x="word"),
        moved("t"),
        "no table",
    ):
        for use in (lambda given: synthesizer.extend(given, 1), synthesizer.impute):
            with pytest.raises(SchemaError) as caught:
                use(bad)
            assert str(SECRET)[:4] not in str(caught.value)


def test_histories_of_a_context_that_training_never_saw_go_on():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 4)
    table = pd.DataFrame({"who": who, "day": np.tile(np.arange(4), 60), "x": rng.normal(size=240).round(2)})
    table["town"] = np.array(["a", "b", "c"])[who % 3]
    model = SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=5).fit(table)
    history = table[table["who"] < 3].assign(town="elsewhere")
    more = model.extend(history, 2, seed=0)
    assert (more["town"] == "elsewhere").all() and len(more) == 6 and more["x"].notna().all()
