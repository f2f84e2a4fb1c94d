"""DRAGAN. Kodali, Abernethy, Hays and Kira 2017, arXiv:1705.07215.

Reproduced: the non-saturating loss with a penalty on the discriminator's gradient near real images (its section 2.3),
lambda 10, one step each, perturbation and Adam 1e-4 (0.5, 0.9) as in the authors' code, where noise is U[0, 1) times
half the batch's standard deviation, so that it is not centred, and the gradient is taken at a point between an image
and its perturbed version.
Our choices: DCGAN networks of three stages without BatchNorm in the discriminator, latents N(0, I) of dimension 100;
the paper says of its CIFAR-10 networks only that they are DCGAN's.
Deviations: none known besides these; the released code trains fully connected networks on MNIST, latents U(-1, 1).
Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives and batch norm.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.gradient_penalties import LocalGradientPenalty


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
) -> Game:
    """Build the game. penalty: lambda, 0 = none."""
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width),
        discriminator=DCGANDiscriminator(images, width, normalisation="none"),
        prior=Gaussian(latent_dim),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_terms=[LocalGradientPenalty(weight=penalty)] if penalty else [],
    )
