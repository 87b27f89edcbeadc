"""What the synthetic table tells about a known person: which records belong together, and what a secret is.

The attacks follow Giomi et al. (2022), in their three questions and in the risk, which is how much oftener an attack
succeeds on training rows than on holdout rows. The attacks themselves are our own: distances of mixed rows with exact
ties, differences of numbers by an absolute tolerance, null equal to null.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.attacks import deep_features
from synthkit.metrics.base import Case, Measurement
from synthkit.metrics.copies import row_hashes
from synthkit.metrics.holders import Guessed, Holders, holder_risks
from synthkit.metrics.neighbours import TIE, Points, distances, nearest, place
from synthkit.metrics.rates import LEAST, Attempts, Risk, RiskMetric, judged, worst_of
from synthkit.metrics.surroundings import pick
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["AttributeInference", "Linkability", "attribute_inference", "inferred", "judged_secrets", "linkability"]

_TOLERANCE = 0.05  # of the range from the 5 % to the 95 % quantile: a guess of a number so close is a success
_CLASSES = 20  # levels that a model guesses; all rarer ones it misses
EMPTY = ", empty or not"  # what is asked of a secret that some have and others have not
_MORE = 2000  # further rows attacked on each side whose secret is a rare one
_RARE = 0.1  # share of the training rows below which a value is a rare one
_OUTER = (0.05, 0.95)  # quantiles: a number of many values is a rare one beyond them
_BLOCK = (64, 2048)

Floats = NDArray[np.float64]


def _attacked(t: Coded, h: Coded, seed: int, rows: int) -> tuple[Coded, Coded]:
    """Training rows and equally many holdout rows."""
    rng = np.random.default_rng([seed, 4])
    size = min(len(t), len(h), rows)
    return t.take(pick(rng, len(t), size)), h.take(pick(rng, len(h), size))


def _check(function: str, *tables: Coded) -> None:
    if min(len(t) for t in tables) < LEAST:
        raise SchemaError(f"{function}: needs at least {LEAST} rows in each table.")
    if len(tables[0].num) + len(tables[0].cat) < 2:
        raise SchemaError(f"{function}: needs at least 2 columns; pass 'kinds' with more.")


# -------------------------------------------------------------------- linkability
def linkability(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    halves: tuple[Sequence[Hashable], Sequence[Hashable]] | None = None,
    kinds: Kinds | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> Risk:
    """Risk that the synthetic table links two records of one person that have no column in common.

    The attacker holds some columns of a row in one file and the others in a second file, and takes two records for one
    person's if both are nearest to the same synthetic row. Repeated synthetic rows count as one; among
    equally near rows one is picked at random, whose chances are computed, not drawn.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        halves: the columns of the two files; by default all columns, dealt in turn by how many values they have.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        rows: rows attacked at most, on each side.
        seed: of the subsamples.

    Raises:
        ParamError: a half is empty, or names an unknown column.
        SchemaError: fewer than 20 rows in a table, or a single column.

    >>> rng = np.random.default_rng(0)
    >>> train, holdout = (pd.DataFrame(rng.normal(size=(100, 4)), columns=list("abcd")) for _ in range(2))
    >>> linkability(train, train, holdout).train
    1.0
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    _check("linkability", s, t, h)
    names = {*t.num, *t.cat}
    if halves is not None and not all(half and names.issuperset(half) for half in halves):
        raise ParamError("linkability: argument 'halves' takes two lists of columns, none empty, all in the tables.")
    return _linkability(s, t, h, halves or dealt(t), seed=seed, rows=rows)


def dealt(table: Coded) -> tuple[list[Hashable], list[Hashable]]:
    """Two halves of the columns, about equally telling: dealt by the number of values, first second second first."""
    counts = {n: len(np.unique(table.numbers[:, j])) for j, n in enumerate(table.num)}
    counts |= {n: len(np.unique(table.codes[:, j])) for j, n in enumerate(table.cat)}
    ranked = sorted(counts, key=lambda n: (-counts[n], str(n)))
    first = [n for i, n in enumerate(ranked) if i % 4 in (0, 3)]
    return first, [n for n in ranked if n not in first]


def _linkability(
    s: Coded, t: Coded, h: Coded, halves: tuple[Sequence[Hashable], Sequence[Hashable]], *, seed: int, rows: int
) -> Risk:
    members, controls = _attacked(t, h, seed, rows)
    ((keys, _),) = row_hashes(s)
    s = s.take(np.sort(np.unique(keys, return_index=True)[1]))
    spaces = [place(t.only(half), [x.only(half) for x in (s, members, controls)]) for half in halves]
    (base_a, members_a, controls_a), (base_b, members_b, controls_b) = spaces
    found = _links(members_a, members_b, base_a, base_b), _links(controls_a, controls_b, base_a, base_b)
    return Risk(float(found[0].mean()), float(found[1].mean()), len(found[0]), len(found[1]), 1 / len(s))


