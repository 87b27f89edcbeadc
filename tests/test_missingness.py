"""Gaps are counted and grouped, what tells of them is found, and what is random is not taken for more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import errors, missingness, plots


def table(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """a is empty where x is high (for 80 %), b where the city is Rome (half); c and d together, at random."""
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({"x": rng.normal(size=rows), "city": rng.choice(["Rome", "Oslo", "Bern"], rows)})
    for name in "abcd":
        out[name] = rng.normal(size=rows)
    out.loc[(out["x"] > 1) & (rng.random(rows) < 0.8), "a"] = np.nan
    out.loc[(out["city"] == "Rome") & (rng.random(rows) < 0.5), "b"] = np.nan
    out.loc[rng.random(rows) < 0.2, ["c", "d"]] = np.nan
    out["e"] = out["x"] ** 2
    out.loc[:2, "e"] = np.nan
    return out


@pytest.fixture(scope="module")
def found():
    return missingness(table())


def test_counts_groups_and_patterns(found):
    data = table()
    lines = found.table.set_index("column")
    assert (lines["missing"] == data.isna().sum()).all() and np.allclose(lines["share"], data.isna().mean())
    assert lines.loc["c", "group"] == lines.loc["d", "group"] == 1 and (lines["group"] == 0).sum() == 5
    assert found.complete == data.notna().all(axis=1).sum() and found.patterns["rows"].sum() == 2000 - found.complete
    top = found.patterns.iloc[0]
    alone = data["c"].isna() & data["d"].isna() & data[["a", "b", "e"]].notna().all(axis=1)
    assert top["columns"] == ("c", "d") and top["rows"] == alone.sum()
    assert found.to_frame()["missing"].is_monotonic_decreasing and set(found.to_frame()["column"]) == set("abcde")


def test_drivers(found):
    lines = found.table.set_index("column")
    assert lines.loc["a", "driver"] == "x" and lines.loc["a", "auc"] > 0.9
    assert lines.loc["b", "driver"] == "city" and abs(lines.loc["b", "auc"] - 0.9) < 0.03
    assert lines.loc["e", "driver"] is None and np.isnan(lines.loc["e", "auc"]), "three gaps say nothing"
    assert "x" in str(found) and "<table" in found._repr_html_()


def test_gaps_at_random_have_no_driver():
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(40):
        data = pd.DataFrame(rng.normal(size=(300, 5))).assign(g=rng.choice(list("abcdefghij"), 300))
        data = data.mask(rng.random(data.shape) < 0.2)
        false += missingness(data).table["driver"].notna().sum()
    assert false <= 8, "of 240 columns, 1 % by chance"


def test_without_gaps_and_bad_tables():
    assert "0 of 20 cells" in str(missingness(pd.DataFrame({"a": range(20)})))
    assert missingness(pd.DataFrame({"a": [np.nan] * 9})).table["share"].tolist() == [1.0]
    for bad in (pd.DataFrame(), pd.DataFrame([[1, 2]], columns=["a", "a"])):
        with pytest.raises(errors.SchemaError, match="missingness"):
            missingness(bad)


def test_the_picture(tmp_path):
    data = table()
    figure = plots.missing(data)
    svg = figure.save(tmp_path / "gaps.svg").read_text(encoding="utf-8")
    assert "in 5 of 7 columns" in svg and all(f">{name}<" in svg for name in "abcde") and ">x<" not in svg
    few = plots.missing(data.head(4)).body
    assert "patterns" not in few, "three rows are no pattern to be shown"
    assert "in 0 of 1" in repr(plots.missing(pd.DataFrame({"a": [1, 2]})))
    with pytest.raises(errors.ParamError, match="table"):
        plots.missing([1])
    with pytest.raises(errors.SchemaError, match="no rows"):
        plots.missing(pd.DataFrame())
