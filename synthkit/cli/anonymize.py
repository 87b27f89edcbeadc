"""``synthkit anonymize``: a table that may stand in for a real one, and a certificate; or a refusal, exit code 1."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from synthkit.anonymizing import Certificate, anonymize
from synthkit.cli.evaluate import GATE_FAILED
from synthkit.cli.files import add_schema, check_output, given_schema, read_table, write_table
from synthkit.errors import PrivacyError
from synthkit.metrics.base import LEVELS
from synthkit.report import PROFILES

__all__ = ["add_anonymize"]


def add_anonymize(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "anonymize",
        help="a table that may stand in for a real one, with a certificate of what was tested",
        description="Hold a part of a table back, learn the rest, draw a table, and test it against the part that was "
        "held back. It is written where every gate passes; else the reasons are told, and the exit code is 1.",
    )
    parser.add_argument("data", help="the real table: .csv, .csv.gz or .parquet")
    parser.add_argument("-o", "--out", required=True, help="file to write: .csv, .csv.gz or .parquet")
    parser.add_argument("--entity", metavar="COLUMN", help="whose row it is: persons are split and protected by it")
    parser.add_argument("--time", metavar="COLUMN", help="with --entity: when a record was made")
    for name, words in (
        ("secret", "nobody may learn it of a person: it is attacked"),
        ("quasi-identifier", "others may know it: rare combinations do not come back"),
        ("keep", "stays as it is; the other columns are drawn given it"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="COLUMN", help=f"{words}; repeat it")
    parser.add_argument("--target", help="the column that the recipients will predict")
    parser.add_argument("--profile", choices=[*PROFILES], default="test-data", help="what the table is for")
    parser.add_argument("--protect", choices=["standard", "health", "strict"], default="standard")
    parser.add_argument("--note-undecided", action="store_true", help="let stand what cannot be told for lack of rows")
    parser.add_argument("-n", type=int, help="rows, or entities, to draw (default: as many as the table has)")
    parser.add_argument("--level", choices=LEVELS, default="quick", help="how much time the tests may take")
    parser.add_argument("--purpose", default="", help="words for the certificate")
    parser.add_argument("--recipients", default="", help="words for the certificate")
    parser.add_argument("--html", metavar="FILE", help="write the certificate as a page to sign")
    parser.add_argument("--certificate", metavar="FILE", help="write the certificate as JSON")
    parser.add_argument("--report", metavar="FILE", help="write all scores as a page; it shows real rows")
    parser.add_argument("--ledger", metavar="FILE", help="note the run there, and tell of earlier ones")
    add_schema(parser)
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--allow-formulas", action="store_true", help="write cells that a spreadsheet would execute")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=_anonymize)


def _anonymize(options: argparse.Namespace) -> int:
    check_output(options.out, table=True)
    pages = {"--html": options.html, "--certificate": options.certificate, "--report": options.report}
    for argument, path in pages.items():
        if path:
            check_output(path, argument=argument)
    schema = given_schema(options)
    table = read_table(options.data, schema)
    try:
        safe = anonymize(
            table,
            entity=options.entity,
            time=options.time,
            keep=options.keep,
            secrets=options.secret,
            quasi_identifiers=options.quasi_identifier,
            target=options.target,
            profile=options.profile,
            undecided="note" if options.note_undecided else "refuse",
            protect=options.protect,
            schema=schema,
            n=options.n,
            level=options.level,
            purpose=options.purpose,
            recipients=options.recipients,
            ledger=options.ledger,
            max_seconds=options.max_seconds,
            progress=None if options.quiet else True,
            random_state=options.seed,
        )
    except PrivacyError as refusal:
        if refusal.certificate is None:
            raise
        _write(refusal.certificate, refusal.report, options)
        print(f"synthkit: {refusal}", file=sys.stderr)
        return GATE_FAILED
    write_table(safe.table, options.out, formulas=options.allow_formulas)
    _write(safe.certificate, safe.report, options)
    print(safe.certificate)
    print(f"{len(safe.table)} rows are in {options.out}")
    return 0


def _write(certificate: Certificate, report: Any, options: argparse.Namespace) -> None:
    if options.html:
        certificate.to_html(options.html)
    if options.certificate:
        certificate.to_json(options.certificate)
    if options.report:
        report.to_html(options.report, profiles=options.profile)
    written = [path for path in (options.html, options.certificate, options.report) if path]
    if written:
        print(f"written: {', '.join(written)}")
