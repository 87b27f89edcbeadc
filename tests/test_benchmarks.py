"""The benchmark harness: splits that repeat, figures of every model, models from a file, tables of peers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import errors, hard
from benchmarks.datasets import load, read_synthetic
from benchmarks.peers import SequentialCart
from benchmarks.run import main, run_job
from benchmarks.scoring import REFERENCES, markdown, reference, score, summarise
from synthkit import metrics
from synthkit.errors import ParamError

FIGURES = ("shape", "pair", "pair_own_bins", "auc_holdout", "auc_train", "tstr", "trtr", "dcr", "mia", "copies")
SHIPPED = ("breast_cancer", "wine", "digits", "diabetes")


# -------------------------------------------------------------------- data
@pytest.mark.parametrize("name", SHIPPED)
def test_splits_repeat_and_keep_the_holdout_unseen(name):
    dev, again, other, final = load(name), load(name), load(name, split_seed=1), load(name, dev=False)
    for part in ("train", "holdout"):
        pd.testing.assert_frame_equal(getattr(dev, part), getattr(again, part))
        assert not getattr(dev, part).equals(getattr(other, part))
    assert len(dev.train) + len(dev.holdout) == len(final.train)
    rows = [set(map(tuple, t.to_numpy().tolist())) for t in (dev.train, dev.holdout, final.holdout)]
    repeats = len(final.train) - len(final.train.drop_duplicates())
    assert len(rows[0] & rows[2]) <= repeats + 1 and len(rows[1] & rows[2]) <= repeats + 1
    assert dev.target in dev.kinds and set(dev.kinds) == set(dev.train.columns)
    assert dev.kinds[dev.target] == ("numeric" if dev.task == "regression" else "categorical")


def test_a_table_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"Glucose": rng.normal(size=100), "Outcome": rng.choice(["yes", "None"], 100)})
    table.to_csv(tmp_path / "pima_diabetes.csv.gz", index=False)
    split = load("pima_diabetes", tmp_path)
    assert (len(split.train), len(split.holdout)) == (64, 16)
    assert set(split.train["Outcome"]) == {"yes", "None"}, "None is a category here"
    assert split.kinds == {"Glucose": "numeric", "Outcome": "categorical"}
    split.train.to_csv(tmp_path / "s.csv", index=False)
    pd.testing.assert_frame_equal(read_synthetic("pima_diabetes", tmp_path / "s.csv"), split.train)
    for bad in (lambda: load("pima_diabetes", tmp_path / "nowhere"), lambda: load("nope")):
        with pytest.raises(ParamError):
            bad()


def test_people_stay_on_one_side(tmp_path):
    """diabetes130 is split by patient, whose number is then left out."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(50), 4)
    table = pd.DataFrame({"patient_nbr": patient, "encounter_id": np.arange(200), "diag_1": patient + 250.5})
    table["readmitted"] = rng.choice(["NO", ">30"], 200)
    for name in ("diag_2", "diag_3"):
        table[name] = "250"
    table.to_csv(tmp_path / "diabetes130.csv.gz", index=False)
    split = load("diabetes130", tmp_path)
    assert "patient_nbr" not in split.train and "encounter_id" not in split.train
    assert not set(split.train["diag_1"]) & set(split.holdout["diag_1"])
    assert all(isinstance(code, str) for code in split.train["diag_2"]), "codes are read as text"


# -------------------------------------------------------------------- references and summary
def test_references_are_what_they_say():
    split = load("wine", dev=False)
    fresh, judge = reference("fresh", split, 0)
    assert not set(fresh.index) & set(judge.index) and len(fresh) == len(judge) == len(split.holdout) // 2
    copy, holdout = reference("copy", split, 0)
    assert metrics.copy_rate(copy, split.train) == 1 and holdout is split.holdout
    loose, _ = reference("independent", split, 0)
    assert metrics.shape_error(split.train, loose, kinds=split.kinds).value == 0
    assert metrics.pair_error(split.train, loose, kinds=split.kinds).value > 0.1


def test_cart_draws_training_values_and_what_depends():
    split = load("wine", dev=False)
    drawn = SequentialCart(split.kinds).fit(split.train).sample(300, seed=0)
    assert list(drawn.columns) == list(split.train.columns)
    for name in drawn:
        assert set(drawn[name]) <= set(split.train[name])
    loose, _ = reference("independent", split, 0)
    errors = [metrics.pair_error(split.train, t, kinds=split.kinds).value for t in (drawn, loose)]
    assert errors[0] < errors[1]


