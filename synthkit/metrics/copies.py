"""Synthetic rows that repeat training rows, exactly or nearly, beside how often unseen real rows do so by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.neighbours import TIE, nearest, place
from synthkit.metrics.rates import CERTIFIED_RATE, certified, detectable_rate, rate_interval
from synthkit.metrics.surroundings import case_surroundings, pick, surroundings
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["Copies", "NearCopies", "copy_rate", "near_copy_rate", "row_hashes"]

_QUANTILE = 0.01  # of the holdout's distances to training rows: the radius of a near copy

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


def case_hashes(case: Case) -> list[tuple[Hashes, Hashes]]:
    """Of the synthetic, the training and, if there are any, the holdout rows."""
    tables = [case.synthetic, case.real, *([] if case.holdout is None else [case.holdout])]
    return case.once("row_hashes", lambda: row_hashes(*(t.coded for t in tables)))


class Copies(Metric):
    """Share of synthetic rows that equal a training row in every column; see :func:`copy_rate`."""

    name = "copies"
    label = "Copies of training rows"
    group = "privacy"
    goal = "lower"
    best = 0.0
    culprit = "copy"
    reading = "A share of {value} of the synthetic rows equals a training row"
    definition = (
        "Share of synthetic rows that equal a training row in every column; beside it the share of holdout rows that "
        "do so, which is what chance alone gives."
    )

    def measure(self, case: Case) -> Measurement:
        """The rate on all rows; its parts show the holdout's rate, and training and holdout rows that reappear."""
        if not len(case.synthetic) or not len(case.real):
            return Measurement.nothing("too few rows: a table is empty")
        keys = [rows for rows, _ in case_hashes(case)]
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


def near_copy_rate(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    rows: int = 5000,
    seed: int = 0,
) -> float:
    """Share of synthetic rows that lie nearer to a training row than all but 1 % of the holdout rows do: 0.01 is best.

    The radius is the 1 % quantile of the distance of holdout rows to their nearest training row. On coarse columns it
    may be 0, and more than 1 % of the holdout rows repeat a training row by chance: compare with
    ``copy_rate(holdout, train)`` then.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        rows: synthetic and holdout rows used at most.
        seed: of the subsamples.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 10.0]}), pd.DataFrame({"x": [1.0, 7.0]})
    >>> near_copy_rate(pd.DataFrame({"x": [0.5, 5.0]}), train, holdout)
    0.5
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    around = surroundings(s, t, h, seed=seed, rows=rows)
    return _within(around.everywhere.distance[:, 0], to_train(h, t, seed=seed, rows=rows))[0]


def to_train(h: Coded, t: Coded, *, seed: int, rows: int) -> NDArray[np.float32]:
    """Distance of at most ``rows`` holdout rows to their nearest training rows."""
    points, base = place(t, (h.take(pick(np.random.default_rng([seed, 3]), len(h), rows)), t))
    return nearest(points, base)[0].distance[:, 0]


def _within(synthetic: NDArray[np.float32], holdout: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Share of synthetic and of holdout rows within the radius; the former for the least and greatest likely radius."""
    order, n = np.sort(holdout), len(holdout)
    place_in = max(int(np.ceil(_QUANTILE * n)), 1)
    low, high = (int(x) for x in beta.ppf([0.025, 0.975], place_in, n - place_in + 1) * n)
    radii = order[place_in - 1], (order[low - 1] if low else 0.0), order[min(high, n - 1)]
    at, least, most = (float((synthetic <= r + TIE).mean()) for r in radii)
    return at, float((holdout <= radii[0] + TIE).mean()), least, most


class NearCopies(Metric):
    """Share of synthetic rows that are all but a training row; see :func:`near_copy_rate`."""

    name = "near_copies"
    label = "Near copies of training rows"
    group = "privacy"
    goal = "lower"
    best = 0.0
    needs = ("holdout",)
    culprit = "copy"
    reading = "A share of {value} of the synthetic rows lies as near to a training row as hardly a holdout row does"
    definition = (
        "Share of synthetic rows that lie nearer to a training row than all but 1 % of the holdout rows do; exact "
        "copies count. Beside it, rows that equal a training row in all columns but one."
    )

    def measure(self, case: Case) -> Measurement:
        """The rate, beside that of the holdout; the same for rows that equal a training row in all columns but one."""
        assert case.holdout is not None
        if min(len(case.real), len(case.holdout), len(case.synthetic)) < 10:
            return Measurement.nothing("too few rows: needs 10 in every table")
        around = case_surroundings(case)
        distance = around.everywhere.distance[:, 0]
        rows = case.limit(1500, 5000, 20_000)
        h, t = case.holdout.coded, case.real.coded
        rate, own, least, most = _within(distance, to_train(h, t, seed=case.seed, rows=rows))
        hit = np.argsort(np.argsort(distance, kind="stable")) < round(rate * len(distance))  # those within the radius
        sums = np.bincount(around.everywhere.index[:, 0], np.where(hit, 1 - rate, -rate))
        low, high = rate_interval(rate, float((sums**2).sum()) / len(distance) ** 2, len(distance))
        parts = {"synthetic rows within the radius": rate, "holdout rows within the radius": own}
        if len(case.kinds) > 1:
            syn, real, hold = case_hashes(case)
            parts["synthetic rows equal in all columns but one"] = _all_but_one(syn, real)
            parts["holdout rows equal in all columns but one"] = _all_but_one(hold, real)
        return _beside(rate, (min(low, least), max(high, most)), parts, own, len(distance), min(len(h), rows))


def _all_but_one(rows: tuple[Hashes, Hashes], base: tuple[Hashes, Hashes]) -> float:
    """Share of rows that equal some base row in all columns but at most one."""
    found = np.zeros(len(rows[0]), np.bool_)
    for j in range(rows[1].shape[1]):
        found |= pd.Series(rows[0] - rows[1][:, j]).isin(base[0] - base[1][:, j]).to_numpy()
    return float(found.mean())


def _beside(
    rate: float, interval: tuple[float, float], parts: dict[str, float], own: float, rows: int, holdout: int
) -> Measurement:
    """A rate with the holdout's own beside it, and whether an excess could have been seen."""
    smallest = detectable_rate(own, rows, holdout)
    leaks = interval[0] > rate_interval(own, 0.0, holdout)[1]
    power, note = certified(smallest, CERTIFIED_RATE, "a share of copies beyond chance", leaks=leaks)
    notes: Sequence[str] = [note] if note else []
    if own > 0.5:
        notes = [*notes, "most unseen real rows repeat a training row by chance: the columns are too coarse to tell"]
    return Measurement(rate, interval, parts, "; ".join(notes), {"power": power, "holdout": own})
