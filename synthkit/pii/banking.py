"""Account and card numbers: whether they hold, and fresh ones that hold.

IBAN: ISO 13616, with the lengths and structures of SWIFT's registry; check digits by ISO/IEC 7064 (MOD 97,10). Cards:
ISO/IEC 7812. BIC: ISO 9362.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthkit.pii.checks import Digits, digits_of, italian_letter, joined, luhn_digit, luhn_holds, random_digits, words

__all__ = ["COUNTRIES", "bic_holds", "card_brand", "card_holds", "iban_holds", "make_bic", "make_card", "make_iban"]

Bools = NDArray[np.bool_]
Rng = np.random.Generator
# The part after the check digits: n digits, a capitals, c either; the first part names the bank (Italy: the second).
COUNTRIES: dict[str, str] = dict(
    entry.split(":")
    for entry in words(
        "AD:4n4n12c AE:3n16n AL:8n16c AT:5n11n AZ:4a20c BA:3n3n8n2n BE:3n7n2n BG:4a4n2n8c BH:4a14c BR:8n5n10n1a1c "
        "BY:4c4n16c CH:5n12c CR:4n14n CY:3n5n16c CZ:4n6n10n DE:8n10n DK:4n9n1n DO:4c20n EE:2n2n11n1n EG:4n4n17n "
        "ES:4n4n2n10n FI:3n11n FO:4n9n1n FR:5n5n11c2n GB:4a6n8n GE:2a16n GI:4a15c GL:4n9n1n GR:3n4n16c GT:4c20c "
        "HR:7n10n HU:3n4n1n15n1n IE:4a6n8n IL:3n3n13n IQ:4a3n12n IS:4n2n6n10n IT:1a5n5n12c JO:4a4n18c KW:4a22c "
        "KZ:3n13c LB:4n20c LC:4a24c LI:5n12c LT:5n11n LU:3n13c LV:4a13c LY:3n3n15n MC:5n5n11c2n MD:2c18c ME:3n13n2n "
        "MK:3n10c2n MR:5n5n11n2n MT:4a5n18c MU:4a2n2n12n3n3a NL:4a10n NO:4n6n1n PK:4a16c PL:8n16n PS:4a21c "
        "PT:4n4n11n2n QA:4a21c RO:4a16c RS:3n13n2n SA:2n18c SC:4a2n2n16n3a SE:3n16n1n SI:5n8n2n SK:4n6n10n "
        "SM:1a5n5n12c ST:4n4n11n2n SV:4a20n TL:3n14n2n TN:2n3n13n2n TR:5n1n16c UA:6n19c VA:3n15n VG:4a16n XK:4n10n2n"
    )
)
_PARTS = {c: [(int(n), k) for n, k in re.findall(r"(\d+)([nac])", parts)] for c, parts in COUNTRIES.items()}
_CLASS = {"n": r"\d", "a": "[A-Z]", "c": r"[A-Z\d]"}
_IBAN = {
    c: re.compile(c + r"\d\d" + "".join(_CLASS[k] + f"{{{n}}}" for n, k in parts), re.ASCII)
    for c, parts in _PARTS.items()
}
_RIB = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")
_ISO = words(
    "AD AE AL AR AT AU AZ BA BE BG BH BR BY CA CH CL CN CO CR CY CZ DE DK DO EC EE EG ES FI FR GB GE GR HK HR HU ID IE "
    "IL IN IQ IS IT JO JP KE KR KW KZ LB LI LT LU LV LY MA MC MD ME MK MT MU MX MY NG NL NO NZ PA PE PH PK PL PT QA RO "
    "RS RU SA SE SG SI SK SM TH TN TR TW UA US UY VA VN XK ZA"
)
_BIC = re.compile(rf"[A-Z]{{4}}(?:{'|'.join(_ISO)})[A-Z2-9][A-NP-Z\d](?:[A-Z\d]{{3}})?")
_CARDS = {  # leading digits and lengths, by the issuers' public ranges
    "visa": (re.compile(r"4"), (13, 16, 19)),
    "mastercard": (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    "amex": (re.compile(r"3[47]"), (15,)),
    "discover": (re.compile(r"6011|64[4-9]|65"), (16,)),
    "diners": (re.compile(r"30[0-5]|36|38"), (14,)),
    "jcb": (re.compile(r"35(?:2[89]|[3-8])|2131|1800"), (15, 16)),
    "maestro": (re.compile(r"50(?:18|20|38)|5893|6304|67(?:59|6[1-3])"), (12, 13, 14, 15, 16, 17, 18, 19)),
}
# Beginnings that processors' own documents use for test cards
_TEST = {
    "visa": "400000",
    "mastercard": "555555",
    "amex": "378282",
    "discover": "601111",
    "diners": "305693",
    "jcb": "353011",
    "maestro": "675964",
}


def _numbers(text: str) -> int:
    """Letters as 10 to 35, as ISO 13616 reads them."""
    return int("".join(str(int(c, 36)) for c in text))


def iban_holds(texts: Sequence[str]) -> Bools:
    """``(n,)`` whether texts (capitals, no blanks) are IBANs: country, length, structure, check digits.

    >>> iban_holds(["GB82WEST12345698765432", "GB82WEST12345698765433", "DE82WEST12345698765432"]).tolist()
    [True, False, False]
    """
    return np.array(
        [
            (form := _IBAN.get(t[:2])) is not None
            and form.fullmatch(t) is not None
            and _numbers(t[4:] + t[:4]) % 97 == 1
            for t in texts
        ],
        dtype=bool,
    )


def _own_check(country: str, parts: list[str]) -> list[str]:
    """The parts with the country's own check digits, where they are known here."""
    text = "".join(parts)
    if country == "BE":
        parts[2] = f"{int(text[:10]) % 97 or 97:02d}"
    elif country == "ES":
        weights = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)
        sums = [sum(w * int(c) for w, c in zip(weights, t, strict=True)) for t in ("00" + text[:8], parts[3])]
        parts[2] = "".join(str(d if (d := 11 - s % 11) < 10 else 11 - d) for s in sums)
    elif country in ("FR", "MC"):
        bank, branch, account = (int(p.translate(_RIB)) for p in parts[:3])
        parts[3] = f"{97 - (89 * bank + 15 * branch + 3 * account) % 97:02d}"
    elif country in ("IT", "SM"):
        parts[0] = italian_letter(text[1:])
    elif country == "PT":
        parts[3] = f"{98 - int(text[:19] + '00') % 97:02d}"
    return parts


