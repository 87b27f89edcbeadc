"""What is handed over, by what it was protected, what was tested: one JSON document, and a page to sign."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from synthkit.errors import LoadError

__all__ = ["LIMITS", "Certificate"]

FORMAT = 1
LIMITS = (
    "This document records what was done and what was tested. It is not a proof that no person can be identified, and "
    "no legal decision: that is for the controller, with regard to the recipients and what else they hold.",
    "Each attack that was tried had a control: rows of the same table that the model never saw. What an attack learns "
    "of everybody (that smokers fall ill more often), it learns with or without a given person's row; that is not "
    "counted.",
    "An effect below the detectable one of a test may have passed unseen.",
    "A second table drawn from the same data, or the model itself, gives an attacker more; each needs its own test.",
)


@dataclass(frozen=True)
class Certificate:
    """The record of one run of :func:`synthkit.anonymize`, without any value of the table.

    Attributes:
        content: plain JSON: ``purpose``, ``recipients``, ``released``, ``unit``, ``source`` (digest, counts, split),
            ``columns`` (name, type, role, treatment), ``safeguards`` (with counts), ``criteria`` (one entry per
            test, or "not tested" and why), ``secrets`` (one entry each), ``gates``, ``attackers``, ``earlier_runs``,
            ``seeds``, ``versions``, ``created``, ``retest_by``, ``limits``.

    >>> Certificate({"synthkit_certificate": 1, "unit": "row"}).to_json().splitlines()[1]
    ' "synthkit_certificate": 1,'
    """

    content: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """A copy of the content."""
        out: dict[str, Any] = json.loads(self.to_json())
        return out

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Strict JSON.

        Args:
            path: a file to write to as well.
        """
        written = json.dumps(self.content, indent=1, allow_nan=False, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(written + "\n", encoding="utf-8")
        return written

    @classmethod
    def from_json(cls, source: str) -> Certificate:
        """The certificate of a text that :meth:`to_json` wrote.

        Raises:
            LoadError: no such JSON, or of a newer version.
        """
        try:
            value = json.loads(source)
            version = value["synthkit_certificate"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LoadError("Certificate.from_json: argument 'source' is no JSON of Certificate.to_json().") from error
        if not isinstance(version, int) or version > FORMAT:
            raise LoadError("Certificate.from_json: the certificate is of a newer version; update synthkit.")
        return cls(value)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a self-contained page, for a data protection officer to read and sign.

        Raises:
            OSError: the file cannot be written.
        """
        from synthkit.anonymizing.certificate_page import render

        Path(path).write_text(render(self.content), encoding="utf-8")
        return Path(path)

    @property
    def due(self) -> bool:
        """Is the date past at which the tests have to be made anew?"""
        return date.today() > date.fromisoformat(str(self.content["retest_by"]))

    def __str__(self) -> str:
        c = self.content
        lines = [f"Certificate of {c['created']}: {c['outcome']} (profile {c['profile']!r})"]
        lines += [f"  released: {c['released']['what']}; unit of protection: {c['unit']}"]
        for found in c["criteria"]:
            lines.append(f"  {found['criterion']:<13} {_sentence(found)}")
        earlier: Sequence[Any] = c["earlier_runs"]
        lines += [f"  earlier runs on the same table: {len(earlier)}", f"  to be tested again by {c['retest_by']}"]
        return "\n".join(lines)


def _sentence(found: Mapping[str, Any]) -> str:
    if found["status"] != "tested":
        return f"not tested: {found['why']}"
    low, high = found["interval"] or (None, None)
    interval = "" if low is None else f" in [{low:.3f}, {high:.3f}]"
    return f"{found['label']}: {found['value']:.3f}{interval}, harmless is {found['harmless']:g}"
