"""Would a conclusion drawn from the real table be drawn from synthetic ones too?

An analysis is run on the real table, on m synthetic ones, and on as many bootstraps of the real one: as far as those
disagree with the table they come from, no synthesizer can be asked to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from synthkit.errors import ParamError, SchemaError

__all__ = ["Analysis", "Conclusion", "Replication", "Rule", "combine", "interval_overlap", "overlaps", "replicate"]

_BOOTSTRAPS = 20  # at least

Analysis = Callable[[pd.DataFrame], Mapping[Any, tuple[float, float]]]
Rule = Literal["simple", "proper", "partial", "full"]


class Sampler(Protocol):
    """Anything that draws rows: a synthesizer."""

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """``n`` synthetic rows."""


def combine(
    estimates: Sequence[float],
    variances: Sequence[float],
    *,
    rows: int,
    real_rows: int,
    rule: Rule = "simple",
) -> tuple[float, float]:
    """One estimate and its variance from those of m synthetic tables.

    With m tables of k rows from a model of n real ones, v the mean variance and b the variance between the estimates:

    - ``"simple"``: T_s = v (k/n + 1/m), where the model's parameters were estimated once (Raab et al. 2016);
    - ``"proper"``: T_p = v (k/n + (1 + k/n) / m), where each table has parameters drawn from their posterior (Raab et
      al. 2016);
    - ``"partial"``: v + b/m, where only some cells were replaced (Reiter 2003);
    - ``"full"``: (1 + 1/m) b - v, where each table comes from a new population drawn from the posterior (Raghunathan et
      al. 2003); never below 0, and it needs m of at least 2. It reads the noise of drawn rows from b: tables of our
      default model differ too little for it, unless it is ``Autoregressive(even=False)``.

    All assume that the model is right; they know nothing of its bias.

    Returns:
        The mean estimate and its variance.

    >>> combine([1.0, 3.0], [0.5, 0.5], rows=100, real_rows=100)
    (2.0, 0.75)
    """
    q, v, m = float(np.mean(estimates)), float(np.mean(variances)), len(estimates)
    between = float(np.var(estimates, ddof=1)) if m > 1 else 0.0
    ratio = rows / real_rows
    if rule == "simple":
        return q, v * (ratio + 1 / m)
    if rule == "proper":
        return q, v * (ratio + (1 + ratio) / m)
    if rule == "partial":
        return q, v + between / m
    if rule == "full" and m > 1:
        return q, max(0.0, (1 + 1 / m) * between - v)
    if rule == "full":
        raise ParamError("combine: argument 'rule': 'full' needs the estimates of at least 2 tables.")
    raise ParamError(f"combine: argument 'rule' must be 'simple', 'proper', 'partial' or 'full', got {rule!r}.")


def interval_overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Mean share of two intervals that lies in both (Karr et al. 2006): 1 where they are equal, 0 where they are apart.

    >>> interval_overlap((0.0, 2.0), (1.0, 3.0))
    0.5
    """
    return float(overlaps(np.array([first]), np.array([second]))[0])


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64], lowest: float = 0.0) -> NDArray[np.float64]:
    """Of intervals ``(..., 2)``; an interval of no width counts as inside or outside.

    With ``lowest`` below 0, intervals that are apart have minus their distance, in widths, down to ``lowest``.
    """
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    parts = [
        np.where(w > 0, np.maximum(shared / np.where(w > 0, w, 1), lowest), shared >= 0)
        for w in (a[..., 1] - a[..., 0], b[..., 1] - b[..., 0])
    ]
    return (parts[0] + parts[1]) / 2


