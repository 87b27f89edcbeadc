"""Fitting again and again: a fresh synthesizer per refit, tables drawn from it, likelihoods where it has them."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.tables import Kind, kinds_of
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["Subject", "likelihoods"]


class Subject:
    """What is audited: a synthesizer that can be fitted afresh, the table it is fitted on, and its columns.

    Columns that are generated rather than learnt (keys, free text) are left out, as no attack goes by them.

    Args:
        caller: the function that errors name.
        table: the rows; synthesizer: fitted or not (only its parameters are used), with ``fit(table)`` and
            ``sample(n, seed=...)``; None: ``TabularSynthesizer()``.
        entity: whose row it is; None: as the synthesizer has it.

    Attributes:
        table: the columns that are learnt, and entity and weight; a plain index.
        kinds: columns that attacks see; schema: of the table, one for all refits, so that it tells nothing.

    Raises:
        ParamError: the synthesizer cannot fit or sample, or draws records over time.
        SchemaError: no column is learnt, or the entity is missing or null.
    """

    def __init__(
        self, caller: str, table: pd.DataFrame, synthesizer: Any | None, entity: Hashable | None = None
    ) -> None:
        self.caller = caller
        self.synthesizer = TabularSynthesizer() if synthesizer is None else synthesizer
        if not all(callable(getattr(self.synthesizer, name, None)) for name in ("fit", "sample")):
            raise ParamError(f"{caller}: argument 'synthesizer' needs the methods fit(table) and sample(n, seed=...).")
        if isinstance(self.synthesizer, SequenceSynthesizer):
            raise ParamError(
                f"{caller}: argument 'synthesizer' draws records over time, which have no such audit yet; "
                "use evaluate(..., entity=...), which attacks whole entities."
            )
        if not isinstance(table, pd.DataFrame) or not len(table):
            raise SchemaError(f"{caller}: argument 'df' must be a pandas DataFrame with rows.")
        known = self._params()
        self.entity = entity if entity is not None else known.get("entity")
        if self.entity is not None and self.entity not in table:
            raise SchemaError(
                f"{caller}: argument 'entity': there is no column {self.entity!r}; name one of the table."
            )
        if self.entity is not None and table[self.entity].isna().any():
            raise SchemaError(f"{caller}: entity column {self.entity!r} has nulls; drop or complete those rows.")
        roles = [name for name in (self.entity, known.get("weight")) if name is not None]
        given = known.get("schema")
        schema = given if given is not None else Schema.infer(table, entity=self.entity, weight=known.get("weight"))
        self.kinds: dict[Hashable, Kind] = {n: k for n, k in kinds_of(schema).items() if n not in roles}
        if not self.kinds:
            raise SchemaError(
                f"{caller}: no column is learnt (keys and free text are generated); there is none to audit."
            )
        self.table = table[[n for n in table.columns if n in self.kinds or n in roles]].reset_index(drop=True)
        self.schema: Schema = schema.project(list(self.table.columns))

    def _params(self) -> dict[str, Any]:
        return dict(self.synthesizer.get_params(deep=False)) if hasattr(self.synthesizer, "get_params") else {}

    def roles(self) -> dict[str, Any]:
        """Entity and weight, as arguments of a ``TabularSynthesizer`` of the same table."""
        weight = self._params().get("weight")
        found = {"entity": self.entity, "weight": weight}
        return {role: name for role, name in found.items() if name is not None and name in self.table}

    @property
    def owner(self) -> NDArray[np.int64]:
        """``(rows,)`` whose row it is, numbered from 0."""
        if self.entity is None:
            return np.arange(len(self.table))
        return pd.factorize(self.table[self.entity])[0].astype(np.int64)

    def fit(self, table: pd.DataFrame, seed: int) -> Any:
        """A fresh synthesizer, fitted on ``table``, which has the subject's columns."""
        params = self._params()
        fresh = clone(self.synthesizer) if params else copy.deepcopy(self.synthesizer)
        changed: dict[str, Any] = {}
        if "random_state" in params:
            changed["random_state"] = entropy(seed) % 2**31
        if "schema" in params:
            changed["schema"] = self.schema
        if "progress" in params:
            changed["progress"] = None
        if changed:
            fresh.set_params(**changed)
        done = fresh.fit(table)
        return fresh if done is None else done

    def draw(self, fitted: Any, rows: int, seed: int) -> pd.DataFrame:
        """``rows`` synthetic rows with the columns that attacks see."""
        table = fitted.sample(rows, seed=entropy(seed) % 2**31)
        missing = [name for name in self.kinds if name not in table]
        if missing:
            raise SchemaError(f"{self.caller}: column {missing[0]!r} is missing from the synthetic table.")
        drawn: pd.DataFrame = table[list(self.kinds)].reset_index(drop=True)
        return drawn


def likelihoods(fitted: Any, table: pd.DataFrame) -> NDArray[np.float64] | None:
    """``(rows,)`` log-likelihoods; None where the model has none.

    A row that the model cannot read (a category or null that it never saw) gets the least of the others.
    """
    if not callable(getattr(fitted, "log_prob", None)):
        return None
    out = np.full(len(table), np.nan)
    try:
        _fill(fitted, table, out, 0)
    except ParamError:
        return None
    if np.isnan(out).all():
        return None
    finite = out[np.isfinite(out)]
    least = float(finite.min()) if len(finite) else 0.0
    return np.where(np.isfinite(out), out, least)


def _fill(fitted: Any, table: pd.DataFrame, out: NDArray[np.float64], start: int) -> None:
    """Bisect around rows that cannot be read."""
    if not len(table):
        return
    try:
        out[start : start + len(table)] = np.asarray(fitted.log_prob(table), np.float64)
    except SchemaError:
        if len(table) > 1:
            half = len(table) // 2
            _fill(fitted, table.iloc[:half], out, start)
            _fill(fitted, table.iloc[half:], out, start + half)
