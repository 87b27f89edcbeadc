"""Two or more tables in one numeric form, so that every metric compares the same things.

A column is *numeric*, *categorical* or *datetime* (its kind). Numbers and dates become float64 with NaN for null;
categories become codes that all tables share, -1 for null, ranked by how often the first table has the level.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError

__all__ = [
    "Breakdown",
    "Coded",
    "Kind",
    "Kinds",
    "as_numbers",
    "code_tables",
    "column_list",
    "kinds_of",
    "resolve_kinds",
]

Kind = Literal["numeric", "categorical", "datetime"]
Kinds = Mapping[Hashable, Kind]

# Column types of a Schema by class name; those not listed (identifiers, free text, all-null) are left out of metrics.
_KIND_OF_TYPE: dict[str, Kind] = {
    "Numeric": "numeric",
    "Duration": "numeric",
    "Datetime": "datetime",
    "Categorical": "categorical",
    "Boolean": "categorical",
    "Constant": "categorical",
}


@dataclass(frozen=True)
class Breakdown:
    """A mean and what it is the mean of.

    Attributes:
        value: the score; NaN where there is nothing to average.
        parts: the score per column, or per pair of columns.
    """

    value: float
    parts: Mapping[Any, float]

    @classmethod
    def mean(cls, parts: Mapping[Any, float]) -> Breakdown:
        """The plain mean of the parts."""
        return cls(float(np.mean(list(parts.values()))) if parts else float("nan"), parts)


@dataclass(frozen=True)
class Coded:
    """A table as arrays.

    Attributes:
        numbers: float64 ``(rows, n_num)``, NaN for null.
        codes: int64 ``(rows, n_cat)``, -1 for null; shared between the tables coded together.
        sizes: levels per categorical column, over all tables.
        num, cat: the column names behind the two arrays.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]
    sizes: tuple[int, ...]
    num: tuple[Hashable, ...]
    cat: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, index: NDArray[np.int64]) -> Coded:
        """The rows at ``index``."""
        return Coded(self.numbers[index], self.codes[index], self.sizes, self.num, self.cat)

    @classmethod
    def concat(cls, tables: Sequence[Coded]) -> Coded:
        """The rows of tables that were coded together, one after the other."""
        first = tables[0]
        numbers, codes = (np.concatenate([getattr(t, part) for t in tables]) for part in ("numbers", "codes"))
        return cls(numbers, codes, first.sizes, first.num, first.cat)

    def column(self, name: Hashable) -> NDArray[np.float64]:
        """``(rows,)`` numbers or codes of a column, NaN for null."""
        if name in self.num:
            return self.numbers[:, self.num.index(name)]
        codes = self.codes[:, self.cat.index(name)]
        return np.where(codes < 0, np.nan, codes)

    def without(self, name: Hashable) -> Coded:
        """The same rows without one column."""
        return self.only([c for c in (*self.num, *self.cat) if c != name])

    def only(self, names: Collection[Hashable]) -> Coded:
        """The same rows with no other columns than these."""
        wanted = set(names)
        num = [i for i, c in enumerate(self.num) if c in wanted]
        cat = [i for i, c in enumerate(self.cat) if c in wanted]
        return Coded(
            self.numbers[:, num],
            self.codes[:, cat],
            tuple(self.sizes[i] for i in cat),
            tuple(self.num[i] for i in num),
            tuple(self.cat[i] for i in cat),
        )


def column_list(names: Hashable | Sequence[Hashable], known: Collection[Hashable]) -> list[Hashable]:
    """One name or several as a list; a tuple that is a column's name is one."""
    one = isinstance(names, str) or not isinstance(names, Sequence) or (isinstance(names, tuple) and names in known)
    return [names] if one else list(names)  # type: ignore[arg-type, list-item]


def kinds_of(source: Any) -> dict[Hashable, Kind]:
    """The kinds of the columns of a DataFrame (by dtype), or of a ``Schema`` (identifiers and free text left out).

    In a DataFrame numbers and durations are numeric, dates datetime, everything else (bools and strings too)
    categorical: a code stored as an integer has to be declared by hand.

    >>> kinds_of(pd.DataFrame({"age": [31, 52], "sex": ["f", "m"], "smoker": [True, False]}))
    {'age': 'numeric', 'sex': 'categorical', 'smoker': 'categorical'}
    """
    if isinstance(source, pd.DataFrame):
        return {name: _kind_of_dtype(dtype) for name, dtype in source.dtypes.items()}
    kinds: dict[Hashable, Kind] = {}
    for name, column in source.columns.items():
        found = [_KIND_OF_TYPE[c.__name__] for c in type(column).__mro__ if c.__name__ in _KIND_OF_TYPE]
        if found:
            kinds[name] = found[0]
    return kinds


def _kind_of_dtype(dtype: Any) -> Kind:
    types = pd.api.types
    if types.is_datetime64_any_dtype(dtype):
        return "datetime"
    if types.is_timedelta64_dtype(dtype) or (types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)):
        return "numeric"
    return "categorical"


