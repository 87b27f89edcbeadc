"""Column transformers by column type. To add one: one file and one line here; its contract tests follow."""

from synthkit.schema import ColumnType
from synthkit.transforms.base import ColumnTransformer, Part, Range
from synthkit.transforms.categorical import BooleanTransformer, CategoricalTransformer
from synthkit.transforms.datetime import DatetimeTransformer, DurationTransformer
from synthkit.transforms.generated import (
    ConstantTransformer,
    EmptyTransformer,
    IdentifierTransformer,
    TextTransformer,
)
from synthkit.transforms.numeric import NumericTransformer
from synthkit.transforms.personal import PersonalTransformer

__all__ = ["TRANSFORMERS", "ColumnTransformer", "Part", "Range"]

TRANSFORMERS: dict[type[ColumnType], type[ColumnTransformer]] = {
    t.type: t
    for t in (
        NumericTransformer,
        CategoricalTransformer,
        BooleanTransformer,
        DatetimeTransformer,
        DurationTransformer,
        TextTransformer,
        IdentifierTransformer,
        PersonalTransformer,
        ConstantTransformer,
        EmptyTransformer,
    )
}
