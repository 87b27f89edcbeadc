"""Ten stylised facts of asset returns, each held against a band of the real series (after Cont, Quant. Finance 1,
2001).

Statistics of one path have large sampling errors. So each fact has a band: the real figure, and how far it goes in a
stationary bootstrap of the real rows (blocks of 100 steps on average, all columns together), widened because both paths
are draws. A path of the same law is inside in about 95 of 100 cases; ``z`` counts standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from synthkit.blockwise import block_rows
from synthkit.metrics.base import Measurement
from synthkit.metrics.series_dynamics import acf, is_volume
from synthkit.metrics.series_table import Series, check_series

__all__ = ["FACTS", "stylised_facts"]

Floats = NDArray[np.float64]
_BLOCK = 100
_DRAWS = 60
_TAIL = 0.05  # share of returns on one side behind Hill's index
_LOWER = 0.05  # quantile below which two assets fall together


@dataclass(frozen=True)
class _Assets:
    """``(T, A)`` returns, and ``(T, A)`` log volumes or None, of one path."""

    returns: Floats
    volumes: Floats | None

    def take(self, rows: NDArray[np.int64]) -> _Assets:
        return _Assets(self.returns[rows], None if self.volumes is None else self.volumes[rows])


# -------------------------------------------------------------------- statistics of (T, A) returns, a mean over assets
def _acf_mean(x: Floats, low: int, high: int) -> float:
    lags = min(high, len(x) // 4)
    return float(acf(x, np.zeros(len(x), np.int64), lags)[min(low, lags) - 1 :].mean())


def _correlation(a: Floats, b: Floats) -> float:
    """The mean over columns of the correlation of two matrices."""
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.mean((a * b).mean(0) / np.maximum(np.sqrt((a**2).mean(0) * (b**2).mean(0)), 1e-300)))


def _linear(a: _Assets) -> list[float]:
    return [_acf_mean(a.returns, 1, 1), _acf_mean(a.returns, 2, 20)]


def _tails(a: _Assets) -> list[float]:
    x = a.returns - np.median(a.returns, axis=0)
    count = max(5, int(_TAIL * len(x)))
    out = []
    for side in (-np.sort(x, axis=0)[: count + 1], np.sort(x, axis=0)[::-1][: count + 1]):
        out.append(float(np.mean(np.log(np.maximum(side[:-1], 1e-300) / np.maximum(side[-1:], 1e-300)))))
    return [float(np.mean(out))]


def _clustering(a: _Assets) -> list[float]:
    size = np.abs(a.returns)
    return [_acf_mean(size, 1, 10), _acf_mean(size, 11, 50)]


def _leverage(a: _Assets) -> list[float]:
    size = np.abs(a.returns)
    return [float(np.mean([_correlation(a.returns[:-k], size[k:]) for k in range(1, 11)]))]


def _aggregation(a: _Assets) -> list[float]:
    """How much fatter tails of single steps are than those of sums of 20, by quantiles (Crow and Siddiqui, 1967)."""
    sums = np.cumsum(np.concatenate([np.zeros((1, a.returns.shape[1])), a.returns]), axis=0)
    wide = []
    for x in (a.returns, sums[20:] - sums[:-20]):
        q = np.quantile(x, [0.01, 0.25, 0.75, 0.99], axis=0)
        wide.append(np.log(np.maximum(q[3] - q[0], 1e-300) / np.maximum(q[2] - q[1], 1e-300)))
    return [float(wide[0].mean()), float((wide[0] - wide[1]).mean())]


def _asymmetry(a: _Assets) -> list[float]:
    sums = np.cumsum(np.concatenate([np.zeros((1, a.returns.shape[1])), a.returns]), axis=0)
    out = []
    for x in (a.returns, sums[5:] - sums[:-5]):
        q = np.quantile(x, [0.01, 0.5, 0.99], axis=0)
        out.append(float(np.mean((q[2] + q[0] - 2 * q[1]) / np.maximum(q[2] - q[0], 1e-300))))
    return [float(np.mean(out))]


def _coarse_fine(a: _Assets) -> list[float]:
    """Coarse volatility of a week says more of the next week's fine one than the other way (Müller et al., 1997)."""
    weeks = len(a.returns) // 5
    x = a.returns[: 5 * weeks].reshape(weeks, 5, -1)
    coarse, fine = np.abs(x.sum(1)), np.abs(x).sum(1)
    return [_correlation(coarse[:-1], fine[1:]) - _correlation(fine[:-1], coarse[1:])]


