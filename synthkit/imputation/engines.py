"""What fills: one class per method. To add one, write an ``Engine`` and one line in ``ENGINES``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd

from synthkit.imputation.base import Engine, Marginal
from synthkit.imputation.blend import Blend
from synthkit.imputation.neighbours import Neighbours
from synthkit.imputation.trees import ChainedTrees
from synthkit.models import ModelSpec
from synthkit.progress import Progress
from synthkit.schema import Schema
from synthkit.synthesizers import TabularSynthesizer
from synthkit.synthesizers.filling import Point

__all__ = ["ENGINES", "Blend", "ChainedTrees", "Engine", "Generator", "Marginal", "Neighbours"]


class Generator(Engine):
    """A generative model of the core, that is asked for the gaps: any-order, so that every pattern is one it knows.

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
        self.synthesizer = TabularSynthesizer(
            self.spec, schema=schema, gaps="skip", random_state=seed % 2**31, **self.options
        ).fit(table)

    def point(self, table: pd.DataFrame, point: Point, *, seed: int) -> pd.DataFrame:
        assert self.synthesizer is not None
        return self.synthesizer.impute(table, mode="point", point=point, seed=seed)

    def draw(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        assert self.synthesizer is not None
        return self.synthesizer.impute(table, mode="draw", seed=seed)


def _blend(**options: Any) -> Engine:
    """Rules that are found are left to the forests' donors: enforcing them could fail the trial."""
    return Blend(lambda: Generator(keep_rules=False, **options))


ENGINES: dict[str, Callable[..., Engine]] = {
    **{engine.name: engine for engine in (ChainedTrees, Generator, Neighbours, Marginal)},
    "blend": _blend,
}
