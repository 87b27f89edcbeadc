"""Drawing without a plotting library: SVG elements, axis ticks, number formats, and a figure that saves itself."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.report.style import figure_style

__all__ = ["Figure", "compact", "day", "el", "esc", "joined", "nice", "percent", "short", "steps", "text", "ticks"]


@dataclass(frozen=True)
class Figure:
    """One figure as SVG. A notebook shows it; :meth:`save` writes it.

    Attributes:
        body: the SVG elements.
        width, height: in pixels.
        title: what it shows, for people and for screen readers.
    """

    body: str
    width: int
    height: int
    title: str

    def inline(self, *, fluid: bool = True) -> str:
        """The element for a page that brings the style; ``fluid``: it fills the width of its place."""
        size = 'width="100%"' if fluid else f'width="{self.width}" height="{self.height}"'
        box = f'viewBox="0 0 {self.width} {self.height}"'
        return f'<svg class="sk" {size} {box} role="img" aria-label="{esc(self.title)}">{self.body}</svg>'

    def standalone(self) -> str:
        """A whole SVG file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="sk" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{esc(self.title)}">'
            f"<title>{esc(self.title)}</title><style>{figure_style()}</style>{self.body}</svg>"
        )

    def save(self, path: str | Path) -> Path:
        """Write an ``.svg`` file.

        Raises:
            ParamError: another suffix.
            OSError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ParamError(
                f"Figure.save: argument 'path' must end with .svg, got {path.suffix!r}; other programs turn SVG into "
                "PNG or PDF."
            )
        path.write_text(self.standalone(), encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.standalone()

    def __repr__(self) -> str:
        return f"<Figure: {self.title}>"


# -------------------------------------------------------------------- elements
def esc(words: object) -> str:
    """Text that is safe in HTML, in an element as in an attribute; control signs are dropped, any space is a space.

    >>> esc('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    line = str(words)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else " " for c in line if c.isprintable() or c.isspace())
    return html.escape(line, quote=True)


def el(tag: str, content: str = "", **attributes: object) -> str:
    """An element; ``class_`` is class, ``_`` in a name is a dash, ``None`` leaves an attribute out."""
    pairs = ((k.rstrip("_").replace("_", "-"), v) for k, v in attributes.items() if v is not None)
    inside = "".join(f' {k}="{_value(v)}"' for k, v in pairs)
    return f"<{tag}{inside}>{content}</{tag}>"


def _value(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.2f}".rstrip("0").rstrip(".")
    return esc(value)


def text(words: object, x: float | str, y: float, class_: str = "") -> str:
    """A line of text."""
    return el("text", esc(words), x=x, y=y, class_=class_ or None)


def joined(points: Iterable[tuple[float, float]]) -> str:
    """The path through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def steps(x: NDArray[np.float64], y: NDArray[np.float64], base: float) -> str:
    """The outline of a histogram: ``x`` edges, ``y`` tops, both in pixels."""
    points = [(float(x[0]), base)]
    for k, top in enumerate(y):
        points += [(float(x[k]), float(top)), (float(x[k + 1]), float(top))]
    return joined([*points, (float(x[-1]), base)])


# -------------------------------------------------------------------- numbers
def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.0423), percent(0.5), percent(0.0004), percent(0.0), percent(1.0)
    ('4.2 %', '50.0 %', '0.04 %', '0 %', '100 %')
    """
    if math.isnan(share):
        return "-"
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.1g} %"


def compact(value: float) -> str:
    """A number for an axis.

    >>> compact(12000), compact(0.25), compact(3.0), compact(1.5e6), compact(-0.0)
    ('12k', '0.25', '3', '1.5M', '0')
    """
    size = abs(value)
    for unit, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if sign == 'k' else unit):.3g}{sign}"
    if size < 1e-12:
        return "0"
    return f"{value:.1e}" if size < 1e-3 else f"{value:.4g}"


def day(seconds: float) -> str:
    """The day of a date that is given in seconds since 1970."""
    return str(np.datetime64(round(seconds), "s").astype("datetime64[D]"))


def short(words: object, size: int) -> str:
    """At most ``size`` signs, with an ellipsis.

    >>> short("Married-civ-spouse", 9)
    'Married-…'
    """
    line = str(words)
    return line if len(line) <= size else line[: size - 1] + "…"


def nice(value: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is no less than a value.

    >>> nice(0.03), nice(17.0), nice(1.0)
    (0.05, 20.0, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= value * (1 - 1e-9)))


def ticks(low: float, high: float, wanted: int = 5, *, log: bool = False, dated: bool = False) -> list[float]:
    """Round values inside a range; years, months or days of dates.

    >>> ticks(3, 47), ticks(1, 5000, log=True)
    ([10.0, 20.0, 30.0, 40.0], [1.0, 10.0, 100.0, 1000.0])
    """
    if not low < high:
        return [low]
    if log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        every = max(1, math.ceil(len(powers) / wanted))
        found = [10.0**p for p in powers][::every]
        return found if len(found) > 1 else ticks(low, high, wanted)
    if dated:
        return _dates(low, high, wanted)
    step = nice((high - low) / wanted)
    return [float(k * step) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _dates(low: float, high: float, wanted: int) -> list[float]:
    """numpy's dates, as they know every year."""
    days = (high - low) / 86400 / wanted
    unit, every = next((unit, every) for most, unit, every in _CALENDAR if days <= most)
    start, end = (np.datetime64(round(v), "s").astype(f"datetime64[{unit}]").astype(int) for v in (low, high))
    shift = 1970 if unit == "Y" else 0
    found = [k for k in range(int(start), int(end) + 1) if (k + shift) % every == 0]
    seconds = np.array(found, np.int64).astype(f"datetime64[{unit}]").astype("datetime64[s]").astype(np.int64)
    return [float(value) for value in seconds if low <= value <= high]


_CALENDAR: Sequence[tuple[float, str, int]] = (
    (1.5, "D", 1),
    (8, "D", 7),
    (40, "M", 1),
    (130, "M", 3),
    (500, "Y", 1),
    (1000, "Y", 2),
    (2500, "Y", 5),
    (5000, "Y", 10),
    (25000, "Y", 50),
    (math.inf, "Y", 500),
)
