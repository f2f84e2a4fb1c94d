"""Improved GAN: the techniques of Salimans et al. 2016, arXiv:1606.03498, in one game without labels.

Reproduced: mini-batch discrimination (section 3.2, 100 kernels of 5 dimensions), feature matching in the generator's
objective (3.1), one-sided label smoothing to 0.9 (3.4), historical averaging for both players (3.3); Adam 3e-4 with
beta1 0.5 and batch 100 (in the recipe) as in the authors' code.
Our choices: DCGAN networks of three stages; feature matching with weight 1, added to the adversarial loss; historical
averaging with weight 1e-3, which the paper does not state; latents U(-1, 1) of dimension 100.
Deviations: theirs has nine convolutions with weight normalisation, noise and dropout; no semi-supervised classes; no
virtual batch normalisation (3.5). Their code for CIFAR-10 (openai/improved-gan, mnist_svhn_cifar10) has either
mini-batch discrimination, with the saturating loss and three steps of the generator for each of the discriminator, or
feature matching as the generator's only objective, on real images of another batch; its rate falls linearly to 0 over
the last 400 of 1 200 epochs, weights are N(0, 0.05), latents U(0, 1), and its mini-batch layer has normalised kernels
with learned scales and biases, both set from its first images. It has no historical averaging and no smoothing. The row
with 4.36 in tahvili2025's table IV, as the BEGAN paper quotes it, is the paper's model without labels ("-L" of its
table 3), which has neither feature matching nor historical averaging; with the latter ("-L+HA") the WGAN-GP paper
quotes 6.86. Weights of 0 leave both out.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Uniform
from papergan.game.terms import Term
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.historical_averaging import HistoricalAverage, HistoricalAveraging

Weight = Annotated[float, Field(ge=0.0)]  # 0 switches a technique off


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    minibatch_discrimination: bool = True,
    feature_matching: Weight = 1.0,
    historical_averaging: Weight = 1e-3,
    real_target: Annotated[float, Field(gt=0.5, le=1.0)] = 0.9,
    learning_rate: Annotated[float, Field(gt=0.0)] = 3e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. real_target: 1.0 = no smoothing."""
    generator = DCGANGenerator(images, latent_dim, width)
    discriminator = DCGANDiscriminator(images, width, minibatch=minibatch_discrimination)
    averages = {
        "discriminator": HistoricalAverage("discriminator", [discriminator]),
        "generator": HistoricalAverage("generator", [generator]),
    } if historical_averaging else {}  # fmt: skip

    def averaged(player: str) -> list[Term]:
        return [HistoricalAveraging(averages[player], weight=historical_averaging)] if averages else []

    return two_player(
        generator=generator,
        discriminator=discriminator,
        prior=Uniform(latent_dim),
        loss=NonSaturating(real_target),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_terms=averaged("discriminator"),
        generator_terms=[
            *([FeatureMatching(weight=feature_matching)] if feature_matching else []), *averaged("generator"),
        ],
        controllers=averages,
    )  # fmt: skip
