"""What a caller passes as a table, as a frame; and a completed frame as the caller's kind of table again."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

from synthkit.errors import SchemaError, SynthkitWarning
from synthkit.imputation.masks import nullable
from synthkit.synthesizers.centre import is_quantity, quantities

__all__ = ["as_before", "framed", "in_order", "kinds_of", "names_out", "same_kinds", "with_nulls", "without_values"]


def framed(X: Any, where: str) -> pd.DataFrame:
    """A frame as it is; an array, or rows in a list, as a frame with columns x0, x1, ...

    Raises:
        SchemaError: sparse or complex input, not two dimensions, no columns, or two columns of one name.
    """
    if issparse(X):
        raise SchemaError(f"{where}: sparse input is not supported; pass a dense table, X.toarray() say.")
    if not isinstance(X, pd.DataFrame):
        # rows in a list may mix numbers and texts, which one dtype would turn into texts ("nan")
        X = np.asarray(X, dtype=object) if isinstance(X, (list, tuple)) else np.asarray(X)
        if X.ndim != 2:
            raise SchemaError(f"{where}: expected a table of 2 dimensions, got {X.ndim}. Reshape your data.")
        if X.dtype.kind == "c":
            raise SchemaError(f"{where}: Complex data not supported; pass the real and the imaginary part as columns.")
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).infer_objects()
    if not X.shape[1]:
        raise SchemaError(f"{where}: 0 feature(s) (shape=({len(X)}, 0)) while a minimum of 1 is required: no columns.")
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()][0]
        raise SchemaError(f"{where}: column name {twice!r} occurs more than once; rename the columns.")
    table: pd.DataFrame = X
    return table


def with_nulls(table: pd.DataFrame, value: Any) -> pd.DataFrame:
    """The table with null where ``value`` stands (None or a null: the table itself)."""
    if value is None or pd.isna(value):
        return table
    out = table.copy()
    for name in out.columns:
        gap = (out[name] == value).fillna(False).to_numpy(dtype=bool)
        if gap.any():
            out[name] = nullable(out[name]).mask(gap)
    return out


def without_values(table: pd.DataFrame, dtypes: Mapping[Hashable, Any]) -> pd.DataFrame:
    """The table with columns that hold nothing at all in the dtype of training, that has room for null."""
    empty = [n for n in dtypes if table[n].dtype != dtypes[n] and len(table) and table[n].isna().all()]
    if not empty:
        return table
    out = table.copy()
    for name in empty:
        like = nullable(pd.Series([], dtype=dtypes[name]))
        out[name] = like.reindex(range(len(table))).astype(like.dtype).set_axis(table.index)
    return out


def in_order(X: Any, table: pd.DataFrame, names: Sequence[Hashable], named: bool) -> pd.DataFrame:
    """The table with the columns of training, in their order; those of an array go by their place.

    Args:
        X: what the caller passed; table: the same as a frame; named: whether the training table had names.

    Raises:
        SchemaError: more, fewer or other columns.
    """
    where = "Imputer.transform"
    if not isinstance(X, pd.DataFrame):
        if table.shape[1] != len(names):
            raise SchemaError(
                f"{where}: X has {table.shape[1]} features, but Imputer is expecting {len(names)} features as input."
            )
        if named:
            text = f"{where}: X does not have valid feature names, but Imputer was fitted with feature names; "
            warnings.warn(text + "columns are taken by their place.", SynthkitWarning, stacklevel=4)
        return table.set_axis(pd.Index(names, dtype=object), axis=1)
    missing = [name for name in names if name not in table.columns]
    extra = [name for name in table.columns if name not in set(names)]
    if missing or extra:
        what = f"column {missing[0]!r} is missing" if missing else f"column {extra[0]!r} was not there in training"
        raise SchemaError(f"{where}: {what}; pass the columns that fit saw.")
    return table if list(table.columns) == list(names) else table.loc[:, list(names)]


def kinds_of(table: pd.DataFrame) -> dict[Hashable, tuple[str, bool]]:
    """Of the columns that are quantities: "M" (dates), "m" (durations) or "n" (numbers); have they a time zone?"""
    return {
        name: (_kind(table[name]), getattr(table[name].dtype, "tz", None) is not None)
        for name in table.columns
        if is_quantity(table[name])
    }


def _kind(series: pd.Series) -> str:
    letter = getattr(series.dtype, "kind", "n")
    return letter if letter in "mM" else "n"


def same_kinds(table: pd.DataFrame, kinds: Mapping[Hashable, tuple[str, bool]]) -> None:
    """Are numbers, dates and durations of training still that? Columns without any value may be anything.

    Raises:
        SchemaError: a column of another kind, with or without a time zone unlike then, or of infinite numbers.
    """
    words = {"n": "numbers", "M": "dates", "m": "durations"}
    for name, (kind, zoned) in kinds.items():
        there = table[name].dropna()
        if not len(there):
            continue
        there = there.infer_objects()
        if not is_quantity(there) or _kind(there) != kind:
            raise SchemaError(
                f"Imputer.transform: column {name!r} held {words[kind]} in training, and holds other values now; "
                "convert it."
            )
        if kind == "M" and (getattr(there.dtype, "tz", None) is not None) != zoned:
            raise SchemaError(
                f"Imputer.transform: column {name!r} has a time zone in training or now, but not both; convert it."
            )
        if kind == "n" and np.isinf(quantities(there)).any():
            raise SchemaError(f"Imputer.transform: column {name!r} holds infinite numbers; replace them by NaN.")


def as_before(X: Any, filled: pd.DataFrame, masked: bool) -> Any:
    """The completed table as what the caller passed: a frame with its dtypes, or an array.

    Args:
        masked: whether a value stood for null, so that integers and booleans had to become floats or objects.
    """
    if isinstance(X, pd.DataFrame):
        for name in filled.columns if masked else ():
            was = X[name].dtype if name in X.columns else filled[name].dtype
            if filled[name].dtype != was and was.kind in "iub" and filled[name].notna().all():
                filled[name] = filled[name].astype(was)
        return filled
    dtype = getattr(X, "dtype", None)
    if dtype is None or (dtype.kind in "iub" and filled.isna().to_numpy().any()):
        return filled.to_numpy()
    return filled.to_numpy(dtype=object if dtype.kind in "OSU" else dtype)


def names_out(given: Sequence[str] | None, names: Sequence[Hashable], named: bool) -> NDArray[Any]:
    """Names of the columns of training, or those that the caller gives to the columns of an array.

    Raises:
        SchemaError: another number of names, or other names than those of training.
    """
    if given is None:
        return _objects(names)
    if len(given) != len(names):
        raise SchemaError(
            f"Imputer.get_feature_names_out: input_features should have length equal to number of features "
            f"({len(names)}), got {len(given)}."
        )
    if named and list(given) != list(names):
        raise SchemaError("Imputer.get_feature_names_out: input_features is not equal to feature_names_in_.")
    return _objects(given)


def _objects(names: Sequence[Hashable]) -> NDArray[Any]:
    out = np.empty(len(names), dtype=object)
    out[:] = list(names)
    return out
