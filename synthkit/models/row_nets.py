"""What the any-order model is made of: its nodes, and the parameters of their nets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from synthkit.layout import Layout
from synthkit.models import reads
from synthkit.models.bands import Bands
from synthkit.models.base import Model
from synthkit.models.landing import Landing
from synthkit.models.near import Near
from synthkit.models.nets import Codes, buckets, nodes_of, places
from synthkit.models.pointers import Pointers
from synthkit.models.skips import Skips

if TYPE_CHECKING:
    from synthkit.models.autoregressive import Autoregressive

__all__ = ["RowNets"]


class RowNets(Model):
    """The parts of :class:`synthkit.models.anyorder.AutoregressiveModel`, batched over nets. Shapes: N nodes, D input
    features in all, H hidden units."""

    base: Tensor
    first_edge: Tensor
    sizes: Tensor
    owner: Tensor
    keep: Tensor
    edges: Tensor
    sources: Tensor

    def __init__(self, spec: Autoregressive, layout: Layout) -> None:
        super().__init__()
        self.nodes = nodes_of(layout)
        self._places_in_the_row(layout)
        self.wide = len(self.nodes) > spec.reads  # each net reads some nodes only
        self.spec, self.layout = spec.slim() if self.wide else spec, layout
        self._answers()
        self._index()
        self._parameters_of_nets()
        if self.wide:
            self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_shape_heads)  # type: ignore[no-untyped-call]

    def _places_in_the_row(self, layout: Layout) -> None:
        """Which nodes are drawn, in which order, and what is read beside them."""
        nodes = self.nodes
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

    def _answers(self) -> None:
        """Tokens of the nodes, their input vectors, and which have offsets, bands and links."""
        spec, nodes, n = self.spec, self.nodes, self.n_nodes
        self.tokens = [node.tokens for node in nodes]
        self.pointers = Pointers(self.layout, nodes)
        # What a net may answer: a code, null, or "as in that column".
        self.outputs = [t + len(self.pointers.sources.get(i, [])) for i, t in enumerate(self.tokens)]
        base = np.concatenate([[0], np.cumsum(self.tokens)]).astype(int)
        widths = [min(t, spec.features) for t in self.tokens]
        self.slices = np.concatenate([[0], np.cumsum(widths)]).astype(int)
        n_tokens = int(base[-1])
        for name, value in (
            ("base", base[:-1]),
            ("first_edge", base[:-1] + np.arange(n)),
            ("sizes", [x.size for x in nodes]),
        ):
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.long), persistent=False)
        self.register_buffer("owner", torch.as_tensor(np.repeat(np.arange(n), widths)), persistent=False)
        keep = np.concatenate([np.arange(w) + i * spec.features for i, w in enumerate(widths)] or [np.empty(0, int)])
        self.register_buffer("keep", torch.as_tensor(keep), persistent=False)
        self.table = nn.Parameter(torch.zeros(n_tokens, spec.features))
        self.register_buffer("edges", torch.zeros(n_tokens + n))  # cumulative mass at the borders of each code
        self.fine = [i for i, node in enumerate(nodes) if node.offset is not None]
        # Offsets of nodes whose features hold their place are read at full resolution.
        self.exact = [i for i in self.fine if nodes[i].ordered and self.tokens[i] > spec.features]
        self.exact_set = frozenset(self.exact)
        self.fine_row = {i: q for q, i in enumerate(self.fine)}
        self.fine_drawn = [i for i in self.fine if i in self.net]
        self.fine_net = {i: q for q, i in enumerate(self.fine_drawn)}
        self.bands = Bands(nodes, spec.width, spec.bands, spec.harmonics, self.drawn)
        # One more unit of each first layer, linear and never dropped, goes straight to the answer "null".
        self.straight = int(any(nodes[i].null is not None for i in self.drawn))

    def _index(self) -> None:
        """Where each node's entries lie in ``Encoded``."""
        self.codes = Codes(self.nodes, self.layout)
        slot, nodes = self.layout.slot, self.nodes
        self.offset_slot = [slot[nodes[i].offset] for i in self.fine]  # type: ignore[index]

    def _parameters_of_nets(self) -> None:
        spec, total, n, h = self.spec, int(self.slices[-1]), len(self.drawn), self.spec.width
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
        self._heads()
        if self.fine_drawn:
            m = len(self.fine_drawn)
            self.fine_code = nn.Parameter(torch.randn(m, spec.features, h) * 0.02)
            self.fine_head = nn.Parameter(torch.zeros(m, h, spec.subcells))
            self.fine_bias = nn.Parameter(torch.zeros(m, 1, spec.subcells))

    def _heads(self) -> None:
        spec = self.spec
        self.place = {i: (k, r) for k, b in enumerate(self.buckets) for r, i in enumerate(b)}
        self.head, self.head_smooth, self.head_bias = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for k, bucket in enumerate(self.buckets):
            size = max(self.outputs[i] for i in bucket)
            self.head.append(nn.Parameter(torch.randn(len(bucket), spec.width, size) * 0.02))
            self.head_smooth.append(nn.Parameter(torch.zeros(len(bucket), spec.width, spec.smooth)))
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


def _make_room(model: RowNets, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    if prefix + "sources" in state:  # else the load itself says what is missing
        model._room(reads.of_file(state[prefix + "sources"], len(model.drawn), model.n_nodes, model.spec.reads))


def _shape_heads(model: RowNets, _: object) -> None:
    model._shape_heads()
