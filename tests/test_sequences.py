"""Contracts of SequenceSynthesizer on a small ward: form, seeds, conditions, going on, filling, files, odd tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from synthkit import SequenceSynthesizer, TabularSynthesizer, between, isnull, notnull
from synthkit.errors import ConditionError, LoadError, NotFittedError, ParamError

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

LEVELS = {"n": (0, 10), "s": (100, 110)}  # of a patient's pressure, by site


def draw_ward(patients: int = 60, seed: int = 0) -> pd.DataFrame:
    """Visits of patients, columns of every kind: entity and time stand in the middle."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, patients)
    who = np.repeat(np.arange(patients), lengths)
    rows = len(who)
    level = rng.uniform(0, 8, patients)
    site = rng.choice(list(LEVELS), patients)
    born = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 9000, patients), "D")
    age = pd.array(rng.integers(40, 80, patients), dtype="Int64")
    age[::9] = pd.NA
    table = pd.DataFrame(
        {
            "mmhg": (level[who] + 2 * rng.random(rows) + np.where(site == "s", 100, 0)[who]).round(1),
            "age": age[who],
            "who": [f"P-{k:04d}" for k in rng.permutation(10_000)[:patients][who]],
            "stage": pd.Categorical(rng.choice(["i", "ii"], rows), categories=["i", "ii", "iii"], ordered=True),
            "count": rng.integers(0, 50, rows).astype("int16"),
            "when": pd.Timestamp("2020-03-01") + pd.to_timedelta(rng.integers(0, 200, rows).cumsum(), "h"),
            "site": site[who],
            "lab": rng.normal(size=rows).astype("float32"),
            "smokes": pd.array(rng.random(rows) > 0.5, dtype="boolean"),
            "born": born[who],
            ("a", 1): pd.array(rng.choice(["x", "y"], rows), dtype="string"),
            "blank": np.nan,
            "fixed": 7,
        }
    )
    table.columns = pd.Index(list(table.columns), tupleize_cols=False)
    for name in ("lab", "smokes", ("a", 1)):
        table[name] = table[name].mask(rng.random(rows) < 0.2)
    return table


CONTEXT = ("age", "site", "born", "blank", "fixed")


@pytest.fixture(scope="module")
def ward() -> pd.DataFrame:
    return draw_ward()


def fit(table: pd.DataFrame, **options) -> SequenceSynthesizer:
    return SequenceSynthesizer(**{"entity": "who", "time": "when", "random_state": 0, "max_steps": 8, **options}).fit(
        table
    )


@pytest.fixture(scope="module")
def fitted(ward) -> SequenceSynthesizer:
    return fit(ward)


