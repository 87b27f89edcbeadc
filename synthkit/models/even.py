"""Uniform numbers that spread the draws of a table evenly over the model's laws, rather than each row by itself.

Rows that are drawn one by one have the noise of a count: of 1,000 rows a share of 10 % is off by one point, whatever
the model knows. Here rows that are alike share their luck. Before a node is drawn, rows are ordered along a tree that
halves them by what the node's net makes of them, and get the numbers of a scrambled van der Corput sequence in that
order: every branch of 2^m rows has one number in each of 2^m equal parts of [0, 1). Each number is uniform by itself,
and every row has the model's law still; together, counts in all branches are nearer to what is expected than by chance.

After L'Ecuyer, Lécot and Tuffin, "A randomized quasi-Monte Carlo simulation method for Markov chains" (array-RQMC),
Operations Research 56, 2008; scrambling after Owen, "Randomly permuted (t, m, s)-nets and (t, s)-sequences", 1995.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["even_uniforms"]

_DIRECTIONS = 16  # that the tree halves by, in turn


def even_uniforms(x: Tensor) -> Tensor:
    """One number per row in [0, 1), each uniform; rows with like ``x`` have numbers far apart.

    Uses torch's global random state, which also mixes the rows first, so that a row's place in the table says nothing.

    Args:
        x: ``(rows, H)`` what is known of the rows.

    Returns:
        ``(rows,)``.
    """
    rows = len(x)
    mixed = torch.randperm(rows, device=x.device)
    out = torch.empty(rows, device=x.device)
    out[mixed] = _van_der_corput(rows, x.device)[_ranks(_directions(x[mixed]))]
    return out


def _directions(x: Tensor) -> Tensor:
    """``(k, rows)`` scores along the directions of most variance, the first one first; one per level at most."""
    x = x.double()
    x = x - x.mean(0)
    vectors: Tensor = torch.linalg.eigh(x.T @ x)[1].flip(1)
    return (x @ vectors[:, : min(_DIRECTIONS, max(_levels(len(x)), 1))]).T.contiguous()


def _levels(rows: int) -> int:
    """Of a tree whose leaves have two to four rows."""
    return max(rows.bit_length() - 2, 0)


def _ranks(scores: Tensor) -> Tensor:
    """``(rows,)`` each row's place in a walk through the leaves of a tree of halves, one direction after another."""
    rows, device = scores.shape[1], scores.device
    index = torch.arange(rows, device=device)
    rank = torch.empty_like(scores, dtype=torch.long)
    rank.scatter_(1, scores.argsort(dim=1, stable=True), index.expand(len(scores), -1))
    cell = torch.zeros(rows, dtype=torch.long, device=device)
    for level in range(_levels(rows)):
        order = (cell * rows + rank[level % len(rank)]).argsort()
        inside = cell[order]
        count = torch.bincount(inside, minlength=1 << level)
        place = index - (count.cumsum(0) - count)[inside]
        cell[order] = 2 * inside + (2 * place >= count[inside]).long()
    place = torch.empty_like(cell)
    place[cell.argsort(stable=True)] = index
    return place


def _van_der_corput(rows: int, device: torch.device) -> Tensor:
    """``(rows,)`` the first numbers of the sequence in base 2, each digit flipped or not by the digits before it."""
    index = torch.arange(rows, device=device)
    digits = max((rows - 1).bit_length(), 1)
    value = torch.zeros(rows, dtype=torch.float64, device=device)
    before = torch.zeros(rows, dtype=torch.long, device=device)
    for k in range(digits):
        digit = (index >> k) & 1
        flip = torch.randint(0, 2, (1 << k,), device=device)
        value += (digit ^ flip[before]) * 0.5 ** (k + 1)
        before = 2 * before + digit
    value += torch.rand(rows, dtype=torch.float64, device=device) * 0.5**digits
    return value.float().clamp(max=1 - 2.0**-24)
