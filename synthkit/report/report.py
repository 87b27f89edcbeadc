"""The report: scores, what they rest on, and every form in which they are read."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy
import sklearn

import synthkit
from synthkit import io
from synthkit.errors import LoadError, ParamError
from synthkit.metrics.base import Score, Table
from synthkit.metrics.tables import Kind
from synthkit.report import text
from synthkit.report.gates import Verdict, assert_verdict, judge
from synthkit.schema import Schema

if TYPE_CHECKING:
    from synthkit.report.panel_cases import PanelTables
    from synthkit.report.series import SeriesTables

__all__ = ["Report", "versions"]

FORMAT = 1
_INTERVALS = ("interval", "matched_interval", "fresh_interval")
_FIGURES = ("value", "matched", "fresh", "copy", "independent")


def versions() -> dict[str, str]:
    """Versions of what computes the figures."""
    return {
        "synthkit": synthkit.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What :func:`synthkit.evaluate` found. ``print`` it; in a notebook it shows itself.

    Attributes:
        scores: the scores by name, in the order of the panels.
        notes: what a reader has to know of the whole: what cannot be known, what was subsampled.
        left_out: metrics that were not computed, and why.
        kinds: the columns that were judged, and what they are.
        provenance: rows, target, level, seed, versions, and seconds per metric.
        tables: the tables behind the figures, for plots: ``"real"``, ``"synthetic"``, ``"holdout"``, ``"judge"``,
            ``"matched"``, ``"fresh"``, ``"copy"``, ``"independent"``. Never written to JSON; empty after reading it.
        schema: column types and rules; not in JSON.
        panels: records over time: the panels behind the figures; not in JSON, and ``None`` where rows are no records.
        series: long series: those behind the figures; not in JSON, and ``None`` of other tables.
    """

    scores: Mapping[str, Score]
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[Hashable, Kind] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    schema: Schema | None = None
    panels: PanelTables | None = None
    series: SeriesTables | None = None

    # ---------------------------------------------------------------- gates
    def check(self, profile: str, **overrides: Any) -> Verdict:
        """Is the table good enough for a purpose, by tolerances relative to fresh rows?

        Args:
            profile: a name in :data:`synthkit.report.gates.PROFILES`.
            overrides: ``score=tolerance``, ``score=Gate(tolerance, limit)``, or ``score=None`` to leave that gate out.

        Raises:
            ParamError: an unknown profile or score.
        """
        return judge(self.scores, self.left_out, profile, overrides)

    def assert_ok(self, profile: str, **overrides: Any) -> None:
        """Raise unless :meth:`check` passes.

        Raises:
            GateError: with the reason of every gate that does not pass.
        """
        assert_verdict(self.check(profile, **overrides))

    # ---------------------------------------------------------------- forms
    def to_frame(self) -> pd.DataFrame:
        """One row per score, indexed by name: value, interval, references, and the sentence."""
        rows = {}
        for name, score in self.scores.items():
            row: dict[str, Any] = {
                "group": score.group,
                "of": score.of,
                "label": score.label,
                "goal": score.goal,
                "best": score.best,
            }
            for figure in _FIGURES:
                row[figure] = getattr(score, figure)
                if figure in ("value", "matched", "fresh"):
                    key = "interval" if figure == "value" else f"{figure}_interval"
                    row[f"{figure}_low"], row[f"{figure}_high"] = getattr(score, key) or (math.nan, math.nan)
            row |= {"note": score.note, "sentence": text.sentence(score)}
            row["seconds"] = self.provenance.get("seconds", {}).get(name, math.nan)
            rows[name] = row
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("score")

    def to_json(self, path: str | Path | None = None) -> str:
        """Strict JSON of everything but tables, schema and details; ``null`` is a figure that does not exist.

        Args:
            path: a file to write to as well.
        """
        value = {
            "synthkit_report": FORMAT,
            "scores": [_score_to_json(score) for score in self.scores.values()],
            "notes": list(self.notes),
            "left_out": dict(self.left_out),
            "columns": [{"name": io.to_json(name), "kind": kind} for name, kind in self.kinds.items()],
            "provenance": io.to_json(dict(self.provenance)),
        }
        written = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(written + "\n", encoding="utf-8")
        return written

    @classmethod
    def from_json(cls, source: str) -> Report:
        """The report of a JSON text that :meth:`to_json` wrote; it has no tables.

        Raises:
            LoadError: no such JSON, or of a newer version.
        """
        try:
            value = json.loads(source)
            if value["synthkit_report"] > FORMAT:
                raise LoadError("Report.from_json: the report is of a newer version; update synthkit.")
            scores = [_score_from_json(score) for score in value["scores"]]
            return cls(
                {score.name: score for score in scores},
                tuple(value["notes"]),
                dict(value["left_out"]),
                {io.from_json(column["name"]): column["kind"] for column in value["columns"]},
                io.from_json(value["provenance"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError("Report.from_json: argument 'source' is no JSON of Report.to_json().") from error

    def to_markdown(self) -> str:
        """A table per panel, and a sentence per score."""
        return text.markdown(self)

    def to_html(self, path: str | Path, *, profiles: str | Sequence[str] | None = None) -> Path:
        """Write one self-contained HTML file: figures, tables, no network.

        Args:
            path: of the file.
            profiles: the purposes whose gates stand at the top, one or several; by default all, none of an empty list.

        Raises:
            ParamError: an unknown profile.
            OSError: the file cannot be written.
        """
        from synthkit.report.html import write

        write(self, path, profiles=profiles)
        return Path(path)

    def plot(self, name: str = "summary", **options: Any) -> Any:
        """One figure of the report; see :mod:`synthkit.report.plots` for the names.

        Raises:
            ParamError: an unknown figure, or a report without tables (read from JSON).
        """
        from synthkit.report.plots import plot

        return plot(self, name, **options)

    def __getitem__(self, name: str) -> Score:
        if name not in self.scores:
            why = f" ({self.left_out[name]})" if name in self.left_out else ""
            raise ParamError(f"Report: there is no score {name!r}{why}; there are {', '.join(self.scores)}.")
        return self.scores[name]

    def __str__(self) -> str:
        return text.plain(self)

    def __repr__(self) -> str:
        return f"<Report of {len(self.scores)} scores; print it>"

    def _repr_html_(self) -> str:
        from synthkit.report.notebook import report_html

        return report_html(self)


# -------------------------------------------------------------------- JSON
def _score_to_json(score: Score) -> dict[str, Any]:
    out: dict[str, Any] = {key: getattr(score, key) for key in ("name", "label", "group", "of", "goal")}
    out |= {"best": score.best, "bounds": [_finite(bound) for bound in score.bounds]}
    out |= {figure: _finite(getattr(score, figure)) for figure in _FIGURES}
    for key in _INTERVALS:
        interval = getattr(score, key)
        out[key] = None if interval is None else list(interval)
    out["parts"] = [{"of": io.to_json(part), "value": _finite(value)} for part, value in score.parts.items()]
    return (
        out
        | {"note": score.note, "definition": score.definition, "reading": score.reading}
        | {"sentence": text.sentence(score)}
    )


def _score_from_json(value: Mapping[str, Any]) -> Score:
    low, high = value["bounds"]
    figures: dict[str, Any] = {key: _number(value[key]) for key in _FIGURES}
    intervals: dict[str, Any] = {key: None if value[key] is None else tuple(value[key]) for key in _INTERVALS}
    plain: dict[str, Any] = {
        key: value[key] for key in ("name", "label", "group", "goal", "best", "note", "definition", "reading")
    }
    return Score(
        **plain,
        of=value.get("of", "rows"),
        bounds=(-math.inf if low is None else low, math.inf if high is None else high),
        parts={io.from_json(part["of"]): _number(part["value"]) for part in value["parts"]},
        **figures,
        **intervals,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
