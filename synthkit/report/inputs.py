"""What a caller gave to ``evaluate``, checked: the cases, and the metrics to compute on them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import LEVELS, Case, Level, Metric
from synthkit.metrics.registry import METRICS
from synthkit.metrics.tables import Kinds, code_tables, kinds_of, resolve_kinds
from synthkit.params import Interval, OneOf, check
from synthkit.report.cases import MAX_ROWS, Cases
from synthkit.schema import Schema, check_table

__all__ = ["build_cases", "choose"]


# -------------------------------------------------------------------- what is judged
def build_cases(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    holdout: pd.DataFrame | None,
    *,
    schema: Schema | None = None,
    target: Hashable | None = None,
    level: Level = "default",
    secrets: Sequence[Hashable] = (),
    time: Hashable | None = None,
    event: Hashable | None = None,
    kinds: Kinds | None = None,
    seed: int = 0,
) -> Cases:
    """Check the arguments and tables, and make the cases."""
    check("evaluate", "level", level, OneOf(*LEVELS))
    check("evaluate", "seed", seed, Interval(int, 0, 2**32 - 1))
    if schema is not None and not isinstance(schema, Schema):
        raise ParamError(f"evaluate: argument 'schema' must be a Schema, got a {type(schema).__name__}.")
    others = {"holdout": holdout} if holdout is not None else {}
    tables = {"real": real, **synthetic, **others}
    for name, table in tables.items():
        check_table(table, f"evaluate: {name!r}")
        if not set(table.columns) & set(real.columns):
            raise SchemaError(f"evaluate: the tables {name!r} and 'real' share no column; rename the columns of one.")
    if kinds is not None:
        _complete(kinds, tables)
    schema = _schema(real, kinds, level, seed) if schema is None else schema
    kinds = kinds_of(schema) if kinds is None else kinds
    if not kinds:
        raise SchemaError(
            "evaluate: no column can be judged, as all are identifiers, free text or empty; declare them in 'schema' "
            "or 'kinds'."
        )
    _complete(kinds, tables)
    kinds = resolve_kinds(list(tables.values()), kinds)
    secrets = tuple(secrets) if isinstance(secrets, Iterable) and not isinstance(secrets, str) else (secrets,)
    roles: dict[str, Any] = {"target": target, "time": time, "event": event}
    for role, name in [*roles.items(), *(("secrets", name) for name in secrets)]:
        if name is not None and not (isinstance(name, Hashable) and name in kinds):
            raise ParamError(
                f"evaluate: argument {role!r}: {name!r} is no column that is judged; those are "
                f"{', '.join(repr(n) for n in kinds)}."
            )
    if target is not None:
        _predictable(target, kinds, {"real": real, **others})
    known = {n: t for n, t in schema.columns.items() if n in kinds}
    schema = schema.project(known)
    try:
        return Cases.of(
            real, synthetic, holdout, kinds=kinds, level=level, seed=seed, schema=schema, secrets=secrets, **roles
        )
    except SchemaError as error:
        raise SchemaError(f"evaluate: {_culprit(tables, kinds)}{error}") from None


def _culprit(tables: Mapping[str, pd.DataFrame], kinds: Kinds) -> str:
    """Which table cannot be read; empty where each can by itself."""
    for name, table in tables.items():
        try:
            code_tables(table, kinds=kinds)
        except SchemaError:
            return f"the table {name!r}: "
    return ""


def _schema(real: pd.DataFrame, kinds: Kinds | None, level: Level, seed: int) -> Schema:
    table = real if kinds is None else real[[name for name in kinds if name in real.columns]]
    if len(table) > MAX_ROWS[level]:
        order = np.random.default_rng([seed, 6]).permutation(len(table))
        table = table.take(np.sort(order[: MAX_ROWS[level]]))
    return Schema.infer(table)


def _complete(kinds: Kinds, tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        lacking = [column for column in kinds if column not in table.columns]
        if lacking:
            raise SchemaError(
                f"evaluate: the table {name!r} lacks column {lacking[0]!r}; add it, or drop it from the others."
            )


def _predictable(target: Hashable, kinds: Kinds, tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        if table[target].nunique() < 2:
            found = "class" if kinds[target] == "categorical" else "value"
            raise SchemaError(
                f"evaluate: argument 'target': column {target!r} has only one {found}, or none, in {name!r}, so that "
                "there is nothing to predict; choose another target, or pass more rows."
            )


# -------------------------------------------------------------------- by what
def choose(
    metrics: Iterable[str | Metric | type[Metric]] | None, case: Case, domain: str | None
) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics to compute, by name, and why others are left out.

    Raises:
        ParamError: an unknown name, or something that is no metric.
    """
    if metrics is None:
        of_domain = [m for m in METRICS.values() if m.domain in (None, domain)]
        asked = [m() for m in of_domain if LEVELS.index(m.level) <= LEVELS.index(case.level)]
        left_out = {m.name: f"of level {m.level!r}" for m in of_domain if m.name not in {a.name for a in asked}}
    else:
        names = [metrics] if isinstance(metrics, (str, Metric, type)) else list(metrics)
        if not names:
            raise ParamError("evaluate: argument 'metrics' is empty; name some, or leave it out for all of the level.")
        asked, left_out = [_metric(m) for m in names], {}
    chosen = {}
    for metric in asked:
        lacking = metric.missing(case)
        if lacking:
            left_out[metric.name] = lacking
        else:
            chosen[metric.name] = metric
    return chosen, left_out


def _metric(asked: str | Metric | type[Metric]) -> Metric:
    if isinstance(asked, Metric):
        return asked
    if isinstance(asked, type) and issubclass(asked, Metric):
        return asked()
    if isinstance(asked, str) and asked in METRICS:
        return METRICS[asked]()
    shown = repr(asked) if isinstance(asked, str) else f"a {type(asked).__name__}"
    raise ParamError(
        f"evaluate: argument 'metrics': {shown} is no metric; pass an object of Metric or one of {', '.join(METRICS)}."
    )
