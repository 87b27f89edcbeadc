"""``audit``: fit on many random halves of a table, and attack each fit by what the others teach."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from synthkit.auditing.audit_report import Audit, Shadow
from synthkit.auditing.features import FEATURES, features, guesses
from synthkit.auditing.fits import Subject, likelihoods
from synthkit.auditing.judging import judged
from synthkit.errors import ParamError, SchemaError, SynthkitWarning
from synthkit.metrics.neighbours import isolated, nearest, place
from synthkit.metrics.tables import code_tables
from synthkit.params import AnyOf, InstanceOf, Interval, Optional, check
from synthkit.runtime import entropy

__all__ = ["audit"]

_MOST, _LEAST = 2000, 50
_FEWEST = 4  # refits: below, nothing is told

Floats = NDArray[np.float64]


def audit(
    df: pd.DataFrame,
    *,
    synthesizer: Any | None = None,
    refits: int = 64,
    rows: int | None = None,
    targets: Sequence[Hashable] | NDArray[np.bool_] | None = None,
    secrets: Sequence[Hashable] = (),
    entity: Hashable | None = None,
    times: int = 1,
    max_seconds: float | None = None,
    random_state: int = 0,
    progress: bool | Callable[[Shadow], bool | None] | None = None,
) -> Audit:
    """Attack a synthesizer with shadow models: the strongest membership attack there is, for tables up to 2,000 rows.

    The synthesizer is fitted afresh on random halves of the entities (of the rows, where there is no entity), so that
    each is in about half of the fits. An attacker who knows every row, the synthesizer, and who is in all other fits
    judges each fit by likelihood ratios (LiRA; Carlini et al. 2022), from a table drawn from it and, where the model
    has likelihoods, from the model itself. Real attackers know less. What it finds is of halves of the table: a fit on
    the whole table, of twice the rows, gives away less rather than more.

    Takes ``refits`` times what a fit on half the rows takes. Out of time, or interrupted by Ctrl-C, it reports the
    fits so far.

    Args:
        df: the real rows, 50 to 2,000; stay as they are.
        synthesizer: fitted or not, only its parameters are used; None: ``TabularSynthesizer()``. Any object with
            ``fit(table)`` and ``sample(n, seed=...)`` will do.
        refits: fits, 4 at least. 64 tell an AUC of .52 from .5; fewer see less.
        rows: audit so many rows of a larger table, whole entities, drawn by the random state.
        targets: who is judged: labels of the index, or a mask of the rows; by default everybody.
        secrets: columns that an attacker would like to learn: is the secret of a record oftener guessed right from
            tables that were learnt from it?
        entity: whose row it is; by default as the synthesizer has it. Then entities are judged, not rows.
        times: rows drawn per fit, as a multiple of those that it learnt from.
        max_seconds: no fit is begun that would probably end later.
        random_state: of halves, fits and draws.
        progress: True for a bar on stderr, or a callable given a :class:`Shadow`; returning True stops.

    Raises:
        ParamError: an argument is out of its set, or names no column or row.
        SchemaError: too few or too many rows (take ``rows=``), or the entity is missing or null.

    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"x": rng.normal(size=80), "y": rng.choice(list("ab"), 80)})
    >>> from synthkit import TabularSynthesizer
    >>> found = audit(table, synthesizer=TabularSynthesizer("independent"), refits=6)
    >>> found.refits, found.records.shape[0], "risk" in str(found.to_dict())
    (6, 80, False)
    """
    check("audit", "refits", refits, Interval(int, _FEWEST))
    check("audit", "rows", rows, Optional(Interval(int, _LEAST, _MOST)))
    check("audit", "times", times, Interval(int, 1, 100))
    check("audit", "max_seconds", max_seconds, Optional(Interval(float, 0, None, "neither")))
    check("audit", "random_state", random_state, Interval(int, 0))
    check("audit", "progress", progress, Optional(AnyOf(InstanceOf(bool), InstanceOf(Callable))))  # type: ignore[arg-type]
    subject = Subject("audit", df, synthesizer, entity)
    index, chosen = _rows(subject, df, rows, random_state)
    judged_rows = _targets(targets, df)[chosen]
    if isinstance(secrets, str) or not isinstance(secrets, Iterable):
        raise ParamError("audit: argument 'secrets' takes a list of columns, even of one.")
    secrets = tuple(secrets)
    unknown = [name for name in secrets if name not in subject.kinds]
    if unknown:
        raise ParamError(
            f"audit: argument 'secrets' takes a list of columns that are learnt; not among them: {unknown}."
        )
    work = _Work(subject, secrets, times, random_state)
    stopped = work.all(refits, max_seconds, progress)
    if len(work.learnt) < _FEWEST:
        raise ParamError(
            f"audit: argument 'max_seconds': {len(work.learnt)} fits were made in time; allow for {_FEWEST}."
        )
    if stopped:
        warnings.warn(f"audit: {stopped} after {len(work.learnt)} of {refits} refits.", SynthkitWarning, stacklevel=2)
    return judged(work.found(), index, judged_rows)


def _rows(subject: Subject, df: pd.DataFrame, rows: int | None, seed: int) -> tuple[pd.Index, NDArray[np.int64]]:
    """Cut the subject's table down to the rows that are audited: their labels and places in ``df``."""
    owner, chosen = subject.owner, np.arange(len(df))
    if rows is not None and len(df) > rows:
        order = np.random.default_rng([seed, 1]).permutation(int(owner.max()) + 1)
        lasting = np.cumsum(np.bincount(owner)[order]) <= rows
        chosen = np.flatnonzero(np.isin(owner, order[lasting]))
        subject.table = subject.table.take(chosen).reset_index(drop=True)
    people = len(np.unique(subject.owner))
    if len(chosen) > _MOST:
        raise SchemaError(
            f"audit: argument 'df' has {len(chosen):,} rows, and at most {_MOST:,} can be audited; pass rows={_MOST} "
            "for a subsample, or use canaries() and file_attack(), which take tables of any size."
        )
    if people < _LEAST:
        raise SchemaError(f"audit: argument 'df' needs {_LEAST} rows (or entities) at least, got {people}.")
    return df.index[chosen], chosen


