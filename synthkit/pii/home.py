"""Where a table is at home: told from its IBANs, telephone numbers, national numbers and columns of countries.

Only where all that say anything agree, and only of countries with one main language.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping

from synthkit.pii.checks import words
from synthkit.pii.headers import tokens

__all__ = ["country_named", "country_of_phone", "locale_of", "speaks_of_country"]

_MOST = 0.9  # of the rows that tell of a country tell of one
_LOCALES = {
    country: locale
    for locale in words(
        "de_DE de_AT en_GB en_US en_IE en_AU en_NZ fr_FR es_ES es_MX es_AR es_CO es_CL it_IT nl_NL pl_PL sv_SE da_DK "
        "nb_NO:NO fi_FI pt_PT pt_BR cs_CZ"
    )
    for country in [locale.split(":")[-1][-2:]]
}
_CODES = dict(
    pair.split(":")
    for pair in words(
        "49:DE 43:AT 44:GB 353:IE 61:AU 64:NZ 33:FR 34:ES 52:MX 54:AR 57:CO 56:CL 39:IT 31:NL 48:PL 46:SE 45:DK 47:NO "
        "358:FI 351:PT 55:BR 420:CZ 41:CH 32:BE 352:LU"
    )
)
_NAMES: dict[str, str] = dict(
    pair.split(":")
    for pair in words(
        "germany:DE deutschland:DE deu:DE ger:DE allemagne:DE austria:AT österreich:AT aut:AT france:FR fra:FR "
        "frankreich:FR spain:ES españa:ES esp:ES spanien:ES italy:IT italia:IT ita:IT italien:IT netherlands:NL "
        "nederland:NL nld:NL uk:GB gbr:GB england:GB usa:US us:US ireland:IE irl:IE australia:AU aus:AU poland:PL "
        "polska:PL pol:PL sweden:SE sverige:SE swe:SE denmark:DK danmark:DK dnk:DK norway:NO norge:NO nor:NO "
        "finland:FI suomi:FI fin:FI portugal:PT prt:PT brazil:BR brasil:BR bra:BR mexico:MX méxico:MX mex:MX "
        "switzerland:CH schweiz:CH suisse:CH che:CH belgium:BE belgique:BE belgië:BE bel:BE"
    )
) | {"united kingdom": "GB", "great britain": "GB", "united states": "US", "united states of america": "US"}
_SAID = frozenset(words("country countrycode land ländercode laendercode pays pais país paese nation staat"))
_OTHER = frozenset(words("of birth origin geburt naissance home target destination"))  # not where the person lives


def speaks_of_country(name: Hashable) -> bool:
    """Does a column's name say that it holds the country of an address?

    >>> speaks_of_country("country_code"), speaks_of_country("birth_country"), speaks_of_country("landing")
    (True, False, False)
    """
    found = set(tokens(name))
    return bool(found & _SAID) and not found & _OTHER


def country_named(value: object) -> str:
    """The country that a cell of such a column names, as ISO 3166 writes it; "" if it is not known.

    >>> country_named("Deutschland"), country_named("fr"), country_named("elsewhere")
    ('DE', 'FR', '')
    """
    text = str(value).strip().lower()
    return _NAMES.get(text) or (text.upper() if re.fullmatch("[a-z]{2}", text) else "")


def country_of_phone(style: str) -> str:
    """The country of a form of telephone numbers with a country code; "" if it has none, or a shared one.

    >>> country_of_phone("+49 ## ######"), country_of_phone("0## ####")
    ('DE', '')
    """
    found = re.match(r"(?:\+|00)(\d{2,3})", style)
    return "" if found is None else _CODES.get(found.group(1), "")


def locale_of(evidence: Iterable[Mapping[str, float]]) -> str | None:
    """The locale of the country that every column tells of; None where they disagree, or it has several languages.

    Args:
        evidence: by column, how many rows tell of which country; "" where they tell of none.

    >>> locale_of([{"DE": 95, "AT": 5}, {"DE": 20, "": 80}]), locale_of([{"DE": 9}, {"FR": 9}]), locale_of([{"CH": 9}])
    ('de_DE', None, None)
    """
    found = set()
    for column in evidence:
        known = {country: rows for country, rows in column.items() if country}
        if known:
            best = max(known, key=lambda country, by=known: by[country])  # type: ignore[misc]
            found.add(best if known[best] >= _MOST * sum(known.values()) else "")
    locale = _LOCALES.get(found.pop()) if len(found) == 1 else None
    return None if locale is None else locale.split(":")[0]
