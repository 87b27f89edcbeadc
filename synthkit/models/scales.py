"""Numbers behind codes and offsets, on the model's device: quantile laws, stacked, in torch.

The same arithmetic as :class:`~synthkit.transforms.quantile.QuantileLaw`, which a test holds it to, in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from synthkit.transforms.quantile import QuantileLaw

__all__ = ["Scales"]

_ATOM, _LOW_TAIL, _HIGH_TAIL = 1, 2, 3


class Scales(nn.Module):
    """Several laws at once. Shapes: L laws, B rows, P pieces, C cells (padded to the largest law)."""

    u: Tensor
    lo: Tensor
    hi: Tensor
    kind: Tensor
    cell: Tensor
    first: Tensor
    edge: Tensor
    tail: Tensor
    cut: Tensor
    step: Tensor
    light: Tensor
    knot: Tensor
    last: Tensor

    def __init__(self, laws: Sequence[QuantileLaw], heavy: float = 0.02) -> None:
        """``heavy``: a single value of at least this mass is no ``light`` cell."""
        super().__init__()
        pieces = max((len(law.lo) for law in laws), default=1)
        cells = max((law.n_cells for law in laws), default=1)

        def stack(name: str, rows: list[np.ndarray], size: int, pad: float | None = None) -> None:
            if not rows:
                self.register_buffer(name, torch.zeros(0, size), persistent=False)
                return
            padded = [np.concatenate([r, np.full(size - len(r), r[-1] if pad is None else pad)]) for r in rows]
            self.register_buffer(name, torch.from_numpy(np.stack(padded)), persistent=False)

        stack("u", [law.u for law in laws], pieces + 1)
        stack("lo", [law.lo for law in laws], pieces, np.inf)
        stack("hi", [law.hi for law in laws], pieces)
        stack("kind", [law.kind for law in laws], pieces)
        stack("cell", [law.cell for law in laws], pieces)
        stack("first", [law.first for law in laws], cells + 1)
        stack("edge", [law.edges for law in laws], cells + 1)
        stack("light", [~(law.is_atom & (law.mass >= heavy)) for law in laws], cells)
        one = np.array
        stack("tail", [law.tail.ravel() for law in laws], 4)
        stack("cut", [one([law._tail_cut(0), law._tail_cut(1)]) for law in laws], 2)
        stack("step", [one([law.step]) for law in laws], 1)
        ends = [one([law.hi[0], law.lo[-1]]) for law in laws]
        stack("knot", ends, 2)
        stack("last", [one([len(law.lo) - 1]) for law in laws], 1)

    def values(self, code: Tensor, offset: Tensor, pick: slice = slice(None)) -> Tensor:
        """Numbers ``(L, B)``, float64, from codes and offsets of the laws ``pick``, ``(L, B)`` each."""
        u, edge, first = self.u[pick], self.edge[pick], self.first[pick]
        low = edge.gather(1, code)
        at = low + offset.double() * (edge.gather(1, code + 1) - low)
        i = torch.searchsorted(u, at, right=True) - 1
        i = torch.minimum(torch.maximum(i, first.gather(1, code)), first.gather(1, code + 1) - 1)
        below = u.gather(1, i)
        width = u.gather(1, i + 1) - below
        fraction = torch.where(width > 0, (at - below) / width, 0.5).clamp(0, 1)
        left = self.lo[pick].gather(1, i)
        value = left + fraction * (self.hi[pick].gather(1, i) - left)
        kind = self.kind[pick].gather(1, i)
        for side, tail_kind in ((0, _LOW_TAIL), (1, _HIGH_TAIL)):
            inside = kind == tail_kind
            if bool(inside.any()):
                p = (1 - fraction if side == 0 else fraction) * self._column("cut", pick, side)
                excess = self._excess(p, pick, side)
                knot = self._column("knot", pick, side)
                value = torch.where(inside, knot - excess if side == 0 else knot + excess, value)
        return self._snap(value, kind == _ATOM, pick)

    def places(self, x: Tensor, pick: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Codes and offsets ``(L, B)`` of numbers; one without a piece of its own goes to the nearest."""
        lo, hi, u = self.lo[pick].contiguous(), self.hi[pick], self.u[pick]
        last = self._column("last", pick, 0)
        x = x.contiguous()
        i = torch.minimum((torch.searchsorted(lo, x, right=True) - 1).clamp(min=0), last)
        after = torch.minimum(i + 1, last)
        beyond = x - hi.gather(1, i)
        nearer = (beyond > 0) & (lo.gather(1, after) - x < beyond)
        i = torch.where(nearer, after, i)
        left = lo.gather(1, i)
        width = hi.gather(1, i) - left
        fraction = torch.where(width > 0, (x - left) / width, 0.5)
        kind = self.kind[pick].gather(1, i)
        for side, tail_kind in ((0, _LOW_TAIL), (1, _HIGH_TAIL)):
            inside = kind == tail_kind
            if bool(inside.any()):
                knot = self._column("knot", pick, side)
                p = self._mass((knot - x if side == 0 else x - knot).clamp(min=0), pick, side)
                p = p / self._column("cut", pick, side)
                fraction = torch.where(inside, 1 - p if side == 0 else p, fraction)
        below = u.gather(1, i)
        at = below + fraction.clamp(0, 1) * (u.gather(1, i + 1) - below)
        code = self.cell[pick].gather(1, i)
        edge = self.edge[pick]
        start = edge.gather(1, code)
        size = edge.gather(1, code + 1) - start
        return code, torch.where(size > 0, (at - start) / size, 0.5).clamp(0, 1)

    def _column(self, name: str, pick: slice, k: int) -> Tensor:
        return self.get_buffer(name)[pick, k : k + 1]

    def _excess(self, p: Tensor, pick: slice, side: int) -> Tensor:
        shape, scale = self._column("tail", pick, 2 * side), self._column("tail", pick, 2 * side + 1)
        straight = shape.abs() < 1e-6
        bent = torch.where(straight, 1.0, shape)
        return torch.where(straight, -scale * torch.log1p(-p), scale / bent * ((1 - p) ** -bent - 1))

    def _mass(self, excess: Tensor, pick: slice, side: int) -> Tensor:
        shape, scale = self._column("tail", pick, 2 * side), self._column("tail", pick, 2 * side + 1)
        straight = shape.abs() < 1e-6
        bent, width = torch.where(straight, 1.0, shape), torch.where(scale > 0, scale, 1.0)
        p = 1 - (1 + bent * excess / width).clamp(min=0) ** (-1 / bent)
        p = torch.where(straight, -torch.expm1(-excess / width), p)
        return torch.where(scale > 0, p, (excess > 0).double())

    def _snap(self, value: Tensor, atom: Tensor, pick: slice) -> Tensor:
        step = self._column("step", pick, 0)
        inverse = torch.where(step > 0, 1 / step, 1.0).round().clamp(min=1)
        whole = (step < 1) & ((inverse * step - 1).abs() < 1e-9)
        safe = torch.where(step > 0, step, 1.0)
        snapped = torch.where(whole, (value * inverse).round() / inverse, (value / safe).round() * safe)
        return torch.where(atom | (step <= 0), value, snapped)
