"""``synthkit evaluate``: a report of two files, and an exit code that a pipeline can act on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from synthkit.cli.files import add_schema, check_output, given_schema, read_table
from synthkit.cli.written import read_times
from synthkit.metrics.base import LEVELS
from synthkit.report import PROFILES, Report, evaluate
from synthkit.schema import Schema

__all__ = ["add_evaluate", "show"]

GATE_FAILED = 1


def add_evaluate(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="score a synthetic table",
        description="Score a synthetic table beside what fresh real rows would score. Exit code 1: a profile that was "
        "asked for did not pass.",
    )
    parser.add_argument("real", help="the rows that the generator learnt from: .csv, .csv.gz or .parquet")
    parser.add_argument("synthetic", help="the rows to be judged")
    parser.add_argument("--holdout", help="real rows that the generator did not see")
    parser.add_argument("--target", help="the column that you would predict")
    parser.add_argument("--level", choices=LEVELS, default="default", help="how much time to spend")
    parser.add_argument("--metric", action="append", metavar="NAME", help="compute this only; repeat it for more")
    parser.add_argument("--secret", action="append", default=[], metavar="COLUMN", help="attack it; repeat it for more")
    parser.add_argument("--domain", choices=["medical", "credit"], help="add the figures of a field")
    parser.add_argument("--entity", metavar="COLUMN", help="whose record a row is: the tables are records over time")
    parser.add_argument(
        "--kind",
        choices=["auto", "rows", "panel", "series"],
        default="auto",
        help='"series": one long series, or few that share a calendar',
    )
    parser.add_argument(
        "--time",
        metavar="COLUMN",
        help="when a record was made (with --entity); else of a time-to-event pair, or of an out-of-time split",
    )
    parser.add_argument(
        "--context",
        action="append",
        metavar="COLUMN",
        help="with --entity: constant within entities; repeat it for more (by default found in the real table)",
    )
    parser.add_argument("--event", metavar="COLUMN")
    add_schema(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        choices=[*PROFILES],
        help="check it, and show it in the page; repeat it",
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with figures")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    outputs = {"--html": options.html, "--json": options.json, "--markdown": options.markdown}
    for argument, path in outputs.items():
        if path:
            check_output(path, argument=argument)
    schema = given_schema(options)
    real = read_table(options.real, schema)
    schema = schema or Schema.infer(real)
    # text of the real table stays text in the others ("007" is no number)
    synthetic = read_table(options.synthetic, schema)
    holdout = read_table(options.holdout, schema) if options.holdout else None
    if options.kind == "series":
        real, synthetic = (
            read_times(t, p, options.time) for t, p in ((real, options.real), (synthetic, options.synthetic))
        )
        holdout = None if holdout is None else read_times(holdout, options.holdout, options.time)
    report = evaluate(
        real,
        synthetic,
        holdout=holdout,
        target=options.target,
        schema=None if options.kind == "series" else schema,
        metrics=options.metric,
        level=options.level,
        secrets=options.secret,
        domain=options.domain,
        entity=options.entity,
        time=options.time,
        context=options.context,
        event=options.event,
        kind=options.kind,
        seed=options.seed,
        max_seconds=options.max_seconds,
        progress=None if options.quiet else True,
    )
    if options.json:
        report.to_json(options.json)
    if options.markdown:
        Path(options.markdown).write_text(report.to_markdown(), encoding="utf-8")
    if options.html:
        report.to_html(options.html, profiles=options.profile or None)
    passed = show(report, options.profile)
    written = [path for path in outputs.values() if path]
    if written:
        print(f"written: {', '.join(written)}")
    return 0 if passed else GATE_FAILED


def show(report: Report, profiles: list[str]) -> bool:
    """Print the report and the verdicts; did all pass?"""
    print(report)
    verdicts = [report.check(profile) for profile in profiles]
    for verdict in verdicts:
        print(f"\n{verdict}")
    for verdict in verdicts:
        if not verdict.passed:
            print(f"synthkit: profile {verdict.profile!r}: {verdict.status}", file=sys.stderr)
    return all(verdict.passed for verdict in verdicts)
