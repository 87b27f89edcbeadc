"""Independent marginals: every column by its own law, no dependence. The reference that any model must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import Model, ModelSpec, ModelTags, check_allowed, draw_codes

__all__ = ["IndependentMarginals", "IndependentModel"]


@dataclass(eq=False, repr=False, kw_only=True)
class IndependentMarginals(ModelSpec):
    """Recipe of the independent model; it has no hyper-parameter."""

    name: ClassVar[str] = "independent"

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> IndependentModel:
        model = IndependentModel(layout)
        model.count(data, weight)
        return model

    def restore(self, layout: Layout) -> IndependentModel:
        return IndependentModel(layout)


class IndependentModel(Model):
    """One table of log-probabilities per coded field, given that the field applies; offsets are uniform."""

    tags: ClassVar[ModelTags] = ModelTags(trains=False)

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        for i in layout.cat:
            self.register_buffer(f"log{i}", torch.zeros(layout.fields[i].size))

    @torch.no_grad()
    def count(self, data: Encoded, weight: Tensor | None) -> None:
        """Take the laws from data."""
        w = torch.ones(len(data), device=data.cat.device) if weight is None else weight.float()
        for i in self.layout.cat:
            slot, size = self.layout.slot[i], self.layout.fields[i].size
            seen = data.cat_known[:, slot]
            count = torch.bincount(data.cat[seen, slot].long(), weights=w[seen], minlength=size)
            law = (count + 1e-9) / (count.sum() + 1e-9 * size)
            getattr(self, f"log{i}").copy_(law.log())

    def _with_parents(self, rules: Mapping[int, Allowed]) -> dict[int, Allowed]:
        """A rule on a field also asks that the field applies: a range of values forbids null."""
        out = dict(rules)
        for i in sorted(rules, reverse=True):
            given = self.layout.fields[i].given
            if given is not None and given[0] not in out:
                weights = torch.zeros(self.layout.fields[given[0]].size)
                weights[list(given[1])] = 1.0
                out[given[0]] = Allowed.codes(weights)
        return out

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        out = torch.zeros(len(target), device=target.cat.device)
        for i in self.layout.cat:
            slot = self.layout.slot[i]
            counts = target.cat_known[:, slot] & ~partial.cat_known[:, slot]
            out = out - torch.where(counts, getattr(self, f"log{i}")[target.cat[:, slot].long()], 0.0)
        return out

    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        rules = self._with_parents(check_allowed(allowed, self.layout))
        num, cat = partial.num.clone(), partial.cat.clone()
        num_known, cat_known = partial.num_known.clone(), partial.cat_known.clone()
        draft = Encoded(num, cat, num_known, cat_known)
        for i in self.layout.cat:
            slot = self.layout.slot[i]
            _, open_ = self.layout.applies(draft)
            rows = (open_[:, slot] & ~cat_known[:, slot]).nonzero().squeeze(1)
            law = getattr(self, f"log{i}")
            if i in rules:
                law = law + rules[i].weights.to(law).log()
            if len(rows):
                cat[rows, slot] = draw_codes(law.expand(len(rows), -1)).to(cat.dtype)
                cat_known[rows, slot] = True
        fill_offsets(self.layout, draft, rules)
        return draft


def fill_offsets(layout: Layout, draft: Encoded, rules: Mapping[int, Allowed]) -> None:
    """Draw, in place, every offset that applies and is not known: uniform, inside what a rule leaves of its cell."""
    open_, _ = layout.applies(draft)
    for i in layout.num:
        slot = layout.slot[i]
        rows = (open_[:, slot] & ~draft.num_known[:, slot]).nonzero().squeeze(1)
        draft.num[rows, slot] = _uniform(layout, i, draft, rows, rules)
        draft.num_known[rows, slot] = True


def _uniform(layout: Layout, field: int, draft: Encoded, rows: Tensor, rules: Mapping[int, Allowed]) -> Tensor:
    u = torch.rand(len(rows), device=draft.num.device)
    given = layout.fields[field].given
    if given is None or given[0] not in rules:
        return u
    code = draft.cat[rows, layout.slot[given[0]]].long()
    low, high = rules[given[0]].low.to(u)[code], rules[given[0]].high.to(u)[code]
    return low + u * (high - low)
