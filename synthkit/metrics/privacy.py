"""Whether synthetic rows sit closer to the rows they were learnt from than fresh rows would.

Distances are Gower-like (Gower 1971): the sum over columns of the difference of numbers, scaled by the training
range, and of 1 for each pair of different categories; where just one of two cells is null that counts 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from synthkit.metrics.tables import Coded, Kinds, code_tables, row_keys

__all__ = ["copy_rate", "dcr_share", "mia_auc"]

_BLOCK = (64, 2048)  # distances held at a time: 512 kB, which a core's cache holds
_ONE_HOT = 24  # up to here a product of one-hot codes is faster than comparing the codes of all pairs
_TIE = 1e-5  # distances are float32 sums


@dataclass(frozen=True)
class _Points:
    """Rows prepared for distances: ``values`` has 0 for null and ``null`` says where; ``levels`` is one-hot."""

    values: torch.Tensor  # (rows, n_num)
    null: torch.Tensor  # (rows, nullable n_num)
    filled: torch.Tensor  # (rows, nullable n_num): |values| of those columns
    levels: torch.Tensor  # (rows, one-hot levels)
    codes: torch.Tensor  # (rows, columns of many levels)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: slice) -> _Points:
        return _Points(*(t[index] for t in (self.values, self.null, self.filled, self.levels, self.codes)))


def _points(scale_by: Coded, tables: Sequence[Coded]) -> list[_Points]:
    """Every table, scaled by the range that ``scale_by`` has."""
    low, span = np.zeros(len(scale_by.num)), np.ones(len(scale_by.num))
    for j in range(len(scale_by.num)):
        known = scale_by.numbers[~np.isnan(scale_by.numbers[:, j]), j]
        if len(known) and known.max() > known.min():
            low[j], span[j] = known.min(), known.max() - known.min()
    nullable = np.any([np.isnan(t.numbers).any(axis=0) for t in tables], axis=0)
    few = [j for j, size in enumerate(scale_by.sizes) if size < _ONE_HOT]
    many = [j for j, size in enumerate(scale_by.sizes) if size >= _ONE_HOT]
    out = []
    for table in tables:
        null = np.isnan(table.numbers)
        values = np.where(null, 0.0, (table.numbers - low) / span)
        levels = [
            np.eye(scale_by.sizes[j] + 1, dtype=np.float32)[table.codes[:, j] + 1] for j in few
        ]  # null is one more level
        out.append(
            _Points(
                torch.from_numpy(values.astype(np.float32)),
                torch.from_numpy(null[:, nullable].astype(np.float32)),
                torch.from_numpy(np.abs(values[:, nullable]).astype(np.float32)),
                torch.from_numpy(np.concatenate(levels, axis=1) if levels else np.zeros((len(table), 0), np.float32)),
                torch.from_numpy(table.codes[:, many].astype(np.int32)),
            )
        )
    return out


def _distances(a: _Points, b: _Points, n_one_hot: int) -> torch.Tensor:
    """``(len(a), len(b))``."""
    out = n_one_hot - a.levels @ b.levels.T  # matching levels do not count
    for j in range(a.values.shape[1]):  # three times as fast as torch.cdist, as the block stays in the cache
        out += (a.values[:, j, None] - b.values[:, j]).abs_()
    if a.null.shape[1]:
        # a pair with one null has |value - 0| above; replace that by 1. Both null: 0 already.
        out += (1 - a.null - a.filled) @ b.null.T + a.null @ (1 - b.null - b.filled).T
    for j in range(a.codes.shape[1]):
        out += a.codes[:, j, None] != b.codes[:, j]
    return out


def _nearest(rows: _Points, base: _Points, n_one_hot: int, windows: Sequence[slice]) -> NDArray[np.float32]:
    """Distance of every row to its nearest in each window of ``base``: ``(windows, rows)``."""
    cuts = {0, len(base)} | {w.start for w in windows} | {w.stop for w in windows}
    edges = sorted(cuts | set(range(0, len(base), _BLOCK[1])))
    chunks = [base.take(slice(low, high)) for low, high in pairwise(edges)]
    nearest = torch.empty(len(chunks), len(rows))
    for start in range(0, len(rows), _BLOCK[0]):
        block = slice(start, start + _BLOCK[0])
        part = rows.take(block)
        for k, chunk in enumerate(chunks):
            torch.amin(_distances(part, chunk, n_one_hot), 1, out=nearest[k, block])
    inside = [[w.start <= low < w.stop for low in edges[:-1]] for w in windows]
    return np.stack([nearest[torch.tensor(i)].amin(0).numpy() for i in inside])


def _windows(rows: int, size: int, count: int) -> list[slice]:
    """``count`` windows of ``size``, spread evenly over ``rows``; of shuffled rows each is a random subsample."""
    starts = np.linspace(0, rows - size, count if rows > size else 1).astype(int).tolist()
    return [slice(start, start + size) for start in starts]


def _pick(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.int64]:
    return rng.permutation(rows)[:size]


def _one_hot_columns(table: Coded) -> int:
    return sum(size < _ONE_HOT for size in table.sizes)


def dcr_share(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
    subsets: int = 5,
) -> float:
    """Share of synthetic rows that lie nearer to training than to holdout rows, ties one half: 0.5 is best.

    The distance to the closest record of Platzer & Reutterer (2021), as a share. The training table is subsampled
    to the holdout's size, and the mean over ``subsets`` such draws is taken.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        seed: of the subsamples.
        rows: synthetic rows used at most.
        subsets: training subsets.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 2.0, 4.0]}), pd.DataFrame({"x": [1.0, 3.0, 5.0]})
    >>> dcr_share(train, train, holdout), dcr_share(holdout, train, holdout)
    (1.0, 0.0)
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    rng = np.random.default_rng(seed)
    s, t, h = s.take(_pick(rng, len(s), rows)), t.take(_pick(rng, len(t), len(t))), h.take(_pick(rng, len(h), len(h)))
    size = min(len(t), len(h))
    points, base_t, base_h = _points(t, (s, t, h))
    n = _one_hot_columns(t)
    to_train = _nearest(points, base_t, n, _windows(len(t), size, subsets))
    to_holdout = _nearest(points, base_h, n, _windows(len(h), size, subsets))
    tie = np.abs(to_train - to_holdout) <= _TIE
    return float(np.where(tie, 0.5, to_train < to_holdout).mean())


