"""Tables and schemas from and to files, with errors that say which file and why."""

from __future__ import annotations

import argparse
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from synthkit.errors import ParamError
from synthkit.schema import Boolean, ColumnType, Constant, Datetime, Duration, Numeric, Schema

__all__ = [
    "add_output",
    "add_schema",
    "check_output",
    "given_schema",
    "plain_texts",
    "read_schema",
    "read_table",
    "write_table",
]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_PHONE = r"\+\d[\d ().\-/]{5,}(x\d+)?"  # digits alone run nothing
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
# pandas' own markers of an empty cell but for "None", which in many tables is a category
_EMPTY = ["", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "-NaN", "n/a", "nan", "-nan", "null"]
# every digit counts, as a given cell must come back as it was; from pandas 3.1 on that is the default
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _PANDAS < (3, 1) else {}
_DATE = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?"
_ZONE = r"(Z|[+-]\d\d:?\d\d)"
_DURATION = r"-?\d+ days( [+-]?\d\d:\d\d:\d\d(\.\d{1,9})?)?"  # as pandas writes it


def read_table(path: str | Path, schema: Schema | None = None) -> pd.DataFrame:
    """A table from .csv, .csv.gz or .parquet.

    In CSV, columns of ISO dates become dates, and pandas' durations become durations. A cell is empty where pandas
    takes it for empty, but "None" only in a column of numbers, booleans or dates: elsewhere it is a category.

    Args:
        schema: what the columns should be: those of text are then not taken for numbers ("007") or dates.

    Raises:
        ParamError: no such file, another kind of file, or unreadable content.
    """
    name = str(path).lower()
    if not name.endswith(_SUFFIXES):
        raise ParamError(f"{str(path)!r}: the name must end in .csv, .csv.gz or .parquet.")
    try:
        return pd.read_parquet(path) if name.endswith(".parquet") else _read_csv(path, schema)
    except FileNotFoundError as error:
        raise ParamError(f"there is no file {str(path)!r}.") from error
    except ImportError as error:
        raise ParamError("Parquet files need pyarrow; install synthkit[parquet].") from error
    except pd.errors.EmptyDataError as error:
        raise ParamError(f"the file {str(path)!r} is empty.") from error
    except _refusals(ValueError, OSError, EOFError, zlib.error) as error:
        if "Calling read(nbytes) on source failed" in str(error):  # how pandas words Ctrl-C
            raise KeyboardInterrupt from error
        raise ParamError(f"the file {str(path)!r} cannot be read as a table.") from error


def _refusals(*usual: type[Exception]) -> tuple[type[Exception], ...]:
    """``usual``, and what pyarrow raises of types that are no columns and of cells that no Parquet type holds."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        return usual
    return (*usual, ArrowException)


def _read_csv(path: str | Path, schema: Schema | None) -> pd.DataFrame:
    texts = [] if schema is None else [str(name) for name, kind in schema.columns.items() if _holds_text(kind)]
    table = _csv(path, dtype=dict.fromkeys(texts, str))
    gappy = [name for name in table.columns if table[name].dtype == float and table[name].isna().any()]
    if whole := [name for name in gappy if (table[name].dropna() % 1 == 0).all()]:
        written = _csv(path, dtype=str, usecols=whole)
        for name in whole:  # gaps made floats of integers, which would be written with a ".0", and large ones changed
            if written[name].dropna().str.fullmatch(r"\s*[+-]?[0-9]+\s*").all():
                integers = [None if pd.isna(text) else int(text) for text in written[name]]
                if all(i is None or -(2**63) <= i < 2**63 for i in integers):
                    table[name] = pd.array(integers, dtype="Int64")
    for name in table.columns:
        if name not in texts and pd.api.types.infer_dtype(table[name]) == "string":
            table[name] = _typed(table[name])
    return table


def _csv(path: str | Path, **options: Any) -> pd.DataFrame:
    with open(path, "rb") as file:  # ours, so that Ctrl-C while reading leaves it closed
        table: pd.DataFrame = pd.read_csv(
            file,
            compression="gzip" if str(path).lower().endswith(".gz") else None,
            keep_default_na=False,
            na_values=_EMPTY,
            low_memory=False,
            **_EXACT,
            **options,
        )
    return table


def plain_texts(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Some columns of a CSV as they are written; null where a cell is empty."""
    return _csv(path, dtype=str, usecols=columns) if columns else pd.DataFrame()


