"""Planted errors, and who finds them: typos, swaps between columns, wrong units, wrong categories.

    python -m benchmarks.errors --data DATA --datasets adult credit_default --seeds 0 1
    python -m benchmarks.errors --quick                      # does it run? a table of scikit-learn, short fits
    python -m benchmarks.errors --data DATA --datasets physionet2012   # real ones: where -17.8 degrees and pH 735 rank

Average precision: of all cells; of wrong numbers among all cells but wrong categories, beside the distance from the
median in units of the central 80 %, which knows columns of numbers only; of wrong categories among categories, beside
their rarity; and of rows (by their oddest cell), beside isolation forest (500 trees, categories as indicators) and the
distance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from benchmarks.datasets import NAMES, load
from synthkit import TabularSynthesizer, find_errors

__all__ = ["main", "plant"]

_REAL = "physionet2012"
_PICKED = ("Temp", "pH", "HR", "MAP", "PaCO2", "PaO2", "FiO2", "HCT", "K", "Na", "HCO3", "Glucose", "BUN", "WBC")
_ROWS = 8000

_UNITS = (2.54, 1 / 2.54, 0.4536, 1 / 0.4536, 10.0, 0.1, 100.0, 0.01, 1000.0, 0.001)


def plant(
    table: pd.DataFrame,
    numbers: Sequence[Hashable],
    rate: float = 0.01,
    seed: int = 0,
    *,
    categories: Sequence[Hashable] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table with errors in ``rate`` of its cells that hold numbers, a third of each kind.

    Typos are two neighbouring digits in the wrong order, or a factor of 10; a swap is of two numbers of one row; a
    wrong unit is a factor (2.54, .4536, 10, 100, 1000, either way). In ``rate`` of the cells of ``categories`` stands
    another level: half of them any, half that of a random row. What would change nothing is not planted.

    Returns:
        The dirty table, and per cell the kind of its error ("" for none).
    """
    rng = np.random.default_rng(seed)
    dirty = table.copy()
    for name in numbers:
        dirty[name] = dirty[name].astype(float)
    kinds = pd.DataFrame("", index=table.index, columns=table.columns)
    decimals = {name: _decimals(dirty[name]) for name in numbers}
    goal = max(round(rate * len(table) * len(numbers)), 3)
    for kind in ("typo", "swap", "unit"):
        found = 0
        for _ in range(200 * goal):
            if found >= goal // 3:
                break
            found += _one(dirty, kinds, kind, list(numbers), decimals, rng)
    _mistake(dirty, kinds, list(categories), rate, rng)
    return dirty, kinds


def _mistake(dirty: pd.DataFrame, kinds: pd.DataFrame, names: list[Hashable], rate: float, rng: Any) -> None:
    """Write another level into cells of categories."""
    for _ in range(round(rate * len(dirty) * len(names))):
        row, name = int(rng.integers(len(dirty))), names[int(rng.integers(len(names)))]
        there = dirty[name].dropna()
        pool = there.unique() if rng.random() < 0.5 else there.to_numpy()
        new, place = pool[int(rng.integers(len(pool)))], dirty.columns.get_loc(name)
        if pd.notna(dirty.iloc[row, place]) and dirty.iloc[row, place] != new and not kinds.iloc[row, place]:
            dirty.iloc[row, place], kinds.iloc[row, place] = new, "category"


def _one(
    dirty: pd.DataFrame,
    kinds: pd.DataFrame,
    kind: str,
    numbers: list[Hashable],
    decimals: dict[Hashable, int],
    rng: Any,
) -> int:
    """Plant one error, if the cell that is drawn can have it; how many cells are then wrong."""
    row, i = int(rng.integers(len(dirty))), int(rng.integers(len(numbers)))
    chosen = [numbers[i]]
    if kind == "swap":
        chosen.append(numbers[(i + int(rng.integers(1, max(len(numbers), 2)))) % len(numbers)])
    at = [dirty.columns.get_loc(name) for name in chosen]
    x = dirty.iloc[row, at].to_numpy(dtype=float)
    if np.isnan(x).any() or (kinds.iloc[row, at] != "").any():
        return 0
    if kind == "swap":
        new = x[::-1]
    elif kind == "unit":
        new = np.round(x * rng.choice(_UNITS), decimals[chosen[0]])
    else:
        new = _typo(x, decimals[chosen[0]], rng)
    if (new == x).any():
        return 0
    for j, value in zip(at, new, strict=True):
        dirty.iloc[row, j] = value
        kinds.iloc[row, j] = kind
    return len(at)


def _typo(x: NDArray[Any], decimals: int, rng: Any) -> NDArray[Any]:
    if rng.random() < 0.5:
        return np.asarray(np.round(x * rng.choice([10.0, 0.1]), decimals))
    digits = list(f"{abs(x[0]):.{decimals}f}")
    places = [k for k, sign in enumerate(digits) if sign != "."]
    if len(places) < 2:
        return x
    k = int(rng.integers(len(places) - 1))
    a, b = places[k], places[k + 1]
    digits[a], digits[b] = digits[b], digits[a]
    return np.asarray([np.copysign(float("".join(digits)), x[0])])


