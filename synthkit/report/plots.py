"""Single figures of a report, as SVG: ``report.plot("column", column="age").save("age.svg")``.

They are those of the HTML report, drawn by the package itself, so that no plotting library is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from synthkit.errors import ParamError
from synthkit.report.credit import calibration_figure, information_figure, stability_figure
from synthkit.report.drawn import Drawing, pair_score, rows_figures
from synthkit.report.figures import heat_figure, heat_order, parts_figure
from synthkit.report.panel_section import panel_figure, panel_figures
from synthkit.report.scales import summary_figure
from synthkit.report.survival import Survival, hazards_figure
from synthkit.report.svg import Figure

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["FIGURES", "plot"]


def plot(report: Report, name: str = "summary", **options: Any) -> Figure:
    """One figure of a report.

    Args:
        report: of :func:`synthkit.evaluate`.
        name: ``"summary"``: all scores beside their references; option ``group`` chooses a panel.
            ``"column"``: real and synthetic rows over each other; options ``column``, and ``cumulative=True``.
            ``"pairs"``: heat map of the pairs' differences; option ``score``.
            ``"rows"``: density of rows in two directions; option ``which``: ``"real"``, ``"synthetic"``,
            ``"difference"``.
            ``"parts"``: breakdown of a score; option ``score``.
            ``"survival"``: Kaplan-Meier curves (domain "medical") of all rows; options ``column`` and ``level`` choose
            a group, by default the level that is farthest off. ``"hazards"``: hazard ratios of Cox regressions.
            ``"stability"``: population stability index per column (domain "credit"). ``"information"``: information
            value per column. ``"calibration"``: default rates by decile of risk; option ``trained``: on which rows the
            scorecard learnt, ``"synthetic"`` or ``"real"``.
            Of records over time: ``"lengths"`` and ``"gaps"``; ``"paths"``, ``"moves"`` (from state to state) and
            ``"lags"`` (autocorrelation), of a ``column`` of those that the page draws, by default the first.
            The name of a score is short for its parts, or its summary where it has none.

    Returns:
        A :class:`synthkit.report.svg.Figure`, which a notebook shows and which ``save`` writes as SVG.

    Raises:
        ParamError: an unknown figure or option, or a report without the tables (read from JSON) or rows it needs.
    """
    if name in report.scores and name not in FIGURES:
        score = report.scores[name]
        return plot(report, "parts", score=name, **options) if score.parts else summary_figure([score])
    if name not in FIGURES:
        raise ParamError(
            f"Report.plot: argument 'name' must be one of {', '.join(FIGURES)}, or the name of a score, got {name!r}."
        )
    draw, allowed = FIGURES[name]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        takes = ", ".join(allowed) or "no option"
        raise ParamError(f"Report.plot: figure {name!r} has no option {unknown[0]!r}; it takes {takes}.")
    return draw(report, **options)


def _summary(report: Report, group: str | None = None) -> Figure:
    scores = [score for score in report.scores.values() if group in (None, score.group)]
    if not scores:
        raise ParamError(f"Report.plot: argument 'group': there is no score of {group!r}.")
    return summary_figure(scores)


def _column(report: Report, column: Hashable = None, cumulative: bool = False) -> Figure:
    drawing = Drawing.of_reports({"synthetic": report})
    if drawing is None:
        raise ParamError("Report.plot: this report has no tables, as it was read from JSON; evaluate again.")
    figures = drawing.figures(column)
    if isinstance(figures, str):
        raise ParamError(f"Report.plot: argument 'column': {column!r}: {figures}")
    return figures[-1] if cumulative else figures[0]


def _pairs(report: Report, score: str | None = None) -> Figure:
    chosen = pair_score(report, score)
    if chosen is None:
        raise ParamError("Report.plot: no score of pairs of columns was computed; add 'pair' to the metrics.")
    parts = {key: value for key, value in chosen.parts.items() if isinstance(key, tuple) and len(key) == 2}
    return heat_figure(parts, heat_order(parts, list(report.kinds)), f"{chosen.label}: difference of each pair")


def _rows(report: Report, which: str = "difference") -> Figure:
    kinds = ("real", "synthetic", "difference")
    if which not in kinds:
        raise ParamError(f"Report.plot: argument 'which' must be one of {', '.join(kinds)}, got {which!r}.")
    found = rows_figures(report)
    if found is None:
        raise ParamError("Report.plot: 'rows' needs a report with its tables, 100 rows in each, and 2 columns.")
    return found[0][kinds.index(which)]


def _parts(report: Report, score: str = "shape") -> Figure:
    chosen = report[score]
    if not chosen.parts:
        raise ParamError(f"Report.plot: argument 'score': {score!r} has no parts.")
    return parts_figure(chosen)


def _survival(report: Report, column: Hashable = None, level: str | None = None) -> Figure:
    found = Survival.of_reports({"synthetic": report})
    if found is None or not found.curves:
        raise _lacking("survival", "kaplan_meier_gap")
    return found.chosen(column, level)


def _hazards(report: Report) -> Figure:
    found = Survival.of_reports({"synthetic": report})
    if found is None or not found.hazards:
        raise _lacking("hazards", "hazard_ratio_overlap")
    return hazards_figure(list(found.hazards.values()), list(found.hazards))


def _stability(report: Report) -> Figure:
    if "psi" not in report.scores or not report.scores["psi"].parts:
        raise _lacking("stability", "psi")
    return stability_figure([report.scores["psi"].parts], ["synthetic"])


def _information(report: Report) -> Figure:
    details = _details(report, "information", "information_value_gap", "real")
    return information_figure(details["real"], [details["synthetic"]], ["synthetic"])


def _calibration(report: Report, trained: str = "synthetic") -> Figure:
    if trained not in ("synthetic", "real"):
        raise ParamError(f"Report.plot: argument 'trained' must be 'synthetic' or 'real', got {trained!r}.")
    details = _details(report, "calibration", "decile_calibration", "deciles")
    if trained == "synthetic":
        return calibration_figure(details["deciles"], "synthetic rows")
    return calibration_figure(details["deciles trained on real"], "real rows", colour=-1)


def _counted(title: str, report: Report) -> Figure:
    return panel_figure(report, "counts", next((t for t, *_ in panel_figures(report)["counts"] if title in t), title))


def _details(report: Report, name: str, score: str, key: str) -> Mapping[str, Any]:
    found = report.scores[score].details if score in report.scores else {}
    if key not in found:
        raise _lacking(name, score)
    return found


def _lacking(name: str, score: str) -> ParamError:
    return ParamError(
        f"Report.plot: figure {name!r} needs the score {score!r}, which this report has not, or without what is drawn "
        "(read from JSON, or too few rows); evaluate again with it among the metrics, or with its domain."
    )


FIGURES: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {
    "summary": (_summary, ("group",)),
    "column": (_column, ("column", "cumulative")),
    "pairs": (_pairs, ("score",)),
    "rows": (_rows, ("which",)),
    "parts": (_parts, ("score",)),
    "survival": (_survival, ("column", "level")),
    "hazards": (_hazards, ()),
    "stability": (_stability, ()),
    "information": (_information, ()),
    "calibration": (_calibration, ("trained",)),
    "lengths": (partial(_counted, "Records per entity"), ()),
    "gaps": (partial(_counted, "Times between records"), ()),
    "paths": (partial(panel_figure, part="paths"), ("column",)),
    "moves": (partial(panel_figure, part="moves"), ("column",)),
    "lags": (partial(panel_figure, part="lags"), ("column",)),
}
