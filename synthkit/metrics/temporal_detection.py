"""Records over time: can whole entities be told from real ones, and are they copies of training entities?"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.base import Measurement
from synthkit.metrics.detection import boosting
from synthkit.metrics.learners import FULL_TREES, QUICK_TREES
from synthkit.metrics.neighbours import TIE, Near, nearest, place
from synthkit.metrics.rates import rate_interval
from synthkit.metrics.roc import placements
from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal import scored
from synthkit.metrics.temporal_panel import Panel, check_pair
from synthkit.metrics.temporal_summary import summaries

__all__ = ["entity_copies", "entity_detection", "memorisation"]

Floats = NDArray[np.float64]
_FEWEST = 20  # entities on each side
_ROUNDS = 100
_NEIGHBOURS = 8  # on each side, among whom the nearest are after a deal
_DEALS = 100
_MOST = 20_000  # entities, whose distances are taken


def entity_detection(real: Panel, synthetic: Panel, *, seed: int = 0, quick: bool = False) -> Measurement:
    """How well boosted trees tell synthetic entities from equally many real ones, by summaries of their records.

    ROC AUC, 0.5 is best: the classifier two-sample test of Lopez-Paz & Oquab (2017) on
    :func:`~synthkit.metrics.temporal_summary.summaries`, 5 folds of entities, so that rows of one entity are never on
    both sides; with a 95 % interval. The parts are, per column, the AUC of the summary that alone tells most (above
    .5 by chance: the best of several). ``quick``: fewer and smaller trees.
    """
    check_pair("entity_detection", real, synthetic)
    if min(len(real), len(synthetic)) < _FEWEST:
        return Measurement.nothing(f"fewer than {_FEWEST} entities")
    a, b = summaries(real), summaries(synthetic)
    found = boosting(a, b, seed, rounds=_ROUNDS, grow=QUICK_TREES if quick else FULL_TREES)
    parts: dict[Hashable, float] = {}
    for j, name in enumerate(a.num):
        column = name[0]  # type: ignore[index]
        parts[column] = max(parts.get(column, 0.5), _apart(a.numbers[:, j], b.numbers[:, j]))
    return Measurement(found.auc, found.interval, parts=parts)


def _apart(x: Floats, y: Floats) -> float:
    """ROC AUC of one number, in the better direction; null is a value below all."""
    x, y = (np.where(np.isnan(z), -np.inf, z) for z in (x, y))
    auc = float(placements(y, x)[0].mean())
    return max(auc, 1 - auc)


def entity_copies(real: Panel, synthetic: Panel) -> Measurement:
    """Share of the synthetic entities of two records or more whose records are those of a training entity, in order.

    Times aside; 0 is best, and its floor says how often it happens to real entities. 95 % interval of Wilson (1927).
    """
    check_pair("entity_copies", real, synthetic)
    several = int((synthetic.lengths > 1).sum())
    if not several:
        return Measurement.nothing("no synthetic entity has two rows")
    share = _same(synthetic, real)
    return Measurement(share, rate_interval(share, 0.0, several))


def memorisation(real: Panel, synthetic: Panel, holdout: Panel, *, seed: int = 0) -> Measurement:
    """Are synthetic entities nearer to training entities than to holdout ones? 1 is best, 0: all are copies.

    Ratio of the mean distances of synthetic entities to the nearest training and to the nearest holdout entity, of
    equally many. Distances are between summaries (:func:`~synthkit.metrics.temporal_summary.summaries`), as normal
    scores by the law of both, in the space of :mod:`synthkit.metrics.neighbours`. The 95 % interval is of the standard
    deviation over re-dealt training and holdout labels (many synthetic entities share a neighbour, so that they do not
    count one by one), or of the delta method over synthetic entities, where that is more.

    Parts: ``nearer``, the share of synthetic entities nearer to training (ties count half; .5 is best); ``copied``, the
    share with a distance of 0 to training, beyond that to holdout; ``same records``, the share whose records in order
    are those of a training entity, times aside, beyond holdout's share (entities of one record count not).
    """
    check_pair("memorisation", real, synthetic, holdout)
    size = min(len(real), len(holdout), _MOST)
    if min(size, len(synthetic)) < _FEWEST:
        return Measurement.nothing(f"fewer than {_FEWEST} entities")
    train, other = real.head(size, seed), holdout.head(size, seed)
    judged = synthetic.head(_MOST, seed)
    rows = [summaries(t) for t in (judged, train, other)]
    law = Coded.concat(rows[1:])  # of both sides, so that neither is favoured by the scale
    points = place(scored(law, law), [scored(law, table) for table in rows])
    found = [nearest(points[0], base, min(_NEIGHBOURS, size))[0] for base in points[1:]]
    near, far = (side.distance[:, 0].astype(np.float64) for side in found)
    if not far.mean():
        alike = "all entities are alike" if not near.mean() else "every synthetic entity is one of the holdout"
        return Measurement.nothing(alike)
    ratio = float(near.mean() / far.mean())
    alone = float(np.std(near - ratio * far) / far.mean() / np.sqrt(len(near)))
    error = max(alone, _dealt(found[0], found[1], size, seed))
    parts = {
        "nearer": float((near < far - TIE).mean() + (np.abs(near - far) <= TIE).mean() / 2),
        "copied": max(0.0, float((near <= TIE).mean() - (far <= TIE).mean())),
        "same records": max(0.0, _same(judged, train) - _same(judged, other)),
    }
    return Measurement(ratio, (max(0.0, ratio - 1.96 * error), ratio + 1.96 * error), parts=parts)


def _dealt(train: Near, holdout: Near, size: int, seed: int) -> float:
    """Standard deviation of the ratio of mean distances if it were chance who is of training and who of the holdout.

    The nearest of either side after a deal is sought among the nearest ones of both before it.
    """
    distance = np.concatenate([train.distance, holdout.distance], axis=1).astype(np.float64)
    who = np.concatenate([train.index, holdout.index + size], axis=1)
    rng, ratios = np.random.default_rng(seed), []
    for _ in range(_DEALS):
        first = np.zeros(2 * size, np.bool_)
        first[rng.permutation(2 * size)[:size]] = True
        sides = [np.where(own, distance, distance.max()).min(axis=1).mean() for own in (first[who], ~first[who])]
        ratios.append(np.log(max(sides[0], TIE) / max(sides[1], TIE)))
    return float(np.std(ratios))


def _same(panel: Panel, base: Panel) -> float:
    """Share of the entities of two records or more whose records are those of one of ``base``."""
    repeated = panel.lengths > 1
    return float(np.isin(panel.digest[repeated], base.digest).mean()) if repeated.any() else 0.0
