"""Rates and areas under ROC curves with intervals, and what a test of so many rows could have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from synthkit.metrics.base import Measurement

__all__ = [
    "CERTIFIED_AUC",
    "CERTIFIED_RISK",
    "CERTIFIED_SHARE",
    "DETECT",
    "Risk",
    "auc_interval",
    "auc_power",
    "auc_with_variance",
    "certify",
    "detectable_auc",
    "detectable_rate",
    "rate_interval",
    "worst",
]

CERTIFIED_AUC = 0.55  # an attack that could not have been seen at this AUC certifies nothing
CERTIFIED_SHARE = 0.60  # the same for a share of nearer rows
CERTIFIED_RISK = 0.10  # the same for a rate of success beyond the control's
DETECT = float(norm.ppf(0.95) + norm.ppf(0.8))  # one-sided test at 5 %, power 80 %

Interval = tuple[float, float]


def rate_interval(rate: float, variance: float, n: int, level: float = 0.95) -> Interval:
    """Interval of a rate over ``n`` rows: the normal one of its variance, and at least Wilson's (1927) binomial one.

    >>> [round(x, 3) for x in rate_interval(0.0, 0.0, 100)]
    [0.0, 0.037]
    """
    z = float(norm.ppf((1 + level) / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(max(rate * (1 - rate), 0.0) / n + z * z / (4 * n * n))
    wide = z * np.sqrt(variance)
    return max(0.0, float(min(centre - half, rate - wide, rate))), min(
        1.0, float(max(centre + half, rate + wide, rate))
    )


def auc_with_variance(members: NDArray[np.float64], controls: NDArray[np.float64]) -> tuple[float, float]:
    """AUC of telling members (higher) from controls, ties one half, with DeLong's (1988) variance.

    The variance has a floor, so that a perfect separation of few rows does not look certain.
    """
    m, n = len(members), len(controls)
    ranks = rankdata(np.concatenate([members, controls]))
    wins = (ranks[:m] - rankdata(members)) / n  # per member: the share of controls below it
    losses = 1 - (ranks[m:] - rankdata(controls)) / m  # per control: the share of members above it
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


def detectable_rate(control: float, members: int, controls: int) -> float:
    """Smallest risk beyond a control rate that a one-sided test at 5 % finds with 80 % probability."""
    rate = float(np.clip(control, 0.5 / controls, 1 - 0.5 / controls))
    return min(1.0, DETECT * float(np.sqrt(rate * (1 - rate) * (1 / members + 1 / controls))) / (1 - rate))


def certify(smallest: float, limit: float, what: str) -> tuple[bool, str]:
    """Could the attack have been seen at ``limit``? And the note for the reader where not."""
    if smallest <= limit:
        return True, ""
    return False, f"too few rows to certify: {what} below {smallest:.2f} may pass unseen"


def auc_power(members: int, controls: int) -> tuple[dict[str, Any], str]:
    """``details["power"]`` and the note of an attack that is scored by its AUC."""
    smallest = detectable_auc(members, controls)
    enough, note = certify(smallest, CERTIFIED_AUC, "an AUC")
    return {"detectable": smallest, "limit": CERTIFIED_AUC, "enough": enough, "probability": 0.8}, note


@dataclass(frozen=True)
class Risk:
    """How much more often an attack succeeds on training rows than on rows that were not trained on.

    Attributes:
        train, control: rates of success.
        n_train, n_control: rows attacked.
        naive: rate of success of a guess that does not look at the attacked row's data.
        extra: variance of ``train - control`` beyond the binomial one.
    """

    train: float
    control: float
    n_train: int
    n_control: int
    naive: float = float("nan")
    extra: float = 0.0

    @property
    def value(self) -> float:
        """``(train - control) / (1 - control)``, after Giomi et al. (2022); NaN where the control always succeeds."""
        return (self.train - self.control) / (1 - self.control) if self.control < 1 else float("nan")

    @property
    def detectable(self) -> float:
        """Smallest risk that would have been found with 80 % probability."""
        return detectable_rate(self.control, self.n_train, self.n_control)

    @property
    def weak(self) -> bool:
        """Does the attack no better than the naive guess, even on training rows? Then it says nothing."""
        error = np.sqrt(max(self.train * (1 - self.train), 0.25 / self.n_train) / self.n_train)
        return bool(self.train <= self.naive + error)

    def interval(self, level: float = 0.95) -> Interval:
        """On the log scale of ``(1 - train) / (1 - control)``, with half a failure added to each (Walter 1975)."""
        miss = [(1 - r) * n + 0.5 for r, n in ((self.train, self.n_train), (self.control, self.n_control))]
        size = [self.n_train + 0.5, self.n_control + 0.5]
        ratio = (miss[0] / size[0]) / (miss[1] / size[1])
        variance = sum(max(1 / m - 1 / s, 0.0) for m, s in zip(miss, size, strict=True))
        variance += self.extra / max((miss[0] / size[0]) ** 2, 1e-12) if self.extra else 0.0
        half = float(norm.ppf((1 + level) / 2)) * float(np.sqrt(variance))
        low, high = 1 - ratio * np.exp(half), 1 - ratio * np.exp(-half)
        value = self.value
        return (float(low), float(high)) if np.isnan(value) else (min(float(low), value), max(float(high), value))


def worst(risks: Mapping[Any, Risk], parts: Mapping[Any, float] | None = None) -> Measurement:
    """The greatest of several risks, with an interval that holds for all of them at once (Bonferroni)."""
    known = {key: r for key, r in risks.items() if not np.isnan(r.value)}
    if not known:
        return Measurement.nothing("the attack succeeds on every control row: there is nothing left to learn")
    bounds = [r.interval(1 - 0.05 / len(known)) for r in known.values()]
    key = max(known, key=lambda k: known[k].value)
    smallest = max(r.detectable for r in known.values())
    enough, note = certify(smallest, CERTIFIED_RISK, "a risk")
    notes: Sequence[str] = [note] if note else []
    if all(r.weak for r in known.values()):
        notes = [*notes, "the attack does no better than a naive guess, so that its failure says little"]
    power = {"detectable": smallest, "limit": CERTIFIED_RISK, "enough": enough, "probability": 0.8}
    return Measurement(
        known[key].value,
        (max(low for low, _ in bounds), max(high for _, high in bounds)),
        dict(parts) if parts is not None else {k: r.value for k, r in known.items()},
        "; ".join(notes),
        {"power": power, "risks": dict(risks), "worst": key},
    )
