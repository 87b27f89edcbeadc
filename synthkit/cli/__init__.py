"""The ``synthkit`` command: demo, fit, sample, extend, inspect, errors, impute, augment, evaluate, anonymize, info.

Results go to stdout; progress, warnings and errors to stderr, an error in one line. Exit codes: 0 done, 2 bad arguments
or input, 130 interrupted (a fit that had begun is then saved with its best weights so far, an evaluation with its
scores so far); 1 where ``evaluate`` was asked for a profile that does not pass, or ``anonymize`` refuses.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

import synthkit
from synthkit.cli.anonymize import add_anonymize
from synthkit.cli.augment import add_augment
from synthkit.cli.clean import add_errors, add_inspect
from synthkit.cli.evaluate import add_evaluate
from synthkit.cli.files import add_output, add_schema, check_output, given_schema, read_table, write_table
from synthkit.cli.impute import add_impute
from synthkit.cli.sequences import add_extend, add_records, check_records, describe, fit_records, flat, load_model
from synthkit.cli.series import sample_series, write_drawn
from synthkit.conditions import between, isnull, notnull
from synthkit.errors import ConditionError, ParamError, SynthkitError, SynthkitWarning
from synthkit.models import MODELS
from synthkit.report import evaluate
from synthkit.schema import Boolean, ColumnType, Constant, Datetime, Duration, Numeric, Schema
from synthkit.series import SERIES_MODELS
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["main", "parse_where", "read_table", "write_table"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's arguments) and return its exit code."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    options.said = []  # warnings so far

    def say(message: Warning | str, *_: Any, **__: Any) -> None:
        options.said.append(str(message))
        _say("warning: ", message)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries tell their programmers
            warnings.simplefilter("always", SynthkitWarning)
            warnings.showwarning = say
            code: int | None = options.run(options)
            if any("interrupted" in text for text in options.said):  # what had been done by then is kept
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        _say("", "interrupted")
        return 130
    except (SynthkitError, OSError) as error:
        _say("error: ", error)
        return 2
    return code or 0


def _say(kind: str, message: object) -> None:
    print(f"synthkit: {kind}{' '.join(str(message).splitlines())}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """An error is one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        _say("error: ", f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="synthkit", description="Synthetic tables that are like the real ones.")
    parser.add_argument("--version", action="version", version=f"synthkit {synthkit.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="fit, sample and score a medical table that scikit-learn ships")
    demo.add_argument("--out", default="synthkit-demo", help="folder for the table and the model")
    demo.add_argument("--seconds", type=float, default=30.0, help="time limit of the fit")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)

    fit = commands.add_parser("fit", help="learn a CSV or Parquet file")
    fit.add_argument("data")
    fit.add_argument("-o", "--out", required=True, help="the model file to write")
    fit.add_argument("--model", default="auto", choices=list(dict.fromkeys(["auto", *MODELS, *SERIES_MODELS])))
    add_records(fit)
    fit.add_argument("--weight", help="column of survey weights")
    add_schema(fit)
    fit.add_argument("--max-seconds", type=float)
    fit.add_argument("--max-steps", type=int)
    fit.add_argument("--seed", type=int)
    fit.add_argument("--quiet", action="store_true", help="no progress bar")
    fit.set_defaults(run=_fit)

    sample = commands.add_parser("sample", help="draw synthetic rows")
    sample.add_argument("model")
    sample.add_argument("-n", type=int, help="rows; of records over time: entities; of a long series: paths")
    sample.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="'age=30..60', 'age=60..', 'sex=F,M', 'job=\"a, b\"', 'x=null', 'x=notnull'; repeat it for more columns",
    )
    sample.add_argument("--length", type=int, help="of records over time: rows of every entity; of a series: of a path")
    sample.add_argument("--start", metavar="TIME", help="of records over time or a series: time of every first row")
    add_output(sample)
    sample.set_defaults(run=_sample)

    add_extend(commands)
    add_inspect(commands)
    add_errors(commands)
    add_impute(commands)
    add_augment(commands)
    add_evaluate(commands)
    add_anonymize(commands)

    info = commands.add_parser("info", help="what a model file holds (no data)")
    info.add_argument("model")
    info.set_defaults(run=_info)
    return parser


# -------------------------------------------------------------------- commands
def _fit(options: argparse.Namespace) -> None:
    check_output(options.out)
    records = check_records(options)
    schema = given_schema(options)
    if records:
        return fit_records(options, schema)
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
    synthesizer.fit(read_table(options.data, schema))
    synthesizer.save(options.out)
    print(synthesizer.choice_)
    print(f"{synthesizer.n_steps_} steps; the model is in {options.out}")


def _sample(options: argparse.Namespace) -> None:
    check_output(options.out, table=True)
    synthesizer = load_model(options.model)
    if isinstance(synthesizer, SequenceSynthesizer) and synthesizer.series_ is not None:
        table = flat(sample_series(synthesizer, options))
        write_drawn(table, synthesizer, options, options.out)
        print(f"{len(table)} rows are in {options.out}")
        return
    if options.n is None:
        raise ParamError("sample: argument '-n' is missing: how many rows, or entities?")
    where = parse_where(options.where, synthesizer.schema_) or None
    if isinstance(synthesizer, SequenceSynthesizer):
        start = _start(options.start, synthesizer)
        table = flat(synthesizer.sample(options.n, length=options.length, start=start, where=where, seed=options.seed))
    elif options.length is not None or options.start is not None:
        name = "--start" if options.length is None else "--length"
        raise ParamError(f"sample: argument {name!r} is for records over time; this model draws single rows.")
    else:
        table = synthesizer.sample(options.n, where=where, seed=options.seed)
    write_table(table, options.out, formulas=options.allow_formulas)
    print(f"{len(table)} rows are in {options.out}")


