"""A table drawn from a known law, with something in it for every metric."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from synthkit import Schema

__all__ = ["KNOWN", "draw", "junk", "schema", "untouched"]

# what evaluate() and a Case have to be told of this law
KNOWN = {"target": "late", "secrets": ("g",), "time": "months", "event": "died"}


def draw(rows: int, seed: int) -> pd.DataFrame:
    """``y``, ``g``, ``late``, ``months`` and ``died`` follow ``x``; ``high`` exceeds ``low``; some cells are empty."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = 0.9 * x + 0.4 * rng.normal(size=rows)
    months = rng.exponential(20 * np.exp(-0.7 * x))
    low = rng.integers(0, 50, rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "g": np.where(x + rng.normal(0, 0.3, rows) > 0, "up", "down"),
            "late": np.where(y + rng.normal(0, 0.3, rows) > 0, "yes", "no"),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(30 * y + 200), "D"),
            "months": np.minimum(months, 40).round(2),
            "died": months < 40,
            "low": low,
            "high": low + rng.integers(0, 50, rows),
        }
    )
    table.loc[rng.random(rows) < 0.1, "g"] = None
    table.loc[rng.random(rows) < 0.1, "y"] = None
    return table


def junk(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What no generator should make: every column shuffled by itself, numbers disturbed, levels unseen, more nulls."""
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table})
    out = out.astype(table.dtypes)
    out["x"] = out["x"] * 3 + 1
    out["months"] = out["months"] * rng.uniform(0, 3, len(out))
    out["high"] = out["high"] - 30
    out.loc[rng.random(len(out)) < 0.2, "g"] = "sideways"
    out.loc[rng.random(len(out)) < 0.4, "y"] = None
    return out


def schema() -> Schema:
    """Of the law: its rule (``low`` does not exceed ``high``) is found in the table."""
    return Schema.infer(draw(600, 0))


@contextmanager
def untouched(*tables: pd.DataFrame) -> Iterator[None]:
    """Fail if the tables, or numpy's global state, have changed at the end."""
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    kept = [table.copy(deep=True) for table in tables]
    yield
    assert (state == np.random.get_state()[1]).all(), "the global random state moved"  # noqa: NPY002
    for before, table in zip(kept, tables, strict=True):
        pd.testing.assert_frame_equal(before, table)
