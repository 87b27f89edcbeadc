"""The rows of records as a row model learns them: their fields, what they may read, and when a time is over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from synthkit.layout import Encoded
from synthkit.models.autoregressive import Autoregressive
from synthkit.models.history import History
from synthkit.models.nets import nodes_of
from synthkit.models.sequential import repeats, unroll
from synthkit.models.steps import Steps
from synthkit.sequences import Records, SequenceEncoder
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["RowData", "days_before", "laid_out", "span_of", "steps_of"]

_READS = 160  # nodes that a net of rows may read before it has to choose
_NATURAL = 0.8  # share of training steps in the order in which rows are drawn


@dataclass(frozen=True)
class RowData:
    """The rows of records with all that they may read, and what they were made by. E entities, R rows.

    Attributes:
        context: E rows; step: R rows of gap, calendar and columns; data: R rows of the whole layout; owner: ``(R,)``
            whose they are; spec: the recipe for so many rows.
    """

    spec: Autoregressive
    history: History
    steps: Steps
    links: tuple[tuple[int, float], ...]
    context: Encoded
    step: Encoded
    data: Encoded
    owner: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        spec: Autoregressive,
        encoder: SequenceEncoder,
        entities: TabularSynthesizer,
        records: Records,
        extra: torch.Tensor | None = None,
    ) -> RowData:
        """Made from records; ``extra``: ``(E, X)`` numbers of entities that their rows read besides."""
        history, steps = laid_out(encoder, entities, ())
        step, gap = steps_of(encoder, steps, records)
        starts = torch.from_numpy(records.starts)
        first = len(steps.gap) + len(steps.dates)
        found = repeats(step, steps, starts, range(first, len(steps.step.fields)))
        links = tuple((field - first, rate) for field, rate in found)
        history, steps = laid_out(encoder, entities, links, 0 if extra is None else extra.shape[1])
        context = entities.encoder_.encode(records.entities, "state")
        history.learn(context, step)
        lengths, span = torch.from_numpy(records.lengths), torch.from_numpy(span_of(encoder, records)).float()
        counts, days = torch.from_numpy(records.counts), days_before(encoder, records)
        if encoder.bursts_ is not None:
            step, gap, days, lengths = _with_ends(encoder, steps, records, step, gap, days)
        data = unroll(history, steps, context, step, lengths, gap, span, extra, days, counts)
        wide = len(nodes_of(steps.layout))
        spec = replace(spec, reads=max(spec.reads, min(wide, _READS)), natural=max(spec.natural, _NATURAL))
        owner = np.repeat(np.arange(len(records.lengths)), lengths.numpy())
        return cls(spec.adapted(steps.layout, len(data)), history, steps, links, context, step, data, owner)


def laid_out(
    encoder: SequenceEncoder, entities: TabularSynthesizer, links: tuple[tuple[int, float], ...], extra: int = 0
) -> tuple[History, Steps]:
    """History and fields; ``extra``: numbers of entities that their rows read beside context and history."""
    gap = encoder.gap_layout()
    context, rows = entities.encoder_.layout_, encoder.row_layout()
    history = History(
        context, Steps(context, gap, encoder.calendar_, rows, ()).step, gap is not None, encoder.bursts_ is not None
    )
    about = [*history.about, *[-1] * extra]
    unit = None if gap is None else encoder.unit_ / encoder.grain_
    more = encoder.gap_days(), encoder.recalled_fields(), int(encoder.running_ is not None), unit
    return history, Steps(context, gap, encoder.calendar_, rows, about, links, *more)


def steps_of(encoder: SequenceEncoder, steps: Steps, records: Records) -> tuple[Encoded, torch.Tensor]:
    """The steps of records, and ``(R,)`` gaps in units of the median gap (0 in first rows)."""
    if records.clock is None:
        return steps.build(None, torch.zeros(len(records.rows), 0, dtype=torch.long), records.rows), torch.zeros(
            len(records.rows)
        )
    dates = torch.from_numpy(encoder.parts(records.clock))
    gap = np.diff(records.clock, prepend=records.clock[:1]).astype(np.float64) / encoder.unit_
    gap[records.starts] = 0.0
    return steps.build(records.gaps, dates, records.rows), torch.from_numpy(gap).float()


def _with_ends(
    encoder: SequenceEncoder,
    steps: Steps,
    records: Records,
    step: Encoded,
    gap: torch.Tensor,
    days: torch.Tensor | None,
) -> tuple[Encoded, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Steps with one more row of each entity, of which nothing but a gap is known: that its last time is over.

    Which gap says nothing; it is one of those that there are.

    Returns:
        Steps, gaps and days of R + E rows, and ``(E,)`` lengths.
    """
    assert encoder.gaps_ is not None and records.clock is not None
    all_ = np.diff(records.clock, prepend=records.clock[:1])
    all_[records.starts] = 0
    some = all_[all_ > 0]
    waits = some[np.arange(len(records.lengths)) * 7919 % len(some)]
    last = records.starts + records.lengths - 1
    codes = encoder.encode_waits(waits)
    dates = torch.from_numpy(encoder.parts(records.clock[last] + waits))
    more = steps.build(codes, dates, encoder.rows_.layout_.empty(len(waits)))
    at = np.insert(np.arange(len(all_)), last + 1, len(all_) + np.arange(len(waits)))
    place = torch.from_numpy(at)
    longer = torch.cat([gap, torch.from_numpy(waits.astype(np.float64) / encoder.unit_).float()])[place]
    if days is not None:
        days = torch.cat([days, torch.from_numpy(encoder.days(records.clock[last]))])[place]
    return Encoded.concat([step, more]).take(place), longer, days, torch.from_numpy(records.lengths + 1)


def days_before(encoder: SequenceEncoder, records: Records) -> torch.Tensor | None:
    """``(R,)`` wall time of the rows before, in days since 1970 (of first rows, their own)."""
    if records.clock is None or encoder.gap_days() is None:
        return None
    days = encoder.days(records.clock)
    before = np.concatenate([days[:1], days[:-1]])
    before[records.starts] = days[records.starts]
    return torch.from_numpy(before)


def span_of(encoder: SequenceEncoder, records: Records) -> NDArray[np.float64]:
    """``(E,)`` time from first to last row, in units of the median gap."""
    if encoder.gaps_ is None or records.clock is None:
        return np.zeros(len(records.lengths))
    ends = records.starts + records.lengths - 1
    out: NDArray[np.float64] = (records.clock[ends] - records.clock[records.starts]) / encoder.unit_
    return out