@dataclass(frozen=True)
class Conclusion:
    """One estimate of the analysis, and what became of it.

    Attributes:
        name: of the estimate.
        real, real_low, real_high: of the real table, with its confidence interval.
        synthetic, low, high: combined from the synthetic tables.
        overlap: of the two intervals (Karr et al. 2006), 0 to 1.
        distance: |synthetic - real| in standard errors of the real estimate.
        same_sign: have the two the same sign?
        same_significance: do both intervals hold 0, or neither?
        covered: does the combined interval hold the real estimate?
        tables: synthetic tables of which the analysis gave the estimate.
        sign_rate, significance_rate, coverage_rate, mean_overlap: the same, of each synthetic table by itself, as the
            share of the tables (the mean).
        floor_sign_rate, floor_significance_rate, floor_coverage_rate, floor_mean_overlap: of bootstraps of the real
            table in their place.
    """

    name: Any
    real: float
    real_low: float
    real_high: float
    synthetic: float
    low: float
    high: float
    overlap: float
    distance: float
    same_sign: bool
    same_significance: bool
    covered: bool
    tables: int
    sign_rate: float
    significance_rate: float
    coverage_rate: float
    mean_overlap: float
    floor_sign_rate: float
    floor_significance_rate: float
    floor_coverage_rate: float
    floor_mean_overlap: float

    @property
    def survives(self) -> bool:
        """Would it have been concluded the same: same significance, and the same sign where that is significant?"""
        significant = self.real_low > 0 or self.real_high < 0
        return self.same_significance and (self.same_sign or not significant)

    def __str__(self) -> str:
        if not self.tables:
            return f"{self.name}: no synthetic table gave an estimate, so the conclusion is lost."
        verdict = "survives" if self.survives else "does not survive"
        why = "" if self.survives else (", its sign turns" if not self.same_sign else ", its significance changes")
        return (
            f"{self.name}: {self.real:.4g} ({self.real_low:.4g} to {self.real_high:.4g}) in the real table, "
            f"{self.synthetic:.4g} ({self.low:.4g} to {self.high:.4g}) in the synthetic ones: the conclusion "
            f"{verdict}{why}; the intervals overlap by {self.mean_overlap:.0%}, those of real bootstraps by "
            f"{self.floor_mean_overlap:.0%}."
        )


@dataclass(frozen=True)
class Replication:
    """What became of every estimate of an analysis.

    Attributes:
        conclusions: one per estimate of the real table, in its order.
        m: synthetic tables; rows: of each; failed: of them, those on which the analysis raised an error.
    """

    conclusions: tuple[Conclusion, ...]
    m: int
    rows: int
    failed: int

    @property
    def survival(self) -> float:
        """Share of the conclusions that survive."""
        return float(np.mean([c.survives for c in self.conclusions]))

    @property
    def coverage(self) -> float:
        """Share of the real estimates that the combined intervals hold."""
        return float(np.mean([c.covered for c in self.conclusions]))

    def __getitem__(self, name: Any) -> Conclusion:
        for conclusion in self.conclusions:
            if conclusion.name == name:
                return conclusion
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """One row per estimate, indexed by its name; the columns are the attributes of :class:`Conclusion`."""
        frame = pd.DataFrame([{**asdict(c), "survives": c.survives} for c in self.conclusions])
        return frame.set_index("name")

    def __str__(self) -> str:
        kept = sum(c.survives for c in self.conclusions)
        head = f"{kept} of {len(self.conclusions)} conclusions survive in {self.m} synthetic tables of {self.rows} rows"
        if self.failed:
            head += f" (the analysis failed on {self.failed} of them)"
        return "\n".join([head + ".", *map(str, self.conclusions)])


