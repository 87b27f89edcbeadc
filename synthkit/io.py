"""JSON values and arrays in one file: a zip, not compressed, of JSON and safetensors. Nothing in it is executed.

A file says its format, version and kind, and carries a SHA-256 digest of its content. Sizes are checked against the
file before anything is allocated.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from synthkit.errors import LoadError

__all__ = ["FORMAT_VERSION", "below", "from_json", "kind_of", "load", "save", "to_json"]

T = TypeVar("T")
FORMAT_VERSION = 1
_MAX_JSON = 64 << 20
_MAX_HEAD = 1 << 16
_ZONE = re.compile(r"(?!dateutil)[A-Za-z0-9_+:-]+(/[A-Za-z0-9_+-]+)*")
_HEAD, _BODY, _ARRAYS = "synthkit.json", "content.json", "arrays.safetensors"


def to_json(value: Any) -> Any:
    """A JSON value for numbers, strings, None, tuples, lists, dicts with any keys, dates, times and pandas' scalars.

    Raises:
        TypeError: an object of any other class.

    >>> from_json(to_json({("a", 1): float("inf")})) == {("a", 1): float("inf")}
    True
    """
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"$": "float", "v": repr(value)}
    if isinstance(value, tuple):
        return {"$": "tuple", "v": [to_json(v) for v in value]}
    if isinstance(value, (list, np.ndarray)):
        return [to_json(v) for v in value]
    if isinstance(value, Mapping):
        if all(isinstance(k, str) for k in value) and "$" not in value:
            return {k: to_json(v) for k, v in value.items()}
        return {"$": "dict", "v": [[to_json(k), to_json(v)] for k, v in value.items()]}
    return _time_to_json(value)


def _time_to_json(value: Any) -> dict[str, Any]:
    if value is pd.NaT or value is pd.NA:
        return {"$": "NaT" if value is pd.NaT else "NA", "v": None}
    if isinstance(value, np.datetime64):
        return {"$": "datetime64", "v": str(value), "u": np.datetime_data(value)[0]}
    if isinstance(value, np.timedelta64):
        return {"$": "timedelta64", "v": int(value.astype("int64")), "u": np.datetime_data(value)[0]}
    if isinstance(value, pd.Timedelta):
        return {"$": "Timedelta", "v": int(value.as_unit("ns").value), "u": value.unit}
    if isinstance(value, dt.timedelta):
        return {"$": "timedelta", "v": value // dt.timedelta(microseconds=1)}
    if isinstance(value, pd.Timestamp):
        zone = None if value.tz is None else str(getattr(value.tz, "key", None) or value.tz)
        plain = value if zone is None else value.tz_convert("UTC").tz_localize(None)
        return {"$": "Timestamp", "v": plain.isoformat(), "u": value.unit, "z": zone}
    for name, kind in (("datetime", dt.datetime), ("date", dt.date), ("time", dt.time)):
        if isinstance(value, kind):
            return {"$": name, "v": value.isoformat()}
    if isinstance(value, pd.Interval):
        return {"$": "Interval", "v": [to_json(value.left), to_json(value.right)], "c": value.closed}
    raise TypeError(f"io.to_json: a {type(value).__name__} cannot be stored.")


def from_json(value: Any) -> Any:
    """The inverse of :func:`to_json` (numpy numbers come back as Python's, arrays as lists).

    Raises:
        LoadError: an unknown tag.
    """
    if isinstance(value, list):
        return [from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    tag = value.get("$")
    if tag is None:
        return {k: from_json(v) for k, v in value.items()}
    if tag not in _READERS:
        raise LoadError("io.from_json: the file holds a value of an unknown kind; it comes from a newer synthkit.")
    return _READERS[tag](value["v"], value)


def _timestamp(v: Any, o: dict[str, Any]) -> pd.Timestamp:
    if o["z"] is not None and not _ZONE.fullmatch(o["z"]):  # pandas would read "dateutil/..." from any path
        raise LoadError("io.from_json: the file names a time zone that is none.")
    stamp = pd.Timestamp(v).as_unit(o["u"])
    return stamp if o["z"] is None else stamp.tz_localize("UTC").tz_convert(o["z"])


_READERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "float": lambda v, o: float(v),
    "tuple": lambda v, o: tuple(from_json(x) for x in v),
    "dict": lambda v, o: {from_json(k): from_json(x) for k, x in v},
    "NaT": lambda v, o: pd.NaT,
    "NA": lambda v, o: pd.NA,
    "datetime64": lambda v, o: np.datetime64(v, o["u"]),
    "timedelta64": lambda v, o: np.timedelta64(v, o["u"]),
    "Timedelta": lambda v, o: pd.Timedelta(v, unit="ns").as_unit(o["u"]),
    "timedelta": lambda v, o: dt.timedelta(microseconds=v),
    "Timestamp": _timestamp,
    "datetime": lambda v, o: dt.datetime.fromisoformat(v),
    "date": lambda v, o: dt.date.fromisoformat(v),
    "time": lambda v, o: dt.time.fromisoformat(v),
    "Interval": lambda v, o: pd.Interval(from_json(v[0]), from_json(v[1]), closed=o["c"]),
}


def below(arrays: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Those of some named arrays whose names begin with ``prefix``, under the rest of their names.

    >>> below({"net/a": 1, "net/b": 2, "law": 3}, "net/")
    {'a': 1, 'b': 2}
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def save(path: str | os.PathLike[str], kind: str, value: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``value`` (see :func:`to_json`) and ``arrays`` to ``path``, under a temporary name first.

    The same content gives the same bytes. An existing file is replaced only once the new one is whole.

    Args:
        kind: what the file is ("synthesizer", "checkpoint"); :func:`load` refuses any other.

    Raises:
        TypeError: ``value`` holds what :func:`to_json` does not know. OSError: the path cannot be written.
    """
    body = json.dumps(to_json(value), allow_nan=False, separators=(",", ":")).encode()
    tensors = save_tensors({k: np.asarray(v, order="C") for k, v in arrays.items()})
    head = {
        "format": "synthkit",
        "version": FORMAT_VERSION,
        "kind": kind,
        "sha256": hashlib.sha256(body + tensors).hexdigest(),
    }
    path = os.fspath(path)
    temporary = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in ((_HEAD, json.dumps(head).encode()), (_BODY, body), (_ARRAYS, tensors)):
                # a fixed date: the same object gives the same bytes
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str], kind: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Read what :func:`save` wrote.

    Raises:
        LoadError: no such file, not one of ours, of another kind, of a newer format, truncated, or altered.
    """
    where = f"load({os.fspath(path)!r})"
    try:
        size = os.path.getsize(path)
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, size, where)
            head = json.loads(members[_HEAD])
            if head.get("format") != "synthkit":
                raise LoadError(f"{where}: this is not a synthkit file.")
            if int(head["version"]) > FORMAT_VERSION:
                raise LoadError(f"{where}: the file's format is newer than this synthkit reads; upgrade synthkit.")
            if head["kind"] != kind:
                raise LoadError(f"{where}: the file holds another kind of object than a {kind}.")
            body, tensors = members[_BODY], members[_ARRAYS]
        if hashlib.sha256(body + tensors).hexdigest() != head["sha256"]:
            raise LoadError(f"{where}: the content does not match its digest; the file was altered or damaged.")
        return from_json(json.loads(body, parse_constant=_no_number)), dict(load_tensors(tensors))
    except LoadError as error:
        raise error if str(error).startswith(where) else LoadError(f"{where}: {error}") from error
    except OSError as error:
        raise LoadError(f"{where}: the file cannot be read ({error.strerror or 'damaged'}).") from error
    except Exception as error:
        raise LoadError(f"{where}: the file is truncated, damaged, or not a synthkit file.") from error


def _no_number(text: str) -> Any:
    """JSON knows no NaN and no infinity; :func:`to_json` writes them as tagged objects."""
    raise ValueError(text)


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """The kind of object that a file says it holds; None where it says nothing (:func:`load` tells why)."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_HEAD).file_size > _MAX_HEAD:
                return None
            kind = json.loads(archive.read(_HEAD))["kind"]
    except Exception:
        return None
    return kind if isinstance(kind, str) else None


def _members(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, bytes]:
    """The three members, none larger than the file says it can be."""
    infos = archive.infolist()
    if sum(info.file_size for info in infos) > size:  # stored, so that the parts are no larger than the whole
        raise LoadError(f"{where}: a part claims a size that the file does not have.")
    if sorted(i.filename for i in infos) != sorted((_HEAD, _BODY, _ARRAYS)):
        raise LoadError(f"{where}: this is not a synthkit file, or a part of it is missing.")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise LoadError(f"{where}: a part claims a size that the file does not have.")
        if info.filename != _ARRAYS and info.file_size > _MAX_JSON:
            raise LoadError(f"{where}: the JSON part is too large.")
    content = {info.filename: archive.read(info) for info in infos}
    tensors = content[_ARRAYS]
    if len(tensors) < 8 or int.from_bytes(tensors[:8], "little") > len(tensors) - 8:
        raise LoadError(f"{where}: the arrays' header is longer than the arrays.")
    return content
