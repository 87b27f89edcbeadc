"""The examples run as a new user would run them, and what they print is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def output(name: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(EXAMPLES / name), "--quick"],
        cwd=folder,  # needs no file beside it
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr and not list(folder.iterdir()), "an example leaves nothing behind"
    assert all(len(line) <= 120 for line in done.stdout.splitlines())
    return done.stdout


def row(text: str, label: str) -> list[float]:
    """The numbers behind a label at the start of a line."""
    (line,) = (line.strip() for line in text.splitlines() if line.strip().startswith(label))
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line.removeprefix(label))]


@pytest.mark.slow
def test_medical(tmp_path):
    text = output("medical.py", tmp_path)
    assert "200 of 200 synthetic ones" in text and "draws the same rows: True" in text
    assert row(text, "synthkit")[0] < row(text, "column mean")[0]
    synthetic, _ = row(text, "AUC of a diagnosis learnt")
    assert synthetic > 0.9
    assert row(text, "copies of training rows") == [0.0, 0.0]


@pytest.mark.slow
def test_finance(tmp_path):
    text = output("finance.py", tmp_path)
    assert "rows that meet all conditions: 100%" in text and "all different: True, 0 equal" in text
    real, synthetic = row(text, "share of zero advances")
    assert abs(real - synthetic) < 0.05
    assert row(text, "no advance")[-1] < row(text, "an advance of 1,500")[-1] - 0.2
    near, attack, copies, pair = row(text, "synthetic ")
    culprit_near, culprit_attack, culprit_copies, _ = row(text, "training rows, drawn again")
    assert copies == 0 and near < 0.65 and attack < 0.6
    assert culprit_copies == 1 and culprit_near > 0.95 and culprit_attack > 0.75
    assert pair < row(text, "columns shuffled apart")[-1]


def test_every_example_is_tested():
    tested = set(re.findall(r'output\("(\w+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested
