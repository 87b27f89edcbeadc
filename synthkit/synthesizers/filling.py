"""The centre of each empty cell, from the law of its column given what the row knows.

A model that can tell these laws in one pass (``Model.conditionals``) needs no draws for it: the mean has no noise of
sampling, and a row's other gaps are left out of the conditions rather than filled by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.encoder import TableEncoder
from synthkit.layout import Encoded
from synthkit.models.base import Model
from synthkit.models.nets import nodes_of
from synthkit.schema import Boolean, Categorical, Numeric
from synthkit.synthesizers.centre import centre

__all__ = ["Centres", "Draws", "Point", "centred", "put"]

Point = Literal["mean", "median"]
_PLACES = 16  # inside a cell, at which its values are taken
_BLOCK = 4096
_DRAWS = 25  # of which the centre is taken, where a model cannot tell its conditionals


class Centres:
    """Central values of columns that are one node: numbers, categories, booleans.

    Args:
        encoder, model: fitted. Columns of several nodes (dates) and texts are not in ``columns``.
    """

    def __init__(self, encoder: TableEncoder, model: Model) -> None:
        self.encoder, self.model = encoder, model
        nodes = nodes_of(encoder.layout_)
        names = list(encoder.transformers_)
        by_column: dict[Hashable, list[int]] = {}
        for i, node in enumerate(nodes):
            by_column.setdefault(names[encoder.layout_.fields[node.field].column], []).append(i)
        kinds = encoder.schema_.columns
        self.columns = {
            name: at[0]
            for name, at in by_column.items()
            if len(at) == 1 and isinstance(kinds[name], (Numeric, Categorical, Boolean))
        }
        self._nodes = nodes

    def values(self, name: Hashable, places: int = _PLACES) -> pd.Series:
        """The values of a column's codes, each at some places inside its cell: codes x places of them, in order."""
        layout, node = self.encoder.layout_, self._nodes[self.columns[name]]
        grid = layout.empty(node.size * places)
        own = layout.fields[node.field].column
        for i, field in enumerate(layout.fields):
            if field.column != own:
                continue
            slot = layout.slot[i]
            if field.size:
                grid.cat_known[:, slot] = True
            if i == node.field:
                grid.cat[:, slot] = torch.arange(node.size).repeat_interleave(places).to(grid.cat.dtype)
            if not field.size:
                grid.num[:, slot] = ((torch.arange(places) + 0.5) / places).repeat(node.size)
                grid.num_known[:, slot] = True
        return self.encoder.decode(grid)[name]

    def fill(
        self, partial: Encoded, gaps: dict[Hashable, NDArray[np.bool_]], point: Point
    ) -> dict[Hashable, pd.Series] | None:
        """Central values of the gaps, in the columns' dtypes; None if the model cannot tell its conditionals.

        Args:
            gaps: per column, one of ``columns``, which rows are to be filled, ``(rows,)``.
        """
        laws = self.laws(partial, gaps)
        return None if laws is None else {name: self.centre(name, law, point) for name, law in laws.items()}

    def laws(
        self, partial: Encoded, cells: Mapping[Hashable, NDArray[np.bool_]]
    ) -> dict[Hashable, NDArray[np.float64]] | None:
        """Per column, the law of its codes given the other cells of each row, ``(chosen rows, codes)``.

        Args:
            cells: per column, which rows are asked for, ``(rows,)``; whether their cells are known changes nothing.
                Columns that are not in ``columns`` are left out.

        Returns:
            None if the model cannot tell its conditionals.
        """
        names = [name for name in cells if name in self.columns]
        found = self._laws(partial, {self.columns[name]: cells[name] for name in names})
        return None if found is None else {name: found[self.columns[name]] for name in names}

    def _laws(self, partial: Encoded, wanted: dict[int, NDArray[np.bool_]]) -> dict[int, NDArray[np.float64]] | None:
        device = next((t.device for t in self.model.parameters()), torch.device("cpu"))
        parts: dict[int, list[NDArray[np.float64]]] = {i: [] for i in wanted}
        rows = np.flatnonzero(np.any(list(wanted.values()), axis=0)) if wanted else np.empty(0, dtype=int)
        for at in _blocks(rows):
            laws = self.model.conditionals(partial.take(torch.from_numpy(at)).to(device))
            if laws is None:
                return None
            for i, gap in wanted.items():
                parts[i].append(laws[i][torch.from_numpy(gap[at]).to(device)].double().cpu().numpy())
        empty = {i: np.empty((0, self._nodes[i].size)) for i in wanted}
        return {i: np.concatenate([empty[i], *found]) for i, found in parts.items()}

    def centre(self, name: Hashable, law: NDArray[np.float64], point: Point) -> pd.Series:
        """``(n,)`` the centre of each law of a column ``(n, codes)``: ``point`` of numbers, else the likeliest."""
        values, kind = self.values(name), self.encoder.schema_.columns[name]
        if not isinstance(kind, Numeric):
            likely: pd.Series = values.iloc[law.argmax(1) * _PLACES].reset_index(drop=True)
            return likely
        numbers = values.to_numpy(dtype=float).reshape(-1, _PLACES)
        if point == "mean":
            best = law @ numbers.mean(1)
        else:  # the first cell that reaches half of the mass, and the place inside it
            total = law.cumsum(1)
            code = (total >= 0.5 * total[:, -1:]).argmax(1)
            row = np.arange(len(law))
            before = total[row, code] - law[row, code]
            inside = (0.5 * total[:, -1] - before) / np.maximum(law[row, code], 1e-30)
            best = numbers[code, np.clip((inside * _PLACES).astype(int), 0, _PLACES - 1)]
        digits = 0 if kind.integer else kind.decimals
        best = best if digits is None else np.round(best, digits)
        return pd.Series(best).astype(values.dtype)


