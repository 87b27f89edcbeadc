"""Do pooled 95 % intervals hold what they promise? Multiple imputation where the truth is known.

    python -m benchmarks.coverage --repetitions 500 --methods chained_trees
    python -m benchmarks.coverage --data DATA --cases adult diabetes130

``law``: x normal; y = x + z of 1; g = [x + y + noise > 0]; y and g are hidden given x. ``adult``, ``diabetes130``:
the whole table is the population, of which 1,000 rows are drawn; three of six columns are hidden given another. About
30 % of such a column's cells are hidden. Means, shares and the slopes of a linear regression (with variances that
need no equal spread: HC2, MacKinnon & White, 1985) are pooled over the copies by Rubin's rules. Beside the coverage
stand that of the complete rows' intervals before any was hidden, the bias in standard errors of these, and the width
relative to them.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.datasets import load
from synthkit import Imputer, pool

__all__ = ["main"]

Estimates = dict[str, tuple[float, float]]  # and their variances


@dataclass(frozen=True)
class _Case:
    """Where the truth is known.

    Attributes:
        draw: some rows; population: many or all; estimates: what is asked of a table; driver: a number per row, high
            where cells are often hidden; hidden: which columns lose cells.
    """

    draw: Callable[[int, np.random.Generator], pd.DataFrame]
    population: pd.DataFrame
    estimates: Callable[[pd.DataFrame], Estimates]
    driver: Callable[[pd.DataFrame], NDArray[np.float64]]
    hidden: tuple[str, ...]
    rows: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table, one line per case, method and estimate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--cases", nargs="+", default=["law"], choices=["law", "adult", "diabetes130"])
    parser.add_argument("--methods", nargs="+", default=["chained_trees"], metavar="METHOD")
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first repetition's seed")
    parser.add_argument("--rows", type=int, help="drawn; else 300 of the law, 1,000 of a population")
    parser.add_argument("--copies", type=int, default=10)
    args = parser.parse_args(arguments)
    print("| case | method | estimate | truth | coverage | complete | bias | width |")
    print("| --- " * 8 + "|", flush=True)
    for name in args.cases:
        case = _law() if name == "law" else _population(name, args.data)
        truth = case.estimates(case.population)
        for method in args.methods:
            seeds = range(args.first, args.first + args.repetitions)
            _print(f"| {name} | {method}", truth, [_one(case, method, seed, args) for seed in seeds])
    return 0


def _print(start: str, truth: Estimates, lines: list[pd.DataFrame]) -> None:
    for name, (value, _) in truth.items():
        found = pd.DataFrame([line.loc[name] for line in lines])
        inside = (found["low"] <= value) & (value <= found["high"])
        half = 1.96 * found["whole_se"]
        whole = (found["whole"] - value).abs() <= half
        bias = (found["estimate"] - value).mean() / found["whole_se"].mean()
        width = (found["high"] - found["low"]).mean() / (2 * half).mean()
        figures = f"{value:.3f} | {inside.mean():.3f} | {whole.mean():.3f} | {bias:.2f} | {width:.2f}"
        print(f"{start} | {name} | {figures} |", flush=True)


def _one(case: _Case, method: str, seed: int, args: argparse.Namespace) -> pd.DataFrame:
    """A line per estimate: pooled, with both ends, and of the complete rows with its standard error."""
    rng = np.random.default_rng(seed)
    table = case.draw(args.rows or case.rows, rng)
    push = case.driver(table)
    chance = 1 / (1 + np.exp(1 - (push - push.mean()) / push.std()))  # .3 on average
    holes = table.copy()
    for name in case.hidden:
        holes[name] = holes[name].mask(rng.random(len(table)) < chance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = Imputer(method, random_state=seed).fit(holes).multiple(holes, args.copies)
    pooled = pool([case.estimates(copy) for copy in drawn], df=len(table) - 4).table[["estimate", "low", "high"]]
    whole = pd.DataFrame(case.estimates(table), index=["whole", "whole_se"]).T
    return pooled.join(whole.assign(whole_se=whole["whole_se"] ** 0.5))


# -------------------------------------------------------------------- cases
def _mean(values: pd.Series) -> tuple[float, float]:
    numbers = values.to_numpy(dtype=float)
    return float(numbers.mean()), float(numbers.var(ddof=1)) / len(numbers)


def _slopes(goal: pd.Series, inputs: dict[str, pd.Series]) -> Estimates:
    x = np.stack([np.ones(len(goal)), *(part.to_numpy(dtype=float) for part in inputs.values())], axis=1)
    y = goal.to_numpy(dtype=float)
    inverse = np.linalg.inv(x.T @ x)
    weights = inverse @ x.T @ y
    leverage = ((x @ inverse) * x).sum(1)
    spread = (y - x @ weights) ** 2 / (1 - leverage)
    variance = np.diag(inverse @ (x.T * spread) @ x @ inverse)
    return {f"slope of {n}": (float(weights[k]), float(variance[k])) for k, n in enumerate(inputs, 1)}


def _law() -> _Case:
    def draw(rows: int, rng: np.random.Generator) -> pd.DataFrame:
        x = rng.normal(size=rows)
        y = x + rng.normal(size=rows)
        return pd.DataFrame({"x": x, "y": y, "g": np.where(x + y + rng.normal(size=rows) > 0, "high", "low")})

    def estimates(table: pd.DataFrame) -> Estimates:
        high = table["g"] == "high"
        return {
            "mean of y": _mean(table["y"]),
            "share of g": _mean(high),
            **_slopes(table["y"], {"x": table["x"], "g": high}),
        }

    whole = draw(1_000_000, np.random.default_rng(0))
    return _Case(draw, whole, estimates, lambda t: t["x"].to_numpy(dtype=float), ("y", "g"), 300)


def _population(name: str, data: Path) -> _Case:
    split = load(name, data, 0)
    whole = pd.concat([split.train, split.holdout], ignore_index=True)
    if name == "adult":
        names, hidden, driver = _ADULT, ("hours-per-week", "education-num", "income"), "age"
        estimates = _of_adult
    else:
        names, hidden, driver = _STAYS, ("num_medications", "num_lab_procedures", "readmitted"), "number_diagnoses"
        estimates = _of_stays
    whole = whole[names].dropna().reset_index(drop=True)

    def draw(rows: int, rng: np.random.Generator) -> pd.DataFrame:
        return whole.iloc[rng.choice(len(whole), rows, replace=False)].reset_index(drop=True)

    return _Case(draw, whole, estimates, lambda t: t[driver].to_numpy(dtype=float), hidden, 1000)


_ADULT = ["age", "education-num", "hours-per-week", "sex", "marital-status", "income"]
_STAYS = [
    "age",
    "time_in_hospital",
    "num_lab_procedures",
    "num_medications",
    "number_diagnoses",
    "readmitted",
]


def _of_adult(table: pd.DataFrame) -> Estimates:
    rich, male = table["income"].astype(str).str.contains(">50K"), table["sex"].astype(str) == "Male"
    inputs = {"age": table["age"], "education": table["education-num"], "male": male, "income": rich}
    return {
        "mean of hours": _mean(table["hours-per-week"]),
        "mean of education": _mean(table["education-num"]),
        "share of income": _mean(rich),
        **_slopes(table["hours-per-week"], inputs),
    }


def _of_stays(table: pd.DataFrame) -> Estimates:
    again = table["readmitted"].astype(str) != "NO"
    inputs = {
        "medications": table["num_medications"],
        "tests": table["num_lab_procedures"],
        "readmitted": again,
        "diagnoses": table["number_diagnoses"],
    }
    return {
        "mean of medications": _mean(table["num_medications"]),
        "mean of tests": _mean(table["num_lab_procedures"]),
        "share of readmitted": _mean(again),
        **_slopes(table["time_in_hospital"], inputs),
    }


if __name__ == "__main__":
    sys.exit(main())
