"""From a recipe and encoded rows to a fitted model: the split, the training, and for few rows a second one on all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthkit.layout import Encoded, Layout
from synthkit.models import Model, ModelSpec
from synthkit.models.base import Recipe
from synthkit.progress import Progress, ProgressBar
from synthkit.runtime import entropy, seeded, single_precision
from synthkit.stages import Stages
from synthkit.trainer import Trainer

__all__ = ["Training", "split"]

_EMA = 0.95  # of some dozen steps


def split(owner: NDArray[np.int64], seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to stop by: a tenth (at least 500 or a fifth, at most 2,000), whole owners at a time.

    Args:
        owner: ``(rows,)`` whose row it is, numbered from 0.
    """
    people = int(owner.max()) + 1
    held = min(max(math.ceil(people / 10), min(500, people // 5)), 2000) if people >= 20 else 0
    chosen = np.zeros(people, dtype=bool)
    chosen[np.random.default_rng(entropy(seed, 2)).permutation(people)[:held]] = True
    valid = chosen[owner]
    return torch.from_numpy(np.flatnonzero(~valid)), torch.from_numpy(np.flatnonzero(valid))


@dataclass
class Training:
    """One fit of one model.

    Args:
        spec, layout: what to build; device, seed: where, and from which random numbers.
        max_steps, max_seconds: of all training together.
        progress: as in ``Trainer``.

    Attributes:
        history: the log; steps: taken in all, so that ``max_steps=steps`` repeats the fit.
        held: ``(held rows,)`` loss of the rows that training stopped by, before any second training; None without.
    """

    spec: ModelSpec
    layout: Layout
    device: torch.device
    seed: int
    max_steps: int | Sequence[int] | None = None
    max_seconds: float | None = None
    progress: bool | Callable[[Progress], bool | None] | None = None

    def fit(self, data: Encoded, weight: Tensor | None, owner: NDArray[np.int64]) -> Model:
        """The fitted model, in eval mode.

        Args:
            data, weight: all rows, on the device; owner: ``(rows,)`` whose they are.
        """
        self.history: list[Progress] = []
        self.held: Tensor | None = None
        self.steps: int | tuple[int, ...] = 0
        self._start = time.monotonic()
        model = self._build(data, weight)
        if not model.tags.trains or {f.column for f in self.layout.fields} <= self.layout.inputs:  # nothing to learn
            return model.eval()
        rows, held = (index.to(self.device) for index in split(owner, self.seed))
        bar = ProgressBar() if self.progress is True else self.progress
        bar = bar if isinstance(bar, ProgressBar) else None
        try:
            first = self._stages(bar, self.spec.recipe(len(rows)))
            first.fit(
                model,
                data.take(rows),
                data.take(held),
                weight=None if weight is None else weight[rows],
                valid_weight=None if weight is None else weight[held],
            )
            self.steps, self.history = first.steps, first.history
            self.held = self._losses(model, data.take(held))
            again = self._again(first.last, data, weight, bar) if len(held) else None
        finally:
            if bar is not None:
                bar.close()
        if again is not None:
            model, rows = again, torch.arange(len(data), device=self.device)
        model.eval()
        with seeded(entropy(self.seed, 3), self.device):
            model.finish(data.take(rows), None if weight is None else weight[rows])
        return model

    def trial(self, data: Encoded, weight: Tensor | None, owner: NDArray[np.int64]) -> Tensor:
        """``(held rows,)`` loss of a closed-form model, fitted without the rows that others stop by."""
        rows, held = (index.to(self.device) for index in split(owner, self.seed))
        return self._losses(self._build(data.take(rows), None if weight is None else weight[rows]), data.take(held))

    def _losses(self, model: Model, rows: Encoded) -> Tensor:
        with single_precision(), torch.no_grad():
            out: Tensor = model.eval()(self.layout.empty(len(rows), self.device), rows)
        return out

    def _build(self, data: Encoded, weight: Tensor | None) -> Model:
        with seeded(entropy(self.seed, 0), self.device):
            return self.spec.build(self.layout, data, weight).to(self.device)

    def _stages(self, bar: ProgressBar | None, recipe: Recipe) -> Stages:
        seconds = None if self.max_seconds is None else self.max_seconds - (time.monotonic() - self._start)
        return Stages(
            recipe,
            seed=entropy(self.seed, 1),
            max_steps=self.max_steps,
            max_seconds=seconds,
            progress=bar or (self.progress if callable(self.progress) else None),
        )

    def _again(self, first: Trainer, data: Encoded, weight: Tensor | None, bar: ProgressBar | None) -> Model | None:
        """Of few rows, those to stop by are too many to lose: a twin learns from all of them, on a schedule of its own.

        Half the steps at which the first one's last net was best, planned from the start and all nets to their end,
        are as likely on fresh rows as nets that stop one by one, and keep more of the dependence (measured).
        None where that is not asked for, or was not finished: half a training is worse than the first one. Models of
        several stages have no twin.
        """
        goal = max(first.best_step // 2, 2)
        if not first.recipe.refit or first.stopped_by not in ("", "early stopping") or not first.best_step:
            return None
        if not isinstance(self.steps, int) or not (self.max_steps is None or isinstance(self.max_steps, int)):
            return None
        left = None if self.max_steps is None else self.max_steps - self.steps
        if left is not None and left < goal:
            return None
        second = self._stages(bar, replace(first.recipe, steps=goal, ema=_EMA))
        second.max_steps = left
        if second.max_seconds is not None and second.max_seconds <= 0:
            return None
        twin = self._build(data, weight)
        second.fit(twin, data, weight=weight)
        if second.last.step < goal:
            return None
        self.steps += second.last.step
        self.history += second.history
        return twin
