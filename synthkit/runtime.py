"""Devices and seeds: the only file that knows of either."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from synthkit.errors import ParamError

__all__ = ["available_devices", "entropy", "resolve_device", "seeded", "single_precision"]


def available_devices() -> list[str]:
    """Names of the devices that torch finds here; ``"cpu"`` always comes first.

    >>> available_devices()[0]
    'cpu'
    """
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def resolve_device(device: str | torch.device) -> torch.device:
    """``"auto"`` is the first GPU when there is one, else the CPU; anything else is taken as torch names it.

    Raises:
        ParamError: torch does not know the device, or this machine lacks it.
    """
    if device == "auto":
        return torch.device(available_devices()[-1])
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ParamError(f"argument 'device': {device!r} is no torch device; pass 'auto', 'cpu' or 'cuda'.") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ParamError("argument 'device': torch finds no GPU on this machine; pass 'auto' or 'cpu'.")
    return resolved


def entropy(seed: int | np.random.Generator | None, *path: int) -> int:
    """One 63-bit seed for the place ``path`` (say, block 7) below ``seed``. None draws fresh entropy.

    Independent streams for any two different paths, after numpy's SeedSequence (O'Neill's construction).

    >>> entropy(0, 1) == entropy(0, 1), entropy(0, 1) == entropy(0, 2)
    (True, False)
    """
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    sequence = np.random.SeedSequence(None if seed is None else abs(int(seed)), spawn_key=path)
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """torch's random state is ``seed`` inside the block, and what it was before after it.

    So is its default of precision, single inside: nets and codes are made in it, whatever the caller computes in.

    >>> before = torch.random.get_rng_state()
    >>> with seeded(3):
    ...     first = torch.rand(2)
    >>> with seeded(3):
    ...     second = torch.rand(2)
    >>> bool((first == second).all()), bool((before == torch.random.get_rng_state()).all())
    (True, True)
    """
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        with single_precision():
            yield


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """torch's default of precision is single inside the block, and what it was before after it.

    >>> with single_precision():
    ...     torch.zeros(1).dtype
    torch.float32
    """
    before = torch.get_default_dtype()
    if before == torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
