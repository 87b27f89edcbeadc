"""Filling gaps: synthkit's engines and their rivals on the same masks.

    python -m benchmarks.imputation --data DATA --datasets pima_diabetes adult --masks 5
    python -m benchmarks.imputation --quick

The protocol of DiffPuter (Zhang et al., ICLR 2025): rows are split 70/30 with seed 1234, both parts are masked on their
own at 30 % (MCAR, MAR, MNAR), a method is fitted on the masked training part and fills it (in-sample) and the masked
test part (out-of-sample). Figures: z-MAE (of medians, where a method has them), z-RMSE and accuracy, each as the mean
over the columns, and pooled over all cells (DiffPuter's way); of draws the marginal error on the filled cells
(Wasserstein-1 in standard deviations, or total variation) and the AUC of a boosted detector that has to tell completed
rows from other rows that are true (.5 is best). Rivals that do not draw are judged there by what they fill.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import NAMES, load
from benchmarks.imputers import METHODS, Filled
from synthkit.imputation import hide
from synthkit.metrics import Kind, detection_auc

__all__ = ["main"]

_FIGURES = ("z_mae", "z_rmse", "accuracy", "pooled_mae", "pooled_rmse", "marginal", "auc", "seconds")
_DEFAULTS = [method for method in METHODS if method not in ("miceforest", "hyperimpute")]  # which need their own Python


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table: one line per data set, mechanism, part and method, means over the masks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imputation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--datasets", nargs="+", default=["breast_cancer"], choices=NAMES, metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=_DEFAULTS, choices=[*METHODS], metavar="METHOD")
    parser.add_argument("--mechanisms", nargs="+", default=["mcar", "mar", "mnar"], choices=["mcar", "mar", "mnar"])
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--masks", type=int, default=5)
    parser.add_argument("--rows", type=int, help="of the table, at most")
    parser.add_argument("--features-only", action="store_true", help="leave the target out, as DiffPuter does")
    parser.add_argument("--columns", action="store_true", help="print the figures of each column, too")
    parser.add_argument("--miceforest", type=Path, help="the Python of an environment that has miceforest")
    parser.add_argument("--hyperimpute", type=Path, help="the Python of an environment that has hyperimpute")
    parser.add_argument("--out", type=Path, help="a file of JSON lines; what stands in it is not run again")
    parser.add_argument("--final", action="store_true", help="the whole training table, not its development part")
    parser.add_argument("--quick", action="store_true", help="one mask, at random, of 300 rows")
    args = parser.parse_args(arguments)
    if args.quick:
        args.masks, args.mechanisms, args.rows = 1, ["mcar"], 300
    print("| data | mechanism | part | method | masks | " + " | ".join(_FIGURES) + " |")
    print("| --- " * (5 + len(_FIGURES)) + "|", flush=True)
    for name in args.datasets:
        table, kinds = _table(name, args)
        for mechanism in args.mechanisms:
            for method in args.methods:
                _report([*_runs(name, mechanism, method, table, kinds, args)], args.columns)
    return 0


def _table(name: str, args: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Kind]]:
    """The columns that count; categories are text for every method, numbers are floats."""
    split = load(name, args.data, 0, dev=not args.final)
    kinds = {str(c): kind for c, kind in split.kinds.items() if not (args.features_only and c == split.target)}
    table = split.train.rename(columns=str)[list(kinds)].reset_index(drop=True)
    if args.rows and len(table) > args.rows:
        table = table.sample(args.rows, random_state=0).reset_index(drop=True)
    for column, kind in kinds.items():
        text = table[column].astype(str).where(table[column].notna(), None).astype(object)
        table[column] = table[column].astype(float) if kind == "numeric" else text
    return table, kinds


def _runs(
    name: str, mechanism: str, method: str, table: pd.DataFrame, kinds: dict[str, Kind], args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """A record of each mask and part: those on file, and those that are not there yet, which are run and kept."""
    order = np.random.RandomState(1234).permutation(len(table))
    cut = round(0.7 * len(table))
    train, test = (table.iloc[at].reset_index(drop=True) for at in (order[:cut], order[cut:]))
    for seed in range(args.masks):
        key = {"data": name, "rows": len(table), "mechanism": mechanism, "rate": args.rate, "method": method}
        key |= {"seed": seed, "features_only": args.features_only, "final": args.final}
        if args.out is not None and (known := _kept(args.out, key)):
            yield from known
            continue
        holes = [part.mask(hide(part, mechanism, args.rate, seed=2 * seed + k)) for k, part in enumerate((train, test))]
        start, begun = _cpu(), time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = METHODS[method](*holes, seed, args)
        spent = {"seconds": _cpu() - start, "wall": time.perf_counter() - begun}
        for part, truth, hole, filled in zip(("in", "out"), (train, test), holes, results, strict=True):
            if filled is None:
                continue
            figures, own = _figures(truth, hole, filled, kinds, holes[0], seed)
            record = {**key, "part": part, **figures, **spent, "columns": own}
            if args.out is not None:
                with args.out.open("a") as file:
                    file.write(json.dumps(record) + "\n")
            yield record


def _kept(path: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [record for record in map(json.loads, lines) if key.items() <= record.items()]


def _report(found: list[dict[str, Any]], columns: bool) -> None:
    frame = pd.DataFrame(found)
    for (name, mechanism, part, method), some in frame.groupby(["data", "mechanism", "part", "method"], sort=False):
        mean = some[list(_FIGURES)].mean()
        shown = " | ".join("" if pd.isna(mean[f]) else f"{mean[f]:.{1 if f == 'seconds' else 4}f}" for f in _FIGURES)
        print(f"| {name} | {mechanism} | {part} | {method} | {len(some)} | {shown} |", flush=True)
        if columns and part == "in":
            own = pd.concat({k: pd.DataFrame(c).T for k, c in enumerate(some["columns"])}).groupby(level=1).mean()
            print(own.round(4).to_string())


def _cpu() -> float:
    return sum(
        use.ru_utime + use.ru_stime
        for use in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _figures(
    truth: pd.DataFrame, holes: pd.DataFrame, filled: Filled, kinds: dict[str, Kind], seen: pd.DataFrame, seed: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The figures of one filling, and those of its columns. Scales are those of the observed training cells."""
    own: dict[str, dict[str, float]] = {}
    errors: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    for name, kind in kinds.items():
        gap = (holes[name].isna() & truth[name].notna()).to_numpy()
        if not gap.any():
            continue
        real, drawn = truth[name][gap], filled.draw[name][gap]
        if kind == "numeric":
            scale = max(float(seen[name].std()), 1e-12)
            error = [(part[name][gap] - real).to_numpy(dtype=float) / scale for part in (filled.median, filled.mean)]
            errors.append(np.stack(error))
            ends = [np.quantile(values.astype(float), (np.arange(200) + 0.5) / 200) for values in (real, drawn)]
            own[name] = {
                "z_mae": float(np.abs(error[0]).mean()),
                "z_rmse": float(np.sqrt((error[1] ** 2).mean())),
                "marginal": float(np.abs(ends[0] - ends[1]).mean() / scale),
            }
        else:
            shares = [values.astype(str).value_counts(normalize=True) for values in (real, drawn)]
            own[name] = {
                "accuracy": float((filled.mean[name][gap] == real).mean()),
                "marginal": float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2),
            }
    out = pd.DataFrame(own).T.mean().to_dict()
    if errors:
        pooled = np.concatenate(errors, axis=1)
        out |= {"pooled_mae": np.abs(pooled[0]).mean(), "pooled_rmse": np.sqrt((pooled[1] ** 2).mean())}
    out["auc"] = _detected(truth, holes, filled.draw, kinds, seed)
    return {figure: float(out.get(figure, np.nan)) for figure in _FIGURES[:-1]}, own


def _detected(
    truth: pd.DataFrame, holes: pd.DataFrame, completed: pd.DataFrame, kinds: dict[str, Kind], seed: int
) -> float:
    """Completed rows of one half before true rows of the other, and the other way round."""
    rng = np.random.default_rng(seed)
    half = rng.permutation(len(truth)) % 2 == 0
    gaps = (holes.isna() & truth.notna()).any(axis=1).to_numpy()
    completed = completed.mask(truth.isna())  # what is empty in truth says nothing
    aucs = []
    for side in (half, ~half):
        real, made = truth[~side & gaps], completed[side & gaps]
        aucs.append(detection_auc(real, made, kinds=dict(kinds), seed=seed))
    return float(np.mean(aucs))


if __name__ == "__main__":
    sys.exit(main())
