"""RealnessGAN, objectives 1, 2 and 3. Xiangli et al. 2020, arXiv:2002.05512.

Reproduced: a discriminator whose score is a distribution over 20 outcomes, sampled by reparametrisation from a mean and
a standard deviation; anchors resampled in every step; skewing; the three objectives of the generator (its section 4.2);
networks and optimiser as in the released code: DCGAN networks of width 128 with spectral normalisation, latents N(0, I)
of dimension 128, Adam 1e-4 (0.5, 0.999), batch 32 (in the recipe), one step each.
Deviations: the head has no "adaptive" switch; the discriminator's last layer starts as N(0, 0.02), theirs as torch
initialises it; objective 2 compares generated images with the real ones of the discriminator's step, theirs with new
ones. Not verified: that the CIFAR-10 table of the paper used 20 outcomes. The rows with 36.73, 34.59 and 36.21 in
tahvili2025's table V are objectives 1, 2 and 3. No discriminator accuracy is reported, since its scores are vectors.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.reparametrised import Reparametrised
from papergan.objectives.realness import Realness


def build(
    images: ImageSpec,
    *,
    objective: Literal[1, 2, 3] = 2,
    outcomes: Annotated[int, Field(ge=2)] = 20,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 128,
    spectral: bool = True,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. objective: of the generator. spectral: false gives the discriminator BatchNorm instead."""
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width),
        discriminator=Reparametrised(DCGANDiscriminator(images, width, spectral=spectral, outputs=2 * outcomes)),
        prior=Gaussian(latent_dim),
        loss=Realness(objective),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
    )
