"""One column <-> its fields. A transformer sees the filled cells of one column, never a table and never a null."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthkit.protect import Protection
from synthkit.schema import ColumnType

__all__ = ["Array", "ColumnTransformer", "Part", "Range"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """A field of a column, before it has a place in a layout.

    Attributes:
        name: "code", "offset", "weekday", ...; size: codes, or 0 for a number in [0, 1].
        given: ``(name, codes)`` of the earlier part that decides where this one applies.
        ordered: neighbouring codes are alike.
    """

    name: str
    size: int = 0
    given: tuple[str, tuple[int, ...]] | None = None
    ordered: bool = False


@dataclass(frozen=True)
class Range:
    """What of each code of a part meets a condition: its share, and the interval of offsets. ``(size,)`` each."""

    part: str
    weights: Array
    low: Array
    high: Array


class ColumnTransformer(ABC):
    """Learns one column in pieces (``update``, ``merge``, ``finish``), then encodes and decodes it.

    To add a column type, derive from this class and add one line to ``synthkit.transforms.TRANSFORMERS``.
    """

    type: ClassVar[type[ColumnType]]
    stream: str | None = None  # columns with the same word here are decoded from the same random numbers

    def __init__(self, kind: ColumnType) -> None:
        self.kind = kind
        self.changed: dict[str, float] = {}  # what ``finish`` did for protection, see ``synthkit.protected.COUNTS``

    @abstractmethod
    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        """Count filled cells. ``entity`` holds integers that say whose they are; ``weight`` their survey weights."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Add what another transformer of the same column has counted."""

    @abstractmethod
    def finish(self, protection: Protection) -> None:
        """Turn counts into a law; drop the counts. ``protection`` is the column's own: its threshold is drawn."""

    def hide(self) -> None:  # noqa: B027 (nothing counted is nothing told, but where the type itself tells it)
        """No value of the column is to be told, not even that it may be drawn."""

    def shown(self, kind: ColumnType) -> ColumnType:
        """The column's type, without what protection took from it (a category of a dtype, digits)."""
        return kind

    @property
    def parts(self) -> tuple[Part, ...]:
        """The fields of the column, null apart."""
        return ()

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        """Per part, entries and where they are known, ``(n,)`` each."""
        return {}

    @abstractmethod
    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        """Canonical values ``(rows,)``; deterministic unless the column is generated afresh."""

    def ranges(self, low: Any, high: Any) -> list[Range]:
        """Which codes lie in [low, high] (canonical values or None). Empty where the type has no order."""
        return []

    def listed(self, values: Array) -> list[Range]:
        """Which codes hold one of ``values`` (canonical)."""
        return []

    def contains(self, values: Array) -> NDArray[np.bool_]:
        """Which canonical values the learnt domain can hold, ``(n,)``."""
        return np.ones(len(values), dtype=bool)

    @abstractmethod
    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """A JSON value and arrays."""

    @abstractmethod
    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Become what :meth:`to_state` described."""
