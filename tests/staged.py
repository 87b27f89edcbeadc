"""A small honest model of several stages and phases: independent marginals by gradient steps, judged by samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from synthkit.models.base import Model, ModelSpec, ModelTags, Phase, Recipe, Stage, draw_codes
from synthkit.models.independent import fill_offsets


class StagedModel(Model):
    """Even and odd fields learn in phases of their own, in as many stages as asked for; the last is judged by loss
    if ``drawn`` is false.
    """

    tags: ClassVar[ModelTags] = ModelTags(conditional=False)

    def __init__(self, layout, stages: int, drawn: bool) -> None:
        super().__init__()
        self.layout = layout
        start = torch.linspace(2, -2, max((f.size for f in layout.fields), default=1))  # far from any law
        logits = {f"{i}": nn.Parameter(start[: layout.fields[i].size].clone()) for i in layout.cat}
        self.even = nn.ParameterDict({k: p for k, p in logits.items() if int(k) % 2 == 0})
        self.odd = nn.ParameterDict({k: p for k, p in logits.items() if int(k) % 2})
        phases = (Phase("even", ("even.",)), Phase("odd", ("odd.",)))
        names = ("warm", "adversarial", "polish")[:stages]
        judge = "samples" if drawn else "loss"
        self.stages = tuple(Stage(name, 1 / stages, phases, judge) for name in names)

    def law(self, i: int) -> torch.Tensor:
        return (self.odd if i % 2 else self.even)[f"{i}"].log_softmax(0)

    def forward(self, partial, target, phase="all"):
        out = torch.zeros(len(target))
        for i in self.layout.cat:
            if phase in ("all", "odd" if i % 2 else "even"):
                slot = self.layout.slot[i]
                counts = target.cat_known[:, slot] & ~partial.cat_known[:, slot]
                out = out - torch.where(counts, self.law(i)[target.cat[:, slot].long()], 0.0)
        return out

    @torch.no_grad()
    def complete(self, partial, allowed=None):
        assert not allowed, "not needed here"
        draft = self.layout.empty(len(partial)).fill(partial)
        for i in self.layout.cat:
            slot = self.layout.slot[i]
            _, applies = self.layout.applies(draft)
            rows = (applies[:, slot] & ~draft.cat_known[:, slot]).nonzero().squeeze(1)
            draft.cat[rows, slot] = draw_codes(self.law(i).expand(len(rows), -1)).to(draft.cat.dtype)
            draft.cat_known[rows, slot] = True
        fill_offsets(self.layout, draft, {})
        return draft


@dataclass(eq=False, repr=False, kw_only=True)
class Staged(ModelSpec):
    """Its recipe."""

    name: ClassVar[str] = "staged"
    stages: int = 2
    drawn: bool = True
    steps: int = 240
    every: int = 20

    def build(self, layout, data, weight=None):
        return self.restore(layout)

    def restore(self, layout):
        return StagedModel(layout, self.stages, self.drawn)

    def recipe(self, rows):
        return Recipe(steps=self.steps, batch_size=256, lr=5e-2, every=self.every, patience=50, warmup=5, ema=0.9)
