"""Which model a table gets, and why, in a sentence; and whose rows they are."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from synthkit.encoder import TableEncoder
from synthkit.errors import SynthkitWarning
from synthkit.models import MODELS, ModelSpec

__all__ = ["choose", "compare", "owners"]


def compare(nets: Tensor, trees: Tensor) -> tuple[bool, str]:
    """Are the trees clearly better on held-out rows (by a standard error)? And a sentence that says so."""
    gain = (nets - trees).double()
    error = float(gain.std()) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    better = float(gain.mean()) > error
    found = {"autoregressive": float(nets.mean()), "trees": float(trees.mean())}
    chosen, other = ("trees", "autoregressive") if better else ("autoregressive", "trees")
    why = " (no clear difference, and it takes any condition)" if abs(float(gain.mean())) <= error else ""
    return better, (
        f"{chosen}: it misses each of {len(gain)} held-out rows by {found[chosen]:.1f} nats, {other} by "
        f"{found[other]:.1f}{why}."
    )


def owners(table: pd.DataFrame, encoder: TableEncoder) -> NDArray[np.int64]:
    """``(rows,)`` whose row it is, numbered from 0."""
    entity = encoder.schema_.entity
    return np.arange(len(table)) if entity is None else pd.factorize(table[entity])[0].astype(np.int64)


def choose(encoder: TableEncoder, rows: int) -> tuple[ModelSpec, str]:
    """The model of "auto", and a sentence that says why."""
    fields = len(encoder.layout_.fields)
    if fields == 0 or rows < 20:
        why = "no column to learn" if not fields else f"{rows} rows are too few to learn any dependence"
        if fields:
            warnings.warn(f"TabularSynthesizer: {why}; columns are drawn independently.", SynthkitWarning, stacklevel=3)
        return MODELS["independent"](), f"independent: {why}."
    return MODELS["autoregressive"](), (
        f"autoregressive: {rows} rows are enough to learn {fields} fields' dependence, and it takes any condition."
    )
