"""SequenceSynthesizer: fit records of many entities over time, draw new entities, go on with given ones, save."""

from __future__ import annotations

import os
import time as clock
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import pandas as pd
import torch
from sklearn.base import BaseEstimator

from synthkit import io
from synthkit.errors import ParamError, SynthkitWarning
from synthkit.models import ModelSpec
from synthkit.models.autoregressive import Autoregressive
from synthkit.models.sequence_latent import SEQUENCE_MODELS, SequenceLatent
from synthkit.params import AnyOf, InstanceOf, Interval, OneOf, Optional, check
from synthkit.progress import Progress, ProgressBar
from synthkit.protect import Protect, Protection
from synthkit.protected import ProtectionReport
from synthkit.rules import Rule
from synthkit.runtime import entropy, resolve_device
from synthkit.schema import Constant, Numeric, Schema
from synthkit.sequences import OPENING, START, Records, SequenceEncoder
from synthkit.series import Budget, SeriesSpec
from synthkit.synthesizers.asking import Asking
from synthkit.synthesizers.latent_rolling import LatentRolling, fit_latent
from synthkit.synthesizers.restoring import loaded
from synthkit.synthesizers.rolling import Rolling, fit_rows
from synthkit.synthesizers.series import KIND, SeriesBackend, looks_like_series, recipe
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["SequenceSynthesizer"]

_BLOCK = 4096  # entities drawn with one seed: memory is bounded
_SHARE = 0.25  # of the time budget that the table of entities may take


