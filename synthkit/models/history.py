"""What a row of a sequence knows of the rows before it, in closed form: the same numbers in training and in drawing.

The row model (:mod:`synthkit.models.anyorder`) reads, beside the columns of its own row: the entity's context; the last
known value of every column, on the column's own scale; and a *summary* of the history: running means of every column's
features at several rates of forgetting, and where the row stands (how many rows and how much time have passed, and are
to come). Running means are states of a linear recurrence whose transition is fixed (as in state-space layers; Gu et
al., "HiPPO", NeurIPS 2020); only what is read from them is learnt. So training sees independent rows, of which every
one has its whole history however long that is, and drawing costs the same for every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.layout import Encoded, Layout
from synthkit.models.nets import Codes, nodes_of, places
from synthkit.models.steps import Steps

__all__ = ["History", "State"]

_DECAYS = (0.0, 0.5, 0.85, 1.0)  # of the running means; 1: the plain mean of all rows so far
_FEW = 12  # tokens of a node that are counted one by one
_DIRECTIONS = 8  # random ones, of a node with more
_DOUBT = 0.5  # rows of no evidence that a running mean starts from
_VISITS = 15  # rows (with bursts, times) that are known one by one
_LIMIT = 5.0  # standard deviations of a summary at most


@dataclass
class State:
    """What E entities hand on to their next row. K rates, P features.

    Attributes:
        lag: last known values, in the fields of ``Steps``; sums, mass: ``(E, K, P + J)``, after the features the sizes
            of the J numbers' steps; last: ``(E, J)`` their last known scores; age: ``(E, N)`` rows since each node was
            known; rows: ``(E,)`` so far; times: ``(E,)`` so far, those that rows share once; elapsed: ``(E,)``
            time since the first row, in units of the median gap;
        codes, offsets: ``(E, V, G)`` last values of numbers by group, -1 where there is none.
    """

    lag: Encoded
    sums: Tensor
    mass: Tensor
    last: Tensor
    age: Tensor
    rows: Tensor
    times: Tensor
    elapsed: Tensor
    codes: Tensor
    offsets: Tensor

    def take(self, index: Tensor | slice) -> State:
        """The entities at ``index``; a slice shares memory."""
        own = self._own()
        return State(self.lag.take(index), *(t[index] for t in own))

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        lag = self.lag
        return lag.num, lag.cat, lag.num_known, lag.cat_known, *self._own()

    def _own(self) -> tuple[Tensor, ...]:
        first = (self.sums, self.mass, self.last, self.age, self.rows, self.times, self.elapsed)
        return *first, self.codes, self.offsets


class Features(nn.Module):
    """What the codes of rows are as numbers: one-hot for few, place and its square for many ordered ones. Shapes: B
    rows, N nodes, F features of a node at most, P of them in use.
    """

    table: Tensor
    counted: Tensor
    keep: Tensor
    base: Tensor
    last: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.nodes = nodes_of(layout)
        self.codes = Codes(self.nodes, layout)
        sizes = [node.tokens for node in self.nodes]
        widths = [self._width(i) for i in range(len(self.nodes))]
        self.most = max(widths, default=1)
        keep = [i * self.most + k for i, w in enumerate(widths) for k in range(w)]
        for name, value in (("base", [0, *sizes]), ("keep", keep), ("last", [n - 1 for n in sizes])):
            self.register_buffer(name, torch.tensor(value, dtype=torch.long), persistent=False)
        self.base = self.base.cumsum(0)[:-1]
        # Numbers of many codes: how far they move from row to row is a feature, too.
        self.numbers = [i for i, node in enumerate(self.nodes) if node.tokens > _FEW and node.ordered]
        first = {i: k for k, i in reversed(list(enumerate(n // self.most for n in keep)))}
        self.score = [first[i] for i in self.numbers]
        self.register_buffer("table", torch.zeros(sum(sizes), self.most))
        self.register_buffer("counted", torch.zeros(sum(sizes), self.most))

    def __len__(self) -> int:
        return len(self.keep)

    def _width(self, i: int) -> int:
        node = self.nodes[i]
        if node.tokens <= _FEW:
            return node.tokens
        return (2 if node.ordered else _DIRECTIONS) + (node.null is not None)

    @torch.no_grad()
    def learn(self, data: Encoded) -> None:
        """Take the laws of the codes from rows."""
        tokens, known = self.codes.read(data)
        generator = torch.Generator().manual_seed(0)
        for i, node in enumerate(self.nodes):
            count = torch.bincount(tokens[known[:, i], i], minlength=node.tokens).float().cpu()
            law = (count + 0.5) / (count + 0.5).sum()
            at = slice(int(self.base[i]), int(self.base[i]) + node.tokens)
            vectors, counted = self._vectors(i, law, generator)
            self.table[at, : vectors.shape[1]] = vectors.to(self.table)
            self.counted[at, : vectors.shape[1]] = counted.to(self.table)

    def _vectors(self, i: int, law: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        node, width = self.nodes[i], self._width(i)
        if node.tokens <= _FEW:
            return torch.eye(node.tokens) - law, torch.ones(node.tokens, width)
        inner = width - (node.null is not None)
        mass = law[: node.size] / law[: node.size].sum()
        free = torch.randn(node.size, inner, generator=generator)
        vectors, counted = torch.zeros(node.tokens, width), torch.ones(node.tokens, width)
        vectors[: node.size, :inner] = places(mass.cumsum(0) - mass / 2, inner) if node.ordered else free
        if node.null is not None:  # a flag says so, and the value counts for nothing
            vectors[node.size, inner], counted[node.size, :inner] = 1.0, 0.0
        return vectors, counted

    def forward(self, data: Encoded) -> tuple[Tensor, Tensor]:
        """Features ``(B, P)``, and 1 where they say something."""
        tokens, known = self.codes.read(data)
        at = torch.minimum(tokens, self.last) + self.base
        x = (F.embedding(at, self.table) * known[..., None]).flatten(1)[:, self.keep]
        w = (F.embedding(at, self.counted) * known[..., None]).flatten(1)[:, self.keep]
        return x * w, w

    def scores(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Normal scores ``(B, J)`` of the numbers, from features, and where there is one."""
        return x[:, self.score], w[:, self.score] > 0

    def filled(self, data: Encoded) -> Tensor:
        """``(B, N)``: which nodes hold a value."""
        tokens, known = self.codes.read(data)
        return known & (tokens < torch.tensor([node.size for node in self.nodes], device=tokens.device))


