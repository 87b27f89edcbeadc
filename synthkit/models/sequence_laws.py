"""Laws of the latents of whole sequences given their context: a mixture, and a generator that plays against a critic.

Both stand on the same closed form: the normal scores of z are a ridge regression on the context's features plus
residuals of a fitted covariance (a Gaussian copula given the context). What a net learns are *whitened* residuals u,
of which the closed form says N(0, I); a net starts there, and is kept only if entities that were held out are better
explained by it. So few entities get the closed form, and many get what they show. Learnt from draws of the posteriors,
not from their means.

Shapes: B entities, L latents, C features of the context, K components.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from synthkit.layout import Allowed, Encoded, Field, Layout
from synthkit.models.base import Model, ModelTags, Phase, Recipe, Stage, draw_codes
from synthkit.models.objectives import PlainMLP, critic_loss, generator_loss, penalty
from synthkit.models.sequence_rows import Linear
from synthkit.runtime import seeded

if TYPE_CHECKING:
    from synthkit.models.sequence_latent import SequenceGAN, SequenceLatent, SequenceVAE

__all__ = ["GeneratedLaw", "Law", "MixtureLaw"]

_LOG_2PI = math.log(2 * math.pi)
_DRAWS = 20_000  # of posteriors, that the closed form is made from
_KNOTS, _ENDS = 24, 2.3  # of the law of a single latent, evenly spaced between these normal scores
_FAR = 6.0  # latents and scores at most
_FLATTEST = 0.05  # of the mean distance of knots: no two are nearer
_BEHIND = 10  # entities behind a knot, or a twentieth of few
_PROBES = 16  # draws of a held-out entity's law
_CHECKS = 7  # of the generator in training
_LEAST = 128  # entities of a step of the game: few are played several times
_FEATURES = 16  # of the context that a net reads; the regression reads all


class Law(Model):
    """A law of z given the context. Its "rows" are entities: posterior means, log-variances, context.

    Attributes:
        learnt: whether the net is used, or the closed form; scores: their losses on held-out entities, the latter's
            first; None where there were none, or once loaded.
    """

    tags: ClassVar[ModelTags] = ModelTags(has_log_prob=False)
    learnt: Tensor

    def __init__(self, spec: SequenceLatent, latents: int, context: int) -> None:
        super().__init__()
        self.recipe_, self.latents, self.context = spec, latents, context
        self.scores: tuple[float, float] | None = None
        self.layout = Layout(tuple(Field(k, "number") for k in range(2 * latents + context)))
        self.base = Linear(context, latents)
        self.read = min(context, _FEATURES)
        self.register_buffer("goal", torch.linspace(-_ENDS, _ENDS, _KNOTS))
        self.register_buffer("knots", torch.linspace(-_ENDS, _ENDS, _KNOTS).repeat(latents, 1))
        self.register_buffer("root", torch.eye(latents))  # of the residuals' covariance
        self.register_buffer("best", torch.zeros(context, self.read))  # combinations of the context that nets read
        self.register_buffer("learnt", torch.zeros((), dtype=torch.bool))

    def pack(self, mean: Tensor, log_var: Tensor, context: Tensor) -> Encoded:
        """Entities as rows."""
        num = torch.cat([mean, log_var, context], 1)
        none = torch.zeros(len(num), 0, dtype=torch.uint8, device=num.device)
        return Encoded(num, none, torch.ones_like(num, dtype=torch.bool), none.bool())

    @torch.no_grad()
    def start(self, data: Encoded) -> None:
        """The closed form."""
        mean, log_var, context = self._split(data)
        times = max(-(-_DRAWS // max(len(mean), 1)), 1)
        many, spread = context.repeat(times, 1), (log_var / 2).exp().repeat(times, 1)
        z = mean.repeat(times, 1) + torch.randn_like(spread) * spread
        self._cut(z, len(mean))
        y = self.scores_of(z)
        self.base.fit(many, y, len(mean))
        left = y - self.base(many)
        cover = left.T @ left / max(len(left), 1)
        self.get_buffer("root").copy_(torch.linalg.cholesky(cover + 1e-4 * torch.eye(self.latents).to(cover)))
        x = self.base.inputs(context)
        _, s, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
        k = min(self.read, int((s > 1e-3 * s[:1]).sum())) if len(s) else 0
        self.get_buffer("best").zero_()[:, :k] = v[:k].T * (max(len(x), 1) ** 0.5 / s[:k])

    def _cut(self, z: Tensor, entities: int) -> None:
        """Knots of the laws of single latents: each the mean of as many draws as some entities are worth."""
        knots, n = self.get_buffer("knots"), len(z)
        ordered = z.sort(0).values.double()
        behind = max(min(_BEHIND, entities // 20), 1) * (n // max(entities, 1))
        outer = min(max(float(torch.special.ndtri(torch.tensor(1 - behind / 2 / n))), 0.5), _ENDS)
        self.get_buffer("goal").copy_(torch.linspace(-outer, outer, _KNOTS))
        at = torch.special.ndtr(self.get_buffer("goal").double())
        low = ((at * n).long() - behind // 2).clamp(0, max(n - behind, 0))
        total = torch.cat([ordered.new_zeros(1, z.shape[1]), ordered.cumsum(0)])
        values = (total[low + behind] - total[low]) / behind
        steps = values.diff(dim=0)
        steps = torch.maximum(steps, _FLATTEST * (values[-1] - values[0]).clamp(min=1e-3) / _KNOTS)
        knots.copy_(torch.cat([values[:1], values[:1] + steps.cumsum(0)]).T)

    def scores_of(self, z: Tensor) -> Tensor:
        """``(B, L)`` normal scores of latents: straight lines between knots, and beyond them."""
        return _between(z, self.get_buffer("knots"), self._goals())

    def _goals(self) -> Tensor:
        return self.get_buffer("goal").expand(self.latents, -1).contiguous()

    def latents_of(self, y: Tensor) -> Tensor:
        """What :meth:`scores_of` inverts."""
        return _between(y, self._goals(), self.get_buffer("knots"))

    def _split(self, data: Encoded) -> tuple[Tensor, Tensor, Tensor]:
        n = self.latents
        return data.num[:, :n], data.num[:, n : 2 * n], data.num[:, 2 * n :]

    def features(self, context: Tensor) -> Tensor:
        """``(B, read)`` what nets read of the context: its principal components."""
        return self.base.inputs(context) @ self.get_buffer("best")

    def residuals(self, data: Encoded) -> Tensor:
        """``(B, L)`` whitened residuals of a draw of the posteriors (out of training, always the same)."""
        mean, log_var, context = self._split(data)
        if self.training:
            noise = torch.randn_like(mean)
        else:
            with seeded(0, mean.device):
                noise = torch.randn_like(mean)
        left = self.scores_of(mean + noise * (log_var / 2).exp()) - self.base(context)
        out: Tensor = torch.linalg.solve_triangular(self.get_buffer("root"), left.T, upper=False).T
        return out

    @torch.no_grad()
    def draw(self, context: Tensor) -> Tensor:
        """``(B, L)`` latents of entities with these features ``(B, C)``."""
        u = self.free(self.features(context)) if self.learnt else self._plain(context)
        return self.latents_of(self.base(context) + u @ self.get_buffer("root").T)

    def _plain(self, context: Tensor) -> Tensor:
        return torch.randn(len(context), self.latents, device=context.device)

    @abstractmethod
    def free(self, c: Tensor) -> Tensor:
        """``(B, L)`` whitened residuals drawn given what nets read of the context."""

    @abstractmethod
    def recipe(self, entities: int) -> Recipe:
        """How to train on so many entities."""

    @abstractmethod
    def plain(self, data: Encoded) -> float:
        """The closed form's loss on entities."""

    @torch.no_grad()
    def judge(self, held: Encoded, plain: float) -> None:
        """Keep what was learnt only if it is better on held-out entities than the closed form was."""
        self.scores = plain, self.score(held)
        self.learnt.fill_(self.scores[1] < plain)

    @torch.no_grad()
    def score(self, data: Encoded) -> float:
        """Mean loss of held-out entities."""
        self.eval()
        return float(self(data, data).mean()) if len(data) else math.inf

    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        """Draws of z at the place of the posterior means, given the context."""
        _, log_var, context = self._split(partial)
        return self.pack(self.draw(context), torch.full_like(log_var, -8.0), context)


