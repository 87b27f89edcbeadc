"""The benchmark of panels: splits by entities, figures with known answers, the baseline, runs that are not repeated."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.panel_data import NAMES, PanelSplit, load
from benchmarks.panel_figures import cover, fans, of_codes, prevalence
from benchmarks.panel_peers import Bootstrap, Ours, numbered
from benchmarks.panel_rivals import rival
from benchmarks.panels import label, main, markdown
from synthkit.errors import ParamError, SchemaError

PEOPLE = 120


@pytest.fixture
def folder(tmp_path):
    """Panels of known laws under the names of the files."""
    rng = np.random.default_rng(0)
    visits = rng.integers(2, 6, PEOPLE)
    who = np.repeat(np.arange(PEOPLE), visits)
    rows = len(who)
    pbc = pd.DataFrame({"id": who + 1, "futime": who * 10, "status": who % 3, "trt": who % 2, "age": who / 7.0})
    pbc["sex"] = np.where(who % 2, "f", "m")
    pbc["day"] = np.concatenate([np.sort(rng.choice(900, n, replace=False)) for n in visits])
    for name in ("ascites", "hepato", "spiders", "edema"):
        pbc[name] = rng.integers(0, 2, rows)
    pbc["bili"], pbc["stage"] = rng.normal(size=rows) + who, rng.integers(1, 5, rows)
    pbc.sample(frac=1, random_state=0).to_csv(tmp_path / "pbcseq.csv.gz", index=False)
    stays = pd.DataFrame({"hadm_id": np.arange(40), "admission_type": "URGENT", "hospital_expire_flag": 0})
    stays.to_csv(tmp_path / "mimic3demo_admissions.csv.gz", index=False)
    stay = np.repeat(np.arange(40), 3)
    codes = pd.DataFrame({"row_id": np.arange(120), "subject_id": stay // 2, "hadm_id": stay})
    codes["seq_num"] = np.tile([1, 2, 3], 40)
    codes["icd9_code"] = rng.choice(["0389", "4019", "25000"], 120)
    codes.to_csv(tmp_path / "mimic3demo_diagnoses_icd.csv.gz", index=False)
    return tmp_path


def panel(train: pd.DataFrame, holdout: pd.DataFrame) -> PanelSplit:
    return PanelSplit("p", train, holdout, "who", "day", (), {"x": "numeric"}, None)


# -------------------------------------------------------------------- data
def test_entities_are_on_one_side_and_the_holdout_is_unseen(folder):
    dev, again, final = load("pbcseq", folder), load("pbcseq", folder), load("pbcseq", folder, dev=False)
    pd.testing.assert_frame_equal(dev.train, again.train)
    sets = [set(t["id"]) for t in (dev.train, dev.holdout, final.holdout)]
    assert [len(s) for s in sets] == [76, 20, 24] and len(set.union(*sets)) == PEOPLE
    keys = np.arange(1, PEOPLE + 1)
    assert set(final.train["id"]) == set(keys[np.random.default_rng(0).permutation(PEOPLE)[:96]])
    assert set(load("pbcseq", folder, 1).train["id"]) != sets[0]
    assert dev.train.groupby("id")["day"].is_monotonic_increasing.all()
    assert len(dev.train[["id", *dev.context]].drop_duplicates()) == 76, "context does not vary"
    assert dev.kinds["stage"] == "categorical" and dev.kinds["bili"] == "numeric" and "day" not in dev.kinds


def test_stays_of_a_patient_are_on_one_side(folder):
    split = load("mimic3demo_diagnoses_icd", folder, dev=False)
    assert not set(split.train["hadm_id"] // 2) & set(split.holdout["hadm_id"] // 2)
    assert split.time is None and "subject_id" not in split.train
    assert set(split.train["icd9_code"]) == {"0389", "4019", "25000"}, "codes are read as text"


def test_transactions_of_a_day_stand_so_that_the_balance_adds_up(tmp_path):
    rng = np.random.default_rng(1)
    account = np.repeat([7, 3], 30)
    amount = rng.integers(1, 1000, 60) / 10
    kind = np.where(rng.random(60) < 0.6, "PRIJEM", "VYDAJ")
    signed = pd.Series(np.where(kind == "PRIJEM", amount, -amount))
    trans = pd.DataFrame({"trans_id": np.arange(60), "account_id": account, "type": kind, "amount": amount})
    trans["date"], trans["balance"] = 930101 + np.tile(np.arange(30) // 6, 2), signed.groupby(account).cumsum().round(1)
    for name in ("operation", "k_symbol", "bank", "account"):
        trans[name] = "a"
    trans.sample(frac=1, random_state=0).to_csv(tmp_path / "berka_trans.csv.gz", index=False)
    accounts = pd.DataFrame({"account_id": [3, 7, 9], "district_id": 1, "frequency": "m"})
    accounts.to_csv(tmp_path / "berka_account.csv.gz", index=False)
    pd.DataFrame({"account_id": [7], "status": ["B"]}).to_csv(tmp_path / "berka_loan.csv.gz", index=False)
    split = load("berka_trans", tmp_path, dev=False)
    for part in (split.train, split.holdout):
        step = np.where(part["type"] == "PRIJEM", part["amount"], -part["amount"])
        np.testing.assert_allclose(part["balance"], step.cumsum(), atol=1e-6)
        trouble = part["trouble"].dropna().unique().tolist()
        assert trouble == (["yes"] if part["account_id"].iloc[0] == 7 else [])


def test_unknown_panels_and_files(folder):
    with pytest.raises(ParamError, match="'nope' is no benchmark panel"):
        load("nope", folder)
    with pytest.raises(ParamError, match=re.escape("framingham_long.csv.gz")):
        load("framingham_long", folder)
    assert {"pbcseq", "cdisc_vs", "cdisc_vs_wide", "physionet2012", "physionet2012_events"} < set(NAMES)


# -------------------------------------------------------------------- figures
def test_values_per_code():
    code = np.repeat(["hr", "t", "rare"], [100, 50, 5])
    real = pd.DataFrame({"code": code, "value": np.concatenate([np.arange(100), np.arange(50), np.arange(5)])})
    assert of_codes(real, real, code="code", value="value") == {
        **{"ks": 0.0, "ks_rows": 0.0, "ks_worst": 0.0},
        **{"share": 0.0, "codes": 2},
    }
    moved = real.assign(value=real["value"] + 50 * (real["code"] == "hr"))
    found = of_codes(real, moved, code="code", value="value")
    assert found["ks"] == pytest.approx(0.25) and found["ks_rows"] == pytest.approx(1 / 3) and found["ks_worst"] == 0.5
    without = of_codes(real, real[real["code"] != "t"], code="code", value="value")
    assert without["ks_worst"] == 1 and without["share"] == pytest.approx(50 / 155)


def test_prevalence_counts_entities_and_not_rows():
    real = pd.DataFrame({"who": [1, 1, 1, 2, 2, 3], "code": ["a", "a", "b", "a", "c", "a"]})
    same = prevalence(real, real.drop_duplicates(), entity="who", code="code")
    assert same == {"r2": pytest.approx(1), "correlation2": pytest.approx(1), "new": 0}
    other = pd.DataFrame({"who": [1, 2, 2], "code": ["a", "a", "d"]})
    found = prevalence(real, other, entity="who", code="code")
    # a: 1 and 1; b and c: 1/3 and 0; d: 0 and 1/2
    x, y = np.array([1, 1 / 3, 1 / 3, 0]), np.array([1, 0, 0, 0.5])
    assert found["r2"] == pytest.approx(1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum())
    assert found["new"] == pytest.approx(1 / 3)


def test_cover_of_draws_from_the_law_of_the_truth():
    rng = np.random.default_rng(2)
    n, draws = 1500, 100
    who = np.tile(np.arange(n), draws)
    centre = rng.normal(size=n)
    right = pd.DataFrame({"who": who, "x": centre[who] + rng.normal(size=n * draws)})
    truth = pd.Series(centre + rng.normal(size=n))
    narrow = right.assign(x=centre[who] + 0.5 * (right["x"] - centre[who]))
    assert cover(truth, right, "who", "x")["cover"] == pytest.approx(0.9, abs=0.03)
    assert cover(truth, narrow, "who", "x")["cover"] < 0.7
    # a value that never changes: ranks are right, closed intervals always hold it
    flat = cover(truth * 0, right.assign(x=0.0), "who", "x")
    assert flat["cover"] == pytest.approx(0.9, abs=0.03) and flat["cover_open"] == 1 and flat["rows"] == n
    assert cover(truth, right.assign(x=np.nan), "who", "x")["rows"] == 0


def walks(people: int, seed: int) -> pd.DataFrame:
    """Ten days of a random walk each."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(people, 10)).cumsum(axis=1)
    return pd.DataFrame(
        {"who": np.repeat(np.arange(people), 10), "day": np.tile(np.arange(10), people), "x": steps.ravel()}
    )


