"""Synthetic rows that repeat training rows, exactly or nearly, beside how often unseen real rows do so by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.rates import CERTIFIED_RISK, certify, detectable_rate, rate_interval
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["Copies", "copy_rate", "row_hashes"]

Hashes = NDArray[np.uint64]


def row_hashes(*tables: Coded) -> list[tuple[Hashes, Hashes]]:
    """Per table one 64-bit number per row, and its summands per cell ``(rows, columns)``.

    Rows that agree in every column (null equals null) have the same number; others have the same by chance only, 1 in
    2^64. The number less a cell's summand tells whether rows agree in all the other columns.
    """
    out = []
    for table in tables:
        numbers = np.where(np.isnan(table.numbers), np.nan, table.numbers + 0.0)  # one NaN, no -0.0
        cells = np.concatenate([numbers.view(np.uint64), table.codes.astype(np.uint64)], axis=1)
        salt = _mixed(np.arange(1, cells.shape[1] + 1, dtype=np.uint64))
        cells = _mixed(_mixed(cells) ^ salt)
        out.append((cells.sum(axis=1, dtype=np.uint64), cells))
    return out


def _mixed(x: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit depends on every bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def copy_rate(synthetic: pd.DataFrame, train: pd.DataFrame, *, kinds: Kinds | None = None) -> float:
    """Share of synthetic rows that equal a training row in every column (null equals null).

    Compare it with the holdout's own, ``copy_rate(holdout, train)``: coarse tables repeat by chance.

    >>> copy_rate(pd.DataFrame({"x": [1, 2], "y": ["a", "a"]}), pd.DataFrame({"x": [1, 1], "y": ["a", "b"]}))
    0.5
    """
    (a, _), (b, _) = row_hashes(*code_tables(synthetic, train, kinds=kinds))
    return _Repeats.of(a, b).rate


@dataclass(frozen=True)
class _Repeats:
    """How many rows are found in a base, and how far that depends on which rows were drawn."""

    rate: float
    variance: float
    n: int

    @classmethod
    def of(cls, rows: Hashes, base: Hashes) -> _Repeats:
        """The variance counts both tables as drawn anew: rows that repeat the same base row stand or fall together."""
        levels = np.unique(base)
        found = np.minimum(np.searchsorted(levels, rows), max(len(levels) - 1, 0))
        hit = levels[found] == rows if len(levels) else np.zeros(len(rows), np.bool_)
        rate = float(hit.mean())
        clusters = np.bincount(found[hit], minlength=len(levels)).astype(np.float64) * (1 - rate)
        variance = (float((clusters**2).sum()) + (~hit).sum() * rate**2) / len(rows) ** 2
        return cls(rate, variance, len(rows))


class Copies(Metric):
    """Share of synthetic rows that equal a training row in every column; see :func:`copy_rate`."""

    name = "copies"
    label = "Copies of training rows"
    group = "privacy"
    goal = "lower"
    best = 0.0
    culprit = "copy"
    definition = (
        "Share of synthetic rows that equal a training row in every column; beside it the share of holdout rows that "
        "do so, which is what chance alone gives."
    )

    def measure(self, case: Case) -> Measurement:
        """The rate on all rows; its parts show the holdout's rate, and training and holdout rows that reappear."""
        if not len(case.synthetic) or not len(case.real):
            return Measurement.nothing("too few rows: a table is empty")
        tables = [case.synthetic, case.real, *([] if case.holdout is None else [case.holdout])]
        hashes = case.once("row_hashes", lambda: row_hashes(*(t.coded for t in tables)))
        keys = [rows for rows, _ in hashes]
        copies = _Repeats.of(keys[0], keys[1])
        parts = {"synthetic rows that repeat a training row": copies.rate}
        parts["training rows that reappear"] = _Repeats.of(keys[1], keys[0]).rate
        interval = rate_interval(copies.rate, copies.variance, copies.n)
        if case.holdout is None or not len(case.holdout):
            return Measurement(
                copies.rate, interval, parts, "without a holdout nobody knows how many repeats chance alone gives"
            )
        own = _Repeats.of(keys[2], keys[1]).rate
        parts["holdout rows that repeat a training row"] = own
        parts["holdout rows that reappear"] = _Repeats.of(keys[2], keys[0]).rate
        return _beside(copies.rate, interval, parts, own, copies.n, len(keys[2]))


def _beside(
    rate: float, interval: tuple[float, float], parts: dict[str, float], own: float, rows: int, holdout: int
) -> Measurement:
    """A rate with the holdout's own beside it, and whether an excess could have been seen."""
    smallest = detectable_rate(own, rows, holdout)
    enough, note = certify(smallest, CERTIFIED_RISK, "a share of copies beyond chance")
    notes: Sequence[str] = [note] if note else []
    if own > 0.5:
        notes = [*notes, "most unseen real rows repeat a training row by chance: the columns are too coarse to tell"]
    power = {"detectable": smallest, "limit": CERTIFIED_RISK, "enough": enough, "probability": 0.8}
    return Measurement(rate, interval, parts, "; ".join(notes), {"power": power, "holdout": own})
