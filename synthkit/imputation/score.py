"""Before filling is trusted: hide cells that are known, fill them, and see how well."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from synthkit.errors import ParamError, SchemaError
from synthkit.imputation.figures import of_categories, of_numbers
from synthkit.imputation.imputer import Imputer
from synthkit.imputation.iscore import energy_i_score
from synthkit.imputation.masks import Mechanism, emptied, hide
from synthkit.metrics import detection_auc
from synthkit.params import Interval, check
from synthkit.runtime import entropy
from synthkit.synthesizers.centre import is_quantity

__all__ = ["ImputationReport", "score_imputation"]

_BASE = "median"
_ENOUGH = 20  # hidden cells of a column, below which nothing is said
_NONE = 1e-9  # an error of rounding
_MARGIN = 0.05  # of skill, within which a method is as good as the median
_DETECTED, _FOLDS = 2000, 5  # rows, half of them true, that a detector sees; and the least of each


@dataclass(frozen=True)
class ImputationReport:
    """How well hidden cells were filled.

    Attributes:
        table: one line per method and column, means over the repeats: ``cells`` hidden; of numbers and dates ``z_mae``
            (of medians), ``z_rmse`` (of means), ``crps`` and ``w1`` (of draws), all in standard deviations of the
            observed values, and ``coverage`` of the central 90 % of draws; of categories ``accuracy`` and ``log_loss``;
            ``i_score``: the energy-I-score (:func:`~synthkit.imputation.energy_i_score`; greater is better);
            ``skill``: 1 - error / error of the median or mode (RMSE; share of wrong categories); ``std``: of the skill
            over the repeats; ``verdict`` and its ``reason``.
        detection: per method, how well boosting tells completed rows from true ones (AUC; .5: not at all), where gaps
            are filled by their centres (``point``), and by draws (``draw``).
        i_scores: per method, the mean over columns of their energy-I-scores times their weights.
        mechanism, rate, repeats, draws: what was done.
    """

    table: pd.DataFrame
    mechanism: str
    rate: float
    repeats: int
    draws: int
    detection: pd.DataFrame = field(default_factory=pd.DataFrame)
    i_scores: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> pd.DataFrame:
        """Per column and method: "use", "use with care" or "do not use", each if missing at random."""
        return self.table.set_index(["column", "method"])["verdict"].unstack()  # noqa: PD010 (no figures to sum)

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.3f}".format, na_rep="")
        whole = self.detection.add_prefix("detected_").join(self.i_scores.rename("i_score"), how="outer")
        if len(whole):
            shown += f"\n\n{whole.to_string(float_format='{:.3f}'.format, na_rep='')}"
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
    energy: int = 3,
    detect: int = 1,
    seed: int = 0,
) -> ImputationReport:
    """Hide known cells, fill them by each method, and compare.

    What fills is fitted on the table without the hidden cells, so that no method has seen what it is scored on. A
    verdict is "do not use" where a method is worse than the median (or mode) by more than the noise over the repeats
    and 5 %, or its draws' intervals are off by more than 10 points; "use with care" where it is no better than the
    median, as the median itself is, or intervals are off by more than 5 points.

    Args:
        methods: names that ``Imputer`` takes, imputers, or a dict of them by name. The median is always scored, too.
        masks, rate: see :func:`synthkit.imputation.hide`. A table without gaps gets "mcar" where "observed" is asked.
        repeats: masks; draws: of each cell, for figures of distribution (0: none).
        energy: columns with an energy-I-score, at most; each needs one more fit per method. It is of the table's own
            gaps; if it has none, of the first mask. 0: none.
        detect: masks on which completed rows are set before a detector (at most 2,000 rows). 0: none.
        seed: an integer for a repeatable report.

    Raises:
        ParamError: no method, or an argument out of its range. SchemaError: a table without rows or columns.
    """
    check("score_imputation", "repeats", repeats, Interval(int, 1))
    for argument, count in (("draws", draws), ("energy", energy), ("detect", detect), ("seed", seed)):
        check("score_imputation", argument, count, Interval(int, 0))
    if table.empty:
        raise SchemaError("score_imputation: argument 'table' has no rows or no columns.")
    named = _imputers(methods)
    own = bool(table.isna().to_numpy().any())
    mechanism = "mcar" if masks == "observed" and not own else masks
    lines: list[dict[str, Any]] = []
    detected: list[dict[str, Any]] = []
    scores: dict[str, pd.DataFrame] = {}
    for k in range(repeats):
        mask = hide(table, mechanism, rate, seed=entropy(seed, k, 0) % 2**31)
        holes = emptied(table, mask)
        for name, imputer in named.items():
            fitted = clone(imputer).set_params(random_state=entropy(seed, k, 1) % 2**31)
            found, completed = _one(name, fitted, table, holes, mask, draws, k)
            lines += found
            if k < detect:
                detected.append({"method": name, **_detected(table, mask, completed, entropy(seed, k, 2))})
            if k == 0 and energy and draws:
                gapped = table if own else holes
                scores[name] = energy_i_score(
                    gapped, imputer, columns=energy, draws=draws, seed=entropy(seed, 3) % 2**31
                )
    return ImputationReport(
        _summary(pd.DataFrame(lines), scores),
        mechanism,
        rate,
        repeats,
        draws,
        pd.DataFrame(detected).groupby("method", sort=False).mean() if detected else pd.DataFrame(),
        pd.Series({n: (f["i_score"] * f["weight"]).mean() for n, f in scores.items() if len(f)}, dtype=float),
    )


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
) -> tuple[list[dict[str, Any]], dict[str, pd.DataFrame]]:
    """One method on one mask: a line per column; and the completed tables, by centres and by a draw."""
    imputer.fit(holes)
    centres = {}
    for point in ("mean", "median"):
        imputer.set_params(mode="point", point=point)
        centres[point] = imputer.transform(holes)
    copies = list(imputer.multiple(holes, draws)) if draws else []
    lines = []
    for name in table.columns:
        gap = mask[name].to_numpy()
        if not gap.any() or centres["mean"][name][gap].isna().all():  # the outcome of a prediction is not filled
            continue
        line: dict[str, Any] = {"method": method, "column": name, "repeat": repeat, "cells": int(gap.sum())}
        truth, seen = table[name][gap], holes[name].dropna()
        cells = [copy[name][gap] for copy in copies]
        if is_quantity(table[name]):
            line |= of_numbers(truth, seen, centres["mean"][name][gap], centres["median"][name][gap], cells)
        else:
            line |= of_categories(truth, seen, centres["mean"][name][gap], cells)
        lines.append(line)
    return lines, {"point": centres["mean"], **({"draw": copies[0]} if copies else {})}


def _detected(
    table: pd.DataFrame, mask: pd.DataFrame, completed: Mapping[str, pd.DataFrame], seed: int
) -> dict[str, float]:
    """Completed rows of one half before true rows of the other; what was empty in the table stays so."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(mask.to_numpy().any(1)))[:_DETECTED]
    half = len(order) // 2
    if half < _FOLDS:
        return dict.fromkeys(completed, np.nan)
    names = [n for n in table.columns if not (mask[n] & completed["point"][n].isna()).any()]  # all that is filled
    real, empty = table[names].iloc[order[:half]], table[names].isna()
    made = {mode: filled[names].mask(empty).iloc[order[half:]] for mode, filled in completed.items()}
    return {mode: detection_auc(real, rows, seed=seed % 2**31) for mode, rows in made.items()}


