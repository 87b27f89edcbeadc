"""What a protected fit changed, in counts: never a value, and no exact count of a few rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from synthkit import io
from synthkit.protect import Protection

__all__ = ["COUNTS", "ProtectionReport"]

COUNTS = ("categories", "merged", "spikes", "extremes", "rounded", "dominated", "combinations", "suppressed")
"""What is counted: categories too rare to keep, and the cells that had them; numbers that several rows, but too few,
have; cells among the extremes that tell no value; cells with digits cut; numbers or knots that were one entity's;
rare combinations of quasi-identifiers, and the rows that had them."""
_SETTINGS = ("preset", "min_count", "jitter", "tail", "precision", "dominance", "combination_min")


@dataclass(frozen=True, eq=False)
class ProtectionReport:
    """Counts of what was changed, per column. A count below the minimum count is only "fewer than k".

    Attributes:
        settings: the preset's name and the settings; columns: column -> what -> a number or a text.

    Example:
        >>> report = ProtectionReport.of(Protection(), {"town": {"categories": 7, "merged": 3}})
        >>> report.columns["town"]["categories"], report.columns["town"]["merged"]
        (7, 'fewer than 5')
    """

    settings: Mapping[str, Any]
    columns: Mapping[Hashable, Mapping[str, int | str]]

    @classmethod
    def of(cls, protection: Protection, counts: Mapping[Hashable, Mapping[str, float]]) -> Self:
        """The report of exact counts, which are not kept."""
        declared = protection.to_dict()
        least = protection.min_count
        return cls(
            {name: declared[name] for name in _SETTINGS},
            {name: {key: _coarse(own[key], least) for key in COUNTS if key in own} for name, own in counts.items()},
        )

    def joined(self, other: ProtectionReport | None) -> ProtectionReport:
        """One report of two codecs of one table; of a column in both, the counts of the first."""
        return self if other is None else ProtectionReport(self.settings, {**other.columns, **self.columns})

    def to_frame(self) -> pd.DataFrame:
        """A row per column in which something was changed, a column per count; 0 where nothing was."""
        touched = {name: own for name, own in self.columns.items() if any(own.values())}
        used = [key for key in COUNTS if any(own.get(key, 0) for own in touched.values())]
        table = pd.DataFrame({key: [own.get(key, 0) for own in touched.values()] for key in used}, dtype=object)
        table.insert(0, "column", pd.Series(list(touched), dtype=object))
        return table

    def to_dict(self) -> dict[str, Any]:
        """A JSON value, from which :meth:`from_dict` rebuilds the report."""
        columns = [[io.to_json(name), dict(own)] for name, own in self.columns.items()]
        return {"settings": dict(self.settings), "columns": columns}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any] | None) -> Self:
        """The inverse of :meth:`to_dict`; None (of older files): nothing was protected."""
        if value is None:
            return cls.of(Protection.of(None), {})
        columns: Sequence[Any] = value["columns"]
        return cls(
            {str(key): setting for key, setting in value["settings"].items()},
            {io.from_json(name): {str(key): count for key, count in own.items()} for name, own in columns},
        )

    @property
    def line(self) -> str:
        """One line: the preset, thresholds, and in how many columns what was changed."""
        if self.settings["preset"] == "none":
            return "none: rare values, extremes and exact numbers of the training table are in the file"
        least, most = self.settings["min_count"], self.settings["min_count"] + self.settings["jitter"] - 1
        many = {key: sum(bool(own.get(key, 0)) for own in self.columns.values()) for key in COUNTS}
        told = [f"{key} in {count}" for key, count in many.items() if count and key not in ("merged", "suppressed")]
        rows = f"{least} to {most}" if most > least else f"{least}"
        changed = "changed columns: " + ", ".join(told) if told else "nothing had to be changed"
        return f"{self.settings['preset']}: {rows} rows (entities) behind every stored value; {changed}"

    def __str__(self) -> str:
        table = self.to_frame()
        return self.line if table.empty else f"{self.line}\n{table.to_string(index=False)}"

    __repr__ = __str__


def _coarse(count: float, least: int) -> int | str:
    """A count as it may be told."""
    whole = int(np.ceil(count))
    return whole if whole == 0 or whole >= least else f"fewer than {least}"
