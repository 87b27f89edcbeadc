"""Does what a model learns from a table treat groups alike, on real rows, and what does that cost?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.learners import Grade, fit_learner, grade
from synthkit.metrics.tables import Coded, Kinds, code_tables, column_list
from synthkit.metrics.utility import checked_target, refuse_null, target_size

__all__ = ["Fairness", "fairness"]

Floats = NDArray[np.float64]
_FEWEST = 20  # rows of a group


@dataclass(frozen=True)
class Fairness:
    """How groups fare in a table, and with a model that is trained on it and tested on real rows.

    A gap is the greatest less the smallest figure of a group of 20 rows or more, of the class ``positive``, where the
    target is filled.

    Attributes:
        positive: the class that is looked at, the rarer one of two unless said otherwise.
        table_gap: of the class's share in the table (demographic parity); real_gap: the same in the real rows.
        model_gap: of the share of real rows that the model takes for it, as many in all as the table has.
        score_gap: of the model's mean probability. opportunity_gap: of the share of real positive rows that are found.
        auc: of the model on the real rows; auc_loss: by how much that is below a model of ``plain``'s (NaN without).
        per_group: a line per group: rows, shares and mean probability.
    """

    positive: Any
    table_gap: float
    real_gap: float
    model_gap: float
    score_gap: float
    opportunity_gap: float
    auc: float
    auc_loss: float
    per_group: pd.DataFrame

    def __str__(self) -> str:
        lost = "" if np.isnan(self.auc_loss) else f" ({self.auc_loss:+.3f} lost)"
        return "\n".join(
            [
                "gaps between groups, and a model of the table on real rows",
                f"  share in the table        {self.table_gap:.3f} (in the real rows {self.real_gap:.3f})",
                f"  share the model gives     {self.model_gap:.3f}",
                f"  mean probability          {self.score_gap:.3f}",
                f"  positives that are found  {self.opportunity_gap:.3f}",
                f"  AUC                       {self.auc:.3f}{lost}",
            ]
        )


def fairness(
    real: pd.DataFrame,
    table: pd.DataFrame,
    *,
    target: Hashable,
    protected: Hashable | Sequence[Hashable],
    plain: pd.DataFrame | None = None,
    positive: Any = None,
    kinds: Kinds | None = None,
    seed: int = 0,
) -> Fairness:
    """Train a model on ``table`` and look at how it treats groups of real rows.

    Gradient boosting that may use every column but the target, the protected ones too. Even where the target does not
    depend on the group in the table, the model may: other columns of real rows tell the group.

    Args:
        real: rows that no generator saw; table: draws, of :meth:`synthkit.TabularSynthesizer.fair`, say.
        target: a categorical or boolean column; protected: one such column or several (their combinations).
        plain: draws of the same generator without fairness, for the AUC that was lost.
        positive: the class that is looked at; by default the rarer one in ``real``.
        kinds: the columns to use and what they are; by default read from the dtypes.
        seed: of the models.

    Raises:
        ParamError: a column is missing, the target is a number, or ``positive`` is none of its classes.
        SchemaError: fewer than two groups of 20 real rows, only one class, or a table without a target.

    >>> rng = np.random.default_rng(0)
    >>> sex, x = rng.choice(["f", "m"], 2000), rng.normal(size=2000)
    >>> table = pd.DataFrame({"sex": sex, "x": x, "y": np.where(x + (sex == "m") > 0.5, "yes", "no")})
    >>> found = fairness(table.head(1000), table.tail(1000), target="y", protected="sex")
    >>> found.model_gap > 0.2, found.auc > 0.95
    (True, True)
    """
    tables = (real, table) if plain is None else (real, table, plain)
    kinds = checked_target("fairness", tables, target, kinds)
    names = column_list(protected, kinds)
    if not names:
        raise ParamError("fairness: argument 'protected' names no column.")
    for name in names:
        if name not in kinds or name == target:
            raise ParamError(f"fairness: argument 'protected': there is no column {name!r} besides the target.")
    coded = code_tables(*tables, kinds=kinds)
    if target not in coded[0].cat:
        raise ParamError(f"fairness: argument 'target': column {target!r} is a number; cut it into classes first.")
    for drawn in coded[1:]:
        refuse_null("fairness", drawn, coded[0], target)
    test = coded[0].take(np.flatnonzero(coded[0].column(target) >= 0))
    group, labels = _groups(real, test, coded[0], target, names)
    code, positive = _positive(real, coded[0], target, positive)
    ours = _judged(coded[1], test, target, code, group, seed)
    lost = float("nan")
    if plain is not None:
        lost = _judged(coded[2], test, target, code, group, seed).grade.value - ours.grade.value
    truth = test.column(target) == code
    lines = _lines(truth, ours, group, labels)
    in_table = _shares(table, coded[1], target, code, names)
    return Fairness(
        positive,
        _gap(in_table),
        _gap(lines["share"]),
        _gap(lines["given"]),
        _gap(lines["mean probability"]),
        _gap(lines["found"]),
        ours.grade.value,
        lost,
        lines,
    )


@dataclass(frozen=True)
class _Model:
    grade: Grade
    chance: Floats
    given: NDArray[np.bool_]


def _groups(
    real: pd.DataFrame, test: Coded, whole: Coded, target: Hashable, names: list[Hashable]
) -> tuple[NDArray[np.int64], pd.Index]:
    kept = real.iloc[np.flatnonzero(whole.column(target) >= 0)]
    grouped = kept.groupby(names, dropna=False, observed=True)
    group: NDArray[np.int64] = np.asarray(grouped.ngroup(), np.int64)
    sizes = grouped.size()
    if (sizes >= _FEWEST).sum() < 2:
        raise SchemaError(f"fairness: fewer than two groups of {_FEWEST} real rows; merge groups or pass more rows.")
    return group, sizes.index


def _positive(real: pd.DataFrame, coded: Coded, target: Hashable, positive: Any) -> tuple[int, Any]:
    codes = coded.column(target)
    known = codes[~np.isnan(codes)].astype(np.int64)
    counts = np.bincount(known[known >= 0])
    if (counts > 0).sum() < 2:
        raise SchemaError(f"fairness: column {target!r} has one class in the real rows.")
    if positive is None:
        code = int(np.where(counts > 0, counts, np.inf).argmin())
        return code, real[target].iloc[int(np.flatnonzero(codes == code)[0])]
    at = np.flatnonzero((real[target] == positive).to_numpy(np.bool_, na_value=False))
    if not len(at):
        raise ParamError(f"fairness: argument 'positive' is no class of column {target!r} in the real rows.")
    return int(codes[at[0]]), positive


def _judged(train: Coded, test: Coded, target: Hashable, code: int, group: NDArray[np.int64], seed: int) -> _Model:
    learner = fit_learner(train, target, seed=seed)
    answers = learner.predict(test, target_size(test, target))
    chance = answers[:, code]
    known = train.column(target)
    many = round(float((known[known >= 0] == code).mean()) * len(chance))
    given = np.zeros(len(chance), np.bool_)
    given[np.argsort(-chance, kind="stable")[:many]] = True
    truth = (test.column(target) == code).astype(np.float64)
    pair = np.stack([1 - chance, chance], axis=1)
    return _Model(grade(truth, pair, categorical=True), chance, given)


def _lines(truth: NDArray[np.bool_], model: _Model, group: NDArray[np.int64], labels: pd.Index) -> pd.DataFrame:
    sizes = np.bincount(group)
    frame = pd.DataFrame(
        {
            "rows": sizes,
            "share": np.bincount(group, truth) / sizes,
            "given": np.bincount(group, model.given) / sizes,
            "mean probability": np.bincount(group, model.chance) / sizes,
            "found": np.bincount(group, model.given & truth) / np.maximum(np.bincount(group, truth), 1),
        },
        index=labels,
    )
    frame.loc[np.bincount(group, truth) == 0, "found"] = np.nan
    return frame[frame["rows"] >= _FEWEST]


def _shares(table: pd.DataFrame, coded: Coded, target: Hashable, code: int, names: list[Hashable]) -> pd.Series:
    codes = coded.column(target)
    filled = np.flatnonzero(codes >= 0)
    hit = pd.Series((codes[filled] == code).astype(np.float64))
    keys = [table[name].iloc[filled].reset_index(drop=True) for name in names]
    grouped = hit.groupby(keys, dropna=False, observed=True)
    return grouped.mean()[grouped.size() >= _FEWEST]


def _gap(figures: pd.Series) -> float:
    known = figures.dropna()
    return float(known.max() - known.min()) if len(known) else float("nan")