def _start(text: str | None, synthesizer: SequenceSynthesizer) -> Any:
    time = synthesizer.encoder_.time
    if text is None or time is None:
        return text  # without a time, sample says so
    return _value(text, synthesizer.schema_.columns[time], str(time), "--start")


def _info(options: argparse.Namespace) -> None:
    synthesizer = load_model(options.model)
    if isinstance(synthesizer, SequenceSynthesizer):
        print(describe(synthesizer))
        return
    print(f"model   {synthesizer.choice_}")
    print(f"steps   {synthesizer.n_steps_}")
    print(f"protect {synthesizer.protection_.line}")
    print(f"columns {len(synthesizer.schema_.columns)}")
    for name, kind in synthesizer.schema_.columns.items():
        gaps = ", may be empty" if kind.nullable else ""
        print(f"  {name!s:<30} {type(kind).__name__.lower()}{gaps}")
    print(f"rules   {len(synthesizer.schema_.rules)}")
    for rule in synthesizer.schema_.rules:
        print(f"  {rule!r}")


def _demo(options: argparse.Namespace) -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    if not 0 <= options.seed < 2**32:
        raise ParamError(f"demo: argument '--seed' must be an integer from 0 to 4294967295, got {options.seed}.")
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(diagnosis=np.where(bunch.target == 1, "benign", "malignant"))
    train, holdout = train_test_split(table, test_size=0.25, random_state=options.seed, stratify=table["diagnosis"])
    train, holdout = train.reset_index(drop=True), holdout.reset_index(drop=True)
    print(
        f"breast_cancer: {len(train)} rows to learn, {len(holdout)} held out, {table.shape[1]} columns", file=sys.stderr
    )
    synthesizer = TabularSynthesizer(random_state=options.seed, max_seconds=options.seconds, progress=True).fit(train)
    synthetic = synthesizer.sample(len(train), seed=options.seed)
    write_table(synthetic, folder / "synthetic.csv")
    synthesizer.save(folder / "model.synthkit")
    report = evaluate(
        train, synthetic, holdout=holdout, target="diagnosis", seed=options.seed, level="quick", progress=True
    )
    report.to_json(folder / "report.json")
    report.to_html(folder / "report.html")
    print(f"{report}\n\n{synthesizer.choice_}")
    files = ("synthetic.csv", "model.synthkit", "report.json", "report.html")
    print("written: " + ", ".join(str(folder / name) for name in files))


# -------------------------------------------------------------------- conditions
def parse_where(texts: Sequence[str], schema: Schema) -> dict[Any, Any]:
    """Conditions in words: ``column=value``, ``column=a,b``, ``column=low..high``, ``column=null``, ``column=notnull``.

    A value with a comma, or the text "null" itself, stands in double quotes.

    >>> from synthkit.schema import Text
    >>> schema = Schema({"age": Numeric(integer=True), "job": Text()})
    >>> parse_where(["age=30..60", 'job="clerk, senior",cook'], schema)
    {'age': Between(low=30, high=60), 'job': ['clerk, senior', 'cook']}

    Raises:
        ConditionError: no '=', an unknown column, one column twice, or a value that the column cannot have.
    """
    where: dict[Any, Any] = {}
    names = {str(name): name for name in schema.columns}
    for text in texts:
        if "=" not in text:
            raise ConditionError(f"argument '--where': {text!r} needs the form column=value.")
        cuts = [i for i, sign in enumerate(text) if sign == "="]
        # a name may hold a "=" itself: the longest that is known counts
        cut = max((i for i in cuts if text[:i].strip() in names), default=cuts[0])
        key, value = text[:cut].strip(), text[cut + 1 :].strip()
        if key not in names:
            raise ConditionError(f"argument '--where': there is no column {key!r}; the columns are {', '.join(names)}.")
        if names[key] in where:
            raise ConditionError(f"argument '--where': column {key!r} is named twice; give one condition per column.")
        where[names[key]] = _rule(value, schema.columns[names[key]], key)
    return where


def _rule(text: str, kind: ColumnType, name: str) -> Any:
    if text == "null":
        return isnull()
    if text == "notnull":
        return notnull()
    if ".." in text and isinstance(kind, (Numeric, Datetime, Duration)):
        low, _, high = text.partition("..")
        ends = [_value(end.strip(), kind, name) if end.strip() else None for end in (low, high)]
        try:
            return between(*ends)
        except ConditionError as error:
            raise ConditionError(
                f"argument '--where': column {name!r}: the ends of {text!r} are upside down or do not compare."
            ) from error
    try:
        cells = next(csv.reader([text], skipinitialspace=True)) or [""]
    except csv.Error as error:
        raise ConditionError(f"argument '--where': the values of column {name!r} hold a line break.") from error
    values = [_value(cell.strip(), kind, name) for cell in cells]
    return values[0] if len(values) == 1 else values


def _value(text: str, kind: ColumnType, name: str, argument: str = "--where") -> Any:
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
            f"argument {argument!r}: column {name!r} ({type(kind).__name__}) cannot be {text!r}."
        ) from error
    # a category or a constant that is no text is named by its text
    levels = (kind.value,) if isinstance(kind, Constant) else getattr(kind, "categories", None)
    levels = levels or (kind.dtype or {}).get("categories") or ()
    return {str(level): level for level in levels}.get(text, text)
