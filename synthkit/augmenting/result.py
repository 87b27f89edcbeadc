"""What ``augment`` found."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from synthkit.augmenting.arms import ARMS
from synthkit.augmenting.pictures import forest, page
from synthkit.augmenting.verdicts import Said
from synthkit.report import Verdict
from synthkit.report.svg import Figure, esc

__all__ = ["Augmentation"]


@dataclass(frozen=True, repr=False)
class Augmentation:
    """Whether more rows help, and the rows to go on with.

    Attributes:
        verdict: "helps", "no evidence" or "hurts"; reason: why, in words; verdicts: (verdict, reason) per learner.
        data: the original rows unless it helps or ``force``: then the drawn rows stand behind them, with a fresh index
            and keys of their own.
        table: per learner, metric and other arm (``against``): the mean scores over folds, ``augmented`` and
            ``other``; their paired ``difference``, positive where augmented is better (log-loss and Brier score have
            their sign turned), and its interval ``low`` to ``high``, of 95 % for all learners together; ``primary``
            says which metric is judged.
        scores: mean score per learner and metric, a column per arm.
        groups: the primary metric's differences to nothing per subgroup; empty without one. Their intervals are of
            95 % for all learners together, not for all groups.
        gate: of the profile "augmentation", on rows of the first fold that its generator has not seen; None if it was
            not asked for.
        metric: the primary one; added: drawn rows in ``data`` by class; about: what was done.
    """

    verdict: Said
    reason: str
    verdicts: Mapping[str, tuple[Said, str]]
    data: pd.DataFrame
    table: pd.DataFrame
    scores: pd.DataFrame
    groups: pd.DataFrame
    gate: Verdict | None
    metric: str
    added: Mapping[Hashable, int]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def report(self) -> dict[str, Any]:
        """All figures as a dict that JSON can hold: no row of the table, but names of classes and groups."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "metric": self.metric,
            "verdicts": {name: {"verdict": said, "reason": why} for name, (said, why) in self.verdicts.items()},
            "table": _records(self.table),
            "scores": _records(self.scores),
            "groups": _records(self.groups),
            "gate": {
                "status": self.gate_status,
                "results": [] if self.gate is None else _records(self.gate.to_frame().reset_index()),
            },
            "added": {str(name): rows for name, rows in self.added.items()},
            "about": dict(self.about),
        }

    @property
    def gate_status(self) -> str:
        """ "pass", "fail", "cannot tell" or "not checked"."""
        return "not checked" if self.gate is None else self.gate.status

    def to_json(self, path: str | Path | None = None) -> str:
        """:attr:`report` as JSON; written to ``path`` if one is given."""
        text = json.dumps(self.report, indent=1, allow_nan=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def to_html(self, path: str | Path) -> Path:
        """One page without network: the verdict, the picture, and all figures."""
        path = Path(path)
        path.write_text(page(self), encoding="utf-8")
        return path

    def plot(self, metric: str | None = None) -> Figure:
        """The differences to every control with their intervals, of the primary or another metric.

        Raises:
            ParamError: an unknown metric.
        """
        return forest(self.table, self.metric if metric is None else metric, self.verdict)

    def __str__(self) -> str:
        shown = self.scores[self.scores["metric"] == self.metric].set_index("learner")[list(ARMS)]
        lines = [
            f"{self.verdict}: {self.reason}",
            f"profile 'augmentation': {self.gate_status}",
            "",
            f"{self.metric} (mean over {self.about.get('folds', '?')} folds of real rows)",
            shown.to_string(float_format="{:.3f}".format, na_rep="-"),
            "",
            "differences of the augmented rows (positive: better), and their intervals",
        ]
        own = self.table[self.table["primary"]]
        lines += [
            f"  {r['learner']} against {r['against']:<14} {r['difference']:+.3f}  [{r['low']:+.3f}, {r['high']:+.3f}]"
            for r in own.to_dict("records")
        ]
        if len(self.groups):
            whole = {"rows": "{:.0f}".format}
            lines += [
                "",
                self.groups.to_string(index=False, formatters=whole, float_format="{:.3f}".format, na_rep="-"),
            ]
        lines += ["", *self.about.get("notes", ()), self._what()]
        return "\n".join(lines)

    def _what(self) -> str:
        rows = sum(self.added.values())
        return f"data: the original rows and {rows} drawn ones" if rows else "data: the original rows, unchanged"

    def __repr__(self) -> str:
        return f"<Augmentation: {self.verdict}>"

    def _repr_html_(self) -> str:
        return f"<pre>{esc(self.verdict)}: {esc(self.reason)}</pre>{self.plot().standalone()}"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return value if isinstance(value, (int, float, bool, str, type(None))) else str(value)
