"""Records over time, given to ``evaluate``: checked, cut to the level's size by entity, and made into panels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.base import LEVELS, Level
from synthkit.metrics.tables import Coded, Kinds, code_tables, kinds_of
from synthkit.metrics.temporal_panel import Panel, flat, panels
from synthkit.metrics.temporal_report import PanelRun
from synthkit.params import Interval, OneOf, check
from synthkit.report.cases import MAX_ROWS, Cases
from synthkit.report.inputs import build_cases
from synthkit.schema import Schema

__all__ = ["PanelInput", "PanelTables", "build_panels", "independent"]

_NAMED = 12  # levels of a category that pictures may name

Frames = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class PanelTables:
    """The panels behind a report, for its pictures.

    Attributes:
        real, synthetic, holdout: made together.
        labels: of each category, the names of its most frequent levels, by code.
    """

    real: Panel
    synthetic: Panel
    holdout: Panel | None
    labels: Mapping[Hashable, tuple[str, ...]]


@dataclass(frozen=True)
class PanelInput:
    """What was given, checked.

    Attributes:
        runs: what measures the panels, and tables: for pictures; both by the name of the synthetic table.
        cases: of one record per entity, for the metrics of single rows.
        given: per table (entities, records) as given; used: as judged. Synthetic ones are ``"synthetic NAME"``.
    """

    runs: Mapping[str, PanelRun]
    tables: Mapping[str, PanelTables]
    cases: Cases
    given: Mapping[str, tuple[int, int]]
    used: Mapping[str, tuple[int, int]]

    @property
    def run(self) -> PanelRun:
        """One of the runs: what does not depend on the synthetic table is the same in all."""
        return next(iter(self.runs.values()))

    def of(self, name: str) -> dict[str, str]:
        """The tables of one report, by what they are, as ``given`` and ``used`` name them."""
        there = {"real": "real", "synthetic": f"synthetic {name}", "holdout": "holdout"}
        return {role: key for role, key in there.items() if key in self.given}


def build_panels(
    real: pd.DataFrame,
    synthetic: Mapping[str, pd.DataFrame],
    holdout: pd.DataFrame | None,
    *,
    entity: Hashable,
    time: Hashable | None,
    context: Sequence[Hashable] | None,
    schema: Schema | None,
    target: Hashable | None,
    kinds: Kinds | None,
    level: Level,
    seed: int,
    secrets: Sequence[Hashable] = (),
) -> PanelInput:
    """Check tables and arguments, and make panels and cases.

    Raises:
        SchemaError, ParamError: see :func:`synthkit.evaluate`.
    """
    check("evaluate", "level", level, OneOf(*LEVELS))
    check("evaluate", "seed", seed, Interval(int, 0, 2**32 - 1))
    if schema is not None and not isinstance(schema, Schema):
        raise ParamError(f"evaluate: argument 'schema' must be a Schema, got a {type(schema).__name__}.")
    if isinstance(context, str) or not (context is None or isinstance(context, Sequence)):
        raise ParamError("evaluate: argument 'context' must be a list of columns, or None.")
    named = {f"synthetic {name}": table for name, table in synthetic.items()}
    given = {"real": real, **named} | ({} if holdout is None else {"holdout": holdout})
    seeds = {"real": 0, "holdout": 2} | {name: k + 2 if k else 1 for k, name in enumerate(named)}
    shown = {"synthetic synthetic": "synthetic"}
    frames = {name: _plain(shown.get(name, name), table, entity, time) for name, table in given.items()}
    if holdout is not None:
        _apart(frames["real"][entity], frames["holdout"][entity], entity)
    whole = {name: (frame[entity].nunique(), len(frame)) for name, frame in frames.items()}
    frames = {n: _at_most(f, entity, MAX_ROWS[level], [seed, 5, seeds[n]]) for n, f in frames.items()}
    keys = [entity] if time is None else [entity, time]
    schema = Schema.infer(frames["real"].drop(columns=keys)) if schema is None else _without(schema, keys)
    kinds = {n: kind for n, kind in (kinds or kinds_of(schema)).items() if n not in keys}
    # the cases first: their errors say which table lacks what
    records = {n: _one_each(f, entity, [seed, 7, seeds[n]]).drop(columns=keys) for n, f in frames.items()}
    known: dict[str, Any] = {"schema": schema, "target": target, "kinds": kinds, "level": level, "seed": seed}
    several = {name: records[f"synthetic {name}"] for name in synthetic}
    cases = build_cases(records["real"], several, records.get("holdout"), secrets=secrets, **known)
    made = dict(zip(frames, _panels(frames, entity, time, context, kinds), strict=True))
    judged = {name: made[f"synthetic {name}"] for name in synthetic}
    fewest = min(map(len, judged.values()))
    held, labels = made.get("holdout"), _labels(frames, kinds)
    how: dict[str, Any] = {"target": target, "seed": seed, "quick": level == "quick", "fewest": fewest}
    how["secrets"] = tuple(secrets)
    runs = {n: PanelRun(made["real"], p, held, **how) for n, p in judged.items()}
    tables = {n: PanelTables(made["real"], p, held, labels) for n, p in judged.items()}
    used = {name: (len(panel), panel.rows) for name, panel in made.items()}
    return PanelInput(runs, tables, cases, whole, used)


def _panels(
    frames: Frames, entity: Hashable, time: Hashable | None, context: Sequence[Hashable] | None, kinds: Kinds
) -> tuple[Panel, ...]:
    try:
        return panels(*frames.values(), entity=entity, time=time, context=context, kinds=kinds)
    except (SchemaError, ParamError) as error:
        raise type(error)(f"evaluate: {str(error).removeprefix('panels: ')}") from None


def _plain(name: str, table: pd.DataFrame, entity: Hashable, time: Hashable | None) -> pd.DataFrame:
    if time is not None and entity == time:
        raise ParamError("evaluate: arguments 'entity' and 'time' name one column; name two.")
    if isinstance(table, pd.DataFrame) and not len(table):
        raise SchemaError(f"evaluate: the table {name!r} has no rows; pass records of two entities at least.")
    try:
        return flat(table, entity, time)
    except SchemaError as error:
        raise SchemaError(f"evaluate: the table {name!r}: {str(error).removeprefix('panels: ')}") from None


def _apart(real: pd.Series[Any], holdout: pd.Series[Any], entity: Hashable) -> None:
    both = int(pd.Index(real.unique()).isin(holdout.unique()).sum())
    if both:
        raise SchemaError(
            f"evaluate: {both} entities of column {entity!r} are in 'real' and in 'holdout'; a holdout has to be other "
            "entities: split by entity, and not by row."
        )


def _without(schema: Schema, keys: Sequence[Hashable]) -> Schema:
    return schema.project([name for name in schema.columns if name not in keys])


def _at_most(frame: pd.DataFrame, entity: Hashable, rows: int, seed: list[int]) -> pd.DataFrame:
    """As many whole entities as have so many rows; two at least."""
    if len(frame) <= rows:
        return frame
    owner, names = pd.factorize(frame[entity])
    order = np.random.default_rng(seed).permutation(len(names))
    fits = np.cumsum(np.bincount(owner)[order]) <= rows
    keep = np.zeros(len(names), np.bool_)
    keep[order[: max(2, int(fits.sum()))]] = True
    return frame[keep[owner]].reset_index(drop=True)


def _one_each(frame: pd.DataFrame, entity: Hashable, seed: list[int]) -> pd.DataFrame:
    """One record of each entity, drawn: such rows are independent, and no entity is on both sides of a comparison."""
    order = np.random.default_rng(seed).permutation(len(frame))
    first = ~frame[entity].take(order).duplicated().to_numpy()
    return frame.take(np.sort(order[first])).reset_index(drop=True)


def _labels(frames: Frames, kinds: Kinds) -> dict[Hashable, tuple[str, ...]]:
    """Names of the most frequent levels, by the codes that panels have."""
    categorical: Kinds = {name: kind for name, kind in kinds.items() if kind == "categorical"}
    if not categorical:
        return {}
    coded = Coded.concat(code_tables(*frames.values(), kinds=categorical))
    out = {}
    for j, name in enumerate(coded.cat):
        cells = np.concatenate([frame[name].astype(object).to_numpy() for frame in frames.values()])
        codes, first = np.unique(coded.codes[:, j], return_index=True)
        out[name] = tuple(str(cells[at]) for code, at in zip(codes, first, strict=True) if 0 <= code < _NAMED)
    return out


def independent(panel: Panel, seed: int) -> Panel:
    """The entities with every column shuffled by itself: context between entities, all others between rows.

    Lengths and times stay: marginals without any dependence.
    """
    rng = np.random.default_rng([seed, 3])
    numbers, codes = panel.coded.numbers.copy(), panel.coded.codes.copy()
    for name in panel.kinds:
        order = _order(panel, rng, name in panel.context)
        if name in panel.coded.num:
            j = panel.coded.num.index(name)
            numbers[:, j] = numbers[order, j]
        else:
            j = panel.coded.cat.index(name)
            codes[:, j] = codes[order, j]
    return replace(panel, coded=replace(panel.coded, numbers=numbers, codes=codes))


def _order(panel: Panel, rng: np.random.Generator, context: bool) -> NDArray[np.int64]:
    if context:
        return panel.starts[rng.permutation(len(panel))][panel.owner]
    return rng.permutation(panel.rows)
