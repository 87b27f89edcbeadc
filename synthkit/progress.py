"""What a training tells whoever watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthkit.layout import Encoded

__all__ = ["Progress", "ProgressBar"]


@dataclass(frozen=True)
class Progress:
    """One line of a training log. Losses are means per row, in nats where the model has a likelihood.

    Attributes:
        step, planned: steps done, and the length of the schedule, over all stages.
        train_loss, valid_loss: None where there is none.
        best: the lowest so far of what decides in this stage: validation loss, or score.
        seconds: since the fit began.
        stage: its name; losses: the last training loss of each phase, and the parts that a model names.
        score: how well drawn rows are told from held-out ones (see ``criterion.Criterion``), 0.5 at best, where the
            stage is judged by that.
        drawn: some of those rows; never training rows.
    """

    step: int
    planned: int
    train_loss: float | None
    valid_loss: float | None
    best: float | None
    seconds: float
    stage: str = "fit"
    losses: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    drawn: Encoded | None = field(default=None, compare=False, repr=False)


class ProgressBar:
    """A tqdm bar on stderr, given to ``Trainer.fit`` as ``progress``."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=progress.planned, unit="step", leave=False)
        self._bar.total = progress.planned  # a second training has a plan of its own
        self._bar.update(progress.step - self._bar.n)
        shown = dict(progress.losses) if len(progress.losses) > 1 else {}
        decides = {"valid": progress.valid_loss, "score": progress.score, "best": progress.best}
        shown |= {name: value for name, value in decides.items() if value is not None}
        if shown:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in shown.items()})

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
