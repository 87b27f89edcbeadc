"""Where scores of two classes stand among each other: what ROC AUC and its variance are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["placements"]


def placements(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
    """Per positive the share of negatives below it, and per negative the share of positives above it, ties one half.

    The mean of either is the ROC AUC; the sum of their variances, each over its number of rows, is the AUC's (DeLong,
    DeLong & Clarke-Pearson, 1988), here from mid-ranks (Sun & Xu, 2014).
    """
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    return (ranks[:m] - rankdata(positive)) / n, 1 - (ranks[m:] - rankdata(negative)) / m
