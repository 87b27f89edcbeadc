"""Does a synthetic table keep what always holds in the real one?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.rates import rate_interval
from synthkit.metrics.tables import Kinds, resolve_kinds
from synthkit.rules import Predicate, Rule
from synthkit.rules.infer import infer_rules
from synthkit.schema import Schema

__all__ = ["Rules", "rules_broken"]


# -------------------------------------------------------------------- public functions
def rules_broken(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    rules: Sequence[Rule] | None = None,
    kinds: Kinds | None = None,
) -> pd.DataFrame:
    """Rules that hold in every real row, and how many synthetic rows break them.

    Orders, sums, codes that determine others, combinations, cells that are empty together: those of a schema
    (``schema.rules``), or those that the real table shows beyond chance (:func:`synthkit.rules.infer.infer_rules`).
    What a rule learns (which code goes with which label), it learns from the real table; a value that no real row has
    breaks a combination.

    Args:
        real, synthetic: the two tables.
        rules: the rules to check; by default inferred from the real table.
        kinds: the columns to use; by default all of the real table. Rules on others are left out.

    Returns:
        A row per rule that holds in the real table, the most broken first: ``rule`` (text), ``broken`` (rows),
        ``share`` (of the synthetic rows). ``.attrs["any"]`` is the number of rows that break at least one.

    Raises:
        SchemaError: the tables lack a column of the kinds, or have no rows.

    >>> real = pd.DataFrame({"low": [x % 91 for x in range(300)], "high": [x % 91 + x % 7 for x in range(300)]})
    >>> rules_broken(real, real.assign(low=real["low"] + 1))["broken"].tolist()
    [43]
    """
    kinds = resolve_kinds((real, synthetic), kinds)
    names = list(kinds)
    real, synthetic = real[names], synthetic[names]
    schema = Schema.infer(real, rules=False) if rules is None else None
    learnt = learnt_rules(real, schema, rules)
    return _broken(learnt, synthetic)


# -------------------------------------------------------------------- cores
def learnt_rules(real: pd.DataFrame, schema: Schema | None, rules: Sequence[Rule] | None) -> list[Rule]:
    """The rules that hold in every real row: the given ones, or, without any, those that the table shows."""
    if not rules:
        schema = schema or Schema.infer(real, rules=False)
        known = [name for name in schema.columns if name in real.columns]
        rules = infer_rules(real[known], schema.project(known))
    kept = []
    for rule in rules:
        if any(name not in real.columns for name in rule.columns):
            continue
        learnt = rule.learn(real, schema.columns if schema is not None else {}, 1)
        if (good := _holds(learnt, real)) is not None and good.all():
            kept.append(learnt)
    return kept


def _holds(rule: Rule, table: pd.DataFrame) -> NDArray[np.bool_] | None:
    """``None``: the rule cannot be asked of this table."""
    try:
        return np.asarray(rule.holds(table), dtype=bool)
    except (SchemaError, TypeError, ValueError):
        return None  # columns that do not compare here; a caller's function that fails


def _text(rule: Rule) -> str:
    return f"Predicate({rule.name})" if isinstance(rule, Predicate) else repr(rule)


def _broken(rules: Sequence[Rule], synthetic: pd.DataFrame) -> pd.DataFrame:
    rows, some = [], np.zeros(len(synthetic), dtype=bool)
    for rule in rules:
        good = _holds(rule, synthetic)
        bad = np.ones(len(synthetic), dtype=bool) if good is None else ~good
        some |= bad
        rows.append((_text(rule), int(bad.sum()), float(bad.mean())))
    found = pd.DataFrame(rows, columns=["rule", "broken", "share"])
    found = found.sort_values("broken", ascending=False, kind="stable", ignore_index=True)
    found.attrs["any"] = int(some.sum())
    return found


# -------------------------------------------------------------------- metrics
class Rules(Metric):
    """:func:`rules_broken` as a metric."""

    name = "rules"
    label = "Rows that break a rule of the real table"
    group = "fidelity"
    goal = "lower"
    best = 0.0
    reading = "A share of {value} of the rows breaks a rule of the real table"
    definition = (
        "Share of synthetic rows that break at least one rule that holds in every real row: rules of the schema, or, "
        "without any, those that the real table shows beyond chance."
    )

    def measure(self, case: Case) -> Measurement:
        names = list(case.kinds)
        schema = case.schema
        rules = learnt_rules(case.real.frame[names], schema, schema.rules if schema is not None else None)
        if not rules:
            return Measurement.nothing("no rule holds in every real row")
        found = _broken(rules, case.synthetic.frame[names])
        rows, bad = len(case.synthetic), int(found.attrs["any"])
        broken = int((found["broken"] > 0).sum())
        note = f"{broken} of {len(found)} rules are broken, by {bad} of {rows} rows"
        parts = dict(zip(found["rule"], found["share"].astype(float), strict=True))
        return Measurement(bad / rows, rate_interval(bad / rows, 0.0, rows), parts, note, {"rules": found})
