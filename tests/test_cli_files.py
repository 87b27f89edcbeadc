"""What the command line reads and writes: cells, conditions and schemas, one by one."""

from __future__ import annotations

import json

import pandas as pd

from synthkit import Schema, between, isnull, notnull
from synthkit.cli import parse_where, read_table, write_table
from synthkit.schema import Boolean, Categorical, Constant, Datetime, Duration, Numeric, Text
from tests.test_cli import people, refused, run


def test_parse_where():
    schema = Schema(
        {
            "n": Numeric(integer=True),
            "x": Numeric(integer=False),
            "b": Boolean(),
            "d": Datetime(),
            "t": Duration(),
            "level": Categorical(categories=(1, 2)),
            "k": Constant(value=7),
            "s": Text(),
            "a=b": Numeric(integer=True),
            5: Numeric(integer=True),
        }
    )
    words = ["n=1,2", "x=1", "b=no", "d=2024-01-02", "t=..5min", "level=2", "k=7", 's="null"', "a=b=3", "5=6"]
    assert parse_where(words, schema) == {
        "n": [1, 2],
        "x": 1.0,
        "b": False,
        "d": pd.Timestamp("2024-01-02"),
        "t": between(None, pd.Timedelta("5min")),
        "level": 2,
        "k": 7,
        "s": "null",
        "a=b": 3,
        5: 6,
    }
    assert parse_where(["n=null", "x=notnull"], schema) == {"n": isnull(), "x": notnull()}
    assert parse_where([], schema) == {}


def test_formulas_are_guarded_in_csv_only(tmp_path):
    bad = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\tx", "\rx", "-1+1", "+", "-"]
    good = ["a=1", "x\r=1", "x\n=1", "", "-5", "+4.5", "-1e3", "-.5", "x", "'=1", "+49 30 123456", "+1-212-555-0101x3"]
    table = pd.DataFrame({"=head": bad + good, "n": -1.5, "c": pd.Categorical(bad + good), "t": pd.Timedelta("-1h")})
    write_table(table, tmp_path / "t.csv")
    got = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, dtype=str)
    assert list(got.columns) == ["'=head", "n", "c", "t"]
    assert got["'=head"].tolist() == got["c"].tolist() == ["'" + text for text in bad] + good
    assert set(got["n"]) == {"-1.5"} and not got["t"].str.startswith("'").any()
    write_table(table, tmp_path / "t.csv", formulas=True)
    got = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, dtype=str)
    assert got["=head"].tolist() == got["c"].tolist() == bad + good
    write_table(table[["=head"]], tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["=head"].tolist() == bad + good


def test_reading_a_csv(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "word,number,flag,day,moment,zoned,span,notday,number2\n"
        "None,1,True,2024-01-05,2024-01-05 10:30,2024-01-05T10:30:00Z,1 days 00:30:00,2024-13-45,0.30000000000000004\n"
        "NA,None,None,None,2024-01-06T00:00:00.5,2024-07-05T10:30:00+02:00,-1 days,2024-01-05,NA\n"
        ",2.5,False,2024-02-01,,2024-07-05T10:30:00+02:00,,2024-01-05,1\n"
    )
    table = read_table(path)
    assert table["word"].tolist()[0] == "None" and table["word"].isna().tolist() == [False, True, True]
    assert table["number"].tolist()[::2] == [1, 2.5] and table["number"].isna().sum() == 1
    assert table["flag"].tolist()[::2] == [True, False] and table["flag"].isna().sum() == 1
    assert table["day"].dtype.kind == "M" and table["day"].isna().sum() == 1
    assert table["moment"].dt.hour.tolist()[:2] == [10, 0]
    assert str(table["zoned"].dt.tz) == "UTC" and table["zoned"].dt.hour.tolist() == [10, 8, 8]
    assert table["span"].dtype.kind == "m" and table["span"][1] == pd.Timedelta("-1D")
    assert table["notday"].tolist() == ["2024-13-45", "2024-01-05", "2024-01-05"]
    assert table["number2"][0] == 0.1 + 0.2  # bit for bit


def test_a_schema_keeps_text_text(tmp_path, capsys):
    codes = pd.DataFrame({"code": ["007", "x1"] * 40, "day": ["2024-01-01", "soon"] * 40, "n": [1, 2] * 40})
    write_table(codes, tmp_path / "t.csv")
    model = tmp_path / "m"
    assert run(capsys, "fit", tmp_path / "t.csv", "--out", model, "--model", "independent")[0] == 0
    # taken by itself, this file's columns would be numbers and dates
    (tmp_path / "gaps.csv").write_text("code,day,n\n007,2024-01-01,\n007,,1\n")
    assert run(capsys, "impute", model, tmp_path / "gaps.csv", "--out", tmp_path / "f.csv")[0] == 0
    filled = pd.read_csv(tmp_path / "f.csv", dtype=str)
    assert filled["code"].tolist() == ["007", "007"] and filled["day"][0] == "2024-01-01"
    assert filled.notna().all().all()


def test_bad_schemas_are_refused(tmp_path, capsys):
    data, path = tmp_path / "t.csv", tmp_path / "s.json"
    write_table(people(30), data)
    for text in ("{", "", "[1]", "3", '{"columns": [{"name": "a"}]}', "\xff", "[" * 100_000):
        path.write_text(text, encoding="latin-1")
        refused(capsys, "fit", data, "--out", tmp_path / "m", "--schema", path)
    assert "--schema" in refused(capsys, "fit", data, "--out", tmp_path / "m", "--schema", tmp_path / "missing")
    other = Schema({"other": Numeric()}).to_dict()
    path.write_text(json.dumps(other))
    assert "other" in refused(capsys, "fit", data, "--out", tmp_path / "m", "--schema", path)
