"""Over-sampling as imbalanced-learn's pipelines call it, by a generator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import type_of_target

from synthkit.augmenting.cells import tally
from synthkit.augmenting.counts import Strategy, added_by_strategy
from synthkit.augmenting.generators import draw_classes, fitted
from synthkit.errors import ParamError, SchemaError
from synthkit.params import Interval, Optional, check
from synthkit.runtime import entropy

__all__ = ["Oversampler"]


class Oversampler(BaseEstimator):  # type: ignore[misc]
    """Adds generated rows to rare classes: the real rows first and as they are, then the drawn ones.

    It follows imbalanced-learn's protocol (``fit_resample``), so that its pipelines resample training folds only, and
    does not need that package. Whether it helps is another question, which :func:`synthkit.augment` answers.

    Args:
        sampling_strategy: which classes grow. "auto" or "not majority": all but the most frequent, up to its size;
            "minority": the rarest alone; "not minority", "all"; a share in (0, 1]: of two classes, rarer over more
            frequent rows afterwards; a dict of class -> rows afterwards; or a callable that makes such a dict of y.
        synthesizer: the name of a model, a ``ModelSpec``, a synthesizer, or any object with ``fit(table)`` and
            ``sample(n, where={target: value}, seed=...)``; it is copied, and the copy is fitted. None: sequential
            trees, which take a second or some on small tables.
        random_state: an integer for repeatable rows; None draws one.

    Attributes:
        sampling_strategy_: class -> rows that were added; synthesizer_: what drew them (None: nothing was to be drawn);
        n_features_in_, feature_names_in_: of X.

    Example:
        >>> X = pd.DataFrame({"a": range(40), "b": ["u", "v"] * 20})
        >>> more, y = Oversampler(synthesizer="copula", random_state=0).fit_resample(X, [0] * 30 + [1] * 10)
        >>> len(more), int(y.sum())
        (60, 30)
    """

    def __init__(
        self, sampling_strategy: Strategy = "auto", *, synthesizer: Any = None, random_state: int | None = None
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.synthesizer = synthesizer
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Say how many rows each class would get (``sampling_strategy_``); nothing is drawn.

        Raises:
            ParamError, SchemaError: as :meth:`fit_resample`.
        """
        self._read(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """``X`` ``(rows, columns)`` and ``y`` ``(rows,)`` with the drawn rows behind.

        A DataFrame comes back as one with its dtypes and a fresh index, a Series as a Series, arrays (and lists) as
        arrays.

        Raises:
            ParamError: an argument is out of its set, or y is a number to be regressed. SchemaError: X and y do not
                fit, y has nulls or one class only.
        """
        table, labels, target = self._read(X, y)
        seed = entropy(None) if self.random_state is None else int(self.random_state)
        self.synthesizer_ = None
        whole = pd.concat([table, labels.rename(target)], axis=1)
        if self.sampling_strategy_:
            self.synthesizer_ = fitted(self.synthesizer, whole, target, entropy(seed, 0))
            drawn = draw_classes(self.synthesizer_, whole, target, self.sampling_strategy_, entropy(seed, 1))
            whole = pd.concat([whole, drawn], ignore_index=True)
        grown, answer = whole.drop(columns=[target]), whole[target]
        more: Any = grown if isinstance(X, pd.DataFrame) else grown.to_numpy(dtype=np.asarray(X).dtype)
        if isinstance(y, pd.Series):
            return more, answer.rename(y.name)
        if isinstance(y, pd.DataFrame):
            return more, answer.to_frame(y.columns[0])
        return more, answer.to_numpy(dtype=np.asarray(y).dtype)

    def _read(self, X: Any, y: Any) -> tuple[pd.DataFrame, pd.Series, Any]:
        check("Oversampler", "random_state", self.random_state, Optional(Interval(int, 0)))
        if not isinstance(X, pd.DataFrame) and np.asarray(X).ndim != 2:  # of a sparse matrix that is no array: 0
            raise SchemaError(
                "Oversampler: argument 'X' must be a DataFrame, or an array of two dimensions; make a sparse one dense."
            )
        table = (X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))).reset_index(drop=True)
        column = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and y.shape[1] == 1 else y
        if np.ndim(column) != 1 or len(column) != len(table):
            raise SchemaError("Oversampler: argument 'y' must be one column with a label per row of 'X'.")
        labels = pd.Series(column).reset_index(drop=True)
        if labels.isna().any():
            raise SchemaError("Oversampler: argument 'y' has nulls; drop these rows.")
        if type_of_target(labels.to_numpy()) == "continuous":
            raise ParamError("Oversampler: argument 'y' looks like a number to regress; only classes are balanced.")
        classes, counts = tally(labels)
        if len(classes) < 2:
            raise SchemaError("Oversampler: argument 'y' has one class only; there is nothing to balance.")
        self.sampling_strategy_ = added_by_strategy(classes, counts, self.sampling_strategy, y)
        self.n_features_in_ = table.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        target: Any = "target"
        while target in table.columns:
            target += "_"
        return table, labels, target
