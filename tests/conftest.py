"""Shared tables: drawn from known laws, never from files."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the libraries are loaded: two workers share two cores

import numpy as np
import pandas as pd
import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two threads on two busy cores wait for each other longer than these small fits take."""
    torch.set_num_threads(1)


@pytest.fixture
def mixed() -> pd.DataFrame:
    """Every kind of column and dtype, with gaps, 300 rows."""
    rng = np.random.default_rng(0)
    n = 300
    day = pd.Timestamp("2020-01-01")
    table = pd.DataFrame(
        {
            "i8": rng.integers(0, 100, n).astype("int8"),
            "I": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "f32": rng.normal(size=n).astype("float32"),
            "b": rng.random(n) > 0.5,
            "B": pd.array(rng.random(n) > 0.5, dtype="boolean"),
            "c": pd.Categorical(rng.choice(list("abc"), n), categories=list("zcba"), ordered=True),
            "s": pd.array(rng.choice(["x", "y"], n), dtype="string"),
            "d": day + pd.to_timedelta(rng.integers(0, 800, n), "D"),
            "tz": day.tz_localize("Europe/Berlin") + pd.to_timedelta(rng.integers(0, 80000, n), "h"),
            "td": pd.to_timedelta(rng.integers(0, 500, n), "min"),
            "a name": rng.normal(size=n).round(2),
            ("t", 1): rng.choice(["p", "q", "r"], n),
            "k": 1,
            "e": np.nan,
            "id": [f"C{i:05d}" for i in rng.permutation(n)],
            "txt": [f"some free text number {i} here" for i in range(n)],
            "ms": (day + pd.to_timedelta(rng.integers(0, 10**9, n), "s")).astype("datetime64[ms]"),
            "big": rng.integers(2**60, 2**60 + 10**6, n),
        }
    )
    table.columns = pd.Index(list(table.columns), tupleize_cols=False)
    for name in ("I", "B", "s", "d", "tz", "td", "c", "a name"):
        table.loc[table.index[::7], name] = None
    return table


@pytest.fixture
def normals() -> pd.DataFrame:
    """Two normals with correlation 0.8, and a category that follows the first."""
    return draw_normals(4000, 0)


def draw_normals(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.8 * x + 0.6 * rng.normal(size=n)
    g = np.where(rng.random(n) < 1 / (1 + np.exp(-2 * x)), "high", "low")
    return pd.DataFrame({"x": x, "y": y, "g": g})
