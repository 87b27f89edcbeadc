"""The measurement: in every fold a generator of its own, all arms, all learners, real test rows."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit
from tqdm import tqdm

from synthkit.augmenting.arms import ARMS, WEIGHTS, Arm, arms_of, weighted, with_rows
from synthkit.augmenting.cells import Cells, class_codes
from synthkit.augmenting.counts import Goal, added_by_goal
from synthkit.augmenting.folds import Fold, folds_of
from synthkit.augmenting.generators import draw_classes, fitted
from synthkit.augmenting.learners import fit_predict
from synthkit.augmenting.scores import METRICS, best_threshold, score_all, without_shift
from synthkit.errors import SchemaError
from synthkit.runtime import entropy

__all__ = ["FoldDone", "Measured", "Study"]

_INNER = 4  # a quarter of the training rows chooses the amount, or the threshold


@dataclass(frozen=True)
class FoldDone:
    """How far the measurement is.

    Attributes:
        done, planned: folds measured, and to be measured in all.
        seconds: since the start.
    """

    done: int
    planned: int
    seconds: float


@dataclass
class Measured:
    """Scores of all folds.

    Attributes:
        scores: one line per fold, learner, arm and metric: ``value``.
        groups: the same of the primary metric per group; empty without a subgroup.
        amounts: what was chosen inside each fold.
        share: test rows over training rows, the mean over folds.
        stopped: why folds are missing; empty where none is.
    """

    scores: pd.DataFrame
    groups: pd.DataFrame
    amounts: list[float]
    share: float
    stopped: str = ""


@dataclass
class Study:
    """The table, coded, and what is asked of it.

    Attributes:
        table: the caller's rows; generators learn all its columns.
        target: its column of classes; classes: their values, the most frequent first; y: their codes.
        x: cells that learners read, of ``cells``.
        entity, time: codes and numbers, or None; group: codes of the subgroup, or None.
        amounts: to choose from inside each fold; one is not chosen but taken.
    """

    table: pd.DataFrame
    target: Hashable
    classes: list[Any]
    y: NDArray[np.int64]
    cells: Cells
    x: NDArray[np.float64]
    entity: NDArray[np.int64] | None
    time: NDArray[np.float64] | None
    group: NDArray[np.int64] | None
    entity_name: Hashable | None
    goal: Goal
    amounts: tuple[float, ...]
    learners: tuple[str, ...]
    primary: str
    synthesizer: Any
    seed: int
    started: float = field(default_factory=clock.perf_counter)

    # ---------------------------------------------------------------- pieces
    def extra(self, rows: NDArray[np.int64], amount: float) -> NDArray[np.int64]:
        """``(classes,)`` rows to add to these."""
        return added_by_goal(np.bincount(self.y[rows], minlength=len(self.classes)), self.goal, amount)

    def generator(self, rows: NDArray[np.int64], *path: int) -> Any:
        """A generator that has seen these rows only."""
        seed = entropy(self.seed, 1, *path)
        return fitted(self.synthesizer, self.table.iloc[rows], self.target, seed, entity=self.entity_name)

    def drawn(self, generator: Any, extra: NDArray[np.int64], *path: int) -> pd.DataFrame:
        """So many rows of each class, as a table."""
        wanted = {c: int(n) for c, n in zip(self.classes, extra, strict=True) if n}
        return draw_classes(generator, self.table, self.target, wanted, entropy(self.seed, 2, *path))

    def coded(self, drawn: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The same as learners read it."""
        return self.cells.matrix(drawn), class_codes(self.classes, drawn[self.target])

    def answers(self, learner: str, arm: Arm, test: NDArray[np.int64], true: NDArray[np.float64]) -> NDArray[Any]:
        """Probabilities of test rows at the natural prevalence."""
        size, categorical = len(self.classes), self.cells.categorical
        found = fit_predict(learner, arm, self.x[test], categorical, size, entropy(self.seed, 3))
        return without_shift(found, arm.shares(size), true)

    def shares(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of classes, in real rows."""
        return Arm(self.x[rows], self.y[rows]).shares(len(self.classes))

    def inner(self, rows: NDArray[np.int64], *path: int) -> Fold:
        """A quarter of the training rows apart, by the same rule as the folds."""
        seed = entropy(self.seed, 4, *path) % 2**31
        entity = None if self.entity is None else self.entity[rows]
        if self.entity is None and self.time is None and np.bincount(self.y[rows]).min() >= 2:
            split = StratifiedShuffleSplit(1, test_size=1 / _INNER, random_state=seed)
            train, test = next(split.split(np.zeros(len(rows)), self.y[rows]))
        else:
            time = None if self.time is None else self.time[rows]
            # forward, three blocks teach and a fourth judges
            cv = (_INNER if time is None else _INNER - 1, 1)
            train, test = folds_of(self.y[rows], cv, entity, time, seed)[-1]
        return Fold(rows[train], rows[test])

    # ---------------------------------------------------------------- choices inside a fold
    def chosen(self, rows: NDArray[np.int64], *path: int) -> float:
        """The amount with the best mean of the primary metric over learners, on a quarter of the training rows."""
        if len(self.amounts) == 1:
            return self.amounts[0]
        try:
            train, test = self.inner(rows, *path)
        except SchemaError:  # too few rows to choose by
            return self.amounts[0]
        generator, true = self.generator(train, *path, 1), self.shares(train)
        worth = []
        for k, amount in enumerate(self.amounts):
            drawn = self.coded(self.drawn(generator, self.extra(train, amount), *path, k, 1))
            arm = with_rows(self.x[train], self.y[train], drawn)
            found = [
                score_all(self.y[test], self.answers(learner, arm, test, true), true)[self.primary]
                for learner in self.learners
            ]
            worth.append(METRICS[self.primary] * float(np.mean(found)))
        return self.amounts[int(np.argmax(np.nan_to_num(worth, nan=-np.inf)))]

    def threshold(self, learner: str, rows: NDArray[np.int64], *path: int) -> float | None:
        """Of two classes, tuned with class weights on a quarter of the training rows."""
        if len(self.classes) != 2:
            return None
        try:
            train, test = self.inner(rows, *path)
        except SchemaError:
            return None
        if len(np.unique(self.y[test])) < 2 or len(np.unique(self.y[train])) < 2:
            return None
        true, arm = self.shares(train), weighted(self.x[train], self.y[train], 2)
        return best_threshold(self.y[test], self.answers(learner, arm, test, true), true)

    # ---------------------------------------------------------------- a fold, and all
    def fold(self, k: int, fold: Fold, generator: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
        """The scores of one fold, those by group, and the amount."""
        amount = self.chosen(fold.train, k)
        extra, true = self.extra(fold.train, amount), self.shares(fold.train)
        drawn = self.coded(self.drawn(generator, extra, k))
        x, y = self.x[fold.train], self.y[fold.train]
        arms = arms_of(x, y, self.cells.categorical, extra, drawn, entropy(self.seed, 5, k))
        lines, groups = [], []
        for learner in self.learners:
            cut = self.threshold(learner, fold.train, k)
            for name in ARMS:
                answers = self.answers(learner, arms[name], fold.test, true)
                at = {"fold": k, "learner": learner, "arm": name}
                found = score_all(self.y[fold.test], answers, true, cut if name == WEIGHTS else None)
                lines += [{**at, "metric": metric, "value": value} for metric, value in found.items()]
                groups += [{**at, **line} for line in self._by_group(fold.test, answers, true)]
        return lines, groups, amount

    def _by_group(
        self, test: NDArray[np.int64], answers: NDArray[np.float64], true: NDArray[np.float64]
    ) -> list[dict[str, Any]]:
        if self.group is None:
            return []
        own = self.group[test]
        lines = []
        for g in np.unique(own):
            rows = own == g
            value = score_all(self.y[test[rows]], answers[rows], true)[self.primary]
            lines.append({"group": int(g), "rows": int(rows.sum()), "value": value})
        return lines

    def measure(
        self,
        folds: Sequence[Fold],
        first: Any,
        max_seconds: float | None,
        progress: bool | Callable[[FoldDone], bool | None] | None,
    ) -> Measured:
        """All folds; ``first`` is the generator of the first one, which the gate has seen already."""
        lines: list[dict[str, Any]] = []
        groups: list[dict[str, Any]] = []
        amounts: list[float] = []
        stopped = ""
        bar = tqdm(total=len(folds), unit="fold", leave=False) if progress is True else None
        try:
            for k, fold in enumerate(folds):
                if k > 1 and max_seconds is not None and clock.perf_counter() - self.started > max_seconds:
                    stopped = f"no time was left after {k} of {len(folds)} folds (max_seconds)"
                    break
                found, by_group, amount = self.fold(k, fold, first if k == 0 else self.generator(fold.train, k))
                lines, groups, amounts = lines + found, groups + by_group, [*amounts, amount]
                if bar is not None:
                    bar.update()
                done = FoldDone(k + 1, len(folds), clock.perf_counter() - self.started)
                if callable(progress) and progress(done):
                    stopped = f"stopped after {k + 1} of {len(folds)} folds by the progress callback"
                    break
        finally:
            if bar is not None:
                bar.close()
        used = folds[: len(amounts)]
        share = float(np.mean([len(fold.test) / len(fold.train) for fold in used]))
        return Measured(pd.DataFrame(lines), pd.DataFrame(groups), amounts, share, stopped)
