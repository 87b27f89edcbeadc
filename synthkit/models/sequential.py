"""Sequences from a model of single rows: unrolled into rows to learn from, and drawn row after row.

All entities take their steps together; an entity leaves when its rows are complete. What a row may read is in
:mod:`synthkit.models.history`, and is computed by the same code for learning and for drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthkit.layout import Allowed, Encoded
from synthkit.models.ancestral import Ancestral
from synthkit.models.anyorder import AutoregressiveModel
from synthkit.models.completing import Block
from synthkit.models.history import History, State
from synthkit.models.steps import Steps

__all__ = ["Clock", "Rollout", "draw_columns", "repeats", "replay", "unroll"]

_LEAST = 0.02  # share of rows that repeat their last known value, for that to be an answer of its own


@dataclass
class Clock:
    """The time of E entities, as numpy keeps it.

    Attributes:
        now: ``(E,)`` canonical times of the last rows; unit: the median gap.
        gaps: canonical gaps of drawn gap fields; None: ``fixed`` is the gap of all rows.
        parts: ``(E, parts)`` calendar codes of times; days: ``(E,)`` days since 1970 by the clock on the wall.
    """

    now: NDArray[np.generic] | None
    unit: float
    gaps: Callable[[Encoded], NDArray[np.generic]] | None
    parts: Callable[[NDArray[np.generic]], NDArray[np.int64]]
    fixed: float | int | None = None
    days: Callable[[NDArray[np.generic]], NDArray[np.float64]] | None = None


def repeats(step: Encoded, steps: Steps, starts: Tensor, fields: range) -> tuple[tuple[int, float], ...]:
    """Which numbers of a row often repeat the row before, to the last digit: ``(field of the step, share)``.

    A heavy code (a zero) is no copy: nets learn it by itself.
    """
    found = []
    later = torch.ones(len(step), dtype=torch.bool, device=step.cat.device)
    later[starts] = False
    now = later.nonzero().squeeze(1)
    for field in fields:
        if field not in steps.step.laws:
            continue
        slot = steps.step.slot[field]
        both = step.cat_known[now, slot] & step.cat_known[now - 1, slot]
        same = both & (step.cat[now, slot] == step.cat[now - 1, slot])
        offset = next(
            (i for i, f in enumerate(steps.step.fields) if f.given and f.given[0] == field and not f.size), None
        )
        if offset is not None:
            k = steps.step.slot[offset]
            same = same & (step.num[now, k] == step.num[now - 1, k])
        codes = step.cat[:, slot].long()[step.cat_known[:, slot]]
        share = torch.bincount(codes, minlength=steps.step.fields[field].size).float() / max(len(codes), 1)
        light = share[step.cat[now, slot].long()] < _LEAST
        chance = float((share[share < _LEAST] ** 2).sum())
        rate = float((same & light).float().sum() / both.sum().clamp(min=1))
        if rate > max(_LEAST, 3 * chance):
            found.append((field, rate))
    return tuple(found)


@torch.no_grad()
def unroll(
    history: History,
    steps: Steps,
    context: Encoded,
    step: Encoded,
    lengths: Tensor,
    gap: Tensor,
    span: Tensor,
    extra: Tensor | None = None,
    days: Tensor | None = None,
    counts: Tensor | None = None,
) -> Encoded:
    """The rows of all entities with all that they may read, in the order of ``step``. E entities, R rows.

    Args:
        context: E rows; step: R rows, those of an entity together; lengths: ``(E,)``; gap: ``(R,)`` time since the row
            before and span: ``(E,)``, in units of the median gap; extra: ``(E, X)`` what else rows read, or None; days:
            ``(R,)`` wall time of the rows before; counts: ``(E,)`` lengths as the history reads them; None: the same.
    """
    order = lengths.argsort(descending=True, stable=True)
    starts = (lengths.cumsum(0) - lengths)[order]
    length, over = (lengths if counts is None else counts)[order].float(), span[order]
    state = history.start(len(lengths), steps)
    static = history.static(context)[0][order]
    rows = len(step)
    summary = torch.zeros(rows, history.size, device=step.cat.device)
    lag = history.start(rows, steps).lag
    due = torch.full((rows,), torch.nan, device=step.cat.device)
    same = steps.same.empty(rows, step.cat.device)
    for t in range(int(lengths.max()) if len(lengths) else 0):
        m = int((lengths[order] > t).sum())
        at = starts[:m] + t
        now = state.take(slice(0, m))
        summary[at] = history.raw(now, static[:m], length[:m], over[:m])
        wait = history.due(now, length[:m], over[:m])
        if wait is not None:
            due[at] = wait
        for mine, theirs in ((lag.num, now.lag.num), (lag.cat, now.lag.cat)):
            mine[at] = theirs
        lag.num_known[at], lag.cat_known[at] = now.lag.num_known, now.lag.cat_known
        here = step.take(at)
        if steps.groups:
            tokens = history.moving.codes.read(here)[0]
            found = history.recall(now, steps, history.group_tokens(tokens, steps))
            same.num[at], same.cat[at] = found.num, found.cat
            same.num_known[at], same.cat_known[at] = found.num_known, found.cat_known
        history.advance(now, steps, here, gap[at])
    if not bool(history.mean.any()):
        history.mean.copy_(summary.mean(0))
        history.scale.copy_(summary.std(0, correction=0).clamp(min=1e-3))
    summary = history.standard(summary)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=step.cat.device), lengths)
    summary = summary if extra is None else torch.cat([summary, extra[owner]], 1)
    return steps.whole(context.take(owner), summary, lag, step, days, same, due)


def draw_columns(block: Block, nodes: list[int], history: History, steps: Steps, state: State) -> None:
    """Draw the columns of rows, in place; numbers that are learnt by group come after their groups."""
    if not steps.groups:
        block.draw(nodes)
        return
    model = block.model
    first = steps.layout.fields
    shift = len(first) - len(steps.step.fields)
    late = {number + shift for _, number in steps.groups}
    block.draw([i for i in nodes if model.nodes[i].field not in late])
    tokens = history.moving.codes.read(steps.step_of(block.done()))[0]
    same = history.recall(state, steps, history.group_tokens(tokens, steps))
    block.enter_fields(same, steps.same, steps.same_first)
    block.draw([i for i in nodes if model.nodes[i].field in late])


@torch.no_grad()
def replay(history: History, steps: Steps, step: Encoded, lengths: Tensor, gap: Tensor) -> State:
    """What E entities hand on after all their rows."""
    order = lengths.argsort(descending=True, stable=True)
    starts = (lengths.cumsum(0) - lengths)[order]
    length = lengths[order]
    state = history.start(len(lengths), steps)
    for t in range(int(lengths.max()) if len(lengths) else 0):
        m = int((length > t).sum())
        at = starts[:m] + t
        history.advance(state.take(slice(0, m)), steps, step.take(at), gap[at])
    return state.take(order.argsort())


class Rollout:
    """Draws rows one after the other. Shapes: E entities, which come in the order of falling lengths.

    Args:
        model: of rows, in the layout of ``steps``.
        rules: sets that fields of every row must come from, by field of the whole layout.
        pinned: what every row knows: one step, or None.
        settle: enters what follows from a row that is drawn, in place, given whose rows they are; None: nothing does.
    """

    def __init__(
        self,
        model: AutoregressiveModel,
        history: History,
        steps: Steps,
        rules: Mapping[int, Allowed] | None = None,
        pinned: Encoded | None = None,
        settle: Callable[[Encoded, Tensor], None] | None = None,
    ) -> None:
        self.model, self.history, self.steps = model, history, steps
        self.rules, self.pinned, self.settle = rules or {}, pinned, settle
        nodes = [(i, model.nodes[i].field) for i in range(model.n_nodes)]
        self.gap = [i for i, field in nodes if field in steps.gap]
        self.dates = [i for i, field in nodes if field in steps.dates]
        self.plan: Ancestral | None = None

    @torch.no_grad()
    def draw(
        self,
        context: Encoded,
        state: State,
        clock: Clock,
        lengths: Tensor,
        span: Tensor,
        rows: Tensor,
        extra: Tensor | None = None,
        ends: bool = False,
    ) -> tuple[list[Encoded], list[NDArray[np.generic]], list[Tensor]]:
        """Steps, times, and whose they are: at each step, those of the entities that still take part.

        Args:
            lengths, span: of whole sequences, as the history reads them; rows: ``(E,)`` to be drawn, falling;
            extra: ``(E, X)`` what else rows read, or None; ends: an entity leaves before that, where a row would begin
                a time beyond its ``lengths``.
        """
        drawn, times, whose = [], [], []
        static = self.history.static(context)[0]
        alive = torch.arange(len(rows), device=rows.device)
        for t in range(int(rows.max()) if len(rows) else 0):
            m = int((rows[alive] > t).sum())
            if not m:
                break
            alive = alive[:m]
            now = state.take(slice(0, m))
            summary = self.history.standard(self.history.raw(now, static[alive], lengths[alive], span[alive]))
            summary = summary if extra is None else torch.cat([summary, extra[alive]], 1)
            days = None
            if clock.days is not None and clock.now is not None:
                days = torch.as_tensor(clock.days(clock.now[:m]), device=summary.device)
            due = self.history.due(now, lengths[alive], span[alive])
            whole = self.steps.whole(context.take(alive), summary, now.lag, self._pinned(m), days, None, due)
            step, gap = self._row(whole, now, clock, m)
            stay = ~((now.times >= lengths[alive]) & (gap > 0)) if ends else torch.ones_like(alive, dtype=torch.bool)
            if not bool(stay.all()):
                keep = stay.nonzero().squeeze(1)
                state = now = now.take(keep)
                step, gap, alive = step.take(keep), gap[keep], alive[keep]
                clock.now = None if clock.now is None else clock.now[:m][keep.cpu().numpy()]
                if not len(keep):
                    break
            if self.settle is not None:
                self.settle(step, alive)
            self.history.advance(now, self.steps, step, gap)
            drawn.append(step)
            times.append(np.empty(0) if clock.now is None else clock.now[: len(step)].copy())
            whose.append(alive)
        return drawn, times, whose

    def _pinned(self, m: int) -> Encoded | None:
        if self.pinned is None:
            return None
        return self.pinned.take(torch.zeros(m, dtype=torch.long, device=self.pinned.cat.device))

    def _row(self, whole: Encoded, now: State, clock: Clock, m: int) -> tuple[Encoded, Tensor]:
        if self.plan is None:
            self.plan = Ancestral(self.model, whole, self.rules)
        block = Block(self.plan, whole)
        gap = torch.zeros(m, device=whole.cat.device)
        later = bool((now.rows > 0).any())  # all entities of a draw are as far
        if later and clock.now is not None:
            if clock.gaps is not None:
                block.draw(self.gap)
                step = self.steps.step_of(block.done())
                wait = clock.gaps(step)
            else:
                wait = np.full(m, clock.fixed)
            clock.now[:m] = clock.now[:m] + wait.astype(clock.now.dtype)
            gap = torch.as_tensor(wait.astype(np.float64) / clock.unit, dtype=torch.float32, device=gap.device)
        if clock.now is not None and self.dates:
            parts = clock.parts(clock.now[:m])
            for i, codes in zip(self.dates, parts.T, strict=True):
                block.enter(i, torch.as_tensor(codes.copy(), device=gap.device))
        skip = set(self.gap)
        draw_columns(block, [i for i in self.plan.order if i not in skip], self.history, self.steps, now)
        return self.steps.step_of(block.done()), gap
