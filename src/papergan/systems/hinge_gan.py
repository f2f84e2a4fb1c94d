"""A GAN with the hinge loss. Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, eqs. 16 and 17.

Reproduced: the loss. The row with 42.40 in tahvili2025's table V attributes it to EBGAN, which is another system; the
number is the one that the RealnessGAN paper (Xiangli et al. 2020, arXiv:2002.05512) gives for this loss on CIFAR-10.
Networks and optimiser follow that paper's protocol, from its released code: DCGAN networks of width 128, spectral
normalisation without BatchNorm in the discriminator, latents N(0, I) of dimension 128, Adam 1e-4 (0.5, 0.999), batch 32
(in the recipe), one step each.
Ours, off by default: `labels: maps`, as in `dcgan`.
Deviations: all of that deviates from the loss's own paper. Not verified: that the table for CIFAR-10 uses that
protocol.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.terms import Loss
from papergan.game.two_player import two_player
from papergan.networks.convolutional.conditional_dcgan import DISCRIMINATORS, GENERATORS, ClassMaps
from papergan.objectives.adversarial import Hinge


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 128,
    spectral: bool = True,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    labels: ClassMaps = "none",
) -> Game:
    """Build the game.

    spectral: false gives the discriminator BatchNorm instead, as in DCGAN. labels: how they enter both networks.
    """
    return assemble(
        images, Hinge(), latent_dim=latent_dim, width=width, spectral=spectral, learning_rate=learning_rate,
        beta1=beta1, labels=labels,
    )  # fmt: skip


def assemble(
    images: ImageSpec, loss: Loss, *, latent_dim: int, width: int, spectral: bool, learning_rate: float, beta1: float,
    labels: ClassMaps = "none",
) -> Game:  # fmt: skip
    """The game of a scalar loss on the networks that rows of table V share. labels: as in `dcgan`."""
    latents = Gaussian(latent_dim)
    return two_player(
        generator=GENERATORS[labels](images, latent_dim, width),
        discriminator=DISCRIMINATORS[labels](images, width, spectral=spectral),
        prior=latents if labels == "none" else WithChoice(latents, images.num_classes),
        loss=loss,
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        match=Match(discriminator_input=None if labels == "none" else Labelled()),
    )
