"""Do rules fit a table's columns, and each other?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from synthkit.errors import SchemaError
from synthkit.rules.base import Rule
from synthkit.rules.numbers import Ordered, Sum
from synthkit.rules.values import Determines

__all__ = ["check_rules", "closure", "in_order"]


def check_rules(rules: Sequence[Rule], kinds: Mapping[Hashable, str], roles: Mapping[str, Hashable]) -> None:
    """Judge rules against the columns and against each other.

    Args:
        kinds: the name of each column's type; roles: columns that are generated: entity and weight.

    Raises:
        SchemaError: an unknown column, one of the wrong type, or rules that contradict each other.
    """
    for rule in rules:
        if not isinstance(rule, Rule):
            raise SchemaError(
                f"Schema: argument 'rules' holds a {type(rule).__name__}; give rules such as Ordered(a, b)."
            )
        _check_columns(rule, kinds, roles)
    closure([rule for rule in rules if isinstance(rule, Ordered)])
    _check_pairs([rule for rule in rules if isinstance(rule, Determines)])
    in_order(rules)


def _check_columns(rule: Rule, kinds: Mapping[Hashable, str], roles: Mapping[str, Hashable]) -> None:
    word = type(rule).__name__
    for name in rule.columns:
        if name not in kinds:
            known = ", ".join(repr(n) for n in list(kinds)[:20])
            raise SchemaError(f"{word}: there is no column {name!r}; the columns are {known}.")
        if name in roles.values():
            role = next(r for r, n in roles.items() if n == name)
            raise SchemaError(f"{word}: column {name!r} is the {role} column, which is not learnt; leave it out.")
        if rule.takes and kinds[name] not in rule.takes:
            raise SchemaError(
                f"{word}: column {name!r} is {kinds[name]}, and the rule takes {', '.join(rule.takes)}; "
                "declare another type in the schema, or drop the rule."
            )
        if kinds[name] == "Empty":
            raise SchemaError(f"{word}: column {name!r} is always empty; drop the rule.")
    if isinstance(rule, Ordered):
        found = {kinds[name] for name in rule.columns} - {"Constant"}
        if len(found) > 1:
            raise SchemaError(
                f"Ordered: columns {rule.low!r} and {rule.high!r} are {' and '.join(sorted(found))}, which do not "
                "compare; declare one type for both, or drop the rule."
            )


def closure(rules: Sequence[Ordered]) -> list[Ordered]:
    """The rules and all that follow from them by transitivity.

    Raises:
        SchemaError: they run in a circle.

    >>> closure([Ordered("a", "b"), Ordered("b", "c", strict=True)])[-1]
    Ordered(low='a', high='c', strict=True)
    """
    found: dict[tuple[Hashable, Hashable], bool] = {}
    for rule in rules:
        found[rule.low, rule.high] = rule.strict or found.get((rule.low, rule.high), False)
    middle = dict.fromkeys(name for pair in found for name in pair)
    for k in middle:
        into = [(a, s) for (a, b), s in found.items() if b == k]
        out = [(b, s) for (a, b), s in found.items() if a == k]
        for a, s in into:
            for b, t in out:
                if a == b:
                    raise SchemaError(
                        f"Schema: the rules on the order of {a!r} and {k!r} run in a circle; drop one of them "
                        "(for equal columns, keep one column)."
                    )
                found[a, b] = s or t or found.get((a, b), False)
    return [Ordered(a, b, s) for (a, b), s in found.items()]


def _check_pairs(rules: Sequence[Determines]) -> None:
    seen: dict[tuple[Hashable, Hashable], dict[object, object]] = {}
    for rule in rules:
        known = seen.setdefault(rule.columns, {})  # type: ignore[arg-type]
        for key, value, _ in rule.pairs or ():
            if known.setdefault(key, value) != value:
                raise SchemaError(
                    f"Determines: the pairs of {rule.key!r} and {rule.value!r} give one key two values; keep one."
                )


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """The rules such that one which writes a column comes before those that read it.

    Raises:
        SchemaError: sums that are each other's parts.
    """
    rest, done = list(rules), list[Rule]()
    while rest:
        writes = [r.output for r in rest]
        ready = [
            r
            for r in rest
            if not any(
                w in r.columns and w != r.output for w, other in zip(writes, rest, strict=True) if other is not r
            )
        ]
        if not ready and any(isinstance(r, Sum) for r in rest) and _sums_in_a_circle(rest):
            raise SchemaError(
                f"Sum: the total {next(r.total for r in rest if isinstance(r, Sum))!r} is, by other rules, a part of "
                "itself; drop one of them."
            )
        ready = ready or rest[:1]  # two codes that determine each other: any may come first
        done += ready
        rest = [r for r in rest if not any(r is d for d in ready)]
    return done


def _sums_in_a_circle(rules: Sequence[Rule]) -> bool:
    sums = [r for r in rules if isinstance(r, Sum)]
    while sums:
        totals = {r.total for r in sums}
        free = [r for r in sums if not set(r.parts) & totals]
        if not free:
            return True
        sums = [r for r in sums if r not in free]
    return False
