"""How a CSV writes its times and numbers, so that what is drawn from a model of it is written alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from synthkit.cli.files import plain_texts
from synthkit.errors import ParamError, SchemaError

__all__ = ["Forms", "as_written", "in_zone", "learn_forms", "read_times"]

Forms = dict[str, str]
"""Column -> its form: "decimals:2", "time:%d/%m/%Y", or "zoned:%Y-%m-%dT%H:%M:%S" (an offset or Z follows)."""

_ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_DAYS = (
    "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%b %d, %Y",
    "%B %d, %Y", "%d %b %Y", "%d-%b-%Y",
)  # fmt: skip
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%Y%m")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S")
_OFFSET = r"(Z|[+-]\d\d:\d\d)$"
_FIXED = re.compile(r"\s*[+-]?\d+\.(\d+)\s*")


def learn_forms(path: str | Path, table: pd.DataFrame, time: str | None) -> Forms:
    """How the file writes the columns of ``table``, which :func:`read_times` has made of it; nothing for Parquet."""
    if not str(path).lower().endswith((".csv", ".csv.gz")):
        return {}
    wanted = [str(c) for c in table.columns if c == time or pd.api.types.is_float_dtype(table[c].dtype)]
    forms: Forms = {}
    texts = plain_texts(path, wanted)
    for name in wanted:
        known = texts[name].dropna()
        if name != time:
            found = known.str.extract(f"^{_FIXED.pattern}$", expand=False).str.len()
            if len(found) and found.notna().all() and (found == found.iloc[0]).all():
                forms[name] = f"decimals:{int(found.iloc[0])}"
        elif pd.api.types.is_datetime64_any_dtype(table[name].dtype):
            head = table[name].loc[known.index[:20]]
            near = [form for form in _time_forms(known) if _written(head, form).equals(known.head(20))]
            whole = table[name].loc[known.index]
            forms.update((name, form) for form in near[:3] if _written(whole, form).equals(known))
    return forms


def _time_forms(known: pd.Series[Any]) -> Iterator[str]:
    """Forms that may be that of some texts."""
    zoned = bool(known.str.contains(_OFFSET).all()) and bool(known.str.contains(":").all())
    for form in (*_ISO, *_MONTHS, *(day + clock for day in _DAYS for clock in _CLOCKS)):
        yield f"{'zoned' if zoned else 'time'}:{form}"
        if zoned:
            yield f"utc:{form}"  # as "zoned", and Greenwich is written "Z"


def _written(times: pd.Series[Any], form: str) -> Any:
    """Texts of times."""
    kind, _, pattern = form.partition(":")
    texts = times.dt.strftime(pattern)
    if kind == "utc":
        return texts + "Z"
    if kind == "zoned":
        offsets = times.dt.strftime("%z")
        return texts + offsets.str[:3] + ":" + offsets.str[3:]
    return texts


def as_written(table: pd.DataFrame, forms: Mapping[str, str]) -> pd.DataFrame:
    """The table with texts in place of the cells whose form is known; empty cells stay empty."""
    out = table.copy()
    for name, form in forms.items():
        if name not in out:
            continue
        column = out[name]
        if form.startswith("decimals:") and pd.api.types.is_float_dtype(column.dtype):
            digits = int(form.removeprefix("decimals:"))
            out[name] = column.map(lambda x, d=digits: f"{x:.{d}f}", na_action="ignore").astype(object)
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            out[name] = _written(column, form).astype(object)
    return out


# -------------------------------------------------------------------- reading
def read_times(table: pd.DataFrame, path: str | Path, time: str | None, form: str | None = None) -> pd.DataFrame:
    """The table with dates in the column of times where its texts, or numbers such as 20240131, are dates.

    Args:
        form: of the file that the model was fitted from: what it fits is read by it.

    Raises:
        ParamError: the texts are dates in two ways (days before months, and after them).
    """
    if time is None or time not in table or not str(path).lower().endswith((".csv", ".csv.gz")):
        return table
    column = table[time]
    whole = pd.api.types.is_integer_dtype(column.dtype)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _own_offset(table, path, time)
    if not whole and not (column.dtype == object or pd.api.types.is_string_dtype(column.dtype)):
        return table
    texts = plain_texts(path, [time])[time].str.strip()
    known = texts.dropna()
    if not len(known) or (whole and not known.str.fullmatch(r"(19|20)\d{6}").all()):
        return table
    tried = [form.partition(":")[2]] if form else []
    found = [f for f in tried or (*_MONTHS, *(day + clock for day in _DAYS for clock in _CLOCKS)) if _fits(known, f)]
    if whole:
        found = [f for f in found if f == "%Y%m%d"]
    if not found:
        return table
    parsed = [pd.to_datetime(texts, format=f) for f in found]
    if any(not p.equals(parsed[0]) for p in parsed):
        raise ParamError(
            f"the times of column {time!r} can be read as day/month or as month/day; write them as 2024-01-31."
        )
    return table.assign(**{time: parsed[0]})


def _fits(texts: pd.Series[Any], form: str) -> bool:
    try:
        pd.to_datetime(texts.head(20), format=form)
        pd.to_datetime(texts, format=form)
    except (ValueError, TypeError):
        return False
    return True


def _own_offset(table: pd.DataFrame, path: str | Path, time: str) -> pd.DataFrame:
    """Times that all have one offset from Greenwich keep it (a table is read with that of Greenwich)."""
    column = table[time]
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return table
    offsets = plain_texts(path, [time])[time].str.extract(_OFFSET, expand=False).dropna().unique()
    if len(offsets) != 1 or offsets[0] in ("Z", "+00:00", "-00:00"):
        return table
    return table.assign(**{time: column.dt.tz_convert(f"UTC{offsets[0]}")})


def in_zone(table: pd.DataFrame, time: str | None, zone: str) -> pd.DataFrame:
    """Times on the clocks of ``zone``: those with an offset are converted, others are taken for its wall time.

    The hour that clocks show twice is told by the order of rows.

    Raises:
        ParamError: an unknown zone, or no column of dates. SchemaError: wall times that the zone does not have.
    """
    if time is None or time not in table or not pd.api.types.is_datetime64_any_dtype(table[time].dtype):
        raise ParamError("argument '--zone' needs '--time', a column of dates.")
    column = table[time].dt
    try:
        if isinstance(table[time].dtype, pd.DatetimeTZDtype):
            return table.assign(**{time: column.tz_convert(zone)})
        return table.assign(**{time: column.tz_localize(zone, ambiguous="infer")})
    except (KeyError, ModuleNotFoundError) as error:
        raise ParamError(
            f"argument '--zone': there is no time zone {zone!r}; name one such as Europe/Berlin."
        ) from error
    except Exception as error:
        # a wall time that is skipped, or one that comes twice and the order of rows does not say which is which
        raise SchemaError(
            f"argument '--zone': column {time!r} holds times that clocks of {zone!r} do not show, or shows an hour "
            f"twice and not in order; write the offsets in the file."
        ) from error
