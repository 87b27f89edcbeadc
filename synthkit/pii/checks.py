"""Check digits, for many texts at once: Luhn, remainders of 97 and 11, weighted sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "digits_of",
    "italian_letter",
    "joined",
    "luhn_digit",
    "luhn_holds",
    "number_of",
    "objects",
    "random_digits",
    "weighted",
    "words",
]

Array = NDArray[Any]
Digits = NDArray[np.int64]


def objects(texts: Sequence[Any]) -> Array:
    """``(n,)`` object array of the items."""
    out = np.empty(len(texts), dtype=object)
    out[:] = list(texts)
    return out


def digits_of(texts: Sequence[str], length: int) -> Digits:
    """``(n, length)`` the digits of texts of so many ASCII digits each."""
    return np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(-1, length).astype(np.int64) - 48


def joined(digits: Digits) -> list[str]:
    """The inverse of :func:`digits_of`."""
    n, length = digits.shape
    text = (digits + 48).astype(np.uint8).tobytes().decode("ascii")
    return [text[i * length : (i + 1) * length] for i in range(n)]


def random_digits(rng: np.random.Generator, rows: int, length: int) -> Digits:
    """``(rows, length)`` uniform digits."""
    return rng.integers(0, 10, size=(rows, length))


def weighted(digits: Digits, weights: Sequence[int]) -> Digits:
    """``(n,)`` sums of the leading digits times ``weights``."""
    return digits[:, : len(weights)] @ np.asarray(weights, dtype=np.int64)


def number_of(digits: Digits) -> Digits:
    """``(n,)`` the digits read as one number of up to 18 digits."""
    return digits @ (10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64))


def luhn_digit(digits: Digits) -> Digits:
    """``(n,)`` the last digit that makes ``digits`` and it pass the check of ISO/IEC 7812-1 (Luhn, 1954)."""
    doubled = digits.copy()
    doubled[:, ::-2] *= 2
    return -np.where(doubled > 9, doubled - 9, doubled).sum(axis=1) % 10


def luhn_holds(digits: Digits) -> NDArray[np.bool_]:
    """``(n,)`` whether the last digit is the one of :func:`luhn_digit`.

    >>> luhn_holds(digits_of(["79927398713", "79927398710"], 11)).tolist()
    [True, False]
    """
    return np.asarray(luhn_digit(digits[:, :-1]) == digits[:, -1])


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def italian_letter(text: str) -> str:
    """The control letter of Italian tax codes and account numbers: of digits and capitals, odd places by a table.

    >>> italian_letter("0542811101000000123456")
    'X'
    """
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in text]
    return chr(65 + sum(v if i % 2 else _ODD[v] for i, v in enumerate(values)) % 26)


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is written as one text."""
    return tuple(text.split())
