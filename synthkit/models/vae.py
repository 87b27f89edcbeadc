"""Variational auto-encoder of rows, whose prior is learnt and conditional.

An encoder tells the law q(z | row) of a few latents, a decoder the law p(row | z), in which all fields are independent:
one softmax over the codes of each column and one over parts of the offset inside a code's cell (Kingma and Welling,
"Auto-encoding variational Bayes", ICLR 2014). Fields are *drawn* from these laws, never set to the likeliest code: rare
categories stay as frequent as they are. Auto-encoders of tables as they are common (TVAE: Xu et al., "Modeling tabular
data using conditional GAN", NeurIPS 2019) pay one nat for a nat that z tells, so z tells little, the fields depend on
each other too little, and rows are recognised at once. Here

- what z tells costs ``beta`` < 1 (Higgins et al., "beta-VAE", ICLR 2017, have it above 1), so that z tells nearly
  everything in which fields depend on each other. Free bits (Kingma et al., "Improved variational inference with
  inverse autoregressive flow", NeurIPS 2016), here of each row, are another way, and an option;
- the prior is then learnt from the encoder's draws (:mod:`synthkit.models.priors`), given any part of a row. As fields
  are independent given z, rows of which some cells are known are completed by z ~ p(z | known) and the other fields
  from p(row | z): conditional draws need no rejection.

``prior="standard"`` is the textbook's N(0, I), with beta = 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import Model, ModelSpec, ModelTags, Phase, Recipe, Stage, check_allowed, draw_codes
from synthkit.models.blocks import Answers, Cells, Rows
from synthkit.models.coders import Decoder, Encoder
from synthkit.models.nets import nodes_of
from synthkit.models.pool import FEW_FIELDS, pin, share
from synthkit.models.priors import CellPrior, MixturePrior, Prior
from synthkit.params import Interval, OneOf, Optional, param
from synthkit.runtime import seeded

__all__ = ["VAE", "VAEModel"]

_BLOCK = 4096  # rows decoded at once
_SETTLE = (5_000, 50_000)  # rows that a round of settling draws: twenty times the training rows, within these bounds
_CANDIDATES = 4  # latents drawn for a row of which something is known
_CHECKS = 8  # validations by samples
_PLAUSIBLE = 0.1  # a known code that is this likely, as a share of the likeliest, does not speak against z


@dataclass(eq=False, repr=False, kw_only=True)
class VAE(ModelSpec):
    """Recipe of the variational auto-encoder.

    Example:
        >>> VAE(latents=8).latents
        8
    """

    name: ClassVar[str] = "vae"

    prior: str = param(
        "autoregressive",
        OneOf("autoregressive", "mixture", "standard"),
        "law of the latents: autoregressive over their cells, a mixture of Gaussians, or the textbook's N(0, I)",
    )
    latents: int = param(24, Interval(int, 1, 1024), "numbers that a row is told by, at most two per field and two")
    width: int = param(
        256, Interval(int, 4, 8192), "hidden units of encoder and decoder; fewer where fields have few codes"
    )
    depth: int = param(2, Interval(int, 0, 16), "residual blocks of encoder and decoder, each")
    features: int = param(16, Interval(int, 4, 512), "input features of a field's code")
    smooth: int = param(16, Interval(int, 0, 256), "smooth directions of the head of an ordered field")
    subcells: int = param(8, Interval(int, 1, 64), "parts in which the offset inside a code's cell is drawn")
    beta: float | None = param(
        None,
        Optional(Interval(float, 0, 100)),
        "price of a nat that z tells; None: 1 for the standard prior, else 0.3, and 0.1 for fewer than 8 fields",
    )
    free_bits: float = param(0.0, Interval(float, 0, 10), "nats of each latent, per row, that cost nothing")
    dropout: float = param(0.0, Interval(float, 0, 0.9), "dropout inside encoder and decoder")
    cells: int = param(64, Interval(int, 2, 1024), "cells of a latent, in the autoregressive prior")
    prior_width: int = param(96, Interval(int, 1, 4096), "hidden units of each latent's net in the prior")
    prior_dropout: float = param(0.2, Interval(float, 0, 0.9), "dropout of the prior's nets")
    components: int = param(64, Interval(int, 1, 4096), "of the mixture")
    given: float = param(0.7, Interval(float, 0, 1), "share of the rows that the prior learns with something known")
    lr: float = param(2e-3, Interval(float, 0, 1, closed="right"), "peak learning rate of AdamW; the prior's is 1.5 x")
    weight_decay: float = param(1e-2, Interval(float, 0, 10), "decoupled weight decay of matrices")
    batch_size: int = param(
        512, Interval(int, 1, 1 << 20), "rows per step of the prior; encoder and decoder take half as many"
    )
    effort: float = param(20.0, Interval(float, 0, 1e4), "steps that both schedules plan, times the root of the rows")
    judge: Literal["loss", "samples"] = param(
        "loss",
        OneOf("loss", "samples"),
        "what stops the prior's training: its loss on held-out rows, or how well drawn rows can be told from them",
    )
    patience: int = param(8, Interval(int, 1, 1000), "validations without better weights before a stage stops")

    def price(self, layout: Layout) -> float:
        """``beta``, or what stands for None.

        Few fields have little that z could tell, and it has to be told exactly: at 0.3, conditional laws of three codes
        were a tenth off, at 0.1 they are right.
        """
        if self.beta is not None:
            return self.beta
        return 1.0 if self.prior == "standard" else 0.1 if len(nodes_of(layout)) < FEW_FIELDS else 0.3

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> VAEModel:
        model = VAEModel(self, layout)
        model.take_frequencies(data, weight)
        return model

    def restore(self, layout: Layout) -> VAEModel:
        return VAEModel(self, layout)

    def adapted(self, layout: Layout, rows: int) -> VAE:
        """The same for few rows: smaller nets and batches; below 2,000, wider posteriors and more dropout in the prior.

        On pima_diabetes (491 rows), with a price of 0.2, draws lay nearer to the training rows than
        fresh ones do (AUC against training rows .37); with 0.7 they do not (.53), and are less detectable.
        """
        if rows >= 5000:
            return self
        few = rows < 2000
        return replace(
            self,
            width=max(self.width // 2, 4),
            features=max(self.features // 2, 4),
            smooth=self.smooth // 2,
            prior_width=max(self.prior_width // 2, 1),
            cells=max(self.cells // 2, 2),
            batch_size=max(self.batch_size // 4, 1),
            beta=0.7 if few and self.beta is None and self.price(layout) == 0.3 else self.beta,
            prior_dropout=max(self.prior_dropout, 0.4) if few else self.prior_dropout,
        )

    def recipe(self, rows: int) -> Recipe:
        """The training plan of both stages for so many rows."""
        steps = int(np.clip(self.effort * np.sqrt(rows), 2400, 20_000))
        return Recipe(
            steps=steps,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            ema=0.995,
            every=50,
            patience=self.patience,
        )


class VAEModel(Model):
    """Encoder, decoder and prior. Shapes: B rows, N nodes, L latents, W hidden units."""

    tags: ClassVar[ModelTags] = ModelTags(has_log_prob=False)
    probes: Tensor

    def __init__(self, spec: VAE, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.grid = Cells(layout)
        self.spec = spec = _fitting(spec, self.grid)
        self.price, self.latents = spec.price(layout), spec.latents
        generator = torch.Generator().manual_seed(0)
        # The same points of every posterior, so that validation is repeatable and row by row.
        self.register_buffer("probes", torch.randn(1, spec.latents, generator=generator), persistent=False)
        half = {"batch_size": max(spec.batch_size // 2, 1)}
        checks = _CHECKS if spec.judge == "samples" else None
        faster = {"lr": 1.5 * spec.lr, "ema": 0.99}
        self.stages: Sequence[Stage] = (
            Stage("elbo", 0.55, (Phase("elbo", ("encoder", "decoder")),), options=half),
            Stage(
                "prior",
                0.45,
                (Phase("prior", ("prior",)),),
                judge=spec.judge,
                checks=checks,
                closed_form=True,
                options=faster,
            ),
        )
        if len(self.grid):  # a table without a column to learn has no nets
            self.encoder, self.decoder = Encoder(self.grid, spec), Decoder(self.grid, spec)
            self.prior = _prior(self.grid, spec)

    @torch.no_grad()
    def take_frequencies(self, data: Encoded, weight: Tensor | None) -> None:
        """Closed-form start: marginal laws in the heads' biases, places of codes in the input vectors."""
        self.grid.count(data, weight)
        if len(self.grid):
            self.encoder.input.start()
            self.decoder.heads.start()
            self.prior.start()

    # ---------------------------------------------------------------- loss
    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """``(rows,)``, in nats: -log p(row | z), and what z tells.

        Phase "elbo" counts the latter against N(0, I), times beta; phase "prior" against the prior given ``partial``,
        and nothing else; "all" is minus the evidence lower bound under the prior. Out of training, z is one fixed point
        of each posterior rather than a draw.
        """
        if not len(self.grid) or not len(target):
            return torch.zeros(len(target), device=target.cat.device)
        rows, given = self.grid.read(target), self.grid.read(partial)
        hidden = rows.known & ~given.known
        self.logged = {}
        if phase == "prior":
            self.encoder.eval()  # the cells of the prior were cut from posteriors without dropout
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase != "prior"):
            mean, log_var = self.encoder(rows)
        noise = torch.randn_like(mean) if self.training else self.probes.expand_as(mean)
        z = mean + noise * (log_var / 2).exp()
        out = torch.zeros(len(mean), device=mean.device)
        if phase != "prior":
            out = torch.where(hidden, self.decoder.heads.losses(self.decoder(z), rows), 0.0).sum(1)
        if phase == "elbo":
            told = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)
            self.logged = {"reconstruction": out.detach().mean(), "KL": told.detach().sum(1).mean()}
            told = told.clamp(min=self.spec.free_bits).sum(1) * self.price
        elif phase == "prior":
            told = self._against_prior(mean, log_var, z, self._given(rows, given))
        else:
            told = self._against_prior(mean, log_var, z, given)
        return out + torch.where(hidden.any(1), told, 0.0)

    def _against_prior(self, mean: Tensor, log_var: Tensor, z: Tensor, given: Rows) -> Tensor:
        """``(B,)`` Kullback-Leibler divergence of posteriors to the prior, estimated at ``z``."""
        entropy = 0.5 * (log_var + 1 + math.log(2 * math.pi)).sum(1)
        return self.prior.losses(mean, log_var, z, given) - entropy

    def _given(self, rows: Rows, given: Rows) -> Rows:
        """What the prior is told: a random part of some rows (in validation the same), or what the caller knows."""
        if bool((given.known | given.present).any()):
            return given
        if not self.training:
            with seeded(0, rows.known.device):
                return self._part(rows)
        return self._part(rows)

    def _part(self, rows: Rows) -> Rows:
        """A random part of a share of the rows."""
        (b, n), device = rows.known.shape, rows.known.device
        few = torch.rand(b, device=device) < 0.5
        count = torch.where(few, torch.rand(b, device=device) * 3 + 1, torch.rand(b, device=device) * (n + 1)).long()
        count = torch.where(torch.rand(b, device=device) < self.spec.given, count, 0)
        hide = torch.rand(b, n, device=device).argsort(1).argsort(1) >= count[:, None]
        # The null flag may be all that is known of a field (of null rows, that is all there is), and a code without
        # its offset.
        flag = hide & rows.known & self.grid.nullable & ((torch.rand(b, 1, device=device) < 0.3) & (count > 0)[:, None])
        null = rows.tokens >= self.grid.sizes
        some = self.grid.hide(rows, hide & ~(flag & null))
        coarse = torch.rand(b, 1, device=device) < 0.3
        return Rows(some.tokens, some.known, flag & ~null, torch.where(coarse, -1.0, some.offsets))

    # ---------------------------------------------------------------- between and after the stages
    def begin(self, stage: Stage, data: Encoded, weight: Tensor | None = None) -> None:
        """The prior takes its cells or centres from the posteriors."""
        if stage.name == "prior" and len(self.grid) and len(data):
            mean, log_var = self.posterior(data)
            self.prior.begin(mean, log_var, weight)

    @torch.no_grad()
    def finish(self, data: Encoded, weight: Tensor | None = None) -> None:
        """Shift the heads' biases until drawn rows are as frequent as real ones; within the noise they stay."""
        low, high = _SETTLE
        n = min(max(low, 20 * len(data)), high)
        if len(self.grid):
            heads = self.decoder.heads
            heads.settle(lambda rows: self.complete(self.layout.empty(rows, data.cat.device)), n, data, weight)

    # ---------------------------------------------------------------- drawing
    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        rules = check_allowed(allowed, self.layout)
        if not len(self.grid) or not len(partial):
            self.joint = []
            return partial
        partial, self.joint = pin(self._free, partial, rules, self.grid)
        return self._free(partial, rules)

    def _free(self, partial: Encoded, rules: Mapping[int, Allowed] | None = None) -> Encoded:
        """Rows completed; ``rules`` speak of offsets only, as their codes are known."""
        rows, parts = self.grid.read(partial), []
        z = self._latents(rows)
        for start in range(0, len(partial), _BLOCK):
            at = slice(start, start + _BLOCK)
            parts.append(self._write(partial.take(at), rows.take(at), self.decoder(z[at]), rules))
        return Encoded.concat(parts)

    def _latents(self, rows: Rows) -> Tensor:
        """``(B, L)`` given what is known: from a pool of free draws where that serves, else from the prior given it.

        Of few fields each is often known in training, and the prior given it is the better of the two.
        """
        z = torch.empty(len(rows.tokens), self.latents, device=rows.tokens.device)
        left = torch.ones(len(z), dtype=torch.bool, device=z.device)
        if len(self.grid) >= FEW_FIELDS:
            found, at = share(self._pool, self.decoder.heads.explain, rows)
            z[at], left[at] = found[:, 0], False
        for some in torch.split(left.nonzero().squeeze(1), _BLOCK):
            z[some] = self._given_known(rows.take(some))
        return z

    def _pool(self, count: int) -> tuple[Tensor, Answers]:
        z = self.prior.draw(self.grid.read(self.layout.empty(count, self.probes.device)))
        return z, self.decoder(z)

    def _given_known(self, rows: Rows) -> Tensor:
        """``(B, L)`` from the prior given what is known: of a few draws, one that does not contradict it.

        Of a rare class the prior has seen few rows; a quarter of its draws measured as if of another class. The decoder
        tells them: at their z, the class that is known is most unlikely.
        """
        if not bool(rows.known.any()):
            return self.prior.draw(rows)
        b = len(rows.known)
        many = rows.take(torch.arange(b, device=rows.known.device).repeat_interleave(_CANDIDATES))
        z, doubt = self.prior.draw(many), torch.zeros(b * _CANDIDATES, device=rows.known.device)
        answers = self.decoder(z)
        for k, bucket in enumerate(self.decoder.heads.buckets):
            logits = answers.logits[k]
            goal = many.tokens[:, bucket].T.clamp(max=logits.shape[2] - 1)
            behind = logits.amax(2) - logits.gather(2, goal[..., None]).squeeze(2) + math.log(_PLAUSIBLE)
            doubt += torch.where(many.known[:, bucket].T, behind.clamp(min=0), 0.0).sum(0)
        chosen = draw_codes(-doubt.view(b, _CANDIDATES))
        return z.view(b, _CANDIDATES, -1)[torch.arange(b, device=z.device), chosen]

    def _write(self, block: Encoded, rows: Rows, answers: Answers, rules: Mapping[int, Allowed] | None) -> Encoded:
        heads = self.decoder.heads
        tokens = torch.where(rows.known, rows.tokens, heads.draw_tokens(heads.forbid(answers, rows)))
        return self.grid.write(block, tokens, heads.draw_offsets(answers, tokens, rules))

    # ---------------------------------------------------------------- the latent space
    @torch.no_grad()
    def posterior(self, data: Encoded) -> tuple[Tensor, Tensor]:
        """Means and log-variances of the latents of whole rows, ``(rows, L)`` each."""
        rows = self.grid.read(data)
        parts = [self.encoder(rows.take(slice(a, a + _BLOCK))) for a in range(0, max(len(data), 1), _BLOCK)]
        return torch.cat([mean for mean, _ in parts]), torch.cat([log_var for _, log_var in parts])

    @torch.no_grad()
    def information(self, data: Encoded) -> tuple[Tensor, float, float]:
        """What z tells of whole rows, from one draw of each posterior, in nats per row.

        Returns:
            Per latent, its mean Kullback-Leibler divergence to N(0, 1), ``(L,)``; the divergence of all latents to the
            prior; and the mean of -log p(row | z). The last two add up to minus the evidence lower bound.
        """
        mean, log_var = self.posterior(data)
        z, rows = mean + torch.randn_like(mean) * (log_var / 2).exp(), self.grid.read(data)
        nothing = self.grid.read(self.layout.empty(len(data), mean.device))
        prior = missed = 0.0
        for a in range(0, len(data), _BLOCK):
            at = slice(a, a + _BLOCK)
            prior += float(self._against_prior(mean[at], log_var[at], z[at], nothing.take(at)).sum())
            missed += float(self.decoder.heads.losses(self.decoder(z[at]), rows.take(at)).sum())
        told = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)
        return told.mean(0), prior / max(len(data), 1), missed / max(len(data), 1)

    def encode(self, data: Encoded) -> Tensor:
        """Where whole rows lie in the latent space: means of their posteriors, ``(rows, L)``."""
        return self.posterior(data)[0]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Encoded:
        """One row drawn from p(row | z) for each of ``z`` ``(rows, L)``."""
        parts = []
        for start in range(0, max(len(z), 1), _BLOCK):
            block = z[start : start + _BLOCK]
            empty = self.layout.empty(len(block), z.device)
            parts.append(self._write(empty, self.grid.read(empty), self.decoder(block), None))
        return Encoded.concat(parts)


def _fitting(spec: VAE, cells: Cells) -> VAE:
    """The recipe with no more latents and units than the fields can use."""
    room = 32 + 4 * cells.total
    return replace(
        spec,
        latents=min(spec.latents, 2 * len(cells) + 2),
        width=min(spec.width, room),
        prior_width=min(spec.prior_width, room),
    )


def _prior(cells: Cells, spec: VAE) -> Prior:
    if spec.prior == "autoregressive":
        return CellPrior(cells, spec.latents, spec.cells, spec.prior_width, rate=spec.prior_dropout)
    return MixturePrior(cells, spec.latents, spec.width, spec.components, standard=spec.prior == "standard")
