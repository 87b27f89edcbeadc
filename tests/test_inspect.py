"""What is planted is proposed, and nothing else; what is accepted is done, on a copy, and logged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from synthkit import Schema, errors, inspect

ROWS = 300
RNG = np.random.default_rng(0)
HEIGHT = RNG.normal(170, 9, ROWS).round(1)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, ROWS), "D")
DOSE = RNG.gamma(3, 2, ROWS).round(2) + 0.6
EVERY = np.arange(ROWS) % 20 == 0


def _texts(form: str) -> list[str]:
    return [form.format(v) for v in DOSE]


def _dirty(clean: np.ndarray, wrong: object) -> pd.Series:
    return pd.Series(np.where(EVERY, wrong, clean))


# per repair: the column, kind, how many cells, and the column that should come back (None: empty where EVERY is)
CASES = {
    "-9": (_dirty(HEIGHT, -9.0), "sentinel", 15, pd.Series(HEIGHT).mask(EVERY)),
    "999": (_dirty(HEIGHT, 999.0), "sentinel", 15, pd.Series(HEIGHT).mask(EVERY)),
    "zero": (_dirty(HEIGHT, 0.0), "sentinel", 15, pd.Series(HEIGHT).mask(EVERY)),
    "moment": (pd.Series(DAYS).mask(EVERY, pd.Timestamp("1900-01-01")), "sentinel", 15, pd.Series(DAYS).mask(EVERY)),
    "inch": (_dirty(HEIGHT, (HEIGHT / 2.54).round(6)), "unit", 15, pd.Series(HEIGHT)),
    "mm": (_dirty(HEIGHT, HEIGHT * 10), "unit", 15, pd.Series(HEIGHT)),
    "comma": (pd.Series(_texts("{:.2f}")).str.replace(".", ","), "decimal comma", ROWS, pd.Series(DOSE)),
    "euro": (
        pd.Series([f"{1000 + v:,.2f}".translate(str.maketrans(",.", ".,")) for v in DOSE]),
        *("decimal comma", ROWS, pd.Series((1000 + DOSE).round(2))),
    ),
    "grouped": (
        pd.Series([f"{int(v * 1e6):,}" for v in HEIGHT]),
        *("thousands separator", ROWS, pd.Series([int(v * 1e6) for v in HEIGHT])),
    ),
    "words": (pd.Series(_texts("{:.2f}")).mask(EVERY, "?"), "number as text", ROWS, pd.Series(DOSE).mask(EVERY)),
    "limit": (pd.Series(_texts("{:.2f}")).mask(EVERY, "<0.5"), "limit", ROWS, pd.Series(DOSE).mask(EVERY, 0.5)),
    "iso": (pd.Series(DAYS.strftime("%Y-%m-%d")), "date as text", ROWS, pd.Series(DAYS)),
    "mixed": (
        pd.Series(DAYS.strftime("%d/%m/%Y")).mask(EVERY, pd.Series(DAYS.strftime("%Y-%m-%d"))),
        *("mixed date formats", ROWS, pd.Series(DAYS)),
    ),
    "american": (pd.Series(DAYS.strftime("%m/%d/%Y")), "date as text", ROWS, pd.Series(DAYS)),
    "category": (
        pd.Series(np.where(HEIGHT > 170, "a", "b")).mask(EVERY, "n/a"),
        *("missing word", 15, pd.Series(np.where(HEIGHT > 170, "a", "b")).mask(EVERY)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_planted_fault_is_proposed_and_repaired(case):
    dirty, kind, count, wanted = CASES[case]
    table = pd.DataFrame({"x": dirty.to_numpy(), "key": np.arange(ROWS) * 1.5})
    table["x"] = dirty
    before = table.copy(deep=True)
    found = inspect(table)
    assert [(r.column, r.label, r.count) for r in found] == [("x", kind, count)]
    clean, log = found.apply(table)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_series_equal(
        clean["x"], wanted.rename("x"), check_dtype=False, rtol=0, atol=0.051 if kind == "unit" else 1e-9
    )
    assert set(log["column"]) == {"x"} and set(log["kind"]) == {kind} and set(log["row"]) <= set(table.index)
    changed = log.set_index("row")
    row = int(log["row"].iloc[0])
    assert changed.loc[row, "before"] == table.loc[row, "x"] and len(log) == count
    if kind == "limit":
        assert (clean["x_limit"] == np.where(EVERY, "<", "")).all() and list(clean.columns)[:2] == ["x", "x_limit"]


def test_what_is_in_order_is_left_alone():
    for load in (load_wine, load_diabetes):
        assert not len(inspect(load(as_frame=True).frame.drop_duplicates()))
    # thirteen tumours have no concave points, and the others many: a doubt, and no more
    assert all(r.confidence < 0.7 for r in inspect(load_breast_cancer(as_frame=True).frame))
    fine = pd.DataFrame(
        {
            "zip": [f"{v:05d}" for v in RNG.integers(0, 99999, ROWS)],  # codes, not numbers
            "cigarettes": np.where(EVERY, 20, RNG.integers(0, 3, ROWS)),  # 0 is near 1
            "gain": np.where(RNG.random(ROWS) < 0.9, 0, RNG.integers(5000, 20000, ROWS)),  # most have none
            "level": RNG.choice([-2, -1, 0, 1, 2], ROWS),
            "income": np.exp(RNG.normal(10, 1.2, ROWS)),
            "word": RNG.choice(["May 5", "none", "None"], ROWS),
            "flag": RNG.random(ROWS) < 0.5,
        }
    )
    assert "nothing to repair" in str(inspect(fine))


def test_ambiguous_dates_are_doubtful():
    days = pd.Series(["01/02/2020", "03/04/2020", "05/06/2021", "07/08/2021", "02/02/2022"] * 8)
    (unsure,) = (r for r in inspect(pd.DataFrame({"d": days})) if r.column == "d")
    (sure,) = (r for r in inspect(pd.DataFrame({"d": days.mask(days.index < 9, "25/12/2020")})) if r.column == "d")
    assert unsure.confidence <= 0.5 < sure.confidence


def test_repeated_rows():
    table = pd.DataFrame({"x": HEIGHT, "y": DOSE, "z": RNG.normal(size=ROWS)})
    twice = pd.concat([table, table.tail(3)], ignore_index=True)
    found = inspect(twice)
    assert [(r.label, r.count) for r in found] == [("duplicate", 3)] and found.repairs[0].confidence > 0.8
    clean, log = found.apply(twice)
    pd.testing.assert_frame_equal(clean, table.drop_duplicates())
    assert log["row"].tolist() == [300, 301, 302]
    coins = pd.DataFrame({"a": EVERY, "b": HEIGHT > 170})
    assert inspect(coins).repairs[0].confidence < 0.2, "so few values repeat by chance"


def test_only_what_is_accepted_is_done():
    table = pd.DataFrame({"x": CASES["999"][0], "y": CASES["comma"][0]})
    found = inspect(table)
    assert found.to_frame()["kind"].tolist() == ["decimal comma", "sentinel"] and len(found) == 2
    one, log = found.apply(table, accept=[("x", "sentinel")])
    two, _ = found.apply(table, accept=[1])
    pd.testing.assert_frame_equal(one, two)
    assert one["y"].equals(table["y"]) and set(log["column"]) == {"x"}
    same, log = found.apply(table, accept=[])
    assert same.equals(table) and same is not table and log.empty and next(iter(log.columns)) == "row"
    for wrong in ("some", [7], [("x", "unit")]):
        with pytest.raises(errors.ParamError, match="accept"):
            found.apply(table, accept=wrong)
    with pytest.raises(errors.SchemaError, match="'y'"):
        found.apply(table[["x"]])


def test_no_value_is_printed():
    found = inspect(pd.DataFrame({"x": CASES["999"][0], "y": CASES["limit"][0], "z": CASES["inch"][0]}))
    shown = str(found) + found._repr_html_()
    assert "999" in shown and not any(f"{v}" in shown for v in HEIGHT)


def test_bad_tables_and_keys():
    with pytest.raises(errors.SchemaError, match="no rows"):
        inspect(pd.DataFrame())
    with pytest.raises(errors.SchemaError, match="one name"):
        inspect(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    table = pd.DataFrame({"key": [str(v) for v in range(ROWS)], "x": HEIGHT})
    assert len(inspect(table)) == 1
    assert not len(inspect(table, Schema.infer(table, key="identifier")))
