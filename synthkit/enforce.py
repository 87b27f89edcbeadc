"""Row rules on drawn rows: repair what a rule determines, draw anew what it does not. For any model.

Rules are enforced on the decoded table, at one place for all models, and by what every model can do: complete a
partial row. A row that breaks a rule keeps the columns before the one that broke it and is drawn anew from there on,
which cuts that column's law to what the rules leave, given the columns before it. (To draw the whole row anew would be
the law of the model given that the rules hold; but then rows with more occasions to break a rule, as those with fewer
gaps, become rarer than in the table, where no row breaks one.) Rows that stay unlucky are drawn anew as a whole, and at
last with a range in place of the order that they break (:mod:`synthkit.ranges`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.conditions import Compiled, Rows
from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError, SynthkitWarning
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Encoded
from synthkit.ranges import Complete, Ranges, pinned
from synthkit.rules import Combination, NullImplies, Ordered, Predicate, Rule, Sum
from synthkit.rules.checks import closure, in_order
from synthkit.runtime import entropy
from synthkit.schema import Identifier, Personal

__all__ = ["Enforcer", "given_cells", "in_dtype", "repaired"]

Bools = NDArray[np.bool_]
_FROM_FAULT = 6  # rounds that keep what lies before the fault
_PLAIN = 12  # rounds under the same conditions before ranges help out
_ROUNDS = 60
_RANGED = 6  # rounds with ranges before cells are moved to the ends of theirs
_HOPELESS = 20  # rounds without one row that holds
_CANDIDATES = 2048  # drawn per round at most, where a row has several
_PASSES = 3  # of repairs, as one may undo another


class Enforcer:
    """The rules of a fitted table, and how drawn rows come to keep them.

    Args:
        rules: learnt ones; encoder: of the table.
        complete: draws the unknown entries of a partial, with a seed.

    Attributes:
        also: of a table and what rows it has of the whole: which of them may be drawn, beside the rules; None: all.
    """

    also: Callable[[pd.DataFrame, Rows], Bools] | None = None

    def __init__(self, rules: Sequence[Rule], encoder: TableEncoder, complete: Complete) -> None:
        self.rules, self.encoder, self.complete = in_order(rules), encoder, complete
        self.ordered = closure([rule for rule in rules if isinstance(rule, Ordered)])

    # ---------------------------------------------------------------- before
    def check_given(self, given: pd.DataFrame) -> None:
        """Do the given cells alone break a rule?

        Raises:
            ConditionError: names the rule's columns.
        """
        others = [r for r in self.rules if not isinstance(r, (Ordered, NullImplies, Combination, Predicate))]
        for rule in [*self.ordered, *others]:  # combinations of few rows are given by right: they are only not drawn
            if not set(rule.columns) <= set(given.columns):
                continue
            cells = in_dtype(self.encoder, given, rule.columns)
            bad = ~rule.holds(cells) & cells.notna().all(axis=1).to_numpy()
            if bad.any():
                raise ConditionError(
                    f"the given cells of columns {_names(rule)} break the rule {rule!r} in {int(bad.sum())} of "
                    f"{len(bad)} rows; correct them, or fit without the rule (argument 'rules')."
                )

    def narrow(self, compiled: Compiled) -> Compiled:
        """What is known of emptiness, carried along the rules, so that the model draws under it."""
        rules = [rule for rule in self.rules if isinstance(rule, NullImplies)]
        partial = compiled.partial
        if not rules or not bool(partial.cat_known.any()):
            return compiled
        cat, known = partial.cat.clone(), partial.cat_known.clone()
        for rule in [*rules, *rules[::-1]]:  # forwards and backwards along chains
            slots = [self._null_slot(name) for name in rule.columns]
            if slots[0] is None or slots[1] is None:
                continue
            for source, target, value in ((slots[0], slots[1], 1), (slots[1], slots[0], 0)):
                for v in {value, 1 - value} if rule.both else {value}:
                    told = known[:, source] & (cat[:, source] == v)
                    against = int((told & known[:, target] & (cat[:, target] != v)).sum())
                    if against:
                        raise ConditionError(
                            f"the conditions on columns {_names(rule)} break the rule {rule!r} in {against} of "
                            f"{len(told)} rows; correct them, or fit without the rule (argument 'rules')."
                        )
                    cat[told, target], known[told, target] = v, True
        return replace(compiled, partial=replace(partial, cat=cat, cat_known=known))

    def _null_slot(self, name: Hashable) -> int | None:
        at = self.encoder._place.get(name, {})
        return self.encoder.layout_.slot[at["null"]] if "null" in at else None

    # ---------------------------------------------------------------- after
    def settle(
        self, table: pd.DataFrame, done: Encoded, compiled: Compiled, seed: int, strict: bool = True
    ) -> pd.DataFrame:
        """The decoded and touched ``table`` with every rule kept in every row.

        Args:
            done: the rows as they were drawn.
            strict: rows that break a rule after the last round are an error, else they are left.

        Raises:
            ConditionError: rows are left that break a rule after the last round.
        """
        table = repaired(self.rules, table, compiled.held, np.random.default_rng(entropy(seed, 0)))
        wrong = np.flatnonzero(~self.holds(table, compiled))
        first, idle = len(wrong), 0
        if len(wrong) and len({self.encoder.layout_.fields[i].column for i in compiled.allowed}) < 2:
            # Several ranges or lists follow the joint law only where all rows know the same.
            table, wrong = self._from_fault(table, done, wrong, compiled, entropy(seed, 2))
        ranges = Ranges(self.ordered, self.encoder)
        for k in range(1, _ROUNDS):
            if not len(wrong):
                return table
            if idle >= _HOPELESS:
                break
            if k == _PLAIN + _RANGED and self.ordered:
                table, wrong = self._clamped(table, wrong, compiled, entropy(seed, k, 0), ranges)
                continue
            help_out = ranges if k > _PLAIN and self.ordered else None
            table, still = self._round(table, wrong, compiled, entropy(seed, k), min(2 ** (k - 1), 32), help_out)
            idle = 0 if len(still) < len(wrong) else idle + 1
            wrong = still
        if len(wrong) and self.ordered:
            table, wrong = self._clamped(table, wrong, compiled, entropy(seed, k, 1), ranges)
        if not len(wrong):
            return table
        if not strict:
            return table
        raise ConditionError(
            f"{len(wrong)} of {len(table)} rows break a rule after {k} rounds ({first} did at first): "
            f"{self._which(table.iloc[wrong]) or 'rare quasi-identifiers'}. Ask for conditions that the rules can "
            "meet, or fit without the rule "
            "(argument 'rules')."
        )

    def warn_of(self, table: pd.DataFrame, compiled: Compiled) -> None:
        """Tell of filled rows that break a rule."""
        wrong = np.flatnonzero(~self.holds(table, compiled))
        if len(wrong):
            warnings.warn(
                f"TabularSynthesizer.impute: {len(wrong)} of {len(table)} rows break a rule, whatever their gaps are "
                f"filled with: {self._which(table.iloc[wrong])}. Their given cells, which are kept, are not as the "
                "rule knows them.",
                SynthkitWarning,
                stacklevel=4,
            )

    def _which(self, rows: pd.DataFrame) -> str:
        return "; ".join(f"{rule!r}" for rule in [rule for rule in self.rules if not rule.holds(rows).all()][:5])

    def holds(self, table: pd.DataFrame, compiled: Compiled, rows: Rows = slice(None)) -> Bools:
        """``(rows,)``: are all rules kept, and sums inside declared bounds?

        Args:
            compiled: what was given in the ``rows`` that ``table`` has.
        """
        good = np.ones(len(table), dtype=bool) if self.also is None else self.also(table, rows)
        return np.all([good, *(g for _, g in self._judged(table, compiled, rows))], axis=0)

    def _judged(self, table: pd.DataFrame, compiled: Compiled, rows: Rows) -> Iterator[tuple[Rule, Bools]]:
        for rule in self.rules:
            good = rule.holds(table)
            if isinstance(rule, Combination):
                good = good | self._by_right(rule, table, compiled, rows)
            elif isinstance(rule, Sum):
                good = good & self._bounded(table, rule)
            yield rule, good

    def _fault(self, table: pd.DataFrame, compiled: Compiled, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """``(rows,)`` place of the first part that breaks a rule; twice the number of columns where none does.

        That is the last of the rule's columns that is not given; the first one, where the rule writes a cell itself.
        A rule that training rows break says nothing of where: the whole row is at fault.
        A column has two parts: whether it is empty (2 i), of which some rules speak, and its value (2 i + 1).
        """
        columns = list(self.encoder.schema_.columns)
        first = np.full(len(table), 2 * len(columns))
        for rule, good in self._judged(table, compiled, rows):
            if good.all():
                continue
            value = not isinstance(rule, (NullImplies, Predicate))
            place = {name: 2 * columns.index(name) + value for name in rule.columns}
            at = np.zeros(len(table), dtype=np.int64)
            pick = np.maximum if rule.output is None else np.minimum
            for k, name in enumerate(rule.columns if rule.always else ()):
                free = ~pinned(self.encoder, name, compiled, rows)
                at = np.where(free, pick(at, place[name]) if k else place[name], at)
            first = np.where(good, first, np.minimum(first, at))
        return first

    def _from_fault(
        self, table: pd.DataFrame, done: Encoded, wrong: NDArray[np.intp], compiled: Compiled, seed: int
    ) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        """Draw the rows ``wrong`` anew from their first fault on, as often as that fault is not the same."""
        layout = self.encoder.layout_
        part = torch.tensor([2 * f.column + (f.part != "null") for f in layout.fields])
        done, end = done.take(torch.from_numpy(wrong)), 2 * len(self.encoder.schema_.columns)
        fault = self._fault(table.iloc[wrong], compiled, wrong)
        for k in range(_FROM_FAULT):
            open_ = np.flatnonzero(fault < end)
            if not len(open_):
                break
            at = np.tile(open_, max(min(2**k, _CANDIDATES // len(open_)), 1))
            rows, known = wrong[at], part < torch.from_numpy(fault[at])[:, None]
            before = done.take(torch.from_numpy(at)).hide(~known[:, layout.num], ~known[:, layout.cat])
            partial = compiled.partial.take(torch.from_numpy(rows)).fill(before)
            drawn = self.complete(partial, compiled.allowed, entropy(seed, k))
            fresh = compiled.touch(self.encoder.decode(drawn, seed=entropy(seed, k)), rows)
            held = {name: cells[rows] for name, cells in compiled.held.items()}
            fresh = repaired(self.rules, fresh, held, np.random.default_rng(entropy(seed, k, 1)))
            reached = self._fault(fresh, compiled, rows)
            good = np.flatnonzero(reached > fault[at])
            to, place = np.unique(at[good], return_index=True)  # the first candidate that comes further
            table = self._write(table, wrong[to], fresh, good[place])
            source = torch.arange(len(done))
            source[torch.from_numpy(to)] = len(done) + torch.from_numpy(good[place])
            done, fault[to] = Encoded.concat([done, drawn]).take(source), reached[good[place]]
        return table, wrong[(fault < end) | ~self.holds(table.iloc[wrong], compiled, wrong)]

    def _by_right(self, rule: Combination, table: pd.DataFrame, compiled: Compiled, rows: Rows) -> Bools:
        """A combination that is given whole, or by a value of too few rows, may be a rare one: it is not judged."""
        whole, rare = np.ones(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
        for name in rule.columns:
            filled = np.zeros(len(table), dtype=bool)
            if name in compiled.given.columns:
                told = compiled.given[name].notna().to_numpy()
                filled = told[rows] if len(told) > 1 else np.full(len(table), told[0])
            whole &= filled
            rare |= filled & ~rule.knows(table, name)
        return np.asarray(whole | rare)

    def _bounded(self, table: pd.DataFrame, rule: Sum) -> Bools:
        good = np.ones(len(table), dtype=bool)
        for name in rule.columns:
            kind, t = self.encoder.schema_.columns[name], self.encoder.transformers_.get(name)
            law = getattr(t, "law", None)
            floor = 0.0 if law is not None and law.lo[0] >= 0 and not getattr(t, "base", None) else None
            low = getattr(kind, "low", None)
            low, high = floor if low is None else low, getattr(kind, "high", None)
            if low is None and high is None:
                continue
            values, null = canonical(table[name], kind)
            good &= null | (
                (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
            )
        return good

    def _round(
        self,
        table: pd.DataFrame,
        wrong: NDArray[np.intp],
        compiled: Compiled,
        seed: int,
        copies: int,
        ranges: Ranges | None,
    ) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        """Draw the rows ``wrong`` anew; those that hold take their place."""
        if ranges is None:
            rows = np.tile(wrong, max(min(copies, _CANDIDATES // len(wrong)), 1))
            done = self.complete(compiled.partial.take(torch.from_numpy(rows)), compiled.allowed, seed)
            fresh = compiled.touch(self.encoder.decode(done, seed=seed), rows)
        else:
            rows, done, finish = ranges.draw(table, wrong, compiled, seed, self.complete)
            fresh = finish(compiled.touch(self.encoder.decode(done, seed=seed), rows))
        held = {name: cells[rows] for name, cells in compiled.held.items()}
        fresh = repaired(self.rules, fresh, held, np.random.default_rng(entropy(seed, 1)))
        good = self.holds(fresh, compiled, rows)
        still = np.setdiff1d(wrong, rows[good])
        if ranges is not None:  # a row that is on its way has one more column in order
            good[:] = True
        at, place = np.unique(rows[good], return_index=True)  # the first candidate that holds
        return self._write(table, at, fresh, np.flatnonzero(good)[place]), still

    def _clamped(
        self, table: pd.DataFrame, wrong: NDArray[np.intp], compiled: Compiled, seed: int, ranges: Ranges
    ) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        """Rows that no draw puts in order, with cells moved to the ends of their ranges; those that hold are kept."""
        fresh = ranges.clamp(table.iloc[wrong], wrong, compiled)
        held = {name: cells[wrong] for name, cells in compiled.held.items()}
        fresh = repaired(self.rules, fresh, held, np.random.default_rng(seed))
        good = self.holds(fresh, compiled, wrong)
        return self._write(table, wrong[good], fresh, np.flatnonzero(good)), wrong[~good]

    def instead(self, table: pd.DataFrame, at: NDArray[np.intp], other: pd.DataFrame) -> pd.DataFrame:
        """``table`` with the rows ``at`` of ``other``."""
        return self._write(table, at, other, at)

    def _write(
        self, table: pd.DataFrame, at: NDArray[np.intp], fresh: pd.DataFrame, take: NDArray[np.intp]
    ) -> pd.DataFrame:
        if not len(at):
            return table
        out = table.copy(deep=False)
        kinds = self.encoder.schema_.columns
        # fresh values of a person are unique, too, and stay, unless one more or fewer cell of the row is filled
        people = [name for name, kind in kinds.items() if isinstance(kind, Personal)]
        gaps = [t[people].isna().to_numpy()[rows] for t, rows in ((table, at), (fresh, take))]
        moved = (gaps[0] != gaps[1]).any(axis=1)
        for name, kind in kinds.items():
            if isinstance(kind, Identifier) or name == self.encoder.schema_.entity:
                continue  # keys are unique over the whole table, and those of few rows are not
            column, new = out[name].copy(), fresh[name].iloc[take]
            if isinstance(kind, Personal):
                column.iloc[at[moved]] = new[moved].array
            else:
                column.iloc[at] = new.array
            out[name] = column
        return out


def repaired(
    rules: Sequence[Rule], table: pd.DataFrame, held: Mapping[Hashable, Bools], rng: np.random.Generator | None
) -> pd.DataFrame:
    """Every rule's own repair, in the order in which they depend on each other.

    Args:
        rules: in that order (``rules.checks.in_order``); held: by column, the cells that stay, ``(rows,)``.
        rng: of choices among several ways; None: always the same.
    """
    for _ in range(_PASSES):
        before, fixed = table, dict(held)
        for rule in rules:
            if rule.output is None:
                continue
            table = rule.repair(table, fixed, rng)
            if isinstance(rule, Sum):  # what one sum has settled, a later one leaves alone
                fixed.update({name: np.ones(len(table), dtype=bool) for name in rule.columns})
        if table is before:
            break
    return table


def given_cells(encoder: TableEncoder, table: pd.DataFrame, partial: Encoded) -> Compiled:
    """The condition that the filled cells of ``table`` are; only what rules speak of is put back after decoding."""
    names = list(dict.fromkeys(name for rule in encoder.schema_.rules for name in rule.columns))
    everything = any(isinstance(rule, Predicate) for rule in encoder.schema_.rules)
    names = [name for name in (encoder.schema_.columns if everything else names) if name in table.columns]
    given = in_dtype(encoder, table, names)
    held = {name: given[name].notna().to_numpy() for name in names}

    def touch(drawn: pd.DataFrame, at: Rows) -> pd.DataFrame:
        for name in names:
            keep = held[name][at]
            if keep.any():
                column = drawn[name].copy()
                column.iloc[np.flatnonzero(keep)] = given[name].iloc[at][keep].astype(column.dtype).array
                drawn[name] = column
        return drawn

    return Compiled(partial, {}, touch, held, given)


def in_dtype(encoder: TableEncoder, table: pd.DataFrame, names: Sequence[Hashable]) -> pd.DataFrame:
    """Columns as the encoder decodes them, but that any may have gaps."""
    columns = {}
    for k, name in enumerate(names):
        kind = encoder.schema_.columns[name]
        if not _holds_nulls(kind.dtype) and table[name].isna().any():
            kind = replace(kind, dtype={"kind": "object", "missing": "nan"})
        columns[k] = from_canonical(*canonical(table[name], kind), kind, index=table.index)
    out = pd.DataFrame(columns, index=table.index)
    out.columns = pd.Index(list(names), tupleize_cols=False)
    return out


def _names(rule: Rule) -> str:
    return ", ".join(repr(name) for name in rule.columns)


def _holds_nulls(spec: object) -> bool:
    name = str((spec or {}).get("name", "")) if isinstance(spec, dict) else ""
    return not name.startswith(("int", "uint", "bool"))
