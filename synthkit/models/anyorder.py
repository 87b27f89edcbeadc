"""Any-order masked autoregression over the columns of a row: the default model.

p(row) is a product of conditionals, one small net per coded field (a *node*). A net reads the input vectors of
the fields that come earlier in an order, and returns one softmax over {codes, null, copies} and one over sub-cells of
the code's offset.
The order is: what is known first, then the rest in the table's order; training draws such orders, so every
conditional that a caller can ask for has been learnt (order-agnostic training after Uria, Murray and Larochelle,
"A Deep and Tractable Density Estimator", ICML 2014; all nets in one product after Germain et al., "MADE", ICML 2015).

The nets share their input vectors only, so each is stopped at its own best validation loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models import reads
from synthkit.models.ancestral import Ancestral
from synthkit.models.bands import Bands
from synthkit.models.base import Model, Recipe, check_allowed
from synthkit.models.calibration import calibrate, settle
from synthkit.models.forced import Forced
from synthkit.models.landing import Landing
from synthkit.models.near import KERNELS, Near
from synthkit.models.nets import Codes, buckets, dropout, nodes_of, places
from synthkit.models.pointers import Pointers
from synthkit.models.skips import Skips
from synthkit.models.starting import start

if TYPE_CHECKING:
    from synthkit.models.autoregressive import Autoregressive

__all__ = ["AutoregressiveModel"]


class AutoregressiveModel(Model):
    """The nets of all nodes, batched. Shapes: B rows, N nodes, D input features in all, H hidden units."""

    base: Tensor
    first_edge: Tensor
    sizes: Tensor
    owner: Tensor
    keep: Tensor
    edges: Tensor
    sources: Tensor

    def __init__(self, spec: Autoregressive, layout: Layout) -> None:
        super().__init__()
        self.nodes = nodes = nodes_of(layout)
        self.n_nodes = n = len(nodes)
        # Inputs are read and never drawn: they have no nets.
        self.drawn = [i for i, node in enumerate(nodes) if layout.fields[node.field].column not in layout.inputs]
        self.net = {i: k for k, i in enumerate(self.drawn)}
        at = {node.field: i for i, node in enumerate(nodes)}
        self.hangs = {i: at[layout.after[node.field]] for i, node in enumerate(nodes) if node.field in layout.after}
        place = [self.hangs.get(i, i) + (0.5 if i in self.hangs else 0.0) for i in range(n)]
        self.natural_order = torch.argsort(torch.argsort(torch.tensor(place)))
        first = self.drawn[0] if self.drawn else n  # inputs that come before all that is drawn
        self.prior = [i for i in range(first) if i not in self.hangs]
        whole = [i for i, field in enumerate(layout.fields) if not field.size and field.given is None]
        whole = [i for i in whole if layout.calendar is None or i != layout.calendar.clock]
        self.dense = [layout.slot[i] for i in whole if layout.fields[i].column in layout.inputs]
        self.wide = n > spec.reads  # each net reads some nodes only
        spec = spec.slim() if self.wide else spec
        self.spec, self.layout = spec, layout
        h = spec.width
        self.tokens = [node.tokens for node in nodes]
        self.pointers = Pointers(layout, nodes)
        # What a net may answer: a code, null, or "as in that column".
        self.outputs = [t + len(self.pointers.sources.get(i, [])) for i, t in enumerate(self.tokens)]
        base = np.concatenate([[0], np.cumsum(self.tokens)]).astype(int)
        widths = [min(t, spec.features) for t in self.tokens]
        self.slices = np.concatenate([[0], np.cumsum(widths)]).astype(int)
        total, self.n_tokens = int(self.slices[-1]), int(base[-1])
        for name, value in (
            ("base", base[:-1]),
            ("first_edge", base[:-1] + np.arange(n)),
            ("sizes", [x.size for x in nodes]),
        ):
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.long), persistent=False)
        self.register_buffer("owner", torch.as_tensor(np.repeat(np.arange(n), widths)), persistent=False)
        keep = np.concatenate([np.arange(w) + i * spec.features for i, w in enumerate(widths)] or [np.empty(0, int)])
        self.register_buffer("keep", torch.as_tensor(keep), persistent=False)
        self.table = nn.Parameter(torch.zeros(self.n_tokens, spec.features))
        self.register_buffer("edges", torch.zeros(self.n_tokens + n))  # cumulative mass at the borders of each code
        self.fine = [i for i, node in enumerate(nodes) if node.offset is not None]
        # Offsets of nodes whose features hold their place are read at full resolution.
        self.exact = [i for i in self.fine if nodes[i].ordered and self.tokens[i] > spec.features]
        self.exact_set = frozenset(self.exact)
        self.fine_row = {i: q for q, i in enumerate(self.fine)}
        self.fine_drawn = [i for i in self.fine if i in self.net]
        self.fine_net = {i: q for q, i in enumerate(self.fine_drawn)}
        self.bands = Bands(nodes, h, spec.bands, spec.harmonics, self.drawn)
        # One more unit of each first layer, linear and never dropped, goes straight to the answer "null".
        self.straight = int(any(nodes[i].null is not None for i in self.drawn))
        self._index()
        self._parameters_of_nets(total, len(self.drawn), h)
        if self.wide:
            self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_shape_heads)  # type: ignore[no-untyped-call]

    def _index(self) -> None:
        """Where each node's entries lie in ``Encoded``."""
        self.codes = Codes(self.nodes, self.layout)
        slot, nodes = self.layout.slot, self.nodes
        self.offset_slot = [slot[nodes[i].offset] for i in self.fine]  # type: ignore[index]

    def _parameters_of_nets(self, total: int, n: int, h: int) -> None:
        spec = self.spec
        if self.wide:
            self._room(1)
        else:
            self.first = nn.Parameter(self._start(total, n, self.first_width) / math.sqrt(max(total, 1)) * 2)
        self.first_bias = nn.Parameter(torch.zeros(n, self.first_width))
        self.middle = nn.ParameterList(
            nn.Parameter(torch.randn(n, h, h) * 0.7 / math.sqrt(h)) for _ in range(spec.depth - 1)
        )
        self.middle_bias = nn.ParameterList(nn.Parameter(torch.zeros(n, 1, h)) for _ in range(spec.depth - 1))
        if self.dense:
            shape = len(self.dense), n * self.first_width
            self.dense_first = nn.Parameter(self._start(*shape[:1], n, self.first_width).flatten(1) / shape[0] ** 0.5)
        self.skips: Skips | None = None
        self.near: Near | None = None
        self.landing: Landing | None = None
        self.buckets = [[self.drawn[k] for k in b] for b in buckets([self.outputs[i] for i in self.drawn])]
        if self.dense:
            self.skips = Skips(len(self.dense), self.nodes, self.drawn, self.outputs, self.buckets)
            self.landing = Landing(self.layout, self.nodes, len(self.dense), spec.width)
            self.near = Near(self.layout, self.nodes, self.drawn, len(self.dense), spec.width)
        self.place = {i: (k, r) for k, b in enumerate(self.buckets) for r, i in enumerate(b)}
        self.head, self.head_smooth, self.head_bias = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for k, bucket in enumerate(self.buckets):
            size = max(self.outputs[i] for i in bucket)
            self.head.append(nn.Parameter(torch.randn(len(bucket), h, size) * 0.02))
            self.head_smooth.append(nn.Parameter(torch.zeros(len(bucket), h, spec.smooth)))
            bias = torch.full((len(bucket), 1, size), -30.0)
            for r, i in enumerate(bucket):
                bias[r, 0, : self.outputs[i]] = 0.0
            self.head_bias.append(nn.Parameter(bias))
            for part, rows, fill in (("basis", spec.smooth, 0.0), ("band", 2 * spec.harmonics, 0.0), ("own", 1, 1.0)):
                buffer = torch.full((len(bucket), rows, size), fill)
                self.register_buffer(f"{part}{k}", buffer, persistent=False)  # they follow from ``edges``
            null = torch.zeros(len(bucket), self.straight, size)
            for r, i in enumerate(bucket):
                null[r, :, self.nodes[i].size :][:, : self.tokens[i] - self.nodes[i].size] = 1.0
            self.register_buffer(f"null{k}", null, persistent=False)
        if self.fine_drawn:
            m = len(self.fine_drawn)
            self.fine_code = nn.Parameter(torch.randn(m, spec.features, h) * 0.02)
            self.fine_head = nn.Parameter(torch.zeros(m, h, spec.subcells))
            self.fine_bias = nn.Parameter(torch.zeros(m, 1, spec.subcells))

    @property
    def first_width(self) -> int:
        """Units of a first layer."""
        return self.spec.width + self.straight

    def _start(self, *shape: int) -> Tensor:
        """Random first layers; what goes straight to an answer starts at nothing."""
        weights = torch.randn(*shape, device=self.table.device)
        weights[..., self.spec.width :] = 0.0
        return weights

    def _room(self, sources: int) -> None:
        """First layers that read so many nodes each. Which they are, and how many, is known once the rows are."""
        n, wide = len(self.drawn), sources * self.spec.features
        device = self.table.device
        itself = torch.tensor(self.drawn, device=device).long()[:, None]  # itself: none
        self.register_buffer("sources", itself.repeat(1, sources))
        self.first = nn.Parameter(self._start(n, wide, self.first_width) / math.sqrt(wide) * 2)

    def plan(self, recipe: Recipe) -> Recipe:
        return reads.plan(recipe, self.n_nodes, self.spec.lr) if self.wide else recipe

    def take_frequencies(self, data: Encoded, weight: Tensor | None) -> None:
        """Closed-form start (:mod:`synthkit.models.starting`)."""
        start(self, data, weight)

    def _cells(self, i: int) -> tuple[Tensor, Tensor]:
        """Middles in the law of node i's codes, and how far each may leave its neighbours, ``(size,)`` each."""
        node, start = self.nodes[i], int(self.base[i]) + i
        edge = self.edges[start : start + node.size + 1]
        # A code of few rows leans on its neighbours; a spike stands by itself.
        own = (edge.diff() * self.spec.spikiness).clamp(0.05, 1.0) if node.ordered else torch.ones_like(edge[1:])
        return (edge[1:] + edge[:-1]) / 2, own

    @torch.no_grad()
    def _shape_heads(self) -> None:
        """The smooth directions of the ordered heads, from where their cells lie."""
        for i in self.drawn:
            node = self.nodes[i]
            if not node.ordered:
                continue
            (middle, own), (k, r) = self._cells(i), self.place[i]
            if i in self.bands.row:
                self.get_buffer(f"band{k}")[r, :, : node.size] = self.bands.basis(middle)
            if self.spec.smooth:
                self.get_buffer(f"basis{k}")[r, :, : node.size] = places(middle, self.spec.smooth).T
                self.get_buffer(f"own{k}")[r, 0, : node.size] = own
        if self.skips is not None:
            self.skips.shape({i: self._cells(i)[0] for i in self.drawn if self.nodes[i].ordered})

    # ---------------------------------------------------------------- reading and features
    def read(self, data: Encoded) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens ``(B, N)``, where they are known ``(B, N)``, and offsets ``(B, n_fine)`` (-1 where unknown)."""
        tokens, known = self.codes.read(data)
        offsets = torch.where(data.num_known[:, self.offset_slot], data.num[:, self.offset_slot], -1.0)
        return tokens, known, offsets

    def spread(self, offsets: Tensor) -> Tensor:
        """Offsets ``(B, N)``, -1 where a node has none, from those of the fine nodes."""
        spread = torch.full((len(offsets), self.n_nodes), -1.0, device=offsets.device)
        spread[:, self.fine] = offsets
        return spread

    def places(self, tokens: Tensor, offsets: Tensor, nodes: list[int] | slice = slice(None)) -> Tensor:
        """Places ``(B, n)`` in the nodes' laws, in [0, 1]; the middle of the cell where there is no offset."""
        code = torch.minimum(tokens, self.sizes[nodes] - 1) + self.first_edge[nodes]
        low, high = self.edges[code], self.edges[code + 1]
        return low + torch.where(offsets >= 0, offsets, 0.5) * (high - low)

    def features(self, tokens: Tensor, known: Tensor, offsets: Tensor) -> Tensor:
        """Input features ``(B, N, F)``; an unknown node is all zeros."""
        x = F.embedding(tokens + self.base, self.table)
        if self.exact:
            which = [self.fine_row[i] for i in self.exact]
            x[:, self.exact] = self.exact_features(self.exact, tokens[:, self.exact], offsets[:, which])
        return x * known[..., None]

    def codes_of(self, i: int) -> Tensor:
        """Input vectors of node i's tokens, ``(tokens, F)``."""
        first = int(self.base[i])
        return self.table[first : first + self.tokens[i]]

    def exact_features(self, nodes: list[int], tokens: Tensor, offsets: Tensor) -> Tensor:
        """Features ``(B, n, F)`` of numbers at their own place in the law rather than at their cell's middle."""
        half = self.spec.features // 2
        x = F.embedding(tokens + self.base[nodes], self.table)
        fine = places(self.places(tokens, offsets, nodes), half)
        return torch.cat([torch.where((offsets >= 0)[..., None], fine, x[..., :half]), x[..., half:]], -1)

    # ---------------------------------------------------------------- the nets
    def upper(self, h: Tensor, pick: slice) -> Tensor:
        """From the first layer's sums to the last hidden layer, ``(n, B, H)`` and what goes straight on.

        Args:
            pick: which nets.
        """
        width = self.spec.width
        straight, h = h[..., width:], F.relu(h[..., :width])
        for weight, bias in zip(self.middle, self.middle_bias, strict=True):
            h = h + F.relu(torch.baddbmm(bias[pick], dropout(h, self.spec.dropout, self.training), weight[pick]))
        h = dropout(h, self.spec.dropout, self.training)
        return torch.cat([h, straight], -1) if self.straight else h

    def head_weights(self, k: int) -> Tensor:
        """``(nodes of bucket k, H + straight, size)``: free directions, smooth ones that neighbouring codes share, and
        the way straight to null."""
        free: Tensor = self.head[k] * self.get_buffer(f"own{k}")
        if self.spec.smooth:
            free = free + self.head_smooth[k] @ self.get_buffer(f"basis{k}")
        return torch.cat([free, self.get_buffer(f"null{k}")], 1) if self.straight else free

    def _order(self) -> Tensor:
        """``(nets, N)`` bool: may net j (row) read node i (column)? The table's order, or some columns first."""
        n = self.n_nodes
        position = self.natural_order
        if self.training and self.wide:
            order = reads.orders(n, self.spec.natural, self.first.device)
            order[:, self.prior] = True
            for i, of in self.hangs.items():
                order[:, i] = order[:, of]
            return order[self.drawn]
        if self.training and n > 1 and float(torch.rand(())) >= self.spec.natural:
            first = torch.randperm(n)[: int(torch.randint(1, n, ()))]
            late = torch.ones(n, dtype=torch.long)
            late[first] = 0
            self._prior_first(late)
            position = torch.argsort(torch.argsort(late * n + self.natural_order))
        return self._reads(position)

    # ---------------------------------------------------------------- loss
    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """-log p of what ``target`` knows and ``partial`` does not, ``(rows,)``, in nats.

        Offsets count relative to the uniform law of their cell.
        """
        return self._losses(partial, target).sum(0)

    def column_losses(self, target: Encoded) -> Tensor:
        """Mean loss per node: half in the table's order, half in two fixed others.

        In the table's order alone, the first columns would stop before they had learnt to follow later ones.
        """
        nothing = self.layout.empty(len(target), target.cat.device)
        natural = self._losses(nothing, target).mean(1)
        if len(self.drawn) < 2 or self.spec.natural == 1:
            return natural
        others = [self._losses(nothing, target, self._some_first(k)).mean(1) for k in (0, 1)]
        return natural / 2 + (others[0] + others[1]) / 4

    def _some_first(self, k: int) -> Tensor:
        """A fixed order: every other node first (k = 0: the even ones, k = 1: the odd ones)."""
        nodes = torch.arange(self.n_nodes)
        late = (nodes + k) % 2
        self._prior_first(late)
        return self._reads(late * self.n_nodes + self.natural_order)

    def _prior_first(self, late: Tensor) -> None:
        late[self.prior] = 0
        for i, of in self.hangs.items():
            late[i] = late[of]

    def _reads(self, position: Tensor) -> Tensor:
        """``(nets, N)`` bool: net j (row) reads node i (column) if i's position is lower."""
        return (position[None, :] < position[self.drawn][:, None]).to(self.first.device)

    def unit_axis(self, name: str) -> tuple[int, Tensor | None] | None:
        stem, _, number = name.partition(".")
        if stem.startswith("head"):
            return 0, torch.tensor([self.net[i] for i in self.buckets[int(number)]])
        if stem.startswith("fine"):
            return 0, torch.tensor([self.net[i] for i in self.fine_drawn])
        if stem == "table":
            return None
        if name == "skips.weight" and self.skips is not None:
            return 1, self.skips.owner
        if name.startswith("landing") and self.landing:
            return 1, torch.full((self.landing.head.shape[1],), self.net[self.landing.gap])
        if name == "near.weight" and self.near is not None:
            nets = torch.tensor([self.net[i] for i in self.near.targets], dtype=torch.long)
            return 1, nets.repeat_interleave(KERNELS)
        if name == "near.head" and self.near is not None:
            return 0, torch.tensor([self.net[i] for i in self.near.targets], dtype=torch.long)
        if stem == "dense_first":
            return 1, torch.arange(len(self.drawn)).repeat_interleave(self.first_width)
        if stem == "bands":
            return 0, torch.tensor([self.net[i] for i in self.bands.targets], dtype=torch.long)
        return (1, None) if stem == "first" and not self.wide else (0, None)

    def _losses(self, partial: Encoded, target: Encoded, open_: Tensor | None = None) -> Tensor:
        """``(nets, B)`` loss of each node that is drawn."""
        open_ = self._order() if open_ is None else open_
        if self.training or not self.wide or len(target) <= self.rows:
            return Forced(self, partial, target, open_).losses()
        blocks = [slice(a, a + self.rows) for a in range(0, len(target), self.rows)]
        return torch.cat([Forced(self, partial.take(at), target.take(at), open_).losses() for at in blocks], 1)

    @property
    def rows(self) -> int:
        """How many rows a wide table's nets take at once, outside training."""
        return max(4 * reads.BATCH // self.n_nodes, 32)

    def finish(self, data: Encoded, weight: Tensor | None = None) -> None:
        """Calibrate the heads in the table's order, on the training rows and then on rows that are drawn."""
        calibrate(self, data, weight, self._reads(self.natural_order))
        # Of a wide table too few rows could be drawn in the time, and none at all without inputs.
        if not self.wide and not self.layout.inputs:
            settle(self, data, weight)

    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        plan = Ancestral(self, partial, check_allowed(allowed, self.layout))
        done = plan.draw()
        self.joint = plan.joint
        return done

    @torch.no_grad()
    def conditionals(self, partial: Encoded) -> list[Tensor]:
        """One pass of all nets, each of which reads all that a row knows but its own node.

        A copy counts as the code that the source's number has on the node's own scale.
        """
        out: list[Tensor] = [torch.empty(0)] * self.n_nodes
        nothing = torch.zeros(len(self.drawn), self.n_nodes, dtype=torch.bool, device=self.table.device)
        forced = Forced(self, partial, partial, nothing)
        numbers = self._numbers(forced) if self.pointers else None
        for _, bucket, logits, _ in forced.answers():
            for r, i in enumerate(bucket):
                law = logits[r, :, : self.outputs[i]].softmax(1)
                codes = law[:, : self.nodes[i].size].clone()
                if numbers is not None and i in self.pointers.sources:
                    code, _, open_ = self.pointers.open(i, numbers, None)
                    codes.scatter_add_(1, code.clamp(max=codes.shape[1] - 1), law[:, self.tokens[i] :] * open_)
                out[i] = codes / codes.sum(1, keepdim=True).clamp(min=1e-30)
        return out

    def _numbers(self, forced: Forced) -> Tensor:
        """``(B, N)`` known numbers of the nodes that links speak of, NaN elsewhere."""
        numbers = torch.full(forced.tokens.shape, torch.nan, dtype=torch.float64, device=forced.tokens.device)
        known = self.pointers.numbers(forced.tokens, self.spread(forced.offsets), forced.known, self.sizes)
        numbers[:, self.pointers.used] = known.T.to(numbers)
        return numbers


def _make_room(model: AutoregressiveModel, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    if prefix + "sources" in state:  # else the load itself says what is missing
        model._room(reads.of_file(state[prefix + "sources"], len(model.drawn), model.n_nodes, model.spec.reads))


def _shape_heads(model: AutoregressiveModel, _: object) -> None:
    model._shape_heads()
