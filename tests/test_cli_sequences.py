"""Records over time on the command line: fit, sample, extend, impute, info; equal to the API."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from synthkit import SequenceSynthesizer, TabularSynthesizer
from synthkit.cli import main, read_table, write_table
from synthkit.testing import draw_panel

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

RECORDS = ("--entity", "who", "--time", "when")


def visits() -> pd.DataFrame:
    return draw_panel(40, 0).assign(when=lambda t: t["when"].dt.floor("s"), x=lambda t: t["x"].round(2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The records, a model of them, and one of single rows."""
    path = tmp_path_factory.mktemp("records")
    write_table(visits(), path / "t.csv")
    words = ["fit", str(path / "t.csv"), "--max-steps", "6", "--seed", "3", "--quiet"]
    assert main([*words, *RECORDS, "-o", str(path / "m")]) == 0
    assert main([*words, "--entity", "who", "--single-rows", "--model", "copula", "-o", str(path / "rows")]) == 0
    return path


@pytest.fixture(scope="module")
def api(folder) -> SequenceSynthesizer:
    options = {"entity": "who", "time": "when", "random_state": 3, "max_steps": 6}
    return SequenceSynthesizer(**options).fit(read_table(folder / "t.csv"))


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def same(path: Path, table: pd.DataFrame, other: Path) -> None:
    write_table(table, other)
    assert path.read_bytes() == other.read_bytes()


def test_sample_equals_the_api(folder, api, tmp_path, capsys):
    out = tmp_path / "s.csv"
    words = ("sample", folder / "m", "-n", 12, "--seed", 1, "-o", out)
    code, said, err = run(capsys, *words)
    assert code == 0 and not err
    expected = api.sample(12, seed=1)
    assert f"{len(expected)} rows" in said
    same(out, expected, tmp_path / "api.csv")
    code, _, err = run(
        capsys, *words, "--length", 4, "--start", "2021-02-03 04:05:06", "--where", "arm=b", "--where", "state=on"
    )
    assert code == 0 and not err
    start = pd.Timestamp("2021-02-03 04:05:06")
    expected = api.sample(12, length=4, start=start, where={"arm": "b", "state": "on"}, seed=1)
    same(out, expected, tmp_path / "api.csv")
    assert len(read_table(out)) == 48 and (read_table(out).groupby("who")["when"].min() == start).all()


def test_extend_equals_the_api(folder, api, tmp_path, capsys):
    out, history = tmp_path / "e.csv", read_table(folder / "t.csv").head(30)
    write_table(history, tmp_path / "h.csv")
    words = ("extend", folder / "m", tmp_path / "h.csv", "--steps", 5, "--seed", 1, "-o", out)
    code, said, err = run(capsys, *words)
    assert code == 0 and not err and f"{5 * history['who'].nunique()} rows" in said
    same(out, api.extend(history, 5, seed=1), tmp_path / "api.csv")
    assert run(capsys, *words, "--n", 3)[0] == 0
    fan = read_table(out)
    assert list(fan.columns) == ["draw", *history.columns]
    assert fan.groupby("draw").size().tolist() == [5 * history["who"].nunique()] * 3
    pd.testing.assert_series_equal(fan["x"], api.extend(history, 5, n=3, seed=1)["x"].reset_index(drop=True))


def test_impute_equals_the_api(folder, api, tmp_path, capsys):
    out, table = tmp_path / "f.csv", read_table(folder / "t.csv")
    gaps = int(table["y"].isna().sum())
    words = ("impute", folder / "m", folder / "t.csv", "--seed", 1, "-o", out)
    code, said, err = run(capsys, *words)
    assert code == 0 and not err and said.startswith(f"{gaps} cells")
    same(out, api.impute(table, seed=1), tmp_path / "api.csv")
    assert run(capsys, *words, "--m", 2)[1].count(f"{gaps} cells") == 2
    copies = api.impute(table, n=2, seed=1)
    for k in range(2):
        same(tmp_path / f"f.{k + 1}.csv", copies.loc[k], tmp_path / "api.csv")
    code, _, err = run(capsys, *words, "--audit", tmp_path / "a.json")
    assert code == 2 and "--audit" in err


def test_info_says_what_the_file_holds(folder, capsys):
    code, out, err = run(capsys, "info", folder / "m")
    assert code == 0 and not err
    for words in ("entity  who", "time    when", "context arm, died", "columns 7", "may be empty"):
        assert words in out
    assert "copula" in run(capsys, "info", folder / "rows")[1]


def test_an_index_is_written_as_columns(tmp_path, capsys):
    indexed = visits().set_index(["who", "when"])
    SequenceSynthesizer(entity="who", time="when", max_steps=2, random_state=0).fit(indexed).save(tmp_path / "m")
    assert run(capsys, "sample", tmp_path / "m", "-n", 5, "-o", tmp_path / "s.csv")[0] == 0
    assert list(read_table(tmp_path / "s.csv").columns) == ["who", "when", *indexed.columns]


def test_an_entity_without_a_time_has_no_order(folder, tmp_path, capsys):
    words = ("fit", folder / "t.csv", "--entity", "who", "--context", "arm", "--max-steps", 2, "--quiet")
    code, out, err = run(capsys, *words, "-o", tmp_path / "m")
    assert code == 0 and not err and "context: arm;" in out
    assert SequenceSynthesizer.load(tmp_path / "m").encoder_.time is None
    assert isinstance(TabularSynthesizer.load(folder / "rows"), TabularSynthesizer)


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "{t}", "-o", "{o}", "--time", "when"),
        ("fit", "{t}", "-o", "{o}", "--context", "arm"),
        ("fit", "{t}", "-o", "{o}", "--entity", "who", "--time", "when", "--single-rows"),
        ("fit", "{t}", "-o", "{o}", "--entity", "who", "--weight", "x"),
        ("fit", "{t}", "-o", "{o}", "--entity", "who", "--model", "copula"),
        ("fit", "{t}", "-o", "{o}", "--entity", "who", "--time", "state"),
        ("fit", "{t}", "-o", "{o}", "--entity", "who", "--context", "x"),
        ("sample", "{rows}", "-n", "3", "--length", "2", "-o", "{o}.csv"),
        ("sample", "{rows}", "-n", "3", "--start", "2020-01-01", "-o", "{o}.csv"),
        ("sample", "{m}", "-n", "3", "--start", "never", "-o", "{o}.csv"),
        ("sample", "{m}", "-n", "3", "--length", "0", "-o", "{o}.csv"),
        ("sample", "{m}", "-n", "3", "--where", "who=p0-1", "-o", "{o}.csv"),
        ("extend", "{rows}", "{t}", "--steps", "2", "-o", "{o}.csv"),
        ("extend", "{m}", "{t}", "-o", "{o}.csv"),
        ("extend", "{m}", "{t}", "--steps", "0", "-o", "{o}.csv"),
        ("extend", "{m}", "{t}", "--steps", "2", "-o", "{o}.txt"),
        ("extend", "{m}", "{o}.csv", "--steps", "2", "-o", "{o}.csv"),
        ("impute", "{m}", "{t}", "--m", "2", "--mode", "point", "-o", "{o}.csv"),
        ("sample", "{t}", "-n", "3", "-o", "{o}.csv"),
    ],
    ids=" ".join,
)
def test_bad_arguments_are_refused(words, folder, tmp_path, capsys):
    places = {"t": folder / "t.csv", "m": folder / "m", "rows": folder / "rows", "o": tmp_path / "out"}
    code, out, err = run(capsys, *(word.format(**places) for word in words))
    assert code == 2 and not out
    assert err.startswith("synthkit: error: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