def _volume(a: _Assets) -> list[float]:
    return [] if a.volumes is None else [_correlation(a.volumes, np.abs(a.returns))]


def _together(a: _Assets) -> list[float]:
    """Mean correlation of two assets, and how often one falls below its 5 % quantile where the other does."""
    many = a.returns.shape[1]
    if many < 2:
        return []
    x = (a.returns - a.returns.mean(0)) / np.maximum(a.returns.std(0), 1e-300)
    low = (a.returns <= np.quantile(a.returns, _LOWER, axis=0)).astype(np.float64)
    upper = np.triu_indices(many, 1)
    return [float((x.T @ x / len(x))[upper].mean()), float((low.T @ low / np.maximum(low.sum(0), 1))[upper].mean())]


FACTS: dict[str, Callable[[_Assets], list[float]] | None] = {
    "no linear autocorrelation": _linear,
    "fat tails": _tails,
    "volatility clustering": _clustering,
    "leverage": _leverage,
    "aggregational Gaussianity": _aggregation,
    "gain/loss asymmetry": _asymmetry,
    "coarse-fine volatility": _coarse_fine,
    "volume and volatility": _volume,
    "joint falls": _together,
    "whole bars": None,  # counted, see _broken: no band
}
"""The facts, and the statistics of each; all of a fact's statistics must be inside."""


def stylised_facts(real: Series, synthetic: Series, *, seed: int = 0, draws: int = _DRAWS) -> Measurement:
    """Share of the stylised facts that hold in the synthetic paths as in the real one; 1 is best.

    Log returns of one column per asset (its close, where one is so called; no volumes). Facts: no linear
    autocorrelation (lags to 20); Hill's tail index (top 5 % of either side); autocorrelation of absolute returns
    (lags 1 to 10, 11 to 50); leverage (a return beside the later sizes, lags 1 to 10); tails of single steps and of
    sums of 20; asymmetry of quantiles; coarse-fine volatility; correlation of volume and size; correlation and joint
    falls of assets; no bar whose high or low is not the highest or lowest. Of some paths the mean of each statistic
    counts. Needs 200 rows.

    Returns:
        The share; parts: 1 or 0 per fact that can be judged; details ``table``: fact, real, synthetic, low, high, z,
        inside.
    """
    check_series("stylised_facts", real, synthetic)
    columns = _asset_columns(real)
    if not columns:
        return Measurement.nothing("needs prices: positive columns that wander")
    own, paths = _paths(real, columns), _paths(synthetic, columns)
    own, paths = [p for p in own if len(p.returns) >= 50], [p for p in paths if len(p.returns) >= 50]
    if sum(len(p.returns) for p in own) < 200 or not paths or max(len(p.returns) for p in paths) < 200:
        return Measurement.nothing("needs 200 rows")
    table = _judged(own, paths, np.random.default_rng([seed, 26]), draws)
    broken = [_broken(t) for t in (real, synthetic)]
    if broken[0] is not None and broken[1] is not None:
        inside = broken[1] <= broken[0]
        table.append(("whole bars", broken[0], broken[1], 0.0, broken[0], 0.0 if inside else np.inf, inside))
    frame = pd.DataFrame(table, columns=["fact", "real", "synthetic", "low", "high", "z", "inside"])
    parts: dict[Hashable, float] = frame.groupby("fact", sort=False)["inside"].all().astype(float).to_dict()
    return Measurement(float(np.mean(list(parts.values()))), parts=parts, details={"table": frame})


