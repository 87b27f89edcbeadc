"""A conditional GAN of blocks of a series, played for windows of paths that run freely.

The generator bends white noise, a draw of the closed form's law, into the scores of the next steps, given the steps
before, the state of the closed form and the calendar (Mirza and Osindero, "Conditional Generative Adversarial Nets",
2014); it starts as the closed form itself. The critic sees windows of channels, of which the last block is the
generator's and the steps before are the path's own (Yoon, Jarrett and van der Schaar, "Time-series Generative
Adversarial Networks", NeurIPS 2019, play for latent steps; chaining blocks on generated pasts: Ni et al., "Conditional
Sig-Wasserstein GANs", 2020), several windows at a time ("packed": Lin et al., "PacGAN", NeurIPS 2018), under the
relativistic loss with zero-centred penalties or the classic ones. Beside it, the generator is held to moments,
autocorrelations and cross-correlations of training windows (after the moment loss of TimeGAN).

Averaged weights are kept at the step at which a classifier tells free paths least from held-out blocks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from synthkit.models.objectives import critic_loss, generator_loss, penalty
from synthkit.params import Interval, OneOf, param
from synthkit.series.base import Budget
from synthkit.series.chained import BlockNet, ChainedSpec, Lesson, Sizes
from synthkit.series.nets import Blocks, Convolutions, Past, Training, read
from synthkit.series.paths import Paths, Teller

__all__ = ["SeriesGAN"]

_PENALISED = 4  # one window in so many bears the penalty
_FASTER = 4.0  # the critic's rate over the generator's
_LAGS = (1, 2, 3, 6)
_WIDE = 24  # channels up to which all cross moments are matched
_GRACE = 0.02  # of AUC, which is noise: a net that is told no more than that above the closed form is kept
_JUDGED = (12, 400)  # paths, and rows of each, that the teller is shown
_ALONE, _RAMP = 40, 200  # steps of the critic alone, and over which the generator's rate rises
_FOLLOW = 0.05  # of what scores are off their mean by: levels that critics do not see would drift away by it
_BEND, _MOVE = 0.7, 1.0  # of a log scale and of a place, at most


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesGAN(ChainedSpec):
    """Recipe of the conditional GAN of series."""

    name: ClassVar[str] = "gan"
    slow: ClassVar[bool] = False
    steps: int = param(600, Interval(int, 1, None), "of training, at most; it ends where held-out blocks gain no more")
    lr: float = param(
        5e-4, Interval(float, 0, 1, "neither"), "learning rate of the generator; the critic's is twice it"
    )
    noise: int = param(8, Interval(int, 1, 256), "numbers of noise that a whole block shares")
    loss: str = param("relativistic", OneOf("relativistic", "nonsaturating", "wgan-gp"), "of the players")
    tameness: float = param(3.0, Interval(float, 0, None), "weight of the critic's gradient penalty")
    moments: float = param(10.0, Interval(float, 0, None), "weight of moments, auto- and cross-correlations")
    pack: int = param(2, Interval(int, 1, 8), "windows that the critic sees at once")

    def build(self, sizes: Sizes) -> BlockNet:
        """See :meth:`ChainedSpec.build`."""
        return _Generator(self, sizes)


@dataclass(frozen=True, eq=False)
class _View:
    """Windows as players see them: levels less the mean of the steps before the block.

    Where a level is, slowly, in years, is the closed form's business: one series has one slow course, which a critic
    would know by heart, and a generator cannot answer for in the steps of one block.
    """

    level: Tensor
    history: int

    def __call__(self, windows: Tensor) -> Tensor:
        centre = windows[:, : self.history].mean(1, keepdim=True).detach()
        return torch.where(self.level, windows - centre, windows)


class _Critic(nn.Module):
    """Scores ``(M / pack,)`` of windows ``(M, L, D)``, packed."""

    def __init__(self, spec: SeriesGAN, sizes: Sizes) -> None:
        super().__init__()
        self.pack = spec.pack
        self.see = Convolutions(3 * sizes.d + sizes.calendar, 1, spec.width, spec.depth, causal=False)
        self.score = nn.Sequential(
            nn.Linear(spec.pack * 3 * spec.width, spec.width), nn.LeakyReLU(0.2), nn.Linear(spec.width, 1)
        )

    def forward(self, windows: Tensor, calendar: Tensor) -> Tensor:
        change = torch.cat([torch.zeros_like(windows[:, :1]), windows[:, 1:] - windows[:, :-1]], 1)
        h = self.see(torch.cat([read(windows), change, calendar], 2), windows.new_ones(len(windows), 1))
        half = h.shape[1] // 2
        summed = torch.cat([h[:, :half].mean(1), h[:, half:].mean(1), h.amax(1)], 1)
        out: Tensor = self.score(summed.reshape(len(h) // self.pack, -1))[:, 0]
        return out


class _Generator(BlockNet):
    """White scores of a block: noise, bent."""

    mixes = False
    bias: Tensor

    def __init__(self, spec: SeriesGAN, sizes: Sizes) -> None:
        super().__init__()
        self.spec, self.sizes = spec, sizes
        self.past = Past(sizes.d, sizes.history, sizes.state, spec.width)
        inputs = 2 * sizes.d + sizes.calendar + 1
        self.make = Convolutions(inputs, spec.width + spec.noise, spec.width, spec.depth, causal=True)
        self.out = nn.Linear(spec.width, 2 * sizes.d)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("bias", torch.zeros(sizes.d))

    def forward(self, blocks: Blocks, shared: Tensor) -> Tensor:
        """``(B, K, D)``; ``blocks.white`` is noise, and ``shared`` ``(B, R)`` noise of the whole block."""
        told = torch.cat([self.past(blocks.history, blocks.state), shared], 1)
        p = blocks.history.shape[1]
        seen = read(torch.cat([blocks.history, blocks.white], 1))
        calendar = torch.cat([blocks.calendar.new_zeros(len(told), p, self.sizes.calendar), blocks.calendar], 1)
        own = torch.ones_like(seen[..., :1])
        own[:, :p] = 0.0
        move, bend = self.out(self.make(torch.cat([seen, calendar, own], 2), told)[:, p:]).chunk(2, 2)
        out = blocks.white * (_BEND * torch.tanh(bend)).exp() + _MOVE * torch.tanh(move / _MOVE)
        if self.training:
            with torch.no_grad():
                self.bias.lerp_((out - blocks.white).mean((0, 1)), _FOLLOW)
        return out - self.bias

    def draw(self, noise: Tensor, past: Blocks, rng: np.random.Generator) -> Tensor:
        """See :meth:`BlockNet.draw`."""
        shared = torch.from_numpy(rng.standard_normal((len(noise), self.spec.noise))).float().to(noise.device)
        out: Tensor = self(past, shared)
        return out

    def learn(self, lesson: Lesson, budget: Budget) -> tuple[float, float]:
        """See :meth:`BlockNet.learn`; the gain is in AUC of telling paths from held-out windows."""
        began = time.monotonic()
        game = _Game(self, lesson, budget)
        budget = budget.after(time.monotonic() - began)
        done = Training(
            self,
            game.step,
            game.judge,
            game.steps,
            budget.seconds,
            grace=_GRACE,
            every=100,
            patience=4,
            progress=budget.progress,
            scored=True,
        ).run()
        return (1.0, done.losses[0] - done.best) if done.best_step else (0.0, 0.0)


class _Game:
    """The players and what they play for; see the module."""

    def __init__(self, net: _Generator, lesson: Lesson, budget: Budget) -> None:
        spec, sizes, self.device = net.spec, net.sizes, lesson.train.state.device
        self.net, self.spec, self.lesson = net, spec, lesson
        self.critic = _Critic(spec, sizes).to(self.device)
        self.paths = Paths(lesson.series, lesson.channels, lesson.covariates, lesson.room, spec.batch_size, lesson.seed)
        self.own = torch.optim.Adam(net.parameters(), lr=spec.lr, betas=(0.5, 0.9))
        self.other = torch.optim.Adam(self.critic.parameters(), lr=_FASTER * spec.lr, betas=(0.5, 0.9))
        level = torch.from_numpy(lesson.series.whitener.closed.about.level)
        self.view = _View(level.to(self.device), sizes.history)
        real, self.calendar = (x.to(self.device) for x in lesson.windows(lesson.begin))
        self.real = self.view(real)
        held = self.view(lesson.windows(lesson.held_begin)[0].to(self.device))
        self.moments = _Moments(self.real, sizes.history)
        self.teller = Teller(self.real.double().cpu().numpy(), held.double().cpu().numpy(), lesson.seed)
        self.steps = spec.steps if budget.steps is None else min(spec.steps, budget.steps)
        self.alone, self.ramp = min(_ALONE, self.steps // 8), min(_RAMP, self.steps // 2 + 1)

    def judge(self) -> float:
        """AUC of telling windows of free paths from held-out ones."""
        drawn = torch.from_numpy(self.lesson.free_windows(*_JUDGED)).to(self.device)
        return self.teller.auc(self.view(drawn).double().cpu().numpy())

    def step(self, k: int) -> None:
        """A block of all paths, a move of the critic, and one of the generator."""
        spec, device = self.spec, self.device
        drawn, days = self.paths.advance(lambda b: self.net(b, torch.randn(len(b), spec.noise, device=device)))
        many = len(drawn) // spec.pack * spec.pack
        if not many:
            return
        drawn, days = self.view(drawn[:many].to(device)), days[:many].to(device)
        index = torch.randint(len(self.real), (many,), device=device)
        real, place = self.real[index], self.calendar[index]
        self._move_critic((real, place), (drawn.detach(), days))
        if k < self.alone:
            return
        for group in self.own.param_groups:
            group["lr"] = spec.lr * min(1.0, (k + 1 - self.alone) / self.ramp)
        score = self.critic(drawn, days)
        with torch.no_grad():
            base = self.critic(real, place)
        loss = generator_loss(spec.loss, base, score).mean() + spec.moments * self.moments.off(drawn)
        self.own.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.own.step()

    def _move_critic(self, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor]) -> None:
        spec, critic = self.spec, self.critic
        scores = critic(torch.cat([real[0], fake[0]]), torch.cat([real[1], fake[1]]))
        loss = critic_loss(spec.loss, *scores.chunk(2)).mean()
        if spec.tameness:
            few = max(len(real[0]) // (_PENALISED * spec.pack), 1) * spec.pack
            days = real[1][:few] if spec.loss == "wgan-gp" else torch.cat([real[1][:few], fake[1][:few]])
            tame = penalty(spec.loss, lambda x: critic(x, days), real[0][:few], fake[0][:few]).mean()
            loss = loss + (1.0 if spec.loss == "wgan-gp" else 0.5) * spec.tameness * tame
        self.other.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(critic.parameters(), 5.0)
        self.other.step()


class _Moments:
    """Means, spreads and sizes of the last block's steps and changes, and how they go with those before and with each
    other: of real windows, and what others are off them by. Both are in units of the real ones: in its own, a generator
    would be told to change a scale in order to change a correlation, and never be done."""

    def __init__(self, real: Tensor, history: int) -> None:
        self.history, self.units = history, [(y.mean((0, 1)), y.std((0, 1)) + 1e-6) for y in _views(real)]
        self.wanted = self._of(real)

    def off(self, windows: Tensor) -> Tensor:
        """Mean square of what moments are off by."""
        pairs = zip(self._of(windows), self.wanted, strict=True)
        return torch.stack([(a - b).square().mean() for a, b in pairs]).mean()

    def _of(self, windows: Tensor) -> list[Tensor]:
        out, at = [], self.history - 1
        for (mean, spread), x in zip(self.units, _views(windows), strict=True):
            y = (x - mean) / spread
            last = y[:, at:]
            out += [last.mean((0, 1)), last.square().mean((0, 1))]
            out += [(last * y[:, at - k : y.shape[1] - k]).mean((0, 1)) for k in _LAGS if k <= at]
            if windows.shape[2] <= _WIDE:
                out.append(torch.einsum("bki,bkj->ij", last, last).flatten() / (len(last) * last.shape[1]))
        return out


def _views(windows: Tensor) -> list[Tensor]:
    """Steps and changes, and the sizes of both."""
    step, change = windows[:, 1:], windows[:, 1:] - windows[:, :-1]
    return [step, step.abs(), change, change.abs()]
