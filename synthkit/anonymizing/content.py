"""What stands in a certificate, gathered from a run."""

from __future__ import annotations

import platform
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import torch

from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.certificate import FORMAT, LIMITS, Certificate
from synthkit.anonymizing.checking import criteria, of_secrets
from synthkit.anonymizing.drawing import Draw
from synthkit.pii import detect_pii
from synthkit.protect import Protection
from synthkit.protected import ProtectionReport
from synthkit.report import Report, Verdict
from synthkit.report.report import versions
from synthkit.schema import ColumnType, Constant, Empty, Identifier, Personal, Text
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["certificate_of", "now"]

_LASTS = timedelta(days=365)
_ATTACKERS = (
    ("a recipient of the rows who knows a person's whole record, and asks whether it was in the table", "membership"),
    ("a recipient who looks for conditions that fit one person", "singling out"),
    ("a recipient who holds two parts of a person's record, and wants to join them", "linkability"),
    ("a recipient who knows some columns of a person and asks for a secret", "inference"),
    ("a recipient who holds the model file", "model file"),
    ("a recipient who holds several tables drawn from the same data", "never"),
    ("a recipient with outside records of the same persons (registers, social media)", "never"),
    ("an insider who can choose rows of the training table, or repeat the run at will", "never"),
)


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def certificate_of(
    asked: Asked,
    draw: Draw,
    report: Report,
    verdict: Verdict,
    *,
    digest: str,
    created: str,
    seed: int,
    earlier: Sequence[Mapping[str, Any]],
    outcome: str,
    file_attack: Mapping[str, Any] | None,
) -> Certificate:
    """The certificate of a run; arguments as the run has them."""
    tested = criteria(report, verdict)
    if file_attack is not None:
        tested.append(dict(file_attack))
    telling = detect_pii(draw.train).kinds
    return Certificate(
        {
            "synthkit_certificate": FORMAT,
            "outcome": outcome,
            "profile": asked.profile,
            "created": created,
            "retest_by": (date.today() + _LASTS).isoformat(),
            "purpose": asked.purpose or "not stated",
            "recipients": asked.recipients or "not stated",
            "released": _released(asked, draw),
            "unit": "a row" if asked.entity is None else f"all rows with one value of {str(asked.entity)!r}",
            "source": _source(asked, draw, digest),
            "columns": [_column(asked, draw, name, telling) for name in asked.table.columns],
            "safeguards": _safeguards(asked, draw),
            "criteria": tested,
            "secrets": of_secrets(asked, draw, report),
            "gates": [
                {"score": r.score, "label": r.label, "status": r.status, "reason": r.reason} for r in verdict.results
            ],
            "changed_gates": {str(name): str(value) for name, value in (asked.gates or {}).items()},
            "undecided": asked.undecided,
            "attackers": [_attacker(asked, who, what, tested) for who, what in _ATTACKERS],
            "earlier_runs": [dict(run) for run in earlier],
            "seeds": {"random_state": seed, "draw": draw.seed},
            "model": _model(draw),
            "notes": list(report.notes),
            "versions": versions() | {"torch": str(torch.__version__), "platform": platform.machine()},
            "limits": list(LIMITS),
        }
    )


def _released(asked: Asked, draw: Draw) -> dict[str, Any]:
    words = {"rows": "the drawn rows", "model": "the drawn rows and the file of the model"}[asked.release]
    entities = None if asked.entity is None else int(draw.table[asked.entity].nunique())
    kept = [str(name) for name in asked.keep]
    return {"what": words, "rows": len(draw.table), "entities": entities, "kept_columns": kept}


def _attacker(asked: Asked, who: str, what: str, tested: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    done = any(found["criterion"] == what and found["status"] == "tested" for found in tested)
    held = what == "model file" and asked.release != "model"
    return {"who": f"{who} (it is not handed over)" if held else who, "tested": done}


def _source(asked: Asked, draw: Draw, digest: str) -> dict[str, Any]:
    split = {"training": asked.units(draw.train), "held_back": asked.units(draw.holdout)}
    return {
        "digest": digest,
        "digest_of": "SHA-256 of names and cells, whatever the order of rows",
        "rows": len(asked.table),
        "columns": int(asked.table.shape[1]),
        "units": asked.units(asked.table),
        "split_by_unit": split,
        "split": "by chance, by unit; the part held back took no part in the fit, nor in its early stopping",
    }


def _model(draw: Draw) -> str:
    choice, rolling = (getattr(draw.synthesizer, name, None) for name in ("choice_", "rolling_"))
    if rolling is not None:
        return f"records of entities: {rolling.spec.name}"
    return str(choice) if choice else f"of the caller: {type(draw.synthesizer).__name__}"


# -------------------------------------------------------------------- columns
def _column(asked: Asked, draw: Draw, name: Hashable, telling: Mapping[Hashable, str]) -> dict[str, str]:
    kind = draw.schema.columns[name]
    role = _role(asked, draw, name, kind)
    if role == "attribute" and name in telling:
        role = f"may identify ({telling[name].replace('_', ' ')})"
    return {
        "name": str(name),
        "type": type(kind).__name__.lower(),
        "role": role,
        "treatment": _treatment(asked, name, kind),
    }


def _quasi(draw: Draw) -> tuple[Hashable, ...]:
    """Quasi-identifiers as the synthesizer has them, whoever told it."""
    heeds = isinstance(draw.synthesizer, TabularSynthesizer | SequenceSynthesizer)
    return Protection.of(draw.synthesizer.protect).quasi_identifiers if heeds else ()


def _role(asked: Asked, draw: Draw, name: Hashable, kind: ColumnType) -> str:
    if name == asked.entity:
        return "identifier of the person"
    if isinstance(kind, Identifier | Personal):
        return "identifier"
    if isinstance(kind, Text):
        return "free text"
    if name in asked.secrets:
        return "sensitive, and quasi-identifier" if name in _quasi(draw) else "sensitive"
    if name in _quasi(draw):
        return "quasi-identifier"
    return "time of the record" if name == asked.time else "attribute"


def _treatment(asked: Asked, name: Hashable, kind: ColumnType) -> str:
    if name in asked.keep or (asked.keep and name == asked.time and asked.kind == "records"):
        return "kept as it is"
    if name == asked.entity or isinstance(kind, Identifier | Personal):
        return "generated afresh, by its form"
    if isinstance(kind, Text):
        return "replaced by placeholder words"
    if isinstance(kind, Constant | Empty):
        return "the same in all rows"
    return "drawn from the model"


# -------------------------------------------------------------------- safeguards
def _safeguards(asked: Asked, draw: Draw) -> dict[str, Any]:
    found = getattr(draw.synthesizer, "protection_", None)
    if not isinstance(found, ProtectionReport):
        return {"protection": "none that the caller's synthesizer tells of"}
    told = found.to_dict()
    settings = {key: value for key, value in told["settings"].items() if key != "preset"}
    changed = [{"column": str(name), **counts} for name, counts in found.columns.items() if any(counts.values())]
    return {
        "protection": found.settings["preset"],
        "settings": settings | {"quasi_identifiers": [str(name) for name in _quasi(draw)]},
        "changed": changed,
    }
