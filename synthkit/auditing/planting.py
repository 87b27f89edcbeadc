"""Canaries: rows of common values that are unique only as a combination."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.auditing.fits import Subject
from synthkit.errors import SchemaError
from synthkit.metrics.copies import row_hashes
from synthkit.metrics.tables import code_tables

__all__ = ["blocks", "make_canaries", "planted_table"]

_ROUNDS = 20  # of drawing, until enough combinations are new
_MIDDLE = (0.05, 0.95)  # quantiles: a number of a column without common values is drawn between them


def blocks(subject: Subject) -> list[list[Hashable]]:
    """Columns that a rule ties together, which are drawn from one real row, so that canaries keep the rules."""
    groups = [{name} for name in subject.kinds]
    for rule in subject.schema.rules:
        tied = [g for g in groups if g & set(rule.columns)]
        groups = [g for g in groups if g not in tied] + ([set().union(*tied)] if tied else [])
    return [[name for name in subject.kinds if name in group] for group in groups]


def make_canaries(subject: Subject, count: int, common: int, rng: np.random.Generator) -> pd.DataFrame:
    """``count`` rows, each cell drawn among values that ``common`` rows have, column by column (or block by block).

    A number whose column has hardly any common value is drawn between the column's 5 % and 95 % quantiles. No row is
    in the table, none is there twice.

    Raises:
        SchemaError: the table has too few combinations for so many new ones.
    """
    usable = {name: _common(subject.table[name], subject.kinds[name], common) for name in subject.kinds}
    parts = blocks(subject)
    pools = []
    for part in parts:
        every = np.logical_and.reduce([usable[name] for name in part])
        pools.append(np.flatnonzero(every) if every.sum() >= common else np.arange(len(subject.table)))
    kept: list[pd.DataFrame] = []
    have = 0
    for _ in range(_ROUNDS):
        drawn = [
            subject.table[part].take(rng.choice(pool, count)).reset_index(drop=True)
            for part, pool in zip(parts, pools, strict=True)
        ]
        fresh = pd.concat(drawn, axis=1)[list(subject.kinds)]
        kept = [pd.concat([*kept, fresh[_new(subject, fresh, kept)]], ignore_index=True)]
        have = len(kept[0])
        if have >= count:
            return kept[0].iloc[:count]
    raise SchemaError(
        f"canaries: argument 'count' is {count}, but the columns make only {have} combinations that are new to the "
        "table; take fewer, or a table of more columns."
    )


def _common(column: pd.Series, kind: str, least: int) -> NDArray[np.bool_]:
    """``(rows,)`` which cells may stand in a canary."""
    codes = pd.factorize(column, use_na_sentinel=False)[0]
    often = np.bincount(codes)[codes] >= least
    if often.mean() >= 0.5 or kind == "categorical":
        return often
    known = column.notna().to_numpy()
    rank = column.rank(pct=True).to_numpy(np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        return known & (rank >= _MIDDLE[0]) & (rank <= _MIDDLE[1])


def _new(subject: Subject, fresh: pd.DataFrame, kept: Sequence[pd.DataFrame]) -> NDArray[np.bool_]:
    """Which rows are neither in the table nor among those kept, nor earlier in ``fresh``."""
    tables = [fresh, subject.table, *(t for t in kept if len(t))]
    hashes = [rows for rows, _ in row_hashes(*code_tables(*tables, kinds=subject.kinds))]
    first = np.zeros(len(fresh), np.bool_)
    first[np.unique(hashes[0], return_index=True)[1]] = True
    return first & ~np.isin(hashes[0], np.concatenate(hashes[1:]))


def planted_table(
    subject: Subject, rows: pd.DataFrame, times: NDArray[np.int64], rng: np.random.Generator
) -> pd.DataFrame:
    """The table with each canary put in so many times, the rows shuffled; a canary is an entity of its own."""
    planted = rows.take(np.repeat(np.arange(len(rows)), times)).reset_index(drop=True)
    for name in subject.table.columns:
        if name in subject.kinds:
            continue
        column = subject.table[name]
        if name == subject.entity:
            planted[name] = _strangers(column, np.repeat(np.arange(len(rows)), times))
        else:  # a weight like most
            planted[name] = column.sort_values().iloc[len(column) // 2]
    joined = pd.concat([subject.table, planted[subject.table.columns].astype(subject.table.dtypes)], ignore_index=True)
    return joined.take(rng.permutation(len(joined))).reset_index(drop=True)


def _strangers(column: pd.Series, who: NDArray[np.int64]) -> pd.Series:
    """Entities that the column has not, in its dtype."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(who + column.max() + 1)
    known, stem = set(column.astype(str)), "canary"
    while any(f"{stem}-{i}" in known for i in who):
        stem += "-"
    return pd.Series([f"{stem}-{i}" for i in who])
