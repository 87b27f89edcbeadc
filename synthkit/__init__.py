"""synthkit: synthetic tables that are measurably like the real ones."""

from synthkit import errors, models, plots, rules
from synthkit.augmenting import Augmentation, Oversampler, augment
from synthkit.cleaning import find_errors, inspect, missingness
from synthkit.conditions import between, isnull, notnull
from synthkit.encoder import TableEncoder
from synthkit.errors import SynthkitError, SynthkitWarning
from synthkit.imputation import ImputationSet, Imputer, SeriesImputer, score_imputation
from synthkit.metrics.temporal_report import PanelReport, score_panel
from synthkit.pooling import Pooled, pool
from synthkit.progress import Progress
from synthkit.protect import Protection
from synthkit.report import Comparison, Report, compare, evaluate
from synthkit.schema import Schema
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer

__all__ = [
    "Augmentation",
    "Comparison",
    "ImputationSet",
    "Imputer",
    "Oversampler",
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
    "augment",
    "between",
    "compare",
    "errors",
    "evaluate",
    "find_errors",
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
