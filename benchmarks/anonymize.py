"""``anonymize`` on whole tables: handed over or refused, why, and how long it took.

    python -m benchmarks.anonymize --data DATA --datasets framingham_long berka_trans adult --seeds 0
    python -m benchmarks.anonymize --data DATA --datasets adult --models cart smote copy

Tables are taken as a user has them (no split of ours); ``anonymize`` holds a part back by itself. Culprits are refused.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import panel_data
from benchmarks.datasets import load
from benchmarks.peers import SequentialCart, Smote
from benchmarks.privacy import Copy
from synthkit import SynthkitWarning, anonymize
from synthkit.errors import PrivacyError

__all__ = ["main"]

_SECRETS: dict[str, list[str]] = {
    "framingham_long": ["DIABETES", "PREVCHD"],
    "berka_trans": ["trouble"],
    "adult": ["income"],
    "credit_default": ["default.payment.next.month"],
    "diabetes130": ["readmitted"],
    "framingham": ["TenYearCHD"],
    "pima_diabetes": ["Outcome"],
}
_CULPRITS: dict[str, Any] = {"copy": Copy, "cart": SequentialCart, "smote": Smote}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; one JSON line per data set, model and seed."""
    options = _parser().parse_args(arguments)
    for name in options.datasets:
        for model in options.models:
            for seed in options.seeds:
                line = json.dumps(_run(name, model, seed, options))
                print(line, flush=True)
                if options.out:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--datasets", nargs="+", choices=[*_SECRETS], required=True)
    parser.add_argument("--models", nargs="+", default=["auto"], help="models of synthkit, or copy, cart, smote")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--protect", default="standard", choices=["standard", "health", "strict", "none"])
    parser.add_argument("--profile", default="test-data")
    parser.add_argument("--rows", type=int, help="so many rows of a table, drawn by the seed")
    parser.add_argument("--max-seconds", type=float)
    parser.add_argument("--out", type=Path, help="append the lines to a file, too")
    return parser


def _run(name: str, model: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    table, known = _whole(name, options.data)
    if options.rows and not known:
        table = table.sample(min(options.rows, len(table)), random_state=seed).reset_index(drop=True)
    how: dict[str, Any] = {"synthesizer": _CULPRITS[model]()} if model in _CULPRITS else {"model": model}
    how |= {"protect": None if options.protect == "none" else options.protect, "profile": options.profile}
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthkitWarning)
        try:
            certificate = anonymize(
                table, secrets=_SECRETS[name], max_seconds=options.max_seconds, random_state=seed, **known, **how
            ).certificate
        except PrivacyError as refusal:
            certificate = refusal.certificate
    seconds = round(time.perf_counter() - began, 1)
    content = certificate.content
    found = {
        f["score"]: [round(f["value"], 4), *(round(end, 4) for end in f["interval"] or ())]
        for f in content["criteria"]
        if f["status"] == "tested"
    }
    bad = {g["score"]: f"{g['status']}: {g['reason']}" for g in content["gates"] if g["status"] != "pass"}
    return {
        **{"dataset": name, "rows": len(table), "units": content["source"]["units"], "model": model, "seed": seed},
        **{"outcome": content["outcome"], "seconds": seconds, "not_passed": bad, "found": found},
    }


def _whole(name: str, data: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    if name in panel_data.NAMES:
        panel = panel_data.load(name, data, dev=False)
        whole = pd.concat([panel.train, panel.holdout], ignore_index=True)
        return whole, {"entity": panel.entity, "time": panel.time}
    split = load(name, data, dev=False)
    return pd.concat([split.train, split.holdout], ignore_index=True), {}


if __name__ == "__main__":
    raise SystemExit(main())
