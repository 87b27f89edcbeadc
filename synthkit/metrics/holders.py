"""Is somebody with a rare value of a secret betrayed? Each level of the secret is judged by itself.

The rate at which a secret is guessed right says little of a level that few have: of one person in fifty, half may be
betrayed while the rate gains .01. So the holders of each level are looked at alone (how many of them are found?), and
those that the attacker takes for holders (how many of them are?), in training rows against rows held back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, hypergeom, norm

from synthkit.metrics.rates import difference, wilson

__all__ = ["LIMIT", "TOLERANCE", "Guessed", "HolderRisk", "Holders", "holder_risks", "worst"]

ALPHA = 0.02  # fresh rows fail in so many cases at most, all secrets, attackers and levels together
TOLERANCE = 0.05  # of the difference of two rates: below, a difference is no matter, however certain
LIMIT = 0.5  # of it: so much must not go unnoticed
_FEW = 20  # holders among the rows held back: levels of fewer are judged together as well
_SUSPECT = 0.05  # of one comparison: a level of few holders that looks so is not passed with the others
_SIDED = 0.95  # of one-sided ends

Status = Literal["pass", "fail", "cannot tell"]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Guessed:
    """One side's rows. ``sampled``: of these the first so many are a random sample; the others are more holders.

    Attributes:
        level: ``(rows,)`` group of the true value; guess: that of the guess, -1: of no group; right: was it right?
    """

    level: Ints
    guess: Ints
    right: Bools
    sampled: int


@dataclass(frozen=True)
class Holders:
    """Guesses of a secret for training rows and for rows held back.

    Attributes:
        levels: the groups that may be guessed.
        alone: ``(rows,)`` whether the other training rows, in place of the synthetic ones, tell the secret of a
            training row: what a table of fresh rows would. Of few holders this says more than the few held back.
    """

    train: Guessed
    control: Guessed
    levels: tuple[int, ...]
    alone: Bools | None = None


@dataclass(frozen=True)
class HolderRisk:
    """What one comparison found.

    Attributes:
        what: ``"found"``, holders who are guessed right, or ``"right"``, guesses of a level that are.
        levels: how many levels together.
        train, control: the rates; n_train, n_control: of so many; alone: the rate that the other training rows allow
            of the same holders, NaN where that is not known.
        low, high: 95 % ends of the difference, one-sided each.
        status: ``"fail"``: there is a difference beyond chance, all comparisons counted, and beyond .05.
    """

    what: str
    levels: int
    train: float
    control: float
    n_train: int
    n_control: int
    alone: float
    low: float
    high: float
    status: Status

    def __str__(self) -> str:
        whose = "holders of one level" if self.levels == 1 else f"holders of {self.levels} levels"
        noun = f"{whose} guessed right" if self.what == "found" else "guesses of one level that are right"
        fresh = "" if math.isnan(self.alone) else f" (other training rows tell {self.alone:.3f})"
        held = f"{self.control:.3f} of {_many(self.n_control)} held back" if self.n_control else "nobody held back"
        return (
            f"{noun}: {self.train:.3f} of {_many(self.n_train)} against {held}{fresh}, difference in "
            f"[{self.low:.3f}, {self.high:.3f}]"
        )


def _many(count: int) -> str:
    return f"{count}" if count >= 10 else "fewer than 10"


def holder_risks(attacks: Mapping[Any, Holders]) -> dict[Any, list[HolderRisk]]:
    """Per attack what every comparison found, the worst first.

    A comparison fails if an exact test, at a level that is shared among all (Bonferroni), and the lower end of the
    difference say so: Fisher's, against rows held back, or McNemar's (1947), against what the other training rows tell
    of the same holders. A level passes if the upper end of the difference is below .5; levels of few holders are judged
    together for that, as each alone could not tell, but for one that looks suspicious by itself.
    """
    compared = {key: list(_compared(holders)) for key, holders in attacks.items()}
    alpha = ALPHA / max(sum(1 + (pair.paired is not None) for pairs in compared.values() for pair in pairs), 1)
    out = {}
    for key, pairs in compared.items():
        order = {"fail": 0, "cannot tell": 1, "pass": 2}
        out[key] = sorted((pair.judged(alpha) for pair in pairs), key=lambda risk: (order[risk.status], -risk.low))
    return out


@dataclass(frozen=True)
class _Pair:
    """Two rates to compare: (hits, tries) on either side. ``decide``: must an excess be seen, if there is one?

    ``paired``: of the training side, how often only the synthetic rows were right, and only the other training rows.
    """

    what: str
    levels: int
    train: tuple[int, int]
    control: tuple[int, int]
    paired: tuple[int, int] | None = None
    decide: bool = False

    def judged(self, alpha: float) -> HolderRisk:
        """The figures, and a failure where it is sure."""
        (hits, tries), (hits_c, tries_c) = self.train, self.control
        rate, rate_c = (h / n if n else math.nan for h, n in (self.train, self.control))
        status: Status = "pass"
        alone = math.nan
        if not tries:  # nobody to betray
            return HolderRisk(self.what, self.levels, rate, rate_c, tries, tries_c, alone, -1.0, 1.0, status)
        ends = wilson(rate, tries, 2 * _SIDED - 1)
        held = wilson(rate_c, tries_c, 2 * _SIDED - 1) if tries_c else None
        low, high = (-1.0, 1.0) if held is None else difference(rate, ends, rate_c, held)
        chance = float(hypergeom.sf(hits - 1, tries + tries_c, hits + hits_c, tries))
        sure = chance < alpha and low > TOLERANCE
        more = hits  # the synthetic rows tell no more than this
        if self.paired is not None:
            more, less = self.paired
            alone = rate - (more - less) / tries
            gain, spread = (more - less) / tries, math.sqrt(more + less - (more - less) ** 2 / tries) / tries
            low_p = gain - norm.ppf(_SIDED) * spread
            # twice: rows that are each other's neighbours are right or wrong together
            chance_p = 2 * float(binom.sf(more - 1, more + less, 0.5))
            sure |= chance_p < alpha and low_p > TOLERANCE
            chance = min(chance, chance_p)
            low = max(low, low_p)
        high = min(high, float(beta.ppf(_SIDED, more + 1, tries - more)) if more < tries else 1.0)
        if sure:
            status = "fail"
        elif high > LIMIT and (self.decide or (self.paired is not None and chance < _SUSPECT)):
            status = "cannot tell"
        return HolderRisk(self.what, self.levels, rate, rate_c, tries, tries_c, alone, low, max(low, high), status)


def _compared(holders: Holders) -> Iterator[_Pair]:
    """Each level by itself, and those of few holders together."""
    sides = holders.train, holders.control

    def found(levels: Sequence[int], decide: bool) -> _Pair:
        own = [np.isin(side.level, levels) for side in sides]
        pair = _Pair("found", len(levels), *(_hits(side.right[at]) for side, at in zip(sides, own, strict=True)))
        if holders.alone is None:
            return replace(pair, decide=decide)
        right, alone = sides[0].right[own[0]], holders.alone[own[0]]
        return replace(pair, decide=decide, paired=(int((right & ~alone).sum()), int((alone & ~right).sum())))

    few = [level for level in holders.levels if (holders.control.level == level).sum() < _FEW]
    for level in holders.levels:
        yield found([level], level not in few or len(few) == 1)
        taken = [side.right[: side.sampled][side.guess[: side.sampled] == level] for side in sides]
        yield _Pair("right", 1, *map(_hits, taken))
    if len(few) > 1:
        yield found(few, True)


def _hits(right: Bools) -> tuple[int, int]:
    return int(right.sum()), len(right)


def worst(risks: Sequence[HolderRisk]) -> Status:
    """The status of all together."""
    found = {risk.status for risk in risks}
    return "fail" if "fail" in found else "cannot tell" if "cannot tell" in found else "pass"
