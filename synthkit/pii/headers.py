"""What a column's name says of personal data, in English, German, French, Spanish, Italian and Dutch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable

from synthkit.pii.checks import words

__all__ = ["header_says", "tokens", "whose"]

# Words that must follow each other in the name; a "?" at the end marks names that mean other things as well.
_HINTS: dict[str, str] = {
    "email": (
        "email, e mail, email address, e mail address, email addr, mail?, mail address, correo, correo "
        "electronico, courriel, posta elettronica, emailadresse"
    ),
    "phone": (
        "phone, telephone, tel, mobile?, mobile phone, cell phone, cellphone, fax, telefon, telefonnummer, "
        "handy?, handynummer, mobilnummer, rufnummer, telefono, movil, cellulare, telefoon, telefoonnummer, "
        "mobiel, phonenumber, msisdn, numero de telephone, portable?"
    ),
    "iban": ("iban, bank account?, kontonummer?, account number?, compte bancaire?, cuenta bancaria?, rekeningnummer?"),
    "card": (
        "card number, credit card, creditcard, card no, cc number, ccnum, pan?, kreditkarte, "
        "kreditkartennummer, carte bancaire, numero de carte, tarjeta, tarjeta de credito, carta di credito, "
        "creditcardnummer"
    ),
    "national_id": (
        "ssn, social security, social security number, nino, national insurance, national insurance number, "
        "nhs, nhs number, national id, nationalid, identity number, id number?, personal id?, tax id, taxid, "
        "tax number, steuer id, steuerid, steuernummer, steuerliche identifikationsnummer, idnr?, "
        "sozialversicherungsnummer, ahv, ahvnr, ahv nummer, avs, numero de securite sociale, nir, securite "
        "sociale, insee, dni, nie, nif, codice fiscale, codicefiscale, cf?, bsn, burgerservicenummer, "
        "sofinummer, pesel, personnummer, henkilotunnus, hetu, fodselsnummer, cpf, rijksregisternummer, niss"
    ),
    "ip": "ip, ip address, ipaddress, ip adresse, ipv4, ipv6, adresse ip, direccion ip",
    "mac": "mac, mac address, macaddress, mac adresse",
    "url": "url, website, web site, homepage, webseite, site web, sitio web, link?",
    "uuid": "uuid, guid",
    "first_name": (
        "first name, firstname, fname, forename, name?, given name, givenname, given names, middle name, vorname, "
        "vornamen, prenom, prenoms, nombre de pila, nombre?, primer nombre, nome?, voornaam, roepnaam"
    ),
    "last_name": (
        "last name, lastname, lname, surname, family name, familyname, maiden name, nachname, familienname, "
        "geburtsname, nom de famille, nom?, apellido, apellidos, primer apellido, cognome, achternaam, "
        "familienaam"
    ),
    "full_name": (
        "full name, fullname, name?, person name, patient name, customer name, client name, contact name, "
        "employee name, user name?, holder name, card holder, cardholder, account holder, kontoinhaber, "
        "kundenname, patientenname, nom complet, nom et prenom, nombre completo, nombre y apellidos, nome "
        "completo, nome e cognome, naam?, volledige naam, doctor name, physician name, teacher name, student "
        "name, owner name, tenant name"
    ),
    "address": (
        "street, street address, address, address line, home address, adresse, anschrift, strasse, "
        "strassenname, rue, calle, direccion, domicilio, indirizzo, via?, straat, straatnaam, adres, postal "
        "address, mailing address, addr, hausnummer?"
    ),
    "postcode": (
        "postcode, post code, zip, zip code, zipcode, postal code, plz, postleitzahl, code postal, codigo "
        "postal, cap?, postcode"
    ),
    "city": (
        "city, town, ort?, stadt, wohnort, ville, ciudad, localidad, citta, comune, stad, woonplaats, place "
        "of residence, residence"
    ),
    "bic": "bic, swift, swift code, bic code",
    "date_of_birth": (
        "dob, date of birth, birth date, birthdate, birthday, geburtsdatum, geburtstag, geb datum, date de "
        "naissance, fecha de nacimiento, nacimiento, data di nascita, geboortedatum, birth, born, brthdtc, "
        "birth year, year of birth, geburtsjahr, yob"
    ),
}
# Words that make of a name a statement about it: "has phone", "email opt in", "address type".
_ABOUT = frozenset(
    words(
        "has is flag count n num cnt type status valid verified verification opt optin consent length len "
        "score rate domain provider match days months years age since time ratio share pct percent avg mean "
        "total sum indicator ind missing available category kind hash country language changes change brand "
        "class model product company business organization org firm drug test variable item file column table "
        "event station device host server airport hotel ward unit department dept hospital group segment "
        "service"
    )
)
_FILLERS = frozenset(words("full name contact home private the line address person"))
_SPLIT = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FOLD = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "ł": "l"})


def tokens(name: Hashable) -> list[str]:
    """The words of a column's name, small and without accents.

    >>> tokens("birthCountry"), tokens("Straße_2")
    (['birth', 'country'], ['strasse', '2'])
    """
    if not isinstance(name, str):
        return []
    text = unicodedata.normalize("NFKD", _CAMEL.sub(" ", name).translate(_FOLD))
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return [t.rstrip("0123456789") or t for t in _SPLIT.split(text) if t]


def _parse(hints: str) -> list[tuple[tuple[str, ...], float]]:
    return [(tuple(h.rstrip("?").split()), 0.5 if h.endswith("?") else 1.0) for h in re.split(r",\s*", hints)]


_RULES = {kind: _parse(hints) for kind, hints in _HINTS.items()}


def _find(tokens: list[str]) -> dict[str, tuple[float, int, int]]:
    """Per kind that the words speak of: how surely, and where its own begin and end."""
    found: dict[str, tuple[float, int, int]] = {}
    for kind, rules in _RULES.items():
        for hint, weight in rules:
            for at in range(len(tokens) - len(hint) + 1):
                if tuple(tokens[at : at + len(hint)]) == hint:
                    best = found.get(kind, (0.0, 0, 0))
                    if (len(hint), weight) > (best[2] - best[1], best[0]):
                        found[kind] = (weight, at, at + len(hint))
    if len(found) < 2:
        return found
    longest = max(end - at for _, at, end in found.values())  # "ip address" is no address
    return {k: v for k, v in found.items() if v[2] - v[1] == longest or not _inside(v, found.values())}


def _inside(one: tuple[float, int, int], others: object) -> bool:
    return any(o[1] <= one[1] and one[2] <= o[2] and o[2] - o[1] > one[2] - one[1] for o in others)  # type: ignore[attr-defined]


def _readings(name: Hashable) -> list[list[str]]:
    """The words of a name; also with those that capitals make taken together ("geburtsDatum", "eMail")."""
    if not isinstance(name, str):
        return []
    return [tokens(name), tokens(name.lower())] if tokens(name) != tokens(name.lower()) else [tokens(name)]


def header_says(name: Hashable) -> dict[str, float]:
    """Kinds that a column's name speaks of: 1 if it says so, 0.5 if it may mean something else.

    >>> header_says("customer_email"), header_says("email_opt_in"), header_says("clientIpAddress")
    ({'email': 1.0}, {}, {'ip': 1.0})
    """
    out: dict[str, float] = {}
    for tokens in _readings(name):
        for kind, (weight, start, end) in _find(tokens).items():
            if not {*tokens[:start], *tokens[end:]} & _ABOUT:
                out[kind] = max(weight, out.get(kind, 0.0))
    return out


def whose(name: Hashable, kind: str) -> str:
    """What is left of a column's name without the words for the kind: columns of one person share it.

    >>> whose("patient_last_name", "last_name"), whose("doctorEmail", "email"), whose("email", "email")
    ('patient', 'doctor', '')
    """
    for tokens in _readings(name):
        found = _find(tokens).get(kind)
        if found is None:
            continue
        rest = tokens[: found[1]] + tokens[found[2] :]
        if kind == "full_name" and found[2] - found[1] == 2:  # "patient name" is a kind, and says whose
            rest = [tokens[found[1]], *rest]
        number = re.search(r"(?<!\d)([2-9]|[1-9]\d)$", str(name))  # a second address is not the first one
        return " ".join([*(t for t in rest if t not in _FILLERS), *(number.groups() if number else ())])
    return ""
