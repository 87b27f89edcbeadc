"""Fitted models out of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from synthkit.errors import LoadError
from synthkit.layout import Layout
from synthkit.models import MODELS, Model, ModelSpec
from synthkit.runtime import seeded, single_precision

__all__ = ["loaded", "restored"]

T = TypeVar("T")


def loaded(path: str | os.PathLike[str], build: Callable[[], T]) -> T:
    """What ``build`` makes of a file's contents.

    Raises:
        LoadError: whatever went wrong, with the file's name.
    """
    try:
        with single_precision():
            return build()
    except LoadError as error:
        raise LoadError(f"load({os.fspath(path)!r}): {error}") from error
    except Exception as error:
        raise LoadError(f"load({os.fspath(path)!r}): the file's parts do not fit together; it was altered.") from error


def restored(
    value: Mapping[str, Any], layout: Layout, arrays: Mapping[str, NDArray[Any]], prefix: str = "model/"
) -> tuple[ModelSpec, Model]:
    """The recipe and the model of these fields, on the CPU.

    Args:
        value: as of ``ModelSpec.to_json``; arrays: the model's state is in those under ``prefix``.

    Raises:
        LoadError: the model is unknown here.
    """
    if value["name"] not in MODELS:
        raise LoadError("the file's model is unknown here; it comes from a newer synthkit.")
    spec = MODELS[value["name"]](**value["params"])
    spec.check_params()
    state = {k.removeprefix(prefix): torch.as_tensor(v) for k, v in arrays.items() if k.startswith(prefix)}
    with seeded(0, torch.device("cpu")):  # the caller's random state stays as it is
        model = spec.restore(layout)
        model.load_state_dict(state)
    return spec, model
