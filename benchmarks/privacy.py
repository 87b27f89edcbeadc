"""Attack models and culprits on the benchmark tables: who passes the gate of membership, and what leaks elsewhere.

    python -m benchmarks.privacy --data DATA --datasets adult --models auto cart smote copy
    python -m benchmarks.privacy --data DATA --datasets adult --what canaries file
    python -m benchmarks.privacy --data DATA --datasets adult --what audit --rows 1000

``membership``: the attacks of a report on a drawn table, beside the bars (upper 95 % ends: AUC .55, TPR at 1 % false
alarms .02), and the verdict of the release profile's gate of membership. ``release``: all its gates of privacy.
``canaries``, ``file``, ``audit``: the functions of that name. Dev splits, unless ``--final``. The culprits must fail.
Where persons have several rows (diabetes130), one row of each is attacked. Several ``--seeds`` of
``membership`` are pooled in a last line, by two intervals (see :func:`pooled`).
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import NAMES, Split, load
from benchmarks.peers import SequentialCart, Smote
from synthkit import Protection, TabularSynthesizer, audit, canaries, evaluate, file_attack
from synthkit.auditing import Bars
from synthkit.errors import SynthkitError
from synthkit.metrics import METRICS, Case, Score
from synthkit.report.gates import PROFILES, judge

__all__ = ["CULPRITS", "Copy", "attacked", "main", "pooled", "run"]

CULPRITS = ("copy", "cart", "smote")
_FIDELITY = ("shape", "pair")
_AUDITED = 1000  # rows
_OVERLAP = 0.25  # test rows by training rows of a split: what splits of one table share (Nadeau & Bengio, 2003)


class Copy:
    """The memoriser: it draws training rows."""

    def fit(self, table: pd.DataFrame) -> Copy:
        """Keep the table."""
        self.table_ = table
        return self

    def sample(self, n: int, *, seed: int = 0) -> pd.DataFrame:
        """``n`` of its rows, with replacement."""
        return self.table_.sample(n, replace=True, random_state=seed).reset_index(drop=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; prints a line per figure as it is known."""
    args = _parser().parse_args(arguments)
    lines = []
    for name in args.datasets:
        for seed in args.seeds:
            split = load(name, args.data, seed, dev=not args.final)
            for model in args.models:
                for what in args.what:
                    found = run(what, model, split, seed, args)
                    lines.append({"dataset": name, "model": model, "seed": seed, "what": what, **found})
                    print(_line(lines[-1]), flush=True)
                    if args.out:
                        pd.DataFrame(lines).to_csv(args.out, index=False)
        for model in args.models:
            own = [x for x in lines if (x["dataset"], x["model"], x["what"]) == (name, model, "membership")]
            own = [x for x in own if "auc" in x]
            if len(own) > 1:
                print(_line({"dataset": name, "model": model, "pooled": len(own), **pooled(own)}), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=Path("."))
    add("--datasets", nargs="+", default=["breast_cancer"], choices=NAMES, metavar="NAME")
    add("--models", nargs="+", default=["auto", *CULPRITS], help=f"registered names, 'fresh', {', '.join(CULPRITS)}")
    add("--what", nargs="+", default=["membership"], choices=["membership", "release", "canaries", "file", "audit"])
    add("--seeds", nargs="+", type=int, default=[0])
    add("--rows", type=int, help="train on so many rows at most (audit: 1,000 by default)")
    add("--refits", type=int, default=64)
    add("--protect", type=int, default=5, help="min_count of Protection; 0: none")
    add("--max-steps", type=int)
    add("--max-seconds", type=float, help="budget of one fit")
    add("--level", default="default", choices=["quick", "default", "full"])
    add("--final", action="store_true")
    add("--out", type=Path, help="a CSV of all figures")
    return parser


def _line(found: dict[str, Any]) -> str:
    shown = [f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in found.items()]
    return "  ".join(shown)


