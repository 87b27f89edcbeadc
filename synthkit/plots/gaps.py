"""The picture of what is missing: the share of each column, and the patterns of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import SchemaError
from synthkit.params import InstanceOf, check
from synthkit.report.svg import Figure, el, percent, short, text

__all__ = ["missing"]

_LEAST = 5  # rows that a pattern must have to be drawn, as with all pictures
_COLUMNS, _PATTERNS = 40, 12
_NAME, _BAR, _CELL, _ROW = 150, 160, 26, 18


def missing(table: pd.DataFrame) -> Figure:
    """Which columns have gaps, and which are empty together: bars of shares, and the commonest patterns of rows.

    The emptiest 40 columns and the 12 commonest patterns are drawn; a pattern of fewer than five rows is not.

    Returns:
        A figure, which a notebook shows and ``save("missing.svg")`` writes.

    Raises:
        ParamError: no DataFrame. SchemaError: it has no rows or columns.

    Example:
        >>> from synthkit import plots
        >>> plots.missing(pd.DataFrame({"a": [1.0, None] * 10, "b": range(20)}))
        <Figure: missing cells: 10 of 40, in 1 of 2 columns>
    """
    check("plots.missing", "table", table, InstanceOf(pd.DataFrame))
    if table.empty:
        raise SchemaError("plots.missing: argument 'table' has no rows or no columns.")
    gaps = table.isna().to_numpy()
    some = int(gaps.any(0).sum())
    title = f"missing cells: {int(gaps.sum()):,} of {gaps.size:,}, in {some} of {gaps.shape[1]} columns"
    order = np.argsort(-gaps.sum(0), kind="stable")[: min(some, _COLUMNS)]
    patterns, counts = _patterns(gaps[:, order])
    body = text(title, 14, 20, "b")
    left = 14 + _NAME + _BAR + 60
    for k, count in enumerate(counts):
        body += text(percent(count / len(table)), left + k * (_CELL + 14), 44)
    for r, j in enumerate(order):
        y = 54 + r * _ROW
        share = float(gaps[:, j].mean())
        body += text(short(str(table.columns[j]), 22), 14, y + 12)
        body += el("rect", x=14 + _NAME, y=y + 2, width=max(_BAR * share, 1.0), height=_ROW - 5, class_="rbar")
        body += text(percent(share), 20 + _NAME + _BAR * share, y + 12)
        for k in range(len(counts)):
            seen = "rbar" if patterns[k, r] else "none"
            body += el("rect", x=left + k * (_CELL + 14), y=y + 2, width=_CELL, height=_ROW - 5, class_=seen)
    if len(counts):
        body += text("patterns of rows, by their share of all rows", left, 66 + len(order) * _ROW)
    return Figure(body, left + max(len(counts), 6) * (_CELL + 14) + 14, 80 + len(order) * _ROW, title)


def _patterns(gaps: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    rows = gaps[gaps.any(1)]
    if not len(rows):
        return rows, np.empty(0, dtype=np.int64)
    found, counts = np.unique(rows, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= _LEAST][:_PATTERNS]
    return found[order], counts[order]
