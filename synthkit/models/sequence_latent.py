"""Recipes of the conditional GAN and the variational auto-encoder of sequences.

Both are an auto-encoder of whole sequences with a law of its latents given the entity's context (after RTSGAN, Pei et
al., ICDM 2021, and EHR-Safe, Yoon et al., npj Digital Medicine 6, 2023): the decoder draws row after row, the gap
first, from mixed-type heads that are sampled. They differ in the law of the latents: a conditional generator with a
packed critic, or a mixture whose parts a net of the context gives. The nets are in
:mod:`synthkit.models.sequence_rows` and :mod:`synthkit.models.sequence_laws`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from synthkit.layout import Encoded, Layout
from synthkit.models.autoregressive import Autoregressive
from synthkit.models.sequence_laws import GeneratedLaw, Law, MixtureLaw
from synthkit.models.sequence_rows import LatentRows
from synthkit.params import Interval, param

__all__ = ["SEQUENCE_MODELS", "SequenceGAN", "SequenceLatent", "SequenceVAE"]

_EACH = 8  # entities behind each latent at least


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceLatent(Autoregressive):
    """What both have in common: the auto-encoder. The hyper-parameters of its decoder are those of the row model."""

    latents: int = param(16, Interval(int, 1, 1024), "dimensions of an entity's latent; at most one per 8 entities")
    encoder_width: int = param(64, Interval(int, 1, 4096), "hidden units of the encoder")
    beta: float = param(1.0, Interval(float, 0, 100), "price of what the latents tell of an entity, per nat")
    free_bits: float = param(0.02, Interval(float, 0, 10), "nats per latent and entity that cost nothing")
    forget: float = param(0.1, Interval(float, 0, 1), "share of training rows that know nothing of the rows before")
    law_width: int = param(64, Interval(int, 1, 4096), "hidden units of the nets of the latents' law")
    law_steps: int = param(2000, Interval(int, 1), "training steps of the latents' law")
    law_lr: float = param(2e-3, Interval(float, 0, 1, closed="right"), "their peak learning rate")

    def build(self, layout: Layout, data: Encoded, weight: None = None) -> LatentRows:  # type: ignore[override]
        """The row model; who makes it attaches the entities and starts it (see ``LatentRows.attach``)."""
        return LatentRows(self, layout)

    def restore(self, layout: Layout) -> LatentRows:
        return LatentRows(self, layout)

    def fitting(self, entities: int) -> SequenceLatent:
        """The same with no more latents than so many entities can bear."""
        return replace(self, latents=max(min(self.latents, entities // _EACH), 1))

    @abstractmethod
    def law(self, context: int) -> Law:
        """A law of the latents given so many features of the context."""


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceVAE(SequenceLatent):
    """Recipe of the variational auto-encoder of sequences, with a learnt law of its latents given the context.

    Example:
        >>> SequenceVAE(latents=8).latents
        8
    """

    name: ClassVar[str] = "vae"

    components: int = param(6, Interval(int, 1, 1000), "parts of the mixture that is the latents' law")

    def law(self, context: int) -> MixtureLaw:
        return MixtureLaw(self, self.latents, context)


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceGAN(SequenceLatent):
    """Recipe of the conditional GAN of sequences, which plays for the latents of an auto-encoder.

    Example:
        >>> SequenceGAN(pack=4).pack
        4
    """

    name: ClassVar[str] = "gan"

    noise: int = param(16, Interval(int, 1, 1024), "entries of the generator's noise beside one per latent")
    pack: int = param(2, Interval(int, 1, 64), "entities that the critic sees at once")
    penalty: float = param(0.1, Interval(float, 0, 1e6), "weight of the critic's gradient penalty")
    moments: float = param(1.0, Interval(float, 0, 1e6), "weight of means, variances and correlations in the loss")
    critic_lr: float = param(2e-3, Interval(float, 0, 1, closed="right"), "learning rate of the critic")

    def law(self, context: int) -> GeneratedLaw:
        return GeneratedLaw(self, self.latents, context)


SEQUENCE_MODELS: dict[str, type[Autoregressive]] = {
    "autoregressive": Autoregressive,
    "gan": SequenceGAN,
    "vae": SequenceVAE,
}
