"""The auto-encoder of sequences: an encoder of closed-form summaries, and the row model as a decoder that reads z.

The decoder is the autoregressive model of rows (:mod:`synthkit.models.anyorder`), which reads the entity's latent z
beside the history. The encoder reads a summary of the whole sequence, less what the context tells of it: z stands for
what the context leaves open. It starts as the principal components of those summaries, so that z says something before
the nets have learnt anything; then both learn together, for the evidence lower bound of whole sequences: a row bears
its entity's divergence divided by the entity's rows. Some rows see nothing of the rows before them, so that the nets
learn to follow z (Bowman et al., "Generating sentences from a continuous space", CoNLL 2016).

Shapes: E entities, R rows, B rows of a batch, P features of a row, C of the context, D of a summary, L latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.layout import Encoded, Layout
from synthkit.models.anyorder import AutoregressiveModel
from synthkit.models.nets import dropout

if TYPE_CHECKING:
    from synthkit.models.sequence_latent import SequenceLatent

__all__ = ["Entities", "LatentRows", "Linear", "SequenceEncoderNet", "summaries"]

_DOUBT = 0.5  # rows of no evidence that a mean starts from
_LIMIT = 4.0  # standard deviations of a summary at most
_CHANCE = 2.0  # standard errors by which two halves must agree
_SUREST = 0.95  # correlation of halves at most
_DROP = 0.2  # of what the encoder's hidden units say
_RIDGES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)  # penalties tried, in variances of a feature


def summaries(x: Tensor, w: Tensor, lengths: Tensor, half: int | None = None) -> Tensor:
    """``(E, D)`` what whole sequences look like: mean, spread, slope and first value of every feature, and the length.

    Args:
        x, w: ``(R, P)`` features of rows, those of an entity together, and where they say something; lengths: ``(E,)``.
        half: every other row alone, from the first (0) or the second (1).
    """
    e = len(lengths)
    owner = torch.repeat_interleave(torch.arange(e, device=x.device), lengths)
    starts = lengths.cumsum(0) - lengths
    place = torch.arange(len(x), device=x.device) - starts[owner]
    at = place / (lengths[owner] - 1).clamp(min=1) - 0.5
    if half is not None:
        w = w * (place % 2 == half)[:, None]
        starts = starts + half * (lengths > 1)

    def total(values: Tensor) -> Tensor:
        return x.new_zeros(e, x.shape[1]).index_add_(0, owner, values)

    mass = total(w)
    mean = total(w * x) / (mass + _DOUBT)
    off = w * (x - mean[owner])
    spread = (total(off * off) / (mass + _DOUBT)).sqrt()
    middle = total(w * at[:, None]) / mass.clamp(min=1)
    t = w * (at[:, None] - middle[owner])
    slope = total(off * t) / (total(t * t) + 2 * _DOUBT * 0.1)
    return torch.cat([mean, spread, slope, x[starts], lengths.float().log()[:, None]], 1)


class Linear(nn.Module):
    """Ridge regression of ``(E, D)`` on ``(E, C)``, with one penalty by generalised cross-validation (Golub, Heath and
    Wahba, Technometrics 21, 1979)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.register_buffer("weight", torch.zeros(inputs, outputs))
        self.register_buffer("bias", torch.zeros(outputs))

    @torch.no_grad()
    def fit(self, c: Tensor, y: Tensor, worth: int | None = None) -> None:
        """Learn from rows that are worth so many entities (None: as many); of fewer than three, the means alone."""
        self.get_buffer("bias").copy_(y.mean(0))
        self.get_buffer("centre").copy_(c.mean(0))
        self.get_buffer("scale").copy_(c.std(0, correction=0).clamp(min=1e-3))
        n = len(c) if worth is None else worth
        if n < 3 or not c.shape[1]:
            return
        u, s, v = torch.linalg.svd(self.inputs(c).double(), full_matrices=False)
        goal = (y - y.mean(0)).double()
        part = u.T @ goal
        best = None
        for ridge in _RIDGES:
            keep = s.square() / (s.square() + ridge * len(c))
            missed = goal - u @ (keep[:, None] * part)
            score = float(missed.square().sum() / (1 - (1 + keep.sum()) / n).clamp(min=1e-3) ** 2)
            if best is None or score < best[0]:
                best = score, v.T @ ((s / (s.square() + ridge * len(c)))[:, None] * part)
        assert best is not None
        self.get_buffer("weight").copy_(best[1].to(y.dtype))

    def inputs(self, c: Tensor) -> Tensor:
        """Features of the context on the scale of the training entities."""
        return ((c - self.get_buffer("centre")) / self.get_buffer("scale")).clamp(-_LIMIT, _LIMIT)

    def forward(self, c: Tensor) -> Tensor:
        return self.inputs(c) @ self.get_buffer("weight") + self.get_buffer("bias")


