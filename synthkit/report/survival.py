"""Figures of the domain "medical": survival curves and hazard ratios, of real and of synthetic rows.

As everywhere in the report, no single real row is shown: the real curve is drawn through times between which at least
five events were seen, ranges end at round times, and one to four rows at risk are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.report import text as words
from synthkit.report.pictures import LEAST
from synthkit.report.scales import badge
from synthkit.report.sections import figure_card, legend, real_rows, section
from synthkit.report.svg import Figure, compact, el, joined, percent, short, text, ticks

if TYPE_CHECKING:
    from synthkit.report.report import Report

__all__ = ["Survival", "hazards_figure", "survival_figure", "survival_section"]

Floats = NDArray[np.float64]
Key = tuple[Hashable, str]
_WIDTH = 340
_LEFT, _RIGHT, _TOP, _BASE = 70.0, 328.0, 8.0, 136.0
_GROUPS = 5
_COVARIATES = 24


@dataclass(frozen=True)
class Survival:
    """What is drawn of survival.

    Attributes:
        curves: per synthetic table, by its name: curves by group; ``(None, "")`` is all rows.
        hazards: per synthetic table: coefficients of Cox regressions.
        time: the name of the time.
    """

    curves: Mapping[str, Mapping[Key, pd.DataFrame]]
    hazards: Mapping[str, pd.DataFrame]
    time: Hashable

    @classmethod
    def of_reports(cls, reports: Mapping[str, Report]) -> Survival | None:
        """What the reports know; ``None`` where that is nothing (another domain, or read from JSON)."""
        found: list[dict[str, Any]] = []
        for name, key in (("kaplan_meier_gap", "curves"), ("hazard_ratio_overlap", "coefficients")):
            scores = {table: report.scores[name] for table, report in reports.items() if name in report.scores}
            found.append({table: score.details[key] for table, score in scores.items() if key in score.details})
        if not any(found):
            return None
        first = next(iter(reports.values()))
        time = first.provenance.get("time")
        curves: dict[str, dict[Key, pd.DataFrame]] = found[0]
        if "real" in first.tables and time in first.tables["real"].frame:
            lasts = pd.api.types.is_timedelta64_dtype(first.tables["real"].frame[time].dtype)
            if curves and lasts:  # metrics count seconds
                unit, name = _unit(next(iter(curves.values())))
                time = f"{time} ({name})"
                curves = {t: {k: f.assign(time=f["time"] / unit) for k, f in c.items()} for t, c in curves.items()}
        return cls(curves, found[1], time)

    def groups(self) -> list[Key]:
        """All rows, then the groups by how far their curves are apart, the farthest first."""
        gaps = {key: max(gap(curves[key]) for curves in self.curves.values()) for key in self._keys()}
        return sorted(gaps, key=lambda key: (key[0] is not None, -gaps[key]))

    def figure(self, key: Key) -> Figure:
        """The curves of a group."""
        title = "Survival" if key[0] is None else f"Survival where {key[0]} is {key[1]}"
        return survival_figure([curves[key] for curves in self.curves.values()], list(self.curves), title)

    def chosen(self, column: Hashable | None, level: str | None) -> Figure:
        """The curves of all rows, of a level of a column, or of its level that is farthest off.

        Raises:
            ParamError: no such group.
        """
        there = [key for key in self.groups() if key[0] == column and level in (None, key[1])]
        if column is None and level is not None:
            raise ParamError("Report.plot: argument 'level' needs a 'column'.")
        if not there:
            names = ", ".join(dict.fromkeys(repr(key[0]) for key in self.groups() if key[0] is not None)) or "none"
            raise ParamError(
                f"Report.plot: argument 'column': there are no curves of {column!r}"
                f"{'' if level is None else f' at level {level!r}'}; the columns with curves are: {names}."
            )
        return self.figure(there[0])

    def _keys(self) -> list[Key]:
        """The groups of which every table has curves, and the real rows enough events."""
        first, *others = self.curves.values() if self.curves else ({},)
        shared = (key for key in first if all(key in other for other in others))
        return [key for key in shared if first[key]["real_events"].iloc[-1] >= LEAST]


def _unit(curves: Mapping[Key, pd.DataFrame]) -> tuple[float, str]:
    """Seconds of a unit that people would count such durations in, and its name."""
    until = max(float(curve["time"].iloc[-1]) for curve in curves.values())
    units = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
    return next((unit for unit in units if until >= 2 * unit[0]), (1.0, "seconds"))


def gap(curves: pd.DataFrame) -> float:
    """Mean absolute difference of the two curves; 1 where a group was lost."""
    return float((curves["real"] - curves["synthetic"]).abs().mean()) if curves["synthetic"].notna().any() else 1.0


# -------------------------------------------------------------------- curves
def survival_figure(frames: Sequence[pd.DataFrame], labels: Sequence[str], title: str) -> Figure:
    """Kaplan-Meier curves: real rows with their 95 % interval, each synthetic table as a line; rows at risk below."""
    real, until = frames[0], float(frames[0]["time"].iloc[-1])
    kept = _told(real["real_events"].to_numpy())
    times = real["time"].to_numpy()
    low, high, middle = (real[key].to_numpy()[kept] for key in ("real_low", "real_high", "real"))
    band = [*zip(times[kept], high, strict=True), *reversed([*zip(times[kept], low, strict=True)])]
    body = _frame(until) + el("path", d=_path(band, until) + "Z", class_="band")
    body += el("path", d=_path(zip(times[kept], middle, strict=True), until), class_="curve")
    for k, frame in enumerate(frames):
        line = frame["synthetic"].to_numpy()
        if not np.isnan(line).any():
            body += el("path", d=_path(zip(times, line, strict=True), until), class_=f"step c{k % 6} d{k % 6}")
    body += _tips(frames, labels, kept)
    rows, height = _at_risk(frames, labels)
    return Figure(body + rows, _WIDTH, height, f"{title}: Kaplan-Meier curves of real and {', '.join(labels)} rows")


def _told(events: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions at which the real curve is drawn: five events and more lie between two of them, or none."""
    kept = [0]
    for k in range(1, len(events)):
        if events[k] - events[kept[-1]] >= LEAST:
            kept.append(k)
    last = len(events) - 1
    if events[last] > events[kept[-1]] and len(kept) > 1:
        kept[-1] = last  # one to four events at the end go to the step before
    elif kept[-1] != last:
        kept.append(last)
    return np.array(kept)


