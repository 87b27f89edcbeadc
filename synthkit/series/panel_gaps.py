"""Gaps of numbers in records of many entities (vital signs of stays), filled as gaps of one series are.

All entities share one law of their numbers; each is a stretch of its own. Rows stand as many steps apart as the time
says, a step being the usual gap; where more than six steps lie between two rows, the later ones do not follow the
earlier.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.inference import canonical, from_canonical, infer_column
from synthkit.protect import Protect, Protection
from synthkit.schema import Numeric
from synthkit.series.far import extremes_of
from synthkit.series.filling import SeriesFiller, Traits
from synthkit.series.gap_tables import SHORT, GapTable, check_positive, on_atoms
from synthkit.series.texture import Texture

__all__ = ["PanelFiller"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FEWEST = 60  # rows


class PanelFiller:
    """Fills gaps of the columns of numbers that move within entities; of those that do not, from the entity's own rows.

    Args:
        entity, time: columns; time None: rows of an entity follow each other, a step apart.
        protect: how many rows must stand behind a stored number.

    Attributes:
        kinds: of the moving columns; steady: columns of numbers that are constant within entities; step: of the time;
        filler: of the moving columns; atoms: values that a column can show alone.
    """

    kinds: dict[Hashable, Numeric]
    steady: list[Hashable]
    step: float
    filler: SeriesFiller

    def __init__(self, entity: Hashable, time: Hashable | None, protect: Protect) -> None:
        self.entity, self.time, self.protect = entity, time, protect

    def fit(self, table: pd.DataFrame, seed: int) -> PanelFiller:
        """Learn ``table``.

        Raises:
            SchemaError: a column is missing, or there are no moving numbers, or too few rows.
        """
        flat = self._flat(table, "fit")
        self.kinds, self.steady = {}, []
        for name in flat.columns:
            column = flat[name]
            number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
            if name in (self.entity, self.time) or not number or not column.notna().any():
                continue
            if flat.groupby(self.entity)[name].nunique().max() > 1:
                self.kinds[name] = infer_column(column, Numeric())
            else:
                self.steady.append(name)
        if not self.kinds:
            raise SchemaError("SeriesImputer.fit: the table has no column of numbers that vary within entities.")
        if len(flat) < _FEWEST:
            raise SchemaError(f"SeriesImputer.fit: {len(flat)} rows are too few; {_FEWEST} are needed.")
        self.step = self._usual_step(flat)
        laid = self.lay_out(table, "fit")
        d = len(self.kinds)
        least = Protection.of(self.protect).min_count
        self.atoms: dict[int, Floats] = {}
        limits = np.empty((2, d))
        for q in range(d):
            x = laid.values[:, q]
            x = x[~np.isnan(x)]
            own = Texture()
            own.learn_atoms(x[:, None], [0], least)
            if own.atoms:
                self.atoms[q] = own.atoms[0]
            low, high = extremes_of(x, least)
            reach = 0.1 * (high - low) if high > low else np.inf  # too few rows to tell how far they go
            limits[:, q] = [low - reach, high + reach]
            if (x >= 0).all():
                limits[0, q] = max(limits[0, q], 0.0)
        traits = Traits(np.zeros(d, bool), np.zeros(d, np.int64), (), limits)
        self.filler = SeriesFiller.fit(laid.values, laid.starts, {}, traits, seed, least)
        return self

    @property
    def keys(self) -> list[Hashable]:
        """The columns that are filled by the law."""
        return list(self.kinds)

    def _flat(self, table: pd.DataFrame, where: str) -> pd.DataFrame:
        if not isinstance(table, pd.DataFrame):
            raise SchemaError(f"SeriesImputer.{where}: expected a DataFrame, got a {type(table).__name__}.")
        if not table.columns.is_unique:
            raise SchemaError(f"SeriesImputer.{where}: two columns have one name; rename one.")
        levels = [n for n in table.index.names if n is not None and n in (self.entity, self.time)]
        flat = (table.reset_index(levels) if levels else table).reset_index(drop=True)
        for name in (self.entity, *([] if self.time is None else [self.time])):
            if name not in flat.columns:
                raise SchemaError(f"SeriesImputer.{where}: the table has no column {name!r}.")
            if flat[name].isna().any():
                raise SchemaError(f"SeriesImputer.{where}: column {name!r} has empty cells; fill or drop them.")
        return flat

    def _clock(self, flat: pd.DataFrame) -> Floats:
        """``(R,)`` times as numbers; without times all are 0."""
        if self.time is None:
            return np.zeros(len(flat))
        values = canonical(flat[self.time], infer_column(flat[self.time]))[0]
        try:
            return np.asarray(values).astype("int64" if np.asarray(values).dtype.kind in "mM" else "float64") * 1.0
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"SeriesImputer: time column {self.time!r} holds no times; convert it with pd.to_datetime."
            ) from error

    def _ordered(self, flat: pd.DataFrame) -> tuple[Ints, Ints, Floats]:
        """Rows entity by entity in the order of time, whose they are, and the time since the row before."""
        clock = self._clock(flat)
        try:  # by name, so that the order of rows says nothing
            who = pd.factorize(flat[self.entity], sort=True)[0]
        except TypeError:  # names that have no order
            who = pd.factorize(flat[self.entity])[0]
        order = np.lexsort((clock, who))
        gap = np.diff(clock[order], prepend=clock[order[:1]])
        return order, who[order], gap

    def _usual_step(self, flat: pd.DataFrame) -> float:
        _, who, gap = self._ordered(flat)
        inside = np.append(False, who[1:] == who[:-1]) & (gap > 0)
        if not inside.any():
            return 1.0
        values, counts = np.unique(gap[inside], return_counts=True)
        usual = float(values[counts.argmax()])
        return usual if counts.max() >= 0.3 * inside.sum() else float(np.median(gap[inside]))

    def lay_out(self, table: pd.DataFrame, where: str) -> GapTable:
        """The table as a matrix, entity by entity.

        Raises:
            SchemaError: a column is missing, or holds no numbers.
        """
        flat = self._flat(table, where)
        for name in (*self.kinds, *self.steady):
            if name not in flat.columns:
                raise SchemaError(f"SeriesImputer.{where}: the table has no column {name!r}.")
        order, who, gap = self._ordered(flat)
        if not len(order):
            raise SchemaError(f"SeriesImputer.{where}: the table has no rows.")
        steps = np.maximum(np.round(gap / self.step), 1).astype(np.int64)
        cut = np.append(True, who[1:] != who[:-1]) | (steps > SHORT)
        steps[cut] = 1
        at = np.cumsum(steps) - 1
        values = np.full((int(at[-1]) + 1, len(self.kinds)), np.nan)
        for q, (name, kind) in enumerate(self.kinds.items()):
            numbers, null = canonical(flat[name], kind)
            values[at, q] = np.where(null, np.nan, numbers.astype(np.float64))[order]
        place, own = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
        place[order], own[order] = at, who
        if where != "fit":
            logs, names = np.flatnonzero(self.filler.logs).tolist(), self.keys
            check_positive(values, logs, lambda q: f"column {names[q]!r}", where)
        gaps = {n: null for n in self.kinds if (null := table[n].isna().to_numpy()).any()}
        for name in self.steady:
            null = table[name].isna().to_numpy()
            known = flat.groupby(self.entity)[name].transform("first").notna().to_numpy()
            if (null & known).any():
                gaps[name] = null & known
        return GapTable(values, np.arange(len(values)), at[cut], place, own, gaps, flat[self.steady])

    def fill(self, laid: GapTable, n: int, seed: int, method: str = "auto") -> tuple[Floats, Floats, Floats]:
        """``(T, Q)`` completed matrices: means, medians; and ``(n, T, Q)`` draws."""
        found = self.filler.fill(laid.values, laid.starts, {}, n, seed, method)
        out = np.repeat(laid.values[None], n + 2, axis=0)
        out[0, found.rows, found.columns], out[1, found.rows, found.columns] = found.mean, found.median
        out[2:, found.rows, found.columns] = found.draws
        on_atoms(self.atoms, out[2:], np.isnan(laid.values))
        return out[0], out[1], out[2:]

    def cells(self, laid: GapTable, whole: Floats) -> dict[Hashable, pd.Series]:
        """Column -> its empty cells as a completed matrix has them."""
        out: dict[Hashable, Any] = {}
        names = self.keys
        for name, gap in laid.gaps.items():
            if name in self.kinds:
                kind = self.kinds[name]
                x = whole[laid.place[gap], names.index(name)]
                digits = 0 if kind.integer else kind.decimals
                x = x if digits is None else np.round(x, digits)
                out[name] = from_canonical(x, np.zeros(len(x), bool), kind, None, name)
            else:
                assert laid.steady is not None
                column = laid.steady[name]
                out[name] = column.groupby(laid.who).transform("first")[gap].reset_index(drop=True)
        return out
