"""The real rows around synthetic ones: looked up once, used by every metric of copies and distances."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.base import Case
from synthkit.metrics.neighbours import Near, nearest, place, windows
from synthkit.metrics.tables import Coded

__all__ = ["SUBSETS", "Surroundings", "case_surroundings", "pick", "surroundings"]

SUBSETS = 5  # of a training table that is larger than the holdout


def pick(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.int64]:
    """At most ``size`` of ``rows``, in random order."""
    return rng.permutation(rows)[:size]


@dataclass(frozen=True)
class Surroundings:
    """Synthetic rows between training and holdout rows of one space.

    Attributes:
        train, holdout: neighbours among as many rows of the one as of the other; the larger table in subsets.
        everywhere: neighbours among all training rows, which stand in the order of ``order``.
        order: the training rows behind ``everywhere.index``.
        sought: training and holdout rows that these were sought among.
    """

    train: list[Near]
    holdout: list[Near]
    everywhere: Near
    order: NDArray[np.int64]
    sought: tuple[int, int]

    @property
    def pairs(self) -> list[tuple[Near, Near]]:
        """Each training subset beside a holdout subset."""
        both = zip(cycle(self.train), cycle(self.holdout), strict=False)
        return list(islice(both, max(len(self.train), len(self.holdout))))

    @property
    def isolation(self) -> NDArray[np.float32]:
        """Distance to the third nearest real row: of a copy, too, its source is only the first."""
        near, far = self.pairs[0]
        return np.sort(np.concatenate([near.distance, far.distance], axis=1), axis=1)[:, 2]


def surroundings(
    s: Coded, t: Coded, h: Coded, *, seed: int, rows: int, subsets: int = SUBSETS, k: int = 1
) -> Surroundings:
    """The ``k`` nearest real neighbours of at most ``rows`` synthetic rows."""
    rng = np.random.default_rng(seed)
    s = s.take(pick(rng, len(s), rows))
    order = pick(rng, len(t), len(t))
    t, h = t.take(order), h.take(pick(rng, len(h), len(h)))
    size = min(len(t), len(h))
    points, base_t, base_h = place(t, (s, t, h))
    everywhere, *to_train = nearest(points, base_t, k, windows(len(t), size, subsets))
    to_holdout = nearest(points, base_h, k, windows(len(h), size, subsets))[1:]
    sought = min(len(t), size * subsets), min(len(h), size * subsets)
    return Surroundings(to_train, to_holdout, everywhere, order, sought)


def case_surroundings(case: Case) -> Surroundings:
    """The neighbours that the distance metrics of a case share: three of them, for up to 5,000 synthetic rows."""
    assert case.holdout is not None
    s, t, h = case.synthetic.coded, case.real.coded, case.holdout.coded
    rows = case.limit(1500, 5000, 20_000)
    return case.once("surroundings", lambda: surroundings(s, t, h, seed=case.seed, rows=rows, k=3))
