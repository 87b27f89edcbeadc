"""Rules that a table shows: what holds in every row, and would hardly do so by chance.

Every search first throws out candidates on some rows, then proves the rest on all. "By chance" means: if the columns
did not depend on each other. A rule is proposed where chance would have broken it in ``_EVIDENCE`` rows or more, so
that a table of independent columns proposes none, and so do short tables.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.inference import canonical
from synthkit.rules.base import Bools, Rule
from synthkit.rules.numbers import Ordered, Sum
from synthkit.rules.others import NullImplies
from synthkit.rules.values import Combination, Determines
from synthkit.schema import Boolean, Categorical, Datetime, Duration, Numeric, Schema

__all__ = ["infer_rules"]

_MIN_ROWS = 100
_MIN_FILLED = 30  # rows where both columns are filled
_EVIDENCE = 20.0  # rows that chance would break, or -log of the probability that it does not
_SHARE = 0.02  # of rows that a shuffled pairing would break
_FEW = 2000  # rows for throwing out candidates
_WIDE = 100  # columns per search; those beyond take no part
_LEVELS = 1000  # of a key
_CODES = 200  # distinct values of a number that may be a code


def infer_rules(table: pd.DataFrame, schema: Schema) -> tuple[Rule, ...]:
    """Rules that hold in every row of ``table``, beyond what chance would explain.

    Orders of numbers, dates and durations; sums of two or three parts; codes that determine others; cells that are
    empty together; combinations of categories, where one more would be surprising. Identifiers, free text, and the
    entity and weight columns take no part. Each search compares columns in pairs (sums: in threes and fours), and
    takes the first 100 columns of its kind: in wider tables the others are not searched.

    Args:
        schema: of the table; its own rules are not looked at.

    Returns:
        None of a table of fewer than 100 rows.

    Example:
        >>> start = np.random.default_rng(0).integers(0, 1000, 500)
        >>> table = pd.DataFrame({"start": start, "end": start + np.random.default_rng(1).integers(0, 900, 500)})
        >>> infer_rules(table, Schema.infer(table, rules=False))
        (Ordered(low='start', high='end', strict=False),)
    """
    if len(table) < _MIN_ROWS:
        return ()
    kinds = {n: k for n, k in schema.columns.items() if n not in (schema.entity, schema.weight)}
    kinds = {n: k for n, k in kinds.items() if isinstance(k, (Numeric, Categorical, Boolean, Datetime, Duration))}
    cells = {n: canonical(table[n], k) for n, k in kinds.items()}
    nulls = {n: null for n, (_, null) in cells.items()}
    few = np.unique(np.linspace(0, len(table) - 1, _FEW).astype(np.intp))
    gaps = _gaps(nulls)
    sums = _sums({n: cells[n] for n, k in kinds.items() if isinstance(k, Numeric)}, few)
    codes = _coded(kinds, cells)
    pairs = _determined(codes, few)
    told = {frozenset((r.key, r.value)) for r in pairs}
    told |= {frozenset((part, r.total)) for r in sums for part in r.parts if _others_positive(r, part, cells)}
    orders: list[Ordered] = []
    for family in (Numeric, Datetime, Duration):
        orders += _orders({n: cells[n] for n, k in kinds.items() if isinstance(k, family)}, few, told)
    sets = _combined({n: codes[n] for n, k in kinds.items() if isinstance(k, Categorical) and n in codes}, told)
    return (*orders, *sums, *pairs, *sets, *gaps)


Cells = tuple[NDArray[Any], Bools]


# -------------------------------------------------------------------- emptiness
def _gaps(nulls: Mapping[Hashable, Bools]) -> list[NullImplies]:
    names = [n for n, null in nulls.items() if null.any()][:_WIDE]
    if len(names) < 2:
        return []
    empty = np.column_stack([nulls[n] for n in names]).astype(np.float32)
    together = np.rint(empty.T @ empty)
    count, rows = np.diag(together).copy(), len(empty)
    # chance: every empty cell of a meets an empty one of b
    odds = -count[:, None] * np.log(np.minimum(count / rows, 1 - 1e-12))[None, :]
    filled = rows - count
    implies = (together == count[:, None]) & (odds > _EVIDENCE) & (count >= 20)[:, None] & (filled >= 20)[None, :]
    np.fill_diagonal(implies, False)
    same = implies & implies.T
    found, first = (
        list[NullImplies](),
        [int(np.flatnonzero(np.append(same[i, :i], True))[0]) for i in range(len(names))],
    )
    found += [NullImplies(names[f], names[i], both=True) for i, f in enumerate(first) if f != i]
    heads = [i for i, f in enumerate(first) if f == i]
    one_way = implies[np.ix_(heads, heads)]
    for i, j in np.argwhere(one_way):
        if not (one_way[i] & one_way[:, j]).any():  # else it follows from two others
            found.append(NullImplies(names[heads[i]], names[heads[j]]))
    return found


# -------------------------------------------------------------------- orders
def _orders(cells: Mapping[Hashable, Cells], few: NDArray[np.intp], told: set[frozenset[Hashable]]) -> list[Ordered]:
    names = list(cells)[:_WIDE]
    if len(names) < 2:
        return []
    values = np.column_stack([cells[n][0][few] for n in names])
    filled = np.column_stack([~cells[n][1][few] for n in names])
    holds = np.zeros((len(names), len(names)), dtype=bool)
    for i in range(len(names)):
        holds[i] = ((values[:, i : i + 1] <= values) | ~(filled[:, i : i + 1] & filled)).all(0)
    np.fill_diagonal(holds, False)
    for i, j in np.argwhere(holds):
        holds[i, j] = frozenset((names[i], names[j])) not in told and _is_order(cells[names[i]], cells[names[j]])
    holds &= ~holds.T  # equal columns
    return [
        Ordered(names[i], names[j])
        for i, j in np.argwhere(holds)
        if not any(
            _between(cells[names[i]], cells[names[k]], cells[names[j]]) for k in np.flatnonzero(holds[i] & holds[:, j])
        )
    ]


def _is_order(a: Cells, b: Cells) -> bool:
    both = ~a[1] & ~b[1]
    x, y = a[0][both], b[0][both]
    # a pair that is nearly always equal tells no direction
    if len(x) < _MIN_FILLED or not (x <= y).all() or (x < y).sum() < _EVIDENCE:
        return False
    broken = float(1 - np.searchsorted(np.sort(x), y, side="right").mean() / len(x))
    return broken >= _SHARE and -np.log1p(-min(broken, 1 - 1e-12)) * len(x) >= _EVIDENCE


def _between(a: Cells, middle: Cells, b: Cells) -> bool:
    """Is the middle one filled wherever both others are, so that it carries the order?"""
    return not (middle[1] & ~a[1] & ~b[1]).any()


# -------------------------------------------------------------------- sums
def _sums(cells: Mapping[Hashable, Cells], few: NDArray[np.intp]) -> list[Sum]:
    groups: dict[bytes, list[Hashable]] = {}
    for name, (_, null) in cells.items():  # a sum is proposed among columns that are filled in the same rows
        groups.setdefault(np.packbits(null).tobytes(), []).append(name)
    return [rule for names in groups.values() for rule in _sums_among(names[:_WIDE], cells, few)]


def _sums_among(names: list[Hashable], cells: Mapping[Hashable, Cells], few: NDArray[np.intp]) -> list[Sum]:
    there = np.flatnonzero(~cells[names[0]][1])
    names = [n for n in names if len(there) >= _MIN_ROWS and _varied(cells[n][0][there])]
    if len(names) < 3:
        return []
    some = there[np.unique(np.linspace(0, len(there) - 1, len(few)).astype(np.intp))]
    sample = np.column_stack([cells[n][0][some].astype(float) for n in names])
    # one number per column that adds up where the columns do
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(some))
    mark, size = weights @ sample, weights @ np.abs(sample)
    found: list[Sum] = []
    for parts in (2, 3):
        sets = np.array(list(combinations(range(len(names)), parts)))
        close = 1e-9 * size[sets].sum(1)
        order = np.argsort(mark)
        target, before = mark[sets].sum(1), len(found)
        start, stop = (np.searchsorted(mark[order], target + s * close) for s in (-1, 1))
        for k in np.flatnonzero(stop > start):
            for total in order[start[k] : stop[k]]:
                rule = Sum(tuple(names[i] for i in sets[k]), names[total]) if total not in sets[k] else None
                if rule is not None and _adds_up(rule, cells, there) and not _follows(rule, found):
                    found.append(rule)
        if len(found) - before > len(names):  # zeros and copies, not sums
            return []
    return found


def _varied(values: NDArray[Any]) -> bool:
    """Is a column more than a flag, and not nearly always 0?"""
    head = np.unique(values[:1000])
    enough = len(head) >= 3 or len(np.unique(values)) >= 3
    return enough and int((values != 0).sum()) >= max(_EVIDENCE, 0.001 * len(values))


def _adds_up(rule: Sum, cells: Mapping[Hashable, Cells], there: NDArray[np.intp]) -> bool:
    parts = np.stack([cells[n][0][there].astype(float) for n in rule.parts])
    total = cells[rule.total][0][there].astype(float)
    if not (np.abs(parts.sum(0) - total) <= 1e-9 * np.maximum(np.abs(parts).sum(0), np.abs(total))).all():
        return False
    # every part changes the total, so that the sum is no copy of one column
    return len(np.unique(total)) >= 5 and all(int((p != 0).sum()) >= _EVIDENCE for p in parts)


def _follows(rule: Sum, found: list[Sum]) -> bool:
    """Is the sum a shorter one with a part taken apart, or has its total a rule already?"""
    return any(r.total == rule.total or (r.total in rule.columns and set(r.parts) & set(rule.columns)) for r in found)


def _others_positive(rule: Sum, part: Hashable, cells: Mapping[Hashable, Cells]) -> bool:
    return all((cells[n][0][~cells[n][1]] >= 0).all() for n in rule.parts if n != part)


# -------------------------------------------------------------------- codes
def _coded(kinds: Mapping[Hashable, Any], cells: Mapping[Hashable, Cells]) -> dict[Hashable, NDArray[np.intp]]:
    """Integer codes (-1 for null) of the columns that may be keys or labels: repeated values, two or more."""
    found: dict[Hashable, NDArray[np.intp]] = {}
    for name, kind in kinds.items():
        if isinstance(kind, (Datetime, Duration)):
            continue
        values, null = cells[name]
        if isinstance(kind, Numeric) and len(np.unique(values[:: max(1, len(values) // _FEW)])) > _CODES:
            continue
        codes = pd.factorize(values)[0]
        codes = np.where(null, -1, codes)
        levels = len(np.unique(codes[codes >= 0]))
        most = _CODES if isinstance(kind, Numeric) else _LEVELS
        if 2 <= levels <= min(most, (~null).sum() / 10):
            found[name] = codes
    return dict(list(found.items())[:_WIDE])


def _determined(codes: Mapping[Hashable, NDArray[np.intp]], few: NDArray[np.intp]) -> list[Determines]:
    names = list(codes)
    if len(names) < 2:
        return []
    sample = np.column_stack([codes[n][few] for n in names])
    fits = np.zeros((len(names), len(names)), dtype=bool)
    for i, name in enumerate(names):
        rows = sample[np.argsort(sample[:, i], kind="stable")]
        # neighbours of one key must agree; a null in between only lets a wrong candidate through to the proof
        before, after = rows[:-1], rows[1:]
        alike = (before[:, i] == after[:, i]) & (after[:, i] >= 0)
        fits[i] = ((before == after) | (before < 0) | (after < 0) | ~alike[:, None]).all(0)
        fits[i, i] = False
        for j in np.flatnonzero(fits[i]):
            fits[i, j] = _is_key(codes[name], codes[names[j]])
    same = fits & fits.T
    first = [int(np.flatnonzero(np.append(same[i, :i], True))[0]) for i in range(len(names))]
    found = [Determines(names[f], names[i], both=True) for i, f in enumerate(first) if f != i]
    heads = [i for i, f in enumerate(first) if f == i]
    one_way = fits[np.ix_(heads, heads)]
    complete = np.array([not (codes[names[i]] < 0).any() for i in heads])
    for i, j in np.argwhere(one_way):
        if not (one_way[i] & one_way[:, j] & complete).any():
            found.append(Determines(names[heads[i]], names[heads[j]]))
    return found


def _is_key(key: NDArray[np.intp], value: NDArray[np.intp]) -> bool:
    both = (key >= 0) & (value >= 0)
    if both.sum() < _MIN_ROWS:
        return False
    key, value = key[both], value[both]
    label = np.zeros(key.max() + 1, dtype=np.intp)
    label[key] = value
    if not (label[key] == value).all():
        return False
    rows, per_key = np.bincount(value), np.bincount(key)
    if (rows >= _EVIDENCE).sum() < 2 or (per_key >= _EVIDENCE).sum() < 2 or len(key) < 10 * (per_key > 0).sum():
        return False
    # chance: each row after the first of its key draws its value anew
    chance = -np.log(rows[label] / len(key), where=rows[label] > 0, out=np.zeros(len(label)))
    common = int(rows.argmax())
    repeats = np.maximum(per_key - 1, 0)
    return float((repeats * chance)[label != common].sum()) >= _EVIDENCE


def _combined(codes: Mapping[Hashable, NDArray[np.intp]], told: set[frozenset[Hashable]]) -> list[Combination]:
    found: list[Combination] = []
    for (a, x), (b, y) in combinations(codes.items(), 2):
        both = (x >= 0) & (y >= 0)
        width, height = int(x.max()) + 1, int(y.max()) + 1
        if not both.any() or min(width, height) < 3 or width * height > 10_000 or frozenset((a, b)) in told:
            continue
        counts = np.bincount(x[both] * height + y[both], minlength=width * height)
        seen = counts > 0
        if seen.mean() < 0.4 and counts[seen].min() >= 5 * _EVIDENCE:
            found.append(Combination((a, b)))
    return found
