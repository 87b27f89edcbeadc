"""``synthkit impute``: fill the empty cells of a file, once or several times, and say first how well that would go."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from synthkit.cli.files import add_output, add_schema, check_output, given_schema, read_table, write_table
from synthkit.cli.sequences import load_model
from synthkit.cli.series import read_history, write_drawn
from synthkit.errors import ParamError
from synthkit.imputation import ENGINES, ImputationSet, Imputer, score_imputation
from synthkit.models import MODELS
from synthkit.runtime import entropy
from synthkit.synthesizers import SequenceSynthesizer

__all__ = ["add_impute"]

_DRAWS = 20  # of each cell, for its uncertainty, where one completed table is asked for


def add_impute(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "impute",
        help="fill the empty cells of a file",
        description="Fill the empty cells of a file: 'impute data.csv -o full.csv' learns the file itself, "
        "'impute MODEL data.csv -o full.csv' asks a model that was fitted before.",
    )
    parser.add_argument("files", nargs="+", metavar="[MODEL] DATA", help="the table, or a model file and the table")
    parser.add_argument("--mode", default="draw", choices=["draw", "point"], help="a draw, or the centre of each cell")
    parser.add_argument("--m", type=int, metavar="M", help="so many completed tables: full.1.csv, full.2.csv, ...")
    parser.add_argument("--method", default="auto", choices=list(dict.fromkeys(["auto", *ENGINES, *MODELS])))
    parser.add_argument("--score", action="store_true", help="first hide known cells, and print how they are filled")
    parser.add_argument(
        "--audit",
        metavar="FILE",
        help="write what was filled by what, and how surely: .json sums up, .csv has a line per cell",
    )
    add_schema(parser)
    parser.add_argument("--max-seconds", type=float, help="of each fit")
    add_output(parser)
    parser.set_defaults(run=_impute)


def _impute(options: argparse.Namespace) -> None:
    _check(options)
    *model, data = options.files
    schema = given_schema(options)
    synthesizer = load_model(model[0]) if model else None
    if isinstance(synthesizer, SequenceSynthesizer):
        return _fill_records(synthesizer, read_history(data, synthesizer), options)
    table = read_table(data, schema if synthesizer is None else synthesizer.schema_)
    if options.score:
        scored = Imputer(options.method, schema=schema, max_seconds=options.max_seconds)
        print(score_imputation(table, {options.method: scored}, seed=options.seed or 0))
    if options.audit and options.seed is None:
        options.seed = entropy(None) % 2**31  # so that the record can say it
    filled = None
    if synthesizer is not None and options.m is None:
        filled = synthesizer.impute(table, mode=options.mode, seed=options.seed)
        _write(filled, table, options.out, options)
        if not options.audit:
            return
    imputer = Imputer(
        options.method if synthesizer is None else synthesizer,
        mode=options.mode,
        schema=schema,
        max_seconds=options.max_seconds,
        random_state=options.seed,
    ).fit(table)
    if options.m is None and filled is None:
        filled = imputer.transform(table)
        _write(filled, table, options.out, options)
        if not options.audit:
            return
    copies = imputer.multiple(table, options.m or _DRAWS)
    for k in range(1, (options.m or 0) + 1):
        _write(copies[k - 1], table, _numbered(options.out, k), options)
    if options.audit:
        _record(copies, filled, options)


def _fill_records(synthesizer: SequenceSynthesizer, table: pd.DataFrame, options: argparse.Namespace) -> None:
    """Records over time, filled from the rows before and after."""
    if options.audit:
        raise ParamError("impute: argument '--audit' is not for a model of records over time; leave it out.")
    if options.m is None:
        filled = synthesizer.impute(table, mode=options.mode, seed=options.seed)
        return _write(filled, table, options.out, options, synthesizer)
    copies = synthesizer.impute(table, mode=options.mode, n=options.m, seed=options.seed)
    for k in range(options.m):
        rows = copies.iloc[k * len(table) : (k + 1) * len(table)]
        _write(rows, table, _numbered(options.out, k + 1), options, synthesizer)


def _record(copies: ImputationSet, filled: pd.DataFrame | None, options: argparse.Namespace) -> None:
    """The audit trail; with one completed table the values that stand in it, with several their means."""
    if options.audit.lower().endswith(".json"):
        Path(options.audit).write_text(copies.to_json(), encoding="utf-8")
    else:
        write_table(copies.audit(filled), options.audit, formulas=options.allow_formulas)


def _check(options: argparse.Namespace) -> None:
    """What is wrong with the arguments, before anything is learnt."""
    if len(options.files) > 2:
        raise ParamError("impute: name the table, or a model file and the table; there are more files.")
    if options.m is not None and options.m < 1:
        raise ParamError(f"impute: argument '--m' must be at least 1, got {options.m}.")
    if len(options.files) == 2 and options.score:
        raise ParamError("impute: argument '--score' scores a method on the table; it takes no model file.")
    if len(options.files) == 2 and options.method != "auto":
        raise ParamError("impute: argument '--method' and a model file are two ways to fill; drop one.")
    check_output(options.out, table=True)
    if options.audit:
        check_output(options.audit, argument="--audit")
        if not options.audit.lower().endswith((".json", ".csv", ".csv.gz")):
            raise ParamError(f"impute: argument '--audit': {options.audit!r}: the name must end in .json or .csv.")


def _numbered(path: str, k: int) -> str:
    """full.csv.gz, 2 -> full.2.csv.gz"""
    file = Path(path)
    ending = next(end for end in (".csv.gz", ".csv", ".parquet") if file.name.lower().endswith(end))
    return str(file.with_name(f"{file.name[: -len(ending)]}.{k}{file.name[-len(ending) :]}"))


def _write(
    filled: pd.DataFrame,
    table: pd.DataFrame,
    path: str,
    options: argparse.Namespace,
    sequences: SequenceSynthesizer | None = None,
) -> None:
    if sequences is None:
        write_table(filled, path, formulas=options.allow_formulas)
    else:
        write_drawn(filled, sequences, options, path)
    count = int(table.isna().sum().sum() - filled.isna().sum().sum())
    print(f"{count} cells were filled; the table is in {path}")
