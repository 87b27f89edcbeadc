"""What a drawn table says of each real record: the numbers that shadow models turn into a belief of membership."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from synthkit.metrics.cells import edges_of
from synthkit.metrics.copies import row_hashes
from synthkit.metrics.disclosure import by_neighbour, tolerance
from synthkit.metrics.neighbours import nearest, place
from synthkit.metrics.tables import Coded

__all__ = ["FEATURES", "features", "guesses"]

Floats = NDArray[np.float64]
_K = 5
_BINS = 10
_QUERIES, _SUBSPACES = 40, 4
FEATURES = ("nearest", "near", "density", "copies", "subspaces", "counts")
"""What :func:`features` tells: closeness to the nearest drawn row and to five; kernel density; exact copies; closeness
in halves of the columns; how many rows agree in two to four columns (as counting queries do, Houssiau et al. 2022)."""


def features(records: Coded, drawn: Coded, *, seed: int) -> Floats:
    """``(records, len(FEATURES))``, each higher where a record seems to be known.

    Args:
        records, drawn: coded together; the records fit the space of distances.
        seed: of the subsets of columns; the same for all tables that are to be compared.
    """
    rng = np.random.default_rng([seed, 11])
    base, points = place(records, (drawn, records))
    near = nearest(points, base, min(_K, len(drawn)))[0].distance.astype(np.float64)
    width = max(float(np.median(near[:, 0])), 1e-3)
    hashed, known = (rows for rows, _ in row_hashes(records, drawn))
    levels, count = np.unique(known, return_counts=True)
    at = np.minimum(np.searchsorted(levels, hashed), len(levels) - 1)
    copies = np.where(levels[at] == hashed, count[at], 0)
    return np.stack(
        [
            -np.log(near[:, 0] + width / 10),
            -np.log(near.mean(axis=1) + width / 10),
            logsumexp(-near / width, axis=1),
            np.log1p(copies),
            _subspaces(records, drawn, rng),
            _counts(records, drawn, rng),
        ],
        axis=1,
    )


def _names(table: Coded) -> list[Hashable]:
    return [*table.num, *table.cat]


def _subspaces(records: Coded, drawn: Coded, rng: np.random.Generator) -> Floats:
    """Mean closeness to the nearest drawn row in random halves of the columns."""
    names, total = _names(records), np.zeros(len(records))
    if len(names) < 4:
        return total
    for _ in range(_SUBSPACES):
        half = [names[i] for i in rng.permutation(len(names))[: (len(names) + 1) // 2]]
        base, points = place(records.only(half), (drawn.only(half), records.only(half)))
        near = nearest(points, base, 1)[0].distance[:, 0].astype(np.float64)
        total -= np.log(near + max(float(np.median(near)) / 10, 1e-3))
    return total / _SUBSPACES


def _counts(records: Coded, drawn: Coded, rng: np.random.Generator) -> Floats:
    """Mean log of how many drawn rows agree with a record in two to four columns, numbers by tenths."""
    cells = [_binned(records, table) for table in (records, drawn)]
    width, total = cells[0].shape[1], np.zeros(len(records))
    for _ in range(_QUERIES):
        chosen = rng.permutation(width)[: min(int(rng.integers(2, 5)), width)]
        both = np.concatenate([side[:, chosen] for side in cells])
        codes = np.unique(both, axis=0, return_inverse=True)[1].ravel()
        here, there = codes[: len(records)], codes[len(records) :]
        total += np.log1p(np.bincount(there, minlength=int(codes.max()) + 1)[here])
    return total / _QUERIES


def _binned(law: Coded, table: Coded) -> NDArray[np.int64]:
    numbers = [
        np.where(np.isnan(x), -1, np.searchsorted(edges_of(base, _BINS), x))
        for base, x in zip(law.numbers.T, table.numbers.T, strict=True)
    ]
    return np.concatenate([np.stack(numbers, 1) if numbers else table.codes[:, :0], table.codes], axis=1)


def guesses(records: Coded, drawn: Coded, secrets: Sequence[Hashable]) -> Floats:
    """``(records, secrets)``: is the secret of the nearest drawn row, by all other columns, the record's? NaN of null.

    Of equally near rows up to ten are looked at, and the share that is right counts.
    """
    out = np.full((len(records), len(secrets)), np.nan)
    for j, secret in enumerate(secrets):
        known = drawn.take(np.flatnonzero(~np.isnan(drawn.column(secret))))
        truth = records.column(secret)
        if not len(known):
            continue
        found, weight = by_neighbour(known, records, records, secret)
        right = np.abs(found - truth[:, None]) <= tolerance(records, secret)
        out[:, j] = np.where(np.isnan(truth), np.nan, (right * weight).sum(1))
    return out
