"""``synthkit inspect`` and ``synthkit errors``: what of a file to repair, and which cells are probably wrong."""

from __future__ import annotations

import argparse
from typing import Any

from synthkit.cleaning import Inspection, find_errors, inspect
from synthkit.cli.files import add_output, add_schema, check_output, given_schema, read_table, write_table
from synthkit.errors import ParamError
from synthkit.pii import KINDS, detect_pii
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["add_errors", "add_inspect"]


def add_inspect(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``inspect`` to the parser."""
    parser = commands.add_parser(
        "inspect",
        help="propose repairs of a file, and do those that you accept",
        description="Look for sentinels, numbers and dates as text, other units and repeated rows, and say which "
        "columns hold personal data (fit does not learn these, but for dates and places). Nothing is changed "
        "without --apply: 'inspect data.csv' lists the repairs, 'inspect data.csv --apply -o repaired.csv' does all, "
        "'--apply 0 2' those of these lines.",
    )
    parser.add_argument("data", help="the table: .csv, .csv.gz or .parquet")
    parser.add_argument(
        "--apply", nargs="*", type=int, metavar="LINE", help="do the repairs of these lines; without lines: all"
    )
    parser.add_argument("--log", metavar="FILE", help="with --apply: write every change, before and after (.csv)")
    add_schema(parser)
    add_output(parser, required=False, seed=False)
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> None:
    if (options.apply is None) != (options.out is None):
        raise ParamError("inspect: arguments '--apply' and '--out' go together: what to repair, and the file to write.")
    if options.log and options.apply is None:
        raise ParamError("inspect: argument '--log' records repairs; pass '--apply', too.")
    if options.out:
        check_output(options.out, table=True)
    if options.log:
        _check_lines(options.log, "--log")
    schema = given_schema(options)
    table = read_table(options.data, schema)
    found = inspect(table, schema)
    _check_apply(options.apply or [], found)
    print(found)
    if personal := detect_pii(table).kinds:
        print(f"\npersonal data: {', '.join(f'{name} ({KINDS[kind].label})' for name, kind in personal.items())}")
    if options.apply is None:
        return
    repaired, log = found.apply(table, accept=options.apply or "all")
    write_table(repaired, options.out, formulas=options.allow_formulas)
    if options.log:
        write_table(log, options.log, formulas=options.allow_formulas)
    print(f"{len(log)} cells or rows were repaired; the table is in {options.out}")


def _check_apply(lines: list[int], found: Inspection) -> None:
    wrong = [line for line in lines if not 0 <= line < len(found)]
    if wrong:
        raise ParamError(f"inspect: argument '--apply': there is no line {wrong[0]} among the {len(found)} repairs.")


def add_errors(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``errors`` to the parser."""
    parser = commands.add_parser(
        "errors",
        help="rank the cells of a file by how probably they are wrong",
        description="Hide each cell in turn, and judge it by what the others of its row say. 'errors data.csv' learns "
        "the file itself, 'errors MODEL data.csv' asks a model that was fitted on other rows. Prints where the oddest "
        "cells are (row 0 is the first below the header) and no value; --out writes values and suggestions.",
    )
    parser.add_argument("files", nargs="+", metavar="[MODEL] DATA", help="the table, or a model file and the table")
    parser.add_argument("--limit", type=int, help="so many cells at most are written")
    parser.add_argument("--max-seconds", type=float, help="of each of the two fits")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_schema(parser)
    add_output(parser, required=False)
    parser.set_defaults(run=_errors)


def _errors(options: argparse.Namespace) -> None:
    if len(options.files) > 2:
        raise ParamError("errors: name the table, or a model file and the table; there are more files.")
    if options.limit is not None and options.limit < 1:
        raise ParamError(f"errors: argument '--limit' must be at least 1, got {options.limit}.")
    if options.out:
        _check_lines(options.out, "--out")
    *model, data = options.files
    schema = given_schema(options)
    synthesizer = TabularSynthesizer.load(model[0]) if model else None
    found = find_errors(
        read_table(data, schema if synthesizer is None else synthesizer.schema_),
        synthesizer,
        schema=schema,
        max_seconds=options.max_seconds,
        progress=None if options.quiet else True,
        seed=options.seed or 0,
    )
    print(found)
    if options.out:
        lines = found.to_frame(options.limit)
        write_table(lines, options.out, formulas=options.allow_formulas)
        print(f"{len(lines)} cells are in {options.out}")


def _check_lines(path: str, argument: str) -> None:
    """Values of several columns stand in one: Parquet has no type for that."""
    check_output(path, table=True, argument=argument)
    if path.lower().endswith(".parquet"):
        raise ParamError(f"argument {argument!r}: {path!r}: cells of several columns go to .csv or .csv.gz.")
