"""Hyper-parameters as data: each is one dataclass field with its default, its allowed set and its one doc line.

A class of parameters is a keyword-only dataclass that derives from :class:`Params`; the constructor only stores,
``check_params`` (called by ``fit``) judges. scikit-learn's ``get_params``, ``set_params`` and ``clone`` work.
"""

from __future__ import annotations

import dataclasses
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

from synthkit.errors import ParamError

__all__ = [
    "AnyOf",
    "Constraint",
    "InstanceOf",
    "Interval",
    "OneOf",
    "Optional",
    "Params",
    "SequenceOf",
    "check",
    "param",
]


class Constraint(ABC):
    """An allowed set: ``ok(value)``, and a description for the message and the docs."""

    @abstractmethod
    def ok(self, value: Any) -> bool:
        """Is the value allowed?"""


@dataclass(frozen=True)
class Interval(Constraint):
    """Numbers of a type between two ends. ``closed`` is "both", "left", "right" or "neither".

    >>> Interval(int, 0, None).ok(3), Interval(int, 0, None).ok(-1), Interval(int, 0, None).ok(True)
    (True, False, False)
    """

    type: type
    low: float | None = None
    high: float | None = None
    closed: str = "both"

    def ok(self, value: Any) -> bool:
        kind = numbers.Integral if self.type is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        number: Any = value
        left = self.closed in ("both", "left")
        right = self.closed in ("both", "right")
        if self.low is not None and not (number >= self.low if left else number > self.low):
            return False
        return self.high is None or bool(number <= self.high if right else number < self.high)

    def __str__(self) -> str:
        noun = "an integer" if self.type is int else "a number"
        if self.low is None and self.high is None:
            return noun
        if self.high is None:
            return f"{noun} {'>=' if self.closed in ('both', 'left') else '>'} {self.low:g}"
        if self.low is None:
            return f"{noun} {'<=' if self.closed in ('both', 'right') else '<'} {self.high:g}"
        a, b = "[" if self.closed in ("both", "left") else "(", "]" if self.closed in ("both", "right") else ")"
        return f"{noun} in {a}{self.low:g}, {self.high:g}{b}"


@dataclass(frozen=True, init=False)
class OneOf(Constraint):
    """One of the listed values."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)

    def ok(self, value: Any) -> bool:
        return any(type(value) is type(v) and value == v for v in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join(repr(v) for v in self.values)


@dataclass(frozen=True, init=False)
class InstanceOf(Constraint):
    """An object of one of the listed classes."""

    types: tuple[type, ...]

    def __init__(self, *types: type) -> None:
        object.__setattr__(self, "types", types)

    def ok(self, value: Any) -> bool:
        return isinstance(value, self.types)

    def __str__(self) -> str:
        return "a " + " or a ".join(t.__name__ for t in self.types)


@dataclass(frozen=True, init=False)
class AnyOf(Constraint):
    """The union of several constraints."""

    parts: tuple[Constraint, ...]

    def __init__(self, *parts: Constraint) -> None:
        object.__setattr__(self, "parts", parts)

    def ok(self, value: Any) -> bool:
        return any(p.ok(value) for p in self.parts)

    def __str__(self) -> str:
        return ", or ".join(str(p) for p in self.parts)


@dataclass(frozen=True)
class Optional(Constraint):
    """None, or what the inner constraint allows."""

    inner: Constraint

    def ok(self, value: Any) -> bool:
        return value is None or self.inner.ok(value)

    def __str__(self) -> str:
        return f"{self.inner}, or None"


@dataclass(frozen=True)
class SequenceOf(Constraint):
    """A list or tuple, not empty, of what the inner constraint allows."""

    inner: Constraint

    def ok(self, value: Any) -> bool:
        return isinstance(value, (list, tuple)) and len(value) > 0 and all(self.inner.ok(part) for part in value)

    def __str__(self) -> str:
        return f"a list of which each entry is {self.inner}"


def param(default: Any, constraint: Constraint, doc: str) -> Any:
    """A dataclass field that carries its constraint and its one line of documentation."""
    return dataclasses.field(default=default, metadata={"constraint": constraint, "doc": doc})


def check(owner: str, name: str, value: Any, constraint: Constraint) -> None:
    """Raise ParamError unless ``value`` is allowed.

    >>> check("Model", "width", 0, Interval(int, 1))
    Traceback (most recent call last):
        ...
    synthkit.errors.ParamError: Model: argument 'width' must be an integer >= 1, got 0.
    """
    if not constraint.ok(value):
        shown = repr(value) if isinstance(value, (int, float, str, bool, type(None))) else f"a {type(value).__name__}"
        raise ParamError(f"{owner}: argument {name!r} must be {constraint}, got {shown}.")


class Params(BaseEstimator):  # type: ignore[misc]
    """Base of every class whose parameters are checked dataclass fields."""

    def check_params(self) -> None:
        """Judge every field.

        Raises:
            ParamError: "Class: argument 'x' must be <constraint>, got <value>."
        """
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            if "constraint" in f.metadata:
                check(type(self).__name__, f.name, getattr(self, f.name), f.metadata["constraint"])
