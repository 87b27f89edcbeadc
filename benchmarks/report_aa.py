"""Do fresh rows pass? Every profile is checked on tables whose synthetic rows come from the real rows' own law.

Each run draws real, synthetic and holdout rows from one law, evaluates the metrics that profiles look at, and checks
all profiles. Printed: how often each profile passes as a whole, fails or cannot tell, how often all pass jointly, and
which gates are to blame. ``--culprit`` puts something else in the synthetic rows' place, which must not pass: training
rows drawn again (``copy``), or a share of them among fresh rows (``copy:0.3``), or shuffled columns (``independent``).

Usage: ``python -m benchmarks.report_aa --runs 120 --rows 2000`` (or ``--dataset adult --data DIR``: disjoint random
parts of that table); ``--secrets occupation marital-status`` names what an attacker would like to learn.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.datasets import load
from synthkit.metrics.base import LEVELS
from synthkit.metrics.tables import Kinds
from synthkit.report import PROFILES, evaluate

__all__ = ["main", "run"]


def draw(rows: int, seed: int) -> pd.DataFrame:
    """Numbers, categories, dates and gaps that follow one hidden normal score."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "income": np.exp(10 + 0.6 * z + 0.4 * rng.normal(size=rows)).round(-1),
            "age": np.clip(45 + 12 * z + 10 * rng.normal(size=rows), 18, 95).round(),
            "score": (0.7 * z + 0.7 * rng.normal(size=rows)).round(3),
            "visits": rng.poisson(np.exp(0.5 * z)),
            "region": rng.choice(["north", "south", "east", "west"], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "group": np.where(z + 0.5 * rng.normal(size=rows) > 0.5, "a", np.where(rng.random(rows) < 0.5, "b", "c")),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(40 * rng.normal(size=rows) + 20 * z), "D"),
            "late": np.where(z + 0.8 * rng.normal(size=rows) > 0, "yes", "no"),
        }
    )
    table.loc[rng.random(rows) < 0.08 + 0.1 * (z > 0), "score"] = None
    table.loc[rng.random(rows) < 0.1, "group"] = None
    return table


def _draws(options: argparse.Namespace) -> Iterator[tuple[list[pd.DataFrame], str, Kinds | None]]:
    """Real, synthetic and holdout rows of each run, the target and the kinds."""
    if options.dataset is None:
        for seed in range(options.runs):
            yield [draw(options.rows, 3 * seed + k) for k in range(3)], "late", None
        return
    split = load(options.dataset, options.data, 0, dev=False)
    table = split.train
    size = min(options.rows, len(table) // 3)
    for seed in range(options.runs):
        order = np.random.default_rng(seed).permutation(len(table))
        yield [table.iloc[order[k * size : (k + 1) * size]] for k in range(3)], str(split.target), split.kinds


def planted(synthetic: pd.DataFrame, real: pd.DataFrame, culprit: str | None, seed: int) -> pd.DataFrame:
    """The synthetic rows, or the culprit in their place."""
    rng = np.random.default_rng([seed, 9])
    kind, _, share = (culprit or "").partition(":")
    if kind == "independent":
        parts = {name: real[name].take(rng.permutation(len(real))).reset_index(drop=True) for name in real}
        return pd.DataFrame(parts)
    if kind == "copy":
        cut = round(float(share or 1) * len(synthetic))
        return pd.concat([real.take(rng.integers(len(real), size=cut)), synthetic.iloc[cut:]])
    return synthetic


def run(options: argparse.Namespace) -> pd.DataFrame:
    """One row per run and gate: profile, score, status, excess; written to ``--out`` after each run."""
    gated = sorted({name for profile in options.profiles for name in PROFILES[profile].gates})
    found = []
    for seed, ((real, synthetic, holdout), target, kinds) in enumerate(_draws(options)):
        report = evaluate(
            real,
            planted(synthetic, real, options.culprit, seed),
            holdout=holdout,
            target=target,
            secrets=options.secrets,
            kinds=kinds,
            metrics=gated,
            level=options.level,
            seed=seed,
        )
        for name in options.profiles:
            verdict = report.check(name)
            for result in verdict.results:
                row = {"run": seed, "profile": name, "verdict": verdict.status, "score": result.score}
                ends = {"low": result.interval[0], "high": result.interval[1]}
                found.append({**row, "status": result.status, "excess": result.excess, **ends, "reason": result.reason})
        if options.out:
            pd.DataFrame(found).to_csv(options.out, index=False)
    return pd.DataFrame(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, and write the rows to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--level", default="quick", choices=LEVELS)
    parser.add_argument("--secrets", nargs="*", default=(), help="columns that an attacker would like to learn")
    parser.add_argument("--profiles", nargs="+", default=tuple(PROFILES), choices=tuple(PROFILES))
    parser.add_argument("--culprit", help="copy, copy:SHARE or independent")
    parser.add_argument("--dataset")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    runs = run(options)
    joint = runs.groupby("run")["verdict"].agg(lambda verdicts: bool((verdicts == "pass").all()))
    print(f"all profiles pass in {int(joint.sum())} of {len(joint)} runs")
    for profile, rows in runs.groupby("profile", sort=False):
        counts = Counter(rows.drop_duplicates("run")["verdict"])
        print(
            f"{profile:<14}" + "".join(f"{status}: {counts[status]:<6}" for status in ("pass", "fail", "cannot tell"))
        )
        for score, gate in rows[rows["status"] != "pass"].groupby("score"):
            print(f"    {score:<24}{dict(Counter(gate['status']))}")


if __name__ == "__main__":
    main()
