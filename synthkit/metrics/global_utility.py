"""Global utility: is every column as predictable from the others as it is in the real table?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import categorical_mask, features, without_empty
from synthkit.metrics.jackknife import Estimate, Floats, Ints, counts, deal
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = ["GlobalUtility", "global_utility"]

_CLASSES = 3  # the most frequent levels are told apart, the others are one
_TOP = 60  # levels of the columns that are predicted from
_FEW = 100  # columns, up to which as many are predicted as the level allows
_LEAST = 20  # rows to learn from, and to test on
_SKILL = 0.05  # a column that real rows predict no better than this is not counted


# -------------------------------------------------------------------- public functions
def global_utility(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
    rounds: int = 30,
) -> Breakdown:
    """How well each column is predicted from all others by a model of synthetic rows, relative to one of real rows.

    After the global utility of TabStruct (Jiang et al., 2025): 1 is as good as real, 0 is no better than a guess. Both
    models are gradient boosting of ``rounds`` iterations, and predict the holdout. Skill is R squared
    of a number's rank, and 2 AUC - 1 of a category (mean over its 3 most frequent levels, each against the rest), no
    less than 0. The score is the sum of skills over all columns, divided by that of the real model, so that
    columns count by how predictable they are.

    Args:
        real: training rows; synthetic: the rows that are judged; holdout: rows that neither model has seen.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        seed: of subsamples and boosting.
        rows: to train on, at most; of the holdout as many.
        rounds: boosting iterations.

    Returns:
        The ratio, with that of each column which real rows predict at all (skill above 0.05); NaN where they
        predict none.

    Raises:
        SchemaError: fewer than 20 rows in a table; or the tables do not fit the kinds.

    >>> rng = np.random.default_rng(0)
    >>> x = pd.DataFrame({"x": rng.normal(size=900)}).assign(y=lambda t: t["x"] + rng.normal(size=900) / 9)
    >>> real, holdout, lost = x[:300], x[300:600], x[600:].assign(y=rng.normal(size=300))
    >>> global_utility(real, x[600:], holdout).value > 0.95, global_utility(real, lost, holdout).value < 0.3
    (True, True)
    """
    kinds = resolve_kinds((real, synthetic, holdout), kinds)
    tables = code_tables(real, synthetic, holdout, kinds=kinds)
    if min(len(t) for t in tables) < _LEAST:
        raise SchemaError(f"global_utility: models need at least {_LEAST} rows in each table.")
    plan = _Plan(tuple(kinds), seed, rows, rounds)
    real_skills = skills_of(tables[0], tables[0], tables[2], plan)
    found = relative(real_skills, skills_of(tables[1], tables[0], tables[2], plan), plan.sizes(tables))
    return Breakdown(found.ratio.value, found.parts)


# -------------------------------------------------------------------- cores
@dataclass(frozen=True)
class _Predicted:
    """The ratio of skills, and per column."""

    ratio: Estimate
    parts: dict[Hashable, float]


@dataclass(frozen=True)
class _Plan:
    """Which columns are predicted, and from how much: see :func:`global_utility`."""

    names: tuple[Hashable, ...]
    seed: int
    rows: int
    rounds: int

    def sizes(self, tables: Sequence[Coded]) -> list[int]:
        """Rows that are used of each table."""
        return [min(len(table), self.rows) for table in tables]

    def some(self, table: Coded) -> Coded:
        """At most ``rows`` rows."""
        rng = np.random.default_rng(self.seed)
        return table if len(table) <= self.rows else table.take(np.sort(rng.permutation(len(table))[: self.rows]))


def skills_of(fit: Coded, real: Coded, test: Coded, plan: _Plan) -> dict[Hashable, Estimate]:
    """Skill per column of models of ``fit``, on ``test``; ``real`` says what there is to predict."""
    fit, real, test = (plan.some(t) for t in (fit, real, test))
    groups = deal(len(test), np.random.default_rng(plan.seed))
    found = {}
    for name in plan.names:
        if (target := _target(real, test, name)) is not None:
            found[name] = _skill(fit, test, name, target, groups, plan)
    return found


def relative(real: dict[Hashable, Estimate], synthetic: dict[Hashable, Estimate], sizes: list[int]) -> _Predicted:
    """The sum of skills by that of the real rows' models, over the columns that those predict.

    ``sizes``: rows that the real and the synthetic models learnt from, and of the test. Leaving out test rows shows the
    variance of the test alone; that of training is taken to be as large per row (Nadeau & Bengio, 2003).
    """
    counted = [name for name, skill in real.items() if skill.value > _SKILL]
    if not counted:
        return _Predicted(Estimate.exact(float("nan")), {})
    ceiling, got = (Estimate.mean([skills[name] for name in counted]) for skills in (real, synthetic))
    # both models predict the same test rows, so a group of them is left out of both
    value = got.value / ceiling.value
    left = got.first / np.maximum(ceiling.first, 1e-9)
    left = left.mean() + (left - left.mean()) * np.sqrt(1 + sizes[2] / sizes[0] + sizes[2] / sizes[1])
    parts = {name: synthetic[name].value / real[name].value for name in counted}
    return _Predicted(Estimate(value, left, np.full(len(left), value)), parts)


@dataclass(frozen=True)
class _Target:
    """What is predicted of a column: classes to tell apart, or the sorted numbers that give a rank."""

    classes: Ints | None
    numbers: Floats | None

    def of(self, table: Coded, name: Hashable) -> Floats:
        """``(rows,)`` class or rank; NaN for null."""
        if self.numbers is not None:
            x = table.numbers[:, table.num.index(name)]
            ends = [np.searchsorted(self.numbers, x, side) for side in ("left", "right")]
            return np.where(np.isnan(x), np.nan, (ends[0] + ends[1]) / (2 * len(self.numbers)))
        codes = table.codes[:, table.cat.index(name)]
        assert self.classes is not None
        place = np.where(np.isin(codes, self.classes), codes, -2).astype(np.float64)
        return np.where(codes < 0, np.nan, place)


def _target(real: Coded, test: Coded, name: Hashable) -> _Target | None:
    """``None``: nothing to predict, or too few test rows."""
    if name in real.num:
        x, y = (t.numbers[:, t.num.index(name)] for t in (real, test))
        x, y = np.sort(x[~np.isnan(x)]), y[~np.isnan(y)]
        return _Target(None, x) if len(x) >= _LEAST and len(y) >= _LEAST and len(np.unique(y)) > 1 else None
    codes, others = (t.codes[:, t.cat.index(name)] for t in (real, test))
    codes, others = codes[codes >= 0], others[others >= 0]
    if len(codes) < _LEAST or len(others) < _LEAST:
        return None
    order = np.argsort(-np.bincount(codes), kind="stable")[:_CLASSES]
    seen = [c for c in order if 5 <= (others == c).sum() <= len(others) - 5]
    return _Target(np.array(seen), None) if seen else None


def _skill(fit: Coded, test: Coded, name: Hashable, target: _Target, groups: Ints, plan: _Plan) -> Estimate:
    """Skill on the test rows of a model of ``fit``, and without each group of test rows."""
    everyone = int(groups.max()) + 1
    y_fit, y_test = target.of(fit, name), target.of(test, name)
    known_fit, known = ~np.isnan(y_fit), ~np.isnan(y_test)
    y_fit, y_test, groups = y_fit[known_fit], y_test[known], groups[known]
    if len(y_fit) < _LEAST or len(np.unique(y_fit)) < 2:
        return Estimate(0.0, np.zeros(everyone), np.zeros(everyone))
    x_fit, x_test = without_empty(
        features(fit.without(name), _TOP)[known_fit], features(test.without(name), _TOP)[known]
    )
    settings = {
        "max_iter": plan.rounds,
        "max_leaf_nodes": 15,
        "max_bins": _TOP + 4,
        "early_stopping": False,
        "categorical_features": categorical_mask(fit.without(name)),
        "random_state": plan.seed,
    }
    if target.classes is None:
        answer = HistGradientBoostingRegressor(**settings).fit(x_fit, y_fit).predict(x_test)
        skill = _r_squared(y_test, answer, groups, everyone)
    else:
        model = HistGradientBoostingClassifier(**settings).fit(x_fit, y_fit)
        shares = model.predict_proba(x_test)
        columns = [np.flatnonzero(model.classes_ == level) for level in target.classes]
        each = [
            _gini(y_test == level, shares[:, at[0]] if len(at) else np.zeros(len(y_test)), groups, everyone)
            for level, at in zip(target.classes, columns, strict=True)
        ]
        skill = np.mean(each, axis=0)
    skill = np.maximum(skill, 0.0)
    return Estimate(float(skill[0]), skill[1:], skill[1:])


def _r_squared(y: Floats, answer: Floats, groups: Ints, everyone: int) -> Floats:
    """``(1 + groups,)`` R squared of all rows, and without each group."""
    parts = np.stack([np.bincount(groups, w, everyone) for w in (np.ones(len(y)), y, y * y, (y - answer) ** 2)])
    total = parts.sum(axis=1, keepdims=True)
    n, s, ss, lost = np.concatenate([total, total - parts], axis=1)
    spread = ss - s * s / np.maximum(n, 1)
    return np.where(spread > 1e-12, 1 - lost / np.maximum(spread, 1e-12), 0.0)


def _gini(positive: NDArray[np.bool_], score: Floats, groups: Ints, everyone: int) -> Floats:
    """``(1 + groups,)`` 2 AUC - 1 of all rows, and without each group."""
    levels, codes = np.unique(score, return_inverse=True)
    yes, no = (counts(codes[side], len(levels), groups[side], everyone) for side in (positive, ~positive))
    below = np.cumsum(no, axis=1) - no / 2
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    return np.where(pairs > 0, 2 * (yes * below).sum(axis=1) / np.maximum(pairs, 1) - 1, 0.0)


# -------------------------------------------------------------------- metrics
class GlobalUtility(Metric):
    """:func:`global_utility` as a metric."""

    name = "global_utility"
    label = "Every column from the others (global utility)"
    group = "fidelity"
    goal = "higher"
    best = 1.0
    bounds = (0.0, float("inf"))
    needs = ("holdout",)
    level = "default"
    culprit = "independent"
    reading = (
        "Learnt from synthetic rows, every column is predicted from the others {value} times as well as from real rows"
    )
    definition = (
        "Skill of boosting trained on synthetic rows in predicting each column of the holdout from all others, "
        "relative to training on real rows (after TabStruct; Jiang et al., 2025)."
    )

    def measure(self, case: Case) -> Measurement:
        if case.holdout is None:
            return Measurement.nothing("needs holdout")
        tables = [case.real.coded, case.synthetic.coded, case.holdout.coded]
        if min(len(t) for t in tables) < _LEAST or len(case.kinds) < 2:
            return Measurement.nothing(f"needs {_LEAST} rows in each table, and two columns")
        rng, names = case.rng, list(case.kinds)
        limit = max(5, min(1, _FEW / len(names)) * case.limit(10, 40, 400))  # each model of a wide table takes longer
        if len(names) > limit:
            names = [names[i] for i in np.sort(rng.permutation(len(names))[: int(limit)])]
        plan = _Plan(tuple(names), case.seed, case.limit(2000, 5000, 20_000), case.limit(20, 30, 100))
        real, synthetic, test = tables
        ceiling = case.once("global_utility", lambda: skills_of(real, real, test, plan), of=(case.real, case.holdout))
        found = relative(ceiling, skills_of(synthetic, real, test, plan), plan.sizes(tables))
        if not found.parts:
            return Measurement.nothing("real rows predict no column from the others")
        worst = min(found.parts, key=lambda name: found.parts[name])
        note = f"least of what is predictable: {worst}" if found.parts[worst] < 1 else ""
        if len(names) < len(case.kinds):
            note += f"{'; ' if note else ''}{len(names)} columns, drawn from {len(case.kinds)}, are predicted"
        return Measurement(found.ratio.value, found.ratio.interval(self.bounds), found.parts, note)
