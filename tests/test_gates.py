"""Gates: fresh rows pass every profile jointly, culprits do not, and what is not known is no pass."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from synthkit import evaluate
from synthkit.errors import GateError, ParamError
from synthkit.metrics.base import Score
from synthkit.metrics.registry import METRICS
from synthkit.report import PROFILES, Gate, Profile, Report
from synthkit.testing.metrics import draw, junk

every_profile = pytest.mark.parametrize("profile", PROFILES)
GATED = sorted({name for profile in PROFILES.values() for name in profile.gates})


def made(matched: float = 0.0, fresh: float = 0.0, half: float = 0.01, **more: object) -> Score:
    """A score of the key "shape", with intervals of one half-width."""
    figures: dict[str, object] = {
        "value": matched,
        "interval": (matched - half, matched + half),
        "matched_interval": (matched - half, matched + half),
        "fresh_interval": (fresh - half, fresh + half),
    }
    given: dict[str, object] = {"name": "shape", "label": "s", "group": "fidelity", "goal": "lower", "best": 0.0}
    return Score(**{**given, "bounds": (0, 1), **figures, "matched": matched, "fresh": fresh, **more})  # type: ignore[arg-type]


@pytest.fixture
def profiles(monkeypatch) -> None:
    """Two profiles of one gate: a lenient and a strict one."""
    gate = {"shape": Gate(0.05, 0.10)}
    monkeypatch.setitem(PROFILES, "lenient", Profile("try", gate))
    monkeypatch.setitem(PROFILES, "strict", Profile("try", gate, strict=True))


def status(score: Score, profile: str = "lenient") -> str:
    return Report({"shape": score}).check(profile).status


# -------------------------------------------------------------------- the rule
def test_what_passes_and_what_fails(profiles):
    assert status(made(0.05, 0.04)) == "pass"
    assert status(made(0.09, 0.04)) == "pass"
    assert status(made(0.10, 0.04)) == "pass", "above the tolerance, but within the noise"
    assert status(made(0.15, 0.04)) == "fail"
    assert status(made(0.00, 0.04)) == "pass", "better than fresh is as good"


def test_noise_hides_a_harm_and_is_no_pass(profiles):
    assert status(made(0.05, 0.04, half=0.2)) == "cannot tell"
    assert status(made(0.60, 0.04, half=0.2)) == "fail", "so large a harm shows all the same"


def test_a_strict_profile_asks_the_data_to_certify(profiles):
    assert status(made(0.05, 0.04), "strict") == "pass"
    assert status(made(0.12, 0.04, half=0.025), "strict") == "cannot tell", (
        "tolerated, but not shown to be below the limit"
    )
    assert status(made(0.05, 0.04, half=0.08), "strict") == "cannot tell"


def test_beyond_the_best_counts_as_the_best(profiles):
    auc = {"best": 0.5, "bounds": (0.0, 1.0)}
    assert status(made(0.50, 0.30, **auc)) == "pass", "a lucky fresh sample sets no higher bar than the best"
    high = {"goal": "higher", "best": 1.0}
    assert status(made(0.80, 0.95, **high)) == "fail" and status(made(0.95, 0.80, **high)) == "pass"


def test_intervals_on_either_side_count_where_they_matter(profiles):
    lopsided = made(0.20, 0.04, matched_interval=(0.0, 0.21))
    assert status(lopsided) == "cannot tell" or status(lopsided) == "pass"
    assert status(made(0.20, 0.04, matched_interval=(0.19, 0.9))) == "fail"


def test_all_rows_see_what_few_rows_do_not(monkeypatch):
    monkeypatch.setitem(PROFILES, "whole", Profile("try", {"shape": Gate(0.05, 0.1, whole="fresh")}))
    score = made(0.05, 0.04, value=0.30, interval=(0.28, 0.32))
    assert Report({"shape": score}).check("whole").status == "fail"
    # a metric with a control of its own: fresh rows score the best on average, and the noise of fresh is spared
    monkeypatch.setitem(PROFILES, "own", Profile("try", {"shape": Gate(0.05, 0.1, whole="best")}, strict=True))
    wide = {"matched_interval": (0.0, 0.5), "fresh_interval": (0.0, 0.5)}
    assert Report({"shape": made(0.05, 0.04, **wide)}).check("own").status == "pass"
    assert Report({"shape": made(0.05, 0.04, value=0.2, interval=(0.19, 0.21), **wide)}).check("own").status == "fail"


def test_what_is_not_known_is_no_pass(profiles):
    nothing = float("nan")
    verdict = Report({"shape": made(0.05, nothing, fresh_interval=None)}).check("lenient")
    assert verdict.status == "cannot tell" and "nothing to compare" in verdict.results[0].reason
    verdict = Report({"shape": made(nothing, 0.1, note="too few rows for it")}).check("lenient")
    assert verdict.status == "cannot tell" and "too few rows for it" in verdict.results[0].reason
    verdict = Report({}, left_out={"shape": "needs holdout"}).check("lenient")
    assert verdict.status == "cannot tell" and "needs holdout" in verdict.results[0].reason
    assert not verdict.passed and not verdict and math.isnan(verdict.results[0].excess)


def test_an_optional_gate_may_be_absent():
    scores = {name: made(name=name) for name in ("shape", "pair", "detection_boosting")}
    assert any(gate.optional for gate in PROFILES["imputation"].gates.values())
    gates = {name: Gate(0.1, 0.3) for name in scores}
    others = {name: None for name, gate in PROFILES["imputation"].gates.items() if not gate.optional}
    assert Report(scores).check("imputation", **(others | gates)).status == "pass"


# -------------------------------------------------------------------- how it is asked
def test_overrides(profiles):
    report = Report({"shape": made(0.15, 0.04), "mine": made(0.5, 0.0, name="mine")})
    assert report.check("lenient").status == "fail"
    assert report.check("lenient", shape=0.2).status == "pass"
    assert report.check("lenient", shape=Gate(0.2, 0.001)).status == "cannot tell"
    assert report.check("lenient", shape=None).status == "cannot tell", "no gate is no pass"
    assert report.check("lenient", shape=0.2, mine=0.1).status == "fail"
    assert dict(PROFILES["lenient"].gates) == {"shape": Gate(0.05, 0.10)}, "the profile itself is as it was"


@pytest.mark.parametrize("override", [{"nope": 0.1}, {"shape": "much"}, {"shape": -0.1}, {"shape": True}])
def test_odd_overrides_are_refused(override):
    with pytest.raises(ParamError, match=next(iter(override))):
        Report({"shape": made()}).check("imputation", **override)


def test_an_unknown_profile_is_refused():
    with pytest.raises(ParamError, match="imputation, augmentation, test-data, release"):
        Report({"shape": made()}).check("perfection")


def test_assert_ok_says_why(profiles):
    Report({"shape": made(0.05, 0.04)}).assert_ok("lenient")
    with pytest.raises(GateError, match="'lenient': fail .*0.150 against fresh 0.040.*tolerance 0.05"):
        Report({"shape": made(0.15, 0.04)}).assert_ok("lenient")
    with pytest.raises(GateError, match="cannot tell"):
        Report({}).assert_ok("lenient")


def test_a_verdict_can_be_read(profiles):
    verdict = Report({"shape": made(0.15, 0.04)}).check("lenient")
    assert str(verdict).startswith("lenient (try): FAIL") and "0.150 against fresh 0.040" in str(verdict)
    frame = verdict.to_frame()
    assert frame.loc["shape", "status"] == "fail" and frame.loc["shape", "excess"] == pytest.approx(0.11)
    assert Report({}).check("lenient", shape=None).to_frame().empty


@every_profile
def test_profiles_are_sound(profile):
    chosen = PROFILES[profile]
    assert chosen.purpose and chosen.gates and set(chosen.gates) <= set(METRICS)
    for gate in chosen.gates.values():
        assert 0 <= gate.tolerance < gate.limit
    if chosen.strict:
        groups = {METRICS[name].group for name in chosen.gates}
        assert "privacy" in groups and "fidelity" in groups


# -------------------------------------------------------------------- on a known law
def judged(
    synthetic: pd.DataFrame, real: pd.DataFrame, seed: int, rows: int = 1000, secrets: tuple[str, ...] = ()
) -> Report:
    holdout = draw(rows, 10_000 + seed)
    known = {"target": "late", "secrets": secrets, "metrics": GATED, "level": "quick"}
    return evaluate(real, synthetic, holdout=holdout, seed=seed, **known)


def test_fresh_rows_pass_every_profile():
    """A small version of benchmarks/report_aa.py, which counts over a hundred runs and more."""
    report = judged(draw(1000, 20_000), draw(1000, 0), 0)
    assert all(bool(report.check(profile)) for profile in PROFILES)


def test_culprits_do_not_pass():
    real = draw(1000, 0)
    memory = judged(real.sample(1000, replace=True, random_state=0), real, 0, secrets=("g",))
    assert memory.check("release").status == "fail" and memory.check("test-data").status == "fail"
    assert {r.score for r in memory.check("release").results if r.status == "fail"} == {
        name for name in PROFILES["release"].gates if METRICS[name].group == "privacy"
    }
    bad = judged(junk(real, 0), real, 0)
    for profile in PROFILES:
        assert bad.check(profile).status == "fail"


def test_few_rows_certify_nothing():
    report = judged(draw(60, 2), draw(60, 0), 0, rows=60)
    assert report.check("release").status == "cannot tell"
    assert any("too few rows" in r.reason for r in report.check("release").results)
    alone = evaluate(draw(300, 0), draw(300, 2), target="late", metrics=["shape", "pair", "copies"])
    for profile in PROFILES:
        assert alone.check(profile).status == "cannot tell"
