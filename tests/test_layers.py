"""The floors of docs/design.md, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import synthkit

ROOT = Path(synthkit.__file__).parent
# A module may import modules of its own floor that come earlier in the list, and those of lower floors.
FLOORS = {
    "errors": 0,
    "runtime": 0,
    "params": 0,
    "io": 0,
    "dtypes": 1,
    "numerals": 1,
    "pii": 1,
    "rules": 1,
    "schema": 1,
    "inference": 1,
    "layout": 2,
    "matrix": 2,
    "protect": 2,
    "protected": 2,
    "transforms": 2,
    "coding": 2,
    "encoder": 2,
    "conditions": 2,
    "given": 2,
    "ranges": 2,
    "enforce": 2,
    "learnt_rules": 2,
    "running": 2,
    "running_order": 2,
    "sequence_columns": 2,
    "sequence_roles": 2,
    "sequence_times": 2,
    "ageing": 2,
    "recalled": 2,
    "ticks": 2,
    "grouped": 2,
    "blockwise": 2,
    "sequences": 2,
    "models": 3,
    "progress": 4,
    "criterion": 4,
    "checkpoint": 4,
    "trainer": 4,
    "stages": 4,
    "series": 5,
    "synthesizers": 5,
    "plots": 6,
    "metrics": 3,
    "report": 3,
    "pooling": 6,
    "imputation": 6,
    "cleaning": 6,
    "anonymizing": 7,
    "auditing": 6,
    "augmenting": 7,
    "cli": 9,
    "testing": 9,
    "__main__": 9,
    "": 9,
}
MAY_IMPORT_PANDAS = {0, 1, 2, 5, 6, 7, 9}
FILES = sorted(ROOT.rglob("*.py"))
BANNED = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal", "sdv", "ctgan", "rdt", "copulas", "deepecho"}


def room(path: Path) -> str:
    """The first part of a module's name: models, metrics, cli, ...; "" for the public face."""
    return path.relative_to(ROOT).with_suffix("").parts[0].replace("__init__", "")


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: imports are absolute"
            found.append(node.module or "")
            if node.module == "synthkit":
                found += [f"synthkit.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_its_floor_or_below(path):
    own = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "synthkit" and len(parts) > 1:
            other = parts[1]
            assert FLOORS[other] <= FLOORS[own], f"{own} imports {other}, which is above it"
            if own == "metrics":
                assert other == "metrics" or FLOORS[other] <= 2, "metrics judge any two tables: they know no model"
            if own == "report":
                assert other in ("metrics", "report") or FLOORS[other] <= 2, "a report knows tables, and no model"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_third_parties_stay_in_their_place(path):
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & BANNED
    if path != ROOT / "metrics" / "sdmetrics.py":
        assert "sdmetrics" not in tops
    if path != ROOT / "pii" / "people.py":
        assert "faker" not in tops
    if path != ROOT / "io.py":
        assert "safetensors" not in tops
    if "pandas" in tops and room(path) not in ("metrics", "report"):
        assert FLOORS[room(path)] in MAY_IMPORT_PANDAS, "models and trainer know tensors only"
    if path.name != "runtime.py":
        assert "cuda" not in path.read_text(encoding="utf-8"), "only runtime.py knows of devices"


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} <= set(FLOORS)


def test_nothing_that_runs_code_is_loaded():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for word in ("torch.load", "torch.save", "allow_pickle=True", "read_pickle", "to_pickle", "eval(", "exec("):
            assert word not in text.replace("pd.eval(", "").replace(".eval(", ""), f"{path.name}: {word}"
