"""The likelihood-ratio attack of shadow models (LiRA; Carlini et al. 2022), over several features at once.

Each record has a law of its features among models that learnt it, and one among those that did not: normal, with the
record's own means. DEVIATION, for dozens of models rather than hundreds: a record's effect is drawn towards the mean
effect of all records, by how much effects truly differ (empirical Bayes; all the way, it is the offline attack with a
common shift), its spread towards the common one, and the correlations of features are common to all records.

Every model is judged by what the *other* models teach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["belief"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_STEADY = 8.0  # models that the common spread counts for
_RIDGE = 0.1  # added to correlations


def belief(values: Floats, learnt: Bools) -> Floats:
    """``(models, records)`` log-likelihood ratios of membership, each from the other models alone.

    Args:
        values: ``(models, records, features)``; learnt: ``(models, records)``, who was learnt from.
    """
    x = values - values.mean(axis=1, keepdims=True)  # what all records of a model share
    out = np.zeros(learnt.shape)
    for m in range(len(x)):
        others = np.arange(len(x)) != m
        out[m] = _ratio(x[others], learnt[others], x[m])
    return out


def _ratio(x: Floats, learnt: Bools, new: Floats) -> Floats:
    """``(records,)`` ratios of a new model's features ``(records, features)``."""
    w = learnt[..., None].astype(np.float64)
    a, b = w.sum(0), (1 - w).sum(0)  # (records, 1) models that learnt it, and that did not
    inside, outside = (w * x).sum(0) / np.maximum(a, 1), ((1 - w) * x).sum(0) / np.maximum(b, 1)
    away = np.where(learnt[..., None], x - inside, x - outside)
    free = np.maximum(len(x) - (a > 0) - (b > 0), 1)
    own = (away**2).sum(0) / free
    common = own.mean(0)
    spread = np.sqrt((own * free + common * _STEADY) / (free + _STEADY)) + 1e-9  # (records, features)
    effect = _shrunk((inside - outside) / spread, a, b)
    middle = (a * (inside - effect * spread / 2) + b * (outside + effect * spread / 2)) / (a + b)
    z = np.clip((new - middle) / spread, -8, 8)
    scaled = (away / spread).reshape(-1, x.shape[2])
    norm = np.sqrt(np.maximum((scaled**2).mean(0), 1e-12))
    correlation = (scaled / norm).T @ (scaled / norm) / len(scaled)
    lasting = (common > 1e-12).astype(np.float64)
    solved = np.linalg.solve(correlation + _RIDGE * np.eye(len(norm)), (effect * lasting).T).T
    ratio: Floats = (solved * z).sum(1)
    return ratio


def _shrunk(effect: Floats, a: Floats, b: Floats) -> Floats:
    """Effects ``(records, features)`` in units of the spread, drawn towards their mean."""
    both = (a > 0) & (b > 0)
    noise = np.where(both, 1 / np.maximum(a, 1) + 1 / np.maximum(b, 1), np.inf)
    weight = np.where(both, 1 / np.where(both, noise, 1), 0.0)
    total = np.maximum(weight.sum(0), 1e-12)
    mean = (weight * effect).sum(0) / total
    differ = np.maximum((weight * (effect - mean) ** 2).sum(0) / total - both.sum(0) / total, 0.0)
    kept = np.where(both, differ / np.where(both, differ + noise, 1), 0.0)
    shrunk: Floats = mean + kept * (effect - mean)
    return shrunk
