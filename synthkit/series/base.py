"""What every model of long series is: arrays in, arrays out. Dates, prices and tables are the encoder's business.

A series is a matrix of channels: T steps of D numbers, near stationary, of mean about 0 and spread about 1, without
gaps (``SeriesEncoder`` makes them of a table, and a table of them). Where the calendar has a hole, or blocks were cut
out, a new *segment* starts: no model may look across such a border.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from synthkit.params import Params
from synthkit.progress import Progress

__all__ = ["Budget", "Channels", "FittedSeries", "Floats", "SeriesSpec", "SteppedSeries"]

Floats = NDArray[np.float64]
_BLOCK = 2**22  # numbers drawn at once


@dataclass(frozen=True)
class Budget:
    """What a fit may cost: ``seconds`` of wall time and ``steps`` of training; None: as the model sees fit. Whom nets
    tell how they get on is ``progress``; True from it ends their training."""

    seconds: float | None = None
    steps: int | None = None
    progress: Callable[[Progress], bool | None] | None = None

    def after(self, seconds: float) -> Budget:
        """What is left of it after so many seconds; one at least."""
        if self.seconds is None:
            return self
        return replace(self, seconds=max(self.seconds - seconds, min(self.seconds, 1.0)))


@dataclass(frozen=True, eq=False)
class Channels:
    """What is known of the channels beside their values. Shapes: D channels.

    Attributes:
        names: what they are called in messages; level: ``(D,)`` bool, True where a channel is a level (a normal score
            of the column's law, so that it must not wander off), False where it is a change; group: ``(D,)`` int,
            channels of one group belong together (the bar and the volume of one asset); role: ``(D,)`` int, channels of
            one role mean the same in different groups; period: steps of one season (24 for hours with a daily
            profile), 0: none; least: rows that must stand behind a number that a model stores.
        move: ``(D,)`` weights of channels in the whole change of their group (gap and body of a bar), 0 of others;
            None: all 0.
        told: ``(D,)`` bool, levels that answer to the size of that change in the same step (the volume beside a bar);
            None: none.
    """

    names: tuple[str, ...]
    level: NDArray[np.bool_]
    group: NDArray[np.int64]
    role: NDArray[np.int64]
    period: int = 0
    least: int = 1
    move: NDArray[np.float64] | None = None
    told: NDArray[np.bool_] | None = None

    @classmethod
    def plain(cls, d: int, period: int = 0) -> Channels:
        """``d`` channels of which nothing is known: levels of one group, each with a role of its own."""
        names = tuple(f"channel {j}" for j in range(d))
        return cls(names, np.ones(d, bool), np.zeros(d, np.int64), np.arange(d), period)


class FittedSeries(ABC):
    """A fitted model of series.

    Attributes:
        copies: True where draws are made of values (or of residuals) of training rows, which the file then holds.
        memory: steps of the past that a draw looks at; more is welcome, less is made up for.
    """

    copies: ClassVar[bool] = False
    memory: int = 0

    @abstractmethod
    def draw(
        self, n: int, length: int, past: Floats | None = None, covariates: Floats | None = None, *, seed: int
    ) -> Floats:
        """Draw ``n`` independent paths of ``length`` steps.

        Args:
            past: ``(n or 1, P, D)`` the steps before the first drawn one, P >= 1; None: paths of a stationary law.
            covariates: ``(n or 1, P + length, C)`` calendar features of the past (P = 0 without one) and of the steps
                to be drawn; None where the model was fitted without any.
            seed: the same gives the same paths; numpy's and torch's global states stay as they are.

        Returns:
            ``(n, length, D)``, finite.
        """

    @abstractmethod
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """JSON values (see :mod:`synthkit.io`) and arrays, from which :meth:`from_state` rebuilds it."""

    @classmethod
    @abstractmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> FittedSeries:
        """The inverse of :meth:`to_state`."""


class SteppedSeries(FittedSeries):
    """A model that draws step by step, so many paths at once that memory is bounded.

    Attributes:
        channels: how many there are.
    """

    channels: int

    def draw(
        self, n: int, length: int, past: Floats | None = None, covariates: Floats | None = None, *, seed: int
    ) -> Floats:
        """See :meth:`FittedSeries.draw`."""
        out = np.empty((n, length, self.channels))
        block = max(_BLOCK // max(length * self.channels, 1), 1)
        for k, begin in enumerate(range(0, n, block)):
            m = min(block, n - begin)
            own = [x if x is None or len(x) == 1 else x[begin : begin + m] for x in (past, covariates)]
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
            out[begin : begin + m] = self._drawn(m, length, own[0], own[1], rng)
        return out

    @abstractmethod
    def _drawn(
        self, n: int, length: int, past: Floats | None, covariates: Floats | None, rng: np.random.Generator
    ) -> Floats:
        """The same of few paths."""


@dataclass(eq=False, repr=False, kw_only=True)
class SeriesSpec(Params, ABC):
    """A recipe: hyper-parameters as fields made by ``synthkit.params.param``, and a ``name``."""

    name: ClassVar[str] = ""

    @abstractmethod
    def fit(
        self,
        channels: Floats,
        covariates: Floats | None = None,
        starts: NDArray[np.int64] | None = None,
        *,
        about: Channels | None = None,
        seed: int = 0,
        budget: Budget = Budget(),
        device: torch.device | None = None,
    ) -> FittedSeries:
        """Learn a series; the arrays stay as they are.

        Args:
            channels: ``(T, D)``, finite; covariates: ``(T, C)`` calendar features, or None.
            starts: ``(S,)`` rows at which segments start, the first 0; None: one segment.
            about: what is known of the channels; None: :meth:`Channels.plain`.

        Raises:
            TrainingError: too few rows, or training diverged.
        """

    @staticmethod
    @abstractmethod
    def fitted_class() -> type[FittedSeries]:
        """The class whose ``from_state`` reads what a fitted model of this recipe wrote."""
