"""Distances of the joint distributions of columns, in pairs and in threes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import combinations
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from scipy.special import xlogy

from synthkit.errors import ParamError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import binned, grid
from synthkit.metrics.jackknife import Estimate, Floats, Ints, compare
from synthkit.metrics.marginals import Groups, dealt, total_variation
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = [
    "Contingency",
    "Correlation",
    "MutualInformation",
    "PairError",
    "contingency_error",
    "correlation_error",
    "mutual_information_error",
    "pair_error",
]

_BINS = 10
_LARGE = 1e100
_NO_GROUPS: Groups = (None, None)
_T = TypeVar("_T")
Pair = tuple[Hashable, Hashable]
_Core = Callable[[Coded, Coded, Sequence[Hashable], Groups], dict[Pair, Estimate]]


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


def correlation_error(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean distance of the correlations of numbers and dates, 0 is best, 1 worst.

    Per pair the larger of half the difference of the Pearson correlations and half that of the Spearman rank
    correlations, each over the rows where both cells are known. The first is ruled by extremes, the second is blind
    to them. An undefined correlation, of a constant column, counts as 0.

    Returns:
        The mean over pairs (NaN where there are not two such columns), with the distance per pair.

    Raises:
        SchemaError: the tables do not fit the kinds; see :func:`synthkit.metrics.tables.code_tables`.

    >>> table = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 4.0]})
    >>> correlation_error(table, table).value
    0.0
    """
    return _breakdown(correlated, real, synthetic, kinds)


