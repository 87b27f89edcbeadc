"""Which table was anonymised, and how often: a digest of its cells, and a ledger of the runs on it.

Who draws again and again until a gate passes selects by luck. So every run, also one that was refused, is noted under
the digest of its table, and stands in the certificate of the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.errors import LoadError, ParamError

__all__ = ["Ledger", "table_digest"]

_FIELDS = ("digest", "when", "profile", "random_state", "outcome")
_RUNS: list[dict[str, Any]] = []  # of this process
_MOST = 64 * 2**20  # bytes of a ledger file


def table_digest(table: pd.DataFrame) -> str:
    """SHA-256 over names and cells, whatever the order of the rows; dtypes that hold the same values may differ.

    >>> table = pd.DataFrame({"x": [1, 2], "y": ["a", None]})
    >>> table_digest(table) == table_digest(table.iloc[::-1]), table_digest(table) == table_digest(table.head(1))
    (True, False)
    """
    rows: NDArray[np.uint64] = np.zeros(len(table), np.uint64)
    for k, name in enumerate(table.columns):
        cells = table.iloc[:, k]
        if isinstance(cells.dtype, pd.CategoricalDtype):
            cells = cells.astype(object)
        if cells.dtype == object:
            cells = cells.astype(str).where(cells.notna(), None)
        own = pd.util.hash_pandas_object(cells, index=False).to_numpy(np.uint64)
        salt = np.uint64(int.from_bytes(hashlib.sha256(f"{k}:{name}".encode()).digest()[:8], "little"))
        rows = np.asarray((rows ^ own) * np.uint64(0x100000001B3) + salt, np.uint64)
    whole = hashlib.sha256("\x1f".join(map(str, table.columns)).encode())
    whole.update(np.sort(rows).tobytes())
    return whole.hexdigest()


@dataclass
class Ledger:
    """The runs of this process and, if there is a file, those noted there.

    Attributes:
        path: a file of JSON lines, which is made where it is missing; ``None``: the process's memory alone.
        file_runs: what the file held.
    """

    path: Path | None = None
    file_runs: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None) -> Ledger:
        """Read the file.

        Raises:
            ParamError: it is a folder, in no folder, or cannot be read. LoadError: it is no ledger.
        """
        if path is None:
            return cls()
        file = Path(path)
        if file.is_dir() or not file.parent.is_dir():
            raise ParamError(f"anonymize: argument 'ledger': {str(path)!r} is a folder, or in none; name a file.")
        if not os.access(file if file.exists() else file.parent, os.W_OK):  # now, not after an hour's work
            raise ParamError(f"anonymize: argument 'ledger': {str(path)!r} cannot be written; name another file.")
        if not file.exists():
            return cls(file)
        if file.stat().st_size > _MOST:
            raise LoadError(f"anonymize: argument 'ledger': {str(path)!r} is too large; begin another file.")
        try:
            runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            kept = tuple({key: run[key] for key in _FIELDS} for run in runs)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LoadError(
                f"anonymize: argument 'ledger': {str(path)!r} is no ledger of anonymize; name another file."
            ) from error
        except OSError as error:
            raise ParamError(f"anonymize: argument 'ledger': {str(path)!r} cannot be read.") from error
        return cls(file, kept)

    def earlier(self, digest: str) -> list[dict[str, Any]]:
        """The runs on the same table, oldest first, each once."""
        runs = [dict(run) for run in (*self.file_runs, *_RUNS) if run["digest"] == digest]
        unique = {json.dumps(run, sort_keys=True): run for run in runs}
        return sorted(unique.values(), key=lambda run: str(run["when"]))

    def add(self, digest: str, when: str, profile: str, random_state: int, outcome: str) -> None:
        """Note a run.

        Raises:
            ParamError: the file cannot be written.
        """
        run = dict(zip(_FIELDS, (digest, when, profile, random_state, outcome), strict=True))
        _RUNS.append(run)
        if self.path is not None:
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run) + "\n")
            except OSError as error:
                raise ParamError(f"anonymize: argument 'ledger': {str(self.path)!r} cannot be written.") from error
