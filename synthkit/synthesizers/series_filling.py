"""Fill the empty cells of a table of long series: centres, or joint draws of all gaps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError
from synthkit.runtime import entropy
from synthkit.series.gap_tables import GapTable

if TYPE_CHECKING:
    from synthkit.synthesizers.series import SeriesBackend

__all__ = ["filled_tables", "put_cells"]

Floats = NDArray[np.float64]
_LEAST = 20  # rows before the end, for the model to go on from


def filled_tables(
    backend: SeriesBackend, table: pd.DataFrame, *, mode: str, point: str, n: int, seed: int | None
) -> pd.DataFrame:
    """See ``SequenceSynthesizer.impute``."""
    if backend.filler is None:
        raise ParamError(
            "SequenceSynthesizer.impute: the file was written before series were filled, and says nothing of it; fit "
            "the synthesizer anew."
        )
    seed = entropy(None) if seed is None else seed
    filler = backend.filler
    laid = filler.lay_out(table, "impute")
    if not laid.gaps:
        tables = [table.copy() for _ in range(n)]
    else:
        draws = n if mode == "draw" else 0
        mean, median, _ = filler.fill(laid, 0, 0)
        if mode == "point":
            wholes: Any = [mean if point == "mean" else median]
        else:
            ahead = _ahead(backend, table, laid, median, draws, entropy(seed, 1))
            wholes = filler.fill(laid, draws, entropy(seed, 0), ahead=ahead)[2]
        tables = [put_cells(table, laid.gaps, filler.cells(laid, whole)) for whole in wholes]
    return tables[0] if n == 1 else pd.concat(tables, keys=range(n), names=["imputation", *table.index.names])


def put_cells(
    table: pd.DataFrame, gaps: Mapping[Hashable, NDArray[np.bool_]], cells: Mapping[Hashable, pd.Series]
) -> pd.DataFrame:
    """``table`` with ``cells`` in its gaps; all else, dtypes too, as it is."""
    out = table.copy()
    for name, gap in gaps.items():
        column = out[name].copy()
        column.iloc[np.flatnonzero(gap)] = cells[name].astype(column.dtype).array
        out[name] = column
    return out


def _ahead(
    backend: SeriesBackend, table: pd.DataFrame, laid: GapTable, median: Floats, n: int, seed: int
) -> dict[int, Floats]:
    """Rows at the end that are all empty, as the model goes on: row of the matrix -> ``(n, Q)``."""
    encoder = backend.encoder
    known = np.flatnonzero(~np.isnan(laid.values[:, encoder.frame_.active]).all(1))
    if not len(known) or known[-1] == len(laid.rows) - 1 or known[-1] < laid.starts[-1] + _LEAST:
        return {}
    end = int(known[-1])
    assert backend.filler is not None
    whole = put_cells(table, laid.gaps, backend.filler.cells(laid, median))
    coded = encoder.encode(whole[laid.place <= end], "impute")
    steps = len(laid.rows) - 1 - end
    drawn, rows, states = backend.ahead(coded, steps, n, seed)
    values = encoder.values(drawn, rows, states)
    encoder.texture_.apply(values, rows, entropy(seed, 1), coded.values[-1])
    return {end + 1 + k: values[:, k] for k in range(steps)}
