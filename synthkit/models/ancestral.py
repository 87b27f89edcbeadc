"""Drawing from the nets of the autoregressive model: the order of a call's nodes, and how conditions are met.

Rows are completed block by block (:mod:`synthkit.models.completing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from synthkit.errors import ConditionError
from synthkit.layout import Allowed, Encoded
from synthkit.models.completing import Block
from synthkit.models.resampling import Joint, alike, draw_jointly

if TYPE_CHECKING:
    from synthkit.models.anyorder import AutoregressiveModel

__all__ = ["Ancestral"]

_BLOCK = 8192  # rows drawn at once: their activations stay in cache
_LEAD = 64  # nodes drawn for a candidate at most, where conditions are met jointly
_TABLE = 1 << 25  # entries of the look-up table at most
_PROPOSALS = 4  # completions of a row of which one is taken, where what is given comes after what is not
_FEW_ROUNDS = 8  # of candidates, where cells are given that could be drawn after as well
_FEATURES = 1 << 25  # entries of a block's features at most, where each net reads some nodes only


class Ancestral:
    """One call of ``complete``: what all its blocks of rows share.

    The order is: nodes with a condition (a rule, or "not null"), then the rest in the table's order, so that every
    condition is met by construction and the later nodes follow it. Two or more conditioned nodes are drawn jointly,
    where all rows ask the same (:mod:`synthkit.models.resampling`). Where rows know different cells, these come first;
    as the nets know the table's own order best, several completions are drawn, and one is taken by how much likelier
    that order makes it than the one in which it was drawn (sampling importance resampling, row by row).

    Attributes:
        joint: how that went, block by block.
        even: rows that all ask the same are spread evenly over the laws (:mod:`synthkit.models.even`).
    """

    def __init__(self, model: AutoregressiveModel, partial: Encoded, rules: Mapping[int, Allowed]) -> None:
        self.model, self.partial, self.rules = model, partial, rules
        self.heads = [model.head_weights(k) for k in range(len(model.buckets))]
        there = model.codes.present(partial, model.read(partial)[1]).any(0).tolist()
        free = [model.nodes[i].field not in rules and not there[i] for i in range(model.n_nodes)]
        self.order = sorted(model.drawn, key=lambda i: (free[i], i))
        self.conditioned = [i for i in self.order if not free[i]]
        self.joint: list[Joint] = []
        self.even = False
        self._plan(len(partial))

    def _plan(self, rows: int) -> None:
        """Which nodes are looked up, and the table: ``(nets, tokens + 1, H)``, whose last row is zero."""
        model = self.model
        n, h = len(model.drawn), model.first_width
        self.block = _BLOCK
        self.fine_code = {i: model.codes_of(i) @ model.fine_code[q] for q, i in enumerate(model.fine_drawn)}
        if model.wide:
            self.sources = model.sources.tolist()
            self.block = min(max(_FEATURES // (model.n_nodes * model.spec.features), 256), _BLOCK)
            return
        exact = set(model.exact)
        looked = [i for i in range(model.n_nodes) if i not in exact and model.tokens[i] <= rows // 4]
        if n * sum(model.tokens[i] for i in looked) * h > _TABLE:
            looked = []
        self.looked, self.direct = looked, [i for i in range(model.n_nodes) if i not in looked]
        starts = np.concatenate([[0], np.cumsum([model.tokens[i] for i in looked])]).astype(int)
        self.start, self.zero = {i: int(a) for i, a in zip(looked, starts, strict=False)}, int(starts[-1])
        device = model.first.device
        self.table = torch.zeros(n, self.zero + 1, h, device=device) if looked else None
        for i in looked:
            a, b = int(model.slices[i]), int(model.slices[i + 1])
            rows_of = model.codes_of(i)[:, : b - a]
            at = slice(self.start[i], self.start[i] + model.tokens[i])
            read = (rows_of @ model.first[a:b].flatten(1)).view(len(rows_of), n, h)
            self.table[:, at] = read.transpose(0, 1)  # type: ignore[index]
        weight = torch.zeros(len(self.direct), model.spec.features, n, h, device=device)
        for q, i in enumerate(self.direct):
            a, b = int(model.slices[i]), int(model.slices[i + 1])
            weight[q, : b - a] = model.first[a:b]
        self.weight = weight.permute(2, 0, 1, 3).contiguous()  # (nets, direct, F, H)

    def draw(self) -> Encoded:
        """Every applicable entry known, the given ones unchanged bit for bit."""
        size = self.block
        parts = [self.partial.take(slice(a, a + size)) for a in range(0, max(len(self.partial), 1), size)]
        if len(self.partial) and alike(self.partial):
            self.even = self.model.spec.even and not self.model.wide
            pinned = self._pinned()
            if pinned or len(self.conditioned) > 1 or self._late(self.conditioned):
                parts = [self._condition(part, pinned) for part in parts]
        return Encoded.concat([self._completed(part) for part in parts])

    def _completed(self, partial: Encoded) -> Encoded:
        """The same rows with all nodes drawn."""
        model, rows = self.model, self._out_of_order(partial).nonzero().squeeze(1)
        if not len(rows):
            return Block(self, partial).draw()
        device, others = rows.device, torch.ones(len(partial), dtype=torch.bool, device=rows.device)
        others[rows] = False
        order, parts = [others.nonzero().squeeze(1)], [Block(self, partial.take(others)).draw()]
        for some in torch.split(rows, _BLOCK // _PROPOSALS):
            given = partial.take(some.repeat_interleave(_PROPOSALS))
            drawn = Block(self, given).draw()
            likelier = self._surprise(given, drawn) - model(model.layout.empty(len(given), device), drawn)
            chance = likelier.view(-1, _PROPOSALS).softmax(1)
            first = torch.arange(len(some), device=device) * _PROPOSALS
            order.append(some)
            parts.append(drawn.take(first + torch.multinomial(chance, 1).squeeze(1)))
        return Encoded.concat(parts).take(torch.cat(order).argsort())

    def _surprise(self, given: Encoded, drawn: Encoded) -> Tensor:
        """``(rows,)`` -log p of what was drawn, in the order in which it was."""
        place = torch.zeros(self.model.n_nodes, dtype=torch.long)
        place[self.order] = torch.arange(len(self.order))
        return self.model._losses(given, drawn, self.model._reads(place)).sum(0)

    def _out_of_order(self, partial: Encoded) -> Tensor:
        """``(rows,)``: is a cell given that the table's order has after one that is not?

        Not where sets are to be drawn from, nor where gaps alone are filled (of all that is hidden it is known that it
        is not null): few cells of rows that are known otherwise, and many rows.
        """
        model, known = self.model, self.model.read(partial)[1]
        gaps = (model.codes.present(partial, known) | known).all()
        if self.rules or model.wide or model.layout.inputs or bool(gaps):
            return torch.zeros(len(partial), dtype=torch.bool, device=known.device)
        known = known[:, model.natural_order.argsort()]
        return (known & ((~known).cumsum(1) > 0)).any(1)

    def _late(self, nodes: Sequence[int]) -> bool:
        """May candidates be drawn in the table's order up to these, and is there something before them?"""
        return bool(nodes) and max(nodes) < _LEAD and max(nodes) > len(nodes) - 1

    def _pinned(self) -> dict[int, int]:
        """Nodes whose cell is given, the same in all rows, and its code; none where they are best left as they are."""
        model = self.model
        tokens, known, _ = model.read(self.partial.take(slice(0, 1)))
        if model.wide or model.dense:
            return {}
        at = [i for i in model.drawn if known[0, i] and tokens[0, i] < model.nodes[i].size]
        fields = [model.nodes[i].field for i in at]
        if not self._late(at) or not self._late([*at, *self.conditioned]) or set(fields) & set(self.rules):
            return {}
        return {i: int(tokens[0, i]) for i in at}

    def _condition(self, partial: Encoded, pinned: Mapping[int, int]) -> Encoded:
        """The same rows with the conditioned nodes drawn from their joint law, ``pinned`` ones as conditions, too."""
        # In the table's order, which the nets know best; but not half of a wide table for a candidate.
        model, given, rules = self.model, partial, self.rules
        conditioned = [*self.conditioned, *pinned]
        last = max(conditioned)
        nodes = [i for i in model.drawn if i <= last] if last < _LEAD else self.conditioned
        if pinned:
            hide = torch.zeros_like(partial.cat_known)
            hide[:, [model.codes.code[i] for i in pinned]] = True
            partial = partial.hide(torch.zeros_like(partial.num_known), hide)
            device = partial.cat.device
            ones = {
                model.nodes[i].field: Allowed.codes(
                    F.one_hot(torch.tensor(code), model.nodes[i].size).float().to(device)
                )
                for i, code in pinned.items()
            }
            self.rules = {**rules, **ones}

        def draw(rows: Encoded) -> tuple[Encoded, Tensor]:
            block = Block(self, rows)
            block.log_weight = torch.zeros(len(rows), device=rows.cat.device)
            return block.draw(nodes), block.log_weight

        try:
            drawn, joint = draw_jointly(draw, partial, *((_FEW_ROUNDS,) if pinned else ()))
            enough = not pinned or joint.effective >= joint.rows
        except ConditionError:
            if not pinned:
                raise
            enough = False
        finally:
            self.rules = rules
        if not enough:  # such cells are too rare together: they come first
            return self._condition(given, {}) if len(self.conditioned) > 1 else given
        if not pinned or self.conditioned:
            self.joint.append(joint)
        return given.fill(drawn)