def test_summary_of_runs():
    rows = []
    for seed, (fresh, mine) in enumerate([(0.5, 0.6), (0.4, 0.6), (0.6, 0.6)]):
        for model, dcr in (("fresh", fresh), ("mine", mine)):
            figures = {**dict.fromkeys(FIGURES, 0.1), "dcr": dcr}
            rows.append({"dataset": "d", "model": model, "seed": seed, **figures})
    summary = summarise(pd.DataFrame(rows)).set_index("model")
    assert summary.loc["mine", "dcr"] == pytest.approx(0.6) and summary.loc["mine", "seeds"] == 3
    assert summary.loc["fresh", "dcr_spread"] == pytest.approx(0.1)
    assert summary.loc["mine", "dcr_minus_fresh"] == pytest.approx(0.1)
    assert summary.loc["mine", "dcr_minus_fresh_spread"] == pytest.approx(2 * 0.1 / math.sqrt(3))
    assert math.isnan(summary.loc["fresh", "dcr_minus_fresh"])
    text = markdown(summarise(pd.DataFrame(rows)))
    assert "0.100 ±0.115" in text and len(text.splitlines()) == 4


# -------------------------------------------------------------------- runs
MODEL = '''
from dataclasses import dataclass
from typing import ClassVar

import torch

from synthkit.layout import Encoded
from synthkit.models.base import Model, ModelSpec, ModelTags


class DiceModel(Model):
    """Every code is as likely as any other."""

    tags = ModelTags(trains=False, has_log_prob=False)

    def __init__(self, layout):
        super().__init__()
        self.layout = layout

    def forward(self, partial, target, phase="all"):
        return torch.zeros(len(target))

    def complete(self, partial, allowed=None):
        rows = len(partial)
        num = torch.rand(rows, self.layout.n_num)
        cat = torch.zeros_like(partial.cat)
        for i in self.layout.cat:
            law = allowed[i].weights if i in (allowed or {}) else torch.ones(self.layout.fields[i].size)
            cat[:, self.layout.slot[i]] = torch.multinomial(law, rows, replacement=True).to(cat.dtype)
        every = torch.ones_like
        full = partial.fill(Encoded(num, cat, every(partial.num_known), every(partial.cat_known)))
        num_open, cat_open = self.layout.applies(full)
        return full.hide(~num_open, ~cat_open)


@dataclass(eq=False, repr=False, kw_only=True)
class Dice(ModelSpec):
    """Recipe of the dice."""

    name: ClassVar[str] = "dice"

    def build(self, layout, data, weight=None):
        return DiceModel(layout)

    def restore(self, layout):
        return DiceModel(layout)
'''


def run(out: Path, *words: str) -> int:
    return main(["--datasets", "wine", "--quick", "--in-process", "--max-steps", "20", "--out", str(out), *words])


@pytest.mark.slow
def test_a_quick_run_yields_every_figure(tmp_path, capsys):
    path = tmp_path / "my_model.py"
    path.write_text(MODEL)
    assert run(tmp_path / "out", "--models", "autoregressive", "cart", "--model", f"{path}:Dice") == 0
    out, err = capsys.readouterr()
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index("model")
    assert list(runs.index) == [*REFERENCES, "autoregressive", "cart", "Dice"]
    for figure in FIGURES:
        assert runs[figure].between(0, 1).all(), figure
    timed = runs.loc[["autoregressive", "cart", "Dice"]]
    assert (timed[["fit_s", "sample_s", "rows_per_s", "peak_mb"]] > 0).all().all()
    assert runs.loc["copy", "copies"] == 1 and runs.loc["copy", "mia"] > 0.7
    assert runs.loc["independent", "shape"] == 0
    assert runs.loc["Dice", "pair"] > runs.loc["cart", "pair"]
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert list(summary["model"]) == list(runs.index)
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert text.strip() == out.strip() and "detection AUC" in text and "[6/6]" in err


def test_tables_of_peers(tmp_path, capsys):
    words = ["--datasets", "wine", "--seeds", "0", "1", "--out", str(tmp_path / "out")]
    assert main([*words, "--export", str(tmp_path / "train")]) == 0
    for seed in (0, 1):
        exported = pd.read_csv(tmp_path / "train" / f"wine_{seed}.csv")
        pd.testing.assert_frame_equal(exported, load("wine", split_seed=seed).train)
        exported.to_csv(tmp_path / f"peer_{seed}.csv", index=False)  # a peer that hands its training rows out
    table = f"peer={tmp_path}/peer_{{seed}}.csv"
    assert main([*words, "--in-process", "--no-references", "--models", "--table", table]) == 0
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert list(runs["model"]) == ["peer", "peer"] and (runs["copies"] == 1).all() and runs["fit_s"].isna().all()
    capsys.readouterr()


