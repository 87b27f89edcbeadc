"""What gives synthetic rows away: the columns that tell most, and their values that are too many or too few."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from synthkit.metrics.base import Case
from synthkit.metrics.cells import Grid, grid
from synthkit.metrics.jackknife import Floats, Ints
from synthkit.metrics.tables import Coded

__all__ = ["telling"]

_LEAST = 5  # real rows behind a value or range that is named
_COLUMNS = 40
_SHOWN = 8  # columns whose values are listed
_VALUES = 5  # per column
_NOISE = 3.5  # standard errors by which a share has to be off
_COMBINED = 6  # columns whose values are combined
_COMBINATIONS = 10
_PER_PAIR = 3
_NOISE_PAIRS = 4.5  # of thousands of cells


def telling(case: Case, a: Coded, b: Coded, model: Any, test: Floats, label: Ints) -> dict[str, Any]:
    """Details of detection: two tables for people.

    Args:
        case: the tables' frames name the values; a, b: judge and synthetic table as the model saw them.
        model: a classifier of ``features``; test, label: features and labels of rows that it did not see.

    Returns:
        ``"columns"``: DataFrame of ``column``, ``importance`` (what the AUC loses when the column is permuted) and
        ``auc`` (of the column alone), the most telling first. ``"values"``: DataFrame of ``column``, ``value`` (text),
        ``real``, ``synthetic`` (shares) and ``ratio``, for the most telling columns, where shares differ by
        more than chance explains. Values and ranges of fewer than 5 real rows are not named. ``"pairs"``: likewise
        combinations of two values, which differ by more than chance and the values' own shares explain; ``real`` is
        NaN where it stands for one to four rows.
    """
    cut = grid(a, b, bins=20)
    alone = np.array([_auc_alone(cut, j, case.rng) for j in range(len(cut.names))])
    chosen = np.argsort(-alone, kind="stable")[:_COLUMNS]
    lost = np.zeros(len(alone))
    lost[chosen] = _importance(model, test, label, chosen, case.limit(500, 2000, 4000), case.rng)
    order = np.lexsort((-alone, -np.maximum(lost, alone - 0.5)))
    columns = pd.DataFrame(
        {
            "column": pd.Series([cut.names[j] for j in order], dtype=object),
            "importance": lost[order],
            "auc": alone[order],
        }
    )
    rows = [row for j in order[:_SHOWN] for row in _values(case, a, cut, int(j))]
    values = pd.DataFrame(rows, columns=["column", "value", "real", "synthetic", "ratio"])
    return {"columns": columns, "values": values, "pairs": _pairs(case, a, cut, [int(j) for j in order[:_COMBINED]])}


def _auc_alone(cut: Grid, j: int, rng: np.random.Generator) -> float:
    """ROC AUC of the likelihood ratio of a column's cells, estimated on one half of the rows, tested on the other."""
    halves = []
    for codes in (cut.real[:, j], cut.synthetic[:, j]):
        side = rng.permutation(len(codes)) % 2
        halves.append([np.bincount(codes[side == s], minlength=cut.sizes[j]) for s in (0, 1)])
    found = []
    for fit, test in ((0, 1), (1, 0)):
        p, q = ((h[fit] + 0.5) / (h[fit].sum() + 0.5 * cut.sizes[j]) for h in halves)
        order = np.argsort(q / p, kind="stable")
        real, synthetic = (h[test][order] / max(h[test].sum(), 1) for h in halves)
        found.append(float((synthetic * (np.cumsum(real) - real / 2)).sum()))
    return float(np.mean(found))


def _importance(model: Any, test: Floats, label: Ints, columns: Ints, rows: int, rng: np.random.Generator) -> Floats:
    """What the AUC loses when a column is permuted, among at most so many rows."""
    keep = np.sort(rng.permutation(len(test))[:rows])
    x, y = test[keep], label[keep]
    if len(np.unique(y)) < 2:
        return np.zeros(len(columns))
    base = roc_auc_score(y, model.predict_proba(x)[:, 1])
    lost = []
    for j in columns:
        other = x.copy()
        other[:, j] = x[rng.permutation(len(x)), j]
        lost.append(base - roc_auc_score(y, model.predict_proba(other)[:, 1]))
    return np.array(lost)


