"""Tables of long series with gaps <-> matrices whose gaps are filled: only empty cells of the table change.

Rows that the calendar leaves out stay out: they are filled inside, so that the law of the rest knows how far apart its
rows are, and not given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.dtypes import restore
from synthkit.errors import SchemaError
from synthkit.inference import from_canonical
from synthkit.series.columns import BarColumns, ChangeColumn, ScoreColumn
from synthkit.series.encoding import SeriesEncoder
from synthkit.series.filling import SeriesFiller, Traits
from synthkit.series.texture import nearest

__all__ = ["SHORT", "GapTable", "TableFiller", "check_positive", "log_columns", "on_atoms"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SHORT = 6
"""Steps between two rows that are one segment, as in the encoder."""


@dataclass(frozen=True, eq=False)
class GapTable:
    """A table as a matrix.

    Attributes:
        values: ``(T, Q)`` by row of the calendar and key, NaN where empty; rows: ``(T,)``; starts: of segments.
        place, who: ``(R,)`` the row of the matrix, and the entity, of each row of the table.
        gaps: column -> ``(R,)`` which cells are empty; steady: columns that are constant within entities, or None.
    """

    values: Floats
    rows: Ints
    starts: Ints
    place: Ints
    who: Ints
    gaps: dict[Hashable, Bools]
    steady: pd.DataFrame | None = None


class TableFiller:
    """Fills gaps of tables like the one that ``encoder`` was fitted on.

    Args:
        encoder: fitted; filler: of its active columns.
    """

    def __init__(self, encoder: SeriesEncoder, filler: SeriesFiller) -> None:
        self.encoder, self.filler = encoder, filler

    @property
    def keys(self) -> list[Hashable]:
        """What the columns of the law are called."""
        frame = self.encoder.frame_
        return [frame.keys[q] for q in frame.active]

    @classmethod
    def fit(cls, encoder: SeriesEncoder, table: pd.DataFrame, seed: int) -> TableFiller:
        """Learn from the table that ``encoder`` was fitted on."""
        laid = lay_out(encoder, table, "fit")
        active = encoder.frame_.active
        known = laid.values[:, active], laid.starts, _places(encoder, laid.rows)
        return cls(encoder, SeriesFiller.fit(*known, _traits(encoder), seed, encoder.about_.least))

    def lay_out(self, table: pd.DataFrame, where: str) -> GapTable:
        """See :func:`lay_out`.

        Raises:
            SchemaError: also where a column that is filled by logs holds a number that has none.
        """
        laid = lay_out(self.encoder, table, where)
        logs = [q for q, own in zip(self.encoder.frame_.active, self.filler.logs, strict=True) if own]
        check_positive(laid.values, [*log_columns(self.encoder), *logs], self.encoder.frame_.called, where)
        return laid

    def fill(
        self, laid: GapTable, n: int, seed: int, method: str = "auto", ahead: Mapping[int, Floats] | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """``(T, Q)`` completed matrices: means, medians; and ``(n, T, Q)`` draws.

        Args:
            ahead: row of the matrix -> ``(n, Q)`` draws that stand there instead.
        """
        active = self.encoder.frame_.active
        known = laid.values[:, active]
        places = _places(self.encoder, laid.rows)
        found = self.filler.fill(known, laid.starts, places, n, seed, method)
        out = np.repeat(laid.values[None], n + 2, axis=0)
        columns = np.array(active)[found.columns]
        out[0, found.rows, columns], out[1, found.rows, columns] = found.mean, found.median
        out[2:, found.rows, columns] = found.draws
        null = np.isnan(laid.values)
        for t, drawn in (ahead or {}).items():
            own = [q for q in active if null[t, q]]
            out[2:, t, own] = drawn[:, own]
        texture = self.encoder.texture_
        on_atoms({q: shown for q, shown in texture.atoms.items() if q not in texture.knots}, out[2:], null)
        for q in active:
            gap = null[:, q]
            out[:, gap, q] = self._on_grid(out[:, gap, q], q)
        self._in_order(out, null)
        frame = self.encoder.frame_
        for q, x in frame.constant.items():
            out[:, null[:, q], q] = x
        for q, p in frame.same.items():
            out[:, null[:, q], q] = out[:, null[:, q], p]
        return out[0], out[1], out[2:]

    def _on_grid(self, x: Floats, q: int) -> Floats:
        frame = self.encoder.frame_
        name = frame.names[q]
        return np.asarray(frame._on_grid(x, name, frame.kinds[name]), np.float64)

    def _in_order(self, out: Floats, null: Bools) -> None:
        """Filled cells of bars lie where the order of open, high, low and close wants them, in place."""
        active = self.encoder.frame_.active
        for bar in self.filler.traits.bars:
            o, h, low, c = (active[j] for j in bar)
            for q in (o, c):
                top = np.where(null[:, h], np.inf, out[..., h])
                bottom = np.where(null[:, low], -np.inf, out[..., low])
                out[..., q] = np.where(null[:, q], np.clip(out[..., q], bottom, np.maximum(top, bottom)), out[..., q])
            above = np.maximum(np.maximum(out[..., o], out[..., c]), np.where(null[:, low], -np.inf, out[..., low]))
            out[..., h] = np.where(null[:, h], np.maximum(out[..., h], above), out[..., h])
            below = np.minimum(np.minimum(out[..., o], out[..., c]), out[..., h])
            out[..., low] = np.where(null[:, low], np.minimum(out[..., low], below), out[..., low])

    def cells(self, laid: GapTable, whole: Floats) -> dict[Hashable, pd.Series]:
        """Column -> its empty cells as a completed matrix ``(T, Q)`` has them, in the dtypes of training."""
        frame = self.encoder.frame_
        width = len(frame.kinds)
        out: dict[Hashable, pd.Series] = {}
        names = list(frame.kinds)
        for name, gap in laid.gaps.items():
            if name in frame.statics:
                spec, each = frame.statics[name]
                found = np.empty(int(gap.sum()), object)
                found[:] = [each[w] for w in laid.who[gap]]
                out[name] = restore(found, np.array([x is None for x in found], bool), spec, None, name)
                continue
            keys = laid.who[gap] * width + names.index(name)
            numbers = whole[laid.place[gap], keys]
            kind = frame.kinds[name]
            numbers = frame._on_grid(numbers, name, kind)
            out[name] = from_canonical(numbers, np.isnan(numbers.astype(float)), kind, None, name)
        return out


def log_columns(encoder: SeriesEncoder) -> list[int]:
    """Columns of the matrix that a model of long series learns by log changes."""
    parts = [p for p in encoder.parts_ if isinstance(p, BarColumns) or (isinstance(p, ChangeColumn) and p.logs)]
    return [q for part in parts for q in part.columns]


def check_positive(values: Floats, columns: Sequence[int], called: Callable[[int], str], where: str) -> None:
    """Some columns of ``(T, Q)`` values hold no number (beside empty cells) that has no log.

    Raises:
        SchemaError: one of them does; ``called`` says which in words.
    """
    for q in columns:
        if (values[:, q] <= 0).any():
            raise SchemaError(
                f"SequenceSynthesizer.{where}: {called(q)} holds numbers that are not above 0, and in the "
                "training table all are; correct them, or empty the cells."
            )


def on_atoms(atoms: Mapping[int, Floats], draws: Floats, null: Bools) -> None:
    """Filled cells ``null`` ``(T, Q)`` of ``(n, T, Q)`` draws show what the column can show, in place."""
    for q, shown in atoms.items():
        gap = null[:, q]
        draws[:, gap, q] = nearest(shown, draws[:, gap, q])


def lay_out(encoder: SeriesEncoder, table: pd.DataFrame, where: str) -> GapTable:
    """``table`` as a matrix, on the calendar of training.

    Raises:
        SchemaError: a column is missing, a time is off the grid, or there twice.
    """
    frame = encoder.frame_
    wide = frame.wide(table, where)
    flat = frame._flat(table, where)
    if frame.entity is None:
        place, who = np.arange(len(flat)), np.zeros(len(flat), np.int64)
    else:
        who = pd.Index(frame.entities).get_indexer(pd.Index(flat[frame.entity]))
        if wide.times is None:
            place = flat.groupby(who).cumcount().to_numpy()
        else:
            place = pd.factorize(flat[frame.time], sort=True)[0]
    rows = encoder.rows_of(wide, where)
    sorted_rows = np.sort(rows)
    pieces = np.split(sorted_rows, np.flatnonzero(np.diff(sorted_rows) > SHORT) + 1)
    full = np.concatenate([np.arange(p[0], p[-1] + 1) for p in pieces])
    at = np.searchsorted(full, rows)
    values = np.full((len(full), len(frame.keys)), np.nan)
    values[at] = wide.values
    for q, p in frame.same.items():  # what one of two equal columns shows, the other shows
        values[:, p] = np.where(np.isnan(values[:, p]), values[:, q], values[:, p])
    starts = np.append(0, np.flatnonzero(np.diff(full) > 1) + 1)
    names = [n for n in (*frame.kinds, *frame.statics) if n in table.columns]
    gaps = {n: gap for n in names if (gap := table[n].isna().to_numpy()).any()}
    for name in list(gaps):  # nothing is known of a column that was empty in training
        if name in frame.statics and any(frame.statics[name][1][w] is None for w in who[gaps[name]]):
            del gaps[name]
    return GapTable(values, full, starts, at[place], np.asarray(who, np.int64), gaps)


def _places(encoder: SeriesEncoder, rows: Ints) -> dict[str, Ints]:
    return {name: encoder.calendar_.season(name, rows) for name in encoder.used_}


def _traits(encoder: SeriesEncoder) -> Traits:
    frame, calendar = encoder.frame_, encoder.calendar_
    active = frame.active
    place = {q: i for i, q in enumerate(active)}
    wanders = np.zeros(len(active), bool)
    limits = np.stack([np.full(len(active), -np.inf), np.full(len(active), np.inf)])
    bars = []
    for part in encoder.parts_:
        own = [place[q] for q in part.columns]
        wanders[own] = not isinstance(part, ScoreColumn)
        if isinstance(part, BarColumns):
            bars.append((own[0], own[1], own[2], own[3]))
        if isinstance(part, ScoreColumn):
            limits[:, own[0]] = part.law.limit
        if isinstance(part, BarColumns) or (isinstance(part, ChangeColumn) and part.logs):
            limits[0, own] = 0.0
    sizes = {name: calendar.seasons()[name] for name in encoder.used_}
    cycles = {name: encoder._cycle(name, size) for name, size in sizes.items()}
    group = np.array([frame.group[q] for q in active])
    return Traits(wanders, group, tuple(bars), limits, encoder.about_.period, sizes, cycles)
