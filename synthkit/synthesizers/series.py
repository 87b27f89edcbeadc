"""Long series behind ``SequenceSynthesizer``: one multivariate series, or few long entities that share a calendar."""

from __future__ import annotations

import os
import time as clock
import warnings
from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.blockwise import COPIES
from synthkit.errors import LoadError, ParamError, SynthkitWarning
from synthkit.params import Interval, Optional, check
from synthkit.protect import Protect
from synthkit.runtime import entropy, resolve_device
from synthkit.series import SERIES_MODELS
from synthkit.series.base import Budget, FittedSeries, SeriesSpec
from synthkit.series.columns import ScoreColumn
from synthkit.series.course import Course
from synthkit.series.encoding import Coded, SeriesEncoder
from synthkit.series.filling import SeriesFiller
from synthkit.series.gap_tables import TableFiller, check_positive, log_columns
from synthkit.synthesizers.restoring import loaded

__all__ = ["KIND", "SeriesBackend", "looks_like_series"]

KIND = "series"
"""The kind of file."""
_MOST, _LONG, _RATIO = 64, 200, 5  # entities at most, rows of each at least, and rows per entity
_SHARED = 0.9  # of all times must each entity have
_TRIAL = 2000  # steps drawn in the fit, to see how often draws repeat a number
_WARM = 64  # steps drawn before the first that is given, so that it is drawn too

Floats = NDArray[np.float64]


def looks_like_series(table: Any, entity: Hashable | None, time: Hashable | None) -> bool:
    """One series (no entity), or entities that are few (<= 64), long (>= 200 rows, and 5 per entity), of numbers only
    (beside what is constant within them), and have at least 90 % of all times each."""
    if entity is None:
        return True
    if not isinstance(table, pd.DataFrame):
        return False
    levels = [n for n in table.index.names if n in (entity, time) and n is not None]
    flat = table.reset_index(levels) if levels else table
    if entity not in flat.columns or (time is not None and time not in flat.columns):
        return False
    lengths = flat[entity].value_counts(dropna=False)
    if not 1 <= len(lengths) <= _MOST or lengths.min() < max(_LONG, _RATIO * len(lengths)):
        return False
    moving = False
    for name in flat.columns:
        if name in (entity, time):
            continue
        if pd.api.types.is_numeric_dtype(flat[name].dtype) and not pd.api.types.is_bool_dtype(flat[name].dtype):
            moving = True
        elif flat.groupby(entity)[name].nunique(dropna=False).max() > 1:
            return False
    total = int(lengths.max()) if time is None else flat[time].nunique()
    return moving and bool(lengths.min() >= _SHARED * total)


