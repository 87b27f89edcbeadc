"""The part that is held back, the fit, and the draw: of single rows, of records of entities, or of some columns."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SynthkitWarning
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["Draw", "draw", "hold_back"]

Synthesizer = Any
"""A ``TabularSynthesizer``, a ``SequenceSynthesizer``, or what has ``fit(table)`` and ``sample(n, seed=)``."""


_CERTIFIED = (r".*hold personal data", r".*free text are replaced")  # the certificate's inventory has them


@dataclass(frozen=True)
class Draw:
    """What was held back, learnt and drawn.

    Attributes:
        train, holdout: the two parts of the real table; the synthesizer saw ``train`` alone.
        synthesizer: the fitted one; table: what it drew.
        seed: of the draw.
        schema: what the columns are, as the synthesizer takes them.
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    synthesizer: Synthesizer
    table: pd.DataFrame
    seed: int
    schema: Schema


def hold_back(
    table: pd.DataFrame, entity: Hashable | None, share: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training part and holdout: rows, or all rows of whole entities, by chance; rows keep their order.

    >>> table = pd.DataFrame({"who": [1, 1, 2, 2, 3, 3, 4, 4], "x": range(8)})
    >>> train, holdout = hold_back(table, "who", 0.25, 0)
    >>> len(train), len(holdout), set(train["who"]) & set(holdout["who"])
    (6, 2, set())
    """
    rng = np.random.default_rng([seed, 11])
    codes: NDArray[np.int64] = np.arange(len(table))
    if entity is not None:
        codes = pd.factorize(table[entity])[0].astype(np.int64)
    units = int(codes.max()) + 1
    held = np.zeros(units, np.bool_)
    held[rng.permutation(units)[: round(share * units)]] = True
    mask = held[codes]
    return table[~mask].reset_index(drop=True), table[mask].reset_index(drop=True)


def draw(
    table: pd.DataFrame,
    parts: tuple[pd.DataFrame, pd.DataFrame],
    synthesizer: Synthesizer,
    *,
    entity: Hashable | None,
    keep: Sequence[Hashable],
    n: int | None,
    seed: int,
) -> Draw:
    """Fit the training part once, and draw once.

    Args:
        table: the whole table; with ``keep``, all its rows are drawn anew but for these columns.
        parts: training part and holdout.
        synthesizer: not fitted.
        entity: whose row it is, where entities have several; None: single rows.
        keep: columns that stay as they are.
        n: rows (or entities) to draw; None: as many as the table has.
        seed: of the draw.
    """
    train, holdout = parts
    with warnings.catch_warnings():
        for told in _CERTIFIED:
            warnings.filterwarnings("ignore", told, SynthkitWarning)
        synthesizer.fit(train)
    if keep and isinstance(synthesizer, SequenceSynthesizer):
        drawn = _kept_records(table, synthesizer, keep, seed)
    elif keep:
        drawn = _kept_rows(table, synthesizer, keep, seed)
    else:
        units = len(table) if entity is None else int(table[entity].nunique())
        drawn = synthesizer.sample(units if n is None else n, seed=seed)
    schema = getattr(synthesizer, "schema_", None) or Schema.infer(train, rules=False)
    return Draw(train, holdout, synthesizer, drawn[list(table.columns)], seed, schema)


def _kept_rows(
    table: pd.DataFrame, synthesizer: TabularSynthesizer, keep: Sequence[Hashable], seed: int
) -> pd.DataFrame:
    given = table[list(keep)].reset_index(drop=True)
    drawn = synthesizer.complete(given, seed=seed)
    for name in keep:
        drawn[name] = given[name]
    return drawn


def _kept_records(
    table: pd.DataFrame, synthesizer: SequenceSynthesizer, keep: Sequence[Hashable], seed: int
) -> pd.DataFrame:
    """Records whose kept columns, order and times are those of the table; keys of entities are fresh.

    Filling draws no nulls, so that rows get the nulls of rows that are drawn freely.
    """
    entity, time = synthesizer.encoder_.entity, synthesizer.encoder_.time
    anew = [name for name in table.columns if name not in keep and name not in (entity, time)]
    emptied = table.reset_index(drop=True).copy()
    for name in anew:
        emptied[name] = _emptied(emptied[name])
    filled = synthesizer.impute(emptied, seed=entropy(seed, 0))
    fresh = synthesizer.sample(int(table[entity].nunique()), seed=entropy(seed, 1))
    rng = np.random.default_rng(entropy(seed, 2))
    rows = rng.integers(0, len(fresh), len(table))
    for name in anew:
        column = filled[name]
        null = fresh[name].isna().to_numpy()[rows]
        filled[name] = (column.mask(null) if null.any() else column).astype(fresh[name].dtype)
    if entity not in keep:
        codes = pd.factorize(table[entity])[0]
        keys = fresh.drop_duplicates(entity)[entity].to_numpy()
        filled[entity] = pd.Series(keys[codes]).astype(fresh[entity].dtype)
    return filled


def _emptied(column: pd.Series) -> pd.Series:
    """The same kind of column without a filled cell."""
    whole = column.astype("Int64") if pd.api.types.is_integer_dtype(column.dtype) else column
    whole = whole.astype("boolean") if pd.api.types.is_bool_dtype(column.dtype) else whole
    return whole.mask(np.ones(len(whole), np.bool_))
