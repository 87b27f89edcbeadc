"""The default model of long series: closed forms for mean, scale and dependence of the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from synthkit.series.base import Budget, Channels, FittedSeries, Floats, SeriesSpec
from synthkit.series.closed import ClosedForm

__all__ = ["SeriesAutoregressive"]


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesAutoregressive(SeriesSpec):
    """Recipe of the autoregressive model of series."""

    name: ClassVar[str] = "autoregressive"

    def fit(
        self,
        channels: Floats,
        covariates: Floats | None = None,
        starts: NDArray[np.int64] | None = None,
        *,
        about: Channels | None = None,
        seed: int = 0,
        budget: Budget = Budget(),  # noqa: B008
        device: torch.device | None = None,
    ) -> FittedSeries:
        starts = np.zeros(1, np.int64) if starts is None else starts
        about = Channels.plain(channels.shape[1]) if about is None else about
        return ClosedForm.fit(channels, covariates, starts, about)

    @staticmethod
    def fitted_class() -> type[FittedSeries]:
        return ClosedForm
