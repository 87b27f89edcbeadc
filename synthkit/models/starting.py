"""Where any-order models start: closed forms of marginal laws, of generalised linear models, and of what leans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthkit.layout import Encoded
from synthkit.models import reads
from synthkit.models.forced import Forced
from synthkit.models.nets import code_features
from synthkit.models.skips import Skips

if TYPE_CHECKING:
    from synthkit.models.anyorder import AutoregressiveModel

__all__ = ["start"]


@torch.no_grad()
def start(model: AutoregressiveModel, data: Encoded, weight: Tensor | None) -> None:
    """Closed-form start: marginal laws in the heads' biases, places of codes in the input vectors."""
    tokens, known, offsets = model.read(data)
    generator = torch.Generator().manual_seed(0)
    w = torch.ones(len(data)) if weight is None else weight.cpu().float() / float(weight.mean())
    for i, node in enumerate(model.nodes):
        seen = known[:, i].cpu() & (tokens[:, i].cpu() < model.tokens[i])
        count = torch.bincount(tokens[:, i].cpu()[seen], weights=w[seen], minlength=model.tokens[i]).double()
        _start_bias(model, i, count)
        mass = count[: node.size] / count[: node.size].sum().clamp(min=1e-12)
        edge = torch.cat([torch.zeros(1), mass.cumsum(0).float()])
        start = int(model.base[i]) + i
        model.edges[start : start + node.size + 1] = edge
        first = int(model.base[i])
        features = code_features(node, *model._cells(i), model.spec.features, generator)
        model.table[first : first + model.tokens[i]] = features
    model._shape_heads()
    if model.bands:
        at = model.places(tokens, model.spread(offsets))
        model.bands.choose(at, known & (tokens < model.sizes))
    if model.skips is not None:
        _fit_skips(model, model.skips, data, weight)
    if model.wide:
        every = slice(None, None, max(-(-len(data) // reads.ROWS), 1))
        at = model.places(tokens[every], model.spread(offsets[every]))
        chosen = reads.choose(model.nodes, tokens[every], known[every], at, model.spec.reads, w[every].to(at))
        chosen = chosen[model.drawn]
        model._room(chosen.shape[1])
        model.sources.copy_(chosen)


def _start_bias(model: AutoregressiveModel, i: int, count: Tensor) -> None:
    if i not in model.place:
        return
    k, r = model.place[i]
    law = (count + 0.5) / (count.sum() + 0.5 * len(count))
    model.head_bias[k][r, 0, : model.tokens[i]] = law.log().float()
    if i in model.pointers.sources:
        rates = torch.tensor(model.pointers.rates[i])
        model.head_bias[k][r, 0, model.tokens[i] : model.outputs[i]] = rates.log()


def _fit_skips(model: AutoregressiveModel, skips: Skips, data: Encoded, weight: Tensor | None) -> None:
    every = slice(None, None, max(len(data) // skips.rows, 1))
    rows = data.take(every)
    order = model._reads(model.natural_order)
    forced = Forced(model, model.layout.empty(len(rows), rows.cat.device), rows, order)
    own_weight = None if weight is None else weight[every]
    leans = _start_leans(model, forced, _own(model))
    skips.fit(forced.dense, forced.goals, forced.counts, list(model.head_bias), own_weight, _own(model), leans)


def _start_leans(model: AutoregressiveModel, forced: Forced, own: Tensor) -> dict[int, Tensor]:
    """What leans on last values and on dates, started; and what it adds to the logits of each node."""
    out: dict[int, Tensor] = {}
    flat = {i: model.head_bias[k][r, 0].detach() for i, (k, r) in model.place.items()}
    none = torch.zeros(len(forced.dense), model.spec.width, device=forced.dense.device)
    if model.near:
        near, goals, counts = model.near, forced.goals[model.near.targets], forced.counts[model.near.targets]
        near.learn(near.numbers(forced.tokens, model.spread(forced.offsets), forced.known, near.targets), forced.last)
        starts = [flat[i][:cells] for i, cells in zip(near.targets, near.cells, strict=True)]
        near.fit(forced.dense, forced.last, goals, counts, starts, own[:, near.targets])
        for t, i in enumerate(near.targets):
            out[i] = near.lean(t, forced.last[t], forced.dense, none)
    if model.landing:
        gap, cells = model.landing.gap, model.landing.cells
        at = forced.counts[gap] & (forced.goals[gap] < cells)
        model.landing.fit(forced.num[at], forced.goals[gap][at], flat[gap][:cells])
        lean = model.landing.lean(forced.num, forced.dense, none)
        out[gap] = out[gap] + lean if gap in out else lean
    return out


def _own(model: AutoregressiveModel) -> Tensor:
    """``(S, N)`` bool: real-valued inputs that tell of a node's own column."""
    fields = model.layout.fields
    place = {model.layout.slot[i]: i for i in model.layout.num}
    about = torch.tensor([model.layout.about.get(place[slot], -1) for slot in model.dense])
    column = torch.tensor([fields[node.field].column for node in model.nodes])
    return (about[:, None] == column).to(model.first.device)
