"""The game of a GAN: what critic and generator minimise, per row, and the penalties that keep the critic tame.

Shapes: ``(B,)`` scores of B real rows and of the B drawn rows that share their conditions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PlainMLP", "critic_loss", "generator_loss", "penalty"]

_SLOPE = 0.2  # of leaky rectifiers


def critic_loss(loss: str, real: Tensor, fake: Tensor) -> Tensor:
    """``(B,)`` what the critic minimises.

    "relativistic": a real row shall score above its partner (Jolicoeur-Martineau, ICLR 2019; the pairing form of Huang
    et al., "The GAN is dead; long live the GAN!", NeurIPS 2024). "nonsaturating": logistic regression of real against
    drawn (Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014). "wgan-gp": the difference of the means
    (Arjovsky et al., 2017; Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017).
    """
    if loss == "relativistic":
        return F.softplus(fake - real)
    if loss == "nonsaturating":
        return F.softplus(-real) + F.softplus(fake)
    return fake - real


def generator_loss(loss: str, real: Tensor, fake: Tensor) -> Tensor:
    """``(B,)`` what the generator minimises; see :func:`critic_loss`."""
    if loss == "relativistic":
        return F.softplus(real - fake)
    return F.softplus(-fake) if loss == "nonsaturating" else -fake


def penalty(loss: str, score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """``(B,)`` penalty of the critic's gradient by its inputs ``(B, *)``.

    Zero-centred on real rows and on drawn ones, R1 + R2 (Mescheder, Geiger and Nowozin, "Which training methods for
    GANs do actually converge?", ICML 2018; Roth et al., NeurIPS 2017); for "wgan-gp" it pulls the norm to 1 on points
    between the two.
    """
    if loss == "wgan-gp":
        mix = torch.rand([len(real)] + [1] * (real.dim() - 1), device=real.device)
        return (_gradient(score, torch.lerp(fake, real, mix)).square().sum(1) + 1e-12).sqrt().sub(1).square()
    return _gradient(score, torch.cat([real, fake])).square().sum(1).view(2, -1).sum(0)


def _gradient(score: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.detach().requires_grad_(True)
    return torch.autograd.grad(score(at).sum(), at, create_graph=True)[0].flatten(1)


class PlainMLP(nn.Module):
    """Residual MLP ``(B, inputs)`` -> ``(B, width)`` without normalisation, as both players of R3GAN have it.

    Batch statistics would couple rows, and layer norms get in the way of gradient penalties.
    """

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        with torch.no_grad():
            for layer in self.down:
                layer.weight.mul_(0.3)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for up, down in zip(self.up, self.down, strict=True):
            h = h + down(F.leaky_relu(up(F.leaky_relu(h, _SLOPE)), _SLOPE))
        return F.leaky_relu(h, _SLOPE)
