"""What a row of a sequence knows of the rows before it, in closed form: the same numbers in training and in drawing.

The row model (:mod:`synthkit.models.anyorder`) reads, beside the columns of its own row: the entity's context; the last
known value of every column, on the column's own scale; and a *summary* of the history: running means of every column's
features at several rates of forgetting, and where the row stands (how many rows and how much time have passed, and are
to come). Running means are states of a linear recurrence whose transition is fixed (as in state-space layers; Gu et
al., "HiPPO", NeurIPS 2020); only what is read from them is learnt. So training sees independent rows, of which every
one has its whole history however long that is, and drawing costs the same for every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.layout import Calendar, Encoded, Field, Layout
from synthkit.models.nets import Codes, nodes_of, places
from synthkit.models.scales import Scales

__all__ = ["History", "State", "Steps"]

_DECAYS = (0.0, 0.5, 0.85, 1.0)  # of the running means; 1: the plain mean of all rows so far
_FEW = 12  # tokens of a node that are counted one by one
_DIRECTIONS = 8  # random ones, of a node with more
_DOUBT = 0.5  # rows of no evidence that a running mean starts from
_VISITS = 15  # rows (with bursts, times) that are known one by one
_LIMIT = 5.0  # standard deviations of a summary at most


class Steps:
    """The fields of a row with all that it may read. Shapes: B rows.

    In order: context | summary | last known values | those of the row's group | the gap that is due | the gap | the calendar of the row's time | the columns that move.
    Only the gap and the columns that move are drawn.

    Args:
        context, gap, rows: layouts of their own; calendar: parts of the date, name -> codes.
        summary: per number, the column of a step that it tells of, or -1.
        links: pairs ``(field of rows, rate)`` that repeat their last known value.
        days: of one unit of the gap's law, where dates count (a field for the time of the row before follows then).
        groups: pairs ``(field of groups, field of a number)`` of rows: the number's last value in the row's own group
            is an input that is known once the group is.
        derived: how many of the last columns that move follow from the others: they are not drawn.
        unit: of the gap's law, how many make a median gap; None: no gap is ever due.

    Attributes:
        layout: of all; step: of gap, calendar and columns alone, which is what is handed on from row to row.
    """

    def __init__(
        self,
        context: Layout,
        gap: Layout | None,
        calendar: Mapping[str, int],
        rows: Layout,
        summary: Sequence[int],
        links: tuple[tuple[int, float], ...] = (),
        days: float | None = None,
        groups: Sequence[tuple[int, int]] = (),
        derived: int = 0,
        unit: float | None = None,
    ) -> None:
        dates = Layout(tuple(Field(k, name, size) for k, (name, size) in enumerate(calendar.items())))
        parts = [gap or Layout(()), dates, rows]
        self.step, _ = _join(parts)
        lag, origin = _without_nulls(self.step)
        self.clock = days is not None and gap is not None and bool(calendar)
        tells = [f"summary{k}" for k in range(len(summary))] + ["clock"] * self.clock
        dense = Layout(tuple(Field(0, part) for part in tells))
        same = _same_group(rows, groups)
        self.due, codes = _due(gap if unit is not None else None)
        self.unit, self.scales = unit, Scales(list(self.due.laws.values()))
        every = [context, dense, lag, same, self.due, *parts]
        self.layout, shifts = _join(every)
        columns = [{f.column for f in part.fields} for part in every]
        offsets = _column_offsets(every)
        given = {c + offsets[k] for k in (0, 1, 2, 3, 4, 6) for c in columns[k]}
        given |= {c + offsets[7] for c in sorted(columns[7])[len(columns[7]) - derived :]}
        back = {field: i for i, field in enumerate(origin)}  # of the step -> of the lag
        first = len(parts[0].fields) + len(dates.fields)
        copies = tuple(
            (shifts[7] + field, shifts[2] + back[first + field], rate) for field, rate in links if first + field in back
        )
        copies = tuple(link for link in copies if self.layout.fields[link[0]].column not in given)
        about = {shifts[1] + k: offsets[5] + c for k, c in enumerate(summary) if c >= 0}
        whole = self.layout
        shift = {0: shifts[5], 1: shifts[7] - first}  # gap, then columns
        before = {
            field + shift[int(field >= first)]: shifts[2] + back[field]
            for field, f in enumerate(self.step.fields)
            if f.ordered and field in back
        }
        before |= {shifts[5] + field: shifts[4] for field in codes}
        starts = [i for i, f in enumerate(same.fields) if f.size]
        after = {}
        for k, (group, number) in enumerate(groups):
            before[shifts[7] + number] = shifts[3] + starts[k]
            after[shifts[3] + starts[k]] = shifts[7] + group
        self.groups = [(first + group, first + number) for group, number in groups]
        self.same, self.same_first = same, shifts[3]
        drawn = tuple(link for link in whole.links if whole.fields[link[0]].column not in given)
        dated = None
        if self.clock and days is not None:
            codes = [i for i in range(shifts[5], shifts[6]) if whole.fields[i].size and whole.fields[i].part != "null"]
            dated = Calendar(codes[0], shifts[1] + len(summary), days, tuple(calendar)) if codes else None
        self.layout = Layout(whole.fields, whole.laws, drawn + copies, frozenset(given), about, before, dated, after)
        self.lag = range(shifts[2], shifts[3])
        self.gap = range(shifts[5], shifts[6])
        self.dates = range(shifts[6], shifts[7])
        self.rows = range(shifts[7], len(self.layout.fields))
        self._slots(lag, origin)

    def _slots(self, lag: Layout, origin: list[int]) -> None:
        """Which slots of a step are kept as last known values, and where a step lies in the whole."""
        step = self.step
        self.lag_num = [step.slot[i] for i in origin if not step.fields[i].size]
        self.lag_cat = [step.slot[i] for i in origin if step.fields[i].size]
        column = [step.fields[i].column for i in origin]
        self.num_column = [c for c, i in zip(column, origin, strict=True) if not step.fields[i].size]
        self.cat_column = [c for c, i in zip(column, origin, strict=True) if step.fields[i].size]
        self.columns = 1 + max((f.column for f in step.fields), default=-1)
        nulls = {f.column: step.slot[i] for i, f in enumerate(step.fields) if f.part == "null"}
        firsts: dict[int, int] = {}
        for i, f in enumerate(step.fields):
            if f.size and f.part != "null":
                firsts.setdefault(f.column, step.slot[i])
        self.null_slot = [nulls.get(c, -1) for c in range(self.columns)]
        self.code_slot = [firsts.get(c, nulls.get(c, -1)) for c in range(self.columns)]

    def whole(
        self,
        context: Encoded,
        summary: Tensor,
        lag: Encoded,
        step: Encoded | None = None,
        days: Tensor | None = None,
        same: Encoded | None = None,
        due: Tensor | None = None,
    ) -> Encoded:
        """Rows of the whole layout; without ``step``, gap, calendar and columns are unknown.

        Args:
            days: ``(B,)`` time of the rows before, in days; same: last values in the rows' own groups; due: ``(B,)``
                the gap that is due, NaN where none is. None: unknown.
        """
        ahead = self._due_fields(summary.new_full((len(summary),), torch.nan) if due is None else due)
        same = self.same.empty(len(summary), summary.device) if same is None else same
        if self.clock:
            before = torch.zeros(len(summary), device=summary.device) if days is None else days
            summary = torch.cat([summary, before.to(summary)[:, None]], 1)
        step = self.step.empty(len(context), context.cat.device) if step is None else step
        dtype = self.layout.code_dtype
        sure = torch.ones_like(summary, dtype=torch.bool)
        return Encoded(
            torch.cat([context.num, summary, lag.num, same.num, ahead.num, step.num], 1),
            torch.cat([t.cat.to(dtype) for t in (context, lag, same, ahead, step)], 1),
            torch.cat([context.num_known, sure, *(t.num_known for t in (lag, same, ahead, step))], 1),
            torch.cat([t.cat_known for t in (context, lag, same, ahead, step)], 1),
        )

    def _due_fields(self, due: Tensor) -> Encoded:
        """The gap that is due in the fields of :func:`_due`; NaN is unknown."""
        out = self.due.empty(len(due), due.device)
        if self.unit is None or not self.due.fields:
            return out
        known = ~due.isnan()
        self.scales = self.scales.to(due.device)
        code, offset = self.scales.places(torch.where(known, due, 1.0).double()[None] * self.unit)
        out.cat[:, 0], out.cat_known[:, 0] = code[0].to(out.cat.dtype), known
        if self.due.n_num:
            out.num[:, 0], out.num_known[:, 0] = offset[0].to(out.num.dtype), known
        return out

    def step_of(self, whole: Encoded) -> Encoded:
        """Gap, calendar and columns of rows of the whole layout."""
        n, c = self.step.n_num, self.step.n_cat
        cut = [t[:, t.shape[1] - k :] for t, k in zip(_parts(whole), (n, c, n, c), strict=True)]
        return Encoded(cut[0], cut[1].to(self.step.code_dtype), cut[2], cut[3])

    def build(self, gap: Encoded | None, dates: Tensor, rows: Encoded) -> Encoded:
        """Steps from their parts; ``dates``: ``(B, parts)`` codes."""
        gap = Layout(()).empty(len(rows), rows.cat.device) if gap is None else gap
        dtype = self.step.code_dtype
        sure = torch.ones_like(dates, dtype=torch.bool)
        return Encoded(
            torch.cat([gap.num, rows.num], 1),
            torch.cat([gap.cat.to(dtype), dates.to(dtype), rows.cat.to(dtype)], 1),
            torch.cat([gap.num_known, rows.num_known], 1),
            torch.cat([gap.cat_known, sure, rows.cat_known], 1),
        )

    def split(self, step: Encoded, gap: Layout | None, rows: Layout) -> tuple[Encoded, Encoded]:
        """The gap and the columns of steps, each in its own layout."""
        out = []
        for layout, last in ((gap or Layout(()), False), (rows, True)):
            n, c = layout.n_num, layout.n_cat
            tensors = [
                t[:, t.shape[1] - k :] if last else t[:, :k] for t, k in zip(_parts(step), (n, c, n, c), strict=True)
            ]
            out.append(Encoded(tensors[0], tensors[1].to(layout.code_dtype), tensors[2], tensors[3]))
        return out[0], out[1]

    def filled(self, step: Encoded) -> Tensor:
        """``(B, columns)``: which columns of steps hold a value."""
        out = torch.zeros(len(step), self.columns, dtype=torch.bool, device=step.cat.device)
        for c, (null, code) in enumerate(zip(self.null_slot, self.code_slot, strict=True)):
            if null >= 0:
                out[:, c] = step.cat_known[:, null] & (step.cat[:, null] == 0)
            if code >= 0 and code != null:
                out[:, c] = step.cat_known[:, code]
        return out


def _parts(data: Encoded) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return data.num, data.cat, data.num_known, data.cat_known


def _column_offsets(parts: list[Layout]) -> list[int]:
    out = [0]
    for part in parts:
        out.append(out[-1] + 1 + max((f.column for f in part.fields), default=-1))
    return out


def _join(parts: list[Layout]) -> tuple[Layout, list[int]]:
    """Layouts one after the other, and where the fields of each begin."""
    fields: list[Field] = []
    laws, links, shifts = {}, [], []
    for part, column in zip(parts, _column_offsets(parts), strict=False):
        shift = len(fields)
        shifts.append(shift)
        for f in part.fields:
            given = None if f.given is None else (f.given[0] + shift, f.given[1])
            fields.append(Field(f.column + column, f.part, f.size, given, f.ordered))
        laws.update({field + shift: law for field, law in part.laws.items()})
        links += [(j + shift, i + shift, rate) for j, i, rate in part.links]
    return Layout(tuple(fields), laws, tuple(links)), shifts


def _due(gap: Layout | None) -> tuple[Layout, list[int]]:
    """Fields for the gap that is due (a code, its offset), and the fields of the gap that it is the like of."""
    codes = [] if gap is None else [i for i in gap.laws if gap.fields[i].size and gap.fields[i].ordered]
    if gap is None or not codes:
        return Layout(()), []
    code = codes[0]
    fields = [Field(0, "code", gap.fields[code].size, None, True)]
    fields += [
        Field(0, "offset", 0, (0, f.given[1])) for f in gap.fields if f.given and f.given[0] == code and not f.size
    ]
    return Layout(tuple(fields), {0: gap.laws[code]}), [code]


def _same_group(rows: Layout, groups: Sequence[tuple[int, int]]) -> Layout:
    """Fields for the last values of numbers in the row's own group: a code each, and its offset."""
    fields: list[Field] = []
    laws = {}
    for k, (_, number) in enumerate(groups):
        code = len(fields)
        fields.append(Field(k, "code", rows.fields[number].size, None, True))
        if number in rows.laws:
            laws[code] = rows.laws[number]
        for f in rows.fields:
            if f.given is not None and f.given[0] == number and not f.size:
                fields.append(Field(k, "offset", 0, (code, f.given[1])))
    return Layout(tuple(fields), laws)