def run(what: str, model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One figure of one model; what cannot be run says why."""
    start, cpu = time.monotonic(), time.process_time()
    most = args.rows or (_AUDITED if what == "audit" else len(split.train))
    split = split.sampled(most, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = _WHAT[what](model, split, seed, args)
        except SynthkitError as error:
            found = {"error": str(error)}
    return {**found, "seconds": time.monotonic() - start, "cpu_seconds": time.process_time() - cpu}


def _maker(model: str, split: Split, seed: int, args: argparse.Namespace) -> Any:
    kinds = dict(split.kinds)
    if model == "cart":
        return SequentialCart(kinds, random_state=seed)
    if model == "smote":
        return Smote(kinds, split.target)
    if model == "copy":
        return Copy()
    protect = Protection(min_count=args.protect) if args.protect else None
    return TabularSynthesizer(model, random_state=seed, protect=protect, **_budget(args))


def _budget(args: argparse.Namespace) -> dict[str, Any]:
    return {"max_steps": args.max_steps, "max_seconds": args.max_seconds}


def _drawn(model: str, split: Split, seed: int, args: argparse.Namespace) -> tuple[Split, pd.DataFrame]:
    """The split and a table drawn. ``fresh``: one half of the holdout (of its persons) in the synthetic one's place."""
    if model != "fresh":
        fitted = _maker(model, split, seed, args).fit(split.train)
        return split, fitted.sample(len(split.train), seed=seed)
    holdout, rng = split.holdout, np.random.default_rng(seed)
    owner = np.arange(len(holdout)) if split.owners is None else split.owners[1]
    people = np.unique(owner)
    half = np.isin(owner, rng.permutation(people)[: len(people) // 2])
    owners = None if split.owners is None else (split.owners[0], owner[~half])
    return replace(split, holdout=holdout[~half].reset_index(drop=True), owners=owners), holdout[half]


def _membership(model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    return attacked(*_drawn(model, split, seed, args), seed, args.level)


def attacked(split: Split, synthetic: pd.DataFrame, seed: int, level: str = "default") -> dict[str, Any]:
    """The strongest membership attack on a drawn table, one row of each person, beside the gate and the bars."""
    train, holdout = split.one_each(seed)
    case = Case.of(train, synthetic, holdout, kinds=split.kinds, level=level, seed=seed)
    metrics = [METRICS[name]() for name in ("membership", "membership_tpr")]
    auc, tpr = (metric.measure(case) for metric in metrics)
    measured = Score(
        *("membership", metrics[0].label, "privacy", "lower", 0.5, (0.0, 1.0), auc.value),
        interval=auc.interval,
        note=auc.note,
    )
    others = {name: None for name in PROFILES["release"].gates if name != "membership"}
    verdict = judge({"membership": measured}, {}, "release", others)
    bars, nothing = Bars(), (float("nan"), float("nan"))
    upper = ((auc.interval or nothing)[1], (tpr.interval or nothing)[1])
    return {
        "gate": verdict.status,
        "auc": auc.value,
        "auc_lower": (auc.interval or nothing)[0],
        "auc_upper": upper[0],
        "tpr": tpr.value,
        "tpr_lower": (tpr.interval or nothing)[0],
        "tpr_upper": upper[1],
        "bars": "kept" if upper[0] <= bars.auc and upper[1] <= bars.tpr else "missed",
        **{f"auc_{k}": v for k, v in auc.parts.items() if k in ("distance", "density", "local", "classifier")},
        "isolated": auc.parts.get("most isolated rows", float("nan")),
    }


def pooled(lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over splits of one table, with upper 95 % ends (normal law).

    ``_alone``: as if the splits were tables of their own; it says what these splits found. ``_corrected``: splits of
    one table share rows, so that the variance of a mean does not shrink below a quarter of one split's, however many
    there are (Nadeau & Bengio, 2003; train and test are 4 to 1). The variance of one split is that within splits or
    that between them, whichever is larger.
    """
    out: dict[str, float] = {}
    n = len(lines)
    for name in ("auc", "tpr"):
        values, low, high = (np.array([x[name + end] for x in lines], float) for end in ("", "_lower", "_upper"))
        within = float((((high - low) / (2 * 1.96)) ** 2).mean())
        variance = max(within, float(values.var(ddof=1)))
        out |= {name: float(values.mean()), f"{name}_greatest": float(values.max())}
        for kind, share in (("alone", 1 / n), ("corrected", 1 / n + _OVERLAP)):
            out[f"{name}_upper_{kind}"] = out[name] + 1.96 * math.sqrt(variance * share)
    return out


def _release(model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    split, synthetic = _drawn(model, split, seed, args)
    train, holdout = split.one_each(seed)
    gates = [name for name in PROFILES["release"].gates if name not in _FIDELITY]
    known = {"kinds": split.kinds, "level": args.level, "seed": seed, "secrets": [split.target]}
    report = evaluate(train, synthetic, holdout=holdout, metrics=gates, **known)
    verdict = report.check("release", **dict.fromkeys(_FIDELITY))
    return {"verdict": verdict.status, **{result.score: result.status for result in verdict.results}}


def _canaries(model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    found = canaries(split.train[list(split.kinds)], synthesizer=_maker(model, split, seed, args), random_state=seed)
    return {
        "planted": found.planted,
        "returned": found.returned,
        "withheld_returned": found.returned_withheld,
        "auc_rows": found.rows.auc,
        "epsilon_rows": found.epsilon,
        "auc_model": float("nan") if found.model is None else found.model.auc,
        "epsilon_model": float("nan") if found.epsilon_model is None else found.epsilon_model,
    }


def _file(model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    fitted = _maker(model, split, seed, args).fit(split.train[list(split.kinds)])
    train, holdout = (table[list(split.kinds)] for table in split.one_each(seed))
    found = file_attack(fitted, train, holdout, seed=seed)
    if found.model is None:
        return {"file": "not tested", "auc_rows": found.rows.auc}
    own = found.model
    return {
        "auc_file": own.auc,
        "auc_file_upper": own.interval[1],
        "tpr_file": own.tpr,
        "tpr_file_upper": own.tpr_interval[1],
        "auc_rows": found.rows.auc,
        "auc_rows_upper": found.rows.interval[1],
        "share_file": found.share_model,
        "share_rows": found.share_rows,
    }


def _audit(model: str, split: Split, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    maker = _maker(model, split, seed, args)
    found = audit(
        split.train[list(split.kinds)], synthesizer=maker, refits=args.refits, random_state=seed, secrets=[split.target]
    )
    out = {"refits": found.refits, "auc_rows": found.rows.auc, "tpr_rows": found.rows.tpr}
    out |= {"tpr_rows_strict": found.rows.tpr_strict, "isolated_rows": found.rows.isolated}
    if found.model is not None:
        out |= {"auc_model": found.model.auc, "tpr_model": found.model.tpr}
    return {**out, "secret_more": next(iter(found.secrets.values()))["more"]}


_WHAT = {"membership": _membership, "release": _release, "canaries": _canaries, "file": _file, "audit": _audit}

if __name__ == "__main__":
    raise SystemExit(main())