def same(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(a, b)


# -------------------------------------------------------------------- form
def test_same_columns_dtypes_and_seeds(ward, fitted):
    before, state = ward.copy(deep=True), torch.random.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c = (fitted.sample(50, seed=s) for s in (1, 1, 2))
    fitted.extend(ward, 2, seed=1)
    fitted.impute(ward, seed=1)
    fit(ward, max_steps=1)
    same(ward, before)
    assert torch.equal(state, torch.random.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()  # noqa: NPY002
    assert list(a.columns) == list(ward.columns) and (a.dtypes == ward.dtypes).all()
    assert a.index.equals(pd.RangeIndex(len(a)))
    same(a, b)
    assert not a.equals(c)
    assert set(fitted.context_) == set(CONTEXT) and set(fitted.moving_) == set(ward) - {*CONTEXT, "who", "when"}
    assert len(fitted.sample(0, seed=1)) == 0 and (fitted.sample(0).dtypes == ward.dtypes).all()
    fitted.schema_.validate(a)


def test_entities_are_new_whole_and_keep_their_context(ward, fitted):
    got = fitted.sample(300, seed=1)
    sizes = got.groupby("who", sort=False).size()
    assert len(sizes) == 300 and sizes.index.str.fullmatch(r"P-\d{4}").all()
    assert (got["who"] != got["who"].shift()).sum() == 300  # the rows of each stand together
    assert sizes.between(1, 8).all() and sizes.nunique() >= 5
    for name in CONTEXT:
        assert len(got.drop_duplicates(["who", name])) == 300
    for name in ("lab", "smokes", ("a", 1)):
        assert 0.05 < got[name].isna().mean() < 0.4  # nulls are drawn
    assert 0 < got["age"].isna().mean() < 0.4 and got["blank"].isna().all() and (got["fixed"] == 7).all()
    assert got[["mmhg", "stage", "count", "when", "site", "born"]].notna().all(axis=None)


def test_rows_in_any_order_are_the_same(ward, fitted):
    """Entities in the order in which they appear; the rows of each by time."""
    mixed = ward.sample(frac=1, random_state=3)
    again = mixed.sort_values(["who", "when"], kind="stable")
    assert again["who"].is_monotonic_increasing and not mixed["who"].is_monotonic_increasing
    names = pd.unique(mixed["who"])
    ordered = pd.concat([mixed[mixed["who"] == name].sort_values("when", kind="stable") for name in names])
    same(fit(mixed).sample(20, seed=1), fit(ordered).sample(20, seed=1))
    a, b = fitted.extend(mixed, 2, seed=1), fitted.extend(ordered, 2, seed=1)
    same(a, b)
    assert a["who"].tolist() == np.repeat(names, 2).tolist()


@pytest.mark.parametrize("levels", [["who", "when"], ["when", "who"], ["who"]])
def test_an_index_comes_back(ward, fitted, levels):
    indexed = ward.set_index(levels)
    synthesizer = fit(indexed)
    got = synthesizer.sample(20, seed=1)
    assert list(got.index.names) == levels and list(got.columns) == list(indexed.columns)
    assert (got.dtypes == indexed.dtypes).all()
    assert [got.index.get_level_values(n).dtype for n in levels] == [ward[n].dtype for n in levels]
    later = synthesizer.extend(indexed, 1, n=2, seed=1)
    assert list(later.index.names) == ["draw", *levels]
    filled = synthesizer.impute(indexed, seed=1)
    assert filled.index.equals(indexed.index) and list(filled.columns) == list(indexed.columns)
    assert filled["lab"].notna().all()


@pytest.mark.parametrize("length", [1, 4, 30])
def test_lengths_are_exact(fitted, length):
    got = fitted.sample(25, length=length, seed=1)
    assert (got.groupby("who").size() == length).all() and got["who"].nunique() == 25
    assert got.groupby("who")["when"].apply(lambda t: t.is_monotonic_increasing).all()


def test_start_is_the_time_of_every_first_row(fitted):
    got = fitted.sample(25, start=pd.Timestamp("2020-03-05"), seed=1)
    first = got.groupby("who")["when"].min()
    assert (first == pd.Timestamp("2020-03-05")).all() and (got["when"] >= pd.Timestamp("2020-03-05")).all()
    assert got.groupby("who", sort=False)["when"].apply(lambda t: t.is_monotonic_increasing).all()


def test_save_and_load(ward, fitted, tmp_path):
    path = tmp_path / "ward.synthkit"
    fitted.save(path)
    again = SequenceSynthesizer.load(path)
    same(again.sample(30, seed=1), fitted.sample(30, seed=1))
    same(again.extend(ward, 2, seed=1), fitted.extend(ward, 2, seed=1))
    same(again.impute(ward, seed=1), fitted.impute(ward, seed=1))
    assert again.context_ == fitted.context_ and again.moving_ == fitted.moving_
    content = path.read_bytes()
    assert not [key for key in ward["who"].unique() if key.encode() in content]
    with pytest.raises(LoadError):
        TabularSynthesizer.load(path)
    fitted.entities_.save(path)
    with pytest.raises(LoadError):
        SequenceSynthesizer.load(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LoadError):
        SequenceSynthesizer.load(path)


def test_a_second_fit_is_the_same(ward, fitted):
    same(fit(ward).sample(20, seed=1), fitted.sample(20, seed=1))


# -------------------------------------------------------------------- conditions
def test_conditions_hold(fitted):
    where = {
        "site": "s",
        "age": between(50, 60),
        "stage": "ii",
        "count": between(10, 20),
        "lab": notnull(),
        "smokes": isnull(),
        ("a", 1): ["x", "y"],
    }
    got = fitted.sample(40, where=where, seed=1)
    assert got["who"].nunique() == 40
    assert (got["site"] == "s").all() and got["age"].between(50, 60).all() and (got["stage"] == "ii").all()
    assert got["count"].between(10, 20).all() and got["lab"].notna().all() and got["smokes"].isna().all()
    assert got[("a", 1)].isin(["x", "y"]).all()


def test_given_context_comes_back(fitted):
    given = pd.DataFrame(
        {"who": ["anna", None, "carl"], "age": [41, None, 77], "site": ["n", "s", None], "when": "2020-04-01"}
    ).astype({"age": "Int64", "when": "datetime64[ns]"})
    before = given.copy(deep=True)
    got = fitted.sample(context=given, length=3, seed=1)
    same(given, before)
    names = pd.unique(got["who"])
    assert got["who"].tolist() == np.repeat(names, 3).tolist() and names[0] == "anna" and names[2] == "carl"
    assert names[1].startswith("P-")
    first = got.groupby("who", sort=False).first()
    assert first["age"].iloc[[0, 2]].tolist() == [41, 77] and first["site"].iloc[:2].tolist() == ["n", "s"]
    assert (first["when"] == pd.Timestamp("2020-04-01")).all()


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ConditionError, {"where": {"nowhere": 1}}),
        (ConditionError, {"where": {"when": "2020-03-01"}}),
        (ConditionError, {"where": [1]}),
        (ConditionError, {"where": {"site": "zz"}}),
        (ConditionError, {"where": {"stage": "no stage"}}),
        (ConditionError, {"context": {"age": [1]}}),
        (ConditionError, {"context": pd.DataFrame({"lab": [1.0]})}),
        (ConditionError, {"context": pd.DataFrame({"who": ["a", "a"]}), "n_entities": None}),
        (ParamError, {"context": pd.DataFrame({"age": [50, 60, 70]})}),
        (ParamError, {"context": pd.DataFrame({"age": [50]}), "where": {"age": 50}}),
        (ParamError, {"n_entities": None}),
        (ParamError, {"n_entities": -1}),
        (ParamError, {"length": 0}),
        (ParamError, {"seed": -1}),
    ],
)
def test_bad_requests_are_refused(fitted, error, call):
    with pytest.raises(error):
        fitted.sample(**{"n_entities": 1, **call})