def _targets(targets: Any, df: pd.DataFrame) -> NDArray[np.bool_]:
    """``(rows,)`` who is judged."""
    if targets is None:
        return np.ones(len(df), np.bool_)
    given = np.asarray(targets)
    if given.dtype == np.bool_:
        if given.shape != (len(df),):
            raise ParamError(f"audit: argument 'targets': a mask needs one entry per row, {len(df)}.")
        mask = given
    else:
        mask = df.index.isin(given)
        if not pd.Index(given).isin(df.index).all():
            raise ParamError("audit: argument 'targets' names labels that are not in the table's index.")
    if not mask.any():
        raise ParamError("audit: argument 'targets' names no row; leave it out for all.")
    return mask


@dataclass
class _Work:
    """The fits, and what is kept of each: features of records, never a model."""

    subject: Subject
    secrets: tuple[Hashable, ...]
    times: int
    seed: int
    learnt: list[NDArray[np.bool_]] = field(default_factory=list)  # per fit: (records,)
    seen: list[Floats] = field(default_factory=list)  # (records, features)
    likely: list[Floats | None] = field(default_factory=list)  # (records,)
    right: list[Floats] = field(default_factory=list)  # (records, secrets)

    def __post_init__(self) -> None:
        self.owner = np.unique(self.subject.owner, return_inverse=True)[1].astype(np.int64)
        self.people = int(self.owner.max()) + 1

    def all(self, refits: int, max_seconds: float | None, progress: Any) -> str:
        """Fit and look; why it stopped early, or empty."""
        start = time.monotonic()
        bar = tqdm(total=refits, unit="fit", leave=False, disable=progress is not True)
        try:
            for k in range(refits):
                spent = time.monotonic() - start
                if max_seconds is not None and k and spent * (k + 1) / k > max_seconds:
                    return "out of time"
                self.one(k)
                bar.update()
                told = Shadow(k + 1, refits, time.monotonic() - start)
                if callable(progress) and progress(told) and k + 1 < refits:
                    return "stopped"
        except KeyboardInterrupt:
            if len(self.learnt) < _FEWEST:
                raise
            return "interrupted"
        finally:
            bar.close()
        return ""

    def one(self, k: int) -> None:
        """One fit on a random half."""
        seed = entropy(self.seed, 2, k)
        half = np.zeros(self.people, np.bool_)
        half[np.random.default_rng(seed).permutation(self.people)[: self.people // 2]] = True
        own = self.subject.table
        table = own[half[self.owner]].reset_index(drop=True)
        fitted = self.subject.fit(table, seed)
        drawn = self.subject.draw(fitted, len(table) * self.times, entropy(seed, 1))
        records, synthetic = code_tables(own, drawn, kinds=self.subject.kinds)
        seen = features(records, synthetic, seed=self.seed)
        likely = likelihoods(fitted, own)
        right = guesses(records, synthetic, self.secrets)
        self.seen.append(self._mean(seen))
        self.likely.append(None if likely is None else self._mean(likely[:, None])[:, 0])
        self.right.append(self._mean(right))
        self.learnt.append(half)

    def _mean(self, values: Floats) -> Floats:
        """Means over the rows of each entity, nulls aside."""
        known = ~np.isnan(values)
        out = np.full((self.people, values.shape[1]), np.nan)
        for j in range(values.shape[1]):
            many = np.bincount(self.owner, known[:, j], minlength=self.people)
            total = np.bincount(self.owner, np.where(known[:, j], values[:, j], 0.0), minlength=self.people)
            out[many > 0, j] = total[many > 0] / many[many > 0]
        return out

    def found(self) -> dict[str, Any]:
        """Everything that judging needs, as arrays."""
        likely = [x for x in self.likely if x is not None]
        (coded,) = code_tables(self.subject.table, kinds=self.subject.kinds)
        (points,) = place(coded, (coded,))
        distance = nearest(points, points, min(4, len(coded)))[0].distance[:, -1].astype(np.float64)
        far = isolated(self._mean(distance[:, None])[:, 0].astype(np.float32))
        return {
            "seen": np.stack(self.seen),
            "likely": np.stack(likely)[..., None] if len(likely) == len(self.seen) else None,
            "right": np.stack(self.right),
            "learnt": np.stack(self.learnt),
            "owner": self.owner,
            "far": far,
            "features": FEATURES,
            "secrets": self.secrets,
            "unit": "rows" if self.subject.entity is None else "entities",
            "seed": self.seed,
        }
