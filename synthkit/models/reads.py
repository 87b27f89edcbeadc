"""Which other columns a net reads where the table has too many for all: those it is most associated with.

The association of two nodes is the largest absolute correlation over pairs of a few scores of theirs: of an ordered
node its normal score, the square of that and its null flag; of an unordered one the indicators of its most frequent
tokens. This is sure independence screening (Fan and Lv, JRSS B 70, 2008), column by column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from synthkit.models.base import Recipe
from synthkit.models.nets import Node, places

__all__ = ["BATCH", "ROWS", "choose", "of_file", "orders", "plan", "scores"]

BATCH = 1 << 15  # rows x nodes of a step
_WORK = 30_000_000  # rows x nodes of all steps: some minutes on two cores
ROWS = 5000  # that the associations are counted over, evenly spaced
_SCORES = 4  # of a node
_FALSE = 1 / 3  # of the pairs that are read: a weak source that is missed costs more than a false one
_BEFORE = 4.0  # times its evidence, one of the best predecessors stands; of half the correlation it is as good


@torch.no_grad()
def scores(nodes: Sequence[Node], tokens: Tensor, known: Tensor, at: Tensor, weight: Tensor | None = None) -> Tensor:
    """Standardised scores ``(P, B, N)``: of P * P products, the sums over the rows are correlations.

    Args:
        tokens, known: ``(B, N)``; at: ``(B, N)`` places in the nodes' laws; weight: ``(B,)`` of the rows.
    """
    sizes = torch.tensor([node.size for node in nodes], device=tokens.device)
    ordered = torch.tensor([node.ordered for node in nodes], device=tokens.device)
    filled = known & (tokens < sizes)
    score, square = places(at, 2).unbind(-1)
    out = torch.zeros(_SCORES, *tokens.shape, device=tokens.device)
    seen = torch.stack([filled & ordered, filled & ordered, *[known] * (_SCORES - 2)])
    out[0], out[1] = score, square
    out[2] = (known & ~filled).float()
    for i in (~ordered).nonzero().squeeze(1).tolist():
        counts = torch.bincount(tokens[:, i][known[:, i]], minlength=nodes[i].tokens)
        frequent = counts.topk(min(_SCORES, len(counts))).indices
        out[:, :, i] = 0.0
        out[: len(frequent), :, i] = (tokens[:, i] == frequent[:, None]).float()
        seen[:, :, i] = known[:, i]
    w = torch.ones(len(tokens), device=tokens.device) if weight is None else weight.to(out)
    w = w[:, None] * seen / w.sum().clamp(min=1e-12)
    out = out - (out * w).sum(1, keepdim=True) / w.sum(1, keepdim=True).clamp(min=1e-12)
    power = (out**2 * w).sum(1, keepdim=True)
    # A score of a handful of rows correlates with anything: it has to be left out.
    rare = (out.abs() > 1e-6).float().mul(seen).sum(1, keepdim=True) < 2
    scale = torch.where((power > 1e-7) & ~rare, power.clamp(min=1e-12).rsqrt(), 0.0)
    return out * w.sqrt() * scale


@torch.no_grad()
def choose(
    nodes: Sequence[Node], tokens: Tensor, known: Tensor, at: Tensor, reads: int, weight: Tensor | None = None
) -> Tensor:
    """Sources ``(N, S)`` of every node, S <= ``reads``; a node that needs fewer is filled up with itself.

    The best among the node's predecessors in the table, half as many as ``reads``, come first unless they are much
    weaker, so that a row that is drawn in the table's order has enough to go by; then the best of all.

    Args:
        tokens, known, at, weight: as of :func:`scores`.
    """
    n, score = len(nodes), scores(nodes, tokens, known, at, weight)
    rows = float(len(tokens)) if weight is None else float(weight.sum() ** 2 / (weight**2).sum().clamp(min=1e-12))
    evidence = torch.zeros(n, n, device=score.device)
    for p in range(len(score)):
        for q in range(p + 1):
            z = (score[p].T @ score[q]).abs_() * math.sqrt(rows)
            tests = 1 if p == q == 0 else len(score) ** 2  # the first scores are tried by themselves
            # -log of the chance of so large a correlation, on either side
            found = -torch.special.log_ndtr(-torch.maximum(z, z.T)) - math.log(2 * tests)
            evidence = torch.maximum(evidence, found)
    evidence.fill_diagonal_(0)
    evidence = torch.where(evidence >= _enough(evidence), evidence, 0.0)
    reads = min(reads, n - 1)
    before = evidence.tril(-1).topk(max(reads // 2, 1), dim=1)
    ranked = evidence.scatter(1, before.indices, before.values * _BEFORE)
    best = ranked.topk(reads, dim=1)
    real = best.values > 0
    size = max(int(real.sum(1).max()), 1)
    itself = torch.arange(n, device=score.device)[:, None]
    return torch.where(real, best.indices, itself)[:, :size].contiguous()


def _enough(evidence: Tensor) -> float:
    """The evidence that a pair needs for a share of :data:`_FALSE` false ones among all that have it, none by chance.

    Benjamini and Hochberg, JRSS B 57 (1995), 289-300.
    """
    n = len(evidence)
    lower = torch.tril_indices(n, n, -1, device=evidence.device)
    pairs = evidence[lower[0], lower[1]].sort(descending=True).values.double()
    place = torch.arange(1, len(pairs) + 1, device=pairs.device)
    good = (pairs >= math.log(len(pairs) / _FALSE) - place.log()).nonzero()
    return float(pairs[good[-1]]) if len(good) else math.inf


def of_file(sources: Tensor, nets: int, nodes: int, reads: int) -> int:
    """How many sources a node has in a file.

    Raises:
        ValueError: they do not fit so many nodes and reads.
    """
    sound = sources.dim() == 2 and len(sources) == nets and 1 <= sources.shape[1] <= reads
    if not sound or not bool(((sources >= 0) & (sources < nodes)).all()):
        raise ValueError("AutoregressiveModel: the sources do not fit the layout.")
    return int(sources.shape[1])


def orders(n: int, natural: float, device: torch.device) -> Tensor:
    """``(N, N)`` bool: may net j (row) read node i (column)? An order drawn for each net by itself.

    Each net learns its own conditionals, so that a step need not keep to one order: all kinds are in every step. A
    share ``natural`` of the nets reads in the table's order, the others with a random set of nodes first.
    """
    before = torch.ones(n, n, dtype=torch.bool, device=device).tril(-1)
    first = torch.rand(n, n, device=device) < torch.rand(n, 1, device=device)
    own = first.diagonal()[:, None]
    mixed = (first & ~own) | ((first == own) & before)
    return torch.where(torch.rand(n, 1, device=device) < natural, before, mixed)


def plan(recipe: Recipe, nodes: int, lr: float) -> Recipe:
    """The recipe of a wide table: small batches, and as many steps as minutes allow.

    At equal seconds, 64 rows a step measured better than 128, and 32 better still where rows are few. Smooth heads
    bear the full rate ``lr`` from few rows on. A second training on all rows (of few) takes half as long again.
    """
    size = min(recipe.batch_size, max(BATCH // nodes, 32), 64)
    steps = min(recipe.steps * recipe.batch_size // size, max(_WORK // (size * nodes), 100))
    return replace(recipe, batch_size=size, steps=steps, lr=lr, every=max(recipe.every, 4096 // size))
