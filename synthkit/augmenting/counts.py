"""How many rows to add, class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.errors import ParamError

__all__ = ["Goal", "Strategy", "added_by_goal", "added_by_strategy"]

Goal = Literal["balance", "grow", "rare"]
Strategy = str | float | Mapping[Any, int] | Callable[[Any], Mapping[Any, int]]
_NAMED = ("auto", "minority", "not minority", "not majority", "all")


def added_by_goal(counts: NDArray[np.int64], goal: Goal, amount: float) -> NDArray[np.int64]:
    """``(classes,)`` rows to add to classes of ``counts`` rows.

    "balance": the share ``amount`` of the way of every class up to the most frequent one; "rare": ``amount`` times its
    own rows to the rarest class; "grow": ``amount`` times its own rows to every class.

    >>> added_by_goal(np.array([90, 10]), "balance", 0.5), added_by_goal(np.array([90, 10]), "grow", 2.0)
    (array([ 0, 40]), array([180,  20]))
    """
    if goal == "balance":
        wanted = amount * (counts.max() - counts)
    elif goal == "rare":
        wanted = np.where(np.arange(len(counts)) == counts.argmin(), amount * counts, 0.0)
    else:
        wanted = amount * counts
    return np.asarray(np.round(wanted), dtype=np.int64)


def added_by_strategy(classes: list[Any], counts: NDArray[np.int64], strategy: Strategy, y: Any) -> dict[Any, int]:
    """Class -> rows to add, only where there are any, as imbalanced-learn's over-samplers read ``sampling_strategy``.

    Raises:
        ParamError: an unknown word, a share of more than two classes or that would take rows away, a class that is not
            there, or fewer rows than there are.
    """
    if callable(strategy):
        strategy = strategy(y)
    if isinstance(strategy, Mapping):
        return _by_mapping(classes, counts, strategy)
    if isinstance(strategy, str) and strategy in _NAMED:
        skipped = {"auto": counts.argmax(), "not majority": counts.argmax(), "not minority": counts.argmin()}
        place = np.arange(len(classes))
        chosen = place == counts.argmin() if strategy == "minority" else place != skipped.get(strategy, -1)
        extra = np.where(chosen, counts.max() - counts, 0)
    elif isinstance(strategy, (float, int)) and not isinstance(strategy, bool) and 0 < strategy <= 1:
        if len(classes) != 2:
            raise ParamError("Oversampler: argument 'sampling_strategy': a share is for two classes; give a dict.")
        extra = np.where(np.arange(2) == counts.argmin(), int(strategy * counts.max()) - counts, 0)
        if (extra < 0).any():
            raise ParamError(
                "Oversampler: argument 'sampling_strategy': the rarer class has more rows already; give a larger share."
            )
    else:
        raise ParamError(
            f"Oversampler: argument 'sampling_strategy' must be one of {', '.join(map(repr, _NAMED))}, a share in "
            "(0, 1], a dict of class -> rows, or a callable that returns one."
        )
    return {c: int(n) for c, n in zip(classes, extra, strict=True) if n}


def _by_mapping(classes: list[Any], counts: NDArray[np.int64], wanted: Mapping[Any, int]) -> dict[Any, int]:
    at = {c: i for i, c in enumerate(classes)}
    out: dict[Any, int] = {}
    for name, rows in wanted.items():
        if name not in at:
            raise ParamError("Oversampler: argument 'sampling_strategy' names a class that 'y' does not have.")
        if not isinstance(rows, Real) or isinstance(rows, bool) or float(rows) % 1 or rows < counts[at[name]]:
            raise ParamError(
                "Oversampler: argument 'sampling_strategy' asks for fewer rows of a class than there are, or for no "
                "whole number; it says how many there are to be afterwards."
            )
        if rows > counts[at[name]]:
            out[classes[at[name]]] = int(rows - counts[at[name]])
    return out
