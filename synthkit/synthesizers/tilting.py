"""Weights that give drawn rows other shares and means while they move as little as possible.

Entropy balancing (Hainmueller 2012): of all weights that meet the wanted moments, those nearest to equal ones in
Kullback-Leibler divergence. They are ``exp`` of a linear function of the moments' features, so that whatever the wanted
columns do not tell stays as it is given them: conditionals hold, marginals move.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from synthkit.conditions import Between, Null
from synthkit.errors import ConditionError, ParamError
from synthkit.schema import Categorical, Datetime, Duration, Numeric

__all__ = ["Moments", "Shares", "chances_of", "check_shares", "chosen_rows", "disjoint", "places", "raked"]

Floats = NDArray[np.float64]
Shares = Mapping[Hashable, Mapping[Any, float]]
_CLOSE = 5e-3  # to a wanted moment, in standard deviations or as a share
_MET = 1e-4  # to a wanted margin of raked shares
_ROUNDS = 500
_STEEP = 60.0  # of a log-weight per unit of a feature: what needs more cannot be met


def check_shares(shares: Any, where: str, argument: str) -> None:
    """Judge ``{column: {value: share}}``.

    Raises:
        ParamError: no such dict, a share below 0, or shares of a column that do not sum to 1.
    """
    if not isinstance(shares, Mapping) or not shares or not all(isinstance(s, Mapping) and s for s in shares.values()):
        raise ParamError(f"{where}: argument {argument!r} must be a dict of column -> dict of value -> share.")
    for name, wanted in shares.items():
        values = list(wanted.values())
        if not all(isinstance(v, Real) and not isinstance(v, bool) and float(v) >= 0 for v in values):
            raise ParamError(f"{where}: argument {argument!r}: the shares of column {name!r} must be numbers >= 0.")
        if abs(sum(values) - 1) > 1e-6:
            raise ParamError(f"{where}: argument {argument!r}: the shares of column {name!r} do not sum to 1.")


def disjoint(keys: Sequence[Any], kind: Any) -> bool:
    """May no cell be spoken of by two keys of a column's shares?

    Two ranges of numbers that are not whole may touch: what lies on their common end is the first one's.
    """
    touch = isinstance(kind, Numeric) and not kind.integer
    for a, b in combinations(keys, 2):
        if isinstance(a, Null) or isinstance(b, Null):
            if _filled(a) and _filled(b):
                return False
            continue  # nulls are apart from all that is filled
        (low, high), (bottom, top) = _ends(a, kind), _ends(b, kind)
        floor, ceiling = _outer((low, bottom), max), _outer((high, top), min)
        ranges = low != high and bottom != top
        if floor is None or ceiling is None or floor < ceiling or (floor == ceiling and not (touch and ranges)):
            return False
    return True


def _filled(key: Any) -> bool:
    return not (isinstance(key, Null) and key.null)


def _ends(key: Any, kind: Any) -> tuple[Any, Any]:
    ends = (key.low, key.high) if isinstance(key, Between) else (key, key)
    read: Any = {Datetime: pd.Timestamp, Duration: pd.Timedelta}.get(type(kind), lambda end: end)
    if isinstance(kind, Categorical):
        order = kind.categories or (kind.dtype or {}).get("categories") or ()
        rank = {category: place for place, category in enumerate(order)}
        read = (lambda end: rank.get(end, -1)) if kind.ordered else hash  # classes: one is another, or is not
    low, high = (None if end is None else read(end) for end in ends)
    return low, high


def _outer(ends: Sequence[Any], which: Any) -> Any:
    known = [end for end in ends if end is not None]
    return which(known) if known else None


def places(column: pd.Series, keys: Sequence[Any]) -> NDArray[np.bool_]:
    """``(keys, rows)``: which cells each key of shares speaks of; a cell that two speak of is the first one's."""
    fits = np.stack([_fits(column, key) for key in keys])
    first: NDArray[np.bool_] = fits & (np.cumsum(fits, axis=0) == 1)
    return first


def _fits(column: pd.Series, key: Any) -> NDArray[np.bool_]:
    if isinstance(key, Between):
        inside = column.notna()
        if key.low is not None:
            inside &= column >= key.low
        if key.high is not None:
            inside &= column <= key.high
        within: NDArray[np.bool_] = inside.fillna(False).to_numpy(np.bool_)
        return within
    if isinstance(key, Null):
        null: NDArray[np.bool_] = (column.isna() if key.null else column.notna()).to_numpy(np.bool_)
        return null
    same: NDArray[np.bool_] = (column == key).fillna(False).to_numpy(np.bool_)
    return same


