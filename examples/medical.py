"""A medical table from end to end: fit, sample, condition, fill gaps, compare with fresh rows, save and load.

    python examples/medical.py            about a minute
    python examples/medical.py --quick    some seconds, rougher figures

The table is scikit-learn's breast cancer data: 569 patients, here with ten measurements of the cell nuclei.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from synthkit import TabularSynthesizer, between, metrics


def read_patients() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and rows that the synthesizer never sees."""
    bunch = load_breast_cancer(as_frame=True)
    measured = [name for name in bunch.data.columns if name.startswith("mean ")]
    table = bunch.data[measured].assign(diagnosis=np.where(bunch.target == 1, "benign", "malignant"))
    train, holdout = train_test_split(table, test_size=0.3, random_state=0, stratify=table["diagnosis"])
    return train.reset_index(drop=True), holdout.reset_index(drop=True)


def draw(synthesizer: TabularSynthesizer, train: pd.DataFrame) -> pd.DataFrame:
    """As many synthetic patients as there are real ones, and some under conditions."""
    synthetic = synthesizer.sample(len(train), seed=0)
    columns = ["mean radius", "mean texture", "mean concavity"]
    print("\nmean of a column, by diagnosis")
    means = [t.groupby("diagnosis")[columns].mean() for t in (train, synthetic)]
    print(pd.concat(means, keys=["real", "synthetic"]).round(2).to_string())

    where = {"diagnosis": "malignant", "mean radius": between(None, 12)}
    rare = synthesizer.sample(200, where=where, seed=1)
    seen = int(((train["diagnosis"] == "malignant") & (train["mean radius"] <= 12)).sum())
    met = rare["diagnosis"].eq("malignant") & rare["mean radius"].le(12)
    print("\nmalignant and of a mean radius up to 12:", end=" ")
    print(f"{seen} of {len(train)} real rows, {met.sum()} of 200 synthetic ones, such as")
    print(rare[["diagnosis", *columns]].head(3).to_string(index=False))
    return synthetic


def fill_gaps(synthesizer: TabularSynthesizer, holdout: pd.DataFrame) -> None:
    """Hide a fifth of the cells of unseen patients, fill them, and compare with the truth."""
    numbers = holdout.columns[:-1]
    hidden = np.random.default_rng(0).random((len(holdout), len(numbers))) < 0.2
    gaps = holdout.copy()
    gaps[numbers] = holdout[numbers].mask(hidden)
    filled = synthesizer.impute(gaps, mode="point", seed=0)
    by_mean = gaps[numbers].fillna(gaps[numbers].mean())
    scale = holdout[numbers].std()
    print(f"\nfilling {hidden.sum()} hidden cells of {len(holdout)} unseen patients; mean error in standard deviations")
    for label, guess in (("synthkit", filled[numbers]), ("column mean", by_mean)):
        errors = ((guess - holdout[numbers]).abs() / scale).to_numpy()[hidden]
        print(f"  {label:<12}{errors.mean():.2f}")


def compare(synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame) -> None:
    """Score the synthetic rows beside real rows that nobody learnt from."""
    half = holdout.sample(frac=0.5, random_state=0)
    rest = holdout.drop(half.index)
    print(f"\n{'score':<28}{'best':>8}{'synthetic':>12}{'fresh rows':>12}")
    for label, best, score in (
        ("shape error", "0", lambda t, h: metrics.shape_error(train, t).value),
        ("pair error", "0", lambda t, h: metrics.pair_error(train, t).value),
        ("detection AUC", "0.5", lambda t, h: metrics.detection_auc(h, t)),
        ("AUC of a diagnosis learnt", "1", lambda t, h: metrics.tstr(t, h, "diagnosis")),
        ("share nearer to training", "0.5", lambda t, h: metrics.dcr_share(t, train, h)),
        ("copies of training rows", "0", lambda t, h: metrics.copy_rate(t, train)),
    ):
        print(f"{label:<28}{best:>8}{score(synthetic, holdout):>12.3f}{score(half, rest):>12.3f}")
    print(f"('fresh rows': {len(half)} real patients in the synthetic ones' place, so that column is noisy)")


def save_and_load(synthesizer: TabularSynthesizer) -> None:
    """The file draws the same rows as the object."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patients.synthkit"
        synthesizer.save(path)
        again = TabularSynthesizer.load(path)
        same = again.sample(100, seed=7).equals(synthesizer.sample(100, seed=7))
        print(f"\nsaved to {path.name}: {path.stat().st_size / 1024:.0f} kB; loaded, it draws the same rows: {same}")


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer training steps")
    options = parser.parse_args(arguments)
    train, holdout = read_patients()
    print(f"{len(train)} patients to learn from, {len(holdout)} held out, {train.shape[1]} columns")
    synthesizer = TabularSynthesizer(random_state=0, max_steps=300 if options.quick else None, max_seconds=60)
    synthesizer.fit(train)
    print(f"{synthesizer.choice_} {synthesizer.n_steps_} steps")
    synthetic = draw(synthesizer, train)
    fill_gaps(synthesizer, holdout)
    compare(synthetic, train, holdout)
    save_and_load(synthesizer)


if __name__ == "__main__":
    main()
