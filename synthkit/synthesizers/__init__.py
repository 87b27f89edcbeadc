"""Estimators over a model, a trainer and an encoder."""

from synthkit.synthesizers.declared import from_schema
from synthkit.synthesizers.scenarios import Counterfactual
from synthkit.synthesizers.sequence import SequenceSynthesizer
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["Counterfactual", "SequenceSynthesizer", "TabularSynthesizer", "from_schema"]
