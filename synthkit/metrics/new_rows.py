"""How many synthetic rows are new: the figure of SDMetrics' NewRowSynthesis, without its query per row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["new_row_share"]

_PAIRS = 5_000_000  # candidates looked at together


def new_row_share(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None, tolerance: float = 0.01
) -> float:
    """Share of synthetic rows that match no real row: 1 is best by SDMetrics' reading, 0 worst.

    The very figure of SDMetrics' NewRowSynthesis: a row matches if all categories are equal, and each number is within
    ``tolerance`` times the synthetic one's absolute value; nulls match nulls, dates are numbers counted from 1970 (so
    that 1 % is half a year). SDMetrics asks a query of the whole table per row, 5 ms each; here rows are joined by
    their categories and one number, and only what is left is compared.

    It is no privacy figure by itself: in a table of few categories most rows match by chance. Compare it with
    the share that fresh rows have, or use :func:`synthkit.metrics.copy_rate` for exact copies.

    Args:
        real, synthetic: the two tables.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        tolerance: relative, of numbers; 0 or more.

    Raises:
        ParamError: a negative tolerance.
        SchemaError: the tables do not fit the kinds.

    >>> real = pd.DataFrame({"x": [100.0, 200.0], "y": ["a", "b"]})
    >>> new_row_share(real, pd.DataFrame({"x": [100.5, 100.5, 210.0, 201.0], "y": ["a", "b", "b", "b"]}))
    0.5
    """
    if not tolerance >= 0:
        raise ParamError(f"new_row_share: argument 'tolerance' must be 0 or more, got {tolerance!r}.")
    a, b = code_tables(real, synthetic, kinds=kinds)
    return float((~_matched(a, b, tolerance)).mean())


def _matched(real: Coded, synthetic: Coded, tolerance: float) -> NDArray[np.bool_]:
    """``(rows,)`` of the synthetic table: does any real row match?"""
    key_r, key_s = _keys(real, synthetic)
    if not real.num:
        return np.isin(key_s, key_r)
    x, y = (np.nan_to_num(t.numbers) for t in (real, synthetic))  # nulls are in the key
    reach = np.abs(tolerance * y)
    order, first, last = min(
        (_candidates(key_r, key_s, x[:, j], y[:, j], reach[:, j]) for j in range(x.shape[1])),
        key=lambda found: int((found[2] - found[1]).sum()),
    )
    count = last - first
    out = np.zeros(len(y), dtype=bool)
    rows = np.flatnonzero(count)
    ends = np.cumsum(count[rows])
    start = 0
    while start < len(rows):  # as many rows as have _PAIRS candidates together, at least one
        stop = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + _PAIRS, side="right"))
        some = rows[start : max(stop, start + 1)]
        start += len(some)
        owner = np.repeat(some, count[some])
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
        other = order[first[owner] + offset]
        good = np.ones(len(owner), dtype=bool)
        for j in range(x.shape[1]):
            good[good] = np.abs(x[other[good], j] - y[owner[good], j]) <= reach[owner[good], j]
        out[owner[good]] = True
    return out


def _keys(real: Coded, synthetic: Coded) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each combination of categories and of nulls."""
    key = np.zeros(len(real) + len(synthetic), np.int64)
    for j, size in enumerate(real.sizes):
        codes = np.concatenate([t.codes[:, j] for t in (real, synthetic)]) + 1
        key = pd.factorize(key * (size + 1) + codes)[0].astype(np.int64)
    for j in range(len(real.num)):
        null = np.concatenate([np.isnan(t.numbers[:, j]) for t in (real, synthetic)])
        if null.any():
            key = pd.factorize(key * 2 + null)[0].astype(np.int64)
    return key[: len(real)], key[len(real) :]


def _candidates(
    key_r: NDArray[np.int64],
    key_s: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    reach: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Real rows in an order, and where in it those with a synthetic row's key, and about its number, begin and end."""
    levels, place = np.unique(x, return_inverse=True)
    size = len(levels) + 1
    spot = key_r * size + place
    order = np.argsort(spot, kind="stable")
    slack = 1e-12 * np.abs(y)  # the last digit is decided by the comparison itself
    low = np.searchsorted(levels, y - reach - slack, side="left")
    high = np.searchsorted(levels, y + reach + slack, side="right")
    first, last = (np.searchsorted(spot[order], key_s * size + end, side="left") for end in (low, high))
    return order, first, np.maximum(first, last)
