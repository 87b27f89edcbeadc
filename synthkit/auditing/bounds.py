"""What counts and scores prove: exact intervals of rates, and the least epsilon that guesses about canaries allow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

from synthkit.errors import ParamError

__all__ = ["clopper_pearson", "mean_interval", "one_run_epsilon"]

Interval = tuple[float, float]
_GUESSED = (0.1, 0.25, 0.5)  # shares of the canaries that are guessed about on each side


def clopper_pearson(hits: int, tries: int, level: float = 0.95) -> Interval:
    """Exact interval of a rate (Clopper & Pearson, 1934); ``(0, 1)`` of no tries.

    Raises:
        ParamError: more hits than tries, or fewer than none.

    >>> [round(x, 3) for x in clopper_pearson(0, 100)]
    [0.0, 0.036]
    """
    if not 0 <= hits <= tries:
        raise ParamError(f"clopper_pearson: argument 'hits' must lie between 0 and 'tries', got {hits} of {tries}.")
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, tries - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, tries - hits)) if hits < tries else 1.0
    return low, high


def mean_interval(values: NDArray[np.float64], low: float, high: float, level: float = 0.95) -> Interval:
    """Student's interval of the mean of independent values, cut at ``low`` and ``high``; those of fewer than two."""
    if len(values) < 2:
        return low, high
    half = float(t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    mean = float(values.mean())
    return max(low, mean - half), min(high, mean + half)


def one_run_epsilon(
    scores: Sequence[float] | NDArray[np.float64],
    planted: Sequence[bool] | NDArray[np.bool_],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> float:
    """Lower bound of epsilon from one run with many canaries, each planted or not by a fair coin.

    Steinke, Nasr & Jagielski (2023), theorem 5.2 for delta = 0: whoever guesses about ``r`` canaries of an
    epsilon-private release is right no oftener than a binomial law of ``r`` and ``e^eps / (1 + e^eps)`` says. Guesses
    are by score: that the highest are planted and the lowest are not. A tenth, a quarter and half of the canaries
    are guessed about, on top alone and on both sides; the level is shared among these six (Bonferroni), so that the
    bound holds although the greatest is taken. It says what is at least lost, never that no more is.

    Args:
        scores: ``(canaries,)`` higher where an attacker takes the canary for planted; ties are broken at random.
        planted: ``(canaries,)`` what the coins said.
        level: confidence that the true epsilon is no less.
        seed: of the ties.

    Returns:
        The bound, 0 at least; what it can reach grows with the canaries (3.3 for 100, 5.6 for 1,000 at 95 %).

    Raises:
        ParamError: the two differ in length, or a score is NaN.

    >>> one_run_epsilon([0.0] * 50, [True, False] * 25)
    0.0
    """
    score, truth = np.asarray(scores, np.float64), np.asarray(planted, np.bool_)
    if score.shape != truth.shape or score.ndim != 1 or np.isnan(score).any():
        raise ParamError("one_run_epsilon: arguments 'scores' and 'planted' must be equally long, without NaN.")
    ranked = truth[np.lexsort((np.random.default_rng(seed).random(len(score)), -score))]
    bound, alpha = 0.0, (1 - level) / (2 * len(_GUESSED))
    for share in _GUESSED:
        size = int(share * len(ranked))
        if not size:
            continue
        on_top, below = int(ranked[:size].sum()), int((~ranked[-size:]).sum())
        for right, guesses in ((on_top, size), (on_top + below, 2 * size)):
            rate = float(beta.ppf(alpha, right, guesses - right + 1)) if right else 0.0
            if rate > 0.5:
                bound = max(bound, math.log(rate / (1 - rate)))
    return bound