def test_fans_ask_the_rows_after_the_first_half():
    split = panel(walks(50, 0), walks(200, 1))

    def walk(history, steps, draws, seed):
        assert (history.groupby("who").size() == 5).all()
        last = history.groupby("who").tail(1)
        rng = np.random.default_rng(seed)
        parts = [last.assign(draw=k, x=last["x"]) for k in range(draws)]
        start = pd.concat(parts, ignore_index=True)
        path = start["x"].to_numpy()[:, None] + rng.normal(size=(len(start), steps)).cumsum(axis=1)
        every = start.loc[np.repeat(start.index, steps), ["who", "draw"]].reset_index(drop=True)
        return every.assign(day=np.tile(5 + np.arange(steps), len(start)), x=path.ravel())

    table = fans(split, walk, entities=200)
    assert table.groupby("column")["step"].apply(list).to_dict() == {"day": [1], "x": [1, 2, 3, 4, 5]}
    x = table[table["column"] == "x"]
    assert x["cover"].between(0.8, 0.97).all() and (x["rows"] == 200).all()
    late = fans(split, lambda *a: walk(*a).assign(day=99), entities=200)
    assert late.set_index("column").loc["day", "cover"] == 0, "a wrong time is seen"
    for wrong in (replace(split, time=None), split):
        with pytest.raises(SchemaError):
            fans(wrong, lambda history, *_: history)


