"""Estimators over a model, a trainer and an encoder."""

from synthkit.synthesizers.tabular import TabularSynthesizer

__all__ = ["TabularSynthesizer"]
