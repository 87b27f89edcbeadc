"""Figures of panels beyond ``score_panel``: values per code of long forms, prevalence of codes, cover of fans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from benchmarks.panel_data import PanelSplit
from synthkit.errors import SchemaError

__all__ = ["Extend", "cover", "fans", "of_codes", "prevalence"]

Extend = Callable[[pd.DataFrame, int, int, int], pd.DataFrame]
"""Called with a history, steps, the number of draws and a seed; gives rows of all draws, numbered in ``draw``."""
_FEWEST = 30  # values of a code that count
_LEVEL = 0.9


def of_codes(real: pd.DataFrame, other: pd.DataFrame, *, code: str, value: str) -> dict[str, float]:
    """How far the values of each code are from the real ones, in a long form (a row per measurement).

    Args:
        real, other: the tables; codes with 30 real values at least count.
        code, value: columns: what was measured, and its number.

    Returns:
        ``ks``: mean over codes of the Kolmogorov-Smirnov distance (1 for a code without a value); ``ks_rows``: the
        same weighted by real rows; ``ks_worst``; ``share``: total variation of the shares of all codes; ``codes``.
    """
    shares = [table[code].value_counts(normalize=True) for table in (real, other)]
    share = float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
    known, drawn = (dict(iter(t.dropna(subset=[value]).groupby(code)[value])) for t in (real, other))
    weight = {name: len(x) for name, x in known.items() if len(x) >= _FEWEST}
    ks = [float(ks_2samp(known[name], drawn[name]).statistic) if name in drawn else 1.0 for name in weight]
    if not ks:
        return {"ks": np.nan, "ks_rows": np.nan, "ks_worst": np.nan, "share": share, "codes": 0}
    mean = float(np.average(ks, weights=list(weight.values())))
    return {"ks": float(np.mean(ks)), "ks_rows": mean, "ks_worst": max(ks), "share": share, "codes": len(ks)}


def prevalence(real: pd.DataFrame, other: pd.DataFrame, *, entity: str, code: str) -> dict[str, float]:
    """Do as many entities have each code? (Over all codes of either table; Theodorou, Xiao & Sun, 2023, for the idea.)

    Returns:
        ``r2``: share of the variance of the real prevalences that the others explain as they are (1: equal; below 0:
        worse than one mean); ``correlation2``: squared correlation, blind to scale; ``new``: share of the other
        table's rows with a code that the real one lacks.
    """
    shares = []
    for table in (real, other):
        pairs = table[[entity, code]].dropna().drop_duplicates()
        shares.append(pairs[code].value_counts() / table[entity].nunique())
    both = pd.concat(shares, axis=1, keys=["real", "other"]).fillna(0.0)
    x, y = both["real"].to_numpy(), both["other"].to_numpy()
    spread = float(((x - x.mean()) ** 2).sum())
    r2 = 1 - float(((x - y) ** 2).sum()) / spread if spread > 0 else np.nan
    varied = x.std() > 0 and y.std() > 0
    new = float((~other[code].dropna().isin(real[code])).mean())
    return {"r2": r2, "correlation2": float(np.corrcoef(x, y)[0, 1] ** 2) if varied else np.nan, "new": new}


# -------------------------------------------------------------------- fans
def fans(
    split: PanelSplit, extend: Extend, *, steps: int = 5, draws: int = 100, entities: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Cover of 90 % intervals on held-out entities: the first half of their rows is given, the next rows are asked.

    Args:
        split: the panel; its holdout is asked.
        extend: continues histories.
        steps: rows asked per entity, at most.
        draws: continuations per entity.
        entities: that are asked, at most; drawn by ``seed``.
        seed: of the choice and of the draws.

    Returns:
        A line per numeric moving column and per ``step`` (1, 2, ...), and one for the time of the next row (step 1;
        column: the time's name), with ``cover``, ``cover_open`` and ``rows`` as in :func:`cover`. A later time is
        judged only as part of its row, as its error adds up.

    Raises:
        SchemaError: the panel has no time, or ``extend`` gave no column ``draw``.
    """
    if split.time is None:
        raise SchemaError("fans: the panel has no time, so that its rows have no order; take one that has.")
    history, truth = _halved(split, steps, entities, seed)
    drawn = extend(history, steps, draws, seed)
    if "draw" not in drawn.columns:
        raise SchemaError("fans: the continuation has no column 'draw'; number the draws there.")
    drawn = drawn.assign(_step=drawn.groupby(["draw", split.entity], sort=False).cumcount() + 1)
    moving = [str(c) for c, kind in split.kinds.items() if kind == "numeric" and c not in split.context]
    lines = []
    for step in range(1, steps + 1):
        asked = truth[truth["_step"] == step].set_index(split.entity)
        given = drawn[drawn["_step"] == step]
        for name in [*([split.time] if step == 1 else []), *moving]:
            found = cover(asked[name], given, split.entity, name, seed=seed)
            lines.append({"column": name, "step": step, **found})
    return pd.DataFrame(lines)


