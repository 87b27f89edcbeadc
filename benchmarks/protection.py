"""What protection costs: the same fit without it and with presets, judged beside each other.

    python -m benchmarks.protection framingham adult --data DATA --seeds 0 1 --presets none standard

Columns: detection AUC on held-out rows (boosting, C2ST), pair error, utility (TSTR), DCR share and membership AUC, and
how many of the columns with heavy upper tails have quantile .999 and the mean beyond inside the holdout's band.
Detection is the mean over ``--draws`` tables of one fit. ``--attacks`` adds the strongest membership attack of
``benchmarks.privacy``. Besides presets there are ``none``, and presets with parts off: ``standard-jitter``, ``-tail``,
``-precision`` (several may follow each other).
"""

from __future__ import annotations

import argparse
import json
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
from benchmarks.privacy import attacked
from synthkit import Protection, TabularSynthesizer
from synthkit.metrics import dcr_share, detection_auc, mia_auc, pair_error, tstr

__all__ = ["main", "tails_inside"]

_HEAVY = 3.0  # excess kurtosis of a column whose tail is looked at


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    args = _parser().parse_args(arguments)
    rows = []
    for name in args.datasets:
        for seed in args.seeds:
            split = load(name, args.data, seed, dev=not args.final)
            split = split if args.rows is None else split.sampled(args.rows, seed)
            for preset in args.presets:
                row = {"table": name, "seed": seed, "protect": preset} | _one(split, preset, seed, args)
                print(row, file=sys.stderr, flush=True)
                if args.out:
                    with args.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                rows.append(row)
    table = pd.DataFrame(rows)
    print(f"{os.environ.get('OMP_NUM_THREADS', '-')} threads, {'final' if args.final else 'dev'}")
    print(table.round(4).to_string(index=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protection", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("datasets", nargs="+", choices=NAMES)
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of the .csv.gz tables")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], help="of the split and the model")
    parser.add_argument("--presets", nargs="+", default=["none", "standard"])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--rows", type=int, help="learn from so many rows at most")
    parser.add_argument("--max-seconds", type=float, help="budget of one fit")
    parser.add_argument("--draws", type=int, default=1, help="tables of one fit that detection looks at")
    parser.add_argument("--attacks", action="store_true", help="the strongest membership attack, too")
    parser.add_argument("--out", type=Path, help="append the lines to a JSON file, too")
    parser.add_argument("--final", action="store_true", help="judge by the real holdout, not by a part of training")
    return parser


_OFF = {"jitter": {"jitter": 1}, "tail": {"tail": 0}, "precision": {"precision": None}}


def _protection(name: str) -> Protection:
    """``none``, a preset, or a preset with parts switched off."""
    preset, *off = name.split("-")
    changes = {key: value for part in off for key, value in _OFF[part].items()}
    return replace(Protection.of(None if preset == "none" else preset), **changes)


def _one(split: Split, preset: str, seed: int, args: argparse.Namespace) -> dict[str, object]:
    began, cpu = time.monotonic(), time.process_time()
    fitted = TabularSynthesizer(
        args.model, protect=_protection(preset), random_state=seed, max_seconds=args.max_seconds
    ).fit(split.train)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    drawn = [fitted.sample(len(split.train), seed=seed + 1000 * i) for i in range(args.draws)]
    kinds, train, holdout = split.kinds, split.train, split.holdout
    inside, looked = tails_inside(drawn[0], holdout, seed)
    aucs = [detection_auc(holdout, table, kinds=kinds, seed=seed) for table in drawn]
    found = {
        "auc": float(np.mean(aucs)),
        "pair": pair_error(train, drawn[0], kinds=kinds).value,
        "tstr": tstr(drawn[0], holdout, split.target, kinds=kinds, seed=seed),
        "dcr": dcr_share(drawn[0], train, holdout, kinds=kinds, seed=seed),
        "mia": mia_auc(drawn[0], train, holdout, kinds=kinds, seed=seed),
        "tails inside": f"{inside} of {looked}",
        "steps": str(fitted.n_steps_),
        "seconds": round(seconds),
        "cpu": round(cpu),
    }
    if args.attacks:
        attack = attacked(split, drawn[0], seed)
        found |= {f"attack_{key}": value for key, value in attack.items()}
    return found


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
