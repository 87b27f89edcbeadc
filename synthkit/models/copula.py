"""Gaussian copula over the codec's fields: closed form, a reference that nets are tested against.

Every node (a column's code, null among it) is a cut of one normal score, ordered as its codes are; the scores are
jointly normal with the correlation of the observed scores (Nelsen, "An Introduction to Copulas", 2006). Conditions
draw the remaining scores from the conditional normal law; a known code stands for the middle of its stretch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import Model, ModelSpec, ModelTags, check_allowed, draw_codes
from synthkit.models.independent import fill_offsets
from synthkit.models.nets import Codes, nodes_of
from synthkit.models.resampling import alike, draw_jointly
from synthkit.params import Interval, param

__all__ = ["GaussianCopula", "GaussianCopulaModel"]


@dataclass(eq=False, repr=False, kw_only=True)
class GaussianCopula(ModelSpec):
    """Recipe of the Gaussian copula."""

    name: ClassVar[str] = "copula"

    shrinkage: float = param(0.001, Interval(float, 0, 1), "share of the identity in the correlation matrix")

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> GaussianCopulaModel:
        model = GaussianCopulaModel(self, layout)
        model.estimate(data, weight)
        return model

    def restore(self, layout: Layout) -> GaussianCopulaModel:
        return GaussianCopulaModel(self, layout)


class GaussianCopulaModel(Model):
    """Cumulative marginals per node and one correlation matrix."""

    tags: ClassVar[ModelTags] = ModelTags(has_log_prob=False, trains=False)
    correlation: Tensor

    def __init__(self, spec: GaussianCopula, layout: Layout) -> None:
        super().__init__()
        self.spec, self.layout = spec, layout
        self.nodes = nodes_of(layout)
        self.codes = Codes(self.nodes, layout)
        for i, node in enumerate(self.nodes):
            self.register_buffer(f"edges{i}", torch.linspace(0, 1, node.tokens + 1))
        self.register_buffer("correlation", torch.eye(len(self.nodes)))

    def _scores(self, tokens: Tensor, known: Tensor) -> Tensor:
        columns = []
        for i in range(len(self.nodes)):
            edges = getattr(self, f"edges{i}")
            middle = (edges[tokens[:, i]] + edges[tokens[:, i] + 1]) / 2
            columns.append(_normal_quantile(middle))
        z = torch.stack(columns, 1) if columns else tokens.double()
        return torch.where(known, z, 0.0)

    @torch.no_grad()
    def estimate(self, data: Encoded, weight: Tensor | None) -> None:
        """Take marginals and correlation from data."""
        tokens, known = self.codes.read(data)
        w = torch.ones(len(data), device=tokens.device) if weight is None else weight.float()
        for i, node in enumerate(self.nodes):
            at = known[:, i]
            count = torch.bincount(tokens[at, i], weights=w[at], minlength=node.tokens).double()
            law = (count + 1e-6) / (count.sum() + 1e-6 * node.tokens)
            getattr(self, f"edges{i}")[1:] = law.cumsum(0).clamp(max=1.0)
        if not self.nodes:
            return
        z = self._scores(tokens, known).double()
        both = known.double() * w[:, None].double()
        z = torch.where(known, z - (z * both).sum(0) / both.sum(0).clamp(min=1e-9), 0.0)
        covariance = (z * w[:, None].double()).T @ z
        scale = covariance.diagonal().clamp(min=1e-9).sqrt()
        r = covariance / scale[:, None] / scale[None, :]
        r.fill_diagonal_(1.0)
        values, vectors = torch.linalg.eigh(r)  # pairwise gaps can make it indefinite
        r = vectors @ torch.diag(values.clamp(min=1e-4)) @ vectors.T
        d = r.diagonal().sqrt()
        r = r / d[:, None] / d[None, :]
        s = self.spec.shrinkage
        self.correlation.copy_((1 - s) * r + s * torch.eye(len(r), dtype=r.dtype, device=r.device))

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """A surrogate, the marginals' -log p (the copula is fitted in closed form, never by this)."""
        tokens, known = self.codes.read(target)
        done = self.codes.read(partial)[1]
        out = torch.zeros(len(target), device=tokens.device)
        for i in range(len(self.nodes)):
            law = getattr(self, f"edges{i}").diff().clamp(min=1e-12).log()
            out = out - torch.where(known[:, i] & ~done[:, i], law[tokens[:, i]], 0.0)
        return out

    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        rules = check_allowed(allowed, self.layout)
        conditioned = self._conditioned(partial, rules)
        self.joint = []
        if len(conditioned) > 1 and len(partial) and alike(partial):
            partial, joint = draw_jointly(lambda rows: self._draw_codes(rows, rules, conditioned), partial)
            self.joint = [joint]
        rest = [i for i in range(len(self.nodes)) if i not in conditioned]
        draft = self._draw_codes(partial, rules, conditioned + rest)[0]
        fill_offsets(self.layout, draft, rules)
        return draft

    def _conditioned(self, partial: Encoded, rules: Mapping[int, Allowed]) -> list[int]:
        """Nodes with a rule, and those of which only this is known, that they are not null."""
        known = self.codes.read(partial)[1]
        present = self.codes.present(partial, known).any(0).tolist()
        return [i for i, node in enumerate(self.nodes) if node.field in rules or present[i]]

    def _draw_codes(self, partial: Encoded, rules: Mapping[int, Allowed], nodes: list[int]) -> tuple[Encoded, Tensor]:
        """The rows with the codes of ``nodes`` drawn in this order, and the log-weight of their conditions."""
        tokens, known = self.codes.read(partial)
        z, given = self._scores(tokens, known).double(), known.clone()
        cat, cat_known = partial.cat.clone(), partial.cat_known.clone()
        log_weight = torch.zeros(len(partial), dtype=torch.float64, device=cat.device)
        for i in nodes:
            mean, spread = self._conditional(i, z, given)
            self._place(i, mean, spread, z, given, rules, (cat, cat_known, log_weight))
        return Encoded(partial.num.clone(), cat, partial.num_known.clone(), cat_known), log_weight

    def _conditional(self, i: int, z: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of score i given the scores drawn so far, rows grouped by what is given."""
        mean = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        spread = torch.ones_like(mean)
        if not len(z):
            return mean, spread
        patterns, inverse = torch.unique(given, dim=0, return_inverse=True)
        r = self.correlation.double()
        for k, pattern in enumerate(patterns):
            at, rows = pattern.nonzero().squeeze(1), inverse == k
            if not len(at):
                continue
            solved = torch.linalg.solve(r[at][:, at], r[at, i])
            mean[rows] = z[rows][:, at] @ solved
            spread[rows] = (1 - r[at, i] @ solved).clamp(min=1e-6).sqrt()
        return mean, spread

    def _place(
        self,
        i: int,
        mean: Tensor,
        spread: Tensor,
        z: Tensor,
        given: Tensor,
        rules: Mapping[int, Allowed],
        out: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        """Draw node i in the rows where it is hidden; write its codes and its score, and add to the rows' weight."""
        node, slot = self.nodes[i], self.layout.slot
        cat, cat_known, log_weight = out
        rows = (~given[:, i]).nonzero().squeeze(1)
        cuts = _normal_quantile(getattr(self, f"edges{i}").double())
        below = torch.special.ndtr((cuts[None, :] - mean[rows, None]) / spread[rows, None])
        law = below.diff(dim=1).clamp(min=1e-12).log()
        if node.null is not None:
            present = cat_known[rows, slot[node.null]] & (cat[rows, slot[node.null]] == 0)
            ban = torch.ones_like(present) if node.field in rules else present
            law[:, node.size] = law[:, node.size].masked_fill(ban, -torch.inf)
        if node.field in rules:
            law[:, : node.size] = law[:, : node.size] + rules[node.field].weights.to(law).log()
        log_weight[rows] += law.logsumexp(1)
        token = draw_codes(law) if len(rows) else rows
        self.codes.write(i, rows, token, cat, cat_known)
        # The score itself: the conditional normal law, cut to the stretch of the token that was drawn.
        low, high = below.gather(1, token[:, None]).squeeze(1), below.gather(1, token[:, None] + 1).squeeze(1)
        inside = low + torch.rand(len(rows), dtype=torch.float64, device=z.device) * (high - low)
        z[rows, i] = mean[rows] + spread[rows] * _normal_quantile(inside)
        given[:, i] = True


def _normal_quantile(u: Tensor) -> Tensor:
    return torch.special.ndtri(u.clamp(1e-7, 1 - 1e-7)) if u.is_floating_point() else u * math.nan
