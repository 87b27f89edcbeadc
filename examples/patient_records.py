"""Visits of patients over time: fit, sample, compare with patients nobody learnt from, go on, fill gaps, ask what if.

    python examples/patient_records.py            one to two minutes
    python examples/patient_records.py --quick    some seconds, rougher figures

The patients are drawn from a law that is known in full, so that what the synthesizer says can be held against it.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from synthkit import SequenceSynthesizer, evaluate

STAGES = ["I", "II", "III"]


def draw_patients(patients: int, seed: int) -> pd.DataFrame:
    """The law: a visit every four weeks or so; the drug lowers blood pressure, which drives the stage, which kills.

    A patient's pressure and creatinine each move around a level of the patient's own. Creatinine is measured at three
    visits of four. The stage never gets better.
    """
    rng = np.random.default_rng(seed)
    age, sex, drug = rng.integers(40, 85, patients), rng.choice(["f", "m"], patients), rng.random(patients) < 0.5
    level = 125 + 0.4 * (age - 60) - 14 * drug + 8 * rng.normal(size=patients)
    kidney = np.exp(0.05 * (sex == "m") + 0.25 * rng.normal(size=patients))
    visits = 3 + rng.poisson(6, patients)
    day, names = rng.integers(0, 300, patients), rng.permutation(10_000)
    stage, moving = rng.choice(2, patients, p=[0.7, 0.3]), 6 * rng.normal(size=patients)
    rows = []
    for k in range(visits.max()):
        here = np.flatnonzero(visits > k)
        pressure = level + moving
        rows.append(
            pd.DataFrame(
                {
                    "patient": [f"S{seed}-{names[i]:04d}" for i in here],
                    "visit": pd.Timestamp("2022-01-03") + pd.to_timedelta(day[here], "D"),
                    "age": age[here],
                    "sex": sex[here],
                    "arm": np.where(drug, "drug", "placebo")[here],
                    "pressure": pressure[here].round(),
                    "creatinine": (kidney * np.exp(0.1 * rng.normal(size=patients)))[here].round(2),
                    "stage": np.array(STAGES)[stage[here]],
                    "index": here,
                }
            )
        )
        worse = 1 / (1 + np.exp(3 - (pressure - 125) / 8))
        stage = np.minimum(stage + (rng.random(patients) < worse), 2)
        moving = 0.7 * moving + 6 * np.sqrt(1 - 0.7**2) * rng.normal(size=patients)
        day = day + 14 + rng.poisson(14, patients)
    table = pd.concat(rows).sort_values(["index", "visit"], ignore_index=True)
    last = table.groupby("index")["stage"].last().map({"I": 0.05, "II": 0.2, "III": 0.6}).to_numpy()
    table["died"] = (rng.random(patients) < last)[table.pop("index")]
    table["creatinine"] = table["creatinine"].where(rng.random(len(table)) < 0.75)
    return table


def compare_laws(real: pd.DataFrame, fresh: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    """What the tables say of the same questions."""

    def before(t: pd.DataFrame, name: str) -> pd.Series:
        return t.groupby("patient", sort=False)[name].shift()

    def worsens(t: pd.DataFrame) -> float:
        there = before(t, "stage").notna()
        return float((t["stage"] != before(t, "stage"))[there].mean())

    def within(t: pd.DataFrame) -> float:
        return float(t.groupby("patient")["pressure"].std().mean())

    def arms(t: pd.DataFrame) -> float:
        means = t.groupby("arm")["pressure"].mean()
        return float(means["drug"] - means["placebo"])

    def deaths(t: pd.DataFrame) -> float:
        last = t.groupby("patient").last()
        return float(last.loc[last["stage"] == "III", "died"].mean())

    questions = {
        "visits of a patient": lambda t: t.groupby("patient").size().mean(),
        "days between visits": lambda t: t.groupby("patient")["visit"].diff().dt.days.mean(),
        "pressure, drug against placebo": arms,
        "pressure, deviation within a patient": within,
        "correlation with the visit before": lambda t: t["pressure"].corr(before(t, "pressure")),
        "share of visits at which the stage is worse": worsens,
        "share without creatinine": lambda t: t["creatinine"].isna().mean(),
        "share that died, of those last in stage III": deaths,
    }
    print(f"\n{'question':<45}{'learnt from':>12}{'others':>10}{'synthetic':>12}")
    for label, ask in questions.items():
        print(f"{label:<45}{ask(real):>12.2f}{ask(fresh):>10.2f}{ask(synthetic):>12.2f}")


def score(real: pd.DataFrame, fresh: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    """How well whole patients can be told from real ones, and whether any is a copy."""
    names = ["entity_detection", "lengths", "gaps", "values", "transitions", "variance", "memorisation"]
    report = evaluate(
        real, synthetic, holdout=fresh, entity="patient", time="visit", metrics=names, level="quick", seed=0
    )
    print(f"\n{'score, of as many patients':<45}{'best':>12}{'others':>10}{'synthetic':>12}")
    for name in names:
        found = report.scores[name]
        print(f"{name:<45}{found.best:>12.2f}{found.fresh:>10.2f}{found.matched:>12.2f}")


def go_on(synthesizer: SequenceSynthesizer, fresh: pd.DataFrame, draws: int) -> None:
    """Hide the last three visits of unseen patients, draw what may follow, and look where the truth lies."""
    left = fresh.groupby("patient").cumcount(ascending=False)
    known, hidden = fresh[left >= 3], fresh[left < 3]
    known = known[known.groupby("patient")["visit"].transform("size") >= 2]
    hidden = hidden[hidden["patient"].isin(known["patient"])]
    fan = synthesizer.extend(known, 3, n=draws, seed=0)
    drawn = fan["pressure"].to_numpy().reshape(draws, -1)
    # the draws leave one place more than they are for a new value: nine in ten of these lie between low and high
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0, method="weibull")
    truth = hidden["pressure"].to_numpy()
    print(f"\nwhat follows, for {known['patient'].nunique()} unseen patients; the pressure of their hidden visits lies")
    print(f"  in the fan of nine in ten draws: {((truth >= low) & (truth <= high)).mean():.2f} of the time")
    width = np.mean(high - low) / np.subtract(*np.quantile(fresh["pressure"], [0.95, 0.05], method="weibull"))
    print(f"  and the fan is as wide as {width:.2f} of the range of nine in ten visits")


def fill(synthesizer: SequenceSynthesizer, fresh: pd.DataFrame) -> None:
    """Hide a fifth of the pressures of unseen patients, and fill them from the visits before and after."""
    hidden = np.random.default_rng(0).random(len(fresh)) < 0.2
    gaps = fresh.assign(pressure=fresh["pressure"].mask(hidden))
    filled = synthesizer.impute(gaps, mode="point", seed=0)
    carried = gaps.groupby("patient")["pressure"].ffill().fillna(gaps["pressure"].mean())
    print(f"\nfilling {hidden.sum()} hidden pressures; mean error in mmHg")
    for label, guess in (
        ("synthkit", filled["pressure"]),
        ("the visit before", carried),
        ("mean of all", gaps["pressure"].fillna(gaps["pressure"].mean())),
    ):
        print(f"  {label:<20}{(guess - fresh['pressure']).abs()[hidden].mean():.2f}")


def what_if(synthesizer: SequenceSynthesizer, fresh: pd.DataFrame) -> None:
    """The same kind of patients on either arm."""
    patients = fresh.drop_duplicates("patient")[["age", "sex"]].sample(300, replace=True, random_state=0)
    print("\nwhat if all of them had been on one arm? (300 patients, six visits each; the law says 14 mmHg less)")
    for arm in ("placebo", "drug"):
        rows = synthesizer.sample(context=patients.assign(arm=arm), length=6, seed=1)
        assert (rows.groupby("patient").size() == 6).all() and (rows["arm"] == arm).all()
        print(f"  {arm:<12}mean pressure {rows['pressure'].mean():.1f}, died {rows['died'].mean():.2f}")


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer patients and training steps")
    options = parser.parse_args(arguments)
    patients, others, draws = (160, 60, 12) if options.quick else (800, 200, 100)
    real, fresh = draw_patients(patients, 1), draw_patients(others, 2)
    print(f"{patients} patients with {len(real)} visits to learn from, {others} others held out")
    synthesizer = SequenceSynthesizer(
        entity="patient",
        time="visit",
        random_state=0,
        max_steps=90 if options.quick else None,
        max_seconds=120,
    ).fit(real)
    print(f"constant within a patient: {', '.join(synthesizer.context_)}")
    synthetic = synthesizer.sample(patients, seed=0)
    print(synthetic.head(4).to_string(index=False))
    compare_laws(real, fresh, synthetic)
    score(real, fresh, synthetic)
    go_on(synthesizer, fresh, draws)
    fill(synthesizer, fresh)
    what_if(synthesizer, fresh)


if __name__ == "__main__":
    main()
