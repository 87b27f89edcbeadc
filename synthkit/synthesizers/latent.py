"""The latent space of a fitted synthesizer, for those models that have one: rows to points, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from synthkit.encoder import TableEncoder
from synthkit.errors import ParamError
from synthkit.models import Model
from synthkit.models.base import Latent
from synthkit.runtime import entropy, seeded, single_precision

__all__ = ["points", "rows_at"]


def points(model: Model, encoder: TableEncoder, table: pd.DataFrame, device: torch.device) -> NDArray[np.float32]:
    """``(rows, latents)``: where the rows of ``table`` lie.

    Raises:
        ParamError: the model has no latent space.
    """
    with single_precision():
        z = _with_latents(model, "encode").encode(encoder.encode(table).to(device))
    return np.asarray(z.cpu().numpy(), dtype=np.float32)


def rows_at(model: Model, encoder: TableEncoder, z: Any, seed: int, device: torch.device) -> pd.DataFrame:
    """One row drawn at each point of ``z`` ``(rows, latents)``.

    Raises:
        ParamError: the model has no latent space, or ``z`` is not of its shape or not finite.
    """
    with_latents = _with_latents(model, "decode")
    at = np.asarray(z, dtype=np.float32)
    if at.ndim != 2 or at.shape[1] != with_latents.latents or not np.isfinite(at).all():
        raise ParamError(
            f"TabularSynthesizer.decode: argument 'z' must be finite, of shape (rows, {with_latents.latents}); "
            "'encode' returns such points."
        )
    with seeded(entropy(seed, 0), device):
        done = with_latents.decode(torch.from_numpy(at.copy()).to(device)).to("cpu")
    return encoder.decode(done, seed=seed)


def _with_latents(model: Model, method: str) -> Latent:
    if not isinstance(model, Latent):
        raise ParamError(f"TabularSynthesizer.{method}: this model has no latent space; fit with model='vae'.")
    return model
