"""Columns that no model learns: keys, free text, constants and empty columns. They are generated at decoding."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from synthkit import io
from synthkit.errors import SchemaError
from synthkit.protect import Protection
from synthkit.schema import Constant, Empty, Identifier, Text
from synthkit.transforms.base import Array, ColumnTransformer

__all__ = ["ConstantTransformer", "EmptyTransformer", "IdentifierTransformer", "TextTransformer"]

_CLASSES = {"d": "0123456789", "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "l": "abcdefghijklmnopqrstuvwxyz"}
_WORDS = np.array(
    [
        "amber",
        "basin",
        "cedar",
        "delta",
        "ember",
        "field",
        "grove",
        "haven",
        "inlet",
        "jetty",
        "knoll",
        "lunar",
        "maple",
        "north",
        "ocean",
        "plain",
        "quiet",
        "ridge",
        "stone",
        "tidal",
        "urban",
        "vista",
        "water",
        "zonal",
    ],
    dtype=object,
)


class _Unlearnt(ColumnTransformer):
    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        pass

    def merge(self, other: Any) -> None:
        pass

    def finish(self, protection: Protection) -> None:
        pass

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        pass


class ConstantTransformer(_Unlearnt):
    """The one value."""

    type = Constant
    kind: Constant

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        out = np.empty(rows, dtype=object)
        out[:] = [self.kind.value] * rows
        return out

    def contains(self, values: Array) -> Array:
        return np.array([v == self.kind.value for v in values], dtype=bool)


class EmptyTransformer(_Unlearnt):
    """Null everywhere."""

    type = Empty

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        return np.full(rows, None, dtype=object)


class TextTransformer(_Unlearnt):
    """Placeholder words, as many as the column's texts have on average. Nothing of the texts is kept."""

    type = Text

    def __init__(self, kind: Text) -> None:
        super().__init__(kind)
        self._words, self._cells = 0, 0

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        self._words += int(sum(str(v).count(" ") + 1 for v in values))
        self._cells += len(values)

    def merge(self, other: TextTransformer) -> None:
        self._words += other._words
        self._cells += other._cells

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        mean = max(1, min(30, round(self._words / max(self._cells, 1))))
        drawn = _WORDS[rng.integers(len(_WORDS), size=(rows, mean))]
        out = drawn[:, 0]
        for j in range(1, mean):
            out = out + " " + drawn[:, j]
        return out

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"words": self._words, "cells": self._cells}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._words, self._cells = json["words"], json["cells"]


class IdentifierTransformer(_Unlearnt):
    """Unique keys of the column's shape: per position a class of characters; integers by their number of digits.

    Only classes are learnt, and a character that every key has in that place. A fresh key can equal a real one only
    by chance, where the shape leaves few keys.
    """

    type = Identifier
    kind: Identifier

    def __init__(self, kind: Identifier) -> None:
        super().__init__(kind)
        self._shape: list[str] | None = parse_pattern(kind.pattern) if kind.pattern else None
        self._integer, self._digits = False, 0

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        if not len(values):
            return
        self._integer = values.dtype.kind in "if"
        if self._integer:
            self._digits = max(self._digits, len(str(int(np.abs(values).max()))))
        elif not self.kind.pattern:
            self._shape = _shape_of([str(v) for v in values], self._shape)

    def merge(self, other: IdentifierTransformer) -> None:
        self._integer, self._digits = self._integer or other._integer, max(self._digits, other._digits)
        if other._shape is not None and not self.kind.pattern:
            self._shape = _shape_of([], other._shape) if self._shape is None else _join(self._shape, other._shape)

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        if self._integer and self._shape is None:
            low = 10 ** max(self._digits - 1, 0)
            while 9 * low < 2 * rows:
                low *= 10
            start = low + int(rng.integers(0, max(9 * low - rows, 1)))
            return np.arange(start, start + rows, dtype=np.int64)
        shape = self._shape or ["d"] * 8
        room = float(np.prod([len(_alphabet(c)) for c in shape]))
        while room < 4 * rows:
            shape = [*shape, "d"]
            room *= 10
        out = self._text(shape, rows, rng)
        for _ in range(100):  # birthday collisions are few, so a round or two is enough
            _, first = np.unique(out.astype(str), return_index=True)
            again = np.setdiff1d(np.arange(rows), first)
            if not len(again):
                break
            out[again] = self._text(shape, len(again), rng)
        return out

    def _text(self, shape: list[str], rows: int, rng: np.random.Generator) -> Array:
        out = np.full(rows, "", dtype=object)
        for c in shape:
            letters = np.array(list(_alphabet(c)), dtype=object)
            out = out + letters[rng.integers(len(letters), size=rows)]
        return out

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"shape": io.to_json(self._shape), "integer": self._integer, "digits": self._digits}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._shape, self._integer, self._digits = json["shape"], json["integer"], json["digits"]


def parse_pattern(pattern: str) -> list[str]:
    """Positions of a pattern of literals, ``[A-Z]``, ``[a-z]``, ``[0-9]``, ``\\d`` and ``{n}``.

    >>> parse_pattern(r"P-\\d{3}")
    ['=P', '=-', 'd', 'd', 'd']
    """
    out: list[str] = []
    token = re.compile(r"(\\d|\[A-Z\]|\[a-z\]|\[0-9\]|\\.|[^\[\]{}\\])(?:\{(\d+)\})?")
    at = 0
    while at < len(pattern):
        match = token.match(pattern, at)
        if match is None:
            raise SchemaError(
                f"Identifier: pattern {pattern!r} is not understood at {at}; use literals, [A-Z], \\d and {{n}}."
            )
        piece, times = match.group(1), int(match.group(2) or 1)
        kind = {"\\d": "d", "[0-9]": "d", "[A-Z]": "U", "[a-z]": "l"}.get(piece, "=" + piece.removeprefix("\\"))
        out += [kind] * times
        at = match.end()
    return out


def _alphabet(kind: str) -> str:
    return kind[1:] if kind.startswith("=") else "".join(_CLASSES[c] for c in kind)


def _class(c: str) -> str:
    return "d" if c.isdigit() else "U" if c.isupper() else "l" if c.islower() else "=" + c


def _shape_of(keys: list[str], shape: list[str] | None) -> list[str]:
    longest = max((len(k) for k in keys), default=0)
    found: list[str] = []
    for j in range(longest):
        letters = {k[j] for k in keys if len(k) > j}
        found.append(
            "=" + letters.pop()
            if len(letters) == 1 and len(keys) >= 20
            else "".join(sorted({_class(c) for c in letters if c.isalnum()})) or "=" + sorted(letters)[0]
        )
    return found if shape is None else _join(shape, found)


def _join(a: list[str], b: list[str]) -> list[str]:
    out = []
    for x, y in zip(a, b, strict=False):
        if x == y:
            out.append(x)
            continue
        kinds = {_class(k[1:]) if k.startswith("=") else k for k in (x, y)}
        out.append("".join(sorted({c for k in kinds if not k.startswith("=") for c in k})) or "d")
    return out + (a if len(a) > len(b) else b)[len(out) :]
