"""Blocks of nets: input vectors of codes at the start, smooth heads, one small net per column, batched over columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthkit.layout import Encoded, Layout

__all__ = ["Codes", "Node", "buckets", "code_features", "dropout", "nodes_of", "places"]


@dataclass(frozen=True)
class Node:
    """What one small net draws: a coded field, with its column's null flag and its own offset.

    Attributes:
        field: the coded field; null: the null field drawn together with it, or None; offset: its offset, or None.
        size: its codes; tokens: codes, then (if there is a null field) the token of null.
    """

    field: int
    size: int
    null: int | None
    offset: int | None
    ordered: bool

    @property
    def tokens(self) -> int:
        return self.size + (self.null is not None)


def nodes_of(layout: Layout) -> tuple[Node, ...]:
    """The nodes of a layout in its natural order.

    A column's null flag is drawn with its first code, from one hidden state. A column of which only the null flag
    is unknown (a constant with gaps) is a node whose code is the flag.
    """
    nodes: list[Node] = []
    for group in layout.groups:
        fields = [(i, layout.fields[i]) for i in group]
        null = next((i for i, f in fields if f.part == "null"), None)
        offsets = {f.given[0]: i for i, f in fields if not f.size and f.given is not None}
        coded = [(i, f) for i, f in fields if f.size and i != null]
        if not coded and null is not None:
            nodes.append(Node(null, 2, None, None, False))
        for k, (i, f) in enumerate(coded):
            nodes.append(Node(i, f.size, null if k == 0 else None, offsets.get(i), f.ordered))
    return tuple(nodes)


class Codes:
    """Where the tokens of nodes lie in ``Encoded``: reading them, and writing draws. Shapes: B rows, N nodes."""

    def __init__(self, nodes: Sequence[Node], layout: Layout) -> None:
        self.nodes = nodes
        self.code = [layout.slot[node.field] for node in nodes]
        self.null = [-1 if node.null is None else layout.slot[node.null] for node in nodes]
        self.nullable = [i for i, slot in enumerate(self.null) if slot >= 0]

    def read(self, data: Encoded) -> tuple[Tensor, Tensor]:
        """Tokens ``(B, N)``, null being the last of a node, and where they are known ``(B, N)``."""
        tokens = data.cat[:, self.code].long()
        known = data.cat_known[:, self.code].clone()
        for i in self.nullable:
            slot = self.null[i]
            is_null = data.cat_known[:, slot] & (data.cat[:, slot] == 1)
            tokens[:, i] = torch.where(is_null, self.nodes[i].size, tokens[:, i])
            known[:, i] |= is_null
        return tokens, known

    def present(self, data: Encoded, known: Tensor) -> Tensor:
        """``(B, N)``: nodes of which only this is known, that they are not null."""
        present = torch.zeros_like(known)
        for i in self.nullable:
            slot = self.null[i]
            present[:, i] = data.cat_known[:, slot] & (data.cat[:, slot] == 0) & ~known[:, i]
        return present

    def write(self, i: int, rows: Tensor | slice, drawn: Tensor, cat: Tensor, cat_known: Tensor) -> None:
        """Enter the tokens ``drawn`` of node i into ``rows`` of the codes, in place."""
        node, slot, null_slot = self.nodes[i], self.code[i], self.null[i]
        if node.null is None:
            cat[rows, slot], cat_known[rows, slot] = drawn.to(cat.dtype), True
            return
        null = drawn == node.size
        cat[rows, null_slot], cat_known[rows, null_slot] = null.to(cat.dtype), True
        cat[rows, slot] = torch.where(null, 0, drawn).to(cat.dtype)
        cat_known[rows, slot] = ~null


def places(u: Tensor, n: int) -> Tensor:
    """A smooth basis of a number's place ``u`` in its law, in [0, 1]. Shapes ``(*,)`` -> ``(*, n)``.

    The normal score and its square come first, so that linear and Gaussian dependence is found from few rows, out into
    the tails; then cos(pi k u) / sqrt(k).

    >>> places(torch.full((3,), 0.5), 4).shape
    torch.Size([3, 4])
    """
    z = torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4))
    k = torch.arange(1, max(n - 2, 0) + 1, device=u.device, dtype=u.dtype)
    score = torch.stack([z, (z * z - 1) / math.sqrt(2)], -1)[..., :n]
    return torch.cat([score, torch.cos(math.pi * u[..., None] * k) / k.sqrt()], -1)


def code_features(node: Node, middle: Tensor, own: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Input vectors of a node's tokens before training, ``(tokens, width)``.

    Few codes: one-hot. Many unordered codes: random directions. Ordered codes: half smooth functions of the code's
    place in the law, half random directions of length ``own`` ``(size,)``, so that spikes stand out.
    """
    rows = node.tokens
    if rows <= width:
        features = torch.zeros(rows, width)
        features[:, :rows] = torch.eye(rows) * 1.5
        return features
    features = torch.randn(rows, width, generator=generator) / math.sqrt(width) * 2
    if node.ordered:
        half = width // 2
        features[:, :half] = 0
        features[: node.size, :half] = places(middle, half)
        features[: node.size, half:] *= own[:, None]
    return features


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """``torch.nn.functional.dropout`` with the rate rounded to 1/256: one random number serves eight entries.

    >>> bool((dropout(torch.ones(9), 0.25, True) == 0).all()), float(dropout(torch.ones(1), 0.5, False))
    (False, 1.0)
    """
    cut = round(p * 256)
    if not training or cut == 0:
        return x
    # On a CPU, one draw per entry would take a quarter of a training step.
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    keep = (words.view(torch.uint8)[: x.numel()].view(x.shape) >= cut).to(x.dtype)
    return x * keep.mul_(256 / (256 - cut))


def buckets(sizes: list[int]) -> list[list[int]]:
    """Positions gathered so that padding a bucket to its largest size wastes little.

    >>> buckets([2, 150, 3, 128])
    [[0, 2], [1, 3]]
    """
    left = sorted(range(len(sizes)), key=lambda i: (sizes[i], i))
    out: list[list[int]] = []
    while left:
        limit = max(2 * sizes[left[0]], sizes[left[0]] + 8)
        out.append(sorted(i for i in left if sizes[i] <= limit))
        left = [i for i in left if sizes[i] > limit]
    return out
