"""How a column's drawn values came near the real ones: what was drawn at some moments, from pale to dark."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from synthkit.encoder import TableEncoder
from synthkit.errors import ParamError
from synthkit.layout import Encoded
from synthkit.metrics.base import Table
from synthkit.metrics.fidelity import shape_error
from synthkit.metrics.tables import Kind, code_tables, kinds_of
from synthkit.plots.segments import Segment
from synthkit.report.figures import bins_axis
from synthkit.report.pictures import Bars, Bins, Pair, column_picture
from synthkit.report.svg import el, joined, percent, short, steps, text

__all__ = ["Moment", "Watched", "kind_of", "moments_of"]

MOST = 6
_HIGH = 190.0
_LABEL = 122.0
_FAR = 0.02  # a share beyond the drawn range that is worth a bar
_CAP = 2.0  # heights beyond this multiple of the real peak are cut


@dataclass(frozen=True)
class Moment:
    """Some drawn rows. ``kept``: of the weights that were kept; ``step`` None: of the fitted model."""

    step: int | None
    rows: Encoded
    kept: bool = False

    @property
    def label(self) -> str:
        """For the legend."""
        if self.step is None:
            return "fitted model"
        return f"step {self.step:,}" + (", kept" if self.kept else "")


def kind_of(encoder: TableEncoder, column: Hashable, where: str) -> Kind:
    """What a column is.

    Raises:
        ParamError: there is no such column, or nothing of it is learnt.
    """
    columns = encoder.schema_.columns
    if column not in columns:
        raise ParamError(f"{where}: argument 'column': {column!r} is no column of the table that was learnt.")
    kind = kinds_of(encoder.schema_).get(column)
    if kind is None or column == encoder.schema_.weight:
        raise ParamError(
            f"{where}: argument 'column': {column!r} is generated and not learnt, so that there is nothing to see; "
            "choose a column of numbers, dates or categories."
        )
    return kind


def moments_of(segments: Sequence[Segment], most: int = MOST) -> list[Moment]:
    """Moments at which rows were drawn: the first, the one whose weights were kept, and some between, early ones
    closer together, as most is learnt early.
    """
    lines = [(s, line) for s in segments for line in s.lines if line.drawn is not None]
    if not lines:
        return []
    last = lines[-1][0]
    best = min((k for k, (s, _) in enumerate(lines) if s is last), key=lambda k: (_score(lines[k][1].score), k))
    ends = len(lines) - 1 if best < 2 else best
    chosen = np.unique(np.round(np.geomspace(1, ends + 1, most)).astype(int) - 1)
    chosen = np.union1d(chosen, [best])
    out = []
    for k in chosen.tolist():
        segment, line = lines[k]
        assert line.drawn is not None
        out.append(Moment(segment.at(line), line.drawn, k == best))
    return out


def _score(score: float | None) -> float:
    return math.inf if score is None else score


class Watched:
    """A column, and what its values should be.

    Args:
        encoder: fitted; it reads drawn rows. column: its name.
        real: rows whose values are right; of: what they are called.
        where: who asks, for errors.

    Raises:
        ParamError: there is no such column, or nothing of it is learnt.
    """

    def __init__(self, encoder: TableEncoder, column: Hashable, real: pd.DataFrame, of: str, where: str) -> None:
        self.encoder, self.column, self.of = encoder, column, of
        self.kind = kind_of(encoder, column, where)
        if not isinstance(real, pd.DataFrame) or column not in real.columns or not len(real):
            raise ParamError(f"{where}: argument 'real' must be a DataFrame with rows and the column {column!r}.")
        self.real = real[[column]].reset_index(drop=True)
        self._read: dict[int, tuple[Encoded, pd.DataFrame]] = {}  # what was decoded before, by identity

    def forget(self) -> None:
        """Another fit begins."""
        self._read = {}

    def fits(self, rows: Encoded) -> bool:
        """Can these rows be of the encoder's layout?"""
        layout = self.encoder.layout_
        if rows.cat.shape[1] != layout.n_cat or rows.num.shape[1] != layout.n_num:
            return False
        sizes = torch.tensor([layout.fields[i].size for i in layout.cat])
        return not len(rows) or bool((rows.cat.amax(0).long() < sizes).all())

    def row(self, moments: Sequence[Moment], top: float, width: float) -> tuple[str, float]:
        """The column at each moment over the real one, from ``top`` down, and where it ends."""
        title = text(f"{short(self.column, 50)}: drawn values over {self.of}", 14, top + 14, "b")
        if not moments:
            return title + text("No rows have been drawn yet.", 14, top + 36, "mut"), top + 48
        if not all(self.fits(moment.rows) for moment in moments):
            words = "The drawn rows are of another table, or were encoded in another way."
            return title + text(words, 14, top + 36, "mut"), top + 48
        frames = [self.real, *(self._frame(moment) for moment in moments)]
        kinds = {self.column: self.kind}
        tables = [Table(f, c) for f, c in zip(frames, code_tables(*frames, kinds=kinds), strict=True)]
        picture = column_picture(self.column, tables[0], tables[1:], dated=self.kind == "datetime")
        if isinstance(picture, str):
            return title + text(picture, 14, top + 36, "mut"), top + 48
        errors = [shape_error(self.real, frame, kinds=kinds).value for frame in frames[1:]]
        legend, y = _legend([moment.label for moment in moments], errors, self.of, top + 34, width)
        body, y = _picture(picture, y, width)
        return title + legend + body, y

    def _frame(self, moment: Moment) -> pd.DataFrame:
        key = id(moment.rows)  # kept alive beside what was read of it
        if key not in self._read:
            self._read[key] = moment.rows, self.encoder.decode(moment.rows)[[self.column]]
        return self._read[key][1]


