"""DCGAN. Radford, Metz and Chintala 2015, arXiv:1511.06434.

Reproduced: BatchNorm in both networks (not on the discriminator's input), N(0, 0.02) weights, latent U(-1, 1) of
dimension 100, non-saturating binary cross-entropy, Adam 2e-4 with beta1 0.5.
Deviations: one stage fewer by default, since images are 32x32 and the paper's are 64x64 (`stages=4`); the discriminator
ends in a linear layer on the flattened last map, as the paper's text says, unlike much code. Batch 128 is in the
recipe. `prior=gaussian` draws latents from N(0, I), as song2023 and gan_optimisation_review (II.A.1) do.
With labels: the row with 6.58 in tahvili2025's table IV is from the SteinGAN paper (Wang and Liu 2016,
arXiv:1611.01722), which names DCGAN with labels and does not say how they enter. Our choice, `labels: maps`: the class
as constant maps before every layer of the generator and every convolution of the discriminator; generated classes are
drawn uniformly.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled, packed
from papergan.game.ema import EMA
from papergan.game.game import Game, Match
from papergan.game.optimisers import Name, optimiser
from papergan.game.priors import Gaussian, Uniform, WithChoice
from papergan.game.two_player import two_player
from papergan.networks.convolutional.conditional_dcgan import DISCRIMINATORS, GENERATORS, ClassMaps
from papergan.networks.layers.normalisation import MapNormalisation
from papergan.networks.layers.upsampling import Upsampling
from papergan.objectives.adversarial import NonSaturating
from papergan.validation import Packing


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 128,
    discriminator_width: Annotated[int, Field(ge=4)] | None = None,
    prior: Literal["uniform", "gaussian"] = "uniform",
    stages: Annotated[int, Field(ge=1, le=8)] = 3,
    normalisation: MapNormalisation = "batch",
    upsampling: Upsampling = "transposed",
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
    spectral: bool = False,
    optimiser_name: Name = "adam",
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] | None = None,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    labels: ClassMaps = "none",
    packing: Packing = 1,
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
) -> Game:
    """Build the game.

    The defaults are the paper's numbers. discriminator_width: None = the generator's. stages: doublings of the
    resolution. normalisation: in both networks. upsampling, dropout: the generator's.

    optimiser_name: for both players; beta1: of adam alone. discriminator_learning_rate: None = the generator's.
    spectral: spectral normalisation of the discriminator instead of BatchNorm, for the protocol that rows of table V
    share. labels: how they enter both networks. packing: images per score, each with its class if there are labels.
    ema_decay: of a moving average of the generator's weights, which the paper does not have; 0 = none.
    """
    latents = Uniform(latent_dim) if prior == "uniform" else Gaussian(latent_dim)
    return two_player(
        generator=GENERATORS[labels](
            images, latent_dim, width, stages=stages, normalisation=normalisation, up=upsampling, dropout=dropout
        ),
        discriminator=DISCRIMINATORS[labels](
            images.packed(packing),
            discriminator_width or width,
            stages=stages,
            normalisation=normalisation,
            spectral=spectral,
        ),
        prior=latents if labels == "none" else WithChoice(latents, images.num_classes),
        loss=NonSaturating(),
        generator_optimiser=optimiser(optimiser_name, learning_rate, beta1=beta1),
        discriminator_optimiser=optimiser(optimiser_name, discriminator_learning_rate or learning_rate, beta1=beta1),
        average=EMA(ema_decay) if ema_decay else None,
        match=Match(discriminator_input=packed(packing, None if labels == "none" else Labelled())),
    )
