"""Columns that repeat what they last were in a row of the same kind: standing orders, rents, doses.

An account's insurance is the same amount every month, and its rent another, to the same bank; rows in between say
nothing of either. What a column last was in a row of the same kind (operation and purpose) is then what its next value
leans on.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.schema import Boolean, Categorical, Numeric, Schema

__all__ = ["find_recalled"]

_MORE = 0.1  # how much more often a value is that of the last row of its kind than of the last row
_BETTER = 0.02  # what a second column that tells kinds has to add
_LEAST = 0.15  # share of values that repeat
_KINDS = 400  # of rows at most
_ROWS = 50  # that have to tell
_HEAVY = 0.02  # share of a value from which on it repeats by itself
_MOST = 8  # columns that may tell kinds

Ints = NDArray[np.int64]


def find_recalled(
    table: pd.DataFrame,
    owner: Ints,
    schema: Schema,
    moving: Sequence[Hashable],
    grouped: Mapping[Hashable, Hashable],
) -> dict[Hashable, tuple[tuple[Hashable, ...], float]]:
    """Which columns repeat their last value in a row of the same kind, what tells kinds, and how often they do.

    Args:
        table: R rows by entity and time; owner: ``(R,)`` whose they are; moving: the columns to look at.
        grouped: numbers that are learnt by group; that column is among those that tell their kinds.

    Returns:
        ``{column: (columns that tell kinds, share of values that repeat)}``; no column is on both sides.
    """
    codes = {n: pd.factorize(table[n], use_na_sentinel=True)[0].astype(np.int64) for n in moving}
    sizes = {n: int(codes[n].max(initial=-1)) + 2 for n in moving}
    tells = [n for n in moving if isinstance(schema.columns[n], Categorical | Boolean) and sizes[n] <= _KINDS][:_MOST]
    found: dict[Hashable, tuple[float, tuple[Hashable, ...], float]] = {}
    for name in moving:
        if not isinstance(schema.columns[name], Numeric | Categorical) or sizes[name] < 4 or name in grouped.values():
            continue
        light = _light(codes[name], isinstance(schema.columns[name], Numeric))
        plain = _repeats(codes[name], owner, light)
        must = (grouped[name],) if name in grouped else ()
        best: tuple[tuple[Hashable, ...], float] | None = None
        for many in (1, 2):
            for key in combinations([t for t in tells if t != name], many):
                if (must and must[0] not in key) or np.prod([sizes[t] for t in key]) > _KINDS:
                    continue
                share = _repeats(codes[name], _kinds(owner, [codes[t] for t in key], [sizes[t] for t in key]), light)
                if best is None or share > best[1] + (_BETTER if many > len(best[0]) else 0):
                    best = key, share
        if best is not None and best[1] >= max(_LEAST, plain + _MORE):
            found[name] = (best[1] - plain, *best)
    out: dict[Hashable, tuple[tuple[Hashable, ...], float]] = {}
    for name, (_, key, share) in sorted(found.items(), key=lambda item: -item[1][0]):
        telling = {t for k, _ in out.values() for t in k}
        if name not in telling and not out.keys() & set(key) and not grouped.keys() & set(key):
            out[name] = key, share
    return out


def _light(codes: Ints, number: bool) -> NDArray[np.bool_]:
    """Rows with a value; of numbers, those that are no heavy one."""
    known = codes >= 0
    if not number or not known.any():
        return known
    share = np.bincount(codes[known]) / known.sum()
    return np.asarray(known & (share[np.maximum(codes, 0)] < _HEAVY))


def _kinds(owner: Ints, codes: Sequence[Ints], sizes: Sequence[int]) -> Ints:
    """``(R,)`` numbers of the pairs of an entity and a kind of row."""
    kind = owner.copy()
    for code, size in zip(codes, sizes, strict=True):
        kind = kind * size + code + 1
    return kind


def _repeats(codes: Ints, kind: Ints, light: NDArray[np.bool_]) -> float:
    """The share of values that are the last known one of their kind, of those that have one."""
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.argsort(kind[rows], kind="stable")]
    tells = (kind[order][1:] == kind[order][:-1]) & light[order][1:]
    same = codes[order][1:] == codes[order][:-1]
    return float(same[tells].mean()) if tells.sum() >= _ROWS else 0.0
