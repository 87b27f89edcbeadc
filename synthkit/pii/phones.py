"""Phone numbers: what is written like one, and fresh ones from the ranges that are set aside for fiction."""

from __future__ import annotations

import re

import numpy as np

from synthkit.pii.checks import words

__all__ = ["FORMS", "WEAK_PHONE", "is_date", "is_written_phone", "make_phone", "phone_style"]

Rng = np.random.Generator
WEAK_PHONE = re.compile(r"\+?[\d\s().\-/]{7,22}(?:\s?(?:x|ext\.?)\s?\d{1,6})?", re.ASCII)
_EXTENSION = re.compile(r"\s?(?:x|ext\.?)\s?\d{1,6}$")
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}.*|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}.*")
_WRITTEN = re.compile(
    r"\+\d{1,3}[\s.\-/(]{0,2}\d[\d\s().\-/]{5,18}"  # international
    r"|00[1-9]\d{0,2}[\s.\-/]\d[\d\s().\-/]{5,18}"
    r"|(?:\+?1[\s.\-])?\([2-9]\d\d\)\s?\d{3}[\s.\-]\d{4}"  # North America
    r"|(?:1[\s.\-])?[2-9]\d\d[\-.][2-9]\d\d[\-.]\d{4}"
    r"|\(?0\d{2,5}\)?[\s/\-]+\d[\d\s\-]{4,9}\d"  # national, with the trunk digit
    r"|\(0\d{1,5}\)\s?\d[\d\s\-]{3,9}\d"
    r"|0[1-9](?:[\s.]\d\d){4}",  # France
    re.ASCII,
)
# national part without trunk digit: (length, its reserved beginnings); sources: the regulators' numbers for drama
_FICTION: dict[str, tuple[int, tuple[str, ...]]] = {
    "44": (10, ("7700900", "2079460", "1632960", "1134960", "1214960")),  # Ofcom
    "33": (9, ("19900", "26191", "35301", "46571", "53649", "63998")),  # Arcep
    "49": (10, ("3023125", "6990009", "4066969", "8999998")),  # Bundesnetzagentur
    "61": (9, ("25550", "27010", "35550", "37010", "75550", "77010", "85550", "87010")),  # ACMA
}
_CODES = words(
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 "
    "81 82 84 86 90 91 92 93 94 95 98 212 213 216 218 220 221 233 234 254 255 256 350 351 352 353 354 355 356 "
    "357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 852 880 886 "
    "961 962 963 964 965 966 971 972 973 974"
)
_TRUNK = {"GB": "44", "DE": "49", "FR": "33", "AU": "61"}
FORMS = {  # how a number of the country is usually written
    "GB": "+44 #### ######",
    "DE": "+49 ## ########",
    "FR": "+33 # ## ## ## ##",
    "ES": "+34 ### ### ###",
    "IT": "+39 ### #######",
    "NL": "+31 # ########",
    "BE": "+32 ### ## ## ##",
    "CH": "+41 ## ### ## ##",
    "AT": "+43 ### #######",
}


def is_written_phone(text: str) -> bool:
    """Is the text written as only phone numbers are (with a country code, or grouped in a country's way)?"""
    body = _EXTENSION.sub("", text)
    if not _WRITTEN.fullmatch(body) or _DATE.fullmatch(body):
        return False
    return 8 <= sum(c.isdigit() for c in body) <= 17


def is_date(text: str) -> bool:
    """Is the text a date in digits?"""
    return _DATE.fullmatch(text) is not None


def phone_style(text: str) -> str:
    """The form of a number: ``#`` for a digit; the country code and the trunk 0 stay.

    >>> phone_style("+49 30 123456"), phone_style("(212) 555-0123")
    ('+49 ## ######', '(###) ###-####')
    """
    body, extension = re.fullmatch(r"(.*?)(\s?(?:x|ext\.?)\s?\d+)?", text.strip(), re.S).groups()  # type: ignore[union-attr]
    start = 1 if body.startswith("+") else 2 if body.startswith("00") else 0
    head = body[:start]
    if start:
        head += next((c for n in (1, 2, 3) if (c := body[start : start + n]) in _CODES), "")
        trunk = re.match(r"\s?\(0\)", body[len(head) :])  # "+44 (0)20"
        head += trunk.group() if trunk else ""
    elif body.startswith(("0", "(0")):
        head = body[: body.index("0") + 1]
    return head + re.sub(r"\d", "#", body[len(head) :] + (extension or ""))


def _country(style: str, home: str) -> str:
    """The country code of a form: its own, or that of the country at home."""
    found = re.match(r"(?:\+|00)(\d+)", style)
    if found:
        return found.group(1)
    if style.startswith(("0", "(0")):
        return _TRUNK.get(home, "")
    return "1" if style.count("#") == 10 else ""


def _fiction(rng: Rng, country: str, length: int) -> str:
    """The beginning of a number of so many digits that nobody has; "" where no range is known."""
    if country == "1" and length >= 10:
        area = f"{rng.integers(2, 10)}{rng.integers(0, 10)}{rng.integers(0, 10)}"
        return area + "55501"
    if country in _FICTION and length >= _FICTION[country][0]:
        starts = _FICTION[country][1]
        return starts[int(rng.integers(len(starts)))]
    return ""


def make_phone(rng: Rng, rows: int, style: str, home: str = "US", realistic: bool = False) -> list[str]:
    """So many numbers of a form; where the country has numbers for fiction, and unless ``realistic``, of these.

    Args:
        home: the country of numbers that are written without one.
    """
    body = style.split("x")[0].split("ext")[0]
    country, wanted = _country(style, home), body.count("#")
    out = []
    for drawn in rng.integers(0, 10, size=(rows, style.count("#") + 1)).astype(str):
        start = "" if realistic else _fiction(rng, country, wanted)
        digits = list(drawn)
        if not start and digits[0] in "01":  # no number begins with these
            digits[0] = str(rng.integers(2, 10))
        digits[: len(start)] = list(start)
        signs = iter(digits)
        out.append("".join(next(signs) if c == "#" else c for c in style))
    return out
