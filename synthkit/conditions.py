"""Conditions in the caller's words, and what they mean to a model: known entries, allowed codes, and a last touch.

A value is a known cell. A list or a range is a set of codes with weights, which the model draws from; what the codes
are too coarse for is settled at the end, inside the cell that was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError, SchemaError
from synthkit.given import cell_of, in_zone
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Allowed, Encoded
from synthkit.schema import Categorical, Identifier, Numeric, Personal, Text

__all__ = [
    "Between",
    "Compiled",
    "Null",
    "Rows",
    "between",
    "compile_where",
    "isnull",
    "narrow_to",
    "notnull",
    "single",
]

Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Between:
    """A closed range; None leaves an end open."""

    low: Any = None
    high: Any = None


@dataclass(frozen=True)
class Null:
    """The cell is empty, or it is not."""

    null: bool

    def __repr__(self) -> str:
        return "isnull()" if self.null else "notnull()"


def between(low: Any = None, high: Any = None) -> Between:
    """Values from ``low`` to ``high``, both included; None leaves an end open.

    >>> between(30, 60)
    Between(low=30, high=60)

    Raises:
        ConditionError: ``low`` is above ``high``, or they do not compare.
    """
    # texts may stand for dates ("2024-10-1") or durations ("30min"), which only the column's type can compare
    texts = isinstance(low, str) and isinstance(high, str)
    try:
        reverse = low is not None and high is not None and not texts and bool(low > high)
    except (TypeError, ValueError) as error:  # a number and a text, a date with a zone and one without, arrays
        raise ConditionError(f"between: arguments 'low' ({low!r}) and 'high' ({high!r}) do not compare.") from error
    if reverse:
        raise ConditionError(f"between: argument 'low' ({low!r}) is above 'high' ({high!r}).")
    return Between(low, high)


def isnull() -> Null:
    """The cell is empty."""
    return Null(True)


def notnull() -> Null:
    """The cell has a value."""
    return Null(False)


@dataclass
class Compiled:
    """A condition for a model.

    Attributes:
        partial: what is known, row by row; allowed: sets of codes by field; touch: applied to the decoded table of the
            rows that its second argument takes.
        held: by column, ``(rows,)`` bool: the cells that a condition speaks of, which no rule may change.
        given: the cells that are given, as the caller gave them: a row per wanted row, or one for all.
    """

    partial: Encoded
    allowed: dict[int, Allowed]
    touch: Callable[[pd.DataFrame, Rows], pd.DataFrame]
    held: dict[Hashable, NDArray[np.bool_]] = field(default_factory=dict)
    given: pd.DataFrame = field(default_factory=pd.DataFrame)


def compile_where(encoder: TableEncoder, where: Mapping[Hashable, Any] | pd.DataFrame | None, rows: int) -> Compiled:
    """Translate ``where`` for ``rows`` rows.

    Args:
        where: a dict of column -> value, list of values, ``between``, ``isnull()`` or ``notnull()``; or a DataFrame
            with one row per wanted row, whose empty cells are drawn; or None.

    Raises:
        ConditionError: unknown column, value outside the domain, a condition that nothing can meet.
    """
    if where is None:
        return Compiled(encoder.layout_.empty(rows), {}, lambda table, _: table)
    if isinstance(where, pd.DataFrame):
        return _rows(encoder, where)
    if not isinstance(where, Mapping):
        raise ConditionError(f"argument 'where' must be a dict or a DataFrame, got a {type(where).__name__}.")
    for name in where:
        _known_column(encoder, name)
    fixed = {name: single(name, rule) for name, rule in where.items()}
    singles = {name: rule[0] for name, rule in fixed.items() if rule is not None}
    one = pd.DataFrame({k: cell_of(encoder, *item) for k, item in enumerate(singles.items())}, index=[0])
    one.columns = pd.Index(list(singles), tupleize_cols=False)  # a name may be a tuple
    compiled = _rows(encoder, one)
    partial = compiled.partial.take(torch.zeros(rows, dtype=torch.long))
    touches: list[Callable[[pd.DataFrame], pd.DataFrame]] = []
    allowed: dict[int, Allowed] = {}
    for name, rule in where.items():
        if name not in singles:
            touches.append(_set_rule(encoder, name, rule, partial, allowed))

    def touch(table: pd.DataFrame, _: Rows) -> pd.DataFrame:
        for name in singles:
            table[name] = one[name].iloc[[0] * len(table)].set_axis(table.index).astype(table[name].dtype)
        for t in touches:
            table = t(table)
        return table

    return Compiled(partial, allowed, touch, {name: np.ones(rows, dtype=bool) for name in where}, one)


def _known_column(encoder: TableEncoder, name: Hashable) -> None:
    if name not in encoder.schema_.columns:
        names = ", ".join(repr(n) for n in list(encoder.schema_.columns)[:20])
        raise ConditionError(
            f"argument 'where' names column {name!r}, which was not in training; the columns are {names}."
        )


def single(name: Hashable, rule: Any) -> list[Any] | None:
    """A rule that is one value, as a list of one; None for sets."""
    if isinstance(rule, (Between, Null)):
        return None
    if isinstance(rule, (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index)):
        try:
            values = list(dict.fromkeys(rule))
        except TypeError as error:
            raise ConditionError(
                f"argument 'where': the list for column {name!r} holds lists or tables; give plain values."
            ) from error
        if not values:
            raise ConditionError(f"argument 'where': the list for column {name!r} is empty; nothing can meet it.")
        if any(v is None or pd.isna(v) for v in values):
            raise ConditionError(
                f"argument 'where': the list for column {name!r} holds a null; use isnull() by itself."
            )
        return values if len(values) == 1 else None
    if rule is None or rule is pd.NaT or rule is pd.NA or (np.isscalar(rule) and pd.isna(rule)):
        raise ConditionError(f"argument 'where': column {name!r} is null; say isnull() or notnull().")
    return [rule]


def _rows(encoder: TableEncoder, where: pd.DataFrame) -> Compiled:
    """One row per wanted row; empty cells are drawn."""
    for name in where.columns:
        _known_column(encoder, name)
    if not where.columns.is_unique:
        raise ConditionError("argument 'where' has a column name twice.")
    where = where.copy(deep=False)
    for name in where.columns:
        where[name] = in_zone(where[name], encoder.schema_.columns[name])
    try:
        partial = encoder.encode(where, "free", partial=True) if where.shape[1] else encoder.layout_.empty(len(where))
        for name in where.columns:
            _inside(encoder, where[name], name)
    except SchemaError as error:
        raise ConditionError(f"argument 'where': {error}") from error

    def touch(table: pd.DataFrame, at: Rows) -> pd.DataFrame:
        for name in where.columns:
            given = where[name].iloc[at].set_axis(table.index)
            keep = given.notna().to_numpy()
            if keep.all():
                table[name] = given.astype(table[name].dtype)
            elif keep.any():
                column = table[name].copy()
                column.iloc[np.flatnonzero(keep)] = given[keep].astype(column.dtype).array
                table[name] = column
        return table

    return Compiled(partial, {}, touch, {name: where[name].notna().to_numpy() for name in where.columns}, where)


def _inside(encoder: TableEncoder, series: pd.Series, name: Hashable) -> None:
    """Raise ConditionError where a given value is outside the learnt domain."""
    kind, t = encoder.schema_.columns[name], encoder.transformers_.get(name)
    if t is None or isinstance(kind, (Identifier, Personal, Text)) or name == encoder.schema_.entity:
        return
    values, null = canonical(series, kind)
    if not t.contains(values[~null]).all():
        raise ConditionError(
            f"argument 'where': column {name!r} is given a value that training never showed and the column's domain "
            f"does not hold; {_domain(encoder, name)}"
        )


def _domain(encoder: TableEncoder, name: Hashable) -> str:
    kind = encoder.schema_.columns[name]
    if isinstance(kind, Categorical):
        size = encoder.transformers_[name].parts[0].size
        return f"it knows {size} categories, each of enough rows; declare others in the schema."
    return "declare wider bounds in the schema to allow it."


def _set_rule(
    encoder: TableEncoder, name: Hashable, rule: Any, partial: Encoded, allowed: dict[int, Allowed]
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Enter a list, a range or a null rule into ``partial`` and ``allowed``; return what settles it at the end."""
    at, layout = encoder._place.get(name, {}), encoder.layout_
    kind = encoder.schema_.columns[name]
    wants_null = isinstance(rule, Null) and rule.null
    if "null" in at:
        slot = layout.slot[at["null"]]
        partial.cat[:, slot], partial.cat_known[:, slot] = int(wants_null), True
    elif wants_null and not encoder.nullable_.get(name, False):
        raise ConditionError(f"argument 'where': column {name!r} was never null in training; isnull() cannot be met.")
    if isinstance(rule, Null):
        if not rule.null and encoder._all_null(name):
            raise ConditionError(
                f"argument 'where': column {name!r} was always null in training; notnull() cannot be met."
            )
        return lambda table: table
    t = encoder.transformers_.get(name)
    if t is None or not t.parts:
        raise ConditionError(
            f"argument 'where': column {name!r} ({type(kind).__name__}) takes one value, not a list or a range."
        )
    if isinstance(rule, Between):
        return _range_rule(encoder, name, rule, allowed)
    cells = pd.concat([cell_of(encoder, name, v) for v in dict.fromkeys(rule)], ignore_index=True)
    _inside(encoder, cells, name)
    values = canonical(cells, kind)[0]
    _allow(encoder, name, t.listed(values), allowed)
    if values.dtype.kind == "O" or values.dtype.kind == "b":
        return lambda table: table
    ordered = np.sort(values)

    def snap(table: pd.DataFrame) -> pd.DataFrame:
        now, null = canonical(table[name], kind)
        right = np.searchsorted(ordered, now).clip(0, len(ordered) - 1)
        left = (right - 1).clip(0)
        near = np.where(np.abs(ordered[left] - now) <= np.abs(ordered[right] - now), ordered[left], ordered[right])
        table[name] = from_canonical(near, null, kind, index=table.index, name=name)
        return table

    return snap


