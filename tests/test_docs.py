"""What the documents say is true: their code runs, their links lead somewhere, the modules they name exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.anonymize import _parser as anonymize_parser
from benchmarks.augmentation import _parser as augmentation_parser
from benchmarks.panels import _parser as panels_parser
from benchmarks.privacy import _parser as privacy_parser
from benchmarks.protection import _parser as protection_parser
from benchmarks.run import _parser
from benchmarks.scenarios import _parser as scenarios_parser
from benchmarks.scoring import _COLUMNS, REFERENCES
from benchmarks.series import _parser as series_parser
from benchmarks.series_imputation import _parser as gaps_parser
from benchmarks.series_scores import _parser as scores_parser
from synthkit import TabularSynthesizer
from synthkit.cli import main
from synthkit.metrics.registry import METRICS
from synthkit.models import MODELS
from synthkit.schema import COLUMN_TYPES
from synthkit.testing import draw_panel
from synthkit.transforms import TRANSFORMERS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


@pytest.fixture
def registries() -> Iterator[None]:
    """The registries as they were: the guides add a line to each."""
    kept = [(registry, dict(registry)) for registry in (MODELS, COLUMN_TYPES, TRANSFORMERS, METRICS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)


def paths_named(text: str) -> set[str]:
    """Code spans that look like a file or a folder of this project."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    tops = "synthkit|tests|docs|benchmarks|examples"
    return {s for s in spans if re.fullmatch(rf"({tops})/[\w./-]*|[A-Z]\w+\.md|pyproject\.toml|constraints\.txt", s)}


def modules_named(text: str) -> set[str]:
    """Dotted names below synthkit or benchmarks, in code spans, blocks and commands."""
    return set(re.findall(r"(?<![\w/.@-])((?:synthkit|benchmarks)(?:\.[a-z_]\w*)+)(?![\w/])", text, re.I))


# -------------------------------------------------------------------- code
RUNNABLE = [path for path in DOCUMENTS if blocks(path, "python")]


def test_the_readme_and_the_guides_have_code():
    assert {"README.md", "adding_a_model.md", "adding_a_column_type.md", "adding_a_metric.md"} <= {
        path.name for path in RUNNABLE
    }


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda p: p.name)
def test_python_blocks_run_in_order(path, tmp_path, monkeypatch, registries):
    monkeypatch.chdir(tmp_path)
    # a real module name: dataclasses look theirs up
    namespace: dict[str, object] = {"__name__": __name__}
    for k, block in enumerate(blocks(path, "python")):
        exec(compile(block, f"{path.name}, block {k + 1}", "exec"), namespace)


def test_bash_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(18, 90, 200), "sex": rng.choice(["F", "M"], 200)})
    table.loc[::10, "sex"] = None
    table["pressure"] = (90 + 0.6 * table["age"] + rng.normal(0, 10, 200)).round(1)
    table.to_csv("table.csv", index=False)
    table.sample(100, random_state=0).to_csv("holdout.csv", index=False)
    for seed, name in enumerate(("visits", "drawn_visits", "other_visits")):
        draw_panel(40, seed).to_csv(f"{name}.csv", index=False)
    walk = 100 * np.exp(rng.normal(0, 0.01, 300).cumsum())
    days = pd.bdate_range("2022-01-03", periods=300)
    pd.DataFrame({"Date": days, "Close": walk.round(2)}).to_csv("prices.csv", index=False)
    lines = [line for block in blocks(ROOT / "README.md", "bash") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("synthkit ")]
    assert {words[0] for words in commands} >= {"fit", "sample", "impute", "info", "evaluate"}
    for words in commands:
        short = [*words, "--max-steps", "10"] if words[0] == "fit" else words
        assert main(short) == 0, capsys.readouterr().err
    capsys.readouterr()
    drawn = pd.read_csv("synthetic.csv")
    assert len(drawn) == 1000 and drawn["age"].between(30, 60).all() and drawn["sex"].isin(["F", "M"]).all()
    assert pd.read_csv("filled.csv").notna().all().all()
    assert list(TabularSynthesizer.load("model.synthkit").schema_.columns) == ["age", "sex", "pressure"]


def test_commands_of_the_benchmark_guide_are_understood():
    text = "\n".join(blocks(ROOT / "benchmarks" / "README.md", "bash"))
    commands = [shlex.split(line, comments=True) for line in text.splitlines() if line.startswith("python -m")]
    assert len(commands) > 4
    parsers = {"benchmarks.run": _parser, "benchmarks.panels": panels_parser, "benchmarks.series": series_parser}
    parsers["benchmarks.series_imputation"] = gaps_parser
    parsers["benchmarks.augmentation"] = augmentation_parser
    parsers["benchmarks.series_scores"] = scores_parser
    parsers["benchmarks.privacy"] = privacy_parser
    parsers["benchmarks.protection"] = protection_parser
    parsers["benchmarks.anonymize"] = anonymize_parser
    parsers["benchmarks.scenarios"] = scenarios_parser
    for words in commands:
        if words[2] != "venv":
            assert parsers[words[2]]().parse_args(words[3:])


def test_the_benchmark_guide_explains_every_figure():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for figure, (heading, _, _) in _COLUMNS.items():
        if figure.endswith("_minus_fresh"):
            figure, heading = "_minus_fresh", "- fresh"
        assert heading in text and (figure in text or figure.endswith(("_s", "_mb"))), figure
    for name in REFERENCES:
        assert f"| `{name}` |" in text


def test_every_model_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("auto", *MODELS):
        assert f'`"{name}"`' in text, name


# -------------------------------------------------------------------- references
@every_document
def test_links_and_paths_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|mailto:|#", target):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"
    for name in paths_named(text):
        found = [place / name for place in (ROOT, path.parent) if (place / name).exists()]
        # made by the first final run of the benchmark
        assert found or name in ("benchmarks/RESULTS.md", "RESULTS.md"), f"{path.name} names {name}"


@every_document
def test_modules_and_their_names_exist(path):
    text = re.sub(r"\S+\.(synthkit|md|py|csv|json)\b", "", path.read_text(encoding="utf-8"))
    for name in modules_named(text):
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            if _is_module(".".join(parts[:cut])):
                break
        thing = importlib.import_module(".".join(parts[:cut]))
        for attribute in parts[cut:]:
            assert hasattr(thing, attribute), f"{path.name} names {name}"
            thing = getattr(thing, attribute)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is no package
        return False


def test_the_checks_of_this_file_bite():
    text = "`synthkit/nowhere.py`, synthkit.metrics.shape_error, `benchmarks.run`, model.synthkit, [x](y.md)"
    assert paths_named(text) == {"synthkit/nowhere.py"}
    assert modules_named(text) == {"synthkit.metrics.shape_error", "benchmarks.run"}
    assert not _is_module("synthkit.nowhere") and not _is_module("synthkit.cli.main.nothing")


# -------------------------------------------------------------------- project files
def test_the_changelog_has_an_open_section():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert heads and heads[0] == "Unreleased"
    body = text.split("## [Unreleased]")[1].split("\n## ")[0]
    assert re.search(r"^### (Added|Changed|Fixed|Removed|Security|Deprecated)\n- ", body, re.M)
