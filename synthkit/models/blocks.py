"""Parts of nets that see a whole row at once (GAN, VAE): rows as one vector, and one head per node, batched.

Shapes: B rows, N nodes, T tokens of all nodes together, W units. A *node* is a coded field with its null flag and its
offset (``nets.Node``); its tokens are its codes and, last, null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import draw_codes
from synthkit.models.calibration import shift
from synthkit.models.nets import Codes, Node, buckets, code_features, dropout, nodes_of, places

__all__ = ["Answers", "Cells", "Heads", "ResidualMLP", "RowInput", "Rows"]

_SPIKINESS = 20.0  # times its mass: how far an ordered code may leave its neighbours
_FLOOR = -30.0  # logit of a code that a padded head must not give


@dataclass(frozen=True)
class Rows:
    """Rows as nodes.

    Attributes:
        tokens: ``(B, N)``; known, present: bool ``(B, N)``, where present is "not null, nothing else is known".
        offsets: ``(B, fine nodes)`` in [0, 1], -1 where unknown.
    """

    tokens: Tensor
    known: Tensor
    present: Tensor
    offsets: Tensor

    def take(self, index: Tensor | slice) -> Rows:
        """The rows at ``index``."""
        return Rows(self.tokens[index], self.known[index], self.present[index], self.offsets[index])

    def repeat(self, times: int) -> Rows:
        """All rows, so many times one after another."""
        return self.take(torch.arange(len(self.tokens), device=self.tokens.device).repeat(times))


class Cells(nn.Module):
    """The nodes of a layout: where their tokens lie in ``Encoded``, how frequent they are, and places in their laws."""

    base: Tensor
    sizes: Tensor
    law: Tensor
    edges: Tensor
    fine: Tensor
    nullable: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.nodes: tuple[Node, ...] = nodes_of(layout)
        self.codes = Codes(self.nodes, layout)
        self.tokens = [node.tokens for node in self.nodes]
        self.total = sum(self.tokens)
        fine = [i for i, node in enumerate(self.nodes) if node.offset is not None]
        self.offset_slot = [layout.slot[self.nodes[i].offset] for i in fine]  # type: ignore[index]
        base = torch.tensor([0, *self.tokens]).cumsum(0)[:-1]
        self.register_buffer("base", base, persistent=False)
        self.register_buffer("sizes", torch.tensor([n.size for n in self.nodes], dtype=torch.long), persistent=False)
        self.register_buffer("fine", torch.tensor(fine, dtype=torch.long), persistent=False)
        nullable = torch.tensor([node.null is not None for node in self.nodes], dtype=torch.bool)
        self.register_buffer("nullable", nullable, persistent=False)
        self.register_buffer("law", torch.zeros(self.total))  # of each token in its node
        self.register_buffer("edges", torch.zeros(self.total, 2))  # where a code begins and ends in its law

    def __len__(self) -> int:
        return len(self.nodes)

    def span(self, i: int) -> slice:
        """Where node i's tokens lie among all T."""
        start = sum(self.tokens[:i])
        return slice(start, start + self.tokens[i])

    @torch.no_grad()
    def count(self, data: Encoded, weight: Tensor | None) -> None:
        """Take the frequencies of the tokens from the training rows."""
        for i, (node, count) in enumerate(zip(self.nodes, self.counts(data, weight), strict=True)):
            self.law[self.span(i)] = ((count + 0.5) / (count.sum() + 0.5 * node.tokens)).float()
            codes = count[: node.size] / count[: node.size].sum().clamp(min=1e-12)
            end = codes.cumsum(0).float().clamp(max=1.0)
            self.edges[self.span(i)][: node.size] = torch.stack([torch.cat([end.new_zeros(1), end[:-1]]), end], 1)
            if node.null is not None:
                self.edges[self.span(i)][node.size] = 0.5

    def shape(self, i: int) -> tuple[Tensor, Tensor]:
        """Middles of node i's codes in their law, and how far each may leave its neighbours, ``(size,)`` each."""
        edge = self.edges[self.span(i)][: self.nodes[i].size]
        mass = edge[:, 1] - edge[:, 0]
        # A code of few rows leans on its neighbours; a spike stands by itself.
        own = (mass * _SPIKINESS).clamp(0.05, 1.0) if self.nodes[i].ordered else torch.ones_like(mass)
        return edge.mean(1), own

    def counts(self, data: Encoded, weight: Tensor | None) -> list[Tensor]:
        """How often each node takes which token, ``(tokens,)`` each."""
        rows = self.read(data)
        w = torch.ones(len(data), dtype=torch.float64, device=data.cat.device)
        w = w if weight is None else weight.double() / weight.double().mean()
        return [
            torch.bincount(rows.tokens[:, i], torch.where(rows.known[:, i], w, 0.0), minlength=size)[:size]
            for i, size in enumerate(self.tokens)
        ]

    def read(self, data: Encoded) -> Rows:
        """The nodes of encoded rows."""
        tokens, known = self.codes.read(data)
        if not self.offset_slot:
            offsets = torch.zeros(len(data), 0, device=data.cat.device)
        else:
            offsets = torch.where(data.num_known[:, self.offset_slot], data.num[:, self.offset_slot], -1.0)
        return Rows(tokens, known, self.codes.present(data, known), offsets)

    def hide(self, rows: Rows, mask: Tensor) -> Rows:
        """The rows with the nodes under ``mask`` ``(B, N)`` unknown, their offsets too."""
        offsets = torch.where(mask[:, self.fine], -1.0, rows.offsets)
        return Rows(rows.tokens, rows.known & ~mask, rows.present & ~mask, offsets)

    def places(self, tokens: Tensor, offsets: Tensor) -> Tensor:
        """``(B, N)`` places of rows' tokens in their nodes' laws; the middle of the cell where there is no offset."""
        edge = self.edges[tokens + self.base]
        at = edge.new_full((len(tokens), len(self)), 0.5)
        at[:, self.fine] = torch.where(offsets >= 0, offsets, 0.5)
        return edge[..., 0] + at * (edge[..., 1] - edge[..., 0])

    def write(self, partial: Encoded, tokens: Tensor, offsets: Tensor) -> Encoded:
        """``partial`` completed by drawn tokens ``(B, N)`` and offsets ``(B, fine nodes)``, where they apply."""
        num, cat = partial.num.clone(), partial.cat.clone()
        num_known, cat_known = partial.num_known.clone(), partial.cat_known.clone()
        layout, slot = self.layout, self.layout.slot
        fine = {int(i): q for q, i in enumerate(self.fine)}
        for i, node in enumerate(self.nodes):
            todo = ~cat_known[:, slot[node.field]] & self._applies(node, cat, cat_known)
            self.codes.write(i, todo, tokens[todo, i], cat, cat_known)
            if node.offset is None:
                continue
            q, where = slot[node.offset], layout.fields[node.offset].given
            open_ = cat_known[:, slot[node.field]] & ~num_known[:, q]
            if where is not None:
                inside = torch.zeros(node.size, dtype=torch.bool, device=cat.device)
                inside[list(where[1])] = True
                open_ &= inside[cat[:, slot[node.field]].long()]
            num[:, q] = torch.where(open_, offsets[:, fine[i]].to(num.dtype), num[:, q])
            num_known[:, q] |= open_
        return Encoded(num, cat, num_known, cat_known)

    def _applies(self, node: Node, cat: Tensor, cat_known: Tensor) -> Tensor:
        """``(B,)`` whether a node is to be drawn, given the null flags and parents known by now."""
        layout, slot = self.layout, self.layout.slot
        if node.null is not None:  # the flag itself may be known: null leaves nothing to draw
            return ~(cat_known[:, slot[node.null]] & (cat[:, slot[node.null]] == 1))
        given = layout.fields[node.field].given
        if given is None:
            return torch.ones(len(cat), dtype=torch.bool, device=cat.device)
        inside = torch.zeros(layout.fields[given[0]].size, dtype=torch.bool, device=cat.device)
        inside[list(given[1])] = True
        return cat_known[:, slot[given[0]]] & inside[cat[:, slot[given[0]]].long()]


