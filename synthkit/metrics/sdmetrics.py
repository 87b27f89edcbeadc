"""SDMetrics' own reports and metrics, from our schemas. The one file that imports sdmetrics, and only when called.

What is done for the caller: metadata are made from a schema or from kinds; every pair of columns counts; the global
random states, which SDMetrics draws from, are seeded and put back; tables are copied before they are handed over.

Where ours differ from SDMetrics' metrics of a like name, and why:

- *NewRowSynthesis* asks a query per row (5 ms each). :func:`run_metric` computes the same number by
  :func:`synthkit.metrics.new_rows.new_row_share`.
- *DCROverfittingProtection* is ``min(1, 2 (1 - s))``, where ``s`` is the share of synthetic rows strictly nearer to the
  training rows than to the holdout. A row as near to both counts as nearer to the *holdout*, so that a table of few
  distinct rows looks safe. :func:`synthkit.metrics.dcr_share` halves ties, takes equally many rows of both, and is
  not cut: 0.5 is best. Columns of sdtype "ordinal" do not enter SDMetrics' distance; ours enter. SDMetrics joins every
  row with every row as a DataFrame (2 s for 1,000 rows, 200 s for 10,000); ours works on arrays, in blocks.
- *DCRBaselineProtection* is the median distance divided by that of uniform noise, cut at 1. Any half-way realistic
  table lies nearer to the data than noise does; ours stands beside the distances of a holdout.
- *CategoricalCAP*, *DisclosureProtection* and the like report how often an attacker is right, without asking how often
  they would be right about people who are not in the table. Ours report the difference to such a control.
- *LogisticDetection* is ``1 - mean(max(2 AUC - 1, 0))`` of a regression without interactions or levels: independent
  columns score nearly 1. See :func:`synthkit.metrics.detection_auc`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import random
import warnings
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.new_rows import new_row_share
from synthkit.metrics.tables import Kind, Kinds
from synthkit.schema import Schema

__all__ = [
    "NAMES",
    "DiagnosticScores",
    "QualityScores",
    "diagnostic_report",
    "metadata_of",
    "quality_report",
    "run_metric",
]

NAMES = (
    "BNLikelihood",
    "BNLogLikelihood",
    "BinaryAdaBoostClassifier",
    "BinaryDecisionTreeClassifier",
    "BinaryLogisticRegression",
    "BinaryMLPClassifier",
    "BoundaryAdherence",
    "CSTest",
    "CategoricalCAP",
    "CategoricalGeneralizedCAP",
    "CategoricalKNN",
    "CategoricalNB",
    "CategoricalRF",
    "CategoricalSVM",
    "CategoricalZeroCAP",
    "CategoryCoverage",
    "ContingencySimilarity",
    "ContinuousKLDivergence",
    "CorrelationSimilarity",
    "DCRBaselineProtection",
    "DCROverfittingProtection",
    "DisclosureProtection",
    "DisclosureProtectionEstimate",
    "DiscreteKLDivergence",
    "EqualizedOddsImprovement",
    "GMLogLikelihood",
    "KSComplement",
    "LinearRegression",
    "LogisticDetection",
    "MLPRegressor",
    "MissingValueSimilarity",
    "MulticlassDecisionTreeClassifier",
    "MulticlassMLPClassifier",
    "NewRowSynthesis",
    "NumericalLR",
    "NumericalMLP",
    "NumericalRadiusNearestNeighbor",
    "NumericalSVR",
    "RangeCoverage",
    "SVCDetection",
    "StatisticSimilarity",
    "TVComplement",
    "TableStructure",
)
Metadata = Schema | Mapping[Any, Any]
_KINDS: dict[str, Kind] = {
    "numerical": "numeric",
    "categorical": "categorical",
    "boolean": "categorical",
    "ordinal": "categorical",
    "datetime": "datetime",
}
_SDTYPES = {"numeric": "numerical", "categorical": "categorical", "datetime": "datetime"}


@dataclass(frozen=True)
class DiagnosticScores:
    """SDMetrics' diagnostic scores, 1 is best.

    Attributes:
        validity: mean over columns: are values inside the real range, and among the real categories?
        structure: are columns and dtypes those of the real table?
        columns: validity per column.
    """

    validity: float
    structure: float
    columns: Mapping[Hashable, float]


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


def quality_report(real: pd.DataFrame, synthetic: pd.DataFrame, metadata: Metadata, *, seed: int = 0) -> QualityScores:
    """Column shapes and column pair trends of SDMetrics 0.32, over *all* pairs.

    Since 0.32 SDMetrics leaves weakly related pairs out by default; the published tables count all, so both thresholds
    are 0 here. numpy's and Python's global random states are seeded for the report and put back after it.

    Args:
        real, synthetic: tables with the metadata's columns; others are ignored. Column names are strings.
        metadata: a :class:`~synthkit.Schema`; kinds; ``{"columns": {name: {"sdtype": ...}}}``, of :func:`metadata_of`
            or a schema's ``to_sdmetrics()``; or SDMetrics' form ``{"tables": {name: ...}}`` of one table.
        seed: of whatever SDMetrics draws.

    Raises:
        SchemaError: the metadata name no column, or one that a table lacks; or sdmetrics is not installed.
    """
    table, columns = _table_of("quality_report", metadata, real, synthetic)
    report = _imported("quality_report", "sdmetrics.reports").QualityReport()
    report.real_correlation_threshold = report.real_association_threshold = 0
    with _quiet(seed):
        report.generate(*_unified(real[columns], synthetic[columns], table), verbose=False)
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


def diagnostic_report(
    real: pd.DataFrame, synthetic: pd.DataFrame, metadata: Metadata, *, seed: int = 0
) -> DiagnosticScores:
    """Data validity and data structure of SDMetrics' diagnostic report.

    Args, Raises: see :func:`quality_report`.
    """
    table, columns = _table_of("diagnostic_report", metadata, real, synthetic)
    report = _imported("diagnostic_report", "sdmetrics.reports").DiagnosticReport()
    with _quiet(seed):
        report.generate(*_unified(real[columns], synthetic[columns], table), verbose=False)
        scores = report.get_properties().set_index("Property")["Score"]
        details = report.get_details("Data Validity")
    return DiagnosticScores(
        float(scores["Data Validity"]),
        float(scores["Data Structure"]),
        dict(zip(details["Column"], details["Score"].astype(float), strict=True)),
    )


def run_metric(
    name: str,
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    metadata: Metadata,
    *,
    holdout: pd.DataFrame | None = None,
    seed: int = 0,
    **options: Any,
) -> float:
    """A single-table metric of SDMetrics by its name.

    Booleans and ordered categories are handed over as plain categories, since some metrics leave them out
    otherwise; every pair of columns counts; NewRowSynthesis is computed by our own code.

    Args:
        name: one of ``NAMES``.
        real, synthetic: tables with the metadata's columns.
        metadata: see :func:`quality_report`.
        holdout: real rows that the generator did not see, where the metric takes such: the test rows of the efficacy
            metrics (by default ``real``), the validation rows of DCROverfittingProtection and EqualizedOddsImprovement.
        seed: of whatever SDMetrics draws.
        options: the metric's own arguments, such as ``target``, ``key_fields``, ``num_rows_subsample``.

    Returns:
        The score; in SDMetrics' direction. NaN where SDMetrics finds nothing to compute.

    Raises:
        ParamError: an unknown name or option, or a holdout is missing.
        SchemaError: see :func:`quality_report`; or SDMetrics cannot compute the metric.
    """
    if name not in NAMES:
        raise ParamError(f"run_metric: argument 'name' must be one of {', '.join(NAMES)}, got {name!r}.")
    table, columns = _table_of("run_metric", metadata, real, synthetic)
    if name == "NewRowSynthesis":
        return _new_rows(real[columns], synthetic[columns], table, seed, options)
    metric = getattr(_imported("run_metric", "sdmetrics.single_table"), name)
    takes = inspect.signature(metric.compute).parameters
    if unknown := [key for key in options if key not in takes and "kwargs" not in takes]:
        raise ParamError(f"run_metric: argument {unknown[0]!r} is none of {name}'s.")
    if "real_validation_data" in takes and holdout is None:
        raise ParamError(f"run_metric: argument 'holdout': {name} needs rows that the generator did not see.")
    first = holdout if "test_data" in takes and holdout is not None else real
    given: list[Any] = [first, synthetic, *([holdout] if "real_validation_data" in takes else [])]
    plain = {"columns": {c: {**meta, "sdtype": _plain(meta["sdtype"])} for c, meta in table["columns"].items()}}
    given = [_as_text(frame[columns], table) for frame in given]
    fixed = {"metadata": plain, "table_name": None, "verbose": False}
    options = {**{key: value for key, value in fixed.items() if key in takes}, **options}
    try:
        with _quiet(seed), _own_seed(metric, seed):
            return float(metric.compute(*given, **options))
    except Exception as error:  # whatever SDMetrics raises: it has no base class of its own for that
        raise SchemaError(
            f"run_metric: {name} cannot be computed of these columns with these options ({type(error).__name__}); see "
            "the error above, and SDMetrics' documentation of it."
        ) from error


def _new_rows(
    real: pd.DataFrame, synthetic: pd.DataFrame, table: Mapping[str, Any], seed: int, options: dict[str, Any]
) -> float:
    tolerance = options.pop("numerical_match_tolerance", 0.01)
    size = options.pop("synthetic_sample_size", None)
    if options:
        raise ParamError(f"run_metric: argument {next(iter(options))!r} is none of NewRowSynthesis's.")
    if size is not None and size < len(synthetic):
        synthetic = synthetic.sample(size, random_state=seed)
    sdtypes = {name: meta["sdtype"] for name, meta in table["columns"].items()}
    kinds = {name: _KINDS[sdtype] for name, sdtype in sdtypes.items() if sdtype in _KINDS}
    return new_row_share(real, synthetic, kinds=kinds, tolerance=tolerance)


# -------------------------------------------------------------------- what SDMetrics is handed
def _imported(caller: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SchemaError(f"{caller}: needs the package sdmetrics; install it (it wants pandas below 3).") from error


def _table_of(
    caller: str, metadata: Metadata, real: pd.DataFrame, synthetic: pd.DataFrame
) -> tuple[dict[str, Any], list[Hashable]]:
    """Metadata of one table, and its columns, which both tables have."""
    if hasattr(metadata, "to_sdmetrics"):
        metadata = metadata.to_sdmetrics()
    elif metadata and all(isinstance(value, str) for value in metadata.values()):
        metadata = metadata_of(metadata)
    table = dict(next(iter(metadata["tables"].values())) if "tables" in metadata else metadata)
    columns = list(table.get("columns", {}))
    if not columns:
        raise SchemaError(f"{caller}: argument 'metadata' names no column; pass metadata_of(kinds).")
    missing = [c for c in columns if c not in real.columns or c not in synthetic.columns]
    if missing:
        raise SchemaError(f"{caller}: column {missing[0]!r} is missing from one of the tables.")
    return table, columns


def _unified(real: pd.DataFrame, synthetic: pd.DataFrame, table: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The arguments of a report that knows of several tables."""
    return {"table": real.copy()}, {"table": synthetic.copy()}, {"tables": {"table": table}, "relationships": []}


def _plain(sdtype: str) -> str:
    return "categorical" if sdtype in ("boolean", "ordinal") else sdtype


def _as_text(frame: pd.DataFrame, table: Mapping[str, Any]) -> pd.DataFrame:
    """A copy with booleans as text, which SDMetrics sorts among categories."""
    out = frame.copy()
    for name, meta in table["columns"].items():
        if _plain(meta["sdtype"]) == "categorical" and pd.api.types.is_bool_dtype(out[name].dtype):
            out[name] = out[name].astype(object).map({True: "True", False: "False"})
    return out


@contextlib.contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Seeded, and without SDMetrics' warnings: of constant columns, of its own use of pandas."""
    with _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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


@contextlib.contextmanager
def _own_seed(metric: Any, seed: int) -> Iterator[None]:
    """DCRBaselineProtection draws from a generator of its own, which only this attribute of its class seeds."""
    had = "_seed" in vars(metric)
    before = getattr(metric, "_seed", None)
    metric._seed = seed
    try:
        yield
    finally:
        if had:
            metric._seed = before
        else:
            del metric._seed
