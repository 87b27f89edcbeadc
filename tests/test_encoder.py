"""Whole tables through the encoder: any mix of columns, pieces, declared schemas, and what must not be stored."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit import Protection, Schema, SynthkitWarning, TableEncoder
from synthkit.errors import NotFittedError, ParamError, SchemaError
from synthkit.schema import Boolean, Categorical, Constant, Datetime, Duration, Empty, Identifier, Numeric, Text
from synthkit.testing import tiny_table

FULL = Protection(min_count=1)
DAY = pd.Timestamp("2021-03-04")
# Each maker gives a column of n filled cells, and says whether its dtype can hold a gap.
MAKERS = {
    "int8": (lambda r, n: r.integers(-100, 100, n).astype("int8"), False),
    "uint64": (lambda r, n: r.integers(0, 2**63, n).astype("uint64") // 1024 * 1024, False),
    "int64": (lambda r, n: r.integers(-5, 5, n), False),
    "big": (lambda r, n: r.integers(2**60, 2**60 + 10**6, n), False),
    "Int16": (lambda r, n: pd.array(r.integers(0, 9, n), dtype="Int16"), True),
    "float": (lambda r, n: r.normal(size=n) * 10.0 ** r.integers(-30, 30), True),
    "cents": (lambda r, n: r.gamma(2, 50, n).round(2), True),
    "float32": (lambda r, n: r.normal(size=n).astype("float32"), True),
    "Float64": (lambda r, n: pd.array(r.normal(size=n), dtype="Float64"), True),
    "bool": (lambda r, n: r.random(n) < 0.5, False),
    "boolean": (lambda r, n: pd.array(r.random(n) < 0.5, dtype="boolean"), True),
    "object": (lambda r, n: r.choice(np.array(["a", "b b", "ü"], object), n), True),
    "string": (lambda r, n: pd.array(r.choice(["x", "y", "zz"], n), dtype="string"), True),
    "category": (lambda r, n: pd.Categorical(r.choice(list("cab"), n), categories=list("zcab"), ordered=True), True),
    "numbers as category": (lambda r, n: pd.Categorical(r.choice([3, 1, 2], n), categories=[3, 1, 2]), True),
    "dates": (lambda r, n: DAY + pd.to_timedelta(r.integers(0, 900, n), "D"), True),
    "moments": (lambda r, n: DAY + pd.to_timedelta(r.integers(0, 10**15, n), "ns"), True),
    "seconds": (lambda r, n: (DAY + pd.to_timedelta(r.integers(0, 10**8, n), "s")).astype("datetime64[s]"), True),
    "zone": (lambda r, n: DAY.tz_localize("Asia/Tokyo") + pd.to_timedelta(r.integers(0, 10**4, n), "h"), True),
    "duration": (lambda r, n: pd.to_timedelta(r.integers(-50, 500, n), "min"), True),
    "constant": (lambda r, n: np.full(n, 3.5), True),
}  # fmt: skip


@st.composite
def tables(draw):
    names = draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=6, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.sampled_from([1, 2, 7, 60]))
    columns = {}
    for name in names:
        make, holds_gaps = MAKERS[name]
        column = pd.Series(make(rng, n))
        if holds_gaps and draw(st.booleans()):
            column = column.mask(pd.Series(rng.random(n) < 0.3))
        columns[name] = column
    return pd.DataFrame(columns)


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_any_table_comes_back(table):
    before = table.copy(deep=True)
    encoder = TableEncoder(protect=FULL).fit(table)
    data = encoder.encode(table)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(encoder.decode(data), table, rtol=0, atol=0)
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(table)), table, rtol=0, atol=0)
    assert len(encoder.get_feature_names_out()) == encoder.transform(table).shape[1] == len(encoder.layout_.fields)
    value, arrays = encoder.to_state()
    again = TableEncoder.from_state(json.loads(json.dumps(value)), arrays)
    assert again.layout_ == encoder.layout_
    pd.testing.assert_frame_equal(again.decode(again.encode(table)), table, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_any_table_is_protected_and_keeps_its_form(table):
    encoder = TableEncoder().fit(table)
    data = encoder.encode(table)
    num, cat = encoder.layout_.applies(data)
    assert not (data.num_known & ~num).any() and not (data.cat_known & ~cat).any()
    got = encoder.decode(data)
    # of a category's dtype, what too few rows have is gone
    assert [str(t) for t in got.dtypes] == [str(t) for t in table.dtypes]
    for name in table:
        if encoder.schema_.columns[name] != Empty:
            assert (got[name].isna() == table[name].isna()).all() or len(table) < 5 or table[name].notna().sum() < 5


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@settings(max_examples=30, deadline=None, derandomize=True)
@given(tables(), st.randoms(use_true_random=False))
def test_pieces_in_any_order_are_one_table(table, random):
    schema = Schema.infer(table)
    whole = TableEncoder(schema).fit(table)
    cuts = sorted(random.randint(1, len(table)) for _ in range(2))
    pieces = [p for p in (table[: cuts[0]], table[cuts[0] : cuts[1]], table[cuts[1] :]) if len(p)]
    random.shuffle(pieces)
    one = TableEncoder(schema)
    for piece in pieces:
        one.update(piece)
    several = [TableEncoder(schema).update(piece) for piece in pieces]
    for other in several[1:]:
        several[0].merge(other)
    want = whole.encode(table)
    for encoder in (one.finish(), several[0].finish()):
        assert encoder.nullable_ == whole.nullable_
        got = encoder.encode(table)
        assert torch.equal(got.cat, want.cat) and torch.equal(got.cat_known, want.cat_known)
        assert torch.allclose(got.num, want.num, atol=1e-5)


def test_pieces_that_contradict_each_other_are_refused():
    for first, second in (([7] * 9, [7, 8, 9]), ([1, 2, 3] * 3, [1.5, 2.5, 3.5])):
        encoder = TableEncoder().update(pd.DataFrame({"a": first}))
        with pytest.raises(SchemaError, match=r"'a'.*schema"):
            encoder.update(pd.DataFrame({"a": second}))
        with pytest.raises(SchemaError, match=r"'a'.*schema"):
            TableEncoder().update(pd.DataFrame({"a": first})).merge(TableEncoder().update(pd.DataFrame({"a": second})))
    with pytest.raises(SchemaError, match="other columns"):
        TableEncoder().update(pd.DataFrame({"a": [1, 2]})).merge(TableEncoder().update(pd.DataFrame({"b": [1, 2]})))


def test_gaps_that_come_with_a_later_piece():
    encoder = TableEncoder().update(pd.DataFrame({"a": [1, 2, 3] * 9, "b": [True, False, True] * 9}))
    later = pd.DataFrame({"a": [1.0, np.nan], "b": np.array([True, None], dtype=object)})
    encoder.update(later).finish()
    pd.testing.assert_frame_equal(encoder.decode(encoder.encode(later)), later)


def test_decimals_that_come_with_a_later_piece():
    pieces = [pd.DataFrame({"a": [0.5, 1.5, 2.5] * 3}), pd.DataFrame({"a": [0.125, 1.5, 7.25]})]
    one = TableEncoder(protect=FULL).update(pieces[0]).update(pieces[1]).finish()
    two = TableEncoder(protect=FULL).update(pieces[0]).merge(TableEncoder(protect=FULL).update(pieces[1])).finish()
    for encoder in (one, two):
        assert encoder.schema_.columns["a"].decimals == 3
        pd.testing.assert_frame_equal(encoder.decode(encoder.encode(pieces[1])), pieces[1])
    declared = TableEncoder(Schema({"a": Numeric(decimals=1)})).update(pieces[0]).update(pieces[1]).finish()
    assert declared.schema_.columns["a"].decimals == 1


# ---------------------------------------------------------------- what an empty cell means
def test_what_an_empty_cell_means():
    table = tiny_table()
    encoder = TableEncoder().fit(table)
    gap, at = table["n"].isna().to_numpy().copy(), encoder._place["n"]
    null, code = (encoder.layout_.slot[at[part]] for part in ("null", "code"))
    for missing, flag_known, flag in (("state", True, 1), ("free", False, 0), ("fill", True, 0)):
        data = encoder.encode(table, missing)
        assert (data.cat_known[gap, null] == flag_known).all() and (data.cat[gap, null] == flag).all()
        assert not data.cat_known[gap, code].any() and data.cat_known[~gap, code].all()
        assert data.cat_known[~gap, null].all() and not data.cat[~gap, null].any()
    with pytest.raises(ParamError, match="missing"):
        encoder.encode(table, "maybe")
    with pytest.raises(SchemaError, match=r"'x'.*no.*empty|'x' has empty"):
        encoder.encode(table.assign(x=np.nan))
    assert not encoder.encode(table[["x"]], "free", partial=True).cat_known[:, null].any()


def test_misuse_is_named():
    with pytest.raises(NotFittedError):
        TableEncoder().encode(tiny_table())
    encoder = TableEncoder().fit(tiny_table())
    with pytest.raises(SchemaError, match="'x'"):
        encoder.encode(tiny_table().drop(columns="x"))
    with pytest.raises(SchemaError, match="'more'"):
        encoder.encode(tiny_table().assign(more=1))
    with pytest.raises(ParamError, match="columns"):
        encoder.inverse_transform(np.zeros((2, 99)))


def test_a_refit_forgets_the_first_table():
    encoder = TableEncoder().fit(tiny_table())
    other = pd.DataFrame({"z": [1, 2, 3] * 5})
    assert list(encoder.fit(other).decode(encoder.encode(other))) == ["z"]


# ---------------------------------------------------------------- schemas without data
DECLARED = {
    "i": Numeric(integer=True, low=-2, high=3),
    "f": Numeric(low=0.0, high=1.0, nullable=True),
    "c": Categorical(categories=("a", "b")),
    "b": Boolean(nullable=True),
    "d": Datetime(low="2020-01-01", high="2020-12-31"),
    "k": Constant(value="k"),
    "e": Empty(),
    "id": Identifier(pattern=r"P\d{4}"),
    "t": Text(),
}


def test_a_declared_schema_needs_no_data():
    encoder = TableEncoder.from_schema(Schema(DECLARED))
    layout, rng = encoder.layout_, np.random.default_rng(0)
    data = layout.empty(400)
    for i, field in enumerate(layout.fields):
        column = rng.integers(0, field.size, 400) if field.size else rng.random(400)
        (data.cat if field.size else data.num)[:, layout.slot[i]] = torch.from_numpy(column)
    data.cat_known[:], data.num_known[:] = True, True
    table = encoder.decode(data)
    encoder.schema_.validate(table)
    assert set(table["i"]) == set(range(-2, 4)) and set(table["c"]) == {"a", "b"}
    assert table["d"].between("2020-01-01", "2020-12-31").all() and table["d"].nunique() > 100
    assert table["f"].between(0, 1).sum() > 100 and table["f"].isna().sum() > 100 and table["b"].isna().any()
    assert table["id"].is_unique and (table["k"] == "k").all() and table["e"].isna().all()
    known = table[["i", "c", "d"]]
    pd.testing.assert_frame_equal(encoder.decode(encoder.encode(known, "free", partial=True))[["i", "c", "d"]], known)


@pytest.mark.parametrize(
    "kind", [Numeric(), Numeric(low=0.0), Categorical(), Datetime(), Datetime(low="2020-01-01"), Duration()]
)
def test_what_only_data_could_tell_is_named(kind):
    with pytest.raises(SchemaError, match=r"from_schema: column 'a'"):
        TableEncoder.from_schema(Schema({"a": kind}))


def test_declared_bounds_hold():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, 300), "D")
    table = pd.DataFrame({"d": days, "x": rng.normal(size=300).clip(-2, 2)})
    low, high = days.min(), days.max()
    schema = Schema({"d": Datetime(low=low, high=high), "x": Numeric(low=-2.0, high=2.0)})
    encoder = TableEncoder(schema).fit(table)
    layout, data = encoder.layout_, encoder.layout_.empty(2000)
    for i, field in enumerate(layout.fields):
        column = rng.integers(0, field.size, 2000) if field.size else rng.random(2000)
        (data.cat if field.size else data.num)[:, layout.slot[i]] = torch.from_numpy(column)
    encoder.schema_.validate(encoder.decode(data))


# ---------------------------------------------------------------- what must not be stored
def planted(rows: int = 300) -> tuple[pd.DataFrame, dict[str, list]]:
    """A table whose columns hide a few many-digit values, and these values."""
    rng = np.random.default_rng(5)
    secrets = {
        "number": [918273645.123457],
        "whole": [8273645917],
        "seldom": [73645.918277, 64591.827313],
        "word": ["Rumpelstilzchen-918273"],
        "note": ["one filled cell 6459182"],
        "amount": [64591827],
    }
    table = pd.DataFrame(
        {
            "number": rng.normal(size=rows),
            "whole": rng.integers(0, 50, rows),
            "seldom": np.nan,
            "word": rng.choice(["a", "b"], rows).astype(object),
            "note": pd.Series([None] * rows, dtype=object),
            "amount": 0,
        }
    )
    for name, values in secrets.items():
        table.loc[range(10, 10 + len(values)), name] = values
    return table, secrets


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_planted_values_are_not_stored():
    table, secrets = planted()
    encoder = TableEncoder().fit(table)
    value, arrays = encoder.to_state()
    text = json.dumps(value, ensure_ascii=False)
    decoded = encoder.decode(encoder.encode(table))
    for name, values in secrets.items():
        for secret in values:
            assert str(secret) not in text, name
            assert secret not in set(decoded[name]), name
            if not isinstance(secret, str):
                assert not any(np.isin(secret, a.astype(float)) for a in arrays.values()), name
    # The check itself finds them where they may be stored.
    value, arrays = TableEncoder(protect=FULL).fit(table).to_state()
    assert str(secrets["word"][0]) in json.dumps(value) and str(secrets["note"][0]) in json.dumps(value)
    assert any(np.isin(secrets["seldom"][0], a.astype(float)) for a in arrays.values())


def test_a_value_of_few_rows_is_said_to_be_lost():
    table = pd.DataFrame({"a": [1.5, 2.5, 3.5] * 9, "note": [None] * 26 + ["only here"]})
    with pytest.warns(SynthkitWarning, match="'note'"):
        encoder = TableEncoder().fit(table)
    note = encoder.decode(encoder.encode(table))["note"]
    assert note[:26].isna().all() and isinstance(note[26], str) and note[26] != "only here"
    value, arrays = encoder.to_state()
    again = TableEncoder.from_state(value, arrays)
    pd.testing.assert_frame_equal(again.decode(again.encode(table)), encoder.decode(encoder.encode(table)))


def test_a_one_row_table_warns():
    with pytest.warns(SynthkitWarning, match="one row"):
        TableEncoder(protect=FULL).fit(pd.DataFrame({"a": [1.5]}))


def test_an_entity_is_one_voice():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "who": np.repeat(np.arange(30), 10),
            "x": rng.normal(size=300),
            "c": rng.choice(["a", "b"], 300).astype(object),
        }
    )
    table.loc[table["who"] == 3, ["x", "c"]] = [54.918273645, "mine alone"]
    encoder = TableEncoder(entity="who").fit(table)
    value, arrays = encoder.to_state()
    assert "mine alone" not in json.dumps(value) and "54.918" not in json.dumps(value)
    assert not any(np.isclose(a.astype(float), 54.918273645, rtol=1e-6).any() for a in arrays.values())
    assert encoder.decode(encoder.encode(table))["who"].is_unique


# ---------------------------------------------------------------- size
def test_thousands_of_categories_cost_no_one_hot():
    rows, levels = 42_000, 6000
    codes = np.concatenate([np.arange(levels).repeat(7), np.empty(0, int)])
    table = pd.DataFrame({"c": np.array([f"level {v}" for v in codes], object), "x": np.arange(rows) % 7})
    encoder = TableEncoder().fit(table)
    data = encoder.encode(table)
    assert encoder.layout_.fields[0].size == levels and data.cat.dtype == torch.int16
    assert sum(t.numel() * t.element_size() for t in (data.num, data.cat)) <= 4 * rows
    assert sum(a.nbytes for a in encoder.to_state()[1].values()) < 10_000
    pd.testing.assert_frame_equal(encoder.decode(data), table)


@pytest.mark.parametrize("dtype", ["int64", "Int32", "float64", "object", "string", "category", "datetime64[ns]"])
def test_a_column_of_rare_categories_still_has_its_dtype(dtype):
    table = pd.DataFrame({"zip": pd.Series(range(40)).astype(dtype), "x": [1, 2] * 20})
    with pytest.warns(SynthkitWarning, match="Declare its categories"):
        encoder = TableEncoder(overrides={"zip": "categorical"}).fit(table)
    got = encoder.decode(encoder.encode(table))
    assert dtype == "category" or got["zip"].dtype == table["zip"].dtype
    assert str(got["zip"].dtype) == dtype.replace("string", str(table["zip"].dtype)) and got["zip"].notna().all()
    assert len(set(got["zip"])) == 1


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_objects_that_are_durations():
    hours = [pd.Timedelta(hours=h) for h in (1, 2, 5)] * 4
    table = pd.DataFrame({"t": pd.Series([*hours, None], dtype=object)})
    encoder = TableEncoder(protect=FULL).fit(table)
    assert type(encoder.schema_.columns["t"]) is Duration
    pd.testing.assert_frame_equal(encoder.decode(encoder.encode(table)), table)


@pytest.mark.parametrize("shape", [0.0, 0.4])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tail_has_the_mean_of_its_rows_and_not_their_values(shape, sign):
    rng = np.random.default_rng(3)
    p = rng.random(4000)
    x = sign * (-np.log1p(-p) if shape == 0 else ((1 - p) ** -shape - 1) / shape)
    table = pd.DataFrame({"x": x})
    encoder = TableEncoder(protect=Protection(tail=0, jitter=1)).fit(table)  # or the last five tell no value
    law = encoder.transformers_["x"].law
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    code = np.clip(np.searchsorted(law.edges, u, side="right") - 1, 0, law.n_cells - 1)
    drawn = sign * law.decode(code, (u - law.edges[code]) / law.mass[code])
    far, real = np.quantile(sign * x, 0.99), np.sort(sign * x)
    assert abs(drawn[drawn > far].mean() / real[real > far].mean() - 1) < 0.03
    # the outermost number that is stored has 20 rows beyond it, so new extremes are those of a fitted law
    knot = law.lo[-1] if sign == 1 else -law.hi[0]
    assert 20 <= (real > knot).sum() < 60
    assert drawn.max() > real[-10] and not np.isin(real[-20:], drawn).any()
