"""Rates and areas under ROC curves with intervals, and what a test of so many rows could have found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.roc import placements
from synthkit.metrics.tables import Coded

if TYPE_CHECKING:
    from synthkit.metrics.holders import Holders

__all__ = [
    "CERTIFIED_AUC",
    "CERTIFIED_RATE",
    "CERTIFIED_SHARE",
    "CERTIFIED_TPR",
    "DETECT",
    "LEAST",
    "Attempts",
    "Risk",
    "RiskMetric",
    "auc_interval",
    "auc_with_variance",
    "certified",
    "detectable_auc",
    "detectable_rate",
    "difference",
    "judged",
    "rate_interval",
    "wilson",
    "worst_of",
]

CERTIFIED_AUC = 0.55  # an attack that could not have been seen at this AUC certifies nothing
CERTIFIED_SHARE = 0.60  # the same for a share of nearer rows
CERTIFIED_TPR = 0.05  # the same for the share of members found at 1 % false positives
CERTIFIED_RATE = 0.10  # the same for a rate of success less the control's
LEAST = 20  # rows of a table: below, no rate of success has a meaning
_MISSES = 10  # failures on control rows: a risk is a share of these
DETECT = float(norm.ppf(0.95) + norm.ppf(0.8))  # one-sided test at 5 %, power 80 %

Interval = tuple[float, float]


def wilson(rate: Any, n: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Ends of the binomial interval of Wilson (1927) of rates over ``n`` rows each; numbers or arrays.

    >>> [round(float(x), 3) for x in wilson(0.0, 100)]
    [0.0, 0.037]
    """
    z = float(norm.ppf((1 + level) / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(np.maximum(rate * (1 - rate), 0.0) / n + z * z / (4 * n * n))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def difference(rate: float, ends: Interval, control: float, control_ends: Interval) -> Interval:
    """Ends of the difference of two rates from the ends of each, by the square-and-add rule (Newcombe 1998)."""
    gain = rate - control
    down, up = np.hypot(rate - ends[0], control_ends[1] - control), np.hypot(ends[1] - rate, control - control_ends[0])
    return float(gain - down), float(gain + up)


def rate_interval(rate: float, variance: float, n: int, level: float = 0.95) -> Interval:
    """Interval of a rate over ``n`` rows: the normal one of its variance, and at least Wilson's (1927) binomial one.

    >>> [round(x, 3) for x in rate_interval(0.0, 0.0, 100)]
    [0.0, 0.037]
    """
    low, high = wilson(rate, n, level)
    wide = float(norm.ppf((1 + level) / 2)) * np.sqrt(variance)
    return max(0.0, float(min(low, rate - wide, rate))), min(1.0, float(max(high, rate + wide, rate)))


def auc_with_variance(members: NDArray[np.float64], controls: NDArray[np.float64]) -> tuple[float, float]:
    """AUC of telling members (higher) from controls, ties one half, with DeLong's (1988) variance.

    The variance has a floor, so that a perfect separation of few rows does not look certain.
    """
    m, n = len(members), len(controls)
    wins, losses = placements(members, controls)
    auc = float(wins.mean())
    spread = [float(x.var(ddof=1)) / len(x) if len(x) > 1 else 0.25 for x in (wins, losses)]
    shrunk = (auc * m * n + 0.5) / (m * n + 1)
    return auc, max(sum(spread), shrunk * (1 - shrunk) / (3 * min(m, n)))


def auc_interval(auc: float, variance: float, level: float = 0.95) -> Interval:
    """On the logit scale, so that it stays within [0, 1]."""
    inner = float(np.clip(auc, 1e-4, 1 - 1e-4))
    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(variance) / (inner * (1 - inner))
    logit = np.log(inner / (1 - inner))
    low, high = (float(1 / (1 + np.exp(-(logit + s * min(half, 30.0))))) for s in (-1, 1))
    return min(low, auc), max(high, auc)


def detectable_auc(members: int, controls: int) -> float:
    """Smallest AUC that a one-sided test at 5 % finds with 80 % probability, of so many rows.

    >>> round(detectable_auc(1000, 1000), 3)
    0.532
    """
    return min(1.0, 0.5 + DETECT * float(np.sqrt((members + controls + 1) / (12 * members * controls))))


def detectable_rate(control: float, rows: int, controls: int) -> float:
    """Smallest excess over a control rate that a one-sided test at 5 % finds with 80 % probability.

    >>> round(detectable_rate(0.5, 1000, 1000), 3), round(detectable_rate(0.0, 25, 25), 2)
    (0.055, 0.21)
    """
    low, high, (z, power) = 0.0, 1.0 - control, (float(norm.ppf(0.95)), float(norm.ppf(0.8)))
    for _ in range(40):  # bisection; the variance depends on the excess itself
        excess = (low + high) / 2
        rate, mean = control + excess, (rows * (control + excess) + controls * control) / (rows + controls)
        null = np.sqrt(mean * (1 - mean) * (1 / rows + 1 / controls))
        other = np.sqrt(rate * (1 - rate) / rows + control * (1 - control) / controls)
        low, high = (low, excess) if excess >= z * null + power * other else (excess, high)
    return high


def certified(smallest: float, limit: float, what: str, *, leaks: bool) -> tuple[dict[str, Any], str]:
    """``details["power"]``, and the note for the reader where a harmless figure proves nothing.

    Args:
        smallest: the least figure that so many rows show with a probability of 80 %.
        limit: the greatest such figure that certifies.
        what: the figure in words.
        leaks: whether a leak was found; then nothing is left to certify.
    """
    enough = leaks or smallest <= limit
    note = "" if enough else f"too few rows to certify: {what} below {smallest:.2f} may pass unseen"
    return {"detectable": smallest, "limit": limit, "enough": enough, "probability": 0.8}, note


@dataclass(frozen=True)
class Risk:
    """How much more often an attack succeeds on training rows than on rows that were not trained on.

    Attributes:
        train, control: rates of success.
        n_train, n_control: attempts on each side; where some stand or fall together, as many as independent ones.
        naive: rate of success on training rows of a guess that does not look at the attacked row's data.
    """

    train: float
    control: float
    n_train: int
    n_control: int
    naive: float = float("nan")

    @property
    def value(self) -> float:
        """``(train - control) / (1 - control)``, after Giomi et al. (2022); NaN where the control always succeeds."""
        return (self.train - self.control) / (1 - self.control) if self.control < 1 else float("nan")

    @property
    def detectable(self) -> float:
        """Smallest ``train - control`` that would have been found with 80 % probability."""
        return detectable_rate(self.control, self.n_train, self.n_control)

    @property
    def clear(self) -> float:
        """``train - control`` in standard errors."""
        rates = [((r * n + 0.5) / (n + 1), n) for r, n in ((self.train, self.n_train), (self.control, self.n_control))]
        return (self.train - self.control) / float(np.sqrt(sum(r * (1 - r) / n for r, n in rates)))

    @property
    def weak(self) -> bool:
        """Does the attack no better than the naive guess, even on training rows? Then it says nothing."""
        error = np.sqrt(max(self.train * (1 - self.train), 0.25 / self.n_train) / self.n_train)
        return bool(self.train <= self.naive + error)

    def interval(self, level: float = 0.95) -> Interval:
        """On the log scale of ``(1 - train) / (1 - control)`` (Walter 1975).

        Half a failure and half a success are added to each side, so that an attack without any success has a width.

        >>> [round(end, 2) for end in Risk(0.0, 0.0, 100, 100).interval()]
        [-0.02, 0.02]
        """
        miss = [(1 - r) * n + 0.5 for r, n in ((self.train, self.n_train), (self.control, self.n_control))]
        size = [self.n_train + 1, self.n_control + 1]
        ratio = (miss[0] / size[0]) / (miss[1] / size[1])
        variance = sum(1 / m - 1 / s for m, s in zip(miss, size, strict=True))
        half = float(norm.ppf((1 + level) / 2)) * float(np.sqrt(variance))
        low, high = 1 - ratio * np.exp(half), 1 - ratio * np.exp(-half)
        value = self.value
        return (float(low), float(high)) if np.isnan(value) else (min(float(low), value), max(float(high), value))


@dataclass(frozen=True)
class Attempts:
    """How far each attempt of an attack succeeded, from 0 to 1, and the rate of a naive guess.

    ``holders``: of a secret, the same by its levels.
    """

    train: NDArray[np.float64]
    control: NDArray[np.float64]
    naive: float
    holders: Holders | None = None

    @property
    def risk(self) -> Risk:
        """Of all attempts together."""
        means = float(self.train.mean()), float(self.control.mean())
        return Risk(*means, len(self.train), len(self.control), self.naive)

    def half(self, which: int) -> Attempts:
        """Every second attempt."""
        return Attempts(self.train[which::2], self.control[which::2], self.naive)


def worst_of(attacks: Mapping[Any, Attempts]) -> tuple[Risk, list[Any]]:
    """The clearest of several risks, without the luck of a maximum, and the attacks that it is of.

    Chosen on one half of the attempts and measured on the other, and the other way round: harmless tables have risk 0.
    """
    chosen: list[Any] = []
    halves: list[Attempts] = []
    for choose, measure in ((0, 1), (1, 0)):
        clear = {key: attempts.half(choose).risk.clear for key, attempts in attacks.items()}
        best = max(clear, key=lambda key, by=clear: by[key])  # type: ignore[misc]
        chosen.append(best)
        halves.append(attacks[best].half(measure))
    both = (np.concatenate([x.train for x in halves]), np.concatenate([x.control for x in halves]))
    return Attempts(*both, float(np.mean([x.naive for x in halves]))).risk, chosen


def judged(risk: Risk, parts: Mapping[Any, float], **details: Any) -> Measurement:
    """A risk as a measurement, with what may be said against it."""
    if np.isnan(risk.value):
        return Measurement.nothing("the attack succeeds on every holdout row: there is nothing left to learn")
    interval = risk.interval()
    what = "success on training rows that is commoner by a share"
    power, note = certified(risk.detectable, CERTIFIED_RATE, what, leaks=interval[0] > 0)
    if (1 - risk.control) * risk.n_control < _MISSES and interval[0] <= 0:
        power["enough"] = False
        note = note or "too few rows to certify: the attack misses hardly any holdout row"
    notes: Sequence[str] = [note] if note else []
    if risk.weak:
        notes = [*notes, "the attack does no better than a naive guess, so that its failure says little"]
    shown = {key: value for key, value in parts.items() if not np.isnan(value)}
    found = {"power": power, "risk": risk, "weak": risk.weak, **details}
    return Measurement(risk.value, interval, shown, "; ".join(notes), found)


class RiskMetric(Metric):
    """How much oftener an attack succeeds on training rows than on holdout rows; see :class:`Risk`."""

    group = "privacy"
    goal = "lower"
    best = 0.0
    bounds = (-np.inf, 1.0)
    needs = ("holdout",)
    culprit = "copy"

    def measure(self, case: Case) -> Measurement:
        """The risk, where the tables have rows enough."""
        assert case.holdout is not None
        if min(len(case.synthetic), len(case.real), len(case.holdout)) < LEAST:
            return Measurement.nothing(f"too few rows: needs {LEAST} in every table")
        synthetic = case.synthetic.head(case.limit(20_000, 50_000, 200_000), case.rng)
        return self.attack(case, synthetic.coded, case.real.coded, case.holdout.coded)

    @abstractmethod
    def attack(self, case: Case, s: Coded, t: Coded, h: Coded) -> Measurement:
        """The risk by synthetic rows ``s`` for training rows ``t``, beside that for holdout rows ``h``."""
