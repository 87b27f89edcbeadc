"""Numbers that mean something else in every group: results by test, amounts by kind of booking.

In long form one column holds heart rates, pH and urine. Such a number is coded as its *place* in the law of its own
group: a number in [0, 1], by one quantile law per group, each with its own bounds, grid and repeated values. Models see
places; tables get numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit import io
from synthkit.protect import Protection
from synthkit.schema import Categorical, Numeric, Schema
from synthkit.transforms.numeric import NumericTransformer

__all__ = ["GroupedNumber", "find_groups"]

_ETA = 0.4  # share of the variance (of ranks) between groups, from which on a number is learnt by group
_GROUPS = (2, 300)  # fewest and most
_ROWS = 20  # of a group on average, at least
_JITTER = 20_231  # seed of the places of repeated values, inside what they take of the law

Floats = NDArray[np.float64]


class GroupedNumber:
    """The laws of one column by the values of another. Null is a group, too.

    Args:
        kind: the column's type; by: the column of groups.
    """

    def __init__(self, kind: Numeric, by: Hashable) -> None:
        self.kind, self.by = kind, by
        self.laws: dict[Any, NumericTransformer] = {}
        self.changed: dict[str, float] = {}  # for protection, of all laws together

    def fit(self, values: pd.Series, groups: pd.Series, entity: Any, protection: Protection) -> GroupedNumber:
        """Learn the law of each group that has rows enough, and one of all rows for the others."""
        number = values.to_numpy(np.float64, na_value=np.nan)
        codes, names = pd.factorize(groups, use_na_sentinel=True)
        who = pd.factorize(entity)[0].astype(np.int64)
        self.rest = self._law(number, who, protection)
        self.changed = {}  # the rows of groups are counted there
        for code in range(-1, len(names)):
            mine = (codes == code) & ~np.isnan(number)
            if len(np.unique(who[mine])) >= 2 * protection.min_count:
                self.laws[None if code < 0 else _key(names[code])] = self._law(number[mine], who[mine], protection)
        return self

    def _law(self, number: Floats, who: NDArray[np.int64], protection: Protection) -> NumericTransformer:
        kept = ~np.isnan(number)
        kind = Numeric(integer=self.kind.integer, decimals=self.kind.decimals, low=self.kind.low, high=self.kind.high)
        transformer = NumericTransformer(kind)
        found = number[kept].astype(np.int64) if self.kind.integer else number[kept]
        transformer.update(found, entity=who[kept])
        transformer.finish(protection)
        for what, count in transformer.changed.items():
            self.changed[what] = self.changed.get(what, 0.0) + count
        return transformer

    def _each(self, groups: pd.Series) -> list[tuple[NumericTransformer, NDArray[np.intp]]]:
        codes, names = pd.factorize(groups, use_na_sentinel=True)
        keys = [_key(name) for name in names] + [None]
        return [
            (self.laws.get(keys[c], self.rest), np.flatnonzero(codes == (c if c < len(names) else -1)))
            for c in range(len(keys))
        ]

    def places(self, values: pd.Series, groups: pd.Series) -> pd.Series:
        """Places in [0, 1]; null stays null. A repeated value is somewhere in what it takes of its group's law."""
        number = values.to_numpy(np.float64, na_value=np.nan)
        inside = np.random.default_rng(_JITTER).random(len(number))
        out = np.full(len(number), np.nan)
        for transformer, rows in self._each(groups):
            at = rows[~np.isnan(number[rows])]
            if not len(at):
                continue
            x = number[at].astype(np.int64) if self.kind.integer else number[at]
            entries = transformer.encode(x)
            code = entries["code"][0].astype(np.int64)
            offset = (
                np.where(entries["offset"][1], entries["offset"][0], inside[at]) if "offset" in entries else inside[at]
            )
            edges = transformer.law.edges
            out[at] = edges[code] + offset * (edges[code + 1] - edges[code])
        return pd.Series(np.clip(out, 0.0, 1.0), index=values.index)

    def interval(self, low: Any, high: Any, group: Any) -> tuple[float, float]:
        """The places in a group's law from ``low`` to ``high`` (numbers; None is open), both included."""
        transformer = self.laws.get(group, self.rest)
        edges = transformer.law.edges
        ends = [0.0, 1.0]
        for k, x in enumerate((low, high)):
            if x is None:
                continue
            entries = transformer.encode(np.array([int(x) if self.kind.integer else float(x)]))
            code = int(entries["code"][0][0])
            whole = "offset" not in entries or not entries["offset"][1][0]  # a repeated value takes all of its cell
            offset = float(k) if whole else float(entries["offset"][0][0])
            ends[k] = float(np.clip(edges[code] + offset * (edges[code + 1] - edges[code]), 0.0, 1.0))
        return min(ends), max(ends)

    def numbers(self, places: pd.Series, groups: pd.Series) -> Floats:
        """What :meth:`places` inverts; NaN where null."""
        u = places.to_numpy(np.float64, na_value=np.nan)
        out = np.full(len(u), np.nan)
        for transformer, rows in self._each(groups):
            at = rows[~np.isnan(u[rows])]
            if not len(at):
                continue
            edges = transformer.law.edges
            code = np.clip(np.searchsorted(edges, u[at], side="right") - 1, 0, len(edges) - 2)
            width = edges[code + 1] - edges[code]
            offset = np.where(width > 0, (u[at] - edges[code]) / np.where(width > 0, width, 1.0), 0.5)
            entries = {"code": code, "code:known": np.ones(len(at), bool), "offset": np.clip(offset, 0, 1)}
            out[at] = transformer.decode(entries, len(at), np.random.default_rng(0))
        return out

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        laws = []
        for k, (key, transformer) in enumerate([(None, self.rest), *self.laws.items()]):
            json, own = transformer.to_state()
            laws.append([io.to_json(key), json])
            arrays.update({f"{k}/{name}": value for name, value in own.items()})
        kind = {"integer": self.kind.integer, "decimals": self.kind.decimals}
        return {"by": io.to_json(self.by), "kind": kind, "laws": laws}, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> GroupedNumber:
        out = cls(Numeric(**value["kind"]), io.from_json(value["by"]))
        for k, (key, json) in enumerate(value["laws"]):
            transformer = NumericTransformer(out.kind)
            transformer.load_state(json, io.below(arrays, f"{k}/"))
            if k == 0:
                out.rest = transformer
            else:
                out.laws[io.from_json(key)] = transformer
        return out


