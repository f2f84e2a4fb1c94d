"""WGAN-GP. Gulrajani et al. 2017, arXiv:1704.00028.

Reproduced: the residual CIFAR-10 networks of appendix F (width 128, no normalisation in the critic, mean over
positions), Wasserstein loss, gradient penalty of eq. 3 with lambda 10, five critic steps, Adam 2e-4 (0, 0.9), linear
decay of the learning rate to 0 over 100 000 generator steps, a generator batch of twice the critic's. Batch 64 is in
the recipe.
Ours, off by default: `labels: projection` (Miyato and Koyama 2018, arXiv:1802.05637), where generated images have the
classes of the real ones that they are compared with, and the penalty is computed for these classes; the paper itself
uses labels through an auxiliary classifier (Odena et al. 2017), which this is not.
Deviations: no dequantisation noise on real images; by default no labels (the paper's unsupervised setting).
Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives, batch norm,
nearest-neighbour upsampling and mean pooling.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled, packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.schedules import LinearDecay
from papergan.game.two_player import two_player
from papergan.networks.residual.resnet import ResNetDiscriminator, ResNetGenerator
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
    labels: Literal["none", "projection"] = "none",
    packing: Packing = 1,
) -> Game:
    """Build the game. The defaults are the paper's numbers.

    labels: projection = conditional BatchNorm and a projection discriminator. packing: images per score of the critic,
    each with its class if there are labels.
    """
    rate, shown = LinearDecay(learning_rate, 0, decay_to_step), images.packed(packing)
    latents, conditional = Gaussian(latent_dim), labels == "projection"
    match = Match(discriminator_input=packed(packing, Labelled() if conditional else None))
    return two_player(
        generator=ResNetGenerator(images, latent_dim, width, classes=images.num_classes if conditional else 0),
        discriminator=ResNetDiscriminator(
            shown, width, spectral=False, pool="mean", classes=shown.num_classes if conditional else 0
        ),
        prior=WithChoice(latents, images.num_classes, from_batch=True) if conditional else latents,
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
