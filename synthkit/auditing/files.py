"""The attack on the model itself: whoever holds the file may ask how likely it finds a row."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.auditing.figures import Bars, attack_dict, attack_line
from synthkit.auditing.fits import Subject, likelihoods
from synthkit.errors import NotFittedError, SchemaError
from synthkit.metrics.attacks import Attack, Neighbourhoods, Scores, Targets, judge, membership_attacks, strongest
from synthkit.metrics.tables import code_tables
from synthkit.params import Interval, check
from synthkit.runtime import entropy
from synthkit.schema import Constant
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["FileAudit", "file_attack"]

_LEAST = 40  # members and controls: two folds of 20
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FileAudit:
    """What the file of a model tells of its training rows, beside what a table drawn from it tells.

    Attributes:
        model: the strongest attack by likelihood, chosen on one half of the targets and judged on the other; None
            where the model has no likelihood ("not tested", which is no pass).
        attacks: each attack on the model alone, ``likelihood`` and ``calibrated`` (less a reference's).
        rows: the strongest attack on a table that the model draws.
        unit: ``"rows"``, or ``"entities"`` where an entity's rows are judged together.
        bars: what may be shared, see :class:`synthkit.auditing.figures.Bars`.
    """

    model: Attack | None
    attacks: dict[str, Attack]
    rows: Attack
    unit: str = "rows"
    bars: Bars = field(default_factory=Bars)

    @property
    def share_model(self) -> bool | None:
        """No attack on the file found more than the bars; None: not tested."""
        return None if self.model is None else self.bars.kept(self.model)

    @property
    def share_rows(self) -> bool:
        """No attack on drawn rows found more than the bars."""
        return self.bars.kept(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, for JSON; NaN becomes None."""
        tested = self.model is not None
        return {
            "unit": self.unit,
            "model": attack_dict(self.model) if self.model is not None else "not tested",
            "attacks": {name: attack_dict(attack) for name, attack in self.attacks.items()},
            "rows": attack_dict(self.rows),
            "below_the_bars": {"rows": self.share_rows, "model": self.share_model if tested else "not tested"},
            "bars": self.bars.to_dict(),
        }

    def __str__(self) -> str:
        model = "not tested (no likelihood)" if self.model is None else attack_line(self.model)
        words = {True: "below the bars", False: "above the bars: do not share", None: "not tested"}
        return "\n".join(
            [
                f"attack on the model's file, by {self.unit}; a file tells more than rows drawn from it",
                f"  file: {model}: {words[self.share_model]}",
                f"  rows: {attack_line(self.rows)}: {words[self.share_rows]}",
            ]
        )


def file_attack(
    model: str | os.PathLike[str] | Any,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    entity: Hashable | None = None,
    reference: Any | None = None,
    rows: int = 5000,
    seed: int = 0,
) -> FileAudit:
    """Attack a saved model by its likelihoods (Yeom et al. 2018), less those of a reference (Carlini et al. 2022).

    Members are training rows, controls are holdout rows. Targets come in two folds; the reference of a fold is fitted
    on the controls of the other fold, so that it has seen none that it is used on. Beside it the attacks of
    :func:`synthkit.metrics.membership_attacks` on as many rows as the model learnt from, drawn from it.

    Args:
        model: the path of a file of ``TabularSynthesizer.save``, or a fitted synthesizer (with ``log_prob``, else the
            model is not tested).
        train: the rows that it learnt from; holdout: others, that it did not see, not even to stop by.
        entity: whose row it is: the rows of an entity are judged together, by their mean. By default as the model says.
        reference: a synthesizer to be fitted as a reference, by default one like the model.
        rows: rows attacked at most, on each side.
        seed: of all that is random.

    Raises:
        SchemaError: fewer than 40 rows (or entities) on a side, or an entity is on both.
        LoadError: the file cannot be read. NotFittedError: the synthesizer was not fitted.

    >>> rng = np.random.default_rng(0)
    >>> train, holdout = (pd.DataFrame({"x": rng.normal(size=200)}) for _ in range(2))
    >>> found = file_attack(TabularSynthesizer("independent", random_state=0).fit(train), train, holdout)
    >>> found.model.interval[0] < 0.5 < found.model.interval[1]
    True
    """
    check("file_attack", "rows", rows, Interval(int, _LEAST))
    check("file_attack", "seed", seed, Interval(int, 0))
    fitted = TabularSynthesizer.load(model) if isinstance(model, (str, os.PathLike)) else model
    if isinstance(fitted, TabularSynthesizer) and not hasattr(fitted, "model_"):
        raise NotFittedError("file_attack: argument 'model' is not fitted; call fit first, or pass the path of a file.")
    asked = _like(fitted) if reference is None else reference
    entity = entity if entity is not None else getattr(getattr(fitted, "schema_", None), "entity", None)
    subject = Subject("file_attack", train, asked, entity)
    # a model asks for all its columns, also for those that it does not learn (keys, texts, empty ones)
    names = fitted.schema_.columns if isinstance(fitted, TabularSynthesizer) else subject.table.columns
    sides = _Sides.of(subject, train, holdout, list(names), rows, seed)
    drawn = subject.draw(fitted, len(train), entropy(seed, 1))
    targets, scores = _scored(subject, sides, fitted, drawn, seed)
    attack, found = None, {}
    if scores:
        far = Neighbourhoods(targets).far()
        attack = strongest(scores, targets, far)[0]
        found = {name: judge(one, targets.folds, far, shared=1.0, seed=seed) for name, one in scores.items()}
    return FileAudit(attack, found, sides.by_rows(subject, drawn, seed), sides.unit)


def _like(fitted: Any) -> Any:
    """A synthesizer with the parameters of the model; a loaded one knows its specification and its schema."""
    if isinstance(fitted, TabularSynthesizer):
        schema = fitted.schema_
        return TabularSynthesizer(fitted.spec_, schema=schema, entity=schema.entity, weight=schema.weight)
    return fitted


@dataclass(frozen=True)
class _Sides:
    """Members and controls, in two folds of entities."""

    members: pd.DataFrame
    controls: pd.DataFrame
    who: tuple[NDArray[np.int64], NDArray[np.int64]]  # the entity of each row, numbered from 0 on each side
    folds: tuple[Bools, Bools]  # per side and entity: is it of the first fold?
    unit: str

    @classmethod
    def of(
        cls,
        subject: Subject,
        train: pd.DataFrame,
        holdout: pd.DataFrame,
        names: list[Hashable],
        rows: int,
        seed: int,
    ) -> _Sides:
        entity = subject.entity
        for table in (train, holdout):
            missing = [name for name in names if name not in table]
            if missing:
                raise SchemaError(
                    f"file_attack: column {missing[0]!r} is missing from a table; pass tables that share it."
                )
        if entity is not None and set(train[entity]) & set(holdout[entity]):
            raise SchemaError(
                f"file_attack: argument 'holdout': entities in {entity!r} are in 'train', too; take others."
            )
        rng = np.random.default_rng([seed, 7])
        tables, who, folds = [], [], []
        for table in (train[names], holdout[names]):
            owner = np.arange(len(table)) if entity is None else pd.factorize(table[entity])[0]
            order = rng.permutation(int(owner.max()) + 1 if len(owner) else 0)
            lasting = np.cumsum(np.bincount(owner, minlength=len(order))[order]) <= rows
            chosen = np.flatnonzero(np.isin(owner, order[lasting]))
            tables.append(table.iloc[chosen].reset_index(drop=True))
            who.append(np.unique(owner[chosen], return_inverse=True)[1].astype(np.int64))
            people = int(lasting.sum())
            folds.append(rng.permutation(people) < people // 2)
        fewest = min(map(len, folds))
        if fewest < _LEAST:
            noun = "rows" if entity is None else "entities"
            raise SchemaError(f"file_attack: needs {_LEAST} {noun} to train and to hold out, got {fewest}.")
        unit = "rows" if entity is None else "entities"
        return cls(tables[0], tables[1], (who[0], who[1]), (folds[0], folds[1]), unit)

    def by_entity(self, side: int, values: Floats) -> Floats:
        """Means of the entities' rows."""
        who = self.who[side]
        mean: Floats = np.bincount(who, values) / np.bincount(who)
        return mean

    def by_rows(self, subject: Subject, drawn: pd.DataFrame, seed: int) -> Attack:
        """The attack on drawn rows: one row of each entity, as rows of one depend on each other."""
        first = [np.unique(who, return_index=True)[1] for who in self.who]
        tables = [t.iloc[i] for t, i in zip((self.members, self.controls), first, strict=True)]
        return membership_attacks(drawn, tables[0], tables[1], kinds=subject.kinds, seed=seed)["strongest"]


def _scored(
    subject: Subject, sides: _Sides, fitted: Any, drawn: pd.DataFrame, seed: int
) -> tuple[Targets, dict[str, Scores]]:
    """Scores of each attack on the model, per row or entity; none where the model has no likelihood."""
    own = [likelihoods(fitted, table) for table in (sides.members, sides.controls)]
    folds = tuple((sides.folds[0] == which, sides.folds[1] == which) for which in (True, False))
    first = [np.unique(who, return_index=True)[1] for who in sides.who]
    coded = code_tables(drawn, sides.members.iloc[first[0]], sides.controls.iloc[first[1]], kinds=subject.kinds)
    targets = Targets(coded[1], coded[0], coded[1], coded[2], folds, (), shared=1.0, seed=seed)
    if own[0] is None or own[1] is None:
        return targets, {}
    plain = [sides.by_entity(side, values) for side, values in enumerate(own) if values is not None]
    less = [np.zeros_like(values) for values in plain]
    tables = [_steady(subject, table) for table in (sides.members, sides.controls)]
    for k, masks in enumerate(folds):
        learnt = ~masks[1][sides.who[1]]  # the controls of the other fold
        model = subject.fit(tables[1][learnt].reset_index(drop=True), entropy(seed, 2, k))
        for side, table in enumerate(tables):
            at = np.flatnonzero(masks[side][sides.who[side]])
            base = likelihoods(model, table.iloc[at].reset_index(drop=True))
            every = np.zeros(len(table))
            every[at] = 0.0 if base is None else base
            less[side][masks[side]] = sides.by_entity(side, every)[masks[side]]
    calibrated = Scores(plain[0] - less[0], plain[1] - less[1])
    return targets, {"likelihood": Scores(plain[0], plain[1]), "calibrated": calibrated}


def _steady(subject: Subject, table: pd.DataFrame) -> pd.DataFrame:
    """What a reference learns: columns that are constant to the model stay as the model knows them.

    It has no likelihood of their cells, so a reference needs none, and could not learn others under the model's schema.
    """
    kinds, known = subject.schema.columns, subject.table.iloc[np.zeros(len(table), np.int64)]
    out = table[list(subject.table.columns)].copy()
    same = [name for name in out if isinstance(kinds[name], Constant)]
    for name in same:
        out[name] = known[name].set_axis(out.index)
    return out
