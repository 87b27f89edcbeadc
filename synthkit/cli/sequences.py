"""Records over time on the command line: what ``fit``, ``sample``, ``info`` do with them; ``synthkit extend``."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from synthkit import io
from synthkit.cli.files import add_output, check_output, read_table
from synthkit.cli.series import describe_series, fit_series, is_series, read_history, write_drawn
from synthkit.errors import LoadError, ParamError
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["add_extend", "add_records", "check_records", "describe", "fit_records", "flat", "load_model"]


def load_model(path: str) -> TabularSynthesizer | SequenceSynthesizer:
    """What a model file holds.

    Raises:
        LoadError: it holds no synthesizer, or cannot be read.
    """
    kind = io.kind_of(path)
    return SequenceSynthesizer.load(path) if kind in ("sequences", "series") else TabularSynthesizer.load(path)


def add_records(fit: argparse.ArgumentParser) -> None:
    """Add the arguments by which ``fit`` learns records over time."""
    fit.add_argument("--entity", metavar="COLUMN", help="whose record a row is: sequences of records are learnt")
    fit.add_argument(
        "--time",
        metavar="COLUMN",
        help="when a record was made (with --entity; none: without order). Without --entity: a long series is learnt",
    )
    fit.add_argument(
        "--kind",
        choices=["auto", "panel", "series"],
        default="auto",
        help='"series": one long series of numbers, or few that share a calendar; "panel": records of many entities; '
        '"auto": with --entity by the table, without: a series if there is a --time',
    )
    fit.add_argument("--zone", help="time zone of --time (Europe/Berlin), for a series on clocks that are put forward")
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
    named = options.entity is not None or options.time is not None or options.kind == "series"
    records = named and not options.single_rows
    if records and options.weight:
        raise ParamError("fit: argument '--weight' goes with single rows; add --single-rows, or drop it.")
    if not records and (options.time or options.context or options.kind != "auto"):
        name = "--time" if options.time else "--context" if options.context else "--kind"
        raise ParamError(f"fit: argument {name!r} is for records over time: name --entity, and no --single-rows.")
    if options.entity is None and (options.context or options.kind == "panel"):
        name = "--context" if options.context else "--kind"
        raise ParamError(f"fit: argument {name!r} is for records of entities: name --entity.")
    if options.zone and not records:
        raise ParamError("fit: argument '--zone' is for a long series; leave it out.")
    return records


def fit_records(options: argparse.Namespace, schema: Schema | None) -> None:
    """Learn the file's sequences, or its long series, and write the model."""
    table = read_table(options.data, schema)
    if is_series(options, table):
        return fit_series(options, table)
    if options.zone:
        raise ParamError("fit: argument '--zone' is for a long series, and these are records; leave it out.")
    synthesizer = SequenceSynthesizer(
        options.model,
        entity=options.entity,
        time=options.time,
        context=options.context,
        kind="panel",
        schema=schema,
        max_seconds=options.max_seconds,
        max_steps=options.max_steps,
        random_state=options.seed,
        progress=None if options.quiet else True,
    )
    synthesizer.fit(table)
    synthesizer.save(options.out)
    print(f"context: {_names(synthesizer.context_)}; by record: {_names(synthesizer.moving_)}")
    entities, rows = synthesizer.n_steps_
    print(f"{entities} steps for entities, {rows} steps for records; the model is in {options.out}")


def describe(synthesizer: SequenceSynthesizer) -> str:
    """Lines of ``synthkit info``."""
    if synthesizer.series_ is not None:
        return describe_series(synthesizer)
    encoder = synthesizer.encoder_
    entities, rows = synthesizer.n_steps_
    lines = [
        f"model   sequences of records, {synthesizer.rolling_.spec.name}; entities: {synthesizer.entities_.choice_}",
        f"entity  {encoder.entity}",
        f"time    {'none: records have no order' if encoder.time is None else encoder.time}",
        f"context {_names(synthesizer.context_)}",
        f"steps   {entities} for entities, {rows} for records",
        f"protect {synthesizer.protection_.line}",
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
        help="go on with given records over time, or with a long series",
        description="Draw what may follow the last records of a file; the new rows alone are written. With '--n 100' "
        "there are 100 continuations, and a first column 'draw' numbers them.",
    )
    parser.add_argument("model", help="a file of 'synthkit fit --entity' or '--time'")
    parser.add_argument("history", help="records of one entity or more, or a series: .csv, .csv.gz or .parquet")
    parser.add_argument("--steps", type=int, required=True, help="rows for each entity")
    parser.add_argument("--n", type=int, default=1, help="independent continuations")
    add_output(parser)
    parser.set_defaults(run=_extend)


def _extend(options: argparse.Namespace) -> None:
    check_output(options.out, table=True)
    synthesizer = load_model(options.model)
    if not isinstance(synthesizer, SequenceSynthesizer):
        raise LoadError(f"load({options.model!r}): this model draws single rows; nothing follows them.")
    history = read_history(options.history, synthesizer)
    table = synthesizer.extend(history, options.steps, options.n, seed=options.seed)
    write_drawn(flat(table), synthesizer, options, options.out)
    print(f"{len(table)} rows are in {options.out}")
