"""Records over time: do models that learn from synthetic entities predict real ones as well?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.metrics.base import Measurement
from synthkit.metrics.learners import FULL_TREES, QUICK_TREES, fit_learner, grade
from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal import NO_TIME
from synthkit.metrics.temporal_panel import Panel, check_pair
from synthkit.metrics.temporal_summary import summaries

__all__ = ["label", "next_step"]

Floats = NDArray[np.float64]
_TARGET = ("label",)
_ROUNDS, _TREES = 60, 300
_ROWS = 10_000  # that one model learns from, and that it is asked about
_COLUMNS, _FEW_COLUMNS = 8, 5  # whose next value is predicted; at level quick
_LEVELS = 20  # of a target; rarer ones are one
_FEWEST = 20


def next_step(real: Panel, synthetic: Panel, holdout: Panel, *, seed: int = 0, quick: bool = False) -> Measurement:
    """What is lost if the next row is predicted by models of synthetic entities (TSTR) instead of real ones (TRTR).

    Boosted trees predict each moving column (the first 8) of an entity's next row from the present and the former row,
    the context, the gap before and the position; they learn from equally many synthetic and training entities, and are
    judged on holdout entities. Skill is R squared, or 2 AUC - 1. The value is the mean over columns of TRTR's skill
    minus TSTR's: 0 is best, below it synthetic rows teach better. Details: ``table`` of skills, ``ratio`` of their sums
    (TSTR / TRTR). (Esteban, Hyland & Raetsch, 2017, for TSTR.) ``quick``: fewer and
    smaller trees, and the first 5 columns.
    """
    check_pair("next_step", real, synthetic, holdout)
    if real.clock is None:
        return Measurement.nothing(NO_TIME)
    size = min(len(real), len(synthetic))
    targets = (*real.moving.num, *real.moving.cat)[: _FEW_COLUMNS if quick else _COLUMNS]

    def skills(panel: Panel) -> dict[Hashable, float]:
        learn, asked = _steps(panel.head(size, seed)), _steps(holdout)
        return {name: _skill(_aimed(learn, name), _aimed(asked, name), seed, quick) for name in targets}

    sides = _sides(skills, real, synthetic, ("next_step", holdout, size, seed, quick))
    return _compared(sides, "no column of a next row can be learnt")


def label(
    real: Panel, synthetic: Panel, holdout: Panel, *, target: Hashable, seed: int = 0, quick: bool = False
) -> Measurement:
    """What is lost if a label of entities is predicted by a model of synthetic entities instead of real ones.

    The label is a context column, or the last known value of a moving one. Boosted trees predict it from summaries of
    the other columns (:func:`~synthkit.metrics.temporal_summary.summaries`). The rest is as in :func:`next_step`; so
    are value and details.
    """
    check_pair("label", real, synthetic, holdout)
    if min(len(real), len(synthetic), len(holdout)) < _FEWEST:
        return Measurement.nothing(f"fewer than {_FEWEST} entities")
    size = min(len(real), len(synthetic))

    def skills(panel: Panel) -> dict[Hashable, float]:
        learn, asked = _labelled(panel.head(size, seed), target), _labelled(holdout, target)
        return {target: _skill(learn, asked, seed, quick)}

    sides = _sides(skills, real, synthetic, ("label", holdout, size, target, seed, quick))
    return _compared(sides, "the label does not vary in the holdout, or in training")


def _sides(
    skills: Callable[[Panel], Mapping[Hashable, float]], real: Panel, synthetic: Panel, key: Hashable
) -> dict[Hashable, dict[str, float]]:
    """Skills by target and side; a target that real entities do not teach is left out. Real ones are asked once."""
    trtr: Mapping[Hashable, float] = real.once(key, lambda: skills(real))
    tstr = skills(synthetic)
    # a model that cannot be learnt knows nothing
    found = {name: {"trtr": skill, "tstr": float(np.nan_to_num(tstr[name]))} for name, skill in trtr.items()}
    return {name: both for name, both in found.items() if not np.isnan(both["trtr"])}


def _compared(skills: Mapping[Hashable, Mapping[str, float]], note: str) -> Measurement:
    if not skills:
        return Measurement.nothing(note)
    table = pd.DataFrame.from_dict(dict(skills), orient="index")[["trtr", "tstr"]].rename_axis("column")
    lost = table["trtr"] - table["tstr"]
    whole = float(table["trtr"].sum())
    ratio = float(table["tstr"].sum()) / whole if whole > 0 else float("nan")
    details = {"table": table.reset_index(), "ratio": ratio}
    remark = f"TSTR / TRTR {ratio:.2f}"
    return Measurement(float(lost.mean()), parts=lost.to_dict(), note=remark, details=details)


def _skill(learn: Coded, asked: Coded, seed: int, quick: bool) -> float:
    """R squared, or 2 AUC - 1, of a model of some rows on others; NaN where there is nothing to learn or to ask."""
    learn, asked = _cut(learn, seed), _cut(asked, seed)
    y = asked.column(_TARGET)
    known = np.flatnonzero(~np.isnan(y))
    taught = learn.column(_TARGET)
    taught = taught[~np.isnan(taught)]
    if min(len(taught), len(known)) < _FEWEST or len(np.unique(y[known])) < 2 or len(np.unique(taught)) < 2:
        return float("nan")
    model = fit_learner(
        learn, _TARGET, seed=seed, rounds=_ROUNDS, trees=_TREES, grow=QUICK_TREES if quick else FULL_TREES
    )
    categorical = _TARGET in learn.cat
    answers = model.predict(asked.take(known), learn.sizes[-1] if categorical else 1)
    value = grade(y[known], answers, categorical=categorical).value
    return 2 * value - 1 if categorical else value


def _cut(rows: Coded, seed: int) -> Coded:
    if len(rows) <= _ROWS:
        return rows
    return rows.take(np.sort(np.random.default_rng(seed).permutation(len(rows))[:_ROWS]))


# -------------------------------------------------------------------- what is learnt
def _steps(panel: Panel) -> Coded:
    """A row per pair of neighbours: the present and the former row, context, and time; then the next row's columns."""
    before, after = panel.pairs()
    former = np.maximum(before - 1, 0)
    none = panel.position[before] == 0
    now, moving = panel.coded.take(before), panel.moving
    past, future = moving.take(former), moving.take(after)
    past = replace(
        past, numbers=np.where(none[:, None], np.nan, past.numbers), codes=np.where(none[:, None], -1, past.codes)
    )
    clock = np.zeros(0) if panel.clock is None else panel.clock
    time = np.stack([panel.position[before], np.where(none, np.nan, clock[before] - clock[former])], axis=1)
    parts = [("now", now), ("past", past), ("future", future)]
    return Coded(
        np.concatenate([time, *(rows.numbers for _, rows in parts)], axis=1),
        np.concatenate([rows.codes for _, rows in parts], axis=1),
        tuple(size for _, rows in parts for size in rows.sizes),
        (("time", "position"), ("time", "gap"), *((when, n) for when, rows in parts for n in rows.num)),
        tuple((when, n) for when, rows in parts for n in rows.cat),
    )


