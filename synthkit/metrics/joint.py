"""Distances of the joint distributions of columns, in pairs and in threes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import binned
from synthkit.metrics.jackknife import Estimate, Floats, Ints, compare
from synthkit.metrics.marginals import Groups, dealt, total_variation
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = ["PairError", "pair_error"]

_BINS = 10
_NO_GROUPS: Groups = (None, None)


# -------------------------------------------------------------------- public functions
def pair_error(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    bins: Literal["real", "own"] = "real",
) -> Breakdown:
    """Mean distance of the pairs' joint behaviour, 0 is best, 1 worst; every pair of columns counts.

    Two numbers: half the difference of their Pearson correlations (an undefined one, of a constant column, counts
    as 0, so that a collapsed column gains nothing). Two categories: total variation of the contingency tables. A
    number and a category: the same with the number cut into 10 bins of equal width.

    Args:
        real, synthetic: the two tables, of any lengths.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        bins: ``"real"`` cuts both tables at the real one's edges, values outside falling into the end bins;
            ``"own"`` cuts each between its own extremes: SDMetrics' column pair trends (thresholds 0), taken from 1.

    Returns:
        The mean over pairs, with the distance per pair ``(first column, second column)``.

    >>> table = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0]})
    >>> pair_error(table, pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [2.0, 1.0, 0.0]})).value
    1.0
    """
    if bins not in ("real", "own"):
        raise ParamError(f"pair_error: argument 'bins' must be 'real' or 'own', got {bins!r}.")
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = pairs(a, b, list(kinds), _NO_GROUPS, bins)
    return Breakdown.mean({pair: estimate.value for pair, estimate in found.items()})


# -------------------------------------------------------------------- cores, by pair
Pair = tuple[Hashable, Hashable]


def pairs(
    a: Coded, b: Coded, names: Sequence[Hashable], groups: Groups, bins: Literal["real", "own"] = "real"
) -> dict[Pair, Estimate]:
    """See :func:`pair_error`; ``names`` are the columns, in the order of the pairs."""
    r_a, r_b = (correlations(t.numbers, g) for t, g in zip((a, b), groups, strict=True))
    binned_a, binned_b = binned(a, b, bins)
    codes_a = np.concatenate([binned_a, a.codes + 1], axis=1)
    codes_b = np.concatenate([binned_b, b.codes + 1], axis=1)
    sizes = [_BINS + 2] * len(a.num) + [size + 1 for size in a.sizes]
    position = {name: i for i, name in enumerate((*a.num, *a.cat))}
    found = {}
    for first, second in combinations(names, 2):
        i, j = position[first], position[second]
        if i < len(a.num) and j < len(a.num):
            found[first, second] = half_gap(r_a[:, i, j], r_b[:, i, j])
        else:
            cells = [c[:, i] * sizes[j] + c[:, j] for c in (codes_a, codes_b)]
            (found[first, second],) = compare(cells[0], cells[1], sizes[i] * sizes[j], groups, total_variation)
    return found


def half_gap(a: Floats, b: Floats) -> Estimate:
    """Half the difference of two correlations, each with its values of groups left out behind it."""
    return Estimate(float(abs(a[0] - b[0]) / 2), np.abs(a[1:] - b[0]) / 2, np.abs(a[0] - b[1:]) / 2)


def correlations(numbers: Floats, groups: Ints | None) -> Floats:
    """``(1 + groups, columns, columns)`` Pearson correlations of the rows where both are known; 0 where undefined.

    The first is of all rows, the others without one group.
    """
    full = np.nan_to_num(pd.DataFrame(numbers).corr().to_numpy(np.float64))[None]
    if groups is None or not numbers.shape[1]:
        return full
    known = ~np.isnan(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, numbers - np.where(known, numbers, 0).sum(axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    x, m = centred / np.where(spread > 0, spread, 1.0), known.astype(np.float64)
    each = np.stack([_moments(x[groups == g], m[groups == g]) for g in range(int(groups.max()) + 1)])
    n, s, t, ss, tt, st = np.moveaxis(each.sum(axis=0) - each, 1, 0)
    n = np.maximum(n, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (st - s * t / n) / np.sqrt((ss - s * s / n) * (tt - t * t / n))
    return np.concatenate([full, np.nan_to_num(r, posinf=0, neginf=0).clip(-1, 1)])


def _moments(x: Floats, m: Floats) -> Floats:
    """``(6, columns, columns)`` sums over the rows where both columns are known."""
    s, ss = x.T @ m, (x * x).T @ m
    return np.stack([m.T @ m, s, s.T, ss, ss.T, x.T @ x])


# -------------------------------------------------------------------- metrics
class PairError(Metric):
    """:func:`pair_error` as a metric."""

    name = "pair"
    label = "Pairs of columns (correlation, contingency)"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    culprit = "independent"
    definition = (
        "Mean over all pairs of half the difference of Pearson correlations (two numbers) or the total variation "
        "distance of contingency tables (numbers in 10 bins of the real range): SDMetrics' column pair trends, "
        "subtracted from 1, with shared bins."
    )

    def measure(self, case: Case) -> Measurement:
        names = some_columns(case)
        if len(names) < 2:
            return Measurement.nothing("a single column has no pair")
        judge, synthetic, groups = dealt(case)
        return of_pairs(self, case, pairs(judge.coded, synthetic.coded, names, groups))


def some_columns(case: Case) -> list[Hashable]:
    """All columns, or, of a wide table, as many as the level allows, drawn from the seed."""
    names = list(case.kinds)
    limit = case.limit(50, 120, 400)
    if len(names) <= limit:
        return names
    return [names[i] for i in np.sort(case.rng.permutation(len(names))[:limit])]


def of_pairs(metric: Metric, case: Case, found: dict[Any, Estimate]) -> Measurement:
    """The mean of the pairs, with the pairs as parts."""
    mean = Estimate.mean(list(found.values()))
    parts = {pair: estimate.value for pair, estimate in found.items()}
    notes = []
    worst = max(parts, key=lambda pair: parts[pair])
    if parts[worst] > 0:
        notes.append("farthest: " + " with ".join(str(name) for name in worst))
    count = len({name for pair in parts for name in pair})
    if len(some_columns(case)) < len(case.kinds):
        notes.append(f"of {count} columns, drawn from the {len(case.kinds)}")
    return Measurement(mean.value, mean.interval(metric.bounds), parts, "; ".join(notes))
