"""Row rules: what holds in every row of a table, and how a row that breaks one is put right.

A rule judges rows by ``holds``; where it determines a cell, ``repair`` writes it. A row with an empty cell in a rule's
columns satisfies the rule, but for the rules on emptiness itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthkit import io
from synthkit.errors import SchemaError
from synthkit.rules.base import Rule
from synthkit.rules.numbers import Ordered, Sum
from synthkit.rules.others import NullImplies, Predicate
from synthkit.rules.values import Combination, Determines

__all__ = [
    "RULES",
    "Combination",
    "Determines",
    "NullImplies",
    "Ordered",
    "Predicate",
    "Rule",
    "Sum",
    "rule_from_json",
    "rule_to_json",
]

RULES: dict[str, type[Rule]] = {
    "ordered": Ordered,
    "sum": Sum,
    "determines": Determines,
    "combination": Combination,
    "null_implies": NullImplies,
}


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """A JSON value.

    Raises:
        SchemaError: a Predicate, which holds code.
    """
    names = [key for key, c in RULES.items() if c is type(rule)]
    if not names:
        raise SchemaError(
            f"{type(rule).__name__} {getattr(rule, 'name', '')!r} is a function and cannot be saved; fit with 'rules' "
            "that leave it out, and give the function to sample(accept=...) instead."
        )
    return {"rule": names[0], **{f.name: io.to_json(getattr(rule, f.name)) for f in dataclasses.fields(rule)}}


def rule_from_json(value: Mapping[str, Any]) -> Rule:
    """The inverse of :func:`rule_to_json`.

    Raises:
        SchemaError: an unknown rule or attribute.
    """
    try:
        rest = {key: io.from_json(v) for key, v in value.items() if key != "rule"}
        if "names" in rest:
            rest["columns"] = rest.pop("names")
        return RULES[value["rule"]](**rest)
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaError("Schema.from_dict: a rule is unknown, or has an unknown attribute.") from error
