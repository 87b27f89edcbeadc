"""Long series: models against baselines, on alternating purged blocks, and fans of what follows a history.

    python -m benchmarks.series --data DATA --datasets google_stock ETTh1 --models autoregressive stationary --seeds 0 1
    python -m benchmarks.series --data DATA --datasets google_stock --models autoregressive filtered --fans

Models: names of ``SequenceSynthesizer``; ``stationary``, ``circular``, ``moving``, ``filtered`` bootstraps (copies);
``copula24`` (a Gaussian copula on flattened windows of levels, in numpy: no longer path, no time); ``gaussian``
(independent normal moves, which must fail the stylised facts). Floors, real
blocks in the drawn ones' place, are in every line.
"""

from __future__ import annotations

import argparse
import json
import time as clock
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from benchmarks.series_data import NAMES, WINDOW, SeriesSplit, load_fan, load_series
from synthkit import SequenceSynthesizer
from synthkit.errors import SynthkitError
from synthkit.metrics import score_series, series_tables
from synthkit.series import SeriesBootstrap

__all__ = ["copula_windows", "crps", "drawn", "fans", "gaussian_moves", "main", "run_one"]

Floats = NDArray[np.float64]
Sampler = Callable[[int, int, int], pd.DataFrame]
_BOOTSTRAPS = ("stationary", "circular", "moving", "filtered")
_PATHS = 3
_STEPS, _DRAWS, _ORIGINS, _HISTORY = 20, 100, 12, 400


# -------------------------------------------------------------------- baselines
def copula_windows(values: Floats, count: int, seed: int, *, window: int = WINDOW, shrink: float = 0.01) -> Floats:
    """``(count, window, D)``: a Gaussian copula on flattened windows of ``(N, window, D)`` real ones."""
    flat = values.reshape(len(values), -1)
    order = np.sort(flat, axis=0)
    ranks = flat.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    score = ndtri((ranks + 0.5) / len(flat))
    corr = (1 - shrink) * np.corrcoef(score, rowvar=False) + shrink * np.eye(flat.shape[1])
    root = np.linalg.cholesky(np.nan_to_num(corr) + 1e-9 * np.eye(len(corr)))
    u = ndtr(np.random.default_rng(seed).standard_normal((count, flat.shape[1])) @ root.T) * (len(flat) - 1)
    low = np.floor(u).astype(np.int64)
    high = np.minimum(low + 1, len(flat) - 1)
    columns = np.arange(flat.shape[1])
    drawn = order[low, columns] + (u - low) * (order[high, columns] - order[low, columns])
    return np.asarray(drawn.reshape(count, window, -1))


def gaussian_moves(split: SeriesSplit, n: int, length: int, seed: int) -> pd.DataFrame:
    """Independent normal moves of every column, added up where it wanders; wide columns named as in the real table."""
    (real,) = series_tables(split.train, time=split.time, entity=split.entity)
    x = real.moves[0]
    rng = np.random.default_rng(seed)
    z = x.mean(0) + x.std(0) * rng.standard_normal((n, length, x.shape[1]))
    level = np.array([way == "level" for way in real.ways])
    logged = np.array([way == "return" for way in real.ways])
    path = np.where(level, z, real.logs[0] + np.cumsum(z, axis=1))
    path = np.where(logged, np.exp(np.where(logged, path, 0.0)), path)
    return _table(path, list(real.names), split)


def _table(paths: Floats, names: list[Any], split: SeriesSplit) -> pd.DataFrame:
    """``(n, length, D)`` as a table like the real one, with an index level ``draw``, on the real times."""
    length = paths.shape[1]
    times = np.sort(split.train[split.time].unique())
    step = np.median(np.diff(times))
    moments = times[0] + step * np.arange(length)
    out = []
    for k, path in enumerate(paths):
        wide = pd.DataFrame(path, columns=pd.Index(range(len(names))))
        if split.entity is None:
            part = wide.set_axis(names, axis=1)
            part.insert(0, split.time, moments)
        else:
            pieces = []
            for who in dict.fromkeys(name[0] for name in names):
                own = [j for j, name in enumerate(names) if name[0] == who]
                piece = wide[own].set_axis([names[j][1] for j in own], axis=1)
                piece.insert(0, split.time, moments)
                piece.insert(0, split.entity, who)
                pieces.append(piece)
            part = pd.concat(pieces, ignore_index=True)
        part.index = pd.MultiIndex.from_arrays([np.full(len(part), k), np.arange(len(part))], names=["draw", None])
        out.append(part)
    return pd.concat(out)


def _fitted(model: str, split: SeriesSplit, seed: int) -> SequenceSynthesizer:
    recipe: Any = SeriesBootstrap(kind=model) if model in _BOOTSTRAPS else model
    made = SequenceSynthesizer(recipe, entity=split.entity, time=split.time, kind="series", random_state=seed)
    return made.fit(split.train)


