"""Reports: :func:`evaluate` one synthetic table, check it against a purpose, :func:`compare` several."""

from synthkit.report.comparison import Comparison, compare
from synthkit.report.evaluation import Step, evaluate
from synthkit.report.gates import PROFILES, Gate, Profile, Verdict
from synthkit.report.report import Report

__all__ = ["PROFILES", "Comparison", "Gate", "Profile", "Report", "Step", "Verdict", "compare", "evaluate"]
