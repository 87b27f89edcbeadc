"""The kinds of personal data: how their cells look, and how fresh ones are made. To add one: one entry in ``KINDS``.

A cell *fits* a kind if it may be one, and *proves* it if hardly anything else looks so (a sign such as @, a country
and check digits, a way of grouping). Digits alone fit many kinds; they need the column's name to say which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.pii import banking, phones
from synthkit.pii.national import NATIONAL
from synthkit.pii.people import Names, country_of, mixed

__all__ = ["KINDS", "Kind", "Makings"]

Bools = NDArray[np.bool_]
Role = Literal["direct", "quasi"]
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"']{1,64}@(?:[^@\s.,;:<>()\[\]\"']+\.)+[a-z]{2,24}", re.I)
_URL = re.compile(r"(?:https?|ftp)://[^\s/?#]+\S*|www\.[a-z0-9\-]+\.[^\s]{2,}", re.I)
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:/\d\d?)?", re.ASCII)
_IPV6 = re.compile(
    r"(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?=.*[0-9a-f])(?!.*::.*::)(?=.*::)[0-9a-f:]{3,39}(?:/\d{1,3})?", re.I
)
_MAC = re.compile(r"[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}", re.I)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_LETTER = "[^\\W\\d_]"
_WORD = rf"{_LETTER}(?:{_LETTER}|['’.\-])*"
_NAME = re.compile(rf"{_WORD}(?: {_WORD}){{0,2}}")
_FULL = re.compile(rf"{_WORD}(?:,? {_WORD}){{1,4}}")
_TITLE = re.compile(rf"(?:{_LETTER}\.? ?)?[A-ZÀ-ÖØ-ÞĄ-Ž]")
_STREET = re.compile(
    r"(?=.*\d)(?=.*[^\W\d]{3}).*\b(?:str(?:eet|asse|aße)?\.?|st\.|road|rd\.?|ave(?:nue)?\.?|lane|drive|blvd\.?|boulevard|"
    r"rue|all[ée]e|chemin|impasse|quai|place|calle|avenida|avda\.?|paseo|plaza|carrera|via|viale|corso|piazza|vicolo|"
    r"\w+(?:stra(?:ß|ss)e|str\.|weg|gasse|allee|platz|straat|laan|plein|gracht))\b.*",
    re.I,
)
_ADDRESS = re.compile(r"(?=.*\d)(?=.*[^\W\d]{2}).{5,120}", re.S)
_POSTCODE = re.compile(
    r"\d{5}(?:-\d{4})?|\d{4} ?[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4}"
    r"|\d{2}-\d{3}|\d{3} ?\d{2}|\d{6}|\d{3}(?:xx|XX|\*\*)?",
    re.ASCII,
)
_SIGNS = re.compile(r"(?=.*\d)[A-Za-z0-9 .\-/+]{9,25}", re.ASCII)
_SOME_TEXT = re.compile(rf"{_LETTER}.*", re.S)


@dataclass(frozen=True, eq=False)
class Makings:
    """What fresh cells are made of.

    Attributes:
        rng: random numbers; people: ``(n,)`` integers, one per row: who it is; the columns of one person share them.
        names: lists of names; locale: as declared; realistic: from all valid values, not from reserved ranges.
        salt: above 0 where earlier cells were taken: others are made of the same people.
    """

    rng: np.random.Generator
    people: NDArray[np.int64]
    names: Names
    locale: str | None = None
    realistic: bool = False
    salt: int = 0

    def __len__(self) -> int:
        return len(self.people)


def _matching(pattern: re.Pattern[str]) -> Callable[[Sequence[str]], Bools]:
    return lambda texts: np.array([pattern.fullmatch(t) is not None for t in texts], dtype=bool)


def _never(texts: Sequence[str]) -> Bools:
    """No text proves the kind."""
    return np.zeros(len(texts), dtype=bool)


def _no_style(text: str) -> str:
    """There is one style."""
    return ""


@dataclass(frozen=True)
class Kind:
    """One kind of personal data.

    Attributes:
        label: in words; role: "direct" (says who somebody is, is made afresh) or "quasi" (does so with others: it is
            reported, and learnt under protection).
        fits, proves: of texts, ``(n,)`` bool. style: how a text is written, in a vocabulary that tells nothing of it;
            several that it may be, with a bar between.
        make: fresh texts of a style; None: there are none. personal: made from who the row is, so that columns agree.
        chance: of a text of the same signs to prove the kind.
    """

    label: str
    fits: Callable[[Sequence[str]], Bools]
    make: Callable[[Makings, str], list[str]] | None
    proves: Callable[[Sequence[str]], Bools] = field(default=_never)
    style: Callable[[str], str] = field(default=_no_style)
    role: Role = "direct"
    personal: bool = False
    chance: float = 1e-3


# ---------------------------------------------------------------- names and addresses
def _case(text: str) -> str:
    letters = [c for c in text if c.isalpha()]
    if letters and all(c.isupper() for c in letters):
        return "upper"
    return "lower" if letters and all(c.islower() for c in letters) else ""


def _cased(texts: list[str], style: str) -> list[str]:
    if style.endswith("upper"):
        return [t.upper() for t in texts]
    return [t.lower() for t in texts] if style.endswith("lower") else texts


def _picked(words: tuple[str, ...], m: Makings, salt: int) -> list[str]:
    return [words[i] for i in mixed(m.people, salt, len(words)).tolist()]


def _first(m: Makings) -> list[str]:
    return _picked(m.names.first, m, 1)


def _last(m: Makings) -> list[str]:
    return _picked(m.names.last, m, 2)


def _make_part(m: Makings, style: str, last: bool) -> list[str]:
    texts = _last(m) if last else _first(m)
    if m.salt:  # a double name, where the column's are all different
        more = _picked(m.names.last if last else m.names.first, m, 100 + m.salt)
        texts = [f"{a}-{b}" for a, b in zip(texts, more, strict=True)]
    return _cased(texts, style)


def _full_style(text: str) -> str:
    return ("reversed " if "," in text else "plain ") + _case(text)


def _make_full(m: Makings, style: str) -> list[str]:
    form = "{1}, {0}" if style.startswith("reversed") else "{0} {1}"
    first = _first(m)
    if m.salt:
        first = [f"{a} {b}" for a, b in zip(first, _picked(m.names.first, m, 100 + m.salt), strict=True)]
    texts = [form.format(*pair) for pair in zip(first, _last(m), strict=True)]
    return _cased(texts, style)


def _capital(texts: Sequence[str]) -> Bools:
    return np.array([_FULL.fullmatch(t) is not None and _TITLE.match(t) is not None for t in texts], dtype=bool)


def _make_address(m: Makings, style: str) -> list[str]:
    streets, numbers = _picked(m.names.streets, m, 3), mixed(m.people, 4 + 100 * m.salt, 199 if not m.salt else 9999)
    return [m.names.address.format(street=s, number=n + 1) for s, n in zip(streets, numbers.tolist(), strict=True)]


def _masked(text: str) -> str:
    return re.sub(r"[A-Z]", "?", re.sub(r"\d", "#", text.upper()))


def _unmasked(m: Makings, mask: str) -> list[str]:
    mask = mask or m.names.postcode
    drawn = [mixed(m.people, 200 + j + 100 * m.salt, 260).tolist() for j in range(len(mask))]
    return [
        "".join(
            str(d % 10) if c == "#" else chr(65 + d % 26) if c == "?" else c for c, d in zip(mask, row, strict=True)
        )
        for row in zip(*drawn, strict=True)
    ]


# ---------------------------------------------------------------- wires
def _make_email(m: Makings, style: str) -> list[str]:
    number, host = mixed(m.people, 6 + 100 * m.salt, 10_000), mixed(m.people, 7, 3)
    plain = [
        unicodedata.normalize("NFKD", f"{a}.{b}".lower().replace("ß", "ss"))
        for a, b in zip(_first(m), _last(m), strict=True)
    ]
    local = ["".join(c for c in t if c.isascii() and (c.isalnum() or c == ".")) for t in plain]
    return [
        f"{w}{n}@example.{('com', 'org', 'net')[h]}"
        for w, n, h in zip(local, number.tolist(), host.tolist(), strict=True)
    ]


def _make_url(m: Makings, style: str) -> list[str]:
    return [f"https://www.example.com/{k:08x}" for k in mixed(m.people, 8 + 100 * m.salt, 16**8).tolist()]


def _make_ip(m: Makings, style: str) -> list[str]:
    drawn = m.rng.integers(0, 2**16, size=(len(m), 6)).tolist()
    if style == "6":
        return ["2001:db8:" + ":".join(f"{k:x}" for k in row) for row in drawn]
    if m.realistic:
        return [f"10.{a % 256}.{b % 256}.{1 + c % 254}" for a, b, c, *_ in drawn]
    nets = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737
    return [f"{nets[a % 3]}.{1 + b % 254}" for a, b, *_ in drawn]


def _make_mac(m: Makings, style: str) -> list[str]:
    drawn = m.rng.integers(0, 256, size=(len(m), 6))
    drawn[:, 0] = drawn[:, 0] & 0xFC | 2  # administered locally: no maker's
    texts = [(style[:1] or ":").join(f"{k:02x}" for k in row) for row in drawn.tolist()]
    return [t.upper() for t in texts] if style.endswith("u") else texts


def _mac_style(text: str) -> str:
    return ("-" if "-" in text else ":") + ("u" if text != text.lower() else "l")


def _make_uuid(m: Makings, style: str) -> list[str]:
    drawn = m.rng.integers(0, 16, size=(len(m), 32))
    drawn[:, 12], drawn[:, 16] = 4, drawn[:, 16] % 4 + 8  # version 4, RFC 9562
    texts = ["".join(f"{k:x}" for k in row) for row in drawn.tolist()]
    texts = [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]
    return [t.upper() for t in texts] if style == "upper" else texts


# ---------------------------------------------------------------- phones, banks, states
def _fits_phone(texts: Sequence[str]) -> Bools:
    return np.array(
        [
            phones.WEAK_PHONE.fullmatch(t) is not None
            and not phones.is_date(t)
            and 7 <= sum(c.isdigit() for c in t) <= 15
            for t in texts
        ],
        dtype=bool,
    )


def _proves_phone(texts: Sequence[str]) -> Bools:
    return np.array([phones.is_written_phone(t) for t in texts], dtype=bool)


def _make_phone(m: Makings, style: str) -> list[str]:
    style = style or phones.FORMS.get(country_of(m.locale), "###-###-####")
    return phones.make_phone(m.rng, len(m), style, country_of(m.locale), m.realistic)


def _bare(texts: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s\-]", "", t) for t in texts]


def _iban(texts: Sequence[str]) -> Bools:
    return banking.iban_holds([t.upper() for t in _bare(texts)])


def _iban_style(text: str) -> str:
    country = text[:2].upper()
    return country + (" " if " " in text else "") if country in banking.COUNTRIES else ""


def _grouped(text: str, sign: str = " ") -> str:
    return sign.join(text[i : i + 4] for i in range(0, len(text), 4))


def _make_iban(m: Makings, style: str) -> list[str]:
    country = style[:2] or country_of(m.locale)
    country = country if country in banking.COUNTRIES else "GB"  # the United States have none
    texts = banking.make_iban(m.rng, len(m), country, m.realistic)
    return [_grouped(t) for t in texts] if style.endswith(" ") else texts


def _card(texts: Sequence[str]) -> Bools:
    bare = _bare(texts)
    good = np.array([t.isascii() and t.isdigit() and 12 <= len(t) <= 19 for t in bare], dtype=bool)
    good[good] = banking.card_holds([t for t, g in zip(bare, good, strict=True) if g])
    return good


def _card_style(text: str) -> str:
    bare = _bare([text])[0]
    sign = "-" if "-" in text else " " if " " in text else ""
    brand = banking.card_brand(bare)
    return f"{brand}:{len(bare)}:{sign}" if brand else ""  # "unknown" is no way to write a card number


def _make_card(m: Makings, style: str) -> list[str]:
    brand, length, sign = (style or "visa:16:").split(":")
    texts = banking.make_card(m.rng, len(m), brand, int(length), m.realistic)
    return [_grouped(t, sign) for t in texts] if sign else texts


def _national(texts: Sequence[str], alone: bool) -> Bools:
    """Which texts hold as a national number: as the one that most of them hold as.

    Args:
        alone: whether the column's name says nothing, so that they have to tell it by themselves.
    """
    best = np.zeros(len(texts), dtype=bool)
    sized = sum(_SIGNS.fullmatch(t) is not None for t in texts)
    if 2 * sized < len(texts):
        return best
    for kind in NATIONAL.values():
        if alone and not kind.alone:
            continue
        plain = [kind.plain(t) for t in texts]
        good = np.array([re.fullmatch(kind.pattern, p, re.ASCII) is not None for p in plain], dtype=bool)
        if alone and kind.written:
            good &= np.array([len(p) < len(t) for p, t in zip(plain, texts, strict=True)], dtype=bool)
            good &= np.array([t.upper() == kind.formatted(p) for p, t in zip(plain, texts, strict=True)], dtype=bool)
        if good.sum() <= best.sum():
            continue
        good[good] = kind.check([p for p, g in zip(plain, good, strict=True) if g])
        best = good if good.sum() > best.sum() else best
    return best


def _national_style(text: str) -> str:
    """All numbers that the text holds as: a few do so by chance, which only the column tells."""
    found = []
    for code, kind in NATIONAL.items():
        plain = kind.plain(text)
        if re.fullmatch(kind.pattern, plain, re.ASCII) and bool(kind.check([plain])[0]):
            found.append(f"{code}:{'written' if plain != text.upper() else 'plain'}")
    return "|".join(found)


def _make_national(m: Makings, style: str) -> list[str]:
    own = next((c for c, k in NATIONAL.items() if k.country == country_of(m.locale)), "us_ssn")
    code, form = (style or f"{own}:written").split(":")
    kind = NATIONAL[code]
    texts = kind.make(m.rng, len(m), m.realistic)
    return [kind.formatted(t) for t in texts] if form == "written" else texts


def _date_text(texts: Sequence[str]) -> Bools:
    return np.array([phones.is_date(t) or re.fullmatch(r"(?:19|20)\d{2}", t) is not None for t in texts], dtype=bool)


def _make_bic(m: Makings, style: str) -> list[str]:
    return banking.make_bic(m.rng, len(m), int(style or 11))


def _kinds() -> dict[str, Kind]:
    email, url, name = _matching(_EMAIL), _matching(_URL), _matching(_NAME)
    postcode = _matching(_POSTCODE)

    def ip(texts: Sequence[str]) -> Bools:
        return _matching(_IPV4)(texts) | _matching(_IPV6)(texts)

    def national(texts: Sequence[str]) -> Bools:
        return _national(texts, False)

    def proves_national(texts: Sequence[str]) -> Bools:
        return _national(texts, True)

    mac, uuid = _matching(_MAC), _matching(_UUID)
    return {
        "email": Kind("e-mail address", email, _make_email, email, personal=True),
        "phone": Kind("phone number", _fits_phone, _make_phone, _proves_phone, phones.phone_style),
        "iban": Kind("IBAN", _iban, _make_iban, _iban, _iban_style),
        "card": Kind("card number", _card, _make_card, _card, _card_style, chance=0.02),
        "national_id": Kind(
            "national identity number", national, _make_national, proves_national, _national_style, chance=0.1
        ),
        "ip": Kind("IP address", ip, _make_ip, ip, lambda t: "6" if ":" in t else "4"),
        "mac": Kind("MAC address", mac, _make_mac, mac, _mac_style),
        "url": Kind("web address", url, _make_url, url, personal=True),
        "uuid": Kind("UUID", uuid, _make_uuid, uuid, lambda t: "upper" if t != t.lower() else ""),
        "first_name": Kind("first name", name, lambda m, s: _make_part(m, s, False), style=_case, personal=True),
        "last_name": Kind("family name", name, lambda m, s: _make_part(m, s, True), style=_case, personal=True),
        "full_name": Kind("name of a person", _capital, _make_full, style=_full_style, personal=True),
        "address": Kind("street address", _matching(_ADDRESS), _make_address, _matching(_STREET), personal=True),
        "postcode": Kind("postcode", postcode, _unmasked, style=_masked, role="quasi", personal=True),
        "city": Kind(
            "place of living",
            _matching(_SOME_TEXT),
            lambda m, s: _picked(m.names.cities, m, 9),
            role="quasi",
            personal=True,
        ),
        "bic": Kind("BIC", banking.bic_holds, _make_bic, style=lambda t: str(len(t)), role="quasi"),
        "date_of_birth": Kind("date of birth", _date_text, None, role="quasi"),
    }


KINDS: dict[str, Kind] = _kinds()