def contingency_error(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean total variation distance of the contingency tables of all pairs of columns, 0 is best, 1 worst.

    Numbers and dates are cut into about 10 bins at the real table's quantiles, levels beyond the 50 most frequent
    become one, null is a cell like any other. Unlike :func:`pair_error`, two numbers are compared by their
    joint cells too, so that any dependence counts, and an outlier moves no bin.

    Returns:
        The mean over pairs, with the distance per pair.

    Raises:
        SchemaError: see :func:`correlation_error`.

    >>> table = pd.DataFrame({"x": ["a", "b"], "y": ["u", "v"]})
    >>> contingency_error(table, table.assign(y=["v", "u"])).value
    1.0
    """
    return _breakdown(contingent, real, synthetic, kinds)


def mutual_information_error(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean absolute difference of the normalised mutual informations of all pairs of columns, 0 is best, 1 worst.

    Mutual information over the mean of the two entropies, on the cells of :func:`contingency_error`, less its bias in
    tables of few rows (Miller, 1955). It asks how *much* columns depend on each other, not how.

    Returns:
        The mean over pairs, with the difference per pair.

    Raises:
        SchemaError: see :func:`correlation_error`.

    >>> table = pd.DataFrame({"x": ["a", "b"] * 50, "y": ["u", "v"] * 50})
    >>> round(mutual_information_error(table, table.assign(y=["u", "u", "v", "v"] * 25)).value, 2)
    1.0
    """
    return _breakdown(informed, real, synthetic, kinds)


def _breakdown(core: _Core, real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Kinds | None) -> Breakdown:
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = core(a, b, list(kinds), _NO_GROUPS)
    return Breakdown.mean({pair: estimate.value for pair, estimate in found.items()})


# -------------------------------------------------------------------- cores, by pair


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


def correlated(a: Coded, b: Coded, names: Sequence[Hashable], groups: Groups) -> dict[Pair, Estimate]:
    """See :func:`correlation_error`."""
    plain = [correlations(t.numbers, g) for t, g in zip((a, b), groups, strict=True)]
    ranked = [
        correlations(pd.DataFrame(t.numbers).rank().to_numpy(np.float64), g)
        for t, g in zip((a, b), groups, strict=True)
    ]
    found = {}
    for first, second in combinations([name for name in names if name in a.num], 2):
        i, j = a.num.index(first), a.num.index(second)
        gaps = [half_gap(r[0][:, i, j], r[1][:, i, j]) for r in (plain, ranked)]
        found[first, second] = max(gaps, key=lambda gap: gap.value)
    return found


def contingent(a: Coded, b: Coded, names: Sequence[Hashable], groups: Groups) -> dict[Pair, Estimate]:
    """See :func:`contingency_error`."""
    return _on_cells(a, b, names, groups)[0]


def informed(a: Coded, b: Coded, names: Sequence[Hashable], groups: Groups) -> dict[Pair, Estimate]:
    """See :func:`mutual_information_error`."""
    return _on_cells(a, b, names, groups)[1]


def _on_cells(
    a: Coded, b: Coded, names: Sequence[Hashable], groups: Groups
) -> tuple[dict[Pair, Estimate], dict[Pair, Estimate]]:
    """Total variation and difference of information of all pairs, on shared cells."""
    cut = grid(a, b, _BINS, top=50)
    place = {name: j for j, name in enumerate(cut.names)}
    varied: dict[Pair, Estimate] = {}
    informed: dict[Pair, Estimate] = {}
    for pair in combinations(names, 2):
        i, j = (place[name] for name in pair)
        shape = (cut.sizes[i], cut.sizes[j])
        cells = [c[:, i] * shape[1] + c[:, j] for c in (cut.real, cut.synthetic)]
        varied[pair], informed[pair] = compare(
            cells[0],
            cells[1],
            shape[0] * shape[1],
            groups,
            total_variation,
            partial(_information_gap, shape=shape),
        )
    return varied, informed


def _information_gap(p: Floats, q: Floats, shape: tuple[int, int]) -> Floats:
    return np.abs(_information(p, shape) - _information(q, shape))


def _information(count: Floats, shape: tuple[int, int]) -> Floats:
    """Normalised mutual information of ``(..., cells)`` counts of a pair; 0 where a column is constant."""
    joint = count.reshape(*count.shape[:-1], *shape)
    n = np.maximum(count.sum(axis=-1), 1.0)
    (h_xy, cells), (h_x, rows), (h_y, columns) = (
        _entropy(c, n) for c in (count, joint.sum(axis=-1), joint.sum(axis=-2))
    )
    shared = np.maximum(h_x + h_y - h_xy - (cells - rows - columns + 1) / (2 * n), 0.0)
    mean = (h_x + h_y) / 2
    return np.where(mean > 1e-12, np.minimum(shared / np.maximum(mean, 1e-12), 1.0), 0.0)


def _entropy(count: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Entropy in nats, and how many cells occur."""
    return np.log(n) - xlogy(count, count).sum(axis=-1) / n, (count > 0).sum(axis=-1).astype(np.float64)


def half_gap(a: Floats, b: Floats) -> Estimate:
    """Half the difference of two correlations, each with its values of groups left out behind it."""
    return Estimate(float(abs(a[0] - b[0]) / 2), np.abs(a[1:] - b[0]) / 2, np.abs(a[0] - b[1:]) / 2)


def correlations(numbers: Floats, groups: Ints | None) -> Floats:
    """``(1 + groups, columns, columns)`` Pearson correlations of the rows where both are known; 0 where undefined.

    The first is of all rows, the others without one group.
    """
    largest = np.abs(np.where(np.isnan(numbers), 0, numbers)).max(axis=0, initial=0)
    if (largest > _LARGE).any():  # squares would overflow
        numbers = numbers / np.where(largest > _LARGE, largest, 1.0)
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
class _OfPairs(Metric):
    """A mean over pairs of columns, with a jackknife interval."""

    group = "fidelity"
    goal = "lower"
    best = 0.0

    @abstractmethod
    def find(self, case: Case) -> dict[Pair, Estimate]:
        """The estimates per pair, within the level's limits."""

    def measure(self, case: Case) -> Measurement:
        found = self.find(case) if len(case.kinds) > 1 else {}
        if not found:
            return Measurement.nothing("there are not two columns of the kind that makes a pair")
        mean = Estimate.mean(list(found.values()))
        parts = {pair: estimate.value for pair, estimate in found.items()}
        worst = max(parts, key=lambda pair: parts[pair])
        notes = [f"farthest: {worst[0]} with {worst[1]}"] if parts[worst] > 0 else []
        if len(some := some_columns(case)) < len(case.kinds):
            notes.append(f"of {len(some)} columns, drawn from the {len(case.kinds)}")
        return Measurement(mean.value, mean.interval(self.bounds), parts, "; ".join(notes))


class PairError(_OfPairs):
    """:func:`pair_error` as a metric."""

    name = "pair"
    label = "Pairs of columns (correlation, contingency)"
    culprit = "independent"
    reading = "Pairs of columns differ from the real ones by {value} on average"
    definition = (
        "Mean over all pairs of half the difference of Pearson correlations (two numbers) or the total variation "
        "distance of contingency tables (numbers in 10 bins of the real range): SDMetrics' column pair trends, "
        "subtracted from 1, with shared bins."
    )

    def find(self, case: Case) -> dict[Pair, Estimate]:
        return _within_limits(case, pairs)


class Correlation(_OfPairs):
    """:func:`correlation_error` as a metric."""

    name = "correlation"
    label = "Correlations (Pearson, Spearman)"
    reading = "Correlations differ from the real ones by {value} on average"
    definition = (
        "Mean over pairs of numbers or dates of the larger of half the difference of Pearson and half that of Spearman "
        "correlations."
    )

    def find(self, case: Case) -> dict[Pair, Estimate]:
        return _within_limits(case, correlated)


class Contingency(_OfPairs):
    """:func:`contingency_error` as a metric."""

    name = "contingency"
    label = "Pairs of columns, joint cells"
    culprit = "independent"
    reading = "The joint cells of two columns differ from the real ones by {value} on average"
    definition = (
        "Mean over all pairs of the total variation distance of contingency tables, numbers in 10 bins at real "
        "quantiles."
    )

    def find(self, case: Case) -> dict[Pair, Estimate]:
        return _cells_of(case)[0]


class MutualInformation(_OfPairs):
    """:func:`mutual_information_error` as a metric."""

    name = "mutual_information"
    label = "Strength of dependence (mutual information)"
    culprit = "independent"
    reading = "The strength of the dependence of two columns is off by {value} on average"
    definition = (
        "Mean over all pairs of the absolute difference of normalised mutual information, on levels and 10 bins at "
        "real quantiles, less its small-sample bias (Miller, 1955)."
    )

    def find(self, case: Case) -> dict[Pair, Estimate]:
        return _cells_of(case)[1]


def _cells_of(case: Case) -> tuple[dict[Pair, Estimate], dict[Pair, Estimate]]:
    return case.once("pairs_on_cells", lambda: _within_limits(case, _on_cells))


def _within_limits(case: Case, core: Callable[[Coded, Coded, Sequence[Hashable], Groups], _T]) -> _T:
    judge, synthetic, groups = dealt(case)
    names = some_columns(case)
    return core(judge.coded.only(names), synthetic.coded.only(names), names, groups)


def some_columns(case: Case) -> list[Hashable]:
    """All columns, or, of a wide table, as many as the level allows, drawn from the seed."""
    names = list(case.kinds)
    limit = case.limit(50, 120, 400)
    if len(names) <= limit:
        return names
    return [names[i] for i in np.sort(case.rng.permutation(len(names))[:limit])]
