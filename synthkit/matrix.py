"""Encoded rows as one matrix of floats, as scikit-learn wants them, and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from synthkit.layout import Encoded, Layout

__all__ = ["from_matrix", "to_matrix"]


def to_matrix(data: Encoded, layout: Layout) -> NDArray[np.float64]:
    """``(rows, fields)``, one column per field; NaN where a field does not apply or is not known."""
    out = np.full((len(data), len(layout.fields)), np.nan)
    for i, field in enumerate(layout.fields):
        slot = layout.slot[i]
        value, known = (data.cat, data.cat_known) if field.size else (data.num, data.num_known)
        out[:, i] = np.where(known[:, slot].numpy(), value[:, slot].numpy().astype(float), np.nan)
    return out


def from_matrix(array: NDArray[np.float64], layout: Layout) -> Encoded:
    """The rows behind ``array``, ``(rows, fields)``; codes are rounded and put inside their range."""
    data = layout.empty(len(array))
    for i, field in enumerate(layout.fields):
        slot, known = layout.slot[i], torch.from_numpy(~np.isnan(array[:, i]))
        column = torch.from_numpy(np.nan_to_num(array[:, i]))
        if field.size:
            data.cat[:, slot] = column.round().clamp(0, field.size - 1).to(data.cat.dtype)
            data.cat_known[:, slot] = known
        else:
            data.num[:, slot], data.num_known[:, slot] = column.clamp(0, 1).float(), known
    return data