def replicate(
    analysis: Analysis,
    real: pd.DataFrame,
    synthetic: Sampler | Sequence[pd.DataFrame] | pd.DataFrame,
    *,
    m: int = 20,
    rows: int | None = None,
    rule: Rule = "simple",
    confidence: float = 0.95,
    seed: int = 0,
) -> Replication:
    """Run an analysis on the real table and on m synthetic ones, and say which conclusions survive.

    The synthetic estimates are combined by :func:`combine` and compared with the real one: overlap of the intervals
    (Karr et al. 2006), sign, significance, coverage. Beside them stand the rates of the m tables by themselves, and of
    as many bootstraps of the real table (20 at least): the floor, of which no synthesizer can be asked for more.

    Args:
        analysis: a function of a DataFrame that returns ``{name: (estimate, variance)}``, for instance coefficients
            and squared standard errors of a regression; by normal theory an estimate +- 1.96 standard errors is its
            95 % interval. It may get tables that lack rare levels; an error it raises there counts as a failure.
        real: the rows that the synthesizer learnt from.
        synthetic: anything with ``sample(n, seed=...)``, or the synthetic tables themselves (then they are the m).
        m: tables to draw, at least 1.
        rows: of each drawn table; by default as many as ``real`` has.
        rule: how to combine, see :func:`combine`; the default suits a synthesizer that was fitted once.
        confidence: of all intervals.
        seed: of the draws and the bootstraps.

    Raises:
        ParamError: an argument is out of range, ``synthetic`` has no ``sample``, or the analysis returns no pairs.
        SchemaError: a table is no DataFrame or has no rows, or the analysis fails on all synthetic tables.

    >>> def mean(table):
    ...     return {"mean of x": (table["x"].mean(), table["x"].var() / len(table))}
    >>> table = pd.DataFrame({"x": np.arange(100) % 10 + 1.0})
    >>> print(replicate(mean, table, [table] * 5)["mean of x"].survives)
    True
    """
    _check(m, rows, confidence)
    combine([0.0, 0.0], [1.0, 1.0], rows=1, real_rows=1, rule=rule)  # refuses an unknown rule before the work
    if len(_frame(real)) == 0:
        raise SchemaError("replicate: argument 'real': the table has no rows; pass one with rows.")
    truth = _run(analysis, real)
    if not truth:
        raise ParamError("replicate: argument 'analysis' returned no estimate for the real table.")
    rng = np.random.default_rng(seed)
    tables = _tables(synthetic, m, rows or len(real), rng)
    found, failed = _run_all(analysis, tables)
    if not found:
        raise SchemaError("replicate: argument 'analysis' failed on all synthetic tables; try it on one by hand.")
    size = round(float(np.mean([len(t) for t in tables])))
    draws = [rng.integers(0, len(real), len(real)) for _ in range(max(_BOOTSTRAPS, len(tables)))]
    floor, _ = _run_all(analysis, (real.take(i).reset_index(drop=True) for i in draws))
    z = float(norm.ppf((1 + confidence) / 2))
    sizes = (size, len(real))
    conclusions = tuple(_conclude(name, pair, found, floor, z, sizes, rule) for name, pair in truth.items())
    return Replication(conclusions, len(tables), size, failed)


def _check(m: int, rows: int | None, confidence: float) -> None:
    for name, value in (("m", m), ("rows", 1 if rows is None else rows)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ParamError(f"replicate: argument {name!r} must be a whole number of at least 1, got {value!r}.")
    if not 0 < confidence < 1:
        raise ParamError(f"replicate: argument 'confidence' must lie between 0 and 1, got {confidence!r}.")


def _frame(table: Any) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"replicate: a table must be a pandas DataFrame, got a {type(table).__name__}.")
    return table


def _tables(synthetic: Any, m: int, rows: int, rng: np.random.Generator) -> list[pd.DataFrame]:
    if isinstance(synthetic, pd.DataFrame):
        synthetic = [synthetic]
    if callable(getattr(synthetic, "sample", None)):
        seeds = rng.integers(0, 2**31 - 1, m)
        synthetic = [synthetic.sample(rows, seed=int(s)) for s in seeds]
    if not isinstance(synthetic, Sequence) or isinstance(synthetic, str) or not synthetic:
        raise ParamError(
            "replicate: argument 'synthetic' must have a method sample(n, seed=...), or be a list of DataFrames; "
            f"got a {type(synthetic).__name__}."
        )
    if any(len(_frame(t)) == 0 for t in synthetic):
        raise SchemaError("replicate: argument 'synthetic': a table has no rows; pass tables with rows.")
    return list(synthetic)


