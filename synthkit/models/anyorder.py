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

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from synthkit.layout import Allowed, Encoded
from synthkit.models import reads
from synthkit.models.ancestral import Ancestral
from synthkit.models.base import Recipe, check_allowed
from synthkit.models.calibration import calibrate, settle
from synthkit.models.forced import Forced
from synthkit.models.near import KERNELS
from synthkit.models.nets import dropout, places
from synthkit.models.row_nets import RowNets
from synthkit.models.starting import start

__all__ = ["AutoregressiveModel"]


class AutoregressiveModel(RowNets):
    """The nets of all nodes, batched. Shapes: B rows, N nodes, D input features in all, H hidden units."""

    # ---------------------------------------------------------------- training
    def plan(self, recipe: Recipe) -> Recipe:
        return reads.plan(recipe, self.n_nodes, self.spec.lr) if self.wide else recipe

    def take_frequencies(self, data: Encoded, weight: Tensor | None) -> None:
        """Closed-form start (:mod:`synthkit.models.starting`)."""
        start(self, data, weight)

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
