"""DeLiGAN, a baseline of song2023. Gurumurthy, Sarvadevabhatla and Babu 2017, arXiv:1706.02071.

Reproduced: latents from a mixture of Gaussians whose means and deviations are trained with the generator (eqs. 2 to 4;
initial means ~ U(-1, 1), initial deviations ~ U(-0.2, 0.2) as in the authors' code for CIFAR-10), and the regulariser
that keeps deviations away from 0 (eq. 8, weight 0.05). `each_once=true` follows the authors' code: as many components
as images in a batch, each exactly once.
Deviations: their networks on CIFAR-10 are those of Improved GAN, with labels, mini-batch discrimination and three
generator steps per discriminator step; song2023 mentions none of this and compares only latents. Here networks, loss
and optimiser are those of `dcgan`. Their CIFAR-10 script computes the regulariser but leaves it out of the loss; the
paper includes it, and so does this system.
Our choice, where song2023 is silent: 32 components, its batch size; the mixture draws a component for each image.
Deterministic on a GPU: as `dcgan`; the mixture adds matrix products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.learned_priors import DeviationRegulariser, GaussianMixture


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    components: Annotated[int, Field(ge=1)] = 32,
    deviation: Annotated[float, Field(gt=0.0)] = 0.2,
    each_once: bool = False,
    regulariser: Annotated[float, Field(ge=0.0)] = 0.05,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-2,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. deviation: s of U(-s, s), the initial deviations. regulariser: weight of eq. 8."""
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width),
        discriminator=DCGANDiscriminator(images, width),
        prior=GaussianMixture(latent_dim, components, deviation=deviation, each_once=each_once),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        generator_terms=[DeviationRegulariser(weight=regulariser)] if regulariser else [],
    )