def _run(analysis: Analysis, table: pd.DataFrame) -> dict[Any, tuple[float, float]]:
    result = analysis(table.copy())  # an analysis may add columns to its table
    try:
        pairs = {name: (float(estimate), float(variance)) for name, (estimate, variance) in result.items()}
    except (AttributeError, TypeError, ValueError):
        raise ParamError(
            "replicate: argument 'analysis' must return a dict of name -> (estimate, variance), both of them numbers."
        ) from None
    if any(variance < 0 for _, variance in pairs.values()):
        raise ParamError("replicate: argument 'analysis' returned a negative variance.")
    return {name: pair for name, pair in pairs.items() if np.isfinite(pair).all()}


def _run_all(analysis: Analysis, tables: Any) -> tuple[list[dict[Any, tuple[float, float]]], int]:
    found, failed = [], 0
    for table in tables:
        try:
            found.append(_run(analysis, table))
        except ParamError:
            raise
        except Exception:  # whatever a user's analysis cannot stand in a table is a finding, not a fault of ours
            failed += 1
    return found, failed


def _rates(
    name: Any, found: list[dict[Any, tuple[float, float]]], real: tuple[float, float, float], z: float
) -> tuple[NDArray[np.float64], dict[str, float]]:
    """The estimates and variances ``(tables, 2)``, and how often each table by itself agrees with the real one."""
    pairs = np.array([f[name] for f in found if name in f], float).reshape(-1, 2)
    if not len(pairs):
        return pairs, dict.fromkeys(("sign_rate", "significance_rate", "coverage_rate", "mean_overlap"), 0.0)
    estimate, low, high = real
    half = z * np.sqrt(pairs[:, 1])
    intervals = np.stack([pairs[:, 0] - half, pairs[:, 0] + half], 1)
    significant = (intervals[:, 0] > 0) | (intervals[:, 1] < 0)
    lost = len(pairs) / len(found)  # a table without the estimate agrees in nothing
    return pairs, {
        "sign_rate": float(np.mean(np.sign(pairs[:, 0]) == np.sign(estimate))) * lost,
        "significance_rate": float(np.mean(significant == (low > 0 or high < 0))) * lost,
        "coverage_rate": float(np.mean((intervals[:, 0] <= estimate) & (estimate <= intervals[:, 1]))) * lost,
        "mean_overlap": float(overlaps(intervals, np.broadcast_to([low, high], intervals.shape)).mean()) * lost,
    }


def _conclude(
    name: Any,
    pair: tuple[float, float],
    found: list[dict[Any, tuple[float, float]]],
    floor: list[dict[Any, tuple[float, float]]],
    z: float,
    sizes: tuple[int, int],
    rule: Rule,
) -> Conclusion:
    error = float(np.sqrt(pair[1]))
    real = (pair[0], pair[0] - z * error, pair[0] + z * error)
    pairs, rates = _rates(name, found, real, z)
    _, floors = _rates(name, floor, real, z)
    q, variance = float("nan"), float("nan")
    if len(pairs):
        q, variance = combine(pairs[:, 0], pairs[:, 1], rows=sizes[0], real_rows=sizes[1], rule=rule)
    half = z * float(np.sqrt(variance))
    low, high = q - half, q + half
    gap = abs(q - real[0])
    distance = gap / error if error > 0 else (0.0 if gap == 0 else float("inf"))
    return Conclusion(
        name=name,
        real=real[0],
        real_low=real[1],
        real_high=real[2],
        synthetic=q,
        low=low,
        high=high,
        overlap=interval_overlap((low, high), real[1:]) if len(pairs) else 0.0,
        distance=distance,
        same_sign=bool(np.sign(q) == np.sign(real[0])),
        same_significance=bool(len(pairs) and (low > 0 or high < 0) == (real[1] > 0 or real[2] < 0)),
        covered=bool(low <= real[0] <= high),
        tables=len(pairs),
        **rates,
        **{f"floor_{key}": value for key, value in floors.items()},
    )
