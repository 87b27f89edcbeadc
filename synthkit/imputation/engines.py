"""What fills: one class per method. To add one, write an ``Engine`` and one line in ``ENGINES``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from synthkit.imputation.base import Engine, Marginal
from synthkit.imputation.blend import Blend
from synthkit.imputation.neighbours import Neighbours
from synthkit.imputation.trees import ChainedTrees
from synthkit.models import ModelSpec
from synthkit.progress import Progress
from synthkit.runtime import entropy
from synthkit.schema import Numeric, Schema
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.filling import Point

__all__ = ["ENGINES", "Blend", "ChainedTrees", "Engine", "Generator", "Marginal", "Neighbours"]


_REFITS = 5  # of a generator, among which several completed copies take turns


class Generator(Engine):
    """A generative model of the core, that is asked for the gaps: any-order, so that every pattern is one it knows.

    Several completed copies are proper: each is drawn by one of five generators that are fitted anew on rows with
    random weights (Rubin, "The Bayesian bootstrap", Annals of Statistics 1981), as far as they are asked for. One that
    is given fitted stays as it is, so that its copies do not tell how unsure its parameters are.

    Args:
        spec: the model: a registered name, or a recipe; fitted: a synthesizer that is fitted already, instead.
        keep_rules: whether filled rows obey the schema's rules.
        options: further arguments of ``TabularSynthesizer``.
    """

    name: ClassVar[str] = "autoregressive"

    def __init__(
        self,
        spec: str | ModelSpec = "autoregressive",
        fitted: TabularSynthesizer | None = None,
        *,
        keep_rules: bool = True,
        max_seconds: float | None = None,
        device: str = "auto",
        progress: bool | Callable[[Progress], bool | None] | None = None,
    ) -> None:
        self.spec, self.synthesizer, self.given, self.keep_rules = spec, fitted, fitted is not None, keep_rules
        self.options: dict[str, Any] = {"max_seconds": max_seconds, "device": device, "progress": progress}

    def fit(self, table: pd.DataFrame, schema: Schema, *, seed: int) -> None:
        if self.given:
            return
        schema = schema if self.keep_rules else replace(schema, rules=())
        self._of, self._refits = (table, schema, seed), dict[int, TabularSynthesizer]()
        self.weight: Hashable | None = None
        self.synthesizer = self._fitted(table, schema, seed)

    def _fitted(self, table: pd.DataFrame, schema: Schema, seed: int) -> TabularSynthesizer:
        return TabularSynthesizer(
            self.spec, schema=schema, gaps="skip", weight=self.weight, random_state=seed % 2**31, **self.options
        ).fit(table)

    def variant(self, k: int) -> Self:
        if self.given:
            return self
        other, k = copy.copy(self), k % _REFITS
        (table, schema, seed), own = self._of, self._of[1].weight
        if own is None:
            other.weight = next(name for n in range(table.shape[1] + 1) if (name := f"weight {n}") not in table)
        if k not in self._refits:
            weights = np.random.default_rng(entropy(seed, 1, k)).exponential(size=len(table))
            table = table.copy(deep=False)
            if own is None:
                schema = replace(schema, columns={**schema.columns, other.weight: Numeric()})
                table[other.weight] = weights
            else:
                table[own] = table[own].astype(float) * weights
            self._refits[k] = other._fitted(table, schema, entropy(seed, 2, k))
        other.synthesizer = self._refits[k]
        return other

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        return self._filled(table, mode="point", point=point, seed=seed)

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        return self._filled(table, mode="draw", seed=seed)

    def _filled(self, table: pd.DataFrame, **how: Any) -> pd.DataFrame:
        assert self.synthesizer is not None
        if self.given or self.weight is None:
            return self.synthesizer.impute(table, **how)
        return self.synthesizer.impute(table.assign(**{str(self.weight): 1.0}), **how)[list(table.columns)]


def _blend(**options: Any) -> Engine:
    """Rules that are found are left to the forests' donors: enforcing them could fail the trial."""
    return Blend(lambda: Generator(keep_rules=False, **options))


ENGINES: dict[str, Callable[..., Engine]] = {
    **{engine.name: engine for engine in (ChainedTrees, Generator, Neighbours, Marginal)},
    "blend": _blend,
}
