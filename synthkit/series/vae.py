"""A variational auto-encoder of blocks of a series, with a learnt prior given the past, and laws for an output.

An encoder tells the law of a few latents of a block given the past, a decoder the law of every number of the block
given the latents and the past (Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014; over windows of
series: Desai et al., "TimeVAE", 2021, of which this keeps the convolutions). What is different, as point decoders give
paths that are too smooth and N(0, I) is not what encoders fill:

- the decoder's outputs are Student t laws, of which numbers are *drawn*; the location and the log scale of a channel
  also hang on the channels before it at the same step, and on their sizes;
- the prior of the latents is a mixture of Gaussians given the past, learnt with the rest (Sohn, Lee and Yan,
  "Learning structured output representation", NeurIPS 2015), so that latents of a block go on from those before;
- held-out blocks are scored by the importance-weighted bound of their likelihood (Burda, Grosse and Salakhutdinov,
  ICLR 2016), and the share of blocks that the net draws is the likeliest mixture of it and the closed form.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.params import Interval, param
from synthkit.series.base import Budget, Floats
from synthkit.series.chained import BlockNet, ChainedSpec, Lesson, Sizes
from synthkit.series.nets import Blocks, Convolutions, Past, Training, read

__all__ = ["SeriesVAE"]

_PARTS = 4  # of the prior
_DRAWS = 16  # of the bound by which held-out blocks are judged
_MOST = 1024  # held-out blocks that are judged
_WARM = 200  # steps over which what latents tell comes to cost its full price
_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesVAE(ChainedSpec):
    """Recipe of the variational auto-encoder of series."""

    name: ClassVar[str] = "vae"
    latents: int = param(12, Interval(int, 1, 256), "numbers that an encoder makes of a block")
    dropout: float = param(0.2, Interval(float, 0, 1, "left"), "of what is told of the past, in training")
    beta: float = param(0.7, Interval(float, 0, 1, "right"), "price of a nat that latents tell, in training")

    def build(self, sizes: Sizes) -> BlockNet:
        """See :meth:`ChainedSpec.build`."""
        return _VAE(self, sizes)


class _VAE(BlockNet):
    """Shapes as in :mod:`synthkit.series.nets`; Z latents, M parts of the prior."""

    mixes = True

    def __init__(self, spec: SeriesVAE, sizes: Sizes) -> None:
        super().__init__()
        self.spec, self.sizes = spec, sizes
        d, width, z = sizes.d, spec.width, spec.latents
        self.past = Past(d, sizes.history, sizes.state, width)
        self.see = Convolutions(2 * d + sizes.calendar, width, width, spec.depth, causal=False)
        self.encoder = nn.Linear(2 * width, 2 * z)
        self.prior = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, _PARTS * (2 * z + 1)))
        self.places = nn.Parameter(0.1 * torch.randn(sizes.block, width))
        self.show = Convolutions(width + sizes.calendar, width + z, width, spec.depth, causal=False)
        self.heads = nn.Linear(width, 2 * d)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        self.within = nn.Parameter(torch.zeros(2, d, 2 * d))  # on the channels before, of the same step
        self.degrees = nn.Parameter(torch.full((d,), 3.0))
        self.register_buffer("before", torch.tril(torch.ones(d, d), -1).repeat(1, 2), persistent=False)

    # ---------------------------------------------------------------- laws
    def _latent(self, blocks: Blocks, past: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log scale ``(B, Z)`` of the latents of blocks."""
        h = self.see(torch.cat([read(blocks.white), blocks.calendar], 2), past)
        mean, logs = self.encoder(torch.cat([h.mean(1), h.amax(1)], 1)).chunk(2, 1)
        return mean, logs.clamp(-5, 2)

    def _mixture(self, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights ``(B, M)``, means and log scales ``(B, M, Z)`` of the prior."""
        out = self.prior(past).unflatten(1, (_PARTS, -1))
        mean, logs = out[..., 1:].chunk(2, -1)
        return out[..., 0].log_softmax(1), mean, logs.clamp(-4, 2)

    def _log_prior(self, z: Tensor, past: Tensor) -> Tensor:
        weight, mean, logs = self._mixture(past)
        inside = (-0.5 * ((z[:, None] - mean) * (-logs).exp()).square() - logs - _HALF_LOG_2PI).sum(-1)
        return torch.logsumexp(weight + inside, 1)

    def _decode(self, z: Tensor, past: Tensor, calendar: Tensor) -> tuple[Tensor, Tensor]:
        """Locations and log scales ``(B, K, D)``, before what hangs on the channels of the same step."""
        steps = torch.cat([self.places.expand(len(z), -1, -1), calendar], 2)
        place, logs = self.heads(self.show(steps, torch.cat([past, z], 1))).chunk(2, -1)
        return place, logs

    def _freedom(self) -> Tensor:
        """``(D,)`` degrees of freedom, 2.5 at least."""
        return 2.5 + self.degrees.exp()

    def _log_data(self, white: Tensor, z: Tensor, past: Tensor, calendar: Tensor) -> Tensor:
        """``(B,)`` nats of blocks given latents."""
        place, logs = self._decode(z, past, calendar)
        seen, mask = read(white), self.get_buffer("before")
        place = place + seen @ (self.within[0] * mask).T
        logs = (logs + seen @ (self.within[1] * mask).T).clamp(-2, 2)
        nu = self._freedom()
        scale = logs + 0.5 * ((nu - 2) / nu).log()  # so that spread is exp(logs)
        x = (white - place) * (-scale).exp()
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * (nu * math.pi).log()
        return (constant - scale - (nu + 1) / 2 * (x * x / nu).log1p()).sum((1, 2))

    # ---------------------------------------------------------------- learning
    def learn(self, lesson: Lesson, budget: Budget) -> tuple[float, float]:
        """See :meth:`BlockNet.learn`; the gain is in nats per row."""
        spec, began = self.spec, time.monotonic()
        optimizer = torch.optim.AdamW(self.parameters(), lr=spec.lr, weight_decay=0.01)
        train, held, device = lesson.train, lesson.held, lesson.train.state.device

        def step(k: int) -> None:
            batch = train.take(torch.randint(len(train), (spec.batch_size,), device=device))
            loss = self._loss(batch, _price(k, spec.beta))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 5.0)
            optimizer.step()

        some = held.take(torch.linspace(0, len(held) - 1, min(len(held), _MOST)).long().to(device))
        fixed = torch.randn(_DRAWS, len(some), spec.latents, device=device)

        def judge() -> float:
            return -float(self._bound(some, fixed).mean()) / self.sizes.block

        budget = budget.after(time.monotonic() - began)
        steps = spec.steps if budget.steps is None else min(spec.steps, budget.steps)
        done = Training(self, step, judge, steps, budget.seconds, progress=budget.progress).run()
        if not done.best_step:
            return 0.0, 0.0
        with torch.no_grad():
            own = self._bound(some, fixed).double().cpu().numpy()
        base = lesson.series.whitener.log_density(some.white.double().cpu().numpy()).sum(1)
        return _best_share(own, base, self.sizes.block)

    def _loss(self, batch: Blocks, price: float) -> Tensor:
        """Minus the bound per number, where what latents tell costs ``price``."""
        past = F.dropout(self.past(batch.history, batch.state), self.spec.dropout)
        mean, logs = self._latent(batch, past)
        e = torch.randn_like(mean)
        z = mean + logs.exp() * e
        told = (-0.5 * e.square() - logs - _HALF_LOG_2PI).sum(1) - self._log_prior(z, past)
        gained = self._log_data(batch.white, z, past, batch.calendar)
        return (price * told - gained).mean() / batch.white[0].numel()

    def _bound(self, blocks: Blocks, fixed: Tensor) -> Tensor:
        """``(B,)`` nats of blocks at least, by draws of latents ``(S, B, Z)``."""
        past = self.past(blocks.history, blocks.state)
        mean, logs = self._latent(blocks, past)
        each = []
        for e in fixed:
            z = mean + logs.exp() * e
            weight = self._log_prior(z, past) - (-0.5 * e.square() - logs - _HALF_LOG_2PI).sum(1)
            each.append(self._log_data(blocks.white, z, past, blocks.calendar) + weight)
        return torch.logsumexp(torch.stack(each), 0) - math.log(len(fixed))

    # ---------------------------------------------------------------- drawing
    def draw(self, noise: Tensor, past: Blocks, rng: np.random.Generator) -> Tensor:
        """See :meth:`BlockNet.draw`; the noise is not used."""
        n, size, d = noise.shape
        told = self.past(past.history, past.state)
        weight, mean, logs = self._mixture(told)
        u = torch.from_numpy(rng.random((n, 1))).float()
        part = (weight.exp().cumsum(1) < u).sum(1).clamp(max=_PARTS - 1)
        at = torch.arange(n), part
        z = mean[at] + logs[at].exp() * torch.from_numpy(rng.standard_normal((n, mean.shape[2]))).float()
        place, logs = self._decode(z, told, past.calendar)
        nu = self._freedom().double().numpy()
        e = rng.standard_normal((n, size, d)) * np.sqrt((nu - 2) / rng.chisquare(nu, (n, size, d)))
        mask = self.get_buffer("before")
        shocks = torch.from_numpy(e).float()
        weights, scales = (w * mask for w in self.within)
        seen = torch.zeros(n, size, 2 * d)
        for j in range(d):
            middle = place[..., j] + seen @ weights[j]
            spread = (logs[..., j] + seen @ scales[j]).clamp(-2, 2).exp()
            value = (middle + spread * shocks[..., j]).clamp(-6, 6)
            seen[..., j], seen[..., d + j] = value, value.abs() - 0.8
        return seen[..., :d]


def _price(step: int, beta: float) -> float:
    """Of a nat that latents tell, which rises at first."""
    return beta * min(1.0, (step + 1) / _WARM)


def _best_share(own: Floats, base: Floats, block: int) -> tuple[float, float]:
    """The likeliest share of the net's blocks among them and the closed form's, and its gain in nats per row."""
    top = np.maximum(own, base)
    density = _SHARES[:, None] * np.exp(own - top) + (1 - _SHARES[:, None]) * np.exp(base - top)
    nats = (np.log(np.maximum(density, 1e-300)) + top).mean(1)
    best = int(nats.argmax())
    return float(_SHARES[best]), float(nats[best] - nats[0]) / block
