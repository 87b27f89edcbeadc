"""Rows in two dimensions, as counts of hexagons: no point of a real row is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.base import Table
from synthkit.metrics.tables import Coded
from synthkit.report.pictures import LEAST
from synthkit.report.svg import Figure, el, joined, percent, text

__all__ = ["Hexagons", "hexagons", "hexagons_figure"]

Floats = NDArray[np.float64]
_ROWS = 5000
_LEVELS = 20
_FEWEST = 100
_COLUMNS = 300
_MARGIN = 0.06


@dataclass(frozen=True)
class Hexagons:
    """Counts of real and synthetic rows on one grid of the two main directions.

    Attributes:
        x, y: centres, in units of the grid; radius: of a hexagon.
        real, synthetic: shares of rows; ``real`` is 0 where one to four rows lie, and ``few`` is true there.
        explained: share of the variance of real rows in the two directions.
    """

    x: Floats
    y: Floats
    radius: float
    real: Floats
    synthetic: Floats
    few: NDArray[np.bool_]
    explained: float


def _features(tables: list[Coded]) -> list[Floats]:
    """Columns on one scale: numbers as ranks among the real ones, categories as indicators; null is the middle."""
    real, blocks = tables[0], [[np.zeros((len(t), 0))] for t in tables]
    for j in range(min(len(real.num), _COLUMNS)):
        known = np.sort(real.numbers[~np.isnan(real.numbers[:, j]), j])
        if len(known) < 2 or known[0] == known[-1]:
            continue
        for block, table in zip(blocks, tables, strict=True):
            v = table.numbers[:, j]
            rank = (np.searchsorted(known, v, "left") + np.searchsorted(known, v, "right")) / (2 * len(known))
            block.append(np.where(np.isnan(v), 0.0, 3.46 * (rank - 0.5))[:, None])
    for j in range(min(len(real.cat), _COLUMNS)):
        levels = min(real.sizes[j], _LEVELS)
        share = np.bincount(real.codes[:, j] + 1, minlength=levels + 1)[1 : levels + 1] / len(real)
        scale = 1 / np.sqrt(max(float((share * (1 - share)).sum()), 1e-9))
        for block, table in zip(blocks, tables, strict=True):
            block.append(scale * ((table.codes[:, j][:, None] == np.arange(levels)) - share))
    return [np.concatenate(block, axis=1) for block in blocks]


def hexagons(real: Table, synthetic: Table, seed: int = 0) -> Hexagons | None:
    """Project rows on the two main directions (principal components) of the real rows, and count them.

    Returns ``None`` where there are too few rows or directions.
    """
    rng = np.random.default_rng(seed)
    tables = [t.head(_ROWS, rng).coded for t in (real, synthetic)]
    a, b = _features(tables)
    if a.shape[1] < 2 or len(a) < _FEWEST or len(b) < _FEWEST:
        return None
    centre = a.mean(0)
    values, vectors = np.linalg.eigh(np.cov((a - centre).T))
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    places = [(x - centre) @ axes for x in (a, b)]
    low, high = np.quantile(places[0], [0.01, 0.99], axis=0)
    if (high - low < 1e-9).any():
        return None
    unit = [(p - low) / (high - low) for p in places]
    return _counted(unit[0], unit[1], float(values[-2:].sum() / max(values.sum(), 1e-12)))


def _counted(a: Floats, b: Floats, explained: float) -> Hexagons:
    """Hexagonal cells: the nearer of two shifted grids of rectangles (Carr et al., 1987)."""
    step = 1.0 / min(22, max(5, int(np.sqrt(len(a) / 4))))
    tall = step * np.sqrt(3)
    keys, sizes = [], (len(a), len(b))
    a, b = (p[((p > -_MARGIN) & (p < 1 + _MARGIN)).all(1)] for p in (a, b))  # a few rows lie far out: not drawn
    for points in (a, b):
        first = np.round(points / [step, tall])
        second = np.floor(points / [step, tall]) + 0.5
        gap = [((points - grid * [step, tall]) ** 2).sum(1) for grid in (first, second)]
        keys.append(np.where((gap[0] <= gap[1])[:, None], first, second) * 2)
    cells, at = np.unique(np.concatenate(keys).round().astype(np.int64), axis=0, return_inverse=True)
    at = at.reshape(-1)
    n_real, n_synthetic = (np.bincount(k, minlength=len(cells)) for k in (at[: len(a)], at[len(a) :]))
    few = (n_real > 0) & (n_real < LEAST)
    real = np.where(n_real < LEAST, 0, n_real) / sizes[0]
    x, y = cells[:, 0] / 2 * step, cells[:, 1] / 2 * tall
    return Hexagons(x, y, step / np.sqrt(3), real, n_synthetic / sizes[1], few, explained)


def hexagons_figure(found: Hexagons, kind: str, least: float) -> Figure:
    """One panel: ``"real"``, ``"synthetic"``, or their ``"difference"``.

    Args:
        found: the counts.
        kind: which panel.
        least: the share of rows below which a synthetic cell is not drawn, nor a difference.
    """
    width, height, pad = 300, 300, 18.0
    body = ""
    wide = (width - 2 * pad) / (1 + 2 * _MARGIN)
    if kind == "difference":
        known = np.maximum(found.real, found.synthetic) >= least
        # where one to four real rows lie, the difference to their number is not told
        value = np.where(known & ~(found.few & (found.synthetic < 2 * least)), found.synthetic - found.real, 0.0)
    else:
        value = found.real if kind == "real" else np.where(found.synthetic >= least, found.synthetic, 0.0)
    most = max(float(np.maximum(found.real, found.synthetic).max()), 1e-9)
    ring = np.deg2rad(np.arange(6) * 60 + 30)
    for k in np.flatnonzero(value):
        cx, cy = pad + (found.x[k] + _MARGIN) * wide, height - pad - (found.y[k] + _MARGIN) * wide
        r = found.radius * wide
        shape = joined((cx + r * np.cos(t), cy + r * np.sin(t)) for t in ring) + "Z"
        class_ = {"real": "fewer", "synthetic": "more"}.get(kind, "more" if value[k] > 0 else "fewer")
        opacity = round(0.1 + 0.9 * float(np.sqrt(abs(value[k]) / most)), 2)
        real = f"fewer than {LEAST} rows" if found.few[k] or found.real[k] == 0 else percent(float(found.real[k]))
        tip = f"real {real}, synthetic {percent(float(found.synthetic[k]))}"
        body += el("path", d=shape, class_=class_, fill_opacity=opacity, data_tip=tip)
    body += el("path", d=f"M{pad} {pad}V{height - pad}H{width - pad}", class_="axis")
    body += text("first direction", width - pad, height - 4, "mut end")
    return Figure(body, width, height, f"Density of {kind} rows in two directions")
