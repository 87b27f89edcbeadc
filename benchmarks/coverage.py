"""Do pooled 95 % intervals hold what they promise? Multiple imputation on tables drawn from a known law.

    python -m benchmarks.coverage --repetitions 500 --methods chained_trees

The law: x normal; y = x + z of 1; g = [x + y + noise > 0]. y and g are hidden given x (30 % each). The mean of y
(0), the share of g and the slope of y on x and g are pooled over the copies by Rubin's rules. Beside the coverage stand
the bias and the width of the intervals relative to those of the complete table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from synthkit import Imputer, pool

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table, one line per method and estimate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["chained_trees"], metavar="METHOD")
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--copies", type=int, default=10)
    args = parser.parse_args(arguments)
    truth = _estimates(_law(1_000_000, np.random.default_rng(0)))
    print("| method | estimate | truth | coverage | bias | width |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for method in args.methods:
        lines = [_one(method, seed, args.rows, args.copies) for seed in range(args.repetitions)]
        for name, (value, _) in truth.items():
            found = np.array([line[name] for line in lines])
            inside = (found[:, 1] <= value) & (value <= found[:, 2])
            bias, width = (found[:, 0] - value).mean(), (found[:, 2] - found[:, 1]).mean() / found[:, 3].mean()
            print(f"| {method} | {name} | {value:.3f} | {inside.mean():.3f} | {bias:.4f} | {width:.2f} |", flush=True)
    return 0


def _law(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    x = rng.normal(size=rows)
    y = x + rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": y, "g": np.where(x + y + rng.normal(size=rows) > 0, "high", "low")})


def _estimates(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Estimates and their variances."""
    n, y, g = len(table), table["y"].to_numpy(dtype=float), (table["g"] == "high").to_numpy(dtype=float)
    inputs = np.stack([np.ones(n), table["x"].to_numpy(dtype=float), g], axis=1)
    inverse = np.linalg.inv(inputs.T @ inputs)
    weights = inverse @ inputs.T @ y
    noise = float(((y - inputs @ weights) ** 2).sum()) / (n - 3)
    return {
        "mean of y": (float(y.mean()), float(y.var(ddof=1)) / n),
        "share of g": (float(g.mean()), float(g.mean() * (1 - g.mean())) / n),
        "slope of x": (float(weights[1]), noise * float(inverse[1, 1])),
        "effect of g": (float(weights[2]), noise * float(inverse[2, 2])),
    }


def _one(method: str, seed: int, rows: int, copies: int) -> dict[str, tuple[float, float, float, float]]:
    """Estimate, both ends of the pooled interval, and the width of the complete table's, by name."""
    rng = np.random.default_rng(seed)
    table = _law(rows, rng)
    holes = table.copy()
    chance = 1 / (1 + np.exp(1 - table["x"].to_numpy()))  # .3 on average
    for name, empty in (("y", np.nan), ("g", None)):
        holes.loc[rng.random(rows) < chance, name] = empty
    drawn = Imputer(method, random_state=seed).fit(holes).multiple(holes, copies)
    pooled = pool([_estimates(copy) for copy in drawn], df=rows - 3).table
    whole = _estimates(table)
    return {
        str(name): (line["estimate"], line["low"], line["high"], 2 * 1.96 * whole[str(name)][1] ** 0.5)
        for name, line in pooled.iterrows()
    }


if __name__ == "__main__":
    sys.exit(main())
