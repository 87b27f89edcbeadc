"""Bands: an ordered net's answer leans on the place of the numbers that it depends on most.

Two tightly correlated numbers lie near a curve: given one, the other has mass in a few neighbouring cells only. A
softmax over cells must learn such a band cell by cell. Here a net also answers with the height of Laplace-shaped
kernels, of several widths and of both parities, around the *source's* place u in its own law: logit(cell c) +=
sum_m a_m(h) kernel_m(u_c - s u), s = 1 or -1 by the sign of their rank correlation. In a cosine series every kernel
is a product of the source's and the cell's features, so that a band costs two small matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.models.nets import Node

__all__ = ["Bands"]

_WIDTHS = (1, 2, 4, 8, 16, 32)  # in 1/128 of the mass
_STEPS = 4096  # of the look-up table of waves
_MANY = 24  # codes: fewer need no band


class Bands(nn.Module):
    """Sources and heads. Shapes: T nodes with a band, S sources each, K harmonics, M kernels, B rows, N nodes.

    Attributes:
        targets: the nodes with a band; source, sign: ``(T, S)``, chosen by rank correlation when the model is built.
    """

    source: Tensor
    sign: Tensor
    profile: Tensor
    wave: Tensor
    waves: Tensor

    def __init__(
        self, nodes: tuple[Node, ...], hidden: int, sources: int, harmonics: int, drawn: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.numbers = [i for i, node in enumerate(nodes) if node.ordered and node.size >= _MANY]
        self.targets = self.numbers if drawn is None else [i for i in self.numbers if i in set(drawn)]
        self.sources = min(sources, len(self.numbers) - 1) if len(self.numbers) > 1 else 0
        if not self.sources or not self.targets:
            self.targets, self.numbers, self.sources = [], [], 0
        self.row = {i: t for t, i in enumerate(self.targets)}
        t, s = len(self.targets), self.sources
        self.register_buffer("source", torch.zeros(t, s, dtype=torch.long))
        self.register_buffer("sign", torch.ones(t, s))
        k = torch.arange(1, harmonics + 1) * math.pi
        decay = 1 / (1 + (k * torch.tensor(_WIDTHS)[:, None] / 128) ** 2)
        odd = decay * k * torch.tensor(_WIDTHS)[:, None] / 128
        # Narrow kernels learn more slowly: they have few rows each.
        height = 0.3 * (torch.tensor(_WIDTHS)[:, None] / max(_WIDTHS)).sqrt()
        profile = torch.stack([decay / decay.sum(1, keepdim=True), odd / odd.sum(1, keepdim=True)])
        self.register_buffer("profile", profile * height, persistent=False)
        self.register_buffer("wave", k, persistent=False)
        # A look-up is several times faster than a sine, and as good: the last harmonic turns by 3 degrees a step.
        at = k * torch.linspace(0, 1, _STEPS + 1)[:, None]
        self.register_buffer("waves", torch.stack([at.cos(), at.sin()]), persistent=False)
        self.head = nn.Parameter(torch.zeros(t, hidden, s * 2 * len(_WIDTHS)))

    def __bool__(self) -> bool:
        return bool(self.targets)

    @torch.no_grad()
    def choose(self, places: Tensor, known: Tensor) -> None:
        """Take the sources of each target: those of the strongest rank correlation.

        Args:
            places: ``(B, N)`` places in [0, 1]; known: ``(B, N)``.
        """
        if not self.targets:
            return
        there = known[:, self.numbers].double()
        centred = (places[:, self.numbers].double() - 0.5) * there
        norm = torch.sqrt((centred**2).T @ there).clamp(min=1e-9)  # over rows where both are known
        correlation = (centred.T @ centred) / (norm * norm.T)
        correlation.fill_diagonal_(0)
        correlation = correlation[[self.numbers.index(i) for i in self.targets]]
        best = correlation.abs().topk(self.sources, dim=1).indices
        self.source.copy_(torch.tensor(self.numbers, device=best.device)[best])
        self.sign.copy_(torch.where(correlation.gather(1, best) < 0, -1.0, 1.0))

    def basis(self, middle: Tensor) -> Tensor:
        """``(2K, C)`` features of cells whose middles are at ``middle``, ``(C,)``."""
        at = self.wave[:, None] * middle
        return torch.cat([at.cos(), at.sin()])

    def weights(self, h: Tensor, places: Tensor, open_: Tensor, pick: slice = slice(None)) -> Tensor:
        """What to multiply :meth:`basis` with, ``(t, B, 2K)``.

        Args:
            h: ``(t, B, H)`` hidden units of the targets ``pick``.
            places: ``(t, S, B)`` the sources' places in [0, 1]; open_: those that the net may read.
        """
        m = len(_WIDTHS)
        step = (places * _STEPS).round().long()
        step = torch.where(self.sign[pick][..., None] < 0, _STEPS - step, step)
        cos, sin = F.embedding(step, self.waves[0]), F.embedding(step, self.waves[1])
        height = torch.bmm(h, self.head[pick]).view(*h.shape[:2], self.sources, 2, m)
        series = height.permute(3, 0, 2, 1, 4) * open_[None, ..., None]  # (2, t, S, B, M)
        even, odd = series[0] @ self.profile[0], series[1] @ self.profile[1]
        return torch.cat([even * cos - odd * sin, even * sin + odd * cos], -1).sum(1)
