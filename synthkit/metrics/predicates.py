"""Singling out: do conditions that hold for one synthetic row hold for exactly one training row, too?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement
from synthkit.metrics.rates import LEAST, Risk, RiskMetric, judged
from synthkit.metrics.surroundings import pick
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["SinglingOut", "singling_out"]

_TIMES = 2  # training rows per holdout row, at most
_BINS = 20  # a condition on a number: that it lies between two neighbouring quantiles of so many
Ints = NDArray[np.int64]


def singling_out(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    predicates: int = 1000,
    seed: int = 0,
) -> dict[str, Risk]:
    """Risk that the synthetic table isolates a person: a predicate that it suggests holds for exactly one training row.

    After Giomi et al. (2022), with predicates of our own. ``"univariate"``: a column equals a value that one synthetic
    row has, or lies beyond all synthetic values. ``"multivariate"``: a synthetic row's columns, in random order, are
    joined by "and" until no other synthetic row fits; numbers by ranges between 20 quantiles. In larger tables
    fewer rows are alone: of the training table at most twice as many rows are used as there are holdout rows, and the
    holdout's rate is that of a table so large.

    Args:
        synthetic, train, holdout: the tables.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        predicates: of each sort, at most.
        seed: of the subsamples and the predicates.

    Returns:
        The risk of each sort of predicates; a sort that the table suggests none of is left out.

    Raises:
        SchemaError: fewer than 20 rows in a table.

    >>> rng = np.random.default_rng(0)
    >>> train, holdout = (pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc")) for _ in range(2))
    >>> singling_out(train, train, holdout)["univariate"].train > 0.9
    True
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    if min(len(s), len(t), len(h)) < LEAST:
        raise SchemaError(f"singling_out: needs at least {LEAST} rows in each table.")
    return _singled_out(s, t, h, seed=seed, count=predicates)


def _singled_out(s: Coded, t: Coded, h: Coded, *, seed: int, count: int) -> dict[str, Risk]:
    rng = np.random.default_rng([seed, 6])
    members = t.take(pick(rng, len(t), _TIMES * len(h)))
    controls = h.take(pick(rng, len(h), len(members)))
    found = {
        "multivariate": _multivariate(s, members, controls, rng, count),
        "univariate": _univariate(s, members, controls, rng, count),
    }
    return {name: risk for name, risk in found.items() if risk is not None}


def _of_table(held: Ints, times: float) -> NDArray[np.float64]:
    """From how many control rows a predicate holds for: the chance that it holds for exactly one of ``times`` as many.

    The unbiased estimate (of a Poisson count ``c``: ``times * c * (1 - times) ** (c - 1)``), so that a training table
    need not be cut down to the holdout's size. Above 4 that chance is next to nothing, and is taken as 0.
    """
    return np.where(held <= 4, times * held * (1.0 - times) ** np.maximum(held - 1, 0), 0.0)


def _risk(owner: Ints, held: Ints, rows: tuple[int, int], naive: float) -> Risk:
    """From the training row that each predicate isolates (-1: none), and how many control rows it holds for.

    Predicates that isolate the same row are not independent; so many count as would be as certain, and never more than
    the tables have ``rows``.
    """
    n, train = len(owner), float((owner >= 0).mean())
    sums = np.bincount(owner[owner >= 0]) * (1 - train)
    spread = (float((sums**2).sum()) + n * (1 - train) * train**2) / n**2
    chances = _of_table(held, rows[0] / rows[1])
    control = float(np.clip(chances.mean(), 0.0, 1.0))
    return Risk(
        train,
        control,
        _size(train, spread, min(n, rows[0])),
        _size(control, float(chances.var()) / n, min(n, rows[1])),
        naive,
    )


def _size(rate: float, variance: float, n: int) -> int:
    return max(1, min(n, round(rate * (1 - rate) / variance))) if variance > 0 and 0 < rate < 1 else n


# -------------------------------------------------------------------- one column
def _univariate(s: Coded, t: Coded, h: Coded, rng: np.random.Generator, count: int) -> Risk | None:
    """Columns are tried by sorting: how often is the value there, or how many rows lie beyond?"""
    columns = [(x.numbers[:, j] for x in (s, t, h)) for j in range(len(s.num))]
    columns += [(np.where(x.codes[:, j] < 0, np.nan, x.codes[:, j]) for x in (s, t, h)) for j in range(len(s.cat))]
    found: list[NDArray[np.int64]] = []
    for j, (own, *others) in enumerate(columns):
        levels, times = np.unique(own[~np.isnan(own)], return_counts=True)
        if not len(levels):
            continue
        alone = levels[times == 1]
        fits = [_holding(other, alone) for other in others]
        if j < len(s.num):
            ends = [_beyond(other, levels[0], levels[-1]) for other in others]
            fits = [np.concatenate([part, end], axis=1) for part, end in zip(fits, ends, strict=True)]
        found.append(np.stack([fits[0][0], fits[1][1]]))
    if not found or not sum(f.shape[1] for f in found):
        return None
    tried = np.concatenate(found, axis=1)
    tried = tried[:, pick(rng, tried.shape[1], count)]
    # the naive guess: a value that is nowhere near the data isolates nobody
    return _risk(tried[0], tried[1], (len(t), len(h)), 0.0)


def _holding(column: NDArray[np.float64], values: NDArray[np.float64]) -> Ints:
    """``(2, values)``: the row that alone has the value (-1: none, or several have it), and how many rows have it."""
    order = np.argsort(column, kind="stable")
    ranked = column[order]
    left, right = np.searchsorted(ranked, values, "left"), np.searchsorted(ranked, values, "right")
    return np.stack([np.where(right - left == 1, order[np.minimum(left, len(order) - 1)], -1), right - left])


def _beyond(column: NDArray[np.float64], low: float, high: float) -> Ints:
    """The same of the two predicates "below all synthetic values" and "above all"."""
    there = [np.flatnonzero(column < low), np.flatnonzero(column > high)]
    return np.array([[int(x[0]) if len(x) == 1 else -1 for x in there], [len(x) for x in there]])


# -------------------------------------------------------------------- several columns
def _multivariate(s: Coded, t: Coded, h: Coded, rng: np.random.Generator, count: int) -> Risk | None:
    synthetic, train, control = (_Index(columns) for columns in _cells(s, t, h))
    owners, held, naive = [], [], []
    for row in rng.integers(0, len(s), count):
        order = rng.permutation(len(synthetic.columns))
        mixed = rng.integers(0, len(s), len(order))
        values = np.array([column[row] for column in synthetic.columns])
        used = synthetic.until_alone(values, order)
        if not len(used):  # its like is there twice
            continue
        fit = train.fitting(used, values)
        owners.append(int(fit[0]) if len(fit) == 1 else -1)
        held.append(len(control.fitting(used, values)))
        # as many conditions, each from another synthetic row: what chance combinations isolate
        others = np.array([column[i] for column, i in zip(synthetic.columns, mixed, strict=True)])
        naive.append(len(train.fitting(used, others)) == 1)
    if not owners:
        return None
    return _risk(np.array(owners), np.array(held), (len(t), len(h)), float(np.mean(naive)))


def _cells(*tables: Coded) -> list[list[Ints]]:
    """Columns as codes: categories, and numbers by the quantiles of the first table; 0 is null."""
    out = [[x.codes[:, j] + 1 for j in range(len(x.cat))] for x in tables]
    for j in range(len(tables[0].num)):
        own = tables[0].numbers[:, j]
        known = own[~np.isnan(own)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.zeros(0)
        for columns, x in zip(out, tables, strict=True):
            values = x.numbers[:, j]
            columns.append(np.where(np.isnan(values), 0, np.searchsorted(edges, values, "right") + 1))
    return out


class _Index:
    """The rows of a table by column and code, so that a condition is looked up instead of tried on all rows."""

    def __init__(self, columns: list[Ints]) -> None:
        self.columns = [np.ascontiguousarray(column) for column in columns]
        self._orders = [np.argsort(column, kind="stable") for column in self.columns]
        self._ends = [np.concatenate([[0], np.cumsum(np.bincount(column))]) for column in self.columns]

    def rows(self, j: int, value: int) -> Ints:
        """Those that have the value in column ``j``."""
        ends = self._ends[j]
        return self._orders[j][ends[value] : ends[value + 1]] if value + 1 < len(ends) else self._orders[j][:0]

    def fitting(self, used: Ints, values: Ints) -> Ints:
        """The rows that have ``values[j]`` in each column ``j`` of ``used``."""
        groups = {int(j): self.rows(j, values[j]) for j in used}
        first = min(groups, key=lambda j: len(groups[j]))
        fit = groups.pop(first)
        for j in groups:
            fit = fit[self.columns[j][fit] == values[j]]
        return fit

    def until_alone(self, values: Ints, order: Ints) -> Ints:
        """The first columns of the order that a single row fits; none where all of them do not do."""
        fit = self.rows(order[0], values[order[0]])
        for i, j in enumerate(order):
            fit = fit[self.columns[j][fit] == values[j]] if i else fit
            if len(fit) == 1:
                return order[: i + 1]
        return order[:0]


class SinglingOut(RiskMetric):
    """Risk that predicates of the synthetic table isolate training rows; see :func:`singling_out`."""

    name = "singling_out"
    label = "Singling-out risk"
    reading = "Beyond what holdout rows allow, an attacker singles out training rows at a risk of {value}"
    definition = (
        "How much oftener a predicate on several columns that fits one synthetic row fits exactly one training row "
        "than exactly one holdout row, as a share of what is possible (after Giomi et al. 2022)."
    )

    def attack(self, case: Case, s: Coded, t: Coded, h: Coded) -> Measurement:
        """The risk; its parts are rates, and the risk of predicates on one column.

        The latter does not count in the value: whoever repeats a value that one person has discloses the value, even
        where no row is repeated. Protect the extremes and rare values of the columns against that.
        """
        risks = _singled_out(s, t, h, seed=case.seed, count=case.limit(500, 2000, 5000))
        if "multivariate" not in risks:
            return Measurement.nothing(
                "no combination of values fits a single synthetic row: the columns are too coarse"
            )
        risk = risks["multivariate"]
        parts = {"training rows": risk.train, "holdout rows": risk.control, "naive guess": risk.naive}
        if "univariate" in risks:
            parts["risk by one column"] = risks["univariate"].value
        found = judged(risk, parts, risks=risks)
        if "univariate" in risks and risks["univariate"].interval()[0] > 0:
            note = "values that a single training row has are repeated"
            found = replace(found, note="; ".join(filter(None, (found.note, note))))
        return found
