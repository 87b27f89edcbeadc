"""The culprits of benchmarks.privacy do what they are named for, and fail the gate that fresh rows pass."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.datasets import load
from benchmarks.peers import Smote
from benchmarks.privacy import main


def test_smote_draws_between_neighbours_of_one_target():
    split = load("breast_cancer")
    number = next(name for name, kind in split.kinds.items() if kind == "numeric")
    train = split.train.assign(tag=np.where(split.train["target"] == 1, "one", "other"))
    train.loc[::10, number] = np.nan
    kinds = {**split.kinds, "tag": "categorical"}
    drawn = Smote(kinds, "target").fit(train).sample(300, seed=0)
    assert list(drawn) == list(kinds) and len(drawn) == 300
    assert ((drawn["tag"] == "one") == (drawn["target"] == 1)).all()
    for name, kind in split.kinds.items():
        if kind == "numeric":
            assert drawn[name].min() >= train[name].min() and drawn[name].max() <= train[name].max()
    pd.testing.assert_frame_equal(drawn, Smote(kinds, "target").fit(train).sample(300, seed=0))


def test_every_part_runs_and_culprits_fail(capsys, tmp_path):
    def figures(*words: str) -> pd.DataFrame:
        assert main(["--datasets", "breast_cancer", "--out", str(tmp_path / "out.csv"), *words]) == 0
        return pd.read_csv(tmp_path / "out.csv").set_index("model")

    gates = figures("--models", "fresh", "copy", "smote")["gate"]
    assert gates["fresh"] != "fail" and gates["copy"] == gates["smote"] == "fail"
    other = figures("--models", "independent", "--what", "canaries", "file", "audit", "--refits", "4")
    assert other.loc[other["what"] == "canaries", "planted"].item() > 5
    assert other.loc[other["what"] == "file", "auc_file"].notna().all()
    assert other.loc[other["what"] == "audit", "refits"].item() == 4
    assert "gate=fail" in capsys.readouterr().out
