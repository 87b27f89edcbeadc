"""Column types when a table comes in pieces, or has too few rows behind its one value."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from synthkit.dtypes import spec_of
from synthkit.errors import SchemaError, SynthkitWarning
from synthkit.inference import canonical, infer_column
from synthkit.schema import Boolean, ColumnType, Constant, Datetime, Duration, Numeric, Schema, Text
from synthkit.transforms.base import Array, ColumnTransformer
from synthkit.transforms.generated import ConstantTransformer

__all__ = ["fit_piece", "hide_constants", "merge_types", "without_keys"]

Transformers = Mapping[Hashable, ColumnTransformer]


def fit_piece(schema: Schema, transformers: Transformers, table: pd.DataFrame, declared: Schema | None) -> Schema:
    """The schema after one more piece: a dtype gives way to gaps, learnt decimals to more of them.

    Args:
        declared: what the caller said of the columns: declared decimals stay.

    Raises:
        SchemaError: the piece contradicts what the first one, or the schema, tells of a column.
    """
    columns = dict(schema.columns)
    for name, t in transformers.items():
        kind = columns[name]
        values, null = canonical(table[name], kind)
        if _contradicts(t.kind, values[~null]):
            what = "constant" if isinstance(t.kind, Constant) else "whole numbers"
            raise SchemaError(
                f"TableEncoder: column {name!r} is {what} by the first piece or the schema, but not in all rows; "
                "give TableEncoder a schema that says what it is."
            )
        if null.any() and not _holds_null(kind):
            columns[name] = kind = replace(kind, dtype=spec_of(table[name]))
        if isinstance(kind, Numeric) and kind.decimals and not null.all() and not _decimals_of(declared, name):
            found = infer_column(table[name], Numeric(integer=False))
            columns[name] = t.kind = _finer(kind, found)
    return replace(schema, columns=columns)


def merge_types(a: Schema, b: Schema, transformers: Transformers) -> Schema:
    """The schema of two encoders that each saw a piece.

    Raises:
        SchemaError: they took a column for different types.
    """
    columns = dict(a.columns)
    for name, t in transformers.items():
        mine, theirs = columns[name], b.columns[name]
        facts = [(type(k), getattr(k, "integer", None), getattr(k, "value", None)) for k in (mine, theirs)]
        if facts[0] != facts[1]:
            raise SchemaError(
                f"TableEncoder.merge: column {name!r} is of another type in 'other'; give both encoders one schema."
            )
        if not _holds_null(mine):
            mine = replace(mine, dtype=theirs.dtype)
        if isinstance(mine, Numeric):
            mine = t.kind = _finer(mine, theirs)
        columns[name] = replace(mine, nullable=mine.nullable or theirs.nullable)
    return replace(a, columns=columns)


def hide_constants(
    schema: Schema, transformers: Transformers, nulls: Mapping[Hashable, int], min_count: int
) -> tuple[Schema, dict[Hashable, ColumnType]]:
    """The one value of a column is kept only if enough rows have it, or all.

    Returns:
        The schema, and the new type of each column whose value is to be forgotten.
    """
    hidden: dict[Hashable, ColumnType] = {}
    for name, t in transformers.items():
        if not isinstance(t, ConstantTransformer) or not 0 < len(t.support) < min_count or not nulls[name]:
            continue
        kind = _undisclosed(t.kind)
        if kind is not None:
            hidden[name] = kind
            warnings.warn(
                f"TableEncoder: column {name!r} has fewer than {min_count} filled rows (or entities); its value is not "
                "kept. Lower Protection(min_count) to keep it.",
                SynthkitWarning,
                stacklevel=4,
            )
    return replace(schema, columns={**schema.columns, **hidden}), hidden


def without_keys(kind: ColumnType) -> ColumnType:
    """The type of a column whose cells are generated, with a dtype that does not list the cells of training."""
    spec = kind.dtype or {}
    return replace(kind, dtype=spec["inner"]) if spec.get("kind") == "category" else kind


def _contradicts(kind: ColumnType, values: Array) -> bool:
    if isinstance(kind, Constant):
        return any(v != kind.value for v in pd.unique(values))
    if isinstance(kind, Numeric) and kind.integer and values.dtype.kind == "f":
        return bool((values != np.round(values)).any())
    return False


def _holds_null(kind: ColumnType) -> bool:
    """Can the pandas dtype of the column hold a null?"""
    spec = kind.dtype or {}
    name = spec.get("name", "") if spec.get("kind") == "plain" else ""
    return not (name == "bool" or name.startswith(("int", "uint")))


def _decimals_of(declared: Schema | None, name: Hashable) -> int | None:
    return None if declared is None else getattr(declared.columns[name], "decimals", None)


def _finer(a: Numeric, b: Any) -> Numeric:
    """The same, with as many decimals as either needs."""
    return replace(a, decimals=None if a.decimals is None or b.decimals is None else max(a.decimals, b.decimals))


def _undisclosed(kind: Constant) -> ColumnType | None:
    """A type that does not tell the constant's value; None where its dtype lists it anyway."""
    value: Any = kind.value
    more: dict[str, Any] = {"nullable": True, "dtype": kind.dtype}
    if (kind.dtype or {}).get("kind") in ("category", "interval"):
        return None
    if isinstance(value, (bool, np.bool_)):
        return Boolean(**more)
    if isinstance(value, (np.timedelta64, pd.Timedelta)):  # before numbers: numpy takes durations for such
        return Duration(**more)
    if isinstance(value, (int, float, np.number)):
        whole = float(value).is_integer()
        return Numeric(integer=whole, decimals=0 if whole else None, **more)
    if isinstance(value, (np.datetime64, pd.Timestamp)) or hasattr(value, "year"):
        return Datetime(**more)
    return Text(**more)
