"""The culprits of benchmarks.privacy do what they are named for, and fail the gate that fresh rows pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.datasets import Split, load
from benchmarks.peers import Smote
from benchmarks.privacy import main, pooled


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


def test_pooled_ends_shrink_with_splits_but_not_below_what_they_share():
    rng = np.random.default_rng(0)

    def lines(n: int) -> list[dict[str, float]]:
        at = {"auc": rng.normal(0.5, 0.01, n), "tpr": rng.normal(0.01, 0.005, n)}
        half = {"auc": 0.0196, "tpr": 0.0098}  # standard errors of .01 and .005
        ends = (("", 0), ("_lower", -1), ("_upper", 1))
        return [{name + end: at[name][i] + sign * half[name] for name in at for end, sign in ends} for i in range(n)]

    many = pooled(lines(400))
    assert many["auc_upper_alone"] - many["auc"] == pytest.approx(0.00098, rel=0.1)
    assert many["auc_upper_corrected"] - many["auc"] == pytest.approx(0.0098, rel=0.1)
    assert many["tpr_upper_corrected"] - many["tpr"] == pytest.approx(0.0049, rel=0.1)
    steady = [
        {"auc": 0.5, "auc_lower": 0.4804, "auc_upper": 0.5196, "tpr": 0.0, "tpr_lower": 0.0, "tpr_upper": 0.0}
    ] * 4
    assert pooled(steady)["auc_upper_alone"] == pytest.approx(0.5 + 0.0098)


def test_persons_are_sampled_whole_and_attacked_once():
    owner = np.random.default_rng(0).integers(0, 200, 500)
    table = pd.DataFrame({"who": owner, "x": np.arange(500.0)})
    train, holdout = table[owner < 150].reset_index(drop=True), table[owner >= 150].reset_index(drop=True)
    owners = train["who"].to_numpy(), holdout["who"].to_numpy()
    some = Split("p", train, holdout, "x", {"x": "numeric"}, "regression", owners).sampled(120, 0)
    counts = some.train["who"].value_counts()
    assert 110 < len(some.train) <= 120 and counts.equals(train["who"].value_counts()[counts.index])
    members, controls = some.one_each(1)
    assert members["who"].is_unique and set(members["who"]) == set(some.train["who"])
    assert controls["who"].is_unique and set(controls["who"]) == set(holdout["who"])
