"""National identity numbers: what they look like, whether they hold, and fresh ones that hold and are nobody's.

A fresh number passes the check that software makes, but lies in a range that is not issued, where the country has one;
``reserved`` says which, to our knowledge. Authorities may change them, and a strict reader may refuse one (a number
of Germany that begins with 0, one of the United States of area 900). ``realistic`` ones are drawn from all valid
numbers, so that one may be somebody's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.pii.checks import (
    Digits,
    beside,
    dates,
    digits_of,
    is_day,
    italian_letter,
    joined,
    luhn_digit,
    luhn_holds,
    number_of,
    pair,
    random_digits,
    retried,
    weighted,
)

__all__ = ["NATIONAL", "NationalId"]

Bools = NDArray[np.bool_]
Rng = np.random.Generator
_CONTROL = "TRWAGMYFPDXBNJZSQVHLCKE"  # of the Spanish numbers, by the remainder of 23
_FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"  # by the remainder of 31
_MONTHS = "ABCDEHLMPRST"  # of the codice fiscale


@dataclass(frozen=True)
class NationalId:
    """One kind of number.

    Attributes:
        country: ISO 3166 code; pattern: of the text without separators, in capitals; separators: what may stand
            between; mask: how it is usually written, ``#`` for each sign.
        check: of texts that match ``pattern``: ``(n,)`` which hold. make: so many texts, unseparated.
        alone: the form and the check say enough without the column's name; written: only if separators are there.
        reserved: what range fresh numbers are from, "" if there is none.
    """

    country: str
    pattern: str
    mask: str
    check: Callable[[Sequence[str]], Bools]
    make: Callable[[Rng, int, bool], list[str]]
    separators: str = r"[\s.\-/]"
    alone: bool = True
    written: bool = False
    reserved: str = ""

    def plain(self, text: str) -> str:
        """The text without separators, in capitals."""
        return re.sub(self.separators, "", text).upper()

    def formatted(self, text: str) -> str:
        """A plain text as it is usually written; longer ones with what they have in front."""
        more = max(len(text) - self.mask.count("#"), 0)  # a century, in Sweden
        signs = iter(text[more:])
        return text[:more] + "".join(next(signs, "") if m == "#" else m for m in self.mask)


# ---------------------------------------------------------------- United States, United Kingdom
def _ssn(texts: Sequence[str]) -> Bools:
    return np.array([t[:3] not in ("000", "666") and t[3:5] != "00" and t[5:] != "0000" for t in texts], dtype=bool)


def _make_ssn(rng: Rng, rows: int, realistic: bool) -> list[str]:
    area = rng.integers(1, 899, rows) if realistic else rng.integers(900, 1000, rows)
    area = area + ((area >= 666) & (area < 899) if realistic else 0)
    group = rng.integers(1, 100 if realistic else 50, rows)
    serial = rng.integers(1, 10_000, rows)
    return [f"{a:03d}{g:02d}{s:04d}" for a, g, s in zip(area, group, serial, strict=True)]


def _make_nino(rng: Rng, rows: int, realistic: bool) -> list[str]:
    numbers, last = joined(random_digits(rng, rows, 6)), rng.integers(0, 4, rows)
    first, second = "ABCEGHJKLMOPRSTWXYZ", "ABCEGHJKLMNPRSTWXYZ"
    out = []
    for number, k in zip(numbers, last, strict=True):
        prefix = "QQ"
        while realistic and (prefix == "QQ" or prefix in _NO_NINO):
            prefix = first[rng.integers(len(first))] + second[rng.integers(len(second))]
        out.append(prefix + number + "ABCD"[k])
    return out


_NO_NINO = ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _nino(texts: Sequence[str]) -> Bools:
    return np.array([t[:2] not in _NO_NINO for t in texts], dtype=bool)


_NHS = (10, 9, 8, 7, 6, 5, 4, 3, 2)


def _nhs(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 10)
    return (-weighted(d, _NHS) % 11 == d[:, 9]) & (d[:, :9].min(axis=1) != d[:, :9].max(axis=1))


def _make_nhs(rng: Rng, rows: int, realistic: bool) -> list[str]:
    return _make_eleven(rng, rows, 9, (4, 8) if realistic else None, lambda d: -weighted(d, _NHS) % 11)


def _make_eleven(
    rng: Rng, rows: int, length: int, first: tuple[int, int] | None, check: Callable[[Digits], Digits]
) -> list[str]:
    """Digits, the first of a range (None: they begin with 999), and a remainder of 11, where a digit can say it."""

    def draw(n: int) -> tuple[Digits, Bools]:
        d = random_digits(rng, n, length)
        d[:, 0] = 9 if first is None else rng.integers(*first, n)
        if first is None:
            d[:, 1:3] = 9
        last = check(d)
        return beside(d, last), last < 10

    return joined(retried(draw, rows))


# ---------------------------------------------------------------- Germany, Switzerland, France
def _iso7064(d: Digits) -> Digits:
    """The check digit of ISO/IEC 7064, MOD 11,10."""
    product = np.full(len(d), 10)
    for j in range(d.shape[1]):
        total = (d[:, j] + product) % 10
        product = np.where(total == 0, 10, total) * 2 % 11
    return (11 - product) % 10


def _tax_id(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 11)
    most = np.stack([(d[:, :10] == v).sum(axis=1) for v in range(10)], axis=1)
    return (_iso7064(d[:, :10]) == d[:, 10]) & (most.max(axis=1) >= 2) & (most.max(axis=1) <= 3)


def _make_tax_id(rng: Rng, rows: int, realistic: bool) -> list[str]:
    order = rng.random((rows, 10)).argsort(axis=1)  # nine digits once, and one of them twice: as issued until 2016
    twin = rng.integers(0, 9, rows)
    d = order.copy()
    d[:, 9] = d[np.arange(rows), twin]
    d = np.take_along_axis(d, rng.random((rows, 10)).argsort(axis=1), axis=1)
    if realistic:
        swap = d[:, 0] == 0
        d[swap] = (d[swap] + rng.integers(1, 10, int(swap.sum()))[:, None]) % 10
    else:
        d = (d - d[:, :1]) % 10  # a number that begins with 0 is a test number
    return joined(beside(d, _iso7064(d)))


_EAN = (1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3)


def _ahv(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 13)
    return -weighted(d, _EAN) % 10 == d[:, 12]


def _make_ahv(rng: Rng, rows: int, realistic: bool) -> list[str]:
    d = np.concatenate([np.tile([7, 5, 6], (rows, 1)), random_digits(rng, rows, 9)], axis=1)
    return joined(beside(d, -weighted(d, _EAN) % 10))


def _nir_number(text: str) -> int:
    head = text[:13]
    corsica = {"2A": "19", "2B": "18"}.get(head[5:7])  # letters that count as numbers
    return int(head if corsica is None else head[:5] + corsica + head[7:])


def _nir(texts: Sequence[str]) -> Bools:
    return np.array([97 - _nir_number(t) % 97 == int(t[13:]) for t in texts], dtype=bool)


def _make_nir(rng: Rng, rows: int, realistic: bool) -> list[str]:
    year, month, _ = dates(rng, rows)
    sex, place = rng.integers(1, 3, rows), rng.integers(21, 96, rows) * 1000 + rng.integers(1, 800, rows)
    serial = rng.integers(1, 999, rows) if realistic else np.zeros(rows, int)  # the order of a birth counts from 1
    parts = zip(sex, year, month, place, serial, strict=True)
    out = [f"{s}{y % 100:02d}{m:02d}{p:05d}{k:03d}" for s, y, m, p, k in parts]
    return [t + f"{97 - int(t) % 97:02d}" for t in out]


# ---------------------------------------------------------------- Italy, Spain, Netherlands, Belgium
def _cf(texts: Sequence[str]) -> Bools:
    return np.array([italian_letter(t[:15]) == t[15] for t in texts], dtype=bool)


def _make_cf(rng: Rng, rows: int, realistic: bool) -> list[str]:
    letters = np.array(list("BCDFGLMNPRSTVZ"))
    name = ["".join(row) for row in letters[rng.integers(len(letters), size=(rows, 6))]]
    year, month, day = dates(rng, rows)
    day = day + 40 * rng.integers(0, 2, rows)
    town = rng.integers(100, 999, rows) if realistic else np.full(rows, 999)
    letter = "ABCDEFGHIL" if realistic else "M"
    pick = rng.integers(len(letter), size=rows)
    parts = zip(name, year, month, day, pick, town, strict=True)
    out = [f"{w}{y % 100:02d}{_MONTHS[m - 1]}{d:02d}{letter[k]}{t:03d}" for w, y, m, d, k, t in parts]
    return [t + italian_letter(t) for t in out]


def _dni(texts: Sequence[str]) -> Bools:
    plain = [t.translate(str.maketrans("XYZ", "012", "")) if t[0] in "XYZ" else t for t in texts]
    return np.array([_CONTROL[int(t[:-1]) % 23] == u[-1] for t, u in zip(plain, texts, strict=True)], dtype=bool)


def _make_dni(rng: Rng, rows: int, realistic: bool) -> list[str]:
    n = rng.integers(10_000_000, 80_000_000, rows) if realistic else rng.integers(99_000_000, 100_000_000, rows)
    return [f"{k:08d}{_CONTROL[k % 23]}" for k in n.tolist()]


def _bsn(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 9)
    return (weighted(d, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0) & (number_of(d) > 9_999_999)


def _make_bsn(rng: Rng, rows: int, realistic: bool) -> list[str]:
    first = (1, 9) if realistic else None
    return _make_eleven(rng, rows, 8, first, lambda d: weighted(d, (9, 8, 7, 6, 5, 4, 3, 2)) % 11)


def _rrn(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 11)
    head, tail = number_of(d[:, :9]), number_of(d[:, 9:])
    good = (97 - head % 97 == tail) | (97 - (head + 2_000_000_000) % 97 == tail)
    return good & is_day(np.maximum(number_of(d[:, 2:4]) % 20, 1), number_of(d[:, 4:6]))


def _make_rrn(rng: Rng, rows: int, realistic: bool) -> list[str]:
    year, month, day = dates(rng, rows, 1940, 2000)
    serial = rng.integers(1, 998, rows) if realistic else np.zeros(rows, int)  # the counter begins at 1
    head = ((year % 100 * 100 + month) * 100 + day) * 1000 + serial
    return [f"{h:09d}{97 - h % 97:02d}" for h in head.tolist()]


# ---------------------------------------------------------------- Poland, Sweden, Norway, Finland, Brazil, Portugal
_PESEL = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)


def _pesel(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 11)
    return (-weighted(d, _PESEL) % 10 == d[:, 10]) & is_day(number_of(d[:, 2:4]) % 20, number_of(d[:, 4:6]))


def _make_pesel(rng: Rng, rows: int, realistic: bool) -> list[str]:
    year, month, day = dates(rng, rows, 1940, 2000)
    month = month + (0 if realistic else 60)  # born from 2240 on
    d = beside(pair(year), pair(month), pair(day), random_digits(rng, rows, 4))
    return joined(beside(d, -weighted(d, _PESEL) % 10))


def _personnummer(texts: Sequence[str]) -> Bools:
    d = digits_of([t[-10:] for t in texts], 10)
    return luhn_holds(d) & is_day(number_of(d[:, 2:4]), number_of(d[:, 4:6]))


def _make_personnummer(rng: Rng, rows: int, realistic: bool) -> list[str]:
    year, month, day = dates(rng, rows)
    serial = rng.integers(1, 980, rows) if realistic else rng.integers(980, 1000, rows)
    d = beside(pair(year), pair(month), pair(day), serial // 100, pair(serial))
    return joined(beside(d, luhn_digit(d)))


_NO_1, _NO_2 = (3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def _fnr(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 11)
    good = (-weighted(d, _NO_1) % 11 == d[:, 9]) & (-weighted(d, _NO_2) % 11 == d[:, 10])
    return good & is_day(number_of(d[:, 2:4]) % 40 % 80, np.maximum(number_of(d[:, :2]) % 40, 1))


def _make_fnr(rng: Rng, rows: int, realistic: bool) -> list[str]:
    def draw(n: int) -> tuple[Digits, Bools]:
        year, month, day = dates(rng, n)
        month = month + (0 if realistic else 80)  # the tax authority's test persons
        d = beside(pair(day), pair(month), pair(year), random_digits(rng, n, 3))
        one = -weighted(d, _NO_1) % 11
        d = beside(d, np.minimum(one, 9))
        two = -weighted(d, _NO_2) % 11
        return beside(d, np.minimum(two, 9)), (one < 10) & (two < 10)

    return joined(retried(draw, rows))


def _hetu(texts: Sequence[str]) -> Bools:
    good = [_FINNISH[int(t[:6] + t[7:10]) % 31] == t[10] and 1 <= int(t[2:4]) <= 12 for t in texts]
    return np.array(good, dtype=bool)


def _make_hetu(rng: Rng, rows: int, realistic: bool) -> list[str]:
    year, month, day = dates(rng, rows, 1940, 2000)
    serial = rng.integers(2, 900, rows) if realistic else rng.integers(900, 1000, rows)
    out = [f"{d:02d}{m:02d}{y % 100:02d}-{s:03d}" for d, m, y, s in zip(day, month, year, serial, strict=True)]
    return [t + _FINNISH[int(t[:6] + t[7:]) % 31] for t in out]


def _eleven(d: Digits) -> Digits:
    """The check digit of Brazil and Portugal: weights down to 2, remainders of 11; 10 counts as 0."""
    rest = -weighted(d, range(d.shape[1] + 1, 1, -1)) % 11
    return np.where(rest == 10, 0, rest)


def _cpf(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 11)
    good = (_eleven(d[:, :9]) == d[:, 9]) & (_eleven(d[:, :10]) == d[:, 10])
    return good & (d.min(axis=1) != d.max(axis=1))


def _make_cpf(rng: Rng, rows: int, realistic: bool) -> list[str]:
    d = random_digits(rng, rows, 9)
    d[:, 0] = np.where((d[:, :9] == d[:, :1]).all(axis=1), (d[:, 0] + 1) % 10, d[:, 0])
    d = beside(d, _eleven(d))
    return joined(beside(d, _eleven(d)))


def _nif(texts: Sequence[str]) -> Bools:
    d = digits_of(texts, 9)
    return _eleven(d[:, :8]) == d[:, 8]


def _make_nif(rng: Rng, rows: int, realistic: bool) -> list[str]:
    d = random_digits(rng, rows, 8)
    d[:, 0] = rng.integers(1, 4, rows)
    return joined(beside(d, _eleven(d)))


NATIONAL: dict[str, NationalId] = {
    "us_ssn": NationalId(
        "US",
        r"\d{9}",
        "###-##-####",
        _ssn,
        _make_ssn,
        r"[\s\-]",
        written=True,
        reserved="areas 900 to 999, groups 01 to 49",
    ),
    "uk_nino": NationalId(
        "GB", r"[A-Z]{2}\d{6}[A-D]", "## ## ## ## #", _nino, _make_nino, r"[\s\-]", reserved="the prefix QQ"
    ),
    "uk_nhs": NationalId("GB", r"\d{10}", "### ### ####", _nhs, _make_nhs, r"[\s\-]", reserved="numbers from 999 on"),
    "de_tax_id": NationalId("DE", r"\d{11}", "## ### ### ###", _tax_id, _make_tax_id, reserved="a leading 0"),
    "ch_ahv": NationalId("CH", r"756\d{10}", "###.####.####.##", _ahv, _make_ahv, written=True),
    "fr_nir": NationalId(
        "FR",
        r"[1-478]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d{2}|2[AB])\d{8}",
        "# ## ## ## ### ### ##",
        _nir,
        _make_nir,
        reserved="the order number 000",
    ),
    "it_cf": NationalId(
        "IT", r"[A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "#" * 16, _cf, _make_cf, reserved="the town M999"
    ),
    "es_dni": NationalId(
        "ES", r"[\dXYZ]\d{7}[A-Z]", "########-#", _dni, _make_dni, reserved="numbers from 99 million on"
    ),
    "nl_bsn": NationalId("NL", r"\d{9}", "#########", _bsn, _make_bsn, reserved="numbers from 999 on"),
    "be_rrn": NationalId("BE", r"\d{11}", "##.##.##-###.##", _rrn, _make_rrn, reserved="the counter 000"),
    "pl_pesel": NationalId("PL", r"\d{11}", "###########", _pesel, _make_pesel, reserved="births from 2240 on"),
    "se_personnummer": NationalId(
        "SE",
        r"(?:19|20)?\d{10}",
        "######-####",
        _personnummer,
        _make_personnummer,
        r"[\s\-+]",
        reserved="serials from 980 on",
    ),
    "no_fnr": NationalId("NO", r"\d{11}", "###### #####", _fnr, _make_fnr, reserved="months from 81 on"),
    "fi_hetu": NationalId(
        "FI", r"\d{6}[-+A]\d{3}[0-9A-Y]", "#" * 11, _hetu, _make_hetu, r"\s", reserved="serials from 900 on"
    ),
    "br_cpf": NationalId("BR", r"\d{11}", "###.###.###-##", _cpf, _make_cpf),
    "pt_nif": NationalId("PT", r"[1-3]\d{8}", "### ### ###", _nif, _make_nif, alone=False),
}
