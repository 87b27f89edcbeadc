"""The last touch of the autoregressive model: its answers' biases, shifted until they are as frequent as in the rows.

Once with every net reading the training rows (:func:`calibrate`), then with the nets reading what the model itself has
drawn (:func:`settle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthkit.layout import Encoded
from synthkit.models.forced import Forced

if TYPE_CHECKING:
    from synthkit.models.anyorder import AutoregressiveModel

__all__ = ["calibrate", "settle", "shift"]

_ROWS = 2048  # at once
_SAMPLE = 32_768  # rows that calibrate the heads
_CELLS = 1 << 21  # rows x nodes of that sample at most, where each net reads some nodes only
_ROUNDS = 3
_DRAWN = (5_000, 50_000)  # rows that a round of settling draws: twenty times the training rows, within these bounds
_DRAWN_CELLS = 3 << 20  # rows x nodes of a round at most
_CHANCE = 2.0  # a squared deviation shrinks by so many times the variance of its count


@torch.no_grad()
def calibrate(model: AutoregressiveModel, data: Encoded, weight: Tensor | None, reads: Tensor) -> None:
    """Shift the heads' biases until each node answers as often, on average, as the rows do.

    Dropout and early stopping leave the average of p(answer | row) off the answer's frequency by some per cent, which
    every marginal of a synthetic table would show; at the maximum of the likelihood the two agree.
    """
    sample, block = (_CELLS // model.n_nodes, model.rows) if model.wide else (_SAMPLE, _ROWS)
    step = max(len(data) // sample, 1)
    for _ in range(_ROUNDS if len(data) else 0):
        wanted = [torch.zeros_like(bias[:, 0], dtype=torch.float64) for bias in model.head_bias]
        given = [torch.zeros_like(w) for w in wanted]
        for start in range(0, len(data), block * step):
            at = torch.arange(start, min(start + block * step, len(data)), step, device=data.cat.device)
            batch = data.take(at)
            w = torch.ones(len(at), device=at.device) if weight is None else weight[at]
            forced = Forced(model, model.layout.empty(len(at), at.device), batch, reads)
            for k, bucket, logits, goal in forced.answers():
                rows = (forced.counts[bucket] * w).double()
                given[k] += (logits.softmax(2).double() * rows[..., None]).sum(1)
                wanted[k].scatter_add_(1, goal, rows)
        for bias, want, have in zip(model.head_bias, wanted, given, strict=True):
            shift = ((want + 0.5) / (have + 0.5)).log().clamp(-1, 1)
            bias[:, 0] += torch.where(bias[:, 0] > -29, shift, 0.0).to(bias.dtype)


@torch.no_grad()
def settle(model: AutoregressiveModel, data: Encoded, weight: Tensor | None) -> None:
    """Shift the biases until drawn rows, not only the averages over training rows, have the rows' frequencies.

    A net that has read real rows only does not know the small faults of drawn ones, and they add up from column to
    column: the far ends of amounts that go together are drawn too rarely, blocks of gaps too (exposure bias, Bengio
    et al., "Scheduled Sampling", NeurIPS 2015). What is within the noise of the count stays as it is. Uses the global
    random state of torch.
    """
    low, high = _DRAWN
    rows = min(max(low, 20 * len(data)), high, max(_DRAWN_CELLS // max(model.n_nodes, 1), 256))
    device = data.cat.device
    wanted = _counts(model, data, weight)
    for _ in range(_ROUNDS if len(data) else 0):
        drawn = model.complete(model.layout.empty(rows, device))
        for i, (want, have) in enumerate(zip(wanted, _counts(model, drawn, None), strict=True)):
            moved = shift(want, have).to(device, torch.float32)
            if i < model.n_nodes:
                k, r = model.place[i]
                model.head_bias[k][r, 0, : model.tokens[i]] += moved
            else:
                model.fine_bias[i - model.n_nodes, 0] += moved


def _counts(model: AutoregressiveModel, data: Encoded, weight: Tensor | None) -> list[Tensor]:
    """How often each node answers what, ``(tokens,)`` each; then how often each offset is in which part of its cell."""
    tokens, known, offsets = model.read(data)
    w = torch.ones(len(data), dtype=torch.float64, device=data.cat.device)
    w = w if weight is None else weight.double() / weight.double().mean()
    out = [
        torch.bincount(tokens[:, i], torch.where(known[:, i], w, 0.0), minlength=size)[:size]
        for i, size in enumerate(model.tokens)
    ]
    parts = model.spec.subcells
    at = (offsets.clamp(0, 1) * parts).long().clamp(max=parts - 1)
    there = torch.where(offsets >= 0, w[:, None], 0.0)
    return out + [torch.bincount(at[:, q], there[:, q], minlength=parts) for q in range(len(model.fine))]


def shift(want: Tensor, have: Tensor) -> Tensor:
    """What to add to the logits of drawn frequencies, shrunk by their noise."""
    p, q = ((x + 0.5) / (x + 0.5).sum() for x in (want, have))
    noise = p * (1 - p) / have.sum().clamp(min=1)
    keep = (1 - _CHANCE * noise / (q - p).square().clamp(min=1e-14)).clamp(min=0)
    return keep * (p / q).log().clamp(-1, 1)
