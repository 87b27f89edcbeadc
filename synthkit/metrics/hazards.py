"""Metrics of the domain "medical": Cox regressions of a time-to-event pair."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.base import Case, Measurement, Table
from synthkit.metrics.learners import learner_interval
from synthkit.metrics.medical import EVENTS, SurvivalMetric, found_in, level_text
from synthkit.metrics.replicate import overlaps
from synthkit.metrics.survival import Cox, concordance, cox
from synthkit.metrics.tables import Coded, Kinds

__all__ = ["CIndexTstr", "HazardRatioOverlap", "c_index_tstr", "hazard_ratio_overlap"]

Array = NDArray[np.float64]
_LEVELS = 8
_COLUMNS = 60


@dataclass(frozen=True)
class _Design:
    """How rows become covariates: standardised numbers, and levels against the most frequent one."""

    num: list[int]
    centre: Array
    scale: Array
    levels: list[tuple[int, int]]
    names: list[Hashable]

    @classmethod
    def of(cls, rows: Coded) -> _Design:
        known = [~np.isnan(rows.numbers[:, j]) for j in range(len(rows.num))]
        num = [j for j, k in enumerate(known) if k.sum() > 1 and np.ptp(rows.numbers[k, j]) > 0][:_COLUMNS]
        values = [rows.numbers[known[j], j] for j in num]
        levels = []
        for j in range(len(rows.cat)):
            count = np.bincount(rows.codes[:, j] + 1)[1:]
            frequent = np.flatnonzero(count >= max(EVENTS, 0.02 * len(rows)))
            order = frequent[np.argsort(-count[frequent], kind="stable")]
            levels += [(j, int(c)) for c in order[1 : _LEVELS + 1]]
        levels = levels[: max(0, _COLUMNS - len(num))]
        centre = np.array([v.mean() for v in values])
        scale = np.array([v.std() for v in values])
        return cls(num, centre, scale, levels, [rows.num[j] for j in num] + [rows.cat[j] for j, _ in levels])

    def labels(self, table: Table) -> list[str]:
        """The level that a covariate stands for, as text; empty of a number."""
        names = self.names[len(self.num) :]
        return [""] * len(self.num) + [level_text(table, n, c) for n, (_, c) in zip(names, self.levels, strict=True)]

    def __call__(self, rows: Coded) -> Array:
        """``(rows, covariates)``; a null number counts as the mean, a null category as the reference level."""
        numbers = np.nan_to_num((rows.numbers[:, self.num] - self.centre) / self.scale)
        flags = [(rows.codes[:, j] == c).astype(float)[:, None] for j, c in self.levels]
        return np.concatenate([numbers.clip(-10, 10), *flags], axis=1)


class CoxMetric(SurvivalMetric):
    """A metric that fits Cox regressions."""

    group: ClassVar = "utility"

    def design(self, case: Case) -> _Design:
        """Covariates, by the real rows."""
        real = self.followed(case, case.real)
        assert real is not None
        return case.once(("design", case.time, case.event), lambda: _Design.of(real.rows), of=(case.real,))

    def model(self, case: Case, table: Table) -> Cox:
        """The regression of a table; fitted once."""
        rows, design = self.followed(case, table), self.design(case)
        assert rows is not None
        return case.once(
            ("cox", case.time, case.event), lambda: cox(design(rows.rows), rows.time, rows.event), of=(table, case.real)
        )


class HazardRatioOverlap(CoxMetric):
    """Would a Cox regression say the same?"""

    name = "hazard_ratio_overlap"
    label = "Overlap of hazard ratios"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    culprit = "independent"
    reading = "The intervals of hazard ratios overlap with the real ones by {value}"
    definition = (
        "Mean overlap (Karr et al. 2006) of the 95 % intervals of the log hazard ratios of two Cox (1972) regressions, "
        "of synthetic and of real rows, on all other columns (numbers per standard deviation, levels against the most "
        "frequent); of intervals that are apart, minus their distance in widths, -1 at the lowest."
    )

    def compare(self, case: Case) -> Measurement:
        """The mean overlap; the parts are per column; coefficients are in the details."""
        names = self.design(case).names
        if not names:
            return Measurement.nothing("no column to regress the time on")
        real, ours = self.model(case, case.real), self.model(case, case.synthetic)
        each = overlaps(real.intervals, ours.intervals, lowest=-1.0)
        parts = pd.Series(each).groupby(pd.factorize(pd.Series(names, dtype=object))[0]).mean()
        variance = float(np.var(_redrawn(real, ours, case.rng), ddof=1))
        value = float(each.mean())
        table = pd.DataFrame(
            {
                "covariate": pd.Series(names, dtype=object),
                "level": pd.Series(self.design(case).labels(case.real), dtype=object),
                "real": real.coefficients,
                "real_low": real.intervals[:, 0],
                "real_high": real.intervals[:, 1],
                "synthetic": ours.coefficients,
                "synthetic_low": ours.intervals[:, 0],
                "synthetic_high": ours.intervals[:, 1],
                "overlap": each,
            }
        )
        unique = list(dict.fromkeys(names))
        return Measurement(
            value,
            learner_interval(value, variance, self.bounds),
            dict(zip(unique, parts.tolist(), strict=True)),
            details={"coefficients": table},
        )


def _redrawn(real: Cox, ours: Cox, rng: np.random.Generator) -> Array:
    """The mean overlap where both tables are drawn again: coefficients from their normal laws."""
    shifts = [
        rng.multivariate_normal(np.zeros(len(m.coefficients)), m.covariance, 200, method="eigh")[:, :, None]
        for m in (real, ours)
    ]
    return overlaps(real.intervals + shifts[0], ours.intervals + shifts[1], lowest=-1.0).mean(axis=1)


class CIndexTstr(CoxMetric):
    """Cox regression trained on synthetic, concordance on real rows."""

    name = "c_index_tstr"
    label = "C-index, train on synthetic"
    goal = "higher"
    best = 1.0
    needs: ClassVar = ("survival", "holdout")
    culprit = "independent"
    reading = "A Cox regression learnt from synthetic rows ranks holdout rows with a C-index of {value}"
    definition = (
        "Harrell's (1982) concordance, on the holdout, of a Cox regression fitted to synthetic rows: share of "
        "comparable pairs whose order of risk is right, .5 by chance; beside it the same fitted to real rows."
    )

    def compare(self, case: Case) -> Measurement:
        """The concordance; that of the regression of real rows is in the parts."""
        design, test = self.design(case), self.followed(case, case.judge)
        assert test is not None
        if not design.names:
            return Measurement.nothing("no column to regress the time on")
        x = design(test.rows)[: case.limit(2_000, 5_000, 10_000)]
        time, event = test.time[: len(x)], test.event[: len(x)]
        ours, real = self.model(case, case.synthetic), self.model(case, case.real)
        value, variance = concordance(x @ ours.coefficients, time, event)
        if np.isnan(value):
            return Measurement.nothing("the holdout has no comparable pair")
        few = slice(0, 500)
        draws = case.rng.multivariate_normal(ours.coefficients, ours.covariance, 20, method="eigh")
        scores = [concordance(x[few] @ beta, time[few], event[few])[0] for beta in draws]
        training = float(np.nan_to_num(np.var(scores, ddof=1)))
        ceiling = concordance(x @ real.coefficients, time, event)[0]
        return Measurement(
            value,
            learner_interval(value, variance + training, self.bounds),
            {"trained on synthetic": value, "trained on real": ceiling},
            details={"trained on real": ceiling},
        )


# -------------------------------------------------------------------- on DataFrames
def hazard_ratio_overlap(
    real: pd.DataFrame, synthetic: pd.DataFrame, time: Hashable, event: Hashable, *, kinds: Kinds | None = None
) -> pd.DataFrame:
    """Log hazard ratios of Cox regressions on both tables, side by side, with the overlap of their 95 % intervals.

    Args, errors: as for :func:`synthkit.metrics.medical.survival_gap`.

    Returns:
        One row per covariate: ``covariate`` (its column), ``level`` (of a category), ``real``, ``real_low``,
        ``real_high``, ``synthetic``, ``synthetic_low``, ``synthetic_high`` and ``overlap`` (1 is best; below 0, to -1,
        they are apart).

    >>> table = pd.DataFrame({"t": range(60), "dead": [True, False] * 30, "x": [1, 2, 3] * 20})
    >>> hazard_ratio_overlap(table, table, "t", "dead")["overlap"].tolist()
    [1.0]
    """
    case = Case.of(real, synthetic, kinds=kinds, time=time, event=event, level="full")
    return found_in("hazard_ratio_overlap", HazardRatioOverlap(), case).details["coefficients"]


def c_index_tstr(
    train: pd.DataFrame, test: pd.DataFrame, time: Hashable, event: Hashable, *, kinds: Kinds | None = None
) -> float:
    """Concordance on ``test`` of a Cox regression fitted to ``train``: .5 by chance, 1 is best.

    Args, errors: as for :func:`synthkit.metrics.medical.survival_gap`.

    >>> table = pd.DataFrame({"t": range(60), "dead": [True, False] * 30, "x": range(60)})
    >>> c_index_tstr(table, table, "t", "dead")
    1.0
    """
    case = Case.of(train, train, test, kinds=kinds, time=time, event=event, level="full")
    return found_in("c_index_tstr", CIndexTstr(), case).value
