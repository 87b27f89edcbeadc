"""Rivals for panels, each in a Python of its own: a CSV in, a CSV out (``benchmarks/rivals``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.panel_data import PanelSplit
from synthkit.errors import ParamError

__all__ = ["RIVALS", "Drawn", "restored", "rival"]

RIVALS = ("par", "argn")
_SCRIPTS = Path(__file__).with_name("rivals")
_SPARE = 600.0  # seconds beyond both limits before a rival is stopped


@dataclass(frozen=True)
class Drawn:
    """Synthetic records, and what they took (``fit_s``, ``sample_s``, ``peak_mb``, entities learnt from and drawn)."""

    frame: pd.DataFrame
    timing: dict[str, float]


def rival(
    name: str,
    python: Path | None,
    split: PanelSplit,
    seed: int,
    *,
    fit_limit: float,
    sample_limit: float,
    keep: Path | None = None,
) -> Drawn:
    """Let a rival learn the training part, and draw as many entities.

    Args:
        name: one of :data:`RIVALS`.
        python: an interpreter in whose environment it is installed.
        split: the panel.
        seed: of its generators.
        fit_limit, sample_limit: seconds; what it does about them is in its script.
        keep: a folder for its table (of this panel, this part and this seed), which is then read instead of made anew.

    Raises:
        ParamError: there is no such interpreter.
        subprocess.SubprocessError: it failed, or took longer than both limits and ten minutes.
    """
    if keep is not None and (keep / "done.json").is_file():
        return _read(keep, split)
    if python is None or not Path(python).exists():
        raise ParamError(f"benchmarks.panels: argument '--{name}': name a Python that has this rival.")
    categorical = [c for c, kind in split.kinds.items() if kind == "categorical"]
    task: dict[str, Any] = {
        "entity": split.entity,
        "time": split.time,
        "context": list(split.context),
        "categorical": categorical,
    }
    task["dated"] = split.time is not None and pd.api.types.is_datetime64_any_dtype(split.train[split.time])
    task |= {"seed": seed, "draw": int(split.train[split.entity].nunique())}
    task |= {"fit_limit": fit_limit, "sample_limit": sample_limit}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        split.train.to_csv(folder / "train.csv", index=False)
        (folder / "task.json").write_text(json.dumps(task))
        # a virtual environment's Python must not be resolved to what it links to
        command = [str(Path(python).absolute()), str(_SCRIPTS / f"{name}.py"), str(folder)]
        limit = fit_limit + sample_limit + _SPARE
        own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=limit, cwd=folder, env=own)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for file in ("synthetic.csv", "done.json"):
                shutil.copy(folder / file, keep / file)
        return _read(folder, split)


def _read(folder: Path, split: PanelSplit) -> Drawn:
    made = pd.read_csv(folder / "synthetic.csv", dtype="str", keep_default_na=False, na_values=[""], low_memory=False)
    return Drawn(restored(made, split), json.loads((folder / "done.json").read_text()))


def restored(made: pd.DataFrame, split: PanelSplit) -> pd.DataFrame:
    """A table of texts with the columns and the types of the training part; what is no number there becomes null."""
    out = {}
    for name in split.train.columns:
        like = split.train[name].dtype
        values = made[name]
        if name == split.entity:
            out[name] = pd.Series(pd.factorize(values)[0], index=values.index)
        elif pd.api.types.is_datetime64_any_dtype(like):
            out[name] = pd.to_datetime(values, format="mixed")
        elif pd.api.types.is_numeric_dtype(like):
            out[name] = pd.to_numeric(values, errors="coerce")
        else:
            out[name] = values
    return pd.DataFrame(out)
