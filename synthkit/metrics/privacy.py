"""Whether synthetic rows sit closer to the rows they were learnt from than to rows nobody learnt from.

Distances are those of :mod:`synthkit.metrics.neighbours`. These are checks for copies, not proofs of privacy: tables
that pass them have been attacked with success (Yao et al. 2025, "The DCR Delusion"), so that the attacks of
:mod:`synthkit.metrics.attacks` belong beside them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from synthkit.errors import SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.neighbours import TIE, isolated, nearest, place
from synthkit.metrics.rates import CERTIFIED_SHARE, DETECT, certified, rate_interval
from synthkit.metrics.surroundings import SUBSETS, Surroundings, case_surroundings, pick, surroundings
from synthkit.metrics.tables import Kinds, code_tables

__all__ = ["DCR", "NNDR", "dcr_share", "mia_auc", "nndr_share"]

_LEAST = 10  # rows: below, no share has a meaning


def _first(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    return distance[:, 0]


def _ratio(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Nearest by second nearest, 1 where both are at distance 0: then no single row is singled out."""
    with np.errstate(invalid="ignore"):
        return np.where(distance[:, 1] <= TIE, 1.0, distance[:, 0] / distance[:, 1]).astype(np.float32)


def _wins(train: NDArray[np.float32], holdout: NDArray[np.float32]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(train - holdout) <= TIE, 0.5, train < holdout)


@dataclass(frozen=True)
class _Share:
    """Share of rows that are nearer to training rows; its variance counts all three tables as drawn anew.

    Rows with the same nearest real row stand or fall together: each real row has the sum of what is won and lost at
    it. As many training as holdout rows compete, so these sums vary within the one and within the other table (strata):
    with the labels "training" and "holdout" dealt at random to equally many rows, that is the variance of a harmless
    table. A table of which a share leaks also varies by how many rows do.
    """

    value: float
    variance: float
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, around: Surroundings, figure: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> _Share:
        """``figure`` of the distances to the nearest rows is compared."""
        pairs = around.pairs
        wins = np.stack([_wins(figure(train.distance), figure(holdout.distance)) for train, holdout in pairs])
        nearer = np.stack([train.distance[:, 0] <= holdout.distance[:, 0] for train, holdout in pairs])
        value, variance = float(wins.mean()), 0.0
        for side, mine, many in zip((0, 1), (nearer, ~nearer), around.sought, strict=True):
            owner = np.stack([pair[side].index[:, 0] for pair in pairs])
            sums = np.bincount(owner[mine], (wins - value)[mine])
            variance += float((sums**2).sum() - sums.sum() ** 2 / many) / wins.size**2
        leaking = max(0.0, 2 * value - 1)
        return cls(value, variance + leaking * (1 - leaking) / 4 / wins.shape[1], wins.mean(axis=0))

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %, of a rate over as many independent rows as have this variance."""
        spread = self.value * (1 - self.value)
        return rate_interval(
            self.value, self.variance, round(spread / self.variance) or 1 if self.variance else len(self.rows)
        )


def dcr_share(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
    subsets: int = SUBSETS,
) -> float:
    """Share of synthetic rows that lie nearer to training than to holdout rows, ties one half: 0.5 is best.

    The distance to the closest record of Platzer & Reutterer (2021), as a share. The training table is subsampled
    to the holdout's size, and the mean over ``subsets`` such draws is taken.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        seed: of the subsamples.
        rows: synthetic rows used at most.
        subsets: training subsets.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 2.0, 4.0]}), pd.DataFrame({"x": [1.0, 3.0, 5.0]})
    >>> dcr_share(train, train, holdout), dcr_share(holdout, train, holdout)
    (1.0, 0.0)
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    return _Share.of(surroundings(s, t, h, seed=seed, rows=rows, subsets=subsets), _first).value


