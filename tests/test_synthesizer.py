"""Contracts of TabularSynthesizer, over every registered model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from synthkit import Protection, Schema, SynthkitWarning, TabularSynthesizer, between, isnull, notnull
from synthkit.errors import ConditionError, LoadError, NotFittedError, ParamError, SchemaError
from synthkit.models import MODELS
from synthkit.models.autoregressive import Autoregressive
from synthkit.schema import Categorical
from synthkit.synthesizers.training import split
from tests.conftest import draw_normals

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
models = pytest.mark.parametrize("name", sorted(MODELS))


def fitted(table: pd.DataFrame, name: str = "autoregressive", **options) -> TabularSynthesizer:
    return TabularSynthesizer(name, random_state=0, **{"max_steps": 30, **options}).fit(table)


SHARED: dict[str, TabularSynthesizer] = {}


def shared(mixed: pd.DataFrame, name: str) -> TabularSynthesizer:
    """One fit to the fixture ``mixed`` for the tests that only use a model."""
    if name not in SHARED:
        SHARED[name] = fitted(mixed, name)
    return SHARED[name]


@models
def test_same_columns_dtypes_and_seeds(name, mixed):
    before, state = mixed.copy(deep=True), torch.random.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    synthesizer = fitted(mixed, name)
    a, b, c = (synthesizer.sample(60, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(mixed, before)
    assert torch.equal(state, torch.random.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()  # noqa: NPY002
    assert list(a.columns) == list(mixed.columns)
    assert (a.dtypes == mixed.dtypes).all()
    assert a.index.equals(pd.RangeIndex(60))
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(c)
    assert a["id"].is_unique
    assert not set(a["txt"]) & set(mixed["txt"])
    assert a["e"].isna().all()
    assert len(synthesizer.sample(0)) == 0


@models
def test_drawing_leaves_the_model_as_it_was(name, mixed):
    synthesizer = shared(mixed, name)
    before = {k: v.clone() for k, v in synthesizer.model_.state_dict().items()}
    for n in (1, 300):
        synthesizer.sample(n, seed=0)
    assert all(torch.equal(v, before[k]) for k, v in synthesizer.model_.state_dict().items())


@models
def test_a_second_fit_is_the_same(name, mixed):
    pd.testing.assert_frame_equal(shared(mixed, name).sample(20, seed=0), fitted(mixed, name).sample(20, seed=0))


@models
def test_conditions_hold_in_every_row(name, mixed):
    where = {
        "c": "a",
        "b": True,
        "i8": between(10, 30),
        "I": [1, 2],
        "f32": between(0, None),
        "d": between("2020-03-01", "2020-06-01"),
        "td": between("30min", "90min"),
        "B": isnull(),
        "s": notnull(),
        ("t", 1): ["p", "q"],
    }
    got = fitted(mixed, name, rules=False).sample(10, where=where, seed=2)  # its gaps are together, which is a rule
    assert (got["c"] == "a").all() and got["b"].all() and got["B"].isna().all() and got["s"].notna().all()
    assert got["i8"].between(10, 30).all() and got["I"].isin([1, 2]).all() and (got["f32"] >= 0).all()
    assert got["d"].between("2020-03-01", "2020-06-01").all()
    assert got["td"].between(pd.Timedelta("30min"), pd.Timedelta("90min")).all()
    assert got[("t", 1)].isin(["p", "q"]).all()
    assert (got.dtypes == mixed.dtypes).all()


@models
def test_given_rows_come_back_verbatim(name, mixed):
    given = mixed[["c", "d", "f32", "s"]].head(30)
    got = shared(mixed, name).sample(where=given, seed=3)
    for column in given:
        there = given[column].notna()
        assert (got[column][there] == given[column][there]).all()


@models
def test_impute_fills_gaps_and_only_gaps(name, mixed):
    table = mixed.head(40).set_index(np.arange(1000, 1040))
    for mode in ("draw", "point"):
        filled = shared(mixed, name).impute(table, seed=4, mode=mode)
        assert filled.index.equals(table.index) and (filled.dtypes == table.dtypes).all()
        for column in table:
            there = table[column].notna()
            assert (filled[column][there] == table[column][there]).all()
            assert column == "e" or filled[column].notna().all()


@models
def test_save_and_load(name, mixed, tmp_path):
    synthesizer = shared(mixed, name)
    synthesizer.save(tmp_path / "m.synthkit")
    again = TabularSynthesizer.load(tmp_path / "m.synthkit")
    pd.testing.assert_frame_equal(again.sample(50, seed=1), synthesizer.sample(50, seed=1))
    content = (tmp_path / "m.synthkit").read_bytes()
    for text in mixed["txt"]:
        assert text.encode() not in content
    for key in mixed["id"].head(50):
        assert key.encode() not in content


def test_a_damaged_file_is_refused(mixed, tmp_path):
    path = tmp_path / "m.synthkit"
    shared(mixed, "independent").save(path)
    content = path.read_bytes()
    for bad in (content[: len(content) // 2], content.replace(b'"mode"', b'"mood"', 1), b"no zip at all", b""):
        path.write_bytes(bad)
        with pytest.raises(LoadError):
            TabularSynthesizer.load(path)
    with pytest.raises(LoadError):
        TabularSynthesizer.load(tmp_path / "missing")
    path.write_bytes(content.replace(b'"version": 1', b'"version": 9', 1))
    with pytest.raises(LoadError):
        TabularSynthesizer.load(path)


def test_many_digit_values_are_not_in_the_file(tmp_path):
    rng = np.random.default_rng(0)
    secret = rng.random(400) * 1e9
    table = pd.DataFrame({"x": secret, "n": rng.integers(10**9, 10**10, 400), "g": rng.choice(["a", "b"], 400)})
    fitted(table, "autoregressive").save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    for value in secret:
        assert np.float64(value).tobytes() not in content and repr(float(value)).encode() not in content
    for value in table["n"]:
        assert np.int64(value).tobytes() not in content and str(value).encode() not in content
        assert np.float64(value).tobytes() not in content


@models
def test_marginals_of_a_known_law(name, normals):
    got = fitted(normals, name, max_steps=200).sample(4000, seed=0)
    assert abs(got["x"].mean()) < 0.08 and abs(got["x"].std() - 1) < 0.08
    assert abs((got["g"] == "high").mean() - 0.5) < 0.05


@pytest.mark.parametrize("name", ["autoregressive", "copula"])
def test_dependence_of_a_known_law(name, normals):
    synthesizer = fitted(normals, name, max_steps=None)
    got = synthesizer.sample(4000, seed=0)
    assert abs(np.corrcoef(got["x"], got["y"])[0, 1] - 0.8) < 0.05
    # E[y | x = 1.5] = 1.2, and a rare condition still gives all rows
    pinned = synthesizer.sample(500, where={"x": 1.5}, seed=1)
    assert (pinned["x"] == 1.5).all() and abs(pinned["y"].mean() - 1.2) < 0.15
    # E[x | y > 2] = 0.8 * E[y | y > 2] = 0.8 * 2.373
    tail = synthesizer.sample(2000, where={"y": between(2, None)}, seed=2)
    assert (tail["y"] >= 2).all() and abs(tail["x"].mean() - 1.898) < 0.2


def test_log_prob_prefers_likely_rows(normals):
    synthesizer = fitted(normals, max_steps=200)
    rows = draw_normals(200, 9)
    broken = rows.assign(y=-rows["y"])
    assert synthesizer.log_prob(rows).mean() > synthesizer.log_prob(broken).mean() + 0.3
    assert synthesizer.log_prob(rows).index.equals(rows.index)
    with pytest.raises(ParamError):
        fitted(normals, "copula").log_prob(rows)


def test_threads_and_blocks_do_not_change_the_table(mixed):
    synthesizer = fitted(mixed)
    tables = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tables.append(synthesizer.sample(8193, seed=5))
    torch.set_num_threads(1)
    # Sums in another order differ in the last bit, which can tip a draw; it must stay within its row.
    learnt = [t.drop(columns="id") for t in tables]
    same = (learnt[0] == learnt[1]) | (learnt[0].isna() & learnt[1].isna())
    assert same.all(axis=1).mean() > 0.999
    assert tables[0]["id"].is_unique


def test_max_steps_repeats_a_fit_that_the_clock_ended(normals):
    timed = TabularSynthesizer("autoregressive", random_state=0, max_seconds=0.5).fit(normals)
    again = TabularSynthesizer("autoregressive", random_state=0, max_steps=timed.n_steps_).fit(normals)
    assert timed.n_steps_ == again.n_steps_
    pd.testing.assert_frame_equal(timed.sample(20, seed=0), again.sample(20, seed=0))


def test_weights_of_two_equal_duplicated_rows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": rng.choice(["a", "b"], 600, p=[0.5, 0.5]), "w": 1.0})
    table["w"] = np.where(table["g"] == "a", 2.0, 1.0)
    doubled = pd.concat([table, table[table["g"] == "a"]]).drop(columns="w")
    weighted = TabularSynthesizer("independent", weight="w", random_state=0).fit(table).sample(4000, seed=0)
    plain = TabularSynthesizer("independent", random_state=0).fit(doubled).sample(4000, seed=0)
    assert (weighted["g"] == plain["g"]).mean() > 0.99
    assert len(set(weighted["w"])) == 1


def test_few_rows_are_learnt_from_once_more(normals):
    table = normals[:300]
    spec = MODELS["autoregressive"]
    once = fitted(table, spec(refit_below=0), max_steps=None)
    twice = fitted(table, spec(), max_steps=None)
    assert twice.n_steps_ > once.n_steps_
    assert not once.sample(99, seed=0).equals(twice.sample(99, seed=0))
    again = fitted(table, spec(), max_steps=twice.n_steps_)
    assert again.sample(99, seed=0).equals(twice.sample(99, seed=0))
    # half a second training is none
    short = fitted(table, spec(), max_steps=twice.n_steps_ - 1)
    assert short.sample(99, seed=0).equals(once.sample(99, seed=0)) and short.n_steps_ == once.n_steps_


def test_entities_stay_whole_and_keys_are_fresh(normals):
    table = normals.assign(person=np.arange(len(normals)) // 4)
    synthesizer = TabularSynthesizer("autoregressive", entity="person", random_state=0, max_steps=20).fit(table)
    train, valid = split(table["person"].to_numpy(), 0)
    assert not set(table["person"].iloc[train.numpy()]) & set(table["person"].iloc[valid.numpy()])
    assert len(train) + len(valid) == len(table) and len(valid)
    assert synthesizer.sample(50, seed=0)["person"].is_unique


def test_accept_rejects_in_bounded_rounds(normals):
    synthesizer = fitted(normals, "independent")
    assert (synthesizer.sample(100, accept=lambda t: t["x"] > t["y"], seed=0).eval("x > y")).all()
    with pytest.raises(ConditionError, match="accept"):
        synthesizer.sample(10, accept=lambda t: t["x"] > 1e9)


def test_estimator_habits(normals):
    synthesizer = TabularSynthesizer("copula", random_state=3)
    assert clone(synthesizer).get_params()["random_state"] == 3
    with pytest.raises(NotFittedError):
        synthesizer.sample(3)
    assert "autoregressive" in TabularSynthesizer(random_state=0, max_steps=2).fit(normals).choice_


def test_declared_categories_are_kept_even_if_rare(normals):
    schema = Schema.infer(normals, g=Categorical(categories=("high", "low", "never seen")))
    got = (
        TabularSynthesizer("independent", schema=schema, random_state=0)
        .fit(normals)
        .sample(5, where={"g": "never seen"}, seed=0)
    )
    assert (got["g"] == "never seen").all()


BAD_WHERE = [
    ({"nope": 1}, "nope"),
    ({"g": "unseen"}, "'g'"),
    ({"g": []}, "'g'"),
    ({"g": None}, "isnull"),
    ({"x": "text"}, "'x'"),
    ({"x": 1e12}, "'x'"),
    ({"x": between(1e8, 1e9)}, "'x'"),
    ({"x": isnull()}, "'x'"),
    ({"g": between("a", "b")}, "'g'"),
    ({"g": ["high", None]}, "'g'"),
    ([1, 2], "where"),
]


@pytest.mark.parametrize(("where", "word"), BAD_WHERE)
def test_impossible_conditions_are_named(where, word, normals):
    with pytest.raises(ConditionError, match=word):
        fitted(normals, "independent").sample(5, where=where)


BAD_TABLES = {
    "no rows": pd.DataFrame({"a": []}),
    "no columns": pd.DataFrame(index=range(3)),
    "twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "lists": pd.DataFrame({"a": [[1], [2]]}),
    "infinite": pd.DataFrame({"a": [1.0, np.inf]}),
    "mixed": pd.DataFrame({"a": [1, "x", 2.0]}),
    "complex": pd.DataFrame({"a": [1j, 2j]}),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_unusable_tables_are_refused_by_name(case):
    with pytest.raises(SchemaError) as error:
        TabularSynthesizer("independent").fit(BAD_TABLES[case])
    assert "inf" not in str(error.value).replace("infinite", "").replace("infer", "") or case == "infinite"


@pytest.mark.parametrize(
    "options",
    [
        {"model": "nope"},
        {"max_seconds": -1},
        {"max_steps": 0},
        {"random_state": -1},
        {"protect": 5},
        {"device": "abacus"},
    ],
)
def test_bad_arguments_are_named(options, normals):
    with pytest.raises(ParamError, match=next(iter(options))):
        TabularSynthesizer(**options).fit(normals)


def test_bad_calls(normals):
    synthesizer = fitted(normals, "independent")
    for n in (-1, 2.5, "3", None):
        with pytest.raises(ParamError, match="'n'"):
            synthesizer.sample(n)
    with pytest.raises(SchemaError, match="extra"):
        synthesizer.impute(normals.assign(extra=1))
    with pytest.raises(SchemaError, match="'g'"):
        synthesizer.impute(normals.drop(columns="g"))
    with pytest.raises(SchemaError, match="empty cells"):
        synthesizer.log_prob(normals.assign(x=np.nan))


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1.5]}),
        pd.DataFrame({"a": [None, None, None]}),
        pd.DataFrame({"a": [7] * 30}),
        pd.DataFrame({"a": [f"v{i % 1000}" for i in range(6000)]}),
        pd.DataFrame({"a": np.arange(50.0)}, index=[0] * 50),
        pd.DataFrame({"a": [1, None] * 20, "b": ["x"] * 40}),
        pd.DataFrame({0: [1, 2, 3] * 10, pd.Timestamp(0): [True, False, True] * 10}),
    ],
    ids=["one row", "all null", "constant", "1000 categories", "duplicate index", "constant with gaps", "odd names"],
)
def test_odd_tables_give_sound_results(table):
    synthesizer = TabularSynthesizer(random_state=0, max_steps=5).fit(table)
    got = synthesizer.sample(25, seed=0)
    assert len(got) == 25 and list(got.columns) == list(table.columns) and (got.dtypes == table.dtypes).all()
    assert synthesizer.impute(table, seed=0).shape == table.shape


def test_a_one_row_table_warns():
    with pytest.warns(SynthkitWarning, match="one row"):
        TabularSynthesizer("independent", protect=Protection(min_count=1)).fit(pd.DataFrame({"a": [1.5], "b": ["x"]}))


def test_few_rows_get_small_nets_and_keep_them_in_the_file(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = pd.DataFrame({"x": x, "y": x + rng.normal(size=300)})
    spec = Autoregressive(small_below=301)
    small = TabularSynthesizer(spec, random_state=0, max_steps=20).fit(table)
    assert small.spec_.width == 32 and small.spec_.batch_size == 64 and spec.width == 96
    assert TabularSynthesizer(Autoregressive(small_below=300), random_state=0, max_steps=2).fit(table).spec_.width == 96
    assert spec.adapted(small.encoder_.layout_, 301) is spec, "many rows"
    few = Autoregressive(reads=1)
    assert few.adapted(small.encoder_.layout_, 10) is few, "a wide table has nets of its own"
    small.save(tmp_path / "small.synthkit")
    again = TabularSynthesizer.load(tmp_path / "small.synthkit")
    pd.testing.assert_frame_equal(again.sample(50, seed=1), small.sample(50, seed=1))
    assert again.spec_.adapted(again.encoder_.layout_, 10) is again.spec_, "once is enough"


def test_columns_that_are_empty_together_stay_so():
    """A block asked of half the people: rules keep it whole, and it stays as frequent as it was."""
    rng = np.random.default_rng(0)
    asked = rng.random(2000) < 0.5
    block = {f"q{i}": np.where(asked, rng.normal(size=2000), np.nan) for i in range(6)}
    table = pd.DataFrame({"age": rng.normal(size=2000), **block})
    fitted = TabularSynthesizer("autoregressive", random_state=0, max_steps=300).fit(table)
    gaps = fitted.sample(4000, seed=0).filter(like="q").isna()
    assert (gaps.any(axis=1) == gaps.all(axis=1)).all()
    assert abs(gaps["q0"].mean() - table["q0"].isna().mean()) < 0.03
