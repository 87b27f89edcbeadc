"""A block of rows being completed: node after node, each drawn from what is known by then.

A node's first layer sums one row per known node. Where a call draws many rows, these rows are looked up in a table of
all tokens (one fused gather and sum); numbers that are read at full resolution, and small calls, go through a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from synthkit.errors import ConditionError
from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import draw_codes
from synthkit.models.even import even_uniforms

if TYPE_CHECKING:
    from synthkit.models.ancestral import Ancestral
    from synthkit.models.near import Near

__all__ = ["Block"]


class Block:
    """Some rows being completed."""

    def __init__(self, plan: Ancestral, partial: Encoded) -> None:
        self.plan, self.model = plan, plan.model
        self.num, self.cat = partial.num.clone(), partial.cat.clone()
        self.num_known, self.cat_known = partial.num_known.clone(), partial.cat_known.clone()
        self.tokens, self.known, self.offsets = self.model.read(partial)
        self.present = self.model.codes.present(partial, self.known)
        # Numbers that later nodes may copy.
        self.numbers = (
            torch.full(self.tokens.shape, torch.nan, dtype=torch.float64, device=self.tokens.device)
            if self.model.pointers
            else None
        )
        self.rows, self.device = len(self.tokens), self.tokens.device
        self.last: Tensor | None = None  # last values of what leans on them
        self.log_weight: Tensor | None = None  # of each row, where conditions are weighed
        # Places in their laws of the numbers known so far, for bands.
        self.places = torch.zeros(self.tokens.shape, device=self.device)
        self.numeric = torch.zeros_like(self.known)
        self._read_given()

    def _read_given(self) -> None:
        plan, model = self.plan, self.model
        if model.wide:
            self.x = torch.zeros(model.n_nodes, model.spec.features, self.rows, device=self.device)
            self.read = torch.zeros(model.n_nodes, dtype=torch.bool)
        else:
            self.index = torch.full((self.rows, len(plan.looked)), plan.zero, device=self.device)
            self.x = torch.zeros(self.rows, len(plan.direct), model.spec.features, device=self.device)
        given = self.known.any(0).tolist()
        # Columns that say something so far; all others need no reading.
        self.read_looked: list[int] = []
        self.read_direct: list[int] = []
        for i in range(model.n_nodes):
            if given[i]:
                self._publish(i)

    def draw(self, nodes: Sequence[int] | None = None) -> Encoded:
        """Draw ``nodes`` (all of them by default) in this order."""
        for i in self.plan.order if nodes is None else nodes:
            applies = self._applies(i)
            q = self.model.fine_row.get(i)
            self._draw_node(i, q, ~self.known[:, i] & applies)
            self._publish(i)
        return self.done()

    def done(self) -> Encoded:
        """The rows as far as they are drawn."""
        return Encoded(self.num, self.cat, self.num_known, self.cat_known)

    def enter_fields(self, given: Encoded, layout: Layout, first: int) -> None:
        """Let inputs be known that were not so far: rows of ``layout``, whose fields begin at ``first``."""
        whole = self.model.layout
        for i, field in enumerate(layout.fields):
            slot, mine = layout.slot[i], whole.slot[first + i]
            if field.size:
                self.cat[:, mine] = given.cat[:, slot].to(self.cat.dtype)
                self.cat_known[:, mine] = given.cat_known[:, slot]
            else:
                self.num[:, mine], self.num_known[:, mine] = given.num[:, slot], given.num_known[:, slot]
        self.tokens, self.known, self.offsets = self.model.read(self.done())
        self.last = None
        for i, node in enumerate(self.model.nodes):
            if first <= node.field < first + len(layout.fields):
                self._publish(i)

    def enter(self, i: int, tokens: Tensor) -> None:
        """Let ``tokens`` ``(rows,)`` be known of node i, which is not drawn."""
        self.tokens[:, i], self.known[:, i] = tokens, True
        self.model.codes.write(i, slice(None), tokens, self.cat, self.cat_known)
        self._publish(i)

    # ---------------------------------------------------------------- one node
    def _applies(self, i: int) -> Tensor:
        """Rows where node i applies, given what is drawn of its column (its own null flag apart)."""
        node, layout = self.model.nodes[i], self.model.layout
        given = layout.fields[node.field].given
        if given is None or given[0] == node.null:
            return torch.ones(self.rows, dtype=torch.bool, device=self.device)
        slot = layout.slot[given[0]]
        inside = torch.isin(self.cat[:, slot].long(), torch.tensor(given[1], device=self.device))
        return self.cat_known[:, slot] & inside

    def _draw_node(self, i: int, q: int | None, todo: Tensor) -> None:
        """Draw the code of node i in the rows ``todo``, and its offset wherever one applies and is unknown."""
        model, rule = self.model, self.plan.rules.get(self.model.nodes[i].field)
        # A uniform number for every row, drawn or not: where rows ask different things, what one draws never shifts
        # another's numbers.
        uniform = torch.rand(1 if q is None else 3, self.rows, device=self.device)
        need = todo
        if q is not None:
            need = todo | (self.cat_known[:, model.codes.code[i]] & ~self.num_known[:, model.offset_slot[q]])
        rows = _rows(need)
        if not isinstance(rows, slice) and not len(rows):
            return
        net = model.net[i]
        top = model.upper(self._first(i, rows)[None], slice(net, net + 1))[0]
        pick, own = (rows, top) if need is todo else (_rows(todo), top[todo[rows]])
        if len(own):
            if self.plan.even and self.log_weight is None:  # candidates are weighed and picked: each by itself
                uniform[0, pick] = even_uniforms(own)
            if i in model.pointers.sources:
                drawn = self._codes_or_copies(i, q, own, pick, rule, uniform[0, pick])
            else:
                drawn = self._codes(i, own, pick, rule, uniform[0, pick])
            self.tokens[pick, i], self.known[pick, i] = drawn, True
            model.codes.write(i, pick, drawn, self.cat, self.cat_known)
        if q is not None:
            self._draw_offsets(i, q, rows, top, uniform[1:, rows], rule)

    def _first(self, i: int, rows: Tensor | slice) -> Tensor:
        """Sums of node i's first layer, ``(rows, H)``, over all nodes known so far."""
        plan, model = self.plan, self.model
        n, net = len(self.tokens[rows, 0]), model.net[i]
        h = model.first_bias[net].expand(n, -1)
        if model.dense:
            own = slice(net * model.first_width, (net + 1) * model.first_width)
            h = torch.addmm(h, self.num[rows][:, model.dense].float(), model.dense_first[:, own])
        if model.wide:
            return self._some(i, rows, h)
        looked = _prefix([k for k in self.read_looked if plan.looked[k] != i])
        if looked is not None and plan.table is not None:
            h = h + F.embedding_bag(self.index[rows][:, looked].contiguous(), plan.table[net], mode="sum")
        direct = _prefix([k for k in self.read_direct if plan.direct[k] != i])
        if direct is not None:
            h = torch.addmm(h, self.x[rows][:, direct].flatten(1), plan.weight[net, direct].flatten(0, 1))
        return h

    def _some(self, i: int, rows: Tensor | slice, h: Tensor) -> Tensor:
        """``h`` and the sums over those of node i's sources that are known so far, where a net reads some only."""
        net = self.model.net[i]
        spec, sources = self.model.spec, self.plan.sources[net]
        open_ = [k for k, s in enumerate(sources) if s != i and self.read[s]]
        if not open_:
            return h
        x = self.x[[sources[k] for k in open_]].flatten(0, 1)[:, rows]
        weight = self.model.first[net].view(-1, spec.features, self.model.first_width)[open_]
        return torch.addmm(h, x.T, weight.flatten(0, 1))

    def _publish(self, i: int) -> None:
        """Let the nodes that come read what is known of node i."""
        plan, model = self.plan, self.model
        known, tokens = self.known[:, i], self.tokens[:, i]
        if i in model.bands.row:
            self.numeric[:, i] = known & (tokens < model.nodes[i].size)
            offsets = self.offsets[:, model.fine_row[i]] if i in model.fine_row else torch.full_like(tokens, -1).float()
            self.places[:, i] = model.places(tokens[:, None], offsets[:, None], [i])[:, 0]
        if self.numbers is not None and i in model.pointers.row:
            self._publish_number(i)
        if model.wide:
            self.x[i], self.read[i] = self._features(i, known, tokens).T, True
            return
        if i in plan.start:
            k = plan.looked.index(i)
            self.index[:, k] = torch.where(known, tokens + plan.start[i], plan.zero)
            if k not in self.read_looked:
                self.read_looked.append(k)
            return
        k = plan.direct.index(i)
        width = int(model.slices[i + 1] - model.slices[i])
        self.x[:, k, :width] = self._features(i, known, tokens)[:, :width]
        if k not in self.read_direct:
            self.read_direct.append(k)

    def _features(self, i: int, known: Tensor, tokens: Tensor) -> Tensor:
        """``(rows, F)`` features of node i, zero where it is not known."""
        model = self.model
        if i in model.exact_set:
            features = model.exact_features([i], tokens[:, None], self.offsets[:, [model.fine_row[i]]])[:, 0]
        else:
            features = model.table[tokens + int(model.base[i])]
        return features * known[:, None]

    def _publish_number(self, i: int) -> None:
        model = self.model
        filled = self.known[:, i] & (self.tokens[:, i] < model.nodes[i].size)
        code = torch.where(filled, self.tokens[:, i], 0)
        offset = self.offsets[:, model.fine_row[i]] if i in model.fine_row else torch.full_like(code, -1.0)
        self.numbers[:, i] = torch.where(filled, model.pointers.number(i, code, offset), torch.nan)  # type: ignore[index]

    def _codes_or_copies(
        self, i: int, q: int | None, top: Tensor, pick: Tensor | slice, rule: Allowed | None, uniform: Tensor
    ) -> Tensor:
        """Codes of a linked node; where the draw is a copy, the source's number is entered at its own place."""
        model = self.model
        code, offset, open_ = model.pointers.open(i, self.numbers[pick], rule)  # type: ignore[index]
        there = open_ if rule is None else model.pointers.open(i, self.numbers[pick], None)[2]  # type: ignore[index]
        drawn = self._codes(i, top, pick, rule, uniform, (open_, there))
        copy = (drawn - model.tokens[i]).clamp(min=0)[:, None]
        copied = drawn >= model.tokens[i]
        drawn = torch.where(copied, code.gather(1, copy).squeeze(1), drawn)
        if q is None or not bool(copied.any()):
            return drawn
        given = model.layout.fields[model.nodes[i].offset].given  # type: ignore[index]
        wide = torch.ones(model.tokens[i], dtype=torch.bool, device=self.device)
        if given:
            wide[:] = False
            wide[list(given[1])] = True
        slot = model.offset_slot[q]
        new = copied & wide[drawn] & ~self.num_known[pick, slot]
        value = offset.gather(1, copy).squeeze(1).to(self.num.dtype)
        self.num[pick, slot] = torch.where(new, value, self.num[pick, slot])
        self.num_known[pick, slot] |= new
        self.offsets[pick, q] = torch.where(new, value, self.offsets[pick, q])
        return drawn

    def _codes(
        self,
        i: int,
        top: Tensor,
        pick: Tensor | slice,
        rule: Allowed | None,
        uniform: Tensor,
        copies: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Draw codes of node i; ``copies``: the sources that may be copied, and those that are known at all."""
        k, r = self.model.place[i]
        size, tokens = self.model.nodes[i].size, self.model.tokens[i]
        present = self.present[pick, i]
        logits = torch.addmm(self.model.head_bias[k][r], top, self.plan.heads[k][r])[:, : self.model.outputs[i]]
        if self.model.skips is not None:
            logits = logits + self.model.skips.node(i, k, r, self.num[pick][:, self.model.dense])
        if self.model.landing and i == self.model.landing.gap:
            x, h = self.num[pick][:, self.model.dense], top[:, : self.model.spec.width]
            lean = self.model.landing.lean(self.num[pick], x, h)
            logits = logits + torch.nn.functional.pad(lean, (0, logits.shape[1] - lean.shape[1]))
        if self.model.near and i in self.model.near.row:
            lean = self._near(self.model.near, i, top, pick)
            logits = logits + torch.nn.functional.pad(lean, (0, logits.shape[1] - lean.shape[1]))
        if i in self.model.bands.row:
            logits = self._lean(i, top, pick, logits)
        if copies is not None:
            logits[:, tokens:] = logits[:, tokens:].masked_fill(~copies[1], -torch.inf)
        free = logits.logsumexp(1) if self.log_weight is not None else None
        if self.model.nodes[i].null is not None:
            if rule is not None:
                logits[:, size:tokens] = -torch.inf
            elif bool(present.any()):
                logits[:, size:tokens] = logits[:, size:tokens].masked_fill(present[:, None], -torch.inf)
        if rule is not None:
            logits[:, :size] = logits[:, :size] + rule.weights.to(logits).log()
            if copies is not None:
                logits[:, tokens:] = logits[:, tokens:].masked_fill(~copies[0], -torch.inf)
        if free is not None and self.log_weight is not None:
            self.log_weight[pick] += logits.logsumexp(1) - free
            logits[:, 0] = torch.where(torch.isfinite(logits).any(1), logits[:, 0], 0.0)  # of no weight: any code
        elif rule is not None and not bool(torch.isfinite(logits).any(1).all()):
            raise ConditionError(
                f"Model.complete: argument 'allowed' leaves nothing for field {self.model.nodes[i].field}."
            )
        return draw_codes(logits, uniform)

    def _near(self, near: Near, i: int, top: Tensor, pick: Tensor | slice) -> Tensor:
        """What node i's last value adds to its logits."""
        if self.last is None:
            self.last = near.numbers(self.tokens, self.model.spread(self.offsets), self.known, near.source)
        t = near.row[i]
        x = self.num[pick][:, self.model.dense]
        return near.lean(t, self.last[t][pick], x, top[:, : self.model.spec.width])

    def _lean(self, i: int, top: Tensor, pick: Tensor | slice, logits: Tensor) -> Tensor:
        """Logits of node i with its band around the places of its sources."""
        bands, t = self.model.bands, self.model.bands.row[i]
        sources = bands.source[t]
        open_ = self.numeric[pick][:, sources].T
        if not bool(open_.any()):
            return logits
        k, r = self.model.place[i]
        top = top[:, : self.model.spec.width]
        weights = bands.weights(top[None], self.places[pick][:, sources].T[None], open_[None], slice(t, t + 1))[0]
        return torch.addmm(logits, weights, self.model.get_buffer(f"band{k}")[r][:, : logits.shape[1]])

    # ---------------------------------------------------------------- offsets
    def _draw_offsets(
        self, i: int, q: int, rows: Tensor | slice, top: Tensor, uniform: Tensor, rule: Allowed | None
    ) -> None:
        """Offsets of node i in those of ``rows`` where one applies and none is known; ``uniform``: ``(2, rows)``."""
        model = self.model
        slot = model.offset_slot[q]
        given = model.layout.fields[model.nodes[i].offset].given  # type: ignore[index]
        wide = torch.zeros(model.tokens[i], dtype=torch.bool, device=self.device)
        wide[list(given[1]) if given else slice(0, model.nodes[i].size)] = True
        code = self.tokens[rows, i]
        todo = wide[code] & self.cat_known[rows, model.codes.code[i]] & ~self.num_known[rows, slot]
        chosen = todo.nonzero().squeeze(1)
        if not len(chosen):
            return
        at = chosen if isinstance(rows, slice) else rows[chosen]
        low, high, logits = self._sub_cells(i, code[chosen], top[chosen], rule)
        sub = draw_codes(logits, uniform[0, chosen])[:, None]
        a, b = low.gather(1, sub).squeeze(1), high.gather(1, sub).squeeze(1)
        value = (a + uniform[1, chosen] * (b - a)).clamp(0, 1)
        self.num[at, slot], self.num_known[at, slot] = value.to(self.num.dtype), True
        self.offsets[at, q] = value

    def _sub_cells(self, i: int, code: Tensor, top: Tensor, rule: Allowed | None) -> tuple[Tensor, Tensor, Tensor]:
        """Both ends of every sub-cell and its log-weight, each ``(rows, subcells)``."""
        model, s = self.model, self.model.spec.subcells
        g = F.relu(top[:, : model.spec.width] + self.plan.fine_code[i][code])
        own = model.fine_net[i]
        logits = torch.addmm(model.fine_bias[own], g, model.fine_head[own])
        left = torch.arange(s, device=self.device) / s
        low, high = left.expand(len(code), s), (left + 1 / s).expand(len(code), s)
        if rule is not None:
            low = torch.maximum(low, rule.low.to(low)[code][:, None])
            high = torch.minimum(high, rule.high.to(high)[code][:, None])
            room = (high - low).clamp(min=0) * s
            stuck = ~(room > 0).any(1)  # an interval of no width: keep its sub-cell
            room[stuck] = ((low - high)[stuck] <= 0).float() + 1e-6
            logits = logits + room.log()
        return low, high, logits


def _prefix(positions: list[int]) -> list[int] | slice | None:
    """The same positions, as a slice if they are the first ones: a view needs no copy. None if there are none."""
    if sorted(positions) == list(range(len(positions))):
        return slice(0, len(positions)) if positions else None
    return positions


def _rows(mask: Tensor) -> Tensor | slice:
    """The rows of a mask; a slice where they are all."""
    return slice(None) if bool(mask.all()) else mask.nonzero().squeeze(1)
