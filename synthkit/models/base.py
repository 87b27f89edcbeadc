"""What every model is: a torch module whose ``forward`` is its loss and whose ``complete`` fills a partial table.

To add a model, write a ``ModelSpec`` (the recipe) and a ``Model`` (the fitted thing), and add one line to
``synthkit.models.MODELS``; the contract tests then run on it. See ``docs/adding_a_model.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from synthkit.errors import ConditionError
from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.resampling import Joint
from synthkit.params import Params

__all__ = ["Latent", "Model", "ModelSpec", "ModelTags", "Phase", "Recipe", "Stage", "check_allowed", "draw_codes"]


@dataclass(frozen=True)
class Phase:
    """Who moves in one step of a stage: the parameters whose names start with one of ``parameters`` ("" for all)."""

    name: str = "all"
    parameters: tuple[str, ...] = ("",)
    every: int = 1
    lr_factor: float = 1.0


@dataclass(frozen=True)
class Stage:
    """A stretch of the training with a schedule and an optimiser of its own, that cycles through its phases.

    Attributes:
        share: of the planned steps.
        judge: what decides which weights are kept, and when to stop: ``"loss"`` on held-out rows, or ``"samples"``
            (how well drawn rows can be told from held-out ones), for losses that say nothing of quality.
        options: entries of the :class:`Recipe` that are other in this stage (``{"lr": 1e-4}``).
        checks: how many validations are planned, if not one every so many steps.
        closed_form: ``Model.begin`` alone leaves a model that draws, roughly, if training is stopped before this stage.
    """

    name: str = "fit"
    share: float = 1.0
    phases: tuple[Phase, ...] = (Phase(),)
    judge: Literal["loss", "samples"] = "loss"
    options: Mapping[str, Any] = field(default_factory=dict)
    checks: int | None = None
    closed_form: bool = False

    def recipe(self, whole: Recipe) -> Recipe:
        """This stage's part of the recipe of all stages."""
        own: dict[str, Any] = {"steps": max(round(whole.steps * self.share), 1), **self.options}
        if self.checks is not None:
            own["every"] = max(own["steps"] // self.checks, 1)
        return replace(whole, **own)


@dataclass(frozen=True)
class ModelTags:
    """What a model can do; the contract tests and the synthesizer read this instead of the class.

    Attributes:
        has_log_prob: in eval mode, with nothing known, ``-forward`` is the log-probability of a row's entries.
        trains: the trainer runs gradient steps (closed-form models are complete after ``build``).
        couples_rows: a row's loss depends on its batch-mates.
        conditional: ``complete`` draws from the conditional law, not only a table that agrees with the known entries.
    """

    has_log_prob: bool = True
    trains: bool = True
    couples_rows: bool = False
    conditional: bool = True


@dataclass(frozen=True)
class Recipe:
    """How to train: what a ``ModelSpec`` asks of the trainer.

    Attributes:
        steps: the length of the learning-rate schedule; training never goes beyond.
        settle: the rate falls over this share of the steps before it began to fall, which it does as soon as
            validation is flat.
        every: steps between two validations; patience: validations without a new best before it stops.
        ema: decay of the averaged weights, which are validated and kept.
        decay: weight decay of matrices (tensors of two or more dimensions).
        refit: train once more on all rows, those to stop by too, with as many steps as the first training taught.
    """

    steps: int
    batch_size: int = 512
    lr: float = 2e-3
    weight_decay: float = 1e-2
    ema: float = 0.998
    settle: float = 0.5
    every: int = 100
    patience: int = 8
    warmup: int = 50
    clip: float = 5.0
    betas: tuple[float, float] = (0.9, 0.98)
    refit: bool = False


class Model(nn.Module, ABC):
    """A law over the fields of a :class:`~synthkit.layout.Layout`. Knows tensors, never pandas.

    All randomness comes from torch's global generator, which the caller seeds (``runtime.seeded``).
    """

    layout: Layout
    joint: Sequence[Joint] = ()  # how the last ``complete`` under several conditions went
    tags: ClassVar[ModelTags] = ModelTags()
    stages: Sequence[Stage] = (Stage(),)
    logged: Mapping[str, Tensor] = {}  # parts of the last training loss, by name, for whoever watches

    @abstractmethod
    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        """The loss of completing ``partial`` to ``target``.

        It falls on entries known in ``target`` and not in ``partial``; row i depends on row i only.

        Returns:
            ``(rows,)``, finite.
        """

    @abstractmethod
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        """Draw what ``partial`` does not know.

        Args:
            partial: some entries known, in any pattern, row by row.
            allowed: per coded field (its position in the layout), the set its draws must come from.

        Returns:
            Every applicable entry known, the given ones unchanged bit for bit.

        Raises:
            ConditionError: nothing in the model's reach meets ``allowed``.
        """

    def conditionals(self, partial: Encoded) -> list[Tensor] | None:
        """Per node (``nets.nodes_of``), the law of its codes given everything else that a row knows.

        Exact where a model can tell it without drawing; None where it cannot.

        Returns:
            One ``(rows, codes)`` per node, each row summing to 1; null is left out.
        """
        return None

    def begin(self, stage: Stage, data: Encoded, weight: Tensor | None = None) -> None:
        """Called before each stage, in eval mode and inside a seeded block; by default nothing is to be prepared.

        Args:
            data, weight: the training rows.
        """

    def finish(self, data: Encoded, weight: Tensor | None = None) -> None:
        """A last touch after the gradient steps, in eval mode and inside a seeded block; by default there is none.

        Args:
            data, weight: the training rows.
        """

    def plan(self, recipe: Recipe) -> Recipe:
        """The recipe as this model's size demands; by default as it is."""
        return recipe

    def column_losses(self, target: Encoded) -> Tensor | None:
        """``(units,)`` mean validation loss of each part that could stop training by itself; None: no such parts."""
        return None

    def unit_axis(self, name: str) -> tuple[int, Tensor | None] | None:
        """Which axis of the parameter ``name`` runs over the parts of :meth:`column_losses`.

        Returns:
            The axis, and the part that each entry along it belongs to (None: all parts in order); None if the
            parameter is shared by all parts.
        """
        return None


@runtime_checkable
class Latent(Protocol):
    """A model whose rows have a place in a latent space.

    Attributes:
        latents: its dimensions, L.
    """

    latents: int

    def encode(self, data: Encoded) -> Tensor:
        """Where whole rows lie, ``(rows, L)``."""

    def decode(self, z: Tensor) -> Encoded:
        """One row drawn at each point ``(rows, L)``."""


class ModelSpec(Params, ABC):
    """A recipe: hyper-parameters only. ``build`` makes the model; a fitted model is another type."""

    name: ClassVar[str]

    @abstractmethod
    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> Model:
        """The model for these fields, with everything that is closed-form already taken from the training data."""

    @abstractmethod
    def restore(self, layout: Layout) -> Model:
        """A model of the right shapes, whose state is loaded afterwards (it must not need the data)."""

    def adapted(self, layout: Layout, rows: int) -> ModelSpec:
        """The recipe that a table of this size gets; by default, this one."""
        return self

    def recipe(self, rows: int) -> Recipe:
        """How to train on so many rows. Closed-form models need none."""
        return Recipe(steps=0)

    def to_json(self) -> dict[str, Any]:
        """Name and hyper-parameters, as a model file keeps them."""
        return {"name": self.name, "params": self.get_params()}


def check_allowed(allowed: Mapping[int, Allowed] | None, layout: Layout) -> Mapping[int, Allowed]:
    """``allowed`` with its shapes checked.

    Raises:
        ConditionError: a field is not coded, a shape is wrong, or nothing is allowed.
    """
    for position, rule in (allowed or {}).items():
        size = layout.fields[position].size
        if not size or rule.weights.shape != (size,):
            raise ConditionError(f"Model.complete: argument 'allowed' needs {size} weights for field {position}.")
        if not bool((rule.weights > 0).any()):
            raise ConditionError(f"Model.complete: argument 'allowed' leaves nothing for field {position}.")
    return allowed or {}


def draw_codes(log_weights: Tensor, uniform: Tensor | None = None) -> Tensor:
    """One code per row from unnormalised log-weights, by inversion of the cumulative sum.

    Args:
        log_weights: ``(rows, size)``; -inf forbids a code.
        uniform: ``(rows,)`` in [0, 1); None: drawn here.

    Returns:
        ``(rows,)`` integers.
    """
    cumulative = torch.softmax(log_weights, 1).cumsum(1)
    # A point strictly below the total can never fall behind the last code that has mass.
    uniform = torch.rand(len(cumulative), device=cumulative.device) if uniform is None else uniform
    point = uniform[:, None] * cumulative[:, -1:] * (1 - 1e-6)
    code = torch.searchsorted(cumulative, point, right=True).squeeze(1)
    return code.clamp_(max=log_weights.shape[1] - 1)
