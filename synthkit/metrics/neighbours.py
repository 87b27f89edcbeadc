"""Exact nearest neighbours of mixed rows, in blocks.

Distances are Gower-like (Gower 1971): the sum over columns of the difference of numbers, scaled by the range of the
rows that the space was fitted on, and of 1 for each pair of different categories; where just one of two cells is null
that counts 1. All tables of a comparison live in one space, fitted on real rows, so that no table is favoured by a
scaling of its own. Memory is a block of distances and ``k`` neighbours per row, never rows times rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from synthkit.metrics.tables import Coded

__all__ = ["TIE", "Near", "Points", "isolated", "nearest", "place", "windows"]

TIE = 1e-5  # distances are float32 sums: closer than this is equal
_BLOCK = (64, 2048)  # distances held at a time: 512 kB, which a core's cache holds
_ONE_HOT = 24  # up to here a product of one-hot codes is faster than comparing the codes of all pairs


@dataclass(frozen=True)
class Points:
    """Rows prepared for distances: ``values`` has 0 for null and ``null`` says where; ``levels`` is one-hot."""

    values: torch.Tensor  # (rows, n_num)
    null: torch.Tensor  # (rows, nullable n_num)
    filled: torch.Tensor  # (rows, nullable n_num): |values| of those columns
    levels: torch.Tensor  # (rows, one-hot levels)
    codes: torch.Tensor  # (rows, columns of many levels)
    one_hot: int  # columns behind ``levels``

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: slice | NDArray[np.int64]) -> Points:
        """The rows at ``index``."""
        at = index if isinstance(index, slice) else torch.from_numpy(index)
        parts = [t[at] for t in (self.values, self.null, self.filled, self.levels, self.codes)]
        return Points(parts[0], parts[1], parts[2], parts[3], parts[4], self.one_hot)


@dataclass(frozen=True)
class Near:
    """The nearest rows of a base, nearest first.

    Attributes:
        distance: float32 ``(rows, k)``; infinite where the base has fewer rows.
        index: int64 ``(rows, k)``, into the base; -1 where the base has fewer rows.
    """

    distance: NDArray[np.float32]
    index: NDArray[np.int64]

    def without(self, j: int) -> NDArray[np.float32]:
        """The distances as they were if the j-th neighbour did not exist: ``(rows, k - 1)``."""
        return np.delete(self.distance, j, axis=1)


def place(scale_by: Coded, tables: Sequence[Coded]) -> list[Points]:
    """Every table as points of one space, scaled by the range that ``scale_by`` has."""
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
            Points(
                torch.from_numpy(values.astype(np.float32)),
                torch.from_numpy(null[:, nullable].astype(np.float32)),
                torch.from_numpy(np.abs(values[:, nullable]).astype(np.float32)),
                torch.from_numpy(np.concatenate(levels, axis=1) if levels else np.zeros((len(table), 0), np.float32)),
                torch.from_numpy(table.codes[:, many].astype(np.int32)),
                len(few),
            )
        )
    return out


def distances(a: Points, b: Points) -> torch.Tensor:
    """``(len(a), len(b))``."""
    out = a.one_hot - a.levels @ b.levels.T  # matching levels do not count
    for j in range(a.values.shape[1]):  # three times as fast as torch.cdist, as the block stays in the cache
        out += (a.values[:, j, None] - b.values[:, j]).abs_()
    if a.null.shape[1]:
        # a pair with one null has |value - 0| above; replace that by 1. Both null: 0 already.
        out += (1 - a.null - a.filled) @ b.null.T + a.null @ (1 - b.null - b.filled).T
    for j in range(a.codes.shape[1]):
        out += a.codes[:, j, None] != b.codes[:, j]
    return out


def windows(rows: int, size: int, count: int) -> list[slice]:
    """``count`` windows of ``size``, spread evenly over ``rows``; of shuffled rows each is a random subsample."""
    starts = np.linspace(0, rows - size, count if rows > size else 1).astype(int).tolist()
    return [slice(start, start + size) for start in starts]


def nearest(rows: Points, base: Points, k: int = 1, inside: Sequence[slice] = ()) -> list[Near]:
    """The ``k`` nearest of ``base`` to every row: in all of ``base``, and then in each window of it.

    Exact, in ``O(rows * base)`` time and ``O(rows * k)`` memory.
    """
    whole = slice(0, len(base))
    cuts = {0, len(base)} | {w.start for w in inside} | {w.stop for w in inside}
    edges = sorted(cuts | set(range(0, len(base), _BLOCK[1])))
    chunks = [base.take(slice(low, high)) for low, high in pairwise(edges)]
    out_d = torch.full((len(rows), len(chunks), k), torch.inf)
    out_i = torch.full((len(rows), len(chunks), k), -1, dtype=torch.int64)
    for start in range(0, len(rows), _BLOCK[0]):
        block = slice(start, start + _BLOCK[0])
        part = rows.take(block)
        for c, chunk in enumerate(chunks):
            width = min(k, len(chunk))
            found = distances(part, chunk).topk(width, dim=1, largest=False)
            out_d[block, c, :width] = found.values
            out_i[block, c, :width] = found.indices + edges[c]
    results = []
    for window in (whole, *inside):
        at = torch.tensor([window.start <= low < window.stop for low in edges[:-1]], dtype=torch.bool)
        d, i = out_d[:, at].flatten(1), out_i[:, at].flatten(1)
        if not d.shape[1]:
            d, i = torch.full((len(rows), k), torch.inf), torch.full((len(rows), k), -1, dtype=torch.int64)
        best = d.topk(k, dim=1, largest=False)
        results.append(Near(best.values.numpy(), i.gather(1, best.indices).numpy()))
    return results


def isolated(distance: NDArray[np.float32], share: float = 0.1) -> NDArray[np.bool_]:
    """The ``share`` of rows that lie farthest from the rest; none where so many tie that no such share stands out."""
    if not len(distance):
        return np.zeros(0, np.bool_)
    edge = np.sort(distance)[int(np.floor((1 - share) * (len(distance) - 1)))]
    beyond = distance > edge + TIE
    far = beyond if beyond.mean() >= share / 2 else distance >= edge - TIE
    return far if 0 < far.mean() <= 2 * share else np.zeros(len(distance), np.bool_)
