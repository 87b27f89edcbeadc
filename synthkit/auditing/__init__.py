"""Attacks on a synthesizer rather than on a table: refits, canaries, and the saved file."""

from synthkit.auditing.bounds import clopper_pearson, one_run_epsilon
from synthkit.auditing.canaries import CanaryAudit, canaries
from synthkit.auditing.figures import Bars
from synthkit.auditing.files import FileAudit, file_attack

__all__ = ["Bars", "CanaryAudit", "FileAudit", "canaries", "clopper_pearson", "file_attack", "one_run_epsilon"]
