"""Filling: given cells of a table, the others drawn, or told by their centres."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from synthkit.conditions import Compiled
from synthkit.encoder import TableEncoder
from synthkit.enforce import Enforcer, given_cells, repaired
from synthkit.errors import SchemaError
from synthkit.layout import Encoded
from synthkit.models import Model
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers.completing import given_columns
from synthkit.synthesizers.filling import Centres, Draws, Point, centred, put

__all__ = ["Filled"]


class Filled:
    """The part of :class:`synthkit.TabularSynthesizer` that fills; its attributes are told there."""

    encoder_: TableEncoder
    schema_: Schema
    model_: Model
    _fitted: Callable[[str], None]
    _draw: Callable[..., pd.DataFrame]
    _complete: Callable[..., Encoded]

    def complete(self, table: pd.DataFrame, *, seed: int | None = None) -> pd.DataFrame:
        """Draw the columns that ``table`` lacks, given those it has (partial synthesis), with a fresh index.

        A cell that training never showed the like of says nothing, and an empty one that it is empty. Given columns
        come back as the model knows them: unfamiliar cells of theirs are drawn.

        Raises:
            SchemaError: a column that training had not, or cells of another kind.
        """
        self._fitted("complete")
        check("TabularSynthesizer.complete", "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        return self._draw(given_columns(self.encoder_, table), len(table), entropy(seed, 7), strict=False)

    def impute(
        self,
        table: pd.DataFrame,
        *,
        mode: Literal["draw", "point"] = "draw",
        point: Point = "mean",
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Fill every empty cell; given cells, index and column order stay as they are.

        Args:
            mode: "draw": one draw from the joint law of a row's gaps; "point": the centre of each gap, given what the
                row knows: of numbers their ``point``, the most frequent category. From the model's conditional laws
                where it can tell them (``Model.conditionals``), else, and for dates, from 25 draws.
            point: "mean" (least squared error) or "median" (least absolute error), on the column's grid.
            seed: an integer for a repeatable result.

        Rules of the schema are kept, but in rows whose given cells leave no way to (a warning counts them).

        Raises:
            SchemaError: a column that was never seen, or an unknown category. ConditionError: given cells that break a
                rule by themselves.
        """
        self._fitted("impute")
        check("TabularSynthesizer.impute", "mode", mode, OneOf("draw", "point"))
        check("TabularSynthesizer.impute", "point", point, OneOf("mean", "median"))
        check("TabularSynthesizer.impute", "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        encoder = self.encoder_
        partial = encoder.encode(table, "fill", partial=True)
        absent = [n for n in encoder.schema_.columns if n not in table.columns]
        if absent:
            raise SchemaError(f"TabularSynthesizer.impute: column {absent[0]!r} is missing from the table.")
        compiled = given_cells(encoder, table, partial)
        gaps: dict[Hashable, Any] = {
            name: gap for name in table.columns if (gap := table[name].isna().to_numpy()).any()
        }
        if mode == "draw":
            filled = self._draw(compiled, len(table), entropy(seed, 5, 0), strict=False)
        else:
            filled = self._centred(compiled, len(table), gaps, point, seed)
        if self.schema_.rules:
            Enforcer(self.schema_.rules, encoder, self._complete).warn_of(filled, compiled)
        return put(table, filled, gaps)

    def _centred(
        self, compiled: Compiled, rows: int, gaps: Mapping[Hashable, Any], point: Point, seed: int
    ) -> pd.DataFrame:
        """The centre of each gap; a row of which that breaks a rule is a draw."""
        draws = Draws(lambda i: self._draw(compiled, rows, entropy(seed, 5, i), strict=False))
        known = compiled.touch(self.encoder_.decode(compiled.partial), slice(0, rows))
        table = centred(known, Centres(self.encoder_, self.model_), compiled.partial, gaps, point, draws)
        if self.schema_.rules:
            enforcer = Enforcer(self.schema_.rules, self.encoder_, self._complete)
            table = repaired(enforcer.rules, table, compiled.held, np.random.default_rng(0))
            broken = np.flatnonzero(~enforcer.holds(table, compiled))
            table = enforcer.instead(table, broken, draws[0]) if len(broken) else table
        return table