def cover(truth: pd.Series[Any], drawn: pd.DataFrame, entity: str, name: str, *, seed: int = 0) -> dict[str, float]:
    """How often the central 90 % of the draws hold the truth.

    Args:
        truth: a value per entity (its index); nulls are not asked.
        drawn: rows of all draws, with columns ``entity`` and ``name``; nulls count as no draw.
        entity, name: the columns.
        seed: of the breaking of ties.

    Returns:
        ``cover``: the truth's rank among the draws, ties broken at random, is in the central 90 %: right for counts and
        sticky values too. ``cover_open``: it lies between the quantiles .05 and .95, bounds included, which for values
        with many ties is wider than 90 %. ``rows``: truths with 20 draws at least.
    """
    values = _numbers(truth)
    values = values[values.notna()]
    draws = pd.DataFrame({"entity": drawn[entity].to_numpy(), "x": _numbers(drawn[name]).to_numpy()}).dropna()
    draws = draws[draws["entity"].isin(values.index)]
    asked = values.reindex(draws["entity"]).to_numpy()
    draws = draws.assign(below=draws["x"].to_numpy() < asked, tied=draws["x"].to_numpy() == asked)
    groups = draws.groupby("entity")
    sums = groups[["below", "tied"]].sum().assign(n=groups.size())
    sums = sums[sums["n"] >= 20]
    if not len(sums):
        return {"cover": np.nan, "cover_open": np.nan, "rows": 0}
    tie = np.random.default_rng(seed).random(len(sums))
    rank: NDArray[np.float64] = (sums["below"] + tie * (sums["tied"] + 1)).to_numpy() / (sums["n"].to_numpy() + 1)
    tail = (1 - _LEVEL) / 2
    low, high = (groups["x"].quantile(q).loc[sums.index] for q in (tail, 1 - tail))
    inside = values.loc[sums.index].between(low, high)
    return {
        "cover": float(((rank >= tail) & (rank <= 1 - tail)).mean()),
        "cover_open": float(inside.mean()),
        "rows": len(sums),
    }


def _numbers(values: pd.Series[Any]) -> pd.Series[float]:
    """Numbers as floats; dates as days."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
    return values.astype(float)


def _halved(split: PanelSplit, steps: int, entities: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first half of the rows of held-out entities, and the rows that follow, numbered in ``_step``."""
    table = split.holdout
    sizes = table.groupby(split.entity).size()
    keys = np.sort(sizes.index[sizes >= 2].to_numpy())
    chosen = keys[np.random.default_rng(seed).permutation(len(keys))[:entities]]
    table = table[table[split.entity].isin(chosen)]
    grouped = table.groupby(split.entity, sort=False)
    step = grouped.cumcount() - table[split.entity].map(sizes // 2) + 1
    history, rest = table[step < 1], table.assign(_step=step)
    return history.reset_index(drop=True), rest[(step >= 1) & (step <= steps)].reset_index(drop=True)
