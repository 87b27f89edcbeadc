"""What a metric is: it measures a case (tables, and what is known of them), and says what would be best.

A *case* puts some table in the synthetic table's place. :func:`synthkit.evaluate` builds one case of the synthetic
rows, and others of fresh rows, copied rows and independent columns, so that every metric is computed on all of them in
the same way. A metric knows nothing of that: it measures the case it is given.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.metrics.tables import Coded, Kinds, code_tables, resolve_kinds
from synthkit.schema import Schema

__all__ = ["Case", "Goal", "Group", "Level", "Measurement", "Metric", "Need", "Score", "Table"]

Level = Literal["quick", "default", "full"]
Group = Literal["fidelity", "utility", "privacy"]
Goal = Literal["lower", "higher"]
Need = Literal["holdout", "target", "rules", "secrets", "survival", "time"]
LEVELS: tuple[Level, ...] = ("quick", "default", "full")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Table:
    """The same rows twice: as the caller's DataFrame, and coded as arrays.

    Attributes:
        frame: the columns of the kinds, with the caller's dtypes and a plain index.
        coded: the same rows, coded together with the case's other tables (shared codes).
    """

    frame: pd.DataFrame
    coded: Coded

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, index: NDArray[np.int64]) -> Table:
        """The rows at ``index``; rows may be repeated."""
        return Table(self.frame.take(index).reset_index(drop=True), self.coded.take(index))

    def head(self, rows: int, rng: np.random.Generator) -> Table:
        """At most ``rows`` rows, drawn without replacement; the table itself where it has no more."""
        return self if len(self) <= rows else self.take(np.sort(rng.permutation(len(self))[:rows]))

    def shuffled(self, rng: np.random.Generator) -> Table:
        """Every column shuffled by itself: the marginals without dependence."""
        orders = {name: rng.permutation(len(self)) for name in self.frame}
        frame = pd.DataFrame({n: self.frame[n].take(o).reset_index(drop=True) for n, o in orders.items()})
        c = self.coded
        numbers = np.stack([c.numbers[orders[n], j] for j, n in enumerate(c.num)], 1) if c.num else c.numbers
        codes = np.stack([c.codes[orders[n], j] for j, n in enumerate(c.cat)], 1) if c.cat else c.codes
        return Table(frame, Coded(numbers, codes, c.sizes, c.num, c.cat))


@dataclass(frozen=True)
class Case:
    """One table to be judged, and everything that judging may use.

    Attributes:
        real: the rows that the generator learnt from.
        synthetic: the rows that are judged (or a reference in their place).
        holdout: real rows that the generator did not see; ``None`` where there are none.
        kinds: the columns that count and what they are.
        schema: column types and rules; ``None`` where only the kinds are known.
        target: the column that a user would predict, if any.
        secrets: columns that an attacker would like to learn.
        time, event: columns of a time-to-event pair; ``time`` also orders rows for an out-of-time split.
        level: how much time may be spent.
        seed: of whatever a metric draws. Nothing else may be random.
        explained: whether anybody will look at a measurement's details: not at those of references.
        memory: what metrics have made of tables and share, see :meth:`once`; cases put from one another have the same.
    """

    real: Table
    synthetic: Table
    holdout: Table | None
    kinds: Kinds
    schema: Schema | None = None
    target: Hashable | None = None
    secrets: tuple[Hashable, ...] = ()
    time: Hashable | None = None
    event: Hashable | None = None
    level: Level = "default"
    seed: int = 0
    explained: bool = True
    _memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _shared: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        real: pd.DataFrame,
        synthetic: pd.DataFrame,
        holdout: pd.DataFrame | None = None,
        *,
        kinds: Kinds | None = None,
        **known: Any,
    ) -> Case:
        """Code the tables together; ``known`` are the other attributes.

        Raises:
            SchemaError: see :func:`synthkit.metrics.tables.code_tables`; or the kinds name no column.
        """
        frames = [real, synthetic, *([] if holdout is None else [holdout])]
        kinds = resolve_kinds(frames, kinds)
        if not kinds:
            raise SchemaError("metrics: no column can be compared (identifiers and free text do not count).")
        coded = code_tables(*frames, kinds=kinds)
        names = list(kinds)
        tables = [Table(f[names].reset_index(drop=True), c) for f, c in zip(frames, coded, strict=True)]
        return cls(tables[0], tables[1], tables[2] if holdout is not None else None, kinds, **known)

    @property
    def judge(self) -> Table:
        """The real rows that fidelity is judged by: the holdout, or, without one, the training rows."""
        return self.real if self.holdout is None else self.holdout

    @property
    def rng(self) -> np.random.Generator:
        """A generator of this case's seed, new on every access."""
        return np.random.default_rng(self.seed)

    def limit(self, quick: int, default: int, full: int) -> int:
        """The one of three numbers (of rows, of rounds) that belongs to the level."""
        return (quick, default, full)[LEVELS.index(self.level)]

    def once(self, key: Hashable, make: Callable[[], _T], *, of: Sequence[Table | None] | None = None) -> _T:
        """What several metrics share (a fitted model, nearest neighbours): made by the first that asks for ``key``.

        Args:
            key: a name for it; make: computes it.
            of: the tables on which it depends, besides key, level and seed. Every case that was made from this one
                (:meth:`put`) and has these very tables shares it. By default it belongs to this case alone.
        """
        memory, tables = (self._memo, ()) if of is None else (self._shared, tuple(of))
        index = (key, self.level, self.seed, *map(id, tables))
        if index not in memory:
            memory[index] = (tables, make())  # the tables too: while they live, no other has their id
        return memory[index][1]  # type: ignore[no-any-return]

    def has(self, need: Need) -> bool:
        """Is what a metric needs there?"""
        if need == "rules":
            return self.schema is not None and bool(self.schema.rules)
        if need == "survival":
            return self.time is not None and self.event is not None
        return bool(self.secrets) if need == "secrets" else getattr(self, need) is not None

    def put(self, synthetic: Table, *, holdout: Table | None = None, real: Table | None = None) -> Case:
        """The same case with another table in the synthetic one's place (and, if given, another judge)."""
        return replace(self, synthetic=synthetic, holdout=holdout or self.holdout, real=real or self.real)


