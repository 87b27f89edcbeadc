"""A training log, cut into its stages, as series of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.progress import Progress

__all__ = ["Segment", "Series", "segments_of", "smooth"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A figure over time: ``x`` steps since the fit began, ``y`` values, ``(n,)`` each."""

    name: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Segment:
    """The lines of one stage.

    Attributes:
        title: the stage, and that it is a second training where it is one; before: steps of earlier trainings;
        start: steps done when it began.
    """

    title: str
    lines: tuple[Progress, ...]
    before: int
    start: int

    @property
    def stop(self) -> int:
        """Steps done when it ended."""
        return self.before + self.lines[-1].step

    @property
    def losses(self) -> list[Series]:
        """Training losses by phase and part; the whole loss where there is but one phase."""
        names = list(dict.fromkeys(name for line in self.lines for name in line.losses))
        if len(names) > 1:
            found = [self._series(name, [line.losses.get(name) for line in self.lines]) for name in names]
        else:
            found = [self._series("training loss", [line.train_loss for line in self.lines])]
        return [series for series in found if len(series.x)]

    @property
    def judged(self) -> Series | None:
        """What decides which weights are kept: the score of drawn rows, or the validation loss; None: neither."""
        score = self._series("score of drawn rows", [line.score for line in self.lines])
        loss = self._series("validation loss", [line.valid_loss for line in self.lines])
        return next((series for series in (score, loss) if len(series.x)), None)

    def at(self, line: Progress) -> int:
        """Steps since the fit began."""
        return self.before + line.step

    def _series(self, name: str, values: Sequence[float | None]) -> Series:
        pairs = [(self.at(line), v) for line, v in zip(self.lines, values, strict=True) if v is not None]
        x, y = np.array(pairs, np.float64).reshape(-1, 2).T
        finite = np.isfinite(y)
        return Series(name, x[finite], y[finite])


def segments_of(history: Sequence[Progress]) -> list[Segment]:
    """The stages in order. A step that is lower than the one before it begins a second training."""
    out: list[Segment] = []
    pieces: list[list[Progress]] = []
    for line in history:
        if not pieces or line.stage != pieces[-1][-1].stage or line.step < pieces[-1][-1].step:
            pieces.append([])
        pieces[-1].append(line)
    before, again = 0, False
    for piece in pieces:
        start = out[-1].stop if out else 0
        if out and piece[0].step < out[-1].lines[-1].step:
            before, again = start, True
        title = f"{piece[0].stage}, once more on all rows" if again else piece[0].stage
        out.append(Segment(title, tuple(piece), before, start))
    return out


def smooth(y: Floats) -> Floats:
    """A mean over a twentieth of the values on either side, fewer at the ends.

    >>> smooth(np.arange(3.0)).tolist()
    [0.0, 1.0, 2.0]
    """
    half = min(len(y) // 20, 10)
    total = np.concatenate([[0.0], np.cumsum(y)])
    at = np.arange(len(y))
    reach = np.minimum(half, np.minimum(at, len(y) - 1 - at))
    return np.asarray((total[at + reach + 1] - total[at - reach]) / (2 * reach + 1))
