"""Augmentation that can say no: verdicts on known laws, folds that leak nothing, and an over-sampler as usual."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone

from benchmarks.augmentation import Copies, Law, Truth, table_of
from synthkit import Oversampler, augment
from synthkit.augmenting.arms import CONTROLS
from synthkit.augmenting.cells import Cells
from synthkit.augmenting.counts import added_by_goal
from synthkit.augmenting.folds import folds_of
from synthkit.augmenting.scores import corrected, score_all, without_shift
from synthkit.augmenting.smote import smote_rows
from synthkit.augmenting.verdicts import overall
from synthkit.cli import main
from synthkit.errors import ParamError, SchemaError

QUICK: dict[str, Any] = {"target": "y", "learners": ("logistic",), "random_state": 0, "gate": False}
LAW = Law(6, 0.8, 0.2)


class Recorder(Copies):
    """Copies real rows, and remembers what it was fitted on."""

    seen: list[pd.DataFrame] = []  # noqa: RUF012 (of the class: copies of a generator are fitted, not itself)

    def fit(self, table: pd.DataFrame) -> Recorder:
        Recorder.seen.append(table.copy())
        self.rows = table
        return self


@pytest.fixture
def seen() -> list[pd.DataFrame]:
    Recorder.seen = []
    return Recorder.seen


# -------------------------------------------------------------------- verdicts
def test_copies_are_no_evidence():
    for seed in range(3):
        found = augment(LAW.draw(200, seed), cv=(3, 1), synthesizer=Copies(), **QUICK)
        assert found.verdict == "no evidence"
        assert len(found.data) == 200 and not found.added


@pytest.fixture(scope="module")
def planted():
    law = Law(100, 0.2, 0.5)
    table = law.draw(300, 0)
    how = {**QUICK, "metric": "log_loss"}
    return table, augment(table, goal="grow", amount=6.0, cv=(4, 2), synthesizer=Truth(law), **how)


def test_a_planted_gain_is_found(planted):
    table, found = planted
    assert found.verdict == "helps" and found.verdicts["logistic"][0] == "helps"
    own = found.table[found.table["primary"] & found.table["against"].isin(CONTROLS)].set_index("against")
    best = own["other"].idxmax()
    assert own.loc[best, "low"] > 0
    assert len(found.data) == 7 * len(table)
    pd.testing.assert_frame_equal(found.data.iloc[: len(table)], table)
    assert sum(found.added.values()) == 6 * len(table)


def test_noise_in_place_of_a_class_hurts():
    class Wrong(Truth):
        def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
            return super().sample(n, where={"y": 1 - where["y"]}, seed=seed).assign(y=where["y"])

    found = augment(LAW.draw(400, 0), goal="grow", amount=3.0, cv=(4, 1), synthesizer=Wrong(LAW), mark=True, **QUICK)
    assert found.verdict == "hurts" and len(found.data) == 400 and not found.data["is_synthetic"].any()


def test_what_does_not_help_may_be_forced_and_marked():
    table = LAW.draw(200, 0)
    found = augment(table, cv=(2, 1), synthesizer=Copies(), force=True, mark=True, **QUICK)
    assert found.verdict == "no evidence"
    assert found.data["y"].value_counts().std() == 0  # balanced
    assert found.data["is_synthetic"].tolist() == [False] * 200 + [True] * (len(found.data) - 200)
    assert "is_synthetic" not in table
    chosen = augment(table, cv=(2, 1), amount=(0.0, 1.0), synthesizer=Copies(), force=True, **QUICK)
    assert set(chosen.about["amounts"]) <= {0.0, 1.0} and len(chosen.data) > 200


def test_data_keep_their_index_and_drawn_rows_have_new_keys():
    rng = np.random.default_rng(0)
    table = LAW.draw(150, 0).assign(key=[f"K{i:05d}" for i in rng.permutation(150)]).set_index(np.arange(150) * 3)
    how = {"cv": (2, 1), "synthesizer": "copula", **QUICK}
    pd.testing.assert_frame_equal(augment(table, **how).data, table)
    grown = augment(table, goal="grow", force=True, **how).data
    assert len(grown) == 300 and grown["key"].is_unique and grown["key"].str.fullmatch(r"K\d+").all()
    visits = augment(table.assign(who=np.arange(150) // 3), entity="who", goal="grow", force=True, **how).data
    assert not set(visits["who"][150:]) & set(visits["who"][:150]), "nobody gets another one's rows"


def test_learners_that_disagree_and_failing_gates_are_no_evidence():
    yes, no, less = ("helps", "a"), ("no evidence", "b"), ("hurts", "c")
    assert overall({"l": yes, "m": no}, "pass")[0] == "helps"
    assert overall({"l": yes, "m": no}, "fail")[0] == "no evidence"
    assert overall({"l": yes, "m": less}, "pass")[0] == "no evidence"
    assert overall({"l": no, "m": less}, "cannot tell")[0] == "hurts"


def test_same_seed_same_result_and_the_table_stays(planted):
    table = LAW.draw(150, 0)
    before = table.copy()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 (it must not move)
    runs = [augment(table, cv=(2, 1), synthesizer="copula", force=True, **QUICK) for _ in range(2)]
    pd.testing.assert_frame_equal(runs[0].table, runs[1].table)
    pd.testing.assert_frame_equal(runs[0].data, runs[1].data)
    pd.testing.assert_frame_equal(table, before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_report_page_and_picture(planted, tmp_path):
    _, found = planted
    assert json.loads(found.to_json(tmp_path / "a.json"))["verdict"] == "helps"
    assert json.loads((tmp_path / "a.json").read_text())["gate"]["status"] == "not checked"
    page = found.to_html(tmp_path / "a.html").read_text()
    assert "Augmentation: helps" in page and page.count("<svg") == 5
    assert "http://" not in page.replace("http://www.w3", "")
    assert "log loss" in found.plot().title
    assert "average precision" in found.plot("average_precision").title
    assert str(found).startswith("helps: ") and "logistic against duplication" in str(found)
    with pytest.raises(ParamError, match="metric"):
        found.plot("accuracy")


# -------------------------------------------------------------------- folds
def test_the_generator_never_sees_test_rows(seen):
    table = LAW.draw(120, 0)
    augment(table, cv=(3, 2), synthesizer=Recorder(), amount=(0.0, 1.0), **QUICK)
    key = table["x0"]
    outer = [rows for rows in seen if len(rows) == 80]
    inner = [rows for rows in seen if len(rows) < 80]
    assert len(outer) == 6 and len(inner) == 6  # and none for the data, as it does not help
    for rows in outer:
        assert (key.isin(rows["x0"]).sum()) == 80
    for k in (0, 3):  # each repeat's folds leave out every row once
        assert sum((~key.isin(rows["x0"])).astype(int) for rows in outer[k : k + 3]).tolist() == [1] * 120
    for small in inner:
        assert any(small["x0"].isin(big["x0"]).all() for big in outer)


def test_entities_stay_together(seen):
    table = LAW.draw(120, 0).assign(who=np.arange(120) // 4)
    augment(table, cv=(3, 1), entity="who", synthesizer=Recorder(), **QUICK)
    assert len(seen) == 3
    for rows in seen:
        assert rows["who"].value_counts().eq(4).all()


def test_time_goes_forward(seen):
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.random.default_rng(0).permutation(160) // 4, "D")
    table = LAW.draw(160, 0).assign(day=day)
    found = augment(table, cv=(3, 2), time="day", synthesizer=Recorder(), **QUICK)
    assert found.about["folds"] == 3
    for rows in seen:
        assert table.loc[table["day"] <= rows["day"].max(), "x0"].isin(rows["x0"]).all()
    y, time = table["y"].to_numpy(), day.to_numpy().astype(np.int64).astype(float)
    who = np.arange(160) % 40
    for fold in folds_of(y, (3, 1), who, time, 0):
        assert time[fold.train].max() < time[fold.test].min()
        assert not set(who[fold.train]) & set(who[fold.test])


def test_groups_and_several_classes():
    rng = np.random.default_rng(0)
    table = LAW.draw(240, 0).assign(
        y=rng.choice(["a", "b", "c"], 240, p=[0.6, 0.3, 0.1]), g=rng.choice(["u", "v"], 240)
    )
    found = augment(table, cv=(2, 1), subgroup="g", synthesizer="copula", **QUICK)
    assert found.metric == "log_loss" and set(found.groups["group"]) == {"u", "v"}
    assert found.groups["difference"].notna().all()


def test_classes_may_be_intervals_and_counts_numpys():
    table = LAW.draw(150, 0)
    table["y"] = pd.cut(table["x0"] + table["y"], 2)  # as the error for numbers advises
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = augment(table.drop(columns="x0"), cv=(np.int64(2), 1), synthesizer=Copies(), force=True, **QUICK)
        Oversampler(synthesizer="independent", random_state=0).fit_resample(table[["x1"]], table["y"])
    assert found.data["y"].value_counts().std() == 0 and found.data["y"].dtype == table["y"].dtype
    assert json.loads(found.to_json())["about"]["cv"] == [2, 1]


def test_folds_that_cannot_judge_are_no_evidence():
    y = np.r_[np.tile([0, 1], 20), np.zeros(80, int)]  # the later blocks have one class
    table = LAW.draw(120, 0).assign(y=y, t=np.arange(120))
    how = {**QUICK, "learners": ("boosting", "logistic")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = augment(table, time="t", cv=(2, 1), synthesizer=Copies(), **how)
        assert found.verdict == "no evidence" and "no fold could be judged" in str(found)


def test_it_stops_where_it_is_told():
    table, done = LAW.draw(150, 0), []
    found = augment(table, cv=(2, 3), synthesizer=Copies(), progress=lambda f: done.append(f) or f.done == 2, **QUICK)
    assert found.about["folds"] == 2 and found.about["folds planned"] == 6 and len(done) == 2
    assert "stopped after 2 of 6" in str(found)
    assert augment(table, cv=(2, 3), synthesizer=Copies(), max_seconds=1e-9, **QUICK).about["folds"] == 2


# -------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"y": 1}, {}, SchemaError, "one class only"),
        ({"y": [1] * 3 + [0] * 57}, {"cv": (5, 1)}, SchemaError, "fewer than the 5 folds"),
        ({"y": [None] + [0, 1] * 29 + [1]}, {}, SchemaError, "'y' .* has nulls"),
        ({"y": np.linspace(0, 1, 60)}, {}, SchemaError, "regression is not supported"),
        ({"g": [None] + ["a"] * 59}, {"subgroup": "g"}, SchemaError, "'g' .'subgroup'. has nulls"),
        ({}, {"subgroup": "nowhere"}, ParamError, "no column"),
        ({}, {"entity": "nowhere"}, ParamError, "no column"),
        ({}, {"target": ["y"]}, ParamError, "no column"),
        ({"t": range(60), "g": [0, 1, 2] * 20}, {"time": "t", "entity": "g"}, SchemaError, "leave 'entity' out"),
        ({}, {"time": "c"}, SchemaError, "dates, durations or numbers"),
        ({}, {"metric": "accuracy"}, ParamError, "metric"),
        ({}, {"learners": ("svm",)}, ParamError, "learners"),
        ({}, {"goal": "more"}, ParamError, "goal"),
        ({}, {"cv": (1, 1)}, ParamError, "cv"),
        ({}, {"synthesizer": 3}, ParamError, "synthesizer"),
        ({}, {"synthesizer": Copies}, ParamError, "synthesizer"),
        ({"is_synthetic": 0}, {"mark": True}, ParamError, "is_synthetic"),
    ],
)
def test_clear_errors(change, options, error, words):
    table = Law(4, 0.5, 0.4).draw(60, 0).assign(**change)
    with pytest.raises(error, match=words):
        augment(table, **{**QUICK, "cv": (2, 1), **options})


def test_a_generator_that_answers_wrongly_is_named():
    class Other(Copies):
        def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
            return self.rows.head(n)

    class Hollow(Copies):
        def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
            return super().sample(n, where=where, seed=seed).assign(whole=np.nan)

    class Nulls(Copies):
        def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
            return super().sample(n, where=where, seed=seed).assign(y=pd.NA)

    with pytest.raises(SchemaError, match="'synthesizer': its sample .*(another class|wanted rows)"):
        augment(LAW.draw(100, 0), cv=(2, 1), synthesizer=Other(), **QUICK)
    with pytest.raises(SchemaError, match="another class"):
        augment(LAW.draw(100, 0), cv=(2, 1), synthesizer=Nulls(), **QUICK)
    with pytest.raises(SchemaError, match="column 'whole' with cells"):
        augment(LAW.draw(100, 0).assign(whole=1), cv=(2, 1), synthesizer=Hollow(), **QUICK)


# -------------------------------------------------------------------- pieces
def test_goals():
    counts = np.array([60, 30, 10])
    assert added_by_goal(counts, "balance", 1.0).tolist() == [0, 30, 50]
    assert added_by_goal(counts, "rare", 2.0).tolist() == [0, 0, 20]
    assert added_by_goal(counts, "grow", 0.5).tolist() == [30, 15, 5]


def test_the_interval_is_nadeau_and_bengios():
    d = np.array([0.1, 0.2, 0.3, 0.0, np.nan])
    found = corrected(d, 0.25, 0.95)
    half = 3.182446305284263 * np.sqrt((1 / 4 + 0.25) * np.var(d[:4], ddof=1))  # t of 3 degrees
    assert (found.low, found.high) == pytest.approx((0.15 - half, 0.15 + half)) and found.folds == 4


def test_the_shift_of_prevalence_is_undone():
    odds = np.array([[0.5, 0.5], [0.2, 0.8]])
    fair = without_shift(odds, np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    assert fair[0] == pytest.approx([0.9, 0.1]) and fair[1, 1] == pytest.approx(0.08 / (0.08 + 0.18))


def test_scores_of_a_known_answer():
    y, p = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]])
    found = score_all(y, p, np.array([0.5, 0.5]))
    assert found["roc_auc"] == 0.75 and found["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.04) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.5, 0.8]).mean())
    assert found["balanced_accuracy"] == 0.5  # a tie is the first class: the third row


def test_smote_stays_between_neighbours_of_a_class():
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=50), rng.integers(0, 3, 50).astype(float), rng.normal(size=50)])
    rows[3, 2] = np.nan
    drawn = smote_rows(rows, np.array([False, True, False]), 500, rng)
    assert drawn.shape == (500, 3) and set(drawn[:, 1]) <= {0.0, 1.0, 2.0}
    assert (drawn[:, 0] >= rows[:, 0].min()).all() and (drawn[:, 0] <= rows[:, 0].max()).all()
    assert not np.isin(drawn[:, 0], rows[:, 0]).all()
    line = np.column_stack([np.arange(10.0), 2 * np.arange(10.0)])  # a line stays one
    on = smote_rows(line, np.zeros(2, bool), 100, rng)
    assert on[:, 1] == pytest.approx(2 * on[:, 0])


def test_cells_go_and_come_back(mixed):
    assert not {"id", "txt", "e"} & set(Cells.of(mixed).kinds)
    plain = mixed[["i8", "I", "f32", "b", "B", "c", "s", "a name", ("t", 1)]]
    cells = Cells.of(plain)
    pd.testing.assert_frame_equal(table_of(cells, cells.matrix(plain), plain), plain)


# -------------------------------------------------------------------- Oversampler
def labelled(mixed: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    labels = np.array(["often", "seldom", "rare"])[np.searchsorted([200, 270], np.arange(300), side="right")]
    return mixed.drop(columns=["id", "txt"]).set_index(np.arange(300) * 2), pd.Series(labels, name="label")


def test_oversampler_keeps_dtypes_and_rows(mixed):
    X, y = labelled(mixed)
    more, labels = Oversampler(synthesizer="copula", random_state=0).fit_resample(X, y)
    assert labels.value_counts().to_dict() == {"often": 200, "seldom": 200, "rare": 200} and labels.name == "label"
    assert (more.dtypes == X.dtypes).all() and list(more.columns) == list(X.columns)
    pd.testing.assert_frame_equal(more.iloc[:300], X.reset_index(drop=True))
    again = Oversampler(synthesizer="copula", random_state=0).fit_resample(X, y)[0]
    pd.testing.assert_frame_equal(more, again)


@pytest.mark.parametrize(
    ("strategy", "added"),
    [
        ("auto", {1: 30, 2: 50}),
        ("not majority", {1: 30, 2: 50}),
        ("minority", {2: 50}),
        ("not minority", {1: 30}),
        ("all", {1: 30, 2: 50}),
        ({2: 15, 1: 30}, {2: 5}),
        (lambda y: {0: 70}, {0: 10}),
    ],
)
def test_sampling_strategies(strategy, added):
    y = np.repeat([0, 1, 2], [60, 30, 10])
    X = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    sampler = clone(Oversampler(strategy, synthesizer="independent", random_state=0))
    more, labels = sampler.fit_resample(X, y)
    assert sampler.sampling_strategy_ == added and sampler.fit(X, y).sampling_strategy_ == added
    assert isinstance(more, np.ndarray) and more.dtype == np.float32 and labels.dtype == y.dtype
    assert len(more) == len(labels) == 100 + sum(added.values())
    assert (more[:100] == X).all()


def test_a_share_is_for_two_classes():
    X, y = np.random.default_rng(0).normal(size=(100, 2)), [True] * 20 + [False] * 80
    assert Oversampler(0.5, synthesizer="copula", random_state=0).fit_resample(X, y)[1].sum() == 40
    with pytest.raises(ParamError, match="larger share"):
        Oversampler(0.1).fit(X, y)
    with pytest.raises(ParamError, match="two classes"):
        Oversampler(0.5).fit(X, [0] * 50 + [1] * 30 + [2] * 20)


@pytest.mark.parametrize(
    ("y", "strategy", "error", "words"),
    [
        ([1] * 10, "auto", SchemaError, "one class"),
        ([1] * 9, "auto", SchemaError, "a label per row"),
        ([None] + [0, 1, 1] * 3, "auto", SchemaError, "nulls"),
        (np.linspace(0, 1, 10), "auto", ParamError, "regress"),
        ([0, 1] * 5, "some", ParamError, "sampling_strategy"),
        ([0, 1] * 5, {3: 9}, ParamError, "class that 'y' does not have"),
        ([0, 1] * 5, {1: 3}, ParamError, "fewer rows"),
        ([0, 1] * 5, {1: "many"}, ParamError, "no whole number"),
    ],
)
def test_oversampler_refuses(y, strategy, error, words):
    with pytest.raises(error, match=words):
        Oversampler(strategy).fit_resample(np.zeros((10, 2)), y)


def test_oversampler_refuses_sparse_matrices():
    with pytest.raises(SchemaError, match="sparse"):
        Oversampler().fit_resample(csr_matrix(np.eye(4)), [0, 1, 1, 1])


def test_the_default_generator_balances():
    table = LAW.draw(200, 0)
    more, y = Oversampler(random_state=0).fit_resample(table.drop(columns="y"), table["y"])
    rows = more[(np.arange(len(more)) >= 200) & (y == 1).to_numpy()]
    assert len(rows) > 50 and rows["x0"].mean() > 0.4 and abs(rows["x5"].mean()) < 0.4  # the law: .8 and 0


# -------------------------------------------------------------------- command
def test_the_command_prints_the_verdict_and_writes_the_table(tmp_path, capsys):
    table = LAW.draw(120, 0).round(4)
    table.to_csv(tmp_path / "t.csv", index=False)
    files = [str(tmp_path / name) for name in ("t.csv", "out.csv", "a.html", "a.json")]
    words = ["--folds", "2", "--repeats", "1", "--learner", "logistic", "--model", "copula", "--seed", "0", "--quiet"]
    assert (
        main(["augment", files[0], "--target", "y", "-o", files[1], "--html", files[2], "--json", files[3], *words])
        == 0
    )
    found = augment(table, cv=(2, 1), synthesizer="copula", **QUICK)
    assert found.verdict == "no evidence", "whatever the gates say"
    assert f"{found.verdict}: " in capsys.readouterr().out
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["verdict"] == found.verdict
    assert written["gate"]["status"] in ("pass", "fail", "cannot tell")
    assert {r["score"] for r in written["gate"]["results"]} >= {"shape", "pair", "detection"}
    pd.testing.assert_frame_equal(pd.read_csv(files[1]), found.data)
    assert main(["augment", files[0], "--target", "z", "-o", files[1], *words]) == 2
    assert "no column" in capsys.readouterr().err