def _links(a: Points, b: Points, base_a: Points, base_b: Points) -> Floats:
    """Per row: the chance that its nearest base row by ``a`` and its nearest by ``b`` are the same."""
    out = []
    for start in range(0, len(a), _BLOCK[0]):
        block = slice(start, start + _BLOCK[0])
        near = [_nearest_set(points.take(block), base) for points, base in ((a, base_a), (b, base_b))]
        both = (near[0] & near[1]).sum(1).double()
        out.append((both / (near[0].sum(1).double() * near[1].sum(1).double())).numpy())
    return np.concatenate(out)


def _nearest_set(rows: Points, base: Points) -> torch.Tensor:
    """Bool ``(rows, base)``: which base rows are at the least distance."""
    chunks = [base.take(slice(low, low + _BLOCK[1])) for low in range(0, len(base), _BLOCK[1])]
    found = torch.cat([distances(rows, chunk) for chunk in chunks], dim=1)
    return found <= found.amin(1, keepdim=True) + TIE


class Linkability(RiskMetric):
    """Risk that two halves of a row are linked; see :func:`linkability`."""

    name = "linkability"
    label = "Linkability risk"
    reading = "Beyond what holdout rows allow, an attacker links two parts of a training row at a risk of {value}"
    definition = (
        "How much oftener two halves of a training row than of a holdout row are nearest to the same synthetic row, as "
        "a share of what is possible (after Giomi et al. 2022)."
    )

    def attack(self, case: Case, s: Coded, t: Coded, h: Coded) -> Measurement:
        """The risk; its parts are the rates of success."""
        if len(case.kinds) < 2:
            return Measurement.nothing("a single column has no two halves")
        risk = _linkability(s, t, h, dealt(t), seed=case.seed, rows=case.limit(500, 2000, 5000))
        rates = {"training rows": risk.train, "holdout rows": risk.control, "naive guess": risk.naive}
        return judged(risk, rates)


