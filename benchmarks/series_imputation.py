"""Gaps of long series: what fills them, and how far off it is.

    python -m benchmarks.series_imputation --data DATA --datasets google_stock ETTh1 --patterns points --seeds 0 1

A tenth of the cells is hidden: ``points``; ``blocks``, runs of 24 rows of one column (of ``physionet2012``, hourly
vital signs of 320 stays, six measurements of one); or ``rows``, runs of 24 rows of all columns. All is learnt from the
table with these gaps. Methods of ``SeriesImputer``: ``linear`` (in time), ``last`` (carried forward), ``seasonal``
(linear on profiles by hour, weekday and month), ``kalman``, ``auto``; the last two with the cover of 90 % intervals and
the CRPS of 100 draws. Errors are in standard deviations of the column, means over columns; seconds: of the fit (one for
all methods) and of a filling.
"""

from __future__ import annotations

import argparse
import json
import time as clock
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.panel_data import load as load_panel
from benchmarks.series import crps
from benchmarks.series_data import NAMES, load_series
from synthkit import SeriesImputer
from synthkit.errors import SynthkitError

__all__ = ["PATTERNS", "hide", "main", "run_one", "table_for"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PATTERNS = ("points", "blocks", "rows")
PANEL = "physionet2012"  # many short entities
METHODS = ("linear", "last", "seasonal", "kalman", "auto")
_SHARE, _BLOCK, _DRAWS = 0.1, 24, 100
_STAYS, _SHORT = 320, 6  # entities of the panel, and measurements of a block there


def table_for(name: str, data: str, *, dev: bool) -> tuple[pd.DataFrame, str, str | None, list[str]]:
    """Rows, the column of time, that of entities, and the columns of numbers. Dev: training blocks of the dev split.

    Of the vital signs of stays: 320 training stays of that split.
    """
    if name == PANEL:
        panel = load_panel(name, data, dev=dev)
        stays = panel.train[panel.train[panel.entity].isin(panel.train[panel.entity].unique()[:_STAYS])]
        vitals = [str(c) for c in panel.kinds if c not in panel.context]
        table = stays[[panel.entity, str(panel.time), *vitals]].reset_index(drop=True)
        return table.astype(dict.fromkeys(vitals, float)), str(panel.time), panel.entity, vitals
    split = load_series(name, data, dev=dev)
    table = split.train if dev else pd.concat([split.train, split.holdout])
    keys = [split.time] if split.entity is None else [split.entity, split.time]
    table = table.sort_values(keys).reset_index(drop=True)
    numbers = [c for c in table.columns if c not in keys]
    return table.astype(dict.fromkeys(numbers, float)), split.time, split.entity, numbers


def hide(table: pd.DataFrame, entity: str | None, numbers: list[str], pattern: str, seed: int) -> Bools:
    """``(rows, numbers)`` cells to be hidden; runs do not leave an entity."""
    rng = np.random.default_rng(seed)
    rows, columns = len(table), len(numbers)
    known = table[numbers].notna().to_numpy()
    if pattern == "points":
        return np.asarray((rng.random((rows, columns)) < _SHARE) & known)
    if not known.all():
        return _short_runs(known, pd.factorize(table[entity])[0], rng)
    out = np.zeros((rows, columns), bool)
    who = np.zeros(rows, int) if entity is None else pd.factorize(table[entity])[0]
    shared: Bools | None = None
    for g in np.unique(who):
        own = np.flatnonzero(who == g)
        count = max(round(_SHARE * len(own) / _BLOCK), 1)
        for j in range(columns):
            if pattern == "rows" and shared is not None and len(shared) == len(own):
                out[own, j] = shared
                continue
            begin = rng.choice(max(len(own) // _BLOCK - 1, 1), count, replace=False) * _BLOCK + _BLOCK // 2
            for a in begin:
                out[own[a : a + _BLOCK], j] = True
            if pattern == "rows":
                shared = out[own, j].copy()
    return out


def _short_runs(known: Bools, who: NDArray[np.int64], rng: np.random.Generator) -> Bools:
    """Runs of six measurements of one column of an entity that has ten at least."""
    out = np.zeros_like(known)
    for g in np.unique(who):
        own = np.flatnonzero(who == g)
        for j in range(known.shape[1]):
            at = own[known[own, j]]
            if len(at) >= 10 and rng.random() < len(at) * _SHARE / _SHORT:
                a = int(rng.integers(0, len(at) - _SHORT))
                out[at[a : a + _SHORT], j] = True
    return out


def run_one(name: str, pattern: str, seed: int, data: str, *, dev: bool) -> list[dict[str, Any]]:
    """A line per method."""
    table, time, entity, numbers = table_for(name, data, dev=dev)
    mask = hide(table, entity, numbers, pattern, seed)
    real = table[numbers].to_numpy()
    given = table.copy()
    given[numbers] = np.where(mask, np.nan, real)
    column = np.nonzero(mask)[1]
    alone = entity is None or name == PANEL  # a column is one series, or one law
    who = np.zeros(len(table), int) if alone else pd.factorize(table[entity])[0]
    keys = who[np.nonzero(mask)[0]] * len(numbers) + column
    unit = {k: float(np.nanstd(real[who == k // len(numbers), k % len(numbers)])) for k in np.unique(keys)}
    scale = np.array([max(unit[k], 1e-12) for k in keys])

    def mean(x: Floats) -> float:
        return float(np.mean([x[keys == k].mean() for k in unit if unit[k] > 0]))

    lines = []
    begin = clock.perf_counter()
    imputer = SeriesImputer(time=time, entity=entity, random_state=0).fit(given)
    fit_s = clock.perf_counter() - begin
    for method in METHODS:
        begin = clock.perf_counter()
        filled = imputer.set_params(method=method).transform(given)
        seconds = clock.perf_counter() - begin
        error = np.abs(filled[numbers].to_numpy()[mask] - real[mask]) / scale
        line: dict[str, Any] = {"data": name, "pattern": pattern, "method": method, "seed": seed, "dev": dev}
        line |= {"mae": mean(error), "rmse": float(np.sqrt(mean(error**2))), "fit_s": fit_s, "fill_s": seconds}
        if method in ("kalman", "auto"):
            copies = imputer.multiple(given, _DRAWS)
            drawn = np.stack([t[numbers].to_numpy()[mask] for t in copies])
            low, high = np.quantile(drawn, [0.05, 0.95], axis=0, method="weibull")
            line["cover"] = mean(((low <= real[mask]) & (real[mask] <= high)).astype(float))
            line["crps"] = mean(crps(drawn, real[mask]) / scale)
        lines.append({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()})
    return lines


def table_of(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over seeds."""
    frame = pd.DataFrame([line for line in lines if "error" not in line])
    numbers = [c for c in ("mae", "rmse", "cover", "crps", "fit_s", "fill_s") if c in frame]
    return frame.groupby(["data", "pattern", "method"], sort=False)[numbers].mean()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_imputation", description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--datasets", nargs="+", default=list(NAMES), choices=(*NAMES, PANEL))
    parser.add_argument("--patterns", nargs="+", default=["points", "blocks"], choices=PATTERNS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--final", action="store_true", help="training blocks and holdout of the final split")
    parser.add_argument("--out", default="benchmark_out/series_imputation.jsonl")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    told = _parser().parse_args(arguments)
    Path(told.out).parent.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    for name in told.datasets:
        for pattern in told.patterns:
            for seed in told.seeds:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        found = run_one(name, pattern, seed, told.data, dev=not told.final)
                    except SynthkitError as error:
                        found = [{"data": name, "pattern": pattern, "seed": seed, "error": str(error)}]
                lines += found
                with Path(told.out).open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in found)
                for line in found:
                    print(line, flush=True)
    if any("error" not in line for line in lines):
        print(table_of(lines).round(4).to_string())


if __name__ == "__main__":
    main()