class SeriesBackend:
    """A fitted series: codec and model.

    Attributes:
        encoder: the codec; spec: the recipe; fitted: the model; copies: True where draws hold real values.
        filler: what fills gaps; None of files that know none.
        written: how the file of the training table writes its columns; the command line's, empty elsewhere.
        course: of levels that move slowly, covariates of the model (see :mod:`synthkit.series.course`).
    """

    def __init__(
        self, encoder: SeriesEncoder, spec: SeriesSpec, fitted: FittedSeries, filler: TableFiller | None = None
    ) -> None:
        self.encoder, self.spec, self.fitted, self.filler = encoder, spec, fitted, filler
        self.written: dict[str, str] = {}
        self.course = Course.none(len(encoder.about_.level))

    @property
    def copies(self) -> bool:
        """Draws are made of values of the training table."""
        return self.fitted.copies

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        spec: SeriesSpec,
        *,
        time: Hashable | None,
        entity: Hashable | None,
        protect: Protect,
        seed: int,
        budget: Budget,
        device: torch.device,
    ) -> Self:
        """Learn ``table``.

        Raises:
            SchemaError: the table is no series. TrainingError: too few rows.
        """
        began = clock.monotonic()
        encoder = SeriesEncoder(time=time, entity=entity, protect=protect)
        coded = encoder.fit(table)
        scores = np.concatenate([np.full(part.width, isinstance(part, ScoreColumn)) for part in encoder.parts_])
        course = Course.learn(coded.channels, coded.rows, scores)
        fitted = spec.fit(
            coded.channels,
            _joined(coded.covariates, course.at(coded.rows)[:, course.slow]),
            coded.starts,
            about=encoder.about_,
            seed=seed,
            budget=budget.after(clock.monotonic() - began),
            device=device,
        )
        out = cls(encoder, spec, fitted)
        out.course = course
        length = min(len(coded.channels), _TRIAL)
        begin = encoder.regimes_.begin(4, length, np.random.default_rng(0))
        drawn, rows, _ = out._paths(begin, length, entropy(seed, 9))
        encoder.learn_texture(coded, drawn, rows)
        out.filler = TableFiller.fit(encoder, table, entropy(seed, 10))
        if out.copies:
            warnings.warn(
                f"SequenceSynthesizer.fit: model {spec.name!r} draws paths that are made of real values, and so is its "
                "file: a baseline to hold other models against, which keeps nothing private.",
                SynthkitWarning,
                stacklevel=4,
            )
        return out

    def _paths(self, begin: NDArray[np.int64], length: int, seed: int) -> tuple[Floats, NDArray[np.int64], Any]:
        """``(n, length, D)`` channels from rows ``begin`` on, their rows, and states to go on from."""
        past, states = self.encoder.regimes_.at(begin)
        rows = begin[:, None] + np.arange(-_WARM - 1, length)
        covariates = _joined(self.encoder.covariates(rows), self.course.at(rows)[..., self.course.slow])
        drawn = self.fitted.draw(len(begin), _WARM + length, past[:, None], covariates, seed=seed)
        return drawn[:, _WARM:], rows[:, _WARM + 1 :], states

    # ---------------------------------------------------------------- draw
    def sample(self, length: int | None, n: int, start: Any, seed: int | None) -> pd.DataFrame:
        """See ``SequenceSynthesizer.sample``."""
        name = "SequenceSynthesizer.sample"
        check(name, "length", length, Optional(Interval(int, 1)))
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        encoder = self.encoder
        length = encoder.calendar_.rows if length is None else length
        rng = np.random.default_rng(entropy(seed, 0))
        if start is not None:
            begin = np.full(n, encoder.calendar_.row(start))
        else:
            begin = encoder.regimes_.begin(n, length, rng)
        drawn, rows, states = self._paths(begin, length, entropy(seed, 1))
        return self._marked(encoder.decode(drawn, rows, states, entropy(seed, 2)))

    def _marked(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table, which says so where it is made of real values: reports then do, too."""
        if self.copies:
            table.attrs[COPIES] = self.spec.name
        return table

    def extend(self, history: pd.DataFrame, steps: int, n: int, seed: int | None) -> pd.DataFrame:
        """See ``SequenceSynthesizer.extend``."""
        name = "SequenceSynthesizer.extend"
        check(name, "steps", steps, Interval(int, 1))
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        encoder = self.encoder
        coded = encoder.encode(history, "extend")
        check_positive(coded.values, log_columns(encoder), encoder.frame_.called, "extend")
        drawn, ahead, states = self.ahead(coded, steps, n, entropy(seed, 1))
        return self._marked(encoder.decode(drawn, ahead, states, entropy(seed, 2), coded.values[-1]))

    def ahead(self, coded: Coded, steps: int, n: int, seed: int) -> tuple[Floats, NDArray[np.int64], Any]:
        """``(n, steps, D)`` channels that may follow, their rows, and the states they go on from."""
        begin = int(coded.starts[-1])  # nothing may look across a hole
        course, end = self.course.of(coded.channels[begin:], int(coded.rows[-1]))
        past = coded.channels[None, begin:][:, -max(self.fitted.memory, 1) :]
        rows = np.arange(coded.rows[-1] + 1 - past.shape[1], coded.rows[-1] + 1 + steps)[None]
        ahead = np.concatenate([course[-past.shape[1] :], np.broadcast_to(end, (steps, len(end)))])[None]
        covariates = _joined(self.encoder.covariates(rows), ahead[..., self.course.slow])
        drawn = self.fitted.draw(n, steps, past, covariates, seed=seed)
        states = {i: np.broadcast_to(s, (n, len(s))) for i, s in coded.last.items()}
        return drawn, np.broadcast_to(rows[:, past.shape[1] :], (n, steps)), states

    # ---------------------------------------------------------------- files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it says whether it holds values of training rows."""
        encoder, own = self.encoder.to_state()
        arrays: dict[str, Any] = {f"encoder/{k}": v for k, v in own.items()}
        model, own = self.fitted.to_state()
        arrays |= {f"model/{k}": v for k, v in own.items()}
        filling = None
        if self.filler is not None:
            filling, own = self.filler.filler.to_state()
            arrays |= {f"filler/{k}": v for k, v in own.items()}
        arrays |= {f"course/{k}": getattr(self.course, k) for k in ("middle", "means", "slow", "size")}
        value = {
            "name": self.spec.name,
            "params": self.spec.get_params(deep=False),
            "holds_training_values": self.copies,
            "written": self.written,
            "encoder": encoder,
            "model": model,
            "filler": filling,
        }
        io.save(path, KIND, value, {k: np.asarray(v) for k, v in arrays.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str | torch.device) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            LoadError: the file is damaged, altered, or of a model that is unknown here.
        """
        resolve_device(device)
        value, arrays = io.load(path, KIND)
        return loaded(path, lambda: cls._build(value, arrays))

    @classmethod
    def _build(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        if value["name"] not in SERIES_MODELS:
            raise LoadError("the file's model is unknown here; it comes from a newer synthkit.")
        spec = SERIES_MODELS[value["name"]](**value["params"])
        spec.check_params()
        fitted = spec.fitted_class().from_state(value["model"], io.below(arrays, "model/"))
        encoder, filler = SeriesEncoder.from_state(value["encoder"], io.below(arrays, "encoder/")), None
        if value.get("filler") is not None:
            filler = TableFiller(encoder, SeriesFiller.from_state(value["filler"], io.below(arrays, "filler/")))
        out = cls(encoder, spec, fitted, filler)
        kept = io.below(arrays, "course/")
        if kept:  # older files have none
            out.course = Course(kept["middle"], kept["means"], kept["slow"], int(kept["size"]))
        out.written = {str(name): str(form) for name, form in value.get("written", {}).items()}
        return out


def _joined(covariates: Floats | None, course: Floats) -> Floats | None:
    """Covariates ``(..., C)`` of the calendar, if any, and those of courses."""
    if not course.shape[-1]:
        return covariates
    return course if covariates is None else np.concatenate([covariates, course], axis=-1)


def recipe(model: Any) -> SeriesSpec:
    """The recipe that ``model`` names.

    Raises:
        ParamError: it is none of series.
    """
    if isinstance(model, SeriesSpec):
        model.check_params()
        return model
    name = "autoregressive" if model == "auto" else model
    if not isinstance(name, str) or name not in SERIES_MODELS:
        known = ", ".join(repr(k) for k in ("auto", *SERIES_MODELS))
        raise ParamError(
            f"SequenceSynthesizer: argument 'model' must be one of {known}, or a recipe of series, for a long series; "
            f"for records of many entities name the 'entity' and set kind='panel'."
        )
    return SERIES_MODELS[name]()
