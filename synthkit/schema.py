"""What a table is: a type per column, the entity and weight columns, row rules; and how all are recognised."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from synthkit import io
from synthkit.errors import SchemaError
from synthkit.pii.kinds import KINDS
from synthkit.rules import Rule, rule_from_json, rule_to_json
from synthkit.rules.checks import check_rules

__all__ = [
    "COLUMN_TYPES",
    "Boolean",
    "Categorical",
    "ColumnType",
    "Constant",
    "Datetime",
    "Duration",
    "Empty",
    "Identifier",
    "Numeric",
    "Personal",
    "Schema",
    "Text",
    "key_type",
]


@dataclass(frozen=True, kw_only=True)
class ColumnType:
    """What a column holds.

    Attributes:
        nullable: whether cells may be empty; None: learnt from the data.
        dtype: the pandas dtype to give back (see ``synthkit.dtypes.spec_of``); None: learnt from the data.
    """

    nullable: bool | None = None
    dtype: dict[str, Any] | None = dataclasses.field(default=None, repr=False)
    sdtype: ClassVar[str] = "unknown"

    def __post_init__(self) -> None:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and not low <= high:
            raise SchemaError(f"{type(self).__name__}: argument 'low' must not exceed 'high'.")


@dataclass(frozen=True, kw_only=True)
class Numeric(ColumnType):
    """A number.

    Attributes:
        integer: whether every value is whole (a float column may be); decimals: how many digits follow the point
            (None after learning: as many as a float holds). Both are learnt where they are None.
        low, high: bounds, inclusive; declared ones are public, and checked. None: learnt by the encoder.
        by: the column of groups in each of which the number means something else (results by test, in long form).
            ``SequenceSynthesizer`` learns a law per group then; models of single rows do not know of it.

    Raises:
        SchemaError: ``low`` exceeds ``high``, or ``decimals`` is not in 0 to 15.
    """

    integer: bool | None = None
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    by: Any = None
    sdtype: ClassVar[str] = "numerical"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decimals is not None and not 0 <= self.decimals <= 15:
            raise SchemaError(f"Numeric: argument 'decimals' must be in 0 to 15, got {self.decimals!r}.")
        if self.integer and self.decimals:
            raise SchemaError("Numeric: argument 'decimals' must be 0 or None where 'integer' is True.")


@dataclass(frozen=True, kw_only=True)
class Categorical(ColumnType):
    """One of a set of values. Declared ``categories`` are public: they are kept even if rare, and no others allowed.

    Raises:
        SchemaError: ``categories`` is empty, holds a value twice or a null.
    """

    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    sdtype: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.categories is None:
            return
        object.__setattr__(self, "categories", tuple(self.categories))  # a list is welcome
        if not self.categories or len(set(self.categories)) < len(self.categories):
            raise SchemaError("Categorical: argument 'categories' must hold one value or more, each once.")
        if any(c is None or c is pd.NA or c != c for c in self.categories):
            raise SchemaError("Categorical: argument 'categories' must hold no null; use nullable=True.")


@dataclass(frozen=True, kw_only=True)
class Boolean(ColumnType):
    """True or False."""

    sdtype: ClassVar[str] = "boolean"


@dataclass(frozen=True, kw_only=True)
class Datetime(ColumnType):
    """A moment. ``low`` and ``high`` are declared bounds, as timestamps (UTC where they have no zone)."""

    low: Any = None
    high: Any = None
    sdtype: ClassVar[str] = "datetime"


@dataclass(frozen=True, kw_only=True)
class Duration(ColumnType):
    """A length of time."""

    sdtype: ClassVar[str] = "numerical"


@dataclass(frozen=True, kw_only=True)
class Text(ColumnType):
    """Free text: never learnt, never copied; placeholder words are generated."""

    sdtype: ClassVar[str] = "unknown"


@dataclass(frozen=True, kw_only=True)
class Identifier(ColumnType):
    """A unique key, generated afresh: by ``pattern`` (characters, ``[A-Z]``, ``\\d``, ``{n}``), or as learnt."""

    pattern: str | None = None
    sdtype: ClassVar[str] = "id"


@dataclass(frozen=True, kw_only=True)
class Personal(ColumnType):
    """Personal data: never learnt; fresh values in a valid format are made (see ``synthkit.pii``).

    Attributes:
        kind: one of ``synthkit.pii.KINDS`` for which values can be made; None: told from the data.
        locale: such as "de" or "de_DE", of names and addresses; None: that of the country of which all IBANs, telephone
            and national numbers and columns of countries in the table tell, if it has one main language; else English.
        unique: whether no value comes twice; None: as in the data.
        realistic: draw numbers from all valid ones, of which one may be somebody's, not from ranges that nobody has.
        person: columns of a table with the same word here are of one person, and agree; None: told by its name.

    Raises:
        SchemaError: no such kind.
    """

    kind: str | None = None
    locale: str | None = None
    unique: bool | None = None
    realistic: bool = False
    person: str | None = None
    sdtype: ClassVar[str] = "unknown"

    def __post_init__(self) -> None:
        super().__post_init__()
        made = [name for name, kind in KINDS.items() if kind.make is not None]
        if self.kind is not None and self.kind not in made:
            raise SchemaError(f"Personal: argument 'kind' must be one of {', '.join(made)}, got {self.kind!r}.")


def key_type(kind: ColumnType) -> Identifier | Personal:
    """The type of an entity's keys, which are made afresh whatever they are: in the form of a kind, or of the keys.

    >>> key_type(Personal(kind="iban")).unique, type(key_type(Numeric())).__name__
    (True, 'Identifier')
    """
    if isinstance(kind, Personal):
        return dataclasses.replace(kind, unique=True, nullable=False)
    return Identifier(dtype=kind.dtype, nullable=False, pattern=getattr(kind, "pattern", None))


@dataclass(frozen=True, kw_only=True)
class Constant(ColumnType):
    """One value in every filled cell."""

    value: Any = None
    sdtype: ClassVar[str] = "categorical"


@dataclass(frozen=True, kw_only=True)
class Empty(ColumnType):
    """Null in every cell."""

    sdtype: ClassVar[str] = "unknown"


COLUMN_TYPES: dict[str, type[ColumnType]] = {
    "numeric": Numeric,
    "categorical": Categorical,
    "boolean": Boolean,
    "datetime": Datetime,
    "duration": Duration,
    "text": Text,
    "identifier": Identifier,
    "personal": Personal,
    "constant": Constant,
    "empty": Empty,
}


@dataclass(frozen=True)
class Schema:
    """Column types by name, in table order.

    Attributes:
        columns: name to type; names are any hashable values.
        entity: the column that says whose row it is; weight: the column of survey weights.
        rules: what holds in every row (``synthkit.rules``).

    Raises:
        SchemaError: a role or a rule names a column that is not there, or of the wrong type; rules contradict.

    Example:
        >>> schema = Schema.infer(pd.DataFrame({"age": [40, 51, 62], "sex": ["F", "M", "F"]}))
        >>> [type(t).__name__ for t in schema.columns.values()]
        ['Numeric', 'Categorical']
        >>> Schema.from_dict(schema.to_dict()) == schema
        True
    """

    columns: Mapping[Hashable, ColumnType]
    entity: Hashable | None = None
    weight: Hashable | None = None
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(self.columns))  # ours: the caller's may change later
        object.__setattr__(self, "rules", tuple(self.rules))
        for role in ("entity", "weight"):
            name = getattr(self, role)
            if name is not None and name not in self.columns:
                raise SchemaError(
                    f"Schema: argument {role!r} names column {name!r}, which is not there; {_known(self.columns)}"
                )
        if self.entity is not None and self.entity == self.weight:
            raise SchemaError(f"Schema: column {self.entity!r} cannot be both 'entity' and 'weight'.")
        for name, kind in self.columns.items():
            if not isinstance(kind, ColumnType):
                raise SchemaError(
                    f"Schema: column {name!r} needs a ColumnType such as Numeric(), not a {type(kind).__name__}."
                )
        roles = {r: n for r in ("entity", "weight") if (n := getattr(self, r)) is not None}
        check_rules(self.rules, {n: type(kind).__name__ for n, kind in self.columns.items()}, roles)

    @classmethod
    def infer(
        cls,
        table: pd.DataFrame,
        *,
        entity: Hashable | None = None,
        weight: Hashable | None = None,
        overrides: Mapping[Hashable, ColumnType | str] | None = None,
        rules: bool = True,
        **more: ColumnType | str,
    ) -> Schema:
        """Recognise the columns of ``table``, and the rules that hold in all its rows.

        What is surely personal data (``synthkit.detect_pii``) becomes ``Personal``; override it to have it learnt.

        Args:
            rules: propose rules (see :func:`synthkit.rules.infer.infer_rules`); False: none.
            overrides: types by column (a ColumnType, or its registered name such as ``"categorical"``); further
                keywords are overrides too.

        Raises:
            SchemaError: no rows or columns, duplicate names, mixed types, infinite numbers, unhashable cells.
        """
        from synthkit.inference import infer_column

        check_table(table, "Schema.infer")
        chosen: dict[Hashable, ColumnType | str] = {**(overrides or {})}
        chosen.update(more)
        _no_strangers(chosen, table.columns, "Schema.infer")
        columns: dict[Hashable, ColumnType] = {
            name: infer_column(table[name], chosen.get(name), personal=name != weight, key=name == entity)
            for name in table.columns
        }
        schema = cls(columns, entity, weight)
        if not rules:
            return schema
        from synthkit.rules.infer import infer_rules

        return dataclasses.replace(schema, rules=infer_rules(table, schema))

    def validate(self, table: pd.DataFrame, *, partial: bool = False) -> None:
        """Check that ``table`` has these columns, of fitting kinds, finite and within declared bounds.

        Args:
            partial: columns may be missing (conditions).

        Whether null cells may occur is not judged here: what they mean is up to the caller (see
        ``TableEncoder.encode``).

        Raises:
            SchemaError: names the first column at fault and the remedy.
        """
        from synthkit.inference import validate_column

        check_table(table, "Schema.validate", rows=False)
        _no_strangers(table.columns, self.columns, "Schema.validate")
        there = set(table.columns)
        missing = [name for name in self.columns if name not in there]
        if missing and not partial:
            raise SchemaError(
                f"Schema.validate: column {missing[0]!r} is missing from the table; {_known(table.columns)}"
            )
        for name in table.columns:
            validate_column(table[name], self.columns[name])

    def project(self, names: Iterable[Hashable]) -> Schema:
        """The schema of some of the columns, with the rules that speak of these only."""
        names = list(names)
        _no_strangers(names, self.columns, "Schema.project")
        keep = {name: self.columns[name] for name in names}
        role = {r: getattr(self, r) if getattr(self, r) in keep else None for r in ("entity", "weight")}
        rules = tuple(rule for rule in self.rules if rule.columns and set(rule.columns) <= set(keep))
        return Schema(keep, **role, rules=rules)

    def to_dict(self) -> dict[str, Any]:
        """A JSON value.

        Raises:
            SchemaError: a rule is a ``Predicate``, which holds code.
        """
        columns = []
        for name, kind in self.columns.items():
            key = next(k for k, c in COLUMN_TYPES.items() if c is type(kind))
            values = {f.name: getattr(kind, f.name) for f in dataclasses.fields(kind)}
            columns.append(
                {
                    "name": io.to_json(name),
                    "type": key,
                    **{k: io.to_json(v) for k, v in values.items() if v is not None},
                }
            )
        roles = {"entity": io.to_json(self.entity), "weight": io.to_json(self.weight)}
        return {"columns": columns, **roles, "rules": [rule_to_json(rule) for rule in self.rules]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Schema:
        """The inverse of :meth:`to_dict`.

        Raises:
            SchemaError: an unknown type or attribute.
        """
        columns: dict[Hashable, ColumnType] = {}
        try:
            for entry in value["columns"]:
                rest = {k: io.from_json(v) for k, v in entry.items() if k not in ("name", "type")}
                columns[io.from_json(entry["name"])] = COLUMN_TYPES[entry["type"]](**rest)
            rules = tuple(rule_from_json(rule) for rule in value.get("rules", ()))
            return cls(columns, io.from_json(value.get("entity")), io.from_json(value.get("weight")), rules)
        except (KeyError, TypeError, AttributeError) as error:
            raise SchemaError(
                "Schema.from_dict: a column has an unknown type or attribute, or lacks its name."
            ) from error

    def to_sdmetrics(self) -> dict[str, Any]:
        """The metadata dictionary that sdmetrics takes for one table: ``{"columns": {name: {"sdtype": …}}}``."""
        columns: dict[Hashable, dict[str, Any]] = {}
        for name, kind in self.columns.items():
            sdtype = "id" if name == self.entity else kind.sdtype
            columns[name] = {"sdtype": sdtype}
        keys = [name for name, kind in self.columns.items() if isinstance(kind, Identifier)]
        return {"columns": columns, **({"primary_key": keys[0]} if len(keys) == 1 else {})}


def check_table(table: Any, where: str, *, rows: bool = True) -> None:
    """Raise SchemaError unless ``table`` is a DataFrame with unique column names (and rows)."""
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"{where}: argument 'table' must be a pandas DataFrame, got a {type(table).__name__}.")
    if table.columns.nlevels > 1:
        raise SchemaError(f"{where}: the columns have {table.columns.nlevels} levels; flatten them first.")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise SchemaError(f"{where}: column name {twice!r} occurs more than once; rename the columns.")
    if table.columns.hasnans:
        raise SchemaError(f"{where}: a column has no name (null); rename it.")
    if table.shape[1] == 0:
        raise SchemaError(f"{where}: the table has no columns.")
    if rows and len(table) == 0:
        raise SchemaError(f"{where}: the table has no rows; give at least one.")


def _no_strangers(given: Iterable[Hashable], known: Iterable[Hashable], where: str) -> None:
    known = list(known)
    there = set(known)
    for name in given:
        if name not in there:
            raise SchemaError(f"{where}: there is no column {name!r}; {_known(known)}")


def _known(names: Iterable[Hashable]) -> str:
    names = list(names)
    shown = ", ".join(repr(n) for n in names[:20])
    return f"the columns are {shown}{', …' if len(names) > 20 else ''}."