class SequenceSynthesizer(Asking, BaseEstimator):  # type: ignore[misc]
    """A generative model of records over time: visits of patients, transactions of accounts.

    One long table in, the same columns and dtypes out. A model of tables learns the entities (context, start, length);
    a row model draws the rows of all entities side by side, the gap to the row before first.

    Args:
        model: "auto", "autoregressive", "gan", "vae", or an ``Autoregressive``, ``SequenceGAN`` or ``SequenceVAE`` with
            its hyper-parameters.
        entity: the column (or index level) that says whose row it is; None: the table is one long series. time: that of
            the time, or None where rows have no times (those of an entity no order, those of a series its own).
            context: the columns that are constant within entities; None: found.
        kind: "panel": records of many entities; "series": one long numeric series, or few that share a calendar
            (entities are modelled together, and the same come out); "auto": a series without an entity, or where 64
            entities at most have 200 rows each at least, 5 per entity, nine in ten times in common, and numbers alone.
        schema: column types; None: inferred. Its entity is used where none is given. Its rules between context columns
            hold in all entities that are drawn or filled; of rules of other columns, which no row keeps, it warns.
        protect: how many entities (rows of a long series) must stand behind whatever is stored: "standard" (5),
            "health" (11), "strict" (20), a ``Protection``, or None: off.
        max_seconds: stop the training there (of a long series, the fit: a net that it leaves no time for is not in its
            draws, and a warning says so); max_steps: of either of its two parts; those taken are in ``n_steps_`` (of
            records; a long series has neither it nor ``schema_``).
        device: "auto" (the first GPU, else the CPU), or as torch names it.
        progress: True for a bar on stderr, or a callable given ``Progress``; returning True stops the training.
            Of a long series its nets alone have any.
        random_state: an integer for a repeatable fit; None draws one.

    Attributes:
        schema_: the types of all columns; context_, moving_: the names of the static and of the other columns;
        entities_: the fitted ``TabularSynthesizer`` of the entities; encoder_: the codec of rows;
        n_steps_: training steps of the entities and of the rows; history_: the log of the latter;
        seed_: the random state in use.

    Example:
        >>> from synthkit import SequenceSynthesizer
        >>> visits = pd.DataFrame({"who": [i // 4 for i in range(160)], "day": list(range(4)) * 40,
        ...                        "mmhg": [100.0 + i % 7 for i in range(160)]})
        >>> synthesizer = SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=20).fit(visits)
        >>> synthesizer.sample(2, seed=1)["day"].tolist()
        [0, 1, 2, 3, 0, 1, 2, 3]
    """

    def __init__(
        self,
        model: str | ModelSpec | SeriesSpec = "auto",
        *,
        entity: Hashable | None = None,
        time: Hashable | None = None,
        context: Sequence[Hashable] | None = None,
        kind: Literal["auto", "panel", "series"] = "auto",
        schema: Schema | None = None,
        protect: Protect = "standard",
        max_seconds: float | None = None,
        max_steps: int | None = None,
        device: str | torch.device = "auto",
        progress: bool | Callable[[Progress], bool | None] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.model = model
        self.entity = entity
        self.time = time
        self.context = context
        self.kind = kind
        self.schema = schema
        self.protect = protect
        self.max_seconds = max_seconds
        self.max_steps = max_steps
        self.device = device
        self.progress = progress
        self.random_state = random_state

    # ---------------------------------------------------------------- fit
    def fit(self, table: pd.DataFrame, y: None = None) -> Self:
        """Learn ``table``, which stays as it is; its rows may come in any order.

        Raises:
            ParamError, SchemaError, TrainingError: each names the argument or column and the remedy.
        """
        if self._is_series(table):
            return self._fit_series(table)
        spec = self._check()
        self.series_: SeriesBackend | None = None
        device, began = resolve_device(self.device), clock.monotonic()
        seed = entropy(None) if self.random_state is None else int(self.random_state)
        encoder = SequenceEncoder(
            self.schema,
            entity=self.entity,
            time=self.time,
            context=self.context,
            protect=self.protect,
            seed=entropy(seed, 7),
        ).fit(table)
        records = encoder.encode(table)
        self._check_quasi(encoder.context_)
        entities = self._entities(encoder, records, seed, device)
        encoder.forget(entities.schema_)
        left = None if self.max_seconds is None else max(self.max_seconds - (clock.monotonic() - began), 1.0)
        given = (encoder, entities, records, device, entropy(seed, 1), self.max_steps, left, self.progress)
        latent = isinstance(spec, SequenceLatent)
        rolling, training = fit_latent(spec, *given) if latent else fit_rows(spec, *given)
        self.encoder_, self.entities_, self.rolling_ = encoder, entities, rolling
        self.schema_, self.context_, self.moving_ = encoder.schema_, encoder.context_, encoder.moving_
        self.n_steps_, self.history_, self.seed_ = (entities.n_steps_, training.steps), training.history, seed
        return self

    def _is_series(self, table: pd.DataFrame) -> bool:
        check(type(self).__name__, "kind", self.kind, OneOf("auto", "panel", "series"))
        if self.kind == "auto":
            entity = self.entity if self.entity is not None or self.schema is None else self.schema.entity
            panel = isinstance(self.model, ModelSpec) or self.context is not None or self.schema is not None
            return isinstance(self.model, SeriesSpec) or (not panel and looks_like_series(table, entity, self.time))
        return self.kind == "series"

    def _fit_series(self, table: pd.DataFrame) -> Self:
        self._check_shared()
        name = type(self).__name__
        for argument in ("context", "schema"):
            if getattr(self, argument) is not None:
                raise ParamError(
                    f"{name}: argument {argument!r} is of records; leave it out of a series, or kind='panel'."
                )
        self._check_quasi(())
        self.seed_ = entropy(None) if self.random_state is None else int(self.random_state)
        bar = ProgressBar() if self.progress is True else self.progress
        told = None if bar is False else bar
        try:
            self.series_ = SeriesBackend.fit(
                table,
                recipe(self.model),
                time=self.time,
                entity=self.entity,
                protect=self.protect,
                seed=entropy(self.seed_, 1),
                budget=Budget(self.max_seconds, self.max_steps, told),
                device=resolve_device(self.device),
            )
        finally:
            if isinstance(bar, ProgressBar):
                bar.close()
        return self

    def _check_quasi(self, context: Sequence[Hashable]) -> None:
        """Quasi-identifiers are columns of the table of entities.

        Raises:
            ParamError: one is not.
        """
        for name in Protection.of(self.protect).quasi_identifiers:
            if name not in context:
                raise ParamError(
                    f"{type(self).__name__}: argument 'protect' has the quasi-identifier {name!r}, which is no context "
                    "column of records; name columns that are constant within entities."
                )

    def _entities(
        self, encoder: SequenceEncoder, records: Records, seed: int, device: torch.device
    ) -> TabularSynthesizer:
        """The model of the table of entities."""
        rules = self._rules(encoder)
        kinds = {name: encoder.schema_.columns[name] for name in (*encoder.context_, *encoder.ageing_)}
        known = {encoder.entity: encoder.schema_.columns[encoder.entity], **kinds}
        inferred = Schema.infer(records.entities, overrides=known, rules=False)
        columns = dict(inferred.columns)
        if OPENING in columns and not isinstance(columns[OPENING], Constant):
            assert encoder.running_ is not None
            columns[OPENING] = Numeric(nullable=False, decimals=encoder.running_.digits)
        if START in columns:
            columns[START] = replace(encoder.schema_.columns[encoder.time], nullable=False)
        budget = None if self.max_seconds is None else max(self.max_seconds * _SHARE, 1.0)
        return TabularSynthesizer(
            schema=Schema(columns, encoder.entity, rules=rules),  # single rows are meant
            protect=self.protect,
            max_seconds=budget,
            max_steps=self.max_steps,
            device=device,
            random_state=entropy(seed, 0) % 2**62,
        ).fit(records.entities)

    def _rules(self, encoder: SequenceEncoder) -> tuple[Rule, ...]:
        """The rules of the schema that the table of entities keeps.

        Warns of those that name a column that varies within entities, the time or the entity: the rows of an entity are
        drawn one after the other and never anew, so that nothing makes them keep it.
        """
        kept = []
        for rule in () if self.schema is None else self.schema.rules:
            moving = [name for name in rule.columns if name not in encoder.context_]
            if rule.columns and not moving:
                kept.append(rule)
                continue
            why = f"column {moving[0]!r} is no context column" if moving else "it does not say of which columns"
            warnings.warn(
                f"{type(self).__name__}: argument 'schema' has the rule {rule!r}, but {why}, and rules hold between "
                "context columns only: rows may break it. dataclasses.replace(schema, rules=()) leaves it out.",
                SynthkitWarning,
                stacklevel=4,
            )
        return tuple(kept)

    def _check_shared(self) -> None:
        """Arguments that mean the same of records and of a long series."""
        name = type(self).__name__
        check(name, "max_seconds", self.max_seconds, Optional(Interval(float, 0, None, "neither")))
        check(name, "max_steps", self.max_steps, Optional(Interval(int, 1)))
        check(name, "random_state", self.random_state, Optional(Interval(int, 0)))
        Protection.of(self.protect, name)
        if self.progress is not None and not isinstance(self.progress, bool) and not callable(self.progress):
            raise ParamError(f"{name}: argument 'progress' must be True, None or a callable.")
        if self.entity is not None and self.entity == self.time:
            raise ParamError(f"{name}: arguments 'entity' and 'time' name one column; name two.")

    def _check(self) -> Autoregressive:
        self._check_shared()
        name = type(self).__name__
        check(name, "schema", self.schema, Optional(InstanceOf(Schema)))
        check(name, "model", self.model, AnyOf(OneOf("auto", *SEQUENCE_MODELS), InstanceOf(Autoregressive)))
        if self.entity is None and (self.schema is None or self.schema.entity is None):
            raise ParamError(f"{name}: argument 'entity' must name the column that says whose row it is.")
        if isinstance(self.context, str) or not isinstance(self.context, Sequence | None):
            raise ParamError(f"{name}: argument 'context' must be a list of columns, or None.")
        if isinstance(self.model, ModelSpec):
            self.model.check_params()
        if isinstance(self.model, Autoregressive):
            return self.model
        return SEQUENCE_MODELS["autoregressive" if self.model == "auto" else str(self.model)]()

    @property
    def protection_(self) -> ProtectionReport:
        """What protection changed in the fit, per column: counts, and never a value (see ``Protection``)."""
        self._fitted("protection_")
        if self.series_ is not None:
            return self.series_.encoder.protection_
        return self.encoder_.protection_.joined(self.entities_.protection_)

    # ---------------------------------------------------------------- draw
    def sample(
        self,
        n_entities: int | None = None,
        *,
        length: int | None = None,
        start: Any = None,
        where: Mapping[Hashable, Any] | None = None,
        context: pd.DataFrame | None = None,
        n: int = 1,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw whole sequences of ``n_entities`` new entities; of a long series, ``n`` paths of it.

        Args:
            n_entities: how many; may be left out where ``context`` is given.
            length: rows of every entity; None: drawn. start: time of every first row; None: drawn.
            where: conditions as in ``TabularSynthesizer.sample``; those on context columns hold for entities, those on
                moving columns for every row. Of a column that grows with the clock (an age), a lower bound.
            n: paths of a long series (its ``length`` is None: as in training; ``start``: None: with the training table,
                or for shorter paths anywhere in it); for n > 1 one table after the other, with a first index level
                ``draw``. ``n_entities``, ``where`` and ``context`` are for panels alone.
            context: a row per wanted entity, with some of the context columns (or the entity's key, the time of its
                first row, or what a column that grows with the clock is then); empty cells are drawn.
            seed: an integer for a repeatable table; None: a fresh one.

        Returns:
            The columns and dtypes of the training table, entity by entity, in the order of time.

        Raises:
            ConditionError: a condition is not understood or cannot be met. ParamError: arguments contradict.
        """
        self._fitted("sample")
        name = "SequenceSynthesizer.sample"
        if self.series_ is not None:
            if n_entities is not None or where is not None or context is not None:
                raise ParamError(
                    f"{name}: arguments 'n_entities', 'where' and 'context' are for panels; use 'n', 'length'."
                )
            return self.series_.sample(length, n, start, seed)
        if n != 1:
            raise ParamError(f"{name}: argument 'n' is for long series; a panel takes 'n_entities'.")
        check(name, "seed", seed, Optional(Interval(int, 0)))
        check(name, "length", length, Optional(Interval(int, 1)))
        seed = entropy(None) if seed is None else seed
        n = self._count(n_entities, context)
        static, moving = self._divide(where)
        entities = self._draw_entities(n, length, start, static, context, seed)
        lengths, rows = self._lengths(entities, length)
        if length is not None and length > 1:
            self._gaps_known("sample")
        span = self.rolling_.spans(entities, lengths)
        rules = self.rolling_.conditions(self.encoder_, moving)
        parts = []
        for k, begin in enumerate(range(0, max(n, 1), _BLOCK)):
            at = slice(begin, begin + _BLOCK)
            parts.append(
                self._sequences(entities.iloc[at], lengths[at], span[at], rows[at], length, rules, entropy(seed, 1, k))
            )
        drawn, times, lengths = self.rolling_.concat(parts)
        table = rules.touch(self.encoder_.table(entities, drawn, times, lengths, entropy(seed, 2)))
        opening = self._opening(entities)
        return table if opening is None else self._settled(table, opening, lengths)

    def _sequences(
        self, entities: pd.DataFrame, lengths: Any, span: Any, rows: Any, length: int | None, rules: Any, seed: int
    ) -> Any:
        coded = self.entities_.encoder_.encode(entities, "state")
        began = self.rolling_.began(self.encoder_, entities)
        opening = self._opening(entities)
        ends = self.encoder_.bursts_ is not None and length is None
        return self.rolling_.draw(self.encoder_, coded, None, began, lengths, span, rows, rules, seed, opening, ends)

    # ---------------------------------------------------------------- files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted synthesizer: a zip of JSON and safetensors, no pickle, and no row of the training table."""
        self._fitted("save")
        if self.series_ is not None:
            self.series_.save(path)
            return
        parts: dict[str, Any] = {"entities": self.entities_, "encoder": self.encoder_, "rolling": self.rolling_}
        value: dict[str, Any] = {"n_steps": self.n_steps_}
        arrays: dict[str, Any] = {}
        for key, part in parts.items():
            value[key], own = part.to_state()
            arrays.update({f"{key}/{k}": v for k, v in own.items()})
        io.save(path, "sequences", value, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | torch.device = "auto") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            LoadError: the file is truncated, altered, of another kind, or of a newer format.
        """
        target = resolve_device(device)
        if io.kind_of(path) == KIND:
            whole = cls(device=device)
            whole.series_ = series = SeriesBackend.load(path, device)
            whole.entity, whole.time = series.encoder.entity, series.encoder.time
            return whole
        value, arrays = io.load(path, "sequences")

        def build() -> Any:
            encoder = SequenceEncoder.from_state(value["encoder"], io.below(arrays, "encoder/"))
            out = cls(entity=encoder.entity, time=encoder.time, context=encoder.context_, device=device)
            out.encoder_, out.series_ = encoder, None
            out.entities_ = TabularSynthesizer.from_state(value["entities"], io.below(arrays, "entities/"), target)
            kind, rows = LatentRolling if "sizes" in value["rolling"] else Rolling, io.below(arrays, "rolling/")
            out.rolling_ = kind.from_state(value["rolling"], rows, encoder, out.entities_, target)
            out.schema_, out.context_, out.moving_ = encoder.schema_, encoder.context_, encoder.moving_
            out.n_steps_, out.history_ = tuple(value["n_steps"]), []
            return out

        out: Self = loaded(path, build)
        return out
