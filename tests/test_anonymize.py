"""anonymize: the table is tested before it is handed over, the certificate tells no value, and a copy is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit import Protection, SequenceSynthesizer, TabularSynthesizer, anonymize, evaluate
from synthkit.anonymizing import Certificate, table_digest
from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.checking import _by_difference, _told_apart
from synthkit.anonymizing.drawing import draw, hold_back
from synthkit.cli import main
from synthkit.errors import LoadError, ParamError, PrivacyError, SchemaError, SynthkitWarning
from synthkit.metrics.disclosure import inferred, judged_secrets
from synthkit.metrics.holders import Guessed, Holders, holder_risks, worst
from synthkit.metrics.rates import Risk
from synthkit.metrics.tables import code_tables
from synthkit.pii.banking import make_iban
from synthkit.report.gates import GateResult
from synthkit.testing import tiny_table

FAST = {"model": "copula", "undecided": "note", "random_state": 0}
RARE, EXTREME = "a-diagnosis-of-one", 98765.4321


def patients(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = 5 * rng.integers(4, 18, rows)
    ill = rng.random(rows) < age / 150
    table = pd.DataFrame(
        {
            "id": [f"P{i:05d}" for i in rng.permutation(rows)],
            "age": age,
            "sex": rng.choice(["f", "m"], rows),
            "cost": np.exp(rng.normal(6 + ill, 1, rows)).round(2),
            "diagnosis": np.where(ill, rng.choice(["flu", "asthma"], rows), "none").astype(object),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), "D"),
        }
    )
    table.loc[3, "diagnosis"], table.loc[5, "cost"] = RARE, EXTREME
    return table


def visits(people: int = 150, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 5, people)
    who = np.repeat(np.arange(people), lengths)
    day = np.concatenate([np.cumsum(rng.integers(1, 30, n)) for n in lengths])
    sex = rng.choice(["f", "m"], people)[who]
    level = (120 + 10 * rng.normal(size=people))[who]
    return pd.DataFrame(
        {"who": who + 1000, "day": day, "sex": sex, "mmhg": (level + 5 * rng.normal(size=len(who))).round()}
    )


class Copier:
    """The planted culprit."""

    def fit(self, table):
        self.table = table
        return self

    def sample(self, n, seed):
        return self.table.sample(n, replace=True, random_state=seed, ignore_index=True)


@pytest.fixture(scope="module")
def safe():
    return anonymize(
        patients(), entity="id", secrets=["diagnosis"], quasi_identifiers=["age", "sex"], purpose="<b>tests</b>", **FAST
    )


# -------------------------------------------------------------------- what comes out
def test_table_is_like_the_real_one_and_keeps_no_key(safe):
    real, table = patients(), safe.table
    assert list(table.columns) == list(real.columns) and len(table) == len(real)
    assert [d.kind for d in table.dtypes] == [d.kind for d in real.dtypes]
    assert not set(table["id"]) & set(real["id"]) and table["id"].is_unique
    assert RARE not in set(table["diagnosis"]) and EXTREME not in set(table["cost"])
    assert safe.synthesizer is None, "the model is not handed over unless asked for"


def test_certificate_is_json_without_values(safe, tmp_path):
    written = safe.certificate.to_json(tmp_path / "c.json")
    again = Certificate.from_json((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert again.to_dict() == safe.certificate.to_dict() == json.loads(written)
    page = safe.certificate.to_html(tmp_path / "c.html").read_text(encoding="utf-8")
    for text in (written, page, str(safe.certificate), repr(safe)):
        for value in (RARE, str(EXTREME), "P00003", "asthma", "98765"):
            assert value not in text
    assert "<b>tests</b>" not in page and "&lt;b&gt;tests" in page
    assert "anonymous" not in (written + page).lower(), "that word is never promised"


def test_certificate_tells_criteria_columns_and_source(safe):
    c = safe.certificate.content
    found = {f["criterion"]: f["status"] for f in c["criteria"]}
    assert set(found) >= {"singling out", "linkability", "inference", "membership", "copies"}
    assert found["membership"] == found["inference"] == "tested"
    roles = {column["name"]: (column["role"], column["treatment"]) for column in c["columns"]}
    assert roles["id"] == ("identifier of the person", "generated afresh, by its form")
    assert roles["diagnosis"][0] == "sensitive" and roles["age"][0] == "quasi-identifier"
    (secret,) = c["secrets"]
    assert secret["column"] == "diagnosis" and secret["status"] == "tested" and secret["value"] <= secret["interval"][1]
    assert c["source"]["split_by_unit"] == {"training": 400, "held_back": 100}
    assert c["source"]["digest"] == table_digest(patients()) and c["seeds"]["random_state"] == 0
    assert [a["tested"] for a in c["attackers"]] == [True] * 4 + [False] * 4
    assert not safe.certificate.due and c["retest_by"] > c["created"][:10]
    guards = c["safeguards"]
    assert guards["protection"] == "standard" and guards["settings"]["quasi_identifiers"] == ["age", "sex"]
    changed = {own["column"]: own for own in guards["changed"]}
    assert changed["cost"]["extremes"] and changed["diagnosis"]["categories"] == "fewer than 5"


def test_page_tells_secrets_notes_and_counts_of_columns(safe, tmp_path):
    page = safe.certificate.to_html(tmp_path / "c.html").read_text(encoding="utf-8")
    assert "Each secret by itself" in page and "fewer than 5" in page
    noted = [f["note"] for f in safe.certificate.content["criteria"] if f["status"] == "tested" and f["note"]]
    assert noted and all(note in page for note in noted)


def test_same_seed_same_table_and_the_run_before_is_told(safe):
    real = patients()
    before = real.copy()
    other = anonymize(
        real, entity="id", secrets=["diagnosis"], quasi_identifiers=["age", "sex"], purpose="<b>tests</b>", **FAST
    )
    pd.testing.assert_frame_equal(other.table, safe.table)
    pd.testing.assert_frame_equal(real, before)
    runs = other.certificate.content["earlier_runs"]
    assert runs and all(run["digest"] == table_digest(real) for run in runs)


def test_a_copy_is_refused_with_reasons_and_no_table(tmp_path):
    table = tiny_table(400, 3)
    with pytest.raises(PrivacyError, match="not handed over.*Copies of training rows: fail") as caught:
        anonymize(table, synthesizer=Copier(), random_state=0, undecided="note", ledger=tmp_path / "runs")
    error = caught.value
    assert error.certificate.content["outcome"] == "refused" and error.report["copies"].value > 0.5
    assert not any(isinstance(value, pd.DataFrame) for value in vars(error).values())
    (line,) = (tmp_path / "runs").read_text().splitlines()
    assert json.loads(line)["outcome"] == "refused"


def test_ledger_remembers_over_processes(tmp_path, monkeypatch):
    table = tiny_table(300, 4)[["x", "g"]]
    book = tmp_path / "runs.jsonl"
    anonymize(table, ledger=book, **FAST)
    monkeypatch.setattr("synthkit.anonymizing.digest._RUNS", [])  # as another process
    second = anonymize(table.sample(frac=1, random_state=0), ledger=book, **{**FAST, "random_state": 1})
    assert [run["random_state"] for run in second.certificate.content["earlier_runs"]] == [0]
    assert len(book.read_text().splitlines()) == 2
    book.write_text("no ledger\n")
    with pytest.raises(LoadError, match="ledger"):
        anonymize(table, ledger=book, **FAST)


# -------------------------------------------------------------------- partial synthesis
def test_kept_columns_stay_as_they_are_others_are_drawn():
    real = tiny_table(500, 5)
    out = anonymize(real, keep=["g", "n"], gates={"copies": None, "near_copies": None, "singling_out": None}, **FAST)
    for name in ("g", "n"):
        pd.testing.assert_series_equal(out.table[name], real[name].reset_index(drop=True))
    assert (out.table["x"] != real["x"].to_numpy()).mean() > 0.9
    # drawn given what is kept: the law of x depends on g
    means = [t.groupby("g", observed=True)["x"].mean() for t in (real, out.table)]
    assert abs(means[0] - means[1]).max() < 0.35
    treated = {c["name"]: c["treatment"] for c in out.certificate.content["columns"]}
    assert treated["g"] == "kept as it is" and out.certificate.content["released"]["kept_columns"] == ["g", "n"]
    assert set(out.certificate.content["changed_gates"]) == {"copies", "near_copies", "singling_out"}


def test_records_are_split_and_drawn_by_entity():
    real = visits()
    asked = {"entity": "who", "time": "day", "undecided": "note", "random_state": 0}
    asked |= {"synthesizer": SequenceSynthesizer(entity="who", time="day", max_steps=10, random_state=0)}
    out = anonymize(real, **asked)
    assert out.table["who"].nunique() == real["who"].nunique() and not set(out.table["who"]) & set(real["who"])
    assert (out.table.groupby("who")["day"].diff().dropna() > 0).all()
    assert "'who'" in out.certificate.content["unit"]
    own, parts = (
        SequenceSynthesizer(entity="who", time="day", max_steps=10, random_state=0),
        hold_back(real, "who", 0.2, 0),
    )
    kept = draw(real, parts, own, entity="who", keep=("sex",), n=None, seed=1).table
    for name in ("day", "sex"):
        assert (kept[name].to_numpy() == real[name].to_numpy()).all()
    assert kept["mmhg"].notna().all() and (kept["mmhg"].to_numpy() != real["mmhg"].to_numpy()).mean() > 0.8


def test_model_is_handed_over_only_where_its_file_was_attacked():
    with pytest.raises(PrivacyError, match="on the model's file: fail"):  # every number is kept: its file is the table
        anonymize(tiny_table(600, 6), release="model", protect=None, **{**FAST, "model": "independent"})
    out = anonymize(tiny_table(600, 6)[["x", "n", "g"]], release="model", **{**FAST, "model": "independent"})
    (found,) = [f for f in out.certificate.content["criteria"] if f["criterion"] == "model file"]
    assert found["status"] == "tested" and 0.3 < found["value"] < 0.7
    assert out.synthesizer is not None and len(out.synthesizer.sample(3, seed=0)) == 3


def test_without_its_tests_nothing_is_handed_over():
    table = tiny_table(300, 7)[["x", "g"]]
    for early, why in ({"max_seconds": 1e-3}, "no time was left"), ({"progress": lambda step: True}, "stopped by"):
        refused = pytest.raises(PrivacyError, match=f"tests of privacy were not made: {why}")
        with pytest.warns(SynthkitWarning), refused as caught:
            anonymize(table, **{**FAST, **early, "model": "independent"})
        assert caught.value.certificate.content["outcome"] == "refused"


def test_odd_columns_and_what_the_synthesizer_itself_says():
    real = tiny_table(300, 7)[["x", "g"]]
    real["who"] = pd.Categorical([f"p{i}" for i in range(300)])
    real["g"] = real["g"].astype(object).where(real.index % 9 > 0, pd.NA)
    real["nothing"] = np.nan
    rules = Protection(min_count=7, quasi_identifiers=("g",))
    own = TabularSynthesizer("independent", protect=rules)
    asked = {"synthesizer": own, "undecided": "note", "random_state": 0, "entity": "who"}
    out = anonymize(real, secrets=pd.Index(["g", "nothing"]), **asked)
    content = out.certificate.content
    assert content["safeguards"]["protection"] == "custom" and content["safeguards"]["settings"]["min_count"] == 7
    assert {c["name"]: c["role"] for c in content["columns"]}["g"] == "sensitive, and quasi-identifier"
    assert [s["status"] for s in content["secrets"]] == ["tested", "not tested"]
    assert own.entity is None, "the caller's object stays as it is"
    with pytest.raises(ParamError, match="'protect' does not go with 'synthesizer'"):
        anonymize(real, protect="strict", **asked)
    with pytest.raises(ParamError, match="has the entity 'g'"):
        anonymize(real, **{**asked, "synthesizer": TabularSynthesizer(entity="g")})
    with pytest.raises(ParamError, match="draws single rows"):
        anonymize(visits(), **asked)


def test_an_easy_secret_is_judged_by_the_difference_of_rates():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(20, 90, 900), "x": rng.normal(size=900), "rare": rng.random(900) < 0.02})
    asked = Asked.of(table, secrets=["rare"])
    risk = Risk(0.978, 0.975, 720, 180)
    score = evaluate(table[:720], table[720:], metrics=["shape"]).scores["shape"]
    score = replace(score, details={"risk": risk})
    wide = GateResult("attribute_inference", "", "cannot tell", "few", 0.1, (-0.5, 0.6), 0.05, 0.25)
    assert asked.kind == "rows" and _by_difference(wide, score).status == "pass"
    assert _by_difference(replace(wide, status="fail"), score).status == "fail"
    leaks = replace(score, details={"risk": Risk(0.99, 0.93, 720, 180)})
    assert _by_difference(wide, leaks).status == "cannot tell"


def test_members_that_seem_to_be_found_do_not_pass_for_want_of_persons():
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=300)})
    score = evaluate(table[:200], table[100:], holdout=table[200:], metrics=["membership"]).scores["membership"]
    passed = GateResult("membership", "", "pass", "not above", 0.107, (-0.03, 0.25), 0.03, 0.15)
    for value, interval, status in (
        (0.607, (0.530, 0.679), "cannot tell"),  # an attack that finds something, and few persons
        (0.607, (0.480, 0.720), "pass"),  # nothing is shown
        (0.525, (0.510, 0.540), "pass"),  # tolerated, however sure
    ):
        found = replace(score, value=value, interval=interval)
        assert _told_apart(passed, found).status == status
        assert _told_apart(replace(passed, status="fail"), found).status == "fail"


# -------------------------------------------------------------------- parts and digests
@settings(max_examples=25, deadline=None)
@given(st.integers(5, 60), st.integers(0, 2**31), st.floats(0.1, 0.5))
def test_no_entity_is_on_both_sides(people, seed, share):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"who": rng.integers(0, people, 4 * people), "x": range(4 * people)})
    train, holdout = hold_back(table, "who", share, seed)
    assert not set(train["who"]) & set(holdout["who"])
    assert sorted([*train["x"], *holdout["x"]]) == list(table["x"])
    assert holdout["who"].nunique() == round(share * table["who"].nunique())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["a", "b", None])), min_size=2, max_size=20), st.randoms()
)
def test_digest_knows_a_table_in_any_order_of_rows(rows, random):
    table = pd.DataFrame(rows, columns=["x", "y"])
    order = list(range(len(rows)))
    random.shuffle(order)
    digest = table_digest(table)
    assert table_digest(table.iloc[order]) == digest
    assert table_digest(table.iloc[:-1]) != digest
    assert table_digest(table.assign(x=table["x"] + 1)) != digest
    assert table_digest(table.rename(columns={"x": "z"})) != digest
    assert table_digest(table.assign(y=table["y"].astype("category"))) == digest
    assert table_digest(table.assign(y=table["y"].where(table["y"].notna(), pd.NA))) == digest


# -------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"secrets": ["nothing"]}, ParamError, "'secrets': there is no column 'nothing'"),
        ({"keep": ["nothing"]}, ParamError, "'keep': there is no column"),
        ({"entity": "nothing"}, ParamError, "'entity': there is no column"),
        ({"time": "seen"}, ParamError, "'time' needs 'entity'"),
        ({"entity": "diagnosis", "secrets": ["diagnosis"]}, ParamError, "names the time or a secret"),
        ({"keep": ["age"], "secrets": ["age"]}, ParamError, "is in 'keep' and in 'secrets'"),
        ({"keep": "age", "quasi_identifiers": {"age"}}, ParamError, "'age' is in 'keep' and in 'quasi_identifiers'"),
        ({"keep": ["id"]}, ParamError, "'keep': column 'id' \\(identifier\\) may say whose row it is"),
        ({"entity": "id", "keep": ["id"]}, ParamError, "'keep' names the entity 'id'"),
        ({"entity": ["id"]}, ParamError, "'entity': there is no column"),
        ({"secrets": [["cost"]]}, ParamError, "'secrets': there is no column"),
        ({"synthesizer": Copier(), "model": "auto", "quasi_identifiers": ["age"]}, ParamError, "does not go with"),
        ({"keep": ["age"], "n": 10}, ParamError, "'n' does not go with 'keep'"),
        ({"keep": ["id", "age", "sex", "cost", "diagnosis", "seen"]}, ParamError, "leaves no column"),
        ({"protect": Protection(min_count=5000)}, ParamError, "min_count is 5000"),
        ({"protect": "weak"}, ParamError, "'protect'"),
        ({"profile": "any"}, ParamError, "'profile'"),
        ({"holdout": 0.9}, ParamError, "'holdout'"),
        ({"gates": {"nothing": 0.1}}, ParamError, "is no score"),
        ({"gates": 3}, ParamError, "'gates'"),
        ({"gates": {"shape": -1}}, ParamError, "'gates': that of 'shape' must be a tolerance"),
        ({"ledger": "/no/such/folder/file"}, ParamError, "'ledger'"),
        ({"purpose": 3}, ParamError, "'purpose'"),
        ({"synthesizer": 3, "model": "auto"}, ParamError, "must have methods fit"),
        (
            {"synthesizer": Copier(), "model": "auto", "keep": ["age"]},
            ParamError,
            "'keep' needs a synthesizer of synthkit",
        ),
    ],
)
def test_bad_arguments(change, error, words):
    with pytest.raises(error, match=words):
        anonymize(patients(200), **{**FAST, **change})


def test_bad_tables():
    gaps = patients(200).assign(id=lambda t: t["id"].mask(t.index == 7))
    with pytest.raises(SchemaError, match="'id' \\(entity\\) has empty cells"):
        anonymize(gaps, entity="id", **FAST)
    with pytest.raises(SchemaError, match="has 60 rows; at least 100"):
        anonymize(patients(60), **FAST)
    with pytest.raises(SchemaError, match="has 30 distinct values of 'who'"):
        anonymize(visits(30), entity="who", time="day", **FAST)
    with pytest.raises(LoadError, match="no JSON"):
        Certificate.from_json("{}")


# -------------------------------------------------------------------- command
def test_command(tmp_path, capsys):
    patients(500).to_csv(tmp_path / "real.csv", index=False)
    out, page, facts = (str(tmp_path / name) for name in ("safe.csv", "c.html", "c.json"))
    asked = ["anonymize", str(tmp_path / "real.csv"), "-o", out, "--entity", "id", "--secret", "diagnosis", "--quiet"]
    asked += ["--html", page, "--certificate", facts, "--seed", "1", "--max-seconds", "60", "--purpose", "tests"]
    code = main([*asked, "--note-undecided"])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "500 rows are in" in said.out and RARE not in said.out
    table = pd.read_csv(out)
    assert len(table) == 500 and RARE not in set(table["diagnosis"])
    assert json.loads((tmp_path / "c.json").read_text())["purpose"] == "tests"
    assert main([*asked[:2], "-o", out, "--secret", "nothing"]) == 2
    assert "there is no column 'nothing'" in capsys.readouterr().err


# -------------------------------------------------------------------- what no attack looks at, rare secrets
class Keeper:
    """Another library: it draws well, but hands out the keys and texts that it read."""

    def fit(self, table):
        self.read, self.own = table, TabularSynthesizer("independent", random_state=0).fit(table)
        return self

    def sample(self, n, seed):
        kept = self.read.sample(n, replace=True, random_state=seed, ignore_index=True)
        return self.own.sample(n, seed=seed).assign(iban=kept["iban"])


def test_keys_that_come_back_are_found():
    rng = np.random.default_rng(0)
    table = tiny_table(400, 3)[["x", "n", "g"]].assign(iban=make_iban(rng, 400, "DE", True))
    open_ = anonymize(table, **{**FAST, "model": "independent"})
    (gate,) = [g for g in open_.certificate.content["gates"] if g["score"] == "comes_back"]
    assert gate["status"] == "pass"
    with pytest.raises(PrivacyError, match="of the values of column 'iban' come back, 0.000 of those held back"):
        anonymize(table, synthesizer=Keeper(), undecided="note", random_state=0)


@pytest.mark.parametrize("text", [True, False])
def test_no_real_key_is_drawn_even_by_chance(text):
    keys = np.random.default_rng(0).permutation(9000)[:600] + 1000
    table = tiny_table(600, 3)[["x", "g"]].assign(key=[f"K{k}" for k in keys] if text else keys)
    out = anonymize(table, entity="key", n=1500, **{**FAST, "model": "independent"}).table
    assert out["key"].is_unique and not set(out["key"]) & set(table["key"])
    assert out["key"].dtype == table["key"].dtype and out["key"].astype(str).str.len().eq(4 + text).all()
    people = visits(400)
    out = anonymize(people.assign(who=people["who"] - 900), entity="who", time="day", **{**FAST, "model": "auto"}).table
    assert not set(out["who"]) & set(people["who"] - 900) and out["who"].nunique() == 400


def test_half_of_the_holders_of_a_rare_secret_are_seen():
    """The rate of right guesses gains hardly anything; the holders do."""
    rng = np.random.default_rng(0)

    def rows(n):
        x = rng.normal(size=(n, 4))
        ill = x[:, 0] + rng.normal(size=n) > 2.5
        return pd.DataFrame(x, columns=list("abcd")).assign(secret=np.where(ill, "ill", "well"))

    train, holdout, fresh = rows(2400), rows(600), rows(3000)
    ill = train[train["secret"] == "ill"]
    leaky = pd.concat([fresh, ill.head(len(ill) // 2)], ignore_index=True)
    found = {}
    for name, drawn in (("fresh", fresh), ("leaky", leaky)):
        report = evaluate(train, drawn, holdout=holdout, secrets=["secret"], metrics=["attribute_inference"], seed=0)
        risks = report.scores["attribute_inference"].details
        found[name] = worst([risk for held in risks["holders"].values() for risk in held])
        assert max(risk.train - risk.control for risk in risks["risks"].values()) < 0.05
    assert found == {"fresh": "pass", "leaky": "fail"}


def test_fresh_rows_raise_no_alarm_over_levels():
    """Twenty tables of thirteen levels, most of them rare."""
    share = np.r_[0.6, np.geomspace(0.15, 0.004, 12)]
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        tables = [
            pd.DataFrame({"x": rng.normal(size=n), "c": rng.choice(list("abc"), n)}).assign(
                secret=rng.choice([f"d{i}" for i in range(13)], n, p=share / share.sum())
            )
            for n in (800, 200, 1000)
        ]
        t, h, s = code_tables(*tables)
        held = judged_secrets(inferred(s, t, h, ["secret"], seed=seed, rows=800, trees=5, trained=800)).details[
            "holders"
        ]
        alarms += worst([risk for risks in held.values() for risk in risks]) == "fail"
    assert alarms <= 1


def test_a_level_of_few_is_told_by_how_many_are_found():
    def side(hits, tries):
        return Guessed(np.zeros(tries, int), np.zeros(tries, int), np.arange(tries) < hits, tries)

    def status(train, control, **more):
        return worst(holder_risks({"a": Holders(side(*train), side(*control), (0,), **more)})["a"])

    assert status((0, 6), (0, 1)) == "pass"  # nobody is found
    assert status((3, 6), (0, 1)) == "cannot tell"
    assert status((30, 60), (0, 15)) == "fail"
    assert status((54, 60), (13, 15)) == "pass"  # an easy one
    assert status((17, 34), (1, 8)) == "cannot tell"
    assert status((17, 34), (1, 8), alone=np.zeros(34, bool)) == "fail"  # fresh rows tell nothing of the same holders


def test_a_file_that_was_not_tested_does_not_pass():
    table = visits()
    out = anonymize(table, entity="who", time="day", release="model", undecided="note", random_state=0)
    assert out.certificate.content["outcome"] == "passed, but for gates that cannot tell"
