"""Reference ranges: as many values beyond the central 95 % as in real rows, overall and in every group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.learners import learner_interval
from synthkit.metrics.tables import Breakdown, Coded, Kinds

__all__ = ["ReferenceRanges", "reference_range_error"]

Array = NDArray[np.float64]
_LOW, _HIGH = 0.025, 0.975
_GROUPS = 10
_GROUP_ROWS = 100  # 2.5 % of fewer are too few to speak of
_RANGES = 500  # of groups at most, beside those of all rows: a wide table has enough in its first ones


@dataclass(frozen=True)
class _Range:
    """The central 95 % of a numeric column (number ``num``), in the rows with code ``code`` of column ``cat``."""

    num: int
    cat: int | None
    code: int
    low: float
    high: float

    def beyond(self, rows: Coded) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows are asked, and which of those lie below and above."""
        values = rows.numbers[:, self.num]
        asked = ~np.isnan(values)
        if self.cat is not None:
            asked &= rows.codes[:, self.cat] == self.code
        index = np.flatnonzero(asked)
        return index, values[index] < self.low, values[index] > self.high


def reference_range_error(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    *,
    kinds: Kinds | None = None,
) -> Breakdown:
    """How much too many, or too few, synthetic values lie outside the real reference ranges: 0 is best.

    The range of a numeric column runs from the real 2.5 % to its 97.5 % quantile (nulls dropped): for all rows, and for
    each group of 100 rows or more of every categorical column of at most 10 levels. Compared are the shares below and
    above it: |below - below| + |above - above|, with those of the holdout (of ``real``, where there is none).

    Args:
        real, synthetic, holdout: the tables.
        kinds: the columns to use and what they are; by default read from the dtypes of ``real``.

    Returns:
        The mean over ranges, with the mean per numeric column.

    Raises:
        SchemaError: see :func:`synthkit.metrics.tables.resolve_kinds`.

    >>> table = pd.DataFrame({"x": np.arange(1_000.0)})
    >>> reference_range_error(table, table).value
    0.0
    >>> round(reference_range_error(table, table * 0 + 500).value, 2)
    0.05
    """
    found = ReferenceRanges().measure(Case.of(real, synthetic, holdout, kinds=kinds, level="full"))
    return Breakdown(found.value, found.parts)


class ReferenceRanges(Metric):
    """Are as many values beyond the reference ranges as in real rows?"""

    name = "reference_ranges"
    label = "Reference ranges"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    bounds: ClassVar = (0.0, 2.0)
    domain: ClassVar = "medical"
    reading = "The share of values outside the reference ranges is off by {value}"
    definition = (
        "Shares of values below the real 2.5 % and above the 97.5 % quantile, against those of the judging real rows: "
        "sum of the two absolute differences, mean over numeric columns, in all rows and in the groups of every "
        "column of at most 10 levels."
    )

    def measure(self, case: Case) -> Measurement:
        """The mean error; the parts are per numeric column."""
        rows = case.limit(5_000, 20_000, 200_000)
        ranges = case.once("ranges", lambda: _ranges(case.real.coded), of=(case.real,))
        if not ranges:
            return Measurement.nothing("no numeric column with enough rows for a range")
        ours, judge = (t.head(rows, case.rng).coded for t in (case.synthetic, case.judge))
        errors, variances = zip(*(_error(r, ours, judge) for r in ranges), strict=True)
        names = [case.real.coded.num[r.num] for r in ranges]
        frame = pd.DataFrame({"column": pd.Series(names, dtype=object), "error": errors, "variance": variances})
        parts = {name: float(frame.loc[frame["column"] == name, "error"].mean()) for name in dict.fromkeys(names)}
        # ranges of one column share its rows, columns hardly do: standard errors add up inside a column
        errors_of = np.sqrt(frame["variance"]).groupby(pd.factorize(frame["column"])[0]).sum()
        variance = float((errors_of**2).sum()) / len(ranges) ** 2
        value = float(np.mean(errors))
        return Measurement(value, learner_interval(value, variance, self.bounds), parts)


def _ranges(real: Coded) -> list[_Range]:
    groups: list[tuple[int | None, int]] = [(None, -1)]
    for j in range(len(real.cat)):
        levels, counts = np.unique(real.codes[:, j], return_counts=True)
        if 2 <= len(levels) <= _GROUPS:
            groups += [(j, int(c)) for c, n in zip(levels, counts, strict=True) if n >= _GROUP_ROWS]
    found: list[_Range] = []
    for cat, code in groups:  # all rows first, so that a cut leaves every column at least that
        for num in range(len(real.num)):
            if cat is not None and len(found) >= _RANGES:
                return found
            values = real.numbers[slice(None) if cat is None else real.codes[:, cat] == code, num]
            values = values[~np.isnan(values)]
            if len(values) >= _GROUP_ROWS:
                low, high = np.quantile(values, [_LOW, _HIGH])
                found.append(_Range(num, cat, code, float(low), float(high)))
    return found


def _error(found: _Range, ours: Coded, judge: Coded) -> tuple[float, float]:
    """The error of a range and its variance; a group that was lost counts as 1."""
    shares = []
    for rows in (ours, judge):
        index, below, above = found.beyond(rows)
        if not len(index):
            return (1.0, 0.0) if rows is ours else (0.0, 0.0)
        shares.append((below.mean(), above.mean(), len(index)))
    error, variance = 0.0, 0.0
    for tail in (0, 1):
        gap = shares[0][tail] - shares[1][tail]
        error += abs(gap)
        spread = sum(s[tail] * (1 - s[tail]) / s[2] for s in shares)
        # |gap| varies less than gap where the gap is within its own noise
        variance += spread if gap**2 > spread else (1 - 2 / np.pi) * spread
    return float(error), float(variance)
