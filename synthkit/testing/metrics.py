"""What a metric must do, as functions over its class. The tables come from a known law."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from synthkit.metrics.base import LEVELS, Case, Measurement, Metric, Score
from synthkit.metrics.tables import kinds_of
from synthkit.report.cases import Cases
from synthkit.report.evaluation import score_all
from synthkit.report.inputs import build_cases
from synthkit.schema import Schema

__all__ = ["KNOWN", "METRIC_CHECKS", "MetricCase", "check_metric", "draw", "junk", "untouched"]

KNOWN: dict[str, Any] = {"target": "late", "secrets": ("g",), "time": "months", "event": "died"}
"""What a case has to be told of the law."""
_ROWS, _SHORT, _SLACK = 300, 80, 0.03
_SECRET = "sideways"  # a cell that no note may print


def draw(rows: int, seed: int) -> pd.DataFrame:
    """A law with something in it for every metric.

    ``y``, ``g``, ``late``, ``months`` and ``died`` follow ``x``; ``high`` is never below ``low``; some cells are empty.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = 0.8 * x + 0.6 * rng.normal(size=rows)
    months = rng.exponential(20 * np.exp(-1.2 * x))
    low = rng.integers(0, 50, rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": y,
            "g": np.where(x + rng.normal(0, 0.6, rows) > 0, "up", "down"),
            "late": np.where(y + rng.normal(0, 0.3, rows) > 0, "yes", "no"),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(np.round(20 * y + 15 * rng.normal(size=rows) + 200), "D"),
            "months": np.minimum(months, 40).round(2),
            "died": months < 40,
            "low": low,
            "high": low + rng.integers(0, 50, rows),
        }
    )
    table.loc[rng.random(rows) < 0.1, "g"] = None
    table.loc[rng.random(rows) < 0.1, "y"] = None
    return table


