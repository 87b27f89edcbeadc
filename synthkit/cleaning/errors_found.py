"""Which cells of a table are probably wrong: each is hidden in turn, and judged by what the others of its row say."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from synthkit.cleaning.surprise import Scale, odds_of_categories, odds_of_numbers
from synthkit.errors import ParamError, SchemaError
from synthkit.params import InstanceOf, Interval, Optional, check
from synthkit.progress import Progress
from synthkit.runtime import entropy
from synthkit.schema import Boolean, Categorical, ColumnType, Datetime, Duration, Numeric, Schema
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.centre import quantities
from synthkit.synthesizers.filling import Centres

__all__ = ["Findings", "find_errors"]

_PLACES = 256  # of each code, at which its values are taken: far out, cells are wide
_SHOWN = 20  # lines of a printed result
_ROWS = 40
_KNOWN = 20  # cells of a column, below which it is left out


@dataclass(frozen=True)
class Findings:
    """Cells by how probably they are wrong. Printing it shows where, and no value.

    Attributes:
        odds: of the table's index and columns: log-odds in nats that a cell was written by a slip (another row's value,
            or anything within the column's range) rather than drawn from its law given the row's other cells, for
            equal chances of either beforehand; where one cell in a hundred is wrong, those above 4.6 are more
            likely wrong than right. NaN: empty, or of a column that is not judged (texts, keys, constants).
        p_values: of the same shape: the share of the column's cells that are at least as odd. If nothing is wrong,
            these are uniform, whatever the model is worth.
        suggestions: of the same shape: what the row's other cells would suggest, where the odds are above 0.
    """

    table: pd.DataFrame
    odds: pd.DataFrame
    p_values: pd.DataFrame
    suggestions: pd.DataFrame

    def to_frame(self, limit: int | None = None) -> pd.DataFrame:
        """One line per cell whose odds are above 0, the oddest first, ``limit`` of them at most.

        Returns:
            Columns ``row`` (label), ``column``, ``value``, ``suggestion`` (median or likeliest category), ``odds`` and
            ``p_value``.
        """
        odds = self.odds.to_numpy(dtype=float)
        i, j = np.nonzero(np.nan_to_num(odds, nan=-1.0) > 0)
        order = np.lexsort((self.p_values.to_numpy()[i, j], -odds[i, j]))[:limit]
        i, j = i[order], j[order]
        lines: dict[str, Any] = {"row": self.odds.index.to_numpy()[i], "column": self.odds.columns.to_numpy()[j]}
        for name, source in (("value", self.table), ("suggestion", self.suggestions)):
            lines[name] = source.astype(object).to_numpy()[i, j]
        return pd.DataFrame({**lines, "odds": odds[i, j], "p_value": self.p_values.to_numpy()[i, j]})

    def rows(self) -> pd.Series:
        """Per row, the odds of its oddest cell."""
        return self.odds.max(axis=1).rename("odds")

    def __str__(self) -> str:
        shown = self.to_frame(_SHOWN)[["row", "column", "odds", "p_value"]]
        return f"{shown.to_string(index=False)}\n(the {len(shown)} oddest cells; to_frame() has values and suggestions)"


def find_errors(
    table: pd.DataFrame,
    synthesizer: TabularSynthesizer | None = None,
    *,
    schema: Schema | None = None,
    max_seconds: float | None = None,
    device: str = "auto",
    progress: bool | Callable[[Progress], bool | None] | None = None,
    seed: int = 0,
) -> Findings:
    """Rank the cells of a table by how probably they are wrong: typos, swapped cells, wrong units, impossible pairs.

    Two models are fitted, each on one half of the rows, and judge the other half, so that none has seen what it judges.
    One pass gives the law of every cell given all others of its row. The law is compared with that of a slip; a
    tail is held to go on as it begins, since an error that is frequent enough looks like a tail of its own. Nothing
    is changed: :meth:`Findings.to_frame` lists what to look at.

    Args:
        synthesizer: a fitted one judges the whole table as it is (best of other rows: what it learnt it finds
            normal); one that is not fitted is fitted twice; it must be able to tell its conditional laws, as
            "autoregressive" is. None: the default.
        schema: column types; None: inferred. The rows of one entity stay in one half.
        max_seconds: of each of the two fits.
        device, progress: as in ``TabularSynthesizer``.
        seed: an integer for a repeatable result.

    Raises:
        SchemaError: fewer than 40 rows, or no column of numbers, dates or categories. ParamError: a model that cannot
            tell its conditional laws.
    """
    check("find_errors", "synthesizer", synthesizer, Optional(InstanceOf(TabularSynthesizer)))
    check("find_errors", "schema", schema, Optional(InstanceOf(Schema)))
    check("find_errors", "seed", seed, Interval(int, 0))
    known = synthesizer.schema_ if synthesizer is not None and "model_" in synthesizer.__dict__ else schema
    absent = [] if known is None else [name for name in known.columns if name not in table.columns]
    if absent:
        raise SchemaError(f"find_errors: column {absent[0]!r} is missing from the table.")
    if synthesizer is not None and known is not schema:
        work, kinds = table[list(synthesizer.schema_.columns)], synthesizer.schema_
        odds, hints = _judged(synthesizer, work, _scales(work, kinds), len(work))
    else:
        work, kinds = _workable(table, schema)
        base = TabularSynthesizer("autoregressive", max_seconds=max_seconds, device=device, progress=progress)
        base = base if synthesizer is None else synthesizer
        odds, hints = _crossed(work, kinds, base, _halves(table, schema, seed), seed)
    hints = _as_before(hints, table)
    odds = odds.set_axis(table.index).reindex(columns=table.columns)
    p_values = odds.rank(ascending=False, method="max") / odds.notna().sum()
    return Findings(table.copy(), odds, p_values, hints.reindex(columns=table.columns))


def _halves(table: pd.DataFrame, schema: Schema | None, seed: int) -> NDArray[np.bool_]:
    """``(rows,)`` one half of the rows, or of the entities, at random."""
    owner = np.arange(len(table)) if schema is None or schema.entity is None else pd.factorize(table[schema.entity])[0]
    count = int(owner.max()) + 1
    side = np.random.default_rng(entropy(seed, 0)).permutation(count) % 2 == 0
    return np.asarray(side[owner])


def _crossed(
    work: pd.DataFrame, kinds: Schema, base: TabularSynthesizer, half: NDArray[np.bool_], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each half, judged by a model of the other."""
    scales = _scales(work, kinds)
    work = work.set_axis(pd.RangeIndex(len(work)))
    parts = []
    for side, judge in enumerate((half, ~half)):
        options = {"schema": kinds, "gaps": "skip", "rules": False, "random_state": entropy(seed, 1, side) % 2**31}
        fitted = clone(base).set_params(**options).fit(work[~judge])
        parts.append(_judged(fitted, work[judge], scales, int((~judge).sum())))
    odds, hints = (pd.concat(part).sort_index() for part in zip(*parts, strict=True))
    return odds, hints


