"""The counterfactual probability of a row: what would models of the two tables answer, were one of its cells another?

No paper or package was found that measures synthetic data by this, so it is defined here. It is about models, not about
causes: both answer the same edited rows, and what is compared is by how much the edit changes their answers.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Table
from synthkit.metrics.learners import Learner, fit_learner, learner_interval
from synthkit.metrics.support import Support
from synthkit.metrics.tables import Coded, Kinds, code_tables
from synthkit.metrics.utility import UtilityMetric, checked_target, target_size, with_target

__all__ = ["Edit", "WhatIf", "WhatIfAgreement", "normalised", "what_if"]

Array = NDArray[np.float64]
Edit = Mapping[Hashable, Any]


@dataclass(frozen=True)
class Edited:
    """Rows with an edit: ``rows`` says which of the tested rows they are."""

    name: Any
    rows: NDArray[np.int64]
    table: Coded


@dataclass(frozen=True)
class Answers:
    """Of one model, with C classes (1 for a number): ``before`` is ``(rows, C)``, ``after`` one such array per edit."""

    before: Array
    after: list[Array]


@dataclass(frozen=True)
class WhatIf:
    """How far two models agree on edited rows.

    Attributes:
        agreement: of the changes a (real) and b (synthetic) that the edits make: 1 - sum (a - b)^2 / sum (a^2 + b^2),
            over rows, edits and classes: 1 where they are the same, 0 where unrelated or where one model does not
            react, -1 where opposite. (The concordance of Lin (1989) about 0, as no change is a change of 0.)
        per_edit: the same per edit.
        gap: mean distance of the answers to the edited rows: total variation of the class probabilities, or absolute
            difference of the numbers.
        sign_agreement: share of the edits' changes that have the same direction, weighted by the real one's size.
        flip_kappa: Cohen's kappa of "the likeliest class changes"; NaN for a numeric target, or where none does.
        change_distance: Wasserstein-1 distance of the two distributions of changes.
        answers: one row per edited row: ``row`` (its number in the holdout), ``edit``, ``real_before``, ``real_after``,
            ``synthetic_before``, ``synthetic_after``: the prediction, or the probability of the rarer of two classes;
            of more classes, of that which the real model finds likeliest before the edit.
    """

    agreement: float
    per_edit: Mapping[Any, float]
    gap: float
    sign_agreement: float
    flip_kappa: float
    change_distance: float
    answers: pd.DataFrame


def what_if(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame,
    target: Hashable,
    *,
    edits: Sequence[Edit] | None = None,
    kinds: Kinds | None = None,
    rows: int = 1_000,
    seed: int = 0,
) -> WhatIf:
    """Models of the two tables (those of :func:`synthkit.metrics.tstr`) answer the same edited rows of the holdout.

    Args:
        real, synthetic: rows to learn from.
        holdout: real rows that are edited and asked about.
        target: the column whose probability (or value) is asked.
        edits: each a dict of columns and what they become: a value, or a function of the column, as in
            ``[{"sex": "f"}, {"age": lambda age: age + 10}]``. By default each column in turn gets the values of random
            real rows, where the new value is known together with each of the row's other values: an edit outside
            what the data supports would ask both models for guesses.
        kinds: as for :func:`synthkit.metrics.tstr`.
        rows: of the holdout at most.
        seed: of the boosting, the rows and the default edits.

    Raises:
        ParamError: the target is not among the columns; an edit is empty, or names the target or no column.
        SchemaError: as for :func:`synthkit.metrics.tstr`; or no default edit is possible.

    >>> table = pd.DataFrame({"x": range(200), "y": ["a"] * 100 + ["b"] * 100})
    >>> what_if(table, table, table, "y", edits=[{"x": 0}]).agreement
    1.0
    """
    kinds = checked_target("what_if", (real, synthetic, holdout), target, kinds)
    rng = np.random.default_rng(seed)
    asked = holdout[list(kinds)].take(np.sort(rng.permutation(len(holdout))[:rows])).reset_index(drop=True)
    changed = {} if edits is None else _edit_all(asked, edits, target)
    true, fake, test, *tables = code_tables(real, synthetic, asked, *changed.values(), kinds=kinds)
    with_target("what_if", true, with_target("what_if", fake, test, target), target)
    if edits is None:
        edited = default_edits(true, test, target, rng)
    else:
        everywhere = np.arange(len(test))
        edited = [Edited(name, everywhere, table) for name, table in zip(changed, tables, strict=True)]
    if not edited:
        raise SchemaError("what_if: no edit stays within what the real rows support; pass 'edits'.")
    a, b = (ask(fit_learner(t, target, seed=seed), test, edited) for t in (true, fake))
    return _compare(edited, a, b)


def normalised(value: float, fresh: float, independent: float) -> float:
    """Where a figure lies between that of independent columns (0) and that of fresh real rows (1).

    Take ``matched``, ``fresh`` and ``independent`` of a :class:`synthkit.metrics.base.Score`: they are measured on as
    many rows. NaN where one of them is unknown, or fresh and independent rows score the same: then it cannot tell.

    >>> normalised(0.7, fresh=0.8, independent=0.3)
    0.8
    """
    room = fresh - independent
    return round((value - independent) / room, 12) if room != 0 and np.isfinite(room) else float("nan")


def _edit_all(rows: pd.DataFrame, edits: Sequence[Edit], target: Hashable) -> dict[str, pd.DataFrame]:
    if isinstance(edits, Mapping) or not len(edits):
        raise ParamError("what_if: argument 'edits' must be a list of dicts of column -> value; it has none.")
    tables = {}
    for i, edit in enumerate(edits):
        if not isinstance(edit, Mapping) or not edit:
            raise ParamError(f"what_if: argument 'edits': number {i} must be a dict of column -> value.")
        table = rows.copy()
        for column, value in edit.items():
            if column not in rows.columns or column == target:
                raise ParamError(f"what_if: argument 'edits': {column!r} is no column that the target may depend on.")
            new = value(table[column]) if callable(value) else pd.Series([value] * len(rows), index=rows.index)
            table = table.assign(**{column: new}) if isinstance(column, str) else _assigned(table, column, new)
        name = ", ".join(
            f"{column}: {getattr(v, '__name__', 'function') if callable(v) else v}" for column, v in edit.items()
        )
        tables[name if name not in tables else f"{name} (number {i})"] = table
    return tables


def _assigned(table: pd.DataFrame, column: Hashable, new: pd.Series[Any]) -> pd.DataFrame:
    out = table.copy()
    out[column] = new
    return out


def default_edits(
    real: Coded, test: Coded, target: Hashable, rng: np.random.Generator, *, columns: int = 40
) -> list[Edited]:
    """One edit per column (of at most ``columns``): its values from random real rows, as far as supported."""
    names = [name for name in (*test.num, *test.cat) if name != target]
    chosen = sorted(rng.permutation(len(names))[:columns].tolist())
    support, rows_asked = Support(real.without(target), rng), test.without(target)
    edited = []
    for name in (names[i] for i in chosen):
        donor = support.donors(rows_asked, name, rng)
        rows = np.flatnonzero(donor >= 0)
        if len(rows):
            edited.append(Edited(name, rows, _given(test.take(rows), name, real, donor[rows])))
    return edited


def _given(rows: Coded, name: Hashable, source: Coded, index: NDArray[np.int64]) -> Coded:
    numbers, codes = rows.numbers.copy(), rows.codes.copy()
    if name in rows.num:
        numbers[:, rows.num.index(name)] = source.numbers[index, rows.num.index(name)]
    else:
        codes[:, rows.cat.index(name)] = source.codes[index, rows.cat.index(name)]
    return Coded(numbers, codes, rows.sizes, rows.num, rows.cat)


def ask(learner: Learner, test: Coded, edited: Sequence[Edited]) -> Answers:
    """What a model says of the rows before and after each edit."""
    size = target_size(test, learner.target)
    joined = Coded.concat([test, *(e.table for e in edited)])
    before, *after = np.split(
        learner.predict(joined, size), np.cumsum([len(test), *(len(e.rows) for e in edited)])[:-1]
    )
    return Answers(before, after)


def _sums(edited: Sequence[Edited], a: Answers, b: Answers) -> tuple[Array, Array]:
    """Per edit and tested row ``(edits, rows)``: sum over classes of (a - b)^2, and of a^2 + b^2."""
    apart, size = np.zeros((2, len(edited), len(a.before)))
    for i, edit in enumerate(edited):
        change_a, change_b = (x.after[i] - x.before[edit.rows] for x in (a, b))
        apart[i, edit.rows] = ((change_a - change_b) ** 2).sum(axis=1)
        size[i, edit.rows] = (change_a**2 + change_b**2).sum(axis=1)
    return apart, size


def _agreement(apart: Array, size: Array) -> float:
    """Of models that never react: 1, as they agree."""
    return float(1 - apart.sum() / size.sum()) if size.sum() > 0 else 1.0


def _compare(edited: Sequence[Edited], a: Answers, b: Answers) -> WhatIf:
    apart, size = _sums(edited, a, b)
    after_a, after_b = np.concatenate(a.after), np.concatenate(b.after)
    rows = np.concatenate([e.rows for e in edited])
    before_a, before_b = a.before[rows], b.before[rows]
    classes = after_a.shape[1]
    gap = np.abs(after_a - after_b).sum(axis=1) / (1 if classes == 1 else 2)
    column = np.full(len(rows), min(1, classes - 1)) if classes < 3 else before_a.argmax(axis=1)
    shown = [np.take_along_axis(x, column[:, None], 1)[:, 0] for x in (before_a, after_a, before_b, after_b)]
    change_a, change_b = shown[1] - shown[0], shown[3] - shown[2]
    weight = np.abs(change_a)
    same = np.sign(change_a) == np.sign(change_b)
    flips = [(x.argmax(axis=1) != y.argmax(axis=1)) for x, y in ((before_a, after_a), (before_b, after_b))]
    names = [e.name for e in edited for _ in e.rows]
    frame = pd.DataFrame({"row": rows, "edit": pd.Series(names, dtype=object)})
    for name, values in zip(("real_before", "real_after", "synthetic_before", "synthetic_after"), shown, strict=True):
        frame[name] = values
    return WhatIf(
        agreement=_agreement(apart, size),
        per_edit={e.name: _agreement(apart[i], size[i]) for i, e in enumerate(edited)},
        gap=float(gap.mean()),
        sign_agreement=float((same * weight).sum() / weight.sum()) if weight.any() else float("nan"),
        flip_kappa=_kappa(*flips) if classes > 1 else float("nan"),
        change_distance=float(np.abs(np.sort(change_a) - np.sort(change_b)).mean()),
        answers=frame,
    )


def _kappa(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return float((np.mean(a == b) - chance) / (1 - chance)) if chance < 1 else float("nan")


class WhatIfAgreement(UtilityMetric):
    """Do models of the two tables react alike when a cell of a row becomes another?"""

    name = "what_if"
    label = "What-if agreement"
    goal = "higher"
    best = 1.0
    bounds: ClassVar = (-1.0, 1.0)
    culprit = "independent"
    reading = "To edited rows, models learnt from synthetic and from real rows give answers that agree by {value}"
    definition = (
        "Models trained on synthetic and on real rows answer the same holdout rows before and after a cell becomes "
        "that of another real row: 1 - sum (a - b)^2 / sum (a^2 + b^2) of the changes a and b of their answers. "
        "Normalised between independent columns (0) and fresh rows (1), it is the share of the counterfactual "
        "probability that is kept."
    )

    def compare(self, case: Case) -> Measurement:
        """The agreement; the parts are per column; gap, flips and answers are in the details."""
        test = self._asked(case)
        edited = self._edited(case, test)
        if not edited:
            return Measurement.nothing("no edit stays within what the real rows support")
        a, b = self._ask(case, case.real, test), self._ask(case, case.synthetic, test)
        found = _compare(edited, a, b)
        apart, size = _sums(edited, a, b)
        if not any(np.abs(after - a.before[e.rows]).any() for e, after in zip(edited, a.after, strict=True)):
            return Measurement.nothing("models of the real rows react to no edit")
        # a row's edits depend on each other: the row counts as one
        influence = (apart.sum(axis=0) - (1 - found.agreement) * size.sum(axis=0)) / size.sum(axis=0).mean()
        variance = float(np.mean(influence**2)) / len(influence) + self._model_variance(case, test, a, b)
        return Measurement(
            found.agreement,
            learner_interval(found.agreement, variance, self.bounds),
            dict(found.per_edit),
            details={
                "gap": found.gap,
                "sign_agreement": found.sign_agreement,
                "flip_kappa": found.flip_kappa,
                "change_distance": found.change_distance,
                "answers": found.answers,
            },
        )

    def _asked(self, case: Case) -> Table:
        test = self.test(case)
        rows = max(200, min(case.limit(300, 1_000, 4_000), 200_000 // len(case.kinds)))
        return case.once(("what-if rows",), lambda: test.head(rows, case.rng), of=(test,))

    def _edited(self, case: Case, test: Table) -> list[Edited]:
        def edit() -> list[Edited]:
            return default_edits(case.real.coded, test.coded, case.target, case.rng, columns=case.limit(20, 40, 100))

        return case.once(("edits", case.target), edit, of=(case.real, test))

    def _ask(self, case: Case, table: Table, test: Table) -> Answers:
        edited = self._edited(case, test)
        learner = self.learner(case, table)
        key = ("what-if", case.target)
        return case.once(key, lambda: ask(learner, test.coded, edited), of=(table, test, case.real))

    def _model_variance(self, case: Case, test: Table, a: Answers, b: Answers) -> float:
        """By the choice of training rows, from models of quarters of them, on at most 200 rows."""
        few = test.coded.take(np.arange(min(max(50, min(200, 20_000 // len(case.kinds))), len(test))))
        edited = [
            Edited(e.name, e.rows[e.rows < len(few)], e.table.take(np.flatnonzero(e.rows < len(few))))
            for e in self._edited(case, test)
        ]
        total = 0.0
        for table, other in ((case.real, b), (case.synthetic, a)):
            cut = Answers(
                other.before[: len(few)],
                [x[: len(e.rows)] for x, e in zip(other.after, edited, strict=True)],
            )

            def answer(table: Table = table) -> list[Answers]:
                return [ask(learner, few, edited) for learner in self.parts(case, table)]

            parts = case.once(("what-if of parts", case.target), answer, of=(table, test, case.real))
            if parts:
                values = [_agreement(*_sums(edited, part, cut)) for part in parts]
                total += float(np.var(values, ddof=1)) / len(values)
        return total
