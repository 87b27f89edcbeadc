"""Metrics of the domain "credit": stability of columns, their information value, and what a scorecard is worth."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric, Table
from synthkit.metrics.jackknife import Estimate, deal
from synthkit.metrics.scorecard import Bins
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
        bins, rng = Bins.of(case.real.coded), case.rng
        tables = [bins(_limited(case, table).coded) for table in (case.judge, case.synthetic)]
        a, b = (bins.counts(codes, deal(len(codes), rng)) for codes in tables)
        each = _by_column(bins.divergence(a, b[0]), bins.divergence(a[0], b[1:]))
        mean = Estimate.mean(each)
        interval = mean.interval(self.bounds, share=_not_noise(bins, a[0], b[0], each))
        parts = {name: one.value for name, one in zip(bins.names, each, strict=True)}
        return Measurement(mean.value, interval, parts)


def _by_column(first: Array, second: Array) -> list[Estimate]:
    """Per column, of figures ``(1 + groups, columns)`` and ``(groups, columns)``."""
    return [Estimate(float(x[0]), x[1:], y) for x, y in zip(first.T, second.T, strict=True)]


def _not_noise(bins: Bins, a: Array, b: Array, found: list[Estimate]) -> float:
    """Share of the variance by the jackknife that is the index' own.

    Of equal laws and k bins the index is nearly (1/n + 1/m) times chi-square with k - 1 degrees of freedom, of variance
    2 (k - 1) (1/n + 1/m)^2; the jackknife, which takes the found differences for true ones, finds twice as much, and of
    unequal laws that much too much.
    """
    used = np.add.reduceat(((a > 0) | (b > 0)).astype(np.float64), bins.starts)
    rows = [max(1.0, float(np.add.reduceat(c, bins.starts).max())) for c in (a, b)]
    least = 2 * (used - 1) * (1 / rows[0] + 1 / rows[1]) ** 2
    jackknife = np.array([one.variance for one in found])
    total = float(jackknife.sum())
    return float(np.maximum(jackknife - least, np.minimum(least, jackknife)).sum()) / total if total else 1.0


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

        rng = case.rng
        real, ours = (_information(bins, x, y, deal(len(y), rng)) for x, y in sides)
        each = _by_column(np.abs(real - ours[0]), np.abs(real[0] - ours[1:]))
        mean = Estimate.mean(each)
        return Measurement(
            mean.value,
            mean.interval(self.bounds),
            {name: one.value for name, one in zip(bins.names, each, strict=True)},
            details={
                "real": dict(zip(bins.names, real[0].tolist(), strict=True)),
                "synthetic": dict(zip(bins.names, ours[0].tolist(), strict=True)),
            },
        )


def _information(bins: Bins, codes: Codes, bad: NDArray[np.bool_], groups: Codes) -> Array:
    """``(1 + groups, columns)``, of all rows and without each group; 0 where one class is missing: nothing is told."""
    by_class = [_counted(bins, codes, groups, bad == which) for which in (False, True)]
    lacking = (by_class[0].sum(axis=-1) == 0) | (by_class[1].sum(axis=-1) == 0)
    return np.where(lacking[:, None], 0.0, bins.divergence(*by_class))


def _counted(bins: Bins, codes: Codes, groups: Codes, which: NDArray[np.bool_]) -> Array:
    """Counts of some rows; each group of them is left out, also one without any."""
    return bins.counts(codes[which], groups[which], int(groups.max(initial=0)) + 1)