def junk(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What no generator should make of the law.

    Every column is shuffled by itself, numbers are disturbed, some levels are new and others lost, nulls are more.
    """
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table})
    out = out.astype(table.dtypes)
    out["x"] = out["x"] * 3 + 1
    out["months"] = out["months"] * rng.uniform(0, 3, len(out))
    out["high"] = out["high"] - 30
    out["low"] = out["low"] // 25 * 10 + 10
    out.loc[rng.random(len(out)) < 0.2, "g"] = _SECRET
    out.loc[rng.random(len(out)) < 0.4, "y"] = None
    return out


@contextmanager
def untouched(*tables: pd.DataFrame) -> Iterator[None]:
    """Fail if the tables, or numpy's global state, have changed at the end."""
    before: Any = np.random.get_state()  # noqa: NPY002
    bits = before[1].copy()
    kept = [table.copy(deep=True) for table in tables]
    yield
    after: Any = np.random.get_state()  # noqa: NPY002
    assert (bits == after[1]).all(), "the global random state moved"
    for old, table in zip(kept, tables, strict=True):
        assert old.equals(table), "a table was changed"


@cache
def _schema() -> Schema:
    return Schema.infer(draw(600, 0))


# Cases are kept for all metrics, so that what these share is computed once.
@cache
def _tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training rows, fresh rows, and the holdout."""
    return draw(_ROWS, 0), draw(_ROWS, 2), draw(_ROWS, 1)


def _case(real: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame) -> Case:
    kinds = {name: kind for name, kind in kinds_of(_schema()).items() if name in real}
    known: dict[str, Any] = {role: name for role, name in KNOWN.items() if role != "secrets" and name in kinds}
    known["secrets"] = tuple(name for name in KNOWN["secrets"] if name in kinds)
    return Case.of(real, synthetic, holdout, kinds=kinds, schema=_schema().project(kinds), level="quick", **known)


def _mixture(leaks: bool, share: float) -> Case:
    """Fresh rows, a share of them replaced by what is bad: training rows, or junk."""
    train, fresh, holdout = _tables()
    bad, cut = (train if leaks else junk(train, 3)), round(share * _ROWS)
    order = np.random.default_rng(4).permutation(_ROWS)
    mixed = pd.concat([bad.iloc[:cut], fresh.iloc[cut:]]).iloc[order].reset_index(drop=True)
    return _case(train, mixed, holdout)


_shared_mixture = cache(_mixture)


@cache
def _references() -> Cases:
    real, synthetic, holdout = (draw(700, seed) for seed in (0, 2, 1))
    return build_cases(real, {"synthetic": synthetic}, holdout, schema=_schema(), level="quick", **KNOWN)


@dataclasses.dataclass(frozen=True)
class MetricCase:
    """A metric and what it measures of the law; measurements are kept, as many checks use them.

    Attributes:
        metric: the class under test.
    """

    metric: type[Metric]
    _kept: dict[float, Measurement] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def mixture(self, share: float, *, shared: bool = True) -> Case:
        """Fresh rows, a share of them replaced by what is bad for the metric: training rows, or junk."""
        return (_shared_mixture if shared else _mixture)(self.metric.group == "privacy", share)

    def measured(self, share: float) -> Measurement:
        """The measurement of a mixture."""
        if share not in self._kept:
            self._kept[share] = self.metric().measure(self.mixture(share))
        return self._kept[share]

    def loss(self, value: float) -> float:
        """How far the value is on the bad side of the best."""
        far = value - self.metric.best
        return max(0.0, far if self.metric.goal == "lower" else -far)

    @cached_property
    def score(self) -> Score:
        """The score in a report, with its references."""
        return score_all(self.metric(), _references())["synthetic"]


# -------------------------------------------------------------------- the checks
def _width(interval: tuple[float, float] | None) -> float:
    return 0.0 if interval is None else interval[1] - interval[0]


def says_what_it_is(case: MetricCase) -> None:
    """Its attributes are whole."""
    metric = case.metric
    assert metric.name.isidentifier() and metric.name.islower(), "'name' must be a lower-case identifier"
    assert metric.group in ("fidelity", "utility", "privacy") and metric.goal in ("lower", "higher")
    assert metric.level in LEVELS and metric.label, "'level' or 'label' is missing"
    assert metric.definition.endswith("."), "'definition' must be a sentence"
    low, high = metric.bounds
    assert low <= metric.best <= high, "'best' must lie within 'bounds'"
    words = metric.label + metric.definition + metric.reading
    assert "anonym" not in words.lower(), "no figure shows that a table is anonymous"
    assert not metric.reading or "{value}" in metric.reading, "'reading' must have '{value}' in it"


def noise_is_worse(case: MetricCase) -> None:
    """The more rows are bad, the worse the value (within noise), and all bad rows are worse than none."""
    clean, some, much = (case.loss(case.measured(share).value) for share in (0.0, 0.5, 1.0))
    slack = max(_SLACK, _width(case.measured(0.5).interval) / 2)
    assert clean <= some + slack and some <= much + slack, f"bad rows improve it: {clean}, {some}, {much}"
    assert much > clean, f"the worst table there is ({much}) is no worse than fresh rows ({clean})"


def identical_is_best(case: MetricCase) -> None:
    """Identical tables score best; in privacy, where they are the worst, fresh rows do."""
    metric, found = case.metric, case.measured(0.0)
    fresh = found.value
    if metric.group == "privacy":
        near = found.interval is not None and found.interval[0] <= metric.best <= found.interval[1]
        assert near or case.loss(fresh) < 0.12, f"fresh rows get {fresh}"
        return
    train, _, holdout = _tables()
    same = metric().measure(_case(train, holdout if metric.group == "fidelity" else train, holdout)).value
    slack = max(_SLACK, _width(found.interval) / 2)
    assert case.loss(same) <= case.loss(fresh) + slack, f"identical tables get {same}, fresh rows {fresh}"


def keeps_bounds(case: MetricCase) -> None:
    """Value and interval lie within the bounds, and the interval is in order."""
    low, high = case.metric.bounds
    for share in (0.0, 0.5, 1.0):
        found = case.measured(share)
        assert isinstance(found.value, float) and low <= found.value <= high, f"{found.value} is out of bounds"
        if found.interval is not None:
            below, above = found.interval
            assert low - 1e-9 <= below <= above <= high + 1e-9, f"the interval {found.interval} is out of order"


def ignores_row_order(case: MetricCase) -> None:
    """Shuffled rows score the same, but for noise."""
    train, fresh, holdout = _tables()
    one, two, three = (np.random.default_rng(seed).permutation(_ROWS) for seed in (5, 6, 7))
    got = case.metric().measure(_case(train.iloc[two], fresh.iloc[one], holdout.iloc[three])).value
    found = case.measured(0.0)
    slack = max(2 * _SLACK, _width(found.interval))
    assert abs(got - found.value) <= slack, f"{found.value} in one order, {got} in another"


def is_repeatable(case: MetricCase) -> None:
    """The same case gives the same measurement, and nothing of the caller's is touched."""
    again = case.mixture(0.5, shared=False)
    with untouched(*(table.frame for table in (again.real, again.synthetic, again.judge))):
        found = case.metric().measure(again)
    before = case.measured(0.5)
    assert (found.value, found.interval) == (before.value, before.interval), "the same case measures otherwise"
    assert list(found.parts) == list(before.parts), "the breakdown has other parts"


def catches_its_culprit(case: MetricCase) -> None:
    """What is planted to fail it does: bootstrapped training rows ("copy"), or shuffled columns ("independent")."""
    metric, score = case.metric, case.score
    assert metric.group != "privacy" or metric.culprit == "copy", "a privacy metric must catch the memoriser"
    if metric.culprit is None:
        return
    fresh, culprit = case.loss(score.fresh), case.loss(getattr(score, metric.culprit))
    error = _width(score.fresh_interval) / 4  # a standard error
    assert culprit > fresh + max(error, 0.01), f"fresh {score.fresh}, culprit {getattr(score, metric.culprit)}"


def works_without_a_holdout(case: MetricCase) -> None:
    """Without a holdout it works, or says that it needs one."""
    alone = _alone()
    lacking = case.metric().missing(alone)
    if lacking:
        assert "holdout" in lacking, "only a holdout is missing"
    else:
        _figure_or_reason(case.metric, case.metric().measure(alone), "no holdout")


@cache
def _alone() -> Case:
    train, fresh, holdout = _tables()
    return dataclasses.replace(_case(train, fresh, holdout), holdout=None)


def _nulls(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(x=np.nan, g=None, low=pd.array([None] * len(table), "Int64"))


Change = Callable[[pd.DataFrame], pd.DataFrame]
# what happens to training, synthetic and holdout rows
_ODD: dict[str, tuple[Change | None, Change | None, Change | None]] = {
    "null columns": (_nulls, _nulls, _nulls),
    "null columns in the synthetic table only": (None, _nulls, None),
    "constant columns": (lambda t: t.assign(x=1.0, g="up"),) * 3,
    "constant columns in the synthetic table only": (None, lambda t: t.assign(x=1.0, late="no", died=True), None),
    "unseen categories": (None, lambda t: t.assign(g=_SECRET, late=_SECRET), None),
    "every row alike": (None, lambda t: t.iloc[[0] * len(t)], None),
    "huge numbers": (None, lambda t: t.assign(x=t["x"] * 1e12), None),
    "five rows": (lambda t: t.head(5),) * 3,
    "five synthetic rows": (None, lambda t: t.head(5), None),
    "one row": (lambda t: t.head(1),) * 3,
    "one synthetic row": (None, lambda t: t.head(1), None),
    "one holdout row": (None, None, lambda t: t.head(1)),
    "one number": (lambda t: t[["x"]],) * 3,
    "one category": (lambda t: t[["late"]],) * 3,
    "no category": (lambda t: t[["x", "y", "low", "high"]],) * 3,
    "no number": (lambda t: t[["g", "late", "died"]],) * 3,
    "many levels": (lambda t: t.assign(g=[f"{_SECRET} {i}" for i in range(len(t))]),) * 3,
}


def stands_odd_tables(case: MetricCase) -> None:
    """Nulls, constants, unseen levels, tiny and narrow tables give a figure within bounds, or none and a reason."""
    for name in _ODD:
        odd, metric = _odd(name), case.metric()
        if metric.missing(odd):
            continue
        try:
            found = metric.measure(odd)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        _figure_or_reason(case.metric, found, name)


@cache
def _odd(name: str) -> Case:
    short = [table.head(_SHORT) for table in _tables()]
    real, synthetic, holdout = (t if f is None else f(t) for t, f in zip(short, _ODD[name], strict=True))
    return _case(real, synthetic, holdout)


def _figure_or_reason(metric: type[Metric], found: Measurement, name: str) -> None:
    low, high = metric.bounds
    fine = low <= found.value <= high or (math.isnan(found.value) and bool(found.note))
    assert fine, f"{name}: {found.value} is out of bounds, or has no note that says why there is none"
    assert _SECRET not in found.note, f"{name}: the note prints a cell"


METRIC_CHECKS: tuple[Callable[[MetricCase], None], ...] = (
    says_what_it_is,
    noise_is_worse,
    identical_is_best,
    keeps_bounds,
    ignores_row_order,
    is_repeatable,
    catches_its_culprit,
    works_without_a_holdout,
    stands_odd_tables,
)


def check_metric(metric: type[Metric]) -> None:
    """Run every check on your metric.

    Raises:
        AssertionError: names the check that fails, and says what is wrong.
    """
    case = MetricCase(metric)
    for check in METRIC_CHECKS:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{metric.__name__} fails {check.__name__!r}: {error}") from error
