"""Quasi-identifiers: their combinations are drawn only if enough rows (entities) of the training table have them.

A combination is one code per column: a category, or the cell of the law of a number or a date, or null. Only the
combinations that are frequent enough are kept, so that no file tells a rare one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.conditions import Rows
from synthkit.encoder import TableEncoder
from synthkit.errors import LoadError, SchemaError, SynthkitWarning
from synthkit.layout import Allowed, Encoded, Layout
from synthkit.protect import Protection
from synthkit.rules import Rule

__all__ = ["Combinations"]

Ints = NDArray[np.int64]
_ROUNDS = 8  # in which rows with a rare combination are drawn anew, given the rest of the row
_BLOCK = 512  # rows that are compared with all combinations at once
_MANY = 0.5  # of the rows with a rare combination: what is drawn is then another table
_NULL, _UNKNOWN = -1, -2


@dataclass(eq=False)
class Combinations:
    """What may be drawn. Shapes: Q columns, M combinations.

    Attributes:
        layout: of the rows; columns: which of its columns; nulls, codes: the field of each that says null (-1: none),
            and its code; allowed: ``(M, Q)`` codes, -1 for null; share: ``(M,)`` of the training rows.
        counts: rare combinations, and the training rows that had them.
    """

    layout: Layout
    columns: tuple[int, ...]
    nulls: tuple[int, ...]
    codes: tuple[int, ...]
    allowed: Ints
    share: NDArray[np.float64]
    counts: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def fit(
        cls, protection: Protection, encoder: TableEncoder, data: Encoded, owner: Ints, seed: int
    ) -> Combinations | None:
        """The combinations of the training rows ``data``; None where no column is a quasi-identifier.

        Args:
            owner: ``(rows,)`` whose they are; seed: of the threshold.

        Raises:
            SchemaError: a column is missing or has no law, or every combination is rare.
        """
        if not protection.quasi_identifiers:
            return None
        out = cls._of(protection.quasi_identifiers, encoder)
        keys = out._keys(data)
        known = (keys != _UNKNOWN).all(1)
        frame = pd.DataFrame(keys).assign(who=owner)
        columns = list(range(keys.shape[1]))
        rows = frame[known].groupby(columns, sort=True)["who"].agg(["size", "nunique"])
        least = protection.combinations + int(np.random.default_rng([seed, 79]).integers(protection.jitter))
        kept = rows[rows["nunique"] >= (least if protection.on else 1)]
        if not len(kept):
            names = ", ".join(repr(name) for name in protection.quasi_identifiers)
            raise SchemaError(
                f"TabularSynthesizer.fit: no combination of the quasi-identifiers {names} is in {least} rows (or "
                "entities); name fewer columns, make them coarser, or lower Protection(combination_min)."
            )
        out.allowed = kept.index.to_frame().to_numpy(np.int64).reshape(len(kept), -1)
        out.share = kept["size"].to_numpy(float) / float(kept["size"].sum())
        out.counts = float(len(rows) - len(kept)), float(len(keys) - kept["size"].sum())
        if out.counts[1] > _MANY * len(keys):
            names = ", ".join(repr(name) for name in protection.quasi_identifiers)
            warnings.warn(
                f"TabularSynthesizer.fit: most rows have a rare combination of the quasi-identifiers {names}, and the "
                "few others are drawn in their place; name fewer columns, or make them coarser.",
                SynthkitWarning,
                stacklevel=5,
            )
        return out

    @classmethod
    def _of(cls, names: Sequence[Hashable], encoder: TableEncoder) -> Self:
        places = encoder._place
        for name in names:
            if "code" not in places.get(name, {}):
                why = "is no column of the table" if name not in encoder.schema_.columns else "is not learnt"
                raise SchemaError(
                    f"TabularSynthesizer.fit: the quasi-identifier {name!r} {why}; name columns of categories, "
                    "numbers or dates in Protection(quasi_identifiers)."
                )
        order = list(encoder.schema_.columns)
        codes = tuple(places[name]["code"] for name in names)
        nulls = tuple(places[name].get("null", -1) for name in names)
        columns = tuple(order.index(name) for name in names)
        return cls(encoder.layout_, columns, nulls, codes, np.empty((0, len(columns)), np.int64), np.empty(0))

    def _keys(self, data: Encoded) -> Ints:
        """``(rows, Q)`` codes."""
        out, slot = np.empty((len(data), len(self.codes)), np.int64), self.layout.slot
        cat, known = data.cat.long().cpu().numpy(), data.cat_known.cpu().numpy()  # bytes hold no -1
        for q, (null, code) in enumerate(zip(self.nulls, self.codes, strict=True)):
            out[:, q] = np.where(known[:, slot[code]], cat[:, slot[code]], _UNKNOWN)
            if null >= 0:
                empty = known[:, slot[null]] & (cat[:, slot[null]] == 1)
                out[:, q] = np.where(empty, _NULL, out[:, q])
        return out

    def ok(self, data: Encoded) -> NDArray[np.bool_]:
        """``(rows,)`` which rows have an allowed combination."""
        kept = pd.MultiIndex.from_arrays(list(self.allowed.T))
        return np.asarray(kept.get_indexer(pd.MultiIndex.from_arrays(list(self._keys(data).T))) >= 0)

    def after(
        self, rules: Sequence[Rule], encoder: TableEncoder, done: Encoded
    ) -> Callable[[pd.DataFrame, Rows], NDArray[np.bool_]] | None:
        """Which rows of a decoded and repaired table have an allowed combination, or one that was given.

        None where no rule writes such a column.

        Args:
            done: the rows as they were drawn; where a rare combination is left there, it was given.
        """
        names = [list(encoder.schema_.columns)[column] for column in self.columns]
        if not any(set(names) & set(rule.columns) for rule in rules):
            return None
        given = ~self.ok(done)
        return lambda table, rows: given[rows] | self.ok(encoder.encode(table[names], partial=True))

    # ---------------------------------------------------------------- drawing
    def settle(
        self,
        partial: Encoded,
        done: Encoded,
        allowed: Mapping[int, Allowed],
        complete: Callable[[Encoded], Encoded],
        seed: int,
    ) -> Encoded:
        """Drawn rows whose rare combinations are drawn anew, given the rest; in the end, near ones take their place.

        Args:
            partial: what was known of the rows ``done``: it stays, so that a row may keep a rare combination.
            allowed: the set-valued conditions; complete: draws what is not known.
        """
        for _ in range(_ROUNDS):
            bad = torch.from_numpy(np.flatnonzero(~self.ok(done)))
            if not len(bad):
                return done
            done = _put(done, bad, complete(self._opened(partial.take(bad), done.take(bad))))
        bad = torch.from_numpy(np.flatnonzero(~self.ok(done)))
        if not len(bad):
            return done
        picked = self._picked(partial.take(bad), done.take(bad), allowed, np.random.default_rng(seed))
        return _put(done, bad, complete(picked))

    def _opened(self, partial: Encoded, done: Encoded) -> Encoded:
        """Whole rows, but that nothing is known of quasi-identifiers that were drawn."""
        mine = torch.tensor([f.column in self.columns for f in self.layout.fields])
        num, cat = mine[list(self.layout.num)].to(done.num.device), mine[list(self.layout.cat)].to(done.cat.device)
        return done.hide(num & ~partial.num_known, cat & ~partial.cat_known)

    def _picked(
        self, partial: Encoded, done: Encoded, allowed: Mapping[int, Allowed], rng: np.random.Generator
    ) -> Encoded:
        """Rows that are told an allowed combination: one that shares most columns with what was drawn, by frequency."""
        given, drawn = self._keys(partial), self._keys(done)
        open_ = np.ones(len(self.allowed), bool)
        for q, code in enumerate(self.codes):
            if code in allowed:
                weights = allowed[code].weights.cpu().numpy()
                open_ &= (self.allowed[:, q] >= 0) & (weights[np.maximum(self.allowed[:, q], 0)] > 0)
        choice = np.full(len(drawn), -1)
        for a in range(0, len(drawn), _BLOCK):
            own, was = given[a : a + _BLOCK, None], drawn[a : a + _BLOCK, None]
            fits = ((own == _UNKNOWN) | (own == self.allowed)).all(2) & open_
            alike = np.where(fits, (was == self.allowed).sum(2), -1)
            weight = np.where(fits & (alike == alike.max(1, keepdims=True)), self.share, 0.0)
            total = np.cumsum(weight, axis=1)
            found = (total < rng.random((len(total), 1)) * total[:, -1:]).sum(1)
            choice[a : a + _BLOCK] = np.where(total[:, -1] > 0, np.minimum(found, len(self.share) - 1), -1)
        return self._told(self._opened(partial, done), done, choice)

    def _told(self, rows: Encoded, done: Encoded, choice: Ints) -> Encoded:
        """Rows that know the chosen combinations; where none fits, what was drawn."""
        cat, known = rows.cat.clone(), rows.cat_known.clone()
        none = torch.from_numpy(choice < 0)
        want = torch.from_numpy(self.allowed[np.maximum(choice, 0)]).to(cat.device)
        for q, (null, code) in enumerate(zip(self.nulls, self.codes, strict=True)):
            empty = want[:, q] == _NULL
            for field, value, tell in (
                (null, empty.long(), torch.ones_like(empty)),
                (code, want[:, q].clamp(min=0), ~empty),
            ):
                if field >= 0:
                    slot = self.layout.slot[field]
                    cat[:, slot] = torch.where(tell, value, 0).to(cat.dtype)
                    known[:, slot] = tell
        told = Encoded(rows.num, cat, rows.num_known, known)
        at = torch.nonzero(none)[:, 0]
        return told if not len(at) else _put(told, at, done.take(at))

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays: frequent combinations alone."""
        return {"columns": list(self.columns)}, {"allowed": self.allowed, "share": self.share}

    @classmethod
    def from_state(
        cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], encoder: TableEncoder
    ) -> Combinations:
        """The inverse of :meth:`to_state`."""
        names = list(encoder.schema_.columns)
        out = cls._of([names[int(c)] for c in value["columns"]], encoder)
        out.allowed = np.asarray(arrays["allowed"], np.int64).reshape(-1, len(out.columns))
        out.share = np.asarray(arrays["share"], np.float64).reshape(len(out.allowed))
        sizes = np.array([encoder.layout_.fields[code].size for code in out.codes])
        inside = (out.allowed >= _NULL) & (out.allowed < sizes)
        if not len(out.share) or not inside.all() or not (out.share > 0).all() or not np.isfinite(out.share).all():
            raise LoadError("the file's combinations are none; it was altered.")
        return out


def _put(rows: Encoded, at: torch.Tensor, other: Encoded) -> Encoded:
    """``rows`` with those at ``at`` replaced."""
    out = [getattr(rows, name).clone() for name in ("num", "cat", "num_known", "cat_known")]
    for mine, name in zip(out, ("num", "cat", "num_known", "cat_known"), strict=True):
        mine[at.to(mine.device)] = getattr(other, name).to(mine)
    return Encoded(*out)
