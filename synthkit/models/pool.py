"""Set-valued conditions for models that draw a whole row at once: picked from a pool of their own draws.

Such a model knows the law of a row given *values*. A range or a list is met by drawing rows freely, picking those that
meet it by their share of the code's mass (importance resampling, ``resampling.draw_jointly``), and giving the
conditioned nodes of the picked rows back to the model as values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from synthkit.layout import Allowed, Encoded
from synthkit.models.base import draw_codes
from synthkit.models.blocks import Cells
from synthkit.models.resampling import Joint, alike, draw_jointly

__all__ = ["pin"]

_EACH = 32  # candidates of each row, where rows know different things


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