class History(nn.Module):
    """Summaries of rows gone by, and of the context. Shapes: E entities, P features of a step, K rates.

    Args:
        context, step: layouts; timed: time is no fixed grid; bursts: most rows share their time with others, so that
            lengths count times, and a sequence ends with the last row of its last time.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, context: Layout, step: Layout, timed: bool, bursts: bool = False) -> None:
        super().__init__()
        self.timed, self.bursts = timed, bursts
        self.static, self.moving = Features(context), Features(step)
        columns = [step.fields[node.field].column for node in self.moving.nodes]
        own = [columns[int(k) // self.moving.most] for k in self.moving.keep]
        own += [columns[i] for i in self.moving.numbers]
        self.gaps = [i for i, node in enumerate(self.moving.nodes) if node.null is not None]
        self.about = own * len(_DECAYS) + [columns[i] for i in self.gaps]
        self.about += [-1] * (2 * len(self.static) + 7 + _VISITS + 3 * timed)
        self.size = len(self.about)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("scale", torch.ones(self.size))

    def learn(self, context: Encoded, steps: Encoded) -> None:
        """Take the laws of the codes from E entities and R rows."""
        self.static.learn(context)
        self.moving.learn(steps)

    def start(self, entities: int, steps: Steps) -> State:
        """Nothing has happened yet."""
        device, p, j = self.mean.device, len(self.moving), len(self.moving.numbers)
        zeros = torch.zeros(entities, len(_DECAYS), p + j, device=device)
        num, cat = len(steps.lag_num), len(steps.lag_cat)
        lag = Encoded(
            torch.zeros(entities, num, device=device),
            torch.zeros(entities, cat, dtype=steps.step.code_dtype, device=device),
            torch.zeros(entities, num, dtype=torch.bool, device=device),
            torch.zeros(entities, cat, dtype=torch.bool, device=device),
        )
        never = torch.full((entities, len(self.moving.nodes)), torch.inf, device=device)
        none = torch.full((entities, j), torch.nan, device=device)
        zero = torch.zeros(entities, device=device)
        many = [math.prod(steps.step.fields[f].size + 1 for f in kinds) for kinds, _ in steps.groups]  # the last: null
        codes = torch.full((entities, len(many), max(many, default=1)), -1, dtype=torch.int32, device=device)
        return State(lag, zeros, zeros.clone(), none, never, zero, zero.clone(), zero.clone(), codes, codes.float())

    def raw(self, state: State, static: Tensor, lengths: Tensor, span: Tensor) -> Tensor:
        """``(E, size)`` summaries before the next row, not yet standardised.

        Args:
            static: ``(E, ...)`` features of the context; lengths: ``(E,)`` rows (with bursts, times) in all; span:
                ``(E,)`` time from the first row to the last, in units of the median gap.
        """
        means = (state.sums / (state.mass + _DOUBT)).flatten(1)
        t, done, left, ahead = self._place(state, lengths)
        place = [t.log1p(), 1 / (1 + t), (t == 0).float(), left.log1p(), 1 / (1 + left), (left == 0).float()]
        place.append(done / (lengths - 1).clamp(min=1))
        place += [(t == k).float() for k in range(1, _VISITS + 1)]  # what is planned goes by the visit
        if self.timed:
            rest = (span - state.elapsed).clamp(min=0)
            place += [state.elapsed.log1p(), rest.log1p(), ((rest + 0.02) / ahead).log() * (t > 0)]
        stale = 1 / (1 + state.age[:, self.gaps])
        prior = static / (1 + t)[:, None]  # the less is known of an entity, the more its context says
        return torch.cat([means, stale, static, prior, torch.stack(place, 1)], 1)

    def _place(self, state: State, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``(E,)`` each: rows (with bursts, times) so far, before the last, to come; and gaps to come."""
        if not self.bursts:
            t, left = state.rows, (lengths - 1 - state.rows).clamp(min=0)
            return t, t, left, left + 1
        t = state.times  # whether the next row has a time of its own is not known yet
        left = (lengths - t.clamp(min=1)).clamp(min=0)
        return t, (t - 1).clamp(min=0), left, left.clamp(min=1)

    def due(self, state: State, lengths: Tensor, span: Tensor) -> Tensor | None:
        """``(E,)`` the mean of the gaps to come, in units of the median gap; NaN before first rows."""
        if not self.timed:
            return None
        ahead = self._place(state, lengths)[3]
        return torch.where(state.rows > 0, (span - state.elapsed).clamp(min=0) / ahead, torch.nan)

    def standard(self, raw: Tensor) -> Tensor:
        """Summaries on the scale of the training rows."""
        return ((raw - self.mean) / self.scale).clamp(-_LIMIT, _LIMIT)

    def group_tokens(self, tokens: Tensor, steps: Steps) -> Tensor:
        """``(E, V)`` groups of the rows, from tokens of the nodes of a step."""
        at = {node.field: i for i, node in enumerate(self.moving.nodes)}
        out = []
        for kinds, _ in steps.groups:
            kind = torch.zeros(len(tokens), dtype=torch.long, device=tokens.device)
            for field in kinds:
                kind = kind * (steps.step.fields[field].size + 1) + tokens[:, at[field]]
            out.append(kind)
        return torch.stack(out, 1)

    def groups_known(self, there: Tensor, steps: Steps) -> Tensor:
        """``(E,)`` whether all that tells kinds is known, from what is known of the nodes of a step."""
        at = {node.field: i for i, node in enumerate(self.moving.nodes)}
        return there[:, [at[field] for kinds, _ in steps.groups for field in kinds]].all(1)

    def recall(self, state: State, steps: Steps, groups: Tensor) -> Encoded:
        """Last values in the rows' own groups ``(E, V)``, in the fields that :class:`Steps` has for them."""
        out = steps.same.empty(len(groups), groups.device)
        code = state.codes.gather(2, groups[..., None])[..., 0]
        offset = state.offsets.gather(2, groups[..., None])[..., 0]
        v = -1
        for i, f in enumerate(steps.same.fields):
            slot = steps.same.slot[i]
            if f.size:
                v += 1
                out.cat[:, slot], out.cat_known[:, slot] = code[:, v].clamp(min=0).to(out.cat.dtype), code[:, v] >= 0
            else:
                out.num[:, slot], out.num_known[:, slot] = offset[:, v].clamp(min=0), offset[:, v] >= 0
        return out

    def _remember(self, state: State, steps: Steps, step: Encoded, tokens: Tensor) -> None:
        groups, fields = self.group_tokens(tokens, steps), steps.step.fields
        for v, (_, number) in enumerate(steps.groups):
            slot, g = steps.step.slot[number], groups[:, v, None]
            there = step.cat_known[:, slot, None]
            code = torch.where(there, step.cat[:, slot, None].int(), state.codes[:, v].gather(1, g))
            state.codes[:, v].scatter_(1, g, code)
            inner = [i for i, f in enumerate(fields) if f.given is not None and f.given[0] == number and not f.size]
            if inner:
                k = steps.step.slot[inner[0]]
                offset = torch.where(step.num_known[:, k, None], step.num[:, k, None], -1.0)
                state.offsets[:, v].scatter_(1, g, torch.where(there, offset, state.offsets[:, v].gather(1, g)))

    def advance(self, state: State, steps: Steps, step: Encoded, gap: Tensor) -> None:
        """Hand on a row, in place.

        Args:
            step: the rows, one per entity; gap: ``(E,)`` time since the row before, in units of the median gap.
        """
        x, w = self.moving(step)
        score, seen = self.moving.scores(x, w)
        jump = (score - state.last).abs()
        there = seen & ~jump.isnan()
        x = torch.cat([x, torch.where(there, jump, 0.0)], 1)
        w = torch.cat([w, there.to(w)], 1)
        state.last.copy_(torch.where(seen, score, state.last))
        known = self.moving.filled(step)
        state.age.copy_(torch.where(known, 0.0, state.age) + 1)
        decay = torch.tensor(_DECAYS, device=x.device)[:, None]
        forget = torch.where(w[:, None] > 0, decay, 1.0)  # a cell that is not there says nothing of the past either
        state.sums.mul_(forget).add_(x[:, None])
        state.mass.mul_(forget).add_(w[:, None])
        filled = steps.filled(step)
        if self.bursts:  # the last gap is that between times; that there was none, the running means say
            waits = sorted({f.column for f in steps.step.fields[: len(steps.gap)]})
            filled[:, waits] &= (gap > 0)[:, None]
        for mine, theirs, known_, theirs_known, column, slot in (
            (state.lag.num, step.num, state.lag.num_known, step.num_known, steps.num_column, steps.lag_num),
            (state.lag.cat, step.cat, state.lag.cat_known, step.cat_known, steps.cat_column, steps.lag_cat),
        ):
            new = filled[:, column]
            mine.copy_(torch.where(new, theirs[:, slot].to(mine.dtype), mine))
            known_.copy_(torch.where(new, theirs_known[:, slot], known_))
        if steps.groups:
            self._remember(state, steps, step, self.moving.codes.read(step)[0])
        state.times.add_((gap > 0) | (state.rows == 0))
        state.elapsed.add_(gap)
        state.rows.add_(1)