def test_the_figures_repeat():
    job = {"dataset": "wine", "model": "independent", "seed": 3, "data": ".", "dev": True}
    split = load("wine", split_seed=3)
    synthetic, holdout = reference("independent", split, 3)
    expected = score(split, synthetic, holdout, 3)
    got = run_job(job)
    assert {figure: got[figure] for figure in expected} == expected


def test_failures_are_counted_and_named(tmp_path, capsys):
    empty = tmp_path / "empty.py"
    empty.write_text("")
    for bad in (f"{tmp_path}/missing.py:Spec", f"{empty}:Spec", "nope"):
        assert run(tmp_path / "out", "--no-references", "--models", bad) == 1
        assert "failed: " in capsys.readouterr().err
    assert run(tmp_path / "out", "--no-references", "--models", "--table", f"peer={tmp_path}/missing.csv") == 1
    assert run(tmp_path / "out", "--models", "nope") == 1, "one failed job among good ones"
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) == 3
    capsys.readouterr()


# -------------------------------------------------------------------- hard tables
def test_conditions_in_combination_are_scored(tmp_path, capsys):
    rng = np.random.default_rng(0)
    n = 1500
    people = pd.DataFrame(
        {
            "age": rng.integers(17, 80, n),
            "marital-status": rng.choice(["Never-married", "Divorced", "Widowed"], n),
            "occupation": rng.choice(["Exec-managerial", "Prof-specialty", "Sales"], n),
            "capital-gain": rng.integers(0, 3, n) * 1000,
            "hours-per-week": rng.integers(1, 80, n),
            "income": rng.choice(["<=50K", ">50K"], n),
        }
    )
    people.to_csv(tmp_path / "adult_train.csv.gz", index=False)
    people.to_csv(tmp_path / "adult_test.csv.gz", index=False)
    assert hard.main(["joint", "--data", str(tmp_path), "--max-seconds", "5"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("### joint, dev") and len(lines) == 2 + 2 + 3
    for line in lines[4:]:
        auc, probability, share = (float(line.split("|")[k]) for k in (4, 6, 7))
        assert 0.2 < auc < 0.8 and abs(probability - share) < 0.1


def test_bands_of_tails_and_weighted_means():
    x = np.random.default_rng(0).exponential(size=5000)
    figures, bands = hard._tail(x), hard._bands(x, 0)
    assert figures[0] == pytest.approx(np.quantile(x, 0.999)) and figures[1] > np.quantile(x, 0.99)
    assert all(low < figure < high for figure, (low, high) in zip(figures, bands, strict=True))
    table = pd.DataFrame({"y": [0.0, 1.0, np.nan], "WTMEC2YR": [1.0, 3.0, 5.0]})
    mean, error = hard._weighted(table, "y")
    assert mean == 0.75 and error == pytest.approx(np.sqrt(1 * 0.75**2 + 9 * 0.25**2) / 4)


def test_planted_errors_are_planted_and_scored(capsys):
    """A share of the cells of numbers, each of which is changed, a third of each kind; the others are as they were."""
    table = pd.DataFrame({"a": np.arange(100.0, 500.0), "b": np.arange(400) % 50 + 10.5, "c": ["x", "y"] * 200})
    dirty, kinds = errors.plant(table, ["a", "b"], 0.03, seed=1)
    changed = (dirty != table).to_numpy()
    assert (changed == (kinds != "").to_numpy()).all() and not changed[:, 2].any()
    assert kinds.stack().value_counts()[["typo", "swap", "unit"]].tolist() == [8, 8, 8]  # noqa: PD013
    swapped = kinds["a"] == "swap"
    assert (dirty.loc[swapped, "a"] == table.loc[swapped, "b"]).all()
    both, marks = errors.plant(table, ["a", "b"], 0.03, seed=1, categories=["c"])
    pd.testing.assert_frame_equal(both[["a", "b"]], dirty[["a", "b"]])
    assert ((both["c"] != table["c"]) == (marks["c"] == "category")).all() and 3 <= marks["c"].ne("").sum() <= 12
    assert errors.main(["--quick", "--datasets", "wine"]) == 0
    line = capsys.readouterr().out.splitlines()[-1].split("|")
    assert line[1].strip() == "wine" and all(0 <= float(x) <= 1 for x in line[4:12])
