"""Joint distributions of several columns at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import grid
from synthkit.metrics.jackknife import Estimate, compare
from synthkit.metrics.marginals import Groups, dealt, total_variation
from synthkit.metrics.tables import Breakdown, Coded, Kinds, code_tables, resolve_kinds

__all__ = ["KMarginal", "k_marginal"]

_BINS = 10
_TOP = 20
_NO_GROUPS: Groups = (None, None)


def k_marginal(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    k: int = 3,
    sets: int = 1000,
    seed: int = 0,
) -> Breakdown:
    """How alike the joint distributions of ``k`` columns are: 1 is best, 0 worst.

    The k-marginal score of NIST's differential privacy challenges and of its SDNist reports (Task et al., 2023),
    divided by 1,000: 1 less the mean total variation distance of the k-way marginals. Numbers and dates are cut into
    about 10 bins at the real table's quantiles, levels beyond the 20 most frequent become one, null is a cell.

    Args:
        real, synthetic: the two tables, of any lengths.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        k: columns per set, 1 to 5; fewer where the table has fewer.
        sets: at most so many sets of columns are used, drawn from ``seed``.

    Returns:
        The mean over sets, with the mean of its sets per column.

    Raises:
        ParamError: ``k`` is not in 1 to 5.
        SchemaError: see :func:`correlation_error`.

    >>> table = pd.DataFrame({"x": ["a", "b"], "y": ["u", "v"], "z": [1, 2]})
    >>> k_marginal(table, table.assign(z=[2, 1])).value
    0.0
    """
    if not isinstance(k, int) or not 1 <= k <= 5:
        raise ParamError(f"k_marginal: argument 'k' must be an integer from 1 to 5, got {k!r}.")
    kinds = resolve_kinds((real, synthetic), kinds)
    a, b = code_tables(real, synthetic, kinds=kinds)
    found = marginals(a, b, list(kinds), _NO_GROUPS, k, sets, np.random.default_rng(seed))
    return Breakdown(Estimate.mean(list(found.values())).value, _by_column(found, list(kinds)))


def marginals(
    a: Coded,
    b: Coded,
    names: Sequence[Hashable],
    groups: Groups,
    k: int,
    sets: int,
    rng: np.random.Generator,
) -> dict[tuple[Hashable, ...], Estimate]:
    """See :func:`k_marginal`; the score per set of columns."""
    cut = grid(a, b, _BINS, _TOP)
    place = {name: j for j, name in enumerate(cut.names)}
    found = {}
    for chosen in _sets(names, min(k, len(names)), sets, rng):
        cells, size = [np.zeros(len(t), np.int64) for t in (a, b)], 1
        for j in (place[name] for name in chosen):
            cells = [c * cut.sizes[j] + t[:, j] for c, t in zip(cells, (cut.real, cut.synthetic), strict=True)]
            size *= cut.sizes[j]
        (distance,) = compare(cells[0], cells[1], size, groups, total_variation)
        found[chosen] = distance.map(lambda tv: 1 - tv)
    return found


def _sets(names: Sequence[Hashable], k: int, limit: int, rng: np.random.Generator) -> list[tuple[Hashable, ...]]:
    """All sets of ``k`` names, or ``limit`` of them."""
    if comb(len(names), k) <= 4 * limit:
        every = list(combinations(names, k))
        return [every[i] for i in np.sort(rng.permutation(len(every))[:limit])]
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < limit:
        drawn.add(tuple(sorted(rng.choice(len(names), k, replace=False).tolist())))
    return [tuple(names[i] for i in chosen) for chosen in sorted(drawn)]


def _by_column(found: Mapping[tuple[Hashable, ...], Estimate], names: Sequence[Hashable]) -> dict[Hashable, float]:
    of: dict[Hashable, list[float]] = {name: [] for name in names}
    for chosen, estimate in found.items():
        for name in chosen:
            of[name].append(estimate.value)
    return {name: float(np.mean(values)) for name, values in of.items() if values}


class KMarginal(Metric):
    """:func:`k_marginal` as a metric."""

    name = "k_marginal"
    label = "Three-way marginals (NIST k-marginal)"
    group = "fidelity"
    goal = "higher"
    best = 1.0
    culprit = "independent"
    reading = "The counts of three columns at a time agree with the real ones by {value}"
    definition = (
        "1 less the mean total variation distance of three-way marginals, a seeded sample of them, numbers in 10 bins: "
        "NIST's k-marginal score (Task et al., 2023), divided by 1,000."
    )

    def measure(self, case: Case) -> Measurement:
        judge, synthetic, groups = dealt(case)
        names, sets = list(case.kinds), case.limit(100, 500, 2000)
        found = marginals(judge.coded, synthetic.coded, names, groups, 3, sets, case.rng)
        mean = Estimate.mean(list(found.values()))
        parts = _by_column(found, names)
        worst = min(parts, key=lambda name: parts[name])
        note = f"least in the company of {worst}" if parts[worst] < 1 else ""
        return Measurement(mean.value, mean.interval(self.bounds), parts, note)
