"""The fields of a row of a sequence: those that are drawn, and those that it may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from synthkit.layout import Calendar, Encoded, Field, Layout
from synthkit.models.scales import Scales

__all__ = ["Steps"]

_OFTEN = 0.02  # share of values that repeat the last one of their kind, for that to be an answer of its own


class Steps:
    """The fields of a row with all that it may read. Shapes: B rows.

    In order: context | summary | last known values | last ones in the row's group | the gap that is due | the gap | the
    calendar of the row's time | the columns that move.
    Only the gap and the columns that move are drawn.

    Args:
        context, gap, rows: layouts of their own; calendar: parts of the date, name -> codes.
        summary: per number, the column of a step that it tells of, or -1.
        links: pairs ``(field of rows, rate)`` that repeat their last known value.
        days: of one unit of the gap's law, where dates count (a field for the time of the row before follows then).
        groups: ``(fields that tell kinds, field, share that repeats)`` of rows: the field's last value in a row of the
            same kind is an input that is known once the kind is.
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
        groups: Sequence[tuple[tuple[int, ...], int, float]] = (),
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
        starts = [shifts[3] + i for i, f in enumerate(same.fields) if f.size]
        recalled = [(shifts[7] + field, last, share) for (_, field, share), last in zip(groups, starts, strict=True)]
        before |= {field: last for field, last, _ in recalled if rows.fields[field - shifts[7]].ordered}
        # known with the last of the fields that tell kinds
        after = {last: shifts[7] + max(kinds) for (kinds, *_), last in zip(groups, starts, strict=True)}
        again = [link for link in recalled if link[2] >= _OFTEN and link[0] - shifts[7] in rows.laws]
        copies = (*again, *copies)
        self.groups = [(tuple(first + f for f in kinds), first + field) for kinds, field, _ in groups]
        self.same, self.same_first = same, shifts[3]
        drawn = tuple(link for link in whole.links if whole.fields[link[0]].column not in given)
        waits = [i for i in range(shifts[5], shifts[6]) if whole.fields[i].size and whole.fields[i].part != "null"]
        dated = None
        if self.clock and days is not None and waits:
            dated = Calendar(waits[0], shifts[1] + len(summary), days, tuple(calendar))
        self.layout = Layout(whole.fields, whole.laws, drawn + copies, frozenset(given), about, before, dated, after)
        self.lag = range(shifts[2], shifts[3])
        self.gap = range(shifts[5], shifts[6])
        self.dates = range(shifts[6], shifts[7])
        self.rows = range(shifts[7], len(self.layout.fields))
        self._slots(origin)

    def _slots(self, origin: list[int]) -> None:
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


def _same_group(rows: Layout, groups: Sequence[tuple[tuple[int, ...], int, float]]) -> Layout:
    """Fields for last values in rows of the same kind: a code each, and its offset."""
    fields: list[Field] = []
    laws = {}
    for k, (_, number, _) in enumerate(groups):
        code = len(fields)
        fields.append(Field(k, "code", rows.fields[number].size, None, rows.fields[number].ordered))
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
