"""Several completed copies of one table, kept as their filled cells only."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.params import Interval, check
from synthkit.pooling import Pooled, pool
from synthkit.synthesizers.centre import centre, is_quantity, quantities
from synthkit.synthesizers.filling import put

__all__ = ["ImputationSet"]


class ImputationSet:
    """m completed copies of a table.

    Args:
        table: with its gaps; kept as a copy.
        gaps: per column that has any, which rows are empty, ``(rows,)`` bool.
        draws: per completed copy and such column, the values of its gaps in the order of the rows.
        about: what filled them (engine, seed, version), for the audit trail.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        gaps: Mapping[Hashable, NDArray[np.bool_]],
        draws: Sequence[Mapping[Hashable, pd.Series]],
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.table, self.gaps, self.about = table.copy(), dict(gaps), dict(about or {})
        self._draws = [{name: cells.reset_index(drop=True) for name, cells in draw.items()} for draw in draws]

    def __len__(self) -> int:
        return len(self._draws)

    def __getitem__(self, k: int) -> pd.DataFrame:
        """The k-th completed table."""
        return self._with(self._draws[k])

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (self[k] for k in range(len(self)))

    def _with(self, cells: Mapping[Hashable, pd.Series]) -> pd.DataFrame:
        filled = {}
        for name, gap in self.gaps.items():
            column = pd.Series([None] * len(gap), dtype=object)
            column[gap] = cells[name].astype(object).to_numpy()
            filled[name] = column
        return put(self.table, pd.DataFrame(filled), self.gaps)

    # ---------------------------------------------------------------- cells
    def mean(self) -> pd.DataFrame:
        """One table whose gaps hold the mean (numbers, dates) or the most frequent value over the copies."""
        return self._with({name: centre([draw[name] for draw in self._draws]) for name in self.gaps})

    def cells(self, level: float = 0.9) -> pd.DataFrame:
        """One line per filled cell.

        Returns:
            Columns ``row`` (label), ``column``, ``value`` (mean, or most frequent), ``std`` and the ends ``low`` and
            ``high`` of the central ``level`` of the draws (numbers), ``share`` (of the copies that have the
            most frequent value).
        """
        check("ImputationSet.cells", "level", level, Interval(float, 0, 1, "neither"))
        parts = []
        for name, gap in self.gaps.items():
            draws = [draw[name] for draw in self._draws]
            part = pd.DataFrame({"row": self.table.index[gap], "column": [name] * int(gap.sum())})
            value = centre(draws)
            part["value"] = value.astype(object).to_numpy()
            numbers = _numbers(draws)
            if numbers is not None:
                low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
                part["std"], part["low"], part["high"] = numbers.std(0, ddof=1 if len(numbers) > 1 else 0), low, high
            part["share"] = np.mean([(draw == value).to_numpy(dtype=bool) for draw in draws], axis=0)
            parts.append(part)
        columns = ["row", "column", "value", "std", "low", "high", "share"]
        return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)

    def interval(self, level: float = 0.9) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Two tables of numbers: both ends of the central ``level`` of the draws; a given number is its own interval.

        Columns that are no numbers are left out.
        """
        check("ImputationSet.interval", "level", level, Interval(float, 0, 1, "neither"))
        names = [name for name in self.table.columns if _is_number(self.table[name])]
        low = self.table[names].astype("Float64").astype(float)
        high = low.copy()
        for name in names:
            if name in self.gaps:
                numbers = np.stack([quantities(draw[name]) for draw in self._draws])
                ends = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
                low.loc[self.gaps[name], name], high.loc[self.gaps[name], name] = ends
        return low, high

    def to_long(self) -> pd.DataFrame:
        """All copies, one below the other, after the table with its gaps; columns ``.imp`` (0: that) and ``.id``."""
        parts = [self.table, *self]
        long: pd.DataFrame = pd.concat([part.reset_index(drop=True) for part in parts], ignore_index=True)
        long.insert(0, ".imp", np.repeat(np.arange(len(parts)), len(self.table)))
        long.insert(1, ".id", np.tile(self.table.index.to_numpy(), len(parts)))
        return long

    # ---------------------------------------------------------------- analyses
    def analyse(self, analysis: Callable[[pd.DataFrame], Any], *, df: float | None = None) -> Pooled:
        """Run an analysis on every copy and pool it by Rubin's rules (:func:`synthkit.pool`)."""
        return pool([analysis(table) for table in self], df=df)

    def sensitivity(
        self, deltas: Mapping[Hashable, Sequence[float]], analysis: Callable[[pd.DataFrame], Any]
    ) -> pd.DataFrame:
        """What if the gaps differ from what they were filled with (missing not at random)? Shift, analyse, pool again.

        The delta adjustment of Rubin (1987) and van Buuren, "Flexible Imputation of Missing Data" (2018), 9.2.

        Args:
            deltas: per numeric column, what is added to its filled cells, one scenario each.
            analysis: from a completed table to a result that :func:`synthkit.pool` takes.

        Returns:
            One line per column, delta and estimate: the pooled estimate with its interval and p-value; ``tips``: its
            significance at 5 % or its sign is another than with a delta of 0.

        Raises:
            ParamError: a column without filled cells, or that is no number.
        """
        base = self.analyse(analysis).table
        lines = []
        for name, shifts in deltas.items():
            if name not in self.gaps or _numbers([draw[name] for draw in self._draws]) is None:
                raise ParamError(f"ImputationSet.sensitivity: column {name!r} has no filled cells that are numbers.")
            for delta in shifts:
                shifted = [{**d, name: d[name].astype(float) + delta} for d in self._draws]
                table = pool([analysis(self._float(draw, name)) for draw in shifted]).table
                found = table[["estimate", "std_error", "low", "high", "p_value"]].reset_index()
                found.insert(0, "column", [name] * len(found))
                found.insert(1, "delta", float(delta))
                was = base.loc[table.index]
                other_sign = np.sign(was["estimate"]) != np.sign(table["estimate"])
                found["tips"] = (other_sign | ((was["p_value"] < 0.05) != (table["p_value"] < 0.05))).to_numpy()
                lines.append(found)
        return pd.concat(lines, ignore_index=True)

    def _float(self, cells: Mapping[Hashable, pd.Series], name: Hashable) -> pd.DataFrame:
        """The completed table with a column that may leave its grid."""
        whole = self._with({**cells, name: self._draws[0][name]})
        column = whole[name].astype(float)
        column[self.gaps[name]] = cells[name].to_numpy(dtype=float)
        whole[name] = column
        return whole

    # ---------------------------------------------------------------- audit
    def audit(self, filled: pd.DataFrame | None = None) -> pd.DataFrame:
        """One line per filled cell: where, by what, how uncertain; see :meth:`cells`.

        Args:
            filled: a completed table of the same rows, whose values are then reported; None: their means.
        """
        cells = self.cells()
        if filled is not None and len(cells):
            values = [filled[name][gap].astype(object).to_numpy() for name, gap in self.gaps.items()]
            cells["value"] = np.concatenate(values)
        for key, value in self.about.items():
            cells[key] = [value] * len(cells)
        return cells

    def to_json(self) -> str:
        """What filled the table, per column how many cells and how surely (``uncertainty``): no value of the table.

        The uncertainty of a number is the mean standard deviation of its draws, in those of what is observed; of others
        the mean share of draws that differ from the most frequent one.
        """
        filled = {str(name): int(gap.sum()) for name, gap in self.gaps.items()}
        cells, unsure = self.cells(), {}
        for name in self.gaps:
            lines = cells[[other == name for other in cells["column"]]]
            spread = float(np.nanstd(quantities(self.table[name]))) if _is_number(self.table[name]) else 0.0
            value = float((lines["std"] / spread if spread > 0 else 1 - lines["share"]).astype(float).mean())
            unsure[str(name)] = round(value, 4) if np.isfinite(value) else None
        about = {**self.about, "m": len(self), "rows": len(self.table), "filled": filled, "uncertainty": unsure}
        return json.dumps(about, indent=1)


def _numbers(draws: Sequence[pd.Series]) -> NDArray[np.float64] | None:
    """``(m, gaps)`` numbers; None where the column has none."""
    return np.stack([quantities(draw) for draw in draws]) if _is_number(draws[0]) else None


def _is_number(series: pd.Series) -> bool:
    return is_quantity(series) and bool(pd.api.types.is_numeric_dtype(series.dtype))
