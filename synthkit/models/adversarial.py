"""A conditional GAN: all fields of a row at once, from noise and any subset of the row.

The generator reads noise and the known cells (Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014) and
gives every node's softmax; each node is drawn by straight-through Gumbel-softmax. The critic sees the whole row and
which of it was given. In training, conditions are random subsets of random training rows, so they come at their true
frequencies, and nothing is ever drawn from a frequency table of its own, as CTGAN does (Xu et al., "Modeling Tabular
Data using Conditional GAN", NeurIPS 2019).

Three stages. *Warm*: the generator starts as the decoder of a masked auto-encoder whose code is close to normal noise
(Larsen et al., "Autoencoding beyond pixels", ICML 2016); then the encoder has done its duty. *Adversarial*: critic and
generator. *Referee*: the critic alone learns to tell the finished generator's rows, so that its score is a ratio of
densities, by which one of several candidates is picked for each row (sampling importance resampling: Rubin, JASA 82,
1987; after Azadi et al., "Discriminator Rejection Sampling", ICLR 2019, and Turner et al., "Metropolis-Hastings GAN",
ICML 2019, who accept or reject). Every candidate is drawn in one pass.

Critic and generator play for codes. The place of a number inside its code's cell is drawn from a head that the warm
start has trained, or, with ``warm=0``, from the uniform law.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models import pool
from synthkit.models.base import Model, ModelTags, Stage, check_allowed, draw_codes
from synthkit.models.blocks import Answers, Cells, Heads, Rows
from synthkit.models.nets import dropout
from synthkit.models.objectives import PlainMLP, critic_loss, generator_loss, penalty
from synthkit.models.straight import Vectors, straight_through
from synthkit.runtime import seeded

if TYPE_CHECKING:
    from synthkit.models.gan import ConditionalGAN

__all__ = ["ConditionalGANModel"]

_FLAGS = 0.2  # of hidden nullable cells: said to be null or not in training
_LEAST = 256  # rows of a step
_PENALISED = 4  # one row in so many bears the gradient penalty
_CHUNK = 8192  # candidates at once
_COMMON = 0.05  # of free draws: enough of them have it
_DRAWN = (5_000, 25_000)  # rows that a round of settling draws: twice the training rows, within these bounds


class ConditionalGANModel(Model):
    """Both players. Shapes: B rows, N nodes, F entries of a token's vector, Z of the noise."""

    tags = ModelTags(has_log_prob=False)

    refereed: Tensor

    def __init__(self, spec: ConditionalGAN, layout: Layout) -> None:
        super().__init__()
        self.spec, self.layout = spec, layout
        self.cells = Cells(layout)
        n = len(self.cells)
        row = max(n * spec.features, 1)  # a table may have nothing to learn
        self.generator = PlainMLP(spec.noise + row + 2 * n, spec.width, spec.depth)
        self.heads = Heads(self.cells, spec.width)
        self.vectors = Vectors(self.cells, spec.features, self.heads.buckets)
        self.encoder = nn.Sequential(PlainMLP(row + 2 * n, spec.width, 1), nn.Linear(spec.width, 2 * spec.noise))
        self.critic = nn.Sequential(PlainMLP(2 * row + 2 * n, spec.width, spec.depth), nn.Linear(spec.width, 1))
        self.stages = spec.stages()
        self.register_buffer("refereed", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def start(self, data: Encoded, weight: Tensor | None) -> None:
        """Closed-form start: the laws of the columns in the heads' biases and the tokens' vectors."""
        self.cells.count(data, weight)
        self.vectors.start()
        self.heads.start()

    # ---------------------------------------------------------------- the players
    def read(self, vectors: Tensor, given: Rows) -> Tensor:
        """Rows as the nets see them: vectors ``(B, N, F)``, then what was given of each node."""
        return torch.cat([vectors.flatten(1), given.known.float(), given.present.float()], 1)

    def answers(self, noise: Tensor, given: Rows) -> Answers:
        """What the generator says, given noise ``(B, Z)`` and conditions."""
        known = self.read(self.vectors(given.tokens, given.known), given)
        return self.heads.forbid(self.heads(self.generator(torch.cat([noise, known], 1))), given)

    def play(self, rows: Rows, given: Rows) -> Tensor:
        """``(B, N, F)`` vectors of drawn rows, with gradients to the generator; the given nodes are the rows' own."""
        answers = self.answers(self.noise(len(rows.tokens)), given)
        tokens, vectors = straight_through(self.vectors, answers.logits, self.spec.temperature)
        tokens = torch.where(given.known, rows.tokens, tokens)
        vectors = torch.where(given.known[..., None], self.vectors(rows.tokens, rows.known), vectors)
        return vectors * self.vectors.applies(tokens)[..., None]

    def score(self, vectors: Tensor, given: Rows) -> Tensor:
        """``(B,)`` what the critic makes of rows."""
        out: Tensor = self.critic(self.look(vectors, given))[:, 0]
        return out

    def look(self, vectors: Tensor, given: Rows) -> Tensor:
        """Rows as the critic sees them: what was given, and what was drawn, apart."""
        known = vectors * given.known[..., None]
        return torch.cat([known.flatten(1), self.read(vectors - known, given)], 1)

    def noise(self, rows: int) -> Tensor:
        """Standard normal, ``(rows, Z)``."""
        return torch.randn(rows, self.spec.noise, device=self.vectors.table.device)

    # ---------------------------------------------------------------- the losses
    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        rows, given = self.cells.read(target), self.cells.read(partial)
        if not len(self.cells):
            return torch.zeros(len(target), device=target.cat.device)
        if self.training and 0 < len(target) < _LEAST:  # few rows are played several times in a step
            again = -(-_LEAST // len(target))
            return self._loss(rows.repeat(again), given.repeat(again), phase).view(again, -1).mean(0)
        return self._loss(rows, given, phase)

    def _loss(self, rows: Rows, given: Rows, phase: str) -> Tensor:
        """``(B,)`` the loss of a phase."""
        if self.training:
            given = self._condition(rows, given)
        if phase == "critic":
            return self._critic(rows, given)
        if phase == "generator":
            return self._generator(rows, given)
        if phase == "referee":
            return self._referee(rows, given)
        return self._reconstruct(rows, given)

    def _condition(self, rows: Rows, given: Rows) -> Rows:
        """Random conditions: nothing more than is given in a share of the rows, else a random part of the row."""
        shape, device = rows.tokens.shape, rows.tokens.device
        some = torch.rand(shape[0], 1, device=device) >= self.spec.free
        part = torch.rand(shape[0], 1, device=device)
        more = some & rows.known & (torch.rand(shape, device=device) < part)
        if not self.cells.codes.nullable:
            return self._given(rows, given, more)
        null = rows.known & (rows.tokens >= self.cells.sizes)
        flag = some & rows.known & self.cells.nullable & (torch.rand(shape, device=device) < _FLAGS)
        out = self._given(rows, given, more | (flag & null))
        return Rows(out.tokens, out.known, out.present | (flag & ~null & ~out.known), out.offsets)

    def _given(self, rows: Rows, given: Rows, more: Tensor) -> Rows:
        known = given.known | more
        tokens = torch.where(given.known, given.tokens, rows.tokens)
        return Rows(tokens, known, given.present & ~known, given.offsets)

    def _reconstruct(self, rows: Rows, given: Rows) -> Tensor:
        """-log p of what is hidden, given the code that the encoder makes of the row, and the code's cost in nats."""
        hidden = rows.known & ~given.known
        mean, log_var = self.encoder(self.read(self.vectors(rows.tokens, rows.known), given)).chunk(2, 1)
        log_var = log_var.clamp(-8, 4)
        noise = mean + torch.randn_like(mean) * (log_var / 2).exp() if self.training else mean
        lost = (self.heads.losses(self.answers(noise, given), rows) * hidden).sum(1)
        cost = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)
        out: Tensor = lost + self.spec.beta * cost * hidden.any(1)
        return out

    def _critic(self, rows: Rows, given: Rows) -> Tensor:
        real = self.vectors(rows.tokens, rows.known)
        with torch.no_grad():
            fake = self.play(rows, given)
        scores = self.critic(torch.cat([self.look(real, given), self.look(fake, given)]))[:, 0]
        loss = critic_loss(self.spec.loss, *scores.chunk(2))
        some = slice(0, -(-len(real) // _PENALISED))
        few = given.take(some).repeat(1 if self.spec.loss == "wgan-gp" else 2)

        def score(vectors: Tensor) -> Tensor:
            return self.score(vectors, few)

        if len(real) and torch.is_grad_enabled():
            tame = penalty(self.spec.loss, score, real[some], fake[some])
            half = 1.0 if self.spec.loss == "wgan-gp" else 0.5  # R1 and R2 come with gamma / 2
            loss = loss + half * self.spec.tameness * tame.mean()
        return loss

    def _generator(self, rows: Rows, given: Rows) -> Tensor:
        fake = real = self.score(self.play(rows, given), given)
        if self.spec.loss == "relativistic":
            with torch.no_grad():
                real = self.score(self.vectors(rows.tokens, rows.known), given)
        return generator_loss(self.spec.loss, real, fake)

    def _referee(self, rows: Rows, given: Rows) -> Tensor:
        """Logistic regression of real rows against drawn ones; in eval mode always against the same."""
        real = self.vectors(rows.tokens, rows.known)
        with torch.no_grad():
            if self.training:
                fake = self.play(rows, given)
            else:
                with seeded(0, real.device):
                    fake = self.play(rows, given)
        pair = torch.cat([real, fake])
        if self.training:  # whole nodes are dropped
            keep = dropout(torch.ones(pair.shape[:2], device=pair.device), self.spec.dropout, True)
            pair = pair * (keep > 0)[..., None]
        real_score, fake_score = self.score(pair, given.repeat(2)).chunk(2)
        return critic_loss("nonsaturating", real_score, fake_score)

    # ---------------------------------------------------------------- drawing
    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        rules = dict(check_allowed(allowed, self.layout))
        pinned, self.joint = pool.pin(self._draw, partial, rules, self.cells)
        done = self._draw(pinned)
        for i, rule in rules.items():
            self._inside(done, partial, i, rule)
        return done

    def _inside(self, done: Encoded, partial: Encoded, field: int, rule: Allowed) -> None:
        """Draw the offsets of a conditioned field in what the rule leaves of their cells, in place."""
        slot = self.layout.slot
        for i in self.layout.num:
            given = self.layout.fields[i].given
            if given is None or given[0] != field:
                continue
            code = done.cat[:, slot[field]].long()
            low, high = (end.to(done.num)[code] for end in (rule.low, rule.high))
            inside = low + done.num[:, slot[i]] * (high - low)
            fresh = done.num_known[:, slot[i]] & ~partial.num_known[:, slot[i]]
            done.num[:, slot[i]] = torch.where(fresh, inside, done.num[:, slot[i]])

    def _draw(self, partial: Encoded) -> Encoded:
        """Rows completed, without rules: by noise from a pool of free draws where that serves.

        The law given nothing is learnt from every step's free rows, that given one set of cells from few of them. So
        rows that ask the same few things share a pool of noises, weighted by what the generator, given nothing, says
        of what they ask. Other rows are drawn by the generator given the condition, and so are rows that ask for what
        is rare where there are few fields.
        """
        rows = self.cells.read(partial)
        if not bool((rows.known | rows.present).any()):
            return self._propose(partial)
        least = _COMMON if len(self.cells) < pool.FEW_FIELDS else 0.0
        noise, at = pool.share(self._free, self.heads.explain, rows, self.many, least)
        left = torch.ones(len(partial), dtype=torch.bool, device=at.device)
        left[at] = False
        rest = left.nonzero().squeeze(1)
        done = Encoded.concat([self._propose(partial.take(at), noise), self._propose(partial.take(rest))])
        return partial.fill(done.take(torch.cat([at, rest]).argsort()))

    def _free(self, count: int) -> tuple[Tensor, Answers]:
        """Noise, and what the generator makes of it given nothing."""
        noise = self.noise(count)
        return noise, self.answers(noise, self.cells.read(self.layout.empty(count, noise.device)))

    @property
    def many(self) -> int:
        """Candidates for each row."""
        return self.spec.candidates if bool(self.refereed) else 1

    def _propose(self, partial: Encoded, noise: Tensor | None = None) -> Encoded:
        """Rows completed: of several candidates of each, one by the critic's weights.

        Args:
            noise: ``(B, many, Z)`` for what is drawn freely and meets what is known by its noise, of which rows that
                know the same share the candidates; None: the generator and the critic are given what is known.
        """
        if not len(self.cells) or not len(partial):
            return partial
        rows, many = self.cells.read(partial), self.many
        step = max(_CHUNK // many, 1)
        sorts = None if noise is None else pool.kinds(rows)
        tokens, offsets = [], []
        for start in range(0, len(partial), step):
            some = rows.take(slice(start, start + step))
            size = len(some.tokens)
            each = some.take(torch.arange(size, device=some.tokens.device).repeat_interleave(many))
            given = each if noise is None else self.cells.hide(each, torch.ones_like(each.known))
            z = self.noise(size * many) if noise is None else noise[start : start + step].flatten(0, 1)
            answers = self.heads.forbid(self.answers(z, given), each)
            drawn, _ = straight_through(self.vectors, answers.logits, 1.0)
            drawn = torch.where(each.known, each.tokens, drawn)
            pick = torch.arange(size, device=drawn.device) * many
            if many > 1:
                score = self.score(self.vectors(drawn, self.vectors.applies(drawn)), given).view(size, many)
                pick = pool.pick(score, sorts[1][start : start + step]) if sorts else pick + draw_codes(score)
            tokens.append(drawn[pick])
            picked = Answers([], answers.fine[:, pick])
            offsets.append(self.heads.draw_offsets(picked, drawn[pick]))
        return self.cells.write(partial, torch.cat(tokens), torch.cat(offsets))

    # ---------------------------------------------------------------- between and after the stages
    def begin(self, stage: Stage, data: Encoded, weight: Tensor | None = None) -> None:
        """Once the critic learns to pick, it does."""
        self.refereed.fill_(stage.name == "referee")

    @torch.no_grad()
    def finish(self, data: Encoded, weight: Tensor | None = None) -> None:
        """Shift the heads' biases until drawn rows are as frequent as real ones; within the noise they stay."""
        low, high = _DRAWN
        rows = min(max(low, 2 * len(data)), high)
        self.heads.settle(lambda n: self.complete(self.layout.empty(n, data.cat.device)), rows, data, weight)
