"""Before filling is trusted: hide cells that are known, fill them, and see how well."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from synthkit.errors import ParamError, SchemaError
from synthkit.imputation.imputer import Imputer
from synthkit.imputation.masks import Mechanism, emptied, hide
from synthkit.params import Interval, check
from synthkit.runtime import entropy
from synthkit.synthesizers.centre import is_quantity, quantities

__all__ = ["ImputationReport", "score_imputation"]

_BASE = "median"
_ENOUGH = 20  # hidden cells of a column, below which nothing is said


@dataclass(frozen=True)
class ImputationReport:
    """How well hidden cells were filled.

    Attributes:
        table: one line per method and column, means over the repeats: ``cells`` hidden; of numbers and dates ``z_mae``
            (of medians), ``z_rmse`` (of means), ``crps`` and ``w1`` (of draws), all in standard deviations of the
            observed values, and ``coverage`` of the central 90 % of draws; of categories ``accuracy`` and ``log_loss``;
            ``skill``: 1 - error / error of the median or mode (RMSE; share of wrong categories); ``std``: of the skill
            over the repeats; ``verdict``.
        mechanism, rate, repeats, draws: what was done.
    """

    table: pd.DataFrame
    mechanism: str
    rate: float
    repeats: int
    draws: int
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> pd.DataFrame:
        """Per column and method: "use", "use with care" or "do not use", each if missing at random."""
        return self.table.set_index(["column", "method"])["verdict"].unstack()  # noqa: PD010 (no figures to sum)

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.3f}".format, na_rep="")
        return f"{shown}\n({self.mechanism}, {self.repeats} repeats; verdicts hold if cells are missing at random)"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format, na_rep=""))


def score_imputation(
    table: pd.DataFrame,
    methods: Sequence[str | Imputer] | Mapping[str, Imputer] = ("auto", _BASE),
    *,
    masks: Mechanism = "observed",
    rate: float = 0.3,
    repeats: int = 5,
    draws: int = 20,
    seed: int = 0,
) -> ImputationReport:
    """Hide known cells, fill them by each method, and compare.

    What fills is fitted on the table without the hidden cells, so that no method has seen what it is scored on.

    Args:
        methods: names that ``Imputer`` takes, imputers, or a dict of them by name. The median is always scored, too.
        masks, rate: see :func:`synthkit.imputation.hide`. A table without gaps gets "mcar" where "observed" is asked.
        repeats: masks; draws: of each cell, for figures of distribution (0: none).
        seed: an integer for a repeatable report.

    Raises:
        ParamError: no method, or an argument out of its range. SchemaError: a table without rows or columns.
    """
    check("score_imputation", "repeats", repeats, Interval(int, 1))
    check("score_imputation", "draws", draws, Interval(int, 0))
    check("score_imputation", "seed", seed, Interval(int, 0))
    if table.empty:
        raise SchemaError("score_imputation: argument 'table' has no rows or no columns.")
    named = _imputers(methods)
    mechanism = "mcar" if masks == "observed" and not table.isna().to_numpy().any() else masks
    lines: list[dict[str, Any]] = []
    for k in range(repeats):
        mask = hide(table, mechanism, rate, seed=entropy(seed, k, 0) % 2**31)
        holes = emptied(table, mask)
        for name, imputer in named.items():
            fitted = clone(imputer).set_params(random_state=entropy(seed, k, 1) % 2**31)
            lines += _one(name, fitted, table, holes, mask, draws, k)
    return ImputationReport(_summary(pd.DataFrame(lines)), mechanism, rate, repeats, draws)


def _imputers(methods: Sequence[str | Imputer] | Mapping[str, Imputer]) -> dict[str, Imputer]:
    if isinstance(methods, Mapping):
        named = dict(methods)
    else:
        named = {m if isinstance(m, str) else f"{m.method}": Imputer(m) if isinstance(m, str) else m for m in methods}
    if not named:
        raise ParamError("score_imputation: argument 'methods' is empty.")
    return {**named, _BASE: named.get(_BASE, Imputer(_BASE))}


def _one(
    method: str,
    imputer: Imputer,
    table: pd.DataFrame,
    holes: pd.DataFrame,
    mask: pd.DataFrame,
    draws: int,
    repeat: int,
) -> list[dict[str, Any]]:
    """One method on one mask: a line per column."""
    imputer.fit(holes)
    centres = {}
    for point in ("mean", "median"):
        imputer.set_params(mode="point", point=point)
        centres[point] = imputer.transform(holes)
    copies = list(imputer.multiple(holes, draws)) if draws else []
    lines = []
    for name in table.columns:
        gap = mask[name].to_numpy()
        if not gap.any():
            continue
        line: dict[str, Any] = {"method": method, "column": name, "repeat": repeat, "cells": int(gap.sum())}
        truth, seen = table[name][gap], holes[name].dropna()
        cells = [copy[name][gap] for copy in copies]
        if is_quantity(table[name]):
            line |= _of_numbers(truth, seen, centres["mean"][name][gap], centres["median"][name][gap], cells)
        else:
            line |= _of_categories(truth, seen, centres["mean"][name][gap], cells)
        lines.append(line)
    return lines


def _of_numbers(
    truth: pd.Series, seen: pd.Series, mean: pd.Series, median: pd.Series, draws: list[pd.Series]
) -> dict[str, float]:
    scale = max(float(quantities(seen).std()), 1e-12)
    real = quantities(truth) / scale
    out = {
        "z_mae": float(np.abs(quantities(median) / scale - real).mean()),
        "z_rmse": float(np.sqrt(((quantities(mean) / scale - real) ** 2).mean())),
    }
    out["error"] = out["z_rmse"]
    if len(draws) > 1:
        x = np.sort(np.stack([quantities(d) for d in draws]) / scale, axis=0)
        m = len(x)
        # E|x - truth| - E|x - x'| / 2, the latter from the sorted draws (unbiased).
        spread = ((2 * np.arange(1, m + 1) - m - 1)[:, None] * x).sum(0) * 2 / (m * (m - 1))
        out["crps"] = float((np.abs(x - real).mean(0) - spread / 2).mean())
        # Of m draws, the k-th smallest is the k/(m + 1) quantile: so the interval holds one more draw in 90 %.
        low, high = np.quantile(x, [0.05, 0.95], axis=0, method="weibull")
        out["coverage"] = float(((low <= real) & (real <= high)).mean())
        out["w1"] = float(np.abs(np.quantile(x.ravel(), _GRID) - np.quantile(real, _GRID)).mean())
    return out


_GRID = (np.arange(200) + 0.5) / 200


def _of_categories(truth: pd.Series, seen: pd.Series, likely: pd.Series, draws: list[pd.Series]) -> dict[str, float]:
    real = truth.astype(object).to_numpy()
    right = likely.astype(object).to_numpy() == real
    out = {"accuracy": float(right.mean()), "error": float(1 - right.mean())}
    if draws:
        levels = max(seen.nunique(), 2)
        hits = np.sum([d.astype(object).to_numpy() == real for d in draws], axis=0)
        out["log_loss"] = float(-np.log((hits + 0.5) / (len(draws) + 0.5 * levels)).mean())
    return out


def _summary(lines: pd.DataFrame) -> pd.DataFrame:
    """Means over the repeats, skill over the median, and verdicts."""
    base = lines[lines["method"] == _BASE].set_index(["column", "repeat"])["error"]
    at = pd.MultiIndex.from_frame(lines[["column", "repeat"]])
    against = base.reindex(at).to_numpy()
    lines = lines.assign(skill=1 - lines["error"].to_numpy() / np.maximum(against, 1e-12))
    figures = ["z_mae", "z_rmse", "crps", "w1", "coverage", "accuracy", "log_loss", "skill"]
    grouped = lines.groupby(["method", "column"], sort=False, dropna=False)
    out = grouped[[f for f in figures if f in lines]].mean()
    out.insert(0, "cells", grouped["cells"].sum())
    out["std"] = grouped["skill"].std()
    out = out.reset_index()
    out["verdict"] = [_verdict(row) for row in out.to_dict("records")]
    return out


def _verdict(row: Mapping[Hashable, Any]) -> str:
    """From skill over the median or mode, its spread, and the coverage of draws."""
    if row["cells"] < _ENOUGH:
        return "too few cells"
    noise = 0.0 if pd.isna(row["std"]) else float(row["std"])
    off = abs(row["coverage"] - 0.9) if pd.notna(row.get("coverage")) else 0.0
    if row["method"] != _BASE and (row["skill"] <= 0 or off > 0.1):
        return "do not use"
    return "use with care" if row["skill"] <= max(0.05, noise) or off > 0.05 else "use"