def _x(time: float, until: float) -> float:
    return _LEFT + time / until * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BASE - share * (_BASE - _TOP)


def _path(points: object, until: float) -> str:
    return joined((_x(float(t), until), _y(float(s))) for t, s in points)  # type: ignore[attr-defined]


def _frame(until: float) -> str:
    """Axes: time below, survival on the left."""
    body = el("line", x1=_LEFT, x2=_RIGHT, y1=_BASE, y2=_BASE, class_="axis")
    for share in (0.5, 1.0):
        body += el("line", x1=_LEFT, x2=_RIGHT, y1=_y(share), y2=_y(share), class_="axis")
    for share in (0.0, 0.5, 1.0):
        body += text(f"{share:.0%}", _LEFT - 5, _y(share) + 4, "mut end")
    for tick in ticks(0.0, until, 4):
        body += el("line", x1=_x(tick, until), x2=_x(tick, until), y1=_BASE, y2=_BASE + 4, class_="axis")
        body += text(compact(tick), _x(tick, until), _BASE + 16, "mut mid")
    return body


def _tips(frames: Sequence[pd.DataFrame], labels: Sequence[str], kept: NDArray[np.int64]) -> str:
    times, until, body = frames[0]["time"].to_numpy(), float(frames[0]["time"].iloc[-1]), ""
    for a, b in pairwise(kept.tolist()):
        shares = [f"real {percent(float(frames[0]['real'].iloc[b]))}"]
        for label, frame in zip(labels, frames, strict=True):
            shares.append(f"{label} {percent(float(frame['synthetic'].iloc[b]))}")
        left, right = _x(float(times[a]), until), _x(float(times[b]), until)
        tip = f"at {compact(float(times[b]))}: {', '.join(shares)}"
        body += el("rect", x=left, y=_TOP, width=right - left, height=_BASE - _TOP, class_="hit", data_tip=tip)
    return body


def _at_risk(frames: Sequence[pd.DataFrame], labels: Sequence[str]) -> tuple[str, int]:
    """Rows still followed, below the ticks; and how high the figure is."""
    times, until = frames[0]["time"].to_numpy(), float(frames[0]["time"].iloc[-1])
    y = _BASE + 34
    body = text("rows at risk", _LEFT, y, "mut")
    own = [short(labels[0], 9)] if len(labels) == 1 else [badge(k) for k in range(len(labels))]
    lines = [("real", frames[0]["real_at_risk"])]
    lines += [(label, frame["synthetic_at_risk"]) for label, frame in zip(own, frames, strict=True)]
    for label, counts in lines:
        y += 14
        body += text(label, _LEFT - 20, y, "mut end")
        for tick in ticks(0.0, until, 4):
            count = int(counts.iloc[int(np.searchsorted(times, tick - 1e-9 * until))])
            told = f"<{LEAST}" if label == "real" and 0 < count < LEAST else compact(float(count))
            body += text(told, _x(tick, until), y, "mid")
    return body, int(y + 8)


