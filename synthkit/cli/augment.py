"""``synthkit augment``: rows for a model to learn from, if they help it; the verdict is printed."""

from __future__ import annotations

import argparse
from typing import Any

from synthkit.augmenting import augment
from synthkit.augmenting.learners import LEARNERS
from synthkit.augmenting.scores import METRICS
from synthkit.cli.files import add_output, add_schema, check_output, given_schema, read_table, write_table
from synthkit.cli.written import read_times
from synthkit.models import MODELS
from synthkit.runtime import entropy

__all__ = ["add_augment"]


def add_augment(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "augment",
        help="add rows to what a model learns from, if that helps",
        description="Measure whether drawn rows help to predict a column, and write the table with them if they do; "
        "else as it is. Exit code 0 whatever the verdict.",
    )
    parser.add_argument("data", help="the table: .csv, .csv.gz or .parquet")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column of classes to predict")
    parser.add_argument(
        "--goal",
        default="balance",
        choices=["balance", "grow", "rare"],
        help="every class as large as the largest, all classes larger, or the rarest larger",
    )
    parser.add_argument("--amount", type=float, default=1.0, help="how far; 1: fully balanced, or as many rows again")
    parser.add_argument("--metric", choices=[*METRICS], help="the one that the verdict is about")
    parser.add_argument("--learner", action="append", choices=[*LEARNERS], help="repeat it for more; all by default")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--subgroup", metavar="COLUMN", help="tell the gains by group")
    parser.add_argument("--entity", metavar="COLUMN", help="whose row it is: folds of whole entities")
    parser.add_argument("--time", metavar="COLUMN", help="when a row was made: folds forward in time")
    parser.add_argument("--model", choices=[*MODELS], help="what draws the rows; by default trees")
    parser.add_argument("--force", action="store_true", help="add the rows whatever the verdict")
    parser.add_argument("--mark", action="store_true", help="add a column is_synthetic")
    add_schema(parser)
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--html", metavar="FILE", help="write a page with figures")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_output(parser)
    parser.set_defaults(run=_augment)


def _augment(options: argparse.Namespace) -> None:
    check_output(options.out, table=True)
    outputs = {"--html": options.html, "--json": options.json}
    for argument, path in outputs.items():
        if path:
            check_output(path, argument=argument)
    table = read_times(read_table(options.data, given_schema(options)), options.data, options.time)
    found = augment(
        table,
        target=options.target,
        goal=options.goal,
        learners=tuple(options.learner or LEARNERS),
        cv=(options.folds, options.repeats),
        subgroup=options.subgroup,
        entity=options.entity,
        time=options.time,
        synthesizer=options.model,
        metric=options.metric,
        amount=options.amount,
        force=options.force,
        mark=options.mark,
        max_seconds=options.max_seconds,
        progress=None if options.quiet else True,
        random_state=entropy(None) % 2**31 if options.seed is None else options.seed,
    )
    if options.json:
        found.to_json(options.json)
    if options.html:
        found.to_html(options.html)
    write_table(found.data, options.out, formulas=options.allow_formulas)
    print(found)
    print(f"written: {', '.join([options.out, *(path for path in outputs.values() if path)])}")
