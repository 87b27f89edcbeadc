"""The picture of a whole training."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

import pandas as pd
import torch

from synthkit.errors import NotFittedError, ParamError
from synthkit.layout import Encoded
from synthkit.models.base import Model
from synthkit.plots.curves import cells_of, judged_row, losses_row
from synthkit.plots.moments import Moment, Watched, kind_of, moments_of
from synthkit.plots.segments import Segment, segments_of
from synthkit.report.svg import Figure, text
from synthkit.runtime import seeded
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["curves", "training"]

_WIDTH = 760
_ROWS = 10_000  # drawn of the columns' laws
_FINAL = 2000  # drawn of a model that drew nothing while it learnt


def training(
    synthesizer: TabularSynthesizer, column: Hashable | None = None, real: pd.DataFrame | None = None
) -> Figure:
    """How a fitted synthesizer learnt: losses by phase, and what decided which weights were kept, stage by stage.

    A model whose losses say nothing of quality (an adversarial one) is judged by rows that it draws while it learns.
    Of those, ``column`` shows what the model made of one column at about six moments, from pale to dark, each with its
    distance from the real values (:func:`synthkit.metrics.fidelity.shape_error`). A model that is judged by its loss
    draws nothing meanwhile; of it the fitted model's values are shown.

    Args:
        synthesizer: fitted in this session: a saved file has no log.
        column: a column of numbers, dates or categories; None: curves only.
        real: rows whose values are shown beside, best those that were held out; None: the column's own law as it was
            counted at ``fit``.

    Returns:
        A figure, which a notebook shows and ``save("training.svg")`` writes.

    Raises:
        NotFittedError: the synthesizer is not fitted. ParamError: it has no log, or there is no such column.

    Example:
        >>> from synthkit import TabularSynthesizer, plots
        >>> table = pd.DataFrame({"x": range(200), "y": ["a", "b"] * 100})
        >>> synthesizer = TabularSynthesizer("autoregressive", max_steps=20, random_state=0).fit(table)
        >>> plots.training(synthesizer, column="y")
        <Figure: training of autoregressive: 20 steps>
    """
    where = "plots.training"
    if not isinstance(synthesizer, TabularSynthesizer):
        raise ParamError(f"{where}: argument 'synthesizer' must be a TabularSynthesizer.")
    if "history_" not in synthesizer.__dict__:
        raise NotFittedError(f"{where}: argument 'synthesizer' is not fitted; call fit first.")
    segments = segments_of(synthesizer.history_)
    if not segments:
        raise ParamError(
            f"{where}: argument 'synthesizer' has no training log: {synthesizer.spec_.name!r} models take no training "
            "steps, or it was loaded from a file, which keeps none; fit it, and plot in the same session."
        )
    if real is not None and column is None:
        raise ParamError(f"{where}: argument 'real' goes with 'column', the one to be compared.")
    watched = None if column is None else _watched(synthesizer, column, real, where)
    moments = moments_of(segments) if watched is not None else []
    if watched is not None and not any(line.drawn is not None for line in segments[-1].lines):
        moments = [*moments, Moment(None, _drawn(synthesizer.model_, _FINAL))]
    name = synthesizer.spec_.name
    tried = "" if synthesizer.model_.tags.trains else "the autoregressive model that was tried beside "
    title = f"training of {tried}{name}: {segments[-1].stop:,} steps"
    return curves(segments, title, watched, moments)


def _watched(synthesizer: TabularSynthesizer, column: Hashable, real: pd.DataFrame | None, where: str) -> Watched:
    encoder = synthesizer.encoder_
    kind_of(encoder, column, where)
    if real is not None:
        return Watched(encoder, column, real, "real rows", where)
    assert synthesizer.marginals_ is not None, "a synthesizer that has a log has counted its columns"
    law = encoder.decode(_drawn(synthesizer.marginals_, _ROWS))
    return Watched(encoder, column, law, "the law that was counted at fit", where)


def _drawn(model: Model, rows: int) -> Encoded:
    """Rows of a model, always the same ones."""
    device = next((t.device for t in [*model.parameters(), *model.buffers()]), torch.device("cpu"))
    with seeded(0, device), torch.no_grad():
        return model.complete(model.layout.empty(rows, device)).to("cpu")


def curves(
    segments: Sequence[Segment], title: str, watched: Watched | None = None, moments: Sequence[Moment] = ()
) -> Figure:
    """The figure of a log, and of a column at some moments."""
    width = max(_WIDTH, 200 * len(segments))
    cells = cells_of(segments, width)
    seconds = _seconds(segments)
    body = text(title + (f", {seconds:,.0f} seconds" if seconds >= 1 else ""), 14, 20, "b")
    losses, y = losses_row(cells, 30)
    judged, y = judged_row(cells, y + 6)
    body += losses + judged
    if watched is not None:
        row, y = watched.row(moments, y + 6, width)
        body += row
    return Figure(body, width, round(y + 10), title)


def _seconds(segments: Sequence[Segment]) -> float:
    """Of all trainings: each counts from its own begin."""
    ends = [s.lines[-1].seconds for s, after in pairwise(segments) if after.before != s.before]
    return sum(ends) + segments[-1].lines[-1].seconds
