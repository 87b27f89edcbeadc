"""Repairs of columns of text that hold numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.cleaning.repairs import Repair, log_of

__all__ = ["MissingWords", "TextDates", "TextNumbers"]

_MISSING = {"", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "null", "missing", "not available"}
_NUMBER = re.compile(r"^(?P<limit>[<>]=?|≤|≥)?\s*(?P<number>[+-]?(\d[\d.,' ]*|[.,]\d+)([eE][+-]?\d+)?)$")
_CODE = re.compile(r"^0\d")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}([,.' ]\d{3})+$")
_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
_SHAPE = re.compile(r"^[\w.,/: -]{6,25}$")
_ENOUGH = 0.995  # of what is there must be understood
_SEVERAL = 5


def _texts(table: pd.DataFrame) -> Iterator[tuple[Hashable, pd.Series]]:
    """Columns of text, stripped, without nulls."""
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column.dtype) or getattr(column.dtype, "kind", "O") in "mMb":
            continue
        there = column.dropna().astype(object)
        if len(there) >= _SEVERAL and there.map(lambda v: isinstance(v, str)).any():
            yield name, there.astype(str).str.strip()


def _is_missing(texts: pd.Series) -> NDArray[np.bool_]:
    return np.asarray(texts.str.lower().isin(_MISSING), dtype=bool)


@dataclass(frozen=True)
class _Parsed:
    """What texts say as numbers: ``(n,)`` numbers (NaN: not understood), limits ("<", ">", "") and whether a comma is a
    decimal point; and the traits that were met."""

    numbers: NDArray[np.float64]
    limits: NDArray[np.object_]
    traits: tuple[str, ...]


def _parse(texts: pd.Series) -> _Parsed:
    found = texts.str.extract(_NUMBER)
    limits = found["limit"].fillna("").str.replace("≤", "<=").str.replace("≥", ">=").to_numpy(dtype=object)
    plain = found["number"].fillna("").str.replace(r"[' ]", "", regex=True)
    comma, dot = plain.str.contains(",", regex=False), plain.str.contains(".", regex=False)
    grouped = plain.str.match(_THOUSANDS)
    both = comma & dot
    # a comma is a decimal point where it comes last beside a dot, or where one does not group three digits
    decimal = bool((comma & ~grouped & ~dot).any() or (both & (plain.str.rfind(",") > plain.str.rfind("."))).any())
    if decimal:
        clean = plain.where(~comma, plain.str.replace(".", "", regex=False).str.replace(",", ".", regex=False))
    else:
        clean = plain.str.replace(",", "", regex=False)
    numbers = pd.to_numeric(clean, errors="coerce").to_numpy(dtype=float)
    traits = ["limit"] if (limits != "").any() else []
    traits += ["decimal comma"] if decimal else ["thousands separator"] if comma.any() else []
    return _Parsed(numbers, limits, tuple(traits))


@dataclass(frozen=True)
class TextNumbers(Repair):
    """Numbers that were read as text: for decimal commas, limits of detection, separators, words for "missing"."""

    name: str
    flag: str | None
    kind: ClassVar[str] = "text"

    @property
    def label(self) -> str:
        return self.name

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        for name, texts in _texts(table):
            missing = _is_missing(texts)
            filled = texts[~missing]
            if len(filled) < _SEVERAL or filled.str.match(_CODE).any():
                continue
            parsed = _parse(filled)
            share = float(np.isfinite(parsed.numbers).mean())
            if share < _ENOUGH:
                continue
            flag = f"{name}_limit" if "limit" in parsed.traits else None
            change = "text becomes numbers"
            change += f"; column {flag!r} says '<' or '>'" if flag else ""
            change += "; words for missing become empty" if missing.any() else ""
            change += "; what is no number becomes empty" if share < 1 else ""
            unsure = 0.6 if share < 1 or parsed.traits == ("thousands separator",) else 0.95
            yield cls(name, len(texts), change, unsure, " + ".join(parsed.traits) or "number as text", flag)

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        column = table[self.column]
        there = column.notna().to_numpy()
        texts = column[there].astype(object).astype(str).str.strip()
        parsed = _parse(texts.where(~_is_missing(texts), ""))
        numbers = np.full(len(column), np.nan)
        numbers[there] = parsed.numbers
        fixed = pd.Series(numbers, index=table.index, name=self.column)
        known = numbers[np.isfinite(numbers)]
        if "decimal comma" not in parsed.traits and (known == np.round(known)).all():
            fixed = fixed.astype("Int64")
        out = table.copy()
        out[self.column] = fixed
        if self.flag is not None:
            limits = np.full(len(column), "", dtype=object)
            limits[there] = parsed.limits
            names: list[Hashable] = list(out.columns)
            out.insert(names.index(self.column) + 1, self.flag, limits)
        return out, log_of(column, fixed, self.name, self.column)


@dataclass(frozen=True)
class MissingWords(Repair):
    """Words for "missing" in a column of categories."""

    kind: ClassVar[str] = "missing word"

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        for name, texts in _texts(table):
            missing = _is_missing(texts)
            rest = texts[~missing]
            numeric = len(rest) >= _SEVERAL and np.isfinite(_parse(rest).numbers).mean() >= _ENOUGH
            if missing.any() and not numeric and len(rest):
                words = ", ".join(repr(w) for w in sorted(set(texts[missing].str.lower())))
                yield cls(name, int(missing.sum()), f"{words} becomes empty", 0.8)

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        column = table[self.column]
        texts = column.astype(object).astype(str).str.strip()
        fixed = column.mask(_is_missing(texts) & column.notna().to_numpy())
        out = table.copy()
        out[self.column] = fixed
        return out, log_of(column, fixed, self.kind, self.column)


@dataclass(frozen=True)
class TextDates(Repair):
    """Dates that were read as text, in one format or several. What several formats can read goes by the commonest."""

    formats: tuple[str, ...]
    kind: ClassVar[str] = "date"

    @property
    def label(self) -> str:
        return "mixed date formats" if len(self.formats) > 1 else "date as text"

    @classmethod
    def propose(cls, table: pd.DataFrame) -> Iterator[Self]:
        for name, texts in _texts(table):
            filled = texts[~_is_missing(texts)]
            few = filled.sample(min(len(filled), 200), random_state=0)
            if len(filled) < _SEVERAL or not few.str.match(_SHAPE).all() or not few.str.contains(r"\d").all():
                continue
            formats, unsure = _formats(filled)
            if formats:
                change = f"text becomes dates, by {', '.join(formats)}"
                yield cls(name, len(filled), change, 0.5 if unsure else 0.9, formats)

    def apply(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        column = table[self.column]
        fixed = _dates(column.astype(object).where(column.notna(), "").astype(str).str.strip(), self.formats)
        out = table.copy()
        out[self.column] = fixed
        return out, log_of(column, fixed, self.label, self.column)


def _dates(texts: pd.Series, formats: tuple[str, ...]) -> pd.Series:
    out = pd.Series(np.datetime64("NaT", "ns"), index=texts.index, name=texts.name)
    for form in formats:
        out = out.fillna(pd.to_datetime(texts.where(out.isna(), ""), format=form, errors="coerce").astype(out.dtype))
    return out


def _formats(texts: pd.Series) -> tuple[tuple[str, ...], bool]:
    """The formats that read nearly all texts, the one that reads most of them first; and whether a day and its month
    may be mistaken for each other: no text shows which is which, or some show either."""
    reads = {f: pd.to_datetime(texts, format=f, errors="coerce").notna().to_numpy() for f in _FORMATS}
    chosen: list[str] = []
    left = np.ones(len(texts), dtype=bool)
    unsure = False
    while left.any():
        best = max(_FORMATS, key=lambda f: int((reads[f] & left).sum()))  # the first of equals: day before month
        hits = reads[best] & left
        if not hits.any():
            break
        twin = best.translate(str.maketrans("dm", "md"))
        if twin != best and twin in reads:
            unsure |= twin in chosen or bool((reads[twin] & hits).sum() == hits.sum())
        chosen.append(best)
        left &= ~hits
    return (tuple(chosen), unsure) if (~left).mean() >= _ENOUGH else ((), False)
