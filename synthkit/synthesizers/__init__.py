"""Estimators over a model, a trainer and an encoder."""

from synthkit.synthesizers.sequence import SequenceSynthesizer
from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["SequenceSynthesizer", "TabularSynthesizer"]
