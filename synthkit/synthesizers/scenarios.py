"""Tables that are asked for: other shares, other means, an outcome that does not depend on a group, rows with edits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from synthkit.conditions import compile_where
from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError, ParamError
from synthkit.metrics.rates import wilson
from synthkit.metrics.tables import column_list
from synthkit.models import Model
from synthkit.params import InstanceOf, Interval, Optional, check
from synthkit.rules import NullImplies
from synthkit.runtime import entropy
from synthkit.schema import Boolean, Categorical, Identifier, Numeric, Personal, Schema
from synthkit.synthesizers.combinations import Combinations
from synthkit.synthesizers.edits import off_support, put_back, with_edits
from synthkit.synthesizers.levelling import levelled, nearest_counts
from synthkit.synthesizers.tilting import (
    Moments,
    Shares,
    chances_of,
    check_shares,
    chosen_rows,
    disjoint,
    places,
    raked,
)

__all__ = ["Counterfactual", "Scenarios"]

_POOL = 20_000  # rows, from which joint shares are taken, and that tell what cannot be met
_MOST, _LEAST = 40, 500  # times the wanted rows, but for so many at least, are drawn to choose from
_FEW = 20  # values of a number that counts as classes
_FINITE = Interval(float, -np.inf, np.inf, "neither")
_RARE = 0.01  # of drawn rows are less likely: off support


@dataclass(frozen=True)
class Counterfactual:
    """What the model draws for rows with edited cells: conditional draws, which say nothing of causes.

    Attributes:
        draws: ``n`` completions of each given row; a two-level index of the given row's label and the draw's number.
        outcome: with a target, one line per given row: the probability of each class that the model knows (or the
            mean, and quantiles .05, .5 and .95, of a number) where it is filled, with ``low`` and ``high`` for the
            noise of so many draws, not for the model's own error.
        support: ``(rows,)`` share of rows that the model draws freely and that are less likely than the edited one in
            what it holds and sets; 0 where it holds a cell that the model does not know (out of range, a new class).
        off_support: is that share below .01? Then the model was asked for what it hardly ever saw.
    """

    draws: pd.DataFrame
    outcome: pd.DataFrame | None
    support: pd.Series
    off_support: pd.Series


class Scenarios:
    """The part of :class:`synthkit.TabularSynthesizer` that draws what-if tables; its attributes are told there."""

    schema_: Schema
    encoder_: TableEncoder
    model_: Model
    sample: Callable[..., pd.DataFrame]
    complete: Callable[..., pd.DataFrame]
    combinations_: Combinations | None
    _fitted: Callable[[str], None]
    _fresh_keys: Callable[[pd.DataFrame, int], pd.DataFrame]

    # ---------------------------------------------------------------- shares
    def _rebalanced(self, n: int, shares: Shares, where: Any, seed: int) -> pd.DataFrame:
        """Rows with exactly the wanted shares of some columns, and of all others the law given these."""
        name = "TabularSynthesizer.sample"
        check_shares(shares, name, "rebalance")
        if where is not None and not isinstance(where, Mapping):
            raise ConditionError(f"{name}: argument 'rebalance' goes with a dict 'where', not with a DataFrame.")
        self._known(shares, name, "rebalance", where)
        self._keys(shares, name, "rebalance")
        keys = [list(own) for own in shares.values()]
        wanted = [np.array(list(own.values()), np.float64) for own in shares.values()]
        joint = wanted[0]
        if len(keys) > 1:
            pool = self.sample(_POOL, where=where, seed=entropy(seed, 8))
            masks = [places(pool[c], own) for c, own in zip(shares, keys, strict=True)]
            counts = np.zeros([len(own) for own in keys])
            for cell in product(*map(range, counts.shape)):
                counts[cell] = np.logical_and.reduce([m[i] for m, i in zip(masks, cell, strict=True)]).sum()
            joint = raked(counts, wanted, name, list(shares))
        parts, numbers = [], nearest_counts(joint.ravel() / joint.sum() * n)
        for k, cell in enumerate(product(*map(range, joint.shape))):
            rows = int(numbers[k])
            if rows:
                here = {c: own[i] for c, own, i in zip(shares, keys, cell, strict=True)}
                parts.append(self.sample(rows, where={**(where or {}), **here}, seed=entropy(seed, 9, k)))
        table = pd.concat(parts, ignore_index=True) if parts else self.sample(0, seed=seed)
        order = np.random.default_rng(entropy(seed, 10)).permutation(len(table))
        table = table.take(order).reset_index(drop=True)
        return self._fresh_keys(table, seed)

    def shift(
        self,
        n: int,
        *,
        shares: Shares | None = None,
        means: Mapping[Hashable, float] | None = None,
        where: Mapping[Hashable, Any] | None = None,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw a scenario: other marginals of some columns, with everything else as it is given them.

        An ageing population, a stressed portfolio: the rows are chosen from more drawn ones with the weights nearest to
        equal that have the wanted shares and means (entropy balancing, Hainmueller 2012). That conditionals hold while
        marginals move is an assumption, and yours.

        Args:
            n: rows.
            shares: column -> value, ``between(low, high)``, ``isnull()`` -> share; those of a column sum to 1, and
                speak of different cells. Shares and means are met to .005 (means: in standard deviations).
            means: numeric column -> mean of its filled cells.
            where: conditions, as in :meth:`sample`, that hold in all rows.
            seed: an integer for a repeatable table.

        Raises:
            ParamError: shares that do not sum to 1, or an unknown column. ConditionError: the model draws too few rows
                of the kind.
        """
        name = "TabularSynthesizer.shift"
        self._fitted("shift")
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        if not shares and not means:
            raise ParamError(f"{name}: arguments 'shares' and 'means' are both empty; say what is to shift.")
        if shares:
            check_shares(shares, name, "shares")
        check(name, "means", means, Optional(InstanceOf(Mapping)))
        self._known(shares or {}, name, "shares", where)
        self._known(means or {}, name, "means", where)
        self._keys(shares or {}, name, "shares")
        for column, mean in (means or {}).items():
            if not isinstance(self.schema_.columns[column], Numeric) or not _FINITE.ok(mean):
                raise ParamError(
                    f"{name}: argument 'means': column {column!r} must be one of numbers, its mean finite."
                )
        seed = entropy(None) if seed is None else seed
        times = 4
        while times <= _MOST:
            pool = self.sample(times * max(n, _LEAST) + 1000, where=where, seed=entropy(seed, 8, times))
            moments = Moments.of(pool, shares or {}, means or {})
            rng = np.random.default_rng(entropy(seed, 11, times))
            times *= 2
            try:
                chances = chances_of(moments.weights(name), n)
            except ConditionError:
                if len(pool) >= _POOL or times > _MOST:  # of fewer rows a rare kind may be missing by chance
                    raise
                continue
            if moments.met(chances):
                order = np.lexsort([rng.random(len(pool)), *moments.features.T[::-1]])
                rows = chosen_rows(chances, order, rng)
                return pool.take(rng.permutation(rows)).reset_index(drop=True)
        raise ConditionError(
            f"{name}: rows of the kind are too rare among {len(pool)} drawn ones; ask for a smaller shift, fewer "
            "rows, or pin values with 'where'."
        )

    def _known(self, columns: Mapping[Hashable, Any], name: str, argument: str, where: Any) -> None:
        for column in columns:
            if column not in self.schema_.columns:
                raise ParamError(f"{name}: argument {argument!r}: there is no column {column!r}.")
            if isinstance(self.schema_.columns[column], Identifier | Personal):
                raise ParamError(f"{name}: argument {argument!r}: column {column!r} is generated, and has no shares.")
            if column in (self.schema_.entity, self.schema_.weight):
                raise ParamError(
                    f"{name}: argument {argument!r}: column {column!r} is the entity or the weight, and has no shares."
                )
            if column in (where or {}):
                raise ParamError(f"{name}: column {column!r} is in {argument!r} and in 'where'; keep one.")

    def _keys(self, shares: Shares, name: str, argument: str) -> None:
        for column, own in shares.items():
            for key in (key for key, share in own.items() if share > 0):
                try:
                    compile_where(self.encoder_, {column: key}, 1)
                except ConditionError as error:
                    words = str(error).removeprefix("argument 'where': ")
                    raise ConditionError(f"{name}: argument {argument!r}: {words}") from error
            if not disjoint(list(own), self.schema_.columns[column]):
                raise ParamError(
                    f"{name}: argument {argument!r}: two shares of column {column!r} speak of the same cells; ranges "
                    "include their ends, so let them not touch, as in between(0, 39), between(40, None)."
                )

    # ---------------------------------------------------------------- fairness
    def fair(
        self,
        n: int,
        target: Hashable,
        protected: Hashable | Sequence[Hashable],
        *,
        tolerance: float = 0.02,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw rows in which the target does not depend on the protected columns (demographic parity of the table).

        Rows are drawn as by :meth:`sample`; then the target alone is drawn anew where it has to change: per group of
        the protected columns the odds of its classes are multiplied by constants that bring their shares to those of
        all rows. All other columns stay as they are, in every pair. A model trained on such rows may still treat groups
        differently, as other columns tell the group: :func:`synthkit.fairness` measures that on real rows.

        Args:
            n: rows.
            target: a column of a few values, of which no rule speaks; protected: one such column or several (their
                combinations).
            tolerance: how far apart the shares of two groups may be, of filled cells: which are empty stays as it was.
            seed: an integer for a repeatable table.

        Raises:
            ParamError: a column is unknown, of another type, or the target is tied to others by a rule or as a
                quasi-identifier. ConditionError: groups are too small for the tolerance.
        """
        name = "TabularSynthesizer.fair"
        self._fitted("fair")
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        check(name, "tolerance", tolerance, Interval(float, 0, 1, "right"))
        columns = self.schema_.columns
        groups = column_list(protected, columns)
        for column in (target, *groups):
            if column not in list(columns) or not isinstance(columns[column], Categorical | Boolean | Numeric):
                raise ParamError(f"{name}: column {column!r} must be a column of the table that has a few values.")
        if target in groups or not groups:
            raise ParamError(f"{name}: argument 'protected' must name columns other than the target.")
        self._free(target, name)
        seed = entropy(None) if seed is None else seed
        plain = self.sample(n, seed=seed)
        for column in (target, *groups):
            if isinstance(columns[column], Numeric) and plain[column].nunique() > _FEW:
                raise ParamError(f"{name}: column {column!r} has more than {_FEW} values; cut it into classes first.")
        return levelled(self, plain, target, groups, tolerance, entropy(seed, 12))

    def _free(self, target: Hashable, name: str) -> None:
        """May a cell of the target be changed by itself?"""
        tying = [rule for rule in self.schema_.rules if not isinstance(rule, NullImplies)]  # empty cells stay so
        rule = next((rule for rule in tying if target in rule.columns), None)
        if rule is not None:
            raise ParamError(
                f"{name}: argument 'target': the rule {rule!r} ties column {target!r} to others, which would have to "
                "change with it; fit without these columns, or without the rule (argument 'rules')."
            )
        tied = self.combinations_
        if tied is not None and list(self.schema_.columns).index(target) in tied.columns:
            raise ParamError(
                f"{name}: argument 'target': column {target!r} is a quasi-identifier, and new cells could make rare "
                "combinations; fit without it among them."
            )

    # ---------------------------------------------------------------- what if
    def counterfactual(
        self,
        rows: pd.DataFrame,
        set: Mapping[Hashable, Any],
        hold: Sequence[Hashable] | Literal["rest"] = "rest",
        *,
        n: int = 500,
        target: Hashable | None = None,
        seed: int | None = None,
    ) -> Counterfactual:
        """Draw what rows might be with some cells edited: the law of the free columns given the edited and held ones.

        Conditional, not causal: the model answers with what rows like the edited one are like in the table. Whether an
        intervention would bring that about is not in the table.

        Args:
            rows: given rows, with all columns that are held.
            set: column -> value for all rows, or one value per row.
            hold: columns that keep the rows' own cells; "rest": all that are neither set nor the target, nor follow
                from what is set by a rule. Empty cells of a column that training never saw empty are drawn.
            n: draws per row.
            target: the outcome whose probabilities are told: classes, booleans or numbers.
            seed: an integer for a repeatable result.

        Raises:
            ParamError, ConditionError: an unknown column, one that is set and held, a value outside the domain, cells
                that break a rule, or nothing to draw.
        """
        name = "TabularSynthesizer.counterfactual"
        self._fitted("counterfactual")
        check(name, "n", n, Interval(int, 1))
        check(name, "seed", seed, Optional(Interval(int, 0)))
        edited = with_edits(self.encoder_, rows, set, hold, target, name)
        seed = entropy(None) if seed is None else seed
        at = np.repeat(np.arange(len(rows)), n)
        try:
            draws = self.complete(edited.take(at).reset_index(drop=True), seed=entropy(seed, 13))
        except ConditionError as error:
            raise ConditionError(
                f"{name}: arguments 'set' and 'hold': {error} Or leave one of these columns out of 'hold'."
            ) from error
        for column in edited.columns:
            given = edited[column].take(at).reset_index(drop=True)
            draws[column] = put_back(draws[column], given)
        numbers = pd.Index(np.tile(np.arange(n), len(rows)))
        names = [rows.index.name or "row", "draw"]
        draws.index = pd.MultiIndex.from_arrays([rows.index.repeat(n), numbers], names=names)
        support = pd.Series(off_support(self, edited, entropy(seed, 14)), index=rows.index, name="support")
        outcome = None if target is None else _outcome(draws[target], _classes(self.encoder_, target), n, rows.index)
        return Counterfactual(draws, outcome, support, (support < _RARE).rename("off_support"))


def _classes(encoder: TableEncoder, target: Hashable) -> list[Any] | None:
    """The values that a column of classes may have; None of numbers."""
    kind = encoder.schema_.columns[target]
    if isinstance(kind, Numeric):
        return None
    transformer: Any = encoder.transformers_[target]
    return [False, True] if isinstance(kind, Boolean) else sorted(transformer.categories, key=str)


def _outcome(drawn: pd.Series, classes: list[Any] | None, n: int, index: pd.Index) -> pd.DataFrame:
    """Probabilities (Wilson's 95 % intervals), or mean and quantiles, of the target per row, of its filled cells."""
    filled = drawn.notna().to_numpy().reshape(len(index), n)
    many = np.maximum(filled.sum(axis=1), 1)
    if classes is None:
        values = drawn.astype("float64").to_numpy(np.float64).reshape(len(index), n)
        with warnings.catch_warnings():  # a row of which all draws are null has no figures, one draw has no spread
            warnings.simplefilter("ignore", RuntimeWarning)
            mean, spread = np.nanmean(values, axis=1), np.nanstd(values, axis=1, ddof=1)
            quantiles = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        half = norm.ppf(0.975) * spread / np.sqrt(many)
        out: dict[Any, Any] = {"mean": mean, "low": mean - half, "high": mean + half}
        return pd.DataFrame(out | {f"q{q}": v for q, v in zip((5, 50, 95), quantiles, strict=True)}, index=index)
    codes = pd.Index(classes, dtype=object).get_indexer(pd.Index(drawn.astype(object), dtype=object))
    lines = {}
    for k, one in enumerate(classes):
        hit = (codes == k).reshape(len(index), n)
        share = np.where(filled.any(axis=1), hit.sum(axis=1) / many, np.nan)
        low, high = wilson(share, many)
        lines[one] = {"probability": share, "low": low, "high": high}
    table: pd.DataFrame = pd.concat({one: pd.DataFrame(line, index=index) for one, line in lines.items()}, axis=1)
    return table
