"""What generates records in ``benchmarks.panels``: a baseline that repeats real entities, and synthkit's models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from benchmarks.panel_data import PanelSplit
from synthkit.errors import ParamError

__all__ = ["Bootstrap", "Generator", "Ours", "numbered"]


class Generator(Protocol):
    """A model of records."""

    def fit(self, split: PanelSplit) -> Any:
        """Learn the training part."""

    def sample(self, entities: int, seed: int) -> pd.DataFrame:
        """Records of new entities."""

    def extend(self, history: pd.DataFrame, steps: int, draws: int, seed: int) -> pd.DataFrame:
        """Continuations of the entities in ``history``, the draws numbered in a column ``draw``."""


class Bootstrap:
    """Whole training entities, drawn with replacement, under new names.

    The memoriser: fidelity that no model beats but by luck, and no privacy at all. A continuation is what followed in a
    training entity at the same place; the time goes on by that entity's gaps.
    """

    def fit(self, split: PanelSplit) -> Bootstrap:
        """Remember the training part."""
        self._split = split
        self._rows = split.train.groupby(split.entity, sort=True).indices
        self._keys = np.sort(split.train[split.entity].unique())
        return self

    def sample(self, entities: int, seed: int) -> pd.DataFrame:
        """Records of ``entities`` training entities, named 0, 1, ..."""
        chosen = np.random.default_rng(seed).choice(self._keys, entities)
        rows = [self._rows[key] for key in chosen]
        made = self._split.train.iloc[np.concatenate(rows)].reset_index(drop=True)
        made[self._split.entity] = np.repeat(np.arange(entities), [len(r) for r in rows])
        return made

    def extend(self, history: pd.DataFrame, steps: int, draws: int, seed: int) -> pd.DataFrame:
        """The rows that follow in training entities which have that many rows."""
        entity, time = self._split.entity, self._split.time
        rng = np.random.default_rng(seed)
        sizes = {key: len(rows) for key, rows in self._rows.items()}
        donors, names, draw, shift = [], [], [], []
        for name, own in history.groupby(entity, sort=False):
            fit = [key for key in self._keys if sizes[key] > len(own)]
            for k, key in enumerate(rng.choice(np.array(fit, dtype=object), draws) if fit else []):
                rows = self._rows[key][len(own) : len(own) + steps]
                donors.append(rows)
                names += [name] * len(rows)
                draw += [k] * len(rows)
                if time is not None:
                    before = self._split.train[time].iloc[self._rows[key][len(own) - 1]]
                    shift += [own[time].iloc[-1] - before] * len(rows)
        made = self._split.train.iloc[np.concatenate(donors)].reset_index(drop=True)
        made[entity], made["draw"] = names, draw
        if time is not None:
            made[time] = made[time] + pd.Series(shift)
        return made


class Ours:
    """``synthkit.SequenceSynthesizer`` under a registered name.

    Args:
        model: its name.
        options: further arguments of the synthesizer (``max_seconds``, ...).
    """

    def __init__(self, model: str, options: Mapping[str, Any]) -> None:
        self.model, self.options = model, dict(options)

    def fit(self, split: PanelSplit) -> Ours:
        """Learn the training part, with entity, time and context declared."""
        import synthkit

        make = getattr(synthkit, "SequenceSynthesizer", None)
        if make is None:
            raise ParamError(f"benchmarks.panels: model {self.model!r}: this synthkit has no SequenceSynthesizer.")
        places = {"entity": split.entity, "time": split.time, "context": list(split.context)}
        self.synthesizer_ = make(model=self.model, **places, **self.options).fit(split.train)
        return self

    def sample(self, entities: int, seed: int) -> pd.DataFrame:
        """Records of new entities."""
        made: pd.DataFrame = self.synthesizer_.sample(entities, seed=seed)
        return made

    def extend(self, history: pd.DataFrame, steps: int, draws: int, seed: int) -> pd.DataFrame:
        """Continuations, numbered in ``draw``."""
        return numbered(self.synthesizer_.extend(history, steps, n=draws, seed=seed))


def numbered(made: Any) -> pd.DataFrame:
    """Draws that come as a list of tables, or as one with a column or an index level ``draw``, as one with a column."""
    if isinstance(made, pd.DataFrame):
        return made if "draw" in made.columns else made.reset_index()
    parts: list[pd.DataFrame] = [part.assign(draw=k) for k, part in enumerate(made)]
    return pd.concat(parts, ignore_index=True)
