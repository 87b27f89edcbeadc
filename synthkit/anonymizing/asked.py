"""What a caller asks of ``anonymize``, checked before any work."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import LEVELS, Level
from synthkit.metrics.registry import METRICS
from synthkit.metrics.tables import kinds_of
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.protect import Protect, Protection
from synthkit.report.gates import Gate
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.profiles import PROFILES
from synthkit.schema import Constant, Empty, Personal, Schema, check_table

__all__ = ["Asked", "Kind"]

Kind = Literal["rows", "records"]
_FEWEST = 100  # units: with fewer, no part that is held back shows anything
_LEAST_HELD = 20  # units that are held back
_LISTS = ("keep", "secrets", "quasi_identifiers")


@dataclass(frozen=True)
class Asked:
    """The arguments of :func:`synthkit.anonymize`; its docstring says what they are."""

    table: pd.DataFrame
    entity: Hashable | None = None
    time: Hashable | None = None
    keep: tuple[Hashable, ...] = ()
    secrets: tuple[Hashable, ...] = ()
    quasi_identifiers: tuple[Hashable, ...] = ()
    target: Hashable | None = None
    schema: Schema | None = None
    profile: str = "test-data"
    gates: Mapping[str, Any] | None = None
    undecided: Literal["refuse", "note"] = "refuse"
    protect: Protect = "standard"
    holdout: float = 0.2
    n: int | None = None
    level: Level = "quick"
    release: Literal["rows", "model"] = "rows"
    purpose: str = ""
    recipients: str = ""
    max_seconds: float | None = None
    random_state: int | None = None

    @property
    def kind(self) -> Kind:
        """Single rows, or several records of entities."""
        return "rows" if self.entity is None or self.table[self.entity].is_unique else "records"

    @property
    def unit(self) -> str:
        """What is counted as one person."""
        return "row" if self.entity is None else f"{self.entity}"

    @property
    def protection(self) -> Protection:
        """That of the argument ``protect``, with the quasi-identifiers."""
        given = Protection.of(self.protect, "anonymize")
        return replace(given, quasi_identifiers=self.quasi_identifiers) if self.quasi_identifiers else given

    def units(self, table: pd.DataFrame) -> int:
        """Rows, or distinct entities, of a part of the table."""
        return len(table) if self.entity is None else int(table[self.entity].nunique())

    def check(self) -> None:
        """Judge every argument.

        Raises:
            ParamError: out of its set, or names no column. SchemaError: the table does not fit.
        """
        name = "anonymize"
        check_table(self.table, "anonymize: 'df'")
        check(name, "profile", self.profile, OneOf(*PROFILES))
        check(name, "undecided", self.undecided, OneOf("refuse", "note"))
        check(name, "release", self.release, OneOf("rows", "model"))
        check(name, "level", self.level, OneOf(*LEVELS))
        check(name, "holdout", self.holdout, Interval(float, 0.05, 0.5))
        check(name, "n", self.n, Optional(Interval(int, 1)))
        check(name, "max_seconds", self.max_seconds, Optional(Interval(float, 0, None, "neither")))
        check(name, "random_state", self.random_state, Optional(Interval(int, 0, 2**32 - 1)))
        if self.gates is not None and not isinstance(self.gates, Mapping):
            raise ParamError("anonymize: argument 'gates' must be a dict of score -> tolerance, Gate or None.")
        strange = [score for score in self.gates or {} if score not in METRICS and score not in PANEL_WORDS]
        if strange:
            raise ParamError(f"anonymize: argument 'gates': {strange[0]!r} is no score.")
        for score, gate in (self.gates or {}).items():
            number = isinstance(gate, (int, float)) and not isinstance(gate, bool) and gate >= 0
            if gate is not None and not isinstance(gate, Gate) and not number:
                raise ParamError(
                    f"anonymize: argument 'gates': that of {score!r} must be a tolerance >= 0, a Gate, or None."
                )
        for argument in ("purpose", "recipients"):
            if not isinstance(getattr(self, argument), str):
                raise ParamError(f"anonymize: argument {argument!r} must be text.")
        self._check_columns()
        self._check_keep()
        self._check_size()

    def _check_columns(self) -> None:
        for argument in ("entity", "time", "target"):
            value = getattr(self, argument)
            if value is not None and not _is_column(self.table, value):
                raise ParamError(f"anonymize: argument {argument!r}: there is no column {value!r}.")
        for argument in _LISTS:
            for value in getattr(self, argument):
                if not _is_column(self.table, value):
                    raise ParamError(f"anonymize: argument {argument!r}: there is no column {value!r}.")
        if self.time is not None and self.entity is None:
            raise ParamError(
                "anonymize: argument 'time' needs 'entity': without one, the table is one long series, which has no "
                "persons to protect; use SequenceSynthesizer."
            )
        if self.entity is not None and self.entity in (self.time, *self.secrets):
            raise ParamError("anonymize: argument 'entity' names the time or a secret; name another column.")
        for argument in ("entity", "time"):
            value = getattr(self, argument)
            if value is not None and bool(self.table[value].isna().any()):
                raise SchemaError(f"anonymize: column {value!r} ({argument}) has empty cells; fill or drop these rows.")

    def _check_keep(self) -> None:
        for argument, names, why in (
            ("secrets", self.secrets, "what is kept as it is, is no secret"),
            ("quasi_identifiers", self.protection.quasi_identifiers, "rare combinations of it would come back"),
        ):
            both = [name for name in self.keep if name in names]
            if both:
                raise ParamError(
                    f"anonymize: column {both[0]!r} is in 'keep' and in {argument!r}: {why}; leave it out of one."
                )
        if self.keep and self.n is not None:
            raise ParamError("anonymize: argument 'n' does not go with 'keep': there are as many rows as in the table.")
        if self.keep and set(self.table.columns) <= {*self.keep, self.entity, self.time}:
            raise ParamError("anonymize: argument 'keep' leaves no column to draw.")
        self._check_kept_types()

    def _check_kept_types(self) -> None:
        """No kept column may say who somebody is: attacks do not look at such columns, and no gate would fail."""
        if self.entity in self.keep and self.entity is not None:
            raise ParamError(
                f"anonymize: argument 'keep' names the entity {self.entity!r}: who has its keys, finds every person. "
                "Leave it out; fresh keys are made."
            )
        kept = [name for name in self.keep if name != self.time]
        if not kept:
            return
        given = None if self.schema is None else self.schema.columns
        own = {} if given is None else {name: given[name] for name in kept if name in given}
        schema = Schema.infer(self.table[kept], overrides=own, rules=False)
        seen = kinds_of(schema)
        for name in kept:
            kind = schema.columns[name]
            if name not in seen and not isinstance(kind, Constant | Empty):
                what = "personal data" if isinstance(kind, Personal) else type(kind).__name__.lower()
                raise ParamError(
                    f"anonymize: argument 'keep': column {name!r} ({what}) may say whose row it is, and no test looks "
                    "at it. Leave it out, or declare another type in the schema, such as Categorical()."
                )

    def _check_size(self) -> None:
        units = self.units(self.table)
        if units < _FEWEST or round(self.holdout * units) < _LEAST_HELD:
            noun = "rows" if self.entity is None else f"distinct values of {self.entity!r}"
            raise SchemaError(
                f"anonymize: the table has {units} {noun}; at least {_FEWEST} are needed, of which 'holdout' holds "
                f"back {_LEAST_HELD} or more, to check anything. Take synthkit.from_schema for so few."
            )
        least = self.protection.min_count
        if least > (1 - self.holdout) * units:
            raise ParamError(
                f"anonymize: argument 'protect': min_count is {least}, and fewer units are learnt from; nothing of the "
                "table would be left. Lower it."
            )

    @classmethod
    def of(cls, table: pd.DataFrame, **given: Any) -> Asked:
        """With lists in place of single names, as tuples."""
        for argument in _LISTS:
            given[argument] = _listed(table, given.get(argument, ()))
        asked = cls(table, **given)
        asked.check()
        return asked


def _is_column(table: pd.DataFrame, name: Any) -> bool:
    return isinstance(table, pd.DataFrame) and isinstance(name, Hashable) and name in table.columns


def _listed(table: pd.DataFrame, value: Any) -> tuple[Any, ...]:
    """Names of columns as a tuple; a single name, which may be a tuple itself, is a list of one."""
    if value is None:
        return ()
    single = isinstance(value, str) or not isinstance(value, Iterable)
    single |= isinstance(value, tuple) and len(value) > 0 and _is_column(table, value)
    return (value,) if single else tuple(value)
