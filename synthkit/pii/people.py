"""Names and addresses that are nobody's in particular: common first and family names and made-up streets.

With the extra ``[pii]``, Faker's lists take the place of these for the locale that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.pii.checks import words

__all__ = ["LANGUAGES", "Names", "country_of", "mixed", "names_of"]

_DRAWS = 600  # from Faker, per list
_SEED = 20_250_101  # of those draws: lists do not change from fit to fit


@dataclass(frozen=True)
class Names:
    """Lists to draw from.

    Attributes:
        first, last, streets, cities: public words; address: a form of ``{street}`` and ``{number}``; postcode: with
            ``#`` for a digit and ``?`` for a capital.
    """

    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[str, ...]
    address: str
    postcode: str

    def to_json(self) -> dict[str, Any]:
        """A JSON value from which ``Names(**value)`` comes back (lists for tuples)."""
        lists = {k: list(getattr(self, k)) for k in ("first", "last", "streets", "cities")}
        return {**lists, "address": self.address, "postcode": self.postcode}


def _names(first: str, last: str, streets: str, cities: str, address: str, postcode: str) -> Names:
    places = [tuple(t.split(", ")) for t in (streets, cities)]
    return Names(words(first), words(last), places[0], places[1], address, postcode)


LANGUAGES: dict[str, Names] = {
    "en": _names(
        "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph "
        "Jessica Thomas Sarah Charles Karen Daniel Lisa Matthew Nancy Anthony Betty Mark Margaret Paul Sandra Steven "
        "Ashley Andrew Emily Kenneth Donna George Michelle Joshua Carol Kevin Amanda Brian Helen Edward Laura Peter "
        "Emma Olivia Sophie Oliver Harry Jack Charlotte Amelia Grace Lucy Alice Henry Samuel Anna Ruth Jane",
        "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Thomas Moore Jackson Martin Lee "
        "Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Nelson Baker "
        "Hall Campbell Mitchell Carter Roberts Phillips Evans Turner Parker Collins Edwards Stewart Morris Murphy Cook "
        "Rogers Morgan Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks Bennett Gray Hughes",
        "Example Street, Sample Road, Meadow Lane, Orchard Avenue, Harbour Way, Mill Lane, Cedar Drive, Station Road, "
        "Willow Close, Chapel Street, Hillside Avenue, Lakeview Drive, Maple Street, Elm Court, Park Lane, River Road",
        "Exampleton, Sampleford, Newbridge, Oakfield, Riverton, Westbury, Ashford Green, Milltown, Eastwick, Fairhaven",
        "{number} {street}",
        "#####",
    ),
    "de": _names(
        "Peter Maria Michael Sabine Thomas Susanne Andreas Petra Wolfgang Monika Klaus Karin Jürgen Ursula Stefan "
        "Brigitte Christian Andrea Uwe Claudia Werner Renate Frank Heike Markus Birgit Matthias Anna Martin Julia "
        "Alexander Katharina Tobias Sarah Florian Laura Lukas Lena Felix Hannah Jonas Mia Paul Emma Leon Sophie Hans "
        "Helga Dieter Ingrid Heinz Gisela Bernd Angelika Ralf Nicole Jan Johanna Max Marie",
        "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein "
        "Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Meier "
        "Lehmann Schmid Schulze Maier Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller "
        "Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann",
        "Musterstraße, Beispielweg, Lindenallee, Gartenstraße, Bahnhofstraße, Am Mühlbach, Birkenweg, Schulstraße, "
        "Wiesengrund, Bergstraße, Rosenweg, Kirchplatz, Ahornweg, Feldstraße, Uferstraße, Sonnenhang",
        "Musterstadt, Beispielhausen, Neudorf, Altenfeld, Lindenau, Steinbach, Waldheim, Seeburg, Rosenthal, Bergen",
        "{street} {number}",
        "#####",
    ),
    "fr": _names(
        "Jean Marie Pierre Nathalie Michel Isabelle Philippe Sylvie Alain Catherine Patrick Martine Nicolas Christine "
        "Christophe Françoise Laurent Valérie Bernard Sandrine Frédéric Stéphanie Éric Véronique David Céline Julien "
        "Sophie Thomas Julie Antoine Camille Louis Léa Lucas Manon Hugo Chloé Jules Emma Gabriel Louise Arthur Alice "
        "Paul Claire Henri Jeanne Olivier Anne",
        "Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy "
        "Roux David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Lefèvre "
        "Faure André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Garcia Perrin Robin "
        "Clément Morin Nicolas Henry Roussel Mathieu Gautier Masson",
        "rue de l'Exemple, avenue du Modèle, rue des Lilas, place de la Fontaine, chemin du Moulin, rue du Stade, "
        "allée des Tilleuls, rue de la Gare, boulevard du Parc, impasse des Roses, rue des Écoles, quai du Canal",
        "Exempleville, Villeneuve, Montclair, Beaulieu, Rivefort, Saint-Modèle, Clairmont, Bellefontaine, Valbois",
        "{number} {street}",
        "#####",
    ),
    "es": _names(
        "María José Antonio Carmen Manuel Ana Francisco Isabel Juan Laura David Cristina Javier Marta Daniel Lucía "
        "Carlos Pilar Jesús Elena Alejandro Sara Miguel Paula Rafael Raquel Pedro Rosa Pablo Teresa Ángel Beatriz "
        "Sergio Nuria Fernando Silvia Jorge Julia Luis Alba Alberto Irene Álvaro Andrea Diego Sofía Adrián Patricia",
        "García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández Díaz "
        "Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano "
        "Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín Sanz Núñez Iglesias Medina Garrido",
        "Calle del Ejemplo, Avenida del Modelo, Calle Mayor, Plaza de la Fuente, Calle del Molino, Paseo del Parque, "
        "Calle de la Estación, Camino Real, Calle del Olivo, Calle de las Flores, Ronda del Sol, Calle Nueva",
        "Villaejemplo, Montenuevo, Puerto Claro, Riofrío, Valdeflores, Torreblanca, Fuente Alta, Campo Real",
        "{street}, {number}",
        "#####",
    ),
    "it": _names(
        "Giuseppe Maria Antonio Anna Giovanni Giulia Mario Francesca Luigi Laura Francesco Sara Angelo Chiara Vincenzo "
        "Martina Pietro Elena Salvatore Paola Carlo Rosa Franco Valentina Domenico Alessia Bruno Silvia Paolo Federica "
        "Michele Elisa Giorgio Giorgia Aldo Teresa Andrea Lucia Marco Sofia Luca Aurora Matteo Alice Davide Beatrice",
        "Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa Giordano "
        "Mancini Rizzo Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone "
        "Longo Gentile Martinelli Vitale Lombardo Serra Coppola Marchetti Parisi Villa Conte Ferri Fabbri Bianco",
        "Via dell'Esempio, Via del Modello, Corso del Parco, Via della Stazione, Via dei Tigli, Viale delle Rose, "
        "Via del Mulino, Piazza della Fontana, Via dei Fiori, Vicolo Chiaro, Via Nuova, Lungofiume Alto",
        "Esempiopoli, Villanova, Montechiaro, Roccabella, Fontanafredda, Castelnuovo, Pianalto, Portofelice",
        "{street} {number}",
        "#####",
    ),
    "nl": _names(
        "Jan Maria Johannes Anna Cornelis Johanna Hendrik Elisabeth Willem Cornelia Pieter Wilhelmina Peter Linda "
        "Marco Monique Erik Esther Daan Emma Sem Julia Lucas Sophie Levi Mila Finn Tess Bram Sara Thijs Eva Luuk "
        "Anouk Jeroen Sanne Mark Femke Bas Lotte Tim Iris Rob Marieke Kees Ingrid",
        "Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Dijkstra Smits Kok Jacobs Vermeulen "
        "Schouten Willems Hoekstra Koster Prins Blom Huisman Peeters Kuipers Veenstra Kramer Postma Martens Verhoeven "
        "Koning Timmermans Groen Gerritsen Wolters Bosman Brouwer Molenaar Scholten Hermans Evers Maas Verbeek Boer",
        "Voorbeeldstraat, Modelweg, Dorpsstraat, Kerkstraat, Molenweg, Parklaan, Stationsweg, Lindelaan, Tuinstraat, "
        "Waterkant, Zonnepad, Schoolstraat",
        "Voorbeelddam, Nieuwdorp, Waterloo, Oudenberg, Zandvoorde, Molenbeek, Veldhuis, Lindenhof",
        "{street} {number}",
        "#### ??",
    ),
}


def mixed(people: NDArray[Any], salt: int, size: int) -> NDArray[np.int64]:
    """``(n,)`` places in a list of ``size`` items, fixed by who (splitmix64: Steele, Lea & Flood, 2014)."""
    z = people.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return ((z ^ (z >> np.uint64(31))) % np.uint64(size)).astype(np.int64)


def country_of(locale: str | None) -> str:
    """The country of a locale, as ISO 3166 writes it: "de_CH" is of CH, "de" of DE, "en" (and None) of US.

    >>> country_of("de_CH"), country_of("fr"), country_of(None)
    ('CH', 'FR', 'US')
    """
    parts = (locale or "en").replace("-", "_").split("_")
    own = {"en": "US", "sv": "SE", "nb": "NO", "no": "NO", "da": "DK", "cs": "CZ"}
    return parts[1].upper() if len(parts) > 1 else own.get(parts[0].lower(), parts[0].upper())


def names_of(locale: str | None, *, faker: bool = True) -> tuple[Names, bool]:
    """The lists for a locale such as "de" or "de_DE" (None: "en"), and whether Faker made them.

    Args:
        faker: may Faker make them, where it is installed?

    Raises:
        SchemaError: neither these lists nor an installed Faker know the locale.
    """
    if locale is None:
        return LANGUAGES["en"], False
    made = _faker_names(locale) if faker else None
    if made is not None:
        return made, True
    language = locale.replace("-", "_").split("_")[0].lower()
    if language in LANGUAGES:
        return LANGUAGES[language], False
    raise SchemaError(
        f"Personal: argument 'locale': {locale!r} is not known here (known: {', '.join(LANGUAGES)}); install "
        "synthkit[pii] for the locales of Faker, such as 'pl_PL'."
    )


@lru_cache(maxsize=16)
def _faker_names(locale: str) -> Names | None:
    """Lists drawn from Faker, always the same ones; None where it is not installed or does not know the locale."""
    try:
        from faker import Faker
    except ImportError:
        return None
    try:
        fake = Faker(locale.replace("-", "_"))
    except AttributeError:  # what Faker raises of a locale that it does not have
        return None
    fake.seed_instance(_SEED)

    def some(what: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(getattr(fake, what)()) for _ in range(_DRAWS)))

    form = "{number} {street}" if locale[:2] in ("en", "fr") else "{street} {number}"
    code = "".join("#" if c.isdigit() else "?" if c.isalpha() else c for c in str(fake.postcode()))
    return Names(some("first_name"), some("last_name"), some("street_name"), some("city"), form, code)