def _judged(own: list[_Assets], paths: list[_Assets], rng: np.random.Generator, draws: int) -> list[tuple[object, ...]]:
    # segments are joined: statistics of short ones are biased, and a few false neighbours are not
    lengths = np.array([len(p.returns) for p in own], np.int64)
    volumes = None if own[0].volumes is None else np.concatenate([p.volumes for p in own if p.volumes is not None])
    joined = _Assets(np.concatenate([p.returns for p in own]), volumes)
    steps = int(np.median([len(p.returns) for p in paths]))
    rows = block_rows(lengths, draws, steps, float(min(_BLOCK, lengths.max())), rng=rng)
    drawn = [joined.take(r) for r in rows]
    wide = np.sqrt(steps / max(steps, lengths.sum()) + 1 / len(paths))
    out: list[tuple[object, ...]] = []
    for fact, statistic in FACTS.items():
        if statistic is None:
            continue
        truth = np.array(statistic(joined))
        got = _pooled(paths, statistic)
        chance = np.array([statistic(d) for d in drawn])
        far = float(ndtri(1 - 0.025 / max(1, len(truth))))  # so that the fact as a whole holds in 95 of 100 cases
        for k in range(len(truth)):
            deviation = max(wide * float(chance[:, k].std(ddof=1)), 1e-12)
            low, high = truth[k] - far * deviation, truth[k] + far * deviation
            inside = bool(low <= got[k] <= high)
            out.append(
                (fact, truth[k], got[k], float(low), float(high), float((got[k] - truth[k]) / deviation), inside)
            )
    return out


def _pooled(paths: list[_Assets], statistic: Callable[[_Assets], list[float]]) -> Floats:
    """The mean over paths, by their rows."""
    return np.average([statistic(p) for p in paths], axis=0, weights=[len(p.returns) for p in paths])


# -------------------------------------------------------------------- which columns
def _role(name: Hashable) -> str:
    return str(name[-1] if isinstance(name, tuple) else name).strip().lower().replace(" ", "_")


def _asset(series: Series, j: int) -> Hashable:
    """What belongs together: the entity of a long table, else the leader."""
    name = series.names[j]
    return name[0] if isinstance(name, tuple) else int(series.leader[j])


def _asset_columns(real: Series) -> list[tuple[int, int | None]]:
    """Per asset its close (or first) column of returns, and its volume; none where most columns are no prices."""
    prices = [j for j in real.returns if not is_volume(real.names[j])]
    if 2 * len(prices) < len([n for n in real.names if not is_volume(n)]):
        return []
    groups: dict[Hashable, list[int]] = {}
    for j in prices:
        groups.setdefault(_asset(real, j), []).append(j)
    volumes = [j for j, name in enumerate(real.names) if is_volume(name)]
    out = []
    for asset, members in groups.items():
        closes = [j for j in members if _role(real.names[j]) == "close"]
        own = [v for v in volumes if isinstance(real.names[v], tuple) and real.names[v][0] == asset]
        own = own or (volumes if len(groups) == 1 else [])
        out.append(((closes or members)[0], own[0] if own else None))
    return out


def _paths(series: Series, columns: list[tuple[int, int | None]]) -> list[_Assets]:
    prices = [j for j, _ in columns]
    volumes = [v for _, v in columns if v is not None]
    out = []
    for a, m in zip(series.starts, series.lengths, strict=True):
        rows = slice(int(a), int(a + m))
        moved = np.diff(series.logs[rows][:, prices], axis=0)
        traded = None
        if len(volumes) == len(prices):
            traded = np.log(np.maximum(series.values[rows][1:, volumes], 1e-9) + 1.0)
        out.append(_Assets(moved, traded))
    return out


def _broken(series: Series) -> float | None:
    """Share of bars whose high is below, or whose low is above, their open or close; None without bars."""
    rates = []
    groups: dict[Hashable, dict[str, int]] = {}
    for j, name in enumerate(series.names):
        groups.setdefault(_asset(series, j), {})[_role(name)] = j
    for roles in groups.values():
        if {"open", "high", "low", "close"} <= roles.keys():
            o, h, low, c = (series.values[:, roles[r]] for r in ("open", "high", "low", "close"))
            rates.append(float(((h < np.maximum(o, c)) | (low > np.minimum(o, c)) | (low <= 0)).mean()))
    return float(np.mean(rates)) if rates else None
