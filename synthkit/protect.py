"""Protection: how many rows must stand behind whatever a fitted codec stores, and what is done with the rest."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from synthkit.errors import ParamError
from synthkit.params import Constraint, Interval, Optional, Params, param

__all__ = ["PRESETS", "Protect", "Protection"]

PRESETS = {"standard": 5, "health": 11, "strict": 20}
"""Minimum counts by name: the usual one, that of health data (cells below 11 are suppressed), and a cautious one."""


@dataclass(frozen=True)
class _Names(Constraint):
    """A list or tuple of column names, which may be empty."""

    def ok(self, value: Any) -> bool:
        return isinstance(value, (list, tuple)) and len(set(map(repr, value))) == len(value)

    def __str__(self) -> str:
        return "a list of different column names"


@dataclass(eq=False, repr=False, kw_only=True)
class Protection(Params):
    """The one owner of minimum counts.

    A category, a repeated number and a knot of a quantile function are kept only if enough distinct rows (or
    entities, where an entity column is named) stand behind them. Rarer ones join a neighbour. ``min_count=1`` switches
    everything off, as ``protect=None`` does.

    - The threshold of a column is ``min_count`` plus a whole number below ``jitter``, drawn inside the fit: whoever
      sees that a value is missing, or there, does not know the exact count behind it.
    - Of the outermost ``tail`` rows (entities) at each end of a column of numbers nothing is used but that they lie
      beyond the next one; what is drawn there comes from a generalised Pareto law fitted with those rows censored.
    - ``precision``: where fewer than this share of the rows (and no repeated value that is kept) need the last digits
      of a column, those digits are rounded away.
    - ``dominance``: a repeated number of which one entity has more than this share of the rows is not stored, and a
      knot whose total is so much one entity's gives every entity one voice. It needs an entity column.
    - ``quasi_identifiers``: columns whose combinations are drawn only if ``combination_min`` rows (entities) have them.
      Numbers and dates count by the cell of their law. ``None``: ``min_count``.

    Sources: the rules of statistical offices (minimum frequency, dominance: Hundepool et al., "Statistical Disclosure
    Control", 2012), top coding as in HIPAA 164.514(b). This protects values. It proves nothing about models: that is
    what attacks are for.

    Example:
        >>> Protection.of("health").min_count, Protection.of(None).min_count, Protection(min_count=7).preset
        (11, 1, 'custom')
    """

    min_count: int = param(5, Interval(int, 1), "rows or entities behind every stored value; 1: no protection")
    jitter: int = param(3, Interval(int, 1), "thresholds of columns are min_count to min_count + jitter - 1")
    tail: int | None = param(
        None, Optional(Interval(int, 0)), "outermost rows of a column that tell no value; None: min_count"
    )
    precision: float | None = param(
        0.01, Optional(Interval(float, 0, 0.5)), "digits that a smaller share of the rows needs are cut; None: off"
    )
    dominance: float | None = param(
        0.8, Optional(Interval(float, 0.5, 1, "right")), "share of one entity in a stored number, at most; None: off"
    )
    quasi_identifiers: tuple[Hashable, ...] = param((), _Names(), "columns whose rare combinations are not drawn")
    combination_min: int | None = param(
        None, Optional(Interval(int, 1)), "rows or entities behind a drawn combination; None: min_count"
    )

    @classmethod
    def of(cls, value: Protect, owner: str = "Protection") -> Protection:
        """The protection that an argument ``protect`` means.

        Args:
            value: a preset's name, None (off) or an object; owner: the class that was given it, for the message.

        Raises:
            ParamError: it is none of these, or a field is out of range.
        """
        if value is None:
            return cls(min_count=1)
        if isinstance(value, Protection):
            value.check_params()
            return value
        if isinstance(value, str) and value in PRESETS:
            return cls(min_count=PRESETS[value])
        shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
        known = ", ".join(repr(name) for name in PRESETS)
        raise ParamError(f"{owner}: argument 'protect' must be one of {known}, None or a Protection, got {shown}.")

    # ---------------------------------------------------------------- facts
    @property
    def on(self) -> bool:
        """Is anything protected?"""
        return self.min_count > 1

    @property
    def preset(self) -> str:
        """The name of these settings (quasi-identifiers apart): "none", a preset, or "custom"."""
        if not self.on:
            return "none"
        plain = replace(self, quasi_identifiers=(), combination_min=None)
        for name, count in PRESETS.items():
            other = type(self)(min_count=count)
            if all(getattr(plain, f.name) == getattr(other, f.name) for f in fields(self)):
                return name
        return "custom"

    @property
    def extremes(self) -> int:
        """How many outermost rows (entities) of a column of numbers tell no value."""
        return 0 if not self.on else self.min_count if self.tail is None else self.tail

    @property
    def combinations(self) -> int:
        """Rows (entities) that a combination of quasi-identifiers needs."""
        return self.min_count if self.combination_min is None else self.combination_min

    @property
    def digits(self) -> float:
        """The share of rows below which digits are cut; 0: never."""
        return 0.0 if not self.on or self.precision is None else float(self.precision)

    @property
    def lead(self) -> float:
        """The share of one entity in a stored number, at most; 1: any."""
        return 1.0 if not self.on or self.dominance is None else float(self.dominance)

    def drawn(self, rng: np.random.Generator) -> Protection:
        """The protection of one column: its threshold drawn, and no jitter left. Extremes stay as declared."""
        extra = int(rng.integers(self.jitter))  # drawn in any case: columns keep their numbers
        if not self.on:
            return self
        return replace(self, min_count=self.min_count + extra, jitter=1, tail=self.extremes)

    def to_dict(self) -> dict[str, Any]:
        """The settings as a JSON value, the preset's name first; names of columns as they are."""
        return {"preset": self.preset, **{f.name: getattr(self, f.name) for f in fields(self)}}


Protect = Protection | str | None
"""What an argument ``protect`` may be: "standard", "health", "strict", None (off), or a :class:`Protection`."""
