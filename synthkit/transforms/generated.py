"""Columns that no model learns: keys, free text, constants and empty columns. They are generated at decoding."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from synthkit import io
from synthkit.errors import LoadError, SchemaError
from synthkit.protect import Protection
from synthkit.schema import Constant, Empty, Identifier, Text
from synthkit.transforms.base import Array, ColumnTransformer
from synthkit.transforms.counts import Support

__all__ = ["ConstantTransformer", "EmptyTransformer", "IdentifierTransformer", "TextTransformer"]

_CLASSES = {"d": "0123456789", "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "l": "abcdefghijklmnopqrstuvwxyz"}
_LONGEST = 20  # digits of an integer
_PLACES = 1000  # characters of a declared key
_ENOUGH = 20  # distinct keys that must share a character before it is kept
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

    def __init__(self, kind: Constant) -> None:
        super().__init__(kind)
        self.support = Support()  # of the value

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        self.support.add(len(values), entity)

    def merge(self, other: ConstantTransformer) -> None:
        self.support.merge(other.support)

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
        drawn = _WORDS[rng.integers(len(_WORDS), size=(rows, self._mean))]
        out = drawn[:, 0]
        for j in range(1, self._mean):
            out = out + " " + drawn[:, j]
        return out

    @property
    def _mean(self) -> int:
        return max(1, min(30, round(self._words / max(self._cells, 1))))

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"words": self._mean, "cells": 1}, {}  # the exact sum would tell a text to who knows the others

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._words, self._cells = int(json["words"]), int(json["cells"])


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
        self._places: list[tuple[set[str], Support]] = []  # characters seen there, and what has keys so long
        self._keys: set[str] = set()  # some distinct keys, only to tell that there are _ENOUGH

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        if not len(values):
            return
        if values.dtype.kind in "if":
            self._integer = True
            self._digits = max(self._digits, len(str(int(np.abs(values).max()))))
        elif not self.kind.pattern:
            keys = [str(v) for v in values]
            lengths, distinct = np.array([len(k) for k in keys]), set(keys)
            places = []
            for j in range(int(lengths.max())):
                at, support = lengths > j, Support()
                support.add(int(at.sum()), None if entity is None else entity[at])
                places.append(({k[j] for k in distinct if len(k) > j}, support))
            self._add(places, distinct)

    def _add(self, places: list[tuple[set[str], Support]], keys: set[str]) -> None:
        self._places += [(set[str](), Support()) for _ in places[len(self._places) :]]
        for (letters, support), (new, more) in zip(self._places, places, strict=False):
            letters |= new
            support.merge(more)
        self._keys |= set(sorted(keys)[: _ENOUGH - len(self._keys)] if len(self._keys) < _ENOUGH else ())

    def merge(self, other: IdentifierTransformer) -> None:
        self._integer, self._digits = self._integer or other._integer, max(self._digits, other._digits)
        self._add(other._places, other._keys)

    def finish(self, protection: Protection) -> None:
        if self._places:
            fixed = len(self._keys) >= _ENOUGH and len(self._places[0][1]) >= protection.min_count
            # what lies beyond the ends of nearly all keys is the rest of few, and says who they are
            least = min(protection.min_count, len(self._places[0][1]))
            self._shape = [
                _place(letters, fixed and support.rows >= _ENOUGH)
                for letters, support in self._places
                if len(support) >= least
            ]
        self._places, self._keys = [], set()

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        if self._integer and self._shape is None:
            low = 10 ** max(self._digits - 1, 0)
            while 9 * low < 2 * rows:
                low *= 10
            start = low + int(rng.integers(0, max(9 * low - rows, 1)))
            return np.arange(start, start + rows, dtype=np.int64)
        shape = self._shape or ["d"] * 8
        room = math.prod(float(len(_alphabet(c))) for c in shape)  # floats: long keys have more than 2**63
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
        shape, digits = json["shape"], int(json["digits"])
        known = shape is None or all(c[:1] == "=" or (c and set(c) <= set(_CLASSES)) for c in shape)
        if not known or not 0 <= digits <= _LONGEST:
            raise LoadError("IdentifierTransformer.load_state: the file's shape of keys is none; it was altered.")
        self._shape, self._integer, self._digits = shape, bool(json["integer"]), digits


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
        piece, times = match.group(1), int((match.group(2) or "1")[:9])
        if len(out) + times > _PLACES:  # a file may ask for any number
            raise SchemaError(f"Identifier: argument 'pattern' asks for keys of more than {_PLACES} characters.")
        kind = {"\\d": "d", "[0-9]": "d", "[A-Z]": "U", "[a-z]": "l"}.get(piece, "=" + piece.removeprefix("\\"))
        out += [kind] * times
        at = match.end()
    return out


def _alphabet(kind: str) -> str:
    return kind[1:] if kind.startswith("=") else "".join(_CLASSES[c] for c in kind)


def _class(c: str) -> str:
    return "d" if c.isdigit() else "U" if c.isupper() else "l"


def _place(letters: set[str], fixed: bool) -> str:
    """What stands in one place of a key: a literal where every one of many keys has it, else classes."""
    if fixed and len(letters) == 1:
        return "=" + next(iter(letters))
    return "".join(sorted({_class(c) for c in letters if c.isalnum()})) or "=" + min(letters)
