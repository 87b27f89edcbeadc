"""Drawing rows of a series in blocks, so that what depends on what came just before is kept.

The stationary bootstrap has blocks of geometric length (Politis and Romano, JASA 89, 1994, 1303-1313), the circular one
blocks of one length that wrap around (Politis and Romano, 1992), the moving one blocks that do not (Künsch, Ann. Stat.
17, 1989, 1217-1241). The length is that of Politis and White (Econometric Reviews 23, 2004, 53-70), with the correction
of Patton, Politis and White (Econometric Reviews 28, 2009, 372-375).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["COPIES", "BlockKind", "block_length", "block_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BlockKind = Literal["stationary", "circular", "moving"]
COPIES = "synthkit_copies"
"""The attribute (``DataFrame.attrs``) of a drawn table that is made of real values: the name of the model."""
_QUIET = 2.0  # correlations within so many standard errors of 0 are called none


def block_length(x: Floats, kind: BlockKind = "stationary", starts: Ints | None = None) -> float:
    """The mean length of blocks that is best for the variance of the mean of ``x``.

    Args:
        x: ``(T,)``, near stationary.
        kind: of the blocks; starts: ``(S,)`` rows at which segments start, the first 0: no lag crosses a border.

    Returns:
        Rows, from 1 up to ``min(3 sqrt(T), T / 3)`` (at least 1).
    """
    n = len(x)
    most = float(max(1.0, np.ceil(min(3 * np.sqrt(n), n / 3))))
    if n < 8 or not np.ptp(x):
        return 1.0
    quiet = max(5, int(np.sqrt(np.log10(n))))
    lags = min(int(np.ceil(np.sqrt(n))) + quiet, n // 2)
    r = autocovariances(x, lags, starts)
    bound = _QUIET * np.sqrt(np.log10(n) / n)
    small = np.abs(r[1:] / r[0]) < bound
    run = np.convolve(small, np.ones(quiet), "valid") == quiet
    if run.any():
        m = max(1, int(run.argmax()))
    else:
        m = int(np.flatnonzero(~small).max()) + 1 if (~small).any() else 1
    k = np.arange(1, min(2 * m, lags) + 1)
    window = np.where(k / (2 * m) <= 0.5, 1.0, 2 * (1 - k / (2 * m)))  # the flat-top lag window
    spread = 2 * float((window * k * r[k]).sum())
    level = r[0] + 2 * float((window * r[k]).sum())
    d = 2 * level**2 if kind == "stationary" else 4 / 3 * level**2
    if d <= 0:
        return 1.0
    return float(np.clip((2 * spread**2 / d) ** (1 / 3) * n ** (1 / 3), 1.0, most))


def autocovariances(x: Floats, lags: int, starts: Ints | None = None) -> Floats:
    """``(lags + 1,)`` autocovariances of ``(T,)``, by T; products across the starts of segments count 0."""
    y = x - x.mean()
    segment = np.zeros(len(x), np.int64) if starts is None else np.searchsorted(starts, np.arange(len(x)), side="right")
    same = [segment[k:] == segment[: len(x) - k] for k in range(lags + 1)]
    return np.array([(y[k:] * y[: len(y) - k])[same[k]].sum() for k in range(lags + 1)]) / len(x)


def block_rows(
    lengths: Ints, n: int, steps: int, block: float, *, kind: BlockKind = "stationary", rng: np.random.Generator
) -> Ints:
    """``(n, steps)`` rows in blocks. Blocks wrap within their segment, so that every row is as likely (not
    ``"moving"``).

    Args:
        lengths: ``(S,)`` rows of each segment; rows are counted through.
        block: the (mean) length of blocks, 1 or more; of ``"moving"``, at most the longest segment.
    """
    lengths = np.asarray(lengths, np.int64)
    begin = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    if kind == "stationary":
        new = rng.random((n, steps)) < 1 / max(block, 1.0)
        new[:, 0] = True
    else:
        whole = max(1, round(block))
        if kind == "moving":
            whole = min(whole, int(lengths.max()))
        place = np.arange(steps) % whole
        if kind == "circular":  # a block may be cut at the first step, so that no step is special
            place = (np.arange(steps)[None] + rng.integers(whole, size=(n, 1))) % whole
        new = np.broadcast_to(place == 0, (n, steps)).copy()
        new[:, 0] = True
    if kind == "moving":
        fits = np.concatenate([b + np.arange(max(0, m - whole + 1)) for b, m in zip(begin, lengths, strict=True)])
        first = fits[rng.integers(len(fits), size=(n, steps))]
    else:
        first = rng.integers(total, size=(n, steps))
    at = np.maximum.accumulate(np.where(new, np.arange(steps), 0), axis=1)  # where each step's block began
    start = np.take_along_axis(first, at, axis=1)
    segment = np.searchsorted(begin, start, side="right") - 1
    base, size = begin[segment], lengths[segment]
    return np.asarray(base + (start - base + np.arange(steps) - at) % size, np.int64)
