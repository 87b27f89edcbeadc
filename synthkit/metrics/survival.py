"""Time to an event: Kaplan-Meier curves, Cox regression and concordance, on plain arrays.

Everywhere ``time`` is ``(rows,)`` of follow-up times and ``event`` is ``(rows,)``, True where the event was seen at
that time and False where the row was censored then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.errors import ParamError

__all__ = ["Cox", "Curve", "concordance", "cox", "curve_gap", "kaplan_meier"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Curve:
    """A step function: survival is 1 before ``times[0]``, and ``survival[i]`` from ``times[i]`` on.

    Attributes:
        times: ``(steps,)``, rising: the times at which events were seen.
        survival: ``(steps,)``.
        low, high: 95 % interval (Greenwood, on the log-log scale).
        at_risk: ``(steps,)`` rows still followed just before.
    """

    times: Array
    survival: Array
    low: Array
    high: Array
    at_risk: Array

    def at(self, times: ArrayLike) -> Array:
        """Survival at any times."""
        place = np.searchsorted(self.times, np.asarray(times, np.float64), side="right")
        return np.concatenate([[1.0], self.survival])[place]


def kaplan_meier(time: ArrayLike, event: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """The product-limit estimate of survival (Kaplan and Meier 1958). Rows without a time are left out.

    Args:
        time, event: see the module.
        weights: ``(rows,)``, how often each row counts; by default once.

    Raises:
        ParamError: the arrays have different lengths, or hold no row.

    >>> kaplan_meier([1, 2, 3, 4], [True, False, True, True]).survival
    array([0.75 , 0.375, 0.   ])
    """
    t, e = _pair("kaplan_meier", time, event)
    w = np.ones(len(t)) if weights is None else np.asarray(weights, np.float64)[~np.isnan(np.asarray(time, np.float64))]
    order = np.argsort(t, kind="stable")
    t, e, w = t[order], e[order], w[order]
    starts = np.flatnonzero(np.r_[True, np.diff(t) > 0])
    at_risk = np.cumsum(w[::-1])[::-1][starts]
    dead = np.add.reduceat(w * e, starts)
    steps = dead > 0
    at_risk, dead = at_risk[steps], dead[steps]
    survival = np.cumprod(1 - dead / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(dead / (at_risk * (at_risk - dead)))) / np.abs(np.log(survival))
        factor = np.exp(_Z95 * spread)
        low, high = survival**factor, survival ** (1 / factor)
    known = np.isfinite(spread)
    low, high = np.where(known, low, 0.0), np.where(known, high, survival)
    return Curve(t[starts][steps], survival, low, high, at_risk)


def _pair(function: str, time: ArrayLike, event: ArrayLike) -> tuple[Array, Flags]:
    t, e = np.asarray(time, np.float64), np.asarray(event).astype(bool)
    if t.ndim != 1 or t.shape != e.shape:
        raise ParamError(f"{function}: arguments 'time' and 'event' must be flat and of the same length.")
    known = ~np.isnan(t)
    if not known.any():
        raise ParamError(f"{function}: argument 'time' has no value that is not null.")
    return t[known], e[known]


def curve_gap(first: Curve, second: Curve, until: float, start: float = 0.0) -> float:
    """Mean absolute difference of two survival curves between ``start`` and ``until``: 0 to 1.

    Where a curve ends it keeps its last value.

    >>> a = kaplan_meier([1, 2], [True, True])
    >>> curve_gap(a, kaplan_meier([1, 4], [True, True]), until=4.0)
    0.25
    """
    if not until > start:
        return 0.0
    inner = np.concatenate([first.times, second.times])
    grid = np.unique(np.concatenate([[start], inner[(inner > start) & (inner < until)], [until]]))
    gap = np.abs(first.at(grid[:-1]) - second.at(grid[:-1]))
    return float((gap * np.diff(grid)).sum() / (until - start))


@dataclass(frozen=True)
class Cox:
    """A proportional-hazards model.

    Attributes:
        coefficients: ``(columns,)`` log hazard ratios.
        covariance: ``(columns, columns)`` of them.
        converged: did Newton's method settle?
        events: rows with an event.
    """

    coefficients: Array
    covariance: Array
    converged: bool
    events: int

    @property
    def intervals(self) -> Array:
        """``(columns, 2)``: 95 % intervals of the log hazard ratios."""
        half = _Z95 * np.sqrt(np.diag(self.covariance))
        return np.stack([self.coefficients - half, self.coefficients + half], axis=1)


def cox(x: ArrayLike, time: ArrayLike, event: ArrayLike, *, ridge: float = 1e-6, rounds: int = 30) -> Cox:
    """Cox's (1972) regression with Efron's (1977) treatment of ties, by Newton's method.

    Memory and time are linear in the rows: a row's share in the Hessian is its cumulated hazard, so that no matrix per
    row is kept.

    Args:
        x: ``(rows, columns)`` without nulls; of a scale near 1, for Newton's sake.
        time, event: see the module; without nulls.
        ridge: penalty on the squared coefficients, per event: keeps separated or constant columns finite.
        rounds: of Newton at most.

    Raises:
        ParamError: the arrays do not fit each other, hold nulls, or no event.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(2_000, 1))
    >>> time = rng.exponential(np.exp(-0.7 * x[:, 0]))
    >>> cox(x, time, np.ones(2_000, bool)).coefficients.round(1)
    array([0.7])
    """
    x, t, e = np.asarray(x, np.float64), np.asarray(time, np.float64), np.asarray(event).astype(bool)
    if x.ndim != 2 or t.shape != (len(x),) or e.shape != t.shape:
        raise ParamError("cox: arguments 'x' (rows, columns), 'time' and 'event' (rows,) must have as many rows.")
    if np.isnan(x).any() or np.isnan(t).any():
        raise ParamError("cox: arguments 'x' and 'time' must not hold nulls; fill or drop them.")
    if not e.any():
        raise ParamError("cox: argument 'event' has no event, so that no hazard can be estimated.")
    order = np.lexsort((~e, -t))  # the latest first: those at risk are a prefix
    sets = _RiskSets.of(x[order], t[order], e[order])
    penalty = ridge * e.sum()
    beta, converged = np.zeros(x.shape[1]), False
    value, slope, curvature = sets.derivatives(beta, penalty)
    for _ in range(rounds):
        step = np.linalg.solve(curvature, slope)
        for _ in range(20):  # halve a step that overshoots
            trial = sets.derivatives(beta + step, penalty)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2
        gain = trial[0] - value
        beta, (value, slope, curvature) = beta + step, trial
        if abs(gain) <= 1e-9 * (abs(value) + 1):
            converged = True
            break
    return Cox(beta, np.linalg.inv(curvature), converged, int(e.sum()))


@dataclass(frozen=True)
class _RiskSets:
    """Rows sorted from the latest time to the earliest, and for each event which of them were at risk.

    Attributes:
        x: ``(rows, columns)``, centred.
        event: ``(rows,)``.
        last: per event: how many rows are at risk; first: where the rows of its own time begin.
        tie: per event: the share of the tied events that is taken off the risk set (Efron).
        ties: per event: rows with an event at the same time; they lie first among the rows of that time.
        group: ``(rows,)``: number of a row's time, 0 for the latest.
    """

    x: Array
    event: Flags
    last: NDArray[np.int64]
    first: NDArray[np.int64]
    tie: Array
    ties: NDArray[np.int64]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, x: Array, t: Array, e: Flags) -> _RiskSets:
        starts = np.flatnonzero(np.r_[True, np.diff(t) < 0])
        group = np.cumsum(np.r_[True, np.diff(t) < 0]) - 1
        ends = np.r_[starts[1:], len(t)]
        dead = np.add.reduceat(e.astype(np.int64), starts)
        of = group[e]
        rank = np.flatnonzero(e) - starts[of]  # events lie first within their time
        return cls(x - x.mean(axis=0), e, ends[of], starts[of], rank / dead[of], dead[of], group)

    def derivatives(self, beta: Array, penalty: float) -> tuple[float, Array, Array]:
        """Log partial likelihood, its gradient, and minus its Hessian."""
        eta = self.x @ beta
        top = float(eta.max())
        w = np.exp(eta - top)
        s0 = np.concatenate([[0.0], np.cumsum(w)])
        s1 = np.concatenate([np.zeros((1, len(beta))), np.cumsum(w[:, None] * self.x, axis=0)])
        tied0 = s0[self.first + self.ties] - s0[self.first]
        tied1 = s1[self.first + self.ties] - s1[self.first]
        risk = s0[self.last] - self.tie * tied0
        mean = (s1[self.last] - self.tie[:, None] * tied1) / risk[:, None]
        value = float(eta[self.event].sum() - (np.log(risk) + top).sum() - penalty * beta @ beta / 2)
        slope = self.x[self.event].sum(axis=0) - mean.sum(axis=0) - penalty * beta
        # every row's cumulated hazard: of events at its time or earlier, those lie in its own group or later ones
        groups = int(self.group[-1]) + 1
        of = self.group[self.event]
        hazard = np.cumsum(np.bincount(of, 1 / risk, minlength=groups)[::-1])[::-1]
        less = np.bincount(of, self.tie / risk, minlength=groups)
        share = w * (hazard[self.group] - self.event * less[self.group])
        curvature = (self.x * share[:, None]).T @ self.x - mean.T @ mean + penalty * np.eye(len(beta))
        return value, slope, curvature


def concordance(risk: ArrayLike, time: ArrayLike, event: ArrayLike) -> tuple[float, float]:
    """Harrell's (1982) C: share of comparable pairs in which the row of higher risk has its event first; ties half.

    A pair is comparable where the earlier of the two had the event. Compared in blocks of rows.

    Args:
        risk: ``(rows,)``, higher for an earlier event; time, event: see the module.

    Returns:
        C (NaN without a comparable pair), and its variance by the choice of rows.

    >>> concordance([3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [True, True, False])[0]
    1.0
    """
    r, t, e = np.asarray(risk, np.float64), np.asarray(time, np.float64), np.asarray(event).astype(bool)
    hits, pairs = np.zeros((2, len(t)))
    for start in range(0, len(t), 256):
        rows = slice(start, start + 256)
        comparable: Any = (t[rows, None] < t) | ((t[rows, None] == t) & ~e)
        comparable = comparable & e[rows, None]
        good = comparable * ((r[rows, None] > r) + 0.5 * (r[rows, None] == r))
        hits[rows] += good.sum(axis=1)
        pairs[rows] += comparable.sum(axis=1)
        hits += good.sum(axis=0)
        pairs += comparable.sum(axis=0)
    total = pairs.sum() / 2
    if total == 0:
        return float("nan"), float("nan")
    c = hits.sum() / 2 / total
    return float(c), float(((hits - c * pairs) ** 2).sum() / total**2)
