"""What ``augment`` refuses, before anything is learnt."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from synthkit.augmenting.cells import tally
from synthkit.augmenting.learners import LEARNERS
from synthkit.augmenting.scores import METRICS
from synthkit.errors import ParamError, SchemaError
from synthkit.params import AnyOf, InstanceOf, Interval, OneOf, Optional, SequenceOf, check

__all__ = ["check_arguments", "check_columns", "classes_of"]

_CLASSES = 50  # more are taken for a number to regress, or a name
_ME = "augment"


def check_arguments(
    known: Mapping[str, Any],
    switches: Mapping[str, object],
    max_seconds: object,
    progress: object,
    random_state: object,
) -> None:
    """Arguments that need no table.

    Raises:
        ParamError: one is out of its set.
    """
    check(_ME, "goal", known["goal"], OneOf("balance", "grow", "rare"))
    check(_ME, "learners", known["learners"], SequenceOf(OneOf(*LEARNERS)))
    if len(set(known["learners"])) < len(known["learners"]):
        raise ParamError("augment: argument 'learners' names one twice.")
    check(_ME, "metric", known["metric"], Optional(OneOf(*METRICS)))
    above = Interval(float, 0, None)
    check(_ME, "amount", known["amount"], AnyOf(Interval(float, 0, None, "neither"), SequenceOf(above)))
    cv = known["cv"]
    if not (isinstance(cv, Sequence) and len(cv) == 2 and Interval(int, 2).ok(cv[0]) and Interval(int, 1).ok(cv[1])):
        raise ParamError("augment: argument 'cv' must be (folds, repeats): at least two folds and one repeat.")
    for name, value in switches.items():
        check(_ME, name, value, OneOf(True, False))
    check(_ME, "max_seconds", max_seconds, Optional(Interval(float, 0, None, "neither")))
    check(_ME, "random_state", random_state, Optional(Interval(int, 0)))
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ParamError("augment: argument 'progress' must be True, None or a callable.")


def check_columns(
    df: pd.DataFrame,
    target: Hashable,
    subgroup: Hashable | None,
    entity: Hashable | None,
    time: Hashable | None,
    mark: bool,
) -> None:
    """The table and the columns with a role.

    Raises:
        ParamError: no DataFrame, or a column that is not there. SchemaError: repeated names, no rows, nulls in a
            column with a role.
    """
    check(_ME, "df", df, InstanceOf(pd.DataFrame))
    if not df.columns.is_unique:
        raise SchemaError("augment: the table has duplicate column names; rename them.")
    if df.empty:
        raise SchemaError("augment: the table has no rows or no columns.")
    roles = {"target": target, "subgroup": subgroup, "entity": entity, "time": time}
    for role, name in roles.items():
        if name is None and role != "target":
            continue
        if not isinstance(name, Hashable) or name not in df.columns:
            raise ParamError(f"augment: argument {role!r} names {name!r}, which is no column of the table.")
        if df[name].isna().any():
            remedy = "drop these rows" if role in ("target", "time") else "drop these rows, or name a group for them"
            raise SchemaError(f"augment: column {name!r} ({role!r}) has nulls; {remedy}.")
    if target in (subgroup, entity, time):
        raise ParamError("augment: argument 'target' names a column that has another role, too.")
    if time is not None and not _orders(df[time]):
        raise SchemaError(f"augment: column {time!r} ('time') must hold dates, durations or numbers.")
    if mark and "is_synthetic" in df.columns:
        raise ParamError("augment: argument 'mark': there is a column 'is_synthetic' already; rename it.")


def _orders(column: pd.Series[Any]) -> bool:
    types = pd.api.types
    dated = types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype)
    return dated or (types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype))


def classes_of(df: pd.DataFrame, target: Hashable) -> list[Any]:
    """The values of the target, the most frequent first (of equals, the first to come).

    Raises:
        SchemaError: there is one only, or they look like numbers to regress.
    """
    column = df[target]
    values, count = tally(column)
    classes = [values[k] for k in np.argsort(-count, kind="stable")]
    if len(classes) < 2:
        raise SchemaError(f"augment: column {target!r} ('target') has one class only; there is nothing to predict.")
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    broken = pd.api.types.is_float_dtype(column.dtype) and bool((column % 1 != 0).any())
    time_like = pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype)
    if broken or time_like or len(classes) > _CLASSES:
        what = "a number to regress" if numeric else "no classes"
        raise SchemaError(
            f"augment: column {target!r} ('target') looks like {what}; regression is not supported: cut it into at "
            f"most {_CLASSES} classes, as with pandas.cut."
        )
    return classes