def _without_nulls(layout: Layout) -> tuple[Layout, list[int]]:
    """The fields of values alone (a flag of a column that has nothing else stays), and which they are."""
    alone = {f.column for f in layout.fields if f.part != "null"}
    kept = [i for i, f in enumerate(layout.fields) if f.part != "null" or f.column not in alone]
    at = {i: k for k, i in enumerate(kept)}
    fields = []
    for i in kept:
        f = layout.fields[i]
        given = None if f.given is None or f.given[0] not in at else (at[f.given[0]], f.given[1])
        fields.append(Field(f.column, f.part, f.size, given, f.ordered))
    return Layout(tuple(fields), {at[i]: law for i, law in layout.laws.items() if i in at}), kept


@dataclass
class State:
    """What E entities hand on to their next row. K rates, P features.

    Attributes:
        lag: last known values, in the fields of ``Steps``; sums, mass: ``(E, K, P + J)``, after the features the sizes
            of the J numbers' steps; last: ``(E, J)`` their last known scores; age: ``(E, N)`` rows since each node was
            known; rows: ``(E,)`` so far; times: ``(E,)`` so far, those that rows share once; elapsed: ``(E,)`` time since the first row, in units of the median gap;
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
        many = [steps.step.fields[group].size + 1 for group, _ in steps.groups]  # the last: null
        codes = torch.full((entities, len(many), max(many, default=1)), -1, dtype=torch.int32, device=device)
        return State(lag, zeros, zeros.clone(), none, never, zero, zero.clone(), zero.clone(), codes, codes.float())

    def raw(self, state: State, static: Tensor, lengths: Tensor, span: Tensor) -> Tensor:
        """``(E, size)`` summaries before the next row, not yet standardised.

        Args:
            static: ``(E, ...)`` features of the context; lengths: ``(E,)`` rows (with bursts, times) in all; span: ``(E,)`` time from the
                first row to the last, in units of the median gap.
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
        """``(E,)`` each: rows (with bursts, times) so far, those before the last, those left, and gaps that they need."""
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
        return tokens[:, [at[group] for group, _ in steps.groups]]

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
