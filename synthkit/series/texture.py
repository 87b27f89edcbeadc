"""The fine structure of recorded numbers: the values that an instrument can show, and rows that repeat the last one.

A model of channels draws numbers that never repeat. Where training rows stand still more often than draws do, draws are
held: a level as long as it has moved by less than a dead band (as instruments do), a column that wanders by a chain of
two states, together with the others that do (days without trading).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.series.knots import Knots, find_knots

__all__ = ["Texture", "nearest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_COVERED = 0.9  # of all rows have values that many others have: the column can show those alone
_EACH = 8.0  # rows per value at least
_STILL = 0.02  # a share of still rows worth telling


@dataclass(eq=False)
class Texture:
    """What is known. Shapes: Q keys.

    Attributes:
        atoms: key -> the values it can show, ascending, each of at least ``least`` rows; band: key -> dead band.
        knots: key -> rows that tell those between (see :mod:`synthkit.series.knots`).
        alone, together: chances of standing still after a moving and after a still row; by key, and of all such keys.
    """

    atoms: dict[int, Floats] = field(default_factory=dict)
    band: dict[int, float] = field(default_factory=dict)
    alone: dict[int, list[float]] = field(default_factory=dict)
    together: list[float] = field(default_factory=lambda: [0.0, 0.0])
    knots: dict[int, Knots] = field(default_factory=dict)

    def learn_knots(self, values: Floats, rows: Ints, keys: list[int]) -> None:
        """Learn which columns of ``(T, Q)`` values follow from few of their rows ``(T,)``."""
        found = {q: find_knots(values[:, q], rows) for q in keys}
        self.knots = {q: knots for q, knots in found.items() if knots is not None}

    def learn_atoms(self, values: Floats, keys: list[int], least: int, rows: Ints | None = None) -> None:
        """Learn what ``(T, Q)`` values, in ``rows`` ``(T,)``, can be shown (at knots, where a column has those)."""
        for q in keys:
            x = values[:, q] if rows is None or q not in self.knots else values[self.knots[q].at(rows), q]
            shown, counts = np.unique(x, return_counts=True)
            kept = counts >= max(least, 1)
            if counts[kept].sum() >= _COVERED * len(x) and len(x) >= _EACH * len(shown):
                self.atoms[q] = shown[kept]

    def learn_stillness(
        self, values: Floats, drawn: Floats, levels: list[int], changes: list[int], starts: Ints
    ) -> None:
        """Learn when ``(T, Q)`` values stand still, beside ``(n, L, Q)`` draws without a texture."""
        inside = np.ones(len(values) - 1, bool)
        inside[starts[1:] - 1] = False
        still = (np.diff(values, axis=0) == 0)[inside]
        for q in [q for q in levels if q not in self.knots]:
            share = float(still[:, q].mean())
            if share > _STILL and share - _stillness(self._shown(drawn[..., q], q)) > _STILL / 2:
                band = self._band(drawn[..., q], q, share)
                if band > 0:
                    self.band[q] = band
        wandering = [q for q in changes if still[:, q].mean() > _STILL and q not in self.knots]
        if not wandering:
            return
        joint = still[:, wandering].all(1) if len(wandering) > 1 else np.zeros(len(still), bool)
        self.together = _chain(joint, np.ones(len(joint) - 1, bool))
        for q in wandering:
            self.alone[q] = _chain(still[:, q], ~joint[1:])

    def apply(self, values: Floats, rows: Ints, seed: int, last: Floats | None = None) -> None:
        """Give ``(n, L, Q)`` values of ``(n, L)`` rows their texture, in place; last: ``(Q,)`` values before them."""
        for q, band in self.band.items():  # before it is shown: of what steps of 10, a band of 10 would take them all
            values[..., q] = _held(values[..., q], band)
        for q in self.atoms:
            values[..., q] = self._shown(values[..., q], q)
        if self.alone:
            self._still(values, np.random.default_rng((seed, 11)))
        for q, knots in self.knots.items():
            values[..., q] = knots.apply(values[..., q], rows, None if last is None else float(last[q]))

    def _shown(self, x: Floats, q: int) -> Floats:
        """The nearest values that a key can show."""
        return x if q not in self.atoms else nearest(self.atoms[q], x)

    def _band(self, x: Floats, q: int, share: float) -> float:
        """The dead band under which a share of the rows ``(n, L)`` of a key stand still."""
        low, high = 0.0, float(np.quantile(np.abs(np.diff(x, axis=1)), min(share, 1.0))) * 2 + 1e-12
        for _ in range(14):
            middle = (low + high) / 2
            if _stillness(self._shown(_held(x, middle), q)) < share:
                low = middle
            else:
                high = middle
        off = [abs(_stillness(self._shown(_held(x, band), q)) - share) for band in (0.0, low, high)]
        return (0.0, low, high)[int(np.argmin(off))]  # a draw of few values may be too still with any band

    def _still(self, values: Floats, rng: np.random.Generator) -> None:
        n, length, _ = values.shape
        joint = _states(self.together, rng.random((n, length)))
        for q, rates in self.alone.items():
            still = joint | _states(rates, rng.random((n, length)))
            still[:, 0] = False
            last = np.maximum.accumulate(np.where(still, 0, np.arange(length)), axis=1)
            values[..., q] = np.take_along_axis(values[..., q], last, axis=1)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        value = {"band": self.band, "alone": self.alone, "together": self.together}
        value["knots"] = {q: asdict(knots) for q, knots in self.knots.items()}
        return value, {str(q): atoms for q, atoms in self.atoms.items()}

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Texture:
        atoms = {int(q): np.asarray(x) for q, x in arrays.items()}
        knots = {q: Knots(**own) for q, own in value.get("knots", {}).items()}
        return cls(atoms, dict(value["band"]), dict(value["alone"]), list(value["together"]), knots)


def nearest(shown: Floats, x: Floats) -> Floats:
    """The nearest of the ascending values ``shown`` to each number; of one value alone, the numbers as they are."""
    if len(shown) < 2:
        return x
    at = np.clip(np.searchsorted(shown, x), 1, len(shown) - 1)
    lower, upper = shown[at - 1], shown[at]
    return np.asarray(np.where(x - lower <= upper - x, lower, upper))


def _chain(still: NDArray[np.bool_], use: NDArray[np.bool_]) -> list[float]:
    before, now = still[:-1][use], still[1:][use]
    return [float(now[before == s].mean()) if (before == s).sum() >= 20 else float(still.mean()) for s in (False, True)]


def _states(rates: list[float], u: Floats) -> NDArray[np.bool_]:
    out = np.zeros(u.shape, bool)
    if rates[0] <= 0:
        return out
    now = u[:, 0] < rates[0]
    for t in range(u.shape[1]):
        now = u[:, t] < np.where(now, rates[1], rates[0])
        out[:, t] = now
    return out


def _held(x: Floats, band: float) -> Floats:
    """``(n, L)`` the last value until it is left by more than ``band``."""
    out = x.copy()
    now = x[:, 0]
    for t in range(1, x.shape[1]):
        now = np.where(np.abs(x[:, t] - now) <= band, now, x[:, t])
        out[:, t] = now
    return out


def _stillness(x: Floats) -> float:
    return float((np.diff(x, axis=1) == 0).mean())
