"""Draws under conditions against held-out frequencies, and draws in which a target does not depend on a group.

    python -m benchmarks.scenarios --data DATA --datasets adult credit_default --seeds 0 1 2

Calibration: the table is cut into strata by one to three columns (numbers by quantiles); of each stratum with 200
held-out rows or more, the target's held-out frequency is compared with that of draws given the stratum. The mean square
error less the binomial variance of both sides is what the model adds. Fairness: the gap of the target's share between
groups in fair draws, pair errors of all other columns beside those of plain draws, and what a model of the draws does
on held-out rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import Split, load
from synthkit import TabularSynthesizer, between, fairness
from synthkit.metrics import pair_error

__all__ = ["calibration", "fair_draws", "main"]

_LEAST, _DRAWS, _BINS = 200, 4000, 4
_STRATA = {
    "adult": ["sex", "education", "marital-status", "age", "hours-per-week", "occupation"],
    "credit_default": ["SEX", "EDUCATION", "PAY_0", "AGE", "LIMIT_BAL", "PAY_AMT1"],
    "online_shoppers": ["Month", "VisitorType", "BounceRates", "PageValues", "Weekend"],
    "framingham": ["male", "age", "currentSmoker", "sysBP"],
    "diabetes130": ["gender", "age", "number_inpatient", "time_in_hospital", "insulin"],
}
_PROTECTED = {"adult": "sex", "credit_default": "SEX", "framingham": "male", "diabetes130": "gender"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; one JSON line per data set and seed."""
    options = _parser().parse_args(arguments)
    for name in options.datasets:
        for seed in options.seeds:
            split = load(name, options.data, seed, dev=not options.final)
            if options.most and len(split.train) > options.most:
                split = replace(split, train=split.train.sample(options.most, random_state=seed).reset_index(drop=True))
            began = time.perf_counter()
            fitted = TabularSynthesizer(options.model, random_state=seed, max_seconds=options.max_seconds)
            fitted.fit(split.train)
            line: dict[str, Any] = {"dataset": name, "seed": seed, "final": options.final, "model": options.model}
            line |= {"rows": len(split.train), "fit_s": round(time.perf_counter() - began, 1)}
            line |= calibration(fitted, split, seed, options.strata)
            if name in _PROTECTED:
                line |= fair_draws(fitted, split, _PROTECTED[name], seed)
            written = json.dumps(line)
            print(written, flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(written + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--datasets", nargs="+", choices=[*_STRATA], default=["adult"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--most", type=int, help="training rows at most")
    parser.add_argument("--strata", type=int, default=60, help="at most")
    parser.add_argument("--final", action="store_true", help="judge on the true holdout; rarely")
    parser.add_argument("--out", type=Path, help="append the lines to a file, too")
    return parser


def calibration(fitted: TabularSynthesizer, split: Split, seed: int, most: int = 60) -> dict[str, float]:
    """Root mean square error of conditional frequencies less binomial variance, over strata of 1 to 3 columns."""
    target = split.target
    positive = split.holdout[target].value_counts().index[1]
    keys = {name: _keys(split, name) for name in _STRATA[split.name]}
    cells = []
    for many in (1, 2, 3):
        for names in combinations(keys, many):
            cells += [dict(zip(names, one, strict=True)) for one in _product([keys[n] for n in names])]
    rng = np.random.default_rng(seed)
    errors, noise, plain = [], [], []
    base = float((split.train[target] == positive).mean())
    for k in rng.permutation(len(cells)):
        inside = np.logical_and.reduce([_fits(split.holdout[n], key) for n, key in cells[k].items()])
        held = (split.holdout[target][inside] == positive).to_numpy(np.float64)
        if len(held) < _LEAST:
            continue
        drawn = fitted.sample(_DRAWS, where=cells[k], seed=int(k))[target]
        p, q = held.mean(), float((drawn == positive).mean())
        errors.append((p - q) ** 2)
        plain.append((p - base) ** 2)
        noise.append(p * (1 - p) / len(held) + q * (1 - q) / _DRAWS)
        if len(errors) >= most:
            break
    excess = float(np.mean(errors) - np.mean(noise))
    return {
        "strata": len(errors),
        "calibration": round(float(np.sqrt(max(excess, 0.0))), 4),
        "without_conditions": round(float(np.sqrt(max(np.mean(plain) - np.mean(noise), 0.0))), 4),
    }


def _keys(split: Split, name: Hashable) -> list[Any]:
    column = split.train[name]
    if split.kinds[name] != "numeric":
        return column.value_counts().index[:6].tolist()
    cuts = np.unique(np.quantile(column.dropna(), np.linspace(0, 1, _BINS + 1)))
    keys = []
    for a, b in pairwise(cuts):
        here = column[(column >= a) & (column <= b) if a == cuts[0] else (column > a) & (column <= b)]
        keys.append(between(here.min(), here.max()))
    return keys


def _product(lists: list[list[Any]]) -> list[tuple[Any, ...]]:
    out: list[tuple[Any, ...]] = [()]
    for keys in lists:
        out = [(*head, key) for head in out for key in keys]
    return out


def _fits(column: pd.Series, key: Any) -> np.ndarray:
    low = getattr(key, "low", None)
    return ((column >= low) & (column <= key.high) if low is not None else column == key).to_numpy(bool)


def fair_draws(fitted: TabularSynthesizer, split: Split, protected: str, seed: int) -> dict[str, float]:
    """Gaps of fair and plain draws, the greatest change of a pair error of other columns, and a model's gap and AUC."""
    rows = min(len(split.train), 20_000)
    plain, out = fitted.sample(rows, seed=seed), fitted.fair(rows, split.target, protected, seed=seed)
    kinds = dict(split.kinds)
    rest = {name: kind for name, kind in kinds.items() if name not in (split.target, protected)}
    errors = [pair_error(split.holdout, table, kinds=rest).value for table in (plain, out)]
    whole = [pair_error(split.holdout, table, kinds=kinds).value for table in (plain, out)]
    known: dict[str, Any] = {"target": split.target, "protected": protected, "kinds": kinds}
    fair = fairness(split.holdout, out, plain=plain, **known)
    before = fairness(split.holdout, plain, **known)
    return {
        "gap_plain": round(before.table_gap, 4),
        "gap_fair": round(fair.table_gap, 4),
        "pair_plain": round(errors[0], 4),
        "pair_fair": round(errors[1], 4),
        "pair_all_plain": round(whole[0], 4),
        "pair_all_fair": round(whole[1], 4),
        "model_gap_plain": round(before.model_gap, 4),
        "model_gap_fair": round(fair.model_gap, 4),
        "auc": round(fair.auc, 4),
        "auc_loss": round(fair.auc_loss, 4),
    }


if __name__ == "__main__":
    raise SystemExit(main())
