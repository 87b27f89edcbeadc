"""Parts of the nets of series: how they see a block and its past, and how they are trained.

Shapes: B blocks, K steps of a block, P of its history, D channels, C of the calendar, F of a state, H the width.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthkit.errors import SynthkitWarning, TrainingError
from synthkit.progress import Progress

__all__ = ["Blocks", "Convolutions", "Past", "Training", "read"]

_SLOPE = 0.2


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks and what they follow on: ``white`` (B, K, D), ``history`` (B, P, D), ``state`` (B, F), ``calendar``
    (B, K, C), where C may be 0."""

    white: Tensor
    history: Tensor
    state: Tensor
    calendar: Tensor

    def __len__(self) -> int:
        return len(self.state)

    def take(self, index: Tensor) -> Blocks:
        """Some of them, ``(b,)`` numbers."""
        return Blocks(self.white[index], self.history[index], self.state[index], self.calendar[index])

    def to(self, device: torch.device) -> Blocks:
        """On another device."""
        return Blocks(*(x.to(device) for x in (self.white, self.history, self.state, self.calendar)))


class Convolutions(nn.Module):
    """``(B, L, I)`` -> ``(B, L, H)``: residual convolutions of three taps over time, told a vector ``(B, V)``.

    No normalisation: it gets in the way of gradient penalties. ``causal``: a step sees those before it alone.
    """

    def __init__(self, inputs: int, told: int, width: int, depth: int, *, causal: bool) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.told = nn.Linear(told, width * depth)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=2**k) for k in range(depth))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.causal = causal
        with torch.no_grad():
            for layer in self.out:
                layer.weight.mul_(0.3)  # type: ignore[operator]

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.first(x)
        shifts = self.told(told).unflatten(-1, (len(self.layers), -1))
        for k, (layer, out) in enumerate(zip(self.layers, self.out, strict=True)):
            reach = 2 * 2**k
            sides = (reach, 0) if self.causal else (reach // 2, reach // 2)
            y = layer(F.pad(F.leaky_relu(h, _SLOPE).transpose(1, 2), sides)).transpose(1, 2)
            h = h + out(F.leaky_relu(y + shifts[:, None, k], _SLOPE))
        return F.leaky_relu(h, _SLOPE)


class Past(nn.Module):
    """``(B, H)``: a summary of history and state."""

    def __init__(self, d: int, history: int, state: int, width: int) -> None:
        super().__init__()
        self.steps = nn.Linear(2 * d, width)
        self.mix = nn.Linear(history, 4)  # weighted sums over time
        self.join = nn.Linear(4 * width + state, width)

    def forward(self, history: Tensor, state: Tensor) -> Tensor:
        h = F.leaky_relu(self.steps(read(history)), _SLOPE)
        summed = self.mix(h.transpose(1, 2)).flatten(1)
        return F.leaky_relu(self.join(torch.cat([summed, state], 1)), _SLOPE)


def read(white: Tensor) -> Tensor:
    """``(..., 2 D)``: white scores as nets see them, with their sizes, which scales hang on."""
    return torch.cat([white, white.abs() - 0.8], -1)


@dataclass(eq=False)
class Training:
    """Steps until the judge finds no more gain; the best averaged weights are kept (also after Ctrl-C).

    Attributes:
        module: trained in place; step: one training step of a number from 0 on; judge: a loss of the averaged
            weights, called every ``every`` steps; steps, seconds: limits; grace: by so much may a trained net be
            worse than an untrained one; rate: at which averages follow; patience: judgements without gain; progress:
            told of every judgement, and ends the training by True; scored: a judgement is a score, not a loss.
        losses: of the judge; best: the least. stopped_by: why it ended.
    """

    module: nn.Module
    step: Callable[[int], None]
    judge: Callable[[], float]
    steps: int
    seconds: float | None = None
    grace: float = 0.0
    every: int = 50
    rate: float = 0.99
    patience: int = 6
    progress: Callable[[Progress], bool | None] | None = None
    scored: bool = False
    losses: list[float] = field(default_factory=list)
    best: float = math.inf
    best_step: int = 0
    stopped_by: str = "steps"

    def run(self) -> Training:
        """Train.

        Raises:
            TrainingError: weights are not finite at the first judgement already.
        """
        self._average = [x.detach().clone() for x in self._tensors()]
        self._kept = [x.clone() for x in self._average]
        try:
            self._loop()
        except KeyboardInterrupt:
            self.stopped_by = "Ctrl-C"
            warnings.warn(
                "SequenceSynthesizer.fit: the training of the net was interrupted; its best weights so far are kept.",
                SynthkitWarning,
                stacklevel=4,
            )
        self._assign(self._kept)
        self.module.eval()
        return self

    def _loop(self) -> None:
        begin, stale = time.monotonic(), 0
        self._note(0)  # the closed form, from which nets start
        judging = time.monotonic() - begin  # so long takes the last judgement, too
        for k in range(self.steps):
            self.module.train()
            self.step(k)
            follow = min(self.rate, (1 + k) / (10 + k))
            torch._foreach_lerp_(self._average, [x.detach() for x in self._tensors()], 1 - follow)
            late = self.seconds is not None and time.monotonic() - begin + judging > self.seconds
            if not (late or (k + 1) % self.every == 0 or k + 1 == self.steps):
                continue
            stale = 0 if self._note(k + 1) else stale + 1
            told = self._told(k + 1, time.monotonic() - begin)
            if late or told or stale >= self.patience:
                self.stopped_by = "seconds" if late else "progress" if told else "patience"
                return

    def _told(self, step: int, seconds: float) -> bool:
        """Tell of a judgement. True: the training is to end."""
        if self.progress is None:
            return False
        loss, score = (None, self.losses[-1]) if self.scored else (self.losses[-1], None)
        return self.progress(Progress(step, self.steps, None, loss, self.best, seconds, "net", score=score)) is True

    def _note(self, step: int) -> bool:
        """Judge the averaged weights. True: the best so far, which are kept."""
        live = [x.detach().clone() for x in self._tensors()]
        self._assign(self._average)
        self.module.eval()
        with torch.no_grad():
            loss = self.judge()
        self._assign(live)
        self.losses.append(loss)
        if not math.isfinite(loss):
            if len(self.losses) <= 2:
                raise TrainingError(
                    "SequenceSynthesizer.fit: the net's loss is not finite from the start; lower the recipe's 'lr', or "
                    "check the columns for extreme values."
                )
            return False
        loss = loss if step else loss + self.grace
        if loss >= self.best - 1e-6:
            return False
        self.best, self.best_step = loss, step
        self._kept = [x.clone() for x in self._average]
        return True

    def _tensors(self) -> Sequence[Tensor]:
        """Parameters, and buffers that follow training: averages of one go with averages of the other."""
        return [*self.module.parameters(), *self.module.buffers()]

    def _assign(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for own, value in zip(self._tensors(), values, strict=True):
                own.copy_(value)
