"""Where a training is, in a file: from it a fit goes on bit for bit."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from synthkit import io
from synthkit.errors import LoadError
from synthkit.progress import Progress

if TYPE_CHECKING:
    from synthkit.trainer import Trainer

__all__ = ["load", "save"]


def save(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Write where a training is: weights, averages, best ones, the optimiser, the log."""
    arrays: dict[str, Any] = {}
    for prefix, tensors in (("param", trainer._params), ("ema", trainer._ema), ("best", trainer._best or [])):
        for name, t in zip(trainer._names, tensors, strict=False):
            arrays[f"{prefix}/{name}"] = t.detach().cpu().numpy()
    for name, p in zip(trainer._names, trainer._params, strict=True):
        for key, value in trainer._optimizer.state.get(p, {}).items():
            arrays[f"optimizer/{key}/{name}"] = torch.as_tensor(value).cpu().numpy()
    if trainer._unit_best is not None:
        arrays["unit_best"] = trainer._unit_best.cpu().numpy()
    state = {
        "step": trainer.step,
        "seed": trainer.seed,
        "best_loss": trainer._best_loss if math.isfinite(trainer._best_loss) else None,
        "stale": trainer._stale,
        "turn": trainer._turn,
        "best_step": trainer.best_step,
        "flat": [trainer._flat, trainer._flat_loss if math.isfinite(trainer._flat_loss) else None],
        "recipe": asdict(trainer.recipe),
        "slower": trainer._slower,
        "history": [{f.name: getattr(p, f.name) for f in fields(p) if f.name != "drawn"} for p in trainer.history],
    }
    io.save(path, "checkpoint", state, arrays)


def load(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Take up a training where :func:`save` left it.

    Raises:
        LoadError: the file is unreadable, or of another model, seed or recipe.
    """
    state, arrays = io.load(path, "checkpoint")
    if state["seed"] != trainer.seed or state["recipe"]["steps"] != trainer.recipe.steps:
        raise LoadError("Trainer.fit: argument 'resume' is a checkpoint of another seed or recipe.")
    trainer._assign(_tensors(trainer, arrays, "param"))
    trainer._ema = _tensors(trainer, arrays, "ema")
    trainer._best = _tensors(trainer, arrays, "best") if any(k.startswith("best/") for k in arrays) else None
    for name, p in zip(trainer._names, trainer._params, strict=True):
        keys = [k for k in arrays if k.startswith("optimizer/") and k.endswith("/" + name)]
        keys = [k for k in keys if k.split("/", 2)[2] == name]
        trainer._optimizer.state[p] = {k.split("/")[1]: torch.as_tensor(arrays[k]).to(p.device) for k in keys}
    if "unit_best" in arrays:
        trainer._unit_best = torch.as_tensor(arrays["unit_best"])
    trainer.step, trainer._stale, trainer.best_step = (int(state[key]) for key in ("step", "stale", "best_step"))
    trainer._best_loss = math.inf if state["best_loss"] is None else float(state["best_loss"])
    trainer._turn, (trainer._flat, flat), trainer._slower = state["turn"], state["flat"], float(state["slower"])
    trainer._flat_loss = math.inf if flat is None else float(flat)
    trainer.history = [Progress(**line) for line in state["history"]]


def _tensors(trainer: Trainer, arrays: Mapping[str, Any], prefix: str) -> list[Tensor]:
    out = []
    for name, p in zip(trainer._names, trainer._params, strict=True):
        array = arrays.get(f"{prefix}/{name}")
        if array is None or tuple(array.shape) != tuple(p.shape):
            raise LoadError("Trainer.fit: argument 'resume' is a checkpoint of another model.")
        out.append(torch.as_tensor(array).to(p.device))
    return out
