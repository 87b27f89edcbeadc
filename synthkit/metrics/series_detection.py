"""Long series: can windows be told from real ones, and were they copied?

Windows overlap, and neighbours are alike: whatever is learnt or searched is split by whole pieces of the series,
never by windows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.ensemble import HistGradientBoostingClassifier

from synthkit.metrics.base import Measurement
from synthkit.metrics.roc import placements
from synthkit.metrics.series_table import Series, check_series

__all__ = ["WINDOW", "series_copies", "teller", "window_detection"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WINDOW = 24
_ROUNDS = 80
_COLUMNS = 16  # of which windows are shown to the detector
_MOST = 1500  # windows of a side, spread evenly
_REPEATS = 3
_NEAR_COLUMNS = 32
_LEAST = 0.01  # of the mean distance to the holdout: as near as anything is
_TOUCH = 0.05  # of the mean distance to the holdout: nearer windows are copies
_Side = tuple[NDArray[np.float64], NDArray[np.int64]]  # features of windows, and the piece of each


# -------------------------------------------------------------------- blocks
def pieces_of(series: Series, window: int) -> Series:
    """Pieces of four windows, one window apart, so that no two share a row; a rest that holds a window counts."""
    starts, sizes = [], []
    for begin, m in zip(series.starts, series.lengths, strict=True):
        first = np.arange(0, int(m), 5 * window)
        length = np.minimum(4 * window, int(m) - first)
        starts += (int(begin) + first[length >= window]).tolist()
        sizes += length[length >= window].tolist()
    return _cut(series, np.array(starts, np.int64), np.array(sizes, np.int64))


def _cut(series: Series, starts: Ints, sizes: Ints) -> Series:
    rows = np.concatenate([np.arange(a, a + m) for a, m in zip(starts, sizes, strict=True)]) if len(starts) else starts
    path = series.path[series.segment[starts]] if len(starts) else starts
    clock = None if series.clock is None else series.clock[rows]
    inner = (series.names, series.values[rows], series.ways, series.leader)
    return Series(*inner, np.cumsum(sizes) - sizes, path, clock, series._making)


# -------------------------------------------------------------------- detection
def window_features(series: Series, window: int, columns: Ints, stride: int = 1) -> tuple[Floats, Ints]:
    """``(N, F)``: flattened windows, their changes, and summaries per column; and ``(N,)`` the segment of each."""
    cut, owner = series.windows(window, stride)
    cut = cut[:, :, columns]
    step = np.diff(cut, axis=1)
    centred = step - step.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1)) + 1e-12
    following = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / size**2
    absolute = np.abs(step)
    summary = [
        cut.mean(1),
        cut.std(1),
        cut.min(1),
        cut.max(1),
        np.log(size),
        following,
        absolute.max(1),
        absolute.mean(1),
    ]
    flat = [cut.reshape(len(cut), -1), step.reshape(len(cut), -1)]
    return np.concatenate(flat + summary, axis=1), owner


def window_detection(
    train: Series, synthetic: Series, holdout: Series | None = None, *, window: int = WINDOW, seed: int = 0
) -> Measurement:
    """ROC AUC of gradient boosting that tells synthetic from held-out real windows; .5 is best.

    It learns from training windows and half of the synthetic pieces, and is asked of the *holdout's* windows and the
    other half, thrice both ways. (Were it taught by the holdout too, each fold would lack the season or the crisis of
    its own block, and real paths would score far below .5.) A window is seen as its values, their changes, and per
    column mean, spread, extremes, autocorrelation of changes; of more than 16 columns a random 16. Pieces are of four
    windows, one window apart. The 95 % interval is of pieces, as DeLong's is of rows.

    Args:
        train: real segments to learn from; holdout: others, that the generator did not see. Without one, every second
        piece
            of ``train``; a holdout that is ``train`` itself counts as none.
        synthetic: one path or some.

    Returns:
        The AUC; parts: of each round.
    """
    tables = [t for t in (train, synthetic, holdout) if t is not None]
    check_series("window_detection", *tables)
    learn, drawn = pieces_of(train, window), pieces_of(synthetic, window)
    if holdout is None and len(learn.starts) > 1:
        learn, asked = learn.only(np.arange(0, len(learn.starts), 2)), learn.only(np.arange(1, len(learn.starts), 2))
    else:
        asked = pieces_of(train if holdout is None else holdout, window)
    if min(len(learn.starts), len(asked.starts)) < 2 or len(drawn.starts) < 4:
        return Measurement.nothing(f"too few pieces of {4 * window} rows")
    rng = np.random.default_rng([seed, 24])
    values, errors = [], []
    for _ in range(_REPEATS):
        columns = np.sort(rng.permutation(len(train.names))[:_COLUMNS])
        sides = []
        for side in (learn, asked, drawn):
            stride = max(1, int(np.ceil(len(side) / _MOST)))
            sides.append(window_features(side, window, columns, stride))
        auc, error = _told(sides[0], sides[1], sides[2], rng)
        values.append(auc)
        errors.append(error)
    value = float(np.mean(values))
    half = 1.96 * float(np.sqrt(np.mean(np.square(errors))))
    parts = {f"round {k + 1}": v for k, v in enumerate(values)}
    return Measurement(value, (max(0.0, value - half), min(1.0, value + half)), parts=parts)


def teller(rounds: int, seed: int) -> HistGradientBoostingClassifier:
    """The classifier of windows, untrained: small trees on some features each, as windows are many and alike."""
    return HistGradientBoostingClassifier(
        max_iter=rounds, max_leaf_nodes=8, max_bins=32, max_features=0.25, early_stopping=False, random_state=seed
    )


def _told(learn: _Side, asked: _Side, drawn: _Side, rng: np.random.Generator) -> tuple[float, float]:
    """AUC over two halves of the drawn pieces, and its standard error over pieces."""
    x, (y, y_owner), (z, z_owner) = learn[0], asked, drawn
    pieces = np.unique(z_owner)
    half = rng.permutation(np.arange(len(pieces)) % 2)[np.searchsorted(pieces, z_owner)]
    above, below = np.zeros(len(z)), np.zeros((2, len(y)))
    for k in (0, 1):
        model = teller(_ROUNDS, int(rng.integers(2**31)))
        taught = z[half != k]
        keep = np.sort(rng.permutation(len(x))[: max(2 * len(taught), 100)])
        model.fit(np.concatenate([x[keep], taught]), np.repeat([0, 1], [len(keep), len(taught)]))
        fake, real = (model.decision_function(t) for t in (z[half == k], y))
        above[half == k], below[k] = placements(fake, real)
    variance = 0.0
    for place, owner in ((above, z_owner), (below.mean(axis=0), y_owner)):
        means = np.bincount(owner, place)[np.unique(owner)] / np.bincount(owner)[np.unique(owner)]
        variance += float(means.var(ddof=1) / len(means))
    return float(below.mean()), float(np.sqrt(variance))


# -------------------------------------------------------------------- copies
def series_copies(
    train: Series, synthetic: Series, holdout: Series, *, window: int = WINDOW, seed: int = 0
) -> Measurement:
    """Are synthetic windows nearer to training windows than to held-out ones? 1 is best, near 0: all are copies.

    Training is cut in parts as large as the holdout. ``part``: the distance of a synthetic window to the nearest of one
    such part, over that to the nearest of the holdout. ``swap``: the distance to the nearest of all parts, over that
    where the holdout stands in place of one part (each in turn). Both are geometric means over windows, and 1 if
    training and holdout are as far, whatever the number of parts; copies are far below. The value is the smaller.
    ``copied``: the share of windows that nearly touch one of training, beyond the holdout's. Windows are those of
    detection, each column in units of its spread; distances are Euclidean.
    """
    check_series("series_copies", train, synthetic, holdout)
    rng = np.random.default_rng([seed, 25])
    held = pieces_of(holdout, window)
    if not len(held.starts) or train.lengths.max() < window or synthetic.lengths.max() < window:
        return Measurement.nothing(f"no block of {window} rows")
    columns = np.sort(rng.permutation(len(train.names))[:_NEAR_COLUMNS])
    unit = np.maximum(train.windows(window)[0][:, :, columns].std(axis=(0, 1)), 1e-12)
    points = [_points(t, window, columns, unit) for t in (synthetic.pieces(held.lengths, rng), held)]
    parts = _training_parts(train, points[1], window, columns, unit)
    own = [cKDTree(p).query(points[0])[0] for p in parts]
    far = cKDTree(points[1]).query(points[0])[0]
    if not far.mean():
        return Measurement.nothing("every synthetic window is one of the holdout")
    touch = _TOUCH * float(far.mean())  # rebuilt and rounded prices do not come back to the last digit
    least, logs = np.min(own, axis=0), [np.log(np.maximum(d, _LEAST * far.mean())) for d in (far, *own)]
    ratio = float(np.exp(np.mean(logs[1:]) - logs[0].mean()))
    swapped = [np.min([logs[0], *logs[1 : k + 1], *logs[k + 2 :]], axis=0).mean() for k in range(len(own))]
    swap = float(np.exp(np.min(logs[1:], axis=0).mean() - np.mean(swapped)))
    copied = float((least < touch).mean() - (far < touch).mean())
    return Measurement(min(ratio, swap), parts={"part": ratio, "swap": swap, "copied": max(0.0, copied)})


def _points(series: Series, window: int, columns: Ints, unit: Floats) -> Floats:
    cut = series.windows(window)[0][:, :, columns] / unit
    return cut.reshape(len(cut), -1)


def _training_parts(train: Series, held: Floats, window: int, columns: Ints, unit: Floats) -> list[Floats]:
    """Training windows in runs of as many as the holdout has; a rest of less than half joins no part."""
    points = _points(train, window, columns, unit)
    count = max(1, round(len(points) / len(held)))
    size = min(len(held), len(points))
    first = np.linspace(0, len(points) - size, count).astype(np.int64)
    return [points[a : a + size] for a in first]