def mia_auc(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
) -> float:
    """ROC AUC of the plainest membership attack, by the distance to the nearest synthetic row: 0.5 is best.

    Chen et al. (2020, GAN-Leaks), black box. As many training as holdout rows are attacked. A weak attack: to pass it
    is necessary, not sufficient.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        seed: of the subsamples.
        rows: rows attacked at most, on each side.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 2.0, 4.0]}), pd.DataFrame({"x": [1.0, 3.0, 5.0]})
    >>> mia_auc(train, train, holdout)
    1.0
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    rng = np.random.default_rng(seed)
    size = min(len(t), len(h), rows)
    members, others = t.take(_pick(rng, len(t), size)), h.take(_pick(rng, len(h), size))
    base, inside, outside = _points(t, (s, members, others))
    n = _one_hot_columns(t)
    everything = [slice(0, len(base))]
    distance = np.concatenate([_nearest(attacked, base, n, everything)[0] for attacked in (inside, outside)])
    # rounded, so that the float32 sums of equal distances are equal
    return float(roc_auc_score(np.repeat([1, 0], size), -np.round(distance / _TIE)))


def copy_rate(synthetic: pd.DataFrame, train: pd.DataFrame, *, kinds: Kinds | None = None) -> float:
    """Share of synthetic rows that equal a training row in every column (null equals null).

    Compare it with the holdout's own, ``copy_rate(holdout, train)``: coarse tables repeat by chance.

    >>> copy_rate(pd.DataFrame({"x": [1, 2], "y": ["a", "a"]}), pd.DataFrame({"x": [1, 1], "y": ["a", "b"]}))
    0.5
    """
    a, b = row_keys(*code_tables(synthetic, train, kinds=kinds))
    return float(np.isin(a, b).mean())
