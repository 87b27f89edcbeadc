"""More rows for a model to learn from, and whether they help: ``augment`` measures, ``Oversampler`` just adds."""

from synthkit.augmenting.face import augment
from synthkit.augmenting.measure import FoldDone
from synthkit.augmenting.oversampler import Oversampler
from synthkit.augmenting.result import Augmentation

__all__ = ["Augmentation", "FoldDone", "Oversampler", "augment"]
