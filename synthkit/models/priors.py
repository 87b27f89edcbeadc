"""Laws of latents given any part of a row, learnt from an encoder's draws: what a variational auto-encoder samples.

With the standard normal law as its prior, an auto-encoder that keeps what rows say has latents which are far from that
law as a whole (the *aggregated posterior*), and draws from it decode to rows that do not exist. So a law of the
aggregated posterior is learnt once the encoder stands (van den Oord et al., "Neural discrete representation learning",
NeurIPS 2017; Zhang et al., "Mixed-type tabular data synthesis with score-based diffusion in latent space", ICLR 2024).
It is conditional on values and mask of a partial row, so that any part of a row may be given (Ivanov et al.,
"Variational autoencoder with arbitrary conditioning", ICLR 2019). All are trained on draws of the posterior, not on its
means.

Shapes: B rows, L latents, A active ones, K cells or components, E entries of what is known of a row.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.models.base import draw_codes
from synthkit.models.blocks import Cells, ResidualMLP, RowInput, Rows
from synthkit.models.nets import dropout, places

__all__ = ["CellPrior", "MixturePrior", "Prior"]

_LOG_2PI = math.log(2 * math.pi)
_ACTIVE = 0.02  # nats that a latent tells of a row on average; of fewer, it is noise
_ROWS = 8192  # whose posteriors tell how much mass is in a cell
_BEHIND = 20  # rows whose mean is an edge of a cell, or a fiftieth of fewer than 1,000


class Prior(nn.Module, ABC):
    """A law of L latents given what is known of a row.

    Args:
        cells: of the rows; latents: L; width: E; features: entries of a token's vector.
    """

    def __init__(self, cells: Cells, latents: int, width: int, features: int = 12) -> None:
        super().__init__()
        self.latents, self.width = latents, width
        self.input = RowInput(cells, features, width)
        self.mlp = ResidualMLP(width, 1)
        self.norm = nn.LayerNorm(width)  # else one known cell among many unknown ones would hardly be heard

    def start(self) -> None:
        """Parameters that follow from the frequencies."""
        self.input.start()

    def known(self, rows: Rows) -> Tensor:
        """``(B, E)``; zeros where nothing is known."""
        some = (rows.known | rows.present).any(1, keepdim=True)
        out: Tensor = F.silu(self.norm(self.mlp(self.input(rows)))) * some
        return out

    @abstractmethod
    def begin(self, mean: Tensor, log_var: Tensor, weight: Tensor | None) -> None:
        """Closed-form parts, from the posteriors ``(rows, L)`` of the training rows; before training."""

    @abstractmethod
    def losses(self, mean: Tensor, log_var: Tensor, z: Tensor, rows: Rows) -> Tensor:
        """``(B,)`` cross-entropy of posteriors ``(B, L)``, of which ``z`` is a draw, to this law, in nats."""

    @abstractmethod
    def draw(self, rows: Rows) -> Tensor:
        """``(B, L)`` given what is known of the rows."""


class MixturePrior(Prior):
    """A mixture of diagonal Gaussians whose weights, means and variances a net gives (Bishop, "Mixture density
    networks", 1994).

    Args:
        standard: with nothing known, the law is N(0, I): the textbook's prior.
    """

    def __init__(self, cells: Cells, latents: int, width: int, components: int, standard: bool = False) -> None:
        super().__init__(cells, latents, width)
        self.components, self.standard = components, standard
        self.out = nn.Linear(width, components * (1 + 2 * latents))

    def begin(self, mean: Tensor, log_var: Tensor, weight: Tensor | None) -> None:
        k, dims = self.components, self.latents
        w = torch.ones(len(mean), device=mean.device) if weight is None else weight.float()
        # Centres between rows, never at one.
        some = torch.multinomial(w, k * _BEHIND, replacement=True)
        centre = mean[some].view(k, _BEHIND, dims).mean(1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()
            self.out.bias[k : k + k * dims] = (2 * centre + 0.5 * torch.randn_like(centre)).flatten()

    def _parts(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights ``(B, K)``, means and log-variances ``(B, K, L)``."""
        out = self.out(self.known(rows))
        weight, mean, log_var = out.split([self.components, *[self.components * self.latents] * 2], 1)
        shape = (len(out), self.components, self.latents)
        weight, mean, log_var = weight.log_softmax(1), mean.view(shape), log_var.view(shape).clamp(-12, 4)
        if self.standard:
            free = ~(rows.known | rows.present).any(1)
            mean = torch.where(free[:, None, None], 0.0, mean)
            log_var = torch.where(free[:, None, None], 0.0, log_var)
        return weight, mean, log_var

    def losses(self, mean: Tensor, log_var: Tensor, z: Tensor, rows: Rows) -> Tensor:
        weight, centre, spread = self._parts(rows)
        square = (z[:, None] - centre).square() * (-spread).exp()
        return -(weight - 0.5 * (square + spread + _LOG_2PI).sum(2)).logsumexp(1)

    def draw(self, rows: Rows) -> Tensor:
        weight, centre, spread = self._parts(rows)
        k = draw_codes(weight)[:, None, None].expand(-1, 1, self.latents)
        centre, spread = centre.gather(1, k).squeeze(1), spread.gather(1, k).squeeze(1)
        return centre + torch.randn_like(centre) * (spread / 2).exp()


class CellPrior(Prior):
    """Autoregression over the *latents*: each is cut into K cells, denser where the mass is, and has a small
    net that reads the latents before it and what is known of the row; all nets in one product (Germain et al., "MADE",
    ICML 2015).

    A cell's goal is the posterior's own mass in it, which is less noisy than a draw's cell. Inside a cell the law is
    uniform; edges are means of 20 rows (a fiftieth of fewer), so that nothing of a single row is kept. Latents that
    tell nothing of rows stay N(0, 1).

    Args:
        k: K; width: hidden units of each net; depth: their layers; rate: dropout; smooth: directions that neighbouring
            cells share; features: of each latent, as input.
    """

    order: Tensor
    edges: Tensor
    basis: Tensor
    open: Tensor

    def __init__(
        self,
        cells: Cells,
        latents: int,
        k: int,
        width: int,
        *,
        depth: int = 2,
        rate: float = 0.2,
        smooth: int = 12,
        features: int = 8,
        condition: int = 96,
    ) -> None:
        super().__init__(cells, latents, condition)
        self.k, self.h, self.depth, self.rate, self.smooth, self.features = k, width, depth, rate, smooth, features
        self.register_buffer("basis", places((torch.arange(k) + 0.5) / k, smooth).T.contiguous(), persistent=False)
        self._room(latents)
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]

    def _room(self, a: int) -> None:
        """Nets of so many active latents; which they are is known once the encoder stands."""
        h, f, device = self.h, self.features, self.basis.device

        def normal(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, device=device) * scale)

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape, device=device))

        self.register_buffer("order", torch.arange(a, device=device))
        self.register_buffer("edges", torch.linspace(-3, 3, self.k + 1, device=device).repeat(a, 1))
        before = torch.arange(a, device=device)[:, None] < torch.arange(a, device=device)
        self.register_buffer("open", before.float().repeat_interleave(f, 0)[..., None], persistent=False)
        self.first = normal(a * f, a, h, scale=1.5 / math.sqrt(max(a * f, 1)))
        # Not zero, as the first latent has no other input: a hidden unit at rest would never learn.
        self.first_bias = normal(a, 1, h, scale=0.3)
        self.given = normal(self.width, a * h, scale=1 / math.sqrt(self.width))
        self.middle = nn.ParameterList(normal(a, h, h, scale=0.7 / math.sqrt(h)) for _ in range(self.depth - 1))
        self.middle_bias = nn.ParameterList(zeros(a, 1, h) for _ in range(self.depth - 1))
        self.free, self.slow, self.bias = (
            normal(a, h, self.k, scale=0.02),
            zeros(a, h, self.smooth),
            zeros(a, 1, self.k),
        )

    @torch.no_grad()
    def begin(self, mean: Tensor, log_var: Tensor, weight: Tensor | None) -> None:
        told = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).mean(0)
        order = told.argsort(descending=True)
        order = order[told[order] > _ACTIVE]
        order = order if len(order) else told.argsort(descending=True)[:1]
        self._room(len(order))
        self.order.copy_(order)
        self.edges.copy_(_edges(mean[:, order], log_var[:, order], weight, self.k))
        some = torch.randperm(len(mean), device=mean.device)[:_ROWS]
        mass = self._mass(mean[some][:, order], log_var[some][:, order])
        w = torch.ones(len(some), device=mean.device) if weight is None else weight[some].float()
        law = torch.einsum("abk,b->ak", mass, w) / w.sum()
        self.bias.copy_(law.clamp(min=1e-6).log()[:, None])  # each latent's own law, before it hears of others

    # ---------------------------------------------------------------- cells
    def _rank(self, z: Tensor) -> Tensor:
        """``(B, A)`` places of latents ``(B, A)`` among the cells, in [0, 1]."""
        at = z.T.contiguous()
        cell = (torch.searchsorted(self.edges, at, right=True) - 1).clamp(0, self.k - 1)
        low, high = self.edges.gather(1, cell), self.edges.gather(1, cell + 1)
        inside = ((at - low) / (high - low).clamp(min=1e-8)).clamp(0, 1)
        return ((cell + inside) / self.k).T

    def _mass(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """``(A, B, K)`` of posteriors ``(B, A)`` in the cells; the outermost reach to infinity."""
        sd = (log_var / 2).exp().T[..., None]
        below = torch.special.ndtr((self.edges[:, None, 1:-1] - mean.T[..., None]) / sd)
        return F.pad(F.pad(below, (1, 0), value=0.0), (0, 1), value=1.0).diff(dim=2)

    # ---------------------------------------------------------------- the nets
    def _head(self) -> Tensor:
        return 0.3 * self.free + self.slow @ self.basis

    def _upper(self, h: Tensor, pick: slice) -> Tensor:
        h = F.relu(h)
        for weight, bias in zip(self.middle, self.middle_bias, strict=True):
            h = h + F.relu(torch.baddbmm(bias[pick], dropout(h, self.rate, self.training), weight[pick]))
        return dropout(h, self.rate, self.training)

    def losses(self, mean: Tensor, log_var: Tensor, z: Tensor, rows: Rows) -> Tensor:
        mean, log_var, free = mean[:, self.order], log_var[:, self.order], _others(mean, log_var, self.order)
        x = places(self._rank(z[:, self.order]), self.features).flatten(1)
        h = x @ (self.first * self.open).flatten(1) + self.known(rows) @ self.given
        h = h.view(len(x), -1, self.h).transpose(0, 1) + self.first_bias
        logits = torch.baddbmm(self.bias, self._upper(h, slice(None)), self._head())
        room = self.edges.diff(dim=1).clamp(min=1e-6).log()[:, None]
        return ((room - logits.log_softmax(2)) * self._mass(mean, log_var)).sum((0, 2)) + free

    @torch.no_grad()
    def draw(self, rows: Rows) -> Tensor:
        b, a, f = len(rows.known), len(self.order), self.features
        some = bool((rows.known | rows.present).any())
        given = (self.known(rows) @ self.given).view(b, a, self.h) if some else None
        first, head = self.first * self.open, self._head()
        x = torch.zeros(b, a * f, device=self.edges.device)
        z = torch.randn(b, self.latents, device=self.edges.device)
        for i in range(a):
            h = x[:, : i * f] @ first[: i * f, i] + self.first_bias[i]
            h = h if given is None else h + given[:, i]
            logits = torch.baddbmm(self.bias[i : i + 1], self._upper(h[None], slice(i, i + 1)), head[i : i + 1])[0]
            cell, inside = draw_codes(logits), torch.rand(b, device=z.device)
            low, high = self.edges[i][cell], self.edges[i][cell + 1]
            z[:, self.order[i]] = low + inside * (high - low)
            x[:, i * f : (i + 1) * f] = places((cell + inside) / self.k, f)
        return z


def _others(mean: Tensor, log_var: Tensor, order: Tensor) -> Tensor:
    """``(B,)`` cross-entropy to N(0, 1) of the latents that are not in ``order``."""
    each = 0.5 * (mean.square() + log_var.exp() + _LOG_2PI)
    return each.sum(1) - each[:, order].sum(1)


@torch.no_grad()
def _edges(mean: Tensor, log_var: Tensor, weight: Tensor | None, k: int) -> Tensor:
    """``(A, K + 1)`` quantiles of posterior draws, each the mean of the draws around it that 20 rows are worth."""
    rows = len(mean)
    times = max(-(-20_000 // max(rows, 1)), 2)
    pick = torch.arange(rows, device=mean.device).repeat(times)
    if weight is not None:
        pick = torch.multinomial(weight.float(), rows * times, replacement=True)
    m, v = mean[pick], log_var[pick]
    z = (m + torch.randn_like(m) * (v / 2).exp()).sort(0).values.double()
    n, behind = len(z), min(max(rows // 50, 1), _BEHIND) * times
    middle = _spread(z, k, behind)
    low = (middle - behind // 2).clamp(0, n - behind)
    total = torch.cat([z.new_zeros(1, z.shape[1]), z.cumsum(0)])
    return ((total.gather(0, low + behind) - total.gather(0, low)) / behind).T.to(mean.dtype)


def _spread(z: Tensor, k: int, behind: int) -> Tensor:
    """``(K + 1, A)`` which of sorted draws ``(n, A)`` edges stand at: cells go with the root of the draws' density.

    Cells of like mass would leave the rows that lie apart, of a rare class, a single one.
    """
    n, parts = len(z), min(16 * k, len(z) - 1)
    at = (torch.linspace(0, 1, parts + 1, device=z.device) * (n - 1)).round().long()
    width = z[at].diff(dim=0).clamp(min=1e-9)
    weight = width.sqrt()
    # No cell of fewer rows than half of what stands behind an edge.
    weight = (weight / weight.mean(0)).clamp(max=max(2 * n / k / behind, 1.0))
    below = F.pad(weight.cumsum(0), (0, 0, 1, 0))
    below = (below / below[-1]).T.contiguous()
    goal = torch.linspace(0, 1, k + 1, device=z.device, dtype=z.dtype).expand(len(below), -1).contiguous()
    cell = (torch.searchsorted(below, goal, right=True) - 1).clamp(0, parts - 1)
    low, high = below.gather(1, cell), below.gather(1, cell + 1)
    place = (cell + ((goal - low) / (high - low)).clamp(0, 1)) / parts
    return (place * (n - 1)).round().long().T


def _make_room(prior: CellPrior, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    if prefix + "order" in state:  # else the load itself says what is missing
        prior._room(min(len(state[prefix + "order"]), prior.latents))
