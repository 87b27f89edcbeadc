"""The stages of a model, trained one after another."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from synthkit.criterion import Criterion
from synthkit.errors import SynthkitWarning
from synthkit.layout import Encoded
from synthkit.models.base import Model, Recipe
from synthkit.progress import Progress
from synthkit.runtime import entropy, seeded
from synthkit.trainer import Trainer

__all__ = ["Stages"]


@dataclass
class Stages:
    """Fits all stages of one model.

    Args:
        recipe: how to train; each stage takes its share of the steps.
        seed, progress: as in :class:`~synthkit.trainer.Trainer`.
        max_steps: of all stages together, shared like the planned ones; or one number per stage, as ``steps`` gives.
        max_seconds: of all stages together; each gets its share of what is left.

    Attributes:
        trainers: one per stage, after the fit.
    """

    recipe: Recipe
    seed: int = 0
    max_steps: int | Sequence[int] | None = None
    max_seconds: float | None = None
    progress: Callable[[Progress], bool | None] | None = None
    trainers: list[Trainer] = field(default_factory=list)

    def fit(
        self,
        model: Model,
        train: Encoded,
        valid: Encoded | None = None,
        *,
        weight: Tensor | None = None,
        valid_weight: Tensor | None = None,
    ) -> list[Progress]:
        """Train ``model`` in place, and leave it in eval mode with its best weights.

        Args:
            train, valid, weight, valid_weight: as ``Trainer.fit`` takes them.

        Raises:
            TrainingError: a loss is not finite from the start.
        """
        start = time.monotonic()
        whole = model.plan(self.recipe)
        recipes = [stage.recipe(whole) for stage in model.stages]
        criterion = None
        if valid is not None and len(valid) and any(stage.judge == "samples" for stage in model.stages):
            weights = None if weight is None or valid_weight is None else (weight, valid_weight)
            criterion = Criterion(model.layout, train, valid, entropy(self.seed, 5), weights)
        for k, stage in enumerate(model.stages):
            model.eval()
            seed = self.seed if len(recipes) == 1 else entropy(self.seed, 4, k)
            with seeded(entropy(seed, 6), train.cat.device):
                model.begin(stage, train, weight)
            trainer = Trainer(
                recipes[k],
                seed=seed,
                max_steps=self._steps(model, k),
                max_seconds=self._seconds(model, k, time.monotonic() - start),
                progress=self.progress,
                stage=stage,
                criterion=criterion,
                before=sum(done.step for done in self.trainers),
                after=sum(recipe.steps for recipe in recipes[k + 1 :]),
                spent=time.monotonic() - start,
            )
            self.trainers.append(trainer)
            trainer.fit(model, train, valid, weight=weight, valid_weight=valid_weight)
            if trainer.stopped_by in ("Ctrl-C", "the progress callback"):
                self._leave_out(model, k + 1, train, weight)
                break
        return self.history

    def _leave_out(self, model: Model, first: int, train: Encoded, weight: Tensor | None) -> None:
        """Stages that will not be trained: what they take from the data in closed form is all that they get."""
        left = model.stages[first:]
        if not left:
            return
        for k, stage in enumerate(left, first):
            if stage.closed_form:
                with seeded(entropy(self.seed, 4, k, 6), train.cat.device):
                    model.begin(stage, train, weight)
        warnings.warn(
            f"Stages.fit: stopped before {' and '.join(repr(stage.name) for stage in left)}; draws of the model, which "
            "needs that, will be rough.",
            SynthkitWarning,
            stacklevel=3,
        )

    def _steps(self, model: Model, k: int) -> int | None:
        if self.max_steps is None or isinstance(self.max_steps, int):
            whole = self.max_steps
            return whole if whole is None or len(model.stages) == 1 else max(round(whole * model.stages[k].share), 1)
        return self.max_steps[k] if k < len(self.max_steps) else 0

    def _seconds(self, model: Model, k: int, spent: float) -> float | None:
        if self.max_seconds is None:
            return None
        left = [stage.share for stage in model.stages[k:]]
        return (self.max_seconds - spent) * left[0] / sum(left)

    # ---------------------------------------------------------------- what came of it
    @property
    def history(self) -> list[Progress]:
        """The log of all stages."""
        return [line for trainer in self.trainers for line in trainer.history]

    @property
    def steps(self) -> int | tuple[int, ...]:
        """Steps taken, by stage where there are several: ``max_steps=steps`` repeats the fit."""
        taken = tuple(trainer.step for trainer in self.trainers)
        return taken if len(taken) > 1 else sum(taken)

    @property
    def last(self) -> Trainer:
        """The trainer of the last stage that was begun."""
        return self.trainers[-1]
