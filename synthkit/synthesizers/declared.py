"""``from_schema``: valid rows from what a schema declares. No real row is read, so none can leak."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthkit.encoder import TableEncoder
from synthkit.errors import ParamError, SchemaError
from synthkit.models import MODELS
from synthkit.params import InstanceOf, check
from synthkit.pii.headers import whose
from synthkit.pii.kinds import KINDS
from synthkit.rules import Combination, Determines
from synthkit.schema import (
    Boolean,
    Categorical,
    ColumnType,
    Datetime,
    Duration,
    Empty,
    Numeric,
    Personal,
    Schema,
    key_type,
)
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["from_schema"]

_NULLS = 0.1  # of a column that may have gaps, where nobody said how many
_REPEATING = ("first_name", "last_name", "full_name", "address", "postcode", "city", "bic")


def from_schema(
    schema: Schema,
    *,
    null_rates: Mapping[Hashable, float] | None = None,
    weights: Mapping[Hashable, Mapping[Any, float]] | None = None,
) -> TabularSynthesizer:
    """A synthesizer of rows that are valid by the schema alone: test data before there is any data.

    Numbers and dates are uniform between their declared bounds, categories uniform or by ``weights``, columns
    independent of each other but for the schema's rules, which hold in every row. Keys follow their pattern, personal
    data is made in valid formats. What comes back is fitted, and samples, conditions, saves and loads as any other.

    Args:
        schema: with bounds (Numeric, Datetime), categories (Categorical), kinds (Personal); with rules, if wanted.
        null_rates: the share of empty cells by column, in [0, 1]; columns not named have none, unless they are
            declared ``nullable=True``: then one cell in ten.
        weights: relative frequencies of the values of Categorical and Boolean columns; values not named have none.

    Raises:
        SchemaError: a type leaves open what only data could tell (all such columns are named), or a rule does.
        ParamError: ``null_rates`` or ``weights`` name no such column or value, or are out of their range.

    Example:
        >>> from synthkit.schema import Categorical, Numeric, Personal
        >>> schema = Schema({"age": Numeric(integer=True, low=18, high=99), "iban": Personal(kind="iban"),
        ...                  "plan": Categorical(categories=("basic", "gold"))})
        >>> table = from_schema(schema, weights={"plan": {"basic": 9, "gold": 1}}).sample(100, seed=0)
        >>> table["age"].between(18, 99).all(), table["iban"].is_unique
        (np.True_, True)
    """
    check("from_schema", "schema", schema, InstanceOf(Schema))
    rates, weights = dict(null_rates or {}), dict(weights or {})
    _check_schema(schema)
    _check_rates(schema, rates)
    _check_weights(schema, weights)
    columns = {name: _completed(name, kind, rates) for name, kind in schema.columns.items()}
    if schema.entity is not None:  # its keys are made, whatever they are
        columns[schema.entity] = key_type(columns[schema.entity])
    encoder = TableEncoder.from_schema(replace(schema, columns=columns))
    spec = MODELS["independent"]()
    model = spec.restore(encoder.layout_)
    state = model.state_dict()
    for name, at in encoder._place.items():
        if "null" in at:
            rate = rates.get(name, _NULLS)
            state[f"log{at['null']}"] = torch.tensor([1.0 - rate, rate]).log()
        if name in weights:
            state[f"log{at['code']}"] = _logs(encoder, name, weights[name])
    model.load_state_dict(state)
    return TabularSynthesizer.ready(encoder, spec, model.eval(), f"{spec.name}: the schema alone is known.")


def _completed(name: Hashable, kind: ColumnType, rates: Mapping[Hashable, float]) -> ColumnType:
    """A type as the encoder needs it."""
    if name in rates:
        kind = replace(kind, nullable=rates[name] > 0)
    elif kind.nullable is None:
        kind = replace(kind, nullable=False)
    if isinstance(kind, Personal):
        person = whose(name, str(kind.kind)) if kind.person is None else kind.person
        unique = kind.kind not in _REPEATING if kind.unique is None else kind.unique
        kind = replace(kind, person=person, unique=unique)
    return kind


def _check_schema(schema: Schema) -> None:
    open_ = [f"{n!r} ({lack})" for n, kind in schema.columns.items() if n != schema.entity and (lack := _lacks(kind))]
    if open_:
        raise SchemaError(
            f"from_schema: {len(open_)} column(s) leave open what only data could tell: {', '.join(open_[:20])}. "
            "Declare it, or drop the column from the schema."
        )
    for rule in schema.rules:
        what = "pairs" if isinstance(rule, Determines) else "seen" if isinstance(rule, Combination) else ""
        if what and getattr(rule, what) is None:
            raise SchemaError(f"from_schema: the rule {rule!r} needs {what!r}, as there is no data to learn it from.")


def _lacks(kind: ColumnType) -> str:
    """What is missing in a type, "" if nothing is."""
    if isinstance(kind, (Numeric, Datetime)) and (kind.low is None or kind.high is None):
        return f"{type(kind).__name__} needs 'low' and 'high'"
    if isinstance(kind, Categorical) and kind.categories is None:
        return "Categorical needs 'categories'"
    if isinstance(kind, Duration):
        return "Duration has no bounds; declare a Numeric of days or seconds"
    if isinstance(kind, Personal) and kind.kind is None:
        return f"Personal needs 'kind', one of {', '.join(k for k, v in KINDS.items() if v.make)}"
    return ""


def _check_rates(schema: Schema, rates: Mapping[Hashable, float]) -> None:
    for name, rate in rates.items():
        if name not in schema.columns or name in (schema.entity, schema.weight):
            raise ParamError(
                f"from_schema: argument 'null_rates' names {name!r}, which is no column that can have gaps."
            )
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ParamError(f"from_schema: argument 'null_rates' of column {name!r} must be in [0, 1], got {rate!r}.")
        if rate < 1 and isinstance(schema.columns[name], Empty):
            raise ParamError(f"from_schema: argument 'null_rates': column {name!r} is Empty; its rate is 1.")


def _check_weights(schema: Schema, weights: Mapping[Hashable, Mapping[Any, float]]) -> None:
    for name, own in weights.items():
        kind = schema.columns.get(name)
        if not isinstance(kind, (Categorical, Boolean)):
            raise ParamError(
                f"from_schema: argument 'weights' names {name!r}, which is no Categorical or Boolean column."
            )
        known = (False, True) if isinstance(kind, Boolean) else kind.categories or ()
        if not isinstance(own, Mapping) or not own or any(value not in known for value in own):
            raise ParamError(f"from_schema: argument 'weights' of column {name!r} must map its values to numbers.")
        good = all(isinstance(w, (int, float)) and math.isfinite(w) and w >= 0 for w in own.values())
        if not good or not sum(own.values()) > 0:
            raise ParamError(f"from_schema: argument 'weights' of column {name!r} must be >= 0, and not all 0.")


def _logs(encoder: TableEncoder, name: Hashable, weights: Mapping[Any, float]) -> Tensor:
    """``(codes,)`` log-weights of a column's values."""
    t, kind = encoder.transformers_[name], encoder.schema_.columns[name]
    values = [False, True] if isinstance(kind, Boolean) else list(getattr(kind, "categories", None) or ())
    out = torch.zeros(t.parts[0].size)
    for value in values:
        for allowed in t.listed(_cell(value)):
            out[torch.from_numpy(allowed.weights > 0)] = float(weights.get(value, 0.0))
    return out.log()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return np.array([value])
    cell = np.empty(1, dtype=object)
    cell[0] = value
    return cell
