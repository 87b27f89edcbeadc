"""Nearness: a number's answer leans on how far each cell lies from the number's own last value.

What moves little from row to row has mass near where it was; how near, and with how heavy tails, is its own, and
changes from entity to entity. So the logits of a cell get heights times kernels of its distance d to the last value, in
units of the column's usual step: log of a Student law with one degree of freedom (heavy tails), -|d| (Laplace), and
bumps of three widths. The heights are linear in a row's inputs, among which are the sizes of the steps so far (as a
GARCH model has them; Bollerslev, J. Econometrics 31, 1986), and in the hidden units of the net.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from synthkit.layout import Layout
from synthkit.models.nets import Node
from synthkit.models.scales import Scales

__all__ = ["KERNELS", "Near"]

KERNELS = 5
_BUMPS = (0.3, 1.5, 6.0)  # widths
_FAR = 12.0  # steps, beyond which the Laplace kernel is flat
_LEAST = 50  # rows that heights are fitted to
_RIDGE = 1e-3
_SCALE = (0.5, 0.25, 2.0, 2.0, 2.0)  # that give the kernels a deviation of about 1


class Near(nn.Module):
    """Kernels and their heights. Shapes: T targets, B rows, C cells at most, S inputs, H hidden units.

    Attributes:
        targets: nodes that are drawn and have a last value; source: the node that holds it.
    """

    unit: Tensor
    centre: Tensor
    factor: Tensor

    def __init__(self, layout: Layout, nodes: Sequence[Node], drawn: Sequence[int], inputs: int, hidden: int) -> None:
        super().__init__()
        at = {node.field: i for i, node in enumerate(nodes)}
        pairs = [(i, at[layout.before[nodes[i].field]]) for i in drawn if nodes[i].field in layout.before]
        pairs = [(i, s) for i, s in pairs if nodes[i].size > 2]
        self.targets, self.source = [i for i, _ in pairs], [s for _, s in pairs]
        self.row = {i: t for t, i in enumerate(self.targets)}
        n = len(self.targets)
        # Where there is no law, codes count: ordered ones lie one step apart.
        self.lawful = [t for t, i in enumerate(self.targets) if nodes[i].field in layout.laws]
        self.scales = Scales([layout.laws[nodes[self.targets[t]].field] for t in self.lawful])
        self.cells = [nodes[i].size for i in self.targets]
        most = max(self.cells, default=1)
        codes = torch.stack([torch.arange(most).clamp(max=c - 1) for c in self.cells] or [torch.zeros(1).long()])
        centre = self._values(codes, torch.full(codes.shape, 0.5)) if n else torch.zeros(1, 1)
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("unit", torch.ones(n, dtype=torch.float64))
        self.weight = nn.Parameter(torch.zeros(inputs + 1, n * KERNELS))  # the last row is the intercept
        self.head = nn.Parameter(torch.zeros(n, hidden, KERNELS))
        self.register_buffer("factor", torch.tensor(_SCALE), persistent=False)

    def _values(self, codes: Tensor, offsets: Tensor) -> Tensor:
        """``(T, B)`` float64 numbers."""
        out = codes.double()
        if self.lawful:
            top = torch.tensor([self.cells[t] for t in self.lawful], device=codes.device)[:, None] - 1
            out[self.lawful] = self.scales.values(torch.minimum(codes[self.lawful], top), offsets[self.lawful])
        return out

    def __bool__(self) -> bool:
        return bool(self.targets)

    def numbers(self, tokens: Tensor, offsets: Tensor, known: Tensor, nodes: Sequence[int]) -> Tensor:
        """``(T, B)`` float64 numbers of ``nodes``, one per target, NaN where there is none.

        Args:
            tokens, known: ``(B, N)``; offsets: ``(B, N)``, negative where unknown.
        """
        size = torch.tensor(self.cells, device=tokens.device)[:, None]
        code, there = tokens[:, list(nodes)].T, known[:, list(nodes)].T
        filled = there & (code < size)
        offset = offsets[:, list(nodes)].T
        value = self._values(torch.where(filled, code, 0), torch.where(offset >= 0, offset, 0.5))
        return torch.where(filled, value, torch.nan)

    @torch.no_grad()
    def learn(self, now: Tensor, last: Tensor) -> None:
        """Take the usual steps from numbers ``(T, R)``: medians of those that are not 0."""
        for t in range(len(self.targets)):
            step = (now[t] - last[t]).abs()
            step = step[step > 0]  # leaves out NaN, too
            self.unit[t] = step.median() if len(step) else 1.0

    def fit(self, x: Tensor, last: Tensor, goals: Tensor, seen: Tensor, bias: Sequence[Tensor], own: Tensor) -> None:
        """Start the heights where they are likeliest, from the inputs that tell of a target's own column.

        Args:
            x: ``(R, S)``; last: ``(T, R)`` last numbers; goals, seen: ``(T, R)`` codes, and where they count; bias: per
                target, ``(cells,)`` logits without last values; own: ``(S, T)``.
        """
        for t in range(len(self.targets)):
            rows = (seen[t] & (goals[t] < self.cells[t]) & ~last[t].isnan()).nonzero().squeeze(1)
            if len(rows) < _LEAST:
                continue
            inputs = own[:, t].nonzero().squeeze(1)
            mine = torch.cat([x[rows][:, inputs], torch.ones(len(rows), 1, device=x.device)], 1)
            weight = _likeliest(mine, self.kernels(t, last[t][rows]), goals[t][rows], bias[t])
            at = torch.arange(t * KERNELS, (t + 1) * KERNELS, device=x.device)
            with torch.no_grad():
                self.weight[torch.cat([inputs, inputs.new_full((1,), x.shape[1])])[:, None], at] = weight

    def kernels(self, t: int, last: Tensor) -> Tensor:
        """``(B, K, cells)`` of target t, from its last numbers ``(B,)``; 0 where there is none."""
        d = ((self.centre[t, : self.cells[t]] - last[:, None]) / self.unit[t]).abs().float()
        shapes = [-torch.log1p(d * d), -d.clamp(max=_FAR), *((-d / w).exp() for w in _BUMPS)]
        return torch.stack(shapes, 1).nan_to_num(0.0) * self.factor[:, None]

    def heights(self, t: int, x: Tensor, h: Tensor) -> Tensor:
        """``(B, K)`` of target t, from inputs ``(B, S)`` and hidden units ``(B, H)``."""
        own = slice(t * KERNELS, (t + 1) * KERNELS)
        return torch.addmm(self.weight[-1, own], x, self.weight[:-1, own]) + h @ self.head[t]

    def lean(self, t: int, last: Tensor, x: Tensor, h: Tensor) -> Tensor:
        """``(B, cells)`` what is added to the logits of target t."""
        return torch.bmm(self.heights(t, x, h)[:, None], self.kernels(t, last)).squeeze(1)


def _likeliest(x: Tensor, kernels: Tensor, goal: Tensor, bias: Tensor) -> Tensor:
    """``(inputs, K)`` weights of heights; kernels: ``(R, K, cells)``."""
    weight = torch.zeros(x.shape[1], KERNELS, device=x.device, requires_grad=True)
    shift = torch.zeros_like(bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, shift], max_iter=30, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = bias + shift + torch.bmm((x @ weight)[:, None], kernels).squeeze(1)
        value = nn.functional.cross_entropy(logits, goal) + _RIDGE * (weight.square().sum() + shift.square().sum())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[arg-type, no-untyped-call]
    return weight.detach()
