"""Recipe of the conditional GAN: its hyper-parameters and its training plan.

The model itself is in :mod:`synthkit.models.adversarial`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from synthkit.layout import Encoded, Layout
from synthkit.models.adversarial import ConditionalGANModel
from synthkit.models.base import ModelSpec, Phase, Recipe, Stage
from synthkit.models.nets import nodes_of
from synthkit.params import Interval, OneOf, Optional, param

__all__ = ["ConditionalGAN", "ConditionalGANModel"]

_GENERATOR = ("generator.", "heads.")


@dataclass(eq=False, repr=False, kw_only=True)
class ConditionalGAN(ModelSpec):
    """Recipe of the conditional GAN.

    Example:
        >>> ConditionalGAN(loss="wgan-gp", critic_steps=5, warm=0.0).loss
        'wgan-gp'
    """

    name: ClassVar[str] = "gan"

    loss: str = param("relativistic", OneOf("relativistic", "nonsaturating", "wgan-gp"), "of critic and generator")
    noise: int = param(64, Interval(int, 1, 4096), "entries of the noise")
    width: int = param(256, Interval(int, 1, 8192), "hidden units of generator and critic")
    depth: int = param(2, Interval(int, 1, 32), "residual blocks of each")
    features: int = param(24, Interval(int, 4, 512), "entries of the vector by which nets read a code")
    temperature: float = param(1.0, Interval(float, 0.01, 10), "of the softmax whose gradient stands in for the draw's")
    penalty: float | None = param(
        None,
        Optional(Interval(float, 0, 1e6)),
        "weight of the critic's gradient penalty; None: 1, and 10 for wgan-gp, as in its paper",
    )
    critic_steps: int = param(
        1, Interval(int, 1, 100), "steps of the critic per step of the generator; wgan-gp wants about 5"
    )
    free: float = param(0.5, Interval(float, 0, 1), "share of training rows of which nothing is given")
    warm: float = param(0.3, Interval(float, 0, 0.9), "share of the steps that train the generator as an auto-encoder")
    beta: float = param(1.0, Interval(float, 0, 100), "weight of the code's cost there")
    candidates: int = param(8, Interval(int, 1, 1024), "rows drawn for each one kept, which the critic picks; 1: none")
    referee: float = param(0.15, Interval(float, 0, 0.9), "share of the steps that teach the critic to pick")
    dropout: float = param(0.1, Interval(float, 0, 0.9), "of whole columns, while it is taught to pick")
    warm_lr: float = param(2e-3, Interval(float, 0, 1, closed="right"), "peak learning rate as an auto-encoder")
    lr: float = param(3e-4, Interval(float, 0, 1, closed="right"), "learning rate of the generator in the game")
    critic_lr: float = param(6e-4, Interval(float, 0, 1, closed="right"), "learning rate of the critic")
    batch_size: int = param(256, Interval(int, 1, 1 << 20), "rows per step")
    steps: int = param(7000, Interval(int, 1), "steps of all stages together")
    small_below: int = param(5000, Interval(int, 0), "rows: with fewer, nets and batches are small; 0: never")
    ema: float = param(0.998, Interval(float, 0, 1), "decay of the averaged weights, which are the ones that draw")

    @property
    def tameness(self) -> float:
        """``penalty``, or what stands for None."""
        if self.penalty is not None:
            return self.penalty
        return 10.0 if self.loss == "wgan-gp" else 1.0

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> ConditionalGANModel:
        model = ConditionalGANModel(self, layout)
        model.start(data, weight)
        return model

    def restore(self, layout: Layout) -> ConditionalGANModel:
        return ConditionalGANModel(self, layout)

    def adapted(self, layout: Layout, rows: int) -> ConditionalGAN:
        """The same for few rows: nets of a quarter of the size, fewer steps, smaller batches, and a tamer critic.

        A critic that knows the training rows by heart pulls the generator to them, and would pick what is near to them.
        Of many nodes (above 32, fully from 48) they are half the size instead of a quarter.
        """
        if rows >= self.small_below:
            return self
        share = rows / self.small_below
        faster = float(np.clip(0.25 / share, 1, 6))  # small nets in few steps
        size = float(np.clip(len(nodes_of(layout)) / 16 - 1, 1, 2))
        return replace(
            self,
            width=max(int(self.width * size) // 4, 1),
            depth=max(int(self.depth * size) // 2, 1),
            batch_size=int(np.clip(self.batch_size * share, min(64, self.batch_size), self.batch_size)),
            steps=int(np.clip(self.steps * share / 2, min(1200, self.steps), self.steps)),
            penalty=self.tameness * float(np.clip(0.5 / share, 1, 3)),
            noise=max(int(self.noise * size) // 4, 1),
            lr=min(self.lr * faster, 1.0),
            critic_lr=min(self.critic_lr * faster, 1.0),
            candidates=1,
            small_below=0,
        )

    def stages(self) -> tuple[Stage, ...]:
        """Warm start, the game, and the critic's lesson in picking; stages of no steps are left out."""
        warm = Stage(
            "warm",
            self.warm,
            (Phase("reconstruct", (*_GENERATOR, "encoder.")),),
            options={"lr": self.warm_lr, "settle": 1.0},
        )
        picking = self.referee if self.candidates > 1 else 0.0
        game = Stage(
            "adversarial",
            max(1 - self.warm - picking, 0.05),
            (
                Phase("critic", ("critic.",), lr_factor=self.critic_lr / self.lr),
                Phase("generator", _GENERATOR, every=self.critic_steps),
            ),
            judge="samples",
            options={"lr": self.lr, "betas": (0.0, 0.95), "weight_decay": 0.0, "settle": 1.0},
        )
        referee = Stage(
            "referee", picking, (Phase("referee", ("critic.",)),), options={"lr": 1e-3, "weight_decay": 0.1}
        )
        stages = [stage for stage in (warm, game, referee) if stage.share]
        whole = max(sum(stage.share for stage in stages), 1.0)
        return tuple(replace(stage, share=stage.share / whole) for stage in stages)

    def recipe(self, rows: int) -> Recipe:
        """The training plan for so many rows."""
        every = int(np.clip(self.steps // 14, 1, 500))
        return Recipe(steps=self.steps, batch_size=self.batch_size, ema=self.ema, every=every)
