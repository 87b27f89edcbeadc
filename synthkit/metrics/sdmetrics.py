"""SDMetrics' own quality report. The one file that imports sdmetrics, and only when called."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from synthkit.errors import SchemaError
from synthkit.metrics.tables import Kinds

__all__ = ["QualityScores", "metadata_of", "quality_report"]

_SDTYPES = {"numeric": "numerical", "categorical": "categorical", "datetime": "datetime"}


@dataclass(frozen=True)
class QualityScores:
    """SDMetrics' scores, 1 is best.

    Attributes:
        shape: mean over columns; trend: mean over pairs.
        shapes: score per column; trends: score per pair (NaN where SDMetrics could not compute one).
    """

    shape: float
    trend: float
    shapes: Mapping[Hashable, float]
    trends: Mapping[tuple[Hashable, Hashable], float]


def metadata_of(kinds: Kinds) -> dict[str, Any]:
    """The metadata dict of SDMetrics for columns of these kinds.

    >>> metadata_of({"age": "numeric"})
    {'columns': {'age': {'sdtype': 'numerical'}}}
    """
    return {"columns": {name: {"sdtype": _SDTYPES[kind]} for name, kind in kinds.items()}}


def quality_report(
    real: pd.DataFrame, synthetic: pd.DataFrame, metadata: Mapping[str, Any], *, seed: int = 0
) -> QualityScores:
    """Column shapes and column pair trends of SDMetrics 0.32, over *all* pairs.

    Since 0.32 SDMetrics leaves weakly related pairs out by default; the published tables count all, so both thresholds
    are 0 here. numpy's and Python's global random states are seeded for the report and put back after it.

    Args:
        real, synthetic: tables with the metadata's columns; others are ignored. Column names are strings.
        metadata: ``{"columns": {name: {"sdtype": ...}}}``, of :func:`metadata_of` or a schema's ``to_sdmetrics()``;
            or SDMetrics' form ``{"tables": {name: ...}}`` of one table.
        seed: of whatever SDMetrics draws.

    Raises:
        SchemaError: the metadata name no column, or one that a table lacks.
    """
    from sdmetrics.reports import QualityReport  # type: ignore[import-untyped,unused-ignore]

    table = dict(next(iter(metadata["tables"].values())) if "tables" in metadata else metadata)
    columns = list(table.get("columns", {}))
    if not columns:
        raise SchemaError("quality_report: argument 'metadata' names no column; pass metadata_of(kinds).")
    missing = [c for c in columns if c not in real.columns or c not in synthetic.columns]
    if missing:
        raise SchemaError(f"quality_report: column {missing[0]!r} is missing from one of the tables.")
    report = QualityReport()
    report.real_correlation_threshold = report.real_association_threshold = 0
    with _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SDMetrics warns of constant columns and of its own pandas use
        report.generate(
            {"table": real[columns].copy()},
            {"table": synthetic[columns].copy()},
            {"tables": {"table": table}, "relationships": []},
            verbose=False,
        )
        scores = report.get_properties().set_index("Property")["Score"]
        shapes = report.get_details("Column Shapes")
        trends = report.get_details("Column Pair Trends")
    pairs = zip(trends["Column 1"], trends["Column 2"], strict=True)
    return QualityScores(
        float(scores["Column Shapes"]),
        float(scores["Column Pair Trends"]),
        dict(zip(shapes["Column"], shapes["Score"].astype(float), strict=True)),
        dict(zip(pairs, trends["Score"].astype(float), strict=True)),
    )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The two global generators that SDMetrics may use, seeded inside and restored after."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
