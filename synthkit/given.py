"""A value that a caller gives, as a cell of a column: of its dtype, and in its time zone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from synthkit.encoder import TableEncoder
from synthkit.errors import ConditionError
from synthkit.inference import from_canonical
from synthkit.schema import Boolean, Datetime, Duration, Numeric

__all__ = ["cell_of", "in_zone"]


def cell_of(encoder: TableEncoder, name: Hashable, value: Any) -> pd.Series:
    """A value as a Series of the column's own dtype."""
    kind = encoder.schema_.columns[name]
    try:
        if isinstance(kind, Datetime):
            stamp = pd.Timestamp(value)
            if stamp.tz is None:  # an hour that the clock skips or strikes twice is no moment
                stamp = stamp.tz_localize(_zoned(kind) or "UTC", ambiguous="NaT", nonexistent="NaT")
            if pd.isna(stamp):
                raise ValueError
            values: Any = np.array([stamp.tz_convert("UTC").as_unit("ns").value])
        elif isinstance(kind, Duration):
            values = np.array([pd.Timedelta(value).as_unit("ns").value])
        elif isinstance(kind, Numeric):
            if isinstance(value, (str, bool)):
                raise TypeError
            number = float(value)
            if not np.isfinite(number) or (kind.integer and number != round(number)):
                noun = "whole" if kind.integer else "finite"
                raise ConditionError(f"argument 'where': column {name!r} cannot be {value!r}; it holds {noun} numbers.")
            values = np.array([int(value)]) if kind.integer else np.array([number])
        else:
            if isinstance(kind, Boolean) and not (isinstance(value, (bool, np.bool_)) or value in (0, 1)):
                raise TypeError
            values = np.empty(1, dtype=object)
            values[0] = value
        cell = from_canonical(values, np.zeros(1, dtype=bool), kind, index=[0], name=name)
        if cell.isna().any():  # no category of the dtype
            raise TypeError
        return cell
    except ConditionError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise ConditionError(
            f"argument 'where': column {name!r} is {type(kind).__name__}, and cannot be {value!r}."
        ) from error


def _zoned(kind: Datetime) -> str | None:
    spec = kind.dtype or {}
    name = spec.get("name", "")
    return name.split(", ")[1].rstrip("]").removeprefix("tz=") if ", " in name else spec.get("zone")


def in_zone(series: pd.Series, kind: Any) -> pd.Series:
    """Dates with or without a zone, as the column has them: without one they are of the column's, or of UTC."""
    if not isinstance(kind, Datetime) or not pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series
    own, zone = series.dt.tz, _zoned(kind)
    if own is None and zone is not None:
        return series.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return series.dt.tz_convert("UTC").dt.tz_localize(None) if own is not None and zone is None else series
