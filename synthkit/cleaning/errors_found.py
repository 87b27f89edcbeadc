"""Which cells of a table are probably wrong: each is hidden in turn, and judged by what the others of its row say."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.cleaning.surprise import Scale, odds_of_categories, odds_of_numbers
from synthkit.errors import ParamError, SchemaError
from synthkit.imputation.score import emptied
from synthkit.params import InstanceOf, Interval, Optional, check
from synthkit.progress import Progress
from synthkit.runtime import entropy
from synthkit.schema import Boolean, Categorical, Datetime, Duration, Numeric, Schema
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.centre import is_quantity, quantities
from synthkit.synthesizers.filling import Centres

__all__ = ["Findings", "find_errors"]

_PLACES = 256  # of each code, at which its values are taken


def judged(
    fitted: TabularSynthesizer, table: pd.DataFrame, trust: pd.DataFrame, scales: Mapping[Hashable, Scale], rows: int
) -> pd.DataFrame:
    """Log-odds of a slip of every cell, NaN where there is none. ``trust``: which cells others are judged by."""
    partial = fitted.encoder_.encode(emptied(table, ~trust), "fill", partial=True)
    centres = Centres(fitted.encoder_, fitted.model_)
    cells = {name: table[name].notna().to_numpy() for name in table.columns}
    laws = centres.laws(partial, cells)
    if laws is None:
        raise ParamError("find_errors: this model cannot tell its conditional laws; use 'autoregressive'.")
    out = pd.DataFrame(np.nan, index=table.index, columns=table.columns)
    for name, law in laws.items():
        there = cells[name]
        if not there.any():
            continue
        if name in scales:
            places = centres.values(name, _PLACES).to_numpy(dtype=float).reshape(-1, _PLACES)
            odds = odds_of_numbers(law, places, quantities(table[name][there]), scales[name], rows)
        else:
            levels = pd.Index(centres.values(name, 1).astype(object))
            odds = odds_of_categories(law, levels, table[name][there], rows)
        out.loc[there, name] = odds
    return out


def find_errors(
    table: pd.DataFrame,
    synthesizer: TabularSynthesizer | None = None,
    *,
    schema: Schema | None = None,
    rounds: int = 2,
    max_seconds: float | None = None,
    device: str = "auto",
    progress: bool | Callable[[Progress], bool | None] | None = None,
    seed: int = 0,
) -> Findings:
    check("find_errors", "synthesizer", synthesizer, Optional(InstanceOf(TabularSynthesizer)))
    check("find_errors", "rounds", rounds, Interval(int, 1))
    check("find_errors", "seed", seed, Interval(int, 0))
    if table.empty:
        raise SchemaError("find_errors: argument 'table' has no rows or no columns.")
    given = synthesizer is not None and "model_" in synthesizer.__dict__
    work, kinds = _workable(table, synthesizer.schema_ if given else schema)
    scales = {n: Scale.of(quantities(work[n])) for n, k in kinds.columns.items() if isinstance(k, Numeric)}
    trust = pd.DataFrame(True, index=work.index, columns=work.columns)
    odds = trust.astype(float)
    rng = np.random.default_rng(entropy(seed, 0))
    half = rng.permutation(len(work)) % 2
    for k in range(rounds):
        parts = []
        for side in (0, 1):
            learn, judge = half != side, half == side
            fitted = TabularSynthesizer(
                "autoregressive", schema=kinds, gaps="skip", rules=False, max_seconds=max_seconds, device=device,
                progress=progress, random_state=entropy(seed, 1, k, side) % 2**31,
            ).fit(emptied(work[learn], ~trust[learn]))
            parts.append(judged(fitted, work[judge], trust[judge], scales, int(learn.sum())).set_axis(np.flatnonzero(judge)))
        odds = pd.concat(parts).sort_index().set_axis(work.index)
        trust = ~(odds > _DOUBT)
    return odds

import os
_DOUBT = float(os.environ.get("DOUBT", "4"))

def _workable(table: pd.DataFrame, schema: Schema | None) -> tuple[pd.DataFrame, Schema]:
    """The columns that can be judged, dates and durations as numbers."""
    schema = Schema.infer(table, rules=False) if schema is None else schema
    out = {}
    for name, kind in schema.columns.items():
        if isinstance(kind, (Datetime, Duration)):
            series = pd.to_datetime(table[name]) if isinstance(kind, Datetime) else table[name]
            out[name] = pd.Series(quantities(series), index=table.index)
        elif isinstance(kind, (Numeric, Categorical, Boolean)):
            out[name] = table[name]
    work = pd.DataFrame(out, index=table.index)
    fresh = Schema.infer(work, rules=False)
    return work, Schema({n: schema.columns[n] if not isinstance(schema.columns[n], (Datetime, Duration)) else fresh.columns[n] for n in out})
class Findings: pass
