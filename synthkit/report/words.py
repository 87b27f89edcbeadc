"""What a report says of a figure, whatever it is a figure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthkit.metrics.base import Group

__all__ = ["Words"]


@dataclass(frozen=True)
class Words:
    """Label, reading, definition, group, bounds: as of :class:`synthkit.metrics.base.Metric`."""

    label: str
    reading: str
    definition: str
    group: Group = "fidelity"
    bounds: tuple[float, float] = (0.0, 1.0)

    def named(self) -> dict[str, Any]:
        """Those of a :class:`synthkit.report.score.Score`'s fields that are words."""
        return {k: getattr(self, k) for k in ("label", "reading", "definition", "group", "bounds")}
