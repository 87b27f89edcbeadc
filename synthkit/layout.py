"""The tensor form of a table: which fields it has, and one value type for data, conditions and samples.

``Layout`` names the fields; ``Encoded`` holds their values together with a mask of what is *known*. Training data
is an ``Encoded`` in which every applicable entry is known; a condition is one in which some are; a sample is a
condition that a model has completed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from synthkit.errors import SchemaError
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["Allowed", "Calendar", "Encoded", "Field", "Layout"]


@dataclass(frozen=True)
class Field:
    """One number or code per row.

    Attributes:
        column: position of the column in the table.
        part: what it says of the column: ``"null"`` (0: has a value, 1: null), ``"code"``, ``"offset"`` (position
            inside the code's cell, uniform on [0, 1] by construction), or a further part such as ``"weekday"``.
        size: 0 for a real number, else the number of codes: the entries are integers in [0, size).
        given: ``(field, codes)``: the entry applies only in rows where that earlier field of the same column has
            one of these codes. None: it always applies.
        ordered: the codes are in order of value (cells of a number), so that neighbours are alike.
    """

    column: int
    part: str
    size: int = 0
    given: tuple[int, tuple[int, ...]] | None = None
    ordered: bool = False


@dataclass(frozen=True)
class Calendar:
    """How a gap that is drawn leads from one date to the next.

    Attributes:
        gap: its coded field; clock: the real-valued field that holds the time of the row before, in days since 1970 by
            the clock on the wall; days: of one unit of the gap's law; parts: "hour", "weekday", "day", as rows go by.
    """

    gap: int
    clock: int
    days: float
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """The fields of a table, column by column; the fields of a column are adjacent and ordered null, code, offset.

    Attributes:
        laws: the numbers behind a coded field and its offset, by field, where the column is one number.
        links: ``(target, source, rate)``: in this share of the rows the number of the coded field ``target`` is that of
            ``source``, to the last digit. Both have laws.
        inputs: columns that are never drawn: whoever completes rows has to know them. Their real-valued fields (of
            size 0, applying always) are read as they are.
        about: which column such a real-valued field tells of, where it does.
        calendar: of a gap between rows.
        after: input -> the coded field without which it is not known, and which it follows in the natural order.
        before: coded field that is drawn -> the input that holds its last known value, on the same law.

    >>> layout = Layout((Field(0, "null", 2), Field(0, "code", 9, (0, (0,))), Field(1, "code", 4)))
    >>> layout.n_num, layout.n_cat, layout.groups
    (0, 3, ((0, 1), (2,)))
    """

    fields: tuple[Field, ...]
    laws: Mapping[int, QuantileLaw] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    links: tuple[tuple[int, int, float], ...] = ()
    inputs: frozenset[int] = frozenset()
    about: Mapping[int, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    before: Mapping[int, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    calendar: Calendar | None = None
    after: Mapping[int, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for i, field in enumerate(self.fields):
            if field.given is not None:
                parent, codes = field.given
                ok = parent < i and self.fields[parent].column == field.column and self.fields[parent].size > 0
                if not ok or any(not 0 <= c < self.fields[parent].size for c in codes):
                    raise SchemaError(f"Layout: field {i} refers to no earlier coded field of its own column.")
            if i and field.column < self.fields[i - 1].column:
                raise SchemaError("Layout: fields must be listed column by column.")

    @cached_property
    def cat(self) -> tuple[int, ...]:
        """Positions of the coded fields, in the order of ``Encoded.cat``'s columns."""
        return tuple(i for i, f in enumerate(self.fields) if f.size)

    @cached_property
    def num(self) -> tuple[int, ...]:
        """Positions of the real-valued fields, in the order of ``Encoded.num``'s columns."""
        return tuple(i for i, f in enumerate(self.fields) if not f.size)

    @property
    def n_cat(self) -> int:
        return len(self.cat)

    @property
    def n_num(self) -> int:
        return len(self.num)

    @cached_property
    def slot(self) -> tuple[int, ...]:
        """Per field, its column in ``Encoded.cat`` or ``Encoded.num``."""
        where = {i: k for k, i in enumerate(self.cat)} | {i: k for k, i in enumerate(self.num)}
        return tuple(where[i] for i in range(len(self.fields)))

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Field positions, gathered by table column (only columns that have fields)."""
        groups: dict[int, list[int]] = {}
        for i, f in enumerate(self.fields):
            groups.setdefault(f.column, []).append(i)
        return tuple(tuple(g) for g in groups.values())

    @property
    def code_dtype(self) -> torch.dtype:
        """The smallest of uint8, int16, int32 that holds every code."""
        top = max((f.size for f in self.fields), default=0)
        return torch.uint8 if top <= 256 else torch.int16 if top <= 2**15 else torch.int32

    def empty(self, rows: int, device: torch.device | str = "cpu") -> Encoded:
        """``rows`` rows of which nothing is known."""
        return Encoded(
            num=torch.zeros(rows, self.n_num, dtype=torch.float32, device=device),
            cat=torch.zeros(rows, self.n_cat, dtype=self.code_dtype, device=device),
            num_known=torch.zeros(rows, self.n_num, dtype=torch.bool, device=device),
            cat_known=torch.zeros(rows, self.n_cat, dtype=torch.bool, device=device),
        )

    def applies(self, data: Encoded) -> tuple[Tensor, Tensor]:
        """Which entries apply, given the codes of their parents (a parent that is unknown lets its child apply).

        Returns:
            Two bool tensors of the shapes of ``data.num`` and ``data.cat``.
        """
        num = torch.ones_like(data.num_known)
        cat = torch.ones_like(data.cat_known)
        for i, field in enumerate(self.fields):  # parents come first, so one pass is enough
            if field.given is None:
                continue
            parent, codes = field.given
            slot = self.slot[parent]
            table = torch.zeros(self.fields[parent].size, dtype=torch.bool, device=data.cat.device)
            table[list(codes)] = True
            known = data.cat_known[:, slot]
            open_ = torch.where(known, table[data.cat[:, slot].long()], True) & cat[:, slot]
            (cat if field.size else num)[:, self.slot[i]] = open_
        return num, cat

    def to_json(self) -> list[list[Any]]:
        """A JSON value from which :meth:`from_json` rebuilds the layout."""
        return [
            [f.column, f.part, f.size, None if f.given is None else [f.given[0], list(f.given[1])], f.ordered]
            for f in self.fields
        ]

    @classmethod
    def from_json(cls, value: Sequence[Sequence[Any]]) -> Layout:
        fields = []
        for column, part, size, given, ordered in value:
            fields.append(Field(column, part, size, None if given is None else (given[0], tuple(given[1])), ordered))
        return cls(tuple(fields))


@dataclass(frozen=True)
class Encoded:
    """Values and a mask of what is known. ``*`` is ``(rows,)``, or ``(entities, steps)`` for sequences.

    Attributes:
        num: float ``(*, n_num)``; cat: small integers ``(*, n_cat)``.
        num_known, cat_known: bool, of the same shapes. An entry that is not known holds 0 and means nothing.
    """

    num: Tensor
    cat: Tensor
    num_known: Tensor
    cat_known: Tensor

    def __len__(self) -> int:
        return int(self.cat.shape[0])

    def take(self, index: Tensor | slice) -> Encoded:
        """The rows at ``index``."""
        return Encoded(self.num[index], self.cat[index], self.num_known[index], self.cat_known[index])

    def to(self, device: torch.device | str) -> Encoded:
        """The same rows on another device."""
        return Encoded(*(t.to(device) for t in (self.num, self.cat, self.num_known, self.cat_known)))

    def hide(self, num_mask: Tensor, cat_mask: Tensor) -> Encoded:
        """The same rows with the entries under the masks (True: hide) no longer known."""
        num_known, cat_known = self.num_known & ~num_mask, self.cat_known & ~cat_mask
        zero = torch.zeros((), dtype=self.cat.dtype, device=self.cat.device)
        return Encoded(self.num * num_known, torch.where(cat_known, self.cat, zero), num_known, cat_known)

    def fill(self, other: Encoded) -> Encoded:
        """Entries not known here, taken from ``other``; the known ones stay bit for bit."""
        return Encoded(
            torch.where(self.num_known, self.num, other.num),
            torch.where(self.cat_known, self.cat, other.cat),
            self.num_known | other.num_known,
            self.cat_known | other.cat_known,
        )

    @staticmethod
    def concat(parts: Sequence[Encoded]) -> Encoded:
        """The rows of all parts, one below the other."""
        return Encoded(
            torch.cat([p.num for p in parts]),
            torch.cat([p.cat for p in parts]),
            torch.cat([p.num_known for p in parts]),
            torch.cat([p.cat_known for p in parts]),
        )


@dataclass(frozen=True)
class Allowed:
    """A set-valued condition on one coded field: how much of each code's mass is inside, and where in its cell.

    Attributes:
        weights: ``(size,)``, each in [0, 1]: the share of the code's mass that meets the condition.
        low, high: ``(size,)``: the interval of the code's offset that meets it (0 and 1: the whole cell).
    """

    weights: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def codes(cls, weights: Tensor) -> Allowed:
        """Whole cells only."""
        weights = weights.float()
        return cls(weights, torch.zeros_like(weights), torch.ones_like(weights))

    def to(self, device: torch.device | str) -> Allowed:
        """The same set on another device."""
        return Allowed(self.weights.to(device), self.low.to(device), self.high.to(device))
