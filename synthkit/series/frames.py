"""How tables of series are laid out: wide (a column per series) or long (some entities that share a calendar)."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.dtypes import restore, spec_of
from synthkit.errors import SchemaError
from synthkit.inference import canonical, from_canonical, infer_column
from synthkit.protect import Protection
from synthkit.schema import Boolean, Constant, Empty, Numeric
from synthkit.transforms.numeric import NumericTransformer

__all__ = ["Frame", "Wide"]

Floats = NDArray[np.float64]
_EXACT = 2.0**53  # whole numbers beyond are no longer exact as floats
_INDEX = "(index)"  # what a DatetimeIndex without a name is called inside


@dataclass(frozen=True, eq=False)
class Wide:
    """Times (or None) and ``(T, Q)`` values of a table, NaN where cells are empty."""

    times: pd.Series | None
    values: Floats


@dataclass(eq=False)
class Frame:
    """Tables <-> wide matrices. Q keys: a column, or a column of one entity.

    Attributes:
        columns: of the table, in order; levels: names of its index levels; time, entity: names, or None.
        entities: of long tables, as they were; by_entity: rows stand entity by entity (else time by time).
        kinds: types of the columns that hold numbers; steps: the grid of whole numbers (1 as a rule).
        statics: columns that are constant (within entities): dtype and a value per entity.
        keys, names, group: of each of the Q keys; constant: its value where it is one; same: the key it always equals.
        gaps: ``(Q, 2)`` chance of an empty cell after a full and after an empty one.
    """

    columns: list[Hashable]
    levels: list[Hashable]
    time: Hashable | None
    entity: Hashable | None
    entities: list[Any] = field(default_factory=list)
    entity_spec: dict[str, Any] | None = None
    by_entity: bool = True
    kinds: dict[Hashable, Numeric] = field(default_factory=dict)
    steps: dict[Hashable, int] = field(default_factory=dict)
    statics: dict[Hashable, tuple[dict[str, Any], list[Any]]] = field(default_factory=dict)
    keys: list[Any] = field(default_factory=list)
    names: list[Hashable] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    constant: dict[int, float] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    gaps: list[list[float]] = field(default_factory=list)

    # ---------------------------------------------------------------- learning
    @classmethod
    def learn(cls, table: pd.DataFrame, time: Hashable | None, entity: Hashable | None) -> tuple[Frame, Wide]:
        """The layout of ``table``, and its matrix.

        Raises:
            SchemaError: a column is missing, doubled, or holds no numbers; entities do not share a calendar.
        """
        _check(table, "fit")
        dated = time is None and entity is None and isinstance(table.index, pd.DatetimeIndex | pd.PeriodIndex)
        levels = (
            list(table.index.names)
            if dated
            else [n for n in table.index.names if n in (time, entity) and n is not None]
        )
        if dated:
            time = levels[0] if levels[0] is not None else _INDEX
        out = cls(list(table.columns), levels, time, entity)
        flat = out._flat(table, "fit")
        if entity is not None:
            who = flat[entity]
            out.entity_spec, out.entities = spec_of(who), list(pd.unique(who))
            codes = pd.factorize(who)[0]
            out.by_entity = bool((np.diff(codes) >= 0).all())
        for name in out.columns:
            if name not in (time, entity):
                out._learn_column(name, flat)
        if not out.kinds:
            raise SchemaError("SequenceSynthesizer.fit: the table has no column of numbers that vary.")
        for g, who in enumerate(out.entities or [None]):
            for name in out.kinds:
                out.keys.append(name if entity is None else (who, name))
                out.names.append(name)
                out.group.append(g)
        wide = out._matrix(flat, "fit")
        out._learn_keys(wide.values)
        if not out.active:
            raise SchemaError("SequenceSynthesizer.fit: the table has no column of numbers that vary.")
        return out, wide

    def _learn_column(self, name: Hashable, flat: pd.DataFrame) -> None:
        column = flat[name]
        numbers = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        kind = infer_column(column, Numeric()) if numbers and column.notna().any() else infer_column(column)
        if isinstance(kind, Numeric):
            self.kinds[name] = kind
            if kind.integer:
                values, null = canonical(column, kind)
                whole = values[~null]
                counted = bool(len(whole)) and (whole.dtype.kind == "i" or np.abs(whole).max() < _EXACT)
                self.steps[name] = max(int(np.gcd.reduce(whole.astype(np.int64))), 1) if counted else 1
            return
        each = [flat[name]] if self.entity is None else [g for _, g in flat.groupby(self.entity, sort=False)[name]]
        if isinstance(kind, (Constant, Empty)) or (
            not isinstance(kind, Boolean) and all(len(g.unique()) == 1 for g in each)
        ):
            self.statics[name] = (spec_of(column), [None if pd.isna(g.iloc[0]) else g.iloc[0] for g in each])
            return
        raise SchemaError(
            f"SequenceSynthesizer.fit: column {name!r} holds no numbers; a long series is modelled on numbers alone. "
            f"Drop it, convert it to numbers, or set kind='panel' with an 'entity' to have it learnt as records."
        )

    def cut_digits(self, values: Floats, protection: Protection) -> dict[Hashable, dict[str, float]]:
        """Forget the digits of columns that too few rows need; per column, counts for the report.

        Args:
            values: ``(T, Q)`` by key.
        """
        counts: dict[Hashable, dict[str, float]] = {}
        for name, kind in self.kinds.items():
            own = [q for q in range(len(self.keys)) if self.names[q] == name]
            x = values[:, own].ravel()
            x = x[~np.isnan(x)]
            codec = NumericTransformer(kind)
            codec.update(x.astype(np.int64) if kind.integer and np.abs(x).max(initial=0.0) < _EXACT else x)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few rows are told of elsewhere
                codec.finish(protection)
            counts[name] = {k: v for k, v in codec.changed.items() if k in ("extremes", "rounded")}
            if counts[name].get("rounded"):
                self.kinds[name] = codec.kind
                if kind.integer:
                    self.steps[name] = int(codec.step)
        return counts

    def _learn_keys(self, values: Floats) -> None:
        self.gaps = [[0.0, 0.0] for _ in self.keys]
        for q in range(len(self.keys)):
            x = values[:, q]
            known = x[~np.isnan(x)]
            if not len(known):
                raise SchemaError(f"SequenceSynthesizer.fit: {self.called(q)} is empty; drop it.")
            if (known == known[0]).all():
                self.constant[q] = float(known[0])
                continue
            for p in range(q):
                if self.group[p] == self.group[q] and p not in self.same and p not in self.constant:
                    other = values[:, p]
                    if ((other == x) | (np.isnan(other) & np.isnan(x))).all():
                        self.same[q] = p
                        break

    @property
    def active(self) -> list[int]:
        """Keys that are modelled."""
        return [q for q in range(len(self.keys)) if q not in self.constant and q not in self.same]

    def called(self, q: int) -> str:
        """The column of a key in words; an entity by its place, as its name is a value of the table."""
        of = "" if self.entity is None else f" of entity number {self.group[q] + 1} in the training table"
        return f"column {self.names[q]!r}{of}"

    @property
    def groups(self) -> int:
        return max(len(self.entities), 1)

    def learn_nulls(self, nulls: NDArray[np.bool_]) -> None:
        """Empty cells come in runs: a chain of two states per key."""
        for q in np.flatnonzero(nulls.any(0)):
            before, now = nulls[:-1, q], nulls[1:, q]
            rates = [
                float((now & (before == s)).sum() + nulls[:, q].mean()) / float((before == s).sum() + 1) for s in (0, 1)
            ]
            self.gaps[q] = rates

    # ---------------------------------------------------------------- tables to matrices
    def _flat(self, table: pd.DataFrame, where: str) -> pd.DataFrame:
        if isinstance(table.index, pd.PeriodIndex) and (self.time == _INDEX or self.time in self.levels):
            raise SchemaError(
                f"SequenceSynthesizer.{where}: the table's index {'' if self.time == _INDEX else repr(self.time) + ' '}"
                "holds periods, and a series has moments; convert it by table.to_timestamp()."
            )
        flat = self._columns(table, where)
        if self.time in flat.columns and isinstance(flat[self.time].dtype, pd.PeriodDtype):
            raise SchemaError(
                f"SequenceSynthesizer.{where}: time column {self.time!r} holds periods, and a series has moments; "
                "convert it by .dt.to_timestamp()."
            )
        return flat

    def _columns(self, table: pd.DataFrame, where: str) -> pd.DataFrame:
        if self.time == _INDEX or (self.levels and self.levels[0] is None):
            return table.reset_index(names=_INDEX)
        flat = table.reset_index([n for n in self.levels if n in table.index.names]) if self.levels else table
        for name in (self.time, self.entity):
            if name is not None and name not in flat.columns:
                raise SchemaError(f"SequenceSynthesizer.{where}: the table has no column {name!r}.")
        return flat.reset_index(drop=True)

    def wide(self, table: pd.DataFrame, where: str) -> Wide:
        """The matrix of a table of the same layout.

        Raises:
            SchemaError: it does not fit.
        """
        _check(table, where)
        flat = self._flat(table, where)
        for name in self.kinds:
            if name not in flat.columns:
                raise SchemaError(f"SequenceSynthesizer.{where}: the table has no column {name!r}.")
        return self._matrix(flat, where)

    def _matrix(self, flat: pd.DataFrame, where: str) -> Wide:
        numbers = np.stack([_numbers(flat[name], kind) for name, kind in self.kinds.items()], 1)
        times: Any = None if self.time is None else flat[self.time]
        if self.entity is None:
            return Wide(times, numbers)
        who = pd.Index(self.entities).get_indexer(pd.Index(flat[self.entity]))
        if (who < 0).any():
            raise SchemaError(
                f"SequenceSynthesizer.{where}: entity column {self.entity!r} names one unknown to the training table; "
                f"a model of few long series knows those alone."
            )
        if times is None:
            place = flat.groupby(who).cumcount().to_numpy()
            unique: Any = None
            count = int(place.max()) + 1
        else:
            place, unique = pd.factorize(times, sort=True)
            count = len(unique)
            if (place < 0).any():
                raise SchemaError(
                    f"SequenceSynthesizer.{where}: time column {self.time!r} has empty cells; fill or drop them."
                )
        cell = who * count + place
        if len(np.unique(cell)) < len(cell):
            raise SchemaError(
                f"SequenceSynthesizer.{where}: an entity of column {self.entity!r} has two rows at one time; "
                f"drop the doubles."
            )
        out = np.full((count, len(self.entities), numbers.shape[1]), np.nan)
        out[place, who] = numbers
        times = None if unique is None else pd.Series(unique, name=self.time)
        return Wide(times, out.reshape(count, -1))

    # ---------------------------------------------------------------- matrices to tables
    def table(self, values: Floats, times: list[pd.Series | None], seed: int) -> pd.DataFrame:
        """The table of ``(n, L, Q)`` values, whose draws are told apart by a first index level where n > 1."""
        n, length, _ = values.shape
        values = values.copy()
        for q, x in self.constant.items():
            values[..., q] = x
        for q, p in self.same.items():
            values[..., q] = values[..., p]
        null = self._nulls(n, length, seed)
        for q, p in self.same.items():
            null[..., q] = null[..., p]
        k = self.groups
        inner = (n, length, k, len(self.kinds))
        order = (0, 2, 1) if self.by_entity else (0, 1, 2)
        places = np.arange(n * length * k).reshape(n, length, k).transpose(order).ravel()
        draw, step, who = np.unravel_index(places, (n, length, k))
        numbers, empty = values.reshape(-1, inner[3])[places], null.reshape(-1, inner[3])[places]
        data: dict[Hashable, pd.Series] = {}
        for c, (name, kind) in enumerate(self.kinds.items()):
            data[name] = from_canonical(self._on_grid(numbers[:, c], name, kind), empty[:, c], kind, None, name)
        for name, (spec, each) in self.statics.items():
            cells = np.empty(len(places), object)
            cells[:] = [each[w] for w in who]
            data[name] = _static(cells, spec, name)
        if self.entity is not None and self.entity_spec is not None:
            cells = np.empty(len(places), object)
            cells[:] = [self.entities[w] for w in who]
            data[self.entity] = restore(cells, np.zeros(len(cells), bool), self.entity_spec, None, self.entity)
        if self.time is not None:
            whole = pd.concat([t for t in times if t is not None], ignore_index=True)
            data[self.time] = whole.iloc[draw * length + step].reset_index(drop=True)
        return self._indexed(pd.DataFrame(data), draw, n)

    def _indexed(self, flat: pd.DataFrame, draw: NDArray[np.int64], n: int) -> pd.DataFrame:
        if self.levels:
            keys = [_INDEX if name is None else name for name in self.levels]
            flat = flat.set_index(keys)
            flat.index.names = self.levels
            out = flat[self.columns]
            return out if n == 1 else _with_draw(out, draw)
        out = flat[self.columns]
        if n == 1:
            return out
        rows = len(out) // n
        out.index = pd.MultiIndex.from_arrays([draw, np.tile(np.arange(rows), n)], names=["draw", None])
        return out

    def _on_grid(self, x: Floats, name: Hashable, kind: Numeric) -> NDArray[Any]:
        if kind.integer:
            step = self.steps.get(name, 1)
            return np.asarray(np.round(x / step) * step)
        return x if kind.decimals is None else np.round(x, kind.decimals)

    def _nulls(self, n: int, length: int, seed: int) -> NDArray[np.bool_]:
        null = np.zeros((n, length, len(self.keys)), bool)
        for q, (a, b) in enumerate(self.gaps):
            if a > 0:
                u = np.random.default_rng((seed, q)).random((n, length + 1))
                now = u[:, 0] < a / max(1 + a - b, 1e-9)
                for t in range(length):
                    now = u[:, t + 1] < np.where(now, b, a)
                    null[:, t, q] = now
        return null

    # ---------------------------------------------------------------- state
    def to_state(self) -> dict[str, Any]:
        """A JSON value."""
        kinds = {
            name: {"integer": k.integer, "decimals": k.decimals, "nullable": k.nullable, "dtype": k.dtype}
            for name, k in self.kinds.items()
        }
        plain = {f: getattr(self, f) for f in self.__dataclass_fields__ if f != "kinds"}
        statics = {name: [spec, list(each)] for name, (spec, each) in self.statics.items()}
        return plain | {"kinds": kinds, "statics": statics}

    @classmethod
    def from_state(cls, value: Mapping[str, Any]) -> Frame:
        fields = dict(value)
        fields["kinds"] = {name: Numeric(**kind) for name, kind in value["kinds"].items()}
        fields["statics"] = {name: (spec, each) for name, (spec, each) in value["statics"].items()}
        return cls(**fields)


def _check(table: Any, where: str) -> None:
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"SequenceSynthesizer.{where}: expected a DataFrame, got a {type(table).__name__}.")
    if not len(table):
        raise SchemaError(f"SequenceSynthesizer.{where}: the table has no rows.")
    if not table.columns.is_unique:
        raise SchemaError(f"SequenceSynthesizer.{where}: two columns have one name; rename one.")


def _numbers(column: pd.Series, kind: Numeric) -> Floats:
    values, null = canonical(column, kind)
    return np.where(null, np.nan, values.astype(np.float64))


def _static(cells: NDArray[np.object_], spec: dict[str, Any], name: Hashable) -> pd.Series:
    null = np.array([c is None for c in cells], bool)
    return restore(cells, null, spec, None, name)


def _with_draw(out: pd.DataFrame, draw: NDArray[np.int64]) -> pd.DataFrame:
    levels = [out.index.get_level_values(i) for i in range(out.index.nlevels)]
    out.index = pd.MultiIndex.from_arrays([pd.Index(draw), *levels], names=["draw", *out.index.names])
    return out
