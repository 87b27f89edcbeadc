"""Blocks of nets: fixed features of codes, smooth heads, and one small net per column, batched over columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthkit.layout import Layout

__all__ = ["Node", "buckets", "code_features", "cosines", "nodes_of"]


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


def cosines(u: Tensor, n: int) -> Tensor:
    """A smooth basis on [0, 1]: cos(pi k u) / sqrt(k) for k = 1..n. Shapes ``(*,)`` -> ``(*, n)``.

    >>> cosines(torch.zeros(3), 4).shape
    torch.Size([3, 4])
    """
    k = torch.arange(1, n + 1, device=u.device, dtype=u.dtype)
    return torch.cos(math.pi * u[..., None] * k) / k.sqrt()


def code_features(node: Node, middle: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Fixed input features of a node's tokens, ``(tokens + 1, width)``; the last token is "has a value, unknown which".

    Few codes: one-hot. Many unordered codes: random directions. Ordered codes: half cosines of the code's place in the
    law, half random directions, so that spikes stand out. Fixed features leave every net independent of the others,
    and each can stop training at its own best moment.
    """
    rows = node.tokens + 1
    if rows <= width:
        features = torch.zeros(rows, width)
        features[:, :rows] = torch.eye(rows) * 1.5
        return features
    features = torch.randn(rows, width, generator=generator) / math.sqrt(width) * 2
    if node.ordered:
        half = width // 2
        features[:, :half] = 0
        features[: node.size, :half] = cosines(middle, half)
    return features


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