def _decimals(column: pd.Series) -> int:
    x = column.dropna().to_numpy()
    return next((d for d in range(4) if np.allclose(x, np.round(x, d), atol=1e-9)), 4)


def forest(table: pd.DataFrame, seed: int = 0) -> NDArray[np.float64]:
    """Isolation forest's anomaly of each row: 500 trees; categories as indicators, gaps at the median."""
    coded = pd.get_dummies(table, dummy_na=True, dtype=float)
    coded = coded.fillna(coded.median()).fillna(0.0)
    return np.asarray(-IsolationForest(n_estimators=500, random_state=seed).fit(coded).score_samples(coded))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a Markdown table, one line per data set and seed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.errors", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--datasets", nargs="+", default=["breast_cancer"], choices=[*NAMES, _REAL], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rate", type=float, default=0.01, help="share of the cells that are made wrong")
    parser.add_argument("--rows", type=int, default=_ROWS, help="of the table, at most")
    parser.add_argument("--max-seconds", type=float, help="of each of the two fits")
    parser.add_argument("--quick", action="store_true", help="the first 300 rows, and 20 steps of training")
    args = parser.parse_args(arguments)
    heads = ("all cells", "numbers: ours", "distance", "categories: ours", "rarity", "rows: ours", "forest", "distance")
    print(f"| data | seed | wrong cells | {' | '.join(heads)} | CPU s |")
    print("| --- " * (len(heads) + 4) + "|")
    for name in args.datasets:
        if name == _REAL:
            print(_real(args), flush=True)
            continue
        for seed in args.seeds:
            print(_line(name, seed, args), flush=True)
    return 0


def _model(args: argparse.Namespace) -> TabularSynthesizer:
    return TabularSynthesizer(
        "autoregressive", max_seconds=args.max_seconds, max_steps=20 if args.quick else None, progress=None
    )


def _line(name: str, seed: int, args: argparse.Namespace) -> str:
    split = load(name, args.data, seed, dev=True)
    table = split.train.head(300 if args.quick else args.rows).reset_index(drop=True)
    numbers = [n for n, kind in split.kinds.items() if kind == "numeric"]
    categories = [n for n in split.kinds if n not in numbers]
    dirty, kinds = plant(table, numbers, args.rate, seed, categories=categories)
    start = time.process_time()
    found = find_errors(dirty, _model(args), seed=seed)
    seconds = time.process_time() - start
    odds = found.odds.fillna(-99.0).to_numpy()
    part = dirty[numbers]
    reach = (part.quantile(0.9) - part.quantile(0.1)).clip(lower=1e-9)
    far = ((part - part.median()).abs() / reach).reindex(columns=dirty.columns).fillna(0.0).to_numpy()
    rare = np.stack([-dirty[n].map(dirty[n].value_counts()).fillna(len(dirty)).to_numpy() for n in dirty], 1)
    wrong, mistaken = (kinds != "").to_numpy(), (kinds == "category").to_numpy()
    nominal = np.tile(dirty.columns.isin(categories), (len(dirty), 1))
    figures = [_precision(wrong, odds)]
    figures += [_precision(wrong[~mistaken], by[~mistaken]) for by in (odds, far)]
    figures += [_precision(mistaken[nominal], by[nominal]) for by in (odds, rare)]
    figures += [_precision(wrong.any(1), by) for by in (odds.max(1), forest(dirty, seed), far.max(1))]
    shown = " | ".join("" if np.isnan(x) else f"{x:.3f}" for x in figures)
    return f"| {name} | {seed} | {int(wrong.sum())} | {shown} | {seconds:.0f} |"


def _precision(wrong: NDArray[np.bool_], by: NDArray[Any]) -> float:
    """Average precision; NaN where nothing is wrong."""
    return float(average_precision_score(wrong.ravel(), by.ravel())) if wrong.any() else np.nan


def _real(args: argparse.Namespace) -> str:
    """Least and largest value of 14 vital signs and laboratory values per stay; where the impossible ones rank."""
    events = pd.read_csv(args.data / f"{_REAL}_events.csv.gz")
    events = events[events["Parameter"].isin(_PICKED)]
    grouped = events.groupby(["RecordID", "Parameter"])["Value"].agg(["min", "max"]).unstack()  # noqa: PD010
    grouped.columns = [f"{parameter}_{end}" for end, parameter in grouped.columns]
    found = find_errors(grouped.head(300 if args.quick else 4000), _model(args), seed=args.seeds[0])
    ranks = found.odds.stack().rank(ascending=False, method="max")  # noqa: PD013
    places = []
    for column, value in (("Temp_min", -17.8), ("pH_max", 735.0)):
        rows = found.table.index[found.table[column] == value]
        places.append(f"{column} of {value}: ranks {sorted(int(ranks[row, column]) for row in rows)}")
    return f"| {_REAL} of {len(ranks)} cells: {'; '.join(places)} |"


if __name__ == "__main__":
    sys.exit(main())
