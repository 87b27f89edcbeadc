"""What draws the added rows: a model of ours by default, or any object with ``fit`` and ``sample``."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from copy import deepcopy
from typing import Any, Protocol

import pandas as pd
from sklearn.base import BaseEstimator, clone

from synthkit.augmenting.cells import class_codes
from synthkit.errors import ParamError, SchemaError
from synthkit.models import MODELS, ModelSpec
from synthkit.params import OneOf, check
from synthkit.runtime import entropy
from synthkit.schema import Identifier
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["Generator", "default_generator", "draw_classes", "fitted"]

_MANY = 5_000  # rows: of more, fewer and larger leaves do, and the forests of a fold stay within seconds


class Generator(Protocol):
    """What ``augment`` and ``Oversampler`` ask of a generator."""

    def fit(self, table: pd.DataFrame) -> Any:
        """Learn the table, which holds the target as one of its columns."""

    def sample(self, n: int, *, where: Mapping[Hashable, Any], seed: int) -> pd.DataFrame:
        """``n`` rows with the table's columns, in which the target has the value in ``where``."""


def default_generator(rows: int, entity: Hashable | None = None) -> TabularSynthesizer:
    """Sequential trees with the target as the first column, so that the others are drawn given it exactly.

    They need no training steps: a fold of 600 rows and 9 columns takes about a second and a half. Nothing is withheld
    (``protect=None``): the drawn rows are for whoever has the real ones, and stand among them.
    """
    spec = MODELS["trees"]() if rows <= _MANY else MODELS["trees"](trees=10, leaf=20)  # type: ignore[call-arg]
    return TabularSynthesizer(spec, protect=None, entity=entity)


def fitted(generator: Any, table: pd.DataFrame, target: Hashable, seed: int, *, entity: Hashable | None = None) -> Any:
    """A fresh copy of ``generator`` (None: the default), fitted on ``table``.

    Raises:
        ParamError: it has no ``fit`` or no ``sample``, or is a class.
    """
    if generator is None:
        generator = default_generator(len(table), entity)
        table = table[[target, *(name for name in table.columns if name != target)]]
    elif isinstance(generator, (str, ModelSpec)):
        if isinstance(generator, str):
            check("augment, Oversampler", "synthesizer", generator, OneOf("auto", *MODELS))
        generator = TabularSynthesizer(generator, protect=None, entity=entity)
    elif isinstance(generator, type) or not all(callable(getattr(generator, n, None)) for n in ("fit", "sample")):
        raise ParamError(
            "augment, Oversampler: argument 'synthesizer' must be the name of a model, a ModelSpec, a synthesizer, or "
            "any object with fit(table) and sample(n, where=..., seed=...)."
        )
    fresh = clone(generator) if isinstance(generator, BaseEstimator) else deepcopy(generator)
    if "random_state" in inspect.signature(type(fresh)).parameters and hasattr(fresh, "random_state"):
        fresh.random_state = seed % 2**31
    answer = fresh.fit(table.copy())
    return fresh if answer is None else answer


def draw_classes(
    generator: Any, like: pd.DataFrame, target: Hashable, extra: Mapping[Any, int], seed: int
) -> pd.DataFrame:
    """So many rows of each class, with the columns (and their order) and dtypes of ``like``; a fresh RangeIndex.

    Keys (identifiers) are all different, and none is one of ``like``, so that both tables can stand together.

    Raises:
        SchemaError: the generator gave other columns, other classes or another number of rows.
    """
    parts = []
    for k, (value, rows) in enumerate(extra.items()):
        if rows <= 0:
            continue
        part = generator.sample(int(rows), where={target: value}, seed=(seed + k) % 2**31)
        if not isinstance(part, pd.DataFrame) or set(part.columns) != set(like.columns) or len(part) != rows:
            raise SchemaError(
                "augment, Oversampler: argument 'synthesizer': its sample did not return a DataFrame of the wanted "
                "rows with the table's columns; mend it."
            )
        if class_codes([value], part[target]).any():
            raise SchemaError(
                "augment, Oversampler: argument 'synthesizer': its sample returned rows of another class than 'where' "
                "asks for; mend it."
            )
        parts.append(part[list(like.columns)])
    if not parts:
        return like.iloc[:0].reset_index(drop=True)
    drawn = _with_new_keys(generator, pd.concat(parts, ignore_index=True), like, seed)
    changed = {name: dtype for name, dtype in like.dtypes.items() if drawn[name].dtype != dtype}
    for name, dtype in changed.items():
        try:
            drawn[name] = drawn[name].astype(dtype)
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"augment, Oversampler: argument 'synthesizer': its sample returned column {name!r} with cells "
                f"that the table's dtype {dtype} cannot hold; mend it."
            ) from error
    return drawn


def _with_new_keys(generator: Any, drawn: pd.DataFrame, real: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Each class was drawn by itself, and knew nothing of the keys of the others and of the real rows."""
    if not isinstance(generator, TabularSynthesizer):
        return drawn
    names = [name for name, kind in generator.schema_.columns.items() if isinstance(kind, Identifier)]
    if names:
        encoder, drawn = generator.encoder_, drawn.copy()
        more = encoder.decode(encoder.layout_.empty(len(drawn) + len(real)), seed=entropy(seed, 1))
        for name in names:
            new = more[name][~more[name].isin(real[name])].iloc[: len(drawn)].reset_index(drop=True)
            drawn[name] = new.where(drawn[name].notna(), drawn[name])
    return drawn
