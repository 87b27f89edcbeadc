"""Every error and warning that synthkit raises.

::

    SynthkitError
    ├── ParamError        a constructor or method argument is out of its allowed set   (also ValueError)
    ├── SchemaError       a table does not fit what a schema or an encoder expects      (also ValueError)
    ├── ConditionError    a condition names an unknown column or an impossible value    (also ValueError)
    ├── NotFittedError    a method that needs a fit was called before it                (also sklearn's)
    ├── LoadError         a file is truncated, tampered with, or of a newer format      (also ValueError)
    ├── PrivacyError      a privacy rule would be broken
    ├── GateError         a report does not pass the profile that was asked for
    └── TrainingError     training diverged or could not start                          (also RuntimeError)

    SynthkitWarning       odd but usable input; the result is sound                     (a UserWarning)

A message names the class (or method), the argument, the column, and a remedy. It never prints a value of the
data; it may repeat what the caller typed as an argument.
"""

from typing import Any

from sklearn.exceptions import NotFittedError as _SklearnNotFittedError

__all__ = [
    "ConditionError",
    "GateError",
    "LoadError",
    "NotFittedError",
    "ParamError",
    "PrivacyError",
    "SchemaError",
    "SynthkitError",
    "SynthkitWarning",
    "TrainingError",
]


class SynthkitError(Exception):
    """Base of all errors of synthkit."""


class ParamError(SynthkitError, ValueError):
    """An argument is outside its allowed set."""


class SchemaError(SynthkitError, ValueError):
    """A table does not fit the schema, or a schema contradicts itself."""


class ConditionError(SynthkitError, ValueError):
    """A condition cannot be understood or cannot be met."""


class NotFittedError(SynthkitError, _SklearnNotFittedError):
    """A method that needs a fitted object was called too early."""


class LoadError(SynthkitError, ValueError):
    """A saved file cannot be read safely."""


class PrivacyError(SynthkitError):
    """An operation would break a privacy rule.

    Attributes:
        report, certificate: of :func:`synthkit.anonymize` that refused a table: its figures; else ``None``.
    """

    report: Any = None
    certificate: Any = None


class GateError(SynthkitError):
    """A report does not pass a profile."""


class TrainingError(SynthkitError, RuntimeError):
    """Training could not start, or diverged."""


class SynthkitWarning(UserWarning):
    """The input is odd but usable; the result is sound."""
