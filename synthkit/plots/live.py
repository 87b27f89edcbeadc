"""A training that draws itself in a notebook while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from typing import Any

import pandas as pd

from synthkit.encoder import TableEncoder
from synthkit.errors import ParamError
from synthkit.params import Interval, check
from synthkit.plots.history import curves
from synthkit.plots.moments import Watched, moments_of
from synthkit.plots.segments import segments_of
from synthkit.progress import Progress, ProgressBar
from synthkit.report.svg import Figure

__all__ = ["Live"]


class Live(ProgressBar):
    """Give it as ``progress=``: in a notebook the losses, and what decides, are drawn in place while a model learns.

    Elsewhere (a script, a terminal) it is the usual bar. It serves one fit after another.

    Args:
        column, real: watch this column, too, in the rows that an adversarial or variational model draws while it
            learns: ``real`` is the table that is given to ``fit``.
        encoder: a fitted ``TableEncoder``; None: that of the fit it watches (a synthesizer tells it).
        every: seconds between two drawings, at least.

    Raises:
        ParamError: ``column`` without ``real``, or no such column.

    Example:
        >>> from synthkit import TabularSynthesizer, plots
        >>> table = pd.DataFrame({"x": range(200), "y": ["a", "b"] * 100})
        >>> live = plots.Live()
        >>> fitted = TabularSynthesizer("autoregressive", max_steps=20, progress=live, random_state=0).fit(table)
    """

    def __init__(
        self,
        column: Hashable | None = None,
        real: pd.DataFrame | None = None,
        *,
        encoder: TableEncoder | None = None,
        every: float = 1.0,
    ) -> None:
        super().__init__()
        check("plots.Live", "every", every, Interval(float, 0))
        self._told = encoder is None
        self.every = every
        self._watched: Watched | None = None
        if (column is None) != (real is None):
            raise ParamError("plots.Live: arguments 'column' and 'real' go together: what to watch, in which table.")
        if column is not None and real is not None:
            encoder = TableEncoder().fit(real) if encoder is None else encoder
            self._watched = Watched(encoder, column, real, "real rows", "plots.Live")
        self._begin()

    def learns(self, encoder: TableEncoder) -> None:
        """A fit begins whose rows are read by ``encoder``: thresholds of protection differ from fit to fit."""
        watched = self._watched
        if watched is not None and self._told and set(watched.encoder.schema_.columns) == set(encoder.schema_.columns):
            column, real = watched.column, watched.real
            self._watched = Watched(encoder, column, real, "real rows", "plots.Live")

    def _begin(self) -> None:
        self._lines: list[Progress] = []
        self._handle: Any = None
        self._drawn_at = -float("inf")
        if self._watched is not None:
            self._watched.forget()

    def __call__(self, progress: Progress) -> None:
        """Note one line of the log, and draw."""
        if not _in_notebook():
            super().__call__(progress)
            return
        self._lines.append(progress)
        if time.monotonic() - self._drawn_at >= self.every:
            self._show()

    def close(self) -> None:
        """The fit has ended: draw its end, and be ready for another."""
        super().close()
        if self._handle is not None:
            self._show()
        self._begin()

    def figure(self) -> Figure:
        """What has been learnt so far."""
        segments = segments_of(self._lines)
        last = self._lines[-1]
        title = f"{last.stage}: step {last.step:,} of {last.planned:,}"
        return curves(segments, title, self._watched, moments_of(segments) if self._watched is not None else ())

    def _show(self) -> None:
        from IPython.display import display

        picture = self.figure()
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
        self._drawn_at = time.monotonic()


def _in_notebook() -> bool:
    """Is there a front end that shows pictures? A terminal's IPython has no kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
