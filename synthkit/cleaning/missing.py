"""What is missing where, what is missing together, and what tells that something is missing."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from synthkit.errors import SchemaError
from synthkit.params import Interval, check
from synthkit.runtime import entropy
from synthkit.synthesizers.centre import is_quantity, quantities

__all__ = ["Missingness", "missingness"]

_TOGETHER = 0.9  # of the rows in which either is empty, both are
_FEW = 5  # gaps, below which nothing is said of what predicts them
_SURE = 0.01  # chance, over all other columns, that none of them tells anything


@dataclass(frozen=True)
class Missingness:
    """An overview of the gaps of a table.

    Attributes:
        table: one line per column: ``missing`` (cells), ``share``, ``group`` (columns that are empty together have the
            same number; 0: none), ``driver`` (the column whose values best tell where this one is empty; None: no
            column tells it) with its ``auc`` (0.5: nothing, 1: all) and ``p_value`` (Bonferroni over the columns).
        patterns: one line per set of columns that are empty together in a row, the commonest first: ``rows`` and
            ``columns``.
        rows, complete: of the table, and those of them without a gap.
    """

    table: pd.DataFrame
    patterns: pd.DataFrame
    rows: int
    complete: int

    def to_frame(self) -> pd.DataFrame:
        """The columns that have gaps, the emptiest first."""
        gaps = self.table[self.table["missing"] > 0]
        return gaps.sort_values("missing", ascending=False, kind="stable").reset_index(drop=True)

    def __str__(self) -> str:
        cells = int(self.table["missing"].sum())
        whole = self.rows * max(len(self.table), 1)
        head = (
            f"{cells} of {whole} cells are empty ({cells / whole:.1%}); {self.complete} of {self.rows} rows have none"
        )
        if not cells:
            return head
        shown = (
            self.to_frame().astype({"driver": object}).to_string(index=False, float_format="{:.3f}".format, na_rep="")
        )
        at_random = "a driver: not missing completely at random; none: no single column tells"
        return f"{head}\n{shown}\n({at_random})"

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.3f}".format, na_rep=""))


def missingness(table: pd.DataFrame, *, seed: int = 0) -> Missingness:
    """Which cells are empty, which together, and which columns tell it (:func:`synthkit.plots.missing` draws it).

    A column tells where another is empty if its values differ between those rows and the others: numbers and dates by
    the AUC of Mann and Whitney, categories by that of the rates of gaps per category, learnt on the other half of the
    rows. What no column tells may still depend on several, or on the missing value itself, which nothing can test.

    Args:
        seed: of the halves.

    Raises:
        SchemaError: no rows or columns, or two columns of one name.

    Example:
        >>> table = pd.DataFrame({"a": [None, 1.0] * 20, "b": [None, 2.0] * 20, "c": [9, 1] * 20})
        >>> print(missingness(table).to_frame()[["column", "share", "group", "driver"]])
          column  share  group driver
        0      a    0.5      1      c
        1      b    0.5      1      c
    """
    check("missingness", "seed", seed, Interval(int, 0))
    if table.empty or not table.columns.is_unique:
        raise SchemaError("missingness: argument 'table' has no rows, no columns, or two columns of one name.")
    gaps = table.isna().to_numpy()
    side = np.random.default_rng(entropy(seed, 0)).permutation(len(table)) % 2
    groups, lines = _groups(gaps), []
    for j, name in enumerate(table.columns):
        count = int(gaps[:, j].sum())
        driver, auc, p_value = _driver(table, gaps, j, side)
        lines.append((name, count, count / len(table), int(groups[j]), driver, auc, p_value))
    columns = ["column", "missing", "share", "group", "driver", "auc", "p_value"]
    overview = pd.DataFrame(lines, columns=columns)
    overview["driver"] = pd.Series([line[4] for line in lines], dtype=object)  # None stays None, also in pandas 3
    return Missingness(overview, _patterns(gaps, table.columns), len(table), int((~gaps.any(1)).sum()))


def _groups(gaps: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Per column the number of its group of columns that are empty together; 0: alone."""
    count = gaps.sum(0).astype(float)
    both = gaps.T.astype(float) @ gaps.astype(float)
    either = count[:, None] + count[None, :] - both
    near = (both >= _TOGETHER * np.maximum(either, 1)) & (both > 0)
    out, number = np.zeros(len(count), dtype=np.int64), 0
    for j in range(len(count)):
        if not out[j] and near[j].sum() > 1:
            number += 1
            out[near[j] & (out == 0)] = number
    return out


def _patterns(gaps: NDArray[np.bool_], names: pd.Index) -> pd.DataFrame:
    some, counts = np.unique(gaps[gaps.any(1)], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    sets = [tuple(names[some[k]]) for k in order]
    return pd.DataFrame({"rows": counts[order], "columns": pd.Series(sets, dtype=object)})


def _driver(
    table: pd.DataFrame, gaps: NDArray[np.bool_], j: int, side: NDArray[np.int64]
) -> tuple[Hashable | None, float, float]:
    """The column that tells best where column ``j`` is empty, its AUC, and the chance of that if none told anything."""
    empty = gaps[:, j]
    if not _FEW <= empty.sum() <= len(empty) - _FEW:
        return None, np.nan, np.nan
    best: tuple[float, Hashable | None, float] = (np.inf, None, np.nan)
    tried = 0
    for k, name in enumerate(table.columns):
        there = ~gaps[:, k]
        if k == j or min(empty[there].sum(), (~empty[there]).sum()) < _FEW:
            continue
        tried += 1
        auc, p_value = _auc(_marks(table[name][there], empty[there], side[there]), empty[there])
        if (p_value, -auc) < (best[0], -best[2] if best[1] is not None else 0.0):
            best = (p_value, name, auc)
    p_value = min(best[0] * tried, 1.0) if tried else np.nan
    return (best[1], best[2], p_value) if tried and p_value < _SURE else (None, np.nan, p_value)


def _marks(values: pd.Series, empty: NDArray[np.bool_], side: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number per row: its own, or the rate of gaps of its category in the other half."""
    if is_quantity(values):
        return quantities(values)
    codes, levels = pd.factorize(values)
    out = np.zeros(len(values))
    for half in (0, 1):
        learn, use = side != half, side == half
        hits = np.bincount(codes[learn], weights=empty[learn], minlength=len(levels))
        rate = empty[learn].mean() if learn.any() else 0.0
        out[use] = ((hits + rate) / (np.bincount(codes[learn], minlength=len(levels)) + 1))[codes[use]]
    return out


def _auc(marks: NDArray[np.float64], empty: NDArray[np.bool_]) -> tuple[float, float]:
    """The AUC, above one half, and its two-sided p-value by the normal approximation with ties."""
    n, m = int(empty.sum()), int((~empty).sum())
    ranks = rankdata(marks)
    _, ties = np.unique(marks, return_counts=True)
    auc = (ranks[empty].sum() - n * (n + 1) / 2) / (n * m)
    total = n + m
    variance = (total + 1 - (ties.astype(float) ** 3 - ties).sum() / (total * max(total - 1, 1))) / (12 * n * m)
    if variance <= 0:
        return 0.5, 1.0
    auc = max(auc, 1 - auc)
    return float(auc), float(2 * norm.sf((auc - 0.5) / np.sqrt(variance)))
