"""Personal data: no cell is kept; fresh ones are made in the formats that enough rows have."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from synthkit.errors import LoadError, SchemaError, SynthkitWarning
from synthkit.pii.checks import objects
from synthkit.pii.home import country_named, country_of_phone, locale_of, speaks_of_country
from synthkit.pii.kinds import KINDS, Makings
from synthkit.pii.national import NATIONAL
from synthkit.pii.people import LANGUAGES, Names, names_of
from synthkit.protect import Protection
from synthkit.schema import ColumnType, Personal, Schema, Text
from synthkit.transforms.base import Array, ColumnTransformer
from synthkit.transforms.categorical import CategoricalTransformer
from synthkit.transforms.counts import Support
from synthkit.transforms.generated import ConstantTransformer

__all__ = ["PersonalTransformer", "agree", "settle_home", "tell_of_generated"]

_FORMATS = 20  # at most, of those that enough rows have
_MOST = 10**9  # distinct people that a file may speak of
_AGAIN = 40  # rounds of making anew what came twice
_RESERVED = 10  # of them from ranges that nobody has, if these are small


class PersonalTransformer(ColumnTransformer):
    """Fresh values of the column's kind. Kept is: about how many are distinct, and formats that enough rows have.

    A format is a country, the places of blanks and the like, never a sign of a value. What is made lies where nobody's
    real values are, as far as such ranges exist (see ``synthkit.pii``); names may be somebody's, as names are.
    Columns of one person are made from the same random numbers, so that an e-mail address goes with its name.
    """

    type = Personal
    kind: Personal

    def __init__(self, kind: Personal) -> None:
        super().__init__(kind)
        self._of = KINDS[kind.kind or "full_name"]
        if self._of.personal:
            self.stream = f"person:{kind.person or ''}"
        self._names, self._faker = LANGUAGES["en"], False
        self._integer = str((kind.dtype or {}).get("name", "")).lower().startswith(("int", "uint"))
        self._seen: list[Array] = []  # hashes of cells, only to tell how many are distinct
        self._formats: dict[str, Support] = {}
        self.size, self.share, self.unique = 1, 1.0, False
        self._styles: list[tuple[str, float]] = [("", 1.0)]

    # ---------------------------------------------------------------- fitting
    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        if not len(values):
            return
        if values.dtype.kind in "if":
            self._integer = True
            values = values.astype(np.int64)
        codes, distinct = pd.factorize(values)
        texts = [str(v) for v in distinct]
        self._seen.append(pd.util.hash_array(objects(texts))[codes])
        styles = objects([self._of.style(t.strip()) for t in texts])[codes]
        for style, at in pd.Series(styles).groupby(styles, sort=False).indices.items():
            self._formats.setdefault(str(style), Support()).add(len(at), None if entity is None else entity[at])

    def merge(self, other: PersonalTransformer) -> None:
        self._integer |= other._integer
        self._seen += other._seen
        for style, support in other._formats.items():
            self._formats.setdefault(style, Support()).merge(support)

    def finish(self, protection: Protection) -> None:
        # lists of Faker go into the file, so that it draws the same where Faker is not
        self._names, self._faker = names_of(self.kind.locale)
        if self._seen:
            hashes = np.concatenate(self._seen)
            distinct = len(np.unique(hashes))
            self.unique = distinct == len(hashes)
            # two digits: how many there are, to the last one, is nobody's business
            self.size, self.share = int(float(f"{distinct:.2g}")), float(f"{distinct / len(hashes):.2g}")
        if self.kind.unique is not None:
            self.unique = self.kind.unique
        self.share = 1.0 if self.unique else self.share
        kept = {s: n for s, n in _settled(self._formats).items() if s and len(n) >= protection.min_count}
        best = sorted(kept.items(), key=lambda item: (-item[1].rows, item[0]))[:_FORMATS]
        total = sum(n.rows for _, n in best)
        self._styles = [(s, round(n.rows / total, 3)) for s, n in best] or [("", 1.0)]
        self._seen, self._formats = [], {}

    def countries(self, least: int) -> dict[str, float]:
        """How many rows are written as in which country, by formats that enough rows have."""
        of = {"iban": lambda s: s[:2], "phone": country_of_phone, "national_id": _country_of_id}.get(
            self.kind.kind or ""
        )
        out: dict[str, float] = {}
        for style, support in _settled(self._formats).items():
            if of is not None and style and len(support) >= least:
                out[of(style)] = out.get(of(style), 0.0) + support.rows
        return out

    def shown(self, kind: ColumnType) -> ColumnType:
        """With the locale that the table told."""
        return replace(kind, locale=self.kind.locale) if isinstance(kind, Personal) else kind

    # ---------------------------------------------------------------- making
    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        # what the columns of a person share comes first
        whole = self.unique or self.share == 1
        size = rows if whole else max(round(self.share * rows), self.size)
        people = rng.integers(0, 2**62, size)
        pick = np.arange(rows) if whole else rng.integers(0, size, rows)
        weights = np.array([w for _, w in self._styles])
        style = rng.choice(len(weights), size=size, p=weights / weights.sum())
        realistic = self.kind.realistic or (self._integer and self.kind.kind == "national_id")
        making = Makings(rng, people, self._names, self.kind.locale, realistic)
        cells = self._cells(making, style)
        if self.unique or not self._of.personal:
            cells = self._distinct(cells, making, style)
        out = objects(cells)[pick]
        if not self._integer:
            return out
        numbers = [int(re.sub(r"\D", "", t) or 0) for t in out]
        return np.array([n if n < 2**63 else n % 10**18 for n in numbers], dtype=np.int64)

    def _cells(self, making: Makings, style: Array) -> list[str]:
        out = np.full(len(making), "", dtype=object)
        make = self._of.make
        assert make is not None  # the type sees to it
        for k in np.unique(style):
            at = np.flatnonzero(style == k)
            out[at] = objects(make(replace(making, people=making.people[at]), self._styles[k][0]))
        return list(out)

    def _distinct(self, cells: list[str], making: Makings, style: Array) -> list[str]:
        """The cells, those that came twice made anew; where a reserved range is used up, beyond it."""
        out = objects(cells)
        for salt in range(1, _AGAIN):
            twice = np.flatnonzero(pd.Series(out).duplicated().to_numpy())
            if not len(twice):
                break
            wide = making.realistic or salt > _RESERVED
            again = replace(making, people=making.people[twice], salt=salt, realistic=wide)
            out[twice] = objects(self._cells(again, style[twice]))
        return list(out)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        names = self._names.to_json() if self._faker else None
        styles = [list(pair) for pair in self._styles]
        facts = {"size": self.size, "share": self.share, "unique": self.unique, "integer": self._integer}
        return {**facts, "styles": styles, "names": names}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.size, self.share = int(json["size"]), float(json["share"])
        self.unique, self._integer = bool(json["unique"]), bool(json["integer"])
        self._styles = [(str(s), float(w)) for s, w in json["styles"]]
        if json["names"] is None:
            self._names, self._faker = names_of(self.kind.locale, faker=False)
        else:
            lists = {k: tuple(v) if isinstance(v, list) else v for k, v in json["names"].items()}
            self._names, self._faker = Names(**lists), True
        self._check()

    def _check(self) -> None:
        """What a file says may be anything; what is drawn follows from it."""
        lists = (self._names.first, self._names.last, self._names.streets, self._names.cities)
        sound = all(isinstance(own, tuple) and own and all(isinstance(w, str) for w in own) for own in lists)
        weights = np.array([w for _, w in self._styles], dtype=float)
        sound &= len(weights) > 0 and bool(np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0)
        sound &= 0 < self.size <= _MOST and 0 < self.share <= 1
        sound &= all(len(s) <= 100 and not re.search(r"\d{4}", s) for s, _ in self._styles)
        try:
            for k in range(len(self._styles) if sound else 0):  # a style is read where cells are made of it
                making = Makings(np.random.default_rng(0), np.arange(1), self._names, self.kind.locale)
                assert self._of.make is not None and len(self._of.make(making, self._styles[k][0])) == 1
        except (ValueError, LookupError, AssertionError):
            sound = False
        if not sound:
            raise LoadError("PersonalTransformer.load_state: the file's forms of cells are none; it was altered.")


def _settled(formats: dict[str, Support]) -> dict[str, Support]:
    """Formats of which a cell may be several, as the one kind that most cells can be."""
    if not any("|" in style or ":" in style for style in formats):
        return formats
    kinds: dict[str, int] = {}
    for style, support in formats.items():
        for kind in {s.split(":")[0] for s in style.split("|")}:
            kinds[kind] = kinds.get(kind, 0) + support.rows
    best = min(kinds, key=lambda k: (-kinds[k], k))
    out: dict[str, Support] = {}
    for style, support in formats.items():
        for own in style.split("|"):
            if own.split(":")[0] == best:
                out.setdefault(own, Support()).merge(support)
    return out


def _country_of_id(style: str) -> str:
    return NATIONAL[style.split(":")[0]].country


def settle_home(transformers: Mapping[Hashable, ColumnTransformer], least: int) -> None:
    """Names and addresses of the country that the table tells of without doubt, where no locale is declared."""
    people = [t for t in transformers.values() if isinstance(t, PersonalTransformer)]
    evidence = [t.countries(least) for t in people]
    for name, t in transformers.items():
        if isinstance(t, CategoricalTransformer) and speaks_of_country(name):
            evidence.append(_named(*t.frequent(least)))
        elif isinstance(t, ConstantTransformer) and speaks_of_country(name):
            evidence.append({country_named(t.kind.value): float(len(t.support))})
    locale = locale_of(evidence)
    for t in people if locale is not None else ():
        if t.kind.locale is None:
            with contextlib.suppress(SchemaError):  # its names are known to Faker alone, which is not there
                names_of(locale)
                t.kind = replace(t.kind, locale=locale)


def _named(values: Iterable[object], rows: Iterable[float]) -> dict[str, float]:
    out: dict[str, float] = {}
    for value, count in zip(values, rows, strict=True):
        country = country_named(value)
        out[country] = out.get(country, 0.0) + count
    return out


def agree(transformers: Iterable[ColumnTransformer]) -> None:
    """Columns of one person repeat where that person does: as often as the one that tells people apart best."""
    groups: dict[str, list[PersonalTransformer]] = {}
    for t in transformers:
        if isinstance(t, PersonalTransformer) and t.stream is not None:
            groups.setdefault(t.stream, []).append(t)
    for group in groups.values():
        if any(t.share < 1 for t in group) and len(group) > 1:
            share, size = max(t.share for t in group), max(t.size for t in group)
            for t in group:
                t.share, t.size = share, size


def tell_of_generated(schema: Schema, declared: Collection[Hashable], where: str) -> None:
    """Warn of columns whose cells are not learnt but made, unless the caller has declared them so."""
    new = {n: k for n, k in schema.columns.items() if n not in declared and n not in (schema.entity, schema.weight)}
    personal = [f"{n!r} ({KINDS[k.kind].label})" for n, k in new.items() if isinstance(k, Personal) and k.kind]
    if personal:
        warnings.warn(
            f"{where}: {len(personal)} column(s) hold personal data, which is not learnt; fresh values are made: "
            f"{_some(personal)}. Declare another type in the schema to have one learnt, or Personal(...) to agree.",
            SynthkitWarning,
            stacklevel=6,
        )
    texts = [repr(n) for n, k in new.items() if isinstance(k, Text)]
    if texts:
        warnings.warn(
            f"{where}: {len(texts)} column(s) of free text are replaced by placeholder words: {_some(texts)}. Drop "
            "them, or declare Categorical() in the schema for texts that stand for categories, or Text() to agree.",
            SynthkitWarning,
            stacklevel=6,
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
