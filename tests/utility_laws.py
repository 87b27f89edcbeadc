"""Tables of a known law for the tests of utility and of domains."""

from __future__ import annotations

import numpy as np
import pandas as pd


def draw(rows: int, seed: int) -> pd.DataFrame:
    """A target of two classes, a time to an event and a visit, all led by ``x`` and ``g``; ``noise`` leads nothing."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, rows))
    g = rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2])
    risk = 2.5 * x + 1.5 * (g == "b") - 1.5 * (g == "c")
    late = rng.exponential(np.exp(-1.2 * x - 1.0 * (g == "b") + (g == "c")))
    censored = rng.exponential(2.0, rows)
    table = pd.DataFrame(
        {
            "x": x,
            "noise": noise,
            "g": g,
            "y": np.where(rng.random(rows) < 1 / (1 + np.exp(1.0 - risk)), "bad", "good"),
            "weeks": np.minimum(late, censored),
            "died": late <= censored,
        }
    )
    table.loc[rng.random(rows) < 0.05, "x"] = np.nan
    table.loc[rng.random(rows) < 0.05, "g"] = None
    return table


def shuffled(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every column shuffled by itself."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: table[c].take(rng.permutation(len(table))).to_numpy() for c in table}).astype(table.dtypes)


def mixed(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """A share of the rows replaced by rows without dependence."""
    n = round(share * len(table))
    return pd.concat([shuffled(table).head(n), table.tail(len(table) - n)], ignore_index=True)