@dataclass(frozen=True)
class Measurement:
    """What a metric found in one case.

    Attributes:
        value: the figure; NaN where it could not be found, and then ``note`` says why.
        interval: 95 % confidence interval of the value, ``None`` where the metric has none.
        parts: the figure per column, per pair, per attack, ...; empty where there is no breakdown.
        note: a short remark for the reader ("too few rows to certify"), in plain words, without data values.
        details: whatever a figure of the report draws from (arrays, frames), keyed by name; never serialised.
    """

    value: float
    interval: tuple[float, float] | None = None
    parts: Mapping[Any, float] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, note: str) -> Measurement:
        """No figure, and why."""
        return cls(float("nan"), note=note)


class Metric(ABC):
    """One figure that judges a synthetic table. Subclass it, set the class attributes, and write :meth:`measure`.

    Attributes:
        name: key in ``METRICS``, a lower-case identifier.
        label: a few words for people.
        group: the panel it stands in.
        goal: the direction that is better.
        best: the value that is best; beyond it (an AUC below .5) is as good.
        bounds: lowest and highest possible value; infinite where open.
        needs: what a case has to have; without it the metric is left out, with a note.
        level: the quickest level that computes it.
        culprit: the reference that must fail this metric: ``"independent"`` or ``"copy"`` (``None``: neither need).
        definition: one sentence that defines the figure, with the paper.
        reading: the figure in words, with ``{value}`` and ``{best}`` in it: "A classifier tells synthetic from holdout
            rows with AUC {value}". The report goes on with the references. By default the label.
        domain: the domain that it belongs to; ``None``: any.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    group: ClassVar[Group]
    goal: ClassVar[Goal]
    best: ClassVar[float]
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ()
    level: ClassVar[Level] = "quick"
    culprit: ClassVar[Literal["independent", "copy"] | None] = None
    definition: ClassVar[str]
    reading: ClassVar[str] = ""
    domain: ClassVar[Literal["medical", "credit"] | None] = None

    @abstractmethod
    def measure(self, case: Case) -> Measurement:
        """Measure one case. The same case gives the same measurement; row order does not matter beyond noise."""

    def missing(self, case: Case) -> str:
        """What the case lacks for this metric, in words; empty where nothing."""
        words = {"survival": "time and event of a time-to-event pair"}
        lacking: Sequence[str] = [words.get(need, need) for need in self.needs if not case.has(need)]
        return f"needs {' and '.join(lacking)}" if lacking else ""


@dataclass(frozen=True)
class Score:
    """A figure with everything needed to read it.

    Attributes:
        name, label, group, goal, best, bounds: of the metric.
        value: of the synthetic table, all its rows counted as far as the level allows.
        interval: 95 % confidence interval of the value.
        matched: the synthetic table's value on exactly as many rows, and by the same judge, as ``fresh``; compare these
            two, as many figures depend on the number of rows.
        fresh: one half of the holdout in the synthetic table's place, judged by the other half: what a perfect
            generator would score. NaN where there is no holdout.
        fresh_interval: 95 % confidence interval of ``fresh``.
        copy: a bootstrap of the training rows in its place: the memoriser.
        independent: training columns, each shuffled by itself: marginals without dependence.
        parts: breakdown of ``value``.
        note: the metric's remark.
        details: what figures are drawn from.
        definition, reading: of the metric.
        of: what is counted and drawn in ``matched`` and the references: ``"rows"``, whole ``"entities"`` of records
            over time, or ``"blocks"`` of a long series.
    """

    name: str
    label: str
    group: Group
    goal: Goal
    best: float
    bounds: tuple[float, float]
    value: float
    interval: tuple[float, float] | None = None
    matched: float = float("nan")
    matched_interval: tuple[float, float] | None = None
    fresh: float = float("nan")
    fresh_interval: tuple[float, float] | None = None
    copy: float = float("nan")
    independent: float = float("nan")
    parts: Mapping[Any, float] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    definition: str = ""
    reading: str = ""
    of: Literal["rows", "entities", "blocks"] = "rows"

    @property
    def shown(self) -> float:
        """The figure to hold against the references: ``matched``, or ``value`` where there are none."""
        return self.value if math.isnan(self.matched) else self.matched

    @property
    def shown_interval(self) -> tuple[float, float] | None:
        """Its interval."""
        return self.interval if math.isnan(self.matched) else self.matched_interval

    def loss(self, value: float) -> float:
        """How much worse than the best a value is, 0 beyond the best; NaN of NaN."""
        worse = value - self.best if self.goal == "lower" else self.best - value
        return worse if math.isnan(worse) else max(0.0, worse)
