"""Rows that carry gradients through codes: fixed vectors of tokens, and straight-through draws.

A generator of codes is not differentiable. The Gumbel-softmax (Jang, Gu and Poole, "Categorical Reparameterization
with Gumbel-Softmax", ICLR 2017; Maddison, Mnih and Teh, "The Concrete Distribution", ICLR 2017) draws a code by adding
Gumbel noise to the logits. Forward, the critic gets the drawn code; backward, the gradient of the softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.models.blocks import Cells
from synthkit.models.nets import code_features

__all__ = ["Vectors", "straight_through"]

_LARGEST = 3.0  # entry of a rare token's vector


class Vectors(nn.Module):
    """A fixed vector per token. Shapes: B rows, N nodes, F entries.

    They are not learnt, so that a penalty on the critic's gradient means what it says: a critic that may scale its
    inputs evades it. Over the rows, entries have mean 0 and a variance of at most about 1; a node of many codes uses
    more entries and weighs more than one of few. Ordered codes lie near their neighbours, and rare ones do not stand
    out by more than ``_LARGEST``.
    """

    table: Tensor

    def __init__(self, cells: Cells, features: int, buckets: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.cells, self.features, self.buckets = cells, features, buckets
        self.register_buffer("table", torch.zeros(cells.total, features))
        for k, bucket in enumerate(buckets):
            size = max(cells.tokens[i] for i in bucket)
            starts = torch.stack([cells.base[i] + torch.arange(size).clamp(max=cells.tokens[i] - 1) for i in bucket])
            self.register_buffer(f"where{k}", starts, persistent=False)
        self.gates = _gates(cells)

    @torch.no_grad()
    def start(self) -> None:
        """Fill the table from the laws of the cells."""
        generator = torch.Generator().manual_seed(0)
        cells, width = self.cells, self.features
        for i, node in enumerate(cells.nodes):
            law = cells.law[cells.span(i)].cpu()
            if node.tokens <= width:
                vectors = torch.zeros(node.tokens, width)
                vectors[:, : node.tokens] = torch.diag(law.rsqrt().clamp(max=_LARGEST))
                vectors -= law @ vectors
            else:
                middle, own = (t.cpu() for t in cells.shape(i))
                vectors = code_features(node, middle, own, width, generator)
                vectors = vectors - law @ vectors
                vectors = vectors / ((law @ vectors.square()).sqrt() + 0.05)
            self.table[cells.span(i)] = vectors.to(self.table)

    def forward(self, tokens: Tensor, shown: Tensor) -> Tensor:
        """``(B, N, F)``; nodes that are not ``shown`` ``(B, N)`` are zeros."""
        return F.embedding(tokens + self.cells.base, self.table) * shown[..., None]

    def applies(self, tokens: Tensor) -> Tensor:
        """bool ``(B, N)``: which nodes of completely drawn rows apply."""
        out = torch.ones_like(tokens, dtype=torch.bool)
        for i, parent, inside in self.gates:
            out[:, i] = out[:, parent] & inside.to(tokens.device)[tokens[:, parent]]
        return out

    def of_bucket(self, k: int) -> Tensor:
        """``(nodes of the bucket, tokens, F)``, padded."""
        return self.table[self.get_buffer(f"where{k}")]


def _gates(cells: Cells) -> list[tuple[int, int, Tensor]]:
    """Per node that hangs on another one: itself, the other, and under which of its tokens it applies."""
    fields, out = cells.layout.fields, []
    owner = {node.field: i for i, node in enumerate(cells.nodes)}
    nulls = {node.null: i for i, node in enumerate(cells.nodes) if node.null is not None}
    for i, node in enumerate(cells.nodes):
        given = fields[node.field].given
        if given is None or given[0] == node.null:
            continue
        parent = owner[given[0]] if given[0] in owner else nulls[given[0]]
        inside = torch.zeros(cells.tokens[parent], dtype=torch.bool)
        if given[0] in owner:
            inside[list(given[1])] = True
        else:
            inside[: cells.nodes[parent].size] = True  # hangs on that node's null flag being down
        out.append((i, parent, inside))
    return out


def straight_through(vectors: Vectors, logits: list[Tensor], temperature: float) -> tuple[Tensor, Tensor]:
    """One draw of each node: its tokens ``(B, N)``, and their vectors ``(B, N, F)`` with gradients to the logits."""
    if not logits:
        rows = vectors.table.new_zeros(0, 0, vectors.features)
        return torch.zeros(0, 0, dtype=torch.long, device=rows.device), rows
    out: tuple[Tensor, Tensor] = _StraightThrough.apply(vectors, temperature, *logits)  # type: ignore[no-untyped-call]
    return out


class _StraightThrough(torch.autograd.Function):
    """Only the gathered vectors are made, never a one-hot row: backward costs one small product per node."""

    @staticmethod
    def forward(ctx: Any, vectors: Vectors, temperature: float, *logits: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        tokens = torch.empty(logits[0].shape[1], len(vectors.cells), dtype=torch.long, device=logits[0].device)
        soft = []
        for bucket, scores in zip(vectors.buckets, logits, strict=True):
            noisy = scores + gumbel(scores)
            tokens[:, bucket] = noisy.argmax(2).T
            soft.append((noisy / temperature).softmax(2))
        ctx.vectors, ctx.temperature = vectors, temperature
        ctx.save_for_backward(*soft)
        ctx.mark_non_differentiable(tokens)
        return tokens, F.embedding(tokens + vectors.cells.base, vectors.table)

    @staticmethod
    def backward(ctx: Any, _: Tensor, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        out = []
        for k, (bucket, soft) in enumerate(zip(ctx.vectors.buckets, ctx.saved_tensors, strict=True)):
            pull = torch.bmm(gradient[:, bucket].transpose(0, 1), ctx.vectors.of_bucket(k).transpose(1, 2))
            out.append(soft * (pull - (soft * pull).sum(2, keepdim=True)) / ctx.temperature)
        return None, None, *out


def gumbel(like: Tensor) -> Tensor:
    """Standard Gumbel noise of a tensor's shape (two logarithms: ten times as fast as drawing exponentials)."""
    return torch.rand(like.shape, device=like.device).clamp_(min=1e-20).log_().neg_().log_().neg_()
