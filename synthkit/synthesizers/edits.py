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
from synthkit.given import cell_of
from synthkit.metrics.neighbours import nearest, place
from synthkit.metrics.tables import code_tables, kinds_of
from synthkit.rules import Determines, Sum
from synthkit.schema import Boolean, Categorical, Identifier, Numeric, Personal
from synthkit.synthesizers.completing import given_columns, unfamiliar

__all__ = ["off_support", "put_back", "with_edits"]

_FREE = 2000  # rows that the model draws freely, to compare with
_BLOCK = 4096
Floats = NDArray[np.float64]


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
    aside = {*generated, encoder.schema_.entity, encoder.schema_.weight}  # tell nothing of what a row is like
    if isinstance(hold, str) and hold == "rest":
        held = [n for n in known if n not in {*edits, *aside, *_following(encoder, edits), target}]
    elif isinstance(hold, Sequence) and not isinstance(hold, str):
        held = list(dict.fromkeys(hold))
    else:
        raise ParamError(f"{where}: argument 'hold' must be a list of columns, or 'rest'.")
    for argument, names in (("set", edits), ("hold", held), ("target", () if target is None else (target,))):
        for name in names:
            if name not in known or name in generated:
                raise ParamError(f"{where}: argument {argument!r}: there is no column {name!r} that the model draws.")
    both = [name for name in held if name in edits]
    if both:
        raise ParamError(f"{where}: column {both[0]!r} is in 'set' and in 'hold'; keep one.")
    if target is not None and not isinstance(known[target], Boolean | Categorical | Numeric):
        raise ParamError(f"{where}: argument 'target': column {target!r} must hold classes, booleans or numbers.")
    if target is not None and (target in edits or target in held):
        raise ParamError(
            f"{where}: the target {target!r} is set or held, so that it has nothing to tell; leave it out."
        )
    absent = [name for name in held if name not in rows.columns]
    if absent:
        raise ParamError(f"{where}: argument 'rows' lacks column {absent[0]!r}, which is held.")
    if not set(known) - {*held, *edits, *aside}:
        raise ParamError(f"{where}: all columns are held or set, so that there is nothing to draw; name a 'target'.")
    out = rows[held].reset_index(drop=True).copy()
    for name, value in edits.items():
        out[name] = _edit(encoder, name, value, len(rows), where)
    return out[[name for name in known if name in out.columns]]


def _following(encoder: TableEncoder, edits: Mapping[Hashable, Any]) -> set[Hashable]:
    """Columns that a rule writes by what is edited: held, they would contradict it."""
    out: set[Hashable] = set()
    for rule in encoder.schema_.rules:
        if isinstance(rule, Sum | Determines) and set(rule.columns) & set(edits):
            ends = rule.columns if isinstance(rule, Determines) and rule.both else (rule.output,)
            out |= {name for name in ends if name not in edits}
    return out


def _edit(encoder: TableEncoder, name: Hashable, value: Any, rows: int, where: str) -> pd.Series:
    listed = isinstance(value, (list, tuple, np.ndarray, pd.Series))
    if listed and len(value) != rows:
        raise ParamError(f"{where}: argument 'set': column {name!r} has {len(value)} values for {rows} rows.")
    values = list(value) if listed else [value]
    if pd.Series(values, dtype=object).isna().any():
        raise ConditionError(f"{where}: argument 'set': column {name!r} is set to null; leave it out to have it drawn.")
    try:
        cells = pd.concat([cell_of(encoder, name, one) for one in values], ignore_index=True)
        strange = unfamiliar(encoder, cells, name)
    except (ConditionError, ValueError) as error:
        raise ConditionError(
            f"{where}: argument 'set': column {name!r} ({type(encoder.schema_.columns[name]).__name__}) cannot be what "
            "it is set to; set a value of its kind."
        ) from error
    if strange.any():
        raise ConditionError(
            f"{where}: argument 'set': column {name!r} is set to a value that its domain does not hold; declare wider "
            "bounds or categories in the schema, or set another."
        )
    return cells if listed else cells.take(np.zeros(rows, np.int64)).reset_index(drop=True)


def put_back(drawn: pd.Series, given: pd.Series) -> pd.Series:
    """``drawn`` with the filled cells of ``given``, as they are: in the drawn dtype where that can hold them."""
    filled = given.notna().to_numpy()
    if filled.all():
        try:
            return given.astype(drawn.dtype)
        except (TypeError, ValueError):
            return given
    out = drawn.copy()
    try:
        out.iloc[np.flatnonzero(filled)] = given[filled].astype(drawn.dtype).array
    except (TypeError, ValueError):
        out = out.astype(object)
        out.iloc[np.flatnonzero(filled)] = given[filled].astype(object).array
    return out


def off_support(synthesizer: Any, edited: pd.DataFrame, seed: int) -> Floats:
    """``(rows,)``: share of freely drawn rows that are less likely than the edited one, in the columns that it has.

    0 for a row with a cell that the model does not know (out of range, a new class). By the model's likelihood of these
    columns where it has one, else by the distance to the nearest drawn row.
    """
    encoder = synthesizer.encoder_
    columns = list(edited.columns)
    free = synthesizer.sample(_FREE, seed=seed)[columns]
    # what the model does not know says nothing to it, and must not pass for likely
    strange = np.any([unfamiliar(encoder, edited[name], name) for name in columns], axis=0)
    mute = np.stack([edited[name].isna() & (not encoder.nullable_.get(name, False)) for name in columns], axis=1)
    out = np.zeros(len(edited))
    for pattern in np.unique(mute[~strange], axis=0):  # rows are compared in the columns that say something
        rows = np.flatnonzero(~strange & (mute == pattern).all(axis=1))
        told = [name for name, silent in zip(columns, pattern, strict=True) if not silent]
        if told:
            own, drawn = _likely(synthesizer, edited.iloc[rows][told], free[told])
            out[rows] = np.searchsorted(np.sort(drawn), own, side="right") / len(drawn)
    return out


def _likely(synthesizer: Any, edited: pd.DataFrame, free: pd.DataFrame) -> tuple[Floats, Floats]:
    """How likely edited and free rows are, on one scale."""
    if synthesizer.model_.tags.has_log_prob:
        return _likelihoods(synthesizer, edited), _likelihoods(synthesizer, free)
    s, e = code_tables(free, edited, kinds={n: k for n, k in kinds_of(synthesizer.schema_).items() if n in free})
    base, rows = place(s, (s, e))
    drawn = -nearest(base, base, 2)[0].distance[:, 1].astype(np.float64)
    return -nearest(rows, base, 1)[0].distance[:, 0].astype(np.float64), drawn


def _likelihoods(synthesizer: Any, table: pd.DataFrame) -> Floats:
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
