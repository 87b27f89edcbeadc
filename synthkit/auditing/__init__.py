"""Attacks on a synthesizer rather than on a table: refits, canaries, and the saved file."""

from synthkit.auditing.audit_report import Audit, Shadow, ShadowAttack
from synthkit.auditing.bounds import clopper_pearson, one_run_epsilon
from synthkit.auditing.canaries import CanaryAudit, canaries
from synthkit.auditing.figures import Bars
from synthkit.auditing.files import FileAudit, file_attack
from synthkit.auditing.shadows import audit

__all__ = [
    "Audit",
    "Bars",
    "CanaryAudit",
    "FileAudit",
    "Shadow",
    "ShadowAttack",
    "audit",
    "canaries",
    "clopper_pearson",
    "file_attack",
    "one_run_epsilon",
]
