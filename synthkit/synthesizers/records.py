"""Does a table that is given to a model of single rows hold records over time?"""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable

import pandas as pd

from synthkit.errors import SynthkitWarning

__all__ = ["looks_like_records", "warn_of_records"]

_ROWS = 50_000  # looked at, from the first on
_KEYS = 10  # different ones, at least
_VARIES = 0.8  # share of keys with several rows whose rows have several times
_HASHED = ("string", "integer", "empty")
_WHO = r"patient|subject|person|customer|client|account|user|member|employee|household|device|usubjid"
_KEY = re.compile(rf"(.*[_ .\-])?(id|key|uid|nr|nbr|no)|.*[a-z](ID|Id)|({_WHO})(id)?", re.IGNORECASE)
_TIME = re.compile(r"(.*[_ .\-])?(time|date|day|week|month|quarter|year|visit|wave|period|hour|t)", re.IGNORECASE)


def warn_of_records(table: pd.DataFrame) -> None:
    """Tell whoever gives records over time to a model of single rows."""
    found = looks_like_records(table)
    if found is not None:
        key, time = found
        warnings.warn(
            f"TabularSynthesizer.fit: rows look like records over time (key {key!r}, time {time!r}), and are learnt "
            f"one by one: SequenceSynthesizer(entity={key!r}, time={time!r}) learns what links them; entity={key!r} "
            "says that single rows are meant, and keeps those of one key together where rows are held out.",
            SynthkitWarning,
            stacklevel=3,
        )


def looks_like_records(table: pd.DataFrame) -> tuple[Hashable, Hashable] | None:
    """A key that comes back with other times, and the time; or None.

    The name says that a column is a key; or it holds texts, and its rows stand together in the order of time, which
    rows of a mere category hardly do. Times are dates, or numbers by name. Of several keys, that of the most values.
    """
    table = table.head(_ROWS)
    times = [name for name in table.columns if _is_time(table[name])]
    if not times or len(table) < 2 * _KEYS:
        return None
    counts = {name: _count(table[name]) for name in table.columns if name not in times}
    keys = [name for name, count in counts.items() if _KEYS <= count <= len(table) / 2]
    for key in sorted(keys, key=lambda name: -counts[name]):
        for time in times:
            if _are_records(table[key], table[time]):
                return key, time
    return None


def _is_time(column: pd.Series) -> bool:
    types = pd.api.types
    if types.is_datetime64_any_dtype(column.dtype):
        return True
    if column.dtype == object:
        return pd.api.types.infer_dtype(column.head(100), skipna=True) in ("date", "datetime")
    number = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    return bool(number and isinstance(column.name, str) and _TIME.fullmatch(column.name))


def _count(column: pd.Series) -> int:
    """Different values of what may be a key; 0: it is none."""
    types, named = pd.api.types, _named(column)
    values = column.dtype.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    if types.is_bool_dtype(values.dtype) or types.is_float_dtype(values.dtype):
        return 0
    if types.is_datetime64_any_dtype(values.dtype) or types.is_timedelta64_dtype(values.dtype):
        return 0
    if types.is_numeric_dtype(values.dtype) and not named:
        return 0
    if types.is_object_dtype(values.dtype) and types.infer_dtype(values[:100], skipna=True) not in _HASHED:
        return 0
    return int(column.nunique())


def _named(column: pd.Series) -> bool:
    return isinstance(column.name, str) and _KEY.fullmatch(column.name) is not None


def _are_records(key: pd.Series, time: pd.Series) -> bool:
    rows = pd.DataFrame({"key": pd.factorize(key)[0], "time": time.to_numpy()})
    rows = rows[(rows["key"] >= 0) & rows["time"].notna()]
    by = rows.groupby("key", sort=False)["time"]
    size, times = by.size(), by.nunique()
    several = size > 1
    if several.sum() < _KEYS or size[several].sum() < len(rows) / 2:
        return False
    if (times[several] > 1).mean() < _VARIES:
        return False
    if _named(key):
        return True
    together = int((rows["key"] != rows["key"].shift()).sum()) == len(size)
    return together and bool(by.is_monotonic_increasing.all())
