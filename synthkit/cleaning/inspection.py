"""What of a table should be repaired before it is used, and the repairs that the user accepts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from synthkit.cleaning.repairs import Duplicates, Repair, Sentinel, Unit
from synthkit.cleaning.texts import MissingWords, TextDates, TextNumbers
from synthkit.errors import ParamError, SchemaError
from synthkit.params import InstanceOf, Optional, check
from synthkit.schema import Identifier, Personal, Schema

__all__ = ["REPAIRS", "Inspection", "inspect"]

REPAIRS: tuple[type[Repair], ...] = (TextNumbers, TextDates, MissingWords, Sentinel, Unit, Duplicates)


@dataclass(frozen=True)
class Inspection:
    """Proposed repairs, none of which is done yet. Printing it shows formats and sentinels, no other value.

    Attributes:
        repairs: in the order in which they are applied.
    """

    repairs: tuple[Repair, ...]

    def __len__(self) -> int:
        return len(self.repairs)

    def __iter__(self) -> Iterator[Repair]:
        return iter(self.repairs)

    def to_frame(self) -> pd.DataFrame:
        """One line per repair: ``column`` (None: whole rows), ``kind``, ``count``, ``change``, ``confidence``."""
        lines = [(r.column, r.label, r.count, r.change, r.confidence) for r in self.repairs]
        return pd.DataFrame(lines, columns=["column", "kind", "count", "change", "confidence"])

    def __str__(self) -> str:
        if not self.repairs:
            return "nothing to repair was found"
        return str(self.to_frame().fillna({"column": "(rows)"}).to_string(float_format="{:.2f}".format))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.2f}".format))

    def apply(
        self, table: pd.DataFrame, accept: Literal["all"] | Iterable[int | tuple[Hashable, str]] = "all"
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Do the repairs that are accepted, on a copy.

        Args:
            table: the inspected one, or another with the same columns.
            accept: "all", or lines of :meth:`to_frame`, or pairs of column and kind.

        Returns:
            The repaired table, and the audit log: one line per changed cell or row that is left out, ``row`` (label),
            ``column``, ``kind``, ``before``, ``after``.

        Raises:
            ParamError: no such line or pair. SchemaError: the table lacks a column.
        """
        logs = []
        for repair in self._chosen(accept):
            if repair.column is not None and repair.column not in table.columns:
                raise SchemaError(f"Inspection.apply: column {repair.column!r} is missing from the table.")
            table, log = repair.apply(table)
            logs.append(log)
        columns = ["row", "column", "kind", "before", "after"]
        log = pd.concat([part.astype(object) for part in logs], ignore_index=True) if logs else pd.DataFrame()
        return table.copy(), log.reindex(columns=columns)

    def _chosen(self, accept: Literal["all"] | Iterable[int | tuple[Hashable, str]]) -> list[Repair]:
        if isinstance(accept, str):
            if accept != "all":
                raise ParamError("Inspection.apply: argument 'accept' must be 'all' or a list of lines or of pairs.")
            return list(self.repairs)
        pairs = {(r.column, r.label): i for i, r in enumerate(self.repairs)}
        chosen = set()
        for item in accept:
            i = pairs.get(item) if isinstance(item, tuple) else item
            if i is None or not 0 <= i < len(self.repairs):
                raise ParamError(
                    f"Inspection.apply: argument 'accept': {item!r} is no line, nor a column and its kind."
                )
            chosen.add(i)
        return [r for i, r in enumerate(self.repairs) if i in chosen]


def inspect(table: pd.DataFrame, schema: Schema | None = None) -> Inspection:
    """Look for what is commonly wrong in a table as it came, and propose repairs; nothing is changed.

    Sentinels (-9, 999, a 0 where nothing is near it), numbers as text (decimal commas, ``<0.5``, separators, words for
    "missing"), dates as text in one or several formats, numbers in another unit (a cluster that lies a factor 10, 100,
    1000, 2.54 or .4536 away), repeated rows. After a repair another look may see more (a sentinel among numbers that
    were text). By rules of thumb: read what is proposed before accepting it.

    Args:
        schema: columns that it declares as identifiers or personal data are left alone.

    Raises:
        SchemaError: no rows or columns, or two columns of one name.

    Example:
        >>> table = pd.DataFrame({"age": [*range(30, 40), 999, 999], "dose": ["1,5", "2,0"] * 6})
        >>> print(inspect(table).to_frame()[["column", "kind", "count"]])
          column           kind  count
        0   dose  decimal comma     12
        1    age       sentinel      2
        >>> clean, log = inspect(table).apply(table, accept=[("dose", "decimal comma")])
        >>> float(clean["dose"].mean()), len(log)
        (1.75, 12)
    """
    check("inspect", "schema", schema, Optional(InstanceOf(Schema)))
    if table.empty:
        raise SchemaError("inspect: argument 'table' has no rows or no columns.")
    if not table.columns.is_unique:
        raise SchemaError("inspect: argument 'table' has two columns of one name; rename one.")
    kinds = {} if schema is None else schema.columns
    names = [n for n in table.columns if not isinstance(kinds.get(n), (Identifier, Personal))]
    found = [r for kind in REPAIRS for r in kind.propose(table if kind is Duplicates else table[names])]
    return Inspection(tuple(found))
