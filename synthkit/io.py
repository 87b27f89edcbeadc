"""JSON values and arrays in one file: a zip, not compressed, of JSON and safetensors. Nothing in it is executed.

A file says its format, version and kind, and carries a SHA-256 digest of its content. Sizes are checked against the
file before anything is allocated.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from synthkit.errors import LoadError

__all__ = ["FORMAT_VERSION", "from_json", "load", "save", "to_json"]

FORMAT_VERSION = 1
_MAX_JSON = 256 << 20
_HEAD, _BODY, _ARRAYS = "synthkit.json", "content.json", "arrays.safetensors"


def to_json(value: Any) -> Any:
    """A JSON value for numbers, strings, None, tuples, lists, dicts with any keys, timestamps and dates.

    >>> from_json(to_json({("a", 1): float("inf")})) == {("a", 1): float("inf")}
    True
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, np.generic):
        value = value.item() if not isinstance(value, (np.datetime64, np.timedelta64)) else value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
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
    if isinstance(value, np.datetime64):
        return {"$": "datetime64", "v": str(value), "u": np.datetime_data(value)[0]}
    if isinstance(value, np.timedelta64):
        return {"$": "timedelta64", "v": int(value.astype("int64")), "u": np.datetime_data(value)[0]}
    if isinstance(value, dt.timedelta):
        return {"$": "timedelta", "v": value / dt.timedelta(microseconds=1)}
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return {"$": type(value).__mro__[-2 if isinstance(value, dt.time) else 0].__name__.lower(), "v": value.isoformat()}
    raise TypeError(f"io.to_json: a {type(value).__name__} cannot be stored.")


def from_json(value: Any) -> Any:
    """The inverse of :func:`to_json` (pandas timestamps come back as datetime.datetime)."""
    if isinstance(value, list):
        return [from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    tag = value.get("$")
    if tag is None:
        return {k: from_json(v) for k, v in value.items()}
    v = value["v"]
    if tag == "float":
        return float(v)
    if tag == "tuple":
        return tuple(from_json(x) for x in v)
    if tag == "dict":
        return {from_json(k): from_json(x) for k, x in v}
    if tag == "datetime64":
        return np.datetime64(v, value["u"])
    if tag == "timedelta64":
        return np.timedelta64(v, value["u"])
    if tag == "timedelta":
        return dt.timedelta(microseconds=v)
    if tag in ("datetime", "timestamp"):
        return dt.datetime.fromisoformat(v)
    if tag == "date":
        return dt.date.fromisoformat(v)
    if tag == "time":
        return dt.time.fromisoformat(v)
    raise LoadError("io.from_json: the file holds a value of an unknown kind; it comes from a newer synthkit.")


def save(path: str | os.PathLike[str], kind: str, value: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``value`` (see :func:`to_json`) and ``arrays`` to ``path``, under a temporary name first.

    Args:
        kind: what the file is ("synthesizer", "checkpoint"); :func:`load` refuses any other.
    """
    body = json.dumps(to_json(value), allow_nan=False, separators=(",", ":")).encode()
    tensors = save_tensors({k: np.ascontiguousarray(v) for k, v in arrays.items()})
    head = {
        "format": "synthkit",
        "version": FORMAT_VERSION,
        "kind": kind,
        "sha256": hashlib.sha256(body + tensors).hexdigest(),
    }
    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in ((_HEAD, json.dumps(head).encode()), (_BODY, body), (_ARRAYS, tensors)):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
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
        return from_json(json.loads(body)), dict(load_tensors(tensors))
    except LoadError:
        raise
    except OSError as error:
        raise LoadError(f"{where}: the file cannot be read ({error.strerror or 'damaged'}).") from error
    except Exception as error:
        raise LoadError(f"{where}: the file is truncated, damaged, or not a synthkit file.") from error


def _members(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, bytes]:
    """The three members, none larger than the file says it can be."""
    infos = archive.infolist()
    if sorted(i.filename for i in infos) != sorted((_HEAD, _BODY, _ARRAYS)):
        raise LoadError(f"{where}: this is not a synthkit file, or a part of it is missing.")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.file_size > size:
            raise LoadError(f"{where}: a part claims a size that the file does not have.")
        if info.filename != _ARRAYS and info.file_size > _MAX_JSON:
            raise LoadError(f"{where}: the JSON part is too large.")
    content = {info.filename: archive.read(info) for info in infos}
    tensors = content[_ARRAYS]
    if len(tensors) < 8 or int.from_bytes(tensors[:8], "little") > len(tensors) - 8:
        raise LoadError(f"{where}: the arrays' header is longer than the arrays.")
    return content
