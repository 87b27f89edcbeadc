"""Run the benchmark: data sets x models x seeds -> one table (CSV and Markdown).

    python -m benchmarks.run --data DATA --datasets adult --models autoregressive copula
    python -m benchmarks.run --datasets breast_cancer --models my_model.py:MySpec
    python -m benchmarks.run --datasets wine --quick

Every fit runs in a process of its own, so that its peak memory is its own. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.datasets import NAMES, Split, load, read_synthetic
from benchmarks.peers import SequentialCart
from benchmarks.scoring import REFERENCES, markdown, reference, score, summarise
from synthkit.errors import ParamError, SynthkitError

__all__ = ["main", "run_job"]

_ROOT = Path(__file__).resolve().parents[1]
_RESULTS = Path(__file__).with_name("RESULTS.md")
_SMALL = 2000  # rows of a table below which 20 splits are the default


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 1 if a job failed."""
    args = _parser().parse_args(arguments)
    if args.job is not None:
        print(json.dumps(run_job(json.loads(args.job))))
        return 0
    if args.export is not None:
        _export(args)
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    runs, failed = _run_all(args)
    if not len(runs):
        return 1
    summary = summarise(runs)
    text = markdown(summary)
    summary.to_csv(args.out / "summary.csv", index=False)
    (args.out / "summary.md").write_text(text, encoding="utf-8")
    print(text)
    if args.final:
        with _RESULTS.open("a", encoding="utf-8") as log:
            log.write(_entry(args, text))
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Benchmark tabular synthesizers.")
    add = parser.add_argument
    add("--data", type=Path, default=Path("."), help="folder of the .csv.gz tables")
    add("--datasets", nargs="+", default=["breast_cancer"], choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    add("--models", nargs="*", default=["auto"], help="registered names, 'cart', or PATH.py:SpecClass")
    add("--model", action="append", default=[], metavar="PATH.py:SPEC", help="one more model (repeatable)")
    add(
        "--table", action="append", default=[], metavar="NAME=PATH", help="score a CSV; {dataset}, {seed} are filled in"
    )
    add("--seeds", nargs="+", type=int, help="split seeds, also the model's; default 0-4, 0-19 below 2000 rows")
    add("--final", action="store_true", help="judge on the true holdout and append to RESULTS.md (default: dev)")
    add("--max-seconds", type=float, help="budget of one fit")
    add("--max-steps", type=int, help="steps of one fit")
    add("--out", type=Path, default=Path("benchmark_out"), help="folder for runs.csv, summary.csv, summary.md")
    add("--quick", action="store_true", help="one seed, at most 5 seconds a fit: does it run?")
    add("--in-process", action="store_true", help="no process per fit (peak memory is then the whole run's)")
    add("--no-references", action="store_true", help="leave out fresh, copy and independent")
    add("--export", type=Path, metavar="DIR", help="only write the training CSVs, for peers in their own environment")
    add("--job", help=argparse.SUPPRESS)
    return parser


def _seeds(args: argparse.Namespace, name: str) -> list[int]:
    if args.seeds is not None:
        return list(args.seeds)
    if args.quick:
        return [0]
    split = load(name, args.data, 0, dev=not args.final)
    # rows of the whole table: the dev split has cut a fifth twice
    rows = (len(split.train) + len(split.holdout)) / (1.0 if args.final else 0.8)
    return list(range(20 if rows < _SMALL else 5))


def _jobs(args: argparse.Namespace) -> list[dict[str, Any]]:
    models = [*([] if args.no_references else REFERENCES), *args.models, *args.model]
    tables = dict(item.split("=", 1) for item in args.table)
    limit = 5.0 if args.quick and args.max_seconds is None else args.max_seconds
    common = {"data": str(args.data.resolve()), "dev": not args.final, "max_seconds": limit}
    common["max_steps"] = args.max_steps
    jobs = []
    for name in args.datasets:
        for seed in _seeds(args, name):
            place = {"dataset": name, "seed": seed, **common}
            jobs += [{"model": _absolute(model), **place} for model in models]
            for label, path in tables.items():
                file = Path(path.format(dataset=name, seed=seed)).resolve()
                jobs.append({"model": label, "table": str(file), **place})
    return jobs


def _absolute(model: str) -> str:
    """The path of a ``PATH.py:Spec`` made absolute, as jobs run elsewhere."""
    path, _, name = model.rpartition(":")
    return f"{Path(path).resolve()}:{name}" if path.endswith(".py") else model


def _run_all(args: argparse.Namespace) -> tuple[pd.DataFrame, int]:
    jobs, rows, failed = _jobs(args), [], 0
    for i, job in enumerate(jobs, start=1):
        print(f"[{i}/{len(jobs)}] {job['dataset']} {job['model']} seed {job['seed']}", file=sys.stderr, flush=True)
        try:
            result = run_job(job) if args.in_process else _in_own_process(job)
        except (SynthkitError, subprocess.CalledProcessError, OSError) as error:
            print(f"    failed: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        rows.append(result)
        # written after every job, so that an interrupted run keeps what it has
        pd.DataFrame(rows).to_csv(args.out / "runs.csv", index=False)
    return pd.DataFrame(rows), failed


def _in_own_process(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.run", "--job", json.dumps(job)]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Fit, sample and score one model on one split.

    Args:
        job: ``dataset``, ``model``, ``seed``, ``data``, ``dev``, and optionally ``max_seconds``, ``max_steps``, and
            ``table``, the path of a CSV to score instead of a fit.

    Returns:
        The job's names and its figures. Peak memory is read after sampling, before scoring.
    """
    name, model, seed = job["dataset"], job["model"], job["seed"]
    split = load(name, job["data"], seed, dev=job["dev"])
    holdout, timing = (
        split.holdout,
        dict.fromkeys(("fit_s", "fit_cpu_s", "sample_s", "rows_per_s", "peak_mb"), math.nan),
    )
    if job.get("table") is not None:
        synthetic = read_synthetic(name, job["table"])
    elif model in REFERENCES:
        synthetic, holdout = reference(model, split, seed)
    else:
        synthetic, timing = _fit_and_sample(job, split)
    label = model.rpartition(":")[2]
    return {"dataset": name, "model": label, "seed": seed, **score(split, synthetic, holdout, seed), **timing}


def _fit_and_sample(job: dict[str, Any], split: Split) -> tuple[pd.DataFrame, dict[str, float]]:
    seed, n = job["seed"], len(split.train)
    synthesizer = _synthesizer(job, split)
    start, cpu = time.perf_counter(), time.process_time()
    synthesizer.fit(split.train)
    fit_s, fit_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    start = time.perf_counter()
    synthetic = synthesizer.sample(n, seed=seed)
    sample_s = time.perf_counter() - start
    peak = peak_mb()
    return synthetic, {
        "fit_s": fit_s,
        "fit_cpu_s": fit_cpu_s,
        "sample_s": sample_s,
        "rows_per_s": n / sample_s,
        "peak_mb": peak,
    }


def _synthesizer(job: dict[str, Any], split: Split) -> Any:
    model, seed = job["model"], job["seed"]
    if model == "cart":
        return SequentialCart(split.kinds, random_state=seed)
    from synthkit import TabularSynthesizer

    limits = {key: job[key] for key in ("max_seconds", "max_steps") if job.get(key) is not None}
    return TabularSynthesizer(model=_spec(model), random_state=seed, **limits)


def _spec(model: str) -> Any:
    """A registered name as it is; ``PATH.py:Spec`` as an instance of that class."""
    path, _, name = model.rpartition(":")
    if not path.endswith(".py"):
        return model
    found = importlib.util.spec_from_file_location(Path(path).stem, path)
    if found is None or found.loader is None or not Path(path).is_file():
        raise ParamError(f"benchmarks.run: argument '--model': there is no Python file {path}.")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up there
    found.loader.exec_module(module)
    if not hasattr(module, name):
        raise ParamError(f"benchmarks.run: argument '--model': {path} defines no {name!r}.")
    return getattr(module, name)()


def peak_mb() -> float:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, not inherited from the parent
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _export(args: argparse.Namespace) -> None:
    args.export.mkdir(parents=True, exist_ok=True)
    for name in args.datasets:
        for seed in _seeds(args, name):
            split = load(name, args.data, seed, dev=not args.final)
            split.train.to_csv(args.export / f"{name}_{seed}.csv", index=False)
            print(f"{name}_{seed}.csv: {len(split.train)} rows", file=sys.stderr)


def _entry(args: argparse.Namespace, text: str) -> str:
    """What RESULTS.md gets: when, what code, where, the figures."""
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    limit = "" if args.max_seconds is None else f", at most {args.max_seconds:g} s a fit"
    machine = f"{os.cpu_count()} CPUs ({platform.machine()}), OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '-')}"
    return f"\n## {when}, commit {_commit()}\n\n{machine}, Python {platform.python_version()}{limit}\n\n{text}"


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" (with local changes)" if changed else "")


if __name__ == "__main__":
    sys.exit(main())
