"""Codecs of single columns of a series, and of bars. Shapes: T rows, Q columns, n draws, L steps.

A *state* is what a draw goes on from: the last (log) level of a column whose changes are modelled; nothing otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthkit import io
from synthkit.series.bars import Bars
from synthkit.series.far import extremes_of
from synthkit.series.scores import ScoreLaw

__all__ = ["BarColumns", "ChangeColumn", "Part", "ScoreColumn", "part_from_state"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FARTHEST = 700.0  # of a logarithm: beyond it there is no float
_REACH = 1.5  # a change is at most this much of the largest of training


def _within(x: Floats, limit: Floats) -> Floats:
    return np.clip(x, limit[0], limit[1])


@dataclass(eq=False)
class Part(ABC):
    """The codec of some columns.

    Attributes:
        columns: which of the Q columns; kinds: names of its channels; level: ``(width,)`` which of them are levels.
    """

    columns: tuple[int, ...]
    name: ClassVar[str] = ""
    kinds: ClassVar[tuple[str, ...]] = ()

    @property
    def width(self) -> int:
        return len(self.kinds)

    @property
    def level(self) -> NDArray[np.bool_]:
        return np.ones(self.width, bool)

    @abstractmethod
    def encode(self, values: Floats, starts: Ints, rng: np.random.Generator) -> Floats:
        """``(T, Q)`` values to ``(T, width)`` channels."""

    @abstractmethod
    def decode(self, raw: Floats, state: Floats, out: Floats) -> None:
        """Write what ``(n, L, width)`` channels mean, from ``(n or 1, k)`` states on, into ``(n, L, Q)`` values."""

    def state(self, values: Floats) -> Floats:
        """``(k,)`` the state after a row of ``(Q,)`` values."""
        return np.zeros(0)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        return {"name": self.name, "columns": list(self.columns)}, {}


@dataclass(eq=False)
class ScoreColumn(Part):
    """A level: its normal score."""

    law: ScoreLaw

    name: ClassVar[str] = "score"
    kinds: ClassVar[tuple[str, ...]] = ("score",)

    @classmethod
    def fit(cls, q: int, x: Floats, least: int) -> ScoreColumn:
        low = 0.0 if (x >= 0).all() else -np.inf
        high = 0.0 if (x <= 0).all() else np.inf
        return cls((q,), ScoreLaw.fit(x, min_count=max(least, 1), bounds=(low, high)))

    def encode(self, values: Floats, starts: Ints, rng: np.random.Generator) -> Floats:
        return self.law.scores(values[:, self.columns[0]], rng)[:, None]

    def decode(self, raw: Floats, state: Floats, out: Floats) -> None:
        out[..., self.columns[0]] = self.law.values(raw[..., 0])

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        return super().to_state()[0], self.law.to_state()


@dataclass(eq=False)
class ChangeColumn(Part):
    """A column that wanders: the change of its logarithm, or of itself."""

    logs: bool
    limit: Floats

    name: ClassVar[str] = "change"
    kinds: ClassVar[tuple[str, ...]] = ("change",)

    @classmethod
    def fit(cls, q: int, x: Floats, starts: Ints, logs: bool, least: int = 1) -> ChangeColumn:
        return cls((q,), logs, _limit(_changes(np.log(x) if logs else x, starts), least))

    @property
    def level(self) -> NDArray[np.bool_]:
        return np.zeros(1, bool)

    def encode(self, values: Floats, starts: Ints, rng: np.random.Generator) -> Floats:
        x = values[:, self.columns[0]]
        return _changes(_log(x) if self.logs else x, starts)[:, None]

    def decode(self, raw: Floats, state: Floats, out: Floats) -> None:
        level = state[:, :1] + np.cumsum(_within(raw[..., 0], self.limit), axis=1)
        out[..., self.columns[0]] = np.exp(np.clip(level, -_FARTHEST, _FARTHEST)) if self.logs else level

    def state(self, values: Floats) -> Floats:
        x = values[list(self.columns)]
        return _log(x) if self.logs else x

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        return super().to_state()[0] | {"logs": self.logs}, {"limit": self.limit}


@dataclass(eq=False)
class BarColumns(Part):
    """Open, high, low and close. Shadows come first: what they say of the day's spread tells the others' scale."""

    laws: tuple[ScoreLaw, ScoreLaw]
    limit: Floats

    name: ClassVar[str] = "bars"
    kinds: ClassVar[tuple[str, ...]] = ("upper", "lower", "gap", "body")

    @property
    def level(self) -> NDArray[np.bool_]:
        return np.array([True, True, False, False])

    @staticmethod
    def _channels(columns: tuple[int, ...], values: Floats, starts: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        logs: dict[Any, Floats] = {q: _log(values[:, q]) for q in columns}
        gap, body, up, down = Bars(*columns).encode(logs)
        gap[starts] = 0.0  # nothing is known of what came before a segment
        return gap, body, up, down

    @classmethod
    def fit(cls, columns: tuple[int, ...], values: Floats, starts: Ints, least: int) -> BarColumns:
        gap, body, up, down = cls._channels(columns, values, starts)
        low, high = (ScoreLaw.fit(k, min_count=max(least, 1), bounds=(0.0, np.inf)) for k in (up, down))
        return cls(columns, (low, high), np.stack([_limit(x, least) for x in (gap, body)]))

    def encode(self, values: Floats, starts: Ints, rng: np.random.Generator) -> Floats:
        gap, body, up, down = self._channels(self.columns, values, starts)
        return np.stack([self.laws[0].scores(up, rng), self.laws[1].scores(down, rng), gap, body], 1)

    def decode(self, raw: Floats, state: Floats, out: Floats) -> None:
        gap, body = _within(raw[..., 2], self.limit[0]), _within(raw[..., 3], self.limit[1])
        close = np.clip(state[:, :1] + np.cumsum(gap + body, axis=1), -_FARTHEST, _FARTHEST)
        up, down = self.laws[0].values(raw[..., 0]), self.laws[1].values(raw[..., 1])
        for q, x in Bars(*self.columns).decode(close - body, close, up, down).items():
            out[..., q] = np.exp(np.clip(x, -_FARTHEST, _FARTHEST))  # type: ignore[index]

    def state(self, values: Floats) -> Floats:
        return _log(values[[self.columns[3]]])

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        arrays: dict[str, NDArray[Any]] = {"limit": self.limit}
        for key, law in zip(("up", "down"), self.laws, strict=True):
            arrays |= {f"{key}/{k}": v for k, v in law.to_state().items()}
        return super().to_state()[0], arrays


def part_from_state(value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Part:
    """The inverse of ``to_state``."""
    columns = tuple(int(q) for q in value["columns"])
    if value["name"] == "score":
        return ScoreColumn(columns, ScoreLaw.from_state(arrays))
    if value["name"] == "change":
        return ChangeColumn(columns, bool(value["logs"]), np.asarray(arrays["limit"]))
    up, down = (ScoreLaw.from_state(io.below(arrays, key)) for key in ("up/", "down/"))
    return BarColumns(columns, (up, down), np.asarray(arrays["limit"]))


def _limit(change: Floats, least: int) -> Floats:
    """``(2,)`` the largest fall and rise that a draw may have."""
    low, high = extremes_of(change, least)
    return _REACH * np.array([min(low, 0.0), max(high, 0.0)])


def _log(x: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(x, np.exp(-_FARTHEST))))


def _changes(x: Floats, starts: Ints) -> Floats:
    out = np.append(0.0, np.diff(x))
    out[starts] = 0.0  # nothing is known of what came before a segment
    return out