def resolve_kinds(tables: Sequence[pd.DataFrame], kinds: Kinds | None) -> Kinds:
    """Check the tables against the kinds (by default those of the first table) and return the kinds.

    Raises:
        SchemaError: a table is no DataFrame, is empty, has a duplicate column name or lacks a column; or a kind is
            unknown.
    """
    for table in tables:
        if not isinstance(table, pd.DataFrame):
            raise SchemaError(f"metrics: a table must be a pandas DataFrame, got a {type(table).__name__}.")
        if not table.columns.is_unique:
            raise SchemaError("metrics: a table has duplicate column names; rename them.")
        if len(table) == 0:
            raise SchemaError("metrics: a table has no rows, so there is nothing to compare.")
    kinds = kinds_of(tables[0]) if kinds is None else kinds
    for name, kind in kinds.items():
        if kind not in ("numeric", "categorical", "datetime"):
            raise SchemaError(
                f"metrics: argument 'kinds': {kind!r} of column {name!r} is no kind; "
                "pass 'numeric', 'categorical' or 'datetime'."
            )
        if any(name not in table.columns for table in tables):
            raise SchemaError(f"metrics: column {name!r} is missing from one of the tables; pass tables that share it.")
    if not kinds:
        raise SchemaError("metrics: no column is left to compare; pass 'kinds' with at least one.")
    return kinds


def code_tables(*tables: pd.DataFrame, kinds: Kinds | None = None) -> list[Coded]:
    """Code the tables together. Levels are ranked by their frequency in the first table.

    Args:
        tables: DataFrames that hold at least the columns of ``kinds``.
        kinds: columns to use and what they are; by default all columns of the first table.

    Returns:
        One :class:`Coded` per table.

    Raises:
        SchemaError: see :func:`resolve_kinds`; or a numeric column holds text or infinite numbers.

    >>> a, b = code_tables(pd.DataFrame({"x": ["u", "v", "v"]}), pd.DataFrame({"x": ["w", None]}))
    >>> a.codes.ravel().tolist(), b.codes.ravel().tolist(), a.sizes
    ([1, 0, 0], [2, -1], (3,))
    """
    kinds = resolve_kinds(tables, kinds)
    num = tuple(name for name, kind in kinds.items() if kind != "categorical")
    cat = tuple(name for name, kind in kinds.items() if kind == "categorical")
    lengths = [len(table) for table in tables]
    codes = [np.empty((n, len(cat)), np.int64) for n in lengths]
    numbers = [np.empty((n, len(num)), np.float64) for n in lengths]
    sizes = []
    for j, name in enumerate(cat):
        columns, size = _shared_codes([table[name] for table in tables])
        sizes.append(size)
        for array, column in zip(codes, columns, strict=True):
            array[:, j] = column
    for j, name in enumerate(num):
        for values, table in zip(numbers, tables, strict=True):
            values[:, j] = as_numbers(table[name], kinds[name])
    return [Coded(x, c, tuple(sizes), num, cat) for x, c in zip(numbers, codes, strict=True)]


def _shared_codes(columns: Sequence[pd.Series[Any]]) -> tuple[list[NDArray[np.int64]], int]:
    """Codes per column, 0 for the level that the first column has most often; ties in the order of their text."""
    lengths = [len(c) for c in columns]
    # plain objects, so that 1, 1.0 and True, or str and category, of two tables are the same level
    joined = np.concatenate([c.astype(object).to_numpy() for c in columns])
    try:
        codes, levels = pd.factorize(joined, use_na_sentinel=True)
    except TypeError:
        raise SchemaError(
            f"metrics: column {columns[0].name!r} holds unhashable cells (lists or dicts); turn them into text."
        ) from None
    first = codes[: lengths[0]]
    count = np.bincount(first[first >= 0], minlength=len(levels))
    order = sorted(range(len(levels)), key=lambda i: (-count[i], str(levels[i])))
    rank = np.empty(len(levels) + 1, np.int64)
    rank[order] = np.arange(len(levels))
    rank[-1] = -1  # the sentinel -1 indexes the last entry
    return np.split(rank[codes], np.cumsum(lengths)[:-1]), len(levels)


def as_numbers(column: pd.Series[Any], kind: Kind) -> NDArray[np.float64]:
    """float64 with NaN for null; dates and durations as seconds."""
    try:
        if kind == "datetime":
            dates = pd.to_datetime(column, utc=True)
            values = _seconds(dates - pd.Timestamp(0, tz="UTC"))
        elif pd.api.types.is_timedelta64_dtype(column.dtype):
            values = _seconds(column)
        else:
            plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
            values = pd.to_numeric(plain).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError):
        raise SchemaError(
            f"metrics: column {column.name!r} cannot be read as {kind}; declare it 'categorical' or convert it."
        ) from None
    if np.isinf(values).any():
        raise SchemaError(f"metrics: column {column.name!r} holds infinite numbers; replace them by null.")
    return values


def _seconds(durations: pd.Series[Any]) -> NDArray[np.float64]:
    return durations.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
