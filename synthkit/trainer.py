"""The training loop: AdamW, a schedule that follows steps, EMA weights, early stopping, checkpoints, exact resume.

One loop serves every model. Step s is seeded by (seed, s), so that a run depends on nothing but its seed and its
number of steps: a fit that the clock ended is repeated bit for bit by ``max_steps``, and a resumed fit is bit-equal
to one that was never interrupted.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from synthkit import checkpoint
from synthkit.criterion import Criterion
from synthkit.errors import SynthkitWarning, TrainingError
from synthkit.layout import Encoded
from synthkit.models.base import Model, Phase, Recipe, Stage
from synthkit.progress import Progress
from synthkit.runtime import entropy, seeded

__all__ = ["Recipe", "Trainer"]

_RECOVERIES = 3  # times that a training may go back to its best weights with half the rate


@dataclass
class Trainer:
    """Fits one stage of one model. Every attribute is public, so that a callback can look; none is needed afterwards.

    Args:
        recipe: how to train.
        seed: of batches, masks and dropout.
        max_steps, max_seconds: stop there; neither changes what the steps before do.
        progress: called with a :class:`Progress` at each validation; returning True stops the fit.
        checkpoint: a file written at each validation, from which ``resume`` goes on. Where a fit is stopped between
            two of them, the file does not know of that last validation, which an uninterrupted fit would not have.
        stage: who learns, and what decides; criterion: judges stages that are judged by samples.
        before, after: steps of the stages before this one, and planned ones of those after it; spent: their seconds.
    """

    recipe: Recipe
    seed: int = 0
    max_steps: int | None = None
    max_seconds: float | None = None
    progress: Callable[[Progress], bool | None] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    stage: Stage = field(default_factory=Stage)
    criterion: Criterion | None = None
    before: int = 0
    after: int = 0
    spent: float = 0.0
    history: list[Progress] = field(default_factory=list)
    step: int = 0
    best_step: int = 0  # the last at which some part of the model validated best; 0: none did
    stopped_by: str = ""

    def fit(
        self,
        model: Model,
        train: Encoded,
        valid: Encoded | None = None,
        *,
        weight: Tensor | None = None,
        valid_weight: Tensor | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> list[Progress]:
        """Train ``model`` in place and leave it in eval mode with its best weights.

        A loss that is not finite sends the training back to its best weights, with half the rate, three times at most.

        Args:
            train, valid: rows to learn from and to stop by; on the model's device.
            weight, valid_weight: ``(rows,)`` factors of the rows' losses.
            resume: a checkpoint of the same model, data and seed to go on from.

        Raises:
            TrainingError: the loss is not finite from the start.
            LoadError: the checkpoint is unreadable or of another model.
        """
        self._setup(model, train, valid, weight, valid_weight)
        if resume is not None:
            checkpoint.load(self, resume)
        with seeded(self.seed, train.cat.device):
            try:
                self._loop()
            except KeyboardInterrupt:
                self.stopped_by = "Ctrl-C"
                warnings.warn(
                    f"Trainer: interrupted after {self.before + self.step} steps; the best weights so far are kept.",
                    SynthkitWarning,
                    stacklevel=3,
                )
        self._keep_best()
        for p in self._params:
            p.requires_grad_(True)
        model.eval()
        return self.history

    # ---------------------------------------------------------------- the loop
    def _setup(
        self, model: Model, train: Encoded, valid: Encoded | None, weight: Tensor | None, valid_weight: Tensor | None
    ) -> None:
        self._model, self._train, self._valid = model, train, valid
        self._weight = None if weight is None else weight / weight.mean()
        self._valid_weight = valid_weight
        self._names = [n for n, p in model.named_parameters() if p.requires_grad]
        self._params = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in self._params if p.dim() >= 2], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in self._params if p.dim() < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=self.recipe.lr, betas=self.recipe.betas, fused=True
        )
        self._ema = [p.detach().clone() for p in self._params]
        self._best: list[Tensor] | None = None
        self._best_loss, self._stale = math.inf, 0
        self._turn: int | None = None  # the step from which the rate falls
        self._flat, self._flat_loss = 0, math.inf
        self._unit_best: Tensor | None = None
        self._order: tuple[int, Tensor] | None = None
        self._losses: dict[str, Tensor] = {}
        self._slower = 1.0  # halved by each recovery
        whole = [phase.parameters == ("",) for phase in self.stage.phases]
        self._movers = None if all(whole) else {phase.name: self._of(phase) for phase in self.stage.phases}

    def _of(self, phase: Phase) -> list[bool]:
        """Which parameters move in a phase."""
        return [name.startswith(phase.parameters) for name in self._names]

    def _loop(self) -> None:
        start, running = time.monotonic(), torch.zeros(())
        if self._out_of_patience():  # a resumed fit that had come to its end
            self.stopped_by = "early stopping"
            return
        if self._by_samples and not self.step:  # what the stage starts from may stay the best
            self._note(None, self.recipe.steps, 0.0)
        planned = self.recipe.steps
        limit = planned if self.max_steps is None else min(planned, self.max_steps)
        while self.step < (last := min(limit, self._end())):
            running = self._one_step()
            self.step += 1
            seconds = time.monotonic() - start
            late = self.max_seconds is not None and seconds >= self.max_seconds
            if self.step % self.recipe.every == 0 or self.step == last or late:
                value = float(running)
                if not math.isfinite(value) or not self._finite():
                    if not self._recover():
                        break
                elif self._report(value, planned, seconds):
                    break
            if late:
                self.stopped_by = "max_seconds"
                break

    def _finite(self) -> bool:
        return all(math.isfinite(float(total)) for total in torch._foreach_norm([p.detach() for p in self._params]))

    def _recover(self) -> bool:
        """Back to the best weights with half the rate. False: stop with them.

        Raises:
            TrainingError: there are none.
        """
        if self._best is None:
            raise TrainingError(
                f"Trainer: the loss is not finite at step {self.step}; lower the model's 'lr', or check the "
                "columns for extreme values."
            )
        self._assign(self._best)
        self._ema = [p.detach().clone() for p in self._params]
        self._optimizer.state.clear()
        self._slower /= 2
        again = self._slower > 0.5 ** (_RECOVERIES + 1)
        if not again:
            self.stopped_by = "divergence"
        warnings.warn(
            f"Trainer: the {self.stage.name} loss was not finite at step {self.before + self.step}; "
            + ("training goes on" if again else "training stops")
            + " from the best weights so far. Lower the model's 'lr' if this happens again.",
            SynthkitWarning,
            stacklevel=5,
        )
        return again

    def _batch(self) -> Tensor:
        """Row numbers of this step's batch: a fresh permutation each epoch, computed from the step alone."""
        rows = len(self._train)
        size = min(self.recipe.batch_size, rows)
        per_epoch = max(rows // size, 1)
        epoch, k = divmod(self.step, per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng(entropy(self.seed, 1, epoch)).permutation(rows)
            self._order = epoch, torch.from_numpy(order).to(self._train.cat.device)
        return self._order[1][k * size : (k + 1) * size]

    def _one_step(self) -> Tensor:
        model, recipe = self._model, self.recipe
        index = self._batch()
        batch = self._train.take(index)
        nothing = model.layout.empty(len(batch), batch.cat.device)
        torch.manual_seed(entropy(self.seed, 2, self.step))
        model.train()
        total = torch.zeros((), device=batch.cat.device)
        for phase in self.stage.phases:
            if self.step % phase.every:
                continue
            if self._movers is not None:  # nobody computes gradients that nobody takes
                for p, moves in zip(self._params, self._movers[phase.name], strict=True):
                    p.requires_grad_(moves)
            loss = model(nothing, batch, phase=phase.name)
            loss = (loss if self._weight is None else loss * self._weight[index]).mean()
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._params, recipe.clip, foreach=True)
            for group in self._optimizer.param_groups:
                group["lr"] = recipe.lr * self._rate() * phase.lr_factor * self._slower
            self._optimizer.step()
            self._losses[phase.name] = loss.detach()
            total += loss.detach()
        self._losses |= model.logged
        decay = min(recipe.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self._ema, [p.detach() for p in self._params], 1 - decay)
        return total

    def _rate(self) -> float:
        """Warm-up, level, then half a cosine down to 2 %.

        It falls from the turn on: when validation has become flat, or so that it ends with the planned steps. The
        fall takes ``recipe.settle`` times the steps before it ("warmup, stable, decay", Hu et al., MiniCPM, 2024).
        """
        turn, end = self._turned(), self._end()
        done = min(max(self.step - turn, 0) / max(end - turn, 1), 1.0)
        return min(1.0, (self.step + 1) / self.recipe.warmup) * (0.51 + 0.49 * math.cos(math.pi * done))

    def _turned(self) -> int:
        return self._turn if self._turn is not None else int(self.recipe.steps / (1 + self.recipe.settle))

    def _end(self) -> int:
        turn = self._turned()
        return min(self.recipe.steps, turn + max(int(turn * self.recipe.settle), self.recipe.warmup))

    def _watch(self, loss: float) -> None:
        """Turn where two validations in a row brought no progress to speak of; go on from the best weights."""
        if self._turn is not None or self.step >= self._turned():
            return
        if loss < self._flat_loss - 5e-4 * abs(loss):
            self._flat, self._flat_loss = 0, loss
            return
        self._flat += 1
        if self._flat >= 2 and self._best is not None:
            self._turn = self.step
            self._assign(self._best)
            self._ema = [p.detach().clone() for p in self._params]

    # ---------------------------------------------------------------- validation, best weights
    @property
    def _by_samples(self) -> bool:
        return self.stage.judge == "samples" and self.criterion is not None

    def _report(self, train_loss: float, planned: int, seconds: float) -> bool:
        """Validate the averaged weights, remember the best, tell the callback. True: stop."""
        early = self.step % self.recipe.every != 0 and self.step != planned
        if early and self.checkpoint is not None:
            checkpoint.save(self, self.checkpoint)
        stop = self._note(train_loss, planned, seconds, early)
        if not early and self.checkpoint is not None:
            checkpoint.save(self, self.checkpoint)
        return stop

    def _note(self, train_loss: float | None, planned: int, seconds: float, early: bool = False) -> bool:
        """One line of the log, with the validation that it reports. True: stop."""
        valid_loss, score, drawn, stop = None, None, None, False
        if self._by_samples:
            score, drawn = self._judge()
        elif self.stage.judge == "loss" and self._valid is not None and len(self._valid):
            valid_loss = self._validate()
            if not early:
                self._watch(valid_loss)
        if self._out_of_patience():
            self.stopped_by, stop = "early stopping", True
        losses = {name: float(value) for name, value in self._losses.items()}
        best = None if valid_loss is None and score is None else self._best_loss
        total = self.before + planned + self.after
        values = self.before + self.step, total, train_loss, valid_loss, best, self.spent + seconds
        line = Progress(*values, stage=self.stage.name, losses=losses, score=score, drawn=drawn)
        self.history.append(line)
        if self.progress is not None and self.progress(line):
            self.stopped_by, stop = "the progress callback", True
        return stop

    def _judge(self) -> tuple[float, Encoded]:
        """The score of what the averaged weights draw, and the rows."""
        assert self.criterion is not None
        current = [p.detach().clone() for p in self._params]
        self._assign(self._ema)
        self._model.eval()
        score, drawn = self.criterion(self._model)
        improved = score < self._best_loss
        if improved:
            self.best_step, self._best_loss = self.step, score
            self._best = [p.detach().clone() for p in self._params]
        self._stale = 0 if improved else self._stale + 1
        self._assign(current)
        return score, drawn

    def _out_of_patience(self) -> bool:
        return self._stale >= self.recipe.patience

    def _validate(self) -> float:
        assert self._valid is not None
        model = self._model
        current = [p.detach().clone() for p in self._params]
        self._assign(self._ema)
        model.eval()
        with torch.no_grad():
            units = model.column_losses(self._valid) if self._valid_weight is None else None
            if units is not None:
                loss = float(units.sum())
                improved = self._keep_units(units)
            else:
                nothing = model.layout.empty(len(self._valid), self._valid.cat.device)
                rows = torch.stack([model(nothing, self._valid, phase=p.name) for p in self.stage.phases]).sum(0)
                w = self._valid_weight
                loss = float(rows.mean() if w is None else (rows * w).sum() / w.sum())
                improved = loss < self._best_loss
                if improved:
                    self.best_step = self.step
                    self._best = [p.detach().clone() for p in self._params]
        self._stale = 0 if improved else self._stale + 1
        self._best_loss = min(self._best_loss, loss)
        self._assign(current)
        return loss

    def _keep_units(self, units: Tensor) -> bool:
        """Each independent part of the model keeps its own best moment. True if any part is clearly better."""
        if self._unit_best is None or self._best is None:
            self._unit_best = units.clone()
            self.best_step = self.step
            self._best = [p.detach().clone() for p in self._params]
            return True
        better = units < self._unit_best
        clear = bool((units < self._unit_best - 1e-4).any())
        self._unit_best = torch.minimum(units, self._unit_best)
        if bool(better.any()):
            self.best_step = self.step
        for name, p, best in zip(self._names, self._params, self._best, strict=True):
            unit = self._model.unit_axis(name)
            if unit is None:  # shared by all parts: it follows the last clear progress
                if clear:
                    best.copy_(p.detach())
                continue
            axis, index = unit
            keep = better if index is None else better[index.to(better.device)]
            shape = [1] * p.dim()
            shape[axis] = -1
            best.copy_(torch.where(keep.view(shape), p.detach(), best))
        return clear

    def _assign(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(list[Tensor](self._params), values)

    def _keep_best(self) -> None:
        self._assign(self._best if self._best is not None else self._ema)
