"""TabularARGN on a panel, run by a Python that has mostlyai-engine (2.7): ``python argn.py FOLDER``.

See benchmarks/panel_rivals.py. Its two-table way: one model of the context, one of the rows given the context. The
settings are its defaults, but that times are encoded as differences (``TABULAR_DATETIME_RELATIVE``; a number is taken
for days), and that rare categories are drawn from the others instead of being written as ``_RARE_``.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from mostlyai.engine import TabularARGN

ORIGIN = pd.Timestamp("2000-01-01")


def main(folder):
    task = json.loads((folder / "task.json").read_text())
    entity, clock, context = task["entity"], task["time"], task["context"]
    dtype = dict.fromkeys([*task["categorical"], entity], "str")
    train = pd.read_csv(folder / "train.csv", dtype=dtype, keep_default_na=False, na_values=[""])
    if clock is not None:
        train[clock] = (
            pd.to_datetime(train[clock]) if task["dated"] else ORIGIN + pd.to_timedelta(train[clock], unit="D")
        )
    static = train.drop_duplicates(entity)[[entity, *context]].reset_index(drop=True)
    rows = train.drop(columns=context)
    start = time.perf_counter()
    minutes = task["fit_limit"] / 60
    common = {"random_state": task["seed"], "device": "cpu"}
    above = None
    if context:
        above = TabularARGN(max_training_time=minutes / 3, tgt_encoding_types=kinds(task, context), **common)
        above.fit(static[context])
    encodings = kinds(task, [c for c in rows if c not in (entity, clock)])
    if clock is not None:
        encodings[clock] = "TABULAR_DATETIME_RELATIVE"
    below = TabularARGN(
        max_training_time=minutes * 2 / 3 if context else minutes,
        tgt_context_key=entity,
        ctx_primary_key=entity,
        ctx_data=static,
        tgt_encoding_types=encodings,
        ctx_encoding_types=kinds(task, context),
        **common,
    )
    below.fit(rows)
    fitted = time.perf_counter()
    keys = pd.DataFrame({entity: np.arange(task["draw"]).astype(str)})
    rare = {"rare_category_replacement_method": "sample"}
    drawn = keys if above is None else pd.concat([keys, above.sample(task["draw"], **rare)[context]], axis=1)
    made = below.sample(ctx_data=drawn, **rare).merge(drawn, on=entity)
    seconds = time.perf_counter() - fitted
    if clock is not None and not task["dated"]:
        made[clock] = ((pd.to_datetime(made[clock]) - ORIGIN) / pd.Timedelta(days=1)).round()
    made[list(train.columns)].to_csv(folder / "synthetic.csv", index=False)
    done = {"fit_s": fitted - start, "sample_s": seconds, "learnt_entities": len(static)}
    done |= {"drawn_entities": int(made[entity].nunique()), "peak_mb": peak_mb()}
    (folder / "done.json").write_text(json.dumps(done))


def kinds(task, names):
    categorical = {True: "TABULAR_CATEGORICAL", False: "TABULAR_NUMERIC_AUTO"}
    return {name: categorical[name in task["categorical"]] for name in names}


def peak_mb():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
