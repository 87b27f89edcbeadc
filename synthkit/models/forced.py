"""The loss of the autoregressive model: every node at once, each from what the target says of the nodes before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from synthkit.layout import Encoded

if TYPE_CHECKING:
    from synthkit.models.anyorder import AutoregressiveModel
    from synthkit.models.landing import Landing
    from synthkit.models.near import Near

__all__ = ["Forced"]


class Forced:
    """One pass over a batch. Shapes: B rows, N nodes, H hidden units.

    Args:
        partial, target: the entries of ``target`` that ``partial`` does not know are to be explained.
        reads: ``(nets, N)`` bool, what net j (row) may read of the target; what ``partial`` knows, every net reads.
            Results have a row per net.
    """

    def __init__(self, model: AutoregressiveModel, partial: Encoded, target: Encoded, reads: Tensor) -> None:
        self.model, self.reads = model, reads
        self.tokens, self.known, self.offsets = model.read(target)
        self.done = model.read(partial)[1]
        self.there = model.codes.present(partial, self.done)
        self.counts, self.goals = (self.known & ~self.done).T, self.tokens.T  # of all nodes
        self.num, self.dense = target.num, target.num[:, model.dense]
        self.wide = (self.offsets >= 0) & ~partial.num_known[:, model.offset_slot]
        self.closed: dict[int, Tensor] = {}
        near = model.near or None
        self.last = (
            near.numbers(self.tokens, model.spread(self.offsets), self.known, near.source)
            if near is not None
            else self.tokens.new_zeros(0, len(self.tokens)).double()
        )
        if model.pointers:
            self._copy()
        self.top = self._hidden()
        self.h = self.top[..., : model.spec.width]

    def _hidden(self) -> Tensor:
        """Last hidden layer ``(N, B, H)``, and what goes straight to the answers."""
        model, given = self.model, self.done
        x = model.features(self.tokens, self.known, self.offsets)
        if model.wide:
            return model.upper(self._some(x), slice(None))
        x = x.flatten(1)[:, model.keep]
        first = (model.first * self.reads[:, model.owner].T[..., None]).flatten(1)
        if bool(given.any()):
            wide = given[:, model.owner]
            others = ~torch.eye(model.n_nodes, dtype=torch.bool, device=x.device)[model.drawn][:, model.owner].T
            h = (x * ~wide) @ first + (x * wide) @ (model.first * others[..., None]).flatten(1)
        else:
            h = x @ first
        if model.dense:
            h = torch.addmm(h, self.dense, model.dense_first)
        h = h.view(len(x), len(model.drawn), model.first_width).transpose(0, 1) + model.first_bias[:, None]
        return model.upper(h, slice(None))

    def _some(self, x: Tensor) -> Tensor:
        """First layer's sums ``(N, B, H)`` of nets that read some nodes only, from all features ``(B, N, F)``."""
        model, source, f = self.model, self.model.sources, x.shape[2]
        n, s = source.shape
        # Whole rows of (features x batch) are gathered: several times faster than one vector per cell.
        read = x.permute(1, 2, 0).contiguous().index_select(0, source.flatten()).view(n, s, f, -1)
        open_ = self.reads.gather(1, source)
        weight: Tensor = model.first
        if bool(self.done.any()):
            others = (source != torch.tensor(model.drawn, device=x.device)[:, None])[..., None]
            read = read * ((open_[..., None] | self.done.T[source]) & others)[:, :, None]
        else:
            weight = weight * open_.repeat_interleave(f, 1)[..., None]
        h = torch.baddbmm(model.first_bias[:, None], read.view(n, s * f, -1).transpose(1, 2), weight)
        if model.dense:
            h = h + (self.dense @ model.dense_first).view(-1, n, model.first_width).transpose(0, 1)
        return h

    def _copy(self) -> None:
        """Goals of the rows that a copy explains, and the sources that cannot be copied."""
        model, pointers = self.model, self.model.pointers
        numbers = pointers.numbers(self.tokens, model.spread(self.offsets), self.known, model.sizes)
        label, open_ = pointers.explain(numbers, self.tokens, self.reads[self._nets(pointers.targets)], self.done)
        copied, self.goals = torch.zeros_like(self.known), self.goals.clone()
        for t, j in enumerate(pointers.targets):
            copied[:, j] = label[t] >= 0
            self.goals[j] = torch.where(label[t] >= 0, model.tokens[j] + label[t], self.goals[j])
            self.closed[j] = ~open_[t, :, : len(pointers.sources[j])]
        self.wide = self.wide & ~copied[:, model.fine]

    def _bands(self) -> Tensor:
        """What the bands of all targets multiply their bases with, ``(T, B, 2K)``."""
        model, bands = self.model, self.model.bands
        places = model.places(self.tokens, model.spread(self.offsets)).T[bands.source]
        mine = self._nets(bands.targets)
        open_ = self.reads[mine].gather(1, bands.source)[:, :, None] | self.done.T[bands.source]
        numeric = (self.known & (self.tokens < model.sizes)).T[bands.source]
        return bands.weights(_pick(self.h, mine), places, open_ & numeric)

    def _nets(self, nodes: list[int]) -> list[int]:
        return [self.model.net[i] for i in nodes]

    def answers(self) -> Iterator[tuple[int, list[int], Tensor, Tensor]]:
        """Per bucket of nodes: its number, the nodes, their logits ``(n, B, size)`` and goals ``(n, B)``."""
        model, h = self.model, self.top
        bands = self._bands() if model.bands else None
        some_there = bool(self.there.any())
        for k, bucket in enumerate(model.buckets):
            logits = torch.baddbmm(model.head_bias[k], _pick(h, self._nets(bucket)), model.head_weights(k))
            if model.skips is not None:
                logits = logits + model.skips.bucket(k, self.dense)
            if model.landing and model.landing.gap in bucket:
                logits = self._landing(model.landing, logits, bucket.index(model.landing.gap))
            if model.near:
                logits = self._near(model.near, logits, bucket)
            inside = [r for r, i in enumerate(bucket) if i in model.bands.row]
            if bands is not None and inside:
                rows = [model.bands.row[bucket[r]] for r in inside]
                lean = torch.bmm(_pick(bands, rows), model.get_buffer(f"band{k}")[inside])
                every = len(inside) == len(bucket)
                logits = logits + lean if every else logits.index_add(0, torch.tensor(inside, device=h.device), lean)
            if some_there or any(i in self.closed for i in bucket):
                logits = logits.masked_fill(self._forbidden(logits, bucket), -1e9)
            yield k, bucket, logits, self.goals[bucket].clamp(max=logits.shape[2] - 1)

    def _landing(self, landing: Landing, logits: Tensor, r: int) -> Tensor:
        """The logits of a bucket with what leans on the dates that gaps lead to, in row ``r``."""
        lean = landing.lean(self.num, self.dense, self.h[self.model.net[landing.gap]])
        row = torch.tensor([r], device=logits.device)
        return logits.index_add(0, row, F.pad(lean, (0, logits.shape[2] - lean.shape[1]))[None])

    def _near(self, near: Near, logits: Tensor, bucket: list[int]) -> Tensor:
        """The logits of a bucket with what leans on last values."""
        out = list(logits.unbind(0))
        for r, i in enumerate(bucket):
            t = near.row.get(i)
            if t is not None:
                lean = near.lean(t, self.last[t], self.dense, self.h[self.model.net[i]])
                out[r] = out[r] + F.pad(lean, (0, logits.shape[2] - lean.shape[1]))
        return torch.stack(out)

    def _forbidden(self, logits: Tensor, bucket: list[int]) -> Tensor:
        """Null where a value is known to be there; copies of what the net does not know."""
        model = self.model
        mask = torch.zeros_like(logits, dtype=torch.bool)
        for r, i in enumerate(bucket):
            if i in model.codes.nullable:
                mask[r, :, model.nodes[i].size] = self.there[:, i]
            if i in self.closed:
                mask[r, :, model.tokens[i] : model.outputs[i]] = self.closed[i]
        return mask

    def losses(self) -> Tensor:
        """``(nets, B)`` -log p of each node's entries, in nats; offsets relative to the uniform law of their cell."""
        model, h = self.model, self.h
        out = torch.zeros(h.shape[:2], device=h.device)
        for _, bucket, logits, goal in self.answers():
            loss = F.cross_entropy(logits.flatten(0, 1), goal.flatten(), reduction="none").view(goal.shape)
            loss = torch.where(self.counts[bucket], loss, 0.0)
            out = out.index_add(0, torch.tensor(self._nets(bucket), device=h.device), loss)
        if model.fine_drawn:
            fine = [model.fine_row[i] for i in model.fine_drawn]
            logits, parts = self._fine_logits(), model.spec.subcells
            goal = (_pick(self.offsets.T, fine).clamp(0, 1) * parts).long().clamp(max=parts - 1)
            loss = F.cross_entropy(logits.flatten(0, 1), goal.flatten(), reduction="none").view(goal.shape)
            loss = torch.where(_pick(self.wide.T, fine), loss - math.log(parts), 0.0)
            out = out.index_add(0, torch.tensor(self._nets(model.fine_drawn), device=h.device), loss)
        return out

    def _fine_logits(self) -> Tensor:
        """Logits of the offset's sub-cell ``(n_fine, B, subcells)``, given the code."""
        model = self.model
        fine = model.fine_drawn
        code = F.embedding(self.tokens[:, fine].T + model.base[fine][:, None], model.table)
        hidden = F.relu(_pick(self.h, self._nets(fine)) + torch.bmm(code, model.fine_code))
        return torch.baddbmm(model.fine_bias, hidden, model.fine_head)


def _pick(x: Tensor, nodes: list[int]) -> Tensor:
    """``x[nodes]``, with a backward pass that is several times faster; a view where the nodes are adjacent."""
    if nodes == list(range(nodes[0], nodes[0] + len(nodes))):
        return x[nodes[0] : nodes[0] + len(nodes)]
    return x.index_select(0, torch.tensor(nodes, device=x.device))
