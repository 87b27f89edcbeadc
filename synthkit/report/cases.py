"""Which tables are judged: the synthetic one, and the references that say how its figures are to be read.

Every reference case holds at most 5,000 judged rows (2,000 at level quick), and all hold the same number, as many
figures depend on it:

- ``matched``: synthetic rows;
- ``fresh``: rows of one half of the holdout, judged by the other half: what a perfect generator would score;
- ``copy``: a bootstrap of training rows: the memoriser;
- ``independent``: training rows, each column shuffled by itself: marginals without dependence.

All are judged by that other half of the holdout. The training rows beside them are as many as the judged rows, so that
what is compared with a real table is compared with one of its own size. Privacy is the exception: attacks seek all
training rows, of which the bootstrap alone knows no more than it drew, and so is judged by those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from synthkit.metrics.base import Case, Group, Level, Table
from synthkit.metrics.tables import Kinds, code_tables

__all__ = ["MAX_ROWS", "REFERENCES", "REFERENCE_ROWS", "Cases"]

MAX_ROWS: dict[Level, int] = {"quick": 50_000, "default": 100_000, "full": 200_000}
"""Rows of each table that are used at most; of longer ones so many are drawn without replacement, by the seed."""
REFERENCE_ROWS: dict[Level, int] = {"quick": 2_000, "default": 5_000, "full": 5_000}
"""Judged rows of a reference case at most."""
REFERENCES = ("matched", "fresh", "copy", "independent")


@dataclass(frozen=True)
class Cases:
    """All cases of one report, or of a comparison of several synthetic tables.

    Attributes:
        synthetic: the case of each synthetic table, by the table's name.
        given: rows of each table as given, before subsampling.
    """

    synthetic: Mapping[str, Case]
    given: Mapping[str, int]
    _references: dict[Any, Case] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        real: pd.DataFrame,
        synthetic: Mapping[str, pd.DataFrame],
        holdout: pd.DataFrame | None,
        *,
        kinds: Kinds,
        level: Level,
        seed: int,
        **known: Any,
    ) -> Cases:
        """Subsample the tables where they are too long, and code them together.

        Raises:
            SchemaError: see :func:`synthkit.metrics.tables.code_tables`.
        """
        frames = {"real": real, "holdout": holdout, **{f"synthetic {name}": t for name, t in synthetic.items()}}
        there = {name: frame for name, frame in frames.items() if frame is not None}
        used = {n: _at_most(frame, MAX_ROWS[level], [seed, 5, k]) for k, (n, frame) in enumerate(there.items())}
        coded = code_tables(*used.values(), kinds=kinds)
        names = list(kinds)
        tables = {
            name: Table(frame[names].reset_index(drop=True), codes)
            for (name, frame), codes in zip(used.items(), coded, strict=True)
        }
        first = tables[f"synthetic {next(iter(synthetic))}"]
        base = Case(tables["real"], first, tables.get("holdout"), kinds, level=level, seed=seed, **known)
        cases = {name: replace(base, synthetic=tables[f"synthetic {name}"]) for name in synthetic}
        return cls(cases, {name: len(frame) for name, frame in there.items()})

    @property
    def any(self) -> Case:
        """One of the synthetic cases: what does not depend on the synthetic table is the same in all."""
        return next(iter(self.synthetic.values()))

    @cached_property
    def rows(self) -> int:
        """Judged rows of each reference case."""
        base = self.any
        half = len(base.real) if base.holdout is None else len(base.holdout) // 2
        return min(
            half, REFERENCE_ROWS[base.level], len(base.real), *(len(case.synthetic) for case in self.synthetic.values())
        )

    @cached_property
    def judge(self) -> Table | None:
        """One half of the holdout, as many rows at most; ``None`` where there is no holdout, or one of one row."""
        return None if self._halves is None else self._halves[0]

    @cached_property
    def fresh(self) -> Table | None:
        """Rows of the other half, in the synthetic table's place."""
        return None if self._halves is None else self._halves[1].take(np.arange(self.rows))

    @cached_property
    def _halves(self) -> tuple[Table, Table] | None:
        holdout = self.any.holdout
        if holdout is None or len(holdout) < 2:
            return None
        order, half = self._rng(0).permutation(len(holdout)), len(holdout) // 2
        size = min(half, REFERENCE_ROWS[self.any.level])
        return holdout.take(order[half : half + size]), holdout.take(order[:size])

    @cached_property
    def training(self) -> Table:
        """As many training rows."""
        return self.any.real.take(self._rng(1).permutation(len(self.any.real))[: self.rows])

    @cached_property
    def copy(self) -> Table:
        """A bootstrap of those training rows."""
        return self.training.take(self._rng(2).integers(self.rows, size=self.rows))

    @cached_property
    def independent(self) -> Table:
        """Those training rows, each column shuffled by itself."""
        return self.training.shuffled(self._rng(3))

    def matched(self, name: str) -> Table:
        """As many rows of a synthetic table."""
        table = self.synthetic[name].synthetic
        return table.take(self._rng(4).permutation(len(table))[: self.rows])

    def reference(self, kind: str, group: Group, name: str | None = None) -> Case | None:
        """The case of a reference, for the metrics of a panel; ``name`` says whose ``matched``.

        Returns ``None`` where there is too little data for one.
        """
        if not self.rows or (kind == "fresh" and self.fresh is None):
            return None
        whole = group == "privacy" and kind != "copy"
        key = (kind, whole, name)
        if key not in self._references:  # one object for all metrics: it keeps what they share
            table = self.matched(name or next(iter(self.synthetic))) if kind == "matched" else getattr(self, kind)
            real = self.any.real if whole else self.training
            self._references[key] = replace(self.any, synthetic=table, real=real, holdout=self.judge, explained=False)
        return self._references[key]

    def tables(self, name: str) -> dict[str, Table]:
        """The tables behind a report, for its figures."""
        case = self.synthetic[name]
        found = {
            "real": case.real,
            "synthetic": case.synthetic,
            "holdout": case.holdout,
            "judge": self.judge,
            "matched": self.matched(name),
            "fresh": self.fresh,
            "copy": self.copy,
            "independent": self.independent,
        }
        return {key: table for key, table in found.items() if table is not None}

    def shortened(self) -> Iterator[tuple[str, int, int]]:
        """Name, rows given, rows used, of each table that was subsampled."""
        base = self.any
        used = {"real": len(base.real), "holdout": 0 if base.holdout is None else len(base.holdout)}
        used.update({f"synthetic {name}": len(case.synthetic) for name, case in self.synthetic.items()})
        for name, rows in self.given.items():
            if used[name] < rows:
                yield name, rows, used[name]

    def _rng(self, purpose: int) -> np.random.Generator:
        """A generator per purpose, so that one draw does not move another."""
        return np.random.default_rng([self.any.seed, purpose])


def _at_most(frame: pd.DataFrame, rows: int, seed: list[int]) -> pd.DataFrame:
    if len(frame) <= rows:
        return frame
    return frame.take(np.sort(np.random.default_rng(seed).permutation(len(frame))[:rows]))
