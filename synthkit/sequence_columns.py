"""The columns of a panel that move: as the row model sees them, and as the table has them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.ageing import Ageing
from synthkit.encoder import TableEncoder
from synthkit.errors import SchemaError
from synthkit.grouped import GroupedNumber, find_groups
from synthkit.inference import from_canonical
from synthkit.layout import Encoded, Layout
from synthkit.protect import Protection
from synthkit.recalled import find_recalled
from synthkit.schema import Categorical, Identifier, Numeric, Schema
from synthkit.sequence_times import START, TimeCodec

__all__ = ["ColumnCodec", "ordered"]

Ints = NDArray[np.int64]


class ColumnCodec(TimeCodec):
    """The part of :class:`synthkit.sequences.SequenceEncoder` that knows of the columns that move."""

    moving_: tuple[Hashable, ...]
    rows_: TableEncoder
    groups_: dict[Hashable, GroupedNumber]
    recalled_: dict[Hashable, tuple[tuple[Hashable, ...], float]]
    ageing_: dict[Hashable, Ageing]

    def _aged(
        self, flat: pd.DataFrame, entities: pd.DataFrame, elapsed: NDArray[np.float64], owner: Ints
    ) -> Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """What grows with the clock: its values at first rows, put into ``entities``, and between what it began."""
        begins = {}
        for name, rule in self.ageing_.items():
            kind = self.schema_.columns[name]
            low, high = begins[name] = rule.bounds(rule.units(flat[name], kind), elapsed, owner, len(entities))
            middle = (low + high) / 2
            still = np.zeros(len(entities))
            entities[name] = rule.column(middle, still, kind)
        return begins

    def grown(
        self,
        entities: pd.DataFrame,
        clock: NDArray[Any],
        lengths: Ints,
        seed: int,
        begins: Mapping[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None,
    ) -> dict[Hashable, pd.Series]:
        """The columns that grow with the clock, R rows; ``begins`` as in :class:`Records`, where rows are known."""
        owner = np.repeat(np.arange(len(lengths)), lengths)
        if not self.ageing_:
            return {}
        elapsed = self._elapsed(clock, self.canonical_times(entities[START])[owner])
        rng, out = np.random.default_rng(seed), {}
        for name, rule in self.ageing_.items():
            kind = self.schema_.columns[name]
            first = rule.units(entities[name], kind)
            low, high = (first, first + 1) if begins is None else begins[name]
            low, high = np.where(np.isnan(low), first, low), np.where(np.isnan(high), first + 1, high)
            out[name] = rule.column((low + rng.random(len(low)) * (high - low))[owner], elapsed, kind)
        return out

    def _fit_groups(self, flat: pd.DataFrame, owner: Ints, protection: Protection, total: Hashable | None) -> None:
        """Numbers that are learnt by group, and the moving columns in the order of drawing: groups come before what is
        learnt by them, and a running total, on which nothing that is drawn may lean, is the last."""
        found = find_groups(flat, self.schema_, [n for n in self.moving_ if n != total])
        for name, by in found.items():
            if by not in self.moving_ or not isinstance(self.schema_.columns[by], Categorical):
                raise SchemaError(
                    f"SequenceSynthesizer: column {name!r}: argument 'by' of its type names {by!r}, which is no "
                    "categorical column that varies within entities; name one, or leave 'by' out."
                )
        rng = np.random.default_rng([self.seed, 78])
        self.groups_ = {
            name: GroupedNumber(self.schema_.columns[name], by).fit(  # type: ignore[arg-type]
                flat[name], flat[by], flat[self.entity], protection.drawn(rng)
            )
            for name, by in found.items()
        }
        moving = [n for n in self.moving_ if n != total]
        recalled = {} if self.time is None else find_recalled(flat, owner, self.schema_, moving, found)
        # a number that is learnt by group knows at least what it last was in it
        self.recalled_ = {n: ((by,), 0.0) for n, by in found.items()} | recalled
        self.moving_ = ordered(self.moving_, self.recalled_, total)

    def _row_schema(self) -> Schema:
        """Types of the moving columns, as the row model sees them."""
        columns = {n: self.schema_.columns[n] for n in (self.entity, *self.moving_)}
        columns[self.entity] = Identifier(dtype=columns[self.entity].dtype, nullable=False)  # entities have their own
        for name in self.groups_:
            columns[name] = Numeric(low=0.0, high=1.0, nullable=self.schema_.columns[name].nullable)
        return Schema(columns, self.entity)

    def _places(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with their grouped numbers as places."""
        if not self.groups_:
            return rows
        rows = rows.copy()
        for name, grouped in self.groups_.items():
            rows[name] = grouped.places(rows[name], rows[grouped.by])
        return rows

    def decode_rows(self, data: Encoded, seed: int, columns: Sequence[Hashable] | None = None) -> pd.DataFrame:
        """The moving columns of completed rows, in the dtypes of the table.

        Args:
            columns: those that are wanted (the groups of numbers come along); None: all.
        """
        wanted = None if columns is None else {*columns, *(g.by for n, g in self.groups_.items() if n in columns)}
        rows = self.rows_.decode(data, seed=seed, columns=None if wanted is None else list(wanted))
        for name, grouped in self.groups_.items():
            if name not in rows:
                continue
            numbers = grouped.numbers(rows[name], rows[grouped.by])
            null = np.isnan(numbers)
            kind = self.schema_.columns[name]
            whole = np.round(np.where(null, 0.0, numbers)).astype(np.int64) if grouped.kind.integer else numbers
            rows[name] = from_canonical(whole, null, kind, name=name)
        return rows

    def recalled_fields(self) -> tuple[tuple[tuple[int, ...], int, float], ...]:
        """``(fields that tell kinds, field, share that repeats)`` in the layout of rows, per column that recalls."""
        place, out = self.rows_._place, []
        for name in self.moving_:
            key, share = self.recalled_.get(name, ((), 0.0))
            if key and all("code" in place[n] for n in (name, *key)):
                out.append((tuple(place[n]["code"] for n in key), place[name]["code"], share))
        return tuple(out)

    def row_layout(self) -> Layout:
        """The fields of the columns that move; numbers that recall have their laws, however few values they take."""
        layout = self.rows_.layout_
        laws = dict(layout.laws)
        for name in self.recalled_:
            transformer, place = self.rows_.transformers_[name], self.rows_._place[name]
            law = getattr(transformer, "law", None)
            if law is not None and "code" in place and not getattr(transformer, "base", 0):
                laws[place["code"]] = law
        return replace(layout, laws=laws)


def ordered(moving: Sequence[Hashable], groups: Mapping[Hashable, Any], total: Hashable | None) -> tuple[Hashable, ...]:
    """Columns in the order of drawing: what is learnt by kinds of rows comes late, and a running total last."""
    last = [n for n in moving if n in groups and n != total] + [n for n in moving if n == total and total is not None]
    return (*(n for n in moving if n not in last), *last)
