"""Price bars: found by the order that holds on every row, and coded so that it always holds.

A bar becomes the overnight gap log(open / close before), the body log(close / open), and one number for each shadow.
Within a bar that is a Brownian bridge of variance v, 2 u (u + |body|) / v is a standard exponential for the upper
shadow u = log(high / max(open, close)), whatever the body (the law of the maximum of a bridge); the lower one alike. So
k = sqrt(u (u + |body|)) measures the day's spread apart from its direction (its square is the term of Rogers and
Satchell, Annals of Applied Probability 1, 1991, 504-512), and any k >= 0 is a valid shadow.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bars", "find_bars"]

Floats = NDArray[np.float64]
_WIDTH = 0.5  # log(high / low) of a usual bar is below this, or they are no prices of one thing


@dataclass(frozen=True)
class Bars:
    """The columns of one bar."""

    open: Hashable
    high: Hashable
    low: Hashable
    close: Hashable

    @property
    def columns(self) -> tuple[Hashable, ...]:
        return (self.open, self.high, self.low, self.close)

    def encode(self, logs: Mapping[Hashable, Floats]) -> tuple[Floats, Floats, Floats, Floats]:
        """Gap (of the first row: 0), body, and the numbers of the upper and the lower shadow, from log prices."""
        o, h, low, c = (logs[name] for name in self.columns)
        gap = np.append(0.0, o[1:] - c[:-1])
        body = c - o
        up, down = np.maximum(h - np.maximum(o, c), 0.0), np.maximum(np.minimum(o, c) - low, 0.0)
        return gap, body, np.sqrt(up * (up + np.abs(body))), np.sqrt(down * (down + np.abs(body)))

    def decode(self, open_: Floats, close: Floats, up: Floats, down: Floats) -> dict[Hashable, Floats]:
        """Log prices of all four columns, from those of open and close and the numbers of the shadows."""
        size = np.abs(close - open_)

        def shadow(k: Floats) -> Floats:
            return np.asarray((np.sqrt(size**2 + 4 * np.maximum(k, 0.0) ** 2) - size) / 2)

        high = np.maximum(open_, close) + shadow(up)
        low = np.minimum(open_, close) - shadow(down)
        return {self.open: open_, self.high: high, self.low: low, self.close: close}


def find_bars(columns: Mapping[Hashable, Floats]) -> list[Bars]:
    """Bars among positive columns ``(T,)``: by name where names tell, else by the order of values on every row."""
    positive = {name: x for name, x in columns.items() if len(x) and (x > 0).all() and np.ptp(x) > 0}
    return _by_name(positive) or _by_order(positive)


def _holds(x: Mapping[Hashable, Floats], bars: Bars) -> bool:
    o, h, low, c = (x[name] for name in bars.columns)
    ordered = bool(((h >= np.maximum(o, c)) & (low <= np.minimum(o, c))).all())
    return ordered and float(np.median(np.log(h / low))) < _WIDTH and bool((h > low).any())


def _by_name(x: Mapping[Hashable, Floats]) -> list[Bars]:
    """Columns whose names are alike but for the words open, high, low and close."""
    found: dict[str, dict[str, Hashable]] = {}
    for name in x:
        text = str(name).lower()
        for word in ("open", "high", "low", "close"):
            if word in text and "adj" not in text:
                found.setdefault(text.replace(word, "*"), {}).setdefault(word, name)
    whole = [Bars(*(f[w] for w in ("open", "high", "low", "close"))) for f in found.values() if len(f) == 4]
    return [bars for bars in whole if _holds(x, bars)]


def _by_order(x: Mapping[Hashable, Floats]) -> list[Bars]:
    """One column above and one below two others on every row, and each touched by them now and then."""
    names = list(x)
    if not 4 <= len(names) <= 12:
        return []
    below = {a: [b for b in names if b != a and (x[b] <= x[a]).all() and not (x[b] == x[a]).all()] for a in names}
    out = []
    for high in names:
        for low in below[high]:
            inner = [n for n in below[high] if n != low and low in below[n]]
            if len(inner) != 2:
                continue
            a, b = inner
            first = float(np.abs(np.log(x[a][1:] / x[b][:-1])).mean())
            second = float(np.abs(np.log(x[b][1:] / x[a][:-1])).mean())
            bars = Bars(a, high, low, b) if first <= second else Bars(b, high, low, a)
            touched = (x[high] == np.maximum(x[a], x[b])).any() or (x[low] == np.minimum(x[a], x[b])).any()
            if touched and _holds(x, bars):
                out.append(bars)
    return out[:1]