class SequenceEncoderNet(nn.Module):
    """q(z | sequence): mean and log-variance from a summary ``(E, D)`` and the context ``(E, C)``."""

    def __init__(self, summary: int, context: int, latents: int, width: int) -> None:
        super().__init__()
        self.told = Linear(context, summary)
        self.register_buffer("scale", torch.ones(summary))
        self.straight = nn.Parameter(torch.zeros(summary, latents))
        self.first = nn.Linear(summary + context, width)
        self.last = nn.Linear(width, 2 * latents)

    @torch.no_grad()
    def start(self, summary: Tensor, context: Tensor, halves: tuple[Tensor, Tensor]) -> int:
        """Principal components of what the context leaves open.

        Two halves of a sequence, its odd rows and its even ones, of correlation r make a whole of reliability
        2r / (1 + r) (Spearman 1910, Brown 1910), which is the variance of posterior means; the rest is that of
        posteriors. Components of which halves agree no better than by chance start at nothing, after the others.

        Returns:
            How many do better.
        """
        self.told.fit(context, summary)
        left = summary - self.told(context)
        self.get_buffer("scale").copy_(left.std(0, correction=0).clamp(min=1e-2))
        x = self._inputs(summary, context)
        n, dims = len(x), self.straight.shape[1]
        _, s, v = torch.linalg.svd(x - x.mean(0), full_matrices=False)
        k = int((s > 1e-2 * s[:1].clamp(min=1e-9)).sum())
        axes = v[:k].T / s[:k] * max(n, 1) ** 0.5
        a, b = ((h - h.mean(0)) for h in (self._inputs(half, context) @ axes for half in halves))
        r = (a * b).mean(0) / (a.square().mean(0) * b.square().mean(0)).sqrt().clamp(min=1e-6)
        r = torch.where(r > _CHANCE / max(n, 1) ** 0.5, r.clamp(0, _SUREST), 0.0)
        first = (r == 0).to(torch.uint8).argsort(stable=True)[:dims]
        reliable = 2 * r[first] / (1 + r[first])
        self.straight.zero_()
        self.straight[:, : len(first)] = axes[:, first] * reliable.sqrt()
        self.last.weight.zero_()
        self.last.bias.zero_()
        self.last.bias[dims : dims + len(first)] = (1 - reliable).log()
        return int((reliable > 0).sum())

    def _inputs(self, summary: Tensor, context: Tensor) -> Tensor:
        out: Tensor = ((summary - self.told(context)) / self.get_buffer("scale")).clamp(-_LIMIT, _LIMIT)
        return out

    def forward(self, summary: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """``(E, L)`` each."""
        x = self._inputs(summary, context)
        h = F.silu(self.first(torch.cat([x, self.told.inputs(context)], 1)))
        mean, log_var = self.last(dropout(h, _DROP, self.training)).chunk(2, 1)
        return mean + x @ self.straight, log_var.clamp(-8, 2)


@dataclass
class Entities:
    """What the training rows' entities are: ``(E, D)`` summaries, ``(E, C)`` contexts, ``(E,)`` lengths.

    Attributes:
        noise: ``(E, L)`` the point of each posterior that validation looks at; halves: summaries of every other row.
    """

    summary: Tensor
    context: Tensor
    lengths: Tensor
    noise: Tensor
    halves: tuple[Tensor, Tensor]

    def to(self, device: torch.device) -> Entities:
        """The same on another device."""
        halves = self.halves[0].to(device), self.halves[1].to(device)
        own = self.summary.to(device), self.context.to(device), self.lengths.to(device), self.noise.to(device)
        return Entities(*own, halves)


class LatentRows(AutoregressiveModel):
    """The row model that reads z, with the encoder that makes z.

    While it is fitted, a row holds the number of its entity in place of the first latent, and the entities stand in a
    table beside the model; when it draws, a row holds the latents themselves.
    """

    def __init__(self, spec: SequenceLatent, layout: Layout) -> None:
        super().__init__(spec, layout)
        self.recipe_ = spec
        dense = [layout.slot[i] for i, f in enumerate(layout.fields) if f.part.startswith("summary")]
        self.summary_slots, self.latent_slots = dense[: -spec.latents], dense[-spec.latents :]
        self.entities: Entities | None = None
        self.past: tuple[list[int], list[int], list[int]] = ([], [], [])
        self.encoder: SequenceEncoderNet | None = None

    def room(self, summary: int, context: int) -> None:
        """An encoder of so many features; to be called before training, or before the state is loaded."""
        self.encoder = SequenceEncoderNet(summary, context, self.recipe_.latents, self.recipe_.encoder_width)

    def attach(self, entities: Entities, means: int, cats: list[int], nums: list[int]) -> None:
        """The entities whose rows will be learnt. ``detach`` forgets them.

        Args:
            means: so many of the summary's entries are of rows before; cats, nums: slots of last known values.
        """
        self.entities = entities
        self.past = self.summary_slots[:means], nums, cats
        self.room(entities.summary.shape[1], entities.context.shape[1])
        assert self.encoder is not None
        self.encoder.to(self.table.device).start(entities.summary, entities.context, entities.halves)

    def detach(self) -> None:
        """Forget the training entities."""
        self.entities, self.past = None, ([], [], [])

    # ---------------------------------------------------------------- z of rows
    def posterior(self, owner: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of entities' latents, ``(B, L)``; None: of all attached ones."""
        assert self.entities is not None and self.encoder is not None
        e = self.entities
        told = (e.summary, e.context) if owner is None else (e.summary[owner], e.context[owner])
        out: tuple[Tensor, Tensor] = self.encoder(*told)
        return out

    def _owner(self, rows: Encoded) -> Tensor:
        return rows.num[:, self.latent_slots[0]].long()

    def with_latents(self, rows: Encoded) -> tuple[Encoded, Tensor]:
        """The rows with a draw of z (out of training: one fixed point of each posterior), and what z costs a row."""
        assert self.entities is not None
        owner = self._owner(rows)
        mean, log_var = self.posterior(owner)
        noise = torch.randn_like(mean) if self.training else self.entities.noise[owner]
        z = mean + noise * (log_var / 2).exp()
        told = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)
        self.logged = {"KL": told.detach().sum(1).mean()}
        cost = told.clamp(min=self.recipe_.free_bits).sum(1) * self.recipe_.beta / self.entities.lengths[owner]
        num = rows.num.index_copy(1, torch.tensor(self.latent_slots, device=z.device), z.to(rows.num.dtype))
        out = Encoded(num, rows.cat, rows.num_known, rows.cat_known)
        return (self._forgetting(out) if self.training else out), cost

    def _forgetting(self, rows: Encoded) -> Encoded:
        """Some rows without what is known of the rows before."""
        lost = torch.rand(len(rows), 1, device=rows.num.device) < self.recipe_.forget
        num, num_known, cat_known = rows.num.clone(), rows.num_known.clone(), rows.cat_known.clone()
        means, lags, cats = self.past
        num[:, means] = torch.where(lost, 0.0, num[:, means])
        num_known[:, lags] &= ~lost
        cat_known[:, cats] &= ~lost
        return Encoded(num, rows.cat, num_known, cat_known)

    # ---------------------------------------------------------------- training
    @torch.no_grad()
    def take_frequencies(self, data: Encoded, weight: Tensor | None) -> None:
        self.eval()
        data = data if self.entities is None else self.with_latents(data)[0]
        # At random weights, latents that say nothing would be noise to the nets before they could learn better.
        self.dense_first[[self.dense.index(k) for k in self.latent_slots]] = 0.0
        super().take_frequencies(data, weight)

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """As of the row model, in nats, and the row's share of what its entity's z tells."""
        if self.entities is None:
            return super().forward(partial, target, phase)
        target, cost = self.with_latents(target)
        return super()._losses(partial, target).sum(0) + cost

    def _losses(self, partial: Encoded, target: Encoded, open_: Tensor | None = None) -> Tensor:
        if self.entities is not None:
            target = self.with_latents(target)[0]
        return super()._losses(partial, target, open_)

    def unit_axis(self, name: str) -> tuple[int, Tensor | None] | None:
        return None if name.startswith("encoder.") else super().unit_axis(name)

    @torch.no_grad()
    def finish(self, data: Encoded, weight: Tensor | None = None) -> None:
        super().finish(data if self.entities is None else self.with_latents(data)[0], weight)
