"""What protection costs: the same fit without it and with presets, judged beside each other.

    python -m benchmarks.protection framingham adult --data DATA --seeds 0 1 --presets none standard

Columns: detection AUC on held-out rows (boosting, C2ST), pair error, utility (TSTR), DCR share and membership AUC, and
how many of the columns with heavy upper tails have quantile .999 and the mean beyond inside the holdout's band.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.datasets import NAMES, Split, load
from synthkit import TabularSynthesizer
from synthkit.metrics import dcr_share, detection_auc, mia_auc, pair_error, tstr

__all__ = ["main", "tails_inside"]

_HEAVY = 3.0  # excess kurtosis of a column whose tail is looked at


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protection", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("datasets", nargs="+", choices=NAMES)
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of the .csv.gz tables")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="of the split and the model")
    parser.add_argument("--presets", nargs="+", default=["none", "standard"])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--rows", type=int, help="learn from so many rows at most")
    parser.add_argument("--max-seconds", type=float, help="budget of one fit")
    parser.add_argument("--final", action="store_true", help="judge by the real holdout, not by a part of training")
    args = parser.parse_args(arguments)
    rows = []
    for name in args.datasets:
        for seed in args.seeds:
            split = load(name, args.data, seed, dev=not args.final)
            if args.rows is not None and len(split.train) > args.rows:
                split = replace(split, train=split.train.sample(args.rows, random_state=seed).reset_index(drop=True))
            for preset in args.presets:
                row = {"table": name, "seed": seed, "protect": preset} | _one(split, preset, seed, args)
                print(row, file=sys.stderr, flush=True)
                rows.append(row)
    table = pd.DataFrame(rows)
    print(f"{os.environ.get('OMP_NUM_THREADS', '-')} threads, {'final' if args.final else 'dev'}")
    print(table.round(4).to_string(index=False))
    return 0


def _one(split: Split, preset: str, seed: int, args: argparse.Namespace) -> dict[str, object]:
    began = time.monotonic()
    protect = None if preset == "none" else preset
    fitted = TabularSynthesizer(args.model, protect=protect, random_state=seed, max_seconds=args.max_seconds)
    fitted.fit(split.train)
    seconds = time.monotonic() - began
    drawn = fitted.sample(len(split.train), seed=seed)
    kinds, train, holdout = split.kinds, split.train, split.holdout
    inside, looked = tails_inside(drawn, holdout, seed)
    return {
        "auc": detection_auc(holdout, drawn, kinds=kinds, seed=seed),
        "pair": pair_error(train, drawn, kinds=kinds).value,
        "tstr": tstr(drawn, holdout, split.target, kinds=kinds, seed=seed),
        "dcr": dcr_share(drawn, train, holdout, kinds=kinds, seed=seed),
        "mia": mia_auc(drawn, train, holdout, kinds=kinds, seed=seed),
        "tails inside": f"{inside} of {looked}",
        "seconds": round(seconds),
    }


def tails_inside(drawn: pd.DataFrame, holdout: pd.DataFrame, seed: int) -> tuple[int, int]:
    """How many figures (quantile .999 and mean beyond, of columns with heavy upper tails) lie inside the 95 % band of
    the bootstrapped holdout, and how many there are."""
    rng = np.random.default_rng(seed)
    inside = looked = 0
    for name in holdout.select_dtypes("number"):
        real, ours = (t[name].dropna().to_numpy(float) for t in (holdout, drawn))
        if len(real) < 500 or not len(ours) or pd.Series(real).kurt() < _HEAVY:
            continue
        low, high = np.quantile([_tail(rng.choice(real, len(real))) for _ in range(300)], (0.025, 0.975), axis=0)
        own = _tail(ours)
        inside += int(((own >= low) & (own <= high)).sum())
        looked += 2
    return inside, looked


def _tail(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quantile .999, and the mean of what is not below it (expected shortfall)."""
    edge = np.quantile(x, 0.999)
    return np.array([edge, x[x >= edge].mean()])


if __name__ == "__main__":
    raise SystemExit(main())