def _between(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """``(B, L)`` through the points (knots, values), each ``(L, K)``; the outer lines go on."""
    at = x.T.contiguous()
    cell = (torch.searchsorted(knots.contiguous(), at) - 1).clamp(0, knots.shape[1] - 2)
    low, high = knots.gather(1, cell), knots.gather(1, cell + 1)
    a, b = values.gather(1, cell), values.gather(1, cell + 1)
    return (a + (at - low) / (high - low).clamp(min=1e-6) * (b - a)).clamp(-_FAR, _FAR).T


class MixtureLaw(Law):
    """A mixture of Gaussians whose weights, means and variances a net of the context gives (Bishop, "Mixture density
    networks", 1994)."""

    def __init__(self, spec: SequenceVAE, latents: int, context: int) -> None:
        super().__init__(spec, latents, context)
        self.k = spec.components
        self.net = nn.Sequential(PlainMLP(self.read, spec.law_width, 1), nn.Dropout(0.2))
        self.out = nn.Linear(spec.law_width, self.k * (1 + 2 * latents))
        with torch.no_grad():
            self.out.weight.zero_()
            self.out.bias.zero_()
            self.out.bias[self.k : self.k + self.k * latents] = 0.3 * torch.randn(self.k * latents)

    def recipe(self, entities: int) -> Recipe:
        spec = self.recipe_
        size = min(256, max(entities // 2, 1))
        return Recipe(spec.law_steps, size, spec.law_lr, weight_decay=0.05, ema=0.99, every=50, patience=8)

    def _parts(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.out(self.net(c))
        weight, mean, log_var = out.split([self.k, *[self.k * self.latents] * 2], 1)
        shape = (len(c), self.k, self.latents)
        return weight.log_softmax(1), mean.view(shape), log_var.view(shape).clamp(-6, 3)

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """-log p(u | context), ``(B,)``, in nats."""
        u = self.residuals(target)
        weight, mean, log_var = self._parts(self.features(self._split(target)[2]))
        square = (u[:, None] - mean).square() * (-log_var).exp()
        return -(weight - 0.5 * (square + log_var + _LOG_2PI).sum(2)).logsumexp(1)

    @torch.no_grad()
    def plain(self, data: Encoded) -> float:
        """The closed form's loss."""
        self.eval()
        return float(0.5 * (self.residuals(data).square() + _LOG_2PI).sum(1).mean()) if len(data) else -math.inf

    def free(self, c: Tensor) -> Tensor:
        weight, mean, log_var = self._parts(c)
        k = draw_codes(weight)[:, None, None].expand(-1, 1, self.latents)
        mean, log_var = mean.gather(1, k).squeeze(1), log_var.gather(1, k).squeeze(1)
        return mean + torch.randn_like(mean) * (log_var / 2).exp()


class GeneratedLaw(Law):
    """A conditional generator of u, which starts as the identity of its noise, against a critic that sees packs of
    entities with their contexts (Lin et al., "PacGAN", NeurIPS 2018).

    Means, variances and correlations of a batch, also with the context, are matched besides (after Yoon, Jarrett and
    van der Schaar, "Time-series generative adversarial networks", NeurIPS 2019); of whitened residuals they are 0, 1
    and 0. The averaged weights are judged on held-out entities by the energy score, which only the true law minimises
    (Gneiting and Raftery, JASA 102, 2007).
    """

    def __init__(self, spec: SequenceGAN, latents: int, context: int) -> None:
        super().__init__(spec, latents, context)
        self.spec = spec
        self.generator = nn.Sequential(
            PlainMLP(latents + spec.noise + self.read, spec.law_width, 2), nn.Linear(spec.law_width, latents)
        )
        self.critic = nn.Sequential(
            PlainMLP(spec.pack * (latents + self.read), spec.law_width, 2), nn.Linear(spec.law_width, 1)
        )
        with torch.no_grad():
            self.generator[1].weight.mul_(0.01)  # type: ignore[operator]
            self.generator[1].bias.zero_()  # type: ignore[operator]
        self.stages = (
            Stage(
                "adversarial",
                1.0,
                (
                    Phase("critic", ("critic.",), lr_factor=spec.critic_lr / spec.law_lr),
                    Phase("generator", ("generator.",)),
                ),
            ),
        )

    def recipe(self, entities: int) -> Recipe:
        spec = self.recipe_
        size = min(256, max(entities // 2, 1))
        every = max(spec.law_steps // _CHECKS, 1)  # seldom: the score is flat for a while before the game finds modes
        return Recipe(spec.law_steps, size, spec.law_lr, weight_decay=0.0, ema=0.99, every=every, betas=(0.0, 0.95))

    def free(self, c: Tensor) -> Tensor:
        start = torch.randn(len(c), self.latents, device=c.device)  # first: the closed form draws the same
        noise = torch.randn(len(c), self.spec.noise, device=c.device)
        out: Tensor = start + self.generator(torch.cat([start, noise, c], 1))
        return out

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """The loss of a phase, ``(B,)``; out of training, the energy score."""
        if not self.training:
            return self._energy(target) if phase != "critic" else torch.zeros(len(target), device=target.num.device)
        pack, n = self.spec.pack, len(target)
        again = -(-max(_LEAST, pack) // n)
        rows = target.take(torch.arange(n, device=target.num.device).repeat(again))
        rows = rows.take(torch.randperm(len(rows), device=rows.num.device)[: len(rows) // pack * pack])
        real, c = self.residuals(rows), self.features(self._split(rows)[2])
        loss = self._critic(real, c) if phase == "critic" else self._generator(real, c)
        return loss.mean().expand(n)

    def _packs(self, u: Tensor, c: Tensor) -> Tensor:
        return torch.cat([u, c], 1).view(len(u) // self.spec.pack, -1)

    def _critic(self, real: Tensor, c: Tensor) -> Tensor:
        with torch.no_grad():
            fake = self.free(c)
        a, b = self._packs(real, c), self._packs(fake, c)
        loss = critic_loss("relativistic", self.critic(a)[:, 0], self.critic(b)[:, 0])
        return loss + self.spec.penalty / 2 * penalty("relativistic", lambda x: self.critic(x)[:, 0], a, b)

    def _generator(self, real: Tensor, c: Tensor) -> Tensor:
        fake = self.free(c)
        scores = (self.critic(self._packs(u, c))[:, 0] for u in (real, fake))
        loss = generator_loss("relativistic", *scores)
        return loss + self.spec.moments * self._moments(fake, c)

    def _moments(self, u: Tensor, c: Tensor) -> Tensor:
        n = len(u)
        off = u.T @ u / n - torch.eye(self.latents, device=u.device)
        return u.mean(0).square().sum() + off.square().mean(0).sum() + (u.T @ c / n).square().mean(0).sum()

    def _energy(self, target: Encoded, learnt: bool = True) -> Tensor:
        """E|G - u| - E|G - G'| / 2 of each entity, G and G' drawn given its context."""
        u, c = self.residuals(target), self.features(self._split(target)[2])
        with seeded(1, u.device):
            many = c.repeat(_PROBES, 1)
            drawn = self.free(many) if learnt else torch.randn(len(many), self.latents, device=u.device)
        drawn = drawn.view(_PROBES, len(c), -1)
        first = (drawn - u).norm(dim=2).mean(0)
        second = torch.stack([(drawn - drawn.roll(k, 0)).norm(dim=2) for k in range(1, _PROBES)]).mean((0, 1))
        out: Tensor = first - second / 2
        return out

    @torch.no_grad()
    def plain(self, data: Encoded) -> float:
        """The closed form's energy score."""
        self.eval()
        return float(self._energy(data, learnt=False).mean()) if len(data) else -math.inf