def _summary(lines: pd.DataFrame, scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Means over the repeats, skill over the median, energy-I-scores, and verdicts."""
    base = lines[lines["method"] == _BASE].set_index(["column", "repeat"])["error"]
    at = pd.MultiIndex.from_frame(lines[["column", "repeat"]])
    against = base.reindex(at).to_numpy(dtype=float)
    error = lines["error"].to_numpy(dtype=float)
    # where the median makes no error at all, none is as good, and any is as bad as can be said
    perfect = np.where(error <= _NONE, 0.0, -1.0)
    lines = lines.assign(skill=np.where(against > _NONE, 1 - error / np.maximum(against, _NONE), perfect))
    figures = ["z_mae", "z_rmse", "crps", "w1", "coverage", "accuracy", "log_loss", "skill"]
    grouped = lines.groupby(["method", "column"], sort=False, dropna=False)
    out = grouped[[f for f in figures if f in lines]].mean()
    out.insert(0, "cells", grouped["cells"].sum())
    out["std"] = grouped["skill"].std()
    out = out.reset_index()
    if scores:
        energy = pd.concat([found.assign(method=name) for name, found in scores.items()])
        out = out.merge(energy[["method", "column", "i_score"]], on=["method", "column"], how="left")
        out.insert(list(out.columns).index("skill"), "i_score", out.pop("i_score"))
    verdicts = [_verdict(row) for row in out.to_dict("records")]
    return out.assign(verdict=[v for v, _ in verdicts], reason=[r for _, r in verdicts])


def _verdict(row: Mapping[Hashable, Any]) -> tuple[str, str]:
    """From skill over the median or mode, its spread, and the coverage of draws; and why."""
    if row["cells"] < _ENOUGH:
        return "too few cells", f"fewer than {_ENOUGH}"
    noise = max(_MARGIN, 0.0 if pd.isna(row["std"]) else float(row["std"]))
    off = row["coverage"] - 0.9 if pd.notna(row.get("coverage")) else 0.0
    narrow = "draws are too narrow" if off < 0 else "draws are too wide"
    base = "median" if pd.notna(row.get("z_rmse")) else "mode"
    if row["skill"] < -noise:
        return "do not use", f"worse than the {base}"
    if abs(off) > 0.1:
        return "do not use", narrow
    if row["skill"] <= noise:
        return "use with care", f"no better than the {base}"
    return ("use with care", narrow) if abs(off) > 0.05 else ("use", "")