# -------------------------------------------------------------------- attribute inference
def attribute_inference(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    secrets: Sequence[Hashable],
    *,
    kinds: Kinds | None = None,
    rows: int = 2000,
    seed: int = 0,
) -> dict[tuple[Hashable, str], Risk]:
    """Risk that somebody who knows all other columns of a person learns a secret from the synthetic table.

    Two attackers: ``"neighbour"`` takes the secret of the nearest synthetic row (of equally near ones any, up to ten);
    ``"model"`` fits deep random trees to the synthetic table. A number is guessed if it is within 5 % of the range
    between its 5 % and 95 % quantiles. Where the secret is null in some rows, both also guess in which (``"neighbour,
    empty or not"``). What everybody's data would tell about anybody succeeds on holdout rows just as
    often, and is no risk.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        secrets: the columns that an attacker would like to learn.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        rows: rows attacked at most, on each side; for the value of the secret, those where it is filled.
        seed: of the subsamples and the trees.

    Returns:
        ``{(secret, attacker): risk}``; a secret that is null in nearly all real rows, or in all synthetic ones, is
        left out.

    Raises:
        ParamError: a secret is not among the columns, or there is none.
        SchemaError: fewer than 20 rows in a table, or a single column.

    >>> rng = np.random.default_rng(0)
    >>> train, holdout = (pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc")) for _ in range(2))
    >>> attribute_inference(train, train, holdout, ["c"])["c", "neighbour"].train
    1.0
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    _check("attribute_inference", s, t, h)
    unknown = [name for name in secrets if name not in (*t.num, *t.cat)]
    if unknown or not secrets:
        raise ParamError(
            f"attribute_inference: argument 'secrets' takes columns of the tables; not among them: {unknown}."
        )
    found = inferred(s, t, h, secrets, seed=seed, rows=rows, trees=50, trained=20_000)
    return {key: attempts.risk for key, attempts in found.items()}


def inferred(
    s: Coded, t: Coded, h: Coded, secrets: Sequence[Hashable], *, seed: int, rows: int, trees: int, trained: int
) -> dict[tuple[Hashable, str], Attempts]:
    """The attempts behind :func:`attribute_inference`, by secret and attacker."""
    out: dict[tuple[Hashable, str], Attempts] = {}
    for secret in secrets:
        asked = {"": [s, t, h]}
        empty = np.isnan(t.column(secret))
        if min(empty.sum(), (~empty).sum()) >= LEAST and 0 < np.isnan(s.column(secret)).mean() < 1:
            asked[EMPTY] = [_emptiness(x, secret) for x in (s, t, h)]
        for about, (own, train, control) in asked.items():
            found = _attempts(own, train, control, secret, seed=seed, rows=rows, trees=trees, trained=trained)
            out |= {(secret, who + about): attempts for who, attempts in found.items()}
    return out


def _attempts(
    s: Coded, t: Coded, h: Coded, secret: Hashable, *, seed: int, rows: int, trees: int, trained: int
) -> dict[str, Attempts]:
    """Of one secret by attacker; rows where it is null are left out."""
    known, t, h = (x.take(np.flatnonzero(~np.isnan(x.column(secret)))) for x in (s, t, h))
    if min(len(t), len(h)) < LEAST or not len(known):
        return {}
    grouping = _Grouping.of(t.column(secret), h.column(secret), known.column(secret), secret in t.cat)
    size = min(len(t), len(h), rows)
    at = grouping.attacked(t, h, secret, size, seed)
    sides = [t.take(at[0]), h.take(at[1])]
    truth, wide = [side.column(secret) for side in sides], tolerance(t, secret)
    naive = float((np.abs(truth[0][:size] - _usual(known, secret)) <= wide).mean())

    def right(side: int, guess: tuple[Floats, Floats]) -> Floats:
        return np.asarray(((np.abs(truth[side][:, None] - guess[0]) <= wide) * guess[1]).sum(1))

    model = _fitted(known, secret, seed=seed, trees=trees, trained=trained)
    found = {
        "neighbour": [by_neighbour(known, t, side, secret) for side in sides],
        "model": [model(side) for side in sides],
    }
    alone = {"neighbour": right(0, by_neighbour(t, t, sides[0], secret, at[0])) > 0.5}
    out = {}
    for who, guesses in found.items():
        rates = [right(side, guess) for side, guess in enumerate(guesses)]
        held = [grouping.guessed(*told, size) for told in zip(truth, guesses, rates, strict=True)]
        holders = Holders(held[0], held[1], grouping.levels, alone.get(who))
        out[who] = Attempts(rates[0][:size], rates[1][:size], naive, holders)
    return out


def _emptiness(table: Coded, secret: Hashable) -> Coded:
    """The table with two levels in place of the secret: filled, and empty."""
    rest, empty = table.without(secret), np.isnan(table.column(secret)).astype(np.int64)
    codes = np.column_stack([rest.codes, empty])
    return Coded(rest.numbers, codes, (*rest.sizes, 2), rest.num, (*rest.cat, secret))


@dataclass(frozen=True)
class _Grouping:
    """A secret's values in groups: levels, or a number's low, middle and high ones.

    Attributes:
        values: levels, ascending; None where there are too many; ends: of the middle group then.
        levels: groups that the synthetic table has; rare: those that few training rows have.
    """

    values: Floats | None
    ends: tuple[float, float]
    levels: tuple[int, ...] = ()
    rare: tuple[int, ...] = ()

    @classmethod
    def of(cls, train: Floats, control: Floats, synthetic: Floats, categories: bool) -> _Grouping:
        """By the values of the real rows."""
        values = np.unique(np.concatenate([train, control]))
        low, high = np.quantile(train, _OUTER)
        out = cls(values if categories or len(values) <= _CLASSES else None, (float(low), float(high)))
        share = np.bincount(out.group(train), minlength=1) / len(train)
        levels = np.intersect1d(out.group(train), out.group(synthetic))
        return replace(
            out,
            levels=tuple(int(k) for k in levels if k >= 0),
            rare=tuple(int(k) for k in levels if k >= 0 and share[k] < _RARE),
        )

    def group(self, values: Floats) -> NDArray[np.int64]:
        """``(n,)`` groups of values; -1: of none."""
        if self.values is None:
            return np.asarray((values > self.ends[1]) * 2 + ((values >= self.ends[0]) & (values <= self.ends[1])))
        at = np.minimum(np.searchsorted(self.values, values), len(self.values) - 1)
        return np.where(self.values[at] == values, at, -1)

    def attacked(self, t: Coded, h: Coded, secret: Hashable, size: int, seed: int) -> list[NDArray[np.int64]]:
        """Places of so many training and holdout rows, and after them of more rows with rare values."""
        rng, out = np.random.default_rng([seed, 4]), []
        for table in (t, h):
            order = rng.permutation(len(table))
            rest = order[size:]
            more = rest[np.isin(self.group(table.column(secret)[rest]), self.rare)][:_MORE]
            out.append(np.concatenate([order[:size], more]))
        return out

    def guessed(self, truth: Floats, guess: tuple[Floats, Floats], right: Floats, sampled: int) -> Guessed:
        """What was guessed of rows; of several guesses the one that weighs most."""
        values, weight = guess
        alike = (values[:, :, None] == values[:, None, :]) @ weight[:, :, None]
        best = values[np.arange(len(truth)), alike[:, :, 0].argmax(1)]
        taken = self.group(best) if self.values is not None else np.full(len(truth), -1)
        return Guessed(self.group(truth), taken, right > 0.5, sampled)


def tolerance(train: Coded, secret: Hashable) -> float:
    """How far a guess that counts as right may be off: 0 for a level, a part of its range for a number."""
    if secret in train.cat:
        return 0.0
    low, high = np.nanquantile(train.column(secret), [0.05, 0.95])
    return max(_TOLERANCE * float(high - low), 1e-9 * max(abs(float(low)), abs(float(high))))


def _usual(table: Coded, secret: Hashable) -> float:
    """The guess that needs no data of the person: the most frequent level, or the median."""
    values = table.column(secret)
    return float(np.median(values) if secret in table.num else np.bincount(values.astype(np.int64)).argmax())


def by_neighbour(
    known: Coded, train: Coded, side: Coded, secret: Hashable, own: NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Guesses ``(rows, up to 10)`` and their weights: the secrets of the nearest rows, all that tie alike.

    Args:
        own: ``(rows,)`` places of the rows of ``side`` in ``known``, where they are there: no row is its own neighbour.
    """
    base, points = place(train.without(secret), (known.without(secret), side.without(secret)))
    near = nearest(points, base, min(10 + (own is not None), len(known)))[0]
    away = near.distance if own is None else np.where(near.index == own[:, None], np.inf, near.distance)
    tied = away <= away.min(1, keepdims=True) + TIE
    return known.column(secret)[near.index], tied / tied.sum(1, keepdims=True)