@dataclass(frozen=True)
class Moments:
    """What is wanted of a table, as features whose weighted means are given.

    Attributes:
        features: ``(rows, k)``; wanted: ``(k,)`` means; names: ``(k,)`` columns, for messages.
    """

    features: Floats
    wanted: Floats
    names: tuple[Hashable, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, shares: Shares, means: Mapping[Hashable, float]) -> Moments:
        """Of drawn rows. A number counts in standard deviations of the drawn rows."""
        columns: list[Floats] = []
        wanted: list[float] = []
        names: list[Hashable] = []
        for name, own in shares.items():
            columns += list(places(table[name], list(own)).astype(np.float64))
            wanted += [float(share) for share in own.values()]
            names += [name] * len(own)
        for name, mean in means.items():
            numbers = table[name].astype("float64").to_numpy(np.float64)
            known = ~np.isnan(numbers)
            spread = float(numbers[known].std()) or 1.0
            # over filled cells: the excess over the wanted mean is 0
            columns.append(np.where(known, (numbers - mean) / spread, 0.0))
            wanted.append(0.0)
            names.append(name)
        return cls(np.stack(columns, axis=1), np.array(wanted), tuple(names))

    def weights(self, where: str) -> Floats:
        """``(rows,)``, summing to 1.

        Raises:
            ConditionError: no weights of the drawn rows meet the wanted moments.
        """
        centred = self.features - self.wanted

        def dual(lam: Floats) -> tuple[float, Floats]:
            z = centred @ lam
            top = z.max()
            e = np.exp(z - top)
            return float(top + np.log(e.sum())), (e @ centred) / e.sum()

        start, ends = np.zeros(centred.shape[1]), [(-_STEEP, _STEEP)] * centred.shape[1]
        found = minimize(dual, start, jac=True, method="L-BFGS-B", bounds=ends, options={"maxiter": _ROUNDS})
        z = centred @ found.x
        weights: Floats = np.exp(z - z.max())
        weights /= weights.sum()
        miss = np.abs(weights @ centred)
        if not np.isfinite(weights).all() or miss.max() > _CLOSE:
            worst = self.names[int(np.nanargmax(miss))]
            raise ConditionError(
                f"{where}: what is wanted of column {worst!r} cannot be met by rows that the model draws, together "
                "with the rest; ask for less."
            )
        return weights

    def met(self, chances: Floats) -> bool:
        """Are the moments those of rows that are chosen with these chances?"""
        miss = (self.features - self.wanted).T @ chances / chances.sum()
        return bool(np.abs(miss).max() <= _CLOSE)


def chances_of(weights: Floats, n: int) -> Floats:
    """``(rows,)`` chances, summing to ``n``, to be one of ``n`` different rows: as the weights, and at most 1.

    Where some are cut to 1 the weights' moments are lost: :meth:`Moments.met` tells.
    """
    if n >= len(weights):
        return np.ones(len(weights))
    chances = np.zeros(len(weights))
    left, many = np.ones(len(weights), np.bool_), float(n)
    while many > 0 and weights[left].sum() > 0:
        chances[left] = many * weights[left] / weights[left].sum()
        sure = left & (chances > 1)
        if not sure.any():
            break
        chances[sure] = 1.0  # rows that are certain are set aside
        left &= ~sure
        many -= int(sure.sum())
    return chances


def chosen_rows(chances: Floats, order: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Different rows, each with its chance, which sum to a whole number.

    Systematic sampling (Madow 1949) in an ``order`` that keeps like rows together, so that shares hold nearly exactly.
    """
    steps = np.concatenate([[0.0], np.cumsum(chances[order])])
    points = np.arange(round(float(chances.sum()))) + rng.random()
    return order[np.minimum(np.searchsorted(steps, points, side="right") - 1, len(order) - 1)]


def raked(joint: Floats, wanted: list[Floats], where: str, names: list[Hashable]) -> Floats:
    """The joint shares with the wanted margins that are nearest to ``joint`` (iterative proportional fitting).

    Deming & Stephan (1940). ``joint`` has one axis per column.

    Raises:
        ConditionError: the margins cannot be met, as ``joint`` has none of a value, or of a combination.
    """
    out: Floats = joint / joint.sum()
    axes, miss = range(out.ndim), 0.0
    for _ in range(_ROUNDS):
        miss = 0.0
        for axis in axes:
            margin = out.sum(axis=tuple(a for a in axes if a != axis))
            short = (margin <= 0) & (wanted[axis] > 0)
            if short.any():
                raise ConditionError(
                    f"{where}: the model draws none of a value of column {names[axis]!r} that is to have a share, or "
                    "none together with the other columns' values; ask for less."
                )
            miss = max(miss, float(np.abs(margin - wanted[axis]).max()))
            factor = np.divide(wanted[axis], margin, out=np.zeros_like(margin), where=margin > 0)
            out = out * factor.reshape([-1 if a == axis else 1 for a in axes])
        if miss < 1e-9:
            break
    if miss > _MET:
        raise ConditionError(
            f"{where}: the shares of columns {', '.join(map(repr, names))} cannot be met together, as the model draws "
            "none of some combinations of their values; ask for shares of one of them."
        )
    return out
