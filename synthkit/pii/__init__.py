"""Personal data: found by a column's name and by its cells, and made afresh in valid formats, never learnt."""

from synthkit.pii.detect import Finding, PIIReport, detect_pii
from synthkit.pii.kinds import KINDS

__all__ = ["KINDS", "Finding", "PIIReport", "detect_pii"]
