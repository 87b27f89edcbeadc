"""Copying: a net may answer "the same number as in that column" instead of a code.

The layout links columns that repeat one another (:mod:`synthkit.transforms.links`). A linked node gets one more output
per source, open in rows where the source is known to the net; its number is then the source's, exact to the last digit
(a pointer, after Vinyals, Fortunato and Jaitly, "Pointer Networks", NIPS 2015). Which output explains a training row is
settled beforehand: the first open source that holds the same number, else the code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from synthkit.layout import Allowed, Layout
from synthkit.models.nets import Node
from synthkit.models.scales import Scales

__all__ = ["Pointers"]


class Pointers(nn.Module):
    """The sources of every linked node. Shapes: B rows, N nodes, T linked nodes, K sources at most, U nodes in use.

    Attributes:
        sources: linked node -> its sources, the most frequent first; rates: how often each is copied.
    """

    source: Tensor
    real: Tensor

    def __init__(self, layout: Layout, nodes: Sequence[Node]) -> None:
        super().__init__()
        at = {node.field: i for i, node in enumerate(nodes)}
        self.sources: dict[int, list[int]] = {}
        self.rates: dict[int, list[float]] = {}
        for target, source, rate in layout.links:
            if target in at and source in at:
                self.sources.setdefault(at[target], []).append(at[source])
                self.rates.setdefault(at[target], []).append(rate)
        self.used = sorted({*self.sources, *(s for group in self.sources.values() for s in group)})
        self.row = {i: k for k, i in enumerate(self.used)}
        self.targets = list(self.sources)
        self.scales = Scales([layout.laws[nodes[i].field] for i in self.used])
        most = max((len(group) for group in self.sources.values()), default=0)
        padded = [group + [group[0]] * (most - len(group)) for group in self.sources.values()]
        real = [[True] * len(group) + [False] * (most - len(group)) for group in self.sources.values()]
        self.register_buffer("source", torch.tensor(padded).reshape(len(padded), most).long(), persistent=False)
        self.register_buffer("real", torch.tensor(real).reshape(len(padded), most).bool(), persistent=False)

    def __bool__(self) -> bool:
        return bool(self.sources)

    def numbers(self, codes: Tensor, offsets: Tensor, known: Tensor, sizes: Tensor) -> Tensor:
        """``(U, B)`` float64 numbers of the nodes in use, NaN where there is none.

        Args:
            codes, known: ``(B, N)``; offsets: ``(B, N)``, negative where unknown; sizes: ``(N,)`` codes of each node.
        """
        code, there = codes[:, self.used].T, known[:, self.used].T
        filled = there & (code < sizes[self.used][:, None])
        value = self.scales.values(torch.where(filled, code, 0), self._offset(offsets[:, self.used].T))
        return torch.where(filled, value, torch.nan)

    def number(self, i: int, code: Tensor, offset: Tensor) -> Tensor:
        """``(B,)`` numbers of node ``i``, one of those in use."""
        k = self.row[i]
        return self.scales.values(code[None], self._offset(offset)[None], slice(k, k + 1))[0]

    @staticmethod
    def _offset(offset: Tensor) -> Tensor:
        return torch.where(offset >= 0, offset, 0.5)

    def explain(self, numbers: Tensor, codes: Tensor, reads: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Which source explains each number of the linked nodes, and which are open.

        Args:
            numbers: ``(U, B)``; codes: ``(B, N)``; reads: ``(T, N)``, what the net of each linked node may
                read; given: ``(B, N)``, what every net may read.

        Returns:
            ``(T, B)``, the number of a source or -1; and ``(T, B, K)`` bool.
        """
        rows = torch.tensor([self.row[j] for j in self.targets], device=codes.device)
        place = torch.tensor([self.row.get(i, 0) for i in range(codes.shape[1])], device=codes.device)
        from_ = numbers[place[self.source]]  # (T, K, B)
        open_ = reads.gather(1, self.source)[:, :, None]
        open_ = (open_ | given.T[self.source]) & self.real[:, :, None] & ~from_.isnan()
        mine = numbers[rows][:, None]
        step = self.scales.step[rows][:, :, None]
        # An offset is a float32: without a grid, a number comes back to about seven digits.
        same = (from_ - mine).abs() <= torch.where(step > 0, step / 4, 1e-6 * mine.abs())
        light = self.scales.light[rows].gather(1, codes[:, self.targets].T.clamp(max=self.scales.light.shape[1] - 1))
        match = same & open_ & light[:, None]
        first = match.int().argmax(1)
        return torch.where(match.any(1), first, -1), open_.transpose(1, 2)

    def open(self, j: int, numbers: Tensor, rule: Allowed | None) -> tuple[Tensor, Tensor, Tensor]:
        """For drawing node ``j``: codes and offsets of its sources' numbers on its own scale, and which are open.

        Args:
            numbers: ``(B, N)``, NaN where unknown; rule: the set that the draw must come from.

        Returns:
            Three tensors ``(B, K)``, K the sources of this node.
        """
        k = self.row[j]
        x = numbers[:, self.sources[j]].T.contiguous()
        there = ~x.isnan()
        flat = torch.where(there, x, 0.0).view(1, -1)
        code, offset = (t.view(x.shape) for t in self.scales.places(flat, slice(k, k + 1)))
        if rule is not None:
            inside = (rule.low.to(offset)[code] <= offset) & (offset <= rule.high.to(offset)[code])
            there = there & (rule.weights.to(offset)[code] > 0) & inside
        return code.T, offset.T, there.T
