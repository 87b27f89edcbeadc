"""``compare``: several synthetic tables side by side, against the same references."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics.base import Score
from synthkit.report import text
from synthkit.report.evaluation import evaluate_all
from synthkit.report.report import Report

__all__ = ["Comparison", "compare"]

Figure = Literal["matched", "value"]


def compare(
    synthetic: Mapping[str, pd.DataFrame],
    real: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    **options: Any,
) -> Comparison:
    """Evaluate several synthetic tables; the references are computed once and shared.

    Args:
        synthetic: tables by name. The references hold as many rows as the shortest of them has, at most.
        real: the rows that the generators learnt from.
        holdout: real rows that no generator saw.
        options: the other arguments of :func:`synthkit.evaluate`, such as ``target`` and ``level``. With ``entity``
            the tables are records over time, and references have as many entities as the table with the fewest. With
            ``kind="series"`` they are paths of a long series, and references are as long as the real held-out blocks.

    Raises:
        ParamError: no table, a name that is no text, or see :func:`synthkit.evaluate`.
        SchemaError: see :func:`synthkit.evaluate`.

    >>> from synthkit.testing import tiny_table
    >>> real, fresh = tiny_table(200), tiny_table(200, 1)
    >>> noisy = fresh.assign(x=fresh["x"] * 3)
    >>> compare({"good": fresh, "bad": noisy}, real, tiny_table(200, 2), metrics=["shape"]).summary().index.tolist()
    ['good', 'bad']
    """
    if not isinstance(synthetic, Mapping) or not synthetic:
        raise ParamError("compare: argument 'synthetic' must be a mapping of names to tables, with at least one.")
    if not all(isinstance(name, str) and name not in ("real", "holdout") for name in synthetic):
        raise ParamError("compare: argument 'synthetic': names must be texts other than 'real' and 'holdout'.")
    return Comparison(evaluate_all(real, synthetic, holdout=holdout, **options))


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        reports: the whole report of each table, by its name.
    """

    reports: Mapping[str, Report]

    def to_frame(self, figure: Figure = "matched") -> pd.DataFrame:
        """One row per score: the tables side by side, then the references.

        Args:
            figure: ``"matched"``: on as many rows as the references have; ``"value"``: on all rows.

        Raises:
            ParamError: another figure.
        """
        if figure not in ("matched", "value"):
            raise ParamError(f"Comparison.to_frame: argument 'figure' must be 'matched' or 'value', got {figure!r}.")
        rows = {}
        for name, score in self._any.scores.items():
            row: dict[str, Any] = {"group": score.group, "label": score.label, "goal": score.goal, "best": score.best}
            row |= {table: getattr(report.scores[name], figure) for table, report in self.reports.items()}
            rows[name] = row | {"fresh": score.fresh, "copy": score.copy, "independent": score.independent}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("score")

    def ranks(self) -> pd.DataFrame:
        """One row per score, one column per table: 1 is the table nearest to fresh rows; ties share a mean rank.

        The distance is how much worse than fresh rows the matched rows score, 0 where they are no worse. Without a
        holdout it is the distance to the best value. A figure that could not be found comes last.
        """
        distance = {
            name: {table: _distance(report.scores[name]) for table, report in self.reports.items()}
            for name in self._any.scores
        }
        frame = pd.DataFrame.from_dict(distance, orient="index", columns=list(self.reports)).rename_axis("score")
        known = frame[frame.notna().any(axis=1)]
        return known.round(9).rank(axis=1, method="average", na_option="bottom")

    def summary(self) -> pd.DataFrame:
        """One row per table, the best first: mean rank per panel and over all scores."""
        ranks = self.ranks()
        groups = pd.Series({name: score.group for name, score in self._any.scores.items()}).reindex(ranks.index)
        there = [group for group in text.GROUPS if (groups == group).any()]
        columns: dict[str, pd.Series[float]] = {group: ranks[groups == group].mean() for group in there}
        columns["all"] = ranks.mean()
        frame = pd.DataFrame(columns, index=list(self.reports)).rename_axis("table")
        return frame.sort_values("all", kind="stable")

    def to_json(self, path: str | Path | None = None) -> str:
        """Strict JSON: the ranked summary, and each report as :meth:`Report.to_json` writes it.

        Args:
            path: a file to write to as well.
        """
        summary = [
            {"table": name, **{str(k): None if math.isnan(v) else float(v) for k, v in row.items()}}
            for name, row in self.summary().iterrows()
        ]
        reports = {name: json.loads(report.to_json()) for name, report in self.reports.items()}
        written = json.dumps(
            {"synthkit_comparison": 1, "summary": summary, "reports": reports},
            indent=1,
            allow_nan=False,
            ensure_ascii=False,
        )
        if path is not None:
            Path(path).write_text(written + "\n", encoding="utf-8")
        return written

    def to_markdown(self) -> str:
        """The ranked summary, then a table per panel."""
        summary = self.summary()
        lines = ["# Comparison of synthetic tables", "", text.head(self._any) + ".", "", "Mean rank (1 is best):", ""]
        lines += _markdown(["table", *summary.columns], [[str(n), *_ranked(row)] for n, row in summary.iterrows()])
        frame = self.to_frame()
        for title, scores in text.panels(self._any):
            part = frame.loc[[score.name for score in scores]].drop(columns=["group", "goal"])
            rows = (list(row) for row in part.itertuples(index=False))
            body = [[label, f"{best:g}", *map(text.number, figures)] for label, best, *figures in rows]
            lines += ["", f"## {title}", "", *_markdown(["score", "best", *part.columns[2:]], body)]
        lines += ["", "## Notes", "", *(f"- {text.escaped(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def to_html(self, path: str | Path, *, profiles: str | Sequence[str] | None = None) -> Path:
        """Write one self-contained HTML file.

        Args:
            path: of the file.
            profiles: the purposes whose verdicts stand in the ranking, one or several; by default all.

        Raises:
            ParamError: an unknown profile.
            OSError: the file cannot be written.
        """
        from synthkit.report.html import write_comparison

        write_comparison(self, path, profiles=profiles)
        return Path(path)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know: of all tables, then of single ones, which their names begin."""
        several = len(self.reports) > 1
        shared = [n for n in self._any.notes if all(n in report.notes for report in self.reports.values())]
        own = [
            f"{name}: {note}" if several else note
            for name, report in self.reports.items()
            for note in report.notes
            if note not in shared
        ]
        return (*shared, *own)

    @property
    def _any(self) -> Report:
        """One of the reports: metrics and references are the same in all."""
        return next(iter(self.reports.values()))

    def __getitem__(self, name: str) -> Report:
        if name not in self.reports:
            raise ParamError(f"Comparison: there is no table {name!r}; there are {', '.join(self.reports)}.")
        return self.reports[name]

    def __str__(self) -> str:
        frame = self.to_frame().drop(columns=["group", "goal"]).set_index("label").rename_axis(None)
        figures = frame.to_string(float_format=text.number, na_rep="-")
        copying = [name for name, report in self.reports.items() if text.copies(report)]
        flag = f"\n\nmade of real values: {', '.join(copying)}" if copying else ""
        return f"mean rank (1 is best)\n{self.summary().round(2).to_string(na_rep='-')}\n\n{figures}{flag}"

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.reports)}; print it>"

    def _repr_html_(self) -> str:
        from synthkit.report.notebook import comparison_html

        return comparison_html(self)


def _distance(score: Score) -> float:
    loss, floor = score.loss(score.matched), score.loss(score.fresh)
    return loss if math.isnan(floor) else float(np.maximum(loss - floor, 0.0))


def _ranked(row: pd.Series[float]) -> list[str]:
    return ["-" if math.isnan(v) else f"{v:.2f}" for v in row]


def _markdown(head: list[str], body: list[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(text.escaped(str(word)) for word in words)} |" for words in (head, *body)]
    return [lines[0], "|---|" + "---:|" * (len(head) - 1), *lines[1:]]