def _key(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def find_groups(table: pd.DataFrame, schema: Schema, moving: Sequence[Hashable]) -> dict[Hashable, Hashable]:
    """Numbers of which much of the variance (of ranks) lies between the groups of a category: number -> groups.

    Declared ones (``Numeric(by=)``) come first; of several that serve, the one that tells most.
    """
    kinds = {name: schema.columns[name] for name in moving}
    numbers = [n for n, kind in kinds.items() if isinstance(kind, Numeric)]
    groups = [n for n, kind in kinds.items() if isinstance(kind, Categorical)]
    out: dict[Hashable, Hashable] = {}
    for name in numbers:
        kind = kinds[name]
        assert isinstance(kind, Numeric)
        if kind.by is not None:
            out[name] = kind.by
            continue
        told = {by: _between(table[name], table[by]) for by in groups}
        best = max(told, key=lambda by: told[by], default=None)
        if best is not None and told[best] >= _ETA:
            out[name] = best
    return out


def _between(values: pd.Series, groups: pd.Series) -> float:
    """Share of the variance of ranks that lies between groups; 0 where groups are too small, or too few or many."""
    rank = values.rank()
    codes, names = pd.factorize(groups, use_na_sentinel=False)
    known = rank.notna().to_numpy()
    if not _GROUPS[0] <= len(names) <= _GROUPS[1] or known.sum() < _ROWS * len(names) or values.nunique() < 10:
        return 0.0
    mean = rank.groupby(codes).transform("mean")
    total = float(rank.var())
    return float(mean[known].var() / total) if total > 0 else 0.0
