"""Fitted models out of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from synthkit import io
from synthkit.errors import LoadError
from synthkit.layout import Layout
from synthkit.models import MODELS, Model, ModelSpec
from synthkit.runtime import seeded, single_precision

__all__ = ["check_room", "loaded", "restored"]

T = TypeVar("T")
_ROOM, _TIMES = 1 << 28, 64  # bytes of what follows from weights: so many, or so many times theirs


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


def check_room(model: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Refuse a model that is larger than the file's weights, before it is built.

    Args:
        model: of the right shapes, on the device "meta"; state: what the file has for it.

    Raises:
        LoadError: it is larger, or weights are no numbers.
    """
    for name, wanted in model.state_dict().items():  # forests grow when they are loaded
        if name not in state or wanted.numel() > state[name].numel():
            raise LoadError("the file's weights do not fit its model; it was altered.")
    if any(bool(torch.isnan(tensor).any()) for tensor in state.values() if tensor.is_floating_point()):
        raise LoadError("the file's weights are no numbers; it was altered.")
    room = max(_ROOM, _TIMES * sum(t.numel() * t.element_size() for t in state.values()))
    if sum(b.numel() * b.element_size() for b in model.buffers()) > room:
        raise LoadError("the file's model is larger than its weights tell; it was altered.")


def _shapes(spec: ModelSpec, layout: Layout) -> Model | None:
    """The model without memory; None where it cannot be built so.

    Row models of panels compute with their laws while they are built; the ranges of hyper-parameters are their bound.
    """
    try:
        with torch.device("meta"):
            return spec.restore(layout)
    except RuntimeError:  # also what torch has not written for "meta"
        return None


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
    state = {k: torch.as_tensor(v) for k, v in io.below(arrays, prefix).items()}
    with seeded(0, torch.device("cpu")):  # the caller's random state stays as it is
        shapes = _shapes(spec, layout)
        if shapes is not None:
            check_room(shapes, state)
        model = spec.restore(layout)
        model.load_state_dict(state)
    return spec, model
