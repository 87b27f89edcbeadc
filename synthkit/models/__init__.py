"""Models: recipes by their registered name. To add one, see ``docs/adding_a_model.md``."""

from synthkit.models.autoregressive import Autoregressive
from synthkit.models.base import Model, ModelSpec, ModelTags
from synthkit.models.copula import GaussianCopula
from synthkit.models.gan import ConditionalGAN
from synthkit.models.independent import IndependentMarginals
from synthkit.models.resampling import Joint
from synthkit.models.trees import SequentialTrees
from synthkit.models.vae import VAE

__all__ = [
    "MODELS",
    "VAE",
    "Autoregressive",
    "ConditionalGAN",
    "GaussianCopula",
    "IndependentMarginals",
    "Joint",
    "Model",
    "ModelSpec",
    "ModelTags",
    "SequentialTrees",
]

MODELS: dict[str, type[ModelSpec]] = {
    "autoregressive": Autoregressive,
    "copula": GaussianCopula,
    "gan": ConditionalGAN,
    "independent": IndependentMarginals,
    "trees": SequentialTrees,
    "vae": VAE,
}
