"""Records over time on the command line: what ``fit``, ``sample``, ``info`` do with them; ``synthkit extend``."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from synthkit import io
from synthkit.cli.files import add_output, check_output, read_table, write_table
from synthkit.errors import ParamError
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["add_extend", "add_records", "check_records", "describe", "fit_records", "flat", "load_model"]


def load_model(path: str) -> TabularSynthesizer | SequenceSynthesizer:
    """What a model file holds.

    Raises:
        LoadError: it holds no synthesizer, or cannot be read.
    """
    return SequenceSynthesizer.load(path) if io.kind_of(path) == "sequences" else TabularSynthesizer.load(path)


def add_records(fit: argparse.ArgumentParser) -> None:
    """Add the arguments by which ``fit`` learns records over time."""
    fit.add_argument("--entity", metavar="COLUMN", help="whose record a row is: sequences of records are learnt")
    fit.add_argument("--time", metavar="COLUMN", help="when a record was made (with --entity); none: without order")
    fit.add_argument(
        "--context",
        action="append",
        metavar="COLUMN",
        help="with --entity: constant within entities; repeat it for more (by default found in the table)",
    )
    fit.add_argument(
        "--single-rows",
        action="store_true",
        help="with --entity: learn rows one by one; the entity only says which rows belong together",
    )


def check_records(options: argparse.Namespace) -> bool:
    """Are sequences to be learnt?

    Raises:
        ParamError: arguments that contradict.
    """
    records = options.entity is not None and not options.single_rows
    if records and options.weight:
        raise ParamError("fit: argument '--weight' goes with single rows; add --single-rows, or drop it.")
    if not records and (options.time or options.context):
        name = "--time" if options.time else "--context"
        raise ParamError(f"fit: argument {name!r} is for records over time: name --entity, and no --single-rows.")
    return records


def fit_records(options: argparse.Namespace, schema: Schema | None) -> None:
    """Learn the file's sequences, and write the model."""
    synthesizer = SequenceSynthesizer(
        options.model,
        entity=options.entity,
        time=options.time,
        context=options.context,
        schema=schema,
        max_seconds=options.max_seconds,
        max_steps=options.max_steps,
        random_state=options.seed,
        progress=None if options.quiet else True,
    )
    synthesizer.fit(read_table(options.data, schema))
    synthesizer.save(options.out)
    print(f"context: {_names(synthesizer.context_)}; by record: {_names(synthesizer.moving_)}")
    entities, rows = synthesizer.n_steps_
    print(f"{entities} steps for entities, {rows} steps for records; the model is in {options.out}")


def describe(synthesizer: SequenceSynthesizer) -> str:
    """Lines of ``synthkit info``."""
    encoder = synthesizer.encoder_
    entities, rows = synthesizer.n_steps_
    lines = [
        "model   sequences of records, autoregressive",
        f"entity  {encoder.entity}",
        f"time    {'none: records have no order' if encoder.time is None else encoder.time}",
        f"context {_names(synthesizer.context_)}",
        f"steps   {entities} for entities, {rows} for records",
        f"columns {len(synthesizer.schema_.columns)}",
    ]
    for name, kind in synthesizer.schema_.columns.items():
        lines.append(f"  {name!s:<30} {type(kind).__name__.lower()}{', may be empty' if kind.nullable else ''}")
    return "\n".join(lines)


def _names(names: tuple[Any, ...]) -> str:
    return ", ".join(map(str, names)) or "none"


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """Index levels that have a name, as columns: files have no index."""
    names = list(table.index.names)
    index = table.index.to_frame(index=False).set_axis([str(n) for n in range(len(names))], axis=1)
    table = table.reset_index(drop=True)
    for k, name in reversed(list(enumerate(names))):
        if name is not None:
            table.insert(0, f"({name})" if name in table.columns else name, index[str(k)])
    return table


def add_extend(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "extend",
        help="go on with given records over time",
        description="Draw what may follow the last records of a file; the new rows alone are written. With '--n 100' "
        "there are 100 continuations, and a first column 'draw' numbers them.",
    )
    parser.add_argument("model", help="a file of 'synthkit fit --entity'")
    parser.add_argument("history", help="records of one entity or more: .csv, .csv.gz or .parquet")
    parser.add_argument("--steps", type=int, required=True, help="rows for each entity")
    parser.add_argument("--n", type=int, default=1, help="independent continuations")
    add_output(parser)
    parser.set_defaults(run=_extend)


def _extend(options: argparse.Namespace) -> None:
    check_output(options.out, table=True)
    synthesizer = SequenceSynthesizer.load(options.model)
    history = read_table(options.history, synthesizer.schema_)
    table = synthesizer.extend(history, options.steps, options.n, seed=options.seed)
    write_table(flat(table), options.out, formulas=options.allow_formulas)
    print(f"{len(table)} rows are in {options.out}")