def _aimed(steps: Coded, name: Hashable) -> Coded:
    """One column of the future as the target, last, and none of the others."""
    aim = ("future", name)
    rows = steps.only([c for c in (*steps.num, *steps.cat) if c == aim or c[0] != "future"])  # type: ignore[index]
    return _with_target(rows.without(aim), rows.column(aim), rows.sizes[rows.cat.index(aim)] if aim in rows.cat else 0)


def _labelled(panel: Panel, target: Hashable) -> Coded:
    """Summaries of the entities, and their label."""
    if target in panel.context:
        values, rows = panel.static.column(target), panel.static
    else:
        every, rows = panel.moving.column(target), panel.moving
        known = np.where(np.isnan(every), -1, np.arange(panel.rows))
        last = np.maximum.reduceat(known, panel.starts)
        values = np.where(last < 0, np.nan, every[np.maximum(last, 0)])
    size = rows.sizes[rows.cat.index(target)] if target in rows.cat else 0
    return _with_target(summaries(panel, without=[target]), values, size)


def _with_target(rows: Coded, values: Floats, size: int) -> Coded:
    """The rows with the target as their last category (of ``size`` levels), or, with size 0, as their last number."""
    if not size:
        numbers = np.concatenate([rows.numbers, values[:, None]], axis=1)
        return Coded(numbers, rows.codes, rows.sizes, (*rows.num, _TARGET), rows.cat)
    codes = np.minimum(np.where(np.isnan(values), -1, values), _LEVELS).astype(np.int64)
    joined = np.concatenate([rows.codes, codes[:, None]], axis=1)
    sizes = (*rows.sizes, min(size, _LEVELS + 1))
    return Coded(rows.numbers, joined, sizes, rows.num, (*rows.cat, _TARGET))
