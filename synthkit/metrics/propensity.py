"""The propensity score's mean squared error, beside what a perfect table would have."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.cells import features
from synthkit.metrics.encoding import encode
from synthkit.metrics.jackknife import Floats, Ints
from synthkit.metrics.logit import fit_logistic
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["PmseRatio", "pmse_ratio"]

_LEAST = 20
_PERMUTED = 5
_LEAF = 20


# -------------------------------------------------------------------- public functions
def pmse_ratio(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    model: Literal["logistic", "tree"] = "logistic",
    seed: int = 0,
    rows: int = 20_000,
) -> float:
    """Mean squared error of the propensity score, divided by its expectation under a perfect table: 1 is best.

    Snoke et al. (2018). ``"logistic"``: a regression of "is synthetic" on main effects (numbers, null flags, levels);
    the expectation has a closed form in the number of parameters: ``(k - 1) c (1 - c) / n``, for a share ``c`` of
    synthetic rows among ``n``. (Their form has another factor ``1 - c``: it judges by the very rows that were learnt
    from, whose noise the synthetic rows share. Here the judge is a holdout.) ``"tree"``: a classification tree, which
    sees interactions, and whose expectation is the mean over five permutations of the labels. The ratio grows with
    the number of rows wherever the tables differ at all: compare tables of the same length.

    Args:
        real: rows that the generator did not see.
        synthetic: rows of the generator.
        kinds: the columns to use and what they are; by default read from the real table's dtypes.
        model: the propensity model.
        seed: of the subsample and the permutations.
        rows: at most so many rows of each table are used.

    Raises:
        ParamError: an unknown model.
        SchemaError: fewer than 20 rows in a table; or the tables do not fit the kinds.

    >>> table = pd.DataFrame({"x": np.arange(100.0)})
    >>> pmse_ratio(table, table) < 0.01, pmse_ratio(table, table + 20) > 5
    (True, True)
    """
    if model not in ("logistic", "tree"):
        raise ParamError(f"pmse_ratio: argument 'model' must be 'logistic' or 'tree', got {model!r}.")
    a, b = code_tables(real, synthetic, kinds=kinds)
    if min(len(a), len(b)) < _LEAST:
        raise SchemaError(f"pmse_ratio: a propensity model needs at least {_LEAST} rows in each table.")
    rng = np.random.default_rng(seed)
    a, b = (_head(t, rows, rng) for t in (a, b))
    return by_logistic(a, b)[0] if model == "logistic" else by_tree(a, b, rng)


# -------------------------------------------------------------------- cores
def _head(table: Coded, rows: int, rng: np.random.Generator) -> Coded:
    return table if len(table) <= rows else table.take(np.sort(rng.permutation(len(table))[:rows]))


def by_logistic(a: Coded, b: Coded) -> tuple[float, int]:
    """The ratio, and the degrees of freedom of its null law."""
    rows = len(a) + len(b)
    code = encode(a, b, scaled=True, least=max(5, rows // 1000))
    if not code.real.shape[1]:
        return 1.0, 0  # nothing varies, so nothing differs
    y = np.repeat([0, 1], [len(a), len(b)])
    model = fit_logistic(np.concatenate([code.real, code.synthetic]), y)
    c, free = len(b) / rows, model.rank - 1
    expected = free * c * (1 - c) / rows
    return float(((model.probability - c) ** 2).mean() / expected), free


def by_tree(a: Coded, b: Coded, rng: np.random.Generator) -> float:
    """The ratio of a classification tree's error to that of permuted labels."""
    x = np.nan_to_num(np.concatenate([features(t) for t in (a, b)]), nan=-1e38)
    x = np.clip(x, -1e38, 1e38).astype(np.float32)
    y = np.repeat([0, 1], [len(a), len(b)])
    permuted = [_tree_error(x, y[rng.permutation(len(y))]) for _ in range(_PERMUTED)]
    expected = float(np.mean(permuted))
    return _tree_error(x, y) / expected if expected > 0 else 1.0


def _tree_error(x: Floats, y: Ints) -> float:
    model = DecisionTreeClassifier(min_samples_leaf=_LEAF, max_leaf_nodes=200, random_state=0).fit(x, y)
    return float(((model.predict_proba(x)[:, 1] - y.mean()) ** 2).mean())


# -------------------------------------------------------------------- metrics
class PmseRatio(Metric):
    """:func:`pmse_ratio` as a metric."""

    name = "pmse_ratio"
    label = "Propensity score error (pMSE ratio)"
    group = "fidelity"
    goal = "lower"
    best = 1.0
    bounds = (0.0, float("inf"))
    reading = "The propensity score error is {value} times what chance alone gives"
    definition = (
        "Mean squared error of a logistic propensity score with main effects, divided by its expectation under a "
        "perfect table (Snoke et al., 2018). Grows with the number of rows: compare 'matched' with 'fresh'."
    )

    def measure(self, case: Case) -> Measurement:
        if min(len(case.judge), len(case.synthetic)) < _LEAST:
            return Measurement.nothing(f"too few rows for a propensity model: {_LEAST} in each table are needed")
        rng = case.rng
        a, b = (_head(t.coded, case.limit(4000, 20_000, 100_000), rng) for t in (case.judge, case.synthetic))
        names, limit = list(case.kinds), case.limit(150, 300, 600)  # products of features are as many as their square
        note = ""
        if len(names) > limit:
            note = f"of {limit} columns, drawn from the {len(names)}"
            names = [names[i] for i in rng.permutation(len(names))[:limit]]
            a, b = a.only(names), b.only(names)
        ratio, free = by_logistic(a, b)
        parts = {"logistic": ratio}
        if case.level != "quick":
            parts["tree"] = by_tree(_head(a, 10_000, rng), _head(b, 10_000, rng), rng)
        return Measurement(ratio, _interval(ratio, free), parts, note)


def _interval(ratio: float, free: int) -> tuple[float, float] | None:
    """The ratio times its degrees of freedom is about noncentral chi-squared."""
    if not free:
        return None
    beyond = max(0.0, free * (ratio - 1))
    reach = 1.96 * float(np.sqrt(2 * free + 4 * beyond)) / free
    return max(0.0, ratio - reach), ratio + reach
