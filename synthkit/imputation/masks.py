"""Which cells to hide, so that filling them can be scored: completely at random, at random, or not at random."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.params import Interval, OneOf, check
from synthkit.runtime import entropy
from synthkit.synthesizers.centre import is_quantity, quantities

__all__ = ["Mechanism", "emptied", "hide", "nullable"]

Mechanism = Literal["observed", "mcar", "mar", "mnar"]
_DRIVERS = 0.3  # share of the columns that decide which other cells are hidden


def hide(table: pd.DataFrame, mechanism: Mechanism = "observed", rate: float = 0.3, *, seed: int = 0) -> pd.DataFrame:
    """Cells to hide: True, of those that are there.

    Args:
        mechanism: "observed": some rows get the patterns of random rows that have gaps, as the table itself loses
            cells; "mcar": every cell with the same probability; "mar": 30 % of the columns stay, and the others are
            hidden by a logistic model of them; "mnar": the same, and those 30 % are then hidden at random, so that
            nobody sees what decided (Zhang et al., "DiffPuter", ICLR 2025, after Muzellec et al., 2020).
        rate: share of all cells that are hidden; with "observed", of the rows that get a pattern.
        seed: an integer for a repeatable mask.

    Returns:
        Booleans of the table's shape, index and columns. At least one cell of each column stays.

    Raises:
        ParamError: an unknown mechanism, a rate that is not between 0 and 1, or "observed" where no cell is empty.
    """
    check("hide", "mechanism", mechanism, OneOf("observed", "mcar", "mar", "mnar"))
    check("hide", "rate", rate, Interval(float, 0, 1, "neither"))
    rng = np.random.default_rng(entropy(seed, 0))
    there = table.notna().to_numpy()
    if mechanism == "observed":
        mask = _patterns(there, rate, rng)
    elif mechanism == "mcar" or table.shape[1] < 2:
        mask = rng.random(there.shape) < rate
    else:
        mask = _driven(table, there, rate, mechanism == "mnar", rng)
    mask &= there
    for j in np.flatnonzero((mask | ~there).all(0) & there.any(0)):  # something of a column must be seen
        mask[rng.choice(np.flatnonzero(there[:, j])), j] = False
    return pd.DataFrame(mask, index=table.index, columns=table.columns)


def _patterns(there: NDArray[np.bool_], rate: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    gaps = np.flatnonzero(~there.all(1) & there.any(1))
    if not len(gaps):
        raise ParamError("hide: argument 'mechanism': 'observed' needs a table with gaps; use 'mcar', 'mar' or 'mnar'.")
    mask: NDArray[np.bool_] = ~there[rng.choice(gaps, size=len(there))]
    mask &= rng.random((len(there), 1)) < rate
    return mask


def _driven(
    table: pd.DataFrame, there: NDArray[np.bool_], rate: float, hidden: bool, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """A logistic model of the driving columns hides the others, at a rate that makes ``rate`` over all cells."""
    columns = table.shape[1]
    order = rng.permutation(columns)
    count = min(max(round(_DRIVERS * columns), 1), columns - 1)
    drivers, others = order[:count], order[count:]
    z = np.stack([_score(table.iloc[:, j], rng) for j in drivers], 1)
    own = rate if hidden else min(rate / (1 - count / columns), 0.95)
    mask = np.zeros(there.shape, dtype=bool)
    for j in others:
        push = z @ rng.normal(size=count)
        push = push / max(push.std(), 1e-9)
        chance = 1 / (1 + np.exp(-(push + _intercept(push, own))))
        mask[:, j] = rng.random(len(table)) < chance
    if hidden:
        mask[:, drivers] = rng.random((len(table), count)) < rate
    return mask


def _score(series: pd.Series, rng: np.random.Generator) -> NDArray[np.float64]:
    """A standardised number for each cell of a column: its own, its moment, or one drawn for its category; gaps: 0."""
    if is_quantity(series):
        numbers = quantities(series)
    else:
        codes, levels = pd.factorize(series)
        numbers = np.append(rng.normal(size=len(levels)), np.nan)[codes]
    spread = np.nanstd(numbers) if np.isfinite(numbers).any() else 0.0
    if not spread > 0:
        return np.zeros(len(series))
    out: NDArray[np.float64] = np.nan_to_num((numbers - np.nanmean(numbers)) / spread)
    return out


def _intercept(push: NDArray[np.float64], rate: float) -> float:
    """Where the mean of the logistic model is ``rate``, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(push + middle)))).mean() < rate else (low, middle)
    return (low + high) / 2


def nullable(series: pd.Series) -> pd.Series:
    """Integers and booleans as their kinds that can be null: as floats, large integers would change."""
    if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "iub":
        return series
    kinds: dict[str, Any] = {"i": "Int64", "u": "UInt64", "b": "boolean"}
    out: pd.Series = series.astype(kinds[series.dtype.kind])
    return out


def emptied(table: pd.DataFrame, mask: pd.DataFrame) -> pd.DataFrame:
    """The table with the cells under the mask empty; integers and booleans become their nullable kinds."""
    out = {}
    for name in table.columns:
        column, gap = table[name], mask[name].to_numpy()
        if gap.any():
            column = nullable(column).mask(gap)
        out[name] = column
    return pd.DataFrame(out, index=table.index)
