"""Filling gaps, as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import version
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from synthkit.errors import NotFittedError, ParamError, SchemaError, SynthkitWarning
from synthkit.imputation.engines import ENGINES, Engine, Generator
from synthkit.imputation.frames import (
    as_before,
    framed,
    in_order,
    kinds_of,
    names_out,
    same_kinds,
    with_nulls,
    without_values,
)
from synthkit.imputation.ruled import Rules
from synthkit.imputation.sets import ImputationSet
from synthkit.models import MODELS, ModelSpec
from synthkit.params import AnyOf, InstanceOf, Interval, OneOf, Optional, check
from synthkit.progress import Progress
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.filling import Point

__all__ = ["Imputer"]


class Imputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills empty cells from what was learnt of the columns' dependence.

    Index, column order and dtypes come back as they are, and given cells stay to the last bit. Rows are filled one by
    one: what stands in the other rows of a call changes nothing. Columns that were complete in training may have gaps
    later: of a table without gaps nothing is trained until then. A column that is all empty in training stays as it is,
    for nothing is known of it. Arrays come back as arrays.

    Args:
        method: "auto" (``chained_trees``, which keeps sums, orders and what determines what; where ``schema`` has
            rules, the autoregressive generator, which keeps all), a name of ``synthkit.imputation.ENGINES`` ("blend"
            mixes both by their errors on held-out cells) or of a model (``synthkit.models.MODELS``), a ``ModelSpec``,
            or a fitted ``TabularSynthesizer``.
        mode: "point": each gap at its centre, which is best for predictions of single cells, and understates spread;
            "draw": each row's gaps drawn jointly, so that the completed table is distributed like a complete one.
        point: of numbers, "mean" (least squared error) or "median" (least absolute error); categories: the likeliest.
        purpose: "prediction" leaves ``target`` out of what is learnt and read; "inference" keeps it in, as analyses of
            the completed table would else be biased towards no effect. With a target, not saying which warns.
        target: the outcome of the analysis to come.
        schema: column types; None: inferred.
        missing_values: a value that stands for "empty" besides null (say -9); None: only nulls are empty.
        add_indicator: append a boolean column ``missing_<name>`` for each column that had gaps in training.
        keep_empty_features: keep columns that were all empty in training (as they are); else they are dropped.
        check: "imputation": ``fit`` also hides known cells twice, as the gaps lie, fits without them, and scores how
            they are filled (``report_``): two more fits. A column that has gaps and gets "do not use" warns.
        check_action: "warn", or "raise": such a column is a GateError.
        max_seconds, device, progress: as in ``TabularSynthesizer``.
        random_state: an integer for repeatable results; None draws one.

    Attributes:
        engine_: what fills; report_: scores, if ``check`` asked for them (and there are gaps);
        schema_: what was learnt of the columns; feature_names_in_, n_features_in_: of training.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"a": [1.0, None, 3.0, 2.0] * 10, "b": ["x", "y", None, "x"] * 10})
        >>> filled = Imputer("median", random_state=0).fit_transform(table)
        >>> int(filled.isna().sum().sum()), float(filled["a"][1]), filled["b"][2]
        (0, 2.0, 'x')
    """

    def __init__(
        self,
        method: str | ModelSpec | TabularSynthesizer = "auto",
        *,
        mode: Literal["point", "draw"] = "point",
        point: Point = "mean",
        purpose: Literal["prediction", "inference"] | None = None,
        target: Hashable | None = None,
        schema: Schema | None = None,
        missing_values: Any = None,
        add_indicator: bool = False,
        keep_empty_features: bool = True,
        check: Literal["imputation"] | None = None,
        check_action: Literal["warn", "raise"] = "warn",
        max_seconds: float | None = None,
        device: str = "auto",
        progress: bool | Callable[[Progress], bool | None] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.method = method
        self.mode = mode
        self.point = point
        self.purpose = purpose
        self.target = target
        self.schema = schema
        self.missing_values = missing_values
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.check = check
        self.check_action = check_action
        self.max_seconds = max_seconds
        self.device = device
        self.progress = progress
        self.random_state = random_state

    # ---------------------------------------------------------------- fit
    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn from a table with gaps (it may have none).

        Raises:
            ParamError, SchemaError: each names the argument or column and the remedy. GateError: ``check`` found that a
            column should not be filled, and ``check_action`` is "raise".
        """
        self._check()
        self.__dict__.pop("report_", None)
        table = self._table(X, "Imputer.fit")
        if table.empty:
            raise SchemaError("Imputer.fit: the table has no rows; give at least one.")
        self._seed = entropy(None) if self.random_state is None else int(self.random_state)
        if self.target is not None and self.target not in table.columns:
            raise ParamError(f"Imputer: argument 'target' names {self.target!r}, which is no column of the table.")
        empty = table.isna().all().to_numpy()
        self._empty = [name for name, no in zip(table.columns, empty, strict=True) if no]
        self._indicated = [name for name in table.columns if table[name].isna().any() and name not in self._empty]
        self._check_columns(table)
        names = self._read(table)
        if self.check is not None:
            self._score(table[names])
        self._kinds, self._dtypes = kinds_of(table[names]), dict(table[names].dtypes)
        self._names = list(table.columns)
        self._learn(table[names])
        self._named(X, table)
        return self

    def _learn(self, table: pd.DataFrame) -> None:
        """Train what fills; of a table without gaps only when the first gap comes."""
        names = list(table.columns)
        if self.schema is not None:
            self.schema_ = self.schema.project(names)
        else:
            self.schema_ = Schema.infer(table) if names else Schema({})
        self.engine_ = self._engine()
        own = isinstance(self.engine_, Generator)  # which keeps all rules by itself
        self._rules = None if own else Rules(self.schema_, table, self.schema is None)
        self._waiting: pd.DataFrame | None = table.copy()
        if table.isna().to_numpy().any():
            self._train()

    def _train(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            self.engine_.fit(waiting, self.schema_, seed=entropy(self._seed, 0))
            self._waiting = None

    def _named(self, X: Any, table: pd.DataFrame) -> None:
        """scikit-learn's attributes: an array has no names."""
        self.n_features_in_ = table.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(table.columns, dtype=object)

    def _check_columns(self, table: pd.DataFrame) -> None:
        if self.purpose == "inference" and self.target in self._empty:
            raise ParamError(
                f"Imputer: argument 'target': column {self.target!r} is all empty, so that it tells nothing."
            )
        taken = [name for name in self._indicated if f"missing_{name}" in table.columns]
        if self.add_indicator and taken:
            raise ParamError(
                f"Imputer: argument 'add_indicator': there is a column 'missing_{taken[0]}' already; rename it."
            )

    def _score(self, table: pd.DataFrame) -> None:
        from synthkit.imputation.checked import gate, scored  # which score imputers, and so import this file

        if table.isna().to_numpy().any():
            self.report_ = scored(self, table, self._seed)
            gate(self.report_, table, self.check_action)

    def _check(self) -> None:
        name = type(self).__name__
        kinds = (str, ModelSpec, TabularSynthesizer, Engine)
        check(name, "method", self.method, InstanceOf(*kinds))
        if isinstance(self.method, str):
            check(name, "method", self.method, OneOf(*dict.fromkeys(["auto", *ENGINES, *MODELS])))
        check(name, "mode", self.mode, OneOf("point", "draw"))
        check(name, "point", self.point, OneOf("mean", "median"))
        check(name, "purpose", self.purpose, Optional(OneOf("prediction", "inference")))
        check(name, "check", self.check, Optional(OneOf("imputation")))
        check(name, "check_action", self.check_action, OneOf("warn", "raise"))
        check(name, "schema", self.schema, Optional(InstanceOf(Schema)))
        check(name, "max_seconds", self.max_seconds, Optional(Interval(float, 0, None, "neither")))
        check(name, "random_state", self.random_state, Optional(Interval(int, 0)))
        for flag in ("add_indicator", "keep_empty_features"):
            check(name, flag, getattr(self, flag), AnyOf(InstanceOf(bool)))
        if self.target is not None and self.purpose is None:
            warnings.warn(
                "Imputer: 'target' is named, but not the purpose; it is read by what fills the other columns. Pass "
                "purpose='prediction' to leave it out (it would leak), or purpose='inference' to keep it in.",
                SynthkitWarning,
                stacklevel=3,
            )

    def _read(self, table: pd.DataFrame) -> list[Hashable]:
        """Columns that are learnt: all but empty ones, and the target of a prediction."""
        hidden = [self.target] if self.purpose == "prediction" else []
        return [name for name in table.columns if name not in self._empty and name not in hidden]

    def _engine(self) -> Engine:
        options: dict[str, Any] = {"max_seconds": self.max_seconds, "device": self.device, "progress": self.progress}
        if isinstance(self.method, Engine):
            return deepcopy(self.method)  # an argument stays as it is
        if isinstance(self.method, TabularSynthesizer):
            return Generator(fitted=self.method)
        if isinstance(self.method, ModelSpec):
            return Generator(self.method, **options)
        if self.method == "auto":
            if self.schema is not None and self.schema.rules:
                return Generator(**options)
            return ENGINES["chained_trees"]()
        if self.method == "blend":
            return ENGINES["blend"](**options)
        if self.method in ENGINES and self.method not in MODELS:
            return ENGINES[self.method]()
        return Generator(self.method, **options)

    def _table(self, X: Any, where: str) -> pd.DataFrame:
        """The table as a frame, with what stands for "empty" made null."""
        return with_nulls(framed(X, where), self.missing_values)

    # ---------------------------------------------------------------- transform
    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The table with its gaps filled; a row's filling does not depend on other rows.

        An array, or rows in a list, comes back as an array (objects where it mixes kinds), unless ``set_output`` says
        otherwise; its columns are called x0, x1, ...

        Raises:
            NotFittedError: fit first. SchemaError: other columns than in training, or of another kind.
        """
        table = self._known(X)
        filled = self._fill(table, self.mode, entropy(self._seed, 1))
        masked = self.missing_values is not None
        done: pd.DataFrame = as_before(X, self._output(table, filled), masked)
        return done

    def multiple(self, X: pd.DataFrame, m: int = 20) -> ImputationSet:
        """``m`` completed copies: each gap drawn m times, jointly over a row's gaps.

        Raises:
            NotFittedError, SchemaError: as :meth:`transform`. ParamError: ``m`` is no positive number.
        """
        check("Imputer.multiple", "m", m, Interval(int, 1))
        return self._multiple(self._known(X), m)

    def _multiple(self, table: pd.DataFrame, m: int) -> ImputationSet:
        gaps: dict[Hashable, NDArray[np.bool_]] = {
            name: gap for name in self._read(table) if (gap := table[name].isna().to_numpy()).any()
        }
        if not gaps:  # nothing is drawn, and nothing trained
            return ImputationSet(table, gaps, [{}] * m, self._about())
        self._train()
        draws: list[Mapping[Hashable, pd.Series]] = []
        for k in range(m):
            filled = self._fill(table, "draw", entropy(self._seed, 2, k), self.engine_.variant(k))
            draws.append({name: filled[name][gap] for name, gap in gaps.items()})
        return ImputationSet(table, gaps, draws, self._about())

    def _about(self) -> dict[str, Any]:
        return {"engine": self.engine_.name, "seed": self._seed, "synthkit": version("synthkit")}

    def audit(self, X: pd.DataFrame, m: int = 20) -> pd.DataFrame:
        """Which cells :meth:`transform` fills, with what, by what, and how uncertain.

        Args:
            m: draws of each cell, for its uncertainty.

        Returns:
            The lines of :meth:`ImputationSet.audit`, but ``value`` is what ``transform`` fills in; and ``mode``.
        """
        check("Imputer.audit", "m", m, Interval(int, 1))
        table = self._known(X)
        filled = self._fill(table, self.mode, entropy(self._seed, 1))
        return self._multiple(table, m).audit(filled).assign(mode=self.mode)

    def _known(self, X: Any) -> pd.DataFrame:
        if "engine_" not in self.__dict__:
            raise NotFittedError("Imputer.transform: this imputer is not fitted; call fit first.")
        table = self._table(X, "Imputer.transform")
        table = in_order(X, table, self._names, "feature_names_in_" in self.__dict__)
        same_kinds(table, self._kinds)
        return without_values(table, self._dtypes)

    def _fill(self, table: pd.DataFrame, mode: str, seed: int, engine: Engine | None = None) -> pd.DataFrame:
        engine = self.engine_ if engine is None else engine
        names = self._read(table)
        gaps = table[names].isna().to_numpy()
        rows = np.flatnonzero(gaps.any(1)) if len(names) else np.empty(0, dtype=int)
        if not len(rows):
            return table.copy()
        self._train()
        some = table[names].iloc[rows]
        some = engine.draw(some, seed=seed) if mode == "draw" else engine.point(some, self.point, seed=seed)
        if self._rules is not None:
            some = self._rules.keep(some, dict(zip(names, ~gaps[rows].T, strict=True)))
        out = table.copy()
        for k, name in enumerate(names):
            at = rows[gaps[rows, k]]
            if len(at):
                column = out[name].copy()
                column.iloc[at] = some[name].iloc[np.searchsorted(rows, at)].array
                out[name] = column
        return out

    def _output(self, table: pd.DataFrame, filled: pd.DataFrame) -> pd.DataFrame:
        if not self.keep_empty_features:
            filled = filled.drop(columns=self._empty)
        if self.add_indicator:
            flags = {f"missing_{name}": table[name].isna().to_numpy(dtype=bool) for name in self._indicated}
            filled = filled.assign(**flags)
        return filled

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> NDArray[Any]:
        """Names of the columns that :meth:`transform` returns."""
        if "engine_" not in self.__dict__:
            raise NotFittedError("Imputer.get_feature_names_out: this imputer is not fitted; call fit first.")
        names = names_out(input_features, self._names, "feature_names_in_" in self.__dict__)
        new = dict(zip(self._names, names, strict=True))
        kept = [new[n] for n in self._names if self.keep_empty_features or n not in self._empty]
        flags = [f"missing_{new[n]}" for n in self._indicated] if self.add_indicator else []
        return np.asarray([*kept, *flags], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags
