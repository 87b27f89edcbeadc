"""``anonymize``: hold a part back, fit, draw, check, and hand over the rows with a certificate, or refuse."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Literal

import pandas as pd
from sklearn.base import clone

from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.certificate import Certificate
from synthkit.anonymizing.checking import EXTRA, judge, outcome, score
from synthkit.anonymizing.content import certificate_of, now
from synthkit.anonymizing.digest import Ledger, table_digest
from synthkit.anonymizing.drawing import Draw, Synthesizer, draw, hold_back
from synthkit.anonymizing.keys import nobodys
from synthkit.auditing import file_attack
from synthkit.auditing.figures import plain
from synthkit.errors import ParamError, PrivacyError
from synthkit.metrics.attacks import FPR, Attack
from synthkit.metrics.base import Level
from synthkit.models import ModelSpec
from synthkit.protect import Protect
from synthkit.report import PROFILES, Report
from synthkit.runtime import entropy
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = ["AnonymizedTable", "anonymize"]

_FIT = 0.6  # of the time budget
_LEFT = 0.1  # of it at least for the tests, however long the fit took


@dataclass(frozen=True, repr=False)
class AnonymizedTable:
    """What :func:`anonymize` hands over.

    Attributes:
        table: the drawn rows.
        report: all scores and their references; it holds real rows for its pictures, and stays in the house.
        certificate: what was done and tested, without any value.
        synthesizer: the fitted one, where ``release="model"`` was asked for and passed; else ``None``.
    """

    table: pd.DataFrame
    report: Report
    certificate: Certificate
    synthesizer: Synthesizer | None = None

    def __repr__(self) -> str:
        rows, columns = self.table.shape
        return f"<AnonymizedTable of {rows} rows and {columns} columns; see .table, .certificate, .report>"


def anonymize(
    df: pd.DataFrame,
    *,
    entity: Hashable | None = None,
    time: Hashable | None = None,
    keep: Sequence[Hashable] = (),
    secrets: Sequence[Hashable] = (),
    quasi_identifiers: Sequence[Hashable] = (),
    target: Hashable | None = None,
    profile: str = "test-data",
    gates: Mapping[str, Any] | None = None,
    undecided: Literal["refuse", "note"] = "refuse",
    protect: Protect = "standard",
    model: str | ModelSpec = "auto",
    synthesizer: Synthesizer | None = None,
    schema: Schema | None = None,
    holdout: float = 0.2,
    n: int | None = None,
    release: Literal["rows", "model"] = "rows",
    level: Level = "quick",
    purpose: str = "",
    recipients: str = "",
    ledger: str | PathLike[str] | None = None,
    max_seconds: float | None = None,
    progress: bool | Callable[[Any], bool | None] | None = None,
    random_state: int | None = None,
) -> AnonymizedTable:
    """Draw a table that may stand in for ``df``, test it, and certify what was tested.

    A part of the persons is held back; a model learns the others, once, under ``protect``; a table is drawn, once; and
    gates compare it with the part held back: those of ``profile``, and those of privacy (copies, membership, singling
    out, linkability, inference). Where one fails, the table is not handed over. The word for the result is "tested":
    no run of any method shows that nobody can be identified.

    Args:
        df: the table; it stays as it is.
        entity: the column that says whose row it is; parts are split, protected and attacked by it. Where an entity has
            several rows, they are drawn as records of it.
        time: with ``entity``, when a record was made.
        keep: columns that stay as they are, row by row; the others are drawn given them (partial synthesis, Reiter
            2003). Of records, the times and the number of records of each entity then stay, too; keys do not.
        secrets: columns that nobody may learn of a person; each is attacked.
        quasi_identifiers: columns that others may know of a person; combinations that are too rare do not come back.
        target: the column that the recipients will predict, if any.
        profile: the purpose, a name in ``synthkit.report.PROFILES``.
        gates: score -> tolerance, ``Gate``, or None to leave it out; recorded in the certificate.
        undecided: where rows are too few for a gate to tell: "refuse", or "note" it in the certificate.
        protect: "standard", "health", "strict", a ``Protection``, or None.
        model: as ``TabularSynthesizer`` or ``SequenceSynthesizer`` take it.
        synthesizer: in place of ``model``, ``protect`` and ``schema``: an object with ``fit(table)`` and ``sample(n,
            seed=)``, another library's, say. A ``TabularSynthesizer`` or ``SequenceSynthesizer`` is cloned first.
        schema: column types and rules; by default inferred from the part that is learnt.
        holdout: share of the rows, or entities, that is held back, .05 to .5.
        n: rows, or entities, to draw; by default as many as ``df`` has.
        release: "model": the model's file is to be handed over as well: it is attacked by its likelihoods, too.
        level: how much time the tests may take.
        purpose, recipients: words for the certificate.
        ledger: a file of JSON lines in which every run is noted, so that a certificate tells of earlier runs on the
            same table. Without it, only those of this process are known.
        max_seconds: in all; .6 of it for the fit. Without time for the tests of privacy, nothing is handed over.
        progress: True for bars on stderr.
        random_state: an integer for a repeatable run; None draws one, which the certificate tells.

    Raises:
        PrivacyError: a gate does not pass; the message has the reasons, and its ``report`` and ``certificate``
            attributes the figures. There is no table.
        ParamError, SchemaError, TrainingError: each names the argument or column and the remedy.

    >>> from synthkit.testing import tiny_table
    >>> safe = anonymize(tiny_table(2000), random_state=0, purpose="load tests")
    >>> len(safe.table), safe.certificate.content["outcome"]
    (2000, 'passed')
    """
    began = clock.monotonic()
    asked = Asked.of(
        df,
        **{"entity": entity, "time": time, "keep": keep, "secrets": secrets, "quasi_identifiers": quasi_identifiers},
        **{"target": target, "schema": schema, "profile": profile, "gates": gates, "undecided": undecided},
        **{"protect": protect, "holdout": holdout, "n": n, "level": level, "release": release},
        **{"purpose": purpose, "recipients": recipients, "max_seconds": max_seconds, "random_state": random_state},
    )
    book, digest = Ledger.open(ledger), table_digest(df)
    seed = entropy(None) % 2**32 if random_state is None else int(random_state)
    earlier, created = book.earlier(digest), now()
    fitted = _unfitted(asked, model, seed, progress) if synthesizer is None else _given(synthesizer, asked, model, seed)
    parts, several = hold_back(df, entity, holdout, seed), asked.kind == "records"
    known: dict[str, Any] = {"entity": entity if several else None, "keep": asked.keep, "n": n}
    drawn = draw(df, parts, fitted, **known, seed=entropy(seed, 1) % 2**32)
    made = nobodys(df, drawn.synthesizer, asked.keep, drawn.table, drawn.seed)
    drawn = replace(drawn, table=made)
    left = None if max_seconds is None else max(max_seconds - (clock.monotonic() - began), _LEFT * max_seconds)
    report = score(asked, drawn, entropy(seed, 2) % 2**32, left, progress)
    return _judged(asked, drawn, report, book, digest=digest, created=created, seed=seed, earlier=earlier)


def _unfitted(asked: Asked, model: str | ModelSpec, seed: int, progress: Any) -> Synthesizer:
    """The synthesizer that fits the table; it is checked when it is fitted."""
    common: dict[str, Any] = {
        "schema": asked.schema,
        "protect": asked.protection,
        "max_seconds": None if asked.max_seconds is None else _FIT * asked.max_seconds,
        "random_state": entropy(seed, 0) % 2**32,
        "progress": True if progress is True else None,
    }
    if asked.kind == "rows":
        return TabularSynthesizer(model, entity=asked.entity, **common)
    return SequenceSynthesizer(model, entity=asked.entity, time=asked.time, kind="panel", **common)


def _given(synthesizer: Any, asked: Asked, model: str | ModelSpec, seed: int) -> Any:
    """The caller's synthesizer, not fitted where it is ours."""
    others = {"model": model != "auto", "protect": asked.protect != "standard", "schema": asked.schema is not None}
    others["quasi_identifiers"] = bool(asked.quasi_identifiers)
    if any(others.values()):
        name = next(name for name, given in others.items() if given)
        raise ParamError(
            f"anonymize: argument {name!r} does not go with 'synthesizer', which would not heed it; give it to the "
            "synthesizer."
        )
    if not (callable(getattr(synthesizer, "fit", None)) and callable(getattr(synthesizer, "sample", None))):
        raise ParamError("anonymize: argument 'synthesizer' must have methods fit(table) and sample(n, seed=).")
    ours = isinstance(synthesizer, (TabularSynthesizer, SequenceSynthesizer))
    if asked.keep and not ours:
        raise ParamError("anonymize: argument 'keep' needs a synthesizer of synthkit; leave 'synthesizer' out.")
    if not ours:
        return synthesizer
    if synthesizer.entity not in (None, asked.entity):
        raise ParamError(
            f"anonymize: argument 'synthesizer' has the entity {synthesizer.entity!r}, and 'entity' is another; parts "
            "are split and protected by one."
        )
    if asked.kind == "records" and isinstance(synthesizer, TabularSynthesizer):
        raise ParamError(
            "anonymize: argument 'synthesizer' draws single rows, but entities have several; use SequenceSynthesizer."
        )
    own = clone(synthesizer).set_params(entity=asked.entity)
    return own if own.random_state is not None else own.set_params(random_state=entropy(seed, 0) % 2**32)


def _judged(asked: Asked, drawn: Draw, report: Report, book: Ledger, **known: Any) -> AnonymizedTable:
    """Gates, ledger and certificate; the last thing that is done.

    Raises:
        PrivacyError: a gate does not pass.
    """
    verdict = judge(asked, drawn, report)
    passed, why = outcome(asked, report, verdict)
    attacked = _file_attack(asked, drawn, entropy(known["seed"], 3) % 2**32) if asked.release == "model" else None
    if attacked is not None and attacked["gate"] in ("fail", "cannot tell")[: 1 + (asked.undecided == "refuse")]:
        reason = f"{attacked['label']}: {attacked['gate']}, {attacked.get('note') or attacked['why']}"
        passed, why = False, "; ".join(filter(None, (why, reason)))
    sure = verdict.passed and (attacked is None or attacked["gate"] == "pass")
    word = "refused" if not passed else "passed" if sure else "passed, but for gates that cannot tell"
    book.add(known["digest"], known["created"], asked.profile, known["seed"], word)
    certificate = certificate_of(asked, drawn, report, verdict, outcome=word, file_attack=attacked, **known)
    if not passed:
        error = PrivacyError(
            f"anonymize: the table is not handed over: {why}. Its 'report' and 'certificate' attributes have the "
            "figures. More rows, fewer columns or protect='strict' may help; undecided='note' lets stand what cannot "
            "be told for lack of rows."
        )
        error.report, error.certificate = report, certificate
        raise error
    synthesizer = drawn.synthesizer if asked.release == "model" else None
    return AnonymizedTable(drawn.table, report, certificate, synthesizer)


def _file_attack(asked: Asked, drawn: Draw, seed: int) -> dict[str, Any]:
    """What the model's own likelihoods tell of its training rows, as an entry of the certificate's criteria."""
    out: dict[str, Any] = {"criterion": "model file", "label": "Membership attack on the model's file"}
    if not isinstance(drawn.synthesizer, TabularSynthesizer) or not drawn.synthesizer.model_.tags.has_log_prob:
        return out | {"status": "not tested", "why": "the model has no likelihood of rows", "gate": "cannot tell"}
    found = file_attack(drawn.synthesizer, drawn.train, drawn.holdout, entity=asked.entity, seed=seed)
    attack = found.model
    assert attack is not None
    return out | {
        "status": "tested",
        "score": "file_attack",
        "what": "likelihoods of rows, less those of a reference model (Yeom et al. 2018; Carlini et al. 2022)",
        "value": attack.auc,
        "interval": list(attack.interval),
        "harmless": 0.5,
        "fresh_rows": None,
        "detectable_effect": attack.detectable,
        "outliers": plain(attack.isolated),
        "attempts": [attack.members, attack.controls],
        "gate": "pass" if found.share_model else "fail" if _shown(attack) else "cannot tell",
        "note": f"AUC {attack.auc:.3f} in [{attack.interval[0]:.3f}, {attack.interval[1]:.3f}]; to hand a model over, "
        f"the upper end has to be {found.bars.auc:g} or less",
    }


def _shown(attack: Attack) -> bool:
    """A leak above the tolerances that rows have, beyond chance."""
    tolerances = PROFILES["release"].gates["membership"].tolerance, EXTRA["membership_tpr"].tolerance
    ends = attack.interval[0] - 0.5, attack.tpr_interval[0] - FPR
    return any(end > tolerance for end, tolerance in zip(ends, tolerances, strict=True))
