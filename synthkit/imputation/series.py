"""Filling gaps of long series, as a transformer: no generative model is fitted."""

from __future__ import annotations

from collections.abc import Hashable
from importlib.metadata import version
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from synthkit.errors import NotFittedError, SchemaError
from synthkit.imputation.sets import ImputationSet
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.protect import Protect, Protection
from synthkit.runtime import entropy
from synthkit.series.encoding import SeriesEncoder
from synthkit.series.filling import METHODS, PLAIN
from synthkit.series.gap_tables import GapTable, TableFiller
from synthkit.series.panel_gaps import PanelFiller
from synthkit.synthesizers.filling import Point
from synthkit.synthesizers.series import looks_like_series
from synthkit.synthesizers.series_filling import put_cells

__all__ = ["SeriesImputer"]


class SeriesImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills empty cells of one long numeric series, or of few that share a calendar, from the rows around and beside.

    Unlike :class:`Imputer`, which fills each row from itself, it reads what stands before and after a gap, and all
    columns at each step. Index, column order and dtypes come back as they are, and given cells stay to the last bit;
    bars stay in order (high >= open, close >= low), numbers on their grid and in their range. Rows that the calendar
    leaves out get none. A column without a known cell is told by the others as far as they tell it.

    Args:
        method: "auto": hides known cells as the gaps lie, and takes per column the mixture of the linear Gaussian law
            of all channels (:mod:`synthkit.series.state_space`) and a plain way that errs least; or one alone:
            "kalman" (that law), "linear" (in time), "last" (the value before), "seasonal" (linear on a profile).
        time: the column or index level of times; None: a DatetimeIndex if there is one, else the order of rows.
        entity: the column that says whose row it is, or None. Few long entities that share a calendar are read side by
            side; of many (stays of patients) the numbers of each are filled from its own rows, by a law that they
            share, and columns that hold no numbers stay as they are.
        mode: "point": each gap at its centre; "draw": all gaps drawn jointly.
        point: "mean" or "median".
        protect: how many rows must stand behind a stored number: a preset's name, a ``Protection``, or None: one.
        random_state: an integer for repeatable results; None draws one.

    Attributes:
        filler_: what fills; report_: per column, what was taken next to known cells and deeper in gaps, and mean
            absolute errors on hidden cells, in standard deviations of the column.

    Example:
        >>> import numpy as np, pandas as pd
        >>> x = np.sin(np.arange(400) / 9)
        >>> table = pd.DataFrame({"x": x, "y": x[::-1] + 1})
        >>> table.loc[50:53, "x"] = None
        >>> filled = SeriesImputer(random_state=0).fit_transform(table)
        >>> bool(np.abs(filled["x"] - x).max() < 0.05), int(filled.isna().sum().sum())
        (True, 0)
    """

    def __init__(
        self,
        method: Literal["auto", "kalman", "linear", "last", "seasonal"] = "auto",
        *,
        time: Hashable | None = None,
        entity: Hashable | None = None,
        mode: Literal["point", "draw"] = "point",
        point: Point = "mean",
        protect: Protect = "standard",
        random_state: int | None = None,
    ) -> None:
        self.method = method
        self.time = time
        self.entity = entity
        self.mode = mode
        self.point = point
        self.protect = protect
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Learn a series, with gaps or without; its rows may come in any order.

        Raises:
            ParamError, SchemaError: each names the argument or column and the remedy.
        """
        name = type(self).__name__
        check(name, "method", self.method, OneOf(*METHODS))
        check(name, "mode", self.mode, OneOf("point", "draw"))
        check(name, "point", self.point, OneOf("mean", "median"))
        Protection.of(self.protect, name)
        check(name, "random_state", self.random_state, Optional(Interval(int, 0)))
        self.seed_ = entropy(None) if self.random_state is None else int(self.random_state)
        try:
            self.filler_: TableFiller | PanelFiller = self._learnt(X)
        except SchemaError as error:
            raise SchemaError(_own(error, name)) from error
        self.report_ = self._report()
        return self

    def _learnt(self, X: pd.DataFrame) -> TableFiller | PanelFiller:
        seed = entropy(self.seed_, 0)
        if self.entity is not None and not self._side_by_side(X):
            return PanelFiller(self.entity, self.time, self.protect).fit(X, seed)
        encoder = SeriesEncoder(time=self.time, entity=self.entity, protect=self.protect)
        coded = encoder.fit(X)
        encoder.learn_atoms(coded.values, coded.rows)
        return TableFiller.fit(encoder, X, seed)

    def _side_by_side(self, X: Any) -> bool:
        """Whether entities are few, long, and share a calendar."""
        if isinstance(X, pd.DataFrame):
            numbers = [pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes]
            X = X.loc[:, [n or name in (self.entity, self.time) for n, name in zip(numbers, X.columns, strict=True)]]
        return looks_like_series(X, self.entity, self.time)

    def _report(self) -> pd.DataFrame:
        filler = self.filler_.filler
        lines = pd.DataFrame({"column": pd.Series(self.filler_.keys, dtype=object)})
        for k, place in enumerate(("near", "deep")):
            mixed = zip(filler.base[k], filler.weight[k], strict=True)
            lines[place] = [f"{w:g} kalman" + (f" + {1 - w:g} {PLAIN[b]}" if w < 1 else "") for b, w in mixed]
        for k, way in enumerate((*PLAIN, "kalman", "auto")):
            lines[way] = filler.report[k, 0]
        return lines

    def _laid(self, X: pd.DataFrame) -> GapTable:
        if "filler_" not in self.__dict__:
            raise NotFittedError("SeriesImputer.transform: this imputer is not fitted; call fit first.")
        try:
            return self.filler_.lay_out(X, "transform")
        except SchemaError as error:
            raise SchemaError(_own(error, type(self).__name__)) from error

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The table with its gaps filled.

        Raises:
            NotFittedError: fit first. SchemaError: a column is missing, or times are not on the grid of training.
        """
        laid = self._laid(X)
        if not laid.gaps:
            return X.copy()
        draws = 1 if self.mode == "draw" else 0
        mean, median, drawn = self.filler_.fill(laid, draws, entropy(self.seed_, 1), self.method)
        whole: NDArray[np.float64] = drawn[0] if draws else mean if self.point == "mean" else median
        return put_cells(X, laid.gaps, self.filler_.cells(laid, whole))

    def multiple(self, X: pd.DataFrame, m: int = 20) -> ImputationSet:
        """``m`` completed copies, whose gaps are drawn jointly; their ``cells`` and ``interval`` tell the spread.

        Raises:
            NotFittedError, SchemaError: as :meth:`transform`. ParamError: ``m`` is no positive number.
        """
        check("SeriesImputer.multiple", "m", m, Interval(int, 1))
        laid = self._laid(X)
        about: dict[str, Any] = {"engine": f"series/{self.method}", "seed": self.seed_, "synthkit": version("synthkit")}
        if not laid.gaps:
            return ImputationSet(X, {}, [{}] * m, about)
        drawn = self.filler_.fill(laid, m, entropy(self.seed_, 2), self.method)[2]
        return ImputationSet(X, laid.gaps, [self.filler_.cells(laid, whole) for whole in drawn], about)


def _own(error: SchemaError, name: str) -> str:
    """A message of the codec in the imputer's name; it has no 'kind'."""
    text = str(error).replace("SequenceSynthesizer", name)
    return text.replace("set kind='panel' with an 'entity' to have it learnt as records", "fill it by Imputer")