def _holds_text(kind: ColumnType) -> bool:
    if isinstance(kind, Constant):
        return isinstance(kind.value, str)
    if isinstance(kind, (Numeric, Boolean, Datetime, Duration)):
        return False
    spec = kind.dtype or {}
    levels = getattr(kind, "categories", None) or spec.get("categories") or ()
    return all(isinstance(level, str) for level in levels) and "item" not in spec and spec.get("kind") != "plain"


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Texts as the dates or durations that they all are, or what they are without "None"."""
    cells = column.mask(column == "None")
    found = cells.dropna()
    if not len(found):
        return column
    try:
        if found.str.fullmatch(_DATE).all():
            return pd.to_datetime(cells, format="ISO8601")
        if found.str.fullmatch(_DATE + _ZONE).all():
            return pd.to_datetime(cells, format="ISO8601", utc=True)
        if found.str.fullmatch(_DURATION).all():
            return pd.to_timedelta(cells)
        if len(found) < column.notna().sum():
            if found.isin(["True", "False"]).all():
                return cells.astype(object).map({"True": True, "False": False})
            return pd.to_numeric(cells)
    except ValueError:  # no such day, or a word among the numbers
        pass
    return column


def read_schema(path: str) -> Schema:
    """A schema from the JSON of ``Schema.to_dict()``.

    Raises:
        ParamError: no such file, or no JSON. SchemaError: JSON of something else.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamError(f"argument '--schema': there is no file {path!r}.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise ParamError(f"argument '--schema': the file {path!r} is no JSON of Schema.to_dict().") from error
    return Schema.from_dict(value)


def add_schema(parser: argparse.ArgumentParser) -> None:
    """Add the argument that :func:`given_schema` reads."""
    parser.add_argument("--schema", help="a JSON file of Schema.to_dict()")


def given_schema(options: argparse.Namespace) -> Schema | None:
    """The schema that the caller passes, if any."""
    return read_schema(options.schema) if options.schema else None


def add_output(parser: argparse.ArgumentParser, *, required: bool = True, seed: bool = True) -> None:
    """Add the arguments of a command that writes a table."""
    parser.add_argument("-o", "--out", required=required, help="file to write: .csv, .csv.gz or .parquet")
    if seed:
        parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--allow-formulas", action="store_true", help="write cells that a spreadsheet would execute as they are"
    )


def check_output(path: str, *, table: bool = False, argument: str = "--out") -> None:
    """Refuse an output that cannot be written before the work, not after it.

    Raises:
        ParamError: a folder, a file in no folder, or (``table``) a name that says no format.
    """
    if table and not path.lower().endswith(_SUFFIXES):
        raise ParamError(f"argument {argument!r}: {path!r}: the name must end in .csv, .csv.gz or .parquet.")
    if Path(path).is_dir():
        raise ParamError(f"argument {argument!r}: {path!r} is a folder; name a file.")
    if not Path(path).parent.is_dir():
        raise ParamError(f"argument {argument!r}: there is no folder {str(Path(path).parent)!r}; make it first.")


def write_table(table: pd.DataFrame, path: str | Path, *, formulas: bool = False) -> None:
    """Write .csv, .csv.gz or .parquet.

    In CSV, text that a spreadsheet would run as a formula gets a leading quote, unless ``formulas``; a plain number
    such as ``-5`` is none, nor is a phone number.

    Raises:
        ParamError: another kind of file, or a table that Parquet cannot hold.
    """
    name = str(path).lower()
    if name.endswith(".parquet"):
        try:
            table.to_parquet(path, index=False)
        except ImportError as error:
            raise ParamError("Parquet files need pyarrow; install synthkit[parquet].") from error
        except _refusals(ValueError, TypeError) as error:
            raise ParamError("Parquet cannot hold these columns or their names; write .csv.") from error
    elif name.endswith(_SUFFIXES):
        # a carriage return is quoted only where it ends lines; a bare one would start a new row
        end = "\r\n" if any("\r" in text for text in _texts(table)) else "\n"
        (table if formulas else _guarded(table)).to_csv(path, index=False, lineterminator=end)
    else:
        raise ParamError(f"{str(path)!r}: the name must end in .csv, .csv.gz or .parquet.")


def _texts(table: pd.DataFrame) -> Iterator[str]:
    """All texts among the names and cells."""
    for name in table.columns:
        cells = table[name].cat.categories if isinstance(table[name].dtype, pd.CategoricalDtype) else table[name]
        yield from (v for v in (name, *(cells if _may_hold_text(cells.dtype) else ())) if isinstance(v, str))


def _may_hold_text(dtype: Any) -> bool:
    return not pd.api.types.is_numeric_dtype(dtype) and getattr(dtype, "kind", "O") not in "mM"


def _guard(value: Any) -> Any:
    harmless = f"{_NUMBER}|{_PHONE}"
    runs = isinstance(value, str) and value.startswith(_FORMULA) and not re.fullmatch(harmless, value, re.ASCII)
    return "'" + value if runs else value


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    for name in out.columns:
        if _may_hold_text(out[name].dtype):
            out[name] = out[name].astype(object).map(_guard)
    return out.rename(columns=_guard)
