"""A target that is drawn anew so that its shares are the same in all groups, and as few cells change as can be."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ConditionError
from synthkit.runtime import entropy
from synthkit.synthesizers.filling import Centres

__all__ = ["levelled", "nearest_counts"]

Floats = NDArray[np.float64]
_DRAWS = 16  # of the target, where a model cannot tell its law given all other columns
_ROUNDS = 300


def levelled(
    synthesizer: Any, plain: pd.DataFrame, target: Hashable, groups: Sequence[Hashable], tolerance: float, seed: int
) -> pd.DataFrame:
    """``plain`` with the target levelled over groups; a null target stays null.

    Raises:
        ConditionError: a group has too few rows for shares within the tolerance.
    """
    filled = np.flatnonzero(plain[target].notna().to_numpy())
    if not len(filled):
        return plain
    part = plain.iloc[filled].reset_index(drop=True)
    values, laws = _laws(synthesizer, part, target, seed)
    place = {value: k for k, value in enumerate(values)}
    codes = np.array([place[value] for value in part[target]], np.int64)
    shares = np.bincount(codes, minlength=len(values)) / len(codes)
    group = part.groupby(list(groups), dropna=False, observed=True, sort=False).ngroup().to_numpy()
    sizes = np.bincount(group)
    counts = np.stack([nearest_counts(shares * size) for size in sizes])
    if np.ptp(counts / sizes[:, None], axis=0).max() > tolerance:  # rows are whole
        raise ConditionError(
            f"TabularSynthesizer.fair: a group of the protected columns has {sizes.min()} of the drawn rows, too few "
            "for shares within 'tolerance'; draw more rows, or merge groups."
        )
    rng = np.random.default_rng(seed)
    new = codes.copy()
    for g in range(len(sizes)):
        at = np.flatnonzero(group == g)
        new[at] = _coupled(codes[at], laws[at], _levelled(laws[at], shares), counts[g], rng)
    out = plain.copy()
    cells = out[target].copy()
    changed = filled[new != codes]
    cells.iloc[changed] = pd.Series([values[k] for k in new[new != codes]]).astype(cells.dtype).array
    out[target] = cells
    return out


def _laws(synthesizer: Any, part: pd.DataFrame, target: Hashable, seed: int) -> tuple[list[Any], Floats]:
    """The target's values, and ``(rows, values)`` probabilities of each given all other columns of a row."""
    centres = Centres(synthesizer.encoder_, synthesizer.model_)
    encoded = synthesizer.encoder_.encode(part)
    found = centres.laws(encoded, {target: np.ones(len(part), np.bool_)})
    if found and target in found:
        cells = centres.values(target, 1)
        values = list(dict.fromkeys(cells.tolist()))
        if part[target].isin(values).all():  # of a number, every value is a cell of its own
            sums = np.stack([found[target][:, (cells == value).to_numpy(np.bool_)].sum(axis=1) for value in values], 1)
            return values, np.maximum(sums, 1e-9)
    values = sorted(part[target].unique(), key=str)
    counts = np.full((len(part), len(values)), 0.5)
    rest = part.drop(columns=target)
    for i in range(_DRAWS):
        drawn = synthesizer.complete(rest, seed=entropy(seed, i))[target]
        for k, value in enumerate(values):
            counts[:, k] += (drawn == value).to_numpy(np.bool_, na_value=False)
    return values, counts / counts.sum(axis=1, keepdims=True)


def _levelled(laws: Floats, shares: Floats) -> Floats:
    """The laws with the odds of each class times a constant, so that their means are the shares."""
    factor = np.ones(laws.shape[1])
    out = laws
    for _ in range(_ROUNDS):
        mean = out.mean(axis=0)
        if np.abs(mean - shares).max() < 1e-6:
            break
        factor *= np.divide(shares, mean, out=np.zeros_like(mean), where=mean > 0)
        out = laws * factor
        out /= out.sum(axis=1, keepdims=True)
    return out


def nearest_counts(exact: Floats) -> NDArray[np.int64]:
    """Whole numbers of the same sum (largest remainders)."""
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: round(float(exact.sum())) - counts.sum()]] += 1
    return counts


def _coupled(
    codes: NDArray[np.int64], before: Floats, after: Floats, wanted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Codes of the laws ``after``, in the wanted counts, that seldom differ from ``codes`` of ``before``."""
    rows = np.arange(len(codes))
    keep = rng.random(len(codes)) < np.minimum(1, after[rows, codes] / before[rows, codes])
    rest = np.maximum(after - before, 0)
    rest[rest.sum(axis=1) <= 0] = 1.0
    rest /= rest.sum(axis=1, keepdims=True)
    drawn = (rng.random(len(codes))[:, None] > np.cumsum(rest, axis=1)).sum(axis=1)
    new = np.where(keep, codes, np.minimum(drawn, after.shape[1] - 1))
    for _ in range(after.shape[1] ** 2):  # from classes with rows too many to those with too few
        over = np.bincount(new, minlength=len(wanted)) - wanted
        giver, taker = int(over.argmax()), int(over.argmin())
        many = min(over[giver], -over[taker])
        if many <= 0:
            break
        at = np.flatnonzero(new == giver)
        odds = after[at, taker] / np.maximum(after[at, giver], 1e-12)
        new[rng.choice(at, many, replace=False, p=odds / odds.sum())] = taker
    return new
