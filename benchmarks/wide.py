"""Wide tables: draw a known law of hundreds of columns in blocks, fit, sample, and print times, memory and errors.

    python -m benchmarks.wide --rows 500 --columns 1000 --seed 0
    python -m benchmarks.wide --rows 20000 --columns 500

Every block of 5 to 10 columns shares two hidden factors; blocks are independent. Of ten columns, about seven are
numbers (a third of them skewed), two are flags and one is a category of four levels, cut from a number like the others.
Correlations are Spearman's: of numbers, flags and ordered codes alike, and of the same meaning for all.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.run import peak_mb
from synthkit import TabularSynthesizer
from synthkit.models.autoregressive import Autoregressive

__all__ = ["draw", "main", "rank_correlation"]

_LEVELS = ("a", "b", "c", "d")


def draw(rows: int, columns: int, seed: int = 0, part: int = 0) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """A table of the law ``seed``, and the block of each column; ``part`` tells tables of one law apart.

    >>> table, block = draw(50, 30)
    >>> table.shape, int(block[0]), bool((np.bincount(block)[:-1] >= 5).all())
    ((50, 30), 0, True)
    """
    law, rng = np.random.default_rng(seed), np.random.default_rng((seed, 1, part))
    block = np.repeat(np.arange(columns), law.integers(5, 11, columns))[:columns]
    loading = law.normal(size=(columns, 2))
    loading *= (np.sqrt(law.uniform(0.4, 0.85, columns)) / np.linalg.norm(loading, axis=1))[:, None]
    factors = rng.normal(size=(rows, int(block[-1]) + 1, 2))
    score = np.einsum("rcf,cf->rc", factors[:, block], loading)
    score += rng.normal(size=(rows, columns)) * np.sqrt(1 - (loading**2).sum(1))
    kind, cut = law.random(columns), law.normal(0, 0.5, columns)
    out = {}
    for k in range(columns):
        x = score[:, k]
        if kind[k] < 0.7:
            out[f"c{k}"] = np.exp(x) if kind[k] < 0.23 else x
        elif kind[k] < 0.9:
            out[f"c{k}"] = x > cut[k]
        else:
            out[f"c{k}"] = np.array(_LEVELS)[np.digitize(x, (-0.8, 0.1, 0.9))]
    return pd.DataFrame(out), block


def rank_correlation(table: pd.DataFrame) -> NDArray[np.float64]:
    """``(columns, columns)`` Spearman correlations; levels count in the order of their letters."""
    codes = {n: pd.factorize(c, sort=True)[0] if c.dtype.kind not in "fib" else c for n, c in table.items()}
    ranks = pd.DataFrame(codes).rank().to_numpy()
    return np.nan_to_num(np.corrcoef(ranks, rowvar=False))


def figures(
    train: pd.DataFrame, synthetic: pd.DataFrame, block: NDArray[np.int64], law: pd.DataFrame
) -> dict[str, float]:
    """Mean absolute errors of correlations inside the blocks (against the law, the training rows), and those across."""
    real, ours, true = (rank_correlation(t) for t in (train, synthetic, law))
    upper = np.triu(np.ones_like(real, dtype=bool), 1)
    inside, across = upper & (block[:, None] == block), upper & (block[:, None] != block)
    slope = float((ours[inside] * true[inside]).sum() / (true[inside] ** 2).sum())
    return {
        "inside_vs_law": float(np.abs(ours - true)[inside].mean()),
        "inside_vs_train": float(np.abs(ours - real)[inside].mean()),
        "train_vs_law": float(np.abs(real - true)[inside].mean()),
        "inside_slope": slope,
        "across_mean": float(np.abs(ours[across]).mean()),
        "across_max": float(np.abs(ours[across]).max()),
        "across_noise": float(np.sqrt(2 / np.pi / len(synthetic))),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the law, the rows and the fit")
    parser.add_argument("--sample", type=int, default=10_000, help="rows to draw")
    parser.add_argument("--max-steps", type=int, help="stop the fit there")
    parser.add_argument("--params", type=json.loads, default={}, help="hyper-parameters of the model, as JSON")
    args = parser.parse_args(arguments)
    train, block = draw(args.rows, args.columns, args.seed)
    spec = Autoregressive(**args.params)
    synthesizer = TabularSynthesizer(spec, random_state=args.seed, max_steps=args.max_steps)
    started, cpu = time.perf_counter(), time.process_time()
    synthesizer.fit(train)
    done = time.process_time()
    cpu = done - cpu
    fitted = time.perf_counter()
    synthetic = synthesizer.sample(args.sample, seed=args.seed)
    sampled, sample_cpu = time.perf_counter(), time.process_time() - done
    peak = peak_mb() / 1024
    law, _ = draw(20_000, args.columns, args.seed, part=1)
    print(f"rows {args.rows}, columns {args.columns}, threads {os.environ.get('OMP_NUM_THREADS', '-')}")
    print(f"fit_s {fitted - started:.1f}, fit_cpu_s {cpu:.1f}, steps {synthesizer.n_steps_}")
    print(f"sample_s {sampled - fitted:.1f}, sample_cpu_s {sample_cpu:.1f}")
    print(f"weights_M {sum(p.numel() for p in synthesizer.model_.parameters()) / 1e6:.1f}, peak_GiB {peak:.2f}")
    for name, value in figures(train, synthetic, block, law).items():
        print(f"{name} {value:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
