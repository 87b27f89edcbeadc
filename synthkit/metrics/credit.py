"""Metrics of the domain "credit": stability of columns, their information value, and what a scorecard is worth."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.learners import learner_interval
from synthkit.metrics.scorecard import Bins, divergence
from synthkit.metrics.tables import Breakdown, Kinds

__all__ = [
    "InformationValueGap",
    "PopulationStability",
    "information_value_gap",
    "population_stability",
    "two_classes",
]

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def population_stability(real: pd.DataFrame, synthetic: pd.DataFrame, *, kinds: Kinds | None = None) -> Breakdown:
    """The population stability index per column, and its mean: 0 is best; above .1 is a shift, above .25 a strong one.

    Sum over bins of (p - q) ln(p / q), with the shares p of the real and q of the synthetic rows. Numbers are cut at
    the real deciles, of categories the 20 most frequent have a bin each; null is a bin. A bin that
    one table has nothing in counts as half a row there.

    Args:
        real, synthetic: the tables.
        kinds: the columns to use and what they are; by default read from the dtypes of ``real``.

    Raises:
        SchemaError: see :func:`synthkit.metrics.tables.resolve_kinds`.

    >>> real = pd.DataFrame({"g": ["a"] * 50 + ["b"] * 50})
    >>> shifted = pd.DataFrame({"g": ["a"] * 60 + ["b"] * 40})
    >>> round(population_stability(real, shifted).value, 4)  # .1 ln(.6 / .5) - .1 ln(.4 / .5)
    0.0405
    """
    found = PopulationStability().measure(Case.of(real, synthetic, kinds=kinds, level="full"))
    return Breakdown(found.value, found.parts)


class PopulationStability(Metric):
    """Have the columns shifted, as a bank's monitoring would see it?"""

    name = "psi"
    label = "Population stability index"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    bounds: ClassVar = (0.0, float("inf"))
    domain: ClassVar = "credit"
    reading = "The population stability index of the columns is {value} on average"
    definition = (
        "Population stability index, mean over columns: sum of (p - q) ln(p / q) over real deciles or levels (Siddiqi "
        "2006). Above .1 counts as a shift, above .25 as a strong one."
    )

    def measure(self, case: Case) -> Measurement:
        """The mean; the parts are per column."""
        bins = Bins.of(case.real.coded)
        judge, ours = _limited(case, case.judge), _limited(case, case.synthetic)
        a, b = bins(judge.coded), bins(ours.coded)

        each = divergence(bins, a, b)
        value, rng = float(each.mean()), case.rng
        draws = []
        for _ in range(case.limit(10, 30, 50)):
            i, j = (rng.integers(0, len(x), len(x)) for x in (a, b))
            draws.append(divergence(bins, a[i], b[j]).mean())
        names = bins.names
        return Measurement(
            value,
            learner_interval(value, float(np.var(draws, ddof=1)), self.bounds),
            dict(zip(names, each.tolist(), strict=True)),
        )


def _limited(case: Case, table: Table) -> Table:
    """At most 10,000 (50,000, 500,000) rows, fewer of a wide table: they are drawn again for the interval."""
    cells = case.limit(200_000, 1_000_000, 20_000_000)
    rows = min(case.limit(10_000, 50_000, 500_000), max(1_000, cells // len(case.kinds)))
    return table.head(rows, case.rng)


# -------------------------------------------------------------------- information value
def information_value_gap(
    real: pd.DataFrame, synthetic: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None
) -> Breakdown:
    """Mean absolute difference of the columns' information values in the two tables: 0 is best.

    The information value of a column is the sum over bins of (g - b) ln(g / b), with the shares g of the rows of one
    class and b of those of the other that fall into the bin; bins as for :func:`population_stability`.

    Args:
        real, synthetic: the tables.
        target: a column of two classes, in both tables.
        kinds: the columns to use and what they are; by default read from the dtypes of ``real``.

    Raises:
        ParamError: the target is not among the columns. SchemaError: it has not two classes in ``real``.

    >>> table = pd.DataFrame({"g": ["a", "a", "b", "b"] * 25, "y": ["n", "n", "n", "y"] * 25})
    >>> information_value_gap(table, table, "y").value
    0.0
    """
    case = Case.of(real, synthetic, kinds=kinds, target=target, level="full")
    if target not in case.kinds:
        raise ParamError(f"information_value_gap: argument 'target': the tables have no column {target!r}.")
    found = InformationValueGap().measure(case)
    if found.note:
        raise SchemaError(f"information_value_gap: {found.note}; pass another target or more rows.")
    return Breakdown(found.value, found.parts)


def two_classes(case: Case) -> str:
    """Why the target has not two classes; empty where it has."""
    if case.target is None:
        return "needs target"
    if case.target not in case.kinds or len(case.kinds) < 2:
        return "needs a target among the columns that are compared, and others"
    y = case.real.coded.column(case.target)
    return "" if len(np.unique(y[~np.isnan(y)])) == 2 else "needs a target of two classes"


class InformationValueGap(Metric):
    """Do the columns tell as much of the target?"""

    name = "information_value_gap"
    label = "Information value difference"
    group = "utility"
    goal = "lower"
    best = 0.0
    bounds: ClassVar = (0.0, float("inf"))
    needs: ClassVar = ("target",)
    culprit = "independent"
    domain: ClassVar = "credit"
    reading = "Information values are off by {value} on average"
    definition = (
        "Absolute difference of a column's information value, sum of (g - b) ln(g / b) over its bins (Siddiqi 2006), "
        "in synthetic and in real rows; mean over columns. The target needs two classes."
    )

    def measure(self, case: Case) -> Measurement:
        """The mean; the parts are per column; the values themselves are in the details."""
        reason = two_classes(case)
        if reason:
            return Measurement.nothing(reason)
        bins = Bins.of(case.real.coded.without(case.target))
        classes = np.unique(case.real.coded.column(case.target))
        sides = []
        for table in (_limited(case, case.judge), _limited(case, case.synthetic)):
            y = table.coded.column(case.target)
            known = np.isin(y, classes[~np.isnan(classes)])
            sides.append((bins(table.coded.without(case.target))[known], y[known] == classes[1]))
        if any(y.all() or not y.any() for _, y in sides[:1]):
            return Measurement.nothing("the target has only one class in the judging rows")

        real, ours = (_information(bins, x, y) for x, y in sides)
        each = np.abs(real - ours)
        value, draws = float(each.mean()), []
        rng = case.rng
        for _ in range(case.limit(10, 30, 50)):
            again = []
            for x, y in sides:
                i = rng.integers(0, len(x), len(x))
                again.append(_information(bins, x[i], y[i]))
            draws.append(np.abs(again[0] - again[1]).mean())
        return Measurement(
            value,
            learner_interval(value, float(np.var(draws, ddof=1)), self.bounds),
            dict(zip(bins.names, each.tolist(), strict=True)),
            details={
                "real": dict(zip(bins.names, real.tolist(), strict=True)),
                "synthetic": dict(zip(bins.names, ours.tolist(), strict=True)),
            },
        )


def _information(bins: Bins, codes: Codes, bad: NDArray[np.bool_]) -> Array:
    """Per column; 0 where one class is missing, as nothing is told of it."""
    if bad.all() or not bad.any():
        return np.zeros(len(bins.names))
    return divergence(bins, codes[~bad], codes[bad])