def drawn(model: str, split: SeriesSplit, seed: int) -> tuple[pd.DataFrame, float, float]:
    """Paths of a model, and the seconds of fit and of sampling."""
    begin = clock.perf_counter()
    length = split.train[split.time].nunique()
    if model == "gaussian":
        return gaussian_moves(split, _PATHS, length, seed), clock.perf_counter() - begin, 0.0
    if model == "copula24":
        (real,) = series_tables(split.train, time=split.time, entity=split.entity)
        own = real.starts[:, None]
        first = np.concatenate([a + np.arange(m - WINDOW + 1) for a, m in zip(own.ravel(), real.lengths, strict=True)])
        windows = real.values[first[:, None] + np.arange(WINDOW)]
        made = copula_windows(windows, max(8, _PATHS * length // WINDOW), seed)
        return _table(made, list(real.names), split), clock.perf_counter() - begin, 0.0
    synthesizer = _fitted(model, split, seed)
    fit_s = clock.perf_counter() - begin
    out = synthesizer.sample(length=length, n=_PATHS, seed=seed)
    return out, fit_s, clock.perf_counter() - begin - fit_s


# -------------------------------------------------------------------- runs
def run_one(name: str, model: str, seed: int, data: str, *, dev: bool) -> dict[str, Any]:
    """Figures of one model on one series."""
    split = load_series(name, data, dev=dev)
    table, fit_s, sample_s = drawn(model, split, seed)
    report = score_series(
        split.train, table, holdout=split.holdout, time=split.time, entity=split.entity, window=WINDOW, seed=seed
    )
    line: dict[str, Any] = {
        "data": name,
        "model": model,
        "seed": seed,
        "dev": dev,
        "fit_s": fit_s,
        "sample_s": sample_s,
    }
    for row in report.table.itertuples():
        line[str(row.metric)] = _number(row.value)
        line[f"{row.metric}_floor"] = _number(row.floor)
    line["facts"] = {str(k): v for k, v in report.found["stylised_facts"].parts.items()}
    line["copies_parts"] = {str(k): _number(v) for k, v in report.found["series_copies"].parts.items()}
    return line


def crps(samples: Floats, truth: Floats) -> Floats:
    """Continuous ranked probability score of ``(n, ...)`` draws (Gneiting and Raftery, 2007; the fair estimator)."""
    n = len(samples)
    ordered = np.sort(samples, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1).reshape(-1, *[1] * truth.ndim)
    spread = (weight * ordered).sum(axis=0) * 2 / (n * (n - 1))
    return np.asarray(np.abs(samples - truth).mean(axis=0) - spread / 2)


def fans(name: str, model: str, seed: int, data: str, *, dev: bool) -> dict[str, Any]:
    """Coverage of central 90 % fans, and CRPS in units of the mean absolute change, over origins, steps and columns."""
    split = load_fan(name, data, dev=dev)
    synthesizer = _fitted(model, split, seed)
    every = pd.concat([split.train, split.holdout], ignore_index=True)
    times = np.sort(every[split.time].unique())
    begin = split.train[split.time].nunique()
    last = len(times) - _STEPS
    covered, scores = [], []
    for origin in np.linspace(begin, last, _ORIGINS).astype(int):
        history = every[every[split.time].isin(times[max(0, origin - _HISTORY) : origin])].reset_index(drop=True)
        future = every[every[split.time].isin(times[origin : origin + _STEPS])].reset_index(drop=True)
        made = synthesizer.extend(history, steps=_STEPS, n=_DRAWS, seed=seed + int(origin))
        base, got, truth = series_tables(history, made, future, time=split.time, entity=split.entity)
        log = np.array([bool((base.values[:, j] > 0).all()) for j in range(len(base.names))])
        paths = got.values.reshape(_DRAWS, -1, len(base.names))
        ends, steps = (np.where(log, np.log(np.maximum(v, 1e-9)), v) for v in (truth.values, paths))
        start = np.where(log, np.log(np.maximum(base.values[-1], 1e-9)), base.values[-1])
        low, high = np.quantile(steps, [0.05, 0.95], axis=0)
        covered.append((ends >= low - 1e-12) & (ends <= high + 1e-12))
        scores.append((crps(steps, ends), np.abs(ends - start)))
    unit = np.maximum(np.mean([s[1] for s in scores], axis=(0, 1)), 1e-12)
    value = float(np.mean([s[0].mean(0) for s in scores] / unit))
    line = {"data": name, "model": model, "seed": seed, "dev": dev, "fans": True}
    return line | {"cover": float(np.mean(covered)), "crps": value}


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 5)


def table_of(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over seeds."""
    frame = pd.DataFrame(lines).drop(columns=["facts", "copies_parts", "error"], errors="ignore")
    numbers = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c]) and c not in ("seed", "dev", "fans")]
    return frame.groupby(["data", "model"], sort=False)[numbers].mean()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--datasets", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--models", nargs="+", default=["autoregressive", *_BOOTSTRAPS, "copula24", "gaussian"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--fans", action="store_true", help="coverage and CRPS of extend instead")
    parser.add_argument("--final", action="store_true", help="judge on the true holdout")
    parser.add_argument("--out", default="benchmark_out/series.jsonl")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    told = _parser().parse_args(arguments)
    Path(told.out).parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in told.datasets:
        for model in told.models:
            for seed in told.seeds:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        line = (fans if told.fans else run_one)(name, model, seed, told.data, dev=not told.final)
                    except SynthkitError as error:
                        line = {"data": name, "model": model, "seed": seed, "error": str(error)}
                lines.append(line)
                with Path(told.out).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print({k: v for k, v in line.items() if not k.endswith("_floor")}, flush=True)
    print(table_of(lines).round(3).T.to_string())


if __name__ == "__main__":
    main()
