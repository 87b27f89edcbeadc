"""Figures of the domain "credit": stability and information of columns, and calibration by decile of risk."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthkit.report import text as words
from synthkit.report.sections import figure_card, legend, real_rows, section
from synthkit.report.svg import Figure, compact, el, joined, nice, percent, short, text, ticks

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["calibration_figure", "credit_section", "information_figure", "stability_figure"]

_WIDTH = 340
_LABEL = 122
_COLUMNS = 15
_FEWEST = 20  # real rows that a bar of calibration stands for, at least
_SHIFTS = (0.1, 0.25)  # of the population stability index: a shift, a strong one (Siddiqi 2006)

Values = Mapping[Hashable, float]


# -------------------------------------------------------------------- columns
def stability_figure(values: Sequence[Values], labels: Sequence[str]) -> Figure:
    """Population stability index of each column, the largest first, with the limits that count as shifts."""
    most = max(_SHIFTS[1] * 1.12, *(v for table in values for v in table.values() if not math.isnan(v)))
    rows, height = _bars([*values], labels, _worst(values), most, first=0)
    lines = ""
    for limit in _SHIFTS:
        x = _place(limit, most)
        lines += el("line", x1=x, x2=x, y1=16, y2=height, class_="limit") + text(compact(limit), x, 11, "mut mid")
    return Figure(lines + rows, _WIDTH, height + 6, f"Population stability index of each column: {', '.join(labels)}")


def information_figure(real: Values, values: Sequence[Values], labels: Sequence[str]) -> Figure:
    """Information value of each column in real and in synthetic rows, the most informative first."""
    names = _worst([real, *values])
    most = max((v for table in (real, *values) for v in table.values() if not math.isnan(v)), default=0.0) or 1.0
    rows, height = _bars([real, *values], ["real", *labels], names, most, first=-1)
    return Figure(rows, _WIDTH, height + 6, f"Information value of each column, real and {', '.join(labels)}")


def _worst(values: Sequence[Values]) -> list[Hashable]:
    most = {name: max(table.get(name, 0.0) for table in values) for name in values[0]}
    return sorted(most, key=lambda name: -most[name])[:_COLUMNS]


def _place(value: float, most: float) -> float:
    return _LABEL + min(value / most, 1.0) * (_WIDTH - 50 - _LABEL)


def _bars(
    values: Sequence[Values], labels: Sequence[str], names: Sequence[Hashable], most: float, first: int
) -> tuple[str, int]:
    """A bar per column and table; ``first`` is the colour of the first table, -1 of real rows."""
    thin, body = 7, ""
    pitch, top = len(values) * (thin + 1) + 10, 18 if first == 0 else 4
    for row, name in enumerate(names):
        y = top + row * pitch + 3
        body += text(short(name, 17), _LABEL - 6, y + (pitch - 10) / 2 + 3.5, "end")
        for k, table in enumerate(values):
            colour = k + first
            class_ = "rbar" if colour < 0 else f"sbar f{colour % 6} c{colour % 6}"
            wide = max(_place(table.get(name, 0.0), most) - _LABEL, 0.6)
            body += el("rect", x=_LABEL, y=y + k * (thin + 1), width=wide, height=thin - 0.5, class_=class_)
            if len(values) <= 2:
                told = words.number(table.get(name, math.nan))
                body += text(told, _WIDTH - 4, y + k * (thin + 4) + 6.5, "mut end" if colour < 0 else "end")
        told = ", ".join(f"{a} {words.number(t.get(name, math.nan))}" for a, t in zip(labels, values, strict=True))
        body += el("rect", x=0, y=y - 3, width=_WIDTH, height=pitch - 2, class_="hit", data_tip=f"{name}: {told}")
    return body, top + len(names) * pitch


# -------------------------------------------------------------------- calibration
def calibration_figure(deciles: pd.DataFrame, trained: str, most: float | None = None, colour: int = 0) -> Figure:
    """Observed share of bad rows as bars, the predicted one as points, by decile of predicted risk.

    Args:
        deciles: of :func:`synthkit.metrics.lending.decile_calibration`; trained: what the scorecard learnt from.
        most: the share at the top of the axis, by default the largest; colour: of the table, -1 of real rows.
    """
    table = _merged(deciles)
    left, right, top, base = 44.0, _WIDTH - 8.0, 10.0, 136.0
    most = most or _top(deciles)
    wide = (right - left) / len(table)
    y = base - table[["observed", "predicted"]].to_numpy() / most * (base - top)
    body = el("line", x1=left, x2=right, y1=base, y2=base, class_="axis")
    for tick in ticks(0.0, most, 3):
        at = base - tick / most * (base - top)
        body += el("line", x1=left, x2=right, y1=at, y2=at, class_="axis") + text(
            f"{100 * tick:g} %", left - 5, at + 4, "mut end"
        )
    points = []
    for k, row in enumerate(table.itertuples(index=False)):
        x = left + k * wide
        body += el("rect", x=x + 3, y=y[k, 0], width=wide - 6, height=base - y[k, 0], class_="area")
        body += text(row.name, x + wide / 2, base + 16, "mut mid")
        points.append((x + wide / 2, float(y[k, 1])))
    line, dot = ("whisk", "rbar") if colour < 0 else (f"step c{colour % 6}", f"f{colour % 6}")
    body += el("path", d=joined(points), class_=line)
    body += "".join(el("circle", cx=x, cy=at, r=4, class_=dot) for x, at in points)
    for k, row in enumerate(table.itertuples(index=False)):
        tip = f"decile {row.name}: observed {percent(row.observed)}, predicted {percent(row.predicted)}"
        body += el("rect", x=left + k * wide, y=top, width=wide, height=base - top, class_="hit", data_tip=tip)
    body += text("deciles of predicted risk", right, base + 31, "mut end")
    return Figure(body, _WIDTH, int(base + 38), f"Calibration by decile of a scorecard of {trained}")


def _top(*tables: pd.DataFrame) -> float:
    most = max(float(table[["predicted", "observed"]].to_numpy().max()) for table in tables)
    return min(1.0, nice(max(most, 1e-3) / 3) * 3)


def _merged(deciles: pd.DataFrame) -> pd.DataFrame:
    """Neighbouring deciles together, so that every bar stands for some real rows; with their names."""
    rows = deciles["rows"].to_numpy()
    group, bar, held = [], 0, 0
    for count in rows:
        group.append(bar)
        held += int(count)
        if held >= _FEWEST:
            bar, held = bar + 1, 0
    at = np.minimum(group, max(bar - 1, 0))  # a rest goes to the last bar
    sums = deciles[["predicted", "observed"]].mul(rows, axis=0).assign(rows=rows).groupby(at).sum()
    ends = [np.flatnonzero(at == g)[[0, -1]] + 1 for g in sums.index]
    names = [f"{a}" if a == b else f"{a}-{b}" for a, b in ends]
    return sums[["predicted", "observed"]].div(sums["rows"], axis=0).assign(name=names)


# -------------------------------------------------------------------- section
def credit_section(reports: Mapping[str, Report]) -> str:
    """Stability, information and calibration; empty in other domains."""
    cards = _column_cards(reports) + _calibration_cards(reports)
    if not cards:
        return ""
    return section(
        "credit",
        "Credit",
        legend(real_rows(reports), list(reports)),
        f'<div class="grid">{cards}</div>',
        lead="What a bank's monitoring would see: columns that shifted (a population stability index above 0.1; above "
        "0.25, strongly), what each column tells of the target, and how far default rates that a scorecard predicts "
        "(points) are from those observed in real rows (areas).",
    )


def _calibration_cards(reports: Mapping[str, Report]) -> str:
    """A card for the scorecard of each table, and one for that of real rows, on one scale."""
    tables = {name: r.scores["decile_calibration"].details for name, r in reports.items() if _calibrated(r)}
    if not tables:
        return ""
    shown = {name if len(reports) > 1 else f"{name} rows": details["deciles"] for name, details in tables.items()}
    colours = [*(list(reports).index(name) for name in tables), -1]
    shown["real rows"] = next(iter(tables.values()))["deciles trained on real"]
    most, cards = _top(*shown.values()), ""
    for (name, table), colour in zip(shown.items(), colours, strict=True):
        off = float(((table["predicted"] - table["observed"]).abs() * table["rows"]).sum() / table["rows"].sum())
        figure = calibration_figure(table, name, most, colour)
        cards += figure_card(f"Scorecard of {name}", figure, f"off by {words.number(off)}")
    return cards


def _calibrated(report: Report) -> bool:
    return _has(report, "decile_calibration", "deciles")


def _has(report: Report, score: str, key: str) -> bool:
    return score in report.scores and key in report.scores[score].details


def _column_cards(reports: Mapping[str, Report]) -> str:
    cards, labels = "", list(reports)
    if all("psi" in r.scores and r.scores["psi"].parts for r in reports.values()):
        figure = stability_figure([r.scores["psi"].parts for r in reports.values()], labels)
        cards += figure_card("Stability of columns", figure, "PSI, largest first")
    if all(_has(r, "information_value_gap", "real") for r in reports.values()):
        found = [r.scores["information_value_gap"].details for r in reports.values()]
        figure = information_figure(found[0]["real"], [d["synthetic"] for d in found], labels)
        cards += figure_card("Information value", figure, "largest first")
    return cards
