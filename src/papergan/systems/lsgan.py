"""LSGAN. Mao et al. 2017, arXiv:1611.04076.

Reproduced: the loss with a = 0, b = c = 1 (its section 3.2.2). The row of 42.02 in tahvili2025's table V is the number
that the RealnessGAN paper (Xiangli et al. 2020, arXiv:2002.05512) has for this loss on CIFAR-10.
Networks and optimiser are that paper's protocol, from its released code: DCGAN networks of width 128, spectral
normalisation without BatchNorm in the discriminator, latents N(0, I) of dimension 128, Adam 1e-4 (0.5, 0.999), batch 32
(in the recipe), one step each.
Ours, off by default: `labels: maps`, as `dcgan` has them.
Deviations: from the loss's own paper in all of that. Not verified: that the table for CIFAR-10 has that protocol.
Deterministic on a GPU: convolutions, transposed ones, batch norm and products have such kernels in torch.
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

    spectral: false gives the discriminator BatchNorm instead, as DCGAN has it. labels: how they enter both networks.
    """
    return assemble(
        images, LeastSquares(), latent_dim=latent_dim, width=width, spectral=spectral, learning_rate=learning_rate,
        beta1=beta1, labels=labels,
    )  # fmt: skip
