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

    Nodes that must not be null, whatever their value, are settled along with the rules. Where rows know different
    things, each has 32 candidates; if none of them meets the rules, its conditioned nodes are drawn from their
    marginal laws within the rules.

    Args:
        draw: completes partial rows, without rules.
        rules: per coded field, as ``Model.complete`` takes them; none: nothing is done.

    Returns:
        The partial rows with the codes of those nodes (their offsets stay open), and how the draw went.

    Raises:
        ConditionError: rows that all know the same never meet the rules together.
    """
    if not rules or not len(partial):
        return partial, []
    nodes = [i for i, node in enumerate(cells.nodes) if node.field in rules]
    if alike(partial):
        drawn, joint = draw_jointly(lambda rows: _weighed(draw, rows, rules, cells, nodes), partial)
        return drawn, [joint]
    many = torch.arange(len(partial), device=partial.cat.device).repeat_interleave(_EACH)
    drawn, log_weight = _weighed(draw, partial.take(many), rules, cells, nodes)
    log_weight = log_weight.view(-1, _EACH)
    met = log_weight.isfinite().any(1)
    picked = draw_codes(torch.where(met[:, None], log_weight, 0.0).float())
    chosen = drawn.take(torch.arange(len(partial), device=picked.device) * _EACH + picked)
    return (chosen if bool(met.all()) else _marginal(partial, chosen, ~met, rules, cells, nodes)), []


def _weighed(
    draw: Callable[[Encoded], Encoded], partial: Encoded, rules: Mapping[int, Allowed], cells: Cells, nodes: list[int]
) -> tuple[Encoded, Tensor]:
    """Rows with the conditioned codes of a free draw, and the logarithm of how much of their mass is inside."""
    done = draw(partial)
    log_weight = torch.zeros(len(partial), dtype=torch.float64, device=partial.cat.device)
    cat, cat_known, slot = partial.cat.clone(), partial.cat_known.clone(), cells.layout.slot
    for i in nodes:
        node = cells.nodes[i]
        code, there = done.cat[:, slot[node.field]], done.cat_known[:, slot[node.field]]
        share = rules[node.field].weights.to(log_weight)[code.long()]
        log_weight += torch.where(there, share, 0.0).log()
        for field in (node.field, node.null):
            if field is not None:
                cat[:, slot[field]], cat_known[:, slot[field]] = done.cat[:, slot[field]], done.cat_known[:, slot[field]]
    return Encoded(partial.num, cat, partial.num_known, cat_known), log_weight


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
        if node.null is not None:
            cat[at, slot[node.null]], cat_known[at, slot[node.null]] = 0, True
    return Encoded(chosen.num, cat, chosen.num_known, cat_known)
