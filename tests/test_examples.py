"""The examples run as a new user would run them, and what they print is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def output(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(EXAMPLES / name), "--quick", *arguments],
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
def test_credit_risk(tmp_path):
    folder, picture = tmp_path / "work", tmp_path / "credit_risk.svg"
    folder.mkdir()
    text = output("credit_risk.py", folder, "--picture", str(picture))
    assert "all different: True, 0 equal" in text and "rows that meet all conditions: 100%" in text
    _, ours, fresh, copies, torn = row(text, "Detection")
    assert abs(fresh - 0.5) < 0.1 and ours < torn - 0.15, "what is shuffled apart is found out"
    assert row(text, "Copies of training rows")[1:] == [0.0, 0.0, 1.0, 0.0]
    _, ours, fresh, copies, _ = row(text, "Nearer to training rows")
    assert max(ours, fresh) < 0.65 and copies > 0.95
    drawn, law = row(text, "their default rate")
    assert 0.5 < drawn / law < 1.5
    said = re.search(r"more rows of the \d+ defaults: (.+)", text)[1]
    rows, more = map(int, re.search(r"to go on with: (\d+) rows, (\d+) of them drawn", text).groups())
    assert rows - more == 2000 and (more > 0) == (said == "helps")
    edits = {label: row(text, f"{label:<26}chance") for label in ("permanent", "temporary", "unemployed")}
    assert edits["permanent"][0] < edits["temporary"][0] < edits["unemployed"][0]
    assert all(low < chance < high for chance, low, high, _ in edits.values())
    (flagged,) = (line for line in text.splitlines() if line.endswith("OFF SUPPORT"))
    assert flagged.strip().startswith("unemployed, income 9,000")
    real, drawn, law, _, stressed, truth = row(text, "default rate ")
    assert row(text, "share of unemployed")[4] == 15 and abs(real - law) < 1.5
    assert stressed > drawn + 1 and abs(stressed - truth) < abs(drawn - truth) and abs(stressed - truth) < 3
    assert panels(picture) == 4


@pytest.mark.slow
def test_medical_records(tmp_path):
    folder, picture = tmp_path / "work", tmp_path / "medical_records.svg"
    folder.mkdir()
    text = output("medical_records.py", folder, "--picture", str(picture))
    assert re.search(r"lipids +167 .* progression", text), "what tells where the gaps are is found"
    for name in ("bmi", "lipids"):
        error, covered, *_ = row(text, f"{name} by auto")
        assert error < row(text, f"{name} by median")[0] - 0.1 and 0.8 < covered < 0.97
        assert re.search(rf"{name} by auto .* use$", text, re.M)
    pooled, private = row(text, "per 5 of bmi")[4:8:2]
    assert pooled > 15 and private > 10
    full, complete, pooled, private = row(text, "standard errors away")
    assert full == 0 and pooled < complete - 0.3 and private < 3
    assert "undecided='refuse': REFUSED" in text and "cannot tell, too few rows" in text
    assert "undecided='note': HANDED OVER, 442 rows; passed, but for gates that cannot tell" in text
    assert row(text, "copies        Copies of training rows")[0] == 0 and "named in the copy: 0" in text
    assert panels(picture) == 2


def panels(picture: Path) -> int:
    """How many panels a picture of an example has; none holds what is no number."""
    assert "nan" not in picture.read_text(encoding="utf-8")
    return len([part for part in ET.parse(picture).getroot().iter() if part.get("class") == "t"])


@pytest.mark.slow
def test_patient_records(tmp_path):
    text = output("patient_records.py", tmp_path)
    assert "constant within a patient: age, sex, arm, died" in text
    for label, near in (
        ("visits of a patient", 1),
        ("days between visits", 2),
        ("pressure, drug against placebo", 5),
        ("pressure, deviation within a patient", 1),
        ("correlation with the visit before", 0.05),
        ("share of visits at which the stage is worse", 0.03),
        ("share without creatinine", 0.05),
    ):
        real, _, synthetic = row(text, label)
        assert abs(real - synthetic) < near, label
    _, floor, found = row(text, "entity_detection")
    assert found < floor + 0.25
    _, floor, found = row(text, "memorisation")
    assert abs(found - 1) < 0.1
    assert 0.8 < row(text, "in the fan of nine in ten draws")[0] < 0.98
    ours, carried, mean = (row(text, label)[0] for label in ("synthkit", "the visit before", "mean of all"))
    assert ours < carried < mean
    placebo, drug = (row(text, label) for label in ("placebo", "drug"))
    assert 7 < placebo[0] - drug[0] < 21


@pytest.mark.slow
def test_stock_prices(tmp_path):
    folder, picture, page = tmp_path / "work", tmp_path / "prices.svg", tmp_path / "prices.html"
    folder.mkdir()
    text = output("stock_prices.py", folder, "--picture", str(picture), "--html", str(page))
    assert "unsound bars: 0; the real calendar: True" in text
    for label, near in (
        ("volatility of a year", 4),
        ("value at risk, 1 %", 0.5),
        ("expected shortfall, 99 %", 0.7),
        ("correlation of stocks", 0.15),
    ):
        real, _, synthetic, copied = row(text, label)
        assert abs(real - synthetic) < near and abs(real - copied) < near, label
    synthetic, copied = row(text, "days whose moves are those of a real day")
    assert synthetic < 0.05 and copied > 0.9
    assert row(text, "what came lies in the fan of nine in ten")[0] > 0.6
    assert row(text, "cross")[2] < 0.1
    assert panels(picture) == 4
    assert 'id="series"' in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_digits(tmp_path):
    models = ["vae"]
    folder, picture = tmp_path / "work", tmp_path / "digits.png"
    folder.mkdir()
    text = output("digits.py", folder, "--models", *models, "--picture", str(picture))
    assert text.count("of the wished class: 100%") == len(models)
    assert row(text, "real digits")[0] > 0.93
    for name in models:  # hardly trained, but better than one guess in ten, and no copies
        accuracy, _, distance, copies = row(text, f"{name} ")
        assert accuracy > 0.15 and distance > 0 and copies == 0
    grey, blocks = read_png(picture), 1 + len(models)
    assert grey.shape == (10 * 46, blocks * 8 * 46 + 24 * len(models))
    real = grey[:46, :46][5::5, 5::5][:8, :8]
    zeros = load_digits().images[load_digits().target == 0]
    drawn = (255 - zeros * (255 / 16)).round()
    assert (drawn == real).all((1, 2)).any(), "the first tile is a real zero"
    assert all((grey[:, k * (8 * 46 + 24) : k * (8 * 46 + 24) + 8 * 46] < 64).mean() > 0.05 for k in range(blocks))


def read_png(path: Path) -> np.ndarray:
    """The grey levels of an unfiltered 8-bit PNG."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        parts[kind] = data[at + 8 : at + 8 + size]
        assert int.from_bytes(data[at + 8 + size : at + 12 + size], "big") == zlib.crc32(kind + parts[kind])
        at += 12 + size
    width, height = (int.from_bytes(parts[b"IHDR"][i : i + 4], "big") for i in (0, 4))
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def test_every_example_is_tested_and_explained():
    tested = set(re.findall(r'output\("(\w+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested
    explained = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`examples/(\w+\.py)`", explained)) == tested


@pytest.mark.slow
def test_test_database(tmp_path, tmp_path_factory):
    text = output("test_database.py", tmp_path, "--folder", str(tmp_path_factory.mktemp("bank")))
    assert "email     email direct" in text and "IBANs: 100%" in text
    assert "come back: customer_id 0, email 0, phone 0, iban 0" in text
    (real,), (copy,) = (re.findall(rf"in arrears, {name}: .*student (\d+)%", text) for name in ("real", "copy"))
    assert abs(int(real) - int(copy)) < 12
    assert "unit of protection: all rows with one value of 'customer_id'" in text and "passed" in text
