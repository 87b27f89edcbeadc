"""What a caller asks of ``anonymize``, checked before any work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import LEVELS, Level
from synthkit.metrics.registry import METRICS
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.protect import Protect, Protection
from synthkit.report.panel_words import PANEL_WORDS
from synthkit.report.profiles import PROFILES
from synthkit.schema import Schema, check_table

__all__ = ["Asked", "Kind"]

Kind = Literal["rows", "records"]
_FEWEST = 100  # units: with fewer, no part that is held back shows anything
_LEAST_HELD = 20  # units that are held back


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
        for argument in ("purpose", "recipients"):
            if not isinstance(getattr(self, argument), str):
                raise ParamError(f"anonymize: argument {argument!r} must be text.")
        self._check_columns()
        self._check_keep()
        self._check_size()

    def _check_columns(self) -> None:
        for argument in ("entity", "time", "target"):
            value = getattr(self, argument)
            if value is not None and value not in self.table.columns:
                raise ParamError(f"anonymize: argument {argument!r}: there is no column {value!r}.")
        for argument in ("keep", "secrets", "quasi_identifiers"):
            for value in getattr(self, argument):
                if value not in self.table.columns:
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
        both = [name for name in self.keep if name in self.secrets]
        if both:
            raise ParamError(
                f"anonymize: column {both[0]!r} is in 'keep' and in 'secrets': what is kept as it is, is no secret."
            )
        if self.keep and self.n is not None:
            raise ParamError("anonymize: argument 'n' does not go with 'keep': there are as many rows as in the table.")
        if self.keep and set(self.table.columns) <= {*self.keep, self.entity, self.time}:
            raise ParamError("anonymize: argument 'keep' leaves no column to draw.")

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
        for argument in ("keep", "secrets", "quasi_identifiers"):
            value = given.get(argument, ())
            given[argument] = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        asked = cls(table, **given)
        asked.check()
        return asked