@pytest.mark.parametrize("call", [{"steps": 0}, {"steps": 1, "n": 0}, {"steps": 1, "seed": -1}])
def test_bad_ways_to_go_on_are_refused(ward, fitted, call):
    with pytest.raises(ParamError):
        fitted.extend(ward, **call)
    with pytest.raises(ParamError):
        fitted.impute(ward, **{"mode": "point", "n": 2} if "n" in call else {"mode": "middle"})


# -------------------------------------------------------------------- going on, filling
def test_extend_goes_on_after_the_last_time(ward, fitted):
    fan = fitted.extend(ward, 4, n=3, seed=1)
    assert list(fan.index.names) == ["draw", None] and sorted(set(fan.index.get_level_values(0))) == [0, 1, 2]
    assert (fan.dtypes == ward.dtypes).all() and list(fan.columns) == list(ward.columns)
    last = ward.groupby("who", sort=False).last()
    for _, table in fan.groupby(level=0):
        assert table["who"].tolist() == np.repeat(ward["who"].unique(), 4).tolist()
        by = table.groupby("who", sort=False)
        assert (by["when"].min() >= last["when"]).all() and by["when"].apply(lambda t: t.is_monotonic_increasing).all()
        for name in ("age", "site", "born"):
            same(by[name].first().to_frame(), ward.groupby("who", sort=False)[name].first().to_frame())
    assert not fan.loc[0].equals(fan.loc[1])
    name = ward["who"].iloc[7]
    one = fitted.extend(ward[ward["who"] == name], 2, seed=1)
    assert one["who"].tolist() == [name] * 2 and one.index.equals(pd.RangeIndex(2))


def test_impute_fills_gaps_and_only_gaps(ward, fitted):
    table = ward[:80].sample(frac=1, random_state=1).set_index(np.arange(1000, 1080))
    before = table.copy(deep=True)
    copies = fitted.impute(table, n=2, seed=1)
    assert list(copies.index.names) == ["imputation", None] and len(copies) == 2 * len(table)
    assert not copies.loc[0].equals(copies.loc[1])
    for filled in (copies.loc[0], copies.loc[1], fitted.impute(table, mode="point", seed=1)):
        assert filled.index.equals(table.index) and (filled.dtypes == table.dtypes).all()
        for name in table:
            there = table[name].notna()
            assert (filled[name][there] == table[name][there]).all()
            assert name == "blank" or filled[name].notna().all()
        assert len(filled.drop_duplicates(["who", "age"])) == filled["who"].nunique()
    same(table, before)
    same(fitted.impute(table, seed=1), fitted.impute(table, seed=1))
    same(fitted.impute(table[["who", "when"]].join(filled.drop(columns=["who", "when"]))[list(table)], seed=1), filled)


def test_use_before_fit_is_an_error(ward, tmp_path):
    fresh = SequenceSynthesizer(entity="who", time="when")
    for call in (
        lambda: fresh.sample(1),
        lambda: fresh.extend(ward, 1),
        lambda: fresh.impute(ward),
        lambda: fresh.save(tmp_path / "m"),
    ):
        with pytest.raises(NotFittedError):
            call()
