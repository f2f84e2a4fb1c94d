"""WGAN-GP. Gulrajani et al. 2017, arXiv:1704.00028.

Reproduced: the residual CIFAR-10 networks of appendix F (width 128, no normalisation in the critic, mean over
positions), Wasserstein loss, gradient penalty of eq. 3 with lambda 10, five critic steps, Adam 2e-4 (0, 0.9), linear
decay of the learning rate to 0 over 100 000 generator steps, a generator batch of twice the critic's. Batch 64 is in
the recipe.
Deviations: no dequantisation noise on real images; no labels (the paper's unsupervised setting).
Deterministic on a GPU: convolutions, their second derivatives, batch norm, nearest upsampling and mean pooling all have
such kernels in torch.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.schedules import LinearDecay
from papergan.game.two_player import two_player
from papergan.networks.resnet import ResNetDiscriminator, ResNetGenerator
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.gradient_penalties import GradientPenalty
from papergan.validation import Packing


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 128,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    critic_steps: Annotated[int, Field(ge=1)] = 5,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    decay_to_step: Annotated[int, Field(ge=1)] = 100_000,
    packing: Packing = 1,
) -> Game:
    """Build the game. The paper's numbers. packing: images per score of the critic."""
    rate = LinearDecay(learning_rate, 0, decay_to_step)
    match = Match(discriminator_input=packed(packing))
    return two_player(
        generator=ResNetGenerator(images, latent_dim, width),
        discriminator=ResNetDiscriminator(images.packed(packing), width, spectral=False, pool="mean"),
        prior=Gaussian(latent_dim),
        loss=Wasserstein(),
        generator_optimiser=adam(learning_rate, (0.0, 0.9)),
        discriminator_optimiser=adam(learning_rate, (0.0, 0.9)),
        generator_learning_rate=rate,
        discriminator_learning_rate=rate,
        discriminator_terms=[GradientPenalty(weight=penalty, match=match)],
        discriminator_steps=critic_steps,
        fakes_per_real=2,
        match=match,
    )
