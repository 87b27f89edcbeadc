"""``augment``: more rows for a model to learn from, unless they do not help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from synthkit.augmenting.cells import Cells, class_codes
from synthkit.augmenting.checks import check_arguments, check_columns, classes_of
from synthkit.augmenting.counts import Goal
from synthkit.augmenting.folds import Fold, folds_of
from synthkit.augmenting.measure import FoldDone, Measured, Study
from synthkit.augmenting.result import Augmentation
from synthkit.augmenting.scores import METRICS
from synthkit.augmenting.verdicts import by_group, differences, judged, means, overall
from synthkit.errors import SchemaError
from synthkit.metrics.tables import as_numbers, kinds_of
from synthkit.report import Verdict, evaluate
from synthkit.runtime import entropy

__all__ = ["augment"]

_GATE = "augmentation"
_GATE_METRICS = ("shape", "pair", "detection", "rules", "tstr")


def augment(
    df: pd.DataFrame,
    *,
    target: Hashable,
    goal: Goal = "balance",
    learners: Sequence[str] = ("boosting", "logistic"),
    cv: tuple[int, int] = (5, 3),
    subgroup: Hashable | None = None,
    entity: Hashable | None = None,
    time: Hashable | None = None,
    synthesizer: Any = None,
    metric: str | None = None,
    amount: float | Sequence[float] = 1.0,
    force: bool = False,
    mark: bool = False,
    gate: bool = True,
    max_seconds: float | None = None,
    progress: bool | Callable[[FoldDone], bool | None] | None = None,
    random_state: int | None = None,
) -> Augmentation:
    """Would drawn rows help a model that predicts ``target``? Measured on real rows; only if so, they are added.

    In every fold a generator of its own learns the training rows, and never sees the test rows, which are real and at
    their natural prevalence. Each learner is trained on the real rows alone (nothing), with copies of real rows
    (duplication), with balanced class weights, with SMOTE-NC's rows, and with the generator's (augmented); arms that
    add rows add the same number of each class. All arms' answers are brought back to the natural prevalence by Bayes'
    rule, so that none is blamed for a shift that is known.

    "helps": of some learner, and the one metric that is named beforehand, the augmented rows are better than the *best*
    of nothing, duplication and class weights by more than the interval of Nadeau & Bengio (2003), at 95 % for all
    learners together; no learner is hurt; and the gates of the profile "augmentation" do not fail. "hurts": worse than
    nothing by more than the interval. Both else, and where learners disagree: "no evidence".

    Args:
        df: the table; it stays as it is.
        target: a column of classes without nulls.
        goal: "balance": every class grows to the most frequent one's size; "rare": the rarest class grows by
            ``amount`` times its rows; "grow": all classes do.
        learners: of "boosting" (gradient boosting, 60 rounds) and "logistic" (regression, standardised).
        cv: folds and repeats. Stratified; with ``entity`` whole entities; with ``time`` forward, each block of rows
            judged by models of all earlier ones, without repeats.
        subgroup: a column without nulls: differences per group are told (they do not change the verdict).
        entity, time: columns that say whose and of when a row is. Learners do not read them.
        synthesizer: the name of a model, a ``ModelSpec``, a synthesizer, or any object with ``fit(table)`` and
            ``sample(n, where={target: value}, seed=...)``; copies of it are fitted. None: sequential trees, about
            1.5 seconds a fold of 600 rows and 9 columns.
        metric: "average_precision" (the default of two classes: of the rarer one), "log_loss" (the default of
            several), "roc_auc", "brier" or "balanced_accuracy" (its threshold is tuned where class weights are used,
            and elsewhere the prevalence).
        amount: how far (1: fully balanced, or as many rows again). Several: the best on a quarter of the training rows
            is chosen inside each fold, which takes one more fit; 0 among them means that nothing may be chosen.
        force: add the rows whatever the verdict; mark: add a boolean column ``is_synthetic``.
        gate: check the profile "augmentation" first; False: the verdict rests on the measurement alone.
        max_seconds: folds (beyond two) that have not begun by then are left out.
        progress: True for a bar on stderr, or a callable given a :class:`FoldDone`; returning True stops.
        random_state: an integer for repeatable results; None draws one.

    Raises:
        ParamError: an argument out of its set, or a column that is not there. SchemaError: a target with nulls, one
            class, or numbers to regress; a subgroup, entity or time with nulls; fewer rows of a class than folds.

    >>> from synthkit.testing.metrics import draw
    >>> found = augment(draw(150, 0), target="late", cv=(2, 1), synthesizer="copula", gate=False, random_state=0)
    >>> found.verdict, len(found.data)
    ('no evidence', 150)
    """
    known = {"goal": goal, "learners": learners, "cv": cv, "metric": metric, "amount": amount}
    check_arguments(known, {"force": force, "mark": mark, "gate": gate}, max_seconds, progress, random_state)
    check_columns(df, target, subgroup, entity, time, mark)
    classes = classes_of(df, target)
    primary = metric or ("average_precision" if len(classes) == 2 else "log_loss")
    seed = entropy(None) if random_state is None else int(random_state)
    amounts = tuple(float(a) for a in amount) if isinstance(amount, Sequence) else (float(amount),)
    roles = (subgroup, entity, time)
    study = _study(df, target, classes, roles, goal, amounts, tuple(learners), primary, synthesizer, seed)
    folds = folds_of(study.y, cv, study.entity, study.time, entropy(seed, 0))
    first = study.generator(folds[0].train, 0)
    gated = _gated(study, folds[0], first) if gate else None
    measured = study.measure(folds, first, max_seconds, progress)
    table = differences(measured, study.learners, primary)
    verdicts = judged(table, study.learners)
    verdict, reason = overall(verdicts, "not checked" if gated is None else gated.status)
    data, added = _data(study, df, measured, verdict == "helps" or force, mark)
    names = [] if subgroup is None else list(pd.factorize(df[subgroup])[1])
    about = _about(study, measured, folds, cv, {"subgroup": subgroup, "entity": entity, "time": time})
    groups = by_group(measured, study.learners, primary, names)
    return Augmentation(verdict, reason, verdicts, data, table, means(measured), groups, gated, primary, added, about)


def _study(
    df: pd.DataFrame,
    target: Hashable,
    classes: list[Any],
    roles: tuple[Hashable | None, Hashable | None, Hashable | None],
    goal: Goal,
    amounts: tuple[float, ...],
    learners: tuple[str, ...],
    primary: str,
    synthesizer: Any,
    seed: int,
) -> Study:
    subgroup, entity, time = roles
    table = df.reset_index(drop=True)
    cells = Cells.of(table, [name for name in (target, entity, time) if name is not None])
    if not cells.kinds:
        raise SchemaError("augment: no column but the target can be read by a learner (identifiers and text cannot).")
    return Study(
        table=table,
        target=target,
        classes=classes,
        y=class_codes(classes, table[target]),
        cells=cells,
        x=cells.matrix(table),
        entity=None if entity is None else np.asarray(pd.factorize(table[entity])[0], dtype=np.int64),
        time=None if time is None else as_numbers(table[time], kinds_of(table[[time]])[time]),
        group=None if subgroup is None else np.asarray(pd.factorize(table[subgroup])[0], dtype=np.int64),
        entity_name=entity,
        goal=goal,
        amounts=amounts,
        learners=learners,
        primary=primary,
        synthesizer=synthesizer,
        seed=seed,
    )


def _gated(study: Study, fold: Fold, generator: Any) -> Verdict:
    """The profile on the first fold: as many drawn as training rows, at their prevalence, beside its test rows."""
    count = np.bincount(study.y[fold.train], minlength=len(study.classes))
    drawn = study.drawn(generator, np.asarray(count, dtype=np.int64), 10**6)
    report = evaluate(
        study.table.iloc[fold.train],
        drawn,
        holdout=study.table.iloc[fold.test],
        target=study.target,
        metrics=list(_GATE_METRICS),
        level="quick",
        kinds={**study.cells.kinds, study.target: "categorical"},
        seed=entropy(study.seed, 6) % 2**31,
    )
    return report.check(_GATE)


def _data(
    study: Study, df: pd.DataFrame, measured: Measured, wanted: bool, mark: bool
) -> tuple[pd.DataFrame, dict[Hashable, int]]:
    """The rows to go on with, and how many of each class were drawn, by a generator of all rows."""
    table = df.copy()
    added: dict[Hashable, int] = {}
    if wanted:
        every = np.arange(len(table))
        some = [a for a in measured.amounts if a > 0] or [max(study.amounts)]  # rows are wanted: none is no answer
        amount = Counter(some).most_common(1)[0][0]
        extra = study.extra(every, amount)
        if extra.any():
            drawn = study.drawn(study.generator(every, 10**6), extra, 10**6 + 1)
            table = pd.concat([study.table, drawn], ignore_index=True)
            added = {c: int(n) for c, n in zip(study.classes, extra, strict=True) if n}
    if mark:
        table["is_synthetic"] = np.arange(len(table)) >= len(study.table)
    return table, added


def _about(
    study: Study, measured: Measured, folds: list[Fold], cv: tuple[int, int], roles: dict[str, Hashable | None]
) -> dict[str, Any]:
    notes = [f"note: {measured.stopped}"] if measured.stopped else []
    plain = means(measured)
    best = plain[plain["metric"] == study.primary].set_index("learner")["nothing"].dropna() * METRICS[study.primary]
    if len(best) > 1:
        notes.append(f"note: of the real rows alone, {best.idxmax()} makes the most")
    count = np.bincount(study.y)
    return {
        "rows": len(study.table),
        "classes": {str(c): int(n) for c, n in zip(study.classes, count, strict=True)},
        "goal": study.goal,
        "amounts": measured.amounts,
        "cv": [int(many) for many in cv],
        "folds": len(measured.amounts),
        "folds planned": len(folds),
        "generator": "trees (default)" if study.synthesizer is None else type(study.synthesizer).__name__,
        "seed": study.seed,
        "target": str(study.target),
        **{name: None if column is None else str(column) for name, column in roles.items()},
        "notes": notes,
    }
