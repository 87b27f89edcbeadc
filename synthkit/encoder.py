"""DataFrame <-> Encoded. Owns nulls, the layout, and the columns that are generated rather than learnt."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from synthkit import io
from synthkit.coding import Coding
from synthkit.errors import NotFittedError, ParamError, SchemaError, SynthkitWarning
from synthkit.inference import canonical
from synthkit.layout import Field, Layout
from synthkit.matrix import from_matrix, to_matrix
from synthkit.protect import Protect, Protection
from synthkit.protected import ProtectionReport
from synthkit.schema import ColumnType, Constant, Datetime, Duration, Empty, Numeric, Schema, check_table, key_type
from synthkit.transforms import TRANSFORMERS, ColumnTransformer
from synthkit.transforms.links import EqualCounts
from synthkit.transforms.numeric import NumericTransformer
from synthkit.transforms.personal import agree, settle_home, tell_of_generated
from synthkit.transforms.pieces import fit_piece, hide_constants, merge_types, without_keys
from synthkit.transforms.quantile import QuantileLaw

__all__ = ["TableEncoder"]

_MANY = 24  # codes: a number with fewer is learnt cell by cell, copies and all


class TableEncoder(Coding, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The codec that every model shares: one transformer per column, null as a field of its own.

    Args:
        schema: column types; None: inferred from the first table.
        protect: how many rows (entities) must stand behind every stored value: "standard" (5), "health" (11), "strict"
            (20), a ``Protection``, or None: one.
        entity, weight: columns that say whose row it is, and how much it counts. Neither is learnt.
        overrides: types by column, as in ``Schema.infer``.
        seed: of the thresholds of columns (``Protection.jitter``).

    Attributes:
        schema_: the schema in use; layout_: the fields; transformers_: one per column; protection_: what was changed
            for protection, in counts.

    Example:
        >>> table = pd.DataFrame({"age": [40, 51, 62] * 5, "sex": ["F", "M", None] * 5})
        >>> encoder = TableEncoder().fit(table)
        >>> encoder.layout_.n_cat
        3
        >>> encoder.decode(encoder.encode(table)).equals(table)
        True
    """

    schema_: Schema
    _equal: EqualCounts
    _rows: int
    _weight_sum: float

    def __init__(
        self,
        schema: Schema | None = None,
        *,
        protect: Protect = "standard",
        entity: Hashable | None = None,
        weight: Hashable | None = None,
        overrides: Mapping[Hashable, ColumnType | str] | None = None,
        seed: int = 0,
    ) -> None:
        self.schema = schema
        self.protect = protect
        self.entity = entity
        self.weight = weight
        self.overrides = overrides
        self.seed = seed

    # ---------------------------------------------------------------- fitting
    def fit(self, table: pd.DataFrame, y: Any = None) -> Self:
        """Learn the codec of ``table``.

        Raises:
            SchemaError: the table cannot be modelled as it is, or contradicts the schema.
        """
        for name in ("layout_", "transformers_", "schema_"):
            self.__dict__.pop(name, None)
        return self.update(table).finish()

    def update(self, table: pd.DataFrame) -> Self:
        """Count one piece of a table; ``finish`` ends the fit."""
        check_table(table, "TableEncoder.fit")
        if "schema_" not in self.__dict__:
            self._start(table)
        schema = self.schema_
        schema.validate(table)
        entity = None
        if schema.entity is not None:
            entity = pd.util.hash_array(table[schema.entity].astype(str).to_numpy(object)).astype(np.int64)
        weight = self.weights(table)
        schema = self.schema_ = fit_piece(schema, self.transformers_, table, self.schema if self._rows else schema)
        numbers: list[NDArray[np.float64]] = []
        for name, t in self.transformers_.items():
            values, null = canonical(table[name], schema.columns[name])
            keep = ~null
            if type(t) is NumericTransformer:
                numbers.append(np.where(null, np.nan, values.astype(np.float64)))
            self._nulls[name] += int(null.sum())
            t.update(
                values[keep],
                entity=None if entity is None else entity[keep],
                weight=None if weight is None else weight[keep],
            )
        self._equal.update(np.column_stack(numbers or [np.empty((len(table), 0))]), self._steps())
        self._rows += len(table)
        if weight is not None:
            self._weight_sum += float(weight.sum())
        return self

    def _start(self, table: pd.DataFrame) -> None:
        declared = {} if self.schema is None else self.schema.columns
        if self.schema is None:
            self.schema_ = Schema.infer(
                table, entity=self.entity, weight=self.weight, overrides=self.overrides, rules=False
            )
        else:  # rules are the synthesizer's: a codec looks at one column at a time
            inferred = Schema.infer(table, overrides=dict(self.schema.columns), rules=False)
            self.schema_ = Schema(inferred.columns, self._role("entity"), self._role("weight"))
        tell_of_generated(self.schema_, {*declared, *(self.overrides or {})}, "TableEncoder.fit")
        for role in ("entity", "weight"):
            name = getattr(self.schema_, role)
            if name is not None and bool(table[name].isna().any()):
                raise SchemaError(f"TableEncoder: the {role} column {name!r} has empty cells; fill or drop those rows.")
        self._prepare()

    def _role(self, role: str) -> Hashable | None:
        ours, theirs = getattr(self, role), getattr(self.schema, role)
        if ours is not None and theirs is not None and ours != theirs:
            raise SchemaError(f"TableEncoder: argument {role!r} is {ours!r}, but the schema says {theirs!r}.")
        return ours if ours is not None else theirs

    def _prepare(self) -> None:
        schema = self.schema_
        self.transformers_: dict[Hashable, ColumnTransformer] = {}
        for name, kind in schema.columns.items():
            kind = key_type(kind) if name == schema.entity else kind
            if name != schema.weight:
                self.transformers_[name] = TRANSFORMERS[type(kind)](kind)
        self._numeric = self._numbers()
        self._equal = EqualCounts(len(self._numeric))
        self._nulls: dict[Hashable, int] = dict.fromkeys(self.transformers_, 0)
        self._rows, self._weight_sum = 0, 0.0

    def merge(self, other: TableEncoder) -> Self:
        """Add what another encoder of the same schema has counted (before either is finished)."""
        if list(self.transformers_) != list(other.transformers_):
            raise SchemaError("TableEncoder.merge: argument 'other' has other columns.")
        self.schema_ = merge_types(self.schema_, other.schema_, self.transformers_)
        for name, t in self.transformers_.items():
            t.merge(other.transformers_[name])
            self._nulls[name] += other._nulls[name]
        self._equal.merge(other._equal)
        self._rows += other._rows
        self._weight_sum += other._weight_sum
        return self

    def finish(self) -> Self:
        """Turn counts into laws; from here on the encoder encodes."""
        protection = Protection.of(self.protect, "TableEncoder")
        if self._rows == 1:
            warnings.warn(
                "TableEncoder.fit: the table has one row; nothing can be learnt from it.", SynthkitWarning, stacklevel=3
            )
        self.links_ = self._equal.links(rows=4 * protection.min_count)
        self.schema_, hidden = hide_constants(self.schema_, self.transformers_, self._nulls, protection.min_count)
        for name, kind in hidden.items():
            self.transformers_[name] = fresh = TRANSFORMERS[type(kind)](kind)
            fresh.hide()
        self._renumber()
        settle_home(self.transformers_, protection.min_count)
        rng = np.random.default_rng([self.seed, 77])
        for t in self.transformers_.values():
            t.finish(protection.drawn(rng))
        agree(self.transformers_.values())
        self._tell(protection)
        self.nullable_ = {
            name: bool(self._nulls[name]) or (self.schema is not None and bool(self.schema_.columns[name].nullable))
            for name in self.transformers_
        }
        self.mean_weight_ = self._weight_sum / self._rows if self._weight_sum else 1.0
        self._lay_out()
        return self

    def _tell(self, protection: Protection) -> None:
        """What the protection of columns did to their types, and in what numbers."""
        self.protection_ = ProtectionReport.of(protection, {name: t.changed for name, t in self.transformers_.items()})
        columns = {name: t.shown(self.schema_.columns[name]) for name, t in self.transformers_.items()}
        for name, t in self.transformers_.items():
            if not t.parts and not issubclass(t.type, (Constant, Empty)):
                columns[name] = without_keys(columns[name])
        self.schema_ = replace(self.schema_, columns={**self.schema_.columns, **columns})

    def tell_combinations(self, protection: Protection, counts: tuple[float, float]) -> None:
        """Add to the report how many combinations of quasi-identifiers are rare, and the rows that had them."""
        told = dict(zip(("combinations", "suppressed"), counts, strict=True))
        name = protection.quasi_identifiers if len(protection.quasi_identifiers) > 1 else "(quasi-identifier)"
        self.protection_ = ProtectionReport.of(protection, {name: told}).joined(self.protection_)

    def _renumber(self) -> None:
        """Links count the columns that are numbers, and a hidden constant has become one."""
        before, self._numeric = self._numeric, self._numbers()
        at = [self._numeric.index(name) for name in before]
        self.links_ = [(at[j], at[i], rate) for j, i, rate in self.links_]

    def _numbers(self) -> list[Hashable]:
        return [name for name, t in self.transformers_.items() if type(t) is NumericTransformer]

    def _steps(self) -> NDArray[np.float64]:
        return np.array([self.transformers_[name].step for name in self._numeric])  # type: ignore[attr-defined]

    @classmethod
    def from_schema(cls, schema: Schema) -> TableEncoder:
        """An encoder of a fully declared schema, without data: bounds and categories come from the types.

        Raises:
            SchemaError: a type leaves open what only data could tell.
        """
        encoder = cls(schema)
        encoder.schema_ = schema
        encoder._prepare()
        for name, kind in schema.columns.items():
            if isinstance(kind, Numeric) and (kind.low is None or kind.high is None):
                raise SchemaError(f"TableEncoder.from_schema: column {name!r} needs 'low' and 'high'.")
            if isinstance(kind, Datetime) and (kind.low is None or kind.high is None):
                raise SchemaError(f"TableEncoder.from_schema: column {name!r} needs 'low' and 'high'.")
            if isinstance(kind, Duration):
                raise SchemaError(f"TableEncoder.from_schema: column {name!r} is a Duration, which needs data.")
            if getattr(kind, "categories", ()) is None:
                raise SchemaError(f"TableEncoder.from_schema: column {name!r} needs 'categories'.")
        encoder._rows = 2
        return encoder.finish()

    def _lay_out(self) -> None:
        fields: list[Field] = []
        self._place: dict[Hashable, dict[str, int]] = {}
        position = {name: i for i, name in enumerate(self.schema_.columns)}
        for name, t in self.transformers_.items():
            at: dict[str, int] = {}
            if self.nullable_[name] and not self._all_null(name):
                at["null"] = len(fields)
                fields.append(Field(position[name], "null", 2))
            for part in t.parts:
                given = None
                if part.given is not None:
                    given = (at[part.given[0]], part.given[1])
                elif "null" in at:
                    given = (at["null"], (0,))
                at[part.name] = len(fields)
                fields.append(Field(position[name], part.name, part.size, given, part.ordered))
            self._place[name] = at
        laws, coded = dict[int, QuantileLaw](), dict[int, int]()
        for k, name in enumerate(self._numeric):
            law = getattr(self.transformers_[name], "law", None)
            if law is not None and law.n_cells >= _MANY and not self.transformers_[name].base:  # type: ignore[attr-defined]
                coded[k] = self._place[name]["code"]
                laws[coded[k]] = law
        links = tuple((coded[j], coded[i], rate) for j, i, rate in self.links_ if j in coded and i in coded)
        self.layout_ = Layout(tuple(fields), laws, links)

    def _all_null(self, name: Hashable) -> bool:
        return self.transformers_[name].type.__name__ == "Empty"

    # ---------------------------------------------------------------- use
    def _check(self, where: str) -> Layout:
        if "layout_" not in self.__dict__:
            raise NotFittedError(f"TableEncoder.{where}: the encoder is not fitted; call fit first.")
        return self.layout_

    def weights(self, table: pd.DataFrame) -> NDArray[np.float64] | None:
        """The rows' survey weights, or None where no weight column is named."""
        name = self.schema_.weight
        if name is None:
            return None
        if not pd.api.types.is_numeric_dtype(table[name].dtype) or pd.api.types.is_bool_dtype(table[name].dtype):
            raise SchemaError(f"column {name!r}: weights must be numbers; convert it, or name another weight column.")
        # A copy: pandas 3 hands out read-only views.
        weight = np.array(table[name].to_numpy(dtype=float, na_value=np.nan))
        if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
            raise SchemaError(f"column {name!r}: weights must be finite, >= 0, and not all 0.")
        return weight

    # ---------------------------------------------------------------- scikit-learn's face
    def transform(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """``(rows, fields)`` floats, one column per field; NaN where a field does not apply or is not known."""
        return to_matrix(self.encode(table), self._check("transform"))

    def inverse_transform(self, array: NDArray[np.float64]) -> pd.DataFrame:
        """The table of what :meth:`transform` returned."""
        layout = self._check("inverse_transform")
        array = np.asarray(array, dtype=float)
        if array.ndim != 2 or array.shape[1] != len(layout.fields):
            raise ParamError(
                f"TableEncoder.inverse_transform: argument 'array' must have {len(layout.fields)} columns."
            )
        return self.decode(from_matrix(array, layout))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``column__part`` per field."""
        names = list(self.schema_.columns)
        return np.array(
            [f"{names[f.column]}__{f.part}" for f in self._check("get_feature_names_out").fields], dtype=object
        )

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays; no cell of the training table is in them."""
        self._check("to_state")
        arrays: dict[str, NDArray[Any]] = {}
        columns = []
        for k, (name, t) in enumerate(self.transformers_.items()):
            json, own = t.to_state()
            columns.append({"state": json, "nullable": self.nullable_[name]})
            arrays.update({f"encoder/{k}/{key}": value for key, value in own.items()})
        value = {"schema": self.schema_.to_dict(), "columns": columns, "mean_weight": self.mean_weight_}
        value["protection"] = self.protection_.to_dict()
        return {**value, "links": [list(link) for link in self.links_]}, arrays

    @classmethod
    def from_state(cls, json: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TableEncoder:
        encoder = cls()
        encoder.schema_ = Schema.from_dict(json["schema"])
        encoder._prepare()
        encoder.nullable_, encoder.mean_weight_ = {}, float(json["mean_weight"])
        encoder.links_ = [(int(j), int(i), float(rate)) for j, i, rate in json["links"]]
        for k, (name, t) in enumerate(encoder.transformers_.items()):
            t.load_state(json["columns"][k]["state"], io.below(arrays, f"encoder/{k}/"))
            encoder.nullable_[name] = bool(json["columns"][k]["nullable"])
        encoder.protection_ = ProtectionReport.from_dict(json.get("protection"))
        encoder._lay_out()
        return encoder
