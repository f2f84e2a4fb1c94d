"""LSGAN. Mao et al. 2017, arXiv:1611.04076.

Reproduced: the loss with a = 0, b = c = 1 (its section 3.2.2). The row with 42.02 in tahvili2025's table V is the
number that the RealnessGAN paper (Xiangli et al. 2020, arXiv:2002.05512) gives for this loss on CIFAR-10.
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
from papergan.game.game import Game
from papergan.networks.convolutional.conditional_dcgan import ClassMaps
from papergan.objectives.adversarial import LeastSquares
from papergan.systems.hinge_gan import assemble


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
        images, LeastSquares(), latent_dim=latent_dim, width=width, spectral=spectral, learning_rate=learning_rate,
        beta1=beta1, labels=labels,
    )  # fmt: skip
