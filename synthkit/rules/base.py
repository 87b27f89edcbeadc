"""What every row rule answers, and cells as rules read and write them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.dtypes import to_numpy
from synthkit.errors import SchemaError

__all__ = ["Bools", "Pinned", "Rule", "objects", "pins", "put", "sortable"]

Bools = NDArray[np.bool_]
Pinned = Mapping[Hashable, Bools] | Collection[Hashable]


@dataclass(frozen=True)
class Rule(ABC):
    """Base of all rules.

    Attributes:
        always: whether every training row keeps it, as :meth:`learn` is told; rows that break it are redrawn by that.
    """

    always: bool = field(default=True, kw_only=True, repr=False, compare=False)
    takes: ClassVar[tuple[str, ...]] = ()  # names of the column types that its columns may have; (): any

    def __post_init__(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            raise SchemaError(f"{type(self).__name__}: a column is named twice in {self}; name different columns.")

    @property
    @abstractmethod
    def columns(self) -> tuple[Hashable, ...]:
        """The columns that the rule speaks of."""

    @abstractmethod
    def holds(self, table: pd.DataFrame) -> Bools:
        """``(rows,)`` bool: does the rule hold in the row?"""

    def repair(self, table: pd.DataFrame, pinned: Pinned = (), rng: np.random.Generator | None = None) -> pd.DataFrame:
        """The table with the rule's rows put right, as far as the rule determines how; ``table`` stays as it is.

        Args:
            pinned: columns that must stay, or by column a ``(rows,)`` bool array of the cells that must.
            rng: of choices among several ways; None: always the same.
        """
        return table

    def learn(
        self, table: pd.DataFrame, kinds: Mapping[Hashable, Any], min_count: int, owner: NDArray[Any] | None = None
    ) -> Rule:
        """The rule with what only the training table tells.

        Args:
            kinds: column types; min_count: how many rows must stand behind a value that is kept;
            owner: ``(rows,)`` whose row it is, so that entities are counted instead of rows.
        """
        return self

    @property
    def output(self) -> Hashable | None:
        """The column that :meth:`repair` writes by preference; None: there is none."""
        return None


# -------------------------------------------------------------------- cells
def sortable(series: pd.Series) -> tuple[NDArray[Any], Bools]:
    """Numbers (int64 or float64), datetime64 or timedelta64 of a column, and where it is null.

    Raises:
        SchemaError: the column holds none of these.
    """
    values, null = to_numpy(series)
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind == "O":
        try:
            values = _of_objects(values, null)
        except (TypeError, ValueError) as error:
            raise SchemaError(f"column {series.name!r} has no numbers, dates or durations to compare.") from error
    return values, null


def _of_objects(values: NDArray[Any], null: Bools) -> NDArray[Any]:
    found = pd.api.types.infer_dtype(values[~null])
    if found in ("date", "datetime", "datetime64"):
        return to_numpy(pd.Series(pd.to_datetime(pd.Series(np.where(null, None, values)), utc=True)))[0]
    if found in ("timedelta", "timedelta64"):
        return to_numpy(pd.Series(pd.to_timedelta(pd.Series(np.where(null, None, values)))))[0]
    if found in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"):
        return np.where(null, 0, values).astype(np.int64 if found == "integer" else np.float64)
    raise TypeError(found)


def put(table: pd.DataFrame, name: Hashable, at: NDArray[np.intp], values: Any) -> None:
    """Write ``values`` into the rows ``at`` of a column of ``table`` (a shallow copy), in the column's dtype."""
    if not len(at):
        return
    column = table[name].copy()
    if column.dtype == object:
        cells = column.to_numpy(dtype=object, copy=True)
        cells[at] = values if isinstance(values, np.ndarray) and values.dtype == object else list(values)
        table[name] = pd.Series(cells, index=column.index, dtype=object)
        return
    if pd.api.types.is_integer_dtype(column.dtype):
        info = np.iinfo(getattr(column.dtype, "numpy_dtype", column.dtype))  # type: ignore[arg-type]
        numbers = pd.to_numeric(pd.Series(list(values))).to_numpy()
        values = np.clip(np.round(numbers), info.min, info.max) if numbers.dtype.kind == "f" else numbers
    column.iloc[at] = pd.Series(list(values), dtype=None if len(values) else object).astype(column.dtype).array
    table[name] = column


def pins(pinned: Pinned, name: Hashable, rows: int) -> Bools:
    """``(rows,)`` bool: the cells of a column that must stay."""
    if isinstance(pinned, Mapping):
        return np.asarray(pinned[name], dtype=bool) if name in pinned else np.zeros(rows, dtype=bool)
    return np.full(rows, name in pinned)


def objects(values: Collection[Any]) -> NDArray[Any]:
    """``(n,)`` objects, whatever they are: tuples stay tuples."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out
