"""The benchmark series, and how they are split in time. Written down by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from synthkit.errors import ParamError
from synthkit.metrics import split_blocks

__all__ = ["NAMES", "SeriesSplit", "load_fan", "load_series"]

WINDOW = 24
NAMES = ("google_stock", "sp500_20_daily", "ETTh1", "exchange_rate", "appliances_energy")
_PAST = 0.8  # of time; the rest is for what goes on from a history


@dataclass(frozen=True)
class SeriesSplit:
    """A series, cut in two; ``time`` is a column of dates, or of row numbers where there are none."""

    name: str
    train: pd.DataFrame
    holdout: pd.DataFrame
    time: str
    entity: str | None = None


def whole(name: str, data_dir: str | Path) -> tuple[pd.DataFrame, str, str | None]:
    """The table, its column of time, and that of entities.

    Raises:
        ParamError: an unknown name.
    """
    if name not in NAMES:
        raise ParamError(f"series: there is no series {name!r}; there are {', '.join(NAMES)}.")
    table = pd.read_csv(Path(data_dir) / f"{name}.csv.gz")
    if "date" not in table:
        table.insert(0, "t", np.arange(len(table)))
        return table, "t", None
    table["date"] = pd.to_datetime(table["date"])
    return table, "date", "Name" if "Name" in table else None


def load_series(name: str, data_dir: str | Path, *, dev: bool = True) -> SeriesSplit:
    """Alternating blocks of the first 80 % of time, a window's rows purged between them.

    Final: of six stretches (two of a short series) the last quarter is held out. Dev: each training block of that is
    cut in the same way, so that no held-out row of the final split is seen.
    """
    table, time, entity = whole(name, data_dir)
    times = np.sort(table[time].unique())
    times = times[: int(_PAST * len(times))]
    train, held = split_blocks(len(times), blocks=int(np.clip(len(times) // 450, 2, 6)), purge=WINDOW)
    if dev:
        blocks = np.split(train, np.flatnonzero(np.diff(train) > 1) + 1)
        parts = [tuple(b[p] for p in split_blocks(len(b), blocks=1, purge=WINDOW)) for b in blocks]
        train, held = (np.concatenate(side) for side in zip(*parts, strict=True))
    sides = [table[table[time].isin(times[rows])].reset_index(drop=True) for rows in (train, held)]
    return SeriesSplit(name, sides[0], sides[1], time, entity)


def load_fan(name: str, data_dir: str | Path, *, dev: bool = True) -> SeriesSplit:
    """The last 20 % of time held out; dev: the last 20 % of the rest, which the blocks of the final split share."""
    table, time, entity = whole(name, data_dir)
    times = np.sort(table[time].unique())
    end = int(_PAST * len(times)) if dev else len(times)
    cut = times[int(_PAST * end)]
    known = table[table[time] <= times[end - 1]]
    early = known[time] < cut
    return SeriesSplit(name, known[early].reset_index(drop=True), known[~early].reset_index(drop=True), time, entity)