# -------------------------------------------------------------------- hazard ratios
def hazards_figure(frames: Sequence[pd.DataFrame], labels: Sequence[str]) -> Figure:
    """Hazard ratios with their 95 % intervals on a log scale, those that overlap least first."""
    worst = pd.concat([frame["overlap"] for frame in frames], axis=1).min(axis=1).sort_values(kind="stable")
    rows = worst.index[:_COVARIATES]
    left, right, top = 132.0, _WIDTH - 14.0, 8.0
    low, high = _range(frames, list(rows))

    def x(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (right - left)

    body, y = "", top
    for row in rows:
        names = frames[0].loc[row]
        label = f"{names['covariate']}: {names['level']}" if names["level"] else str(names["covariate"])
        ranges = [("real", *frames[0].loc[row, ["real", "real_low", "real_high"]].tolist())]
        for own, frame in zip(labels, frames, strict=True):
            ranges.append((own, *frame.loc[row, ["synthetic", "synthetic_low", "synthetic_high"]].tolist()))
        tall = 8 * len(ranges) + 8
        body += text(short(label, 19), left - 8, y + tall / 2 + 1, "end")
        for k, (_, middle, start, end) in enumerate(ranges):
            at, colour = y + 6 + 8 * k, "real" if k == 0 else f"c{(k - 1) % 6}"
            body += el("line", x1=x(start), x2=x(end), y1=at, y2=at, class_="whisk" if k == 0 else f"step {colour}")
            class_ = "rbar" if k == 0 else f"sbar f{(k - 1) % 6} {colour}"
            body += el("circle", cx=x(middle), cy=at, r=3, class_=class_)
        told = (f"{own} {math.exp(m):.2f} ({math.exp(a):.2f} to {math.exp(b):.2f})" for own, m, a, b in ranges)
        body += el("rect", x=0, y=y, width=_WIDTH, height=tall, class_="hit", data_tip=f"{label}: {', '.join(told)}")
        y += tall
    one = el("line", x1=x(0.0), x2=x(0.0), y1=top, y2=y, class_="axis")
    axis = el("line", x1=left, x2=right, y1=y, y2=y, class_="axis")
    for tick in _ratios(low, high):
        axis += el("line", x1=x(math.log(tick)), x2=x(math.log(tick)), y1=y, y2=y + 4, class_="axis")
        axis += text(f"{tick:g}", x(math.log(tick)), y + 16, "mut mid")
    return Figure(one + body + axis, _WIDTH, int(y + 22), f"Hazard ratios of real and {', '.join(labels)} rows")


def _range(frames: Sequence[pd.DataFrame], rows: Sequence[int]) -> tuple[float, float]:
    """Of the log ratios: wide enough for the estimates, and for intervals up to a factor of 100."""
    keys = [f"{side}{end}" for side in ("real", "synthetic") for end in ("", "_low", "_high")]
    ends = np.concatenate([frame[keys].loc[list(rows)].to_numpy(np.float64).ravel() for frame in frames])
    most = float(np.clip(np.abs(ends[np.isfinite(ends)]).max(initial=0.0), 0.2, math.log(100)))
    return -most * 1.02, most * 1.02


def _ratios(low: float, high: float) -> list[float]:
    choices = ([0.01, 0.1, 1, 10, 100], [0.2, 0.5, 1, 2, 5], [0.8, 1, 1.25])
    inside = ([r for r in choice if low <= math.log(r) <= high] for choice in choices)
    return next((found for found in inside if len(found) >= 3), [1.0])


# -------------------------------------------------------------------- section
def survival_section(reports: Mapping[str, Report]) -> str:
    """Curves of all rows and of the groups that are farthest off, and hazard ratios; empty in other domains."""
    found = Survival.of_reports(reports)
    if found is None:
        return ""
    cards = ""
    for key in found.groups()[: 1 + _GROUPS]:
        off = max(gap(curves[key]) for curves in found.curves.values())
        title = "All rows" if key[0] is None else f"{key[0]}: {key[1]}"
        cards += figure_card(title, found.figure(key), f"off by {words.number(off)}")
    if found.hazards:
        figure = hazards_figure(list(found.hazards.values()), list(found.hazards))
        cards += figure_card("Hazard ratios", figure, "log scale, 95 %")
    by = "" if found.time is None else f", by {found.time}"
    return section(
        "survival",
        "Survival",
        legend(real_rows(reports), list(reports), "curve"),
        f'<div class="grid">{cards}</div>',
        lead=f"Share of rows without the event{by} (Kaplan-Meier; the band is the 95 % interval of real rows), of all "
        "rows and of the groups that are farthest off. The real curve is drawn through times between which at least "
        f"{LEAST} events were seen. Hazard ratios are those of Cox regressions: of a number per standard deviation, of "
        "a level against the most frequent one.",
    )
