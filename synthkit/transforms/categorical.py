"""Categories and booleans: one code each. A category too rare to keep is "has a value, unknown which"."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from synthkit import io
from synthkit.errors import LoadError, SynthkitWarning
from synthkit.protect import Protection
from synthkit.schema import Boolean, Categorical, ColumnType
from synthkit.transforms.base import Array, ColumnTransformer, Part, Range
from synthkit.transforms.counts import ObjectCounts, Support

__all__ = ["BooleanTransformer", "CategoricalTransformer"]

OTHER = "other"


class CategoricalTransformer(ColumnTransformer):
    """Codes for the categories that enough rows have; no one-hot, so thousands of levels cost nothing.

    A rarer category is encoded as not known, so that models neither learn nor draw it, and decoding an unknown
    code gives the most frequent category.
    """

    type = Categorical
    kind: Categorical

    def __init__(self, kind: Categorical) -> None:
        super().__init__(kind)
        self._counts = ObjectCounts()
        self._use(np.empty(0, dtype=object))

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        self._counts.update(values, entity=entity, weight=weight)

    def merge(self, other: CategoricalTransformer) -> None:
        self._counts.merge(other._counts)

    def frequent(self, least: int) -> tuple[Array, Array]:
        """Before :meth:`finish`: categories that enough rows have, and how many rows."""
        keep = self._counts.support >= least
        return self._counts.values[keep], self._counts.rows[keep]

    def finish(self, protection: Protection) -> None:
        counts = self._counts
        keep = counts.support >= protection.min_count
        kept = list(counts.values[keep])
        mode = kept[int(np.argmax(counts.mass[keep]))] if kept else None
        self._rare: set[Any] = set() if self.kind.categories is not None else set(counts.values[~keep])
        if protection.on and self._rare:
            self.changed = {"categories": len(self._rare), "merged": float(counts.rows[~keep].sum())}
        if self.kind.categories is not None:  # declared: public, in their own order
            kept = list(self.kind.categories)
        elif self.kind.ordered and self.kind.dtype is not None and self.kind.dtype.get("kind") == "category":
            rank = {c: i for i, c in enumerate(self.kind.dtype["categories"])}
            kept.sort(key=rank.__getitem__)
        if not kept:
            kept = [_placeholder(self.kind.dtype or {}, self._rare)]
            warnings.warn(
                f"a categorical column has no value in {protection.min_count} rows or more; all its cells become "
                f"{kept[0]!r}. Declare its categories, or lower Protection(min_count).",
                SynthkitWarning,
                stacklevel=2,
            )
        values = np.empty(len(kept), dtype=object)
        values[:] = kept
        self._use(values, kept.index(mode) if mode in kept else 0)
        self._counts = ObjectCounts()

    def shown(self, kind: ColumnType) -> ColumnType:
        """A dtype lists its categories; those that too few rows have are no part of it any more.

        But an ordered dtype is a scale that somebody declared, as ``Categorical(categories=...)`` is: it stays whole.
        """
        spec = kind.dtype or {}
        if spec.get("kind") != "category" or spec["ordered"] or not self.changed:
            return kind
        left = [c for c in spec["categories"] if c not in self._rare]
        self.kind = replace(self.kind, dtype={**spec, "categories": left or list(self.categories)})
        return replace(kind, dtype=self.kind.dtype)

    def _use(self, categories: Array, mode: int = 0) -> None:
        self.categories, self._mode = categories, mode
        self._index = pd.Index(categories, dtype=object)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part("code", len(self.categories), ordered=self.kind.ordered),)

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        codes, uniques = pd.factorize(values)
        code = self._index.get_indexer(pd.Index(uniques, dtype=object))[codes] if len(uniques) else codes
        return {"code": (np.maximum(code, 0), code >= 0)}

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        known = entries.get("code:known")
        code = entries["code"]
        return np.asarray(self.categories[code if known is None else np.where(known, code, self._mode)])

    def listed(self, values: Array) -> list[Range]:
        weights = np.zeros(len(self.categories))
        at = self._index.get_indexer(pd.Index(values, dtype=object))
        weights[at[at >= 0]] = 1.0
        return [Range("code", weights, np.zeros_like(weights), np.ones_like(weights))]

    def ranges(self, low: Any, high: Any) -> list[Range]:
        if not self.kind.ordered:
            return []
        # An end may be a category too rare to be kept, or never seen: the dtype knows its place.
        known = (self.kind.dtype or {}).get("categories") or list(self.categories)
        order = self.kind.categories or known
        rank = {category: place for place, category in enumerate(order)}
        a, b = (0 if low is None else rank.get(low)), (len(order) if high is None else rank.get(high))
        weights = np.zeros(len(self.categories))
        if a is not None and b is not None:
            weights[:] = [a <= rank.get(category, -1) <= b for category in self.categories]
        return [Range("code", weights, np.zeros_like(weights), np.ones_like(weights))]

    def contains(self, values: Array) -> Array:
        return np.asarray(self._index.get_indexer(pd.Index(values, dtype=object)) >= 0)

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"categories": io.to_json(list(self.categories)), "mode": self._mode}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        kept = io.from_json(json["categories"])
        if not isinstance(kept, list) or not 0 <= int(json["mode"]) < len(kept):
            raise LoadError("CategoricalTransformer.load_state: the file's categories are none; it was altered.")
        values = np.empty(len(kept), dtype=object)
        values[:] = kept
        self._use(values, int(json["mode"]))


def _placeholder(spec: dict[str, Any], rare: set[Any]) -> Any:
    """What stands for categories that are all too rare: "other", or what a dtype without texts can hold."""
    if spec.get("kind") == "category":
        unused = [c for c in spec["categories"] if spec["ordered"] or c not in rare]  # nobody's, or declared
        inner = spec.get("inner", {})
        interval = inner.get("kind") == "interval"
        return unused[0] if unused else pd.Interval(0, 1) if interval else _placeholder(inner, rare)
    name = spec.get("name", "") if spec.get("kind") in ("plain", "arrow") else ""
    if name.lower().startswith(("int", "uint", "float", "double")) or spec.get("item") == "int":
        return 0
    if name.startswith(("datetime", "timestamp", "date")):
        return pd.Timestamp(0)
    return False if name.startswith("bool") else OTHER


class BooleanTransformer(ColumnTransformer):
    """False is code 0, True is code 1. A value that too few rows have is encoded as not known, as a rare category is.

    Attributes:
        known: ``(2,)`` which of the two may be drawn; both where nothing was counted.
    """

    type = Boolean

    def __init__(self, kind: ColumnType) -> None:
        super().__init__(kind)
        self._behind = Support(), Support()
        self.known, self._mode = np.ones(2, dtype=bool), False

    def update(self, values: Array, *, entity: Array | None = None, weight: Array | None = None) -> None:
        for value, support in enumerate(self._behind):
            at = np.asarray(values).astype(bool) == bool(value)
            support.add(int(at.sum()), None if entity is None else entity[at])

    def merge(self, other: BooleanTransformer) -> None:
        for mine, more in zip(self._behind, other._behind, strict=True):
            mine.merge(more)

    def finish(self, protection: Protection) -> None:
        counts = np.array([len(support) for support in self._behind])
        if counts.any():
            self.known = counts >= protection.min_count
            rows = float(sum(self._behind[k].rows for k in np.flatnonzero(~self.known)))
            if protection.on and rows:
                self.changed = {"categories": float(((counts > 0) & ~self.known).sum()), "merged": rows}
        self._settle()
        self._behind = Support(), Support()

    def hide(self) -> None:
        """Neither value is to be told."""
        self.known[:] = False

    def _settle(self) -> None:
        """Rows of which nothing is known are drawn as the one value that is, or as False."""
        self._mode = bool(self.known[1] and not self.known[0])

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part("code", 2),)

    def encode(self, values: Array) -> dict[str, tuple[Array, Array]]:
        code = values.astype(np.int64)
        return {"code": (code, self.known[code])}

    def decode(self, entries: dict[str, Array], rows: int, rng: np.random.Generator) -> Array:
        code = entries["code"]
        return np.where(self.known[code] & entries.get("code:known", True), code == 1, self._mode)

    def listed(self, values: Array) -> list[Range]:
        asked = np.array([(~values.astype(bool)).any(), values.astype(bool).any()])
        return [Range("code", (asked & self.known).astype(float), np.zeros(2), np.ones(2))]

    def contains(self, values: Array) -> Array:
        return self.known[values.astype(np.int64)]

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"known": self.known.tolist()}, {}

    def load_state(self, json: dict[str, Any], arrays: dict[str, Array]) -> None:
        known = json.get("known", [True, True])  # older files have none
        if not isinstance(known, list) or len(known) != 2:
            raise LoadError("BooleanTransformer.load_state: the file's booleans are none; it was altered.")
        self.known = np.array(known, dtype=bool)
        self._settle()
