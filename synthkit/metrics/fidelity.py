"""How alike two tables are: column by column, pair by pair, and to a classifier."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables

__all__ = ["detection_auc", "pair_error", "shape_error"]

_BINS = 10
_TOP_LEVELS = 200
_DECIMALS = 14  # SDMetrics rounds to this many before its KS test


def shape_error(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """Mean distance of the columns' distributions, 0 is best, 1 worst.

    SDMetrics' column shapes, subtracted from 1: the Kolmogorov-Smirnov distance for numbers and dates (nulls
    dropped), the total variation distance for categories. Here null is a category of its own, where SDMetrics drops it.

    Args:
        real, synthetic: the two tables, of any lengths.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.

    Returns:
        The mean over columns, with the distance per column.

    >>> real = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "a", "b", "b"]})
    >>> shape_error(real, pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})).parts
    {'x': 0.5, 'y': 0.0}
    """
    a, b = code_tables(real, synthetic, kinds=kinds)
    parts = {name: _ks(a.numbers[:, j], b.numbers[:, j]) for j, name in enumerate(a.num)}
    for j, name in enumerate(a.cat):
        parts[name] = _total_variation(a.codes[:, j] + 1, b.codes[:, j] + 1, a.sizes[j] + 1)
    return Breakdown.mean({name: parts[name] for name in (kinds if kinds is not None else real.columns)})


def _ks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if not len(a) or not len(b):  # no values on both sides are alike, on one side not at all
        return float(len(a) != len(b))
    a, b = np.sort(a.round(_DECIMALS)), np.sort(b.round(_DECIMALS))
    grid = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(x, grid, side="right") / len(x) for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def _total_variation(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> float:
    if size > 4_000_000:  # two columns of thousands of levels: count only the cells that occur
        joined, levels = pd.factorize(np.concatenate([a, b]))
        a, b, size = joined[: len(a)], joined[len(a) :], len(levels)
    p = np.bincount(a, minlength=size) / len(a)
    q = np.bincount(b, minlength=size) / len(b)
    return float(np.abs(p - q).sum() / 2)


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
    a, b = code_tables(real, synthetic, kinds=kinds)
    correlation = np.abs(_correlations(a.numbers) - _correlations(b.numbers)) / 2
    binned_a, binned_b = _binned(a, b, bins)
    codes_a = np.concatenate([binned_a, a.codes + 1], axis=1)
    codes_b = np.concatenate([binned_b, b.codes + 1], axis=1)
    sizes = [_BINS + 2] * len(a.num) + [size + 1 for size in a.sizes]
    position = {name: i for i, name in enumerate((*a.num, *a.cat))}
    parts = {}
    for first, second in combinations(kinds if kinds is not None else real.columns, 2):
        i, j = position[first], position[second]
        if i < len(a.num) and j < len(a.num):
            parts[first, second] = float(correlation[i, j])
        else:
            cells_a, cells_b = (c[:, i] * sizes[j] + c[:, j] for c in (codes_a, codes_b))
            parts[first, second] = _total_variation(cells_a, cells_b, sizes[i] * sizes[j])
    return Breakdown.mean(parts)


def _correlations(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlations over the rows where both are known; 0 where undefined."""
    return np.asarray(np.nan_to_num(pd.DataFrame(numbers).corr().to_numpy(np.float64)))


def _binned(a: Coded, b: Coded, bins: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numeric columns as codes in [0, 12)."""
    out_a, out_b = np.empty(a.numbers.shape, np.int64), np.empty(b.numbers.shape, np.int64)
    for j in range(len(a.num)):
        x, y = a.numbers[:, j], b.numbers[:, j]
        edges = np.histogram_bin_edges(x[~np.isnan(x)], bins=_BINS)
        if bins == "real":
            for out, values in ((out_a, x), (out_b, y)):  # inner edges only: outside values join the end bins
                out[:, j] = np.where(np.isnan(values), _BINS + 1, np.digitize(values, edges[1:-1]))
        else:  # SDMetrics: the maximum, and null with it, has code 11
            out_a[:, j] = np.digitize(x, edges)
            out_b[:, j] = np.digitize(y, np.histogram_bin_edges(y[~np.isnan(y)], bins=_BINS))
    return out_a, out_b


def features(table: Coded, top: int = _TOP_LEVELS) -> NDArray[np.float64]:
    """``(rows, n_num + n_cat)`` for boosting: null is NaN, levels beyond the ``top`` most frequent share one code."""
    codes = np.where(table.codes < 0, np.nan, np.minimum(table.codes, top))
    return np.concatenate([table.numbers, codes], axis=1)


def without_empty(fit: NDArray[np.float64], *others: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The tables with 0 in the columns that are all null in ``fit``: boosting has no bins for those."""
    empty = np.isnan(fit).all(axis=0)
    return [np.where(empty, 0.0, x) for x in (fit, *others)]


def categorical_mask(table: Coded) -> NDArray[np.bool_]:
    """Which columns of :func:`features` are categories."""
    return np.arange(len(table.num) + len(table.cat)) >= len(table.num)


def detection_auc(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, seed: int = 0) -> float:
    """How well gradient boosting tells synthetic rows from equally many real ones: 0.5 is best, 1 worst.

    The classifier two-sample test of Lopez-Paz & Oquab (2017): mean ROC AUC over 5 stratified folds of
    ``HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, early_stopping=False)``. The larger table is
    subsampled. Below 0.5, rows of one table are repeated in the other (copies on both sides of a fold).

    Args:
        real: rows that the generator did not see, for an honest score.
        synthetic: rows of the generator.
        kinds: the columns to use and what they are; levels beyond the 200 most frequent of ``real`` become one.
        seed: of the subsample and the folds.

    Raises:
        SchemaError: fewer than 5 rows in one of the tables.

    >>> table = pd.DataFrame({"x": range(100)})
    >>> detection_auc(table, table + 1000)
    1.0
    """
    a, b = code_tables(real, synthetic, kinds=kinds)
    size = min(len(a), len(b))
    if size < 5:
        raise SchemaError("detection_auc: 5 folds need at least 5 rows in each table.")
    rng = np.random.default_rng(seed)
    rows = [features(t.take(rng.permutation(len(t))[:size])) for t in (a, b)]
    x, y = np.concatenate(rows), np.repeat([0, 1], size)
    scores = []
    for fit, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        x_fit, x_test = without_empty(x[fit], x[test])
        model = HistGradientBoostingClassifier(
            max_iter=200,
            learning_rate=0.1,
            early_stopping=False,
            categorical_features=categorical_mask(a),
            random_state=seed,
        ).fit(x_fit, y[fit])
        scores.append(roc_auc_score(y[test], model.predict_proba(x_test)[:, 1]))
    return float(np.mean(scores))