def narrow_to(
    encoder: TableEncoder, name: Hashable, range_: Between, partial: Encoded, allowed: dict[int, Allowed]
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Enter a range into a condition that may have a set for the column already: both count.

    Returns:
        What settles the range in the decoded table.

    Raises:
        ConditionError: nothing can meet it.
    """
    before = dict(allowed)
    settle = _set_rule(encoder, name, range_, partial, allowed)
    for i, new in allowed.items():
        old = before.get(i, new)
        if old is not new:
            low, high = torch.maximum(old.low, new.low), torch.minimum(old.high, new.high)
            weights = torch.minimum(old.weights, new.weights) * (high >= low)
            allowed[i] = Allowed(weights, low, torch.maximum(low, high))
            if not bool((weights > 0).any()):
                raise ConditionError(f"argument 'where': nothing in column {name!r} can meet all its conditions.")
    return settle


def _range_rule(
    encoder: TableEncoder, name: Hashable, rule: Between, allowed: dict[int, Allowed]
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    kind, t = encoder.schema_.columns[name], encoder.transformers_[name]
    ends: list[Any] = []
    for end in (rule.low, rule.high):
        if end is None:
            ends.append(None)
        elif isinstance(kind, Numeric):
            ends.append(_bound(name, end))
        elif isinstance(kind, Categorical):
            ends.append(end)
        else:
            ends.append(int(canonical(cell_of(encoder, name, end), kind)[0][0]))
    if not isinstance(kind, Categorical) and None not in ends and ends[0] > ends[1]:
        raise ConditionError(
            f"argument 'where': the range for column {name!r} is upside down: {rule.low!r} is above {rule.high!r}."
        )
    ranges = t.ranges(*ends)
    if not ranges:
        raise ConditionError(
            f"argument 'where': column {name!r} ({type(kind).__name__}) has no order; give a list of values."
        )
    _allow(encoder, name, ranges, allowed)
    if isinstance(kind, Categorical):
        return lambda table: table
    return _clip(name, kind, *ends)


def _clip(name: Hashable, kind: Any, low: Any, high: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What settles a range of a column, whose ends may be None, in the decoded table."""
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    if isinstance(kind, Numeric) and kind.integer:  # math's, as numpy's go through floats
        low, high = (low if math.isinf(low) else math.ceil(low)), (high if math.isinf(high) else math.floor(high))
        if low > high:
            raise ConditionError(f"argument 'where': no whole number for column {name!r} lies in that range; widen it.")

    def clip(table: pd.DataFrame) -> pd.DataFrame:
        now, null = canonical(table[name], kind)
        if now.dtype.kind == "i":
            info = np.iinfo(np.int64)
            a, b = (int(min(max(end, info.min), info.max)) for end in (low, high))
            inside = np.clip(now, a, b)
        else:
            inside = np.clip(now, low, high)
        if (inside != now).any():
            table[name] = from_canonical(inside, null, kind, index=table.index, name=name)
        return table

    return clip


def _bound(name: Hashable, end: Any) -> float:
    """The end of a range of numbers; whole ones stay whole, as beyond 2**53 no float holds them."""
    try:
        if isinstance(end, (str, bool, np.bool_)) or math.isnan(end):
            raise TypeError
        whole = isinstance(end, (int, np.integer)) and abs(int(end)) < 2**63
        return int(end) if whole else float(end)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConditionError(
            f"argument 'where': column {name!r} is Numeric, and a range cannot end at {end!r}."
        ) from error


def _allow(encoder: TableEncoder, name: Hashable, ranges: list[Any], allowed: dict[int, Allowed]) -> None:
    for r in ranges:
        if not (r.weights > 0).any():
            raise ConditionError(f"argument 'where': nothing in column {name!r} can meet its condition; widen it.")
        tensors = (torch.as_tensor(np.asarray(a, dtype=np.float32)) for a in (r.weights, r.low, r.high))
        allowed[encoder._place[name][r.part]] = Allowed(*tensors)
