"""Protection: how many rows must stand behind whatever a fitted codec stores."""

from __future__ import annotations

from dataclasses import dataclass

from synthkit.params import Interval, Params, param

__all__ = ["Protection"]


@dataclass(eq=False, repr=False, kw_only=True)
class Protection(Params):
    """The one owner of minimum counts.

    A category, a repeated number and a knot of a quantile function are kept only if at least ``min_count`` distinct
    rows (or entities, where an entity column is named) stand behind them. Rarer ones join a neighbour.

    Example:
        >>> Protection().min_count
        5
    """

    min_count: int = param(5, Interval(int, 1), "rows or entities behind every stored value")
