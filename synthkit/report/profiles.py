"""Purposes and their gates: the one table of all tolerances. How a gate is judged: :mod:`synthkit.report.gates`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["PROFILES", "Gate", "Profile"]


@dataclass(frozen=True)
class Gate:
    """What one score has to keep.

    Attributes:
        tolerance: how much worse than fresh rows is good enough.
        limit: how much worse must not go unnoticed.
        optional: where there is no such figure, the gate is left out rather than undecided.
        whole: besides the matched rows, all rows are judged, as more rows see more: against ``"fresh"``, where the
            figure does not depend on the number of rows; or against the ``"best"`` value, where the metric brings its
            own control, so that fresh rows score the best value on average.
    """

    tolerance: float
    limit: float
    optional: bool = False
    whole: Literal["fresh", "best"] | None = None


@dataclass(frozen=True)
class Profile:
    """A purpose and its gates.

    Attributes:
        purpose: what the table is for, in words.
        gates: by score.
        panel: the same for a report of records over time (``evaluate(..., entity=...)``).
        strict: to pass, the data have to certify every gate.
    """

    purpose: str
    gates: Mapping[str, Gate]
    panel: Mapping[str, Gate] = field(default_factory=dict)
    strict: bool = False


# The one table of all tolerances. Rows: score; Gate(tolerance, limit). In units of the score.
PROFILES: dict[str, Profile] = {
    "imputation": Profile(
        "fill gaps: each cell given the others of its row",
        {
            "shape": Gate(0.03, 0.15),
            "pair": Gate(0.03, 0.15),
            "detection": Gate(0.10, 0.30),
            "rules": Gate(0.01, 0.10, optional=True),
            "global_utility": Gate(0.10, 0.40, optional=True),
            "tstr": Gate(0.05, 0.30, optional=True),
        },
        {
            "values": Gate(0.03, 0.15),
            "missing_runs": Gate(0.05, 0.25, optional=True),
            "transitions": Gate(0.05, 0.15, optional=True),
            "autocorrelation": Gate(0.05, 0.25, optional=True),
            "variance": Gate(0.10, 0.30, optional=True),
            "entity_detection": Gate(0.10, 0.30),
        },
    ),
    "augmentation": Profile(
        "add rows to what a model learns from",
        {
            "shape": Gate(0.05, 0.20),
            "pair": Gate(0.05, 0.20),
            "detection": Gate(0.15, 0.35),
            "rules": Gate(0.02, 0.10, optional=True),
            "tstr": Gate(0.05, 0.30),
        },
        {
            "values": Gate(0.05, 0.20),
            "lengths": Gate(0.10, 0.35),
            "gaps": Gate(0.10, 0.30, optional=True),
            "transitions": Gate(0.05, 0.20, optional=True),
            "autocorrelation": Gate(0.10, 0.30, optional=True),
            "variance": Gate(0.10, 0.30, optional=True),
            "context_dependence": Gate(0.10, 0.30, optional=True),
            "entity_detection": Gate(0.15, 0.35),
        },
    ),
    "test-data": Profile(
        "try software on rows of the right form, without the real ones",
        {
            "shape": Gate(0.10, 0.30),
            "pair": Gate(0.15, 0.40),
            "coverage": Gate(0.10, 0.30),
            "null_rates": Gate(0.05, 0.20),
            "rules": Gate(0.01, 0.10, optional=True),
            "copies": Gate(0.01, 0.10, whole="fresh"),
        },
        {
            "values": Gate(0.10, 0.30),
            "lengths": Gate(0.15, 0.40),
            "gaps": Gate(0.15, 0.40, optional=True),
            "context_kept": Gate(0.01, 0.10, optional=True),
            "missing_runs": Gate(0.10, 0.30, optional=True),
            "entity_copies": Gate(0.01, 0.10, whole="fresh"),
        },
    ),
    "release": Profile(
        "hand the rows to others: no attack that was tried finds more than in fresh rows, certified",
        {
            "shape": Gate(0.10, 0.20),
            "pair": Gate(0.10, 0.20),
            "copies": Gate(0.005, 0.02, whole="fresh"),
            "near_copies": Gate(0.02, 0.10, whole="fresh"),
            "dcr": Gate(0.03, 0.10, whole="best"),
            "nndr": Gate(0.03, 0.10, whole="best"),
            "membership": Gate(0.03, 0.10, whole="best"),
            "membership_tpr": Gate(0.03, 0.08, optional=True, whole="best"),
            "singling_out": Gate(0.05, 0.30, whole="best"),
            "linkability": Gate(0.05, 0.20, whole="best"),
            "attribute_inference": Gate(0.05, 0.25, optional=True, whole="best"),
        },
        {
            "values": Gate(0.10, 0.20),
            "lengths": Gate(0.15, 0.30),
            "transitions": Gate(0.05, 0.20, optional=True),
            "autocorrelation": Gate(0.10, 0.30, optional=True),
            "variance": Gate(0.10, 0.30, optional=True),
            "entity_detection": Gate(0.15, 0.40),
            "entity_copies": Gate(0.005, 0.05, whole="fresh"),
            "memorisation": Gate(0.05, 0.15, whole="best"),
            "entity_membership": Gate(0.03, 0.15, whole="best"),
            "entity_inference": Gate(0.05, 0.30, optional=True, whole="best"),
        },
        strict=True,
    ),
}