def nndr_share(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
    subsets: int = SUBSETS,
) -> float:
    """Share of synthetic rows that single out a training row more than a holdout row, ties one half: 0.5 is best.

    The nearest-neighbour distance ratio (nearest by second nearest; Lowe 2004, Zhao et al. 2021) is small where a row
    is much closer to one real row than to any other. It is taken among training rows and among equally many holdout
    rows, and the share of synthetic rows with the smaller ratio among training rows is returned.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        seed: of the subsamples.
        rows: synthetic rows used at most.
        subsets: training subsets.

    Raises:
        SchemaError: fewer than 2 rows in ``train`` or ``holdout``.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 2.0, 4.0]}), pd.DataFrame({"x": [1.0, 3.0, 5.0]})
    >>> nndr_share(train, train, holdout), nndr_share(holdout, train, holdout)
    (1.0, 0.0)
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    if min(len(t), len(h)) < 2:
        raise SchemaError("nndr_share: arguments 'train' and 'holdout' need at least 2 rows each for a ratio.")
    return _Share.of(surroundings(s, t, h, seed=seed, rows=rows, subsets=subsets, k=2), _ratio).value


def mia_auc(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    seed: int = 0,
    rows: int = 5000,
) -> float:
    """ROC AUC of the plainest membership attack, by the distance to the nearest synthetic row: 0.5 is best.

    Chen et al. (2020, GAN-Leaks), black box. As many training as holdout rows are attacked. A weak attack: to pass it
    is necessary, not sufficient.

    Args:
        synthetic, train, holdout: the tables. The numbers are scaled by the range in ``train``.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        seed: of the subsamples.
        rows: rows attacked at most, on each side.

    >>> train, holdout = pd.DataFrame({"x": [0.0, 2.0, 4.0]}), pd.DataFrame({"x": [1.0, 3.0, 5.0]})
    >>> mia_auc(train, train, holdout)
    1.0
    """
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    rng = np.random.default_rng(seed)
    size = min(len(t), len(h), rows)
    members, others = t.take(pick(rng, len(t), size)), h.take(pick(rng, len(h), size))
    base, inside, outside = place(t, (s, members, others))
    distance = np.concatenate([nearest(attacked, base)[0].distance[:, 0] for attacked in (inside, outside)])
    # rounded, so that the float32 sums of equal distances are equal
    return float(roc_auc_score(np.repeat([1, 0], size), -np.round(distance / TIE)))


class _NearerShare(Metric):
    """A share of rows that are nearer to training than to holdout rows."""

    group = "privacy"
    goal = "lower"
    best = 0.5
    needs = ("holdout",)
    culprit = "copy"

    @staticmethod
    @abstractmethod
    def figure(distance: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is compared, of the distances to the nearest rows."""

    def measure(self, case: Case) -> Measurement:
        """The share, its interval, and the same among the synthetic rows whose surroundings are emptiest."""
        assert case.holdout is not None
        if min(len(case.real), len(case.holdout), len(case.synthetic)) < _LEAST:
            return Measurement.nothing(f"too few rows: needs {_LEAST} in every table")
        around = case_surroundings(case)
        share = _Share.of(around, self.figure)
        far = isolated(around.isolation)
        parts = {"all rows": share.value}
        if far.any():
            parts["most isolated rows"] = float(share.rows[far].mean())
        n, interval = len(share.rows), share.interval
        # neither few synthetic nor few real rows show much: a share of n, and a rank test's variance
        smallest = 0.5 + DETECT * float(np.sqrt(max(share.variance, 0.25 / n, 1 / (12 * min(around.sought)))))
        power, note = certified(smallest, CERTIFIED_SHARE, "a share", leaks=interval[0] > 0.5)
        details = {"power": power, "rows": n, "isolated": int(far.sum())}
        return Measurement(share.value, interval, parts, note, details)


class DCR(_NearerShare):
    """Distance to the closest record, as a share; see :func:`dcr_share`."""

    name = "dcr"
    label = "Nearer to training rows (DCR)"
    reading = "A share of {value} of the synthetic rows lies nearer to training than to holdout rows"
    definition = (
        "Share of synthetic rows that lie nearer to a training row than to any of equally many holdout rows, ties one "
        "half (Platzer & Reutterer 2021). A check for copies, not a proof of privacy."
    )
    figure = staticmethod(_first)


class NNDR(_NearerShare):
    """Nearest-neighbour distance ratio, as a share; see :func:`nndr_share`."""

    name = "nndr"
    label = "Singles out training rows (NNDR)"
    reading = "A share of {value} of the synthetic rows singles out a training rather than a holdout row"
    definition = (
        "Share of synthetic rows whose ratio of nearest to second nearest distance is smaller among training rows than "
        "among equally many holdout rows, ties one half (after Zhao et al. 2021)."
    )
    figure = staticmethod(_ratio)
