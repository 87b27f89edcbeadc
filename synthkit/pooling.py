"""One result from the analyses of several completed, or synthetic, tables: Rubin's rules and their relatives.

Rubin, "Multiple Imputation for Nonresponse in Surveys" (1987); degrees of freedom for few rows: Barnard and Rubin,
Biometrika 86 (1999); partly synthetic tables: Reiter, Survey Methodology 29 (2003); fully synthetic ones: Raghunathan,
Reiter and Rubin, Journal of Official Statistics 19 (2003).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from synthkit.errors import ParamError
from synthkit.params import Interval, OneOf, Optional, check

__all__ = ["Kind", "Pooled", "pool"]

Kind = Literal["imputed", "partly", "synthetic"]


@dataclass(frozen=True)
class Pooled:
    """The pooled result.

    Attributes:
        table: one row per estimate; columns ``estimate``, ``std_error``, ``df``, ``low``, ``high`` (the interval),
            ``p_value`` (of the estimate being 0), ``within`` and ``between`` (variances), ``fmi`` (fraction of missing
            information), ``riv`` (relative increase in variance), ``mc_error`` (Monte-Carlo error of the estimate: what
            another m tables would shift it by). For synthetic tables, ``fmi`` and ``riv`` are NaN.
        m: tables; kind: "imputed", "partly" or "synthetic"; level: of the interval.
    """

    table: pd.DataFrame
    m: int
    kind: Kind
    level: float

    @property
    def enough(self) -> int:
        """How many tables the rule of thumb asks for: 100 times the largest fraction of missing information.

        White, Royston and Wood, Statistics in Medicine 30 (2011). At least 2.
        """
        worst = self.table["fmi"].max()
        return 2 if not math.isfinite(worst) else max(2, math.ceil(100 * worst))

    def __getitem__(self, name: Hashable) -> pd.Series:
        return self.table.iloc[list(self.table.index).index(name)]

    def __str__(self) -> str:
        return f"{self.table.to_string(float_format='{:.4g}'.format)}\n(m = {self.m}, {self.kind}, {self.level:.0%})"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format="{:.4g}".format))


def pool(
    results: Sequence[Any],
    data: Kind = "imputed",
    *,
    df: float | None = None,
    level: float = 0.95,
) -> Pooled:
    """Pool the same analysis of m tables.

    Args:
        results: one per table: a mapping of name -> (estimate, variance), one (estimate, variance) pair, or a fitted
            statsmodels result (anything with ``params`` and ``cov_params()`` or ``bse``).
        data: "imputed": gaps filled several times (Rubin 1987, with Barnard-Rubin degrees of freedom); "partly":
            observed cells replaced (Reiter 2003); "synthetic": whole tables from the posterior of a population
            (Raghunathan et al. 2003; where that variance is negative, Reiter's (2002) positive substitute, the mean
            variance within tables). Draw them by ``Autoregressive(even=False)``: even tables differ too little.
        df: degrees of freedom that the analysis would have on a complete table; None: those of the results
            (``df_resid``), where they have them, else infinite.
        level: of the intervals.

    Raises:
        ParamError: fewer than two results, results that name different estimates, or a variance that is negative or
            not finite.

    Example:
        >>> pooled = pool([{"mean": (1.0, 0.5)}, {"mean": (3.0, 0.5)}])
        >>> float(pooled["mean"]["estimate"]), round(float(pooled["mean"]["std_error"]), 3)
        (2.0, 1.871)
    """
    check("pool", "data", data, OneOf("imputed", "partly", "synthetic"))
    check("pool", "level", level, Interval(float, 0, 1, "neither"))
    check("pool", "df", df, Optional(Interval(float, 0, None, "neither")))
    read = [_read(result, k) for k, result in enumerate(results)]
    if len(read) < 2:
        raise ParamError("pool: argument 'results' needs the results of at least 2 tables.")
    names = list(read[0][0])
    for k, (pairs, _) in enumerate(read):
        if set(pairs) != set(names):
            raise ParamError(f"pool: argument 'results': result {k} names other estimates than result 0.")
    estimates = np.array([[pairs[name][0] for name in names] for pairs, _ in read], dtype=float)
    variances = np.array([[pairs[name][1] for name in names] for pairs, _ in read], dtype=float)
    if not (np.isfinite(estimates).all() and np.isfinite(variances).all() and (variances >= 0).all()):
        raise ParamError("pool: argument 'results' holds an estimate or a variance that is not a usable number.")
    complete = df if df is not None else next((d for _, d in read if d is not None), math.inf)
    return Pooled(_table(names, estimates, variances, data, complete, level), len(read), data, level)


def _read(result: Any, k: int) -> tuple[dict[Hashable, tuple[float, float]], float | None]:
    """Pairs of (estimate, variance) by name, and the complete-data degrees of freedom if the result tells them."""
    if isinstance(result, Mapping):
        pairs = dict(result)
    elif hasattr(result, "params"):
        params = pd.Series(result.params)
        if hasattr(result, "cov_params"):
            variance = np.diag(np.asarray(result.cov_params(), dtype=float))
        elif hasattr(result, "bse"):
            variance = np.asarray(result.bse, dtype=float) ** 2
        else:
            raise ParamError(f"pool: argument 'results': result {k} has 'params' but neither 'cov_params' nor 'bse'.")
        pairs = dict(zip(params.index, zip(params.to_numpy(dtype=float), variance, strict=True), strict=True))
    elif isinstance(result, (tuple, list)) and len(result) == 2:
        pairs = {"estimate": result}
    else:
        raise ParamError(
            f"pool: argument 'results': result {k} must be a mapping of name -> (estimate, variance), such a pair, or "
            "a fitted statsmodels result."
        )
    try:
        out = {name: (float(pair[0]), float(pair[1])) for name, pair in pairs.items()}
    except (TypeError, ValueError, IndexError) as error:
        raise ParamError(f"pool: argument 'results': result {k} holds what is no (estimate, variance) pair.") from error
    df = getattr(result, "df_resid", None)
    return out, None if df is None else float(df)


def _table(
    names: list[Hashable],
    estimates: NDArray[np.float64],
    variances: NDArray[np.float64],
    data: Kind,
    complete: float,
    level: float,
) -> pd.DataFrame:
    m = len(estimates)
    q, within, between = estimates.mean(0), variances.mean(0), estimates.var(0, ddof=1)
    nothing = np.full(len(names), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        if data == "imputed":
            total = within + (1 + 1 / m) * between
            df, fmi, riv = _rubin(within, between, total, m, complete)
        elif data == "partly":
            total, fmi, riv = within + between / m, nothing, nothing
            df = (m - 1) * (1 + within / (between / m)) ** 2
        else:
            total, fmi, riv = (1 + 1 / m) * between - within, nothing, nothing
            df = np.where(total > 0, (m - 1) * (1 - within / ((1 + 1 / m) * between)) ** 2, m - 1)
            total = np.where(total > 0, total, within)
        df = np.where(np.isnan(df), np.inf, np.clip(df, 1e-3, None))
        error = np.sqrt(total)
        half = student.ppf((1 + level) / 2, df) * error
        p = 2 * student.sf(np.abs(q) / error, df)
    table = pd.DataFrame(
        {
            **{"estimate": q, "std_error": error, "df": df, "low": q - half, "high": q + half, "p_value": p},
            **{"within": within, "between": between, "fmi": fmi, "riv": riv, "mc_error": np.sqrt(between / m)},
        }
    )
    table.index = pd.Index(names, name="name", tupleize_cols=False)
    return table


def _rubin(
    within: NDArray[np.float64], between: NDArray[np.float64], total: NDArray[np.float64], m: int, complete: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Barnard-Rubin degrees of freedom, fraction of missing information, relative increase in variance."""
    extra = (1 + 1 / m) * between
    share = np.where(total > 0, extra / total, 0.0)
    old = np.where(share > 0, (m - 1) / share**2, np.inf)
    if math.isfinite(complete):
        observed = (complete + 1) / (complete + 3) * complete * (1 - share)
        df = 1 / (1 / old + 1 / observed)
    else:
        df = old
    riv = np.where(within > 0, extra / within, np.where(extra > 0, np.inf, 0.0))
    fmi = np.where(np.isfinite(riv), (riv + 2 / (df + 3)) / (riv + 1), 1.0)
    return df, np.where(extra > 0, fmi, 0.0), riv
