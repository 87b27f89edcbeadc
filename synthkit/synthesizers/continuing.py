"""What a fitted sequence synthesizer does with given records: go on with them, and fill their gaps."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import NotFittedError, ParamError
from synthkit.inference import canonical
from synthkit.models.history import State
from synthkit.params import Interval, OneOf, Optional, check
from synthkit.runtime import entropy
from synthkit.schema import Constant, Empty, Identifier, Personal, Schema, Text
from synthkit.sequences import OPENING, PACE, ROWS, SPAN, START, Records, SequenceEncoder
from synthkit.synthesizers.centre import centre
from synthkit.synthesizers.filling import Point, put
from synthkit.synthesizers.rolling import Rolling
from synthkit.synthesizers.series import SeriesBackend
from synthkit.synthesizers.series_filling import filled_tables
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["Continuing"]

_TRIES = 32  # lengths drawn per entity that goes on, to find those that are long enough
_DRAWS = 25  # of which a centre is taken


class Continuing:
    """The part of :class:`synthkit.SequenceSynthesizer` that takes records; its attributes are told there."""

    schema_: Schema
    context_: tuple[Hashable, ...]
    moving_: tuple[Hashable, ...]
    encoder_: SequenceEncoder
    entities_: TabularSynthesizer
    rolling_: Rolling
    series_: SeriesBackend | None

    def _opening(self, entities: pd.DataFrame) -> NDArray[np.float64] | None:
        """``(E,)`` what the running total starts from, in units of its grid; None where there is none."""
        rule = self.encoder_.running_
        return None if rule is None else rule.units(entities[OPENING])

    def _settled(self, table: pd.DataFrame, opening: NDArray[np.float64], lengths: NDArray[np.int64]) -> pd.DataFrame:
        rule = self.encoder_.running_
        assert rule is not None
        return rule.settle(table, opening, lengths, self.schema_.columns)

    def _times(self, rows: int) -> int:
        """Lengths as the row model reads them of so many rows."""
        bursts = self.encoder_.bursts_
        return rows if bursts is None else max(1, math.ceil(rows / bursts[0] - 0.5))

    def _inside(self, cells: pd.Series, name: Hashable) -> NDArray[np.bool_]:
        """``(E,)``: which cells of a column hold what the table of entities knows the like of; what follows from others
        is drawn without them."""
        kind, transformer = self.entities_.schema_.columns[name], self.entities_.encoder_.transformers_.get(name)
        values, null = canonical(cells, kind)
        inside: NDArray[np.bool_] = ~null
        if transformer is not None and not isinstance(kind, Constant | Identifier | Personal | Text):
            inside[~null] = transformer.contains(values[~null])
        return inside

    def extend(self, history: pd.DataFrame, steps: int, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
        """Go on with given sequences: what may follow their last rows.

        Args:
            history: records of one entity or more, with the columns of the training table.
            steps: rows to be drawn for each of them; n: independent continuations of each.
            seed: an integer for a repeatable table.

        Returns:
            The new rows alone, entity by entity in the order of ``history``; for n > 1 one table after the other, with
            a first index level ``draw``.

        Raises:
            SchemaError: ``history`` does not fit. ParamError: ``steps`` or ``n`` is below 1.
        """
        self._fitted("extend")
        if self.series_ is not None:
            return self.series_.extend(history, steps, n, seed)
        name = "SequenceSynthesizer.extend"
        check(name, "steps", steps, Interval(int, 1))
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        seed = entropy(None) if seed is None else seed
        records = self.encoder_.encode(history)
        self._gaps_known("extend")
        past = self.rolling_.past(self.encoder_, records)
        tables = [self._extended(records, past, steps, entropy(seed, 3, i)) for i in range(n)]
        if n == 1:
            return tables[0]
        return pd.concat(tables, keys=range(n), names=["draw", *tables[0].index.names])

    def _extended(self, records: Records, past: State, steps: int, seed: int) -> pd.DataFrame:
        entities = self._goes_on(records, steps, seed)
        lengths = entities[ROWS].to_numpy(np.int64, copy=True)
        span, rows = self.rolling_.spans(entities, lengths), np.full(len(lengths), steps)
        coded = self.entities_.encoder_.encode(entities, "state")
        rules = self.rolling_.conditions(self.encoder_, {})
        last = None if records.clock is None else records.clock[records.starts + records.lengths - 1]
        ends = records.starts + records.lengths - 1
        stands = None if records.running is None else records.running.total[ends]
        own = entropy(seed, 1)
        part = self.rolling_.draw(self.encoder_, coded, past, last, lengths, span, rows, rules, own, stands)
        drawn, times, _ = self.rolling_.concat([part])
        table = self.encoder_.table(entities, drawn, times, rows, entropy(seed, 2), records.begins)
        return table if stands is None else self._settled(table, stands, rows)

    def _goes_on(self, records: Records, steps: int, seed: int) -> pd.DataFrame:
        """The entities with a whole length and span that leave room for so many more rows.

        Of draws given context and start, the first that is long enough; where none is, the length is what is asked for.
        """
        entity: Any = self.encoder_.entity
        k, steps = records.counts, self._times(steps)
        given = records.entities.drop(columns=[ROWS, PACE, SPAN, OPENING], errors="ignore")
        keys = given.pop(entity)
        # what training never saw the like of is not asked for, and the row model reads a draw in its place
        strange = {c: ~self._inside(given[c], c) & given[c].notna().to_numpy() for c in given.columns}
        for c, unknown in strange.items():
            if unknown.any():
                given[c] = given[c].where(~unknown)
        many = given.iloc[np.repeat(np.arange(len(given)), _TRIES)].reset_index(drop=True)
        draws = self.entities_.sample(len(many), where=many if len(many.columns) else None, seed=entropy(seed, 0))
        lengths = draws[ROWS].to_numpy(np.int64).reshape(-1, _TRIES)
        enough = lengths >= (k + steps)[:, None]
        if self.encoder_.gaps_ is not None:
            elapsed = self.rolling_.spans(records.entities, k)
            enough &= self.rolling_.spans(draws, lengths.ravel()).reshape(-1, _TRIES) >= elapsed[:, None]
        first = enough.argmax(1)
        out = draws.iloc[np.arange(len(k)) * _TRIES + first].reset_index(drop=True)
        found = enough.any(1)
        out[ROWS] = np.where(found, out[ROWS], k + steps)
        if PACE in out:
            out[PACE] = out[PACE].where(found, records.entities[PACE])
        if SPAN in out:
            longer = self.rolling_.spans(records.entities, k + steps)
            out[SPAN] = out[SPAN].where(found, pd.Series(longer))
        given_too = [name for name in (START, OPENING) if name in records.entities]
        for name in (*self.context_, *self.encoder_.ageing_, *given_too):
            out[name] = records.entities[name].to_numpy()
        out[entity] = keys.to_numpy()
        kinds: Any = {c: records.entities[c].dtype for c in (entity, *self.context_, *self.encoder_.ageing_)}
        return pd.DataFrame(out.astype(kinds))

    def impute(
        self,
        table: pd.DataFrame,
        *,
        mode: Literal["draw", "point"] = "draw",
        point: Point = "mean",
        n: int = 1,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Fill the empty cells of given sequences, from the rows before and after; all else stays as it is.

        A long series is filled from all its columns before, at and after each gap, by what did best on cells of the
        training table that were hidden (:mod:`synthkit.series.filling`); rows at its end that are all empty are drawn
        as ``extend`` does, and moments that have no row get none. A column without a known cell is told by the others.

        Args:
            mode: "draw": a draw from the joint law of the gaps of an entity; "point": the centre of 25 draws (of a long
                series, of the law).
            point: "mean" or "median" of numbers, on the column's grid; of other columns the most frequent value.
            n: independent fillings, for multiple imputation; for n > 1 one table after the other, with a first index
                level ``imputation``.
            seed: an integer for a repeatable result.

        Raises:
            SchemaError: the table does not fit. ParamError: ``n`` is below 1, or above 1 with ``mode="point"``.
        """
        self._fitted("impute")
        name = "SequenceSynthesizer.impute"
        check(name, "mode", mode, OneOf("draw", "point"))
        check(name, "point", point, OneOf("mean", "median"))
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        if mode == "point" and n > 1:
            raise ParamError(f"{name}: argument 'n' goes with mode='draw': a centre is the same every time.")
        if self.series_ is not None:
            return filled_tables(self.series_, table, mode=mode, point=point, n=n, seed=seed)
        seed = entropy(None) if seed is None else seed
        records = self.encoder_.encode(table, "fill")
        kinds = self.schema_.columns
        aged = tuple(self.encoder_.ageing_)
        columns = [c for c in (*self.context_, *self.moving_, *aged) if not isinstance(kinds[c], Empty)]
        empty = {c: table[c].isna().to_numpy() for c in columns if c in table}
        gaps = {c: gap for c, gap in empty.items() if gap.any()}
        if not gaps:
            return table.copy() if n == 1 else pd.concat([table] * n, keys=range(n), names=["imputation"])
        draws = [self._filled(records, entropy(seed, 4, i)) for i in range(n if mode == "draw" else _DRAWS)]
        if mode == "point":
            whole = draws[0].copy()
            for c, gap in gaps.items():
                column, digits = whole[c].copy(), getattr(kinds[c], "decimals", None)
                column[gap] = centre([draw[c][gap] for draw in draws], digits, point)
                whole[c] = column
            if records.running is not None:
                back = np.argsort(records.order)
                whole = self._added_up(whole.iloc[records.order], records, None).iloc[back].reset_index(drop=True)
            return put(table, whole, gaps)
        tables = [put(table, draw, gaps) for draw in draws]
        return tables[0] if n == 1 else pd.concat(tables, keys=range(n), names=["imputation", *table.index.names])

    def _filled(self, records: Records, seed: int) -> pd.DataFrame:
        """Complete rows, in the order of the table that records come from, and with a fresh index."""
        entities = records.entities
        static = [*self.context_, *self.encoder_.ageing_]
        if bool(entities[[*static, *([OPENING] if OPENING in entities else [])]].isna().any(axis=None)):
            entities = self.entities_.impute(entities, seed=entropy(seed, 0))
        context = self.entities_.encoder_.encode(entities, "fill")
        rows = self.rolling_.fill(self.encoder_, context, records, entropy(seed, 1))
        done = self.encoder_.decode_rows(rows, entropy(seed, 2))
        owner = np.repeat(np.arange(len(records.lengths)), records.lengths)
        for c in self.context_:
            done[c] = entities[c].iloc[owner].to_numpy()
        if records.clock is not None:
            grown = self.encoder_.grown(entities, records.clock, records.lengths, entropy(seed, 3), records.begins)
            for c, column in grown.items():
                done[c] = column
        if records.running is not None:
            done = self._added_up(done, records, self._opening(entities))
        back = np.argsort(records.order)
        return done.iloc[back].reset_index(drop=True)

    def _added_up(self, rows: pd.DataFrame, records: Records, opening: NDArray[np.float64] | None) -> pd.DataFrame:
        """Filled rows, in the order of records, whose running total adds up as far as what was given lets it."""
        rule = self.encoder_.running_
        assert rule is not None and records.running is not None
        owner = np.repeat(np.arange(len(records.lengths)), records.lengths)
        return rule.fill(rows, records.running, owner, opening, self.schema_.columns)

    def _gaps_known(self, where: str) -> None:
        encoder = self.encoder_
        if encoder.time is not None and encoder.gaps_ is None and encoder.step_ is None:
            raise ParamError(
                f"SequenceSynthesizer.{where}: no entity of the training table has a second row, so that nothing is "
                f"known of the time between rows; draw one row of each, or fit with time=None."
            )

    def _fitted(self, where: str) -> None:
        if "rolling_" not in self.__dict__ and self.__dict__.get("series_") is None:
            raise NotFittedError(
                f"SequenceSynthesizer.{where}: this synthesizer is not fitted; call fit first, or load one."
            )
