"""synthkit: synthetic tables that are measurably like the real ones."""

from synthkit import errors, models, plots, rules
from synthkit.anonymizing import AnonymizedTable, Certificate, anonymize
from synthkit.auditing import Audit, CanaryAudit, FileAudit, audit, canaries, file_attack
from synthkit.augmenting import Augmentation, Oversampler, augment
from synthkit.cleaning import find_errors, inspect, missingness
from synthkit.conditions import between, isnull, notnull
from synthkit.encoder import TableEncoder
from synthkit.errors import SynthkitError, SynthkitWarning
from synthkit.imputation import ImputationSet, Imputer, SeriesImputer, score_imputation
from synthkit.metrics.fairness import Fairness, fairness
from synthkit.metrics.temporal_report import PanelReport, score_panel
from synthkit.pii import PIIReport, detect_pii
from synthkit.pooling import Pooled, pool
from synthkit.progress import Progress
from synthkit.protect import Protection
from synthkit.report import Comparison, Report, compare, evaluate
from synthkit.schema import Schema
from synthkit.synthesizers import Counterfactual, SequenceSynthesizer, TabularSynthesizer, from_schema

__all__ = [
    "AnonymizedTable",
    "Audit",
    "Augmentation",
    "CanaryAudit",
    "Certificate",
    "Comparison",
    "Counterfactual",
    "Fairness",
    "FileAudit",
    "ImputationSet",
    "Imputer",
    "Oversampler",
    "PIIReport",
    "PanelReport",
    "Pooled",
    "Progress",
    "Protection",
    "Report",
    "Schema",
    "SequenceSynthesizer",
    "SeriesImputer",
    "SynthkitError",
    "SynthkitWarning",
    "TableEncoder",
    "TabularSynthesizer",
    "anonymize",
    "audit",
    "augment",
    "between",
    "canaries",
    "compare",
    "detect_pii",
    "errors",
    "evaluate",
    "fairness",
    "file_attack",
    "find_errors",
    "from_schema",
    "inspect",
    "isnull",
    "missingness",
    "models",
    "notnull",
    "plots",
    "pool",
    "rules",
    "score_imputation",
    "score_panel",
]
__version__ = "0.1.0"
