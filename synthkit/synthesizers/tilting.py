"""Weights that give drawn rows other shares and means while they move as little as possible.

Entropy balancing (Hainmueller 2012): of all weights that meet the wanted moments, those nearest to equal ones in
Kullback-Leibler divergence. They are ``exp`` of a linear function of the moments' features, so that whatever the wanted
columns do not tell stays as it is given them: conditionals hold, marginals move.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from synthkit.conditions import Between
from synthkit.errors import ConditionError, ParamError

__all__ = ["Moments", "Shares", "chosen_rows", "fits", "raked"]

Floats = NDArray[np.float64]
Shares = Mapping[Hashable, Mapping[Any, float]]
_CLOSE = 1e-3  # of a wanted moment, in standard deviations or as a share
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
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and v >= 0 for v in values):
            raise ParamError(f"{where}: argument {argument!r}: the shares of column {name!r} must be numbers >= 0.")
        if abs(sum(values) - 1) > 1e-6:
            raise ParamError(f"{where}: argument {argument!r}: the shares of column {name!r} do not sum to 1.")


def fits(column: pd.Series, key: Any) -> NDArray[np.bool_]:
    """``(rows,)``: which cells a key of shares speaks of: a value, ``between``, ``isnull()`` or ``notnull()``."""
    if isinstance(key, Between):
        inside = column.notna()
        if key.low is not None:
            inside &= column >= key.low
        if key.high is not None:
            inside &= column <= key.high
        within: NDArray[np.bool_] = inside.fillna(False).to_numpy(np.bool_)
        return within
    if hasattr(key, "null"):
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
            for key, share in own.items():
                columns.append(fits(table[name], key).astype(np.float64))
                wanted.append(float(share))
                names.append(name)
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
        if not np.isfinite(weights).all() or miss.max() > 20 * _CLOSE:
            worst = self.names[int(np.nanargmax(miss))]
            raise ConditionError(
                f"{where}: what is wanted of column {worst!r} cannot be met by rows that the model draws, together "
                "with the rest; ask for less."
            )
        return weights


def chosen_rows(
    weights: Floats, order: NDArray[np.int64], n: int, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """``n`` different rows, each with a chance proportional to its weight; None if there are too few to choose from.

    Systematic sampling (Madow 1949) in an ``order`` that keeps like rows together, so that shares hold nearly exactly.
    """
    chances = np.zeros(len(weights))
    left, many = np.ones(len(weights), np.bool_), float(n)
    while True:  # rows that are certain are set aside
        total = weights[left].sum()
        if total <= 0:
            return None
        chances[left] = many * weights[left] / total
        sure = left & (chances > 1)
        if not sure.any():
            break
        chances[sure] = 1.0
        left &= ~sure
        many -= int(sure.sum())
        if many <= 0 or not left.any():
            return None
    if (chances >= 1).mean() > 0.2 or n > 0.5 * len(weights):
        return None
    steps = np.concatenate([[0.0], np.cumsum(chances[order])])
    points = np.arange(n) + rng.random()
    return order[np.minimum(np.searchsorted(steps, points, side="right") - 1, len(order) - 1)]


def raked(joint: Floats, wanted: list[Floats], where: str, names: list[Hashable]) -> Floats:
    """The joint shares with the wanted margins that are nearest to ``joint`` (iterative proportional fitting).

    Deming & Stephan (1940). ``joint`` has one axis per column.

    Raises:
        ConditionError: a margin cannot be met, as ``joint`` has none of it.
    """
    out: Floats = joint / joint.sum()
    axes = range(out.ndim)
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
    return out