class RowInput(nn.Module):
    """Rows to one vector each: a learnt vector per token, joined over nodes, with what is known of each, one matrix.

    Ordered codes also read the number's own place in its law, so that nothing inside a cell is lost.

    Args:
        cells: with frequencies taken (or restored afterwards).
        features: entries of a token's vector; width: of the result.
    """

    def __init__(self, cells: Cells, features: int, width: int) -> None:
        super().__init__()
        self.cells, self.features = cells, features
        self.table = nn.Parameter(torch.zeros(cells.total, features))
        self.exact = [i for i, node in enumerate(cells.nodes) if node.ordered and node.offset is not None]
        inputs = len(cells) * (features + 2) + len(self.exact) * features
        self.linear = nn.Linear(inputs, width)

    @torch.no_grad()
    def start(self) -> None:
        """Vectors before training, from where codes lie in their laws."""
        generator = torch.Generator().manual_seed(0)
        for i, node in enumerate(self.cells.nodes):
            middle, own = (t.cpu() for t in self.cells.shape(i))
            vectors = code_features(node, middle, own, self.features, generator)
            self.table[self.cells.span(i)] = vectors.to(self.table)

    def forward(self, rows: Rows) -> Tensor:
        """``(B, W)``."""
        x = F.embedding(rows.tokens + self.cells.base, self.table) * rows.known[..., None]
        numbers = rows.known & (rows.tokens < self.cells.sizes)
        at = self.cells.places(rows.tokens, rows.offsets)[:, self.exact]
        exact = places(at, self.features) * numbers[:, self.exact, None]
        flags = torch.cat([rows.known, rows.present], 1).to(x.dtype)
        out: Tensor = self.linear(torch.cat([x.flatten(1), exact.flatten(1), flags], 1))
        return out


