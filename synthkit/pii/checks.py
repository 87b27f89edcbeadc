"""Digits of many texts at once: check digits by Luhn and weighted sums, and digits that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "beside",
    "dates",
    "digits_of",
    "is_day",
    "italian_letter",
    "joined",
    "luhn_digit",
    "luhn_holds",
    "number_of",
    "objects",
    "pair",
    "random_digits",
    "retried",
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


# ---------------------------------------------------------------- made numbers
def beside(digits: Digits, *more: Digits) -> Digits:
    """``(rows, ...)`` digits side by side, columns or single ones."""
    return np.column_stack([digits, *more])


def retried(make: Callable[[int], tuple[Digits, NDArray[np.bool_]]], rows: int) -> Digits:
    """Rows of ``make`` that are good, as many as are wanted."""
    parts: list[Digits] = []
    have = 0
    while have < rows:
        drawn, good = make(2 * (rows - have) + 8)
        parts.append(drawn[good])
        have += int(good.sum())
    return np.concatenate(parts)[:rows] if parts else make(1)[0][:0]


def dates(rng: np.random.Generator, rows: int, low: int = 1940, high: int = 2006) -> tuple[Digits, Digits, Digits]:
    """Years, months, days."""
    return rng.integers(low, high, rows), rng.integers(1, 13, rows), rng.integers(1, 29, rows)


def pair(n: Digits) -> Digits:
    """``(rows, 2)`` the last two digits of a number."""
    return np.column_stack([n // 10 % 10, n % 10])


def is_day(month: Digits, day: Digits) -> NDArray[np.bool_]:
    """``(rows,)`` whether a month, and about a day, have these numbers."""
    return np.asarray((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31))
