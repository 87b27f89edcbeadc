"""Planted errors, and who finds them: typos, swaps between columns, wrong units.

    python -m benchmarks.errors --data DATA --datasets adult credit_default --seeds 0 1
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

__all__ = ["main", "plant"]

_UNITS = (2.54, 1 / 2.54, 0.4536, 1 / 0.4536, 10.0, 0.1, 100.0, 0.01, 1000.0, 0.001)


def plant(
    table: pd.DataFrame, numbers: Sequence[Hashable], rate: float = 0.01, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table with errors in ``rate`` of its cells that hold numbers, a third of each kind.

    Typos are two neighbouring digits in the wrong order, or a factor of 10; a swap is of two numbers of one row; a wrong
    unit is a factor (2.54, .4536, 10, 100, 1000, either way). What would change nothing is not planted.

    Returns:
        The dirty table, and per cell the kind of its error ("" for none).
    """
    rng = np.random.default_rng(seed)
    dirty = table.copy()
    for name in numbers:
        dirty[name] = dirty[name].astype(float)
    kinds = pd.DataFrame("", index=table.index, columns=table.columns)
    decimals = {name: _decimals(dirty[name]) for name in numbers}
    goal = max(round(rate * len(table) * len(numbers)), 3)
    for kind in ("typo", "swap", "unit"):
        found = 0
        for _ in range(200 * goal):
            if found >= goal // 3:
                break
            found += _one(dirty, kinds, kind, list(numbers), decimals, rng)
    return dirty, kinds


def _one(
    dirty: pd.DataFrame, kinds: pd.DataFrame, kind: str, numbers: list[Hashable], decimals: dict[Hashable, int], rng: Any
) -> int:
    """Plant one error, if the cell that is drawn can have it; how many cells are then wrong."""
    row, i = int(rng.integers(len(dirty))), int(rng.integers(len(numbers)))
    chosen = [numbers[i]]
    if kind == "swap":
        chosen.append(numbers[(i + int(rng.integers(1, max(len(numbers), 2)))) % len(numbers)])
    at = [dirty.columns.get_loc(name) for name in chosen]
    x = dirty.iloc[row, at].to_numpy(dtype=float)
    if np.isnan(x).any() or (kinds.iloc[row, at] != "").any():
        return 0
    if kind == "swap":
        new = x[::-1]
    elif kind == "unit":
        new = np.round(x * rng.choice(_UNITS), decimals[chosen[0]])
    else:
        new = _typo(x, decimals[chosen[0]], rng)
    if (new == x).any():
        return 0
    for j, value in zip(at, new, strict=True):
        dirty.iloc[row, j] = value
        kinds.iloc[row, j] = kind
    return len(at)


def _typo(x: NDArray[Any], decimals: int, rng: Any) -> NDArray[Any]:
    if rng.random() < 0.5:
        return np.asarray(np.round(x * rng.choice([10.0, 0.1]), decimals))
    digits = list(f"{abs(x[0]):.{decimals}f}")
    places = [k for k, sign in enumerate(digits) if sign != "."]
    if len(places) < 2:
        return x
    k = int(rng.integers(len(places) - 1))
    a, b = places[k], places[k + 1]
    digits[a], digits[b] = digits[b], digits[a]
    return np.asarray([np.copysign(float("".join(digits)), x[0])])


def _decimals(column: pd.Series) -> int:
    x = column.dropna().to_numpy()
    return next((d for d in range(4) if np.allclose(x, np.round(x, d), atol=1e-9)), 4)


def forest(table: pd.DataFrame, seed: int = 0) -> NDArray[np.float64]:
    """Isolation forest's anomaly of each row: 500 trees; categories as indicators, gaps at the median."""
    coded = pd.get_dummies(table, dummy_na=True, dtype=float)
    coded = coded.fillna(coded.median()).fillna(0.0)
    return np.asarray(-IsolationForest(n_estimators=500, random_state=seed).fit(coded).score_samples(coded))