def make_iban(rng: Rng, rows: int, country: str, realistic: bool = False) -> list[str]:
    """So many IBANs of a country; unless ``realistic``, of a bank code of nines (letters: Z)."""
    out = []
    bank = 1 if country in ("IT", "SM") else 0
    for drawn in random_digits(rng, rows, sum(n for n, _ in _PARTS[country])):
        parts, at = [], 0
        for j, (n, k) in enumerate(_PARTS[country]):
            own = drawn[at : at + n]
            if j == bank and not realistic:
                parts.append(("Z" if k == "a" else "9") * n)
            else:
                parts.append("".join(chr(65 + int(d)) if k == "a" else str(d) for d in own))
            at += n
        bban = "".join(_own_check(country, parts))
        out.append(f"{country}{98 - _numbers(bban + country + '00') % 97:02d}{bban}")
    return out


def card_brand(text: str) -> str:
    """The brand of a card number of digits, "" if it is none."""
    for brand, (start, lengths) in _CARDS.items():
        if len(text) in lengths and start.match(text):
            return brand
    return ""


def card_holds(texts: Sequence[str]) -> Bools:
    """``(n,)`` whether texts of digits are card numbers: a known brand's beginning and length, and Luhn's digit."""
    good = np.array([bool(card_brand(t)) for t in texts], dtype=bool)
    lengths = np.array([len(t) for t in texts])
    for length in np.unique(lengths[good]).tolist():
        at = np.flatnonzero(good & (lengths == length))
        good[at] = luhn_holds(digits_of([texts[i] for i in at], length))
    return good


def make_card(rng: Rng, rows: int, brand: str, length: int, realistic: bool = False) -> list[str]:
    """So many card numbers of a brand; unless ``realistic``, with a beginning that test cards have."""
    start = _TEST[brand][:2] if realistic and brand != "visa" else _TEST[brand]
    start = "4" if realistic and brand == "visa" else start
    head = np.tile(np.array([int(c) for c in start]), (rows, 1))
    d: Digits = np.concatenate([head, random_digits(rng, rows, length - len(start) - 1)], axis=1)
    return joined(np.column_stack([d, luhn_digit(d)]))


def bic_holds(texts: Sequence[str]) -> Bools:
    """``(n,)`` whether texts have the form of a BIC, with a country where there are banks."""
    return np.array([_BIC.fullmatch(t) is not None for t in texts], dtype=bool)


def make_bic(rng: Rng, rows: int, length: int) -> list[str]:
    """So many BICs of 8 or 11 signs, of the bank ZZZZ and with the 0 that marks a test code."""
    country = rng.integers(len(_ISO), size=rows)
    branch = random_digits(rng, rows, 4)
    return [
        f"ZZZZ{_ISO[c]}{chr(65 + b[0])}0" + ("" if length == 8 else "".join(map(str, b[1:])))
        for c, b in zip(country.tolist(), branch.tolist(), strict=True)
    ]
