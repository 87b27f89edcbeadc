"""The roles of a panel's columns: whose a record is, when it was, and what is constant within entities."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.inference import canonical
from synthkit.schema import check_table
from synthkit.sequence_columns import ColumnCodec
from synthkit.sequence_times import GAP, START

__all__ = ["OPENING", "PACE", "ROWS", "SPAN", "RoleCodec"]

PACE, SPAN, ROWS = "(pace)", "(span)", "(rows)"
OPENING = "(opening)"

Ints = NDArray[np.int64]


class RoleCodec(ColumnCodec):
    """The part of :class:`synthkit.sequences.SequenceEncoder` that reads tables; its attributes are told there."""

    context: Sequence[Hashable] | None

    def _flat(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with entity and time as columns, checked."""
        where = "SequenceSynthesizer"
        if not isinstance(table, pd.DataFrame):
            raise SchemaError(f"{where}: argument 'table' must be a pandas DataFrame, got a {type(table).__name__}.")
        wanted = [("entity", self.entity), *([] if self.time is None else [("time", self.time)])]
        levels = [n for _, n in wanted if n not in table.columns and n in table.index.names]
        if levels:
            table = table.reset_index(level=levels)
        for role, name in wanted:
            if name not in table.columns:
                raise SchemaError(f"{where}: argument {role!r}: there is no column {name!r}; name a column.")
        check_table(table, where)
        for role, name in wanted:
            if bool(table[name].isna().any()):
                raise SchemaError(f"{where}: {role} column {name!r} has empty cells; drop or complete those rows.")
        taken = [n for n in (START, PACE, SPAN, ROWS, GAP, OPENING) if n in table.columns]
        if taken:
            raise SchemaError(f"{where}: the column name {taken[0]!r} is reserved; rename the column.")
        return table.reset_index(drop=True)

    def _sort(self, flat: pd.DataFrame) -> tuple[Ints, Ints, NDArray[Any] | None]:
        """Rows by entity (in the order in which they appear) and time; lengths; the sorted clock."""
        owner = pd.factorize(flat[self.entity])[0].astype(np.int64)
        clock = None
        keys: tuple[Any, ...] = (owner,)
        if self.time is not None:
            clock = self.canonical_times(flat[self.time])
            keys = (clock, owner)
        order = np.lexsort(keys).astype(np.int64)  # stable: ties keep the table's order
        return order, np.bincount(owner).astype(np.int64), None if clock is None else clock[order]

    def _context(self, flat: pd.DataFrame, owner: Ints) -> tuple[Hashable, ...]:
        later = np.flatnonzero(owner[1:] == owner[:-1])
        roles = (self.entity, self.time)

        def varies(name: Hashable) -> bool:
            values, null = canonical(flat[name], self.schema_.columns[name])
            differ = values[later] != values[later + 1]
            both = null[later] & null[later + 1]
            return bool(((differ | (null[later] != null[later + 1])) & ~both).any())

        names = [n for n in self.schema_.columns if n not in roles]
        if self.context is None:
            return tuple(n for n in names if len(later) and not varies(n))
        for name in self.context:
            if name not in names:
                raise SchemaError(f"SequenceSynthesizer: argument 'context': {name!r} is no column beside the roles.")
            if varies(name):
                raise SchemaError(
                    f"SequenceSynthesizer: context column {name!r} varies within an entity; "
                    "leave it out of 'context', or make it constant."
                )
        return tuple(n for n in names if n in set(self.context))