def _fitted(
    known: Coded, secret: Hashable, *, seed: int, trees: int, trained: int
) -> Callable[[Coded], tuple[Floats, Floats]]:
    """Deep random trees that know the synthetic rows by heart; they give one guess per row."""
    rows = known.take(pick(np.random.default_rng([seed, 5]), len(known), trained))
    x, y = deep_features(rows.without(secret)), rows.column(secret)
    if secret in known.num:
        model = ExtraTreesRegressor(trees, random_state=seed).fit(x, y)
    else:  # rare levels share a class, which is no right guess for any
        model = ExtraTreesClassifier(trees, random_state=seed).fit(x, np.where(y < _CLASSES, y, -1).astype(np.int64))

    def guess(side: Coded) -> tuple[Floats, Floats]:
        found = model.predict(deep_features(side.without(secret))).astype(np.float64)[:, None]
        return found, np.ones_like(found)

    return guess


def judged_secrets(found: Mapping[tuple[Hashable, str], Attempts]) -> Measurement:
    """The clearest risk of a secret's value, that of each secret and attacker, and how the holders of levels fare.

    Whether a secret is filled is judged by its holders alone: with as many attacks again to choose from, the figure
    would be one of this attack now and of that one then, and its interval too narrow.
    """
    values = {key: attempts for key, attempts in found.items() if not key[1].endswith(EMPTY)}
    risk, chosen = worst_of(values or found)
    risks = {key: attempts.risk for key, attempts in found.items()}
    holders = holder_risks({key: attempts.holders for key, attempts in found.items() if attempts.holders is not None})
    parts = {key: risk.value for key, risk in risks.items()}
    return judged(risk, parts, chosen=chosen, risks=risks, holders=holders)


class AttributeInference(RiskMetric):
    """Risk that a secret is learnt from the other columns; see :func:`attribute_inference`."""

    name = "attribute_inference"
    label = "Attribute inference risk"
    needs = ("holdout", "secrets")
    reading = "Beyond what holdout rows allow, an attacker learns a secret of a training row at a risk of {value}"
    definition = (
        "How much oftener a secret is guessed right, from all other columns and the synthetic table, for training rows "
        "than for holdout rows, as a share of what is possible (after Giomi et al. 2022); the secret and attacker with "
        "the clearest success, chosen on one half of the rows and measured on the other."
    )

    def attack(self, case: Case, s: Coded, t: Coded, h: Coded) -> Measurement:
        """The worst risk; its parts are the risk per secret and attacker."""
        secrets = [name for name in case.secrets if name in case.kinds]
        if not secrets or len(case.kinds) < 2:
            return Measurement.nothing("the secrets are not among the columns that count, or are the only ones")
        rows, trees, trained = (
            case.limit(5000, 10_000, 20_000),
            case.limit(20, 30, 100),
            case.limit(5000, 15_000, 40_000),
        )
        found = inferred(s, t, h, secrets, seed=case.seed, rows=rows, trees=trees, trained=trained)
        if not found:
            return Measurement.nothing("too few rows: the secrets are null in nearly all of them")
        return judged_secrets(found)
