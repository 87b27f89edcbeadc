"""What real tables are hard by: rules, conditions in combination, gaps, long tails, survey weights.

    python -m benchmarks.hard rules --data DATA
    python -m benchmarks.hard joint tails weights gaps --data DATA --seeds 0 1 2

Each part fits the tables it is about and prints one Markdown table. Splits are dev ones, but with ``--final``, as in
``benchmarks.run``. What each figure means is in README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.datasets import Split, load
from benchmarks.run import peak_mb
from synthkit import TabularSynthesizer, between
from synthkit.metrics import detection_auc, shape_error
from synthkit.metrics.tables import Kinds
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["PARTS", "gaps", "joint", "main", "rare", "rules", "tails", "weights"]

_AMOUNTS = ("LIMIT_BAL", *(f"BILL_AMT{i}" for i in range(1, 7)), *(f"PAY_AMT{i}" for i in range(1, 7)))
_INCOMES = ("annual_income", "annual_income_joint")
_WEIGHT = "WTMEC2YR"
_MEANS = ("Age", "Poverty", "Weight", "Height", "BMI", "Pulse", "BPSysAve", "BPDiaAve", "DirectChol", "TotChol")
_OFFICE = ["Exec-managerial", "Prof-specialty"]
_PAIRS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("age 18 to 60, hours 1 to 20", {"age": between(18, 60), "hours-per-week": between(1, 20)}),
    ("age from 55, two occupations", {"age": between(55, None), "occupation": _OFFICE}),
    (
        "a capital gain, two marital states, hours 30 to 60",
        {
            "capital-gain": between(1, None),
            "marital-status": ["Never-married", "Divorced"],
            "hours-per-week": between(30, 60),
        },
    ),
)
Row = dict[str, Any]


def _fit(table: pd.DataFrame, seed: int, args: argparse.Namespace, **more: Any) -> TabularSynthesizer:
    return TabularSynthesizer(random_state=seed, max_seconds=args.max_seconds, **more).fit(table)


def _split(name: str, seed: int, args: argparse.Namespace) -> Split:
    return load(name, args.data, seed, dev=not args.final)


# -------------------------------------------------------------------- rules
def rules(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """Rules found untold, and the share of drawn rows in which all hold: enforced, and by the model alone."""
    tables = {name: _split(name, seed, args).train for name in ("adult", "lending_club_loans")}
    # a table of stays, too few to cut; its times are dates
    admissions = pd.read_csv(args.data / "mimic3demo_admissions.csv.gz")
    times = [name for name in admissions if name.endswith("time")]
    tables["mimic3demo_admissions"] = admissions.assign(**{name: pd.to_datetime(admissions[name]) for name in times})
    for name, table in tables.items():
        fitted = _fit(table, seed, args)
        found = fitted.schema_.rules
        start = time.perf_counter()
        drawn = fitted.sample(len(table), seed=seed)
        seconds = time.perf_counter() - start
        loose = _fit(table, seed, args, rules=False).sample(len(table), seed=seed)
        yield {
            "table": name,
            "rules found": len(found),
            "rows that keep all, %": 100 * _keep(found, drawn),
            "the model alone, %": 100 * _keep(found, loose),
            "rows/s": len(table) / seconds,
        }


def _keep(found: Sequence[Any], table: pd.DataFrame) -> float:
    return float(np.all([rule.holds(table) for rule in found], axis=0).mean()) if found else 1.0


# -------------------------------------------------------------------- conditions
def joint(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """Draws under several conditions, told from holdout rows that meet them; beside training rows that do."""
    split = _split("adult", seed, args)
    fitted = _fit(split.train, seed, args)
    for label, where in _PAIRS:
        real, train = (_meeting(table, where) for table in (split.holdout, split.train))
        scores = []
        for k in range(3):
            drawn = fitted.sample(max(len(real), 200), where=where, seed=seed + k)
            scores.append(detection_auc(real, drawn, kinds=split.kinds, seed=seed))
        fresh = train.sample(min(len(real), len(train)), random_state=seed)
        report = fitted.joint_
        assert report is not None
        yield {
            "conditions": label,
            "holdout rows": len(real),
            "detection AUC": float(np.mean(scores)),
            "training rows' AUC": detection_auc(real, fresh, kinds=split.kinds, seed=seed),
            "probability": report.probability,
            "probability in holdout": len(real) / len(split.holdout),
        }


def _meeting(table: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    keep = np.ones(len(table), dtype=bool)
    for name, condition in where.items():
        if isinstance(condition, list):
            keep &= table[name].isin(condition).to_numpy()
        else:
            low = -np.inf if condition.low is None else condition.low
            high = np.inf if condition.high is None else condition.high
            keep &= table[name].between(low, high).to_numpy()
    return table[keep]


# -------------------------------------------------------------------- tails
def tails(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """The quantile .999 and the mean beyond the quantile .99, within the 95 % bootstrap band of the holdout's?"""
    for name, columns in (("credit_default", _AMOUNTS), ("lending_club_loans", _INCOMES)):
        split = _split(name, seed, args)
        fitted = _fit(split.train, seed, args)
        # Ten times the rows: the band is of the holdout's noise, and ours need not be added.
        drawn = fitted.sample(10 * len(split.train), seed=seed)
        for column in columns:
            real, train, ours = (t[column].dropna().to_numpy(float) for t in (split.holdout, split.train, drawn))
            bands = _bands(real, seed)
            row: Row = {"table": name, "column": column}
            for label, figure, (low, high) in zip(("q99.9", "shortfall 99 %"), _tail(ours), bands, strict=True):
                row[label], row[f"band of {label}"] = figure, f"{low:.0f} to {high:.0f}"
                row[f"{label} inside"] = bool(low <= figure <= high)
            row["training rows inside"] = sum(
                bool(low <= figure <= high) for figure, (low, high) in zip(_tail(train), bands, strict=True)
            )
            row |= _extremes(fitted, column, train, ours)
            yield row


