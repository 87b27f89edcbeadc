"""The energy-I-score: how good an imputation is, from a table with gaps alone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from synthkit.imputation.figures import energy_of_categories, energy_of_numbers
from synthkit.imputation.masks import emptied
from synthkit.runtime import entropy
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.centre import is_quantity, quantities

if TYPE_CHECKING:
    from synthkit.imputation.imputer import Imputer

__all__ = ["energy_i_score", "unfitted"]

_ENOUGH = 20  # rows on either side, below which a column is left out


def energy_i_score(
    table: pd.DataFrame, imputer: Imputer, *, columns: int | None = None, draws: int = 20, seed: int = 0
) -> pd.DataFrame:
    """The energy-I-score of each incomplete column (Näf, Grzesiak & Scornet, "How to rank imputation methods?", 2025).

    Hidden cells whose truth is known lie where the table is observed, and its law may be another where it is not: that
    is why errors on masked cells rank methods wrongly under MAR. So the table is filled once, by draws. Then, for each
    incomplete column j, the method learns from the rows *without* j, as it filled them, what j is given the columns O
    that are observed wherever j is, and draws j in the rows that have it. Where O is empty it is the column that is
    observed with j most often, and rows without that are left out. The score is

        E|draw - draw'| / 2 - E|draw - truth|

    in standard deviations of the column; of categories in distances of their 0/1 indicators. Greater is better. Draws
    from the true conditional law score best, if that is the same whether or not j is observed, given O. As ``crps``, it
    does not depend on the number of draws.

    Args:
        table: with gaps; imputer: any, as it would be fitted to it. It is fitted once, and once per column.
        columns: at most so many, those of the greatest weight; None: all. Fewer than 20 rows with or without j: none.
        seed: an integer for a repeatable score.

    Returns:
        ``column``, ``i_score`` and ``weight``: the share of the rows that have j times the share of those without. The
        score of a table is the mean of their products.
    """
    base = clone(imputer).set_params(
        mode="draw", check=None, add_indicator=False, keep_empty_features=True, method=unfitted(imputer.method)
    )
    if base.target is not None and base.purpose == "prediction":
        table = table.drop(columns=base.target)
    base.set_params(target=None, purpose=None)
    gaps = table.isna().to_numpy()
    weight = gaps.mean(0) * (1 - gaps.mean(0))
    few = np.minimum(gaps.sum(0), (~gaps).sum(0)) < _ENOUGH
    order = [int(j) for j in np.argsort(-weight, kind="stable") if not few[j]][:columns]
    scores: list[float] = []
    if order:
        filled = clone(base).set_params(random_state=entropy(seed, 0) % 2**31).fit_transform(table)
        scores = [_of_column(table, filled, gaps, j, base, draws, entropy(seed, 1, j) % 2**31) for j in order]
    names = pd.Series([table.columns[j] for j in order], dtype=object)
    return pd.DataFrame({"column": names, "i_score": np.asarray(scores, dtype=float), "weight": weight[order]})


def _of_column(
    table: pd.DataFrame, filled: pd.DataFrame, gaps: NDArray[np.bool_], j: int, base: Imputer, draws: int, seed: int
) -> float:
    there = ~gaps[:, j]
    known = [k for k in range(gaps.shape[1]) if k != j and not gaps[there, k].any()]
    if not known and gaps.shape[1] > 1:
        together = (~gaps[there]).sum(0)
        together[j] = -1
        known = [int(together.argmax())]
        there = there & ~gaps[:, known[0]]
    if there.sum() < _ENOUGH:
        return np.nan
    name = table.columns[j]
    part = filled.iloc[:, sorted([j, *known])]
    part = part[[n for n in part.columns if n == name or filled[n].notna().all()]]  # none that is empty throughout
    rows = there | gaps[:, j]
    mask = pd.DataFrame(False, index=part.index, columns=part.columns)
    mask[name] = there
    holes = emptied(part, mask)
    fitted = clone(base).set_params(random_state=seed, schema=_schema_of(base, holes)).fit(holes[rows])
    cells = [copy[name] for copy in fitted.multiple(holes[there], draws)]
    return score_of(table[name][there], table[name].dropna(), cells)


def _schema_of(imputer: Imputer, table: pd.DataFrame) -> object:
    names: list[Hashable] = list(table.columns)
    return None if imputer.schema is None else imputer.schema.project(names)


def score_of(truth: pd.Series, seen: pd.Series, draws: list[pd.Series]) -> float:
    """Half the spread of the draws less their distance to the truth, the mean over the cells."""
    if not is_quantity(seen):
        return -energy_of_categories(draws, truth)
    scale = max(float(quantities(seen).std()), 1e-12)
    return -energy_of_numbers(np.stack([quantities(d) for d in draws]) / scale, quantities(truth) / scale)


def unfitted(method: object) -> object:
    """A fitted synthesizer's model: it has seen what it would be scored on."""
    if isinstance(method, TabularSynthesizer) and "spec_" in method.__dict__:
        return method.spec_
    return method
