"""PacGAN on stacked MNIST. Lin et al. 2018, arXiv:1712.04086, tables 2 and 3.

The discriminator is given m images at once, concatenated along the channels, all real or all generated (`packing`); a
generator that produces one mode yields m similar images, which real images hardly ever are. Packing 1 is the plain
DCGAN.
Reproduced from the authors' code, `stacked_MNIST_experiments`: the small networks of table 3 by default (that of Metz
et al. 2017, arXiv:1611.02163: 3x3, 64 to 8 maps in the generator, a quarter of that in the discriminator), and those of
table 2 by settings; initialisation, binary cross-entropy with the non-saturating loss of the generator, Adam at 1e-4
(generator) and 2e-4 (discriminator) with betas 0.5 and 0.99, latents N(0, I) of dimension 256. A batch of B m images is
B packs. Batches and steps are in the recipe.
Deviations: the generator's turn draws new latents, where the code reuses those of the discriminator's turn; the
generator's batch statistics are of all B m images, where the code computes them for each of the m parts of size B
separately; biases before BatchNorm, which cancel, are left out; padding is on the left and top where TensorFlow's is on
the right and bottom, which is the same network on images rotated by 180 degrees.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, Uniform
from papergan.game.two_player import two_player
from papergan.networks.convolutional.halving import HalvingDiscriminator, HalvingGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.validation import Packing


def build(
    images: ImageSpec,
    *,
    packing: Packing = 1,
    latent_dim: Annotated[int, Field(ge=1)] = 256,
    prior: Literal["gaussian", "uniform"] = "gaussian",
    width: Annotated[int, Field(ge=1)] = 8,
    discriminator_width: Annotated[int, Field(ge=1)] = 2,
    discriminator_stages: Annotated[int, Field(ge=1, le=8)] = 3,
    kernel: Literal[3, 5] = 3,
    refine: bool = True,
    slope: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3,
    normalise_first: bool = True,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99,
    generator_steps: Annotated[int, Field(ge=1)] = 1,
) -> Game:
    """Build the game. The defaults are the numbers of table 3, with D a quarter as wide as G.

    packing: images per score, m. width: of the generator's last maps, an eighth of its first. refine: the generator
    ends in a convolution of stride 1. slope, normalise_first: of the discriminator's LeakyReLU, and of its first maps.
    generator_steps: optimiser steps of the generator per step of the discriminator.
    """
    return two_player(
        generator=HalvingGenerator(images, latent_dim, width, kernel=kernel, refine=refine),
        discriminator=HalvingDiscriminator(
            images.packed(packing), discriminator_width, stages=discriminator_stages, kernel=kernel, slope=slope,
            normalise_first=normalise_first,
        ),
        prior=Gaussian(latent_dim) if prior == "gaussian" else Uniform(latent_dim),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(discriminator_learning_rate, (beta1, beta2)),
        generator_steps=generator_steps,
        match=Match(discriminator_input=packed(packing)),
    )  # fmt: skip
