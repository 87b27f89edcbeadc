"""Given columns of a table as a condition, cell by cell: what is known of each, and what is not."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.conditions import Compiled
from synthkit.encoder import TableEncoder
from synthkit.enforce import given_cells
from synthkit.errors import SchemaError
from synthkit.inference import canonical
from synthkit.schema import Constant, Empty, Identifier, Text

__all__ = ["given_columns", "unfamiliar"]


def unfamiliar(encoder: TableEncoder, cells: pd.Series, name: Hashable) -> NDArray[np.bool_]:
    """``(rows,)``: filled cells whose like the encoder does not know: rare or new categories, numbers out of range."""
    kind, transformer = encoder.schema_.columns[name], encoder.transformers_.get(name)
    values, null = canonical(cells, kind)
    out = np.zeros(len(cells), np.bool_)
    if transformer is not None and not isinstance(kind, Constant | Empty | Identifier | Text):
        out[~null] = ~transformer.contains(values[~null])
    return out


def given_columns(encoder: TableEncoder, table: pd.DataFrame) -> Compiled:
    """All cells of ``table``, a part of the columns, as what is known; unfamiliar cells say nothing.

    An empty cell is null, and known to be, where training had nulls in that column; else nothing is known of it.

    Raises:
        SchemaError: a column that training had not, or cells of another kind.
    """
    strangers = [name for name in table.columns if name not in encoder.schema_.columns]
    if strangers:
        raise SchemaError(
            f"TabularSynthesizer.complete: column {strangers[0]!r} was not in the training table; leave it out."
        )
    known = table.reset_index(drop=True).copy()
    empty = {name: np.array(known[name].isna(), np.bool_) for name in known.columns}  # writable, for torch
    for name in known.columns:
        strange = unfamiliar(encoder, known[name], name)
        if strange.any():
            known[name] = known[name].mask(strange)
    partial = encoder.encode(known, "free", partial=True)
    for name in known.columns:
        field = encoder._place.get(name, {}).get("null")
        if field is not None:
            slot = encoder.layout_.slot[field]
            partial.cat[empty[name], slot], partial.cat_known[empty[name], slot] = 1, True
    return given_cells(encoder, known, partial)
