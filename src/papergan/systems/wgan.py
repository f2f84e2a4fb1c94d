"""WGAN. Arjovsky, Chintala and Bottou 2017, arXiv:1701.07875.

Reproduced: Wasserstein loss, weights of the critic clipped to +-0.01 after each of its steps, including those of
BatchNorm as in the authors' code, five critic steps per generator step, RMSProp 5e-5 for both (algorithm 1), DCGAN
networks with BatchNorm in both, latents N(0, I) of dimension 100 as in the authors' code. Batch 64 is in the recipe.
Deviations: their code takes a hundred critic steps in each of the first 25 iterations and in every 500th, which the
paper does not mention and this system does not do, and clips before each step of the critic, so that the generator's
step sees weights moved once more; networks of three stages, for images of 32x32.
`spectral=true` is the network that rows of tahvili2025's table V share; it makes clipping nearly moot, since a
normalised weight has no scale.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import Clip, optimiser
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.layers.normalisation import MapNormalisation
from papergan.objectives.adversarial import Wasserstein


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    normalisation: MapNormalisation = "batch",
    spectral: bool = False,
    clip: Annotated[float, Field(gt=0.0)] = 0.01,
    critic_steps: Annotated[int, Field(ge=1)] = 5,
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5,
) -> Game:
    """Build the game. The defaults are the paper's numbers. normalisation: the critic's."""
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width),
        discriminator=DCGANDiscriminator(images, width, normalisation=normalisation, spectral=spectral),
        prior=Gaussian(latent_dim),
        loss=Wasserstein(),
        generator_optimiser=optimiser("rmsprop", learning_rate),
        discriminator_optimiser=optimiser("rmsprop", learning_rate),
        discriminator_constraints=(Clip(clip),),
        discriminator_steps=critic_steps,
    )
