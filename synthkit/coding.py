"""The cells of a table as the fields of its columns, and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.errors import ParamError, SchemaError
from synthkit.inference import canonical, from_canonical
from synthkit.layout import Encoded, Layout
from synthkit.schema import Schema
from synthkit.transforms import ColumnTransformer

__all__ = ["Coding", "each"]

T = TypeVar("T")
_MISSING = ("state", "free", "fill")


class Coding:
    """The part of :class:`synthkit.TableEncoder` that encodes and decodes; its attributes are told there."""

    schema_: Schema
    layout_: Layout
    transformers_: dict[Hashable, ColumnTransformer]
    nullable_: dict[Hashable, bool]
    mean_weight_: float
    _place: dict[Hashable, dict[str, int]]
    _check: Callable[[str], Layout]
    _all_null: Callable[[Hashable], bool]

    def encode(self, table: pd.DataFrame, missing: str = "state", *, partial: bool = False) -> Encoded:
        """Encode a table.

        Args:
            missing: what an empty cell means: "state": null, and known to be; "free": nothing is known of it;
                "fill": it has a value, which is not known.
            partial: columns may be absent; nothing is known of them.

        Raises:
            SchemaError: unknown columns or categories, other kinds of values, or nulls that training had not.
        """
        layout = self._check("encode")
        if missing not in _MISSING:
            raise ParamError(
                f"TableEncoder.encode: argument 'missing' must be one of {', '.join(_MISSING)}, got {missing!r}."
            )
        self.schema_.validate(table, partial=partial)
        num = np.zeros((len(table), layout.n_num), dtype=np.float32)
        dtype = {torch.uint8: np.uint8, torch.int16: np.int16, torch.int32: np.int32}[layout.code_dtype]
        cat = np.zeros((len(table), layout.n_cat), dtype=dtype)
        num_known, cat_known = np.zeros(num.shape, dtype=bool), np.zeros(cat.shape, dtype=bool)

        def one(name: Hashable) -> None:
            self._encode_column(table[name], name, missing, (num, cat, num_known, cat_known))

        each(one, [n for n in self.transformers_ if n in table.columns and self._place[n]], len(table))
        return Encoded(*(torch.from_numpy(a) for a in (num, cat, num_known, cat_known)))

    def _encode_column(self, series: pd.Series, name: Hashable, missing: str, out: tuple[Any, Any, Any, Any]) -> None:
        num, cat, num_known, cat_known = out
        layout, at, t = self.layout_, self._place[name], self.transformers_[name]
        values, null = canonical(series, self.schema_.columns[name])
        if "null" in at:
            slot = layout.slot[at["null"]]
            if missing == "state":
                cat[:, slot], cat_known[:, slot] = null, True
            else:
                cat_known[:, slot] = True if missing == "fill" else ~null
        elif missing == "state" and null.any() and not self._all_null(name):
            raise SchemaError(
                f"column {name!r} has empty cells, and had none in training; use missing='free' or impute it first."
            )
        if not t.parts:
            return
        some = bool(null.any())
        entries = t.encode(values[~null] if some else values)
        for part, (value, known) in entries.items():
            slot, size = layout.slot[at[part]], layout.fields[at[part]].size
            target, target_known = (cat, cat_known) if size else (num, num_known)
            value = np.where(known, value, 0)
            if some:
                target[~null, slot], target_known[~null, slot] = value, known
            else:
                target[:, slot], target_known[:, slot] = value, known

    def coded(self, name: Hashable, values: NDArray[Any]) -> list[tuple[int, tuple[NDArray[Any], NDArray[np.bool_]]]]:
        """``(rows,)`` canonical values of a column as its fields: entries, and where they apply."""
        at = self._place[name]
        out: list[tuple[int, Any]] = [
            (at[part], entry) for part, entry in self.transformers_[name].encode(values).items()
        ]
        if "null" in at:
            out.append((at["null"], (np.zeros(len(values), np.int64), np.ones(len(values), bool))))
        return out

    def decode(
        self, data: Encoded, *, seed: int = 0, index: Any = None, columns: Sequence[Hashable] | None = None
    ) -> pd.DataFrame:
        """The table of completed rows, in the schema's order and dtypes.

        Args:
            seed: of what is generated: keys and texts. Everything else is deterministic.
            index: of the table; None: a fresh RangeIndex.
            columns: those that are wanted; None: all.
        """
        self._check("decode")
        arrays = [t.cpu().numpy() for t in (data.num, data.cat, data.num_known, data.cat_known)]
        rows = len(data)
        wanted = [n for n in self.schema_.columns if columns is None or n in columns]

        def one(name: Hashable) -> pd.Series:
            return self._decode_column(name, arrays, rows, seed)

        names = [n for n in self.transformers_ if n in wanted]
        done = dict(zip(names, each(one, names, rows), strict=True))
        if self.schema_.weight in wanted and self.schema_.weight is not None:
            kind = self.schema_.columns[self.schema_.weight]
            null = np.zeros(rows, dtype=bool)
            done[self.schema_.weight] = from_canonical(np.full(rows, self.mean_weight_), null, kind)
        ordered = [done[name] for name in wanted]
        table = pd.concat(ordered, axis=1) if ordered else pd.DataFrame(index=range(rows))
        table.columns = pd.Index(wanted, tupleize_cols=False)
        if index is not None:
            table.index = index
        return table

    def _decode_column(self, name: Hashable, arrays: list[Any], rows: int, seed: int) -> pd.Series:
        num, cat, _, cat_known = arrays
        layout, at, t = self.layout_, self._place[name], self.transformers_[name]
        null = np.zeros(rows, dtype=bool)
        if "null" in at:
            null = cat[:, layout.slot[at["null"]]] == 1
        elif self._all_null(name):
            null = ~null
        entries: dict[str, Any] = {}
        for part in t.parts:
            slot = layout.slot[at[part.name]]
            entries[part.name] = cat[:, slot].astype(np.int64) if part.size else num[:, slot]
            if part.size:
                entries[part.name + ":known"] = cat_known[:, slot]
        key: tuple[int, ...] = (list(self.schema_.columns).index(name),)
        if t.stream is not None:
            key = (2**31, zlib.crc32(t.stream.encode()))
        rng = np.random.default_rng(np.random.SeedSequence(abs(int(seed)), spawn_key=key))
        values = t.decode(entries, rows, rng)
        return from_canonical(values, null, self.schema_.columns[name], name=name)


def each(work: Callable[[Any], T], names: list[Any], rows: int) -> list[T]:
    """Columns side by side on two threads where the table is large: numpy lets go of the interpreter lock."""
    if rows < 20_000 or len(names) < 2:
        return [work(name) for name in names]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, names))
