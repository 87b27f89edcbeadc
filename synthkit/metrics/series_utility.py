"""Long series: a model of the next step that learnt from synthetic paths, beside one that learnt from real ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from synthkit.metrics.base import Measurement
from synthkit.metrics.series_table import Series, check_series

__all__ = ["next_move"]

Floats = NDArray[np.float64]
_LAGS = (1, 2, 3, 5, 10, 20)
_COLUMNS = 3  # that are predicted
_INPUTS = 16
_ROWS = 3000
_ROUNDS = 40


def next_move(train: Series, synthetic: Series, holdout: Series, *, seed: int = 0) -> Measurement:
    """Error of predicting the next move and its size on held-out rows, learnt from synthetic over learnt from real; 1
    is best.

    Gradient boosting from the last moves of up to 16 columns, the column's moves 1, 2, 3, 5, 10 and 20 steps back,
    and mean sizes of 5 and 20; of up to 3 columns. Errors are root mean squares of the move and of its absolute
    deviation from the median. Parts: ``move``, ``size``, then columns.
    """
    check_series("next_move", train, synthetic, holdout)
    rng = np.random.default_rng([seed, 27])
    many = train.moves[0].shape[1]
    inputs = np.sort(rng.permutation(many)[:_INPUTS])
    scale = np.maximum(train.moves[0].std(0), 1e-12)
    centre = np.median(train.moves[0], axis=0)
    sides = [_scaled(t, centre, scale) for t in (train, synthetic, holdout)]
    found = []
    chosen = np.sort(rng.permutation(inputs)[:_COLUMNS])
    for j in chosen:
        made = [_rows(x, segment, inputs, int(j)) for x, segment in sides]
        if min(len(m[1]) for m in made) < 20:
            return Measurement.nothing("the segments are too short")
        found.append([[_error(m, made[2], k, seed) for m in made[:2]] for k in (0, 1)])
    errors = np.array(found)  # (columns, what, learnt from)
    ratio = errors[:, :, 1] / np.maximum(errors[:, :, 0], 1e-12)
    parts = {"move": float(ratio[:, 0].mean()), "size": float(ratio[:, 1].mean())}
    parts |= {train.names[j]: float(r) for j, r in zip(chosen, ratio.mean(1), strict=True)}
    return Measurement(float(ratio.mean()), parts=parts)


def _scaled(series: Series, centre: Floats, scale: Floats) -> tuple[Floats, NDArray[np.int64]]:
    x, segment = series.moves
    return np.clip((x - centre) / scale, -20, 20), segment


def _rows(x: Floats, segment: NDArray[np.int64], inputs: NDArray[np.int64], j: int) -> tuple[Floats, Floats]:
    """Inputs ``(N, F)``; targets ``(N, 2)``: the move and its size."""
    most = max(_LAGS)
    at = np.arange(most, len(x))
    at = at[segment[at] == segment[at - most]]
    size = np.cumsum(np.concatenate([[0.0], np.abs(x[:, j])]))
    parts = [x[at - 1][:, inputs], *(x[at - k, j, None] for k in _LAGS[1:])]
    parts += [((size[at] - size[at - k]) / k)[:, None] for k in (5, most)]
    parts.append(x[at - 1, j, None])
    return np.concatenate(parts, 1), np.stack([x[at, j], np.abs(x[at, j])], 1)


def _error(learnt: tuple[Floats, Floats], judge: tuple[Floats, Floats], what: int, seed: int) -> float:
    step = max(1, len(learnt[1]) // _ROWS)
    model = HistGradientBoostingRegressor(
        max_iter=_ROUNDS, max_leaf_nodes=6, max_bins=64, early_stopping=False, random_state=seed
    )
    model.fit(learnt[0][::step], learnt[1][::step, what])
    return float(np.sqrt(np.mean((model.predict(judge[0]) - judge[1][:, what]) ** 2)))
