"""What is asked of the entities that a sequence synthesizer draws: how many, how long, since when, given what."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.conditions import Between
from synthkit.errors import ConditionError, ParamError
from synthkit.params import Interval, check
from synthkit.runtime import entropy
from synthkit.sequences import ROWS, START
from synthkit.synthesizers.continuing import Continuing

__all__ = ["Asking"]


class Asking(Continuing):
    """The part of :class:`synthkit.SequenceSynthesizer` that draws entities; its attributes are told there."""

    def _lengths(self, entities: pd.DataFrame, length: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``(E,)`` lengths as the row model reads them, and rows to draw at most."""
        counts, bursts = entities[ROWS].to_numpy(np.int64, copy=True), self.encoder_.bursts_
        if bursts is None:
            counts = counts if length is None else np.full(len(counts), length)
            return counts, counts
        if length is not None:
            counts = np.full(len(counts), self._times(length))
        return counts, counts * bursts[1] if length is None else np.full(len(counts), length)

    def _count(self, n: int | None, context: pd.DataFrame | None) -> int:
        name = "SequenceSynthesizer.sample"
        if n is None and isinstance(context, pd.DataFrame):
            return len(context)
        check(name, "n_entities", n, Interval(int, 0))
        assert n is not None
        if context is not None and len(context) != n:
            raise ParamError(f"{name}: argument 'n_entities' is {n}, but 'context' has {len(context)} rows.")
        return int(n)

    def _divide(self, where: Mapping[Hashable, Any] | None) -> tuple[dict[Hashable, Any], dict[Hashable, Any]]:
        """Conditions on entities and on rows."""
        if where is not None and not isinstance(where, Mapping):
            raise ConditionError(
                f"SequenceSynthesizer.sample: argument 'where' must be a dict, got a {type(where).__name__}."
            )
        ageing = self.encoder_.ageing_
        static = {k: v for k, v in (where or {}).items() if k in self.context_ or k in ageing}
        for name in static.keys() & ageing.keys():
            _lasting(name, static[name], ageing[name].rate)
        moving = {k: v for k, v in (where or {}).items() if k in self.moving_}
        rule = self.encoder_.running_
        if rule is not None and rule.total in moving:
            raise ConditionError(
                f"SequenceSynthesizer.sample: argument 'where' takes no condition on {rule.total!r}: it is the running "
                f"total of {rule.amount!r}, and follows from it; put a condition on {rule.amount!r}."
            )
        for name in where or {}:
            if name not in static and name not in moving:
                known = ", ".join(repr(c) for c in (*self.context_, *ageing, *self.moving_)[:20])
                raise ConditionError(
                    f"SequenceSynthesizer.sample: argument 'where' takes no condition on {name!r}; the columns are "
                    f"{known}; 'start' and 'length' say when rows begin and how many there are."
                )
        return static, moving

    def _draw_entities(
        self, n: int, length: int | None, start: Any, static: dict[Hashable, Any], context: Any, seed: int
    ) -> pd.DataFrame:
        conditions: dict[Hashable, Any] = dict(static)
        if start is not None:
            if self.encoder_.time is None:
                raise ParamError("SequenceSynthesizer.sample: argument 'start' needs a time column, and there is none.")
            conditions[START] = start
        if length is not None:
            conditions[ROWS] = self.rolling_.nearest_length(self.entities_, self._times(length))
        if context is None:
            starts = None if start is None else pd.Series([start] * n)
            if starts is not None and not self._inside(starts, START).all():
                del conditions[START]
            drawn = self.entities_.sample(n, where=conditions or None, seed=entropy(seed, 0))
            return self._starting(drawn, starts)
        given = self._context_table(context)
        clash = [c for c in static if c in given.columns]
        if clash:
            raise ParamError(f"SequenceSynthesizer.sample: {clash[0]!r} is both in 'context' and in 'where'; keep one.")
        for name, value in conditions.items():
            given[name] = [value] * len(given)
        entity: Any = self.encoder_.entity
        keys, starts = (given.pop(entity) if entity in given else None), given.get(START)
        if starts is not None:
            given[START] = starts.where(self._inside(starts, START))
        drawn = self.entities_.sample(n, where=given if len(given.columns) else None, seed=entropy(seed, 0))
        if keys is not None:
            drawn[entity] = keys.where(keys.notna(), drawn[entity]).to_numpy()
        return self._starting(drawn, starts)

    @staticmethod
    def _starting(entities: pd.DataFrame, starts: pd.Series | None) -> pd.DataFrame:
        """Entities whose first rows are at ``starts``, wherever one is given."""
        if starts is not None:
            dtype = entities[START].dtype
            entities[START] = starts.where(starts.notna(), entities[START]).astype(dtype)
        return entities

    def _context_table(self, context: Any) -> pd.DataFrame:
        name = "SequenceSynthesizer.sample"
        if not isinstance(context, pd.DataFrame):
            raise ConditionError(f"{name}: argument 'context' must be a DataFrame, got a {type(context).__name__}.")
        entity, time = self.encoder_.entity, self.encoder_.time
        known = {*self.context_, *self.encoder_.ageing_, entity, time} - {None}
        strangers = [c for c in context.columns if c not in known]
        if strangers:
            raise ConditionError(
                f"{name}: argument 'context' has a column {strangers[0]!r}, which is no context column; those are "
                f"{', '.join(repr(c) for c in self.context_)}."
            )
        if entity in context.columns and not context[entity].dropna().is_unique:
            raise ConditionError(f"{name}: argument 'context' names an entity twice; give one row per entity.")
        return context.rename(columns={time: START}).reset_index(drop=True)


def _lasting(name: Hashable, rule: Any, rate: float) -> None:
    """Refuse conditions on what grows with the clock that may hold in the first row and not in the last."""
    grows = rate > 0
    if isinstance(rule, Between) and (rule.high if grows else rule.low) is None:
        return
    bound, form, moves = ("a lower", "low, None", "grows") if grows else ("an upper", "None, high", "falls")
    raise ConditionError(
        f"SequenceSynthesizer.sample: argument 'where' takes only {bound} bound of {name!r}, as between({form}): it "
        f"{moves} with the clock; give its values at first rows in 'context'."
    )
