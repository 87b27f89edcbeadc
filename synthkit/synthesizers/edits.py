"""Given rows with edited cells as a condition, and how far off the known they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError, ParamError
from synthkit.metrics.neighbours import nearest, place
from synthkit.metrics.tables import code_tables, kinds_of
from synthkit.schema import Identifier, Personal
from synthkit.synthesizers.completing import given_columns, unfamiliar

__all__ = ["off_support", "with_edits"]

_FREE = 2000  # rows that the model draws freely, to compare with
_BLOCK = 4096


def with_edits(
    encoder: TableEncoder,
    rows: pd.DataFrame,
    edits: Mapping[Hashable, Any],
    hold: Sequence[Hashable] | str,
    target: Hashable | None,
    where: str,
) -> pd.DataFrame:
    """The held and edited columns of the rows.

    Raises:
        ParamError: columns are unknown, or in two places. ConditionError: a value is not in the column's domain.
    """
    known = encoder.schema_.columns
    if not isinstance(rows, pd.DataFrame) or not len(rows):
        raise ParamError(f"{where}: argument 'rows' must be a DataFrame of one row or more.")
    if not isinstance(edits, Mapping) or not edits:
        raise ParamError(f"{where}: argument 'set' must be a dict of column -> value.")
    generated = [name for name, kind in known.items() if isinstance(kind, Identifier | Personal)]
    if isinstance(hold, str) and hold == "rest":
        held = [n for n in known if n not in edits and n != target and n not in generated]
        held = [n for n in held if n != encoder.schema_.entity and n != encoder.schema_.weight]
    elif isinstance(hold, Sequence) and not isinstance(hold, str):
        held = list(hold)
    else:
        raise ParamError(f"{where}: argument 'hold' must be a list of columns, or 'rest'.")
    for argument, names in (("set", edits), ("hold", held), ("target", () if target is None else (target,))):
        for name in names:
            if name not in known or name in generated:
                raise ParamError(f"{where}: argument {argument!r}: there is no column {name!r} that the model draws.")
    both = [name for name in held if name in edits]
    if both:
        raise ParamError(f"{where}: column {both[0]!r} is in 'set' and in 'hold'; keep one.")
    if target is not None and (target in edits or target in held):
        raise ParamError(
            f"{where}: the target {target!r} is set or held, so that it has nothing to tell; leave it out."
        )
    absent = [name for name in held if name not in rows.columns]
    if absent:
        raise ParamError(f"{where}: argument 'rows' lacks column {absent[0]!r}, which is held.")
    if not set(known) - {*held, *edits, *generated}:
        raise ParamError(f"{where}: all columns are held or set, so that there is nothing to draw; name a 'target'.")
    out = rows[held].reset_index(drop=True).copy()
    for name, value in edits.items():
        out[name] = _edit(encoder, name, value, len(rows), where)
    return out[[name for name in known if name in out.columns]]


def _edit(encoder: TableEncoder, name: Hashable, value: Any, rows: int, where: str) -> pd.Series:
    listed = isinstance(value, (list, tuple, np.ndarray, pd.Series))
    if listed and len(value) != rows:
        raise ParamError(f"{where}: argument 'set': column {name!r} has {len(value)} values for {rows} rows.")
    cells = pd.Series(list(value) if listed else [value] * rows, name=name)
    if cells.isna().any():
        raise ConditionError(f"{where}: argument 'set': column {name!r} is set to null; leave it out to have it drawn.")
    try:
        strange = unfamiliar(encoder, cells, name)
    except ValueError as error:
        raise ConditionError(f"{where}: argument 'set': column {name!r} cannot be what it is set to.") from error
    if strange.any():
        raise ConditionError(
            f"{where}: argument 'set': column {name!r} is set to a value that its domain does not hold; declare wider "
            "bounds or categories in the schema, or set another."
        )
    return cells


def off_support(synthesizer: Any, edited: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    """``(rows,)``: share of freely drawn rows that are less likely than the edited one, in the columns that it has.

    By the model's likelihood of these columns where it has one, else by the distance to the nearest drawn row.
    """
    free = synthesizer.sample(_FREE, seed=seed)[list(edited.columns)]
    if synthesizer.model_.tags.has_log_prob:
        own, drawn = (_likelihoods(synthesizer, table) for table in (edited, free))
    else:
        s, e = code_tables(free, edited, kinds={n: k for n, k in kinds_of(synthesizer.schema_).items() if n in free})
        base, rows = place(s, (s, e))
        drawn = -nearest(base, base, 2)[0].distance[:, 1].astype(np.float64)
        own = -nearest(rows, base, 1)[0].distance[:, 0].astype(np.float64)
    out: NDArray[np.float64] = np.searchsorted(np.sort(drawn), own, side="right") / len(drawn)
    return out


def _likelihoods(synthesizer: Any, table: pd.DataFrame) -> NDArray[np.float64]:
    """Log-probability of what the columns of ``table`` say, all others left out."""
    encoder, model = synthesizer.encoder_, synthesizer.model_
    partial = given_columns(encoder, table).partial
    device = next((t.device for t in model.parameters()), torch.device("cpu"))
    parts = []
    with torch.no_grad():
        for start in range(0, len(table), _BLOCK):
            block = partial.take(slice(start, start + _BLOCK)).to(device)
            parts.append(-model(encoder.layout_.empty(len(block), device), block).double().cpu().numpy())
    return np.concatenate(parts)
