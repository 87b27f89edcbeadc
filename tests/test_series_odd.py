"""Odd tables of series: what is short, constant, empty, mixed or of another kind is modelled, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthkit import Schema, SequenceSynthesizer, SeriesImputer, io
from synthkit.errors import ParamError, SchemaError

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")


def table(rows: int = 300, seed: int = 0, phi: float = 0.8) -> pd.DataFrame:
    """A price, and a level that returns to its mean; a row a day."""
    rng = np.random.default_rng(seed)
    x = np.zeros(rows)
    for t in range(1, rows):
        x[t] = phi * x[t - 1] + rng.normal()
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    return pd.DataFrame({"day": pd.date_range("2022-01-01", periods=rows), "price": price, "x": x})


def fitted(real: pd.DataFrame, model: str = "auto", **options: object) -> SequenceSynthesizer:
    return SequenceSynthesizer(model, time="day", random_state=0, **options).fit(real)  # type: ignore[arg-type]


# -------------------------------------------------------------------- short
@pytest.mark.parametrize("model", ["autoregressive", "bootstrap"])
@pytest.mark.parametrize("rows", [60, 75, 130])
def test_series_shorter_than_the_memory_are_learnt(rows, model):
    real = table(rows, phi=0.3)  # so few rows tell no more persistent level from a random walk
    synthesizer = fitted(real, model)
    drawn = synthesizer.sample(length=400, n=2, seed=1)
    assert len(drawn) == 800 and np.isfinite(drawn[["price", "x"]].to_numpy()).all()
    assert drawn["price"].between(real["price"].min() / 4, real["price"].max() * 4).all()
    assert np.abs(drawn["x"] - real["x"].mean()).max() < 3 * np.abs(real["x"] - real["x"].mean()).max()


def test_fewer_rows_are_refused():
    with pytest.raises(SchemaError, match="59 rows are too few"):
        fitted(table(59))
    with pytest.raises(SchemaError, match="no rows"):
        fitted(table().head(0))


def test_a_history_of_a_row_goes_on():
    real = table()
    synthesizer = fitted(real)
    for rows in (1, 3):
        ahead = synthesizer.extend(real.tail(rows), 4, n=50, seed=1)
        assert ahead.loc[0, "day"].tolist() == list(pd.date_range(real["day"].iloc[-1], periods=5)[1:])
        first = ahead["price"].groupby(level="draw").first()
        assert np.abs(np.log(first / real["price"].iloc[-1])).max() < 0.1
    entities = pd.concat([real.drop(columns="day").assign(who=who) for who in "ab"])
    long = SequenceSynthesizer(entity="who", random_state=0).fit(entities)
    for given, none in ((synthesizer, real.head(0)), (long, entities.head(0))):
        with pytest.raises(SchemaError, match="no rows"):
            given.extend(none, 3)


def test_a_history_goes_on_after_its_last_row_however_few_follow_a_hole():
    real = table()
    synthesizer = fitted(real)
    for rows in (1, 8):
        late = pd.concat([real.iloc[100:200], real.iloc[300 - rows :]])
        ahead = synthesizer.extend(late, 3, seed=1)
        assert ahead["day"].tolist() == list(pd.date_range(real["day"].iloc[-1], periods=4)[1:])
        assert abs(np.log(ahead["price"].iloc[0] / real["price"].iloc[-1])) < 0.1


def test_more_columns_than_rows_can_tell():
    wide = pd.concat({k: table(70, k)["price"] for k in range(30)}, axis=1).rename(columns=str)
    drawn = SequenceSynthesizer(random_state=0).fit(wide).sample(length=100, seed=1)
    assert np.isfinite(drawn.to_numpy()).all() and (drawn > 0).all().all()


# -------------------------------------------------------------------- constant, empty, copied
def test_constant_columns_come_back():
    real = table().assign(rate=1.5, unit="EUR", count=7, none=None, open=True)
    drawn = fitted(real).sample(length=50, seed=1)
    assert (drawn.dtypes == real.dtypes).all() and list(drawn.columns) == list(real.columns)
    assert (drawn["rate"] == 1.5).all() and (drawn["unit"] == "EUR").all() and (drawn["count"] == 7).all()
    assert drawn["none"].isna().all() and drawn["open"].all()


def test_a_constant_with_gaps_keeps_its_gaps():
    real = table().assign(rate=np.where(np.arange(300) % 5, 1.5, np.nan))
    drawn = fitted(real).sample(length=2000, seed=1)["rate"]
    assert set(drawn.dropna()) == {1.5} and 0.1 < drawn.isna().mean() < 0.3


def test_a_column_that_hardly_moves_stays_in_its_values():
    real = table().assign(step=np.r_[np.zeros(150), np.ones(150)], once=np.r_[np.zeros(299), 1.0])
    drawn = fitted(real).sample(length=2000, seed=1)
    assert drawn["step"].between(-0.5, 1.5).all() and drawn["once"].between(-0.5, 1.5).all()


def test_constants_that_differ_between_entities():
    real = pd.concat([table(250, k).assign(who=k, currency=c) for k, c in enumerate(("EUR", "USD"))])
    drawn = fitted(real, entity="who").sample(length=40, seed=1)
    assert drawn.groupby("who")["currency"].unique().map(list).tolist() == [["EUR"], ["USD"]]


# -------------------------------------------------------------------- no numbers
NO_NUMBERS = {
    "words": lambda t: np.where(t.index % 2, "a", "b"),
    "category": lambda t: pd.Categorical(np.where(t.index % 2, "a", "b")),
    "booleans": lambda t: t.index % 2 == 0,
    "dates": lambda t: t["day"] + pd.to_timedelta(t.index % 3, "D"),
    "durations": lambda t: pd.to_timedelta(t.index % 7, "h"),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_columns_that_are_no_numbers_are_refused_by_name(kind):
    with pytest.raises(SchemaError, match="'odd' holds no numbers.*kind='panel'"):
        fitted(table().assign(odd=NO_NUMBERS[kind]))


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (lambda t: [1.0, "x"] * 150, "'odd' mixes"),
        (lambda t: t["x"].where(t.index != 5, np.inf), "'odd'.*infinite"),
        (lambda t: t["x"] + 1j, "'odd'.*complex"),
        (lambda t: t["x"].where(t.index % 3 == 0), "'odd' is empty in most rows"),
    ],
    ids=["mixed", "infinite", "complex", "mostly empty"],
)
def test_columns_that_cannot_be_a_series_are_refused_by_name(odd, words):
    with pytest.raises(SchemaError, match=words):
        fitted(table().assign(odd=odd))


def test_numbers_of_every_dtype_come_back():
    real = table().assign(small=lambda t: t["x"].astype("float32"), gaps=lambda t: t["x"].where(t.index % 9 > 0))
    real["whole"] = pd.array((real["x"] * 10).round(), dtype="Int64")
    real["short"] = (real["x"] * 10).round().astype("int16")
    real["plain"] = real["x"].astype(object)
    real["unsigned"] = np.uint64(2**63) + np.arange(300, dtype=np.uint64) * np.uint64(2**50)  # beyond int64
    drawn = fitted(real).sample(length=30, seed=1)
    assert (drawn.dtypes == real.dtypes).all() and all(isinstance(v, float) for v in drawn["plain"])
    assert (drawn["unsigned"] >= 2**63).all()


# -------------------------------------------------------------------- histories
def test_a_history_that_training_contradicts_is_refused_by_name():
    real = table()
    synthesizer = fitted(real)
    for change, words in (
        (lambda t: t.drop(columns="x"), "no column 'x'"),
        (lambda t: t.drop(columns="day"), "no column 'day'"),
        (lambda t: t.assign(price=t["price"].where(t.index != 290, -1.0)), "'price'.*above 0"),
        (lambda t: t.assign(x="a"), "'x'"),
        (lambda t: pd.concat([t, t.tail(1)]), "a time twice"),
        (lambda t: t.assign(day=t["day"] + pd.Timedelta("1h")), "not on the grid"),
        (lambda t: t.to_numpy(), "expected a DataFrame"),
        (lambda t: t.assign(x=np.nan), "extend: column 'x' is empty in most rows.*Give rows"),
        (lambda t: pd.concat([t, t[["x"]]], axis=1), "extend: two columns have one name"),
    ):
        with pytest.raises(SchemaError, match=words):
            synthesizer.extend(change(real), 3, seed=1)
    kept = real.copy()
    synthesizer.extend(real.assign(more="x"), 3, seed=1)  # other columns do not matter
    assert real.equals(kept)


def test_messages_name_no_entity_as_those_are_values_of_the_table():
    real = pd.concat([table(250, k).assign(who=who) for k, who in enumerate(("Ann", "Bob"))], ignore_index=True)
    synthesizer, late = fitted(real, entity="who"), real.index >= 400
    for refused in (
        lambda: synthesizer.extend(real.assign(price=real["price"].where(~late, -1.0)), 3),
        lambda: synthesizer.impute(real.assign(price=real["price"].where(~late, -1.0))),
        lambda: fitted(real.assign(x=real["x"].where(real["who"] == "Ann")), entity="who"),
        lambda: fitted(real.assign(x=real["x"].where(real.index % 3 == 0)), entity="who"),
    ):
        with pytest.raises(SchemaError, match=r"column '(x|price)' of entity number [12]") as refusal:
            refused()
        assert "Ann" not in str(refusal.value) and "Bob" not in str(refusal.value)


def test_times_that_are_durations_come_back_from_a_file(tmp_path: Path):
    real = table().assign(day=pd.to_timedelta(np.arange(300) * 15, "min"))
    synthesizer = fitted(real)
    synthesizer.save(tmp_path / "s")
    again = SequenceSynthesizer.load(tmp_path / "s")
    assert again.extend(real, 3, seed=1).equals(synthesizer.extend(real, 3, seed=1))


def test_files_from_before_courses_and_fillings_are_read(tmp_path: Path):
    synthesizer = fitted(table())
    synthesizer.save(tmp_path / "s")
    value, arrays = io.load(tmp_path / "s", "series")
    value["encoder"]["calendar"]["kind"]["type"] = "datetime"
    del value["filler"], value["written"], value["encoder"]["calendar"]["rare"]
    old = {k: v for k, v in arrays.items() if not k.startswith(("course/", "filler/"))}
    io.save(tmp_path / "old", "series", value, old)
    again = SequenceSynthesizer.load(tmp_path / "old")
    assert again.sample(length=30, seed=1).equals(synthesizer.sample(length=30, seed=1))
    with pytest.raises(ParamError, match="fit the synthesizer anew"):
        again.impute(table())


# -------------------------------------------------------------------- long form
def test_entities_without_a_shared_row_are_refused():
    real = pd.concat([table(250, k).assign(who=k) for k in range(2)])
    with pytest.raises(SchemaError, match="two rows at one time"):
        fitted(pd.concat([real, real.head(1)]), entity="who")
    with pytest.raises(SchemaError, match="unknown to the training table"):
        fitted(real, entity="who").extend(real.assign(who=9), 3)
    with pytest.raises(SchemaError, match="empty cells"):
        fitted(real.assign(day=real["day"].where(real["x"] < 2)), entity="who", kind="series")


def test_an_entity_that_lacks_some_days_is_filled():
    real = pd.concat([table(250, 0).assign(who="a"), table(250, 1).iloc[np.r_[0:100, 104:250]].assign(who="b")])
    drawn = fitted(real, entity="who").sample(length=100, seed=1)
    assert drawn.groupby("who").size().tolist() == [100, 100]
    assert drawn.loc[drawn["who"] == "a", "price"].notna().all()


def test_arguments_of_records_are_not_passed_over():
    for argument in ({"context": ["x"]}, {"schema": Schema.infer(table(250))}):
        with pytest.raises(ParamError, match=f"{next(iter(argument))}.*of records"):
            fitted(table(250), kind="series", **argument)


# -------------------------------------------------------------------- levels that drift
def drifting(rows: int = 2000) -> pd.DataFrame:
    """A price that rises, and a volume whose mean falls over years."""
    rng = np.random.default_rng(0)
    x = np.zeros(rows)
    for t in range(1, rows):
        x[t] = 0.6 * x[t - 1] + rng.normal()
    price = 100 * np.exp(np.cumsum(rng.normal(0.001, 0.01, rows)))
    volume = np.exp(10 - 2 * np.arange(rows) / rows + 0.3 * x)
    return pd.DataFrame({"day": pd.date_range("2015-01-01", periods=rows), "price": price, "volume": volume})


def test_a_level_that_drifts_is_drawn_where_it_was_then(tmp_path: Path):
    real = drifting()
    synthesizer = fitted(real)
    course = synthesizer.series_.course
    assert course.slow.tolist() == [False, True]
    drawn = synthesizer.sample(seed=1)
    for part in (slice(0, 400), slice(800, 1200), slice(1600, 2000)):
        means = [np.log(t["volume"].iloc[part]).mean() for t in (real, drawn)]
        assert abs(means[0] - means[1]) < 0.25
    windows = synthesizer.sample(length=24, n=400, seed=1)
    ends = [np.corrcoef(np.log(t["price"]), np.log(t["volume"]))[0, 1] for t in (real, windows)]
    assert ends[0] < -0.5 and ends[1] < -0.5
    ahead = synthesizer.extend(real, 250, n=20, seed=1)["volume"]
    assert abs(np.log(ahead).mean() - np.log(real["volume"].iloc[-150:]).mean()) < 0.3
    synthesizer.save(tmp_path / "s")
    assert SequenceSynthesizer.load(tmp_path / "s").sample(seed=1).equals(drawn)


def test_levels_that_return_to_one_mean_have_no_course():
    assert not fitted(table(2000)).series_.course.slow.any()
    assert not fitted(drifting(300)).series_.course.slow.any()  # too short to tell


# -------------------------------------------------------------------- periods, and numbers that have no log
def test_periods_are_refused_with_the_remedy():
    real = table(100)
    months = pd.period_range("2000-01", periods=len(real), freq="M")
    for name in (None, "month"):
        given = real[["price"]].set_axis(months.rename(name))
        for learn in (SequenceSynthesizer(time=name), SeriesImputer(time=name)):
            with pytest.raises(SchemaError, match=type(learn).__name__ + r".fit.*periods.*table\.to_timestamp\(\)"):
                learn.fit(given)
    with pytest.raises(SchemaError, match=r"column 'day' holds periods.*\.dt\.to_timestamp\(\)"):
        fitted(real.assign(day=months))
    drawn = SequenceSynthesizer(random_state=0).fit(real[["price"]].set_axis(months.to_timestamp())).sample(length=3)
    assert isinstance(drawn.index, pd.DatetimeIndex) and (drawn.index.day == 1).all()


def test_numbers_without_a_log_are_refused_where_gaps_are_filled():
    real = table(200)
    real.loc[50:55, "price"] = np.nan
    odd = real.assign(price=real["price"].where(real.index != 100, -1.0))
    message = "column 'price' holds numbers that are not above 0"
    with pytest.raises(SchemaError, match=f"SequenceSynthesizer.impute: {message}"):
        fitted(real).impute(odd)
    with pytest.raises(SchemaError, match=f"SeriesImputer.transform: {message}"):
        SeriesImputer(time="day", random_state=0).fit(real).transform(odd)
    assert SeriesImputer(time="day", random_state=0).fit(odd).transform(odd).notna().all(axis=None)
