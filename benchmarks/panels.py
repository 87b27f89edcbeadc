"""Run the benchmark of records over time: panels x models x seeds -> JSON lines and one table.

    python -m benchmarks.panels --data DATA --datasets pbcseq --models autoregressive bootstrap
    python -m benchmarks.panels --data DATA --datasets pbcseq --models par --par PAR_ENVIRONMENT/bin/python
    python -m benchmarks.panels --data DATA --datasets pbcseq --models autoregressive --fans

A run that is in the file ``--out`` already is not made again. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.panel_data import NAMES, PanelSplit, load
from benchmarks.panel_figures import fans, of_codes, prevalence
from benchmarks.panel_peers import Bootstrap, Generator, Ours
from benchmarks.panel_rivals import RIVALS, rival
from benchmarks.run import peak_mb
from synthkit.errors import SynthkitError
from synthkit.metrics.temporal_report import score_panel

__all__ = ["figures", "label", "main", "markdown", "run_job"]

_ROOT = Path(__file__).resolve().parents[1]
_MANY = 100_000  # rows that figures of codes are taken of, about: those of few entities are mostly noise
_KEYS = ("dataset", "model", "seed", "dev", "task")
_SHOWN = {
    "entity_detection": "detection AUC",
    "above": "- floor",
    "values": "values",
    "lengths": "lengths",
    "gaps": "gaps",
    "calendar": "calendar",
    "transitions": "transitions",
    "autocorrelation": "autocorr.",
    "cross_lag": "cross lag",
    "variance": "ICC gap",
    "context_shape": "context",
    "context_dependence": "context dep.",
    "missing_runs": "null runs",
    "next_step": "next step",
    "label_ratio": "label TSTR/TRTR",
    "memorisation": "NN ratio",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 1 if a run failed."""
    args = _parser().parse_args(arguments)
    if args.job is not None:
        print(json.dumps(run_job(json.loads(args.job))))
        return 0
    done = _known(args.out)
    failed = 0
    wanted = _jobs(args)
    for i, job in enumerate(wanted, start=1):
        key = tuple(job[k] for k in _KEYS)
        if key in done:
            continue
        print(f"[{i}/{len(wanted)}] {' '.join(map(str, key))}", file=sys.stderr, flush=True)
        try:
            result = run_job(job) if args.in_process else _in_own_process(job)
        except (SynthkitError, subprocess.SubprocessError, OSError) as error:
            print(f"    failed: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with args.out.open("a", encoding="utf-8") as log:
            log.write(json.dumps(result) + "\n")
        done[key] = result
    print(markdown([done[key] for job in wanted if (key := tuple(job[k] for k in _KEYS)) in done]))
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.panels", description="Benchmark panels.")
    add = parser.add_argument
    add("--data", type=Path, default=Path("."), help="folder of the .csv.gz tables")
    add("--datasets", nargs="+", default=["pbcseq"], choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    add("--models", nargs="+", default=["auto"], help=f"registered names, 'bootstrap', {', '.join(RIVALS)}")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the split and of the model at once")
    add("--final", action="store_true", help="judge on the true holdout (default: dev)")
    add("--fans", action="store_true", help="instead: cover of continuations of held-out entities")
    add("--max-seconds", type=float, help="budget of one fit of synthkit's models")
    for name in RIVALS:
        add(f"--{name}", type=Path, metavar="PYTHON", help=f"a Python in whose environment {name} is installed")
    add("--fit-limit", type=float, default=900.0, help="seconds that a rival may learn")
    add("--sample-limit", type=float, default=300.0, help="seconds that a rival may draw")
    add("--keep", type=Path, metavar="DIR", help="where rivals' tables are kept, and read again")
    add("--out", type=Path, default=Path("benchmark_out/panels.jsonl"), help="JSON lines; runs in it are not repeated")
    add("--in-process", action="store_true", help="no process per run (peak memory is then the whole command's)")
    add("--job", help=argparse.SUPPRESS)
    return parser


def _jobs(args: argparse.Namespace) -> list[dict[str, Any]]:
    common = {"data": str(args.data.resolve()), "dev": not args.final, "max_seconds": args.max_seconds}
    common |= {"task": "fans" if args.fans else "sample"}
    common |= {name: None if getattr(args, name) is None else str(getattr(args, name).absolute()) for name in RIVALS}
    common |= {"fit_limit": args.fit_limit, "sample_limit": args.sample_limit}
    common |= {"keep": None if args.keep is None else str(args.keep.resolve())}
    return [
        {"dataset": name, "model": model, "seed": seed, **common}
        for name in args.datasets
        for seed in args.seeds
        for model in args.models
    ]


def _known(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {tuple(line[k] for k in _KEYS): line for line in lines}


def _in_own_process(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.panels", "--job", json.dumps(job)]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# -------------------------------------------------------------------- one run
def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Fit, sample and judge one model on one split.

    Args:
        job: ``dataset``, ``model``, ``seed``, ``data``, ``dev``, ``task`` ("sample" or "fans"), and what the command
            line has of limits and places.

    Returns:
        The job's names; ``fit_s``, ``sample_s``, ``peak_mb`` (read before judging); sizes; and ``figures``, or
        ``fans``.
    """
    split = load(job["dataset"], job["data"], job["seed"], dev=job["dev"])
    names = {key: job[key] for key in _KEYS}
    if job["task"] == "fans":
        model = _model(job)
        start = time.perf_counter()
        model.fit(split)
        fitted = time.perf_counter()
        table = fans(split, model.extend, seed=job["seed"])
        seconds = time.perf_counter() - fitted
        lines = json.loads(table.to_json(orient="records"))
        return {**names, "fit_s": fitted - start, "extend_s": seconds, "time": split.time, "fans": lines}
    made, many, timing = _drawn(job, split)
    sizes = {"train_entities": int(split.train[split.entity].nunique()), "train_rows": len(split.train)}
    sizes |= {"holdout_entities": int(split.holdout[split.entity].nunique())}
    sizes |= {"drawn_entities": int(made[split.entity].nunique()), "drawn_rows": len(made)}
    start = time.perf_counter()
    found = figures(split, made, job["seed"], many=many)
    return {**names, **timing, **sizes, "score_s": time.perf_counter() - start, "figures": found}


def _model(job: dict[str, Any]) -> Generator:
    if job["model"] == "bootstrap":
        return Bootstrap()
    limits = {} if job.get("max_seconds") is None else {"max_seconds": job["max_seconds"]}
    return Ours(job["model"], {"random_state": job["seed"], **limits})


def _drawn(job: dict[str, Any], split: PanelSplit) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """As many entities as were learnt; as many as the figures of codes want; and what the first took."""
    name, seed = job["model"], job["seed"]
    if name in RIVALS:
        part = "dev" if job["dev"] else "final"
        keep = None if job.get("keep") is None else Path(job["keep"]) / f"{name}_{job['dataset']}_{part}_{seed}"
        limits = {"fit_limit": job["fit_limit"], "sample_limit": job["sample_limit"]}
        done = rival(name, job[name], split, seed, keep=keep, **limits)
        return done.frame, done.frame, done.timing
    model = _model(job)
    start = time.perf_counter()
    model.fit(split)
    fitted = time.perf_counter()
    entities = int(split.train[split.entity].nunique())
    made = model.sample(entities, seed)
    timing = {"fit_s": fitted - start, "sample_s": time.perf_counter() - fitted, "peak_mb": peak_mb()}
    if split.code is None:
        return made, made, timing
    return made, model.sample(max(entities, _MANY * entities // len(split.train)), seed + 1), timing


def figures(
    split: PanelSplit, made: pd.DataFrame, seed: int, *, many: pd.DataFrame | None = None
) -> dict[str, dict[str, Any]]:
    """All figures of ``score_panel``, and those of codes (of the rows in ``many``) where the panel has codes.

    Returns:
        Per figure ``value``, ``matched`` and ``floor`` (``None`` where there is none), and ``note``. ``label`` leaves
        out the columns that give the label away; ``label_ratio`` and ``next_step_ratio`` are TSTR / TRTR.
    """
    common: dict[str, Any] = {"entity": split.entity, "time": split.time, "holdout": split.holdout, "seed": seed}
    common |= {"context": list(split.context), "kinds": split.kinds}
    report = score_panel(split.train, made, deals=0, **common)
    found = {line["metric"]: _entry(line) for line in report.table.to_dict("records") if line["metric"] != "label"}
    found["next_step_ratio"] = _ratio(report.found["next_step"].details)
    if split.target is not None:
        found |= label(split, made, seed)
    return {**found, **_codes(split, made if many is None else many)}


def label(split: PanelSplit, made: pd.DataFrame, seed: int) -> dict[str, dict[str, Any]]:
    """TSTR of the target, without the columns that give it away: ``label``, and ``label_ratio`` (TSTR / TRTR)."""
    train, drawn, holdout = (t.drop(columns=list(split.telling)) for t in (split.train, made, split.holdout))
    kinds = {name: kind for name, kind in split.kinds.items() if name not in split.telling}
    report = score_panel(
        train,
        drawn,
        entity=split.entity,
        time=split.time,
        context=[name for name in split.context if name in kinds],
        kinds=kinds,
        holdout=holdout,
        target=split.target,
        metrics=["label"],
        deals=0,
        seed=seed,
    )
    (line,) = report.table.to_dict("records")
    return {"label": _entry(line), "label_ratio": _ratio(report.found["label"].details)}


def _codes(split: PanelSplit, made: pd.DataFrame) -> dict[str, dict[str, Any]]:
    if split.code is None:
        return {}
    pair = (made, split.holdout)
    if split.value is not None:
        both = [of_codes(split.train, t, code=split.code, value=split.value) for t in pair]
    else:
        both = [prevalence(split.train, t, entity=split.entity, code=split.code) for t in pair]
    return {f"code_{name}": {"value": _plain(both[0][name]), "floor": _plain(both[1][name])} for name in both[0]}


def _entry(line: Mapping[Any, Any]) -> dict[str, Any]:
    return {**{k: _plain(line[k]) for k in ("value", "matched", "floor")}, "note": line["note"]}


def _ratio(details: Any) -> dict[str, Any]:
    return {"value": _plain((details or {}).get("ratio", math.nan))}


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


# -------------------------------------------------------------------- the table
def markdown(results: Sequence[dict[str, Any]]) -> str:
    """A line per panel and model: means over seeds of the matched figures, and of the floors.

    "- floor" is the detection AUC minus that of fresh entities of the same split, ± two standard errors.
    Figures without a matched one (ratios, codes) are as they are. Runs of fans make a table of their own.
    """
    sampled = [r for r in results if r["task"] == "sample"]
    parts = []
    if sampled:
        parts.append(_table(sampled, _SHOWN))
    for word in ("ks", "r2"):  # of long forms, and of codes without a value
        coded = [r for r in sampled if f"code_{word}" in r["figures"]]
        if coded:
            names = [name for name in coded[0]["figures"] if name.startswith("code_")]
            parts.append(_table(coded, {name: name.removeprefix("code_") for name in names}))
    fanned = [r for r in results if r["task"] == "fans"]
    if fanned:
        parts.append(_fans(fanned))
    return "\n".join(parts)


def _table(results: Sequence[dict[str, Any]], shown: Mapping[str, str]) -> str:
    head = ["panel", "model", "seeds", *shown.values(), "fit s", "sample s", "peak MB"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for dataset in dict.fromkeys(r["dataset"] for r in results):
        own = [r for r in results if r["dataset"] == dataset]
        for model in dict.fromkeys(r["model"] for r in own):
            runs = [r for r in own if r["model"] == model]
            cells = [_cell(runs, name) for name in shown]
            cells += [_mean([r.get(k) for r in runs], 0) for k in ("fit_s", "sample_s", "peak_mb")]
            lines.append(f"| {dataset} | {model} | {len(runs)} | " + " | ".join(cells) + " |")
        floors = [_mean([r["figures"].get(name, {}).get("floor") for r in own]) for name in shown]
        lines.append(f"| {dataset} | *floor* | | " + " | ".join([*floors, "", "", ""]) + " |")
    return "\n".join(lines) + "\n"


def _cell(runs: Sequence[dict[str, Any]], name: str) -> str:
    if name != "above":
        return _mean([_best(r["figures"].get(name, {})) for r in runs])
    pairs = [r["figures"]["entity_detection"] for r in runs]
    apart = [p["matched"] - p["floor"] for p in pairs if None not in (p["matched"], p["floor"])]
    error = 2 * float(np.std(apart, ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
    return _mean(apart) + (f" ±{error:.3f}" if math.isfinite(error) else "")


def _best(figure: dict[str, Any]) -> float | None:
    return figure.get("matched", figure.get("value"))


def _fans(results: Sequence[dict[str, Any]]) -> str:
    """Per column the cover over all steps; and over all columns but the time."""
    lines = ["| panel | model | column | cover | cover, ties inside | rows |", "| --- " * 6 + "|"]
    for dataset, model in dict.fromkeys((r["dataset"], r["model"]) for r in results):
        own = [r for r in results if (r["dataset"], r["model"]) == (dataset, model)]
        found = [line for r in own for line in r["fans"] if line["rows"]]
        parts = {name: [x for x in found if x["column"] == name] for name in dict.fromkeys(x["column"] for x in found)}
        times = {r["time"] for r in own}
        parts["*all columns*"] = [x for x in found if x["column"] not in times]
        for name, some in parts.items():
            rows = sum(x["rows"] for x in some)
            covers = (
                [sum(x[k] * x["rows"] for x in some) / rows for k in ("cover", "cover_open")] if rows else [None] * 2
            )
            cells = [dataset, model, name, *(_mean([c], 2) for c in covers), str(rows)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float | None], digits: int = 3) -> str:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return f"{sum(known) / len(known):.{digits}f}" if known else ""


if __name__ == "__main__":
    sys.exit(main())