# -------------------------------------------------------------------- drawing
def _picture(picture: Bins | Bars, y: float, width: float) -> tuple[str, float]:
    if isinstance(picture, Bars):
        return _bars((*picture.pairs, *picture.beside), y, width)
    body = ""
    if len(picture.real):
        body, y = _lines(picture, y, width)
    outside = [pair for pair in picture.outside if max(pair.synthetic) >= _FAR]
    bars, y = _bars((*picture.beside, *outside), y, width, most=1.0)
    return body + bars, y


def _shade(k: int, of: int) -> float:
    """The opacity of a moment: the last in full."""
    return 1.0 if of < 2 else 0.3 + 0.7 * k / (of - 1)


def _legend(labels: Sequence[str], errors: Sequence[float], of: str, y: float, width: float) -> tuple[str, float]:
    body = el("rect", x=14, y=y - 9, width=20, height=10, class_="area") + text(of, 40, y)
    x = 52 + 6.2 * len(of)
    for k, (label, error) in enumerate(zip(labels, errors, strict=True)):
        words = label if math.isnan(error) else f"{label}: off by {percent(error)}"
        size = 38 + 5.9 * len(words)
        if x + size > width:
            x, y = 14.0, y + 15
        shade = _shade(k, len(labels))
        body += el("rect", x=x, y=y - 9, width=20, height=10, class_="mbar", fill_opacity=shade)
        body += text(words, x + 26, y)
        x += size + 6
    return body, y + 12


def _lines(picture: Bins, top: float, width: float) -> tuple[str, float]:
    """Real values as a histogram's area, each moment as a line through the middles of the same bins."""
    base = top + _HIGH
    x, body = bins_axis(picture, base, width)
    at = np.array([x(float(edge)) for edge in picture.edges])
    wide = np.diff(at)
    real = picture.real / wide
    dense = [share / wide for share in picture.synthetic]
    peak = float(real.max()) or 1.0
    most = min(max(peak, *(float(d.max()) for d in dense)), _CAP * peak)
    body += el("path", d=steps(at, base - real / most * (_HIGH - 8), base) + "Z", class_="area")
    middle = (at[:-1] + at[1:]) / 2
    for k, d in enumerate(dense):
        y = base - np.minimum(d / most, 1.0) * (_HIGH - 8)
        line = joined(zip(middle.tolist(), y.tolist(), strict=True))
        last = k == len(dense) - 1
        shade = round(_shade(k, len(dense)), 2)
        body += el("path", d=line, class_="moment", stroke_opacity=shade, stroke_width=2.4 if last else 1.8)
    return body, base + 26


def _bars(pairs: Sequence[Pair], top: float, width: float, most: float | None = None) -> tuple[str, float]:
    """Per share a bar of the real values, and one of each moment under it."""
    known = [s for p in pairs for s in (p.real, *p.synthetic) if not math.isnan(s)]
    most = most or max(known, default=0.0) or 1.0
    body, y, thin = "", top + 4, 5
    for pair in pairs:
        size = (len(pair.synthetic) + 2) * (thin + 0.5)
        body += text(short(pair.label, 18), _LABEL - 6, y + size / 2 + 4, "end")
        right = width - 60.0 - _LABEL
        share = 0.0 if math.isnan(pair.real) else pair.real
        body += el("rect", x=_LABEL, y=y, width=max(share / most * right, 0.6), height=2 * thin, class_="rbar")
        words = "few rows" if math.isnan(pair.real) else percent(pair.real)
        body += text(words, width - 8, y + 9, "mut end")
        body += text(percent(pair.synthetic[-1]), width - 8, y + size - 1, "end")
        tip = f"{pair.label}: real {words}, then {', '.join(percent(s) for s in pair.synthetic)}"
        for k, s in enumerate(pair.synthetic):
            place = {"x": _LABEL, "y": y + 2 * thin + 1 + k * (thin + 0.5), "width": max(s / most * right, 0.6)}
            shade = round(_shade(k, len(pair.synthetic)), 2)
            body += el("rect", el("title", tip), **place, height=thin, class_="mbar", fill_opacity=shade)
        y += size + 12
    return body, y
