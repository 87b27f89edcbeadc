"""What a model learns from a table: train on synthetic, test on real."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.fidelity import categorical_mask, features, without_empty
from synthkit.metrics.tables import Coded, Kinds, code_tables, resolve_kinds

__all__ = ["tstr"]


def tstr(
    train: pd.DataFrame, test: pd.DataFrame, target: Hashable, *, kinds: Kinds | None = None, seed: int = 0
) -> float:
    """Score on ``test`` of gradient boosting trained on ``train``: TSTR if that is synthetic, TRTR if it is real.

    After Esteban et al. (2017). A categorical target gives the ROC AUC (of several classes: the mean of each
    against the rest, over the classes that ``test`` has), a numeric one R squared. Rows without a target are dropped.

    Args:
        train, test: the tables; levels beyond the 200 most frequent of ``test`` become one.
        target: the column to predict from all the others.
        kinds: the columns to use and what they are; by default read from the dtypes of ``train``.
        seed: of the boosting.

    Raises:
        ParamError: the target is not among the columns.
        SchemaError: too few rows with a target are left, or ``test`` has one class only.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> tstr(table, table, "y")
    1.0
    """
    kinds = resolve_kinds((train, test), kinds)
    if target not in kinds:
        raise ParamError(f"tstr: argument 'target': the tables have no column {target!r} to predict.")
    if len(kinds) < 2:
        raise ParamError("tstr: argument 'target' is the only column; nothing is left to predict it from.")
    coded_test, coded_train = code_tables(test, train, kinds=kinds)
    label_test, label_train = _label(coded_test, target), _label(coded_train, target)
    keep_test, keep_train = (np.flatnonzero(~np.isnan(y)) for y in (label_test, label_train))
    if not len(keep_test) or not len(keep_train):
        raise SchemaError(f"tstr: column {target!r} is null in all rows of a table; pass one with a target.")
    x_train, x_test = without_empty(
        features(coded_train.take(keep_train).without(target)), features(coded_test.take(keep_test).without(target))
    )
    y_train, y_test = label_train[keep_train], label_test[keep_test]
    mask = categorical_mask(coded_test.without(target))
    if kinds[target] == "categorical":
        return _auc(x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64), mask, seed)
    if len(y_test) < 2:
        raise SchemaError("tstr: R squared needs at least 2 rows with a target in the test table.")
    model = HistGradientBoostingRegressor(
        max_iter=200, learning_rate=0.1, early_stopping=False, categorical_features=mask, random_state=seed
    )
    return float(r2_score(y_test, model.fit(x_train, y_train).predict(x_test)))


def _label(table: Coded, target: Hashable) -> NDArray[np.float64]:
    if target in table.num:
        return table.numbers[:, table.num.index(target)]
    codes = table.codes[:, table.cat.index(target)]
    return np.where(codes < 0, np.nan, codes)


def _auc(
    x_train: NDArray[np.float64],
    y_train: NDArray[np.int64],
    x_test: NDArray[np.float64],
    y_test: NDArray[np.int64],
    mask: NDArray[np.bool_],
    seed: int,
) -> float:
    classes = np.unique(y_train)
    if len(classes) < 2:
        return 0.5  # a table that lost all classes but one teaches nothing
    if len(np.unique(y_test)) < 2:
        raise SchemaError("tstr: the test table has only one class, so that no AUC exists; pass more rows.")
    model = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.1, early_stopping=False, categorical_features=mask, random_state=seed
    ).fit(x_train, y_train)
    scores = np.zeros((len(y_test), max(classes.max(), y_test.max()) + 1))
    scores[:, classes] = model.predict_proba(x_test)  # a class that training lacks keeps the score 0: AUC 0.5
    return float(np.mean([roc_auc_score(y_test == c, scores[:, c]) for c in np.unique(y_test)]))
