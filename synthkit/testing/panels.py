"""Records over time drawn from a law that is known in full."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["PHI", "STAY", "draw_panel"]

PHI, STAY = 0.6, 0.85
"""The AR(1)'s coefficient, and how often a state is kept."""


def draw_panel(entities: int, seed: int, *, rows: float = 10.0, spread: float = 1.0, phi: float = PHI) -> pd.DataFrame:
    """Patients' visits, a row each.

    ``x`` is an AR(1) around a level of the patient's, ``y`` follows the former ``x``, ``state`` is a Markov chain, gaps
    are exponential with a patient's own mean, ``arm`` raises the level, and ``died`` follows it.

    Args:
        entities: patients (``who``); seed: of all that is drawn, and part of the patients' names.
        rows: mean number of visits beyond the first two.
        spread: standard deviation of the patients' levels; phi: of the AR(1).
    """
    rng = np.random.default_rng(seed)
    n = 2 + rng.poisson(rows, entities)
    who, starts = np.repeat(np.arange(entities), n), np.cumsum(n) - n
    position = np.arange(n.sum()) - starts[who]
    arm = rng.integers(0, 2, entities)
    level = spread * rng.normal(size=entities) + (arm if phi else 0)
    e, u = rng.normal(size=n.sum()), rng.random(n.sum())
    x, state = e.copy(), (u < 0.5).astype(int)
    for t in range(1, n.max()):
        at = np.flatnonzero(position == t)
        x[at] = phi * x[at - 1] + np.sqrt(1 - phi**2) * e[at]
        state[at] = np.where(u[at] < STAY, state[at - 1], 1 - state[at - 1])
    y = np.where(position == 0, 0.0, np.roll(x, 1)) + 0.5 * rng.normal(size=len(x))
    y[rng.random(len(y)) < 0.1] = np.nan
    days = np.where(position == 0, 0.0, rng.exponential(7 * np.exp(0.5 * rng.normal(size=entities))[who]))
    days = np.cumsum(days) - np.cumsum(days)[starts][who] + rng.uniform(0, 300, entities)[who]
    died = rng.random(entities) < 1 / (1 + np.exp(-2 * level))
    return pd.DataFrame(
        {
            "who": [f"p{seed}-{i}" for i in who],
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(days.round(3), "D"),
            "x": x + level[who],
            "y": y,
            "state": np.where(state == 1, "on", "off"),
            "arm": np.where(arm == 1, "a", "b")[who],
            "died": died[who],
        }
    )
