"""DCGAN for few images: DiffAugment, hinge loss, lazy R1, weight averaging. Zhao et al. 2020, arXiv:2006.10738.

Reproduced: DiffAugment, before every discriminator and in both players' steps, with its authors' policy of colour,
translation and cutout. Everything else is our choice: the networks of DCGAN (Radford et al. 2015, arXiv:1511.06434),
without normalisation in the discriminator, which R1 (Mescheder et al. 2018, arXiv:1801.04406) regularises in every 16th
step; hinge loss; Adam 2e-4 (0, 0.99); EMA 0.995, for runs of thousands of steps.
Deterministic on a GPU: torch has deterministic kernels for convolutions of both kinds, their second derivatives, batch
norm and matrix products; it has none for the derivative of translation, for which `game.affine_resampling` has one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import Hinge
from papergan.objectives.gradient_penalties import lazy_penalties
from papergan.systems.hybrid import Weight


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 32,
    stages: Annotated[int, Field(ge=1, le=8)] = 3,
    r1: Weight = 1.0,
    r1_interval: Annotated[int, Field(ge=1)] = 16,
    augmentation: str = "color,translation,cutout",
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.995,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99,
) -> Game:
    """Build the game.

    A weight or decay of 0, or an `augmentation` of "none", switches a part off. stages: doublings of the resolution.
    """
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width, stages=stages),
        discriminator=DCGANDiscriminator(images, width, stages=stages, normalisation="none"),
        prior=Gaussian(latent_dim),
        loss=Hinge(),
        generator_optimiser=adam(learning_rate, (0.0, beta2)),
        discriminator_optimiser=adam(learning_rate, (0.0, beta2)),
        lazy_turns=lazy_penalties(r1_interval, r1=r1),
        augment=None if augmentation == "none" else DiffAugment(augmentation),
        average=EMA(ema_decay) if ema_decay else None,
    )