class Draws:
    """Draws of the same table, each made when it is first asked for."""

    def __init__(self, draw: Callable[[int], pd.DataFrame]) -> None:
        self._draw, self._made = draw, dict[int, pd.DataFrame]()

    def __getitem__(self, i: int) -> pd.DataFrame:
        if i not in self._made:
            self._made[i] = self._draw(i)
        return self._made[i]


def centred(
    table: pd.DataFrame,
    centres: Centres,
    partial: Encoded,
    gaps: Mapping[Hashable, NDArray[np.bool_]],
    point: Point,
    draws: Draws,
) -> pd.DataFrame:
    """``table`` with each gap at its centre: from the model's conditional laws, or, where it cannot tell them and for
    columns of several nodes, from 25 draws.

    Args:
        table: in the encoder's dtypes; what stands in its gaps is not read. partial: the same, encoded.
    """
    exact = centres.fill(partial, dict(gaps), point) or {}
    table = table.copy()
    for name, gap in gaps.items():
        column = table[name].copy()
        if name in exact:
            column[gap] = exact[name].to_numpy()
        else:
            decimals = getattr(centres.encoder.schema_.columns[name], "decimals", None)
            column[gap] = centre([draws[i][name][gap] for i in range(_DRAWS)], decimals, point)
        table[name] = column
    return table


def put(table: pd.DataFrame, filled: pd.DataFrame, gaps: Mapping[Hashable, NDArray[np.bool_]]) -> pd.DataFrame:
    """``table`` with its gaps from ``filled``; everything else, dtypes too, as it is."""
    out = table.copy()
    for name, gap in gaps.items():
        cells, column = filled[name][gap], out[name].copy()
        column[gap] = (
            cells.set_axis(table.index[gap]).astype(column.dtype) if table.index.is_unique else cells.to_numpy()
        )
        out[name] = column
    return out


def _blocks(rows: NDArray[Any]) -> Iterable[NDArray[Any]]:
    return (rows[a : a + _BLOCK] for a in range(0, len(rows), _BLOCK))
