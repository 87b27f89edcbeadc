"""The ``synthkit`` command: demo, fit, sample, impute, info. The same results as the API with the same seed.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 2 bad arguments or input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthkit.conditions import between, isnull, notnull
from synthkit.errors import ConditionError, ParamError, SynthkitError
from synthkit.models import MODELS
from synthkit.schema import Boolean, ColumnType, Datetime, Duration, Numeric, Schema
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["main", "parse_where", "read_table", "write_table"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's arguments) and return its exit code."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("synthkit: interrupted", file=sys.stderr)
        return 130
    except (SynthkitError, OSError) as error:
        print(f"synthkit: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synthkit", description="Synthetic tables that are like the real ones.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="fit, sample and score a medical table that scikit-learn ships")
    demo.add_argument("--out", default="synthkit-demo", help="folder for the table and the model")
    demo.add_argument("--seconds", type=float, default=30.0, help="time limit of the fit")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)

    fit = commands.add_parser("fit", help="learn a CSV or Parquet file")
    fit.add_argument("data")
    fit.add_argument("--out", required=True, help="the model file to write")
    fit.add_argument("--model", default="auto", choices=["auto", *MODELS])
    fit.add_argument("--entity", help="column that says whose row it is")
    fit.add_argument("--weight", help="column of survey weights")
    fit.add_argument("--schema", help="a JSON file of Schema.to_dict()")
    fit.add_argument("--max-seconds", type=float)
    fit.add_argument("--max-steps", type=int)
    fit.add_argument("--seed", type=int)
    fit.add_argument("--quiet", action="store_true", help="no progress bar")
    fit.set_defaults(run=_fit)

    sample = commands.add_parser("sample", help="draw synthetic rows")
    sample.add_argument("model")
    sample.add_argument("-n", type=int, required=True, help="rows")
    sample.add_argument("--where", action="append", default=[], help="'age=30..60', 'sex=F,M', 'x=null', 'x=notnull'")
    _output(sample)
    sample.set_defaults(run=_sample)

    impute = commands.add_parser("impute", help="fill the empty cells of a file")
    impute.add_argument("model")
    impute.add_argument("data")
    impute.add_argument("--mode", default="draw", choices=["draw", "point"])
    _output(impute)
    impute.set_defaults(run=_impute)

    info = commands.add_parser("info", help="what a model file holds (no data)")
    info.add_argument("model")
    info.set_defaults(run=_info)
    return parser


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, help="file to write: .csv, .csv.gz or .parquet")
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--allow-formulas", action="store_true", help="write cells that a spreadsheet would execute as they are"
    )


# -------------------------------------------------------------------- commands
def _fit(options: argparse.Namespace) -> None:
    schema = Schema.from_dict(json.loads(Path(options.schema).read_text())) if options.schema else None
    synthesizer = TabularSynthesizer(
        options.model,
        schema=schema,
        entity=options.entity,
        weight=options.weight,
        max_seconds=options.max_seconds,
        max_steps=options.max_steps,
        random_state=options.seed,
        progress=None if options.quiet else True,
    )
    synthesizer.fit(read_table(options.data))
    synthesizer.save(options.out)
    print(synthesizer.choice_)
    print(f"{synthesizer.n_steps_} steps; the model is in {options.out}")


def _sample(options: argparse.Namespace) -> None:
    synthesizer = TabularSynthesizer.load(options.model)
    where = parse_where(options.where, synthesizer.schema_) or None
    table = synthesizer.sample(options.n, where=where, seed=options.seed)
    write_table(table, options.out, formulas=options.allow_formulas)
    print(f"{len(table)} rows are in {options.out}")


def _impute(options: argparse.Namespace) -> None:
    synthesizer = TabularSynthesizer.load(options.model)
    table = read_table(options.data)
    filled = synthesizer.impute(table, mode=options.mode, seed=options.seed)
    write_table(filled, options.out, formulas=options.allow_formulas)
    print(f"{int(table.isna().sum().sum())} cells were filled; the table is in {options.out}")


def _info(options: argparse.Namespace) -> None:
    synthesizer = TabularSynthesizer.load(options.model)
    print(f"model   {synthesizer.choice_}")
    print(f"steps   {synthesizer.n_steps_}")
    print(f"columns {len(synthesizer.schema_.columns)}")
    for name, kind in synthesizer.schema_.columns.items():
        gaps = ", may be empty" if kind.nullable else ""
        print(f"  {name!s:<30} {type(kind).__name__.lower()}{gaps}")


def _demo(options: argparse.Namespace) -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    from synthkit import metrics

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(diagnosis=np.where(bunch.target == 1, "benign", "malignant"))
    train, holdout = train_test_split(table, test_size=0.25, random_state=options.seed, stratify=table["diagnosis"])
    train, holdout = train.reset_index(drop=True), holdout.reset_index(drop=True)
    print(
        f"breast_cancer: {len(train)} rows to learn, {len(holdout)} held out, {table.shape[1]} columns", file=sys.stderr
    )
    synthesizer = TabularSynthesizer(random_state=options.seed, max_seconds=options.seconds, progress=True).fit(train)
    synthetic = synthesizer.sample(len(train), seed=options.seed)
    half = holdout.sample(frac=0.5, random_state=options.seed)
    rest = holdout.drop(half.index)
    copy = train.sample(len(train), replace=True, random_state=options.seed).reset_index(drop=True)
    lines: list[tuple[Any, ...]] = []
    scores: list[tuple[str, str, Callable[[pd.DataFrame, pd.DataFrame], float]]] = [
        ("shape error", "lower", lambda t, h: metrics.shape_error(train, t).value),
        ("pair error", "lower", lambda t, h: metrics.pair_error(train, t).value),
        ("detection AUC", "0.5", lambda t, h: metrics.detection_auc(h, t, seed=0)),
        ("TSTR AUC", "higher", lambda t, h: metrics.tstr(t, h, "diagnosis")),
        ("DCR share", "0.5", lambda t, h: metrics.dcr_share(t, train, h, seed=0)),
        ("copies", "lower", lambda t, h: metrics.copy_rate(t, train)),
    ]
    for label, better, score in scores:
        values = [score(t, h) for t, h in ((synthetic, holdout), (half, rest), (copy, holdout))]
        lines.append((label, better, *values))
    print(f"{'score':<15}{'best':>8}{'synthetic':>11}{'fresh rows':>12}{'copied rows':>13}")
    for name, goal, *values in lines:
        print(f"{name:<15}{goal:>8}{values[0]:>11.3f}{values[1]:>12.3f}{values[2]:>13.3f}")
    print("'fresh rows' are real rows nobody trained on (half of the holdout, so small and noisy); 'copied rows' are")
    print("training rows drawn again: a good table is like the first and unlike the second in DCR share and copies.")
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(synthetic, folder / "synthetic.csv")
    synthesizer.save(folder / "model.synthkit")
    print(f"{synthesizer.choice_}\nwritten: {folder / 'synthetic.csv'}, {folder / 'model.synthkit'}")


# -------------------------------------------------------------------- files
def read_table(path: str | Path) -> pd.DataFrame:
    """A table from .csv, .csv.gz or .parquet.

    Raises:
        ParamError: no such file, another kind of file, or unreadable content.
    """
    name = str(path).lower()
    try:
        if name.endswith((".csv", ".csv.gz")):
            return pd.read_csv(path)
        if name.endswith(".parquet"):
            return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise ParamError(f"there is no file {str(path)!r}.") from error
    except ImportError as error:
        raise ParamError("Parquet files need pyarrow; install synthkit[parquet].") from error
    except (ValueError, OSError) as error:
        raise ParamError(f"the file {str(path)!r} cannot be read as a table.") from error
    raise ParamError(f"{str(path)!r}: the name must end in .csv, .csv.gz or .parquet.")


def write_table(table: pd.DataFrame, path: str | Path, *, formulas: bool = False) -> None:
    """Write .csv, .csv.gz or .parquet.

    In CSV, text that a spreadsheet would run as a formula gets a leading quote, unless ``formulas``.
    """
    name = str(path).lower()
    if name.endswith(".parquet"):
        try:
            table.to_parquet(path, index=False)
        except ImportError as error:
            raise ParamError("Parquet files need pyarrow; install synthkit[parquet].") from error
    elif name.endswith((".csv", ".csv.gz")):
        (table if formulas else _guarded(table)).to_csv(path, index=False)
    else:
        raise ParamError(f"{str(path)!r}: the name must end in .csv, .csv.gz or .parquet.")


def _guard(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _guarded(table: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    for name in out.columns:
        if not pd.api.types.is_numeric_dtype(out[name].dtype) and getattr(out[name].dtype, "kind", "O") not in "mM":
            out[name] = out[name].astype(object).map(_guard)
    return out.rename(columns=_guard)


# -------------------------------------------------------------------- conditions
def parse_where(texts: Sequence[str], schema: Schema) -> dict[Any, Any]:
    """Conditions in words: ``column=value``, ``column=a,b``, ``column=low..high``, ``column=null``, ``column=notnull``.

    >>> schema = Schema({"age": Numeric(integer=True)})
    >>> parse_where(["age=30..60"], schema)
    {'age': Between(low=30, high=60)}

    Raises:
        ConditionError: no '=', an unknown column, or a value that the column cannot have.
    """
    where: dict[Any, Any] = {}
    names = {str(name): name for name in schema.columns}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConditionError(f"argument '--where': {text!r} needs the form column=value.")
        if key.strip() not in names:
            raise ConditionError(
                f"argument '--where': there is no column {key.strip()!r}; the columns are {', '.join(names)}."
            )
        name = names[key.strip()]
        where[name] = _rule(value.strip(), schema.columns[name], key.strip())
    return where


def _rule(text: str, kind: ColumnType, name: str) -> Any:
    if text == "null":
        return isnull()
    if text == "notnull":
        return notnull()
    if ".." in text and isinstance(kind, (Numeric, Datetime, Duration)):
        low, _, high = text.partition("..")
        return between(*(_value(end, kind, name) if end else None for end in (low, high)))
    values = [_value(v.strip(), kind, name) for v in text.split(",")]
    return values[0] if len(values) == 1 else values


def _value(text: str, kind: ColumnType, name: str) -> Any:
    try:
        if isinstance(kind, Numeric):
            return int(text) if kind.integer else float(text)
        if isinstance(kind, Boolean):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        if isinstance(kind, Datetime):
            return pd.Timestamp(text)
        if isinstance(kind, Duration):
            return pd.Timedelta(text)
    except (ValueError, KeyError) as error:
        raise ConditionError(
            f"argument '--where': column {name!r} ({type(kind).__name__}) cannot be {text!r}."
        ) from error
    return text
