"""The rules of a fitted table: those that are given or found, as its training rows have them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from synthkit.encoder import TableEncoder
from synthkit.errors import SchemaError, SynthkitWarning
from synthkit.protect import Protection
from synthkit.rules import Combination, Rule
from synthkit.rules.infer import infer_rules
from synthkit.schema import Schema

__all__ = ["learn_rules"]

_MOST = 0.9  # of the training rows: a rule that these break is a mistake


def learn_rules(
    rules: Sequence[Rule] | bool, declared: Schema | None, encoder: TableEncoder, table: pd.DataFrame
) -> Schema:
    """The schema of a fitted encoder with the rules to enforce, learnt from the training table.

    Args:
        rules: these; True: those of ``declared``, or, where that is None, those that the table shows.

    Raises:
        SchemaError: the rules do not fit the table, or each other, or nine in ten rows of the table break one.
    """
    schema = encoder.schema_
    if rules is True:
        rules = infer_rules(table, schema) if declared is None else declared.rules
    if not rules:
        return replace(schema, rules=())
    replace(schema, rules=tuple(rules))  # judges them
    least = Protection.of(encoder.protect).min_count
    owner = None if schema.entity is None else pd.factorize(table[schema.entity])[0]
    learnt = [rule.learn(table, schema.columns, least, owner) for rule in rules]
    for i, rule in enumerate(learnt):
        broken = int((~rule.holds(table)).sum())
        if broken > _MOST * len(table):
            raise SchemaError(
                f"TabularSynthesizer.fit: {broken} of {len(table)} rows break the rule {rule!r}; turn it or drop it."
            )
        if broken and not isinstance(rule, Combination):  # rare combinations are left out on purpose
            learnt[i] = replace(rule, always=False)
            warnings.warn(
                f"TabularSynthesizer.fit: {broken} of {len(table)} rows break the rule {rule!r}; no drawn row will.",
                SynthkitWarning,
                stacklevel=3,
            )
    return replace(schema, rules=tuple(learnt))
