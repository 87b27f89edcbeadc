"""Recipe of the default model, any-order masked autoregression: its hyper-parameters and its training plan.

The model itself is in :mod:`synthkit.models.anyorder`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from synthkit.layout import Encoded, Layout
from synthkit.models.anyorder import AutoregressiveModel
from synthkit.models.base import ModelSpec, Recipe
from synthkit.models.nets import nodes_of
from synthkit.params import InstanceOf, Interval, param

__all__ = ["Autoregressive", "AutoregressiveModel"]

_FEW_RATE = 0.3  # of the peak rate, where rows are few; small nets bear all of it


@dataclass(eq=False, repr=False, kw_only=True)
class Autoregressive(ModelSpec):
    """Recipe of the autoregressive model.

    Example:
        >>> Autoregressive(width=64).width
        64
    """

    name: ClassVar[str] = "autoregressive"

    width: int = param(96, Interval(int, 1, 4096), "hidden units of each field's net")
    depth: int = param(2, Interval(int, 1, 8), "hidden layers of each net")
    features: int = param(24, Interval(int, 4, 512), "input features of a field with many codes")
    reads: int = param(48, Interval(int, 1, 1 << 16), "fields that a net reads at most, where the table has more")
    smooth: int = param(16, Interval(int, 0, 256), "smooth directions of the head of an ordered field")
    spikiness: float = param(20.0, Interval(float, 0, None), "times its mass: how far a code may leave its neighbours")
    subcells: int = param(8, Interval(int, 1, 64), "parts in which the offset inside a code's cell is drawn")
    bands: int = param(2, Interval(int, 0, 16), "numbers whose place a number's head leans on directly")
    harmonics: int = param(64, Interval(int, 1, 512), "of the series that such a band is written in")
    dropout: float = param(0.4, Interval(float, 0, 0.9), "dropout of hidden units")
    natural: float = param(0.6, Interval(float, 0, 1), "share of training steps in the table's own order")
    lr: float = param(3e-3, Interval(float, 0, 1, closed="right"), "peak learning rate of AdamW, from 16,000 rows on")
    weight_decay: float = param(1e-2, Interval(float, 0, 10), "decoupled weight decay of matrices")
    batch_size: int = param(512, Interval(int, 1, 1 << 20), "rows per step")
    epochs: float = param(25.0, Interval(float, 0, 1e6), "passes over the rows that the schedule plans")
    ema: float = param(0.99, Interval(float, 0, 1), "decay of the averaged weights")
    patience: int = param(8, Interval(int, 1, 1000), "validations without a better net before training stops")
    refit_below: int = param(5000, Interval(int, 0), "rows: with fewer, a second training uses the validation rows too")
    even: bool = param(True, InstanceOf(bool), "rows that ask the same are spread evenly over the laws (models.even)")
    small_below: int = param(5000, Interval(int, 0), "rows: with fewer, nets and batches are small; 0: never")

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> AutoregressiveModel:
        model = AutoregressiveModel(self, layout)
        model.take_frequencies(data, weight)
        return model

    def restore(self, layout: Layout) -> AutoregressiveModel:
        return AutoregressiveModel(self, layout)

    def adapted(self, layout: Layout, rows: int) -> Autoregressive:
        """The same for few rows: nets of a third of the size, smoother heads, small batches at the full rate.

        Against the nets for many rows, on tables of 200 to 2,700 rows: a fifth of the time, fresh rows likelier by up
        to 4 nats, less detectable and no nearer to the training rows; from 8,000 rows on, more detectable.
        """
        if rows >= self.small_below or len(nodes_of(layout)) > self.reads:
            return self
        return replace(
            self,
            width=max(self.width // 3, 1),
            features=max(self.features // 2, 4),
            harmonics=max(self.harmonics // 4, 1),
            smooth=self.smooth // 2,
            spikiness=self.spikiness / 10,
            batch_size=max(self.batch_size // 8, 1),
            lr=min(self.lr / _FEW_RATE, 1.0),
            small_below=0,
        )

    def slim(self) -> Autoregressive:
        """The same for tables of more than ``reads`` fields: nets of half the size, smoother heads, less dropout.

        A net of few inputs needs no more, and it measured better from 500 rows to 20,000. Half the ``natural`` steps
        cost nothing in the table's own order there, and conditions on late columns gain by them.
        """
        return replace(
            self,
            width=max(self.width // 2, 1),
            features=max(self.features // 2, 4),
            harmonics=max(self.harmonics // 4, 1),
            smooth=self.smooth // 2,
            dropout=self.dropout * 0.75,
            natural=self.natural / 2,
            spikiness=self.spikiness / 10,
        )

    def recipe(self, rows: int) -> Recipe:
        """The training plan for so many rows."""
        per_epoch = max(rows // self.batch_size, 1)
        steps = int(np.clip(self.epochs * per_epoch, 500, 20_000))
        return Recipe(
            steps=steps,
            batch_size=self.batch_size,
            # Few rows are overfitted within some dozen steps at the full rate, before the heads have become smooth.
            lr=self.lr * float(np.clip(np.sqrt(rows / 16_000), _FEW_RATE, 1.0)),
            weight_decay=self.weight_decay,
            ema=self.ema,
            every=int(np.clip(steps // 25, 10, 50)),
            patience=self.patience,
            refit=rows < self.refit_below,
        )
