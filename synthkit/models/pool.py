"""Conditions for models that draw a whole row at once: met by picking from a pool of their own free draws.

Such a model knows the law of a row given *values*. A range or a list is met by drawing rows freely, picking those that
meet it by their share of the code's mass (importance resampling, ``resampling.draw_jointly``), and giving the
conditioned nodes of the picked rows back to the model as values.

The law given values is itself learnt from few rows, where a value is rare, and the law given nothing from all. So rows
that ask for the same may share a pool, too (:func:`share`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from synthkit.layout import Allowed, Encoded
from synthkit.models.base import draw_codes
from synthkit.models.blocks import Cells, Rows
from synthkit.models.resampling import Joint, alike, draw_jointly, systematic
from synthkit.models.straight import gumbel

__all__ = ["FEW_FIELDS", "kinds", "pick", "pin", "share"]

_T = TypeVar("_T")
FEW_FIELDS = 8  # of fewer, each is often all that is given in training, and the law given it is well learnt
_EACH = 32  # candidates of each row, where rows know different things
_KINDS = 64  # conditions that a pool serves
_KNOWN = 4  # nodes that a row may know; free draws hardly ever agree on more
_CHUNK = 8192  # free draws of a round
_TIMES = 20  # the rows wanted: so many free draws at most, and no more than
_MOST = 400_000
_WORTH = 200, 2000  # effective draws: at least (or the rows wanted, or a tenth of very many), and enough


def kinds(rows: Rows) -> tuple[Tensor, Tensor, Tensor] | None:
    """The different things that rows know: ``(kinds,)`` one row of each, ``(B,)`` of which a row is, and their counts.

    None: more than 64. Offsets do not count.
    """
    asked = torch.cat([(rows.tokens + 1) * rows.known, rows.present.long()], 1)
    found, kind, count = torch.unique(asked, dim=0, return_inverse=True, return_counts=True)
    if len(found) > _KINDS:
        return None
    first = torch.full_like(count, len(asked)).scatter_reduce(
        0, kind, torch.arange(len(asked), device=kind.device), "amin"
    )
    return first, kind, count


@torch.no_grad()
def share(
    draw: Callable[[int], tuple[Tensor, _T]],
    weigh: Callable[[_T, Rows], Tensor],
    rows: Rows,
    each: int = 1,
    least: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Latents of rows that know few different things, picked from free draws by the probability of what is known.

    Sampling importance resampling (Rubin, JASA 82, 1987). Rows whose condition is too rare or too long for that are
    left out. Of many rows with a rare condition, several may get the same latents: their fields are drawn anew.

    Args:
        draw: so many latents ``(n, L)`` given nothing, and what ``weigh`` wants to know of them.
        weigh: ``(n,)`` log-probabilities of what one row knows.
        each: latents for each row.
        least: rows whose condition has a smaller probability are left out.

    Returns:
        ``(found, each, L)`` latents and the ``(found,)`` rows that they are for.
    """
    sorts = kinds(rows)
    if sorts is None or not bool((rows.known | rows.present).any()):
        return draw(0)[0][:, None].expand(-1, each, -1), torch.zeros(0, dtype=torch.long, device=rows.tokens.device)
    first, kind, count = sorts
    known = (rows.known | rows.present)[first].sum(1)
    asks = (known > 0) & (known <= _KNOWN)
    weights: dict[int, list[Tensor]] = {k: [] for k in asks.nonzero().squeeze(1).tolist()}
    pools: list[Tensor] = []
    most, open_ = min(max(_TIMES * len(rows.tokens), _CHUNK), _MOST), set(weights)
    while open_ and len(pools) * _CHUNK < most:
        z, told = draw(_CHUNK)
        pools.append(z)
        for k in sorted(open_):
            weights[k].append(weigh(told, rows.take(first[k : k + 1])).double())
            w, wanted = torch.cat(weights[k]), int(count[k])
            worth = float((2 * w.logsumexp(0) - (2 * w).logsumexp(0)).exp())
            rare = float(w.logsumexp(0).exp()) < least * len(w)
            if worth >= min(2 * wanted, max(_WORTH[1], wanted // 5)) and not rare:
                open_.discard(k)
            elif rare or worth * most < min(wanted, max(_WORTH[0], wanted // 10)) * len(w):  # at this rate, never
                open_.discard(k)
                del weights[k]
    latents = torch.cat(pools) if pools else draw(0)[0]
    found, at = [latents[:0, None].expand(-1, each, -1)], [kind[:0]]
    for k, parts in weights.items():
        w = torch.cat(parts)
        found.append(latents[systematic((w - w.max()).exp(), int(count[k]) * each)].view(-1, each, latents.shape[1]))
        at.append((kind == k).nonzero().squeeze(1))
    return torch.cat(found), torch.cat(at)


def pick(score: Tensor, kind: Tensor) -> Tensor:
    """Candidates for the rows of a block, by exp(score): rows of a kind share theirs, and none is used twice.

    A draw without replacement by the largest of score plus Gumbel noise (Kool, van Hoof and Welling, "Stochastic Beams
    and Where to Find Them", ICML 2019). Of 8 candidates all may be poor; of those of a thousand rows an eighth hardly.

    Args:
        score: ``(B, candidates)``; kind: ``(B,)`` integers, alike for rows that ask the same.

    Returns:
        ``(B,)`` indices into the flattened scores.
    """
    rows, many = score.shape
    best = (score + gumbel(score)).flatten().argsort(descending=True)
    best = best[kind[best // many].argsort(stable=True)]  # by kind, and the best first
    mixed = torch.randperm(rows, device=score.device)
    mixed = mixed[kind[mixed].argsort(stable=True)]
    count = torch.bincount(kind)
    first = (count.cumsum(0) - count)[kind[mixed]]
    out = torch.empty_like(mixed)
    out[mixed] = best[first * many + torch.arange(rows, device=score.device) - first]
    return out


@torch.no_grad()
def pin(
    draw: Callable[[Encoded], Encoded], partial: Encoded, rules: Mapping[int, Allowed], cells: Cells
) -> tuple[Encoded, list[Joint]]:
    """``partial`` with a value for each node that a rule speaks of, from the model's own law given all of them.

    Nodes that must not be null, whatever their value, are settled along with the rules where all rows know the same.
    Where they know different things, each has 32 candidates; if none of them meets the rules, its conditioned nodes
    are drawn from their marginal laws within the rules.

    Args:
        draw: completes partial rows, without rules.
        rules: per coded field, as ``Model.complete`` takes them; none: nothing is done.

    Returns:
        The partial rows with the codes of those nodes (their offsets stay open), and how the draw went.

    Raises:
        ConditionError: rows that all know the same never meet the rules together.
    """
    if not len(partial):
        return partial, []
    ruled = [i for i, node in enumerate(cells.nodes) if node.field in rules]
    if alike(partial):
        present = cells.read(partial.take(slice(0, 1))).present[0].nonzero().squeeze(1).tolist()
        nodes = sorted({*ruled, *present})
        if not nodes:
            return partial, []
        drawn, joint = draw_jointly(lambda rows: _weighed(draw, rows, rules, cells, nodes), partial)
        return drawn, [joint]
    if not ruled:
        return partial, []
    many = torch.arange(len(partial), device=partial.cat.device).repeat_interleave(_EACH)
    drawn, log_weight = _weighed(draw, partial.take(many), rules, cells, ruled)
    log_weight = log_weight.view(-1, _EACH)
    met = log_weight.isfinite().any(1)
    picked = draw_codes(torch.where(met[:, None], log_weight, 0.0).float())
    chosen = drawn.take(torch.arange(len(partial), device=picked.device) * _EACH + picked)
    return (chosen if bool(met.all()) else _marginal(partial, chosen, ~met, rules, cells, ruled)), []


def _weighed(
    draw: Callable[[Encoded], Encoded], partial: Encoded, rules: Mapping[int, Allowed], cells: Cells, nodes: list[int]
) -> tuple[Encoded, Tensor]:
    """Rows with the conditioned codes of a free draw, and the logarithm of how much of their mass is inside."""
    slot = cells.layout.slot
    free = partial.hide(torch.zeros_like(partial.num_known), _flags(partial, cells, nodes))
    done = draw(free)
    log_weight = torch.zeros(len(partial), dtype=torch.float64, device=partial.cat.device)
    cat, cat_known = partial.cat.clone(), partial.cat_known.clone()
    for i in nodes:
        node = cells.nodes[i]
        own = slot[node.field]
        share = done.cat_known[:, own].double()  # a condition on a value forbids null
        if node.field in rules:
            share = share * rules[node.field].weights.to(log_weight)[done.cat[:, own].long()]
        log_weight += share.log()
        for field in (node.field, node.null):
            if field is not None:
                cat[:, slot[field]] = done.cat[:, slot[field]]
                cat_known[:, slot[field]] = done.cat_known[:, slot[field]]
    return Encoded(partial.num, cat, partial.num_known, cat_known), log_weight


def _flags(partial: Encoded, cells: Cells, nodes: list[int]) -> Tensor:
    """Null flags of which the draw must not know that they are down: it is weighed by that."""
    mask = torch.zeros_like(partial.cat_known)
    present = cells.read(partial).present
    for i in nodes:
        null = cells.nodes[i].null
        if null is not None:
            mask[:, cells.layout.slot[null]] = present[:, i]
    return mask


def _marginal(
    partial: Encoded, chosen: Encoded, rows: Tensor, rules: Mapping[int, Allowed], cells: Cells, nodes: list[int]
) -> Encoded:
    """``chosen``, with the conditioned nodes of ``rows`` drawn from their marginal laws within the rules."""
    cat, cat_known, slot = chosen.cat.clone(), chosen.cat_known.clone(), cells.layout.slot
    at = rows.nonzero().squeeze(1)
    for i in nodes:
        node = cells.nodes[i]
        law = cells.law[cells.span(i)][: node.size].log() + rules[node.field].weights.to(cells.law).log()
        code = draw_codes(law.expand(len(at), -1)).to(cat.dtype)
        known = partial.cat_known[at, slot[node.field]]
        cat[at, slot[node.field]] = torch.where(known, partial.cat[at, slot[node.field]], code)
        cat_known[at, slot[node.field]] = True
        given = cells.layout.fields[node.field].given
        while given is not None:  # what the value hangs on must let it apply
            parent = slot[given[0]]
            cat[at, parent], cat_known[at, parent] = given[1][0], True
            given = cells.layout.fields[given[0]].given
    return Encoded(chosen.num, cat, chosen.num_known, cat_known)
