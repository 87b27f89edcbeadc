"""What a series model knows of the past: lags, moving means and moving squares, over all rows at once or step by step.

Shapes: T rows, n draws, D channels, M features. Both ways give the same numbers (a test holds them to it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["HALF_LIVES", "Memory", "State", "lagged", "moving"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HALF_LIVES = (3.0, 10.0, 40.0, 160.0)
"""Of the moving means; each is of all steps before the present one."""


def _keep(half_life: float) -> float:
    return float(0.5 ** (1 / half_life))


KEEP = np.array([_keep(h) for h in HALF_LIVES])


def lagged(x: Floats, starts: Ints, lag: int) -> Floats:
    """``(T, D)`` what was ``lag`` steps before; 0 where that is before the segment."""
    out = np.zeros_like(x)
    out[lag:] = x[:-lag]
    for a in starts:
        out[a : a + lag] = 0.0
    return out


def moving(x: Floats, starts: Ints, begin: Floats) -> Floats:
    """``(T, H, D)`` moving means of the steps before each, from ``begin`` ``(D,)`` at the start of a segment."""
    out = np.empty((len(x), len(HALF_LIVES), x.shape[1]))
    ends = np.append(starts[1:], len(x))
    for a, b in zip(starts, ends, strict=True):
        for h, keep in enumerate(KEEP):
            before = np.concatenate([begin[None], x[a : b - 1]])
            first = keep * before[:1]  # what the filter held, so that its first output is the beginning
            out[a:b, h] = lfilter([1 - keep], [1, -keep], before, axis=0, zi=first)[0]
    return out


@dataclass(eq=False)
class State:
    """The memory of n draws: ``lags`` (n, P, D) with the newest first, ``means`` and ``squares`` (n, H, D) of channels
    and of squared errors, ``errors`` (n, 2, D): the last one and a short moving mean."""

    lags: Floats
    means: Floats
    squares: Floats
    errors: Floats

    def push(self, c: Floats, e: Floats, cap: Floats) -> None:
        """Take in a step of ``(n, D)`` channels and errors, whose squares count up to ``cap`` ``(D,)``."""
        self.lags = np.concatenate([c[:, None], self.lags[:, :-1]], axis=1)
        keep = KEEP[:, None]
        self.means = keep * self.means + (1 - keep) * c[:, None]
        self.squares = keep * self.squares + (1 - keep) * np.minimum(e**2, cap)[:, None]
        self.errors = np.stack([e, KEEP[0] * self.errors[:, 1] + (1 - KEEP[0]) * e], axis=1)


@dataclass(frozen=True, eq=False)
class Memory:
    """Which lags are kept, and averages over groups.

    Attributes:
        lags: ascending, from 1; pool: ``(D, R)`` weights that average channels of one role, or None.
    """

    lags: tuple[int, ...]
    pool: Floats | None

    @property
    def longest(self) -> int:
        return self.lags[-1]

    def width(self, d: int) -> int:
        """Features of the mean beside the calendar."""
        pooled = 0 if self.pool is None else self.pool.shape[1]
        return 1 + (len(self.lags) + len(HALF_LIVES)) * d + (1 + len(HALF_LIVES)) * pooled

    def scale_width(self, d: int) -> int:
        """Features of the scale beside the calendar."""
        pooled = 0 if self.pool is None else self.pool.shape[1]
        return 1 + (2 * len(HALF_LIVES) + 4) * d + 2 * len(HALF_LIVES) * pooled

    def mean_features(self, lags: Floats, means: Floats, covariates: Floats | None) -> Floats:
        """``(.., M)``: a constant, all lags, moving means, both averaged over groups, and the calendar.

        Args:
            lags: ``(.., L, D)`` at :attr:`lags`; means: ``(.., H, D)``.
        """
        shape = lags.shape[:-2]
        parts = [np.ones((*shape, 1)), lags.reshape(*shape, -1), means.reshape(*shape, -1)]
        if self.pool is not None:
            both = np.concatenate([lags[..., :1, :], means], axis=-2)
            parts.append((both @ self.pool).reshape(*shape, -1))
        if covariates is not None:
            parts.append(covariates)
        return np.concatenate(parts, axis=-1)

    def scale_features(
        self, first: Floats, means: Floats, squares: Floats, errors: Floats, covariates: Floats | None
    ) -> Floats:
        """``(.., M)``: a constant, logs of moving squares, errors, the last step and its square, moving means, both
        averaged over groups, and the calendar.

        Args:
            first: ``(.., D)`` the last step.
        """
        shape = first.shape[:-1]
        logs = np.log(squares + 1e-3)
        flat = [logs, errors, np.stack([first, first**2], axis=-2), means]
        parts = [np.ones((*shape, 1)), *(x.reshape(*shape, -1) for x in flat)]
        if self.pool is not None:
            both = np.concatenate([logs, means], axis=-2)
            parts.append((both @ self.pool).reshape(*shape, -1))
        if covariates is not None:
            parts.append(covariates)
        return np.concatenate(parts, axis=-1)

    def places(self, d: int, c: int) -> tuple[dict[str, Ints], dict[str, Ints]]:
        """Where what stands in the features of the mean and of the scale: name -> ``(k, D)`` or ``(k,)`` columns."""
        r = 0 if self.pool is None else self.pool.shape[1]
        h = len(HALF_LIVES)
        mean, at = {"constant": np.array([0])}, 1
        for name, k, width in (("lags", len(self.lags), d), ("means", h, d), ("pooled", 1 + h, r), ("calendar", 1, c)):
            mean[name] = at + np.arange(k * width).reshape(k, width)
            at += k * width
        scale, at = {"constant": np.array([0])}, 1
        sizes = (
            ("logs", h, d),
            ("errors", 2, d),
            ("first", 2, d),
            ("means", h, d),
            ("pooled", 2 * h, r),
            ("calendar", 1, c),
        )
        for name, k, width in sizes:
            scale[name] = at + np.arange(k * width).reshape(k, width)
            at += k * width
        return mean, scale
