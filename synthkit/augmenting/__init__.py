"""More rows for a model to learn from, and whether they help: ``augment`` measures, ``Oversampler`` just adds."""

from synthkit.augmenting.oversampler import Oversampler

__all__ = ["Oversampler"]