def test_label_is_judged_without_the_columns_that_give_it_away(folder):
    split = replace(load("pbcseq", folder, dev=False), target="trt", telling=("sex", "futime", "age"))
    made = Bootstrap().fit(split).sample(96, 0)
    told, untold = (label(s, made, 0)["label"]["value"] for s in (replace(split, telling=()), split))
    assert told is not None and untold is not None and told != untold


# -------------------------------------------------------------------- generators
def test_bootstrap_repeats_whole_entities(folder):
    split = load("pbcseq", folder)
    made = Bootstrap().fit(split).sample(100, 3)
    assert made["id"].nunique() == 100 and list(made.columns) == list(split.train.columns)
    sizes = split.train.groupby("age").size()
    assert (made.groupby("id").size() == made.groupby("id")["age"].first().map(sizes)).all()
    pd.testing.assert_frame_equal(made, Bootstrap().fit(split).sample(100, 3))


def test_bootstrap_goes_on_after_the_last_time(folder):
    split = load("pbcseq", folder)
    history = split.holdout.groupby("id").head(2)
    on = Bootstrap().fit(split).extend(history, 2, 30, 0)
    last = history.groupby("id")["day"].last()
    assert (on["day"] > on["id"].map(last)).all() and set(on["draw"]) == set(range(30))
    assert on.groupby(["id", "draw"]).size().max() == 2


def test_draws_are_numbered_whatever_way_they_come():
    rows = pd.DataFrame({"x": [1, 2]})
    whole = pd.DataFrame({"x": [1, 2, 1, 2], "draw": [0, 0, 1, 1]})
    pd.testing.assert_frame_equal(numbered([rows, rows]), whole)
    assert numbered(whole) is whole
    assert numbered(whole.set_index("draw"))["draw"].tolist() == [0, 0, 1, 1]


