"""``synthkit evaluate``: equal to the API, files, gates as exit codes, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from synthkit import Schema, evaluate
from synthkit.cli import main, read_table, write_table
from synthkit.report import PROFILES, Report
from synthkit.testing.metrics import draw, junk

LIGHT = tuple(f"--metric={name}" for name in ("shape", "pair", "copies", "coverage", "null_rates"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The law's tables, with codes that look like numbers ("007")."""
    path = tmp_path_factory.mktemp("evaluate")
    real = draw(1500, 0)
    tables = {"real": real, "good": draw(1500, 2), "test": draw(1500, 1), "bad": junk(real, 0), "copy": real}
    for name, table in tables.items():
        code = pd.Series(range(len(table))) % 7
        write_table(table.assign(code=[f"00{c}" for c in code]), path / f"{name}.csv")
    return path


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["evaluate", *(str(word) for word in words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_it_equals_the_api(folder, tmp_path, capsys):
    words = (folder / "real.csv", folder / "good.csv", "--holdout", folder / "test.csv", "--target", "late", *LIGHT)
    files = ("--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md")
    code, out, err = run(capsys, *words, *files, "--seed", 5, "--level", "quick", "--quiet")
    assert code == 0 and not err
    real = read_table(folder / "real.csv")
    schema = Schema.infer(real)
    synthetic, holdout = (read_table(folder / f"{name}.csv", schema) for name in ("good", "test"))
    report = evaluate(
        *(real, synthetic),
        holdout=holdout,
        target="late",
        schema=schema,
        metrics=[word.split("=")[1] for word in LIGHT],
        seed=5,
        level="quick",
    )
    got = Report.from_json((tmp_path / "r.json").read_text())
    assert {n: (s.value, s.fresh, s.copy) for n, s in got.scores.items()} == {
        n: (s.value, s.fresh, s.copy) for n, s in report.scores.items()
    }
    assert out.startswith(str(report)) and "written: " in out
    assert (tmp_path / "r.md").read_text() == report.to_markdown()


def test_progress_goes_to_stderr(folder, capsys):
    code, out, err = run(capsys, folder / "real.csv", folder / "good.csv", "--metric", "shape")
    assert code == 0 and "metric" in err and "\r" not in out and "There is no holdout" in " ".join(out.split())


@pytest.mark.parametrize(
    ("table", "profile", "expected"),
    [("good", "test-data", 0), ("bad", "test-data", 1), ("copy", "test-data", 1), ("good", "release", 1)],
)
def test_a_gate_that_does_not_pass_is_exit_code_1(table, profile, expected, folder, tmp_path, capsys):
    words = (folder / "real.csv", folder / f"{table}.csv", "--holdout", folder / "test.csv", *LIGHT, "--quiet")
    report = tmp_path / "r.json"
    code, out, err = run(capsys, *words, "--profile", profile, "--json", report)
    assert code == expected and profile in out
    assert json.loads(report.read_text())["scores"], "the report is written all the same"
    if expected:
        # "release" looks at scores that were not computed here, so it cannot tell, which is no pass
        status = "cannot tell" if profile == "release" else "fail"
        assert err == f"synthkit: profile {profile!r}: {status}\n"
    assert run(capsys, *words)[0] == 0, "without a profile, a report is a report"


def test_several_profiles_have_all_to_pass(folder, capsys):
    words = (folder / "real.csv", folder / "good.csv", "--holdout", folder / "test.csv", *LIGHT, "--quiet")
    code, out, _ = run(capsys, *words, "--profile", "test-data", "--profile", "augmentation")
    assert code == 1 and "test-data" in out and "augmentation" in out


def test_the_page_shows_the_profiles_that_were_asked_for(folder, tmp_path, capsys):
    page = tmp_path / "report.html"
    words = (folder / "real.csv", folder / "bad.csv", "--holdout", folder / "test.csv", *LIGHT, "--quiet")
    assert run(capsys, *words, "--html", page, "--profile", "test-data")[0] == 1
    asked = page.read_text()
    assert PROFILES["test-data"].purpose in asked and PROFILES["imputation"].purpose not in asked
    assert run(capsys, *words, "--html", page)[0] == 0
    assert all(profile.purpose in page.read_text() for profile in PROFILES.values())


BAD = {
    "no file": (("{f}/real.csv", "{f}/nowhere.csv"), "nowhere.csv"),
    "no such target": (("{f}/real.csv", "{f}/good.csv", "--target", "nope"), "'nope'"),
    "no such metric": (("{f}/real.csv", "{f}/good.csv", "--metric", "nope"), "'nope'"),
    "no such profile": (("{f}/real.csv", "{f}/good.csv", "--profile", "nope"), "nope"),
    "no such level": (("{f}/real.csv", "{f}/good.csv", "--level", "slow"), "slow"),
    "no such folder": (("{f}/real.csv", "{f}/good.csv", "--json", "{f}/no/r.json"), "--json"),
    "a folder": (("{f}/real.csv", "{f}/good.csv", "--html", "{f}"), "--html"),
    "other columns": (("{f}/real.csv", "{f}/other.csv"), "share no column"),
    "an empty table": (("{f}/real.csv", "{f}/empty.csv"), "no rows"),
    "one table": (("{f}/real.csv",), "synthetic"),
    "seed": (("{f}/real.csv", "{f}/good.csv", "--seed", "-1"), "'seed'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_exit_code_2_and_one_line(kind, folder, capsys):
    (folder / "other.csv").write_text("a,b\n1,2\n")
    (folder / "empty.csv").write_text((folder / "real.csv").read_text().splitlines()[0] + "\n")
    words, part = BAD[kind]
    code, out, err = run(capsys, *(word.format(f=folder) for word in words), "--quiet")
    assert code == 2 and not out
    assert err.startswith("synthkit: error: ") and err.count("\n") == 1 and part in err, err
