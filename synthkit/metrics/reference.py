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
    """The central 95 % of a numeric column (number ``num``), in the rows with code ``code`` of column ``cat``.

    ``near``: two stretches around its ends, of 2.5 % of the rows each.
    """

    num: int
    cat: int | None
    code: int
    low: float
    high: float
    near: tuple[tuple[float, float], tuple[float, float]]

    def beyond(self, rows: Coded) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows are asked, and which of those lie below and above."""
        values = rows.numbers[:, self.num]
        asked = ~np.isnan(values)
        if self.cat is not None:
            asked &= rows.codes[:, self.cat] == self.code
        index = np.flatnonzero(asked)
        return index, values[index] < self.low, values[index] > self.high

    def around(self, rows: Coded, index: NDArray[np.int64]) -> tuple[float, float]:
        """Share of the rows at ``index`` near the lower end, and near the upper one."""
        values = rows.numbers[index, self.num]
        low, high = (float(((start < values) & (values <= stop)).mean()) for start, stop in self.near)
        return low, high


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
        tables = ours, judge, case.real.coded
        errors, moved = np.zeros(len(ranges)), [np.zeros(len(table)) for table in tables]
        for at, one in enumerate(ranges):
            errors[at] = _error(one, tables, moved)
        names = [case.real.coded.num[r.num] for r in ranges]
        parts = pd.Series(errors).groupby(pd.Series(names, dtype=object), sort=False).mean().to_dict()
        value, variance = float(errors.mean()), sum(float((m**2).sum()) for m in moved) / len(ranges) ** 2
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
                found.append(_Range(num, cat, code, *_ends(values)))
    return found


def _ends(values: Array) -> tuple[float, float, tuple[tuple[float, float], tuple[float, float]]]:
    low, high, *near = np.quantile(values, [_LOW, _HIGH, _LOW / 2, 1.5 * _LOW, 1 - 1.5 * _LOW, 1 - _LOW / 2]).tolist()
    return low, high, ((near[0], near[1]), (near[2], near[3]))


def _error(found: _Range, tables: tuple[Coded, Coded, Coded], moved: list[Array]) -> float:
    """The error of a range, synthetic against judging rows; a group that was lost counts as 1.

    To ``moved`` is added how much each row of each table moves the error (its influence: Hampel 1974); the real rows
    move the ends of the range. Rows stand for many ranges, which so count as going together.
    """
    sides = [found.beyond(table) for table in tables]
    if not all(len(index) for index, *_ in sides):
        return float(len(sides[1][0]) > 0)
    around = [found.around(table, side[0]) for table, side in zip(tables, sides, strict=True)]
    error = 0.0
    for tail in (0, 1):
        shares = [float(side[1 + tail].mean()) for side in sides]
        gap = shares[0] - shares[1]
        spread = sum(s * (1 - s) / len(side[0]) for s, side in zip(shares[:2], sides[:2], strict=True))
        # |gap| varies less than gap where the gap is within its own noise
        sign = np.sign(gap) * (1.0 if gap**2 > spread else np.sqrt(1 - 2 / np.pi))
        steeper = (around[0][tail] - around[1][tail]) / max(around[2][tail], 1 / len(sides[2][0]))
        for weight, side, share, influence in zip((1, -1, -steeper), sides, shares, moved, strict=True):
            influence[side[0]] += sign * weight * (side[1 + tail] - share) / len(side[0])
        error += abs(gap)
    return error
