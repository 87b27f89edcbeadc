"""synthkit: synthetic tables that are measurably like the real ones."""

from synthkit import errors, models, plots, rules
from synthkit.conditions import between, isnull, notnull
from synthkit.encoder import TableEncoder
from synthkit.errors import SynthkitError, SynthkitWarning
from synthkit.imputation import ImputationSet, Imputer
from synthkit.pooling import Pooled, pool
from synthkit.progress import Progress
from synthkit.protect import Protection
from synthkit.report import Comparison, Report, compare, evaluate
from synthkit.schema import Schema
from synthkit.synthesizers import TabularSynthesizer

__all__ = [
    "Comparison",
    "ImputationSet",
    "Imputer",
    "Pooled",
    "Progress",
    "Protection",
    "Report",
    "Schema",
    "SynthkitError",
    "SynthkitWarning",
    "TableEncoder",
    "TabularSynthesizer",
    "between",
    "compare",
    "errors",
    "evaluate",
    "isnull",
    "models",
    "notnull",
    "plots",
    "pool",
    "rules",
]
__version__ = "0.1.0"
