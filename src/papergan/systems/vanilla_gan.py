"""The vanilla GAN on convolutional networks. Goodfellow et al. 2014, arXiv:1406.2661.

Reproduced: the non-saturating loss of its section 3. The row with 6.30 in tahvili2025's table IV comes from the DRAGAN
paper (Kodali et al. 2017, arXiv:1705.07215), where it is the baseline: DRAGAN's networks and optimiser without its
penalty. `dragan` therefore differs from this system only in the penalty.
Our choices: DCGAN networks of three stages without BatchNorm in the discriminator, latents N(0, I) of dimension 100.
Deviations: the original paper's networks are fully connected; system `gan` has those.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.systems import dragan


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
) -> Game:
    """Build the game of `dragan` without the penalty."""
    return dragan.build(
        images, latent_dim=latent_dim, width=width, penalty=0.0, learning_rate=learning_rate, beta1=beta1, beta2=beta2
    )