def _judged(
    fitted: TabularSynthesizer, work: pd.DataFrame, scales: dict[Hashable, Scale], rows: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Odds of every cell, and suggestions for those that are odd."""
    centres = Centres(fitted.encoder_, fitted.model_)
    partial = fitted.encoder_.encode(work, "fill", partial=True)
    cells = {name: work[name].notna().to_numpy() for name in centres.columns if work[name].notna().any()}
    laws = centres.laws(partial, cells)
    if laws is None:
        raise ParamError(
            f"find_errors: argument 'synthesizer': {fitted.spec_.name!r} models cannot tell the law of a cell given "
            "all others; use 'autoregressive'."
        )
    odds = pd.DataFrame(np.nan, index=work.index, columns=work.columns)
    hints = pd.DataFrame(None, index=work.index, columns=work.columns, dtype=object)
    names: list[Hashable] = list(work.columns)
    for name, law in laws.items():
        column = work[name][cells[name]]
        if name in scales:
            places = centres.values(name, _PLACES).to_numpy(dtype=float).reshape(-1, _PLACES)
            found = odds_of_numbers(law, places, quantities(column), scales[name], rows)
        else:
            found = odds_of_categories(law, pd.Index(centres.values(name, 1).astype(object)), column, rows)
        at, place = np.flatnonzero(cells[name]), names.index(name)
        odds.iloc[at, place] = found
        odd = found > 0
        hints.iloc[at[odd], place] = centres.centre(name, law[odd], "median").astype(object).to_numpy()
    return odds, hints


def _scales(work: pd.DataFrame, kinds: Schema) -> dict[Hashable, Scale]:
    numbers = [n for n, kind in kinds.columns.items() if isinstance(kind, Numeric) and work[n].notna().any()]
    return {name: Scale.of(quantities(work[name])) for name in numbers}


def _workable(table: pd.DataFrame, schema: Schema | None) -> tuple[pd.DataFrame, Schema]:
    """The columns that can be judged, dates and durations as numbers, and their types."""
    if len(table) < _ROWS:
        raise SchemaError(f"find_errors: argument 'table' has fewer than {_ROWS} rows, too few to learn what is usual.")
    schema = Schema.infer(table, rules=False) if schema is None else schema
    columns: dict[Hashable, pd.Series] = {}
    kinds: dict[Hashable, ColumnType] = {}
    for name, kind in schema.columns.items():
        if table[name].notna().sum() < _KNOWN:
            continue
        if isinstance(kind, (Datetime, Duration)) and getattr(table[name].dtype, "kind", "") in "mM":
            columns[name], kinds[name] = pd.Series(quantities(table[name]), index=table.index), Numeric()
        elif isinstance(kind, (Numeric, Categorical, Boolean)):
            columns[name], kinds[name] = table[name], kind
    if not columns:
        raise SchemaError("find_errors: argument 'table' has no column of numbers, dates or categories with 20 cells.")
    work = pd.DataFrame(columns, index=table.index)
    return work, Schema.infer(work, overrides=kinds, rules=False)


def _as_before(hints: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Suggestions on the table's index, moments as moments again."""
    hints = hints.set_axis(table.index)
    for name in hints.columns:
        dtype = table[name].dtype
        if getattr(dtype, "kind", "") in "mM":
            cells = hints[name].to_numpy(dtype=object, copy=True)
            there = hints[name].notna().to_numpy()
            moments = pd.Series(cells[there].astype(float).round().astype(np.int64)).astype(dtype)
            cells[there] = moments.astype(object).to_numpy()
            hints[name] = cells
    return hints
