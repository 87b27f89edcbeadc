"""``synthkit inspect``, ``errors`` and the audits of ``impute``: as the API, and nothing changes unasked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthkit import Imputer, Schema, TabularSynthesizer, find_errors, inspect
from synthkit.cli import main, read_table, write_table
from synthkit.schema import Numeric, Personal


def dirty(rows: int = 200) -> pd.DataFrame:
    """A code for missing, decimal commas, a repeated row; y is told by x but in row 7; gaps in z."""
    rng = np.random.default_rng(0)
    x = rng.normal(50, 10, rows).round(1)
    table = pd.DataFrame({"x": x, "y": (10 * x + rng.normal(0, 5, rows)).round()})
    table.loc[7, "y"] = table["y"].max() * 5
    table["age"] = rng.integers(20, 80, rows)
    table.loc[3:6, "age"] = 999
    table["dose"] = [f"{v:.1f}".replace(".", ",") for v in rng.random(rows) * 5]
    table["z"] = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows))
    table.loc[rows - 1] = table.loc[0]
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clean")
    write_table(dirty(), path / "t.csv")
    return path


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_inspect_lists_and_changes_nothing(folder, capsys):
    before = (folder / "t.csv").read_bytes()
    code, out, err = run(capsys, "inspect", folder / "t.csv")
    assert code == 0 and not err and out == f"{inspect(read_table(folder / 't.csv'))}\n"
    assert "999 becomes empty" in out and "decimal comma" in out and "duplicate" in out
    assert (folder / "t.csv").read_bytes() == before


def test_inspect_names_columns_of_personal_data(tmp_path, capsys):
    mails = [f"w{k}@example.org" for k in range(60)]
    table = pd.DataFrame({"contact": mails, "birthday": "1970-01-01", "x": range(60)})
    write_table(table, tmp_path / "t.csv")
    code, out, _ = run(capsys, "inspect", tmp_path / "t.csv")
    assert code == 0 and "personal data: contact (e-mail address), birthday (date of birth)" in out
    assert "@" not in out


def test_personal_columns_of_a_file_and_its_schema(tmp_path, capsys):
    phones = [f"+49 30 {k:06d}" for k in range(100000, 100080)]
    write_table(pd.DataFrame({"phone": phones, "x": range(80)}), tmp_path / "t.csv")
    code, _, err = run(capsys, "fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--model", "independent", "--seed", 0)
    assert code == 0 and "'phone' (phone number)" in err and phones[0] not in err
    code, *_ = run(capsys, "sample", tmp_path / "m", "-n", 30, "-o", tmp_path / "s.csv", "--seed", 1)
    drawn = read_table(tmp_path / "s.csv")["phone"]
    assert code == 0 and drawn.str.fullmatch(r"\+49 \d\d \d{6}").all() and not set(drawn) & set(phones)
    schema = Schema({"phone": Personal(kind="phone"), "x": Numeric()}).to_dict()
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    where = ("-o", tmp_path / "m", "--model", "independent", "--schema", tmp_path / "schema.json")
    code, _, err = run(capsys, "fit", tmp_path / "t.csv", *where)
    assert code == 0 and "personal" not in err


def test_inspect_applies_what_is_accepted(folder, tmp_path, capsys):
    table, out, log = read_table(folder / "t.csv"), tmp_path / "r.csv", tmp_path / "log.csv"
    found = inspect(table)
    for lines, accept in (((), "all"), ((1,), [1])):
        code, said, _ = run(capsys, "inspect", folder / "t.csv", "-o", out, "--log", log, "--apply", *lines)
        repaired, changes = found.apply(table, accept=accept)
        assert code == 0 and f"{len(changes)} cells or rows were repaired" in said
        pd.testing.assert_frame_equal(read_table(out), repaired.reset_index(drop=True), check_dtype=False)
        assert len(read_table(log)) == len(changes) and list(read_table(log).columns) == list(changes.columns)


def test_errors_equal_the_api(folder, tmp_path, capsys):
    table = read_table(folder / "t.csv").drop(columns="dose")
    write_table(table, tmp_path / "t.csv")
    model = TabularSynthesizer("autoregressive", max_steps=40, random_state=0).fit(table)
    model.save(tmp_path / "m")
    out = tmp_path / "e.csv"
    code, said, _ = run(capsys, "errors", tmp_path / "m", tmp_path / "t.csv", "-o", out, "--limit", 5, "--quiet")
    found = find_errors(table, model)
    assert code == 0 and said.startswith(str(found)) and "5 cells are in" in said
    pd.testing.assert_frame_equal(read_table(out), found.to_frame(5), check_dtype=False)
    words = ("errors", tmp_path / "t.csv", "--seed", 3, "--max-seconds", 2, "--quiet")
    code, said, _ = run(capsys, *words)
    first = said.splitlines()[1].split()
    assert code == 0 and first[:2] == ["7", "y"], "the cell that its row contradicts is the oddest"


def test_audits_need_no_copies(folder, tmp_path, capsys):
    table = read_table(folder / "t.csv")
    out, lines, record = tmp_path / "f.csv", tmp_path / "a.csv", tmp_path / "a.json"
    words = ("impute", folder / "t.csv", "-o", out, "--method", "median", "--seed", 2)
    for path in (lines, record):
        code, said, _ = run(capsys, *words, "--audit", path)
        assert code == 0 and said.count("cells were filled") == 1
    api = Imputer("median", mode="draw", random_state=2).fit(table)
    pd.testing.assert_frame_equal(read_table(lines), api.audit(table).drop(columns="mode"), check_dtype=False)
    assert json.loads(record.read_text()) == json.loads(api.multiple(table, 20).to_json())
    gap = table["z"].isna()
    assert (read_table(lines)["value"].to_numpy() == read_table(out)["z"][gap].to_numpy()).all()
    assert run(capsys, *words, "--m", 2, "--audit", lines)[0] == 0 and len(read_table(lines)) == gap.sum()


def test_audits_of_a_model_tell_what_it_wrote(folder, tmp_path, capsys):
    table = read_table(folder / "t.csv")
    TabularSynthesizer("copula", random_state=0).fit(table).save(tmp_path / "m")
    out, lines = tmp_path / "f.csv", tmp_path / "a.csv"
    code, _, _ = run(capsys, "impute", tmp_path / "m", folder / "t.csv", "-o", out, "--audit", lines)
    audit, gap = read_table(lines), table["z"].isna()
    assert code == 0 and np.allclose(audit["value"], read_table(out)["z"][gap])
    again = tmp_path / "again.csv"
    run(capsys, "impute", tmp_path / "m", folder / "t.csv", "-o", again, "--seed", audit["seed"][0])
    assert read_table(again).equals(read_table(out)), "the seed on record fills the same"


BAD = [
    (("inspect", "{t}", "--apply"), "--out"),
    (("inspect", "{t}", "-o", "{o}.csv"), "--apply"),
    (("inspect", "{t}", "--log", "{o}.csv"), "--apply"),
    (("inspect", "{t}", "-o", "{o}.csv", "--apply", "99"), "no line 99"),
    (("inspect", "{t}", "-o", "{o}.csv", "--apply", "-1"), "no line -1"),
    (("inspect", "{t}", "-o", "{o}.txt", "--apply"), ".parquet"),
    (("inspect", "{t}", "-o", "{o}.csv", "--log", "{o}.parquet", "--apply"), ".csv.gz"),
    (("inspect", "{o}.csv"), "no file"),
    (("errors", "{t}", "-o", "{o}.parquet"), ".csv.gz"),
    (("errors", "{t}", "--limit", "0"), "--limit"),
    (("errors", "{t}", "{t}", "{t}"), "more files"),
    (("errors", "{t}", "{t}"), ""),
    (("errors", "{t}", "--seed", "-1"), "seed"),
    (("errors", "{t}", "--schema", "{o}.json"), "--schema"),
    (("impute", "{t}", "--audit", "{o}.txt", "-o", "{o}.csv"), "--audit"),
]


@pytest.mark.parametrize(("words", "why"), BAD, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_bad_requests_are_one_line(words, why, folder, tmp_path, capsys):
    filled = [word.format(t=folder / "t.csv", o=tmp_path / "out") for word in words]
    code, out, err = run(capsys, *filled)
    assert code == 2 and not out and err.startswith("synthkit: error: ") and err.count("\n") == 1 and why in err
    assert not list(tmp_path.iterdir())