def _tail(x: NDArray[np.float64]) -> tuple[float, float]:
    high = x[x >= np.quantile(x, 0.99)]
    return float(np.quantile(x, 0.999)), float(high.mean())


def _bands(x: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """``(2, 2)``: percentiles 2.5 and 97.5 of both figures over 1,000 bootstraps."""
    rng = np.random.default_rng(seed)
    figures = np.array([_tail(rng.choice(x, len(x))) for _ in range(1000)])
    return np.quantile(figures, (0.025, 0.975), axis=0).T


def _extremes(fitted: TabularSynthesizer, column: str, train: NDArray[np.float64], ours: NDArray[np.float64]) -> Row:
    """Observed values beyond the outermost knots that are stored, and how many of them are drawn again."""
    knots = _knots(fitted, column)
    observed = np.unique(train[(train > knots[1]) | (train < knots[0])])
    beyond = ours[(ours > knots[1]) | (ours < knots[0])]
    return {
        "observed beyond the knots": len(observed),
        "drawn beyond": len(beyond),
        "of them equal to an observed one": int(np.isin(beyond, observed).sum()),
    }


def _knots(fitted: TabularSynthesizer, column: str) -> tuple[float, float]:
    """The outermost means that the law of a column stores; infinite where a value of many rows ends it."""
    law: QuantileLaw = fitted.encoder_.transformers_[column].law
    flat = law.lo == law.hi  # atoms
    low = -np.inf if flat[0] else float(law.hi[0])
    return low, np.inf if flat[-1] else float(law.lo[-1])


# -------------------------------------------------------------------- weights
def weights(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """Plain means of synthetic rows beside the weighted means of the survey, in its standard errors."""
    split = _split("nhanes", seed, args)
    fitted = _fit(split.train, seed, args, weight=_WEIGHT)
    drawn = fitted.sample(10 * len(split.train), seed=seed)
    for column in _MEANS:
        target, error = _weighted(split.train, column)
        holdout, other = _weighted(split.holdout, column)
        ours = float(drawn[column].mean())
        yield {
            "column": column,
            "unweighted": float(split.train[column].mean()),
            "weighted": target,
            "its standard error": error,
            "synthetic": ours,
            "off by standard errors": (ours - target) / error,
            "off the holdout's": (ours - holdout) / np.hypot(error, other),
        }


def _weighted(table: pd.DataFrame, column: str) -> tuple[float, float]:
    """The ratio mean and its linearised standard error, rows taken as independent (no strata or clusters)."""
    known = table[column].notna()
    x, w = table.loc[known, column].to_numpy(float), table.loc[known, _WEIGHT].to_numpy(float)
    mean = float((w * x).sum() / w.sum())
    return mean, float(np.sqrt((w**2 * (x - mean) ** 2).sum()) / w.sum())


# -------------------------------------------------------------------- gaps
def gaps(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """Large tables with codes of many levels and many gaps: time, memory, and null rates per column."""
    for name in ("diabetes130", "nhanes"):
        split = _split(name, seed, args)
        start = time.perf_counter()
        fitted = _fit(split.train, seed, args)
        fit_s = time.perf_counter() - start
        drawn = fitted.sample(len(split.train), seed=seed)
        peak = peak_mb()  # of this process, so of a larger table before, too
        ours, train, holdout = (t.isna().mean() for t in (drawn, split.train, split.holdout))
        off = (ours - train).abs()
        yield {
            "table": name,
            "rows": len(split.train),
            "fit s": fit_s,
            "peak MB": peak,
            "null rate off, points, mean": 100 * float(off.mean()),
            "worst": 100 * float(off.max()),
            "in column": off.idxmax(),
            "holdout off, worst": 100 * float((holdout - train).abs().max()),
            "detection AUC": detection_auc(split.holdout, drawn, kinds=split.kinds, seed=seed),
        }


# -------------------------------------------------------------------- rare classes
def rare(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """10,000 rows of a value that about one row in a hundred has: their law, beside that of two real halves.

    A distance is the mean over the other columns of Kolmogorov-Smirnov's (total variation, of categories) to a random
    half of all real rows with that value; halves are drawn ten times.
    """
    for name in args.datasets:
        split = _split(name, seed, args)
        whole = pd.concat([split.train, split.holdout])
        for model in args.models:
            fitted = _fit(split.train, seed, args, model=model)
            for column, value in _rare(split):
                drawn = fitted.sample(10_000, where={column: value}, seed=seed)
                real = whole[whole[column] == value]
                others = {other: kind for other, kind in split.kinds.items() if other != column}
                distances = np.array([_to_halves(drawn, real, others, k) for k in range(10)])
                yield {
                    "table": name,
                    "model": model,
                    "asked for": f"{column} = {value}",
                    "rows in training": int((split.train[column] == value).sum()),
                    "met, %": 100 * float((drawn[column] == value).mean()),
                    "distance": float(distances[:, 0].mean()),
                    "two real halves": float(distances[:, 1].mean()),
                }


def _rare(split: Split) -> list[tuple[Any, Any]]:
    """Values of .5 to 2 % of the training rows, at most three: the one nearest to 1 % of each categorical column."""
    found = []
    for column, kind in split.kinds.items():
        if kind == "categorical":
            share = split.train[column].value_counts(normalize=True)
            share = share[share.between(0.005, 0.02)]
            if len(share):
                off = (share.map(np.log) - np.log(0.01)).abs()
                found.append((float(off.min()), column, off.idxmin()))
    return [(column, value) for _, column, value in sorted(found, key=lambda f: f[0])[:3]]


def _to_halves(drawn: pd.DataFrame, real: pd.DataFrame, kinds: Kinds, seed: int) -> tuple[float, float]:
    """Of drawn rows to one half of the real ones, and of the other half to it."""
    order = np.random.default_rng(seed).permutation(len(real))
    one, other = real.iloc[order[::2]], real.iloc[order[1::2]]
    return shape_error(one, drawn, kinds=kinds).value, shape_error(one, other, kinds=kinds).value


PARTS: dict[str, Callable[[int, argparse.Namespace], Iterator[Row]]] = {
    "rules": rules,
    "joint": joint,
    "tails": tails,
    "weights": weights,
    "gaps": gaps,
    "rare": rare,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hard", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of the .csv.gz tables")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the split and the model")
    parser.add_argument("--models", nargs="+", default=["vae", "gan"], help="part rare: registered names")
    parser.add_argument("--datasets", nargs="+", default=["adult", "online_shoppers"], help="part rare")
    parser.add_argument("--final", action="store_true", help="learn from the whole training part")
    parser.add_argument("--max-seconds", type=float, help="budget of one fit")
    args = parser.parse_args(arguments)
    threads = os.environ.get("OMP_NUM_THREADS", "-")
    for part in args.parts:
        rows: list[Row] = []
        for seed in args.seeds:
            for row in PARTS[part](seed, args):
                print(part, seed, row, file=sys.stderr, flush=True)
                rows.append({"seed": seed, **row})
        kind = "final" if args.final else "dev"
        print(f"\n### {part}, {kind}, {threads} threads\n\n{_markdown(rows)}", flush=True)
    return 0


def _markdown(rows: Sequence[Row]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, float):
            return str(value)
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"

    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([cell(row[n]) for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
