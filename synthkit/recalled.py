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
    found: list[tuple[float, Hashable, tuple[Hashable, ...], float]] = []
    for name in moving:
        if not isinstance(schema.columns[name], Numeric | Categorical) or sizes[name] < 4 or name in grouped.values():
            continue
        light = _light(codes[name], isinstance(schema.columns[name], Numeric))
        plain = _repeats(codes[name], owner, light)
        for many in (1, 2):
            for key in combinations([t for t in tells if t != name], many):
                if (name in grouped and grouped[name] not in key) or np.prod([sizes[t] for t in key]) > _KINDS:
                    continue
                kind = _kinds([codes[t] for t in key], [sizes[t] for t in key])
                share = _repeats(codes[name], owner * _KINDS + kind, light)
                if share >= max(_LEAST, _MORE + max(plain, _chance(codes[name], kind, light))):
                    found.append((share - plain - _BETTER * many, name, key, share))
    out: dict[Hashable, tuple[tuple[Hashable, ...], float]] = {}
    telling: set[Hashable] = set()
    # numbers first: what they repeat to the last digit no net would find
    for _, name, key, share in sorted(found, key=lambda f: (not isinstance(schema.columns[f[1]], Numeric), -f[0])):
        if name not in out and name not in telling and not {*out, *grouped} & set(key):
            out[name] = key, share
            telling |= set(key)
    return out


def _light(codes: Ints, number: bool) -> NDArray[np.bool_]:
    """Rows with a value; of numbers, those that are no heavy one."""
    known = codes >= 0
    if not number or not known.any():
        return known
    share = np.bincount(codes[known]) / known.sum()
    return np.asarray(known & (share[np.maximum(codes, 0)] < _HEAVY))


def _kinds(codes: Sequence[Ints], sizes: Sequence[int]) -> Ints:
    """``(R,)`` numbers of the kinds of rows, below 400."""
    kind = np.zeros(len(codes[0]), np.int64)
    for code, size in zip(codes, sizes, strict=True):
        kind = kind * size + code + 1
    return kind


def _chance(codes: Ints, kind: Ints, light: NDArray[np.bool_]) -> float:
    """How often two rows of a kind, whoever's they are, hold the same value."""
    rows = pd.DataFrame({"kind": kind[light], "value": codes[light]})
    share = rows.groupby(["kind", "value"]).size()
    size = share.groupby("kind").sum()
    return float(((share**2).groupby("kind").sum() / size).sum() / max(1, int(size.sum())))


def _repeats(codes: Ints, kind: Ints, light: NDArray[np.bool_]) -> float:
    """The share of values that are the last known one of their kind, of those that have one."""
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.argsort(kind[rows], kind="stable")]
    tells = (kind[order][1:] == kind[order][:-1]) & light[order][1:]
    same = codes[order][1:] == codes[order][:-1]
    return float(same[tells].mean()) if tells.sum() >= _ROWS else 0.0
