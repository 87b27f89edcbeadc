"""``detect_pii``: which columns hold personal data, told from their names and from how their cells are written."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from synthkit.dtypes import to_numpy
from synthkit.errors import SchemaError
from synthkit.params import InstanceOf, Interval, Optional, check
from synthkit.pii.headers import header_says
from synthkit.pii.kinds import KINDS
from synthkit.pii.national import NATIONAL
from synthkit.pii.people import LANGUAGES, country_of

__all__ = ["SURE", "Finding", "PIIReport", "column_finding", "detect_pii"]

SURE = 0.8  # from here on a column counts as personal data
_MOST = 0.8  # of the values must prove a kind that the column's name does not speak of
_STREETS = 0.7  # the words for streets are too many to know them all
_HALF = 0.5  # of them must fit one that it does
_FEW = 50
_LUCK = 1e-6  # the probability of a proof by chance that is taken
_KNOWN = 0.25  # of the values must be common names, if a column's name leaves open whether they are people's
_FIRST = frozenset(w.lower() for names in LANGUAGES.values() for w in names.first)
_LAST = frozenset(w.lower() for names in LANGUAGES.values() for w in names.last)


@dataclass(frozen=True)
class Finding:
    """What one column holds.

    Attributes:
        column: its name; kind: a key of ``synthkit.pii.KINDS``; role: "direct" or "quasi".
        confidence: in [0, 1]; share: of its distinct values that match; evidence: "header", "content" or both.
    """

    column: Hashable
    kind: str
    role: str
    confidence: float
    share: float
    evidence: str


@dataclass(frozen=True)
class PIIReport:
    """Which columns hold personal data. Printing it shows no value of the data.

    Attributes:
        findings: one per column with any sign of personal data, the surest first.
    """

    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def kinds(self) -> dict[Hashable, str]:
        """Kind by column, of the columns whose confidence is .8 or more."""
        return {f.column: f.kind for f in self.findings if f.confidence >= SURE}

    @property
    def direct(self) -> dict[Hashable, str]:
        """Those of :attr:`kinds` that say by themselves who somebody is, and are never learnt."""
        return {f.column: f.kind for f in self.findings if f.confidence >= SURE and f.role == "direct"}

    def to_frame(self) -> pd.DataFrame:
        """One line per finding: ``column``, ``kind``, ``role``, ``confidence``, ``share``, ``evidence``."""
        names = ["column", "kind", "role", "confidence", "share", "evidence"]
        return pd.DataFrame([[getattr(f, n) for n in names] for f in self.findings], columns=names)

    def __str__(self) -> str:
        if not self.findings:
            return "no personal data was found"
        return str(self.to_frame().to_string(index=False, float_format="{:.2f}".format))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.2f}".format))


def detect_pii(table: pd.DataFrame, *, locale: str | None = None, sample: int = 10_000) -> PIIReport:
    """Look for personal data: e-mail, phone, IBAN, card and national identity numbers, names, addresses, and so on.

    By the columns' names (in six languages) and by their cells (form, check digits). What digits alone leave open is
    told by the name only: a column of whole numbers is no phone number because it could be dialled. A search by rules:
    it finds no name in free text, and a column without a telling name whose cells follow no known form.

    Args:
        locale: such as "de" or "de_CH": national numbers of other countries do not count; None: those of any do.
        sample: at most so many distinct values per column are looked at, spread over the table.

    Returns:
        A report; its ``kinds`` are what ``Schema.infer`` goes by.

    Raises:
        SchemaError: the table is no DataFrame, or two columns share a name. ParamError: an argument is out of its set.

    Example:
        >>> people = pd.DataFrame({"e-mail": ["ann@example.org", "bob@example.com"], "visits": [3, 4]})
        >>> detect_pii(people).kinds
        {'e-mail': 'email'}
    """
    check("detect_pii", "sample", sample, Interval(int, 1))
    check("detect_pii", "locale", locale, Optional(InstanceOf(str)))
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"detect_pii: argument 'table' must be a pandas DataFrame, got a {type(table).__name__}.")
    if not table.columns.is_unique:
        raise SchemaError("detect_pii: argument 'table' has two columns of one name; rename one.")
    found = [f for name in table.columns if (f := column_finding(table[name], sample=sample, locale=locale))]
    return PIIReport(tuple(sorted(found, key=lambda f: -f.confidence)))


def texts_of(values: Any, sample: int) -> list[str] | None:
    """Distinct values as texts, at most ``sample`` of them; None where they are neither texts nor whole numbers."""
    kind = values.dtype.kind
    if kind == "f":
        if not len(values) or not np.isfinite(values).all() or (values != np.round(values)).any():
            return None
        values = values[np.abs(values) < 2**53].astype(np.int64)
    elif kind not in "iuO":
        return None
    if len(values) > 8 * sample:
        values = values[np.linspace(0, len(values) - 1, 8 * sample).astype(np.int64)]
    try:
        distinct = pd.unique(values)
    except TypeError:  # unhashable cells: whoever models the table says so
        return None
    if len(distinct) > sample:
        distinct = distinct[np.linspace(0, len(distinct) - 1, sample).astype(np.int64)]
    if kind == "O" and not all(isinstance(v, (str, int, np.integer)) and not isinstance(v, bool) for v in distinct):
        return None
    return [str(v).strip() for v in distinct]


def column_finding(series: pd.Series[Any], *, sample: int = 1000, locale: str | None = None) -> Finding | None:
    """The surest finding of one column, if there is any sign."""
    said = header_says(series.name)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        if "date_of_birth" in said:
            return Finding(series.name, "date_of_birth", "quasi", 0.9 * said["date_of_birth"], 1.0, "header")
        return None
    if pd.api.types.is_bool_dtype(series.dtype) or getattr(series.dtype, "kind", "O") in "cm":
        return None
    cells = series.astype(object) if isinstance(series.dtype, pd.CategoricalDtype) else series
    try:
        values, null = to_numpy(cells)
    except (TypeError, ValueError):
        return None
    texts = texts_of(values[~null], sample)
    if not texts:
        return None
    found = [f for kind in KINDS if (f := _judge(series.name, kind, texts, said.get(kind, 0.0)))]
    if locale is not None:
        found = [f for f in found if f.kind != "national_id" or _at_home(texts, locale)]
    return max(found, key=lambda f: (f.confidence, f.share), default=None)


def _judge(name: Hashable, key: str, texts: list[str], said: float) -> Finding | None:
    """Is the column of this kind? ``said``: how surely its name says so."""
    kind = KINDS[key]
    few = texts[:: max(len(texts) // _FEW, 1)]  # most kinds are out of the question at once
    proven = float(kind.proves(few).mean())
    if len(texts) > len(few) and proven >= _HALF:
        proven = float(kind.proves(texts).mean())
    luck = kind.chance ** max(round(proven * len(texts)), 1)
    enough = proven >= (_MOST if key != "address" else _STREETS)
    content = (0.55 if luck > _LUCK else 0.85 + 0.5 * max(proven - _MOST, 0.0)) if enough else 0.0
    header, share = 0.0, proven
    if said:
        fit = float(kind.fits(texts).mean())
        share = max(fit, proven)
        header = _by_name(key, texts, said, fit, proven)
    elif key == "full_name" and len(texts) >= 5:
        share = _two_names(texts)
        content = 0.85 * share if share >= _MOST else 0.0
    confidence = max(header, content) + (0.04 if header >= _HALF and content >= _HALF else 0.0)
    if confidence < 0.3:
        return None
    evidence = " and ".join(w for w, c in (("header", header), ("content", content)) if c)
    return Finding(name, key, kind.role, round(min(confidence, 0.99), 3), round(share, 3), evidence)


def _at_home(texts: list[str], locale: str) -> bool:
    """Are these numbers of the country of ``locale``?"""
    home = {code for code, kind in NATIONAL.items() if kind.country == country_of(locale)}
    style = KINDS["national_id"].style
    own = [any(s.split(":")[0] in home for s in style(t).split("|")) for t in texts[:: max(len(texts) // _FEW, 1)]]
    return float(np.mean(own)) >= _HALF


def _by_name(key: str, texts: list[str], said: float, fit: float, proven: float) -> float:
    """The confidence in a kind of which the column's name speaks."""
    if fit < _HALF:
        return 0.0
    if said == 1.0:
        return 0.95 if proven >= _HALF else 0.88
    if key in _COMMON:
        return 0.85 if _COMMON[key](texts) >= _KNOWN else 0.45
    return 0.85 if proven >= _HALF else 0.5


def _words(text: str) -> list[str]:
    return [w for w in text.lower().replace(",", " ").split() if w]


def _two_names(texts: list[str]) -> float:
    """The share of texts that are a common first name and one more word, or a common family name and a first one."""
    good = 0
    for text in texts:
        words = _words(text)
        good += (
            2 <= len(words) <= 4
            and any(w in _FIRST for w in words)
            and all(w.replace(".", "").isalpha() for w in words)
        )
    return good / len(texts)


_COMMON: dict[str, Callable[[list[str]], float]] = {  # shares of common names
    "first_name": lambda texts: float(np.mean([t.lower() in _FIRST for t in texts])),
    "last_name": lambda texts: float(np.mean([t.lower() in _LAST for t in texts])),
    "full_name": _two_names,
}