class ResidualMLP(nn.Module):
    """``depth`` pre-normalised residual blocks ``(B, W)`` -> ``(B, W)``; the last layer of each starts at nothing."""

    def __init__(self, width: int, depth: int, rate: float = 0.0, expand: int = 2) -> None:
        super().__init__()
        self.rate = rate
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, expand * width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(expand * width, width) for _ in range(depth))
        for layer in self.down:
            nn.init.normal_(layer.weight, std=0.02 / math.sqrt(max(depth, 1)))  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        for norm, up, down in zip(self.norm, self.up, self.down, strict=True):
            h = h + down(dropout(F.silu(up(norm(h))), self.rate, self.training))
        return h


@dataclass(frozen=True)
class Answers:
    """What the heads say of B rows.

    Attributes:
        logits: per bucket ``(nodes of the bucket, B, size)``; padding and absent tokens are at -30 or below.
        fine: ``(fine nodes, B, S)`` logits of the parts of a cell, before the code has its say.
    """

    logits: list[Tensor]
    fine: Tensor


class Heads(nn.Module):
    """One head per node on a shared vector ``(B, W)``: a softmax over tokens and one over parts of the offset's cell.

    The head of an ordered node has smooth directions that neighbouring codes share, beside its free ones.

    Args:
        smooth: how many smooth directions; subcells: parts of a cell, S.
    """

    def __init__(self, cells: Cells, width: int, smooth: int = 16, subcells: int = 8) -> None:
        super().__init__()
        self.cells, self.smooth, self.subcells = cells, smooth, subcells
        self.buckets = buckets(cells.tokens)
        self.place = {i: (k, r) for k, b in enumerate(self.buckets) for r, i in enumerate(b)}
        self.free, self.slow, self.bias = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for k, bucket in enumerate(self.buckets):
            size = max(cells.tokens[i] for i in bucket)
            self.free.append(nn.Parameter(torch.randn(len(bucket), width, size) * 0.02))
            self.slow.append(nn.Parameter(torch.zeros(len(bucket), width, smooth)))
            bias = torch.full((len(bucket), 1, size), _FLOOR)
            for r, i in enumerate(bucket):
                bias[r, 0, : cells.tokens[i]] = 0.0
            self.bias.append(nn.Parameter(bias))
            self.register_buffer(f"basis{k}", torch.zeros(len(bucket), smooth, size), persistent=False)
            self.register_buffer(f"own{k}", torch.ones(len(bucket), 1, size), persistent=False)
            alive = torch.arange(size)[None, :] < torch.tensor([cells.tokens[i] for i in bucket])[:, None]
            self.register_buffer(f"alive{k}", alive[:, None, :], persistent=False)
        m = len(cells.fine)
        self.fine = nn.Parameter(torch.zeros(m, width, subcells))
        self.fine_bias = nn.Parameter(torch.zeros(cells.total if m else 0, subcells))  # per code
        self.register_load_state_dict_post_hook(_shape)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def start(self) -> None:
        """Biases at the logarithms of the frequencies."""
        for i, (k, r) in self.place.items():
            self.bias[k][r, 0, : self.cells.tokens[i]] = self.cells.law[self.cells.span(i)].log()
        self.shape()

    @torch.no_grad()
    def shape(self) -> None:
        """The smooth directions, from where the codes lie in their laws."""
        for i, (k, r) in self.place.items():
            node = self.cells.nodes[i]
            if not node.ordered:
                continue
            middle, own = self.cells.shape(i)
            self.get_buffer(f"own{k}")[r, 0, : node.size] = own
            if self.smooth:
                self.get_buffer(f"basis{k}")[r, :, : node.size] = places(middle, self.smooth).T

    def forward(self, h: Tensor) -> Answers:
        """From ``(B, W)``."""
        logits = []
        for k in range(len(self.buckets)):
            weight = self.free[k] * self.get_buffer(f"own{k}") + self.slow[k] @ self.get_buffer(f"basis{k}")
            out = torch.baddbmm(self.bias[k], h.expand(len(weight), -1, -1), weight)
            logits.append(out.masked_fill(~self.get_buffer(f"alive{k}"), 2 * _FLOOR))
        return Answers(logits, torch.matmul(h, self.fine))

    def losses(self, answers: Answers, rows: Rows) -> Tensor:
        """``(B, N)`` -log p of the known tokens, with their offsets (relative to the uniform law of the cell)."""
        out = torch.zeros(rows.tokens.shape, device=rows.tokens.device)
        for k, bucket in enumerate(self.buckets):
            logits = answers.logits[k]
            goal = rows.tokens[:, bucket].T.clamp(max=logits.shape[2] - 1)
            picked = logits.gather(2, goal[..., None]).squeeze(2) - logits.logsumexp(2)
            out[:, bucket] = -picked.T
        if len(self.cells.fine):
            inside = rows.offsets >= 0
            at = (rows.offsets.clamp(0, 1) * self.subcells).long().clamp(max=self.subcells - 1)
            law = self.parts(answers, rows.tokens).log_softmax(2)
            gain = law.gather(2, at.T[..., None]).squeeze(2).T + math.log(self.subcells)
            own = torch.zeros_like(out)
            own[:, self.cells.fine] = torch.where(inside, -gain, 0.0)
            out = out + own
        return torch.where(rows.known, out, 0.0)

    def explain(self, answers: Answers, one: Rows) -> Tensor:
        """``(B,)`` log-probability of what ``one`` row knows, offsets aside, by each row of ``answers``."""
        b = answers.fine.shape[1]
        coarse = Rows(one.tokens, one.known, one.present, torch.full_like(one.offsets, -1.0)).repeat(b)
        out = -self.losses(answers, coarse).sum(1)
        for i in (one.present & ~one.known)[0].nonzero().squeeze(1).tolist():  # not null
            k, r = self.place[i]
            null = answers.logits[k][r].log_softmax(1)[:, self.cells.nodes[i].size]
            out = out + torch.log1p(-null.exp().clamp(max=1 - 1e-6))
        return out

    def parts(self, answers: Answers, tokens: Tensor) -> Tensor:
        """``(fine nodes, B, S)`` logits of the parts of the cells of ``tokens`` ``(B, N)``."""
        which = (tokens + self.cells.base)[:, self.cells.fine].T
        return answers.fine + self.fine_bias[which]

    def forbid(self, answers: Answers, rows: Rows) -> Answers:
        """The same without null where a row says "not null"."""
        if not self.cells.codes.nullable or not bool(rows.present.any()):
            return answers
        logits = []
        for k, bucket in enumerate(self.buckets):
            mask = torch.zeros_like(answers.logits[k], dtype=torch.bool)
            for r, i in enumerate(bucket):
                if self.cells.nodes[i].null is not None:
                    mask[r, :, self.cells.nodes[i].size] = rows.present[:, i]
            logits.append(answers.logits[k].masked_fill(mask, -1e4))
        return Answers(logits, answers.fine)

    @torch.no_grad()
    def draw_tokens(self, answers: Answers) -> Tensor:
        """Tokens ``(B, N)``, each node by itself."""
        rows = answers.fine.shape[1]
        tokens = torch.zeros(rows, len(self.cells), dtype=torch.long, device=self.fine.device)
        for logits, bucket in zip(answers.logits, self.buckets, strict=True):
            tokens[:, bucket] = draw_codes(logits.flatten(0, 1)).view(len(bucket), rows).T
        return tokens

    @torch.no_grad()
    def draw_offsets(self, answers: Answers, tokens: Tensor, rules: Mapping[int, Allowed] | None = None) -> Tensor:
        """Offsets ``(B, fine nodes)`` inside the cells of ``tokens`` ``(B, N)``.

        Args:
            rules: per coded field, the part of each cell that an offset must come from.
        """
        if not len(self.cells.fine):
            return torch.zeros(len(tokens), 0, device=tokens.device)
        parts, s = self.parts(answers, tokens), self.subcells
        low = (torch.arange(s, device=parts.device) / s).expand(parts.shape).contiguous()
        high = low + 1 / s
        for q, i in enumerate(self.cells.fine.tolist()):
            rule = (rules or {}).get(self.cells.nodes[i].field)
            if rule is not None:
                code = tokens[:, i].clamp(max=self.cells.nodes[i].size - 1)
                low[q] = torch.maximum(low[q], rule.low.to(low)[code][:, None])
                high[q] = torch.minimum(high[q], rule.high.to(low)[code][:, None])
        room = (high - low).clamp(min=0)
        stuck = ~(room > 0).any(2)  # an interval of no width: keep its part
        room[stuck] = (low <= high)[stuck].to(room) + 1e-6
        part = draw_codes((parts + room.log()).flatten(0, 1)).view(len(parts), -1, 1)
        a, b = low.gather(2, part).squeeze(2).T, high.gather(2, part).squeeze(2).T
        return (a + torch.rand(a.shape, device=a.device) * (b - a)).clamp(0, 1)

    @torch.no_grad()
    def settle(
        self, draw: Callable[[int], Encoded], rows: int, data: Encoded, weight: Tensor | None, rounds: int = 3
    ) -> None:
        """Shift the biases until drawn rows have the rows' frequencies; what is within the noise stays as it is.

        Args:
            draw: so many rows of the whole model; rows: of each round; data, weight: the training rows.
        """
        wanted = self.cells.counts(data, weight)
        for _ in range(rounds if len(data) else 0):
            have = self.cells.counts(draw(rows), None)
            for i, (k, r) in self.place.items():
                self.bias[k][r, 0, : self.cells.tokens[i]] += shift(wanted[i], have[i]).to(self.bias[k])


def _shape(heads: Heads, _: object) -> None:
    heads.shape()
