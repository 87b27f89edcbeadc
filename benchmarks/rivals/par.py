"""SDV's PAR on a panel, run by a Python that has sdv (2.0): ``python par.py FOLDER``; see benchmarks/panel_rivals.py.

Default settings (128 epochs), with the context columns declared. The time of its fit grows faster than the
entities: short fits tell how many it can learn from in the time allowed; if need be, a random part of them is taken.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.sequential import PARSynthesizer

EPOCHS, SIZES, CHUNK = 128, (25, 100), 10


def main(folder):
    task = json.loads((folder / "task.json").read_text())
    warnings.simplefilter("ignore")
    np.random.seed(task["seed"])  # noqa: NPY002 - sdv draws from the global state
    torch.manual_seed(task["seed"])
    dtype = dict.fromkeys(task["categorical"], "str")
    dates = [task["time"]] if task["dated"] else None
    train = pd.read_csv(folder / "train.csv", dtype=dtype, keep_default_na=False, na_values=[""], parse_dates=dates)
    metadata = described(task, train)
    every = train[task["entity"]].unique()
    allowed, each = entities_in(task, train, every, metadata)
    chosen = np.random.default_rng(task["seed"]).permutation(every)[:allowed]
    start = time.perf_counter()
    model = PARSynthesizer(metadata, context_columns=task["context"], epochs=EPOCHS)
    model.fit({"panel": train[train[task["entity"]].isin(chosen)]})
    fitted = time.perf_counter()
    parts, drawn = [], 0
    while drawn < task["draw"] and (not parts or time.perf_counter() - fitted < task["sample_limit"]):
        size = min(CHUNK, task["draw"] - drawn)
        part = model.sample_sequences(size)
        part = next(iter(part.values())) if isinstance(part, dict) else part
        # keys start anew in each part
        part[task["entity"]] = part[task["entity"]].map(
            {k: drawn + i for i, k in enumerate(part[task["entity"]].unique())}
        )
        parts.append(part)
        drawn += size
    seconds = time.perf_counter() - fitted
    pd.concat(parts).to_csv(folder / "synthetic.csv", index=False)
    done = {"fit_s": fitted - start, "sample_s": seconds, "learnt_entities": len(chosen), "drawn_entities": drawn}
    (folder / "done.json").write_text(json.dumps({**done, "epoch_entity_s": each, "peak_mb": peak_mb()}))


def described(task, train):
    columns = {}
    for name in train:
        kind = "categorical" if name in task["categorical"] else "numerical"
        columns[name] = {"sdtype": kind}
    columns[task["entity"]] = {"sdtype": "id"}
    if task["dated"]:
        columns[task["time"]] = {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"}
    table = {"columns": columns, "sequence_key": task["entity"]}
    if task["time"] is not None:
        table["sequence_index"] = task["time"]
    metadata = Metadata.load_from_dict({**table, "METADATA_SPEC_VERSION": "SINGLE_TABLE_V1"}, "panel")
    return metadata


def entities_in(task, train, every, metadata):
    """How many entities it can learn from in the time allowed; the seconds per epoch and entity, by entities."""
    sizes, seconds = [n for n in SIZES if n <= len(every)] or [len(every)], []
    for size in sizes:
        few = train[train[task["entity"]].isin(every[:size])]
        taken = []
        for epochs in (1, 3):
            start = time.perf_counter()
            PARSynthesizer(metadata, context_columns=task["context"], epochs=epochs).fit({"panel": few})
            taken.append(time.perf_counter() - start)
        seconds.append(max(taken[1] - taken[0], 1e-3) / 2 / size)
    # Measured, an epoch takes more per entity the more there are; n (a + b n) seconds is taken for that
    b = max(0.0, (seconds[-1] - seconds[0]) / max(1, sizes[-1] - sizes[0]))
    a = max(1e-6, seconds[-1] - b * sizes[-1])
    n = np.arange(1, len(every) + 1)
    fits = n * (a + b * n) * EPOCHS <= task["fit_limit"]
    return max(min(SIZES[0], len(every)), int(fits.sum())), dict(zip(map(str, sizes), seconds, strict=True))


def peak_mb():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
