"""What long draws say of slow moves, mended: slow spreads of levels, centres and spreads of slow scales.

The likelihood of one step says little of them, and weights that predict a step best may even explode. So this is the
method of simulated moments (McFadden, Econometrica 57, 1989) for the persistence of each channel alone. Shapes: T rows,
D channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synthkit.series.memory import moving

if TYPE_CHECKING:
    from synthkit.series.closed import ClosedForm

__all__ = ["mend", "trial"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_TRIAL, _CALLS, _SMOOTH = 2500, 10, 60  # steps and paths of a trial; rows that it begins like
_CARE, _LEAN = 0.4, (0.6, 1.6)  # share of what is asked that a round does; bounds of factors of scales
_STRETCH = 115  # rows of a slow mean (its half life is 40): about so many make one independent number
_LEAST_PULL = 5e-4  # by which a level comes back, per step


def trial(model: ClosedForm, c: Floats, covariates: Floats | None) -> tuple[Floats, Ints]:
    """``(n, L, D)`` long draws that begin as training rows ``c`` ``(T, D)`` do, smoothly; and ``(n, L)`` those rows."""
    length = min(len(c), _TRIAL)
    begin = np.linspace(0, len(c) - length, _CALLS).astype(int)
    past = np.stack([c[a : a + _SMOOTH].mean(0, keepdims=True) for a in begin])
    own = None
    if covariates is not None:
        own = np.stack([covariates[np.maximum(np.arange(a - 1, a + length), 0)] for a in begin])
    warm = min(length // 5, _SMOOTH)
    drawn = model.draw(_CALLS, length, past, own, seed=0)
    return drawn[:, warm:], begin[:, None] + np.arange(warm, length)


def mend(
    model: ClosedForm, c: Floats, covariates: Floats | None, starts: Ints, use: NDArray[np.bool_], rounds: int
) -> None:
    """Change weights of ``model`` in place, in some rounds; the best of them is kept."""
    level = model.about.level
    varying = (model.scale[1:] != 0).any(0) & ~level
    if not (varying.any() or level.any()):
        return
    least, best = np.inf, (model.mean, model.scale, model.now)
    total, care, before = np.ones(c.shape[1]), np.full((3, c.shape[1]), _CARE), np.zeros((3, c.shape[1]))
    for _ in range(rounds):
        drawn, rows = trial(model, c, covariates)
        n, length, d = drawn.shape
        late = np.arange(length) >= length // 3
        found = _slow(drawn.reshape(-1, d), np.arange(n) * length, np.flatnonzero(np.tile(late, n)))
        rows = np.unique(rows[:, late])
        wanted = _slow(c, starts, rows[use[rows]])  # of the same rows: the calendar and courses have parts in both
        ratio = np.log(np.maximum(wanted[1:3], 1e-6) / np.maximum(found[1:3], 1e-6))
        pieces = max(len(rows) / _STRETCH, 1.0)  # training is one path: within its own chance nothing is asked
        chance = np.stack([wanted[1] / 2.56, *np.full((2, d), 0.5**0.5)]) / pieces**0.5
        asked = np.stack([wanted[0] - found[0], *ratio])
        asked = np.sign(asked) * np.maximum(np.abs(asked) - chance, 0.0)
        apart = np.where(varying, np.abs(asked[0]) + 0.5 * np.abs(asked[1]), 0.0)
        off = float((apart + np.where(level, np.abs(asked[2]), 0.0)).sum())
        if off < least:
            least, best = off, (model.mean.copy(), model.scale.copy(), model.now.copy())
        care = np.where(asked * before < 0, care / 2, care)  # it swung: go there in smaller steps
        before = asked
        _mend_levels(model, care[2] * asked[2])
        total = _mend_scales(model, care[0] * asked[0], care[1] * asked[1], varying, total)
    model.mean, model.scale, model.now = best


def _mend_scales(model: ClosedForm, shift: Floats, ratio: Floats, varying: NDArray[np.bool_], total: Floats) -> Floats:
    d = len(total)
    _, places = model.features.places(d, len(model.scale) - model.features.scale_width(d))
    persistence = model.scale[places["logs"], np.arange(d)].sum(0)
    room = 1 - np.clip(persistence, 0.0, 0.98)  # a little in a step is much in the long run
    factor = np.where(varying, np.clip(total * np.exp(room * ratio), *_LEAN) / total, 1.0)
    before = model.typical @ model.scale
    model.scale[1:] *= factor
    model.now *= factor
    shift = np.where(varying, room * np.clip(shift, -1.0, 1.0), 0.0)
    model.scale[0] += before - model.typical @ model.scale + shift
    return np.asarray(total * factor)


def _mend_levels(model: ClosedForm, ratio: Floats) -> None:
    """Slow spreads go as 1 / (1 - persistence), about."""
    d = len(ratio)
    places, _ = model.features.places(d, len(model.mean) - model.features.width(d))
    own = np.concatenate([places["lags"], places["means"]])
    pull = model.mean[own, np.arange(d)].sum(0)
    wanted = 1 - np.clip((1 - pull) * np.exp(-np.clip(ratio, -1.5, 1.5)), _LEAST_PULL, 1.0)
    free = np.ones(len(model.mean), bool)
    free[np.append(0, places["calendar"].ravel())] = False
    model.mean[free] *= np.where(model.about.level & (pull > 0.5), wanted / np.maximum(pull, 0.5), 1.0)


def _slow(c: Floats, starts: Ints, use: Ints) -> Floats:
    """``(3, D)`` of ``(T, D)`` channels at rows ``use``: median and spread of slow log scales, spread of slow means."""
    square = np.minimum(c**2, np.quantile(c[use] ** 2, 0.995, axis=0))
    logs = 0.5 * np.log(moving(square, starts, square[use].mean(0))[use][:, 2] + 1e-4)
    low, middle, high = np.quantile(logs, [0.1, 0.5, 0.9], axis=0)
    means = moving(c, starts, c[use].mean(0))[use][:, 2]
    return np.stack([middle, high - low, means.std(0)])
