"""Filling gaps in given sequences: a draw from the law of what is missing given all that is known, before and after.

Row by row, the gaps of a row are drawn given what the row knows and the rows before it. What comes later speaks through
weights: several copies of each entity (*particles*) go on side by side, each with its own draws, and those that make
the known cells of later rows unlikely die out (a particle filter; Gordon, Salmond and Smith, IEE Proceedings F 140,
1993). One of the survivors' paths, traced back to its beginning, is the draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synthkit.layout import Encoded
from synthkit.models.ancestral import Ancestral
from synthkit.models.anyorder import AutoregressiveModel
from synthkit.models.base import draw_codes
from synthkit.models.completing import Block
from synthkit.models.forced import Forced
from synthkit.models.history import History, State
from synthkit.models.sequential import draw_columns
from synthkit.models.steps import Steps

__all__ = ["fill_paths"]

_ROWS = 4096  # x particles at once
_WORN = 0.5  # effective share of the particles below which they are drawn anew


@torch.no_grad()
def fill_paths(
    model: AutoregressiveModel,
    history: History,
    steps: Steps,
    context: Encoded,
    step: Encoded,
    lengths: Tensor,
    gap: Tensor,
    span: Tensor,
    extra: Tensor | None = None,
    days: Tensor | None = None,
    counts: Tensor | None = None,
    particles: int = 8,
) -> Encoded:
    """``step`` with its gaps drawn. Shapes: E entities, R rows, K particles.

    Args:
        context: E rows, complete; step: R rows, those of an entity together; what it knows stays as it is.
        lengths: ``(E,)``; gap: ``(R,)`` time since the row before, and span: ``(E,)``, in units of the median gap;
            extra: ``(E, X)`` what else rows read, or None; days: ``(R,)`` wall time of the rows before; counts:
            ``(E,)`` lengths as the history reads them; None: the same.
    """
    counts = lengths if counts is None else counts
    order = lengths.argsort(descending=True, stable=True)
    block = max(_ROWS // particles, 1)
    starts = lengths.cumsum(0) - lengths
    out = step.take(slice(None))
    for a in range(0, len(lengths), block):
        who = order[a : a + block]
        pairs = zip(starts[who].tolist(), lengths[who].tolist(), strict=True)
        rows = torch.cat([torch.arange(s, s + n) for s, n in pairs]).to(step.cat.device)
        paths = _Paths(model, history, steps, particles)
        more = None if extra is None else extra[who]
        drawn = paths.draw(
            context.take(who),
            step.take(rows),
            lengths[who],
            gap[rows],
            span[who],
            more,
            None if days is None else days[rows],
            counts[who],
        )
        for mine, new in zip(
            (out.num, out.cat, out.num_known, out.cat_known),
            (drawn.num, drawn.cat, drawn.num_known, drawn.cat_known),
            strict=True,
        ):
            mine[rows] = new
    return out


class _Paths:
    def __init__(self, model: AutoregressiveModel, history: History, steps: Steps, particles: int) -> None:
        self.model, self.history, self.steps, self.k = model, history, steps, particles
        gap = {i for i in range(model.n_nodes) if model.nodes[i].field in steps.gap}
        self.nodes = [i for i in model.drawn if i not in gap]
        self.plan: Ancestral | None = None
        self.natural = model._reads(model.natural_order)

    def draw(
        self,
        context: Encoded,
        step: Encoded,
        lengths: Tensor,
        gap: Tensor,
        span: Tensor,
        extra: Tensor | None,
        days: Tensor | None,
        counts: Tensor,
    ) -> Encoded:
        """Entities in the order of falling lengths."""
        k, e = self.k, len(lengths)
        starts = lengths.cumsum(0) - lengths
        owner = torch.arange(e, device=lengths.device).repeat_interleave(k)
        state = self.history.start(e * k, self.steps)
        static = self.history.static(context)[0][owner]
        length, over = counts[owner].float(), span[owner]
        weight = torch.zeros(e, k, device=lengths.device)
        drawn: list[Encoded] = []
        parents: list[Tensor] = []
        split = torch.zeros(e, dtype=torch.bool, device=lengths.device)  # whose particles differ
        for t in range(int(lengths.max())):
            m = int((lengths > t).sum())
            now = state.take(slice(0, m * k))
            parents.append(self._again(weight[:m], split[:m]))
            chosen = now.take(parents[-1])
            for mine, new in zip(now.tensors(), chosen.tensors(), strict=True):
                mine.copy_(new)
            at = (starts[:m] + t).repeat_interleave(k)
            known = step.take(at)
            summary = self.history.standard(self.history.raw(now, static[: m * k], length[: m * k], over[: m * k]))
            if extra is not None:
                summary = torch.cat([summary, extra[owner[: m * k]]], 1)
            before = None if days is None else days[at]
            same = self._same(now, known)
            due = self.history.due(now, length[: m * k], over[: m * k])
            whole = self.steps.whole(context.take(owner[: m * k]), summary, now.lag, known, before, same, due)
            if bool(split[:m].any()):
                weight[:m] += self._likely(whole).view(m, k)
            done = self._fill(whole, now)
            split[:m] |= self._gaps(known).view(m, k)[:, 0]
            self.history.advance(now, self.steps, done, gap[at])
            drawn.append(done)
        return self._trace(drawn, parents, weight, lengths)

    def _again(self, weight: Tensor, split: Tensor) -> Tensor:
        """``(m K,)`` which particle each one goes on from; the weights of those drawn anew become equal."""
        m, k = weight.shape
        itself = torch.arange(m * k, device=weight.device).view(m, k)
        p = weight.softmax(1)
        worn = split & (1 / p.square().sum(1) < _WORN * k)
        if not bool(worn.any()):
            return itself.flatten()
        at = (torch.rand(m, 1, device=p.device) + torch.arange(k, device=p.device)) / k  # systematic
        pick = torch.searchsorted(p.cumsum(1).contiguous(), (at * (1 - 1e-6)).contiguous()).clamp(max=k - 1)
        weight[worn] = 0.0
        return torch.where(worn[:, None], pick + itself[:, :1], itself).flatten()

    def _likely(self, whole: Encoded) -> Tensor:
        """Log-probability of what the rows know, given the history of each particle."""
        nothing = self.model.layout.empty(len(whole), whole.cat.device)
        return -Forced(self.model, nothing, whole, self.natural).losses().sum(0)

    def _fill(self, whole: Encoded, now: State) -> Encoded:
        self.plan = self.plan or Ancestral(self.model, whole, {})
        block = Block(self.plan, whole)
        draw_columns(block, self.nodes, self.history, self.steps, now)
        return self.steps.step_of(block.done())

    def _same(self, now: State, known: Encoded) -> Encoded | None:
        """Last values in the rows' own groups, where all groups are known."""
        if not self.steps.groups:
            return None
        tokens, there = self.history.moving.codes.read(known)
        same = self.history.recall(now, self.steps, self.history.group_tokens(tokens, self.steps))
        missing = ~self.history.groups_known(there, self.steps)[:, None]
        return same.hide(missing.expand_as(same.num_known), missing.expand_as(same.cat_known))

    def _gaps(self, step: Encoded) -> Tensor:
        """Rows in which a column that moves is not known."""
        known = self.history.moving.codes.read(step)[1]
        first = len(self.steps.gap) + len(self.steps.dates)
        mine = [i for i, node in enumerate(self.history.moving.nodes) if node.field >= first]
        return ~known[:, mine].all(1)

    def _trace(self, drawn: list[Encoded], parents: list[Tensor], weight: Tensor, lengths: Tensor) -> Encoded:
        """The rows of one path per entity, entity by entity."""
        k, e = self.k, len(lengths)
        at = torch.arange(e, device=lengths.device) * k + draw_codes(weight)
        rows: list[Encoded] = []
        for t in range(len(drawn) - 1, -1, -1):
            m = len(drawn[t]) // k
            rows.append(drawn[t].take(at[:m]))
            at[:m] = parents[t][at[:m]]
        rows.reverse()
        count = torch.tensor([len(r) for r in rows])
        before = (count.cumsum(0) - count).to(lengths.device)
        who = torch.arange(e, device=lengths.device).repeat_interleave(lengths)
        t_of = torch.arange(len(who), device=lengths.device) - (lengths.cumsum(0) - lengths)[who]
        return Encoded.concat(rows).take(before[t_of] + who)
