"""How far filled cells are from the truth: figures of one column, of numbers and of categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.synthesizers.centre import quantities

__all__ = ["energy_of_categories", "energy_of_numbers", "of_categories", "of_numbers"]

Floats = NDArray[np.float64]
_GRID = (np.arange(200) + 0.5) / 200
_TAIL = 0.05


def of_numbers(
    truth: pd.Series, seen: pd.Series, mean: pd.Series, median: pd.Series, draws: list[pd.Series]
) -> dict[str, float]:
    """Figures of numbers and dates, in standard deviations of what is seen; see ``ImputationReport``."""
    scale = max(float(quantities(seen).std()), 1e-12)
    real = quantities(truth) / scale
    out = {
        "z_mae": float(np.abs(quantities(median) / scale - real).mean()),
        "z_rmse": float(np.sqrt(((quantities(mean) / scale - real) ** 2).mean())),
    }
    out["error"] = out["z_rmse"]
    if len(draws) > 1:
        x = np.stack([quantities(d) for d in draws]) / scale
        out["crps"] = energy_of_numbers(x, real)
        out["coverage"] = _coverage(x, real)
        out["w1"] = float(np.abs(np.quantile(x.ravel(), _GRID) - np.quantile(real, _GRID)).mean())
    return out


def energy_of_numbers(draws: Floats, truth: Floats) -> float:
    """E|draw - truth| - E|draw - draw'| / 2, the mean over cells: the energy score, or CRPS (Gneiting & Raftery, 2007).

    Args:
        draws: ``(m, cells)``; truth: ``(cells,)``. The second mean is over pairs of different draws, so that the score
            does not depend on m; of one draw it is 0.
    """
    x = np.sort(draws, axis=0)
    m = len(x)
    spread = ((2 * np.arange(1, m + 1) - m - 1)[:, None] * x).sum(0) * 2 / max(m * (m - 1), 1)
    return float((np.abs(x - truth).mean(0) - spread / 2).mean())


def energy_of_categories(draws: list[pd.Series], truth: pd.Series) -> float:
    """The same of 0/1 indicators, whose distance is the root of 2 where two categories differ."""
    m = len(draws)
    flat, levels = pd.factorize(np.concatenate([np.asarray(d.astype(object)) for d in draws]))
    codes, k = flat.reshape(m, -1), max(len(levels), 1)
    cells = np.arange(len(truth))
    counts = np.bincount((codes + k * cells).ravel(), minlength=k * len(cells)).reshape(len(cells), k)
    alike = (counts * (counts - 1)).sum(1) / max(m * (m - 1), 1) if m > 1 else np.ones(len(cells))
    code = pd.Index(levels).get_indexer(pd.Index(np.asarray(truth.astype(object))))
    hit = np.where(code >= 0, counts[cells, np.maximum(code, 0)] / m, 0.0)
    return float(np.sqrt(2) * ((1 - hit) - (1 - alike) / 2).mean())


def _coverage(draws: Floats, truth: Floats) -> float:
    """How often the truth lies in the central 90 % of m draws; of one that ties with draws, the share of the tie.

    Were the truth one more draw, its rank among m + 1 would be uniform; ties share theirs. So numbers of few levels,
    whose intervals must hold too much, are not blamed for it.
    """
    m = len(draws)
    low = (draws < truth).sum(0) / (m + 1)
    high = ((draws <= truth).sum(0) + 1) / (m + 1)
    inside = np.minimum(high, 1 - _TAIL) - np.maximum(low, _TAIL)
    return float((np.maximum(inside, 0) / (high - low)).mean())


def of_categories(truth: pd.Series, seen: pd.Series, likely: pd.Series, draws: list[pd.Series]) -> dict[str, float]:
    """Figures of categories; see ``ImputationReport``. The log-loss is of the draws' shares, each level half a draw."""
    real = truth.astype(object).to_numpy()
    right = likely.astype(object).to_numpy() == real
    out = {"accuracy": float(right.mean()), "error": float(1 - right.mean())}
    if draws:
        levels = max(seen.nunique(), 2)
        hits = np.sum([d.astype(object).to_numpy() == real for d in draws], axis=0)
        out["log_loss"] = float(-np.log((hits + 0.5) / (len(draws) + 0.5 * levels)).mean())
    return out