def test_tables_of_rivals_get_the_types_of_the_real_ones(folder, tmp_path):
    split = load("pbcseq", folder)
    keep = tmp_path / "kept"
    keep.mkdir()
    table = split.train.astype("str").assign(id=lambda t: "p" + t["id"], bili="_RARE_")
    table.to_csv(keep / "synthetic.csv", index=False)
    (keep / "done.json").write_text(json.dumps({"fit_s": 1.0}))
    limits = {"fit_limit": 1.0, "sample_limit": 1.0}
    drawn = rival("par", None, split, 0, keep=keep, **limits)
    assert drawn.timing == {"fit_s": 1.0} and drawn.frame["bili"].isna().all()
    assert drawn.frame["id"].nunique() == split.train["id"].nunique()
    pd.testing.assert_frame_equal(drawn.frame.drop(columns=["id", "bili"]), split.train.drop(columns=["id", "bili"]))
    with pytest.raises(ParamError, match="--argn"):
        rival("argn", tmp_path / "no_python", split, 0, **limits)


# -------------------------------------------------------------------- runs
def test_runs_are_written_and_not_repeated(folder, tmp_path, capsys):
    out = tmp_path / "out" / "panels.jsonl"
    words = ["--data", str(folder), "--datasets", "pbcseq", "--models", "bootstrap", "--out", str(out), "--in-process"]
    assert main([*words, "--seeds", "0"]) == 0
    (first,) = map(json.loads, out.read_text().splitlines())
    assert first["train_entities"] == first["drawn_entities"] == 76 and first["dev"] is True
    assert math.isfinite(first["figures"]["entity_detection"]["value"])
    assert {"lengths", "next_step", "next_step_ratio", "label", "label_ratio"} < set(first["figures"])
    assert first["figures"]["lengths"]["floor"] is not None and first["peak_mb"] > 0
    table = capsys.readouterr().out
    assert "| pbcseq | bootstrap | 1 |" in table and "*floor*" in table
    assert main([*words, "--seeds", "0", "--fans"]) == 0
    assert "*all columns*" in capsys.readouterr().out
    words[1] = str(tmp_path / "nowhere")  # a run would fail
    assert main([*words, "--seeds", "0"]) == 0 and len(out.read_text().splitlines()) == 2
    assert capsys.readouterr().out == table


def test_detection_is_paired_with_the_floor_of_its_split():
    runs = []
    for seed, (matched, floor) in enumerate([(0.7, 0.5), (0.9, 0.6), (0.8, 0.4)]):
        detection = {"value": 0.99, "matched": matched, "floor": floor}
        runs.append({"dataset": "d", "model": "m", "seed": seed, "task": "sample", "fit_s": 2.0})
        runs[-1]["figures"] = {"entity_detection": detection, "label_ratio": {"value": 0.9}}
    lines = [[c.strip() for c in line.split("|")[1:-1]] for line in markdown(runs).splitlines()]
    head, mine, floor = lines[0], lines[2], lines[3]
    assert mine[:3] == ["d", "m", "3"] and mine[head.index("fit s")] == "2"
    assert mine[head.index("detection AUC")] == "0.800" and floor[head.index("detection AUC")] == "0.500"
    # differences .2, .3, .4: standard deviation .1
    assert mine[head.index("- floor")] == f"0.300 ±{0.2 / math.sqrt(3):.3f}"
    assert mine[head.index("label TSTR/TRTR")] == "0.900" and mine[head.index("gaps")] == ""


def test_codes_have_a_table_of_their_own(folder, tmp_path, capsys):
    words = ["--data", str(folder), "--datasets", "mimic3demo_diagnoses_icd", "--models", "bootstrap"]
    assert main([*words, "--seeds", "0", "--final", "--in-process", "--out", str(tmp_path / "o.jsonl")]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if "correlation2" in x)
    assert "| r2 |" in line
    (run,) = map(json.loads, (tmp_path / "o.jsonl").read_text().splitlines())
    assert run["figures"]["code_r2"]["value"] > 0.95, "many entities are drawn, so that little of it is noise"


def test_a_model_that_is_not_there_is_said(folder, tmp_path, capsys):
    words = ["--data", str(folder), "--models", "no_such_model", "--seeds", "0", "--out", str(tmp_path / "o.jsonl")]
    assert main([*words, "--in-process"]) == 1
    assert "failed" in capsys.readouterr().err and not (tmp_path / "o.jsonl").exists()
    assert Ours("x", {"max_seconds": 1}).options == {"max_seconds": 1}
