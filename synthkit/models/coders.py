"""The two halves of an auto-encoder of rows: rows to laws of latents, latents to laws of fields.

Shapes: B rows, L latents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from synthkit.models.blocks import Answers, Cells, Heads, ResidualMLP, RowInput, Rows

if TYPE_CHECKING:
    from synthkit.models.vae import VAE

__all__ = ["Decoder", "Encoder"]


class Encoder(nn.Module):
    """Rows to means and log-variances ``(B, L)``."""

    def __init__(self, cells: Cells, spec: VAE) -> None:
        super().__init__()
        self.input = RowInput(cells, spec.features, spec.width)
        self.mlp = ResidualMLP(spec.width, spec.depth, spec.dropout)
        self.norm = nn.LayerNorm(spec.width)
        self.out = nn.Linear(spec.width, 2 * spec.latents)
        with torch.no_grad():  # narrow posteriors at the start: the decoder learns from z before z is priced away
            self.out.weight[spec.latents :] *= 0.1
            self.out.bias[spec.latents :] = -2.0

    def forward(self, rows: Rows) -> tuple[Tensor, Tensor]:
        mean, log_var = self.out(self.norm(self.mlp(self.input(rows)))).chunk(2, 1)
        return mean, log_var.clamp(-10, 3)


class Decoder(nn.Module):
    """Latents ``(B, L)`` to the laws of all fields."""

    def __init__(self, cells: Cells, spec: VAE) -> None:
        super().__init__()
        self.lift = nn.Linear(spec.latents, spec.width)
        self.mlp = ResidualMLP(spec.width, spec.depth, spec.dropout)
        self.norm = nn.LayerNorm(spec.width)
        self.heads = Heads(cells, spec.width, spec.smooth, spec.subcells)

    def forward(self, z: Tensor) -> Answers:
        out: Answers = self.heads(self.norm(self.mlp(self.lift(z))))
        return out
