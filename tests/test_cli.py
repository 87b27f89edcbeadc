"""The command line: every command on every format, equal to the API, honest exit codes, errors in one line."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthkit import Imputer, Schema, TabularSynthesizer, between, notnull
from synthkit.cli import main, parse_where, read_table, write_table
from synthkit.errors import ConditionError, ParamError
from synthkit.report import Report
from synthkit.schema import Categorical, Numeric

FORMATS = (".csv", ".csv.gz", ".parquet")


def people(rows: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows),
            "sex": rng.choice(["F", "M"], rows),
            "drinks": rng.choice(["None", "often, very", "=2+3"], rows),
            "pressure": rng.normal(120, 10, rows).round(1),
            "smoker": rng.random(rows) > 0.5,
            "visit": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), "D"),
            "wait": pd.to_timedelta(rng.integers(0, 500, rows), "min"),
        }
    )
    table.loc[::10, "pressure"] = None
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The table in each format, and a model of it."""
    path = tmp_path_factory.mktemp("cli")
    for suffix in FORMATS:
        write_table(people(), path / f"t{suffix}", formulas=True)
    assert main(["fit", str(path / "t.csv"), "--out", str(path / "m"), "--seed", "0", "--max-steps", "20"]) == 0
    return path


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys, *words: object) -> str:
    """The error of a call that must fail: exit code 2, nothing on stdout, one line on stderr."""
    code, out, err = run(capsys, *words)
    assert code == 2 and not out
    assert err.startswith("synthkit: error: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err


# -------------------------------------------------------------------- commands
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_command_equals_the_api(suffix, folder, tmp_path, capsys):
    data, model = folder / f"t{suffix}", tmp_path / "m"
    code, out, _ = run(capsys, "fit", data, "--out", model, "--seed", 3, "--max-steps", 5, "--model", "autoregressive")
    assert code == 0 and "5 steps" in out
    api = TabularSynthesizer("autoregressive", random_state=3, max_steps=5).fit(read_table(data))
    code, out, err = run(capsys, "sample", model, "-n", 30, "--seed", 1, "--out", tmp_path / f"s{suffix}")
    assert code == 0 and "30 rows" in out and not err
    write_table(api.sample(30, seed=1), tmp_path / f"api{suffix}")
    same(tmp_path / f"s{suffix}", tmp_path / f"api{suffix}")

    code, out, err = run(capsys, "impute", model, data, "--seed", 2, "--out", tmp_path / f"f{suffix}")
    assert code == 0 and out.startswith("24 cells") and not err
    filled = api.impute(read_table(data), seed=2)
    assert not filled.isna().any().any()
    write_table(filled, tmp_path / f"api{suffix}")
    same(tmp_path / f"f{suffix}", tmp_path / f"api{suffix}")


def same(a: Path, b: Path) -> None:
    pd.testing.assert_frame_equal(read_table(a), read_table(b))


def test_the_formats_hold_the_same_table(folder):
    for suffix in FORMATS:
        pd.testing.assert_frame_equal(read_table(folder / f"t{suffix}"), people(), check_dtype=False)


def test_point_imputation_equals_the_api(folder, tmp_path, capsys):
    code, _, _ = run(
        capsys, *("impute", folder / "m", folder / "t.csv", "--mode", "point", "--seed", 2, "--out", tmp_path / "f.csv")
    )
    assert code == 0
    api = TabularSynthesizer.load(folder / "m").impute(read_table(folder / "t.csv"), mode="point", seed=2)
    pd.testing.assert_series_equal(read_table(tmp_path / "f.csv")["pressure"], api["pressure"])


def test_a_file_is_filled_by_itself(folder, tmp_path, capsys):
    """Without a model: learnt from the file, scored first on request, once or several times, with a record."""
    table = read_table(folder / "t.csv")
    out = tmp_path / "full.csv"
    words = ("impute", folder / "t.csv", "-o", out, "--method", "median", "--seed", 2)
    code, said, _ = run(capsys, *words, "--mode", "point", "--score")
    assert code == 0 and "verdict" in said and "pressure" in said and "24 cells" in said
    api = Imputer("median", random_state=2).fit(table)
    pd.testing.assert_series_equal(read_table(out)["pressure"], api.transform(table)["pressure"])
    code, said, _ = run(capsys, *words, "--m", 2, "--audit", tmp_path / "audit.json")
    assert code == 0 and said.count("24 cells") == 2
    for k, copy in enumerate(api.multiple(table, 2), 1):
        pd.testing.assert_series_equal(read_table(tmp_path / f"full.{k}.csv")["pressure"], copy["pressure"])
    assert json.loads((tmp_path / "audit.json").read_text())["filled"] == {"pressure": 24}
    assert run(capsys, "impute", folder / "m", folder / "t.csv.gz", "-o", tmp_path / "f.csv.gz", "--m", 1)[0] == 0
    assert (tmp_path / "f.1.csv.gz").exists()


def test_options_of_fit_reach_the_synthesizer(folder, tmp_path, capsys):
    table = people().assign(person=np.arange(240) // 3 + 1000, w=1.5)
    write_table(table, tmp_path / "t.csv")
    schema = Schema.infer(table, sex=Categorical(categories=("F", "M", "X")), entity="person", weight="w")
    (tmp_path / "s.json").write_text(json.dumps(schema.to_dict()))
    words = ("--out", tmp_path / "m", "--max-steps", 2, "--quiet")
    for extra in (("--schema", tmp_path / "s.json"), ("--entity", "person", "--weight", "w", "--single-rows")):
        assert run(capsys, "fit", tmp_path / "t.csv", *words, *extra)[0] == 0
        fitted = TabularSynthesizer.load(tmp_path / "m")
        assert fitted.schema_.entity == "person" and fitted.schema_.weight == "w"
        known = run(capsys, "sample", tmp_path / "m", "-n", 3, "--where", "sex=X", "--out", tmp_path / "s.csv")[0]
        assert known == (0 if "--schema" in extra else 2)
    assert run(capsys, "fit", tmp_path / "t.csv", *words, "--model", "copula")[0] == 0
    assert TabularSynthesizer.load(tmp_path / "m").choice_.startswith("copula")


def test_info_names_columns_and_no_data(folder, capsys):
    code, out, err = run(capsys, "info", folder / "m")
    assert code == 0 and not err
    for name, word in (("age", "numeric"), ("drinks", "categorical"), ("visit", "datetime"), ("wait", "duration")):
        assert any(line.split()[:2] == [name, word] for line in out.splitlines())
    assert "may be empty" in next(line for line in out.splitlines() if "pressure" in line)
    assert "20" in out and "often, very" not in out and "2024" not in out


def test_progress_goes_to_stderr_only(folder, tmp_path, capsys):
    words = ("fit", folder / "t.csv", "--out", tmp_path / "m", "--max-steps", 5, "--seed", 0)
    _, loud, bar = run(capsys, *words)
    _, quiet, nothing = run(capsys, *words, "--quiet")
    assert "step" in bar and not nothing
    assert loud == quiet and "\r" not in loud


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    code, out, err = run(capsys, "demo", "--seconds", 0.5, "--out", tmp_path / "new" / "demo")
    assert code == 0 and "569" not in out and "426 rows to learn" in err
    made = tmp_path / "new" / "demo"
    report = Report.from_json((made / "report.json").read_text())
    assert {"detection_boosting", "pair", "tstr", "copies"} <= set(report.scores) and str(report) in out
    assert "<html" in (made / "report.html").read_text()[:500]
    table = read_table(made / "synthetic.csv")
    assert table.shape == (426, 31)
    assert len(TabularSynthesizer.load(tmp_path / "new" / "demo" / "model.synthkit").sample(5)) == 5


# -------------------------------------------------------------------- conditions
WHERE = {
    "age=40": lambda t: t["age"] == 40,
    "age=30..60": lambda t: t["age"].between(30, 60),
    "age = 30 .. 60": lambda t: t["age"].between(30, 60),
    "age=70..": lambda t: t["age"] >= 70,
    "age=..25": lambda t: t["age"] <= 25,
    "age=..": lambda t: t["age"].notna(),
    "age=..1000000000000000000000000000000": lambda t: t["age"].notna(),
    "age=30,31,50": lambda t: t["age"].isin([30, 31, 50]),
    "sex=F": lambda t: t["sex"] == "F",
    "sex=F,M": lambda t: t["sex"].isin(["F", "M"]),
    "drinks=None": lambda t: t["drinks"] == "None",
    'drinks="often, very"': lambda t: t["drinks"] == "often, very",
    'drinks="often, very", None': lambda t: t["drinks"].isin(["often, very", "None"]),
    "drinks==2+3": lambda t: t["drinks"] == "=2+3",
    "pressure=null": lambda t: t["pressure"].isna(),
    "pressure=notnull": lambda t: t["pressure"].notna(),
    "pressure=110.5..120": lambda t: t["pressure"].between(110.5, 120),
    "smoker=yes": lambda t: t["smoker"],
    "smoker=False": lambda t: ~t["smoker"],
    "visit=2024-03-01": lambda t: t["visit"] == "2024-03-01",
    "visit=2024-03-01..2024-03-31": lambda t: t["visit"].between("2024-03-01", "2024-03-31"),
    "wait=30min..2h": lambda t: t["wait"].between(pd.Timedelta("30min"), pd.Timedelta("2h")),
    "wait=1h..90min": lambda t: t["wait"].between(pd.Timedelta("1h"), pd.Timedelta("90min")),
}


@pytest.mark.parametrize("condition", WHERE)
def test_where_holds_in_every_row(condition, folder, tmp_path, capsys):
    path = tmp_path / "s.csv"
    words = ("--where", condition, "--out", path, "--allow-formulas", "--seed", 0)
    assert run(capsys, "sample", folder / "m", "-n", 20, *words)[0] == 0
    table = read_table(path, TabularSynthesizer.load(folder / "m").schema_)
    assert len(table) == 20 and WHERE[condition](table).all()


def test_several_conditions_equal_the_api(folder, tmp_path, capsys):
    words = ["--where", "age=30..60", "--where", "sex=F", "--where", "pressure=notnull"]
    assert run(capsys, "sample", folder / "m", "-n", 25, "--seed", 4, *words, "--out", tmp_path / "s.csv")[0] == 0
    where = {"age": between(30, 60), "sex": "F", "pressure": notnull()}
    write_table(TabularSynthesizer.load(folder / "m").sample(25, where=where, seed=4), tmp_path / "api.csv")
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "api.csv").read_bytes()


BAD_WHERE = {
    "age": "age",
    "nope=1": "nope",
    "age=old": "age",
    "age=1.5": "age",
    "age=": "age",
    "age=60..30": "'age'",
    "age=null": "never null",
    "pressure=nan": "pressure",
    "pressure=inf": "pressure",
    "pressure=1..nan": "pressure",
    "sex=": "sex",
    "sex=Z": "sex",
    "smoker=maybe": "smoker",
    "visit=soon": "visit",
    "visit=2024-03-01..2024-02-01": "upside down",
    "visit=9999-01-01": "visit",
    "visit=2024-01-01..2024-02-01T00:00+02:00": "'visit'",
    "age=1e3..": "age",
    "wait=long": "wait",
}


@pytest.mark.parametrize("condition", BAD_WHERE)
def test_bad_conditions_are_refused_by_name(condition, folder, tmp_path, capsys):
    path = tmp_path / "s.csv"
    assert BAD_WHERE[condition] in refused(capsys, "sample", folder / "m", "-n", 5, "--out", path, "--where", condition)
    assert not path.exists()


def test_one_condition_per_column(folder, tmp_path, capsys):
    words = ("--where", "age=1..50", "--where", "age=20..99", "--out", tmp_path / "s.csv")
    assert "twice" in refused(capsys, "sample", folder / "m", "-n", 5, *words)
    with pytest.raises(ConditionError, match="twice"):
        parse_where(["x=1", "x=2"], Schema({"x": Numeric()}))


# -------------------------------------------------------------------- files
def test_allow_formulas(folder, tmp_path, capsys):
    words = ("sample", folder / "m", "-n", 50, "--seed", 0, "--where", "drinks==2+3", "--out", tmp_path / "s.csv")
    for extra, text in (((), "'=2+3"), (("--allow-formulas",), "=2+3")):
        assert run(capsys, *words, *extra)[0] == 0
        assert set(pd.read_csv(tmp_path / "s.csv")["drinks"]) == {text}


BAD_FILES = {
    "missing.csv": None,
    "missing.parquet": None,
    "table.txt": b"a,b\n1,2\n",
    "empty.csv": b"",
    "header.csv": b"a,b\n",
    "latin.csv": "a,b\né,2\n".encode("latin-1"),
    "ragged.csv": b"a,b\n1,2\n1,2,3\n",
    "nogzip.csv.gz": b"a,b\n1,2\n",
    "cut.csv.gz": gzip.compress(b"a,b\n1,2\n" * 1000)[:20],
    "broken.csv.gz": gzip.compress(bytes(range(250)) * 20)[:30] + b"\xff" * 40,
    "none.parquet": b"PAR1 and no more",
    "empty.parquet": b"",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_tables_are_refused(name, folder, tmp_path, capsys):
    path = tmp_path / name
    if BAD_FILES[name] is not None:
        path.write_bytes(BAD_FILES[name])
    error = refused(capsys, "fit", path, "--out", tmp_path / "m", "--max-steps", 1)
    assert name in error or name == "header.csv"
    assert not (tmp_path / "m").exists()
    refused(capsys, "impute", folder / "m", path, "--out", tmp_path / "f.csv")


def test_parquet_without_pyarrow_says_what_to_install(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "synthkit[parquet]" in refused(capsys, "fit", folder / "t.parquet", "--out", tmp_path / "m")
    words = ("-n", 1, "--out", tmp_path / "s.parquet")
    assert "synthkit[parquet]" in refused(capsys, "sample", folder / "m", *words)


def test_a_folder_is_no_table(folder, tmp_path, capsys):
    (tmp_path / "d.csv").mkdir()
    refused(capsys, "fit", tmp_path / "d.csv", "--out", tmp_path / "m")
    refused(capsys, "sample", folder / "m", "-n", 1, "--out", tmp_path / "d.csv")


@pytest.mark.parametrize("command", ["sample", "impute", "info"])
def test_bad_models_are_refused(command, folder, tmp_path, capsys):
    content = (folder / "m").read_bytes()
    rest = {
        "sample": ("-n", 1, "--out", tmp_path / "s.csv"),
        "impute": (folder / "t.csv", "--out", tmp_path / "s.csv"),
        "info": (),
    }[command]
    for bad in (content[: len(content) // 2], content[:-1], b"", b"a,b\n1,2\n"):
        (tmp_path / "bad").write_bytes(bad)
        refused(capsys, command, tmp_path / "bad", *rest)
    refused(capsys, command, tmp_path / "missing", *rest)
    refused(capsys, command, tmp_path, *rest)


def test_outputs_that_cannot_be_written(folder, tmp_path, capsys):
    nowhere = tmp_path / "no" / "where.csv"
    assert "no" in refused(capsys, "fit", folder / "t.csv", "--out", nowhere)
    refused(capsys, "fit", folder / "t.csv", "--out", tmp_path)
    for words in (("sample", folder / "m", "-n", 1), ("impute", folder / "m", folder / "t.csv")):
        refused(capsys, *words, "--out", nowhere)
        assert ".csv" in refused(capsys, *words, "--out", tmp_path / "s.txt")
    (tmp_path / "file").touch()
    refused(capsys, "demo", "--out", tmp_path / "file")
    with pytest.raises(ParamError, match="Parquet cannot"):
        write_table(pd.DataFrame({"a": [1, "x"]}), tmp_path / "s.parquet")


BAD_WORDS = [
    (),
    ("dance",),
    ("fit",),
    ("fit", "t.csv"),
    ("fit", "{t}", "--out", "{o}", "--model", "nope"),
    ("fit", "{t}", "--out", "{o}", "--max-seconds", "-1"),
    ("fit", "{t}", "--out", "{o}", "--max-seconds", "nan"),
    ("fit", "{t}", "--out", "{o}", "--max-steps", "0"),
    ("fit", "{t}", "--out", "{o}", "--max-steps", "many"),
    ("fit", "{t}", "--out", "{o}", "--seed", "-1"),
    ("fit", "{t}", "--out", "{o}", "--entity", "nobody"),
    ("fit", "{t}", "--out", "{o}", "--weight", "nobody"),
    ("sample", "{m}", "--out", "{o}.csv"),
    ("sample", "{m}", "-n", "-5", "--out", "{o}.csv"),
    ("sample", "{m}", "-n", "5", "--seed", "-1", "--out", "{o}.csv"),
    ("impute", "{m}", "{t}", "--mode", "guess", "--out", "{o}.csv"),
    ("impute", "{m}", "{t}", "{t}", "--out", "{o}.csv"),
    ("impute", "{m}", "{t}", "--score", "--out", "{o}.csv"),
    ("impute", "{m}", "{t}", "--method", "median", "--out", "{o}.csv"),
    ("impute", "{t}", "--m", "0", "--out", "{o}.csv"),
    ("demo", "--seed", "-1", "--out", "{o}"),
    ("demo", "--seconds", "0", "--out", "{o}"),
]


@pytest.mark.parametrize("words", BAD_WORDS, ids=" ".join)
def test_bad_arguments_are_refused(words, folder, tmp_path, capsys):
    places = {"t": folder / "t.csv", "m": folder / "m", "o": tmp_path / "out"}
    filled = [word.format(**places) for word in words]
    if words[:1] == ("demo",) and "--seconds" in words:
        code, _, err = run(capsys, *filled)  # it says what it works on first
        assert code == 2 and "error: " in err.splitlines()[-1]
    else:
        refused(capsys, *filled)


def test_help_and_version(capsys):
    for words in (("--help",), ("fit", "--help"), ("--version",)):
        code, out, err = run(capsys, *words)
        assert code == 0 and "synthkit" in out and not err


def test_warnings_are_one_line(tmp_path, capsys):
    write_table(people(10), tmp_path / "t.csv")
    code, out, err = run(capsys, "fit", tmp_path / "t.csv", "--out", tmp_path / "m", "--quiet")
    assert code == 0 and "independent" in out
    assert err.startswith("synthkit: warning: ") and all(line.startswith("synthkit: ") for line in err.splitlines())


# -------------------------------------------------------------------- interrupt
# A shell starts its background commands deaf to interrupts.
_DEAF = os.name == "nt" or signal.getsignal(signal.SIGINT) is signal.SIG_IGN
interruptible = pytest.mark.skipif(_DEAF, reason="interrupts do not arrive here")


@interruptible
def test_an_interrupt_while_reading_is_130(tmp_path, capsys):
    pipe = tmp_path / "t.csv"
    os.mkfifo(pipe)
    reader, over = threading.get_ident(), threading.Event()

    def press() -> None:
        with pipe.open("w"):  # opens once the command reads
            signal.pthread_kill(reader, signal.SIGINT)
            over.wait(60)  # a pipe that closes first would be an empty table

    thread = threading.Thread(target=press)
    thread.start()
    code, out, err = run(capsys, "fit", pipe, "--out", tmp_path / "m")
    over.set()
    thread.join()
    assert code == 130 and not out and err == "synthkit: interrupted\n"
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
@interruptible
def test_an_interrupted_fit_keeps_its_model(folder, tmp_path):
    words = ["fit", str(folder / "t.csv"), "--out", str(tmp_path / "m"), "--max-steps", "100000", "--seed", "0"]
    child = subprocess.Popen(
        [sys.executable, "-m", "synthkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert child.stderr is not None
    head = b""
    while b"best=" not in head:  # the bar stands: training has begun
        piece = child.stderr.read1(100)
        assert piece, head
        head += piece
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert b"warning" in err and err.rstrip().endswith(b"synthkit: interrupted") and b"Traceback" not in err
    assert b"steps" in out and len(TabularSynthesizer.load(tmp_path / "m").sample(5)) == 5
