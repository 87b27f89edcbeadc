"""The figures of one synthetic table, the reference tables, and the summary over repeated splits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.datasets import Split
from synthkit.metrics import copy_rate, dcr_share, detection_auc, mia_auc, pair_error, shape_error, tstr

__all__ = ["REFERENCES", "markdown", "reference", "score", "summarise"]

REFERENCES = ("fresh", "copy", "independent")

# name in the CSV -> heading in the Markdown table, factor, decimals
_COLUMNS = {
    "shape": ("shape %", 100, 2),
    "pair": ("pair %", 100, 2),
    "pair_own_bins": ("pair % (SDMetrics' bins)", 100, 2),
    "auc_holdout": ("detection AUC", 1, 3),
    "auc_train": ("vs train", 1, 3),
    "tstr": ("TSTR", 1, 3),
    "trtr": ("TRTR", 1, 3),
    "dcr": ("DCR share", 1, 3),
    "dcr_minus_fresh": ("DCR - fresh", 1, 3),
    "mia": ("MIA AUC", 1, 3),
    "mia_minus_fresh": ("MIA - fresh", 1, 3),
    "copies": ("copies %", 100, 2),
    "copies_holdout": ("holdout's %", 100, 2),
    "copies_minus_fresh": ("copies - fresh", 100, 2),
    "fit_s": ("fit s", 1, 1),
    "fit_cpu_s": ("fit CPU s", 1, 1),
    "sample_s": ("sample s", 1, 2),
    "rows_per_s": ("rows/s", 1, 0),
    "peak_mb": ("peak MB", 1, 0),
}
_PAIRED = ("dcr", "mia", "copies")


def reference(name: str, split: Split, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A reference table and the holdout that judges it.

    ``fresh``: one half of the holdout, judged by the other (what a perfect generator scores); ``copy``: a bootstrap
    of the training rows; ``independent``: the training columns, each shuffled on its own.
    """
    rng = np.random.default_rng(seed)
    train, holdout = split.train, split.holdout
    if name == "fresh":
        order, half = rng.permutation(len(holdout)), len(holdout) // 2
        return holdout.iloc[order[:half]], holdout.iloc[order[half : 2 * half]]
    if name == "copy":
        return train.iloc[rng.integers(len(train), size=len(train))], holdout
    shuffled = {c: train[c].iloc[rng.permutation(len(train))].reset_index(drop=True) for c in train.columns}
    return pd.DataFrame(shuffled), holdout


def score(split: Split, synthetic: pd.DataFrame, holdout: pd.DataFrame, seed: int) -> dict[str, float]:
    """Every figure of one synthetic table; shape and pair against the training rows, the rest as named."""
    kinds, train = split.kinds, split.train
    return {
        "shape": shape_error(train, synthetic, kinds=kinds).value,
        "pair": pair_error(train, synthetic, kinds=kinds).value,
        "pair_own_bins": pair_error(train, synthetic, kinds=kinds, bins="own").value,
        "auc_holdout": detection_auc(holdout, synthetic, kinds=kinds, seed=seed),
        "auc_train": detection_auc(train, synthetic, kinds=kinds, seed=seed),
        "tstr": tstr(synthetic, holdout, split.target, kinds=kinds, seed=seed),
        "trtr": tstr(train, holdout, split.target, kinds=kinds, seed=seed),
        "dcr": dcr_share(synthetic, train, holdout, kinds=kinds, seed=seed),
        "mia": mia_auc(synthetic, train, holdout, kinds=kinds, seed=seed),
        "copies": copy_rate(synthetic, train, kinds=kinds),
        "copies_holdout": copy_rate(holdout, train, kinds=kinds),
    }


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per data set and model: the mean of every figure, and its spread beside it as ``<figure>_spread``.

    The spread is the standard deviation over the seeds; for the differences from ``fresh`` of the same seed it is two
    standard errors of their mean. One seed has no spread (NaN).

    Args:
        runs: one row per data set, model and seed with the figures of :func:`score` and the timings.
    """
    runs = runs.copy()
    fresh = runs[runs["model"] == "fresh"].set_index(["dataset", "seed"])
    keys = pd.MultiIndex.from_frame(runs[["dataset", "seed"]])
    for figure in _PAIRED:
        own = fresh[figure].reindex(keys).to_numpy(np.float64)
        difference = runs[figure].to_numpy(np.float64) - own
        runs[f"{figure}_minus_fresh"] = np.where(runs["model"] == "fresh", np.nan, difference)
    rows = []
    for (dataset, model), group in runs.groupby(["dataset", "model"], sort=False):
        row: dict[str, object] = {"dataset": dataset, "model": model, "seeds": len(group)}
        for figure in _COLUMNS:
            values = group[figure].astype(float).dropna() if figure in group else pd.Series(dtype=float)
            spread = float(values.std()) if len(values) > 1 else math.nan
            paired = figure.endswith("_minus_fresh")
            row[figure] = float(values.mean()) if len(values) else math.nan
            row[f"{figure}_spread"] = 2 * spread / math.sqrt(len(values)) if paired and len(values) else spread
        rows.append(row)
    return pd.DataFrame(rows)


def markdown(summary: pd.DataFrame) -> str:
    """The summary as a Markdown table, ``mean ± spread``."""
    head = ["data", "model", "seeds", *(heading for heading, _, _ in _COLUMNS.values())]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in summary.to_dict("records"):
        cells = [str(row["dataset"]), str(row["model"]), str(row["seeds"])]
        for figure, (_, factor, decimals) in _COLUMNS.items():
            cells.append(_cell(row[figure] * factor, row[f"{figure}_spread"] * factor, decimals))
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _cell(value: float, spread: float, decimals: int) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.{decimals}f}" + ("" if math.isnan(spread) else f" ±{spread:.{decimals}f}")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