def _values(case: Case, a: Coded, cut: Grid, j: int) -> list[tuple[Hashable, str, float, float, float]]:
    """The cells of a column by which its two distributions differ most."""
    count_real, count_synthetic = (np.bincount(c[:, j], minlength=cut.sizes[j]) for c in (cut.real, cut.synthetic))
    few = count_real < _LEAST
    name, texts = cut.names[j], _texts(case, a, cut, j, ~few)
    cells = [(texts[i], count_real[i], count_synthetic[i]) for i in np.flatnonzero(~few).tolist()]
    cells.append((f"what fewer than {_LEAST} real rows have", count_real[few].sum(), count_synthetic[few].sum()))
    rows = []
    for text, p, q in cells:
        real, synthetic = p / len(cut.real), q / len(cut.synthetic)
        pooled = (p + q) / (len(cut.real) + len(cut.synthetic))
        noise = np.sqrt(pooled * (1 - pooled) * (1 / len(cut.real) + 1 / len(cut.synthetic)))
        if abs(synthetic - real) <= _NOISE * noise:
            continue
        ratio = ((q + 0.5) / (len(cut.synthetic) + 1)) / ((p + 0.5) / (len(cut.real) + 1))
        rows.append(((synthetic - real) * np.log(ratio), (name, text, float(real), float(synthetic), float(ratio))))
    rows.sort(key=lambda row: -row[0])
    return [row for _, row in rows[:_VALUES]]


def _pairs(case: Case, a: Coded, cut: Grid, columns: list[int]) -> pd.DataFrame:
    """The combinations of values of two columns that differ most, beyond what their own shares explain."""
    often = {j: np.bincount(cut.real[:, j], minlength=cut.sizes[j]) >= _LEAST for j in columns}
    texts = {j: _texts(case, a, cut, j, often[j]) for j in columns}
    found = []
    for i, j in combinations(columns, 2):
        real, synthetic = (_joint(side, cut, i, j) for side in (cut.real, cut.synthetic))
        shares, ours = real / len(cut.real), synthetic / len(cut.synthetic)
        with np.errstate(divide="ignore", invalid="ignore"):  # the real cell, had the values their synthetic shares
            lines = [np.nan_to_num(ours.sum(axis) / shares.sum(axis)) for axis in (1, 0)]
        wanted = np.minimum(shares * lines[0][:, None] * lines[1], 1.0)
        inverse = 1 / len(cut.real) + 1 / len(cut.synthetic)
        noise = np.sqrt(((wanted + ours) / 2 + inverse) * inverse)
        told = (np.abs(ours - wanted) > _NOISE_PAIRS * noise) & often[i][:, None] & often[j]
        weight = np.where(told, (ours - wanted) * np.log((ours + noise) / (wanted + noise)), 0.0)
        for k in np.argsort(-weight, axis=None, kind="stable")[:_PER_PAIR]:
            x, y = (int(v) for v in np.unravel_index(k, weight.shape))
            if weight[x, y] > 0:
                share = np.nan if 0 < real[x, y] < _LEAST else shares[x, y]
                words = (cut.names[i], texts[i][x], cut.names[j], texts[j][y])
                found.append((weight[x, y], *words, share, ours[x, y]))
    found.sort(key=lambda row: -row[0])
    names = ["column", "value", "other_column", "other_value", "real", "synthetic"]
    return pd.DataFrame([row[1:] for row in found[:_COMBINATIONS]], columns=names)


def _joint(codes: Ints, cut: Grid, i: int, j: int) -> Ints:
    """Rows per combination of the cells of two columns."""
    size = cut.sizes[i] * cut.sizes[j]
    return np.bincount(codes[:, i] * cut.sizes[j] + codes[:, j], minlength=size).reshape(cut.sizes[i], cut.sizes[j])


def _texts(case: Case, a: Coded, cut: Grid, j: int, often: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[int, str]:
    """A text for each cell with rows enough."""
    if j >= len(a.num):
        name, codes = cut.names[j], cut.real[:, j]
        spots = {int(c): int(i) for c, i in zip(*np.unique(codes, return_index=True), strict=True)}
        levels = case.judge.frame[name]
        texts = {c: str(levels.iloc[i]) for c, i in spots.items() if often[c]}
        if cut.sizes[j] - 1 < a.sizes[j - len(a.num)]:  # the last cell is what is beyond the most frequent levels
            texts[cut.sizes[j] - 1] = "other levels"
        return {**texts, 0: "empty"}
    dated = case.kinds[cut.names[j]] == "datetime"
    x, codes = a.numbers[:, j], cut.real[:, j]
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(cut.sizes[j] + 1))
    texts = {0: "empty"}
    for cell in (np.flatnonzero(often[1:]) + 1).tolist():
        values = x[order[starts[cell] : starts[cell + 1]]]
        low, high = values.min(), values.max()
        texts[cell] = _one(low, dated) if low == high else f"{_one(low, dated, 3)} to {_one(high, dated, 3)}"
    return texts


def _one(value: float, dated: bool, digits: int = 10) -> str:
    """A number in a few digits (the end of a range is some person's), or a day."""
    if dated:
        return str(pd.Timestamp(0) + pd.Timedelta(seconds=value))[:10]
    if digits < 10 and value == round(value) and abs(value) < 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"
